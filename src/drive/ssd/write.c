/*
 * Writes and Flush. (Deallocation: trim.c)
 *
 * A write takes buffer slots unit by unit, in order of arrival; whoever finds
 * the buffer full waits, and everybody behind him. It is answered when its
 * last unit has a slot (and, for a part of a unit, the rest has been read,
 * unless ssd.partial=buffer puts that off) and its data has crossed the link. With FUA on a volatile cache, or without
 * a buffer, it also waits until its own units are on flash.
 *
 * Payload reaches the store when a unit takes its slot. A unit that was not on
 * flash is first marked as buffered in the durable map, so that a process that
 * dies anywhere in between leaves nothing acknowledged unreadable.
 *
 * Simplified: a page may start programming up to one link transfer before its
 * data has crossed the host link; its answer never comes too early.
 *
 * Parts of a lost unit wait in the buffer for the rest to be written. If they
 * have to go to flash before that, they are lost with it.
 */
#include <inttypes.h>
#include <string.h>

#include "drive/payload.h"
#include "drive/ssd/ssd.h"

#define WRITE_BYTES_MAX (1u << 31)

/* --- answers --- */

/* What came last decides: the link and the controller, or the buffer and the flash. */
static void say_stages(const struct ssd *s, struct io *io, int64_t now) {
    int64_t *ns = io->stages->ns, firmware = s->drive.config.ssd.write_firmware;
    int64_t link = io_link_ns(&s->link_in, io->op == IO_WRITE ? io->bytes : 0);
    if (io->event.at_ns + firmware < now) {
        ns[IO_STAGE_FLASH] = now - io->submitted_ns - ns[IO_STAGE_BUFFER_WAIT];
        return;
    }
    ns[IO_STAGE_BUFFER_WAIT] = 0;
    ns[IO_STAGE_LINK] = link;
    ns[IO_STAGE_LINK_WAIT] = io->event.at_ns - io->submitted_ns - link;
    ns[IO_STAGE_FIRMWARE] = firmware;
}

/* Due when the data has crossed the link and the controller has done its part; io->event.at_ns holds the first. */
static void answer(struct drive *drive, struct io *io) {
    struct ssd *s = ssd_of(drive);
    int64_t now = sim_now(s->sim), link = io->event.at_ns + s->drive.config.ssd.write_firmware;
    if (__builtin_expect(io->stages != NULL, 0))
        say_stages(s, io, now);
    io_line_push(&s->writes, io, link > now ? link : now);
}

void ssd_write_part(struct ssd *s, struct io *io) {
    if (--io->pending)
        return;
    if ((io->flags & IO_FUA) && io->status == IO_OK)
        drive_store_flush(&s->drive, io, answer);
    else
        answer(&s->drive, io);
}

/* --- slots --- */

static bool on_flash_before_answer(const struct ssd *s, const struct io *io) {
    return s->write_through || ((io->flags & IO_FUA) && s->drive.config.ssd.volatile_cache);
}

static void slot_answer(struct ssd *s, uint32_t slot) {
    struct io *io = s->buffer.slots[slot].waiter;
    s->buffer.slots[slot].waiter = NULL;
    if (io)
        ssd_write_part(s, io);
}

void ssd_slot_kill(struct ssd *s, uint32_t slot) {
    slot_answer(s, slot);
    wbuf_kill(&s->buffer, slot);
}

void ssd_slot_filled(struct ssd *s, uint32_t slot) {
    if (s->buffer.slots[slot].dead)
        wbuf_put(&s->buffer, slot);
    else
        wbuf_filled(&s->buffer, slot);
}

/* Keep what power loss would bring back. */
static void save_undo(struct ssd *s, uint32_t slot, uint32_t entry, bool older) {
    struct slot *v = &s->buffer.slots[slot];
    v->was = entry;
    if (!s->undo || (entry == FTL_UNMAPPED && !older))
        return;
    const void *old = store_map(s->store, (uint64_t)v->lpn << s->ftl.unit_shift, s->ftl.unit_bytes);
    memcpy(wbuf_undo(&s->buffer, slot), old, s->ftl.unit_bytes);
    v->undo = true;
}

/* Two parts of a unit, as if they had nothing in common. */
static uint32_t room_of_both(const struct ssd *s, uint32_t room, uint32_t bytes) {
    return room + bytes < s->ftl.unit_bytes ? room + bytes : s->ftl.unit_bytes;
}

/* A slot that has all or part of its unit gets more of it. */
static void part_joins(struct ssd *s, uint32_t slot, uint32_t in_unit, uint32_t bytes) {
    uint16_t have = ssd_whole_sectors(in_unit, bytes);
    s->count.missing_bytes += s->ftl.unit_bytes - bytes;
    if (!s->fills)
        wbuf_takes(&s->buffer, slot, room_of_both(s, s->buffer.slots[slot].room, bytes));
    struct slot *v = &s->buffer.slots[slot];
    if (v->state != SLOT_PARTIAL) {
        v->have |= have;
        return;
    }
    wbuf_part(&s->buffer, slot, have);
    if (v->state == SLOT_DIRTY && s->ftl.ops->translate(&s->ftl, v->lpn) == FTL_LOST)
        s->ftl.ops->mark(&s->ftl, v->lpn, FTL_BUFFERED); /* all of it was written: found again */
}

/* A slot for a unit of which the request writes `bytes` from `in_unit` on; SLOT_NONE: no room. */
static uint32_t slot_for(struct ssd *s, struct io *io, uint32_t lpn, uint32_t in_unit, uint32_t bytes) {
    struct ftl *f = &s->ftl;
    struct wbuf *b = &s->buffer;
    bool wait = on_flash_before_answer(s, io);
    uint32_t held = b->used ? wbuf_find(b, lpn) : SLOT_NONE;
    if (held != SLOT_NONE && b->slots[held].state != SLOT_INFLIGHT && !b->slots[held].waiter) {
        s->count.buffer_write_units++;
        b->slots[held].waiter = wait ? io : NULL;
        io->pending += wait;
        part_joins(s, held, in_unit, bytes);
        return held;
    }
    uint32_t entry = f->ops->translate(f, lpn);
    bool part = bytes < f->unit_bytes, lost = part && held == SLOT_NONE && entry == FTL_LOST;
    bool fill = part && held == SLOT_NONE && ftl_on_flash(entry) && s->fills, late = fill && s->late && !wait;
    if (wbuf_full(b))
        return SLOT_NONE;
    uint32_t slot = wbuf_add(b, lpn,
                             late || lost ? SLOT_PARTIAL
                             : fill       ? SLOT_FILLING
                                          : SLOT_DIRTY,
                             ftl_heat_now(f, lpn));
    if (part)
        s->count.missing_bytes += f->unit_bytes - bytes;
    if (part && !s->fills)
        wbuf_takes(b, slot, bytes);
    if (fill || lost)
        b->slots[slot].have = ssd_whole_sectors(in_unit, bytes);
    save_undo(s, slot, entry, held != SLOT_NONE);
    b->slots[slot].waiter = wait ? io : NULL;
    io->pending += wait;
    if (!ftl_on_flash(entry) && entry != FTL_BUFFERED && !lost)
        f->ops->mark(f, lpn, FTL_BUFFERED);
    if (fill && !late && !ssd_fill(s, io, slot, entry - 1)) {
        io_fail(io, IO_INTERNAL_ERROR, "no memory for a page read");
        wbuf_filled(b, slot);
    }
    return slot;
}

/* Put units of a write into the buffer from where it stopped; io->part counts bytes. False: no room. */
static bool accept(struct ssd *s, struct io *io) {
    struct payload_cursor at = payload_seek(io, io->part);
    while (io->part < io->bytes) {
        uint64_t offset = io->offset + io->part;
        uint32_t in_unit = offset & (s->ftl.unit_bytes - 1), bytes = s->ftl.unit_bytes - in_unit;
        if (bytes > io->bytes - io->part)
            bytes = (uint32_t)(io->bytes - io->part);
        if (slot_for(s, io, (uint32_t)(offset >> s->ftl.unit_shift), in_unit, bytes) == SLOT_NONE)
            return false;
        if (s->payload)
            payload_write(&s->drive, io, &at, offset, bytes);
        io->part += bytes;
    }
    if (__builtin_expect(io->stages != NULL, 0))
        io->stages->ns[IO_STAGE_BUFFER_WAIT] = sim_now(s->sim) - io->submitted_ns;
    if (on_flash_before_answer(s, io))
        wbuf_drain(&s->buffer);
    ssd_write_part(s, io);
    return true;
}

static void fail_read_only(const struct ssd *s, struct io *io) {
    io_fail(io, IO_NAMESPACE_WRITE_PROTECTED,
            "the drive is read-only: too few good blocks are left for its capacity of %" PRIu64 " bytes",
            s->drive.config.drive.capacity);
}

void ssd_refuse(struct ssd *s, struct io *io) {
    fail_read_only(s, io);
    io_line_push(&s->rest, io, sim_now(s->sim) + s->drive.config.ssd.write_firmware);
}

/* Space behind the payload and the map entries; false: io has failed with the reason. */
static bool reserve(struct ssd *s, struct io *io) {
    uint32_t first = (uint32_t)(io->offset >> s->ftl.unit_shift);
    uint32_t last = (uint32_t)((io->offset + io->bytes - 1) >> s->ftl.unit_shift);
    int rc = s->ftl.ops->reserve(&s->ftl, first, last - first + 1);
    if (rc)
        io_fail(io, IO_CAPACITY_EXCEEDED,
                "no space behind the drive for the map of %" PRIu64 " bytes at %" PRIu64 ": %s", io->bytes, io->offset,
                strerror(-rc));
    return !rc && (!s->payload || payload_reserve(&s->drive, io));
}

static void to_flash(struct ssd *s);
static void settle(struct ssd *s);

static void wait_for_room(struct ssd *s, struct io *io) {
    s->count.stalls++;
    if (s->wait_head)
        s->wait_tail->next = io;
    else
        s->wait_head = io;
    s->wait_tail = io;
}

void ssd_write(struct ssd *s, struct io *io) {
    if (__builtin_expect(s->ftl.read_only, 0)) {
        ssd_refuse(s, io);
        return;
    }
    if (io->bytes > WRITE_BYTES_MAX)
        io_fail(io, IO_INVALID_FIELD, "a write of %" PRIu64 " bytes: at most %u can be taken at once", io->bytes,
                WRITE_BYTES_MAX);
    if (io->status != IO_OK || !reserve(s, io)) {
        io_line_push(&s->rest, io, sim_now(s->sim) + s->drive.config.ssd.write_firmware);
        return;
    }
    io->event.at_ns = io_link_cross(&s->link_in, io->submitted_ns, io->op == IO_WRITE ? io->bytes : 0);
    io->part = 0;
    io->pending = 1;
    io->next = NULL;
    if (s->wait_head || !accept(s, io))
        wait_for_room(s, io);
    to_flash(s);
    if (__builtin_expect(s->wait_head && !wbuf_full(&s->buffer), 0)) /* parts of lost units were dropped */
        ssd_pump(s);
    else
        settle(s);
}

/* --- to flash --- */

static void slot_written(struct ssd *s, uint32_t slot, uint32_t ppu) {
    struct wbuf *b = &s->buffer;
    struct slot *v = &b->slots[slot];
    if (!v->dead) {
        for (uint32_t old; (old = wbuf_older(b, slot)) != SLOT_NONE;)
            ssd_slot_kill(s, old);
        s->ftl.ops->commit(&s->ftl, v->lpn, ppu);
        slot_answer(s, slot);
    }
    wbuf_put(b, slot);
}

static void page_written(struct nand_op *nand) {
    struct ssd_op *op = (struct ssd_op *)nand; /* first member */
    struct ssd *s = op->ssd;
    bool ok = nand->result == NAND_DONE;
    s->life->bytes_written += nand->bytes;
    for (uint32_t i = 0; i < op->count; i++)
        s->ftl.ops->prefetch_old(&s->ftl, s->buffer.slots[op->slots[i]].lpn);
    ftl_programmed(&s->ftl, &op->page, ok);
    for (uint32_t i = op->count; i-- > 0;) { /* backwards: retries go to the front */
        if (ok)
            slot_written(s, op->slots[i], op->page.ppu + i);
        else if (s->buffer.slots[op->slots[i]].dead)
            wbuf_put(&s->buffer, op->slots[i]);
        else
            wbuf_retry(&s->buffer, op->slots[i]);
    }
    struct ftl_plane *p = op->page.plane;
    ssd_op_free(op);
    if (!ok)
        s->ftl.ops->collect(&s->ftl, p);
    ssd_pump(s);
}

/* Where nobody reads the rest of units, it does not cross the channel either. */
static uint32_t room_of(const struct ssd *s, const struct ssd_op *op) {
    uint32_t room = 0;
    for (uint32_t i = 0; i < op->count; i++)
        room += s->buffer.slots[op->slots[i]].room;
    return room;
}

static void program_op(struct ssd *s, struct ssd_op *op) {
    struct ftl *f = &s->ftl;
    f->count.host_units += op->count;
    f->count.heat_units[op->page.stream] += op->count;
    f->count.pad_units += f->page_units - op->count;
    op->nand.kind = NAND_PROGRAM;
    op->nand.die = op->page.plane->die;
    op->nand.plane = op->page.plane->plane;
    op->nand.block = op->page.block;
    op->nand.page = op->page.page;
    op->nand.bytes = s->fills ? s->drive.config.nand.page_bytes : room_of(s, op);
    op->nand.done = page_written;
    nand_submit(f->nand, &op->nand);
    if (op->page.page % 16 == 0)
        f->ops->collect(f, op->page.plane);
}

static void program_page(struct ssd *s, struct ssd_op *op, unsigned heat) {
    struct ftl *f = &s->ftl;
    op->count = 0;
    for (; op->count < f->page_units && s->buffer.list[heat].count; op->count++) {
        op->slots[op->count] = wbuf_take(&s->buffer, heat);
        f->ops->prefetch(f, s->buffer.slots[op->slots[op->count]].lpn); /* for when it is on flash */
    }
    program_op(s, op);
}

/* Nothing can be written now: collect wherever that may help. */
static void collect_everywhere(struct ssd *s) {
    for (uint32_t i = 0; s->ftl.starved && i < s->ftl.planes; i++)
        if (s->ftl.plane[i].starved)
            s->ftl.ops->collect(&s->ftl, &s->ftl.plane[i]);
}

/* The pages that are due of one heat. */
static void heat_to_flash(struct ssd *s, unsigned heat) {
    while (!(s->ftl.stalled >> heat & 1) && wbuf_page_due(&s->buffer, heat, s->ftl.page_units)) {
        struct ssd_op *op = ssd_op_new(s);
        if (!op)
            return;
        if (!s->ftl.ops->plan(&s->ftl, heat, &op->page)) {
            ssd_op_free(op);
            collect_everywhere(s);
            return;
        }
        program_page(s, op, heat);
    }
}

static bool partial_due(const struct ssd *s) {
    const struct wbuf *b = &s->buffer;
    return b->list[WBUF_PARTIAL].count > s->partial_limit || b->slots[b->list[WBUF_PARTIAL].head].seq <= b->drain_seq;
}

/* The rest of a lost unit was not written: all of it stays lost. */
static void part_lost(struct ssd *s, uint32_t slot) {
    struct slot *v = &s->buffer.slots[slot];
    if (v->waiter)
        io_fail(v->waiter, IO_WRITE_FAULT, "only a part was written of the unit at byte %" PRIu64 ", which was lost",
                (uint64_t)v->lpn << s->ftl.unit_shift);
    ssd_slot_kill(s, slot);
    wbuf_put(&s->buffer, slot);
}

/* Parts of units that may wait no longer for the rest to be written: read it. */
static void fill_partial(struct ssd *s) {
    struct wbuf *b = &s->buffer;
    while (b->list[WBUF_PARTIAL].count && partial_due(s)) {
        uint32_t slot = wbuf_take_partial(b), entry = s->ftl.ops->translate(&s->ftl, b->slots[slot].lpn);
        if (entry == FTL_LOST)
            part_lost(s, slot);
        else if (!ftl_on_flash(entry) || !ssd_fill(s, NULL, slot, entry - 1))
            wbuf_filled(b, slot);
    }
}

/* The plane that ssd.placement=fixed has for a unit; the next that is in use, if that is given up. */
static struct ftl_plane *home(const struct ftl *f, uint32_t lpn) {
    uint64_t at = lpn % f->planes, i = 0;
    while (f->plane[f->order[at]].stuck && ++i < f->planes)
        at = at + 1 < f->planes ? at + 1 : 0;
    return &f->plane[f->order[at]];
}

/* A slot goes to its plane; false: not now. */
static bool slot_to_plane(struct ssd *s, uint32_t slot, unsigned heat) {
    struct ftl *f = &s->ftl;
    struct ftl_plane *p = home(f, s->buffer.slots[slot].lpn);
    if (!ftl_stream_ready(f, p, ftl_stream(heat, FTL_STREAM_HOST))) {
        if (p->starved)
            f->ops->collect(f, p);
        return false;
    }
    struct ssd_op *op = ssd_op_new(s);
    if (!op)
        return false;
    ftl_take_page(f, p, ftl_stream(heat, FTL_STREAM_HOST), &op->page);
    wbuf_take_slot(&s->buffer, slot);
    op->slots[0] = slot;
    op->count = 1;
    program_op(s, op);
    return true;
}

/*
 * A page holds one unit, and each goes to its own plane. Where nothing moves any
 * more, a plane with too few good blocks, say, units go anywhere.
 */
static void heat_to_planes(struct ssd *s, unsigned heat) {
    bool any = false;
    for (uint32_t slot = s->buffer.list[heat].head, next; slot != SLOT_NONE; slot = next) {
        next = s->buffer.slots[slot].next;
        any |= slot_to_plane(s, slot, heat);
    }
    if (!any && !s->ftl.running)
        heat_to_flash(s, heat);
}

static void to_flash(struct ssd *s) {
    if (__builtin_expect(s->buffer.list[WBUF_PARTIAL].count, 0))
        fill_partial(s);
    for (unsigned heat = 0; heat < s->ftl.heats; heat++) {
        if (__builtin_expect(s->fixed, 0))
            heat_to_planes(s, heat);
        else
            heat_to_flash(s, heat);
    }
}

/* --- flush --- */

void ssd_answer(struct drive *drive, struct io *io) {
    struct ssd *s = ssd_of(drive);
    io_spent(io, io->op == IO_FLUSH ? IO_STAGE_WRITE_BACK : IO_STAGE_FIRMWARE, sim_now(s->sim));
    io_line_push(&s->rest, io, sim_now(s->sim) + s->drive.config.ssd.write_firmware);
    io_spent(io, IO_STAGE_FIRMWARE, io->completed_ns);
}

static void flushes_done(struct ssd *s) {
    while (s->flush_head && wbuf_flushed(&s->buffer, (uint64_t)s->flush_head->event.at_ns)) {
        struct io *io = s->flush_head;
        s->flush_head = io->next;
        drive_store_flush(&s->drive, io, ssd_answer);
    }
}

void ssd_flush(struct ssd *s, struct io *io) {
    if (!s->drive.config.ssd.volatile_cache && !s->write_through) {
        drive_store_flush(&s->drive, io, ssd_answer); /* the buffer survives power loss */
        return;
    }
    io->event.at_ns = (int64_t)wbuf_flush(&s->buffer); /* the age it waits for */
    io->next = NULL;
    if (s->flush_head)
        s->flush_tail->next = io;
    else
        s->flush_head = io;
    s->flush_tail = io;
    ssd_pump(s);
}

/* --- the pump --- */

static void accept_waiting(struct ssd *s) {
    while (s->wait_head) {
        struct io *io = s->wait_head, *next = io->next;
        if (!reserve(s, io)) /* a deallocation gave its space back meanwhile, and the disk is full */
            ssd_write_part(s, io);
        else if (!accept(s, io))
            return;
        s->wait_head = next;
    }
}

static const char nowhere[] = "%u units in the write buffer have no good block left to go to";

/* Nobody can wait any longer for the buffer to reach flash. */
static void give_up(struct ssd *s) {
    for (uint32_t i = 0; i < s->buffer.count; i++) {
        struct slot *v = &s->buffer.slots[i];
        if (v->state == SLOT_FREE || !v->waiter)
            continue;
        io_fail(v->waiter, IO_WRITE_FAULT, nowhere, s->buffer.used);
        slot_answer(s, i);
    }
    while (s->flush_head) {
        struct io *io = s->flush_head;
        s->flush_head = io->next;
        io_fail(io, IO_WRITE_FAULT, nowhere, s->buffer.used);
        ssd_answer(&s->drive, io);
    }
}

/* Refuse what waits for room. Units that were taken before it ran out may be waited for: they go on without the rest.
 */
static void refuse_waiting(struct ssd *s) {
    while (s->wait_head) {
        struct io *io = s->wait_head;
        s->wait_head = io->next;
        fail_read_only(s, io);
        ssd_write_part(s, io);
    }
    wbuf_drain(&s->buffer);
    to_flash(s);
}

/* The drive can write no more: fail what waits for room, and flushes of what has no place to go. */
static void end_of_life(struct ssd *s) {
    if (s->wait_head)
        refuse_waiting(s);
    if (!s->was_read_only)
        collect_everywhere(s);
    s->was_read_only = true;
    if (s->ftl.stalled && !s->ftl.running && s->buffer.used)
        give_up(s);
}

/* What follows from what moved. */
static void settle(struct ssd *s) {
    if (s->buffer.used > s->count.buffer_peak)
        s->count.buffer_peak = s->buffer.used;
    if (s->flush_head)
        flushes_done(s);
    if (__builtin_expect(s->ftl.read_only, 0))
        end_of_life(s);
}

void ssd_pump(struct ssd *s) {
    to_flash(s);
    if (s->wait_head) {
        accept_waiting(s);
        to_flash(s);
    }
    settle(s);
}
