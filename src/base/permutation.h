/*
 * A pseudo-random order of the numbers below a count, each once, without the
 * memory of a shuffled list: random maps of jobs, random placement of data.
 */
#ifndef DRIVELAB_BASE_PERMUTATION_H
#define DRIVELAB_BASE_PERMUTATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

struct permutation {
    uint64_t count, mask, next;
    uint64_t multiplier[3], offset;
    unsigned shift;
};

/* count >= 1. Draws its key from `rng`. */
void permutation_init(struct permutation *p, uint64_t count, struct rng *rng);

/* Number i of an order, i < count; another order than that of permutation_next(), which does not move. */
uint64_t permutation_at(const struct permutation *p, uint64_t i);

/* The next number; false when all `count` have been given. */
bool permutation_next(struct permutation *p, uint64_t *value);

#endif
