/*
 * mq-deadline, kyber and BFQ in the block layer, against mq_oracle.c and bfq_oracle.c:
 * the same arrivals and completions to both, and each request the drive is
 * given, and when, has to be the one that the oracle names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/rng.h"
#include "bfq_oracle.h"
#include "block/block_int.h"
#include "block/elevator/bfq_int.h"

struct match {
    struct sim *sim;
    struct drive *drive;
    struct block *block;
    struct block_watch watch;
    struct rng r;
    const struct told_ops *ops;
    struct elevator_ops free_tags;
    struct told t;
    struct io io[T_REQUESTS];
    int depth, procs, want; /* want: requests in all */
    unsigned seed, latency, write_latency, waits, timers;
    uint64_t at[T_PROCS]; /* the next sector */
    struct worker {
        struct sim_event event;
        int proc, due, depth;
        uint64_t sectors;
        int64_t think, pause; /* the pause after one request in 64 */
        bool seeks;
    } worker[T_PROCS];
    bool working; /* processes answer to completions */
    bool zoned;
};

static struct match m; /* large */

static unsigned pick(unsigned below) {
    return (unsigned)rng_below(&m.r, below);
}

static int number_of(const struct request *rq) {
    return (int)(rq->head - m.io);
}

/* --- the oracle's clock --- */

static bool any_queued(void) {
    for (int i = 0; i < m.t.count; i++)
        if (m.t.rq[i].state == T_QUEUED)
            return true;
    return false;
}

/* With what was so until now, the drive had nothing more to get. A scheduler without requests isn't asked. */
static void expect_nothing_more(void) {
    if (m.t.in_drive >= m.depth || !any_queued())
        return;
    int rq = m.ops->pick(&m.t); /* having been asked leaves traces: an anticipation begins */
    if (rq != T_NONE)
        fail_msg("%s, seed %u, %lld ns: request %d isn't dispatched", m.ops->name, m.seed, (long long)m.t.now_ns, rq);
    m.waits++;
}

static void fire_until(int64_t now_ns) {
    while (m.ops->timer && m.ops->timer(&m.t) != T_NONE && m.ops->timer(&m.t) < now_ns) {
        m.t.now_ns = m.ops->timer(&m.t);
        m.ops->fire(&m.t);
        m.timers++;
        if (m.t.now_ns < sim_now(m.sim))
            expect_nothing_more();
    }
}

static void expect_number(const json_t *stats, const char *of, const char *name, int64_t expected) {
    const json_t *in = of ? json_object_get(stats, of) : stats;
    int64_t got = json_integer_value(json_object_get(in, name));
    if (got != expected)
        fail_msg("%s, seed %u, %lld ns: %s %lld, the oracle's %lld", m.ops->name, m.seed, (long long)m.t.now_ns, name,
                 (long long)got, (long long)expected);
}

static void expect_same(const char *what, int queue, int64_t got, int64_t expected) {
    if (got != expected)
        fail_msg("%s, seed %u, %lld ns: queue %d: %s %lld, the oracle's %lld", m.ops->name, m.seed,
                 (long long)m.t.now_ns, queue, what, (long long)got, (long long)expected);
}

static void expect_same_bfq(void) {
    const struct bfq *b = bfq_of_const(block_elevator(m.block));
    const struct bfq_queue *q;
    LIST_FOREACH(q, &b->all_queues, all) {
        int n = q->sync ? (int)q->context->owner->id - 1 : T_PROCS;
        struct bfq_told_queue o = bfq_told_queue(&m.t, n);
        expect_same("busy", n, q->busy, o.busy);
        expect_same("in service", n, q == b->serving, o.serving);
        expect_same("factor", n, q->raised.factor, o.factor);
        expect_same("short think time", n, q->short_think, o.short_think);
        expect_same("I/O bound", n, q->io_bound, o.io_bound);
        expect_same("next", n, q->next ? number_of(q->next) : -1, o.next);
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
    json_t *stats =
        m.ops->timer && m.ops != &told_bfq ? block_elevator(m.block)->ops->stats(block_elevator(m.block)) : NULL;
    static const char *const domains[] = {"read", "write", "discard", "other"};
    for (int d = 0; d < 4 && !strcmp(m.ops->name, "kyber"); d++)
        expect_number(stats, domains[d], "depth", m.t.kyber.depth[d]);
    json_decref(stats);
    if (m.ops == &told_bfq)
        expect_same_bfq();
}

/* Another event begins. */
static void advance(void) {
    expect_nothing_more();
    fire_until(sim_now(m.sim) + 1); /* of what is due at one moment timers were set first */
    m.t.now_ns = sim_now(m.sim);
    while (m.t.from < m.t.count && m.t.rq[m.t.from].state == T_DONE)
        m.t.from++;
}

static void dispatched(struct block_watch *w, const struct request *rq) {
    int got = number_of(rq);
    if (m.t.now_ns != sim_now(m.sim)) { /* a timer */
        expect_nothing_more();
        fire_until(sim_now(m.sim) + 1);
        m.t.now_ns = sim_now(m.sim);
    }
    int expected = m.ops->pick(&m.t);
    if (got != expected)
        fail_msg("%s, seed %u, %lld ns: request %d is dispatched, the oracle's is %d", m.ops->name, m.seed,
                 (long long)sim_now(m.sim), got, expected);
    m.t.in_drive++;
}

static void completed(struct block_watch *w, const struct request *rq) {
    int i = number_of(rq);
    advance();
    m.t.rq[i].state = T_DONE;
    m.t.in_drive--;
    if (m.ops->done)
        m.ops->done(&m.t, i);
}

/* A worker's next request comes when it has thought about this one. */
static void io_done(struct io *io) {
    struct worker *w = &m.worker[m.t.rq[io - m.io].proc];
    assert_int_equal(io->status, IO_OK);
    if (!m.working)
        return;
    int64_t wait = 1 + (int64_t)rng_below(&m.r, (uint64_t)w->think + 1);
    if (w->pause && pick(64) == 0)
        wait += w->pause;
    w->due++;
    if (!sim_event_pending(&w->event))
        sim_schedule(m.sim, &w->event, sim_now(m.sim) + wait);
}

/* --- runs --- */

static void set(const char *name, int64_t value) {
    struct err e = {0};
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    if (block_attr_set(m.block, name, text, NULL, 0, &e))
        fail_msg("%s: %s", name, e.text);
}

static int64_t tune(const char *name, int64_t value) {
    char text[64];
    snprintf(text, sizeof text, "iosched/%s", name);
    set(text, value);
    return value;
}

static void settle_tunables(void) {
    struct told *t = &m.t;
    const char *name = m.ops->name;
    bool usual = pick(2);
    if (!strcmp(name, "mq-deadline")) {
        t->read_expire = tune("read_expire", usual ? 500 : pick(60));
        t->write_expire = tune("write_expire", usual ? 5000 : pick(300));
        t->fifo_batch = tune("fifo_batch", usual ? 16 : pick(6));
        t->writes_starved = tune("writes_starved", usual ? 2 : pick(4));
    }
    if (!strcmp(name, "mq-deadline"))
        t->ageing = tune("prio_aging_expire", pick(2) ? 10000 : 5 + pick(100));
    if (!strcmp(name, "kyber")) {
        t->read_target = tune("read_lat_nsec", pick(8) ? m.latency / 2 + pick(6 * m.latency) : 2000000);
        t->write_target = tune("write_lat_nsec", pick(8) ? m.write_latency / 2 + pick(6 * m.write_latency) : 10000000);
    }
}

static int level_of(int proc) {
    int level = pick(3) ? 4 : (int)pick(8);
    return proc < 3 || proc > 5 ? level : 4;
}

static void describe(int proc, int level) {
    static const int class[T_LEVELS] = {IOPRIO_RT, IOPRIO_BE, IOPRIO_IDLE};
    struct err e = {0};
    m.t.level[proc] = pick(3) ? T_BE : (int)pick(3);
    const struct block_context_settings s = {.prioclass = class[m.t.level[proc]], .prio = level};
    assert_int_equal(block_context_describe(m.block, (uint32_t)proc + 1, &s, &e), 0);
}

static void settle_bfq(struct bfq_told_settings *s) {
    static const int64_t idle_ms[] = {0, 8, 8, 8, 3};
    s->rotational = pick(4);
    s->low_latency = pick(2);
    s->slice_idle = idle_ms[pick(5)] * T_MS;
    s->strict = s->slice_idle >= 8 * T_MS && pick(6) == 0;
    set("rotational", s->rotational);
    tune("low_latency", s->low_latency);
    tune("slice_idle", s->slice_idle / T_MS);
    tune("strict_guarantees", s->strict);
    tune("stable_merge", 0);
    bfq_told_begin(&m.t, s);
}

/* A drive that takes writes in any order, before which the scheduler believes in zones. */
static void pretend_zones(void) {
    struct err e = {0};
    m.t.mq.zone = m.block->zone_sectors = 512 << pick(5);
    m.block->zones = (uint32_t)(16ull << 21) / (uint32_t)m.t.mq.zone;
    m.t.mq.rotational = pick(2);
    set("rotational", m.t.mq.rotational);
    if (block_switch(m.block, m.ops->name, NULL, 0, &e))
        fail_msg("%s", e.text);
}

static void begin(const struct told_ops *ops, unsigned seed) {
    static const int depths[] = {1, 1, 2, 4, 32};
    static const unsigned slowest[] = {9000000, 9000000, 900000000, 4000000000}; /* writes */
    static struct drive_config config;
    struct opt_set options = {0};
    struct err e = {0};
    char read[64], write[64], reads[64], writes[64];
    memset(&m, 0, sizeof m);
    m.ops = ops;
    m.seed = seed;
    rng_init(&m.r, seed, 2);
    m.depth = depths[pick(5)];
    m.sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    assert_int_equal(drive_config_init(&config, &options, &e), 0);
    bool kyber = !strcmp(ops->name, "kyber"); /* which begins to look when there are 500 samples */
    m.latency = 300000 + pick(kyber ? 3000000 : 9000000);
    m.write_latency = 300000 + pick(kyber ? 3000000 : ops == &told_bfq ? slowest[pick(4)] : 9000000);
    if (kyber)
        m.depth = pick(2) ? 256 : 4 + (int)pick(16);
    snprintf(read, sizeof read, "nossd.read_latency=%uns", m.latency);
    snprintf(write, sizeof write, "nossd.write_latency=%uns", m.write_latency);
    /* over a slow link the time in the drive depends on a request's size, and on others */
    snprintf(reads, sizeof reads, "nossd.read_bandwidth=%llu",
             pick(3) ? 5000000 + pick(100000000) * (kyber ? 4ull : 1) : 0);
    snprintf(writes, sizeof writes, "nossd.write_bandwidth=%llu",
             pick(3) ? 5000000 + pick(100000000) * (kyber ? 4ull : 1) : 0);
    const char *const args[] = {"drive.kind=nossd", "drive.capacity=16GiB", read, write, reads, writes};
    for (unsigned i = 0; i < sizeof args / sizeof *args; i++)
        assert_int_equal(opt_assign_arg(&options, args[i], &e), 0);
    m.drive = drive_open(&config, "none", NULL, m.sim, &e);
    assert_non_null(m.drive);
    m.zoned = !strcmp(ops->name, "mq-deadline") && pick(2);
    const struct block_settings s = {
        .scheduler = m.zoned ? "none" : ops->name, .queue_depth = (uint32_t)m.depth, .cpus = 1};
    m.block = block_new(m.drive, &s, &e);
    if (!m.block)
        fail_msg("%s", e.text);
    if (m.zoned)
        pretend_zones();
    set("nr_requests", 2048);
    set("nomerges", 2);
    set("wbt_lat_usec", 0);
    m.free_tags = *m.block->ops; /* who may have how many requests is another matter: nobody sleeps here */
    m.free_tags.limit_depth = NULL;
    m.block->ops = &m.free_tags;
    m.watch = (struct block_watch){NULL, dispatched, completed};
    block_watch(m.block, &m.watch);
    settle_tunables();
    m.procs = ops == &told_bfq && pick(2) ? 2 + (int)pick(T_PROCS - 1) : 6;
    m.want = kyber ? T_REQUESTS : ops == &told_bfq ? 3000 : 1200;
    struct bfq_told_settings bfq = {.initial_rotational = false};
    for (int p = 0; p < T_PROCS; p++)
        describe(p, bfq.level[p] = level_of(p));
    if (ops == &told_bfq)
        settle_bfq(&bfq);
    if (ops->begin)
        ops->begin(&m.t);
}

/* Where the process goes on: there, or elsewhere: near, far, where others are. */
static void move(int proc, bool elsewhere) {
    if (elsewhere)
        m.at[proc] = 8 * (uint64_t)(pick(3) ? 100000 + pick(200) : pick(2) ? pick(4000) : pick(2000000));
}

/* With BFQ processes are apart, so that no queues are merged; nor at sector 0, where a service begins. */
static uint64_t sector_of(int proc) {
    return m.ops == &told_bfq ? 2000000 * ((uint64_t)proc + 1) + m.at[proc] % 1800000 : m.at[proc];
}

static enum io_op op_of(struct told_request *r) {
    r->domain = r->write;
    if (m.t.kyber.depth[0] && r->write && pick(3) == 0)
        r->domain = 2 + (int)pick(2);
    return r->domain == 3 ? IO_WRITE_ZEROES : r->domain == 2 ? IO_TRIM : r->domain ? IO_WRITE : IO_READ;
}

static void arrive(int proc, uint64_t sectors) {
    int i = m.t.count;
    struct told_request *r = &m.t.rq[i];
    bool write = proc % 3 == 2;
    *r = (struct told_request){.proc = proc,
                               .sector = sector_of(proc),
                               .sectors = sectors,
                               .write = write,
                               .sync = !write || proc != 2,
                               .state = T_QUEUED,
                               .born_ns = sim_now(m.sim)};
    m.at[proc] += sectors;
    enum io_op op = op_of(r);
    m.t.count = i + 1;
    if (m.ops->added)
        m.ops->added(&m.t, i);
    m.io[i] = (struct io){.op = op,
                          .flags = IO_NO_DATA | (r->sync && write ? IO_SYNC : 0),
                          .offset = r->sector << SECTOR_SHIFT,
                          .bytes = r->sectors << SECTOR_SHIFT,
                          .owner = (uint32_t)proc + 1,
                          .done = io_done};
    drive_submit(m.drive, &m.io[i]);
}

static void end(void) {
    struct err e = {0};
    advance();
    for (int i = 0; i < m.t.count; i++)
        if (m.t.rq[i].state != T_DONE)
            fail_msg("%s, seed %u: request %d is lost", m.ops->name, m.seed, i);
    if (block_check(m.block, &e))
        fail_msg("%s", e.text);
    block_free(m.block);
    drive_close(m.drive);
    sim_free(m.sim);
}

/* Processes that send at random times, whatever is done. */
static void play_at_random(void) {
    int64_t now = 1, pace = 100000ll << pick(7);
    for (int i = 0; i < m.want; i++) {
        now += 1 + (int64_t)rng_below(&m.r, (uint64_t)(pick(8) ? pace : 1000));
        now += pick(100) ? 0 : (int64_t)rng_below(&m.r, 300 * T_MS);
        now += now % T_MS == 0;
        sim_run(m.sim, now);
        while (m.t.count - m.t.from > 1500)
            sim_run(m.sim, now += 1 + T_MS);
        int proc = (int)pick((unsigned)m.procs);
        advance();
        expect_same_numbers();
        uint64_t sectors = 8 * (1 + pick(16));
        move(proc, pick(4) == 0);
        arrive(proc, sectors);
    }
}

static void work(struct sim_event *event) {
    struct worker *w = (struct worker *)event;
    if (m.want == T_REQUESTS && pick(800) == 0)
        settle_tunables();
    for (; w->due && m.t.count < m.want; w->due--) {
        advance();
        expect_same_numbers();
        move(w->proc, w->seeks);
        arrive(w->proc, w->sectors);
    }
}

/* Processes that read on, seek, play films, or begin anew after pauses; each waits for its requests. */
static void play_workers(void) {
    int64_t begin = 0;
    bool kyber = m.want == T_REQUESTS;
    m.working = true;
    for (int p = 0; p < m.procs; p++) {
        struct worker *w = &m.worker[p];
        static const int64_t thinks[] = {1000, 1000, 300000, 5 * T_MS, 12 * T_MS, 60 * T_MS};
        *w = (struct worker){.proc = p, .think = thinks[pick(kyber ? 3 : 6)], .seeks = pick(3) == 0};
        w->due = w->depth = kyber ? 1 + (int)pick(8) : pick(3) ? 1 : 1 + (int)pick(6);
        w->sectors = pick(3) ? 8 * (1 + pick(32)) : 256;
        w->pause = kyber || pick(3) ? 0 : (int64_t)rng_below(&m.r, 12000) * T_MS;
        m.at[p] = 8 * (uint64_t)pick(200000);
        sim_event_init(&w->event, work);
        begin += 1 + (int64_t)rng_below(&m.r, (uint64_t)(pick(2) ? 30 : 400) * T_MS);
        sim_schedule(m.sim, &w->event, begin);
    }
}

static void play(const struct told_ops *ops, unsigned seed, unsigned *waits, unsigned *timers) {
    begin(ops, seed);
    if (m.want == T_REQUESTS || (m.want > 1200 && seed % 3))
        play_workers();
    else
        play_at_random();
    sim_run(m.sim, SIM_NEVER);
    end();
    *waits += m.waits;
    *timers += m.timers;
}

static void play_all(const char *name, unsigned seeds, bool has_timers) {
    unsigned waits = 0, timers = 0, i = 0;
    while (told[i].name && strcmp(told[i].name, name))
        i++;
    for (unsigned seed = 0; seed < seeds; seed++)
        play(told[i].name ? &told[i] : &told_bfq, seed, &waits, &timers);
    assert_true(!has_timers || timers > 100);
    assert_true(strcmp(name, "bfq") || waits > 100);
}

#define ORACLE(id, name, seeds, timers)                                                                                \
    static void test_##id##_does_what_its_oracle_says(void **state) {                                                  \
        play_all(name, seeds, timers);                                                                                 \
    }
ORACLE(mq_deadline, "mq-deadline", 20, false)
ORACLE(kyber, "kyber", 8, true)
ORACLE(bfq, "bfq", 18, true)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mq_deadline_does_what_its_oracle_says),
        cmocka_unit_test(test_kyber_does_what_its_oracle_says),
        cmocka_unit_test(test_bfq_does_what_its_oracle_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
