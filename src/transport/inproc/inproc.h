/*
 * The transport within the process: queues without a wire, for tests and for
 * the project's own host. Data is copied, as a wire would: a caller's buffers
 * are read at submission and written just before done().
 *
 * One thread, the loop's. done() is never called from inside inproc_submit().
 */
#ifndef DRIVELAB_TRANSPORT_INPROC_INPROC_H
#define DRIVELAB_TRANSPORT_INPROC_INPROC_H

#include "transport/transport.h"

struct inproc_queue;

/* One command, the caller's until done(). Fill the first part. */
struct inproc_request {
    struct nvme_sqe sqe; /* all of it, cid included; sgl1 is not looked at */
    void *data;          /* to or from the controller; may be NULL if bytes is 0 */
    uint32_t bytes;
    void (*done)(struct inproc_request *);

    /* valid in done() */
    int error; /* 0, or -ENOTCONN: the queue was closed and cqe means nothing */
    struct nvme_cqe cqe;
    uint32_t received; /* bytes written to data */

    /* the queue's own */
    struct inproc_request *next;
};

extern const struct transport_ops inproc_transport;

/*
 * A fresh queue to the target of a transport made by inproc_transport.listen();
 * its first command must be Connect. `lost` (may be NULL) is called when the
 * controller wants the queue gone or the transport closes; the queue is then
 * closed by the caller, which may be after the transport is gone.
 * NULL: no memory.
 */
struct inproc_queue *inproc_queue_new(struct transport *transport, const char *name,
                                      void (*lost)(void *context, const char *why), void *context);

/* Requests in flight end with -ENOTCONN from inside this call; the queue is freed when the drive is done with it. */
void inproc_queue_free(struct inproc_queue *queue);

/* Hand a command over. 0; -ENOTCONN after `lost`; -ENOMEM. */
int inproc_submit(struct inproc_queue *queue, struct inproc_request *request);

#endif
