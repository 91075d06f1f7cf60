/*
 * CFQ without a block layer: the calls a scheduler makes are answered here, a
 * request at a time, so that tests decide when each is inserted, asked for and
 * completed, and see what the timer does. On top of it a drive of one arm and
 * processes that read, for the rules about shares.
 */
#ifndef DRIVELAB_TESTS_CFQ_BED_H
#define DRIVELAB_TESTS_CFQ_BED_H

#include "block/elevator/cfq_int.h"
#include "block/elevator/elevators.h"

#define BED_CONTEXTS 32
#define BED_GROUPS   8
#define BED_MS       1000000LL

/* What the scheduler thinks is its queue. */
struct block {
    struct sim *sim;
    struct cfq *c;
    bool flash;
    bool kicked;
    struct request_list dispatched; /* by the scheduler, not yet taken by the drive */
    TAILQ_HEAD(, request) alive;    /* by hash_link */
    struct block_group group[BED_GROUPS];
    struct block_context context[BED_CONTEXTS];
    uint32_t groups, contexts;
    uint32_t noted[4]; /* events for timelines */

    /* the drive of bed_run() */
    uint32_t depth, in_drive;
    bool looks_ahead;       /* the driver: see block/dispatch.c */
    struct request *ahead;  /* what it looked at and has no room for */
    struct request_list in; /* in the drive, served in turn */
    struct sim_event served, kick;
    bool running;
    int64_t service_ns, seek_ns; /* of each request; more if it isn't where the last one ended */
    uint64_t head;
    struct bed_reader *reader;
    uint32_t readers;
    uint64_t inserted, completed;
    int64_t busy_from_ns;
};

/* A process of bed_run(): `depth` requests at once, the next one after each completion; with depth 1 `think_ns` later.
 */
struct bed_reader {
    struct block *b;
    uint32_t context;         /* its readers[] index, too */
    bool random, write, sync; /* a write is async unless `sync` */
    uint32_t flags;           /* more flags of its requests */
    uint32_t depth;
    uint64_t sectors, at;         /* size of a request; where the next begins */
    int64_t think_ns, service_ns; /* service_ns: of its requests, if not the bed's */
    struct sim_event again;
    uint64_t done;   /* requests */
    int64_t used_ns; /* of the drive */
    int64_t last_ns, longest_gap_ns;
    int64_t worst_ns; /* latency */
};

void bed_start(struct block *b, uint32_t hz, bool flash);
void bed_stop(struct block *b);

/* The root is group 0. */
uint32_t bed_group(struct block *b, uint32_t parent, uint32_t weight, uint32_t leaf_weight);
/* `ioprio` as ioprio_value(). */
uint32_t bed_context(struct block *b, uint32_t group, uint16_t ioprio);

/* A new request, inserted; the caller's until bed_complete() and bed_free(). */
struct request *bed_insert(struct block *b, uint32_t context, uint64_t sector, uint64_t sectors, bool write,
                           uint32_t flags);

/* Ask for one request and have the drive take it. NULL: nothing now. */
struct request *bed_dispatch(struct block *b);

/* Complete it and free it. */
void bed_complete(struct block *b, struct request *rq);

void bed_advance(struct block *b, int64_t ns);
struct cfq_queue *bed_queue(struct block *b, uint32_t context, bool sync);
void bed_check(struct block *b);

/* Let `n` readers run for a while on the bed's drive. */
void bed_run(struct block *b, struct bed_reader *readers, uint32_t n, int64_t ns);

#endif
