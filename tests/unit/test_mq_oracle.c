/*
 * mq-deadline, kyber and BFQ in the block layer, against mq_oracle.c and bfq_oracle.c: see told_bed.h.
 */
#include <stdio.h>
#include <string.h>

#include "bfq_oracle.h"
#include "block/elevator/bfq_int.h"
#include "told_bed.h"

/* What the processes of a run are like. */
static struct {
    int procs, want; /* want: requests in all */
    unsigned latency, write_latency;
    uint64_t at[T_PROCS]; /* the next sector */
    struct worker {
        struct sim_event event;
        int proc, due, depth;
        uint64_t sectors;
        int64_t think, pause; /* the pause after one request in 64 */
        bool seeks;
    } worker[T_PROCS];
    bool working; /* processes answer to completions */
} crowd;

static void expect_same(const char *what, int queue, int64_t got, int64_t expected) {
    if (got != expected)
        fail_msg("%s, seed %u, %lld ns: queue %d: %s %lld, the oracle's %lld", bed.ops->name, bed.seed,
                 (long long)bed.t.now_ns, queue, what, (long long)got, (long long)expected);
}

static void expect_same_bfq(void) {
    const struct bfq *b = bfq_of_const(block_elevator(bed.block));
    const struct bfq_queue *q;
    LIST_FOREACH(q, &b->all_queues, all) {
        int n = q->sync ? (int)q->context->owner->id - 1 : T_PROCS;
        struct bfq_told_queue o = bfq_told_queue(&bed.t, n);
        expect_same("busy", n, q->busy, o.busy);
        expect_same("in service", n, q == b->serving, o.serving);
        expect_same("factor", n, q->raised.factor, o.factor);
        expect_same("short think time", n, q->short_think, o.short_think);
        expect_same("I/O bound", n, q->io_bound, o.io_bound);
        expect_same("next", n, q->next ? bed_number(q->next) : -1, o.next);
        expect_same("max_budget", n, q->max_budget, o.max_budget);
        expect_same("service", n, q->entity.service, o.service);
        expect_same("budget", n, q->entity.budget, o.budget);
        if (q->busy)
            expect_same("start", n, (int64_t)q->entity.start, (int64_t)o.start);
        if (q->busy)
            expect_same("finish", n, (int64_t)q->entity.finish, (int64_t)o.finish);
        expect_same("base", n, q->base_ns, o.base);
        expect_same("inject limit", n, q->inject_limit, o.limit);
        expect_same("queueing", n, b->hw_tag, o.tag);
        expect_same("rate", n, b->peak_rate, o.peak);
    }
}

/* What is tuned as requests go by, before it is seen in what is dispatched. */
static void expect_same_numbers(void) {
    static const char *const domains[] = {"read", "write", "discard", "other"};
    if (bed.ops == &told_bfq)
        expect_same_bfq();
    if (bed.ops != &told_kyber)
        return;
    json_t *stats = block_elevator(bed.block)->ops->stats(block_elevator(bed.block));
    for (int d = 0; d < 4; d++)
        bed_expect(stats, domains[d], "depth", bed.t.kyber.depth[d]);
    json_decref(stats);
}

/* A worker's next request comes when it has thought about this one. */
static void io_done(struct io *io) {
    struct worker *w = &crowd.worker[bed.t.rq[io - bed.io].proc];
    assert_int_equal(io->status, IO_OK);
    if (!crowd.working)
        return;
    int64_t wait = 1 + (int64_t)rng_below(&bed.r, (uint64_t)w->think + 1);
    if (w->pause && bed_pick(64) == 0)
        wait += w->pause;
    w->due++;
    if (!sim_event_pending(&w->event))
        sim_schedule(bed.sim, &w->event, sim_now(bed.sim) + wait);
}

/* --- runs --- */

static void settle_tunables(void) {
    struct told *t = &bed.t;
    bool usual = bed_pick(2);
    if (bed.ops == &told_mq_deadline) {
        t->read_expire = bed_tune("read_expire", usual ? 500 : bed_pick(60));
        t->write_expire = bed_tune("write_expire", usual ? 5000 : bed_pick(300));
        t->fifo_batch = bed_tune("fifo_batch", usual ? 16 : bed_pick(6));
        t->writes_starved = bed_tune("writes_starved", usual ? 2 : bed_pick(4));
    }
    if (bed.ops == &told_mq_deadline)
        t->ageing = bed_tune("prio_aging_expire", bed_pick(2) ? 10000 : 5 + bed_pick(100));
    if (bed.ops == &told_kyber) {
        t->read_target =
            bed_tune("read_lat_nsec", bed_pick(8) ? crowd.latency / 2 + bed_pick(6 * crowd.latency) : 2000000);
        t->write_target = bed_tune(
            "write_lat_nsec", bed_pick(8) ? crowd.write_latency / 2 + bed_pick(6 * crowd.write_latency) : 10000000);
    }
}

static int level_of(int proc) {
    int level = bed_pick(3) ? 4 : (int)bed_pick(8);
    return proc < 3 || proc > 5 ? level : 4;
}

static void describe(int proc, int level) {
    static const int class[T_LEVELS] = {IOPRIO_RT, IOPRIO_BE, IOPRIO_IDLE};
    bed.t.level[proc] = bed_pick(3) ? T_BE : (int)bed_pick(3);
    bed_describe((uint32_t)proc + 1, class[bed.t.level[proc]], level);
}

static void settle_bfq(struct bfq_told_settings *s) {
    static const int64_t idle_ms[] = {0, 8, 8, 8, 3};
    s->rotational = bed_pick(4);
    s->low_latency = bed_pick(2);
    s->slice_idle = idle_ms[bed_pick(5)] * T_MS;
    s->strict = s->slice_idle >= 8 * T_MS && bed_pick(6) == 0;
    bed_set("rotational", s->rotational);
    bed_tune("low_latency", s->low_latency);
    bed_tune("slice_idle", s->slice_idle / T_MS);
    bed_tune("strict_guarantees", s->strict);
    bed_tune("stable_merge", 0);
    bfq_told_begin(&bed.t, s);
}

/* A drive that takes writes in any order, before which the scheduler believes in zones. */
static void pretend_zones(void) {
    struct err e = {0};
    bed.t.mq.zone = bed.block->zone_sectors = 512 << bed_pick(5);
    bed.block->zones = (uint32_t)(16ull << 21) / (uint32_t)bed.t.mq.zone;
    bed.t.mq.rotational = bed_pick(2);
    bed_set("rotational", bed.t.mq.rotational);
    if (block_switch(bed.block, bed.ops->name, NULL, 0, &e))
        fail_msg("%s", e.text);
}

/* Latencies; over a slow link the time in the drive depends on a request's size, and on others. */
static void open_drive(const struct told_ops *ops) {
    static const unsigned slowest[] = {9000000, 9000000, 900000000, 4000000000}; /* writes */
    bool kyber = ops == &told_kyber; /* which begins to look when there are 500 samples */
    char read[64], write[64], reads[64], writes[64];
    crowd.latency = 300000 + bed_pick(kyber ? 3000000 : 9000000);
    crowd.write_latency = 300000 + bed_pick(kyber ? 3000000 : ops == &told_bfq ? slowest[bed_pick(4)] : 9000000);
    if (kyber)
        bed.depth = bed_pick(2) ? 256 : 4 + (int)bed_pick(16);
    snprintf(read, sizeof read, "nossd.read_latency=%uns", crowd.latency);
    snprintf(write, sizeof write, "nossd.write_latency=%uns", crowd.write_latency);
    snprintf(reads, sizeof reads, "nossd.read_bandwidth=%llu",
             bed_pick(3) ? 5000000 + bed_pick(100000000) * (kyber ? 4ull : 1) : 0);
    snprintf(writes, sizeof writes, "nossd.write_bandwidth=%llu",
             bed_pick(3) ? 5000000 + bed_pick(100000000) * (kyber ? 4ull : 1) : 0);
    const char *const args[] = {"drive.kind=nossd", "drive.capacity=16GiB", read, write, reads, writes};
    bool zoned = ops == &told_mq_deadline && bed_pick(2);
    const struct block_settings s = {
        .scheduler = zoned ? "none" : ops->name, .queue_depth = (uint32_t)bed.depth, .cpus = 1};
    bed_open(args, sizeof args / sizeof *args, &s);
    if (zoned)
        pretend_zones();
}

static void begin(const struct told_ops *ops, unsigned seed) {
    memset(&crowd, 0, sizeof crowd);
    bed_begin(ops, seed);
    open_drive(ops);
    bed_set("nr_requests", 2048);
    bed_watch(true);
    settle_tunables();
    crowd.procs = ops == &told_bfq && bed_pick(2) ? 2 + (int)bed_pick(T_PROCS - 1) : 6;
    crowd.want = ops == &told_kyber ? T_REQUESTS : ops == &told_bfq ? 3000 : 1200;
    struct bfq_told_settings bfq = {.initial_rotational = false};
    for (int p = 0; p < T_PROCS; p++)
        describe(p, bfq.level[p] = level_of(p));
    if (ops == &told_bfq)
        settle_bfq(&bfq);
    if (ops->begin)
        ops->begin(&bed.t);
}

/* Where the process goes on: there, or elsewhere: near, far, where others are. */
static void move(int proc, bool elsewhere) {
    if (elsewhere)
        crowd.at[proc] = 8 * (uint64_t)(bed_pick(3)   ? 100000 + bed_pick(200)
                                        : bed_pick(2) ? bed_pick(4000)
                                                      : bed_pick(2000000));
}

/* With BFQ processes are apart, so that no queues are merged; nor at sector 0, where a service begins. */
static uint64_t sector_of(int proc) {
    return bed.ops == &told_bfq ? 2000000 * ((uint64_t)proc + 1) + crowd.at[proc] % 1800000 : crowd.at[proc];
}

static enum io_op op_of(struct told_request *r) {
    r->domain = r->write;
    if (bed.t.kyber.depth[0] && r->write && bed_pick(3) == 0)
        r->domain = 2 + (int)bed_pick(2);
    return r->domain == 3 ? IO_WRITE_ZEROES : r->domain == 2 ? IO_TRIM : r->domain ? IO_WRITE : IO_READ;
}

static void arrive(int proc, uint64_t sectors) {
    bool write = proc % 3 == 2;
    struct told_request r = {
        .proc = proc, .sector = sector_of(proc), .sectors = sectors, .write = write, .sync = !write || proc != 2};
    crowd.at[proc] += sectors;
    enum io_op op = op_of(&r);
    bed_arrive(r, op, (uint32_t)proc + 1, io_done);
}

/* Processes that send at random times, whatever is done. */
static void play_at_random(void) {
    int64_t now = 1, pace = 100000ll << bed_pick(7);
    for (int i = 0; i < crowd.want; i++) {
        now = bed_next(now, pace);
        sim_run(bed.sim, now);
        while (bed.t.count - bed.t.from > 1500)
            sim_run(bed.sim, now += 1 + T_MS);
        int proc = (int)bed_pick((unsigned)crowd.procs);
        bed_advance();
        expect_same_numbers();
        uint64_t sectors = 8 * (1 + bed_pick(16));
        move(proc, bed_pick(4) == 0);
        arrive(proc, sectors);
    }
}

static void work(struct sim_event *event) {
    struct worker *w = (struct worker *)event;
    if (bed.ops == &told_kyber && bed_pick(800) == 0)
        settle_tunables();
    for (; w->due && bed.t.count < crowd.want; w->due--) {
        bed_advance();
        expect_same_numbers();
        move(w->proc, w->seeks);
        arrive(w->proc, w->sectors);
    }
}

/* Processes that read on, seek, play films, or begin anew after pauses; each waits for its requests. */
static void play_workers(void) {
    int64_t begin = 0;
    bool kyber = bed.ops == &told_kyber;
    crowd.working = true;
    for (int p = 0; p < crowd.procs; p++) {
        struct worker *w = &crowd.worker[p];
        static const int64_t thinks[] = {1000, 1000, 300000, 5 * T_MS, 12 * T_MS, 60 * T_MS};
        *w = (struct worker){.proc = p, .think = thinks[bed_pick(kyber ? 3 : 6)], .seeks = bed_pick(3) == 0};
        w->due = w->depth = kyber ? 1 + (int)bed_pick(8) : bed_pick(3) ? 1 : 1 + (int)bed_pick(6);
        w->sectors = bed_pick(3) ? 8 * (1 + bed_pick(32)) : 256;
        w->pause = kyber || bed_pick(3) ? 0 : (int64_t)rng_below(&bed.r, 12000) * T_MS;
        crowd.at[p] = 8 * (uint64_t)bed_pick(200000);
        sim_event_init(&w->event, work);
        begin += 1 + (int64_t)rng_below(&bed.r, (uint64_t)(bed_pick(2) ? 30 : 400) * T_MS);
        sim_schedule(bed.sim, &w->event, begin);
    }
}

static void play(const struct told_ops *ops, unsigned seed) {
    begin(ops, seed);
    if (ops == &told_kyber || (ops == &told_bfq && seed % 3))
        play_workers();
    else
        play_at_random();
    sim_run(bed.sim, SIM_NEVER);
    bed_end();
}

static void play_all(const struct told_ops *ops, unsigned seeds) {
    unsigned waits = 0, timers = 0;
    for (unsigned seed = 0; seed < seeds; seed++) {
        play(ops, seed);
        waits += bed.waits;
        timers += bed.timers;
    }
    assert_true(!ops->timer || timers > 100);
    assert_true(ops != &told_bfq || waits > 100);
}

#define ORACLE(id, seeds)                                                                                              \
    static void test_##id##_does_what_its_oracle_says(void **state) {                                                  \
        play_all(&told_##id, seeds);                                                                                   \
    }
ORACLE(mq_deadline, 20)
ORACLE(kyber, 8)
ORACLE(bfq, 18)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mq_deadline_does_what_its_oracle_says),
        cmocka_unit_test(test_kyber_does_what_its_oracle_says),
        cmocka_unit_test(test_bfq_does_what_its_oracle_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
