/*
 * Get Log Page: one row per log page. A page is made whole, the part asked for
 * is cut out of it; what lies behind its end reads as zeros.
 *
 * C0h is ours: the reason texts of the entries of the error information log,
 * 256 bytes each: the entry's count (8 bytes), then text.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nvme/nvme_int.h"

#define REASON_ENTRY (8 + NVME_REASON_MAX)

static le128 le128_from(uint64_t x) {
    return (le128){.lo = le64_from(x)};
}

static uint64_t divide_up(uint64_t n, uint64_t by) {
    return n / by + (n % by != 0);
}

/* ---- 00h ---- */

static bool log_present(const struct nvme_ctrl *ctrl, const struct nvme_log_row *row) {
    uint8_t kinds = ctrl->subsystem ? NVME_LOG_IO : NVME_LOG_DISCOVERY;
    if (ctrl->subsystem && ctrl->subsystem->zoned)
        kinds |= NVME_LOG_ZONED;
    if (ctrl->subsystem && ctrl->subsystem->limits.rotational)
        kinds |= NVME_LOG_ROTATIONAL;
    return row->ctrl & kinds;
}

static struct nvme_status fill_supported(struct nvme_cmd *cmd, void *page) {
    struct nvme_supported_logs *log = page;
    for (const struct nvme_log_row *row = nvme_logs; row->name; row++)
        if (log_present(nvme_cmd_ctrl(cmd), row))
            log->lid[row->lid] = le32_from(1);
    return NVME_OK;
}

/* ---- 01h and C0h: newest first ---- */

static const struct nvme_error *error_at(const struct nvme_ctrl *ctrl, uint64_t back) {
    if (back >= NVME_ERRORS || back >= ctrl->error_count)
        return NULL;
    return &ctrl->errors[(ctrl->error_count - 1 - back) % NVME_ERRORS];
}

static struct nvme_status fill_errors(struct nvme_cmd *cmd, void *page) {
    struct nvme_error_log_entry *entries = page;
    const struct nvme_error *error;
    for (unsigned i = 0; (error = error_at(nvme_cmd_ctrl(cmd), i)); i++)
        entries[i] = error->entry;
    return NVME_OK;
}

static struct nvme_status fill_reasons(struct nvme_cmd *cmd, void *page) {
    char *at = page;
    const struct nvme_error *error;
    for (unsigned i = 0; (error = error_at(nvme_cmd_ctrl(cmd), i)); i++, at += REASON_ENTRY) {
        memcpy(at, &error->entry.error_count, 8);
        memcpy(at + 8, error->reason, sizeof error->reason);
    }
    return NVME_OK;
}

static void read_errors(struct nvme_cmd *cmd) {
    nvme_event_clear(nvme_cmd_ctrl(cmd), 1u << NVME_EVENT_ERROR);
}

/* ---- 02h ---- */

static void smart_fill(const struct nvme_ctrl *ctrl, struct nvme_smart_log *log) {
    struct nvme_subsystem *s = ctrl->subsystem;
    struct drive_health health;
    const struct nvme_durable *d = s->durable;
    drive_health(s->drive, &health);
    nvme_subsystem_power_on(s);
    uint8_t warnings = nvme_warnings(ctrl, &health);
    log->critical_warning = warnings;
    log->temperature = log->temp_sensor[0] = le16_from(NVME_TEMPERATURE_K);
    log->avail_spare = health.spare_percent;
    log->spare_thresh = health.spare_threshold;
    log->percent_used = health.percent_used;
    log->endu_grp_crit_warn_sumry = warnings & (NVME_SMART_SPARE | NVME_SMART_DEGRADED | NVME_SMART_READ_ONLY);
    log->data_units_read = le128_from(divide_up(d->read_bytes, 512000));
    log->data_units_written = le128_from(divide_up(d->written_bytes, 512000));
    log->host_reads = le128_from(d->host_reads);
    log->host_writes = le128_from(d->host_writes);
    log->ctrl_busy_time = le128_from(d->busy_ns / 60000000000ull);
    log->power_cycles = le128_from(d->power_cycles);
    log->power_on_hours = le128_from(d->power_on_ns / 3600000000000ull);
    log->unsafe_shutdowns = le128_from(d->unsafe_shutdowns);
    log->media_errors = le128_from(d->media_errors);
    log->num_err_log_entries = le128_from(d->error_entries);
}

static struct nvme_status fill_smart(struct nvme_cmd *cmd, void *page) {
    struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    uint32_t nsid = le32_get(cmd->sqe.nsid);
    if (nsid != 0 && nsid != NVME_NSID_ALL)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(nsid),
                         "SMART of namespace %u; it is kept for the controller (NSID 0 or FFFFFFFFh)", nsid);
    smart_fill(ctrl, page);
    return NVME_OK;
}

static void read_smart(struct nvme_cmd *cmd) {
    nvme_event_clear(nvme_cmd_ctrl(cmd),
                     1u << NVME_EVENT_RELIABILITY | 1u << NVME_EVENT_TEMPERATURE | 1u << NVME_EVENT_SPARE);
}

/* ---- 03h ---- */

static struct nvme_status fill_firmware(struct nvme_cmd *cmd, void *page) {
    struct nvme_firmware_log *log = page;
    log->afi = 1;
    const char *version = DRIVELAB_VERSION;
    memset(log->frs[0], ' ', sizeof log->frs[0]);
    for (size_t i = 0; i < sizeof log->frs[0] && version[i]; i++)
        log->frs[0][i] = version[i];
    return NVME_OK;
}

/* ---- 04h ---- */

static struct nvme_status fill_changed(struct nvme_cmd *cmd, void *page) {
    struct nvme_ns_list *list = page;
    uint64_t changed = nvme_cmd_ctrl(cmd)->changed_ns;
    for (unsigned i = 0, n = 0; i < NVME_NS_MAX; i++)
        if (changed & 1ull << i)
            list->ns[n++] = le32_from(i + 1);
    return NVME_OK;
}

static void read_changed(struct nvme_cmd *cmd) {
    nvme_cmd_ctrl(cmd)->changed_ns = 0;
    nvme_event_clear(nvme_cmd_ctrl(cmd), 1u << NVME_EVENT_NS_ATTRIBUTE);
}

/* ---- 05h ---- */

static void fill_op_effects(const struct nvme_op_row rows[256], uint32_t csi, le32 effects[256]) {
    for (unsigned i = 0; i < 256; i++)
        if (rows[i].name && (csi == NVME_CSI_ZNS || !(rows[i].flags & NVME_OP_ZONED)))
            effects[i] = le32_from(NVME_EFFECT_CSUPP | rows[i].effects);
}

static struct nvme_status fill_effects(struct nvme_cmd *cmd, void *page) {
    struct nvme_effects_log *log = page;
    uint32_t csi = nvme_cdw(cmd, 14) >> 24;
    if (!nvme_csi_supported(nvme_cmd_subsystem(cmd), csi))
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw14) + 3, "command set %02xh; %s", csi,
                         nvme_csi_choice(nvme_cmd_subsystem(cmd)));
    fill_op_effects(nvme_admin_ops, csi, log->acs);
    fill_op_effects(nvme_io_ops, csi, log->iocs);
    return NVME_OK;
}

/* ---- 09h, 16h ---- */

static struct nvme_status need_group(struct nvme_cmd *cmd) {
    uint32_t group = nvme_cdw(cmd, 11) >> 16;
    if (group == 1)
        return NVME_OK;
    return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw11) + 2, "endurance group %u; 1 is the only one", group);
}

static struct nvme_status fill_endurance(struct nvme_cmd *cmd, void *page) {
    struct nvme_endurance_group_log *log = page;
    struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
    struct drive_health health;
    struct nvme_status st = need_group(cmd);
    if (st.v)
        return st;
    drive_health(s->drive, &health);
    const struct nvme_durable *d = s->durable;
    log->critical_warning =
        nvme_warnings(nvme_cmd_ctrl(cmd), &health) & (NVME_SMART_SPARE | NVME_SMART_DEGRADED | NVME_SMART_READ_ONLY);
    log->endurance_group_features = s->limits.rotational ? NVME_EGFEAT_ROTATIONAL : 0;
    log->avail_spare = health.spare_percent;
    log->avail_spare_threshold = health.spare_threshold;
    log->percent_used = health.percent_used;
    log->data_units_read = le128_from(divide_up(d->read_bytes, 1000000000));
    log->data_units_written = le128_from(divide_up(d->written_bytes, 1000000000));
    log->media_units_written = le128_from(divide_up(health.media_bytes_written, 1000000000));
    log->host_read_cmds = le128_from(d->host_reads);
    log->host_write_cmds = le128_from(d->host_writes);
    log->media_data_integrity_err = le128_from(d->media_errors);
    log->num_err_info_log_entries = le128_from(d->error_entries);
    log->total_end_grp_cap = le128_from(s->drive->capacity);
    return NVME_OK;
}

static struct nvme_status fill_rotational(struct nvme_cmd *cmd, void *page) {
    struct nvme_rotational_log *log = page;
    struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
    struct nvme_status st = need_group(cmd);
    if (st.v)
        return st;
    log->endgid = le16_from(1);
    log->numa = le16_from(1);
    log->nrot = le16_from(s->limits.rpm);
    uint64_t starts = s->durable->power_cycles;
    log->spinc = log->ldc = le32_from(starts > UINT32_MAX ? UINT32_MAX : (uint32_t)starts);
    return NVME_OK;
}

/* ---- 12h ---- */

static struct nvme_status fill_feature_effects(struct nvme_cmd *cmd, void *page) {
    struct nvme_fid_effects_log *log = page;
    for (const struct nvme_feat_row *row = nvme_feats; row->name; row++) {
        if (!nvme_feature_present(nvme_cmd_ctrl(cmd), row))
            continue;
        uint32_t scope = row->flags & NVME_FEAT_NS ? NVME_FID_EFFECT_SCOPE_NS : NVME_FID_EFFECT_SCOPE_CTRL;
        log->fid_support[row->fid] = le32_from(NVME_FID_EFFECT_FSUPP | scope);
    }
    return NVME_OK;
}

static void read_discovery(struct nvme_cmd *cmd) {
    nvme_event_clear(nvme_cmd_ctrl(cmd), 1u << NVME_EVENT_DISCOVERY);
}

/* ---- The table ---- */

#define SIZE_OF(name, bytes)                                                                                           \
    static uint64_t size_##name(const struct nvme_ctrl *ctrl) {                                                        \
        return bytes;                                                                                                  \
    }
SIZE_OF(supported, sizeof(struct nvme_supported_logs))
SIZE_OF(errors, NVME_ERRORS * sizeof(struct nvme_error_log_entry))
SIZE_OF(smart, sizeof(struct nvme_smart_log))
SIZE_OF(firmware, sizeof(struct nvme_firmware_log))
SIZE_OF(changed, sizeof(struct nvme_ns_list))
SIZE_OF(effects, sizeof(struct nvme_effects_log))
SIZE_OF(endurance, sizeof(struct nvme_endurance_group_log))
SIZE_OF(rotational, sizeof(struct nvme_rotational_log))
SIZE_OF(feature_effects, sizeof(struct nvme_fid_effects_log))
SIZE_OF(reasons, NVME_ERRORS *REASON_ENTRY)

#define BOTH (NVME_LOG_IO | NVME_LOG_DISCOVERY)

const struct nvme_log_row nvme_logs[] = {
    {NVME_LID_SUPPORTED, "Supported Log Pages", BOTH, size_supported, fill_supported},
    {NVME_LID_ERROR, "Error Information", BOTH, size_errors, fill_errors, read_errors},
    {NVME_LID_SMART, "SMART / Health Information", NVME_LOG_IO, size_smart, fill_smart, read_smart},
    {NVME_LID_FIRMWARE, "Firmware Slot Information", NVME_LOG_IO, size_firmware, fill_firmware},
    {NVME_LID_CHANGED_NS, "Changed Namespace List", NVME_LOG_IO, size_changed, fill_changed, read_changed},
    {NVME_LID_EFFECTS, "Commands Supported and Effects", NVME_LOG_IO, size_effects, fill_effects},
    {NVME_LID_ENDURANCE_GROUP, "Endurance Group Information", NVME_LOG_IO, size_endurance, fill_endurance},
    {NVME_LID_FID_EFFECTS, "Feature Identifiers Supported and Effects", NVME_LOG_IO, size_feature_effects,
     fill_feature_effects},
    {NVME_LID_ROTATIONAL, "Rotational Media Information", NVME_LOG_ROTATIONAL, size_rotational, fill_rotational},
    {NVME_LID_DISCOVERY, "Discovery", NVME_LOG_DISCOVERY, nvme_discovery_size, nvme_discovery_fill, read_discovery},
    {NVME_LID_CHANGED_ZONES, "Changed Zone List", NVME_LOG_ZONED, nvme_changed_zones_size, nvme_changed_zones_fill,
     nvme_changed_zones_read},
    {NVME_LID_VENDOR_REASONS, "Reasons of the errors in the error information log (ours)", BOTH, size_reasons,
     fill_reasons},
    {.name = NULL},
};

/* ---- The command ---- */

static const struct nvme_log_row *log_find(const struct nvme_ctrl *ctrl, uint8_t lid) {
    for (const struct nvme_log_row *row = nvme_logs; row->name; row++)
        if (row->lid == lid)
            return log_present(ctrl, row) ? row : NULL;
    return NULL;
}

static uint64_t log_offset(const struct nvme_cmd *cmd) {
    return (uint64_t)nvme_cdw(cmd, 13) << 32 | nvme_cdw(cmd, 12);
}

struct nvme_status nvme_get_log_prepare(struct nvme_cmd *cmd) {
    struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    uint8_t lid = (uint8_t)nvme_cdw(cmd, 10);
    uint64_t numd = ((uint64_t)(nvme_cdw(cmd, 11) & 0xffff) << 16 | nvme_cdw(cmd, 10) >> 16) + 1;
    uint64_t offset = log_offset(cmd);
    const struct nvme_log_row *row = log_find(ctrl, lid);
    if (!row)
        return nvme_fail(cmd, NVME_SC_INVALID_LOG_PAGE, NVME_LOC(cdw10), "log page %02xh is not supported", lid);
    if (numd * 4 > nvme_ctrl_mdts(ctrl))
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw10) + 2,
                         "%" PRIu64 " bytes of log page %02xh exceed MDTS (%u)", numd * 4, lid, nvme_ctrl_mdts(ctrl));
    if (nvme_cdw(cmd, 14) & 1u << 23)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, (NVME_LOC(cdw14) + 2) | 7 << 8,
                         "offsets by index are not supported");
    if (offset & 3)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw12), "offset %" PRIu64 " is not a multiple of 4",
                         offset);
    if (offset > row->size(ctrl))
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw12),
                         "offset %" PRIu64 " lies beyond the %" PRIu64 " bytes of log page %02xh", offset,
                         row->size(ctrl), lid);
    cmd->xfer_bytes = (uint32_t)(numd * 4);
    return NVME_OK;
}

struct nvme_status nvme_get_log(struct nvme_cmd *cmd) {
    struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    const struct nvme_log_row *row = log_find(ctrl, (uint8_t)nvme_cdw(cmd, 10));
    uint64_t size = row->size(ctrl), offset = log_offset(cmd), take = cmd->xfer_bytes;
    struct nvme_status st = NVME_OK;
    char *out = nvme_cmd_buffer(cmd, cmd->xfer_bytes, &st);
    char *page = out ? calloc(1, size) : NULL;
    if (out && !page)
        st = nvme_fail(cmd, NVME_SC_INTERNAL_ERROR, NVME_LOC_NONE, "no memory for %" PRIu64 " bytes", size);
    if (!st.v)
        st = row->fill(cmd, page);
    if (!st.v) {
        if (offset > size)
            offset = size;
        if (take > size - offset)
            take = size - offset;
        memcpy(out, page + offset, take);
        if (row->read && !(nvme_cdw(cmd, 10) & 1u << 15)) /* RAE */
            row->read(cmd);
    }
    free(page);
    return st;
}
