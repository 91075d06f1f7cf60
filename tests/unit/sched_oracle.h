/*
 * Schedulers told again, the slow way: one list of requests, looked through
 * from one end to the other each time something is asked, following the rules
 * of the published behaviour one by one. Independent of the schedulers' files.
 *
 * Times are jiffies where Linux's are, of 1 ms.
 */
#ifndef DRIVELAB_TESTS_SCHED_ORACLE_H
#define DRIVELAB_TESTS_SCHED_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

enum { T_REQUESTS = 1200, T_PROCS = 6, T_LIVES = 512, T_CPUS = 4, T_MS = 1000000, T_NONE = -1 };
enum { T_NEW, T_PLUGGED, T_QUEUED, T_SENT, T_DONE };

struct told_request {
    int state, proc, life; /* life: of the process, which ends and begins again under as */
    uint64_t sector, sectors;
    bool write, sync;
    int64_t born_ns, sent_ns, deadline; /* deadline: jiffies */
    int into, ios, order;               /* none: whose part it is, or T_NONE; how many it is; when it was queued */
};

/* In the order they were added, which is the order of all FIFOs. */
struct told {
    struct told_request rq[T_REQUESTS];
    int count, in_drive;
    int64_t now_ns;
    int life[T_PROCS], lives;

    /* tunables */
    int64_t read_expire, write_expire, fifo_batch, writes_starved;
    int64_t antic, read_batch, write_batch;

    struct {
        int next[2];
        int64_t batching, starved;
    } deadline;
    struct {
        int next[2];
        uint64_t last[2];
        int64_t checked[2], batch_end, count, left;
        int batch, state, awaited;
        bool changing, fresh, idled, awaited_done;
        /* awaited: a life */
        int64_t since, due; /* since: it was done; due: the timer */
        int64_t exit_prob, no_coop, new_think_total, new_think, new_seek_total, new_seek;
        struct {
            bool started, completed, exited;
            int64_t last_end, think_samples, think_total, think;
            uint64_t last, seek_samples, seek_total, seek;
        } p[T_LIVES];
    } as;
    struct {
        int cpus, turn, queued, plugged[T_PROCS]; /* -1: no plug, else requests in it */
    } none;
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
};

/* Of none: plugs begin and end; the request an io has become part of. */
void told_plug(struct told *, int proc, bool on);
int told_root(const struct told *, int rq);

extern const struct told_ops told[];

#endif
