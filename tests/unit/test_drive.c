/* Drives as their users see them: configuration, ranges, times, health, a killed process. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/rng.h"
#include "drive/drive.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum { KIB = 1024, UNIT = 4096 };

struct bed {
    struct sim *sim;
    struct drive_config config;
    struct drive *drive;
};

static void configure(struct drive_config *config, const char *const *args) {
    struct opt_set set = {0};
    struct err e = {0};
    assert_int_equal(drive_config_init(config, &set, &e), 0);
    for (; args && *args; args++)
        if (opt_assign_arg(&set, *args, &e))
            fail_msg("%s: %s", *args, e.text);
}

static struct bed bed_open(const char *store, const char *path, const char *const *args) {
    struct bed b;
    struct err e = {0};
    configure(&b.config, args);
    b.sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    assert_non_null(b.sim);
    b.drive = drive_open(&b.config, store, path, b.sim, &e);
    if (!b.drive)
        fail_msg("%s", e.text);
    return b;
}

static void bed_close(struct bed *b) {
    struct err e = {0};
    if (drive_check_state(b->drive, &e))
        fail_msg("%s", e.text);
    drive_close(b->drive);
    sim_free(b->sim);
}

struct req {
    struct io io;
    struct iovec vec;
    bool done;
};

static void req_done(struct io *io) {
    struct req *r = (struct req *)io;
    assert_false(r->done);
    r->done = true;
}

static void start(struct bed *b, struct req *r, enum io_op op, uint64_t offset, uint64_t bytes, void *data) {
    memset(r, 0, sizeof *r);
    r->io.op = (uint8_t)op;
    r->io.offset = offset;
    r->io.bytes = bytes;
    r->io.done = req_done;
    r->io.flags = data || op != IO_WRITE ? 0 : IO_NO_DATA;
    r->vec = (struct iovec){data, bytes};
    r->io.vec = data ? &r->vec : NULL;
    r->io.nvec = data != NULL;
    drive_submit(b->drive, &r->io);
    assert_false(r->done); /* never from inside */
}

static int64_t finish(struct bed *b, struct req *r) {
    for (unsigned i = 0; !r->done; i++) {
        assert_true(i < 20000000);
        if (i % 100 == 99)
            usleep(1000); /* virtual time does not wait for the file to be flushed */
        sim_run(b->sim, sim_now(b->sim) + 100000);
    }
    return r->io.completed_ns - r->io.submitted_ns;
}

/* Latency of one request on an idle drive. */
static int64_t one(struct bed *b, enum io_op op, uint64_t offset, uint64_t bytes) {
    struct req r;
    start(b, &r, op, offset, bytes, NULL);
    int64_t ns = finish(b, &r);
    assert_int_equal(r.io.status, IO_OK);
    io_release(&r.io);
    return ns;
}

static json_int_t number(struct bed *b, const char *group, const char *name) {
    json_t *stats = drive_stats(b->drive), *n = json_object_get(json_object_get(stats, group), name);
    assert_non_null(n);
    json_int_t v = json_integer_value(n);
    json_decref(stats);
    return v;
}

/* --- configuration --- */

static void refused(const char *const *args, const char *const *words) {
    struct drive_config config;
    struct err e = {0};
    configure(&config, args);
    assert_int_equal(drive_config_check(&config, &e), -EINVAL);
    for (; *words; words++)
        if (!strstr(e.text, *words))
            fail_msg("\"%s\" is not in: %s", *words, e.text);
}

static void test_drive_config_errors_name_options_and_limits(void **state) {
    struct drive_config config;
    struct opt_set set = {0};
    struct err e = {0};
    drive_config_init(&config, &set, &e);
    assert_int_equal(opt_assign_arg(&set, "drive.capacity=0", &e), -EINVAL);
    assert_non_null(strstr(e.text, "drive.capacity: 0 is out of range (1MiB..1PiB)"));
    refused(ARGS("drive.capacity=100TiB"), ARGS("drive.capacity", "nand.channels=8", "ssd.op_percent=7", "largest"));
    refused(ARGS("drive.capacity=1048577"), ARGS("drive.capacity", "1048577", "4096"));
    refused(ARGS("ssd.plane_order=CLL"), ARGS("ssd.plane_order", "CLL", "PCL"));
    refused(ARGS("nand.page_bytes=12288"), ARGS("nand.page_bytes", "12288", "16384"));
    refused(ARGS("ssd.write_buffer=8KiB"), ARGS("ssd.write_buffer", "8192", "nand.page_bytes"));
    refused(ARGS("ssd.gc_start_percent=1"), ARGS("gc_start_percent", "gc_urgent_percent"));
    refused(ARGS("nand.blocks=1048576"), ARGS("nand.channels", "2^32"));
}

/* The capacity an error names must be accepted, and one unit more must not. */
static void test_drive_config_largest_capacity_is_exact(void **state) {
    const char *base[] = {"nand.channels=2", "nand.luns=2",      "nand.planes=2",       "nand.blocks=16",
                          "nand.pages=16",   "ssd.op_percent=9", "drive.capacity=1TiB", NULL};
    struct drive_config config;
    struct err e = {0};
    configure(&config, base);
    assert_int_not_equal(drive_config_check(&config, &e), 0);
    const char *at = strstr(e.text, "largest capacity is ");
    assert_non_null(at);
    uint64_t most = strtoull(at + strlen("largest capacity is "), NULL, 10);
    config.drive.capacity = most;
    assert_int_equal(drive_config_check(&config, &e), 0);
    config.drive.capacity = most + UNIT;
    assert_int_not_equal(drive_config_check(&config, &e), 0);
}

/* Blocks left to the drive are the fewest that would be accepted if given. */
static void test_drive_config_resolves_the_fewest_blocks(void **state) {
    static const double spare[] = {0, 7, 12.5, 28, 100, 1000}, bad[] = {0, 0.7, 10};
    for (unsigned i = 0; i < 6 * 3 * 20; i++) {
        struct drive_config config;
        struct err e = {0};
        configure(&config, ARGS("nand.channels=2", "nand.luns=3", "nand.planes=2", "nand.blocks=0", "nand.pages=48"));
        config.ssd.op_percent = spare[i % 6];
        config.nand.factory_bad_percent = bad[i / 6 % 3];
        config.drive.capacity = (1u << 20) * (1 + (uint64_t)(i / 18) * 97) + i * UNIT;
        assert_int_equal(drive_config_check(&config, &e), 0);
        assert_int_equal(config.nand.blocks, 0);
        drive_config_resolve(&config);
        uint32_t blocks = config.nand.blocks;
        assert_true(blocks >= 4);
        assert_int_equal(drive_config_check(&config, &e), 0);
        drive_config_resolve(&config);
        assert_int_equal(config.nand.blocks, blocks);
        config.nand.blocks--;
        assert_int_not_equal(drive_config_check(&config, &e), 0);
    }
    refused(ARGS("nand.blocks=0", "nand.pages=1", "drive.capacity=100TiB"), ARGS("nand.blocks = 0", "1048576"));
    refused(ARGS("nand.blocks=3"), ARGS("nand.blocks = 3", "4 to 1048576"));
}

/* An image is of the blocks it came to, however they were asked for. */
static void test_drive_image_has_resolved_blocks(void **state) {
    char path[] = "/tmp/test_drive_resolved_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    const char *geometry[] = {"drive.capacity=24MiB", "nand.channels=2", "nand.luns=2",       "nand.planes=2",
                              "nand.pages=16",        "nand.blocks=0",   "ssd.op_percent=28", NULL};
    struct bed b = bed_open("file", path, geometry);
    uint32_t blocks = b.drive->config.nand.blocks;
    assert_int_equal(blocks, 16);
    bed_close(&b);
    struct err e = {0};
    configure(&b.config, geometry);
    b.config.nand.blocks = blocks;
    b.config.ssd.op_percent = 5;
    b.sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    b.drive = drive_open(&b.config, "file", path, b.sim, &e);
    assert_non_null(b.drive);
    drive_close(b.drive);
    b.config.nand.blocks = 0; /* now fewer */
    assert_null(drive_open(&b.config, "file", path, b.sim, &e));
    assert_non_null(strstr(e.text, "blocks=16"));
    sim_free(b.sim);
    unlink(path);
}

static void test_drive_opens_what_it_accepts_with_bad_blocks(void **state) {
    struct drive_config config;
    struct err e = {0};
    configure(&config, ARGS("nand.channels=1", "nand.luns=1", "nand.planes=1", "nand.blocks=8", "nand.pages=8",
                            "nand.factory_bad_percent=50", "drive.capacity=1MiB", "ssd.op_percent=0"));
    struct sim *sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    for (uint64_t seed = 1; seed < 40; seed++) { /* refused with a reason, or it works */
        config.drive.seed = seed;
        struct drive *drive = drive_open(&config, "none", NULL, sim, &e);
        if (drive)
            drive_close(drive);
        else
            assert_non_null(strstr(e.text, "capacity"));
    }
    sim_free(sim);
}

/* --- wrappers, nossd --- */

static void test_drive_refuses_what_is_out_of_range(void **state) {
    for (unsigned kind = 0; kind < 2; kind++) {
        struct bed b = bed_open("memory", NULL, ARGS(kind ? "drive.kind=ssd" : "drive.kind=nossd"));
        struct req r;
        uint64_t capacity = b.config.drive.capacity;
        start(&b, &r, IO_READ, capacity - UNIT, 2 * UNIT, NULL);
        finish(&b, &r);
        assert_int_equal(r.io.status, IO_LBA_OUT_OF_RANGE);
        assert_non_null(r.io.reason);
        io_release(&r.io);
        start(&b, &r, IO_READ, UINT64_MAX - 100, 4096, NULL);
        finish(&b, &r);
        assert_int_equal(r.io.status, IO_LBA_OUT_OF_RANGE);
        io_release(&r.io);
        start(&b, &r, IO_READ, 0, 0, NULL);
        finish(&b, &r);
        assert_int_equal(r.io.status, IO_OK);
        assert_int_equal(number(&b, "host", "failed"), 2);
        assert_int_equal(number(&b, "host", "inflight"), 0);
        bed_close(&b);
    }
}

static void test_nossd_takes_latency_and_bandwidth(void **state) {
    struct bed b = bed_open(
        "none", NULL,
        ARGS("drive.kind=nossd", "nossd.read_latency=10us", "nossd.write_latency=20us", "nossd.read_bandwidth=1GB"));
    assert_int_equal(one(&b, IO_READ, 0, 100000), 110000);
    assert_int_equal(one(&b, IO_WRITE, 0, 100000), 20000);
    struct req r[2];
    start(&b, &r[0], IO_READ, 0, 50000, NULL);
    start(&b, &r[1], IO_READ, 0, 50000, NULL);
    assert_int_equal(finish(&b, &r[0]), 60000);
    assert_int_equal(finish(&b, &r[1]), 110000);
    bed_close(&b);
}

static void test_nossd_keeps_payload(void **state) {
    struct bed b = bed_open("memory", NULL, ARGS("drive.kind=nossd"));
    struct req r;
    char data[1536];
    memset(data, 7, sizeof data);
    start(&b, &r, IO_WRITE, 512, sizeof data, data);
    finish(&b, &r);
    start(&b, &r, IO_READ, 0, UNIT, NULL);
    finish(&b, &r);
    const char *have = r.io.data;
    assert_int_equal(have[511], 0);
    assert_memory_equal(have + 512, data, sizeof data);
    assert_int_equal(have[2048], 0);
    start(&b, &r, IO_TRIM, 0, UNIT, NULL);
    finish(&b, &r);
    assert_int_equal(have[512], 0);
    bed_close(&b);
}

/* --- times of the ssd --- */

static const char *const timed[] = {
    "drive.capacity=64MiB",
    "nand.channels=2",
    "nand.luns=2",
    "nand.planes=2",
    "nand.blocks=16",
    "nand.pages=48",
    "nand.read_time=40us",
    "nand.program_time=400us",
    "nand.bus_mts=1024",
    "nand.command_time=200",
    "ssd.read_firmware=3us",
    "ssd.write_firmware=2us",
    "ssd.buffer_hit=700",
    "ssd.unmapped_read=900",
    "ssd.host_bandwidth=4096000000",
    "ssd.write_buffer=1MiB",
    NULL,
};

static struct bed timed_open(const char *const *more) {
    const char *args[40];
    unsigned n = 0;
    for (const char *const *a = timed; *a; a++)
        args[n++] = *a;
    for (; more && *more; more++)
        args[n++] = *more;
    args[n] = NULL;
    return bed_open("none", NULL, args);
}

static void test_ssd_read_time_is_the_sum_of_its_parts(void **state) {
    struct bed b = timed_open(ARGS("ssd.precondition=sequential", "ssd.precondition_percent=50"));
    /* command + array + transfer + link + controller */
    assert_int_equal(one(&b, IO_READ, 0, UNIT), 200 + 40000 + 4000 + 1000 + 3000);
    /* four units of one page: one operation */
    assert_int_equal(one(&b, IO_READ, 0, 4 * UNIT), 200 + 40000 + 16000 + 4000 + 3000);
    /* two planes of a die: one multi-plane operation, two transfers */
    assert_int_equal(one(&b, IO_READ, 0, 8 * UNIT), 400 + 40000 + 32000 + 8000 + 3000);
    /* never written */
    assert_int_equal(one(&b, IO_READ, 63 << 20, UNIT), 900 + 1000 + 3000);
    bed_close(&b);
}

static void test_ssd_write_is_answered_from_the_buffer(void **state) {
    struct bed b = timed_open(NULL);
    assert_int_equal(one(&b, IO_WRITE, 0, UNIT), 1000 + 2000);
    assert_int_equal(one(&b, IO_READ, 0, UNIT), 700 + 1000 + 3000);
    assert_int_equal(number(&b, "buffer", "used"), 1);
    one(&b, IO_WRITE, 0, UNIT);
    assert_int_equal(number(&b, "buffer", "write_hits"), 1);
    assert_int_equal(number(&b, "buffer", "used"), 1);
    bed_close(&b);
}

static void test_ssd_flush_and_fua_wait_for_flash(void **state) {
    struct bed b = timed_open(NULL);
    struct req r;
    one(&b, IO_WRITE, 0, UNIT);
    /* command + transfer of the page + program + controller */
    assert_int_equal(one(&b, IO_FLUSH, 0, 0), 200 + 16000 + 400000 + 2000);
    assert_int_equal(one(&b, IO_FLUSH, 0, 0), 2000); /* nothing left to do */
    assert_int_equal(number(&b, "buffer", "used"), 0);
    memset(&r, 0, sizeof r);
    r.io = (struct io){.op = IO_WRITE, .flags = IO_FUA | IO_NO_DATA, .bytes = UNIT, .done = req_done};
    drive_submit(b.drive, &r.io);
    assert_int_equal(finish(&b, &r), 200 + 16000 + 400000);
    bed_close(&b);
    b = timed_open(ARGS("ssd.volatile_cache=no"));
    one(&b, IO_WRITE, 0, UNIT);
    assert_int_equal(one(&b, IO_FLUSH, 0, 0), 2000); /* the buffer is safe */
    bed_close(&b);
}

static void test_ssd_part_of_a_unit_costs_a_read(void **state) {
    struct bed b = timed_open(ARGS("ssd.precondition=sequential", "ssd.precondition_percent=50"));
    int64_t part = one(&b, IO_WRITE, 512, 512);
    assert_int_equal(part, 200 + 40000 + 4000);
    assert_int_equal(number(&b, "buffer", "fill_reads"), 1);
    assert_int_equal(one(&b, IO_WRITE, 1024, 512), 125 + 2000); /* the unit is in the buffer now */
    bed_close(&b);
}

static void test_ssd_full_buffer_makes_writes_wait(void **state) {
    struct bed b = timed_open(ARGS("ssd.write_buffer=64KiB"));
    struct req r[64];
    for (unsigned i = 0; i < 64; i++)
        start(&b, &r[i], IO_WRITE, i * 16 * KIB, 16 * KIB, NULL);
    for (unsigned i = 0; i < 64; i++) {
        int64_t ns = finish(&b, &r[i]);
        if (i >= 8) /* flash sets the pace */
            assert_true(ns > 400000);
    }
    assert_true(number(&b, "buffer", "stalls") > 0);
    assert_true(number(&b, "buffer", "peak") <= 16);
    bed_close(&b);
}

static void test_ssd_deallocation_reaches_the_mapping(void **state) {
    struct bed b = timed_open(NULL);
    one(&b, IO_WRITE, 0, 64 * KIB);
    one(&b, IO_FLUSH, 0, 0);
    assert_int_equal(number(&b, "ftl", "mapped_units"), 16);
    one(&b, IO_TRIM, 2 * KIB, 8 * KIB); /* one whole unit and parts of two */
    assert_int_equal(number(&b, "ftl", "mapped_units"), 15);
    assert_true(drive_mapped(b.drive, 0, UNIT));
    assert_false(drive_mapped(b.drive, UNIT, UNIT));
    one(&b, IO_TRIM, 0, b.config.drive.capacity);
    assert_int_equal(number(&b, "ftl", "mapped_units"), 0);
    assert_false(drive_mapped(b.drive, 0, b.config.drive.capacity));
    bed_close(&b);
}

/* Least erased blocks go first: no block is worn far beyond the others of its plane. */
static void test_ssd_wear_is_spread(void **state) {
    struct bed b = timed_open(ARGS("drive.capacity=32MiB", "nand.endurance=10000"));
    struct rng rng;
    rng_init(&rng, 3, 3);
    for (unsigned i = 0; i < 60000; i++)
        one(&b, IO_WRITE, rng_below(&rng, 8192) * UNIT, UNIT);
    json_t *stats = drive_stats(b.drive), *health = json_object_get(stats, "health");
    double mean = json_real_value(json_object_get(health, "erases_mean"));
    assert_true(mean > 1.5);
    assert_true((double)json_integer_value(json_object_get(health, "erases_most")) < 2 * mean + 3);
    json_decref(stats);
    bed_close(&b);
}

/* --- a terabyte, and the shipped sizes --- */

static void test_ssd_terabyte_opens_sparse(void **state) {
    struct bed b = bed_open("none", NULL, ARGS("drive.capacity=1TiB", "nand.blocks=800"));
    one(&b, IO_WRITE, (1ull << 40) - UNIT, UNIT);
    one(&b, IO_FLUSH, 0, 0);
    assert_true(one(&b, IO_READ, (1ull << 40) - UNIT, UNIT) > 40000);
    drive_close(b.drive); /* the whole self-check would touch every table */
    sim_free(b.sim);
}

/* --- a killed process --- */

struct ack {
    uint32_t unit;
    uint32_t stamp;
};

enum { KILL_UNITS = 4000, KILL_DEPTH = 16 };

struct writer {
    struct req r;
    struct ack ack;
    uint32_t data[UNIT / 4];
};

static uint32_t stamp_of(const void *data) {
    uint32_t first, last;
    memcpy(&first, data, 4);
    memcpy(&last, (const char *)data + UNIT - 4, 4);
    return first == last ? first : UINT32_MAX; /* torn */
}

/* Some die with several open blocks a plane. */
static struct bed killed_open(const char *path, unsigned round) {
    return bed_open("file", path,
                    ARGS("drive.capacity=24MiB", "nand.channels=2", "nand.luns=2", "nand.planes=2", "nand.blocks=18",
                         "nand.pages=16", round % 2 ? "ssd.streams=1" : "ssd.streams=2"));
}

/* Write for ever, telling what was answered. */
static void child(const char *path, int out, unsigned round) {
    struct bed b = killed_open(path, round);
    static struct writer w[KILL_DEPTH];
    struct rng rng;
    rng_init(&rng, round, 1);
    for (uint32_t stamp = round * 10000000 + 1;;) {
        for (unsigned i = 0; i < KILL_DEPTH; i++, stamp++) {
            w[i].ack = (struct ack){i + KILL_DEPTH * (uint32_t)rng_below(&rng, KILL_UNITS / KILL_DEPTH), stamp};
            for (unsigned k = 0; k < UNIT / 4; k++)
                w[i].data[k] = stamp;
            start(&b, &w[i].r, stamp % 50 ? IO_WRITE : IO_FLUSH, (uint64_t)w[i].ack.unit * UNIT, UNIT, w[i].data);
        }
        for (unsigned i = 0; i < KILL_DEPTH; i++) {
            finish(&b, &w[i].r);
            if (w[i].r.io.op == IO_WRITE && write(out, &w[i].ack, sizeof w[i].ack) < 0)
                _exit(1);
        }
    }
}

static void kill_one(const char *path, unsigned round, uint32_t *acked) {
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid)
        child(path, fd[1], round);
    close(fd[1]);
    struct ack ack;
    for (unsigned n = 0; read(fd[0], &ack, sizeof ack) == sizeof ack; n++) {
        acked[ack.unit] = ack.stamp;
        if (n == 3000 + 1777 * round)
            kill(pid, SIGKILL);
    }
    waitpid(pid, NULL, 0);
    close(fd[0]);
}

static void test_ssd_kill_loses_nothing_answered(void **state) {
    char path[] = "/tmp/drivelab-test-kill-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    static uint32_t acked[KILL_UNITS];
    for (unsigned round = 1; round <= 4; round++) {
        kill_one(path, round, acked);
        struct bed b = killed_open(path, round);
        for (uint32_t unit = 0; unit < KILL_UNITS; unit++) {
            struct req r;
            start(&b, &r, IO_READ, (uint64_t)unit * UNIT, UNIT, NULL);
            finish(&b, &r);
            assert_int_equal(r.io.status, IO_OK);
            if (acked[unit] && stamp_of(r.io.data) < acked[unit])
                fail_msg("unit %u: %u was answered, %u is there", unit, acked[unit], stamp_of(r.io.data));
            if (acked[unit])
                assert_false(r.io.unmapped);
        }
        bed_close(&b);
    }
    unlink(path);
}

#define SMALL_FILE_DRIVE                                                                                               \
    ARGS("drive.capacity=24MiB", "nand.channels=2", "nand.luns=2", "nand.planes=2", "nand.blocks=16", "nand.pages=16")

static void write_all(struct bed *b, uint32_t stamp) {
    static uint32_t data[UNIT / 4];
    struct req r;
    for (uint32_t unit = 0; unit < KILL_UNITS; unit++) {
        for (unsigned k = 0; k < UNIT / 4; k++)
            data[k] = stamp + unit;
        start(b, &r, IO_WRITE, (uint64_t)unit * UNIT, UNIT, data);
        finish(b, &r);
    }
}

/* Write, flush, and end as a machine that had not written back all state. */
static void child_torn(const char *path, const char *lost, uint64_t lost_bytes) {
    struct bed b = bed_open("file", path, SMALL_FILE_DRIVE);
    struct err e = {0};
    bool fresh;
    write_all(&b, 1);
    one(&b, IO_FLUSH, 0, 0);
    void *area = store_state(b.drive->store, lost, 1, lost_bytes, &fresh, &e);
    if (!area || fresh)
        _exit(1);
    memset(area, 0, lost_bytes);
    _exit(0);
}

static void check_torn(const char *lost, uint64_t lost_bytes) {
    char path[] = "/tmp/drivelab-test-torn-XXXXXX";
    int fd = mkstemp(path), status;
    assert_true(fd >= 0);
    close(fd);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid)
        child_torn(path, lost, lost_bytes);
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    struct bed b = bed_open("file", path, SMALL_FILE_DRIVE);
    for (uint32_t unit = 0; unit < KILL_UNITS; unit++) {
        struct req r;
        start(&b, &r, IO_READ, (uint64_t)unit * UNIT, UNIT, NULL);
        finish(&b, &r);
        assert_int_equal(r.io.status, IO_OK);
        assert_int_equal(stamp_of(r.io.data), unit + 1);
    }
    write_all(&b, 100000);
    bed_close(&b);
    unlink(path);
}

static void test_ssd_torn_state_loses_nothing_flushed(void **state) {
    struct drive_config config;
    configure(&config, SMALL_FILE_DRIVE);
    check_torn("nand.blocks", nand_block_count(&config.nand) * sizeof(struct nand_block));
}

/* A page of the map may be there although nothing says so. */
static void test_ssd_torn_state_finds_unmarked_map(void **state) {
    struct drive_config config;
    configure(&config, SMALL_FILE_DRIVE);
    check_torn("ftl.map-pages", config.drive.capacity / UNIT / 1024 + 1);
}

/* The second start must not find half a drive. */
static void test_drive_that_cannot_be_made_leaves_no_image(void **state) {
    char path[] = "/tmp/drivelab-test-half-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    struct drive_config config;
    unsigned refusals = 0;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct err e = {0};
        char seed_arg[32];
        snprintf(seed_arg, sizeof seed_arg, "drive.seed=%u", seed);
        configure(&config,
                  ARGS("drive.capacity=52MiB", "nand.channels=1", "nand.luns=1", "nand.planes=1", "nand.blocks=64",
                       "nand.pages=64", "ssd.op_percent=0", "nand.factory_bad_percent=10", seed_arg));
        struct sim *sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
        struct drive *drive = drive_open(&config, "file", path, sim, &e);
        refusals += !drive;
        assert_int_equal(access(path, F_OK), drive ? 0 : -1);
        drive_close(drive);
        unlink(path);
        sim_free(sim);
    }
    assert_in_range(refusals, 1, 19);
}

#define PRECONDITIONED                                                                                                 \
    ARGS("drive.capacity=1GiB", "nand.channels=2", "nand.luns=2", "nand.planes=2", "nand.blocks=48", "nand.pages=256", \
         "ssd.precondition=random")

/* Killed as soon as the image has its name, while the map is being filled. */
static void kill_a_maker(const char *path, unsigned later_us) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        bed_open("file", path, PRECONDITIONED);
        pause();
    }
    while (access(path, F_OK))
        usleep(20);
    usleep(later_us);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void test_drive_killed_while_made_is_made_anew(void **state) {
    for (unsigned i = 0; i < 3; i++) {
        char path[] = "/tmp/drivelab-test-making-XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        close(fd);
        unlink(path);
        kill_a_maker(path, i * 3000);
        struct bed b = bed_open("file", path, PRECONDITIONED);
        json_t *stats = drive_stats(b.drive);
        json_int_t mapped = json_integer_value(json_object_get(json_object_get(stats, "ftl"), "mapped_units"));
        assert_int_equal(mapped, b.config.drive.capacity / UNIT);
        json_decref(stats);
        bed_close(&b);
        unlink(path);
    }
}

/* --- a full disk --- */

enum { CHILD_SKIP = 77 };

/* A file system of its own for this process, of `size`; false where mounting is not allowed. */
static bool small_disk(const char *dir, const char *size) {
    uid_t uid = geteuid();
    char options[64];
    snprintf(options, sizeof options, "size=%s", size);
    return (!unshare(CLONE_NEWNS) || !unshare(CLONE_NEWUSER | CLONE_NEWNS)) &&
           (uid != 0 || !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) && !mount("none", dir, "tmpfs", 0, options);
}

/* Leave no block free. */
static void fill_disk(const char *dir) {
    static char block[UNIT];
    char path[128];
    snprintf(path, sizeof path, "%s/filler", dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    memset(block, 1, sizeof block);
    while (write(fd, block, sizeof block) > 0)
        ;
    close(fd);
}

/* Run in a child with its own small disk mounted at a new directory; its exit status. */
static int on_small_disk(int (*run)(const char *dir), const char *size) {
    char dir[] = "/tmp/drivelab-test-disk-XXXXXX";
    int status;
    assert_non_null(mkdtemp(dir));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid)
        _exit(small_disk(dir, size) ? run(dir) : CHILD_SKIP);
    waitpid(pid, &status, 0);
    rmdir(dir);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define SKIP_OR_0(status)                                                                                              \
    do {                                                                                                               \
        int skip_or_0 = (status);                                                                                      \
        if (skip_or_0 == CHILD_SKIP)                                                                                   \
            skip();                                                                                                    \
        assert_int_equal(skip_or_0, 0);                                                                                \
    } while (0)

/* Deallocating part of a unit that is mapped but has no space yet ends well, or with a reason. */
static int trim_part_of_a_hole(const char *dir) {
    char path[128];
    snprintf(path, sizeof path, "%s/disk.img", dir);
    struct bed b = bed_open("file", path,
                            ARGS("drive.capacity=24MiB", "nand.channels=2", "nand.luns=2", "nand.planes=2",
                                 "nand.blocks=16", "nand.pages=16", "ssd.precondition=sequential"));
    fill_disk(dir);
    const enum io_op ops[] = {IO_TRIM, IO_WRITE_ZEROES};
    for (unsigned i = 0; i < 2; i++) {
        struct req r;
        start(&b, &r, ops[i], (5 + i) * 1048576 + 512, 2 * UNIT, NULL);
        finish(&b, &r);
        if (r.io.status != IO_OK && !r.io.reason)
            return 2;
        io_release(&r.io);
    }
    one(&b, IO_READ, 5 << 20, UNIT);
    bed_close(&b);
    return 0;
}

static void test_ssd_trims_part_of_a_hole_on_a_full_disk(void **state) {
    SKIP_OR_0(on_small_disk(trim_part_of_a_hole, "8m"));
}

/* The blocks' states of a very large drive have their space before anything runs. */
static int open_large(const char *dir) {
    char path[128];
    struct drive_config config;
    struct err e = {0};
    snprintf(path, sizeof path, "%s/disk.img", dir);
    configure(&config, ARGS("drive.capacity=16GiB", "nand.channels=32", "nand.luns=8", "nand.planes=1",
                            "nand.blocks=33000", "nand.pages=1", "nand.page_bytes=4096", "nand.factory_bad_percent=1"));
    struct sim *sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    struct drive *drive = drive_open(&config, "file", path, sim, &e);
    sim_free(sim);
    if (drive || !strstr(e.text, "states of") || !strstr(e.text, "No space"))
        return 2;
    return access(path, F_OK) ? 0 : 3;
}

static void test_ssd_needs_space_for_the_states_of_its_blocks(void **state) {
    SKIP_OR_0(on_small_disk(open_large, "8m"));
}

/* --- options that change, faults --- */

static void reconfigure(struct bed *b, const char *const *args) {
    struct err e = {0};
    struct opt_set set = {0};
    struct drive_config *config = calloc(1, sizeof *config);
    assert_int_equal(drive_config_init(config, &set, &e), 0);
    *config = b->drive->config;
    for (; *args; args++)
        if (opt_assign_arg(&set, *args, &e))
            fail_msg("%s: %s", *args, e.text);
    if (drive_reconfigure(b->drive, config, &e))
        fail_msg("%s", e.text);
    free(config);
}

static void test_nossd_follows_changed_options(void **state) {
    struct bed b = bed_open("none", NULL, ARGS("drive.kind=nossd", "nossd.read_latency=10us", "drive.capacity=64MiB"));
    assert_int_equal(one(&b, IO_READ, 0, 100000), 10000);
    reconfigure(&b, ARGS("nossd.read_latency=30us", "nossd.read_bandwidth=1GB", "nossd.write_latency=1ms",
                         "drive.capacity=128MiB", "nand.read_time=1s"));
    assert_int_equal(one(&b, IO_READ, 0, 100000), 130000);
    assert_int_equal(one(&b, IO_WRITE, 0, 100000), 1000000);
    assert_int_equal(b.drive->config.drive.capacity, 64 << 20);
    reconfigure(&b, ARGS("nossd.read_bandwidth=0"));
    assert_int_equal(one(&b, IO_READ, 0, 100000), 30000);
    bed_close(&b);
}

static void test_ssd_follows_changed_options(void **state) {
    struct bed b = bed_open("none", NULL, timed);
    one(&b, IO_WRITE, 0, 16 * KIB);
    one(&b, IO_FLUSH, 0, 0);
    int64_t before = one(&b, IO_READ, 0, UNIT);
    reconfigure(&b, ARGS("nand.read_time=140us", "ssd.read_firmware=10us", "nand.channels=4", "ssd.write_buffer=1GiB"));
    assert_int_equal(one(&b, IO_READ, 0, UNIT), before + 100000 + 7000);
    assert_int_equal(b.drive->config.nand.channels, 2);
    bed_close(&b);
}

static void test_ssd_faults_of_the_flash_reach_the_request(void **state) {
    struct bed b = bed_open("none", NULL, timed);
    struct nand *nand = drive_nand(b.drive);
    const struct nand_fault f = {1, NAND_READ, NAND_ANY, NAND_ANY, NAND_ANY, 1};
    struct req r;
    one(&b, IO_WRITE, 0, 64 * KIB);
    one(&b, IO_FLUSH, 0, 0);
    assert_int_equal(nand_fault_add(nand, &f, NULL), 0);
    start(&b, &r, IO_READ, 0, UNIT, NULL);
    finish(&b, &r);
    assert_int_equal(r.io.status, IO_UNRECOVERED_READ);
    assert_non_null(strstr(r.io.reason, "uncorrectable page"));
    io_release(&r.io);
    int64_t usual = one(&b, IO_READ, 0, UNIT);
    for (uint16_t die = 0; die < 4; die++)
        assert_int_equal(nand_hold(nand, die, 9000000, NULL), 0);
    assert_int_equal(one(&b, IO_READ, 0, UNIT), usual + 9000000);
    bed_close(&b);
}

static void test_drive_measures_latencies_when_asked(void **state) {
    struct bed b =
        bed_open("none", NULL, ARGS("drive.kind=nossd", "nossd.read_latency=10us", "nossd.write_latency=1ms"));
    json_t *stats = drive_stats(b.drive);
    one(&b, IO_READ, 0, UNIT);
    assert_null(json_object_get(stats, "latency_ns"));
    json_decref(stats);
    for (unsigned again = 0; again < 2; again++) {
        assert_int_equal(drive_measure(b.drive), 0);
        one(&b, IO_READ, 0, UNIT);
        one(&b, IO_READ, 0, UNIT);
        one(&b, IO_WRITE, 0, UNIT);
        stats = drive_stats(b.drive);
        json_int_t reads, read_max, writes, write_max;
        assert_int_equal(json_unpack(stats, "{s:{s:{s:I,s:I},s:{s:I,s:I}}}", "latency_ns", "read", "count", &reads,
                                     "max", &read_max, "write", "count", &writes, "max", &write_max),
                         0);
        assert_int_equal(reads, 2);
        assert_int_equal(read_max, 10000);
        assert_int_equal(writes, 1);
        assert_int_equal(write_max, 1000000);
        json_decref(stats);
    }
    assert_null(drive_nand(b.drive));
    assert_true(drive_reads_section(b.drive, "nossd"));
    assert_true(drive_reads_section(b.drive, "drive"));
    assert_false(drive_reads_section(b.drive, "nand"));
    bed_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drive_config_errors_name_options_and_limits),
        cmocka_unit_test(test_drive_config_largest_capacity_is_exact),
        cmocka_unit_test(test_drive_config_resolves_the_fewest_blocks),
        cmocka_unit_test(test_drive_image_has_resolved_blocks),
        cmocka_unit_test(test_drive_opens_what_it_accepts_with_bad_blocks),
        cmocka_unit_test(test_drive_refuses_what_is_out_of_range),
        cmocka_unit_test(test_nossd_takes_latency_and_bandwidth),
        cmocka_unit_test(test_nossd_keeps_payload),
        cmocka_unit_test(test_ssd_read_time_is_the_sum_of_its_parts),
        cmocka_unit_test(test_ssd_write_is_answered_from_the_buffer),
        cmocka_unit_test(test_ssd_flush_and_fua_wait_for_flash),
        cmocka_unit_test(test_ssd_part_of_a_unit_costs_a_read),
        cmocka_unit_test(test_ssd_full_buffer_makes_writes_wait),
        cmocka_unit_test(test_ssd_deallocation_reaches_the_mapping),
        cmocka_unit_test(test_ssd_wear_is_spread),
        cmocka_unit_test(test_ssd_terabyte_opens_sparse),
        cmocka_unit_test(test_ssd_kill_loses_nothing_answered),
        cmocka_unit_test(test_ssd_torn_state_loses_nothing_flushed),
        cmocka_unit_test(test_ssd_torn_state_finds_unmarked_map),
        cmocka_unit_test(test_drive_that_cannot_be_made_leaves_no_image),
        cmocka_unit_test(test_drive_killed_while_made_is_made_anew),
        cmocka_unit_test(test_ssd_trims_part_of_a_hole_on_a_full_disk),
        cmocka_unit_test(test_ssd_needs_space_for_the_states_of_its_blocks),
        cmocka_unit_test(test_nossd_follows_changed_options),
        cmocka_unit_test(test_ssd_follows_changed_options),
        cmocka_unit_test(test_ssd_faults_of_the_flash_reach_the_request),
        cmocka_unit_test(test_drive_measures_latencies_when_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
