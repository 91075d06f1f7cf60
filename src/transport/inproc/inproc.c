/*
 * Queues without a wire; see inproc.h.
 *
 * A command of the controller and the caller's request meet in a slot. The
 * request comes back (by the loop's hook) when the command is complete; the
 * slot stays with the controller until the command is recycled, which may be
 * later for an aborted one.
 */
#include "transport/inproc/inproc.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/buffer.h"

#define CONTAINER(type, member, ptr) ((type *)((char *)(ptr)-offsetof(type, member)))
#define KEEP_BYTES                   (16ull << 20)

struct inproc_slot {
    struct nvme_cmd cmd; /* first: the controller's pointer is ours */
    struct inproc_slot *next;
    struct inproc_request *request; /* NULL once it has gone back */
    void *buffer;
    uint32_t buffer_bytes;
    struct iovec in;
};

struct inproc;

struct inproc_queue {
    struct nvme_queue queue; /* first: the controller's pointer is ours */
    struct inproc *inproc;
    struct inproc_queue *next;
    void (*lost)(void *context, const char *why);
    void *context;
    struct inproc_slot *free;
    struct inproc_request *done_head, *done_tail;
    bool is_lost;  /* takes no more commands */
    bool closed;   /* gone from the controller */
    bool released; /* by its user; freed when both it and the transport are done with it */
};

struct inproc {
    struct transport transport; /* first */
    struct sim *sim;
    struct nvme_target *target;
    struct sim_idle_hook hook;
    struct inproc_queue *queues;
    struct buffer_pool pool;
    uint64_t commands, bytes_in, bytes_out;
    struct hist lateness;
    bool closing;
    bool *closed; /* inproc_close()'s caller waits for it, or NULL */
};

static struct inproc_queue *queue_of(const struct nvme_cmd *cmd) {
    return (struct inproc_queue *)cmd->queue;
}

/* Requests on their way back */

static void hand_back(struct inproc_queue *q, struct inproc_request *request) {
    request->next = NULL;
    if (q->done_head)
        q->done_tail->next = request;
    else
        q->done_head = request;
    q->done_tail = request;
}

static void copy_out(struct inproc *inproc, struct inproc_request *request, const struct nvme_cmd *cmd) {
    uint32_t n = cmd->out && cmd->out_bytes < request->bytes ? cmd->out_bytes : request->bytes;
    request->received = 0;
    if (!cmd->out || n == 0 || !request->data)
        return;
    memcpy(request->data, cmd->out, n);
    request->received = n;
    inproc->bytes_out += n;
}

static void on_complete(struct nvme_cmd *cmd) {
    struct inproc_slot *slot = (struct inproc_slot *)cmd;
    struct inproc_queue *q = queue_of(cmd);
    struct inproc_request *request = slot->request;
    slot->request = NULL;
    request->error = 0;
    request->cqe = cmd->cqe;
    copy_out(q->inproc, request, cmd);
    if (cmd->due_ns > 0)
        hist_record(&q->inproc->lateness, sim_clock(q->inproc->sim) - cmd->due_ns);
    hand_back(q, request);
    nvme_cmd_release(cmd);
}

/* The request goes back without an answer; its buffer is not touched any more. */
static void give_up(struct inproc_slot *slot) {
    if (!slot->request)
        return;
    slot->request->error = -ENOTCONN;
    hand_back(queue_of(&slot->cmd), slot->request);
    slot->request = NULL;
}

static void on_recycle(struct nvme_cmd *cmd) {
    struct inproc_slot *slot = (struct inproc_slot *)cmd;
    struct inproc_queue *q = queue_of(cmd);
    give_up(slot);
    if (slot->buffer)
        buffer_put(&q->inproc->pool, slot->buffer, slot->buffer_bytes);
    slot->buffer = NULL;
    slot->next = q->free;
    q->free = slot;
}

static void on_disconnect(struct nvme_queue *queue, const char *why) {
    struct inproc_queue *q = (struct inproc_queue *)queue;
    q->is_lost = true;
    if (q->lost)
        q->lost(q->context, why);
}

static const struct nvme_queue_ops queue_ops = {
    .trtype = NVME_TRTYPE_LOOP,
    .complete = on_complete,
    .recycle = on_recycle,
    .disconnect = on_disconnect,
};

/* Queues */

struct inproc_queue *inproc_queue_new(struct transport *transport, const char *name,
                                      void (*lost)(void *context, const char *why), void *context) {
    struct inproc *inproc = (struct inproc *)transport;
    char peer[64];
    struct inproc_queue *q = calloc(1, sizeof(*q));
    if (!q)
        return NULL;
    q->inproc = inproc;
    q->lost = lost;
    q->context = context;
    snprintf(peer, sizeof(peer), "inproc %s", name);
    nvme_queue_init(&q->queue, inproc->target, &queue_ops, peer, 0);
    q->next = inproc->queues;
    inproc->queues = q;
    return q;
}

static void run_done(struct inproc_queue *q) {
    struct inproc_request *request = q->done_head;
    q->done_head = q->done_tail = NULL;
    while (request) {
        struct inproc_request *next = request->next;
        request->done(request);
        request = next;
    }
}

/* Take the queue from the controller; requests in flight go back unanswered. */
static void shut(struct inproc_queue *q) {
    if (q->closed)
        return;
    q->closed = q->is_lost = true;
    for (struct nvme_cmd *cmd = q->queue.head; cmd; cmd = cmd->next)
        give_up((struct inproc_slot *)cmd);
    nvme_queue_gone(&q->queue);
    run_done(q);
}

void inproc_queue_free(struct inproc_queue *q) {
    q->lost = NULL;
    q->released = true;
    if (!q->inproc) { /* the transport went first */
        free(q);
        return;
    }
    shut(q);
    sim_wake(q->inproc->sim);
}

/* Commands */

static struct inproc_slot *slot_get(struct inproc_queue *q) {
    struct inproc_slot *slot = q->free;
    if (!slot)
        return calloc(1, sizeof(*slot));
    q->free = slot->next;
    return slot;
}

static bool take_data(struct inproc_queue *q, struct inproc_slot *slot) {
    uint32_t n = slot->cmd.xfer_bytes;
    slot->buffer = buffer_get(&q->inproc->pool, n);
    slot->buffer_bytes = n;
    if (!slot->buffer)
        return false;
    memcpy(slot->buffer, slot->request->data, n);
    q->inproc->bytes_in += n;
    slot->in = (struct iovec){slot->buffer, n};
    slot->cmd.in = &slot->in;
    slot->cmd.in_count = 1;
    return true;
}

int inproc_submit(struct inproc_queue *q, struct inproc_request *request) {
    if (q->is_lost)
        return -ENOTCONN;
    struct inproc_slot *slot = slot_get(q);
    if (!slot)
        return -ENOMEM;
    struct nvme_cmd *cmd = &slot->cmd;
    slot->request = request;
    cmd->sqe = request->sqe;
    cmd->in = NULL;
    cmd->in_count = 0;
    q->inproc->commands++;
    nvme_cmd_start(&q->queue, cmd);
    bool moves = !cmd->latched && cmd->xfer != NVME_XFER_NONE && cmd->xfer_bytes > 0;
    if (moves && (request->bytes < cmd->xfer_bytes || !request->data))
        nvme_cmd_reject(cmd, NVME_SC_SGL_INVALID_DATA_LENGTH, "The buffer has %u bytes, the command moves %u",
                        request->bytes, cmd->xfer_bytes);
    else if (moves && cmd->xfer == NVME_XFER_TO_CTRL && !take_data(q, slot))
        nvme_cmd_reject(cmd, NVME_SC_INTERNAL_ERROR, "No memory for %u bytes", cmd->xfer_bytes);
    else
        nvme_cmd_execute(cmd);
    if (q->done_tail == request && q->done_head)
        sim_wake(q->inproc->sim); /* answered at once, maybe after this turn's hook has run */
    return 0;
}

/* The transport */

/* Nothing of the queue is left in the drive. Its user may still hold it. */
static void part_with(struct inproc_queue *q) {
    while (q->free) {
        struct inproc_slot *slot = q->free;
        q->free = slot->next;
        free(slot);
    }
    q->inproc = NULL;
    if (q->released)
        free(q);
}

static void destroy(struct inproc *inproc) {
    sim_hook_remove(inproc->sim, &inproc->hook);
    buffer_pool_release(&inproc->pool);
    if (inproc->closed)
        *inproc->closed = true;
    free(inproc);
}

static void reap(struct inproc *inproc) {
    for (struct inproc_queue **at = &inproc->queues; *at;) {
        struct inproc_queue *q = *at;
        if (q->closed && q->queue.outstanding == 0 && !q->done_head) {
            *at = q->next;
            part_with(q);
        } else {
            at = &q->next;
        }
    }
}

static void on_hook(struct sim_idle_hook *hook) {
    struct inproc *inproc = CONTAINER(struct inproc, hook, hook);
    for (struct inproc_queue *q = inproc->queues; q; q = q->next)
        run_done(q);
    reap(inproc);
    if (inproc->closing && !inproc->queues)
        destroy(inproc);
}

static struct transport *inproc_listen(const struct transport_config *config, struct sim *sim,
                                       struct nvme_target *target, struct err *e) {
    struct inproc *inproc = calloc(1, sizeof(*inproc));
    if (!inproc) {
        err_set(e, ENOMEM, "no memory for the transport");
        return NULL;
    }
    inproc->transport.ops = &inproc_transport;
    inproc->sim = sim;
    inproc->target = target;
    buffer_pool_init(&inproc->pool, KEEP_BYTES);
    hist_init(&inproc->lateness);
    inproc->hook.run = on_hook;
    sim_hook_add(sim, &inproc->hook);
    return &inproc->transport;
}

static void inproc_close(struct transport *transport, bool *closed) {
    struct inproc *inproc = (struct inproc *)transport;
    inproc->closed = closed;
    inproc->closing = true;
    for (struct inproc_queue *q = inproc->queues; q; q = q->next) {
        if (!q->is_lost)
            on_disconnect(&q->queue, "the transport closes");
        shut(q);
    }
    reap(inproc);
    if (!inproc->queues)
        destroy(inproc);
}

static const char *inproc_address(const struct transport *transport) {
    return "this process";
}

static json_t *inproc_stats(const struct transport *transport) {
    const struct inproc *inproc = (const struct inproc *)transport;
    const struct hist *h = &inproc->lateness;
    return json_pack("{s:I,s:I,s:I,s:{s:I,s:f,s:I,s:I,s:I}}", "commands", (json_int_t)inproc->commands, "bytes_in",
                     (json_int_t)inproc->bytes_in, "bytes_out", (json_int_t)inproc->bytes_out, "lateness_ns", "count",
                     (json_int_t)h->count, "mean", hist_mean(h), "p50", (json_int_t)hist_quantile(h, 0.5), "p99",
                     (json_int_t)hist_quantile(h, 0.99), "max", (json_int_t)h->max);
}

const struct transport_ops inproc_transport = {
    .scheme = "inproc",
    .summary = "queues within the process, for tests and the project's own host",
    .listen = inproc_listen,
    .close = inproc_close,
    .address = inproc_address,
    .stats = inproc_stats,
};
