/* What a control socket can do to a controller: lose completions, pause, look at failures, change options. */
#include "nvme_bed.h"

#include <errno.h>

#define READS 6

static struct nvme_fault fault(uint32_t id, int opcode, int qid, uint64_t nth) {
    return (struct nvme_fault){.id = id, .opcode = opcode, .qid = qid, .cntlid = NVME_FAULT_ANY, .nth = nth};
}

static void checked(const struct bed *bed) {
    struct err e = {0};
    if (nvme_check(bed->target, &e))
        fail_msg("%s", e.text);
}

static void send_reads(struct bed *bed, unsigned q, uint16_t status[READS]) {
    for (uint16_t i = 0; i < READS; i++) {
        struct nvme_sqe sqe = bed_rw(NVME_IO_READ, 1, i, 1);
        sqe.cid = le16_from((uint16_t)(100 + i));
        bed_send(bed, q, &sqe, NULL, &status[i]);
    }
}

/* ---- Lost completions ---- */

static void test_nvme_loses_the_nth_completion(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_fault f = fault(5, NVME_IO_READ, NVME_FAULT_ANY, 3), list[NVME_FAULTS];
    uint16_t status[READS];
    bed_up(bed, 1);
    assert_int_equal(nvme_lose_completion(bed->target, &f, NULL), 0);
    struct nvme_sqe write = bed_rw(NVME_IO_WRITE, 1, 0, 1);
    assert_int_equal(bed_do(bed, 1, &write, NULL), 0);
    assert_int_equal(nvme_faults(bed->target, list), 1);
    assert_int_equal(list[0].nth, 3);
    send_reads(bed, 1, status);
    bed_settle(bed);
    checked(bed);
    for (unsigned i = 0; i < READS; i++)
        assert_int_equal(status[i], i == 2 ? BED_PENDING : 0);
    assert_int_equal(nvme_faults(bed->target, list), 0);
    assert_int_equal(nvme_lost_completions(bed->target), 1);
    assert_int_equal(bed->q[1].queue.outstanding, 1);
    /* nothing is left to abort */
    struct nvme_sqe abort = bed_sqe(NVME_ADMIN_ABORT, 0, 1u | 102u << 16, 0, 0);
    assert_int_equal(bed_do(bed, 0, &abort, NULL), 0);
    assert_int_equal(bed_result(bed, 0) & 1, 1);
    /* the host gives up: the command goes with its connection */
    bed_gone(bed, 1);
    assert_int_equal(bed->q[1].queue.outstanding, 0);
    bed_free(bed);
}

static void test_nvme_loses_only_what_is_meant(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    uint16_t status[READS], admin;
    bed_up(bed, 2);
    struct nvme_fault queue2 = fault(1, NVME_FAULT_ANY, 2, 1), other = fault(2, NVME_FAULT_ANY, NVME_FAULT_ANY, 1);
    other.cntlid = bed->cntlid + 1;
    assert_int_equal(nvme_lose_completion(bed->target, &queue2, NULL), 0);
    assert_int_equal(nvme_lose_completion(bed->target, &other, NULL), 0);
    send_reads(bed, 1, status);
    bed_settle(bed);
    for (unsigned i = 0; i < READS; i++)
        assert_int_equal(status[i], 0);
    send_reads(bed, 2, status);
    bed_settle(bed);
    assert_int_equal(status[0], BED_PENDING);
    assert_int_equal(status[1], 0);
    struct nvme_fault identify = fault(3, NVME_ADMIN_IDENTIFY, 0, 1);
    assert_int_equal(nvme_lose_completion(bed->target, &identify, NULL), 0);
    assert_int_equal(bed_log(bed, NVME_LID_SMART, 512, 0, false), 0);
    struct nvme_sqe sqe = bed_sqe(NVME_ADMIN_IDENTIFY, 0, 1, 0, 0);
    sqe.cid = le16_from(9);
    bed_send(bed, 0, &sqe, NULL, &admin);
    bed_settle(bed);
    assert_int_equal(admin, BED_PENDING);
    assert_true(nvme_fault_clear(bed->target, 2));
    assert_false(nvme_fault_clear(bed->target, 2));
    checked(bed);
    bed_free(bed);
}

static void test_nvme_refuses_impossible_faults(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_fault f = fault(1, NVME_FAULT_ANY, NVME_FAULT_ANY, 0);
    assert_int_equal(nvme_lose_completion(bed->target, &f, NULL), -EINVAL);
    f.nth = 1;
    for (unsigned i = 0; i < NVME_FAULTS; i++)
        assert_int_equal(nvme_lose_completion(bed->target, &f, NULL), 0);
    assert_int_equal(nvme_lose_completion(bed->target, &f, NULL), -ENOSPC);
    bed_free(bed);
}

/* ---- Pause ---- */

static void test_nvme_pause_holds_io_and_loses_nothing(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    uint16_t before[READS], during[READS];
    bed_up(bed, 1);
    send_reads(bed, 1, before); /* in the drive when the pause comes */
    nvme_pause(bed->target);
    uint8_t data[4096];
    memset(data, 0x5a, sizeof data);
    for (uint16_t i = 0; i < READS; i++) {
        struct nvme_sqe sqe = bed_rw(NVME_IO_WRITE, 1, i, 1);
        sqe.cid = le16_from((uint16_t)(200 + i));
        bed_send(bed, 1, &sqe, data, &during[i]);
    }
    bed_settle(bed);
    checked(bed);
    for (unsigned i = 0; i < READS; i++) {
        assert_int_equal(before[i], BED_PENDING);
        assert_int_equal(during[i], BED_PENDING);
    }
    assert_int_equal(nvme_held(bed->target), 2 * READS);
    /* admin commands, keep alive and connects go on */
    assert_int_equal(bed_identify(bed, 1, 0, 0), 0);
    struct nvme_sqe alive = bed_sqe(NVME_ADMIN_KEEP_ALIVE, 0, 0, 0, 0);
    assert_int_equal(bed_do(bed, 0, &alive, NULL), 0);
    struct nvme_fabrics_connect command;
    struct nvme_connect_data connect;
    bed_connect_default(&command, &connect, bed, 2, bed->cntlid);
    assert_int_equal(bed_connect(bed, 2, &command, &connect), 0);
    int64_t resumed = sim_now(bed->sim);
    nvme_resume(bed->target);
    checked(bed);
    for (unsigned i = 0; i < READS; i++) {
        assert_int_equal(before[i], 0);
        assert_int_equal(during[i], BED_PENDING);
    }
    assert_int_equal(bed->q[1].due_ns, resumed);
    bed_settle(bed);
    for (unsigned i = 0; i < READS; i++)
        assert_int_equal(during[i], 0);
    assert_int_equal(nvme_held(bed->target), 0);
    struct nvme_sqe read = bed_rw(NVME_IO_READ, 1, READS - 1, 1);
    assert_int_equal(bed_do(bed, 1, &read, NULL), 0);
    assert_memory_equal(bed_out(bed, 1), data, sizeof data);
    bed_free(bed);
}

static void test_nvme_pause_outlives_hosts(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    uint16_t one[READS], two[READS];
    bed_up(bed, 2);
    nvme_pause(bed->target);
    send_reads(bed, 1, one);
    send_reads(bed, 2, two);
    bed_gone(bed, 1);
    checked(bed);
    assert_int_equal(nvme_held(bed->target), READS);
    nvme_pause(bed->target); /* again: no difference */
    nvme_resume(bed->target);
    bed_settle(bed);
    for (unsigned i = 0; i < READS; i++) {
        assert_int_equal(one[i], BED_PENDING); /* its host is gone */
        assert_int_equal(two[i], 0);
    }
    nvme_resume(bed->target);
    checked(bed);
    nvme_pause(bed->target);
    send_reads(bed, 2, two);
    nvme_subsystem_power_cut(bed->subsystem);
    assert_true(bed->q[2].told);
    bed_gone(bed, 2);
    assert_int_equal(nvme_held(bed->target), 0);
    bed_free(bed); /* paused to the end */
}

/* Pauses and lost completions between any commands: each command ends once, or goes with its queue. */
static void test_nvme_pause_at_random(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    uint32_t seed = 12345;
    uint16_t status[BED_SLOTS];
    bed_up(bed, 2);
    for (unsigned round = 0; round < 300; round++) {
        unsigned sent = 0, pending = 0, lost = 0;
        uint64_t lost_before = nvme_lost_completions(bed->target);
        for (unsigned step = 0; step < 40; step++) {
            seed = seed * 1664525 + 1013904223;
            unsigned what = seed >> 28;
            struct nvme_fault f = fault(1, NVME_FAULT_ANY, 1, 1 + (seed >> 20) % 8);
            if (what < 10 && sent < 20) {
                struct nvme_sqe sqe = bed_rw(what < 5 ? NVME_IO_READ : NVME_IO_WRITE, 1, seed >> 8 & 15, 1);
                sqe.cid = le16_from((uint16_t)(300 + sent));
                bed_send(bed, 1 + (seed >> 24 & 1), &sqe, NULL, &status[sent]);
                sent++;
            } else if (what == 10) {
                nvme_pause(bed->target);
            } else if (what == 11) {
                nvme_resume(bed->target);
            } else if (what == 12 && round % 4 == 0) {
                nvme_lose_completion(bed->target, &f, NULL);
            } else {
                sim_run(bed->sim, sim_now(bed->sim) + (seed >> 12) % 30000);
            }
            checked(bed);
        }
        nvme_resume(bed->target);
        bed_settle(bed);
        checked(bed);
        for (unsigned i = 0; i < sent; i++)
            pending += status[i] == BED_PENDING;
        lost = (unsigned)(nvme_lost_completions(bed->target) - lost_before);
        assert_int_equal(pending, lost);
        while (nvme_fault_clear(bed->target, 1)) {
        }
        if (lost) { /* identifiers of lost commands stay with their queue */
            struct nvme_fabrics_connect command;
            struct nvme_connect_data data;
            bed_gone(bed, 1);
            bed_settle(bed);
            bed_connect_default(&command, &data, bed, 1, bed->cntlid);
            assert_int_equal(bed_connect(bed, 1, &command, &data), 0);
        }
    }
    bed_free(bed);
}

/* ---- Failures ---- */

static void test_nvme_failures_outlive_their_controller(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    bed_up(bed, 1);
    assert_int_equal(nvme_failures(bed->target), 0);
    assert_null(nvme_failure(bed->target, 1));
    struct nvme_sqe sqe = bed_rw(NVME_IO_READ, 1, 1 << 20, 8);
    assert_int_equal(bed_do(bed, 1, &sqe, NULL), NVME_SC_LBA_OUT_OF_RANGE);
    uint16_t cid = le16_get(sqe.cid), cntlid = bed->cntlid;
    bed_gone(bed, 1);
    bed_gone(bed, 0);
    bed_settle(bed);
    assert_int_equal(nvme_failures(bed->target), 1);
    const struct nvme_failure *f = nvme_failure(bed->target, 1);
    assert_int_equal(f->number, 1);
    assert_int_equal(f->status & 0x7ff, NVME_SC_LBA_OUT_OF_RANGE);
    assert_true(f->status & NVME_DNR);
    assert_int_equal(f->cntlid, cntlid);
    assert_int_equal(f->qid, 1);
    assert_int_equal(f->cid, cid);
    assert_int_equal(f->opcode, NVME_IO_READ);
    assert_int_equal(f->kind, NVME_KIND_IO);
    assert_string_equal(f->host, BED_HOST);
    assert_non_null(strstr(f->reason, "1048576"));
    assert_null(nvme_failure(bed->target, 0));
    assert_null(nvme_failure(bed->target, 2));
    bed_free(bed);
}

static void test_nvme_failures_keep_the_last(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    bed_up(bed, 1);
    for (unsigned i = 0; i < NVME_FAILURES + 10; i++) {
        struct nvme_sqe sqe = bed_rw(NVME_IO_READ, 1, (1 << 20) + i, 8);
        bed_do(bed, 1, &sqe, NULL);
    }
    assert_null(nvme_failure(bed->target, 10));
    assert_int_equal(nvme_failure(bed->target, 11)->number, 11);
    assert_int_equal(nvme_failure(bed->target, NVME_FAILURES + 10)->number, NVME_FAILURES + 10);
    bed_free(bed);
}

/* ---- What there is, and options ---- */

static void test_nvme_tells_of_its_namespaces(void **state) {
    static const char *const options[] = {"nvme.namespaces=2", "nvme.lba_bytes=512", NULL};
    struct bed *bed = bed_new(NULL, options);
    struct nvme_namespace ns;
    assert_int_equal(nvme_subsystem_namespaces(bed->subsystem), 2);
    assert_true(nvme_subsystem_namespace(bed->subsystem, 2, &ns));
    assert_int_equal(ns.base, 32 << 20);
    assert_int_equal(ns.lba_bytes, 512);
    assert_int_equal(ns.blocks, (32 << 20) / 512);
    assert_false(nvme_subsystem_namespace(bed->subsystem, 0, &ns));
    assert_false(nvme_subsystem_namespace(bed->subsystem, 3, &ns));
    bed_free(bed);
}

static void test_nvme_follows_changed_options(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_config config = bed->config;
    struct nvme_fabrics_connect command;
    struct nvme_connect_data data;
    snprintf(config.allow_hosts, sizeof config.allow_hosts, "nqn.2014-08.org.example:somebody");
    config.mdts = 4096; /* not one that can change */
    nvme_subsystem_reconfigure(bed->subsystem, &config);
    bed_connect_default(&command, &data, bed, 0, NVME_CNTLID_ANY);
    assert_int_equal(bed_connect(bed, 0, &command, &data), NVME_SC_CONNECT_INVALID_HOST);
    config.allow_hosts[0] = '\0';
    nvme_subsystem_reconfigure(bed->subsystem, &config);
    assert_int_equal(bed_connect(bed, 0, &command, &data), 0);
    bed_free(bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nvme_loses_the_nth_completion),
        cmocka_unit_test(test_nvme_loses_only_what_is_meant),
        cmocka_unit_test(test_nvme_refuses_impossible_faults),
        cmocka_unit_test(test_nvme_pause_holds_io_and_loses_nothing),
        cmocka_unit_test(test_nvme_pause_outlives_hosts),
        cmocka_unit_test(test_nvme_pause_at_random),
        cmocka_unit_test(test_nvme_failures_outlive_their_controller),
        cmocka_unit_test(test_nvme_failures_keep_the_last),
        cmocka_unit_test(test_nvme_tells_of_its_namespaces),
        cmocka_unit_test(test_nvme_follows_changed_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
