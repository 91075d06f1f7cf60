/*
 * write_iolog: fio's iolog version 3, with times in microseconds since the
 * run began. Source: fio(1), "TRACE FILE FORMAT".
 */
#include <inttypes.h>

#include "load/runner_int.h"

#define DRIVE_NAME "drive"

int iolog_use(struct run *run, struct worker *w, struct err *e) {
    w->log = logfile_use(run, w->job, "write_iolog", w->job->write_iolog, e);
    if (!w->log)
        return e->code;
    if (!w->log->begun)
        fprintf(w->log->out.stream, "fio version 3 iolog\n0 %s add\n0 %s open\n", DRIVE_NAME, DRIVE_NAME);
    w->log->begun = true;
    return 0;
}

void iolog_note(struct worker *w, const char *action, uint64_t offset, uint64_t bytes) {
    if (w->log)
        fprintf(w->log->out.stream, "%" PRId64 " %s %s %" PRIu64 " %" PRIu64 "\n",
                (sim_now(w->sim) - w->run->start_ns) / 1000, DRIVE_NAME, action, offset, bytes);
}

void iolog_end(struct run *run) {
    for (struct logfile *file = run->logs; file; file = file->next)
        if (file->begun)
            fprintf(file->out.stream, "%" PRId64 " %s close\n", (sim_now(run->sim) - run->start_ns) / 1000, DRIVE_NAME);
}
