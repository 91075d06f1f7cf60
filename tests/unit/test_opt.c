/* base/opt: values there and back, ranges, nearest names, INI files, JSON. */
#include "base/opt.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"

struct sample {
    bool verify;
    uint32_t channels;
    uint64_t seed, capacity, window;
    int64_t latency;
    double percent;
    int order;
    char model[OPT_STRING_MAX];
    struct opt_times read;
};

static const char *const orders[] = {"none", "sequential", "random", NULL};

#define AT(field) offsetof(struct sample, field)
static const struct opt_row sample_opts[] = {
    {"drive", "capacity", OPT_SIZE, AT(capacity), 0, 0, "16GiB", NULL, "bytes", "size", false},
    {"drive", "model", OPT_STRING, AT(model), 0, 0, "drivelab", NULL, NULL, "name", false},
    {"drive", "seed", OPT_U64, AT(seed), 0, 0, "1", NULL, NULL, "seed", false},
    {"drive", "verify", OPT_BOOL, AT(verify), 0, 0, "yes", NULL, NULL, "check", false},
    {"nand", "channels", OPT_U32, AT(channels), 1, 64, "8", NULL, NULL, "channels", false},
    {"nand", "window", OPT_SIZE, AT(window), 4096, 1 << 20, "64KiB", NULL, "bytes", "window", false},
    {"nand", "latency", OPT_TIME, AT(latency), 0, 1e9, "50us", NULL, "ns", "latency", true},
    {"nand", "percent", OPT_DOUBLE, AT(percent), 0.5, 100, "7.5", NULL, "%", "spare", false},
    {"nand", "order", OPT_ENUM, AT(order), 0, 0, "none", orders, NULL, "order", false},
    {"nand", "read", OPT_TIMES, AT(read), 1, 1e9, "40us,90us", NULL, "ns", "read times", false},
    {0},
};

static struct opt_set sample_set(struct sample *s) {
    struct opt_set set = {0};
    memset(s, 0, sizeof *s);
    assert_int_equal(opt_set_add(&set, sample_opts, s), 0);
    return set;
}

static void assert_refused(struct opt_set *set, const char *arg, const char *message) {
    struct err e = {0};
    assert_int_equal(opt_assign_arg(set, arg, &e), -EINVAL);
    if (!strstr(e.text, message))
        fail_msg("\"%s\" said \"%s\", expected \"%s\"", arg, e.text, message);
}

static void test_opt_defaults_are_set(void **state) {
    struct sample s;
    sample_set(&s);
    assert_true(s.capacity == 16ull << 30 && s.channels == 8 && s.latency == 50000 && s.percent == 7.5);
    assert_true(s.verify && s.order == 0 && s.read.count == 2 && s.read.ns[1] == 90000);
    assert_string_equal(s.model, "drivelab");
}

static void test_opt_set_has_a_limit(void **state) {
    struct sample s;
    struct opt_set set = {0};
    for (int i = 0; i < OPT_SET_TABLES; i++)
        assert_int_equal(opt_set_add(&set, sample_opts, &s), 0);
    assert_int_equal(opt_set_add(&set, sample_opts, &s), -ENOSPC);
}

static void test_opt_parse_size(void **state) {
    static const struct {
        const char *text;
        int rc;
        uint64_t value;
    } rows[] = {
        {"0", 0, 0},
        {"4k", 0, 4096},
        {"4 KiB", 0, 4096},
        {" 4kb ", 0, 4000},
        {"1.5GiB", 0, 3ull << 29},
        {"0.1KB", 0, 100},
        {"512B", 0, 512},
        {"18446744073709551615", 0, UINT64_MAX},
        {"18446744073709551616", -ERANGE, 0},
        {"16777216TiB", -ERANGE, 0},
        {"99999999999999999999999T", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"+1", -EINVAL, 0},
        {"k", -EINVAL, 0},
        {"1.", -EINVAL, 0},
        {".5k", -EINVAL, 0},
        {"1.5", -EINVAL, 0},
        {"4kk", -EINVAL, 0},
        {"4 4", -EINVAL, 0},
        {"0x10", -EINVAL, 0},
        {"nan", -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t v = 0;
        assert_int_equal(opt_parse_size(rows[i].text, &v), rows[i].rc);
        assert_true(v == rows[i].value);
    }
}

static void test_opt_parse_time(void **state) {
    int64_t ns = 0;
    assert_int_equal(opt_parse_time("75", &ns), 0);
    assert_true(ns == 75);
    assert_int_equal(opt_parse_time("1.5ms", &ns), 0);
    assert_true(ns == 1500000);
    assert_int_equal(opt_parse_time("0.0000000015s", &ns), 0);
    assert_true(ns == 2); /* to nearest */
    assert_int_equal(opt_parse_time("9223372037s", &ns), -ERANGE);
    assert_int_equal(opt_parse_time("5min", &ns), -EINVAL);
    assert_int_equal(opt_parse_time("-5us", &ns), -EINVAL);
}

static void test_opt_ranges_are_readable(void **state) {
    static const struct {
        struct opt_row row;
        const char *text;
    } cases[] = {
        {{.type = OPT_SIZE, .min = 1 << 20, .max = 0x1p50}, "1MiB..1PiB"},
        {{.type = OPT_SIZE, .min = 0x1p60, .max = 0x1p62}, "1EiB..4EiB"},
        {{.type = OPT_SIZE, .max = 1e15}, "0..1PB"},
        {{.type = OPT_SIZE}, "less than 16EiB"},
        {{.type = OPT_DOUBLE, .max = 1e6}, "0..1000000"},
        {{.type = OPT_DOUBLE, .min = 0.001, .max = 2.5}, "0.001..2.5"},
        {{.type = OPT_TIME, .min = 1, .max = 6e10}, "1ns..60s"},
    };
    char text[100];
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(opt_range_text(&cases[i].row, text, sizeof text), cases[i].text);
    uint64_t bytes;
    assert_int_equal(opt_parse_size("1.5PiB", &bytes), 0);
    assert_int_equal(bytes, 3ull << 49);
    assert_int_equal(opt_parse_size("16EiB", &bytes), -ERANGE);
}

static void test_opt_values_out_of_range_are_named(void **state) {
    struct sample s;
    struct opt_set set = sample_set(&s);
    assert_refused(&set, "nand.channels=0", "nand.channels: 0 is out of range (1..64)");
    assert_refused(&set, "nand.channels=65", "nand.channels: 65 is out of range (1..64)");
    assert_refused(&set, "nand.channels=4294967297", "nand.channels: 4294967297 is out of range (1..64)");
    assert_refused(&set, "nand.channels=four", "nand.channels: \"four\" is not a whole number");
    assert_refused(&set, "nand.window=2M", "nand.window: 2M is out of range (4KiB..1MiB)");
    assert_refused(&set, "nand.latency=2s", "nand.latency: 2s is out of range (0..1s)");
    assert_refused(&set, "nand.percent=0.25", "nand.percent: 0.25 is out of range (0.5..100)");
    assert_refused(&set, "nand.percent=nan", "nand.percent: \"nan\" is not a number");
    assert_refused(&set, "nand.percent=1e999", "nand.percent: 1e999 is out of range (0.5..100)");
    assert_refused(&set, "nand.order=rand", "nand.order: \"rand\" is not one of: none, sequential, random");
    assert_refused(&set, "nand.read=40us,0", "nand.read: 40us,0 is out of range (1ns..1s)");
    assert_refused(&set, "nand.read=1,2,3,4,5,6,7,8,9", "at most 8");
    assert_refused(&set, "drive.verify=maybe", "drive.verify: \"maybe\" is not yes or no");
    assert_refused(&set, "drive.capacity=16777216TiB", "drive.capacity: 16777216TiB is out of range (less than 16EiB)");
    struct sample untouched;
    sample_set(&untouched);
    assert_memory_equal(&s, &untouched, sizeof s);
}

static void test_opt_unknown_names_suggest_near_ones(void **state) {
    struct sample s;
    struct opt_set set = sample_set(&s);
    assert_refused(&set, "nand.chanels=4",
                   "nand.chanels: unknown option; did you mean nand.channels? Options of [nand]: channels, window,");
    assert_refused(&set, "nand.capacity=4G", "did you mean drive.capacity?");
    assert_refused(&set, "nadn.channels=4",
                   "nadn.channels: unknown section; did you mean nand.channels? Sections: drive, nand");
    assert_refused(&set, "nand.zzzzzzzz=4", "nand.zzzzzzzz: unknown option. Options of [nand]: channels,");
    assert_refused(&set, "channels=4", "expected section.key=value");
    assert_refused(&set, "nand.channels", "expected section.key=value");
    assert_refused(&set, "", "expected section.key=value");
}

static void test_opt_words_have_synonyms(void **state) {
    struct sample s;
    struct opt_set set = sample_set(&s);
    assert_int_equal(opt_assign_arg(&set, "drive.verify=OFF", NULL), 0);
    assert_false(s.verify);
    assert_int_equal(opt_assign_arg(&set, " nand . order = Random ", NULL), 0);
    assert_int_equal(s.order, 2);
    assert_int_equal(opt_assign_arg(&set, "drive.model=a = b", NULL), 0);
    assert_string_equal(s.model, "a = b");
}

static void test_opt_long_strings_are_refused(void **state) {
    struct sample s;
    struct opt_set set = sample_set(&s);
    char value[OPT_STRING_MAX + 1];
    memset(value, 'a', OPT_STRING_MAX);
    value[OPT_STRING_MAX] = '\0';
    assert_int_equal(opt_assign(&set, "drive", "model", value, NULL), -EINVAL);
    assert_string_equal(s.model, "drivelab");
    value[OPT_STRING_MAX - 1] = '\0';
    assert_int_equal(opt_assign(&set, "drive", "model", value, NULL), 0);
    assert_string_equal(s.model, value);
}

/* Random values, as awkward as the types allow: what is printed reads back as the same value. */
static void test_opt_values_survive_the_round_trip(void **state) {
    struct rng r;
    rng_init(&r, 11, 0);
    for (int round = 0; round < 2000; round++) {
        struct sample a, b;
        struct opt_set set = sample_set(&a), back = sample_set(&b);
        a.verify = rng_next(&r) & 1;
        a.channels = 1 + (uint32_t)rng_below(&r, 64);
        a.seed = rng_next(&r) >> rng_below(&r, 64);
        a.capacity = (rng_next(&r) >> rng_below(&r, 64)) << rng_below(&r, 40);
        a.window = 4096 + rng_below(&r, (1 << 20) - 4095);
        a.latency = (int64_t)rng_below(&r, 1000000001);
        a.percent = 0.5 + rng_unit(&r) * 99.5;
        a.order = (int)rng_below(&r, 3);
        a.read.count = 1 + (uint32_t)rng_below(&r, OPT_TIMES_MAX);
        for (uint32_t i = 0; i < OPT_TIMES_MAX; i++)
            a.read.ns[i] = i < a.read.count ? 1 + (int64_t)rng_below(&r, 1000000000) : 0;
        for (const struct opt_row *row = sample_opts; row->key; row++) {
            char text[320];
            assert_int_equal(
                opt_assign(&back, row->section, row->key, opt_value_text(row, &a, text, sizeof text), NULL), 0);
        }
        assert_memory_equal(&a, &b, sizeof a);
        assert_int_equal(set.count, 1);
    }
}

static int load(struct opt_set *set, const char *text, const char *const *skip, struct err *e) {
    return opt_load_ini_text(set, "a.ini", text, strlen(text), skip, e);
}

static void test_opt_ini_is_read(void **state) {
    struct sample s;
    struct opt_set set = sample_set(&s);
    static const char *const skip[] = {"run", NULL};
    static const char text[] =
        "# a comment\n; another\n[drive]\ncapacity = 4GiB   ; inline\n\n[nand]\n"
        "channels: 4\n   order=random\n  read = 1us, 2us\n[run]\nanything = goes\n[drive]\nseed=9";
    assert_int_equal(load(&set, text, skip, NULL), 0);
    assert_true(s.capacity == 4ull << 30 && s.channels == 4 && s.order == 2 && s.seed == 9);
    assert_true(s.read.count == 2 && s.read.ns[0] == 1000);
}

static void assert_ini_refused(const char *text, const char *message) {
    struct sample s;
    struct opt_set set = sample_set(&s);
    struct err e = {0};
    assert_int_equal(load(&set, text, NULL, &e), -EINVAL);
    if (!strstr(e.text, message))
        fail_msg("said \"%s\", expected \"%s\"", e.text, message);
}

static void test_opt_ini_errors_name_the_line(void **state) {
    assert_ini_refused("[nand]\n\nchannels = 0\nwindow = 1\n", "a.ini:3: nand.channels: 0 is out of range (1..64)");
    assert_ini_refused("[nand]\nchanels = 1\n", "a.ini:2: nand.chanels: unknown option; did you mean");
    assert_ini_refused("[nand]\nchannels\n", "a.ini:2: expected [section]");
    assert_ini_refused("[nand\nchannels = 4\n", "a.ini:1: expected [section]");
    assert_ini_refused("channels = 4\n", "a.ini:1: an option before the first [section]");
    char longer[600] = "[drive]\nmodel = ";
    memset(longer + strlen(longer), 'a', 400);
    assert_ini_refused(longer, "a.ini:2: the line is too long");
}

static void test_opt_ini_refuses_zero_bytes(void **state) {
    struct sample s;
    struct opt_set set = sample_set(&s);
    struct err e = {0};
    assert_int_equal(opt_load_ini_text(&set, "a.ini", "[nand]\nchan\0nels = 4\n", 21, NULL, &e), -EINVAL);
    assert_string_equal(e.text, "a.ini:2: a zero byte; this is not a text file");
}

static void test_opt_ini_from_a_file(void **state) {
    struct sample s;
    struct opt_set set = sample_set(&s);
    struct err e = {0};
    char path[] = "/tmp/drivelab-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "[nand]\nchannels=3\n", 18), 18);
    close(fd);
    assert_int_equal(opt_load_ini(&set, path, NULL, &e), 0);
    assert_int_equal(s.channels, 3);
    unlink(path);
    assert_int_equal(opt_load_ini(&set, path, NULL, &e), -EINVAL);
    assert_non_null(strstr(e.text, "No such file or directory"));
    assert_int_equal(opt_load_ini(&set, "/tmp", NULL, &e), -EINVAL);
}

static void test_opt_json_holds_base_units(void **state) {
    struct sample s;
    struct opt_set set = sample_set(&s);
    json_t *root = opt_to_json(&set);
    json_t *nand = json_object_get(root, "nand"), *drive = json_object_get(root, "drive");
    assert_true(json_integer_value(json_object_get(drive, "capacity")) == 16ll << 30);
    assert_true(json_is_true(json_object_get(drive, "verify")));
    assert_true(json_integer_value(json_object_get(nand, "latency")) == 50000);
    assert_string_equal(json_string_value(json_object_get(nand, "order")), "none");
    assert_true(json_integer_value(json_array_get(json_object_get(nand, "read"), 1)) == 90000);
    json_decref(root);
}

static void test_opt_help_shows_every_option(void **state) {
    struct sample s;
    struct opt_set set = sample_set(&s);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(opt_assign_arg(&set, "nand.channels=4", NULL), 0);
    opt_print_help(&set, out);
    fclose(out);
    for (const struct opt_row *row = sample_opts; row->key; row++)
        assert_non_null(strstr(text, row->key));
    assert_non_null(strstr(text, "now 4; default 8; 1..64"));
    assert_non_null(strstr(text, "can change at run time"));
    free(text);
}

/* A table is kept whole, and given back although its text would be appended or rounded. */
static void test_opt_keeps_and_restores(void **state) {
    static struct kept_sample {
        int64_t before;
        char table[OPT_TEXT_MAX];
        double ratio;
    } c;
    static const struct opt_row rows[] = {
        {"x", "table", OPT_TEXT, offsetof(struct kept_sample, table), .def = "", .help = "table", .runtime = true},
        {"x", "ratio", OPT_DOUBLE, offsetof(struct kept_sample, ratio), .def = "0", .help = "ratio"},
        {0},
    };
    static char kept[OPT_TEXT_MAX], longest[OPT_TEXT_MAX], text[OPT_TEXT_MAX];
    struct opt_set set = {0};
    assert_int_equal(opt_set_add(&set, rows, &c), 0);
    memset(longest, 'a', sizeof longest - 1);
    longest[0] = '+';
    memcpy(c.table, longest, sizeof longest);
    assert_string_equal(opt_value_text(&rows[0], &c, text, sizeof text), longest);
    opt_keep(&rows[0], &c, kept);
    assert_int_equal(opt_assign(&set, "x", "table", "b", NULL), 0);
    opt_restore(&rows[0], &c, kept);
    assert_string_equal(c.table, longest);
    c.ratio = 1.0 / 3;
    opt_keep(&rows[1], &c, kept);
    assert_int_equal(opt_assign(&set, "x", "ratio", "7", NULL), 0);
    opt_restore(&rows[1], &c, kept);
    assert_true(c.ratio == 1.0 / 3);
    assert_string_equal(c.table, longest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opt_defaults_are_set),
        cmocka_unit_test(test_opt_set_has_a_limit),
        cmocka_unit_test(test_opt_parse_size),
        cmocka_unit_test(test_opt_parse_time),
        cmocka_unit_test(test_opt_ranges_are_readable),
        cmocka_unit_test(test_opt_values_out_of_range_are_named),
        cmocka_unit_test(test_opt_unknown_names_suggest_near_ones),
        cmocka_unit_test(test_opt_words_have_synonyms),
        cmocka_unit_test(test_opt_long_strings_are_refused),
        cmocka_unit_test(test_opt_values_survive_the_round_trip),
        cmocka_unit_test(test_opt_ini_is_read),
        cmocka_unit_test(test_opt_ini_errors_name_the_line),
        cmocka_unit_test(test_opt_ini_refuses_zero_bytes),
        cmocka_unit_test(test_opt_ini_from_a_file),
        cmocka_unit_test(test_opt_json_holds_base_units),
        cmocka_unit_test(test_opt_help_shows_every_option),
        cmocka_unit_test(test_opt_keeps_and_restores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
