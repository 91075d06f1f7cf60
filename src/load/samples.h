/*
 * write_lat_log, write_bw_log, write_iops_log, write_hist_log: what each
 * request of a job took, or averages over log_avg_msec, in fio's files.
 */
#ifndef DRIVELAB_LOAD_SAMPLES_H
#define DRIVELAB_LOAD_SAMPLES_H

#include "base/err.h"
#include "base/runstat.h"

struct job;
struct run;
struct worker;
struct samples;

/* One request that was answered. */
struct sample {
    enum run_dir dir;
    uint64_t offset, bytes;
    int64_t wanted_ns, submitted_ns, completed_ns;
};

/* The files that instance `index` of the run would write; stops when use() returns something else than 0. */
typedef int samples_use(void *context, const char *option, const char *path, unsigned kind);
int samples_each_file(const struct job *job, unsigned index, samples_use *use, void *context);

/* Open the files of the worker's job; w->samples is NULL if it writes none. 0 or -errno with `e`. */
int samples_open(struct run *run, struct worker *w, struct err *e);

/* Time counts from here: the job began, or its ramp is over. */
void samples_begin(struct samples *s, int64_t now_ns);
void samples_note(struct samples *s, const struct sample *sample);

/* The job is over: write what the last windows hold. */
void samples_end(struct samples *s, int64_t now_ns);
void samples_free(struct samples *s); /* NULL is allowed */

#endif
