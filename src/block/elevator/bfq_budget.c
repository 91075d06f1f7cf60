/*
 * How much service a queue gets at once, and how it ends. Budgets grow with
 * queues that use them up in time and shrink with those that don't; the
 * most is what the drive serves at its best rate within `timeout_sync`. A queue that
 * was slow is charged as if it had used the drive well: sequential queues share
 * bandwidth, seeky ones time.
 *
 * The drive's rate is that of intervals of a second or more in which it was kept busy, in order for
 * the most part; what is counted as one may end with an idle or a very slow drive.
 */
#include "block/elevator/bfq_int.h"

/* --- the drive's rate --- */

static void rate_restart(struct bfq *b, const struct request *rq) {
    int64_t now = bfq_now(b);
    b->rate.samples = rq != NULL;
    b->rate.sequential = 0;
    b->rate.sectors = b->rate.largest = rq ? (uint32_t)rq->sectors : 0;
    b->rate.took = 0;
    if (rq)
        b->rate.first = b->rate.last = now;
}

static void rate_interval_ends(struct bfq *b, const struct request *rq) {
    int64_t took = b->rate.took;
    if (b->rate.samples >= BFQ_RATE_SAMPLES && took >= BFQ_RATE_LEAST_NS) {
        took = bfq_max(took, b->last_completion - b->rate.first);
        b->peak_rate = bfq_next_rate(b->peak_rate, b->rate.samples, b->rate.sequential, b->rate.sectors, took);
        if (!b->max_budget)
            b->device_budget = bfq_auto_budget(b->peak_rate, b->timeout_sync);
    }
    rate_restart(b, rq);
}

static void rate_sample(struct bfq *b, const struct request *rq, int64_t now) {
    bool rotational = elevator_rotational(&b->base);
    b->rate.samples++;
    if ((b->in_drive || now - b->last_completion < BFQ_MIN_THINK_NS) &&
        !bfq_is_seek(rotational, b->last_position, rq->sector, rq->sectors))
        b->rate.sequential++;
    b->rate.sectors += rq->sectors;
    if (b->rate.samples % 32 == 0 || rq->sectors > b->rate.largest)
        b->rate.largest = (uint32_t)rq->sectors;
    b->rate.took = now - b->rate.first;
}

/* Before `rq` is counted as in the drive. */
void bfq_rate_dispatched(struct bfq *b, struct bfq_queue *q, const struct request *rq) {
    int64_t now = bfq_now(b);
    if (!b->rate.samples) {
        rate_restart(b, rq);
    } else if (now - b->rate.last > 100 * BFQ_MS && !b->in_drive) {
        rate_interval_ends(b, rq);
    } else {
        rate_sample(b, rq, now);
        if (b->rate.took >= BFQ_RATE_INTERVAL_NS)
            rate_interval_ends(b, rq);
    }
    b->last_position = request_end(rq);
    if (q == b->serving)
        b->serving_position = b->last_position;
    b->rate.last = now;
}

/* A completion so late, for the largest requests there were, that the drive can't have been at its best. */
void bfq_rate_completed(struct bfq *b) {
    int64_t us = (bfq_now(b) - b->last_completion) / 1000;
    if (us > BFQ_MIN_THINK_NS / 1000 &&
        ((uint64_t)b->rate.largest << BFQ_RATE_SHIFT) / (uint64_t)us < 1u << (BFQ_RATE_SHIFT - 10))
        rate_interval_ends(b, NULL);
    b->last_completion = bfq_now(b);
}

/* --- service begins --- */

/* `max_budget` or `timeout_sync` was set. */
void bfq_budget_changed(struct elevator *e) {
    struct bfq *b = bfq_of(e);
    b->device_budget = b->max_budget ? b->max_budget : bfq_auto_budget(b->peak_rate, b->timeout_sync);
}

bool bfq_timed_out(const struct bfq *b, const struct bfq_queue *q) {
    return bfq_now(b) >= q->budget_end;
}

static bool soft_rt(const struct bfq_queue *q) {
    return bfq_raised(q) && q->raised.length == BFQ_SOFT_RT_NS;
}

/* `q` has been chosen. Its budget's time is longer if it is preferred as it starts. */
void bfq_serve(struct bfq *b, struct bfq_queue *q) {
    int64_t now = bfq_now(b);
    unsigned longer = soft_rt(q) ? 1 : q->entity.weight / bfq_weight_of_level(q->level);
    q->fifo_seen = false;
    b->serving = q;
    b->learned = bfq_learn(b->learned);
    if (soft_rt(q) && q->raised.start < now && q->budget_end < now) /* time without service doesn't count */
        q->raised.start = bfq_min(q->raised.start + now - bfq_max(q->budget_end, q->raised.start), now);
    b->served_since = now;
    b->serving_position = 0;
    q->budget_end = now + b->timeout_sync * (longer ? longer : 1);
    elevator_note(&b->base, ELEVATOR_SLICE_BEGIN, q->context ? q->context->owner : NULL);
}

/* --- service ends --- */

/* Whether it used the drive badly; `took` gets how long it is said to have had it. */
static bool was_slow(const struct bfq *b, const struct bfq_queue *q, bool idled, int64_t *took) {
    *took = (idled ? b->idle_since : bfq_now(b)) - b->served_since;
    if (!q->sync)
        return false;
    if (*took < BFQ_MS) { /* at least the time of a seek */
        *took = elevator_rotational(&b->base) ? b->slice_idle : BFQ_MIN_THINK_NS;
        return bfq_seeky(q);
    }
    if (*took > 20 * BFQ_MS)
        return q->entity.service < b->device_budget / 2;
    return bfq_seeky(q);
}

static void charge_time(struct bfq *b, struct bfq_queue *q, int64_t took) {
    struct bfq_entity *e = &q->entity;
    int64_t charge = bfq_charge_for_time(e->service, b->device_budget, took, BFQ_TIMEOUT_NS);
    e->budget = bfq_max(e->budget, charge);
    b->stat.charged += charge > e->service;
    q->backlog_service += (uint64_t)(charge - e->service);
    bfq_served(e, charge - e->service);
}

static void next_budget(struct bfq *b, struct bfq_queue *q, enum bfq_reason reason) {
    const struct bfq_had had = {
        .sync = q->sync, .raised = bfq_raised(q), .in_flight = q->in_drive > 0, .service = q->entity.service};
    if (had.sync && !had.raised && reason == BFQ_PREEMPTED)
        return; /* it goes on with what it has */
    q->max_budget =
        bfq_next_budget(&had, reason, q->max_budget, b->device_budget, bfq_least_budget(bfq_most_budget(b)));
    if (b->learned >= BFQ_LEARNED && !b->max_budget)
        q->max_budget = bfq_min(q->max_budget, b->device_budget);
    if (q->next)
        q->entity.budget = bfq_max(q->max_budget, bfq_charge(b, q, q->next));
}

/* Out of service: sorted in again, or idle. */
static void put_away(struct bfq *b, struct bfq_queue *q, enum bfq_reason reason) {
    if (q->shared && bfq_seeky(q))
        q->split = true;
    bool keeps = !bfq_empty(q) || (reason == BFQ_PREEMPTED && bfq_idling_protects(b, q));
    b->serving = NULL;
    if (keeps) {
        bfq_release(&q->entity, true);
        bfq_place(b, q);
    } else {
        bfq_make_idle(b, q);
    }
}

/* The queue in service is no more; `idled`: it was waited for, in vain. */
void bfq_expire(struct bfq *b, struct bfq_queue *q, bool idled, enum bfq_reason reason) {
    struct bfq_entity *e = &q->entity;
    int64_t took;
    bool slow = was_slow(b, q, idled, &took);
    b->stat.ended[reason]++;
    bfq_wait_end(b, q);
    bfq_inject_stop(b);
    if (!bfq_raised(q) && (slow || (reason == BFQ_TIMEOUT && bfq_budget_left(q) >= e->budget / 3)))
        charge_time(b, q, took);
    bfq_raise_expired(b, q);
    next_budget(b, q, reason);
    elevator_note(&b->base, ELEVATOR_SLICE_END, q->context ? q->context->owner : NULL);
    put_away(b, q, reason);
    if (!q->busy && reason != BFQ_TIMEOUT && reason != BFQ_EXHAUSTED)
        q->came_idle = true; /* if it comes back in time, it goes on with this budget */
    else
        e->service = 0;
}
