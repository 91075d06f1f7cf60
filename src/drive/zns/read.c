/*
 * Reads and deallocation under zone rules. What isn't written, be it above a
 * write pointer, above a capacity, or skipped in a random write area, reads as
 * zeros and is reported as unmapped.
 *
 * Source: ZNS 1.1, sections 2.1.1.2.1.2 (reads), 3.3.3 (deallocation).
 * Simplified: deallocation, which is advice, leaves written blocks as they
 * are; blocks skipped in a random write area count as written once committed.
 */
#include <inttypes.h>

#include "drive/payload.h"
#include "drive/zns/zns.h"

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Bytes from `at` on that are written. */
static uint64_t written_from(const struct zns *s, uint32_t zone, uint64_t at, uint64_t bytes) {
    const struct zns_durable *z = &s->zones[zone];
    uint64_t end = at + bytes, to = z->wp > at ? z->wp : at;
    if (UNLIKELY(zns_has_window(z)))
        while (to < end && zns_window_written(s, zone, to))
            to += ZNS_WINDOW_UNIT - to % ZNS_WINDOW_UNIT;
    return (to < end ? to : end) - at;
}

static bool zone_mapped(const struct zns *s, uint32_t zone, uint64_t at, uint64_t end) {
    const struct zns_durable *z = &s->zones[zone];
    if (z->mark.state == ZONE_STATE_OFFLINE)
        return false;
    if (z->wp > at)
        return true;
    if (zns_has_window(z))
        for (at -= at % ZNS_WINDOW_UNIT; at < end && at < z->wp + s->drive.config.zns.zrwa_bytes; at += ZNS_WINDOW_UNIT)
            if (zns_window_written(s, zone, at))
                return true;
    return false;
}

static bool readable(struct zns *s, uint32_t zone, struct io *io) {
    if (!UNLIKELY(s->zones[zone].mark.state == ZONE_STATE_OFFLINE))
        return true;
    zns_fail(s, io, zone, IO_ZONE_IS_OFFLINE, "the zone is Offline: its data is lost");
    return false;
}

static void refuse_across(struct zns *s, struct io *io, uint32_t zone) {
    uint64_t past = io->offset + io->bytes - zns_start(s, zone + 1);
    char over[ZNS_WORD_MAX];
    zns_refuse(s, io, zone, IO_ZONE_BOUNDARY, "ends %s past the zone, and reads may not cross zones (RAZB is 0)%s",
               zns_amount(io, past, over), zns_one_block(io, past) ? ": " ZNS_HINT_ZERO_BASED : "");
}

/* Zeros where nothing is written; how much is, from `at` on. */
static uint64_t prepare(struct zns *s, uint32_t zone, uint64_t at, uint64_t bytes) {
    uint64_t written = written_from(s, zone, at, bytes);
    if (written < bytes && s->payload)
        zns_stale_clear(s, zone, at + written, at + bytes);
    return written;
}

static void read_across(struct zns *s, struct io *io) {
    uint64_t at = io->offset, end = io->offset + io->bytes, written = 0;
    bool mapped = false;
    for (uint32_t zone = zns_zone_at(s, at); zone <= zns_zone_at(s, end - 1); zone++)
        if (!readable(s, zone, io)) {
            zns_media_nothing(s->media, io);
            return;
        }
    zns_media_begin(s->media, io);
    while (at < end) {
        uint32_t zone = zns_zone_at(s, at);
        uint64_t until = zns_start(s, zone + 1) < end ? zns_start(s, zone + 1) : end;
        uint64_t here = prepare(s, zone, at - zns_start(s, zone), until - at);
        zns_media_read(s->media, zone, at - zns_start(s, zone), until - at, here, io);
        written += here;
        mapped = mapped || zone_mapped(s, zone, at - zns_start(s, zone), until - zns_start(s, zone));
        at = until;
    }
    io->unmapped = written < io->bytes;
    payload_read(&s->drive, io, !mapped);
    zns_media_end(s->media, io);
}

void zns_read(struct zns *s, struct io *io) {
    uint32_t zone = zns_zone_at(s, io->offset);
    uint64_t at = io->offset - zns_start(s, zone);
    if (UNLIKELY(io->bytes > s->zone_bytes - at)) {
        if (s->drive.config.zns.read_across)
            read_across(s, io);
        else
            refuse_across(s, io, zone);
        return;
    }
    if (!readable(s, zone, io)) {
        zns_media_nothing(s->media, io);
        return;
    }
    uint64_t written = prepare(s, zone, at, io->bytes);
    io->unmapped = written < io->bytes;
    payload_read(&s->drive, io, !written && !zone_mapped(s, zone, at, at + io->bytes));
    zns_media_read(s->media, zone, at, io->bytes, written, io);
}

void zns_trim(struct zns *s, struct io *io) {
    uint32_t last = zns_zone_at(s, io->offset + io->bytes - 1);
    for (uint32_t zone = zns_zone_at(s, io->offset); zone <= last; zone++)
        if (s->zones[zone].mark.state == ZONE_STATE_OFFLINE) {
            zns_refuse(s, io, zone, IO_ZONE_IS_OFFLINE, "the zone is Offline: nothing of it can be deallocated");
            return;
        }
    zns_media_nothing(s->media, io);
}

bool zns_mapped(const struct drive *drive, uint64_t offset, uint64_t bytes) {
    const struct zns *s = zns_of(drive);
    uint64_t end = offset + bytes;
    while (offset < end) {
        uint32_t zone = zns_zone_at(s, offset);
        uint64_t start = zns_start(s, zone), until = start + s->zone_bytes < end ? start + s->zone_bytes : end;
        if (zone_mapped(s, zone, offset - start, until - start))
            return true;
        offset = until;
    }
    return false;
}
