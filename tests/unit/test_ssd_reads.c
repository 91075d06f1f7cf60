/*
 * The profile samsung-980pro against the 4 KiB random reads it is fitted to, by
 * queue depth. bench/bench_ssd980.c names the source and judges a million reads
 * each; in the fewer reads of this test percentiles scatter by several per cent.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hist.h"
#include "base/rng.h"
#include "drive/drive.h"
#include "drive/profile.h"

enum { DEPTH_MAX = 256, READS = 100000 };

struct row {
    unsigned depth;
    double iops, p50_us, p99_us;
};

static const struct row measured[] = {
    {1, 16583, 56.1, 69},    {2, 32927, 56.1, 74},      {4, 64776, 56.6, 99},
    {8, 125351, 57.6, 111},  {16, 233552, 61.7, 132},   {32, 400496, 70.1, 191},
    {64, 589959, 84.5, 322}, {128, 735639, 134.1, 602}, {256, 783333, 268.3, 1012},
};

struct load {
    struct drive *drive;
    struct rng rng;
    uint64_t units, left, done, warm_up;
    int64_t from_ns, to_ns; /* answers at full depth: of the first after the warm-up, and the last */
    struct hist latency;
    struct io io[DEPTH_MAX];
};

static void submit(struct load *l, struct io *io) {
    if (!l->left)
        return;
    l->left--;
    io->offset = rng_below(&l->rng, l->units) * 4096;
    drive_submit(l->drive, io);
}

static void answered(struct io *io) {
    struct load *l = io->priv;
    assert_int_equal(io->status, IO_OK);
    assert_false(io->unmapped);
    if (++l->done == l->warm_up)
        l->from_ns = io->completed_ns;
    if (l->done > l->warm_up && l->left) {
        hist_record(&l->latency, io->completed_ns - io->submitted_ns);
        l->to_ns = io->completed_ns;
    }
    submit(l, io);
}

static struct row measure(struct load *l, struct sim *sim, unsigned depth) {
    l->done = 0;
    l->warm_up = 8 * depth;
    l->left = READS + l->warm_up + depth;
    hist_init(&l->latency);
    for (unsigned i = 0; i < depth; i++) {
        io_init(&l->io[i]);
        l->io[i].op = IO_READ;
        l->io[i].bytes = 4096;
        l->io[i].priv = l;
        l->io[i].done = answered;
        submit(l, &l->io[i]);
    }
    sim_run(sim, SIM_NEVER);
    return (struct row){depth, (double)l->latency.count / ((double)(l->to_ns - l->from_ns) * 1e-9),
                        (double)hist_quantile(&l->latency, 0.50) * 1e-3,
                        (double)hist_quantile(&l->latency, 0.99) * 1e-3};
}

static void within(double tolerance, double modelled, double published, unsigned depth, const char *what) {
    if (fabs(modelled / published - 1) > tolerance)
        fail_msg("depth %u, %s: %.1f, measured were %.1f", depth, what, modelled, published);
}

static void open_profile(struct drive_config *config) {
    struct opt_set set = {0};
    struct err e = {0};
    if (drive_config_init(config, &set, &e) || profile_load(&set, "samsung-980pro", NULL, config->name, &e))
        fail_msg("%s", e.text);
}

static void test_reads_by_depth(void **state) {
    (void)state;
    struct err e = {0};
    struct drive_config config;
    struct load *l = calloc(1, sizeof *l);
    struct sim *sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    assert_non_null(l);
    assert_non_null(sim);
    open_profile(&config);
    l->drive = drive_open(&config, "none", NULL, sim, &e);
    assert_non_null(l->drive);
    l->units = config.drive.capacity / 4096;
    rng_init(&l->rng, 7, 7);
    for (unsigned i = 0; i < sizeof measured / sizeof *measured; i++) {
        const struct row *p = &measured[i];
        struct row m = measure(l, sim, p->depth);
        within(0.03, m.iops, p->iops, p->depth, "I/Os a second");
        within(0.08, m.p50_us, p->p50_us, p->depth, "median us");
        within(0.12, m.p99_us, p->p99_us, p->depth, "99th percentile us");
    }
    drive_close(l->drive);
    sim_free(sim);
    free(l);
}

/* --- larger reads --- */

static void options(struct drive_config *config, const char *const *args) {
    struct opt_set set = {0};
    struct err e = {0};
    int rc = drive_config_init(config, &set, &e);
    for (; !rc && *args; args++)
        rc = opt_assign_arg(&set, *args, &e);
    if (rc)
        fail_msg("%s", e.text);
}

static void finished(struct io *io) {
    assert_int_equal(io->status, IO_OK);
    assert_false(io->unmapped);
}

static int64_t read_ns(struct drive *drive, struct sim *sim, uint64_t offset, uint64_t bytes) {
    struct io io;
    io_init(&io);
    io.op = IO_READ;
    io.offset = offset;
    io.bytes = bytes;
    io.done = finished;
    drive_submit(drive, &io);
    sim_run(sim, SIM_NEVER);
    return io.completed_ns - io.submitted_ns;
}

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum { ARRAY = 40000, BUS = 200 + 8192 }; /* of a unit: the command, and 4 KiB at 500 MB/s */

static const char *const striped[] = {"drive.capacity=64MiB",
                                      "nand.channels=4",
                                      "nand.luns=2",
                                      "nand.planes=2",
                                      "nand.pages=16",
                                      "nand.page_bytes=16384",
                                      "nand.blocks=0",
                                      "nand.read_time=40us",
                                      "nand.command_time=200ns",
                                      "nand.bus_mts=500",
                                      "nand.multi_plane=no",
                                      "nand.cache_read=no",
                                      "ssd.op_percent=100",
                                      "ssd.read_firmware=0",
                                      "ssd.precondition=striped",
                                      NULL};

/* Two planes of a die, one after the other, then the next channel at the same time. */
static void test_striped_neighbours_share_a_die(void **state) {
    (void)state;
    struct err e = {0};
    struct drive_config config;
    struct sim *sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    options(&config, striped);
    struct drive *drive = drive_open(&config, "none", NULL, sim, &e);
    assert_non_null(drive);
    assert_int_equal(read_ns(drive, sim, 0, 4096), ARRAY + BUS);
    assert_int_equal(read_ns(drive, sim, 0, 8192), 2 * (ARRAY + BUS));
    assert_int_equal(read_ns(drive, sim, 4096, 8192), ARRAY + BUS); /* second plane, next channel */
    assert_int_equal(read_ns(drive, sim, 0, 32768), 2 * (ARRAY + BUS));
    assert_int_equal(drive->ops->check_state(drive, &e), 0);
    /* The last unit that was written; and what fills no row of pages is there, too. */
    assert_int_equal(read_ns(drive, sim, config.drive.capacity - 4096, 4096), ARRAY + BUS);
    drive_close(drive);
    sim_free(sim);
}

static struct drive *reopened(struct drive *drive, const struct drive_config *config, const char *more,
                              struct sim *sim) {
    struct err e = {0};
    struct drive_config other;
    const char *args[COUNT(striped) + 1];
    memcpy(args, striped, sizeof striped);
    args[COUNT(striped) - 1] = more;
    args[COUNT(striped)] = NULL;
    options(&other, args);
    other.ssd.gather_time = config->ssd.gather_time;
    drive_close(drive);
    drive = drive_open(&other, "none", NULL, sim, &e);
    assert_non_null(drive);
    return drive;
}

/* Each page read of a request after its first keeps its channel longer, here up to four one after the other on a die.
 */
static void test_pages_that_are_gathered_take_time(void **state) {
    (void)state;
    struct err e = {0};
    struct drive_config config, with;
    struct sim *sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    options(&config, striped);
    with = config;
    with.ssd.gather_time = 700;
    struct drive *drive = drive_open(&config, "none", NULL, sim, &e);
    assert_non_null(drive);
    static const struct {
        uint64_t bytes;
        int64_t gather_ns;
    } sizes[] = {{512, 0}, {4096, 0}, {8192, 700}, {12288, 700}, {65536, 4 * 700}};
    for (unsigned i = 0; i < COUNT(sizes); i++) {
        assert_int_equal(drive_reconfigure(drive, &config, &e), 0);
        int64_t without = read_ns(drive, sim, 0, sizes[i].bytes);
        assert_int_equal(drive_reconfigure(drive, &with, &e), 0);
        assert_int_equal(read_ns(drive, sim, 0, sizes[i].bytes) - without, sizes[i].gather_ns);
    }
    drive = reopened(drive, &with, "ssd.precondition=sequential", sim);
    assert_int_equal(read_ns(drive, sim, 0, 16384), ARRAY + BUS + 3 * (BUS - 200)); /* one page */
    assert_int_equal(read_ns(drive, sim, 8192, 8192), ARRAY + BUS + (BUS - 200));
    assert_int_equal(read_ns(drive, sim, 12288, 8192), 2 * (ARRAY + BUS) + 700); /* two */
    drive_close(drive);
    sim_free(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reads_by_depth),
                                       cmocka_unit_test(test_striped_neighbours_share_a_die),
                                       cmocka_unit_test(test_pages_that_are_gathered_take_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
