/*
 * deadline: two sweeps, one for reads, one for writes, each broken off for a
 * request that has waited too long; reads are preferred a limited number of times.
 *
 * Faithful: Linux 4.4 block/deadline-iosched.c. Batches of up to fifo_batch
 * requests of one direction in ascending order; deadlines are looked at between
 * batches only; no wrap-around: after the last sector the oldest request is next;
 * changing direction restarts at its oldest.
 * Simplified, not modelled: nothing.
 *
 * Invariants: a queued request is in sort and fifo of its direction; next[d] is
 * in sort[d] or NULL; at most one of them is set.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>

#include "block/elevator/elevators.h"

struct deadline {
    struct elevator elevator; /* first */
    struct request_tree sort[2];
    struct request_list fifo[2];
    struct request *next[2]; /* follower of the last one dispatched */
    int64_t batching, starved;
    uint32_t queued;
    int64_t expire[2], fifo_batch, writes_starved, front_merges; /* tunables; index: 1 write */
    uint64_t batches[2], expired[2];
};

static struct deadline *deadline_of(const struct elevator *e) {
    return (struct deadline *)e;
}

static int deadline_init(struct elevator *e, struct err *err) {
    struct deadline *d = deadline_of(e);
    for (unsigned dir = 0; dir < 2; dir++) {
        RB_INIT(&d->sort[dir]);
        TAILQ_INIT(&d->fifo[dir]);
    }
    return 0;
}

static void deadline_insert(struct elevator *e, struct request *rq, enum elevator_place place) {
    struct deadline *d = deadline_of(e);
    request_tree_insert(&d->sort[rq->write], rq);
    rq->expiry = elevator_jiffies(e) + d->expire[rq->write];
    TAILQ_INSERT_TAIL(&d->fifo[rq->write], rq, link);
    d->queued++;
}

static void deadline_remove(struct deadline *d, struct request *rq) {
    if (d->next[rq->write] == rq)
        d->next[rq->write] = request_tree_next(rq);
    request_tree_remove(&d->sort[rq->write], rq);
    TAILQ_REMOVE(&d->fifo[rq->write], rq, link);
    d->queued--;
}

/* --- dispatching --- */

static void deadline_move(struct deadline *d, struct request *rq) {
    d->batching++;
    d->next[0] = d->next[1] = NULL;
    d->next[rq->write] = request_tree_next(rq);
    deadline_remove(d, rq);
    elevator_dispatch_tail(&d->elevator, rq);
}

/* The direction of a new batch; -1: nothing to do. */
static int direction(struct deadline *d) {
    bool reads = !TAILQ_EMPTY(&d->fifo[0]), writes = !TAILQ_EMPTY(&d->fifo[1]);
    if (reads && !(writes && d->starved++ >= d->writes_starved))
        return 0;
    if (!writes)
        return -1;
    d->starved = 0;
    return 1;
}

static unsigned deadline_dispatch(struct elevator *e, bool force) {
    struct deadline *d = deadline_of(e);
    struct request *rq = d->next[1] ? d->next[1] : d->next[0];
    if (rq && d->batching < d->fifo_batch) {
        deadline_move(d, rq);
        return 1;
    }
    int dir = direction(d);
    if (dir < 0)
        return 0;
    struct request *oldest = TAILQ_FIRST(&d->fifo[dir]);
    bool late = elevator_jiffies(e) >= oldest->expiry;
    d->expired[dir] += late;
    d->batches[dir]++;
    d->batching = 0;
    deadline_move(d, late || !d->next[dir] ? oldest : d->next[dir]);
    return 1;
}

/* --- merging --- */

static enum elevator_merge deadline_find_merge(struct elevator *e, const struct io *io, struct block_context *c,
                                               struct request **rq) {
    struct deadline *d = deadline_of(e);
    if (!d->front_merges)
        return ELEVATOR_NO_MERGE;
    *rq = request_tree_find(&d->sort[elevator_io_write(io)], elevator_io_end(io));
    return *rq ? ELEVATOR_FRONT_MERGE : ELEVATOR_NO_MERGE;
}

static void deadline_merged(struct elevator *e, struct request *rq, enum elevator_merge where) {
    struct request_tree *sort = &deadline_of(e)->sort[rq->write];
    if (where != ELEVATOR_FRONT_MERGE)
        return;
    request_tree_remove(sort, rq);
    request_tree_insert(sort, rq);
}

static void deadline_merge_requests(struct elevator *e, struct request *rq, struct request *next) {
    struct deadline *d = deadline_of(e);
    struct request_list *fifo = &d->fifo[rq->write];
    if (rq->flags & RQ_QUEUED && next->expiry < rq->expiry) {
        TAILQ_REMOVE(fifo, rq, link);
        TAILQ_INSERT_AFTER(fifo, next, rq, link);
        rq->expiry = next->expiry;
    }
    deadline_remove(d, next);
}

static struct request *deadline_former(struct elevator *e, struct request *rq) {
    return request_tree_prev(rq);
}

static struct request *deadline_latter(struct elevator *e, struct request *rq) {
    return request_tree_next(rq);
}

/* --- the rest --- */

static bool deadline_has_work(const struct elevator *e) {
    return deadline_of(e)->queued;
}

static json_t *deadline_stats(const struct elevator *e) {
    const struct deadline *d = deadline_of(e);
    return json_pack("{s:I,s:I,s:I,s:I}", "read_batches", (json_int_t)d->batches[0], "write_batches",
                     (json_int_t)d->batches[1], "expired_reads", (json_int_t)d->expired[0], "expired_writes",
                     (json_int_t)d->expired[1]);
}

static int check_direction(struct deadline *d, bool write, uint32_t *count, struct err *err) {
    const struct request *before = NULL, *rq;
    uint32_t in_fifo = 0;
    bool next_found = !d->next[write];
    for (struct request *at = request_tree_first(&d->sort[write]); at; at = request_tree_next(at)) {
        if (before && before->sector > at->sector)
            return err_set(err, EINVAL, "deadline: sector %" PRIu64 " sorted before %" PRIu64, before->sector,
                           at->sector);
        next_found |= at == d->next[write];
        before = at;
        ++*count;
    }
    TAILQ_FOREACH(rq, &d->fifo[write], link)
    in_fifo++;
    *count -= in_fifo;
    if (*count || !next_found)
        return err_set(err, EINVAL, "deadline: tree and FIFO differ, or the next request isn't queued");
    *count = in_fifo;
    return 0;
}

static int deadline_check(const struct elevator *e, struct err *err) {
    struct deadline *d = deadline_of(e);
    uint32_t reads = 0, writes = 0;
    int rc = check_direction(d, false, &reads, err);
    rc = rc ? rc : check_direction(d, true, &writes, err);
    if (rc)
        return rc;
    if (reads + writes != d->queued || (d->next[0] && d->next[1]))
        return err_set(err, EINVAL, "deadline: %" PRIu32 " requests counted, %" PRIu32 " queued", d->queued,
                       reads + writes);
    return 0;
}

#define AT(field) offsetof(struct deadline, field)

static const struct elevator_tunable deadline_tunables[] = {
    {"read_expire", TUNABLE_JIFFIES, AT(expire[0]), .max = INT_MAX, .def = 500, .unit = "ms",
     .help = "a read that has waited this long is next when its direction's batch ends"},
    {"write_expire", TUNABLE_JIFFIES, AT(expire[1]), .max = INT_MAX, .def = 5000, .unit = "ms",
     .help = "the same for writes"},
    {"writes_starved", TUNABLE_INT, AT(writes_starved), .min = INT_MIN, .max = INT_MAX, .def = 2, .unit = "batches",
     .help = "of reads while writes wait"},
    {"front_merges", TUNABLE_BOOL, AT(front_merges), .max = 1, .def = 1, .help = "look for requests an io ends at"},
    {"fifo_batch", TUNABLE_INT, AT(fifo_batch), .max = INT_MAX, .def = 16, .unit = "requests",
     .help = "of one direction in ascending order"},
    {NULL},
};

const struct elevator_ops elevator_deadline = {
    .name = "deadline",
    .summary = "ascending sweeps of reads and of writes, with deadlines",
    .size = sizeof(struct deadline),
    .tunables = deadline_tunables,
    .init = deadline_init,
    .insert = deadline_insert,
    .dispatch = deadline_dispatch,
    .find_merge = deadline_find_merge,
    .merged = deadline_merged,
    .merge_requests = deadline_merge_requests,
    .former = deadline_former,
    .latter = deadline_latter,
    .has_work = deadline_has_work,
    .stats = deadline_stats,
    .check = deadline_check,
};
