/*
 * CFQ's cgroups: a tree of weights and one queue of virtual times.
 *
 * A group's share of the drive is the product of its fractions on the way to
 * the root: its own processes' leaf weight among its active children's weights,
 * its weight among its active siblings', and so on. Groups wait in order of the time
 * they used, divided by that share. One that becomes active joins behind all others:
 * there is no credit for time not asked for.
 *
 *   not in c->groups (no busy queue) -> in c->groups: cfq_group_queue_added()
 *   in c->groups -> not:                              cfq_group_queue_removed()
 *   in c->groups -> at another place there:           cfq_group_served()
 *
 * Invariants: `active` of a group counts its active children, and one more if it
 * has busy queues itself; `children_weight` is the sum of the weights counted.
 * New weights count from the next time a group joins: its share is that of the last time it joined.
 */
#include <errno.h>
#include <stdlib.h>

#include "block/elevator/cfq_int.h"

static struct cfq_group *group_of(const struct rb_node *n) {
    return rb_entry(n, struct cfq_group, node);
}

uint32_t cfq_group_busy(const struct cfq_group *g, enum cfq_class class) {
    if (class == CFQ_IDLE)
        return g->idle.count;
    const struct cfq_tree *t = g->tree[class];
    return t[CFQ_ASYNC].count + t[CFQ_SYNC_NOIDLE].count + t[CFQ_SYNC].count;
}

uint32_t cfq_group_busy_async(const struct cfq_group *g) {
    return g->tree[CFQ_RT][CFQ_ASYNC].count + g->tree[CFQ_BE][CFQ_ASYNC].count;
}

int64_t cfq_group_slice(const struct cfq *c, const struct cfq_group *g) {
    return c->t.target_latency * g->fraction / CFQ_ONE;
}

/* --- the tree of weights --- */

/* Count `g` and all above that become active by it; its share. */
static uint32_t weights_join(struct cfq_group *g) {
    bool first = g->active++ == 0;
    if (g->owner)
        g->leaf_weight = g->owner->leaf_weight;
    g->children_weight += g->leaf_weight;
    uint32_t share = cfq_part(CFQ_ONE, g->leaf_weight, g->children_weight);
    for (; g->parent; g = g->parent) {
        if (first) {
            if (g->owner)
                g->weight = g->owner->weight;
            first = g->parent->active++ == 0;
            g->parent->children_weight += g->weight;
        }
        share = cfq_part(share, g->weight, g->parent->children_weight);
    }
    return share ? share : 1;
}

static void weights_leave(struct cfq_group *g) {
    bool last = --g->active == 0;
    g->children_weight -= g->leaf_weight;
    for (; last && g->parent; g = g->parent) {
        last = --g->parent->active == 0;
        g->parent->children_weight -= g->weight;
    }
}

/* --- the queue of virtual times --- */

static void join(struct cfq *c, struct cfq_group *g) {
    g->fraction = weights_join(g);
    struct rb_place p = rb_root_place(&c->groups);
    while (rb_place_node(&p))
        rb_descend(&p, (int64_t)(g->vtime - group_of(rb_place_node(&p))->vtime) >= 0);
    rb_insert(&c->groups, &g->node, &p);
}

static void leave(struct cfq *c, struct cfq_group *g) {
    weights_leave(g);
    rb_erase(&c->groups, &g->node);
}

void cfq_group_queue_added(struct cfq *c, struct cfq_group *g) {
    g->queues++;
    if (rb_linked(&g->node))
        return;
    struct rb_node *last = rb_last(&c->groups);
    g->vtime = last ? group_of(last)->vtime + c->base.hz / 5 : c->min_vtime;
    join(c, g);
}

void cfq_group_queue_removed(struct cfq *c, struct cfq_group *g) {
    if (--g->queues)
        return;
    leave(c, g);
    g->saved.left = 0;
    g->stats.dequeued++;
}

struct cfq_group *cfq_group_next(struct cfq *c) {
    struct rb_node *n = rb_first(&c->groups);
    if (!n)
        return NULL;
    struct cfq_group *g = group_of(n);
    if ((int64_t)(g->vtime - c->min_vtime) > 0)
        c->min_vtime = g->vtime;
    return g;
}

/* Requests instead of time: where nothing is waited for, time says little about who used the drive. */
static bool counts_requests(const struct cfq *c) {
    return !c->t.slice_idle && c->hw_tag;
}

/* The slice of `q` is over: move its group back by what it used. */
void cfq_group_served(struct cfq *c, struct cfq_group *g, struct cfq_queue *q) {
    int64_t unaccounted = 0, now = cfq_now(c);
    int64_t used = cfq_slice_time(c, q, &unaccounted), charge = used;
    uint32_t sync = g->queues - cfq_group_busy_async(g) - g->idle.count;
    if (counts_requests(c))
        charge = (int64_t)q->slice_dispatched;
    else if (!cfq_is_sync(q) && !sync)
        charge = q->allocated;
    uint32_t fraction = g->fraction;
    leave(c, g);
    g->vtime += cfq_charge(charge, fraction);
    join(c, g);
    g->saved.left = c->workload_end > now ? c->workload_end - now : 0;
    g->saved.class = c->class;
    g->saved.type = c->type;
    cfq_stat_served(c, g, used, unaccounted);
}

/* --- lives --- */

static struct cfq_group *group_new(struct cfq *c, struct block_group *owner) {
    struct cfq_group *g = calloc(1, sizeof(*g));
    if (!g)
        return NULL;
    int64_t now = cfq_now(c);
    g->refs = 1;
    g->owner = owner;
    g->weight = owner->weight;
    g->leaf_weight = owner->leaf_weight;
    g->fraction = CFQ_ONE;
    g->think.last_end = g->idle.think.last_end = now;
    for (int class = CFQ_RT; class <= CFQ_BE; class ++) {
        for (int type = 0; type < CFQ_TYPES; type++)
            g->tree[class][type].think.last_end = now;
    }
    g->wait_since_ns = g->idle_since_ns = g->empty_since_ns = CFQ_NEVER;
    LIST_INSERT_HEAD(&c->all_groups, g, all);
    owner->sched = g;
    return g;
}

/* With all its ancestors, from the root down: a group's parent must be there before it. */
struct cfq_group *cfq_group_get(struct cfq *c, struct block_group *owner) {
    if (owner->sched)
        return owner->sched;
    for (;;) {
        struct block_group *top = owner;
        while (top->parent && !top->parent->sched)
            top = top->parent;
        struct cfq_group *g = group_new(c, top);
        if (!g)
            return NULL;
        if (top->parent) {
            g->parent = top->parent->sched;
            g->parent->refs++;
        }
        if (top == owner)
            return g;
    }
}

void cfq_group_put(struct cfq_group *g) {
    while (g && --g->refs == 0) {
        struct cfq_group *parent = g->parent;
        LIST_REMOVE(g, all);
        free(g);
        g = parent;
    }
}

/* The cgroup goes: so do the async queues it shares out, unless requests of them are still under way. */
void cfq_group_exit(struct elevator *e, struct block_group *owner) {
    struct cfq *c = cfq_of(e);
    struct cfq_group *g = owner->sched;
    owner->sched = NULL;
    if (!g)
        return;
    g->owner = NULL;
    for (unsigned level = 0; level < CFQ_LEVELS; level++) {
        for (int class = CFQ_RT; class <= CFQ_BE; class ++) {
            if (g->async[class][level])
                cfq_queue_put(c, g->async[class][level]);
            g->async[class][level] = NULL;
        }
    }
    if (g->async_idle)
        cfq_queue_put(c, g->async_idle);
    g->async_idle = NULL;
    if (g->parent)
        cfq_stat_bury(g->parent, g);
    cfq_group_put(g);
}
