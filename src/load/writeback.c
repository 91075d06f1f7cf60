/*
 * Buffered writes: a page cache's write side, its flushers, and fsync.
 *
 *   write --(limit reached: waits, FIFO)--> dirty, copied --> done
 *   dirty --flusher--> being written --> clean
 *
 * A flusher writes back while more than the background limit is dirty, and what
 * is old: from each file 4 MiB in its turn, in ascending order from where it
 * last stopped there, up to 1 MiB at once, async, plugged, and no more while
 * the queue is congested. With cgroup version 1 there is one flusher, in the
 * root group; with version 2 one for each cgroup that writes. fsync and sync=1
 * write from the writer's own process, which waits (IO_SYNC, IO_NOIDLE).
 *
 * Invariants: dirty == sum of the files' dirty bytes; a flusher with something
 * to do and nothing in flight has its poll pending.
 *
 * Source: Linux 4.4 mm/page-writeback.c, fs/fs-writeback.c for behaviour;
 * Documentation/sysctl/vm.txt.
 * Faithful: limits and ages, who is the issuer, chunks, flags.
 * Simplified: writers over the limit wait until there is room; Linux makes them
 * pause before, at the rate the drive writes. Each instance of a job is a file,
 * even where two work on the same place. Bytes count, not pages. Writing
 * again what is being written doesn't wait. One pair of limits for all cgroups.
 * Not modelled: clean pages (what is not dirty is read from the drive), memory
 * pressure, payload.
 */
#include "load/writeback.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "block/block.h"
#include "load/dirty.h"

#define CHUNK_BYTES (1u << 20) /* BIO_MAX_PAGES of 4 KiB */
#define TURN_BYTES  (4u << 20) /* MIN_WRITEBACK_PAGES */
#define IN_FLIGHT   128        /* where no queue is congested before */
#define POLL_NS     20000000   /* HZ / 50 */
#define CALL_NS     500        /* of a write or a hit: the call, then */
#define COPY_GBPS   4          /* the copy, bytes a nanosecond */
#define SLAB_IOS    IN_FLIGHT

enum back_kind { BY_FLUSHER, BY_FSYNC, BY_SYNC, FLUSH };

/* A request of the cache's own. */
struct back {
    struct io io; /* first */
    struct writeback_file *file;
    struct io *origin; /* BY_SYNC, FLUSH: for whom */
    enum back_kind kind;
    struct back *next_free;
};

struct back_slab {
    struct back_slab *next;
    struct back back[SLAB_IOS];
};

struct flusher {
    struct writeback *wb;
    uint32_t owner;
    char *cgroup;
    TAILQ_HEAD(, writeback_file) files; /* in the order of their turns */
    unsigned count;
    struct writeback_file *current;
    uint64_t turn; /* bytes left of the current file's */
    unsigned inflight;
    struct sim_event poll;
    struct flusher *next;
};

struct writeback_file {
    struct io_line copied; /* writes and hits being copied */
    struct writeback *wb;
    struct flusher *flusher;
    uint32_t owner;
    bool sync;
    struct dirty_set dirty;
    int64_t dirtied_ns;         /* since when something is */
    uint64_t sweep;             /* bytes to write as they are old */
    uint64_t at;                /* where writing back goes on */
    unsigned inflight, waiting; /* of the flusher and of fsync; writes over the limit */
    int64_t copy_ns;            /* busy copying until then */
    struct io *fsync;           /* under way */
    bool flushing;              /* with nothing left but the drive's flush */
    uint16_t error;             /* of writing back, for the next fsync */
    char *reason;
    TAILQ_ENTRY(writeback_file) turn_link;
    TAILQ_ENTRY(writeback_file) link;
};

struct writeback {
    struct drive *drive;
    struct sim *sim;
    struct writeback_settings set;
    uint32_t next_owner, flags; /* flags: of all writes */
    struct dirty_pool pool;
    struct back_slab *slabs;
    struct back *free;
    struct flusher *flushers;
    TAILQ_HEAD(, writeback_file) files;
    struct io *wait_head, *wait_tail; /* writes over the limit; io->priv: their file */
    uint64_t dirty, writing;          /* bytes */
    unsigned sweeping;                /* files that are */
    unsigned inflight;
    struct sim_event period;
    struct writeback_stat stat;
    bool closed;
    void (*idle)(void *arg);
    void *idle_arg;
};

static void pump(struct flusher *fl);
static void fsync_go(struct writeback_file *f);
static void back_done(struct io *io);

/* --- requests of its own --- */

static bool add_slab(struct writeback *wb) {
    struct back_slab *slab = calloc(1, sizeof(*slab));
    if (!slab)
        return false;
    slab->next = wb->slabs;
    wb->slabs = slab;
    for (unsigned i = SLAB_IOS; i--;) {
        io_init(&slab->back[i].io);
        slab->back[i].next_free = wb->free;
        wb->free = &slab->back[i];
    }
    return true;
}

static struct back *back_take(struct writeback_file *f, enum back_kind kind) {
    struct writeback *wb = f->wb;
    if (!wb->free && !add_slab(wb))
        return NULL;
    struct back *b = wb->free;
    wb->free = b->next_free;
    b->file = f;
    b->kind = kind;
    b->origin = NULL;
    b->io.op = kind == FLUSH ? IO_FLUSH : IO_WRITE;
    b->io.flags = kind == BY_FLUSHER ? wb->flags : kind == FLUSH ? IO_SYNC : wb->flags | IO_SYNC | IO_NOIDLE;
    b->io.owner = kind == BY_FLUSHER ? f->flusher->owner : f->owner;
    b->io.offset = b->io.bytes = 0;
    b->io.done = back_done;
    return b;
}

static void back_submit(struct back *b) {
    struct writeback *wb = b->file->wb;
    wb->inflight++;
    wb->stat.writes += b->kind != FLUSH;
    wb->stat.written_bytes += b->io.bytes;
    drive_submit(wb->drive, &b->io);
}

/* --- what is dirty --- */

static bool over_background(const struct writeback *wb) {
    return wb->dirty > wb->set.background_bytes;
}

static bool over_limit(const struct writeback *wb) {
    return wb->dirty + wb->writing >= wb->set.limit_bytes;
}

static void arm(struct writeback *wb) {
    if (wb->set.period_ns && !wb->closed && !sim_event_pending(&wb->period))
        sim_schedule(wb->sim, &wb->period, sim_now(wb->sim) + wb->set.period_ns);
}

/* The file's dirty bytes have changed; `before`: what they were. */
static void changed(struct writeback_file *f, uint64_t before) {
    struct writeback *wb = f->wb;
    wb->dirty += f->dirty.bytes - before;
    if (!before)
        f->dirtied_ns = sim_now(wb->sim);
    if (f->sweep && !f->dirty.bytes) {
        f->sweep = 0;
        wb->sweeping--;
    }
    if (wb->dirty + wb->writing > wb->stat.most_bytes)
        wb->stat.most_bytes = wb->dirty + wb->writing;
}

static void swept(struct writeback_file *f, uint64_t bytes) {
    if (!f->sweep)
        return;
    f->sweep -= bytes < f->sweep ? bytes : f->sweep;
    if (f->sweep)
        return;
    f->wb->sweeping--;
    arm(f->wb);
}

static bool expired(const struct writeback_file *f) {
    return sim_now(f->wb->sim) - f->dirtied_ns >= f->wb->set.expire_ns;
}

static void period_fired(struct sim_event *event) {
    struct writeback *wb = (struct writeback *)((char *)event - offsetof(struct writeback, period));
    struct writeback_file *f;
    TAILQ_FOREACH(f, &wb->files, link) {
        if (!f->dirty.bytes || f->sweep)
            continue;
        if (!expired(f)) {
            arm(wb);
            continue;
        }
        f->sweep = f->dirty.bytes;
        f->dirtied_ns = sim_now(wb->sim);
        wb->sweeping++;
    }
    for (struct flusher *fl = wb->flushers; fl && wb->sweeping; fl = fl->next)
        pump(fl);
}

/* --- writing back --- */

/* One piece. False: no memory. */
static bool write_some(struct writeback_file *f, enum back_kind kind) {
    struct writeback *wb = f->wb;
    struct flusher *fl = f->flusher;
    uint64_t before = f->dirty.bytes, start, end;
    struct back *b = back_take(f, kind);
    if (!b)
        return false;
    dirty_take(&f->dirty, f->at, CHUNK_BYTES, &start, &end);
    wb->writing += end - start;
    swept(f, end - start);
    changed(f, before);
    f->at = end;
    f->inflight++;
    if (kind == BY_FLUSHER) {
        fl->inflight++;
        fl->turn = f->dirty.bytes && fl->turn > end - start ? fl->turn - (end - start) : 0;
    }
    b->io.offset = start;
    b->io.bytes = end - start;
    back_submit(b);
    return true;
}

/* With an fsync under way that writes. */
static bool ready(const struct writeback_file *f) {
    return f->dirty.bytes && !f->fsync;
}

/* Whose turn it is; NULL: nothing is to be written. */
static struct writeback_file *next_file(struct flusher *fl) {
    struct writeback *wb = fl->wb;
    if (fl->turn && ready(fl->current))
        return fl->current;
    fl->turn = 0;
    for (unsigned i = 0; i < fl->count && (over_background(wb) || wb->sweeping); i++) {
        struct writeback_file *f = TAILQ_FIRST(&fl->files);
        TAILQ_REMOVE(&fl->files, f, turn_link);
        TAILQ_INSERT_TAIL(&fl->files, f, turn_link);
        if (!ready(f) || !(f->sweep || over_background(wb)))
            continue;
        fl->current = f;
        fl->turn = TURN_BYTES;
        return f;
    }
    return NULL;
}

static bool held_back(const struct flusher *fl) {
    const struct block *b = block_of(fl->wb->drive);
    if (fl->inflight >= IN_FLIGHT)
        return true;
    return b && fl->wb->drive->inflight && block_congested(b, fl->owner, false);
}

static void pump(struct flusher *fl) {
    struct writeback *wb = fl->wb;
    struct writeback_file *f;
    if (wb->closed || !(fl->turn || wb->sweeping || over_background(wb)))
        return;
    drive_plug(wb->drive, fl->owner);
    while ((f = next_file(fl)) != NULL && !held_back(fl) && write_some(f, BY_FLUSHER))
        ;
    drive_unplug(wb->drive, fl->owner);
    if (f && !fl->inflight && !sim_event_pending(&fl->poll))
        sim_schedule(wb->sim, &fl->poll, sim_now(wb->sim) + POLL_NS);
}

static void poll_fired(struct sim_event *event) {
    pump((struct flusher *)((char *)event - offsetof(struct flusher, poll)));
}

/* --- writes and hits --- */

static void finish(struct writeback_file *f, struct io *io) {
    io->completed_ns = sim_now(f->wb->sim);
    io->done(io);
}

/* One after the other, as one process does it; then written_through() or done(). */
static void copy(struct writeback_file *f, struct io *io) {
    int64_t now = sim_now(f->wb->sim);
    f->copy_ns = (f->copy_ns > now ? f->copy_ns : now) + CALL_NS + (int64_t)(io->bytes / COPY_GBPS);
    io_line_push(&f->copied, io, f->copy_ns);
}

static void admit(struct writeback_file *f, struct io *io) {
    struct writeback *wb = f->wb;
    uint64_t before = f->dirty.bytes;
    if (dirty_add(&f->dirty, io->offset, io->offset + io->bytes))
        io_fail(io, IO_INTERNAL_ERROR, "no memory for the page cache");
    changed(f, before);
    copy(f, io);
    arm(wb);
    if (f->fsync)
        fsync_go(f);
    else
        pump(f->flusher);
}

static void wait_for_room(struct writeback_file *f, struct io *io) {
    struct writeback *wb = f->wb;
    io->priv = f;
    io->next = NULL;
    if (wb->wait_head)
        wb->wait_tail->next = io;
    else
        wb->wait_head = io;
    wb->wait_tail = io;
    f->waiting++;
    wb->stat.throttled++;
    for (struct flusher *fl = wb->flushers; fl; fl = fl->next)
        pump(fl);
}

static void wake_writers(struct writeback *wb) {
    while (wb->wait_head && !over_limit(wb)) {
        struct io *io = wb->wait_head;
        struct writeback_file *f = io->priv;
        wb->wait_head = io->next;
        f->waiting--;
        wb->stat.throttled_ns += sim_now(wb->sim) - io->submitted_ns;
        admit(f, io);
    }
}

/* --- sync=1: io->pending counts its pieces, and their submission --- */

static void through_piece_done(struct writeback_file *f, struct io *io) {
    struct back *flush;
    if (--io->pending)
        return;
    if (io->status == IO_OK && (flush = back_take(f, FLUSH)) != NULL) {
        flush->origin = io;
        back_submit(flush);
        return;
    }
    if (io->status == IO_OK)
        io_fail(io, IO_INTERNAL_ERROR, "no memory to flush");
    finish(f, io);
}

static void write_through(struct writeback_file *f, struct io *io) {
    uint64_t end = io->offset + io->bytes;
    io->pending = 1;
    drive_plug(f->wb->drive, f->owner);
    for (uint64_t at = io->offset; at < end; at += CHUNK_BYTES) {
        struct back *b = back_take(f, BY_SYNC);
        if (!b) {
            io_fail(io, IO_INTERNAL_ERROR, "no memory to write back");
            break;
        }
        b->origin = io;
        b->io.offset = at;
        b->io.bytes = end - at < CHUNK_BYTES ? end - at : CHUNK_BYTES;
        io->pending++;
        back_submit(b);
    }
    drive_unplug(f->wb->drive, f->owner);
    through_piece_done(f, io);
}

static void copy_done(struct io_line *line, struct io *io) {
    struct writeback_file *f = line->owner;
    if (io->op == IO_WRITE && f->sync)
        write_through(f, io);
    else
        finish(f, io);
}

/* --- fsync --- */

static void fsync_end(struct writeback_file *f, struct io *io) {
    f->fsync = NULL;
    f->flushing = false;
    if (f->error)
        io_fail(io, f->error, "%s", f->reason ? f->reason : "writing back failed");
    free(f->reason);
    f->reason = NULL;
    f->error = 0;
}

/* Without memory the fsync fails, later as all do. */
static void fsync_fail(struct writeback_file *f) {
    struct io *io = f->fsync;
    io_fail(io, IO_INTERNAL_ERROR, "no memory to write back");
    fsync_end(f, io);
    io_line_push(&f->copied, io, sim_now(f->wb->sim));
}

static void fsync_go(struct writeback_file *f) {
    struct writeback *wb = f->wb;
    bool memory = true;
    drive_plug(wb->drive, f->owner);
    while (memory && f->dirty.bytes && f->inflight < IN_FLIGHT)
        memory = write_some(f, BY_FSYNC);
    drive_unplug(wb->drive, f->owner);
    if (f->inflight || f->waiting || f->flushing)
        return;
    struct back *flush = f->dirty.bytes ? NULL : back_take(f, FLUSH);
    if (!flush) {
        fsync_fail(f);
        return;
    }
    f->flushing = true;
    flush->origin = f->fsync;
    back_submit(flush);
}

static void fsync_begin(struct writeback_file *f, struct io *io) {
    if (f->fsync) {
        io_fail(io, IO_INTERNAL_ERROR, "another fsync of this file is under way");
        io_line_push(&f->copied, io, sim_now(f->wb->sim));
        return;
    }
    f->fsync = io;
    fsync_go(f);
}

/* --- completions --- */

static void take_error(uint16_t *status, char **reason, struct io *io) {
    if (io->status == IO_OK || *status)
        return;
    *status = io->status;
    *reason = io->reason;
    io->reason = NULL;
}

static void written_back(struct writeback_file *f, struct back *b) {
    struct writeback *wb = f->wb;
    wb->writing -= b->io.bytes;
    f->inflight--;
    if (b->kind == BY_FLUSHER)
        f->flusher->inflight--;
    take_error(&f->error, &f->reason, &b->io);
}

static void maybe_idle(struct writeback *wb) {
    if (wb->closed && !wb->inflight && wb->idle)
        wb->idle(wb->idle_arg);
}

static void back_done(struct io *io) {
    struct back *b = (struct back *)io; /* first member */
    struct writeback_file *f = b->file;
    struct writeback *wb = f->wb;
    struct io *origin = b->origin;
    enum back_kind kind = b->kind;
    wb->inflight--;
    if (!origin)
        written_back(f, b);
    else if (io->status != IO_OK)
        io_fail(origin, io->status, "%s", io->reason ? io->reason : "request failed");
    io_release(io);
    b->next_free = wb->free;
    wb->free = b;
    if (kind == BY_SYNC) {
        through_piece_done(f, origin);
    } else if (kind == FLUSH) {
        if (origin == f->fsync)
            fsync_end(f, origin);
        finish(f, origin);
    } else {
        wake_writers(wb);
        if (f->fsync)
            fsync_go(f);
        pump(f->flusher);
    }
    maybe_idle(wb);
}

/* --- callers --- */

void writeback_submit(struct writeback_file *f, struct io *io) {
    struct writeback *wb = f->wb;
    io->submitted_ns = sim_now(wb->sim);
    io->status = IO_OK;
    io->stages = NULL;
    io->data = NULL;
    io->unmapped = false;
    io->result = 0;
    if (io->op == IO_FLUSH) {
        fsync_begin(f, io);
    } else if (io->op == IO_WRITE && !f->sync && (wb->wait_head || over_limit(wb))) {
        wait_for_room(f, io);
    } else if (io->op == IO_WRITE && !f->sync) {
        admit(f, io);
    } else if (io->op == IO_WRITE) {
        copy(f, io);
    } else if (io->op == IO_READ && dirty_covers(&f->dirty, io->offset, io->offset + io->bytes)) {
        wb->stat.read_hits++;
        copy(f, io);
    } else {
        uint64_t before = f->dirty.bytes;
        if (io->op == IO_TRIM)
            dirty_cut(&f->dirty, io->offset, io->offset + io->bytes);
        changed(f, before);
        drive_submit(wb->drive, io);
        wake_writers(wb);
    }
}

struct writeback *writeback_new(struct drive *drive, const struct writeback_settings *s, uint32_t first_owner) {
    struct writeback *wb = calloc(1, sizeof(*wb));
    if (!wb || !add_slab(wb)) {
        free(wb);
        return NULL;
    }
    wb->drive = drive;
    wb->sim = drive->sim;
    wb->set = *s;
    if (!wb->set.limit_bytes)
        wb->set.limit_bytes = 1;
    if (wb->set.background_bytes >= wb->set.limit_bytes) /* as Linux: writers must not wait for nobody */
        wb->set.background_bytes = wb->set.limit_bytes / 2;
    wb->next_owner = first_owner;
    wb->flags = store_has_payload(drive->store) ? 0 : IO_NO_DATA;
    TAILQ_INIT(&wb->files);
    sim_event_init(&wb->period, period_fired);
    return wb;
}

static void cancel_all(struct writeback *wb) {
    sim_cancel(wb->sim, &wb->period);
    for (struct flusher *fl = wb->flushers; fl; fl = fl->next)
        sim_cancel(wb->sim, &fl->poll);
}

void writeback_close(struct writeback *wb, void (*idle)(void *arg), void *arg) {
    wb->closed = true;
    wb->idle = idle;
    wb->idle_arg = arg;
    cancel_all(wb);
    maybe_idle(wb);
}

static void file_free(struct writeback_file *f) {
    io_line_clear(&f->copied);
    free(f->reason);
    free(f);
}

void writeback_free(struct writeback *wb) {
    struct writeback_file *f;
    if (!wb)
        return;
    cancel_all(wb);
    while ((f = TAILQ_FIRST(&wb->files)) != NULL) {
        TAILQ_REMOVE(&wb->files, f, link);
        file_free(f);
    }
    while (wb->flushers) {
        struct flusher *fl = wb->flushers;
        wb->flushers = fl->next;
        free(fl->cgroup);
        free(fl);
    }
    while (wb->slabs) {
        struct back_slab *slab = wb->slabs;
        wb->slabs = slab->next;
        for (unsigned i = 0; i < SLAB_IOS; i++)
            io_release(&slab->back[i].io);
        free(slab);
    }
    dirty_pool_release(&wb->pool);
    free(wb);
}

static struct flusher *flusher_new(struct writeback *wb, const char *cgroup, struct err *e) {
    struct block *b = block_of(wb->drive);
    struct flusher *fl = calloc(1, sizeof(*fl));
    if (fl)
        fl->cgroup = strdup(cgroup);
    if (!fl || !fl->cgroup) {
        free(fl);
        err_set(e, ENOMEM, "no memory for buffered writes");
        return NULL;
    }
    const struct block_context_settings who = {.name = "writeback", .prioclass = -1, .prio = -1, .cgroup = cgroup};
    if (b && block_context_describe(b, wb->next_owner, &who, e)) {
        free(fl->cgroup);
        free(fl);
        return NULL;
    }
    fl->wb = wb;
    fl->owner = wb->next_owner++;
    TAILQ_INIT(&fl->files);
    sim_event_init(&fl->poll, poll_fired);
    fl->next = wb->flushers;
    wb->flushers = fl;
    return fl;
}

/* cgroup version 1 doesn't know whose pages they are. */
static struct flusher *flusher_of(struct writeback *wb, const char *cgroup, struct err *e) {
    const struct block *b = block_of(wb->drive);
    if (!cgroup || !b || block_cgroup_version(b) < 2)
        cgroup = "";
    for (struct flusher *fl = wb->flushers; fl; fl = fl->next)
        if (!strcmp(fl->cgroup, cgroup))
            return fl;
    return flusher_new(wb, cgroup, e);
}

struct writeback_file *writeback_open(struct writeback *wb, const struct writeback_file_settings *s, struct err *e) {
    struct flusher *fl = flusher_of(wb, s->cgroup, e);
    struct writeback_file *f = fl ? calloc(1, sizeof(*f)) : NULL;
    if (fl && !f)
        err_set(e, ENOMEM, "no memory for buffered writes");
    if (!f)
        return NULL;
    f->wb = wb;
    f->flusher = fl;
    f->owner = s->owner;
    f->sync = s->sync;
    f->dirty.pool = &wb->pool;
    io_line_init(&f->copied, wb->sim, copy_done, f);
    TAILQ_INSERT_TAIL(&wb->files, f, link);
    TAILQ_INSERT_TAIL(&fl->files, f, turn_link);
    fl->count++;
    return f;
}

struct writeback_stat writeback_stat(const struct writeback *wb) {
    struct writeback_stat stat = wb->stat;
    stat.dirty_bytes = wb->dirty;
    return stat;
}
