/*
 * Options of jobs that act in time, on payload, on zones or on each other: one
 * test each, on a drive of fixed latency, where every count and moment has a
 * closed form.
 */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "load/runner.h"

#define LATENCY  10000 /* ns */
#define CAPACITY (64ull << 20)
#define TRACE    20000

/* A drive whose kind is watched. */
struct bench {
    struct sim *sim;
    struct drive *drive;
    struct drive_ops ops;
    const struct drive_ops *real;
    struct job_file jobs;
    struct run_result result;
    struct err e;
    uint64_t asked, spoil_at; /* spoil the payload of the n-th request, from 1 */
    struct {
        int64_t at_ns;
        uint64_t offset, bytes;
        uint32_t flags, owner;
        uint8_t op, action;
    } io[TRACE];
};

static struct bench *watching; /* a drive's kind gets no context */

static void watched_submit(struct drive *drive, struct io *io) {
    struct bench *b = watching;
    uint64_t i = b->asked++;
    if (i < TRACE) {
        b->io[i].at_ns = sim_now(b->sim);
        b->io[i].offset = io->offset;
        b->io[i].bytes = io->bytes;
        b->io[i].flags = io->flags;
        b->io[i].owner = io->owner;
        b->io[i].op = io->op;
        b->io[i].action = io->action;
    }
    if (b->asked == b->spoil_at)
        *((char *)store_map(drive->store, io->offset, io->bytes) + 600) ^= 1;
    b->real->submit(drive, io);
}

static struct bench *bench_kind(const char *kind, const char *store, const char *const *options) {
    struct bench *b = calloc(1, sizeof(*b));
    struct drive_config *config = calloc(1, sizeof(*config));
    struct opt_set *set = calloc(1, sizeof(*set));
    assert_int_equal(drive_config_init(config, set, &b->e), 0);
    config->drive.kind = 0;
    while (strcmp(drive_kinds[config->drive.kind]->name, kind))
        config->drive.kind++;
    config->drive.capacity = CAPACITY;
    config->nossd.read_latency = config->nossd.write_latency = LATENCY;
    for (; options && *options; options++)
        if (opt_assign_arg(set, *options, &b->e))
            fail_msg("%s: %s", *options, b->e.text);
    b->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &b->e);
    b->drive = drive_open(config, store, NULL, b->sim, &b->e);
    if (!b->drive)
        fail_msg("%s", b->e.text);
    b->real = b->drive->ops;
    b->ops = *b->real;
    b->ops.submit = watched_submit;
    b->drive->ops = &b->ops;
    watching = b;
    free(config);
    free(set);
    return b;
}

static struct bench *bench_new(void) {
    return bench_kind("nossd", "memory", NULL);
}

static void bench_free(struct bench *b) {
    run_result_release(&b->result);
    job_file_release(&b->jobs);
    drive_close(b->drive);
    sim_free(b->sim);
    free(b);
}

static int try_run(struct bench *b, const char *text) {
    const struct load_settings settings = {.seed = 1};
    struct drive_zoned_limits zones = {0};
    run_result_release(&b->result);
    job_file_release(&b->jobs);
    b->asked = 0;
    if (b->drive->ops->zoned)
        b->drive->ops->zoned->limits(b->drive, &zones);
    if (job_file_parse(&b->jobs, "test.fio", text, strlen(text), &b->e))
        fail_msg("%s", b->e.text);
    for (unsigned i = 0; i < b->jobs.count; i++)
        if (job_resolve(&b->jobs.job[i], b->drive->capacity, zones.zone_bytes, &b->e))
            fail_msg("%s", b->e.text);
    return load_run(&b->jobs, b->drive, b->sim, &settings, &b->result, &b->e);
}

static const struct run_stat *run(struct bench *b, const char *text) {
    if (try_run(b, text))
        fail_msg("%s", b->e.text);
    return b->result.stat[0];
}

static uint64_t ios(const struct run_stat *s) {
    return s->dir[RUN_READ].ios + s->dir[RUN_WRITE].ios + s->dir[RUN_TRIM].ios;
}

/* --- how much --- */

/* fio's counts of requests, seen with ioengine=null and these options. */
static void test_options_count_as_fio_does(void **state) {
    static const struct {
        const char *job;
        uint64_t reads, writes, trims;
    } table[] = {
        {"rw=randread\nsize=32k\nloops=2\n", 16, 0, 0},
        {"rw=randread\nsize=32k\nio_size=64k\n", 16, 0, 0},
        {"rw=read\nsize=32k\nio_size=64k\n", 16, 0, 0},
        {"rw=randread\nsize=32k\nio_size=16k\n", 4, 0, 0},
        {"rw=read\nsize=1m\nio_size=50%\n", 128, 0, 0},
        {"rw=read\nsize=30k\n", 7, 0, 0},
        {"rw=randread\nsize=30k\n", 7, 0, 0},
        {"rw=read\nsize=16k\nio_size=12k\nloops=2\n", 6, 0, 0},
        {"rw=write\nsize=1m\nloops=3\nnumber_ios=100\n", 0, 300, 0},
        {"rw=trimwrite\nsize=1m\n", 0, 256, 256},
        {"rw=randtrimwrite\nsize=1m\n", 0, 256, 256},
        {"rw=trimwrite\nsize=64k\nnumber_ios=4\n", 0, 4, 4},
        {"rw=randwrite\nsize=32k\nverify=crc32c\n", 8, 8, 0},
        {"rw=write\nsize=32k\nverify=crc32c\nverify_backlog=4\n", 8, 8, 0},
        {"rw=write\nsize=16k\nverify=crc32c\nloops=2\n", 8, 8, 0},
        {"rw=read\nsize=32k\nverify=null\n", 8, 0, 0},
        {"rw=randread\nsize=1m\nblockalign=16k\n", 256, 0, 0},
        {"rw=randread:4\nsize=1m\n", 256, 0, 0},
        {"rw=read:4k\nsize=32k\n", 8, 0, 0},
        {"rw=read\nsize=1m\nzonemode=strided\nzonesize=8k\nzonerange=16k\nzoneskip=32k\n", 256, 0, 0},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct bench *b = bench_new();
        char text[300];
        snprintf(text, sizeof(text), "[a]\nfilesize=1m\n%s", table[i].job);
        const struct run_stat *s = run(b, text);
        if (s->first_error || s->dir[RUN_READ].ios != table[i].reads || s->dir[RUN_WRITE].ios != table[i].writes ||
            s->dir[RUN_TRIM].ios != table[i].trims)
            fail_msg("%s-> %llu reads, %llu writes, %llu trims %s", table[i].job,
                     (unsigned long long)s->dir[RUN_READ].ios, (unsigned long long)s->dir[RUN_WRITE].ios,
                     (unsigned long long)s->dir[RUN_TRIM].ios, s->error_text);
        bench_free(b);
    }
}

/* fio: each loop asks the same again, unless told not to. */
static void test_options_randrepeat(void **state) {
    struct bench *b = bench_new();
    unsigned differing = 0;
    run(b, "[a]\nrw=randread\nsize=256k\nloops=2\n");
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(b->io[i].offset, b->io[64 + i].offset);
    run(b, "[a]\nrw=randread\nsize=256k\nloops=2\nrandrepeat=0\n");
    for (unsigned i = 0; i < 64; i++)
        differing += b->io[i].offset != b->io[64 + i].offset;
    assert_true(differing > 32);
    bench_free(b);
}

static void test_options_same_randseed_same_requests(void **state) {
    struct bench *b = bench_new();
    run(b, "[global]\nrw=randread\nsize=256k\n[a]\nrandseed=5\n[b]\nstonewall\nrandseed=5\n[c]\nstonewall\n[d]"
           "\nstonewall\n");
    unsigned differing = 0;
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(b->io[i].offset, b->io[64 + i].offset);
        differing += b->io[128 + i].offset != b->io[192 + i].offset;
    }
    assert_true(differing > 32);
    bench_free(b);
}

/* --- when --- */

static void test_options_stages(void **state) {
    struct bench *b = bench_new();
    run(b, "[global]\nrw=read\nsize=40k\n[a]\n[b]\n[c]\nstonewall\nnumjobs=2\n[d]\nwait_for=c\n[e]\n");
    const int64_t lasts = 10 * LATENCY, want[] = {0, 0, lasts, lasts, 2 * lasts, lasts};
    assert_int_equal(b->result.count, 6);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(b->result.stat[i]->start_ns, want[i]);
        assert_int_equal(b->result.stat[i]->group, i < 2 ? 0 : 1);
    }
    assert_int_equal(b->io[0].owner, 1);
    bench_free(b);
}

static void test_options_startdelay_and_ramp(void **state) {
    struct bench *b = bench_new();
    const struct run_stat *s = run(b, "[a]\nrw=read\ntime_based\nruntime=10ms\nramp_time=5ms\nstartdelay=1ms\n");
    assert_int_equal(b->io[0].at_ns, 1000000);
    assert_int_equal(s->start_ns, 6000000); /* what is counted */
    assert_int_equal(s->end_ns, 16000000);
    assert_int_equal(ios(s), 1001); /* with the one that was under way when the ramp ended */
    s = run(b, "[a]\nrw=read\nsize=4k\nstartdelay=1ms-9ms\n");
    assert_in_range(b->io[0].at_ns - 16000000, 1000000, 9000000);
    bench_free(b);
}

static void test_options_exitall(void **state) {
    struct bench *b = bench_new();
    run(b, "[global]\nrw=read\n[a]\nsize=40k\nexitall\n[b]\nsize=4m\n[c]\nstonewall\nsize=40k\n");
    assert_int_equal(ios(b->result.stat[1]), 10);
    assert_int_equal(ios(b->result.stat[2]), 10); /* another group */
    run(b, "[global]\nrw=read\n[a]\nsize=40k\nexitall\nexit_what=all\n[b]\nsize=4m\n[c]\nstonewall\nsize=40k\n");
    assert_int_equal(ios(b->result.stat[1]), 10);
    assert_int_equal(ios(b->result.stat[2]), 0);
    bench_free(b);
}

/* fio: 1024 requests of 4 KiB a second at 4 MiB/s; 500 reads and 200 writes where both are limited. */
static void test_options_rates(void **state) {
    struct bench *b = bench_new();
    const struct run_stat *s = run(b, "[a]\nrw=read\nrate=4m\nruntime=2\ntime_based\n");
    assert_int_equal(ios(s), 2048);
    assert_int_equal(s->dir[RUN_READ].slat.max, 0);
    assert_int_equal(b->io[1024].at_ns, 1000000000);
    s = run(b, "[a]\nrw=randrw\nrate_iops=500,200\nruntime=2\ntime_based\n");
    assert_in_range(s->dir[RUN_READ].ios, 999, 1001);
    assert_in_range(s->dir[RUN_WRITE].ios, 399, 401);
    bench_free(b);
}

/* Faster than the drive: what has to wait for a place shows it in slat, and lat is the whole of it. */
static void test_options_rate_beyond_the_drive(void **state) {
    struct bench *b = bench_new();
    const struct run_stat *s = run(b, "[a]\nrw=read\nrate_iops=200000\nsize=4000k\niodepth=1\n");
    assert_int_equal(ios(s), 1000);
    assert_int_equal(s->dir[RUN_READ].clat.max, LATENCY);
    assert_int_equal(s->dir[RUN_READ].slat.max, 999 * (LATENCY - 5000));
    assert_int_equal(s->dir[RUN_READ].lat.max, 999 * (LATENCY - 5000) + LATENCY);
    assert_int_equal(s->dir[RUN_READ].lat.count, 1000);
    bench_free(b);
}

static void test_options_poisson(void **state) {
    struct bench *b = bench_new();
    const struct run_stat *s =
        run(b, "[a]\nrw=randread\nrate_iops=1000\nrate_process=poisson\nruntime=10\ntime_based\niodepth=64\n");
    double squares = 0, sum = 0;
    assert_in_range(ios(s), 9700, 10300);
    for (unsigned i = 1; i < 9000; i++) {
        double gap = (double)(b->io[i].at_ns - b->io[i - 1].at_ns);
        sum += gap;
        squares += gap * gap;
    }
    assert_true(fabs(squares * 8999 / (sum * sum) - 2) <
                0.15); /* 2 for an exponential distribution, 1 for equal gaps */
    bench_free(b);
}

static void test_options_rate_min(void **state) {
    struct bench *b = bench_new();
    const struct run_stat *s = run(b, "[a]\nrw=read\nrate_iops_min=200000\ntime_based\nruntime=5\nrate_cycle=100\n");
    assert_non_null(strstr(s->error_text, "99990 requests a second"));
    assert_int_equal(s->end_ns, 100000000);
    s = run(b, "[a]\nrw=read\nrate_iops_min=99000\ntime_based\nruntime=500ms\nrate_cycle=100\n");
    assert_int_equal(s->first_error, 0);
    bench_free(b);
}

/* fio: all is back, then the pause. */
static void test_options_thinktime(void **state) {
    struct bench *b = bench_new();
    run(b, "[a]\nrw=read\nsize=64k\nthinktime=100\nthinktime_blocks=4\n");
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(b->io[i].at_ns, i * LATENCY + i / 4 * 100000);
    run(b, "[a]\nrw=read\nsize=64k\nthinktime=100\nthinktime_blocks=2\nthinktime_blocks_type=issue\niodepth=4\n");
    for (unsigned i = 1; i < 16; i++)
        assert_int_equal(b->io[i].at_ns - b->io[0].at_ns, i / 2 * (LATENCY + 100000));
    run(b, "[a]\nrw=read\nsize=64k\nthinktime=100\nthinktime_spin=300\n");
    assert_int_equal(b->io[1].at_ns - b->io[0].at_ns, LATENCY + 300000);
    bench_free(b);
}

/* Whatever holds a job back at once, it goes on, and asks everything once. */
static void test_options_hold_back_together(void **state) {
    static const char *const jobs[] = {
        "rate_iops=50000\nthinktime=100\nthinktime_blocks=3\n",
        "rate_iops=150000\nthinktime=100\nthinktime_blocks=3\nthinktime_blocks_type=issue\n",
        "rate_iops=50000\nthinktime=30\nthinktime_blocks=5\nfsync=2\nrate_ignore_thinktime=1\n",
        "rate=100m\nlatency_target=15\nlatency_window=1ms\n",
        "rate_iops=90000\nrate_process=poisson\nfsync=3\nserialize_overlap=1\nthinktime=10\n",
        "zonemode=zbd\nzonesize=64k\nio_size=8m\nthinktime=20\nrate_iops=70000\nfsync=5\n",
        "verify=crc32c\nverify_backlog=7\nfsync=3\nthinktime=15\nrate_iops=60000\nthinktime_iotime=50us\n",
    };
    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        struct bench *b = bench_new();
        char text[300];
        snprintf(text, sizeof(text),
                 "[a]\nrw=randwrite\nsize=2m\niodepth=6\n%s[b]\nrw=randwrite\nsize=2m\noffset=4m\n%s%s", jobs[i],
                 jobs[i], "numjobs=2\noffset_increment=4m\n");
        const struct run_stat *s = run(b, text);
        if (s->first_error)
            fail_msg("%s-> %s", jobs[i], s->error_text);
        if (!strstr(jobs[i], "latency_target"))
            for (unsigned n = 0; n < 3; n++)
                assert_int_equal(b->result.stat[n]->dir[RUN_WRITE].ios, strstr(jobs[i], "io_size") ? 2048 : 512);
        bench_free(b);
    }
}

/* --- how many --- */

/* Once full, nothing until three are back, or until the queue has fallen to 1. */
static void test_options_batches(void **state) {
    struct bench *b = bench_kind("nossd", "none", (const char *const[]){"nossd.read_bandwidth=409600000", NULL});
    run(b, "[a]\nrw=read\nsize=256k\niodepth=4\niodepth_batch_complete_min=3\n");
    for (unsigned i = 4; i < 63; i++) /* one request leaves the drive every 10 us: they come three at a time */
        assert_int_equal(b->io[i].at_ns == b->io[i - 1].at_ns, (i - 4) % 3 != 0);
    run(b, "[a]\nrw=read\nsize=256k\niodepth=4\niodepth_low=1\n");
    for (unsigned i = 4; i < 63; i++)
        assert_int_equal(b->io[i].at_ns == b->io[i - 1].at_ns, (i - 4) % 3 != 0);
    bench_free(b);
}

static void test_options_serialize_overlap(void **state) {
    struct bench *b = bench_new();
    run(b, "[a]\nrw=randwrite\nsize=16k\nnorandommap\nserialize_overlap=1\niodepth=4\nio_size=1m\n");
    for (unsigned i = 0; i < 256; i++)
        for (unsigned n = 0; n < i; n++)
            if (b->io[n].offset == b->io[i].offset)
                assert_true(b->io[i].at_ns - b->io[n].at_ns >= LATENCY);
    assert_int_equal(b->asked, 256);
    bench_free(b);
}

/* A byte a nanosecond: a request waits 4096 ns for each one before it, so 50 us allow 12. */
static void test_options_latency_target(void **state) {
    struct bench *b = bench_kind(
        "nossd", "none", (const char *const[]){"nossd.read_bandwidth=1000000000", "nossd.read_latency=0", NULL});
    const struct run_stat *s =
        run(b, "[a]\nrw=randread\ntime_based\nruntime=10\niodepth=128\nlatency_target=50\nlatency_window=10ms\n");
    assert_int_equal(s->first_error, 0);
    assert_int_equal(s->latency_depth, 12);
    assert_true(s->end_ns - s->start_ns < 1000000000);
    assert_true(s->dir[RUN_READ].lat.max <= 50000);
    s = run(b, "[a]\nrw=randread\ntime_based\nruntime=10\niodepth=8\nlatency_target=50\nlatency_window=10ms\n");
    assert_int_equal(s->latency_depth, 8);
    s = run(b, "[a]\nrw=randread\ntime_based\nruntime=10\niodepth=8\nlatency_target=2\nlatency_window=10ms\n");
    assert_non_null(strstr(s->error_text, "latency_target"));
    s = run(b, "[a]\nrw=randread\ntime_based\nruntime=10\niodepth=16\nmax_latency=40\n");
    assert_non_null(strstr(s->error_text, "max_latency"));
    bench_free(b);
}

static void test_options_steadystate(void **state) {
    struct bench *b = bench_new();
    const struct run_stat *s = run(b, "[a]\nrw=read\ntime_based\nruntime=60\nss=iops:1%\nss_dur=3\nss_ramp=2\n");
    assert_true(s->steady.attained);
    assert_int_equal(s->steady.at_ns, 5000000000);
    assert_int_equal((int64_t)s->steady.mean_iops, 100000);
    assert_int_equal(s->end_ns, 5000000000);
    s = run(b,
            "[global]\ngroup_reporting\nrw=read\ntime_based\nruntime=60\nss=bw_slope:1m\nss_dur=4\nss_interval=500ms\n"
            "[a]\n[b]\niodepth=2\n");
    assert_int_equal(b->result.count, 1);
    assert_true(s->steady.attained && fabs(s->steady.mean_iops - 300000) < 2);
    assert_int_equal(s->steady.at_ns, 4000000000);
    bench_free(b);
}

/* --- durability --- */

static void test_options_fsync(void **state) {
    struct bench *b = bench_new();
    const struct run_stat *s = run(b, "[a]\nrw=write\nsize=64k\nfsync=4\nend_fsync=1\niodepth=2\n");
    assert_int_equal(b->asked, 16 + 4); /* fio: none after the last write but that of end_fsync */
    for (unsigned i = 0; i < b->asked; i++)
        assert_int_equal(b->io[i].op == IO_FLUSH, i % 5 == 4);
    assert_int_equal(s->sync.count, 4);
    s = run(b, "[a]\nrw=write\nsize=64k\nfsync=4\n");
    assert_int_equal(s->sync.count, 3);
    s = run(b, "[a]\nrw=write\nsize=16k\nend_fsync=1\n[b]\nrw=read\nsize=16k\nend_fsync=1\n");
    assert_int_equal(b->asked, 9);
    s = run(b, "[a]\nrw=write\nsize=16k\nsync=1\n");
    assert_true(b->io[0].flags & IO_FUA);
    bench_free(b);
}

/* --- payload --- */

static void test_options_verify_finds_what_was_written(void **state) {
    static const char *const jobs[] = {
        "rw=randwrite\nverify=crc32c\niodepth=8\n",
        "rw=write\nbs=16k\nverify=md5\nverify_interval=4k\n",
        "rw=randwrite\nbsrange=4k-16k\nverify=meta\niodepth=4\n",
        "rw=randwrite\nnorandommap\nverify=xxhash\niodepth=8\n",
        "rw=randwrite\nverify=pattern\nverify_pattern=0xdeadbeef%o\"x\"\n",
        "rw=randwrite\nverify=crc32c\nverify_pattern=17\nverify_offset=512\n",
        "rw=randtrimwrite\nverify=crc32c\n",
        "rw=randrw\nverify=sha256\nverify_backlog=16\n",
        "rw=write\nverify=crc32c\ntime_based\nruntime=5ms\n",
    };
    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        struct bench *b = bench_new();
        char text[200];
        snprintf(text, sizeof(text), "[a]\nsize=1m\n%s", jobs[i]);
        const struct run_stat *s = run(b, text);
        if (s->first_error || !s->verified)
            fail_msg("%s-> %llu verified, %s", jobs[i], (unsigned long long)s->verified, s->error_text);
        bench_free(b);
    }
}

static void test_options_verify_finds_a_wrong_byte(void **state) {
    static const struct {
        const char *job, *word;
    } table[] = {
        {"verify=crc32c\n", "checksum of the block at 20480"},
        {"verify=crc32c\nverify_interval=512\n", "checksum of the block at 20992"},
        {"verify=pattern\nverify_pattern=0x55\n", "byte 600 of the block at 20480 is 0x54 instead of 0x55"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct bench *b = bench_new();
        char text[200];
        b->spoil_at = 256 + 6; /* the sixth read; blocks come back in order */
        snprintf(text, sizeof(text), "[a]\nrw=write\nsize=1m\n%s", table[i].job);
        const struct run_stat *s = run(b, text);
        if (s->first_error != IO_COMPARE_FAILURE || !strstr(s->error_text, table[i].word))
            fail_msg("%s-> %s", table[i].job, s->error_text);
        assert_int_equal(s->verified, 255); /* the others were looked at, too */
        assert_int_equal(s->dir[RUN_READ].errors, 1);
        snprintf(text, sizeof(text), "[a]\nrw=write\nsize=1m\nverify_fatal=1\n%s", table[i].job);
        s = run(b, text);
        assert_int_equal(s->verified, 5);
        snprintf(text, sizeof(text), "[a]\nrw=write\nsize=1m\ncontinue_on_error=verify\n%s", table[i].job);
        s = run(b, text);
        assert_int_equal(s->first_error, 0);
        bench_free(b);
    }
}

/* A later job reads what an earlier one left; a third overwrote part of it. */
static void test_options_verify_only(void **state) {
    struct bench *b = bench_new();
    run(b, "[global]\nsize=1m\nverify=crc32c\nrandseed=3\n[a]\nrw=randwrite\ndo_verify=0\n"
           "[b]\nstonewall\nrw=randwrite\nverify_only\n[c]\nstonewall\nrw=read\n");
    for (unsigned i = 1; i < 3; i++) {
        assert_int_equal(b->result.stat[i]->first_error, 0);
        assert_int_equal(b->result.stat[i]->verified, 256);
        assert_int_equal(b->result.stat[i]->dir[RUN_WRITE].ios, 0);
    }
    run(b, "[global]\nsize=1m\nverify=crc32c\nrandseed=3\n[a]\nrw=randwrite\ndo_verify=0\n"
           "[x]\nrw=write\nverify=0\nsize=4k\noffset=64k\nstonewall\n[b]\nstonewall\nrw=randwrite\nverify_only\n");
    assert_non_null(strstr(b->result.stat[2]->error_text, "65536"));
    bench_free(b);
}

/* --- zones --- */

/* fio: the same walks and counts, on a file with zonemode=zbd zonesize=32k. */
static void test_options_zbd_without_zones(void **state) {
    struct bench *b = bench_new();
    const struct run_stat *s = run(b, "[a]\nrw=write\nsize=256k\nio_size=320k\nzonemode=zbd\nzonesize=32k\n");
    assert_int_equal(ios(s), 80);
    for (unsigned i = 0; i < 80; i++)
        assert_int_equal(b->io[i].offset, i % 64 * 4096);
    assert_int_equal(s->zone_resets, 2); /* the first two zones, when they come again */
    s = run(b, "[a]\nrw=randwrite\nsize=256k\nzonemode=zbd\nzonesize=32k\nmax_open_zones=2\niodepth=4\n");
    uint64_t wp[8] = {0};
    unsigned open = 0, most = 0;
    for (unsigned i = 0; i < b->asked; i++) {
        unsigned zone = (unsigned)(b->io[i].offset / 32768);
        if (b->io[i].offset % 32768 == 0) {
            wp[zone] = 0;
            open++;
        }
        assert_int_equal(b->io[i].offset % 32768, wp[zone]);
        wp[zone] += b->io[i].bytes;
        most = open > most ? open : most;
        open -= wp[zone] == 32768;
    }
    assert_int_equal(most, 2);
    s = run(b, "[a]\nrw=randread\nsize=256k\nzonemode=zbd\nzonesize=32k\n");
    assert_int_equal(ios(s), 0); /* fio: nothing is written, nothing is read */
    s = run(b, "[a]\nrw=randread\nsize=256k\nzonemode=zbd\nzonesize=32k\nread_beyond_wp=1\n");
    assert_int_equal(ios(s), 64);
    s = run(b, "[a]\nrw=randrw\nsize=256k\nzonemode=zbd\nzonesize=32k\n");
    assert_int_equal(b->io[0].op, IO_WRITE); /* fio: a read that finds nothing is a write */
    uint64_t written[8] = {0};
    for (unsigned i = 0; i < b->asked; i++) {
        unsigned zone = (unsigned)(b->io[i].offset / 32768);
        uint64_t end = b->io[i].offset % 32768 + b->io[i].bytes;
        if (b->io[i].op == IO_WRITE)
            written[zone] = end;
        else
            assert_true(end <= written[zone]);
    }
    bench_free(b);
}

static void test_options_zbd_capacity_and_skip(void **state) {
    struct bench *b = bench_new();
    run(b, "[a]\nrw=write\nsize=256k\nio_size=96k\nzonemode=zbd\nzonesize=32k\nzonecapacity=24k\nzoneskip=1z\n");
    for (unsigned i = 0; i < 24; i++)
        assert_int_equal(b->io[i].offset, i / 6 * 65536 + i % 6 * 4096);
    assert_true(try_run(b, "[a]\nrw=randwrite\nsize=256k\nzonemode=zbd\nzonesize=32k\nzonecapacity=3k\n") < 0);
    assert_non_null(strstr(b->e.text, "does not fit into a zone that takes 3072"));
    const struct run_stat *s = run(b, "[a]\nrw=randwrite\nsize=256k\nio_size=1m\nzonemode=zbd\nzonesize=32k\n"
                                      "zone_reset_threshold=0.1\nzone_reset_frequency=0.25\n");
    assert_true(s->zone_resets > 20);
    bench_free(b);
}

static void test_options_zbd_on_a_zoned_drive(void **state) {
    struct bench *b =
        bench_kind("zns", "memory",
                   (const char *const[]){"drive.capacity=48MiB", "zns.zone_size=4MiB", "zns.zone_capacity=3MiB",
                                         "nand.channels=2", "nand.luns=1", "nand.planes=1", "nand.blocks=24",
                                         "nand.pages=96", "nand.page_bytes=16384", "nand.factory_bad_percent=0",
                                         "zns.dies_per_zone=2", "zns.max_open=3", "zns.max_active=3", NULL});
    const struct run_stat *s = run(b, "[a]\nrw=randwrite\nbs=64k\nsize=8z\nio_size=64m\nzonemode=zbd\niodepth=4\n");
    if (s->first_error)
        fail_msg("%s", s->error_text);
    assert_int_equal(s->dir[RUN_WRITE].ios, 1024);
    assert_true(s->zone_resets > 10);
    s = run(b, "[a]\nrw=trim\nbs=2m\nsize=8z\nzonemode=zbd\nnumber_ios=4\n");
    assert_int_equal(s->first_error, 0);
    assert_int_equal(b->io[0].op, IO_ZONE);
    assert_int_equal(b->io[0].action, ZONE_RESET);
    assert_true(try_run(b, "[a]\nrw=write\nzonemode=zbd\nmax_open_zones=4\n") < 0);
    assert_non_null(strstr(b->e.text, "the drive allows 3"));
    s = run(b, "[a]\nrw=randrw\nbs=16k\nzonemode=zbd\nio_size=8m\nverify=crc32c\nsize=8z\n");
    if (s->first_error)
        fail_msg("%s", s->error_text);
    assert_true(s->verified > 0);
    bench_free(b);
}

/* --- logs --- */

static void test_options_iolog_there_and_back(void **state) {
    char folder[] = "/tmp/load_options_XXXXXX", log[64], text[300];
    struct bench *b = bench_new(), *again = bench_new();
    assert_non_null(mkdtemp(folder));
    snprintf(log, sizeof(log), "%s/log", folder);
    watching = b;
    snprintf(text, sizeof(text), "[a]\nrw=randrw\nsize=400k\nthinktime=500\nfsync=7\nwrite_iolog=%s\n", log);
    run(b, text);
    snprintf(text, sizeof(text), "[a]\nread_iolog=%s\niodepth=8\n", log);
    watching = again;
    run(again, text);
    assert_true(b->asked > 100);
    assert_int_equal(again->asked, b->asked);
    for (unsigned i = 0; i < b->asked; i++) {
        assert_int_equal(again->io[i].op, b->io[i].op);
        assert_int_equal(again->io[i].at_ns / 1000, b->io[i].at_ns / 1000);
        if (b->io[i].op != IO_FLUSH)
            assert_int_equal(again->io[i].offset, b->io[i].offset);
    }
    int64_t took = again->result.simulated_ns;
    snprintf(text, sizeof(text), "[a]\nread_iolog=%s\nreplay_time_scale=200\nreplay_skip=sync\n", log);
    run(again, text);
    assert_true(again->asked < b->asked);
    assert_true(again->result.simulated_ns < took * 6 / 10);
    snprintf(text, sizeof(text), "[a]\nread_iolog=%s\nreplay_no_stall=1\niodepth=4\n", log);
    run(again, text);
    assert_true(again->result.simulated_ns < took / 20);
    snprintf(text, sizeof(text), "[a]\nread_iolog=%s\nsize=100k\n", log);
    assert_true(try_run(again, text) < 0);
    assert_non_null(strstr(again->e.text, "inside the job's region of 102400"));
    FILE *zoned = fopen(log, "w");
    fputs("# drivelab trace 1\n0,W,0,4096\n5,Z,0,0\n", zoned);
    fclose(zoned);
    snprintf(text, sizeof(text), "[a]\nread_iolog=%s\n", log);
    assert_true(try_run(again, text) < 0);
    assert_non_null(strstr(again->e.text, "an action on a zone"));
    remove(log);
    remove(folder);
    bench_free(again);
    bench_free(b);
}

/* --- */

static sig_atomic_t stop_now;

static void count_progress(void *context, const struct load_progress *p) {
    assert_true(p->done >= 0 && p->done <= 1);
    if (++*(unsigned *)context == 3)
        stop_now = 1;
}

static void test_options_progress_and_stop(void **state) {
    struct bench *b = bench_new();
    unsigned seen = 0;
    const struct load_settings settings = {.seed = 1, .progress = count_progress, .context = &seen, .stop = &stop_now};
    const char *text = "[a]\nrw=randread\ntime_based\nruntime=100\n[b]\nstonewall\nrw=read\n[c]\nrate_iops=1\n";
    assert_int_equal(job_file_parse(&b->jobs, "test", text, strlen(text), &b->e), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(job_resolve(&b->jobs.job[i], CAPACITY, 0, &b->e), 0);
    assert_int_equal(load_run(&b->jobs, b->drive, b->sim, &settings, &b->result, &b->e), 0);
    assert_true(b->result.interrupted);
    assert_in_range(ios(b->result.stat[0]), 3 * 16384, 4 * 16384 + 10);
    assert_int_equal(ios(b->result.stat[1]) + ios(b->result.stat[2]), 0);
    bench_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_count_as_fio_does),
        cmocka_unit_test(test_options_randrepeat),
        cmocka_unit_test(test_options_same_randseed_same_requests),
        cmocka_unit_test(test_options_stages),
        cmocka_unit_test(test_options_startdelay_and_ramp),
        cmocka_unit_test(test_options_exitall),
        cmocka_unit_test(test_options_rates),
        cmocka_unit_test(test_options_rate_beyond_the_drive),
        cmocka_unit_test(test_options_poisson),
        cmocka_unit_test(test_options_rate_min),
        cmocka_unit_test(test_options_thinktime),
        cmocka_unit_test(test_options_hold_back_together),
        cmocka_unit_test(test_options_batches),
        cmocka_unit_test(test_options_serialize_overlap),
        cmocka_unit_test(test_options_latency_target),
        cmocka_unit_test(test_options_steadystate),
        cmocka_unit_test(test_options_fsync),
        cmocka_unit_test(test_options_verify_finds_what_was_written),
        cmocka_unit_test(test_options_verify_finds_a_wrong_byte),
        cmocka_unit_test(test_options_verify_only),
        cmocka_unit_test(test_options_zbd_without_zones),
        cmocka_unit_test(test_options_zbd_capacity_and_skip),
        cmocka_unit_test(test_options_zbd_on_a_zoned_drive),
        cmocka_unit_test(test_options_iolog_there_and_back),
        cmocka_unit_test(test_options_progress_and_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
