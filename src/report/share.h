/*
 * What each process had of a drive behind an I/O scheduler: requests, their
 * latency, the drive's time, the arm's seeks and way, slices.
 *
 * The drive's time of a process is, of a disk, the arm's time for its accesses, for
 * what is read on behind them and for writing back what it wrote; of other
 * drives, the time from the completion before until a request of its own
 * completes, at most since the drive took it.
 */
#ifndef DRIVELAB_REPORT_SHARE_H
#define DRIVELAB_REPORT_SHARE_H

#include "base/runstat.h"
#include "block/block.h"
#include "media/disk/disk.h"

struct json_t;
struct series;
struct share;

#define SHARE_OWNERS 65536 /* owners above aren't followed */
#define SHARE_LANES  16    /* processes that are followed over time; the others as one */

/*
 * `arm`: there is one. `series`, if not NULL, has SHARE_LANES + 1 resources from
 * `resource` on for the processes in the order they appear. NULL: no memory.
 */
struct share *share_new(bool arm, struct series *series, uint32_t resource);
void share_free(struct share *s);

/* A request of a process was answered, with success. */
void share_answered(struct share *s, const struct io *io, enum run_dir dir);

/* The drive has done a request of the queue. */
void share_served(struct share *s, const struct request *rq, int64_t at_ns);

void share_scheduler(struct share *s, enum elevator_event what, const struct block_context *who, int64_t at_ns);

/* For struct disk_observer. */
void share_access(struct share *s, const struct disk_op *op, int64_t from_ns, int64_t to_ns);
void share_read_on(struct share *s, const struct disk_read_on *what);

/* Adds what is known to "scheduler" of drive_stats(): to its "processes", and "total" of all. */
void share_add(const struct share *s, struct json_t *stats);

/* New JSON object: "owners", those followed over time, "share": for each and for the others a list over the windows. */
struct json_t *share_series_json(const struct share *s, int64_t end_ns);

#endif
