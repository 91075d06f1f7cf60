/* The replayer against a drive of fixed latency, where every time has a closed form. */
#include "load/replay.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LATENCY  10000 /* ns */
#define CAPACITY (64ull << 20)

static struct {
    struct sim *sim;
    struct drive *drive;
    struct drive_ops ops;
    const struct drive_ops *real;
    uint64_t asked, last_offset, last_bytes, failing;
    int64_t last_at_ns;
    char path[64];
    struct load_settings settings;
    volatile sig_atomic_t stop;
    unsigned told;
} bed;

static void watched_submit(struct drive *drive, struct io *io) {
    bed.asked++;
    bed.last_offset = io->offset;
    bed.last_bytes = io->bytes;
    bed.last_at_ns = sim_now(bed.sim);
    if (bed.asked == bed.failing)
        io_fail(io, IO_UNRECOVERED_READ, "told to fail");
    bed.real->submit(drive, io);
}

static int setup(void **state) {
    struct err e = {0};
    struct opt_set set = {0};
    struct drive_config *config = calloc(1, sizeof(*config));
    memset(&bed, 0, sizeof(bed));
    assert_int_equal(drive_config_init(config, &set, &e), 0);
    assert_int_equal(opt_assign_arg(&set, "drive.kind=nossd", &e), 0);
    config->drive.capacity = CAPACITY;
    config->nossd.read_latency = config->nossd.write_latency = LATENCY;
    config->nossd.read_bandwidth = config->nossd.write_bandwidth = 0;
    bed.sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    bed.drive = drive_open(config, "none", NULL, bed.sim, &e);
    free(config);
    if (!bed.drive)
        fail_msg("%s", e.text);
    bed.real = bed.drive->ops;
    bed.ops = *bed.real;
    bed.ops.submit = watched_submit;
    bed.drive->ops = &bed.ops;
    strcpy(bed.path, "/tmp/drivelab-replay-XXXXXX");
    close(mkstemp(bed.path));
    (void)state;
    return 0;
}

static int teardown(void **state) {
    drive_close(bed.drive);
    sim_free(bed.sim);
    unlink(bed.path);
    (void)state;
    return 0;
}

static struct replay_config timed(const char *text) {
    FILE *f = fopen(bed.path, "w");
    fputs("# drivelab trace 1\n", f);
    fputs(text, f);
    fclose(f);
    return (struct replay_config){.trace.path = bed.path, .stretch = 1, .device = -1};
}

static struct replay_result replay(const struct replay_config *config) {
    struct replay_result result;
    struct err e = {0};
    if (load_replay(config, bed.drive, bed.sim, &bed.settings, &result, &e))
        fail_msg("%s", e.text);
    return result;
}

static void refused(const struct replay_config *config, int code, const char *says) {
    struct replay_result result;
    struct err e = {0};
    assert_int_equal(load_replay(config, bed.drive, bed.sim, &bed.settings, &result, &e), code);
    assert_null(result.stat);
    if (!strstr(e.text, says))
        fail_msg("\"%s\" does not say \"%s\"", e.text, says);
}

#define THREE "1000,R,0,4096\n51000,W,4096,8192\n52000,F,0,0\n101000,T,0,4096\n"

static void test_replay_at_the_recorded_times(void **state) {
    struct replay_config c = timed(THREE);
    struct replay_result r = replay(&c);
    assert_int_equal(r.simulated_ns, 100000 + LATENCY);
    assert_int_equal(r.ios, 4);
    assert_int_equal(r.stat->sync.count, 1);
    assert_int_equal(r.stat->dir[RUN_READ].ios, 1);
    assert_int_equal(r.stat->dir[RUN_WRITE].bytes, 8192);
    assert_int_equal(r.stat->dir[RUN_TRIM].ios, 1);
    assert_int_equal(r.stat->dir[RUN_READ].lat.max, LATENCY);
    assert_int_equal(r.most_inflight, 2);
    assert_int_equal(r.moved, 0);
    assert_int_equal(r.span, 12288);
    assert_string_equal(r.format, "drivelab");
    replay_result_release(&r);
    (void)state;
}

static void test_replay_stretched(void **state) {
    struct replay_config c = timed(THREE);
    c.stretch = 3;
    struct replay_result r = replay(&c);
    assert_int_equal(r.simulated_ns, 300000 + LATENCY);
    replay_result_release(&r);
    (void)state;
}

static void test_replay_at_a_depth(void **state) {
    char text[4096] = "";
    for (unsigned i = 0; i < 100; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u,R,%u,4096\n", i * 1000000, i * 4096);
    struct replay_config c = timed(text);
    c.pace = REPLAY_DEPTH;
    c.depth = 4;
    struct replay_result r = replay(&c);
    assert_int_equal(r.simulated_ns, 25 * LATENCY);
    assert_int_equal(r.most_inflight, 4);
    assert_int_equal(r.ios, 100);
    replay_result_release(&r);
    (void)state;
}

static void test_replay_wraps_addresses(void **state) {
    char text[100];
    snprintf(text, sizeof(text), "0,R,%llu,8192\n", CAPACITY * 3 + 4096);
    struct replay_config c = timed(text);
    struct replay_result r = replay(&c);
    assert_int_equal(bed.last_offset, 4096);
    assert_int_equal(r.moved, 1);
    replay_result_release(&r);
    snprintf(text, sizeof(text), "0,R,%llu,8192\n", CAPACITY - 4096); /* over the end: moved before it */
    c = timed(text);
    r = replay(&c);
    assert_int_equal(bed.last_offset, CAPACITY - 8192);
    assert_int_equal(bed.last_bytes, 8192);
    replay_result_release(&r);
    (void)state;
}

static void test_replay_scales_addresses(void **state) {
    char text[200];
    snprintf(text, sizeof(text), "0,R,%llu,4096\n0,R,%llu,4096\n0,R,%llu,512\n", CAPACITY * 4 - 4096, 0ull,
             CAPACITY * 2 + 512);
    struct replay_config c = timed(text);
    c.fit = REPLAY_SCALE;
    struct replay_result r = replay(&c);
    assert_int_equal(bed.last_offset, CAPACITY / 2 + 512);
    assert_int_equal(r.span, CAPACITY * 4);
    assert_int_equal(r.stat->dir[RUN_READ].ios, 3);
    replay_result_release(&r);
    (void)state;
}

static void test_replay_refuses_addresses(void **state) {
    char text[100];
    snprintf(text, sizeof(text), "0,R,0,4096\n5,R,%llu,4096\n", CAPACITY);
    struct replay_config c = timed(text);
    c.fit = REPLAY_REFUSE;
    refused(&c, -ERANGE, ":3: request 2, 4096 bytes at byte 67108864, ends beyond the drive, which has 67108864");
    (void)state;
}

static void test_replay_clips_what_is_larger_than_the_drive(void **state) {
    struct replay_config c = timed("0,W,0,9000000000000000000\n0,R,9223372036854775807,9223372036854775807\n");
    struct replay_result r = replay(&c);
    assert_int_equal(r.clipped, 2);
    assert_int_equal(bed.last_bytes, CAPACITY);
    replay_result_release(&r);
    (void)state;
}

static void test_replay_one_device(void **state) {
    FILE *f = fopen(bed.path, "w");
    fputs("0 1 8 8 1\n0 2 16 8 1\n5 1 24 8 1\n", f);
    fclose(f);
    struct replay_config c = {.trace.path = bed.path, .stretch = 1, .device = 2};
    struct replay_result r = replay(&c);
    assert_int_equal(r.ios, 1);
    assert_int_equal(r.skipped, 2);
    assert_int_equal(bed.last_offset, 8192);
    replay_result_release(&r);
    c.device = 3;
    refused(&c, -EINVAL, "no request in it for this device");
    (void)state;
}

static void test_replay_ends_at_a_limit(void **state) {
    struct replay_config c = timed(THREE);
    c.limit = 2;
    struct replay_result r = replay(&c);
    assert_int_equal(r.ios, 2);
    replay_result_release(&r);
    (void)state;
}

static void test_replay_goes_on_after_a_failure(void **state) {
    struct replay_config c = timed(THREE);
    bed.failing = 1;
    struct replay_result r = replay(&c);
    assert_int_equal(r.ios, 4);
    assert_int_equal(r.stat->dir[RUN_READ].errors, 1);
    assert_int_equal(r.stat->first_error, IO_UNRECOVERED_READ);
    assert_string_equal(r.stat->error_text, "told to fail");
    replay_result_release(&r);
    (void)state;
}

static void test_replay_stops_at_a_bad_line(void **state) {
    struct replay_config c = timed("0,R,0,4096\n100,R,0,4096\n200,X,0,4096\n");
    refused(&c, -EINVAL, ":4: found \"200,X,0,4096\"");
    assert_int_equal(bed.drive->inflight, 0);
    (void)state;
}

static void test_replay_refuses_bad_configurations(void **state) {
    struct replay_config c = timed(THREE);
    c.stretch = 0;
    refused(&c, -EINVAL, "allowed are 1e-06 to 1e+06");
    c = timed(THREE);
    c.pace = REPLAY_DEPTH;
    refused(&c, -EINVAL, "allowed are 1 to");
    c = timed("");
    refused(&c, -EINVAL, "no request in it");
    c.trace.path = "-";
    c.fit = REPLAY_SCALE;
    refused(&c, -EINVAL, "twice");
    (void)state;
}

static void stop_now(void *context, const struct load_progress *p) {
    assert_true(p->done > 0 && p->done <= 1);
    bed.told++;
    bed.stop = 1;
}

static void test_replay_can_be_interrupted(void **state) {
    size_t size = 400000;
    char *text = malloc(size);
    size_t len = 0;
    for (unsigned i = 0; i < 20000; i++)
        len += (size_t)snprintf(text + len, size - len, "%u,R,0,4096\n", i * 100);
    struct replay_config c = timed(text);
    bed.settings = (struct load_settings){.progress = stop_now, .stop = &bed.stop};
    struct replay_result r = replay(&c);
    assert_true(r.interrupted);
    assert_int_equal(bed.told, 1);
    assert_true(r.ios >= 4096 && r.ios < 5000);
    assert_int_equal(bed.drive->inflight, 0);
    replay_result_release(&r);
    free(text);
    (void)state;
}

int main(void) {
#define ON_DRIVE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        ON_DRIVE(test_replay_at_the_recorded_times),
        ON_DRIVE(test_replay_stretched),
        ON_DRIVE(test_replay_at_a_depth),
        ON_DRIVE(test_replay_wraps_addresses),
        ON_DRIVE(test_replay_scales_addresses),
        ON_DRIVE(test_replay_refuses_addresses),
        ON_DRIVE(test_replay_clips_what_is_larger_than_the_drive),
        ON_DRIVE(test_replay_one_device),
        ON_DRIVE(test_replay_ends_at_a_limit),
        ON_DRIVE(test_replay_goes_on_after_a_failure),
        ON_DRIVE(test_replay_stops_at_a_bad_line),
        ON_DRIVE(test_replay_refuses_bad_configurations),
        ON_DRIVE(test_replay_can_be_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
