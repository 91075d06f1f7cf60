/*
 * B-WF2Q+ against itself without trees: every question is answered by looking
 * at all entities. Random weights, budgets, arrivals, services, groups in groups.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "block/elevator/bfq_wf2q.h"

enum { GROUPS = 5, QUEUES = 40, ALL = GROUPS + QUEUES }; /* group 0 is the root; entity i < GROUPS is group i */

/* The slow one's entity; state NONE, ACTIVE, PAST or SERVING. */
struct slow {
    int parent; /* group */
    enum { NONE, ACTIVE, PAST, SERVING } state;
    unsigned class, weight, new_weight, raise;
    uint64_t start, finish, order;
    int64_t service, budget;
};

struct world {
    struct rng rng;
    struct bfq_sched sched[GROUPS];
    struct bfq_entity entity[ALL];
    struct slow slow[ALL];
    uint64_t vtime[GROUPS][BFQ_CLASSES], order[GROUPS];
    int64_t idle_ns[GROUPS], now;
    int serving; /* a queue, or 0 */
};

static bool later(uint64_t a, uint64_t b) {
    return (int64_t)(a - b) > 0;
}

static uint64_t *vtime_of(struct world *w, int i) {
    return &w->vtime[w->slow[i].parent][w->slow[i].class];
}

static uint64_t weights(struct world *w, int group, unsigned class) {
    uint64_t sum = 0;
    for (int i = 1; i < ALL; i++)
        if (w->slow[i].parent == group && w->slow[i].class == class && w->slow[i].state != NONE)
            sum += w->slow[i].weight;
    return sum;
}

static void forget_old(struct world *w, int group, unsigned class) {
    for (int i = 1; i < ALL; i++) {
        struct slow *s = &w->slow[i];
        if (s->parent == group && s->class == class && s->state == PAST && !later(s->finish, w->vtime[group][class]))
            s->state = NONE;
    }
}

/* Of a group's class: that with the least finish of those whose start has come; if of none, of those with the least
 * start. */
static int best(struct world *w, int group, unsigned class) {
    int found = 0;
    uint64_t v = w->vtime[group][class], least = 0;
    for (int pass = 0; pass < 2 && !found; pass++) {
        for (int i = 1; i < ALL; i++) {
            struct slow *s = &w->slow[i], *f = &w->slow[found];
            if (s->parent != group || s->class != class || s->state != ACTIVE || later(s->start, v))
                continue;
            if (!found || later(f->finish, s->finish) || (f->finish == s->finish && s->order < f->order))
                found = i;
        }
        bool any = false;
        for (int i = 1; i < ALL && !found; i++) {
            struct slow *s = &w->slow[i];
            if (s->parent == group && s->class == class && s->state == ACTIVE && (!any || later(least, s->start))) {
                least = s->start;
                any = true;
            }
        }
        if (!any)
            break;
        v = least;
    }
    return found;
}

static int next_member(struct world *w, int group) {
    int found = 0;
    for (unsigned class = 0; class < BFQ_CLASSES && !found; class ++)
        found = best(w, group, class);
    return found;
}

static void finish_at(struct slow *s, int64_t service) {
    s->finish = s->start + ((uint64_t)service << BFQ_SHIFT) / s->weight;
}

static void slow_enter(struct world *w, int i) {
    struct slow *s = &w->slow[i];
    s->weight = s->new_weight;
    finish_at(s, s->budget);
    s->state = ACTIVE;
    s->order = w->order[s->parent]++;
}

/* Whether the root would go on with another member if the one in service wanted more. */
static bool slow_other_next(struct world *w) {
    int serving = 0, next = next_member(w, 0);
    for (int i = 1; i < ALL; i++)
        if (w->slow[i].parent == 0 && w->slow[i].state == SERVING)
            serving = i;
    if (!next || !serving || serving >= GROUPS || !next_member(w, serving))
        return next != 0;
    struct slow *s = &w->slow[serving], before = *s;
    finish_at(s, s->service);
    s->start = s->finish;
    finish_at(s, w->slow[next_member(w, serving)].budget);
    s->state = ACTIVE;
    next = next_member(w, 0);
    *s = before;
    return next != serving;
}

static void slow_refresh(struct world *w, int i) {
    for (; i && w->slow[i].state == ACTIVE; i = w->slow[i].parent) {
        int64_t budget = w->slow[next_member(w, i)].budget;
        if (budget == w->slow[i].budget)
            return;
        w->slow[i].budget = budget;
        slow_enter(w, i);
    }
}

static void slow_activate(struct world *w, int i, bool in_time) {
    for (; i && w->slow[i].state != ACTIVE && w->slow[i].state != SERVING; i = w->slow[i].parent) {
        struct slow *s = &w->slow[i];
        uint64_t v = *vtime_of(w, i), least = v;
        bool shifted = in_time && later(v, s->finish);
        if (i < GROUPS)
            s->budget = w->slow[next_member(w, i)].budget;
        if (shifted)
            least = s->finish;
        s->start = s->state == PAST && later(s->finish, least) ? s->finish : least;
        slow_enter(w, i);
        if (shifted && later(v, s->finish)) {
            uint64_t by = (v - s->finish) / s->raise;
            s->start += by;
            s->finish += by;
        }
    }
    slow_refresh(w, i);
}

static void slow_leave(struct world *w, int i) {
    struct slow *s = &w->slow[i];
    finish_at(s, s->service);
    s->state = later(s->finish, *vtime_of(w, i)) ? PAST : NONE;
}

static void slow_deactivate(struct world *w, int i) {
    do {
        slow_leave(w, i);
        w->slow[i].service = 0;
        i = w->slow[i].parent;
    } while (i && w->slow[i].state == ACTIVE && !next_member(w, i));
    slow_refresh(w, i);
}

static int slow_serve(struct world *w) {
    int group = 0, found = 0;
    do {
        unsigned class = 0;
        if (w->now - w->idle_ns[group] > BFQ_IDLE_CLASS_NS) {
            w->idle_ns[group] = w->now;
            class = best(w, group, BFQ_IDLE) ? BFQ_IDLE : 0;
        }
        for (found = 0; class < BFQ_CLASSES && !(found = best(w, group, class)); class ++)
            ;
        if (!found)
            return 0;
        uint64_t *v = vtime_of(w, found);
        if (later(w->slow[found].start, *v))
            *v = w->slow[found].start;
        forget_old(w, group, w->slow[found].class);
        w->slow[found].state = SERVING;
        group = found;
    } while (found < GROUPS);
    return found;
}

static void slow_served(struct world *w, int i, int64_t sectors) {
    for (; i; i = w->slow[i].parent) {
        struct slow *s = &w->slow[i];
        s->service += sectors;
        *vtime_of(w, i) += ((uint64_t)sectors << BFQ_SHIFT) / weights(w, s->parent, s->class);
        forget_old(w, s->parent, s->class);
    }
}

static void slow_release(struct world *w, int i, bool wants) {
    for (; i; i = w->slow[i].parent) {
        struct slow *s = &w->slow[i];
        if (i < GROUPS) {
            int next = next_member(w, i);
            wants = next != 0;
            s->budget = next ? w->slow[next].budget : s->budget;
        }
        if (wants) {
            finish_at(s, s->service);
            s->start = s->finish;
            slow_enter(w, i);
        } else {
            slow_leave(w, i);
        }
        if (i < GROUPS)
            s->service = 0;
    }
}

/* --- both --- */

static unsigned pick(struct world *w, unsigned below) {
    return (unsigned)rng_below(&w->rng, below);
}

static int64_t any_budget(struct world *w) {
    return 1 + pick(w, pick(w, 2) ? 16384 : 20);
}

static void begin(struct world *w, unsigned seed, bool groups) {
    memset(w, 0, sizeof *w);
    rng_init(&w->rng, seed, 1);
    for (int i = 1; i < ALL; i++) {
        struct slow *s = &w->slow[i];
        int parent = i < GROUPS ? i / 2 : groups ? (int)pick(w, GROUPS) : 0;
        unsigned class = i < GROUPS || pick(w, 2) ? BFQ_BE : pick(w, 3), weight = 1 + pick(w, pick(w, 2) ? 1000 : 3);
        *s = (struct slow){.parent = parent, .class = class, .weight = weight, .new_weight = weight, .raise = 1};
        bfq_entity_init(&w->entity[i], &w->sched[parent], i < GROUPS ? &w->sched[i] : NULL, class, weight);
    }
}

static void set_budget(struct world *w, int i) {
    w->entity[i].budget = w->slow[i].budget = any_budget(w);
}

static void compare(struct world *w) {
    for (int i = 1; i < ALL; i++) {
        static const enum bfq_place places[] = {BFQ_NOWHERE, BFQ_ELIGIBLE, BFQ_PAST, BFQ_SERVING};
        const struct slow *s = &w->slow[i];
        const struct bfq_entity *e = &w->entity[i];
        assert_int_equal(bfq_entity_active(e) ? BFQ_ELIGIBLE : e->place, places[s->state]);
        if (s->state == NONE)
            continue;
        assert_int_equal(e->start, s->start);
        assert_int_equal(e->finish, s->finish);
    }
    for (int g = 0; g < GROUPS; g++)
        for (unsigned c = 0; c < BFQ_CLASSES; c++) {
            assert_int_equal(w->sched[g].tree[c].vtime, w->vtime[g][c]);
            assert_int_equal(w->sched[g].tree[c].weights, weights(w, g, c));
        }
    assert_int_equal(bfq_other_next(&w->sched[0]), slow_other_next(w));
}

static void arrive(struct world *w, int i) {
    bool in_time = pick(w, 3) == 0;
    if (pick(w, 4) == 0)
        w->entity[i].new_weight = w->slow[i].new_weight = 1 + pick(w, 1000);
    w->entity[i].raise = w->slow[i].raise = pick(w, 4) ? 1 : 30;
    w->entity[i].service = w->slow[i].service = 0;
    set_budget(w, i);
    bfq_activate(&w->entity[i], in_time);
    slow_activate(w, i, in_time);
}

static void serve(struct world *w, int i, int64_t sectors) {
    bfq_served(&w->entity[i], sectors);
    slow_served(w, i, sectors);
}

static void end_service(struct world *w) {
    int i = w->serving;
    bool wants = pick(w, 2);
    if (wants) {
        set_budget(w, i);
    }
    bfq_release(&w->entity[i], wants);
    slow_release(w, i, wants);
    w->entity[i].service = w->slow[i].service = 0;
    w->serving = 0;
}

static void step(struct world *w) {
    int i = GROUPS + (int)pick(w, QUEUES);
    w->now += pick(w, 40000000);
    switch (w->slow[i].state) {
    case NONE:
    case PAST:
        arrive(w, i);
        break;
    case ACTIVE:
        if (pick(w, 8) == 0) {
            bfq_deactivate(&w->entity[i]);
            slow_deactivate(w, i);
        } else if (pick(w, 8) == 0) {
            serve(w, i, 1 + pick(w, 100)); /* let in between */
        } else if (pick(w, 4) == 0) {
            set_budget(w, i);
            bfq_rebudget(&w->entity[i], w->slow[i].budget);
            slow_enter(w, i);
            slow_refresh(w, w->slow[i].parent);
        }
        break;
    case SERVING:
        break;
    }
    if (!w->serving) {
        struct bfq_entity *e = bfq_serve_next(&w->sched[0], w->now);
        w->serving = slow_serve(w);
        assert_int_equal(e ? e - w->entity : 0, w->serving);
    } else if (pick(w, 3)) {
        serve(w, w->serving, 1 + pick(w, 2000));
    } else {
        end_service(w);
    }
}

static void play(unsigned seed, bool groups) {
    static struct world w;
    begin(&w, seed, groups);
    for (unsigned n = 0; n < 3000; n++) {
        step(&w);
        if (n % 4 == 0)
            compare(&w);
    }
}

static void test_wf2q_serves_in_the_order_of_a_linear_scan(void **state) {
    for (unsigned seed = 0; seed < 12; seed++)
        play(seed, false);
}

static void test_wf2q_of_groups_serves_in_the_order_of_a_linear_scan(void **state) {
    for (unsigned seed = 100; seed < 112; seed++)
        play(seed, true);
}

/* Always backlogged: each has its share, and never lags behind by more than its own budget and the largest one. */
static void test_wf2q_lag_is_bounded(void **state) {
    enum { N = 8, BUDGET = 1000 };
    struct bfq_sched s = {0};
    struct bfq_entity e[N];
    int64_t had[N] = {0}, all = 0, sum = 0;
    for (unsigned i = 0; i < N; i++) {
        bfq_entity_init(&e[i], &s, NULL, BFQ_BE, 10 * (i + 1));
        sum += 10 * (i + 1);
        e[i].budget = BUDGET;
        bfq_activate(&e[i], false);
    }
    for (unsigned n = 0; n < 20000; n++) {
        struct bfq_entity *q = bfq_serve_next(&s, 0);
        bfq_served(q, BUDGET);
        had[q - e] += BUDGET;
        all += BUDGET;
        bfq_release(q, true);
        q->service = 0;
        for (unsigned i = 0; i < N; i++) {
            int64_t lag = all * e[i].weight / sum - had[i];
            assert_true(lag <= 2 * BUDGET && lag >= -2 * BUDGET);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wf2q_serves_in_the_order_of_a_linear_scan),
        cmocka_unit_test(test_wf2q_of_groups_serves_in_the_order_of_a_linear_scan),
        cmocka_unit_test(test_wf2q_lag_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
