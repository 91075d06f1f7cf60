/*
 * The project's own NVMe host: small, enough to use, measure and verify any
 * NVMe/TCP target, and to drive the controller inside the process.
 *
 *   host_ctrl (admin queue, identify)  ->  host_queue  ->  host_cmd
 *
 * Everything runs in callbacks of one `struct sim` in wall time, except the
 * host_ctrl_*() calls marked "waits", which turn that loop until they are done.
 */
#ifndef DRIVELAB_HOST_HOST_H
#define DRIVELAB_HOST_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "nvme/nvme.h"
#include "nvme/spec.h"
#include "sim/sim.h"
#include "transport/inproc/inproc.h"

/* One command, owned by the caller until done(). Fill the first part. */
struct host_cmd {
    struct nvme_sqe sqe; /* everything but cid and sgl1, which the queue writes */
    void *data;          /* payload to or from the controller */
    uint32_t bytes;
    uint8_t xfer; /* enum nvme_xfer */
    void (*done)(struct host_cmd *);

    /* valid in done() */
    int error;                          /* 0, or -errno: the connection was lost and cqe means nothing */
    struct nvme_cqe cqe;                /* status without the phase bit's meaning */
    int64_t submitted_ns, completed_ns; /* sim_clock() of the host's loop */

    /* the queue's own */
    uint32_t received;
    uint16_t cid;
};

/* Status of a completed command as SCT << 8 | SC with DNR, see spec.h; 0 is success. */
static inline uint16_t host_cmd_status(const struct host_cmd *cmd) {
    return le16_get(cmd->cqe.status) >> 1;
}

/* The specification's name of that status. */
const char *host_cmd_status_name(const struct host_cmd *cmd);

struct host_queue;

struct host_config {
    const char *address;      /* "tcp://127.0.0.1:4420" */
    struct transport *inproc; /* instead: made by inproc_transport.listen() on the same loop; or NULL */
    const char *subnqn, *hostnqn;
    uint16_t entries; /* of each I/O queue, 2..4096 */
    uint32_t kato_ms; /* keep alive; 0 = none */
    bool header_digest, data_digest;
};

/* Hand a command over. 0, -EAGAIN if `entries - 1` are in flight, -ENOTCONN after a failure. done() is never called
 * from inside. */
int host_queue_submit(struct host_queue *queue, struct host_cmd *cmd);

uint16_t host_queue_depth(const struct host_queue *queue); /* commands that fit at once: entries - 1 */

/* A controller at the other end: an admin queue and what it said about itself. */
struct host_ctrl {
    struct sim *sim;
    struct host_config config;
    struct host_queue *admin;
    uint16_t cntlid;
    uint32_t cc;         /* as set */
    uint32_t mdts;       /* bytes; UINT32_MAX = none */
    uint32_t in_capsule; /* bytes of data that fit an I/O command capsule */
    struct nvme_id_ctrl id;
    struct sim_event keep_alive;
    struct host_cmd keep_alive_cmd;
    bool keep_alive_busy;
};

/* Connect, enable, identify. Waits. 0 or -errno with `e` filled. */
int host_ctrl_connect(struct host_ctrl *ctrl, const struct host_config *config, struct sim *sim, struct err *e);

/* Shut down and disconnect; all I/O queues must be closed. Waits shortly. */
void host_ctrl_disconnect(struct host_ctrl *ctrl);

/* Open I/O queue `qid`. Waits. NULL with `e` filled. Ask for the number of queues first. */
struct host_queue *host_ctrl_open_queue(struct host_ctrl *ctrl, uint16_t qid, struct err *e);

/* Give the connection up: commands in flight end with `error`, from an event of their own; new ones with -ENOTCONN. */
void host_queue_abort(struct host_queue *queue, int error);

/* Close a queue; commands in flight end with -ECANCELED. */
void host_queue_close(struct host_queue *queue);

/* Ask for `wanted` I/O queues; returns how many the controller grants, or -errno with `e`. Waits. */
int host_ctrl_set_queues(struct host_ctrl *ctrl, unsigned wanted, struct err *e);

/*
 * Run one command to its end. Waits. 0 when the controller answered success;
 * -EIO with `e` naming `what` and the status otherwise, or the transport's -errno.
 */
int host_call(struct sim *sim, struct host_queue *queue, struct host_cmd *cmd, const char *what, struct err *e);

/* Size of a namespace. Waits. 0 or -errno with `e`. */
int host_ctrl_namespace(struct host_ctrl *ctrl, uint32_t nsid, uint64_t *blocks, uint32_t *block_bytes, struct err *e);

/* Fill a read (NVME_IO_READ) or write (NVME_IO_WRITE) of `nlb` (one-based) blocks. */
void host_cmd_rw(struct host_cmd *cmd, uint8_t opcode, uint32_t nsid, uint64_t slba, uint32_t nlb, void *data,
                 uint32_t bytes);

#endif
