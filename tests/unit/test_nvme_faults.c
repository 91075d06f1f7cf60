/*
 * Drives that fail, wear out or lose their process: what the host is told. The
 * drive is the real one with some of its operations replaced.
 */
#include "nvme_bed.h"

#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

static struct faults {
    const struct drive_ops *real;
    struct drive_ops ops;
    uint16_t fail[IO_OPS]; /* status by operation */
    bool unmapped;         /* reads report holes */
    bool fua_seen;
    struct drive_health health;
} faults;

static void fault_submit(struct drive *drive, struct io *io) {
    faults.fua_seen = io->flags & IO_FUA;
    if (faults.fail[io->op])
        io_fail(io, faults.fail[io->op], "the test broke operation %u", io->op);
    io->unmapped = faults.unmapped && io->op == IO_READ;
    uint16_t status = io->status;
    char *reason = io->reason;
    faults.real->submit(drive, io);
    io->status = status;
    io->reason = reason;
}

static void fault_health(const struct drive *drive, struct drive_health *health) {
    *health = faults.health;
}

static void fault_limits(const struct drive *drive, struct drive_limits *limits) {
    faults.real->limits(drive, limits);
    limits->volatile_cache = true;
}

/* A bed whose drive does as `faults` says; the subsystem is built again, to see the new limits. */
static struct bed *fault_bed(void) {
    struct bed *bed = bed_new(NULL, NULL);
    struct err e = {0};
    memset(&faults, 0, sizeof faults);
    faults.real = bed->drive->ops;
    faults.ops = *faults.real;
    faults.ops.submit = fault_submit;
    faults.ops.health = fault_health;
    faults.ops.limits = fault_limits;
    faults.health = (struct drive_health){.spare_percent = 100, .spare_threshold = 10};
    bed->drive->ops = &faults.ops;
    nvme_subsystem_free(bed->subsystem);
    bed->subsystem = nvme_subsystem_new(bed->target, &bed->config, bed->drive, &e);
    assert_non_null(bed->subsystem);
    bed_up(bed, 1);
    return bed;
}

static void fault_free(struct bed *bed) {
    bed->drive->ops = faults.real;
    bed_free(bed);
}

static const char *last_reason(struct bed *bed) {
    assert_int_equal(bed_log(bed, NVME_LID_VENDOR_REASONS, 256, 0, false), 0);
    return (char *)bed_out(bed, 0) + 8;
}

static void test_nvme_drive_failures_reach_the_host(void **state) {
    static const struct {
        uint8_t opc, op;
        uint16_t status;
        bool dnr;
    } cases[] = {
        {NVME_IO_READ, IO_READ, IO_UNRECOVERED_READ, true},
        {NVME_IO_COMPARE, IO_READ, IO_UNRECOVERED_READ, true},
        {NVME_IO_VERIFY, IO_READ, IO_UNRECOVERED_READ, true},
        {NVME_IO_WRITE, IO_WRITE, IO_WRITE_FAULT, true},
        {NVME_IO_WRITE, IO_WRITE, IO_NAMESPACE_WRITE_PROTECTED, true},
        {NVME_IO_WRITE, IO_WRITE, IO_CAPACITY_EXCEEDED, true},
        {NVME_IO_WRITE_ZEROES, IO_WRITE_ZEROES, IO_WRITE_FAULT, true},
        {NVME_IO_DSM, IO_TRIM, IO_WRITE_FAULT, true},
        {NVME_IO_FLUSH, IO_FLUSH, IO_WRITE_FAULT, true},
        {NVME_IO_READ, IO_READ, IO_INTERNAL_ERROR, false},
    };
    static const struct nvme_dsm_range range = {.nlb = {{1}}};
    struct bed *bed = fault_bed();
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nvme_sqe sqe = bed_rw(cases[i].opc, 1, 0, 1);
        const void *data = cases[i].opc == NVME_IO_DSM ? &range : NULL;
        if (data)
            sqe.cdw11 = le32_from(NVME_DSM_AD);
        faults.fail[cases[i].op] = cases[i].status;
        assert_int_equal(bed_do(bed, 1, &sqe, data), cases[i].status);
        assert_int_equal(le16_get(bed->q[1].cqe.status) >> 15, cases[i].dnr);
        assert_int_equal(bed->q[1].out_bytes, 0);
        assert_non_null(strstr(last_reason(bed), "the test broke operation"));
        faults.fail[cases[i].op] = 0;
        assert_int_equal(bed_do(bed, 1, &sqe, data), 0);
    }
    assert_int_equal(bed_log(bed, NVME_LID_SMART, 512, 0, false), 0);
    struct nvme_smart_log smart;
    memcpy(&smart, bed_out(bed, 0), sizeof smart);
    assert_int_equal(le64_get(smart.media_errors.lo), 7);
    assert_int_equal(le64_get(smart.num_err_log_entries.lo), 10);
    fault_free(bed);
}

static void test_nvme_copy_says_which_range_failed(void **state) {
    struct bed *bed = fault_bed();
    struct nvme_copy_range_0 ranges[2] = {{.slba = le64_from(0)}, {.slba = le64_from(5)}};
    struct nvme_sqe sqe = bed_sqe(NVME_IO_COPY, 1, 100, 0, 1);
    faults.fail[IO_WRITE] = IO_WRITE_FAULT;
    assert_int_equal(bed_do(bed, 1, &sqe, ranges), NVME_SC_WRITE_FAULT);
    assert_int_equal(bed_result(bed, 1), 0);
    fault_free(bed);
}

static void test_nvme_internal_error_is_an_event(void **state) {
    struct bed *bed = fault_bed();
    struct nvme_sqe aer = bed_sqe(NVME_ADMIN_ASYNC_EVENT_REQUEST, 0, 0, 0, 0), read = bed_rw(NVME_IO_READ, 1, 0, 1);
    uint16_t status;
    bed_send(bed, 0, &aer, NULL, &status);
    faults.fail[IO_READ] = IO_INTERNAL_ERROR;
    assert_int_equal(bed_do(bed, 1, &read, NULL), NVME_SC_INTERNAL_ERROR);
    assert_int_equal(status, 0);
    assert_int_equal(bed_result(bed, 0),
                     NVME_LID_ERROR << 16 | NVME_ASYNC_ERROR_TRANSIENT_INTERNAL << 8 | NVME_ASYNC_ERROR);
    fault_free(bed);
}

static void test_nvme_worn_out_drive_warns(void **state) {
    struct bed *bed = fault_bed();
    struct nvme_sqe aer = bed_sqe(NVME_ADMIN_ASYNC_EVENT_REQUEST, 0, 0, 0, 0), write = bed_rw(NVME_IO_WRITE, 1, 0, 1);
    uint16_t spare, worn;
    assert_int_equal(bed_set_feature(bed, NVME_FID_ASYNC_EVENT_CONFIG, 0x1f, false), 0);
    bed_send(bed, 0, &aer, NULL, &spare);
    aer.cid = le16_from(1);
    bed_send(bed, 0, &aer, NULL, &worn);
    faults.health.spare_percent = 9;
    sim_run(bed->sim, sim_now(bed->sim) + 20000000);
    assert_int_equal(bed_identify(bed, 1, 0, 0), 0); /* any admin command looks */
    assert_int_equal(spare, 0);
    faults.health.read_only = true;
    faults.fail[IO_WRITE] = IO_NAMESPACE_WRITE_PROTECTED;
    sim_run(bed->sim, sim_now(bed->sim) + 20000000);
    assert_int_equal(bed_do(bed, 1, &write, NULL), NVME_SC_NS_WRITE_PROTECTED); /* and any failure */
    assert_int_equal(worn, BED_PENDING);                                        /* masked: same type */
    assert_int_equal(bed_log(bed, NVME_LID_SMART, 512, 0, false), 0);
    assert_int_equal(((struct nvme_smart_log *)bed_out(bed, 0))->critical_warning,
                     NVME_SMART_SPARE | NVME_SMART_READ_ONLY);
    assert_int_equal(worn, 0);
    fault_free(bed);
}

static void test_nvme_deallocated_blocks_can_be_errors(void **state) {
    struct bed *bed = fault_bed();
    struct nvme_sqe read = bed_rw(NVME_IO_READ, 1, 0, 1);
    struct nvme_sqe set = bed_sqe(NVME_ADMIN_SET_FEATURES, 1, NVME_FID_ERROR_RECOVERY, NVME_DULBE, 0);
    struct nvme_sqe get = bed_sqe(NVME_ADMIN_GET_FEATURES, 1, NVME_FID_ERROR_RECOVERY, 0, 0);
    faults.unmapped = true;
    assert_int_equal(bed_do(bed, 1, &read, NULL), 0);
    assert_int_equal(bed_do(bed, 0, &set, NULL), 0);
    assert_int_equal(bed_do(bed, 1, &read, NULL), NVME_SC_DEALLOCATED);
    assert_int_equal(bed_do(bed, 0, &get, NULL), 0);
    assert_int_equal(bed_result(bed, 0), NVME_DULBE);
    get.cdw10 = le32_from(NVME_FID_ERROR_RECOVERY | NVME_SEL_SUPPORTED << 8);
    assert_int_equal(bed_do(bed, 0, &get, NULL), 0);
    assert_int_equal(bed_result(bed, 0), 7);
    fault_free(bed);
}

static void test_nvme_write_cache_can_be_turned_off(void **state) {
    struct bed *bed = fault_bed();
    struct nvme_sqe write = bed_rw(NVME_IO_WRITE, 1, 0, 1);
    uint32_t value;
    assert_int_equal(bed_identify(bed, NVME_CNS_CTRL, 0, 0), 0);
    assert_int_equal(((struct nvme_id_ctrl *)bed_out(bed, 0))->vwc & 1, 1);
    assert_int_equal(bed_get_feature(bed, NVME_FID_VOLATILE_WRITE_CACHE, 0, &value), 0);
    assert_int_equal(value, 1);
    assert_int_equal(bed_do(bed, 1, &write, NULL), 0);
    assert_false(faults.fua_seen);
    assert_int_equal(bed_set_feature(bed, NVME_FID_VOLATILE_WRITE_CACHE, 0, true), 0);
    assert_int_equal(bed_do(bed, 1, &write, NULL), 0);
    assert_true(faults.fua_seen);
    bed_property_set(bed, 0, NVME_PROP_CC, 0); /* it was saved */
    bed_gone(bed, 1);
    bed_property_set(bed, 0, NVME_PROP_CC, 0x460001);
    assert_int_equal(bed_get_feature(bed, NVME_FID_VOLATILE_WRITE_CACHE, 0, &value), 0);
    assert_int_equal(value, 0);
    fault_free(bed);
}

static void test_nvme_failing_format(void **state) {
    struct bed *bed = fault_bed();
    struct nvme_sqe format = bed_sqe(NVME_ADMIN_FORMAT_NVM, 1, 0, 0, 0), read = bed_rw(NVME_IO_READ, 1, 0, 1);
    faults.fail[IO_TRIM] = IO_WRITE_FAULT;
    assert_int_equal(bed_do(bed, 0, &format, NULL), NVME_SC_WRITE_FAULT);
    assert_int_equal(bed_do(bed, 1, &read, NULL), 0);
    assert_int_equal(bed->q[1].out_bytes, 4096); /* as it was */
    faults.fail[IO_TRIM] = 0;
    faults.fail[IO_FLUSH] = IO_WRITE_FAULT;
    assert_int_equal(bed_do(bed, 0, &format, NULL), NVME_SC_WRITE_FAULT);
    fault_free(bed);
}

/* What is in the image while the process still runs is what the next one finds when it is killed. */
static void copy_image(const char *from, const char *to) {
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    static char buf[1 << 16];
    ssize_t n;
    off_t at = 0;
    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, buf, sizeof buf)) > 0) {
        static const char zeros[sizeof buf];
        if (memcmp(buf, zeros, (size_t)n) != 0)
            assert_int_equal(pwrite(out, buf, (size_t)n, at), n);
        at += n;
    }
    assert_int_equal(ftruncate(out, at), 0);
    close(in);
    close(out);
}

static void test_nvme_killed_while_formatting(void **state) {
    static const char *const options[] = {"nossd.write_latency=100ms", "drive.capacity=256MiB", NULL};
    char path[] = "/tmp/drivelab-nvme-XXXXXX", killed[sizeof path + 8];
    static uint8_t data[4096], zeros[512];
    struct nvme_sqe format = bed_sqe(NVME_ADMIN_FORMAT_NVM, 1, 0, 0, 0);
    struct nvme_sqe write = bed_rw(NVME_IO_WRITE, 1, 65535, 1), read = bed_rw(NVME_IO_READ, 1, 524287, 1);
    uint16_t status;
    close(mkstemp(path));
    unlink(path);
    snprintf(killed, sizeof killed, "%s.killed", path);
    memset(data, 0x77, sizeof data);
    struct bed *bed = bed_new(path, options);
    bed_up(bed, 1);
    assert_int_equal(bed_do(bed, 1, &write, data), 0); /* the last block */
    bed_send(bed, 0, &format, NULL, &status);
    sim_run(bed->sim, sim_now(bed->sim) + 250 * 1000000ll);
    assert_int_equal(status, BED_PENDING);
    assert_int_equal(bed_identify(bed, NVME_CNS_NS, 1, 0), 0);
    assert_int_equal(((struct nvme_id_ns *)bed_out(bed, 0))->fpi, 0x80 | 50);
    copy_image(path, killed);
    bed_settle(bed);
    bed_free(bed);

    bed = bed_new(killed, options);
    bed_up(bed, 1);
    struct nvme_sqe early = bed_rw(NVME_IO_READ, 1, 0, 1);
    assert_int_equal(bed_do(bed, 1, &early, NULL), NVME_SC_FORMAT_IN_PROGRESS);
    bed_settle(bed);
    assert_int_equal(bed_do(bed, 1, &read, NULL), 0);
    assert_int_equal(bed->q[1].out_bytes, 512);
    assert_memory_equal(bed_out(bed, 1), zeros, 512);
    assert_int_equal(bed_log(bed, NVME_LID_SMART, 512, 0, false), 0);
    assert_int_equal(le64_get(((struct nvme_smart_log *)bed_out(bed, 0))->unsafe_shutdowns.lo), 1);
    bed_free(bed);
    unlink(path);
    unlink(killed);
}

static void test_nvme_statistics(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_sqe read = bed_rw(NVME_IO_READ, 1, 0, 1), bad = bed_sqe(0x99, 1, 0, 0, 0);
    bed_up(bed, 2);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(bed_do(bed, 1, &read, NULL), 0);
    assert_int_equal(bed_do(bed, 2, &bad, NULL), NVME_SC_INVALID_OPCODE);
    json_t *all = nvme_subsystem_stats(bed->subsystem);
    assert_non_null(all);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(all, "io"), "Read")), 3);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(all, "io"), "unsupported")), 1);
    json_t *ctrl = json_array_get(json_object_get(all, "controllers"), 0);
    assert_int_equal(json_array_size(json_object_get(ctrl, "queues")), 3);
    json_t *error = json_array_get(json_object_get(ctrl, "last_errors"), 0);
    assert_non_null(strstr(json_string_value(json_object_get(error, "reason")), "99h"));
    assert_int_equal(json_array_size(json_object_get(all, "namespaces")), 1);
    json_decref(all);
    bed_free(bed);
}

static void test_nvme_statistics_of_a_host_whose_name_is_not_utf8(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_fabrics_connect command;
    struct nvme_connect_data data;
    bed_connect_default(&command, &data, bed, 0, NVME_CNTLID_ANY);
    strcpy(data.hostnqn, "nqn.x:\xff\xc3\xa4");
    assert_int_equal(bed_connect(bed, 0, &command, &data), 0);
    json_t *all = nvme_subsystem_stats(bed->subsystem);
    json_t *ctrl = json_array_get(json_object_get(all, "controllers"), 0);
    assert_non_null(ctrl);
    assert_string_equal(json_string_value(json_object_get(ctrl, "hostnqn")), "nqn.x:\\xff\xc3\xa4");
    json_decref(all);
    bed_free(bed);
}

static void test_nvme_impossible_options(void **state) {
    static const struct {
        const char *option, *word;
    } cases[] = {
        {"nvme.lba_bytes=1024", "nvme.lba_bytes"},       {"nvme.mdts=12KiB", "nvme.mdts"},
        {"nvme.serial=123456789012345678901", "serial"}, {"nvme.nqn=disk", "nvme.nqn"},
        {"nvme.nqn=" NVME_DISCOVERY_NQN, "exists"},
    };
    struct bed *bed = bed_new(NULL, NULL);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nvme_config config;
        struct opt_set set = {0};
        struct err e = {0};
        assert_int_equal(opt_set_add(&set, nvme_opts, &config), 0);
        assert_int_equal(opt_assign_arg(&set, cases[i].option, &e), 0);
        assert_null(nvme_subsystem_new(bed->target, &config, bed->drive, &e));
        assert_non_null(strstr(e.text, cases[i].word));
    }
    bed_free(bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nvme_drive_failures_reach_the_host),
        cmocka_unit_test(test_nvme_copy_says_which_range_failed),
        cmocka_unit_test(test_nvme_internal_error_is_an_event),
        cmocka_unit_test(test_nvme_worn_out_drive_warns),
        cmocka_unit_test(test_nvme_deallocated_blocks_can_be_errors),
        cmocka_unit_test(test_nvme_write_cache_can_be_turned_off),
        cmocka_unit_test(test_nvme_failing_format),
        cmocka_unit_test(test_nvme_killed_while_formatting),
        cmocka_unit_test(test_nvme_statistics),
        cmocka_unit_test(test_nvme_statistics_of_a_host_whose_name_is_not_utf8),
        cmocka_unit_test(test_nvme_impossible_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
