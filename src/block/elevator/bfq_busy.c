/*
 * Which queues want service, and whether those are all alike. Where they aren't
 * (weights differ, several classes or groups), a queue's share is only safe if
 * the drive waits for its next request.
 *
 *   not busy -> busy: bfq_make_busy(), by its first request
 *   busy -> not busy: bfq_make_idle(), found empty
 *   not pending -> pending: with busy; pending -> not: the last request is back and it isn't busy
 */
#include "block/elevator/bfq_int.h"

/* --- weights of pending queues --- */

static void uncount_weight(struct bfq *b, struct bfq_queue *q) {
    if (q->counts && !--b->level_count[q->counted_level])
        b->levels_pending &= ~(1u << q->counted_level);
    q->counts = false;
}

/* Queues whose weight is raised are looked at apart. */
void bfq_count_weight(struct bfq *b, struct bfq_queue *q) {
    bool counts = q->pending && !bfq_raised(q);
    if (counts == q->counts && (!counts || q->counted_level == q->level))
        return;
    uncount_weight(b, q);
    if (!counts)
        return;
    q->counts = true;
    q->counted_level = q->level;
    b->level_count[q->level]++;
    b->levels_pending |= 1u << q->level;
}

/* Pending queues have more than one weight, and not the least of them is q's (NULL: whose ever). */
static bool weights_differ(const struct bfq *b, const struct bfq_queue *q) {
    uint32_t levels = b->levels_pending;
    if (q && q->counts && !(levels >> q->counted_level >> 1))
        return false;
    return levels & (levels - 1);
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

/* Neither busy nor in the drive. As in Linux one field has two meanings for soft real-time queues. */
void bfq_nothing_left(struct bfq *b, struct bfq_queue *q) {
    q->empty_since = q->budget_end = bfq_now(b);
    bfq_not_pending(b, q);
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
        bfq_nothing_left(b, q);
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
