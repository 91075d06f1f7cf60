/*
 * Job files: the syntax of fio(1), read into plain structs.
 *
 * [global] sets defaults for the sections after it; every other section is a
 * job. An option that is not supported is an error with its file and line,
 * never ignored; options without a meaning for an emulated drive (ioengine,
 * direct, ...) are accepted with a note.
 */
#ifndef DRIVELAB_LOAD_JOB_H
#define DRIVELAB_LOAD_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/runstat.h"

/* A size in bytes or a share of the drive. */
struct job_extent {
    uint64_t bytes;
    unsigned percent; /* 1..100: of the drive; 0: `bytes` counts */
};

struct job {
    char name[64];
    int rw;                /* index into the table of rw names */
    bool random;           /* derived from rw */
    unsigned read_percent; /* of reads and writes; derived from rw and rwmixread */
    bool trim;             /* derived from rw */
    unsigned rwmixread;
    uint64_t bs[RUN_DIRS];
    unsigned iodepth, numjobs;
    struct job_extent size, offset; /* size 0: up to the end of the drive */
    int64_t runtime_ns;             /* 0: none */
    bool time_based, norandommap, group_reporting;
    uint64_t number_ios; /* 0: none */
    uint64_t randseed;   /* 0: from the run's seed */
};

struct job_file {
    struct job *job;
    unsigned count;
    char notes[512]; /* what was accepted without effect; empty if nothing */
};

/*
 * Read a job file. Returns 0, or -errno with `e` naming file, line, option and
 * what is allowed. Free with job_file_release(), also after a failure.
 */
int job_file_read(struct job_file *jobs, const char *path, struct err *e);

/* As job_file_read(), for `len` bytes in memory; `name` stands for the path in messages. */
int job_file_parse(struct job_file *jobs, const char *name, const char *text, unsigned long len, struct err *e);

void job_file_release(struct job_file *jobs);

/* fio's name of the job's rw, e.g. "randread". */
const char *job_rw_name(const struct job *job);

/*
 * Fit a job to a drive: resolve percentages and the default size into bytes.
 * 0, or -EINVAL with `e` naming the option and the drive's capacity.
 */
int job_resolve(struct job *job, uint64_t capacity, struct err *e);

#endif
