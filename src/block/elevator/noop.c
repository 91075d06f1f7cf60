/*
 * noop: first come, first served.
 *
 * Faithful: Linux 4.4 block/noop-iosched.c. Requests leave in the order of
 * arrival, through the sorted dispatch list: if several are on it before the
 * drive takes them, they are in the order of sectors. Neighbours for merging of
 * requests are those of arrival, not of sectors; no front merges but by the
 * plug and the hint of the last merge.
 * Simplified, not modelled: nothing.
 */
#include "block/elevator/elevators.h"

struct noop {
    struct elevator elevator; /* first */
    struct request_list queue;
};

static struct noop *noop_of(const struct elevator *e) {
    return (struct noop *)e;
}

static int noop_init(struct elevator *e, struct err *err) {
    TAILQ_INIT(&noop_of(e)->queue);
    return 0;
}

static void noop_insert(struct elevator *e, struct request *rq, enum elevator_place place) {
    TAILQ_INSERT_TAIL(&noop_of(e)->queue, rq, link);
}

static unsigned noop_dispatch(struct elevator *e, bool force) {
    struct noop *n = noop_of(e);
    struct request *rq = TAILQ_FIRST(&n->queue);
    if (!rq)
        return 0;
    TAILQ_REMOVE(&n->queue, rq, link);
    elevator_dispatch_sort(e, rq);
    return 1;
}

static void noop_merge_requests(struct elevator *e, struct request *rq, struct request *next) {
    TAILQ_REMOVE(&noop_of(e)->queue, next, link);
}

static struct request *noop_former(struct elevator *e, struct request *rq) {
    return TAILQ_PREV(rq, request_list, link);
}

static struct request *noop_latter(struct elevator *e, struct request *rq) {
    return TAILQ_NEXT(rq, link);
}

static bool noop_has_work(const struct elevator *e) {
    return !TAILQ_EMPTY(&noop_of(e)->queue);
}

const struct elevator_ops elevator_noop = {
    .name = "noop",
    .summary = "first come, first served, with merging",
    .size = sizeof(struct noop),
    .init = noop_init,
    .insert = noop_insert,
    .dispatch = noop_dispatch,
    .merge_requests = noop_merge_requests,
    .former = noop_former,
    .latter = noop_latter,
    .has_work = noop_has_work,
};
