/* Packed pages of a map against a flat table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "drive/ssd/ftl/leaves.h"

enum { PAGES = 40, ENTRIES = 1024 };

static uint32_t want[PAGES][ENTRIES];
static bool flat[PAGES];

static void verify(const struct leaves *l) {
    assert_true(leaves_check(l));
    for (uint32_t p = 0; p < PAGES; p++)
        for (uint32_t i = 0; i < ENTRIES; i++) {
            const uint32_t *e = leaves_find(l, p, i);
            assert_int_equal(e ? *e : 0, flat[p] ? 0 : want[p][i]);
        }
}

static void make_flat(struct leaves *l, uint32_t page) {
    uint32_t table[ENTRIES] = {0};
    leaves_spread(l, page, table);
    assert_memory_equal(table, want[page], sizeof table);
    flat[page] = true;
}

static void test_ssd_leaves_hold_what_a_flat_map_would(void **state) {
    struct leaves *l = leaves_new(PAGES);
    struct rng rng;
    unsigned spread = 0;
    assert_non_null(l);
    memset(want, 0, sizeof want);
    memset(flat, 0, sizeof flat);
    rng_init(&rng, 3, 3);
    for (unsigned n = 0; n < 60000; n++) {
        /* Pages in the front get most, and are emptied again from time to time. */
        uint32_t page = (uint32_t)rng_below(&rng, 1 + rng_below(&rng, PAGES)), at = (uint32_t)rng_below(&rng, ENTRIES);
        uint32_t value = (uint32_t)rng_next(&rng) | 1, *e = leaves_find(l, page, at);
        leaves_prefetch(l, page);
        if (flat[page])
            continue;
        if (e && n / 4000 % 3 == 2) {
            leaves_remove(l, page, at);
            value = 0;
        } else if (e) {
            *e = value;
        } else if (n / 4000 % 3 == 2) {
            continue;
        } else if (!leaves_add(l, page, at, value)) {
            make_flat(l, page);
            spread++;
        }
        want[page][at] = value;
        if (n % 4000 == 0)
            verify(l);
    }
    verify(l);
    assert_in_range(spread, 1, PAGES - 1);
    leaves_free(l);
}

/* Pages written in order become flat early, whatever their start. */
static void test_ssd_leaves_notice_writing_in_order(void **state) {
    struct leaves *l = leaves_new(PAGES);
    assert_non_null(l);
    for (uint32_t p = 0; p < PAGES; p++) {
        uint32_t n = 0, start = p * 20;
        while (leaves_add(l, p, start + n, n + 1))
            n++;
        assert_int_equal(n, 32);
        uint32_t table[ENTRIES] = {0};
        leaves_spread(l, p, table);
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(table[start + i], i + 1);
    }
    assert_true(leaves_check(l));
    leaves_free(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssd_leaves_hold_what_a_flat_map_would),
        cmocka_unit_test(test_ssd_leaves_notice_writing_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
