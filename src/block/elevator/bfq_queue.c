/*
 * Whose queue a request belongs to. Sync requests go to their process' own queue,
 * unless queues were merged because their processes read next to each other;
 * async ones to a queue shared by all of a cgroup with the same class and level.
 *
 * Lives: a queue is held by the processes that use it, by its requests and, async,
 * by its group. While `merge_to` is set, the processes of a queue already hold
 * the one they will go to, too (and all further ones of such a chain).
 *
 * Simplified: a process that changes its cgroup leaves its queue, with what
 * waits in it, to the old one and begins a new one (Linux moves the queue).
 */
#include <errno.h>
#include <stdlib.h>

#include "block/elevator/bfq_int.h"

/* --- queues --- */

static enum bfq_class class_of(const struct block_context *owner) {
    unsigned class = context_class(owner);
    return class == IOPRIO_RT ? BFQ_RT : class == IOPRIO_IDLE ? BFQ_IDLE : BFQ_BE;
}

void bfq_weigh(struct bfq_queue *q) {
    q->entity.new_class = q->class;
    q->entity.new_weight = bfq_weight_of_level(q->level) * q->raised.factor;
    q->entity.raise = q->raised.factor;
}

static void apply_prio(struct bfq_queue *q, const struct block_context *owner) {
    q->class = class_of(owner);
    q->level = q->class == BFQ_IDLE ? BFQ_LEVELS - 1 : (uint8_t)context_level(owner);
    if (q->class == BFQ_IDLE)
        q->short_think = false;
    bfq_weigh(q);
}

static struct bfq_queue *queue_new(struct bfq *b, struct bfq_group *g, bool sync, const struct block_context *owner) {
    struct bfq_queue *q = calloc(1, sizeof(*q));
    int64_t now = bfq_now(b);
    if (!q)
        return NULL;
    TAILQ_INIT(&q->fifo);
    LIST_INIT(&q->woken);
    q->id = ++b->next_id;
    q->group = g;
    g->refs++;
    q->sync = q->short_think = sync;
    q->new = q->io_bound = true;
    q->seeks = 1; /* its first request most likely is one */
    q->raised = (struct bfq_raised){.factor = 1, .start = now, .interactive_start = BFQ_NEVER};
    q->max_budget = 2 * bfq_most_budget(b) / 3;
    q->created = q->io_start = q->soft_rt_next = q->think.last_end = now;
    q->split_at = q->empty_since = q->inject_changed = BFQ_NEVER;
    bfq_entity_init(&q->entity, &g->sched, NULL, class_of(owner), BFQ_DEFAULT_WEIGHT);
    apply_prio(q, owner);
    q->entity.weight = q->entity.new_weight;
    LIST_INSERT_HEAD(&b->all_queues, q, all);
    b->queue_count++;
    return q;
}

static void queue_free(struct bfq *b, struct bfq_queue *q) {
    bfq_forget(&q->entity);
    bfq_not_pending(b, q);
    bfq_burst_leave(q);
    bfq_waker_forget(b, q);
    if (rb_linked(&q->place_node))
        rb_erase(&q->group->places, &q->place_node);
    LIST_REMOVE(q, all);
    b->queue_count--;
    bfq_group_put(q->group);
    free(q);
}

void bfq_queue_put(struct bfq *b, struct bfq_queue *q) {
    if (--q->refs)
        return;
    q->refs = 1; /* while it is put away */
    if (b->serving == q) {
        bfq_expire(b, q, false, BFQ_TIMEOUT);
        elevator_kick(&b->base);
    }
    if (q->busy)
        bfq_make_idle(b, q);
    queue_free(b, q);
}

void bfq_use(struct bfq_context *x, bool sync, struct bfq_queue *q) {
    x->queue[sync] = q;
    q->processes++;
    q->refs++;
}

/* Nothing is to be merged with `q` because it was created last. */
void bfq_last_created(struct bfq_queue *q, struct bfq_queue *instead) {
    if (q->group->last_created == q)
        q->group->last_created = instead;
}

static void drop_process(struct bfq *b, struct bfq_queue *q) {
    bfq_last_created(q, NULL);
    q->processes--;
    bfq_queue_put(b, q);
}

/* The process uses its queue no more, nor those it was on the way to. */
void bfq_drop(struct bfq *b, struct bfq_context *x, bool sync) {
    struct bfq_queue *q = x->queue[sync];
    if (!q)
        return;
    x->queue[sync] = NULL;
    for (struct bfq_queue *to = q->merge_to, *after; to && to != q; to = after) {
        after = to->merge_to;
        drop_process(b, to);
    }
    if (q->context == x)
        q->context = NULL;
    drop_process(b, q);
}

void bfq_drop_stable(struct bfq *b, struct bfq_context *x) {
    struct bfq_queue *q = x->stable;
    x->stable = NULL;
    if (q)
        bfq_queue_put(b, q);
}

/* --- processes --- */

static struct bfq_context *context_get(struct bfq *b, struct block_context *owner) {
    if (owner->sched)
        return owner->sched;
    struct bfq_context *x = calloc(1, sizeof(*x));
    if (!x)
        return NULL;
    x->refs = 1;
    x->owner = owner;
    x->change = owner->change;
    LIST_INSERT_HEAD(&b->all_contexts, x, all);
    owner->sched = x;
    return x;
}

static void context_put(struct bfq_context *x) {
    if (--x->refs)
        return;
    LIST_REMOVE(x, all);
    free(x);
}

void bfq_context_exit(struct elevator *e, struct block_context *owner) {
    struct bfq *b = bfq_of(e);
    struct bfq_context *x = owner->sched;
    owner->sched = NULL;
    if (!x)
        return;
    for (int sync = 0; sync < 2; sync++) {
        if (x->queue[sync] && x->queue[sync] == b->serving) {
            bfq_expire(b, b->serving, false, BFQ_TIMEOUT);
            elevator_kick(e);
        }
        bfq_drop(b, x, sync);
    }
    bfq_drop_stable(b, x);
    x->owner = NULL;
    context_put(x);
}

/* --- the queue of a request --- */

/* Another priority: another async queue at once; the sync one's weight counts from when it is sorted in again. */
static void note_change(struct bfq *b, struct bfq_context *x) {
    if (x->change == x->owner->change)
        return;
    x->change = x->owner->change;
    bfq_drop(b, x, false);
    if (x->queue[1])
        apply_prio(x->queue[1], x->owner);
}

static struct bfq_queue *async_queue(struct bfq *b, struct bfq_group *g, const struct block_context *owner) {
    enum bfq_class class = class_of(owner);
    struct bfq_queue **slot = class == BFQ_IDLE ? &g->async_idle : &g->async[class][context_level(owner)];
    if (!*slot) {
        *slot = queue_new(b, g, false, owner);
        if (*slot)
            (*slot)->refs++;
    }
    return *slot;
}

static struct bfq_queue *queue_for(struct bfq *b, struct bfq_context *x, struct bfq_group *g, bool sync) {
    if (x->queue[sync] && x->queue[sync]->group != g)
        bfq_drop(b, x, sync);
    bool parts = sync && x->queue[1] && x->queue[1]->shared && x->queue[1]->split && !x->stays;
    if (parts && !x->queue[1]->merge_to)
        bfq_split(b, x);
    if (x->queue[sync])
        return x->queue[sync];
    struct bfq_queue *q = sync ? queue_new(b, g, true, x->owner) : async_queue(b, g, x->owner);
    if (!q)
        return NULL;
    bfq_use(x, sync, q);
    if (sync)
        q->context = x;
    if (sync && x->shares)
        bfq_raise_resume(b, q);
    return sync && !parts ? bfq_created(b, x, q) : q;
}

static void count_allocated(struct bfq_queue *q, uint32_t by) {
    for (struct bfq_entity *e = &q->entity; e; e = bfq_above(e))
        e->allocated += by;
}

int bfq_set_request(struct elevator *e, struct request *rq, const struct io *io) {
    struct bfq *b = bfq_of(e);
    struct bfq_group *g = bfq_group_get(b, rq->group);
    struct bfq_context *x = g ? context_get(b, rq->context) : NULL;
    if (!x)
        return -ENOMEM;
    note_change(b, x);
    struct bfq_queue *q = queue_for(b, x, g, request_sync(rq));
    if (!q)
        return -ENOMEM;
    if (q->sync && !q->merge_to && q->processes == 1)
        q->context = x;
    if (q->new && (b->burst_size || !bfq_busy_queues(b)))
        bfq_burst(b, q);
    q->refs++;
    x->refs++;
    count_allocated(q, 1);
    rq->priv.ptr[0] = q;
    rq->priv.ptr[1] = x;
    return 0;
}

void bfq_put_request(struct elevator *e, struct request *rq) {
    struct bfq *b = bfq_of(e);
    struct bfq_queue *q = bfq_queue_of(rq);
    if (b->waited == rq)
        b->waited = NULL;
    count_allocated(q, UINT32_MAX);
    bfq_queue_put(b, q);
    context_put(bfq_context_of(rq));
    rq->priv.ptr[0] = rq->priv.ptr[1] = NULL;
}

/* A request that isn't queued yet goes to another queue. */
void bfq_move_request(struct bfq *b, struct request *rq, struct bfq_queue *to) {
    struct bfq_queue *from = bfq_queue_of(rq);
    count_allocated(from, UINT32_MAX);
    count_allocated(to, 1);
    to->refs++;
    rq->priv.ptr[0] = to;
    bfq_queue_put(b, from);
}

/* --- the end --- */

void bfq_free_all(struct bfq *b) {
    struct bfq_queue *q;
    struct bfq_context *x;
    struct bfq_group *g;
    while ((q = LIST_FIRST(&b->all_queues)) != NULL) {
        LIST_REMOVE(q, all);
        free(q);
    }
    while ((x = LIST_FIRST(&b->all_contexts)) != NULL) {
        LIST_REMOVE(x, all);
        free(x);
    }
    while ((g = LIST_FIRST(&b->all_groups)) != NULL) {
        LIST_REMOVE(g, all);
        free(g);
    }
}
