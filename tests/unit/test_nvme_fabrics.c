/* Connect, properties, keep alive, discovery, and queues that go away. */
#include "nvme_bed.h"

#define SECOND 1000000000ll

struct connect_case {
    const char *what;
    void (*spoil)(struct nvme_fabrics_connect *, struct nvme_connect_data *);
    uint16_t status;
    uint32_t ipo, iattr; /* UINT32_MAX: don't look */
};

static void spoil_format(struct nvme_fabrics_connect *c, struct nvme_connect_data *d) {
    c->recfmt = le16_from(1);
}
static void spoil_cntlid(struct nvme_fabrics_connect *c, struct nvme_connect_data *d) {
    d->cntlid = le16_from(3);
}
static void spoil_size_small(struct nvme_fabrics_connect *c, struct nvme_connect_data *d) {
    c->sqsize = le16_from(0);
}
static void spoil_size_large(struct nvme_fabrics_connect *c, struct nvme_connect_data *d) {
    c->sqsize = le16_from(1024);
}
static void spoil_size_huge(struct nvme_fabrics_connect *c, struct nvme_connect_data *d) {
    c->sqsize = le16_from(0xffff);
}
static void spoil_subnqn(struct nvme_fabrics_connect *c, struct nvme_connect_data *d) {
    strcpy(d->subnqn, "nqn.2024-01.example:other");
}
static void spoil_subnqn_endless(struct nvme_fabrics_connect *c, struct nvme_connect_data *d) {
    memset(d->subnqn, 'x', sizeof d->subnqn);
}
static void spoil_hostnqn_endless(struct nvme_fabrics_connect *c, struct nvme_connect_data *d) {
    memset(d->hostnqn, 'x', sizeof d->hostnqn);
}
static void spoil_host(struct nvme_fabrics_connect *c, struct nvme_connect_data *d) {
    strcpy(d->hostnqn, "nqn.2024-01.example:stranger");
}
static void spoil_qid(struct nvme_fabrics_connect *c, struct nvme_connect_data *d) {
    c->qid = le16_from(9);
}
static void spoil_qid_used(struct nvme_fabrics_connect *c, struct nvme_connect_data *d) {
    c->qid = le16_from(1);
}
static void spoil_hostid(struct nvme_fabrics_connect *c, struct nvme_connect_data *d) {
    d->hostid[3] ^= 1;
}
static void spoil_nothing(struct nvme_fabrics_connect *c, struct nvme_connect_data *d) {}

static void check_cases(struct bed *bed, const struct connect_case *cases, unsigned n, uint16_t qid, uint16_t cntlid) {
    struct nvme_fabrics_connect c;
    struct nvme_connect_data d;
    for (unsigned i = 0; i < n; i++) {
        bed_connect_default(&c, &d, bed, qid, cntlid);
        cases[i].spoil(&c, &d);
        uint16_t status = bed_connect(bed, 3, &c, &d);
        if (status != cases[i].status)
            fail_msg("%s: status %03x, expected %03x", cases[i].what, status, cases[i].status);
        if (cases[i].ipo != UINT32_MAX)
            assert_int_equal(bed_result(bed, 3), cases[i].ipo | cases[i].iattr << 16);
        bed_gone(bed, 3);
    }
}

static void test_nvme_connect_admin_refusals(void **state) {
    static const struct connect_case cases[] = {
        {"format", spoil_format, NVME_SC_CONNECT_INCOMPATIBLE_FORMAT, 40, 0},
        {"controller", spoil_cntlid, NVME_SC_CONNECT_INVALID_PARAMETERS, 16, 1},
        {"one entry", spoil_size_small, NVME_SC_CONNECT_INVALID_PARAMETERS, 44, 0},
        {"too many entries", spoil_size_large, NVME_SC_CONNECT_INVALID_PARAMETERS, 44, 0},
        {"65536 entries", spoil_size_huge, NVME_SC_CONNECT_INVALID_PARAMETERS, 44, 0},
        {"subsystem", spoil_subnqn, NVME_SC_CONNECT_INVALID_PARAMETERS, 256, 1},
        {"subsystem without end", spoil_subnqn_endless, NVME_SC_CONNECT_INVALID_PARAMETERS, 256, 1},
        {"host without end", spoil_hostnqn_endless, NVME_SC_CONNECT_INVALID_PARAMETERS, 512, 1},
        {"stranger", spoil_host, NVME_SC_CONNECT_INVALID_HOST, 512, 1},
        {"nothing", spoil_nothing, 0, UINT32_MAX, 0},
    };
    static const char *const options[] = {"nvme.allow_hosts=nqn.2024-01.example:friend, " BED_HOST, NULL};
    struct bed *bed = bed_new(NULL, options);
    check_cases(bed, cases, sizeof cases / sizeof *cases, 0, NVME_CNTLID_ANY);
    bed_free(bed);
}

static void test_nvme_connect_io_refusals(void **state) {
    static const struct connect_case cases[] = {
        {"controller", spoil_cntlid, NVME_SC_CONNECT_INVALID_PARAMETERS, 16, 1},
        {"queue too high", spoil_qid, NVME_SC_CONNECT_INVALID_PARAMETERS, 42, 0},
        {"queue exists", spoil_qid_used, NVME_SC_SEQUENCE_ERROR, UINT32_MAX, 0},
        {"another host", spoil_host, NVME_SC_CONNECT_INVALID_PARAMETERS, 512, 1},
        {"another host identifier", spoil_hostid, NVME_SC_CONNECT_INVALID_PARAMETERS, 0, 1},
        {"too many entries", spoil_size_large, NVME_SC_CONNECT_INVALID_PARAMETERS, 44, 0},
        {"nothing", spoil_nothing, 0, UINT32_MAX, 0},
        {"nothing, again after it went", spoil_nothing, 0, UINT32_MAX, 0},
    };
    static const char *const options[] = {"nvme.io_queues=8", NULL};
    struct bed *bed = bed_new(NULL, options);
    bed_up(bed, 1);
    assert_int_equal(bed->cntlid, 1);
    check_cases(bed, cases, sizeof cases / sizeof *cases, 2, bed->cntlid);
    bed_property_set(bed, 0, NVME_PROP_CC, 0);
    static const struct connect_case disabled[] = {{"disabled", spoil_nothing, NVME_SC_SEQUENCE_ERROR, UINT32_MAX, 0}};
    check_cases(bed, disabled, 1, 2, bed->cntlid);
    bed_free(bed);
}

/* Linux and others ask for an admin queue of 32 entries whatever CAP.MQES says. */
static void test_nvme_connect_admin_queue_has_a_size_of_its_own(void **state) {
    static const char *const options[] = {"nvme.queue_entries=4", NULL};
    struct bed *bed = bed_new(NULL, options);
    struct nvme_fabrics_connect c;
    struct nvme_connect_data d;
    bed_connect_default(&c, &d, bed, 0, NVME_CNTLID_ANY);
    c.sqsize = le16_from(31);
    assert_int_equal(bed_connect(bed, 0, &c, &d), 0);
    uint16_t cntlid = (uint16_t)bed_result(bed, 0);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0x460001), 0);
    bed_connect_default(&c, &d, bed, 1, cntlid);
    c.sqsize = le16_from(4);
    assert_int_equal(bed_connect(bed, 1, &c, &d), NVME_SC_CONNECT_INVALID_PARAMETERS);
    bed_free(bed);
}

static void test_nvme_connect_without_a_name_is_no_friend(void **state) {
    static const char *const options[] = {"nvme.allow_hosts=nqn.2024-01.example:friend, ", NULL};
    struct bed *bed = bed_new(NULL, options);
    struct nvme_fabrics_connect c;
    struct nvme_connect_data d;
    bed_connect_default(&c, &d, bed, 0, NVME_CNTLID_ANY);
    d.hostnqn[0] = '\0';
    assert_int_equal(bed_connect(bed, 0, &c, &d), NVME_SC_CONNECT_INVALID_HOST);
    bed_free(bed);
}

static void test_nvme_connect_makes_a_controller_each(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_fabrics_connect c;
    struct nvme_connect_data d;
    bed_connect_default(&c, &d, bed, 0, NVME_CNTLID_ANY);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(bed_connect(bed, i, &c, &d), 0);
        assert_int_equal(bed_result(bed, i), i + 1);
    }
    assert_int_equal(bed_connect(bed, 1, &c, &d), NVME_SC_SEQUENCE_ERROR); /* twice on one queue */
    bed_free(bed);
}

static void test_nvme_nothing_before_connect_or_enable(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_fabrics_connect c;
    struct nvme_connect_data d;
    uint64_t value;
    bed_connect_default(&c, &d, bed, 0, 3);
    assert_int_equal(bed_connect(bed, 0, &c, &d), NVME_SC_CONNECT_INVALID_PARAMETERS);
    assert_int_equal(bed_identify(bed, 1, 0, 0), NVME_SC_SEQUENCE_ERROR);
    assert_int_equal(bed_property_get(bed, 0, NVME_PROP_CAP, &value), NVME_SC_SEQUENCE_ERROR);
    bed_connect_default(&c, &d, bed, 0, NVME_CNTLID_ANY);
    assert_int_equal(bed_connect(bed, 0, &c, &d), 0);
    assert_int_equal(bed_identify(bed, 1, 0, 0), NVME_SC_SEQUENCE_ERROR);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0x460001), 0);
    assert_int_equal(bed_identify(bed, 1, 0, 0), 0);
    bed_free(bed);
}

static void test_nvme_properties(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    uint64_t value;
    bed_up(bed, 1);
    assert_int_equal(bed_property_get(bed, 0, NVME_PROP_CAP, &value), 0);
    assert_int_equal(value & 0xffff, 1023);
    assert_true(value & NVME_CAP_CQR && value & NVME_CAP_CSS_NVM);
    assert_int_equal(bed_property_get(bed, 0, NVME_PROP_VS, &value), 0);
    assert_int_equal(value, NVME_VERSION_2_0);
    assert_int_equal(bed_property_get(bed, 0, NVME_PROP_CC, &value), 0);
    assert_int_equal(value, 0x460061);
    assert_int_equal(bed_property_get(bed, 0, NVME_PROP_CSTS, &value), 0);
    assert_int_equal(value, NVME_CSTS_RDY);
    assert_int_equal(bed_property_get(bed, 0, NVME_PROP_CRTO, &value), 0);
    assert_int_equal(bed_property_get(bed, 0, 0x30, &value), NVME_SC_INVALID_FIELD);
    assert_int_equal(bed_property_get(bed, 1, NVME_PROP_VS, &value), NVME_SC_INVALID_FIELD);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CSTS, 0), NVME_SC_INVALID_FIELD);
    bed_free(bed);
}

static void test_nvme_impossible_cc_is_fatal(void **state) {
    static const uint32_t bad[] = {0x460011, 0x460081, 0x460801, 0x450001, 0x360001, 0x000001};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bed *bed = bed_new(NULL, NULL);
        uint64_t csts;
        bed_up(bed, 0);
        bed_property_set(bed, 0, NVME_PROP_CC, 0);
        assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, bad[i]), 0);
        bed_property_get(bed, 0, NVME_PROP_CSTS, &csts);
        assert_int_equal(csts, NVME_CSTS_CFS);
        bed_property_set(bed, 0, NVME_PROP_CC, 0);
        bed_property_set(bed, 0, NVME_PROP_CC, 0x460061); /* CSS 6 */
        bed_property_get(bed, 0, NVME_PROP_CSTS, &csts);
        assert_int_equal(csts, NVME_CSTS_RDY);
        bed_free(bed);
    }
}

static void test_nvme_shutdown_flushes_and_says_so(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    uint64_t csts;
    bed_up(bed, 2);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0x464001), 0);
    assert_true(bed->q[1].told && bed->q[2].told && !bed->q[0].told);
    bed_property_get(bed, 0, NVME_PROP_CSTS, &csts);
    assert_int_equal(NVME_CSTS_SHST(csts), 1);
    bed_gone(bed, 1);
    bed_gone(bed, 2);
    sim_run(bed->sim, sim_now(bed->sim) + SECOND);
    bed_property_get(bed, 0, NVME_PROP_CSTS, &csts);
    assert_int_equal(NVME_CSTS_SHST(csts), 2);
    assert_int_equal(bed->drive->ios[IO_FLUSH], 1);
    bed_free(bed);
}

/* The flush of the first shutdown is still in the drive when the second one comes. */
static void test_nvme_shutdown_reset_shutdown(void **state) {
    static const uint32_t cc[] = {0x464001, 0x460000, 0x460001, 0x464001};
    struct bed *bed = bed_new(NULL, NULL);
    uint64_t csts;
    bed_up(bed, 0);
    for (unsigned i = 0; i < sizeof cc / sizeof *cc; i++)
        assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, cc[i]), 0);
    bed_property_get(bed, 0, NVME_PROP_CSTS, &csts);
    assert_int_equal(NVME_CSTS_SHST(csts), 1);
    sim_run(bed->sim, sim_now(bed->sim) + SECOND);
    bed_property_get(bed, 0, NVME_PROP_CSTS, &csts);
    assert_int_equal(NVME_CSTS_SHST(csts), 2);
    assert_int_equal(bed->drive->ios[IO_FLUSH], 2);
    assert_int_equal(bed->drive->inflight, 0);

    for (unsigned i = 1; i <= 6; i++) /* and one that comes back to a controller enabled again */
        assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, cc[i % 4]), 0);
    sim_run(bed->sim, sim_now(bed->sim) + SECOND);
    bed_property_get(bed, 0, NVME_PROP_CSTS, &csts);
    assert_int_equal(csts, NVME_CSTS_RDY);
    bed_free(bed);
}

static void test_nvme_reset_ends_io_queues_and_events(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_sqe aer = bed_sqe(NVME_ADMIN_ASYNC_EVENT_REQUEST, 0, 0, 0, 0);
    uint16_t status;
    bed_up(bed, 2);
    aer.cid = le16_from(77);
    bed_send(bed, 0, &aer, NULL, &status);
    bed_property_set(bed, 0, NVME_PROP_CC, 0x460000);
    assert_int_equal(status, NVME_SC_SQ_DELETED);
    assert_true(bed->q[1].told && bed->q[2].told && !bed->q[0].told);
    bed_gone(bed, 1);
    bed_gone(bed, 2);
    bed_property_set(bed, 0, NVME_PROP_CC, 0x460001);
    assert_int_equal(bed_identify(bed, 1, 0, 0), 0);
    bed_property_set(bed, 0, NVME_PROP_CC, 0x460000);
    sim_run(bed->sim, sim_now(bed->sim) + 119 * SECOND);
    assert_false(bed->q[0].told);
    sim_run(bed->sim, sim_now(bed->sim) + 2 * SECOND);
    assert_true(bed->q[0].told); /* nobody enabled it again for two minutes */
    bed_free(bed);
}

static void test_nvme_never_enabled_controller_goes(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_fabrics_connect c;
    struct nvme_connect_data d;
    uint64_t value;
    bed_connect_default(&c, &d, bed, 0, NVME_CNTLID_ANY);
    assert_int_equal(bed_connect(bed, 0, &c, &d), 0);
    sim_run(bed->sim, sim_now(bed->sim) + 119 * SECOND);
    assert_false(bed->q[0].told);
    assert_int_equal(bed_property_get(bed, 0, NVME_PROP_CSTS, &value), 0); /* does not enable it */
    sim_run(bed->sim, sim_now(bed->sim) + 2 * SECOND);
    assert_true(bed->q[0].told);
    assert_string_equal(bed->q[0].why, "not enabled for two minutes");
    bed_free(bed);
}

static void connect_kato(struct bed *bed, uint32_t ms) {
    struct nvme_fabrics_connect c;
    struct nvme_connect_data d;
    bed_connect_default(&c, &d, bed, 0, NVME_CNTLID_ANY);
    c.kato = le32_from(ms);
    assert_int_equal(bed_connect(bed, 0, &c, &d), 0);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0x460001), 0);
}

static void test_nvme_keep_alive_expires(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_sqe ka = bed_sqe(NVME_ADMIN_KEEP_ALIVE, 0, 0, 0, 0);
    uint64_t csts;
    connect_kato(bed, 5000);
    for (unsigned i = 0; i < 10; i++) {
        sim_run(bed->sim, sim_now(bed->sim) + 4 * SECOND);
        assert_false(bed->q[0].told);
        assert_int_equal(bed_do(bed, 0, &ka, NULL), 0);
    }
    sim_run(bed->sim, sim_now(bed->sim) + 5099 * 1000000ll); /* and one unit of KAS */
    assert_false(bed->q[0].told);
    sim_run(bed->sim, sim_now(bed->sim) + 2 * 1000000ll);
    assert_true(bed->q[0].told);
    assert_string_equal(bed->q[0].why, "keep alive timer expired");
    bed_property_get(bed, 0, NVME_PROP_CSTS, &csts);
    assert_true(csts & NVME_CSTS_CFS);
    bed_free(bed);
}

static void test_nvme_keep_alive_is_restarted_by_traffic(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    connect_kato(bed, 1000);
    for (unsigned i = 0; i < 20; i++) {
        sim_run(bed->sim, sim_now(bed->sim) + 900 * 1000000ll);
        assert_false(bed->q[0].told);
        assert_int_equal(bed_identify(bed, 1, 0, 0), 0);
    }
    sim_run(bed->sim, sim_now(bed->sim) + 2101 * 1000000ll);
    assert_true(bed->q[0].told);
    bed_free(bed);
}

static void test_nvme_keep_alive_timeout_can_be_changed(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    uint32_t value;
    connect_kato(bed, 0);
    sim_run(bed->sim, sim_now(bed->sim) + 1000 * SECOND);
    assert_false(bed->q[0].told);
    assert_int_equal(bed_set_feature(bed, NVME_FID_KEEP_ALIVE_TIMER, 1234, false), 0);
    assert_int_equal(bed_result(bed, 0), 1300); /* in units of KAS */
    assert_int_equal(bed_get_feature(bed, NVME_FID_KEEP_ALIVE_TIMER, 0, &value), 0);
    assert_int_equal(value, 1300);
    assert_int_equal(bed_set_feature(bed, NVME_FID_KEEP_ALIVE_TIMER, UINT32_MAX, false), 0);
    assert_int_equal(bed_set_feature(bed, NVME_FID_KEEP_ALIVE_TIMER, 100, false), 0);
    sim_run(bed->sim, sim_now(bed->sim) + SECOND);
    assert_true(bed->q[0].told);
    bed_free(bed);
}

static void test_nvme_sqhd_and_flow_control(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_fabrics_connect c;
    struct nvme_connect_data d;
    bed_up(bed, 0);
    for (unsigned i = 0; i < 70; i++) {
        struct nvme_sqe sqe = bed_sqe(NVME_IO_FLUSH, 1, 0, 0, 0);
        bed_connect_default(&c, &d, bed, 1, bed->cntlid);
        c.sqsize = le16_from(4);
        if (i == 0)
            assert_int_equal(bed_connect(bed, 1, &c, &d), 0);
        else
            assert_int_equal(bed_do(bed, 1, &sqe, NULL), 0);
        assert_int_equal(le16_get(bed->q[1].cqe.sqhd), (i + 1) % 5);
        assert_int_equal(le16_get(bed->q[1].cqe.sqid), 1);
    }
    bed_connect_default(&c, &d, bed, 2, bed->cntlid);
    c.cattr = NVME_CATTR_NO_SQ_FLOW_CONTROL;
    assert_int_equal(bed_connect(bed, 2, &c, &d), 0);
    assert_int_equal(le16_get(bed->q[2].cqe.sqhd), 0xffff);
    bed_free(bed);
}

static void test_nvme_disconnect_command(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_fabrics_disconnect d = {.opc = NVME_OPC_FABRICS, .fctype = NVME_FCTYPE_DISCONNECT};
    struct nvme_sqe sqe, read = bed_rw(NVME_IO_READ, 1, 0, 1), write = bed_rw(NVME_IO_WRITE, 1, 0, 1);
    struct nvme_fabrics_connect c;
    struct nvme_connect_data data;
    struct err e = {0};
    uint16_t status, late = BED_PENDING;
    bed_up(bed, 1);
    memcpy(&sqe, &d, sizeof sqe);
    assert_int_equal(bed_do(bed, 0, &sqe, NULL), NVME_SC_INVALID_QUEUE_TYPE);
    read.cid = le16_from(5);
    bed_send(bed, 1, &read, NULL, &status);
    struct bed_cmd *waiting = &bed->q[1].slot[9]; /* its data comes later */
    waiting->used = true;
    waiting->q = &bed->q[1];
    waiting->cmd.sqe = write;
    waiting->status = &late;
    nvme_cmd_start(&bed->q[1].queue, &waiting->cmd);
    assert_int_equal(bed_do(bed, 1, &sqe, NULL), 0);
    assert_int_equal(status, NVME_SC_SQ_DELETED);

    bed_connect_default(&c, &data, bed, 1, bed->cntlid); /* the identifier is free while the connection stands */
    assert_int_equal(bed_connect(bed, 2, &c, &data), 0);
    assert_int_equal(bed_do(bed, 2, &read, NULL), 0);
    assert_int_equal(bed_do(bed, 1, &read, NULL), NVME_SC_SEQUENCE_ERROR);
    assert_int_equal(bed_do(bed, 1, &sqe, NULL), NVME_SC_SEQUENCE_ERROR);
    assert_int_equal(bed_connect(bed, 1, &c, &data), NVME_SC_SEQUENCE_ERROR);
    nvme_cmd_execute(&waiting->cmd);
    assert_int_equal(late, NVME_SC_SQ_DELETED);
    assert_int_equal(nvme_check(bed->target, &e), 0);

    bed_gone(bed, 0); /* the connection still goes with its controller */
    assert_true(bed->q[1].told && bed->q[2].told);
    bed_free(bed);
}

static void test_nvme_queue_gone_with_commands_everywhere(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_sqe read = bed_rw(NVME_IO_READ, 1, 0, 8), write = bed_rw(NVME_IO_WRITE, 1, 0, 8);
    struct nvme_sqe aer = bed_sqe(NVME_ADMIN_ASYNC_EVENT_REQUEST, 0, 0, 0, 0);
    uint16_t status[4];
    bed_up(bed, 2);
    aer.cid = le16_from(9);
    bed_send(bed, 0, &aer, NULL, &status[0]);
    for (uint16_t i = 0; i < 10; i++) {
        read.cid = write.cid = le16_from(i);
        bed_send(bed, 1, i & 1 ? &read : &write, NULL, &status[1]); /* in the drive */
    }
    struct bed_cmd *c = &bed->q[2].slot[7]; /* started, its data never comes */
    c->used = true;
    c->q = &bed->q[2];
    c->cmd.sqe = write;
    nvme_cmd_start(&bed->q[2].queue, &c->cmd);
    assert_int_equal(c->cmd.xfer_bytes, 8 * 4096);
    bed->q[2].hold = true; /* completed, never released */
    assert_int_equal(bed_do(bed, 2, &read, NULL), 0);

    bed_gone(bed, 0); /* takes the controller with it */
    assert_true(bed->q[1].told && bed->q[2].told);
    assert_int_equal(bed->q[0].queue.outstanding, 0);
    bed_gone(bed, 2);
    assert_int_equal(bed->q[2].queue.outstanding, 0);
    uint64_t before = bed->q[1].completions;
    bed_gone(bed, 1);
    bed_settle(bed);
    assert_int_equal(bed->q[1].completions, before); /* recycled, not completed */
    assert_int_equal(bed->q[1].queue.outstanding, 0);
    bed_free(bed);
}

static void discovery_up(struct bed *bed) {
    struct nvme_fabrics_connect c;
    struct nvme_connect_data d;
    bed_connect_default(&c, &d, bed, 0, NVME_CNTLID_ANY);
    strcpy(d.subnqn, NVME_DISCOVERY_NQN);
    assert_int_equal(bed_connect(bed, 0, &c, &d), 0);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0x460001), 0);
}

static void test_nvme_discovery_log(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_id_ctrl id;
    struct {
        struct nvme_discovery_log log;
        struct nvme_discovery_entry entry[3];
    } page;
    assert_int_equal(nvme_target_add_port(bed->target, NVME_TRTYPE_TCP, NVME_ADRFAM_IPV4, "127.0.0.1", "4420"), 0);
    assert_int_equal(nvme_target_add_port(bed->target, NVME_TRTYPE_TCP, NVME_ADRFAM_IPV6, "::1", "4421"), 0);
    discovery_up(bed);
    assert_int_equal(bed_identify(bed, NVME_CNS_CTRL, 0, 0), 0);
    memcpy(&id, bed_out(bed, 0), sizeof id);
    assert_int_equal(id.cntrltype, NVME_CNTRLTYPE_DISCOVERY);
    assert_string_equal(id.subnqn, NVME_DISCOVERY_NQN);
    assert_int_equal(bed_log(bed, NVME_LID_DISCOVERY, sizeof page, 0, false), 0);
    memcpy(&page, bed_out(bed, 0), sizeof page);
    assert_int_equal(le64_get(page.log.numrec), 2);
    assert_int_equal(le16_get(page.log.recfmt), 0);
    assert_true(le64_get(page.log.genctr) > 0);
    assert_int_equal(page.entry[0].trtype, NVME_TRTYPE_TCP);
    assert_int_equal(page.entry[0].adrfam, NVME_ADRFAM_IPV4);
    assert_int_equal(page.entry[0].subtype, NVME_SUBTYPE_NVM);
    assert_int_equal(le16_get(page.entry[0].cntlid), 0xffff);
    assert_memory_equal(page.entry[0].traddr, "127.0.0.1       ", 16);
    assert_memory_equal(page.entry[0].trsvcid, "4420            ", 16);
    assert_string_equal(page.entry[0].subnqn, nvme_subsystem_nqn(bed->subsystem));
    assert_int_equal(page.entry[1].adrfam, NVME_ADRFAM_IPV6);
    assert_int_equal(le16_get(page.entry[1].portid), 1);
    assert_int_equal(page.entry[2].trtype, 0); /* behind the end */

    assert_int_equal(bed_log(bed, NVME_LID_DISCOVERY, 1024, 1024, false), 0); /* entry by entry */
    assert_memory_equal(bed_out(bed, 0), &page.entry[0], 1024);
    assert_int_equal(bed_log(bed, NVME_LID_SMART, 512, 0, false), NVME_SC_INVALID_LOG_PAGE);
    struct nvme_sqe abort = bed_sqe(NVME_ADMIN_ABORT, 0, 0, 0, 0);
    assert_int_equal(bed_do(bed, 0, &abort, NULL), NVME_SC_INVALID_OPCODE);
    uint32_t caps;
    assert_int_equal(bed_set_feature(bed, NVME_FID_ASYNC_EVENT_CONFIG, NVME_AEC_DISCOVERY, true),
                     NVME_SC_FEATURE_NOT_SAVEABLE); /* nowhere to save it */
    assert_int_equal(bed_get_feature(bed, NVME_FID_ASYNC_EVENT_CONFIG, NVME_SEL_SUPPORTED, &caps), 0);
    assert_int_equal(caps & NVME_FEATURE_SAVEABLE, 0);
    bed_free(bed);
}

static void test_nvme_discovery_tells_where_the_host_came_by(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    const struct nvme_discovery_log *log;
    nvme_target_add_port(bed->target, NVME_TRTYPE_TCP, NVME_ADRFAM_IPV6, "::", "4420");
    nvme_target_add_port(bed->target, NVME_TRTYPE_TCP, NVME_ADRFAM_IPV4, "127.0.0.1", "4421");
    discovery_up(bed);
    strcpy(bed->q[0].queue.local, "10.1.2.3");
    bed->q[0].queue.local_adrfam = NVME_ADRFAM_IPV4;
    assert_int_equal(bed_log(bed, NVME_LID_DISCOVERY, 3072, 0, false), 0);
    log = bed_out(bed, 0);
    const struct nvme_discovery_entry *entry = (const struct nvme_discovery_entry *)(log + 1);
    assert_int_equal(entry[0].adrfam, NVME_ADRFAM_IPV4);
    assert_memory_equal(entry[0].traddr, "10.1.2.3    ", 12);
    assert_memory_equal(entry[1].traddr, "127.0.0.1   ", 12);
    bed_free(bed);
}

static void test_nvme_discovery_change_is_an_event(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_sqe aer = bed_sqe(NVME_ADMIN_ASYNC_EVENT_REQUEST, 0, 0, 0, 0);
    uint16_t status;
    discovery_up(bed);
    assert_int_equal(bed_set_feature(bed, NVME_FID_ASYNC_EVENT_CONFIG, NVME_AEC_DISCOVERY, false), 0);
    aer.cid = le16_from(1);
    bed_send(bed, 0, &aer, NULL, &status);
    nvme_target_add_port(bed->target, NVME_TRTYPE_TCP, NVME_ADRFAM_IPV4, "127.0.0.1", "4420");
    assert_int_equal(status, 0);
    assert_int_equal(bed_result(bed, 0),
                     NVME_LID_DISCOVERY << 16 | NVME_ASYNC_NOTICE_DISCOVERY << 8 | NVME_ASYNC_NOTICE);
    bed_free(bed);
}

static void test_nvme_discovery_hides_what_a_host_may_not_use(void **state) {
    static const char *const options[] = {"nvme.allow_hosts=nqn.2024-01.example:friend", NULL};
    struct bed *bed = bed_new(NULL, options);
    nvme_target_add_port(bed->target, NVME_TRTYPE_TCP, NVME_ADRFAM_IPV4, "127.0.0.1", "4420");
    discovery_up(bed);
    assert_int_equal(bed_log(bed, NVME_LID_DISCOVERY, 1024, 0, false), 0);
    assert_int_equal(le64_get(((struct nvme_discovery_log *)bed_out(bed, 0))->numrec), 0);
    bed_free(bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nvme_connect_admin_refusals),
        cmocka_unit_test(test_nvme_connect_io_refusals),
        cmocka_unit_test(test_nvme_connect_admin_queue_has_a_size_of_its_own),
        cmocka_unit_test(test_nvme_connect_without_a_name_is_no_friend),
        cmocka_unit_test(test_nvme_connect_makes_a_controller_each),
        cmocka_unit_test(test_nvme_nothing_before_connect_or_enable),
        cmocka_unit_test(test_nvme_properties),
        cmocka_unit_test(test_nvme_impossible_cc_is_fatal),
        cmocka_unit_test(test_nvme_shutdown_flushes_and_says_so),
        cmocka_unit_test(test_nvme_shutdown_reset_shutdown),
        cmocka_unit_test(test_nvme_reset_ends_io_queues_and_events),
        cmocka_unit_test(test_nvme_never_enabled_controller_goes),
        cmocka_unit_test(test_nvme_keep_alive_expires),
        cmocka_unit_test(test_nvme_keep_alive_is_restarted_by_traffic),
        cmocka_unit_test(test_nvme_keep_alive_timeout_can_be_changed),
        cmocka_unit_test(test_nvme_sqhd_and_flow_control),
        cmocka_unit_test(test_nvme_disconnect_command),
        cmocka_unit_test(test_nvme_queue_gone_with_commands_everywhere),
        cmocka_unit_test(test_nvme_discovery_log),
        cmocka_unit_test(test_nvme_discovery_tells_where_the_host_came_by),
        cmocka_unit_test(test_nvme_discovery_change_is_an_event),
        cmocka_unit_test(test_nvme_discovery_hides_what_a_host_may_not_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
