/*
 * Mapping units of more than 4 KiB, and writes of part of a unit: what is read
 * back, what a loss of power leaves, and what each costs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "drive/ssd/ssd.h"
#include "drive_oracle.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char *const partials[] = {"ssd.partial=wait", "ssd.partial=buffer"};

static void check_all(struct oracle *o) {
    oracle_check(o);
    oracle_verify(o);
    oracle_check(o);
}

static void run(const char *const *args, uint64_t seed, uint64_t ios) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, args);
    oracle_open(&o, &config, "memory", NULL, seed);
    for (unsigned i = 0; i < 6; i++) {
        oracle_run(&o, ios / 6, i % 2);
        oracle_check(&o);
    }
    oracle_drain(&o);
    check_all(&o);
    oracle_close(&o);
}

static void test_units_random_requests_read_back(void **state) {
    for (unsigned p = 0; p < 2; p++) {
        run(ARGS("ssd.map_unit=8KiB", partials[p]), 1, 6000);
        run(ARGS("ssd.map_unit=16KiB", partials[p], "ssd.partial_percent=0"), 2, 6000);
        run(ARGS("ssd.map_unit=64KiB", "nand.page_bytes=65536", partials[p], "ssd.partial_percent=90"), 3, 4000);
        run(ARGS("ssd.map_unit=4KiB", partials[p]), 4, 6000);
        run(ARGS("ssd.map_unit=8KiB", "ssd.streams=2", partials[p]), 5, 4000);
        run(ARGS("ssd.map_unit=8KiB", "ssd.write_buffer=16KiB", partials[p]), 6, 4000);
        run(ARGS("ssd.map_unit=16KiB", "ssd.write_buffer=0", partials[p]), 7, 4000);
    }
}

static void power(const char *const *args, uint64_t seed) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, args);
    oracle_open(&o, &config, "memory", NULL, seed);
    for (unsigned i = 0; i < 10; i++) {
        oracle_run(&o, 100 + rng_below(&o.rng, 1000), true);
        oracle_power_cut(&o);
        oracle_check(&o);
    }
    oracle_run(&o, 500, false);
    oracle_verify(&o);
    oracle_close(&o);
}

static void test_units_power_cut_keeps_what_was_flushed(void **state) {
    for (unsigned p = 0; p < 2; p++) {
        power(ARGS("ssd.map_unit=16KiB", partials[p]), 20);
        power(ARGS("ssd.map_unit=8KiB", "ssd.write_buffer=0", partials[p]), 21);
        power(ARGS("ssd.map_unit=8KiB", "ssd.volatile_cache=no", partials[p]), 22);
        power(ARGS("ssd.map_unit=4KiB", partials[p]), 23);
    }
}

/* Each unit in its own plane, with a plane that wears out, too. */
static void test_units_in_fixed_planes(void **state) {
    static const char *const fixed[] = {"ssd.map_unit=16KiB", "ssd.placement=fixed", "ssd.partial=buffer", NULL};
    struct drive_config config;
    static struct oracle o;
    run(fixed, 8, 8000);
    run(ARGS("ssd.map_unit=16KiB", "ssd.placement=fixed", "ssd.write_buffer=0", "ssd.gc_policy=fifo"), 9, 6000);
    run(ARGS("ssd.map_unit=16KiB", "ssd.placement=fixed", "nand.program_fail_ppm=2000", "nand.erase_fail_ppm=2000",
             "nand.blocks=24"),
        10, 8000);
    power(fixed, 24);
    oracle_config(&config, fixed);
    oracle_open(&o, &config, "memory", NULL, 11);
    oracle_run(&o, 3000, false);
    assert_int_equal(oracle_one(&o, IO_FLUSH, 0, 0, 0), IO_OK);
    const struct ftl *f = &ssd_of(o.drive)->ftl;
    uint32_t home = 0, mapped = 0;
    for (uint32_t lpn = 0; lpn < f->units; lpn++) {
        uint32_t entry = f->ops->translate(f, lpn);
        if (!ftl_on_flash(entry))
            continue;
        mapped++;
        home += ftl_plane_of(f, (entry - 1) >> f->block_shift) == &f->plane[f->order[lpn % f->planes]];
    }
    assert_true(mapped > f->units / 4);
    assert_int_equal(home, mapped);
    oracle_close(&o);
}

/* Planes are given up while all the host's writes wait for them: these go elsewhere, and nobody waits for ever. */
static void test_units_fixed_planes_are_given_up(void **state) {
    struct drive_config config;
    static struct oracle o;
    uint64_t failed = 0;
    for (uint64_t seed = 0; seed < 6; seed++) {
        oracle_config(&config,
                      ARGS("nand.page_bytes=8192", "ssd.map_unit=8KiB", "drive.capacity=32MiB", "ssd.placement=fixed",
                           "ssd.write_buffer=0", "nand.blocks=60", "ssd.op_percent=30", "nand.pages=8", "nand.planes=4",
                           "ssd.precondition=random", "ssd.precondition_percent=63.7", "ssd.gc_policy=random",
                           "ssd.gc_background=no", "nand.program_fail_ppm=20000", "nand.erase_fail_ppm=5000"));
        oracle_open(&o, &config, "memory", NULL, seed);
        o.expect_failures = true;
        oracle_run(&o, 2500, false);
        oracle_check(&o);
        failed += o.failed;
        oracle_close(&o);
    }
    assert_true(failed > 0);
}

static void test_units_image_survives_restarts(void **state) {
    struct drive_config config;
    static struct oracle o;
    char path[] = "/tmp/drivelab-test-units-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    close(fd);
    oracle_config(&config, ARGS("ssd.map_unit=16KiB", "ssd.partial=buffer"));
    oracle_open(&o, &config, "file", path, 30);
    o.fua_percent = 0; /* each costs a real flush of the file */
    o.weight[IO_FLUSH] = 0;
    for (unsigned i = 0; i < 3; i++) {
        oracle_run(&o, 1000, false);
        assert_int_equal(oracle_one(&o, IO_FLUSH, 0, 0, 0), IO_OK);
        oracle_reopen(&o);
        check_all(&o);
    }
    oracle_close(&o);
    unlink(path);
}

static void test_units_failing_flash(void **state) {
    struct drive_config config;
    static struct oracle o;
    for (unsigned p = 0; p < 2; p++) {
        oracle_config(&config, ARGS("ssd.map_unit=8KiB", "nand.read_fail_ppm=2000", "nand.program_fail_ppm=1000",
                                    "nand.blocks=40", partials[p]));
        oracle_open(&o, &config, "memory", NULL, 40 + p);
        o.expect_failures = true;
        oracle_run(&o, 6000, false);
        assert_true(o.failed > 0);
        oracle_check(&o);
        oracle_close(&o);
    }
}

/* --- what it costs --- */

struct request {
    struct io io;
    bool done;
};

static void request_done(struct io *io) {
    assert_int_equal(io->status, IO_OK);
    ((struct request *)io)->done = true;
}

static void submit(struct oracle *o, struct request *r, enum io_op op, uint64_t offset, uint64_t bytes) {
    *r = (struct request){0};
    io_init(&r->io);
    r->io.op = (uint8_t)op;
    r->io.flags = IO_NO_DATA;
    r->io.offset = offset;
    r->io.bytes = bytes;
    r->io.done = request_done;
    drive_submit(o->drive, &r->io);
}

/* A request that is waited for; how long it took. */
static int64_t one(struct oracle *o, enum io_op op, uint64_t offset, uint64_t bytes) {
    struct request r;
    submit(o, &r, op, offset, bytes);
    while (!r.done)
        sim_run(o->sim, sim_now(o->sim) + 1000);
    return r.io.completed_ns - r.io.submitted_ns;
}

enum { ARRAY = 40000, FIRMWARE = 5000, HIT = 1000 };

static void open_plain(struct oracle *o, const char *unit, const char *partial, const char *percent) {
    struct drive_config config;
    oracle_config(&config, ARGS(unit, partial, percent, "nand.read_time=40us", "nand.bus_mts=1000", "ssd.op_percent=25",
                                "ssd.precondition=sequential", "ssd.precondition_percent=50"));
    oracle_open(o, &config, "none", NULL, 1);
}

static const struct ssd_counters *count(const struct oracle *o) {
    return &ssd_of(o->drive)->count;
}

/* A part waits for the rest, or it does not. */
static void test_units_part_is_answered(void **state) {
    static struct oracle o;
    open_plain(&o, "ssd.map_unit=16KiB", "ssd.partial=wait", "ssd.partial_percent=50");
    assert_int_equal(one(&o, IO_WRITE, 0, 16384), FIRMWARE);
    assert_true(one(&o, IO_WRITE, 65536, 4096) >= ARRAY + 12288); /* three quarters of the unit cross the channel */
    assert_int_equal(count(&o)->fill_reads, 1);
    assert_int_equal(one(&o, IO_WRITE, 8 << 20, 4096), FIRMWARE); /* nothing is there */
    assert_int_equal(count(&o)->fill_reads, 1);
    oracle_close(&o);

    open_plain(&o, "ssd.map_unit=16KiB", "ssd.partial=buffer", "ssd.partial_percent=50");
    assert_int_equal(one(&o, IO_WRITE, 65536, 4096), FIRMWARE);
    assert_int_equal(count(&o)->fill_reads, 0);
    assert_int_equal(one(&o, IO_READ, 65536, 4096), FIRMWARE + HIT);
    assert_true(one(&o, IO_READ, 65536 + 4096, 4096) >= ARRAY); /* is on flash only */
    assert_true(one(&o, IO_READ, 65536, 8192) >= ARRAY);
    /* The rest comes: whole without a read. */
    assert_int_equal(one(&o, IO_WRITE, 65536 + 4096, 12288), FIRMWARE);
    assert_int_equal(one(&o, IO_FLUSH, 0, 0) > 0, 1);
    assert_int_equal(count(&o)->fill_reads, 0);
    /* It does not: a flush reads it. */
    assert_int_equal(one(&o, IO_WRITE, 131072, 4096), FIRMWARE);
    assert_true(one(&o, IO_FLUSH, 0, 0) > ARRAY);
    assert_int_equal(count(&o)->fill_reads, 1);
    oracle_close(&o);
}

/* The rest of a unit can't be read, but is written while that is tried: nothing is lost. */
static void test_units_rest_is_written_before_its_read_fails(void **state) {
    struct drive_config config;
    static struct oracle o;
    for (uint64_t bytes = 12288; bytes <= 16384; bytes += 4096) {
        struct request flush, rest;
        oracle_config(&config, ARGS("ssd.map_unit=16KiB", "ssd.partial=buffer", "ssd.precondition=sequential",
                                    "ssd.precondition_percent=50", "nand.read_fail_ppm=1000000"));
        oracle_open(&o, &config, "none", NULL, 1);
        one(&o, IO_WRITE, 65536, 4096);
        submit(&o, &flush, IO_FLUSH, 0, 0);
        sim_run(o.sim, sim_now(o.sim) + 6000);
        assert_int_equal(count(&o)->fill_reads, 1);
        submit(&o, &rest, IO_WRITE, 65536 + 16384 - bytes, bytes);
        while (!flush.done || !rest.done)
            sim_run(o.sim, sim_now(o.sim) + 1000);
        assert_true(ftl_on_flash(ssd_of(o.drive)->ftl.ops->translate(&ssd_of(o.drive)->ftl, 65536 >> 14)));
        assert_int_equal(ssd_of(o.drive)->ftl.count.lost_units, 0);
        oracle_close(&o);
    }
}

static void any_done(struct io *io) {
    ((struct request *)io)->done = true;
}

/* The status of a request that is waited for. */
static uint16_t status_of(struct oracle *o, enum io_op op, uint32_t flags, uint64_t offset, uint64_t bytes) {
    struct request r = {0};
    io_init(&r.io);
    r.io.op = (uint8_t)op;
    r.io.flags = IO_NO_DATA | flags;
    r.io.offset = offset;
    r.io.bytes = bytes;
    r.io.done = any_done;
    drive_submit(o->drive, &r.io);
    while (!r.done)
        sim_run(o->sim, sim_now(o->sim) + 1000);
    uint16_t status = r.io.status;
    io_release(&r.io);
    return status;
}

static void lose(struct oracle *o, uint32_t lpn) {
    struct ftl *f = &ssd_of(o->drive)->ftl;
    f->ops->mark(f, lpn, FTL_LOST);
}

static uint32_t entry(const struct oracle *o, uint32_t lpn) {
    const struct ftl *f = &ssd_of(o->drive)->ftl;
    return f->ops->translate(f, lpn);
}

/* A part does not bring the rest of a lost unit back, nor itself. */
static void test_units_lost_stay_lost(void **state) {
    static const char *const ways[] = {"ssd.partial=wait", "ssd.partial=buffer", "ssd.partial=free"};
    enum { AT = 65536, PART = 4096, UNIT_BYTES = 16384, LPN = AT / UNIT_BYTES };
    static struct oracle o;
    struct err e = {0};
    for (unsigned i = 0; i < 3; i++) {
        open_plain(&o, "ssd.map_unit=16KiB", ways[i], "ssd.partial_percent=50");
        lose(&o, LPN);
        assert_int_equal(status_of(&o, IO_WRITE, 0, AT, PART), IO_OK);
        assert_int_equal(status_of(&o, IO_READ, 0, AT, PART), IO_OK); /* from the buffer */
        assert_int_equal(status_of(&o, IO_READ, 0, AT + PART, PART), IO_UNRECOVERED_READ);
        assert_int_equal(status_of(&o, IO_FLUSH, 0, 0, 0), IO_OK);
        assert_int_equal(status_of(&o, IO_READ, 0, AT, PART), IO_UNRECOVERED_READ);
        assert_int_equal(status_of(&o, IO_READ, 0, AT + PART, PART), IO_UNRECOVERED_READ);
        assert_int_equal(entry(&o, LPN), FTL_LOST);
        assert_int_equal(status_of(&o, IO_WRITE, IO_FUA, AT, PART), IO_WRITE_FAULT);
        assert_int_equal(entry(&o, LPN), FTL_LOST);
        assert_int_equal(ssd_of(o.drive)->buffer.used, 0);
        /* All its parts do, and so do a whole unit and a deallocation. */
        for (uint64_t at = AT; at < AT + UNIT_BYTES; at += PART)
            assert_int_equal(status_of(&o, IO_WRITE, 0, at, PART), IO_OK);
        assert_int_equal(entry(&o, LPN), FTL_BUFFERED);
        assert_int_equal(status_of(&o, IO_FLUSH, 0, 0, 0), IO_OK);
        assert_true(ftl_on_flash(entry(&o, LPN)));
        lose(&o, LPN);
        assert_int_equal(status_of(&o, IO_WRITE, IO_FUA, AT, UNIT_BYTES), IO_OK);
        assert_int_equal(status_of(&o, IO_READ, 0, AT, UNIT_BYTES), IO_OK);
        lose(&o, LPN);
        assert_int_equal(status_of(&o, IO_TRIM, 0, AT, UNIT_BYTES), IO_OK);
        assert_int_equal(entry(&o, LPN), FTL_UNMAPPED);
        assert_int_equal(drive_check_state(o.drive, &e), 0);
        oracle_close(&o);
    }
}

/* A buffer full of parts of lost units is no reason to wait for ever. */
static void test_units_lost_parts_make_room(void **state) {
    static struct oracle o;
    for (unsigned wide = 0; wide < 2; wide++) {
        open_plain(&o, "ssd.map_unit=16KiB", "ssd.write_buffer=64KiB", "ssd.partial_percent=90");
        for (uint32_t lpn = 0; lpn < 100; lpn++)
            lose(&o, lpn);
        if (wide)
            assert_int_equal(status_of(&o, IO_WRITE, 0, 4096, 99 * 16384), IO_OK);
        for (uint64_t lpn = 0; lpn < 100; lpn++)
            assert_int_equal(status_of(&o, IO_WRITE, 0, lpn * 16384, 4096), IO_OK);
        assert_int_equal(status_of(&o, IO_FLUSH, 0, 0, 0), IO_OK);
        assert_int_equal(entry(&o, 99), FTL_LOST);
        assert_int_equal(ftl_on_flash(entry(&o, 50)), wide);
        oracle_close(&o);
    }
}

/* Where nobody reads the rest of units, parts take only their own room. */
static void test_units_buffer_counts_what_was_written(void **state) {
    static struct oracle o;
    struct request r[20];
    for (unsigned apart = 0; apart < 2; apart++) {
        open_plain(&o, "ssd.map_unit=16KiB", apart ? "ssd.partial=free" : "ssd.partial=buffer",
                   "ssd.write_buffer=64KiB");
        for (unsigned i = 0; i < 20; i++) {
            submit(&o, &r[i], IO_WRITE, 65536 + i * 16384, 4096);
            assert_int_equal(count(&o)->stalls > 0, i >= (apart ? 16 : 4));
        }
        for (unsigned i = 0; i < 20; i++)
            while (!r[i].done)
                sim_run(o.sim, sim_now(o.sim) + 1000);
        one(&o, IO_FLUSH, 0, 0);
        oracle_close(&o);
    }
}

static double amplification(const struct oracle *o) {
    struct json_t *all = o->drive->ops->stats(o->drive);
    double wa = json_number_value(json_object_get(all, "write_amplification"));
    json_decref(all);
    return wa;
}

/* Scattered writes of a quarter of a unit program four times as much; in order, the buffer puts them together. */
static void test_units_write_amplification(void **state) {
    static struct oracle o;
    open_plain(&o, "ssd.map_unit=16KiB", "ssd.partial=buffer", "ssd.partial_percent=25");
    for (uint64_t i = 0; i < 400; i++)
        one(&o, IO_WRITE, i * 16384 % (8 << 20), 4096);
    one(&o, IO_FLUSH, 0, 0);
    assert_true(amplification(&o) > 3.9 && amplification(&o) < 4.3);
    assert_int_equal(count(&o)->fill_reads, 400);
    oracle_close(&o);

    open_plain(&o, "ssd.map_unit=16KiB", "ssd.partial=buffer", "ssd.partial_percent=25");
    for (uint64_t i = 0; i < 1600; i++)
        one(&o, IO_WRITE, i * 4096, 4096);
    one(&o, IO_FLUSH, 0, 0);
    assert_true(amplification(&o) > 0.99 && amplification(&o) < 1.1);
    assert_int_equal(count(&o)->fill_reads, 0);
    oracle_close(&o);
}

/* Only what is asked for crosses the channel. */
static void test_units_reads_move_what_they_need(void **state) {
    static struct oracle o;
    open_plain(&o, "ssd.map_unit=16KiB", "ssd.partial=wait", "ssd.partial_percent=50");
    int64_t quarter = one(&o, IO_READ, 20480, 4096), whole = one(&o, IO_READ, 16384, 16384);
    assert_in_range(whole - quarter, 12288 - 1, 12288 + 1); /* ns at 1 GB/s */
    assert_int_equal(one(&o, IO_READ, 20480 + 512, 512), quarter);
    assert_in_range(one(&o, IO_READ, 20480 - 512, 1024) - quarter, 4096 - 1, 4096 + 1);
    oracle_close(&o);
}

/* Blocks of a few pages: as many as needed leave collection something to gain. */
static void test_units_few_pages_a_block(void **state) {
    static const char *const pages[] = {"nand.pages=1", "nand.pages=2", "nand.pages=3", "nand.pages=4"};
    for (unsigned i = 0; i < 4; i++) {
        struct drive_config config;
        static struct oracle o;
        oracle_config(&config, ARGS(pages[i], "nand.blocks=0", "nand.page_bytes=16384", "ssd.op_percent=2",
                                    "ssd.write_buffer=64KiB", "drive.capacity=8MiB"));
        oracle_open(&o, &config, "none", NULL, 50 + i);
        for (uint64_t n = 0; n < 12000; n++)
            one(&o, IO_WRITE, rng_below(&o.rng, config.drive.capacity / 4096) * 4096, 4096);
        assert_false(ssd_of(o.drive)->ftl.read_only);
        assert_true(ssd_of(o.drive)->ftl.count.gc_runs > 10);
        oracle_check(&o);
        oracle_close(&o);
    }
}

static void test_units_refused(void **state) {
    struct drive_config piece;
    struct err why = {0};
    oracle_config(&piece, ARGS("ssd.read_piece=768"));
    assert_int_not_equal(drive_config_check(&piece, &why), 0);
    assert_non_null(strstr(why.text, "ssd.read_piece"));
    static const char *const wrong[][3] = {{"ssd.map_unit=12KiB", NULL, NULL},
                                           {"ssd.map_unit=32KiB", "nand.page_bytes=16384", NULL},
                                           {"ssd.map_unit=16KiB", "drive.capacity=16781312", NULL}};
    for (unsigned i = 0; i < 3; i++) {
        struct drive_config config;
        struct err e = {0};
        oracle_config(&config, wrong[i]);
        assert_int_not_equal(drive_config_check(&config, &e), 0);
        assert_non_null(strstr(e.text, "ssd.map_unit"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units_random_requests_read_back),
        cmocka_unit_test(test_units_power_cut_keeps_what_was_flushed),
        cmocka_unit_test(test_units_in_fixed_planes),
        cmocka_unit_test(test_units_fixed_planes_are_given_up),
        cmocka_unit_test(test_units_image_survives_restarts),
        cmocka_unit_test(test_units_failing_flash),
        cmocka_unit_test(test_units_part_is_answered),
        cmocka_unit_test(test_units_rest_is_written_before_its_read_fails),
        cmocka_unit_test(test_units_lost_stay_lost),
        cmocka_unit_test(test_units_lost_parts_make_room),
        cmocka_unit_test(test_units_buffer_counts_what_was_written),
        cmocka_unit_test(test_units_write_amplification),
        cmocka_unit_test(test_units_reads_move_what_they_need),
        cmocka_unit_test(test_units_few_pages_a_block),
        cmocka_unit_test(test_units_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
