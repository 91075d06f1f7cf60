/*
 * Zone actions and flushes: jobs, each a part of a request.
 *
 *   open, close, nothing   delay
 *   finish    padding to the end of the zone -> closing its blocks
 *   reset     wait for programs of an open zone -> unmap what was written,
 *             chunk by chunk on the flash core -> record; erases go on behind
 *   flush     full units programmed -> a part of a unit to a journal
 *
 * Faithful: finishing costs what writing the rest costs; resetting costs by
 * what was written, in turn with writes.
 * Simplified: part of a unit is flushed in one program time without a die.
 */
#include "drive/zns/flash/flash.h"

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* --- jobs --- */

/* The job waited until now, and ends at `end_ns`. */
static void spent(struct zns_job *job, int64_t end_ns) {
    struct io *io = job->io;
    bool flush = job->kind == JOB_FLUSH;
    enum io_stage waited = flush && io->op == IO_FLUSH ? IO_STAGE_WRITE_BACK : IO_STAGE_FLASH;
    io_spent(io, waited, sim_now(job->media->sim));
    io_spent(io, flush ? waited : IO_STAGE_FIRMWARE, end_ns);
}

void zns_job_start(struct zns_job *job, int64_t delay_ns) {
    struct zns_flash *m = job->media;
    if (__builtin_expect(job->io && job->io->stages, 0))
        spent(job, sim_now(m->sim) + delay_ns);
    sim_schedule(m->sim, &job->event, sim_now(m->sim) + delay_ns);
}

static void delay(struct zns_flash *m, struct io *io, int64_t delay_ns) {
    if (!io)
        return;
    struct zns_job *job = zns_job_new(m, JOB_DELAY, 0, io);
    if (job)
        zns_job_start(job, delay_ns);
}

/* A part of `io` begins. NULL: nobody waits. */
static void part(struct io *io) {
    if (!io)
        return;
    io->priv = NULL;
    io->pending++;
}

void zns_flash_nothing(struct zns_media *media, struct io *io) {
    struct zns_flash *m = flash_of(media);
    part(io);
    delay(m, io, zns_cost(m)->nothing);
}

void zns_flash_begin(struct zns_media *media, struct io *io) {
    (void)media;
    io->priv = NULL;
    io->pending = 1;
    io->event.at_ns = 0;
}

void zns_flash_end(struct zns_media *media, struct io *io) {
    struct zns_flash *m = flash_of(media);
    if (io->priv != ZNS_READ_PART)
        delay(m, io, zns_cost(m)->nothing);
    else if (--io->pending == 0)
        zns_read_end(m, io);
}

/* --- open, close --- */

void zns_flash_open(struct zns_media *media, uint32_t zone, struct io *io) {
    struct zns_flash *m = flash_of(media);
    m->zone[zone].touched = true;
    part(io);
    delay(m, io, zns_cost(m)->zone_open);
}

void zns_flash_close(struct zns_media *media, uint32_t zone, uint64_t written, struct io *io) {
    struct zns_flash *m = flash_of(media);
    part(io);
    delay(m, io, zns_cost(m)->zone_close);
}

/* --- random write areas --- */

void zns_flash_commit(struct zns_media *media, uint32_t zone, uint64_t from, uint64_t to, struct io *io) {
    struct zns_flash *m = flash_of(media);
    const struct zns_media_config *c = zns_cost(m);
    struct zns_zone *z = &m->zone[zone];
    if (!z->known || from != z->expect)
        zns_drain_know(m, z, from);
    /* Writes before it may still be on their way to the cache. */
    uint64_t bytes = least(to, z->laid_out) - least(from, z->laid_out);
    z->expect = to;
    z->accepted += bytes;
    z->cached += bytes;
    z->touched = true;
    m->count.host_bytes += bytes;
    part(io);
    delay(m, io, c->write_command + c->write_accept + c->write_answer);
    zns_drain_pump(m, z);
}

/* --- finish --- */

void zns_flash_finish(struct zns_media *media, uint32_t zone, uint64_t written, bool opened, struct io *io) {
    struct zns_flash *m = flash_of(media);
    struct zns_zone *z = &m->zone[zone];
    part(io);
    z->touched = true;
    m->count.finishes++;
    if (!written || z->finish || z->failed) {
        delay(m, io, zns_cost(m)->finish_empty);
        return;
    }
    if (!z->known || written != z->expect)
        zns_drain_know(m, z, written);
    struct zns_job *job = zns_job_new(m, JOB_FINISH, zone, io);
    if (!job)
        return; /* not reserved */
    job->target = least(written, z->laid_out);
    job->delay_ns = z->laid_out - job->target >= m->dies * m->unit_bytes ? zns_cost(m)->finish_time : 0;
    z->finish = job;
    z->expect = z->laid_out;
    zns_drain_pump(m, z);
    zns_action_progress(m, z);
}

static void finish_progress(struct zns_flash *m, struct zns_zone *z) {
    struct zns_job *job = z->finish;
    if (z->durable < z->laid_out || z->inflight)
        return;
    z->finish = NULL;
    z->accepted = z->laid_out;
    zns_job_start(job, job->delay_ns + zns_cost(m)->finish_empty);
}

/* --- reset --- */

static void flush_ends(struct zns_job *job, int64_t delay_ns) {
    int64_t rest = job->not_before_ns - sim_now(job->media->sim);
    zns_job_start(job, rest > delay_ns ? rest : delay_ns);
}

void zns_action_forget(struct zns_flash *m, struct zns_zone *z) {
    z->generation++;
    z->stale += z->inflight;
    z->expect = z->accepted = z->issued = z->durable = z->done_mask = z->cached = z->flushed = 0;
    z->inflight = 0;
    z->known = true;
    z->clean = false;
    z->touched = z->failed = z->repairing = false;
    zns_pipe_drop(m, z);
    zns_read_forget(m, zns_zone_index(m, z));
    if (z->finish)
        zns_job_start(z->finish, 0);
    z->finish = NULL;
    for (struct zns_job *job = z->flushes; job; job = job->next)
        flush_ends(job, 0);
    z->flushes = NULL;
}

void zns_flash_reset(struct zns_media *media, uint32_t zone, uint64_t written, bool finished, struct io *io) {
    struct zns_flash *m = flash_of(media);
    struct zns_zone *z = &m->zone[zone];
    const struct zns_media_config *c = zns_cost(m);
    part(io);
    if (!written && !finished && !z->touched) {
        delay(m, io, c->nothing);
        return;
    }
    struct zns_job *job = zns_job_new(m, JOB_RESET, zone, io);
    if (!job)
        return; /* not reserved */
    bool open = !finished && written < z->laid_out;
    m->count.resets++;
    job->chunks = (uint32_t)((written + c->reset_chunk - 1) / c->reset_chunk);
    job->delay_ns = c->reset_time + job->chunks * c->reset_chunk_wait;
    zns_action_forget(m, z);
    zns_drain_erase(m, z);
    if (open && z->stale) {
        job->next = z->resets;
        z->resets = job;
    } else if (job->chunks) {
        zns_drain_unmap(m, job);
    } else {
        zns_job_start(job, job->delay_ns);
    }
}

void zns_action_unmapped(struct zns_flash *m, struct zns_job *job) {
    zns_job_start(job, job->delay_ns);
}

static void resets_progress(struct zns_flash *m, struct zns_zone *z) {
    while (z->resets) {
        struct zns_job *job = z->resets;
        z->resets = job->next;
        if (job->io)
            io_spent(job->io, IO_STAGE_FLASH, sim_now(m->sim));
        if (job->chunks)
            zns_drain_unmap(m, job);
        else
            zns_job_start(job, job->delay_ns);
    }
}

/* --- flush --- */

static int64_t journal_ns(const struct zns_flash *m) {
    return m->config.nand.program_time.ns[0] * m->stripe;
}

/* The job's zone has its full units on flash: what is left of its target goes to the journal. */
static void flush_rest(struct zns_flash *m, struct zns_zone *z, struct zns_job *job) {
    flush_ends(job, job->target > z->durable ? journal_ns(m) : 0);
}

static void flushes_progress(struct zns_flash *m, struct zns_zone *z) {
    for (struct zns_job **at = &z->flushes; *at;) {
        struct zns_job *job = *at;
        if (z->durable < job->target - job->target % m->unit_bytes) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        flush_rest(m, z, job);
    }
}

void zns_action_flush_zone(struct zns_flash *m, struct zns_zone *z, uint64_t end, int64_t not_before_ns,
                           struct io *io) {
    io->pending++;
    struct zns_job *job = zns_job_new(m, JOB_FLUSH, zns_zone_index(m, z), io);
    if (!job)
        return;
    job->target = end;
    job->not_before_ns = not_before_ns;
    job->next = z->flushes;
    z->flushes = job;
    flushes_progress(m, z);
}

static uint32_t dirty_zones(const struct zns_flash *m) {
    uint32_t n = 0;
    for (const struct zns_zone *z = m->dirty; z; z = z->dirty_next)
        n++;
    return n;
}

void zns_flash_flush(struct zns_media *media, struct io *io) {
    struct zns_flash *m = flash_of(media);
    io->priv = NULL;
    io->pending++;
    if (!zns_flash_reserve(&m->media, dirty_zones(m) + 1)) {
        io_fail(io, IO_INTERNAL_ERROR, "no memory to flush the caches of zones");
        delay(m, io, 0);
        return;
    }
    /* Zones stay dirty until they are flushed: another flush may come before this one ends. */
    for (struct zns_zone **at = &m->dirty; *at;) {
        struct zns_zone *z = *at;
        if (z->accepted > z->durable && z->accepted > z->flushed) {
            zns_action_flush_zone(m, z, z->accepted, 0, io);
            at = &z->dirty_next;
        } else {
            z->in_dirty = false;
            *at = z->dirty_next;
        }
    }
    delay(m, io, zns_cost(m)->nothing);
}

/* --- progress --- */

void zns_action_progress(struct zns_flash *m, struct zns_zone *z) {
    if (z->finish)
        finish_progress(m, z);
    if (z->flushes)
        flushes_progress(m, z);
    if (!z->stale) {
        if (z->resets)
            resets_progress(m, z);
        if (!z->clean)
            zns_drain_erase(m, z);
    }
}

static void fail_job(struct zns_job *job, uint32_t zone) {
    if (job->io)
        io_fail(job->io, IO_WRITE_FAULT,
                "zone %u can't be written any more: a program failed and no spare block is left", zone);
    zns_job_start(job, 0);
}

void zns_action_zone_failed(struct zns_flash *m, struct zns_zone *z) {
    uint32_t zone = zns_zone_index(m, z);
    if (z->finish)
        fail_job(z->finish, zone);
    z->finish = NULL;
    while (z->flushes) {
        struct zns_job *job = z->flushes;
        z->flushes = job->next;
        fail_job(job, zone);
    }
    zns_pipe_admit(m, z);
}

void zns_job_done(struct zns_job *job) {
    struct zns_flash *m = job->media;
    struct io *io = job->io;
    if (job->kind == JOB_FLUSH && io && io->status == IO_OK) {
        struct zns_zone *z = &m->zone[job->zone];
        z->flushed = job->target > z->flushed && job->target <= z->accepted ? job->target : z->flushed;
    }
    zns_job_free(job);
    if (io)
        zns_part_done(m, io);
}
