/*
 * Schedulers told again, the slow way: one list of requests, looked through
 * from one end to the other each time something is asked, following the rules
 * of the published behaviour one by one. Independent of the schedulers' files.
 *
 * Times are jiffies where Linux's are, of 1 ms; BFQ's are ns, as in the scheduler.
 */
#ifndef DRIVELAB_TESTS_TOLD_H
#define DRIVELAB_TESTS_TOLD_H

#include <stdbool.h>
#include <stdint.h>

enum { T_REQUESTS = 8000, T_PROCS = 12, T_LIVES = 512, T_CPUS = 4, T_MS = 1000000, T_NONE = -1 };
enum { T_NEW, T_PLUGGED, T_QUEUED, T_SENT, T_DONE };
enum { T_RT, T_BE, T_IDLE, T_LEVELS };

struct told_request {
    int state, proc;
    int life;   /* as: of the process, which ends and begins again */
    int domain; /* kyber */
    uint64_t sector, sectors;
    bool write, sync;
    int64_t born_ns, sent_ns, deadline; /* deadline: jiffies */
    int into, ios, order;               /* none: whose part it is, or T_NONE; how many it is; when it was queued */
};

/* In the order they were added, which is the order of all FIFOs. */
struct told {
    struct told_request rq[T_REQUESTS];
    int count, in_drive, from; /* from: all before are done */
    int64_t now_ns;
    int level[T_PROCS]; /* of mq-deadline, and BFQ's class */
    int life[T_PROCS], lives;
    void *own; /* BFQ's state */

    /* tunables */
    int64_t read_expire, write_expire, fifo_batch, writes_starved, ageing;
    int64_t antic, read_batch, write_batch;
    int64_t read_target, write_target;

    struct {
        int cpus, turn, queued, plugged[T_PROCS]; /* -1: no plug, else requests in it */
    } none;
    struct {
        int next[2];
        int64_t batching, starved;
    } deadline;
    struct {
        int next[2];
        uint64_t last[2];
        int64_t checked[2], batch_end, count, left;
        int batch, state, awaited; /* awaited: a life */
        bool changing, fresh, idled, awaited_done;
        int64_t since, due; /* since: it was done; due: the timer */
        int64_t exit_prob, no_coop, new_think_total, new_think, new_seek_total, new_seek;
        struct {
            bool started, completed, exited;
            int64_t last_end, think_samples, think_total, think;
            uint64_t last, seek_samples, seek_total, seek;
        } p[T_LIVES];
    } as;
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
    void (*exits)(struct told *, int proc);
    int (*root)(const struct told *, int rq); /* the request this one has become part of, if it merges any */
};

extern const struct told_ops told_none, told_noop, told_deadline, told_as; /* sched_oracle.c */
extern const struct told_ops told_mq_deadline, told_kyber;                 /* mq_oracle.c */
extern const struct told_ops told_bfq;                                     /* bfq_oracle.c */

/* none: a plug begins or ends. */
void told_plug(struct told *, int proc, bool on);

static inline int64_t told_jiffies(const struct told *t) {
    return t->now_ns / T_MS;
}

static inline uint64_t told_end(const struct told *t, int i) {
    return t->rq[i].sector + t->rq[i].sectors;
}

/* Notes that it goes to the drive now; T_NONE goes nowhere. */
static inline int told_sent(struct told *t, int i) {
    if (i == T_NONE)
        return i;
    t->rq[i].state = T_SENT;
    t->rq[i].sent_ns = t->now_ns;
    return i;
}

#endif
