/*
 * The job runner against a drive of fixed latency or bandwidth, where every
 * count and time has a closed form.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load/runner.h"

#define LATENCY  10000 /* ns */
#define CAPACITY (64ull << 20)
#define TRACE    20000

/* A drive whose kind is watched: what was asked, in order; and one request that fails. */
struct bench {
    struct sim *sim;
    struct drive *drive;
    struct drive_ops ops;
    const struct drive_ops *real;
    struct job_file jobs;
    struct run_result result;
    struct err e;
    uint64_t failing; /* the n-th request, from 1; 0: none */
    uint64_t asked;
    uint64_t offset[TRACE];
    uint64_t bytes[TRACE];
    uint8_t op[TRACE];
};

static struct bench *watching; /* a drive's kind gets no context */

static void watched_submit(struct drive *drive, struct io *io) {
    struct bench *b = watching;
    uint64_t i = b->asked++;
    if (i < TRACE) {
        b->offset[i] = io->offset;
        b->bytes[i] = io->bytes;
        b->op[i] = io->op;
    }
    if (b->asked == b->failing)
        io_fail(io, IO_UNRECOVERED_READ, "request %llu was told to fail", (unsigned long long)b->failing);
    b->real->submit(drive, io);
}

static struct bench *bench_new(int64_t latency_ns, uint64_t bandwidth) {
    struct bench *b = calloc(1, sizeof(*b));
    struct drive_config *config = calloc(1, sizeof(*config));
    struct opt_set *set = calloc(1, sizeof(*set));
    assert_int_equal(drive_config_init(config, set, &b->e), 0);
    config->drive.kind = 0;
    while (strcmp(drive_kinds[config->drive.kind]->name, "nossd"))
        config->drive.kind++;
    config->drive.capacity = CAPACITY;
    config->nossd.read_latency = config->nossd.write_latency = latency_ns;
    config->nossd.read_bandwidth = config->nossd.write_bandwidth = bandwidth;
    b->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &b->e);
    b->drive = drive_open(config, "none", NULL, b->sim, &b->e);
    assert_non_null(b->drive);
    b->real = b->drive->ops;
    b->ops = *b->real;
    b->ops.submit = watched_submit;
    b->drive->ops = &b->ops;
    watching = b;
    free(config);
    free(set);
    return b;
}

static void bench_free(struct bench *b) {
    run_result_release(&b->result);
    job_file_release(&b->jobs);
    drive_close(b->drive);
    sim_free(b->sim);
    free(b);
}

static int try_run(struct bench *b, uint64_t seed, const char *text) {
    assert_int_equal(job_file_parse(&b->jobs, "test.fio", text, strlen(text), &b->e), 0);
    for (unsigned i = 0; i < b->jobs.count; i++)
        assert_int_equal(job_resolve(&b->jobs.job[i], CAPACITY, 0, &b->e), 0);
    const struct load_settings settings = {.seed = seed};
    return load_run(&b->jobs, b->drive, b->sim, &settings, &b->result, &b->e);
}

/* The statistics of the first job. */
static const struct run_stat *run(struct bench *b, const char *text) {
    assert_int_equal(try_run(b, 1, text), 0);
    assert_true(b->result.count >= 1);
    return b->result.stat[0];
}

static void assert_latency(const struct hist *h, uint64_t count, uint64_t each) {
    assert_int_equal(h->count, count);
    assert_int_equal(h->min, each);
    assert_int_equal(h->max, each);
}

static void test_runner_one_at_a_time(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    const struct run_stat *s = run(b, "[a]\nrw=randread\nsize=4m\n");
    assert_int_equal(b->result.simulated_ns, 1024 * LATENCY);
    assert_int_equal(b->result.ios, 1024);
    assert_int_equal(s->dir[RUN_READ].ios, 1024);
    assert_int_equal(s->dir[RUN_READ].bytes, 4 << 20);
    assert_int_equal(s->dir[RUN_WRITE].ios + s->dir[RUN_TRIM].ios, 0);
    assert_latency(&s->dir[RUN_READ].clat, 1024, LATENCY);
    assert_latency(&s->dir[RUN_READ].lat, 1024, LATENCY);
    assert_latency(&s->dir[RUN_READ].slat, 1024, 0);
    assert_int_equal(s->depth_level[0], 1024);
    assert_int_equal(s->end_ns - s->start_ns, 1024 * LATENCY);
    bench_free(b);
}

/* One at a time: each takes its part of the processor, too. Deep: the processor is all there is. */
static void test_runner_host_takes_time(void **state) {
    static const char host[] = "[global]\nrw=randread\nhost_submit=1500ns\nhost_complete=1100ns\nhost_interrupt=3us\n";
    char text[200];
    struct bench *b = bench_new(LATENCY, 0);
    snprintf(text, sizeof(text), "%s[a]\nsize=4m\n", host);
    const struct run_stat *s = run(b, text);
    assert_int_equal(b->result.simulated_ns, 1024 * (LATENCY + 5600));
    assert_latency(&s->dir[RUN_READ].slat, 1024, 1500);
    assert_latency(&s->dir[RUN_READ].clat, 1024, LATENCY + 4100);
    assert_latency(&s->dir[RUN_READ].lat, 1024, LATENCY + 5600);
    bench_free(b);

    b = bench_new(LATENCY, 0);
    snprintf(text, sizeof(text), "%s[a]\niodepth=64\nnumber_ios=2000\nsize=100%%\n[b]\niodepth=64\nnumber_ios=2000\n",
             host);
    run(b, text);
    assert_int_equal(b->result.ios, 4000);
    int64_t each = 2000 * 2600; /* both work side by side */
    assert_in_range(b->result.simulated_ns, each, each + LATENCY + 5600);
    for (unsigned i = 0; i < 2; i++) /* each waits for the others of its own job */
        assert_in_range(b->result.stat[i]->dir[RUN_READ].lat.max, 60 * 2600, 64 * 2600);
    bench_free(b);
}

static void test_runner_host_goes_with(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    run(b, "[a]\nrw=randwrite\nsize=4m\nfsync=8\nhost_submit=1us\niodepth=4\nrate_iops=20000\n");
    assert_in_range(b->result.simulated_ns, 1023 * 50000, 1023 * 50000 + 20000);
    assert_int_equal(b->result.ios, 1024);
    bench_free(b);
    b = bench_new(LATENCY, 0);
    static const char buffered[] = "[a]\nrw=write\nsize=4m\nhost_submit=1us\nbuffered=1\n";
    assert_int_not_equal(job_file_parse(&b->jobs, "test.fio", buffered, sizeof(buffered) - 1, &b->e), 0);
    bench_free(b);
}

static void test_runner_depth_divides_the_time(void **state) {
    static const uint64_t levels[RUN_DEPTH_LEVELS] = {1, 2, 4, 1024 - 7};
    struct bench *b = bench_new(LATENCY, 0);
    const struct run_stat *s = run(b, "[a]\nrw=read\nsize=4m\niodepth=8\n");
    assert_int_equal(b->result.simulated_ns, 1024 / 8 * LATENCY);
    assert_latency(&s->dir[RUN_READ].clat, 1024, LATENCY);
    assert_memory_equal(s->depth_level, levels, sizeof(levels));
    bench_free(b);
}

static void test_runner_bandwidth_sets_the_latency(void **state) {
    struct bench *b = bench_new(0, 1000000000); /* a byte a nanosecond */
    const struct run_stat *s = run(b, "[a]\nrw=write\nbs=128k\nsize=16m\niodepth=4\n");
    assert_int_equal(b->result.simulated_ns, 16 << 20);
    assert_int_equal(s->dir[RUN_WRITE].ios, 128);
    assert_int_equal(s->dir[RUN_WRITE].clat.min, 128 << 10);     /* the first: an empty link */
    assert_int_equal(s->dir[RUN_WRITE].clat.max, 4 * 128 << 10); /* then three are always in front */
    assert_true(hist_quantile(&s->dir[RUN_WRITE].clat, 0.5) > 3.9 * (128 << 10));
    bench_free(b);
}

static void test_runner_stops_at_number_ios(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    const struct run_stat *s = run(b, "[a]\nrw=randread\nsize=4m\nnumber_ios=100\niodepth=3\n");
    assert_int_equal(s->dir[RUN_READ].ios, 100);
    assert_int_equal(b->result.simulated_ns, 34 * LATENCY);
    bench_free(b);
}

static void test_runner_number_ios_extends_nothing(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    const struct run_stat *s = run(b, "[a]\nrw=randread\nsize=64k\nnumber_ios=100\n");
    assert_int_equal(s->dir[RUN_READ].ios, 16);
    bench_free(b);
}

static void test_runner_stops_at_runtime(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    const struct run_stat *s = run(b, "[a]\nrw=read\nruntime=1ms\niodepth=2\n");
    assert_int_equal(s->dir[RUN_READ].ios, 200);
    assert_int_equal(b->result.simulated_ns, 1000000);
    bench_free(b);
}

static void test_runner_ends_before_runtime_with_its_size(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    const struct run_stat *s = run(b, "[a]\nrw=read\nsize=64k\nruntime=1s\n");
    assert_int_equal(s->dir[RUN_READ].ios, 16);
    assert_int_equal(b->result.simulated_ns, 16 * LATENCY);
    bench_free(b);
}

static void test_runner_time_based_passes_cover_every_block_once(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    const unsigned blocks = 20, passes = 5;
    run(b, "[a]\nrw=randread\noffset=1m\nsize=80k\nruntime=1ms\ntime_based\n");
    assert_int_equal(b->asked, blocks * passes);
    unsigned differing = 0;
    for (unsigned pass = 0; pass < passes; pass++) {
        bool seen[20] = {0};
        for (unsigned i = 0; i < blocks; i++) {
            uint64_t block = (b->offset[pass * blocks + i] - (1 << 20)) / 4096;
            assert_true(block < blocks);
            assert_false(seen[block]);
            seen[block] = true;
            differing += b->offset[pass * blocks + i] != b->offset[i];
        }
    }
    assert_true(differing > blocks); /* another order each time */
    bench_free(b);
}

static void test_runner_norandommap_repeats_blocks(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    run(b, "[a]\nrw=randread\nsize=4m\nnorandommap\n");
    assert_int_equal(b->asked, 1024);
    bool *seen = calloc(1024, sizeof(*seen));
    unsigned distinct = 0;
    for (unsigned i = 0; i < 1024; i++) {
        assert_true(b->offset[i] < 4 << 20);
        distinct += !seen[b->offset[i] / 4096];
        seen[b->offset[i] / 4096] = true;
    }
    assert_in_range(distinct, 600, 700); /* 1024 draws from 1024: 1 - 1/e of them */
    free(seen);
    bench_free(b);
}

static void test_runner_mixes_reads_and_writes(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    const struct run_stat *s = run(b, "[a]\nrw=randrw\nrwmixread=70\nsize=40m\niodepth=4\n");
    assert_int_equal(s->dir[RUN_READ].ios + s->dir[RUN_WRITE].ios, 10240);
    assert_in_range(s->dir[RUN_READ].ios, 10240 * 68 / 100, 10240 * 72 / 100);
    assert_int_equal(b->drive->ios[IO_READ], s->dir[RUN_READ].ios);
    assert_int_equal(b->drive->ios[IO_WRITE], s->dir[RUN_WRITE].ios);
    bench_free(b);
}

static void test_runner_mix_of_none_and_all(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    const struct run_stat *s = run(b, "[a]\nrw=rw\nrwmixread=0\nsize=1m\n[b]\nrw=rw\nrwmixread=100\nsize=1m\n");
    assert_int_equal(s->dir[RUN_WRITE].ios, 256);
    assert_int_equal(b->result.stat[1]->dir[RUN_READ].ios, 256);
    bench_free(b);
}

/* As fio: reads and writes of a sequential mix each go through the region on their own. */
static void test_runner_sequential_directions_advance_apart(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    uint64_t next[IO_OPS] = {0};
    run(b, "[a]\nrw=rw\nbs=4k,8k\nsize=8m\n");
    for (uint64_t i = 0; i < b->asked; i++) {
        assert_int_equal(b->offset[i], next[b->op[i]] % (8 << 20));
        next[b->op[i]] += b->op[i] == IO_READ ? 4096 : 8192;
        assert_int_equal(b->bytes[i], b->op[i] == IO_READ ? 4096 : 8192);
    }
    bench_free(b);
}

static void test_runner_stays_in_its_region(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    run(b, "[a]\nrw=randwrite\nbs=12k\noffset=5m\nsize=1m\n");
    assert_int_equal(b->asked, (1 << 20) / (12 << 10)); /* the last, partial block is not used */
    for (uint64_t i = 0; i < b->asked; i++) {
        assert_in_range(b->offset[i], 5 << 20, (6 << 20) - (12 << 10));
        assert_int_equal((b->offset[i] - (5 << 20)) % (12 << 10), 0);
    }
    bench_free(b);
}

static void test_runner_trims(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    const struct run_stat *s = run(b, "[a]\nrw=randtrim\nbs=64k\nsize=2m\n[b]\nrw=trim\nsize=64k\n");
    assert_int_equal(s->dir[RUN_TRIM].ios, 32);
    assert_int_equal(s->dir[RUN_TRIM].bytes, 2 << 20);
    assert_latency(&s->dir[RUN_TRIM].clat, 32, LATENCY);
    assert_int_equal(b->result.stat[1]->dir[RUN_TRIM].ios, 16);
    assert_int_equal(b->drive->ios[IO_TRIM], 48);
    bench_free(b);
}

static void test_runner_jobs_run_at_once(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    run(b, "[a]\nrw=randread\nsize=1m\nnumjobs=3\n[b]\nrw=randwrite\nsize=2m\n");
    assert_int_equal(b->result.count, 4);
    assert_int_equal(b->result.simulated_ns, 512 * LATENCY);
    for (unsigned i = 0; i < 3; i++) {
        assert_string_equal(b->result.stat[i]->name, "a");
        assert_int_equal(b->result.stat[i]->dir[RUN_READ].ios, 256);
        assert_int_equal(b->result.stat[i]->end_ns, 256 * LATENCY);
    }
    assert_string_equal(b->result.stat[3]->name, "b");
    assert_int_equal(b->result.ios, 3 * 256 + 512);
    assert_memory_not_equal(b->offset, b->offset + 1, 8); /* instances draw from streams of their own */
    bench_free(b);
}

static void test_runner_group_reporting_joins(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    const struct run_stat *s =
        run(b, "[global]\ngroup_reporting\nsize=1m\nrw=randread\n[a]\nnumjobs=3\n[b]\n[c]\ngroup_reporting=0\n");
    assert_int_equal(b->result.count, 2);
    assert_string_equal(s->name, "a");
    assert_int_equal(s->jobs, 4);
    assert_int_equal(s->dir[RUN_READ].ios, 4 * 256);
    assert_latency(&s->dir[RUN_READ].clat, 4 * 256, LATENCY);
    assert_string_equal(b->result.stat[1]->name, "c");
    assert_int_equal(b->result.ios, 5 * 256);
    bench_free(b);
}

/* Two and a quarter seconds: four whole windows of half a second. */
static void test_runner_windows_are_exact(void **state) {
    struct bench *b = bench_new(100000, 0);
    const struct run_stat *s = run(b, "[a]\nrw=randread\nruntime=2250ms\ntime_based\n");
    const struct run_window *w = &s->dir[RUN_READ].window;
    assert_int_equal(s->dir[RUN_READ].ios, 22500);
    assert_int_equal(w->samples, 4);
    assert_true(w->iops_min == 2 * 4999); /* what completes at a border belongs to the next window */
    assert_true(w->iops_max == 10000);
    assert_true(w->bytes_max == 10000.0 * 4096);
    bench_free(b);
}

static void test_runner_failure_ends_its_job_with_the_reason(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    b->failing = 10;
    const struct run_stat *s = run(b, "[a]\nrw=randread\nsize=4m\niodepth=4\n");
    assert_int_equal(s->first_error, IO_UNRECOVERED_READ);
    assert_string_equal(s->error_text, "request 10 was told to fail");
    assert_int_equal(s->dir[RUN_READ].errors, 1);
    assert_int_equal(s->dir[RUN_READ].ios, b->asked - 1);
    assert_in_range(b->asked, 10, 14);
    assert_int_equal(b->drive->inflight, 0);
    bench_free(b);
}

static void test_runner_other_jobs_go_on_after_a_failure(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    b->failing = 1;
    run(b, "[a]\nrw=randread\nsize=1m\n[b]\nrw=randread\nsize=1m\n");
    assert_int_equal(b->result.stat[0]->dir[RUN_READ].ios, 0);
    assert_int_equal(b->result.stat[1]->first_error, 0);
    assert_int_equal(b->result.stat[1]->dir[RUN_READ].ios, 256);
    bench_free(b);
}

static void test_runner_says_when_time_stands_still(void **state) {
    struct bench *b = bench_new(0, 0);
    const struct run_stat *s = run(b, "[a]\nrw=randread\nruntime=1s\ntime_based\niodepth=4\n");
    assert_int_equal(s->first_error, IO_INTERNAL_ERROR);
    assert_non_null(strstr(s->error_text, "took no time"));
    bench_free(b);
}

static void test_runner_bounds_a_run(void **state) {
    struct bench *b = bench_new(LATENCY, 0);
    char text[1024] = "[global]\nrw=read\nnumjobs=1024\n";
    for (unsigned i = 0; i <= LOAD_JOBS_MAX / 1024; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "[job%u]\n", i);
    assert_true(try_run(b, 1, text) < 0);
    assert_non_null(strstr(b->e.text, "16384 jobs"));
    job_file_release(&b->jobs);
    assert_true(try_run(b, 1, "[a]\nnumjobs=17\niodepth=65536\nrw=read\n") < 0);
    assert_int_equal(b->asked, 0);
    bench_free(b);
}

/* A number for everything that was asked, in its order. */
static uint64_t trace_of(uint64_t seed, const char *text) {
    struct bench *b = bench_new(LATENCY, 0);
    uint64_t mark = 0;
    assert_int_equal(try_run(b, seed, text), 0);
    for (uint64_t i = 0; i < b->asked; i++)
        mark = (mark ^ b->offset[i] ^ (uint64_t)b->op[i] << 60) * 0x9e3779b97f4a7c15u;
    bench_free(b);
    return mark;
}

static void test_runner_same_seed_same_requests(void **state) {
    static const char text[] = "[a]\nrw=randrw\nsize=4m\niodepth=4\nnumjobs=2\n";
    static const char pinned[] = "[a]\nrw=randrw\nsize=4m\niodepth=4\nnumjobs=2\nrandseed=77\n";
    assert_int_equal(trace_of(1, text), trace_of(1, text));
    assert_int_not_equal(trace_of(1, text), trace_of(2, text));
    assert_int_equal(trace_of(1, pinned), trace_of(2, pinned));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runner_one_at_a_time),
        cmocka_unit_test(test_runner_host_takes_time),
        cmocka_unit_test(test_runner_host_goes_with),
        cmocka_unit_test(test_runner_depth_divides_the_time),
        cmocka_unit_test(test_runner_bandwidth_sets_the_latency),
        cmocka_unit_test(test_runner_stops_at_number_ios),
        cmocka_unit_test(test_runner_number_ios_extends_nothing),
        cmocka_unit_test(test_runner_stops_at_runtime),
        cmocka_unit_test(test_runner_ends_before_runtime_with_its_size),
        cmocka_unit_test(test_runner_time_based_passes_cover_every_block_once),
        cmocka_unit_test(test_runner_norandommap_repeats_blocks),
        cmocka_unit_test(test_runner_mixes_reads_and_writes),
        cmocka_unit_test(test_runner_mix_of_none_and_all),
        cmocka_unit_test(test_runner_sequential_directions_advance_apart),
        cmocka_unit_test(test_runner_stays_in_its_region),
        cmocka_unit_test(test_runner_trims),
        cmocka_unit_test(test_runner_jobs_run_at_once),
        cmocka_unit_test(test_runner_group_reporting_joins),
        cmocka_unit_test(test_runner_windows_are_exact),
        cmocka_unit_test(test_runner_failure_ends_its_job_with_the_reason),
        cmocka_unit_test(test_runner_other_jobs_go_on_after_a_failure),
        cmocka_unit_test(test_runner_says_when_time_stands_still),
        cmocka_unit_test(test_runner_bounds_a_run),
        cmocka_unit_test(test_runner_same_seed_same_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
