/*
 * The line of progress, see progress.h.
 */
#include "cli/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

#define EVERY_NS 500000000

static volatile sig_atomic_t interrupted; /* a signal handler has nowhere else to write to */

static int64_t wall_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void progress_begin(struct progress *p, const char *what) {
    *p = (struct progress){.what = what, .shown = isatty(STDERR_FILENO)};
    p->begun_ns = p->printed_ns = p->shown ? wall_clock() : 0;
}

void progress_show(void *context, const struct load_progress *now) {
    struct progress *p = context;
    char line[200];
    int64_t wall = p->shown ? wall_clock() : 0;
    if (!p->shown || wall - p->printed_ns < EVERY_NS)
        return;
    int64_t spent = wall - p->begun_ns;
    p->printed_ns = wall;
    int n = snprintf(line, sizeof(line), "%s: %s simulated, %s I/Os, %s of wall time", p->what,
                     text_time(now->simulated_ns).s, text_count((double)now->ios).s, text_time(spent).s);
    if (now->done > 0.001 && now->done <= 1)
        n += snprintf(line + n, sizeof(line) - (size_t)n, ", %.0f %%, about %s left", now->done * 100,
                      text_time((int64_t)((double)spent * (1 - now->done) / now->done)).s);
    fprintf(stderr, "\r%-*s", (int)p->width, line);
    p->width = (unsigned)n;
}

void progress_end(struct progress *p) {
    if (p->width)
        fprintf(stderr, "\r%*s\r", (int)p->width, "");
    p->width = 0;
}

/* A second signal ends the program: a drive that moves data for ever never lets a request come to its end. */
static void note_signal(int number) {
    (void)number;
    interrupted = 1;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

const volatile sig_atomic_t *progress_catch_interrupts(void) {
    struct sigaction action = {.sa_handler = note_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &interrupted;
}
