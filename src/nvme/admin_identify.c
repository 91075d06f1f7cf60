/*
 * Identify: one row per CNS value. What is announced here is what the rest of
 * the controller does; limits come from the functions that enforce them.
 */
#include <string.h>

#include "nvme/nvme_int.h"

#define NVMSET_ID 1 /* the whole drive; in endurance group 1 */

static void pad(char *field, size_t size, const char *text) {
    size_t len = strnlen(text, size);
    memset(field, ' ', size);
    memcpy(field, text, len);
}

static unsigned log2_of(uint64_t x) {
    return 63u - (unsigned)__builtin_clzll(x);
}

/* ---- 01h: controller ---- */

static void ctrl_common(const struct nvme_ctrl *ctrl, struct nvme_id_ctrl *id) {
    pad(id->fr, sizeof id->fr, DRIVELAB_VERSION);
    id->mdts = (uint8_t)(log2_of(nvme_ctrl_mdts(ctrl)) - 12);
    id->cntlid = le16_from(ctrl->cntlid);
    id->ver = le32_from(NVME_VERSION_2_0);
    id->aerl = NVME_AER_MAX - 1;
    id->elpe = NVME_ERRORS - 1;
    id->lpa = NVME_LPA_EXTENDED | NVME_LPA_LID_SUPPORTED;
    id->kas = le16_from(NVME_KAS_MS / 100);
    id->ctratt = le32_from(NVME_CTRATT_HOSTID_128 | NVME_CTRATT_TBKAS);
    id->maxcmd = le16_from((uint16_t)nvme_ctrl_max_entries(ctrl));
    id->sgls = le32_from(NVME_SGLS_SUPPORTED | NVME_SGLS_OFFSET | NVME_SGLS_TRANSPORT);
    snprintf(id->subnqn, sizeof id->subnqn, "%s", nvme_ctrl_nqn(ctrl));
    id->ioccsz = le32_from((64 + ctrl->queues[0]->max_in_capsule) / 16);
    id->iorcsz = le32_from(1);
    id->msdbd = 1;
    id->ofcs = le16_from(1); /* Disconnect */
}

static void ctrl_io(const struct nvme_ctrl *ctrl, struct nvme_id_ctrl *id) {
    const struct nvme_subsystem *s = ctrl->subsystem;
    pad(id->sn, sizeof id->sn, s->config.serial);
    pad(id->mn, sizeof id->mn, s->drive->config.drive.model);
    id->rab = 6;
    id->ieee[2] = 0x52; /* locally administered, as in the identifiers */
    id->cmic = s->config.multipath == NVME_MULTIPATH_YES ? 1u << 1 : 0; /* several controllers */
    id->oaes = le32_from(NVME_OAES_NS_ATTRIBUTE | (s->zoned ? NVME_OAES_ZONES : 0));
    id->ctratt = le32_from(le32_get(id->ctratt) | NVME_CTRATT_NVM_SETS | NVME_CTRATT_ENDURANCE_GROUP);
    id->cntrltype = NVME_CNTRLTYPE_IO;
    id->oacs = le16_from(NVME_OACS_FORMAT);
    id->acl = 3;
    id->frmw = 1u << 1 | 1; /* one slot, read only */
    id->lpa |= NVME_LPA_EFFECTS;
    id->wctemp = le16_from(NVME_WARN_K);
    id->cctemp = le16_from(NVME_CRITICAL_K);
    id->tnvmcap.lo = id->megcap.lo = le64_from(s->drive->capacity);
    id->nsetidmax = le16_from(NVMSET_ID);
    id->endgidmax = le16_from(1);
    id->sqes = 0x66;
    id->cqes = 0x44;
    id->nn = id->mnan = le32_from(s->ns_count);
    id->oncs = le16_from(NVME_ONCS_COMPARE | NVME_ONCS_WRITE_UNC | NVME_ONCS_DSM | NVME_ONCS_WRITE_ZEROES |
                         NVME_ONCS_SAVE_SELECT | NVME_ONCS_TIMESTAMP | NVME_ONCS_VERIFY | NVME_ONCS_COPY);
    id->vwc = (uint8_t)(3u << 1 | (s->limits.volatile_cache ? 1 : 0)); /* Flush takes NSID FFFFFFFFh */
    id->ocfs = le16_from(1);
    id->psd[0].mp = le16_from(2500);
}

static struct nvme_status fill_ctrl(struct nvme_cmd *cmd, void *page) {
    const struct nvme_ctrl *ctrl = nvme_cmd_ctrl(cmd);
    struct nvme_id_ctrl *id = page;
    ctrl_common(ctrl, id);
    if (ctrl->subsystem) {
        ctrl_io(ctrl, id);
        return NVME_OK;
    }
    pad(id->sn, sizeof id->sn, "discovery");
    pad(id->mn, sizeof id->mn, "drivelab discovery controller");
    id->cntrltype = NVME_CNTRLTYPE_DISCOVERY;
    id->oaes = le32_from(NVME_OAES_DISCOVERY);
    return NVME_OK;
}

/* ---- 00h, 05h, 08h, 09h, 0Ah, 11h, 1Bh: namespace ---- */

/* In blocks, as zero-based 16-bit field. */
static le16 blocks_z(const struct nvme_ns *ns, uint64_t bytes) {
    uint64_t blocks = bytes >> ns->lba_shift;
    return le16_from((uint16_t)(blocks ? (blocks > 0x10000 ? 0xffff : blocks - 1) : 0));
}

static uint8_t progress_of(const struct nvme_ns *ns) {
    if (!ns->busy)
        return 0x80;
    return (uint8_t)(0x80 | (100 - ns->format.cursor * 100 / ns->bytes));
}

/* What does not depend on the namespace but on the block size its formats have. */
static void ns_capabilities(const struct nvme_ns *ns, struct nvme_id_ns *id) {
    const struct drive_limits *limits = &ns->subsystem->limits;
    bool fine = limits->granularity <= 512;
    id->nsfeat = NVME_NSFEAT_DEALLOC | NVME_NSFEAT_OPTPERF;
    id->dlfeat = NVME_DLFEAT_ZEROES | NVME_DLFEAT_WZ_DEAC;
    id->npwg = id->npwa = blocks_z(ns, limits->granularity);
    id->npdg = id->npda = blocks_z(ns, limits->trim_granularity);
    id->nows = blocks_z(ns, limits->optimal_write_bytes);
    id->mssrl = le16_from((uint16_t)nvme_copy_range_lbas(ns));
    id->mcl = le32_from(nvme_copy_total_lbas(ns));
    id->msrc = NVME_COPY_RANGES - 1;
    id->nlbaf = NVME_LBA_FORMATS - 1;
    id->lbaf[0] = (struct nvme_lbaf){.lbads = 9, .rp = fine ? 0 : 2};
    id->lbaf[1] = (struct nvme_lbaf){.lbads = 12, .rp = 0};
}

static uint8_t nmic_of(const struct nvme_ns *ns) {
    return ns->subsystem->config.multipath == NVME_MULTIPATH_YES ? NVME_NMIC_SHARED : 0;
}

static struct nvme_status fill_ns(struct nvme_cmd *cmd, void *page) {
    struct nvme_id_ns *id = page;
    const struct nvme_ns *ns = cmd->ns;
    ns_capabilities(ns, id);
    id->nsze = id->ncap = id->nuse = le64_from(ns->nsze);
    id->flbas = ns->lba_shift == 12;
    id->nmic = nmic_of(ns);
    id->fpi = progress_of(ns);
    id->nvmcap.lo = le64_from(ns->bytes);
    id->nvmsetid = le16_from(NVMSET_ID);
    id->endgid = le16_from(1);
    memcpy(id->nguid, ns->nguid, sizeof id->nguid);
    memcpy(id->eui64, ns->eui64, sizeof id->eui64);
    return NVME_OK;
}

static struct nvme_status fill_independent_ns(struct nvme_cmd *cmd, void *page) {
    struct nvme_id_independent_ns *id = page;
    id->nsfeat = cmd->ns->subsystem->limits.rotational ? NVME_NSFEAT_ROTATIONAL : 0;
    id->nmic = nmic_of(cmd->ns);
    id->fpi = progress_of(cmd->ns);
    id->nvmsetid = le16_from(NVMSET_ID);
    id->endgid = le16_from(1);
    id->nstat = 1; /* ready */
    return NVME_OK;
}

static uint32_t csi_of(const struct nvme_cmd *cmd) {
    return nvme_cdw(cmd, 11) >> 24;
}

static struct nvme_status need_csi(struct nvme_cmd *cmd) {
    const struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
    if (nvme_csi_supported(s, csi_of(cmd)))
        return NVME_OK;
    return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw11) + 3, "command set %02xh; %s", csi_of(cmd),
                     nvme_csi_choice(s));
}

/*
 * The NVM command set has nothing to add: no protection information, no storage
 * tags. Zoned namespaces have its data too (ZNS 1.1, section 4.1.5).
 */
static struct nvme_status fill_cs_ns(struct nvme_cmd *cmd, void *page) {
    struct nvme_status st = need_csi(cmd);
    if (!st.v && csi_of(cmd) == NVME_CSI_ZNS)
        nvme_zns_id_ns(cmd->ns, page);
    return st;
}

/* The format index of 09h and 0Ah: no namespace, only what one of that format could do. */
static struct nvme_status need_format(struct nvme_cmd *cmd, uint32_t *index) {
    *index = nvme_cdw(cmd, 11) & 0xffff;
    if (*index >= NVME_LBA_FORMATS)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw11), "format index %u; 0 to %u exist", *index,
                         NVME_LBA_FORMATS - 1);
    return need_csi(cmd);
}

static struct nvme_status fill_ns_format(struct nvme_cmd *cmd, void *page) {
    uint32_t index;
    struct nvme_status st = need_format(cmd, &index);
    struct nvme_ns any = {.subsystem = nvme_cmd_subsystem(cmd), .lba_shift = nvme_format_shift(index)};
    if (!st.v)
        ns_capabilities(&any, page);
    return st;
}

static struct nvme_status fill_cs_ns_format(struct nvme_cmd *cmd, void *page) {
    uint32_t index;
    struct nvme_status st = need_format(cmd, &index);
    const struct nvme_ns any = {.subsystem = nvme_cmd_subsystem(cmd), .lba_shift = nvme_format_shift(index)};
    if (!st.v && csi_of(cmd) == NVME_CSI_ZNS)
        nvme_zns_id_ns(&any, page);
    return st;
}

static struct nvme_status fill_cs_ctrl(struct nvme_cmd *cmd, void *page) {
    struct nvme_id_ctrl_nvm *id = page;
    struct nvme_status st = need_csi(cmd);
    if (!st.v && csi_of(cmd) == NVME_CSI_ZNS)
        nvme_zns_id_ctrl(nvme_cmd_subsystem(cmd), page);
    else
        id->vsl = id->wzsl = id->wusl = NVME_RANGE_LIMIT_SHIFT - 12;
    return st;
}

/* ---- Lists ---- */

static struct nvme_status list_ns(struct nvme_cmd *cmd, void *page) {
    struct nvme_ns_list *list = page;
    uint32_t after = le32_get(cmd->sqe.nsid);
    if (after >= 0xfffffffe)
        return nvme_fail(cmd, NVME_SC_INVALID_NS, NVME_LOC(nsid), "a list after NSID %xh", after);
    for (uint32_t nsid = after + 1, n = 0; nsid <= nvme_cmd_subsystem(cmd)->ns_count; nsid++)
        list->ns[n++] = le32_from(nsid);
    return NVME_OK;
}

/* All namespaces of a subsystem have the same command set. */
static struct nvme_status list_cs_ns(struct nvme_cmd *cmd, void *page) {
    struct nvme_status st = need_csi(cmd);
    return st.v || csi_of(cmd) != nvme_cmd_subsystem(cmd)->ns[0].csi ? st : list_ns(cmd, page);
}

static uint8_t *describe(uint8_t *at, enum nvme_nidt type, const void *id, uint8_t bytes) {
    at[0] = (uint8_t)type;
    at[1] = bytes;
    memcpy(at + 4, id, bytes);
    return at + 4 + bytes;
}

static struct nvme_status list_descriptors(struct nvme_cmd *cmd, void *page) {
    const struct nvme_ns *ns = cmd->ns;
    uint8_t *at = page;
    at = describe(at, NVME_NIDT_EUI64, ns->eui64, sizeof ns->eui64);
    at = describe(at, NVME_NIDT_NGUID, ns->nguid, sizeof ns->nguid);
    at = describe(at, NVME_NIDT_UUID, ns->uuid, sizeof ns->uuid);
    describe(at, NVME_NIDT_CSI, &ns->csi, 1);
    return NVME_OK;
}

/* Ascending, from CNTID on; controllers of this subsystem. */
static struct nvme_status list_ctrls(struct nvme_cmd *cmd, void *page) {
    struct nvme_ctrl_list *list = page;
    uint32_t next = nvme_cdw(cmd, 10) >> 16, n = 0;
    for (bool found = true; found && n < 2047;) {
        uint32_t best = 0x10000;
        for (const struct nvme_ctrl *c = cmd->queue->target->ctrls; c; c = c->next)
            if (c->subsystem == nvme_cmd_subsystem(cmd) && c->cntlid >= next && c->cntlid < best)
                best = c->cntlid;
        found = best < 0x10000;
        if (found)
            list->identifier[n++] = le16_from((uint16_t)best);
        next = best + 1;
    }
    list->num = le16_from((uint16_t)n);
    return NVME_OK;
}

/* One set is all there is: every namespace shares all dies. */
static struct nvme_status list_nvm_sets(struct nvme_cmd *cmd, void *page) {
    const struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
    struct nvme_id_nvmset *list = page;
    if ((nvme_cdw(cmd, 11) & 0xffff) > NVMSET_ID)
        return NVME_OK;
    list->nid = 1;
    list->ent[0].id = le16_from(NVMSET_ID);
    list->ent[0].endgid = le16_from(1);
    list->ent[0].optimal_write_size = le32_from(s->limits.optimal_write_bytes);
    list->ent[0].tnvmsetcap.lo = le64_from(s->drive->capacity);
    return NVME_OK;
}

static struct nvme_status list_endurance_groups(struct nvme_cmd *cmd, void *page) {
    struct nvme_id_endurance_group_list *list = page;
    if ((nvme_cdw(cmd, 11) & 0xffff) <= 1) {
        list->num = le16_from(1);
        list->identifier[0] = le16_from(1);
    }
    return NVME_OK;
}

static struct nvme_status list_command_sets(struct nvme_cmd *cmd, void *page) {
    struct nvme_id_iocs *iocs = page;
    iocs->iocsc[0] = le64_from(1u << NVME_CSI_NVM | (nvme_cmd_subsystem(cmd)->zoned ? 1u << NVME_CSI_ZNS : 0));
    return NVME_OK;
}

/* ---- What is refused though hosts ask: the controller says in Identify that it is not there. ---- */

static struct nvme_status no_namespace_management(struct nvme_cmd *cmd, void *page) {
    return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw10),
                     "no namespace granularity (CTRATT bit 7): namespaces are made by nvme.namespaces, not by hosts");
}

static struct nvme_status no_virtualization(struct nvme_cmd *cmd, void *page) {
    return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw10), "no virtualization management (OACS bit 7)");
}

static struct nvme_status no_uuids(struct nvme_cmd *cmd, void *page) {
    return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw10), "no UUID list (CTRATT bit 9)");
}

static struct nvme_status no_domains(struct nvme_cmd *cmd, void *page) {
    return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw10), "no domains (CTRATT bit 10)");
}

/* ---- The table ---- */

const struct nvme_cns_row nvme_cnses[] = {
    {NVME_CNS_NS, "namespace", false, true, fill_ns},
    {NVME_CNS_CTRL, "controller", true, false, fill_ctrl},
    {NVME_CNS_ACTIVE_NS_LIST, "active namespaces", false, false, list_ns},
    {NVME_CNS_NS_DESC_LIST, "namespace identification descriptors", false, true, list_descriptors},
    {NVME_CNS_NVMSET_LIST, "NVM sets: one, with everything in it", false, false, list_nvm_sets},
    {NVME_CNS_CS_NS, "namespace, by command set", false, true, fill_cs_ns},
    {NVME_CNS_CS_CTRL, "controller, by command set", false, false, fill_cs_ctrl},
    {NVME_CNS_CS_ACTIVE_NS_LIST, "active namespaces of a command set", false, false, list_cs_ns},
    {NVME_CNS_INDEPENDENT_NS, "namespace, independent of command set", false, true, fill_independent_ns},
    {NVME_CNS_NS_FORMAT, "namespace of a format index", false, false, fill_ns_format},
    {NVME_CNS_CS_NS_FORMAT, "namespace of a format index, by command set", false, false, fill_cs_ns_format},
    {NVME_CNS_ALLOCATED_NS_LIST, "allocated namespaces", false, false, list_ns},
    {NVME_CNS_ALLOCATED_NS, "allocated namespace", false, true, fill_ns},
    {NVME_CNS_NS_CTRL_LIST, "controllers of a namespace", false, true, list_ctrls},
    {NVME_CNS_CTRL_LIST, "controllers", false, false, list_ctrls},
    {NVME_CNS_PRIMARY_CTRL_CAPS, "primary controller capabilities: refused, no virtualization management", false, false,
     no_virtualization},
    {NVME_CNS_SECONDARY_CTRL_LIST, "secondary controllers: refused, no virtualization management", false, false,
     no_virtualization},
    {NVME_CNS_NS_GRANULARITY, "namespace granularity: refused, no namespace management", false, false,
     no_namespace_management},
    {NVME_CNS_UUID_LIST, "UUIDs: refused, none are used", false, false, no_uuids},
    {NVME_CNS_DOMAIN_LIST, "domains: refused, there are none", false, false, no_domains},
    {NVME_CNS_ENDURANCE_GROUP_LIST, "endurance groups", false, false, list_endurance_groups},
    {NVME_CNS_CS_ALLOCATED_NS_LIST, "allocated namespaces of a command set", false, false, list_cs_ns},
    {NVME_CNS_CS_ALLOCATED_NS, "allocated namespace, by command set", false, true, fill_cs_ns},
    {NVME_CNS_IOCS, "I/O command sets", false, false, list_command_sets},
    {.name = NULL},
};

static const struct nvme_cns_row *cns_find(const struct nvme_cmd *cmd) {
    uint8_t cns = (uint8_t)nvme_cdw(cmd, 10);
    for (const struct nvme_cns_row *row = nvme_cnses; row->name; row++)
        if (row->cns == cns)
            return row->discovery || nvme_cmd_subsystem(cmd) ? row : NULL;
    return NULL;
}

struct nvme_status nvme_identify_prepare(struct nvme_cmd *cmd) {
    const struct nvme_cns_row *row = cns_find(cmd);
    uint32_t nsid = le32_get(cmd->sqe.nsid);
    if (!row)
        return nvme_fail(cmd, NVME_SC_INVALID_FIELD, NVME_LOC(cdw10), "CNS %02xh is not supported",
                         nvme_cdw(cmd, 10) & 0xff);
    if (row->ns) {
        struct nvme_subsystem *s = nvme_cmd_subsystem(cmd);
        if (nsid - 1 >= s->ns_count)
            return nvme_fail(cmd, NVME_SC_INVALID_NS, NVME_LOC(nsid), "NSID %u, valid are 1 to %u", nsid, s->ns_count);
        cmd->ns = &s->ns[nsid - 1];
    }
    cmd->xfer_bytes = NVME_IDENTIFY_BYTES;
    return NVME_OK;
}

struct nvme_status nvme_identify(struct nvme_cmd *cmd) {
    struct nvme_status st = NVME_OK;
    void *page = nvme_cmd_buffer(cmd, NVME_IDENTIFY_BYTES, &st);
    return page ? cns_find(cmd)->fill(cmd, page) : st;
}
