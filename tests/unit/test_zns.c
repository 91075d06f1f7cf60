/* Zones as their users see them: one test for each rule of a zoned namespace that the drive keeps. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "drive/drive.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum { KIB = 1024, MIB = 1024 * KIB, BLOCK = 4096, SIZE = 4 * MIB, CAPACITY = 3 * MIB, ZONES = 16 };

static const struct io_view blocks = {.block_bytes = BLOCK};

struct bed {
    struct sim *sim;
    struct drive_config config;
    struct drive *drive;
    const struct drive_zoned_ops *zoned;
};

/* 16 zones of 4 MiB with 3 MiB of capacity, five active, three open. */
static const char *const base[] = {
    "drive.kind=zns",
    "drive.capacity=64MiB",
    "zns.zone_size=4MiB",
    "zns.zone_capacity=3MiB",
    "zns.max_active=5",
    "zns.max_open=3",
    "zns.append_limit=128KiB",
    "zns.dies_per_zone=2",
    "nand.channels=2",
    "nand.luns=1",
    "nand.planes=1",
    "nand.pages=96",
    "nand.blocks=24",
    "nand.page_bytes=16384",
    "nand.factory_bad_percent=0",
    NULL,
};

static void configure(struct drive_config *config, const char *const *args) {
    struct opt_set set = {0};
    struct err e = {0};
    assert_int_equal(drive_config_init(config, &set, &e), 0);
    for (unsigned i = 0; base[i]; i++)
        if (opt_assign_arg(&set, base[i], &e))
            fail_msg("%s: %s", base[i], e.text);
    for (; args && *args; args++)
        if (opt_assign_arg(&set, *args, &e))
            fail_msg("%s: %s", *args, e.text);
}

static struct bed bed_open(const char *const *args) {
    struct bed b;
    struct err e = {0};
    configure(&b.config, args);
    b.sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    b.drive = drive_open(&b.config, "memory", NULL, b.sim, &e);
    if (!b.drive)
        fail_msg("%s", e.text);
    b.zoned = b.drive->ops->zoned;
    return b;
}

static void bed_check(struct bed *b) {
    struct err e = {0};
    if (drive_check_state(b->drive, &e))
        fail_msg("%s", e.text);
}

static void bed_close(struct bed *b) {
    bed_check(b);
    drive_close(b->drive);
    sim_free(b->sim);
}

/* --- requests --- */

struct req {
    struct io io;
    struct iovec vec;
    bool done;
};

static void req_done(struct io *io) {
    struct req *r = (struct req *)io;
    assert_false(r->done);
    r->done = true;
}

static char reason[1024]; /* of the last request */
static uint64_t result;

static void start(struct bed *b, struct req *r, uint8_t op, uint8_t action, uint32_t flags, uint64_t offset,
                  uint64_t bytes, const void *data, uint64_t data_bytes) {
    memset(r, 0, sizeof *r);
    r->io = (struct io){.op = op, .action = action, .flags = flags, .offset = offset, .bytes = bytes, .done = req_done};
    r->io.view = &blocks;
    r->vec = (struct iovec){(void *)data, data_bytes};
    r->io.vec = data ? &r->vec : NULL;
    r->io.nvec = data != NULL;
    drive_submit(b->drive, &r->io);
    assert_false(r->done); /* never from inside */
}

static uint16_t finish(struct bed *b, struct req *r) {
    for (unsigned i = 0; !r->done; i++) {
        assert_true(i < 2000000);
        sim_run(b->sim, sim_now(b->sim) + 100000);
    }
    assert_int_equal(r->io.reason != NULL, r->io.status != IO_OK); /* no refusal is bare */
    snprintf(reason, sizeof reason, "%s", r->io.reason ? r->io.reason : "");
    result = r->io.result;
    uint16_t status = r->io.status;
    free(r->io.reason);
    return status;
}

static uint16_t write_at(struct bed *b, uint64_t offset, uint64_t bytes) {
    static char data[4 * MIB];
    struct req r;
    memset(data, 1 + (int)(offset / BLOCK % 255), bytes);
    start(b, &r, IO_WRITE, 0, 0, offset, bytes, data, bytes);
    return finish(b, &r);
}

static uint16_t append_to(struct bed *b, uint64_t offset, uint64_t bytes) {
    static char data[4 * MIB];
    struct req r;
    memset(data, 7, bytes);
    start(b, &r, IO_APPEND, 0, 0, offset, bytes, data, bytes);
    return finish(b, &r);
}

static bool unmapped;

/* Reads and checks that all bytes are `byte` (-1: whatever). */
static uint16_t read_at(struct bed *b, uint64_t offset, uint64_t bytes, int byte) {
    struct req r;
    start(b, &r, IO_READ, 0, 0, offset, bytes, NULL, 0);
    uint16_t status = finish(b, &r);
    unmapped = r.io.unmapped;
    for (uint64_t i = 0; status == IO_OK && byte >= 0 && i < bytes; i++)
        if (((const uint8_t *)r.io.data)[i] != byte)
            fail_msg("byte %" PRIu64 " is %u, not %d", offset + i, ((const uint8_t *)r.io.data)[i], byte);
    return status;
}

static uint16_t act(struct bed *b, uint8_t action, uint64_t zone) {
    struct req r;
    start(b, &r, IO_ZONE, action, 0, zone * b->config.zns.zone_size, 0, NULL, 0);
    return finish(b, &r);
}

static uint16_t act_flags(struct bed *b, uint8_t action, uint64_t zone, uint32_t flags) {
    struct req r;
    start(b, &r, IO_ZONE, action, flags, zone * b->config.zns.zone_size, 0, NULL, 0);
    return finish(b, &r);
}

static uint16_t act_all(struct bed *b, uint8_t action) {
    struct req r;
    start(b, &r, IO_ZONE, action, IO_ZONE_ALL, 0, b->config.drive.capacity, NULL, 0);
    return finish(b, &r);
}

static uint16_t set_extension(struct bed *b, uint64_t zone, const void *data, uint64_t bytes, uint32_t flags) {
    struct req r;
    start(b, &r, IO_ZONE, ZONE_SET_EXTENSION, flags, zone * SIZE, 0, data, bytes);
    return finish(b, &r);
}

static struct drive_zone zone_of(struct bed *b, uint32_t zone) {
    struct drive_zone z;
    b->zoned->zone(b->drive, zone, &z);
    return z;
}

static void expect_state(struct bed *b, uint32_t zone, uint8_t state, uint64_t written) {
    struct drive_zone z = zone_of(b, zone);
    if (z.state != state)
        fail_msg("zone %u is %s, not %s", zone, zone_state_name(z.state), zone_state_name(state));
    bool pointer = state < ZONE_STATE_READ_ONLY;
    if (z.write_pointer != (pointer ? zone * b->config.zns.zone_size + written : UINT64_MAX))
        fail_msg("zone %u: write pointer %" PRIu64, zone, z.write_pointer);
}

static void says(const char *words) {
    if (!strstr(reason, words))
        fail_msg("\"%s\" is not in: %s", words, reason);
}

static void test_zns_writes_and_reads_back(void **state) {
    struct bed b = bed_open(NULL);
    assert_int_equal(write_at(&b, SIZE, 64 * KIB), IO_OK);
    assert_int_equal(write_at(&b, SIZE + 64 * KIB, BLOCK), IO_OK);
    expect_state(&b, 1, ZONE_STATE_IMPLICIT_OPEN, 64 * KIB + BLOCK);
    assert_int_equal(append_to(&b, SIZE, BLOCK), IO_OK);
    assert_int_equal(result, SIZE + 64 * KIB + BLOCK);
    assert_int_equal(read_at(&b, SIZE + 64 * KIB + BLOCK, BLOCK, 7), IO_OK);
    assert_int_equal(act(&b, ZONE_RESET, 1), IO_OK);
    assert_int_equal(read_at(&b, SIZE, 128 * KIB, 0), IO_OK);
    assert_true(unmapped);
    bed_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zns_writes_and_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
