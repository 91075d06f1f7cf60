/*
 * Who issues requests: processes with an I/O priority, and the tree of cgroups
 * they belong to.
 *
 * A process is known by struct io's `owner`. It may be described beforehand; one
 * that wasn't is created when its first request arrives, with nice 0, no
 * priority of its own, in the root cgroup. An nvme queue of a host is such a
 * process, too.
 *
 * Sources: ioprio_set(2); Linux 4.4 block/ioprio.c, include/linux/ioprio.h,
 * Documentation/cgroups/blkio-controller.txt; 6.8 Documentation/admin-guide/
 * cgroup-v2.rst.
 */
#ifndef DRIVELAB_BLOCK_CONTEXT_H
#define DRIVELAB_BLOCK_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uthash.h>

#include "base/err.h"
#include "drive/io.h"

struct block;
struct request;

/* A FIFO of struct io, linked by their `next`. */
struct io_fifo {
    struct io *head, *tail; /* tail: valid if there is a head */
};

/* --- I/O priorities --- */

enum ioprio_class { IOPRIO_NONE, IOPRIO_RT, IOPRIO_BE, IOPRIO_IDLE };

#define IOPRIO_LEVELS 8 /* 0 is the best */
#define IOPRIO_NORM   4

/* As ioprio_set(2) takes it: class << 13 | level. */
static inline uint16_t ioprio_value(unsigned class, unsigned level) {
    return (uint16_t)(class << 13 | level);
}
static inline unsigned ioprio_class_of(uint16_t ioprio) {
    return ioprio >> 13;
}
static inline unsigned ioprio_level_of(uint16_t ioprio) {
    return ioprio & 0x1fff;
}

/* Level of a process that set no priority: (nice + 20) / 5. */
static inline unsigned ioprio_from_nice(int nice) {
    return (unsigned)(nice + 20) / 5;
}

/* The better of two; one of class NONE counts as BE/4. */
uint16_t ioprio_best(uint16_t a, uint16_t b);

/* "none", "rt", "be", "idle"; class 0 to 3. */
const char *ioprio_class_name(unsigned class);

/* Whether ioprio_set(2) would take it: 0, or -EINVAL with `e` saying what is allowed. */
int ioprio_check(long class, long level, struct err *e);

/* --- cgroups --- */

/*
 * Requests of one group (or of all), in the halves sync and async, as
 * struct request_list of Linux 4.4: see pool.c. Waiting processes are asleep.
 */
struct block_pool {
    uint32_t count[2]; /* index: 1 sync, 0 async */
    bool full[2], congested[2];
    TAILQ_HEAD(, block_context) wait[2];
    TAILQ_ENTRY(block_pool) wake_link; /* something may have come free */
    bool waking;
};

struct block_group_stat {
    uint64_t ios[2], sectors[2]; /* completed; index: 1 write */
    int64_t service_ns, wait_ns; /* in the drive; from allocation to the drive */
    uint64_t merged;
};

/* Ios that take turns with those of other lanes while limits hold them back; see throttle.c. */
struct block_lane {
    struct io_fifo ios;
    TAILQ_ENTRY(block_lane) link; /* in the turns of whose limits it waits for, while it has ios */
};

/*
 * A cgroup. Weights are in the units of block_settings.cgroup_version: 1: 10 to
 * 1000, default 500, the root 1000; 2: 1 to 10000, default 100, the root 200.
 * `weight` is its share among its siblings; `leaf_weight` that of its own
 * processes among its children.
 */
struct block_group {
    struct block_group *parent; /* NULL: the root */
    LIST_HEAD(, block_group) children;
    LIST_ENTRY(block_group) sibling;
    char *path;  /* "a/b"; "" is the root */
    uint32_t id; /* 0 is the root; never used again */
    uint32_t weight, leaf_weight;
    uint32_t contexts; /* processes in it */
    uint32_t requests; /* allocated, not yet freed */
    struct block_pool pool;
    struct block_group_stat stat;
    struct block_throttle *throttle; /* limits; NULL: it never had any */
    struct block_lane lane[2];       /* index: 1 write; what came through it and waits for the parent's limits */
    void *sched;                     /* the scheduler's; NULL when it first sees the group; its group_exit() frees it */
    UT_hash_handle hh;
};

/* --- processes --- */

struct block_context_stat {
    uint64_t ios[2], bytes[2]; /* struct ios completed; index: 1 write */
    uint64_t merged;           /* of them those that found a request to go along with */
    int64_t service_ns;        /* in the drive, each request charged to its first issuer */
    int64_t wait_ns;           /* from allocation to the drive */
};

struct block_context {
    uint32_t id;     /* io->owner */
    char *name;      /* never NULL */
    uint16_t ioprio; /* as set; 0: from nice */
    int8_t nice;     /* -20 to 19 */
    bool exited;     /* nothing more will come, though its requests may still be under way */
    bool described;
    uint16_t cpu;    /* of block_settings.cpus: which software queue a multi-queue scheduler files it under */
    uint32_t change; /* counts changes of ioprio, nice and group */
    struct block_group *group;
    uint32_t requests; /* allocated, not yet freed */
    struct block_context_stat stat;
    void *sched; /* the scheduler's; NULL when it first sees the process; its context_exit() frees it */

    /* the block layer's own */
    struct block *block;
    struct {
        TAILQ_HEAD(, request) list;
        uint32_t depth, count; /* nested plugs; requests in it */
    } plug;
    TAILQ_ENTRY(block_context) plug_link;
    struct io_fifo held, fence; /* not submitted as it sleeps for a request; as a flush, or a write behind one, waits */
    bool asleep;
    uint8_t asleep_on; /* half of the pool */
    struct block_pool *asleep_pool;
    TAILQ_ENTRY(block_context) wait_link;
    uint32_t batch; /* requests it may still take over the limit */
    int64_t batch_ns;
    uint32_t writes, flushes; /* ios on their way */
    UT_hash_handle hh;
};

/* The class and level that count: its own, or from nice. Class is never IOPRIO_NONE. */
static inline unsigned context_class(const struct block_context *c) {
    unsigned class = ioprio_class_of(c->ioprio);
    return class == IOPRIO_NONE ? IOPRIO_BE : class;
}
static inline unsigned context_level(const struct block_context *c) {
    return ioprio_class_of(c->ioprio) == IOPRIO_NONE ? ioprio_from_nice(c->nice) : ioprio_level_of(c->ioprio);
}

/* What may be said of a process before its first request, or later: changes of ioprio and group count from then. */
struct block_context_settings {
    const char *name;    /* NULL: "owner N" */
    int prioclass, prio; /* -1: not given. A level without a class is of class BE */
    int nice;
    const char *cgroup;        /* path from the root, made if need be; NULL or "": the root */
    uint32_t cgroup_weight;    /* of that group; 0: as it is */
    const char *cgroup_limits; /* as block_group_set_limits(); NULL or "": as they are */
};

/* 0, or -EINVAL, -ENOMEM with `e` naming what is allowed; nothing changed then. */
int block_context_describe(struct block *b, uint32_t owner, const struct block_context_settings *s, struct err *e);

/* The process, made with defaults if there is none yet. NULL: no memory. O(1). */
struct block_context *block_context_get(struct block *b, uint32_t owner);

/* The process, or NULL. */
struct block_context *block_context_find(struct block *b, uint32_t owner);

/* It has ended. What it has submitted still completes; its id may come back and is then a new life of the same. */
void block_context_exit(struct block *b, uint32_t owner);

/* Call `each` for all, in the order of their creation. */
void block_contexts(struct block *b, void (*each)(void *arg, struct block_context *), void *arg);

/* --- cgroups, by path --- */

/* Find, or make with all its parents. NULL with `e`: a bad path, too many, no memory. */
struct block_group *block_group_get(struct block *b, const char *path, struct err *e);
struct block_group *block_group_find(struct block *b, const char *path);

/* 0, or -EINVAL with `e` naming the range. The scheduler hears of it. */
int block_group_set_weight(struct block *b, struct block_group *g, long weight, struct err *e);
int block_group_set_leaf_weight(struct block *b, struct block_group *g, long weight, struct err *e);
/* Whether it would do, so that several settings are all or none; `what` is named in `e`. */
int block_group_check_weight(const struct block *b, const struct block_group *g, const char *what, long weight,
                             struct err *e);

/*
 * What io.max of cgroup version 2 takes: "rbps=10M wiops=max", all, some or none
 * of rbps, wbps, riops, wiops; those not named stay. 0, or -EINVAL with `e` and
 * nothing changed, -ENOMEM.
 */
int block_group_set_limits(struct block *b, struct block_group *g, const char *text, struct err *e);
/* Of all cgroups; what was held back goes on: before an end that waits for it. */
void block_lift_limits(struct block *b);
/* All four. 128 bytes are enough. */
void block_group_limits_text(const struct block_group *g, char *text, size_t size);

/* Its processes go to its parent. -EBUSY with `e`: it has children, is the root, or has requests under way. */
int block_group_remove(struct block *b, struct block_group *g, struct err *e);

void block_groups(struct block *b, void (*each)(void *arg, struct block_group *), void *arg);

#endif
