/*
 * Counting through all k-bit numbers and scrambling each: multiplying by odd
 * numbers and xor-shifting are invertible on k bits, so each comes once. k is
 * the smallest that covers the count, so at most half is skipped.
 */
#include "base/permutation.h"

void permutation_init(struct permutation *p, uint64_t count, struct rng *rng) {
    unsigned bits = count > 1 ? 64 - (unsigned)__builtin_clzll(count - 1) : 1;
    p->count = count;
    p->next = 0;
    p->mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    p->shift = (bits + 1) / 2;
    p->offset = rng_next(rng);
    for (int i = 0; i < 3; i++)
        p->multiplier[i] = rng_next(rng) | 1;
}

static uint64_t scramble(const struct permutation *p, uint64_t x) {
    x = (x + p->offset) & p->mask;
    for (int i = 0; i < 3; i++) {
        x = (x * p->multiplier[i]) & p->mask;
        x ^= x >> p->shift;
    }
    return x;
}

/* Not the same order as permutation_next()'s. Following the cycle of an i below the count until it comes back below is
 * a permutation of those below. */
uint64_t permutation_at(const struct permutation *p, uint64_t i) {
    do
        i = scramble(p, i);
    while (i >= p->count);
    return i;
}

bool permutation_next(struct permutation *p, uint64_t *value) {
    while (p->next <= p->mask) {
        *value = scramble(p, p->next++);
        if (*value < p->count)
            return true;
    }
    return false;
}
