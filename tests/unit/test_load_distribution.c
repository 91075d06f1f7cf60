/*
 * The shapes of random numbers, against their closed forms, with fixed seeds;
 * and the arithmetic they stand on against libm.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/exactmath.h"
#include "load/distribution.h"
#include "load/lfsr.h"

#define DRAWS 200000

static void test_exactmath_agrees_with_libm(void **state) {
    struct rng rng;
    rng_init(&rng, 1, 1);
    for (int i = 0; i < 20000; i++) {
        double x = ldexp(rng_unit(&rng) + 0.5, (int)rng_below(&rng, 1200) - 600), y = (rng_unit(&rng) - 0.5) * 1300;
        double l = exact_log(x), want = log(x);
        if (fabs(l - want) > 4e-16 * fabs(want) + 3e-17)
            fail_msg("log %a: %a instead of %a", x, l, want);
        if (fabs(exact_exp(y) / exp(y) - 1) > 4e-16)
            fail_msg("exp %a: %a instead of %a", y, exact_exp(y), exp(y));
    }
    assert_true(exact_log(1) == 0 && exact_exp(0) == 1 && exact_pow(0, 2) == 0 && exact_pow(0, 0) == 1);
    assert_true(fabs(exact_pow(10, -3) / 1e-3 - 1) < 1e-14);
}

/* The very bits, as every machine must have them. */
static void test_exactmath_bits(void **state) {
    assert_true(exact_log(3) == 0x1.193ea7aad030bp+0);
    assert_true(exact_exp(1) == 0x1.5bf0a8b14576ap+1);
    assert_true(exact_pow(7, 0.3) == 0x1.caf448719fef8p+0);
}

static void test_lfsr_visits_each_once(void **state) {
    static const uint64_t counts[] = {1, 2, 3, 4, 7, 8, 255, 256, 1000, 65535, 65536, 100001};
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        bool *seen = calloc(counts[i], sizeof(*seen));
        struct lfsr l;
        struct rng rng;
        uint64_t v, n = 0;
        rng_init(&rng, 4, i);
        for (lfsr_init(&l, counts[i], &rng); lfsr_next(&l, &v); n++) {
            assert_true(v < counts[i] && !seen[v]);
            seen[v] = true;
        }
        assert_int_equal(n, counts[i]);
        free(seen);
    }
}

/* How often each block came, most often first. */
static int falling(const void *a, const void *b) {
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static unsigned *counts_of(int kind, double theta, double center, uint64_t blocks, struct distribution *d) {
    struct job job;
    struct rng rng;
    unsigned *count = calloc(blocks, sizeof(*count));
    memset(&job, 0, sizeof(job));
    job.random_distribution = kind;
    job.theta = theta;
    job.center = center;
    rng_init(&rng, 11, 12);
    assert_int_equal(distribution_init(d, &job, RUN_READ, blocks, 4096, &rng), 0);
    for (int i = 0; i < DRAWS; i++) {
        uint64_t v = distribution_next(d, &rng);
        assert_true(v < blocks);
        count[v]++;
    }
    return count;
}

/* Against 1 / rank^theta: the first ranks, and the share of the first percent. fio at 1.2: 19680, 8699 of 100000. */
static void check_zipf(double theta) {
    const uint64_t blocks = 102400;
    struct distribution d;
    unsigned *count = counts_of(JOB_ZIPF, theta, -1, blocks, &d);
    double zeta = 0, first_percent = 0, have = 0;
    for (uint64_t k = 1; k <= blocks; k++) {
        zeta += pow((double)k, -theta);
        if (k == blocks / 100)
            first_percent = zeta;
    }
    for (uint64_t rank = 0; rank < 3; rank++) {
        double want = DRAWS * pow((double)rank + 1, -theta) / zeta;
        unsigned at = count[permutation_at(&d.scatter, rank)];
        if (fabs(at - want) > 5 * sqrt(want))
            fail_msg("theta %g, rank %d: %u times instead of %.0f", theta, (int)rank, at, want);
    }
    for (uint64_t rank = 0; rank < blocks / 100; rank++)
        have += count[permutation_at(&d.scatter, rank)];
    double share = have / DRAWS, due = first_percent / zeta;
    if (fabs(share - due) > 0.01)
        fail_msg("theta %g: %.4f of the requests to a percent of the blocks instead of %.4f", theta, share, due);
    free(count);
    distribution_release(&d);
}

static void test_distribution_zipf(void **state) {
    check_zipf(1.2);
    check_zipf(1.0);
    check_zipf(0.8);
    check_zipf(0.3);
    check_zipf(2.5);
}

/* Block 0 as often as x^power of a uniform x is below 1/n: fio at 0.2: 20248 of 100000, where this gives 20 %. */
static void test_distribution_pareto(void **state) {
    struct distribution d;
    const uint64_t blocks = 102400;
    unsigned *count = counts_of(JOB_PARETO, 0.2, -1, blocks, &d);
    double want = DRAWS * pow(1.0 / (blocks - 1), log(0.8) / log(0.2)), below = 0;
    assert_true(fabs(count[permutation_at(&d.scatter, 0)] - want) < 5 * sqrt(want));
    /* 80 % of the requests go to 20 % of the blocks */
    for (uint64_t rank = 0; rank < blocks / 5; rank++)
        below += count[permutation_at(&d.scatter, rank)];
    assert_true(fabs(below / DRAWS - 0.8) < 0.005);
    free(count);
    distribution_release(&d);
}

static void moments(const unsigned *count, uint64_t blocks, double *mean, double *deviation) {
    double sum = 0, squares = 0;
    for (uint64_t i = 0; i < blocks; i++) {
        sum += (double)count[i] * (double)i;
        squares += (double)count[i] * (double)i * (double)i;
    }
    *mean = sum / DRAWS;
    *deviation = sqrt(squares / DRAWS - *mean * *mean);
}

/* fio's shape: standard deviation sqrt((n / 12)^2 + (deviation n)^2 / 12). With a center it is not scattered. */
static void test_distribution_normal(void **state) {
    const uint64_t blocks = 100000;
    struct distribution d;
    double mean, deviation;
    unsigned *count = counts_of(JOB_NORMAL, 10, 0.5, blocks, &d);
    moments(count, blocks, &mean, &deviation);
    assert_true(fabs(mean / blocks - 0.5) < 0.002);
    assert_true(fabs(deviation / blocks - sqrt(1.0 / 144 + 0.01 / 12)) < 0.002);
    free(count);
    distribution_release(&d);
    count = counts_of(JOB_NORMAL, 10, -1, blocks, &d);
    moments(count, blocks, &mean, &deviation);
    assert_true(fabs(mean / blocks - 0.5) < 0.01 && fabs(deviation / blocks - sqrt(1.0 / 12)) < 0.01); /* scattered */
    free(count);
    distribution_release(&d);
}

/* With a center, the hottest block is there (fio: block 25600 of 102400 at 0.25). */
static void test_distribution_center(void **state) {
    static const int kinds[] = {JOB_ZIPF, JOB_PARETO};
    for (unsigned i = 0; i < 2; i++) {
        struct distribution d;
        unsigned *count = counts_of(kinds[i], i ? 0.2 : 1.2, 0.25, 102400, &d), hottest = 0;
        for (unsigned b = 0; b < 102400; b++)
            hottest = count[b] > count[hottest] ? b : hottest;
        assert_int_equal(hottest, 25600);
        qsort(count, 102400, sizeof(*count), falling);
        assert_true(count[0] > 2 * count[1] - count[1] / 2);
        free(count);
        distribution_release(&d);
    }
}

/* zoned:60/10:30/20:8/30:2/40 */
static void test_distribution_zoned(void **state) {
    static const unsigned percent[] = {60, 30, 8, 2};
    struct job_share share[] = {{60, 0, 10}, {30, 0, 20}, {8, 0, 30}, {2, 0, 40}};
    struct job job;
    struct distribution d;
    struct rng rng;
    unsigned in[4] = {0};
    memset(&job, 0, sizeof(job));
    job.random_distribution = JOB_ZONED;
    job.zoned[RUN_WRITE] = (struct job_shares){share, 4};
    rng_init(&rng, 1, 2);
    assert_int_equal(distribution_init(&d, &job, RUN_WRITE, 1000, 4096, &rng), 0);
    for (int i = 0; i < DRAWS; i++) {
        uint64_t v = distribution_next(&d, &rng);
        in[v < 100 ? 0 : v < 300 ? 1 : v < 600 ? 2 : 3]++;
        assert_true(v < 1000);
    }
    for (int z = 0; z < 4; z++)
        assert_true(abs((int)in[z] - (int)(DRAWS / 100 * percent[z])) < 1000);
    distribution_release(&d);
}

static void test_distribution_exponential(void **state) {
    struct rng rng;
    double sum = 0, squares = 0;
    unsigned longer = 0;
    rng_init(&rng, 5, 6);
    for (int i = 0; i < DRAWS; i++) {
        double v = (double)distribution_exponential(&rng, 1e6);
        sum += v;
        squares += v * v;
        longer += v > 1e6;
    }
    double mean = sum / DRAWS;
    assert_true(fabs(mean / 1e6 - 1) < 0.01);
    assert_true(fabs(squares / DRAWS / (mean * mean) - 2) < 0.05);
    assert_true(fabs((double)longer / DRAWS - exp(-1)) < 0.005);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exactmath_agrees_with_libm), cmocka_unit_test(test_exactmath_bits),
        cmocka_unit_test(test_lfsr_visits_each_once),      cmocka_unit_test(test_distribution_zipf),
        cmocka_unit_test(test_distribution_pareto),        cmocka_unit_test(test_distribution_normal),
        cmocka_unit_test(test_distribution_center),        cmocka_unit_test(test_distribution_zoned),
        cmocka_unit_test(test_distribution_exponential),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
