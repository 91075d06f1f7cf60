/*
 * How often units are written, so that the drive can keep data of different
 * heat in blocks of its own (ssd.streams), and how much spare flash each heat
 * is worth.
 *
 * Heat. The host's writes are counted by region of 256 units. All counts halve
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
 * What lasts. Which heat a block is of lies beside its data and is never lost.
 * The counts are in the controller's memory: a controlled stop keeps them, as
 * firmware saves its tables then; a power cut loses them, and all is cold until
 * it is written again. Nothing follows from either but where data goes next.
 *
 * Source: Stoica and Ailamaki, VLDB 2013 (groups by update frequency, spare
 * by group); Desnoyers, SYSTOR 2012 (A).
 * Simplified: heat is known by region, not by unit; a process that is killed
 * keeps counts, too.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "drive/ssd/ftl/ftl.h"

enum { REGION_SHIFT = 8, ONE = 16, STEPS = 512 }; /* ONE: of a count, so that halving loses little */

/* The next two are durable. */
struct heat_region {
    uint32_t count, epoch;
    uint8_t heat, reserved[3];
};
_Static_assert(sizeof(struct heat_region) == 12, "in images");

struct heat_counts {
    uint32_t epoch, reserved;
    uint64_t writes; /* in this epoch */
    double total;    /* of all counts */
    double written[FTL_HEATS_MAX];
    struct heat_region region[];
};
_Static_assert(sizeof(struct heat_counts) == 24 + 8 * 8, "in images");

struct heat {
    struct heat_counts *now;
    uint8_t *block;                    /* durable: heat of each, and 1; 0: not known */
    double alpha[STEPS], worth[STEPS]; /* by e, from 0 to 1; alpha falls */
};

static size_t regions(const struct ftl *f) {
    return ((size_t)f->units >> REGION_SHIFT) + 1;
}

static bool sound(const struct heat_counts *c) {
    bool good = c->total >= 0 && c->total < 1e18;
    for (unsigned i = 0; i < FTL_HEATS_MAX; i++)
        good = good && c->written[i] >= 0 && c->written[i] < 1e18;
    return good;
}

/* An area that has its space from the start: counting can't fail later. */
static void *area(struct store *store, const char *name, size_t bytes, struct err *e) {
    bool fresh;
    void *at = store_state(store, name, 1, bytes, &fresh, e);
    int rc = at ? store_state_reserve(store, at, bytes) : 0;
    if (rc)
        err_set(e, -rc, "no space behind the drive for how often its data is written: %s", strerror(-rc));
    return rc ? NULL : at;
}

int ftl_heat_init(struct ftl *f, struct store *store, struct err *e) {
    if (f->heats == 1)
        return 0;
    struct heat *h = f->heat = calloc(1, sizeof *h);
    if (!h)
        return err_set(e, ENOMEM, "no memory to tell units by how often they are written");
    h->now = area(store, "ftl.heat", sizeof *h->now + regions(f) * sizeof h->now->region[0], e);
    h->block = h->now ? area(store, "ftl.heat-blocks", f->total_blocks, e) : NULL;
    if (!h->block)
        return e->code ? e->code : -EIO;
    if (!sound(h->now)) /* a damaged image: nothing is lost but knowledge */
        ftl_heat_reset(f);
    for (unsigned i = 0; i < STEPS; i++) {
        double empty = (i + 0.5) / STEPS;
        h->alpha[i] = -log(empty) / (1 - empty);
        h->worth[i] = 1 / ((1 - empty) / empty + log(empty));
    }
    return 0;
}

void ftl_heat_release(struct ftl *f) {
    free(f->heat);
}

void ftl_heat_reset(struct ftl *f) {
    if (f->heat)
        memset(f->heat->now, 0, sizeof *f->heat->now + regions(f) * sizeof f->heat->now->region[0]);
}

void ftl_heat_opened(struct ftl *f, uint64_t block, unsigned heat) {
    if (f->heat)
        f->heat->block[block] = (uint8_t)(heat + 1);
}

unsigned ftl_heat_of_block(const struct ftl *f, uint64_t block) {
    unsigned kept = f->heat ? f->heat->block[block] : 0;
    return kept && kept <= f->heats ? kept - 1 : 0; /* with fewer heats than before: cold */
}

/* --- heat --- */

static struct heat_region *region_of(struct heat *h, uint32_t lpn) {
    struct heat_region *r = &h->now->region[lpn >> REGION_SHIFT];
    uint32_t passed = h->now->epoch - r->epoch;
    r->count = passed < 32 ? r->count >> passed : 0;
    r->epoch = h->now->epoch;
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
    double total = f->heat->now->total, mapped = (double)f->mapped / (1 << REGION_SHIFT) + 1;
    double ratio = total > 0 ? r->count * mapped / total : 0;
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

static void next_epoch(struct heat_counts *c) {
    c->epoch++;
    c->writes = 0;
    c->total /= 2;
    for (unsigned i = 0; i < FTL_HEATS_MAX; i++)
        c->written[i] /= 2;
}

unsigned ftl_heat_written(struct ftl *f, uint32_t lpn) {
    struct heat_counts *c = f->heat->now;
    struct heat_region *r = region_of(f->heat, lpn);
    if (r->count < UINT32_MAX - ONE)
        r->count += ONE;
    c->total += ONE;
    unsigned heat = settle(f, r);
    c->written[heat] += ONE;
    if (++c->writes >= 2 * (f->mapped + (1 << REGION_SHIFT)))
        next_epoch(c);
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
    double least = h->now->total / 1024 / f->heats; /* what nobody writes is not collected for a unit of garbage */
    return (h->now->written[heat] + least) / valid * worth(h, (double)c->count * f->block_units / valid);
}
