/* Reasons of failures, the ring of commands, the watchdog. */
#include <jansson.h>

#include "nvme/history.h"
#include "nvme/nvme_int.h"
#include "nvme_bed.h"

/* ---- Reasons ---- */

static void test_nvme_a_bare_failure_is_found(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_sqe event = bed_sqe(NVME_ADMIN_ASYNC_EVENT_REQUEST, 0, 0, 0, 0);
    struct err e = {0};
    uint16_t status;
    bed_up(bed, 0);
    struct bed_cmd *c = bed_send(bed, 0, &event, NULL, &status);
    assert_int_equal(nvme_check(bed->target, &e), 0);
    nvme_events_forget(nvme_cmd_ctrl(&c->cmd), &c->cmd);
    nvme_cmd_finish(&c->cmd, (struct nvme_status){NVME_SC_INTERNAL_ERROR});
    assert_int_equal(status, NVME_SC_INTERNAL_ERROR);
    assert_true(nvme_check(bed->target, &e) < 0);
    assert_non_null(strstr(e.text, "without a reason"));
    bed->target->bare = 0;
    bed_free(bed);
}

static const struct nvme_error_log_entry *newest_error(struct bed *bed) {
    assert_int_equal(bed_log(bed, NVME_LID_ERROR, 64, 0, true), 0);
    return bed_out(bed, 0);
}

/* Each refusal: More, an entry with queue, identifier, namespace, block and place, and words. */
static void test_nvme_failures_say_where_and_why(void **state) {
    static const struct {
        unsigned q;
        uint8_t opcode;
        uint32_t nsid, cdw10, cdw11, cdw12;
        uint16_t status, location;
        uint64_t lba;
        const char *words;
    } cases[] = {
        {1, NVME_IO_READ, 1, 16384, 0, 0, NVME_SC_LBA_OUT_OF_RANGE, 40, 16384, "namespace 1 has 16384"},
        {1, NVME_IO_READ, 1, 3, 0, 0xffff, NVME_SC_INVALID_FIELD, 48, 3, "exceed MDTS"},
        {1, NVME_IO_WRITE, 2, 0, 0, 0, NVME_SC_INVALID_NS, 4, 0, "valid are 1 to 1"},
        {1, NVME_IO_WRITE_ZEROES, 1, 9, 0, 0xffff, NVME_SC_INVALID_FIELD, 48, 9, "WZSL"},
        {1, NVME_IO_COPY, 1, 0, 0, 1 << 8, NVME_SC_INVALID_FIELD, 49, 0, "descriptor format 1"},
        {1, 0x99, 1, 0, 0, 0, NVME_SC_INVALID_OPCODE, 0, 0, "99h is not supported"},
        {0, NVME_ADMIN_IDENTIFY, 7, 0, 0, 0, NVME_SC_INVALID_NS, 4, 0, ""},
        {0, NVME_ADMIN_GET_LOG_PAGE, 0, 0x77, 0, 0, NVME_SC_INVALID_LOG_PAGE, 40, 0, "77h"},
        {0, NVME_ADMIN_SANITIZE, 0, 0, 0, 0, NVME_SC_INVALID_OPCODE, 0, 0, "84h is not supported"},
        {0, NVME_ADMIN_FORMAT_NVM, 1, 5, 0, 0, NVME_SC_INVALID_FORMAT, 40, 0, "LBA format 5"},
        {0, NVME_ADMIN_ABORT, 0, 9, 0, 0, NVME_SC_INVALID_FIELD, 40, 0, "queue 9"},
    };
    struct bed *bed = bed_new(NULL, NULL);
    bed_up(bed, 1);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nvme_sqe sqe = bed_sqe(cases[i].opcode, cases[i].nsid, cases[i].cdw10, cases[i].cdw11, cases[i].cdw12);
        uint64_t before = nvme_failures(bed->target);
        assert_int_equal(bed_do(bed, cases[i].q, &sqe, NULL), cases[i].status);
        uint16_t field = le16_get(bed->q[cases[i].q].cqe.status), cid = le16_get(bed->q[cases[i].q].cqe.cid);
        assert_int_equal(field >> 1 & NVME_MORE, NVME_MORE);
        const struct nvme_failure *failure = nvme_failure(bed->target, before + 1);
        assert_non_null(failure);
        assert_int_equal(failure->status, field >> 1);
        assert_int_equal(failure->opcode, cases[i].opcode);
        if (!strstr(failure->reason, cases[i].words) || strlen(failure->reason) < 5)
            fail_msg("case %u: %s", i, failure->reason);
        const struct nvme_error_log_entry *entry = newest_error(bed);
        assert_int_equal(le16_get(entry->sqid), cases[i].q);
        assert_int_equal(le16_get(entry->cmdid), cid);
        assert_int_equal(le16_get(entry->status_field), field);
        assert_int_equal(le32_get(entry->nsid), cases[i].nsid);
        assert_int_equal(le64_get(entry->lba), cases[i].lba);
        assert_int_equal(entry->opc, cases[i].opcode);
        if (le16_get(entry->parm_error_location) != cases[i].location)
            fail_msg("case %u: location 0x%x", i, le16_get(entry->parm_error_location));
    }
    bed_free(bed);
}

/* ---- History ---- */

static json_t *history(struct bed *bed, unsigned max) {
    json_t *all = nvme_history_json(bed->subsystem, max);
    assert_non_null(all);
    return all;
}

static json_int_t number(const json_t *object, const char *key) {
    json_t *value = json_object_get(object, key);
    return value ? json_integer_value(value) : -1;
}

static void test_nvme_history_keeps_the_last(void **state) {
    static const char *const options[] = {"nvme.history=8", NULL};
    struct bed *bed = bed_new(NULL, options);
    bed_up(bed, 1);
    for (unsigned i = 0; i < 20; i++) {
        struct nvme_sqe read = bed_rw(NVME_IO_READ, 1, i, 2);
        assert_int_equal(bed_do(bed, 1, &read, NULL), 0);
    }
    json_t *all = history(bed, 0), *commands = json_object_get(all, "commands");
    assert_int_equal(number(all, "size"), 8);
    assert_true(number(all, "recorded") >= 20);
    assert_int_equal(json_array_size(commands), 8);
    for (unsigned i = 0; i < 8; i++) {
        json_t *c = json_array_get(commands, i);
        assert_string_equal(json_string_value(json_object_get(c, "command")), "Read");
        assert_int_equal(number(c, "slba"), 12 + i);
        assert_int_equal(number(c, "nlb"), 2);
        assert_int_equal(number(c, "nsid"), 1);
        assert_int_equal(number(c, "qid"), 1);
        assert_int_equal(number(c, "submitted"), 0);
        assert_int_equal(number(c, "returned"), 10000);
        assert_int_equal(number(c, "sent"), 10000);
        assert_int_equal(number(c, "status"), 0);
        assert_null(json_object_get(c, "reason"));
    }
    json_decref(all);
    all = history(bed, 3);
    assert_int_equal(json_array_size(json_object_get(all, "commands")), 3);
    assert_int_equal(number(json_array_get(json_object_get(all, "commands"), 2), "slba"), 19);
    json_decref(all);
    bed_free(bed);
}

static void test_nvme_history_has_reasons_and_fabrics(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_sqe beyond = bed_rw(NVME_IO_READ, 1, 1 << 20, 1);
    bed_up(bed, 1);
    json_t *all = history(bed, 0), *first = json_array_get(json_object_get(all, "commands"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "command")), "Connect");
    assert_null(json_object_get(first, "nsid"));
    json_decref(all);
    assert_int_equal(bed_do(bed, 1, &beyond, NULL), NVME_SC_LBA_OUT_OF_RANGE);
    all = history(bed, 1);
    json_t *last = json_array_get(json_object_get(all, "commands"), 0);
    assert_int_equal(number(last, "status") & 0x7ff, NVME_SC_LBA_OUT_OF_RANGE);
    assert_non_null(strstr(json_string_value(json_object_get(last, "reason")), "namespace 1 has"));
    assert_int_equal(number(last, "submitted"), -1);
    json_decref(all);
    bed_free(bed);
}

static void test_nvme_history_off(void **state) {
    static const char *const options[] = {"nvme.history=0", NULL};
    struct bed *bed = bed_new(NULL, options);
    struct nvme_sqe read = bed_rw(NVME_IO_READ, 1, 0, 1);
    bed_up(bed, 1);
    assert_int_equal(bed_do(bed, 1, &read, NULL), 0);
    json_t *all = history(bed, 0);
    assert_int_equal(json_array_size(json_object_get(all, "commands")), 0);
    json_decref(all);
    bed_free(bed);
}

static const char *stage_in_flight(const json_t *all, unsigned i) {
    return json_string_value(json_object_get(json_array_get(json_object_get(all, "in_flight"), i), "stage"));
}

static void test_nvme_history_of_what_is_in_flight(void **state) {
    static const char *const options[] = {"nossd.read_latency=1ms", NULL};
    struct bed *bed = bed_new(NULL, options);
    struct nvme_sqe read = bed_rw(NVME_IO_READ, 1, 5, 1), event = bed_sqe(NVME_ADMIN_ASYNC_EVENT_REQUEST, 0, 0, 0, 0);
    uint16_t status, waiting;
    bed_up(bed, 1);
    bed_send(bed, 0, &event, NULL, &waiting);
    bed_send(bed, 1, &read, NULL, &status);
    sim_run(bed->sim, sim_now(bed->sim) + 400000);
    json_t *all = history(bed, 0);
    assert_int_equal(json_array_size(json_object_get(all, "in_flight")), 2);
    assert_string_equal(stage_in_flight(all, 0), "in the drive");
    assert_string_equal(stage_in_flight(all, 1), "waits for an event");
    assert_int_equal(number(json_array_get(json_object_get(all, "in_flight"), 0), "age"), 400000);
    assert_int_equal(number(json_array_get(json_object_get(all, "in_flight"), 0), "returned"), -1);
    json_decref(all);
    all = history(bed, 1);
    assert_int_equal(json_array_size(json_object_get(all, "in_flight")), 1);
    assert_int_equal(number(all, "in_flight_total"), 2);
    assert_string_equal(stage_in_flight(all, 0), "in the drive");
    json_decref(all);
    bed->q[1].hold = true;
    bed_settle(bed);
    all = history(bed, 0);
    assert_string_equal(stage_in_flight(all, 0), "response not sent");
    json_decref(all);
    bed->q[1].hold = false;
    bed_gone(bed, 1);
    all = history(bed, 1);
    json_t *last = json_array_get(json_object_get(all, "commands"), 0);
    assert_int_equal(number(last, "returned"), 1000000);
    assert_int_equal(number(last, "sent"), -1); /* its connection went first */
    json_decref(all);
    bed_free(bed);
}

/* A write whose data comes late, as the transport collects it. */
static void test_nvme_history_has_when_data_came(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct bed_queue *q = &bed->q[1];
    struct bed_cmd *c = &q->slot[0];
    static uint8_t data[4096];
    struct iovec vec = {data, sizeof data};
    bed_up(bed, 1);
    c->used = true;
    c->q = q;
    c->completions = 0;
    c->cmd.sqe = bed_rw(NVME_IO_WRITE, 1, 5, 1);
    nvme_cmd_start(&q->queue, &c->cmd);
    assert_int_equal(c->cmd.xfer, NVME_XFER_TO_CTRL);
    sim_run(bed->sim, sim_now(bed->sim) + 300000);
    json_t *all = history(bed, 1), *flight = json_array_get(json_object_get(all, "in_flight"), 0);
    assert_string_equal(stage_in_flight(all, 0), "waits for its data");
    assert_int_equal(number(flight, "received"), -1);
    json_decref(all);
    c->cmd.in = &vec;
    c->cmd.in_count = 1;
    nvme_cmd_execute(&c->cmd);
    bed_settle(bed);
    struct nvme_sqe read = bed_rw(NVME_IO_READ, 1, 5, 1);
    assert_int_equal(bed_do(bed, 1, &read, NULL), 0);
    all = history(bed, 2);
    const json_t *write = json_array_get(json_object_get(all, "commands"), 0);
    assert_int_equal(number(write, "received"), 300000);
    assert_int_equal(number(write, "submitted"), 300000);
    assert_int_equal(number(write, "returned"), 320000);
    assert_int_equal(number(json_array_get(json_object_get(all, "commands"), 1), "received"), -1);
    json_decref(all);
    bed_free(bed);
}

static void test_nvme_history_dumps_now_and_then(void **state) {
    struct bed *bed = bed_new(NULL, NULL);
    struct nvme_sqe read = bed_rw(NVME_IO_READ, 1, 5, 1);
    bed_up(bed, 1);
    assert_int_equal(bed_do(bed, 1, &read, NULL), 0);
    nvme_queue_fault(&bed->q[1].queue, "a test");
    int64_t first = bed->subsystem->dumped_ns;
    assert_int_equal(first, sim_now(bed->sim));
    sim_run(bed->sim, sim_now(bed->sim) + 1000);
    nvme_queue_fault(&bed->q[1].queue, "a test"); /* too soon */
    assert_int_equal(bed->subsystem->dumped_ns, first);
    sim_run(bed->sim, sim_now(bed->sim) + 20000000000ll);
    bed_property_set(bed, 0, NVME_PROP_CC, 0);
    bed_property_set(bed, 0, NVME_PROP_CC, 0x460081); /* MPS 1: fatal */
    assert_true(bed->subsystem->dumped_ns > first);
    bed_free(bed);
}

/* ---- Watchdog ---- */

static void test_nvme_watchdog_names_what_is_late(void **state) {
    static const char *const options[] = {"nossd.read_latency=10s", "nvme.watchdog=1s", NULL};
    struct bed *bed = bed_new(NULL, options);
    struct nvme_sqe read = bed_rw(NVME_IO_READ, 1, 5, 1), event = bed_sqe(NVME_ADMIN_ASYNC_EVENT_REQUEST, 0, 0, 0, 0);
    uint16_t status, waiting;
    bed_up(bed, 1);
    bed_send(bed, 0, &event, NULL, &waiting);
    sim_run(bed->sim, sim_now(bed->sim) + 5000000000ll);
    assert_int_equal(bed->subsystem->overdue, 0); /* an event may be long in coming */
    assert_false(sim_event_pending(&bed->subsystem->watchdog));
    bed_send(bed, 1, &read, NULL, &status);
    sim_run(bed->sim, sim_now(bed->sim) + 990000000);
    assert_int_equal(bed->subsystem->overdue, 0);
    sim_run(bed->sim, sim_now(bed->sim) + 260000000);
    assert_int_equal(bed->subsystem->overdue, 1);
    assert_true(bed->subsystem->dumped_ns > 0);
    sim_run(bed->sim, sim_now(bed->sim) + 3000000000ll);
    assert_int_equal(bed->subsystem->overdue, 1); /* once */
    assert_int_equal(status, BED_PENDING);
    bed_settle(bed);
    assert_int_equal(status, 0);
    assert_false(sim_event_pending(&bed->subsystem->watchdog)); /* nothing to watch */
    bed_free(bed);
}

static void test_nvme_watchdog_sees_data_that_does_not_come(void **state) {
    static const char *const options[] = {"nvme.watchdog=1s", NULL};
    struct bed *bed = bed_new(NULL, options);
    struct nvme_sqe write = bed_rw(NVME_IO_WRITE, 1, 5, 1);
    struct bed_cmd *c = &bed->q[1].slot[0];
    bed_up(bed, 1);
    c->used = true;
    c->q = &bed->q[1];
    c->completions = 0;
    c->cmd.sqe = write;
    nvme_cmd_start(&bed->q[1].queue, &c->cmd);
    sim_run(bed->sim, sim_now(bed->sim) + 2000000000ll);
    assert_int_equal(bed->subsystem->overdue, 1);
    assert_int_equal(nvme_stage_of(&c->cmd), NVME_STAGE_DATA);
    nvme_cmd_reject(&c->cmd, NVME_SC_DATA_TRANSFER_ERROR, "it never came");
    bed_free(bed);
}

static void test_nvme_watchdog_off_and_live(void **state) {
    static const char *const options[] = {"nossd.read_latency=10s", "nvme.watchdog=0", NULL};
    struct bed *bed = bed_new(NULL, options);
    struct nvme_sqe read = bed_rw(NVME_IO_READ, 1, 5, 1);
    struct nvme_config config = bed->config;
    uint16_t status;
    bed_up(bed, 1);
    bed_send(bed, 1, &read, NULL, &status);
    sim_run(bed->sim, sim_now(bed->sim) + 3000000000ll);
    assert_int_equal(bed->subsystem->overdue, 0);
    config.watchdog = 1000000000;
    nvme_subsystem_reconfigure(bed->subsystem, &config);
    sim_run(bed->sim, sim_now(bed->sim) + 300000000);
    assert_int_equal(bed->subsystem->overdue, 1);
    bed_settle(bed);
    bed_free(bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nvme_a_bare_failure_is_found),
        cmocka_unit_test(test_nvme_failures_say_where_and_why),
        cmocka_unit_test(test_nvme_history_keeps_the_last),
        cmocka_unit_test(test_nvme_history_has_reasons_and_fabrics),
        cmocka_unit_test(test_nvme_history_off),
        cmocka_unit_test(test_nvme_history_of_what_is_in_flight),
        cmocka_unit_test(test_nvme_history_has_when_data_came),
        cmocka_unit_test(test_nvme_history_dumps_now_and_then),
        cmocka_unit_test(test_nvme_watchdog_names_what_is_late),
        cmocka_unit_test(test_nvme_watchdog_sees_data_that_does_not_come),
        cmocka_unit_test(test_nvme_watchdog_off_and_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
