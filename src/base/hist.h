/*
 * Latency histogram, log-linear as in HdrHistogram: values 0..2^63-1 ns,
 * 128 sub-buckets per power of two, so any quantile is within 1 % of the
 * true value. Recording is O(1) without branches on the value's size.
 */
#ifndef DRIVELAB_BASE_HIST_H
#define DRIVELAB_BASE_HIST_H

#include <stdint.h>

#define HIST_SUB_BITS 7
#define HIST_BUCKETS  ((64 - HIST_SUB_BITS) << HIST_SUB_BITS)

struct hist {
    uint64_t count, min, max;
    double sum, sum_squares;
    uint64_t bucket[HIST_BUCKETS];
};

void hist_init(struct hist *h);
void hist_merge(struct hist *into, const struct hist *from);
void hist_copy(struct hist *to, const struct hist *from); /* `to` need not be initialised */

double hist_mean(const struct hist *h);
double hist_stddev(const struct hist *h);

/* Value at quantile q in [0, 1]; 0 if empty. */
uint64_t hist_quantile(const struct hist *h, double q);

/* Bounds of bucket i, for exporting distributions. */
uint64_t hist_bucket_low(unsigned i);

/*
 * A value below 2^8 has a bucket of its own. Above, the highest set bit selects
 * a row and the next HIST_SUB_BITS bits a bucket in it, so a bucket is at most
 * 1/128 of its lower bound wide; its middle is within 0.4 % of any value in it.
 */
static inline unsigned hist_bucket_of(uint64_t v) {
    unsigned shift = 63 - (unsigned)__builtin_clzll(v | (1u << HIST_SUB_BITS)) - HIST_SUB_BITS;
    return (shift << HIST_SUB_BITS) + (unsigned)(v >> shift);
}

/* Negative values count as 0. */
static inline void hist_record(struct hist *h, int64_t value) {
    uint64_t v = value < 0 ? 0 : (uint64_t)value;
    h->count++;
    h->min = v < h->min ? v : h->min;
    h->max = v > h->max ? v : h->max;
    h->sum += (double)v;
    h->sum_squares += (double)v * (double)v;
    h->bucket[hist_bucket_of(v)]++;
}

#endif
