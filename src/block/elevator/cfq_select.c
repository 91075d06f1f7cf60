/*
 * Which of CFQ's queues is served, and how much of it goes to the drive: first
 * the group (by virtual time), in it the class (RT, BE, IDLE), in it the kind of
 * work (the tree whose first key is the earliest, for a while), in it the first queue.
 */
#include "block/elevator/cfq_int.h"

#define LEAST_SLICE 2 /* jiffies of a workload */

/* --- a new queue --- */

/* The kind of work that has waited longest; of equals the first. */
static enum cfq_type oldest_type(struct cfq_group *g, enum cfq_class class) {
    enum cfq_type best = CFQ_ASYNC;
    const struct cfq_queue *first = NULL;
    for (enum cfq_type type = CFQ_ASYNC; type < CFQ_TYPES; type++) {
        const struct cfq_queue *q = cfq_tree_first(cfq_tree_at(g, class, type));
        if (q && (!first || q->key < first->key)) {
            first = q;
            best = type;
        }
    }
    return best;
}

/* How long a kind of work is served: the part of the group's slice its queues make up. */
static int64_t workload_slice(struct cfq *c, struct cfq_group *g) {
    uint32_t count = cfq_tree_at(g, c->class, c->type)->count, busy = cfq_group_busy(g, c->class);
    uint32_t mean = g->mean_queues[c->class];
    int64_t slice = cfq_group_slice(c, g) * count / (mean > busy ? mean : busy);
    if (c->type == CFQ_ASYNC) {
        slice = cfq_min(slice, c->t.target_latency * cfq_group_busy_async(g) / c->busy);
        slice = cfq_scale(slice, c->t.slice_async, c->t.slice_sync);
    } else {
        slice = cfq_max(slice, 2 * c->t.slice_idle);
    }
    return cfq_max(slice, LEAST_SLICE);
}

static void choose_workload(struct cfq *c, struct cfq_group *g) {
    enum cfq_class before = c->class;
    int64_t now = cfq_now(c);
    c->class = cfq_group_busy(g, CFQ_RT) ? CFQ_RT : cfq_group_busy(g, CFQ_BE) ? CFQ_BE : CFQ_IDLE;
    if (c->class == CFQ_IDLE) {
        c->workload_end = now + 1;
        return;
    }
    if (c->class == before && cfq_tree_at(g, c->class, c->type)->count && now <= c->workload_end)
        return;
    c->type = oldest_type(g, c->class);
    c->workload_end = now + workload_slice(c, g);
}

static struct cfq_queue *choose_queue(struct cfq *c) {
    struct cfq_group *g = cfq_group_next(c);
    c->serving = g;
    if (!g)
        return NULL;
    c->workload_end = cfq_now(c) - 1;
    if (g->saved.left) {
        c->workload_end = cfq_now(c) + g->saved.left;
        c->class = g->saved.class;
        c->type = g->saved.type;
    }
    choose_workload(c, g);
    return c->queued ? cfq_tree_first(cfq_tree_at(g, c->class, c->type)) : NULL;
}

/* --- the one to be served now --- */

/* A queue that seeks, was waited for in vain while its requests came many at once, and still has most of its slice. */
static bool deep_and_fast(const struct cfq *c, const struct cfq_queue *q) {
    int64_t now = cfq_now(c);
    return cfq_seeky(q) && cfq_has(q, CFQ_IDLE_WINDOW) &&
           (cfq_has(q, CFQ_SLICE_NEW) || q->slice_end - now > now - q->slice_start);
}

static bool wait_for_group(const struct cfq *c, const struct cfq_queue *q) {
    const struct cfq_group *g = q->group;
    return c->t.group_idle && g->queues == 1 && g->dispatched && !cfq_group_thinks_long(c, g);
}

enum verdict { KEEP, WAIT, CHANGE };

static enum verdict unless_group_waits(const struct cfq *c, const struct cfq_queue *q) {
    return wait_for_group(c, q) ? WAIT : CHANGE;
}

/* What to do with the active queue; *other: whom to serve instead, NULL: the next in order. */
static enum verdict judge(struct cfq *c, struct cfq_queue *q, struct cfq_queue **other) {
    *other = NULL;
    if (cfq_has(q, CFQ_WAIT_BUSY) && !cfq_empty(q))
        return CHANGE;
    if (cfq_slice_used(c, q) && !cfq_has(q, CFQ_MUST_DISPATCH)) {
        if (q->group->queues == 1 && cfq_empty(q) && q->in_drive && cfq_should_idle(c, q))
            return WAIT; /* its last request may still show that the group goes on */
        return unless_group_waits(c, q);
    }
    if (!cfq_empty(q))
        return KEEP;
    *other = cfq_cooperator(c, q);
    if (*other) {
        if (!q->merge_to)
            cfq_plan_merge(q, *other);
        return CHANGE;
    }
    if (sim_event_pending(&c->idle_timer))
        return WAIT;
    if (deep_and_fast(c, q))
        q->flags &= ~(CFQ_DEEP | CFQ_IDLE_WINDOW);
    if (q->in_drive && cfq_should_idle(c, q))
        return WAIT;
    return unless_group_waits(c, q);
}

static struct cfq_queue *select_queue(struct cfq *c) {
    struct cfq_queue *q = c->active;
    if (q) {
        struct cfq_queue *other;
        enum verdict v = c->queued ? judge(c, q, &other) : WAIT;
        if (v != CHANGE)
            return v == KEEP ? q : NULL;
        cfq_expire(c, false);
        q = other;
    }
    if (!q)
        q = choose_queue(c);
    if (q)
        cfq_activate_queue(c, q);
    return q;
}

/* --- how much --- */

static bool used_soon(const struct cfq *c, const struct cfq_queue *q) {
    return cfq_has(q, CFQ_SLICE_NEW) || cfq_now(c) + c->t.slice_idle * q->in_drive > q->slice_end;
}

/* Async writes get deeper the longer sync requests have been fast. */
static int64_t async_limit(const struct cfq *c, const struct cfq_queue *q, int64_t limit) {
    if (cfq_is_sync(q) || !c->t.low_latency)
        return limit;
    int64_t depth = (cfq_now(c) - c->last_late_sync) / c->t.slice_sync;
    if (!depth && !q->in_drive)
        depth = 1;
    return cfq_min(depth, limit);
}

static bool may_dispatch(const struct cfq *c, const struct cfq_queue *q) {
    if (cfq_has(q, CFQ_MUST_DISPATCH))
        return true;
    if (c->in_flight[0] && cfq_should_idle(c, q))
        return false; /* async requests go first, so that the drive is its alone */
    if (c->in_flight[1] && !cfq_is_sync(q))
        return false;
    bool idle = q->class == CFQ_IDLE;
    int64_t limit = idle ? 1 : cfq_max(c->t.quantum / 2, 1);
    if (q->in_drive >= limit) {
        if (idle)
            return false;
        bool only_sync = cfq_is_sync(q) && c->busy_sync == 1;
        if (c->busy > 1 && used_soon(c, q) && !only_sync)
            return false;
        limit = c->busy == 1 || only_sync ? INT64_MAX : c->t.quantum;
    }
    return q->in_drive < async_limit(c, q, limit);
}

/* --- out --- */

static void send(struct cfq *c, struct cfq_queue *q, struct request *rq) {
    q->next = cfq_follower(c, q, rq);
    cfq_remove(c, rq);
    q->in_drive++;
    q->group->dispatched++;
    c->in_flight[request_sync(rq)]++;
    cfq_stat_dispatched(c, rq);
    cfq_note_work(c);
    elevator_dispatch_sort(&c->base, rq);
}

/* The oldest request, once a slice, if it has expired. */
static struct request *expired(struct cfq *c, struct cfq_queue *q) {
    if (cfq_has(q, CFQ_FIFO_SEEN))
        return NULL;
    q->flags |= CFQ_FIFO_SEEN;
    struct request *rq = TAILQ_FIRST(&q->fifo);
    return rq && cfq_now(c) >= rq->expiry ? rq : NULL;
}

static bool dispatch_from(struct cfq *c, struct cfq_queue *q) {
    struct request *rq = expired(c, q);
    if (rq)
        q->flags |= CFQ_MUST_DISPATCH;
    if (!may_dispatch(c, q))
        return false;
    if (!rq)
        rq = q->next;
    send(c, q, rq);
    if (!c->active_context) {
        c->active_context = cfq_context_of(rq);
        c->active_context->refs++;
    }
    return true;
}

static unsigned send_all(struct cfq *c, struct cfq_queue *q) {
    unsigned sent = 0;
    cfq_activate_queue(c, q);
    while (q->next) {
        send(c, q, q->next);
        sent++;
    }
    cfq_expire(c, false);
    return sent;
}

static struct cfq_queue *any_queue(struct cfq_group *g) {
    for (int class = CFQ_RT; class <= CFQ_BE; class ++) {
        for (int type = 0; type < CFQ_TYPES; type++) {
            struct cfq_queue *q = cfq_tree_first(&g->tree[class][type]);
            if (q)
                return q;
        }
    }
    return cfq_tree_first(&g->idle);
}

/* Empty everything, group after group. */
static unsigned drain(struct cfq *c) {
    unsigned sent = 0;
    cfq_expire(c, false);
    for (struct cfq_group *g; (g = cfq_group_next(c)) != NULL;)
        sent += send_all(c, any_queue(g));
    return sent;
}

unsigned cfq_dispatch(struct elevator *e, bool force) {
    struct cfq *c = cfq_of(e);
    if (!c->busy)
        return 0;
    if (force)
        return drain(c);
    struct cfq_queue *q = select_queue(c);
    if (!q || !dispatch_from(c, q))
        return 0;
    q->slice_dispatched++;
    q->flags &= ~CFQ_MUST_DISPATCH;
    bool most = !cfq_is_sync(q) && (int64_t)q->slice_dispatched >= cfq_async_most(c->t.slice_async_rq, q->level);
    if (c->busy > 1 && (most || q->class == CFQ_IDLE)) {
        q->slice_end = cfq_now(c) + 1;
        cfq_expire(c, false);
    }
    return 1;
}
