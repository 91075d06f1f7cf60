/*
 * Images with bytes changed at random, in every state area of every kind of
 * drive: an error or a drive that works. The changes are those of the fuzz
 * target, which searches further.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../fuzz/fuzz.h"
#include "base/rng.h"

enum { KINDS = 5, ROUNDS = 12, CHANGE = 9, CHANGES = 4 };

static void test_image_damage_is_refused_or_survived(void **state) {
    struct rng rng;
    rng_init(&rng, 20, 26);
    for (unsigned kind = 0; kind < KINDS; kind++)
        for (unsigned round = 0; round < ROUNDS; round++) {
            uint8_t input[1 + CHANGES * CHANGE];
            for (unsigned i = 0; i < sizeof input; i++)
                input[i] = (uint8_t)rng_below(&rng, 256);
            input[0] = (uint8_t)(kind + KINDS * rng_below(&rng, 10));
            if (round % 2)
                input[0] |= 0x80;
            assert_int_equal(LLVMFuzzerTestOneInput(input, 1 + CHANGE * (1 + rng_below(&rng, CHANGES))), 0);
        }
}

static void test_image_damage_none_is_none(void **state) {
    for (uint8_t kind = 0; kind < KINDS; kind++)
        assert_int_equal(LLVMFuzzerTestOneInput(&kind, 1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_image_damage_none_is_none),
        cmocka_unit_test(test_image_damage_is_refused_or_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
