/*
 * Finding out what is at the other end: connect, enable, identify, open queues
 * (Base 2.0, section 3.5.2 "Message-based controller initialization").
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "host/host_int.h"
#include "nvme/spec.h"

#define ADMIN_ENTRIES    32
#define ADMIN_IN_CAPSULE 8192 /* NVMe/TCP: admin capsules carry up to this without asking */
#define CALL_TIMEOUT_NS  10000000000LL
#define READY_TRIES      200

static struct host_queue *open_link(const struct host_queue_config *config, struct sim *sim, struct err *e) {
    return config->host->inproc ? host_inproc_open(config, sim, e) : host_tcp_open(config, sim, e);
}

const char *host_cmd_status_name(const struct host_cmd *cmd) {
    const struct nvme_status_row *row =
        nvme_status_find(host_cmd_status(cmd) & 0x7ff, cmd->sqe.opc == NVME_OPC_FABRICS);
    return row ? row->name : "unknown status";
}

int host_queue_submit(struct host_queue *queue, struct host_cmd *cmd) {
    return queue->ops->submit(queue, cmd);
}

uint16_t host_queue_depth(const struct host_queue *queue) {
    return (uint16_t)(queue->entries - 1);
}

void host_queue_abort(struct host_queue *queue, int error) {
    queue->ops->fail(queue, error);
}

void host_queue_close(struct host_queue *queue) {
    if (queue)
        queue->ops->close(queue);
}

/* ---- one command, waited for ---- */

/* The caller's command is copied, so that a late completion never touches a stack that is gone. */
struct call {
    struct host_cmd cmd;
    struct sim *sim;
    struct sim_event timeout;
    bool finished, abandoned;
};

static void call_done(struct host_cmd *cmd) {
    struct call *call = (struct call *)cmd;
    if (call->abandoned) {
        free(call);
        return;
    }
    call->finished = true;
    sim_stop(call->sim);
}

static void call_timeout(struct sim_event *ev) {
    struct call *call = (struct call *)((char *)ev - offsetof(struct call, timeout));
    sim_stop(call->sim);
}

static int call_result(const struct host_cmd *cmd, const char *what, struct err *e) {
    if (cmd->error)
        return err_set(e, -cmd->error, "%s: connection lost: %s", what, strerror(-cmd->error));
    if (host_cmd_status(cmd))
        return err_set(e, EIO, "%s: %s (status 0x%03x, result 0x%08x)", what, host_cmd_status_name(cmd),
                       host_cmd_status(cmd), le32_get(cmd->cqe.cdw0));
    return 0;
}

int host_call(struct sim *sim, struct host_queue *queue, struct host_cmd *cmd, const char *what, struct err *e) {
    struct call *call = calloc(1, sizeof(*call));
    if (!call)
        return err_set(e, ENOMEM, "%s: no memory", what);
    call->cmd = *cmd;
    call->cmd.done = call_done;
    call->sim = sim;
    sim_event_init(&call->timeout, call_timeout);
    int ret = host_queue_submit(queue, &call->cmd);
    if (ret) {
        free(call);
        return err_set(e, -ret, "%s: %s", what, strerror(-ret));
    }
    sim_schedule(sim, &call->timeout, sim_clock(sim) + CALL_TIMEOUT_NS);
    while (!call->finished && sim_event_pending(&call->timeout))
        sim_run(sim, SIM_NEVER);
    sim_cancel(sim, &call->timeout);
    if (!call->finished) {
        call->abandoned = true;
        queue->ops->fail(queue, -ETIMEDOUT);
        return err_set(e, ETIMEDOUT, "%s: no answer within %lld s", what, CALL_TIMEOUT_NS / 1000000000);
    }
    *cmd = call->cmd;
    free(call);
    return call_result(cmd, what, e);
}

/* ---- fabrics commands ---- */

static int connect_queue(struct host_ctrl *ctrl, struct host_queue *queue, uint16_t qid, struct err *e) {
    static const uint8_t hostid[16] = {0x64, 0x72, 0x69, 0x76, 0x65, 0x6c, 0x61, 0x62, 0x80, 0, 0, 0, 0, 0, 0, 1};
    struct nvme_connect_data *data = calloc(1, sizeof(*data));
    struct host_cmd cmd = {.data = data, .bytes = sizeof(*data), .xfer = NVME_XFER_TO_CTRL};
    struct nvme_fabrics_connect *sqe = (struct nvme_fabrics_connect *)&cmd.sqe;
    if (!data)
        return err_set(e, ENOMEM, "no memory");
    sqe->opc = NVME_OPC_FABRICS;
    sqe->fctype = NVME_FCTYPE_CONNECT;
    sqe->qid = le16_from(qid);
    sqe->sqsize = le16_from((uint16_t)(queue->entries - 1));
    sqe->cattr = NVME_CATTR_NO_SQ_FLOW_CONTROL;
    sqe->kato = le32_from(qid ? 0 : ctrl->config.kato_ms);
    memcpy(data->hostid, hostid, sizeof(hostid));
    data->cntlid = le16_from(qid ? ctrl->cntlid : NVME_CNTLID_ANY);
    snprintf(data->subnqn, sizeof(data->subnqn), "%s", ctrl->config.subnqn);
    snprintf(data->hostnqn, sizeof(data->hostnqn), "%s", ctrl->config.hostnqn);
    int ret = host_call(ctrl->sim, queue, &cmd, "Connect", e);
    if (!ret && !qid)
        ctrl->cntlid = (uint16_t)le32_get(cmd.cqe.cdw0);
    free(data);
    return ret;
}

static int property_get(struct host_ctrl *ctrl, uint32_t offset, bool wide, uint64_t *value, struct err *e) {
    struct host_cmd cmd = {.xfer = NVME_XFER_NONE};
    struct nvme_fabrics_property *sqe = (struct nvme_fabrics_property *)&cmd.sqe;
    sqe->opc = NVME_OPC_FABRICS;
    sqe->fctype = NVME_FCTYPE_PROPERTY_GET;
    sqe->attrib = wide;
    sqe->ofst = le32_from(offset);
    int ret = host_call(ctrl->sim, ctrl->admin, &cmd, "Property Get", e);
    *value = wide ? le64_get(cmd.cqe.result) : le32_get(cmd.cqe.cdw0);
    return ret;
}

static int property_set(struct host_ctrl *ctrl, uint32_t offset, uint32_t value, struct err *e) {
    struct host_cmd cmd = {.xfer = NVME_XFER_NONE};
    struct nvme_fabrics_property *sqe = (struct nvme_fabrics_property *)&cmd.sqe;
    sqe->opc = NVME_OPC_FABRICS;
    sqe->fctype = NVME_FCTYPE_PROPERTY_SET;
    sqe->ofst = le32_from(offset);
    sqe->value = le64_from(value);
    return host_call(ctrl->sim, ctrl->admin, &cmd, "Property Set", e);
}

static int identify(struct host_ctrl *ctrl, uint8_t cns, uint32_t nsid, void *data, struct err *e) {
    struct host_cmd cmd = {.data = data, .bytes = NVME_IDENTIFY_BYTES, .xfer = NVME_XFER_TO_HOST};
    cmd.sqe.opc = NVME_ADMIN_IDENTIFY;
    cmd.sqe.nsid = le32_from(nsid);
    cmd.sqe.cdw10 = le32_from(cns);
    return host_call(ctrl->sim, ctrl->admin, &cmd, "Identify", e);
}

/* ---- keep alive ---- */

static void keep_alive_done(struct host_cmd *cmd) {
    struct host_ctrl *ctrl = (struct host_ctrl *)((char *)cmd - offsetof(struct host_ctrl, keep_alive_cmd));
    ctrl->keep_alive_busy = false;
}

static void keep_alive_fire(struct sim_event *ev) {
    struct host_ctrl *ctrl = (struct host_ctrl *)((char *)ev - offsetof(struct host_ctrl, keep_alive));
    if (!ctrl->keep_alive_busy) {
        ctrl->keep_alive_cmd = (struct host_cmd){.sqe.opc = NVME_ADMIN_KEEP_ALIVE, .done = keep_alive_done};
        ctrl->keep_alive_busy = host_queue_submit(ctrl->admin, &ctrl->keep_alive_cmd) == 0;
    }
    sim_schedule(ctrl->sim, ev, sim_now(ctrl->sim) + (int64_t)ctrl->config.kato_ms * 500000);
}

/* ---- bringing a controller up and down ---- */

static int enable(struct host_ctrl *ctrl, struct err *e) {
    uint64_t cap, csts = 0;
    int ret = property_get(ctrl, NVME_PROP_CAP, true, &cap, e);
    if (ret)
        return ret;
    if (NVME_CAP_MQES(cap) + 1u < ctrl->config.entries)
        ctrl->config.entries = (uint16_t)(NVME_CAP_MQES(cap) + 1u);
    ctrl->cc = NVME_CC_EN | 6u << 16 | 4u << 20;
    if (cap & NVME_CAP_CSS_IOCS) /* zoned namespaces can't be read otherwise */
        ctrl->cc |= NVME_CC_CSS_ALL << 4;
    ret = property_set(ctrl, NVME_PROP_CC, ctrl->cc, e);
    for (int i = 0; !ret && i < READY_TRIES; i++) {
        ret = property_get(ctrl, NVME_PROP_CSTS, false, &csts, e);
        if (ret || csts & NVME_CSTS_RDY)
            return ret;
    }
    return ret ? ret : err_set(e, ETIMEDOUT, "the controller does not become ready (CSTS 0x%x)", (unsigned)csts);
}

static int learn(struct host_ctrl *ctrl, struct err *e) {
    int ret = identify(ctrl, NVME_CNS_CTRL, 0, &ctrl->id, e);
    if (ret)
        return ret;
    uint64_t ioccsz = (uint64_t)le32_get(ctrl->id.ioccsz) * 16;
    ctrl->in_capsule =
        ioccsz > sizeof(struct nvme_sqe) && ioccsz < UINT32_MAX ? (uint32_t)(ioccsz - sizeof(struct nvme_sqe)) : 0;
    ctrl->mdts = ctrl->id.mdts && ctrl->id.mdts < 20 ? 4096u << ctrl->id.mdts : UINT32_MAX;
    return 0;
}

int host_ctrl_connect(struct host_ctrl *ctrl, const struct host_config *config, struct sim *sim, struct err *e) {
    struct host_queue_config admin = {.host = config, .entries = ADMIN_ENTRIES, .in_capsule = ADMIN_IN_CAPSULE};
    *ctrl = (struct host_ctrl){.sim = sim, .config = *config};
    sim_event_init(&ctrl->keep_alive, keep_alive_fire);
    ctrl->admin = open_link(&admin, sim, e);
    if (!ctrl->admin)
        return e->code ? e->code : -EIO;
    int ret = connect_queue(ctrl, ctrl->admin, 0, e);
    if (!ret)
        ret = enable(ctrl, e);
    if (!ret)
        ret = learn(ctrl, e);
    if (ret) {
        host_queue_close(ctrl->admin);
        ctrl->admin = NULL;
        return ret;
    }
    if (config->kato_ms)
        sim_schedule(sim, &ctrl->keep_alive, sim_clock(sim) + (int64_t)config->kato_ms * 500000);
    return 0;
}

void host_ctrl_disconnect(struct host_ctrl *ctrl) {
    struct err ignored = {0};
    if (!ctrl->admin)
        return;
    sim_cancel(ctrl->sim, &ctrl->keep_alive);
    property_set(ctrl, NVME_PROP_CC, ctrl->cc | 1u << 14, &ignored);
    host_queue_close(ctrl->admin);
    ctrl->admin = NULL;
}

struct host_queue *host_ctrl_open_queue(struct host_ctrl *ctrl, uint16_t qid, struct err *e) {
    struct host_queue_config config = {&ctrl->config, qid, ctrl->config.entries, ctrl->in_capsule};
    struct host_queue *queue = open_link(&config, ctrl->sim, e);
    if (queue && connect_queue(ctrl, queue, qid, e)) {
        host_queue_close(queue);
        return NULL;
    }
    return queue;
}

int host_ctrl_set_queues(struct host_ctrl *ctrl, unsigned wanted, struct err *e) {
    struct host_cmd cmd = {.sqe.opc = NVME_ADMIN_SET_FEATURES};
    cmd.sqe.cdw10 = le32_from(0x07);
    cmd.sqe.cdw11 = le32_from((wanted - 1) << 16 | (wanted - 1));
    int ret = host_call(ctrl->sim, ctrl->admin, &cmd, "Set Features (Number of Queues)", e);
    return ret ? ret : (int)(le32_get(cmd.cqe.cdw0) & 0xffff) + 1;
}

int host_ctrl_namespace(struct host_ctrl *ctrl, uint32_t nsid, uint64_t *blocks, uint32_t *block_bytes, struct err *e) {
    struct nvme_id_ns *id = calloc(1, sizeof(*id));
    if (!id)
        return err_set(e, ENOMEM, "no memory");
    int ret = identify(ctrl, NVME_CNS_NS, nsid, id, e);
    if (ret)
        err_prefix(e, "namespace %u", nsid);
    unsigned lbads = ret ? 0 : id->lbaf[id->flbas & 0xf].lbads;
    *blocks = ret ? 0 : le64_get(id->nsze);
    if (!ret && (!*blocks || lbads < 9 || lbads > 16))
        ret = err_set(e, ENODEV, "namespace %u does not exist or has an unusable format", nsid);
    *block_bytes = ret ? 0 : 1u << lbads;
    free(id);
    return ret;
}

void host_cmd_rw(struct host_cmd *cmd, uint8_t opcode, uint32_t nsid, uint64_t slba, uint32_t nlb, void *data,
                 uint32_t bytes) {
    memset(&cmd->sqe, 0, sizeof(cmd->sqe));
    cmd->sqe.opc = opcode;
    cmd->sqe.nsid = le32_from(nsid);
    cmd->sqe.cdw10 = le32_from((uint32_t)slba);
    cmd->sqe.cdw11 = le32_from((uint32_t)(slba >> 32));
    cmd->sqe.cdw12 = le32_from(nlb - 1);
    cmd->data = data;
    cmd->bytes = bytes;
    cmd->xfer = opcode == NVME_IO_WRITE ? NVME_XFER_TO_CTRL : NVME_XFER_TO_HOST;
}
