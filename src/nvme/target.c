/* The target: subsystems, ports and controllers under one roof, and what reads all of them. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "nvme/nvme_int.h"

struct nvme_target *nvme_target_new(struct sim *sim, struct err *e) {
    struct nvme_target *target = calloc(1, sizeof *target);
    if (target)
        target->failures = calloc(NVME_FAILURES, sizeof *target->failures);
    if (!target || !target->failures) {
        free(target);
        err_set(e, ENOMEM, "no memory for an NVMe target");
        return NULL;
    }
    target->sim = sim;
    target->next_cntlid = 1;
    return target;
}

void nvme_target_free(struct nvme_target *target) {
    if (!target)
        return;
    while (target->ctrls) /* shut down just now, their flush still in the drive */
        nvme_ctrl_free(target->ctrls);
    while (target->subsystems)
        nvme_subsystem_free(target->subsystems);
    free(target->failures);
    free(target);
}

int nvme_target_add_port(struct nvme_target *target, uint8_t trtype, uint8_t adrfam, const char *traddr,
                         const char *trsvcid) {
    if (target->port_count == NVME_PORTS_MAX)
        return -ENOSPC;
    struct nvme_port *port = &target->ports[target->port_count];
    if (strlen(traddr) >= sizeof port->traddr || strlen(trsvcid) >= sizeof port->trsvcid)
        return -EINVAL;
    *port = (struct nvme_port){.trtype = trtype, .adrfam = adrfam};
    strcpy(port->traddr, traddr);
    strcpy(port->trsvcid, trsvcid);
    target->port_count++;
    nvme_discovery_changed(target);
    return 0;
}

/* ---- Statistics ---- */

/* Hosts name themselves, and messages quote them: not everything is UTF-8, and jansson refuses what is not. */
static json_t *text_json(const char *text) {
    char utf8[4 * NVME_NQN_FIELD];
    return json_string(text_utf8(utf8, sizeof utf8, text));
}

static json_t *counts_json(const uint64_t count[256], const struct nvme_op_row rows[256]) {
    json_t *object = json_object();
    uint64_t unknown = 0;
    for (unsigned i = 0; i < 256; i++) {
        if (!count[i])
            continue;
        if (rows[i].name)
            json_object_set_new(object, rows[i].name, json_integer((json_int_t)count[i]));
        else
            unknown += count[i];
    }
    if (unknown)
        json_object_set_new(object, "unsupported", json_integer((json_int_t)unknown));
    return object;
}

static json_t *queues_json(const struct nvme_ctrl *ctrl) {
    json_t *array = json_array();
    for (unsigned q = 0; q <= NVME_IO_QUEUES_MAX; q++) {
        const struct nvme_queue *queue = ctrl->queues[q];
        if (queue)
            json_array_append_new(array, json_pack("{s:i,s:i,s:i,s:I,s:I,s:o}", "qid", queue->qid, "entries",
                                                   queue->entries, "outstanding", (int)queue->outstanding, "started",
                                                   (json_int_t)queue->started, "completed",
                                                   (json_int_t)queue->completed, "peer", text_json(queue->peer)));
    }
    return array;
}

static json_t *reasons_json(const struct nvme_ctrl *ctrl) {
    json_t *array = json_array();
    for (uint64_t i = 0; i < NVME_ERRORS && i < ctrl->error_count; i++) {
        const struct nvme_error *error = &ctrl->errors[(ctrl->error_count - 1 - i) % NVME_ERRORS];
        json_array_append_new(
            array, json_pack("{s:I,s:i,s:i,s:i,s:o}", "count", (json_int_t)le64_get(error->entry.error_count), "sqid",
                             le16_get(error->entry.sqid), "cid", le16_get(error->entry.cmdid), "status",
                             le16_get(error->entry.status_field) >> 1, "reason", text_json(error->reason)));
    }
    return array;
}

static json_t *ctrl_json(const struct nvme_ctrl *ctrl) {
    return json_pack("{s:i,s:o,s:b,s:i,s:o,s:I,s:o}", "cntlid", ctrl->cntlid, "hostnqn", text_json(ctrl->hostnqn),
                     "ready", ctrl->csts & NVME_CSTS_RDY ? 1 : 0, "kato_ms", (int)ctrl->kato_ms, "queues",
                     queues_json(ctrl), "errors", (json_int_t)ctrl->error_count, "last_errors", reasons_json(ctrl));
}

static json_t *namespaces_json(const struct nvme_subsystem *subsystem) {
    json_t *array = json_array();
    for (uint32_t i = 0; i < subsystem->ns_count; i++) {
        const struct nvme_ns *ns = &subsystem->ns[i];
        json_array_append_new(array, json_pack("{s:i,s:I,s:i,s:i,s:b}", "nsid", (int)ns->nsid, "blocks",
                                               (json_int_t)ns->nsze, "lba_bytes", (int)nvme_lba_bytes(ns),
                                               "uncorrectable_ranges", (int)ns->marks, "formatting", ns->busy));
    }
    return array;
}

struct json_t *nvme_subsystem_stats(const struct nvme_subsystem *subsystem) {
    json_t *ctrls = json_array();
    for (const struct nvme_ctrl *ctrl = subsystem->target->ctrls; ctrl; ctrl = ctrl->next)
        if (ctrl->subsystem == subsystem)
            json_array_append_new(ctrls, ctrl_json(ctrl));
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:I}", "nqn", text_json(subsystem->config.nqn), "namespaces",
                     namespaces_json(subsystem), "controllers", ctrls, "admin",
                     counts_json(subsystem->admin_count, nvme_admin_ops), "io",
                     counts_json(subsystem->io_count, nvme_io_ops), "errors", (json_int_t)subsystem->errors);
}
