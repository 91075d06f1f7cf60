/* base/text and base/crc32c: known answers. */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/rng.h"

static void test_text_bytes(void **state) {
    assert_string_equal(text_bytes(0).s, "0 B");
    assert_string_equal(text_bytes(512).s, "512 B");
    assert_string_equal(text_bytes(16ull << 30).s, "16 GiB");
    assert_string_equal(text_bytes(3u << 19).s, "1.50 MiB");
    assert_string_equal(text_bytes(1023).s, "1023 B");
    assert_string_equal(text_bytes((1u << 20) - 1).s, "1.00 MiB");
    assert_string_equal(text_bytes(UINT64_MAX).s, "16 EiB");
}

static void test_text_rate_and_count(void **state) {
    assert_string_equal(text_rate(3.21e9).s, "3.21 GB/s");
    assert_string_equal(text_rate(0).s, "0 B/s");
    assert_string_equal(text_count(552123).s, "552 k");
    assert_string_equal(text_count(17).s, "17");
    assert_string_equal(text_count(999.7).s, "1.00 k");
}

static void test_text_time(void **state) {
    assert_string_equal(text_time(75300).s, "75.3 us");
    assert_string_equal(text_time(-3).s, "-3 ns");
    assert_string_equal(text_time(2000000).s, "2 ms");
    assert_string_equal(text_time(90000000000).s, "90 s");
    assert_string_equal(text_time(INT64_MIN).s, "-9223372037 s");
}

static void test_text_distance(void **state) {
    assert_int_equal(text_distance("", ""), 0);
    assert_int_equal(text_distance("", "abc"), 3);
    assert_int_equal(text_distance("channels", "chanels"), 1);
    assert_int_equal(text_distance("capacity", "capactiy"), 1);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    char big[200];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_int_equal(text_distance(big, big), 0);
    assert_int_equal(text_distance(big, ""), 63);
}

static void test_text_nearest(void **state) {
    static const char *const words[] = {"serve", "run", "drives", "help", NULL};
    assert_string_equal(text_nearest("drive", words), "drives");
    assert_string_equal(text_nearest("serev", words), "serve");
    assert_null(text_nearest("xyzzy", words));
    assert_null(text_nearest("", words));
}

static void test_text_utf8(void **state) {
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"", ""},
        {"nqn.x:y", "nqn.x:y"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xbe", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xbe"},
        {"a\xff"
         "b",
         "a\\xffb"},
        {"\x80", "\\x80"},
        {"\xc0\xaf", "\\xc0\\xaf"}, /* not the shortest form */
        {"\xe0\x9f\xbf", "\\xe0\\x9f\\xbf"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* a surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* behind U+10FFFF */
        {"cut \xe2\x82", "cut \\xe2\\x82"},
    };
    char to[64];
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(text_utf8(to, sizeof to, cases[i].from), cases[i].to);
    assert_string_equal(text_utf8(to, 4, "abcdef"), "abc");
    assert_string_equal(text_utf8(to, 4, "ab\xc3\xa4"), "ab"); /* never half a character */
    assert_string_equal(text_utf8(to, 4, "\xff"), "");
    assert_string_equal(text_utf8(to, 1, "a"), "");
}

/* RFC 3720, appendix B.4; and the usual check value. */
static void test_crc32c_known_answers(void **state) {
    unsigned char buf[32];
    assert_int_equal(crc32c("123456789", 9), 0xe3069283);
    memset(buf, 0, sizeof buf);
    assert_int_equal(crc32c(buf, sizeof buf), 0x8a9136aa);
    memset(buf, 0xff, sizeof buf);
    assert_int_equal(crc32c(buf, sizeof buf), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof buf; i++)
        buf[i] = (unsigned char)i;
    assert_int_equal(crc32c(buf, sizeof buf), 0x46dd794e);
    assert_int_equal(crc32c(buf, 0), 0);
}

static void test_crc32c_in_pieces_equals_whole(void **state) {
    unsigned char buf[4096];
    struct rng r;
    rng_init(&r, 5, 0);
    for (unsigned i = 0; i < sizeof buf; i++)
        buf[i] = (unsigned char)rng_next(&r);
    uint32_t whole = crc32c(buf, sizeof buf);
    for (int round = 0; round < 200; round++) {
        uint32_t crc = CRC32C_START;
        for (size_t at = 0, n; at < sizeof buf; at += n) {
            n = 1 + rng_below(&r, sizeof buf - at);
            crc = crc32c_update(crc, buf + at, n);
        }
        assert_int_equal(crc32c_finish(crc), whole);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_bytes),
        cmocka_unit_test(test_text_rate_and_count),
        cmocka_unit_test(test_text_time),
        cmocka_unit_test(test_text_distance),
        cmocka_unit_test(test_text_nearest),
        cmocka_unit_test(test_text_utf8),
        cmocka_unit_test(test_crc32c_known_answers),
        cmocka_unit_test(test_crc32c_in_pieces_equals_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
