/* Methods about zones. Positions are in logical blocks of the namespace, as in a host's zone report. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl_int.h"

static const char *const state_choices[] = {
    "any", "empty", "implicitly_open", "explicitly_open", "closed", "read_only", "full", "offline", NULL};
/* In the order of the choices. */
static const uint8_t states[] = {0,
                                 ZONE_STATE_EMPTY,
                                 ZONE_STATE_IMPLICIT_OPEN,
                                 ZONE_STATE_EXPLICIT_OPEN,
                                 ZONE_STATE_CLOSED,
                                 ZONE_STATE_READ_ONLY,
                                 ZONE_STATE_FULL,
                                 ZONE_STATE_OFFLINE};

/* The zones of one namespace. */
struct zones {
    const struct drive *drive;
    const struct drive_zoned_ops *ops;
    struct drive_zoned_limits limits;
    struct nvme_namespace ns;
    uint32_t first, count; /* of the drive */
};

/* False with the error filled: no zones, or no such namespace. */
static bool open_zones(struct ctl *ctl, int64_t nsid, struct zones *z, struct ctl_error *e) {
    *z = (struct zones){.drive = ctl->config.drive, .ops = ctl->config.drive->ops->zoned};
    if (!z->ops) {
        ctl_fail(e, CTL_UNSUPPORTED, NULL, "this drive has no zones: it is of kind %s", z->drive->ops->name);
        return false;
    }
    if (!nvme_subsystem_namespace(ctl->config.subsystem, (uint32_t)nsid, &z->ns)) {
        uint32_t most = nvme_subsystem_namespaces(ctl->config.subsystem);
        ctl_fail(e, CTL_INVALID_PARAMS, json_pack("{s:s,s:I}", "param", "nsid", "max", (json_int_t)most),
                 "there is no namespace %" PRId64 "; valid are 1 to %u", nsid, most);
        return false;
    }
    z->ops->limits(z->drive, &z->limits);
    z->first = (uint32_t)(z->ns.base / z->limits.zone_bytes);
    z->count = (uint32_t)(z->ns.blocks * z->ns.lba_bytes / z->limits.zone_bytes);
    return true;
}

static bool zone_exists(const struct zones *z, int64_t zone, struct ctl_error *e) {
    if (zone < z->count)
        return true;
    ctl_fail(e, CTL_INVALID_PARAMS, json_pack("{s:s,s:I}", "param", "zone", "max", (json_int_t)z->count - 1),
             "namespace %u has no zone %" PRId64 "; valid are 0 to %u", z->ns.nsid, zone, z->count - 1);
    return false;
}

static json_t *attributes_json(const struct drive_zone *zone) {
    static const struct {
        uint8_t bit;
        const char *name;
    } rows[] = {
        {ZONE_FINISHED_BY_CONTROLLER, "finished_by_controller"},
        {ZONE_FINISH_RECOMMENDED, "finish_recommended"},
        {ZONE_RESET_RECOMMENDED, "reset_recommended"},
        {ZONE_ZRWA_VALID, "zrwa"},
        {ZONE_EXTENSION_VALID, "extension"},
    };
    json_t *list = json_array();
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        if (zone->attributes & rows[i].bit)
            json_array_append_new(list, json_string(rows[i].name));
    return list;
}

static json_t *zone_json(const struct zones *z, uint32_t index, const struct drive_zone *zone) {
    uint64_t block = z->ns.lba_bytes, start = (zone->start - z->ns.base) / block;
    json_t *wp = zone->write_pointer == UINT64_MAX ? json_null() : ctl_u64((zone->write_pointer - z->ns.base) / block);
    return json_pack("{s:I,s:s,s:o,s:o,s:o,s:o}", "zone", (json_int_t)index, "state", zone_state_name(zone->state),
                     "start", ctl_u64(start), "capacity", ctl_u64(zone->capacity / block), "write_pointer", wp,
                     "attributes", attributes_json(zone));
}

static json_t *list_zones(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    struct zones z;
    if (!open_zones(ctl, arg[0].number, &z, e))
        return NULL;
    json_t *list = json_array();
    uint8_t wanted = states[arg[3].number];
    int64_t i = arg[1].number;
    for (; i < z.count && (int64_t)json_array_size(list) < arg[2].number; i++) {
        struct drive_zone zone;
        z.ops->zone(z.drive, z.first + (uint32_t)i, &zone);
        if (!wanted || zone.state == wanted)
            json_array_append_new(list, zone_json(&z, (uint32_t)i, &zone));
    }
    return json_pack("{s:I,s:I,s:o,s:o,s:o}", "nsid", (json_int_t)z.ns.nsid, "zones", (json_int_t)z.count,
                     "zone_blocks", ctl_u64(z.limits.zone_bytes / z.ns.lba_bytes), "list", list, "next",
                     i < z.count ? json_integer(i) : json_null());
}

static json_t *extension_json(const struct zones *z, uint32_t index) {
    char hex[2 * 255 * ZONE_EXTENSION_UNIT + 1] = "";
    const uint8_t *data = z->ops->extension(z->drive, index);
    for (uint32_t i = 0; data && i < z->limits.extension_bytes && 2 * i + 2 < sizeof hex; i++)
        snprintf(hex + 2 * i, 3, "%02x", data[i]);
    return json_string(hex);
}

static json_t *get_zone(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    struct zones z;
    struct drive_zone zone;
    if (!open_zones(ctl, arg[1].number, &z, e) || !zone_exists(&z, arg[0].number, e))
        return NULL;
    uint32_t index = z.first + (uint32_t)arg[0].number;
    z.ops->zone(z.drive, index, &zone);
    json_t *r = zone_json(&z, (uint32_t)arg[0].number, &zone);
    if (zone.attributes & ZONE_EXTENSION_VALID)
        json_object_set_new(r, "extension", extension_json(&z, index));
    return r;
}

static json_t *fail_zone(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    static const uint8_t to[] = {ZONE_STATE_READ_ONLY, ZONE_STATE_OFFLINE};
    struct zones z;
    struct drive_zone zone;
    struct err why = {0};
    if (!open_zones(ctl, arg[2].number, &z, e) || !zone_exists(&z, arg[0].number, e))
        return NULL;
    uint32_t index = z.first + (uint32_t)arg[0].number;
    if (z.ops->fail(ctl->config.drive, index, to[arg[1].number], &why))
        return ctl_fail(e, CTL_REFUSED, NULL, "%s", why.text);
    z.ops->zone(z.drive, index, &zone);
    return zone_json(&z, (uint32_t)arg[0].number, &zone);
}

static const char *const fail_choices[] = {"read_only", "offline", NULL};

const struct ctl_method ctl_zone_methods[] = {
    {"zone.list",
     "The zone table, in pieces",
     "`zones` in all, `list`: number, state, first block, capacity, write pointer (null where the state has none), "
     "attributes; `next`: where to go on with `from`, or null",
     false,
     list_zones,
     {{"nsid", CTL_INT, .min = 1, .max = UINT32_MAX, .def = "1", .help = "namespace"},
      {"from", CTL_INT, .max = UINT32_MAX, .def = "0", .help = "first zone, counted from 0"},
      {"count", CTL_INT, .min = 1, .max = 4096, .def = "256", .help = "zones at most"},
      {"state", CTL_CHOICE, .choices = state_choices, .def = "any", .help = "only zones of one state"}}},
    {"zone.get",
     "One zone",
     "as in `zone.list`, with its descriptor extension in hexadecimal if it has one",
     false,
     get_zone,
     {{"zone", CTL_INT, true, .max = UINT32_MAX, .help = "its number, counted from 0"},
      {"nsid", CTL_INT, .min = 1, .max = UINT32_MAX, .def = "1", .help = "namespace"}}},
    {"fault.zone",
     "Make a zone Read Only or Offline, as worn flash would; there is no way back but Format",
     "the zone as it is now",
     true,
     fail_zone,
     {{"zone", CTL_INT, true, .max = UINT32_MAX, .help = "its number, counted from 0"},
      {"state", CTL_CHOICE, true, .choices = fail_choices, .help = "what it becomes"},
      {"nsid", CTL_INT, .min = 1, .max = UINT32_MAX, .def = "1", .help = "namespace"}}},
    {.name = NULL},
};
