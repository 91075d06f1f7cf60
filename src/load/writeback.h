/*
 * The write side of a page cache, for jobs with buffered=1: a write is done
 * when its data is copied, and goes to the drive later, from a flusher's hands.
 *
 * A run has one cache. Each writing instance of a job has a file in it.
 * A flusher is a process of its own to the block layer, named "writeback".
 */
#ifndef DRIVELAB_LOAD_WRITEBACK_H
#define DRIVELAB_LOAD_WRITEBACK_H

#include "base/err.h"
#include "drive/drive.h"

struct writeback;      /* opaque */
struct writeback_file; /* opaque */

/* Linux's vm.dirty_* */
struct writeback_settings {
    uint64_t background_bytes; /* more than this dirty: it is written */
    uint64_t limit_bytes;      /* this much dirty or being written: writers wait */
    int64_t expire_ns;         /* dirty for so long: it is written */
    int64_t period_ns;         /* how often it is looked for; 0: never */
};

/* What it did. */
struct writeback_stat {
    uint64_t written_bytes, writes; /* to the drive, by flushers, fsync and sync=1 */
    uint64_t dirty_bytes;           /* not yet there */
    uint64_t throttled, read_hits;  /* writes that waited for the limit; reads of dirty data */
    uint64_t most_bytes;            /* dirty and being written, at most */
    int64_t throttled_ns;           /* waited, all together */
};

struct writeback_file_settings {
    uint32_t owner;     /* who writes it: struct io's */
    const char *cgroup; /* of the writer; NULL or "": the root */
    bool sync;          /* O_SYNC: each write is on the drive before it is done */
};

/* `first_owner` and what follows is free for flushers. NULL: no memory. */
struct writeback *writeback_new(struct drive *drive, const struct writeback_settings *s, uint32_t first_owner);
void writeback_free(struct writeback *wb); /* NULL is fine; requests still in flight are forgotten */

/* NULL with `e`: no memory, or the flusher's cgroup can't be made. Files live as long as the cache. */
struct writeback_file *writeback_open(struct writeback *wb, const struct writeback_file_settings *s, struct err *e);

/*
 * As drive_submit(): done() is called later, once, never from inside. Writes
 * have no payload. A flush is an fsync: what of this file is dirty or waits to
 * be is written and waited for, then the drive is flushed; nothing else of
 * this file may be submitted until it is done.
 */
void writeback_submit(struct writeback_file *f, struct io *io);

/* Begin nothing more; `idle` is called once nothing is in flight, perhaps from inside. Dirty data remains so. */
void writeback_close(struct writeback *wb, void (*idle)(void *arg), void *arg);

struct writeback_stat writeback_stat(const struct writeback *wb);

#endif
