/*
 * none: no scheduler on a multi-queue block layer. Each CPU has a FIFO, and the
 * drive is given requests as long as it takes them.
 *
 * Faithful: Linux 6.8 blk-mq.c, blk-mq-sched.c without an elevator: an io is
 * merged only into the newest eight requests of its own CPU's queue, and only
 * while they wait for a place in the drive; queues take turns.
 * Simplified: one hardware queue; the request that finds a place in the drive
 * goes there at once, batches of several software queues are not formed.
 */
#include <errno.h>
#include <stdlib.h>

#include "block/elevator/elevators.h"

struct none {
    struct elevator elevator; /* first */
    uint32_t cpus, turn;      /* the queue to be looked at first */
    struct request_list *queue;
    uint32_t queued;
};

static struct none *none_of(const struct elevator *e) {
    return (struct none *)e;
}

static int none_init(struct elevator *e, struct err *err) {
    struct none *n = none_of(e);
    n->cpus = elevator_cpus(e);
    n->queue = calloc(n->cpus, sizeof *n->queue);
    if (!n->queue)
        return err_set(err, ENOMEM, "no memory for the queues of %u CPUs", n->cpus);
    for (uint32_t i = 0; i < n->cpus; i++)
        TAILQ_INIT(&n->queue[i]);
    return 0;
}

static void none_release(struct elevator *e) {
    free(none_of(e)->queue);
}

static struct request_list *queue_of(struct none *n, const struct block_context *c) {
    return &n->queue[c->cpu];
}

static void none_insert(struct elevator *e, struct request *rq, enum elevator_place place) {
    struct none *n = none_of(e);
    n->queued++;
    if (place == ELEVATOR_HEAD)
        TAILQ_INSERT_HEAD(queue_of(n, rq->context), rq, link);
    else
        TAILQ_INSERT_TAIL(queue_of(n, rq->context), rq, link);
}

static struct request *none_next(struct elevator *e) {
    struct none *n = none_of(e);
    if (!n->queued)
        return NULL;
    uint32_t at = n->turn;
    while (TAILQ_EMPTY(&n->queue[at]))
        at = at + 1 == n->cpus ? 0 : at + 1;
    struct request *rq = TAILQ_FIRST(&n->queue[at]);
    TAILQ_REMOVE(&n->queue[at], rq, link);
    n->queued--;
    n->turn = at + 1 == n->cpus ? 0 : at + 1;
    return rq;
}

static enum elevator_merge none_find_merge(struct elevator *e, const struct io *io, struct block_context *c,
                                           struct request **found) {
    return elevator_fits_recent(queue_of(none_of(e), c), io, found);
}

static bool none_has_work(const struct elevator *e) {
    return none_of(e)->queued;
}

const struct elevator_ops elevator_none = {
    .name = "none",
    .summary = "no scheduler: a FIFO for each CPU",
    .size = sizeof(struct none),
    .zones = true,
    .own_merges = true,
    .init = none_init,
    .release = none_release,
    .insert = none_insert,
    .next = none_next,
    .find_merge = none_find_merge,
    .has_work = none_has_work,
};
