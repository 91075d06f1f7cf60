/*
 * Identify data of the Zoned Namespace command set: ZNS 1.1, figures 48 and 50;
 * fields from NUMZRWA on by TP4076.
 *
 * NUMZRWA is the count itself, as QEMU tells and libnvme prints it; implementations
 * disagree and the text of TP4076 is not public.
 */
#include "nvme/nvme_int.h"

bool nvme_csi_supported(const struct nvme_subsystem *s, uint32_t csi) {
    return csi == NVME_CSI_NVM || (csi == NVME_CSI_ZNS && s->zoned);
}

const char *nvme_csi_choice(const struct nvme_subsystem *s) {
    return s->zoned ? "00h (NVM) and 02h (zoned namespaces) exist" : "00h (NVM) is the only one";
}

static le32 limit_z(uint32_t limit) {
    return le32_from(limit ? limit - 1 : UINT32_MAX);
}

static void fill_zrwa(const struct nvme_ns *ns, const struct drive_zoned_limits *l, struct nvme_id_ns_zns *id) {
    if (!l->zrwa_zones)
        return;
    id->numzrwa = le32_from(l->zrwa_zones);
    id->zrwafg = le16_from((uint16_t)(l->zrwa_granularity >> ns->lba_shift));
    id->zrwasz = le16_from((uint16_t)(l->zrwa_bytes >> ns->lba_shift));
    id->zrwacap = l->zrwa_explicit_flush ? NVME_ZRWACAP_EXPLICIT : 0;
}

void nvme_zns_id_ns(const struct nvme_ns *ns, struct nvme_id_ns_zns *id) {
    const struct drive_zoned_limits *l = &ns->subsystem->zones;
    id->zoc = le16_from((l->variable_capacity ? NVME_ZOC_VZC : 0) | (l->excursions ? NVME_ZOC_ZAE : 0));
    id->ozcs = le16_from((l->read_across ? NVME_OZCS_RAZB : 0) | (l->zrwa_zones ? NVME_OZCS_ZRWASUP : 0));
    id->mar = limit_z(l->max_active);
    id->mor = limit_z(l->max_open);
    id->rrl = le32_from(l->reset_limits_s[0]);
    id->rrl1 = le32_from(l->reset_limits_s[1]);
    id->rrl2 = le32_from(l->reset_limits_s[2]);
    id->rrl3 = le32_from(l->reset_limits_s[3]);
    id->frl = le32_from(l->finish_limits_s[0]);
    id->frl1 = le32_from(l->finish_limits_s[1]);
    id->frl2 = le32_from(l->finish_limits_s[2]);
    id->frl3 = le32_from(l->finish_limits_s[3]);
    fill_zrwa(ns, l, id);
    for (uint32_t i = 0; i < NVME_LBA_FORMATS; i++) {
        id->lbafe[i].zsze = le64_from(l->zone_bytes >> nvme_format_shift(i));
        id->lbafe[i].zdes = (uint8_t)(l->extension_bytes / ZONE_EXTENSION_UNIT);
    }
}

void nvme_zns_id_ctrl(const struct nvme_subsystem *s, struct nvme_id_ctrl_zns *id) {
    if (s->zones.append_bytes)
        id->zasl = (uint8_t)(63 - __builtin_clzll(s->zones.append_bytes) - 12);
}
