/*
 * A transport carries NVMe queues between hosts and the target. Rows:
 * tcp, inproc. Each is created on the loop's thread and lives there.
 */
#ifndef DRIVELAB_TRANSPORT_TRANSPORT_H
#define DRIVELAB_TRANSPORT_TRANSPORT_H

#include "base/err.h"
#include "base/hist.h"
#include "nvme/nvme.h"
#include "sim/sim.h"

struct json_t;
struct transport;

struct transport_config {
    const void *options; /* the row's own config struct (e.g. struct tcp_config) */
    const char *address; /* after "scheme://": "127.0.0.1:4420", "[::1]:4420"; port 0 = any free one */
};

struct transport_ops {
    const char *scheme; /* "tcp" */
    const char *summary;
    struct transport *(*listen)(const struct transport_config *, struct sim *, struct nvme_target *, struct err *);
    /*
     * Stop accepting, end connections orderly. The transport is freed when the drive is done with its last
     * command, which may take turns of the loop; then *closed (if given) becomes true.
     */
    void (*close)(struct transport *, bool *closed);
    /* The address with the real port, for messages; valid until close. */
    const char *(*address)(const struct transport *);
    struct json_t *(*stats)(const struct transport *); /* includes "lateness_ns" */
};

extern const struct transport_ops *const transports[]; /* NULL-terminated */

struct transport {
    const struct transport_ops *ops;
};

/* Find by the scheme of "tcp://..."; NULL with `e` listing the valid ones. */
const struct transport_ops *transport_find(const char *url, const char **address, struct err *e);

#endif
