/*
 * Which queues want service, and whether those are all alike. Where they aren't
 * (weights differ, several classes or groups), a queue's share is only safe if
 * the drive waits for its next request.
 *
 *   not busy -> busy: bfq_make_busy(), by its first request
 *   busy -> not busy: bfq_make_idle(), found empty
 *   not pending -> pending: with busy; pending -> not: the last request is back and it isn't busy
 *
 * Simplified: pending queues themselves are sorted by weight, instead of a
 * counter for each weight.
 */
#include "block/elevator/bfq_int.h"

/* --- weights of pending queues --- */

static struct bfq_queue *queue_at(struct rb_node *n) {
    return rb_entry(n, struct bfq_queue, weight_node);
}

static void uncount_weight(struct bfq *b, struct bfq_queue *q) {
    if (rb_linked(&q->weight_node))
        rb_erase(&b->weights, &q->weight_node);
}

/* Queues whose weight is raised are looked at apart. */
void bfq_count_weight(struct bfq *b, struct bfq_queue *q) {
    bool counts = q->pending && !bfq_raised(q);
    uint32_t weight = q->entity.new_weight;
    if (counts && rb_linked(&q->weight_node) && q->counted_weight == weight)
        return;
    uncount_weight(b, q);
    if (!counts)
        return;
    q->counted_weight = weight;
    struct rb_place at = rb_root_place(&b->weights);
    while (rb_place_node(&at))
        rb_descend(&at, weight >= queue_at(rb_place_node(&at))->counted_weight);
    rb_insert(&b->weights, &q->weight_node, &at);
}

/* Pending queues have more than one weight, and not the least of them is q's (NULL: whose ever). */
static bool weights_differ(const struct bfq *b, const struct bfq_queue *q) {
    struct rb_node *first = rb_first(&b->weights);
    if (!first)
        return false;
    uint32_t least = queue_at(first)->counted_weight;
    if (q && rb_linked(&q->weight_node) && q->counted_weight == least)
        return false;
    return queue_at(rb_last(&b->weights))->counted_weight != least;
}

bool bfq_asymmetric(const struct bfq *b, const struct bfq_queue *q) {
    unsigned classes = !!b->busy_count[BFQ_RT] + !!b->busy_count[BFQ_BE] + !!b->busy_count[BFQ_IDLE];
    return classes > 1 || b->pending_groups > 1 || weights_differ(b, q);
}

/* What a request counts as: async writes cost others more than their sectors. */
int64_t bfq_charge(const struct bfq *b, const struct bfq_queue *q, const struct request *rq) {
    if (q->sync || bfq_raised(q) || bfq_asymmetric(b, q))
        return (int64_t)rq->sectors;
    return (int64_t)rq->sectors * BFQ_ASYNC_FACTOR;
}

/* --- busy, pending --- */

static void make_pending(struct bfq *b, struct bfq_queue *q) {
    if (!q->pending && !q->group->pending++)
        b->pending_groups++;
    q->pending = true;
    bfq_count_weight(b, q);
}

void bfq_not_pending(struct bfq *b, struct bfq_queue *q) {
    if (!q->pending)
        return;
    q->pending = false;
    bfq_count_weight(b, q);
    if (!--q->group->pending)
        b->pending_groups--;
}

void bfq_make_busy(struct bfq *b, struct bfq_queue *q, bool in_time) {
    bfq_activate(&q->entity, in_time);
    q->came_idle = false;
    q->busy = true;
    TAILQ_INSERT_HEAD(&b->busy, q, busy_link);
    q->busy_class = q->entity.class;
    b->busy_count[q->busy_class]++;
    b->raised_busy += bfq_raised(q);
    make_pending(b, q);
}

static void no_more_busy(struct bfq *b, struct bfq_queue *q) {
    q->busy = false;
    TAILQ_REMOVE(&b->busy, q, busy_link);
    b->busy_count[q->busy_class]--;
    b->raised_busy -= bfq_raised(q);
    if (!q->in_drive) {
        q->empty_since = bfq_now(b);
        bfq_not_pending(b, q);
    }
    bfq_place(b, q);
}

/* An empty queue, active or (about to be released) in service, wants nothing. */
void bfq_make_idle(struct bfq *b, struct bfq_queue *q) {
    if (q->entity.place == BFQ_SERVING)
        bfq_release(&q->entity, false);
    else
        bfq_deactivate(&q->entity);
    no_more_busy(b, q);
}
