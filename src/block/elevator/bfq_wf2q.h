/*
 * B-WF2Q+: budget worst-case fair weighted fair queueing, for queues and for
 * groups of them. Each entity has a budget to be served; by its weight that
 * makes a virtual start and finish. Of those whose start has come, the one with
 * the earliest finish is served, until its budget is used or it wants no more.
 *
 * Units: service and budgets in sectors; virtual times in sectors / weight,
 * shifted by BFQ_SHIFT; they may wrap.
 */
#ifndef DRIVELAB_BLOCK_ELEVATOR_BFQ_WF2Q_H
#define DRIVELAB_BLOCK_ELEVATOR_BFQ_WF2Q_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rb.h"

#define BFQ_SHIFT         22
#define BFQ_IDLE_CLASS_NS 200000000ll /* the idle class gets a turn after so long without one */

enum bfq_class { BFQ_RT, BFQ_BE, BFQ_IDLE, BFQ_CLASSES }; /* in the order they are served */

enum bfq_place {
    BFQ_NOWHERE,
    BFQ_ELIGIBLE, /* its start has come */
    BFQ_WAITING,
    BFQ_PAST, /* wants nothing, but has had more than its share: not forgotten before its finish */
    BFQ_SERVING,
};

/* One class of one group. */
struct bfq_tree {
    struct rb_tree eligible; /* by finish */
    struct rb_tree waiting;  /* by start */
    struct rb_tree past;     /* by finish */
    uint64_t vtime;
    uint64_t weights; /* of all in these trees and of the one in service */
};

struct bfq_entity;

/* The members of a group. */
struct bfq_sched {
    struct bfq_tree tree[BFQ_CLASSES];
    struct bfq_entity *serving;
    struct bfq_entity *owner; /* what the group is in the group above; NULL: none is above */
    uint32_t active;          /* eligible or waiting */
    uint64_t order;           /* of insertions, which decides among equals */
    int64_t idle_class_ns;    /* when the idle class last had its chance */
};

struct bfq_entity {
    struct rb_node node;
    struct bfq_sched *sched;   /* it is a member of */
    struct bfq_sched *members; /* of the group it is; NULL: it is a queue */
    enum bfq_place place;
    enum bfq_class class, new_class;
    uint32_t weight, new_weight; /* new ones count from when it is sorted in again */
    uint32_t raise;              /* what its weight is multiplied by, in it already */
    uint32_t allocated;          /* requests below it */
    uint64_t start, finish, order;
    int64_t service, budget; /* had of it; a group's budget is that of its next member */
};

/* Virtual time that `service` takes at a weight. */
static inline uint64_t bfq_virtual(int64_t service, uint64_t weight) {
    return ((uint64_t)service << BFQ_SHIFT) / weight;
}
/* Virtual times wrap. */
static inline bool bfq_before(uint64_t a, uint64_t b) {
    return (int64_t)(a - b) < 0;
}
static inline bool bfq_entity_active(const struct bfq_entity *e) {
    return e->place == BFQ_ELIGIBLE || e->place == BFQ_WAITING;
}

/* A queue, or (`members`) a group, among those of `sched`. */
void bfq_entity_init(struct bfq_entity *e, struct bfq_sched *sched, struct bfq_sched *members, enum bfq_class class,
                     uint32_t weight);

/*
 * A queue that is nowhere or past wants service of its budget; groups above
 * that wanted none do, too. `in_time`: it would never have stopped, had it been waited for a
 * little longer: its start may lie in the past.
 */
void bfq_activate(struct bfq_entity *e, bool in_time);

/* An active entity wants nothing any more. */
void bfq_deactivate(struct bfq_entity *e);

/* An active queue has another budget. */
void bfq_rebudget(struct bfq_entity *e, int64_t budget);

/* Whether another member of the root would be served after the one in service: not if that is a group whose other
 * members come first. O(1). */
bool bfq_other_next(const struct bfq_sched *root);

/* The queue to be served, it and the groups above are in service from now on; none may be. NULL: none is active. */
struct bfq_entity *bfq_serve_next(struct bfq_sched *root, int64_t now_ns);

/* A queue, in service or (a request was let in between) active, has had so much. */
void bfq_served(struct bfq_entity *e, int64_t sectors);

/* The queue in service, and the groups above, are no more. `wants`: the queue has a new budget and goes on. */
void bfq_release(struct bfq_entity *e, bool wants);

/* A new weight counts at once; the class stays. */
void bfq_reweigh(struct bfq_entity *e);

/* Before its memory is freed: it must neither be active nor in service. */
void bfq_forget(struct bfq_entity *e);

/* Its parent in the hierarchy, or NULL. */
static inline struct bfq_entity *bfq_above(const struct bfq_entity *e) {
    return e->sched->owner;
}

#endif
