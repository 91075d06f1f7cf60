/*
 * Writes and appends under zone rules.
 *
 * What can be wrong is looked at in this order: the zone's state, the place
 * against the write pointer, the end against the capacity, resources. An
 * accepted write moves the write pointer at once, so that writes of one zone may
 * be queued; a zone holds what was accepted when the process is killed, and at
 * a loss of power what its cache keeps.
 *
 * Source: ZNS 1.1, sections 2.1.1.2, 2.1.1.4, 3.4.1, 3.4.5 to 3.4.8.
 * Faithful: order within a zone, implicit opening, limits, automatic close.
 * Simplified: a write that the flash fails leaves the write pointer behind it (allowed by 2.1.1.2.1.1).
 */
#include <inttypes.h>

#include "drive/payload.h"
#include "drive/zns/zns.h"

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* --- resources --- */

static void close_oldest(struct zns *s, struct zns_part *p) {
    uint32_t zone = p->opened.head;
    s->stat.auto_closed++;
    zns_media_close(s->media, zone, s->zones[zone].wp, NULL);
    zns_enter(s, zone, (uint8_t)zns_rules[ZNS_EVENT_AUTO_CLOSE].to[ZONE_STATE_IMPLICIT_OPEN]);
}

bool zns_take(struct zns *s, uint32_t zone, uint8_t state, struct io *io) {
    struct zns_part *p = zns_part_of(s, zone);
    uint8_t now = s->zones[zone].mark.state;
    bool active = zns_is_active(state) && !zns_is_active(now), open = zns_is_open(state) && !zns_is_open(now);
    if (active && s->max_active && p->active >= s->max_active) {
        zns_fail(s, io, zone, IO_ZONE_TOO_MANY_ACTIVE,
                 "%u zones are active, of %u allowed (MAR): finish or reset one first", p->active, s->max_active);
        return false;
    }
    if (!open || !s->max_open || p->open < s->max_open)
        return true;
    if (s->drive.config.zns.auto_close && p->opened.head != ZNS_NONE) {
        close_oldest(s, p);
        return true;
    }
    zns_fail(s, io, zone, IO_ZONE_TOO_MANY_OPEN, "%u zones are open, of %u allowed (MOR)%s: close one first", p->open,
             s->max_open, s->drive.config.zns.auto_close ? ", each of them explicitly" : "");
    return false;
}

/* --- states --- */

static void refuse_state(struct zns *s, struct io *io, uint32_t zone, uint16_t status) {
    const struct zns_durable *z = &s->zones[zone];
    if (status != IO_ZONE_IS_FULL)
        zns_fail(s, io, zone, status, "the zone is %s%s", zone_state_name(z->mark.state),
                 status == IO_ZONE_IS_READ_ONLY ? ": its flash has failed for writing" : ": its flash has failed");
    else if (io->op != IO_APPEND && io->offset == zns_start(s, zone))
        zns_fail(s, io, zone, status, "the zone is Full: was it not reset before it is written again?");
    else if (z->mark.finished)
        zns_fail(s, io, zone, status, "the zone is Full: it was finished%s with %" PRIu64 " bytes written",
                 z->mark.attributes & ZONE_FINISHED_BY_CONTROLLER ? " by the controller" : "", z->wp);
    else
        zns_fail(s, io, zone, status, "the zone is Full: all of its capacity is written; go on in the next one");
}

static bool writable(struct zns *s, uint32_t zone, struct io *io) {
    uint16_t to = zns_rules[ZNS_EVENT_WRITE].to[s->zones[zone].mark.state];
    if (!UNLIKELY(!zns_is_state(to)))
        return true;
    refuse_state(s, io, zone, to);
    return false;
}

bool zns_write_opens(struct zns *s, uint32_t zone, struct io *io, bool *opened) {
    uint8_t now = s->zones[zone].mark.state;
    uint8_t to = (uint8_t)zns_rules[ZNS_EVENT_WRITE].to[now];
    *opened = now != to;
    if (!UNLIKELY(*opened))
        return true;
    if (!zns_take(s, zone, to, io))
        return false;
    zns_enter(s, zone, to);
    return true;
}

void zns_advance(struct zns *s, uint32_t zone, uint64_t wp) {
    struct zns_durable *z = &s->zones[zone];
    zns_set_wp(z, wp);
    if (UNLIKELY(wp >= z->capacity)) {
        s->stat.filled++;
        zns_enter(s, zone, (uint8_t)zns_rules[ZNS_EVENT_FILLED].to[z->mark.state]);
    }
}

void zns_store_payload(struct zns *s, uint32_t zone, uint64_t at, struct io *io) {
    uint64_t offset = zns_start(s, zone) + at;
    struct payload_cursor cursor = {0};
    if (!s->payload)
        return;
    s->zones[zone].storing_to = at + io->bytes;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* known before the first byte is there */
    if (io->op != IO_WRITE_ZEROES && !(io->flags & IO_NO_DATA))
        payload_write(&s->drive, io, &cursor, offset, io->bytes);
    else if (zns_has_window(&s->zones[zone]))
        store_discard(s->store, offset, io->bytes);
    else
        zns_stale_clear(s, zone, at, at + io->bytes); /* the rest above the write pointer is zeros */
}

/* --- places --- */

static void refuse_place(struct zns *s, struct io *io, uint32_t zone, uint64_t at) {
    char wp[ZNS_WORD_MAX], off[ZNS_WORD_MAX];
    uint64_t have = s->zones[zone].wp;
    zns_place(io, zns_start(s, zone) + have, wp);
    zns_amount(io, at > have ? at - have : have - at, off);
    if (!at)
        zns_fail(s, io, zone, IO_ZONE_INVALID_WRITE,
                 "starts at the zone's begin, but the write pointer is at %s: was the zone not reset?", wp);
    else if (at < have)
        zns_fail(s, io, zone, IO_ZONE_INVALID_WRITE,
                 "starts %s below the write pointer, %s: what is written can't be overwritten", off, wp);
    else if (zns_one_block(io, at - have))
        zns_fail(s, io, zone, IO_ZONE_INVALID_WRITE,
                 "starts one block past the write pointer, %s: was the number of blocks of the write before, which is "
                 "zero-based, sent one too small?",
                 wp);
    else
        zns_fail(s, io, zone, IO_ZONE_INVALID_WRITE,
                 "starts %s past the write pointer, %s: are writes out of order, or did one before fail?", off, wp);
}

static void refuse_end(struct zns *s, struct io *io, uint32_t zone, uint64_t at) {
    const struct zns_durable *z = &s->zones[zone];
    char over[ZNS_WORD_MAX], left[ZNS_WORD_MAX];
    uint64_t past = at + io->bytes - z->capacity;
    zns_amount(io, past, over);
    zns_amount(io, z->capacity - at, left);
    zns_fail(s, io, zone, IO_ZONE_BOUNDARY, "ends %s past the zone's capacity, %s are left%s%s", over, left,
             zns_one_block(io, past) ? ": " ZNS_HINT_ZERO_BASED : "",
             at + io->bytes > s->zone_bytes && !zns_one_block(io, past) ? ": a write must stay in one zone" : "");
}

static bool place_fits(struct zns *s, uint32_t zone, uint64_t at, struct io *io) {
    const struct zns_durable *z = &s->zones[zone];
    if (UNLIKELY(at != z->wp)) {
        refuse_place(s, io, zone, at);
        return false;
    }
    if (UNLIKELY(io->bytes > z->capacity - at)) {
        refuse_end(s, io, zone, at);
        return false;
    }
    return true;
}

/* --- requests --- */

/* The place is allowed: everything that can still fail comes before the first change. */
static bool accept(struct zns *s, uint32_t zone, uint64_t at, struct io *io, bool *opened) {
    if (UNLIKELY(store_reserve(s->store, zns_start(s, zone) + at, io->bytes))) {
        zns_fail(s, io, zone, IO_CAPACITY_EXCEEDED, "no space behind the drive for its data");
        return false;
    }
    if (!zns_write_opens(s, zone, io, opened))
        return false;
    zns_store_payload(s, zone, at, io);
    zns_advance(s, zone, at + io->bytes);
    return true;
}

void zns_write(struct zns *s, struct io *io) {
    uint32_t zone = zns_zone_at(s, io->offset);
    uint64_t at = io->offset - zns_start(s, zone);
    bool opened;
    if (UNLIKELY(!writable(s, zone, io))) {
        zns_media_nothing(s->media, io);
        return;
    }
    if (UNLIKELY(zns_has_window(&s->zones[zone]))) {
        zns_window_write(s, zone, at, io);
        return;
    }
    if (UNLIKELY(!place_fits(s, zone, at, io) || !accept(s, zone, at, io, &opened)))
        zns_media_nothing(s->media, io);
    else
        zns_media_write(s->media, zone, at, io->bytes, opened ? ZNS_WRITE_OPENS : ZNS_WRITE, io);
}

static bool append_allowed(struct zns *s, uint32_t zone, struct io *io) {
    const struct zns_durable *z = &s->zones[zone];
    uint64_t at = io->offset - zns_start(s, zone), limit = s->drive.config.zns.append_limit;
    char over[ZNS_WORD_MAX], most[ZNS_WORD_MAX];
    if (UNLIKELY(at)) {
        zns_fail(s, io, zone, IO_INVALID_FIELD, "an append names the first block of its zone%s",
                 at == z->wp ? ", not the write pointer" : "");
        return false;
    }
    if (UNLIKELY(limit && io->bytes > limit)) {
        zns_fail(s, io, zone, IO_INVALID_FIELD, "exceeds the append size limit (ZASL) of %s by %s%s",
                 zns_amount(io, limit, most), zns_amount(io, io->bytes - limit, over),
                 zns_one_block(io, io->bytes - limit) ? ": " ZNS_HINT_ZERO_BASED : "");
        return false;
    }
    if (UNLIKELY(zns_has_window(z))) {
        zns_fail(s, io, zone, IO_ZONE_INVALID_OPERATION, "the zone has a random write area: use writes");
        return false;
    }
    return writable(s, zone, io) && place_fits(s, zone, z->wp, io);
}

void zns_append(struct zns *s, struct io *io) {
    uint32_t zone = zns_zone_at(s, io->offset);
    uint64_t at = s->zones[zone].wp;
    bool opened;
    if (UNLIKELY(!append_allowed(s, zone, io) || !accept(s, zone, at, io, &opened))) {
        zns_media_nothing(s->media, io);
        return;
    }
    io->result = zns_start(s, zone) + at;
    zns_media_write(s->media, zone, at, io->bytes, opened ? ZNS_APPEND_OPENS : ZNS_APPEND, io);
}
