/*
 * One run; see run_session.h.
 */
#include "cli/run_session.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/progress.h"
#include "cli/trace_args.h"
#include "load/option.h"
#include "report/share.h"

static int64_t wall_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --- running --- */

/* Payload is kept only for jobs that look at it. */
static int open_drive(struct session *s, const struct run_args *a, struct err *e) {
    const struct sim_config virtual_time = {.mode = SIM_VIRTUAL};
    struct drive_zoned_limits zones = {0};
    s->sim = sim_new(&virtual_time, e);
    if (s->sim)
        s->drive = drive_open(&s->config.drive, job_needs_payload(&s->jobs) ? "memory" : "none", NULL, s->sim, e);
    if (!s->drive)
        return e->code ? e->code : -EIO;
    if (s->drive->ops->zoned)
        s->drive->ops->zoned->limits(s->drive, &zones);
    for (unsigned i = 0; i < s->jobs.count; i++)
        if (job_resolve(&s->jobs.job[i], s->drive->capacity, zones.zone_bytes, e))
            return err_prefix(e, "%s: ", a->job);
    return 0;
}

/* The queue, and who is who in it: after preconditioning, which is not its business. */
static int open_queue(struct session *s, const struct run_args *a, struct err *e) {
    unsigned owner = 0;
    if (block_open(s->drive, &s->config.queue, e))
        return e->code;
    struct block *b = block_of(s->drive);
    for (unsigned i = 0; b && i < s->jobs.count; i++) {
        const struct job *job = &s->jobs.job[i];
        const struct block_context_settings who = {.name = job->name,
                                                   .prioclass = job->prioclass,
                                                   .prio = job->prio,
                                                   .nice = job->nice,
                                                   .cgroup = job->cgroup,
                                                   .cgroup_weight = job->cgroup_weight,
                                                   .cgroup_limits = job->cgroup_io_max};
        for (unsigned n = 0; n < job->numjobs; n++)
            if (block_context_describe(b, ++owner, &who, e))
                return err_prefix(e, "%s: job %s: ", a->job, job->name);
    }
    return 0;
}

static bool asks_for(const struct config_overrides *overrides, const char *option) {
    for (unsigned i = 0; i < overrides->count; i++)
        if (!strncmp(overrides->text[i], option, strlen(option)))
            return true;
    return false;
}

/* Flash comes in whole blocks of each plane, some of which it needs itself: a small drive may have far more than asked.
 */
static void print_spare(const struct session *s, const struct config_overrides *overrides) {
    const struct drive_config *c = &s->config.drive;
    const struct nand_config *n = &c->nand;
    if (strcmp(s->drive->ops->name, "ssd") || !asks_for(overrides, "ssd.op_percent="))
        return;
    double flash = (double)nand_block_count(n) * n->pages * n->page_bytes;
    double percent = (flash / (double)c->drive.capacity - 1) * 100;
    if (percent > 1.1 * c->ssd.op_percent + 3)
        fprintf(stderr,
                "drivelab: note: ssd.op_percent=%g: it is a least value; %u blocks a plane are %.1f %% more flash than "
                "drive.capacity, and smaller values change nothing\n",
                c->ssd.op_percent, n->blocks, percent);
}

/* What the model takes and a host of the drive as it is sold could not ask for. */
static void print_block_size(const struct session *s, const struct run_args *a) {
    uint32_t lba = s->config.drive.drive.lba_bytes;
    for (unsigned i = 0; i < s->jobs.count; i++) {
        const struct job *job = &s->jobs.job[i];
        if (job_smallest(job) % lba == 0)
            continue;
        fprintf(stderr,
                "drivelab: note: %s: job \"%s\": requests of %" PRIu64
                " bytes; a host would have to format the drive first, as drive.lba_bytes is %u\n",
                a->job, job->name, job_smallest(job), lba);
        return;
    }
}

static void print_notes(const struct session *s, const struct run_args *a) {
    print_block_size(s, a);
    if (s->jobs.notes[0])
        fprintf(stderr, "drivelab: note: %s: has no meaning for an emulated drive: %s\n", a->job, s->jobs.notes);
    if (s->jobs.scheduling[0] && !s->config.queue.scheduler[0])
        fprintf(stderr, "drivelab: note: %s: without an I/O scheduler of no effect: %s\n", a->job, s->jobs.scheduling);
}

/* A part of the whole, under a name for the progress. */
struct stage {
    struct progress progress;
    struct load_settings settings;
};

static const struct load_settings *stage_begin(struct stage *stage, const struct session_setup *setup,
                                               const char *what) {
    stage->settings = (struct load_settings){.seed = setup->args->seed,
                                             .progress = setup->no_progress ? NULL : progress_show,
                                             .context = &stage->progress,
                                             .stop = progress_catch_interrupts()};
    progress_begin(&stage->progress, what);
    return &stage->settings;
}

static int precondition(struct session *s, const struct session_setup *setup, struct err *e) {
    struct stage stage;
    const struct load_settings *settings = stage_begin(&stage, setup, "preconditioning");
    int ret = load_precondition(&s->jobs, s->drive, s->sim, settings, &s->precondition, e);
    progress_end(&stage.progress);
    s->preconditioned = ret ? NULL : drive_stats(s->drive);
    return ret;
}

static int measure(struct session *s, const struct session_setup *setup, struct err *e) {
    const struct run_args *a = setup->args;
    struct stage stage;
    const struct load_settings *settings = stage_begin(&stage, setup, a->job ? "running" : "replaying");
    int64_t start = wall_clock();
    int ret = a->job ? load_run(&s->jobs, s->drive, s->sim, settings, &s->result, e)
                     : load_replay(&a->replay, s->drive, s->sim, settings, &s->replay, e);
    progress_end(&stage.progress);
    s->wall_ns = wall_clock() - start;
    if (!ret && !a->job && !setup->no_notes)
        trace_args_notes(&a->replay, &s->replay, s->drive->capacity);
    return ret;
}

static int watch_start(struct session *s, const struct session_setup *setup, struct err *e) {
    struct watch_config config = {.timeline = setup->args->window, .detail = setup->args->detail || setup->args->html};
    config.processes = block_of(s->drive) != NULL;
    config.timeline.out = setup->timeline;
    if (!config.timeline.out && !config.detail && !config.processes)
        return 0;
    s->watch = watch_begin(&config, s->drive, e);
    return s->watch ? 0 : e->code;
}

static void watch_stop(struct session *s, const struct session_setup *setup) {
    const struct timeline_end *t = &s->watched.timeline;
    watch_end(s->watch, &s->watched);
    s->watch = NULL;
    if (t->full)
        fprintf(stderr,
                "drivelab: note: %s: %" PRIu64 " events are the limit, reached %.6f s after the beginning; "
                "--timeline-window shows later parts, --timeline-events more\n",
                setup->timeline_name, t->events, (double)t->full_at_ns / 1e9);
    if (t->crowded)
        fprintf(stderr, "drivelab: note: %s: %" PRIu64 " requests are not shown as too many ran at once\n",
                setup->timeline_name, t->crowded);
}

int session_run(struct session *s, const struct session_setup *setup, struct err *e) {
    const struct run_args *a = setup->args;
    char seed[64];
    struct config_overrides overrides = *setup->overrides;
    snprintf(seed, sizeof(seed), "drive.seed=%" PRIu64, a->seed);
    memmove(overrides.text + 1, overrides.text, overrides.count * sizeof(overrides.text[0]));
    overrides.text[0] = seed; /* first, so that -o drive.seed still wins */
    overrides.count++;
    if (a->job) {
        s->jobs = *setup->jobs;
        *setup->jobs = (struct job_file){0};
    }
    if (config_load(&s->config, setup->drive, &overrides, e) || open_drive(s, a, e))
        return e->code;
    if (!setup->no_notes) {
        print_notes(s, a);
        print_spare(s, setup->overrides);
    }
    if ((a->precondition && precondition(s, setup, e)) || open_queue(s, a, e) || watch_start(s, setup, e))
        return e->code;
    mark_set(&s->mark, s->drive);
    int ret = measure(s, setup, e);
    watch_stop(s, setup);
    return ret;
}

int run_commit(struct outfile *out, const char *option, bool part) {
    struct err e = {0};
    bool beside = false;
    if (!out->stream)
        return CLI_OK;
    if (part ? outfile_commit_part(out, &beside, &e) : outfile_commit(out, &e)) {
        err_prefix(&e, "%s ", option);
        cli_bad_input(&e);
        return CLI_FAILED;
    }
    if (beside)
        fprintf(stderr, "drivelab: note: %s: what was there stays; the results of the part are in %s\n", option,
                out->path);
    return CLI_OK;
}

bool session_interrupted(const struct session *s) {
    return s->result.interrupted || s->replay.interrupted;
}

void session_release(struct session *s) {
    json_decref(s->watched.detail);
    share_free(s->watched.share);
    watch_end(s->watch, &s->watched);
    run_result_release(&s->result);
    json_decref(s->preconditioned);
    replay_result_release(&s->replay);
    if (s->drive) {
        block_free(block_of(s->drive));
        drive_close(s->drive);
    }
    if (s->sim)
        sim_free(s->sim);
    job_file_release(&s->jobs);
}

/* --- results --- */

static bool has(const struct report_job_option *option, unsigned count, const char *name, unsigned *at) {
    for (*at = 0; *at < count; ++*at)
        if (!strcmp(option[*at].name, name))
            return true;
    return false;
}

/* Options as they were given, under fio's first name for each. Returns how many. */
static unsigned given(const struct job *job, unsigned givens, struct report_job_option *option) {
    unsigned n = 0, at;
    for (unsigned i = 0; i < givens; i++) {
        const struct job_option *row = job_option_find(job->given[i].name);
        const char *name = row ? row->name : job->given[i].name;
        if (!has(option, n, name, &at) && n == REPORT_JOB_OPTIONS - 1)
            continue; /* full */
        option[at].name = name;
        snprintf(option[at].value, sizeof(option[at].value), "%.255s", job->given[i].value);
        n += at == n;
    }
    option[n].name = NULL;
    return n;
}

/* And what holds without having been given. */
static void describe(const struct job *job, struct report_job_option *option) {
    unsigned n = given(job, job->givens, option), at;
#define ADD(key, ...)                                                                                                  \
    (has(option, n, key, &at) || n == REPORT_JOB_OPTIONS - 1                                                           \
         ? 0                                                                                                           \
         : (snprintf(option[n].value, sizeof(option[n].value), __VA_ARGS__), option[n++].name = (key), 0))
    ADD("rw", "%s", job_rw_name(job));
    ADD("bs", "%" PRIu64 ",%" PRIu64 ",%" PRIu64, job->bs[RUN_READ], job->bs[RUN_WRITE], job->bs[RUN_TRIM]);
    ADD("iodepth", "%u", job->iodepth);
    ADD("numjobs", "%u", job->numjobs);
    ADD("offset", "%" PRIu64, job->offset.bytes);
    ADD("size", "%" PRIu64, job->size.bytes);
    ADD("rwmixread", "%u", job->rwmixread);
#undef ADD
    option[n].name = NULL;
}

/* What --precondition steady found; NULL without it. */
static json_t *precondition_json(const struct session *s) {
    const struct precondition_result *p = &s->precondition;
    if (!p->rounds)
        return NULL;
    json_t *rounds = json_array();
    for (unsigned i = 0; i < p->rounds; i++)
        json_array_append_new(rounds, json_real(p->iops[i]));
    return json_pack("{s:b,s:i,s:f,s:f,s:f,s:I,s:I,s:o,s:O}", "steady", p->steady, "rounds", (int)p->rounds,
                     "average_iops", p->average, "excursion_percent", p->excursion_percent, "slope_percent",
                     p->slope_percent, "ios", (json_int_t)p->ios, "simulated_ns", (json_int_t)p->simulated_ns,
                     "round_iops", rounds, "drive", s->preconditioned);
}

/* What the page cache did; NULL if no job is buffered. */
static json_t *page_cache_json(const struct run_result *r) {
    const struct writeback_stat *c = &r->cache;
    if (!r->buffered)
        return NULL;
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "written_bytes", (json_int_t)c->written_bytes, "writes",
                     (json_int_t)c->writes, "dirty_bytes", (json_int_t)c->dirty_bytes, "most_bytes",
                     (json_int_t)c->most_bytes, "throttled", (json_int_t)c->throttled, "throttled_ns",
                     (json_int_t)c->throttled_ns, "read_hits", (json_int_t)c->read_hits);
}

/* With what both kinds of run have in common. */
static int show(struct session *s, const struct session_setup *setup, struct report *report,
                int (*use)(const struct report *, void *), void *context) {
    report->drive = s->config.drive.name;
    report->seed = setup->args->seed;
    report->wall_ns = s->wall_ns;
    report->interrupted = session_interrupted(s);
    report->reproducible = setup->args->reproducible;
    report->drive_stats = drive_stats(s->drive);
    if (s->watched.share)
        share_add(s->watched.share, report->drive_stats);
    report->config = opt_to_json(&s->config.set);
    report->detail = s->watched.detail;
    report->flash = mark_json(&s->mark, s->drive);
    int ret = report->drive_stats && report->config ? use(report, context) : -ENOMEM;
    json_decref(report->drive_stats);
    json_decref(report->config);
    json_decref(report->flash);
    return ret;
}

static int show_jobs(struct session *s, const struct session_setup *setup, int (*use)(const struct report *, void *),
                     void *context) {
    const struct run_result *result = &s->result;
    struct report_job_option(*options)[REPORT_JOB_OPTIONS] = calloc(result->count + 1, sizeof(*options));
    struct report_target *target = calloc(result->count + 1, sizeof(*target));
    unsigned *iodepth = calloc(result->count + 1, sizeof(*iodepth));
    const double **percentiles = calloc(result->count + 1, sizeof(*percentiles));
    int ret = -ENOMEM;
    if (!options || !iodepth || !target || !percentiles)
        goto out;
    const struct job *last = s->jobs.count ? &s->jobs.job[s->jobs.count - 1] : NULL;
    if (last)
        given(last, last->globals, options[result->count]);
    for (unsigned i = 0; i < result->count; i++) {
        const struct job *job = result->job[i];
        describe(job, options[i]);
        percentiles[i] = job->percentile;
        target[i] = (struct report_target){.percentile = 100};
        if (job->latency_target_ns)
            target[i] = (struct report_target){job->latency_target_ns, job->latency_window_ns, job->latency_percentile};
        iodepth[i] = result->stat[i]->latency_depth ? result->stat[i]->latency_depth : result->job[i]->iodepth;
    }
    struct report report = {
        .stat = result->stat,
        .options = options,
        .iodepth = iodepth,
        .target = target,
        .percentiles = percentiles,
        .globals = options[result->count],
        .count = result->count,
        .ios = result->ios,
        .simulated_ns = result->simulated_ns,
        .precondition = precondition_json(s),
        .page_cache = page_cache_json(result),
    };
    ret = show(s, setup, &report, use, context);
    json_decref(report.precondition);
    json_decref(report.page_cache);
out:
    free(options);
    free(percentiles);
    free(target);
    free(iodepth);
    return ret;
}

static int show_replay(struct session *s, const struct session_setup *setup, int (*use)(const struct report *, void *),
                       void *context) {
    const struct replay_result *result = &s->replay;
    const struct replay_config *config = &setup->args->replay;
    struct report_job_option options[1][REPORT_JOB_OPTIONS] = {0};
    options[0][0].name = "read_iolog";
    snprintf(options[0][0].value, sizeof(options[0][0].value), "%.63s", config->trace.path);
    struct report report = {
        .stat = &result->stat,
        .options = (const struct report_job_option(*)[REPORT_JOB_OPTIONS])options,
        .iodepth = &result->most_inflight,
        .count = 1,
        .ios = result->ios,
        .simulated_ns = result->simulated_ns,
        .trace = trace_args_json(config, result),
    };
    int ret = show(s, setup, &report, use, context);
    json_decref(report.trace);
    return ret;
}

int session_report(struct session *s, const struct session_setup *setup, int (*use)(const struct report *, void *),
                   void *context) {
    return setup->args->job ? show_jobs(s, setup, use, context) : show_replay(s, setup, use, context);
}
