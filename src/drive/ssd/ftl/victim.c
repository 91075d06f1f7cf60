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
#include <stdlib.h>

#include "drive/ssd/ftl/ftl.h"

static uint32_t valid_of(const struct ftl *f, const struct ftl_plane *p, uint32_t block) {
    return f->blocks[p->first_block + block].valid;
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
    uint32_t valid = valid_of(f, p, block);
    ring_add(&p->candidates, valid, block);
    if (valid < p->candidates.least)
        p->candidates.least = valid;
}

static void greedy_remove(const struct ftl *f, struct ftl_plane *p, uint32_t block) {
    ring_remove(&p->candidates, valid_of(f, p, block), block);
}

static void greedy_changed(const struct ftl *f, struct ftl_plane *p, uint32_t block, uint32_t was) {
    ring_remove(&p->candidates, was, block);
    greedy_add(f, p, block);
}

static uint32_t greedy_pick(struct ftl *f, struct ftl_plane *p) {
    struct ftl_candidates *c = &p->candidates;
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
    ring_add(&p->candidates, 0, block);
}

static void fifo_remove(const struct ftl *f, struct ftl_plane *p, uint32_t block) {
    ring_remove(&p->candidates, 0, block);
}

static uint32_t fifo_pick(struct ftl *f, struct ftl_plane *p) {
    return p->candidates.list[0];
}

/* --- at random: link[].next is a block's place in list[] --- */

static uint32_t a_list_of_blocks(const struct ftl *f) {
    return f->geometry->blocks;
}

static void random_add(const struct ftl *f, struct ftl_plane *p, uint32_t block) {
    struct ftl_candidates *c = &p->candidates;
    c->list[c->count] = block;
    c->link[block].next = c->count;
}

static void random_remove(const struct ftl *f, struct ftl_plane *p, uint32_t block) {
    struct ftl_candidates *c = &p->candidates;
    uint32_t place = c->link[block].next, last = c->list[c->count - 1];
    c->list[place] = last;
    c->link[last].next = place;
}

static uint32_t any_candidate(struct ftl *f, const struct ftl_plane *p) {
    return p->candidates.list[rng_below(&f->rng, p->candidates.count)];
}

static uint32_t random_pick(struct ftl *f, struct ftl_plane *p) {
    return p->candidates.count ? any_candidate(f, p) : FTL_NONE;
}

static uint32_t dchoices_pick(struct ftl *f, struct ftl_plane *p) {
    uint32_t best = random_pick(f, p);
    for (uint32_t i = 1; i < f->config->gc_choices && best != FTL_NONE; i++) {
        uint32_t other = any_candidate(f, p);
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

int ftl_victims_init(struct ftl *f, struct ftl_plane *p) {
    struct ftl_candidates *c = &p->candidates;
    c->list = calloc(f->policy->lists(f), sizeof *c->list);
    c->link = calloc(f->geometry->blocks, sizeof *c->link);
    return c->list && c->link ? 0 : -ENOMEM;
}

void ftl_victims_release(struct ftl_plane *p) {
    free(p->candidates.list);
    free(p->candidates.link);
}

void ftl_victims_reset(struct ftl *f, struct ftl_plane *p) {
    struct ftl_candidates *c = &p->candidates;
    c->count = c->least = 0;
    c->valid = 0;
    for (uint32_t i = 0, n = f->policy->lists(f); i < n; i++)
        c->list[i] = FTL_NONE;
}

void ftl_victim_add(struct ftl *f, struct ftl_plane *p, uint32_t block) {
    f->policy->add(f, p, block);
    p->candidates.count++;
    p->candidates.valid += valid_of(f, p, block);
}

void ftl_victim_remove(struct ftl *f, struct ftl_plane *p, uint32_t block) {
    f->policy->remove(f, p, block);
    p->candidates.count--;
    p->candidates.valid -= valid_of(f, p, block);
}

void ftl_victim_changed(struct ftl *f, uint32_t block_index, uint32_t was) {
    struct ftl_plane *p = ftl_plane_of(f, block_index);
    p->candidates.valid += (uint64_t)f->blocks[block_index].valid - was;
    if (f->policy->changed)
        f->policy->changed(f, p, block_index - p->first_block, was);
}

uint64_t ftl_garbage(const struct ftl *f, const struct ftl_plane *p, uint32_t block) {
    if (!f->policy->blind)
        return f->block_units - valid_of(f, p, block);
    return (uint64_t)p->candidates.count * f->block_units - p->candidates.valid;
}

/* FULL blocks that are where the index would look for them. */
static uint32_t indexed(const struct ftl *f, const struct ftl_plane *p) {
    const struct ftl_candidates *c = &p->candidates;
    uint32_t n = 0;
    for (uint32_t b = 0; b < f->geometry->blocks; b++) {
        if (f->blocks[p->first_block + b].state != BLOCK_FULL)
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

int ftl_victims_check(const struct ftl *f, const struct ftl_plane *p, struct err *e) {
    uint32_t full = 0;
    uint64_t valid = 0;
    for (uint32_t b = 0; b < f->geometry->blocks; b++) {
        if (f->blocks[p->first_block + b].state != BLOCK_FULL)
            continue;
        full++;
        valid += valid_of(f, p, b);
    }
    uint32_t found = indexed(f, p);
    if (full != p->candidates.count || valid != p->candidates.valid || full != found)
        return err_set(e, EFAULT, "die %u plane %u: %u candidates with %llu valid units; counted %u, %llu; indexed %u",
                       p->die, p->plane, p->candidates.count, (unsigned long long)p->candidates.valid, full,
                       (unsigned long long)valid, found);
    return 0;
}
