/*
 * CFQ told again, the slow way: no trees, no counters. Whatever is asked is
 * looked for among all queues and all requests each time, following the rules
 * of the published behaviour (Linux 4.4.155) one by one. Independent of the
 * scheduler's files; only numbers of its tunables are shared.
 */
#ifndef DRIVELAB_TESTS_CFQ_ORACLE_H
#define DRIVELAB_TESTS_CFQ_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

enum { O_QUEUES = 256, O_REQUESTS = 8192, O_PROCS = 32, O_GROUPS = 8 };
enum { O_RT, O_BE, O_IDLE };           /* classes */
enum { O_ASYNC, O_NOIDLE, O_SYNC };    /* kinds of work */
enum { O_QUEUED = 1, O_SENT, O_DONE }; /* states of a request */

struct o_think {
    int64_t last, total, mean, samples;
};

struct o_request {
    int state, queue, proc;
    uint64_t sector, sectors, order;
    bool sync, prio, noidle;
    int64_t expires, born;
};

struct o_queue {
    bool alive, sync;
    int group, class, level, processes, owner; /* owner: which process it was made for, -1: none */
    bool busy, waiting, must, looked, window, reprio, fresh, shared, split, deep, wait_busy;
    int next; /* request, -1: none */
    int in_drive;
    int tree_group, tree_class, tree_kind;
    int64_t key;
    uint64_t key_order;
    bool placed;
    int place_level;
    uint64_t place;
    int64_t dispatch_start, start, end, allocated, left;
    int64_t sent_in_slice;
    uint32_t seeks;
    uint64_t last_end;
    int heir; /* queue, -1 */
};

struct o_group {
    int parent;
    int64_t weight, leaf, new_weight, new_leaf; /* applied, given */
    bool known, listed;
    int64_t vtime, fraction;
    uint64_t list_order;
    int64_t mean[2];
    int64_t saved;
    int saved_class, saved_kind;
    struct o_think think, tree[3][3];
    int async[2][8], async_idle;
};

struct o_proc {
    bool known;
    int queue[2], group, class, level, seen_class, seen_level;
    struct o_think think;
};

struct oracle {
    bool flash;
    int64_t hz, now; /* jiffies */
    int64_t quantum, expire_sync, expire_async, back_max, back_penalty, slice_sync, slice_async, slice_async_rq,
        slice_idle, group_idle, low_latency, target, preempt_empty;
    struct o_request rq[O_REQUESTS];
    struct o_queue q[O_QUEUES];
    struct o_group g[O_GROUPS];
    struct o_proc p[O_PROCS];
    int requests, first, queues, groups, procs; /* requests below `first` are done */
    uint64_t orders;
    int active, active_proc; /* -1 */
    int class, kind;
    int64_t workload_end, min_vtime, late, timer; /* timer: -1 off */
    int tag, most, samples, in_drive;
    uint64_t head;
};

void oracle_init(struct oracle *o, int64_t hz, bool flash);
int oracle_insert(struct oracle *o, int proc, uint64_t sector, uint64_t sectors, bool sync, bool prio, bool noidle);
int oracle_dispatch(struct oracle *o); /* request, -1: none; the drive takes it */
void oracle_complete(struct oracle *o, int rq);
void oracle_timer(struct oracle *o); /* it is due now */

#endif
