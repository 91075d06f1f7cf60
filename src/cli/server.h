/*
 * A drive served over NVMe: the loop, the drive, the controller and the
 * transports, brought up and taken down in order.
 */
#ifndef DRIVELAB_CLI_SERVER_H
#define DRIVELAB_CLI_SERVER_H

#include "cli/config.h"
#include "ctl/ctl.h"
#include "load/record.h"
#include "transport/transport.h"

#define SERVER_LISTENERS 8

struct server_options {
    const char *listen[SERVER_LISTENERS]; /* "tcp://127.0.0.1:4420" */
    unsigned listeners;
    const char *image;   /* NULL: memory */
    const char *control; /* path of a control socket, or NULL */
    const char *record;  /* file to record every request in, or NULL */
    struct sim_config sim;
};

struct server {
    struct sim *sim;
    struct drive *drive;
    struct nvme_target *target;
    struct nvme_subsystem *subsystem;
    struct {
        struct transport *transport;
        const struct transport_ops *ops;
    } listener[SERVER_LISTENERS];
    unsigned listeners;
    struct config *config; /* of the caller; live options change in it */
    struct ctl *ctl;       /* NULL: none asked for */
    struct record *record; /* likewise */
};

/* Bring everything up. 0, or -errno with `e` filled and nothing left open. */
int server_open(struct server *server, struct config *config, const struct server_options *options, struct err *e);

/* "tcp://127.0.0.1:4420" with the real port, of listener `i`; `buf` is filled and returned. */
const char *server_address(const struct server *server, unsigned i, char *buf, unsigned size);

/* Host part and port of a listener's address, for command lines; IPv6 without brackets. */
void server_split_address(const struct server *server, unsigned i, char *host, unsigned host_size, char *port,
                          unsigned port_size);

/*
 * End connections orderly, flush, and free everything. The loop must not be
 * running. 0, or -errno with `e` if a recording could not be written as a whole.
 */
int server_close(struct server *server, struct err *e);

#endif
