/*
 * Capture: write what a drive is asked into a trace of our own format, which
 * `drivelab run --trace` replays.
 */
#ifndef DRIVELAB_LOAD_RECORD_H
#define DRIVELAB_LOAD_RECORD_H

#include "drive/drive.h"

struct record;

/*
 * Record every request of `drive` from now on. `path` must not exist, so that
 * no recording is lost to a mistyped name. NULL with `e` filled.
 */
struct record *record_open(const char *path, struct drive *drive, struct err *e);

uint64_t record_count(const struct record *record);

/* End it. 0, or -errno with `e` if not everything could be written. NULL is allowed. */
int record_close(struct record *record, struct err *e);

#endif
