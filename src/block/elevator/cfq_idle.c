/*
 * When CFQ lets the drive do nothing. A process that reads on and thinks less
 * than `slice_idle` between its requests is worth waiting for; so is the last
 * one of those that seek, and the last one of a group. What processes are like is learned from each
 * request's distance and from the time since the last one's completion.
 *
 *   nothing waited for -> waiting (q WAITING, timer pending): arm()
 *   waiting -> served again: the request arrives, cfq_insert() in cfq.c
 *   waiting -> next queue:   the timer fires: time_over()
 *
 * A jiffy is the least time: waits end with a tick of the clock.
 */
#include "block/elevator/cfq_int.h"

#define DEEP_REQUESTS 4
#define TAG_DEPTH     5 /* as many requests in the drive, and it queues */
#define TAG_SAMPLES   50

/* --- what a queue is like --- */

static void learn_think(struct cfq *c, struct cfq_queue *q, struct cfq_context *x) {
    int64_t now = cfq_now(c);
    if (cfq_is_sync(q)) {
        cfq_think_sample(&x->think, now, c->t.slice_idle);
        cfq_think_sample(&q->tree->think, now, c->t.slice_idle);
    }
    cfq_think_sample(&q->group->think, now, c->t.group_idle);
}

static bool window(const struct cfq *c, const struct cfq_queue *q, const struct cfq_context *x) {
    if (q->next && (q->next->flags & RQ_NOIDLE))
        return false;
    if (!x->owner || x->owner->exited || !c->t.slice_idle || (!cfq_has(q, CFQ_DEEP) && cfq_seeky(q)))
        return false;
    if (cfq_think_valid(&x->think))
        return !cfq_think_longer(&x->think, c->t.slice_idle);
    return cfq_has(q, CFQ_IDLE_WINDOW);
}

/* From a request that has just been put into `q`. */
void cfq_learn(struct cfq *c, struct cfq_queue *q, struct cfq_context *x, const struct request *rq) {
    learn_think(c, q, x);
    q->seeks = cfq_seek_sample(q->seeks, elevator_rotational(&c->base), q->last_end_sector, rq->sector, rq->sectors);
    if (cfq_is_sync(q) && q->class != CFQ_IDLE) {
        if (q->queued >= DEEP_REQUESTS)
            q->flags |= CFQ_DEEP;
        if (window(c, q, x))
            q->flags |= CFQ_IDLE_WINDOW;
        else
            q->flags &= ~CFQ_IDLE_WINDOW;
    }
    q->last_end_sector = request_end(rq);
}

/* --- to wait or not --- */

bool cfq_should_idle(const struct cfq *c, const struct cfq_queue *q) {
    if (!c->t.slice_idle || q->class == CFQ_IDLE)
        return false;
    if (cfq_has(q, CFQ_IDLE_WINDOW) && !cfq_fast_drive(c))
        return true;
    return q->tree->count == 1 && cfq_is_sync(q) && !cfq_think_longer(&q->tree->think, c->t.slice_idle);
}

bool cfq_group_thinks_long(const struct cfq *c, const struct cfq_group *g) {
    return cfq_think_longer(&g->think, c->t.group_idle);
}

/* Whether what is left of the slice is less than the process usually takes. */
static bool thinks_beyond(const struct cfq *c, const struct cfq_queue *q) {
    const struct cfq_context *x = c->active_context;
    return x && cfq_think_valid(&x->think) && q->slice_end - cfq_now(c) < (int64_t)x->think.mean;
}

void cfq_note_work(struct cfq *c) {
    const struct cfq_queue *q = c->active;
    if (c->idle_noted)
        elevator_note(&c->base, ELEVATOR_IDLE_END, q && q->context ? q->context->owner : NULL);
    c->idle_noted = false;
}

static void arm(struct cfq *c, struct cfq_queue *q) {
    const struct cfq_context *x = c->active_context;
    bool for_group = !cfq_should_idle(c, q);
    if (cfq_fast_drive(c) || (for_group && !c->t.group_idle))
        return;
    if (q->in_drive || !x || !x->owner || x->owner->exited || thinks_beyond(c, q))
        return;
    if (for_group && q->group->queues > 1)
        return;
    q->flags |= CFQ_WAITING;
    int64_t until = cfq_now(c) + (for_group ? c->t.group_idle : c->t.slice_idle);
    if (sim_event_pending(&c->idle_timer)) /* from before a request that didn't stop it */
        sim_cancel(c->base.sim, &c->idle_timer);
    sim_schedule(c->base.sim, &c->idle_timer, until * c->base.jiffy_ns);
    cfq_stat_idle(c, q->group, true);
    elevator_note(&c->base, ELEVATOR_IDLE_BEGIN, x->owner);
    c->idle_noted = true;
}

void cfq_wait_end(struct cfq *c, struct cfq_queue *q) {
    if (cfq_has(q, CFQ_WAITING))
        cfq_stat_idle(c, q->group, false);
    q->flags &= ~CFQ_WAITING;
    if (sim_event_pending(&c->idle_timer))
        sim_cancel(c->base.sim, &c->idle_timer);
    cfq_note_work(c);
}

static void time_over(struct sim_event *ev) {
    struct cfq *c = rb_entry(ev, struct cfq, idle_timer);
    struct cfq_queue *q = c->active;
    cfq_note_work(c);
    if (q && !cfq_has(q, CFQ_MUST_DISPATCH)) {
        bool used = cfq_slice_used(c, q);
        if (!used && !c->busy)
            return;
        if (used || cfq_empty(q)) {
            if (!used)
                q->flags &= ~CFQ_DEEP;
            cfq_expire(c, false);
        }
    }
    if (c->busy)
        elevator_kick(&c->base);
}

void cfq_idle_init(struct cfq *c) {
    sim_event_init(&c->idle_timer, time_over);
}

/* --- completions --- */

/* Whether the drive queues: the most it had while it could have had more. */
static void learn_depth(struct cfq *c) {
    const struct cfq_queue *q = c->active;
    if (c->in_drive > c->most_in_drive)
        c->most_in_drive = c->in_drive;
    if (c->hw_tag == 1)
        return;
    if (c->queued <= TAG_DEPTH && c->in_drive <= TAG_DEPTH)
        return;
    if (q && cfq_has(q, CFQ_IDLE_WINDOW) && q->in_drive + q->queued < TAG_DEPTH && c->in_drive < TAG_DEPTH)
        return; /* it was kept waiting for this one */
    if (c->tag_samples++ < TAG_SAMPLES)
        return;
    c->hw_tag = c->most_in_drive >= TAG_DEPTH;
}

/* The only queue of its group is empty: should the group keep its turn a little longer? */
static bool should_wait_busy(const struct cfq *c, const struct cfq_queue *q) {
    if (!cfq_empty(q) || q->group->queues > 1 || cfq_group_thinks_long(c, q->group))
        return false;
    return cfq_slice_used(c, q) || thinks_beyond(c, q) || q->slice_end - cfq_now(c) == 1;
}

static void completed_active(struct cfq *c, struct cfq_queue *q, bool sync) {
    bool empty = cfq_empty(q);
    if (cfq_has(q, CFQ_SLICE_NEW))
        cfq_slice_start(c, q);
    if (should_wait_busy(c, q)) {
        q->slice_end = cfq_now(c) + (c->t.slice_idle ? c->t.slice_idle : c->t.group_idle);
        q->flags |= CFQ_WAIT_BUSY;
    }
    if (cfq_slice_used(c, q) || q->class == CFQ_IDLE)
        cfq_expire(c, true);
    else if (sync && empty && !cfq_cooperator(c, q))
        arm(c, q);
}

void cfq_completed(struct elevator *e, struct request *rq) {
    struct cfq *c = cfq_of(e);
    struct cfq_queue *q = cfq_queue_of(rq);
    bool sync = request_sync(rq);
    int64_t now = cfq_now(c);
    learn_depth(c);
    c->in_drive--;
    q->in_drive--;
    q->group->dispatched--;
    c->in_flight[sync]--;
    cfq_stat_completed(c, rq);
    if (sync) {
        struct cfq_tree *t = q->tree ? q->tree : cfq_tree_at(q->group, q->class, cfq_type_of(q));
        cfq_context_of(rq)->think.last_end = t->think.last_end = now;
        if (rq->start_ns / c->base.jiffy_ns + c->t.fifo_expire_sync <= now)
            c->last_late_sync = now;
    }
    q->group->think.last_end = now;
    if (q == c->active)
        completed_active(c, q, sync);
    if (!c->in_drive && c->busy)
        elevator_kick(e);
}
