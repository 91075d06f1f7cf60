/* Log-linear histogram (the bucket layout of HdrHistogram); see hist.h. */
#include "base/hist.h"

#include <math.h>
#include <string.h>

uint64_t hist_bucket_low(unsigned i) {
    if (i < 2u << HIST_SUB_BITS)
        return i;
    unsigned shift = (i >> HIST_SUB_BITS) - 1;
    return (uint64_t)(i - (shift << HIST_SUB_BITS)) << shift;
}

static uint64_t bucket_middle(unsigned i) {
    uint64_t low = hist_bucket_low(i);
    return low + (hist_bucket_low(i + 1) - low) / 2;
}

/* Only what isn't 0 is written: buckets that are never used, in memory from calloc(), take none. */
void hist_init(struct hist *h) {
    h->count = h->max = 0;
    h->min = UINT64_MAX;
    h->sum = h->sum_squares = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        if (h->bucket[i])
            h->bucket[i] = 0;
}

void hist_copy(struct hist *to, const struct hist *from) {
    hist_init(to);
    hist_merge(to, from);
}

void hist_merge(struct hist *into, const struct hist *from) {
    if (!from->count)
        return;
    into->count += from->count;
    into->min = from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
    into->sum += from->sum;
    into->sum_squares += from->sum_squares;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        if (from->bucket[i])
            into->bucket[i] += from->bucket[i];
}

double hist_mean(const struct hist *h) {
    return h->count ? h->sum / (double)h->count : 0;
}

double hist_stddev(const struct hist *h) {
    if (h->count < 2)
        return 0;
    double mean = hist_mean(h), variance = h->sum_squares / (double)h->count - mean * mean;
    return variance > 0 ? sqrt(variance) : 0;
}

/* The 1-based position, in sorted order, of the value at quantile q. */
static uint64_t rank_of(const struct hist *h, double q) {
    double rank = ceil(q * (double)h->count);
    if (!(rank >= 1)) /* also for NaN */
        return 1;
    return rank >= (double)h->count ? h->count : (uint64_t)rank;
}

uint64_t hist_quantile(const struct hist *h, double q) {
    if (!h->count)
        return 0;
    uint64_t rank = rank_of(h, q), seen = 0;
    if (rank == h->count)
        return h->max;
    unsigned i = 0;
    while ((seen += h->bucket[i]) < rank)
        i++;
    uint64_t v = bucket_middle(i);
    return v < h->min ? h->min : v > h->max ? h->max : v;
}
