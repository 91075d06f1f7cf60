/*
 * Results for people and for programs. Rows of report_formats[]: text in the
 * manner of fio's, and JSON that is a superset of fio's.
 */
#ifndef DRIVELAB_REPORT_REPORT_H
#define DRIVELAB_REPORT_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/runstat.h"

struct json_t;

/* Options of one job as name and text, for fio's "job options". */
struct report_job_option {
    const char *name;
    char value[256];
};
#define REPORT_JOB_OPTIONS 64

/* A job's latency_target, as fio reports it; 0: none. */
struct report_target {
    int64_t target_ns, window_ns;
    double percentile;
};

/* What is to be reported; everything is borrowed. */
struct report {
    const char *drive;
    uint64_t seed;
    struct run_stat *const *stat;
    const struct report_job_option (*options)[REPORT_JOB_OPTIONS]; /* per stat; ended by a NULL name */
    const unsigned *iodepth;                                       /* per stat */
    const struct report_target *target;                            /* per stat, or NULL: none */
    const double *const *percentiles;                              /* per stat: of latencies, ended by 0; or NULL */
    const struct report_job_option *globals;                       /* ended by a NULL name; or NULL: none */
    unsigned count;
    uint64_t ios;
    int64_t simulated_ns;
    int64_t wall_ns;             /* 0 with `reproducible` */
    bool interrupted;            /* the user ended it: the results are of a part */
    bool reproducible;           /* leave out everything that depends on the wall clock */
    struct json_t *precondition; /* how the drive was brought to its steady state, or NULL */
    struct json_t *page_cache;   /* what buffered writes did, or NULL */
    struct json_t *trace;        /* what there is to be said of a replayed trace, or NULL */
    struct json_t *drive_stats;  /* drive_stats() */
    struct json_t *detail;       /* of a struct watch, or NULL */
    struct json_t *flash;        /* mark_json(): of the measured part, or NULL */
    struct json_t *config;       /* every option */
};

struct report_format {
    const char *name;
    /* Write the whole report; 0 or -errno of the stream. */
    int (*write)(const struct report *, FILE *out);
};

extern const struct report_format *const report_formats[]; /* NULL-terminated */

extern const struct report_format report_text, report_json, report_html;

/* The report as a new JSON object, as report_json writes it; caller owns it. NULL: no memory. */
struct json_t *report_json_object(const struct report *report);

/* What all jobs did together, by direction: "drivelab.total". A new object, caller owns it. */
struct json_t *report_total(const struct report *report);

/* Those of one job, ended by 0: fio's own, unless it says others. */
const double *report_percentiles(const struct report *r, unsigned i);

const struct report_format *report_find(const char *name); /* NULL if unknown */

#endif
