/*
 * Asynchronous events (Base 2.0 section 5.2): raised, delivered when a request
 * is outstanding, then masked by type until the host reads the log page that
 * belongs to them with RAE clear. An event raised while masked or without a
 * request waits; the same event waits only once.
 *
 * Health events come on the rising edge of a critical warning the host wants
 * to hear of, be it that the warning or the wish is new.
 */
#include "nvme/nvme_int.h"

#define HEALTH_POLL_NS 10000000 /* a drive may have to count its blocks to answer */

struct event_row {
    uint8_t type, info, lid;
    uint32_t group; /* masked together; zones: by namespace, see zns.c */
};

#define BIT(event)  (1u << (event))
#define SMART_GROUP (BIT(NVME_EVENT_RELIABILITY) | BIT(NVME_EVENT_TEMPERATURE) | BIT(NVME_EVENT_SPARE))

static const struct event_row event_rows[NVME_EVENTS] = {
    [NVME_EVENT_ERROR] = {NVME_ASYNC_ERROR, 0, NVME_LID_ERROR, BIT(NVME_EVENT_ERROR)},
    [NVME_EVENT_RELIABILITY] = {NVME_ASYNC_SMART, NVME_ASYNC_SMART_RELIABILITY, NVME_LID_SMART, SMART_GROUP},
    [NVME_EVENT_TEMPERATURE] = {NVME_ASYNC_SMART, NVME_ASYNC_SMART_TEMPERATURE, NVME_LID_SMART, SMART_GROUP},
    [NVME_EVENT_SPARE] = {NVME_ASYNC_SMART, NVME_ASYNC_SMART_SPARE, NVME_LID_SMART, SMART_GROUP},
    [NVME_EVENT_NS_ATTRIBUTE] = {NVME_ASYNC_NOTICE, NVME_ASYNC_NOTICE_NS_ATTRIBUTE, NVME_LID_CHANGED_NS,
                                 BIT(NVME_EVENT_NS_ATTRIBUTE)},
    [NVME_EVENT_ZONES] = {NVME_ASYNC_NOTICE, NVME_ASYNC_NOTICE_ZONES, NVME_LID_CHANGED_ZONES, 0},
    [NVME_EVENT_DISCOVERY] = {NVME_ASYNC_NOTICE, NVME_ASYNC_NOTICE_DISCOVERY, NVME_LID_DISCOVERY,
                              BIT(NVME_EVENT_DISCOVERY)},
};

static bool event_due(struct nvme_ctrl *ctrl, unsigned event) {
    if (event == NVME_EVENT_ZONES)
        return (ctrl->events & BIT(event)) && nvme_zones_event(ctrl, false);
    return ctrl->events & ~ctrl->masked & BIT(event);
}

static void event_deliver(struct nvme_ctrl *ctrl, unsigned event) {
    const struct event_row *row = &event_rows[event];
    struct nvme_cmd *cmd = ctrl->aer[0];
    uint32_t info = event == NVME_EVENT_ERROR ? ctrl->error_info : row->info;
    nvme_events_forget(ctrl, cmd);
    ctrl->masked |= row->group;
    nvme_cmd_result(cmd, (uint32_t)row->lid << 16 | info << 8 | row->type);
    if (event == NVME_EVENT_ZONES)
        cmd->cqe.cdw1 = le32_from(nvme_zones_event(ctrl, true));
    if (event != NVME_EVENT_ZONES || !ctrl->zones_pending)
        ctrl->events &= ~BIT(event);
    nvme_cmd_finish(cmd, NVME_OK);
}

static void events_deliver(struct nvme_ctrl *ctrl) {
    for (unsigned i = 0; i < NVME_EVENTS; i++)
        while (ctrl->aer_count && event_due(ctrl, i))
            event_deliver(ctrl, i);
}

/* Feature 0Bh. */
static bool event_wanted(const struct nvme_ctrl *ctrl, enum nvme_event event) {
    uint32_t config = nvme_feature(ctrl, NVME_FID_ASYNC_EVENT_CONFIG);
    if (event == NVME_EVENT_NS_ATTRIBUTE)
        return config & NVME_AEC_NS_ATTRIBUTE;
    if (event == NVME_EVENT_ZONES)
        return config & NVME_AEC_ZONES;
    if (event == NVME_EVENT_DISCOVERY)
        return config & NVME_AEC_DISCOVERY;
    return true; /* health: nvme_health_look() looks at each warning's bit */
}

void nvme_event_raise(struct nvme_ctrl *ctrl, enum nvme_event event) {
    if (!(ctrl->csts & NVME_CSTS_RDY) || !event_wanted(ctrl, event))
        return;
    ctrl->events |= BIT(event);
    events_deliver(ctrl);
}

void nvme_event_clear(struct nvme_ctrl *ctrl, uint32_t events) {
    ctrl->masked &= ~events;
    events_deliver(ctrl);
}

void nvme_events_forget(struct nvme_ctrl *ctrl, struct nvme_cmd *cmd) {
    for (uint32_t i = 0; i < ctrl->aer_count; i++)
        if (ctrl->aer[i] == cmd) {
            ctrl->aer_count--;
            memmove(&ctrl->aer[i], &ctrl->aer[i + 1], (ctrl->aer_count - i) * sizeof ctrl->aer[0]);
            return;
        }
}

struct nvme_status nvme_async_event_request(struct nvme_cmd *cmd) {
    struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    if (ctrl->aer_count == NVME_AER_MAX)
        return nvme_fail(cmd, NVME_SC_AER_LIMIT_EXCEEDED, NVME_LOC_NONE, "%u requests are outstanding already (AERL)",
                         NVME_AER_MAX);
    ctrl->aer[ctrl->aer_count++] = cmd;
    events_deliver(ctrl);
    return NVME_PENDING;
}

/* ---- Health ---- */

static bool temperature_warning(const struct nvme_ctrl *ctrl) {
    for (unsigned i = 0; i <= 1; i++) /* composite, and the one sensor */
        if (NVME_TEMPERATURE_K >= ctrl->temp_over[i] || NVME_TEMPERATURE_K <= ctrl->temp_under[i])
            return true;
    return false;
}

uint8_t nvme_warnings(const struct nvme_ctrl *ctrl, const struct drive_health *health) {
    uint8_t warnings = 0;
    if (health->spare_percent < health->spare_threshold)
        warnings |= NVME_SMART_SPARE;
    if (temperature_warning(ctrl))
        warnings |= NVME_SMART_TEMPERATURE;
    if (health->read_only)
        warnings |= NVME_SMART_READ_ONLY;
    return warnings;
}

void nvme_health_look(struct nvme_ctrl *ctrl) {
    struct drive_health health;
    if (!ctrl->subsystem || !(ctrl->csts & NVME_CSTS_RDY))
        return;
    drive_health(ctrl->subsystem->drive, &health);
    uint8_t wanted = (uint8_t)(nvme_warnings(ctrl, &health) & nvme_feature(ctrl, NVME_FID_ASYNC_EVENT_CONFIG));
    uint8_t fresh = (uint8_t)(wanted & ~ctrl->warnings);
    ctrl->warnings = wanted;
    if (fresh & (NVME_SMART_READ_ONLY | NVME_SMART_DEGRADED))
        nvme_event_raise(ctrl, NVME_EVENT_RELIABILITY);
    if (fresh & NVME_SMART_TEMPERATURE)
        nvme_event_raise(ctrl, NVME_EVENT_TEMPERATURE);
    if (fresh & NVME_SMART_SPARE)
        nvme_event_raise(ctrl, NVME_EVENT_SPARE);
}

void nvme_health_poll(struct nvme_ctrl *ctrl) {
    int64_t now = sim_now(ctrl->target->sim);
    if (now - ctrl->health_ns < HEALTH_POLL_NS)
        return;
    ctrl->health_ns = now;
    nvme_health_look(ctrl);
}
