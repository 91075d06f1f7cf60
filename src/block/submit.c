/*
 * From struct io to request: what a process goes through when it submits.
 *
 *   limits: what a cgroup's limits don't allow yet waits in it (throttle.c),
 *          while its process goes on;
 *   fence: a flush waits for the writes its issuer sent before, and its
 *          issuer's later writes wait for the flush;
 *   split: an io larger than a request may be becomes several;
 *   merge: into a request of the plug, then into one of the scheduler;
 *   wbt:   too many writes that nobody waits for: the process sleeps (wbt.c);
 *   pool:  a request is allocated, or the process sleeps, with all it
 *          submits meanwhile;
 *   plug:  the request waits in the process's plug, or is inserted at once.
 *
 * Source: Linux 4.4 blk-core.c (blk_queue_bio, blk_flush_plug_list); 6.8 blk-mq.c.
 * Simplified: fences are stricter than Linux, where a flush covers only what has
 * completed; a process that does as fsync(2) does never meets one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "block/block_int.h"
#include "block/throttle.h"
#include "drive/drive_int.h"

#define PAGE_BYTES       4096
#define PLUG_REQUESTS    16 /* BLK_MAX_REQUEST_COUNT */
#define PLUG_REQUESTS_MQ 32
#define PLUG_BYTES_MQ    (128 << 10) /* BLK_PLUG_FLUSH_SIZE */

/* --- ends --- */

static bool changes(const struct io *io) {
    return io->op != IO_READ && io->op != IO_FLUSH;
}

static void fence_open(struct block *b, struct block_context *c);

void block_io_end(struct block *b, struct io *io, int64_t when_ns) {
    struct block_context *c = block_context_get(b, io->owner); /* there since it submitted */
    b->inside--;
    c->stat.ios[io->op != IO_READ]++;
    c->stat.bytes[io->op != IO_READ] += io->bytes;
    if (io->op != IO_READ) {
        if (io->op == IO_FLUSH)
            c->flushes--;
        else
            c->writes--;
        if (c->fence.head)
            fence_open(b, c);
    }
    drive_complete_at(b->drive, io, when_ns);
}

/* An answer without the drive; later, as done() is never called from inside. */
void block_io_failed(struct block *b, struct io *io, const char *why) {
    io_fail(io, IO_INTERNAL_ERROR, "%s", why);
    io_line_push(&b->late, io, sim_now(b->sim));
}

/* --- plugs --- */

static int by_sector(const void *a, const void *b) {
    const struct request *left = *(struct request *const *)a, *right = *(struct request *const *)b;
    return left->sector < right->sector ? -1 : left->sector > right->sector;
}

/* A plug has few requests: sorted by insertion, equals in the order they came. */
static unsigned plug_take(struct block_context *c, struct request **sorted) {
    unsigned n = 0;
    struct request *rq;
    while ((rq = TAILQ_FIRST(&c->plug.list)) != NULL) {
        TAILQ_REMOVE(&c->plug.list, rq, link);
        unsigned at = n++;
        for (; at > 0 && by_sector(&sorted[at - 1], &rq) > 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = rq;
    }
    c->plug.count = 0;
    return n;
}

void block_flush_plug(struct block *b, struct block_context *c) {
    struct request *sorted[PLUG_REQUESTS_MQ + 1];
    unsigned n = plug_take(c, sorted);
    for (unsigned i = 0; i < n; i++)
        block_insert(b, sorted[i], true);
    if (n)
        b->want_run = true;
}

void block_plug(struct block *b, struct block_context *c) {
    if (!c->plug.depth++)
        TAILQ_INSERT_TAIL(&b->plugged, c, plug_link);
}

void block_unplug(struct block *b, struct block_context *c) {
    if (!c->plug.depth || --c->plug.depth)
        return;
    TAILQ_REMOVE(&b->plugged, c, plug_link);
    block_flush_plug(b, c);
}

void block_flush_plugs(struct block *b) {
    struct block_context *c;
    TAILQ_FOREACH(c, &b->plugged, plug_link)
    block_flush_plug(b, c);
}

static void plug_add(struct block *b, struct block_context *c, struct request *rq) {
    bool mq = block_multi_queue(b);
    const struct request *last = TAILQ_LAST(&c->plug.list, request_list);
    bool large = mq && last && last->sectors << SECTOR_SHIFT >= PLUG_BYTES_MQ;
    if (c->plug.count >= (mq ? PLUG_REQUESTS_MQ : PLUG_REQUESTS) || large)
        block_flush_plug(b, c);
    TAILQ_INSERT_TAIL(&c->plug.list, rq, link);
    c->plug.count++;
}

/* --- one request's worth --- */

static void set_range(struct request *rq, uint64_t offset, uint64_t bytes) {
    rq->io.offset = offset;
    rq->io.bytes = bytes;
    rq->sector = offset >> SECTOR_SHIFT;
    rq->sectors = ((offset + bytes + (1u << SECTOR_SHIFT) - 1) >> SECTOR_SHIFT) - rq->sector;
}

static void fill(struct block *b, struct request *rq, struct io *io) {
    rq->op = io->op;
    rq->write = elevator_io_write(io);
    rq->flags |= block_io_flags(io);
    rq->ioprio = rq->context->ioprio;
    rq->segments = block_io_segments(b, io);
    rq->ios = 1;
    rq->head = rq->tail = io;
    io->next = NULL;
    set_range(rq, io->offset, io->bytes);
}

/* FUA writes did until Linux 6.5; from then on a multi-queue scheduler gets them, in order with a zone's others. */
static bool passes_by(const struct block *b, const struct request *rq) {
    return rq->flags & RQ_FUA && !block_multi_queue(b);
}

/* False: no memory, and the request is gone. */
static bool give_to_scheduler(struct block *b, struct request *rq, const struct io *io) {
    if (b->coming || passes_by(b, rq))
        return true;
    if (b->ops->set_request && b->ops->set_request(b->elevator, rq, io))
        return false;
    rq->flags |= RQ_SCHEDULED;
    b->scheduled++;
    return true;
}

/* The process can't have a request: what it gathered goes on, it sleeps. */
static void sleep_on_pool(struct block *b, struct block_context *c, bool sync) {
    block_flush_plug(b, c);
    block_pool_sleep(b, c, sync);
}

enum step { STEP_DONE, STEP_ASLEEP, STEP_FAILED };

/* A request for (a piece of) an io. */
static enum step make_request(struct block *b, struct block_context *c, struct io *io, uint64_t at, uint64_t bytes) {
    bool failed, counted = false;
    if (__builtin_expect(b->wbt.min_lat_ns != 0, 0) && !block_wbt_enter(&b->wbt, c, io, &counted))
        return STEP_ASLEEP;
    struct request *rq = block_get_request(b, c, io, &failed);
    if (!rq && counted)
        block_wbt_exit(&b->wbt, io->op == IO_TRIM);
    if (!rq && !failed) {
        sleep_on_pool(b, c, elevator_io_sync(io));
        return STEP_ASLEEP;
    }
    if (!rq)
        return STEP_FAILED;
    fill(b, rq, io);
    rq->flags |= counted ? RQ_THROTTLED : 0;
    if (bytes != io->bytes) {
        rq->flags |= RQ_SPLIT | RQ_NOMERGE;
        rq->piece = at;
        set_range(rq, io->offset + at, bytes);
    }
    if (!give_to_scheduler(b, rq, io)) {
        block_uncount_request(b, rq);
        block_request_free(b, rq);
        return STEP_FAILED;
    }
    block_account_start(b, rq);
    if (c->plug.depth && !passes_by(b, rq)) {
        plug_add(b, c, rq);
    } else {
        block_insert(b, rq, false);
        b->want_run = true;
    }
    return STEP_DONE;
}

/* --- splitting; io->result counts what is submitted, io->pending the pieces under way and the submission itself --- */

static bool too_large(const struct block *b, const struct io *io) {
    return (io->op == IO_READ || io->op == IO_WRITE) && io->bytes > (uint64_t)b->max_sectors << SECTOR_SHIFT;
}

/* How much of what is left goes into one: up to a page's boundary, as drives keep pages whole. */
static uint64_t piece_bytes(const struct block *b, const struct io *io) {
    uint64_t at = io->offset + io->result, rest = io->bytes - io->result;
    uint64_t end = at + ((uint64_t)b->max_sectors << SECTOR_SHIFT);
    if (at + rest <= end)
        return rest;
    return end % PAGE_BYTES < end - at ? end - end % PAGE_BYTES - at : end - at;
}

static enum step submit_pieces(struct block *b, struct block_context *c, struct io *io) {
    if (!io->result)
        io->pending = 1;
    while (io->result < io->bytes) {
        uint64_t bytes = piece_bytes(b, io);
        io->pending++;
        enum step step = make_request(b, c, io, io->result, bytes);
        if (step != STEP_DONE)
            io->pending--;
        if (step == STEP_ASLEEP)
            return step;
        if (step == STEP_FAILED) {
            io_fail(io, IO_INTERNAL_ERROR, "no memory for a request");
            break;
        }
        io->result += bytes;
    }
    io->result = 0;
    if (!--io->pending)
        io_line_push(&b->late, io, sim_now(b->sim));
    return STEP_DONE;
}

/* `woken`: it slept for a request after it was found to merge with none, which isn't tried again. */
static enum step submit_one(struct block *b, struct block_context *c, struct io *io, bool woken) {
    if (io->op == IO_FLUSH) {
        block_flush_submit(b, io);
        return STEP_DONE;
    }
    /* One that was begun is ended in pieces, whatever the limit is now. */
    if (io->result || too_large(b, io))
        return submit_pieces(b, c, io);
    if (!woken && b->nomerges < 2 && c->plug.count && block_merge_plugged(b, c, io))
        return STEP_DONE;
    if (!woken && !b->coming && block_merge_queued(b, c, io))
        return STEP_DONE;
    enum step step = make_request(b, c, io, 0, io->bytes);
    if (step == STEP_FAILED)
        block_io_failed(b, io, "no memory for a request");
    return step;
}

/* --- the way of an io --- */

/* False: asleep, and the io isn't submitted. */
static bool go(struct block *b, struct block_context *c, struct io *io, bool woken) {
    return submit_one(b, c, io, woken) != STEP_ASLEEP;
}

static bool fenced(const struct block_context *c, const struct io *io) {
    if (io->op == IO_FLUSH)
        return c->fence.head || c->writes;
    return changes(io) && (c->fence.head || c->flushes);
}

/* Beyond the fence an io counts as under way. */
static void pass(struct block_context *c, const struct io *io) {
    if (io->op == IO_FLUSH)
        c->flushes++;
    else if (changes(io))
        c->writes++;
}

static void hold_first(struct block_context *c, struct io *io) {
    io->next = c->held.head;
    if (!c->held.head)
        c->held.tail = io;
    c->held.head = io;
}

static void submit_held(struct block *b, struct block_context *c, struct io *io) {
    if (c->asleep)
        io_fifo_push(&c->held, io);
    else if (b->coming && block_multi_queue(b))
        io_fifo_push(&b->frozen, io);
    else if (!go(b, c, io, false))
        hold_first(c, io);
}

void block_submit_passed(struct block *b, struct io *io) {
    submit_held(b, block_context_get(b, io->owner), io);
}

static void submit_limited(struct block *b, struct block_context *c, struct io *io) {
    if (!b->limited || !block_throttle_holds(b, c, io))
        submit_held(b, c, io);
}

/* What waits at the fence goes on as far as it may: flushes once no write is under way, writes once no flush is. */
static void fence_open(struct block *b, struct block_context *c) {
    while (c->fence.head) {
        const struct io *io = c->fence.head;
        if (io->op == IO_FLUSH ? c->writes : c->flushes)
            return;
        struct io *next = io_fifo_pop(&c->fence);
        pass(c, next);
        submit_limited(b, c, next);
    }
}

void block_resume(struct block *b, struct block_context *c) {
    for (bool woken = true; !c->asleep && c->held.head; woken = false) {
        struct io *io = io_fifo_pop(&c->held);
        if (!go(b, c, io, woken))
            hold_first(c, io);
    }
}

void block_thaw(struct block *b) {
    struct io_fifo fifo = b->frozen;
    struct io *io;
    b->frozen.head = NULL;
    while ((io = io_fifo_pop(&fifo)) != NULL)
        submit_held(b, block_context_get(b, io->owner), io);
}

void block_submit(struct block *b, struct io *io) {
    struct block_context *c = block_context_get(b, io->owner);
    b->inside++;
    if (!c) {
        b->inside--;
        io_fail(io, IO_INTERNAL_ERROR, "no memory for the process that issued the request");
        io_line_push(&b->drive->early, io, sim_now(b->sim));
        return;
    }
    c->exited = false;
    block_enter(b);
    if (fenced(c, io)) {
        io_fifo_push(&c->fence, io);
    } else {
        pass(c, io);
        submit_limited(b, c, io);
    }
    block_leave(b);
}
