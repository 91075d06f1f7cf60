/* base/rng: the published generator, reproducible, unbiased enough to draw from. */
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* First outputs of xoshiro256** from the state {1, 2, 3, 4}, worked out from its definition. */
static void test_rng_next_is_xoshiro256ss(void **state) {
    static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240};
    struct rng r = {{1, 2, 3, 4}};
    for (unsigned i = 0; i < 4; i++)
        assert_true(rng_next(&r) == expected[i]);
}

static void test_rng_same_seed_same_sequence(void **state) {
    struct rng a, b;
    rng_init(&a, 42, 7);
    rng_init(&b, 42, 7);
    for (int i = 0; i < 1000; i++)
        assert_true(rng_next(&a) == rng_next(&b));
}

static void test_rng_streams_and_seeds_differ(void **state) {
    uint64_t seen[16 * 16];
    unsigned n = 0;
    for (uint64_t seed = 0; seed < 16; seed++) {
        for (uint64_t stream = 0; stream < 16; stream++) {
            struct rng r;
            rng_init(&r, seed, stream);
            uint64_t v = rng_next(&r);
            for (unsigned i = 0; i < n; i++)
                assert_true(seen[i] != v);
            seen[n++] = v;
        }
    }
}

static void test_rng_below_stays_below_and_is_even(void **state) {
    struct rng r;
    unsigned hits[10] = {0};
    rng_init(&r, 1, 0);
    for (int i = 0; i < 100000; i++) {
        uint64_t v = rng_below(&r, 10);
        assert_true(v < 10);
        hits[v]++;
    }
    for (int i = 0; i < 10; i++) /* expectation 10000, standard deviation 95 */
        assert_in_range(hits[i], 9500, 10500);
    assert_true(rng_below(&r, 1) == 0);
}

static void test_rng_unit_is_in_range(void **state) {
    struct rng r;
    double sum = 0;
    rng_init(&r, 2, 0);
    for (int i = 0; i < 100000; i++) {
        double u = rng_unit(&r);
        assert_true(u >= 0 && u < 1);
        sum += u;
    }
    assert_true(sum > 49500 && sum < 50500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rng_next_is_xoshiro256ss),     cmocka_unit_test(test_rng_same_seed_same_sequence),
        cmocka_unit_test(test_rng_streams_and_seeds_differ), cmocka_unit_test(test_rng_below_stays_below_and_is_even),
        cmocka_unit_test(test_rng_unit_is_in_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
