/*
 * Loss of power under a served subsystem: the drive forgets what it was asked,
 * every controller is gone with its connections, and the subsystem comes up
 * again at once as a process that had been killed would bring it up.
 *
 * Faithful: SMART counts an unsafe shutdown if a controller was enabled and not
 * shut down since (Base 2.0, section 5.16.1.3); features fall back to what was
 * saved; a format that was under way is done again to its end.
 * Simplified: the power is back in the same instant.
 *
 * And NVM Subsystem Reset (section 3.7.1): controllers and connections are gone,
 * the drive finishes what it has and loses nothing.
 */
#include "nvme/nvme_int.h"

#define RESET_DELAY_NS 1000000

static void ctrl_power_cut(struct nvme_ctrl *ctrl) {
    ctrl->refs++;
    ctrl->off = ctrl->dying = true;
    ctrl->csts = NVME_CSTS_CFS;
    nvme_ctrl_disconnect(ctrl, true, "the power was cut"); /* first, so that freed memory brings no further requests */
    for (unsigned q = 0; q <= NVME_IO_QUEUES_MAX; q++)
        if (ctrl->queues[q])
            nvme_queue_power_cut(ctrl->queues[q]);
    for (struct nvme_queue *queue = ctrl->detached, *next; queue; queue = next) {
        next = queue->detached;
        nvme_queue_power_cut(queue);
    }
    nvme_ctrl_forget_flush(ctrl);
    nvme_ctrl_put(ctrl);
}

/* Ending one may end others, so begin again after each. */
static void ctrls_power_cut(struct nvme_subsystem *s) {
    struct nvme_ctrl *ctrl;
    do {
        for (ctrl = s->target->ctrls; ctrl && (ctrl->subsystem != s || ctrl->off); ctrl = ctrl->next) {
        }
        if (ctrl)
            ctrl_power_cut(ctrl);
    } while (ctrl);
}

static void ns_power_cut(struct nvme_ns *ns) {
    io_release(&ns->format.io);
    ns->format.cmd = NULL;
    ns->inflight = 0;
    ns->busy = false;
}

static void count(struct nvme_subsystem *s) {
    struct nvme_durable *d = s->durable;
    nvme_subsystem_power_on(s);
    if (s->inflight)
        d->busy_ns += (uint64_t)(sim_now(s->target->sim) - s->busy_since_ns);
    d->power_cycles++;
    d->unsafe_shutdowns += s->open_ctrls > 0;
    s->inflight = s->open_ctrls = 0;
}

void nvme_subsystem_power_cut(struct nvme_subsystem *s) {
    log_warn(LOG_NVME, "%s: the power is cut", s->config.nqn);
    sim_cancel(s->target->sim, &s->reset);
    drive_power_cut(s->drive); /* from here on nothing comes back from it */
    count(s);
    for (uint32_t i = 0; i < s->ns_count; i++)
        ns_power_cut(&s->ns[i]);
    ctrls_power_cut(s);
    for (uint32_t i = 0; i < s->ns_count; i++) {
        nvme_ns_power_on(&s->ns[i]);
        nvme_format_resume(&s->ns[i]);
    }
}

/* ---- NVM Subsystem Reset ---- */

/* As if all connections had ended; ending one may end others, so begin again after each. */
void nvme_subsystem_reset_fire(struct sim_event *ev) {
    struct nvme_subsystem *s = NVME_CONTAINER(ev, struct nvme_subsystem, reset);
    struct nvme_ctrl *ctrl;
    log_limited(&s->target->limit, LOG_NVME, LOG_LEVEL_INFO, "%s: NVM subsystem reset", s->config.nqn);
    do {
        for (ctrl = s->target->ctrls; ctrl && (ctrl->subsystem != s || ctrl->dying); ctrl = ctrl->next) {
        }
        if (ctrl)
            nvme_ctrl_disconnect(ctrl, true, "NVM subsystem reset");
    } while (ctrl);
    nvme_zones_reset(s);
}

/* The host gets its answer first. */
void nvme_subsystem_reset(struct nvme_subsystem *s) {
    sim_cancel(s->target->sim, &s->reset);
    sim_schedule(s->target->sim, &s->reset, sim_clock(s->target->sim) + RESET_DELAY_NS);
}
