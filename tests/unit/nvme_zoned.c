/* See nvme_zoned.h. */
#include "nvme_zoned.h"

#define BLOCK 4096

static const char *const usual[] = {"drive.kind=zns",
                                    "drive.capacity=64MiB",
                                    "zns.zone_size=4MiB",
                                    "zns.zone_capacity=3MiB",
                                    "zns.max_active=5",
                                    "zns.max_open=3",
                                    "zns.append_limit=128KiB",
                                    "zns.dies_per_zone=2",
                                    "zns.read_across=no",
                                    "nand.channels=2",
                                    "nand.luns=1",
                                    "nand.planes=1",
                                    "nand.pages=96",
                                    "nand.blocks=24",
                                    "nand.page_bytes=16384",
                                    "nand.factory_bad_percent=0"};
enum { USUAL = sizeof usual / sizeof *usual, MORE = 16 };

struct bed *zoned_new(const char *image, const char *const *options) {
    const char *all[USUAL + MORE + 1] = {0};
    unsigned n = USUAL;
    memcpy(all, usual, sizeof usual);
    for (; options && *options; options++) {
        assert_true(n < USUAL + MORE);
        all[n++] = *options;
    }
    struct bed *bed = bed_new(image, all);
    bed_up(bed, 2);
    return bed;
}

static uint8_t byte_of(uint64_t lba) {
    return (uint8_t)(lba * 37 + lba / 251 + 1);
}

uint16_t zoned_rw(struct bed *bed, uint8_t opc, uint64_t slba, uint32_t nlb, const void *data) {
    struct nvme_sqe sqe = bed_rw(opc, 1, slba, nlb);
    return bed_do(bed, 1, &sqe, data);
}

static const uint8_t *pattern(uint64_t slba, uint32_t nlb) {
    static uint8_t data[BED_DATA];
    for (uint32_t i = 0; i < nlb && i < BED_DATA / BLOCK; i++)
        memset(data + (size_t)i * BLOCK, byte_of(slba + i), BLOCK);
    return data;
}

uint16_t zoned_write(struct bed *bed, uint64_t slba, uint32_t nlb) {
    return zoned_rw(bed, NVME_IO_WRITE, slba, nlb, pattern(slba, nlb));
}

bool zoned_reads(struct bed *bed, uint64_t slba, uint32_t nlb) {
    return zoned_rw(bed, NVME_IO_READ, slba, nlb, NULL) == 0 &&
           memcmp(bed_out(bed, 1), pattern(slba, nlb), (size_t)nlb * BLOCK) == 0;
}

uint16_t zoned_append(struct bed *bed, uint64_t zslba, uint32_t nlb, uint64_t *lba) {
    struct nvme_zone_desc zone = zoned_zone(bed, (uint32_t)(zslba / ZONED_LBAS) % ZONED_ZONES);
    uint64_t at = le64_get(zone.wp) == UINT64_MAX ? zslba : le64_get(zone.wp);
    uint16_t status = zoned_rw(bed, NVME_IO_ZONE_APPEND, zslba, nlb, pattern(at, nlb));
    if (lba)
        *lba = zoned_result(bed);
    return status;
}

uint16_t zoned_send(struct bed *bed, uint64_t slba, uint32_t cdw13, const void *data) {
    struct nvme_sqe sqe = bed_sqe(NVME_IO_ZONE_SEND, 1, (uint32_t)slba, (uint32_t)(slba >> 32), 0);
    sqe.cdw13 = le32_from(cdw13);
    return bed_do(bed, 1, &sqe, data);
}

uint16_t zoned_act(struct bed *bed, uint32_t zone, uint8_t action) {
    return zoned_send(bed, (uint64_t)zone * ZONED_LBAS, action, NULL);
}

uint16_t zoned_receive(struct bed *bed, uint32_t nsid, uint64_t slba, uint32_t bytes, uint32_t cdw13) {
    struct nvme_sqe sqe = bed_sqe(NVME_IO_ZONE_RECEIVE, nsid, (uint32_t)slba, (uint32_t)(slba >> 32), bytes / 4 - 1);
    sqe.cdw13 = le32_from(cdw13);
    return bed_do(bed, 1, &sqe, NULL);
}

uint64_t zoned_result(const struct bed *bed) {
    return le64_get(bed->q[1].cqe.result);
}

struct nvme_zone_desc zoned_zone(struct bed *bed, uint32_t zone) {
    struct nvme_zone_desc desc;
    assert_int_equal(zoned_receive(bed, 1, (uint64_t)zone * ZONED_LBAS, 128, NVME_ZRECV_PARTIAL), 0);
    memcpy(&desc, (char *)bed_out(bed, 1) + sizeof(struct nvme_zone_report), sizeof desc);
    return desc;
}

uint8_t zoned_state(struct bed *bed, uint32_t zone) {
    return zoned_zone(bed, zone).zs >> 4;
}

void zoned_fail(struct bed *bed, uint32_t zone, uint8_t state) {
    struct err e = {0};
    if ((bed->drive->ops->zoned->fail)(bed->drive, zone, state, &e)) /* fail() is a macro of cmocka */
        fail_msg("%s", e.text);
    bed_settle(bed);
}

uint16_t zoned_location(struct bed *bed) {
    assert_int_equal(bed_log(bed, NVME_LID_ERROR, 64, 0, true), 0);
    return le16_get(((struct nvme_error_log_entry *)bed_out(bed, 0))->parm_error_location);
}

bool zoned_says(struct bed *bed, const char *part) {
    assert_int_equal(bed_log(bed, NVME_LID_VENDOR_REASONS, 256, 0, true), 0);
    const char *text = (const char *)bed_out(bed, 0) + 8;
    if (strstr(text, part))
        return true;
    print_message("\"%s\" lacks \"%s\"\n", text, part);
    return false;
}
