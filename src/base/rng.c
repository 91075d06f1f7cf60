/*
 * Seeding of xoshiro256** by splitmix64, as its authors advise
 * (Blackman and Vigna, "Scrambled linear pseudorandom number generators",
 * ACM TOMS 47(4), 2021). The generator itself is inline in rng.h.
 */
#include "base/rng.h"

static uint64_t splitmix64(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

void rng_init(struct rng *r, uint64_t seed, uint64_t stream) {
    /* The stream is mixed first: neighbouring (seed, stream) pairs must not collide by simple addition. */
    uint64_t mixed = ~stream, state = seed ^ splitmix64(&mixed);
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix64(&state);
}
