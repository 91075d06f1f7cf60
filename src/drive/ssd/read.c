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

/*
 * A command has room for two pages of the host's memory; of more, all but the
 * first are in a list that the drive goes through (NVMe Base, PRP).
 */
static int64_t list_ns(const struct ssd *s, const struct io *io) {
    return (int64_t)((io->bytes - 1) / FTL_UNIT_BYTES) * s->drive.config.ssd.list_page_time;
}

static void to_link(struct ssd *s, struct io *io, int64_t from_ns) {
    /* A drive that keeps payload and is asked for none only verifies; without payload the request stands for one. */
    bool verify = s->payload && (io->flags & IO_NO_DATA);
    int64_t end = io_link_cross(&s->link_out, from_ns, verify ? 0 : io->bytes), list = 0;
    if (__builtin_expect(io->bytes > 2 * FTL_UNIT_BYTES && !verify, 0)) {
        list = list_ns(s, io);
        end = io_link_hold(&s->link_out, end, list);
    }
    if (__builtin_expect(io->stages != NULL, 0)) {
        int64_t *ns = io->stages->ns, link = io_link_ns(&s->link_out, verify ? 0 : io->bytes) + list;
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

static void page_read(struct nand_op *nand) {
    struct ssd_op *op = (struct ssd_op *)nand; /* first member */
    struct ssd *s = op->ssd;
    struct io *io = op->io;
    s->life->bytes_read += nand->bytes;
    if (__builtin_expect(nand->result != NAND_DONE, 0))
        read_failed(s, op);
    uint32_t slot = op->slot;
    if (__builtin_expect(io->stages != NULL, 0) && slot == SLOT_NONE && io->pending == 1)
        say_stages(s, io, nand);
    ssd_op_free(op);
    if (slot != SLOT_NONE) {
        ssd_slot_filled(s, slot);
        ssd_write_part(s, io);
        ssd_pump(s);
    } else if (--io->pending == 0) {
        gathered(s, io);
    }
}

static struct ssd_op *read_op(struct ssd *s, struct io *io, uint32_t ppu) {
    struct ssd_op *op = ssd_op_new(s);
    if (!op) {
        io_fail(io, IO_INTERNAL_ERROR, "no memory for a page read");
        return NULL;
    }
    op->io = io;
    op->ppu = ppu;
    op->slot = SLOT_NONE;
    op->nand.kind = NAND_READ;
    op->nand.bytes = FTL_UNIT_BYTES;
    op->nand.done = page_read;
    io->pending++;
    ftl_address(&s->ftl, ppu, &op->nand);
    return op;
}

bool ssd_fill(struct ssd *s, struct io *io, uint32_t slot, uint32_t ppu) {
    struct ssd_op *op = read_op(s, io, ppu);
    if (!op)
        return false;
    op->slot = slot;
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
                (uint64_t)lpn << FTL_UNIT_SHIFT);
    io->part |= FROM_BUFFER;
    s->count.buffer_read_units++;
    return true;
}

void ssd_read(struct ssd *s, struct io *io) {
    struct ftl *f = &s->ftl;
    uint32_t lpn = (uint32_t)(io->offset >> FTL_UNIT_SHIFT);
    uint32_t end = (uint32_t)((io->offset + io->bytes - 1) >> FTL_UNIT_SHIFT);
    struct ssd_op *op = NULL;
    bool any = false;
    io->pending = 1;
    io->part = 0;
    for (; lpn <= end; lpn++) {
        uint32_t entry = f->ops->translate(f, lpn);
        if (s->buffer.used && wbuf_find(&s->buffer, lpn) != SLOT_NONE)
            entry = FTL_BUFFERED;
        if (!ftl_on_flash(entry)) {
            any |= read_off_flash(s, io, lpn, entry);
            continue;
        }
        any = true;
        uint32_t ppu = entry - 1;
        if (op && op->ppu >> f->page_shift == ppu >> f->page_shift) {
            op->nand.bytes += FTL_UNIT_BYTES;
            continue;
        }
        if (op)
            nand_submit(f->nand, &op->nand);
        op = read_op(s, io, ppu);
        io->part |= FROM_FLASH;
    }
    if (op)
        nand_submit(f->nand, &op->nand);
    payload_read(&s->drive, io, !any);
    if (--io->pending == 0)
        gathered(s, io);
}
