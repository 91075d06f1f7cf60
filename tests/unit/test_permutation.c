/* Every number once, in an order that depends on the key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/permutation.h"

static void check_complete(uint64_t count, uint64_t seed) {
    unsigned char *seen = calloc(1, count);
    struct permutation p;
    struct rng rng;
    uint64_t value, given = 0;
    rng_init(&rng, seed, 0);
    permutation_init(&p, count, &rng);
    while (permutation_next(&p, &value)) {
        assert_true(value < count);
        assert_int_equal(seen[value], 0);
        seen[value] = 1;
        given++;
    }
    assert_int_equal(given, count);
    free(seen);
}

static void test_permutation_gives_every_block_once(void **state) {
    static const uint64_t counts[] = {1, 2, 3, 5, 64, 100, 1000, 4095, 4096, 4097, 100003};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        for (uint64_t seed = 0; seed < 5; seed++)
            check_complete(counts[i], seed);
}

static void test_permutation_same_seed_same_order(void **state) {
    struct permutation a, b;
    struct rng ra, rb;
    uint64_t va, vb;
    rng_init(&ra, 42, 1);
    rng_init(&rb, 42, 1);
    permutation_init(&a, 5000, &ra);
    permutation_init(&b, 5000, &rb);
    while (permutation_next(&a, &va)) {
        assert_true(permutation_next(&b, &vb));
        assert_int_equal(va, vb);
    }
}

/* Consecutive values must not cluster: compare each half's share among successors of low values. */
static void test_permutation_is_not_sequential(void **state) {
    const uint64_t count = 1 << 16;
    struct permutation p;
    struct rng rng;
    uint64_t value, previous = 0, near = 0, same_half = 0, n = 0;
    rng_init(&rng, 7, 0);
    permutation_init(&p, count, &rng);
    while (permutation_next(&p, &value)) {
        uint64_t distance = value > previous ? value - previous : previous - value;
        near += n && distance < count / 64;
        same_half += n && (value < count / 2) == (previous < count / 2);
        previous = value;
        n++;
    }
    assert_true(near < n / 16);
    assert_true(same_half > n * 4 / 10 && same_half < n * 6 / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_permutation_gives_every_block_once),
        cmocka_unit_test(test_permutation_same_seed_same_order),
        cmocka_unit_test(test_permutation_is_not_sequential),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
