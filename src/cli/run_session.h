/*
 * One run of `drivelab run`: a drive, what is run on it, and its results.
 */
#ifndef DRIVELAB_CLI_RUN_SESSION_H
#define DRIVELAB_CLI_RUN_SESSION_H

#include "base/outfile.h"
#include "cli/run_args.h"
#include "load/precondition.h"
#include "load/runner.h"
#include "report/mark.h"
#include "report/report.h"
#include "report/watch.h"

struct session {
    struct config config;
    struct job_file jobs;
    struct sim *sim;
    struct drive *drive;
    struct precondition_result precondition;
    struct json_t *preconditioned; /* the drive's statistics after it */
    struct run_result result;
    struct replay_result replay;
    struct mark mark; /* when the measured part began */
    struct watch *watch;
    struct watch_result watched;
    int64_t wall_ns;
};

struct session_setup {
    const struct run_args *args;
    struct job_file *jobs; /* of args->job; session_run() takes what is in it */
    const char *drive;
    const struct config_overrides *overrides;
    FILE *timeline; /* NULL: none */
    const char *timeline_name;
    bool no_notes, no_progress;
};

/* Run. 0, or -errno with `e`: nothing could be run. session_release() in any case. */
int session_run(struct session *s, const struct session_setup *setup, struct err *e);

/* Show the results to `use`, for as long as it takes; returns what it returns, or -ENOMEM. */
int session_report(struct session *s, const struct session_setup *setup, int (*use)(const struct report *, void *),
                   void *context);

/*
 * Put a file of results into its place. `part`: the user ended the run; then a
 * file that was there stays, and the results go beside it. An exit code, after
 * saying what went wrong or where they are. Harmless if it isn't open.
 */
int run_commit(struct outfile *out, const char *option, bool part);

bool session_interrupted(const struct session *s);
void session_release(struct session *s);

#endif
