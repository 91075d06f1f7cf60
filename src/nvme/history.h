/*
 * What became of commands: the last ones of a subsystem with the times of their
 * stages, and those still on their way with the stage they are in. As JSON for
 * the control socket, as lines of the log when something went wrong.
 *
 * Options: nvme.history (commands kept, 0: none), nvme.watchdog (age from which
 * a command is named in the log, 0: never).
 */
#ifndef DRIVELAB_NVME_HISTORY_H
#define DRIVELAB_NVME_HISTORY_H

#include "nvme/nvme.h"

/* Where a command is. The order is the usual one. */
enum nvme_stage {
    NVME_STAGE_DATA,     /* the transport collects its data */
    NVME_STAGE_HELD,     /* paused, before it begins or before its end is told */
    NVME_STAGE_EVENT,    /* an Asynchronous Event Request waits for its event: as it should */
    NVME_STAGE_WORKING,  /* the controller has it, the drive has not: a format waits for others */
    NVME_STAGE_DRIVE,    /* in the drive */
    NVME_STAGE_RESPONSE, /* done; its response is not sent yet, or was lost by a fault */
    NVME_STAGE_GIVEN_UP, /* its host does not wait for it any more, the drive still has it */
    NVME_STAGES
};
enum nvme_stage nvme_stage_of(const struct nvme_cmd *cmd);
const char *nvme_stage_name(enum nvme_stage stage);

/*
 * New object: "size" (of the ring), "recorded" (so far), "commands" (the last `max`, 0: all that
 * are kept, oldest first), "in_flight" (as many, those that wait longest first, Asynchronous Event Requests last) and
 * "in_flight_total". Times in nanoseconds: "started" of the simulation; since then, if it came to that: "received" its
 * data from the host, "submitted" to the drive, "returned" by it, "sent" its response. Caller owns it; NULL: no memory.
 */
struct json_t *nvme_history_json(const struct nvme_subsystem *subsystem, unsigned max);

/* The last `max` commands and up to as many in flight, one line each, into the log. */
void nvme_history_dump(const struct nvme_subsystem *subsystem, unsigned max, const char *why);

/*
 * Something is wrong with a queue, or a controller of it: dump, unless that was
 * done a moment ago. For transports before they end a connection for a
 * protocol error, and for the controller's own faults.
 */
void nvme_queue_fault(struct nvme_queue *queue, const char *why);

#endif
