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
#include "drive/zns/zns.h"

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

/* --- bringing zones to states --- */

static int fail_zone(struct bed *b, uint32_t zone, uint8_t state, struct err *e) {
    return (b->zoned->fail)(b->drive, zone, state, e); /* fail() is a macro of cmocka's */
}

static void make(struct bed *b, uint32_t zone, uint8_t state) {
    switch (state) {
    case ZONE_STATE_IMPLICIT_OPEN:
        assert_int_equal(write_at(b, zone * (uint64_t)SIZE, BLOCK), IO_OK);
        break;
    case ZONE_STATE_EXPLICIT_OPEN:
        assert_int_equal(act(b, ZONE_OPEN, zone), IO_OK);
        break;
    case ZONE_STATE_CLOSED:
        make(b, zone, ZONE_STATE_IMPLICIT_OPEN);
        assert_int_equal(act(b, ZONE_CLOSE, zone), IO_OK);
        break;
    case ZONE_STATE_FULL:
        assert_int_equal(act(b, ZONE_FINISH, zone), IO_OK);
        break;
    case ZONE_STATE_READ_ONLY:
    case ZONE_STATE_OFFLINE:
        make(b, zone, ZONE_STATE_CLOSED);
        assert_int_equal(fail_zone(b, zone, state, NULL), 0);
        break;
    default:
        break;
    }
    assert_int_equal(zone_of(b, zone).state, state);
}

enum { E = ZONE_STATE_EMPTY, IMP = ZONE_STATE_IMPLICIT_OPEN, EXP = ZONE_STATE_EXPLICIT_OPEN, C = ZONE_STATE_CLOSED };
enum { RO = ZONE_STATE_READ_ONLY, F = ZONE_STATE_FULL, O = ZONE_STATE_OFFLINE, BF = IO_ZONE_INVALID_TRANSITION };
static const uint8_t states[] = {E, IMP, EXP, C, RO, F, O};

/* One action on a zone in each state: the state after it, or the status it is refused with. */
static void expect_transitions(uint8_t action, const uint16_t to[7]) {
    for (unsigned i = 0; i < 7; i++) {
        struct bed b = bed_open(NULL);
        make(&b, 2, states[i]);
        uint16_t status = act(&b, action, 2);
        assert_int_equal(status, to[i] >= 16 ? to[i] : IO_OK);
        assert_int_equal(zone_of(&b, 2).state, to[i] >= 16 ? states[i] : to[i]);
        if (status)
            says(zone_state_name(states[i]));
        bed_close(&b);
    }
}

/* --- writes --- */

static void test_zns_rule01_write_checks_state_then_pointer_then_boundary(void **state) {
    static const uint16_t statuses[] = {IO_ZONE_IS_FULL, IO_ZONE_IS_READ_ONLY, IO_ZONE_IS_OFFLINE};
    struct bed b = bed_open(NULL);
    make(&b, 0, F);
    make(&b, 1, RO);
    make(&b, 2, O);
    for (unsigned i = 0; i < 3; i++) /* off the pointer and over the boundary as well */
        assert_int_equal(write_at(&b, i * SIZE + 2 * BLOCK, SIZE - 8 * BLOCK), statuses[i]);
    assert_int_equal(write_at(&b, 3 * SIZE + BLOCK, SIZE - BLOCK), IO_ZONE_INVALID_WRITE);
    expect_state(&b, 3, E, 0);
    assert_int_equal(write_at(&b, 3 * SIZE, SIZE), IO_ZONE_BOUNDARY);
    expect_state(&b, 3, E, 0);
    bed_close(&b);
}

static void test_zns_rule02_write_starts_at_the_pointer(void **state) {
    struct bed b = bed_open(NULL);
    assert_int_equal(write_at(&b, SIZE, 4 * BLOCK), IO_OK);
    assert_int_equal(write_at(&b, SIZE, BLOCK), IO_ZONE_INVALID_WRITE);
    says("was the zone not reset?");
    says("write pointer is at LBA 0x404");
    says("zone 1 at LBA 0x400 is Implicitly Open");
    assert_int_equal(write_at(&b, SIZE + 2 * BLOCK, BLOCK), IO_ZONE_INVALID_WRITE);
    says("2 blocks below");
    assert_int_equal(write_at(&b, SIZE + 5 * BLOCK, BLOCK), IO_ZONE_INVALID_WRITE);
    says("zero-based");
    assert_int_equal(write_at(&b, SIZE + 9 * BLOCK, BLOCK), IO_ZONE_INVALID_WRITE);
    says("5 blocks past");
    struct req r;
    start(&b, &r, IO_WRITE_ZEROES, 0, 0, SIZE + 5 * BLOCK, BLOCK, NULL, 0);
    assert_int_equal(finish(&b, &r), IO_ZONE_INVALID_WRITE);
    start(&b, &r, IO_WRITE_ZEROES, 0, 0, SIZE + 4 * BLOCK, BLOCK, NULL, 0);
    assert_int_equal(finish(&b, &r), IO_OK);
    expect_state(&b, 1, IMP, 5 * BLOCK);
    assert_int_equal(read_at(&b, SIZE + 4 * BLOCK, BLOCK, 0), IO_OK);
    bed_close(&b);
}

static void test_zns_rule03_write_stays_below_the_capacity(void **state) {
    struct bed b = bed_open(NULL);
    assert_int_equal(write_at(&b, 0, CAPACITY - BLOCK), IO_OK);
    assert_int_equal(write_at(&b, CAPACITY - BLOCK, 2 * BLOCK), IO_ZONE_BOUNDARY);
    says("zero-based");
    says("1 block are left");
    assert_int_equal(write_at(&b, CAPACITY - BLOCK, 3 * BLOCK), IO_ZONE_BOUNDARY);
    assert_int_equal(write_at(&b, CAPACITY - BLOCK, BLOCK), IO_OK);
    expect_state(&b, 0, F, 0);
    assert_int_equal(write_at(&b, CAPACITY, BLOCK), IO_ZONE_IS_FULL);
    assert_int_equal(read_at(&b, CAPACITY, SIZE - CAPACITY, 0), IO_OK); /* not writable, reads as deallocated */
    assert_true(unmapped);
    bed_close(&b);
}

static void test_zns_rule04_refused_writes_change_nothing(void **state) {
    struct bed b = bed_open(NULL);
    assert_int_equal(write_at(&b, 0, 2 * BLOCK), IO_OK);
    assert_int_equal(write_at(&b, 3 * BLOCK, BLOCK), IO_ZONE_INVALID_WRITE);
    assert_int_equal(write_at(&b, 2 * BLOCK, SIZE), IO_ZONE_BOUNDARY);
    expect_state(&b, 0, IMP, 2 * BLOCK);
    assert_int_equal(read_at(&b, 2 * BLOCK, 2 * BLOCK, 0), IO_OK);
    assert_true(unmapped);
    bed_close(&b);
}

/* --- appends --- */

static void test_zns_rule05_append_names_the_zone_start(void **state) {
    struct bed b = bed_open(NULL);
    assert_int_equal(append_to(&b, SIZE + BLOCK, BLOCK), IO_INVALID_FIELD);
    says("first block of its zone");
    assert_int_equal(append_to(&b, SIZE, BLOCK), IO_OK);
    assert_int_equal(append_to(&b, SIZE + BLOCK, BLOCK), IO_INVALID_FIELD);
    says("not the write pointer");
    bed_close(&b);
}

static void test_zns_rule06_append_is_limited(void **state) {
    struct bed b = bed_open(NULL);
    assert_int_equal(append_to(&b, 0, 128 * KIB), IO_OK);
    assert_int_equal(append_to(&b, 0, 128 * KIB + BLOCK), IO_INVALID_FIELD);
    says("ZASL");
    says("32 blocks");
    says("zero-based");
    assert_int_equal(append_to(&b, 0, 256 * KIB), IO_INVALID_FIELD);
    assert_null(strstr(reason, "zero-based"));
    expect_state(&b, 0, IMP, 128 * KIB);
    bed_close(&b);
    b = bed_open(ARGS("zns.append_limit=0"));
    assert_int_equal(append_to(&b, 0, CAPACITY), IO_OK);
    bed_close(&b);
}

static void test_zns_rule07_append_tells_where(void **state) {
    struct bed b = bed_open(NULL);
    for (unsigned i = 0; i < 24; i++) {
        assert_int_equal(append_to(&b, 3 * SIZE, 128 * KIB), IO_OK);
        assert_int_equal(result, 3 * SIZE + i * 128 * KIB);
    }
    expect_state(&b, 3, F, 0);
    assert_int_equal(append_to(&b, 3 * SIZE, BLOCK), IO_ZONE_IS_FULL);
    assert_int_equal(append_to(&b, 4 * SIZE, 100 * KIB), IO_OK);
    for (unsigned i = 0; i < 23; i++)
        assert_int_equal(append_to(&b, 4 * SIZE, 128 * KIB), IO_OK);
    assert_int_equal(append_to(&b, 4 * SIZE, 32 * KIB), IO_ZONE_BOUNDARY); /* never BCh */
    bed_close(&b);
}

static void test_zns_rule09_appends_in_flight_get_places_of_their_own(void **state) {
    struct bed b = bed_open(NULL);
    static struct req r[16];
    static char data[16][BLOCK];
    for (unsigned i = 0; i < 16; i++) {
        memset(data[i], 100 + (int)i, BLOCK);
        start(&b, &r[i], IO_APPEND, 0, 0, SIZE, BLOCK, data[i], BLOCK);
    }
    bool seen[16] = {0};
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(finish(&b, &r[i]), IO_OK);
        uint64_t at = (result - SIZE) / BLOCK;
        assert_true(at < 16 && !seen[at]);
        seen[at] = true;
        assert_int_equal(read_at(&b, result, BLOCK, 100 + (int)i), IO_OK);
    }
    bed_close(&b);
}

/* --- reads and deallocation --- */

static void test_zns_rule10_reads_of_each_state(void **state) {
    for (unsigned i = 0; i < 7; i++) {
        struct bed b = bed_open(NULL);
        make(&b, 1, states[i]);
        assert_int_equal(read_at(&b, SIZE, 4 * BLOCK, -1), states[i] == O ? IO_ZONE_IS_OFFLINE : IO_OK);
        if (states[i] != O)
            assert_true(unmapped); /* at most one block is written */
        bed_close(&b);
    }
}

static void test_zns_rule11_reads_across_zones(void **state) {
    struct bed b = bed_open(ARGS("zns.read_across=no"));
    assert_int_equal(read_at(&b, SIZE - BLOCK, BLOCK, 0), IO_OK);
    assert_int_equal(read_at(&b, SIZE - BLOCK, 2 * BLOCK, 0), IO_ZONE_BOUNDARY);
    says("RAZB");
    bed_close(&b);
    b = bed_open(ARGS("zns.read_across=yes"));
    assert_int_equal(write_at(&b, SIZE, BLOCK), IO_OK);
    assert_int_equal(read_at(&b, SIZE - BLOCK, BLOCK, 0), IO_OK);
    assert_int_equal(read_at(&b, SIZE - BLOCK, 3 * BLOCK, -1), IO_OK);
    assert_int_equal(read_at(&b, 0, 4 * SIZE, -1), IO_OK);
    make(&b, 3, O);
    assert_int_equal(read_at(&b, 0, 4 * SIZE, -1), IO_ZONE_IS_OFFLINE);
    says("zone 3");
    assert_int_equal(read_at(&b, 0, 3 * SIZE, -1), IO_OK);
    bed_close(&b);
}

static uint16_t trim(struct bed *b, uint64_t offset, uint64_t bytes) {
    struct req r;
    start(b, &r, IO_TRIM, 0, 0, offset, bytes, NULL, 0);
    return finish(b, &r);
}

static void test_zns_rule13_deallocation_of_offline_zones(void **state) {
    struct bed b = bed_open(NULL);
    assert_int_equal(write_at(&b, 0, 4 * BLOCK), IO_OK);
    assert_int_equal(trim(&b, 0, SIZE), IO_OK);
    expect_state(&b, 0, IMP, 4 * BLOCK);
    make(&b, 2, O);
    assert_int_equal(trim(&b, 2 * SIZE, BLOCK), IO_ZONE_IS_OFFLINE);
    assert_int_equal(trim(&b, SIZE, 3 * (uint64_t)SIZE), IO_ZONE_IS_OFFLINE);
    bed_close(&b);
}

/* --- resources --- */

static void test_zns_rule14_writes_open_zones(void **state) {
    struct bed b = bed_open(ARGS("zns.auto_close=no"));
    make(&b, 0, IMP);
    make(&b, 1, EXP);
    make(&b, 2, C);
    make(&b, 3, IMP);
    assert_int_equal(write_at(&b, 1 * SIZE, BLOCK), IO_OK);
    expect_state(&b, 1, EXP, BLOCK); /* stays explicitly open */
    assert_int_equal(write_at(&b, 2 * SIZE + BLOCK, BLOCK), IO_ZONE_TOO_MANY_OPEN);
    assert_int_equal(append_to(&b, 4 * SIZE, BLOCK), IO_ZONE_TOO_MANY_OPEN);
    assert_int_equal(act(&b, ZONE_CLOSE, 0), IO_OK);
    assert_int_equal(write_at(&b, 2 * SIZE + BLOCK, BLOCK), IO_OK);
    expect_state(&b, 2, IMP, 2 * BLOCK);
    bed_close(&b);
}

static void test_zns_rule15_first_opened_zone_is_closed_for_another(void **state) {
    struct bed b = bed_open(NULL);
    make(&b, 0, EXP);
    make(&b, 1, IMP);
    make(&b, 2, IMP);
    assert_int_equal(write_at(&b, 3 * SIZE, BLOCK), IO_OK);
    expect_state(&b, 0, EXP, 0);
    expect_state(&b, 1, C, BLOCK);
    expect_state(&b, 2, IMP, BLOCK);
    assert_int_equal(act(&b, ZONE_OPEN, 1), IO_OK); /* for an explicit one too */
    expect_state(&b, 2, C, BLOCK);
    bed_close(&b);
    b = bed_open(NULL);
    for (unsigned i = 0; i < 3; i++)
        make(&b, i, EXP);
    assert_int_equal(write_at(&b, 3 * SIZE, BLOCK), IO_ZONE_TOO_MANY_OPEN); /* explicit ones are left alone */
    bed_close(&b);
}

static void test_zns_rule16_limits(void **state) {
    struct bed b = bed_open(NULL);
    for (unsigned i = 0; i < 5; i++)
        make(&b, i, C);
    assert_int_equal(write_at(&b, 5 * SIZE, BLOCK), IO_ZONE_TOO_MANY_ACTIVE);
    says("MAR");
    assert_int_equal(act(&b, ZONE_OPEN, 5), IO_ZONE_TOO_MANY_ACTIVE);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(act(&b, ZONE_OPEN, i), IO_OK);
    assert_int_equal(act(&b, ZONE_OPEN, 3), IO_ZONE_TOO_MANY_OPEN);
    says("MOR");
    assert_int_equal(act(&b, ZONE_OPEN, 5), IO_ZONE_TOO_MANY_ACTIVE); /* both are missing */
    assert_int_equal(act(&b, ZONE_FINISH, 3), IO_OK);
    assert_int_equal(act(&b, ZONE_OPEN, 5), IO_ZONE_TOO_MANY_OPEN);
    expect_state(&b, 5, E, 0);
    bed_close(&b);
    b = bed_open(ARGS("zns.max_active=3")); /* equal: always BDh */
    for (unsigned i = 0; i < 3; i++)
        make(&b, i, EXP);
    assert_int_equal(write_at(&b, 5 * SIZE, BLOCK), IO_ZONE_TOO_MANY_ACTIVE);
    bed_close(&b);
    b = bed_open(ARGS("zns.max_open=0", "zns.max_active=4"));
    struct drive_zoned_limits l;
    b.zoned->limits(b.drive, &l);
    assert_int_equal(l.max_open, 4);
    bed_close(&b);
    b = bed_open(ARGS("zns.max_open=0", "zns.max_active=0"));
    for (unsigned i = 0; i < ZONES; i++)
        make(&b, i, EXP);
    bed_close(&b);
}

static void test_zns_rule16_limits_are_per_namespace(void **state) {
    struct bed b = bed_open(NULL);
    b.zoned->divide(b.drive, 2);
    for (unsigned i = 0; i < 3; i++)
        make(&b, i, EXP);
    assert_int_equal(act(&b, ZONE_OPEN, 7), IO_ZONE_TOO_MANY_OPEN);
    for (unsigned i = 8; i < 11; i++)
        make(&b, i, EXP);
    assert_int_equal(act(&b, ZONE_OPEN, 15), IO_ZONE_TOO_MANY_OPEN);
    struct req r; /* Select All reaches its own range */
    start(&b, &r, IO_ZONE, ZONE_CLOSE, IO_ZONE_ALL, 8 * (uint64_t)SIZE, 8 * (uint64_t)SIZE, NULL, 0);
    assert_int_equal(finish(&b, &r), IO_OK);
    for (unsigned i = 0; i < 3; i++)
        expect_state(&b, i, EXP, 0);
    for (unsigned i = 8; i < 11; i++)
        expect_state(&b, i, C, 0);
    bed_close(&b);
}

/* --- actions --- */

static void test_zns_rule17_close(void **state) {
    expect_transitions(ZONE_CLOSE, (uint16_t[]){BF, C, C, C, BF, BF, BF});
    struct bed b = bed_open(NULL);
    make(&b, 0, IMP);
    make(&b, 1, EXP);
    make(&b, 3, F);
    assert_int_equal(act_all(&b, ZONE_CLOSE), IO_OK);
    expect_state(&b, 0, C, BLOCK);
    expect_state(&b, 1, C, 0);
    expect_state(&b, 2, E, 0);
    expect_state(&b, 3, F, 0);
    bed_close(&b);
}

static void test_zns_rule18_finish(void **state) {
    expect_transitions(ZONE_FINISH, (uint16_t[]){F, F, F, F, BF, F, BF});
    struct bed b = bed_open(NULL);
    for (unsigned i = 0; i < 5; i++)
        make(&b, i, C);
    assert_int_equal(act(&b, ZONE_FINISH, 9), IO_OK); /* an Empty zone needs no resources for it */
    assert_int_equal(act_all(&b, ZONE_FINISH), IO_OK);
    for (unsigned i = 0; i < 5; i++)
        expect_state(&b, i, F, 0);
    expect_state(&b, 6, E, 0);
    assert_int_equal(read_at(&b, 0, BLOCK, 1), IO_OK);
    assert_false(unmapped);
    assert_int_equal(write_at(&b, BLOCK, BLOCK), IO_ZONE_IS_FULL);
    says("it was finished with 4096 bytes written");
    bed_close(&b);
}

static void test_zns_rule19_open(void **state) {
    expect_transitions(ZONE_OPEN, (uint16_t[]){EXP, EXP, EXP, EXP, BF, BF, BF});
    struct bed b = bed_open(NULL);
    make(&b, 0, C);
    make(&b, 1, C);
    make(&b, 2, IMP);
    assert_int_equal(act_all(&b, ZONE_OPEN), IO_OK);
    expect_state(&b, 0, EXP, BLOCK);
    expect_state(&b, 1, EXP, BLOCK);
    expect_state(&b, 2, IMP, BLOCK);
    expect_state(&b, 3, E, 0);
    bed_close(&b);
}

static void test_zns_rule20_open_all_is_all_or_nothing(void **state) {
    struct bed b = bed_open(NULL);
    for (unsigned i = 0; i < 4; i++)
        make(&b, i, C);
    assert_int_equal(act_all(&b, ZONE_OPEN), IO_ZONE_TOO_MANY_OPEN);
    for (unsigned i = 0; i < 4; i++)
        expect_state(&b, i, C, BLOCK);
    assert_int_equal(act(&b, ZONE_FINISH, 0), IO_OK);
    assert_int_equal(act_all(&b, ZONE_OPEN), IO_OK);
    bed_close(&b);
}

static void test_zns_rule21_reset(void **state) {
    expect_transitions(ZONE_RESET, (uint16_t[]){E, E, E, E, BF, E, BF});
    struct bed b = bed_open(NULL);
    make(&b, 0, IMP);
    make(&b, 1, RO);
    make(&b, 2, O);
    make(&b, 3, F);
    make(&b, 4, EXP);
    assert_int_equal(act(&b, ZONE_RESET, 1), BF);
    expect_state(&b, 3, F, 0); /* and no other zone is reset instead */
    assert_int_equal(act_all(&b, ZONE_RESET), IO_OK);
    expect_state(&b, 0, E, 0);
    expect_state(&b, 1, RO, 0);
    expect_state(&b, 2, O, 0);
    expect_state(&b, 3, E, 0);
    expect_state(&b, 4, E, 0);
    bed_close(&b);
}

static void test_zns_rule22_reset_clears_the_zone(void **state) {
    struct bed b = bed_open(ARGS("zns.extension_bytes=64", "zns.finish_recommend_after=10ms"));
    assert_int_equal(set_extension(&b, 1, "hello", 5, 0), IO_OK);
    assert_int_equal(write_at(&b, SIZE, 2 * MIB), IO_OK);
    sim_run(b.sim, sim_now(b.sim) + 20000000);
    assert_int_equal(zone_of(&b, 1).attributes, ZONE_EXTENSION_VALID | ZONE_FINISH_RECOMMENDED);
    assert_int_equal(act(&b, ZONE_RESET, 1), IO_OK);
    assert_int_equal(result, 0); /* the capacity is what it was */
    expect_state(&b, 1, E, 0);
    assert_int_equal(zone_of(&b, 1).attributes, 0);
    assert_int_equal(write_at(&b, SIZE, BLOCK), IO_OK); /* while old data is still being cleared */
    assert_int_equal(read_at(&b, SIZE + BLOCK, 2 * MIB, 0), IO_OK);
    assert_int_equal(read_at(&b, SIZE, BLOCK, 1 + SIZE / BLOCK % 255), IO_OK);
    sim_run(b.sim, sim_now(b.sim) + 100000000);
    assert_int_equal(read_at(&b, SIZE, BLOCK, 1 + SIZE / BLOCK % 255), IO_OK);
    assert_int_equal(read_at(&b, SIZE + BLOCK, SIZE - BLOCK, 0), IO_OK);
    bed_close(&b);
}

static void test_zns_rule23_offline(void **state) {
    expect_transitions(ZONE_TO_OFFLINE, (uint16_t[]){BF, BF, BF, BF, O, BF, O});
    struct bed b = bed_open(NULL);
    make(&b, 0, RO);
    make(&b, 1, RO);
    make(&b, 2, F);
    assert_int_equal(act_all(&b, ZONE_TO_OFFLINE), IO_OK);
    expect_state(&b, 0, O, 0);
    expect_state(&b, 1, O, 0);
    expect_state(&b, 2, F, 0);
    bed_close(&b);
}

static const char *extension_of(struct bed *b, uint32_t zone) {
    return b->zoned->extension(b->drive, zone);
}

static void test_zns_rule24_set_extension(void **state) {
    for (unsigned i = 0; i < 7; i++) {
        struct bed b = bed_open(ARGS("zns.extension_bytes=128"));
        make(&b, 2, states[i]);
        assert_int_equal(set_extension(&b, 2, "first", 6, 0), states[i] == E ? IO_OK : BF);
        assert_int_equal(zone_of(&b, 2).state, states[i] == E ? C : states[i]);
        assert_string_equal(extension_of(&b, 2), states[i] == E ? "first" : "");
        bed_close(&b);
    }
    struct bed b = bed_open(ARGS("zns.extension_bytes=128"));
    assert_int_equal(set_extension(&b, 0, "first", 6, 0), IO_OK);
    assert_int_equal(set_extension(&b, 0, "second", 7, 0), BF);
    assert_string_equal(extension_of(&b, 0), "first"); /* a refusal changes nothing */
    for (unsigned i = 1; i < 5; i++)
        make(&b, i, C);
    assert_int_equal(set_extension(&b, 5, "x", 2, 0), IO_ZONE_TOO_MANY_ACTIVE);
    expect_state(&b, 5, E, 0);
    assert_int_equal(act_all(&b, ZONE_SET_EXTENSION), IO_INVALID_FIELD);
    bed_close(&b);
    b = bed_open(NULL);
    assert_int_equal(set_extension(&b, 0, "x", 2, 0), IO_INVALID_FIELD);
    says("ZDES");
    bed_close(&b);
}

static void test_zns_rule25_extension_lives_until_empty_or_offline(void **state) {
    struct bed b = bed_open(ARGS("zns.extension_bytes=64"));
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(set_extension(&b, i, "mine", 5, 0), IO_OK);
    assert_int_equal(write_at(&b, 0, BLOCK), IO_OK);
    assert_string_equal(extension_of(&b, 0), "mine");
    assert_int_equal(act(&b, ZONE_FINISH, 0), IO_OK);
    assert_int_equal(zone_of(&b, 0).attributes, ZONE_EXTENSION_VALID);
    assert_string_equal(extension_of(&b, 0), "mine");
    assert_int_equal(act(&b, ZONE_RESET, 0), IO_OK);
    assert_int_equal(zone_of(&b, 0).attributes, 0);
    assert_string_equal(extension_of(&b, 0), "");
    assert_int_equal(fail_zone(&b, 1, RO, NULL), 0);
    assert_int_equal(zone_of(&b, 1).attributes, ZONE_EXTENSION_VALID);
    assert_int_equal(act(&b, ZONE_TO_OFFLINE, 1), IO_OK);
    assert_int_equal(zone_of(&b, 1).attributes, 0);
    bed_close(&b);
}

static void test_zns_rule26_actions_name_the_zone_start(void **state) {
    static const uint8_t all[] = {ZONE_CLOSE, ZONE_FINISH, ZONE_OPEN, ZONE_RESET, ZONE_TO_OFFLINE, ZONE_SET_EXTENSION};
    struct bed b = bed_open(ARGS("zns.extension_bytes=64"));
    struct req r;
    for (unsigned i = 0; i < sizeof all; i++) {
        start(&b, &r, IO_ZONE, all[i], 0, SIZE + BLOCK, 0, NULL, 0);
        assert_int_equal(finish(&b, &r), IO_INVALID_FIELD);
        says("not the first block of a zone");
    }
    start(&b, &r, IO_ZONE, 0x77, 0, SIZE, 0, NULL, 0);
    assert_int_equal(finish(&b, &r), IO_INVALID_FIELD);
    start(&b, &r, IO_ZONE, ZONE_RESET, 0, b.config.drive.capacity, 0, NULL, 0);
    assert_int_equal(finish(&b, &r), IO_LBA_OUT_OF_RANGE);
    bed_close(&b);
}

static void test_zns_rule33_write_pointer_of_states_without_one(void **state) {
    for (unsigned i = 0; i < 7; i++) {
        struct bed b = bed_open(NULL);
        make(&b, 2, states[i]);
        expect_state(&b, 2, states[i], states[i] == IMP || states[i] == C ? BLOCK : 0);
        assert_int_equal(zone_of(&b, 2).capacity, CAPACITY);
        bed_close(&b);
    }
}

static void test_zns_rule34_extension_without_zdev_is_zeros(void **state) {
    struct bed b = bed_open(ARGS("zns.extension_bytes=16320"));
    const char *at = extension_of(&b, 3);
    for (unsigned i = 0; i < 16320; i++)
        assert_int_equal(at[i], 0);
    bed_close(&b);
}

/* --- ends of sessions --- */

static void test_zns_rule35_shutdown_closes_zones(void **state) {
    struct bed b = bed_open(ARGS("zns.extension_bytes=64", "zns.max_active=0", "zns.max_open=0"));
    for (unsigned i = 0; i < 7; i++)
        make(&b, i, states[i]);
    assert_int_equal(set_extension(&b, 7, "x", 2, 0), IO_OK);
    assert_int_equal(act(&b, ZONE_OPEN, 7), IO_OK);
    make(&b, 8, EXP);
    assert_int_equal(write_at(&b, 8 * SIZE, BLOCK), IO_OK);
    make(&b, 12, EXP);
    b.zoned->shutdown(b.drive, 0, 12);
    expect_state(&b, 0, E, 0);
    expect_state(&b, 1, C, BLOCK);
    expect_state(&b, 2, E, 0); /* explicitly open, nothing written */
    expect_state(&b, 3, C, BLOCK);
    expect_state(&b, 4, RO, 0);
    expect_state(&b, 5, F, 0);
    expect_state(&b, 6, O, 0);
    expect_state(&b, 7, C, 0); /* its extension is valid */
    expect_state(&b, 8, C, BLOCK);
    expect_state(&b, 12, EXP, 0); /* not in the range */
    bed_close(&b);
}

static void test_zns_rule36_format_empties_zones(void **state) {
    struct bed b = bed_open(ARGS("zns.extension_bytes=64", "zns.max_active=0", "zns.max_open=0"));
    for (unsigned i = 0; i < 7; i++)
        make(&b, i, states[i]);
    make(&b, 7, IMP);
    b.zoned->format(b.drive, 0, 7);
    for (unsigned i = 0; i < 6; i++)
        expect_state(&b, i, E, 0);
    expect_state(&b, 6, O, 0);
    expect_state(&b, 7, IMP, BLOCK);
    assert_int_equal(read_at(&b, SIZE, SIZE, 0), IO_OK);
    bed_close(&b);
}

/* --- configuration --- */

static void refused(const char *const *args, const char *const *words) {
    struct drive_config config;
    struct err e = {0};
    configure(&config, args);
    assert_int_equal(drive_config_check(&config, &e), -EINVAL);
    for (; *words; words++)
        if (!strstr(e.text, *words))
            fail_msg("\"%s\" is not in: %s", *words, e.text);
}

static void test_zns_rule39_bad_options_are_refused(void **state) {
    refused(ARGS("zns.max_open=6"), ARGS("zns.max_open = 6", "max_active = 5", "nearest"));
    refused(ARGS("zns.zrwa_zones=2", "zns.zrwa_bytes=40KiB"), ARGS("zrwa_bytes = 40960", "32768 and 49152"));
    refused(ARGS("zns.zrwa_zones=2", "zns.zrwa_granularity=1000"), ARGS("512 and 1024"));
    refused(ARGS("zns.zrwa_zones=2", "zns.zrwa_bytes=4MiB"), ARGS("zone_capacity", "3145728"));
    refused(ARGS("zns.zrwa_zones=6"), ARGS("zrwa_zones = 6", "max_active = 5"));
    refused(ARGS("zns.append_limit=96KiB"), ARGS("98304", "65536 and 131072"));
    refused(ARGS("zns.append_limit=1000"), ARGS("append_limit = 1000", "4096 and 8192"));
    refused(ARGS("zns.extension_bytes=16384"), ARGS("255 units", "16320"));
    refused(ARGS("zns.extension_bytes=100"), ARGS("64 and 128"));
    refused(ARGS("zns.zone_capacity=0"), ARGS("zone_capacity = 0", "nearest is 4096"));
    refused(ARGS("zns.zone_capacity=5MiB"), ARGS("zone_size = 4194304", "nearest is 4194304"));
    refused(ARGS("zns.zone_capacity=5000"), ARGS("4096 and 8192"));
    refused(ARGS("zns.zone_size=5000", "zns.zone_capacity=4096"), ARGS("4096 and 8192"));
    refused(ARGS("drive.capacity=65MiB"), ARGS("67108864 and 71303168"));
    refused(ARGS("zns.finish_after=1s"), ARGS("excursions"));
    refused(ARGS("zns.finish_after=1s", "zns.excursions=yes", "zns.finish_recommend_after=1s"), ARGS("more than"));
}

/* --- what the drive does by itself --- */

struct watcher {
    struct drive_zone_watch watch; /* first */
    uint32_t calls, last;
};

static void changed(struct drive_zone_watch *w, uint32_t zone) {
    ((struct watcher *)w)->calls++;
    ((struct watcher *)w)->last = zone;
}

static void test_zns_rule40_zones_fail_from_every_state(void **state) {
    for (unsigned i = 0; i < 7; i++)
        for (unsigned to = 0; to < 2; to++) {
            struct bed b = bed_open(NULL);
            struct err e = {0};
            struct watcher w = {.watch.changed = changed};
            uint8_t target = to ? O : RO;
            make(&b, 2, states[i]);
            b.zoned->watch(b.drive, &w.watch);
            bool possible = states[i] != O || target == O;
            assert_int_equal(fail_zone(&b, 2, target, &e), possible ? 0 : -EINVAL);
            assert_int_equal(zone_of(&b, 2).state, possible ? target : O);
            assert_int_equal(w.calls, possible && states[i] != target);
            bed_close(&b);
        }
    struct bed b = bed_open(NULL);
    struct err e = {0};
    assert_int_equal(fail_zone(&b, ZONES, RO, &e), -EINVAL);
    assert_int_equal(fail_zone(&b, 0, F, &e), -EINVAL);
    bed_close(&b);
}

static void test_zns_rule41_recommendations_and_excursions(void **state) {
    struct bed b = bed_open(ARGS("zns.finish_recommend_after=1s", "zns.finish_after=3s", "zns.reset_recommend_after=2s",
                                 "zns.excursions=yes"));
    struct watcher w = {.watch.changed = changed};
    struct drive_zoned_limits l;
    b.zoned->watch(b.drive, &w.watch);
    b.zoned->limits(b.drive, &l);
    assert_true(l.excursions);
    assert_int_equal(l.finish_limits_s[0], 2);
    make(&b, 0, IMP);
    make(&b, 1, EXP);
    sim_run(b.sim, 500000000);
    make(&b, 2, C);
    assert_int_equal(act(&b, ZONE_RESET, 1), IO_OK);
    sim_run(b.sim, 1100000000);
    assert_int_equal(zone_of(&b, 0).attributes, ZONE_FINISH_RECOMMENDED);
    assert_int_equal(w.calls, 1);
    assert_int_equal(w.last, 0);
    sim_run(b.sim, 1600000000);
    assert_int_equal(zone_of(&b, 2).attributes, ZONE_FINISH_RECOMMENDED);
    assert_int_equal(w.calls, 2);
    assert_int_equal(act(&b, ZONE_FINISH, 2), IO_OK);
    assert_int_equal(zone_of(&b, 2).attributes, 0);
    sim_run(b.sim, 3100000000);
    expect_state(&b, 0, F, 0);
    assert_int_equal(zone_of(&b, 0).attributes, ZONE_FINISHED_BY_CONTROLLER);
    assert_int_equal(w.calls, 3);
    assert_int_equal(write_at(&b, BLOCK, BLOCK), IO_ZONE_IS_FULL);
    says("by the controller");
    assert_int_equal(read_at(&b, 0, BLOCK, 1), IO_OK);
    sim_run(b.sim, 5200000000);
    assert_int_equal(zone_of(&b, 0).attributes, ZONE_FINISHED_BY_CONTROLLER | ZONE_RESET_RECOMMENDED);
    assert_int_equal(zone_of(&b, 2).attributes, ZONE_RESET_RECOMMENDED);
    assert_int_equal(w.calls, 5);
    assert_int_equal(act(&b, ZONE_RESET, 0), IO_OK);
    assert_int_equal(zone_of(&b, 0).attributes, 0);
    bed_close(&b);
}

static void test_zns_rule43_requests_are_no_events(void **state) {
    struct bed b = bed_open(NULL);
    struct watcher w = {.watch.changed = changed};
    b.zoned->watch(b.drive, &w.watch);
    for (unsigned i = 0; i < 4; i++)
        make(&b, i, IMP); /* one is closed for the fourth */
    assert_int_equal(write_at(&b, 4 * SIZE, CAPACITY), IO_OK);
    assert_int_equal(act_all(&b, ZONE_FINISH), IO_OK);
    assert_int_equal(act_all(&b, ZONE_RESET), IO_OK);
    make(&b, 5, EXP);
    b.zoned->shutdown(b.drive, 0, ZONES);
    b.zoned->format(b.drive, 0, ZONES);
    assert_int_equal(w.calls, 0);
    bed_close(&b);
}

static void test_zns_rule46_blocks_of_empty_zones_are_deallocated(void **state) {
    struct bed b = bed_open(NULL);
    assert_int_equal(write_at(&b, 0, CAPACITY), IO_OK);
    assert_true(drive_mapped(b.drive, 0, SIZE));
    assert_int_equal(act(&b, ZONE_RESET, 0), IO_OK);
    assert_false(drive_mapped(b.drive, 0, b.config.drive.capacity));
    assert_int_equal(read_at(&b, 0, SIZE, 0), IO_OK);
    assert_true(unmapped);
    bed_close(&b);
}

/* --- failing flash --- */

static void fail_next(struct bed *b, uint8_t kind, uint32_t count) {
    struct nand_fault fault = {.kind = kind, .die = NAND_ANY, .plane = NAND_ANY, .block = NAND_ANY, .count = count};
    struct err e = {0};
    assert_int_equal(nand_fault_add(drive_nand(b->drive), &fault, &e), 0);
}

/* Writes until one fails, or all of the zone. */
static uint16_t fill_zone(struct bed *b, uint32_t zone) {
    uint16_t status = IO_OK;
    uint64_t capacity = zone_of(b, zone).capacity;
    for (uint64_t at = 0; at < capacity && !status; at += 64 * KIB)
        status = write_at(b, zone * (uint64_t)SIZE + at, 64 * KIB);
    sim_run(b->sim, sim_now(b->sim) + 100000000);
    return status;
}

static void test_zns_worn_zone_becomes_read_only(void **state) {
    struct bed b = bed_open(ARGS("nand.blocks=16"));
    struct watcher w = {.watch.changed = changed};
    b.zoned->watch(b.drive, &w.watch);
    fail_next(&b, NAND_PROGRAM, 1);
    fill_zone(&b, 2);
    expect_state(&b, 2, RO, 0);
    assert_int_equal(w.calls, 1);
    assert_int_equal(w.last, 2);
    assert_int_equal(read_at(&b, 2 * SIZE, BLOCK, 1 + 2 * SIZE / BLOCK % 255), IO_OK);
    assert_int_equal(write_at(&b, 2 * SIZE, BLOCK), IO_ZONE_IS_READ_ONLY);
    bed_close(&b);
}

static void test_zns_rule22_worn_zone_shrinks_at_its_reset(void **state) {
    struct bed b = bed_open(ARGS("nand.blocks=16", "zns.variable_capacity=yes", "zns.excursions=yes"));
    struct watcher w = {.watch.changed = changed};
    b.zoned->watch(b.drive, &w.watch);
    fail_next(&b, NAND_PROGRAM, 1);
    fill_zone(&b, 2);
    expect_state(&b, 2, F, 0);
    assert_int_equal(zone_of(&b, 2).attributes, ZONE_FINISHED_BY_CONTROLLER);
    assert_int_equal(zone_of(&b, 2).capacity, CAPACITY); /* until it is reset */
    assert_int_equal(w.calls, 1);
    assert_int_equal(act(&b, ZONE_RESET, 2), IO_OK);
    assert_int_equal(result, 1);
    assert_int_equal(zone_of(&b, 2).capacity, CAPACITY / 2); /* one of two dies is left */
    assert_int_equal(fill_zone(&b, 2), IO_OK);
    expect_state(&b, 2, F, 0);
    assert_int_equal(act(&b, ZONE_RESET, 2), IO_OK);
    assert_int_equal(result, 0);
    bed_close(&b);
}

static void test_zns_zone_without_blocks_goes_offline(void **state) {
    struct bed b = bed_open(ARGS("nand.blocks=16"));
    struct watcher w = {.watch.changed = changed};
    b.zoned->watch(b.drive, &w.watch);
    assert_int_equal(fill_zone(&b, 2), IO_OK);
    fail_next(&b, NAND_ERASE, 2);
    assert_int_equal(act(&b, ZONE_RESET, 2), IO_OK);
    sim_run(b.sim, sim_now(b.sim) + 100000000);
    expect_state(&b, 2, O, 0);
    assert_int_equal(w.calls, 1);
    assert_int_equal(read_at(&b, 2 * SIZE, BLOCK, -1), IO_ZONE_IS_OFFLINE);
    bed_close(&b);
}

/* It is in the zone's cache, which has no place for its end on the flash that the erase leaves. */
static void test_zns_write_behind_a_reset_that_shrinks_the_zone_is_kept(void **state) {
    struct bed b = bed_open(ARGS("nand.blocks=16"));
    struct req reset, write;
    static char data[2 * MIB];
    memset(data, 9, sizeof data);
    assert_int_equal(fill_zone(&b, 2), IO_OK);
    fail_next(&b, NAND_ERASE, 1);
    start(&b, &reset, IO_ZONE, ZONE_RESET, 0, 2 * SIZE, 0, NULL, 0);
    start(&b, &write, IO_WRITE, 0, 0, 2 * SIZE, 2 * MIB, data, 2 * MIB);
    assert_int_equal(finish(&b, &reset), IO_OK);
    assert_int_equal(finish(&b, &write), IO_OK);
    sim_run(b.sim, sim_now(b.sim) + 100000000);
    expect_state(&b, 2, RO, 0);
    bed_check(&b);
    assert_int_equal(read_at(&b, 2 * SIZE, 2 * MIB, 9), IO_OK);
    assert_int_equal(write_at(&b, 2 * SIZE + 2 * MIB, BLOCK), IO_ZONE_IS_READ_ONLY);
    bed_close(&b);
}

/* Limits are a namespace's: two of them may hold more than the limit of one. */
static void test_zns_restart_keeps_active_zones_of_each_namespace(void **state) {
    char path[] = "/tmp/drivelab-zns-XXXXXX";
    struct bed b = bed_open(NULL);
    struct err e = {0};
    drive_close(b.drive);
    close(mkstemp(path));
    unlink(path);
    for (unsigned i = 0; i < 2; i++) {
        b.drive = drive_open(&b.config, "file", path, b.sim, &e);
        assert_non_null(b.drive);
        b.zoned->divide(b.drive, 2);
        for (uint32_t zone = 6; zone < 13; zone++)
            if (i == 0)
                assert_int_equal(write_at(&b, zone * SIZE, BLOCK), IO_OK);
            else
                expect_state(&b, zone, ZONE_STATE_CLOSED, BLOCK);
        bed_check(&b);
        drive_close(b.drive);
    }
    sim_free(b.sim);
    unlink(path);
}

/* --- damaged images --- */

static struct zns_durable *zone_state_of(struct bed *b, uint32_t zone) {
    return &zns_of(b->drive)->zones[zone];
}

static void test_zns_damaged_image_is_refused(void **state) {
    static const struct {
        const char *what;
        size_t at;
        uint64_t value;
    } damages[] = {
        {"write pointer", offsetof(struct zns_durable, wp), CAPACITY + BLOCK},
        {"capacity", offsetof(struct zns_durable, capacity), SIZE + BLOCK},
        {"commit", offsetof(struct zns_durable, commit_to), 1ull << 60},
        {"area", offsetof(struct zns_durable, window_from), 1ull << 60},
        {"store", offsetof(struct zns_durable, storing_to), SIZE + BLOCK},
        {"stale", offsetof(struct zns_durable, stale_to), 1ull << 60},
        {"random write area", offsetof(struct zns_durable, mark),
         ZONE_STATE_CLOSED | ZONE_ZRWA_VALID << 8}, /* of a drive that has none */
        {"state", offsetof(struct zns_durable, mark), 5},
    };
    for (unsigned i = 0; i < sizeof damages / sizeof *damages; i++) {
        char path[] = "/tmp/drivelab-zns-XXXXXX";
        struct bed b = bed_open(NULL);
        struct err e = {0};
        drive_close(b.drive);
        int fd = mkstemp(path);
        close(fd);
        unlink(path);
        b.drive = drive_open(&b.config, "file", path, b.sim, &e);
        assert_non_null(b.drive);
        assert_int_equal(write_at(&b, 2 * SIZE, BLOCK), IO_OK);
        struct zns_durable *z = zone_state_of(&b, 2);
        if (damages[i].at)
            memcpy((char *)z + damages[i].at, &damages[i].value, sizeof damages[i].value);
        else
            memcpy(&z->mark, &damages[i].value, sizeof z->mark);
        if (damages[i].at == offsetof(struct zns_durable, commit_to))
            z->mark.pending = ZONE_FLUSH_ZRWA;
        drive_close(b.drive);
        b.drive = drive_open(&b.config, "file", path, b.sim, &e);
        if (b.drive || !strstr(e.text, "damaged"))
            fail_msg("%s: %s", damages[i].what, b.drive ? "opened" : e.text);
        sim_free(b.sim);
        unlink(path);
    }
}

#define SHRINKING "nand.blocks=16", "zns.variable_capacity=yes", "zns.excursions=yes"

/* A zone of which one of two dies is left, Full: its reset halves the capacity. */
static void shrink_at_reset(struct bed *b, uint32_t zone) {
    fail_next(b, NAND_PROGRAM, 1);
    fill_zone(b, zone);
    expect_state(b, zone, F, 0);
    assert_int_equal(zone_of(b, zone).capacity, CAPACITY);
}

static void test_zns_write_behind_a_reset_knows_the_new_capacity(void **state) {
    struct bed b = bed_open(ARGS(SHRINKING));
    struct req reset, write;
    static const char data[BLOCK];
    shrink_at_reset(&b, 2);
    start(&b, &reset, IO_ZONE, ZONE_RESET, 0, 2 * SIZE, 0, NULL, 0);
    start(&b, &write, IO_WRITE, 0, 0, 2 * SIZE, BLOCK, data, BLOCK); /* before the reset is answered */
    assert_int_equal(finish(&b, &reset), IO_OK);
    assert_int_equal(result, 1);
    assert_int_equal(finish(&b, &write), IO_OK);
    assert_int_equal(zone_of(&b, 2).capacity, CAPACITY / 2);
    for (uint64_t at = BLOCK; at < CAPACITY / 2; at += BLOCK)
        assert_int_equal(write_at(&b, 2 * SIZE + at, BLOCK), IO_OK);
    expect_state(&b, 2, F, 0);
    bed_close(&b);
}

/* --- random write areas --- */

#define WINDOWED "zns.zrwa_zones=2", "zns.zrwa_bytes=64KiB", "zns.zrwa_granularity=16KiB"
enum { Z = 64 * KIB, G = 16 * KIB };

static void give(struct bed *b, uint32_t zone) {
    assert_int_equal(act_flags(b, ZONE_OPEN, zone, IO_ZRWA), IO_OK);
    assert_int_equal(zone_of(b, zone).attributes & ZONE_ZRWA_VALID, ZONE_ZRWA_VALID);
}

static uint16_t flush_to(struct bed *b, uint64_t end) {
    struct req r;
    start(b, &r, IO_ZONE, ZONE_FLUSH_ZRWA, 0, end, 0, NULL, 0);
    return finish(b, &r);
}

static void test_zns_zrwa_is_given_at_open_or_with_an_extension(void **state) {
    struct bed b = bed_open(NULL);
    assert_int_equal(act_flags(&b, ZONE_OPEN, 0, IO_ZRWA), IO_ZONE_INVALID_OPERATION);
    expect_state(&b, 0, E, 0);
    bed_close(&b);
    b = bed_open(ARGS(WINDOWED, "zns.extension_bytes=64"));
    give(&b, 0);
    give(&b, 0); /* again: no second one */
    assert_int_equal(set_extension(&b, 1, "x", 2, IO_ZRWA), IO_OK);
    assert_int_equal(zone_of(&b, 1).attributes, ZONE_ZRWA_VALID | ZONE_EXTENSION_VALID);
    assert_int_equal(act_flags(&b, ZONE_OPEN, 2, IO_ZRWA), IO_ZONE_NO_ZRWA);
    says("NUMZRWA");
    expect_state(&b, 2, E, 0);
    assert_int_equal(act(&b, ZONE_RESET, 0), IO_OK);
    assert_int_equal(write_at(&b, 2 * SIZE, BLOCK), IO_OK);
    assert_int_equal(act_flags(&b, ZONE_OPEN, 2, IO_ZRWA), IO_ZONE_NO_ZRWA); /* not at a multiple */
    says("ZRWAFG");
    assert_int_equal(write_at(&b, 2 * SIZE + BLOCK, G - BLOCK), IO_OK);
    give(&b, 2);
    assert_int_equal(act_all(&b, ZONE_CLOSE), IO_OK);
    assert_int_equal(zone_of(&b, 2).attributes, ZONE_ZRWA_VALID); /* kept */
    struct req r;
    start(&b, &r, IO_ZONE, ZONE_OPEN, IO_ZONE_ALL | IO_ZRWA, 0, b.config.drive.capacity, NULL, 0);
    assert_int_equal(finish(&b, &r), IO_INVALID_FIELD);
    bed_close(&b);
}

static void test_zns_zrwa_takes_writes_in_any_order(void **state) {
    struct bed b = bed_open(ARGS(WINDOWED));
    give(&b, 1);
    assert_int_equal(write_at(&b, SIZE + 3 * BLOCK, BLOCK), IO_OK);
    assert_int_equal(write_at(&b, SIZE, BLOCK), IO_OK);
    assert_int_equal(write_at(&b, SIZE, BLOCK), IO_OK);
    assert_int_equal(write_at(&b, SIZE + Z - BLOCK, BLOCK), IO_OK);
    expect_state(&b, 1, EXP, 0);
    assert_int_equal(read_at(&b, SIZE + 3 * BLOCK, BLOCK, 1 + (SIZE / BLOCK + 3) % 255), IO_OK);
    assert_false(unmapped);
    assert_int_equal(read_at(&b, SIZE + BLOCK, 2 * BLOCK, 0), IO_OK);
    assert_true(unmapped);
    assert_int_equal(append_to(&b, SIZE, BLOCK), IO_ZONE_INVALID_OPERATION);
    assert_int_equal(write_at(&b, SIZE + 2 * Z, BLOCK), IO_ZONE_INVALID_WRITE);
    says("zero-based");
    bed_close(&b);
}

static void test_zns_zrwa_moves_by_implicit_flush(void **state) {
    struct bed b = bed_open(ARGS(WINDOWED));
    give(&b, 1);
    assert_int_equal(write_at(&b, SIZE + Z, BLOCK), IO_OK); /* one block past: one unit */
    expect_state(&b, 1, EXP, G);
    assert_int_equal(write_at(&b, SIZE, BLOCK), IO_ZONE_INVALID_WRITE);
    says("below the random write area");
    assert_int_equal(write_at(&b, SIZE + G + Z, Z), IO_OK); /* the last of the upper part */
    expect_state(&b, 1, EXP, G + Z);
    assert_int_equal(read_at(&b, SIZE + G + Z, Z, 1 + (SIZE + G + Z) / BLOCK % 255), IO_OK);
    assert_int_equal(write_at(&b, SIZE + G + Z + Z, Z + BLOCK), IO_ZONE_INVALID_WRITE);
    bed_close(&b);
}

static void test_zns_zrwa_explicit_flush(void **state) {
    struct bed b = bed_open(ARGS(WINDOWED));
    assert_int_equal(flush_to(&b, SIZE + G), IO_INVALID_FIELD); /* has none */
    give(&b, 1);
    assert_int_equal(write_at(&b, SIZE, Z), IO_OK);
    assert_int_equal(flush_to(&b, SIZE + BLOCK), IO_INVALID_FIELD);
    says("ZRWAFG");
    assert_int_equal(flush_to(&b, SIZE + Z + G), IO_ZONE_BOUNDARY);
    assert_int_equal(flush_to(&b, SIZE + Z + BLOCK), IO_ZONE_BOUNDARY); /* one past: the last block is named */
    says("the last block is named");
    assert_int_equal(flush_to(&b, SIZE + G), IO_OK);
    expect_state(&b, 1, EXP, G);
    assert_int_equal(flush_to(&b, SIZE + G), IO_ZONE_BOUNDARY);
    assert_int_equal(flush_to(&b, SIZE + Z + G), IO_OK);
    expect_state(&b, 1, EXP, Z + G);
    assert_int_equal(act(&b, ZONE_CLOSE, 1), IO_OK);
    assert_int_equal(write_at(&b, SIZE + Z + G, G), IO_OK);
    assert_int_equal(act(&b, ZONE_CLOSE, 1), IO_OK);
    assert_int_equal(flush_to(&b, SIZE + Z + 2 * G), IO_OK); /* opens it, as a write */
    expect_state(&b, 1, IMP, Z + 2 * G);
    struct req r;
    start(&b, &r, IO_ZONE, ZONE_FLUSH_ZRWA, IO_ZONE_ALL, SIZE + Z + 3 * G, 0, NULL, 0);
    assert_int_equal(finish(&b, &r), IO_INVALID_FIELD);
    bed_close(&b);
    b = bed_open(ARGS(WINDOWED, "zns.zrwa_explicit_flush=no"));
    give(&b, 1);
    assert_int_equal(flush_to(&b, SIZE + G), IO_ZONE_INVALID_OPERATION);
    bed_close(&b);
}

static void test_zns_zrwa_near_the_end_of_the_zone(void **state) {
    struct bed b = bed_open(ARGS(WINDOWED));
    assert_int_equal(write_at(&b, 0, CAPACITY - Z - G), IO_OK);
    give(&b, 0);
    uint64_t top = CAPACITY - G;
    assert_int_equal(write_at(&b, top, 2 * G), IO_ZONE_BOUNDARY);
    assert_int_equal(write_at(&b, top, G + BLOCK), IO_ZONE_BOUNDARY);
    says("zero-based");
    assert_int_equal(write_at(&b, top, G), IO_OK); /* the upper part is one unit */
    expect_state(&b, 0, EXP, CAPACITY - Z);
    assert_int_equal(write_at(&b, CAPACITY - Z, Z), IO_OK); /* and now gone */
    expect_state(&b, 0, EXP, CAPACITY - Z);
    assert_int_equal(flush_to(&b, CAPACITY), IO_OK);
    expect_state(&b, 0, F, 0);
    assert_int_equal(zone_of(&b, 0).attributes, 0);
    give(&b, 1);
    give(&b, 2); /* the pool is whole again */
    bed_close(&b);
}

static void test_zns_zrwa_is_released_with_its_data_kept(void **state) {
    struct bed b = bed_open(ARGS(WINDOWED));
    give(&b, 0);
    give(&b, 1);
    assert_int_equal(write_at(&b, 2 * BLOCK, BLOCK), IO_OK);
    assert_int_equal(write_at(&b, SIZE + 2 * BLOCK, BLOCK), IO_OK);
    assert_int_equal(act(&b, ZONE_FINISH, 0), IO_OK);
    assert_int_equal(read_at(&b, 2 * BLOCK, BLOCK, 3), IO_OK);
    assert_false(unmapped);
    assert_int_equal(zone_of(&b, 0).attributes, 0);
    assert_int_equal(act(&b, ZONE_RESET, 1), IO_OK);
    assert_int_equal(read_at(&b, SIZE + 2 * BLOCK, BLOCK, 0), IO_OK);
    give(&b, 1);
    assert_int_equal(read_at(&b, SIZE, Z, 0), IO_OK);
    assert_true(unmapped);
    give(&b, 2);
    assert_int_equal(write_at(&b, 2 * SIZE, BLOCK), IO_OK);
    assert_int_equal(fail_zone(&b, 2, RO, NULL), 0);
    assert_int_equal(read_at(&b, 2 * SIZE, BLOCK, 1 + 2 * SIZE / BLOCK % 255), IO_OK);
    bed_close(&b);
}

static void test_zns_zrwa_survives_shutdown(void **state) {
    struct bed b = bed_open(ARGS(WINDOWED));
    give(&b, 0);
    give(&b, 1);
    assert_int_equal(write_at(&b, SIZE + BLOCK, BLOCK), IO_OK);
    b.zoned->shutdown(b.drive, 0, ZONES);
    expect_state(&b, 0, E, 0); /* nothing written */
    expect_state(&b, 1, C, 0); /* would lose data */
    assert_int_equal(zone_of(&b, 1).attributes, ZONE_ZRWA_VALID);
    assert_int_equal(read_at(&b, SIZE + BLOCK, BLOCK, 1 + (SIZE / BLOCK + 1) % 255), IO_OK);
    bed_close(&b);
}

/* --- reasons --- */

static void test_zns_reasons_speak_of_the_namespace(void **state) {
    struct bed b = bed_open(NULL);
    const struct io_view second = {.base = 8 * (uint64_t)SIZE, .block_bytes = 512};
    struct req r;
    make(&b, 9, IMP);
    memset(&r, 0, sizeof r);
    r.io = (struct io){.op = IO_WRITE,
                       .flags = IO_NO_DATA,
                       .offset = 9 * (uint64_t)SIZE,
                       .bytes = 1024,
                       .done = req_done,
                       .view = &second};
    drive_submit(b.drive, &r.io);
    assert_int_equal(finish(&b, &r), IO_ZONE_INVALID_WRITE);
    says("Write of 2 blocks at LBA 0x2000: ");
    says("zone 1 at LBA 0x2000 is Implicitly Open, write pointer LBA 0x2008, capacity 6144 blocks");
    memset(&r, 0, sizeof r);
    r.io =
        (struct io){.op = IO_WRITE, .flags = IO_NO_DATA, .offset = 9 * (uint64_t)SIZE, .bytes = 1024, .done = req_done};
    drive_submit(b.drive, &r.io);
    assert_int_equal(finish(&b, &r), IO_ZONE_INVALID_WRITE);
    says("zone 9 at byte 37748736");
    bed_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zns_writes_and_reads_back),
        cmocka_unit_test(test_zns_rule01_write_checks_state_then_pointer_then_boundary),
        cmocka_unit_test(test_zns_rule02_write_starts_at_the_pointer),
        cmocka_unit_test(test_zns_rule03_write_stays_below_the_capacity),
        cmocka_unit_test(test_zns_rule04_refused_writes_change_nothing),
        cmocka_unit_test(test_zns_rule05_append_names_the_zone_start),
        cmocka_unit_test(test_zns_rule06_append_is_limited),
        cmocka_unit_test(test_zns_rule07_append_tells_where),
        cmocka_unit_test(test_zns_rule09_appends_in_flight_get_places_of_their_own),
        cmocka_unit_test(test_zns_rule10_reads_of_each_state),
        cmocka_unit_test(test_zns_rule11_reads_across_zones),
        cmocka_unit_test(test_zns_rule13_deallocation_of_offline_zones),
        cmocka_unit_test(test_zns_rule14_writes_open_zones),
        cmocka_unit_test(test_zns_rule15_first_opened_zone_is_closed_for_another),
        cmocka_unit_test(test_zns_rule16_limits),
        cmocka_unit_test(test_zns_rule16_limits_are_per_namespace),
        cmocka_unit_test(test_zns_rule17_close),
        cmocka_unit_test(test_zns_rule18_finish),
        cmocka_unit_test(test_zns_rule19_open),
        cmocka_unit_test(test_zns_rule20_open_all_is_all_or_nothing),
        cmocka_unit_test(test_zns_rule21_reset),
        cmocka_unit_test(test_zns_rule22_reset_clears_the_zone),
        cmocka_unit_test(test_zns_rule23_offline),
        cmocka_unit_test(test_zns_rule24_set_extension),
        cmocka_unit_test(test_zns_rule25_extension_lives_until_empty_or_offline),
        cmocka_unit_test(test_zns_rule26_actions_name_the_zone_start),
        cmocka_unit_test(test_zns_rule33_write_pointer_of_states_without_one),
        cmocka_unit_test(test_zns_rule34_extension_without_zdev_is_zeros),
        cmocka_unit_test(test_zns_rule35_shutdown_closes_zones),
        cmocka_unit_test(test_zns_rule36_format_empties_zones),
        cmocka_unit_test(test_zns_rule39_bad_options_are_refused),
        cmocka_unit_test(test_zns_rule40_zones_fail_from_every_state),
        cmocka_unit_test(test_zns_rule41_recommendations_and_excursions),
        cmocka_unit_test(test_zns_worn_zone_becomes_read_only),
        cmocka_unit_test(test_zns_rule22_worn_zone_shrinks_at_its_reset),
        cmocka_unit_test(test_zns_zone_without_blocks_goes_offline),
        cmocka_unit_test(test_zns_write_behind_a_reset_knows_the_new_capacity),
        cmocka_unit_test(test_zns_write_behind_a_reset_that_shrinks_the_zone_is_kept),
        cmocka_unit_test(test_zns_restart_keeps_active_zones_of_each_namespace),
        cmocka_unit_test(test_zns_damaged_image_is_refused),
        cmocka_unit_test(test_zns_rule43_requests_are_no_events),
        cmocka_unit_test(test_zns_rule46_blocks_of_empty_zones_are_deallocated),
        cmocka_unit_test(test_zns_zrwa_is_given_at_open_or_with_an_extension),
        cmocka_unit_test(test_zns_zrwa_takes_writes_in_any_order),
        cmocka_unit_test(test_zns_zrwa_moves_by_implicit_flush),
        cmocka_unit_test(test_zns_zrwa_explicit_flush),
        cmocka_unit_test(test_zns_zrwa_near_the_end_of_the_zone),
        cmocka_unit_test(test_zns_zrwa_is_released_with_its_data_kept),
        cmocka_unit_test(test_zns_zrwa_survives_shutdown),
        cmocka_unit_test(test_zns_reasons_speak_of_the_namespace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
