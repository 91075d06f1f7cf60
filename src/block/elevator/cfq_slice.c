/*
 * CFQ's slices. A queue that is made active owns the drive; its clock starts
 * with the first completion, so that the way to its data is not its loss. What
 * is left when it loses the drive before its time, or what it overran, moves
 * its key in the service tree.
 *
 *   waiting in a service tree -> active, slice new: cfq_activate_queue()
 *   active, slice new -> active, clock running:     cfq_slice_start()
 *   active -> waiting in a service tree (requests left) or not busy: cfq_expire()
 */
#include "block/elevator/cfq_int.h"

/* The slice of a queue's level, shortened if the queues of its class won't fit into the group's latency. */
int64_t cfq_scaled_slice(const struct cfq *c, struct cfq_queue *q) {
    int64_t slice = cfq_slice_of(cfq_is_sync(q) ? c->t.slice_sync : c->t.slice_async, q->level);
    if (!c->t.low_latency)
        return slice;
    struct cfq_group *g = q->group;
    enum cfq_class class = q->class == CFQ_RT ? CFQ_RT : CFQ_BE;
    g->mean_queues[class] = cfq_mean_queues(g->mean_queues[class], cfq_group_busy(g, class));
    return cfq_slice_for_latency(slice, c->t.slice_sync, cfq_group_slice(c, g), c->t.slice_idle, g->mean_queues[class]);
}

bool cfq_slice_used(const struct cfq *c, const struct cfq_queue *q) {
    return !cfq_has(q, CFQ_SLICE_NEW) && cfq_now(c) >= q->slice_end;
}

/* The time a slice is charged with, and what it took besides. */
int64_t cfq_slice_time(const struct cfq *c, const struct cfq_queue *q, int64_t *unaccounted) {
    int64_t now = cfq_now(c);
    if (q->slice_start == CFQ_NEVER || q->slice_start == now)
        return cfq_max(now - q->dispatch_start, 1); /* so that whoever only seeks pays for it */
    int64_t used = now - q->slice_start;
    *unaccounted = q->slice_start - q->dispatch_start;
    if (used > q->allocated) {
        *unaccounted += used - q->allocated;
        used = q->allocated;
    }
    return used;
}

void cfq_slice_start(struct cfq *c, struct cfq_queue *q) {
    q->allocated = cfq_scaled_slice(c, q);
    q->slice_start = cfq_now(c);
    q->slice_end = q->slice_start + q->allocated;
    q->flags &= ~CFQ_SLICE_NEW;
}

static const struct block_context *who(const struct cfq_queue *q) {
    return q->context ? q->context->owner : NULL;
}

void cfq_activate_queue(struct cfq *c, struct cfq_queue *q) {
    c->active = q;
    q->slice_start = CFQ_NEVER;
    q->dispatch_start = cfq_now(c);
    q->allocated = q->slice_end = 0;
    q->slice_dispatched = 0;
    cfq_wait_end(c, q);
    q->flags &= ~(CFQ_MUST_DISPATCH | CFQ_MUST_ALLOC | CFQ_FIFO_SEEN);
    q->flags |= CFQ_SLICE_NEW;
    cfq_stat_activated(c, q->group);
    elevator_note(&c->base, ELEVATOR_SLICE_BEGIN, who(q));
}

/* `timed_out`: it lost the drive by the clock or to another, rather than by having nothing to do. */
void cfq_expire(struct cfq *c, bool timed_out) {
    struct cfq_queue *q = c->active;
    if (!q)
        return;
    cfq_wait_end(c, q);
    q->flags &= ~CFQ_WAIT_BUSY;
    if (cfq_has(q, CFQ_SHARED) && cfq_seeky(q))
        q->flags |= CFQ_SPLIT;
    if (timed_out)
        q->left_over = cfq_has(q, CFQ_SLICE_NEW) ? cfq_scaled_slice(c, q) : q->slice_end - cfq_now(c);
    cfq_group_served(c, q->group, q);
    if (cfq_has(q, CFQ_BUSY) && cfq_empty(q))
        cfq_make_idle(c, q);
    cfq_resort(c, q);
    c->active = NULL;
    if (c->active_context)
        cfq_context_put(c->active_context);
    c->active_context = NULL;
    elevator_note(&c->base, ELEVATOR_SLICE_END, who(q));
}
