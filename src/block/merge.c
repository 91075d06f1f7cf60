/*
 * Merging: an io into a request, a request into another.
 *
 * Where a mate is looked for: the plug of the process, newest first; the
 * request last merged into; queued requests by their end (a hash); whatever the
 * scheduler finds (front merges). nomerges = 1 leaves plug and hint, 2 nothing.
 *
 * Source: Linux 4.4 blk-merge.c, elevator.c (elv_merge, elv_attempt_insert_merge).
 * Simplified: memory is one segment a vector element, or for each 64 KiB; write
 * zeroes never merge. Linux merges FUA writes with nothing, as here.
 */
#include <stdlib.h>

#include "block/block_int.h"

#define RECENT 8 /* requests looked at, as in blk_bio_list_merge() of Linux */

/* --- properties of an io --- */

static bool whole_vector(const struct io *io) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < io->nvec && total < io->bytes; i++)
        total += io->vec[i].iov_len;
    return total >= io->bytes;
}

static bool may_merge(const struct io *io) {
    if ((io->op != IO_READ && io->op != IO_WRITE && io->op != IO_TRIM) || (io->flags & IO_FUA))
        return false;
    return io->op != IO_WRITE || !io->vec || whole_vector(io);
}

uint32_t elevator_io_flags(const struct io *io) {
    uint32_t flags = elevator_io_sync(io) ? RQ_SYNC : 0;
    flags |= io->flags & IO_PRIO ? RQ_PRIO : 0;
    flags |= io->flags & IO_META ? RQ_META : 0;
    flags |= io->flags & IO_NOIDLE ? RQ_NOIDLE : 0;
    flags |= (io->flags & IO_FUA) && io->op != IO_READ ? RQ_FUA : 0;
    return flags;
}

uint32_t block_io_flags(const struct io *io) {
    return elevator_io_flags(io) | (may_merge(io) ? 0 : RQ_NOMERGE);
}

uint32_t block_io_segments(const struct block *b, const struct io *io) {
    if (io->op != IO_READ && io->op != IO_WRITE)
        return 1;
    uint64_t pieces = (io->bytes + b->max_segment_bytes - 1) / b->max_segment_bytes;
    if (io->op == IO_WRITE && io->vec && io->nvec > pieces)
        pieces = io->nvec;
    return pieces > UINT32_MAX ? UINT32_MAX : (uint32_t)pieces;
}

/* --- whether --- */

static bool mergeable(const struct request *rq) {
    return !(rq->flags & (RQ_NOMERGE | RQ_STARTED | RQ_SOFTBARRIER | RQ_FUA));
}

/* What the drive is told must be the same for both, and payload given for both or for neither. */
static bool alike(const struct io *a, const struct io *b) {
    return a->op == b->op && !((a->flags ^ b->flags) & ~(uint32_t)IO_HINTS) && !a->vec == !b->vec && a->view == b->view;
}

/* A zone's end is one of requests, too (chunk_sectors). */
static bool in_one_zone(const struct block *b, uint64_t sector, uint64_t sectors) {
    return !b->zone_sectors || sector / b->zone_sectors == (sector + sectors - 1) / b->zone_sectors;
}

static bool within_limits(const struct block *b, const struct request *rq, uint64_t bytes, uint32_t segments) {
    if (rq->op == IO_TRIM)
        return true;
    return rq->io.bytes + bytes <= (uint64_t)b->max_sectors << SECTOR_SHIFT &&
           rq->segments + (uint64_t)segments <= b->max_segments;
}

enum elevator_merge elevator_fits(const struct request *rq, const struct io *io) {
    if (rq->io.offset + rq->io.bytes == io->offset)
        return ELEVATOR_BACK_MERGE;
    return io->offset + io->bytes == rq->io.offset ? ELEVATOR_FRONT_MERGE : ELEVATOR_NO_MERGE;
}

enum elevator_merge elevator_fits_recent(const struct request_list *list, const struct io *io, struct request **found) {
    struct request *rq;
    unsigned left = RECENT;
    TAILQ_FOREACH_REVERSE(rq, list, request_list, link) {
        enum elevator_merge where = elevator_fits(rq, io);
        if (where != ELEVATOR_NO_MERGE) {
            *found = rq;
            return where;
        }
        if (!--left)
            break;
    }
    return ELEVATOR_NO_MERGE;
}

static bool room_for_vector(const struct block *b, struct request *rq) {
    if (!rq->head->vec || rq->vec_room >= b->max_segments)
        return true;
    struct iovec *vec = realloc(rq->vec, b->max_segments * sizeof *vec);
    if (!vec)
        return false;
    rq->vec = vec;
    rq->vec_room = b->max_segments;
    return true;
}

static bool may_join(const struct block *b, struct request *rq, const struct io *io, enum elevator_merge where) {
    uint64_t start = where == ELEVATOR_FRONT_MERGE ? elevator_io_sector(io) : rq->sector;
    return where != ELEVATOR_NO_MERGE && mergeable(rq) && alike(rq->head, io) && elevator_fits(rq, io) == where &&
           within_limits(b, rq, io->bytes, block_io_segments(b, io)) &&
           in_one_zone(b, start, rq->sectors + (io->bytes >> SECTOR_SHIFT)) && room_for_vector(b, rq);
}

static bool allowed(const struct block *b, const struct request *rq, const struct io *io, struct block_context *c) {
    return !b->ops->allow_merge || b->ops->allow_merge(b->elevator, rq, io, c);
}

/* --- an io joins --- */

static void join(struct block *b, struct request *rq, struct io *io, struct block_context *c,
                 enum elevator_merge where) {
    if (where == ELEVATOR_BACK_MERGE) {
        io->next = NULL;
        rq->tail->next = io;
        rq->tail = io;
    } else {
        io->next = rq->head;
        rq->head = io;
        rq->io.offset = io->offset;
        rq->sector = elevator_io_sector(io);
    }
    rq->ios++;
    rq->io.bytes += io->bytes;
    rq->sectors = ((rq->io.offset + rq->io.bytes + (1u << SECTOR_SHIFT) - 1) >> SECTOR_SHIFT) - rq->sector;
    rq->segments += block_io_segments(b, io);
    if (c->ioprio || rq->ioprio)
        rq->ioprio = ioprio_best(rq->ioprio, c->ioprio);
    block_account_merge(b, rq, c);
}

bool block_merge_plugged(struct block *b, struct block_context *c, struct io *io) {
    struct request *rq;
    if (!may_merge(io))
        return false;
    TAILQ_FOREACH_REVERSE(rq, &c->plug.list, request_list, link) {
        enum elevator_merge where = elevator_fits(rq, io);
        if (!may_join(b, rq, io, where))
            continue;
        join(b, rq, io, c, where);
        return true;
    }
    return false;
}

/* --- requests by their end --- */

static struct request_list *bucket(struct block *b, uint64_t end) {
    return &b->hash[end * 0x9e3779b97f4a7c15ull >> (64 - BLOCK_HASH_BITS)];
}

void block_hash_add(struct block *b, struct request *rq) {
    rq->hash_end = request_end(rq);
    rq->flags |= RQ_HASHED;
    TAILQ_INSERT_HEAD(bucket(b, rq->hash_end), rq, hash_link);
}

void block_hash_remove(struct block *b, struct request *rq) {
    if (!(rq->flags & RQ_HASHED))
        return;
    rq->flags &= ~(uint32_t)RQ_HASHED;
    TAILQ_REMOVE(bucket(b, rq->hash_end), rq, hash_link);
}

static void rehash(struct block *b, struct request *rq) {
    if (!(rq->flags & RQ_HASHED))
        return;
    block_hash_remove(b, rq);
    block_hash_add(b, rq);
}

static struct request *hash_find(struct block *b, uint64_t end) {
    struct request *rq;
    TAILQ_FOREACH(rq, bucket(b, end), hash_link)
    if (rq->hash_end == end && mergeable(rq))
        return rq;
    return NULL;
}

/* --- a request joins --- */

static void absorb(struct block *b, struct request *rq, struct request *next) {
    rq->tail->next = next->head;
    rq->tail = next->tail;
    rq->ios += next->ios;
    rq->io.bytes += next->io.bytes;
    rq->sectors = request_end(next) - rq->sector;
    rq->segments += next->segments;
    if (next->start_ns < rq->start_ns)
        rq->start_ns = next->start_ns;
    if (next->ioprio || rq->ioprio)
        rq->ioprio = ioprio_best(rq->ioprio, next->ioprio);
}

/* `next` follows `rq`, which may be queued or about to be; `next` is freed if they become one. */
static bool join_requests(struct block *b, struct request *rq, struct request *next) {
    if (rq == next || rq->io.offset + rq->io.bytes != next->io.offset || !mergeable(rq) || !mergeable(next) ||
        !alike(rq->head, next->head) || !within_limits(b, rq, next->io.bytes, next->segments) ||
        !in_one_zone(b, rq->sector, rq->sectors + next->sectors) || !room_for_vector(b, rq))
        return false;
    if (b->ops->allow_requests_merge && !b->ops->allow_requests_merge(b->elevator, rq, next))
        return false;
    absorb(b, rq, next);
    bool queued = next->flags & RQ_QUEUED;
    if (queued && b->ops->merge_requests)
        b->ops->merge_requests(b->elevator, rq, next);
    if (queued)
        block_unqueue(b, next);
    rehash(b, rq);
    b->last_merge = rq;
    block_account_absorbed(b, next);
    block_retire_request(b, next);
    block_request_free(b, next);
    return true;
}

static struct request *neighbour(struct block *b, struct request *rq, bool after) {
    struct request *(*method)(struct elevator *, struct request *) = after ? b->ops->latter : b->ops->former;
    return method ? method(b->elevator, rq) : NULL;
}

/* After it grew: two requests may have become contiguous; else tell the scheduler. */
static void grown(struct block *b, struct request *rq, enum elevator_merge where) {
    bool back = where == ELEVATOR_BACK_MERGE;
    struct request *other = neighbour(b, rq, back);
    if (other && (back ? join_requests(b, rq, other) : join_requests(b, other, rq)))
        return;
    if (b->ops->merged)
        b->ops->merged(b->elevator, rq, where);
    if (back)
        rehash(b, rq);
    b->last_merge = rq;
}

/* --- the scheduler's requests --- */

static struct request *find(struct block *b, struct block_context *c, struct io *io, enum elevator_merge *where) {
    struct request *rq = b->last_merge;
    if (!b->ops->own_merges) {
        if (rq) {
            *where = elevator_fits(rq, io);
            if (may_join(b, rq, io, *where) && allowed(b, rq, io, c))
                return rq;
        }
        if (b->nomerges)
            return NULL;
        *where = ELEVATOR_BACK_MERGE;
        rq = hash_find(b, elevator_io_sector(io));
        if (rq && may_join(b, rq, io, *where) && allowed(b, rq, io, c))
            return rq;
    }
    if (!b->ops->find_merge || b->nomerges)
        return NULL;
    *where = b->ops->find_merge(b->elevator, io, c, &rq);
    return *where != ELEVATOR_NO_MERGE && may_join(b, rq, io, *where) && allowed(b, rq, io, c) ? rq : NULL;
}

bool block_merge_queued(struct block *b, struct block_context *c, struct io *io) {
    if (b->nomerges > 1 || !b->queued || !may_merge(io))
        return false;
    enum elevator_merge where = ELEVATOR_NO_MERGE;
    struct request *rq = find(b, c, io, &where);
    if (!rq)
        return false;
    join(b, rq, io, c, where);
    if (b->ops->io_merged)
        b->ops->io_merged(b->elevator, rq, io, c);
    grown(b, rq, where);
    return true;
}

/* Of elv_attempt_insert_merge(): behind the last one, then behind whatever it meets, again and again. */
bool block_merge_request(struct block *b, struct request *rq) {
    if (b->nomerges > 1 || b->ops->own_merges || !b->queued)
        return false;
    if (b->last_merge && join_requests(b, b->last_merge, rq))
        return true;
    if (b->nomerges)
        return false;
    bool merged = false;
    for (;;) {
        struct request *before = hash_find(b, rq->sector);
        if (!before || !join_requests(b, before, rq))
            return merged;
        merged = true;
        rq = before;
    }
}
