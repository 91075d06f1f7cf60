/*
 * Run the jobs of a job file against a drive as fio would against a block
 * device: each job keeps up to `iodepth` requests in flight.
 */
#ifndef DRIVELAB_LOAD_RUNNER_H
#define DRIVELAB_LOAD_RUNNER_H

#include <signal.h>

#include "base/runstat.h"
#include "drive/drive.h"
#include "load/job.h"
#include "load/writeback.h"

#define LOAD_JOBS_MAX  16384     /* job instances of one run; each has its own histograms */
#define LOAD_DEPTH_MAX (1 << 20) /* requests in flight, all jobs together */

/* Results of a run; free with run_result_release(). */
struct run_result {
    struct run_stat **stat; /* one per job instance, or per group with group_reporting */
    const struct job **job; /* the section each came from */
    unsigned count;
    uint64_t ios;
    int64_t simulated_ns;
    bool interrupted; /* by settings->stop */
    bool buffered;    /* a job's writes went through the page cache, which did this: */
    struct writeback_stat cache;
    struct err logs; /* its code is not 0: a log of the jobs could not be written */
};

/* How far a run is. */
struct load_progress {
    uint64_t ios;
    int64_t simulated_ns;
    double done; /* share of the work, 0 to 1; below 0: nobody knows */
};

struct load_settings {
    uint64_t seed;
    void (*progress)(void *context, const struct load_progress *); /* every few thousand requests; may be NULL */
    void *context;
    const volatile sig_atomic_t *stop; /* not 0: end the jobs as if their time were over; may be NULL */
};

/*
 * Run until every job is done; job sizes must be resolved. The loop of `sim`
 * is run from here. Returns 0 (also if a job ended on a failed request: see
 * its first_error), or -errno with `e` filled if it could not run.
 *
 * The `owner` of requests, for I/O schedulers: instances are numbered from 1 in
 * the order of the sections and of numjobs; after them come those that write
 * back what buffered jobs wrote.
 */
int load_run(const struct job_file *jobs, struct drive *drive, struct sim *sim, const struct load_settings *settings,
             struct run_result *result, struct err *e);

void run_result_release(struct run_result *result);

/* A file that a job reads or writes besides the drive. */
struct load_file {
    const struct job *job;
    const char *option, *path; /* as write_iolog names it, or as logs of results are called */
    bool output;
};

/* Each of them, those of all instances; stops when use() returns something else than 0, which it returns. */
int load_each_file(const struct job_file *jobs, int (*use)(void *context, const struct load_file *file), void *context);

#endif
