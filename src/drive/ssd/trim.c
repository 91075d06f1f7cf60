/*
 * Deallocation. Whole units are unmapped and their space is given back; of
 * others the part is cleared.
 *
 * A long range is done in steps of bounded work, each in an event of its own
 * behind everything that is due, so that a served drive goes on answering
 * others. Until it is answered, what is read there may be old or gone, and a
 * write there while it goes on may be lost, as with any two commands in flight.
 *
 * Simplified: deallocation takes no time but the controller's (and a nanosecond
 * a step); a partial one of a unit is free.
 */
#include <inttypes.h>
#include <string.h>

#include "drive/ssd/ssd.h"

enum { STEP_UNITS = 1024 }; /* unmapped in a step; units that nothing is mapped in don't count */

static void forget_buffered(struct ssd *s, uint32_t lpn) {
    for (uint32_t slot; (slot = wbuf_find(&s->buffer, lpn)) != SLOT_NONE;)
        ssd_slot_kill(s, slot);
}

static void forget_range(struct ssd *s, uint32_t first, uint32_t end) {
    struct wbuf *b = &s->buffer;
    if (end - first <= b->count) {
        for (uint32_t lpn = first; b->used && lpn < end; lpn++)
            forget_buffered(s, lpn);
        return;
    }
    for (uint32_t i = 0; b->used && i < b->count; i++)
        if (b->slots[i].state != SLOT_FREE && !b->slots[i].dead && b->slots[i].lpn - first < end - first)
            ssd_slot_kill(s, i);
}

static void trim_units(struct ssd *s, struct io *io, uint32_t first, uint32_t end) {
    int rc =
        store_discard(s->store, (uint64_t)first << s->ftl.unit_shift, (uint64_t)(end - first) << s->ftl.unit_shift);
    if (rc) {
        io_fail(io, IO_WRITE_FAULT, "the store could not give back %u units: %s", end - first, strerror(-rc));
        return;
    }
    forget_range(s, first, end);
    s->ftl.ops->trim(&s->ftl, first, end - first);
}

/*
 * Bytes of a unit that are cleared while the rest stays. Mapped does not mean
 * that the store has space there: writing zeros into a hole could need some.
 */
static void zero_part(struct ssd *s, struct io *io, uint64_t offset, uint64_t bytes) {
    uint32_t lpn = (uint32_t)(offset >> s->ftl.unit_shift);
    if (!bytes || s->ftl.ops->translate(&s->ftl, lpn) == FTL_UNMAPPED)
        return;
    int rc = store_discard(s->store, offset, bytes);
    if (rc)
        io_fail(io, IO_WRITE_FAULT, "the store could not clear %" PRIu64 " bytes at %" PRIu64 ": %s", bytes, offset,
                strerror(-rc));
}

/* The end of the whole units of a request; io->part is the first that is left to do. */
static uint32_t units_end(const struct ssd *s, const struct io *io) {
    return (uint32_t)((io->offset + io->bytes) >> s->ftl.unit_shift);
}

static void finish(struct ssd *s, struct io *io) {
    if ((io->flags & IO_FUA) && io->status == IO_OK)
        drive_store_flush(&s->drive, io, ssd_answer);
    else
        ssd_answer(&s->drive, io);
}

/* Do some; true if that was the last of it. */
static bool step(struct ssd *s, struct io *io) {
    uint32_t end = units_end(s, io);
    if (io->part < end) {
        uint32_t mapped = s->ftl.ops->seek(&s->ftl, io->part, end);
        uint32_t until = end - mapped > STEP_UNITS ? mapped + STEP_UNITS : end;
        trim_units(s, io, io->part, until);
        io->part = until;
        s->ftl.stalled = 0;
    }
    return io->status != IO_OK || io->part >= end;
}

/* Behind what is due by now: the clock has moved on when the loop comes to it. */
static void schedule(struct ssd *s) {
    if (!sim_event_pending(&s->trim_event))
        sim_schedule(s->sim, &s->trim_event, sim_clock(s->sim) + 1);
}

static void next_step(struct sim_event *event) {
    struct ssd *s = (struct ssd *)((char *)event - offsetof(struct ssd, trim_event));
    struct io *io = s->trim_head;
    if (step(s, io)) {
        s->trim_head = io->next;
        finish(s, io);
    }
    ssd_pump(s);
    if (s->trim_head)
        schedule(s);
}

void ssd_trim_init(struct ssd *s) {
    sim_event_init(&s->trim_event, next_step);
}

void ssd_trim_reset(struct ssd *s) {
    s->trim_head = NULL;
    sim_cancel(s->sim, &s->trim_event);
}

void ssd_trim(struct ssd *s, struct io *io) {
    uint64_t mask = s->ftl.unit_bytes - 1, start = io->offset, end = start + io->bytes;
    uint64_t first = (start + mask) & ~mask, last = end & ~mask;
    if (s->ftl.read_only) {
        ssd_refuse(s, io);
        return;
    }
    zero_part(s, io, start, (first < end ? first : end) - start);
    if (first <= last)
        zero_part(s, io, last, end - last);
    io->part = (uint32_t)(first >> s->ftl.unit_shift);
    io->next = NULL;
    if (step(s, io)) {
        ssd_pump(s);
        finish(s, io);
        return;
    }
    if (s->trim_head)
        s->trim_tail->next = io;
    else
        s->trim_head = io;
    s->trim_tail = io;
    schedule(s);
    ssd_pump(s);
}
