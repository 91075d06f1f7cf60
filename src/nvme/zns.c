/*
 * The zones of a subsystem: how namespaces share them, when they are told that
 * all controllers are shut down, and the log of zones that changed by themselves.
 *
 * Source: ZNS 1.1, sections 2.1.1.3 (what a shutdown does), 4.1.4.1 (changed
 * zone list) and figure 42 (its event).
 *
 * Faithful: a controller reset by CC.EN leaves zones as they are; the shutdown
 * of the last controller, and a reset of the subsystem, close them at once.
 * What the drive still has of commands from before has had its effect on zones
 * when it was accepted, and nothing of them begins after (nvme_cmd_execute(),
 * steps of io_misc.c), so a host that is back finds zones as it should and keeps
 * what it opens. Each controller has its own list of changed zones for each
 * namespace, lost with the controller.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "nvme/nvme_int.h"

#define BLOCK_MAX      4096
#define BLOCK_MIN      512
#define LIST_OVERFLOWN (NVME_CHANGED_ZONES + 1u)

/* Numbers of zones, not LBAs: a format may change the block size. */
struct nvme_zone_list {
    uint32_t count; /* LIST_OVERFLOWN: more than fit */
    uint32_t zone[NVME_CHANGED_ZONES];
};

/* ---- Where zones are ---- */

uint64_t nvme_zone_lbas(const struct nvme_ns *ns) {
    return ns->subsystem->zones.zone_bytes >> ns->lba_shift;
}

void nvme_zone_get(const struct nvme_ns *ns, uint32_t zone, struct drive_zone *z) {
    struct nvme_subsystem *s = ns->subsystem;
    s->zoned->zone(s->drive, ns->zone_first + zone, z);
}

uint16_t nvme_zone_location(const struct nvme_cmd *cmd, uint16_t status) {
    bool send = cmd->sqe.opc == NVME_IO_ZONE_SEND;
    if (status < IO_ZONE_INVALID_OPERATION || status > IO_ZONE_INVALID_TRANSITION)
        return NVME_LOC_NONE;
    if (cmd->sqe.opc == NVME_IO_COPY && cmd->io.op == IO_READ)
        return NVME_LOC_NONE; /* a source range: in the data */
    if (status == IO_ZONE_NO_ZRWA)
        return (NVME_LOC(cdw13) + 1) | 1 << 8;
    if (send && (status == IO_ZONE_INVALID_TRANSITION || status == IO_ZONE_INVALID_OPERATION))
        return NVME_LOC(cdw13);
    if (status == IO_ZONE_BOUNDARY && !send && cmd->sqe.opc != NVME_IO_COPY)
        return NVME_LOC(cdw12);
    return NVME_LOC(cdw10);
}

/* ---- Setting up ---- */

static int limits_check(const struct nvme_subsystem *s, struct err *e) {
    const struct drive_zoned_limits *l = &s->zones;
    struct drive_zone z;
    s->zoned->zone(s->drive, 0, &z);
    if (l->zone_bytes % BLOCK_MAX || z.capacity % BLOCK_MAX)
        return err_set(e, EINVAL,
                       "zones of %" PRIu64 " bytes with a capacity of %" PRIu64 "; NVMe hosts need multiples of %u",
                       l->zone_bytes, z.capacity, BLOCK_MAX);
    if (l->append_bytes > s->config.mdts)
        return err_set(e, EINVAL,
                       "appends of up to %" PRIu64 " bytes exceed nvme.mdts (%" PRIu64
                       " bytes): lower zns.append_limit or raise nvme.mdts (ZNS 1.1, figure 50)",
                       l->append_bytes, s->config.mdts);
    if (l->append_bytes & (l->append_bytes - 1) || (l->append_bytes && l->append_bytes < 4096))
        return err_set(e, EINVAL, "appends of up to %" PRIu64 " bytes; a power of two from 4096 on is needed",
                       l->append_bytes);
    if (l->zrwa_granularity % BLOCK_MAX)
        return err_set(e, EINVAL,
                       "zns.zrwa_granularity = %" PRIu64 ": hosts may format to blocks of %u bytes and need a multiple",
                       l->zrwa_granularity, BLOCK_MAX);
    if (l->zrwa_bytes / BLOCK_MIN > UINT16_MAX)
        return err_set(e, EINVAL, "random write areas of %" PRIu64 " bytes; at most %u blocks of %u bytes can be told",
                       l->zrwa_bytes, UINT16_MAX, BLOCK_MIN);
    return 0;
}

int nvme_zones_init(struct nvme_subsystem *s, uint64_t *ns_bytes, struct err *e) {
    s->zoned = s->drive->ops->zoned;
    if (!s->zoned)
        return 0;
    s->zoned->limits(s->drive, &s->zones);
    uint32_t each = s->zones.zones / s->config.namespaces;
    if (!each)
        return err_set(e, EINVAL, "%u namespaces cannot share %u zones", s->config.namespaces, s->zones.zones);
    *ns_bytes = each * s->zones.zone_bytes;
    int rc = limits_check(s, e);
    if (rc)
        return rc;
    s->zoned->divide(s->drive, s->config.namespaces);
    return 0;
}

void nvme_zones_ns_init(struct nvme_ns *ns) {
    const struct nvme_subsystem *s = ns->subsystem;
    if (!s->zoned)
        return;
    ns->csi = NVME_CSI_ZNS;
    ns->zones = (uint32_t)(ns->bytes / s->zones.zone_bytes);
    ns->zone_first = (ns->nsid - 1) * ns->zones;
    nvme_zones_forget_marks(ns);
}

/* A process killed in the midst of a reset may have left them behind. */
void nvme_zones_forget_marks(struct nvme_ns *ns) {
    uint64_t lbas = nvme_zone_lbas(ns);
    for (unsigned i = 0; i < NVME_MARKS && ns->marks; i++) {
        const struct nvme_mark m = ns->durable->marks[i];
        for (uint64_t lba = m.slba; lba < m.slba + m.count; lba = (lba / lbas + 1) * lbas) {
            struct drive_zone z;
            nvme_zone_get(ns, (uint32_t)(lba / lbas), &z);
            if (z.state == ZONE_STATE_EMPTY)
                nvme_marks_clear(ns, lba / lbas * lbas, lbas);
        }
    }
}

/* ---- Shutdown ---- */

static bool all_shut_down(const struct nvme_subsystem *s) {
    for (const struct nvme_ctrl *ctrl = s->target->ctrls; ctrl; ctrl = ctrl->next)
        if (ctrl->subsystem == s && !ctrl->dying && NVME_CSTS_SHST(ctrl->csts) != 2)
            return false;
    return true;
}

void nvme_zones_shutdown(struct nvme_subsystem *s) {
    if (s->zoned && all_shut_down(s))
        nvme_zones_reset(s);
}

void nvme_zones_reset(struct nvme_subsystem *s) {
    if (s->zoned)
        s->zoned->shutdown(s->drive, 0, s->ns[0].zones * s->ns_count);
}

/* ---- Changed Zone List ---- */

static void list_add(struct nvme_zone_list *list, uint32_t zone) {
    if (list->count == LIST_OVERFLOWN)
        return;
    for (uint32_t i = 0; i < list->count; i++)
        if (list->zone[i] == zone)
            return;
    if (list->count < NVME_CHANGED_ZONES)
        list->zone[list->count] = zone;
    list->count++;
}

static void ctrl_zone_changed(struct nvme_ctrl *ctrl, const struct nvme_ns *ns, uint32_t zone) {
    struct nvme_zone_list **list = &ctrl->zone_lists[ns->nsid - 1];
    if (!*list)
        *list = calloc(1, sizeof **list);
    if (!*list) {
        log_error(LOG_NVME, "controller %u: no memory for the list of changed zones", ctrl->cntlid);
        return;
    }
    list_add(*list, zone);
    ctrl->zones_pending |= 1ull << (ns->nsid - 1);
    nvme_event_raise(ctrl, NVME_EVENT_ZONES);
}

static void zone_changed(struct drive_zone_watch *watch, uint32_t zone) {
    struct nvme_subsystem *s = NVME_CONTAINER(watch, struct nvme_subsystem, zone_watch);
    uint32_t each = s->ns[0].zones;
    if (zone / each >= s->ns_count)
        return; /* left over when zones were shared out */
    const struct nvme_ns *ns = &s->ns[zone / each];
    for (struct nvme_ctrl *ctrl = s->target->ctrls, *next; ctrl; ctrl = next) {
        next = ctrl->next;
        if (ctrl->subsystem == s)
            ctrl_zone_changed(ctrl, ns, zone % each);
    }
}

void nvme_zones_watch(struct nvme_subsystem *s) {
    if (!s->zoned)
        return;
    s->zone_watch.changed = zone_changed;
    s->zoned->watch(s->drive, &s->zone_watch);
}

uint32_t nvme_zones_event(struct nvme_ctrl *ctrl, bool take) {
    uint64_t due = ctrl->zones_pending & ~ctrl->zones_masked;
    if (!due)
        return 0;
    if (take) {
        ctrl->zones_pending &= ~(due & -due);
        ctrl->zones_masked |= due & -due;
    }
    return (uint32_t)__builtin_ctzll(due) + 1;
}

void nvme_zone_lists_free(struct nvme_ctrl *ctrl) {
    for (unsigned i = 0; i < NVME_NS_MAX; i++)
        free(ctrl->zone_lists[i]);
}

uint64_t nvme_changed_zones_size(const struct nvme_ctrl *ctrl) {
    return sizeof(struct nvme_changed_zones);
}

struct nvme_status nvme_changed_zones_fill(struct nvme_cmd *cmd, void *page) {
    struct nvme_changed_zones *log = page;
    struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
    uint32_t nsid = le32_get(cmd->sqe.nsid);
    if (nsid == 0 || nsid == NVME_NSID_ALL)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(nsid),
                         "NSID %xh; each namespace has a list of changed zones of its own (1 to %u)", nsid,
                         s->ns_count);
    if (nsid > s->ns_count)
        return nvme_fail(cmd, NVME_SC_INVALID_NS, NVME_LOC(nsid), "NSID %u, valid are 1 to %u", nsid, s->ns_count);
    const struct nvme_zone_list *list = nvme_cmd_ctrl(cmd)->zone_lists[nsid - 1];
    if (!list)
        return NVME_OK;
    if (list->count == LIST_OVERFLOWN) {
        log->count = le16_from(NVME_CHANGED_ZONES_ALL);
        return NVME_OK;
    }
    log->count = le16_from((uint16_t)list->count);
    for (uint32_t i = 0; i < list->count; i++)
        log->zslba[i] = le64_from(list->zone[i] * nvme_zone_lbas(&s->ns[nsid - 1]));
    return NVME_OK;
}

void nvme_changed_zones_read(struct nvme_cmd *cmd) {
    struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    uint64_t bit = 1ull << (le32_get(cmd->sqe.nsid) - 1);
    struct nvme_zone_list *list = ctrl->zone_lists[le32_get(cmd->sqe.nsid) - 1];
    if (list)
        list->count = 0;
    ctrl->zones_pending &= ~bit; /* what it would tell has just been read */
    ctrl->zones_masked &= ~bit;
    nvme_event_clear(ctrl, 0);
}
