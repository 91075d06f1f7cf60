/*
 * Which queue is served: the one in service until its budget or time is used,
 * it has nothing and isn't worth waiting for, or one that comes must not wait.
 *
 *   nobody -> a queue: choose(), as B-WF2Q+ says
 *   a queue -> nobody: bfq_expire()
 */
#include "block/elevator/bfq_int.h"

static struct bfq_queue *choose(struct bfq *b) {
    struct bfq_queue *q = bfq_queue_of_entity(bfq_serve_next(&b->root->sched, bfq_now(b)));
    if (q)
        bfq_serve(b, q);
    return q;
}

/* Its process may have more, or its requests be back soon: somebody may have the drive until then, or nobody. */
static bool worth_waiting(const struct bfq *b, const struct bfq_queue *q) {
    return q->waiting || (q->in_drive && bfq_better_to_idle(b, q));
}

/* Why the queue in service has to go; BFQ_REASONS: it needn't. */
static enum bfq_reason why_not(const struct bfq *b, const struct bfq_queue *q) {
    if (q->next)
        return bfq_charge(b, q, q->next) > bfq_budget_left(q) ? BFQ_EXHAUSTED : BFQ_REASONS;
    return worth_waiting(b, q) ? BFQ_REASONS : BFQ_NO_MORE;
}

static struct bfq_queue *select_queue(struct bfq *b) {
    struct bfq_queue *q = b->serving;
    if (q && bfq_may_time_out(b, q) && !(bfq_empty(q) && bfq_better_to_idle(b, q))) {
        bfq_expire(b, q, false, BFQ_TIMEOUT);
        q = NULL;
    }
    q = q ? q : choose(b);
    while (q) {
        enum bfq_reason why = why_not(b, q);
        if (why == BFQ_REASONS)
            break;
        bfq_expire(b, q, false, why);
        q = choose(b);
    }
    if (!q)
        return NULL;
    if (!q->next)
        return bfq_inject_from(b, q);
    bfq_wait_end(b, q);
    return q;
}

static struct request *dispatch(struct bfq *b, struct bfq_queue *q) {
    struct request *rq = q->next;
    int64_t charge = bfq_charge(b, q, rq);
    bfq_served(&q->entity, charge);
    if (!q->backlog_service)
        q->first_service = bfq_now(b);
    q->backlog_service += (uint64_t)charge;
    if (bfq_raised(q))
        q->raised_service += (uint64_t)charge;
    bfq_inject_dispatched(b, q, rq);
    bfq_rate_dispatched(b, q, rq);
    q->in_drive++;
    b->in_drive++;
    q->group->dispatched++;
    q->group->sectors += rq->sectors;
    bfq_remove(b, rq);
    if (q != b->serving)
        return rq;
    bfq_raise_served(b, q);
    if (q->class == BFQ_IDLE && bfq_busy_queues(b) > 1)
        bfq_expire(b, q, false, BFQ_EXHAUSTED);
    return rq;
}

struct request *bfq_next(struct elevator *e) {
    struct bfq *b = bfq_of(e);
    if (!bfq_busy_queues(b) || (b->strict_guarantees && b->in_drive))
        return NULL;
    struct bfq_queue *q = select_queue(b);
    return q ? dispatch(b, q) : NULL;
}

/* --- arrivals --- */

static bool outranks(const struct bfq_queue *q, const struct bfq_queue *serving) {
    if (q->class != serving->class)
        return q->class < serving->class;
    if (q->group == serving->group)
        return q->entity.weight > serving->entity.weight;
    uint32_t mine = q->group->parent ? q->group->entity.weight : q->entity.weight;
    return mine > (serving->group->parent ? serving->group->entity.weight : serving->entity.weight);
}

/* A budget to begin with, or what was left if it stopped for lack of requests and is back `in_time`: true. */
static bool set_budget(struct bfq *b, struct bfq_queue *q, bool in_time) {
    struct bfq_entity *e = &q->entity;
    int64_t left = bfq_budget_left(q);
    e->service = 0;
    if (q->came_idle && in_time && left > 0) {
        e->budget = bfq_min(left, q->max_budget);
        return true;
    }
    e->budget = bfq_max(q->max_budget, bfq_charge(b, q, q->next));
    return false;
}

/*
 * One that is back in time recovers the service it missed. As in Linux it isn't asked whether that
 * one would finish before the one in service, which makes two queues that nobody waits for take turns with each
 * request.
 */
static bool preempts(const struct bfq *b, const struct bfq_queue *q, bool goes_on) {
    const struct bfq_queue *serving = b->serving;
    if (!serving)
        return false;
    bool recovers = goes_on && q->raised.factor >= serving->raised.factor;
    if (!recovers && !outranks(q, serving) && bfq_better_to_idle(b, serving))
        return false;
    return bfq_other_next(&b->root->sched);
}

/* Its first request. True: it counts as interactive. */
static bool becomes_busy(struct bfq *b, struct bfq_queue *q, const struct bfq_context *x) {
    bool in_time = bfq_now(b) <= q->think.last_end + 3 * b->slice_idle;
    bool goes_on = set_budget(b, q, in_time);
    bool interactive = bfq_raise_arrival(b, q, x);
    q->backlog_start = bfq_now(b);
    q->backlog_service = 0;
    q->soft_rt_update = false;
    bfq_make_busy(b, q, goes_on);
    bfq_place(b, q);
    if (preempts(b, q, goes_on))
        bfq_expire(b, b->serving, false, BFQ_PREEMPTED);
    return interactive;
}

static void stays_busy(struct bfq *b, struct bfq_queue *q, const struct request *before) {
    if (q->next != before)
        bfq_next_changed(b, q);
    if (q != b->serving || !q->waiting)
        return;
    bool timed_out = bfq_timed_out(b, q);
    bfq_wait_end(b, q);
    if (timed_out)
        bfq_expire(b, q, false, BFQ_TIMEOUT);
}

/* `rq` is new and belongs to `q`. */
void bfq_arrived(struct bfq *b, struct bfq_queue *q, struct request *rq) {
    uint32_t factor = q->raised.factor;
    struct request *before = q->next;
    bool was_busy = q->busy, interactive = false;
    bfq_learn_think(b, q, bfq_context_of(rq));
    if (q->sync && rq->context->requests <= 1)
        bfq_inject_arrived(b, q);
    if (q->sync)
        bfq_learn_intensity(b, q);
    bfq_learn_seek(b, q, rq);
    bfq_add(b, q, rq);
    if (!was_busy)
        interactive = becomes_busy(b, q, bfq_context_of(rq));
    bfq_raise_idle_busy(b, q, factor, interactive, !was_busy, request_sync(rq));
    if (was_busy)
        stays_busy(b, q, before);
}
