/*
 * The image format on bytes alone: every single byte of a header damaged.
 */
#include "store_fixture.h"

#include "base/rng.h"
#include "store/image.h"

#define PAYLOAD (3u << 20)

static struct image_header *header_make(uint64_t *file_bytes) {
    struct image_header *h = calloc(1, sizeof(*h));
    uint64_t at;
    assert_non_null(h);
    assert_int_equal(image_format(h, PAYLOAD, FIXTURE_IDENTITY, NULL), 0);
    h->stop = le32_from(IMAGE_CLEAN);
    int i = image_area_free(h, &at);
    image_area_commit(h, i, "wear", 1, at, 1000);
    i = image_area_free(h, &at);
    image_area_commit(h, i, "l2p", 2, at, 5000);
    *file_bytes = at + 5000;
    return h;
}

/* Whether a byte of the header means anything. */
static bool counts(size_t at) {
    if (at < offsetof(struct image_header, gap))
        return true;
    if (at < offsetof(struct image_header, area))
        return false;
    if (at >= offsetof(struct image_header, identity))
        return at < offsetof(struct image_header, identity) + strlen(FIXTURE_IDENTITY);
    size_t in_area = (at - offsetof(struct image_header, area)) % sizeof(struct image_area);
    return at < offsetof(struct image_header, area[2]) || in_area < 4;
}

static void test_image_is_accepted_as_made(void **state) {
    uint64_t bytes;
    struct image_header *h = header_make(&bytes);
    struct err e = {0};
    assert_int_equal(image_check(h, sizeof(*h), bytes, &e), 0);
    assert_int_equal(image_match(h, PAYLOAD, FIXTURE_IDENTITY, &e), 0);
    assert_int_equal(image_area_find(h, "wear"), 0);
    assert_int_equal(image_area_find(h, "l2p"), 1);
    assert_int_equal(image_area_find(h, "l2"), -1);
    free(h);
}

static void test_image_damaged_byte_is_noticed(void **state) {
    uint64_t bytes;
    struct image_header *h = header_make(&bytes);
    uint8_t *raw = (uint8_t *)h;
    static const uint8_t flips[] = {0x01, 0x80, 0xff};
    for (size_t at = 0; at < sizeof(*h); at += counts(at) ? 1 : 37) {
        struct err e = {0};
        raw[at] ^= flips[at % 3];
        int rc = image_check(h, sizeof(*h), bytes, &e);
        if (rc != (counts(at) ? -EINVAL : 0))
            print_message("byte %zu: %d %s\n", at, rc, e.text);
        assert_int_equal(rc, counts(at) ? -EINVAL : 0);
        assert_int_equal(!!e.text[0], rc != 0);
        raw[at] ^= flips[at % 3];
    }
    assert_int_equal(image_check(h, sizeof(*h), bytes, NULL), 0);
    free(h);
}

static void test_image_cut_anywhere_is_noticed(void **state) {
    uint64_t bytes;
    struct image_header *h = header_make(&bytes);
    for (uint64_t size = 0; size < bytes; size += size < 64 || size > bytes - 64 ? 1 : 4001) {
        struct err e = {0};
        uint64_t header_bytes = size < sizeof(*h) ? size : sizeof(*h);
        assert_int_equal(image_check(h, header_bytes, size, &e), -EINVAL);
        assert_non_null(strstr(e.text, size < 8 ? "not a drivelab image" : "truncated"));
    }
    free(h);
}

/* Random bytes after a right magic, with right checksums: nothing may be read outside the header. */
static void test_image_survives_random_headers(void **state) {
    struct image_header *h = calloc(1, sizeof(*h));
    struct rng rng;
    assert_non_null(h);
    rng_init(&rng, 3, 0);
    for (unsigned n = 0; n < 300; n++) {
        uint64_t *word = (uint64_t *)h;
        for (unsigned i = 0; i < sizeof(*h) / 8; i++)
            word[i] = rng_next(&rng);
        if (n % 2)
            assert_int_equal(image_format(h, rng_next(&rng), "x", NULL), 0);
        for (unsigned i = 0; i < IMAGE_AREAS; i++)
            if (n % 4 == 3)
                image_area_commit(h, (int)i, "name", 1, rng_next(&rng) << 20, rng_next(&rng));
        image_check(h, sizeof(*h), rng_next(&rng) >> rng_below(&rng, 64), NULL);
    }
    free(h);
}

static void test_image_says_what_differs(void **state) {
    static const struct {
        const char *identity, *words[3];
    } cases[] = {
        {"ssd capacity=3145728 nand.channels=4 nand.luns=4", {"'nand.channels=8'", "'nand.channels=4'"}},
        {"hdd capacity=3145728 nand.channels=8 nand.luns=4", {"'ssd'", "'hdd'"}},
        {"ssd capacity=3145728 nand.channels=8", {"'nand.luns=4'", "'nothing'"}},
        {FIXTURE_IDENTITY " more=1", {"'nothing'", "'more=1'"}},
        {" " FIXTURE_IDENTITY, {"another drive", FIXTURE_IDENTITY}},
        {"", {"'ssd'", "'nothing'"}},
    };
    uint64_t bytes;
    struct image_header *h = header_make(&bytes);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct err e = {0};
        assert_int_equal(image_match(h, PAYLOAD, cases[i].identity, &e), -EINVAL);
        for (unsigned k = 0; cases[i].words[k]; k++)
            assert_non_null(strstr(e.text, cases[i].words[k]));
    }
    free(h);
}

static void test_image_identity_and_directory_have_limits(void **state) {
    struct image_header *h = calloc(1, sizeof(*h));
    char *text = calloc(1, IMAGE_IDENTITY_MAX + 2);
    uint64_t at;
    struct err e = {0};
    assert_true(h && text);
    memset(text, 'x', IMAGE_IDENTITY_MAX + 1);
    assert_int_equal(image_format(h, PAYLOAD, text, &e), -EINVAL);
    text[IMAGE_IDENTITY_MAX] = 0;
    assert_int_equal(image_format(h, PAYLOAD, text, &e), 0);
    for (int i = 0; i < IMAGE_AREAS; i++) {
        char name[16];
        assert_int_equal(image_area_free(h, &at), i);
        snprintf(name, sizeof(name), "a%d", i);
        image_area_commit(h, i, name, 1, at, 1);
    }
    assert_int_equal(image_area_free(h, &at), -1);
    assert_int_equal(image_check(h, sizeof(*h), at, &e), 0);
    assert_int_equal(image_match(h, PAYLOAD, text, &e), 0);
    assert_int_equal(image_area_find(h, "a63"), 63);
    free(h);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_image_is_accepted_as_made),
        cmocka_unit_test(test_image_damaged_byte_is_noticed),
        cmocka_unit_test(test_image_cut_anywhere_is_noticed),
        cmocka_unit_test(test_image_survives_random_headers),
        cmocka_unit_test(test_image_says_what_differs),
        cmocka_unit_test(test_image_identity_and_directory_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
