/*
 * Low latency: queues whose weight is raised for a while.
 *
 *   not raised -> interactive: idle for two seconds, or new: an application starts, or answers to somebody
 *   not raised, interactive -> soft real-time: comes back no sooner than a
 *              player would that uses up what it reads at a moderate rate
 *   soft real-time -> interactive: its time is over, that of the interactive one isn't
 *   any -> not raised: time over, too much served, seeks only, part of a burst
 *
 * None of this for queues that come in large bursts: those are services and
 * builds, whose throughput counts; nor for those with a priority of their own.
 */
#include "block/elevator/bfq_int.h"

#define LEAST_IDLE_NS   (2000 * BFQ_MS) /* to count as interactive */
#define ASYNC_PAUSE_NS  (500 * BFQ_MS)
#define BURST_PAUSE_NS  (180 * BFQ_MS)
#define BURST_FORGET_NS (10000 * BFQ_MS)
#define JUST_SPLIT_NS   (10 * BFQ_MS)

static int64_t interactive_ns(const struct bfq *b) {
    return bfq_interactive_ns(elevator_rotational(&b->base), b->peak_rate);
}

/* --- the factor --- */

/* The weight follows when the queue is sorted in again. */
void bfq_raise_set(struct bfq *b, struct bfq_queue *q, uint32_t factor) {
    if (q->busy)
        b->raised_busy += (uint32_t)(factor > 1) - (uint32_t)bfq_raised(q);
    q->raised.factor = factor;
    bfq_weigh(q);
    bfq_count_weight(b, q);
}

void bfq_raise_end(struct bfq *b, struct bfq_queue *q) {
    bfq_raise_set(b, q, 1);
    q->raised.length = 0;
    q->raised.start = bfq_now(b);
}

static void begin_interactive(struct bfq *b, struct bfq_queue *q) {
    q->raised.length = interactive_ns(b);
    bfq_raise_set(b, q, BFQ_INTERACTIVE_FACTOR);
}

static void begin_soft_rt(struct bfq *b, struct bfq_queue *q) {
    b->stat.soft_rt++;
    q->raised.length = BFQ_SOFT_RT_NS;
    bfq_raise_set(b, q, BFQ_SOFT_RT_FACTOR);
}

static void soft_rt_over(struct bfq *b, struct bfq_queue *q) {
    if (bfq_now(b) > q->raised.interactive_start + interactive_ns(b)) {
        bfq_raise_end(b, q);
        return;
    }
    q->raised.start = q->raised.interactive_start;
    begin_interactive(b, q);
}

/* --- an idle queue gets a request --- */

struct deserves {
    bool interactive, soft_rt, any;
};

static bool idle_for_long(const struct bfq *b, const struct bfq_queue *q) {
    return !q->in_drive && bfq_now(b) > q->empty_since + LEAST_IDLE_NS;
}

static struct deserves deserves(const struct bfq *b, const struct bfq_queue *q, const struct bfq_context *x) {
    bool usual = q->level == IOPRIO_NORM && q->class != BFQ_IDLE && !q->large_burst;
    struct deserves d = {
        .interactive = usual && idle_for_long(b, q),
        .soft_rt = usual && q->seeks != UINT32_MAX && bfq_now(b) > q->soft_rt_next && !q->in_drive,
    };
    bool may = q->sync && (q->context || x->stays);
    d.any = b->low_latency && (bfq_raised(q) || (may && (d.interactive || d.soft_rt)));
    return d;
}

static void raise(struct bfq *b, struct bfq_queue *q, bool interactive) {
    if (interactive) {
        q->raised_service = 0;
        begin_interactive(b, q);
        b->stat.interactive++;
    } else {
        q->raised.interactive_start = BFQ_NEVER;
        begin_soft_rt(b, q);
    }
    q->entity.budget = bfq_min(q->entity.budget, 2 * bfq_least_budget(bfq_most_budget(b)));
    if (q->next)
        q->entity.budget = bfq_max(q->entity.budget, (int64_t)q->next->sectors);
}

static void change(struct bfq *b, struct bfq_queue *q, const struct deserves *d) {
    if (d->interactive) {
        begin_interactive(b, q);
    } else if (q->large_burst) {
        bfq_raise_set(b, q, 1);
    } else if (d->soft_rt) {
        if (q->raised.length != BFQ_SOFT_RT_NS) {
            q->raised.interactive_start = q->raised.start;
            begin_soft_rt(b, q);
        }
        q->raised.start = bfq_now(b);
    }
}

/* Before `q` is made busy. */
bool bfq_raise_arrival(struct bfq *b, struct bfq_queue *q, const struct bfq_context *x) {
    struct deserves d = deserves(b, q, x);
    if (!q->new &&idle_for_long(b, q) && bfq_now(b) > q->empty_since + BURST_FORGET_NS) {
        bfq_burst_leave(q);
        q->large_burst = false;
    }
    q->new = false;
    if (b->low_latency && bfq_now(b) > q->split_at + LEAST_IDLE_NS) {
        if (!bfq_raised(q) && d.any)
            raise(b, q, d.interactive);
        else if (bfq_raised(q))
            change(b, q, &d);
    }
    return d.interactive;
}

/* After an arrival. For queues that aren't raised `start` is when their last request came. */
void bfq_raise_idle_busy(struct bfq *b, struct bfq_queue *q, uint32_t before, bool interactive, bool activated,
                         bool sync) {
    if (!b->low_latency)
        return;
    if (!activated && before == 1 && !sync && bfq_now(b) > q->raised.start + ASYNC_PAUSE_NS)
        begin_interactive(b, q);
    if (before == 1 || !bfq_raised(q) || interactive)
        q->raised.start = bfq_now(b);
}

/* --- later --- */

/* A request of `q`, in service, goes to the drive. */
void bfq_raise_served(struct bfq *b, struct bfq_queue *q) {
    struct bfq_raised *r = &q->raised;
    if (bfq_raised(q) && q->large_burst)
        bfq_raise_end(b, q);
    else if (bfq_raised(q) && bfq_now(b) > r->start + r->length && r->length == BFQ_SOFT_RT_NS)
        soft_rt_over(b, q);
    else if (bfq_raised(q) && bfq_now(b) > r->start + r->length)
        bfq_raise_end(b, q);
    if (bfq_raised(q) && r->length != BFQ_SOFT_RT_NS && q->raised_service > BFQ_INTERACTIVE_MOST)
        bfq_raise_end(b, q);
    if ((q->entity.weight > bfq_weight_of_level(q->level)) != bfq_raised(q))
        bfq_reweigh(&q->entity);
}

void bfq_raise_seeked(struct bfq *b, struct bfq_queue *q) {
    if (bfq_raised(q) && q->raised.length == BFQ_SOFT_RT_NS && q->seeks == UINT32_MAX)
        soft_rt_over(b, q);
}

static void set_soft_rt_next(struct bfq *b, struct bfq_queue *q) {
    q->soft_rt_next =
        bfq_soft_rt_next(q->soft_rt_next, q->backlog_start, q->backlog_service, bfq_now(b), b->slice_idle);
}

/* Its service ends. */
void bfq_raise_expired(struct bfq *b, struct bfq_queue *q) {
    if (!b->low_latency)
        return;
    if (!bfq_raised(q))
        q->raised.start = bfq_now(b);
    if (!bfq_empty(q))
        return;
    if (q->in_drive)
        q->soft_rt_update = true;
    else
        set_soft_rt_next(b, q);
}

void bfq_raise_completed(struct bfq *b, struct bfq_queue *q) {
    if (q->soft_rt_update && !q->in_drive && bfq_empty(q) && q->raised.factor != BFQ_INTERACTIVE_FACTOR)
        set_soft_rt_next(b, q);
}

/* For when its process has a queue of its own again. One that is merged before its first request would have been raised
 * by it. */
void bfq_raise_save(struct bfq *b, const struct bfq_queue *q) {
    struct bfq_context *x = q->context;
    x->shares = true;
    x->saved_burst = q->large_burst;
    x->saved = q->raised;
    if (q->new && !q->large_burst && b->low_latency)
        x->saved = (struct bfq_raised){.factor = BFQ_INTERACTIVE_FACTOR,
                                       .start = bfq_now(b),
                                       .length = interactive_ns(b),
                                       .interactive_start = BFQ_NEVER};
}

/* A process has a queue of its own again. */
void bfq_raise_resume(struct bfq *b, struct bfq_queue *q) {
    struct bfq_context *x = q->context;
    q->split_at = bfq_now(b);
    q->large_burst = x->saved_burst;
    x->shares = false;
    if (x->saved.factor > 1 && b->low_latency && bfq_now(b) <= x->saved.start + x->saved.length) {
        uint32_t now = q->raised.factor; /* what it is counted with */
        q->raised = x->saved;
        q->raised.factor = now;
        bfq_raise_set(b, q, x->saved.factor);
    }
}

void bfq_low_latency_changed(struct elevator *e) {
    struct bfq *b = bfq_of(e);
    struct bfq_queue *q;
    if (b->low_latency)
        return;
    LIST_FOREACH(q, &b->all_queues, all)
    if (bfq_raised(q))
        bfq_raise_end(b, q);
}

/* --- bursts --- */

void bfq_burst_leave(struct bfq_queue *q) {
    if (q->in_burst)
        LIST_REMOVE(q, burst_link);
    q->in_burst = false;
}

static void burst_join(struct bfq *b, struct bfq_queue *q) {
    LIST_INSERT_HEAD(&b->burst, q, burst_link);
    q->in_burst = true;
}

static void burst_empty(struct bfq *b) {
    while (!LIST_EMPTY(&b->burst))
        bfq_burst_leave(LIST_FIRST(&b->burst));
}

/* Nobody is part of one that begins while others are busy: it isn't an application that starts. */
static void burst_begins(struct bfq *b, struct bfq_queue *q) {
    b->large_burst = false;
    burst_empty(b);
    b->burst_group = q->group;
    b->burst_size = !bfq_busy_queues(b);
    if (b->burst_size)
        burst_join(b, q);
}

static void burst_is_large(struct bfq *b, struct bfq_queue *last) {
    struct bfq_queue *q;
    b->large_burst = last->large_burst = true;
    b->stat.bursts++;
    LIST_FOREACH(q, &b->burst, burst_link)
    q->large_burst = true;
    burst_empty(b);
}

/* A new queue: does it belong to many that come at once? */
void bfq_burst(struct bfq *b, struct bfq_queue *q) {
    int64_t now = bfq_now(b);
    if (q->in_burst || q->large_burst || now <= q->split_at + JUST_SPLIT_NS)
        return;
    if (now > b->burst_last + BURST_PAUSE_NS || q->group != b->burst_group) {
        burst_begins(b, q);
    } else if (b->large_burst) {
        q->large_burst = true;
    } else if (++b->burst_size == BFQ_BURST_SIZE) {
        burst_is_large(b, q);
    } else {
        burst_join(b, q);
    }
    b->burst_last = now;
}
