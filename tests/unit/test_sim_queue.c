/*
 * The event queue against an oracle: a list searched from end to end, whose
 * order is (time, order of scheduling).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "sim/queue_int.h"

#define EVENTS 300

struct entry {
    struct sim_event ev;
    uint64_t order;
};

struct model {
    struct queue queue;
    struct entry entry[EVENTS];
    uint64_t next_order;
    struct rng rng;
    int64_t now;
};

static struct entry *oracle_first(struct model *m) {
    struct entry *best = NULL;
    for (unsigned i = 0; i < EVENTS; i++) {
        struct entry *en = &m->entry[i];
        if (!sim_event_pending(&en->ev))
            continue;
        if (!best || en->ev.at_ns < best->ev.at_ns || (en->ev.at_ns == best->ev.at_ns && en->order < best->order))
            best = en;
    }
    return best;
}

/* Delays from equal times to years, near ones more often. */
static int64_t random_delay(struct rng *rng) {
    uint64_t r = rng_next(rng);
    switch (r % 5) {
    case 0:
        return 0;
    case 1:
        return (int64_t)rng_below(rng, 8);
    case 2:
        return (int64_t)rng_below(rng, 5) * 1000;
    default:
        return (int64_t)(rng_next(rng) >> (1 + rng_below(rng, 62))) / 2;
    }
}

static void schedule_one(struct model *m, struct entry *en) {
    int64_t delay = random_delay(&m->rng);
    en->ev.at_ns = delay > INT64_MAX - m->now ? INT64_MAX : m->now + delay;
    en->order = m->next_order++;
    queue_place(&m->queue, &en->ev);
}

/* Take the rest of an instant as the loop does. */
static void pop_same_and_compare(struct model *m) {
    struct entry *want;
    while ((want = oracle_first(m)) && want->ev.at_ns == m->now)
        assert_ptr_equal(queue_pop(&m->queue, m->now), &want->ev);
    assert_null(queue_pop(&m->queue, m->now));
}

static void pop_and_compare(struct model *m, int64_t limit) {
    struct entry *want = oracle_first(m);
    int64_t bound = queue_bound(&m->queue);
    assert_true(want ? bound <= want->ev.at_ns : bound == SIM_NEVER);
    if (want && want->ev.at_ns > limit)
        want = NULL;
    int64_t want_ns = want ? want->ev.at_ns : 0;
    struct sim_event *got = queue_pop(&m->queue, limit);
    assert_ptr_equal(got, want ? &want->ev : NULL);
    m->now = limit;
    if (!got)
        return;
    assert_int_equal(got->at_ns, want_ns);
    assert_false(sim_event_pending(got));
    m->now = want_ns;
    if (rng_below(&m->rng, 2))
        pop_same_and_compare(m);
}

static void run_seed(uint64_t seed) {
    struct model *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    queue_init(&m->queue);
    rng_init(&m->rng, seed, 0);
    unsigned busy = (unsigned)rng_below(&m->rng, 3) + 1; /* how full the queue tends to be */
    for (unsigned step = 0; step < 3000; step++) {
        struct entry *en = &m->entry[rng_below(&m->rng, EVENTS)];
        uint64_t what = rng_below(&m->rng, 6);
        if (what < busy && !sim_event_pending(&en->ev))
            schedule_one(m, en);
        else if (what == 5 && sim_event_pending(&en->ev))
            queue_remove(&m->queue, &en->ev);
        else if (what == 4 && m->now < INT64_MAX / 2)
            pop_and_compare(m, m->now + (int64_t)rng_below(&m->rng, 5000)); /* time passes, perhaps nothing is due */
        else
            pop_and_compare(m, oracle_first(m) ? INT64_MAX : m->now);
        if (step % 16 == 0)
            assert_true(queue_check(&m->queue));
    }
    while (oracle_first(m))
        pop_and_compare(m, INT64_MAX);
    assert_true(queue_empty(&m->queue));
    free(m);
}

static void test_queue_matches_oracle(void **state) {
    for (uint64_t seed = 1; seed <= 60; seed++)
        run_seed(seed);
}

static void test_queue_keeps_order_of_equal_times(void **state) {
    struct queue *q = calloc(1, sizeof(*q));
    struct sim_event ev[200];
    assert_non_null(q);
    queue_init(q);
    memset(ev, 0, sizeof(ev));
    /* Events of one far time, scheduled from nearer and nearer to it, between others. */
    for (unsigned i = 0; i < 200; i += 2) {
        ev[i].at_ns = 1000000;
        queue_place(q, &ev[i]);
        ev[i + 1].at_ns = 5000 * (int64_t)(i + 2) - 1;
        queue_place(q, &ev[i + 1]);
        assert_ptr_equal(queue_pop(q, INT64_MAX), &ev[i + 1]);
    }
    for (unsigned i = 0; i < 200; i += 2)
        assert_ptr_equal(queue_pop(q, INT64_MAX), &ev[i]);
    assert_null(queue_pop(q, INT64_MAX));
    free(q);
}

static void test_queue_asked_early_takes_earlier_events_later(void **state) {
    struct queue *q = calloc(1, sizeof(*q));
    struct sim_event a = {.at_ns = 70000}, b = {.at_ns = 70001}, c = {.at_ns = 101};
    assert_non_null(q);
    queue_init(q);
    queue_place(q, &a);
    queue_place(q, &b);
    assert_null(queue_pop(q, 100));
    assert_int_equal(queue_bound(q), 70000);
    queue_place(q, &c);
    assert_int_equal(queue_bound(q), 101);
    assert_ptr_equal(queue_pop(q, INT64_MAX), &c);
    assert_ptr_equal(queue_pop(q, INT64_MAX), &a);
    queue_remove(q, &b);
    assert_true(queue_empty(q));
    free(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue_matches_oracle),
        cmocka_unit_test(test_queue_keeps_order_of_equal_times),
        cmocka_unit_test(test_queue_asked_early_takes_earlier_events_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
