/*
 * Tasks in processes of their own, so many at once. Each hands back JSON.
 */
#ifndef DRIVELAB_CLI_RUN_POOL_H
#define DRIVELAB_CLI_RUN_POOL_H

#include "base/err.h"

struct json_t;

#define RUN_POOL_JOBS_MAX 256

struct run_pool {
    unsigned tasks, jobs;                                   /* jobs: processes at once */
    const char *what;                                       /* for the line of progress: "points" */
    struct json_t *(*task)(void *context, unsigned number); /* in its process; what it returns is handed back */
    void *context;
};

/*
 * results[] has room for all tasks: what each handed back, owned by the caller;
 * NULL where a task was not begun, as the user interrupted (then the running
 * ones are told to come to an end, and waited for); {"error": text} where a
 * process died. 0, or -errno with `e`: no process could be made.
 */
int run_pool(const struct run_pool *pool, struct json_t **results, struct err *e);

#endif
