/*
 * Multi-queue schedulers told again, the slow way: one list of requests, looked through
 * from one end to the other each time something is asked, following the rules
 * of the published behaviour one by one. Independent of the schedulers' files.
 *
 * Times are jiffies where Linux's are, of 1 ms; BFQ's are ns, as in the scheduler.
 */
#ifndef DRIVELAB_TESTS_MQ_ORACLE_H
#define DRIVELAB_TESTS_MQ_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

enum { T_REQUESTS = 8000, T_PROCS = 12, T_MS = 1000000, T_NONE = -1 };
enum { T_NEW, T_QUEUED, T_SENT, T_DONE };
enum { T_RT, T_BE, T_IDLE, T_LEVELS };

struct told_request {
    int state, proc, domain; /* domain: of kyber */
    uint64_t sector, sectors;
    bool write, sync;
    int64_t born_ns, sent_ns, deadline; /* deadline: jiffies */
};

/* In the order they were added, which is the order of all FIFOs. */
struct told {
    struct told_request rq[T_REQUESTS];
    int count, in_drive, from; /* from: all before are done */
    int64_t now_ns;
    int level[T_PROCS]; /* of mq-deadline, and BFQ's class */
    void *own;          /* BFQ's state */

    /* tunables */
    int64_t read_expire, write_expire, fifo_batch, writes_starved, ageing;
    int64_t read_target, write_target;

    struct {
        uint64_t latest[T_LEVELS][2];
        int dir;
        int64_t batching, starved;
        uint64_t zone; /* sectors; 0: no zones */
        bool rotational;
        int fifo[T_REQUESTS], queued; /* of all levels */
    } mq;
    struct {
        int domain, batching;
        int64_t depth[4], used[4];
        int64_t samples[3][2][8]; /* domain, which, bucket */
        int64_t end[3];
        int64_t kept[3], timer; /* jiffies; T_NONE */
    } kyber;
};

/* One scheduler. `pick` decides and notes what goes to the drive; T_NONE: nothing now. Others may be NULL. */
struct told_ops {
    const char *name;
    void (*begin)(struct told *);
    void (*added)(struct told *, int rq);
    int (*pick)(struct told *);
    void (*done)(struct told *, int rq);
    int64_t (*timer)(const struct told *); /* when it is due, or T_NONE */
    void (*fire)(struct told *);
};

extern const struct told_ops told[];
extern const struct told_ops told_bfq; /* bfq_oracle.c */

#endif
