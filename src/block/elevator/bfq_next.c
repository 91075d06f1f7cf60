/*
 * The order of requests inside one of BFQ's queues: sync before async, metadata
 * before the rest, then the least way for the head, going back counting
 * `back_seek_penalty` times and going back farther than `back_seek_max` last of
 * all; once each time the queue is served, its oldest if that has waited too long.
 */
#include "block/elevator/bfq_int.h"

struct way {
    uint64_t sectors;
    bool wrapped; /* too far behind the head */
};

static struct way way_to(const struct bfq *b, const struct request *rq, uint64_t last) {
    if (rq->sector >= last)
        return (struct way){.sectors = rq->sector - last};
    uint64_t back = last - rq->sector, weighed;
    if (back > (uint64_t)b->back_seek_max * 2)
        return (struct way){.wrapped = true};
    if (__builtin_mul_overflow(back, (uint64_t)b->back_seek_penalty, &weighed))
        weighed = UINT64_MAX;
    return (struct way){.sectors = weighed};
}

/* Which of two requests, either of which may be missing, is served first when the head is at `last`. */
struct request *bfq_better(const struct bfq *b, struct request *x, struct request *y, uint64_t last) {
    if (!x || x == y)
        return y;
    if (!y)
        return x;
    uint32_t differ = x->flags ^ y->flags;
    if (differ & RQ_SYNC)
        return x->flags & RQ_SYNC ? x : y;
    if (differ & RQ_META) /* not RQ_PRIO, as with CFQ */
        return x->flags & RQ_META ? x : y;
    struct way to_x = way_to(b, x, last), to_y = way_to(b, y, last);
    if (to_x.wrapped && to_y.wrapped)
        return x->sector <= y->sector ? x : y;
    if (to_x.wrapped || to_y.wrapped)
        return to_x.wrapped ? y : x;
    if (to_x.sectors != to_y.sectors)
        return to_x.sectors < to_y.sectors ? x : y;
    return x->sector >= y->sector ? x : y;
}

/* The oldest request if it is due and the FIFO wasn't looked at yet; not `last`, which goes. */
struct request *bfq_expired(struct bfq *b, struct bfq_queue *q, const struct request *last) {
    struct request *rq = TAILQ_FIRST(&q->fifo);
    if (q->fifo_seen)
        return NULL;
    q->fifo_seen = true;
    return rq && rq != last && bfq_now(b) >= rq->expiry ? rq : NULL;
}

/* What comes after `rq`, which is still in the tree. */
static struct request *follower(struct bfq *b, struct bfq_queue *q, struct request *rq) {
    struct request *due = bfq_expired(b, q, rq);
    if (due)
        return due;
    struct request *after = request_tree_next(rq), *before = request_tree_prev(rq);
    if (!after) {
        after = request_tree_first(&q->sorted);
        if (after == rq)
            after = NULL;
    }
    return bfq_better(b, after, before, rq->sector);
}

/* The queue's next request is another, or larger: a budget that isn't begun has to be enough for it. */
void bfq_next_changed(struct bfq *b, struct bfq_queue *q) {
    struct bfq_entity *e = &q->entity;
    bfq_place(b, q);
    if (!q->next || !bfq_entity_active(e))
        return;
    int64_t budget = bfq_max(bfq_max(q->max_budget, bfq_charge(b, q, q->next)), e->service);
    if (budget != e->budget)
        bfq_rebudget(e, budget);
}

/* Of a new request: to tree and FIFO. The caller sees to the queue. */
void bfq_add(struct bfq *b, struct bfq_queue *q, struct request *rq) {
    q->queued++;
    b->queued++;
    request_tree_insert(&q->sorted, rq);
    TAILQ_INSERT_TAIL(&q->fifo, rq, link);
    q->next = bfq_better(b, q->next, rq, b->last_position);
}

void bfq_remove(struct bfq *b, struct request *rq) {
    struct bfq_queue *q = bfq_queue_of(rq);
    bool was_next = q->next == rq;
    if (was_next)
        q->next = follower(b, q, rq);
    request_tree_remove(&q->sorted, rq);
    TAILQ_REMOVE(&q->fifo, rq, link);
    q->queued--;
    b->queued--;
    if (bfq_empty(q) && q->busy && q != b->serving) {
        bfq_make_idle(b, q);
        q->entity.budget = q->entity.service = 0;
    }
    if (was_next)
        bfq_next_changed(b, q);
}

void bfq_resort(struct bfq *b, struct request *rq) {
    struct bfq_queue *q = bfq_queue_of(rq);
    request_tree_remove(&q->sorted, rq);
    request_tree_insert(&q->sorted, rq);
    q->next = bfq_better(b, q->next, rq, b->last_position);
    bfq_next_changed(b, q);
}
