/*
 * Seeded random numbers: xoshiro256** (Blackman and Vigna), seeded by
 * splitmix64. Same seed, same sequence, on every machine.
 */
#ifndef DRIVELAB_BASE_RNG_H
#define DRIVELAB_BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

/* `stream` separates the independent users of one seed. */
void rng_init(struct rng *r, uint64_t seed, uint64_t stream);

static inline uint64_t rng_rotl(uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
}

static inline uint64_t rng_next(struct rng *r) {
    uint64_t *s = r->s, result = rng_rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rng_rotl(s[3], 45);
    return result;
}

/* Uniform in [0, bound); bound > 0 (Lemire's multiplication, bias below 2^-64 * bound). */
static inline uint64_t rng_below(struct rng *r, uint64_t bound) {
    return (uint64_t)(((unsigned __int128)rng_next(r) * bound) >> 64);
}

/* Uniform in [0, 1). */
static inline double rng_unit(struct rng *r) {
    return (double)(rng_next(r) >> 11) * 0x1.0p-53;
}

#endif
