/* The ledger: contents that prove themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/ledger.h"
#include "host/workload.h"

#define UNITS 16

struct bench {
    struct ledger *ledger;
    uint8_t data[UNITS * LEDGER_UNIT]; /* the "drive" */
    uint64_t first, compared;
};

static int bench_up(void **state) {
    struct bench *b = calloc(1, sizeof(*b));
    b->ledger = ledger_new(UNITS * LEDGER_UNIT, 5);
    *state = b;
    return b->ledger ? 0 : -1;
}

static int bench_down(void **state) {
    struct bench *b = *state;
    ledger_free(b->ledger);
    free(b);
    return 0;
}

static void write_units(struct bench *b, uint64_t unit, uint32_t units) {
    assert_true(ledger_claim(b->ledger, unit, units));
    ledger_stamp(b->ledger, unit, units, b->data + unit * LEDGER_UNIT);
    ledger_unclaim(b->ledger, unit, units);
}

static uint32_t wrong(struct bench *b, uint64_t unit, uint32_t units) {
    b->compared = 0;
    return ledger_verify(b->ledger, unit, units, b->data + unit * LEDGER_UNIT, &b->first, &b->compared);
}

static void test_ledger_accepts_what_was_written(void **state) {
    struct bench *b = *state;
    write_units(b, 0, UNITS);
    assert_int_equal(wrong(b, 0, UNITS), 0);
    assert_int_equal(b->compared, UNITS);
    assert_int_equal(wrong(b, 3, 4), 0); /* sizes of reads and writes need not agree */
}

static void test_ledger_knows_nothing_of_what_was_never_written(void **state) {
    struct bench *b = *state;
    memset(b->data, 0xa5, sizeof(b->data));
    assert_int_equal(wrong(b, 0, UNITS), 0);
    assert_int_equal(b->compared, 0);
    write_units(b, 4, 1);
    assert_int_equal(wrong(b, 0, UNITS), 0);
    assert_int_equal(b->compared, 1);
}

/* Any single wrong bit, in any word. */
static void test_ledger_sees_every_bit(void **state) {
    struct bench *b = *state;
    write_units(b, 0, 1);
    for (unsigned bit = 0; bit < LEDGER_UNIT * 8; bit++) {
        b->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(wrong(b, 0, 1), 1);
        b->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(wrong(b, 0, 1), 0);
}

static void test_ledger_sees_stale_data(void **state) {
    struct bench *b = *state;
    uint8_t old[LEDGER_UNIT];
    write_units(b, 2, 1);
    memcpy(old, b->data + 2 * LEDGER_UNIT, sizeof(old));
    write_units(b, 2, 1);
    assert_memory_not_equal(old, b->data + 2 * LEDGER_UNIT, sizeof(old));
    memcpy(b->data + 2 * LEDGER_UNIT, old, sizeof(old));
    assert_int_equal(wrong(b, 0, UNITS), 1);
    assert_int_equal(b->first, 2);
}

static void test_ledger_sees_swapped_and_misplaced_units(void **state) {
    struct bench *b = *state;
    uint8_t kept[LEDGER_UNIT];
    write_units(b, 0, UNITS);
    memcpy(kept, b->data, sizeof(kept));
    memcpy(b->data, b->data + 5 * LEDGER_UNIT, LEDGER_UNIT);
    assert_int_equal(wrong(b, 0, UNITS), 1);
    assert_int_equal(b->first, 0);
    memcpy(b->data + 5 * LEDGER_UNIT, kept, LEDGER_UNIT);
    assert_int_equal(wrong(b, 0, UNITS), 2);
}

static void test_ledger_sees_torn_units(void **state) {
    struct bench *b = *state;
    uint8_t old[LEDGER_UNIT];
    write_units(b, 1, 1);
    memcpy(old, b->data + LEDGER_UNIT, sizeof(old));
    write_units(b, 1, 1);
    memcpy(b->data + LEDGER_UNIT + 2048, old + 2048, 2048); /* half new, half old */
    assert_int_equal(wrong(b, 1, 1), 1);
}

static void test_ledger_sees_zeros(void **state) {
    struct bench *b = *state;
    write_units(b, 0, UNITS);
    memset(b->data + 7 * LEDGER_UNIT, 0, 2 * LEDGER_UNIT);
    assert_int_equal(wrong(b, 0, UNITS), 2);
    assert_int_equal(b->first, 7);
}

static void test_ledger_claims_do_not_overlap(void **state) {
    struct bench *b = *state;
    assert_true(ledger_claim(b->ledger, 4, 4));
    for (uint64_t unit = 1; unit <= 7; unit++)
        assert_false(ledger_claim(b->ledger, unit, 4));
    assert_true(ledger_claim(b->ledger, 0, 4));
    assert_true(ledger_claim(b->ledger, 8, 4));
    ledger_unclaim(b->ledger, 4, 4);
    assert_true(ledger_claim(b->ledger, 5, 2));
    assert_false(ledger_claim(b->ledger, UNITS - 1, 2)); /* beyond the end */
}

/* A claim that was refused half-way leaves nothing claimed. */
static void test_ledger_refused_claim_takes_nothing(void **state) {
    struct bench *b = *state;
    assert_true(ledger_claim(b->ledger, 3, 1));
    assert_false(ledger_claim(b->ledger, 0, 4));
    assert_true(ledger_claim(b->ledger, 0, 3));
}

static void test_ledger_forgets_failed_writes(void **state) {
    struct bench *b = *state;
    write_units(b, 0, UNITS);
    assert_true(ledger_claim(b->ledger, 6, 2));
    ledger_forget(b->ledger, 6, 2);
    assert_false(ledger_claim(b->ledger, 6, 2)); /* the command still has it */
    ledger_unclaim(b->ledger, 6, 2);
    memset(b->data + 6 * LEDGER_UNIT, 0, 2 * LEDGER_UNIT);
    assert_int_equal(wrong(b, 0, UNITS), 0);
    assert_int_equal(b->compared, UNITS - 2);
    write_units(b, 6, 2);
    assert_int_equal(wrong(b, 0, UNITS), 0);
    assert_int_equal(b->compared, UNITS);
}

static void test_ledger_seeds_differ(void **state) {
    struct bench *b = *state;
    struct ledger *other = ledger_new(UNITS * LEDGER_UNIT, 6);
    uint8_t mine[LEDGER_UNIT];
    write_units(b, 0, 1);
    ledger_stamp(other, 0, 1, mine);
    assert_memory_not_equal(mine, b->data, sizeof(mine));
    ledger_free(other);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_up, bench_down)
    const struct CMUnitTest tests[] = {
        TEST(test_ledger_accepts_what_was_written),
        TEST(test_ledger_knows_nothing_of_what_was_never_written),
        TEST(test_ledger_sees_every_bit),
        TEST(test_ledger_sees_stale_data),
        TEST(test_ledger_sees_swapped_and_misplaced_units),
        TEST(test_ledger_sees_torn_units),
        TEST(test_ledger_sees_zeros),
        TEST(test_ledger_claims_do_not_overlap),
        TEST(test_ledger_refused_claim_takes_nothing),
        TEST(test_ledger_forgets_failed_writes),
        TEST(test_ledger_seeds_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
