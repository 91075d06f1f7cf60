/*
 * What the files of the block layer share: the queue.
 *
 * Work on a queue is bracketed by block_enter() and block_leave(). What would
 * call back into the scheduler or wake a process is noted meanwhile and done
 * by the outermost block_leave(), so that calls of a scheduler are never nested.
 */
#ifndef DRIVELAB_BLOCK_BLOCK_INT_H
#define DRIVELAB_BLOCK_BLOCK_INT_H

#include "block/block.h"
#include "block/wbt.h"
#include "drive/line.h"

#define BLOCK_HASH_BITS        10
#define BLOCK_SMALL_IDS        4096 /* processes found without the hash */
#define SLAB_REQUESTS          64

#define BLOCK_MIN_REQUESTS     4   /* Linux: BLKDEV_MIN_RQ */
#define BLOCK_DEFAULT_REQUESTS 128 /* BLKDEV_DEFAULT_RQ */
#define BLOCK_MAX_REQUESTS     100000
#define BLOCK_DEFAULT_SECTORS  2560
#define BLOCK_MAX_SEGMENTS     128
#define BLOCK_SEGMENT_BYTES    65536
#define BLOCK_DEFAULT_DEPTH    256 /* of a drive that doesn't say */
#define BLOCK_MAX_GROUPS       65536

/* What of an io's flags the drive need not know. */
#define IO_HINTS (IO_SYNC | IO_PRIO | IO_META | IO_NOIDLE)

struct request_slab {
    struct request_slab *next;
    struct request request[SLAB_REQUESTS];
};

struct block_flush {
    struct io_fifo pending, running; /* asked for; answered by the one the drive has now */
    struct io io;
    bool ready, busy; /* to be handed to the drive; the drive has it */
};

struct block {
    struct drive_front front; /* first */
    struct drive *drive;
    struct sim *sim;
    struct drive_limits limits;
    uint64_t zone_sectors;
    uint32_t zones, max_open_zones, max_active_zones;

    /* settings and attributes */
    uint32_t hz, cpus, cgroup_version;
    int64_t jiffy_ns;
    uint32_t depth, nr_requests;
    uint32_t max_sectors, max_hw_sectors, max_segments, max_segment_bytes;
    uint32_t nomerges; /* 0, 1, 2 as the file */
    bool rotational, iostats;
    bool looks_ahead; /* the driver does: see dispatch.c */

    /* the scheduler */
    struct elevator *elevator;
    const struct elevator_ops *ops; /* of it */
    struct elevator *coming;        /* takes over when `scheduled` is 0; NULL: no switch */
    uint32_t scheduled, queued;     /* requests with RQ_SCHEDULED; with RQ_QUEUED */
    struct io_fifo frozen;          /* while a multi-queue scheduler goes */

    /* merging */
    struct request *last_merge;
    struct request_list hash[1u << BLOCK_HASH_BITS];

    /* to the drive */
    struct request_list dispatch;
    uint32_t dispatch_count;
    uint64_t end_sector;
    struct request *boundary;
    uint32_t in_drive;
    struct block_flush flush;

    /* who */
    struct block_context *contexts, *last_context; /* hash; the one found last */
    struct block_context *small[BLOCK_SMALL_IDS];
    struct block_group *groups, root; /* hash of all by path */
    uint32_t group_ids;
    bool limited; /* a group has, or had, limits */
    TAILQ_HEAD(, block_context) plugged;

    /* requests */
    struct request_slab *slabs;
    struct request_list free;
    uint32_t requests; /* allocated */
    uint64_t inside;   /* ios handed in and not yet completed */
    TAILQ_HEAD(, block_pool) waking;
    struct block_wbt wbt;

    /* bracket */
    uint32_t busy;
    bool want_run, want_finish; /* of a switch */

    struct block_stat stat;
    int64_t stat_ns;     /* when io_ns and queue_ns were last brought up to date */
    struct io_line late; /* ios that end without a request's completion, in an event of their own */
    struct block_watch *watch;
};

static inline struct block *block_of_front(struct drive_front *front) {
    return (struct block *)front; /* first member */
}

static inline void io_fifo_push(struct io_fifo *fifo, struct io *io) {
    io->next = NULL;
    if (fifo->head)
        fifo->tail->next = io;
    else
        fifo->head = io;
    fifo->tail = io;
}

static inline struct io *io_fifo_pop(struct io_fifo *fifo) {
    struct io *io = fifo->head;
    if (io)
        fifo->head = io->next;
    return io;
}

/* --- block.c --- */
static inline void block_enter(struct block *b) {
    b->busy++;
}
void block_leave(struct block *b);
void block_settle(struct block *b); /* do what was put off */
void block_forget(struct block *b); /* all requests, wherever they are */

/* --- submit.c --- */
void block_submit(struct block *b, struct io *io);
void block_submit_passed(struct block *b, struct io *io);    /* past the limits of cgroups */
void block_resume(struct block *b, struct block_context *c); /* it may go on: woken */
void block_thaw(struct block *b);                            /* what came while a switch held everything up */
void block_plug(struct block *b, struct block_context *c);
void block_unplug(struct block *b, struct block_context *c);
void block_flush_plug(struct block *b, struct block_context *c);
void block_flush_plugs(struct block *b);
/* What the drive said of the first of a list goes for the rest, which waited for it more or less long. */
void block_say_stages(struct io *first);
void block_io_end(struct block *b, struct io *io, int64_t when_ns); /* completes an io; its status is set */
void block_io_failed(struct block *b, struct io *io, const char *why);

/* --- pool.c --- */
struct request *block_request_new(struct block *b); /* zeroed; not counted; NULL: no memory */
void block_request_free(struct block *b, struct request *rq);
struct request *block_get_request(struct block *b, struct block_context *c, const struct io *io, bool *failed);
void block_own_request(struct request *rq, struct block_context *c, struct block_group *g);
void block_uncount_request(struct block *b, struct request *rq); /* its place in the pool, if any, is free */
void block_pool_init(struct block_pool *pool);
void block_pool_sleep(struct block *b, struct block_context *c, bool sync);
void block_pool_wake_all(struct block *b); /* limits have grown */
void block_pool_run_wakes(struct block *b);
uint32_t block_congestion_on(const struct block *b);
uint32_t block_congestion_off(const struct block *b);

/* --- merge.c --- */
uint32_t block_io_flags(const struct io *io); /* RQ_..., RQ_NOMERGE included */
uint32_t block_io_segments(const struct block *b, const struct io *io);
bool block_merge_plugged(struct block *b, struct block_context *c, struct io *io);
bool block_merge_queued(struct block *b, struct block_context *c, struct io *io);
bool block_merge_request(struct block *b, struct request *rq); /* of a plug that is flushed, into a queued one */
void block_hash_add(struct block *b, struct request *rq);
void block_hash_remove(struct block *b, struct request *rq);

/* --- dispatch.c --- */
void block_insert(struct block *b, struct request *rq, bool sort_merge);
void block_run(struct block *b);
void block_dispatch_append(struct block *b, struct request *rq);
void block_unqueue(struct block *b, struct request *rq);        /* it has left the scheduler */
void block_retire_request(struct block *b, struct request *rq); /* scheduler and pool let go of it; not freed */

/* --- flush.c --- */
void block_flush_submit(struct block *b, struct io *io);
void block_flush_start(struct block *b); /* the drive has room */

/* --- account.c --- */
void block_account_round(struct block *b);
void block_account_start(struct block *b, struct request *rq);
void block_account_merge(struct block *b, struct request *rq, struct block_context *c);
void block_account_absorbed(struct block *b, struct request *next);
void block_account_done(struct block *b, struct request *rq);

/* --- elevator.c --- */
struct elevator *elevator_new(struct block *b, const struct elevator_ops *ops, struct err *e);
void elevator_free(struct elevator *e);
/* "NAME[,tunable=value,...]" into a new elevator. */
struct elevator *elevator_from_spec(struct block *b, const char *spec, char *note, size_t size, struct err *e);
void elevator_copy_tunables(struct elevator *to, const struct elevator *from);
void block_take_over(struct block *b, struct elevator *e); /* the queue has nothing scheduled */
uint32_t block_requests_under(const struct block *b, const struct elevator_ops *ops); /* when it takes over */
uint32_t block_default_requests(const struct block *b, const struct elevator_ops *ops);
void block_switch_finish(struct block *b);
void block_drain(struct block *b); /* a single-queue scheduler's requests, to the dispatch list */
int elevator_tunable_set(struct elevator *e, const char *name, const char *value, char *note, size_t size,
                         struct err *err);
int elevator_tunable_get(const struct elevator *e, const char *name, char *text, size_t size, struct err *err);
/* "noop [deadline] cfq"; `zoned`: those for zoned drives only. */
void elevator_names(const struct elevator_ops *chosen, bool zoned, char *text, size_t size);

/* A decimal number as Linux's files take it, blanks around it allowed. 0; -EINVAL: none; -ERANGE: `value` is the
 * farthest there is. */
int block_parse_number(const char *text, int64_t *value);

/* --- context.c, group.c --- */
int block_groups_init(struct block *b);
void block_contexts_release(struct block *b);
void block_groups_release(struct block *b);
void block_contexts_detach(struct block *b, struct elevator *e); /* context_exit, group_exit for all */
void block_context_move(struct block *b, struct block_context *c, struct block_group *g);
uint32_t block_weight_default(const struct block *b, bool root);

static inline bool block_multi_queue(const struct block *b) {
    return !b->ops->dispatch;
}

#endif
