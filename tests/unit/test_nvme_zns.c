/* The Zoned Namespace command set as the controller keeps it: one test for each rule that is about commands. */
#include <unistd.h>

#include "media/nand/nand.h"
#include "nvme_zoned.h"

#define ARGS(...)  ((const char *const[]){__VA_ARGS__, NULL})
#define SLBA(zone) ((uint64_t)(zone)*ZONED_LBAS)
#define LOC_SLBA   40
#define LOC_NLB    48
#define LOC_ZSA    52
#define LOC_ALL    53            /* bit 8 of command dword 13 */
#define LOC_ZRWA   (53 | 1 << 8) /* bit 9 */

/* ---- Writes, appends, reads ---- */

static void test_nvme_zns_rule01_refusals_of_writes_say_why(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(zoned_write(bed, SLBA(5), 8), 0);
    assert_int_equal(zoned_act(bed, 4, ZONE_FINISH), 0);
    assert_int_equal(zoned_write(bed, SLBA(4), 8), IO_ZONE_IS_FULL);
    assert_int_equal(zoned_location(bed), LOC_SLBA);
    assert_true(zoned_says(bed, "zone 4"));
    assert_true(zoned_says(bed, "Full"));
    assert_true(zoned_says(bed, "768 blocks"));
    assert_int_equal(zoned_write(bed, SLBA(5) + 16, 8), IO_ZONE_INVALID_WRITE);
    assert_int_equal(zoned_location(bed), LOC_SLBA);
    assert_true(zoned_says(bed, "LBA 0x1408"));
    assert_int_equal(zoned_write(bed, SLBA(5) + 9, 8), IO_ZONE_INVALID_WRITE);
    assert_true(zoned_says(bed, "zero-based"));
    zoned_fail(bed, 6, ZONE_STATE_READ_ONLY);
    assert_int_equal(zoned_write(bed, SLBA(6), 1), IO_ZONE_IS_READ_ONLY);
    zoned_fail(bed, 7, ZONE_STATE_OFFLINE);
    assert_int_equal(zoned_write(bed, SLBA(7), 1), IO_ZONE_IS_OFFLINE);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(7), 1, NULL), IO_ZONE_IS_OFFLINE);
    bed_free(bed);
}

static void fill_to(struct bed *bed, uint32_t zone, uint32_t lbas) {
    for (uint32_t at = 0; at < lbas; at += 256)
        assert_int_equal(zoned_write(bed, SLBA(zone) + at, lbas - at < 256 ? lbas - at : 256), 0);
}

static void test_nvme_zns_rule03_writes_past_the_capacity(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    fill_to(bed, 2, ZONED_CAPACITY - 8);
    assert_int_equal(zoned_write(bed, SLBA(2) + ZONED_CAPACITY - 8, 9), IO_ZONE_BOUNDARY);
    assert_int_equal(zoned_location(bed), LOC_NLB);
    assert_true(zoned_says(bed, "zero-based"));
    assert_int_equal(zoned_append(bed, SLBA(2), 9, NULL), IO_ZONE_BOUNDARY);
    assert_int_equal(zoned_location(bed), LOC_NLB);
    assert_int_equal(zoned_write(bed, SLBA(2) + ZONED_CAPACITY - 8, 8), 0);
    assert_int_equal(zoned_state(bed, 2), ZONE_STATE_FULL);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(2) + ZONED_CAPACITY, 8, NULL), 0); /* read as deallocated */
    bed_free(bed);
}

static void test_nvme_zns_rule05_append_names_the_zone_start(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(zoned_append(bed, SLBA(3) + 8, 8, NULL), NVME_SC_INVALID_FIELD);
    assert_int_equal(zoned_location(bed), LOC_SLBA);
    assert_true(zoned_says(bed, "zone 3 starts at 0xc00"));
    assert_int_equal(zoned_append(bed, 3, 8, NULL), NVME_SC_INVALID_FIELD); /* a zone's number is no LBA */
    assert_true(zoned_says(bed, "if zone number 3 is meant: it starts at LBA 0xc00"));
    assert_int_equal(zoned_rw(bed, NVME_IO_ZONE_APPEND, SLBA(ZONED_ZONES), 8, NULL), NVME_SC_LBA_OUT_OF_RANGE);
    bed_free(bed);
}

static void test_nvme_zns_rule06_append_up_to_zasl(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(bed_identify(bed, NVME_CNS_CS_CTRL, 0, NVME_CSI_ZNS << 24), 0);
    assert_int_equal(((struct nvme_id_ctrl_zns *)bed_out(bed, 0))->zasl, 5); /* 128 KiB */
    assert_int_equal(zoned_append(bed, SLBA(1), ZONED_ASL, NULL), 0);
    assert_int_equal(zoned_append(bed, SLBA(1), ZONED_ASL + 1, NULL), NVME_SC_INVALID_FIELD);
    assert_int_equal(zoned_location(bed), LOC_NLB);
    assert_true(zoned_says(bed, "33 blocks (135168 bytes) exceeds ZASL: 32 blocks (131072 bytes)"));
    assert_true(zoned_says(bed, "NLB is zero-based: for 32 blocks it is 31"));
    assert_int_equal(zoned_append(bed, SLBA(1), 36, NULL), NVME_SC_INVALID_FIELD);
    assert_false(strstr((char *)bed_out(bed, 0), "zero-based"));
    assert_int_equal(zoned_write(bed, SLBA(2), ZONED_ASL + 1), 0); /* of appends only */
    bed_free(bed);
}

static void test_nvme_zns_rule06_zasl_0_is_mdts(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("zns.append_limit=0"));
    assert_int_equal(bed_identify(bed, NVME_CNS_CS_CTRL, 0, NVME_CSI_ZNS << 24), 0);
    assert_int_equal(((struct nvme_id_ctrl_zns *)bed_out(bed, 0))->zasl, 0);
    assert_int_equal(zoned_append(bed, SLBA(1), 256, NULL), 0);
    assert_int_equal(zoned_append(bed, SLBA(1), 257, NULL), NVME_SC_INVALID_FIELD);
    assert_true(zoned_says(bed, "MDTS"));
    bed_free(bed);
}

static void test_nvme_zns_rule07_append_tells_the_lba(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("nvme.namespaces=2"));
    uint64_t lba;
    assert_int_equal(zoned_append(bed, SLBA(5), 8, &lba), 0);
    assert_int_equal(lba, SLBA(5));
    assert_int_equal(zoned_append(bed, SLBA(5), 8, &lba), 0);
    assert_int_equal(lba, SLBA(5) + 8);
    assert_true(zoned_reads(bed, SLBA(5), 16));
    struct nvme_sqe sqe = bed_rw(NVME_IO_ZONE_APPEND, 2, SLBA(5), 4);
    assert_int_equal(bed_do(bed, 1, &sqe, NULL), 0);
    assert_int_equal(zoned_result(bed), SLBA(5)); /* counted in its own namespace */
    bed_free(bed);
}

/* Without protection information PIREMAP and the tags mean nothing. */
static void test_nvme_zns_rule08_piremap_without_protection_information(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    struct nvme_sqe sqe = bed_rw(NVME_IO_ZONE_APPEND, 1, SLBA(1), 8);
    assert_int_equal(bed_do(bed, 1, &sqe, NULL), 0);
    sqe.cdw12 = le32_from(7 | NVME_APPEND_PIREMAP);
    sqe.cdw14 = le32_from(1234);
    assert_int_equal(bed_do(bed, 1, &sqe, NULL), 0);
    bed_free(bed);
}

static void test_nvme_zns_rule09_appends_in_flight_get_different_places(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    uint16_t status[16];
    for (unsigned i = 0; i < 16; i++) {
        struct nvme_sqe sqe = bed_rw(NVME_IO_ZONE_APPEND, 1, SLBA(1), 4);
        sqe.cid = le16_from((uint16_t)i);
        bed_send(bed, 1 + i % 2, &sqe, NULL, &status[i]);
    }
    bed_settle(bed);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(status[i], 0);
    assert_int_equal(le64_get(zoned_zone(bed, 1).wp), SLBA(1) + 64);
    bed_free(bed);
}

static void test_nvme_zns_rule10_unwritten_blocks_and_dulbe(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(zoned_write(bed, SLBA(1), 4), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(1), 8, NULL), 0);
    struct nvme_sqe set = bed_sqe(NVME_ADMIN_SET_FEATURES, 1, NVME_FID_ERROR_RECOVERY, NVME_DULBE, 0);
    assert_int_equal(bed_do(bed, 0, &set, NULL), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(1), 4, NULL), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(1), 5, NULL), NVME_SC_DEALLOCATED);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(2), 1, NULL), NVME_SC_DEALLOCATED);
    bed_free(bed);
}

static void test_nvme_zns_rule11_reads_across_zones(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(2) - 4, 4, NULL), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(2) - 4, 5, NULL), IO_ZONE_BOUNDARY);
    assert_int_equal(zoned_location(bed), LOC_NLB);
    bed_free(bed);
    bed = zoned_new(NULL, ARGS("zns.read_across=yes"));
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(2) - 4, 8, NULL), 0);
    zoned_fail(bed, 2, ZONE_STATE_OFFLINE);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(2) - 4, 8, NULL), IO_ZONE_IS_OFFLINE);
    bed_free(bed);
}

static void test_nvme_zns_rule12_compare_and_verify_obey_zones(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(zoned_rw(bed, NVME_IO_COMPARE, SLBA(2) - 4, 8, NULL), IO_ZONE_BOUNDARY);
    assert_int_equal(zoned_location(bed), LOC_NLB);
    assert_int_equal(zoned_rw(bed, NVME_IO_VERIFY, SLBA(2) - 4, 8, NULL), IO_ZONE_BOUNDARY);
    zoned_fail(bed, 2, ZONE_STATE_OFFLINE);
    assert_int_equal(zoned_rw(bed, NVME_IO_COMPARE, SLBA(2), 8, NULL), IO_ZONE_IS_OFFLINE);
    assert_int_equal(zoned_rw(bed, NVME_IO_VERIFY, SLBA(2), 8, NULL), IO_ZONE_IS_OFFLINE);
    assert_int_equal(zoned_write(bed, SLBA(1), 8), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_VERIFY, SLBA(1), 8, NULL), 0);
    assert_true(zoned_reads(bed, SLBA(1), 8));
    uint8_t data[8 * 4096];
    memcpy(data, bed_out(bed, 1), sizeof data);
    assert_int_equal(zoned_rw(bed, NVME_IO_COMPARE, SLBA(1), 8, data), 0);
    data[5000] ^= 1;
    assert_int_equal(zoned_rw(bed, NVME_IO_COMPARE, SLBA(1), 8, data), NVME_SC_COMPARE_FAILURE);
    bed_free(bed);
}

static uint16_t deallocate(struct bed *bed, uint64_t slba, uint32_t nlb) {
    const struct nvme_dsm_range range = {.slba = le64_from(slba), .nlb = le32_from(nlb)};
    struct nvme_sqe sqe = bed_sqe(NVME_IO_DSM, 1, 0, NVME_DSM_AD, 0);
    return bed_do(bed, 1, &sqe, &range);
}

static void test_nvme_zns_rule13_dataset_management_of_offline_zones(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(zoned_write(bed, SLBA(1), 8), 0);
    assert_int_equal(deallocate(bed, SLBA(1), 8), 0);
    assert_int_equal(le64_get(zoned_zone(bed, 1).wp), SLBA(1) + 8);
    zoned_fail(bed, 3, ZONE_STATE_OFFLINE);
    assert_int_equal(deallocate(bed, SLBA(3), 8), IO_ZONE_IS_OFFLINE);
    assert_int_equal(deallocate(bed, SLBA(2), 2 * ZONED_LBAS), IO_ZONE_IS_OFFLINE);
    bed_free(bed);
}

static void test_nvme_zns_rule16_limits_of_zones(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("zns.auto_close=no"));
    for (uint32_t i = 0; i < ZONED_OPEN; i++)
        assert_int_equal(zoned_act(bed, i, ZONE_OPEN), 0);
    assert_int_equal(zoned_write(bed, SLBA(9), 1), IO_ZONE_TOO_MANY_OPEN);
    assert_int_equal(zoned_act(bed, 9, ZONE_OPEN), IO_ZONE_TOO_MANY_OPEN);
    assert_int_equal(zoned_location(bed), LOC_SLBA);
    assert_true(zoned_says(bed, "MOR"));
    for (uint32_t i = 0; i < ZONED_ACTIVE; i++) {
        assert_int_equal(zoned_act(bed, i, ZONE_OPEN), 0);
        assert_int_equal(zoned_act(bed, i, ZONE_CLOSE), 0);
    }
    assert_int_equal(zoned_append(bed, SLBA(9), 1, NULL), IO_ZONE_TOO_MANY_ACTIVE);
    assert_true(zoned_says(bed, "MAR"));
    bed_free(bed);
}

/* ---- Write Uncorrectable, Write Zeroes, Copy ---- */

static void test_nvme_zns_rule02_zeroes_and_uncorrectable_are_writes(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(zoned_rw(bed, NVME_IO_WRITE_ZEROES, SLBA(1) + 8, 8, NULL), IO_ZONE_INVALID_WRITE);
    assert_int_equal(zoned_rw(bed, NVME_IO_WRITE_UNCORRECTABLE, SLBA(1) + 8, 8, NULL), IO_ZONE_INVALID_WRITE);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(1) + 8, 8, NULL), 0); /* nothing was marked */
    assert_int_equal(zoned_rw(bed, NVME_IO_WRITE_ZEROES, SLBA(1), 8, NULL), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_WRITE_UNCORRECTABLE, SLBA(1) + 8, 8, NULL), 0);
    assert_int_equal(le64_get(zoned_zone(bed, 1).wp), SLBA(1) + 16);
    assert_int_equal(zoned_write(bed, SLBA(1) + 16, 8), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(1) + 7, 2, NULL), NVME_SC_UNRECOVERED_READ);
    assert_true(zoned_reads(bed, SLBA(1) + 16, 8));
    assert_int_equal(zoned_act(bed, 1, ZONE_FINISH), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_WRITE_UNCORRECTABLE, SLBA(1) + 24, 8, NULL), IO_ZONE_IS_FULL);
    bed_free(bed);
}

static void test_nvme_zns_uncorrectable_marks_vanish_at_reset(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    for (uint32_t zone = 1; zone <= 3; zone++)
        assert_int_equal(zoned_rw(bed, NVME_IO_WRITE_UNCORRECTABLE, SLBA(zone), 8, NULL), 0);
    assert_int_equal(zoned_act(bed, 1, ZONE_RESET), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(1), 8, NULL), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(2), 8, NULL), NVME_SC_UNRECOVERED_READ);
    zoned_fail(bed, 3, ZONE_STATE_READ_ONLY);
    assert_int_equal(zoned_send(bed, 0, ZONE_RESET | NVME_ZSEND_ALL, NULL), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(2), 8, NULL), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(3), 8, NULL), NVME_SC_UNRECOVERED_READ); /* was not reset */
    bed_free(bed);
}

static uint16_t copy(struct bed *bed, uint64_t from, uint32_t nlb, uint64_t more_from, uint64_t to) {
    const struct nvme_copy_range_0 ranges[2] = {
        {.slba = le64_from(from), .nlb = le16_from((uint16_t)(nlb - 1))},
        {.slba = le64_from(more_from), .nlb = le16_from((uint16_t)(nlb - 1))},
    };
    struct nvme_sqe sqe = bed_sqe(NVME_IO_COPY, 1, (uint32_t)to, (uint32_t)(to >> 32), 1);
    return bed_do(bed, 1, &sqe, ranges);
}

static void test_nvme_zns_rule45_copy_into_zones(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(zoned_write(bed, SLBA(1), 64), 0);
    assert_int_equal(copy(bed, SLBA(1), 16, SLBA(1) + 32, SLBA(2)), 0);
    assert_int_equal(le64_get(zoned_zone(bed, 2).wp), SLBA(2) + 32);
    assert_true(zoned_reads(bed, SLBA(1), 16));
    uint8_t data[16 * 4096];
    memcpy(data, bed_out(bed, 1), sizeof data);
    assert_int_equal(zoned_rw(bed, NVME_IO_COMPARE, SLBA(2), 16, data), 0);
    assert_int_equal(copy(bed, SLBA(1), 16, SLBA(1) + 32, SLBA(2)), IO_ZONE_INVALID_WRITE);
    assert_int_equal(zoned_location(bed), LOC_SLBA);
    assert_int_equal(copy(bed, SLBA(1) - 8, 16, SLBA(1), SLBA(2) + 32), IO_ZONE_BOUNDARY); /* a source */
    assert_int_equal(zoned_location(bed), 0xffff);
    fill_to(bed, 3, ZONED_CAPACITY - 24);
    assert_int_equal(copy(bed, SLBA(1), 16, SLBA(1) + 32, SLBA(3) + ZONED_CAPACITY - 24), IO_ZONE_BOUNDARY);
    assert_true(zoned_says(bed, "24 are left"));
    assert_int_equal(le64_get(zoned_zone(bed, 3).wp), SLBA(3) + ZONED_CAPACITY - 24); /* nothing was copied */
    assert_int_equal(zoned_act(bed, 3, ZONE_FINISH), 0);
    assert_int_equal(copy(bed, SLBA(1), 16, SLBA(1) + 32, SLBA(3)), IO_ZONE_IS_FULL);
    zoned_fail(bed, 4, ZONE_STATE_READ_ONLY);
    zoned_fail(bed, 5, ZONE_STATE_OFFLINE);
    assert_int_equal(copy(bed, SLBA(1), 16, SLBA(1) + 32, SLBA(4)), IO_ZONE_IS_READ_ONLY);
    assert_int_equal(copy(bed, SLBA(1), 16, SLBA(1) + 32, SLBA(5)), IO_ZONE_IS_OFFLINE);
    assert_int_equal(copy(bed, SLBA(5), 16, SLBA(1) + 32, SLBA(2) + 32), IO_ZONE_IS_OFFLINE);
    for (uint32_t zone = 6; zone < 9; zone++)
        assert_int_equal(zoned_act(bed, zone, ZONE_OPEN), 0);
    assert_int_equal(copy(bed, SLBA(1), 16, SLBA(1) + 32, SLBA(9)), IO_ZONE_TOO_MANY_ACTIVE);
    bed_free(bed);
}

/* ---- Zone Management Send ---- */

static void test_nvme_zns_rules17_to_23_actions_reach_the_drive(void **state) {
    static const struct {
        uint8_t action;
        uint16_t status;
        uint8_t then;
    } steps[] = {
        {ZONE_CLOSE, IO_ZONE_INVALID_TRANSITION, ZONE_STATE_EMPTY},
        {ZONE_OPEN, 0, ZONE_STATE_EXPLICIT_OPEN},
        {ZONE_OPEN, 0, ZONE_STATE_EXPLICIT_OPEN},
        {ZONE_CLOSE, 0, ZONE_STATE_CLOSED},
        {ZONE_FINISH, 0, ZONE_STATE_FULL},
        {ZONE_FINISH, 0, ZONE_STATE_FULL},
        {ZONE_OPEN, IO_ZONE_INVALID_TRANSITION, ZONE_STATE_FULL},
        {ZONE_TO_OFFLINE, IO_ZONE_INVALID_TRANSITION, ZONE_STATE_FULL},
        {ZONE_RESET, 0, ZONE_STATE_EMPTY},
        {ZONE_RESET, 0, ZONE_STATE_EMPTY},
    };
    struct bed *bed = zoned_new(NULL, NULL);
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert_int_equal(zoned_act(bed, 3, steps[i].action), steps[i].status);
        if (steps[i].status)
            assert_int_equal(zoned_location(bed), LOC_ZSA);
        assert_int_equal(zoned_state(bed, 3), steps[i].then);
    }
    zoned_fail(bed, 3, ZONE_STATE_READ_ONLY);
    assert_int_equal(zoned_act(bed, 3, ZONE_RESET), IO_ZONE_INVALID_TRANSITION);
    assert_int_equal(zoned_act(bed, 3, ZONE_TO_OFFLINE), 0);
    assert_int_equal(zoned_state(bed, 3), ZONE_STATE_OFFLINE);
    assert_int_equal(zoned_act(bed, 3, ZONE_TO_OFFLINE), 0);
    bed_free(bed);
}

static void test_nvme_zns_rule20_open_all_is_all_or_nothing(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    for (uint32_t zone = 0; zone < ZONED_ACTIVE; zone++) {
        assert_int_equal(zoned_act(bed, zone, ZONE_OPEN), 0);
        assert_int_equal(zoned_act(bed, zone, ZONE_CLOSE), 0);
    }
    assert_int_equal(zoned_send(bed, 0, ZONE_OPEN | NVME_ZSEND_ALL, NULL), IO_ZONE_TOO_MANY_OPEN);
    for (uint32_t zone = 0; zone < ZONED_ACTIVE; zone++)
        assert_int_equal(zoned_state(bed, zone), ZONE_STATE_CLOSED);
    bed_free(bed);
}

static void test_nvme_zns_rule22_reset_tells_of_a_changed_capacity(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(zoned_write(bed, SLBA(1), 8), 0);
    assert_int_equal(zoned_act(bed, 1, ZONE_RESET), 0);
    assert_int_equal(bed_result(bed, 1), 0);
    assert_int_equal(le64_get(zoned_zone(bed, 1).wp), SLBA(1));
    assert_int_equal(zoned_zone(bed, 1).za, 0);
    bed_free(bed);
}

/* One of the zone's two blocks fails to be erased: half of the capacity, told with the reset that brings it. */
static void test_nvme_zns_rule22_reset_tells_of_a_smaller_capacity(void **state) {
    for (unsigned all = 0; all < 2; all++) {
        struct bed *bed = zoned_new(NULL, ARGS("zns.variable_capacity=yes", "zns.excursions=yes", "nand.blocks=16"));
        struct nand_fault fault = {
            .kind = NAND_PROGRAM, .die = NAND_ANY, .plane = NAND_ANY, .block = NAND_ANY, .count = 1};
        struct err e = {0};
        assert_int_equal(nand_fault_add(drive_nand(bed->drive), &fault, &e), 0);
        for (uint64_t lba = 0; lba < ZONED_CAPACITY && zoned_zone(bed, 1).zs >> 4 != ZONE_STATE_FULL; lba += 32) {
            zoned_write(bed, SLBA(1) + lba, 32);
            sim_run(bed->sim, sim_now(bed->sim) + 20000000);
        }
        assert_int_equal(zoned_zone(bed, 1).za, ZONE_FINISHED_BY_CONTROLLER);
        assert_int_equal(le64_get(zoned_zone(bed, 1).zcap), ZONED_CAPACITY);
        assert_int_equal(zoned_write(bed, SLBA(2), 8), 0);
        assert_int_equal(zoned_act(bed, 2, ZONE_RESET), 0);
        assert_int_equal(bed_result(bed, 1), 0); /* another zone's reset says nothing of it */
        assert_int_equal(all ? zoned_send(bed, 0, ZONE_RESET | NVME_ZSEND_ALL, NULL) : zoned_act(bed, 1, ZONE_RESET),
                         0);
        assert_int_equal(zoned_result(bed), NVME_ZRESET_CAPACITY);
        assert_int_equal(le64_get(zoned_zone(bed, 1).zcap), ZONED_CAPACITY / 2);
        assert_int_equal(zoned_write(bed, SLBA(1), 8), 0);
        assert_int_equal(zoned_act(bed, 1, ZONE_RESET), 0);
        assert_int_equal(bed_result(bed, 1), 0); /* it changes no more */
        bed_free(bed);
    }
}

static void test_nvme_zns_rule24_set_extension_with_data(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("zns.extension_bytes=128"));
    uint8_t data[128];
    memset(data, 0xa7, sizeof data);
    assert_int_equal(zoned_send(bed, SLBA(4), ZONE_SET_EXTENSION, data), 0);
    assert_int_equal(zoned_state(bed, 4), ZONE_STATE_CLOSED);
    assert_int_equal(zoned_zone(bed, 4).za, ZONE_EXTENSION_VALID);
    assert_int_equal(zoned_receive(bed, 1, SLBA(4), 64 + 64 + 128, NVME_ZRA_EXTENDED_REPORT | NVME_ZRECV_PARTIAL), 0);
    assert_memory_equal((char *)bed_out(bed, 1) + 128, data, sizeof data);
    memset(data, 0x11, sizeof data);
    assert_int_equal(zoned_send(bed, SLBA(4), ZONE_SET_EXTENSION, data), IO_ZONE_INVALID_TRANSITION);
    assert_int_equal(zoned_location(bed), LOC_ZSA);
    assert_int_equal(zoned_receive(bed, 1, SLBA(4), 64 + 64 + 128, NVME_ZRA_EXTENDED_REPORT | NVME_ZRECV_PARTIAL), 0);
    assert_int_equal(((uint8_t *)bed_out(bed, 1))[128], 0xa7); /* as it was */
    assert_int_equal(zoned_send(bed, 0, ZONE_SET_EXTENSION | NVME_ZSEND_ALL, data), NVME_SC_INVALID_FIELD);
    assert_int_equal(zoned_location(bed), LOC_ALL);
    for (uint32_t zone = 5; zone < 9; zone++)
        assert_int_equal(zoned_send(bed, SLBA(zone), ZONE_SET_EXTENSION, data), 0);
    assert_int_equal(zoned_send(bed, SLBA(9), ZONE_SET_EXTENSION, data), IO_ZONE_TOO_MANY_ACTIVE);
    assert_int_equal(zoned_state(bed, 9), ZONE_STATE_EMPTY);
    bed_free(bed);
    bed = zoned_new(NULL, NULL);
    assert_int_equal(zoned_send(bed, SLBA(4), ZONE_SET_EXTENSION, data), NVME_SC_INVALID_FIELD); /* ZDES is 0 */
    assert_int_equal(zoned_location(bed), LOC_ZSA);
    bed_free(bed);
}

static void test_nvme_zns_rule26_send_names_the_zone_start(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(zoned_send(bed, SLBA(1) + 1, ZONE_OPEN, NULL), NVME_SC_INVALID_FIELD);
    assert_int_equal(zoned_location(bed), LOC_SLBA);
    assert_int_equal(zoned_send(bed, SLBA(ZONED_ZONES), ZONE_OPEN, NULL), NVME_SC_LBA_OUT_OF_RANGE);
    assert_int_equal(zoned_location(bed), LOC_SLBA);
    assert_int_equal(zoned_write(bed, SLBA(1), 1), 0);
    assert_int_equal(zoned_send(bed, UINT64_MAX, ZONE_CLOSE | NVME_ZSEND_ALL, NULL), 0); /* SLBA is ignored */
    assert_int_equal(zoned_state(bed, 1), ZONE_STATE_CLOSED);
    for (unsigned action = 0; action < 256; action++) {
        bool known = (action >= ZONE_CLOSE && action <= ZONE_TO_OFFLINE) || action == ZONE_SET_EXTENSION ||
                     action == ZONE_FLUSH_ZRWA;
        if (known)
            continue;
        assert_int_equal(zoned_send(bed, SLBA(1), action, NULL), NVME_SC_INVALID_FIELD);
        assert_int_equal(zoned_location(bed), LOC_ZSA);
    }
    bed_free(bed);
}

/* ---- Zone Management Receive ---- */

static const struct nvme_zone_report *report(struct bed *bed, uint64_t slba, uint32_t bytes, uint32_t cdw13) {
    assert_int_equal(zoned_receive(bed, 1, slba, bytes, cdw13), 0);
    assert_int_equal(bed->q[1].out_bytes, bytes);
    return bed_out(bed, 1);
}

static const struct nvme_zone_desc *entry(const struct nvme_zone_report *r, unsigned index) {
    return (const struct nvme_zone_desc *)(r + 1) + index;
}

static void test_nvme_zns_rule28_report_begins_with_any_lba_of_a_zone(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    const struct nvme_zone_report *r = report(bed, SLBA(3) + 17, 4096, 0);
    assert_int_equal(le64_get(r->nr_zones), ZONED_ZONES - 3);
    for (unsigned i = 0; i < ZONED_ZONES - 3; i++) {
        const struct nvme_zone_desc *z = entry(r, i);
        assert_int_equal(le64_get(z->zslba), SLBA(3 + i));
        assert_int_equal(le64_get(z->wp), SLBA(3 + i));
        assert_int_equal(le64_get(z->zcap), ZONED_CAPACITY);
        assert_int_equal(z->zs, ZONE_STATE_EMPTY << 4);
        assert_int_equal(z->zt, NVME_ZT_SEQWRITE_REQ);
    }
    assert_int_equal(zoned_receive(bed, 1, SLBA(ZONED_ZONES), 4096, 0), NVME_SC_LBA_OUT_OF_RANGE);
    assert_int_equal(zoned_location(bed), LOC_SLBA);
    bed_free(bed);
}

static void test_nvme_zns_rule29_extended_reports_need_extensions(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(zoned_receive(bed, 1, 0, 4096, NVME_ZRA_EXTENDED_REPORT), NVME_SC_INVALID_FIELD);
    assert_int_equal(zoned_location(bed), LOC_ZSA);
    assert_int_equal(zoned_receive(bed, 1, 0, 4096, 2), NVME_SC_INVALID_FIELD);
    bed_free(bed);
}

static uint64_t matching(struct bed *bed, uint32_t filter) {
    return le64_get(report(bed, 0, 64, filter << 8)->nr_zones);
}

static void test_nvme_zns_rule30_filters(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("zns.finish_recommend_after=10s"));
    assert_int_equal(zoned_write(bed, SLBA(1), 8), 0);
    assert_int_equal(zoned_act(bed, 2, ZONE_OPEN), 0);
    assert_int_equal(zoned_act(bed, 3, ZONE_OPEN), 0);
    assert_int_equal(zoned_act(bed, 3, ZONE_CLOSE), 0);
    assert_int_equal(zoned_act(bed, 4, ZONE_FINISH), 0);
    assert_int_equal(matching(bed, NVME_ZRASF_ATTRIBUTES), 0);
    zoned_fail(bed, 5, ZONE_STATE_READ_ONLY);
    zoned_fail(bed, 6, ZONE_STATE_OFFLINE);
    zoned_fail(bed, 7, ZONE_STATE_OFFLINE);
    assert_int_equal(matching(bed, NVME_ZRASF_ALL), ZONED_ZONES);
    assert_int_equal(matching(bed, NVME_ZRASF_EMPTY), ZONED_ZONES - 7);
    assert_int_equal(matching(bed, NVME_ZRASF_IMPLICIT_OPEN), 1);
    assert_int_equal(matching(bed, NVME_ZRASF_EXPLICIT_OPEN), 1);
    assert_int_equal(matching(bed, NVME_ZRASF_CLOSED), 1);
    assert_int_equal(matching(bed, NVME_ZRASF_FULL), 1);
    assert_int_equal(matching(bed, NVME_ZRASF_READ_ONLY), 1);
    assert_int_equal(matching(bed, NVME_ZRASF_OFFLINE), 2);
    assert_int_equal(matching(bed, NVME_ZRASF_ATTRIBUTES), 3); /* three are active for longer than recommended */
    const struct nvme_zone_report *r = report(bed, 0, 4096, NVME_ZRASF_OFFLINE << 8);
    assert_int_equal(le64_get(entry(r, 0)->zslba), SLBA(6));
    assert_int_equal(le64_get(entry(r, 1)->zslba), SLBA(7));
    assert_int_equal(entry(r, 2)->zt, 0);
    for (unsigned filter = 0; filter < 256; filter++) {
        bool known = filter <= NVME_ZRASF_OFFLINE || filter == NVME_ZRASF_ATTRIBUTES;
        assert_int_equal(zoned_receive(bed, 1, 0, 4096, filter << 8), known ? 0 : NVME_SC_INVALID_FIELD);
        if (!known)
            assert_int_equal(zoned_location(bed), 53);
    }
    bed_free(bed);
}

static void test_nvme_zns_rule31_partial_reports_count_what_they_hold(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(zoned_act(bed, 4, ZONE_FINISH), 0);
    assert_int_equal(le64_get(report(bed, 0, 64 + 3 * 64 + 60, NVME_ZRECV_PARTIAL)->nr_zones), 3);
    assert_int_equal(le64_get(report(bed, 0, 64 + 3 * 64 + 60, 0)->nr_zones), ZONED_ZONES);
    assert_int_equal(le64_get(report(bed, 0, 64, NVME_ZRECV_PARTIAL)->nr_zones), 0);
    const struct nvme_zone_report *r = report(bed, 0, 64 + 2 * 64, NVME_ZRECV_PARTIAL | NVME_ZRASF_FULL << 8);
    assert_int_equal(le64_get(r->nr_zones), 1);
    assert_int_equal(le64_get(entry(r, 0)->zslba), SLBA(4));
    assert_int_equal(le64_get(report(bed, SLBA(2), 64, NVME_ZRASF_EMPTY << 8)->nr_zones), ZONED_ZONES - 3);
    bed_free(bed);
}

static void test_nvme_zns_rule32_sizes_of_reports(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    const uint8_t *out = (const uint8_t *)report(bed, 0, 1u << 20, 0);
    for (uint32_t i = 64 + 64 * ZONED_ZONES; i < 1u << 20; i++)
        assert_int_equal(out[i], 0);
    assert_int_equal(zoned_receive(bed, 1, 0, (1u << 20) + 4, 0), NVME_SC_INVALID_FIELD); /* MDTS */
    assert_int_equal(zoned_location(bed), LOC_NLB);
    struct nvme_sqe sqe = bed_sqe(NVME_IO_ZONE_RECEIVE, 1, 0, 0, UINT32_MAX);
    assert_int_equal(bed_do(bed, 1, &sqe, NULL), NVME_SC_INVALID_FIELD);
    assert_int_equal(*(const uint32_t *)report(bed, 0, 4, 0), ZONED_ZONES); /* less than a header: the part that fits */
    bed_free(bed);
}

static void test_nvme_zns_rule33_pointers_of_states_without_one(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    assert_int_equal(zoned_act(bed, 1, ZONE_FINISH), 0);
    zoned_fail(bed, 2, ZONE_STATE_READ_ONLY);
    zoned_fail(bed, 3, ZONE_STATE_OFFLINE);
    for (uint32_t zone = 1; zone <= 3; zone++)
        assert_true(le64_get(zoned_zone(bed, zone).wp) == UINT64_MAX);
    bed_free(bed);
}

static void test_nvme_zns_rule34_stride_of_extended_reports(void **state) {
    struct bed *bed = zoned_new(NULL, ARGS("zns.extension_bytes=128"));
    uint8_t data[128];
    memset(data, 0x5a, sizeof data);
    assert_int_equal(zoned_send(bed, SLBA(1), ZONE_SET_EXTENSION, data), 0);
    const uint8_t *out =
        (const uint8_t *)report(bed, 0, 64 + 3 * 192 + 188, NVME_ZRA_EXTENDED_REPORT | NVME_ZRECV_PARTIAL);
    assert_int_equal(out[0], 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct nvme_zone_desc *z = (const struct nvme_zone_desc *)(out + 64 + i * 192);
        assert_int_equal(le64_get(z->zslba), SLBA(i));
        assert_int_equal(((const uint8_t *)(z + 1))[0], i == 1 ? 0x5a : 0); /* without ZDEV: zeros */
        assert_int_equal(((const uint8_t *)(z + 1))[127], i == 1 ? 0x5a : 0);
    }
    bed_free(bed);
}

/* ---- Random write areas ---- */

/* Buffers of large reports are used again: nothing of the last one is in the next. */
static void test_nvme_zns_large_reports_hold_nothing_else(void **state) {
    enum { LARGE = 128 * 1024, ENTRY = 128 };
    struct bed *bed = zoned_new(NULL, ARGS("zns.extension_bytes=64"));
    uint8_t data[64];
    memset(data, 0x77, sizeof data);
    for (uint32_t zone = 0; zone < ZONED_ACTIVE; zone++)
        assert_int_equal(zoned_send(bed, SLBA(zone), ZONE_SET_EXTENSION, data), 0);
    for (unsigned again = 0; again < 2; again++) {
        uint32_t extended = NVME_ZRA_EXTENDED_REPORT | NVME_ZRECV_PARTIAL;
        assert_int_equal(zoned_receive(bed, 1, 0, LARGE, extended), 0);
        const uint8_t *out = bed_out(bed, 1);
        for (uint32_t zone = 0; zone < ZONED_ZONES; zone++)
            assert_int_equal(out[64 + zone * ENTRY + 64], !again && zone < ZONED_ACTIVE ? 0x77 : 0);
        assert_int_equal(zoned_receive(bed, 1, SLBA(ZONED_ZONES - 1), LARGE, extended), 0);
        for (uint32_t i = 64 + 64; i < LARGE; i++)
            assert_int_equal(((const uint8_t *)bed_out(bed, 1))[i], 0);
        assert_int_equal(zoned_send(bed, 0, ZONE_RESET | NVME_ZSEND_ALL, NULL), 0);
    }
    bed_free(bed);
}

static const char *const with_zrwa[] = {"zns.zrwa_zones=2", "zns.zrwa_bytes=64KiB", "zns.zrwa_granularity=16KiB", NULL};

static void test_nvme_zns_zrwa_allocation_by_bit_9(void **state) {
    struct bed *bed = zoned_new(NULL, with_zrwa);
    assert_int_equal(zoned_send(bed, SLBA(1), ZONE_OPEN | NVME_ZSEND_ZRWAA, NULL), 0);
    assert_int_equal(zoned_zone(bed, 1).za, ZONE_ZRWA_VALID);
    assert_int_equal(zoned_append(bed, SLBA(1), 1, NULL), IO_ZONE_INVALID_OPERATION);
    assert_int_equal(zoned_send(bed, SLBA(2), ZONE_OPEN | NVME_ZSEND_ZRWAA, NULL), 0);
    assert_int_equal(zoned_send(bed, SLBA(3), ZONE_OPEN | NVME_ZSEND_ZRWAA, NULL), IO_ZONE_NO_ZRWA);
    assert_int_equal(zoned_location(bed), LOC_ZRWA);
    assert_int_equal(zoned_send(bed, 0, ZONE_OPEN | NVME_ZSEND_ALL | NVME_ZSEND_ZRWAA, NULL), NVME_SC_INVALID_FIELD);
    assert_int_equal(zoned_location(bed), LOC_ZRWA);
    bed_free(bed);
    bed = zoned_new(NULL, NULL);
    assert_int_equal(zoned_send(bed, SLBA(1), ZONE_OPEN | NVME_ZSEND_ZRWAA, NULL), IO_ZONE_INVALID_OPERATION);
    assert_int_equal(zoned_location(bed), LOC_ZSA);
    bed_free(bed);
}

static void test_nvme_zns_zrwa_writes_and_flush(void **state) {
    struct bed *bed = zoned_new(NULL, with_zrwa);
    assert_int_equal(zoned_send(bed, SLBA(1), ZONE_OPEN | NVME_ZSEND_ZRWAA, NULL), 0);
    assert_int_equal(zoned_write(bed, SLBA(1) + 8, 4), 0); /* in any order, again and again */
    assert_int_equal(zoned_write(bed, SLBA(1), 4), 0);
    assert_int_equal(zoned_write(bed, SLBA(1), 4), 0);
    assert_int_equal(le64_get(zoned_zone(bed, 1).wp), SLBA(1));
    assert_int_equal(zoned_write(bed, SLBA(1) + 33, 4), IO_ZONE_INVALID_WRITE);
    assert_int_equal(zoned_send(bed, SLBA(1) + 2, ZONE_FLUSH_ZRWA, NULL), NVME_SC_INVALID_FIELD); /* granularity */
    assert_int_equal(zoned_send(bed, SLBA(1) + 3, ZONE_FLUSH_ZRWA, NULL), 0);
    assert_int_equal(le64_get(zoned_zone(bed, 1).wp), SLBA(1) + 4);
    assert_int_equal(zoned_send(bed, SLBA(1) + 4 + 1, ZONE_FLUSH_ZRWA, NULL), NVME_SC_INVALID_FIELD);
    assert_int_equal(zoned_send(bed, SLBA(1) + 4 + 19, ZONE_FLUSH_ZRWA, NULL), IO_ZONE_BOUNDARY); /* beyond the area */
    assert_int_equal(zoned_location(bed), LOC_SLBA);
    assert_int_equal(zoned_send(bed, SLBA(1) + 4 + 15, ZONE_FLUSH_ZRWA, NULL), 0);                /* all of it */
    assert_int_equal(zoned_send(bed, SLBA(2) + 3, ZONE_FLUSH_ZRWA, NULL), NVME_SC_INVALID_FIELD); /* has none */
    assert_int_equal(zoned_send(bed, 0, ZONE_FLUSH_ZRWA | NVME_ZSEND_ALL, NULL), NVME_SC_INVALID_FIELD);
    assert_int_equal(zoned_location(bed), LOC_ALL);
    assert_int_equal(zoned_send(bed, SLBA(ZONED_ZONES), ZONE_FLUSH_ZRWA, NULL), NVME_SC_LBA_OUT_OF_RANGE);
    bed_free(bed);
}

/* A write into the area takes an uncorrectable mark away, as any write does. */
static void test_nvme_zns_zrwa_rewrites_uncorrectable_blocks(void **state) {
    struct bed *bed = zoned_new(NULL, with_zrwa);
    assert_int_equal(zoned_send(bed, SLBA(1), ZONE_OPEN | NVME_ZSEND_ZRWAA, NULL), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_WRITE_UNCORRECTABLE, SLBA(1), 4, NULL), 0);
    assert_int_equal(zoned_rw(bed, NVME_IO_READ, SLBA(1), 4, NULL), NVME_SC_UNRECOVERED_READ);
    assert_int_equal(zoned_write(bed, SLBA(1), 4), 0);
    assert_true(zoned_reads(bed, SLBA(1), 4));
    bed_free(bed);
}

/* ---- What commands exist, and where ---- */

static void test_nvme_zns_no_fused_commands(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    for (unsigned opc = 0; opc < 256; opc++) {
        struct nvme_sqe sqe = bed_rw((uint8_t)opc, 1, 0, 1);
        sqe.flags |= 1;
        uint16_t status = opc == NVME_OPC_FABRICS ? NVME_SC_INVALID_FIELD : bed_do(bed, 1, &sqe, NULL);
        assert_true(status == NVME_SC_INVALID_FIELD || status == NVME_SC_INVALID_OPCODE);
    }
    bed_free(bed);
}

static void test_nvme_zns_nsid_ffffffff_is_for_flush_only(void **state) {
    static const uint8_t opcodes[] = {NVME_IO_WRITE,        NVME_IO_READ,         NVME_IO_WRITE_UNCORRECTABLE,
                                      NVME_IO_COMPARE,      NVME_IO_WRITE_ZEROES, NVME_IO_DSM,
                                      NVME_IO_VERIFY,       NVME_IO_COPY,         NVME_IO_ZONE_SEND,
                                      NVME_IO_ZONE_RECEIVE, NVME_IO_ZONE_APPEND};
    struct bed *bed = zoned_new(NULL, NULL);
    for (unsigned i = 0; i < sizeof opcodes; i++) {
        struct nvme_sqe sqe = bed_rw(opcodes[i], NVME_NSID_ALL, 0, 1);
        assert_int_equal(bed_do(bed, 1, &sqe, NULL), NVME_SC_INVALID_NS);
        assert_int_equal(zoned_location(bed), 4);
    }
    struct nvme_sqe flush = bed_sqe(NVME_IO_FLUSH, NVME_NSID_ALL, 0, 0, 0);
    assert_int_equal(bed_do(bed, 1, &flush, NULL), 0);
    bed_free(bed);
}

static void test_nvme_zns_command_set_has_to_be_enabled(void **state) {
    struct bed *bed = zoned_new(NULL, NULL);
    bed_gone(bed, 0); /* and all queues with it */
    bed_gone(bed, 1);
    bed_gone(bed, 2);
    bed_settle(bed);
    struct nvme_fabrics_connect command;
    struct nvme_connect_data data;
    bed_connect_default(&command, &data, bed, 0, NVME_CNTLID_ANY);
    assert_int_equal(bed_connect(bed, 0, &command, &data), 0);
    uint16_t cntlid = (uint16_t)bed_result(bed, 0);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0x460001), 0); /* CSS: NVM only */
    bed_connect_default(&command, &data, bed, 1, cntlid);
    assert_int_equal(bed_connect(bed, 1, &command, &data), 0);
    struct nvme_sqe read = bed_rw(NVME_IO_READ, 1, 0, 1);
    assert_int_equal(bed_do(bed, 1, &read, NULL), NVME_SC_IOCS_NOT_ENABLED);
    assert_true(zoned_says(bed, "CC.CSS is 0"));
    bed_free(bed);
}

static void test_nvme_zns_commands_need_a_zoned_namespace(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    bed_up(bed, 1);
    for (unsigned opc = NVME_IO_ZONE_SEND; opc <= NVME_IO_ZONE_APPEND; opc++) {
        struct nvme_sqe sqe = bed_rw((uint8_t)opc, 1, 0, 1);
        assert_int_equal(bed_do(bed, 1, &sqe, NULL), NVME_SC_INVALID_OPCODE);
    }
    bed_free(bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nvme_zns_rule01_refusals_of_writes_say_why),
        cmocka_unit_test(test_nvme_zns_rule02_zeroes_and_uncorrectable_are_writes),
        cmocka_unit_test(test_nvme_zns_rule03_writes_past_the_capacity),
        cmocka_unit_test(test_nvme_zns_rule05_append_names_the_zone_start),
        cmocka_unit_test(test_nvme_zns_rule06_append_up_to_zasl),
        cmocka_unit_test(test_nvme_zns_rule06_zasl_0_is_mdts),
        cmocka_unit_test(test_nvme_zns_rule07_append_tells_the_lba),
        cmocka_unit_test(test_nvme_zns_rule08_piremap_without_protection_information),
        cmocka_unit_test(test_nvme_zns_rule09_appends_in_flight_get_different_places),
        cmocka_unit_test(test_nvme_zns_rule10_unwritten_blocks_and_dulbe),
        cmocka_unit_test(test_nvme_zns_rule11_reads_across_zones),
        cmocka_unit_test(test_nvme_zns_rule12_compare_and_verify_obey_zones),
        cmocka_unit_test(test_nvme_zns_rule13_dataset_management_of_offline_zones),
        cmocka_unit_test(test_nvme_zns_rule16_limits_of_zones),
        cmocka_unit_test(test_nvme_zns_rules17_to_23_actions_reach_the_drive),
        cmocka_unit_test(test_nvme_zns_rule20_open_all_is_all_or_nothing),
        cmocka_unit_test(test_nvme_zns_rule22_reset_tells_of_a_changed_capacity),
        cmocka_unit_test(test_nvme_zns_rule22_reset_tells_of_a_smaller_capacity),
        cmocka_unit_test(test_nvme_zns_rule24_set_extension_with_data),
        cmocka_unit_test(test_nvme_zns_rule26_send_names_the_zone_start),
        cmocka_unit_test(test_nvme_zns_rule28_report_begins_with_any_lba_of_a_zone),
        cmocka_unit_test(test_nvme_zns_rule29_extended_reports_need_extensions),
        cmocka_unit_test(test_nvme_zns_rule30_filters),
        cmocka_unit_test(test_nvme_zns_rule31_partial_reports_count_what_they_hold),
        cmocka_unit_test(test_nvme_zns_rule32_sizes_of_reports),
        cmocka_unit_test(test_nvme_zns_rule33_pointers_of_states_without_one),
        cmocka_unit_test(test_nvme_zns_rule34_stride_of_extended_reports),
        cmocka_unit_test(test_nvme_zns_rule45_copy_into_zones),
        cmocka_unit_test(test_nvme_zns_uncorrectable_marks_vanish_at_reset),
        cmocka_unit_test(test_nvme_zns_large_reports_hold_nothing_else),
        cmocka_unit_test(test_nvme_zns_zrwa_allocation_by_bit_9),
        cmocka_unit_test(test_nvme_zns_zrwa_writes_and_flush),
        cmocka_unit_test(test_nvme_zns_zrwa_rewrites_uncorrectable_blocks),
        cmocka_unit_test(test_nvme_zns_no_fused_commands),
        cmocka_unit_test(test_nvme_zns_nsid_ffffffff_is_for_flush_only),
        cmocka_unit_test(test_nvme_zns_command_set_has_to_be_enabled),
        cmocka_unit_test(test_nvme_zns_commands_need_a_zoned_namespace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
