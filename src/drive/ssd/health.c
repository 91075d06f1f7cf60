/* What an SSD reports about itself. */
#include <inttypes.h>
#include <jansson.h>

#include "drive/ssd/ssd.h"

enum { SPARE_THRESHOLD_PERCENT = 10 };

static double mean_erases(const struct ssd *s) {
    return (double)nand_wear(s->ftl.nand)->erases / (double)s->ftl.total_blocks;
}

static void erases_range(const struct ftl *f, uint32_t *least, uint32_t *most) {
    *least = UINT32_MAX;
    *most = 0;
    for (uint64_t i = 0; i < f->total_blocks; i++) {
        uint32_t erases = f->state[i].erases;
        *least = erases < *least ? erases : *least;
        *most = erases > *most ? erases : *most;
    }
}

static uint8_t spare_percent(const struct ftl *f) {
    int64_t now = ftl_spare_blocks(f);
    if (now < 0)
        return 0;
    if (f->spare_blocks_start <= 0 || now >= f->spare_blocks_start)
        return 100;
    return (uint8_t)(now * 100 / f->spare_blocks_start);
}

void ssd_health(const struct drive *drive, struct drive_health *health) {
    const struct ssd *s = ssd_of(drive);
    uint32_t endurance = s->drive.config.nand.endurance;
    double used = endurance ? mean_erases(s) * 100 / endurance : 0;
    health->percent_used = used > 255 ? 255 : (uint8_t)used;
    health->spare_percent = spare_percent(&s->ftl);
    health->spare_threshold = SPARE_THRESHOLD_PERCENT;
    health->read_only = s->ftl.read_only;
    const struct nand_counters *n = nand_counters(s->ftl.nand);
    health->media_bytes_read = s->life->bytes_read + n->bytes[NAND_READ][NAND_GC];
    health->media_bytes_written = s->life->bytes_written + n->bytes[NAND_PROGRAM][NAND_GC];
    health->media_errors = s->life->media_errors + s->ftl.count.lost_units;
}

static json_t *ftl_stats(const struct ssd *s) {
    const struct ftl *f = &s->ftl;
    const struct ftl_counters *c = &f->count;
    uint64_t free_blocks = 0, least_free = UINT64_MAX;
    for (uint32_t i = 0; i < f->planes; i++) {
        free_blocks += f->plane[i].free_count;
        least_free = f->plane[i].free_count < least_free ? f->plane[i].free_count : least_free;
    }
    double victim_units = (double)c->gc_runs * f->block_units;
    return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:f,s:I,s:I,s:I,s:I,s:I,s:I}", "mapping", f->ops->name, "gc_policy",
                     f->policy->name, "host_units", (json_int_t)c->host_units, "gc_units", (json_int_t)c->gc_units,
                     "pad_units", (json_int_t)c->pad_units, "gc_runs", (json_int_t)c->gc_runs, "victim_valid_ratio",
                     c->gc_runs ? (double)c->victim_valid / victim_units : 0.0, "gc_stale_units",
                     (json_int_t)c->gc_stale, "lost_units", (json_int_t)c->lost_units, "mapped_units",
                     (json_int_t)f->mapped, "free_blocks", (json_int_t)free_blocks, "least_free_blocks_of_a_plane",
                     (json_int_t)least_free, "spare_blocks", (json_int_t)ftl_spare_blocks(f));
}

/* What was written into the blocks of each heat, and what they hold. */
static json_t *stream_stats(const struct ftl *f) {
    json_t *all = json_array();
    for (unsigned h = 0; h < f->heats; h++) {
        uint64_t blocks = 0, valid = 0;
        for (uint32_t i = 0; i < f->total_blocks; i++) {
            const struct ftl_block *b = &f->blocks[i];
            if (b->heat != h || b->state == BLOCK_FREE || b->state == BLOCK_ERASING || b->state == BLOCK_DEAD)
                continue;
            blocks++;
            valid += b->valid;
        }
        const uint64_t *units = &f->count.heat_units[ftl_stream(h, FTL_STREAM_HOST)];
        json_array_append_new(all, json_pack("{s:I,s:I,s:I,s:I}", "host_units", (json_int_t)units[FTL_STREAM_HOST],
                                             "gc_units", (json_int_t)units[FTL_STREAM_GC], "blocks", (json_int_t)blocks,
                                             "valid_units", (json_int_t)valid));
    }
    return all;
}

/* Units programmed per unit the host wrote: what left the buffer plus what was overwritten in it. */
static json_t *amplification(const struct ssd *s) {
    const struct ftl_counters *c = &s->ftl.count;
    double host = (double)s->ftl.count.host_units;
    if (!host)
        return json_pack("{s:f,s:f,s:f,s:f}", "total", 0.0, "host", 0.0, "gc", 0.0, "padding", 0.0);
    double written =
        host + (double)s->count.buffer_write_units - (double)s->count.missing_bytes / (double)s->ftl.unit_bytes;
    written = written < 1 ? 1 : written;
    return json_pack("{s:f,s:f,s:f,s:f}", "total", (host + (double)c->gc_units + (double)c->pad_units) / written,
                     "host", host / written, "gc", (double)c->gc_units / written, "padding",
                     (double)c->pad_units / written);
}

static json_t *buffer_stats(const struct ssd *s) {
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "units", (json_int_t)(s->buffer.room >> s->ftl.unit_shift),
                     "used", (json_int_t)s->buffer.used, "peak", (json_int_t)s->count.buffer_peak, "read_hits",
                     (json_int_t)s->count.buffer_read_units, "write_hits", (json_int_t)s->count.buffer_write_units,
                     "stalls", (json_int_t)s->count.stalls, "fill_reads", (json_int_t)s->count.fill_reads,
                     "unmapped_reads", (json_int_t)s->count.unmapped_read_units);
}

static json_t *health_stats(const struct ssd *s) {
    struct drive_health h = {0};
    ssd_health(&s->drive, &h);
    uint32_t least, most;
    erases_range(&s->ftl, &least, &most);
    return json_pack("{s:i,s:i,s:b,s:I,s:I,s:I,s:I,s:i,s:i,s:f}", "percent_used", h.percent_used, "spare_percent",
                     h.spare_percent, "read_only", h.read_only, "media_errors", (json_int_t)h.media_errors,
                     "media_bytes_written", (json_int_t)h.media_bytes_written, "media_bytes_read",
                     (json_int_t)h.media_bytes_read, "bad_blocks", (json_int_t)nand_wear(s->ftl.nand)->bad,
                     "erases_least", (int)least, "erases_most", (int)most, "erases_mean", mean_erases(s));
}

json_t *ssd_stats(const struct drive *drive) {
    const struct ssd *s = ssd_of(drive);
    json_t *all = json_object();
    json_t *ftl = ftl_stats(s);
    if (s->ftl.unit_bytes != FTL_SECTOR_BYTES)
        json_object_set_new(ftl, "unit_bytes", json_integer(s->ftl.unit_bytes));
    if (s->ftl.heats > 1)
        json_object_set_new(ftl, "streams", stream_stats(&s->ftl));
    json_object_set_new(all, "ftl", ftl);
    json_object_set_new(all, "buffer", buffer_stats(s));
    json_t *by_cause = amplification(s);
    json_object_set(all, "write_amplification", json_object_get(by_cause, "total"));
    json_object_del(by_cause, "total");
    json_object_set_new(all, "write_amplification_by_cause", by_cause);
    json_object_set_new(all, "nand", nand_stats_json(s->ftl.nand));
    json_object_set_new(all, "health", health_stats(s));
    return all;
}
