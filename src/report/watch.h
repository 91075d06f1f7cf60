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

/*
 * Takes the drive's tap and its flash's observer until watch_end().
 * timeline->out NULL: no timeline; its stream must live until then. NULL with
 * `e` filled: no memory.
 */
struct watch *watch_begin(const struct timeline_config *timeline, struct drive *drive, struct err *e);

/* What was seen so far; the drive is left alone again. Frees the watch; NULL is none. */
struct watch_result {
    struct timeline_end timeline;
};
void watch_end(struct watch *watch, struct watch_result *result);

#endif
