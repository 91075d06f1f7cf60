/*
 * Queues whose processes read next to each other, and queues that don't wait
 * their turn. Instead of waiting for the active queue's next request, another
 * one's that is close to the head may as well be served; the two are merged
 * then, for such processes (several that read one file together) belong together.
 */
#include "block/elevator/cfq_int.h"

/* A queue to be served in place of `q`, which is empty, or NULL. */
struct cfq_queue *cfq_cooperator(struct cfq *c, struct cfq_queue *q) {
    if (q->class == CFQ_IDLE || !cfq_is_sync(q) || cfq_seeky(q) || q->group->queues == 1)
        return NULL;
    struct cfq_queue *other = cfq_nearest(c, q->level, c->last_position);
    if (!other || other->group != q->group || !cfq_is_sync(other) || cfq_seeky(other))
        return NULL;
    return (other->class == CFQ_RT) == (q->class == CFQ_RT) ? other : NULL;
}

/* Whether `rq`, just put into `q`, may take the drive from the active queue. The order of the questions matters. */
bool cfq_preempts(struct cfq *c, struct cfq_queue *q, const struct request *rq) {
    const struct cfq_queue *active = c->active;
    if (!active || q->class == CFQ_IDLE)
        return false;
    if (active->class == CFQ_IDLE)
        return true;
    if (active->class == CFQ_RT && q->class != CFQ_RT)
        return false;
    if (request_sync(rq) && !cfq_is_sync(active) && !cfq_has(active, CFQ_MUST_DISPATCH))
        return true;
    if (q->group != active->group)
        return false;
    if (cfq_slice_used(c, active))
        return true;
    /* both seek: no reason to wait for the one rather than to serve the other */
    if (cfq_type_of(q) == CFQ_SYNC_NOIDLE && c->type == CFQ_SYNC_NOIDLE && q->tree->count == 2 && cfq_empty(active))
        return true;
    if ((rq->flags & RQ_PRIO) && !active->prio_pending)
        return true;
    if (q->class == CFQ_RT && active->class != CFQ_RT)
        return true;
    /* It isn't waited for; that the drive still works for it doesn't matter: see preempt_empty in cfq.c. */
    if (c->t.preempt_empty && cfq_empty(active) && !cfq_should_idle(c, active))
        return true;
    if (!c->active_context || !cfq_has(active, CFQ_WAITING))
        return false;
    return cfq_close(c, rq);
}

/* The active queue keeps what is left of its slice for later; `q` is next. */
void cfq_preempt(struct cfq *c, struct cfq_queue *q) {
    enum cfq_type before = cfq_type_of(c->active);
    cfq_expire(c, true);
    if (before != cfq_type_of(q))
        q->group->saved.left = 0;
    cfq_put_in_front(c, q);
    q->slice_end = 0;
    q->flags |= CFQ_SLICE_NEW;
}
