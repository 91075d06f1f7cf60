/*
 * none, noop, deadline and as in the block layer, against sched_oracle.c (others: test_cfq_oracle.c, test_mq_oracle.c):
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
#include "block/block_int.h"
#include "sched_oracle.h"

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
    int depth, ahead; /* ahead: what the driver looked at with no room for it, or T_NONE */
    unsigned seed, latency, waits, timers, merges;
};

static struct match m; /* large */

static unsigned pick(unsigned below) {
    return (unsigned)rng_below(&m.r, below);
}

static int number_of(const struct request *rq) {
    return (int)(rq->head - m.io);
}

/* Only what `none` does with requests is about merging. */
static bool merges(void) {
    return !strcmp(m.ops->name, "none");
}

/* --- the oracle's clock --- */

static bool single_queue(void) {
    return !block_multi_queue(m.block);
}

static bool any_queued(void) {
    for (int i = 0; i < m.t.count; i++)
        if (m.t.rq[i].state == T_QUEUED)
            return true;
    return false;
}

/* With what was so until now, the drive had nothing more to get; or its driver has one in hand already. */
static void expect_nothing_more(void) {
    if (m.t.in_drive >= m.depth) {
        if (m.block->looks_ahead && m.ahead == T_NONE)
            m.ahead = m.ops->pick(&m.t);
        return;
    }
    if (!single_queue() && !any_queued())
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

/* What AS has learned of processes that are new, and its batches' length. */
static void expect_same_as(const json_t *stats) {
    struct err e = {0};
    char got[256], expected[256];
    expect_number(stats, NULL, "write_batch_count", m.t.as.count);
    expect_number(stats, NULL, "new_seek_sectors", m.t.as.new_seek);
    snprintf(expected, sizeof expected, "%lld %% exit probability\n%lld %%", (long long)(100 * m.t.as.exit_prob / 256),
             (long long)(100 * m.t.as.no_coop / 256));
    assert_int_equal(block_attr_get(m.block, "iosched/est_time", got, sizeof got, &e), 0);
    if (strncmp(got, expected, strlen(expected)))
        fail_msg("seed %u: est_time \"%s\", the oracle's \"%s\"", m.seed, got, expected);
}

/* What is tuned as requests go by, before it is seen in what is dispatched. */
static void expect_same_numbers(void) {
    json_t *stats = m.ops->timer ? block_elevator(m.block)->ops->stats(block_elevator(m.block)) : NULL;
    if (!strcmp(m.ops->name, "as"))
        expect_same_as(stats);
    json_decref(stats);
}

/* Another event begins. */
static void advance(void) {
    expect_nothing_more();
    fire_until(sim_now(m.sim) + 1); /* of what is due at one moment timers were set first */
    m.t.now_ns = sim_now(m.sim);
}

static void dispatched(struct block_watch *w, const struct request *rq) {
    int got = number_of(rq);
    if (m.t.now_ns != sim_now(m.sim)) { /* a timer */
        expect_nothing_more();
        fire_until(sim_now(m.sim) + 1);
        m.t.now_ns = sim_now(m.sim);
    }
    int expected = m.ahead == T_NONE ? m.ops->pick(&m.t) : m.ahead;
    m.ahead = T_NONE;
    if (merges()) {
        got = told_root(&m.t, got);
        const struct told_request *r = &m.t.rq[got];
        if (r->sector != rq->sector || r->sectors != rq->sectors || (uint32_t)r->ios != rq->ios)
            fail_msg("%s, seed %u: request %d has %u ios, the oracle's %d", m.ops->name, m.seed, got, rq->ios, r->ios);
        m.merges += rq->ios > 1;
    }
    if (got != expected)
        fail_msg("%s, seed %u, %lld ns: request %d is dispatched, the oracle's is %d", m.ops->name, m.seed,
                 (long long)sim_now(m.sim), got, expected);
    m.t.in_drive++;
}

static void completed(struct block_watch *w, const struct request *rq) {
    int i = number_of(rq);
    advance();
    for (int k = 0; merges() && k < m.t.count; k++)
        if (m.t.rq[k].into != T_NONE && told_root(&m.t, k) == told_root(&m.t, i))
            m.t.rq[k].state = T_DONE;
    i = merges() ? told_root(&m.t, i) : i;
    m.t.rq[i].state = T_DONE;
    m.t.in_drive--;
    if (m.ops->done)
        m.ops->done(&m.t, i);
}

static void io_done(struct io *io) {
    assert_int_equal(io->status, IO_OK);
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
    if (!strcmp(name, "deadline")) {
        t->read_expire = tune("read_expire", usual ? 500 : pick(60));
        t->write_expire = tune("write_expire", usual ? 5000 : pick(300));
        t->fifo_batch = tune("fifo_batch", usual ? 16 : pick(6));
        t->writes_starved = tune("writes_starved", usual ? 2 : pick(4));
    }
    if (!strcmp(name, "as")) {
        static const int64_t patience[] = {0, 2, 6, 6, 6, 25};
        t->read_expire = tune("read_expire", usual ? 125 : 1 + pick(60));
        t->write_expire = tune("write_expire", usual ? 250 : 1 + pick(60));
        t->read_batch = tune("read_batch_expire", usual ? 500 : 1 + pick(100));
        t->write_batch = tune("write_batch_expire", usual ? 125 : 1 + pick(60));
        t->antic = tune("antic_expire", patience[pick(6)]);
    }
}

/* What the block layer knows a process by: another one for each of its lives. */
static uint32_t owner_of(int proc) {
    return (uint32_t)(m.t.life[proc] / T_PROCS * T_PROCS + proc + 1);
}

/* These schedulers don't look at priorities. */
static void describe(int proc) {
    static const int classes[] = {IOPRIO_RT, IOPRIO_BE, IOPRIO_IDLE};
    struct err e = {0};
    const struct block_context_settings s = {.prioclass = classes[pick(3)], .prio = (int)pick(8)};
    assert_int_equal(block_context_describe(m.block, owner_of(proc), &s, &e), 0);
}

/* The process ends, whatever it has under way; another one takes its part. */
static void exits(int proc) {
    m.ops->exits(&m.t, proc);
    block_context_exit(m.block, owner_of(proc));
    m.t.lives += T_PROCS;
    m.t.life[proc] = m.t.lives + proc;
}

static void begin(const struct told_ops *ops, unsigned seed) {
    static const int depths[] = {1, 1, 2, 4, 32};
    static const unsigned slowest[] = {9000000, 9000000, 90000000, 900000000}; /* writes */
    static struct drive_config config;
    struct opt_set options = {0};
    struct err e = {0};
    char read[64], write[64];
    memset(&m, 0, sizeof m);
    m.ops = ops;
    m.seed = seed;
    rng_init(&m.r, seed, 2);
    m.depth = depths[pick(5)];
    m.sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    assert_int_equal(drive_config_init(&config, &options, &e), 0);
    m.latency = 300000 + pick(9000000);
    snprintf(read, sizeof read, "nossd.read_latency=%uns", m.latency);
    snprintf(write, sizeof write, "nossd.write_latency=%uns",
             300000 + pick(strcmp(ops->name, "as") ? slowest[0] : slowest[pick(4)]));
    const char *const args[] = {"drive.kind=nossd", "drive.capacity=8GiB", read, write};
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(opt_assign_arg(&options, args[i], &e), 0);
    m.drive = drive_open(&config, "none", NULL, m.sim, &e);
    assert_non_null(m.drive);
    m.t.none.cpus = merges() ? 1 + (int)pick(T_CPUS) : 1;
    const struct block_settings s = {
        .scheduler = ops->name, .queue_depth = (uint32_t)m.depth, .cpus = (uint32_t)m.t.none.cpus};
    m.block = block_new(m.drive, &s, &e);
    if (!m.block)
        fail_msg("%s", e.text);
    m.block->nr_requests = 2048; /* `none` has no more than the drive takes, and then nothing waits in it */
    m.block->looks_ahead = single_queue() && pick(2);
    m.ahead = T_NONE;
    set("nomerges", merges() ? 0 : 2);
    set("wbt_lat_usec", 0);
    m.free_tags = *m.block->ops; /* who may have how many requests is another matter: nobody sleeps here */
    m.free_tags.limit_depth = NULL;
    m.block->ops = &m.free_tags;
    m.watch = (struct block_watch){NULL, dispatched, completed};
    block_watch(m.block, &m.watch);
    settle_tunables();
    for (int p = 0; p < T_PROCS; p++) {
        m.t.life[p] = p;
        describe(p);
    }
    if (ops->begin)
        ops->begin(&m.t);
}

/* A plug begins or ends. */
static void plug(int proc) {
    bool on = m.t.none.plugged[proc] == T_NONE;
    told_plug(&m.t, proc, on);
    (on ? m.drive->front->plug : m.drive->front->unplug)(m.drive->front, owner_of(proc));
}

static void arrive(int i, uint64_t *at) {
    struct told_request *r = &m.t.rq[i];
    int proc = (int)pick(T_PROCS);
    bool write = proc % 3 == 2;
    uint64_t sectors = 8 * (1 + pick(16));
    advance();
    expect_same_numbers();
    if (m.ops->exits && pick(20) == 0 && m.t.lives + 2 * T_PROCS < T_LIVES)
        exits(proc);
    if (merges() && pick(6) == 0)
        plug(proc);
    if (pick(4) == 0) /* elsewhere: near, far, where others are */
        at[proc] = 8 * (uint64_t)(pick(3) ? 100000 + pick(200) : pick(2) ? pick(4000) : pick(2000000));
    *r = (struct told_request){.proc = proc,
                               .life = m.t.life[proc],
                               .into = T_NONE,
                               .ios = 1,
                               .sector = at[proc],
                               .sectors = sectors,
                               .write = write,
                               .sync = !write || proc == 5,
                               .state = T_QUEUED,
                               .born_ns = sim_now(m.sim)};
    at[proc] += sectors;
    m.t.count = i + 1;
    if (m.ops->added)
        m.ops->added(&m.t, i);
    m.io[i] = (struct io){.op = write ? IO_WRITE : IO_READ,
                          .flags = IO_NO_DATA | (r->sync && write ? IO_SYNC : 0),
                          .offset = r->sector << SECTOR_SHIFT,
                          .bytes = r->sectors << SECTOR_SHIFT,
                          .owner = owner_of(proc),
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

static void play(const struct told_ops *ops, unsigned seed, unsigned *waits, unsigned *timers, unsigned *merged) {
    uint64_t at[T_PROCS] = {0};
    begin(ops, seed);
    int64_t now = 1, pace = 100000ll << pick(7);
    for (int i = 0; i < T_REQUESTS; i++) {
        now += 1 + (int64_t)rng_below(&m.r, (uint64_t)(pick(8) ? pace : 1000));
        now += pick(100) ? 0 : (int64_t)rng_below(&m.r, 300 * T_MS);
        now += now % T_MS == 0;
        sim_run(m.sim, now);
        arrive(i, at);
    }
    for (int p = 0; merges() && p < T_PROCS; p++)
        if (m.t.none.plugged[p] != T_NONE) {
            advance();
            plug(p);
        }
    sim_run(m.sim, SIM_NEVER);
    end();
    *waits += m.waits;
    *timers += m.timers;
    *merged += m.merges;
}

static void play_all(const char *name, unsigned seeds, bool has_timers) {
    unsigned waits = 0, timers = 0, merged = 0, i = 0;
    while (told[i].name && strcmp(told[i].name, name))
        i++;
    for (unsigned seed = 0; seed < seeds; seed++)
        play(&told[i], seed, &waits, &timers, &merged);
    assert_true(!has_timers || timers > 100);
    assert_true(strcmp(name, "as") || waits > 100);
    assert_true(strcmp(name, "none") || merged > 100);
}

#define ORACLE(id, name, seeds, timers)                                                                                \
    static void test_##id##_does_what_its_oracle_says(void **state) {                                                  \
        play_all(name, seeds, timers);                                                                                 \
    }
ORACLE(none, "none", 12, false)
ORACLE(noop, "noop", 6, false)
ORACLE(deadline, "deadline", 40, false)
ORACLE(as, "as", 60, true)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none_does_what_its_oracle_says),
        cmocka_unit_test(test_noop_does_what_its_oracle_says),
        cmocka_unit_test(test_deadline_does_what_its_oracle_says),
        cmocka_unit_test(test_as_does_what_its_oracle_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
