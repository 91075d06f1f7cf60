/*
 * The control socket: JSON-RPC 2.0 over a Unix stream socket, for people and
 * programs that look into a served drive, change its live options and break it
 * on purpose. Served on the drive's own loop and thread.
 *
 * The methods are rows (ctl_int.h); docs/control.md is made from them.
 */
#ifndef DRIVELAB_CTL_CTL_H
#define DRIVELAB_CTL_CTL_H

#include <stdio.h>

#include "base/err.h"
#include "base/opt.h"
#include "drive/drive.h"
#include "nvme/nvme.h"
#include "sim/sim.h"

struct json_t;
struct ctl;

/* What the socket is for. Everything pointed at outlives the ctl. */
struct ctl_config {
    const char *path;  /* of the socket; at most 107 bytes */
    const char *image; /* the drive's file, or NULL: in memory */
    struct sim *sim;
    struct drive *drive;
    struct nvme_target *target;
    struct nvme_subsystem *subsystem;
    struct opt_set *options; /* of all layers */
    /* A live option has a new value in its config struct: have its owner follow. 0, or -errno with `e`: put it back. */
    int (*apply)(void *owner, const struct opt_row *row, struct err *e);
    struct json_t *(*transports)(void *owner); /* new JSON array of the transports' statistics, for stats.get */
    void *owner;
};

/*
 * Listen. A socket that nobody listens on any more is replaced; if somebody
 * does, or the path is something else, it is refused. NULL with `e` filled.
 */
struct ctl *ctl_open(const struct ctl_config *config, struct err *e);

/* End all clients and remove the socket. */
void ctl_close(struct ctl *ctl);

/* The protocol and all methods as Markdown. */
void ctl_methods_doc(FILE *out);

/* The i-th method's name, with what it does in *help; NULL beyond the last. */
const char *ctl_method_name(unsigned i, const char **help);

/* ---- The other end ---- */

struct ctl_reply {
    struct json_t *result; /* or NULL */
    struct json_t *error;  /* the error object {code, message, data}, or NULL */
};

/*
 * Connect to a served drive's socket, call `method` with `params` (object or
 * NULL; not taken), and wait up to `timeout_ms` for the answer. 0 with the
 * reply's reference given to the caller, or -errno with `e`. Blocks.
 */
int ctl_request(const char *path, const char *method, const struct json_t *params, int timeout_ms,
                struct ctl_reply *reply, struct err *e);

#endif
