/*
 * Where a latency falls in 32 steps per power of two: 3 % wide, for
 * distributions kept many times over. base/hist.h is four times as fine and
 * twenty times as large.
 */
#ifndef DRIVELAB_REPORT_COARSE_H
#define DRIVELAB_REPORT_COARSE_H

#include <stdint.h>

enum { COARSE_BITS = 5, COARSE_TOP = 46, COARSE_BUCKETS = (COARSE_TOP - COARSE_BITS + 1) << COARSE_BITS };

static inline unsigned coarse_bucket(int64_t ns) {
    if (ns < 1 << COARSE_BITS)
        return ns < 0 ? 0 : (unsigned)ns;
    unsigned top = 63 - (unsigned)__builtin_clzll((uint64_t)ns);
    if (top >= COARSE_TOP)
        return COARSE_BUCKETS - 1;
    return ((top - COARSE_BITS) << COARSE_BITS) + (unsigned)((uint64_t)ns >> (top - COARSE_BITS));
}

/* The smallest latency of a bucket. */
static inline int64_t coarse_low(unsigned bucket) {
    if (bucket < 2u << COARSE_BITS)
        return bucket;
    unsigned shift = (bucket >> COARSE_BITS) - 1;
    return (int64_t)(bucket - (shift << COARSE_BITS)) << shift;
}

/* Its middle, which stands for all of it. */
static inline int64_t coarse_middle(unsigned bucket) {
    return bucket + 1 < COARSE_BUCKETS ? (coarse_low(bucket) + coarse_low(bucket + 1) - 1) / 2 : coarse_low(bucket);
}

#endif
