/* Abort and Keep Alive. */
#include "nvme/nvme_int.h"

static struct nvme_cmd *abort_find(struct nvme_queue *queue, uint16_t cid, const struct nvme_cmd *self) {
    for (struct nvme_cmd *cmd = queue->head; cmd; cmd = cmd->next)
        if (cmd != self && cmd->cid_held && le16_get(cmd->sqe.cid) == cid)
            return cmd;
    return NULL;
}

/*
 * Result bit 0 set: not aborted. A command that waits for its data is not
 * executed yet and cannot be taken from the transport; a format runs to its end.
 */
struct nvme_status nvme_abort(struct nvme_cmd *cmd) {
    struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    uint32_t cdw10 = nvme_cdw(cmd, 10);
    uint16_t sqid = (uint16_t)cdw10, cid = (uint16_t)(cdw10 >> 16);
    nvme_cmd_result(cmd, 1);
    if (sqid > NVME_IO_QUEUES_MAX || !ctrl->queues[sqid])
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw10), "queue %u does not exist", sqid);
    struct nvme_cmd *victim = abort_find(ctrl->queues[sqid], cid, cmd);
    if (!victim || victim->state != NVME_CMD_RUNNING || (victim->row->flags & NVME_OP_NO_ABORT))
        return NVME_OK;
    nvme_cmd_result(cmd, 0);
    nvme_cmd_cancel(victim, NVME_SC_ABORT_REQUESTED, "an Abort command named it");
    return NVME_OK;
}

struct nvme_status nvme_keep_alive(struct nvme_cmd *cmd) {
    nvme_ctrl_keep_alive(nvme_cmd_ctrl(cmd));
    return NVME_OK;
}
