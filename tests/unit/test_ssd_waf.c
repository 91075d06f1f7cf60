/*
 * Write amplification against the closed form for greedy collection of blocks
 * of finite size under uniform independent writes (Desnoyers, SYSTOR 2012).
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/rng.h"
#include "drive/drive.h"

enum { DEPTH = 32, BLOCKS = 400 };

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

struct load {
    struct drive *drive;
    struct rng rng;
    uint64_t units, left;
    struct io io[DEPTH];
};

static struct load the_load;

static void again(struct io *io) {
    struct load *l = &the_load;
    assert_int_equal(io->status, IO_OK);
    if (!l->left)
        return;
    l->left--;
    io->offset = rng_below(&l->rng, l->units) * 4096;
    drive_submit(l->drive, io);
}

static void write_randomly(struct load *l, struct sim *sim, uint64_t ios) {
    l->left = ios;
    for (unsigned i = 0; i < DEPTH; i++) {
        io_init(&l->io[i]);
        l->io[i].op = IO_WRITE;
        l->io[i].bytes = 4096;
        l->io[i].done = again;
        again(&l->io[i]);
    }
    sim_run(sim, SIM_NEVER);
}

static double ftl_count(json_t *stats, const char *name) {
    return (double)json_integer_value(json_object_get(json_object_get(stats, "ftl"), name));
}

/* Units programmed per unit that left the buffer, over the next `ios` writes. */
static double measure(struct load *l, struct sim *sim, uint64_t ios) {
    json_t *before = drive_stats(l->drive);
    write_randomly(l, sim, ios);
    json_t *after = drive_stats(l->drive);
    double host = ftl_count(after, "host_units") - ftl_count(before, "host_units");
    double rest = ftl_count(after, "gc_units") - ftl_count(before, "gc_units") + ftl_count(after, "pad_units") -
                  ftl_count(before, "pad_units");
    json_decref(before);
    json_decref(after);
    return (host + rest) / host;
}

static void configure(struct drive_config *config, const char *const *args) {
    struct opt_set set = {0};
    struct err e = {0};
    assert_int_equal(drive_config_init(config, &set, &e), 0);
    for (; args && *args; args++)
        if (opt_assign_arg(&set, *args, &e))
            fail_msg("%s: %s", *args, e.text);
}

static double lambert_w(double x) {
    double w = -0.5;
    for (int i = 0; i < 100; i++)
        w -= (w * exp(w) - x) / (exp(w) * (w + 1));
    return w;
}

static double greedy(double alpha, double b) {
    double c = (1 + 1 / (2 * b)) * alpha;
    double x0 = 0.5 - b / alpha * lambert_w(-c * exp(-c));
    return b / (b - (x0 - 1));
}

/*
 * One plane of BLOCKS blocks with as little held back as can be: of the two
 * streams' open blocks half is unwritten on average, one block is free.
 */
static void compare(unsigned page_bytes, unsigned pages, double spare, const char *precondition, double tolerance) {
    struct drive_config config;
    struct err e = {0};
    double b = pages * (page_bytes / 4096.0), usable = BLOCKS - 2.5;
    uint64_t units = (uint64_t)(usable * b / (1 + spare));
    char args[5][64];
    snprintf(args[0], sizeof args[0], "nand.page_bytes=%u", page_bytes);
    snprintf(args[1], sizeof args[1], "nand.pages=%u", pages);
    snprintf(args[2], sizeof args[2], "drive.capacity=%llu", (unsigned long long)units * 4096);
    snprintf(args[3], sizeof args[3], "nand.blocks=%u", BLOCKS);
    snprintf(args[4], sizeof args[4], "ssd.precondition=%s", precondition);
    configure(&config, ARGS(args[0], args[1], args[2], args[3], args[4], "nand.channels=1", "nand.luns=1",
                            "nand.planes=1", "nand.endurance=0", "ssd.op_percent=0", "ssd.gc_start_percent=0",
                            "ssd.gc_stop_percent=0", "ssd.gc_urgent_percent=0", "ssd.write_buffer=128KiB"));
    struct sim *sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    struct load *l = &the_load;
    l->drive = drive_open(&config, "none", NULL, sim, &e);
    if (!l->drive)
        fail_msg("%s", e.text);
    l->units = units;
    rng_init(&l->rng, 5, 5);
    if (config.ssd.precondition != 2)
        write_randomly(l, sim, 5 * units);
    double want = greedy(1 + spare, b), have = measure(l, sim, 4 * units);
    print_message("# spare %.1f %%, %g units a block, %s: write amplification %.3f, closed form %.3f\n", spare * 100, b,
                  precondition, have, want);
    if (fabs(have / want - 1) > tolerance)
        fail_msg("write amplification %.3f, not within %g %% of %.3f", have, tolerance * 100, want);
    if (drive_check_state(l->drive, &e))
        fail_msg("%s", e.text);
    drive_close(l->drive);
    sim_free(sim);
}

static void test_ssd_waf_follows_the_closed_form(void **state) {
    assert_true(fabs(greedy(1.28, 64) - 2.403) < 0.01);
    assert_true(fabs(greedy(1.125, 64) - 4.389) < 0.03);
    compare(4096, 64, 0.28, "sequential", 0.02);
    compare(4096, 64, 0.125, "sequential", 0.03);
}

/* A page of four units: what counts is units a block; pages padded at the end of each collection cost a little. */
static void test_ssd_waf_with_several_units_a_page(void **state) {
    compare(16384, 32, 0.28, "sequential", 0.04);
}

/* Preconditioning must leave the drive where long writing would. */
static void test_ssd_waf_random_precondition_is_steady(void **state) {
    compare(4096, 64, 0.28, "random", 0.04);
    compare(4096, 64, 0.125, "random", 0.05);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssd_waf_follows_the_closed_form),
        cmocka_unit_test(test_ssd_waf_with_several_units_a_page),
        cmocka_unit_test(test_ssd_waf_random_precondition_is_steady),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
