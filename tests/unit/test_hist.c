/* base/hist against sorted arrays: any quantile within 1 % of the true value. */
#include "base/hist.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

#define VALUES 5000

static const double quantiles[] = {0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1};

static int by_value(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The shapes latencies come in; each must hold for every size of number. */
static int64_t draw(struct rng *r, int shape) {
    switch (shape) {
    case 0:
        return (int64_t)rng_below(r, 300);
    case 1:
        return (int64_t)(rng_next(r) >> (1 + rng_below(r, 62)));
    case 2:
        return rng_below(r, 100) ? 75000 : 3000000;
    case 3:
        return (int64_t)(-log(1 - rng_unit(r)) * 1e6);
    default:
        return INT64_MAX - (int64_t)rng_below(r, 1000);
    }
}

static void check_quantiles(const struct hist *h, int64_t *values, size_t n) {
    qsort(values, n, sizeof *values, by_value);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        double rank = ceil(quantiles[i] * (double)n);
        int64_t truth = values[rank < 1 ? 0 : (size_t)rank - 1];
        double got = (double)hist_quantile(h, quantiles[i]);
        assert_true(fabs(got - (double)truth) <= 0.01 * (double)truth);
    }
}

static void test_hist_quantiles_within_one_percent(void **state) {
    static struct hist h;
    static int64_t values[VALUES];
    for (int shape = 0; shape < 5; shape++) {
        for (uint64_t seed = 0; seed < 8; seed++) {
            struct rng r;
            size_t n = seed ? VALUES : 3;
            rng_init(&r, seed, (uint64_t)shape);
            hist_init(&h);
            for (size_t i = 0; i < n; i++)
                hist_record(&h, values[i] = draw(&r, shape));
            check_quantiles(&h, values, n);
            assert_true(h.min == (uint64_t)values[0] && h.max == (uint64_t)values[n - 1]);
        }
    }
}

static void test_hist_small_values_are_exact(void **state) {
    static struct hist h;
    for (int64_t v = 0; v < 256; v++) {
        hist_init(&h);
        hist_record(&h, 0);
        hist_record(&h, v);
        hist_record(&h, 1000);
        assert_true(hist_quantile(&h, 0.5) == (uint64_t)v);
    }
}

/* Recording a bucket's lowest value and the one before it lands on the two sides of its border. */
static void test_hist_buckets_join_without_gaps(void **state) {
    static struct hist h;
    hist_init(&h);
    hist_record(&h, 0);
    for (unsigned i = 1; i < HIST_BUCKETS; i++) {
        uint64_t low = hist_bucket_low(i), width = low - hist_bucket_low(i - 1);
        assert_true(width >= 1 && (width == 1 || width * 128 <= low));
        hist_record(&h, (int64_t)low);
        assert_true(h.bucket[i] == 1);
        hist_record(&h, (int64_t)(low - 1));
        assert_true(h.bucket[i - 1] == 2);
    }
    assert_true(hist_bucket_low(HIST_BUCKETS) == 1ull << 63);
}

static void test_hist_merge_equals_recording_both(void **state) {
    static struct hist a, b, both;
    struct rng r;
    rng_init(&r, 3, 0);
    hist_init(&a);
    hist_init(&b);
    hist_init(&both);
    for (int i = 0; i < 2000; i++) {
        int64_t v = (int64_t)rng_below(&r, 1u << 20);
        hist_record(i % 3 ? &a : &b, v);
        hist_record(&both, v);
    }
    hist_merge(&a, &b);
    assert_memory_equal(&a, &both, sizeof a); /* sums too: integers below 2^53 add exactly */
    hist_init(&b);
    hist_merge(&a, &b);
    assert_memory_equal(&a, &both, sizeof a);
}

static void test_hist_moments(void **state) {
    static struct hist h;
    static const int64_t values[] = {2, 4, 4, 4, 5, 5, 7, 9};
    hist_init(&h);
    assert_true(hist_mean(&h) == 0 && hist_stddev(&h) == 0 && hist_quantile(&h, 0.5) == 0);
    for (size_t i = 0; i < 8; i++)
        hist_record(&h, values[i]);
    assert_true(hist_mean(&h) == 5 && hist_stddev(&h) == 2);
}

static void test_hist_negative_counts_as_zero(void **state) {
    static struct hist h;
    hist_init(&h);
    hist_record(&h, -5);
    assert_true(h.count == 1 && h.min == 0 && h.max == 0 && hist_quantile(&h, 1) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hist_quantiles_within_one_percent),
        cmocka_unit_test(test_hist_small_values_are_exact),
        cmocka_unit_test(test_hist_buckets_join_without_gaps),
        cmocka_unit_test(test_hist_merge_equals_recording_both),
        cmocka_unit_test(test_hist_moments),
        cmocka_unit_test(test_hist_negative_counts_as_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
