/*
 * BFQ inside: what its files share. See bfq.c for what it models.
 *
 *   bfq.c        methods: a request's way in and out, merging, tunables
 *   bfq_wf2q.c   who is next: virtual times of queues and groups
 *   bfq_group.c  cgroups
 *   bfq_queue.c  whose queue a request belongs to; lives of queues and contexts
 *   bfq_next.c   the order of requests inside a queue
 *   bfq_busy.c   queues that want service; which of them are unlike the others
 *   bfq_select.c which queue is served, preemption
 *   bfq_budget.c budgets, the drive's rate, ends of service
 *   bfq_raise.c  weights raised for what is interactive or soft real-time; bursts
 *   bfq_idle.c   habits of processes, waiting for them, depth of the drive
 *   bfq_inject.c requests of others while the drive waits; who wakes whom
 *   bfq_merge.c  queues that read next to each other
 *   bfq_stats.c  numbers, invariants
 *
 * Words: a queue is "busy" while it has requests that wait, and while it is
 * served; it is "pending" until its last request is back from the drive, too.
 *
 * Units: nanoseconds, sectors.
 */
#ifndef DRIVELAB_BLOCK_ELEVATOR_BFQ_INT_H
#define DRIVELAB_BLOCK_ELEVATOR_BFQ_INT_H

#include <sys/queue.h>

#include "block/elevator.h"
#include "block/elevator/bfq_math.h"
#include "block/elevator/bfq_wf2q.h"

struct json_t;

#define BFQ_NEVER      (INT64_MIN / 2) /* long ago */
#define BFQ_LEVELS     8
#define BFQ_BURST_SIZE 8

struct bfq_queue;
LIST_HEAD(bfq_queue_list, bfq_queue);
TAILQ_HEAD(bfq_busy_list, bfq_queue);
LIST_HEAD(bfq_group_list, bfq_group);
LIST_HEAD(bfq_context_list, bfq_context);

struct bfq_group {
    LIST_ENTRY(bfq_group) all;
    uint32_t refs;             /* its cgroup, its queues, its children */
    struct block_group *owner; /* NULL: the cgroup is gone */
    struct bfq_group *parent;
    struct bfq_entity entity; /* unused at the root */
    struct bfq_sched sched;
    uint32_t pending;      /* queues */
    struct rb_tree places; /* sync queues by the sector of their next request */
    struct bfq_queue *async[2][BFQ_LEVELS], *async_idle;
    uint64_t dispatched, sectors;
    struct bfq_queue *last_created; /* sync; NULL: none, or it is gone */
};

/* A process at this drive; lives on while requests of it do. */
struct bfq_context {
    LIST_ENTRY(bfq_context) all;
    uint32_t refs;
    struct block_context *owner; /* NULL: has exited */
    struct bfq_queue *queue[2];  /* index: 1 sync */
    uint32_t change;             /* of the owner, last seen */
    struct bfq_raised {
        int64_t start, length, interactive_start;
        uint32_t factor;
    } saved; /* weight raising of its own queue while it shares one */
    bool shares, saved_burst;
    struct bfq_queue
        *stable; /* its queue was created soon after this one, which it holds: to be merged later, perhaps */
    bool stays;  /* its queue was merged so, and isn't parted from it */
};

struct bfq_queue {
    LIST_ENTRY(bfq_queue) all;
    uint64_t id;        /* never used again */
    uint32_t refs;      /* processes, requests, the group of an async one */
    uint32_t processes; /* of them */
    struct bfq_group *group;
    struct bfq_context *context; /* the process; NULL: none, shared, or async */
    struct bfq_entity entity;
    enum bfq_class class, busy_class; /* as set; as counted among the busy */
    uint8_t level;
    bool sync, busy, new, fifo_seen;
    bool waiting;   /* the drive idles for its next request */
    bool came_idle; /* it stopped being served only because it had no request */

    struct request_tree sorted;
    struct request_list fifo;
    struct request *next;
    uint32_t queued, in_drive;
    TAILQ_ENTRY(bfq_queue) busy_link;
    bool pending, counts; /* counts: in level_count[counted_level], as it is pending and isn't raised */
    uint8_t counted_level;

    int64_t max_budget;             /* what it would get */
    int64_t budget_end;             /* of its time in service */
    int64_t empty_since;            /* neither busy nor in the drive */
    int64_t created, backlog_start; /* when it was last activated */
    uint64_t backlog_service, raised_service;

    /* habits */
    uint32_t seeks; /* one bit a request */
    uint64_t last_end_sector;
    struct bfq_think think;
    bool short_think, io_bound;
    int64_t io_start, idle_total;

    /* weight raising; raised.factor 1: not */
    struct bfq_raised raised;
    int64_t soft_rt_next, split_at;
    bool soft_rt_update, in_burst, large_burst;
    LIST_ENTRY(bfq_queue) burst_link;

    /* injection */
    uint32_t inject_limit;
    int64_t base_ns, inject_changed; /* base_ns 0: not known */
    struct bfq_queue *waker;
    struct bfq_queue_list woken;
    LIST_ENTRY(bfq_queue) woken_link;
    uint64_t maybe_waker; /* id */
    unsigned waker_hits;
    int64_t waker_since;

    /* cooperation */
    struct rb_node place_node; /* in the group's places */
    uint64_t place_sector;
    int64_t first_service; /* since it was activated */
    bool shared, split;
    struct bfq_queue *merge_to; /* where its processes go at their next request */
};

struct bfq {
    struct elevator base; /* first */
    int64_t fifo_expire_sync, fifo_expire_async, back_seek_max, back_seek_penalty;
    int64_t slice_idle, max_budget, timeout_sync, strict_guarantees, low_latency, stable_merge;

    struct bfq_group *root;
    struct bfq_queue *serving;
    struct bfq_busy_list busy; /* the latest first */
    uint32_t busy_count[BFQ_CLASSES], raised_busy, queued, in_drive, pending_groups;
    uint32_t level_count[BFQ_LEVELS], levels_pending; /* see bfq_queue.counts; a bit for each level with any */

    /* budgets and the drive's rate */
    int64_t device_budget; /* the most, as it is or as set */
    uint32_t learned, peak_rate;
    struct {
        uint32_t samples, sequential, largest;
        uint64_t sectors;
        int64_t first, last, took;
    } rate;
    int64_t last_completion, served_since;
    uint64_t last_position, serving_position;

    int hw_tag; /* -1: not known yet */
    uint32_t most_in_drive, tag_samples;

    struct sim_event idle_timer;
    int64_t idle_since;
    bool idle_noted;

    /* injection */
    bool wait_dispatch, injected;
    struct request *waited;
    int64_t waited_since;
    struct bfq_queue *last_completed;

    /* the burst under way */
    struct bfq_queue_list burst;
    unsigned burst_size;
    bool large_burst;
    int64_t burst_last;
    const struct bfq_group *burst_group;

    struct bfq_queue_list all_queues;
    struct bfq_group_list all_groups;
    struct bfq_context_list all_contexts;
    uint32_t queue_count;
    uint64_t next_id;

    struct {
        uint64_t ended[BFQ_REASONS], idles, injections, interactive, soft_rt, bursts, merges, stable_merges, splits,
            charged;
    } stat;
};

static inline struct bfq *bfq_of(struct elevator *e) {
    return (struct bfq *)e;
}
static inline const struct bfq *bfq_of_const(const struct elevator *e) {
    return (const struct bfq *)e;
}
static inline int64_t bfq_now(const struct bfq *b) {
    return elevator_now(&b->base);
}
static inline struct bfq_queue *bfq_queue_of(const struct request *rq) {
    return rq->priv.ptr[0];
}
static inline struct bfq_context *bfq_context_of(const struct request *rq) {
    return rq->priv.ptr[1];
}
static inline struct bfq_queue *bfq_queue_of_entity(struct bfq_entity *e) {
    return e ? (struct bfq_queue *)((char *)e - offsetof(struct bfq_queue, entity)) : NULL;
}
static inline bool bfq_empty(const struct bfq_queue *q) {
    return request_tree_empty(&q->sorted);
}
static inline bool bfq_raised(const struct bfq_queue *q) {
    return q->raised.factor > 1;
}
static inline bool bfq_seeky(const struct bfq_queue *q) {
    return __builtin_popcount(q->seeks) > BFQ_SEEKS_MAX;
}
static inline uint32_t bfq_busy_queues(const struct bfq *b) {
    return b->busy_count[BFQ_RT] + b->busy_count[BFQ_BE] + b->busy_count[BFQ_IDLE];
}
static inline int64_t bfq_budget_left(const struct bfq_queue *q) {
    return q->entity.budget - q->entity.service;
}
/* The most a budget may be, for what is known yet. */
static inline int64_t bfq_most_budget(const struct bfq *b) {
    return b->learned < BFQ_LEARNED ? BFQ_DEFAULT_BUDGET : b->device_budget;
}

/* bfq_group.c */
struct bfq_group *bfq_group_get(struct bfq *b, struct block_group *owner); /* NULL: no memory. Takes no reference */
void bfq_group_put(struct bfq_group *g);
void bfq_group_exit(struct elevator *e, struct block_group *owner);
void bfq_group_changed(struct elevator *e, struct block_group *owner);

/* bfq_queue.c */
int bfq_set_request(struct elevator *e, struct request *rq, const struct io *io);
void bfq_put_request(struct elevator *e, struct request *rq);
void bfq_context_exit(struct elevator *e, struct block_context *owner);
void bfq_queue_put(struct bfq *b, struct bfq_queue *q);
void bfq_use(struct bfq_context *x, bool sync, struct bfq_queue *q);
void bfq_drop(struct bfq *b, struct bfq_context *x, bool sync);
void bfq_drop_stable(struct bfq *b, struct bfq_context *x);
void bfq_last_created(struct bfq_queue *q, struct bfq_queue *instead);
void bfq_move_request(struct bfq *b, struct request *rq, struct bfq_queue *to);
void bfq_weigh(struct bfq_queue *q); /* class, level or factor have changed */
void bfq_free_all(struct bfq *b);

/* bfq_next.c */
struct request *bfq_better(const struct bfq *b, struct request *x, struct request *y, uint64_t last);
struct request *bfq_expired(struct bfq *b, struct bfq_queue *q, const struct request *last);
void bfq_add(struct bfq *b, struct bfq_queue *q, struct request *rq);
void bfq_remove(struct bfq *b, struct request *rq);
void bfq_resort(struct bfq *b, struct request *rq); /* its start has moved */
void bfq_next_changed(struct bfq *b, struct bfq_queue *q);

/* bfq_busy.c */
void bfq_make_busy(struct bfq *b, struct bfq_queue *q, bool in_time);
void bfq_make_idle(struct bfq *b, struct bfq_queue *q);
void bfq_not_pending(struct bfq *b, struct bfq_queue *q);
void bfq_nothing_left(struct bfq *b, struct bfq_queue *q);
void bfq_count_weight(struct bfq *b, struct bfq_queue *q); /* it has, or may have, another */
bool bfq_asymmetric(const struct bfq *b, const struct bfq_queue *q);
int64_t bfq_charge(const struct bfq *b, const struct bfq_queue *q, const struct request *rq);

/* bfq_select.c */
struct request *bfq_next(struct elevator *e);
void bfq_arrived(struct bfq *b, struct bfq_queue *q, struct request *rq);

/* bfq_budget.c */
void bfq_budget_changed(struct elevator *e);
void bfq_serve(struct bfq *b, struct bfq_queue *q);
void bfq_expire(struct bfq *b, struct bfq_queue *q, bool idled, enum bfq_reason reason);
bool bfq_timed_out(const struct bfq *b, const struct bfq_queue *q);
void bfq_rate_dispatched(struct bfq *b, struct bfq_queue *q, const struct request *rq);
void bfq_rate_completed(struct bfq *b);

/* bfq_raise.c */
/* An idle queue gets a request of `x`; true: interactive. */
bool bfq_raise_arrival(struct bfq *b, struct bfq_queue *q, const struct bfq_context *x);
void bfq_raise_idle_busy(struct bfq *b, struct bfq_queue *q, uint32_t before, bool interactive, bool activated,
                         bool sync);
void bfq_raise_served(struct bfq *b, struct bfq_queue *q);
void bfq_raise_seeked(struct bfq *b, struct bfq_queue *q);
void bfq_raise_end(struct bfq *b, struct bfq_queue *q);
void bfq_raise_expired(struct bfq *b, struct bfq_queue *q);
void bfq_raise_completed(struct bfq *b, struct bfq_queue *q);
void bfq_raise_set(struct bfq *b, struct bfq_queue *q, uint32_t factor);
void bfq_raise_save(struct bfq *b, const struct bfq_queue *q);
void bfq_raise_resume(struct bfq *b, struct bfq_queue *q);
void bfq_low_latency_changed(struct elevator *e);
void bfq_burst(struct bfq *b, struct bfq_queue *q);
void bfq_burst_leave(struct bfq_queue *q);

/* bfq_idle.c */
void bfq_idle_init(struct bfq *b);
void bfq_learn_think(struct bfq *b, struct bfq_queue *q, const struct bfq_context *x);
void bfq_learn_seek(struct bfq *b, struct bfq_queue *q, const struct request *rq);
void bfq_learn_intensity(struct bfq *b, struct bfq_queue *q);
bool bfq_idling_boosts(const struct bfq *b, const struct bfq_queue *q);
bool bfq_idling_protects(const struct bfq *b, const struct bfq_queue *q);
bool bfq_better_to_idle(const struct bfq *b, const struct bfq_queue *q);
bool bfq_may_time_out(const struct bfq *b, const struct bfq_queue *q);
void bfq_wait_end(struct bfq *b, struct bfq_queue *q);
void bfq_completed(struct elevator *e, struct request *rq);

/* bfq_inject.c */
void bfq_inject_reset(struct bfq *b, struct bfq_queue *q);
void bfq_inject_arrived(struct bfq *b, struct bfq_queue *q);
void bfq_inject_dispatched(struct bfq *b, struct bfq_queue *q, struct request *rq);
void bfq_inject_completed(struct bfq *b, struct bfq_queue *q, const struct request *rq);
struct bfq_queue *bfq_inject_from(struct bfq *b, struct bfq_queue *q);
void bfq_waker_inherit(struct bfq_queue *q, struct bfq_queue *to);
void bfq_inject_stop(struct bfq *b);
void bfq_waker_forget(struct bfq *b, struct bfq_queue *q);

/* bfq_merge.c */
void bfq_place(struct bfq *b, struct bfq_queue *q);
struct bfq_queue *bfq_follow_merge(struct bfq *b, struct bfq_context *x, struct bfq_queue *q);
struct bfq_queue *bfq_cooperate(struct bfq *b, struct bfq_context *x, struct bfq_queue *q, uint64_t sector);
void bfq_split(struct bfq *b, struct bfq_context *x);
struct bfq_queue *bfq_created(struct bfq *b, struct bfq_context *x, struct bfq_queue *q);

/* bfq_stats.c */
struct json_t *bfq_stats_json(const struct elevator *e);
int bfq_check(const struct elevator *e, struct err *err);

#endif
