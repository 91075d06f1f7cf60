/*
 * Set Features and Get Features: one row per feature. The current values of
 * controller features live in ctrl->feats by row, of namespace features in the
 * namespace; saved ones in the durable state, by row (rows are only ever added
 * at the end).
 *
 * A controller starts, and restarts after a reset, with the saved values.
 */
#include <string.h>

#include "nvme/nvme_int.h"

#define CHANGE NVME_FEAT_CHANGE
#define SAVE   NVME_FEAT_SAVE

static unsigned row_index(const struct nvme_feat_row *row) {
    return (unsigned)(row - nvme_feats);
}

static uint32_t default_of(const struct nvme_ctrl *ctrl, const struct nvme_feat_row *row) {
    return row->def_of ? row->def_of(ctrl) : row->def;
}

/* A discovery controller has no durable state. */
static bool saveable(const struct nvme_ctrl *ctrl, const struct nvme_feat_row *row) {
    return ctrl->subsystem && (row->flags & SAVE);
}

static bool is_saved(const struct nvme_ctrl *ctrl, const struct nvme_feat_row *row) {
    return ctrl->subsystem && (ctrl->subsystem->durable->saved_valid & 1u << row_index(row));
}

static uint32_t saved_of(const struct nvme_ctrl *ctrl, const struct nvme_feat_row *row) {
    if (is_saved(ctrl, row))
        return ctrl->subsystem->durable->saved[row_index(row)];
    return default_of(ctrl, row);
}

static struct nvme_status bad_field(struct nvme_cmd *cmd, uint32_t value, const char *allowed) {
    return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw11), "CDW11 %08xh: %s", value, allowed);
}

/* ---- Features with more to them than a number ---- */

static bool has_cache(const struct nvme_ctrl *ctrl) {
    return ctrl->subsystem && ctrl->subsystem->limits.volatile_cache;
}

static struct nvme_status power_set(struct nvme_cmd *cmd, uint32_t v) {
    if (v & 0x1f)
        return bad_field(cmd, v, "power state 0 is the only one");
    return NVME_OK;
}

static struct nvme_status cache_set(struct nvme_cmd *cmd, uint32_t v) {
    struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    if (v & ~1u)
        return bad_field(cmd, v, "only bit 0 may be set");
    ctrl->write_through = !v;
    return NVME_OK;
}

static uint32_t cache_default(const struct nvme_ctrl *ctrl) {
    return 1;
}

/* Composite temperature and sensor 1 exist; selector 15 means all. */
static struct nvme_status temperature_set(struct nvme_cmd *cmd, uint32_t v) {
    struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    uint32_t sensor = v >> 16 & 15, under = v >> 20 & 3;
    if ((sensor > 1 && sensor != 15) || under > 1)
        return bad_field(cmd, v, "sensors 0, 1 and 15, thresholds 0 (over) and 1 (under) exist");
    if ((nvme_cdw(cmd, 10) & NVME_FEATURE_SAVE) && (v >> 16))
        return nvme_fail(cmd, NVME_SC_FEATURE_NOT_SAVEABLE, NVME_LOC(cdw10),
                         "only the composite over temperature threshold can be saved");
    for (uint32_t i = 0; i <= 1; i++)
        if (sensor == i || sensor == 15)
            (under ? ctrl->temp_under : ctrl->temp_over)[i] = (uint16_t)v;
    nvme_health_look(ctrl);
    return NVME_OK;
}

static uint32_t temperature_get(struct nvme_cmd *cmd, uint32_t v) {
    const struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    uint32_t sensor = v >> 16 & 15;
    if (sensor > 1)
        return 0;
    return (v >> 20 & 3 ? ctrl->temp_under : ctrl->temp_over)[sensor];
}

static struct nvme_status recovery_set(struct nvme_cmd *cmd, uint32_t v) {
    struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
    if (v & ~(NVME_DULBE | 0xffff))
        return bad_field(cmd, v, "bits 31:17 are reserved");
    for (uint32_t i = 0; i < s->ns_count; i++) {
        if (cmd->ns && cmd->ns != &s->ns[i])
            continue;
        s->ns[i].durable->error_recovery = v;
        if (nvme_cdw(cmd, 10) & NVME_FEATURE_SAVE)
            s->ns[i].durable->error_recovery_saved = v;
    }
    return NVME_OK;
}

static uint32_t recovery_get(struct nvme_cmd *cmd, uint32_t v) {
    return cmd->ns ? cmd->ns->durable->error_recovery : 0;
}

static struct nvme_status queues_set(struct nvme_cmd *cmd, uint32_t v) {
    struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    uint32_t sq = (v & 0xffff) + 1, cq = (v >> 16) + 1, n = ctrl->subsystem->config.io_queues;
    if (sq > 0xffff || cq > 0xffff)
        return bad_field(cmd, v, "65536 queues cannot be asked for");
    if (ctrl->io_queues)
        return nvme_fail(cmd, NVME_SC_SEQUENCE_ERROR, NVME_LOC_NONE, "%u I/O queues exist already", ctrl->io_queues);
    n = n < sq ? n : sq;
    n = n < cq ? n : cq;
    ctrl->queues_allowed = n;
    nvme_cmd_result(cmd, (n - 1) | (n - 1) << 16);
    return NVME_OK;
}

static uint32_t queues_get(struct nvme_cmd *cmd, uint32_t v) {
    uint32_t n = nvme_cmd_ctrl(cmd)->queues_allowed;
    return (n - 1) | (n - 1) << 16;
}

static uint32_t queues_default(const struct nvme_ctrl *ctrl) {
    uint32_t n = ctrl->subsystem ? ctrl->subsystem->config.io_queues : 1;
    return (n - 1) | (n - 1) << 16;
}

static struct nvme_status events_set(struct nvme_cmd *cmd, uint32_t v) {
    struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    if (!ctrl->subsystem)
        return v & ~NVME_AEC_DISCOVERY ? bad_field(cmd, v, "bit 31 is supported (OAES)") : NVME_OK;
    uint32_t known = 0x1f | NVME_AEC_NS_ATTRIBUTE;
    if (ctrl->subsystem->zoned)
        return v & ~(known | NVME_AEC_ZONES) ? bad_field(cmd, v, "bits 4:0, 8 and 27 are supported (OAES)") : NVME_OK;
    return v & ~known ? bad_field(cmd, v, "bits 4:0 and 8 are supported (OAES)") : NVME_OK;
}

static struct nvme_status timestamp_set(struct nvme_cmd *cmd, uint32_t v) {
    struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    struct nvme_timestamp t;
    nvme_cmd_gather(cmd, &t, sizeof t);
    ctrl->timestamp_ms = 0;
    memcpy(&ctrl->timestamp_ms, t.timestamp, sizeof t.timestamp);
    ctrl->timestamp_set_ns = sim_now(ctrl->target->sim);
    ctrl->timestamp_origin = 1;
    return NVME_OK;
}

static uint32_t timestamp_get(struct nvme_cmd *cmd, uint32_t v) {
    const struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    struct nvme_timestamp *t = cmd->buffer;
    uint64_t ms = ctrl->timestamp_ms + (uint64_t)(sim_now(ctrl->target->sim) - ctrl->timestamp_set_ns) / 1000000;
    memcpy(t->timestamp, &ms, sizeof t->timestamp);
    t->attr = (uint8_t)(ctrl->timestamp_origin << 1);
    return 0;
}

static struct nvme_status kato_set(struct nvme_cmd *cmd, uint32_t v) {
    struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    uint32_t rest = v % NVME_KAS_MS;
    if (rest)
        v = v > UINT32_MAX - NVME_KAS_MS ? v - rest : v - rest + NVME_KAS_MS;
    ctrl->kato_ms = v;
    nvme_ctrl_keep_alive(ctrl);
    nvme_cmd_result(cmd, v);
    return NVME_OK;
}

static uint32_t kato_get(struct nvme_cmd *cmd, uint32_t v) {
    return nvme_cmd_ctrl(cmd)->kato_ms;
}

static struct nvme_status behavior_set(struct nvme_cmd *cmd, uint32_t v) {
    struct nvme_host_behavior b;
    nvme_cmd_gather(cmd, &b, sizeof b);
    if (b.acre > 1 || b.etdas > 1 || b.lbafee > 1)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC_NONE, "ACRE %u, ETDAS %u, LBAFEE %u; each is 0 or 1",
                         b.acre, b.etdas, b.lbafee);
    nvme_cmd_ctrl(cmd)->host_behavior = b;
    return NVME_OK;
}

static uint32_t behavior_get(struct nvme_cmd *cmd, uint32_t v) {
    memcpy(cmd->buffer, &nvme_cmd_ctrl(cmd)->host_behavior, sizeof(struct nvme_host_behavior));
    return 0;
}

static struct nvme_status profile_set(struct nvme_cmd *cmd, uint32_t v) {
    if (v & 0x1ff)
        return nvme_fail(cmd, NVME_SC_IOCS_COMBINATION_REJECTED, NVME_LOC(cdw11),
                         "I/O command set combination %u; 0 (all there are) is the only one", v & 0x1ff);
    return NVME_OK;
}

/* Connect gave it; it cannot be set over fabrics. */
static struct nvme_status hostid_set(struct nvme_cmd *cmd, uint32_t v) {
    return nvme_fail(cmd, NVME_SC_SEQUENCE_ERROR, NVME_LOC_NONE, "the host identifier was set by Connect");
}

static uint32_t hostid_get(struct nvme_cmd *cmd, uint32_t v) {
    memcpy(cmd->buffer, nvme_cmd_ctrl(cmd)->hostid, 16);
    return 0;
}

/* ---- The table ---- */

const struct nvme_feat_row nvme_feats[] = {
    {NVME_FID_ARBITRATION, "Arbitration", CHANGE | SAVE, .mask = 0xffffff07},
    {NVME_FID_POWER_MANAGEMENT, "Power Management", CHANGE, .set = power_set},
    {NVME_FID_TEMPERATURE_THRESHOLD, "Temperature Threshold", CHANGE | SAVE, .def = NVME_WARN_K, .set = temperature_set,
     .get = temperature_get},
    {NVME_FID_ERROR_RECOVERY, "Error Recovery", CHANGE | SAVE | NVME_FEAT_NS, .set = recovery_set, .get = recovery_get},
    {NVME_FID_VOLATILE_WRITE_CACHE, "Volatile Write Cache", CHANGE | SAVE, .present = has_cache,
     .def_of = cache_default, .set = cache_set},
    {NVME_FID_NUMBER_OF_QUEUES, "Number of Queues", CHANGE, .def_of = queues_default, .set = queues_set,
     .get = queues_get},
    {NVME_FID_WRITE_ATOMICITY, "Write Atomicity Normal", CHANGE | SAVE, .mask = 1},
    {NVME_FID_ASYNC_EVENT_CONFIG, "Asynchronous Event Configuration", CHANGE | SAVE | NVME_FEAT_DISCOVERY,
     .set = events_set},
    {NVME_FID_TIMESTAMP, "Timestamp", CHANGE, .data_bytes = sizeof(struct nvme_timestamp), .set = timestamp_set,
     .get = timestamp_get},
    {NVME_FID_KEEP_ALIVE_TIMER, "Keep Alive Timer", CHANGE | NVME_FEAT_DISCOVERY, .set = kato_set, .get = kato_get},
    {NVME_FID_HOST_BEHAVIOR, "Host Behavior Support", CHANGE, .data_bytes = sizeof(struct nvme_host_behavior),
     .set = behavior_set, .get = behavior_get},
    {NVME_FID_IOCS_PROFILE, "I/O Command Set Profile", CHANGE, .set = profile_set},
    {NVME_FID_HOST_IDENTIFIER, "Host Identifier", 0, .data_bytes = 16, .set = hostid_set, .get = hostid_get},
    {.name = NULL},
};
_Static_assert(sizeof nvme_feats / sizeof *nvme_feats <= NVME_FEATS, "a value per feature");

static const struct nvme_feat_row *feat_find(const struct nvme_ctrl *ctrl, uint8_t fid) {
    for (const struct nvme_feat_row *row = nvme_feats; row->name; row++)
        if (row->fid == fid) {
            if (!ctrl->subsystem && !(row->flags & NVME_FEAT_DISCOVERY))
                return NULL;
            return row->present && !row->present(ctrl) ? NULL : row;
        }
    return NULL;
}

bool nvme_feature_present(const struct nvme_ctrl *ctrl, const struct nvme_feat_row *row) {
    return feat_find(ctrl, row->fid) == row;
}

uint32_t nvme_feature(const struct nvme_ctrl *ctrl, uint8_t fid) {
    for (const struct nvme_feat_row *row = nvme_feats; row->name; row++)
        if (row->fid == fid)
            return ctrl->feats[row_index(row)];
    return 0;
}

void nvme_features_init(struct nvme_ctrl *ctrl) {
    for (const struct nvme_feat_row *row = nvme_feats; row->name; row++)
        ctrl->feats[row_index(row)] = saved_of(ctrl, row);
    memset(ctrl->temp_under, 0, sizeof ctrl->temp_under);
    for (unsigned i = 0; i < sizeof ctrl->temp_over / sizeof *ctrl->temp_over; i++)
        ctrl->temp_over[i] = NVME_WARN_K;
    ctrl->temp_over[0] = (uint16_t)nvme_feature(ctrl, NVME_FID_TEMPERATURE_THRESHOLD);
    ctrl->write_through = has_cache(ctrl) && !nvme_feature(ctrl, NVME_FID_VOLATILE_WRITE_CACHE);
    ctrl->queues_allowed = ctrl->subsystem ? ctrl->subsystem->config.io_queues : 0;
    ctrl->timestamp_ms = 0;
    ctrl->timestamp_origin = 0;
    ctrl->timestamp_set_ns = sim_now(ctrl->target->sim);
    memset(&ctrl->host_behavior, 0, sizeof ctrl->host_behavior);
}

/* ---- Set ---- */

static struct nvme_status feat_of(struct nvme_cmd *cmd, const struct nvme_feat_row **row) {
    uint8_t fid = (uint8_t)nvme_cdw(cmd, 10);
    *row = feat_find(nvme_cmd_ctrl(cmd), fid);
    if (!*row)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw10), "feature %02xh is not supported", fid);
    return NVME_OK;
}

/* The namespace of a namespace feature; `all`: FFFFFFFFh will do. */
static struct nvme_status feat_ns(struct nvme_cmd *cmd, const struct nvme_feat_row *row, bool set) {
    struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
    uint32_t nsid = le32_get(cmd->sqe.nsid), count = s ? s->ns_count : 0;
    bool one = nsid - 1 < count;
    if (!one && nsid != NVME_NSID_ALL && (nsid || (row->flags & NVME_FEAT_NS)))
        return nvme_fail(cmd, NVME_SC_INVALID_NS, NVME_LOC(nsid), "NSID %u, valid are 1 to %u", nsid, count);
    if (row->flags & NVME_FEAT_NS) {
        if (!one && !set)
            return nvme_fail(cmd, NVME_SC_INVALID_NS, NVME_LOC(nsid), "%s is read from one namespace", row->name);
        cmd->ns = one ? &s->ns[nsid - 1] : NULL;
    } else if (one && set) {
        return nvme_fail(cmd, NVME_SC_FEATURE_NOT_NS_SPECIFIC, NVME_LOC(nsid), "%s belongs to the controller",
                         row->name);
    }
    return NVME_OK;
}

struct nvme_status nvme_set_features_prepare(struct nvme_cmd *cmd) {
    const struct nvme_feat_row *row;
    struct nvme_status st = feat_of(cmd, &row);
    if (st.v)
        return st;
    if ((nvme_cdw(cmd, 10) & NVME_FEATURE_SAVE) && !saveable(nvme_cmd_ctrl(cmd), row))
        return nvme_fail(cmd, NVME_SC_FEATURE_NOT_SAVEABLE, NVME_LOC(cdw10) + 3, "%s cannot be saved", row->name);
    cmd->xfer_bytes = row->data_bytes;
    return feat_ns(cmd, row, true);
}

struct nvme_status nvme_set_features(struct nvme_cmd *cmd) {
    struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    const struct nvme_feat_row *row;
    uint32_t v = nvme_cdw(cmd, 11);
    struct nvme_status st = feat_of(cmd, &row);
    if (st.v)
        return st;
    if (row->set)
        st = row->set(cmd, v);
    else if (v & ~row->mask)
        st = bad_field(cmd, v, "a reserved bit is set");
    if (st.v)
        return st;
    if (row->fid != NVME_FID_TEMPERATURE_THRESHOLD || !(v >> 16))
        ctrl->feats[row_index(row)] = v;
    if ((nvme_cdw(cmd, 10) & NVME_FEATURE_SAVE) && !(row->flags & NVME_FEAT_NS)) {
        ctrl->subsystem->durable->saved[row_index(row)] = v;
        ctrl->subsystem->durable->saved_valid |= 1u << row_index(row);
    }
    if (row->fid == NVME_FID_ASYNC_EVENT_CONFIG)
        nvme_health_look(ctrl);
    return NVME_OK;
}

/* ---- Get ---- */

struct nvme_status nvme_get_features_prepare(struct nvme_cmd *cmd) {
    const struct nvme_feat_row *row;
    uint32_t sel = nvme_cdw(cmd, 10) >> 8 & 7;
    struct nvme_status st = feat_of(cmd, &row);
    if (st.v)
        return st;
    if (sel > NVME_SEL_SUPPORTED)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw10) + 1, "SEL %u; 0 to 3 exist", sel);
    if (row->fid == NVME_FID_HOST_IDENTIFIER && sel != NVME_SEL_SUPPORTED && !(nvme_cdw(cmd, 11) & 1))
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw11), "host identifiers have 128 bits here: set EXHID");
    if (sel != NVME_SEL_SUPPORTED)
        cmd->xfer_bytes = row->data_bytes;
    return feat_ns(cmd, row, false);
}

static uint32_t capabilities(const struct nvme_ctrl *ctrl, const struct nvme_feat_row *row) {
    return (saveable(ctrl, row) ? NVME_FEATURE_SAVEABLE : 0) |
           (row->flags & NVME_FEAT_NS ? NVME_FEATURE_NS_SPECIFIC : 0) |
           (row->flags & CHANGE ? NVME_FEATURE_CHANGEABLE : 0);
}

static uint32_t value_current(struct nvme_cmd *cmd, const struct nvme_feat_row *row) {
    return row->get ? row->get(cmd, nvme_cdw(cmd, 11)) : nvme_cmd_ctrl(cmd)->feats[row_index(row)];
}

static uint32_t value_saved(struct nvme_cmd *cmd, const struct nvme_feat_row *row) {
    if (row->flags & NVME_FEAT_NS)
        return cmd->ns->durable->error_recovery_saved;
    return saved_of(nvme_cmd_ctrl(cmd), row);
}

struct nvme_status nvme_get_features(struct nvme_cmd *cmd) {
    const struct nvme_feat_row *row;
    uint32_t sel = nvme_cdw(cmd, 10) >> 8 & 7;
    struct nvme_status st = feat_of(cmd, &row);
    if (st.v)
        return st;
    if (cmd->xfer_bytes && !nvme_cmd_buffer(cmd, cmd->xfer_bytes, &st))
        return st;
    if (sel == NVME_SEL_CURRENT)
        nvme_cmd_result(cmd, value_current(cmd, row));
    else if (sel == NVME_SEL_DEFAULT)
        nvme_cmd_result(cmd, default_of(nvme_cmd_ctrl(cmd), row));
    else if (sel == NVME_SEL_SAVED)
        nvme_cmd_result(cmd, value_saved(cmd, row));
    else
        nvme_cmd_result(cmd, capabilities(nvme_cmd_ctrl(cmd), row));
    return NVME_OK;
}
