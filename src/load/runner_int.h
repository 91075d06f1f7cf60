/*
 * What the files of the runner share: the run, and its workers, one for each
 * instance of a job.
 *
 * A worker's life (states of enum worker_state):
 *
 *   WAITING --start--> RUNNING --nothing left, all back--> (verify, next loop, last flush) --> DONE
 *
 * While RUNNING it issues until its depth is reached or its gate is closed:
 *   OPEN -> QUIESCE: waits until all is back, then gate_reached()
 *   OPEN -> TIMER:   waits for w->timer
 *   OPEN -> ALONE:   waits for a flush or zone reset that nothing may be issued beside
 */
#ifndef DRIVELAB_LOAD_RUNNER_INT_H
#define DRIVELAB_LOAD_RUNNER_INT_H

#include "base/outfile.h"
#include "load/generator.h"
#include "load/runner.h"
#include "load/samples.h"
#include "load/trace/trace.h"
#include "load/verify.h"
#include "load/writeback.h"
#include "load/zbd.h"

enum worker_state { WORKER_WAITING, WORKER_RUNNING, WORKER_DONE };
enum worker_gate { GATE_OPEN, GATE_QUIESCE, GATE_TIMER, GATE_ALONE };
enum worker_phase { PHASE_WORK, PHASE_VERIFY, PHASE_FLUSH };

/* What is to happen when a quiescing worker has everything back. */
enum worker_then { THEN_GO_ON, THEN_THINK, THEN_RESET };

enum slot_kind { SLOT_REQUEST, SLOT_SYNC, SLOT_RESET };

struct worker;
struct run;
struct processor;

struct slot {
    struct io io;
    struct worker *worker;
    enum run_dir dir;
    enum slot_kind kind;
    int64_t wanted_ns;
    int64_t number; /* of the write that is written or checked; -1: none */
    uint64_t offset, bytes;
    struct iovec vec;
    void *buffer;
};

#define LOG_PATH_MAX (JOB_TEXT_MAX + 64)

/* A log being written; instances may share it. */
struct logfile {
    struct logfile *next;
    char path[LOG_PATH_MAX];
    const char *option; /* that asked for it */
    struct outfile out;
    bool begun; /* an iolog with its first lines */
};

/* Samples of steadystate, of one job or of a group. */
struct steady {
    struct sim_event event;
    struct worker *worker; /* the first of them */
    double *iops, *bytes;  /* ring of the last samples */
    unsigned room, count, at;
    uint64_t seen_ios, seen_bytes;
    bool started;
};

struct worker {
    struct run *run;
    const struct job *job;
    unsigned index;           /* in the run */
    unsigned section;         /* of the job file */
    uint32_t flags[RUN_DIRS]; /* of requests: enum io_flag */
    unsigned group, stage;    /* for reporting; what starts together */
    enum worker_state state;
    enum worker_gate gate;
    enum worker_then then;
    enum worker_phase phase;
    bool simple;  /* nothing but requests as fast as they go: the short way */
    bool stopped; /* its time is over, or it is told to end */
    bool failed;  /* and not even to verify */
    bool over;    /* nothing left in this phase */
    bool backlog; /* verifying in between, verify_backlog */
    struct drive *drive;
    struct writeback_file *file; /* writes are buffered; NULL: to the drive */
    struct processor *processor; /* NULL: the host takes no time */
    struct sim *sim;
    struct run_stat *stat;
    struct generator gen;
    struct zbd_cursor zbd;
    uint64_t region, region_bytes;

    /* slots */
    struct slot *slot;
    uint32_t *free_slots;
    unsigned free_count;
    unsigned inflight, depth; /* depth: iodepth, or what latency_target tries */
    unsigned resume_at;       /* once full, issue again when so few are in flight */
    bool full;

    /* how much */
    uint64_t bytes_limit, bytes_left, ios_left, bytes_stop; /* of this loop; over when less than bytes_stop is left */
    uint64_t bytes_done, ios_done;                          /* completed since the start, all loops */
    unsigned loops_left;
    int64_t start_ns;
    int64_t passed_ns; /* when `passed` was last 0 */
    unsigned passed;   /* requests of a time-based job since then */
    struct sim_event begin, timer, ramp, stop, window, cycle;

    /* the request to be issued next */
    bool have_next; /* it is drawn, but not yet fit to be issued */
    bool held;      /* it is fit, but a flush comes first */
    struct request next;
    bool next_sync;                   /* it is a flush */
    int64_t next_number, next_due_ns; /* write to check, -1: none; when it was wanted */
    uint32_t reset_zone;

    /* pace */
    struct rng pace;
    bool paced;
    int64_t due_ns[RUN_DIRS];
    uint64_t due_rest[RUN_DIRS]; /* fraction of a nanosecond, in units of 1 / rate */
    bool decided;                /* direction is chosen, its time not yet come */
    enum run_dir direction;
    uint64_t think_count;
    int64_t thought_ns;
    uint64_t cycle_ios[RUN_DIRS], cycle_bytes[RUN_DIRS];

    /* latency_target */
    unsigned depth_low, depth_high;
    uint64_t window_ios, window_late;
    unsigned window_skip; /* completions that belong to the depth before */
    bool depth_found;
    bool measure; /* count anew when those are back */

    /* durability, payload, logs */
    uint64_t writes_since_sync, writes_since_datasync;
    bool sync_due, sync_is_data;
    struct history history;
    bool remembers; /* history is in use */
    uint32_t verified, verify_upto;
    struct logfile *log;
    struct samples *samples; /* NULL: no logs of latency, bandwidth, IOPS */
    struct trace *trace;
};

struct run {
    const struct job_file *jobs;
    const struct load_settings *settings;
    struct drive *drive;
    struct sim *sim;
    struct worker *workers;
    unsigned count, active, ready; /* instances; not yet done; initialised */
    unsigned unscheduled;          /* instances that something keeps from starting */
    struct zbd *zbd;
    struct writeback *cache; /* NULL: no job is buffered */
    struct logfile *logs;
    struct steady *steady; /* as many as workers; unused ones have no room */
    struct err *e;
    int failure; /* -errno: the run as a whole failed, `e` says how */
    uint64_t ios;
    unsigned tick; /* completions until the next look at progress and stop */
    int64_t start_ns;
    bool looping; /* the loop runs, so there is something to stop */
    bool interrupted;
    struct sim_event halt; /* ends all jobs */
};

#define RUN_TICK 16384

/* --- worker.c --- */
int worker_init(struct worker *w, struct run *run, unsigned section, unsigned instance, struct err *e);
void worker_release(struct worker *w);
void worker_start(struct worker *w);  /* after its stage's and its own delay */
void worker_stop(struct worker *w);   /* issue nothing more */
void worker_pump(struct worker *w);   /* issue what may be issued */
void worker_slot_done(struct io *io); /* of a slot: the job sees it complete */
void worker_gate(struct worker *w, enum worker_gate gate, enum worker_then then);
void worker_wait_until(struct worker *w, int64_t at_ns);

/* Note the first failure of a job; the status is one of enum io_status. */
void worker_fail(struct worker *w, uint16_t status, const char *text);

/* --- source.c: what the next request is --- */

enum source_answer { SOURCE_READY, SOURCE_LATER, SOURCE_OVER }; /* w->next is set; gate closed; nothing left */
enum source_answer source_next(struct worker *w);
bool source_simple(struct worker *w, struct request *r); /* for simple workers; false: nothing left */
void source_begin_loop(struct worker *w, bool first);
void source_begin_verify(struct worker *w);

/* --- pace.c: rates, thinking, depth by latency --- */
void pace_init(struct worker *w);
void pace_begin(struct worker *w);

/* When a request in the direction, which may be exchanged for the other one of a mix, may be issued. */
int64_t pace_due(struct worker *w, enum run_dir *dir);
void pace_issued(struct worker *w, enum run_dir dir, uint64_t bytes);
void pace_completed(struct worker *w, enum run_dir dir, uint64_t bytes, int64_t latency_ns);
void pace_thought(struct worker *w); /* a thinktime begins */
void pace_end(struct worker *w);

/* --- processor.c --- */
int processor_init(struct worker *w); /* once it has slots; 0 or -ENOMEM */
void processor_release(struct worker *w);
void processor_submit(struct worker *w, struct slot *slot);

/* --- steady.c --- */
int steady_init(struct run *run, struct err *e);
void steady_begin(struct run *run, struct worker *w); /* when a worker starts */
void steady_end(struct run *run);

/* --- logfile.c --- */

/* The file at `path`, opened by the first who asks. NULL with `e` naming job and option. */
struct logfile *logfile_use(struct run *run, const struct job *job, const char *option, const char *path,
                            struct err *e);

/* Put all into their places; not `good`: give them up. */
int logfile_finish(struct run *run, bool good, struct err *e);

/* --- iolog.c --- */
int iolog_use(struct run *run, struct worker *w, struct err *e);
void iolog_note(struct worker *w, const char *action, uint64_t offset, uint64_t bytes);
void iolog_end(struct run *run);

/* --- runner.c --- */
void run_worker_done(struct worker *w);
void run_tick(struct run *run);
void run_fail(struct run *run, int failure);

#endif
