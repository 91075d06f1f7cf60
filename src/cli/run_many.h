/*
 * `drivelab run` of several points: each in a process of its own, one table.
 */
#ifndef DRIVELAB_CLI_RUN_MANY_H
#define DRIVELAB_CLI_RUN_MANY_H

#include "cli/run_points.h"

/* Everything from checking all points to printing; an exit code. */
int run_many(const struct run_args *args, const struct run_points *points);

#endif
