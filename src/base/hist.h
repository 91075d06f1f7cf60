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
void hist_record(struct hist *h, int64_t value); /* negative values count as 0 */
void hist_merge(struct hist *into, const struct hist *from);
void hist_copy(struct hist *to, const struct hist *from); /* `to` need not be initialised */

double hist_mean(const struct hist *h);
double hist_stddev(const struct hist *h);

/* Value at quantile q in [0, 1]; 0 if empty. */
uint64_t hist_quantile(const struct hist *h, double q);

/* Bounds of bucket i, for exporting distributions. */
uint64_t hist_bucket_low(unsigned i);

#endif
