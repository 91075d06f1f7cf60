/*
 * none, noop, deadline and as in the block layer, against sched_oracle.c (others: test_cfq_oracle.c, test_mq_oracle.c):
 * see told_bed.h.
 */
#include <stdio.h>
#include <string.h>

#include "told_bed.h"

enum { PROCS = 6, REQUESTS = 1200 };

/* What AS has learned of processes that are new, and its batches' length. */
static void expect_same_as(const json_t *stats) {
    struct err e = {0};
    char got[256], expected[256];
    bed_expect(stats, NULL, "write_batch_count", bed.t.as.count);
    bed_expect(stats, NULL, "new_seek_sectors", bed.t.as.new_seek);
    snprintf(expected, sizeof expected, "%lld %% exit probability\n%lld %%",
             (long long)(100 * bed.t.as.exit_prob / 256), (long long)(100 * bed.t.as.no_coop / 256));
    assert_int_equal(block_attr_get(bed.block, "iosched/est_time", got, sizeof got, &e), 0);
    if (strncmp(got, expected, strlen(expected)))
        fail_msg("seed %u: est_time \"%s\", the oracle's \"%s\"", bed.seed, got, expected);
}

/* What is tuned as requests go by, before it is seen in what is dispatched. */
static void expect_same_numbers(void) {
    json_t *stats = bed.ops->timer ? block_elevator(bed.block)->ops->stats(block_elevator(bed.block)) : NULL;
    if (bed.ops == &told_as)
        expect_same_as(stats);
    json_decref(stats);
}

static void io_done(struct io *io) {
    assert_int_equal(io->status, IO_OK);
}

/* --- runs --- */

static void settle_tunables(void) {
    struct told *t = &bed.t;
    bool usual = bed_pick(2);
    if (bed.ops == &told_deadline) {
        t->read_expire = bed_tune("read_expire", usual ? 500 : bed_pick(60));
        t->write_expire = bed_tune("write_expire", usual ? 5000 : bed_pick(300));
        t->fifo_batch = bed_tune("fifo_batch", usual ? 16 : bed_pick(6));
        t->writes_starved = bed_tune("writes_starved", usual ? 2 : bed_pick(4));
    }
    if (bed.ops == &told_as) {
        static const int64_t patience[] = {0, 2, 6, 6, 6, 25};
        t->read_expire = bed_tune("read_expire", usual ? 125 : 1 + bed_pick(60));
        t->write_expire = bed_tune("write_expire", usual ? 250 : 1 + bed_pick(60));
        t->read_batch = bed_tune("read_batch_expire", usual ? 500 : 1 + bed_pick(100));
        t->write_batch = bed_tune("write_batch_expire", usual ? 125 : 1 + bed_pick(60));
        t->antic = bed_tune("antic_expire", patience[bed_pick(6)]);
    }
}

/* What the block layer knows a process by: another one for each of its lives. */
static uint32_t owner_of(int proc) {
    return (uint32_t)(bed.t.life[proc] / PROCS * PROCS + proc + 1);
}

/* These schedulers don't look at priorities. */
static void describe(int proc) {
    static const int classes[] = {IOPRIO_RT, IOPRIO_BE, IOPRIO_IDLE};
    int class = classes[bed_pick(3)];
    bed_describe(owner_of(proc), class, (int)bed_pick(8));
}

/* The process ends, whatever it has under way; another one takes its part. */
static void exits(int proc) {
    bed.ops->exits(&bed.t, proc);
    block_context_exit(bed.block, owner_of(proc));
    bed.t.lives += PROCS;
    bed.t.life[proc] = bed.t.lives + proc;
}

static void begin(const struct told_ops *ops, unsigned seed) {
    static const unsigned slowest[] = {9000000, 9000000, 90000000, 900000000}; /* writes */
    char read[64], write[64];
    bed_begin(ops, seed);
    snprintf(read, sizeof read, "nossd.read_latency=%uns", 300000 + bed_pick(9000000));
    snprintf(write, sizeof write, "nossd.write_latency=%uns",
             300000 + bed_pick(slowest[ops == &told_as ? bed_pick(4) : 0]));
    const char *const args[] = {"drive.kind=nossd", "drive.capacity=8GiB", read, write};
    bed.t.none.cpus = ops == &told_none ? 1 + (int)bed_pick(T_CPUS) : 1;
    const struct block_settings s = {
        .scheduler = ops->name, .queue_depth = (uint32_t)bed.depth, .cpus = (uint32_t)bed.t.none.cpus};
    bed_open(args, 4, &s);
    bed.block->nr_requests = 2048; /* `none` has no more than the drive takes, and then nothing waits in it */
    bed.block->looks_ahead = !block_multi_queue(bed.block) && bed_pick(2);
    bed_watch(ops != &told_none);
    settle_tunables();
    for (int p = 0; p < PROCS; p++) {
        bed.t.life[p] = p;
        describe(p);
    }
    if (ops->begin)
        ops->begin(&bed.t);
}

/* A plug begins or ends. */
static void plug(int proc) {
    bool on = bed.t.none.plugged[proc] == T_NONE;
    told_plug(&bed.t, proc, on);
    (on ? bed.drive->front->plug : bed.drive->front->unplug)(bed.drive->front, owner_of(proc));
}

static void arrive(uint64_t *at) {
    int proc = (int)bed_pick(PROCS);
    bool write = proc % 3 == 2;
    uint64_t sectors = 8 * (1 + bed_pick(16));
    bed_advance();
    expect_same_numbers();
    if (bed.ops->exits && bed_pick(20) == 0 && bed.t.lives + 2 * PROCS < T_LIVES)
        exits(proc);
    if (bed.ops == &told_none && bed_pick(6) == 0)
        plug(proc);
    if (bed_pick(4) == 0) /* elsewhere: near, far, where others are */
        at[proc] = 8 * (uint64_t)(bed_pick(3)   ? 100000 + bed_pick(200)
                                  : bed_pick(2) ? bed_pick(4000)
                                                : bed_pick(2000000));
    const struct told_request r = {.proc = proc,
                                   .life = bed.t.life[proc],
                                   .sector = at[proc],
                                   .sectors = sectors,
                                   .write = write,
                                   .sync = !write || proc == 5};
    at[proc] += sectors;
    bed_arrive(r, write ? IO_WRITE : IO_READ, owner_of(proc), io_done);
}

static void play(const struct told_ops *ops, unsigned seed) {
    uint64_t at[PROCS] = {0};
    begin(ops, seed);
    int64_t now = 1, pace = 100000ll << bed_pick(7);
    for (int i = 0; i < REQUESTS; i++) {
        now = bed_next(now, pace);
        sim_run(bed.sim, now);
        arrive(at);
    }
    for (int p = 0; ops == &told_none && p < PROCS; p++)
        if (bed.t.none.plugged[p] != T_NONE) {
            bed_advance();
            plug(p);
        }
    sim_run(bed.sim, SIM_NEVER);
    bed_end();
}

static void play_all(const struct told_ops *ops, unsigned seeds) {
    unsigned waits = 0, timers = 0, merges = 0;
    for (unsigned seed = 0; seed < seeds; seed++) {
        play(ops, seed);
        waits += bed.waits;
        timers += bed.timers;
        merges += bed.merges;
    }
    assert_true(ops != &told_as || (timers > 100 && waits > 100));
    assert_true(ops != &told_none || merges > 100);
}

#define ORACLE(id, seeds)                                                                                              \
    static void test_##id##_does_what_its_oracle_says(void **state) {                                                  \
        play_all(&told_##id, seeds);                                                                                   \
    }
ORACLE(none, 12)
ORACLE(noop, 6)
ORACLE(deadline, 40)
ORACLE(as, 60)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none_does_what_its_oracle_says),
        cmocka_unit_test(test_noop_does_what_its_oracle_says),
        cmocka_unit_test(test_deadline_does_what_its_oracle_says),
        cmocka_unit_test(test_as_does_what_its_oracle_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
