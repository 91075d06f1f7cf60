/* The ssd against its oracle: random requests, restarts, power cuts, failing flash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "drive_oracle.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void run(const char *const *args, uint64_t seed, uint64_t ios) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, args);
    oracle_open(&o, &config, "memory", NULL, seed);
    for (unsigned i = 0; i < 8; i++) {
        oracle_run(&o, ios / 8, i % 2);
        oracle_check(&o);
    }
    oracle_drain(&o);
    oracle_verify(&o);
    oracle_check(&o);
    oracle_close(&o);
}

static void test_ssd_random_requests_read_back(void **state) {
    run(NULL, 1, 20000);
}

static void test_ssd_every_plane_order_reads_back(void **state) {
    static const char *const orders[] = {"CLP", "CPL", "LCP", "LPC", "PCL", "PLC"};
    for (unsigned i = 0; i < 6; i++) {
        char arg[64];
        snprintf(arg, sizeof arg, "ssd.plane_order=%s", orders[i]);
        run(ARGS(arg), 2 + i, 4000);
    }
}

static void test_ssd_writes_through_without_buffer(void **state) {
    run(ARGS("ssd.write_buffer=0"), 10, 6000);
}

static void test_ssd_protected_buffer(void **state) {
    run(ARGS("ssd.volatile_cache=no"), 11, 6000);
}

static void test_ssd_small_pages_and_single_plane(void **state) {
    run(ARGS("nand.page_bytes=4096", "nand.planes=1", "nand.blocks=48", "nand.pages=32", "ssd.write_buffer=16KiB"), 12,
        8000);
}

static void test_ssd_tight_spare(void **state) {
    /* 8 planes of 16 blocks less 3 each, 256 KiB a block... minus nothing: the largest capacity */
    run(ARGS("drive.capacity=26MiB", "ssd.op_percent=0"), 13, 12000);
}

static void test_ssd_foreground_collection_only(void **state) {
    run(ARGS("ssd.gc_background=no"), 14, 8000);
}

static void power(const char *const *args, uint64_t seed) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, args);
    oracle_open(&o, &config, "memory", NULL, seed);
    for (unsigned i = 0; i < 12; i++) {
        oracle_run(&o, 100 + rng_below(&o.rng, 1500), true);
        oracle_power_cut(&o);
        oracle_check(&o);
    }
    oracle_run(&o, 500, false);
    oracle_verify(&o);
    oracle_close(&o);
}

static void test_ssd_power_cut_keeps_what_was_flushed(void **state) {
    power(NULL, 20);
    power(ARGS("ssd.write_buffer=0"), 21);
    power(ARGS("ssd.volatile_cache=no"), 22);
    power(ARGS("drive.capacity=26MiB", "ssd.op_percent=0"), 23);
}

/* A protected buffer loses nothing that was answered. */
static void test_ssd_power_cut_protected_buffer_keeps_all(void **state) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, ARGS("ssd.volatile_cache=no"));
    oracle_open(&o, &config, "memory", NULL, 24);
    for (unsigned i = 0; i < 6; i++) {
        oracle_run(&o, 800, false);
        drive_power_cut(o.drive);
        oracle_check(&o);
        oracle_verify(&o);
    }
    oracle_close(&o);
}

/* And a volatile one does lose something: the cut is real. */
static void test_ssd_power_cut_loses_unflushed(void **state) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, NULL);
    oracle_open(&o, &config, "memory", NULL, 25);
    assert_int_equal(oracle_one(&o, IO_WRITE, 7, 1, 0), IO_OK);
    assert_true(drive_mapped(o.drive, 7 * UNIT, UNIT));
    drive_power_cut(o.drive);
    assert_false(drive_mapped(o.drive, 7 * UNIT, UNIT));
    assert_int_equal(oracle_one(&o, IO_WRITE, 7, 1, 0), IO_OK);
    assert_int_equal(oracle_one(&o, IO_FLUSH, 0, 0, 0), IO_OK);
    drive_power_cut(o.drive);
    assert_true(drive_mapped(o.drive, 7 * UNIT, UNIT));
    assert_int_equal(oracle_one(&o, IO_WRITE, 9, 1, IO_FUA), IO_OK);
    drive_power_cut(o.drive);
    assert_true(drive_mapped(o.drive, 9 * UNIT, UNIT));
    oracle_verify(&o);
    oracle_close(&o);
}

static void test_ssd_file_image_survives_restarts(void **state) {
    struct drive_config config;
    static struct oracle o;
    char path[] = "/tmp/drivelab-test-ssd-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    close(fd);
    oracle_config(&config, NULL);
    oracle_open(&o, &config, "file", path, 30);
    o.fua_percent = 0; /* each costs a real flush of the file */
    o.weight[IO_FLUSH] = 0;
    for (unsigned i = 0; i < 3; i++) {
        oracle_run(&o, 1200, false);
        assert_int_equal(oracle_one(&o, IO_FLUSH, 0, 0, 0), IO_OK);
        oracle_reopen(&o);
        oracle_check(&o);
        oracle_verify(&o);
    }
    oracle_close(&o);
    unlink(path);
}

static void failing(const char *const *args, uint64_t seed, uint64_t ios) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, args);
    oracle_open(&o, &config, "memory", NULL, seed);
    oracle_run(&o, ios, false);
    oracle_check(&o);
    oracle_verify(&o);
    oracle_close(&o);
}

static void test_ssd_failing_programs_and_erases_lose_nothing(void **state) {
    failing(ARGS("nand.program_fail_ppm=300", "nand.erase_fail_ppm=3000", "nand.blocks=24"), 40, 10000);
    failing(ARGS("nand.program_fail_ppm=300", "nand.blocks=24", "ssd.plane_order=CLP"), 41, 10000);
}

static void test_ssd_failing_reads_are_reported(void **state) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, ARGS("nand.read_fail_ppm=2000"));
    oracle_open(&o, &config, "memory", NULL, 42);
    o.expect_failures = true;
    oracle_run(&o, 8000, false);
    assert_true(o.failed > 0);
    struct drive_health health;
    drive_health(o.drive, &health);
    assert_true(health.media_errors > 0);
    assert_false(health.read_only);
    oracle_check(&o);
    oracle_close(&o);
}

/* Blocks fail until none is left to write to: writes are refused, everything still reads. */
static void test_ssd_end_of_life_is_read_only(void **state) {
    struct drive_config config;
    static struct oracle o;
    struct drive_health health = {0};
    oracle_config(&config, ARGS("nand.erase_fail_ppm=200000", "ssd.volatile_cache=no"));
    oracle_open(&o, &config, "memory", NULL, 43);
    o.expect_failures = true;
    o.weight[IO_TRIM] = o.weight[IO_WRITE_ZEROES] = 0;
    while (!health.read_only) {
        oracle_run(&o, 50, false);
        drive_health(o.drive, &health);
        assert_true(o.done < 200000);
    }
    assert_int_equal(health.spare_percent, 0);
    oracle_check(&o);
    for (unsigned i = 0; i < 50; i++)
        assert_int_not_equal(oracle_one(&o, IO_WRITE, i, 1, 0), IO_OK);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(oracle_one(&o, IO_READ, i + 100, 1, 0), IO_OK);
    assert_int_equal(oracle_one(&o, IO_FLUSH, 0, 0, 0), IO_OK);
    oracle_close(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssd_random_requests_read_back),
        cmocka_unit_test(test_ssd_every_plane_order_reads_back),
        cmocka_unit_test(test_ssd_writes_through_without_buffer),
        cmocka_unit_test(test_ssd_protected_buffer),
        cmocka_unit_test(test_ssd_small_pages_and_single_plane),
        cmocka_unit_test(test_ssd_tight_spare),
        cmocka_unit_test(test_ssd_foreground_collection_only),
        cmocka_unit_test(test_ssd_power_cut_keeps_what_was_flushed),
        cmocka_unit_test(test_ssd_power_cut_protected_buffer_keeps_all),
        cmocka_unit_test(test_ssd_power_cut_loses_unflushed),
        cmocka_unit_test(test_ssd_file_image_survives_restarts),
        cmocka_unit_test(test_ssd_failing_programs_and_erases_lose_nothing),
        cmocka_unit_test(test_ssd_failing_reads_are_reported),
        cmocka_unit_test(test_ssd_end_of_life_is_read_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
