/*
 * The pool of requests and who sleeps for one.
 *
 * A single-queue scheduler's queue has nr_requests for sync and as many for
 * async requests, of each cgroup. When the last is taken, its taker becomes a
 * batcher: it may take 32 more, within 20 ms of having last waited, up to one
 * and a half times the limit. Others sleep in the order they came; who is woken
 * is a batcher, too. A multi-queue scheduler's has nr_requests (tags) for all.
 *
 * Source: Linux 4.4 blk-core.c (__get_request, ioc_batching, freed_request);
 * 6.8 blk-mq-tag.c.
 * Simplified: who is woken goes on at once; requests themselves come from slabs
 * that grow, so that a limit is only a count. Several software queues share one
 * set of tags, from which the first sleeper is served first.
 */
#include <stdlib.h>
#include <string.h>

#include "block/block_int.h"

#define BATCH_REQUESTS 32
#define BATCH_NS       20000000 /* HZ / 50 */
#define VAIN_WAKES     8

/* --- memory --- */

static bool slab_add(struct block *b) {
    struct request_slab *slab = malloc(sizeof *slab);
    if (!slab)
        return false;
    slab->next = b->slabs;
    b->slabs = slab;
    for (unsigned i = 0; i < SLAB_REQUESTS; i++) {
        struct request *rq = &slab->request[i];
        memset(rq, 0, sizeof *rq);
        TAILQ_INSERT_TAIL(&b->free, rq, link);
    }
    return true;
}

/* What starts at 0; the carrier is filled when the drive takes the request, link and node when something is linked. */
static void request_clear(struct request *rq) {
    rq->flags = 0;
    rq->io_start_ns = 0;
    rq->expiry = 0;
    rq->pool = NULL;
    rq->piece = 0;
    memset(&rq->priv, 0, sizeof rq->priv);
}

struct request *block_request_new(struct block *b) {
    if (TAILQ_EMPTY(&b->free) && !slab_add(b))
        return NULL;
    struct request *rq = TAILQ_FIRST(&b->free);
    TAILQ_REMOVE(&b->free, rq, link);
    request_clear(rq);
    rq->block = b;
    rq->start_ns = sim_now(b->sim);
    b->requests++;
    return rq;
}

void block_request_free(struct block *b, struct request *rq) {
    rq->block = NULL;
    b->requests--;
    TAILQ_INSERT_HEAD(&b->free, rq, link);
}

/* --- limits --- */

uint32_t block_congestion_on(const struct block *b) {
    uint32_t nr = b->nr_requests, on = nr - nr / 8 + 1;
    return on > nr ? nr : on;
}

uint32_t block_congestion_off(const struct block *b) {
    uint32_t nr = b->nr_requests, taken = nr / 8 + nr / 16 + 1;
    return nr > taken ? nr - taken : 1;
}

void block_pool_init(struct block_pool *pool) {
    memset(pool, 0, sizeof *pool);
    TAILQ_INIT(&pool->wait[0]);
    TAILQ_INIT(&pool->wait[1]);
}

static bool batching(const struct block *b, const struct block_context *c) {
    return c->batch == BATCH_REQUESTS || (c->batch > 0 && sim_now(b->sim) < c->batch_ns + BATCH_NS);
}

static void start_batch(struct block *b, struct block_context *c) {
    if (batching(b, c))
        return;
    c->batch = BATCH_REQUESTS;
    c->batch_ns = sim_now(b->sim);
}

/* Linux 4.4: may this process have one more of the half? */
static bool halves_allow(struct block *b, struct block_context *c, struct block_pool *pool, bool sync) {
    struct elevator *e = b->elevator;
    enum elevator_may may = b->ops->may_queue ? b->ops->may_queue(e, c, sync) : ELEVATOR_MAY;
    uint32_t next = pool->count[sync] + 1;
    if (next >= block_congestion_on(b)) {
        if (next >= b->nr_requests) {
            if (!pool->full[sync]) {
                start_batch(b, c);
                pool->full[sync] = true;
            } else if (may != ELEVATOR_MUST && !batching(b, c)) {
                return false;
            }
        }
        pool->congested[sync] = true;
    }
    return pool->count[sync] < 3 * (uint64_t)b->nr_requests / 2;
}

static bool tags_allow(struct block *b, struct block_context *c, const struct block_pool *pool, const struct io *io) {
    uint32_t limit = b->nr_requests;
    if (b->ops->limit_depth && !b->coming)
        limit = b->ops->limit_depth(b->elevator, limit, io, c);
    limit = limit ? limit : 1;
    return pool->count[0] + pool->count[1] < limit;
}

void block_own_request(struct request *rq, struct block_context *c, struct block_group *g) {
    rq->context = c;
    rq->group = g;
    c->requests++;
    g->requests++;
}

/* Tags are the queue's, not a cgroup's. */
static struct block_pool *pool_of(struct block *b, struct block_context *c) {
    return block_multi_queue(b) ? &b->root.pool : &c->group->pool;
}

struct request *block_get_request(struct block *b, struct block_context *c, const struct io *io, bool *failed) {
    struct block_pool *pool = pool_of(b, c);
    bool sync = elevator_io_sync(io);
    *failed = false;
    if (!(block_multi_queue(b) ? tags_allow(b, c, pool, io) : halves_allow(b, c, pool, sync)))
        return NULL;
    struct request *rq = block_request_new(b);
    *failed = !rq;
    if (!rq)
        return NULL;
    pool->count[sync]++;
    if (batching(b, c))
        c->batch--;
    rq->pool = pool;
    rq->pool_class = sync;
    block_own_request(rq, c, c->group);
    return rq;
}

static void may_wake(struct block *b, struct block_pool *pool) {
    if (pool->waking || (TAILQ_EMPTY(&pool->wait[0]) && TAILQ_EMPTY(&pool->wait[1])))
        return;
    pool->waking = true;
    TAILQ_INSERT_TAIL(&b->waking, pool, wake_link);
}

void block_uncount_request(struct block *b, struct request *rq) {
    struct block_pool *pool = rq->pool;
    rq->context->requests--;
    rq->group->requests--;
    if (__builtin_expect(rq->flags & RQ_THROTTLED, 0)) {
        rq->flags &= ~(uint32_t)RQ_THROTTLED;
        block_wbt_exit(&b->wbt, rq->op == IO_TRIM);
    }
    if (!pool)
        return;
    bool sync = rq->pool_class;
    uint32_t count = --pool->count[sync];
    if (count < block_congestion_off(b))
        pool->congested[sync] = false;
    if (count + 1 <= b->nr_requests)
        pool->full[sync] = false;
    may_wake(b, pool);
}

/* --- sleeping --- */

void block_pool_sleep(struct block *b, struct block_context *c, bool sync) {
    struct block_pool *pool = pool_of(b, c);
    c->asleep = true;
    c->asleep_on = sync;
    c->asleep_pool = pool;
    TAILQ_INSERT_TAIL(&pool->wait[sync], c, wait_link);
}

static bool room(const struct block *b, const struct block_pool *pool, bool sync) {
    uint32_t count = block_multi_queue(b) ? pool->count[0] + pool->count[1] : pool->count[sync];
    return count + 1 <= b->nr_requests;
}

/* Of a multi-queue scheduler; the pool is the process' still. */
static bool wakes_in_vain(struct block *b, struct block_context *c, const struct block_pool *pool) {
    return block_multi_queue(b) && pool == pool_of(b, c) && c->held.head && !tags_allow(b, c, pool, c->held.head);
}

/*
 * The first sleeper goes on while there is room. Who doesn't get all it wants
 * is at the end again; a few of those (limit_depth) are enough for one time, as
 * the next request to come free brings the next. Who has left for another pool
 * (another cgroup, another kind of scheduler) is not: nothing may come free here again.
 */
static void wake(struct block *b, struct block_pool *pool, bool sync) {
    unsigned vain = 0;
    while (vain < VAIN_WAKES && room(b, pool, sync) && !TAILQ_EMPTY(&pool->wait[sync])) {
        struct block_context *c = TAILQ_FIRST(&pool->wait[sync]);
        TAILQ_REMOVE(&pool->wait[sync], c, wait_link);
        if (wakes_in_vain(b, c, pool)) {
            TAILQ_INSERT_TAIL(&pool->wait[sync], c, wait_link);
            vain++;
            continue;
        }
        c->asleep = false;
        start_batch(b, c);
        block_resume(b, c);
        vain += c->asleep && c->asleep_pool == pool;
    }
}

void block_pool_run_wakes(struct block *b) {
    struct block_pool *pool;
    while ((pool = TAILQ_FIRST(&b->waking)) != NULL) {
        TAILQ_REMOVE(&b->waking, pool, wake_link);
        pool->waking = false;
        wake(b, pool, true);
        wake(b, pool, false);
    }
}

void block_pool_wake_all(struct block *b) {
    struct block_group *g, *next;
    HASH_ITER(hh, b->groups, g, next)
    may_wake(b, &g->pool);
}
