/*
 * Fabrics commands: Connect, Property Get and Set, Disconnect (Base 2.0,
 * section 6). Dynamic controller model: each Connect on an admin queue makes a
 * controller. No authentication.
 */
#include <stdarg.h>
#include <string.h>

#include "nvme/nvme_int.h"

#define DISCOVERY_KATO_MS 120000

static const struct nvme_fabrics_connect *connect_of(const struct nvme_cmd *cmd) {
    return (const struct nvme_fabrics_connect *)&cmd->sqe;
}

/* Invalid Parameters with the offset that is wrong: in the entry, or in the data. */
#define BAD_ENTRY(cmd, status, field, ...)                                                                             \
    connect_fail(cmd, status, offsetof(struct nvme_fabrics_connect, field), 0, __VA_ARGS__)
#define BAD_DATA(cmd, status, field, ...)                                                                              \
    connect_fail(cmd, status, offsetof(struct nvme_connect_data, field), NVME_CONNECT_IATTR_DATA, __VA_ARGS__)

static struct nvme_status connect_fail(struct nvme_cmd *cmd, uint16_t status, size_t offset, uint32_t where,
                                       const char *fmt, ...) __attribute__((format(printf, 5, 6)));
static struct nvme_status connect_fail(struct nvme_cmd *cmd, uint16_t status, size_t offset, uint32_t where,
                                       const char *fmt, ...) {
    char reason[NVME_REASON_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(reason, sizeof reason, fmt, args);
    va_end(args);
    nvme_cmd_result(cmd, (uint32_t)offset | where);
    return nvme_fail(cmd, status, where ? NVME_LOC_NONE : (uint16_t)offset, "%s", reason);
}

struct nvme_status nvme_connect_prepare(struct nvme_cmd *cmd) {
    const struct nvme_fabrics_connect *c = connect_of(cmd);
    if (le16_get(c->recfmt))
        return BAD_ENTRY(cmd, NVME_SC_CONNECT_INCOMPATIBLE_FORMAT, recfmt, "record format %u, 0 is supported",
                         le16_get(c->recfmt));
    if (cmd->queue->ctrl)
        return nvme_fail(cmd, NVME_SC_SEQUENCE_ERROR, 4, "the queue is connected already, as qid %u", cmd->queue->qid);
    cmd->xfer_bytes = sizeof(struct nvme_connect_data);
    return NVME_OK;
}

static bool nqn_ok(const char field[NVME_NQN_FIELD]) {
    size_t len = strnlen(field, NVME_NQN_FIELD);
    return len > 0 && len <= NVME_NQN_MAX;
}

static struct nvme_status check_common(struct nvme_cmd *cmd, const struct nvme_connect_data *data) {
    if (!nqn_ok(data->subnqn))
        return BAD_DATA(cmd, NVME_SC_CONNECT_INVALID_PARAMETERS, subnqn,
                        "the subsystem NQN is empty or longer than %u bytes", NVME_NQN_MAX);
    if (strnlen(data->hostnqn, NVME_NQN_FIELD) > NVME_NQN_MAX) /* empty: what spdk_nvme_perf sends unless told */
        return BAD_DATA(cmd, NVME_SC_CONNECT_INVALID_PARAMETERS, hostnqn, "the host NQN is longer than %u bytes",
                        NVME_NQN_MAX);
    return NVME_OK;
}

static struct nvme_status check_entries(struct nvme_cmd *cmd, uint32_t max) {
    uint32_t entries = le16_get(connect_of(cmd)->sqsize) + 1u;
    if (entries < 2 || entries > max)
        return BAD_ENTRY(cmd, NVME_SC_CONNECT_INVALID_PARAMETERS, sqsize, "a queue of %u entries, 2 to %u are possible",
                         entries, max);
    return NVME_OK;
}

static void attach(struct nvme_cmd *cmd, struct nvme_ctrl *ctrl) {
    const struct nvme_fabrics_connect *c = connect_of(cmd);
    nvme_ctrl_attach(ctrl, cmd->queue, le16_get(c->qid), (uint16_t)(le16_get(c->sqsize) + 1));
    cmd->queue->sq_flow_control = !(c->cattr & NVME_CATTR_NO_SQ_FLOW_CONTROL);
    nvme_cmd_result(cmd, ctrl->cntlid);
}

static struct nvme_status connect_subsystem(struct nvme_cmd *cmd, const struct nvme_connect_data *data,
                                            struct nvme_subsystem **found) {
    *found = NULL;
    if (strcmp(data->subnqn, NVME_DISCOVERY_NQN) == 0)
        return NVME_OK;
    *found = nvme_subsystem_find(cmd->queue->target, data->subnqn);
    if (!*found)
        return BAD_DATA(cmd, NVME_SC_CONNECT_INVALID_PARAMETERS, subnqn, "no subsystem is named %.100s", data->subnqn);
    if (!nvme_subsystem_allows(*found, data->hostnqn))
        return BAD_DATA(cmd, NVME_SC_CONNECT_INVALID_HOST, hostnqn, "host %.100s is not in nvme.allow_hosts",
                        data->hostnqn);
    return NVME_OK;
}

static struct nvme_status connect_admin(struct nvme_cmd *cmd, const struct nvme_connect_data *data) {
    struct nvme_target *target = cmd->queue->target;
    struct nvme_subsystem *subsystem;
    if (le16_get(data->cntlid) != NVME_CNTLID_ANY)
        return BAD_DATA(cmd, NVME_SC_CONNECT_INVALID_PARAMETERS, cntlid,
                        "controller %u asked for; FFFFh is needed, controllers are made on demand",
                        le16_get(data->cntlid));
    struct nvme_status st = connect_subsystem(cmd, data, &subsystem);
    if (st.v)
        return st;
    /* MQES does not speak of admin queues (ASQSZ does); 32 entries are what hosts take for granted. */
    uint32_t entries = subsystem ? subsystem->config.queue_entries : 0;
    st = check_entries(cmd, entries > NVME_ADMIN_ENTRIES_MIN ? entries : NVME_ADMIN_ENTRIES_MIN);
    if (st.v)
        return st;
    if (target->ctrl_count >= NVME_CTRLS_MAX)
        return nvme_fail(cmd, NVME_SC_CONNECT_BUSY, NVME_LOC_NONE, "all %u controllers are in use", NVME_CTRLS_MAX);
    struct nvme_ctrl *ctrl = nvme_ctrl_new(target, subsystem, data);
    if (!ctrl)
        return nvme_fail(cmd, NVME_SC_INTERNAL_ERROR, NVME_LOC_NONE, "no memory for a controller");
    ctrl->kato_ms = le32_get(connect_of(cmd)->kato);
    if (!subsystem && !ctrl->kato_ms)
        ctrl->kato_ms = DISCOVERY_KATO_MS;
    attach(cmd, ctrl);
    nvme_ctrl_keep_alive(ctrl);
    log_limited(&target->limit, LOG_NVME, LOG_LEVEL_INFO, "%s: host %s connects to %s as controller %u",
                cmd->queue->peer, ctrl->hostnqn, nvme_ctrl_nqn(ctrl), ctrl->cntlid);
    return NVME_OK;
}

static struct nvme_status check_io_ctrl(struct nvme_cmd *cmd, const struct nvme_connect_data *data,
                                        const struct nvme_ctrl *ctrl) {
    uint16_t cntlid = le16_get(data->cntlid);
    if (!ctrl || ctrl->dying)
        return BAD_DATA(cmd, NVME_SC_CONNECT_INVALID_PARAMETERS, cntlid, "controller %u does not exist", cntlid);
    if (strcmp(nvme_ctrl_nqn(ctrl), data->subnqn) != 0)
        return BAD_DATA(cmd, NVME_SC_CONNECT_INVALID_PARAMETERS, subnqn, "controller %u belongs to another subsystem",
                        cntlid);
    if (strcmp(ctrl->hostnqn, data->hostnqn) != 0)
        return BAD_DATA(cmd, NVME_SC_CONNECT_INVALID_PARAMETERS, hostnqn, "controller %u belongs to another host",
                        cntlid);
    if (memcmp(ctrl->hostid, data->hostid, sizeof ctrl->hostid) != 0)
        return BAD_DATA(cmd, NVME_SC_CONNECT_INVALID_PARAMETERS, hostid, "controller %u has another host identifier",
                        cntlid);
    return NVME_OK;
}

static struct nvme_status connect_io(struct nvme_cmd *cmd, const struct nvme_connect_data *data) {
    uint16_t qid = le16_get(connect_of(cmd)->qid);
    struct nvme_ctrl *ctrl = nvme_ctrl_find(cmd->queue->target, le16_get(data->cntlid));
    struct nvme_status st = check_io_ctrl(cmd, data, ctrl);
    if (st.v)
        return st;
    if (!(ctrl->csts & NVME_CSTS_RDY))
        return nvme_fail(cmd, NVME_SC_SEQUENCE_ERROR, NVME_LOC_NONE, "controller %u is not enabled", ctrl->cntlid);
    if (qid > ctrl->queues_allowed)
        return BAD_ENTRY(cmd, NVME_SC_CONNECT_INVALID_PARAMETERS, qid, "queue %u, the controller has %u I/O queues",
                         qid, ctrl->queues_allowed);
    if (ctrl->queues[qid])
        return nvme_fail(cmd, NVME_SC_SEQUENCE_ERROR, offsetof(struct nvme_fabrics_connect, qid),
                         "queue %u exists already", qid);
    st = check_entries(cmd, nvme_ctrl_max_entries(ctrl));
    if (!st.v)
        attach(cmd, ctrl);
    return st;
}

struct nvme_status nvme_connect(struct nvme_cmd *cmd) {
    struct nvme_connect_data data;
    nvme_cmd_gather(cmd, &data, sizeof data);
    if (cmd->queue->ctrl)
        return nvme_fail(cmd, NVME_SC_SEQUENCE_ERROR, 4, "the queue is connected already, as qid %u", cmd->queue->qid);
    struct nvme_status st = check_common(cmd, &data);
    if (st.v)
        return st;
    return le16_get(connect_of(cmd)->qid) ? connect_io(cmd, &data) : connect_admin(cmd, &data);
}

/* ---- Properties ---- */

#define PROP_LOC(field) ((uint16_t)offsetof(struct nvme_fabrics_property, field))

static bool property_read(const struct nvme_ctrl *ctrl, uint32_t offset, uint64_t *value, unsigned *bytes) {
    *bytes = 4;
    switch (offset) {
    case NVME_PROP_CAP:
        *value = nvme_ctrl_cap(ctrl);
        *bytes = 8;
        return true;
    case NVME_PROP_VS:
        *value = NVME_VERSION_2_0;
        return true;
    case NVME_PROP_CC:
        *value = ctrl->cc;
        return true;
    case NVME_PROP_CSTS:
        *value = ctrl->csts;
        return true;
    case NVME_PROP_NSSR: /* reads as 0 */
        *value = 0;
        return ctrl->subsystem != NULL;
    case NVME_PROP_CRTO:
        *value = NVME_CAP_TO(nvme_ctrl_cap(ctrl));
        return true;
    default:
        return false;
    }
}

static struct nvme_status property_admin_only(struct nvme_cmd *cmd) {
    if (cmd->queue->qid)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, 4, "properties belong to the admin queue");
    return NVME_OK;
}

struct nvme_status nvme_property_get(struct nvme_cmd *cmd) {
    const struct nvme_fabrics_property *p = (const struct nvme_fabrics_property *)&cmd->sqe;
    uint64_t value;
    unsigned bytes;
    struct nvme_status st = property_admin_only(cmd);
    if (st.v)
        return st;
    if (!property_read(nvme_cmd_ctrl(cmd), le32_get(p->ofst), &value, &bytes))
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, PROP_LOC(ofst), "no property at offset %xh", le32_get(p->ofst));
    if ((p->attrib & 7) != (bytes == 8))
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, PROP_LOC(attrib), "the property at %xh has %u bytes",
                         le32_get(p->ofst), bytes);
    cmd->cqe.result = le64_from(value);
    return NVME_OK;
}

struct nvme_status nvme_property_set(struct nvme_cmd *cmd) {
    const struct nvme_fabrics_property *p = (const struct nvme_fabrics_property *)&cmd->sqe;
    struct nvme_status st = property_admin_only(cmd);
    if (st.v)
        return st;
    if (le32_get(p->ofst) == NVME_PROP_NSSR && nvme_cmd_subsystem(cmd) && !(p->attrib & 7)) {
        if ((uint32_t)le64_get(p->value) == NVME_NSSR_MAGIC)
            nvme_subsystem_reset(nvme_cmd_subsystem(cmd));
        return NVME_OK;
    }
    if (le32_get(p->ofst) != NVME_PROP_CC)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, PROP_LOC(ofst), "the property at offset %xh cannot be set",
                         le32_get(p->ofst));
    if (p->attrib & 7)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, PROP_LOC(attrib), "CC has 4 bytes");
    nvme_ctrl_set_cc(nvme_cmd_ctrl(cmd), (uint32_t)le64_get(p->value));
    return NVME_OK;
}

/* Commands of a queue that the host gives up: what runs ends now, what waits for its data once that has come. */
static void cancel_others(struct nvme_cmd *self) {
    static const char why[] = "the host disconnected the queue";
    for (struct nvme_cmd *cmd = self->queue->head, *next; cmd; cmd = next) {
        next = cmd->next;
        if (cmd != self && cmd->state == NVME_CMD_STARTED && !cmd->latched) {
            cmd->status = nvme_fail(cmd, NVME_SC_SQ_DELETED, NVME_LOC_NONE, "%s", why).v;
            cmd->latched = true;
        } else if (cmd != self && cmd->state == NVME_CMD_RUNNING) {
            nvme_cmd_cancel(cmd, NVME_SC_SQ_DELETED, why);
            next = self->queue->head; /* the list may have changed */
        }
    }
}

/* The identifier is free at once; the host closes the connection when it has the answer, or whenever it likes. */
struct nvme_status nvme_disconnect(struct nvme_cmd *cmd) {
    const struct nvme_fabrics_disconnect *d = (const struct nvme_fabrics_disconnect *)&cmd->sqe;
    struct nvme_queue *queue = cmd->queue;
    if (le16_get(d->recfmt))
        return nvme_fail(cmd, NVME_SC_CONNECT_INCOMPATIBLE_FORMAT, offsetof(struct nvme_fabrics_disconnect, recfmt),
                         "record format %u, 0 is supported", le16_get(d->recfmt));
    if (!queue->qid)
        return nvme_fail(cmd, NVME_SC_INVALID_QUEUE_TYPE, 4, "Disconnect is for I/O queues");
    cancel_others(cmd);
    queue->disconnected = true;
    nvme_ctrl_detach(queue->ctrl, queue);
    return NVME_OK;
}
