/*
 * fio's steadystate: samples of the rate, a window of them, and the job ends
 * when all lie close to their mean, or their line is flat. See runner_int.h.
 *
 * With group_reporting the samples are those of the whole group.
 * Source: fio(1), steadystate. Slopes are per sample, as fio's.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "load/runner_int.h"

static bool shares(const struct worker *w, const struct worker *first) {
    return w == first || (first->job->group_reporting && w->job->group_reporting && w->group == first->group);
}

static double mean(const double *value, unsigned n) {
    double sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += value[i];
    return sum / n;
}

/* value[at] is the oldest of the ring. */
static double slope(const double *value, unsigned n, unsigned at) {
    double middle = (n - 1) / 2.0, average = mean(value, n), above = 0, below = 0;
    for (unsigned i = 0; i < n; i++) {
        double x = i - middle;
        above += x * (value[(at + i) % n] - average);
        below += x * x;
    }
    return above / below;
}

static double deviation(const double *value, unsigned n) {
    double average = mean(value, n), most = 0;
    for (unsigned i = 0; i < n; i++)
        most = fabs(value[i] - average) > most ? fabs(value[i] - average) : most;
    return most;
}

/* The window is full: judge it. */
static bool judge(struct steady *s, struct run_steady *result) {
    const struct job *job = s->worker->job;
    bool of_ios = job->steadystate == JOB_STEADY_IOPS || job->steadystate == JOB_STEADY_IOPS_SLOPE;
    bool by_slope = job->steadystate == JOB_STEADY_IOPS_SLOPE || job->steadystate == JOB_STEADY_BW_SLOPE;
    const double *value = of_ios ? s->iops : s->bytes;
    result->mean_iops = mean(s->iops, s->room);
    result->mean_bytes = mean(s->bytes, s->room);
    result->deviation = deviation(value, s->room);
    result->slope = slope(value, s->room, s->at);
    result->measure = by_slope ? fabs(result->slope) : result->deviation;
    if (job->steady_percent)
        result->measure = mean(value, s->room) > 0 ? result->measure * 100 / mean(value, s->room) : 0;
    return result->measure <= job->steady_limit;
}

/* The last samples, oldest first, for the results. */
static void keep(const struct steady *s, struct run_steady *result) {
    unsigned have = s->count < s->room ? s->count : s->room;
    result->samples = have < RUN_STEADY_SAMPLES ? have : RUN_STEADY_SAMPLES;
    for (unsigned i = 0; i < result->samples; i++) {
        unsigned from = (s->at + s->room - result->samples + i) % s->room;
        result->iops[i] = s->iops[from];
        result->bytes[i] = s->bytes[from];
    }
}

static void attained(struct run *run, struct steady *s) {
    for (unsigned i = 0; i < run->count; i++) {
        struct worker *w = &run->workers[i];
        if (!shares(w, s->worker) || w->state != WORKER_RUNNING)
            continue;
        worker_stop(w);
        worker_pump(w);
    }
}

static void totals(const struct run *run, const struct steady *s, uint64_t *ios, uint64_t *bytes) {
    *ios = *bytes = 0;
    for (unsigned i = 0; i < run->count; i++)
        if (shares(&run->workers[i], s->worker)) {
            *ios += run->workers[i].ios_done;
            *bytes += run->workers[i].bytes_done;
        }
}

static void sample(struct sim_event *event) {
    struct steady *s = (struct steady *)event; /* first member */
    struct worker *w = s->worker;
    struct run *run = w->run;
    struct run_steady *result = &w->stat->steady;
    double seconds = (double)w->job->steady_interval_ns / 1e9;
    uint64_t ios, bytes;
    totals(run, s, &ios, &bytes);
    s->iops[s->at] = (double)(ios - s->seen_ios) / seconds;
    s->bytes[s->at] = (double)(bytes - s->seen_bytes) / seconds;
    s->seen_ios = ios;
    s->seen_bytes = bytes;
    s->at = (s->at + 1) % s->room;
    s->count++;
    keep(s, result);
    if (s->count >= s->room && judge(s, result)) {
        result->attained = true;
        result->at_ns = sim_now(run->sim) - w->start_ns;
        attained(run, s);
        return;
    }
    sim_schedule(run->sim, event, sim_now(run->sim) + w->job->steady_interval_ns);
}

/* The first sample begins. */
static void begin_sampling(struct sim_event *event) {
    struct steady *s = (struct steady *)event;
    sim_event_init(event, sample);
    totals(s->worker->run, s, &s->seen_ios, &s->seen_bytes);
    sim_schedule(s->worker->sim, event, sim_now(s->worker->sim) + s->worker->job->steady_interval_ns);
}

int steady_init(struct run *run, struct err *e) {
    run->steady = calloc(run->count, sizeof(*run->steady));
    if (!run->steady)
        return err_set(e, ENOMEM, "no memory for %u jobs", run->count);
    for (unsigned i = 0; i < run->count; i++) {
        struct worker *w = &run->workers[i];
        struct steady *s = &run->steady[i];
        bool first = w->job->steadystate;
        for (unsigned n = 0; n < i && first; n++)
            first = !(run->steady[n].room && shares(w, &run->workers[n]));
        if (!first)
            continue;
        s->worker = w;
        s->room = (unsigned)(w->job->steady_duration_ns / w->job->steady_interval_ns);
        s->iops = calloc(s->room, sizeof(*s->iops));
        s->bytes = calloc(s->room, sizeof(*s->bytes));
        if (!s->iops || !s->bytes)
            return err_set(e, ENOMEM, "job \"%s\": no memory for %u samples of steadystate", w->job->name, s->room);
    }
    return 0;
}

static void describe(struct worker *w) {
    static const char *const names[] = {NULL, "iops", "iops_slope", "bw", "bw_slope"};
    const struct job *job = w->job;
    w->stat->steady = (struct run_steady){.criterion = names[job->steadystate],
                                          .limit = job->steady_limit,
                                          .percent = job->steady_percent,
                                          .duration_ns = job->steady_duration_ns};
}

void steady_begin(struct run *run, struct worker *w) {
    struct steady *s = &run->steady[w->index];
    if (!s->room || s->started)
        return;
    s->started = true;
    describe(w);
    sim_event_init(&s->event, begin_sampling);
    sim_schedule(run->sim, &s->event, w->start_ns + w->job->ramp_ns + w->job->steady_ramp_ns);
}

void steady_end(struct run *run) {
    for (unsigned i = 0; run->steady && i < run->count; i++) {
        if (run->steady[i].started)
            sim_cancel(run->sim, &run->steady[i].event);
        free(run->steady[i].iops);
        free(run->steady[i].bytes);
    }
    free(run->steady);
    run->steady = NULL;
}
