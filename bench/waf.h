/*
 * Write amplification: what theory says, and what a drive of one pool does in
 * virtual time. For bench_waf and for tests/unit/test_ssd_waf.c.
 *
 * Theory is about T physical units, U logical ones, all of them valid, alpha =
 * T / U, in blocks of b units, one of which is collected when all are full;
 * uniform independent writes of one unit.
 */
#ifndef DRIVELAB_BENCH_WAF_H
#define DRIVELAB_BENCH_WAF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* FIFO, any b; greedy in the limit of large b: 1 - 1/A = exp(-alpha/A) (Desnoyers, SYSTOR 2012). */
double waf_fifo(double alpha);

/* The victim is the best of d blocks: the fixed point of the mean field (Van Houdt, SIGMETRICS 2013). */
double waf_dchoices(double alpha, unsigned b, unsigned d);
#define WAF_GREEDY UINT32_MAX /* as d: of all blocks */

/* Greedy, finite b: Desnoyers' closed form, another way to the same within 0.6 % from b = 32. */
double waf_greedy(double alpha, double b);

/*
 * Hot and cold data, each in its own blocks: the share `writes` of the writes
 * goes to the share `space` of the units, the spare being split as is best.
 * `hot_spare`, if not NULL, gets the part of the hot data.
 */
double waf_hot_cold(double op, double writes, double space, double *hot_spare);

/* A drive of one plane, so that all its blocks are one pool. */
struct waf_drive {
    const char *policy; /* ssd.gc_policy */
    unsigned choices;   /* ssd.gc_choices, if not 0 */
    unsigned blocks, block_units;
    unsigned page_units; /* 0: 1 */
    double alpha;
    unsigned streams;             /* ssd.streams; 0: 1 */
    double hot_writes, hot_space; /* the share of the writes that goes to the share of the units; 0: uniform */
    bool precondition;            /* start where long writing would have led */
    double warmup, measured;      /* writes per logical unit */
    uint64_t seed;
};

/* Units programmed per unit that the host wrote; negative with `e` filled if the drive could not be had. */
double waf_simulate(const struct waf_drive *drive, struct err *e);

#endif
