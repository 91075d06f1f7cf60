/*
 * From the scheduler to the drive and back.
 *
 * Single-queue schedulers fill the dispatch list, whose head the drive takes;
 * requests that pass the scheduler by (FUA writes, but not by a multi-queue one;
 * what comes while a scheduler is exchanged, parts sent again) are on it for
 * every kind and go first.
 *
 * A merged request is one to the drive. If it fails, it is taken apart and each
 * part tried by itself, so that only those fail that would have without merging.
 *
 * A driver that looks ahead (Linux's SCSI layer; not its IDE driver) asks for the
 * next request before it knows whether the drive has room. One that must wait
 * stays at the head: it has left the scheduler, which thinks the drive has it.
 *
 * Source: Linux 4.4 elevator.c (elv_dispatch_sort, __elv_add_request),
 * blk-core.c (blk_peek_request), scsi_lib.c (scsi_request_fn), ide-io.c; 6.8 blk-mq-sched.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/probe.h"
#include "block/block_int.h"
#include "drive/payload.h"

/* --- the dispatch list --- */

void block_unqueue(struct block *b, struct request *rq) {
    block_hash_remove(b, rq);
    if (b->last_merge == rq)
        b->last_merge = NULL;
    rq->flags &= ~(uint32_t)RQ_QUEUED;
    b->queued--;
}

static bool sorted_across(const struct request *rq, const struct request *pos) {
    return (rq->op == IO_TRIM) == (pos->op == IO_TRIM) && rq->write == pos->write &&
           !(pos->flags & (RQ_SOFTBARRIER | RQ_STARTED));
}

/* One-way elevator from the boundary on: whether `pos`, already on the list, stays before `rq`. */
static bool stays_before(uint64_t boundary, const struct request *rq, const struct request *pos) {
    if (rq->sector >= boundary) {
        if (pos->sector < boundary)
            return false;
    } else if (pos->sector >= boundary) {
        return true;
    }
    return rq->sector >= pos->sector;
}

void elevator_dispatch_sort(struct elevator *e, struct request *rq) {
    struct block *b = e->block;
    struct request *pos;
    block_unqueue(b, rq);
    TAILQ_FOREACH_REVERSE(pos, &b->dispatch, request_list, link)
    if (!sorted_across(rq, pos) || stays_before(b->end_sector, rq, pos))
        break;
    if (pos)
        TAILQ_INSERT_AFTER(&b->dispatch, pos, rq, link);
    else
        TAILQ_INSERT_HEAD(&b->dispatch, rq, link);
}

void elevator_dispatch_tail(struct elevator *e, struct request *rq) {
    struct block *b = e->block;
    block_unqueue(b, rq);
    b->end_sector = request_end(rq);
    b->boundary = rq;
    TAILQ_INSERT_TAIL(&b->dispatch, rq, link);
}

void block_dispatch_append(struct block *b, struct request *rq) {
    rq->flags |= RQ_SOFTBARRIER;
    TAILQ_INSERT_TAIL(&b->dispatch, rq, link);
}

/* --- inserting --- */

void block_insert(struct block *b, struct request *rq, bool sort_merge) {
    PROBE3(block_insert, rq->op, rq->sector, rq->sectors);
    if (!(rq->flags & RQ_SCHEDULED)) {
        block_dispatch_append(b, rq);
        return;
    }
    if (sort_merge && !(rq->flags & RQ_NOMERGE) && block_merge_request(b, rq))
        return;
    rq->flags |= RQ_QUEUED;
    b->queued++;
    if (!(rq->flags & RQ_NOMERGE) && !b->ops->own_merges) {
        block_hash_add(b, rq);
        if (!b->last_merge)
            b->last_merge = rq;
    }
    b->ops->insert(b->elevator, rq, ELEVATOR_TAIL);
}

void block_retire_request(struct block *b, struct request *rq) {
    if (rq->flags & RQ_SCHEDULED) {
        rq->flags &= ~(uint32_t)RQ_SCHEDULED;
        b->scheduled--;
        if (b->ops->put_request)
            b->ops->put_request(b->elevator, rq);
        b->want_finish |= b->coming && !b->scheduled;
    }
    block_uncount_request(b, rq);
}

/* --- to the drive --- */

static void carry_vector(struct request *rq) {
    uint32_t n = 0;
    for (const struct io *io = rq->head; io; io = io->next) {
        uint64_t rest = io->bytes;
        for (uint32_t i = 0; i < io->nvec && rest; i++) {
            size_t len = io->vec[i].iov_len < rest ? io->vec[i].iov_len : rest;
            rq->vec[n++] = (struct iovec){.iov_base = io->vec[i].iov_base, .iov_len = len};
            rest -= len;
        }
    }
    rq->io.vec = rq->vec;
    rq->io.nvec = n;
}

/* Of a large io's vector the part a piece covers. False: no memory. */
static bool carry_piece(struct request *rq) {
    const struct io *io = rq->head;
    uint64_t skip = rq->piece, rest = rq->io.bytes;
    uint32_t n = 0;
    if (rq->vec_room < io->nvec) {
        struct iovec *vec = realloc(rq->vec, io->nvec * sizeof *vec);
        if (!vec)
            return false;
        rq->vec = vec;
        rq->vec_room = io->nvec;
    }
    for (uint32_t i = 0; i < io->nvec && rest; i++) {
        size_t len = io->vec[i].iov_len, from = skip < len ? skip : len;
        size_t take = len - from < rest ? len - from : rest;
        if (take)
            rq->vec[n++] = (struct iovec){.iov_base = (char *)io->vec[i].iov_base + from, .iov_len = take};
        skip -= from;
        rest -= take;
    }
    rq->io.vec = n ? rq->vec : NULL;
    rq->io.nvec = n;
    return true;
}

static void carrier_done(struct io *carrier);

static bool load(struct request *rq) {
    struct io *c = &rq->io;
    const struct io *first = rq->head;
    c->op = first->op;
    c->action = first->action;
    c->flags = (first->flags & ~(uint32_t)IO_HINTS) | IO_CARRIER;
    c->owner = first->owner;
    c->view = first->view;
    c->stages = NULL;
    if (__builtin_expect(first->stages != NULL, 0)) {
        rq->stages = (struct io_stages){.told_ns = first->submitted_ns};
        c->stages = &rq->stages;
    }
    c->reason = NULL;
    c->done = carrier_done;
    c->vec = first->vec;
    c->nvec = first->nvec;
    if (first->vec && rq->flags & RQ_SPLIT)
        return carry_piece(rq);
    if (first->vec && rq->ios > 1)
        carry_vector(rq);
    return true;
}

/* The driver looks at a request of the dispatch list for the first time. */
static void look_at(struct block *b, struct request *rq) {
    if (rq->flags & RQ_STARTED)
        return;
    rq->flags |= RQ_STARTED;
    if (!b->boundary || b->boundary == rq) {
        b->end_sector = request_end(rq);
        b->boundary = NULL;
    }
    if (rq->flags & RQ_SCHEDULED && b->ops->activate)
        b->ops->activate(b->elevator, rq);
}

static void start(struct block *b, struct request *rq) {
    rq->flags |= RQ_IN_DRIVE;
    rq->io_start_ns = sim_now(b->sim);
    b->in_drive++;
    if (__builtin_expect(b->wbt.min_lat_ns != 0, 0))
        block_wbt_issued(&b->wbt, rq);
    if (b->watch && b->watch->dispatched)
        b->watch->dispatched(b->watch, rq);
    PROBE3(block_dispatch, rq->op, rq->sector, rq->sectors);
    if (load(rq)) {
        io_spent(&rq->io, IO_STAGE_SCHEDULER, rq->io_start_ns);
        drive_forward(b->drive, &rq->io);
        return;
    }
    io_fail(&rq->io, IO_INTERNAL_ERROR, "no memory for a piece of a large request");
    io_line_push(&b->late, &rq->io, sim_now(b->sim));
}

/* The head of the dispatch list, which the scheduler is asked for if there is none. */
static struct request *head(struct block *b) {
    struct request *rq = TAILQ_FIRST(&b->dispatch);
    while (!rq && !block_multi_queue(b) && b->ops->dispatch(b->elevator, b->coming != NULL))
        rq = TAILQ_FIRST(&b->dispatch);
    return rq;
}

/* What the drive, which has room, is to have next. */
static struct request *next_request(struct block *b) {
    struct request *rq = head(b);
    if (rq) {
        look_at(b, rq);
        TAILQ_REMOVE(&b->dispatch, rq, link);
    } else if (b->queued && block_multi_queue(b)) {
        rq = b->ops->next(b->elevator);
        if (rq) {
            rq->flags |= RQ_STARTED;
            block_unqueue(b, rq);
        }
    }
    return rq;
}

void block_run(struct block *b) {
    struct request *rq;
    b->want_run = false;
    if (b->flush.ready && b->in_drive < b->depth)
        block_flush_start(b);
    while (b->in_drive < b->depth) {
        rq = next_request(b);
        if (!rq)
            return;
        start(b, rq);
    }
    if (b->looks_ahead && !block_multi_queue(b) && (rq = head(b)) != NULL)
        look_at(b, rq);
}

void elevator_kick(struct elevator *e) {
    struct block *b = e->block;
    b->want_run = true;
    if (!b->busy) {
        block_enter(b);
        block_leave(b);
    }
}

/* --- and back --- */

/* Whether any part of the range was never written, where the drive only said so of a larger one. */
static bool part_unmapped(struct block *b, const struct io *io) {
    uint64_t step = b->limits.granularity, end = io->offset + io->bytes;
    for (uint64_t at = io->offset; at < end; at += step)
        if (!drive_mapped(b->drive, at, end - at < step ? end - at : step))
            return true;
    return false;
}

static void answer(struct block *b, const struct request *rq, struct io *io) {
    const struct io *c = &rq->io;
    if (c->data && c->data != io->data)
        io->data = (const char *)c->data + (io->offset - c->offset);
    io->unmapped = c->unmapped && (rq->ios == 1 || part_unmapped(b, io));
    io->result = c->result;
}

void block_say_stages(struct io *first) {
    for (struct io *io = first->next; io && first->stages; io = io->next)
        if (io->stages) {
            *io->stages = *first->stages;
            io->stages->ns[IO_STAGE_SCHEDULER] += first->submitted_ns - io->submitted_ns;
        }
}

static void fail_as(struct io *io, const struct io *c) {
    if (c->status != IO_OK)
        io_fail(io, c->status, "%s", c->reason ? c->reason : "the drive failed it without a reason");
}

/* One piece of a large io is back. */
static void piece_done(struct block *b, struct request *rq) {
    struct io *io = rq->head;
    const struct io *c = &rq->io;
    fail_as(io, c);
    io->unmapped |= c->unmapped;
    if (--io->pending)
        return;
    if (__builtin_expect(c->stages != NULL, 0))
        *io->stages = *c->stages;
    if (io->op == IO_READ)
        payload_read(b->drive, io, false);
    block_io_end(b, io, c->completed_ns);
}

/* The parts of a failed request one by one. Those there is no memory for fail. */
static void take_apart(struct block *b, struct request *rq) {
    struct io *next;
    for (struct io *io = rq->head; io; io = next) {
        next = io->next;
        struct request *part = block_request_new(b);
        if (!part) {
            fail_as(io, &rq->io);
            block_io_end(b, io, rq->io.completed_ns);
            continue;
        }
        block_own_request(part, rq->context, rq->group);
        part->op = rq->op;
        part->write = rq->write;
        part->ioprio = rq->ioprio;
        part->flags = (rq->flags & (RQ_SYNC | RQ_PRIO | RQ_META | RQ_NOIDLE)) | RQ_NOMERGE;
        part->ios = 1;
        part->segments = block_io_segments(b, io);
        part->head = part->tail = io;
        io->next = NULL;
        part->io.offset = io->offset;
        part->io.bytes = io->bytes;
        part->sector = elevator_io_sector(io);
        part->sectors = elevator_io_end(io) - part->sector;
        block_dispatch_append(b, part);
    }
    b->want_run = true;
}

/*
 * The ios of a request are back at one moment, so its process sends what follows them in one go: gathered, or a
 * scheduler that learns from requests as they come would take a sequential process for one that seeks.
 */
static void parts_done(struct block *b, struct request *rq) {
    struct io *next;
    bool several = rq->ios > 1;
    struct block_context *c = rq->context;
    if (several)
        block_plug(b, c);
    if (__builtin_expect(rq->io.stages != NULL, 0)) {
        *rq->head->stages = *rq->io.stages;
        block_say_stages(rq->head);
    }
    for (struct io *io = rq->head; io; io = next) {
        next = io->next;
        answer(b, rq, io);
        fail_as(io, &rq->io);
        block_io_end(b, io, rq->io.completed_ns);
    }
    if (several)
        block_unplug(b, c);
}

static void finish(struct block *b, struct request *rq) {
    b->in_drive--;
    rq->flags &= ~(uint32_t)RQ_IN_DRIVE;
    block_account_done(b, rq);
    if (__builtin_expect(b->wbt.min_lat_ns != 0, 0))
        block_wbt_completed(&b->wbt, rq);
    if (rq->flags & RQ_SCHEDULED && b->ops->completed)
        b->ops->completed(b->elevator, rq);
    if (b->watch && b->watch->completed)
        b->watch->completed(b->watch, rq);
    PROBE3(block_complete, rq->op, rq->sector, rq->sectors);
}

/* The drive gets its next request, and who slept for one goes on, before the process that waited can send another. */
static void carrier_done(struct io *carrier) {
    struct request *rq = (struct request *)((char *)carrier - offsetof(struct request, io));
    struct block *b = rq->block;
    block_enter(b);
    bool apart = carrier->status != IO_OK && rq->ios > 1;
    finish(b, rq);
    if (apart) /* first, as it goes before what follows in its zone */
        take_apart(b, rq);
    block_retire_request(b, rq);
    b->want_run = true;
    block_settle(b);
    if (rq->flags & RQ_SPLIT)
        piece_done(b, rq);
    else if (!apart)
        parts_done(b, rq);
    io_release(carrier);
    block_request_free(b, rq);
    block_leave(b);
}
