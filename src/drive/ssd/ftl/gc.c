/*
 * Garbage collection, plane by plane: read what is valid in a victim, program
 * it packed into the plane's collection stream, erase the victim.
 *
 * Copies of several victims share pages, those of one heat (heat.c), so a page
 * is padded only when a plane's collection pauses. While a plane has more than gc_urgent_percent of
 * its blocks free, its operations wait behind those of the host and victims
 * with less than an eighth of garbage are left alone; below that they run
 * with the host's priority.
 *
 * Faithful: the policy (victim.c) chooses among all closed blocks of a plane;
 * reads, programs and erases go through the same dies and channels as the host's.
 * Simplified: copies stay in their plane; copy data lives in controller memory
 * that is never short (two pages a plane, and one more for each more stream).
 * Not modelled: copyback inside the die.
 */
#include <stdlib.h>

#include "drive/ssd/ftl/ftl.h"

enum { OPS_PER_SLAB = 64, READS_MAX = 2 };

struct ftl_op {
    struct nand_op nand;
    struct ftl_op *next;
    struct ftl *f;
    struct ftl_plane *p;
    struct ftl_page page;
    uint32_t block;
    uint32_t heat; /* of the copies of a program */
    uint32_t count;
    struct ftl_copy copy[FTL_PAGE_UNITS_MAX];
};

struct ftl_op_slab {
    struct ftl_op_slab *next;
    struct ftl_op op[OPS_PER_SLAB];
};

/* --- pool --- */

static void slab_thread(struct ftl *f, struct ftl_op_slab *slab) {
    for (unsigned i = 0; i < OPS_PER_SLAB; i++) {
        slab->op[i].next = f->op_free;
        f->op_free = &slab->op[i];
    }
}

static struct ftl_op *op_new(struct ftl *f, struct ftl_plane *p) {
    if (!f->op_free) {
        struct ftl_op_slab *slab = calloc(1, sizeof *slab);
        if (!slab)
            return NULL;
        slab->next = f->slabs;
        f->slabs = slab;
        slab_thread(f, slab);
    }
    struct ftl_op *op = f->op_free;
    f->op_free = op->next;
    op->f = f;
    op->p = p;
    op->count = 0;
    op->nand.cause = NAND_GC;
    op->nand.urgent = p->gc_urgent;
    op->nand.die = p->die;
    op->nand.plane = p->plane;
    return op;
}

static void op_free(struct ftl_op *op) {
    op->next = op->f->op_free;
    op->f->op_free = op;
}

void ftl_gc_reset(struct ftl *f) {
    f->op_free = NULL;
    for (struct ftl_op_slab *slab = f->slabs; slab; slab = slab->next)
        slab_thread(f, slab);
}

void ftl_gc_release(struct ftl *f) {
    while (f->slabs) {
        struct ftl_op_slab *next = f->slabs->next;
        free(f->slabs);
        f->slabs = next;
    }
}

/* An operation ended: go on. The owner wants to know when nothing moves any more. */
static void next_step(struct ftl_op *op) {
    struct ftl *f = op->f;
    struct ftl_plane *p = op->p;
    op_free(op);
    ftl_collect(f, p);
    if (f->running && !f->read_only)
        return;
    if (!f->running)
        f->stalled = 0; /* nobody else will end it */
    f->space(f);
}

/* --- erase --- */

static void erase_done(struct nand_op *nand) {
    struct ftl_op *op = (struct ftl_op *)nand; /* first member */
    struct ftl *f = op->f;
    struct ftl_plane *p = op->p;
    p->coming--;
    p->erasing--;
    f->running--;
    if (nand->result == NAND_DONE) {
        ftl_block_free(f, p, op->block);
    } else {
        ftl_block_dead(f, p, op->block);
        ftl_health_update(f, p);
    }
    op_free(op);
    ftl_collect(f, p);
    f->space(f);
}

static void erase(struct ftl *f, struct ftl_plane *p, uint32_t block) {
    struct ftl_op *op = op_new(f, p);
    if (!op)
        return; /* no memory: asked again by the next start */
    f->blocks[p->first_block + block].state = BLOCK_ERASING;
    p->erasing++;
    f->running++;
    op->block = block;
    op->nand.kind = NAND_ERASE;
    op->nand.block = block;
    op->nand.done = erase_done;
    nand_submit(f->nand, &op->nand);
}

void ftl_drained(struct ftl *f, uint32_t block_index) {
    struct ftl_block *b = &f->blocks[block_index];
    if (b->state != BLOCK_DRAINING || b->valid || b->copying)
        return;
    struct ftl_plane *p = ftl_plane_of(f, block_index);
    if (f->state[block_index].bad)
        ftl_block_dead(f, p, block_index - p->first_block);
    else
        erase(f, p, block_index - p->first_block);
}

/* --- victims --- */

static uint32_t pick_failed(const struct ftl *f, const struct ftl_plane *p) {
    for (uint32_t i = 0; i < f->geometry->blocks; i++)
        if (f->blocks[p->first_block + i].state == BLOCK_FAILED)
            return i;
    return FTL_NONE;
}

/*
 * False if collecting the block would gain nothing, or not enough for the time
 * being. A plane almost without garbage would be worn out for a handful of
 * units; others take the host's writes until nothing else is left to do. A
 * blind policy is asked if a round over all blocks would gain one.
 */
static bool worthwhile(const struct ftl *f, const struct ftl_plane *p, uint32_t block) {
    uint64_t garbage = ftl_garbage(f, p, block);
    if (p->scraping || (f->stalled && !f->running))
        return garbage > 0;
    uint32_t share = f->policy->blind ? 1 : p->free_count <= f->gc_urgent ? 32 : 8;
    return garbage >= (f->block_units + share - 1) / share;
}

/* Pages that copies can go to for certain: of the blocks that host streams leave, and of open ones. */
static uint32_t certain_room(const struct ftl *f, const struct ftl_plane *p) {
    uint32_t pages = f->geometry->pages, room = (p->free_count < f->heats ? p->free_count : f->heats) * pages;
    for (unsigned h = 0; h < f->heats; h++) {
        unsigned stream = ftl_stream(h, FTL_STREAM_GC);
        if (p->open[stream].block != FTL_NONE)
            room += pages - p->open[stream].page;
    }
    return room;
}

/* What waits, or is read, is of one heat: the next victim's copies fill its last page, instead of padding. */
static bool joins(const struct ftl *f, struct ftl_plane *p) {
    for (unsigned h = 0; h < f->heats; h++)
        if (p->waiting[h].count == p->copies && (p->gc_reads ? p->mixed == h : p->copies > 0)) {
            p->mixed = h;
            return true;
        }
    return false;
}

/*
 * Copies of several heats need up to a page more each than of one, and can't
 * be counted on to leave in the order of their victims. Where there might not
 * be room for that a victim waits until no others are on their way, and its
 * copies stay together. False: wait.
 */
static bool make_sure_of_room(struct ftl *f, struct ftl_plane *p, uint32_t valid) {
    uint32_t units = p->copies + p->gc_reading + valid;
    bool certain = certain_room(f, p) >= units / f->page_units + 2 * f->heats;
    if (!certain && p->free_count <= f->heats && joins(f, p))
        return true;
    p->mixed = FTL_NONE;
    if (certain)
        return true;
    if (p->copies || p->gc_reads || p->gc_programs || p->coming)
        return false;
    p->mixed = 0;
    for (unsigned h = 0; h < f->heats; h++)
        if (p->open[ftl_stream(h, FTL_STREAM_GC)].block != FTL_NONE)
            p->mixed = h;
    return true;
}

/*
 * Whether packing all that the plane holds gains the host a block, a block that
 * is partly written left in each stream. Of all planes of a drive that isn't
 * read-only one always can: see ftl_spare_min().
 */
static bool can_gain(const struct ftl *f, const struct ftl_plane *p) {
    uint64_t room = (uint64_t)p->free_count * f->block_units, least = (2 * f->heats + 1) * (uint64_t)f->block_units;
    for (unsigned h = 0; h < f->heats; h++) {
        unsigned stream = ftl_stream(h, FTL_STREAM_GC);
        if (p->open[stream].block != FTL_NONE)
            room += (uint64_t)(f->geometry->pages - p->open[stream].page) * f->page_units;
    }
    for (uint32_t i = 0; i < f->geometry->blocks && room < least; i++) {
        const struct ftl_block *b = &f->blocks[p->first_block + i];
        room += b->state == BLOCK_FULL || b->state == BLOCK_FAILED ? f->block_units - b->valid : 0;
    }
    return room >= least;
}

/* Victims with less than a page of garbage gain something together, or nothing at all: then others have to. */
static bool in_vain(const struct ftl *f, const struct ftl_plane *p, uint32_t block) {
    bool sure = !f->policy->blind && ftl_garbage(f, p, block) >= f->page_units;
    return !sure && p->free_count + p->coming <= f->heats && !p->copies && !p->gc_reads && !can_gain(f, p);
}

static bool choose_victim(struct ftl *f, struct ftl_plane *p) {
    uint32_t block = FTL_NONE;
    if (p->bad_full && p->free_count > 1)
        block = pick_failed(f, p);
    bool failed = block != FTL_NONE;
    if (!failed)
        block = p->collecting ? ftl_victim_pick(f, p, worthwhile) : FTL_NONE;
    if (block == FTL_NONE || (!failed && in_vain(f, p, block)))
        return false;
    struct ftl_block *b = &f->blocks[p->first_block + block];
    if (f->heats > 1 && !make_sure_of_room(f, p, b->valid))
        return false;
    if (failed)
        p->bad_full--;
    else
        ftl_victim_remove(f, p, block);
    ftl_owners_write(f, p, block);
    b->state = BLOCK_VICTIM;
    p->scraping |= f->stalled && !f->running;
    f->count.gc_runs++;
    f->count.victim_valid += b->valid;
    p->victim = block;
    p->scan = 0;
    return true;
}

static void victim_scanned(struct ftl *f, struct ftl_plane *p) {
    uint32_t index = p->first_block + p->victim;
    f->blocks[index].state = BLOCK_DRAINING;
    p->victim = FTL_NONE;
    p->coming += !f->state[index].bad;
    p->collecting = ftl_wants_collection(f, p);
    ftl_drained(f, index);
}

/* --- reads --- */

static void uncopy(struct ftl *f, uint32_t from) {
    struct ftl_block *b = ftl_block_of(f, from);
    if (--b->copying == 0)
        ftl_drained(f, from >> f->block_shift);
}

static void lose(struct ftl *f, const struct ftl_copy *c) {
    if (f->ops->translate(f, c->lpn) == c->from + 1) {
        f->ops->mark(f, c->lpn, FTL_LOST);
        f->count.lost_units++;
    }
    uncopy(f, c->from);
}

static void wait_for_program(struct ftl_plane *p, unsigned heat, const struct ftl_copy *c) {
    p->waiting[heat].copy[p->waiting[heat].count++] = *c;
    p->copies++;
}

static void read_done(struct nand_op *nand) {
    struct ftl_op *op = (struct ftl_op *)nand; /* first member */
    struct ftl *f = op->f;
    struct ftl_plane *p = op->p;
    p->gc_reads--;
    f->running--;
    p->gc_reading -= op->count;
    for (uint32_t i = 0; i < op->count; i++) {
        if (nand->result == NAND_DONE)
            wait_for_program(p, p->mixed == FTL_NONE ? ftl_heat_of(f, op->copy[i].lpn) : p->mixed, &op->copy[i]);
        else
            lose(f, &op->copy[i]);
    }
    next_step(op);
}

/* The valid units of one page; 0 if there is none. */
static uint32_t page_copies(const struct ftl *f, uint32_t first, struct ftl_copy *copy) {
    uint64_t valid = f->valid[first >> 6] >> (first & 63) & ((1ull << f->page_units) - 1); /* one page, one word */
    const uint32_t *owner = ftl_owner(f, first);
    uint32_t n = 0;
    for (; valid; valid &= valid - 1) {
        uint32_t unit = (uint32_t)__builtin_ctzll(valid);
        copy[n++] = (struct ftl_copy){owner[unit], first + unit};
    }
    return n;
}

static void read_page(struct ftl *f, struct ftl_plane *p, uint32_t page, struct ftl_op *op) {
    f->blocks[p->first_block + p->victim].copying += (uint16_t)op->count;
    p->gc_reads++;
    f->running++;
    p->gc_reading += op->count;
    op->nand.kind = NAND_READ;
    op->nand.block = p->victim;
    op->nand.page = page;
    op->nand.bytes = op->count << f->unit_shift;
    op->nand.done = read_done;
    nand_submit(f->nand, &op->nand);
}

/* Read the victim's next page with valid units, or finish it; false if nothing can be done now. */
static bool read_next(struct ftl *f, struct ftl_plane *p) {
    if (p->gc_reads >= READS_MAX || p->copies + p->gc_reading >= (f->heats + 1) * f->page_units)
        return false;
    if (p->victim == FTL_NONE && !choose_victim(f, p))
        return false;
    uint32_t written = f->state[p->first_block + p->victim].next_page;
    struct ftl_op *op = op_new(f, p);
    if (!op)
        return false;
    while (p->scan < written) {
        uint32_t page = p->scan++;
        op->count = page_copies(f, ftl_ppu(f, p, p->victim, page), op->copy);
        if (op->count) {
            read_page(f, p, page, op);
            return true;
        }
    }
    op_free(op);
    victim_scanned(f, p);
    return true;
}

/* --- programs --- */

static void program_done(struct nand_op *nand) {
    struct ftl_op *op = (struct ftl_op *)nand; /* first member */
    struct ftl *f = op->f;
    struct ftl_plane *p = op->p;
    bool ok = nand->result == NAND_DONE;
    for (uint32_t i = 0; i < op->count; i++)
        f->ops->prefetch(f, op->copy[i].lpn);
    ftl_programmed(f, &op->page, ok);
    for (uint32_t i = 0; i < op->count; i++) {
        const struct ftl_copy *c = &op->copy[i];
        if (!ok) {
            wait_for_program(p, op->heat, c);
            continue;
        }
        if (!ftl_relocate(f, c->lpn, c->from, op->page.ppu + i))
            f->count.gc_stale++;
        uncopy(f, c->from);
    }
    next_step(op);
}

/* Take up to a page of copies of a heat, oldest first, leaving out what the host overwrote meanwhile. */
static uint32_t take_copies(struct ftl *f, struct ftl_plane *p, unsigned heat, struct ftl_copy *into) {
    struct ftl_copy *copy = p->waiting[heat].copy;
    uint32_t n = 0, at = 0, count = p->waiting[heat].count;
    for (uint32_t i = 0; i < count; i++)
        f->ops->prefetch(f, copy[i].lpn);
    for (; at < count && n < f->page_units; at++) {
        const struct ftl_copy *c = &copy[at];
        if (f->ops->translate(f, c->lpn) == c->from + 1) {
            into[n++] = *c;
        } else {
            f->count.gc_stale++;
            uncopy(f, c->from);
        }
    }
    p->copies -= at;
    p->waiting[heat].count = count -= at;
    for (uint32_t i = 0; i < count; i++)
        copy[i] = copy[at + i];
    return n;
}

/* The collection stream that takes copies of a heat now; another's if there is no block left to open. FTL_NONE: none.
 */
static uint32_t stream_for(const struct ftl *f, const struct ftl_plane *p, unsigned heat) {
    unsigned own = ftl_stream(heat, FTL_STREAM_GC);
    if (ftl_stream_ready(f, p, own))
        return own;
    for (unsigned h = 0; p->open[own].block == FTL_NONE && !p->free_count && h < f->heats; h++)
        if (ftl_stream_ready(f, p, ftl_stream(h, FTL_STREAM_GC)))
            return ftl_stream(h, FTL_STREAM_GC);
    return FTL_NONE;
}

static bool any_open(const struct ftl *f, const struct ftl_plane *p) {
    bool any = false;
    for (unsigned h = 0; h < f->heats; h++)
        any |= p->open[ftl_stream(h, FTL_STREAM_GC)].block != FTL_NONE;
    return any;
}

/* Copies are waiting and no block to put them is left or can come: the plane takes no more writes. */
static void give_up_if_stuck(struct ftl *f, struct ftl_plane *p) {
    if (!any_open(f, p) && !p->gc_programs && !p->free_count && !p->erasing && !p->stuck)
        ftl_give_up(f, p);
}

static bool program_next(struct ftl *f, struct ftl_plane *p, unsigned heat, bool pad) {
    if (p->waiting[heat].count < (pad ? 1 : f->page_units))
        return false;
    uint32_t stream = stream_for(f, p, heat);
    if (stream == FTL_NONE) {
        give_up_if_stuck(f, p);
        return false;
    }
    struct ftl_op *op = op_new(f, p);
    if (!op)
        return false;
    op->count = take_copies(f, p, heat, op->copy);
    op->heat = heat;
    if (!op->count) {
        op_free(op);
        return true;
    }
    ftl_take_page(f, p, stream, &op->page);
    f->count.gc_units += op->count;
    f->count.heat_units[stream] += op->count;
    f->count.pad_units += f->page_units - op->count;
    op->nand.kind = NAND_PROGRAM;
    op->nand.block = op->page.block;
    op->nand.page = op->page.page;
    op->nand.bytes = f->geometry->page_bytes;
    op->nand.done = program_done;
    nand_submit(f->nand, &op->nand);
    return true;
}

/* Remember planes that wait for garbage to appear; nothing else would wake them. */
static void note_starvation(struct ftl *f, struct ftl_plane *p) {
    bool starved =
        p->victim == FTL_NONE && !p->gc_reads && !p->erasing && !p->gc_programs && ftl_wants_collection(f, p);
    f->starved += starved - p->starved;
    p->starved = starved;
}

void ftl_collect(struct ftl *f, struct ftl_plane *p) {
    p->collecting = ftl_wants_collection(f, p);
    p->scraping &= p->collecting;
    /* Programs of one block keep one class, so that none overtakes its predecessor. */
    if (!p->gc_programs)
        p->gc_urgent = p->free_count <= f->gc_urgent;
    bool again = true;
    while (again) {
        while (read_next(f, p))
            ;
        again = false;
        for (unsigned h = 0; h < f->heats; h++)
            again |= program_next(f, p, h, p->victim == FTL_NONE && !p->gc_reads);
    }
    note_starvation(f, p);
}
