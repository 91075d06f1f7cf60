/*
 * What flash did during the measured part of a run: what drive_stats() counts
 * holds preconditioning, too.
 */
#ifndef DRIVELAB_REPORT_MARK_H
#define DRIVELAB_REPORT_MARK_H

#include "drive/drive.h"

struct mark {
    struct nand_counters flash;
    uint64_t written; /* bytes, by hosts */
    int64_t at_ns;
};

/* Remember where the counters stand. */
void mark_set(struct mark *mark, struct drive *drive);

/*
 * New JSON object with what was added since: time, bytes written by the host,
 * operations and bytes by cause, suspensions, write amplification by cause.
 * Caller owns it.
 */
struct json_t *mark_json(const struct mark *mark, struct drive *drive);

#endif
