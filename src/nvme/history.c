/*
 * The ring of commands that are over, and how it is told.
 *
 * A command carries its own times while it lives; the ring gets one record when
 * its slot is given back, so a command costs one write of NVME_PAST bytes and
 * reading the simulation's clock twice, with data from the host three times. Reasons stay in the ring of failures
 * (nvme_failure()), as long as they do.
 *
 * Simplified: a command of several steps (Dataset Management, Copy) shows its
 * last stay in the drive. Times are modelled: when a response was sent is read
 * when the loop got there. An answer is queued when the drive gives back, or at
 * the start of a command that needs no drive, so it has no time of its own.
 */
#include "nvme/history.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/text.h"
#include "nvme/nvme_int.h"

#define DUMP_COMMANDS    16
#define DUMP_INTERVAL_NS 10000000000ll

int nvme_history_init(struct nvme_subsystem *s) {
    s->past_size = s->config.history;
    s->past = s->past_size ? aligned_alloc(sizeof *s->past, s->past_size * sizeof *s->past) : NULL;
    s->dumped_ns = -DUMP_INTERVAL_NS;
    return s->past_size && !s->past ? -ENOMEM : 0;
}

void nvme_history_release(struct nvme_subsystem *s) {
    free(s->past);
    s->past = NULL;
}

static enum nvme_opcode_kind kind_of(const struct nvme_past *p) {
    if (p->opc == NVME_OPC_FABRICS)
        return NVME_KIND_FABRICS;
    return p->qid ? NVME_KIND_IO : NVME_KIND_ADMIN;
}

static uint8_t opcode_of(const struct nvme_past *p) {
    return p->opc == NVME_OPC_FABRICS ? (uint8_t)le32_get(p->nsid) : p->opc;
}

/* Its reason, unless newer failures have taken the place. */
static const struct nvme_failure *failure_of(const struct nvme_subsystem *s, const struct nvme_past *p) {
    uint64_t last = nvme_failures(s->target);
    return p->failure ? nvme_failure(s->target, last - (uint32_t)((uint32_t)last - p->failure)) : NULL;
}

/* ---- Stages ---- */

enum nvme_stage nvme_stage_of(const struct nvme_cmd *cmd) {
    if (cmd->held)
        return NVME_STAGE_HELD;
    switch ((enum nvme_cmd_state)cmd->state) {
    case NVME_CMD_STARTED:
        return NVME_STAGE_DATA;
    case NVME_CMD_DONE:
        return NVME_STAGE_RESPONSE;
    case NVME_CMD_IDLE:
    case NVME_CMD_RELEASED:
        return NVME_STAGE_GIVEN_UP;
    case NVME_CMD_RUNNING:
        break;
    }
    if (nvme_cmd_kind(cmd) == NVME_KIND_ADMIN && cmd->sqe.opc == NVME_ADMIN_ASYNC_EVENT_REQUEST)
        return NVME_STAGE_EVENT;
    return cmd->io_busy && cmd->io.drive ? NVME_STAGE_DRIVE : NVME_STAGE_WORKING;
}

const char *nvme_stage_name(enum nvme_stage stage) {
    static const char *const names[NVME_STAGES] = {
        [NVME_STAGE_DATA] = "waits for its data",
        [NVME_STAGE_HELD] = "held by a pause",
        [NVME_STAGE_EVENT] = "waits for an event",
        [NVME_STAGE_WORKING] = "with the controller",
        [NVME_STAGE_DRIVE] = "in the drive",
        [NVME_STAGE_RESPONSE] = "response not sent",
        [NVME_STAGE_GIVEN_UP] = "given up by its host, in the drive",
    };
    return names[stage];
}

/* ---- Walking over what is in flight ---- */

static void each_of(const struct nvme_queue *queue, nvme_cmd_visit *visit, void *context) {
    for (struct nvme_cmd *cmd = queue->head; cmd; cmd = cmd->next)
        visit(cmd, context);
}

void nvme_each_command(const struct nvme_subsystem *s, nvme_cmd_visit *visit, void *context) {
    for (const struct nvme_ctrl *ctrl = s->target->ctrls; ctrl; ctrl = ctrl->next) {
        if (ctrl->subsystem != s)
            continue;
        for (unsigned q = 0; q <= NVME_IO_QUEUES_MAX; q++)
            if (ctrl->queues[q])
                each_of(ctrl->queues[q], visit, context);
        for (const struct nvme_queue *queue = ctrl->detached; queue; queue = queue->detached)
            each_of(queue, visit, context);
    }
}

static const struct nvme_past *past_of(const struct nvme_subsystem *s, unsigned back) { /* 1: the last */
    return &s->past[(s->past_at + s->past_size - back) % s->past_size];
}

static unsigned past_kept(const struct nvme_subsystem *s, unsigned max) {
    unsigned kept = s->past_count < s->past_size ? (unsigned)s->past_count : s->past_size;
    return max && max < kept ? max : kept;
}

static const char *command_name(const struct nvme_past *p) {
    const char *name = nvme_opcode_name(kind_of(p), opcode_of(p));
    return name ? name : "unknown";
}

/* ---- JSON ---- */

static const struct {
    const char *key, *words;
} times[NVME_PAST_TIMES] = {
    [NVME_PAST_RECEIVED] = {"received", "its data here"},
    [NVME_PAST_SUBMITTED] = {"submitted", "to the drive"},
    [NVME_PAST_RETURNED] = {"returned", "back"},
    [NVME_PAST_SENT] = {"sent", "sent"},
};

/* Nanoseconds since the command came, -1: it did not come to that. */
static int64_t time_of(const struct nvme_past *p, unsigned which) {
    return (int64_t)((uint64_t)p->after_high[which] << 32 | p->after[which]) - 1;
}

static void set_times(json_t *object, const struct nvme_past *p) {
    for (unsigned i = 0; i < NVME_PAST_TIMES; i++)
        if (time_of(p, i) >= 0)
            json_object_set_new(object, times[i].key, json_integer(time_of(p, i)));
}

static json_t *past_json(const struct nvme_subsystem *s, const struct nvme_past *p) {
    json_t *object =
        json_pack("{s:I,s:i,s:i,s:i,s:s,s:i}", "started", (json_int_t)p->started_ns, "ctrl", p->cntlid, "qid", p->qid,
                  "cid", le16_get(p->cid), "command", command_name(p), "opcode", opcode_of(p));
    const struct nvme_failure *failure = failure_of(s, p);
    if (p->opc != NVME_OPC_FABRICS)
        json_object_set_new(object, "nsid", json_integer(le32_get(p->nsid)));
    if (p->nlb) {
        json_object_set_new(object, "slba", json_integer((json_int_t)p->slba));
        json_object_set_new(object, "nlb", json_integer(p->nlb));
    }
    set_times(object, p);
    if (p->answered)
        json_object_set_new(object, "status", json_integer(p->status));
    if (p->failure)
        json_object_set_new(object, "reason", failure ? json_string(failure->reason) : json_null());
    return object;
}

struct flight {
    const struct nvme_subsystem *s;
    unsigned left;          /* lines */
    struct nvme_cmd **cmds; /* NULL: count only */
    size_t count;
};

/* Some drives write down when a request will be back before it is. */
static void flight_fill(struct nvme_past *p, const struct nvme_cmd *cmd) {
    nvme_past_fill(p, cmd);
    if (cmd->io_busy)
        nvme_past_time_set(p, NVME_PAST_RETURNED, 0);
}

static json_t *flight_json(const struct nvme_subsystem *s, const struct nvme_cmd *cmd) {
    struct nvme_past p;
    flight_fill(&p, cmd);
    json_t *object = past_json(s, &p);
    json_object_set_new(object, "stage", json_string(nvme_stage_name(nvme_stage_of(cmd))));
    json_object_set_new(object, "age", json_integer(sim_now(s->target->sim) - cmd->started_ns));
    return object;
}

static void flight_collect(struct nvme_cmd *cmd, void *context) {
    struct flight *flight = context;
    if (flight->cmds)
        flight->cmds[flight->count] = cmd;
    flight->count++;
}

/* What is worth a look first: the oldest, but not those that are meant to wait. */
static int flight_order(const void *a, const void *b) {
    const struct nvme_cmd *x = *(struct nvme_cmd *const *)a, *y = *(struct nvme_cmd *const *)b;
    bool x_waits = nvme_stage_of(x) == NVME_STAGE_EVENT, y_waits = nvme_stage_of(y) == NVME_STAGE_EVENT;
    if (x_waits != y_waits)
        return x_waits - y_waits;
    if (x->started_ns != y->started_ns)
        return x->started_ns < y->started_ns ? -1 : 1;
    return x->queue->qid != y->queue->qid ? (x->queue->qid < y->queue->qid ? -1 : 1)
                                          : le16_get(x->sqe.cid) - le16_get(y->sqe.cid);
}

/* NULL: no memory. */
static json_t *flights_json(const struct nvme_subsystem *s, unsigned max, size_t *total) {
    struct flight flight = {.s = s};
    json_t *array = json_array();
    nvme_each_command(s, flight_collect, &flight);
    *total = flight.count;
    flight.cmds = calloc(flight.count + 1, sizeof(struct nvme_cmd *));
    if (!flight.cmds) {
        json_decref(array);
        return NULL;
    }
    flight.count = 0;
    nvme_each_command(s, flight_collect, &flight);
    qsort(flight.cmds, flight.count, sizeof(struct nvme_cmd *), flight_order);
    for (size_t i = 0; i < flight.count && (!max || i < max); i++)
        json_array_append_new(array, flight_json(s, flight.cmds[i]));
    free(flight.cmds);
    return array;
}

struct json_t *nvme_history_json(const struct nvme_subsystem *s, unsigned max) {
    size_t total;
    json_t *flights = flights_json(s, max, &total), *commands = json_array();
    for (unsigned back = past_kept(s, max); back; back--)
        json_array_append_new(commands, past_json(s, past_of(s, back)));
    return json_pack("{s:i,s:I,s:o,s:o,s:I}", "size", (int)s->past_size, "recorded", (json_int_t)s->past_count,
                     "commands", commands, "in_flight", flights, "in_flight_total", (json_int_t)total);
}

/* ---- Lines ---- */

static void add_times(char *text, size_t size, const struct nvme_past *p) {
    for (unsigned i = 0; i < NVME_PAST_TIMES; i++) {
        size_t len = strlen(text);
        if (time_of(p, i) >= 0)
            snprintf(text + len, size - len, ", %s +%s", times[i].words, text_time(time_of(p, i)).s);
    }
}

static void past_text(const struct nvme_subsystem *s, const struct nvme_past *p, char *text, size_t size) {
    const struct nvme_failure *failure = failure_of(s, p);
    int n = snprintf(text, size, "%" PRId64 ".%06" PRId64 " ctrl %u qid %u cid %u: %s", p->started_ns / 1000000000,
                     p->started_ns / 1000 % 1000000, p->cntlid, p->qid, le16_get(p->cid), command_name(p));
    if (p->opc != NVME_OPC_FABRICS && le32_get(p->nsid))
        n += snprintf(text + n, size - (size_t)n, " nsid %x", le32_get(p->nsid));
    if (p->nlb)
        snprintf(text + n, size - (size_t)n, " slba %" PRIx64 "h, %u blocks", p->slba, p->nlb);
    add_times(text, size, p);
    size_t len = strlen(text);
    if (p->status && p->answered)
        snprintf(text + len, size - len, ", 0x%x: %s", p->status, failure ? failure->reason : "reason forgotten");
    else if (p->forgotten)
        snprintf(text + len, size - len, ", given up");
}

static void flight_line(struct nvme_cmd *cmd, void *context) {
    struct flight *flight = context;
    struct nvme_past p;
    char text[512];
    if (!flight->left)
        return;
    flight->left--;
    flight_fill(&p, cmd);
    past_text(flight->s, &p, text, sizeof text);
    log_warn(LOG_NVME, "in flight: %s, %s for %s", text, nvme_stage_name(nvme_stage_of(cmd)),
             text_time(sim_now(flight->s->target->sim) - cmd->started_ns).s);
}

void nvme_history_dump(const struct nvme_subsystem *s, unsigned max, const char *why) {
    struct flight flight = {.s = s, .left = max};
    unsigned kept = past_kept(s, max);
    log_warn(LOG_NVME, "%s: %s; the last %u commands:", s->config.nqn, why, kept);
    for (; kept; kept--) {
        char text[512];
        past_text(s, past_of(s, kept), text, sizeof text);
        log_warn(LOG_NVME, "history: %s", text);
    }
    nvme_each_command(s, flight_line, &flight);
}

void nvme_subsystem_fault(struct nvme_subsystem *s, const char *why) {
    int64_t now = sim_now(s->target->sim);
    if (!s->past_size || now - s->dumped_ns < DUMP_INTERVAL_NS)
        return;
    s->dumped_ns = now;
    nvme_history_dump(s, DUMP_COMMANDS, why);
}

void nvme_queue_fault(struct nvme_queue *queue, const char *why) {
    char text[256];
    if (!queue->ctrl || !queue->ctrl->subsystem)
        return;
    snprintf(text, sizeof text, "%s qid %u: %s", queue->peer, queue->qid, why);
    nvme_subsystem_fault(queue->ctrl->subsystem, text);
}
