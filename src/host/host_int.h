/*
 * Inside the host: a queue is a row of operations over a link (TCP, or the
 * controller in this process).
 */
#ifndef DRIVELAB_HOST_HOST_INT_H
#define DRIVELAB_HOST_HOST_INT_H

#include "host/host.h"

struct host_queue_ops {
    int (*submit)(struct host_queue *, struct host_cmd *);
    void (*fail)(struct host_queue *, int error); /* give up: no buffer is touched any more */
    void (*close)(struct host_queue *);           /* frees the queue */
};

struct host_queue {
    const struct host_queue_ops *ops;
    uint16_t entries;
    uint32_t in_capsule; /* data bytes that may ride in a capsule */
};

/* What a new queue needs to know; admin: qid 0. */
struct host_queue_config {
    const struct host_config *host;
    uint16_t qid, entries;
    uint32_t in_capsule;
};

/* Establish the link, up to but without the Connect command. Waits. NULL with `e` filled. */
struct host_queue *host_tcp_open(const struct host_queue_config *config, struct sim *sim, struct err *e);
struct host_queue *host_inproc_open(const struct host_queue_config *config, struct sim *sim, struct err *e);

#endif
