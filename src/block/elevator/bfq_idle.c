/*
 * When BFQ lets the drive do nothing, or only what others are let in with
 * (bfq_inject.c). It waits for the next request of the queue in service where that
 * gains throughput: the next one is close and soon there; and where another
 * queue's would take away what this one's weight promises it.
 *
 *   not waiting -> waiting (timer pending): arm(), its last request is back
 *   waiting -> served again: a request arrives, bfq_arrived()
 *   waiting -> expired: time_over()
 */
#include "block/elevator/bfq_int.h"

#define RAISED_IDLE_NS   (20 * BFQ_MS)
#define INTENSITY_NS     (200 * BFQ_MS)
#define INJECT_PAUSE_NS  (100 * BFQ_MS)
#define JUST_SPLIT_NS    (2000 * BFQ_MS)
#define QUEUEING_DEPTH   3 /* more requests in the drive, and it queues */
#define QUEUEING_SAMPLES 32

/* --- what a queue is like --- */

static void learn_short_think(struct bfq *b, struct bfq_queue *q, const struct bfq_context *x) {
    if (!q->sync || q->class == BFQ_IDLE || !b->slice_idle || bfq_now(b) <= q->split_at + JUST_SPLIT_NS)
        return;
    bool now_short = x->owner && !x->owner->exited && !bfq_thinks_long(&q->think, b->slice_idle);
    bool changes = now_short != q->short_think;
    q->short_think = now_short;
    if (changes && !q->base_ns && (!now_short || bfq_now(b) >= q->inject_changed + INJECT_PAUSE_NS))
        bfq_inject_reset(b, q);
}

/* Before an arrival is put into `q`: how long it was without any request. */
void bfq_learn_think(struct bfq *b, struct bfq_queue *q, const struct bfq_context *x) {
    if (!q->in_drive && !q->busy)
        bfq_think_sample(&q->think, bfq_now(b), b->slice_idle);
    learn_short_think(b, q, x);
}

void bfq_learn_seek(struct bfq *b, struct bfq_queue *q, const struct request *rq) {
    q->seeks = q->seeks << 1 | bfq_is_seek(elevator_rotational(&b->base), q->last_end_sector, rq->sector, rq->sectors);
    q->last_end_sector = request_end(rq);
    bfq_raise_seeked(b, q);
}

/* I/O bound: has requests four fifths of the time, looked at over 200 ms at most. */
void bfq_learn_intensity(struct bfq *b, struct bfq_queue *q) {
    int64_t now = bfq_now(b), all = now - q->io_start;
    if (bfq_empty(q) && !q->in_drive)
        q->idle_total += now - q->think.last_end;
    if (q->new)
        return;
    q->io_bound = 5 * q->idle_total <= all;
    if (all > INTENSITY_NS) {
        q->io_start = now - all / 2;
        q->idle_total /= 2;
    }
}

/* Whether the drive queues: the most it had while it could have had more. */
static void learn_depth(struct bfq *b) {
    const struct bfq_queue *q = b->serving;
    if (b->in_drive > b->most_in_drive)
        b->most_in_drive = b->in_drive;
    if (b->hw_tag == 1 || b->in_drive + b->queued <= QUEUEING_DEPTH)
        return;
    if (q && q->short_think && q->in_drive + q->queued < QUEUEING_DEPTH && b->in_drive < QUEUEING_DEPTH)
        return; /* it was kept waiting for this one */
    if (b->tag_samples++ < QUEUEING_SAMPLES)
        return;
    b->hw_tag = b->most_in_drive > QUEUEING_DEPTH;
    b->most_in_drive = b->tag_samples = 0;
}

/* --- to wait or not --- */

/* Waiting gains throughput, and takes nothing from a queue that is preferred. */
bool bfq_idling_boosts(const struct bfq *b, const struct bfq_queue *q) {
    bool rotational = elevator_rotational(&b->base);
    if (!q->processes || b->raised_busy)
        return false;
    if (rotational && !b->hw_tag)
        return true;
    return (rotational || !b->hw_tag) && !bfq_seeky(q) && q->io_bound && q->short_think;
}

/* Waiting keeps for the queue what it is to have. */
bool bfq_idling_protects(const struct bfq *b, const struct bfq_queue *q) {
    uint32_t busy = bfq_busy_queues(b);
    if (!q->processes)
        return false;
    if (bfq_raised(q) && (b->raised_busy < busy || b->in_drive >= q->in_drive + 4))
        return true;
    return busy == 1 || bfq_asymmetric(b, q);
}

bool bfq_better_to_idle(const struct bfq *b, const struct bfq_queue *q) {
    if (b->strict_guarantees)
        return true;
    if (!b->slice_idle || !q->sync || q->class == BFQ_IDLE)
        return false;
    return bfq_idling_boosts(b, q) || bfq_idling_protects(b, q);
}

/* Its time is over; one that is waited for may go on until a third of its budget is left. */
bool bfq_may_time_out(const struct bfq *b, const struct bfq_queue *q) {
    return bfq_timed_out(b, q) && (!q->waiting || bfq_budget_left(q) >= q->entity.budget / 3);
}

/* --- waiting --- */

static void arm(struct bfq *b, struct bfq_queue *q) {
    int64_t wait = b->slice_idle;
    if (bfq_seeky(q) && !bfq_raised(q) && !bfq_asymmetric(b, q))
        wait = bfq_min(wait, BFQ_MIN_THINK_NS);
    else if (bfq_raised(q))
        wait = bfq_max(wait, RAISED_IDLE_NS);
    q->waiting = true;
    b->idle_since = bfq_now(b);
    b->stat.idles++;
    if (sim_event_pending(&b->idle_timer))
        sim_cancel(b->base.sim, &b->idle_timer);
    sim_schedule(b->base.sim, &b->idle_timer, bfq_now(b) + wait);
    elevator_note(&b->base, ELEVATOR_IDLE_BEGIN, q->context ? q->context->owner : NULL);
}

/* Nobody waits for `q`, which is in service, any more. */
void bfq_wait_end(struct bfq *b, struct bfq_queue *q) {
    if (!q->waiting)
        return;
    q->waiting = false;
    if (sim_event_pending(&b->idle_timer))
        sim_cancel(b->base.sim, &b->idle_timer);
    elevator_note(&b->base, ELEVATOR_IDLE_END, q->context ? q->context->owner : NULL);
}

static void time_over(struct sim_event *ev) {
    struct bfq *b = rb_entry(ev, struct bfq, idle_timer);
    struct bfq_queue *q = b->serving;
    if (q && q->waiting) {
        bfq_wait_end(b, q);
        if (bfq_timed_out(b, q))
            bfq_expire(b, q, true, BFQ_TIMEOUT);
        else if (!q->queued)
            bfq_expire(b, q, true, BFQ_TOO_IDLE);
    }
    elevator_kick(&b->base);
}

void bfq_idle_init(struct bfq *b) {
    sim_event_init(&b->idle_timer, time_over);
}

/* --- completions --- */

static void completed_serving(struct bfq *b, struct bfq_queue *q) {
    if (bfq_empty(q) && bfq_better_to_idle(b, q)) {
        if (!q->in_drive)
            arm(b, q);
    } else if (bfq_may_time_out(b, q)) {
        bfq_expire(b, q, false, BFQ_TIMEOUT);
    } else if (bfq_empty(q) && (!q->in_drive || !bfq_better_to_idle(b, q))) {
        bfq_expire(b, q, false, BFQ_NO_MORE);
    }
}

void bfq_completed(struct elevator *e, struct request *rq) {
    struct bfq *b = bfq_of(e);
    struct bfq_queue *q = bfq_queue_of(rq);
    bfq_inject_completed(b, q, rq);
    learn_depth(b);
    b->in_drive--;
    q->in_drive--;
    if (!q->in_drive && !q->busy)
        bfq_nothing_left(b, q);
    q->think.last_end = bfq_now(b);
    bfq_rate_completed(b);
    b->last_completed = q->shared ? NULL : q;
    bfq_raise_completed(b, q);
    if (q == b->serving)
        completed_serving(b, q);
}
