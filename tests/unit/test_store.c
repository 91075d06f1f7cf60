/*
 * What every kind of store must do: one suite over the table of rows.
 */
#include "store_fixture.h"

#include "base/rng.h"
#include "store/store_int.h"

static struct sim *virtual_sim(void) {
    struct sim *sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, NULL);
    assert_non_null(sim);
    return sim;
}

/* Run `check` on a new store of each kind. */
static void each_kind(void **state, void (*check)(struct store *)) {
    struct fixture *f = *state;
    struct sim *sim = virtual_sim();
    for (unsigned k = 0; store_kinds[k]; k++) {
        bool created = false;
        f->config.kind = store_kinds[k]->name;
        f->config.huge_pages = k & 1;
        struct store *store = fixture_open(&f->config, sim, &created);
        assert_true(created);
        assert_string_equal(store_kind(store), store_kinds[k]->name);
        assert_true(store_was_clean(store));
        check(store);
        store_close(store);
    }
    sim_free(sim);
}

static void check_ranges(struct store *s) {
    uint64_t bytes = store_bytes(s);
    assert_int_equal(bytes, 3 << 20);
    bool payload = store_has_payload(s);
    assert_int_equal(!!store_map(s, 0, bytes), payload);
    assert_int_equal(!!store_map(s, bytes, 0), payload);
    assert_null(store_map(s, 1, bytes));
    assert_null(store_map(s, bytes + 1, 0));
    assert_null(store_map(s, UINT64_MAX, 2));
    assert_null(store_map(s, 2, SIZE_MAX));
    assert_int_equal(store_reserve(s, 0, bytes), 0);
    assert_int_equal(store_reserve(s, bytes, 0), 0);
    assert_int_equal(store_reserve(s, 1, bytes), -EINVAL);
    assert_int_equal(store_reserve(s, UINT64_MAX, 2), -EINVAL);
    assert_int_equal(store_discard(s, 1, bytes), -EINVAL);
    assert_int_equal(store_discard(s, UINT64_MAX, 2), -EINVAL);
    assert_int_equal(store_discard(s, bytes, 0), 0);
}

static void test_store_checks_ranges(void **state) {
    each_kind(state, check_ranges);
}

/* Extents cover the payload in order, and what they call a hole is zero. */
static uint64_t check_holes(struct store *s, uint64_t offset, uint64_t len) {
    uint64_t end = offset + len, holes = 0;
    while (offset < end) {
        bool hole;
        uint64_t alike = store_extent(s, offset, end - offset, &hole);
        assert_in_range(alike, 1, end - offset);
        const char *at = store_map(s, offset, alike);
        assert_false(hole && at && (*at || memcmp(at, at + 1, alike - 1) != 0));
        holes += hole ? alike : 0;
        offset += alike;
    }
    return holes;
}

/* Writes and discards of random ranges against a plain array. */
static void check_bytes(struct store *s) {
    uint64_t bytes = store_bytes(s);
    if (!store_has_payload(s))
        return;
    uint8_t *oracle = calloc(1, bytes), *payload = store_map(s, 0, bytes);
    struct rng rng;
    assert_non_null(oracle);
    rng_init(&rng, 7, 0);
    for (unsigned i = 0; i < 300; i++) {
        uint64_t at = rng_below(&rng, bytes), len = rng_below(&rng, 1ull << rng_below(&rng, 20)) + 1;
        if (len > bytes - at)
            len = bytes - at;
        if (rng_below(&rng, 3)) {
            assert_int_equal(store_reserve(s, at, len), 0);
            memset(store_map(s, at, len), (int)i + 1, len);
            memset(oracle + at, (int)i + 1, len);
        } else {
            assert_int_equal(store_discard(s, at, len), 0);
            memset(oracle + at, 0, len);
        }
        if (i % 16 == 0) {
            assert_memory_equal(payload, oracle, bytes);
            check_holes(s, 0, bytes);
        }
    }
    assert_memory_equal(payload, oracle, bytes);
    assert_int_equal(store_discard(s, 0, bytes), 0);
    memset(oracle, 0, bytes);
    assert_memory_equal(payload, oracle, bytes);
    free(oracle);
}

static void test_store_keeps_bytes(void **state) {
    each_kind(state, check_bytes);
}

static void put(struct store *s, uint64_t at, uint64_t len) {
    assert_int_equal(store_reserve(s, at, len), 0);
    if (store_has_payload(s))
        memset(store_map(s, at, len), 0x5a, len);
}

static void check_extents(struct store *s) {
    uint64_t bytes = store_bytes(s);
    bool payload = store_has_payload(s), hole;
    assert_int_equal(store_extent(s, 7, UINT64_MAX, &hole), bytes - 7); /* looking at them may give them space */
    assert_true(hole);
    assert_int_equal(store_extent(s, bytes, 1, &hole), 0);
    assert_int_equal(store_extent(s, 0, 0, &hole), 0);
    put(s, STORE_CHUNK_BYTES + 5, 1);
    put(s, bytes - 1, 1);
    assert_true(check_holes(s, 0, bytes) >= STORE_CHUNK_BYTES);
    assert_int_equal(store_extent(s, STORE_CHUNK_BYTES + 5, 1, &hole), 1);
    assert_int_equal(hole, !payload);
    store_extent(s, bytes - 1, 1, &hole);
    assert_int_equal(hole, !payload);
    assert_int_equal(store_discard(s, 0, bytes), 0);
    assert_int_equal(check_holes(s, 0, bytes), bytes);
}

static void test_store_knows_holes(void **state) {
    each_kind(state, check_extents);
}

static void check_state(struct store *s) {
    struct err e = {0};
    bool fresh = false;
    uint64_t *a = store_state(s, "wear", 1, 1000, &fresh, &e);
    assert_non_null(a);
    assert_true(fresh);
    uint64_t *b = store_state(s, "l2p", 3, 5 << 20, &fresh, &e);
    assert_non_null(b);
    assert_true(fresh);
    for (unsigned i = 0; i < (5 << 20) / 8; i += 512)
        assert_int_equal(b[i], 0);
    assert_int_equal((uintptr_t)a % 64, 0);
    memset(a, 0xaa, 1000);
    memset(b, 0xbb, 5 << 20);
    assert_int_equal(*(uint8_t *)a, 0xaa);
    fresh = true;
    assert_ptr_equal(store_state(s, "wear", 1, 1000, &fresh, &e), a);
    assert_false(fresh);
    assert_null(store_state(s, "wear", 2, 1000, &fresh, &e));
    assert_non_null(strstr(e.text, "wear"));
    assert_null(store_state(s, "wear", 1, 1001, &fresh, &e));
    assert_null(store_state(s, "", 1, 1000, &fresh, &e));
    assert_null(store_state(s, "none", 1, 0, &fresh, &e));
    assert_null(store_state(s, "a name of more than 31 characters", 1, 1, &fresh, &e));
    assert_int_equal(store_state_reserve(s, a, 1000), 0);
    assert_int_equal(store_state_reserve(s, (uint8_t *)b + 4096, 5), 0);
    assert_int_equal(store_state_reserve(s, (uint8_t *)a + 1, 1000), -EINVAL);
    assert_int_equal(store_state_reserve(s, &e, 1), -EINVAL);
}

static void test_store_keeps_state(void **state) {
    each_kind(state, check_state);
}

/* Beyond STORE_RESERVED_MAX an area is sparse until asked for. */
static void check_large_state(struct store *s) {
    struct err e = {0};
    bool fresh;
    uint64_t bytes = 1ull << 36;
    uint8_t *area = store_state(s, "large", 1, bytes, &fresh, &e);
    assert_non_null(area);
    for (uint64_t at = 12345; at < bytes; at += bytes / 7) {
        assert_int_equal(store_state_reserve(s, area + at, 8), 0);
        memset(area + at, 1, 8);
    }
    assert_int_equal(store_state_reserve(s, area + bytes - 1, 1), 0);
    assert_int_equal(store_state_reserve(s, area + bytes - 1, 2), -EINVAL);
}

static void test_store_keeps_large_state_sparse(void **state) {
    each_kind(state, check_large_state);
}

static void count_flush(struct store_flush *flush, int error) {
    assert_int_equal(error, 0);
    *(unsigned *)(flush + 1) += 1;
}

static void check_flush(struct store *s) {
    struct {
        struct store_flush flush;
        unsigned count;
    } f = {.flush.done = count_flush};
    store_flush(s, &f.flush);
    assert_int_equal(f.count, 1); /* in virtual time at once, with every kind */
}

static void test_store_flushes_at_once_in_virtual_time(void **state) {
    each_kind(state, check_flush);
}

static void test_store_zeros_are_zero(void **state) {
    const uint8_t *z = store_zeros();
    for (unsigned i = 0; i < STORE_ZEROS_BYTES; i++)
        assert_int_equal(z[i], 0);
}

static void test_store_refuses_bad_configuration(void **state) {
    struct fixture *f = *state;
    struct store_config c = f->config;
    c.kind = "tape";
    REFUSED(&c, "tape", "memory", "file", "none");
    c.kind = NULL;
    REFUSED(&c, "memory", "file", "none");
    c = f->config;
    c.path = NULL;
    REFUSED(&c, "path");
    for (unsigned k = 0; store_kinds[k]; k++) {
        c = f->config;
        c.kind = store_kinds[k]->name;
        c.bytes = 0;
        REFUSED(&c, "0 bytes");
        c.bytes = UINT64_MAX;
        REFUSED(&c, "18446744073709551615 bytes");
    }
}

static void test_store_large_and_empty_costs_nothing(void **state) {
    static const char *const kinds[] = {"none", "memory", "file"};
    struct fixture *f = *state;
    for (unsigned i = 0; i < 3; i++) {
        bool created;
        f->config.kind = kinds[i];
        f->config.bytes = 1ull << 40;
        struct store *store = fixture_open(&f->config, NULL, &created);
        assert_int_equal(store_bytes(store), 1ull << 40);
        if (store_has_payload(store))
            assert_int_equal(*(uint8_t *)store_map(store, (1ull << 40) - 1, 1), 0);
        store_close(store);
    }
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_true(st.st_size > 1ll << 40);
    assert_true(st.st_blocks * 512ll < 1 << 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_store_checks_ranges, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(test_store_keeps_bytes, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(test_store_knows_holes, fixture_make_quick, fixture_remove),
        cmocka_unit_test_setup_teardown(test_store_keeps_state, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(test_store_keeps_large_state_sparse, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(test_store_flushes_at_once_in_virtual_time, fixture_make, fixture_remove),
        cmocka_unit_test(test_store_zeros_are_zero),
        cmocka_unit_test_setup_teardown(test_store_refuses_bad_configuration, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(test_store_large_and_empty_costs_nothing, fixture_make, fixture_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
