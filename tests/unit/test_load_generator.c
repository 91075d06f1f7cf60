/*
 * What jobs ask for. Where a comment says "fio", the shape was seen in the log
 * that fio 3.33 writes with ioengine=null, --size=1m --bs=4k and the options
 * given: counts, order and sizes, not the random numbers themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load/generator.h"

#define CAPACITY (1ull << 30)
#define MOST     5000

/* The requests of a job, offsets and sizes in blocks of 4 KiB. */
struct taken {
    unsigned count;
    bool over; /* the generator said that everything had its turn */
    struct {
        enum run_dir dir;
        int64_t at, blocks;
    } r[MOST];
};

static struct taken *take_seeded(const char *options, unsigned count, uint64_t seed) {
    struct taken *t = calloc(1, sizeof(*t));
    struct job_file jobs;
    struct generator g;
    struct err e = {0};
    char text[400];
    uint64_t offset, size;
    snprintf(text, sizeof(text), "[a]\nsize=1m\n%s\n", options);
    if (job_file_parse(&jobs, "test", text, strlen(text), &e) || job_resolve(&jobs.job[0], CAPACITY, 0, &e))
        fail_msg("%s: %s", options, e.text);
    job_region(&jobs.job[0], 0, &offset, &size);
    assert_int_equal(generator_init(&g, &jobs.job[0], offset, size, seed, 3), 0);
    for (; t->count < count; t->count++) {
        struct request r;
        if (!generator_next(&g, generator_direction(&g), &r)) {
            t->over = true;
            break;
        }
        assert_true(r.bytes > 0 && r.offset >= offset && r.bytes <= size && r.offset - offset <= size - r.bytes);
        t->r[t->count].dir = r.dir;
        t->r[t->count].at = (int64_t)((r.offset - offset) / 4096);
        t->r[t->count].blocks = (int64_t)(r.bytes / 4096);
    }
    generator_release(&g);
    job_file_release(&jobs);
    return t;
}

static struct taken *take(const char *options, unsigned count) {
    return take_seeded(options, count, 1);
}

static void expect_places(const char *options, const int64_t *want, unsigned count) {
    struct taken *t = take(options, count);
    for (unsigned i = 0; i < count; i++)
        if (t->r[i].at != want[i])
            fail_msg("%s: request %u is at %lld instead of %lld", options, i, (long long)t->r[i].at,
                     (long long)want[i]);
    free(t);
}

/* fio: the same places, with holes, which end it at the end, and backwards, past the start from the end. */
static void test_generator_sequential_walks(void **state) {
    expect_places("rw=read\nsize=32k", (int64_t[]){0, 1, 2, 3, 4, 5, 6, 7, 0, 1}, 10);
    expect_places("rw=read:4k\nsize=32k", (int64_t[]){0, 2, 4, 6}, 4);
    struct taken *t = take("rw=read:4k\nsize=32k", 8);
    assert_true(t->over && t->count == 4);
    free(t);
    expect_places("rw=read:-8k\nsize=32k", (int64_t[]){0, 6, 5, 4, 3, 2, 1, 0}, 8);
    expect_places("rw=read:-4k\nsize=32k", (int64_t[]){0, 0, 0, 0}, 4);
}

/* fio: reads and writes of a sequential mix each have a place of their own. */
static void test_generator_mix_advances_apart(void **state) {
    struct taken *t = take("rw=rw", 256);
    int64_t next[RUN_DIRS] = {0};
    for (unsigned i = 0; i < t->count; i++)
        assert_int_equal(t->r[i].at, next[t->r[i].dir]++);
    assert_in_range(next[RUN_READ], 100, 156); /* fio: 132 and 124 */
    free(t);
}

/* Every block once, then it is over; fio: 256 requests. */
static void check_once(const char *options, unsigned blocks) {
    struct taken *t = take(options, MOST);
    bool *seen = calloc(blocks, sizeof(*seen));
    assert_true(t->over);
    assert_int_equal(t->count, blocks);
    unsigned neighbours = 0;
    for (unsigned i = 0; i < t->count; i++) {
        assert_false(seen[t->r[i].at]);
        seen[t->r[i].at] = true;
        neighbours += i && t->r[i].at == t->r[i - 1].at + 1;
    }
    assert_true(blocks < 100 || neighbours < blocks / 8);
    free(seen);
    free(t);
}

static void test_generator_random_map_visits_each_once(void **state) {
    check_once("rw=randread", 256);
    check_once("rw=randwrite\nrandom_generator=lfsr", 256);
    check_once("rw=randread\nrandom_generator=lfsr\nsize=1044480", 255);
    check_once("rw=randread\nrandom_generator=tausworthe64\nsize=1020k", 255);
    check_once("rw=randread\nsize=30k", 7); /* fio: the rest of the region is not touched */
}

/* fio: a new place, then what follows it; or it again and again. */
static void test_generator_counted_places(void **state) {
    struct taken *t = take("rw=randread:4", 256);
    unsigned broken = 0;
    for (unsigned i = 1; i < t->count; i++)
        broken += i % 4 && t->r[i].at != t->r[i - 1].at + 1;
    assert_int_equal(t->count, 256);
    assert_in_range(broken, 0, 6); /* at the end of the region it goes elsewhere */
    free(t);
    t = take("rw=randread:4\nrw_sequencer=identical", 256);
    for (unsigned i = 1; i < t->count; i++)
        if (i % 4)
            assert_int_equal(t->r[i].at, t->r[i - 1].at);
    assert_int_not_equal(t->r[0].at, t->r[4].at);
    free(t);
}

/* fio: the write goes where its trim went. */
static void test_generator_trimwrite_pairs(void **state) {
    static const char *const kinds[] = {"rw=trimwrite", "rw=randtrimwrite"};
    for (unsigned kind = 0; kind < 2; kind++) {
        struct taken *t = take(kinds[kind], 512);
        assert_int_equal(t->count, 512);
        for (unsigned i = 0; i < t->count; i += 2) {
            assert_int_equal(t->r[i].dir, RUN_TRIM);
            assert_int_equal(t->r[i + 1].dir, RUN_WRITE);
            assert_int_equal(t->r[i].at, t->r[i + 1].at);
            if (!kind)
                assert_int_equal(t->r[i].at, i / 2);
        }
        free(t);
    }
}

/* fio: with a map, requests are cut so that no block is met twice, and all 256 blocks are done. */
static void test_generator_sizes_share_the_map(void **state) {
    static const char *const kinds[] = {"rw=randread\nbsrange=4k-16k", "rw=randread\nbssplit=4k/50:8k/:16k/20",
                                        "rw=randrw\nbs=4k,8k"};
    for (unsigned kind = 0; kind < 3; kind++) {
        struct taken *t = take(kinds[kind], MOST);
        bool seen[256] = {0};
        int64_t blocks = 0;
        assert_true(t->over);
        for (unsigned i = 0; i < t->count; i++)
            for (int64_t b = 0; b < t->r[i].blocks; b++, blocks++) {
                assert_false(seen[t->r[i].at + b]);
                seen[t->r[i].at + b] = true;
            }
        assert_int_equal(blocks, 256);
        free(t);
    }
}

/* fio: 125 sequential requests of this split fill 1 MiB exactly; sizes as often as they should be. */
static void test_generator_split_keeps_its_shares(void **state) {
    struct taken *t = take("rw=read\nsize=100m\nbssplit=4k/50:8k/:16k/20", MOST);
    unsigned count[5] = {0};
    for (unsigned i = 0; i < t->count; i++)
        count[t->r[i].blocks]++;
    assert_in_range(count[1], MOST * 48 / 100, MOST * 52 / 100);
    assert_in_range(count[2], MOST * 28 / 100, MOST * 32 / 100);
    assert_in_range(count[4], MOST * 18 / 100, MOST * 22 / 100);
    free(t);
    t = take("rw=write\nsize=100m\nbsrange=4k-16k", MOST);
    memset(count, 0, sizeof(count));
    for (unsigned i = 0; i < t->count; i++)
        count[t->r[i].blocks]++;
    for (unsigned n = 1; n <= 4; n++)
        assert_in_range(count[n], MOST * 23 / 100, MOST * 27 / 100);
    free(t);
}

/* fio: half of the requests follow the one before. */
static void test_generator_percentage_random(void **state) {
    struct taken *t = take("rw=randread\nsize=100m\npercentage_random=50", 2000);
    unsigned follow = 0;
    for (unsigned i = 1; i < t->count; i++)
        follow += t->r[i].at == t->r[i - 1].at + 1;
    assert_in_range(follow, 920, 1080);
    free(t);
    expect_places("rw=randread\npercentage_random=0", (int64_t[]){0, 1, 2, 3, 4}, 5);
}

/* fio: multiples of 16 KiB, and blocks come again. */
static void test_generator_blockalign(void **state) {
    struct taken *t = take("rw=randread\nblockalign=16k", 256);
    unsigned again = 0;
    bool seen[256] = {0};
    for (unsigned i = 0; i < t->count; i++) {
        assert_int_equal(t->r[i].at % 4, 0);
        again += seen[t->r[i].at];
        seen[t->r[i].at] = true;
    }
    assert_true(again >= 192);
    free(t);
}

/* fio: zonesize=8k zonerange=16k zoneskip=32k: two blocks in each zone, zones 12 blocks apart. */
static void test_generator_strided_zones(void **state) {
    expect_places("rw=read\nzonemode=strided\nzonesize=8k\nzonerange=16k\nzoneskip=32k",
                  (int64_t[]){0, 1, 12, 13, 24, 25, 36, 37, 48, 49}, 10);
    struct taken *t = take("rw=randread\nzonemode=strided\nzonesize=16k\nzonerange=32k\nzoneskip=32k", 64);
    for (unsigned i = 0; i < t->count; i++)
        assert_int_equal(t->r[i].at / 8, i / 4 * 2);
    free(t);
}

static void test_generator_repeats_itself(void **state) {
    const char *options = "rw=randrw\nbsrange=4k-16k\nnorandommap\nrandom_distribution=zipf:0.9";
    struct taken *a = take_seeded(options, 1000, 7), *b = take_seeded(options, 1000, 7),
                 *c = take_seeded(options, 1000, 8);
    assert_memory_equal(a, b, sizeof(*a));
    assert_true(memcmp(a, c, sizeof(*a)) != 0);
    free(a);
    free(b);
    free(c);
}

/* loops: randrepeat asks the same again, without it another order. */
static void test_generator_restarts(void **state) {
    struct job_file jobs;
    struct generator g;
    struct err e = {0};
    const char *text = "[a]\nrw=randread\nsize=1m\n";
    struct request first, r;
    assert_int_equal(job_file_parse(&jobs, "test", text, strlen(text), &e), 0);
    assert_int_equal(job_resolve(&jobs.job[0], CAPACITY, 0, &e), 0);
    assert_int_equal(generator_init(&g, &jobs.job[0], 0, 1 << 20, 1, 1), 0);
    generator_next(&g, RUN_READ, &first);
    generator_next(&g, RUN_READ, &r);
    generator_restart(&g, true);
    generator_next(&g, RUN_READ, &r);
    assert_int_equal(r.offset, first.offset);
    generator_restart(&g, false);
    generator_next(&g, RUN_READ, &r);
    assert_int_not_equal(r.offset, first.offset);
    generator_release(&g);
    job_file_release(&jobs);
}

/* What is told ahead is where a later request goes, whatever its direction, and past a restart. */
static void check_soon(const char *options) {
    struct job_file jobs;
    struct generator g;
    struct err e = {0};
    char text[200];
    uint64_t soon[3 * 64];
    struct request r;
    snprintf(text, sizeof(text), "[a]\nsize=1m\nbs=4k\n%s\n", options);
    assert_int_equal(job_file_parse(&jobs, "test", text, strlen(text), &e), 0);
    assert_int_equal(job_resolve(&jobs.job[0], CAPACITY, 0, &e), 0);
    assert_int_equal(generator_init(&g, &jobs.job[0], 8192, 1 << 20, 1, 1), 0);
    for (unsigned i = 0; i < 3 * 64; i++) {
        if (i % 64 == 0) /* a random map begins anew, other places are the same as without a restart */
            generator_restart(&g, false);
        assert_true(generator_next(&g, generator_direction(&g), &r));
        soon[i] = g.soon;
        bool told = i % 64 >= GENERATOR_AHEAD - 1 || (i >= GENERATOR_AHEAD && jobs.job[0].norandommap);
        assert_true(!told || r.offset == soon[i - (GENERATOR_AHEAD - 1)]);
    }
    generator_release(&g);
    job_file_release(&jobs);
}

static void test_generator_tells_ahead(void **state) {
    check_soon("rw=randread");
    check_soon("rw=randrw");
    check_soon("rw=randwrite\nnorandommap");
    check_soon("rw=randrw\nnorandommap");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generator_sequential_walks),
        cmocka_unit_test(test_generator_mix_advances_apart),
        cmocka_unit_test(test_generator_random_map_visits_each_once),
        cmocka_unit_test(test_generator_counted_places),
        cmocka_unit_test(test_generator_trimwrite_pairs),
        cmocka_unit_test(test_generator_sizes_share_the_map),
        cmocka_unit_test(test_generator_split_keeps_its_shares),
        cmocka_unit_test(test_generator_percentage_random),
        cmocka_unit_test(test_generator_blockalign),
        cmocka_unit_test(test_generator_strided_zones),
        cmocka_unit_test(test_generator_repeats_itself),
        cmocka_unit_test(test_generator_restarts),
        cmocka_unit_test(test_generator_tells_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
