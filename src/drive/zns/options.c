/* Options of section "zns" that zones are made of, and what they must fulfil together. */
#include <errno.h>
#include <inttypes.h>

#include "drive/zns/zns.h"

#define ROW(field, ...)                                                                                                \
    { "zns", #field, .offset = offsetof(struct zns_config, field), __VA_ARGS__ }

enum { PAGE = 4096, EXTENSION_UNITS_MAX = 255 };

const struct opt_row zns_opts[] = {
    ROW(zone_size, .type = OPT_SIZE, .min = PAGE, .max = 0x1p50, .def = "128MiB", .unit = "bytes",
        .help = "distance of the zones' starts; Linux wants a power of two"),
    ROW(zone_capacity, .type = OPT_SIZE, .max = 0x1p50, .def = "128MiB", .unit = "bytes",
        .help = "bytes of a zone that can be written, at most zone_size; less where bad blocks leave less"),
    ROW(max_active, .type = OPT_U32, .max = 0x1p31, .def = "14", .unit = "zones",
        .help = "active zones (open or Closed) a namespace may have; 0 = no limit"),
    ROW(max_open, .type = OPT_U32, .max = 0x1p31, .def = "14", .unit = "zones",
        .help = "open zones a namespace may have, at most max_active; 0 = as many as may be active"),
    ROW(auto_close, .type = OPT_BOOL, .def = "yes", .runtime = true,
        .help = "close the zone that was implicitly opened first when another needs its place"),
    ROW(append_limit, .type = OPT_SIZE, .max = 0x1p50, .def = "0", .unit = "bytes",
        .help = "largest Zone Append: 4 KiB times a power of two; 0 = as the largest transfer"),
    ROW(read_across, .type = OPT_BOOL, .def = "yes", .help = "reads may cross the boundaries of zones"),
    ROW(variable_capacity, .type = OPT_BOOL, .def = "no",
        .help = "a reset may change a zone's capacity; Linux refuses such namespaces"),
    ROW(excursions, .type = OPT_BOOL, .def = "no",
        .help = "the drive may finish active zones by itself; Linux refuses such namespaces"),
    ROW(extension_bytes, .type = OPT_U32, .max = 1 << 20, .def = "0", .unit = "bytes",
        .help = "zone descriptor extension: a multiple of 64, at most 255 times 64; 0 = none"),
    ROW(zrwa_zones, .type = OPT_U32, .max = 0x1p31, .def = "0", .unit = "zones",
        .help = "zones of a namespace that may have a random write area; 0 = the drive has none"),
    ROW(zrwa_bytes, .type = OPT_SIZE, .max = 0x1p40, .def = "1MiB", .unit = "bytes",
        .help = "size of a random write area, a multiple of zrwa_granularity"),
    ROW(zrwa_granularity, .type = OPT_SIZE, .max = 0x1p40, .def = "16KiB", .unit = "bytes",
        .help = "what the write pointer moves by under a random write area"),
    ROW(zrwa_explicit_flush, .type = OPT_BOOL, .def = "yes", .help = "random write areas can be flushed by command"),
    ROW(finish_recommend_after, .type = OPT_TIME, .max = 1e18, .def = "0", .unit = "ns",
        .help = "recommend to finish a zone that has been active for so long; 0 = never"),
    ROW(reset_recommend_after, .type = OPT_TIME, .max = 1e18, .def = "0", .unit = "ns",
        .help = "recommend to reset a zone that has been Full for so long; 0 = never"),
    ROW(finish_after, .type = OPT_TIME, .max = 1e18, .def = "0", .unit = "ns",
        .help = "finish a zone that has been active for so long (needs excursions); 0 = never"),
    {0},
};

/* The nearest multiples of `unit` around a value, for messages. */
struct nearest {
    uint64_t below, above;
};

static struct nearest nearest(uint64_t value, uint64_t unit) {
    uint64_t below = value / unit * unit;
    return (struct nearest){below ? below : unit, below + unit};
}

static int check_sizes(const struct drive_config *c, struct err *e) {
    uint64_t size = c->zns.zone_size, capacity = c->zns.zone_capacity, drive = c->drive.capacity;
    if (!size || size % PAGE)
        return err_set(e, EINVAL,
                       "zns.zone_size = %" PRIu64 ": must be a multiple of 4096; nearest are %" PRIu64 " and %" PRIu64,
                       size, nearest(size, PAGE).below, nearest(size, PAGE).above);
    if (drive % size)
        return err_set(e, EINVAL,
                       "drive.capacity = %" PRIu64 ": must be a multiple of zns.zone_size = %" PRIu64
                       "; nearest are %" PRIu64 " and %" PRIu64,
                       drive, size, nearest(drive, size).below, nearest(drive, size).above);
    if (drive / size > UINT32_MAX - 1)
        return err_set(e, EINVAL, "zns.zone_size = %" PRIu64 ": gives %" PRIu64 " zones; at most %u can be counted",
                       size, drive / size, UINT32_MAX - 1);
    if (!capacity || capacity > size)
        return err_set(e, EINVAL,
                       "zns.zone_capacity = %" PRIu64
                       ": a zone's capacity is at least 4096 and at most zns.zone_size = "
                       "%" PRIu64 "; nearest is %" PRIu64,
                       capacity, size, capacity ? size : PAGE);
    if (capacity % PAGE)
        return err_set(e, EINVAL,
                       "zns.zone_capacity = %" PRIu64 ": must be a multiple of 4096; nearest are %" PRIu64
                       " and %" PRIu64,
                       capacity, nearest(capacity, PAGE).below, nearest(capacity, PAGE).above);
    return 0;
}

static int check_limits(const struct zns_config *z, struct err *e) {
    if (z->max_active && z->max_open > z->max_active)
        return err_set(
            e, EINVAL,
            "zns.max_open = %u: every open zone is active, so it is at most zns.max_active = %u; nearest are "
            "max_open = %u or max_active = %u",
            z->max_open, z->max_active, z->max_active, z->max_open);
    uint64_t pages = z->append_limit / PAGE, low = PAGE;
    while (low * 2 <= z->append_limit)
        low *= 2;
    if (z->append_limit && (z->append_limit % PAGE || pages & (pages - 1)))
        return err_set(e, EINVAL,
                       "zns.append_limit = %" PRIu64 ": must be 0 or 4096 times a power of two; nearest are %" PRIu64
                       " and %" PRIu64,
                       z->append_limit, low, low * 2);
    if (z->extension_bytes > EXTENSION_UNITS_MAX * ZONE_EXTENSION_UNIT)
        return err_set(e, EINVAL, "zns.extension_bytes = %u: at most 255 units of 64 bytes; nearest is %u",
                       z->extension_bytes, EXTENSION_UNITS_MAX * ZONE_EXTENSION_UNIT);
    if (z->extension_bytes % ZONE_EXTENSION_UNIT)
        return err_set(e, EINVAL, "zns.extension_bytes = %u: must be a multiple of 64; nearest are %u and %u",
                       z->extension_bytes, z->extension_bytes / 64 * 64, z->extension_bytes / 64 * 64 + 64);
    return 0;
}

static int check_windows(const struct zns_config *z, struct err *e) {
    if (!z->zrwa_zones)
        return 0;
    uint64_t step = z->zrwa_granularity, bytes = z->zrwa_bytes;
    if (!step || step % ZNS_WINDOW_UNIT)
        return err_set(e, EINVAL,
                       "zns.zrwa_granularity = %" PRIu64 ": must be a multiple of 512; nearest are %" PRIu64
                       " and %" PRIu64,
                       step, nearest(step, ZNS_WINDOW_UNIT).below, nearest(step, ZNS_WINDOW_UNIT).above);
    if (!bytes || bytes % step)
        return err_set(e, EINVAL,
                       "zns.zrwa_bytes = %" PRIu64 ": must be a multiple of zns.zrwa_granularity = %" PRIu64
                       "; nearest are %" PRIu64 " and %" PRIu64,
                       bytes, step, nearest(bytes, step).below, nearest(bytes, step).above);
    if (bytes > z->zone_capacity)
        return err_set(e, EINVAL, "zns.zrwa_bytes = %" PRIu64 ": at most zns.zone_capacity; nearest is %" PRIu64, bytes,
                       z->zone_capacity / step * step);
    if (z->max_active && z->zrwa_zones > z->max_active)
        return err_set(e, EINVAL,
                       "zns.zrwa_zones = %u: zones with a random write area are active, so it is at most "
                       "zns.max_active = %u",
                       z->zrwa_zones, z->max_active);
    return 0;
}

static int check_times(const struct zns_config *z, struct err *e) {
    if (z->finish_after && !z->excursions)
        return err_set(e, EINVAL, "zns.finish_after = %" PRId64 " ns: needs zns.excursions = yes; or leave it at 0",
                       z->finish_after);
    if (z->finish_after && z->finish_after <= z->finish_recommend_after)
        return err_set(e, EINVAL,
                       "zns.finish_after = %" PRId64 " ns: must be more than zns.finish_recommend_after = %" PRId64
                       " ns",
                       z->finish_after, z->finish_recommend_after);
    return 0;
}

int zns_config_check(const struct drive_config *config, struct err *e) {
    if (check_sizes(config, e) || check_limits(&config->zns, e) || check_windows(&config->zns, e) ||
        check_times(&config->zns, e))
        return -EINVAL;
    return zns_media_kind(config)->check(config, e);
}
