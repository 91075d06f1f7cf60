/* What the control socket's methods show and do, each against the drive and controller it acts on. */
#include "ctl_bed.h"

static const char *const flash[] = {"drive.kind=ssd",         "drive.capacity=32MiB",
                                    "nand.channels=2",        "nand.luns=2",
                                    "nand.planes=1",          "nand.blocks=32",
                                    "nand.pages=48",          "ssd.write_buffer=1MiB",
                                    "ssd.volatile_cache=yes", NULL};
static const char *const zones[] = {"drive.kind=zns",
                                    "drive.capacity=256MiB",
                                    "zns.zone_size=65536",
                                    "zns.zone_capacity=65536",
                                    "nand.channels=2",
                                    "nand.luns=2",
                                    "nand.planes=1",
                                    "nand.blocks=1088",
                                    "nand.pages=4",
                                    "zns.dies_per_zone=1",
                                    "zns.max_active=0",
                                    "zns.max_open=0",
                                    NULL};

static json_int_t number(const json_t *object, const char *key) {
    const json_t *n = json_object_get(object, key);
    if (!json_is_integer(n))
        fail_msg("%s is no number", key);
    return json_integer_value(n);
}

static const char *text(const json_t *object, const char *key) {
    const char *t = json_string_value(json_object_get(object, key));
    if (!t)
        fail_msg("%s is no text", key);
    return t;
}

static void transfer(struct ctl_bed *b, uint8_t opc, uint64_t slba, uint16_t want) {
    struct nvme_sqe sqe = bed_rw(opc, 1, slba, 1);
    assert_int_equal(bed_do(b->bed, 1, &sqe, NULL), want);
}

/* ---- All of them ---- */

/* Without parameters every method answers, or says which parameter it wants, on every kind of drive. */
static void test_ctl_methods_all_answer(void **state) {
    const char *const *const kinds[] = {NULL, flash, zones};
    for (unsigned kind = 0; kind < 3; kind++) {
        struct ctl_bed *b = ctl_bed_new(kinds[kind]);
        bed_up(b->bed, 1);
        for (const struct ctl_family *f = ctl_families; f->title; f++)
            for (const struct ctl_method *m = f->methods; m->name; m++) {
                json_t *reply = ctl_bed_call(b, m->name, NULL), *error = json_object_get(reply, "error");
                json_int_t code = json_integer_value(json_object_get(error, "code"));
                bool wants = m->params[0].name && m->params[0].required;
                if (wants != (code == CTL_INVALID_PARAMS) || (error && !wants && code != CTL_UNSUPPORTED))
                    fail_msg("%s: %d", m->name, (int)code);
                assert_true(m->help[0] && m->result[0] && m->run);
                json_decref(reply);
            }
        json_decref(ctl_bed_result(b, "drive.resume", NULL));
        ctl_bed_free(b);
    }
}

static void test_ctl_help_knows_all_methods(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    json_t *all = ctl_bed_result(b, "help", NULL), *one = ctl_bed_result(b, "help", "{\"method\":\"fault.media\"}");
    unsigned count = 0;
    for (size_t i = 0; i < json_array_size(json_object_get(all, "families")); i++)
        count += json_array_size(json_object_get(json_array_get(json_object_get(all, "families"), i), "methods"));
    json_t *names = ctl_method_names();
    assert_int_equal(count, json_array_size(names));
    assert_int_equal(json_array_size(json_object_get(one, "params")), 5);
    ctl_bed_refused(b, "help", "{\"method\":\"fault.meda\"}", CTL_INVALID_PARAMS, "fault.media");
    json_decref(all);
    json_decref(one);
    json_decref(names);
    ctl_bed_free(b);
}

/* docs/control.md is what the tables say: "drivelab help --control" makes it. */
static void test_ctl_methods_document_themselves(void **state) {
    const char *root = getenv("DRIVELAB_SOURCE");
    char path[4096], *page = calloc(1, 1 << 16), *made = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&made, &size);
    ctl_methods_doc(out);
    fclose(out);
    if (root) {
        snprintf(path, sizeof path, "%s/docs/control.md", root);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        size_t got = fread(page, 1, (1 << 16) - 1, f);
        fclose(f);
        assert_int_equal(got, size);
        assert_memory_equal(page, made, size);
    }
    free(made);
    free(page);
}

/* ---- Looking ---- */

static void test_ctl_shows_the_drive(void **state) {
    struct ctl_bed *b = ctl_bed_new(flash);
    json_t *info = ctl_bed_result(b, "drive.info", NULL), *limits = ctl_bed_result(b, "drive.limits", NULL),
           *health = ctl_bed_result(b, "drive.health", NULL), *spaces = ctl_bed_result(b, "namespace.list", NULL);
    assert_int_equal(number(info, "capacity"), 32 << 20);
    assert_string_equal(text(info, "kind"), "ssd");
    assert_string_equal(text(info, "store"), "memory");
    assert_int_equal(number(json_object_get(info, "flash"), "dies"), 4);
    assert_true(json_is_false(json_object_get(info, "zoned")));
    assert_true(json_is_true(json_object_get(limits, "volatile_cache")));
    assert_int_equal(number(health, "spare_percent"), 100);
    const json_t *ns = json_array_get(json_object_get(spaces, "namespaces"), 0);
    assert_int_equal(number(ns, "blocks"), (32 << 20) / 4096);
    json_decref(info);
    json_decref(limits);
    json_decref(health);
    json_decref(spaces);
    bed_up(b->bed, 2);
    json_t *ctrls = ctl_bed_result(b, "controller.list", NULL),
           *one = json_array_get(json_object_get(ctrls, "controllers"), 0);
    assert_int_equal(number(one, "cntlid"), b->bed->cntlid);
    assert_int_equal(json_array_size(json_object_get(one, "queues")), 3);
    assert_null(json_object_get(one, "last_errors"));
    json_decref(ctrls);
    ctl_bed_free(b);
}

static void test_ctl_shows_errors_in_words(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    bed_up(b->bed, 1);
    transfer(b, NVME_IO_READ, 1 << 20, NVME_SC_LBA_OUT_OF_RANGE);
    bed_gone(b->bed, 1);
    bed_gone(b->bed, 0);
    json_t *r = ctl_bed_result(b, "errors.list", NULL), *e = json_array_get(json_object_get(r, "errors"), 0);
    assert_int_equal(number(r, "total"), 1);
    assert_string_equal(text(e, "status"), "0x80");
    assert_string_equal(text(e, "name"), "LBA Out of Range");
    assert_string_equal(text(e, "command"), "Read");
    assert_string_equal(text(e, "host"), BED_HOST);
    assert_non_null(strstr(text(e, "reason"), "1048576"));
    assert_true(json_is_false(json_object_get(e, "retry")));
    json_decref(r);
    r = ctl_bed_result(b, "errors.list", "{\"after\":1}");
    assert_int_equal(json_array_size(json_object_get(r, "errors")), 0);
    json_decref(r);
    ctl_bed_free(b);
}

static void test_ctl_shows_statistics(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    bed_up(b->bed, 1);
    json_decref(ctl_bed_result(b, "stats.restart", NULL));
    transfer(b, NVME_IO_READ, 0, 0);
    json_t *r = ctl_bed_result(b, "stats.get", NULL), *reads;
    assert_non_null(json_object_get(json_object_get(r, "nvme"), "io"));
    assert_int_equal(json_array_size(json_object_get(r, "transports")), 1);
    reads = json_object_get(json_object_get(json_object_get(r, "drive"), "latency_ns"), "read");
    assert_int_equal(number(reads, "count"), 1);
    assert_int_equal(number(reads, "max"), 10000);
    json_decref(r);
    r = ctl_bed_result(b, "stats.get", "{\"section\":\"control\"}");
    assert_null(json_object_get(r, "drive"));
    json_decref(r);
    ctl_bed_free(b);
}

static void test_ctl_shows_history(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    bed_up(b->bed, 1);
    for (unsigned i = 0; i < 5; i++)
        transfer(b, i % 2 ? NVME_IO_WRITE : NVME_IO_READ, i, 0);
    json_t *r = ctl_bed_result(b, "history.get", "{\"count\":3}"), *list = json_object_get(r, "commands");
    assert_int_equal(json_array_size(list), 3);
    assert_string_equal(text(json_array_get(list, 2), "command"), "Read");
    assert_string_equal(text(json_array_get(list, 1), "command"), "Write");
    json_decref(r);
    struct nvme_sqe sqe = bed_rw(NVME_IO_READ, 1, 0, 1);
    for (uint16_t cid = 0; cid < 20; cid++) { /* on their way */
        sqe.cid = le16_from(cid);
        bed_send(b->bed, 1, &sqe, NULL, NULL);
    }
    r = ctl_bed_result(b, "history.get", "{\"count\":3}");
    assert_int_equal(json_array_size(json_object_get(r, "in_flight")), 3);
    assert_int_equal(number(r, "in_flight_total"), 20);
    json_decref(r);
    ctl_bed_free(b);
}

/* ---- Zones ---- */

/* A controller with all command sets (CSS 6) and one I/O queue. */
static void zoned_up(struct bed *bed) {
    struct nvme_fabrics_connect command;
    struct nvme_connect_data data;
    bed_up(bed, 0);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0), 0);
    assert_int_equal(bed_property_set(bed, 0, NVME_PROP_CC, 0x460061), 0);
    bed_connect_default(&command, &data, bed, 1, bed->cntlid);
    assert_int_equal(bed_connect(bed, 1, &command, &data), 0);
}

static void test_ctl_lists_zones(void **state) {
    struct ctl_bed *b = ctl_bed_new(zones);
    zoned_up(b->bed);
    struct drive_zoned_limits limits;
    b->bed->drive->ops->zoned->limits(b->bed->drive, &limits);
    transfer(b, NVME_IO_WRITE, 32, 0); /* zone 2 */
    json_t *r = ctl_bed_result(b, "zone.list", "{\"count\":3}"), *zone = json_array_get(json_object_get(r, "list"), 2);
    assert_int_equal(number(r, "zones"), limits.zones);
    assert_int_equal(number(r, "zone_blocks"), 16);
    assert_int_equal(number(r, "next"), 3);
    assert_int_equal(json_array_size(json_object_get(r, "list")), 3);
    assert_string_equal(text(zone, "state"), zone_state_name(ZONE_STATE_IMPLICIT_OPEN));
    assert_int_equal(number(zone, "start"), 32);
    assert_int_equal(number(zone, "write_pointer"), 33);
    json_decref(r);
    r = ctl_bed_result(b, "zone.list", "{\"state\":\"implicitly_open\"}");
    assert_int_equal(json_array_size(json_object_get(r, "list")), 1);
    assert_true(json_is_null(json_object_get(r, "next")));
    json_decref(r);
    r = ctl_bed_result(b, "zone.get", "[2]");
    assert_int_equal(number(r, "write_pointer"), 33);
    json_decref(r);
    r = ctl_bed_result(b, "fault.zone", "{\"zone\":2,\"state\":\"offline\"}");
    assert_string_equal(text(r, "state"), zone_state_name(ZONE_STATE_OFFLINE));
    assert_true(json_is_null(json_object_get(r, "write_pointer")));
    json_decref(r);
    transfer(b, NVME_IO_WRITE, 33, IO_ZONE_IS_OFFLINE);
    json_decref(ctl_bed_result(b, "fault.zone", "{\"zone\":0,\"state\":\"read_only\"}"));
    transfer(b, NVME_IO_WRITE, 0, IO_ZONE_IS_READ_ONLY);
    ctl_bed_refused(b, "zone.get", "{\"zone\":1000000}", CTL_INVALID_PARAMS, "no zone 1000000; valid are 0 to");
    ctl_bed_refused(b, "zone.list", "{\"nsid\":2}", CTL_INVALID_PARAMS, "no namespace 2; valid are 1 to 1");
    ctl_bed_refused(b, "fault.zone", "{\"zone\":2,\"state\":\"full\"}", CTL_INVALID_PARAMS, "read_only, offline");
    ctl_bed_free(b);
    b = ctl_bed_new(NULL);
    ctl_bed_refused(b, "zone.list", NULL, CTL_UNSUPPORTED, "has no zones");
    ctl_bed_free(b);
}

static size_t zone_list_size(struct ctl_bed *b, unsigned count) {
    char request[128];
    snprintf(request, sizeof request,
             "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"zone.list\",\"params\":{\"count\":%u}}", count);
    char *out = ctl_bed_talk(b, request, strlen(request));
    size_t size = strlen(out);
    free(out);
    return size;
}

/* Errors go out past the limit; then there is no room for more either. */
static void test_ctl_full_batches_stay_full(void **state) {
    struct ctl_bed *b = ctl_bed_new(zones);
    char *batch = calloc(1, CTL_REQUEST_MAX), *to = batch;
    unsigned count = 1000, n = 0;
    size_t size, left;
    do {
        size = zone_list_size(b, ++count);
        left = CTL_REPLY_MAX - (CTL_REPLY_MAX - 1000) / size * size;
    } while (left > 40000 || left < 1000);
    for (; n < CTL_REPLY_MAX / size; n++)
        to += sprintf(to, "%c{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"zone.list\",\"params\":{\"count\":%u}}",
                      n ? ',' : '[', count);
    to += sprintf(to, ",{\"jsonrpc\":\"2.0\",\"method\":\"drive.resume\",\"id\":\"%0*u\"}", (int)left - 140, 0);
    for (unsigned i = 0; i < 2; i++, n++)
        to += sprintf(to, ",{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"zone.list\",\"params\":{\"count\":4096}}");
    strcpy(to, "]");
    char *out = ctl_bed_talk(b, batch, strlen(batch));
    json_t *replies = json_loads(out, 0, NULL);
    assert_int_equal(json_array_size(replies), n + 1);
    assert_non_null(json_object_get(json_array_get(replies, n - 2), "result")); /* the padding */
    for (unsigned i = n - 1; i <= n; i++)
        assert_int_equal(number(json_object_get(json_array_get(replies, i), "error"), "code"), CTL_TOO_LARGE);
    json_decref(replies);
    free(out);
    free(batch);
    ctl_bed_free(b);
}

static void test_ctl_does_not_answer_with_too_much(void **state) {
    struct ctl_bed *b = ctl_bed_new(zones);
    char batch[8192] = "[";
    for (unsigned i = 0; i < 60; i++)
        sprintf(batch + strlen(batch),
                "%s{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"zone.list\",\"params\":{\"count\":4096}}", i ? "," : "",
                i);
    strcat(batch, "]");
    char *out = ctl_bed_talk(b, batch, strlen(batch));
    json_t *replies = json_loads(out, 0, NULL);
    assert_true(strlen(out) < CTL_REPLY_MAX + 60 * 256);
    assert_non_null(json_object_get(json_array_get(replies, 0), "result"));
    assert_int_equal(number(json_object_get(json_array_get(replies, 59), "error"), "code"), CTL_TOO_LARGE);
    assert_int_equal(number(json_array_get(replies, 59), "id"), 59);
    json_decref(replies);
    free(out);
    ctl_bed_free(b);
}

/* ---- Options ---- */

static int64_t read_ns(struct ctl_bed *b) {
    int64_t from = sim_now(b->bed->sim);
    transfer(b, NVME_IO_READ, 0, 0);
    return sim_now(b->bed->sim) - from;
}

static void test_ctl_sets_live_options(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    bed_up(b->bed, 1);
    assert_in_range(read_ns(b), 10000, 12000);
    json_t *r = ctl_bed_result(b, "options.set", "{\"name\":\"nossd.read_latency\",\"value\":\"3ms\"}");
    assert_string_equal(text(r, "before"), "10us");
    assert_string_equal(text(r, "value"), "3ms");
    json_decref(r);
    assert_in_range(read_ns(b), 3000000, 3002000);
    r = ctl_bed_result(b, "options.get", "[\"nossd.read_latency\"]");
    assert_string_equal(text(r, "value"), "3ms");
    assert_true(json_is_true(json_object_get(r, "live")));
    json_decref(r);
    json_decref(ctl_bed_result(b, "options.set", "[\"nossd.read_latency\",20000]"));
    assert_in_range(read_ns(b), 20000, 22000);
    r = ctl_bed_result(b, "options.list", "{\"section\":\"nossd\",\"live\":\"yes\"}");
    assert_int_equal(json_array_size(json_object_get(r, "options")), 4);
    json_decref(r);
    ctl_bed_free(b);
}

static void test_ctl_refuses_options_that_are_fixed(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    bed_up(b->bed, 1);
    ctl_bed_refused(b, "options.set", "[\"drive.capacity\",\"1GiB\"]", CTL_UNSUPPORTED, "-o drive.capacity=");
    ctl_bed_refused(b, "options.set", "[\"nand.read_time\",\"1ms\"]", CTL_UNSUPPORTED, "kind nossd has no use");
    ctl_bed_refused(b, "options.set", "[\"nossd.read_latncy\",\"1ms\"]", CTL_INVALID_PARAMS, "nossd.read_latency");
    ctl_bed_refused(b, "options.set", "[\"nossd\",\"1ms\"]", CTL_INVALID_PARAMS, "section.key");
    ctl_bed_refused(b, "options.set", "[\"nossd.read_latency\",\"1 year\"]", CTL_INVALID_PARAMS, "1 year");
    ctl_bed_refused(b, "options.list", "[\"nosection\"]", CTL_INVALID_PARAMS, "nosection");
    b->refuse = true;
    ctl_bed_refused(b, "options.set", "[\"nossd.read_latency\",\"1ms\"]", CTL_REFUSED, "the test refuses");
    json_t *r = ctl_bed_result(b, "options.get", "[\"nossd.read_latency\"]");
    assert_string_equal(text(r, "value"), "10us");
    json_decref(r);
    assert_in_range(read_ns(b), 10000, 12000);
    ctl_bed_free(b);
}

/* ---- Faults ---- */

static size_t faults(struct ctl_bed *b) {
    json_t *r = ctl_bed_result(b, "fault.list", NULL);
    size_t n = json_array_size(json_object_get(r, "faults"));
    json_decref(r);
    return n;
}

static void flush(struct ctl_bed *b) {
    struct nvme_sqe sqe = bed_sqe(NVME_IO_FLUSH, 1, 0, 0, 0);
    assert_int_equal(bed_do(b->bed, 1, &sqe, NULL), 0);
}

static void test_ctl_fails_the_flash(void **state) {
    struct ctl_bed *b = ctl_bed_new(flash);
    bed_up(b->bed, 1);
    transfer(b, NVME_IO_WRITE, 0, 0);
    flush(b);
    json_t *r = ctl_bed_result(b, "fault.media", "{\"op\":\"read\",\"count\":2}");
    assert_int_equal(number(r, "fault"), 1);
    json_decref(r);
    transfer(b, NVME_IO_READ, 0, IO_UNRECOVERED_READ);
    assert_int_equal(faults(b), 1);
    transfer(b, NVME_IO_READ, 0, IO_UNRECOVERED_READ);
    assert_int_equal(faults(b), 0);
    transfer(b, NVME_IO_READ, 0, 0);
    r = ctl_bed_result(b, "errors.list", NULL);
    assert_non_null(strstr(text(json_array_get(json_object_get(r, "errors"), 0), "reason"), "uncorrectable page"));
    json_decref(r);
    ctl_bed_refused(b, "fault.media", "{\"op\":\"read\",\"die\":4}", CTL_INVALID_PARAMS, "no die 4; valid are 0 to 3");
    ctl_bed_refused(b, "fault.media", "{\"op\":\"trim\"}", CTL_INVALID_PARAMS, "read, program, erase");
    ctl_bed_free(b);
    b = ctl_bed_new(NULL);
    ctl_bed_refused(b, "fault.media", "{\"op\":\"read\"}", CTL_UNSUPPORTED, "has no flash");
    ctl_bed_refused(b, "fault.delay_die", "{\"die\":0,\"time\":\"1s\"}", CTL_UNSUPPORTED, "has no flash");
    ctl_bed_free(b);
}

static void test_ctl_delays_dies(void **state) {
    struct ctl_bed *b = ctl_bed_new(flash);
    bed_up(b->bed, 1);
    transfer(b, NVME_IO_WRITE, 0, 0);
    flush(b);
    int64_t usual = read_ns(b);
    for (unsigned die = 0; die < 4; die++) {
        char params[64];
        snprintf(params, sizeof params, "{\"die\":%u,\"time\":\"20ms\"}", die);
        json_decref(ctl_bed_result(b, "fault.delay_die", params));
    }
    assert_in_range(read_ns(b), 20000000 - 1000, 20000000 + usual);
    json_decref(ctl_bed_result(b, "fault.delay_die", "[0,\"5s\"]"));
    json_decref(ctl_bed_result(b, "fault.delay_die", "[1,5000000000]"));
    json_t *r = ctl_bed_result(b, "fault.list", NULL);
    assert_int_equal(json_array_size(json_object_get(r, "delayed_dies")), 2);
    json_decref(r);
    r = ctl_bed_result(b, "fault.clear", NULL);
    assert_int_equal(number(r, "cleared"), 2);
    json_decref(r);
    assert_in_range(read_ns(b), usual - 1000, usual + 1000);
    ctl_bed_refused(b, "fault.delay_die", "[9,\"1s\"]", CTL_INVALID_PARAMS, "no die 9");
    ctl_bed_free(b);
}

static void test_ctl_loses_completions(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    uint16_t status;
    bed_up(b->bed, 1);
    json_decref(ctl_bed_result(b, "fault.lose_completion", "{\"opcode\":\"0x1\",\"nth\":2}"));
    transfer(b, NVME_IO_READ, 0, 0);
    transfer(b, NVME_IO_WRITE, 0, 0);
    struct nvme_sqe sqe = bed_rw(NVME_IO_WRITE, 1, 0, 1);
    sqe.cid = le16_from(77);
    bed_send(b->bed, 1, &sqe, NULL, &status);
    bed_settle(b->bed);
    assert_int_equal(status, BED_PENDING);
    assert_int_equal(faults(b), 0);
    json_decref(ctl_bed_result(b, "fault.lose_completion", "{\"controller\":9,\"queue\":1}"));
    json_decref(ctl_bed_result(b, "fault.lose_completion", NULL));
    assert_int_equal(faults(b), 2);
    json_t *r = ctl_bed_result(b, "fault.clear", "[3]");
    assert_int_equal(number(r, "cleared"), 1);
    json_decref(r);
    ctl_bed_refused(b, "fault.clear", "[3]", CTL_REFUSED, "no fault 3");
    transfer(b, NVME_IO_READ, 0, 0);
    ctl_bed_free(b);
}

static void test_ctl_pauses_and_resumes(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    uint16_t status;
    bed_up(b->bed, 1);
    json_decref(ctl_bed_result(b, "drive.pause", NULL));
    struct nvme_sqe sqe = bed_rw(NVME_IO_READ, 1, 0, 1);
    sqe.cid = le16_from(77);
    bed_send(b->bed, 1, &sqe, NULL, &status);
    bed_settle(b->bed);
    assert_int_equal(status, BED_PENDING);
    json_t *r = ctl_bed_result(b, "drive.info", NULL);
    assert_int_equal(number(r, "held"), 1);
    assert_true(json_is_true(json_object_get(r, "paused")));
    json_decref(r);
    r = ctl_bed_result(b, "drive.resume", NULL);
    assert_int_equal(number(r, "held"), 1);
    json_decref(r);
    bed_settle(b->bed);
    assert_int_equal(status, 0);
    ctl_bed_free(b);
}

static void test_ctl_cuts_the_power(void **state) {
    struct ctl_bed *b = ctl_bed_new(flash);
    uint8_t data[4096];
    bed_up(b->bed, 1);
    memset(data, 1, sizeof data);
    struct nvme_sqe sqe = bed_rw(NVME_IO_WRITE, 1, 0, 1);
    assert_int_equal(bed_do(b->bed, 1, &sqe, data), 0);
    flush(b);
    memset(data, 2, sizeof data);
    sqe = bed_rw(NVME_IO_WRITE, 1, 0, 1);
    assert_int_equal(bed_do(b->bed, 1, &sqe, data), 0); /* in the volatile cache */
    json_decref(ctl_bed_result(b, "fault.power_cut", NULL));
    assert_true(b->bed->q[0].told && b->bed->q[1].told);
    bed_gone(b->bed, 1);
    bed_gone(b->bed, 0);
    bed_up(b->bed, 1);
    transfer(b, NVME_IO_READ, 0, 0);
    assert_int_equal(*(uint8_t *)bed_out(b->bed, 1), 1);
    ctl_bed_free(b);
}

static void test_ctl_sets_log_levels(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    json_t *r = ctl_bed_result(b, "log.level", "[\"error,nvme=warn\"]");
    assert_string_equal(text(r, "nvme"), "warn");
    assert_string_equal(text(r, "tcp"), "error");
    json_decref(r);
    ctl_bed_refused(b, "log.level", "[\"loud\"]", CTL_INVALID_PARAMS, "loud");
    json_decref(ctl_bed_result(b, "log.level", "[\"error\"]"));
    ctl_bed_free(b);
}

static void test_ctl_stops_the_target(void **state) {
    struct ctl_bed *b = ctl_bed_new(NULL);
    int64_t now = sim_now(b->bed->sim);
    json_decref(ctl_bed_result(b, "target.stop", NULL));
    sim_run(b->bed->sim, now + 1000000000);
    assert_int_equal(sim_now(b->bed->sim), now); /* it ended at once */
    ctl_bed_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ctl_methods_all_answer),
        cmocka_unit_test(test_ctl_help_knows_all_methods),
        cmocka_unit_test(test_ctl_methods_document_themselves),
        cmocka_unit_test(test_ctl_shows_the_drive),
        cmocka_unit_test(test_ctl_shows_errors_in_words),
        cmocka_unit_test(test_ctl_shows_statistics),
        cmocka_unit_test(test_ctl_shows_history),
        cmocka_unit_test(test_ctl_lists_zones),
        cmocka_unit_test(test_ctl_does_not_answer_with_too_much),
        cmocka_unit_test(test_ctl_full_batches_stay_full),
        cmocka_unit_test(test_ctl_sets_live_options),
        cmocka_unit_test(test_ctl_refuses_options_that_are_fixed),
        cmocka_unit_test(test_ctl_fails_the_flash),
        cmocka_unit_test(test_ctl_delays_dies),
        cmocka_unit_test(test_ctl_loses_completions),
        cmocka_unit_test(test_ctl_pauses_and_resumes),
        cmocka_unit_test(test_ctl_cuts_the_power),
        cmocka_unit_test(test_ctl_sets_log_levels),
        cmocka_unit_test(test_ctl_stops_the_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
