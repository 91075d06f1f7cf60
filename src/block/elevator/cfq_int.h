/*
 * CFQ inside: what its files share. See cfq.c for what it models.
 *
 *   cfq.c        methods: a request's way in and out, tunables
 *   cfq_group.c  cgroups: shares, virtual time, which is next
 *   cfq_tree.c   queues in service trees and by position
 *   cfq_queue.c  whose queue a request belongs to; lives of queues and contexts
 *   cfq_next.c   the order of requests inside a queue
 *   cfq_slice.c  slices: lengths, begin, end
 *   cfq_select.c which queue is served, how much of it goes out
 *   cfq_idle.c   habits of processes, waiting for them, depth of the drive
 *   cfq_close.c  queues that read next to each other; preemption
 *   cfq_stats.c  numbers of blkio
 *   cfq_check.c  invariants
 *
 * Words: a queue is "busy" from its first request until it is found empty at
 * the end of its slice; the "active" queue is the one served.
 *
 * Units: jiffies (int64_t), sectors; virtual times in 1/4096.
 */
#ifndef DRIVELAB_BLOCK_ELEVATOR_CFQ_INT_H
#define DRIVELAB_BLOCK_ELEVATOR_CFQ_INT_H

#include <sys/queue.h>

#include "base/rb.h"
#include "block/elevator.h"
#include "block/elevator/cfq_math.h"

struct json_t;

#define CFQ_NEVER  INT64_MIN /* a time that isn't set */
#define CFQ_LEVELS 8

enum cfq_class { CFQ_RT, CFQ_BE, CFQ_IDLE }; /* in the order they are served */
enum cfq_type { CFQ_ASYNC, CFQ_SYNC_NOIDLE, CFQ_SYNC, CFQ_TYPES };

enum cfq_flag {
    CFQ_BUSY = 1u << 0,    /* in a service tree */
    CFQ_WAITING = 1u << 1, /* the drive idles for its next request */
    CFQ_MUST_DISPATCH = 1u << 2,
    CFQ_MUST_ALLOC = 1u << 3,  /* had its request beyond the pool's limit in this slice */
    CFQ_FIFO_SEEN = 1u << 4,   /* the FIFO was looked at in this slice */
    CFQ_IDLE_WINDOW = 1u << 5, /* waiting for its next request pays */
    CFQ_PRIO_CHANGED = 1u << 6,
    CFQ_SLICE_NEW = 1u << 7, /* nothing completed in the slice yet */
    CFQ_IS_SYNC = 1u << 8,
    CFQ_SHARED = 1u << 9,     /* several processes were merged into it */
    CFQ_SPLIT = 1u << 10,     /* they are to part again */
    CFQ_DEEP = 1u << 11,      /* had four requests at once */
    CFQ_WAIT_BUSY = 1u << 12, /* the group keeps its turn until the next request */
};

struct cfq_queue;
LIST_HEAD(cfq_queue_list, cfq_queue);
LIST_HEAD(cfq_group_list, cfq_group);
LIST_HEAD(cfq_context_list, cfq_context);

struct cfq_tree {
    struct rb_tree queues; /* by key */
    uint32_t count;
    struct cfq_think think; /* of whoever had a queue here */
};

/* One number of blkio: by direction and by sync-ness. */
struct cfq_rw_stat {
    uint64_t dir[2], sync[2];
};

struct cfq_stats {
    uint64_t time, unaccounted, sectors; /* time: jiffies */
    struct cfq_rw_stat bytes, serviced, service_ns, wait_ns, merged;
    uint64_t queue_samples, queue_sum; /* avg_queue_size */
    uint64_t group_wait_ns, idle_ns, empty_ns, dequeued;
};

struct cfq_group {
    LIST_ENTRY(cfq_group) all;
    uint32_t refs;             /* its cgroup, its queues, its children */
    struct block_group *owner; /* NULL: the cgroup is gone */
    struct cfq_group *parent;

    /* place in time; see cfq_group.c */
    struct rb_node node;
    uint64_t vtime;
    uint32_t fraction; /* of the drive, while it has queues */
    uint32_t weight, leaf_weight;
    uint64_t children_weight;
    uint32_t active; /* children with queues, and itself */

    uint32_t queues, dispatched, mean_queues[2]; /* busy; requests in the drive; by class */
    struct cfq_tree tree[2][CFQ_TYPES], idle;
    struct {
        int64_t left;
        enum cfq_class class;
        enum cfq_type type;
    } saved; /* of the workload that was being served when its turn ended; left 0: nothing */
    struct cfq_think think;

    struct cfq_queue *async[2][CFQ_LEVELS], *async_idle;

    struct cfq_stats stats, dead; /* its own, of children removed */
    struct cfq_rw_stat queued;
    uint64_t queued_total;
    int64_t wait_since_ns, idle_since_ns, empty_since_ns; /* CFQ_NEVER: not so now */
};

/* A process at this drive; lives on while requests of it do. */
struct cfq_context {
    LIST_ENTRY(cfq_context) all;
    uint32_t refs;
    struct block_context *owner; /* NULL: has exited */
    struct cfq_queue *queue[2];  /* index: 1 sync */
    struct cfq_think think;
    uint16_t ioprio; /* last seen */
};

struct cfq_queue {
    LIST_ENTRY(cfq_queue) all;
    uint32_t refs;      /* processes, requests, the group of an async one */
    uint32_t processes; /* of them; those on their way by `merge_to` included */
    struct cfq_group *group;
    struct cfq_context *context; /* the last process it was made for or given to; NULL: none or shared */
    enum cfq_class class;
    uint8_t level;
    uint32_t flags; /* enum cfq_flag */

    struct request_tree sorted;
    struct request_list fifo;
    struct request *next;
    uint32_t queued, in_drive, prio_pending;

    struct cfq_tree *tree; /* NULL: not busy */
    struct rb_node node;   /* in it */
    int64_t key;
    struct rb_tree *place; /* of those by position; NULL: not there */
    struct rb_node place_node;
    uint64_t place_sector;

    int64_t dispatch_start, slice_start, slice_end, allocated, left_over; /* slice_start CFQ_NEVER: see SLICE_NEW */
    uint64_t slice_dispatched;

    uint32_t seeks; /* history, see cfq_seek_sample() */
    uint64_t last_end_sector;
    struct cfq_queue *merge_to; /* where its processes go at their next request */
};

struct cfq_tunables {
    int64_t quantum, fifo_expire_sync, fifo_expire_async, back_seek_max, back_seek_penalty;
    int64_t slice_sync, slice_async, slice_async_rq, slice_idle, group_idle, low_latency, target_latency;
    int64_t preempt_empty;
};

struct cfq {
    struct elevator base; /* first */
    struct cfq_tunables t;
    struct rb_tree groups; /* by virtual time */
    uint64_t min_vtime;
    struct cfq_group *serving;
    enum cfq_class class;
    enum cfq_type type;
    int64_t workload_end;
    struct rb_tree place[CFQ_LEVELS]; /* queues by the sector they want next */
    uint32_t busy, busy_sync, queued, in_drive, in_flight[2];

    int hw_tag; /* -1: not known yet, which counts as yes */
    uint32_t most_in_drive, tag_samples;

    struct sim_event idle_timer;
    bool idle_noted; /* a timeline has been told of the beginning, not of the end */
    struct cfq_queue *active;
    struct cfq_context *active_context; /* of the slice's first request */
    uint64_t last_position;             /* end of what the drive took last */
    int64_t last_late_sync;             /* when a sync request was last slow */

    struct cfq_queue_list all_queues;
    struct cfq_group_list all_groups;
    struct cfq_context_list all_contexts;
    uint32_t queue_count;
};

static inline struct cfq *cfq_of(struct elevator *e) {
    return (struct cfq *)e;
}
static inline const struct cfq *cfq_of_const(const struct elevator *e) {
    return (const struct cfq *)e;
}
static inline int64_t cfq_now(const struct cfq *c) {
    return elevator_jiffies(&c->base);
}
static inline struct cfq_queue *cfq_queue_of(const struct request *rq) {
    return rq->priv.ptr[0];
}
static inline struct cfq_context *cfq_context_of(const struct request *rq) {
    return rq->priv.ptr[1];
}
static inline bool cfq_has(const struct cfq_queue *q, uint32_t flag) {
    return q->flags & flag;
}
static inline bool cfq_is_sync(const struct cfq_queue *q) {
    return q->flags & CFQ_IS_SYNC;
}
static inline bool cfq_empty(const struct cfq_queue *q) {
    return request_tree_empty(&q->sorted);
}
static inline bool cfq_seeky(const struct cfq_queue *q) {
    return cfq_seeks_many(q->seeks);
}
static inline enum cfq_type cfq_type_of(const struct cfq_queue *q) {
    if (!cfq_is_sync(q))
        return CFQ_ASYNC;
    return cfq_has(q, CFQ_IDLE_WINDOW) ? CFQ_SYNC : CFQ_SYNC_NOIDLE;
}
static inline struct cfq_tree *cfq_tree_at(struct cfq_group *g, enum cfq_class class, enum cfq_type type) {
    return class == CFQ_IDLE ? &g->idle : &g->tree[class][type];
}
static inline struct cfq_queue *cfq_tree_first(const struct cfq_tree *t) {
    struct rb_node *n = rb_first(&t->queues);
    return n ? rb_entry(n, struct cfq_queue, node) : NULL;
}
/* A drive without an arm that takes many requests at once: waiting gains nothing. */
static inline bool cfq_fast_drive(const struct cfq *c) {
    return c->hw_tag && !elevator_rotational(&c->base);
}
static inline bool cfq_close(const struct cfq *c, const struct request *rq) {
    return cfq_distance(rq->sector, c->last_position) <= CFQ_CLOSE_SECTORS;
}

/* cfq_group.c */
struct cfq_group *cfq_group_get(struct cfq *c, struct block_group *owner); /* NULL: no memory. Takes no reference */
void cfq_group_put(struct cfq_group *g);
void cfq_group_exit(struct elevator *e, struct block_group *owner);
void cfq_group_queue_added(struct cfq *c, struct cfq_group *g);
void cfq_group_queue_removed(struct cfq *c, struct cfq_group *g);
void cfq_group_served(struct cfq *c, struct cfq_group *g, struct cfq_queue *q);
struct cfq_group *cfq_group_next(struct cfq *c); /* NULL: none has queues */
uint32_t cfq_group_busy(const struct cfq_group *g, enum cfq_class class);
uint32_t cfq_group_busy_async(const struct cfq_group *g);
int64_t cfq_group_slice(const struct cfq *c, const struct cfq_group *g);

/* cfq_tree.c */
void cfq_make_busy(struct cfq *c, struct cfq_queue *q);
void cfq_make_idle(struct cfq *c, struct cfq_queue *q);
void cfq_resort(struct cfq *c, struct cfq_queue *q);
void cfq_put_in_front(struct cfq *c, struct cfq_queue *q);
void cfq_place(struct cfq *c, struct cfq_queue *q);
struct cfq_queue *cfq_nearest(struct cfq *c, unsigned level, uint64_t sector);

/* cfq_queue.c */
int cfq_set_request(struct elevator *e, struct request *rq, const struct io *io);
void cfq_put_request(struct elevator *e, struct request *rq);
void cfq_context_exit(struct elevator *e, struct block_context *owner);
void cfq_apply_prio(struct cfq_queue *q, const struct block_context *owner);
void cfq_queue_put(struct cfq *c, struct cfq_queue *q);
void cfq_context_put(struct cfq_context *x);
void cfq_plan_merge(struct cfq_queue *a, struct cfq_queue *b);
void cfq_free_all(struct cfq *c);

/* cfq_next.c */
struct request *cfq_better(const struct cfq *c, struct request *a, struct request *b, uint64_t last);
struct request *cfq_follower(const struct cfq *c, struct cfq_queue *q, struct request *rq);
void cfq_add_sorted(struct cfq *c, struct cfq_queue *q, struct request *rq);
void cfq_remove_sorted(struct cfq *c, struct cfq_queue *q, struct request *rq);
void cfq_remove(struct cfq *c, struct request *rq);

/* cfq_slice.c */
int64_t cfq_scaled_slice(const struct cfq *c, struct cfq_queue *q);
bool cfq_slice_used(const struct cfq *c, const struct cfq_queue *q);
int64_t cfq_slice_time(const struct cfq *c, const struct cfq_queue *q, int64_t *unaccounted);
void cfq_slice_start(struct cfq *c, struct cfq_queue *q); /* the clock: at the first completion */
void cfq_activate_queue(struct cfq *c, struct cfq_queue *q);
void cfq_expire(struct cfq *c, bool timed_out); /* the active queue, if any */

/* cfq_select.c */
unsigned cfq_dispatch(struct elevator *e, bool force);

/* cfq_idle.c */
void cfq_idle_init(struct cfq *c);
void cfq_learn(struct cfq *c, struct cfq_queue *q, struct cfq_context *x, const struct request *rq);
bool cfq_should_idle(const struct cfq *c, const struct cfq_queue *q);
bool cfq_group_thinks_long(const struct cfq *c, const struct cfq_group *g);
void cfq_wait_end(struct cfq *c, struct cfq_queue *q); /* stop the timer of `q`, if it runs */
void cfq_note_work(struct cfq *c);                     /* the drive has something to do again */
void cfq_completed(struct elevator *e, struct request *rq);

/* cfq_close.c */
struct cfq_queue *cfq_cooperator(struct cfq *c, struct cfq_queue *q);
bool cfq_preempts(struct cfq *c, struct cfq_queue *q, const struct request *rq);
void cfq_preempt(struct cfq *c, struct cfq_queue *q);

/* cfq_stats.c */
void cfq_stat_queued(struct cfq *c, const struct request *rq, int by);
void cfq_stat_merged(struct cfq_group *g, const struct request *rq);
void cfq_stat_dispatched(struct cfq *c, const struct request *rq);
void cfq_stat_completed(struct cfq *c, const struct request *rq);
void cfq_stat_served(struct cfq *c, struct cfq_group *g, int64_t used, int64_t unaccounted);
void cfq_stat_activated(struct cfq *c, struct cfq_group *g);
void cfq_stat_idle(struct cfq *c, struct cfq_group *g, bool begin);
void cfq_stat_bury(struct cfq_group *parent, const struct cfq_group *child);
struct json_t *cfq_stats_json(const struct elevator *e);

/* cfq_check.c */
int cfq_check(const struct elevator *e, struct err *err);

#endif
