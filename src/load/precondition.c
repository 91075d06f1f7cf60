/*
 * Preconditioning to steady state; see precondition.h.
 */
#include "load/precondition.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char fill_text[] = "[precondition-fill]\nrw=write\nbs=128k\niodepth=32\nsize=100%\nloops=2\n";
static const char random_text[] = "[precondition]\nrw=randwrite\nbs=4k\niodepth=32\nsize=100%\nnorandommap\n";

void precondition_judge(struct precondition_result *r) {
    const double *y = r->iops + r->rounds - PRECONDITION_WINDOW, middle = (PRECONDITION_WINDOW - 1) / 2.0;
    double sum = 0, low = y[0], high = y[0], above = 0, below = 0;
    for (int i = 0; i < PRECONDITION_WINDOW; i++) {
        sum += y[i];
        low = y[i] < low ? y[i] : low;
        high = y[i] > high ? y[i] : high;
        above += (i - middle) * y[i];
        below += (i - middle) * (i - middle);
    }
    r->average = sum / PRECONDITION_WINDOW;
    r->excursion_percent = r->average > 0 ? 100 * (high - low) / r->average : 0;
    r->slope_percent = r->average > 0 ? 100 * fabs(above / below) * (PRECONDITION_WINDOW - 1) / r->average : 0;
    r->steady = r->excursion_percent <= PRECONDITION_EXCURSION && r->slope_percent <= PRECONDITION_SLOPE;
}

/* Run the jobs and add up what it took. 0 or -errno; *ran: I/Os, *took: time. */
static int part(const struct job_file *jobs, struct drive *drive, struct sim *sim, const struct load_settings *settings,
                struct precondition_result *result, uint64_t *ran, int64_t *took, struct err *e) {
    struct run_result r;
    int ret = load_run(jobs, drive, sim, settings, &r, e);
    if (ret)
        return ret;
    *ran = r.ios;
    *took = r.simulated_ns;
    result->ios += r.ios;
    result->simulated_ns += r.simulated_ns;
    if (r.stat[0]->first_error)
        ret = err_set(e, EIO, "preconditioning failed: %s", r.stat[0]->error_text);
    else if (r.interrupted)
        ret = err_set(e, EINTR, "preconditioning was interrupted");
    run_result_release(&r);
    return ret;
}

static int own_jobs(struct job_file *own, const char *text, const struct drive *drive, struct err *e) {
    int ret = job_file_parse(own, "preconditioning", text, strlen(text), e);
    return ret ? ret : job_resolve(&own->job[0], drive->capacity, 0, e);
}

/* Of the requests those that write, by bytes; at least one percent, so that rounds end. */
static double write_share(const struct job *job) {
    double share = job->uses[RUN_READ] ? (100 - job->read_percent) / 100.0 : 1;
    return share < 0.01 ? 0.01 : share;
}

/* The workload of the rounds: the job without everything that ends or delays it. */
static void make_round(struct job *round, const struct job *job) {
    *round = *job;
    round->io_size = (struct job_extent){
        .bytes = (uint64_t)((double)job->size.bytes / PRECONDITION_WINDOW / write_share(job)), .given = true};
    if (round->io_size.bytes < job_largest(job))
        round->io_size.bytes = job_largest(job);
    round->loops = 1;
    round->time_based = round->stonewall = round->exitall = false;
    round->runtime_ns = round->ramp_ns = round->startdelay_ns = round->startdelay_max_ns = 0;
    round->number_ios = 0;
    round->buffered = false;
    round->steadystate = JOB_STEADY_NONE;
    round->latency_target_ns = 0;
    round->verify = JOB_VERIFY_NONE;
    round->verify_only = false;
    round->write_iolog[0] = round->wait_for[0] = 0;
    round->write_bw_log.given = round->write_lat_log.given = false;
    round->write_iops_log.given = round->write_hist_log.given = false;
    round->randrepeat = false;
    memset(round->rate, 0, sizeof(round->rate));
    memset(round->rate_iops, 0, sizeof(round->rate_iops));
    memset(round->rate_min, 0, sizeof(round->rate_min));
    memset(round->rate_iops_min, 0, sizeof(round->rate_iops_min));
    memset(round->max_latency_ns, 0, sizeof(round->max_latency_ns));
    round->thinktime_ns = 0;
    round->randseed = 0; /* each round has its own */
}

static const struct job *first_writer(const struct job_file *jobs) {
    for (unsigned i = 0; i < jobs->count; i++)
        if (jobs->job[i].uses[RUN_WRITE] && !jobs->job[i].read_iolog[0] && jobs->job[i].zonemode != JOB_ZONE_ZBD)
            return &jobs->job[i];
    return NULL;
}

static int run_rounds(const struct job *job, struct drive *drive, struct sim *sim, const struct load_settings *settings,
                      struct precondition_result *result, struct err *e) {
    struct job round;
    struct job_file jobs = {.job = &round, .count = 1};
    struct load_settings own = *settings;
    make_round(&round, job);
    while (result->rounds < PRECONDITION_ROUNDS && !result->steady) {
        uint64_t ios;
        int64_t ns;
        own.seed++;
        if (part(&jobs, drive, sim, &own, result, &ios, &ns, e))
            return e->code;
        result->iops[result->rounds++] = ns > 0 ? (double)ios * 1e9 / (double)ns : 0;
        if (result->rounds >= PRECONDITION_WINDOW)
            precondition_judge(result);
    }
    return 0;
}

int load_precondition(const struct job_file *jobs, struct drive *drive, struct sim *sim,
                      const struct load_settings *settings, struct precondition_result *result, struct err *e) {
    struct job_file fill = {0}, random = {0};
    const struct job *job = first_writer(jobs);
    uint64_t ios;
    int64_t ns;
    *result = (struct precondition_result){0};
    if (drive->ops->zoned)
        return err_set(e, EINVAL, "a drive with zones has no garbage collection to bring to a steady state");
    int ret = own_jobs(&fill, fill_text, drive, e);
    if (!ret)
        ret = own_jobs(&random, random_text, drive, e);
    if (!ret)
        ret = part(&fill, drive, sim, settings, result, &ios, &ns, e);
    if (!ret)
        ret = run_rounds(job ? job : &random.job[0], drive, sim, settings, result, e);
    job_file_release(&fill);
    job_file_release(&random);
    return ret;
}
