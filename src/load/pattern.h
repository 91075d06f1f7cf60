/*
 * Which block next: sequential, random with every block once per pass (fio's
 * random map), or random with repetition (norandommap).
 *
 * The random map needs no memory: a keyed bijection of k-bit numbers, whose
 * values beyond the region are skipped.
 */
#ifndef DRIVELAB_LOAD_PATTERN_H
#define DRIVELAB_LOAD_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

/* A pseudo-random order of 0..count-1. */
struct permutation {
    uint64_t count, mask, next;
    uint64_t multiplier[3], offset;
    unsigned shift;
};

/* count >= 1. Draws its key from `rng`. */
void permutation_init(struct permutation *p, uint64_t count, struct rng *rng);

/* The next number; false when all `count` have been given. */
bool permutation_next(struct permutation *p, uint64_t *value);

#endif
