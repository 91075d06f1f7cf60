/* I/O commands: what each refuses, what each does to the bytes, and what survives a restart. */
#include "nvme_bed.h"

#include <unistd.h>

#include "base/rng.h"

#define MIB(n) ((uint64_t)(n) << 20)

static void fill(uint8_t *data, size_t bytes, uint64_t seed) {
    struct rng rng;
    rng_init(&rng, seed, 1);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)rng_next(&rng);
}

/* ---- What is refused ---- */

struct io_case {
    const char *what;
    uint8_t opc;
    uint32_t nsid;
    uint64_t slba;
    uint32_t nlb;
    uint16_t status;
    uint16_t location;
};

#define BLOCKS (64u << 8) /* 64 MiB of 4 KiB */

static const struct io_case io_cases[] = {
    {"read", NVME_IO_READ, 1, 0, 1, 0},
    {"read the end", NVME_IO_READ, 1, BLOCKS - 8, 8, 0},
    {"read NSID 0", NVME_IO_READ, 0, 0, 1, NVME_SC_INVALID_NS, 4},
    {"read NSID 2", NVME_IO_READ, 2, 0, 1, NVME_SC_INVALID_NS, 4},
    {"read all namespaces", NVME_IO_READ, NVME_NSID_ALL, 0, 1, NVME_SC_INVALID_NS, 4},
    {"read past the end", NVME_IO_READ, 1, BLOCKS, 1, NVME_SC_LBA_OUT_OF_RANGE, 40},
    {"read over the end", NVME_IO_READ, 1, BLOCKS - 7, 8, NVME_SC_LBA_OUT_OF_RANGE, 40},
    {"read around 2^64", NVME_IO_READ, 1, UINT64_MAX, 2, NVME_SC_LBA_OUT_OF_RANGE, 40},
    {"read more than MDTS", NVME_IO_READ, 1, 0, 257, NVME_SC_INVALID_FIELD, 48},
    {"read MDTS", NVME_IO_READ, 1, 0, 256, 0},
    {"write", NVME_IO_WRITE, 1, 0, 1, 0},
    {"write NSID 9", NVME_IO_WRITE, 9, 0, 1, NVME_SC_INVALID_NS, 4},
    {"write over the end", NVME_IO_WRITE, 1, BLOCKS - 1, 2, NVME_SC_LBA_OUT_OF_RANGE, 40},
    {"write more than MDTS", NVME_IO_WRITE, 1, 0, 65536, NVME_SC_INVALID_FIELD, 48},
    {"compare NSID 0", NVME_IO_COMPARE, 0, 0, 1, NVME_SC_INVALID_NS, 4},
    {"compare past the end", NVME_IO_COMPARE, 1, BLOCKS, 1, NVME_SC_LBA_OUT_OF_RANGE, 40},
    {"compare more than MDTS", NVME_IO_COMPARE, 1, 0, 257, NVME_SC_INVALID_FIELD, 48},
    {"verify", NVME_IO_VERIFY, 1, 0, 512, 0},
    {"verify more than VSL", NVME_IO_VERIFY, 1, 0, 513, NVME_SC_INVALID_FIELD, 48},
    {"verify past the end", NVME_IO_VERIFY, 1, BLOCKS, 1, NVME_SC_LBA_OUT_OF_RANGE, 40},
    {"verify NSID 3", NVME_IO_VERIFY, 3, 0, 1, NVME_SC_INVALID_NS, 4},
    {"write zeroes", NVME_IO_WRITE_ZEROES, 1, 0, 512, 0},
    {"write zeroes more than WZSL", NVME_IO_WRITE_ZEROES, 1, 0, 513, NVME_SC_INVALID_FIELD, 48},
    {"write zeroes past the end", NVME_IO_WRITE_ZEROES, 1, BLOCKS - 1, 2, NVME_SC_LBA_OUT_OF_RANGE, 40},
    {"write zeroes NSID 0", NVME_IO_WRITE_ZEROES, 0, 0, 1, NVME_SC_INVALID_NS, 4},
    {"write uncorrectable past the end", NVME_IO_WRITE_UNCORRECTABLE, 1, BLOCKS, 1, NVME_SC_LBA_OUT_OF_RANGE, 40},
    {"write uncorrectable NSID 0", NVME_IO_WRITE_UNCORRECTABLE, 0, 0, 1, NVME_SC_INVALID_NS, 4},
    {"flush", NVME_IO_FLUSH, 1, 0, 1, 0},
    {"flush all", NVME_IO_FLUSH, NVME_NSID_ALL, 0, 1, 0},
    {"flush NSID 0", NVME_IO_FLUSH, 0, 0, 1, NVME_SC_INVALID_NS, 4},
    {"dataset management NSID 0", NVME_IO_DSM, 0, 0, 1, NVME_SC_INVALID_NS, 4},
    {"copy NSID 0", NVME_IO_COPY, 0, 0, 1, NVME_SC_INVALID_NS, 4},
    {"reservation register", NVME_IO_RESERVATION_REGISTER, 1, 0, 1, NVME_SC_INVALID_OPCODE, 0},
    {"zone append", 0x7d, 1, 0, 1, NVME_SC_INVALID_OPCODE, 0},
    {"vendor", 0xff, 1, 0, 1, NVME_SC_INVALID_OPCODE, 0},
};

/* Each refusal is in the error information log with place and reason. */
static void check_logged(struct bed *bed, const struct io_case *c) {
    struct nvme_error_log_entry entry;
    assert_true(le16_get(bed->q[1].cqe.status) >> 1 & NVME_MORE);
    assert_true(le16_get(bed->q[1].cqe.status) >> 1 & NVME_DNR);
    assert_int_equal(bed_log(bed, NVME_LID_ERROR, 64, 0, false), 0);
    memcpy(&entry, bed_out(bed, 0), sizeof entry);
    assert_int_equal(le16_get(entry.status_field) >> 1 & 0x7ff, c->status);
    assert_int_equal(le16_get(entry.parm_error_location), c->location);
    assert_int_equal(le16_get(entry.sqid), 1);
    assert_int_equal(le16_get(entry.cmdid), le16_get(bed->q[1].cqe.cid));
    assert_int_equal(le32_get(entry.nsid), c->nsid);
    assert_int_equal(entry.opc, c->opc);
    assert_int_equal(entry.trtype, NVME_TRTYPE_LOOP);
    if (c->status == NVME_SC_LBA_OUT_OF_RANGE)
        assert_int_equal(le64_get(entry.lba), c->slba);
    assert_int_equal(bed_log(bed, NVME_LID_VENDOR_REASONS, 256, 0, false), 0);
    assert_memory_equal(bed_out(bed, 0), &entry.error_count, 8);
    assert_true(strlen((char *)bed_out(bed, 0) + 8) > 10);
}

static void test_nvme_io_refusals(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    bed_up(bed, 1);
    for (unsigned i = 0; i < sizeof io_cases / sizeof *io_cases; i++) {
        const struct io_case *c = &io_cases[i];
        struct nvme_sqe sqe = bed_rw(c->opc, c->nsid, c->slba, c->nlb);
        uint16_t status = bed_do(bed, 1, &sqe, NULL);
        if (status != c->status)
            fail_msg("%s: status %03x, expected %03x", c->what, status, c->status);
        if (status)
            check_logged(bed, c);
    }
    bed_free(bed);
}

static void test_nvme_io_refuses_prps_and_fused(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_sqe sqe = bed_rw(NVME_IO_READ, 1, 0, 1);
    bed_up(bed, 1);
    sqe.flags = 0;
    assert_int_equal(bed_do(bed, 1, &sqe, NULL), NVME_SC_INVALID_FIELD);
    sqe.flags = NVME_PSDT_SGL_MPTR_SGL << 6;
    assert_int_equal(bed_do(bed, 1, &sqe, NULL), 0);
    sqe.flags |= 1;
    assert_int_equal(bed_do(bed, 1, &sqe, NULL), NVME_SC_INVALID_FIELD);
    bed_free(bed);
}

static void test_nvme_duplicate_identifier(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_sqe sqe = bed_rw(NVME_IO_READ, 1, 0, 1);
    uint16_t first, second, third;
    bed_up(bed, 1);
    sqe.cid = le16_from(0xffff);
    bed_send(bed, 1, &sqe, NULL, &first);
    bed_send(bed, 1, &sqe, NULL, &second);
    assert_int_equal(second, NVME_SC_CID_CONFLICT);
    bed_send(bed, 1, &sqe, NULL, &third); /* the conflict did not set it free */
    assert_int_equal(third, NVME_SC_CID_CONFLICT);
    assert_int_equal(first, BED_PENDING);
    bed_settle(bed);
    assert_int_equal(first, 0);
    bed_send(bed, 1, &sqe, NULL, &first);
    bed_settle(bed);
    assert_int_equal(first, 0);
    bed_free(bed);
}

/* ---- Bytes ---- */

static uint16_t io_do(struct bed *bed, uint8_t opc, uint64_t slba, uint32_t nlb, uint32_t flags, const void *data) {
    struct nvme_sqe sqe = bed_rw(opc, 1, slba, nlb);
    sqe.cdw12 = le32_from(le32_get(sqe.cdw12) | flags);
    return bed_do(bed, 1, &sqe, data);
}

static void expect_data(struct bed *bed, uint64_t slba, uint32_t nlb, const uint8_t *data, size_t bytes) {
    assert_int_equal(io_do(bed, NVME_IO_READ, slba, nlb, 0, NULL), 0);
    assert_int_equal(bed->q[1].out_bytes, bytes);
    assert_memory_equal(bed_out(bed, 1), data, bytes);
}

static void test_nvme_write_read_compare(void **state) {
    static uint8_t data[16 * 4096];
    struct bed *bed = bed_new(NULL, NULL);
    bed_up(bed, 1);
    fill(data, sizeof data, 1);
    int64_t before = sim_now(bed->sim);
    assert_int_equal(io_do(bed, NVME_IO_WRITE, 100, 16, 0, data), 0);
    assert_int_equal(bed->q[1].due_ns, before + 20000);
    expect_data(bed, 100, 16, data, sizeof data);
    expect_data(bed, 101, 15, data + 4096, sizeof data - 4096);
    assert_int_equal(io_do(bed, NVME_IO_COMPARE, 100, 16, 0, data), 0);
    data[5 * 4096 + 17] ^= 1;
    assert_int_equal(io_do(bed, NVME_IO_COMPARE, 100, 16, 0, data), NVME_SC_COMPARE_FAILURE);
    assert_int_equal(bed_log(bed, NVME_LID_ERROR, 64, 0, false), 0);
    assert_int_equal(le64_get(((struct nvme_error_log_entry *)bed_out(bed, 0))->lba), 105);
    bed_free(bed);
}

static void test_nvme_512_byte_blocks(void **state) {
    static const char *const options[] = {"nvme.lba_bytes=512", NULL};
    static uint8_t data[3 * 512];
    struct bed *bed = bed_new(NULL, options);
    bed_up(bed, 1);
    fill(data, sizeof data, 2);
    assert_int_equal(io_do(bed, NVME_IO_WRITE, 131069, 3, NVME_RW_FUA, data), 0);
    expect_data(bed, 131069, 3, data, sizeof data);
    assert_int_equal(io_do(bed, NVME_IO_READ, 131070, 3, 0, NULL), NVME_SC_LBA_OUT_OF_RANGE);
    bed_free(bed);
}

static void test_nvme_namespaces_do_not_overlap(void **state) {
    static const char *const options[] = {"nvme.namespaces=3", NULL};
    static uint8_t data[4096];
    struct bed *bed = bed_new(NULL, options);
    bed_up(bed, 1);
    for (uint32_t nsid = 1; nsid <= 3; nsid++)
        for (uint64_t slba = 0; slba <= 21 * 256 - 1; slba += 21 * 256 - 1) {
            struct nvme_sqe sqe = bed_rw(NVME_IO_WRITE, nsid, slba, 1);
            fill(data, sizeof data, nsid * 2 + (slba != 0));
            assert_int_equal(bed_do(bed, 1, &sqe, data), 0);
        }
    for (uint32_t nsid = 1; nsid <= 3; nsid++)
        for (uint64_t slba = 0; slba <= 21 * 256 - 1; slba += 21 * 256 - 1) {
            struct nvme_sqe sqe = bed_rw(NVME_IO_READ, nsid, slba, 1);
            fill(data, sizeof data, nsid * 2 + (slba != 0));
            assert_int_equal(bed_do(bed, 1, &sqe, NULL), 0);
            assert_memory_equal(bed_out(bed, 1), data, 4096);
        }
    struct nvme_sqe beyond = bed_rw(NVME_IO_READ, 3, 21 * 256, 1);
    assert_int_equal(bed_do(bed, 1, &beyond, NULL), NVME_SC_LBA_OUT_OF_RANGE);
    bed_free(bed);
}

static void test_nvme_write_zeroes(void **state) {
    static uint8_t data[8 * 4096], expect[8 * 4096];
    struct bed *bed = bed_new(NULL, NULL);
    bed_up(bed, 1);
    for (uint32_t flags = 0; flags <= NVME_WZ_DEAC; flags += NVME_WZ_DEAC) {
        fill(data, sizeof data, 3);
        memcpy(expect, data, sizeof data);
        memset(expect + 2 * 4096, 0, 3 * 4096);
        assert_int_equal(io_do(bed, NVME_IO_WRITE, 0, 8, 0, data), 0);
        assert_int_equal(io_do(bed, NVME_IO_WRITE_ZEROES, 2, 3, flags, NULL), 0);
        expect_data(bed, 0, 8, expect, sizeof expect);
    }
    bed_free(bed);
}

static uint16_t dsm(struct bed *bed, const struct nvme_dsm_range *ranges, uint32_t count, uint32_t attributes) {
    struct nvme_sqe sqe = bed_sqe(NVME_IO_DSM, 1, count - 1, attributes, 0);
    return bed_do(bed, 1, &sqe, ranges);
}

static struct nvme_dsm_range range(uint64_t slba, uint32_t nlb) {
    return (struct nvme_dsm_range){.nlb = le32_from(nlb), .slba = le64_from(slba)};
}

static void test_nvme_dsm(void **state) {
    static uint8_t data[256 * 4096];
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_dsm_range ranges[256];
    bed_up(bed, 1);
    fill(data, sizeof data, 4);
    assert_int_equal(io_do(bed, NVME_IO_WRITE, 0, 256, 0, data), 0);
    for (unsigned i = 0; i < 256; i++)
        ranges[i] = range(i, i & 1); /* every second block; empty ranges between */
    assert_int_equal(dsm(bed, ranges, 256, NVME_DSM_IDR | NVME_DSM_IDW), 0);
    expect_data(bed, 0, 256, data, sizeof data);
    ranges[200] = range(BLOCKS - 1, 2);
    assert_int_equal(dsm(bed, ranges, 256, NVME_DSM_AD), NVME_SC_LBA_OUT_OF_RANGE);
    expect_data(bed, 0, 256, data, sizeof data); /* all or nothing */
    ranges[200] = range(200, 0);
    assert_int_equal(dsm(bed, ranges, 256, NVME_DSM_AD), 0);
    for (unsigned i = 1; i < 256; i += 2)
        memset(data + i * 4096, 0, 4096);
    expect_data(bed, 0, 256, data, sizeof data);
    uint64_t trims = bed->drive->ios[IO_TRIM];
    ranges[0] = range(0, BLOCKS);
    assert_int_equal(dsm(bed, ranges, 1, NVME_DSM_AD), 0);
    assert_int_equal(bed->drive->ios[IO_TRIM], trims + 1);
    bed_free(bed);
}

struct copy_range {
    uint64_t slba;
    uint32_t nlb;
};

static uint16_t copy(struct bed *bed, uint64_t to, const struct copy_range *from, uint32_t count, uint32_t format) {
    struct nvme_copy_range_0 ranges[256] = {0};
    struct nvme_sqe sqe = bed_sqe(NVME_IO_COPY, 1, (uint32_t)to, (uint32_t)(to >> 32), (count - 1) | format << 8);
    for (uint32_t i = 0; i < count; i++) {
        ranges[i].slba = le64_from(from[i].slba);
        ranges[i].nlb = le16_from((uint16_t)(from[i].nlb - 1));
    }
    return bed_do(bed, 1, &sqe, ranges);
}

static void test_nvme_copy(void **state) {
    static uint8_t data[64 * 4096], expect[64 * 4096];
    static struct copy_range many[129];
    struct bed *bed = bed_new(NULL, NULL);
    bed_up(bed, 1);
    fill(data, sizeof data, 5);
    assert_int_equal(io_do(bed, NVME_IO_WRITE, 0, 64, 0, data), 0);
    struct copy_range from[] = {{10, 5}, {0, 2}, {40, 20}};
    assert_int_equal(copy(bed, 1000, from, 3, 0), 0);
    memcpy(expect, data + 10 * 4096, 5 * 4096);
    memcpy(expect + 5 * 4096, data, 2 * 4096);
    memcpy(expect + 7 * 4096, data + 40 * 4096, 20 * 4096);
    expect_data(bed, 1000, 27, expect, 27 * 4096);

    assert_int_equal(copy(bed, 1000, from, 3, 1), NVME_SC_INVALID_FIELD);
    for (unsigned i = 0; i < 129; i++)
        many[i] = (struct copy_range){i, 1};
    assert_int_equal(copy(bed, 2000, many, 128, 0), 0);
    assert_int_equal(copy(bed, 2000, many, 129, 0), NVME_SC_SIZE_LIMIT_EXCEEDED);
    assert_int_equal(copy(bed, 2000, (struct copy_range[]){{0, 256}}, 1, 0), 0);
    assert_int_equal(copy(bed, 2000, (struct copy_range[]){{0, 257}}, 1, 0), NVME_SC_SIZE_LIMIT_EXCEEDED);
    for (unsigned i = 0; i < 5; i++)
        many[i] = (struct copy_range){i * 256, 256};
    assert_int_equal(copy(bed, 5000, many, 4, 0), 0);
    assert_int_equal(copy(bed, 5000, many, 5, 0), NVME_SC_SIZE_LIMIT_EXCEEDED);
    assert_int_equal(copy(bed, BLOCKS - 1, from, 1, 0), NVME_SC_LBA_OUT_OF_RANGE);
    assert_int_equal(copy(bed, 2000, (struct copy_range[]){{BLOCKS - 1, 2}}, 1, 0), NVME_SC_LBA_OUT_OF_RANGE);
    assert_int_equal(copy(bed, 12, from, 1, 0), NVME_SC_OVERLAPPING_IO_RANGE);
    assert_int_equal(copy(bed, 15, from, 1, 0), 0);

    assert_int_equal(io_do(bed, NVME_IO_WRITE_UNCORRECTABLE, 41, 1, 0, NULL), 0);
    assert_int_equal(copy(bed, 3000, from, 3, 0), NVME_SC_UNRECOVERED_READ);
    assert_int_equal(bed_result(bed, 1), 2); /* the range that failed */
    bed_free(bed);
}

/* ---- Write Uncorrectable ---- */

static void expect_bad(struct bed *bed, const bool bad[64]) {
    for (unsigned i = 0; i < 64; i++) {
        uint16_t expect = bad[i] ? NVME_SC_UNRECOVERED_READ : 0;
        assert_int_equal(io_do(bed, NVME_IO_READ, i, 1, 0, NULL), expect);
        assert_int_equal(io_do(bed, NVME_IO_VERIFY, i, 1, 0, NULL), expect);
    }
}

static void test_nvme_uncorrectable_marks_follow_an_oracle(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    bool bad[64] = {false};
    struct rng rng;
    rng_init(&rng, 99, 0);
    bed_up(bed, 1);
    for (unsigned step = 0; step < 300; step++) {
        uint32_t slba = (uint32_t)rng_below(&rng, 60), nlb = 1 + (uint32_t)rng_below(&rng, 64 - slba), kind;
        struct nvme_dsm_range r = range(slba, nlb);
        switch (kind = (uint32_t)rng_below(&rng, 6)) {
        case 0:
            assert_int_equal(io_do(bed, NVME_IO_WRITE, slba, nlb, 0, NULL), 0);
            break;
        case 1:
            assert_int_equal(dsm(bed, &r, 1, NVME_DSM_AD), 0);
            break;
        case 2:
            assert_int_equal(io_do(bed, NVME_IO_WRITE_ZEROES, slba, nlb, 0, NULL), 0);
            break;
        default:
            nlb = nlb > 5 ? 5 : nlb;
            assert_int_equal(io_do(bed, NVME_IO_WRITE_UNCORRECTABLE, slba, nlb, 0, NULL), 0);
        }
        for (uint32_t i = slba; i < slba + nlb; i++)
            bad[i] = kind > 2;
        if (step % 20 == 0)
            expect_bad(bed, bad);
    }
    expect_bad(bed, bad);
    bed_free(bed);
}

static void test_nvme_uncorrectable_table_is_bounded(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    bed_up(bed, 1);
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal(io_do(bed, NVME_IO_WRITE_UNCORRECTABLE, 2 * i, 1, 0, NULL), 0);
    assert_int_equal(io_do(bed, NVME_IO_WRITE_UNCORRECTABLE, 600, 1, 0, NULL), NVME_SC_INTERNAL_ERROR);
    assert_int_equal(io_do(bed, NVME_IO_WRITE_UNCORRECTABLE, 100, 1, 0, NULL), 0); /* known already */
    assert_int_equal(io_do(bed, NVME_IO_WRITE, 0, 1, 0, NULL), 0);
    assert_int_equal(io_do(bed, NVME_IO_WRITE_UNCORRECTABLE, 600, 1, 0, NULL), 0);
    assert_int_equal(io_do(bed, NVME_IO_READ, 600, 1, 0, NULL), NVME_SC_UNRECOVERED_READ);
    bed_free(bed);
}

/* ---- What survives ---- */

static void test_nvme_state_survives_a_restart(void **state) {
    static const char *const options[] = {"nvme.namespaces=2", NULL};
    static const char *const three[] = {"nvme.namespaces=3", NULL};
    char path[] = "/tmp/drivelab-nvme-XXXXXX";
    static uint8_t data[4096];
    struct nvme_id_ns before;
    struct nvme_smart_log smart;
    int fd = mkstemp(path);
    uint32_t value;
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    struct bed *bed = bed_new(path, options);
    bed_up(bed, 1);
    fill(data, sizeof data, 6);
    assert_int_equal(io_do(bed, NVME_IO_WRITE, 8, 1, 0, data), 0);
    assert_int_equal(io_do(bed, NVME_IO_WRITE_UNCORRECTABLE, 9, 2, 0, NULL), 0);
    struct nvme_sqe format = bed_sqe(NVME_ADMIN_FORMAT_NVM, 2, 0, 0, 0);
    assert_int_equal(bed_do(bed, 0, &format, NULL), 0);
    assert_int_equal(bed_set_feature(bed, NVME_FID_ARBITRATION, 3, true), 0);
    assert_int_equal(bed_set_feature(bed, NVME_FID_WRITE_ATOMICITY, 1, false), 0);
    struct nvme_sqe recovery = bed_sqe(NVME_ADMIN_SET_FEATURES, 1, NVME_FID_ERROR_RECOVERY | NVME_FEATURE_SAVE, 7, 0);
    assert_int_equal(bed_do(bed, 0, &recovery, NULL), 0);
    recovery = bed_sqe(NVME_ADMIN_SET_FEATURES, NVME_NSID_ALL, NVME_FID_ERROR_RECOVERY, 9, 0);
    assert_int_equal(bed_do(bed, 0, &recovery, NULL), 0);
    assert_int_equal(bed_identify(bed, NVME_CNS_NS, 2, 0), 0);
    memcpy(&before, bed_out(bed, 0), sizeof before);
    bed_free(bed);

    bed = bed_new(path, options);
    bed_up(bed, 1);
    expect_data(bed, 8, 1, data, sizeof data);
    assert_int_equal(io_do(bed, NVME_IO_READ, 10, 1, 0, NULL), NVME_SC_UNRECOVERED_READ);
    assert_int_equal(bed_identify(bed, NVME_CNS_NS, 2, 0), 0);
    assert_memory_equal(bed_out(bed, 0), &before, sizeof before); /* identifiers and block size */
    assert_int_equal(before.flbas, 0);
    assert_int_equal(bed_get_feature(bed, NVME_FID_ARBITRATION, 0, &value), 0);
    assert_int_equal(value, 3);
    assert_int_equal(bed_get_feature(bed, NVME_FID_WRITE_ATOMICITY, 0, &value), 0);
    assert_int_equal(value, 0);
    for (uint32_t nsid = 1; nsid <= 2; nsid++) {
        recovery = bed_sqe(NVME_ADMIN_GET_FEATURES, nsid, NVME_FID_ERROR_RECOVERY, 0, 0);
        assert_int_equal(bed_do(bed, 0, &recovery, NULL), 0);
        assert_int_equal(bed_result(bed, 0), nsid == 1 ? 7 : 0);
    }
    assert_int_equal(bed_log(bed, NVME_LID_SMART, 512, 0, false), 0);
    memcpy(&smart, bed_out(bed, 0), sizeof smart);
    assert_int_equal(le64_get(smart.power_cycles.lo), 2);
    assert_int_equal(le64_get(smart.unsafe_shutdowns.lo), 0);
    assert_int_equal(le64_get(smart.host_writes.lo), 1);
    assert_int_equal(le64_get(smart.data_units_written.lo), 1);
    assert_int_equal(le64_get(smart.media_errors.lo), 1);

    struct err e = {0};
    struct opt_set set = {0};
    struct nvme_config config;
    assert_int_equal(opt_set_add(&set, nvme_opts, &config), 0);
    assert_int_equal(opt_assign_arg(&set, three[0], &e), 0);
    snprintf(config.nqn, sizeof config.nqn, "nqn.2024-01.example:three");
    assert_null(nvme_subsystem_new(bed->target, &config, bed->drive, &e));
    assert_non_null(strstr(e.text, "2 namespaces"));
    bed_free(bed);
    unlink(path);
}

static void test_nvme_a_store_without_payload_reads_zeros(void **state) {
    static uint8_t zeros[256 * 4096];
    struct bed *bed = bed_new("none", NULL);
    bed_up(bed, 1);
    assert_int_equal(io_do(bed, NVME_IO_WRITE, 0, 1, 0, zeros), 0);
    expect_data(bed, 0, 256, zeros, sizeof zeros);
    assert_int_equal(io_do(bed, NVME_IO_COMPARE, 0, 256, 0, zeros), 0);
    assert_int_equal(copy(bed, 1000, (struct copy_range[]){{0, 256}}, 1, 0), 0);
    bed_free(bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nvme_io_refusals),
        cmocka_unit_test(test_nvme_io_refuses_prps_and_fused),
        cmocka_unit_test(test_nvme_duplicate_identifier),
        cmocka_unit_test(test_nvme_write_read_compare),
        cmocka_unit_test(test_nvme_512_byte_blocks),
        cmocka_unit_test(test_nvme_namespaces_do_not_overlap),
        cmocka_unit_test(test_nvme_write_zeroes),
        cmocka_unit_test(test_nvme_dsm),
        cmocka_unit_test(test_nvme_copy),
        cmocka_unit_test(test_nvme_uncorrectable_marks_follow_an_oracle),
        cmocka_unit_test(test_nvme_uncorrectable_table_is_bounded),
        cmocka_unit_test(test_nvme_state_survives_a_restart),
        cmocka_unit_test(test_nvme_a_store_without_payload_reads_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
