/*
 * Replay a trace against a drive in virtual time: at the recorded moments
 * (open loop), stretched or compressed, or as fast as a queue depth allows.
 */
#ifndef DRIVELAB_LOAD_REPLAY_H
#define DRIVELAB_LOAD_REPLAY_H

#include "base/runstat.h"
#include "drive/drive.h"
#include "load/runner.h"
#include "load/trace/trace.h"

#define REPLAY_DEPTH_MAX (1 << 20) /* requests in flight; beyond, a trace waits */

enum replay_pace {
    REPLAY_TIMED, /* at the recorded times, by `stretch` */
    REPLAY_DEPTH, /* `depth` in flight, whatever the times */
};

enum replay_fit {
    REPLAY_WRAP,   /* addresses modulo the capacity */
    REPLAY_SCALE,  /* the span of the trace onto the capacity: reads the file twice */
    REPLAY_REFUSE, /* an address beyond the capacity is an error */
};

struct replay_config {
    struct trace_config trace;
    enum replay_pace pace;
    double stretch; /* 1: as recorded; 2: half as fast */
    unsigned depth; /* REPLAY_DEPTH: 1 to REPLAY_DEPTH_MAX */
    enum replay_fit fit;
    int64_t device; /* only this one; -1: all, on top of each other */
    uint64_t limit; /* requests; 0: all */
};

struct replay_result {
    struct run_stat *stat; /* latencies count from the recorded moment, as stretched */
    uint64_t ios;          /* answered, with flushes */
    uint64_t moved;        /* requests whose address was wrapped or scaled */
    uint64_t clipped;      /* requests larger than the drive */
    uint64_t skipped;      /* of other devices, or without length */
    uint64_t held;         /* that waited as REPLAY_DEPTH_MAX were in flight */
    uint64_t span;         /* end of the highest request met, in bytes */
    unsigned most_inflight;
    int64_t simulated_ns;
    bool interrupted; /* by settings->stop */
    char format[32];
    struct trace_notes notes;
};

/*
 * Runs the loop of `sim` until the trace is over. 0 (also if requests failed:
 * see the stat's first_error), or -errno with `e`: a file that can't be read, an
 * address beyond the drive with REPLAY_REFUSE, no request at all.
 */
int load_replay(const struct replay_config *config, struct drive *drive, struct sim *sim,
                const struct load_settings *settings, struct replay_result *result, struct err *e);
void replay_result_release(struct replay_result *result);

#endif
