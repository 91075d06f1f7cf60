/* An ssd that keeps data of different heat apart: against its oracle, and against theory. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../bench/waf.h"
#include "drive/ssd/ssd.h"
#include "drive_oracle.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Every other stretch of requests is for the first eighth of the drive. */
static void stretch(struct oracle *o, unsigned number, uint64_t ios, bool leave) {
    o->hot = number % 2 ? o->units / 8 : o->units;
    oracle_run(o, ios, leave);
}

static void run(const char *const *args, uint64_t seed, uint64_t ios) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, args);
    oracle_open(&o, &config, "memory", NULL, seed);
    for (unsigned i = 0; i < 12; i++) {
        stretch(&o, i, ios / 12, i % 4 == 3);
        oracle_check(&o);
    }
    oracle_drain(&o);
    oracle_verify(&o);
    oracle_check(&o);
    const struct ftl *f = &ssd_of(o.drive)->ftl;
    uint64_t units = 0;
    for (unsigned s = 0; s < 2 * f->heats; s++)
        units += f->count.heat_units[s];
    assert_int_equal(units, f->count.host_units + f->count.gc_units);
    assert_true(f->count.heat_units[ftl_stream(0, FTL_STREAM_HOST)] > 0);
    assert_true(f->count.heat_units[ftl_stream(f->heats / 2, FTL_STREAM_HOST)] > 0);
    oracle_close(&o);
}

static void test_ssd_streams_read_back(void **state) {
    run(ARGS("ssd.streams=2"), 1, 12000);
    run(ARGS("ssd.streams=3", "nand.blocks=24"), 2, 12000);
    run(ARGS("ssd.streams=8", "nand.blocks=40"), 3, 12000);
    run(ARGS("ssd.streams=2", "ssd.plane_order=CLP", "ssd.gc_background=no"), 4, 8000);
    run(ARGS("ssd.streams=2", "ssd.write_buffer=0"), 5, 6000);
    run(ARGS("ssd.streams=2", "ssd.write_buffer=32KiB", "ssd.volatile_cache=no"), 6, 6000);
    run(ARGS("ssd.streams=2", "nand.page_bytes=4096", "nand.planes=1", "nand.blocks=48", "nand.pages=32"), 7, 8000);
}

static void test_ssd_streams_with_every_victim_policy(void **state) {
    for (unsigned i = 0; gc_policies[i].name; i++) {
        char arg[64];
        snprintf(arg, sizeof arg, "ssd.gc_policy=%s", gc_policies[i].name);
        run(ARGS(arg, "ssd.streams=2", "ssd.gc_choices=3"), 20 + i, 6000);
        /* the largest capacity: 8 planes of 16 blocks less 6, 256 KiB a block */
        run(ARGS(arg, "ssd.streams=2", "drive.capacity=20MiB", "ssd.op_percent=0"), 30 + i, 6000);
        run(ARGS(arg, "ssd.streams=5", "nand.blocks=25", "drive.capacity=20MiB", "ssd.op_percent=0"), 40 + i, 6000);
    }
}

/* Full to the last unit, without any garbage at first. */
static void test_ssd_streams_on_a_full_drive(void **state) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, ARGS("ssd.streams=3", "nand.blocks=19", "drive.capacity=20MiB", "ssd.op_percent=0"));
    oracle_open(&o, &config, "memory", NULL, 15);
    for (uint64_t u = 0; u < o.units; u += ORACLE_SPAN)
        assert_int_equal(oracle_one(&o, IO_WRITE, u, ORACLE_SPAN, 0), IO_OK);
    o.weight[IO_TRIM] = o.weight[IO_WRITE_ZEROES] = 0;
    for (unsigned i = 0; i < 8; i++)
        stretch(&o, i, 800, false);
    oracle_verify(&o);
    oracle_check(&o);
    oracle_close(&o);
}

/* Several open blocks a plane are cut off each time. */
static void power(const char *const *args, uint64_t seed) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, args);
    oracle_open(&o, &config, "memory", NULL, seed);
    for (unsigned i = 0; i < 14; i++) {
        stretch(&o, i, 200 + rng_below(&o.rng, 1500), true);
        oracle_power_cut(&o);
        oracle_check(&o);
    }
    stretch(&o, 0, 500, false);
    oracle_verify(&o);
    oracle_close(&o);
}

static void test_ssd_streams_power_cut(void **state) {
    power(ARGS("ssd.streams=2"), 50);
    power(ARGS("ssd.streams=2", "ssd.write_buffer=0"), 51);
    power(ARGS("ssd.streams=4", "nand.blocks=24", "ssd.volatile_cache=no"), 52);
    power(ARGS("ssd.streams=8", "nand.blocks=36", "drive.capacity=24MiB", "ssd.op_percent=0"), 53);
    power(ARGS("ssd.streams=2", "drive.capacity=20MiB", "ssd.op_percent=0"), 54);
}

/* Cut again and again after a few requests: open blocks must not pile up. */
static void test_ssd_streams_power_cut_sweep(void **state) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, ARGS("drive.capacity=4MiB", "nand.blocks=14", "nand.channels=1", "ssd.write_buffer=128KiB",
                                "ssd.streams=3", "ssd.op_percent=0"));
    oracle_open(&o, &config, "memory", NULL, 55);
    for (unsigned i = 0; i < 200; i++) {
        stretch(&o, i, i % 23, true);
        oracle_power_cut(&o);
        oracle_check(&o);
    }
    oracle_close(&o);
}

static void test_ssd_streams_image_survives_restarts(void **state) {
    struct drive_config config;
    static struct oracle o;
    char path[] = "/tmp/drivelab-test-streams-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    close(fd);
    oracle_config(&config, ARGS("ssd.streams=2", "nand.blocks=20"));
    oracle_open(&o, &config, "file", path, 60);
    o.fua_percent = 0; /* each costs a real flush of the file */
    o.weight[IO_FLUSH] = 0;
    for (unsigned i = 0; i < 4; i++) {
        o.config.ssd.streams = 1 + i % 3; /* an image may be used with others */
        stretch(&o, i, 1200, false);
        assert_int_equal(oracle_one(&o, IO_FLUSH, 0, 0, 0), IO_OK);
        oracle_reopen(&o);
        oracle_check(&o);
        oracle_verify(&o);
    }
    oracle_close(&o);
    unlink(path);
}

struct known {
    unsigned regions, blocks; /* that are warm */
    uint64_t sum;
};

static struct known what_is_known(const struct oracle *o) {
    const struct ftl *f = &ssd_of(o->drive)->ftl;
    struct known k = {0};
    for (uint32_t lpn = 0; lpn < f->units; lpn += 256) {
        unsigned heat = ftl_heat_known(f, lpn);
        k.regions += heat > 0;
        k.sum = k.sum * 31 + heat;
    }
    for (uint64_t i = 0; i < f->total_blocks; i++) {
        k.blocks += f->blocks[i].state == BLOCK_FULL && f->blocks[i].heat;
        k.sum = k.sum * 31 + ftl_heat_of_block(f, i);
    }
    return k;
}

/* A stop keeps all of it, a loss of power what lies beside the data. */
static void test_ssd_streams_are_known_after_a_restart(void **state) {
    struct drive_config config;
    static struct oracle o;
    char path[] = "/tmp/drivelab-test-streams-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    close(fd);
    oracle_config(&config, ARGS("ssd.streams=2", "nand.blocks=20"));
    oracle_open(&o, &config, "file", path, 61);
    o.fua_percent = 0;
    o.weight[IO_FLUSH] = o.weight[IO_TRIM] = o.weight[IO_WRITE_ZEROES] = 0;
    for (unsigned i = 0; i < 6; i++)
        stretch(&o, i, 2000, false);
    oracle_drain(&o);
    struct known before = what_is_known(&o);
    assert_true(before.regions > 0 && before.blocks > 0);
    oracle_reopen(&o);
    struct known after = what_is_known(&o);
    assert_int_equal(after.regions, before.regions);
    assert_true(after.sum == before.sum);
    assert_true(after.blocks >= before.blocks); /* and those that were open */
    oracle_power_cut(&o);
    struct known cut = what_is_known(&o);
    assert_int_equal(cut.regions, 0);
    assert_true(cut.blocks >= before.blocks);
    stretch(&o, 1, 2000, false);
    oracle_verify(&o);
    oracle_check(&o);
    oracle_close(&o);
    unlink(path);
}

/* What a damaged image says of heat may be anything. */
static void test_ssd_streams_take_no_harm_from_wrong_heat(void **state) {
    struct drive_config config;
    static struct oracle o;
    char path[] = "/tmp/drivelab-test-streams-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    close(fd);
    oracle_config(&config, ARGS("ssd.streams=3", "nand.blocks=24"));
    oracle_open(&o, &config, "file", path, 62);
    o.fua_percent = 0;
    o.weight[IO_FLUSH] = 0;
    for (unsigned i = 0; i < 4; i++) {
        bool fresh;
        struct err e = {0};
        const struct ftl *f = &ssd_of(o.drive)->ftl;
        size_t bytes = 88 + ((f->units >> 8) + 1) * 12;
        stretch(&o, i, 1200, false);
        oracle_drain(&o);
        uint8_t *counts = store_state(o.drive->store, "ftl.heat", 1, bytes, &fresh, &e);
        uint8_t *blocks = store_state(o.drive->store, "ftl.heat-blocks", 1, f->total_blocks, &fresh, &e);
        assert_true(counts && blocks && !fresh);
        for (size_t b = i < 2 ? 0 : 88; b < bytes; b++)
            counts[b] = (uint8_t)rng_below(&o.rng, 256);
        for (size_t b = 0; b < f->total_blocks; b++)
            blocks[b] = (uint8_t)rng_below(&o.rng, 256);
        oracle_reopen(&o);
        oracle_check(&o);
        oracle_verify(&o);
    }
    stretch(&o, 1, 3000, false);
    oracle_verify(&o);
    oracle_close(&o);
    unlink(path);
}

static void test_ssd_streams_on_failing_flash(void **state) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config,
                  ARGS("nand.program_fail_ppm=2000", "nand.erase_fail_ppm=3000", "nand.blocks=44", "ssd.streams=2"));
    oracle_open(&o, &config, "memory", NULL, 61);
    for (unsigned i = 0; i < 10; i++)
        stretch(&o, i, 1000, false);
    oracle_check(&o);
    oracle_verify(&o);
    const struct ftl *f = &ssd_of(o.drive)->ftl;
    uint64_t bad = 0, left = 0;
    for (uint64_t i = 0; i < f->total_blocks; i++) {
        bad += f->state[i].bad != 0;
        left += f->state[i].bad ? f->blocks[i].valid : 0;
    }
    assert_true(bad > 3);
    assert_int_equal(left, 0);
    oracle_close(&o);
}

/* Worn out: writes are refused with a reason, nothing hangs, all reads. */
static void test_ssd_streams_end_of_life(void **state) {
    struct drive_config config;
    static struct oracle o;
    for (uint64_t seed = 70; seed < 76; seed++) {
        struct drive_health health = {0};
        oracle_config(&config, ARGS("nand.erase_fail_ppm=200000", "ssd.streams=2", "nand.blocks=20",
                                    seed % 2 ? "ssd.volatile_cache=no" : "ssd.write_buffer=32KiB"));
        config.drive.seed = seed;
        oracle_open(&o, &config, "memory", NULL, seed);
        o.expect_failures = true;
        o.weight[IO_TRIM] = o.weight[IO_WRITE_ZEROES] = 0;
        for (unsigned i = 0; !health.read_only; i++) {
            stretch(&o, i, 50, false);
            drive_health(o.drive, &health);
            assert_true(o.done < 200000);
        }
        oracle_check(&o);
        for (unsigned i = 0; i < 20; i++)
            assert_int_not_equal(oracle_one(&o, IO_WRITE, i, 1, 0), IO_OK);
        for (unsigned i = 0; i < 20; i++)
            assert_int_equal(oracle_one(&o, IO_READ, i + 100, 1, 0), IO_OK);
        oracle_close(&o);
    }
}

static void test_ssd_streams_need_a_page_of_buffer_each(void **state) {
    struct drive_config config;
    struct err e = {0};
    oracle_config(&config, ARGS("ssd.streams=4", "ssd.write_buffer=48KiB", "nand.blocks=30"));
    assert_int_not_equal(drive_config_check(&config, &e), 0);
    assert_non_null(strstr(e.text, "ssd.streams = 4"));
    config.ssd.write_buffer = 64 << 10;
    assert_int_equal(drive_config_check(&config, &e), 0);
    config.nand.blocks = 12; /* three for each heat */
    assert_int_not_equal(drive_config_check(&config, &e), 0);
    assert_non_null(strstr(e.text, "12 spare blocks a plane"));
}

/* Told apart by the drive itself, hot and cold data cost what the best split of the spare would (bench_waf: in full).
 */
static void test_ssd_streams_reach_the_best_split(void **state) {
    static const struct { double writes, space, op; } mix[] = {{0.8, 0.2, 0.125}, {0.9, 0.1, 0.28}};
    for (unsigned i = 0; i < 2; i++) {
        struct waf_drive w = {.policy = "fifo",
                              .streams = 2,
                              .hot_writes = mix[i].writes,
                              .hot_space = mix[i].space,
                              .blocks = 512,
                              .block_units = 32,
                              .alpha = 1 + mix[i].op,
                              .precondition = true,
                              .warmup = 6,
                              .measured = 3,
                              .seed = 3};
        struct err e = {0};
        double best = waf_hot_cold(mix[i].op, mix[i].writes, mix[i].space, NULL), have = waf_simulate(&w, &e);
        print_message("# %g/%g: %.3f, best possible %.3f\n", mix[i].writes, mix[i].space, have, best);
        assert_true(fabs(have / best - 1) < 0.04);
        w.streams = 1;
        assert_true(waf_simulate(&w, &e) > 1.25 * best);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssd_streams_read_back),
        cmocka_unit_test(test_ssd_streams_with_every_victim_policy),
        cmocka_unit_test(test_ssd_streams_on_a_full_drive),
        cmocka_unit_test(test_ssd_streams_power_cut),
        cmocka_unit_test(test_ssd_streams_power_cut_sweep),
        cmocka_unit_test(test_ssd_streams_image_survives_restarts),
        cmocka_unit_test(test_ssd_streams_are_known_after_a_restart),
        cmocka_unit_test(test_ssd_streams_take_no_harm_from_wrong_heat),
        cmocka_unit_test(test_ssd_streams_on_failing_flash),
        cmocka_unit_test(test_ssd_streams_end_of_life),
        cmocka_unit_test(test_ssd_streams_need_a_page_of_buffer_each),
        cmocka_unit_test(test_ssd_streams_reach_the_best_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
