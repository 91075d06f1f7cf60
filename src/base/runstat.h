/*
 * What a workload measured: plain numbers that load/ fills and report/ prints.
 *
 * Times in nanoseconds of modelled time. The three latencies are fio's: slat
 * from wanting to issue to handing over, clat from there to completion, lat
 * their sum.
 */
#ifndef DRIVELAB_BASE_RUNSTAT_H
#define DRIVELAB_BASE_RUNSTAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hist.h"

enum run_dir { RUN_READ, RUN_WRITE, RUN_TRIM, RUN_DIRS };

/* Throughput over windows of RUN_WINDOW_NS, for minimum, maximum and spread (fio's bw_min, iops_stddev, ...). */
#define RUN_WINDOW_NS 500000000LL

struct run_window {
    int64_t index;       /* window being filled */
    int64_t end_ns;      /* its end */
    uint64_t ios, bytes; /* in it */
    uint64_t samples;    /* finished windows */
    double iops_min, iops_max, iops_sum, iops_squares;
    double bytes_min, bytes_max, bytes_sum, bytes_squares; /* bytes a second */
};

struct run_dir_stat {
    uint64_t ios, bytes, errors;
    bool delayed; /* some request had to wait before it was issued: until then slat is 0 and lat is clat */
    struct hist slat, clat, lat; /* complete after run_stat_finish() */
    struct run_window window;
};

#define RUN_STEADY_SAMPLES 256

/* What fio's option steadystate found; criterion NULL: not asked for. */
struct run_steady {
    const char *criterion; /* "iops_slope" and so on */
    double limit;
    bool percent; /* the limit is in percent of the mean */
    int64_t duration_ns;
    bool attained;
    double deviation, slope;      /* in the last window: largest difference from the mean, slope a sample */
    double measure;               /* what is held against the limit */
    double mean_iops, mean_bytes; /* a second */
    double iops[RUN_STEADY_SAMPLES], bytes[RUN_STEADY_SAMPLES]; /* the last samples */
    unsigned samples;
    int64_t at_ns; /* when it was attained, from the job's start */
};

#define RUN_DEPTH_LEVELS 7 /* 1, 2, 4, 8, 16, 32, >=64 */

/* One job, or a group of them merged. Large: lives on the heap. */
struct run_stat {
    char name[64];
    unsigned group, jobs;
    int64_t start_ns, end_ns;
    uint64_t depth_level[RUN_DEPTH_LEVELS]; /* requests in flight when one more was issued */
    int first_error;                        /* NVMe status of the first failure, 0 = none */
    char error_text[256];                   /* its reason */
    struct run_dir_stat dir[RUN_DIRS];
    struct hist sync;       /* flushes; the first behind dir, see run_stat_init() */
    unsigned latency_depth; /* latency_target: the depth found; 0: not asked for */
    uint64_t verified;      /* blocks of payload found right */
    uint64_t zone_resets;
    struct run_steady steady;
};

void run_stat_init(struct run_stat *s, const char *name, unsigned group, int64_t start_ns);
void run_stat_submit(struct run_stat *s, unsigned depth);
void run_stat_complete(struct run_stat *s, enum run_dir dir, uint64_t bytes, int64_t wanted_ns, int64_t submitted_ns,
                       int64_t completed_ns);

/* Account the windows up to the end, without a partial last one (fio's way, too); call once when the job ends. */
void run_stat_finish(struct run_stat *s, int64_t end_ns);

/* Add a finished job's numbers to a group's. */
void run_stat_merge(struct run_stat *into, const struct run_stat *from);

#endif
