/*
 * Whose queue a request belongs to. Sync requests go to their process' own queue,
 * unless queues were merged because their processes read next to each other;
 * async ones to a queue shared by all of a cgroup with the same class and level.
 *
 * Lives: a queue is held by the processes that use it, by its requests and, async,
 * by its group. While `merge_to` is set, the processes of a queue already hold
 * the one they will go to, too (and all further ones of such a chain).
 */
#include <errno.h>
#include <stdlib.h>

#include "block/elevator/cfq_int.h"

/* --- queues --- */

static enum cfq_class class_of(const struct block_context *owner) {
    unsigned class = context_class(owner);
    return class == IOPRIO_RT ? CFQ_RT : class == IOPRIO_IDLE ? CFQ_IDLE : CFQ_BE;
}

/* Take over class and level, if they may have changed. */
void cfq_apply_prio(struct cfq_queue *q, const struct block_context *owner) {
    if (!cfq_has(q, CFQ_PRIO_CHANGED))
        return;
    q->class = class_of(owner);
    q->level = (uint8_t)context_level(owner);
    if (q->class == CFQ_IDLE) {
        q->level = CFQ_LEVELS - 1;
        q->flags &= ~CFQ_IDLE_WINDOW;
    }
    q->flags &= ~CFQ_PRIO_CHANGED;
}

static struct cfq_queue *queue_new(struct cfq *c, struct cfq_group *g, bool sync, const struct block_context *owner) {
    struct cfq_queue *q = calloc(1, sizeof(*q));
    if (!q)
        return NULL;
    TAILQ_INIT(&q->fifo);
    q->group = g;
    g->refs++;
    q->slice_start = CFQ_NEVER;
    q->flags = CFQ_PRIO_CHANGED | (sync ? CFQ_IS_SYNC | CFQ_IDLE_WINDOW : 0);
    cfq_apply_prio(q, owner);
    LIST_INSERT_HEAD(&c->all_queues, q, all);
    c->queue_count++;
    return q;
}

void cfq_queue_put(struct cfq *c, struct cfq_queue *q) {
    if (--q->refs)
        return;
    if (c->active == q) {
        cfq_expire(c, false);
        elevator_kick(&c->base);
    }
    LIST_REMOVE(q, all);
    c->queue_count--;
    cfq_group_put(q->group);
    free(q);
}

/* The process holds `q` from now on. */
static void use(struct cfq_context *x, bool sync, struct cfq_queue *q) {
    x->queue[sync] = q;
    q->processes++;
    q->refs++;
}

static void drop_process(struct cfq *c, struct cfq_queue *q) {
    q->processes--;
    cfq_queue_put(c, q);
}

/* The process uses its queue no more, nor those it was on the way to. */
static void leave(struct cfq *c, struct cfq_context *x, bool sync) {
    struct cfq_queue *q = x->queue[sync];
    if (!q)
        return;
    x->queue[sync] = NULL;
    for (struct cfq_queue *to = q->merge_to, *after; to && to != q; to = after) {
        after = to->merge_to;
        drop_process(c, to);
    }
    if (q->context == x)
        q->context = NULL;
    drop_process(c, q);
}

/* --- processes --- */

static struct cfq_context *context_get(struct cfq *c, struct block_context *owner) {
    if (owner->sched)
        return owner->sched;
    struct cfq_context *x = calloc(1, sizeof(*x));
    if (!x)
        return NULL;
    x->refs = 1;
    x->owner = owner;
    x->ioprio = owner->ioprio;
    x->think.last_end = cfq_now(c);
    LIST_INSERT_HEAD(&c->all_contexts, x, all);
    owner->sched = x;
    return x;
}

void cfq_context_put(struct cfq_context *x) {
    if (--x->refs)
        return;
    LIST_REMOVE(x, all);
    free(x);
}

void cfq_context_exit(struct elevator *e, struct block_context *owner) {
    struct cfq *c = cfq_of(e);
    struct cfq_context *x = owner->sched;
    owner->sched = NULL;
    if (!x)
        return;
    for (int sync = 0; sync < 2; sync++) {
        if (x->queue[sync] && x->queue[sync] == c->active) {
            cfq_expire(c, false);
            elevator_kick(e);
        }
        leave(c, x, sync);
    }
    x->owner = NULL;
    cfq_context_put(x);
}

/* --- the queue of a request --- */

/* Another priority: another async queue at once; the sync one takes it over with the next request. */
static void note_prio(struct cfq *c, struct cfq_context *x) {
    if (x->ioprio == x->owner->ioprio)
        return;
    x->ioprio = x->owner->ioprio;
    leave(c, x, false);
    if (x->queue[1])
        x->queue[1]->flags |= CFQ_PRIO_CHANGED;
}

static struct cfq_queue *async_queue(struct cfq *c, struct cfq_group *g, const struct block_context *owner) {
    enum cfq_class class = class_of(owner);
    struct cfq_queue **slot = class == CFQ_IDLE ? &g->async_idle : &g->async[class][context_level(owner)];
    if (!*slot) {
        *slot = queue_new(c, g, false, owner);
        if (*slot)
            (*slot)->refs++;
    }
    return *slot;
}

/* The processes of a queue that seeks because they parted go separate ways again, the last one keeps it. */
static void split(struct cfq *c, struct cfq_context *x) {
    struct cfq_queue *q = x->queue[1];
    if (q->processes > 1) {
        leave(c, x, true);
        return;
    }
    q->flags &= ~(CFQ_SHARED | CFQ_SPLIT);
    q->context = x;
}

/* On to the queue that the process' own was to be merged with; it holds that one already. */
static void merge(struct cfq *c, struct cfq_context *x) {
    struct cfq_queue *from = x->queue[1], *to = from->merge_to;
    x->queue[1] = to;
    to->flags |= CFQ_SHARED;
    to->context = NULL;
    if (from->context == x)
        from->context = NULL;
    drop_process(c, from);
}

static struct cfq_queue *queue_for(struct cfq *c, struct cfq_context *x, struct cfq_group *g, bool sync) {
    if (x->queue[sync] && x->queue[sync]->group != g)
        leave(c, x, sync);
    if (sync && x->queue[1] && cfq_has(x->queue[1], CFQ_SHARED) && cfq_has(x->queue[1], CFQ_SPLIT))
        split(c, x);
    if (sync && x->queue[1] && x->queue[1]->merge_to)
        merge(c, x);
    if (x->queue[sync])
        return x->queue[sync];
    struct cfq_queue *q = sync ? queue_new(c, g, true, x->owner) : async_queue(c, g, x->owner);
    if (!q)
        return NULL;
    use(x, sync, q);
    if (sync)
        q->context = x;
    return q;
}

int cfq_set_request(struct elevator *e, struct request *rq, const struct io *io) {
    struct cfq *c = cfq_of(e);
    struct cfq_group *g = cfq_group_get(c, rq->group);
    struct cfq_context *x = g ? context_get(c, rq->context) : NULL;
    if (!x)
        return -ENOMEM;
    note_prio(c, x);
    struct cfq_queue *q = queue_for(c, x, g, request_sync(rq));
    if (!q)
        return -ENOMEM;
    q->refs++;
    x->refs++;
    rq->priv.ptr[0] = q;
    rq->priv.ptr[1] = x;
    return 0;
}

void cfq_put_request(struct elevator *e, struct request *rq) {
    cfq_queue_put(cfq_of(e), cfq_queue_of(rq));
    cfq_context_put(cfq_context_of(rq));
    rq->priv.ptr[0] = rq->priv.ptr[1] = NULL;
}

/*
 * Processes of one queue are to go to the other with their next requests: those
 * of the queue with fewer; of `a` if both have as many.
 */
void cfq_plan_merge(struct cfq_queue *a, struct cfq_queue *b) {
    if (!b->processes)
        return; /* nobody keeps up what its merge_to points to */
    while (b->merge_to) {
        if (b->merge_to == a)
            return;
        b = b->merge_to;
    }
    if (!a->processes || !b->processes)
        return;
    struct cfq_queue *from = b->processes >= a->processes ? a : b, *to = from == a ? b : a;
    from->merge_to = to;
    to->processes += from->processes;
    to->refs += from->processes;
}

/* --- the end --- */

void cfq_free_all(struct cfq *c) {
    struct cfq_queue *q;
    struct cfq_context *x;
    struct cfq_group *g;
    while ((q = LIST_FIRST(&c->all_queues)) != NULL) {
        LIST_REMOVE(q, all);
        free(q);
    }
    while ((x = LIST_FIRST(&c->all_contexts)) != NULL) {
        LIST_REMOVE(x, all);
        free(x);
    }
    while ((g = LIST_FIRST(&c->all_groups)) != NULL) {
        LIST_REMOVE(g, all);
        free(g);
    }
}
