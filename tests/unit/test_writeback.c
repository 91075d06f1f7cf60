/*
 * Buffered writes: what is dirty, when it goes to the drive, in what order and
 * as what, who waits, and that nothing depends on when it is interrupted.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "block/block.h"
#include "load/dirty.h"
#include "load/runner.h"
#include "load/writeback.h"

#define CAPACITY (1ull << 30)
#define LATENCY  1000000 /* ns */
#define MIB      (1ull << 20)
#define TRACE    20000

/* A drive of fixed latency, and what reached it. */
struct bench {
    struct sim *sim;
    struct drive *drive;
    struct drive_ops ops;
    const struct drive_ops *real;
    struct err e;
    unsigned asked, failing; /* the n-th write fails; 0: none */
    struct {
        uint64_t offset, bytes;
        int64_t at_ns;
        uint32_t flags, owner;
        uint8_t op;
    } seen[TRACE];
};

static struct bench *watching; /* a drive's kind gets no context */

static void watched_submit(struct drive *drive, struct io *io) {
    struct bench *b = watching;
    unsigned i = b->asked++;
    if (i < TRACE) {
        b->seen[i].op = io->op;
        b->seen[i].offset = io->offset;
        b->seen[i].bytes = io->bytes;
        b->seen[i].flags = io->flags;
        b->seen[i].owner = io->owner;
        b->seen[i].at_ns = sim_now(drive->sim);
    }
    if (b->asked == b->failing)
        io_fail(io, IO_WRITE_FAULT, "request %u was told to fail", b->failing);
    b->real->submit(drive, io);
}

static struct bench *bench_new(const char *scheduler, unsigned cgroup_version) {
    struct bench *b = calloc(1, sizeof(*b));
    struct drive_config *config = calloc(1, sizeof(*config));
    struct opt_set *set = calloc(1, sizeof(*set));
    assert_int_equal(drive_config_init(config, set, &b->e), 0);
    config->drive.kind = 0;
    while (strcmp(drive_kinds[config->drive.kind]->name, "nossd"))
        config->drive.kind++;
    config->drive.capacity = CAPACITY;
    config->nossd.read_latency = config->nossd.write_latency = LATENCY;
    config->nossd.read_bandwidth = config->nossd.write_bandwidth = 100000000;
    b->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &b->e);
    b->drive = drive_open(config, "none", NULL, b->sim, &b->e);
    assert_non_null(b->drive);
    b->real = b->drive->ops;
    b->ops = *b->real;
    b->ops.submit = watched_submit;
    b->drive->ops = &b->ops;
    watching = b;
    if (scheduler)
        assert_non_null(block_new(
            b->drive, &(struct block_settings){.scheduler = scheduler, .cgroup_version = cgroup_version}, &b->e));
    free(config);
    free(set);
    return b;
}

static void bench_free(struct bench *b) {
    block_free(block_of(b->drive));
    drive_close(b->drive);
    sim_free(b->sim);
    free(b);
}

/* --- ranges, against one flag a unit --- */

#define UNITS 200

static void assert_same(const struct dirty_set *set, const bool *dirty) {
    uint64_t bytes = 0;
    for (unsigned i = 0; i < UNITS; i++) {
        bytes += dirty[i];
        assert_int_equal(dirty_covers(set, i, i + 1), dirty[i]);
    }
    assert_int_equal(set->bytes, bytes);
}

static void test_dirty_is_as_flags_are(void **state) {
    struct dirty_pool pool = {0};
    struct dirty_set set = {.pool = &pool};
    bool dirty[UNITS] = {0};
    struct rng rng;
    rng_init(&rng, 7, 0);
    for (unsigned step = 0; step < 3000; step++) {
        uint64_t start = rng_below(&rng, UNITS), end = start + 1 + rng_below(&rng, UNITS - start), at, upto;
        if (end - start > 20)
            end = start + 20;
        unsigned what = (unsigned)rng_below(&rng, 3);
        if (what == 0)
            assert_int_equal(dirty_add(&set, start, end), 0);
        else if (what == 1)
            dirty_cut(&set, start, end);
        if (what < 2)
            for (uint64_t i = start; i < end; i++)
                dirty[i] = !what;
        if (what == 2 && dirty_take(&set, start, 5, &at, &upto)) {
            assert_true(upto - at <= 5 && upto > at);
            assert_true(!at || !dirty[at - 1]);
            for (; at < upto; at++) {
                assert_true(dirty[at]);
                dirty[at] = false;
            }
        }
        assert_same(&set, dirty);
    }
    dirty_pool_release(&pool);
}

/* --- the cache alone --- */

static unsigned done_count;
static int64_t done_ns;

static void count_done(struct io *io) {
    done_count++;
    done_ns = io->completed_ns;
}

static struct io *write_io(uint64_t offset, uint64_t bytes) {
    struct io *io = calloc(1, sizeof(*io));
    io_init(io);
    io->op = IO_WRITE;
    io->flags = IO_NO_DATA | IO_SYNC;
    io->offset = offset;
    io->bytes = bytes;
    io->owner = 1;
    io->done = count_done;
    return io;
}

static struct writeback *cache_new(struct bench *b, uint64_t background, uint64_t limit, bool sync,
                                   struct writeback_file **f) {
    const struct writeback_settings set = {
        .background_bytes = background, .limit_bytes = limit, .expire_ns = 30000000000, .period_ns = 5000000000};
    struct writeback *wb = writeback_new(b->drive, &set, 10);
    assert_non_null(wb);
    *f = writeback_open(wb, &(struct writeback_file_settings){.owner = 1, .sync = sync}, &b->e);
    assert_non_null(*f);
    done_count = 0;
    done_ns = -1;
    return wb;
}

static int64_t ms(int64_t n) {
    return n * 1000000;
}

static void test_writeback_waits_for_age(void **state) {
    struct bench *b = bench_new(NULL, 1);
    struct writeback_file *f;
    struct writeback *wb = cache_new(b, 64 * MIB, 128 * MIB, false, &f);
    struct io *io = write_io(0, 4096);
    writeback_submit(f, io);
    assert_int_equal(done_count, 0); /* never from inside */
    sim_run(b->sim, ms(1));
    assert_int_equal(done_count, 1);
    assert_in_range(done_ns, 1, 10000); /* a copy, no drive */
    sim_run(b->sim, ms(29999));
    assert_int_equal(b->asked, 0);
    sim_run(b->sim, ms(36000)); /* looked for every 5 s */
    assert_int_equal(b->asked, 1);
    assert_int_equal(b->seen[0].at_ns, ms(30000));
    assert_int_equal(b->seen[0].owner, 10);
    assert_int_equal(b->seen[0].flags & IO_SYNC, 0);
    assert_int_equal(writeback_stat(wb).dirty_bytes, 0);
    sim_run(b->sim, SIM_NEVER); /* and it ends */
    writeback_free(wb);
    free(io);
    bench_free(b);
}

static void test_writeback_begins_at_the_background_limit_in_order(void **state) {
    static const unsigned order[] = {7, 3, 1, 5, 0, 2, 9, 11, 13, 15};
    struct bench *b = bench_new(NULL, 1);
    struct writeback_file *f;
    struct writeback *wb = cache_new(b, 9 * 4096, 1 * MIB, false, &f);
    struct io *io[10];
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(b->asked, 0); /* 9 are no more than the limit */
        writeback_submit(f, io[i] = write_io(order[i] * 4096ull, 4096));
    }
    sim_run(b->sim, ms(100));
    /* 0 to 3 are one; 5 7 9 11 13 15 are not. */
    assert_int_equal(b->asked, 7);
    assert_int_equal(b->seen[0].offset, 0);
    assert_int_equal(b->seen[0].bytes, 4 * 4096);
    for (unsigned i = 1; i < 7; i++)
        assert_int_equal(b->seen[i].offset, (2 * i + 3) * 4096ull);
    writeback_free(wb);
    for (unsigned i = 0; i < 10; i++)
        free(io[i]);
    bench_free(b);
}

static void test_writeback_joins_up_to_a_mebibyte(void **state) {
    struct bench *b = bench_new(NULL, 1);
    struct writeback_file *f;
    struct writeback *wb = cache_new(b, 3 * MIB - 1, 64 * MIB, false, &f);
    struct io *io[192];
    for (unsigned i = 0; i < 192; i++)
        writeback_submit(f, io[i] = write_io(i * 16384ull, 16384));
    sim_run(b->sim, ms(500));
    assert_int_equal(b->asked, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(b->seen[i].offset, i * MIB);
        assert_int_equal(b->seen[i].bytes, MIB);
    }
    writeback_free(wb);
    for (unsigned i = 0; i < 192; i++)
        free(io[i]);
    bench_free(b);
}

static unsigned order_seen[64], order_count;

static void note_order(struct io *io) {
    order_seen[order_count++ % 64] = (unsigned)(io->offset / MIB);
}

static void test_writeback_limit_makes_writers_wait_in_order(void **state) {
    struct bench *b = bench_new(NULL, 1);
    struct writeback_file *f;
    struct writeback *wb = cache_new(b, 4 * MIB, 8 * MIB, false, &f);
    struct io *io[32];
    order_count = 0;
    for (unsigned i = 0; i < 32; i++) {
        io[i] = write_io(i * MIB, MIB);
        io[i]->done = note_order;
        writeback_submit(f, io[i]);
    }
    sim_run(b->sim, ms(9));
    assert_int_equal(order_count, 8); /* the others wait for the drive, which takes 10 ms for one */
    assert_int_equal(writeback_stat(wb).throttled, 24);
    sim_run(b->sim, ms(1000));
    assert_int_equal(order_count, 32);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(order_seen[i], i);
    assert_int_equal(writeback_stat(wb).most_bytes, 8 * MIB);
    assert_true(writeback_stat(wb).throttled_ns > 0);
    writeback_free(wb);
    for (unsigned i = 0; i < 32; i++)
        free(io[i]);
    bench_free(b);
}

static void test_writeback_trimmed_data_makes_room(void **state) {
    struct bench *b = bench_new(NULL, 1);
    struct writeback_file *f;
    struct writeback *wb = cache_new(b, 7 * MIB, 8 * MIB, false, &f);
    struct io *io[9], *trim = write_io(0, 64 * MIB);
    order_count = 0;
    for (unsigned i = 0; i < 9; i++) {
        io[i] = write_io(i * MIB, MIB);
        io[i]->done = note_order;
        writeback_submit(f, io[i]);
    }
    assert_int_equal(writeback_stat(wb).throttled, 1);
    trim->op = IO_TRIM;
    writeback_submit(f, trim);
    assert_int_equal(writeback_stat(wb).dirty_bytes, MIB); /* what had waited */
    sim_run(b->sim, ms(5));                                /* copied, and nothing written yet */
    assert_int_equal(order_count, 9);
    sim_run(b->sim, ms(1000));
    writeback_free(wb);
    for (unsigned i = 0; i < 9; i++)
        free(io[i]);
    free(trim);
    bench_free(b);
}

static void test_writeback_fsync_writes_waits_and_flushes(void **state) {
    struct bench *b = bench_new(NULL, 1);
    struct writeback_file *f;
    struct writeback *wb = cache_new(b, 64 * MIB, 128 * MIB, false, &f);
    struct io *io = write_io(2 * MIB, 3 * MIB), *flush = write_io(0, 0);
    writeback_submit(f, io);
    sim_run(b->sim, ms(2));
    flush->op = IO_FLUSH;
    writeback_submit(f, flush);
    sim_run(b->sim, ms(1000));
    assert_int_equal(done_count, 2);
    assert_int_equal(b->asked, 4);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(b->seen[i].op, IO_WRITE);
        assert_int_equal(b->seen[i].offset, (2 + i) * MIB);
        assert_int_equal(b->seen[i].owner, 1);
        assert_int_equal(b->seen[i].flags & (IO_SYNC | IO_NOIDLE), IO_SYNC | IO_NOIDLE);
    }
    assert_int_equal(b->seen[3].op, IO_FLUSH);
    assert_in_range(b->seen[3].at_ns, ms(31), ms(100)); /* 3 MiB at 100 MB/s before */
    assert_true(done_ns >= b->seen[3].at_ns);
    writeback_free(wb);
    free(io);
    free(flush);
    bench_free(b);
}

static void test_writeback_fsync_reports_what_failed(void **state) {
    struct bench *b = bench_new(NULL, 1);
    struct writeback_file *f;
    struct writeback *wb = cache_new(b, 0, MIB, false, &f);
    struct io *io = write_io(0, 4096), *flush = write_io(0, 0);
    b->failing = 1;
    writeback_submit(f, io);
    sim_run(b->sim, ms(100));
    assert_int_equal(io->status, IO_OK); /* it was done before */
    flush->op = IO_FLUSH;
    for (unsigned again = 0; again < 2; again++) {
        io_release(flush);
        writeback_submit(f, flush);
        sim_run(b->sim, ms(200 + 100 * again));
        assert_int_equal(flush->status, again ? IO_OK : IO_WRITE_FAULT); /* once */
    }
    writeback_free(wb);
    io_release(flush);
    free(io);
    free(flush);
    bench_free(b);
}

static void test_writeback_sync_writes_go_through(void **state) {
    struct bench *b = bench_new(NULL, 1);
    struct writeback_file *f;
    struct writeback *wb = cache_new(b, 64 * MIB, 128 * MIB, true, &f);
    struct io *io = write_io(MIB, 2 * MIB);
    writeback_submit(f, io);
    sim_run(b->sim, ms(1000));
    assert_int_equal(done_count, 1);
    assert_int_equal(b->asked, 3); /* two pieces and a flush */
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(b->seen[i].flags & (IO_SYNC | IO_NOIDLE | IO_FUA), IO_SYNC | IO_NOIDLE);
    assert_int_equal(b->seen[2].op, IO_FLUSH);
    assert_true(done_ns - io->submitted_ns > ms(20));
    assert_int_equal(writeback_stat(wb).dirty_bytes, 0);
    writeback_free(wb);
    free(io);
    bench_free(b);
}

static void test_writeback_reads_hit_and_trims_drop(void **state) {
    struct bench *b = bench_new(NULL, 1);
    struct writeback_file *f;
    struct writeback *wb = cache_new(b, 64 * MIB, 128 * MIB, false, &f);
    struct io *io = write_io(0, 8192), *other = write_io(4096, 4096);
    writeback_submit(f, io);
    other->op = IO_READ;
    writeback_submit(f, other);
    sim_run(b->sim, ms(1));
    assert_int_equal(done_count, 2);
    assert_int_equal(b->asked, 0);
    assert_int_equal(writeback_stat(wb).read_hits, 1);
    other->op = IO_TRIM;
    writeback_submit(f, other);
    sim_run(b->sim, ms(10));
    assert_int_equal(writeback_stat(wb).dirty_bytes, 4096);
    other->op = IO_READ;
    writeback_submit(f, other);
    sim_run(b->sim, ms(20));
    assert_int_equal(b->asked, 2); /* trim and read */
    writeback_free(wb);
    free(io);
    free(other);
    bench_free(b);
}

static void test_writeback_is_the_flushers_in_its_cgroup(void **state) {
    for (unsigned version = 1; version <= 2; version++) {
        struct bench *b = bench_new("cfq", version);
        struct writeback_file *f;
        struct writeback *wb = cache_new(b, 0, MIB, false, &f);
        const struct writeback_file_settings own = {.owner = 2, .cgroup = "a"};
        struct writeback_file *g = writeback_open(wb, &own, &b->e);
        assert_non_null(g);
        struct io *io = write_io(0, 4096);
        writeback_submit(g, io);
        sim_run(b->sim, ms(100));
        assert_int_equal(b->asked, 1);
        const struct block_context *c = block_context_find(block_of(b->drive), version == 1 ? 10 : 11);
        assert_non_null(c);
        assert_string_equal(c->name, "writeback");
        assert_string_equal(c->group->path, version == 1 ? "" : "a");
        assert_int_equal(c->stat.ios[1], 1);
        writeback_free(wb);
        free(io);
        bench_free(b);
    }
}

/* --- jobs --- */

static int run_text(struct bench *b, const char *text, struct run_result *result) {
    struct job_file jobs = {0};
    const struct load_settings settings = {.seed = 1};
    assert_int_equal(job_file_parse(&jobs, "test.fio", text, strlen(text), &b->e), 0);
    for (unsigned i = 0; i < jobs.count; i++)
        assert_int_equal(job_resolve(&jobs.job[i], CAPACITY, 0, &b->e), 0);
    int ret = load_run(&jobs, b->drive, b->sim, &settings, result, &b->e);
    job_file_release(&jobs);
    return ret;
}

#define SMALL "dirty_memory=16m\nbuffered=1\n"

static const char mixed[] = "[global]\nsize=64m\n" SMALL "[a]\nrw=randwrite\nbs=4k\nio_size=8m\nfsync=100\n"
                            "[b]\nrw=write\nbs=64k\noffset=64m\niodepth=4\n"
                            "[c]\nrw=randrw\nbs=16k\noffset=128m\nio_size=4m\nend_fsync=1\niodepth=3\n"
                            "[d]\nrw=randtrim\noffset=128m\nio_size=1m\n"
                            "[e]\nrw=randwrite\noffset=192m\nsync=1\nio_size=256k\niodepth=2\n";

static uint64_t fingerprint(const struct bench *b) {
    uint64_t sum = b->asked;
    for (unsigned i = 0; i < b->asked && i < TRACE; i++)
        sum = sum * 1000003 + b->seen[i].offset + b->seen[i].bytes * 7 + (uint64_t)b->seen[i].at_ns;
    return sum;
}

static void test_writeback_jobs_are_deterministic(void **state) {
    static const char *const schedulers[] = {NULL,  "none",        "noop",  "deadline", "as",
                                             "cfq", "mq-deadline", "kyber", "bfq"};
    for (unsigned i = 0; i < sizeof(schedulers) / sizeof(schedulers[0]); i++) {
        uint64_t seen[2];
        for (unsigned n = 0; n < 2; n++) {
            struct bench *b = bench_new(schedulers[i], 1);
            struct run_result result;
            assert_int_equal(run_text(b, mixed, &result), 0);
            for (unsigned j = 0; j < result.count; j++)
                assert_int_equal(result.stat[j]->first_error, 0);
            assert_int_equal(result.stat[1]->dir[RUN_WRITE].bytes, 64 * MIB);
            assert_int_equal(b->drive->inflight, 0);
            seen[n] = fingerprint(b);
            run_result_release(&result);
            bench_free(b);
        }
        assert_true(seen[0] == seen[1]);
    }
}

static void test_writeback_leaves_dirty_data_unless_told(void **state) {
    static const char *const text[] = {"[a]\nrw=write\nsize=1m\n" SMALL, "[a]\nrw=write\nsize=1m\nend_fsync=1\n" SMALL};
    for (unsigned i = 0; i < 2; i++) {
        struct bench *b = bench_new("cfq", 1);
        struct run_result result;
        assert_int_equal(run_text(b, text[i], &result), 0);
        assert_int_equal(result.stat[0]->dir[RUN_WRITE].bytes, MIB);
        assert_int_equal(b->drive->bytes[IO_WRITE], i ? MIB : 0);
        assert_int_equal(b->drive->ios[IO_FLUSH], i);
        run_result_release(&result);
        bench_free(b);
    }
}

/* Cuts the power, or ends the jobs, at a moment. */
struct moment {
    struct sim_event event;
    struct drive *drive;
};

static void cut_power(struct sim_event *event) {
    drive_power_cut(((struct moment *)event)->drive);
}

static void test_writeback_survives_a_power_cut_at_any_time(void **state) {
    for (unsigned i = 0; i < 60; i++) {
        struct bench *b = bench_new(i % 3 ? i % 3 == 1 ? "cfq" : "deadline" : NULL, 1 + i % 2);
        struct run_result result = {0};
        struct moment moment = {.drive = b->drive};
        sim_event_init(&moment.event, cut_power);
        sim_schedule(b->sim, &moment.event, 1 + (int64_t)i * i * 300000);
        run_text(b, mixed, &result); /* ends, in whatever way */
        sim_cancel(b->sim, &moment.event);
        run_result_release(&result);
        bench_free(b);
    }
}

static void test_writeback_ends_with_the_runtime_at_any_time(void **state) {
    for (unsigned i = 0; i < 40; i++) {
        struct bench *b = bench_new(i % 2 ? "cfq" : NULL, 1);
        struct run_result result;
        char text[1024];
        snprintf(text, sizeof(text), "%s[f]\nrw=read\nruntime=%uus\nexitall=1\nexit_what=all\nsize=64m\ntime_based\n",
                 mixed, 1 + i * i * 700);
        assert_int_equal(run_text(b, text, &result), 0);
        assert_int_equal(b->drive->inflight, 0);
        run_result_release(&result);
        bench_free(b);
    }
}

static void test_writeback_fails_a_job_at_its_fsync(void **state) {
    struct bench *b = bench_new(NULL, 1);
    struct run_result result;
    b->failing = 3;
    assert_int_equal(run_text(b, "[a]\nrw=write\nsize=8m\nbs=64k\nend_fsync=1\n" SMALL, &result), 0);
    assert_int_equal(result.stat[0]->first_error, IO_WRITE_FAULT);
    assert_non_null(strstr(result.stat[0]->error_text, "told to fail"));
    run_result_release(&result);
    bench_free(b);
}

static void test_writeback_refuses_what_it_cannot_do(void **state) {
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"[a]\nrw=write\nbuffered=1\nverify=crc32c\n",
         "line 3: job \"a\": buffered=1: the page cache keeps no payload"},
        {"[a]\nrw=write\nverify=pattern\nverify_pattern=1\ndirect=0\n", "line 5: job \"a\": direct=0: "},
        {"[a]\nrw=write\nbuffered=1\nwrite_mode=zeroes\n", "goes with write_mode=write"},
        {"[a]\nrw=write\nbuffered=2\n", "buffered=2: 0, 1"},
        {"[a]\nrw=write\nbuffered=1\ndirty_ratio=0\n", "a number from 1 to 100"},
        {"[a]\nbuffered=1\nrw=write\n[b]\nbuffered=1\nrw=write\ndirty_ratio=30\n", "give them in [global]"},
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct job_file jobs = {0};
        struct err e = {0};
        assert_int_equal(job_file_parse(&jobs, "test.fio", bad[i].text, strlen(bad[i].text), &e), -EINVAL);
        if (!strstr(e.text, bad[i].why))
            fail_msg("%s", e.text);
        job_file_release(&jobs);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dirty_is_as_flags_are),
        cmocka_unit_test(test_writeback_waits_for_age),
        cmocka_unit_test(test_writeback_begins_at_the_background_limit_in_order),
        cmocka_unit_test(test_writeback_joins_up_to_a_mebibyte),
        cmocka_unit_test(test_writeback_limit_makes_writers_wait_in_order),
        cmocka_unit_test(test_writeback_trimmed_data_makes_room),
        cmocka_unit_test(test_writeback_fsync_writes_waits_and_flushes),
        cmocka_unit_test(test_writeback_fsync_reports_what_failed),
        cmocka_unit_test(test_writeback_sync_writes_go_through),
        cmocka_unit_test(test_writeback_reads_hit_and_trims_drop),
        cmocka_unit_test(test_writeback_is_the_flushers_in_its_cgroup),
        cmocka_unit_test(test_writeback_jobs_are_deterministic),
        cmocka_unit_test(test_writeback_leaves_dirty_data_unless_told),
        cmocka_unit_test(test_writeback_survives_a_power_cut_at_any_time),
        cmocka_unit_test(test_writeback_ends_with_the_runtime_at_any_time),
        cmocka_unit_test(test_writeback_fails_a_job_at_its_fsync),
        cmocka_unit_test(test_writeback_refuses_what_it_cannot_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
