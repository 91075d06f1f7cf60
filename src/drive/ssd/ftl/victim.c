/*
 * Victim policies: which FULL block of a plane is collected next.
 *
 * Each keeps an index of the plane's candidates that follows every change, so
 * that choosing takes the same short time however many blocks a plane has:
 *
 *   greedy, fifo        rings of blocks, one a number of valid units or one at all
 *   random, dchoices    an array in any order, and each block's place in it
 *
 * greedy judges by the block it would take; the others take what comes, so they
 * are asked while the plane as a whole has garbage.
 *
 * Source: Desnoyers, SYSTOR 2012 (greedy, FIFO); Van Houdt, SIGMETRICS 2013
 * (random, d choices).
 * Simplified: after a start FIFO takes blocks in the order of their numbers.
 */
#include <errno.h>

#include "drive/ssd/ftl/ftl.h"

static uint32_t valid_of(const struct ftl *f, const struct ftl_plane *p, uint32_t block) {
    return f->blocks[p->first_block + block].valid;
}

static struct ftl_candidates *candidates_of(const struct ftl *f, struct ftl_plane *p, uint32_t block) {
    return &p->candidates[f->blocks[p->first_block + block].heat];
}

/* --- rings: list[] holds the oldest member of each --- */

static void ring_add(struct ftl_candidates *c, uint32_t ring, uint32_t block) {
    uint32_t head = c->list[ring];
    if (head == FTL_NONE) {
        c->list[ring] = c->link[block].prev = c->link[block].next = block;
        return;
    }
    uint32_t tail = c->link[head].prev;
    c->link[block].prev = tail;
    c->link[block].next = head;
    c->link[tail].next = c->link[head].prev = block;
}

static void ring_remove(struct ftl_candidates *c, uint32_t ring, uint32_t block) {
    uint32_t prev = c->link[block].prev, next = c->link[block].next;
    c->link[prev].next = next;
    c->link[next].prev = prev;
    if (c->list[ring] == block)
        c->list[ring] = next == block ? FTL_NONE : next;
}

/* --- greedy --- */

static uint32_t greedy_lists(const struct ftl *f) {
    return f->block_units + 1;
}

static void greedy_add(const struct ftl *f, struct ftl_plane *p, uint32_t block) {
    struct ftl_candidates *c = candidates_of(f, p, block);
    uint32_t valid = valid_of(f, p, block);
    ring_add(c, valid, block);
    if (valid < c->least)
        c->least = valid;
}

static void greedy_remove(const struct ftl *f, struct ftl_plane *p, uint32_t block) {
    ring_remove(candidates_of(f, p, block), valid_of(f, p, block), block);
}

static void greedy_changed(const struct ftl *f, struct ftl_plane *p, uint32_t block, uint32_t was) {
    ring_remove(candidates_of(f, p, block), was, block);
    greedy_add(f, p, block);
}

static uint32_t greedy_pick(struct ftl *f, struct ftl_plane *p, struct ftl_candidates *c) {
    if (!c->count)
        return FTL_NONE;
    while (c->list[c->least] == FTL_NONE)
        c->least++;
    return c->list[c->least];
}

/* --- FIFO --- */

static uint32_t one_list(const struct ftl *f) {
    return 1;
}

static void fifo_add(const struct ftl *f, struct ftl_plane *p, uint32_t block) {
    ring_add(candidates_of(f, p, block), 0, block);
}

static void fifo_remove(const struct ftl *f, struct ftl_plane *p, uint32_t block) {
    ring_remove(candidates_of(f, p, block), 0, block);
}

static uint32_t fifo_pick(struct ftl *f, struct ftl_plane *p, struct ftl_candidates *c) {
    return c->list[0];
}

/* --- at random: link[].next is a block's place in list[] --- */

static uint32_t a_list_of_blocks(const struct ftl *f) {
    return f->geometry->blocks;
}

static void random_add(const struct ftl *f, struct ftl_plane *p, uint32_t block) {
    struct ftl_candidates *c = candidates_of(f, p, block);
    c->list[c->count] = block;
    c->link[block].next = c->count;
}

static void random_remove(const struct ftl *f, struct ftl_plane *p, uint32_t block) {
    struct ftl_candidates *c = candidates_of(f, p, block);
    uint32_t place = c->link[block].next, last = c->list[c->count - 1];
    c->list[place] = last;
    c->link[last].next = place;
}

static uint32_t any_candidate(struct ftl *f, const struct ftl_candidates *c) {
    return c->list[rng_below(&f->rng, c->count)];
}

static uint32_t random_pick(struct ftl *f, struct ftl_plane *p, struct ftl_candidates *c) {
    return c->count ? any_candidate(f, c) : FTL_NONE;
}

static uint32_t dchoices_pick(struct ftl *f, struct ftl_plane *p, struct ftl_candidates *c) {
    uint32_t best = random_pick(f, p, c);
    for (uint32_t i = 1; i < f->config->gc_choices && best != FTL_NONE; i++) {
        uint32_t other = any_candidate(f, c);
        if (valid_of(f, p, other) < valid_of(f, p, best))
            best = other;
    }
    return best;
}

/* --- rows --- */

const struct gc_policy gc_policies[] = {
    {.name = "greedy",
     .doc = "the block with the fewest valid units",
     .lists = greedy_lists,
     .add = greedy_add,
     .remove = greedy_remove,
     .changed = greedy_changed,
     .pick = greedy_pick},
    {.name = "fifo",
     .doc = "the block that has been full for longest",
     .blind = true,
     .lists = one_list,
     .add = fifo_add,
     .remove = fifo_remove,
     .pick = fifo_pick},
    {.name = "random",
     .doc = "any block",
     .blind = true,
     .lists = a_list_of_blocks,
     .add = random_add,
     .remove = random_remove,
     .pick = random_pick},
    {.name = "dchoices",
     .doc = "of ssd.gc_choices blocks drawn at random the one with the fewest valid units",
     .blind = true,
     .lists = a_list_of_blocks,
     .add = random_add,
     .remove = random_remove,
     .pick = dchoices_pick},
    {0},
};

/* --- what the rest of the layer calls --- */

void ftl_victims_init(struct ftl *f, struct ftl_plane *p) {
    for (struct ftl_candidates *c = p->candidates; c < p->candidates + f->heats; c++) {
        c->list = ftl_table(f, f->policy->lists(f) * sizeof *c->list);
        c->link = ftl_table(f, f->geometry->blocks * sizeof *c->link);
    }
}

void ftl_victims_reset(struct ftl *f, struct ftl_plane *p) {
    for (struct ftl_candidates *c = p->candidates; c < p->candidates + f->heats; c++) {
        c->count = c->least = 0;
        c->valid = 0;
        for (uint32_t i = 0, n = f->policy->lists(f); i < n; i++)
            c->list[i] = FTL_NONE;
    }
}

void ftl_victim_add(struct ftl *f, struct ftl_plane *p, uint32_t block) {
    struct ftl_candidates *c = candidates_of(f, p, block);
    f->policy->add(f, p, block);
    c->count++;
    c->valid += valid_of(f, p, block);
}

void ftl_victim_remove(struct ftl *f, struct ftl_plane *p, uint32_t block) {
    struct ftl_candidates *c = candidates_of(f, p, block);
    f->policy->remove(f, p, block);
    c->count--;
    c->valid -= valid_of(f, p, block);
}

void ftl_victim_changed(struct ftl *f, uint32_t block_index, uint32_t was) {
    struct ftl_plane *p = ftl_plane_of(f, block_index);
    const struct ftl_block *b = &f->blocks[block_index];
    p->candidates[b->heat].valid += (uint64_t)b->valid - was;
    if (f->policy->changed)
        f->policy->changed(f, p, block_index - p->first_block, was);
}

uint64_t ftl_garbage(const struct ftl *f, const struct ftl_plane *p, uint32_t block) {
    if (!f->policy->blind)
        return f->block_units - valid_of(f, p, block);
    const struct ftl_candidates *c = &p->candidates[f->blocks[p->first_block + block].heat];
    return (uint64_t)c->count * f->block_units - c->valid;
}

/* The heat to which its spare flash is worth least, of those in `left`; FTL_NONE if none has a candidate. */
static uint32_t poorest_heat(const struct ftl *f, const struct ftl_plane *p, uint32_t left) {
    uint32_t best = FTL_NONE;
    double least = 0;
    for (unsigned h = 0; h < f->heats; h++) {
        if (!(left >> h & 1) || !p->candidates[h].count)
            continue;
        double worth = ftl_heat_worth(f, p, h);
        if (best == FTL_NONE || worth < least) {
            best = h;
            least = worth;
        }
    }
    return best;
}

uint32_t ftl_victim_pick(struct ftl *f, struct ftl_plane *p,
                         bool (*worthwhile)(const struct ftl *, const struct ftl_plane *, uint32_t block)) {
    uint32_t block, heat = 0, left = (1u << f->heats) - 1;
    do {
        if (f->heats > 1)
            heat = poorest_heat(f, p, left);
        if (heat == FTL_NONE)
            return FTL_NONE;
        block = f->policy->pick(f, p, &p->candidates[heat]);
        if (block != FTL_NONE && worthwhile(f, p, block))
            return block;
        left &= ~(1u << heat);
    } while (left);
    return FTL_NONE;
}

/* FULL blocks of a heat that are where the index would look for them. */
static uint32_t indexed(const struct ftl *f, const struct ftl_plane *p, unsigned heat) {
    const struct ftl_candidates *c = &p->candidates[heat];
    uint32_t n = 0;
    for (uint32_t b = 0; b < f->geometry->blocks; b++) {
        const struct ftl_block *block = &f->blocks[p->first_block + b];
        if (block->state != BLOCK_FULL || block->heat != heat)
            continue;
        bool ring = f->policy->add != random_add;
        bool found = ring ? c->link[c->link[b].next].prev == b && c->link[c->link[b].prev].next == b
                          : c->link[b].next < c->count && c->list[c->link[b].next] == b;
        if (f->policy->changed && (c->least > valid_of(f, p, b) || c->list[valid_of(f, p, b)] == FTL_NONE))
            found = false;
        n += found;
    }
    return n;
}

static int check_heat(const struct ftl *f, const struct ftl_plane *p, unsigned heat, struct err *e) {
    const struct ftl_candidates *c = &p->candidates[heat];
    uint32_t full = 0;
    uint64_t valid = 0;
    for (uint32_t b = 0; b < f->geometry->blocks; b++) {
        const struct ftl_block *block = &f->blocks[p->first_block + b];
        if (block->state != BLOCK_FULL || block->heat != heat)
            continue;
        full++;
        valid += block->valid;
    }
    uint32_t found = indexed(f, p, heat);
    if (full != c->count || valid != c->valid || full != found)
        return err_set(
            e, EFAULT, "die %u plane %u heat %u: %u candidates with %llu valid units; counted %u, %llu; indexed %u",
            p->die, p->plane, heat, c->count, (unsigned long long)c->valid, full, (unsigned long long)valid, found);
    return 0;
}

int ftl_victims_check(const struct ftl *f, const struct ftl_plane *p, struct err *e) {
    for (unsigned h = 0; h < f->heats; h++)
        if (check_heat(f, p, h, e))
            return -EFAULT;
    return 0;
}
