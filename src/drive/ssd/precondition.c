/*
 * Preconditioning: the mapping as a long run of writes would have left it,
 * made directly and without time.
 *
 * sequential: the first precondition_percent of the capacity, written once in
 * order.
 *
 * striped: the same by a controller that spreads neighbouring units over planes and
 * channels: pages of one LUN of each channel are filled together, a unit at a time.
 *
 * random: the same units after uniform random overwrites for long enough to
 * reach the steady state of garbage collection. Blocks are given valid units
 * by age: in a drive of T units with U of them valid, whose write
 * amplification is A, T / A host writes pass while a block grows from new to
 * victim, so a block at the share x of that way keeps exp(-x T / (A U)) of its
 * units (Desnoyers, SYSTOR 2012; A from 1 - 1/A = exp(-T / (A U)), the limit
 * of large blocks). Which units these are is a pseudo-random permutation.
 *
 * Simplified: that limit slightly overstates the spread of small blocks, which
 * one pass of real writes corrects; erase counts and payload stay untouched
 * (preconditioned units read as zeros).
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/permutation.h"
#include "base/rng.h"
#include "drive/ssd/ssd.h"

enum { PRECONDITION_NONE, PRECONDITION_SEQUENTIAL, PRECONDITION_STRIPED, PRECONDITION_RANDOM };

static int no_room(uint32_t done, uint32_t units, struct err *e) {
    return err_set(e, EINVAL, "ssd.precondition: no room after %u of %u units", done, units);
}

/* From lpn on, in order: page after page. */
static int pages(struct ftl *f, uint32_t lpn, uint32_t units, struct err *e) {
    uint32_t page[FTL_PAGE_UNITS_MAX];
    while (lpn < units) {
        uint32_t n = 0;
        while (n < f->page_units && lpn < units)
            page[n++] = lpn++;
        if (!ftl_place_now(f, page, n))
            return no_room(lpn - n, units, e);
    }
    return 0;
}

static int no_map(int rc, uint32_t units, struct err *e) {
    return err_set(e, -rc, "ssd.precondition: no space for the map of %u units: %s", units, strerror(-rc));
}

static int sequential(struct ssd *s, uint32_t units, struct err *e) {
    struct ftl *f = &s->ftl;
    uint32_t lpn = f->ops->fill(f, units); /* needs no map for them */
    int rc = lpn < units ? f->ops->reserve(f, lpn, units - lpn) : 0;
    if (rc)
        return no_map(rc, units - lpn, e);
    if (!lpn)
        f->ops->dense(f, 0, units);
    return pages(f, lpn, units, e);
}

static int striped(struct ssd *s, uint32_t units, struct err *e) {
    struct ftl *f = &s->ftl;
    uint32_t width = f->geometry->channels * f->geometry->planes, row = width * f->page_units, lpn = 0;
    uint32_t page[FTL_PAGE_UNITS_MAX];
    f->ops->dense(f, 0, units);
    for (; units - lpn >= row; lpn += row)
        for (uint32_t i = 0; i < width; i++) {
            for (uint32_t u = 0; u < f->page_units; u++)
                page[u] = lpn + u * width + i;
            if (!ftl_place_now(f, page, f->page_units))
                return no_room(lpn, units, e);
        }
    return pages(f, lpn, units, e); /* what fills no row */
}

/* --- random --- */

/* A of 1 - 1/A = exp(-alpha/A), by bisection; the left side minus the right rises with A. */
static double write_amplification(double alpha) {
    double low = 1, high = 1e6;
    for (int i = 0; i < 100; i++) {
        double a = (low + high) / 2;
        if (1 - 1 / a < exp(-alpha / a))
            low = a;
        else
            high = a;
    }
    return low;
}

/* Blocks of a plane to fill, in index order and in order of age, leaving as many free as collection would. */
static uint32_t plane_blocks(const struct ftl *f, const struct ftl_plane *p) {
    uint32_t keep = f->gc_start + 1;
    return p->free_count > keep ? p->free_count - keep : 0;
}

enum { BATCH = 64 }; /* units whose map entries are on their way to the cache */

struct filling {
    struct ftl *f;
    uint32_t lpn[BATCH], ppu[BATCH], waiting;
    struct rng rng;
    struct permutation lpns;
    uint32_t used;       /* lpns given out */
    double shape, scale; /* alpha / A; units per block at age 0 */
};

static uint32_t next_lpn(struct filling *g) {
    uint64_t lpn = 0;
    permutation_next(&g->lpns, &lpn);
    g->used++;
    return (uint32_t)lpn;
}

static void settle(struct filling *g) {
    for (uint32_t i = 0; i < g->waiting; i++)
        g->f->ops->commit(g->f, g->lpn[i], g->ppu[i]);
    g->waiting = 0;
}

/* The map is hit all over, so that nearly each entry is a cache miss: wait for many at a time. */
static void place(struct filling *g, uint32_t lpn, uint32_t ppu) {
    g->f->ops->prefetch(g->f, lpn);
    g->lpn[g->waiting] = lpn;
    g->ppu[g->waiting] = ppu;
    if (++g->waiting == BATCH)
        settle(g);
}

/* Fill one block with `valid` units in random places. */
static void fill_block(struct filling *g, struct ftl_plane *p, uint32_t valid) {
    struct ftl *f = g->f;
    struct ftl_page page;
    uint32_t left = f->block_units;
    for (uint32_t n = 0; n < f->geometry->pages; n++) {
        ftl_take_page(f, p, FTL_STREAM_HOST, &page);
        f->state[p->first_block + page.block].next_page = (uint16_t)(page.page + 1);
        ftl_programmed(f, &page, true);
        for (uint32_t u = 0; u < f->page_units; u++, left--) {
            if (!valid || rng_below(&g->rng, left) >= valid)
                continue;
            valid--;
            place(g, next_lpn(g), page.ppu + u);
        }
    }
}

/* Age x of 0 (new) to 1 (next victim) for the i-th of n blocks; the oldest come first. */
static double age(uint32_t i, uint32_t n) {
    return 1 - (i + 0.5) / n;
}

/* The units that all blocks would hold with `scale` units in a new one. */
static double units_held(const struct filling *g, double scale) {
    double sum = 0;
    for (uint32_t i = 0; i < g->f->planes; i++)
        for (uint32_t n = plane_blocks(g->f, &g->f->plane[i]), b = 0; b < n; b++)
            sum += fmin(scale * exp(-age(b, n) * g->shape), g->f->block_units);
    return sum;
}

/* Scale that makes the sum exact although no block can hold more than all. */
static double solve_scale(const struct filling *g, double units) {
    double low = 0, high = 64.0 * g->f->block_units;
    for (int i = 0; i < 60; i++) {
        double mid = (low + high) / 2;
        if (units_held(g, mid) < units)
            low = mid;
        else
            high = mid;
    }
    return high;
}

static int random_state(struct ssd *s, uint32_t units, struct err *e) {
    struct ftl *f = &s->ftl;
    struct filling g = {.f = f};
    uint64_t blocks = 0;
    for (uint32_t i = 0; i < f->planes; i++)
        blocks += plane_blocks(f, &f->plane[i]);
    double alpha = (double)blocks * f->block_units / units;
    if (alpha < 1)
        return sequential(s, units, e); /* no spare block to have an age */
    f->ops->dense(f, 0, units);
    rng_init(&g.rng, s->drive.config.drive.seed, 0x7072);
    permutation_init(&g.lpns, units, &g.rng);
    g.shape = alpha / write_amplification(alpha);
    g.scale = solve_scale(&g, units);
    double due = 0;
    for (uint32_t i = 0; i < f->planes; i++) {
        struct ftl_plane *p = &f->plane[i];
        for (uint32_t n = plane_blocks(f, p), b = 0; b < n; b++) {
            due += fmin(g.scale * exp(-age(b, n) * g.shape), f->block_units);
            uint64_t want = (uint64_t)(due + 0.5);
            want = want > units ? units : want;
            uint32_t valid = (uint32_t)(want - g.used);
            fill_block(&g, p, valid > f->block_units ? f->block_units : valid);
        }
    }
    settle(&g);
    uint32_t rest[FTL_PAGE_UNITS_MAX];
    while (g.used < units) { /* rounding left a few */
        uint32_t n = 0;
        while (n < f->page_units && g.used < units)
            rest[n++] = next_lpn(&g);
        if (!ftl_place_now(f, rest, n))
            return err_set(e, EINVAL, "ssd.precondition = random: no room for the last units");
    }
    return 0;
}

int ssd_precondition(struct ssd *s, struct err *e) {
    const struct ssd_config *c = &s->drive.config.ssd;
    uint32_t units = (uint32_t)(s->ftl.units * (c->precondition_percent / 100));
    if (!units || c->precondition == PRECONDITION_NONE)
        return 0;
    if (c->precondition == PRECONDITION_SEQUENTIAL)
        return sequential(s, units, e);
    int rc = s->ftl.ops->reserve(&s->ftl, 0, units);
    if (rc)
        return no_map(rc, units, e);
    if (c->precondition == PRECONDITION_RANDOM)
        return random_state(s, units, e);
    return striped(s, units, e);
}
