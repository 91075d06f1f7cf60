/*
 * Counting, as /sys/block/X/stat of Linux 4.4 does: times are from allocation
 * to completion, a request is in flight from its allocation, and each change of
 * their number adds to io_ticks and time_in_queue.
 */
#include "block/block_int.h"

void block_account_round(struct block *b) {
    struct block_stat *s = &b->stat;
    int64_t now = sim_now(b->sim), passed = now - b->stat_ns;
    uint32_t n = s->in_flight[0] + s->in_flight[1];
    if (n) {
        s->queue_ns += n * passed;
        s->io_ns += passed;
    }
    b->stat_ns = now;
}

void block_account_start(struct block *b, struct request *rq) {
    if (!b->iostats)
        return;
    block_account_round(b);
    rq->flags |= RQ_ACCOUNTED;
    b->stat.in_flight[rq->write]++;
}

void block_account_merge(struct block *b, struct request *rq, struct block_context *c) {
    c->stat.merged++;
    rq->group->stat.merged++;
    if (rq->flags & RQ_ACCOUNTED)
        b->stat.merges[rq->write]++;
}

void block_account_absorbed(struct block *b, struct request *next) {
    next->context->stat.merged++;
    next->group->stat.merged++;
    if (!(next->flags & RQ_ACCOUNTED))
        return;
    block_account_round(b);
    b->stat.merges[next->write]++;
    b->stat.in_flight[next->write]--;
}

static void account_who(struct request *rq, int64_t now) {
    struct block_context_stat *c = &rq->context->stat;
    struct block_group_stat *g = &rq->group->stat;
    int64_t service = now - rq->io_start_ns, wait = rq->io_start_ns - rq->start_ns;
    c->service_ns += service;
    c->wait_ns += wait;
    g->service_ns += service;
    g->wait_ns += wait;
    g->ios[rq->write]++;
    g->sectors[rq->write] += rq->sectors;
}

void block_account_done(struct block *b, struct request *rq) {
    struct block_stat *s = &b->stat;
    int64_t now = sim_now(b->sim);
    account_who(rq, now);
    if (!(rq->flags & RQ_ACCOUNTED))
        return;
    block_account_round(b);
    s->in_flight[rq->write]--;
    s->ios[rq->write]++;
    s->sectors[rq->write] += rq->sectors;
    s->ns[rq->write] += now - rq->start_ns;
}
