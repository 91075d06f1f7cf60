/*
 * Random numbers of the shapes of fio's random_distribution; see distribution.h.
 */
#include "load/distribution.h"

#include <errno.h>
#include <stdlib.h>

#include "base/exactmath.h"

#define NORMAL_SUM 12 /* uniform numbers in a normal one; their mean has a standard deviation of 1/12 */

/* Uniform in (0, 1]. */
static double unit_above_0(struct rng *rng) {
    return (double)((rng_next(rng) >> 11) + 1) * 0x1.0p-53;
}

/* --- zipf: hat h(x) = x^-theta, its integral H and the inverse of that --- */

static double hat(double x, double theta) {
    return exact_exp(-theta * exact_log(x));
}

static double integral(double x, double theta) {
    if (theta == 1)
        return exact_log(x);
    return (exact_exp((1 - theta) * exact_log(x)) - 1) / (1 - theta);
}

static double integral_inverse(double y, double theta) {
    if (theta == 1)
        return exact_exp(y);
    double t = 1 + y * (1 - theta);
    return t > 0 ? exact_exp(exact_log(t) / (1 - theta)) : 0;
}

static void zipf_init(struct distribution *d) {
    d->zipf.integral_1 = integral(1.5, d->theta) - 1;
    d->zipf.integral_n = integral((double)d->count + 0.5, d->theta);
    d->zipf.shortcut = 2 - integral_inverse(integral(2.5, d->theta) - hat(2, d->theta), d->theta);
}

/* Rank from 0. */
static uint64_t zipf_next(const struct distribution *d, struct rng *rng) {
    for (;;) {
        double u = d->zipf.integral_n + unit_above_0(rng) * (d->zipf.integral_1 - d->zipf.integral_n);
        double x = integral_inverse(u, d->theta);
        uint64_t rank = x < 1 ? 1 : x >= (double)d->count ? d->count : (uint64_t)(x + 0.5);
        if (rank > d->count)
            rank = d->count;
        if ((double)rank - x <= d->zipf.shortcut ||
            u >= integral((double)rank + 0.5, d->theta) - hat((double)rank, d->theta))
            return rank - 1;
    }
}

/* The share theta of the requests goes to ... of the blocks: x^(log h / log (1 - h)) of a uniform x. */
static uint64_t pareto_next(const struct distribution *d, struct rng *rng) {
    return (uint64_t)((double)(d->count - 1) * exact_pow(unit_above_0(rng), d->theta));
}

/* A mean of uniform numbers, and a uniform deviation from it. */
static uint64_t normal_next(const struct distribution *d, struct rng *rng) {
    unsigned __int128 sum = 0;
    for (int i = 0; i < NORMAL_SUM; i++)
        sum += rng_below(rng, d->count + 1);
    uint64_t value = (uint64_t)((sum + NORMAL_SUM - 1) / NORMAL_SUM);
    value += d->deviation ? rng_below(rng, d->deviation) : 0;
    value = value > d->deviation / 2 ? value - d->deviation / 2 : 0;
    return value < d->count ? value : d->count - 1;
}

static uint64_t zoned_next(const struct distribution *d, struct rng *rng) {
    unsigned draw = (unsigned)rng_below(rng, 100), i = 0;
    while (i + 1 < d->zones && draw >= d->zone[i].upto)
        i++;
    return d->zone[i].first + rng_below(rng, d->zone[i].count);
}

uint64_t distribution_next(struct distribution *d, struct rng *rng) {
    uint64_t rank;
    switch (d->kind) {
    case JOB_ZIPF:
        rank = zipf_next(d, rng);
        break;
    case JOB_PARETO:
        rank = pareto_next(d, rng);
        break;
    case JOB_NORMAL:
        rank = normal_next(d, rng);
        break;
    case JOB_ZONED:
    case JOB_ZONED_ABS:
        return zoned_next(d, rng);
    default:
        return rng_below(rng, d->count);
    }
    if (d->scattered)
        rank = permutation_at(&d->scatter, rank);
    return rank >= d->count - d->shift ? rank - (d->count - d->shift) : rank + d->shift;
}

/* Zones as whole blocks, at least one each, all inside the region. */
static int zones_init(struct distribution *d, const struct job_shares *shares, uint64_t block_bytes) {
    uint64_t at = 0;
    unsigned percent = 0;
    d->zone = calloc(shares->count, sizeof(*d->zone));
    if (!d->zone)
        return -ENOMEM;
    for (unsigned i = 0; i < shares->count; i++) {
        const struct job_share *s = &shares->share[i];
        uint64_t blocks =
            s->bytes ? s->bytes / block_bytes
                     : (uint64_t)((unsigned __int128)d->count * (uint64_t)(s->of_percent * 1e6 + 0.5) / 100000000u);
        percent += s->percent;
        if (at > d->count - 1)
            at = d->count - 1;
        if (!blocks)
            blocks = 1;
        if (blocks > d->count - at)
            blocks = d->count - at;
        d->zone[d->zones++] = (struct zone_share){.upto = percent, .first = at, .count = blocks};
        at += blocks;
    }
    return 0;
}

/*
 * The permutation is turned so that rank 0 comes to lie at the center. A normal
 * distribution with a center is not scattered at all: its middle goes there.
 */
static void scatter_init(struct distribution *d, double center, struct rng *rng) {
    permutation_init(&d->scatter, d->count, rng);
    d->scattered = d->kind != JOB_NORMAL || center < 0;
    if (center < 0)
        return;
    uint64_t want = (uint64_t)((double)d->count * center);
    uint64_t have = d->scattered ? permutation_at(&d->scatter, 0) : d->count / 2;
    if (want >= d->count)
        want = d->count - 1;
    d->shift = want >= have ? want - have : want + (d->count - have);
}

int distribution_init(struct distribution *d, const struct job *job, enum run_dir dir, uint64_t count,
                      uint64_t block_bytes, struct rng *rng) {
    *d = (struct distribution){.kind = job->random_distribution, .count = count, .theta = job->theta};
    if (d->kind == JOB_UNIFORM)
        return 0;
    if (d->kind >= JOB_ZONED)
        return zones_init(d, &job->zoned[dir], block_bytes);
    scatter_init(d, job->center, rng);
    if (d->kind == JOB_ZIPF)
        zipf_init(d);
    else if (d->kind == JOB_PARETO)
        d->theta = exact_log(job->theta) / exact_log(1 - job->theta);
    else
        d->deviation = (uint64_t)((double)count * job->theta / 100);
    if (d->deviation > count / 2)
        d->deviation = count / 2;
    return 0;
}

void distribution_release(struct distribution *d) {
    free(d->zone);
    d->zone = NULL;
}

int64_t distribution_exponential(struct rng *rng, double mean) {
    return (int64_t)(-exact_log(unit_above_0(rng)) * mean);
}
