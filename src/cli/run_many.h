/*
 * `drivelab run` of several points: each in a process of its own, one table.
 */
#ifndef DRIVELAB_CLI_RUN_MANY_H
#define DRIVELAB_CLI_RUN_MANY_H

#include "cli/run_points.h"
#include "load/job.h"

/* Everything from checking all points to printing; an exit code. `jobs`: of args->job. */
int run_many(const struct run_args *args, const struct run_points *points, struct job_file *jobs);

/* Whose timeline: "t.json" of run 3 of 12 is "t-03.json". */
void run_many_timeline(const struct run_args *args, const struct run_points *points, unsigned number, char *path,
                       size_t size);

#endif
