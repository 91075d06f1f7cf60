/*
 * Linear feedback shift register as an order of the numbers below a count,
 * each once: cheaper than a permutation, and less random (random_generator=lfsr).
 */
#ifndef DRIVELAB_LOAD_LFSR_H
#define DRIVELAB_LOAD_LFSR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

#define LFSR_COUNT_MAX ((UINT64_C(1) << 43) - 1)

struct lfsr {
    uint64_t count, mask, state, left;
};

/* 1 <= count <= LFSR_COUNT_MAX. Starts at a place drawn from `rng`. */
void lfsr_init(struct lfsr *l, uint64_t count, struct rng *rng);

/* The next number; false when all `count` have been given. */
bool lfsr_next(struct lfsr *l, uint64_t *value);

#endif
