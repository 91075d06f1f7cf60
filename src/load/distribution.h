/*
 * Which block a random request goes to, when not all are equally likely.
 *
 * zipf, pareto and normal draw a rank; ranks are scattered over the region by
 * a permutation, so that hot blocks aren't neighbours. With a center, rank 0 of
 * zipf and pareto is there; a normal distribution then is not scattered, and its
 * middle is there. zoned goes to a zone, then anywhere in it.
 *
 * Source: fio(1), random_distribution. zipf is drawn by rejection-inversion
 * (Hormann and Derflinger, ACM TOMACS 6(3), 1996), which is exact for every
 * exponent, where fio uses an approximation good for the first two ranks and
 * the tail; pareto and normal have fio's shapes. Differs: fio scatters by a
 * hash, under which ranks may meet at one block.
 *
 * The same numbers everywhere: base/exactmath.h, no libm.
 */
#ifndef DRIVELAB_LOAD_DISTRIBUTION_H
#define DRIVELAB_LOAD_DISTRIBUTION_H

#include "base/permutation.h"
#include "base/rng.h"
#include "load/job.h"

struct distribution {
    int kind; /* enum job_distribution */
    uint64_t count;
    double theta;
    struct {
        double integral_1, integral_n, shortcut; /* of the hat function; zipf */
    } zipf;
    uint64_t deviation; /* normal: blocks */
    struct permutation scatter;
    bool scattered;
    uint64_t shift; /* added after scattering, so that rank 0 is at the center */
    struct zone_share {
        unsigned upto;         /* percent of the requests up to this zone */
        uint64_t first, count; /* its blocks */
    } * zone;
    unsigned zones;
};

/*
 * For blocks of `block_bytes` in a region of `count` of them. 0, or -ENOMEM.
 * Draws its key from `rng`. distribution_release() afterwards.
 */
int distribution_init(struct distribution *d, const struct job *job, enum run_dir dir, uint64_t count,
                      uint64_t block_bytes, struct rng *rng);
void distribution_release(struct distribution *d);

uint64_t distribution_next(struct distribution *d, struct rng *rng);

/* Exponentially distributed, of the given mean; for times between requests. */
int64_t distribution_exponential(struct rng *rng, double mean);

#endif
