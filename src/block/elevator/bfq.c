/*
 * BFQ, "budget fair queueing", of Linux 6.8: each process' sync requests, and
 * shared queues of async ones, get the drive for budgets of sectors, in the
 * order of B-WF2Q+, by weights of priorities and cgroups; what seems to be
 * an application that starts, or a player, is preferred.
 *
 * Source: behaviour of Linux 6.8 block/bfq-iosched.c, bfq-wf2q.c;
 * Documentation/block/bfq-iosched.rst.
 *
 * Faithful: B-WF2Q+ with cgroups; budget feedback, peak rate, charges for time;
 * reasons for waiting, think times, seeks, detection of queueing drives; injection with
 * its limit, wakers; interactive and soft real-time raising, large bursts;
 * preemption; choice of the next request and FIFO once a service; limits
 * of tags; merging of close queues and their parting; the tunables.
 * Simplified: times are in ns, where Linux counts most in jiffies; shares of tags are of all
 * requests, not of each word of a bitmap, and who has none may always have one; see also bfq_wf2q.c, bfq_busy.c,
 * bfq_queue.c, bfq_inject.c. Not modelled: several actuators; a drive that asks for requests again (requeues); weights
 * of a cgroup for one drive only. Of our own: the tunable stable_merge.
 *
 * Units: see bfq_int.h. Invariants: bfq_check().
 */
#include "block/elevator/bfq_int.h"
#include "block/elevator/elevators.h"

/* --- requests coming in --- */

static void bfq_insert(struct elevator *e, struct request *rq, enum elevator_place place) {
    struct bfq *b = bfq_of(e);
    struct bfq_queue *q = bfq_queue_of(rq);
    struct bfq_context *x = bfq_context_of(rq);
    if (q->sync && x->queue[1] == q && bfq_cooperate(b, x, q, rq->sector)) {
        struct bfq_queue *to = q->merge_to;
        to->refs++;
        bfq_follow_merge(b, x, q);
        bfq_move_request(b, rq, to);
        bfq_queue_put(b, to);
        q = to;
    }
    rq->expiry = bfq_now(b) + (request_sync(rq) ? b->fifo_expire_sync : b->fifo_expire_async);
    bfq_arrived(b, q, rq);
}

/* --- merging --- */

/* Only into the queue the io would go to itself, and none that is waited for into one that isn't. */
static bool bfq_allow_merge(struct elevator *e, const struct request *rq, const struct io *io,
                            struct block_context *owner) {
    bool sync = elevator_io_sync(io);
    const struct bfq_context *x = owner->sched;
    if (sync && !request_sync(rq))
        return false;
    return x && x->queue[sync] && x->queue[sync] == bfq_queue_of(rq);
}

static enum elevator_merge bfq_find_merge(struct elevator *e, const struct io *io, struct block_context *owner,
                                          struct request **rq) {
    const struct bfq_context *x = owner->sched;
    struct bfq_queue *q = x ? x->queue[elevator_io_sync(io)] : NULL;
    *rq = q ? request_tree_find(&q->sorted, elevator_io_end(io)) : NULL;
    return *rq ? ELEVATOR_FRONT_MERGE : ELEVATOR_NO_MERGE;
}

static void bfq_merged(struct elevator *e, struct request *rq, enum elevator_merge where) {
    struct bfq *b = bfq_of(e);
    struct bfq_queue *q = bfq_queue_of(rq);
    if (where == ELEVATOR_FRONT_MERGE)
        bfq_resort(b, rq);
    else if (q->next == rq)
        bfq_next_changed(b, q);
}

static void bfq_merge_requests(struct elevator *e, struct request *rq, struct request *next) {
    struct bfq *b = bfq_of(e);
    struct bfq_queue *q = bfq_queue_of(rq);
    if (q == bfq_queue_of(next) && (rq->flags & RQ_QUEUED)) {
        if (next->expiry < rq->expiry) {
            TAILQ_REMOVE(&q->fifo, rq, link);
            TAILQ_INSERT_BEFORE(next, rq, link);
            rq->expiry = next->expiry;
        }
        if (q->next == next)
            q->next = rq;
    }
    bfq_remove(b, next);
    if (rq->flags & RQ_QUEUED && q->next == rq)
        bfq_next_changed(b, q);
}

static struct request *bfq_former(struct elevator *e, struct request *rq) {
    return request_tree_prev(rq);
}

static struct request *bfq_latter(struct elevator *e, struct request *rq) {
    return request_tree_next(rq);
}

/* --- how many requests --- */

static uint64_t weights_of_group(const struct bfq_sched *s) {
    return s->tree[BFQ_RT].weights + s->tree[BFQ_BE].weights + s->tree[BFQ_IDLE].weights;
}

/* Against a queue count those of its class and, more, of the better ones. */
static uint64_t weights_against(const struct bfq_entity *e) {
    uint64_t sum = 0;
    for (unsigned class = 0; class <= e->class; class ++)
        sum = sum * BFQ_LEVELS + e->sched->tree[class].weights;
    return sum;
}

/* Of `limit` requests, what an entity may have by its weights; UINT64_MAX: one of those above has too many. */
static uint64_t share(const struct bfq_entity *e, uint64_t limit) {
    const struct bfq_entity *above = bfq_above(e);
    if (above)
        limit = share(above, limit);
    if (limit == UINT64_MAX)
        return limit;
    uint64_t all = e->members ? weights_of_group(e->sched) : weights_against(e);
    limit = all ? (limit * e->weight + all / 2) / all : limit;
    return e->allocated >= (limit ? limit : 1) ? UINT64_MAX : limit;
}

static bool has_too_many(const struct block_context *owner, bool sync, uint64_t limit) {
    const struct bfq_context *x = owner->sched;
    const struct bfq_queue *q = x ? x->queue[sync] : NULL;
    if (!q || !q->entity.allocated || q->entity.place == BFQ_NOWHERE)
        return false;
    return share(&q->entity, limit) == UINT64_MAX;
}

static uint32_t bfq_limit_depth(struct elevator *e, uint32_t depth, const struct io *io, struct block_context *owner) {
    static const uint8_t sixteenths[2][2] = {{8, 12}, {3, 6}}; /* raised queues busy; sync */
    const struct bfq *b = bfq_of(e);
    bool sync = elevator_io_sync(io);
    uint32_t limit = depth;
    if (!sync || elevator_io_write(io))
        limit = (uint32_t)((uint64_t)depth * sixteenths[b->raised_busy > 0][sync] / 16);
    limit = limit ? limit : 1;
    return has_too_many(owner, sync, limit) ? 1 : limit;
}

/* --- begin and end --- */

static bool bfq_has_work(const struct elevator *e) {
    return bfq_of_const(e)->queued > 0;
}

static int bfq_init(struct elevator *e, struct err *err) {
    struct bfq *b = bfq_of(e);
    LIST_INIT(&b->all_queues);
    LIST_INIT(&b->all_groups);
    LIST_INIT(&b->all_contexts);
    LIST_INIT(&b->burst);
    TAILQ_INIT(&b->busy);
    bfq_idle_init(b);
    b->hw_tag = -1;
    b->most_in_drive = 1;
    b->peak_rate = bfq_initial_rate(elevator_rotational(e));
    b->device_budget = BFQ_DEFAULT_BUDGET;
    b->last_completion = b->burst_last = bfq_now(b);
    return 0;
}

static void bfq_release_all(struct elevator *e) {
    struct bfq *b = bfq_of(e);
    if (sim_event_pending(&b->idle_timer))
        sim_cancel(e->sim, &b->idle_timer);
    bfq_free_all(b);
}

/* --- tunables --- */

static void strict_changed(struct elevator *e) {
    struct bfq *b = bfq_of(e);
    if (b->strict_guarantees && b->slice_idle < 8 * BFQ_MS)
        b->slice_idle = 8 * BFQ_MS;
}

#define MOST      INT32_MAX
#define AT(field) offsetof(struct bfq, field)

static const struct elevator_tunable tunables[] = {
    {"fifo_expire_sync", TUNABLE_MS, AT(fifo_expire_sync), 1, MOST, 125, .unit = "ms",
     .help = "age at which a sync request goes first, looked at once each time its queue is served"},
    {"fifo_expire_async", TUNABLE_MS, AT(fifo_expire_async), 1, MOST, 250, .unit = "ms",
     .help = "the same for async requests"},
    {"back_seek_max", TUNABLE_INT, AT(back_seek_max), 0, MOST, 16384, .unit = "KiB",
     .help = "how far back a request may lie to compete with one ahead"},
    {"back_seek_penalty", TUNABLE_INT, AT(back_seek_penalty), 1, MOST, 2, .unit = "times",
     .help = "a way back counts as so many times the way ahead"},
    {"slice_idle", TUNABLE_MS, AT(slice_idle), 0, MOST, 8, .unit = "ms",
     .help = "how long to wait for a process' next request; 0: not at all"},
    {"slice_idle_us", TUNABLE_US, AT(slice_idle), 0, UINT32_MAX, 8000, .unit = "us", .help = "the same, finer"},
    {"max_budget", TUNABLE_INT, AT(max_budget), 0, MOST, 0, .unit = "sectors",
     .help = "the most a queue is served at once; 0: what the drive does at its best in timeout_sync",
     .changed = bfq_budget_changed},
    {"timeout_sync", TUNABLE_MS, AT(timeout_sync), 1, MOST, 125, .unit = "ms",
     .help = "the longest a queue is served at once", .changed = bfq_budget_changed},
    {"strict_guarantees", TUNABLE_BOOL, AT(strict_guarantees), 0, 1, 0,
     .help = "one request at a time, and always wait: shares are exact, whatever it costs", .changed = strict_changed},
    {"low_latency", TUNABLE_BOOL, AT(low_latency), 0, 1, 1,
     .help = "prefer what seems to be an application that starts, or a player", .changed = bfq_low_latency_changed},
    {"stable_merge", TUNABLE_BOOL, AT(stable_merge), 0, 1, 1,
     .help = "merge queues that are created within 180 ms; not in Linux, where 0 is as before 5.13"},
    {NULL},
};

const struct elevator_ops elevator_bfq = {
    .name = "bfq",
    .summary = "budgets for processes and cgroups by weight, low latency (Linux 6.8)",
    .size = sizeof(struct bfq),
    .tunables = tunables,
    .reads = TUNABLE_UNSIGNED,
    .init = bfq_init,
    .release = bfq_release_all,
    .insert = bfq_insert,
    .next = bfq_next,
    .allow_merge = bfq_allow_merge,
    .find_merge = bfq_find_merge,
    .merged = bfq_merged,
    .merge_requests = bfq_merge_requests,
    .former = bfq_former,
    .latter = bfq_latter,
    .completed = bfq_completed,
    .set_request = bfq_set_request,
    .put_request = bfq_put_request,
    .limit_depth = bfq_limit_depth,
    .context_exit = bfq_context_exit,
    .group_exit = bfq_group_exit,
    .group_changed = bfq_group_changed,
    .has_work = bfq_has_work,
    .stats = bfq_stats_json,
    .check = bfq_check,
};
