/*
 * A run: which jobs start when, which end which, and collecting their results;
 * see runner.h. What a single instance does is in worker.c.
 *
 * Stages: a stonewall begins a new one, and a stage starts when all before it
 * are done. Groups, for reporting and exitall: a stonewall or new_group begins
 * a new one.
 */
#include "load/runner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "load/runner_int.h"

/* Whether an earlier job keeps this one from starting. */
static bool must_wait(const struct run *run, const struct worker *w) {
    for (unsigned i = 0; i < run->count; i++) {
        const struct worker *other = &run->workers[i];
        if (other->state == WORKER_DONE)
            continue;
        if (other->stage < w->stage ||
            (w->job->wait_for[0] && other->section < w->section && !strcmp(other->job->name, w->job->wait_for)))
            return true;
    }
    return false;
}

static bool scheduled(const struct worker *w) {
    return w->state != WORKER_WAITING || sim_event_pending(&w->begin);
}

/* Start what nothing keeps from it any more. */
static void start_ready(struct run *run) {
    for (unsigned i = 0; i < run->count && run->unscheduled; i++) {
        struct worker *w = &run->workers[i];
        if (scheduled(w) || must_wait(run, w))
            continue;
        run->unscheduled--;
        worker_start(w);
    }
}

/* A worker that has not begun is done at once. */
static void end_early(struct worker *w) {
    if (w->state == WORKER_RUNNING) {
        worker_stop(w);
        worker_pump(w);
    } else if (w->state == WORKER_WAITING) {
        w->run->unscheduled -= !scheduled(w);
        sim_cancel(w->sim, &w->begin);
        w->state = WORKER_DONE;
        run_stat_init(w->stat, w->job->name, w->group, sim_now(w->sim));
        run_stat_finish(w->stat, sim_now(w->sim));
        w->run->active--;
    }
}

static void end_others(struct worker *w) {
    struct run *run = w->run;
    for (unsigned i = 0; i < run->count; i++) {
        struct worker *other = &run->workers[i];
        bool in_group = other->group == w->group, running = other->state == WORKER_RUNNING;
        bool meant = w->job->exit_what == JOB_EXIT_ALL || (w->job->exit_what == JOB_EXIT_GROUP ? in_group : running);
        if (other != w && meant && other->state != WORKER_DONE && !other->stopped)
            end_early(other);
    }
}

static void quiet(void *arg) {
    struct run *run = arg;
    if (run->looping)
        sim_stop(run->sim);
}

/* All jobs are done; what is being written back is waited for. */
static void end_run(struct run *run) {
    if (run->cache)
        writeback_close(run->cache, quiet, run);
    else
        quiet(run);
}

void run_worker_done(struct worker *w) {
    struct run *run = w->run;
    run->active--;
    if (w->job->exitall || (w->job->exitall_on_error && w->stat->first_error))
        end_others(w);
    start_ready(run);
    if (!run->active)
        end_run(run);
}

static void halt_fired(struct sim_event *event) {
    struct run *run = (struct run *)((char *)event - offsetof(struct run, halt));
    for (unsigned i = 0; i < run->count; i++)
        end_early(&run->workers[i]);
    if (!run->active)
        end_run(run);
}

/* Not from inside a worker's own business: by an event. */
static void halt(struct run *run) {
    run->interrupted = true;
    if (!sim_event_pending(&run->halt))
        sim_schedule(run->sim, &run->halt, sim_now(run->sim));
}

void run_fail(struct run *run, int failure) {
    if (!run->failure)
        run->failure = failure;
    halt(run);
}

/* Share of its work that a worker has done. */
static double worker_progress(const struct worker *w, int64_t now) {
    const struct job *job = w->job;
    double done = 0, part;
    if (w->state == WORKER_DONE)
        return 1;
    if (w->state == WORKER_WAITING)
        return 0;
    if (job->runtime_ns)
        done = (double)(now - w->start_ns) / (double)(job->ramp_ns + job->runtime_ns);
    if (job->time_based || w->trace)
        return done;
    part = 1 - (double)w->bytes_left / (double)w->bytes_limit;
    if (job->number_ios && 1 - (double)w->ios_left / (double)job->number_ios > part)
        part = 1 - (double)w->ios_left / (double)job->number_ios;
    part = (part + (double)(job->loops - w->loops_left)) / job->loops;
    return part > done ? part : done;
}

static bool unknown_end(const struct worker *w) {
    return w->trace && !w->job->runtime_ns;
}

void run_tick(struct run *run) {
    const struct load_settings *s = run->settings;
    struct load_progress p = {.simulated_ns = sim_now(run->sim) - run->start_ns};
    run->tick = RUN_TICK;
    if (s->stop && *s->stop)
        halt(run);
    if (!s->progress)
        return;
    for (unsigned i = 0; i < run->count; i++) {
        p.ios += run->workers[i].ios_done;
        p.done +=
            unknown_end(&run->workers[i]) ? -1e9 : worker_progress(&run->workers[i], sim_now(run->sim)) / run->count;
    }
    s->progress(s->context, &p);
}

/* --- results --- */

/* The result entry that a worker's numbers join, if its jobs are reported as a group. */
static struct run_stat *group_entry(struct run_result *result, const struct worker *w) {
    for (unsigned i = 0; w->job->group_reporting && i < result->count; i++)
        if (result->job[i]->group_reporting && result->stat[i]->group == w->group)
            return result->stat[i];
    return NULL;
}

static void collect(struct run_result *result, struct worker *w) {
    struct run_stat *group = group_entry(result, w);
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

static int collect_all(struct run *run, struct run_result *result, struct err *e) {
    int ret = 0;
    for (unsigned i = 0; i < run->count; i++) {
        struct worker *w = &run->workers[i];
        if (w->state != WORKER_DONE)
            ret = err_set(e, EIO, "job \"%s\": %u requests never completed", w->job->name, w->inflight);
        if (w->stat->end_ns - run->start_ns > result->simulated_ns)
            result->simulated_ns = w->stat->end_ns - run->start_ns;
        collect(result, w);
    }
    result->interrupted = run->interrupted;
    result->buffered = run->cache;
    if (run->cache)
        result->cache = writeback_stat(run->cache);
    return ret;
}

/* --- */

static int count_jobs(struct run *run, struct err *e) {
    uint64_t slots = 0;
    for (unsigned i = 0; i < run->jobs->count; i++) {
        const struct job *job = &run->jobs->job[i];
        run->count += job->numjobs;
        slots += (uint64_t)job->numjobs * job->iodepth;
        if (run->count > LOAD_JOBS_MAX || slots > LOAD_DEPTH_MAX)
            return err_set(e, E2BIG, "job \"%s\": more than %d jobs, or %d requests in flight, in one run", job->name,
                           LOAD_JOBS_MAX, LOAD_DEPTH_MAX);
    }
    return 0;
}

static int init_workers(struct run *run, struct err *e) {
    unsigned stage = 0, group = 0;
    for (unsigned i = 0; i < run->jobs->count; i++) {
        const struct job *job = &run->jobs->job[i];
        stage += i && job->stonewall;
        group += i && (job->stonewall || job->new_group);
        for (unsigned n = 0; n < job->numjobs; n++) {
            struct worker *w = &run->workers[run->ready];
            int ret = worker_init(w, run, i, n, e);
            run->ready++;
            if (ret)
                return ret;
            w->stage = stage;
            w->group = group;
        }
    }
    return steady_init(run, e);
}

static int run_jobs(struct run *run, struct run_result *result, struct err *e) {
    result->stat = calloc(run->count, sizeof(*result->stat));
    result->job = calloc(run->count, sizeof(*result->job));
    run->workers = calloc(run->count, sizeof(*run->workers));
    if (!run->workers || !result->stat || !result->job)
        return err_set(e, ENOMEM, "no memory for %u jobs", run->count);
    int ret = init_workers(run, e);
    if (ret)
        return ret;
    sim_event_init(&run->halt, halt_fired);
    run->start_ns = sim_now(run->sim);
    run->active = run->unscheduled = run->count;
    start_ready(run);
    run->looping = true;
    if (run->active)
        sim_run(run->sim, SIM_NEVER);
    sim_cancel(run->sim, &run->halt);
    return run->failure ? run->failure : collect_all(run, result, e);
}

int load_run(const struct job_file *jobs, struct drive *drive, struct sim *sim, const struct load_settings *settings,
             struct run_result *result, struct err *e) {
    struct run run = {.jobs = jobs, .settings = settings, .drive = drive, .sim = sim, .e = e, .tick = RUN_TICK};
    *result = (struct run_result){0};
    int ret = count_jobs(&run, e);
    if (!ret)
        ret = run_jobs(&run, result, e);
    iolog_end(&run);
    (void)logfile_finish(&run, !ret, &result->logs); /* the result stands without them */
    steady_end(&run);
    for (unsigned i = 0; i < run.ready; i++)
        worker_release(&run.workers[i]);
    free(run.workers);
    zbd_free(run.zbd);
    writeback_free(run.cache);
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
