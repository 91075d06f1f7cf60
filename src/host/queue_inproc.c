/*
 * A queue to a controller in this process, over transport/inproc: the same
 * commands as over a wire, under any clock.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "host/host_int.h"

/* A command's request, in the slot of its CID. */
struct slot {
    struct inproc_request request;
    struct inproc_link *link;
    struct host_cmd *cmd;
};

struct inproc_link {
    struct host_queue queue;
    struct sim *sim;
    struct inproc_queue *peer;
    int error;
    struct slot *slot;
    uint16_t *free_cid;
    uint16_t free_count;
};

static void request_done(struct inproc_request *request) {
    struct slot *s = (struct slot *)request;
    struct inproc_link *link = s->link;
    struct host_cmd *cmd = s->cmd;
    link->free_cid[link->free_count++] = cmd->cid;
    cmd->error = request->error;
    cmd->cqe = request->cqe;
    cmd->received = request->received;
    cmd->completed_ns = sim_clock(link->sim);
    cmd->done(cmd);
}

static int inproc_link_submit(struct host_queue *queue, struct host_cmd *cmd) {
    struct inproc_link *link = (struct inproc_link *)queue;
    if (link->error)
        return -ENOTCONN;
    if (!link->free_count)
        return -EAGAIN;
    cmd->cid = link->free_cid[--link->free_count];
    cmd->sqe.cid = le16_from(cmd->cid);
    cmd->sqe.flags = (uint8_t)(cmd->sqe.flags | NVME_PSDT_SGL_MPTR_BUFFER << 6); /* as over any fabric */
    cmd->submitted_ns = sim_clock(link->sim);
    struct slot *s = &link->slot[cmd->cid];
    s->cmd = cmd;
    s->request = (struct inproc_request){.sqe = cmd->sqe, .data = cmd->data, .bytes = cmd->bytes, .done = request_done};
    int ret = inproc_submit(link->peer, &s->request);
    if (ret)
        link->free_cid[link->free_count++] = cmd->cid;
    return ret;
}

static void lost(void *context, const char *why) {
    struct inproc_link *link = context;
    log_debug(LOG_HOST, "queue lost: %s", why);
    link->error = -ECONNRESET;
}

static void inproc_link_fail(struct host_queue *queue, int error) {
    struct inproc_link *link = (struct inproc_link *)queue;
    link->error = error;
    if (link->peer)
        inproc_queue_free(link->peer);
    link->peer = NULL;
}

static void inproc_link_close(struct host_queue *queue) {
    struct inproc_link *link = (struct inproc_link *)queue;
    inproc_link_fail(queue, -ECANCELED);
    free(link->slot);
    free(link->free_cid);
    free(link);
}

static const struct host_queue_ops inproc_link_ops = {inproc_link_submit, inproc_link_fail, inproc_link_close};

struct host_queue *host_inproc_open(const struct host_queue_config *config, struct sim *sim, struct err *e) {
    struct inproc_link *link = calloc(1, sizeof(*link));
    if (!link)
        goto fail;
    link->queue = (struct host_queue){&inproc_link_ops, config->entries, config->in_capsule};
    link->sim = sim;
    link->slot = calloc(config->entries, sizeof(*link->slot));
    link->free_cid = calloc(config->entries, sizeof(*link->free_cid));
    link->peer = inproc_queue_new(config->host->inproc, "own host", lost, link);
    if (!link->slot || !link->free_cid || !link->peer)
        goto fail;
    for (uint16_t cid = config->entries - 1; cid > 0; cid--) {
        link->slot[cid - 1].link = link;
        link->free_cid[link->free_count++] = (uint16_t)(cid - 1);
    }
    return &link->queue;
fail:
    err_set(e, ENOMEM, "no memory for a queue");
    if (link)
        inproc_link_close(&link->queue);
    return NULL;
}
