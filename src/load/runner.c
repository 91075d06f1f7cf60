/*
 * The job runner, see runner.h.
 *
 * A job instance ("worker") issues whenever one of its slots is free, so
 * requests are handed over the moment they are wanted: slat is 0 unless the
 * issuing rate is limited. As in fio, the first failed request ends its job.
 */
#include "load/runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/permutation.h"

#define STILL_IOS (1 << 20) /* so many at one moment: time does not pass */

struct worker;

struct slot {
    struct io io;
    struct worker *worker;
    enum run_dir dir;
};

struct worker {
    const struct job *job;
    struct drive *drive;
    struct sim *sim;
    struct run_stat *stat;
    struct rng rng;
    struct permutation order;
    uint64_t blocks, block_bytes; /* the region in units of the random order */
    uint64_t position[RUN_DIRS];  /* sequential: next byte, relative to the region */
    uint64_t bytes_left, ios_left;
    int64_t stop_ns;
    int64_t passed_ns; /* when `passed` was last 0 */
    unsigned passed;   /* requests of a time-based job since then */
    unsigned inflight;
    bool stopped;
    unsigned *active; /* workers still running; the last one stops the loop */
    struct slot *slot;
};

static enum run_dir pick_direction(struct worker *w) {
    const struct job *job = w->job;
    if (job->trim)
        return RUN_TRIM;
    if (job->read_percent == 100)
        return RUN_READ;
    return rng_below(&w->rng, 100) < job->read_percent ? RUN_READ : RUN_WRITE;
}

/* Next offset, relative to the region. */
static uint64_t pick_random(struct worker *w) {
    uint64_t block = 0;
    if (w->job->norandommap) {
        block = rng_below(&w->rng, w->blocks);
    } else if (!permutation_next(&w->order, &block)) {
        permutation_init(&w->order, w->blocks, &w->rng); /* another pass, in another order */
        permutation_next(&w->order, &block);
    }
    return block * w->block_bytes;
}

static uint64_t pick_sequential(struct worker *w, enum run_dir dir) {
    uint64_t at = w->position[dir], bs = w->job->bs[dir];
    if (bs > w->job->size.bytes - at)
        at = 0;
    w->position[dir] = at + bs;
    return at;
}

/* A drive without latency and bandwidth limit would keep a time-based job busy at one moment for ever. */
static bool stands_still(struct worker *w) {
    if (++w->passed < STILL_IOS)
        return false;
    bool still = sim_now(w->sim) == w->passed_ns;
    w->passed = 0;
    w->passed_ns = sim_now(w->sim);
    if (still && !w->stat->first_error) {
        w->stat->first_error = IO_INTERNAL_ERROR;
        snprintf(w->stat->error_text, sizeof(w->stat->error_text),
                 "time_based: %d requests took no time at all, so the runtime would never be over; give the drive a "
                 "latency or a bandwidth, or the job a size",
                 STILL_IOS);
    }
    w->stopped = w->stopped || still;
    return still;
}

static bool exhausted(struct worker *w) {
    if (w->stopped || !w->ios_left || sim_now(w->sim) >= w->stop_ns)
        return true;
    return w->job->time_based ? stands_still(w) : !w->bytes_left;
}

static void slot_done(struct io *io);

static void issue(struct worker *w, struct slot *slot) {
    static const uint8_t op[RUN_DIRS] = {IO_READ, IO_WRITE, IO_TRIM};
    struct io *io = &slot->io;
    slot->dir = pick_direction(w);
    uint64_t offset = w->job->random ? pick_random(w) : pick_sequential(w, slot->dir);
    io->op = op[slot->dir];
    io->flags = IO_NO_DATA;
    io->offset = w->job->offset.bytes + offset;
    io->bytes = w->job->bs[slot->dir];
    io->done = slot_done;
    w->ios_left--;
    w->bytes_left -= io->bytes < w->bytes_left ? io->bytes : w->bytes_left;
    w->inflight++;
    run_stat_submit(w->stat, w->inflight);
    drive_submit(w->drive, io);
}

static void record_error(struct worker *w, struct slot *slot) {
    struct run_stat *s = w->stat;
    s->dir[slot->dir].errors++;
    w->stopped = true;
    if (s->first_error)
        return;
    s->first_error = slot->io.status;
    snprintf(s->error_text, sizeof(s->error_text), "%s", slot->io.reason ? slot->io.reason : "no reason given");
}

static void worker_end(struct worker *w) {
    run_stat_finish(w->stat, sim_now(w->sim));
    if (--*w->active == 0)
        sim_stop(w->sim);
}

static void slot_done(struct io *io) {
    struct slot *slot = (struct slot *)io;
    struct worker *w = slot->worker;
    w->inflight--;
    if (io->status != IO_OK) {
        record_error(w, slot);
        io_release(io);
    } else {
        run_stat_complete(w->stat, slot->dir, io->bytes, io->submitted_ns, io->submitted_ns, io->completed_ns);
    }
    if (!exhausted(w))
        issue(w, slot);
    else if (!w->inflight)
        worker_end(w);
}

static int worker_init(struct worker *w, const struct job *job, struct drive *drive, struct sim *sim, uint64_t seed,
                       unsigned instance) {
    int64_t now = sim_now(sim);
    *w = (struct worker){.job = job, .drive = drive, .sim = sim};
    rng_init(&w->rng, job->randseed ? job->randseed : seed, instance);
    w->block_bytes = job->bs[job->trim ? RUN_TRIM : job->read_percent ? RUN_READ : RUN_WRITE];
    if (job->bs[RUN_READ] != job->bs[RUN_WRITE] && job->read_percent && job->read_percent < 100)
        w->block_bytes = job->bs[RUN_READ] > job->bs[RUN_WRITE] ? job->bs[RUN_READ] : job->bs[RUN_WRITE];
    w->blocks = job->size.bytes / w->block_bytes;
    w->passed_ns = now;
    w->bytes_left = w->blocks * w->block_bytes;
    w->ios_left = job->number_ios ? job->number_ios : UINT64_MAX; /* as fio: ends a job early, never extends it */
    w->stop_ns = job->runtime_ns ? now + job->runtime_ns : SIM_NEVER;
    permutation_init(&w->order, w->blocks, &w->rng);
    w->slot = calloc(job->iodepth, sizeof(*w->slot));
    w->stat = malloc(sizeof(*w->stat));
    if (!w->slot || !w->stat)
        return -ENOMEM;
    run_stat_init(w->stat, job->name, 0, now);
    for (unsigned i = 0; i < job->iodepth; i++) {
        io_init(&w->slot[i].io);
        w->slot[i].worker = w;
    }
    return 0;
}

static void worker_start(struct worker *w) {
    for (unsigned i = 0; i < w->job->iodepth && !exhausted(w); i++)
        issue(w, &w->slot[i]);
    if (!w->inflight)
        worker_end(w);
}

/* The result entry that a worker's numbers join, if its jobs are reported as a group. */
static struct run_stat *group_entry(struct run_result *result, const struct job *job) {
    for (unsigned i = 0; job->group_reporting && i < result->count; i++)
        if (result->job[i]->group_reporting)
            return result->stat[i];
    return NULL;
}

static void collect(struct run_result *result, struct worker *w) {
    struct run_stat *group = group_entry(result, w->job);
    for (int d = 0; d < RUN_DIRS; d++)
        result->ios += w->stat->dir[d].ios;
    if (group) {
        run_stat_merge(group, w->stat);
        return;
    }
    result->stat[result->count] = w->stat;
    result->job[result->count++] = w->job;
    w->stat = NULL;
}

int load_run(const struct job_file *jobs, struct drive *drive, struct sim *sim, uint64_t seed,
             struct run_result *result, struct err *e) {
    unsigned count = 0, ready = 0, active;
    uint64_t slots = 0;
    int ret = 0;
    *result = (struct run_result){0};
    for (unsigned i = 0; i < jobs->count; i++) {
        count += jobs->job[i].numjobs;
        slots += (uint64_t)jobs->job[i].numjobs * jobs->job[i].iodepth;
        if (count > LOAD_JOBS_MAX || slots > LOAD_DEPTH_MAX)
            return err_set(e, E2BIG, "job \"%s\": more than %d jobs, or %d requests in flight, in one run",
                           jobs->job[i].name, LOAD_JOBS_MAX, LOAD_DEPTH_MAX);
    }
    struct worker *workers = calloc(count, sizeof(*workers));
    result->stat = calloc(count, sizeof(*result->stat));
    result->job = calloc(count, sizeof(*result->job));
    if (!workers || !result->stat || !result->job) {
        ret = err_set(e, ENOMEM, "no memory for %u jobs", count);
        goto out;
    }
    for (unsigned i = 0; i < jobs->count; i++)
        for (unsigned n = 0; n < jobs->job[i].numjobs; n++, ready++)
            if (worker_init(&workers[ready], &jobs->job[i], drive, sim, seed, ready)) {
                ret = err_set(e, ENOMEM, "job \"%s\": no memory for its %u requests", jobs->job[i].name,
                              jobs->job[i].iodepth);
                ready++;
                goto out;
            }
    int64_t start = sim_now(sim);
    active = count;
    for (unsigned i = 0; i < count; i++) {
        workers[i].active = &active;
        worker_start(&workers[i]);
    }
    if (active)
        sim_run(sim, SIM_NEVER);
    for (unsigned i = 0; i < count; i++) {
        if (workers[i].inflight)
            ret = err_set(e, EIO, "job \"%s\": %u requests never completed", workers[i].job->name, workers[i].inflight);
        if (workers[i].stat->end_ns - start > result->simulated_ns)
            result->simulated_ns = workers[i].stat->end_ns - start;
        collect(result, &workers[i]);
    }
out:
    for (unsigned i = 0; workers && i < ready; i++) {
        free(workers[i].slot);
        free(workers[i].stat);
    }
    free(workers);
    if (ret)
        run_result_release(result);
    return ret;
}

void run_result_release(struct run_result *result) {
    for (unsigned i = 0; result->stat && i < result->count; i++)
        free(result->stat[i]);
    free(result->stat);
    free(result->job);
    *result = (struct run_result){0};
}
