/*
 * Reads and the read cache: segments, each a run of sectors, replaced least
 * recently used first. Behind a read the arm reads on into the same segment
 * while nothing else is to be done; a segment holds its last segment_bytes.
 *
 * A read is a hit when all of it is in a segment or in the write cache, or
 * begins where a stream is under way: the stream then goes on at least to its
 * end. Of a read that begins in a segment only the rest is fetched.
 *
 * Firmware that takes a read for a part of a sequential stream, as one of the
 * last few ended where it begins, may read on so far before it looks at the
 * next command (DiskSim's minimum read-ahead, but for known streams alone).
 */
#include <string.h>

#include "drive/hdd/hdd.h"

struct range {
    uint64_t start, end; /* sectors */
};

static struct range sectors_of(const struct hdd *h, const struct io *io) {
    uint32_t unit = h->geometry.sector_bytes;
    return (struct range){io->offset / unit, (io->offset + io->bytes + unit - 1) / unit};
}

/* The oldest sectors of a segment make room for the newest. */
static void segment_grow(struct hdd *h, struct hdd_segment *s, uint64_t end) {
    uint64_t most = hdd_config(h)->segment_bytes / h->geometry.sector_bytes;
    if (end > s->end)
        s->end = end;
    if (s->end - s->start > most)
        s->start = s->end - most;
}

/* Bring the segment that is read into up to now. */
static void sync_stream(struct hdd *h) {
    if (!h->streaming)
        return;
    disk_stream_update(&h->arm);
    segment_grow(h, h->streaming, h->arm.stream.next);
    if (!h->arm.stream.active)
        h->streaming = NULL;
}

/* The segment a read begins in, or just behind; NULL: none. */
static struct hdd_segment *find(struct hdd *h, struct range r) {
    struct hdd_segment *best = NULL;
    sync_stream(h);
    for (uint32_t i = 0; i < hdd_config(h)->read_segments; i++) {
        struct hdd_segment *s = &h->segments[i];
        bool stream = s == h->streaming;
        if (s->start == s->end || r.start < s->start || (stream ? r.start > s->end : r.start >= s->end))
            continue;
        if (!best || s->end > best->end)
            best = s;
    }
    return best;
}

static bool served(const struct hdd *h, const struct hdd_segment *s, struct range r) {
    return s && (r.end <= s->end || s == h->streaming);
}

bool hdd_read_hits(struct hdd *h, const struct io *io) {
    struct range r = sectors_of(h, io);
    return served(h, find(h, r), r) || hdd_extent_holds(h, io->offset, io->bytes);
}

/* --- answers --- */

/* The last sector is there at `last_ns`, the first was at `first_ns`. */
static void send(struct hdd_slot *slot, int64_t first_ns, int64_t last_ns) {
    struct hdd *h = slot->hdd;
    const struct hdd_config *c = hdd_config(h);
    uint64_t bytes = slot->io->bytes, unit = h->geometry.sector_bytes;
    int64_t from = first_ns + (int64_t)((double)(last_ns - first_ns) * c->bus_mark / 100);
    int64_t end = io_link_cross(&h->bus, c->bus_overlap ? from : last_ns, bytes);
    struct io_link tail = {.byte_ns_q32 = h->bus.byte_ns_q32};
    int64_t least = io_link_cross(&tail, last_ns, bytes < unit ? bytes : unit);
    end = end > least ? end : least;
    io_spent(slot->io, IO_STAGE_TRANSFER, last_ns); /* of a stream */
    io_spent(slot->io, IO_STAGE_LINK_WAIT, end - io_link_ns(&h->bus, bytes));
    io_spent(slot->io, IO_STAGE_LINK, end);
    io_spent(slot->io, IO_STAGE_FIRMWARE, end + c->read_answer);
    hdd_answer(slot, end + c->read_answer);
}

/* Where the track of a sector begins, and the next one; the last sector's for what lies beyond. */
static struct range track_of(const struct hdd *h, uint64_t sector) {
    const struct disk_geometry *g = &h->geometry;
    uint64_t at = sector < g->sectors ? sector : g->sectors - 1;
    struct disk_place p = disk_locate(g, at);
    uint64_t start = at - (p.sector < at ? p.sector : at);
    return (struct range){start, start + p.zone->sectors};
}

/* How far to read on in `s` behind a read that ends at `end`. */
static uint64_t ahead_of(const struct hdd *h, const struct hdd_segment *s, uint64_t end) {
    const struct hdd_config *c = hdd_config(h);
    uint64_t most =
        end + (c->read_ahead < c->segment_bytes ? c->read_ahead : c->segment_bytes) / h->geometry.sector_bytes;
    if (c->read_ahead_to == HDD_AHEAD_AMOUNT || !c->read_ahead)
        return most;
    struct range track = track_of(h, c->read_ahead_to == HDD_AHEAD_TRACK ? end - 1 : end);
    if (c->read_ahead_to == HDD_AHEAD_TRACK)
        return most < track.end ? most : track.end;
    return s->start < track.start ? track.end + (track.end - track.start) : track.end;
}

/* Read on from s->end, as far as `end` allows, once the arm has nothing else to do. */
static void want_ahead(struct hdd *h, struct hdd_segment *s, uint64_t end) {
    h->ahead = hdd_config(h)->read_ahead ? s : NULL;
    h->ahead_limit = ahead_of(h, s, end);
}

void hdd_idle(struct disk_arm *arm) {
    struct hdd *h = arm->owner;
    struct hdd_segment *s = h->ahead;
    sync_stream(h);
    h->ahead = NULL;
    if (!s || s->start == s->end)
        return;
    h->streaming = s;
    disk_stream_start(arm, s->end, h->ahead_limit);
    if (!arm->stream.active)
        h->streaming = NULL;
}

/* The drive knows the stream under way: it reads on for a while behind `end`, whatever comes. */
static void insist(struct hdd *h, uint64_t end) {
    if (!h->streaming)
        return;
    uint64_t least = end + hdd_config(h)->read_ahead_least / h->geometry.sector_bytes;
    uint64_t limit = ahead_of(h, h->streaming, end);
    disk_stream_commit(&h->arm, least < limit ? least : limit, 0);
}

/* --- hits and misses --- */

static void hit(struct hdd_slot *slot, struct hdd_segment *s, struct range r) {
    struct hdd *h = slot->hdd;
    const struct hdd_config *c = hdd_config(h);
    int64_t now = sim_now(h->sim), due = now;
    s->used = ++h->age;
    if (s == h->streaming) {
        due = disk_stream_commit(&h->arm, r.end, c->read_ahead_on_hit ? ahead_of(h, s, r.end) : r.end);
        if (slot->goes_on)
            insist(h, r.end);
        h->count.stream_hits += r.end > s->end;
    } else if (c->hits_stop_read_ahead) {
        h->ahead = NULL;
        disk_stream_stop(&h->arm);
        sync_stream(h);
    } else if (c->read_ahead_on_hit && !h->arm.running && !h->arm.first && !h->arm.stream.active &&
               ahead_of(h, s, r.end) > s->end) {
        want_ahead(h, s, r.end);
        h->arm.reader = slot->io->owner;
        hdd_idle(&h->arm);
    }
    h->count.read_hits++;
    send(slot, now, due > now ? due : now);
}

/* Sectors in front of those wanted that came by while the head waited. */
static uint32_t before(const struct hdd *h, const struct disk_op *op) {
    return hdd_config(h)->read_before ? disk_passed_before(&h->geometry, op->lba, op->parts.before_ns) : 0;
}

/* What was read is in the segment; read on from its end. */
static void fetched(struct disk_op *op) {
    struct hdd_slot *slot = (struct hdd_slot *)((char *)op - offsetof(struct hdd_slot, op));
    struct hdd *h = slot->hdd;
    struct hdd_segment *s = slot->segment;
    if (s) {
        s->pins--;
        if (op->lba != s->end)
            s->start = s->end = op->lba - before(h, op);
        segment_grow(h, s, op->lba + op->count);
        want_ahead(h, s, op->lba + op->count);
        if (slot->goes_on) {
            hdd_idle(&h->arm);
            insist(h, op->lba + op->count);
        }
    }
    hdd_spent(slot->io, &op->parts, sim_now(h->sim));
    send(slot, slot->bus_ns >= 0 ? slot->bus_ns : op->parts.first_ns, sim_now(h->sim));
}

/* The segment to replace, or NULL if all are being read into. */
static struct hdd_segment *oldest(struct hdd *h) {
    struct hdd_segment *best = NULL;
    for (uint32_t i = 0; i < hdd_config(h)->read_segments; i++) {
        struct hdd_segment *s = &h->segments[i];
        if (!s->pins && (!best || s->used < best->used))
            best = s;
    }
    return best;
}

static struct hdd_segment *replace(struct hdd *h) {
    struct hdd_segment *s = oldest(h);
    if (!s)
        return NULL;
    if (s == h->streaming)
        h->streaming = NULL;
    if (s == h->ahead)
        h->ahead = NULL;
    s->start = s->end = 0;
    s->used = ++h->age;
    return s;
}

static void miss(struct hdd_slot *slot, struct hdd_segment *s, struct range r) {
    struct hdd *h = slot->hdd;
    slot->bus_ns = -1;
    if (s && !s->pins) { /* the beginning is there */
        slot->bus_ns = sim_now(h->sim);
        r.start = s->end;
        s->used = ++h->age;
        h->count.read_partial++;
    } else {
        s = replace(h);
        h->count.read_misses++;
    }
    slot->segment = s;
    if (s)
        s->pins++;
    h->ahead = NULL;
    slot->op = (struct disk_op){.lba = r.start,
                                .count = (uint32_t)(r.end - r.start),
                                .owner = slot->io->owner,
                                .urgent = true,
                                .done = fetched};
    disk_submit(&h->arm, &slot->op);
}

/* Did one of the last reads end here? Remember where this one does. */
static bool goes_on(struct hdd *h, struct range r) {
    uint32_t n = hdd_config(h)->read_ahead_streams;
    bool known = false;
    for (uint32_t i = 0; i < n; i++)
        known |= h->read_end[i] == r.start;
    h->read_ends = h->read_ends + 1 < n ? h->read_ends + 1 : 0;
    h->read_end[h->read_ends] = r.end;
    return known;
}

void hdd_read(struct hdd_slot *slot) {
    struct hdd *h = slot->hdd;
    struct range r = sectors_of(h, slot->io);
    slot->goes_on = hdd_config(h)->read_ahead_least && goes_on(h, r);
    struct hdd_segment *s = find(h, r);
    if (served(h, s, r)) {
        hit(slot, s, r);
    } else if (hdd_extent_holds(h, slot->io->offset, slot->io->bytes)) {
        h->count.read_hits++;
        send(slot, sim_now(h->sim), sim_now(h->sim));
    } else {
        miss(slot, s, r);
    }
}

void hdd_overwritten(struct hdd *h, uint64_t start, uint64_t end) {
    sync_stream(h);
    for (uint32_t i = 0; i < hdd_config(h)->read_segments; i++) {
        struct hdd_segment *s = &h->segments[i];
        if (s->start >= end || start >= s->end)
            continue;
        s->start = s->end;
        if (s == h->streaming)
            h->streaming = NULL;
        if (s == h->ahead)
            h->ahead = NULL;
    }
}

void hdd_remember(struct hdd *h, uint64_t start, uint64_t end) {
    struct hdd_segment *s = replace(h);
    if (!s)
        return;
    s->start = s->end = start;
    segment_grow(h, s, end);
}

void hdd_segments_reset(struct hdd *h) {
    h->streaming = h->ahead = NULL;
    memset(h->read_end, 0xff, sizeof h->read_end);
    for (uint32_t i = 0; i < hdd_config(h)->read_segments; i++)
        h->segments[i] = (struct hdd_segment){0};
}
