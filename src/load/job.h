/*
 * Job files: the syntax of fio(1), read into plain structs.
 *
 * [global] sets defaults for the sections after it; every other section is a
 * job. An option that is not supported is an error with its file and line,
 * never ignored; options without a meaning for an emulated drive (ioengine,
 * invalidate, ...) are accepted with a note. The options are rows of job_options[]
 * (load/option.h), from which messages and documentation come.
 */
#ifndef DRIVELAB_LOAD_JOB_H
#define DRIVELAB_LOAD_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/runstat.h"

#define JOB_TEXT_MAX    256
#define JOB_PERCENTILES 20

/* A size: in bytes, as a share of the drive, or in zones. */
struct job_extent {
    uint64_t bytes;
    double percent; /* > 0: of the drive; else the others count */
    uint64_t zones; /* > 0: times zonesize */
    bool given;
};

/* One size of a bssplit, or one zone of a random_distribution=zoned. */
struct job_share {
    unsigned percent;  /* of the requests */
    uint64_t bytes;    /* size of the block or, zoned_abs, of the zone */
    double of_percent; /* zoned: size of the zone, % of the region */
};

struct job_shares {
    struct job_share *share;
    unsigned count;
};

enum job_sequencer { JOB_SEQUENTIAL, JOB_IDENTICAL };
enum job_distribution { JOB_UNIFORM, JOB_ZIPF, JOB_PARETO, JOB_NORMAL, JOB_ZONED, JOB_ZONED_ABS };
enum job_generator { JOB_TAUSWORTHE, JOB_LFSR, JOB_TAUSWORTHE64 };
enum job_zonemode { JOB_ZONE_NONE, JOB_ZONE_STRIDED, JOB_ZONE_ZBD };
enum job_write_mode { JOB_WRITE, JOB_WRITE_ZEROES, JOB_WRITE_APPEND };
enum job_rate_process { JOB_RATE_LINEAR, JOB_RATE_POISSON };
enum job_think { JOB_THINK_COMPLETE, JOB_THINK_ISSUE };
enum job_exit { JOB_EXIT_GROUP, JOB_EXIT_STONEWALL, JOB_EXIT_ALL };
enum job_steady { JOB_STEADY_NONE, JOB_STEADY_IOPS, JOB_STEADY_IOPS_SLOPE, JOB_STEADY_BW, JOB_STEADY_BW_SLOPE };

enum job_failure { JOB_FAIL_READ, JOB_FAIL_WRITE, JOB_FAIL_VERIFY };

/* How payload is checked; load/verify.h. */
enum job_verify { JOB_VERIFY_NONE, JOB_VERIFY_HEADER, JOB_VERIFY_PATTERN, JOB_VERIFY_NULL };

/* A log of results. */
struct job_log {
    bool given;
    char name[JOB_TEXT_MAX]; /* empty: the job's */
};

/* One option as it stood in the file. */
struct job_given {
    char *name, *value;
    const char *file; /* owned by the job_file */
    unsigned line;
};

struct job {
    char name[64];
    char description[JOB_TEXT_MAX];
    struct job_given *given; /* this section's options in order, then --set; owned */
    unsigned givens;
    unsigned globals; /* the first so many came from [global] */

    /* what is done */
    int rw;                /* index into the table of rw names */
    bool random;           /* derived from rw */
    bool uses[RUN_DIRS];   /* derived from rw */
    bool trimwrite;        /* derived from rw: each block is trimmed, then written */
    unsigned read_percent; /* of reads and writes; derived from rw and rwmixread */
    unsigned rwmixread;
    uint64_t rw_every; /* random: a new place after so many requests */
    int64_t rw_skip;   /* sequential: bytes left out after each request; negative: backwards */
    int rw_sequencer;
    uint64_t bs[RUN_DIRS], bs_max[RUN_DIRS]; /* smallest and largest request */
    struct job_shares bssplit[RUN_DIRS];
    bool bs_is_seq_rand;           /* until job_finish(): sizes are for sequential, random instead of reads, writes */
    uint64_t blockalign[RUN_DIRS]; /* 0: as bs */
    unsigned percentage_random[RUN_DIRS];

    /* where */
    struct job_extent size, offset; /* size 0: up to the end of the drive */
    struct job_extent filesize, io_size, offset_increment;
    uint64_t part; /* resolved: of the region's bytes so many are done; 0: all */
    uint64_t offset_align;

    /* randomness */
    int random_distribution;
    double theta, center; /* of zipf, pareto, normal; center < 0: anywhere */
    struct job_shares zoned[RUN_DIRS];
    int random_generator;
    bool norandommap, softrandommap, randrepeat;
    uint64_t randseed; /* 0: from the run's seed */

    /* how many at once, and when */
    unsigned iodepth, iodepth_batch, iodepth_batch_complete_min, iodepth_batch_complete_max, iodepth_low;
    bool serialize_overlap;
    unsigned numjobs, loops;
    int64_t runtime_ns; /* 0: none */
    bool time_based;
    int64_t ramp_ns, startdelay_ns, startdelay_max_ns;
    uint64_t number_ios; /* 0: none */
    bool stonewall, new_group, exitall, exitall_on_error;
    int exit_what;
    char wait_for[64];
    uint64_t rate[RUN_DIRS], rate_min[RUN_DIRS];           /* bytes a second */
    uint64_t rate_iops[RUN_DIRS], rate_iops_min[RUN_DIRS]; /* a second */
    int rate_process;
    unsigned rate_cycle_ms;
    bool rate_ignore_thinktime;
    int64_t thinktime_ns, thinktime_spin_ns, thinktime_iotime_ns;
    uint64_t thinktime_blocks;
    int thinktime_blocks_type;
    int64_t latency_target_ns, latency_window_ns, max_latency_ns[RUN_DIRS];
    double latency_percentile;
    bool latency_run;
    int64_t host_submit_ns, host_complete_ns, host_interrupt_ns;

    /* zones */
    int zonemode;
    uint64_t zonesize, zonerange, zonecapacity;
    struct job_extent zoneskip;
    bool read_beyond_wp, ignore_zone_limits;
    unsigned max_open_zones, job_max_open_zones;
    double zone_reset_threshold, zone_reset_frequency;
    int write_mode;

    /* durability and payload */
    uint64_t fsync, fdatasync; /* writes; 0: never */
    bool end_fsync, fsync_on_close;
    bool sync;             /* each write forced to the medium */
    bool buffered;         /* writes go to a page cache; the rest is about it */
    uint64_t dirty_memory; /* bytes, of which the next two are % */
    unsigned dirty_ratio, dirty_background_ratio;
    int64_t dirty_expire_ns, dirty_writeback_ns;
    enum job_verify verify;
    char verify_name[16];
    bool do_verify, verify_fatal, verify_only;
    uint64_t verify_interval, verify_offset, verify_backlog, verify_backlog_batch;
    uint8_t verify_pattern[JOB_TEXT_MAX];
    unsigned verify_pattern_bytes;
    uint8_t verify_pattern_offset[32]; /* where in the pattern the block's offset (8 bytes) belongs */
    unsigned verify_offsets;           /* how many of them */

    /* logs of results */
    struct job_log write_bw_log, write_lat_log, write_iops_log, write_hist_log;
    int64_t log_avg_ns, log_hist_ns;
    unsigned log_hist_coarseness;
    bool log_max_value, log_offset, log_prio, per_job_logs;

    /* logs of requests */
    char write_iolog[JOB_TEXT_MAX], read_iolog[JOB_TEXT_MAX];
    bool replay_no_stall;
    unsigned replay_time_scale; /* % */
    uint64_t replay_scale, replay_align;
    bool replay_skip[RUN_DIRS], replay_skip_sync;

    /* who asks; for I/O schedulers */
    int prio, prioclass; /* -1: not given */
    int nice;
    char cgroup[64];
    unsigned cgroup_weight;
    char cgroup_io_max[64];

    /* ending, reporting */
    int steadystate;
    double steady_limit;
    bool steady_percent; /* the limit is a percentage of the mean */
    int64_t steady_duration_ns, steady_ramp_ns, steady_interval_ns;
    bool group_reporting;
    double percentile[JOB_PERCENTILES + 1]; /* of latencies, rising, ended by 0; none: the report's own */
    unsigned continue_on_error;             /* bits 1 << enum job_failure */
    unsigned kb_base;
};

#define JOB_FILES_MAX 64 /* files read for one job file, included ones too */

struct job_file {
    struct job *job;
    unsigned count;
    char notes[2048];    /* names of what was accepted without effect; empty if nothing */
    char scheduling[64]; /* names of what only an I/O scheduler would look at */
    char *file[JOB_FILES_MAX];
    unsigned files;
};

/* Overrides from the command line: "name=value", applied to every job after its own options. */
struct job_overrides {
    const char *const *text;
    unsigned count;
};

/*
 * Read a job file; "-": standard input. `overrides` may be NULL. Returns 0, or -errno with `e`
 * naming file, line, option and what is allowed. Free with job_file_release(),
 * also after a failure.
 */
int job_file_read(struct job_file *jobs, const char *path, const struct job_overrides *overrides, struct err *e);

/* As job_file_read(), for `len` bytes in memory; `name` stands for the path in messages. It may not include others. */
int job_file_parse(struct job_file *jobs, const char *name, const char *text, unsigned long len, struct err *e);

void job_file_release(struct job_file *jobs);

/* fio's name of the job's rw, e.g. "randread". */
const char *job_rw_name(const struct job *job);

bool job_writes_samples(const struct job *job);

/* The first of its options that writes a file; NULL: none does. */
const char *job_writes_file(const struct job *job);

/* Whether a job checks what it reads, so that the drive's store must keep payload. */
bool job_needs_payload(const struct job_file *jobs);

/*
 * Fit a job to a drive: resolve percentages and the default size into bytes.
 * zone_bytes: of a drive's zones, 0 without. 0, or -EINVAL with `e` naming the
 * option and the drive's capacity.
 */
int job_resolve(struct job *job, uint64_t capacity, uint64_t zone_bytes, struct err *e);

/* Where instance n (of numjobs) of a resolved job works: offset_increment moves it. */
void job_region(const struct job *job, unsigned n, uint64_t *offset, uint64_t *size);

/* Smallest and largest request of the directions a job uses. */
uint64_t job_smallest(const struct job *job);
uint64_t job_largest(const struct job *job);

#endif
