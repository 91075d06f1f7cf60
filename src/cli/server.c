/*
 * Bringing a served drive up and down, see server.h.
 */
#include "cli/server.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "transport/inproc/inproc.h"

#define CLOSE_STEP_NS 1000000LL

static int listen_all(struct server *server, const struct config *config, const struct server_options *options,
                      struct err *e) {
    for (unsigned i = 0; i < options->listeners; i++) {
        const char *address;
        const struct transport_ops *ops = transport_find(options->listen[i], &address, e);
        if (!ops)
            return -EINVAL;
        if (ops == &inproc_transport)
            return err_set(e, EINVAL, "%s: hosts can't connect to this transport from outside", options->listen[i]);
        struct transport_config tc = {.options = &config->tcp, .address = address};
        server->listener[i].ops = ops;
        server->listener[i].transport = ops->listen(&tc, server->sim, server->target, e);
        if (!server->listener[i].transport)
            return e->code ? e->code : -EIO;
        server->listeners++;
    }
    return 0;
}

/* ---- Control ---- */

/* A live option of one of the layers has a new value in server->config. */
static int apply_option(void *owner, const struct opt_row *row, struct err *e) {
    struct server *server = owner;
    if (!strcmp(row->section, "nvme"))
        nvme_subsystem_reconfigure(server->subsystem, &server->config->nvme);
    else if (drive_reads_section(server->drive, row->section))
        return drive_reconfigure(server->drive, &server->config->drive, e);
    else
        return err_set(e, ENOTSUP, "%s.%s cannot change while the drive is served", row->section, row->key);
    return 0;
}

static json_t *transports_json(void *owner) {
    const struct server *server = owner;
    json_t *list = json_array();
    for (unsigned i = 0; i < server->listeners; i++)
        json_array_append_new(list, server->listener[i].ops->stats(server->listener[i].transport));
    return list;
}

static int control_open(struct server *server, const struct server_options *options, struct err *e) {
    const struct ctl_config cc = {
        .path = options->control,
        .image = options->image,
        .sim = server->sim,
        .drive = server->drive,
        .target = server->target,
        .subsystem = server->subsystem,
        .options = &server->config->set,
        .apply = apply_option,
        .transports = transports_json,
        .owner = server,
    };
    if (!options->control)
        return 0;
    if (drive_measure(server->drive))
        return err_set(e, ENOMEM, "no memory to measure latencies");
    server->ctl = ctl_open(&cc, e);
    return server->ctl ? 0 : -EIO;
}

static int record_start(struct server *server, const struct server_options *options, struct err *e) {
    if (!options->record)
        return 0;
    server->record = record_open(options->record, server->drive, e);
    return server->record ? 0 : err_prefix(e, "--record ");
}

/* ---- Up and down ---- */

int server_open(struct server *server, struct config *config, const struct server_options *options, struct err *e) {
    struct sim_config sim = options->sim;
    sim.spin = config->loop.wait == LOOP_SPIN;
    sim.spin_ns = config->loop.spin_time;
    memset(server, 0, sizeof(*server));
    server->config = config;
    server->sim = sim_new(&sim, e);
    if (server->sim)
        server->drive = drive_open(&config->drive, options->image ? "file" : "memory", options->image, server->sim, e);
    if (server->drive && !block_open(server->drive, &config->queue, e))
        server->target = nvme_target_new(server->sim, e);
    if (server->target)
        server->subsystem = nvme_subsystem_new(server->target, &config->nvme, server->drive, e);
    if (server->subsystem && !listen_all(server, config, options, e) && !control_open(server, options, e) &&
        !record_start(server, options, e))
        return 0;
    server_close(server, NULL);
    return e->code ? e->code : -EIO;
}

const char *server_address(const struct server *server, unsigned i, char *buf, unsigned size) {
    snprintf(buf, size, "%s://%s", server->listener[i].ops->scheme,
             server->listener[i].ops->address(server->listener[i].transport));
    return buf;
}

void server_split_address(const struct server *server, unsigned i, char *host, unsigned host_size, char *port,
                          unsigned port_size) {
    const char *address = server->listener[i].ops->address(server->listener[i].transport);
    const char *colon = strrchr(address, ':');
    int len = colon ? (int)(colon - address) : (int)strlen(address);
    bool bracket = address[0] == '[' && len > 2;
    snprintf(host, host_size, "%.*s", bracket ? len - 2 : len, address + bracket);
    snprintf(port, port_size, "%s", colon ? colon + 1 : "");
}

/* Commands in the drive come back in modelled time; a transport is freed after its last one. */
static void close_listener(struct server *server, unsigned i) {
    bool closed = false;
    server->listener[i].ops->close(server->listener[i].transport, &closed);
    while (!closed)
        sim_run(server->sim, sim_now(server->sim) + CLOSE_STEP_NS);
}

int server_close(struct server *server, struct err *e) {
    int ret = record_close(server->record, e);
    ctl_close(server->ctl);
    if (server->drive && block_of(server->drive))
        block_lift_limits(block_of(server->drive)); /* or what is held back would come after hours */
    for (unsigned i = 0; i < server->listeners; i++)
        close_listener(server, i);
    if (server->subsystem)
        nvme_subsystem_free(server->subsystem);
    if (server->target)
        nvme_target_free(server->target);
    if (server->drive) {
        block_free(block_of(server->drive));
        drive_close(server->drive);
    }
    if (server->sim)
        sim_free(server->sim);
    memset(server, 0, sizeof(*server));
    return ret;
}
