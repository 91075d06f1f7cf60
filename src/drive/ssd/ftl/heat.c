/*
 * How often units are written, so that the drive can keep data of different
 * heat in blocks of its own (ssd.streams), and how much spare flash each heat
 * is worth.
 *
 * Heat. The host's writes are counted by region of 1 MiB. All counts halve
 * each time the drive has taken twice as many units as it holds; a region
 * catches up with that when it is looked at. Its heat is how its count stands
 * to the mean of what is mapped: with n heats the borders are 4^(j - n/2), j
 * from 1 to n - 1 times the mean (two heats: the mean; four: a quarter of it,
 * the mean, four times the mean). A border must be passed by an eighth. Host
 * and collector write a unit into a block of its region's heat, so what cools
 * down moves to colder blocks when it is next collected.
 *
 * Spare. Of a pool of blocks that holds V valid units and takes the share f of
 * all writes, with alpha units of flash for each valid one, the drive's write
 * amplification falls by f / V times -A'(alpha) with each unit more of flash. A
 * is that of 1 - 1/A = exp(-alpha/A), so -A' = 1 / ((1 - e)/e + ln e) where e =
 * 1 - 1/A solves alpha = -ln e / (1 - e). The collector takes from the pool to
 * which a unit is worth least; where all are worth the same, the split is the
 * best there is.
 *
 * Source: Stoica and Ailamaki, VLDB 2013 (groups by update frequency, spare
 * by group); Desnoyers, SYSTOR 2012 (A).
 * Simplified: heat is known by region, not by unit; it is forgotten with
 * power, and so is which block is of which heat: all are cold at a start.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "drive/ssd/ftl/ftl.h"

enum { REGION_SHIFT = 8, ONE = 16, STEPS = 512 }; /* ONE: of a count, so that halving loses little */

struct heat_region {
    uint32_t count, epoch;
    uint8_t heat;
};

struct heat {
    struct heat_region *region;
    uint32_t epoch;
    uint64_t writes; /* in this epoch */
    double total;    /* of all counts */
    double written[FTL_HEATS_MAX];
    double alpha[STEPS], worth[STEPS]; /* by e, from 0 to 1; alpha falls */
};

int ftl_heat_init(struct ftl *f) {
    if (f->heats == 1)
        return 0;
    struct heat *h = f->heat = calloc(1, sizeof *h);
    if (h)
        h->region = calloc(((size_t)f->units >> REGION_SHIFT) + 1, sizeof *h->region);
    if (!h || !h->region)
        return -ENOMEM;
    for (unsigned i = 0; i < STEPS; i++) {
        double e = (i + 0.5) / STEPS;
        h->alpha[i] = -log(e) / (1 - e);
        h->worth[i] = 1 / ((1 - e) / e + log(e));
    }
    return 0;
}

void ftl_heat_release(struct ftl *f) {
    if (f->heat)
        free(f->heat->region);
    free(f->heat);
}

void ftl_heat_reset(struct ftl *f) {
    struct heat *h = f->heat;
    if (!h)
        return;
    for (size_t i = 0; i <= f->units >> REGION_SHIFT; i++)
        h->region[i] = (struct heat_region){0};
    h->epoch = 0;
    h->writes = 0;
    h->total = 0;
    for (unsigned i = 0; i < FTL_HEATS_MAX; i++)
        h->written[i] = 0;
}

/* --- heat --- */

static struct heat_region *region_of(struct heat *h, uint32_t lpn) {
    struct heat_region *r = &h->region[lpn >> REGION_SHIFT];
    uint32_t passed = h->epoch - r->epoch;
    r->count = passed < 32 ? r->count >> passed : 0;
    r->epoch = h->epoch;
    return r;
}

static unsigned borders_below(const struct ftl *f, double ratio) {
    double border = ldexp(1, 2 - (int)f->heats);
    unsigned n = 0;
    while (n + 1 < f->heats && ratio > border) {
        border *= 4;
        n++;
    }
    return n;
}

static unsigned settle(const struct ftl *f, struct heat_region *r) {
    const struct heat *h = f->heat;
    double regions = (double)f->mapped / (1 << REGION_SHIFT) + 1;
    double ratio = h->total > 0 ? r->count * regions / h->total : 0;
    unsigned least = borders_below(f, ratio * 7 / 8), most = borders_below(f, ratio * 9 / 8);
    if (r->heat < least)
        r->heat = (uint8_t)least;
    else if (r->heat > most)
        r->heat = (uint8_t)most;
    return r->heat;
}

unsigned ftl_heat_known(const struct ftl *f, uint32_t lpn) {
    return settle(f, region_of(f->heat, lpn));
}

static void next_epoch(struct heat *h) {
    h->epoch++;
    h->writes = 0;
    h->total /= 2;
    for (unsigned i = 0; i < FTL_HEATS_MAX; i++)
        h->written[i] /= 2;
}

unsigned ftl_heat_written(struct ftl *f, uint32_t lpn) {
    struct heat *h = f->heat;
    struct heat_region *r = region_of(h, lpn);
    if (r->count < UINT32_MAX - ONE)
        r->count += ONE;
    h->total += ONE;
    unsigned heat = settle(f, r);
    h->written[heat] += ONE;
    if (++h->writes >= 2 * (f->mapped + (1 << REGION_SHIFT)))
        next_epoch(h);
    return heat;
}

/* --- spare --- */

/* -A'(alpha), between the points of the table. */
static double worth(const struct heat *h, double alpha) {
    if (alpha >= h->alpha[0])
        return h->worth[0] * h->alpha[0] / alpha;
    unsigned low = 0, high = STEPS - 1; /* alpha[low] > alpha */
    if (alpha <= h->alpha[high])
        return h->worth[high];
    while (high - low > 1) {
        unsigned mid = (low + high) / 2;
        if (h->alpha[mid] > alpha)
            low = mid;
        else
            high = mid;
    }
    double part = (h->alpha[low] - alpha) / (h->alpha[low] - h->alpha[high]);
    return h->worth[low] + part * (h->worth[high] - h->worth[low]);
}

double ftl_heat_worth(const struct ftl *f, const struct ftl_plane *p, unsigned heat) {
    const struct heat *h = f->heat;
    const struct ftl_candidates *c = &p->candidates[heat];
    double valid = c->valid ? (double)c->valid : 1;
    double least = h->total / 1024 / f->heats; /* what nobody writes is not collected for a unit of garbage */
    return (h->written[heat] + least) / valid * worth(h, (double)c->count * f->block_units / valid);
}
