/*
 * A block SSD: life, requests, self-check.
 *
 * Faithful: page mapping over real NAND timing, write buffer with
 * back-pressure, Flush and FUA, garbage collection that competes with the
 * host, over-provisioning, bad blocks and end of life.
 * Simplified: controller time is a constant per command, without a limit on
 * commands a second; the link is a FIFO per direction; FUA on a read makes no
 * difference.
 * Not modelled: map cache misses, ECC retries, read disturb, retention, static
 * wear levelling.
 */
#include "drive/ssd/ssd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)WBUF_LISTS == (int)FTL_HEATS_MAX, "a list for each heat");

enum { PARTIAL_WAIT, PARTIAL_BUFFER, PARTIAL_FREE }; /* of option ssd.partial */
enum { PLACEMENT_NEXT, PLACEMENT_FIXED };            /* of option ssd.placement */
enum { OPS_PER_SLAB = 256, WRITE_BUFFER_UNITS_MAX = 1 << 24, PART_BYTES = 512 };

struct ssd_op_slab {
    struct ssd_op_slab *next;
    struct ssd_op op[OPS_PER_SLAB];
};

/* --- pool of operations --- */

static void slab_thread(struct ssd *s, struct ssd_op_slab *slab) {
    for (unsigned i = OPS_PER_SLAB; i-- > 0;) {
        slab->op[i].next = s->op_free;
        s->op_free = &slab->op[i];
    }
}

static bool slab_new(struct ssd *s) {
    struct ssd_op_slab *slab = calloc(1, sizeof *slab);
    if (!slab)
        return false;
    for (unsigned i = 0; i < OPS_PER_SLAB; i++) {
        slab->op[i].ssd = s;
        slab->op[i].nand.cause = NAND_HOST;
    }
    slab->next = s->slabs;
    s->slabs = slab;
    slab_thread(s, slab);
    return true;
}

struct ssd_op *ssd_op_new(struct ssd *s) {
    if (__builtin_expect(!s->op_free, 0) && !slab_new(s))
        return NULL;
    struct ssd_op *op = s->op_free;
    s->op_free = op->next;
    return op;
}

void ssd_op_free(struct ssd_op *op) {
    op->next = op->ssd->op_free;
    op->ssd->op_free = op;
}

void ssd_ops_reset(struct ssd *s) {
    s->op_free = NULL;
    for (struct ssd_op_slab *slab = s->slabs; slab; slab = slab->next)
        slab_thread(s, slab);
}

/* --- configuration --- */

static int ssd_check(const struct drive_config *c, struct err *e) {
    uint64_t page = c->nand.page_bytes;
    if (!c->nand.blocks)
        return ftl_config_too_large(c, e);
    if (nand_config_check(&c->nand, e) || ftl_config_check(c, e))
        return -EINVAL;
    if (c->ssd.write_buffer &&
        (c->ssd.write_buffer < page || c->ssd.write_buffer / c->ssd.map_unit > WRITE_BUFFER_UNITS_MAX))
        return err_set(e, EINVAL,
                       "ssd.write_buffer = %" PRIu64 ": allowed are 0 and one page (nand.page_bytes = %" PRIu64
                       ") to %u units of ssd.map_unit = %" PRIu64 " bytes",
                       c->ssd.write_buffer, page, WRITE_BUFFER_UNITS_MAX, c->ssd.map_unit);
    if (!c->ssd.read_piece || c->ssd.read_piece & (c->ssd.read_piece - 1))
        return err_set(e, EINVAL, "ssd.read_piece = %" PRIu64 ": allowed are 512, 1024, 2048 and 4096",
                       c->ssd.read_piece);
    if (c->ssd.write_buffer && c->ssd.write_buffer / page < c->ssd.streams)
        return err_set(e, EINVAL,
                       "ssd.write_buffer = %" PRIu64 ": ssd.streams = %u needs a page of %" PRIu64
                       " bytes for each stream",
                       c->ssd.write_buffer, c->ssd.streams, page);
    if (c->ssd.placement == PLACEMENT_FIXED && c->ssd.map_unit != page)
        return err_set(
            e, EINVAL,
            "ssd.placement = fixed: a page of the flash must be a mapping unit, but nand.page_bytes = %" PRIu64
            " and ssd.map_unit = %" PRIu64,
            page, c->ssd.map_unit);
    if (c->ssd.gc_stop_percent < c->ssd.gc_start_percent || c->ssd.gc_start_percent < c->ssd.gc_urgent_percent)
        return err_set(e, EINVAL,
                       "ssd.gc_urgent_percent = %g, gc_start_percent = %g, gc_stop_percent = %g: must not fall in this "
                       "order",
                       c->ssd.gc_urgent_percent, c->ssd.gc_start_percent, c->ssd.gc_stop_percent);
    return 0;
}

static void ssd_identity(const struct drive_config *c, char *text, unsigned size) {
    const struct nand_config *n = &c->nand;
    snprintf(text, size,
             "capacity=%" PRIu64 " mapping=%s channels=%u luns=%u planes=%u blocks=%u pages=%u page_bytes=%u",
             c->drive.capacity, ftl_kinds[c->ssd.mapping]->name, n->channels, n->luns, n->planes, n->blocks, n->pages,
             n->page_bytes);
    size_t used = strlen(text);
    if (c->ssd.map_unit != FTL_SECTOR_BYTES && used < size)
        snprintf(text + used, size - used, " map_unit=%" PRIu64, c->ssd.map_unit);
}

/* --- life --- */

static void space(struct ftl *f) {
    ssd_pump((struct ssd *)((char *)f - offsetof(struct ssd, ftl)));
}

static void answered(struct io_line *line, struct io *io) {
    drive_complete_at(line->owner, io, io->completed_ns);
}

/* Without a buffer a write still needs a place to wait for its program: two pages a plane. */
static uint32_t buffer_units(const struct drive_config *c) {
    uint64_t planes = nand_block_count(&c->nand) / c->nand.blocks;
    if (!c->ssd.write_buffer)
        return (uint32_t)(planes * FTL_PROGRAM_DEPTH * (c->nand.page_bytes / c->ssd.map_unit));
    return (uint32_t)(c->ssd.write_buffer / c->ssd.map_unit);
}

/* Where parts of units take only their own room, there are slots for many of them. */
static uint32_t buffer_slots(const struct drive_config *c, uint32_t units) {
    uint64_t slots = (uint64_t)units * (c->ssd.map_unit / PART_BYTES);
    if (c->ssd.partial != PARTIAL_FREE || !c->ssd.write_buffer)
        return units;
    return slots < WRITE_BUFFER_UNITS_MAX ? (uint32_t)slots : WRITE_BUFFER_UNITS_MAX;
}

/* So many that what remains has at least one full page: a full buffer goes on. */
static uint32_t partial_limit(const struct drive_config *c, uint32_t slots) {
    uint32_t loose = c->ssd.streams * (uint32_t)(c->nand.page_bytes / c->ssd.map_unit - 1) + 1;
    uint32_t wanted = (uint32_t)(slots * c->ssd.partial_percent / 100), most = slots > loose ? slots - loose : 0;
    return wanted < most ? wanted : most;
}

static int ssd_init(struct ssd *s, bool fresh, struct err *e) {
    const struct drive_config *c = &s->drive.config;
    bool fresh_life;
    s->drive.store = s->store;
    s->drive.sim = s->sim;
    s->payload = store_has_payload(s->store);
    s->write_through = !c->ssd.write_buffer;
    s->undo = s->payload && (c->ssd.volatile_cache || s->write_through);
    io_link_init(&s->link_in, c->ssd.host_bandwidth);
    io_link_init(&s->link_out, c->ssd.host_bandwidth);
    ssd_read_lines_init(s);
    io_line_init(&s->writes, s->sim, answered, s);
    io_line_init(&s->rest, s->sim, answered, s);
    ssd_trim_init(s);
    s->life = store_state(s->store, "ssd.life", 1, sizeof *s->life, &fresh_life, e);
    if (!s->life)
        return -EIO; /* the store said why */
    s->ftl.space = space;
    uint32_t units = buffer_units(c);
    s->late = c->ssd.partial == PARTIAL_BUFFER;
    s->fills = c->ssd.partial != PARTIAL_FREE;
    s->fixed = c->ssd.placement == PLACEMENT_FIXED;
    s->read_piece = (uint32_t)c->ssd.read_piece;
    s->partial_limit = partial_limit(c, units);
    int rc = wbuf_init(&s->buffer, buffer_slots(c, units), (uint32_t)__builtin_ctzll(c->ssd.map_unit), s->undo, e);
    if (c->ssd.write_buffer)
        s->buffer.room = c->ssd.write_buffer;
    if (!rc)
        rc = ftl_init(&s->ftl, c, s->sim, s->store, fresh, e);
    if (!rc)
        ssd_adopt_homeless(s);
    if (!rc && fresh)
        rc = ssd_precondition(s, e);
    return rc;
}

static void ssd_destroy(struct drive *drive) {
    struct ssd *s = ssd_of(drive);
    struct io_line *lines[] = {&s->buffered, &s->unmapped, &s->reads, &s->writes, &s->rest};
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
        if (lines[i]->sim)
            io_line_clear(lines[i]);
    if (s->trim_event.fire)
        ssd_trim_reset(s);
    ftl_release(&s->ftl);
    wbuf_release(&s->buffer);
    while (s->slabs) {
        struct ssd_op_slab *next = s->slabs->next;
        free(s->slabs);
        s->slabs = next;
    }
    free(s);
}

static struct drive *ssd_create(const struct drive_config *config, struct sim *sim, struct store *store, bool fresh,
                                struct err *e) {
    struct ssd *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, ENOMEM, "no memory for the drive");
        return NULL;
    }
    s->drive.config = *config;
    s->sim = sim;
    s->store = store;
    if (ssd_init(s, fresh, e)) {
        ssd_destroy(&s->drive);
        return NULL;
    }
    return &s->drive;
}

/* --- requests --- */

static void ssd_submit(struct drive *drive, struct io *io) {
    struct ssd *s = ssd_of(drive);
    switch (io->op) {
    case IO_READ:
        ssd_read(s, io);
        break;
    case IO_WRITE:
        ssd_write(s, io);
        break;
    case IO_FLUSH:
        ssd_flush(s, io);
        break;
    case IO_WRITE_ZEROES:
        if (io->flags & IO_KEEP_MAPPED)
            ssd_write(s, io);
        else
            ssd_trim(s, io);
        break;
    default:
        ssd_trim(s, io);
    }
}

static void ssd_reconfigured(struct drive *drive) {
    struct ssd *s = ssd_of(drive);
    io_link_set(&s->link_in, drive->config.ssd.host_bandwidth);
    io_link_set(&s->link_out, drive->config.ssd.host_bandwidth);
    nand_reconfigure(s->ftl.nand, &drive->config.nand);
}

static void ssd_expect(const struct drive *drive, uint64_t offset) {
    const struct ftl *f = &ssd_of(drive)->ftl;
    f->ops->prefetch(f, (uint32_t)(offset >> f->unit_shift));
}

static struct nand *ssd_nand(struct drive *drive) {
    return ssd_of(drive)->ftl.nand;
}

static void ssd_limits(const struct drive *drive, struct drive_limits *limits) {
    const struct ssd *s = ssd_of(drive);
    limits->granularity = limits->trim_granularity = s->ftl.unit_bytes;
    limits->optimal_write_bytes = s->drive.config.nand.page_bytes * (uint32_t)s->ftl.planes;
    limits->volatile_cache = s->drive.config.ssd.volatile_cache && !s->write_through;
}

static bool ssd_mapped(const struct drive *drive, uint64_t offset, uint64_t bytes) {
    const struct ssd *s = ssd_of(drive);
    unsigned shift = s->ftl.unit_shift;
    for (uint64_t lpn = offset >> shift; bytes && lpn <= (offset + bytes - 1) >> shift; lpn++)
        if (s->ftl.ops->translate(&s->ftl, (uint32_t)lpn) != FTL_UNMAPPED)
            return true;
    return false;
}

/* What the map calls buffered is in the buffer. */
static int check_buffered(const struct ssd *s, struct err *e) {
    uint32_t missing = 0;
    for (uint32_t lpn = 0; lpn < s->ftl.units; lpn++)
        missing += s->ftl.ops->translate(&s->ftl, lpn) == FTL_BUFFERED && wbuf_find(&s->buffer, lpn) == SLOT_NONE;
    if (missing > s->ftl.homeless)
        return err_set(e, EFAULT, "%u units are neither on flash nor in the write buffer; %u may be", missing,
                       s->ftl.homeless);
    return 0;
}

static int ssd_check_state(const struct drive *drive, struct err *e) {
    const struct ssd *s = ssd_of(drive);
    if (wbuf_check(&s->buffer, e) || check_buffered(s, e))
        return -EFAULT;
    return ftl_check(&s->ftl, e);
}

static const char *const ssd_sections[] = {"nand", "ssd", NULL};

const struct drive_ops ssd_ops = {
    .name = "ssd",
    .summary = "block SSD: write buffer, page mapping and garbage collection on NAND",
    .sections = ssd_sections,
    .resolve = ftl_config_resolve,
    .check = ssd_check,
    .identity = ssd_identity,
    .create = ssd_create,
    .destroy = ssd_destroy,
    .submit = ssd_submit,
    .limits = ssd_limits,
    .health = ssd_health,
    .power_cut = ssd_power_cut,
    .mapped = ssd_mapped,
    .stats = ssd_stats,
    .check_state = ssd_check_state,
    .reconfigured = ssd_reconfigured,
    .nand = ssd_nand,
    .expect = ssd_expect,
};
