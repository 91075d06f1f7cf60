/* Finding transports, addresses, payload buffers, and queues within the process. */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "transport/buffer.h"
#include "transport/inproc/inproc.h"
#include "transport/tcp/tcp.h"

static void test_transport_find_takes_the_scheme_off(void **state) {
    const char *address = NULL;
    struct err e = {0};
    assert_ptr_equal(transport_find("tcp://[::1]:4420", &address, &e), &tcp_transport);
    assert_string_equal(address, "[::1]:4420");
    assert_ptr_equal(transport_find("inproc://", &address, &e), &inproc_transport);
    assert_string_equal(address, "");
}

static void test_transport_find_lists_the_valid_ones(void **state) {
    static const char *const wrong[] = {"rdma://1.2.3.4", "127.0.0.1:4420", "", "://", "tcpx://1", "tc://1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *address;
        struct err e = {0};
        assert_null(transport_find(wrong[i], &address, &e));
        assert_non_null(strstr(e.text, "tcp://, inproc://"));
        assert_non_null(strstr(e.text, wrong[i]));
    }
}

/* ---- buffers ---- */

static void test_buffer_is_aligned_and_reused(void **state) {
    struct buffer_pool pool;
    buffer_pool_init(&pool, 1 << 20);
    void *a = buffer_get(&pool, 4097);
    assert_int_equal((uintptr_t)a % 64, 0);
    assert_int_equal(pool.used_bytes, 8192);
    memset(a, 1, 8192);
    buffer_put(&pool, a, 4097);
    assert_int_equal(pool.used_bytes, 0);
    assert_ptr_equal(buffer_get(&pool, 8192), a);
    buffer_put(&pool, a, 8192);
    buffer_pool_release(&pool);
}

static void test_buffer_pool_keeps_no_more_than_told(void **state) {
    struct buffer_pool pool;
    void *b[8];
    buffer_pool_init(&pool, 3 * 65536);
    for (int i = 0; i < 8; i++)
        assert_non_null(b[i] = buffer_get(&pool, 65536));
    for (int i = 0; i < 8; i++)
        buffer_put(&pool, b[i], 65536);
    assert_int_equal(pool.free_bytes, 3 * 65536);
    buffer_pool_release(&pool);
    assert_int_equal(pool.free_bytes, 0);
}

static void test_buffer_sizes_from_smallest_to_beyond_the_largest(void **state) {
    struct buffer_pool pool;
    buffer_pool_init(&pool, 0);
    for (uint32_t bytes = 1; bytes <= 1u << 27; bytes = bytes * 2 + 1) {
        void *b = buffer_get(&pool, bytes);
        assert_non_null(b);
        assert_true(pool.used_bytes >= bytes && pool.used_bytes >= 4096);
        buffer_put(&pool, b, bytes);
    }
    assert_null(buffer_get(&pool, (1u << 27) + 1));
    assert_null(buffer_get(&pool, UINT32_MAX));
    buffer_pool_release(&pool);
}

/* ---- a target with both transports ---- */

struct bed {
    struct sim *sim;
    struct drive *drive;
    struct nvme_target *target;
    struct nvme_subsystem *subsystem;
    struct transport *inproc;
    struct tcp_config tcp;
};

static int bed_open(void **state) {
    static struct bed bed;
    static struct drive_config drive;
    static struct nvme_config nvme;
    struct opt_set set = {0};
    const struct sim_config sim = {.mode = SIM_VIRTUAL};
    const struct transport_config none = {.address = ""};
    memset(&bed, 0, sizeof bed);
    if (drive_config_init(&drive, &set, NULL) || opt_set_add(&set, nvme_opts, &nvme) ||
        opt_set_add(&set, tcp_opts, &bed.tcp) || opt_assign_arg(&set, "drive.kind=nossd", NULL) ||
        opt_assign_arg(&set, "drive.capacity=16MiB", NULL) || opt_assign_arg(&set, "nossd.read_latency=10us", NULL) ||
        opt_assign_arg(&set, "nossd.write_latency=10us", NULL) || opt_assign_arg(&set, "nvme.lba_bytes=4096", NULL))
        return -1;
    *state = &bed;
    return (bed.sim = sim_new(&sim, NULL)) && (bed.drive = drive_open(&drive, "memory", NULL, bed.sim, NULL)) &&
                   (bed.target = nvme_target_new(bed.sim, NULL)) &&
                   (bed.subsystem = nvme_subsystem_new(bed.target, &nvme, bed.drive, NULL)) &&
                   (bed.inproc = inproc_transport.listen(&none, bed.sim, bed.target, NULL))
               ? 0
               : -1;
}

static int bed_close(void **state) {
    struct bed *bed = *state;
    struct err e = {0};
    bool closed = false;
    int r = nvme_check(bed->target, &e);
    inproc_transport.close(bed->inproc, &closed);
    sim_run(bed->sim, sim_now(bed->sim) + 1000000000);
    nvme_subsystem_free(bed->subsystem);
    nvme_target_free(bed->target);
    drive_close(bed->drive);
    sim_free(bed->sim);
    return r == 0 && closed ? 0 : -1;
}

static void expect_refusal(struct bed *bed, const char *address, const char *word) {
    struct transport_config config = {.options = &bed->tcp, .address = address};
    struct err e = {0};
    assert_null(tcp_transport.listen(&config, bed->sim, bed->target, &e));
    assert_true(e.code < 0);
    if (!strstr(e.text, word) || !strstr(e.text, address))
        fail_msg("\"%s\": %s", address, e.text);
}

static void test_tcp_refuses_addresses_it_cannot_listen_on(void **state) {
    struct bed *bed = *state;
    expect_refusal(bed, "127.0.0.1:65536", "65535");
    expect_refusal(bed, "127.0.0.1:http", "number");
    expect_refusal(bed, "127.0.0.1:-1", "number");
    expect_refusal(bed, "[::1:4420", "HOST:PORT");
    expect_refusal(bed, "::1:4420", "HOST:PORT");
    expect_refusal(bed, "[::1]4420", "HOST:PORT");
    expect_refusal(bed, "203.0.113.1:0", "cannot listen");
    char longer[300];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    expect_refusal(bed, longer, "too long");
}

static void test_tcp_names_a_port_in_use(void **state) {
    struct bed *bed = *state;
    struct transport_config config = {.options = &bed->tcp, .address = "127.0.0.1:0"};
    struct transport *t = tcp_transport.listen(&config, bed->sim, bed->target, NULL);
    bool closed = false;
    char address[64];
    assert_non_null(t);
    snprintf(address, sizeof address, "%s", tcp_transport.address(t));
    assert_int_not_equal(atoi(strrchr(address, ':') + 1), 0);
    expect_refusal(bed, address, "in use");
    json_t *stats = tcp_transport.stats(t);
    assert_true(json_is_object(json_object_get(stats, "lateness_ns")));
    assert_int_equal(json_integer_value(json_object_get(stats, "connections")), 0);
    json_decref(stats);
    tcp_transport.close(t, &closed);
    assert_true(closed);
}

/* ---- inproc ---- */

struct call {
    struct inproc_request request; /* first */
    int done;
};

static void call_done(struct inproc_request *request) {
    ((struct call *)request)->done++;
}

static uint16_t status_of(const struct call *call) {
    return le16_get(call->request.cqe.status) >> 1 & 0x7ff;
}

static void start(struct inproc_queue *q, struct call *call, void *data, uint32_t bytes) {
    call->request.data = data;
    call->request.bytes = bytes;
    call->request.done = call_done;
    call->request.sqe.flags = 0x40;
    assert_int_equal(inproc_submit(q, &call->request), 0);
    assert_int_equal(call->done, 0);
}

static void finish(struct bed *bed, struct call *call) {
    sim_run(bed->sim, sim_now(bed->sim) + 1000000);
    assert_int_equal(call->done, 1);
}

static uint16_t connect_queue(struct bed *bed, struct inproc_queue *q, uint16_t qid, uint16_t cntlid) {
    struct nvme_connect_data data = {.cntlid = le16_from(cntlid)};
    struct nvme_fabrics_connect c = {
        .opc = NVME_OPC_FABRICS, .fctype = NVME_FCTYPE_CONNECT, .qid = le16_from(qid), .sqsize = le16_from(31)};
    struct call call = {0};
    snprintf(data.subnqn, sizeof data.subnqn, "%s", nvme_subsystem_nqn(bed->subsystem));
    snprintf(data.hostnqn, sizeof data.hostnqn, "nqn.2014-08.org.nvmexpress:test");
    memcpy(&call.request.sqe, &c, sizeof c);
    start(q, &call, &data, sizeof data);
    finish(bed, &call);
    assert_int_equal(status_of(&call), 0);
    return (uint16_t)le32_get(call.request.cqe.cdw0);
}

static struct inproc_queue *io_queue(struct bed *bed, struct inproc_queue **admin) {
    *admin = inproc_queue_new(bed->inproc, "admin", NULL, NULL);
    uint16_t cntlid = connect_queue(bed, *admin, 0, NVME_CNTLID_ANY);
    struct nvme_fabrics_property set = {.opc = NVME_OPC_FABRICS, .ofst = le32_from(0x14), .value = le64_from(0x460001)};
    struct call enable = {0};
    memcpy(&enable.request.sqe, &set, sizeof set);
    start(*admin, &enable, NULL, 0);
    finish(bed, &enable);
    struct inproc_queue *q = inproc_queue_new(bed->inproc, "io", NULL, NULL);
    connect_queue(bed, q, 1, cntlid);
    return q;
}

static void start_rw(struct inproc_queue *q, struct call *call, uint8_t opc, uint16_t cid, uint64_t lba, void *data,
                     uint32_t bytes) {
    struct nvme_sqe *sqe = &call->request.sqe;
    *sqe = (struct nvme_sqe){.opc = opc, .cid = le16_from(cid), .nsid = le32_from(1)};
    sqe->cdw10 = le32_from((uint32_t)lba);
    sqe->cdw12 = le32_from(bytes / 4096 - 1);
    start(q, call, data, bytes);
}

static void test_inproc_reads_what_was_written(void **state) {
    struct bed *bed = *state;
    struct inproc_queue *admin, *q = io_queue(bed, &admin);
    static uint8_t out[8192], in[8192];
    struct rng rng;
    struct call w = {0}, r = {0};
    rng_init(&rng, 1, 0);
    for (size_t i = 0; i < sizeof out; i++)
        out[i] = (uint8_t)rng_next(&rng);
    start_rw(q, &w, NVME_IO_WRITE, 1, 5, out, sizeof out);
    memset(out, 0, 100); /* the queue has its own copy */
    finish(bed, &w);
    assert_int_equal(status_of(&w), 0);
    start_rw(q, &r, NVME_IO_READ, 2, 5, in, sizeof in);
    finish(bed, &r);
    assert_int_equal(status_of(&r), 0);
    assert_int_equal(le16_get(r.request.cqe.cid), 2);
    assert_int_equal(r.request.received, sizeof in);
    assert_memory_equal(in + 100, out + 100, sizeof in - 100);
    assert_memory_not_equal(in, out, 100);
    inproc_queue_free(q);
    inproc_queue_free(admin);
}

static void test_inproc_refuses_a_buffer_too_small(void **state) {
    struct bed *bed = *state;
    struct inproc_queue *admin, *q = io_queue(bed, &admin);
    static uint8_t data[4096];
    struct call call = {0};
    call.request.sqe = (struct nvme_sqe){.opc = NVME_IO_READ, .nsid = le32_from(1), .cdw12 = le32_from(1)};
    start(q, &call, data, sizeof data);
    finish(bed, &call);
    assert_int_equal(status_of(&call), NVME_SC_SGL_INVALID_DATA_LENGTH);
    inproc_queue_free(q);
    inproc_queue_free(admin);
}

static void test_inproc_queue_freed_with_commands_in_flight(void **state) {
    struct bed *bed = *state;
    struct inproc_queue *admin, *q = io_queue(bed, &admin);
    uint8_t *data = malloc(16 * 4096);
    struct call call[16] = {0};
    for (uint16_t i = 0; i < 16; i++)
        start_rw(q, &call[i], i % 2 ? NVME_IO_READ : NVME_IO_WRITE, i, i, data + i * 4096, 4096);
    inproc_queue_free(q);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(call[i].done, 1);
        assert_int_equal(call[i].request.error, -ENOTCONN);
    }
    free(data); /* nobody may touch it when the drive answers */
    sim_run(bed->sim, sim_now(bed->sim) + 1000000);
    struct err e = {0};
    assert_int_equal(nvme_check(bed->target, &e), 0);
    inproc_queue_free(admin);
}

static void count_loss(void *context, const char *why) {
    ++*(int *)context;
}

static void test_inproc_admin_queue_takes_the_others_along(void **state) {
    struct bed *bed = *state;
    struct inproc_queue *admin, *q = io_queue(bed, &admin), *more;
    struct call call = {0};
    int lost = 0;
    more = inproc_queue_new(bed->inproc, "more", count_loss, &lost);
    connect_queue(bed, more, 2, 1);
    inproc_queue_free(admin);
    assert_int_equal(lost, 1);
    call.request.done = call_done;
    assert_int_equal(inproc_submit(more, &call.request), -ENOTCONN);
    inproc_queue_free(more);
    inproc_queue_free(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transport_find_takes_the_scheme_off),
        cmocka_unit_test(test_transport_find_lists_the_valid_ones),
        cmocka_unit_test(test_buffer_is_aligned_and_reused),
        cmocka_unit_test(test_buffer_pool_keeps_no_more_than_told),
        cmocka_unit_test(test_buffer_sizes_from_smallest_to_beyond_the_largest),
        cmocka_unit_test_setup_teardown(test_tcp_refuses_addresses_it_cannot_listen_on, bed_open, bed_close),
        cmocka_unit_test_setup_teardown(test_tcp_names_a_port_in_use, bed_open, bed_close),
        cmocka_unit_test_setup_teardown(test_inproc_reads_what_was_written, bed_open, bed_close),
        cmocka_unit_test_setup_teardown(test_inproc_refuses_a_buffer_too_small, bed_open, bed_close),
        cmocka_unit_test_setup_teardown(test_inproc_queue_freed_with_commands_in_flight, bed_open, bed_close),
        cmocka_unit_test_setup_teardown(test_inproc_admin_queue_takes_the_others_along, bed_open, bed_close),
    };
    return cmocka_run_group_tests_name("transport", tests, NULL, NULL);
}
