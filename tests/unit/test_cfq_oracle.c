/*
 * block/elevator/cfq against cfq_oracle.c: the same arrivals, completions and
 * ticks to both, the same decisions from both after each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "cfq_bed.h"
#include "cfq_oracle.h"

struct match {
    struct block bed;
    struct oracle o;
    struct rng r;
    struct request *rq[O_REQUESTS]; /* by the oracle's number */
    int flying[64], flights, depth;
    uint64_t at[O_PROCS];
    unsigned seed, step;
    unsigned seen[8]; /* that rare things happened at all: see main() */
};

enum { SAW_IDLE, SAW_MERGE, SAW_SPLIT, SAW_DEEP, SAW_TAG, SAW_PREEMPT, SAW_WAIT_BUSY, SAW_EXPIRED };

static struct match m; /* large */
static unsigned total_seen[8];

static unsigned pick(unsigned below) {
    return (unsigned)rng_below(&m.r, below);
}

static int64_t now_jiffies(void) {
    return sim_now(m.bed.sim) / m.bed.c->base.jiffy_ns;
}

/* --- the same settings for both --- */

static int64_t set(int64_t *tunable, int64_t value) {
    return *tunable = value;
}

static void settle_tunables(void) {
    struct cfq_tunables *t = &m.bed.c->t;
    struct oracle *o = &m.o;
    static const int64_t idles[] = {0, 2, 8, 8, 8, 30};
    o->quantum = set(&t->quantum, 1 + pick(12));
    o->expire_sync = set(&t->fifo_expire_sync, pick(2) ? 125 : 1 + pick(60));
    o->expire_async = set(&t->fifo_expire_async, pick(2) ? 250 : 1 + pick(60));
    o->back_max = set(&t->back_seek_max, pick(2) ? 16384 : pick(3000));
    o->back_penalty = set(&t->back_seek_penalty, 1 + pick(3));
    o->slice_sync = set(&t->slice_sync, pick(2) ? 100 : 1 + pick(50));
    o->slice_async = set(&t->slice_async, pick(2) ? 40 : 1 + pick(50));
    o->slice_async_rq = set(&t->slice_async_rq, 1 + pick(3));
    o->slice_idle = set(&t->slice_idle, m.bed.flash && pick(2) ? 0 : idles[pick(6)]);
    o->group_idle = set(&t->group_idle, idles[pick(6)]);
    o->low_latency = set(&t->low_latency, pick(4) != 0);
    o->preempt_empty = set(&t->preempt_empty, pick(4) != 0);
    o->target = set(&t->target_latency, pick(2) ? 300 : 1 + pick(300));
}

static uint16_t any_ioprio(int *class, int *level) {
    *level = (int)pick(8);
    switch (pick(8)) {
    case 0:
        *class = O_RT;
        return ioprio_value(IOPRIO_RT, (unsigned)*level);
    case 1:
        *class = O_IDLE;
        return ioprio_value(IOPRIO_IDLE, (unsigned)*level);
    case 2:
    case 3:
        *class = O_BE;
        return ioprio_value(IOPRIO_BE, (unsigned)*level);
    default:
        *class = O_BE;
        *level = 4;
        return ioprio_value(IOPRIO_BE, 4);
    }
}

static void begin(unsigned seed) {
    static const uint32_t rates[] = {1000, 1000, 250, 100};
    rng_init(&m.r, seed, 1);
    m.seed = seed;
    m.step = 0;
    m.flights = 0;
    memset(m.seen, 0, sizeof(m.seen));
    bool flash = pick(4) == 0;
    uint32_t hz = rates[pick(4)];
    bed_start(&m.bed, hz, flash);
    oracle_init(&m.o, hz, flash);
    settle_tunables();
    m.o.g[0] = (struct o_group){.parent = -1, .new_weight = 1000, .new_leaf = 1000, .weight = 1000, .leaf = 1000};
    memcpy(m.o.g[0].async, m.o.g[7].async, sizeof(m.o.g[0].async));
    m.o.g[0].async_idle = -1;
    m.o.groups = 1 + (int)pick(5);
    for (int i = 1; i < m.o.groups; i++) {
        uint32_t parent = pick((unsigned)i), weight = 10 + pick(990), leaf = 10 + pick(990);
        bed_group(&m.bed, parent, weight, leaf);
        struct o_group *g = &m.o.g[i];
        g->parent = (int)parent;
        g->weight = g->new_weight = weight;
        g->leaf = g->new_leaf = leaf;
    }
    m.o.procs = 1 + (int)pick(12);
    for (int i = 0; i < m.o.procs; i++) {
        int class, level;
        uint32_t group = pick((unsigned)m.o.groups);
        bed_context(&m.bed, group, any_ioprio(&class, &level));
        m.o.p[i] = (struct o_proc){.group = (int)group, .class = class, .level = level};
        m.at[i] = pick(4) ? 1000000 + pick(40000) : (uint64_t)pick(1000000) * 100;
    }
    static const int depths[] = {1, 2, 4, 8, 32};
    m.depth = depths[pick(5)];
}

/* --- both do the same, and agree --- */

static int number_of(const struct request *rq) {
    return (int)rq->priv.word[0];
}

static void compare(void) {
    const struct cfq *c = m.bed.c;
    const struct oracle *o = &m.o;
    bool timer = sim_event_pending(&c->idle_timer);
    if (timer != (o->timer >= 0) || (timer && c->idle_timer.at_ns / c->base.jiffy_ns != o->timer))
        fail_msg("seed %u step %u: timer %d at %lld, oracle's at %lld", m.seed, m.step, timer,
                 (long long)(c->idle_timer.at_ns / c->base.jiffy_ns), (long long)o->timer);
    if ((c->active != NULL) != (o->active >= 0))
        fail_msg("seed %u step %u: active queue %d, oracle's %d", m.seed, m.step, c->active != NULL, o->active);
    if (c->hw_tag != o->tag)
        fail_msg("seed %u step %u: hw_tag %d, oracle's %d", m.seed, m.step, c->hw_tag, o->tag);
    bed_check(&m.bed);
    m.seen[SAW_IDLE] += timer;
    m.seen[SAW_TAG] += c->hw_tag == 1;
    if (c->active) {
        m.seen[SAW_DEEP] += cfq_has(c->active, CFQ_DEEP);
        m.seen[SAW_MERGE] += cfq_has(c->active, CFQ_SHARED);
        m.seen[SAW_SPLIT] += cfq_has(c->active, CFQ_SPLIT);
        m.seen[SAW_WAIT_BUSY] += cfq_has(c->active, CFQ_WAIT_BUSY);
    }
}

static void run_queues(void) {
    while (m.flights < m.depth) {
        struct request *rq = bed_dispatch(&m.bed);
        int n = oracle_dispatch(&m.o);
        if ((rq ? number_of(rq) : -1) != n)
            fail_msg("seed %u step %u, %lld jiffies: dispatched request %d, oracle %d", m.seed, m.step,
                     (long long)now_jiffies(), rq ? number_of(rq) : -1, n);
        compare();
        if (!rq)
            return;
        m.seen[SAW_EXPIRED] += rq->expiry <= now_jiffies();
        m.flying[m.flights++] = n;
    }
}

static void pass_time(int64_t ns) {
    int64_t until = sim_now(m.bed.sim) + ns, jiffy = m.bed.c->base.jiffy_ns;
    while (m.o.timer >= 0 && m.o.timer * jiffy <= until) {
        int64_t due = m.o.timer * jiffy;
        bed_advance(&m.bed, due - sim_now(m.bed.sim));
        m.o.now = now_jiffies();
        oracle_timer(&m.o);
        compare();
        run_queues();
    }
    bed_advance(&m.bed, until - sim_now(m.bed.sim));
    m.o.now = now_jiffies();
}

/* As far behind the head as still counts as behind, and one farther; as far to both sides. */
static uint64_t edge(void) {
    uint64_t head = m.bed.c->last_position, back = (uint64_t)m.o.back_max * 2 + pick(2), aside = 64u << pick(8);
    if (pick(2))
        return head > back ? head - back : head;
    return pick(2) || head < aside ? head + aside : head - aside;
}

static uint64_t any_place(int proc) {
    switch (pick(16)) {
    case 13:
    case 14:
        return edge();
    case 15: /* where one was already */
        return m.o.requests ? m.o.rq[m.o.requests - 1].sector : m.at[proc];
    case 0:
        return (uint64_t)pick(1000000) * 100;
    case 1:
        return m.at[pick((unsigned)m.o.procs)] + pick(1000); /* close to another's */
    case 2:
        return m.at[proc] - cfq_min((int64_t)m.at[proc], pick(40000));
    default:
        return m.at[proc];
    }
}

static void insert(void) {
    int proc = (int)pick((unsigned)m.o.procs);
    bool write = pick(4) == 0, sync = !write || pick(2), prio = pick(20) == 0, noidle = write && sync && pick(2);
    uint64_t sector = any_place(proc), sectors = pick(3) ? 8 : 8 + 8 * pick(32);
    m.at[proc] = sector + sectors;
    uint32_t flags = (sync ? RQ_SYNC : 0u) | (prio ? RQ_PRIO : 0u) | (noidle ? RQ_NOIDLE : 0u);
    unsigned slices = m.bed.noted[ELEVATOR_SLICE_END];
    struct request *rq = bed_insert(&m.bed, (uint32_t)proc, sector, sectors, write, flags);
    m.seen[SAW_PREEMPT] += m.bed.noted[ELEVATOR_SLICE_END] > slices;
    int n = oracle_insert(&m.o, proc, sector, sectors, sync, prio, noidle);
    rq->priv.word[0] = (uint64_t)n;
    m.rq[n] = rq;
    compare();
    if (pick(4))
        run_queues();
}

static void complete(void) {
    if (!m.flights)
        return;
    unsigned which = pick(3) ? 0 : pick((unsigned)m.flights);
    int n = m.flying[which];
    memmove(&m.flying[which], &m.flying[which + 1], (size_t)(--m.flights - (int)which) * sizeof(int));
    bed_complete(&m.bed, m.rq[n]);
    oracle_complete(&m.o, n);
    compare();
    run_queues();
}

static void change(void) {
    int proc = (int)pick((unsigned)m.o.procs);
    struct block_context *c = &m.bed.context[proc];
    struct o_proc *p = &m.o.p[proc];
    if (pick(2)) {
        c->ioprio = any_ioprio(&p->class, &p->level);
    } else {
        p->group = (int)pick((unsigned)m.o.groups);
        c->group = &m.bed.group[p->group];
    }
    struct block_group *g = &m.bed.group[pick((unsigned)m.o.groups)];
    struct o_group *og = &m.o.g[g->id];
    g->weight = 10 + pick(990);
    g->leaf_weight = 10 + pick(990);
    og->new_weight = g->weight;
    og->new_leaf = g->leaf_weight;
}

static int queued(void) {
    return (int)m.bed.c->queued;
}

static void play(unsigned seed, unsigned steps) {
    begin(seed);
    unsigned most = 2 + pick(40), change_every = 50 + pick(400);
    int64_t pace = (int64_t)(1 + pick(40)) * 100000;
    for (m.step = 0; m.step < steps; m.step++) {
        unsigned what = pick(10);
        if (pick(change_every) == 0)
            change();
        if (what < 4 && queued() < (int)most)
            insert();
        else if (what < 8)
            complete();
        else
            pass_time(pick(3) ? pick((unsigned)pace) : pick(30) == 0 ? 400000000 : (int64_t)pick(12000000));
    }
    for (unsigned turns = 0; queued() || m.flights; turns++) { /* nothing is left behind */
        if (turns > 100000)
            fail_msg("seed %u: %d requests never served", seed, queued());
        if (m.flights)
            complete();
        else
            pass_time(5000000);
        run_queues();
    }
    for (int i = 0; i < m.o.requests; i++)
        assert_int_equal(m.o.rq[i].state, O_DONE);
    for (int i = 0; i < 8; i++)
        total_seen[i] += m.seen[i] > 0;
    bed_stop(&m.bed);
}

static void test_cfq_decides_as_the_oracle(void **state) {
    for (unsigned seed = 1; seed <= 1500; seed++)
        play(seed, 400);
    for (unsigned seed = 5001; seed <= 5040; seed++)
        play(seed, 5000);
}

/* A test that never sees the rare cases proves nothing about them. */
static void test_cfq_oracle_saw_everything(void **state) {
    for (int i = 0; i < 8; i++) {
        if (total_seen[i] < 3)
            fail_msg("case %d in %u runs only", i, total_seen[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cfq_decides_as_the_oracle),
        cmocka_unit_test(test_cfq_oracle_saw_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
