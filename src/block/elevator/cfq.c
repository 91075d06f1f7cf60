/*
 * CFQ, "completely fair queueing", as of Linux 4.4.155: time slices of the whole
 * drive for each process' sync requests, for shared queues of async ones, and
 * for cgroups; and waiting with an idle drive where the next request of the same
 * process is worth it.
 *
 * Source: behaviour of block/cfq-iosched.c of Linux 4.4.155, its documentation in
 * Documentation/block/cfq-iosched.txt and Documentation/cgroups/blkio-controller.txt.
 *
 * Faithful: groups by virtual time with weights and leaf weights; seven service
 * trees a group, keys, choice of class and kind of work; choice of the next request, FIFO once a slice (an expired
 * request goes out whatever the limits); slices, low_latency, charges and residuals; idling by queue, tree and
 * group, think times, seeks, deep queues; queues merged and split; preemption; detection of queueing drives,
 * counting requests instead of time; async ramp; may_queue; all tunables; the numbers of blkio. Times are counted in
 * jiffies of `hz`, idle waits end with a tick. With hz below 125 slice_idle starts at 0, as in Linux. Simplified: of
 * two queues equally close to the head the higher sector cooperates (Linux: whichever the shape of its tree offers),
 * and a queue's position is what it was sorted in with; a process whose queue could not be allocated gets an error, not
 * the shared fallback queue; leaving a group gives up planned merges (Linux keeps the reference). Not modelled: weights
 * of a group for one drive only (weight_device): a drive has its own tree of groups here;
 * reset_stats.
 *
 * Added: preempt_empty, for what older versions did. In Linux a request takes the place of a queue that has nothing
 * more queued and isn't waited for, and goes before all others, also while the drive works for that queue. So of
 * processes that seek with one request each, as many as the drive and its driver hold, and one more, are served by
 * turns, and the rest not at all while those go on (watched on Linux 4.4.155 with a drive of depth 1: three of any
 * number). Linux 2.6.34 had no such rule, which is preempt_empty=0.
 *
 * Units: see cfq_int.h. Invariants: cfq_check().
 */
#include "block/elevator/cfq_int.h"
#include "block/elevator/elevators.h"

#define PAGE_SECTORS 8 /* of 4 KiB: larger requests don't wait to be merged with */

/* --- requests coming in --- */

static void arrived(struct cfq *c, struct cfq_queue *q, const struct request *rq) {
    if (q != c->active) {
        if (cfq_preempts(c, q, rq)) {
            cfq_preempt(c, q);
            elevator_kick(&c->base);
        }
        return;
    }
    if (!cfq_has(q, CFQ_WAITING))
        return;
    if (rq->sectors > PAGE_SECTORS || c->busy > 1) {
        cfq_wait_end(c, q);
        elevator_kick(&c->base);
    } else {
        cfq_stat_idle(c, q->group, false);
        q->flags |= CFQ_MUST_DISPATCH; /* small and alone: perhaps more comes to be merged with it */
    }
}

static void cfq_insert(struct elevator *e, struct request *rq, enum elevator_place place) {
    struct cfq *c = cfq_of(e);
    struct cfq_queue *q = cfq_queue_of(rq);
    cfq_apply_prio(q, rq->context);
    rq->expiry = cfq_now(c) + (request_sync(rq) ? c->t.fifo_expire_sync : c->t.fifo_expire_async);
    TAILQ_INSERT_TAIL(&q->fifo, rq, link);
    cfq_add_sorted(c, q, rq);
    cfq_stat_queued(c, rq, 1);
    c->queued++;
    if (rq->flags & RQ_PRIO)
        q->prio_pending++;
    cfq_learn(c, q, cfq_context_of(rq), rq);
    arrived(c, q, rq);
}

/* The process that is waited for gets one request more than the pool has, once a slice. */
static enum elevator_may cfq_may_queue(struct elevator *e, struct block_context *owner, bool sync) {
    const struct cfq_context *x = owner->sched;
    struct cfq_queue *q = x ? x->queue[sync] : NULL;
    if (!q)
        return ELEVATOR_MAY;
    cfq_apply_prio(q, owner);
    if (!cfq_has(q, CFQ_WAITING) || cfq_has(q, CFQ_MUST_ALLOC))
        return ELEVATOR_MAY;
    q->flags |= CFQ_MUST_ALLOC;
    return ELEVATOR_MUST;
}

/* --- merging --- */

/* Only into the queue the io would go to itself, and none that is waited for into one that isn't. */
static bool cfq_allow_merge(struct elevator *e, const struct request *rq, const struct io *io,
                            struct block_context *owner) {
    bool sync = elevator_io_sync(io);
    const struct cfq_context *x = owner->sched;
    if (sync && !request_sync(rq))
        return false;
    return x && x->queue[sync] && x->queue[sync] == cfq_queue_of(rq);
}

static enum elevator_merge cfq_find_merge(struct elevator *e, const struct io *io, struct block_context *owner,
                                          struct request **rq) {
    const struct cfq_context *x = owner->sched;
    struct cfq_queue *q = x ? x->queue[elevator_io_sync(io)] : NULL;
    *rq = q ? request_tree_find(&q->sorted, elevator_io_end(io)) : NULL;
    return *rq ? ELEVATOR_FRONT_MERGE : ELEVATOR_NO_MERGE;
}

static void cfq_merged(struct elevator *e, struct request *rq, enum elevator_merge where) {
    struct cfq *c = cfq_of(e);
    struct cfq_queue *q = cfq_queue_of(rq);
    if (where != ELEVATOR_FRONT_MERGE)
        return;
    cfq_remove_sorted(c, q, rq);
    cfq_add_sorted(c, q, rq);
}

static void cfq_io_merged(struct elevator *e, struct request *rq, const struct io *io, struct block_context *owner) {
    cfq_stat_merged(cfq_queue_of(rq)->group, rq);
}

static void cfq_merge_requests(struct elevator *e, struct request *rq, struct request *next) {
    struct cfq *c = cfq_of(e);
    struct cfq_queue *q = cfq_queue_of(rq), *left = cfq_queue_of(next);
    if (q == left && (rq->flags & RQ_QUEUED)) {
        if (next->expiry < rq->expiry) {
            TAILQ_REMOVE(&q->fifo, rq, link);
            TAILQ_INSERT_BEFORE(next, rq, link);
            rq->expiry = next->expiry;
        }
        if (q->next == next)
            q->next = rq;
    }
    cfq_remove(c, next);
    cfq_stat_merged(q->group, next);
    if (cfq_has(left, CFQ_BUSY) && cfq_empty(left) && left != c->active)
        cfq_make_idle(c, left);
}

static struct request *cfq_former(struct elevator *e, struct request *rq) {
    return request_tree_prev(rq);
}

static struct request *cfq_latter(struct elevator *e, struct request *rq) {
    return request_tree_next(rq);
}

/* --- the drive --- */

static void cfq_taken(struct elevator *e, struct request *rq) {
    struct cfq *c = cfq_of(e);
    c->in_drive++;
    c->last_position = request_end(rq);
}

static bool cfq_has_work(const struct elevator *e) {
    return cfq_of_const(e)->queued > 0;
}

/* --- begin and end --- */

static int cfq_init(struct elevator *e, struct err *err) {
    struct cfq *c = cfq_of(e);
    LIST_INIT(&c->all_queues);
    LIST_INIT(&c->all_groups);
    LIST_INIT(&c->all_contexts);
    cfq_idle_init(c);
    c->class = CFQ_BE;
    c->hw_tag = -1;
    c->most_in_drive = 1;
    c->last_late_sync = cfq_now(c) - e->hz;
    return 0;
}

static void cfq_release(struct elevator *e) {
    struct cfq *c = cfq_of(e);
    if (sim_event_pending(&c->idle_timer))
        sim_cancel(e->sim, &c->idle_timer);
    cfq_free_all(c);
}

/* --- tunables --- */

static int64_t hz_part(const struct elevator *e, int64_t parts, int64_t of) {
    return e->hz * parts / of;
}
static int64_t def_expire_sync(const struct elevator *e) {
    return cfq_max(hz_part(e, 1, 8), 1);
}
static int64_t def_expire_async(const struct elevator *e) {
    return cfq_max(hz_part(e, 1, 4), 1);
}
static int64_t def_slice_sync(const struct elevator *e) {
    return cfq_max(hz_part(e, 1, 10), 1);
}
static int64_t def_slice_async(const struct elevator *e) {
    return cfq_max(hz_part(e, 1, 25), 1);
}
static int64_t def_slice_idle(const struct elevator *e) {
    return elevator_rotational(e) ? hz_part(e, 1, 125) : 0;
}
static int64_t def_group_idle(const struct elevator *e) {
    return hz_part(e, 1, 125);
}
static int64_t def_target(const struct elevator *e) {
    return cfq_max(hz_part(e, 3, 10), 1);
}

#define MOST      UINT32_MAX
#define AT(field) offsetof(struct cfq, t.field)

static const struct elevator_tunable tunables[] = {
    {"quantum", TUNABLE_INT, AT(quantum), 1, MOST, 8, .unit = "requests",
     .help = "requests of one queue in the drive at once; half of it when its slice is nearly used"},
    {"fifo_expire_sync", TUNABLE_JIFFIES, AT(fifo_expire_sync), 1, MOST, 125, .unit = "ms",
     .help = "age at which a sync request goes first, looked at once a slice", .def_for = def_expire_sync},
    {"fifo_expire_async", TUNABLE_JIFFIES, AT(fifo_expire_async), 1, MOST, 250, .unit = "ms",
     .help = "the same for async requests", .def_for = def_expire_async},
    {"back_seek_max", TUNABLE_INT, AT(back_seek_max), 0, MOST, 16384, .unit = "KiB",
     .help = "how far back a request may lie to compete with one ahead"},
    {"back_seek_penalty", TUNABLE_INT, AT(back_seek_penalty), 1, MOST, 2, .unit = "times",
     .help = "a way back counts as so many times the way ahead"},
    {"slice_sync", TUNABLE_JIFFIES, AT(slice_sync), 1, MOST, 100, .unit = "ms",
     .help = "slice of a sync queue of level 4; a fifth more or less for each level", .def_for = def_slice_sync},
    {"slice_async", TUNABLE_JIFFIES, AT(slice_async), 1, MOST, 40, .unit = "ms",
     .help = "slice of an async queue of level 4", .def_for = def_slice_async},
    {"slice_async_rq", TUNABLE_INT, AT(slice_async_rq), 1, MOST, 2, .unit = "requests",
     .help = "an async queue has at most 2 x this x (8 - level) requests in a slice while others wait"},
    {"slice_idle", TUNABLE_JIFFIES, AT(slice_idle), 0, MOST, 8, .unit = "ms",
     .help = "how long to wait for a process' next request; 0: not at all (the default without an arm)",
     .def_for = def_slice_idle},
    {"group_idle", TUNABLE_JIFFIES, AT(group_idle), 0, MOST, 8, .unit = "ms",
     .help = "how long to wait for a cgroup's next request", .def_for = def_group_idle},
    {"low_latency", TUNABLE_BOOL, AT(low_latency), 0, 1, 1,
     .help = "shorten slices so that all queues have theirs within target_latency"},
    {"target_latency", TUNABLE_JIFFIES, AT(target_latency), 1, MOST, 300, .unit = "ms",
     .help = "the time in which all groups are to be served", .def_for = def_target},
    {"preempt_empty", TUNABLE_BOOL, AT(preempt_empty), 0, 1, 1,
     .help = "a request takes the place of a queue that is empty and not waited for; 0: no, as in 2.6.34 (not a file "
             "of Linux's)"},
    {NULL},
};

const struct elevator_ops elevator_cfq = {
    .name = "cfq",
    .summary = "fair time slices for processes and cgroups, with idling (Linux 4.4)",
    .size = sizeof(struct cfq),
    .tunables = tunables,
    .init = cfq_init,
    .release = cfq_release,
    .insert = cfq_insert,
    .dispatch = cfq_dispatch,
    .allow_merge = cfq_allow_merge,
    .find_merge = cfq_find_merge,
    .merged = cfq_merged,
    .io_merged = cfq_io_merged,
    .merge_requests = cfq_merge_requests,
    .former = cfq_former,
    .latter = cfq_latter,
    .activate = cfq_taken,
    .completed = cfq_completed,
    .set_request = cfq_set_request,
    .put_request = cfq_put_request,
    .may_queue = cfq_may_queue,
    .context_exit = cfq_context_exit,
    .group_exit = cfq_group_exit,
    .has_work = cfq_has_work,
    .stats = cfq_stats_json,
    .check = cfq_check,
};
