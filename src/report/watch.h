/*
 * Watching a drive at work, from a moment on: for the timeline, and for the
 * statistics that cost too much to be always there. The model does not notice:
 * results are the same with and without.
 */
#ifndef DRIVELAB_REPORT_WATCH_H
#define DRIVELAB_REPORT_WATCH_H

#include "drive/drive.h"
#include "report/timeline.h"

struct watch;

struct watch_config {
    struct timeline_config timeline; /* `out` NULL: none; the stream must live until watch_end() */
    bool detail;                     /* collect the statistics */
    bool processes;                  /* and what each process had, if there is an I/O scheduler */
};

/* Takes the drive's tap and its flash's observer until watch_end(). NULL with `e` filled: no memory. */
struct watch *watch_begin(const struct watch_config *config, struct drive *drive, struct err *e);

/* What was seen so far; the drive is left alone again. Frees the watch; NULL is none. */
struct watch_result {
    struct timeline_end timeline;
    struct json_t *detail; /* owned by the caller; NULL if not asked for */
    struct share *share;   /* of processes, owned by the caller: share_free(); NULL if there is nothing */
};

void watch_end(struct watch *watch, struct watch_result *result);

#endif
