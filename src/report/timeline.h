/*
 * A timeline in Chrome's trace event format, which Perfetto and
 * chrome://tracing open: a lane for each channel, each die, and each place in
 * the host's queues; with an I/O scheduler for its slices, its idling and for
 * each process what the drive did for it; for a disk's arm, what its accesses
 * consist of, and where it is. Written while the run goes on, so it needs no
 * memory.
 *
 * Times in the file are in microseconds with three decimals, from `start_ns` on.
 */
#ifndef DRIVELAB_REPORT_TIMELINE_H
#define DRIVELAB_REPORT_TIMELINE_H

#include <stdio.h>

#include "block/block.h"
#include "drive/io.h"
#include "media/disk/disk.h"
#include "media/nand/nand.h"

#define TIMELINE_EVENTS     300000   /* unless told otherwise */
#define TIMELINE_EVENTS_MAX 20000000 /* more than any viewer opens */
#define TIMELINE_NO_LANE    UINT32_MAX

struct timeline_config {
    FILE *out;              /* NULL: no timeline */
    int64_t from_ns, to_ns; /* only what touches this; since start_ns */
    uint64_t events;        /* then no more */
};

struct timeline;

/* `nand` NULL: a drive without flash. NULL: no memory. */
struct timeline *timeline_new(const struct timeline_config *config, const struct nand_config *nand, int64_t start_ns);

/* A request was handed to the drive: the lane it occupies until it is answered, or TIMELINE_NO_LANE. */
uint32_t timeline_submitted(struct timeline *t, const struct io *io);
void timeline_answered(struct timeline *t, const struct io *io, uint32_t lane);

/* For struct nand_observer. */
void timeline_use(struct timeline *t, enum nand_resource resource, uint32_t index, enum nand_phase phase,
                  const struct nand_op *op, int64_t from_ns, int64_t to_ns);

/* What a scheduler does; `at_ns` is now. */
void timeline_scheduler(struct timeline *t, enum elevator_event what, const struct block_context *who, int64_t at_ns);

/* The drive has done a request of a queue, which it took at rq->io_start_ns. */
void timeline_served(struct timeline *t, const struct request *rq, int64_t at_ns);

/* For struct disk_observer. */
void timeline_access(struct timeline *t, const struct disk_op *op, struct disk_head from, struct disk_head to,
                     int64_t from_ns, int64_t to_ns);
void timeline_read_on(struct timeline *t, const struct disk_read_on *what);

/* Write the end. What was left out as there were too many events, or too many requests at once. Frees it. */
struct timeline_end {
    uint64_t events;
    bool full;          /* the limit of events was reached */
    int64_t full_at_ns; /* then */
    uint64_t crowded;   /* requests that found no lane */
};
struct timeline_end timeline_end(struct timeline *t);

#endif
