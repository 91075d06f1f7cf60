/*
 * Reads. Units in the write buffer cost a fixed time, units never written
 * another; the rest are page reads, neighbours in one page sharing one. The
 * data then crosses the host link, and the controller's own time is added to
 * the answer: for a constant time it makes no difference at which end.
 */
#include <inttypes.h>

#include "drive/payload.h"
#include "drive/ssd/ssd.h"

enum { FROM_BUFFER = 1, FROM_NOWHERE = 2, FROM_FLASH = 4 }; /* in io->part */

static void to_link(struct ssd *s, struct io *io, int64_t from_ns) {
    /* A drive that keeps payload and is asked for none only verifies; without payload the request stands for one. */
    uint64_t bytes = s->payload && (io->flags & IO_NO_DATA) ? 0 : io->bytes;
    int64_t end = io_link_cross(&s->link_out, from_ns, bytes);
    if (__builtin_expect(io->stages != NULL, 0)) {
        int64_t *ns = io->stages->ns, link = io_link_ns(&s->link_out, bytes);
        ns[IO_STAGE_LINK] = link;
        ns[IO_STAGE_LINK_WAIT] = end - from_ns - link;
        ns[IO_STAGE_FIRMWARE] = s->drive.config.ssd.read_firmware;
    }
    io_line_push(&s->reads, io, end + s->drive.config.ssd.read_firmware);
}

/* All parts are there. */
static void gathered(struct ssd *s, struct io *io) {
    int64_t now = sim_now(s->sim);
    const struct ssd_config *c = &s->drive.config.ssd;
    if ((io->part & FROM_FLASH) || !(io->part & (FROM_BUFFER | FROM_NOWHERE)))
        to_link(s, io, now);
    else if (!(io->part & FROM_NOWHERE) || ((io->part & FROM_BUFFER) && c->buffer_hit > c->unmapped_read))
        io_line_push(&s->buffered, io, now + c->buffer_hit);
    else
        io_line_push(&s->unmapped, io, now + c->unmapped_read);
}

static void delayed(struct io_line *line, struct io *io) {
    if (__builtin_expect(io->stages != NULL, 0))
        io->stages->ns[IO_STAGE_CACHE] = io->completed_ns - io->submitted_ns;
    to_link(line->owner, io, io->completed_ns);
}

static void answered(struct io_line *line, struct io *io) {
    drive_complete_at(line->owner, io, io->completed_ns);
}

void ssd_read_lines_init(struct ssd *s) {
    io_line_init(&s->buffered, s->sim, delayed, s);
    io_line_init(&s->unmapped, s->sim, delayed, s);
    io_line_init(&s->reads, s->sim, answered, s);
}

static void read_failed(struct ssd *s, const struct ssd_op *op) {
    const struct nand_config *n = &s->drive.config.nand;
    s->life->media_errors++;
    io_fail(op->io, op->io->op == IO_READ ? IO_UNRECOVERED_READ : IO_WRITE_FAULT,
            "uncorrectable page under byte %" PRIu64 ": channel %u LUN %u plane %u block %u page %u", op->io->offset,
            op->nand.die / n->luns, op->nand.die % n->luns, op->nand.plane, op->nand.block, op->nand.page);
}

/* The page that came last is what the request waited for. */
static void say_stages(const struct ssd *s, struct io *io, const struct nand_op *nand) {
    int64_t *ns = io->stages->ns;
    ns[IO_STAGE_DIE_WAIT] = nand->started_ns - nand->submitted_ns;
    ns[IO_STAGE_ARRAY] = nand->array_ns;
    ns[IO_STAGE_CHANNEL] = nand->bus_ns;
    ns[IO_STAGE_CHANNEL_WAIT] = sim_now(s->sim) - nand->started_ns - nand->array_ns - nand->bus_ns;
}

/* The rest of a unit that was answered already can't be read: the unit is lost, with what was written of it. */
static void rest_lost(struct ssd *s, const struct ssd_op *op) {
    struct slot *v = &s->buffer.slots[op->slot];
    s->life->media_errors++;
    if (v->dead || v->have == s->buffer.whole) /* the rest was written meanwhile */
        return;
    if (v->waiter)
        io_fail(v->waiter, IO_WRITE_FAULT,
                "uncorrectable page under the unit at byte %" PRIu64 ", of which a part was written",
                (uint64_t)v->lpn << s->ftl.unit_shift);
    uint32_t lpn = v->lpn;
    ssd_slot_kill(s, op->slot);
    s->ftl.ops->mark(&s->ftl, lpn, FTL_LOST);
    s->ftl.count.lost_units++;
}

static void filled(struct ssd *s, struct io *io, uint32_t slot) {
    ssd_slot_filled(s, slot);
    if (io)
        ssd_write_part(s, io);
    ssd_pump(s);
}

static void page_read(struct nand_op *nand) {
    struct ssd_op *op = (struct ssd_op *)nand; /* first member */
    struct ssd *s = op->ssd;
    struct io *io = op->io;
    s->life->bytes_read += nand->bytes;
    if (__builtin_expect(nand->result != NAND_DONE, 0)) {
        if (io)
            read_failed(s, op);
        else
            rest_lost(s, op);
    }
    uint32_t slot = op->slot;
    if (slot == SLOT_NONE && __builtin_expect(io->stages != NULL, 0) && io->pending == 1)
        say_stages(s, io, nand);
    ssd_op_free(op);
    if (slot != SLOT_NONE)
        filled(s, io, slot);
    else if (--io->pending == 0)
        gathered(s, io);
}

/* What a request reads of a unit, in whole pieces. */
static uint32_t pieces_bytes(const struct ssd *s, const struct io *io, uint32_t lpn) {
    uint64_t start = (uint64_t)lpn << s->ftl.unit_shift, end = start + s->ftl.unit_bytes, mask = s->read_piece - 1;
    uint64_t from = io->offset > start ? io->offset : start, to = io->offset + io->bytes;
    return (uint32_t)((((to < end ? to : end) + mask) & ~mask) - (from & ~mask));
}

static inline uint32_t bytes_of(const struct ssd *s, const struct io *io, uint32_t lpn) {
    return __builtin_expect(s->ftl.unit_bytes == s->read_piece, 1) ? s->read_piece : pieces_bytes(s, io, lpn);
}

static struct ssd_op *op_for(struct ssd *s, struct io *io, uint32_t ppu, uint32_t bytes) {
    struct ssd_op *op = ssd_op_new(s);
    if (__builtin_expect(!op, 0))
        return NULL;
    op->io = io;
    op->ppu = ppu;
    op->slot = SLOT_NONE;
    op->nand.kind = NAND_READ;
    op->nand.bytes = bytes;
    op->nand.extra_bus_ns = 0;
    op->nand.done = page_read;
    ftl_address(&s->ftl, ppu, &op->nand);
    return op;
}

static struct ssd_op *read_op(struct ssd *s, struct io *io, uint32_t ppu, uint32_t bytes) {
    struct ssd_op *op = op_for(s, io, ppu, bytes);
    if (!op) {
        io_fail(io, IO_INTERNAL_ERROR, "no memory for a page read");
        return NULL;
    }
    io->pending++;
    if (io->part & FROM_FLASH)
        op->nand.extra_bus_ns = (uint32_t)s->drive.config.ssd.gather_time;
    io->part |= FROM_FLASH;
    return op;
}

bool ssd_fill(struct ssd *s, struct io *io, uint32_t slot, uint32_t ppu) {
    uint16_t missing = s->buffer.whole & (uint16_t)~s->buffer.slots[slot].have;
    uint32_t bytes = (uint32_t)__builtin_popcount(missing) << FTL_SECTOR_SHIFT;
    struct ssd_op *op = op_for(s, io, ppu, bytes ? bytes : FTL_SECTOR_BYTES);
    if (!op)
        return false;
    op->slot = slot;
    if (io)
        io->pending++;
    s->count.fill_reads++;
    nand_submit(s->ftl.nand, &op->nand);
    return true;
}

/* One unit that is not on flash; true if it needs nothing more. */
static bool read_off_flash(struct ssd *s, struct io *io, uint32_t lpn, uint32_t entry) {
    if (entry == FTL_UNMAPPED) {
        io->unmapped = true;
        io->part |= FROM_NOWHERE;
        s->count.unmapped_read_units++;
        return false;
    }
    if (entry == FTL_LOST)
        io_fail(io, IO_UNRECOVERED_READ, "the unit at byte %" PRIu64 " was lost: its page could not be read to move it",
                (uint64_t)lpn << s->ftl.unit_shift);
    io->part |= FROM_BUFFER;
    s->count.buffer_read_units++;
    return true;
}

/* True if what the request reads of a unit is all in its slot. */
static bool slot_has(const struct ssd *s, const struct io *io, uint32_t lpn, uint32_t slot) {
    uint64_t start = (uint64_t)lpn << s->ftl.unit_shift, end = start + s->ftl.unit_bytes;
    uint64_t from = io->offset > start ? io->offset : start, to = io->offset + io->bytes;
    uint32_t first = (uint32_t)(from - start) >> FTL_SECTOR_SHIFT;
    uint32_t last = (uint32_t)((to < end ? to : end) - start - 1) >> FTL_SECTOR_SHIFT;
    uint32_t wanted = ((2u << (last - first)) - 1) << first;
    return !(wanted & ~(uint32_t)s->buffer.slots[slot].have);
}

static bool buffered(const struct ssd *s, const struct io *io, uint32_t lpn) {
    uint32_t slot = wbuf_find(&s->buffer, lpn);
    if (slot == SLOT_NONE)
        return false;
    bool all = !s->late && s->buffer.slots[slot].state != SLOT_PARTIAL;
    return __builtin_expect(all, 1) || slot_has(s, io, lpn, slot);
}

void ssd_read(struct ssd *s, struct io *io) {
    struct ftl *f = &s->ftl;
    uint32_t lpn = (uint32_t)(io->offset >> f->unit_shift);
    uint32_t end = (uint32_t)((io->offset + io->bytes - 1) >> f->unit_shift);
    struct ssd_op *op = NULL;
    bool any = false;
    io->pending = 1;
    io->part = 0;
    for (; lpn <= end; lpn++) {
        uint32_t entry = f->ops->translate(f, lpn);
        if (s->buffer.used && buffered(s, io, lpn))
            entry = FTL_BUFFERED;
        if (!ftl_on_flash(entry)) {
            any |= read_off_flash(s, io, lpn, entry);
            continue;
        }
        any = true;
        uint32_t ppu = entry - 1;
        if (op && op->ppu >> f->page_shift == ppu >> f->page_shift) {
            op->nand.bytes += bytes_of(s, io, lpn);
            continue;
        }
        if (op)
            nand_submit(f->nand, &op->nand);
        op = read_op(s, io, ppu, bytes_of(s, io, lpn));
    }
    if (op)
        nand_submit(f->nand, &op->nand);
    if (s->payload)
        payload_read(&s->drive, io, !any);
    if (--io->pending == 0)
        gathered(s, io);
}
