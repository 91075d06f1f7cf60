/*
 * How far a run is, on one line of standard error that is rewritten twice a
 * second; nothing at all unless that is a terminal. And Ctrl-C as a wish to end.
 */
#ifndef DRIVELAB_CLI_PROGRESS_H
#define DRIVELAB_CLI_PROGRESS_H

#include <signal.h>

#include "load/runner.h"

struct progress {
    const char *what; /* "running" */
    bool shown;       /* standard error is a terminal */
    int64_t begun_ns, printed_ns;
    unsigned width; /* of the line that stands there */
};

void progress_begin(struct progress *p, const char *what);

/* For load_settings.progress; the context is the struct progress. */
void progress_show(void *context, const struct load_progress *now);

/* Wipe the line. */
void progress_end(struct progress *p);

/* From now on SIGINT and SIGTERM are only noted, the second one ends the program. What to look at. */
const volatile sig_atomic_t *progress_catch_interrupts(void);

#endif
