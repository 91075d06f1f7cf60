/*
 * A request: one or more struct io (what Linux calls bios) that lie next to
 * each other and go to the drive as one; and the containers that schedulers
 * keep requests in.
 *
 * Life: allocated from the pool for an io, perhaps plugged, inserted into the
 * scheduler (or merged into another request and freed), moved to the dispatch
 * list or handed out, taken by the drive, completed, freed.
 *
 * Units: a sector is 512 bytes everywhere; times are nanoseconds of the
 * simulation unless a name says jiffies.
 */
#ifndef DRIVELAB_BLOCK_REQUEST_H
#define DRIVELAB_BLOCK_REQUEST_H

#include <bsd/sys/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "drive/io.h"

struct block;
struct block_context;
struct block_group;

#define SECTOR_SHIFT 9

enum request_flag {
    RQ_SYNC = 1u << 0,        /* somebody waits for it: every read, and writes that say so */
    RQ_PRIO = 1u << 1,        /* metadata that is to be preferred */
    RQ_META = 1u << 2,        /* metadata */
    RQ_NOIDLE = 1u << 3,      /* the issuer won't send more at once: don't wait for it (fsync, journal) */
    RQ_FUA = 1u << 4,         /* durable before it completes */
    RQ_NOMERGE = 1u << 5,     /* never merged */
    RQ_SOFTBARRIER = 1u << 6, /* nothing is sorted across it on the dispatch list */
    RQ_STARTED = 1u << 7,     /* the drive, or its driver, has looked at it */
    RQ_SCHEDULED = 1u << 8,   /* set_request() was called; put_request() will be */
    RQ_QUEUED = 1u << 9,      /* inserted into the scheduler and not yet dispatched by it */
    RQ_HASHED = 1u << 10,     /* in the hash of ends */
    RQ_SPLIT = 1u << 11,      /* a piece of an io larger than a request may be */
    RQ_ACCOUNTED = 1u << 12,  /* counted in the statistics */
    RQ_IN_DRIVE = 1u << 13,   /* between the drive taking it and completing it */
    RQ_THROTTLED = 1u << 14,  /* counted by writeback throttling */
};

/* Words of a request that are the scheduler's alone; zero when set_request() or insert() first sees it. */
struct request_private {
    void *ptr[3];
    uint64_t word[2];
};

struct request {
    /* what it is; kept up to date by the block layer when it grows */
    uint64_t sector, sectors; /* range; both change by front merges, the second by back merges */
    uint32_t flags;           /* enum request_flag */
    uint8_t op;               /* enum io_op */
    bool write;               /* data direction: everything but a read */
    uint16_t ioprio;        /* ioprio_value() as set for the issuer; 0 (class NONE): not set. Best of what was merged */
    uint32_t segments, ios; /* pieces of memory; struct ios in it */
    struct block *block;
    struct block_context *context; /* the issuer of its first io; never NULL */
    struct block_group *group;     /* the cgroup it is charged to; never NULL */
    int64_t start_ns;              /* when it was allocated; after merges the oldest */
    int64_t io_start_ns;           /* when the drive took it; 0: not yet */

    /* the scheduler's own between insert() and dispatch */
    TAILQ_ENTRY(request) link; /* its FIFO; the block layer's before (plug) and after (dispatch list) */
    RB_ENTRY(request) node;    /* struct request_tree */
    int64_t expiry;            /* when its FIFO wants it served; jiffies or ns, as the scheduler likes */
    struct request_private priv;

    /* the block layer's own */
    TAILQ_ENTRY(request) hash_link;
    uint64_t hash_end;
    struct io *head, *tail; /* parts, in the order of their offsets; linked by io->next */
    struct iovec *vec;      /* payload of several parts in one vector */
    uint32_t vec_room;
    uint8_t pool_class; /* which half of the pool it came from */
    struct block_pool *pool;
    uint64_t piece;          /* RQ_SPLIT: bytes of the io before this piece */
    struct io io;            /* what the drive gets */
    struct io_stages stages; /* of this request, as a large io has several under way; only if anybody asks */
};

/* End of its range, exclusive. */
static inline uint64_t request_end(const struct request *rq) {
    return rq->sector + rq->sectors;
}

static inline bool request_sync(const struct request *rq) {
    return rq->flags & RQ_SYNC;
}

TAILQ_HEAD(request_list, request);

/* --- requests by start sector; among equals, later inserted ones come later. O(log n) --- */

RB_HEAD(request_tree, request);
#define REQUEST_TREE_INITIALIZER RB_INITIALIZER(NULL)

void request_tree_insert(struct request_tree *tree, struct request *rq);
void request_tree_remove(struct request_tree *tree, struct request *rq);

/* The first request that starts at `sector` exactly, or NULL. */
struct request *request_tree_find(struct request_tree *tree, uint64_t sector);

/* The first request that starts at `sector` or after it, or NULL. */
struct request *request_tree_ceiling(struct request_tree *tree, uint64_t sector);

struct request *request_tree_first(struct request_tree *tree);
struct request *request_tree_next(struct request *rq); /* NULL at the end */
struct request *request_tree_prev(struct request *rq);
static inline bool request_tree_empty(const struct request_tree *tree) {
    return tree->rbh_root == NULL;
}

#endif
