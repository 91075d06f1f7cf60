/*
 * Zone Random Write Areas: a window of zrwa_bytes above the write pointer that
 * may be written in any order, as often as one likes.
 *
 *      written once          window              implicit flush
 *   [ ............... | ################### | +++++++++++++++++++ ]
 *   zone start        wp                    wp + Z                wp + 2Z
 *
 * A write that ends in the upper part moves the write pointer up, in units of
 * the granularity, until it ends in the window. Near the capacity that part
 * shrinks and vanishes; then only an explicit flush moves the write pointer, and
 * the zone is Full when it reaches the capacity.
 *
 * Source: TP4076, as implemented and described by others: QEMU hw/nvme, ZRAID
 * (ASPLOS'25); its text was not available.
 * Simplified: the area survives a loss of power, whatever the caches do.
 */
#include <inttypes.h>
#include <string.h>

#include "drive/zns/zns.h"

/* --- which units are written: a ring of bits, position modulo the window --- */

static uint64_t *bits_of(const struct zns *s, uint32_t zone) {
    return s->windows + (uint64_t)zone * s->window_words;
}

static uint64_t unit_of(const struct zns *s, uint64_t at) {
    return at / ZNS_WINDOW_UNIT % (s->drive.config.zns.zrwa_bytes / ZNS_WINDOW_UNIT);
}

static uint64_t window_bytes(const struct zns *s) {
    return s->drive.config.zns.zrwa_bytes;
}

static void set_bits(struct zns *s, uint32_t zone, uint64_t from, uint64_t to, bool on) {
    uint64_t *bits = bits_of(s, zone);
    for (uint64_t at = from; at < to; at += ZNS_WINDOW_UNIT) {
        uint64_t unit = unit_of(s, at), bit = 1ull << unit % 64;
        bits[unit / 64] = on ? bits[unit / 64] | bit : bits[unit / 64] & ~bit;
    }
}

bool zns_window_written(const struct zns *s, uint32_t zone, uint64_t at) {
    const struct zns_durable *z = &s->zones[zone];
    if (at < z->wp || at >= z->wp + window_bytes(s))
        return at < z->wp;
    uint64_t unit = unit_of(s, at);
    return bits_of(s, zone)[unit / 64] >> unit % 64 & 1;
}

bool zns_window_used(const struct zns *s, uint32_t zone) {
    if (!zns_has_window(&s->zones[zone]))
        return false;
    const uint64_t *bits = bits_of(s, zone);
    for (uint32_t i = 0; i < s->window_words; i++)
        if (bits[i])
            return true;
    return false;
}

void zns_window_clear(struct zns *s, uint32_t zone) {
    memset(bits_of(s, zone), 0, s->window_words * sizeof(uint64_t));
}

/* --- giving and giving up --- */

bool zns_window_may(struct zns *s, uint32_t zone, struct io *io) {
    const struct zns_config *c = &s->drive.config.zns;
    const struct zns_durable *z = &s->zones[zone];
    const struct zns_part *p = zns_part_of(s, zone);
    char step[ZNS_WORD_MAX];
    if (zns_has_window(z))
        return true;
    if (!c->zrwa_zones)
        zns_fail(s, io, zone, IO_ZONE_INVALID_OPERATION, "zones have no random write areas (zns.zrwa_zones = 0)");
    else if (z->wp % c->zrwa_granularity)
        zns_fail(s, io, zone, IO_ZONE_NO_ZRWA,
                 "a random write area begins at a multiple of %s (ZRWAFG), and the write pointer isn't at one",
                 zns_amount(io, c->zrwa_granularity, step));
    else if (p->windows >= c->zrwa_zones)
        zns_fail(s, io, zone, IO_ZONE_NO_ZRWA, "%u zones have random write areas, of %u allowed (NUMZRWA)", p->windows,
                 c->zrwa_zones);
    else if (store_state_reserve(s->store, bits_of(s, zone), s->window_words * sizeof(uint64_t)))
        zns_fail(s, io, zone, IO_WRITE_FAULT, "no space behind the drive for the state of a random write area");
    else
        return true;
    return false;
}

static uint64_t window_end(const struct zns *s, const struct zns_durable *z) {
    uint64_t end = z->wp + window_bytes(s);
    return end < z->capacity ? end : z->capacity;
}

void zns_window_prepare(struct zns *s, uint32_t zone) {
    struct zns_durable *z = &s->zones[zone];
    if (zns_has_window(z))
        return;
    s->stat.windows_given++;
    zns_window_clear(s, zone);
    z->window_from = z->commit_to = z->wp;
    zns_stale_clear(s, zone, z->wp, window_end(s, z));
}

/* --- commits --- */

void zns_window_committed(struct zns *s, uint32_t zone) {
    struct zns_durable *z = &s->zones[zone];
    if (z->commit_to > z->wp) {
        set_bits(s, zone, z->wp, z->commit_to, false);
        zns_set_wp(z, z->commit_to);
    }
    struct zns_mark mark = z->mark;
    mark.pending = 0;
    zns_set_mark(z, mark);
}

/* Bits and write pointer go together, or a process killed between leaves bits that stand for other blocks. */
static void move(struct zns *s, uint32_t zone, uint64_t to) {
    struct zns_durable *z = &s->zones[zone];
    struct zns_mark mark = z->mark;
    __atomic_store_n(&z->commit_to, to, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    mark.pending = ZONE_FLUSH_ZRWA;
    zns_set_mark(z, mark);
    zns_window_committed(s, zone);
}

void zns_window_keep(struct zns *s, uint32_t zone) {
    struct zns_durable *z = &s->zones[zone];
    if (!zns_has_window(z))
        return;
    uint64_t from = z->wp, top = z->wp;
    for (uint64_t at = z->wp, end = window_end(s, z); at < end; at += ZNS_WINDOW_UNIT)
        if (zns_window_written(s, zone, at))
            top = at + ZNS_WINDOW_UNIT;
    if (top == from)
        return;
    move(s, zone, top);
    zns_media_commit(s->media, zone, from, top, NULL);
}

static void commit(struct zns *s, uint32_t zone, uint64_t to) {
    struct zns_durable *z = &s->zones[zone];
    s->stat.committed_bytes += to - z->wp;
    move(s, zone, to);
    if (z->wp >= z->capacity)
        zns_advance(s, zone, z->wp);
}

/* Where the write pointer goes so that `end` is in the window. */
static uint64_t commit_for(const struct zns *s, const struct zns_durable *z, uint64_t end) {
    uint64_t step = s->drive.config.zns.zrwa_granularity, over = end - z->wp - window_bytes(s);
    uint64_t to = z->wp + (over + step - 1) / step * step;
    return to < z->capacity ? to : z->capacity;
}

void zns_window_sweep(struct zns *s, uint32_t zone) {
    const struct zns_durable *z = &s->zones[zone];
    uint64_t end = window_end(s, z);
    for (uint64_t at = z->wp; s->payload && !store_was_clean(s->store) && at < end; at += ZNS_WINDOW_UNIT)
        if (!zns_window_written(s, zone, at))
            store_discard(s->store, zns_start(s, zone) + at, ZNS_WINDOW_UNIT);
    if (z->storing_to > end)
        zns_stale_mark(s, zone, end, z->storing_to);
}

/* --- requests --- */

static bool fits(struct zns *s, uint32_t zone, uint64_t at, struct io *io) {
    const struct zns_durable *z = &s->zones[zone];
    uint64_t window = window_bytes(s), end = at + io->bytes;
    char wp[ZNS_WORD_MAX], over[ZNS_WORD_MAX];
    zns_place(io, zns_start(s, zone) + z->wp, wp);
    if (at < z->wp)
        zns_fail(s, io, zone, IO_ZONE_INVALID_WRITE, "starts %s below the random write area, which begins at %s%s",
                 zns_amount(io, z->wp - at, over), wp, at ? "" : ": was the zone not reset?");
    else if (end > z->wp + 2 * window)
        zns_fail(s, io, zone, IO_ZONE_INVALID_WRITE,
                 "ends %s past what the random write area at %s can take, twice its size%s",
                 zns_amount(io, end - z->wp - 2 * window, over), wp,
                 zns_one_block(io, end - z->wp - 2 * window) ? ": " ZNS_HINT_ZERO_BASED : "");
    else if (end > z->capacity)
        zns_fail(s, io, zone, IO_ZONE_BOUNDARY, "ends %s past the zone's capacity%s",
                 zns_amount(io, end - z->capacity, over),
                 zns_one_block(io, end - z->capacity) ? ": " ZNS_HINT_ZERO_BASED : "");
    else if (store_reserve(s->store, zns_start(s, zone) + at, io->bytes))
        zns_fail(s, io, zone, IO_CAPACITY_EXCEEDED, "no space behind the drive for its data");
    else
        return true;
    return false;
}

void zns_window_write(struct zns *s, uint32_t zone, uint64_t at, struct io *io) {
    struct zns_durable *z = &s->zones[zone];
    uint64_t end = at + io->bytes, from = z->wp;
    bool opened;
    if (!fits(s, zone, at, io) || !zns_write_opens(s, zone, io, &opened)) {
        zns_media_nothing(s->media, io);
        return;
    }
    /* Payload of blocks that leave the window with this write comes before the write pointer. */
    uint64_t to = end > from + window_bytes(s) ? commit_for(s, z, end) : from;
    zns_stale_clear(s, zone, from, to + window_bytes(s));
    zns_store_payload(s, zone, at, io);
    if (to > from) {
        commit(s, zone, to);
        zns_media_commit(s->media, zone, from, to, NULL);
    }
    if (zns_has_window(z))
        set_bits(s, zone, at > z->wp ? at : z->wp, end, true);
    zns_media_write_window(s->media, zone, at, io->bytes, io);
}

static bool flush_fits(struct zns *s, uint32_t zone, uint64_t to, struct io *io) {
    const struct zns_config *c = &s->drive.config.zns;
    const struct zns_durable *z = &s->zones[zone];
    char word[ZNS_WORD_MAX];
    if (!c->zrwa_zones || !c->zrwa_explicit_flush)
        zns_fail(s, io, zone, IO_ZONE_INVALID_OPERATION, "the drive has no explicit flush of random write areas");
    else if (!zns_has_window(z))
        zns_fail(s, io, zone, IO_INVALID_FIELD, "the zone has no random write area");
    else if (to <= z->wp || to > z->wp + window_bytes(s) || to > z->capacity)
        zns_fail(s, io, zone, IO_ZONE_BOUNDARY, "the last block to flush is not in the random write area, at %s%s",
                 zns_place(io, zns_start(s, zone) + z->wp, word),
                 to > z->wp && zns_one_block(io, to - z->wp - window_bytes(s))
                     ? ", but one past it: the last block is named, not the one behind it"
                     : "");
    else if ((to - z->wp) % c->zrwa_granularity && to != z->capacity)
        zns_fail(s, io, zone, IO_INVALID_FIELD, "what is flushed is not a multiple of %s (ZRWAFG)",
                 zns_amount(io, c->zrwa_granularity, word));
    else
        return true;
    return false;
}

void zns_window_flush(struct zns *s, struct io *io) {
    uint32_t zone = zns_zone_at(s, io->offset ? io->offset - 1 : 0);
    uint64_t from = s->zones[zone].wp, to = io->offset - zns_start(s, zone);
    bool opened;
    if (io->flags & IO_ZONE_ALL)
        zns_fail(s, io, zone, IO_INVALID_FIELD, "a flush is of one zone; Select All must be 0");
    if (io->status || !flush_fits(s, zone, to, io) || !zns_write_opens(s, zone, io, &opened)) {
        zns_media_nothing(s->media, io);
        return;
    }
    zns_stale_clear(s, zone, from, to + window_bytes(s));
    commit(s, zone, to);
    zns_media_commit(s->media, zone, from, to, io);
}
