/*
 * The order of requests inside one of CFQ's queues: sync before async, preferred
 * metadata before the rest, then the least way for the head, going back counting
 * `back_seek_penalty` times and going back farther than `back_seek_max` last of all.
 */
#include "block/elevator/cfq_int.h"

struct way {
    uint64_t sectors;
    bool wrapped; /* too far behind the head */
};

static struct way way_to(const struct cfq *c, const struct request *rq, uint64_t last) {
    if (rq->sector >= last)
        return (struct way){.sectors = rq->sector - last};
    uint64_t back = last - rq->sector, weighed;
    if (back > (uint64_t)c->t.back_seek_max * 2)
        return (struct way){.wrapped = true};
    if (__builtin_mul_overflow(back, (uint64_t)c->t.back_seek_penalty, &weighed))
        weighed = UINT64_MAX;
    return (struct way){.sectors = weighed};
}

/* Which of two requests, either of which may be missing, is served first when the head is at `last`. */
struct request *cfq_better(const struct cfq *c, struct request *a, struct request *b, uint64_t last) {
    if (!a || a == b)
        return b;
    if (!b)
        return a;
    uint32_t differ = a->flags ^ b->flags;
    if (differ & RQ_SYNC)
        return a->flags & RQ_SYNC ? a : b;
    if (differ & RQ_PRIO)
        return a->flags & RQ_PRIO ? a : b;
    struct way to_a = way_to(c, a, last), to_b = way_to(c, b, last);
    if (to_a.wrapped && to_b.wrapped)
        return a->sector <= b->sector ? a : b;
    if (to_a.wrapped || to_b.wrapped)
        return to_a.wrapped ? b : a;
    if (to_a.sectors != to_b.sectors)
        return to_a.sectors < to_b.sectors ? a : b;
    return a->sector >= b->sector ? a : b;
}

/* What comes after `rq`, which is still in the tree: a neighbour, or the first of all if it is the last. */
struct request *cfq_follower(const struct cfq *c, struct cfq_queue *q, struct request *rq) {
    struct request *after = request_tree_next(rq), *before = request_tree_prev(rq);
    if (!after) {
        after = request_tree_first(&q->sorted);
        if (after == rq)
            after = NULL;
    }
    return cfq_better(c, after, before, rq->sector);
}

void cfq_add_sorted(struct cfq *c, struct cfq_queue *q, struct request *rq) {
    q->queued++;
    request_tree_insert(&q->sorted, rq);
    if (!cfq_has(q, CFQ_BUSY))
        cfq_make_busy(c, q);
    struct request *before = q->next;
    q->next = cfq_better(c, before, rq, c->last_position);
    if (q->next != before || q->next == rq)
        cfq_place(c, q);
}

/* `q->next` is none of its business. An emptied queue stays busy until its slice ends. */
void cfq_remove_sorted(struct cfq *c, struct cfq_queue *q, struct request *rq) {
    q->queued--;
    request_tree_remove(&q->sorted, rq);
    if (cfq_empty(q) || q != c->active)
        cfq_place(c, q);
}

/* Take a request out of its queue's tree and FIFO. */
void cfq_remove(struct cfq *c, struct request *rq) {
    struct cfq_queue *q = cfq_queue_of(rq);
    if (q->next == rq)
        q->next = cfq_follower(c, q, rq);
    TAILQ_REMOVE(&q->fifo, rq, link);
    cfq_remove_sorted(c, q, rq);
    c->queued--;
    cfq_stat_queued(c, rq, -1);
    if (rq->flags & RQ_PRIO)
        q->prio_pending--;
}
