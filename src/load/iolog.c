/*
 * write_iolog: fio's iolog version 3, with times in microseconds since the
 * run began. Source: fio(1), "TRACE FILE FORMAT". A log appears when the run is
 * over and whole.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "load/runner_int.h"

#define DRIVE_NAME "drive"

int iolog_use(struct run *run, struct worker *w, struct err *e) {
    for (struct iolog *log = run->logs; log; log = log->next)
        if (!strcmp(log->path, w->job->write_iolog)) {
            w->log = log;
            return 0;
        }
    struct iolog *log = calloc(1, sizeof(*log));
    if (!log)
        return err_set(e, ENOMEM, "no memory for write_iolog");
    memcpy(log->path, w->job->write_iolog, sizeof(log->path));
    if (outfile_open(&log->out, log->path, e)) {
        free(log);
        return err_prefix(e, "job \"%s\": write_iolog=", w->job->name);
    }
    fprintf(log->out.stream, "fio version 3 iolog\n0 %s add\n0 %s open\n", DRIVE_NAME, DRIVE_NAME);
    log->next = run->logs;
    run->logs = log;
    w->log = log;
    return 0;
}

void iolog_note(struct worker *w, const char *action, uint64_t offset, uint64_t bytes) {
    if (w->log)
        fprintf(w->log->out.stream, "%" PRId64 " %s %s %" PRIu64 " %" PRIu64 "\n",
                (sim_now(w->sim) - w->run->start_ns) / 1000, DRIVE_NAME, action, offset, bytes);
}

int iolog_finish(struct run *run, bool good, struct err *e) {
    int ret = 0;
    while (run->logs) {
        struct iolog *log = run->logs;
        run->logs = log->next;
        if (good && !ret) {
            fprintf(log->out.stream, "%" PRId64 " %s close\n", (sim_now(run->sim) - run->start_ns) / 1000, DRIVE_NAME);
            bool beside = false;
            ret = run->interrupted ? outfile_commit_part(&log->out, &beside, e) : outfile_commit(&log->out, e);
            if (ret)
                err_prefix(e, "write_iolog=");
            if (beside)
                log_warn(LOG_MAIN, "write_iolog=%s: what was there stays; the log of the part is in %s", log->path,
                         log->out.path);
        } else {
            outfile_abandon(&log->out);
        }
        free(log);
    }
    return ret;
}
