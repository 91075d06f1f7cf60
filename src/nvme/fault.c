/*
 * Faults from outside: completions that never reach the host, and a pause.
 *
 * A lost completion: the controller has done the command and believes it has
 * said so; the entry is swallowed on its way. The command stays with the
 * transport until the connection goes, as it would for a host whose completion
 * was lost. Abort can't help: for the controller there is nothing left to abort.
 *
 * A pause: I/O commands are taken from the hosts but not begun, and what ends
 * in the drive is not reported. Admin and fabrics commands go on, so hosts stay
 * connected: keep alive and reconnects work. Resuming goes on in the order in
 * which commands came and ended, over all queues.
 *
 * Commands held stand in one list; they are STARTED (not begun) or DONE (not
 * reported). Commands leave it by nvme_resume() or with their connection.
 */
#include <errno.h>
#include <string.h>

#include "nvme/nvme_int.h"

/* ---- Lost completions ---- */

static void fault_remove(struct nvme_target *target, unsigned i) {
    target->fault_count--;
    memmove(&target->faults[i], &target->faults[i + 1], (target->fault_count - i) * sizeof target->faults[0]);
}

static bool meant(const struct nvme_fault *f, const struct nvme_cmd *cmd) {
    const struct nvme_queue *queue = cmd->queue;
    bool fabrics = cmd->sqe.opc == NVME_OPC_FABRICS;
    return (f->opcode == NVME_FAULT_ANY ? !fabrics : f->opcode == cmd->sqe.opc) &&
           (f->qid == NVME_FAULT_ANY ? queue->qid != 0 : f->qid == queue->qid) &&
           (f->cntlid == NVME_FAULT_ANY || (queue->ctrl && f->cntlid == queue->ctrl->cntlid));
}

static bool lost(struct nvme_cmd *cmd) {
    struct nvme_target *target = cmd->queue->target;
    for (unsigned i = 0; i < target->fault_count; i++) {
        struct nvme_fault *f = &target->faults[i];
        if (!meant(f, cmd) || --f->nth)
            continue;
        log_warn(LOG_NVME,
                 "%s qid %u cid %u: the completion of %s (opcode %02xh, status %x) is lost, as fault %u wants",
                 cmd->queue->peer, cmd->queue->qid, le16_get(cmd->sqe.cid),
                 cmd->row && cmd->row->name ? cmd->row->name : "a command", cmd->sqe.opc, cmd->status & 0x7ff, f->id);
        target->lost_completions++;
        fault_remove(target, i);
        return true;
    }
    return false;
}

int nvme_lose_completion(struct nvme_target *target, const struct nvme_fault *fault, struct err *e) {
    if (!fault->nth)
        return err_set(e, EINVAL, "the completions to come are counted from 1");
    if (target->fault_count == NVME_FAULTS)
        return err_set(e, ENOSPC, "%u completions are to be lost already", NVME_FAULTS);
    target->faults[target->fault_count++] = *fault;
    nvme_faults_arm(target);
    return 0;
}

unsigned nvme_faults(const struct nvme_target *target, struct nvme_fault *faults) {
    memcpy(faults, target->faults, target->fault_count * sizeof *faults);
    return target->fault_count;
}

bool nvme_fault_clear(struct nvme_target *target, uint32_t id) {
    for (unsigned i = 0; i < target->fault_count; i++)
        if (target->faults[i].id == id) {
            fault_remove(target, i);
            nvme_faults_arm(target);
            return true;
        }
    return false;
}

/* ---- Pause ---- */

static void hold(struct nvme_cmd *cmd) {
    struct nvme_target *target = cmd->queue->target;
    cmd->held = true;
    cmd->held_next = NULL;
    cmd->held_prev = target->held_tail;
    if (target->held_tail)
        target->held_tail->held_next = cmd;
    else
        target->held_head = cmd;
    target->held_tail = cmd;
    target->held_count++;
}

void nvme_unhold(struct nvme_cmd *cmd) {
    struct nvme_target *target = cmd->queue->target;
    if (cmd->held_prev)
        cmd->held_prev->held_next = cmd->held_next;
    else
        target->held_head = cmd->held_next;
    if (cmd->held_next)
        cmd->held_next->held_prev = cmd->held_prev;
    else
        target->held_tail = cmd->held_prev;
    target->held_count--;
    cmd->held = false;
}

static bool waits(const struct nvme_cmd *cmd) {
    return cmd->queue->target->paused && cmd->queue->qid && cmd->sqe.opc != NVME_OPC_FABRICS;
}

bool nvme_hold_start(struct nvme_cmd *cmd) {
    if (!waits(cmd) || cmd->state != NVME_CMD_STARTED)
        return false;
    hold(cmd);
    return true;
}

bool nvme_hold_completion(struct nvme_cmd *cmd) {
    if (lost(cmd)) {
        nvme_faults_arm(cmd->queue->target);
        return true;
    }
    if (!waits(cmd))
        return false;
    hold(cmd);
    return true;
}

void nvme_faults_arm(struct nvme_target *target) {
    target->armed = target->paused || target->fault_count;
}

void nvme_pause(struct nvme_target *target) {
    target->paused = true;
    nvme_faults_arm(target);
}

/* The modelled end of what ended meanwhile is now: it is the pause that made it late. */
void nvme_resume(struct nvme_target *target) {
    struct nvme_cmd *cmd;
    target->paused = false;
    nvme_faults_arm(target);
    while (!target->paused && (cmd = target->held_head) != NULL) {
        nvme_unhold(cmd);
        if (cmd->state == NVME_CMD_STARTED) {
            nvme_cmd_execute(cmd);
        } else {
            cmd->due_ns = sim_now(target->sim);
            cmd->queue->ops->complete(cmd);
        }
    }
}

bool nvme_paused(const struct nvme_target *target) {
    return target->paused;
}

uint64_t nvme_held(const struct nvme_target *target) {
    return target->held_count;
}

uint64_t nvme_lost_completions(const struct nvme_target *target) {
    return target->lost_completions;
}

int nvme_check_held(const struct nvme_target *target, struct err *e) {
    uint64_t count = 0;
    for (const struct nvme_cmd *cmd = target->held_head; cmd; cmd = cmd->held_next, count++)
        if (!cmd->held || (cmd->state != NVME_CMD_STARTED && cmd->state != NVME_CMD_DONE))
            return err_set(e, EINVAL, "%s qid %u: a command in state %u is held", cmd->queue->peer, cmd->queue->qid,
                           cmd->state);
    if (count != target->held_count || (count && !target->paused))
        return err_set(e, EINVAL, "%llu commands held of %llu counted, %s", (unsigned long long)count,
                       (unsigned long long)target->held_count, target->paused ? "paused" : "running");
    return 0;
}
