/*
 * B-WF2Q+; see bfq_wf2q.h.
 *
 * Source: Bennett, Zhang: Hierarchical packet fair queueing algorithms, 1997
 * (WF2Q+); Valente, Checconi: High throughput disk scheduling with fair
 * bandwidth distribution, 2010 (budgets); behaviour of Linux 6.8
 * block/bfq-wf2q.c.
 *
 * Faithful: virtual times, jumps, classes and the idle class' chance, history
 * kept on a tree with its share of the weights, starts in the past for those
 * that come back in time, groups with the budget of their next member.
 * Simplified: groups in service leave the trees as their queue does (Linux
 * leaves those with other members in, so that what comes next is known
 * beforehand). Instead of one tree that knows the least start of each
 * subtree, there is one of those that may be served and one of those that may not
 * yet; each entity moves once from the second to the first. All of the history that is
 * over is forgotten at once (Linux: one at a time).
 *
 *   nowhere, past -> eligible, waiting: bfq_activate()
 *   waiting -> eligible: catch_up(), as virtual time passes its start
 *   eligible -> serving: bfq_serve_next()
 *   serving -> eligible, waiting, past, nowhere: bfq_release()
 *   eligible, waiting -> past, nowhere: bfq_deactivate()
 *   past -> nowhere: catch_up(), as virtual time passes its finish; bfq_forget()
 */
#include "block/elevator/bfq_wf2q.h"

#include <stddef.h>

static struct bfq_entity *entity_of(struct rb_node *n) {
    return n ? rb_entry(n, struct bfq_entity, node) : NULL;
}

static struct bfq_tree *tree_of(const struct bfq_entity *e) {
    return &e->sched->tree[e->class];
}

/* --- trees --- */

static bool less(const struct bfq_entity *a, const struct bfq_entity *b, bool by_start) {
    if (by_start && a->start != b->start)
        return bfq_before(a->start, b->start);
    if (a->finish != b->finish)
        return bfq_before(a->finish, b->finish);
    return a->order < b->order;
}

static struct rb_tree *root_of(struct bfq_tree *t, enum bfq_place place) {
    return place == BFQ_ELIGIBLE ? &t->eligible : place == BFQ_WAITING ? &t->waiting : &t->past;
}

static void insert(struct bfq_entity *e, enum bfq_place place) {
    struct rb_tree *tree = root_of(tree_of(e), place);
    struct rb_place at = rb_root_place(tree);
    while (rb_place_node(&at))
        rb_descend(&at, !less(e, entity_of(rb_place_node(&at)), place == BFQ_WAITING));
    rb_insert(tree, &e->node, &at);
    e->place = place;
}

static void erase(struct bfq_entity *e) {
    rb_erase(root_of(tree_of(e), e->place), &e->node);
    e->place = BFQ_NOWHERE;
}

static void insert_active(struct bfq_entity *e) {
    e->order = e->sched->order++;
    e->sched->active++;
    insert(e, bfq_before(tree_of(e)->vtime, e->start) ? BFQ_WAITING : BFQ_ELIGIBLE);
}

static void erase_active(struct bfq_entity *e) {
    e->sched->active--;
    erase(e);
}

/* Virtual time has moved. */
static void catch_up(struct bfq_tree *t) {
    struct bfq_entity *e;
    while ((e = entity_of(rb_first(&t->waiting))) != NULL && !bfq_before(t->vtime, e->start)) {
        erase(e);
        insert(e, BFQ_ELIGIBLE);
    }
    while ((e = entity_of(rb_first(&t->past))) != NULL && !bfq_before(t->vtime, e->finish)) {
        erase(e);
        t->weights -= e->weight;
    }
}

/* --- entities --- */

void bfq_entity_init(struct bfq_entity *e, struct bfq_sched *sched, struct bfq_sched *members, enum bfq_class class,
                     uint32_t weight) {
    *e = (struct bfq_entity){.sched = sched,
                             .members = members,
                             .class = class,
                             .new_class = class,
                             .weight = weight,
                             .new_weight = weight,
                             .raise = 1};
    if (members)
        members->owner = e;
}

void bfq_reweigh(struct bfq_entity *e) {
    if (e->place != BFQ_NOWHERE)
        tree_of(e)->weights += (uint64_t)e->new_weight - e->weight;
    e->weight = e->new_weight;
}

/* Class and weight set meanwhile; `e` is counted in its tree's weights and in no tree. */
static void take_over_changes(struct bfq_entity *e) {
    struct bfq_tree *from = tree_of(e);
    if (e->class == e->new_class && e->weight == e->new_weight)
        return;
    from->weights -= e->weight;
    bool moves = e->class != e->new_class;
    e->class = e->new_class;
    e->weight = e->new_weight;
    tree_of(e)->weights += e->weight;
    if (moves)
        e->start = tree_of(e)->vtime;
}

static void set_finish(struct bfq_entity *e, int64_t service) {
    e->finish = e->start + bfq_virtual(service, e->weight);
}

/* What is served next among members; the idle class' chance aside. */
static struct bfq_entity *next_member(const struct bfq_sched *s) {
    for (unsigned class = 0; class < BFQ_CLASSES; class ++) {
        const struct bfq_tree *t = &s->tree[class];
        struct rb_node *n = rb_first(&t->eligible);
        n = n ? n : rb_first(&t->waiting);
        if (n)
            return entity_of(n);
    }
    return NULL;
}

/* A group that is active wants what its next member wants. */
static void refresh(struct bfq_entity *group) {
    for (; group && bfq_entity_active(group); group = bfq_above(group)) {
        int64_t budget = next_member(group->members)->budget;
        if (budget == group->budget)
            return;
        erase_active(group);
        group->budget = budget;
        take_over_changes(group);
        set_finish(group, budget);
        insert_active(group);
    }
}

/* Into a tree of those that want something, from nowhere or past. */
static void enter(struct bfq_entity *e, bool in_time) {
    struct bfq_tree *t = tree_of(e);
    bool shifted = in_time && bfq_before(e->finish, t->vtime);
    uint64_t least = shifted ? e->finish : t->vtime;
    if (e->place == BFQ_PAST) {
        erase(e);
        e->start = bfq_before(e->finish, least) ? least : e->finish;
    } else {
        t->weights += e->weight;
        e->start = least;
    }
    take_over_changes(e);
    set_finish(e, e->budget);
    t = tree_of(e);
    if (shifted && bfq_before(e->finish, t->vtime)) {
        uint64_t by = (t->vtime - e->finish) / e->raise;
        e->start += by;
        e->finish += by;
    }
    insert_active(e);
}

void bfq_activate(struct bfq_entity *e, bool in_time) {
    for (; e && !bfq_entity_active(e) && e->place != BFQ_SERVING; e = bfq_above(e)) {
        if (e->members)
            e->budget = next_member(e->members)->budget;
        enter(e, in_time);
    }
    refresh(e);
}

/* It wants nothing: remembered until virtual time reaches what it has had. It is in no tree. */
static void leave(struct bfq_entity *e) {
    struct bfq_tree *t = tree_of(e);
    set_finish(e, e->service);
    if (bfq_before(t->vtime, e->finish)) {
        insert(e, BFQ_PAST);
        return;
    }
    e->place = BFQ_NOWHERE;
    t->weights -= e->weight;
}

void bfq_deactivate(struct bfq_entity *e) {
    for (;;) {
        erase_active(e);
        leave(e);
        e->service = 0;
        e = bfq_above(e);
        if (!e || e->place == BFQ_SERVING)
            return;
        if (e->members->active)
            break;
    }
    refresh(e);
}

void bfq_rebudget(struct bfq_entity *e, int64_t budget) {
    erase_active(e);
    e->budget = budget;
    take_over_changes(e);
    set_finish(e, budget);
    insert_active(e);
    refresh(bfq_above(e));
}

void bfq_forget(struct bfq_entity *e) {
    if (e->place != BFQ_PAST)
        return;
    erase(e);
    tree_of(e)->weights -= e->weight;
}

/* --- service --- */

/* Of two that want service, neither of which is in it, whether `e` comes first. */
static bool comes_first(const struct bfq_entity *e, const struct bfq_entity *other) {
    if (e->class != other->class)
        return e->class < other->class;
    uint64_t now = tree_of(e)->vtime;
    bool waits = bfq_before(now, e->start), other_waits = bfq_before(now, other->start);
    return waits != other_waits ? other_waits : less(e, other, waits);
}

bool bfq_other_next(const struct bfq_sched *root) {
    const struct bfq_entity *next = next_member(root), *serving = root->serving;
    if (!next || !serving || !serving->members || !serving->members->active)
        return next != NULL;
    struct bfq_entity later = *serving; /* as it will be sorted in again */
    set_finish(&later, later.service);
    later.start = later.finish;
    set_finish(&later, next_member(serving->members)->budget);
    return !comes_first(&later, next);
}

static bool wanted(const struct bfq_tree *t) {
    return rb_first(&t->eligible) || rb_first(&t->waiting);
}

static struct bfq_tree *choose_class(struct bfq_sched *s, int64_t now_ns) {
    unsigned class = BFQ_RT;
    if (now_ns - s->idle_class_ns > BFQ_IDLE_CLASS_NS) {
        if (wanted(&s->tree[BFQ_IDLE]))
            class = BFQ_IDLE;
        s->idle_class_ns = now_ns;
    }
    while (class < BFQ_CLASSES && !wanted(&s->tree[class]))
        class ++;
    return class < BFQ_CLASSES ? &s->tree[class] : NULL;
}

static struct bfq_entity *take(struct bfq_sched *s, int64_t now_ns) {
    struct bfq_tree *t = choose_class(s, now_ns);
    if (!t)
        return NULL;
    if (!rb_first(&t->eligible)) {
        t->vtime = entity_of(rb_first(&t->waiting))->start;
        catch_up(t);
    }
    struct bfq_entity *e = entity_of(rb_first(&t->eligible));
    erase_active(e);
    e->place = BFQ_SERVING;
    s->serving = e;
    return e;
}

struct bfq_entity *bfq_serve_next(struct bfq_sched *root, int64_t now_ns) {
    struct bfq_entity *e = take(root, now_ns);
    while (e && e->members)
        e = take(e->members, now_ns);
    return e;
}

void bfq_served(struct bfq_entity *e, int64_t sectors) {
    for (; e; e = bfq_above(e)) {
        struct bfq_tree *t = tree_of(e);
        e->service += sectors;
        t->vtime += bfq_virtual(sectors, t->weights);
        catch_up(t);
    }
}

static void put_back(struct bfq_entity *e) {
    set_finish(e, e->service);
    e->start = e->finish;
    take_over_changes(e);
    set_finish(e, e->budget);
    insert_active(e);
}

void bfq_release(struct bfq_entity *e, bool wants) {
    for (; e; e = bfq_above(e)) {
        e->sched->serving = NULL;
        if (e->members) {
            wants = e->members->active > 0;
            if (wants)
                e->budget = next_member(e->members)->budget;
        }
        if (wants)
            put_back(e);
        else
            leave(e);
        if (e->members)
            e->service = 0;
    }
}
