/* Zoned namespaces as wholes: what Identify and the logs say, formats, shutdowns and resets, events. */
#include <unistd.h>

#include "nvme/nvme_int.h"
#include "nvme_zoned.h"

#define ARGS(...)  ((const char *const[]){__VA_ARGS__, NULL})
#define SLBA(zone) ((uint64_t)(zone)*ZONED_LBAS)

/* ---- Identify ---- */

static const struct nvme_id_ns_zns *id_ns(struct bed *bed) {
    assert_int_equal(bed_identify(bed, NVME_CNS_CS_NS, 1, NVME_CSI_ZNS << 24), 0);
    return bed_out(bed, 0);
}

static void test_nvme_zns_rule39_identify_tells_the_limits(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("zns.extension_bytes=192", "zns.zrwa_zones=2", "zns.zrwa_bytes=64KiB",
                                           "zns.zrwa_granularity=16KiB", "zns.read_across=yes"));
    const struct nvme_id_ns_zns *id = id_ns(bed);
    assert_int_equal(le16_get(id->zoc), 0);
    assert_int_equal(le16_get(id->ozcs), NVME_OZCS_RAZB | NVME_OZCS_ZRWASUP);
    assert_int_equal(le32_get(id->mar), ZONED_ACTIVE - 1);
    assert_int_equal(le32_get(id->mor), ZONED_OPEN - 1);
    assert_int_equal(le32_get(id->numzrwa), 2);
    assert_int_equal(le16_get(id->zrwasz), 16);
    assert_int_equal(le16_get(id->zrwafg), 4);
    assert_int_equal(id->zrwacap, NVME_ZRWACAP_EXPLICIT);
    assert_int_equal(le64_get(id->lbafe[0].zsze), 8 * ZONED_LBAS); /* 512 bytes */
    assert_int_equal(le64_get(id->lbafe[1].zsze), ZONED_LBAS);
    assert_int_equal(id->lbafe[1].zdes, 3);
    bed_free(bed);
    bed = zoned_new(NULL, ARGS("zns.max_active=0", "zns.max_open=0"));
    assert_int_equal(le32_get(id_ns(bed)->mar), UINT32_MAX);
    assert_int_equal(le32_get(id_ns(bed)->mor), UINT32_MAX);
    bed_free(bed);
}

static void test_nvme_zns_rule41_identify_of_excursions(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("zns.excursions=yes", "zns.variable_capacity=yes",
                                           "zns.finish_recommend_after=100s", "zns.reset_recommend_after=300s"));
    assert_int_equal(le16_get(id_ns(bed)->zoc), NVME_ZOC_VZC | NVME_ZOC_ZAE);
    bed_free(bed);
}

/* FRL: seconds from recommending to finish a zone until the drive does it, rounded up. */
static void test_nvme_zns_rule41_identify_of_time_limits(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("zns.excursions=yes", "zns.finish_recommend_after=100s",
                                           "zns.finish_after=160001ms", "zns.reset_recommend_after=300s"));
    const struct nvme_id_ns_zns *id = id_ns(bed);
    assert_int_equal(le32_get(id->frl), 61);
    assert_int_equal(le32_get(id->frl1) | le32_get(id->frl2) | le32_get(id->frl3), 0);
    assert_int_equal(le32_get(id->rrl), 0);      /* nothing happens to Full zones that are not reset */
    for (uint32_t i = 0; i < ZONE_LIMITS; i++) { /* a drive that tells all of them */
        bed->subsystem->zones.reset_limits_s[i] = 0x01020304 + i;
        bed->subsystem->zones.finish_limits_s[i] = 0xf1020304 + i;
    }
    id = id_ns(bed);
    static const unsigned reset_at[] = {12, 20, 24, 28}, finish_at[] = {16, 32, 36, 40};
    for (uint32_t i = 0; i < ZONE_LIMITS; i++) {
        const uint8_t *reset = (const uint8_t *)id + reset_at[i], *finish = (const uint8_t *)id + finish_at[i];
        assert_int_equal(reset[0] | reset[1] << 8 | reset[2] << 16 | reset[3] << 24, 0x01020304 + i);
        assert_int_equal(finish[0], 4 + i);
        assert_int_equal(finish[3], 0xf1);
    }
    bed_free(bed);
}

/* Those limits are kept: recommended first, finished when FRL is over. */
static void test_nvme_zns_rule41_attributes_at_their_times(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("zns.excursions=yes", "zns.finish_recommend_after=2s", "zns.finish_after=5s",
                                           "zns.reset_recommend_after=4s"));
    assert_int_equal(le32_get(id_ns(bed)->frl), 3);
    assert_int_equal(zoned_write(bed, SLBA(1), 8), 0);
    int64_t from = sim_now(bed->sim);
    static const struct {
        int64_t ms;
        uint8_t state, attributes;
    } at[] = {{1900, ZONE_STATE_IMPLICIT_OPEN, 0},
              {2100, ZONE_STATE_IMPLICIT_OPEN, ZONE_FINISH_RECOMMENDED},
              {4900, ZONE_STATE_IMPLICIT_OPEN, ZONE_FINISH_RECOMMENDED},
              {5100, ZONE_STATE_FULL, ZONE_FINISHED_BY_CONTROLLER},
              {8900, ZONE_STATE_FULL, ZONE_FINISHED_BY_CONTROLLER},
              {9100, ZONE_STATE_FULL, ZONE_FINISHED_BY_CONTROLLER | ZONE_RESET_RECOMMENDED}};
    for (unsigned i = 0; i < sizeof at / sizeof *at; i++) {
        sim_run(bed->sim, from + at[i].ms * 1000000);
        assert_int_equal(zoned_state(bed, 1), at[i].state);
        assert_int_equal(zoned_zone(bed, 1).za, at[i].attributes);
        assert_int_equal(zoned_zone(bed, 1).zai, 0); /* the first of the limits */
    }
    bed_free(bed);
}

static void test_nvme_zns_command_sets_of_the_controller(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("nvme.namespaces=2"));
    uint64_t cap;
    assert_int_equal(bed_property_get(bed, 0, NVME_PROP_CAP, &cap), 0);
    assert_true(cap & NVME_CAP_CSS_IOCS);
    assert_true(cap & NVME_CAP_NSSRS);
    assert_int_equal(bed_identify(bed, NVME_CNS_IOCS, 0, 0), 0);
    assert_int_equal(le64_get(((struct nvme_id_iocs *)bed_out(bed, 0))->iocsc[0]), 5);
    assert_int_equal(bed_set_feature(bed, NVME_FID_IOCS_PROFILE, 0, false), 0);
    assert_int_equal(bed_set_feature(bed, NVME_FID_IOCS_PROFILE, 1, false), NVME_SC_IOCS_COMBINATION_REJECTED);
    const struct nvme_ns_list *list = bed_out(bed, 0);
    assert_int_equal(bed_identify(bed, NVME_CNS_CS_ACTIVE_NS_LIST, 0, NVME_CSI_ZNS << 24), 0);
    assert_int_equal(le32_get(list->ns[0]), 1);
    assert_int_equal(le32_get(list->ns[1]), 2);
    assert_int_equal(bed_identify(bed, NVME_CNS_CS_ACTIVE_NS_LIST, 0, NVME_CSI_NVM << 24), 0);
    assert_int_equal(le32_get(list->ns[0]), 0);
    assert_int_equal(bed_identify(bed, NVME_CNS_CS_ALLOCATED_NS, 2, NVME_CSI_ZNS << 24), 0);
    assert_int_equal(bed_identify(bed, NVME_CNS_CS_NS_FORMAT, 0, NVME_CSI_ZNS << 24 | 1), 0);
    assert_int_equal(le32_get(((struct nvme_id_ns_zns *)bed_out(bed, 0))->mar), ZONED_ACTIVE - 1);
    assert_int_equal(bed_identify(bed, NVME_CNS_CS_NS, 1, NVME_CSI_NVM << 24), 0); /* it has that one too */
    assert_int_equal(bed_identify(bed, NVME_CNS_CS_NS, 1, NVME_CSI_KV << 24), NVME_SC_INVALID_FIELD);
    assert_int_equal(bed_identify(bed, NVME_CNS_NS_DESC_LIST, 1, 0), 0);
    const uint8_t *desc = bed_out(bed, 0);
    while (desc[0] != NVME_NIDT_CSI)
        desc += 4 + desc[1];
    assert_int_equal(desc[4], NVME_CSI_ZNS);
    bed_free(bed);
}

static const struct nvme_effects_log *effects(struct bed *bed, uint32_t csi) {
    struct nvme_sqe sqe = bed_sqe(NVME_ADMIN_GET_LOG_PAGE, NVME_NSID_ALL, NVME_LID_EFFECTS | 1023u << 16, 0, 0);
    sqe.cdw14 = le32_from(csi << 24);
    assert_int_equal(bed_do(bed, 0, &sqe, NULL), 0);
    return bed_out(bed, 0);
}

static void test_nvme_zns_rule47_effects_of_the_command_set(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    const struct nvme_effects_log *log = effects(bed, NVME_CSI_ZNS);
    assert_int_equal(le32_get(log->iocs[NVME_IO_ZONE_APPEND]), NVME_EFFECT_CSUPP | NVME_EFFECT_LBCC);
    assert_int_equal(le32_get(log->iocs[NVME_IO_ZONE_SEND]), NVME_EFFECT_CSUPP | NVME_EFFECT_LBCC);
    assert_int_equal(le32_get(log->iocs[NVME_IO_ZONE_RECEIVE]), NVME_EFFECT_CSUPP);
    assert_int_equal(le32_get(log->iocs[NVME_IO_WRITE]), NVME_EFFECT_CSUPP | NVME_EFFECT_LBCC);
    log = effects(bed, NVME_CSI_NVM);
    assert_int_equal(le32_get(log->iocs[NVME_IO_ZONE_APPEND]), 0);
    assert_int_equal(le32_get(log->iocs[NVME_IO_READ]), NVME_EFFECT_CSUPP);
    bed_free(bed);
}

static void test_nvme_zns_what_does_not_fit_is_refused_at_start(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    struct err e = {0};
    struct nvme_config config = bed->config;
    snprintf(config.nqn, sizeof config.nqn, "nqn.2024-01.example:other");
    config.namespaces = ZONED_ZONES + 1;
    assert_null(nvme_subsystem_new(bed->target, &config, bed->drive, &e));
    assert_non_null(strstr(e.text, "cannot share 16 zones"));
    config.namespaces = 1;
    config.mdts = 65536;
    assert_null(nvme_subsystem_new(bed->target, &config, bed->drive, &e));
    assert_non_null(strstr(e.text, "zns.append_limit"));
    config = bed->config;
    snprintf(config.nqn, sizeof config.nqn, "nqn.2024-01.example:other");
    struct zns_config *zns = &bed->drive->config.zns, before = *zns;
    zns->zrwa_zones = 2;
    zns->zrwa_bytes = 64 << 10;
    zns->zrwa_granularity = 512; /* no number of blocks once formatted to 4 KiB */
    assert_null(nvme_subsystem_new(bed->target, &config, bed->drive, &e));
    assert_non_null(strstr(e.text, "zns.zrwa_granularity"));
    *zns = before;
    bed_free(bed);
}

/* Write protection, Sanitize, reservations: refused, and not announced. */
static void test_nvme_zns_rules27_37_38_are_not_announced(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(bed_identify(bed, NVME_CNS_CTRL, 0, 0), 0);
    const struct nvme_id_ctrl *id = bed_out(bed, 0);
    assert_int_equal(id->nwpc, 0);
    assert_int_equal(le32_get(id->sanicap), 0);
    assert_int_equal(le16_get(id->oncs) & NVME_ONCS_RESERVATIONS, 0);
    assert_int_equal(bed_set_feature(bed, 0x84, 1, false), NVME_SC_INVALID_FIELD);
    struct nvme_sqe sanitize = bed_sqe(NVME_ADMIN_SANITIZE, 0, 2, 0, 0);
    assert_int_equal(bed_do(bed, 0, &sanitize, NULL), NVME_SC_INVALID_OPCODE);
    struct nvme_sqe reservation = bed_sqe(NVME_IO_RESERVATION_REPORT, 1, 0, 0, 0);
    assert_int_equal(bed_do(bed, 1, &reservation, NULL), NVME_SC_INVALID_OPCODE);
    bed_free(bed);
}

/* ---- Several namespaces ---- */

static void test_nvme_zns_namespaces_divide_the_zones(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("nvme.namespaces=3"));
    for (uint32_t nsid = 1; nsid <= 3; nsid++) {
        assert_int_equal(zoned_receive(bed, nsid, 0, 4096, 0), 0);
        const struct nvme_zone_report *r = bed_out(bed, 1);
        assert_int_equal(le64_get(r->nr_zones), ZONED_ZONES / 3);
        assert_int_equal(le64_get(((const struct nvme_zone_desc *)(r + 1))->zslba), 0);
        struct nvme_sqe sqe = bed_rw(NVME_IO_WRITE, nsid, SLBA(nsid), 1);
        assert_int_equal(bed_do(bed, 1, &sqe, NULL), 0);
    }
    assert_int_equal(zoned_act(bed, 2, ZONE_OPEN), 0); /* each has limits of its own */
    assert_int_equal(zoned_act(bed, 3, ZONE_OPEN), 0);
    struct nvme_sqe bad = bed_rw(NVME_IO_WRITE, 2, SLBA(2) + 8, 1);
    assert_int_equal(bed_do(bed, 1, &bad, NULL), IO_ZONE_INVALID_WRITE);
    assert_true(zoned_says(bed, "LBA 0x800")); /* counted in its namespace */
    struct nvme_sqe all = bed_sqe(NVME_IO_ZONE_SEND, 2, 0, 0, 0);
    all.cdw13 = le32_from(ZONE_RESET | NVME_ZSEND_ALL);
    assert_int_equal(bed_do(bed, 1, &all, NULL), 0);
    assert_int_equal(zoned_receive(bed, 2, 0, 4096, NVME_ZRASF_EMPTY << 8), 0);
    assert_int_equal(le64_get(((struct nvme_zone_report *)bed_out(bed, 1))->nr_zones), ZONED_ZONES / 3);
    assert_int_equal(zoned_state(bed, 1), ZONE_STATE_IMPLICIT_OPEN); /* of namespace 1 */
    bed_free(bed);
}

/* ---- Format ---- */

static void test_nvme_zns_rule36_format_empties_zones(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(zoned_write(bed, SLBA(1), 8), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_WRITE_UNCORRECTABLE, SLBA(2), 8, NULL), 0);
    assert_int_equal(zoned_act(bed, 3, ZONE_FINISH), 0);
    zoned_fail(bed, 5, ZONE_STATE_OFFLINE);
    struct nvme_sqe format = bed_sqe(NVME_ADMIN_FORMAT_NVM, 1, 0, 0, 0);
    assert_int_equal(bed_do(bed, 0, &format, NULL), 0);
    assert_int_equal(zoned_receive(bed, 1, 0, 4096, 0), 0);
    const struct nvme_zone_desc *z = (const struct nvme_zone_desc *)((struct nvme_zone_report *)bed_out(bed, 1) + 1);
    for (uint32_t i = 0; i < ZONED_ZONES; i++) {
        assert_int_equal(z[i].zs >> 4, i == 5 ? ZONE_STATE_OFFLINE : ZONE_STATE_EMPTY);
        assert_int_equal(le64_get(z[i].zslba), i * 8ull * ZONED_LBAS); /* in blocks of 512 bytes now */
    }
    uint8_t zeros[4096] = {0};
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, 8 * SLBA(1), 8, NULL), 0);
    assert_memory_equal(bed_out(bed, 1), zeros, sizeof zeros);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, 8 * SLBA(2), 8, NULL), 0); /* no mark is left */
    assert_int_equal(zoned_rw(bed, NVME_IO_WRITE, 8 * SLBA(1), 8, NULL), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_WRITE, 8 * SLBA(1) + 1, 8, NULL), IO_ZONE_INVALID_WRITE);
    assert_true(zoned_says(bed, "0x2008")); /* told in the new blocks */
    bed_free(bed);
}

/* Its LBA was one of 512-byte blocks when the pause held it; in blocks of 4 KiB it lies in the next namespace. */
static void test_nvme_zns_held_actions_stay_in_their_namespace(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("nvme.namespaces=2", "drive.lba_bytes=512"));
    enum { SMALL_LBAS = 8 * ZONED_LBAS };
    uint16_t reset, formatted;
    struct nvme_sqe write = bed_rw(NVME_IO_WRITE, 2, 0, 8);
    static const uint8_t data[4096] = {1};
    assert_int_equal(bed_do(bed, 1, &write, data), 0);
    nvme_pause(bed->target);
    struct nvme_sqe sqe = bed_sqe(NVME_IO_ZONE_SEND, 1, SMALL_LBAS, 0, 0),
                    format = bed_sqe(NVME_ADMIN_FORMAT_NVM, 1, 1, 0, 0);
    sqe.cdw13 = le32_from(ZONE_RESET);
    sqe.cid = le16_from(100);
    bed_send(bed, 1, &sqe, NULL, &reset);
    format.cid = le16_from(1);
    bed_send(bed, 0, &format, NULL, &formatted);
    bed_settle(bed);
    assert_int_equal(formatted, 0);
    nvme_resume(bed->target);
    bed_settle(bed);
    assert_int_equal(reset, NVME_SC_LBA_OUT_OF_RANGE);
    struct nvme_sqe read = bed_rw(NVME_IO_READ, 2, 0, 8);
    assert_int_equal(bed_do(bed, 1, &read, NULL), 0);
    assert_memory_equal(bed_out(bed, 1), data, sizeof data);
    bed_free(bed);
}

/* Marks of the end of a zone and of the begin of the next are one range where zones have no gap. */
static void test_nvme_zns_reset_all_forgets_marks_of_each_zone(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("zns.zone_capacity=4MiB", "nand.pages=128"));
    assert_int_equal(zoned_rw(bed, NVME_IO_WRITE_UNCORRECTABLE, 0, 1, NULL), 0); /* the first entry of the table */
    for (uint64_t lba = ZONED_LBAS; lba < 2 * ZONED_LBAS - 1; lba += 31)
        assert_int_equal(zoned_write(bed, lba, lba + 31 < 2 * ZONED_LBAS ? 31 : 2 * ZONED_LBAS - 1 - (uint32_t)lba), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_WRITE_UNCORRECTABLE, 2 * ZONED_LBAS - 1, 1, NULL), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_WRITE_UNCORRECTABLE, 2 * ZONED_LBAS, 1, NULL), 0);
    assert_int_equal(zoned_send(bed, 0, ZONE_RESET | NVME_ZSEND_ALL, NULL), 0);
    for (uint32_t zone = 0; zone < 3; zone++)
        assert_int_equal(zoned_rw(bed, NVME_IO_READ, zone * (uint64_t)ZONED_LBAS, 1, NULL), 0);
    bed_free(bed);
}

static void test_nvme_zns_format_refuses_what_comes_meanwhile(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    uint16_t formatted, during[4];
    assert_int_equal(zoned_write(bed, SLBA(1), 8), 0);
    struct nvme_sqe format = bed_sqe(NVME_ADMIN_FORMAT_NVM, 1, 1, 0, 0);
    format.cid = le16_from(1);
    bed_send(bed, 0, &format, NULL, &formatted);
    struct nvme_sqe sqe[4] = {bed_rw(NVME_IO_ZONE_APPEND, 1, 0, 1), bed_sqe(NVME_IO_ZONE_RECEIVE, 1, 0, 0, 1023),
                              bed_sqe(NVME_IO_ZONE_SEND, 1, 0, 0, 0), bed_rw(NVME_IO_WRITE, 1, 0, 1)};
    sqe[2].cdw13 = le32_from(ZONE_OPEN);
    for (unsigned i = 0; i < 4; i++) {
        sqe[i].cid = le16_from((uint16_t)(10 + i));
        bed_send(bed, 1, &sqe[i], NULL, &during[i]);
        assert_int_equal(during[i], NVME_SC_FORMAT_IN_PROGRESS);
    }
    bed_settle(bed);
    assert_int_equal(formatted, 0);
    bed_free(bed);
}

/* ---- Shutdown and resets ---- */

static void leave_zones(struct bed *bed) {
    assert_int_equal(zoned_write(bed, SLBA(1), 8), 0); /* implicitly open, written */
    assert_int_equal(zoned_act(bed, 2, ZONE_OPEN), 0); /* explicitly open, empty */
    assert_int_equal(zoned_act(bed, 3, ZONE_FINISH), 0);
    zoned_fail(bed, 4, ZONE_STATE_READ_ONLY);
    zoned_fail(bed, 5, ZONE_STATE_OFFLINE);
}

static void zones_are(struct bed *bed, uint8_t one, uint8_t two) {
    assert_int_equal(zoned_state(bed, 1), one);
    assert_int_equal(le64_get(zoned_zone(bed, 1).wp), SLBA(1) + 8);
    assert_int_equal(zoned_state(bed, 2), two);
    assert_int_equal(zoned_state(bed, 3), ZONE_STATE_FULL);
    assert_int_equal(zoned_state(bed, 4), ZONE_STATE_READ_ONLY);
    assert_int_equal(zoned_state(bed, 5), ZONE_STATE_OFFLINE);
}

/* A controller of its own on queue 3, with I/O queue 4. */
static void second_controller(struct bed *bed) {
    struct nvme_fabrics_connect command;
    struct nvme_connect_data data;
    bed_connect_default(&command, &data, bed, 0, NVME_CNTLID_ANY);
    assert_int_equal(bed_connect(bed, 3, &command, &data), 0);
    uint16_t cntlid = (uint16_t)bed_result(bed, 3);
    assert_int_equal(bed_property_set(bed, 3, NVME_PROP_CC, 0x460061), 0);
    bed_connect_default(&command, &data, bed, 1, cntlid);
    assert_int_equal(bed_connect(bed, 4, &command, &data), 0);
}

static void reconnect(struct bed *bed) {
    for (unsigned q = 0; q < 3; q++)
        bed_gone(bed, q);
    bed_settle(bed);
    bed_up(bed, 2);
}

static void test_nvme_zns_rule35_controller_reset_leaves_zones(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    leave_zones(bed);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0x460060), 0);
    reconnect(bed);
    zones_are(bed, ZONE_STATE_IMPLICIT_OPEN, ZONE_STATE_EXPLICIT_OPEN);
    reconnect(bed); /* so does a connection that ends without a word */
    zones_are(bed, ZONE_STATE_IMPLICIT_OPEN, ZONE_STATE_EXPLICIT_OPEN);
    bed_free(bed);
}

static void test_nvme_zns_rule35_shutdown_of_all_controllers_closes_zones(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    leave_zones(bed);
    second_controller(bed);
    assert_int_equal(bed_property_set(bed, 3, NVME_PROP_CC, 0x464061), 0); /* one of two */
    bed_settle(bed);
    zones_are(bed, ZONE_STATE_IMPLICIT_OPEN, ZONE_STATE_EXPLICIT_OPEN);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0x464061), 0);
    bed_settle(bed);
    uint64_t csts;
    assert_int_equal(bed_property_get(bed, 0, NVME_PROP_CSTS, &csts), 0);
    assert_int_equal(NVME_CSTS_SHST(csts), 2);
    bed_gone(bed, 3);
    bed_gone(bed, 4);
    reconnect(bed);
    zones_are(bed, ZONE_STATE_CLOSED, ZONE_STATE_EMPTY);
    bed_free(bed);
}

static void test_nvme_zns_rule35_shutdown_with_commands_in_the_drive(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    leave_zones(bed);
    struct nvme_sqe sqe = bed_rw(NVME_IO_ZONE_APPEND, 1, SLBA(1), 8);
    bed_send(bed, 1, &sqe, NULL, NULL); /* in the drive when the queue goes */
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0x464061), 0);
    reconnect(bed);
    assert_int_equal(zoned_state(bed, 1), ZONE_STATE_CLOSED);
    assert_int_equal(zoned_state(bed, 2), ZONE_STATE_EMPTY);
    bed_free(bed);
}

static void test_nvme_zns_rule35_subsystem_reset_closes_zones(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    leave_zones(bed);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_NSSR, 0x12345678), 0); /* means nothing */
    bed_settle(bed);
    assert_false(bed->q[0].told);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_NSSR, NVME_NSSR_MAGIC), 0);
    bed_settle(bed);
    for (unsigned q = 0; q < 3; q++)
        assert_true(bed->q[q].told);
    reconnect(bed);
    zones_are(bed, ZONE_STATE_CLOSED, ZONE_STATE_EMPTY);
    bed_free(bed);
}

/* Zones are closed by the reset itself: what the host opens when it is back is its own, whatever is still in the drive.
 */
static void test_nvme_zns_rule35_subsystem_reset_leaves_later_opens(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("zns.append_answer=30ms"));
    uint16_t late[2] = {BED_PENDING, BED_PENDING};
    leave_zones(bed);
    second_controller(bed);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_NSSR, NVME_NSSR_MAGIC), 0);
    struct nvme_sqe sqe = bed_rw(NVME_IO_ZONE_APPEND, 1, SLBA(1), 8);
    bed_send(bed, 4, &sqe, NULL, NULL); /* in the drive when the queue goes, and long after */
    sim_run(bed->sim, sim_now(bed->sim) + 2000000);
    for (unsigned q = 0; q < 5; q++) {
        assert_true(bed->q[q].told);
        bed_gone(bed, q);
    }
    bed_up(bed, 2);
    assert_int_equal(bed->q[4].queue.outstanding, 1);
    assert_int_equal(zoned_state(bed, 1), ZONE_STATE_CLOSED);
    assert_int_equal(le64_get(zoned_zone(bed, 1).wp), SLBA(1) + 16);
    assert_int_equal(zoned_state(bed, 2), ZONE_STATE_EMPTY);
    assert_int_equal(zoned_act(bed, 2, ZONE_OPEN), 0);
    sqe = bed_rw(NVME_IO_ZONE_APPEND, 1, SLBA(6), 8);
    for (unsigned i = 0; i < 2; i++) { /* and the host keeps going */
        sqe.cid = le16_from((uint16_t)(i + 1));
        bed_send(bed, 1, &sqe, NULL, &late[i]);
        sim_run(bed->sim, sim_now(bed->sim) + 20000000);
        assert_int_equal(zoned_state(bed, 2), ZONE_STATE_EXPLICIT_OPEN);
    }
    bed_settle(bed);
    assert_int_equal(late[0] | late[1], 0);
    assert_int_equal(zoned_state(bed, 2), ZONE_STATE_EXPLICIT_OPEN);
    assert_int_equal(zoned_state(bed, 6), ZONE_STATE_IMPLICIT_OPEN);
    bed_free(bed);
}

/* A transport may be slow to end a connection: nothing that comes over it meanwhile touches a zone. */
static void test_nvme_zns_rule35_nothing_begins_after_a_reset(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    uint16_t status;
    leave_zones(bed);
    assert_int_equal(zoned_write(bed, SLBA(1) + 8, 32), 0);
    uint8_t ranges[2 * 32] = {
        [8] = 0, [16] = 15, [32 + 8] = 16, [32 + 16] = 15}; /* blocks 0 to 15, 16 to 31 of zone 1 */
    for (unsigned i = 0; i < 2; i++) {
        uint64_t from = SLBA(1) + 16 * i;
        for (unsigned b = 0; b < 8; b++)
            ranges[32 * i + 8 + b] = (uint8_t)(from >> 8 * b);
    }
    struct nvme_sqe copy = bed_sqe(NVME_IO_COPY, 1, (uint32_t)SLBA(6), 0, 1),
                    append = bed_rw(NVME_IO_ZONE_APPEND, 1, SLBA(7), 8);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_NSSR, NVME_NSSR_MAGIC), 0);
    sim_run(bed->sim, sim_now(bed->sim) + 990000);
    bed_send(bed, 1, &copy, ranges, &status); /* it reads when the reset comes */
    sim_run(bed->sim, sim_now(bed->sim) + 20000);
    assert_true(bed->q[1].told);
    uint16_t given_up;
    bed_send(bed, 2, &append, NULL, &given_up);
    bed_settle(bed);
    assert_int_equal(given_up, NVME_SC_SQ_DELETED);
    assert_int_equal(status, NVME_SC_SQ_DELETED);
    reconnect(bed);
    assert_int_equal(zoned_state(bed, 6), ZONE_STATE_EMPTY);
    assert_int_equal(zoned_state(bed, 7), ZONE_STATE_EMPTY);
    bed_free(bed);
}

static void test_nvme_zns_rule35_power_cut_closes_zones(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    leave_zones(bed);
    nvme_subsystem_power_cut(bed->subsystem);
    reconnect(bed);
    zones_are(bed, ZONE_STATE_CLOSED, ZONE_STATE_EMPTY);
    bed_free(bed);
}

static void test_nvme_zns_rule35_restart_on_an_image(void **state) {
    char path[] = "/tmp/drivelab-nvme-zns-XXXXXX";
    close(mkstemp(path));
    unlink(path);
    struct bed *bed = zoned_new(path, ARGS("zns.extension_bytes=64"));
    uint8_t data[64];
    memset(data, 0x77, sizeof data);
    leave_zones(bed);
    assert_int_equal(zoned_send(bed, SLBA(6), ZONE_SET_EXTENSION, data), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_WRITE_UNCORRECTABLE, SLBA(1) + 8, 8, NULL), 0);
    bed_free(bed);
    bed = zoned_new(path, ARGS("zns.extension_bytes=64"));
    assert_int_equal(zoned_state(bed, 1), ZONE_STATE_CLOSED);
    assert_int_equal(le64_get(zoned_zone(bed, 1).wp), SLBA(1) + 16);
    assert_true(zoned_reads(bed, SLBA(1), 8));
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(1) + 8, 8, NULL), NVME_SC_UNRECOVERED_READ);
    assert_int_equal(zoned_state(bed, 3), ZONE_STATE_FULL);
    assert_int_equal(zoned_state(bed, 6), ZONE_STATE_CLOSED);
    assert_int_equal(zoned_receive(bed, 1, SLBA(6), 64 + 128, NVME_ZRA_EXTENDED_REPORT | NVME_ZRECV_PARTIAL), 0);
    assert_memory_equal((char *)bed_out(bed, 1) + 128, data, sizeof data);
    bed_free(bed);
    unlink(path);
}

/* ---- Changed Zone List ---- */

static const struct nvme_changed_zones *changed(struct bed *bed, uint32_t nsid, bool rae) {
    struct nvme_sqe sqe =
        bed_sqe(NVME_ADMIN_GET_LOG_PAGE, nsid, NVME_LID_CHANGED_ZONES | (uint32_t)rae << 15 | 1023u << 16, 0, 0);
    assert_int_equal(bed_do(bed, 0, &sqe, NULL), 0);
    return bed_out(bed, 0);
}

static void request_event(struct bed *bed, uint16_t cid, uint16_t *status) {
    struct nvme_sqe sqe = bed_sqe(NVME_ADMIN_ASYNC_EVENT_REQUEST, 0, 0, 0, 0);
    sqe.cid = le16_from(cid);
    bed_send(bed, 0, &sqe, NULL, status);
}

#define EVENT ((uint32_t)NVME_LID_CHANGED_ZONES << 16 | NVME_ASYNC_NOTICE_ZONES << 8 | NVME_ASYNC_NOTICE)

static void test_nvme_zns_rule42_event_of_a_changed_zone(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("nvme.namespaces=2"));
    uint16_t first, second, third;
    assert_int_equal(bed_identify(bed, NVME_CNS_CTRL, 0, 0), 0);
    assert_true(le32_get(((struct nvme_id_ctrl *)bed_out(bed, 0))->oaes) & NVME_OAES_ZONES);
    assert_int_equal(bed_set_feature(bed, NVME_FID_ASYNC_EVENT_CONFIG, NVME_AEC_ZONES, false), 0);
    request_event(bed, 100, &first);
    zoned_fail(bed, 3, ZONE_STATE_READ_ONLY);
    assert_int_equal(first, 0);
    assert_int_equal(bed_result(bed, 0), EVENT);
    assert_int_equal(le32_get(bed->q[0].cqe.cdw1), 1);
    request_event(bed, 101, &second);
    zoned_fail(bed, 4, ZONE_STATE_OFFLINE); /* masked until the log is read */
    assert_int_equal(second, BED_PENDING);
    zoned_fail(bed, ZONED_ZONES / 2 + 1, ZONE_STATE_OFFLINE); /* but not for the other namespace */
    assert_int_equal(second, 0);
    assert_int_equal(le32_get(bed->q[0].cqe.cdw1), 2);
    const struct nvme_changed_zones *log = changed(bed, 1, true);
    assert_int_equal(le16_get(log->count), 2);
    assert_int_equal(le64_get(log->zslba[0]), SLBA(3));
    assert_int_equal(le64_get(log->zslba[1]), SLBA(4));
    request_event(bed, 102, &third);
    assert_int_equal(le16_get(changed(bed, 1, false)->count), 2); /* RAE was set */
    assert_int_equal(le16_get(changed(bed, 1, false)->count), 0);
    assert_int_equal(third, BED_PENDING); /* what it would tell was read */
    zoned_fail(bed, 5, ZONE_STATE_READ_ONLY);
    assert_int_equal(third, 0);
    assert_int_equal(le64_get(changed(bed, 2, false)->zslba[0]), SLBA(1));
    bed_free(bed);
}

static void test_nvme_zns_rule42_event_only_if_wanted(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    uint16_t status;
    assert_int_equal(bed_set_feature(bed, NVME_FID_ASYNC_EVENT_CONFIG, 1u << 26, false), NVME_SC_INVALID_FIELD);
    request_event(bed, 100, &status);
    zoned_fail(bed, 3, ZONE_STATE_READ_ONLY);
    assert_int_equal(status, BED_PENDING);
    assert_int_equal(le16_get(changed(bed, 1, false)->count), 1); /* the log knows all the same */
    bed_free(bed);
    bed = bed_new(NULL, NULL);
    bed_up(bed, 0);
    assert_int_equal(bed_set_feature(bed, NVME_FID_ASYNC_EVENT_CONFIG, NVME_AEC_ZONES, false), NVME_SC_INVALID_FIELD);
    assert_int_equal(bed_log(bed, NVME_LID_CHANGED_ZONES, 4096, 0, false), NVME_SC_INVALID_LOG_PAGE);
    bed_free(bed);
}

static void test_nvme_zns_rule43_commands_are_no_events(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(bed_set_feature(bed, NVME_FID_ASYNC_EVENT_CONFIG, NVME_AEC_ZONES, false), 0);
    for (uint32_t zone = 1; zone < 8; zone++) /* opens, auto-closes, fills */
        for (uint32_t at = 0; at < ZONED_CAPACITY; at += 256)
            assert_int_equal(zoned_write(bed, SLBA(zone) + at, 256), 0);
    assert_int_equal(zoned_act(bed, 1, ZONE_RESET), 0);
    assert_int_equal(zoned_act(bed, 2, ZONE_RESET), 0);
    assert_int_equal(zoned_act(bed, 2, ZONE_FINISH), 0);
    zoned_fail(bed, 9, ZONE_STATE_READ_ONLY);
    assert_int_equal(le16_get(changed(bed, 1, false)->count), 1);
    assert_int_equal(zoned_act(bed, 9, ZONE_TO_OFFLINE), 0);
    assert_int_equal(le16_get(changed(bed, 1, false)->count), 0);
    bed_free(bed);
}

static void test_nvme_zns_rule44_changed_zone_list(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("drive.capacity=4GiB", "nand.blocks=1100"));
    struct nvme_sqe sqe = bed_sqe(NVME_ADMIN_GET_LOG_PAGE, NVME_NSID_ALL, NVME_LID_CHANGED_ZONES | 1023u << 16, 0, 0);
    assert_int_equal(bed_do(bed, 0, &sqe, NULL), NVME_SC_INVALID_FIELD);
    sqe.nsid = le32_from(0);
    assert_int_equal(bed_do(bed, 0, &sqe, NULL), NVME_SC_INVALID_FIELD);
    sqe.nsid = le32_from(2);
    assert_int_equal(bed_do(bed, 0, &sqe, NULL), NVME_SC_INVALID_NS);
    zoned_fail(bed, 7, ZONE_STATE_READ_ONLY);
    zoned_fail(bed, 7, ZONE_STATE_OFFLINE);
    assert_int_equal(le16_get(changed(bed, 1, false)->count), 1); /* each once */
    for (uint32_t zone = 100; zone < 100 + NVME_CHANGED_ZONES; zone++)
        (void)(bed->drive->ops->zoned->fail)(bed->drive, zone, ZONE_STATE_OFFLINE, &(struct err){0});
    bed_settle(bed);
    const struct nvme_changed_zones *log = changed(bed, 1, true);
    assert_int_equal(le16_get(log->count), NVME_CHANGED_ZONES);
    assert_int_equal(le64_get(log->zslba[NVME_CHANGED_ZONES - 1]), SLBA(100 + NVME_CHANGED_ZONES - 1));
    zoned_fail(bed, 99, ZONE_STATE_OFFLINE);
    log = changed(bed, 1, false);
    assert_int_equal(le16_get(log->count), 0xffff);
    for (unsigned i = 0; i < NVME_CHANGED_ZONES; i++)
        assert_int_equal(le64_get(log->zslba[i]), 0);
    assert_int_equal(le16_get(changed(bed, 1, false)->count), 0);
    zoned_fail(bed, 50, ZONE_STATE_OFFLINE);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_NSSR, NVME_NSSR_MAGIC), 0);
    reconnect(bed);
    assert_int_equal(le16_get(changed(bed, 1, false)->count), 0); /* not kept over a subsystem reset */
    bed_free(bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nvme_zns_rule39_identify_tells_the_limits),
        cmocka_unit_test(test_nvme_zns_rule41_identify_of_excursions),
        cmocka_unit_test(test_nvme_zns_rule41_identify_of_time_limits),
        cmocka_unit_test(test_nvme_zns_rule41_attributes_at_their_times),
        cmocka_unit_test(test_nvme_zns_command_sets_of_the_controller),
        cmocka_unit_test(test_nvme_zns_rule47_effects_of_the_command_set),
        cmocka_unit_test(test_nvme_zns_what_does_not_fit_is_refused_at_start),
        cmocka_unit_test(test_nvme_zns_rules27_37_38_are_not_announced),
        cmocka_unit_test(test_nvme_zns_namespaces_divide_the_zones),
        cmocka_unit_test(test_nvme_zns_rule36_format_empties_zones),
        cmocka_unit_test(test_nvme_zns_format_refuses_what_comes_meanwhile),
        cmocka_unit_test(test_nvme_zns_held_actions_stay_in_their_namespace),
        cmocka_unit_test(test_nvme_zns_reset_all_forgets_marks_of_each_zone),
        cmocka_unit_test(test_nvme_zns_rule35_controller_reset_leaves_zones),
        cmocka_unit_test(test_nvme_zns_rule35_shutdown_of_all_controllers_closes_zones),
        cmocka_unit_test(test_nvme_zns_rule35_shutdown_with_commands_in_the_drive),
        cmocka_unit_test(test_nvme_zns_rule35_subsystem_reset_closes_zones),
        cmocka_unit_test(test_nvme_zns_rule35_subsystem_reset_leaves_later_opens),
        cmocka_unit_test(test_nvme_zns_rule35_nothing_begins_after_a_reset),
        cmocka_unit_test(test_nvme_zns_rule35_power_cut_closes_zones),
        cmocka_unit_test(test_nvme_zns_rule35_restart_on_an_image),
        cmocka_unit_test(test_nvme_zns_rule42_event_of_a_changed_zone),
        cmocka_unit_test(test_nvme_zns_rule42_event_only_if_wanted),
        cmocka_unit_test(test_nvme_zns_rule43_commands_are_no_events),
        cmocka_unit_test(test_nvme_zns_rule44_changed_zone_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
