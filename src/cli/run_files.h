/*
 * The files of a run, before any is written: results must replace neither each
 * other nor what is read.
 */
#ifndef DRIVELAB_CLI_RUN_FILES_H
#define DRIVELAB_CLI_RUN_FILES_H

#include "cli/run_args.h"
#include "cli/run_points.h"
#include "load/job.h"

/*
 * Check the files of the command line and of the jobs (empty: a trace). Each is
 * known by what it is, whatever path names it. 0, or -EINVAL with `e` naming
 * both uses of a file.
 */
int run_files_check(const struct run_args *args, const struct run_points *points, const struct job_file *jobs,
                    struct err *e);

#endif
