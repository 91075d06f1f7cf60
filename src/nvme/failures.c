/*
 * The last failures of all controllers, with their reasons. A controller's own
 * error information log ends with it; this stays when its host is gone.
 */
#include <string.h>

#include "nvme/nvme_int.h"

void nvme_failure_record(const struct nvme_cmd *cmd, uint16_t status, const char *reason) {
    struct nvme_target *target = cmd->queue->target;
    const struct nvme_ctrl *ctrl = cmd->queue->ctrl;
    bool fabrics = cmd->sqe.opc == NVME_OPC_FABRICS;
    struct nvme_failure *f = &target->failures[target->failure_count++ % NVME_FAILURES];
    *f = (struct nvme_failure){
        .number = target->failure_count,
        .at_ns = sim_now(target->sim),
        .cntlid = ctrl ? ctrl->cntlid : 0,
        .qid = cmd->queue->qid,
        .cid = le16_get(cmd->sqe.cid),
        .status = status,
        .location = cmd->error_location,
        .opcode = nvme_cmd_opcode(cmd),
        .kind = (uint8_t)nvme_cmd_kind(cmd),
        .nsid = fabrics ? 0 : le32_get(cmd->sqe.nsid),
        .slba = cmd->slba,
        .has_slba = cmd->ns && cmd->nlb,
    };
    snprintf(f->peer, sizeof f->peer, "%s", cmd->queue->peer);
    if (ctrl)
        snprintf(f->host, sizeof f->host, "%s", ctrl->hostnqn);
    snprintf(f->reason, sizeof f->reason, "%s", reason);
}

uint64_t nvme_failures(const struct nvme_target *target) {
    return target->failure_count;
}

const struct nvme_failure *nvme_failure(const struct nvme_target *target, uint64_t number) {
    if (!number || number > target->failure_count || target->failure_count - number >= NVME_FAILURES)
        return NULL;
    return &target->failures[(number - 1) % NVME_FAILURES];
}
