/*
 * The discovery log: each subsystem the host may use, on each port of the
 * target. The generation counter moves whenever ports or subsystems change.
 */
#include "nvme/nvme_int.h"

static bool listed(const struct nvme_ctrl *ctrl, const struct nvme_subsystem *s) {
    return nvme_subsystem_allows(s, ctrl->hostnqn);
}

static uint64_t entries(const struct nvme_ctrl *ctrl) {
    uint64_t subsystems = 0;
    for (const struct nvme_subsystem *s = ctrl->target->subsystems; s; s = s->next)
        subsystems += listed(ctrl, s);
    return subsystems * ctrl->target->port_count;
}

uint64_t nvme_discovery_size(const struct nvme_ctrl *ctrl) {
    return sizeof(struct nvme_discovery_log) + entries(ctrl) * sizeof(struct nvme_discovery_entry);
}

/* ASCII fields are padded with spaces, NQNs with zeros. */
static void pad(char *field, size_t size, const char *text) {
    size_t len = strlen(text);
    if (len > size)
        len = size;
    memset(field, ' ', size);
    memcpy(field, text, len);
}

/* A port on all addresses has none to tell but the one that this host came by. */
static bool any_address(const struct nvme_port *port) {
    return strcmp(port->traddr, "0.0.0.0") == 0 || strcmp(port->traddr, "::") == 0;
}

static void entry_fill(struct nvme_discovery_entry *entry, const struct nvme_subsystem *s, const struct nvme_port *port,
                       uint16_t portid, const struct nvme_queue *queue) {
    bool here = any_address(port) && queue->local[0];
    entry->trtype = port->trtype;
    entry->adrfam = here ? queue->local_adrfam : port->adrfam;
    entry->subtype = NVME_SUBTYPE_NVM;
    entry->treq = NVME_TREQ_NOT_REQUIRED | NVME_TREQ_SQ_FLOW_DISABLE;
    entry->portid = le16_from(portid);
    entry->cntlid = le16_from(NVME_CNTLID_ANY);
    entry->asqsz = le16_from(NVME_ADMIN_ENTRIES_MIN);
    pad(entry->trsvcid, sizeof entry->trsvcid, port->trsvcid);
    pad(entry->traddr, sizeof entry->traddr, here ? queue->local : port->traddr);
    snprintf(entry->subnqn, sizeof entry->subnqn, "%s", s->config.nqn);
}

struct nvme_status nvme_discovery_fill(struct nvme_cmd *cmd, void *page) {
    const struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    const struct nvme_target *target = ctrl->target;
    struct nvme_discovery_log *log = page;
    struct nvme_discovery_entry *entry = (struct nvme_discovery_entry *)(log + 1);
    log->genctr = le64_from(target->genctr);
    log->numrec = le64_from(entries(ctrl));
    for (const struct nvme_subsystem *s = target->subsystems; s; s = s->next)
        for (uint32_t p = 0; p < target->port_count && listed(ctrl, s); p++)
            entry_fill(entry++, s, &target->ports[p], (uint16_t)p, cmd->queue);
    return NVME_OK;
}

void nvme_discovery_changed(struct nvme_target *target) {
    target->genctr++;
    for (struct nvme_ctrl *ctrl = target->ctrls, *next; ctrl; ctrl = next) {
        next = ctrl->next;
        if (!ctrl->subsystem)
            nvme_event_raise(ctrl, NVME_EVENT_DISCOVERY);
    }
}
