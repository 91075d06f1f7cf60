/* Admin commands: Identify field by field, features, log pages, events, Abort, Format NVM. */
#include "nvme_bed.h"

/* ---- Refusals ---- */

struct admin_case {
    const char *what;
    uint8_t opc;
    uint32_t nsid, cdw10, cdw11, cdw12;
    uint16_t status;
    uint16_t location;
};

static const struct admin_case admin_cases[] = {
    {"delete SQ", NVME_ADMIN_DELETE_SQ, 0, 1, 0, 0, NVME_SC_INVALID_OPCODE, 0},
    {"create CQ", NVME_ADMIN_CREATE_CQ, 0, 1, 0, 0, NVME_SC_INVALID_OPCODE, 0},
    {"firmware commit", NVME_ADMIN_FIRMWARE_COMMIT, 0, 0, 0, 0, NVME_SC_INVALID_OPCODE, 0},
    {"self-test", NVME_ADMIN_DEVICE_SELF_TEST, 0, 1, 0, 0, NVME_SC_INVALID_OPCODE, 0},
    {"sanitize", NVME_ADMIN_SANITIZE, 0, 2, 0, 0, NVME_SC_INVALID_OPCODE, 0},
    {"read on the admin queue", 0xc2, 1, 0, 0, 0, NVME_SC_INVALID_OPCODE, 0},
    {"identify: CNS 09h, format 2", NVME_ADMIN_IDENTIFY, 0, 0x09, 2, 0, NVME_SC_INVALID_FIELD, 44},
    {"identify: CNS 0Ah, format 2", NVME_ADMIN_IDENTIFY, 0, 0x0a, 2, 0, NVME_SC_INVALID_FIELD, 44},
    {"identify: CNS 0Ah, command set 7", NVME_ADMIN_IDENTIFY, 0, 0x0a, 7u << 24, 0, NVME_SC_INVALID_FIELD, 47},
    {"identify: virtualization", NVME_ADMIN_IDENTIFY, 0, 0x14, 0, 0, NVME_SC_INVALID_FIELD, 40},
    {"identify: secondary controllers", NVME_ADMIN_IDENTIFY, 0, 0x15, 0, 0, NVME_SC_INVALID_FIELD, 40},
    {"identify: granularity", NVME_ADMIN_IDENTIFY, 0, 0x16, 0, 0, NVME_SC_INVALID_FIELD, 40},
    {"identify: UUIDs", NVME_ADMIN_IDENTIFY, 0, 0x17, 0, 0, NVME_SC_INVALID_FIELD, 40},
    {"identify: domains", NVME_ADMIN_IDENTIFY, 0, 0x18, 0, 0, NVME_SC_INVALID_FIELD, 40},
    {"identify: CNS 0Bh", NVME_ADMIN_IDENTIFY, 1, 0x0b, 0, 0, NVME_SC_INVALID_FIELD, 40},
    {"identify: CNS FFh", NVME_ADMIN_IDENTIFY, 1, 0xff, 0, 0, NVME_SC_INVALID_FIELD, 40},
    {"identify: NSID 0", NVME_ADMIN_IDENTIFY, 0, 0, 0, 0, NVME_SC_INVALID_NS, 4},
    {"identify: NSID 3", NVME_ADMIN_IDENTIFY, 3, 0, 0, 0, NVME_SC_INVALID_NS, 4},
    {"identify: NSID FFFFFFFFh", NVME_ADMIN_IDENTIFY, NVME_NSID_ALL, 0, 0, 0, NVME_SC_INVALID_NS, 4},
    {"identify: descriptors of NSID 0", NVME_ADMIN_IDENTIFY, 0, 3, 0, 0, NVME_SC_INVALID_NS, 4},
    {"identify: list after FFFFFFFEh", NVME_ADMIN_IDENTIFY, 0xfffffffe, 2, 0, 0, NVME_SC_INVALID_NS, 4},
    {"identify: list after FFFFFFFFh", NVME_ADMIN_IDENTIFY, NVME_NSID_ALL, 2, 0, 0, NVME_SC_INVALID_NS, 4},
    {"identify: zoned namespace", NVME_ADMIN_IDENTIFY, 1, 5, 2u << 24, 0, NVME_SC_INVALID_FIELD, 47},
    {"identify: zoned controller", NVME_ADMIN_IDENTIFY, 0, 6, 2u << 24, 0, NVME_SC_INVALID_FIELD, 47},
    {"feature 00h", NVME_ADMIN_GET_FEATURES, 0, 0, 0, 0, NVME_SC_INVALID_FIELD, 40},
    {"feature 08h, of PCIe", NVME_ADMIN_GET_FEATURES, 0, 8, 0, 0, NVME_SC_INVALID_FIELD, 40},
    {"no volatile cache", NVME_ADMIN_GET_FEATURES, 0, 6, 0, 0, NVME_SC_INVALID_FIELD, 40},
    {"SEL 4", NVME_ADMIN_GET_FEATURES, 0, 0x407, 0, 0, NVME_SC_INVALID_FIELD, 41},
    {"host identifier of 64 bits", NVME_ADMIN_GET_FEATURES, 0, 0x81, 0, 0, NVME_SC_INVALID_FIELD, 44},
    {"error recovery of NSID 0", NVME_ADMIN_GET_FEATURES, 0, 5, 0, 0, NVME_SC_INVALID_NS, 4},
    {"error recovery of all", NVME_ADMIN_GET_FEATURES, NVME_NSID_ALL, 5, 0, 0, NVME_SC_INVALID_NS, 4},
    {"save the number of queues", NVME_ADMIN_SET_FEATURES, 0, 0x80000007, 0, 0, NVME_SC_FEATURE_NOT_SAVEABLE, 43},
    {"arbitration of a namespace", NVME_ADMIN_SET_FEATURES, 1, 1, 0, 0, NVME_SC_FEATURE_NOT_NS_SPECIFIC, 4},
    {"arbitration of NSID 77", NVME_ADMIN_SET_FEATURES, 77, 1, 0, 0, NVME_SC_INVALID_NS, 4},
    {"arbitration, reserved bits", NVME_ADMIN_SET_FEATURES, 0, 1, 8, 0, NVME_SC_INVALID_FIELD, 44},
    {"power state 1", NVME_ADMIN_SET_FEATURES, 0, 2, 1, 0, NVME_SC_INVALID_FIELD, 44},
    {"temperature of sensor 2", NVME_ADMIN_SET_FEATURES, 0, 4, 2 << 16, 0, NVME_SC_INVALID_FIELD, 44},
    {"65536 queues", NVME_ADMIN_SET_FEATURES, 0, 7, 0xffff, 0, NVME_SC_INVALID_FIELD, 44},
    {"queues after the first", NVME_ADMIN_SET_FEATURES, 0, 7, 3 | 3 << 16, 0, NVME_SC_SEQUENCE_ERROR, 0xffff},
    {"events that don't exist", NVME_ADMIN_SET_FEATURES, 0, 0xb, 1 << 10, 0, NVME_SC_INVALID_FIELD, 44},
    {"command set profile 1", NVME_ADMIN_SET_FEATURES, 0, 0x19, 1, 0, NVME_SC_IOCS_COMBINATION_REJECTED, 44},
    {"host identifier", NVME_ADMIN_SET_FEATURES, 0, 0x81, 1, 0, NVME_SC_SEQUENCE_ERROR, 0xffff},
    {"log 06h", NVME_ADMIN_GET_LOG_PAGE, 0, 6 | 127 << 16, 0, 0, NVME_SC_INVALID_LOG_PAGE, 40},
    {"discovery log", NVME_ADMIN_GET_LOG_PAGE, 0, 0x70 | 127 << 16, 0, 0, NVME_SC_INVALID_LOG_PAGE, 40},
    {"16 GiB of log", NVME_ADMIN_GET_LOG_PAGE, 0, 2u | 0xffffu << 16, 0xffff, 0, NVME_SC_INVALID_FIELD, 42},
    {"log beyond MDTS", NVME_ADMIN_GET_LOG_PAGE, 0, 2, 4, 0, NVME_SC_INVALID_FIELD, 42},
    {"odd log offset", NVME_ADMIN_GET_LOG_PAGE, 0, 2 | 127 << 16, 0, 2, NVME_SC_INVALID_FIELD, 48},
    {"offset behind the log", NVME_ADMIN_GET_LOG_PAGE, 0, 2 | 127 << 16, 0, 516, NVME_SC_INVALID_FIELD, 48},
    {"SMART of a namespace", NVME_ADMIN_GET_LOG_PAGE, 1, 2 | 127 << 16, 0, 0, NVME_SC_INVALID_FIELD, 4},
    {"endurance group 0", NVME_ADMIN_GET_LOG_PAGE, 0, 9 | 127 << 16, 0, 0, NVME_SC_INVALID_FIELD, 46},
    {"abort on a queue that isn't", NVME_ADMIN_ABORT, 0, 5, 0, 0, NVME_SC_INVALID_FIELD, 40},
    {"format NSID 0", NVME_ADMIN_FORMAT_NVM, 0, 0, 0, 0, NVME_SC_INVALID_NS, 4},
    {"format to LBAF 2", NVME_ADMIN_FORMAT_NVM, 1, 2, 0, 0, NVME_SC_INVALID_FORMAT, 40},
    {"format to LBAF 17", NVME_ADMIN_FORMAT_NVM, 1, 1 | 1 << 12, 0, 0, NVME_SC_INVALID_FORMAT, 40},
    {"format with protection", NVME_ADMIN_FORMAT_NVM, 1, 1 | 1 << 5, 0, 0, NVME_SC_INVALID_FORMAT, 40 | 4 << 8},
    {"cryptographic erase", NVME_ADMIN_FORMAT_NVM, 1, 1 | 2 << 9, 0, 0, NVME_SC_INVALID_FIELD, 41 | 1 << 8},
};

static void test_nvme_admin_refusals(void **state) {
    static const char *const options[] = {"nvme.namespaces=2", NULL};
    struct bed *bed = bed_new(NULL, options);
    bed_up(bed, 1);
    for (unsigned i = 0; i < sizeof admin_cases / sizeof *admin_cases; i++) {
        const struct admin_case *c = &admin_cases[i];
        struct nvme_sqe sqe = bed_sqe(c->opc, c->nsid, c->cdw10, c->cdw11, c->cdw12);
        struct nvme_error_log_entry entry;
        uint16_t status = bed_do(bed, 0, &sqe, NULL);
        if (status != c->status)
            fail_msg("%s: status %03x, expected %03x", c->what, status, c->status);
        assert_int_equal(bed_log(bed, NVME_LID_ERROR, 64, 0, false), 0);
        memcpy(&entry, bed_out(bed, 0), sizeof entry);
        if (le16_get(entry.parm_error_location) != c->location)
            fail_msg("%s: location %x, expected %x", c->what, le16_get(entry.parm_error_location), c->location);
        assert_int_equal(le64_get(entry.error_count), i + 1);
    }
    bed_free(bed);
}

/* ---- Identify ---- */

static void test_nvme_identify_controller(void **state) {
    static const char *const options[] = {"nvme.serial=S123", "nvme.namespaces=3", "nvme.mdts=128KiB",
                                          "nvme.queue_entries=256", NULL};
    struct bed *bed = bed_new(NULL, options);
    struct nvme_id_ctrl id;
    bed_up(bed, 0);
    assert_int_equal(bed_identify(bed, NVME_CNS_CTRL, 0, 0), 0);
    memcpy(&id, bed_out(bed, 0), sizeof id);
    assert_memory_equal(id.sn, "S123                ", 20);
    assert_int_equal(id.mdts, 5);
    assert_int_equal(le16_get(id.cntlid), bed->cntlid);
    assert_int_equal(le32_get(id.ver), NVME_VERSION_2_0);
    assert_int_equal(id.cntrltype, NVME_CNTRLTYPE_IO);
    assert_int_equal(le16_get(id.oacs), NVME_OACS_FORMAT);
    assert_int_equal(id.aerl, 7);
    assert_int_equal(id.elpe, 63);
    assert_int_equal(id.lpa, NVME_LPA_EFFECTS | NVME_LPA_EXTENDED | NVME_LPA_LID_SUPPORTED);
    assert_int_equal(le16_get(id.kas), 1);
    assert_int_equal(id.sqes, 0x66);
    assert_int_equal(id.cqes, 0x44);
    assert_int_equal(le16_get(id.maxcmd), 256);
    assert_int_equal(le32_get(id.nn), 3);
    assert_int_equal(le16_get(id.oncs), 0x1df);
    assert_int_equal(id.vwc & 1, 0);
    assert_int_equal(le16_get(id.fuses), 0);
    assert_int_equal(le32_get(id.sgls), 1 | 1 << 20 | 1 << 21);
    assert_string_equal(id.subnqn, nvme_subsystem_nqn(bed->subsystem));
    assert_int_equal(le32_get(id.ioccsz), (64 + 8192) / 16);
    assert_int_equal(le32_get(id.iorcsz), 1);
    assert_int_equal(le16_get(id.icdoff), 0);
    assert_int_equal(id.msdbd, 1);
    assert_int_equal(le64_get(id.tnvmcap.lo), 64 << 20);
    assert_int_equal(id.cmic & 2, 2);
    bed_free(bed);
}

static void test_nvme_identify_nvm_sets(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_id_nvmset list;
    bed_up(bed, 0);
    assert_int_equal(bed_identify(bed, NVME_CNS_CTRL, 0, 0), 0);
    const struct nvme_id_ctrl *ctrl = bed_out(bed, 0);
    assert_true(le32_get(ctrl->ctratt) & NVME_CTRATT_NVM_SETS);
    assert_int_equal(le16_get(ctrl->nsetidmax), 1);
    for (uint16_t from = 0; from <= 2; from++) {
        assert_int_equal(bed_identify(bed, NVME_CNS_NVMSET_LIST, 0, from), 0);
        memcpy(&list, bed_out(bed, 0), sizeof list);
        assert_int_equal(list.nid, from <= 1);
        assert_int_equal(le16_get(list.ent[0].id), from <= 1);
        assert_int_equal(le64_get(list.ent[0].tnvmsetcap.lo), from <= 1 ? bed->drive->capacity : 0);
        assert_int_equal(le64_get(list.ent[0].unvmsetcap.lo), 0);
    }
    assert_int_equal(bed_identify(bed, NVME_CNS_NS, 1, 0), 0);
    assert_int_equal(le16_get(((struct nvme_id_ns *)bed_out(bed, 0))->nvmsetid), 1);
    assert_int_equal(bed_identify(bed, NVME_CNS_INDEPENDENT_NS, 1, 0), 0);
    assert_int_equal(le16_get(((struct nvme_id_independent_ns *)bed_out(bed, 0))->nvmsetid), 1);
    bed_free(bed);
}

/* As a namespace of that format would say, less what only a namespace has. */
static void test_nvme_identify_formats(void **state) {
    static const char *const options[2] = {"nvme.lba_bytes=512", "nvme.lba_bytes=4096"};
    for (uint16_t index = 0; index < 2; index++) {
        struct bed *bed = bed_new(NULL, (const char *const[]){options[index], NULL});
        struct nvme_id_ns ns, format, other;
        bed_up(bed, 0);
        assert_int_equal(bed_identify(bed, NVME_CNS_NS, 1, 0), 0);
        memcpy(&ns, bed_out(bed, 0), sizeof ns);
        assert_int_equal(bed_identify(bed, NVME_CNS_NS_FORMAT, 0, index), 0);
        memcpy(&format, bed_out(bed, 0), sizeof format);
        assert_int_equal(bed_identify(bed, NVME_CNS_NS_FORMAT, 0, !index), 0);
        memcpy(&other, bed_out(bed, 0), sizeof other);
        assert_int_equal(le64_get(format.nsze), 0);
        assert_int_equal(format.flbas | format.fpi | format.nmic, 0);
        assert_int_equal(le16_get(format.mssrl), le16_get(ns.mssrl));
        assert_int_not_equal(le16_get(format.mssrl), le16_get(other.mssrl));
        assert_int_equal(le16_get(format.npwg), le16_get(ns.npwg));
        assert_int_equal(format.nlbaf, ns.nlbaf);
        assert_memory_equal(format.lbaf, ns.lbaf, sizeof ns.lbaf);
        assert_int_equal(bed_identify(bed, NVME_CNS_CS_NS_FORMAT, 0, index), 0);
        assert_int_equal(bed_identify(bed, NVME_CNS_CS_ALLOCATED_NS, 1, 0), 0);
        bed_free(bed);
    }
}

static void test_nvme_identify_namespace(void **state) {
    static const char *const options[] = {"nvme.namespaces=2", NULL};
    struct bed *bed = bed_new(NULL, options);
    struct nvme_id_ns one, two;
    bed_up(bed, 0);
    assert_int_equal(bed_identify(bed, NVME_CNS_NS, 1, 0), 0);
    memcpy(&one, bed_out(bed, 0), sizeof one);
    assert_int_equal(bed_identify(bed, NVME_CNS_NS, 2, 0), 0);
    memcpy(&two, bed_out(bed, 0), sizeof two);
    assert_int_equal(le64_get(one.nsze), 32 << 8);
    assert_int_equal(le64_get(one.ncap), 32 << 8);
    assert_int_equal(one.nlbaf, 1);
    assert_int_equal(one.flbas, 1);
    assert_int_equal(one.lbaf[0].lbads, 9);
    assert_int_equal(one.lbaf[1].lbads, 12);
    assert_int_equal(le16_get(one.lbaf[1].ms), 0);
    assert_int_equal(one.dlfeat, 9);
    assert_int_equal(one.fpi, 0x80);
    assert_int_equal(le16_get(one.mssrl), 256);
    assert_int_equal(le32_get(one.mcl), 1024);
    assert_int_equal(one.msrc, 127);
    assert_memory_not_equal(one.nguid, two.nguid, 16);
    assert_memory_not_equal(one.eui64, two.eui64, 8);
    assert_int_equal(bed_identify(bed, NVME_CNS_NS_DESC_LIST, 1, 0), 0);
    const uint8_t *at = bed_out(bed, 0);
    assert_int_equal(at[0], NVME_NIDT_EUI64);
    assert_memory_equal(at + 4, one.eui64, 8);
    assert_int_equal(at[12], NVME_NIDT_NGUID);
    assert_memory_equal(at + 16, one.nguid, 16);
    assert_int_equal(at[32], NVME_NIDT_UUID);
    assert_int_equal(at[33], 16);
    assert_int_equal(at[52], NVME_NIDT_CSI);
    assert_int_equal(at[53], 1);
    assert_int_equal(at[56], NVME_CSI_NVM);
    assert_int_equal(at[57], 0);
    bed_free(bed);
}

static uint32_t list_at(struct bed *bed, unsigned i) {
    return le32_get(((struct nvme_ns_list *)bed_out(bed, 0))->ns[i]);
}

static void test_nvme_identify_lists(void **state) {
    static const char *const options[] = {"nvme.namespaces=3", NULL};
    static const uint8_t lists[] = {NVME_CNS_ACTIVE_NS_LIST, NVME_CNS_CS_ACTIVE_NS_LIST, NVME_CNS_ALLOCATED_NS_LIST};
    struct bed *bed = bed_new(NULL, options);
    bed_up(bed, 0);
    for (unsigned i = 0; i < sizeof lists; i++) {
        assert_int_equal(bed_identify(bed, lists[i], 0, 0), 0);
        assert_true(list_at(bed, 0) == 1 && list_at(bed, 2) == 3 && list_at(bed, 3) == 0);
        assert_int_equal(bed_identify(bed, lists[i], 2, 0), 0);
        assert_true(list_at(bed, 0) == 3 && list_at(bed, 1) == 0);
        assert_int_equal(bed_identify(bed, lists[i], 1000, 0), 0);
        assert_int_equal(list_at(bed, 0), 0);
    }
    assert_int_equal(bed_identify(bed, NVME_CNS_CTRL_LIST, 0, 0), 0);
    struct nvme_ctrl_list ctrls;
    memcpy(&ctrls, bed_out(bed, 0), sizeof ctrls);
    assert_int_equal(le16_get(ctrls.num), 1);
    assert_int_equal(le16_get(ctrls.identifier[0]), bed->cntlid);
    assert_int_equal(bed_identify(bed, NVME_CNS_CS_CTRL, 0, 0), 0);
    struct nvme_id_ctrl_nvm nvm;
    memcpy(&nvm, bed_out(bed, 0), sizeof nvm);
    assert_int_equal(nvm.vsl, 9);
    assert_int_equal(nvm.wzsl, 9);
    assert_int_equal(bed_identify(bed, NVME_CNS_CS_NS, 1, 0), 0);
    assert_int_equal(bed_identify(bed, NVME_CNS_INDEPENDENT_NS, 1, 0), 0);
    assert_int_equal(((struct nvme_id_independent_ns *)bed_out(bed, 0))->nstat, 1);
    assert_int_equal(bed_identify(bed, NVME_CNS_IOCS, 0, 0), 0);
    assert_int_equal(*(uint8_t *)bed_out(bed, 0), 1);
    bed_free(bed);
}

static void test_nvme_rotational_media_is_told(void **state) {
    for (unsigned disk = 0; disk < 2; disk++) {
        const char *const args[] = {disk ? "drive.kind=hdd" : "drive.kind=nossd", "hdd.rpm=7200", NULL};
        struct bed *bed = bed_new(NULL, args);
        bed_up(bed, 0);
        assert_int_equal(bed_identify(bed, NVME_CNS_INDEPENDENT_NS, 1, 0), 0);
        assert_int_equal(((struct nvme_id_independent_ns *)bed_out(bed, 0))->nsfeat, disk ? NVME_NSFEAT_ROTATIONAL : 0);
        for (uint32_t group = 0; group < 2; group++) {
            struct nvme_sqe sqe = bed_sqe(NVME_ADMIN_GET_LOG_PAGE, 0, NVME_LID_ROTATIONAL | 127u << 16, group << 16, 0);
            uint16_t want = !disk ? NVME_SC_INVALID_LOG_PAGE : !group ? NVME_SC_INVALID_FIELD : 0;
            assert_int_equal(bed_do(bed, 0, &sqe, NULL), want);
        }
        if (!disk) {
            bed_free(bed);
            continue;
        }
        struct nvme_rotational_log log;
        memcpy(&log, bed_out(bed, 0), sizeof log);
        assert_int_equal(le16_get(log.endgid), 1);
        assert_int_equal(le16_get(log.nrot), 7200);
        assert_int_equal(bed_log(bed, NVME_LID_SUPPORTED, sizeof(struct nvme_supported_logs), 0, false), 0);
        const struct nvme_supported_logs *logs = bed_out(bed, 0);
        assert_int_equal(le32_get(logs->lid[NVME_LID_ROTATIONAL]), 1);
        bed_free(bed);
    }
}

/* ---- Features ---- */

static void test_nvme_features_select(void **state) {
    static const struct {
        uint8_t fid;
        uint32_t def, set, capabilities;
    } rows[] = {
        {NVME_FID_ARBITRATION, 0, 5, 5},         {NVME_FID_TEMPERATURE_THRESHOLD, 343, 350, 5},
        {NVME_FID_WRITE_ATOMICITY, 0, 1, 5},     {NVME_FID_ASYNC_EVENT_CONFIG, 0, 0x11f, 5},
        {NVME_FID_POWER_MANAGEMENT, 0, 0x20, 4}, {NVME_FID_KEEP_ALIVE_TIMER, 0, 100000, 4},
        {NVME_FID_IOCS_PROFILE, 0, 0, 4},
    };
    struct bed *bed = bed_new(NULL, NULL);
    uint32_t value;
    bed_up(bed, 0);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool saveable = rows[i].capabilities & 1;
        assert_int_equal(bed_get_feature(bed, rows[i].fid, NVME_SEL_SUPPORTED, &value), 0);
        assert_int_equal(value, rows[i].capabilities);
        assert_int_equal(bed_get_feature(bed, rows[i].fid, NVME_SEL_CURRENT, &value), 0);
        assert_int_equal(value, rows[i].def);
        assert_int_equal(bed_set_feature(bed, rows[i].fid, rows[i].set, false), 0);
        assert_int_equal(bed_get_feature(bed, rows[i].fid, NVME_SEL_CURRENT, &value), 0);
        assert_int_equal(value, rows[i].set);
        assert_int_equal(bed_get_feature(bed, rows[i].fid, NVME_SEL_SAVED, &value), 0);
        assert_int_equal(value, rows[i].def);
        assert_int_equal(bed_set_feature(bed, rows[i].fid, rows[i].set, true),
                         saveable ? 0 : NVME_SC_FEATURE_NOT_SAVEABLE);
        assert_int_equal(bed_get_feature(bed, rows[i].fid, NVME_SEL_SAVED, &value), 0);
        assert_int_equal(value, saveable ? rows[i].set : rows[i].def);
        assert_int_equal(bed_get_feature(bed, rows[i].fid, NVME_SEL_DEFAULT, &value), 0);
        assert_int_equal(value, rows[i].def);
    }
    bed_property_set(bed, 0, NVME_PROP_CC, 0); /* a reset brings the saved values back */
    bed_property_set(bed, 0, NVME_PROP_CC, 0x460001);
    assert_int_equal(bed_get_feature(bed, NVME_FID_ARBITRATION, NVME_SEL_CURRENT, &value), 0);
    assert_int_equal(value, 5);
    assert_int_equal(bed_get_feature(bed, NVME_FID_POWER_MANAGEMENT, NVME_SEL_CURRENT, &value), 0);
    assert_int_equal(value, 0);
    bed_free(bed);
}

static void test_nvme_number_of_queues(void **state) {
    static const char *const options[] = {"nvme.io_queues=8", NULL};
    struct bed *bed = bed_new(NULL, options);
    struct nvme_fabrics_connect c;
    struct nvme_connect_data d;
    uint32_t value;
    bed_up(bed, 0);
    assert_int_equal(bed_set_feature(bed, NVME_FID_NUMBER_OF_QUEUES, 63 | 63 << 16, false), 0);
    assert_int_equal(bed_result(bed, 0), 7 | 7 << 16);
    assert_int_equal(bed_set_feature(bed, NVME_FID_NUMBER_OF_QUEUES, 1 | 4 << 16, false), 0);
    assert_int_equal(bed_result(bed, 0), 1 | 1 << 16);
    assert_int_equal(bed_get_feature(bed, NVME_FID_NUMBER_OF_QUEUES, 0, &value), 0);
    assert_int_equal(value, 1 | 1 << 16);
    bed_connect_default(&c, &d, bed, 3, bed->cntlid);
    assert_int_equal(bed_connect(bed, 3, &c, &d), NVME_SC_CONNECT_INVALID_PARAMETERS);
    c.qid = le16_from(2);
    assert_int_equal(bed_connect(bed, 3, &c, &d), 0);
    bed_free(bed);
}

static void test_nvme_features_with_data(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_timestamp t = {.timestamp = {0, 0, 0, 1}};
    struct nvme_host_behavior b = {.acre = 1};
    struct nvme_sqe sqe = bed_sqe(NVME_ADMIN_SET_FEATURES, 0, NVME_FID_TIMESTAMP, 0, 0);
    uint32_t value;
    bed_up(bed, 0);
    assert_int_equal(bed_do(bed, 0, &sqe, &t), 0);
    sim_run(bed->sim, sim_now(bed->sim) + 5000000);
    assert_int_equal(bed_get_feature(bed, NVME_FID_TIMESTAMP, 0, &value), 0);
    assert_int_equal(bed->q[0].out_bytes, 8);
    memcpy(&t, bed_out(bed, 0), sizeof t);
    assert_true(t.timestamp[0] >= 5 && t.timestamp[0] < 7 && t.timestamp[3] == 1);
    assert_int_equal(t.attr, 2);
    sqe = bed_sqe(NVME_ADMIN_SET_FEATURES, 0, NVME_FID_HOST_BEHAVIOR, 0, 0);
    assert_int_equal(bed_do(bed, 0, &sqe, &b), 0);
    assert_int_equal(bed_get_feature(bed, NVME_FID_HOST_BEHAVIOR, 0, &value), 0);
    assert_memory_equal(bed_out(bed, 0), &b, sizeof b);
    b.etdas = 2;
    assert_int_equal(bed_do(bed, 0, &sqe, &b), NVME_SC_INVALID_FIELD);
    sqe = bed_sqe(NVME_ADMIN_GET_FEATURES, 0, NVME_FID_HOST_IDENTIFIER, 1, 0);
    assert_int_equal(bed_do(bed, 0, &sqe, NULL), 0);
    assert_int_equal(*(uint8_t *)bed_out(bed, 0), 7);
    bed_free(bed);
}

/* ---- Log pages ---- */

static void test_nvme_supported_logs_are_supported(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_supported_logs logs;
    unsigned count = 0;
    bed_up(bed, 0);
    assert_int_equal(bed_log(bed, NVME_LID_SUPPORTED, sizeof logs, 0, false), 0);
    memcpy(&logs, bed_out(bed, 0), sizeof logs);
    for (unsigned lid = 0; lid < 256; lid++) {
        struct nvme_sqe sqe =
            bed_sqe(NVME_ADMIN_GET_LOG_PAGE, NVME_NSID_ALL, lid | 127 << 16, lid == 9 ? 1u << 16 : 0, 0);
        bool listed = le32_get(logs.lid[lid]) & 1;
        assert_int_equal(bed_do(bed, 0, &sqe, NULL), listed ? 0 : NVME_SC_INVALID_LOG_PAGE);
        count += listed;
    }
    assert_int_equal(count, 9);
    bed_free(bed);
}

static void test_nvme_log_offsets(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    uint8_t whole[4096];
    bed_up(bed, 0);
    assert_int_equal(bed_log(bed, NVME_LID_EFFECTS, sizeof whole, 0, false), 0);
    memcpy(whole, bed_out(bed, 0), sizeof whole);
    for (uint32_t offset = 0; offset <= 4096; offset += 508) {
        uint8_t expect[1024] = {0};
        memcpy(expect, whole + offset, 4096 - offset < 1024 ? 4096 - offset : 1024);
        assert_int_equal(bed_log(bed, NVME_LID_EFFECTS, 1024, offset, false), 0);
        assert_memory_equal(bed_out(bed, 0), expect, 1024);
    }
    assert_int_equal(bed_log(bed, NVME_LID_EFFECTS, 4, 4100, false), NVME_SC_INVALID_FIELD);
    assert_int_equal(bed_log(bed, NVME_LID_EFFECTS, 4, 1ull << 32, false), NVME_SC_INVALID_FIELD);
    assert_int_equal(bed_log(bed, NVME_LID_EFFECTS, 1 << 20, 0, false), 0);
    assert_memory_equal(bed_out(bed, 0), whole, 4096);
    bed_free(bed);
}

static void test_nvme_effects_say_what_dispatch_does(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_effects_log log;
    bed_up(bed, 1);
    assert_int_equal(bed_log(bed, NVME_LID_EFFECTS, sizeof log, 0, false), 0);
    memcpy(&log, bed_out(bed, 0), sizeof log);
    for (unsigned opc = 0; opc < 256; opc++) {
        struct nvme_sqe sqe = bed_sqe((uint8_t)opc, 1, 0, 0, 0);
        if (opc == NVME_OPC_FABRICS)
            continue;
        assert_int_equal(bed_do(bed, 1, &sqe, NULL) != NVME_SC_INVALID_OPCODE, le32_get(log.iocs[opc]) & 1);
        if (opc != NVME_ADMIN_ASYNC_EVENT_REQUEST)
            assert_int_equal(bed_do(bed, 0, &sqe, NULL) != NVME_SC_INVALID_OPCODE, le32_get(log.acs[opc]) & 1);
    }
    assert_true(le32_get(log.iocs[NVME_IO_WRITE]) & NVME_EFFECT_LBCC);
    assert_false(le32_get(log.iocs[NVME_IO_READ]) & NVME_EFFECT_LBCC);
    assert_true(le32_get(log.acs[NVME_ADMIN_FORMAT_NVM]) & NVME_EFFECT_NCC);
    bed_free(bed);
}

static void test_nvme_smart_counts(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_smart_log smart;
    struct nvme_sqe write = bed_rw(NVME_IO_WRITE, 1, 0, 128), read = bed_rw(NVME_IO_READ, 1, 0, 1);
    bed_up(bed, 1);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(bed_do(bed, 1, &write, NULL), 0);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(bed_do(bed, 1, &read, NULL), 0);
    sim_run(bed->sim, sim_now(bed->sim) + 2 * 3600 * 1000000000ll);
    assert_int_equal(bed_log(bed, NVME_LID_SMART, sizeof smart, 0, false), 0);
    memcpy(&smart, bed_out(bed, 0), sizeof smart);
    assert_int_equal(smart.critical_warning, 0);
    assert_int_equal(le16_get(smart.temperature), 313);
    assert_int_equal(smart.avail_spare, 100);
    assert_int_equal(le64_get(smart.data_units_written.lo), 3); /* 1 MiB = 2.05 thousand */
    assert_int_equal(le64_get(smart.data_units_read.lo), 1);
    assert_int_equal(le64_get(smart.host_writes.lo), 2);
    assert_int_equal(le64_get(smart.host_reads.lo), 5);
    assert_int_equal(le64_get(smart.power_on_hours.lo), 2);
    assert_int_equal(le64_get(smart.power_cycles.lo), 1);
    assert_int_equal(le64_get(smart.num_err_log_entries.lo), 0);
    bed_free(bed);
}

static void test_nvme_error_log_wraps(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    static struct nvme_error_log_entry entries[64];
    bed_up(bed, 1);
    for (uint32_t i = 0; i < 100; i++) {
        struct nvme_sqe sqe = bed_rw(NVME_IO_READ, 1, 1000000 + i, 1);
        assert_int_equal(bed_do(bed, 1, &sqe, NULL), NVME_SC_LBA_OUT_OF_RANGE);
    }
    assert_int_equal(bed_log(bed, NVME_LID_ERROR, sizeof entries, 0, false), 0);
    memcpy(entries, bed_out(bed, 0), sizeof entries);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(le64_get(entries[i].error_count), 100 - i);
        assert_int_equal(le64_get(entries[i].lba), 1000099 - i);
    }
    bed_free(bed);
}

/* ---- Events ---- */

static struct nvme_sqe aer_sqe(uint16_t cid) {
    struct nvme_sqe sqe = bed_sqe(NVME_ADMIN_ASYNC_EVENT_REQUEST, 0, 0, 0, 0);
    sqe.cid = le16_from(cid);
    return sqe;
}

#define TEMPERATURE_EVENT (NVME_LID_SMART << 16 | NVME_ASYNC_SMART_TEMPERATURE << 8 | NVME_ASYNC_SMART)

static void test_nvme_event_limit(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    uint16_t status[9];
    bed_up(bed, 0);
    for (uint16_t i = 0; i < 9; i++) {
        struct nvme_sqe sqe = aer_sqe(i);
        bed_send(bed, 0, &sqe, NULL, &status[i]);
    }
    assert_int_equal(status[7], BED_PENDING);
    assert_int_equal(status[8], NVME_SC_AER_LIMIT_EXCEEDED);
    bed_free(bed);
}

static void test_nvme_event_given_up_by_the_host(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_sqe sqe = aer_sqe(0x4000), identify = bed_sqe(NVME_ADMIN_IDENTIFY, 0, NVME_CNS_CTRL, 0, 0);
    uint16_t status, other;
    uint64_t value;
    bed_up(bed, 0);
    bed_send(bed, 0, &sqe, NULL, &status);
    identify.cid = le16_from(0x4000);
    bed_send(bed, 0, &identify, NULL, &other);
    assert_int_equal(other, NVME_SC_CID_CONFLICT); /* not anything goes */
    struct nvme_fabrics_property p = {.opc = NVME_OPC_FABRICS,
                                      .cid = le16_from(0x4000),
                                      .fctype = NVME_FCTYPE_PROPERTY_GET,
                                      .ofst = le32_from(NVME_PROP_CC)};
    memcpy(&sqe, &p, sizeof sqe);
    bed_send(bed, 0, &sqe, NULL, &other);
    assert_int_equal(other, 0);
    assert_int_equal(bed_result(bed, 0), 0x460061);
    assert_int_equal(bed->q[0].queue.outstanding, 0);
    assert_int_equal(bed_property_get(bed, 0, NVME_PROP_CSTS, &value), 0);
    bed_free(bed);
}

static void test_nvme_temperature_event_masks_and_rearms(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_sqe one = aer_sqe(1), two = aer_sqe(2);
    uint16_t first, second;
    bed_up(bed, 0);
    bed_send(bed, 0, &one, NULL, &first);
    bed_send(bed, 0, &two, NULL, &second);
    assert_int_equal(bed_set_feature(bed, NVME_FID_TEMPERATURE_THRESHOLD, 300, false), 0);
    assert_int_equal(first, BED_PENDING); /* not asked for */
    assert_int_equal(bed_set_feature(bed, NVME_FID_ASYNC_EVENT_CONFIG, NVME_SMART_TEMPERATURE, false), 0);
    assert_int_equal(first, 0);
    assert_int_equal(second, BED_PENDING);
    bed_set_feature(bed, NVME_FID_TEMPERATURE_THRESHOLD, 350, false);
    bed_set_feature(bed, NVME_FID_TEMPERATURE_THRESHOLD, 300, false);
    assert_int_equal(second, BED_PENDING); /* masked until the log was read */
    assert_int_equal(bed_log(bed, NVME_LID_SMART, 512, 0, true), 0);
    assert_int_equal(((struct nvme_smart_log *)bed_out(bed, 0))->critical_warning, NVME_SMART_TEMPERATURE);
    assert_int_equal(second, BED_PENDING); /* RAE */
    assert_int_equal(bed_log(bed, NVME_LID_ERROR, 64, 0, false), 0);
    assert_int_equal(second, BED_PENDING); /* another log page */
    assert_int_equal(bed_log(bed, NVME_LID_SMART, 512, 0, false), 0);
    assert_int_equal(second, 0);
    bed_free(bed);
}

static void test_nvme_under_temperature_and_waiting_event(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_sqe one = aer_sqe(1);
    uint16_t first;
    bed_up(bed, 0);
    assert_int_equal(bed_set_feature(bed, NVME_FID_ASYNC_EVENT_CONFIG, NVME_SMART_TEMPERATURE, false), 0);
    assert_int_equal(bed_set_feature(bed, NVME_FID_TEMPERATURE_THRESHOLD, 320 | 1 << 20, false), 0);
    bed_send(bed, 0, &one, NULL, &first); /* the event waited for a request */
    assert_int_equal(first, 0);
    assert_int_equal(bed_result(bed, 0), TEMPERATURE_EVENT);
    uint32_t value;
    struct nvme_sqe get = bed_sqe(NVME_ADMIN_GET_FEATURES, 0, NVME_FID_TEMPERATURE_THRESHOLD, 1 << 20, 0);
    assert_int_equal(bed_do(bed, 0, &get, NULL), 0);
    assert_int_equal(bed_result(bed, 0), 320);
    assert_int_equal(bed_get_feature(bed, NVME_FID_TEMPERATURE_THRESHOLD, 0, &value), 0);
    assert_int_equal(value, 343);
    bed_free(bed);
}

/* ---- Abort ---- */

static uint16_t abort_do(struct bed *bed, uint16_t sqid, uint16_t cid, uint32_t *result) {
    struct nvme_sqe sqe = bed_sqe(NVME_ADMIN_ABORT, 0, sqid | (uint32_t)cid << 16, 0, 0);
    uint16_t status = bed_do(bed, 0, &sqe, NULL);
    *result = bed_result(bed, 0);
    return status;
}

static void test_nvme_abort(void **state) {
    static const char *const options[] = {"nossd.read_latency=1s", NULL};
    struct bed *bed = bed_new(NULL, options);
    struct nvme_sqe read = bed_rw(NVME_IO_READ, 1, 0, 1), aer = aer_sqe(44);
    uint16_t aborted, other, again, event;
    uint32_t result;
    bed_up(bed, 1);
    read.cid = le16_from(10);
    bed_send(bed, 1, &read, NULL, &aborted);
    read.cid = le16_from(11);
    bed_send(bed, 1, &read, NULL, &other);
    assert_int_equal(abort_do(bed, 1, 10, &result), 0);
    assert_int_equal(result, 0);
    assert_int_equal(aborted, NVME_SC_ABORT_REQUESTED);
    assert_int_equal(other, BED_PENDING);
    assert_true(le16_get(bed->q[1].cqe.status) >> 15 == 0); /* worth trying again */
    assert_int_equal(bed->q[1].queue.outstanding, 2);       /* the drive still has it */
    read.cid = le16_from(10);
    bed_send(bed, 1, &read, NULL, &again); /* while the first use runs out */
    assert_int_equal(again, BED_PENDING);
    bed_settle(bed);
    assert_int_equal(other, 0);
    assert_int_equal(again, 0);
    assert_int_equal(bed->q[1].queue.outstanding, 0);
    assert_int_equal(abort_do(bed, 1, 10, &result), 0);
    assert_int_equal(result, 1); /* too late */

    bed_send(bed, 0, &aer, NULL, &event);
    assert_int_equal(abort_do(bed, 0, 44, &result), 0);
    assert_int_equal(result, 0);
    assert_int_equal(event, NVME_SC_ABORT_REQUESTED);
    assert_int_equal(abort_do(bed, 0, le16_get(bed->q[0].cqe.cid), &result), 0);
    bed_free(bed);
}

/* The drive gives the command back after the abort but before the transport has sent the answer. */
static void test_nvme_abort_with_a_slow_transport(void **state) {
    static const char *const options[] = {"nossd.read_latency=1ms", NULL};
    struct bed *bed = bed_new(NULL, options);
    struct nvme_sqe read = bed_rw(NVME_IO_READ, 1, 0, 1);
    struct err e = {0};
    uint16_t status;
    uint32_t result;
    bed_up(bed, 1);
    bed->q[1].hold = true;
    read.cid = le16_from(10);
    struct bed_cmd *c = bed_send(bed, 1, &read, NULL, &status);
    assert_int_equal(abort_do(bed, 1, 10, &result), 0);
    assert_int_equal(status, NVME_SC_ABORT_REQUESTED);
    bed_settle(bed);
    assert_int_equal(c->completions, 1);
    assert_true(c->used);
    assert_int_equal(nvme_check(bed->target, &e), 0);
    nvme_cmd_release(&c->cmd);
    assert_false(c->used);
    bed_free(bed);
}

static void test_nvme_abort_between_steps(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_dsm_range ranges[50];
    struct nvme_sqe sqe = bed_sqe(NVME_IO_DSM, 1, 49, NVME_DSM_AD, 0);
    uint16_t status;
    uint32_t result;
    bed_up(bed, 1);
    for (unsigned i = 0; i < 50; i++)
        ranges[i] = (struct nvme_dsm_range){.nlb = le32_from(1), .slba = le64_from(i)};
    sqe.cid = le16_from(3);
    bed_send(bed, 1, &sqe, ranges, &status);
    sim_run(bed->sim, sim_now(bed->sim) + 10 * 20000 + 5000);
    assert_int_equal(abort_do(bed, 1, 3, &result), 0);
    assert_int_equal(result, 0);
    assert_int_equal(status, NVME_SC_ABORT_REQUESTED);
    bed_settle(bed);
    assert_true(bed->drive->ios[IO_TRIM] >= 10 && bed->drive->ios[IO_TRIM] < 15);
    bed_free(bed);
}

/* ---- Format NVM ---- */

static void test_nvme_format_erases_and_tells(void **state) {
    static const char *const options[] = {"nvme.namespaces=2", NULL};
    static uint8_t data[4096], zeros[512];
    struct bed *bed = bed_new(NULL, options);
    struct nvme_sqe aer = aer_sqe(1), format = bed_sqe(NVME_ADMIN_FORMAT_NVM, 2, 0 | 1 << 9, 0, 0);
    struct nvme_sqe write = bed_rw(NVME_IO_WRITE, 2, 0, 1), read = bed_rw(NVME_IO_READ, 2, 7, 1);
    struct nvme_sqe other = bed_rw(NVME_IO_READ, 1, 0, 1), mark = bed_rw(NVME_IO_WRITE_UNCORRECTABLE, 2, 0, 2);
    uint16_t event;
    bed_up(bed, 1);
    memset(data, 0x5a, sizeof data);
    assert_int_equal(bed_do(bed, 1, &write, data), 0);
    write.nsid = le32_from(1);
    assert_int_equal(bed_do(bed, 1, &write, data), 0);
    assert_int_equal(bed_do(bed, 1, &mark, NULL), 0);
    assert_int_equal(bed_set_feature(bed, NVME_FID_ASYNC_EVENT_CONFIG, NVME_AEC_NS_ATTRIBUTE, false), 0);
    bed_send(bed, 0, &aer, NULL, &event);
    assert_int_equal(bed_do(bed, 0, &format, NULL), 0);
    assert_int_equal(event, 0);
    assert_int_equal(bed_do(bed, 1, &read, NULL), 0);
    assert_int_equal(bed->q[1].out_bytes, 512);
    assert_memory_equal(bed_out(bed, 1), zeros, 512);
    assert_int_equal(bed_do(bed, 1, &other, NULL), 0);
    assert_memory_equal(bed_out(bed, 1), data, 4096); /* the neighbour keeps its bytes */
    assert_int_equal(bed_identify(bed, NVME_CNS_NS, 2, 0), 0);
    assert_int_equal(le64_get(((struct nvme_id_ns *)bed_out(bed, 0))->nsze), 32 << 11);
    assert_int_equal(bed_log(bed, NVME_LID_CHANGED_NS, 4096, 0, true), 0);
    assert_true(list_at(bed, 0) == 2 && list_at(bed, 1) == 0);
    assert_int_equal(bed_log(bed, NVME_LID_CHANGED_NS, 4096, 0, false), 0);
    assert_int_equal(bed_log(bed, NVME_LID_CHANGED_NS, 4096, 0, false), 0);
    assert_int_equal(list_at(bed, 0), 0);
    format = bed_sqe(NVME_ADMIN_FORMAT_NVM, NVME_NSID_ALL, 1, 0, 0);
    assert_int_equal(bed_do(bed, 0, &format, NULL), 0);
    assert_int_equal(bed_log(bed, NVME_LID_CHANGED_NS, 4096, 0, false), 0);
    assert_true(list_at(bed, 0) == 1 && list_at(bed, 1) == 2);
    assert_int_equal(bed_identify(bed, NVME_CNS_NS, 2, 0), 0);
    assert_int_equal(((struct nvme_id_ns *)bed_out(bed, 0))->flbas, 1);
    bed_free(bed);
}

static void test_nvme_format_under_io(void **state) {
    static const char *const options[] = {"nossd.read_latency=1ms", "nossd.write_latency=2ms", NULL};
    struct bed *bed = bed_new(NULL, options);
    struct nvme_sqe format = bed_sqe(NVME_ADMIN_FORMAT_NVM, 1, 0, 0, 0), read = bed_rw(NVME_IO_READ, 1, 0, 1);
    uint16_t before[8], during, formatted, twice;
    uint32_t result;
    bed_up(bed, 1);
    for (uint16_t i = 0; i < 8; i++) {
        read.cid = le16_from(i);
        bed_send(bed, 1, &read, NULL, &before[i]);
    }
    struct bed_cmd *slow = &bed->q[1].slot[20]; /* its data comes after the format */
    slow->used = true;
    slow->q = &bed->q[1];
    slow->completions = 0;
    slow->cmd.sqe = bed_rw(NVME_IO_WRITE, 1, 0, 1);
    slow->cmd.sqe.cid = le16_from(500);
    nvme_cmd_start(&bed->q[1].queue, &slow->cmd);

    format.cid = le16_from(1);
    bed_send(bed, 0, &format, NULL, &formatted);
    assert_int_equal(bed->drive->inflight, 8); /* waits */
    read.cid = le16_from(100);
    bed_send(bed, 1, &read, NULL, &during);
    assert_int_equal(during, NVME_SC_FORMAT_IN_PROGRESS);
    format.cid = le16_from(2);
    bed_send(bed, 0, &format, NULL, &twice);
    assert_int_equal(twice, NVME_SC_FORMAT_IN_PROGRESS);
    assert_int_equal(abort_do(bed, 0, 1, &result), 0);
    assert_int_equal(result, 1);
    bed_settle(bed);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(before[i], 0);
    assert_int_equal(formatted, 0);

    uint16_t late = BED_PENDING;
    slow->status = &late;
    slow->vec[0] = (struct iovec){slow->in = calloc(1, 4096), 4096};
    slow->cmd.in = slow->vec;
    slow->cmd.in_count = 1;
    nvme_cmd_execute(&slow->cmd);
    assert_int_equal(late, NVME_SC_INVALID_NS); /* a 4096-byte block is not to be written as 512 bytes */
    bed_free(bed);
}

static void test_nvme_format_outlives_its_connection(void **state) {
    static const char *const options[] = {"nossd.write_latency=1s", NULL};
    struct bed *bed = bed_new(NULL, options);
    struct nvme_sqe format = bed_sqe(NVME_ADMIN_FORMAT_NVM, 1, 0, 0, 0);
    uint16_t status;
    bed_up(bed, 0);
    format.cid = le16_from(1);
    bed_send(bed, 0, &format, NULL, &status);
    bed_gone(bed, 0);
    assert_int_equal(bed->q[0].queue.outstanding, 1);
    bed_settle(bed);
    assert_int_equal(bed->q[0].queue.outstanding, 0);
    bed_up(bed, 0);
    assert_int_equal(bed_identify(bed, NVME_CNS_NS, 1, 0), 0);
    assert_int_equal(((struct nvme_id_ns *)bed_out(bed, 0))->flbas, 0);
    bed_free(bed);
}

/* docs/nvme-commands.md is what the tables say. */
static void check_page(const char *text, size_t size) {
    const char *root = getenv("DRIVELAB_SOURCE");
    char path[4096], page[1 << 16];
    if (!root)
        return; /* not run by meson */
    snprintf(path, sizeof path, "%s/docs/nvme-commands.md", root);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t got = fread(page, 1, sizeof page, f);
    fclose(f);
    assert_int_equal(got, size);
    assert_memory_equal(page, text, size);
}

static void test_nvme_tables_document_themselves(void **state) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    nvme_opcodes_doc(out);
    fclose(out);
    assert_non_null(strstr(text, "| 09h | Dataset Management |"));
    assert_non_null(strstr(text, "| 1ch | I/O command sets |"));
    assert_non_null(strstr(text, "Keep Alive Timer"));
    check_page(text, size);
    free(text);
    for (const struct nvme_status_row *row = nvme_statuses; row->name; row++) {
        assert_ptr_equal(nvme_status_find_in(row->status, row->set), row);
        assert_true(strlen(row->meaning) > 5);
    }
    assert_null(nvme_status_find(0x7ff, false));
    assert_string_equal(nvme_status_find(NVME_SC_CONNECT_INVALID_HOST, true)->name, "Connect Invalid Host");
    assert_string_equal(nvme_status_find(0x1b9, true)->name, "Zone Is Full");
    assert_string_equal(nvme_status_find(0x281, false)->name, "Unrecovered Read Error");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nvme_admin_refusals),
        cmocka_unit_test(test_nvme_rotational_media_is_told),
        cmocka_unit_test(test_nvme_identify_nvm_sets),
        cmocka_unit_test(test_nvme_identify_formats),
        cmocka_unit_test(test_nvme_identify_controller),
        cmocka_unit_test(test_nvme_identify_namespace),
        cmocka_unit_test(test_nvme_identify_lists),
        cmocka_unit_test(test_nvme_features_select),
        cmocka_unit_test(test_nvme_number_of_queues),
        cmocka_unit_test(test_nvme_features_with_data),
        cmocka_unit_test(test_nvme_supported_logs_are_supported),
        cmocka_unit_test(test_nvme_log_offsets),
        cmocka_unit_test(test_nvme_effects_say_what_dispatch_does),
        cmocka_unit_test(test_nvme_smart_counts),
        cmocka_unit_test(test_nvme_error_log_wraps),
        cmocka_unit_test(test_nvme_event_limit),
        cmocka_unit_test(test_nvme_event_given_up_by_the_host),
        cmocka_unit_test(test_nvme_temperature_event_masks_and_rearms),
        cmocka_unit_test(test_nvme_under_temperature_and_waiting_event),
        cmocka_unit_test(test_nvme_abort),
        cmocka_unit_test(test_nvme_abort_with_a_slow_transport),
        cmocka_unit_test(test_nvme_abort_between_steps),
        cmocka_unit_test(test_nvme_format_erases_and_tells),
        cmocka_unit_test(test_nvme_format_under_io),
        cmocka_unit_test(test_nvme_format_outlives_its_connection),
        cmocka_unit_test(test_nvme_tables_document_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
