/*
 * A controller: made by Connect on an admin queue, alive as long as that
 * queue's connection, its properties, its keep alive timer, its end.
 *
 * References: one per attached queue until the queue's last command is back,
 * one while a shutdown flushes the drive. The last one frees it.
 *
 * Faithful: CC.EN and CC.SHN, CSTS, keep alive with traffic based restart
 * (Base 2.0 section 3.9.3), two minutes of grace for a controller that is
 * disabled, or was never enabled (section 3.3.2). Simplified: a reset or shutdown disconnects the I/O queues
 * at once.
 */
#include <stdlib.h>
#include <string.h>

#include "block/block.h"
#include "nvme/nvme_int.h"

#define ASSOCIATION_NS (120 * 1000000000ll)
#define READY_TIMEOUT  30 /* CAP.TO and CRTO.CRWMT, 500 ms */

static void keep_alive_fire(struct sim_event *ev);
static void association_fire(struct sim_event *ev);
static void association_set(struct nvme_ctrl *ctrl);

/* ---- Birth and death ---- */

struct nvme_ctrl *nvme_ctrl_find(const struct nvme_target *target, uint16_t cntlid) {
    for (struct nvme_ctrl *ctrl = target->ctrls; ctrl; ctrl = ctrl->next)
        if (ctrl->cntlid == cntlid)
            return ctrl;
    return NULL;
}

static uint16_t cntlid_new(struct nvme_target *target) {
    while (!target->next_cntlid || target->next_cntlid >= 0xfff0 || nvme_ctrl_find(target, target->next_cntlid))
        target->next_cntlid = target->next_cntlid >= 0xffef ? 1 : (uint16_t)(target->next_cntlid + 1);
    return target->next_cntlid++;
}

struct nvme_ctrl *nvme_ctrl_new(struct nvme_target *target, struct nvme_subsystem *subsystem,
                                const struct nvme_connect_data *data) {
    struct nvme_ctrl *ctrl = calloc(1, sizeof *ctrl);
    struct nvme_error *errors = calloc(NVME_ERRORS, sizeof *errors);
    if (!ctrl || !errors) {
        free(ctrl);
        free(errors);
        return NULL;
    }
    ctrl->target = target;
    ctrl->subsystem = subsystem;
    ctrl->errors = errors;
    ctrl->cntlid = cntlid_new(target);
    memcpy(ctrl->hostid, data->hostid, sizeof ctrl->hostid);
    memcpy(ctrl->hostnqn, data->hostnqn, sizeof ctrl->hostnqn);
    ctrl->queues_allowed = subsystem ? subsystem->config.io_queues : 0;
    sim_event_init(&ctrl->keep_alive, keep_alive_fire);
    sim_event_init(&ctrl->association, association_fire);
    nvme_features_init(ctrl);
    ctrl->next = target->ctrls;
    target->ctrls = ctrl;
    target->ctrl_count++;
    association_set(ctrl);
    return ctrl;
}

void nvme_ctrl_free(struct nvme_ctrl *ctrl) {
    struct nvme_target *target = ctrl->target;
    sim_cancel(target->sim, &ctrl->keep_alive);
    sim_cancel(target->sim, &ctrl->association);
    for (struct nvme_ctrl **at = &target->ctrls; *at; at = &(*at)->next)
        if (*at == ctrl) {
            *at = ctrl->next;
            target->ctrl_count--;
            break;
        }
    nvme_zone_lists_free(ctrl);
    free(ctrl->errors);
    free(ctrl);
}

void nvme_ctrl_put(struct nvme_ctrl *ctrl) {
    if (--ctrl->refs == 0)
        nvme_ctrl_free(ctrl);
}

/*
 * To I/O schedulers a queue is a process, and those of one host are a cgroup:
 * hosts share the drive by weight, however many queues each has.
 */
static void introduce(const struct nvme_ctrl *ctrl, const struct nvme_queue *queue) {
    char name[NVME_NQN_FIELD + 32], group[NVME_NQN_FIELD];
    struct block *b = ctrl->subsystem ? block_of(ctrl->subsystem->drive) : NULL;
    struct err e = {0};
    if (!b)
        return;
    snprintf(name, sizeof name, "%s queue %u", ctrl->hostnqn, queue->qid);
    snprintf(group, sizeof group, "%s", ctrl->hostnqn);
    for (char *at = group; (at = strchr(at, '/'));)
        *at = '_';
    const struct block_context_settings who = {.name = name, .prioclass = -1, .prio = -1, .cgroup = group};
    if (block_context_describe(b, queue->owner, &who, &e))
        log_warn(LOG_NVME, "%s is served as of no cgroup: %s", name, e.text);
}

void nvme_introduce(const struct nvme_target *target) {
    for (const struct nvme_ctrl *ctrl = target->ctrls; ctrl; ctrl = ctrl->next)
        for (unsigned qid = 0; qid < sizeof ctrl->queues / sizeof *ctrl->queues; qid++)
            if (ctrl->queues[qid])
                introduce(ctrl, ctrl->queues[qid]);
}

void nvme_ctrl_attach(struct nvme_ctrl *ctrl, struct nvme_queue *queue, uint16_t qid, uint16_t entries) {
    ctrl->refs++;
    ctrl->queues[qid] = queue;
    ctrl->io_queues += qid != 0;
    queue->ctrl = ctrl;
    queue->qid = qid;
    queue->entries = entries;
    queue->sqhd = 0;
    queue->owner = (uint32_t)ctrl->cntlid << 16 | qid;
    introduce(ctrl, queue);
}

void nvme_ctrl_forget(struct nvme_ctrl *ctrl, struct nvme_queue *queue) {
    if (ctrl->queues[queue->qid] == queue) {
        ctrl->queues[queue->qid] = NULL;
        ctrl->io_queues -= queue->qid != 0;
    }
    for (struct nvme_queue **at = &ctrl->detached; *at; at = &(*at)->detached)
        if (*at == queue) {
            *at = queue->detached;
            break;
        }
}

void nvme_ctrl_detach(struct nvme_ctrl *ctrl, struct nvme_queue *queue) {
    nvme_ctrl_forget(ctrl, queue);
    queue->detached = ctrl->detached;
    ctrl->detached = queue;
}

static void queue_tell(struct nvme_queue *queue, const char *why) {
    queue->told_to_go = true;
    queue->ops->disconnect(queue, why);
}

/* Ending one may end others, so begin again after each. */
static void detached_tell(struct nvme_ctrl *ctrl, const char *why) {
    struct nvme_queue *queue;
    do {
        for (queue = ctrl->detached; queue && queue->told_to_go; queue = queue->detached) {
        }
        if (queue)
            queue_tell(queue, why);
    } while (queue);
}

/* A transport may end the queue from inside disconnect(), so hold on to the controller. */
void nvme_ctrl_disconnect(struct nvme_ctrl *ctrl, bool admin_too, const char *why) {
    ctrl->refs++;
    if (!ctrl->queues[0] || admin_too)
        ctrl->dying = true;
    for (unsigned q = NVME_IO_QUEUES_MAX + 1; q-- > 0;) {
        struct nvme_queue *queue = ctrl->queues[q];
        if (queue && !queue->told_to_go && (q > 0 || admin_too))
            queue_tell(queue, why);
    }
    detached_tell(ctrl, why);
    if (ctrl->dying) {
        sim_cancel(ctrl->target->sim, &ctrl->keep_alive);
        sim_cancel(ctrl->target->sim, &ctrl->association);
    }
    nvme_ctrl_put(ctrl);
}

/* ---- Keep alive ---- */

static void keep_alive_set(struct nvme_ctrl *ctrl, int64_t ms) {
    struct sim *sim = ctrl->target->sim;
    sim_cancel(sim, &ctrl->keep_alive);
    if (ctrl->kato_ms && !ctrl->dying)
        sim_schedule(sim, &ctrl->keep_alive, sim_clock(sim) + ms * 1000000);
}

void nvme_ctrl_keep_alive(struct nvme_ctrl *ctrl) {
    ctrl->traffic = ctrl->last_call = false;
    keep_alive_set(ctrl, ctrl->kato_ms);
}

/*
 * With traffic since the timer was set the host is alive: one more interval
 * (CTRATT.TBKAS). Without, one unit of KAS more: after a standstill of this
 * process the host's commands may be waiting to be read.
 */
static void keep_alive_fire(struct sim_event *ev) {
    struct nvme_ctrl *ctrl = NVME_CONTAINER(ev, struct nvme_ctrl, keep_alive);
    if (ctrl->traffic) {
        nvme_ctrl_keep_alive(ctrl);
        return;
    }
    if (!ctrl->last_call) {
        ctrl->last_call = true;
        keep_alive_set(ctrl, NVME_KAS_MS);
        return;
    }
    log_limited(&ctrl->target->limit, LOG_NVME, LOG_LEVEL_WARN,
                "controller %u: host %s was silent for %u ms: keep alive timer expired", ctrl->cntlid, ctrl->hostnqn,
                ctrl->kato_ms);
    ctrl->csts |= NVME_CSTS_CFS;
    if (ctrl->subsystem)
        nvme_subsystem_fault(ctrl->subsystem, "a controller is fatal (CSTS.CFS), as its host is silent");
    nvme_ctrl_disconnect(ctrl, true, "keep alive timer expired");
}

static void association_fire(struct sim_event *ev) {
    struct nvme_ctrl *ctrl = NVME_CONTAINER(ev, struct nvme_ctrl, association);
    nvme_ctrl_disconnect(ctrl, true, "not enabled for two minutes");
}

static void association_set(struct nvme_ctrl *ctrl) {
    sim_cancel(ctrl->target->sim, &ctrl->association);
    if (!ctrl->dying)
        sim_schedule(ctrl->target->sim, &ctrl->association, sim_now(ctrl->target->sim) + ASSOCIATION_NS);
}

/* ---- Properties ---- */

const char *nvme_ctrl_nqn(const struct nvme_ctrl *ctrl) {
    return ctrl->subsystem ? ctrl->subsystem->config.nqn : NVME_DISCOVERY_NQN;
}

uint32_t nvme_ctrl_max_entries(const struct nvme_ctrl *ctrl) {
    return ctrl->subsystem ? ctrl->subsystem->config.queue_entries : NVME_ADMIN_ENTRIES_MIN;
}

uint32_t nvme_ctrl_mdts(const struct nvme_ctrl *ctrl) {
    return ctrl->subsystem ? (uint32_t)ctrl->subsystem->config.mdts : NVME_DISCOVERY_MDTS;
}

uint64_t nvme_ctrl_cap(const struct nvme_ctrl *ctrl) {
    return (nvme_ctrl_max_entries(ctrl) - 1) | NVME_CAP_CQR | (uint64_t)READY_TIMEOUT << NVME_CAP_TO_SHIFT |
           NVME_CAP_CSS_NVM | NVME_CAP_CSS_IOCS | NVME_CAP_CRMS_RWMS | (ctrl->subsystem ? NVME_CAP_NSSRS : 0);
}

static bool cc_possible(uint32_t cc) {
    return (NVME_CC_CSS(cc) == 0 || NVME_CC_CSS(cc) == 6) && NVME_CC_MPS(cc) == 0 && NVME_CC_AMS(cc) == 0 &&
           NVME_CC_IOSQES(cc) == 6 && NVME_CC_IOCQES(cc) == 4;
}

/* A controller that is not shut down before the power goes makes that an unsafe shutdown. */
static void open_set(struct nvme_ctrl *ctrl, bool open) {
    if (ctrl->subsystem && ctrl->open != open)
        ctrl->subsystem->open_ctrls += open ? 1u : -1u;
    ctrl->open = open;
}

static void ctrl_enable(struct nvme_ctrl *ctrl) {
    sim_cancel(ctrl->target->sim, &ctrl->association);
    if (cc_possible(ctrl->cc)) {
        ctrl->csts = NVME_CSTS_RDY;
        open_set(ctrl, true);
        nvme_health_look(ctrl);
        return;
    }
    log_limited(&ctrl->limit, LOG_NVME, LOG_LEVEL_INFO,
                "controller %u: CC %08x cannot be: CSS 0 or 6, MPS 0, AMS 0, IOSQES 6, IOCQES 4 are supported",
                ctrl->cntlid, ctrl->cc);
    ctrl->csts = NVME_CSTS_CFS;
    if (ctrl->subsystem)
        nvme_subsystem_fault(ctrl->subsystem, "a controller is fatal (CSTS.CFS), as its CC cannot be");
}

static void admin_cancel(struct nvme_ctrl *ctrl, const char *why) {
    while (ctrl->aer_count)
        nvme_cmd_cancel(ctrl->aer[0], NVME_SC_SQ_DELETED, why);
}

static void ctrl_disable(struct nvme_ctrl *ctrl) {
    ctrl->csts &= ~(NVME_CSTS_RDY | NVME_CSTS_CFS | NVME_CSTS_SHST_MASK);
    ctrl->flush_again = false;
    nvme_ctrl_disconnect(ctrl, false, "controller reset");
    admin_cancel(ctrl, "the controller was reset");
    ctrl->events = ctrl->masked = 0;
    ctrl->zones_pending = ctrl->zones_masked = 0;
    ctrl->warnings = 0;
    nvme_features_init(ctrl);
    association_set(ctrl);
}

static void shutdown_done(struct io *io);

static void shutdown_flush(struct nvme_ctrl *ctrl) {
    ctrl->refs++;
    ctrl->flushing = true;
    ctrl->flush_again = false;
    io_init(&ctrl->shutdown);
    ctrl->shutdown.op = IO_FLUSH;
    ctrl->shutdown.done = shutdown_done;
    drive_submit(ctrl->subsystem->drive, &ctrl->shutdown);
}

/* The controller may have been reset meanwhile, and even shut down again: then this flush was too early. */
static void shutdown_done(struct io *io) {
    struct nvme_ctrl *ctrl = NVME_CONTAINER(io, struct nvme_ctrl, shutdown);
    if (io->status)
        log_error(LOG_NVME, "controller %u: flush at shutdown failed: %s", ctrl->cntlid,
                  io->reason ? io->reason : "no reason given");
    io_release(io);
    ctrl->flushing = false;
    if (ctrl->flush_again)
        shutdown_flush(ctrl);
    else if (NVME_CSTS_SHST(ctrl->csts) == 1) {
        ctrl->csts = (ctrl->csts & ~NVME_CSTS_SHST_MASK) | NVME_CSTS_SHST_DONE;
        open_set(ctrl, false);
        nvme_zones_shutdown(ctrl->subsystem);
    }
    nvme_ctrl_put(ctrl);
}

void nvme_ctrl_forget_flush(struct nvme_ctrl *ctrl) {
    if (!ctrl->flushing)
        return;
    io_release(&ctrl->shutdown);
    ctrl->flushing = ctrl->flush_again = false;
    nvme_ctrl_put(ctrl);
}

static void ctrl_shutdown(struct nvme_ctrl *ctrl) {
    if (ctrl->csts & NVME_CSTS_SHST_MASK)
        return; /* under way or done */
    nvme_ctrl_disconnect(ctrl, false, "controller shutdown");
    if (!ctrl->subsystem) {
        ctrl->csts |= NVME_CSTS_SHST_DONE;
        return;
    }
    ctrl->csts |= 1u << 2;
    nvme_subsystem_power_on(ctrl->subsystem);
    if (ctrl->flushing)
        ctrl->flush_again = true;
    else
        shutdown_flush(ctrl);
}

void nvme_ctrl_set_cc(struct nvme_ctrl *ctrl, uint32_t cc) {
    uint32_t old = ctrl->cc;
    ctrl->cc = cc;
    if (!(old & NVME_CC_EN) && (cc & NVME_CC_EN))
        ctrl_enable(ctrl);
    else if ((old & NVME_CC_EN) && !(cc & NVME_CC_EN))
        ctrl_disable(ctrl);
    if (NVME_CC_SHN(cc) && !NVME_CC_SHN(old))
        ctrl_shutdown(ctrl);
    if (!NVME_CC_SHN(cc) && (cc & NVME_CC_EN) && NVME_CSTS_SHST(ctrl->csts) == 2) {
        ctrl->csts &= ~NVME_CSTS_SHST_MASK;
        open_set(ctrl, true);
    }
}
