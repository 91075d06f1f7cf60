/*
 * The way to the steady state: by writing, with its end detected, and by the
 * formula of ssd.precondition=random, which is held against the former.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "drive/ssd/ssd.h"
#include "load/precondition.h"

enum { BLOCKS = 400, PAGES = 64 };

struct bench {
    struct sim *sim;
    struct drive *drive;
    struct job_file jobs;
    struct err e;
};

/* One plane of small blocks, so that a formula of large ones has to show its error. */
static struct bench bench_open(double spare, const char *precondition) {
    struct bench b = {0};
    struct drive_config *config = calloc(1, sizeof(*config));
    struct opt_set *set = calloc(1, sizeof(*set));
    uint64_t units = (uint64_t)((BLOCKS - 2.5) * PAGES / (1 + spare));
    char capacity[64], how[64];
    snprintf(capacity, sizeof capacity, "drive.capacity=%llu", (unsigned long long)units * 4096);
    snprintf(how, sizeof how, "ssd.precondition=%s", precondition);
    const char *const args[] = {capacity,
                                how,
                                "nand.page_bytes=4096",
                                "nand.pages=64",
                                "nand.blocks=400",
                                "nand.channels=1",
                                "nand.luns=1",
                                "nand.planes=1",
                                "nand.endurance=0",
                                "ssd.op_percent=0",
                                "ssd.gc_start_percent=0",
                                "ssd.gc_stop_percent=0",
                                "ssd.gc_urgent_percent=0",
                                "ssd.write_buffer=128KiB",
                                NULL};
    assert_int_equal(drive_config_init(config, set, &b.e), 0);
    for (const char *const *arg = args; *arg; arg++)
        if (opt_assign_arg(set, *arg, &b.e))
            fail_msg("%s: %s", *arg, b.e.text);
    b.sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &b.e);
    b.drive = drive_open(config, "none", NULL, b.sim, &b.e);
    if (!b.drive)
        fail_msg("%s", b.e.text);
    free(config);
    free(set);
    return b;
}

static void bench_close(struct bench *b) {
    job_file_release(&b->jobs);
    drive_close(b->drive);
    sim_free(b->sim);
}

static const struct load_settings settings = {.seed = 3};

static void read_jobs(struct bench *b, const char *text) {
    job_file_release(&b->jobs);
    if (job_file_parse(&b->jobs, "test", text, strlen(text), &b->e) ||
        job_resolve(&b->jobs.job[0], b->drive->capacity, 0, &b->e))
        fail_msg("%s", b->e.text);
}

static struct precondition_result precondition(struct bench *b, const char *text) {
    struct precondition_result r;
    read_jobs(b, text);
    if (load_precondition(&b->jobs, b->drive, b->sim, &settings, &r, &b->e))
        fail_msg("%s", b->e.text);
    return r;
}

static struct precondition_result judged(double a, double b, double c, double d, double e) {
    struct precondition_result r = {.rounds = 6, .iops = {9999, a, b, c, d, e}};
    precondition_judge(&r);
    return r;
}

/* 20 % between the largest and the smallest, 10 % along the line, over the last five. */
static void test_precondition_judges_as_the_pts(void **state) {
    struct precondition_result r = judged(100, 100, 100, 100, 100);
    assert_true(r.steady && r.average == 100 && r.excursion_percent == 0 && r.slope_percent == 0);
    r = judged(91, 109, 100, 109, 91);
    assert_true(r.steady && fabs(r.excursion_percent - 18) < 1e-9 && fabs(r.slope_percent) < 1e-9);
    assert_false(judged(89, 110, 100, 110, 91).steady); /* 21 % apart */
    r = judged(104, 102, 100, 98, 96);                  /* 8 % along the line */
    assert_true(r.steady && fabs(r.slope_percent - 8) < 1e-9);
    assert_false(judged(106, 103, 100, 97, 94).steady); /* 12 % */
    assert_false(judged(94, 97, 100, 103, 106).steady);
}

static void test_precondition_writes_until_it_is_steady(void **state) {
    struct bench b = bench_open(0.28, "none");
    struct precondition_result r = precondition(&b, "[a]\nrw=randwrite\niodepth=16\nnorandommap\nsize=100%\n");
    uint64_t units = b.drive->capacity / 4096;
    assert_true(r.steady);
    assert_in_range(r.rounds, PRECONDITION_WINDOW, PRECONDITION_ROUNDS);
    uint64_t fill = 2 * ((b.drive->capacity + (128 << 10) - 1) / (128 << 10));
    assert_in_range(r.ios, fill + r.rounds * (units / 5) - 2, fill + r.rounds * (units / 5) + r.rounds);
    assert_int_equal(r.simulated_ns, sim_now(b.sim));
    assert_true(r.iops[0] > r.average); /* before collection sets in */
    assert_int_equal(drive_check_state(b.drive, &b.e), 0);
    bench_close(&b);
}

/* A job that only reads is preceded by random writes; what would end or slow a job does not slow the rounds. */
static void test_precondition_takes_the_workload(void **state) {
    struct bench b = bench_open(0.28, "none");
    struct precondition_result r = precondition(&b, "[a]\nrw=randread\nruntime=1ms\n");
    assert_true(r.steady && b.drive->ios[IO_READ] == 0);
    r = precondition(&b,
                     "[a]\nrw=randrw\nrwmixread=50\nruntime=1us\nrate_iops=1\nnumber_ios=1\nthinktime=1s\nsize=100%\n");
    assert_true(r.steady && b.drive->ios[IO_READ] > b.drive->capacity / 4096 / 2);
    bench_close(&b);
}

static void test_precondition_is_reproducible(void **state) {
    struct precondition_result r[2];
    for (int i = 0; i < 2; i++) {
        struct bench b = bench_open(0.28, "none");
        r[i] = precondition(&b, "[a]\nrw=randwrite\nrandom_distribution=zipf:1.1\nsize=100%\n");
        bench_close(&b);
    }
    assert_memory_equal(&r[0], &r[1], sizeof(r[0]));
}

/* --- the formula --- */

/* Share of the full blocks that hold at most so many valid units. */
static void distribution(const struct drive *drive, double *share) {
    const struct ftl *f = &ssd_of(drive)->ftl;
    unsigned full = 0, count[PAGES + 1] = {0};
    for (unsigned i = 0; i < BLOCKS; i++) {
        assert_true(f->blocks[i].valid <= PAGES);
        if (!f->blocks[i].valid)
            continue; /* free, or new */
        count[f->blocks[i].valid]++;
        full++;
    }
    for (unsigned i = 0, sum = 0; i <= PAGES; i++) {
        sum += count[i];
        share[i] = (double)sum / full;
    }
}

static double ftl_count(json_t *stats, const char *name) {
    return (double)json_integer_value(json_object_get(json_object_get(stats, "ftl"), name));
}

/* Write amplification of as many random writes as the drive has units, three times. */
static double write_amplification(struct bench *b) {
    struct run_result result;
    json_t *before = drive_stats(b->drive);
    read_jobs(b, "[a]\nrw=randwrite\niodepth=32\nnorandommap\nsize=100%\nloops=3\nrandrepeat=0\n");
    assert_int_equal(load_run(&b->jobs, b->drive, b->sim, &settings, &result, &b->e), 0);
    json_t *after = drive_stats(b->drive);
    double host = ftl_count(after, "host_units") - ftl_count(before, "host_units");
    double gc = ftl_count(after, "gc_units") - ftl_count(before, "gc_units");
    json_decref(before);
    json_decref(after);
    run_result_release(&result);
    return (host + gc) / host;
}

/*
 * The largest distance between the two distributions of valid units (that of
 * Kolmogorov and Smirnov): blocks of 64 units spread more than the formula of
 * large blocks says, and 400 of them are a sample. And the write amplification
 * of what follows, which is what people see.
 */
static void compare(double spare, double apart, double tolerance) {
    struct bench warm = bench_open(spare, "random"), brute = bench_open(spare, "none");
    double a[PAGES + 1], b[PAGES + 1], most = 0;
    assert_true(precondition(&brute, "[a]\nrw=randwrite\niodepth=32\nnorandommap\nsize=100%\n").steady);
    distribution(warm.drive, a);
    distribution(brute.drive, b);
    for (unsigned i = 0; i <= PAGES; i++)
        most = fabs(a[i] - b[i]) > most ? fabs(a[i] - b[i]) : most;
    double waf_warm = write_amplification(&warm), waf_brute = write_amplification(&brute);
    print_message(
        "# spare %.1f %%: distributions %.3f apart, write amplification %.3f after the formula, %.3f after writing\n",
        spare * 100, most, waf_warm, waf_brute);
    if (most > apart)
        fail_msg("distributions of valid units are %.3f apart, %.3f are allowed", most, apart);
    if (fabs(waf_warm / waf_brute - 1) > tolerance)
        fail_msg("write amplification %.3f after the formula, %.3f after writing", waf_warm, waf_brute);
    bench_close(&warm);
    bench_close(&brute);
}

static void test_precondition_formula_agrees_with_writing(void **state) {
    compare(0.28, 0.08, 0.015);
    compare(0.125, 0.08, 0.015);
    compare(0.50, 0.08, 0.015);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precondition_judges_as_the_pts),
        cmocka_unit_test(test_precondition_writes_until_it_is_steady),
        cmocka_unit_test(test_precondition_takes_the_workload),
        cmocka_unit_test(test_precondition_is_reproducible),
        cmocka_unit_test(test_precondition_formula_agrees_with_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
