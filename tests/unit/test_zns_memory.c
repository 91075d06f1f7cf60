/* A zoned drive without memory: zones stay as they are, requests say why, and what was accepted is done. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "drive/drive.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum { MIB = 1 << 20, BLOCK = 4096, SIZE = 4 * MIB, CAPACITY = 3 * MIB, MANY = 600 };

/* ---- Memory that runs out: linked with --wrap=calloc ---- */

static bool exhausted;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size) {
    return exhausted ? NULL : __real_calloc(n, size);
}

/* ---- Bed ---- */

static const char *const base[] = {"drive.kind=zns",
                                   "drive.capacity=64MiB",
                                   "zns.zone_size=4MiB",
                                   "zns.zone_capacity=3MiB",
                                   "zns.volatile_cache=on",
                                   "zns.dies_per_zone=2",
                                   "zns.max_active=0",
                                   "zns.max_open=0",
                                   "nand.channels=2",
                                   "nand.luns=1",
                                   "nand.planes=1",
                                   "nand.pages=96",
                                   "nand.blocks=24",
                                   "nand.page_bytes=16384",
                                   "nand.factory_bad_percent=0"};

struct bed {
    struct sim *sim;
    struct drive_config config;
    struct drive *drive;
    struct io crowd[MANY]; /* requests that take all there is */
    unsigned begun, over;
};

static struct bed *bed_open(const char *const *options) {
    struct bed *b = calloc(1, sizeof *b);
    struct opt_set set = {0};
    struct err e = {0};
    exhausted = false;
    assert_int_equal(drive_config_init(&b->config, &set, &e), 0);
    for (unsigned i = 0; i < sizeof base / sizeof *base; i++)
        if (opt_assign_arg(&set, base[i], &e))
            fail_msg("%s: %s", base[i], e.text);
    for (; options && *options; options++)
        if (opt_assign_arg(&set, *options, &e))
            fail_msg("%s: %s", *options, e.text);
    b->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    b->drive = drive_open(&b->config, "memory", NULL, b->sim, &e);
    if (!b->drive)
        fail_msg("%s", e.text);
    return b;
}

static void bed_close(struct bed *b) {
    struct err e = {0};
    exhausted = false;
    sim_run(b->sim, sim_now(b->sim) + 10000000000);
    assert_int_equal(b->over, b->begun);
    if (drive_check_state(b->drive, &e))
        fail_msg("%s", e.text);
    for (unsigned i = 0; i < b->begun; i++)
        io_release(&b->crowd[i]);
    drive_close(b->drive);
    sim_free(b->sim);
    free(b);
}

static struct bed *owner; /* of the requests */

static void io_over(struct io *io) {
    owner->over++;
}

static struct io *start(struct bed *b, uint8_t op, uint8_t action, uint64_t offset, uint64_t bytes) {
    struct io *io = &b->crowd[b->begun++];
    assert_true(b->begun <= MANY);
    owner = b;
    io_init(io);
    io->op = op;
    io->action = action;
    io->flags = action && bytes ? IO_ZONE_ALL : IO_NO_DATA;
    io->offset = offset;
    io->bytes = bytes;
    io->done = io_over;
    drive_submit(b->drive, io);
    return io;
}

static void settle(struct bed *b) {
    sim_run(b->sim, sim_now(b->sim) + 2000000000);
    assert_int_equal(b->over, b->begun);
}

/* Requests that only take their time, until there is room for no more. */
static void crowd(struct bed *b) {
    exhausted = true;
    for (unsigned i = 0; i < 400; i++)
        start(b, IO_ZONE, ZONE_OPEN, 15ull * SIZE, 0);
}

static struct drive_zone zone_of(struct bed *b, uint32_t zone) {
    struct drive_zone z;
    b->drive->ops->zoned->zone(b->drive, zone, &z);
    return z;
}

static void write_zone(struct bed *b, uint32_t zone, uint64_t bytes) {
    assert_int_equal(start(b, IO_WRITE, 0, zone * (uint64_t)SIZE, bytes)->status, IO_OK);
}

static uint64_t counted(struct bed *b, const char *name) {
    json_t *stats = drive_stats(b->drive);
    const json_t *value = json_object_get(json_object_get(stats, "media"), name);
    assert_non_null(value);
    uint64_t n = (uint64_t)json_integer_value(value);
    json_decref(stats);
    return n;
}

static void failed_for_memory(const struct io *io) {
    assert_int_equal(io->status, IO_INTERNAL_ERROR);
    assert_non_null(io->reason);
    if (!strstr(io->reason, "no memory"))
        fail_msg("%s", io->reason);
}

/* ---- Tests ---- */

static void test_zns_memory_actions_fail_before_they_change_a_zone(void **state) {
    static const struct {
        uint8_t action;
        bool all;
    } rows[] = {{ZONE_RESET, false}, {ZONE_FINISH, false}, {ZONE_CLOSE, false},
                {ZONE_RESET, true},  {ZONE_FINISH, true},  {ZONE_CLOSE, true}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bed *b = bed_open(NULL);
        write_zone(b, 1, 256 * 1024);
        write_zone(b, 2, MIB);
        settle(b);
        crowd(b);
        uint64_t resets = counted(b, "resets"), finishes = counted(b, "finishes");
        const struct io *io = rows[i].all ? start(b, IO_ZONE, rows[i].action, 0, 64 * MIB)
                                          : start(b, IO_ZONE, rows[i].action, 1 * SIZE, 0);
        assert_int_equal(zone_of(b, 1).state, ZONE_STATE_IMPLICIT_OPEN);
        assert_int_equal(zone_of(b, 1).write_pointer, SIZE + 256 * 1024);
        assert_int_equal(zone_of(b, 2).state, ZONE_STATE_IMPLICIT_OPEN);
        settle(b);
        failed_for_memory(io);
        assert_int_equal(counted(b, "resets"), resets);
        assert_int_equal(counted(b, "finishes"), finishes);
        exhausted = false; /* and with memory it works */
        io = start(b, IO_ZONE, rows[i].action, 1 * SIZE, 0);
        settle(b);
        assert_int_equal(io->status, IO_OK);
        assert_int_not_equal(zone_of(b, 1).state, ZONE_STATE_IMPLICIT_OPEN);
        bed_close(b);
    }
}

/* A flush of several zones is one request and ends once. */
static void test_zns_memory_flush_fails_once(void **state) {
    struct bed *b = bed_open(NULL);
    for (uint32_t zone = 1; zone < 6; zone++)
        write_zone(b, zone, 8192);
    sim_run(b->sim, sim_now(b->sim) + 100000);
    crowd(b);
    const struct io *io = start(b, IO_FLUSH, 0, 0, 0);
    settle(b);
    failed_for_memory(io);
    exhausted = false;
    io = start(b, IO_FLUSH, 0, 0, 0);
    settle(b);
    assert_int_equal(io->status, IO_OK);
    bed_close(b);
}

/* Blocks are erased and programmed however little there is: late, but not never. */
static void test_zns_memory_accepted_writes_and_resets_end(void **state) {
    struct bed *b = bed_open(ARGS("zns.zone_cache=1MiB"));
    write_zone(b, 1, CAPACITY);
    start(b, IO_ZONE, ZONE_OPEN, 15ull * SIZE, 0);
    settle(b);
    exhausted = true;
    for (uint32_t zone = 2; zone < 15; zone++)
        write_zone(b, zone, MIB); /* more than the operations there are */
    const struct io *io = start(b, IO_ZONE, ZONE_RESET, 1 * SIZE, 0);
    for (uint64_t at = 0; at < CAPACITY; at += MIB / 4)
        start(b, IO_WRITE, 0, SIZE + at, MIB / 4);
    sim_run(b->sim, sim_now(b->sim) + 4000000000);
    assert_int_equal(b->over, b->begun);
    assert_int_equal(io->status, IO_OK);
    for (unsigned i = 0; i < b->begun; i++)
        assert_int_equal(b->crowd[i].status, IO_OK);
    assert_int_equal(zone_of(b, 1).state, ZONE_STATE_FULL);
    assert_true(counted(b, "resets") == 1);
    bed_close(b);
}

/* A zone that is to be finished by the drive waits for memory, too. */
static void test_zns_memory_excursions_come_later(void **state) {
    struct bed *b =
        bed_open(ARGS("zns.excursions=yes", "zns.finish_after=50ms", "zns.nothing=20ms", "zns.zone_open=20ms"));
    write_zone(b, 1, MIB);
    start(b, IO_ZONE, ZONE_OPEN, 2ull * SIZE, 0);
    sim_run(b->sim, 45000000);
    crowd(b);
    sim_run(b->sim, 60000000);
    assert_int_equal(zone_of(b, 1).state, ZONE_STATE_IMPLICIT_OPEN);
    assert_int_equal(counted(b, "finishes"), 0);
    sim_run(b->sim, 120000000);
    assert_int_equal(zone_of(b, 1).state, ZONE_STATE_FULL);
    assert_int_equal(zone_of(b, 2).state, ZONE_STATE_FULL);
    assert_int_equal(counted(b, "finishes"), 3); /* and the zone of the crowd */
    bed_close(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zns_memory_actions_fail_before_they_change_a_zone),
        cmocka_unit_test(test_zns_memory_flush_fails_once),
        cmocka_unit_test(test_zns_memory_accepted_writes_and_resets_end),
        cmocka_unit_test(test_zns_memory_excursions_come_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
