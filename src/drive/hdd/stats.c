/* What a hard disk reports about itself, and its self-check. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "drive/hdd/hdd.h"

enum { SPARE_THRESHOLD_PERCENT = 10 };

void hdd_health(const struct drive *drive, struct drive_health *health) {
    const struct hdd *h = hdd_of(drive);
    health->spare_percent = 100;
    health->spare_threshold = SPARE_THRESHOLD_PERCENT;
    health->media_bytes_read = h->arm.count.sectors[false] * h->geometry.sector_bytes;
    health->media_bytes_written = h->arm.count.sectors[true] * h->geometry.sector_bytes;
}

static int64_t busy_ns(const struct disk_counters *c) {
    return c->seek_ns + c->settle_ns + c->rotation_ns + c->transfer_ns + c->wait_ns + c->stream_ns;
}

static json_t *arm_stats(const struct hdd *h) {
    const struct disk_counters *c = &h->arm.count;
    int64_t now = sim_now(h->sim);
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:i,s:f}", "reads",
                     (json_int_t)c->ops[false], "writes", (json_int_t)c->ops[true], "seeks", (json_int_t)c->seeks,
                     "head_switches", (json_int_t)c->switches, "head_travel_cylinders", (json_int_t)c->distance,
                     "seek_ns", (json_int_t)c->seek_ns, "settle_ns", (json_int_t)c->settle_ns, "rotational_wait_ns",
                     (json_int_t)c->rotation_ns, "transfer_ns", (json_int_t)c->transfer_ns, "data_wait_ns",
                     (json_int_t)c->wait_ns, "read_ahead_ns", (json_int_t)c->stream_ns, "read_ahead_sectors",
                     (json_int_t)c->streamed, "read_ahead_interrupted", (json_int_t)c->interrupted, "queue_peak",
                     (json_int_t)c->queue_peak, "cylinder", (int)h->arm.head.cylinder, "utilisation",
                     now > 0 ? (double)busy_ns(c) / (double)now : 0.0);
}

static json_t *cache_stats(const struct hdd *h) {
    const struct hdd_counters *c = &h->count;
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "read_hits", (json_int_t)c->read_hits,
                     "read_hits_of_stream", (json_int_t)c->stream_hits, "read_partial_hits",
                     (json_int_t)c->read_partial, "read_misses", (json_int_t)c->read_misses, "writes_cached",
                     (json_int_t)c->writes_cached, "writes_merged", (json_int_t)c->writes_merged, "written_back",
                     (json_int_t)c->written_back, "rewrites", (json_int_t)c->rewrites, "stalls", (json_int_t)c->stalls,
                     "write_segments_used", (json_int_t)h->extents_used, "write_segments_peak",
                     (json_int_t)c->extents_peak);
}

json_t *hdd_stats(const struct drive *drive) {
    const struct hdd *h = hdd_of(drive);
    return json_pack("{s:o,s:o,s:{s:I,s:i,s:i,s:I,s:I}}", "arm", arm_stats(h), "cache", cache_stats(h), "disk",
                     "sectors", (json_int_t)h->geometry.sectors, "cylinders", (int)h->geometry.cylinders, "zones",
                     (int)h->geometry.zones, "turn_ns", (json_int_t)h->geometry.rev_ns, "remapped",
                     (json_int_t)h->geometry.remaps);
}

/* Older extents that a used one touches. */
static uint32_t older_below(const struct hdd *h, const struct hdd_extent *x) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < hdd_config(h)->write_segments; i++) {
        const struct hdd_extent *y = &h->extents[i];
        n += y->sequence < x->sequence && hdd_extent_touches(y, x->offset, x->bytes);
    }
    return n;
}

int hdd_check_state(const struct drive *drive, struct err *e) {
    const struct hdd *h = hdd_of(drive);
    uint32_t used = 0, slots = 0;
    for (uint32_t i = 0; i < hdd_config(h)->write_segments; i++) {
        const struct hdd_extent *x = &h->extents[i];
        used += x->used;
        if (x->used && (!x->bytes || x->bytes > hdd_config(h)->segment_bytes || older_below(h, x) != x->op.blockers))
            return err_set(e, EINVAL,
                           "write segment %" PRIu32 " of %" PRIu64 " bytes at %" PRIu64 " waits for %" PRIu32
                           " others, but touches %" PRIu32 " older ones",
                           i, x->bytes, x->offset, x->op.blockers, older_below(h, x));
    }
    for (uint32_t i = 0; i < hdd_config(h)->queue_depth; i++)
        slots += h->slots[i].io != NULL;
    if (used != h->extents_used || slots != h->slots_used)
        return err_set(e, EINVAL,
                       "%" PRIu32 " write segments and %" PRIu32 " commands are counted, but %" PRIu32 " and %" PRIu32
                       " are in use",
                       h->extents_used, h->slots_used, used, slots);
    return 0;
}
