/*
 * The project's own host against its own controller, in one process and in
 * virtual time: what it measures has a closed form, and what is wrong with the
 * data, the drive or the connection does not get past it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "host/workload.h"

#define LATENCY  10000
#define CAPACITY (16ull << 20)
#define HOSTNQN  "nqn.2014-08.org.nvmexpress:uuid:64726976-656c-6162-8000-00000000000a"

struct bench {
    struct sim *sim;
    struct drive *drive;
    struct drive_ops ops;
    const struct drive_ops *real;
    struct nvme_target *target;
    struct nvme_subsystem *subsystem;
    struct transport *transport;
    struct host_config config;
    struct host_ctrl ctrl;
    struct host_queue *queue;
    struct ledger *ledger;
    struct workload_result *result;
    struct err e;

    /* what the watched drive does to requests */
    uint64_t asked[IO_OPS], submitted, most;
    int failing_op;      /* IO_OPS: none */
    uint64_t failing;    /* which one of them, from 1 */
    uint64_t swallowing; /* the n-th write that says it wrote, and did not */
    uint64_t holding;    /* the n-th request is not answered before the end */
    struct io *held;
    bool transport_closed;
    struct sim_event event;
};

static struct bench *watching;

static void watched_submit(struct drive *drive, struct io *io) {
    struct bench *b = watching;
    uint64_t n = ++b->asked[io->op];
    if (drive->inflight > b->most)
        b->most = drive->inflight;
    if (io->op == b->failing_op && n == b->failing)
        io_fail(io, io->op == IO_READ ? IO_UNRECOVERED_READ : IO_WRITE_FAULT, "told to fail");
    if (++b->submitted == b->holding) {
        b->held = io;
        return;
    }
    if (io->op == IO_WRITE && n == b->swallowing)
        io->flags |= IO_NO_DATA;
    b->real->submit(drive, io);
}

static void open_drive(struct bench *b) {
    struct drive_config *config = calloc(1, sizeof(*config));
    struct nvme_config *nvme = calloc(1, sizeof(*nvme));
    struct opt_set *set = calloc(1, sizeof(*set));
    assert_int_equal(drive_config_init(config, set, &b->e), 0);
    assert_int_equal(opt_set_add(set, nvme_opts, nvme), 0);
    config->drive.kind = 0;
    while (strcmp(drive_kinds[config->drive.kind]->name, "nossd"))
        config->drive.kind++;
    config->drive.capacity = CAPACITY;
    nvme->lba_bytes = 512;
    config->nossd.read_latency = config->nossd.write_latency = LATENCY;
    b->drive = drive_open(config, "memory", NULL, b->sim, &b->e);
    assert_non_null(b->drive);
    b->real = b->drive->ops;
    b->ops = *b->real;
    b->ops.submit = watched_submit;
    b->drive->ops = &b->ops;
    b->subsystem = nvme_subsystem_new(b->target, nvme, b->drive, &b->e);
    assert_non_null(b->subsystem);
    free(config);
    free(nvme);
    free(set);
}

static int bench_up(void **state) {
    struct bench *b = calloc(1, sizeof(*b));
    *state = watching = b;
    log_set_levels("error", &b->e);
    b->failing_op = IO_OPS;
    b->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &b->e);
    b->target = nvme_target_new(b->sim, &b->e);
    open_drive(b);
    b->transport = inproc_transport.listen(&(struct transport_config){0}, b->sim, b->target, &b->e);
    assert_non_null(b->transport);
    b->config = (struct host_config){
        .inproc = b->transport, .subnqn = nvme_subsystem_nqn(b->subsystem), .hostnqn = HOSTNQN, .entries = 64};
    assert_int_equal(host_ctrl_connect(&b->ctrl, &b->config, b->sim, &b->e), 0);
    assert_true(host_ctrl_set_queues(&b->ctrl, 1, &b->e) >= 1);
    b->queue = host_ctrl_open_queue(&b->ctrl, 1, &b->e);
    assert_non_null(b->queue);
    b->ledger = ledger_new(CAPACITY, 3);
    b->result = malloc(sizeof(*b->result));
    return 0;
}

static int bench_down(void **state) {
    struct bench *b = *state;
    if (b->held)
        b->real->submit(b->drive, b->held);
    host_queue_close(b->queue);
    host_ctrl_disconnect(&b->ctrl);
    if (b->transport)
        b->transport->ops->close(b->transport, &b->transport_closed);
    for (int i = 0; i < 1000 && !b->transport_closed; i++)
        sim_run(b->sim, sim_now(b->sim) + 1000000);
    assert_true(b->transport_closed);
    if (nvme_check(b->target, &b->e))
        fail_msg("%s", b->e.text);
    nvme_target_free(b->target);
    drive_close(b->drive);
    sim_free(b->sim);
    ledger_free(b->ledger);
    free(b->result);
    free(b);
    return 0;
}

static const struct workload_result *phase(struct bench *b, struct workload w) {
    if (!w.region)
        w.region = CAPACITY;
    if (workload_run(&b->ctrl, b->queue, 1, &w, b->result, &b->e))
        fail_msg("%s", b->e.text);
    return b->result;
}

static const struct workload_result *fill(struct bench *b) {
    return phase(b, (struct workload){.bytes = 65536, .depth = 4, .ledger = b->ledger});
}

static const struct workload_result *read_back(struct bench *b) {
    return phase(b, (struct workload){.bytes = 65536, .depth = 4, .read_percent = 100, .ledger = b->ledger});
}

static uint8_t *stored(struct bench *b, uint64_t offset) {
    return store_map(b->drive->store, offset, 4096);
}

static void test_workload_fills_and_reads_back(void **state) {
    struct bench *b = *state;
    const struct workload_result *r = fill(b);
    assert_int_equal(r->ios[1], 256);
    assert_int_equal(r->bytes[1], CAPACITY);
    assert_int_equal(r->ios[0] + r->failed + r->verified, 0);
    assert_int_equal(r->elapsed_ns, 256 / 4 * LATENCY);
    assert_int_equal(r->latency[1].min, LATENCY);
    assert_int_equal(r->latency[1].max, LATENCY);
    assert_int_equal(b->asked[IO_WRITE], 256);
    assert_int_equal(b->most, 4);
    r = read_back(b);
    assert_int_equal(r->ios[0], 256);
    assert_int_equal(r->verified, CAPACITY / 4096);
    assert_int_equal(r->mismatches + r->failed, 0);
    assert_string_equal(r->first_problem, "");
}

static void test_workload_gives_up_a_target_that_stalls(void **state) {
    struct bench *b = *state;
    struct workload w = {.bytes = 4096, .depth = 4, .read_percent = 100, .duration_ns = 1000 * LATENCY};
    w.timeout_ns = LATENCY + 1; /* it looks often, and all is well */
    const struct workload_result *r = phase(b, w);
    assert_false(r->stalled);
    assert_int_equal(r->ios[0], 4000);
    b->holding = b->submitted + 40; /* the others go on to the end of the phase, then all is quiet */
    w.timeout_ns = 5000000;
    r = phase(b, w);
    assert_true(r->stalled);
    assert_int_equal(r->failed, 1);
    assert_string_equal(r->first_problem, "no answer for 5 ms, with 1 commands in flight");
    assert_int_equal(r->elapsed_ns, 1000 * LATENCY + 5000000);
    r = phase(b, w); /* the connection is gone */
    assert_non_null(strstr(r->first_problem, "submission failed"));
}

static void test_workload_mixes_at_random_for_a_time(void **state) {
    struct bench *b = *state;
    fill(b);
    const struct workload_result *r = phase(b, (struct workload){.pattern = WORKLOAD_RANDOM,
                                                                 .bytes = 4096,
                                                                 .depth = 16,
                                                                 .read_percent = 70,
                                                                 .duration_ns = 10000000,
                                                                 .seed = 9,
                                                                 .ledger = b->ledger});
    assert_int_equal(r->ios[0] + r->ios[1], 16000);
    assert_in_range(r->ios[0], 16000 * 68 / 100, 16000 * 72 / 100);
    assert_int_equal(r->elapsed_ns, 10000000);
    assert_int_equal(r->verified, r->ios[0]);
    assert_int_equal(r->mismatches + r->failed, 0);
    assert_int_equal(b->most, 16);
    assert_int_equal(read_back(b)->mismatches, 0);
}

static void test_workload_measures_without_a_ledger(void **state) {
    struct bench *b = *state;
    const struct workload_result *r = phase(b, (struct workload){.pattern = WORKLOAD_RANDOM,
                                                                 .bytes = 512,
                                                                 .depth = 63,
                                                                 .read_percent = 100,
                                                                 .seed = 1,
                                                                 .region = 63 * 512 * 10});
    assert_int_equal(r->ios[0], 630); /* once over the region, in volume */
    assert_int_equal(r->elapsed_ns, 10 * LATENCY);
    assert_int_equal(r->verified, 0);
}

/* One wrong bit anywhere in the drive. */
static void test_workload_finds_corrupted_data(void **state) {
    struct bench *b = *state;
    fill(b);
    stored(b, 5 << 20)[4095] ^= 0x10;
    stored(b, (9 << 20) + 4096)[17] ^= 0x01;
    const struct workload_result *r = read_back(b);
    assert_int_equal(r->mismatches, 2);
    assert_int_equal(r->failed, 0);
    assert_string_equal(r->first_problem, "wrong data at byte 5242880 of the namespace");
}

static void test_workload_finds_swapped_blocks(void **state) {
    struct bench *b = *state;
    uint8_t kept[4096];
    fill(b);
    memcpy(kept, stored(b, 0), sizeof(kept));
    memcpy(stored(b, 0), stored(b, 1 << 20), sizeof(kept));
    memcpy(stored(b, 1 << 20), kept, sizeof(kept));
    assert_int_equal(read_back(b)->mismatches, 2);
}

static void test_workload_finds_a_lost_write(void **state) {
    struct bench *b = *state;
    fill(b);
    b->swallowing = b->asked[IO_WRITE] + 10;
    assert_int_equal(fill(b)->failed, 0);
    assert_int_equal(read_back(b)->mismatches, 16); /* 64 KiB still hold the first pass */
}

static void test_workload_reports_failed_reads(void **state) {
    struct bench *b = *state;
    fill(b);
    b->failing_op = IO_READ;
    b->failing = 7;
    const struct workload_result *r = read_back(b);
    assert_int_equal(r->failed, 1);
    assert_int_equal(r->ios[0], 255);
    assert_int_equal(r->mismatches, 0);
    assert_non_null(strstr(r->first_problem, "read failed: Unrecovered Read Error (status 0x"));
}

/* What a failed write left behind is nobody's fault. */
static void test_workload_forgets_failed_writes(void **state) {
    struct bench *b = *state;
    b->failing_op = IO_WRITE;
    b->failing = 7;
    assert_int_equal(fill(b)->failed, 1);
    assert_non_null(strstr(b->result->first_problem, "write failed: Write Fault (status 0x"));
    const struct workload_result *r = read_back(b);
    assert_int_equal(r->mismatches, 0);
    assert_int_equal(r->verified, CAPACITY / 4096 - 16);
}

static void cut(struct sim_event *ev) {
    struct bench *b = (struct bench *)((char *)ev - offsetof(struct bench, event));
    b->transport->ops->close(b->transport, &b->transport_closed);
    b->transport = NULL;
}

static void test_workload_ends_when_the_connection_is_lost(void **state) {
    struct bench *b = *state;
    sim_event_init(&b->event, cut);
    sim_schedule(b->sim, &b->event, sim_now(b->sim) + 10 * LATENCY + LATENCY / 2);
    const struct workload_result *r = fill(b);
    assert_int_equal(r->ios[1], 40);
    assert_int_equal(r->failed, 4);
    assert_non_null(strstr(r->first_problem, "connection lost"));
}

static void count_progress(void *arg, uint64_t ios, uint64_t bytes, int64_t elapsed_ns) {
    unsigned *calls = arg;
    ++*calls;
    assert_int_equal(bytes, ios * 4096);
    assert_int_equal(elapsed_ns, *calls * 200000000LL);
}

static void test_workload_tells_its_progress(void **state) {
    struct bench *b = *state;
    unsigned calls = 0;
    phase(b, (struct workload){.bytes = 4096,
                               .depth = 1,
                               .read_percent = 100,
                               .duration_ns = 1000000000,
                               .progress = count_progress,
                               .progress_arg = &calls});
    assert_in_range(calls, 4, 5);
}

static void test_workload_refuses_what_cannot_be(void **state) {
    struct bench *b = *state;
    const struct {
        struct workload w;
        const char *text;
    } rows[] = {
        {{.bytes = 1000, .depth = 1, .region = CAPACITY}, "I/O size 1000"},
        {{.bytes = 0, .depth = 1, .region = CAPACITY}, "I/O size 0"},
        {{.bytes = 8 << 20, .depth = 1, .region = CAPACITY}, "MDTS"},
        {{.bytes = 512, .depth = 1, .region = CAPACITY, .ledger = b->ledger}, "verification needs a multiple of 4096"},
        {{.bytes = 4096, .depth = 1, .region = CAPACITY + 4096}, "region of 16781312"},
        {{.bytes = 4096, .depth = 1, .region = 512}, "region of 512"},
        {{.bytes = 4096, .depth = 0, .region = CAPACITY}, "queue depth 0"},
        {{.bytes = 4096, .depth = 64, .region = CAPACITY}, "from 1 to 63"},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err e = {0};
        assert_int_equal(workload_run(&b->ctrl, b->queue, 1, &rows[i].w, b->result, &e), -EINVAL);
        if (!strstr(e.text, rows[i].text))
            fail_msg("\"%s\" does not say \"%s\"", e.text, rows[i].text);
    }
    struct err e = {0};
    assert_true(workload_run(&b->ctrl, b->queue, 9, &rows[0].w, b->result, &e) < 0);
    assert_int_equal(b->asked[IO_READ] + b->asked[IO_WRITE], 0);
}

static uint64_t order_mark; /* drawn from what a run asked */

static void marking_submit(struct drive *drive, struct io *io) {
    order_mark = (order_mark ^ io->offset ^ (uint64_t)io->op << 60) * 0x9e3779b97f4a7c15u;
    watching->real->submit(drive, io);
}

static void test_workload_same_seed_same_order(void **state) {
    struct bench *b = *state;
    uint64_t mark[3];
    b->ops.submit = marking_submit;
    for (unsigned i = 0; i < 3; i++) {
        order_mark = 0;
        phase(b, (struct workload){.pattern = WORKLOAD_RANDOM,
                                   .bytes = 4096,
                                   .depth = 8,
                                   .read_percent = 50,
                                   .duration_ns = 1000000,
                                   .seed = i / 2});
        mark[i] = order_mark;
    }
    assert_int_equal(mark[0], mark[1]);
    assert_int_not_equal(mark[0], mark[2]);
}

static void test_host_connect_names_what_is_wrong(void **state) {
    struct bench *b = *state;
    struct host_config config = b->config;
    struct host_ctrl ctrl;
    struct err e = {0};
    config.subnqn = "nqn.2014-08.org.example:nobody";
    assert_true(host_ctrl_connect(&ctrl, &config, b->sim, &e) < 0);
    assert_non_null(strstr(e.text, "Connect: Connect Invalid Parameters (status 0x"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_up, bench_down)
    const struct CMUnitTest tests[] = {
        TEST(test_workload_fills_and_reads_back),       TEST(test_workload_gives_up_a_target_that_stalls),
        TEST(test_workload_mixes_at_random_for_a_time), TEST(test_workload_measures_without_a_ledger),
        TEST(test_workload_finds_corrupted_data),       TEST(test_workload_finds_swapped_blocks),
        TEST(test_workload_finds_a_lost_write),         TEST(test_workload_reports_failed_reads),
        TEST(test_workload_forgets_failed_writes),      TEST(test_workload_ends_when_the_connection_is_lost),
        TEST(test_workload_tells_its_progress),         TEST(test_workload_refuses_what_cannot_be),
        TEST(test_workload_same_seed_same_order),       TEST(test_host_connect_names_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
