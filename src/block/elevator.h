/*
 * What an I/O scheduler is to the block layer ("elevator", as in Linux). Each
 * is one file under elevator/ with one struct elevator_ops, a row of elevators[].
 *
 * Two kinds, told apart by which of two methods they have:
 *   - single-queue (Linux up to 4.x): `dispatch` moves requests to the dispatch
 *     list, from whose head the drive takes them;
 *   - multi-queue: `next` hands out one request for the drive at once.
 *
 * Order of calls for one request:
 *     [allow_merge, find_merge: the io went into another request: merged, bio_merged]
 *     may_queue or limit_depth, set_request, (plug), insert,
 *     [merged..., merge_requests with another],
 *     dispatch/next, activate, completed, put_request
 * A request that was merged into another ends with merge_requests, put_request.
 * Requests forgotten at a power cut, wherever they were, end with put_request alone,
 * a queued one without having been taken out of anything: release() comes right after.
 * A request that was plugged may be merged before insert.
 *
 * Calls are never nested into each other, except where it says so: a scheduler
 * that wants `dispatch` to be called (again) says elevator_kick() and is called
 * when the present call is over. Everything happens on the drive's thread.
 *
 * Schedulers allocate in init, context and group set-up, never per request:
 * struct request has room for a tree node, a FIFO link and some words.
 */
#ifndef DRIVELAB_BLOCK_ELEVATOR_H
#define DRIVELAB_BLOCK_ELEVATOR_H

#include "block/context.h"
#include "block/request.h"
#include "sim/sim.h"

struct json_t;
struct elevator;

enum elevator_merge { ELEVATOR_NO_MERGE, ELEVATOR_BACK_MERGE, ELEVATOR_FRONT_MERGE };
enum elevator_place { ELEVATOR_TAIL, ELEVATOR_HEAD };
enum elevator_may { ELEVATOR_MAY, ELEVATOR_MUST }; /* MUST: even beyond the pool's limit */

/* How a tunable is kept and shown. Each is one int64_t of the scheduler's struct. */
enum tunable_type {
    TUNABLE_INT,     /* as it is */
    TUNABLE_BOOL,    /* 0 or 1 */
    TUNABLE_JIFFIES, /* kept in jiffies, shown and given in ms */
    TUNABLE_MS,      /* kept in ns, shown and given in ms */
    TUNABLE_US,      /* kept in ns, shown and given in us */
    TUNABLE_NS,
    TUNABLE_TEXT, /* read-only: see show */
};

/* Functions Linux's schedulers read their files with, by the numbers they refuse. */
enum tunable_number {
    TUNABLE_ANY,      /* simple_strtol(), simple_strtoul() of 4.4: none */
    TUNABLE_UNSIGNED, /* kstrtoul(), kstrtoull(): negative ones */
    TUNABLE_KSTRTOINT /* kstrtoint(): what isn't an int */
};

/*
 * One file under iosched/. Range and default are in the unit it is shown in.
 * Outside the range: clamped as Linux's files do, with a note to the user; what
 * the scheduler's files can't even read (elevator_ops.reads) is refused.
 */
struct elevator_tunable {
    const char *name; /* NULL ends the table */
    enum tunable_type type;
    size_t offset; /* of an int64_t in the scheduler's struct */
    int64_t min, max, def;
    const char *unit, *help;
    int64_t (*def_for)(const struct elevator *); /* default that depends on drive or hz, kept unit; NULL: def */
    void (*changed)(struct elevator *);          /* after a new value was stored; may be NULL */
    void (*show)(const struct elevator *, char *, size_t); /* TUNABLE_TEXT */
};

/* Methods may be NULL unless it says otherwise. */
struct elevator_ops {
    const char *name;
    const char *summary;                     /* one line, for help and documentation */
    size_t size;                             /* of the scheduler's struct, whose first member is struct elevator */
    const struct elevator_tunable *tunables; /* NULL: none */
    enum tunable_number reads;               /* what its files take for a number */
    bool own_merges; /* find_merge is all there is: no hint of the last merge, no hash (kyber, none) */
    bool zones;      /* may be used with a zoned drive, whose zones are to be written in order */

    /* Its struct is zeroed, base and tunables are set. 0, or -ENOMEM... with `e`; release() isn't called then.
     * Required. */
    int (*init)(struct elevator *, struct err *e);
    /*
     * Free what init() made, cancel timers. Usually without requests, contexts
     * or groups left (their exits were called before); after a power cut or at
     * the end with requests still queued, which it must not touch.
     */
    void (*release)(struct elevator *);

    /*
     * Take a request. HEAD: before all others (multi-queue only). The queue is
     * run afterwards without being asked for. Required.
     */
    void (*insert)(struct elevator *, struct request *, enum elevator_place);

    /*
     * Single-queue: put at least one request on the dispatch list by
     * elevator_dispatch_sort() or elevator_dispatch_tail(); returns how many, 0:
     * nothing now. Called while the drive has room. `force`: the queue is
     * being emptied: whatever the policy, everything goes out, one or more a call.
     */
    unsigned (*dispatch)(struct elevator *, bool force);

    /*
     * Multi-queue: a request the drive is to have now, or NULL. It belongs to
     * the block layer from then on and nothing can merge with it any more.
     */
    struct request *(*next)(struct elevator *);

    /* Whether an io of `c` (its range fits already) may join `rq`; NULL: yes. */
    bool (*allow_merge)(struct elevator *, const struct request *rq, const struct io *io, struct block_context *c);
    /* Whether `next`, which follows `rq`, may join it; NULL: yes. */
    bool (*allow_requests_merge)(struct elevator *, const struct request *rq, const struct request *next);

    /*
     * A queued request that the io of `c` fits to, and where (front merges; with
     * own_merges back merges, too). Only a candidate: range, limits, flags
     * and allow_merge are checked by the caller (elevator_fits() helps scanning).
     */
    enum elevator_merge (*find_merge)(struct elevator *, const struct io *io, struct block_context *c,
                                      struct request **rq);

    /* `rq` has grown, and no other request was merged with it: after a front merge its start has moved. */
    void (*merged)(struct elevator *, struct request *rq, enum elevator_merge where);
    /* An io of `c` has joined `rq` (for statistics); before merged() or merge_requests(). */
    void (*io_merged)(struct elevator *, struct request *rq, const struct io *io, struct block_context *c);
    /*
     * `next` was queued and has become part of `rq`, whose range has grown
     * already: take `next` out of everything. If `rq` isn't queued here yet
     * (RQ_QUEUED), only that. After a front merge that led to this, `rq` is the earlier of the two.
     */
    void (*merge_requests)(struct elevator *, struct request *rq, struct request *next);

    /* Queued neighbours that might be contiguous; NULL method or answer: none. */
    struct request *(*former)(struct elevator *, struct request *);
    struct request *(*latter)(struct elevator *, struct request *);

    void (*activate)(struct elevator *, struct request *); /* the driver looks at it: the drive has it, or it is next */
    void (*completed)(struct elevator *, struct request *); /* the drive has done it; before put_request */

    /* The request was allocated for `io` of rq->context. 0, or -ENOMEM: the io fails. Not called for flushes, and for
     * FUA writes of a multi-queue scheduler only. */
    int (*set_request)(struct elevator *, struct request *, const struct io *io);
    void (*put_request)(struct elevator *, struct request *);

    /* Single-queue: whether a process may have one more though the pool is full. Called for every allocation. */
    enum elevator_may (*may_queue)(struct elevator *, struct block_context *, bool sync);
    /* Multi-queue: how many requests there may be, at most `depth`, for one more of this kind to be had. */
    uint32_t (*limit_depth)(struct elevator *, uint32_t depth, const struct io *io, struct block_context *);

    /*
     * The process ends (c->exited) or the scheduler goes: let go of c->sched, which may be NULL, and set it to NULL.
     * Requests of the process may still be under way: what they point to must live on until their put_request().
     */
    void (*context_exit)(struct elevator *, struct block_context *);
    void (*context_changed)(struct elevator *, struct block_context *); /* ioprio, nice or group */
    /* The group is removed, which has no requests, or the scheduler goes: free g->sched, set it to NULL. */
    void (*group_exit)(struct elevator *, struct block_group *);
    void (*group_changed)(struct elevator *, struct block_group *); /* weights */

    bool (*has_work)(const struct elevator *);            /* any request that isn't dispatched yet. Required. */
    void (*depth_changed)(struct elevator *);             /* nr_requests or the drive's depth */
    struct json_t *(*stats)(const struct elevator *);     /* new JSON object */
    int (*check)(const struct elevator *, struct err *e); /* self-check of its invariants, for tests: 0 or -EINVAL */
};

/* Base of every scheduler's struct; set before init(). */
struct elevator {
    const struct elevator_ops *ops;
    struct block *block;
    struct sim *sim;
    int64_t jiffy_ns; /* 1 s / hz */
    uint32_t hz;
};

/* All schedulers, in the order Linux shows them; ended by NULL. */
extern const struct elevator_ops *const elevators[];

/* By name; NULL with `e` naming all. */
const struct elevator_ops *elevator_find(const char *name, struct err *e);

/* Whether "NAME,tunable=value,..." names a scheduler and tunables of it; values are looked at when they are set. */
int elevator_check_spec(const char *spec, struct err *e);

/* --- time --- */

static inline int64_t elevator_now(const struct elevator *e) {
    return sim_now(e->sim);
}

/* The clock of Linux's older schedulers; 0 at the start of the simulation. */
static inline int64_t elevator_jiffies(const struct elevator *e) {
    return sim_now(e->sim) / e->jiffy_ns;
}

/* Milliseconds in jiffies, rounded up as msecs_to_jiffies() does. */
static inline int64_t elevator_ms_to_jiffies(const struct elevator *e, int64_t ms) {
    return (ms * e->hz + 999) / 1000;
}

/* --- dispatching (single-queue); Linux 4.4 elevator.c, elv_dispatch_sort() and elv_dispatch_add_tail() --- */

/* Put `rq`, already out of the scheduler's own containers, in the order of a one-way elevator. O(length of the list).
 */
void elevator_dispatch_sort(struct elevator *e, struct request *rq);
/* Put it last. */
void elevator_dispatch_tail(struct elevator *e, struct request *rq);

/*
 * Have the queue run: at once from a timer's callback, else when the call
 * under way is over. This is how to go on after idling: an event of the
 * scheduler's own, scheduled by sim_schedule(e->sim, ...), that ends in this.
 */
void elevator_kick(struct elevator *e);

/* --- what a scheduler may want to know --- */

bool elevator_rotational(const struct elevator *e);      /* queue attribute */
uint32_t elevator_nr_requests(const struct elevator *e); /* in init(): what there will be */
uint32_t elevator_cpus(const struct elevator *e);        /* software queues; block_context.cpu is below it */
uint64_t
elevator_zone_sectors(const struct elevator *e); /* 0: not zoned; else every zone is to be written sequentially */
uint32_t elevator_zones(const struct elevator *e);
bool elevator_cgroup_v2(const struct elevator *e); /* which weights block_group has */

/* Whether `io` lies right behind or before `rq`; nothing else is checked. */
enum elevator_merge elevator_fits(const struct request *rq, const struct io *io);

/* find_merge of schedulers that keep FIFOs: among the last few of the list, the newest first. */
enum elevator_merge elevator_fits_recent(const struct request_list *list, const struct io *io, struct request **found);

/* Of an io: RQ_SYNC, RQ_PRIO, RQ_META, RQ_NOIDLE and so on, as a request of it alone would have. */
uint32_t elevator_io_flags(const struct io *io);
static inline bool elevator_io_sync(const struct io *io) {
    return io->op == IO_READ || (io->flags & IO_SYNC);
}
static inline bool elevator_io_write(const struct io *io) {
    return io->op != IO_READ;
}
static inline uint64_t elevator_io_sector(const struct io *io) {
    return io->offset >> SECTOR_SHIFT;
}
static inline uint64_t elevator_io_end(const struct io *io) {
    return (io->offset + io->bytes) >> SECTOR_SHIFT;
}

/* --- for timelines --- */

enum elevator_event {
    ELEVATOR_SLICE_BEGIN, /* `c` (NULL: shared or no one's) has the drive to itself from now on */
    ELEVATOR_SLICE_END,
    ELEVATOR_IDLE_BEGIN, /* nothing is dispatched though there may be work, waiting for `c` */
    ELEVATOR_IDLE_END,
};

/* Tell whoever draws it; costs next to nothing if nobody does. */
void elevator_note(struct elevator *e, enum elevator_event what, const struct block_context *c);

#endif
