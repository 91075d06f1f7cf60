/*
 * Flushes of the drive's cache. They pass the scheduler and the dispatch list
 * by; while the drive has one, others gather and share the next.
 *
 * Source: Linux 4.4 blk-flush.c.
 * Simplified: what has a flush and data at once doesn't exist here (NVMe's Flush
 * has none); a flush always reaches the drive, with or without a cache.
 */
#include <string.h>

#include "block/block_int.h"

static void flush_kick(struct block *b) {
    struct block_flush *f = &b->flush;
    if (f->busy || f->ready || !f->pending.head)
        return;
    f->ready = true;
    b->want_run = true;
}

void block_flush_submit(struct block *b, struct io *io) {
    b->stat.flushes++;
    io_fifo_push(&b->flush.pending, io);
    flush_kick(b);
}

static void flush_done(struct io *carrier) {
    struct block *b = (struct block *)((char *)carrier - offsetof(struct block, flush.io));
    struct block_flush *f = &b->flush;
    struct io_fifo answered = f->running;
    struct io answer = *carrier;
    struct io *io;
    block_enter(b);
    b->in_drive--;
    f->busy = false;
    f->running.head = NULL;
    carrier->reason = NULL;
    flush_kick(b);
    b->want_run = true;
    block_settle(b);
    block_say_stages(answered.head);
    while ((io = io_fifo_pop(&answered)) != NULL) {
        if (answer.status != IO_OK)
            io_fail(io, answer.status, "%s", answer.reason ? answer.reason : "the drive failed a flush");
        block_io_end(b, io, answer.completed_ns);
    }
    io_release(&answer);
    block_leave(b);
}

void block_flush_start(struct block *b) {
    struct block_flush *f = &b->flush;
    f->ready = false;
    f->busy = true;
    f->running = f->pending;
    f->pending.head = NULL;
    f->io.op = IO_FLUSH;
    f->io.flags = IO_CARRIER;
    f->io.owner = f->running.head->owner;
    f->io.view = f->running.head->view;
    f->io.stages = f->running.head->stages;
    f->io.done = flush_done;
    b->in_drive++;
    io_spent(&f->io, IO_STAGE_SCHEDULER, sim_now(b->sim));
    drive_forward(b->drive, &f->io);
}
