/* Methods about the drive as a whole, its namespaces and its hosts' controllers. */
#include <inttypes.h>

#include "ctl/ctl_int.h"

static json_t *flash_json(struct drive *drive) {
    const struct nand_config *c = &drive->config.nand;
    if (!drive_nand(drive))
        return json_null();
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "channels", (json_int_t)c->channels, "luns", (json_int_t)c->luns,
                     "dies", (json_int_t)nand_die_count(c), "planes", (json_int_t)c->planes, "blocks",
                     (json_int_t)c->blocks, "pages", (json_int_t)c->pages, "page_bytes", (json_int_t)c->page_bytes);
}

static json_t *info(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    static const char *const modes[] = {"virtual", "wall", "scaled"};
    const struct ctl_config *c = &ctl->config;
    struct drive *drive = c->drive;
    json_t *r = json_object();
    json_object_set_new(r, "version", json_string(DRIVELAB_VERSION));
    json_object_set_new(r, "drive", ctl_text(drive->config.name));
    json_object_set_new(r, "model", ctl_text(drive->config.drive.model));
    json_object_set_new(r, "kind", json_string(drive->ops->name));
    json_object_set_new(r, "summary", json_string(drive->ops->summary));
    json_object_set_new(r, "capacity", ctl_u64(drive->capacity));
    json_object_set_new(r, "zoned", json_boolean(drive->ops->zoned != NULL));
    json_object_set_new(r, "flash", flash_json(drive));
    json_object_set_new(r, "store", json_string(store_kind(drive->store)));
    json_object_set_new(r, "image", c->image ? ctl_text(c->image) : json_null());
    json_object_set_new(r, "nqn", ctl_text(nvme_subsystem_nqn(c->subsystem)));
    json_object_set_new(r, "serial", ctl_text(nvme_subsystem_serial(c->subsystem)));
    json_object_set_new(r, "namespaces", json_integer(nvme_subsystem_namespaces(c->subsystem)));
    json_object_set_new(r, "time", json_string(modes[sim_mode(c->sim)]));
    json_object_set_new(r, "now_ns", json_integer(sim_now(c->sim)));
    json_object_set_new(r, "inflight", ctl_u64(drive->inflight));
    json_object_set_new(r, "paused", json_boolean(nvme_paused(c->target)));
    json_object_set_new(r, "held", ctl_u64(nvme_held(c->target)));
    return r;
}

static json_t *zoned_json(const struct drive *drive) {
    struct drive_zoned_limits l = {0};
    if (!drive->ops->zoned)
        return json_null();
    drive->ops->zoned->limits(drive, &l);
    json_t *r = json_object();
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"zone_bytes", l.zone_bytes},
        {"zones", l.zones},
        {"max_active", l.max_active},
        {"max_open", l.max_open},
        {"append_bytes", l.append_bytes},
        {"extension_bytes", l.extension_bytes},
        {"zrwa_zones", l.zrwa_zones},
        {"zrwa_bytes", l.zrwa_bytes},
        {"zrwa_granularity", l.zrwa_granularity},
    };
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        json_object_set_new(r, numbers[i].name, ctl_u64(numbers[i].value));
    json_object_set_new(r, "read_across", json_boolean(l.read_across));
    json_object_set_new(r, "variable_capacity", json_boolean(l.variable_capacity));
    json_object_set_new(r, "excursions", json_boolean(l.excursions));
    return r;
}

static json_t *limits(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    struct drive_limits l;
    drive_limits(ctl->config.drive, &l);
    return json_pack("{s:o,s:I,s:I,s:I,s:b,s:b,s:o}", "capacity", ctl_u64(l.capacity), "granularity",
                     (json_int_t)l.granularity, "trim_granularity", (json_int_t)l.trim_granularity,
                     "optimal_write_bytes", (json_int_t)l.optimal_write_bytes, "volatile_cache", l.volatile_cache,
                     "rotational", l.rotational, "zoned", zoned_json(ctl->config.drive));
}

static json_t *health(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    struct drive_health h;
    drive_health(ctl->config.drive, &h);
    return json_pack("{s:i,s:i,s:i,s:b,s:o,s:o,s:o}", "percent_used", h.percent_used, "spare_percent", h.spare_percent,
                     "spare_threshold", h.spare_threshold, "read_only", h.read_only, "media_errors",
                     ctl_u64(h.media_errors), "media_bytes_written", ctl_u64(h.media_bytes_written), "media_bytes_read",
                     ctl_u64(h.media_bytes_read));
}

static json_t *paused(struct ctl *ctl, uint64_t held) {
    return json_pack("{s:b,s:o}", "paused", nvme_paused(ctl->config.target), "held", ctl_u64(held));
}

static json_t *pause_io(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    nvme_pause(ctl->config.target);
    return paused(ctl, nvme_held(ctl->config.target));
}

static json_t *resume_io(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    uint64_t held = nvme_held(ctl->config.target);
    nvme_resume(ctl->config.target);
    return paused(ctl, held);
}

static json_t *namespaces(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    json_t *list = json_array();
    struct nvme_namespace ns;
    for (uint32_t nsid = 1; nvme_subsystem_namespace(ctl->config.subsystem, nsid, &ns); nsid++)
        json_array_append_new(list, json_pack("{s:I,s:o,s:I,s:o,s:b}", "nsid", (json_int_t)ns.nsid, "blocks",
                                              ctl_u64(ns.blocks), "lba_bytes", (json_int_t)ns.lba_bytes, "first_byte",
                                              ctl_u64(ns.base), "formatting", ns.formatting));
    return json_pack("{s:o}", "namespaces", list);
}

/* Their errors are errors.list's business. */
static json_t *controllers(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    json_t *stats = nvme_subsystem_stats(ctl->config.subsystem), *list = json_object_get(stats, "controllers"), *one;
    size_t i;
    json_array_foreach(list, i, one) {
        json_object_del(one, "last_errors");
    }
    json_t *r = list ? json_pack("{s:O}", "controllers", list) : NULL;
    json_decref(stats);
    return r;
}

const struct ctl_method ctl_drive_methods[] = {
    {"drive.info",
     "What is served: drive, capacity, flash, image, clock, whether it is paused",
     "an object of names, sizes in bytes, times in nanoseconds of modelled time",
     false,
     info,
     {{NULL}}},
    {"drive.limits",
     "What the drive tells layers above: granularities in bytes, cache, limits of its zones",
     "an object; `zoned` is null for drives without zones, limits of 0 mean none",
     false,
     limits,
     {{NULL}}},
    {"drive.health", "Wear, spare blocks, media errors", "an object", false, health, {{NULL}}},
    {"drive.pause",
     "Take I/O commands but begin none, and report the end of none, until `drive.resume`; nothing is lost, and admin "
     "commands go on, so hosts stay connected as long as their own timeouts allow",
     "`paused`, and how many commands are `held`",
     true,
     pause_io,
     {{NULL}}},
    {"drive.resume",
     "Begin and report what was held, in its order",
     "`paused`, and how many commands were `held`",
     true,
     resume_io,
     {{NULL}}},
    {"namespace.list",
     "The namespaces",
     "`namespaces`: NSID, size in blocks, block size, first byte on the drive",
     false,
     namespaces,
     {{NULL}}},
    {"controller.list",
     "The controllers that hosts have created, with their queues",
     "`controllers`",
     false,
     controllers,
     {{NULL}}},
    {.name = NULL},
};
