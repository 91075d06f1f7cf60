/* The power goes under a served subsystem, and comes back. */
#include "nvme_bed.h"

#include <unistd.h>

#define SLOW "nossd.read_latency=1s", "nossd.write_latency=1s"

static uint64_t smart_unsafe(struct bed *bed, uint64_t *cycles) {
    struct nvme_smart_log smart;
    assert_int_equal(bed_log(bed, NVME_LID_SMART, sizeof smart, 0, false), 0);
    memcpy(&smart, bed_out(bed, 0), sizeof smart);
    *cycles = le64_get(smart.power_cycles.lo);
    return le64_get(smart.unsafe_shutdowns.lo);
}

/* Commands everywhere: in the drive, aborted there, waiting for data, answered but not sent, waiting for an event. */
static void fill(struct bed *bed, uint16_t status[8]) {
    struct nvme_sqe read = bed_rw(NVME_IO_READ, 1, 0, 8), write = bed_rw(NVME_IO_WRITE, 1, 8, 8);
    struct nvme_sqe aer = bed_sqe(NVME_ADMIN_ASYNC_EVENT_REQUEST, 0, 0, 0, 0);
    struct nvme_sqe abort = bed_sqe(NVME_ADMIN_ABORT, 0, 1 | 3 << 16, 0, 0);
    struct nvme_sqe trouble = bed_sqe(0x99, 1, 0, 0, 0);
    aer.cid = le16_from(9);
    bed_send(bed, 0, &aer, NULL, &status[0]);
    for (uint16_t i = 1; i <= 4; i++) {
        read.cid = write.cid = le16_from(i);
        bed_send(bed, 1, i & 1 ? &read : &write, NULL, &status[i]);
    }
    assert_int_equal(bed_do(bed, 0, &abort, NULL), 0);
    assert_int_equal(status[3], NVME_SC_ABORT_REQUESTED);
    struct bed_cmd *c = &bed->q[2].slot[7];
    c->used = true;
    c->q = &bed->q[2];
    c->completions = 0;
    c->status = &status[5];
    c->cmd.sqe = write;
    status[5] = BED_PENDING;
    nvme_cmd_start(&bed->q[2].queue, &c->cmd);
    bed->q[2].hold = true;
    assert_int_equal(bed_do(bed, 2, &trouble, NULL), NVME_SC_INVALID_OPCODE);
    bed_send(bed, 3, &read, NULL, &status[6]);
    bed_gone(bed, 3); /* its command is still in the drive */
    assert_int_equal(bed->q[3].queue.outstanding, 1);
}

static void check_gone(struct bed *bed, const uint16_t status[8]) {
    struct err e = {0};
    for (unsigned i = 0; i <= 6; i++)
        if (i != 3)
            assert_int_equal(status[i], BED_PENDING); /* nobody is told anything */
    for (unsigned q = 0; q < 3; q++) {
        assert_true(bed->q[q].told);
        assert_string_equal(bed->q[q].why, "the power was cut");
        assert_int_equal(bed->q[q].queue.outstanding, q == 2 ? 2 : 0);
    }
    assert_int_equal(bed->q[3].queue.outstanding, 0);
    assert_int_equal(nvme_check(bed->target, &e), 0);
    for (unsigned q = 3; q-- > 0;)
        bed_gone(bed, q);
    assert_int_equal(bed->q[2].queue.outstanding, 0);
    bed_settle(bed); /* nothing comes back from the drive */
    assert_int_equal(bed->drive->inflight, 0);
    assert_int_equal(nvme_check(bed->target, &e), 0);
}

static void shut_down(struct bed *bed) {
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0x464001), 0);
    bed_settle(bed);
}

static void power_cut(const char *image) {
    static const char *const options[] = {SLOW, NULL};
    static uint8_t data[4096];
    struct bed *bed = bed_new(image, options);
    struct nvme_sqe write = bed_rw(NVME_IO_WRITE, 1, 100, 1), read = bed_rw(NVME_IO_READ, 1, 100, 1);
    uint16_t status[8];
    uint64_t cycles;
    memset(data, 0xa5, sizeof data);
    bed_up(bed, 3);
    assert_int_equal(bed_do(bed, 1, &write, data), 0);
    fill(bed, status);
    nvme_subsystem_power_cut(bed->subsystem);
    check_gone(bed, status);

    bed_up(bed, 1);
    assert_int_equal(bed_do(bed, 1, &read, NULL), 0);
    assert_memory_equal(bed_out(bed, 1), data, sizeof data);
    assert_int_equal(smart_unsafe(bed, &cycles), 1);
    assert_int_equal(cycles, 2);

    shut_down(bed);
    nvme_subsystem_power_cut(bed->subsystem); /* not unsafe after a shutdown */
    bed_gone(bed, 1);
    bed_gone(bed, 0);
    nvme_subsystem_power_cut(bed->subsystem); /* nobody is there */
    bed_up(bed, 0);
    assert_int_equal(smart_unsafe(bed, &cycles), 1);
    assert_int_equal(cycles, 4);
    bed_gone(bed, 0);
    nvme_subsystem_power_cut(bed->subsystem); /* gone, but never shut down */
    bed_up(bed, 0);
    assert_int_equal(smart_unsafe(bed, &cycles), 2);
    bed_free(bed);
}

static void test_nvme_power_cut_in_memory(void **state) {
    power_cut(NULL);
}

static void test_nvme_power_cut_with_an_image(void **state) {
    static const char *const options[] = {SLOW, NULL};
    char path[] = "/tmp/drivelab-power-XXXXXX";
    uint64_t cycles;
    close(mkstemp(path));
    unlink(path);
    power_cut(path);
    struct bed *bed = bed_new(path, options); /* closed in order afterwards */
    bed_up(bed, 0);
    assert_int_equal(smart_unsafe(bed, &cycles), 2);
    assert_int_equal(cycles, 6);
    bed_free(bed);
    unlink(path);
}

static void test_nvme_power_cut_while_shutting_down(void **state) {
    static const char *const options[] = {SLOW, NULL};
    struct bed *bed = bed_new(NULL, options);
    uint64_t cycles;
    bed_up(bed, 0);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0x464001), 0); /* its flush is in the drive */
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0x460000), 0);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0x460001), 0);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0x464001), 0); /* and another is to follow */
    nvme_subsystem_power_cut(bed->subsystem);
    bed_gone(bed, 0);
    bed_settle(bed);
    assert_int_equal(bed->drive->ios[IO_FLUSH], 0);
    bed_up(bed, 0);
    assert_int_equal(smart_unsafe(bed, &cycles), 1);
    bed_free(bed);
}

static void test_nvme_power_cut_while_formatting(void **state) {
    static const char *const options[] = {SLOW, NULL};
    struct bed *bed = bed_new(NULL, options);
    struct nvme_sqe format = bed_sqe(NVME_ADMIN_FORMAT_NVM, 1, 0, 0, 0), read = bed_rw(NVME_IO_READ, 1, 0, 1);
    uint16_t formatted, early;
    bed_up(bed, 1);
    bed_send(bed, 1, &read, NULL, &early); /* the format waits for it */
    format.cid = le16_from(1);
    bed_send(bed, 0, &format, NULL, &formatted);
    nvme_subsystem_power_cut(bed->subsystem);
    assert_int_equal(early, BED_PENDING);
    assert_int_equal(formatted, BED_PENDING);
    assert_int_equal(bed->q[0].queue.outstanding, 0);
    bed_gone(bed, 1);
    bed_gone(bed, 0);
    bed_up(bed, 1);
    assert_int_equal(bed_do(bed, 1, &read, NULL), NVME_SC_FORMAT_IN_PROGRESS);
    bed_settle(bed);
    assert_int_equal(bed_do(bed, 1, &read, NULL), 0);
    assert_int_equal(bed->q[1].out_bytes, 512); /* done to its end */
    bed_free(bed);
}

static void test_nvme_power_cut_forgets_what_was_not_saved(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_sqe set = bed_sqe(NVME_ADMIN_SET_FEATURES, 1, NVME_FID_ERROR_RECOVERY | NVME_FEATURE_SAVE, 7, 0);
    bed_up(bed, 0);
    assert_int_equal(bed_do(bed, 0, &set, NULL), 0);
    set = bed_sqe(NVME_ADMIN_SET_FEATURES, 1, NVME_FID_ERROR_RECOVERY, 9, 0);
    assert_int_equal(bed_do(bed, 0, &set, NULL), 0);
    nvme_subsystem_power_cut(bed->subsystem);
    bed_gone(bed, 0);
    bed_up(bed, 0);
    struct nvme_sqe get = bed_sqe(NVME_ADMIN_GET_FEATURES, 1, NVME_FID_ERROR_RECOVERY, 0, 0);
    assert_int_equal(bed_do(bed, 0, &get, NULL), 0);
    assert_int_equal(bed_result(bed, 0), 7);
    bed_free(bed);
}

static void test_nvme_power_cut_of_an_ssd_keeps_what_was_flushed(void **state) {
    static const char *const options[] = {"drive.kind=ssd",        "drive.capacity=16MiB",   "nand.channels=2",
                                          "nand.luns=2",           "nand.planes=2",          "nand.blocks=16",
                                          "nand.pages=16",         "nand.page_bytes=16384",  "ssd.op_percent=10",
                                          "ssd.write_buffer=1MiB", "ssd.volatile_cache=yes", NULL};
    struct bed *bed = bed_new(NULL, options);
    static uint8_t data[4096];
    struct nvme_sqe flush = bed_sqe(NVME_IO_FLUSH, 1, 0, 0, 0);
    uint16_t status;
    bed_up(bed, 1);
    memset(data, 0x11, sizeof data);
    struct nvme_sqe write = bed_rw(NVME_IO_WRITE, 1, 5, 1), read = bed_rw(NVME_IO_READ, 1, 5, 1);
    assert_int_equal(bed_do(bed, 1, &write, data), 0);
    assert_int_equal(bed_do(bed, 1, &flush, NULL), 0);
    data[0] = 0x22;
    assert_int_equal(bed_do(bed, 1, &write, data), 0); /* buffered at most */
    write.cid = le16_from(1);
    bed_send(bed, 1, &write, data, &status);
    nvme_subsystem_power_cut(bed->subsystem);
    bed_gone(bed, 1);
    bed_gone(bed, 0);
    bed_up(bed, 1);
    assert_int_equal(bed_do(bed, 1, &read, NULL), 0);
    assert_int_equal(*(uint8_t *)bed_out(bed, 1), 0x11);
    assert_int_equal(bed_do(bed, 1, &write, data), 0);
    bed_free(bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nvme_power_cut_in_memory),
        cmocka_unit_test(test_nvme_power_cut_with_an_image),
        cmocka_unit_test(test_nvme_power_cut_while_shutting_down),
        cmocka_unit_test(test_nvme_power_cut_while_formatting),
        cmocka_unit_test(test_nvme_power_cut_forgets_what_was_not_saved),
        cmocka_unit_test(test_nvme_power_cut_of_an_ssd_keeps_what_was_flushed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
