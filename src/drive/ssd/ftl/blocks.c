/*
 * Blocks of each plane: the free ones, the open ones of the streams, and
 * when a plane is short of free blocks.
 *
 * Faithful: dynamic wear levelling (the least erased free block is opened
 * first); pages taken in the configured plane order; bad blocks retired.
 * Simplified: a plane whose collection has no block left to copy to is given up
 * for writing, its data staying readable.
 * Not modelled: static wear levelling, remapping of bad blocks into superblocks.
 */
#include "drive/ssd/ftl/ftl.h"

#include <errno.h>

/* --- heap of free blocks --- */

static bool younger(const struct ftl *f, const struct ftl_plane *p, uint32_t a, uint32_t b) {
    uint32_t ea = f->state[p->first_block + a].erases, eb = f->state[p->first_block + b].erases;
    return ea != eb ? ea < eb : a < b;
}

static void heap_push(const struct ftl *f, struct ftl_plane *p, uint32_t block) {
    uint32_t i = p->free_count++;
    while (i && younger(f, p, block, p->heap[(i - 1) / 2])) {
        p->heap[i] = p->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    p->heap[i] = block;
}

static uint32_t heap_pop(const struct ftl *f, struct ftl_plane *p) {
    uint32_t top = p->heap[0], last = p->heap[--p->free_count], i = 0, child;
    while ((child = 2 * i + 1) < p->free_count) {
        if (child + 1 < p->free_count && younger(f, p, p->heap[child + 1], p->heap[child]))
            child++;
        if (!younger(f, p, p->heap[child], last))
            break;
        p->heap[i] = p->heap[child];
        i = child;
    }
    p->heap[i] = last;
    return top;
}

/* --- which planes can take a page --- */

static bool is_host(unsigned stream) {
    return stream % 2 == FTL_STREAM_HOST;
}

static bool has_page(const struct ftl *f, const struct ftl_plane *p, unsigned s) {
    uint32_t keep = is_host(s) ? f->heats : 0;
    return p->open[s].block != FTL_NONE || p->free_count > keep;
}

bool ftl_stream_ready(const struct ftl *f, const struct ftl_plane *p, unsigned s) {
    return p->open[s].programs < FTL_PROGRAM_DEPTH && has_page(f, p, s);
}

/* All planes of the group but those given up. */
static bool group_ready(const struct ftl *f, unsigned heat, uint32_t group) {
    const uint32_t *order = f->order + (uint64_t)group * f->group;
    unsigned stream = ftl_stream(heat, FTL_STREAM_HOST);
    bool any = false;
    for (uint32_t i = 0; i < f->group; i++) {
        const struct ftl_plane *p = &f->plane[order[i]];
        if (!p->stuck && !ftl_stream_ready(f, p, stream))
            return false;
        any |= !p->stuck;
    }
    return any;
}

/* The plane's host streams, free blocks or fate have changed. */
static void plane_changed(struct ftl *f, const struct ftl_plane *p) {
    uint64_t bit = 1ull << p->group % 64, *word = &f->ready[p->group / 64];
    for (unsigned heat = 0; heat < f->heats; heat++, word += f->ready_words)
        *word = group_ready(f, heat, p->group) ? *word | bit : *word & ~bit;
}

/* The first group that is ready, from `from` on and then from the beginning; FTL_NONE if there is none. */
static uint32_t next_ready(const struct ftl *f, unsigned heat, uint32_t from) {
    uint32_t words = f->ready_words, at = from / 64;
    const uint64_t *ready = f->ready + (uint64_t)heat * words;
    uint64_t bits = ready[at] & ~0ull << from % 64;
    for (uint32_t i = 0; i < words && !bits; i++) {
        at = at + 1 < words ? at + 1 : 0;
        bits = ready[at];
    }
    return bits ? at * 64 + (uint32_t)__builtin_ctzll(bits) : FTL_NONE;
}

bool ftl_ready_check(const struct ftl *f) {
    for (unsigned heat = 0; heat < f->heats; heat++)
        for (uint32_t group = 0; group < f->planes / f->group; group++)
            if (group_ready(f, heat, group) !=
                (f->ready[(uint64_t)heat * f->ready_words + group / 64] >> group % 64 & 1))
                return false;
    return true;
}

/* --- life of a block --- */

void ftl_block_free(struct ftl *f, struct ftl_plane *p, uint32_t block) {
    f->blocks[p->first_block + block].state = BLOCK_FREE;
    heap_push(f, p, block);
    plane_changed(f, p);
    f->stalled = 0;
}

void ftl_block_dead(struct ftl *f, struct ftl_plane *p, uint32_t block) {
    f->blocks[p->first_block + block].state = BLOCK_DEAD;
}

/* A full block's worth of bits, which may begin and end inside words. */
void ftl_valid_write(struct ftl *f, uint32_t block_index) {
    uint64_t first = (uint64_t)block_index << f->block_shift, end = first + f->block_units;
    for (uint64_t ppu = first; ppu < end;) {
        uint64_t in_word = 64 - ppu % 64, n = end - ppu < in_word ? end - ppu : in_word;
        f->valid[ppu / 64] |= ~0ull >> (64 - n) << ppu % 64;
        ppu += n;
    }
}

void ftl_blocks_fill(struct ftl *f, struct ftl_plane *p, uint32_t count) {
    for (uint32_t block = 0; block < count; block++) {
        struct ftl_block *b = &f->blocks[p->first_block + block];
        *b = (struct ftl_block){.valid = f->block_units, .state = BLOCK_FULL, .by_rule = 1};
        f->state[p->first_block + block].next_page = (uint16_t)f->geometry->pages;
        ftl_victim_add(f, p, block);
    }
    p->free_count -= count;
    for (uint32_t i = 0; i < p->free_count; i++)
        p->heap[i] = count + i; /* equally young: in order */
    plane_changed(f, p);
}

/* Nothing more is written to the block. */
static void block_full(struct ftl *f, struct ftl_plane *p, uint32_t block) {
    bool bad = f->state[p->first_block + block].bad;
    f->blocks[p->first_block + block].state = bad ? BLOCK_FAILED : BLOCK_FULL;
    p->bad_full += bad;
    if (!bad)
        ftl_victim_add(f, p, block);
}

static void close_if_done(struct ftl *f, struct ftl_plane *p, uint32_t block) {
    struct ftl_block *b = &f->blocks[p->first_block + block];
    if (b->state != BLOCK_CLOSING || b->programs)
        return;
    block_full(f, p, block);
}

static void close_open(struct ftl *f, struct ftl_plane *p, unsigned s) {
    uint32_t block = p->open[s].block;
    if (block == FTL_NONE)
        return;
    f->blocks[p->first_block + block].state = BLOCK_CLOSING;
    p->open[s].block = FTL_NONE;
    close_if_done(f, p, block);
}

/* The state of a block that nothing is happening to, after a start. */
static void sort_block(struct ftl *f, struct ftl_plane *p, uint32_t block) {
    const struct nand_block *nb = &f->state[p->first_block + block];
    struct ftl_block *b = &f->blocks[p->first_block + block];
    p->good += !nb->bad;
    if (nb->bad && !b->valid) {
        b->state = BLOCK_DEAD;
    } else if (nb->bad || nb->next_page) {
        block_full(f, p, block); /* a block left half written is not continued */
    } else {
        b->state = BLOCK_FREE;
        heap_push(f, p, block);
    }
}

void ftl_blocks_rebuild(struct ftl *f) {
    for (uint32_t i = 0; i < f->planes; i++) {
        struct ftl_plane *p = &f->plane[i];
        p->free_count = p->good = p->coming = p->erasing = p->bad_full = 0;
        p->collecting = p->gc_urgent = p->scraping = p->stuck = false;
        p->starved = true; /* until collection has had a look */
        p->victim = p->mixed = FTL_NONE;
        p->copies = p->gc_reads = p->gc_reading = p->gc_programs = 0;
        for (unsigned h = 0; h < f->heats; h++)
            p->waiting[h].count = 0;
        ftl_victims_reset(f, p);
        for (unsigned s = 0; s < 2 * f->heats; s++) {
            p->open[s].block = FTL_NONE;
            p->open[s].page = p->open[s].programs = 0;
        }
        for (uint32_t b = 0; b < f->geometry->blocks; b++) {
            if (f->heat)
                f->blocks[p->first_block + b].heat = ftl_heat_of_block(f, p->first_block + b) & (FTL_HEATS_MAX - 1);
            sort_block(f, p, b);
        }
    }
    for (uint32_t i = 0; i < f->planes; i++)
        plane_changed(f, &f->plane[i]);
    f->stalled = 0;
    f->starved = (uint32_t)f->planes;
    f->running = 0;
    for (unsigned h = 0; h < f->heats; h++)
        f->cursor[h] = 0;
}

/* --- streams --- */

void ftl_take_page(struct ftl *f, struct ftl_plane *p, unsigned s, struct ftl_page *page) {
    if (p->open[s].block == FTL_NONE) {
        p->open[s].block = heap_pop(f, p);
        p->open[s].page = 0;
        struct ftl_block *b = &f->blocks[p->first_block + p->open[s].block];
        b->state = BLOCK_OPEN;
        b->heat = (s / 2) & (FTL_HEATS_MAX - 1);
        ftl_heat_opened(f, p->first_block + p->open[s].block, s / 2);
    }
    uint32_t block = p->open[s].block, number = p->open[s].page++;
    *page = (struct ftl_page){p, block, (uint16_t)number, (uint16_t)s, ftl_ppu(f, p, block, number)};
    p->open[s].programs++;
    p->gc_programs += !is_host(s);
    f->running++;
    f->blocks[p->first_block + block].programs++;
    if (p->open[s].page == f->geometry->pages)
        close_open(f, p, s);
    plane_changed(f, p);
}

/* A failed program ends its block. The planes written in step with it start new blocks too, to stay in step. */
static void retire(struct ftl *f, struct ftl_plane *p, uint32_t block, unsigned s) {
    if (p->open[s].block != block)
        return; /* it was closed already */
    uint32_t die_first = (uint32_t)(p - f->plane) - p->plane;
    for (uint32_t i = 0; i < f->group; i++) {
        struct ftl_plane *peer = f->group > 1 ? &f->plane[die_first + i] : p;
        if (peer == p || is_host(s))
            close_open(f, peer, s);
    }
}

void ftl_programmed(struct ftl *f, const struct ftl_page *page, bool ok) {
    struct ftl_plane *p = page->plane;
    unsigned s = page->stream;
    struct ftl_block *b = &f->blocks[p->first_block + page->block];
    p->open[s].programs--;
    p->gc_programs -= !is_host(s);
    f->running--;
    b->programs--;
    f->stalled = 0;
    if (!ok)
        retire(f, p, page->block, s);
    close_if_done(f, p, page->block);
    plane_changed(f, p);
    if (!ok)
        ftl_health_update(f, p);
}

void ftl_give_up(struct ftl *f, struct ftl_plane *p) {
    p->stuck = true;
    plane_changed(f, p);
    ftl_health_update(f, p);
}

/* --- the host streams' walks over the planes --- */

/* The place in the order from which the next page can be taken; FTL_NONE if there is none. */
static uint32_t find_ready(const struct ftl *f, unsigned heat) {
    unsigned stream = ftl_stream(heat, FTL_STREAM_HOST);
    uint32_t at = f->cursor[heat], planes = (uint32_t)f->planes, group = at / f->group;
    if (at != group * f->group) {
        if (ftl_stream_ready(f, &f->plane[f->order[at]], stream))
            return at; /* the group is being walked */
        group = at + f->group < planes ? group + 1 : 0;
    }
    group = next_ready(f, heat, group);
    if (group != FTL_NONE)
        return group * f->group;
    /* When nothing moves any more a plane must do alone what its group can't. */
    for (at = 0; !f->running && at < planes; at++)
        if (ftl_stream_ready(f, &f->plane[f->order[at]], stream))
            return at;
    return FTL_NONE;
}

/*
 * The next page in plane order. A group that can't take pages now is passed
 * over as a whole, so that its planes stay on equal pages and their programs
 * run as one multi-plane operation.
 */
bool ftl_plan_host(struct ftl *f, unsigned heat, struct ftl_page *page) {
    unsigned stream = ftl_stream(heat, FTL_STREAM_HOST);
    if (f->stalled >> heat & 1)
        return false;
    uint32_t at = find_ready(f, heat);
    if (at == FTL_NONE) {
        f->stalled |= 1u << heat;
        return false;
    }
    while (!ftl_stream_ready(f, &f->plane[f->order[at]], stream))
        at++; /* a plane of the group that was given up */
    f->cursor[heat] = at + 1 < f->planes ? at + 1 : 0;
    ftl_take_page(f, &f->plane[f->order[at]], stream, page);
    return true;
}

bool ftl_place_now(struct ftl *f, const uint32_t *lpn, uint32_t count) {
    struct ftl_page page;
    if (!f->ops->plan(f, 0, &page)) {
        f->stalled = 0; /* collection has not been asked yet */
        return false;
    }
    f->state[page.plane->first_block + page.block].next_page = (uint16_t)(page.page + 1);
    ftl_programmed(f, &page, true);
    for (uint32_t i = 0; i < count; i++)
        f->ops->commit(f, lpn[i], page.ppu + i);
    return true;
}

/* --- shortage --- */

/* Blocks that the copies waiting will open. */
static uint32_t blocks_owed(const struct ftl *f, const struct ftl_plane *p) {
    uint32_t blocks = 0, block_pages = f->geometry->pages;
    for (unsigned h = 0; p->copies && h < f->heats; h++) {
        unsigned s = ftl_stream(h, FTL_STREAM_GC);
        uint32_t pages = (p->waiting[h].count + f->page_units - 1) / f->page_units;
        uint32_t room = p->open[s].block == FTL_NONE ? 0 : block_pages - p->open[s].page;
        blocks += pages > room ? (pages - room + block_pages - 1) / block_pages : 0;
    }
    return blocks;
}

/*
 * A plane with little to spare goes on until the host gains a block by it: what
 * is left to write would be padded with as much as was gained, again and again.
 */
bool ftl_wants_collection(const struct ftl *f, const struct ftl_plane *p) {
    uint32_t ahead = p->free_count + p->coming, start = f->config->gc_background ? f->gc_start : f->gc_urgent + 1;
    if (p->bad_full && p->free_count > 1)
        return true; /* what a failed block holds moves while there is room */
    if (p->collecting ? ahead < f->gc_stop : ahead < start)
        return true;
    return ahead <= 2 * f->heats && ahead <= f->heats + blocks_owed(f, p);
}

int64_t ftl_spare_blocks(const struct ftl *f) {
    int64_t room = 0;
    uint32_t least = ftl_spare_min(f->config);
    for (uint32_t i = 0; i < f->planes; i++) {
        const struct ftl_plane *p = &f->plane[i];
        if (!p->stuck && p->good > least)
            room += p->good - least;
    }
    return room - (int64_t)((f->units + (uint64_t)f->block_units - 1) / f->block_units);
}

static void count_good(struct ftl *f, struct ftl_plane *p) {
    p->good = 0;
    for (uint32_t b = 0; b < f->geometry->blocks; b++)
        p->good += !f->state[p->first_block + b].bad;
}

void ftl_health_update(struct ftl *f, struct ftl_plane *changed) {
    for (uint32_t i = 0; !changed && i < f->planes; i++)
        count_good(f, &f->plane[i]);
    if (changed)
        count_good(f, changed);
    if (ftl_spare_blocks(f) < 0)
        f->read_only = true;
}
