/*
 * The life of a command and the proof that it ends exactly once. States and
 * invariants are in nvme_int.h.
 *
 * Hot path: nvme_cmd_start(), nvme_cmd_execute(), nvme_cmd_finish(); they look
 * at the command, its queue and one row, and allocate nothing.
 *
 * SQHD moves as commands complete, not as they arrive: a host that honours it
 * never has more commands outstanding than the queue has entries.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/probe.h"
#include "nvme/nvme_int.h"

#define SQHD_NO_FLOW_CONTROL 0xffffu
#define SCRATCH_BYTES        65536 /* buffers of less are not worth keeping */
#define PAGE_BYTES           4096

/* ---- State machine ---- */

/* False, counted and logged: the caller must not go on. */
static bool cmd_move(struct nvme_cmd *cmd, enum nvme_cmd_state from, enum nvme_cmd_state to) {
    if (__builtin_expect(cmd->state == from, 1)) {
        cmd->state = to;
        return true;
    }
    cmd->queue->target->violations++;
    log_error(LOG_NVME, "internal: %s qid %u cid %u: state %u where %u was due, on the way to %u", cmd->queue->peer,
              cmd->queue->qid, le16_get(cmd->sqe.cid), cmd->state, from, to);
    return false;
}

static bool cid_take(struct nvme_queue *queue, struct nvme_cmd *cmd) {
    uint16_t cid = le16_get(cmd->sqe.cid);
    uint64_t *word = &queue->cids[cid / 64], bit = 1ull << cid % 64;
    if (*word & bit)
        return false;
    *word |= bit;
    cmd->cid_held = true;
    return true;
}

static void cid_give(struct nvme_cmd *cmd) {
    uint16_t cid = le16_get(cmd->sqe.cid);
    if (cmd->cid_held)
        cmd->queue->cids[cid / 64] &= ~(1ull << cid % 64);
    cmd->cid_held = false;
}

static void list_add(struct nvme_queue *queue, struct nvme_cmd *cmd) {
    cmd->next = NULL;
    cmd->prev = queue->tail;
    if (queue->tail)
        queue->tail->next = cmd;
    else
        queue->head = cmd;
    queue->tail = cmd;
    queue->outstanding++;
}

static void list_remove(struct nvme_queue *queue, struct nvme_cmd *cmd) {
    if (cmd->prev)
        cmd->prev->next = cmd->next;
    else
        queue->head = cmd->next;
    if (cmd->next)
        cmd->next->prev = cmd->prev;
    else
        queue->tail = cmd->prev;
    queue->outstanding--;
}

static void buffer_give(struct nvme_cmd *cmd) {
    struct nvme_subsystem *s = cmd->queue->ctrl ? cmd->queue->ctrl->subsystem : NULL;
    if (cmd->buffer_bytes && s && !s->spare) {
        s->spare = cmd->buffer;
        s->spare_bytes = cmd->buffer_bytes;
    } else {
        free(cmd->buffer);
    }
    cmd->buffer = NULL;
}

/* Nothing refers to the command any more. The last of a queue that is gone lets go of the controller. */
static void cmd_recycle(struct nvme_cmd *cmd) {
    struct nvme_queue *queue = cmd->queue;
    list_remove(queue, cmd);
    if (__builtin_expect(queue->ctrl && queue->ctrl->subsystem && queue->ctrl->subsystem->past_size, 1))
        nvme_history_add(queue->ctrl->subsystem, cmd);
    if (__builtin_expect(cmd->buffer != NULL, 0))
        buffer_give(cmd);
    io_release(&cmd->io);
    cmd->state = NVME_CMD_IDLE;
    if (queue->gone && !queue->outstanding && queue->ctrl) {
        nvme_ctrl_forget(queue->ctrl, queue);
        nvme_ctrl_put(queue->ctrl);
        queue->ctrl = NULL;
    }
    queue->ops->recycle(cmd);
}

/* The host does not wait for it any more: no completion. */
static void cmd_forget(struct nvme_queue *queue, struct nvme_cmd *cmd) {
    if (cmd->state == NVME_CMD_STARTED || cmd->state == NVME_CMD_RUNNING)
        queue->completed++;
    cid_give(cmd);
    if (__builtin_expect(cmd->held, 0))
        nvme_unhold(cmd);
    cmd->forgotten = true;
    if (queue->ctrl)
        nvme_events_forget(queue->ctrl, cmd);
    cmd->state = NVME_CMD_RELEASED;
    if (!cmd->io_busy)
        cmd_recycle(cmd);
}

/* ---- Failing ---- */

static void error_record(struct nvme_ctrl *ctrl, struct nvme_cmd *cmd, uint16_t status, const char *reason) {
    struct nvme_error *error = &ctrl->errors[ctrl->error_count++ % NVME_ERRORS];
    bool fabrics = cmd->sqe.opc == NVME_OPC_FABRICS;
    memset(error, 0, sizeof *error);
    error->entry = (struct nvme_error_log_entry){
        .error_count = le64_from(ctrl->error_count),
        .sqid = le16_from(cmd->queue->qid),
        .cmdid = cmd->sqe.cid,
        .status_field = le16_from((uint16_t)(status << 1)),
        .parm_error_location = le16_from(cmd->error_location),
        .lba = le64_from(cmd->slba),
        .nsid = fabrics ? le32_from(0) : cmd->sqe.nsid,
        .trtype = cmd->queue->ops->trtype,
        .csi = cmd->ns && cmd->ns->zones ? NVME_CSI_ZNS : NVME_CSI_NVM,
        .opc = cmd->sqe.opc,
    };
    snprintf(error->reason, sizeof error->reason, "%s", reason);
    if (ctrl->subsystem) {
        ctrl->subsystem->errors++;
        ctrl->subsystem->durable->error_entries++;
    }
}

static const char *op_name(const struct nvme_cmd *cmd) {
    if (cmd->row && cmd->row->name)
        return cmd->row->name;
    const char *name = nvme_opcode_name(nvme_cmd_kind(cmd), nvme_cmd_opcode(cmd));
    return name ? name : "command";
}

/* "tcp 10.0.0.2:40112 ctrl 1 qid 3 cid 7: Read (opcode 02h) nsid 1" */
static void describe(const struct nvme_cmd *cmd, char *text, size_t size) {
    const struct nvme_queue *queue = cmd->queue;
    uint32_t nsid = le32_get(cmd->sqe.nsid);
    char ctrl[16] = "", ns[20] = "";
    if (queue->ctrl)
        snprintf(ctrl, sizeof ctrl, " ctrl %u", queue->ctrl->cntlid);
    if (cmd->sqe.opc != NVME_OPC_FABRICS && nsid)
        snprintf(ns, sizeof ns, nsid == NVME_NSID_ALL ? " nsid all" : " nsid %u", nsid);
    snprintf(text, size, "%s%s qid %u cid %u: %s (opcode %02xh)%s", queue->peer, ctrl, queue->qid,
             le16_get(cmd->sqe.cid), op_name(cmd), cmd->sqe.opc, ns);
}

struct nvme_status nvme_fail(struct nvme_cmd *cmd, uint16_t status, uint16_t location, const char *fmt, ...) {
    char reason[NVME_REASON_MAX], who[256];
    struct nvme_queue *queue = cmd->queue;
    struct nvme_ctrl *ctrl = queue->ctrl;
    va_list args;
    va_start(args, fmt);
    vsnprintf(reason, sizeof reason, fmt, args);
    va_end(args);
    const struct nvme_status_row *row = nvme_status_find(status, cmd->sqe.opc == NVME_OPC_FABRICS);
    if (!row || !row->retry)
        status |= NVME_DNR;
    cmd->error_location = location;
    if (ctrl) {
        status |= NVME_MORE;
        error_record(ctrl, cmd, status, reason);
    }
    nvme_failure_record(cmd, status, reason);
    cmd->failure = queue->target->failure_count;
    if (log_enabled(LOG_NVME, LOG_LEVEL_INFO)) {
        describe(cmd, who, sizeof who);
        log_limited(ctrl ? &ctrl->limit : &queue->target->limit, LOG_NVME, LOG_LEVEL_INFO,
                    "%s fails with %s (0x%x): %s", who, row ? row->name : "unknown status", status, reason);
    }
    return (struct nvme_status){status};
}

/* Invariant 6: the host would be told that, but nobody why. */
static void failed_bare(const struct nvme_cmd *cmd, uint16_t status) {
    char who[256];
    describe(cmd, who, sizeof who);
    cmd->queue->target->bare++;
    log_error(LOG_NVME, "internal: %s fails with 0x%x and no reason", who, status);
}

struct nvme_status nvme_io_failed(struct nvme_cmd *cmd) {
    struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    uint16_t status = cmd->io.status;
    if (status >> 8 == 2)
        ctrl->subsystem->durable->media_errors++;
    if (!cmd->io.reason)
        failed_bare(cmd, status);
    struct nvme_status st = nvme_fail(cmd, status, nvme_zone_location(cmd, status), "%s",
                                      cmd->io.reason ? cmd->io.reason : "the drive gave no reason");
    if (status == NVME_SC_INTERNAL_ERROR) {
        ctrl->error_info = NVME_ASYNC_ERROR_TRANSIENT_INTERNAL;
        nvme_event_raise(ctrl, NVME_EVENT_ERROR);
    }
    nvme_health_poll(ctrl);
    return st;
}

/* ---- Starting ---- */

static struct nvme_status start_fabrics(struct nvme_queue *queue, struct nvme_cmd *cmd) {
    uint8_t fctype = ((const uint8_t *)&cmd->sqe)[4];
    cmd->row = &nvme_fabrics_ops[fctype];
    if (!cmd->row->handler)
        return nvme_fail(cmd, NVME_SC_INVALID_OPCODE, 4, "fabrics command type %02xh is not supported", fctype);
    if (!queue->ctrl && fctype != NVME_FCTYPE_CONNECT)
        return nvme_fail(cmd, NVME_SC_SEQUENCE_ERROR, 4, "the queue is not connected yet");
    return cmd->row->prepare ? cmd->row->prepare(cmd) : NVME_OK;
}

static struct nvme_status find_row(struct nvme_queue *queue, struct nvme_cmd *cmd) {
    struct nvme_ctrl *ctrl = queue->ctrl;
    uint8_t opc = cmd->sqe.opc;
    if (!ctrl)
        return nvme_fail(cmd, NVME_SC_SEQUENCE_ERROR, 0, "opcode %02xh before Connect", opc);
    if (!(ctrl->csts & NVME_CSTS_RDY))
        return nvme_fail(cmd, NVME_SC_SEQUENCE_ERROR, 0, "opcode %02xh while the controller is not enabled (CC %08xh)",
                         opc, ctrl->cc);
    cmd->row = queue->qid ? &nvme_io_ops[opc] : &nvme_admin_ops[opc];
    if (!cmd->row->handler)
        return nvme_fail(cmd, NVME_SC_INVALID_OPCODE, 0, "%s opcode %02xh is not supported",
                         queue->qid ? "I/O" : "admin", opc);
    if (!ctrl->subsystem && !(cmd->row->flags & NVME_OP_DISCOVERY))
        return nvme_fail(cmd, NVME_SC_INVALID_OPCODE, 0, "not on a discovery controller");
    return NVME_OK;
}

/* The command and the namespace are of different command sets, or the host has not enabled the namespace's. */
static struct nvme_status check_command_set(struct nvme_cmd *cmd) {
    const struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    if (!cmd->ns->zones)
        return nvme_fail(cmd, NVME_SC_INVALID_OPCODE, 0, "namespace %u has no zones", cmd->ns->nsid);
    if (cmd->queue->qid && NVME_CC_CSS(ctrl->cc) != NVME_CC_CSS_ALL)
        return nvme_fail(cmd, NVME_SC_IOCS_NOT_ENABLED, NVME_LOC(nsid),
                         "namespace %u is zoned; CC.CSS is %u, hosts of zoned namespaces set 6 (CC %08xh)",
                         cmd->ns->nsid, NVME_CC_CSS(ctrl->cc), ctrl->cc);
    return NVME_OK;
}

static struct nvme_status find_ns(struct nvme_cmd *cmd) {
    struct nvme_subsystem *subsystem = nvme_cmd_subsystem(cmd);
    uint32_t nsid = le32_get(cmd->sqe.nsid);
    if (nsid - 1 < subsystem->ns_count) {
        cmd->ns = &subsystem->ns[nsid - 1];
        if (__builtin_expect(cmd->ns->zones || (cmd->row->flags & NVME_OP_ZONED), 0))
            return check_command_set(cmd);
        return NVME_OK;
    }
    if (nsid == NVME_NSID_ALL && (cmd->row->flags & NVME_OP_NS_ALL))
        return NVME_OK;
    return nvme_fail(cmd, NVME_SC_INVALID_NS, NVME_LOC(nsid), "NSID %u, valid are 1 to %u%s", nsid, subsystem->ns_count,
                     cmd->row->flags & NVME_OP_NS_ALL ? " and FFFFFFFFh" : "");
}

/*
 * A host that shuts down may give up its Asynchronous Event Requests without
 * a word and use their identifiers for the properties (SPDK's does). Answering
 * either as a conflict would be taken for the other's answer.
 */
static bool cid_given_up(struct nvme_queue *queue, struct nvme_cmd *cmd) {
    struct nvme_ctrl *ctrl = queue->ctrl;
    if (cmd->sqe.opc != NVME_OPC_FABRICS || !ctrl || queue->qid)
        return false;
    for (uint32_t i = 0; i < ctrl->aer_count; i++)
        if (memcmp(&ctrl->aer[i]->sqe.cid, &cmd->sqe.cid, sizeof cmd->sqe.cid) == 0) {
            cmd_forget(queue, ctrl->aer[i]);
            return cid_take(queue, cmd);
        }
    return false;
}

static struct nvme_status start_check(struct nvme_queue *queue, struct nvme_cmd *cmd) {
    if (__builtin_expect(!cid_take(queue, cmd), 0) && !cid_given_up(queue, cmd))
        return nvme_fail(cmd, NVME_SC_CID_CONFLICT, NVME_LOC(cid), "command identifier %u is already in use",
                         le16_get(cmd->sqe.cid));
    if (queue->ctrl)
        queue->ctrl->traffic = true;
    if (__builtin_expect(queue->disconnected, 0))
        return nvme_fail(cmd, NVME_SC_SEQUENCE_ERROR, NVME_LOC_NONE, "the host disconnected the queue");
    if (__builtin_expect(cmd->sqe.opc == NVME_OPC_FABRICS, 0))
        return start_fabrics(queue, cmd);
    struct nvme_status st = find_row(queue, cmd);
    if (__builtin_expect(st.v, 0))
        return st;
    const struct nvme_op_row *row = cmd->row;
    if (__builtin_expect(NVME_SQE_FUSE(cmd->sqe.flags) != 0, 0))
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(flags), "fused operations are not supported");
    if (row->xfer != NVME_XFER_NONE && __builtin_expect(NVME_SQE_PSDT(cmd->sqe.flags) == NVME_PSDT_PRP, 0))
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(flags) | 6 << 8,
                         "PRPs (PSDT 0) over fabrics; SGLs are required");
    if (row->flags & NVME_OP_NS) {
        st = find_ns(cmd);
        if (__builtin_expect(st.v, 0))
            return st;
    }
    return row->prepare ? row->prepare(cmd) : NVME_OK;
}

static void cmd_reset(struct nvme_queue *queue, struct nvme_cmd *cmd) {
    cmd->queue = queue;
    cmd->cqe = (struct nvme_cqe){0};
    cmd->latched = false;
    cmd->xfer = NVME_XFER_NONE;
    cmd->xfer_bytes = 0;
    cmd->in = NULL;
    cmd->in_count = 0;
    cmd->out = NULL;
    cmd->out_bytes = 0;
    cmd->row = NULL;
    cmd->ns = NULL;
    cmd->buffer = NULL;
    cmd->buffer_bytes = 0;
    cmd->slba = 0;
    cmd->nlb = 0;
    cmd->io_busy = false;
    cmd->cid_held = false;
    cmd->held = false;
    cmd->answered = cmd->forgotten = cmd->watched = false;
    cmd->started_ns = sim_now(queue->target->sim);
    cmd->failure = 0;
    cmd->received_ns = 0;
    cmd->sent_ns = 0;
    cmd->status = 0;
    cmd->error_location = NVME_LOC_NONE;
    cmd->due_ns = 0;
    io_init(&cmd->io);
}

/* There is a command to watch: is the watchdog awake? */
static void watch(const struct nvme_ctrl *ctrl) {
    struct nvme_subsystem *s = ctrl ? ctrl->subsystem : NULL;
    if (__builtin_expect(s && !sim_event_pending(&s->watchdog), 0) && s->config.watchdog)
        nvme_watchdog_arm(s);
}

void nvme_cmd_start(struct nvme_queue *queue, struct nvme_cmd *cmd) {
    cmd_reset(queue, cmd);
    list_add(queue, cmd);
    queue->started++;
    cmd->state = NVME_CMD_STARTED;
    PROBE3(nvme_start, queue->qid, le16_get(cmd->sqe.cid), cmd->sqe.opc);
    struct nvme_status st = start_check(queue, cmd);
    watch(queue->ctrl);
    if (__builtin_expect(st.v, 0)) {
        cmd->latched = true;
        cmd->status = st.v;
        cmd->xfer_bytes = 0;
    } else if (cmd->xfer_bytes) {
        cmd->xfer = cmd->row->xfer;
    }
}

/* ---- Executing and finishing ---- */

static void count(struct nvme_cmd *cmd) {
    struct nvme_ctrl *ctrl = cmd->queue->ctrl;
    if (!ctrl || !ctrl->subsystem)
        return;
    if (cmd->queue->qid) {
        ctrl->subsystem->io_count[cmd->sqe.opc]++;
        return;
    }
    ctrl->subsystem->admin_count[cmd->sqe.opc]++;
    nvme_health_poll(ctrl);
    nvme_subsystem_power_on(ctrl->subsystem);
}

void nvme_cmd_execute(struct nvme_cmd *cmd) {
    if (cmd->xfer == NVME_XFER_TO_CTRL && !cmd->received_ns)
        cmd->received_ns = sim_now(cmd->queue->target->sim);
    if (__builtin_expect(cmd->queue->target->armed, 0) && nvme_hold_start(cmd))
        return;
    if (!cmd_move(cmd, NVME_CMD_STARTED, NVME_CMD_RUNNING))
        return;
    struct nvme_status st;
    count(cmd);
    if (__builtin_expect(cmd->latched, 0))
        st = (struct nvme_status){cmd->status};
    else if (__builtin_expect(cmd->queue->told_to_go, 0) && cmd->queue->qid)
        st = nvme_fail(cmd, NVME_SC_SQ_DELETED, NVME_LOC_NONE, "the queue was given up before the command began");
    else if (__builtin_expect(cmd->xfer == NVME_XFER_TO_CTRL && !cmd->in, 0))
        st = nvme_fail(cmd, NVME_SC_DATA_TRANSFER_ERROR, NVME_LOC_NONE, "%u bytes of data did not come",
                       cmd->xfer_bytes);
    else
        st = cmd->row->handler(cmd);
    if (st.v != NVME_PENDING.v)
        nvme_cmd_finish(cmd, st);
}

static uint16_t sqhd_next(struct nvme_queue *queue) {
    if (!queue->sq_flow_control)
        return SQHD_NO_FLOW_CONTROL;
    uint16_t next = (uint16_t)(queue->sqhd + 1);
    queue->sqhd = next >= queue->entries ? 0 : next;
    return queue->sqhd;
}

/* Fill the completion entry and hand it to the transport. */
static void cmd_complete(struct nvme_cmd *cmd, struct nvme_status status) {
    struct nvme_queue *queue = cmd->queue;
    cid_give(cmd);
    cmd->status = status.v;
    if (__builtin_expect(status.v, 0)) {
        if (!cmd->failure)
            failed_bare(cmd, status.v);
        cmd->out = NULL;
        cmd->out_bytes = 0;
    }
    cmd->cqe.sqhd = le16_from(sqhd_next(queue));
    cmd->cqe.sqid = le16_from(queue->qid);
    cmd->cqe.cid = cmd->sqe.cid;
    cmd->cqe.status = le16_from((uint16_t)(status.v << 1));
    if (!cmd->due_ns)
        cmd->due_ns = sim_now(queue->target->sim);
    cmd->answered = true;
    queue->completed++;
    PROBE4(nvme_complete, queue->qid, le16_get(cmd->sqe.cid), cmd->sqe.opc, status.v);
    if (__builtin_expect(queue->target->armed, 0) && nvme_hold_completion(cmd))
        return;
    queue->ops->complete(cmd);
}

void nvme_cmd_finish(struct nvme_cmd *cmd, struct nvme_status status) {
    if (cmd_move(cmd, NVME_CMD_RUNNING, NVME_CMD_DONE))
        cmd_complete(cmd, status);
}

void nvme_cmd_reject(struct nvme_cmd *cmd, uint16_t status, const char *fmt, ...) {
    char reason[NVME_REASON_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(reason, sizeof reason, fmt, args);
    va_end(args);
    if (!cmd_move(cmd, NVME_CMD_STARTED, NVME_CMD_DONE))
        return;
    struct nvme_status st = {cmd->status};
    if (!cmd->latched)
        st = nvme_fail(cmd, status & 0x7ff, NVME_LOC(sgl1), "%s", reason);
    cmd_complete(cmd, st);
}

void nvme_cmd_reject_short(struct nvme_cmd *cmd, uint32_t bytes) {
    uint32_t want = cmd->xfer_bytes, more = want - bytes;
    bool slip = bytes && cmd->nlb > 1 && more == want / cmd->nlb;
    nvme_cmd_reject(cmd, NVME_SC_SGL_INVALID_DATA_LENGTH, "the SGL holds %u bytes, the command moves %u%s", bytes, want,
                    slip ? ", one block more: the number of blocks is zero-based, was it sent one too large?" : "");
}

void nvme_cmd_cancel(struct nvme_cmd *cmd, uint16_t status, const char *why) {
    if (cmd->state != NVME_CMD_RUNNING)
        return;
    nvme_events_forget(nvme_cmd_ctrl(cmd), cmd);
    nvme_cmd_finish(cmd, nvme_fail(cmd, status, NVME_LOC_NONE, "%s", why));
}

void nvme_cmd_release(struct nvme_cmd *cmd) {
    if (cmd->state == NVME_CMD_IDLE || cmd->state == NVME_CMD_RELEASED)
        return; /* its connection went first */
    if (!cmd_move(cmd, NVME_CMD_DONE, NVME_CMD_RELEASED))
        return;
    if (__builtin_expect(cmd->io_busy, 0))
        cmd->sent_ns = sim_now(cmd->queue->target->sim);
    else
        cmd_recycle(cmd);
}

bool nvme_cmd_returned(struct nvme_cmd *cmd) {
    cmd->io_busy = false;
    if (__builtin_expect(cmd->state == NVME_CMD_RUNNING, 1))
        return true;
    if (cmd->state == NVME_CMD_RELEASED)
        cmd_recycle(cmd);
    return false;
}

/* ---- Helpers of the handlers ---- */

void nvme_cmd_submit(struct nvme_cmd *cmd, void (*done)(struct io *)) {
    cmd->io.done = done;
    cmd->io.owner = cmd->queue->owner;
    cmd->io.view = cmd->ns ? &cmd->ns->view : NULL;
    cmd->io_busy = true;
    drive_submit(nvme_cmd_subsystem(cmd)->drive, &cmd->io);
}

static void *buffer_is(struct nvme_cmd *cmd, void *buffer, uint32_t bytes, struct nvme_status *status) {
    cmd->buffer = buffer;
    if (!buffer) {
        *status = nvme_fail(cmd, NVME_SC_INTERNAL_ERROR, NVME_LOC_NONE, "no memory for %u bytes", bytes);
        return NULL;
    }
    cmd->out = buffer;
    cmd->out_bytes = bytes;
    return buffer;
}

void *nvme_cmd_buffer(struct nvme_cmd *cmd, uint32_t bytes, struct nvme_status *status) {
    return buffer_is(cmd, calloc(1, bytes ? bytes : 1), bytes, status);
}

/* The first touch of a page costs more than what a report writes to it: pages are kept, and first asked for at once. */
static void *scratch_new(uint32_t bytes) {
    size_t size = ((size_t)bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    void *at = aligned_alloc(PAGE_BYTES, size);
#ifdef MADV_POPULATE_WRITE
    if (at)
        madvise(at, size, MADV_POPULATE_WRITE); /* an older kernel doesn't know it */
#endif
    return at;
}

void *nvme_cmd_scratch(struct nvme_cmd *cmd, uint32_t bytes, struct nvme_status *status) {
    struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
    void *at = s->spare;
    if (bytes < SCRATCH_BYTES)
        return nvme_cmd_buffer(cmd, bytes, status);
    cmd->buffer_bytes = bytes;
    if (at && s->spare_bytes >= bytes) {
        cmd->buffer_bytes = s->spare_bytes;
    } else {
        free(at);
        at = scratch_new(bytes);
    }
    s->spare = NULL;
    return buffer_is(cmd, at, bytes, status);
}

void nvme_cmd_gather(const struct nvme_cmd *cmd, void *to, uint32_t bytes) {
    uint32_t done = 0;
    for (uint32_t i = 0; i < cmd->in_count && done < bytes; i++) {
        size_t len = cmd->in[i].iov_len;
        if (len > bytes - done)
            len = bytes - done;
        memcpy((char *)to + done, cmd->in[i].iov_base, len);
        done += (uint32_t)len;
    }
    memset((char *)to + done, 0, bytes - done);
}

void nvme_cmd_result(struct nvme_cmd *cmd, uint32_t dword0) {
    cmd->cqe.cdw0 = le32_from(dword0);
}

/* ---- Queues ---- */

void nvme_queue_init(struct nvme_queue *queue, struct nvme_target *target, const struct nvme_queue_ops *ops,
                     const char *peer, uint32_t max_in_capsule) {
    memset(queue, 0, sizeof *queue);
    queue->ops = ops;
    queue->target = target;
    queue->sq_flow_control = true;
    queue->entries = 32; /* until Connect says */
    queue->max_in_capsule = max_in_capsule;
    snprintf(queue->peer, sizeof queue->peer, "%s", peer);
}

void nvme_queue_gone(struct nvme_queue *queue) {
    if (queue->gone)
        return;
    struct nvme_ctrl *ctrl = queue->ctrl;
    queue->gone = queue->told_to_go = true;
    queue->outstanding++; /* not the last one yet, whoever asks in recycle() */
    if (ctrl)
        nvme_ctrl_forget(ctrl, queue);
    if (ctrl && ctrl->subsystem)
        drive_owner_gone(ctrl->subsystem->drive, queue->owner);
    for (struct nvme_cmd *cmd = queue->head, *next; cmd; cmd = next) {
        next = cmd->next;
        cmd_forget(queue, cmd);
    }
    if (ctrl && queue->qid == 0)
        nvme_ctrl_disconnect(ctrl, false, "the admin queue's connection ended");
    queue->outstanding--;
    if (queue->outstanding && ctrl) {
        nvme_ctrl_detach(ctrl, queue);
    } else if (ctrl) {
        queue->ctrl = NULL;
        nvme_ctrl_put(ctrl);
    }
}

/* What still waits for its data fails once that has come, though its host will not hear of it. */
void nvme_queue_power_cut(struct nvme_queue *queue) {
    for (struct nvme_cmd *cmd = queue->head, *next; cmd; cmd = next) {
        next = cmd->next;
        cmd->io_busy = false;
        if (cmd->state == NVME_CMD_RUNNING) {
            cmd_forget(queue, cmd);
        } else if (cmd->state == NVME_CMD_RELEASED) {
            cmd_recycle(cmd);
        } else if (cmd->state == NVME_CMD_STARTED && !cmd->latched) {
            cmd->status =
                nvme_fail(cmd, NVME_SC_POWER_LOSS, NVME_LOC_NONE, "the power was cut while its data was coming").v;
            cmd->latched = true;
        }
    }
}

/* ---- Self-check ---- */

static int check_queue(const struct nvme_queue *queue, struct err *e) {
    uint64_t listed = 0, held = 0, open = 0, bits = 0;
    for (const struct nvme_cmd *cmd = queue->head; cmd; cmd = cmd->next) {
        bool live = cmd->state == NVME_CMD_STARTED || cmd->state == NVME_CMD_RUNNING;
        if (cmd->state == NVME_CMD_IDLE)
            return err_set(e, EINVAL, "%s qid %u: an idle command is listed", queue->peer, queue->qid);
        if (cmd->cid_held && !live)
            return err_set(e, EINVAL, "%s qid %u: a finished command holds its identifier", queue->peer, queue->qid);
        if (queue->gone && cmd->state != NVME_CMD_RELEASED)
            return err_set(e, EINVAL, "%s qid %u: gone, with a command in state %u", queue->peer, queue->qid,
                           cmd->state);
        listed++;
        open += live;
        held += cmd->cid_held;
    }
    for (unsigned i = 0; i < sizeof queue->cids / sizeof *queue->cids; i++)
        bits += (uint64_t)__builtin_popcountll(queue->cids[i]);
    if (listed != queue->outstanding || held != bits || queue->started - queue->completed != open)
        return err_set(e, EINVAL,
                       "%s qid %u: %" PRIu64 " commands listed of %u outstanding, %" PRIu64 " of %" PRIu64
                       " identifiers held, %" PRIu64 " open of %" PRIu64 " started less %" PRIu64 " completed",
                       queue->peer, queue->qid, listed, queue->outstanding, held, bits, open, queue->started,
                       queue->completed);
    return 0;
}

int nvme_check(const struct nvme_target *target, struct err *e) {
    if (target->violations)
        return err_set(e, EINVAL, "%" PRIu64 " steps of commands out of order", target->violations);
    if (target->bare)
        return err_set(e, EINVAL, "%" PRIu64 " failures without a reason", target->bare);
    int rc = nvme_check_held(target, e);
    for (const struct nvme_ctrl *ctrl = target->ctrls; ctrl; ctrl = ctrl->next) {
        for (unsigned q = 0; q <= NVME_IO_QUEUES_MAX && !rc; q++)
            if (ctrl->queues[q])
                rc = check_queue(ctrl->queues[q], e);
        for (const struct nvme_queue *q = ctrl->detached; q && !rc; q = q->detached)
            rc = check_queue(q, e);
    }
    return rc;
}
