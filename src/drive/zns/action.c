/*
 * Zone Management Send: actions on one zone or, with Select All, on every zone
 * of the range that they apply to. States change when an action is accepted;
 * its answer waits for the flash.
 *
 * Source: ZNS 1.1, section 3.4.3.
 * Faithful: each action's table of states, all or nothing where asked for.
 */
#include <string.h>

#include "drive/zns/zns.h"

/* --- one zone; true: the request is with the media now --- */

static bool do_close(struct zns *s, uint32_t zone, struct io *io) {
    if (s->zones[zone].mark.state == ZONE_STATE_CLOSED)
        return false;
    zns_enter(s, zone, ZONE_STATE_CLOSED);
    zns_media_close(s->media, zone, s->zones[zone].wp, io);
    return true;
}

static bool do_finish(struct zns *s, uint32_t zone, struct io *io) {
    bool opened = zns_is_open(s->zones[zone].mark.state);
    if (s->zones[zone].mark.state == ZONE_STATE_FULL)
        return false;
    zns_window_keep(s, zone);
    zns_enter(s, zone, ZONE_STATE_FULL);
    zns_media_finish(s->media, zone, s->zones[zone].wp, opened, io);
    return true;
}

static bool do_open(struct zns *s, uint32_t zone, struct io *io) {
    struct zns_durable *z = &s->zones[zone];
    bool window = io->flags & IO_ZRWA && !zns_has_window(z);
    if (z->mark.state == ZONE_STATE_EXPLICIT_OPEN && !window)
        return false;
    if ((window && !zns_window_may(s, zone, io)) || !zns_take(s, zone, ZONE_STATE_EXPLICIT_OPEN, io))
        return false;
    if (window)
        zns_window_prepare(s, zone);
    zns_enter_with(s, zone, ZONE_STATE_EXPLICIT_OPEN, z->mark.attributes | (window ? ZONE_ZRWA_VALID : 0));
    zns_media_open(s->media, zone, io);
    return true;
}

static bool do_reset(struct zns *s, uint32_t zone, struct io *io) {
    const struct zns_durable *z = &s->zones[zone];
    bool finished = z->mark.finished;
    uint64_t written = z->wp;
    if (z->mark.state == ZONE_STATE_EMPTY)
        return false;
    zns_empty(s, zone);
    s->live[zone].resetting = true;
    if (s->drive.config.zns.variable_capacity)
        zns_adopt_capacity(s, zone); /* now, as writes may come before the reset is answered */
    zns_media_reset(s->media, zone, written, finished, io);
    return true;
}

static bool do_offline(struct zns *s, uint32_t zone, struct io *io) {
    if (s->zones[zone].mark.state != ZONE_STATE_OFFLINE)
        zns_enter(s, zone, ZONE_STATE_OFFLINE);
    return false;
}

static void copy_extension(struct zns *s, uint32_t zone, const struct io *io) {
    uint32_t left = s->drive.config.zns.extension_bytes;
    unsigned char *to = s->extensions + (size_t)zone * left;
    for (uint32_t i = 0; left && i < io->nvec; i++) {
        size_t len = io->vec[i].iov_len < left ? io->vec[i].iov_len : left;
        memcpy(to, io->vec[i].iov_base, len);
        to += len;
        left -= (uint32_t)len;
    }
    memset(to, 0, left);
}

static bool do_extension(struct zns *s, uint32_t zone, struct io *io) {
    uint32_t bytes = s->drive.config.zns.extension_bytes;
    bool window = io->flags & IO_ZRWA;
    if ((window && !zns_window_may(s, zone, io)) || !zns_take(s, zone, ZONE_STATE_CLOSED, io))
        return false;
    if (store_state_reserve(s->store, s->extensions + (size_t)zone * bytes, bytes)) {
        zns_fail(s, io, zone, IO_WRITE_FAULT, "no space behind the drive for the zone descriptor extension");
        return false;
    }
    copy_extension(s, zone, io);
    if (window)
        zns_window_prepare(s, zone);
    zns_enter_with(s, zone, ZONE_STATE_CLOSED, ZONE_EXTENSION_VALID | (window ? ZONE_ZRWA_VALID : 0));
    return false;
}

static bool (*const actions[ZNS_EVENTS])(struct zns *, uint32_t, struct io *) = {
    [ZNS_EVENT_CLOSE] = do_close, [ZNS_EVENT_FINISH] = do_finish,      [ZNS_EVENT_OPEN] = do_open,
    [ZNS_EVENT_RESET] = do_reset, [ZNS_EVENT_TO_OFFLINE] = do_offline, [ZNS_EVENT_SET_EXTENSION] = do_extension,
};

/* --- all zones --- */

static bool applies(const struct zns *s, uint32_t zone, enum zns_event event) {
    return zns_rules[event].all >> s->zones[zone].mark.state & 1;
}

/* Select All of Open Zone: all or none (ZNS 1.1, section 3.4.3.1.3). */
static bool all_open_fit(struct zns *s, uint32_t first, uint32_t end, struct io *io) {
    uint32_t closed = 0;
    const struct zns_part *part = NULL;
    for (uint32_t zone = first; s->max_open && zone < end; zone++) {
        const struct zns_part *p = zns_part_of(s, zone);
        closed = p == part ? closed : 0;
        part = p;
        closed += s->zones[zone].mark.state == ZONE_STATE_CLOSED;
        if (closed && p->open + closed > s->max_open) {
            zns_fail(s, io, zone, IO_ZONE_TOO_MANY_OPEN,
                     "%u zones are open, of %u allowed (MOR): not all Closed zones can be opened, so none is", p->open,
                     s->max_open);
            return false;
        }
    }
    return true;
}

static bool all_allowed(struct zns *s, enum zns_event event, uint32_t first, uint32_t end, struct io *io) {
    if (event == ZNS_EVENT_SET_EXTENSION || io->flags & IO_ZRWA) {
        io_fail(io, IO_INVALID_FIELD, "%s%s can't be asked for all zones; Select All must be 0", zns_rules[event].name,
                event == ZNS_EVENT_SET_EXTENSION ? "" : " with a random write area");
        return false;
    }
    return event != ZNS_EVENT_OPEN || all_open_fit(s, first, end, io);
}

/* Memory for all of it, before any zone changes. */
static bool all_reserved(struct zns *s, enum zns_event event, uint32_t first, uint32_t end, struct io *io) {
    uint32_t parts = 1;
    for (uint32_t zone = first; zone < end; zone++)
        parts += applies(s, zone, event);
    if (zns_media_reserve(s->media, parts))
        return true;
    io_fail(io, IO_INTERNAL_ERROR, "no memory in the drive for %s of %u zones; none has changed", zns_rules[event].name,
            parts - 1);
    return false;
}

static void act_on_all(struct zns *s, enum zns_event event, struct io *io) {
    uint32_t first = zns_zone_at(s, io->offset), end = zns_zone_at(s, io->offset + io->bytes);
    if (!all_allowed(s, event, first, end, io) || !all_reserved(s, event, first, end, io)) {
        zns_media_nothing(s->media, io);
        return;
    }
    uint32_t begun = 0;
    for (uint32_t zone = first; zone < end; zone++) {
        if (!applies(s, zone, event))
            continue;
        if (!begun++)
            zns_media_begin(s->media, io);
        actions[event](s, zone, io);
    }
    if (begun)
        zns_media_end(s->media, io);
    else
        zns_media_nothing(s->media, io);
}

/* --- requests --- */

static bool one_allowed(struct zns *s, enum zns_event event, uint32_t zone, struct io *io) {
    const struct zns_durable *z = &s->zones[zone];
    char start[ZNS_WORD_MAX];
    if (io->offset != zns_start(s, zone)) {
        zns_fail(s, io, zone, IO_INVALID_FIELD, "is not the first block of a zone; this one's is %s",
                 zns_place(io, zns_start(s, zone), start));
        return false;
    }
    if (event == ZNS_EVENT_SET_EXTENSION && !s->drive.config.zns.extension_bytes) {
        zns_fail(s, io, zone, IO_INVALID_FIELD, "zones have no descriptor extension (ZDES is 0)");
        return false;
    }
    uint16_t to = zns_rules[event].to[z->mark.state];
    if (zns_is_state(to))
        return true;
    zns_fail(s, io, zone, to, "a zone in the state %s can't take %s%s", zone_state_name(z->mark.state),
             zns_rules[event].name,
             event == ZNS_EVENT_SET_EXTENSION                              ? ": it must be Empty"
             : event == ZNS_EVENT_OPEN && z->mark.state == ZONE_STATE_FULL ? ": was the zone not reset?"
                                                                           : "");
    return false;
}

static void act_on_one(struct zns *s, enum zns_event event, struct io *io) {
    uint32_t zone = zns_zone_at(s, io->offset);
    if (!one_allowed(s, event, zone, io) || !actions[event](s, zone, io))
        zns_media_nothing(s->media, io);
}

void zns_action(struct zns *s, struct io *io) {
    enum zns_event event = zns_event_of(io->action);
    if (!zns_media_reserve(s->media, 1)) {
        io_fail(io, IO_INTERNAL_ERROR, "no memory in the drive for a zone action; no zone has changed");
        zns_media_nothing(s->media, io);
    } else if (io->action == ZONE_FLUSH_ZRWA) {
        zns_window_flush(s, io);
    } else if (event == ZNS_EVENTS || io->offset >= s->drive.config.drive.capacity) {
        if (event == ZNS_EVENTS)
            io_fail(io, IO_INVALID_FIELD, "there is no zone action %02xh", io->action);
        else
            io_fail(io, IO_LBA_OUT_OF_RANGE, "there is no zone at the end of the drive");
        zns_media_nothing(s->media, io);
    } else if (io->flags & IO_ZONE_ALL) {
        act_on_all(s, event, io);
    } else {
        act_on_one(s, event, io);
    }
}

void zns_reset_done(struct zns *s, struct io *io) {
    uint32_t first = zns_zone_at(s, io->offset);
    uint32_t end = io->flags & IO_ZONE_ALL ? zns_zone_at(s, io->offset + io->bytes) : first + 1;
    for (uint32_t zone = first; zone < end && zone < s->count; zone++) {
        if (s->zones[zone].mark.state == ZONE_STATE_EMPTY)
            zns_adopt_capacity(s, zone);
        else if (s->live[zone].resetting)
            zns_zone_failed(&s->owner, zone, zns_capacity_of(s, zone)); /* if it has shrunk under a new write */
        if (s->live[zone].changed)
            io->result = 1;
        s->live[zone].changed = s->live[zone].resetting = false;
    }
}
