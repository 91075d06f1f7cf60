/* What a zoned drive shows of its zones; see drive/zone.h. */
#include <errno.h>

#include "base/log.h"
#include "drive/zns/zns.h"

enum { NS_PER_S = 1000000000 };

static uint32_t seconds(int64_t ns) {
    return (uint32_t)((ns + NS_PER_S - 1) / NS_PER_S);
}

static void limits(const struct drive *drive, struct drive_zoned_limits *l) {
    const struct zns *s = zns_of(drive);
    const struct zns_config *c = &drive->config.zns;
    *l = (struct drive_zoned_limits){
        .zone_bytes = s->zone_bytes,
        .zones = s->count,
        .max_active = s->max_active,
        .max_open = s->max_open,
        .append_bytes = c->append_limit,
        .extension_bytes = c->extension_bytes,
        .read_across = c->read_across,
        .variable_capacity = c->variable_capacity,
        .excursions = c->excursions,
        .zrwa_zones = c->zrwa_zones,
        .zrwa_bytes = c->zrwa_zones ? c->zrwa_bytes : 0,
        .zrwa_granularity = c->zrwa_zones ? c->zrwa_granularity : 0,
        .zrwa_explicit_flush = c->zrwa_zones && c->zrwa_explicit_flush,
    };
    if (c->finish_recommend_after && c->finish_after)
        l->finish_limits_s[0] = seconds(c->finish_after - c->finish_recommend_after);
}

static bool has_pointer(uint8_t state) {
    return state == ZONE_STATE_EMPTY || zns_is_active(state);
}

static void zone(const struct drive *drive, uint32_t index, struct drive_zone *out) {
    const struct zns *s = zns_of(drive);
    const struct zns_durable *z = &s->zones[index];
    uint64_t start = zns_start(s, index);
    *out = (struct drive_zone){
        .start = start,
        .capacity = z->capacity,
        .write_pointer = has_pointer(z->mark.state) ? start + z->wp : UINT64_MAX,
        .state = z->mark.state,
        .attributes = z->mark.attributes,
    };
}

static const void *extension(const struct drive *drive, uint32_t index) {
    const struct zns *s = zns_of(drive);
    if (!(s->zones[index].mark.attributes & ZONE_EXTENSION_VALID))
        return store_zeros();
    return s->extensions + (size_t)index * drive->config.zns.extension_bytes;
}

static void divide(struct drive *drive, uint32_t namespaces) {
    struct zns *s = zns_of(drive);
    if (namespaces && namespaces != s->part_count && zns_divide(s, namespaces))
        log_error(LOG_DRIVE, "no memory for the zone limits of %u namespaces: they share them", namespaces);
    zns_fit(s);
}

static void shut(struct drive *drive, uint32_t first, uint32_t count) {
    zns_shutdown(zns_of(drive), first, count);
}

static void format(struct drive *drive, uint32_t first, uint32_t count) {
    zns_format(zns_of(drive), first, count);
}

static int fail_zone(struct drive *drive, uint32_t index, uint8_t state, struct err *e) {
    struct zns *s = zns_of(drive);
    if (index >= s->count)
        return err_set(e, EINVAL, "zone %u: there are zones 0 to %u", index, s->count - 1);
    if (state != ZONE_STATE_READ_ONLY && state != ZONE_STATE_OFFLINE)
        return err_set(e, EINVAL, "a zone can fail to Read Only or Offline, not to %s", zone_state_name(state));
    if (s->zones[index].mark.state == ZONE_STATE_OFFLINE && state != ZONE_STATE_OFFLINE)
        return err_set(e, EINVAL, "zone %u is Offline and stays so", index);
    zns_fail_zone(s, index, state);
    return 0;
}

static void watch(struct drive *drive, struct drive_zone_watch *w) {
    struct zns *s = zns_of(drive);
    w->next = s->watches;
    s->watches = w;
}

const struct drive_zoned_ops zns_zoned_ops = {
    .limits = limits,
    .zone = zone,
    .extension = extension,
    .divide = divide,
    .shutdown = shut,
    .format = format,
    .fail = fail_zone,
    .watch = watch,
};
