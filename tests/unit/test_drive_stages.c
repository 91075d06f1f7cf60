/*
 * What every kind of drive says its requests' time went into: for each request
 * the parts are its latency, for none they are more. Random operations of all
 * kinds on each drive, with and without caches and FUA.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "drive/drive.h"
#include "drive/profile.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum { DEPTH = 12, ZONES = 6, KIB = 1024 };

struct request {
    struct io io;
    struct io_stages stages;
    struct bed *bed;
    bool busy;
};

struct bed {
    struct drive_tap tap; /* first */
    struct sim *sim;
    struct drive *drive;
    struct rng rng;
    struct request request[DEPTH];
    unsigned inflight;
    uint64_t zone_bytes, wp; /* of zone 0, which is written; the others are appended to */
    uint64_t zone_capacity;
    uint64_t done;
    double latency, told;      /* sums */
    double stage[IO_STAGES];   /* sums */
    uint64_t short_of[IO_OPS]; /* requests with time that nobody told */
};

static void submitted(struct drive_tap *tap, struct io *io) {
    struct request *r = (struct request *)io;
    r->stages = (struct io_stages){.told_ns = io->submitted_ns};
    io->stages = &r->stages;
}

static void completed(struct drive_tap *tap, struct io *io) {
    struct bed *b = (struct bed *)tap;
    int64_t sum = 0, latency = io->completed_ns - io->submitted_ns;
    if (io->status != IO_OK)
        return;
    for (unsigned i = 0; i < IO_STAGES; i++) {
        assert_true(io->stages->ns[i] >= 0);
        sum += io->stages->ns[i];
        b->stage[i] += (double)io->stages->ns[i];
    }
    if (sum > latency)
        fail_msg("operation %u, action %u: %lld ns told of %lld", io->op, io->action, (long long)sum,
                 (long long)latency);
    b->short_of[io->op] += sum < latency;
    b->latency += (double)latency;
    b->told += (double)sum;
}

static void done(struct io *io) {
    struct request *r = (struct request *)io;
    r->busy = false;
    r->bed->inflight--;
    r->bed->done++;
    sim_stop(r->bed->sim);
    io_release(io);
}

static struct bed *bed_new(const char *profile, const char *const *args) {
    struct bed *b = calloc(1, sizeof(*b));
    struct drive_config *config = malloc(sizeof(*config));
    struct opt_set set = {0};
    struct err e = {0};
    char name[OPT_STRING_MAX];
    struct drive_zoned_limits zones = {0};
    assert_int_equal(drive_config_init(config, &set, &e), 0);
    if (profile_load(&set, profile, ARGS("nvme", "tcp"), name, &e))
        fail_msg("%s", e.text);
    for (; *args; args++)
        if (opt_assign_arg(&set, *args, &e))
            fail_msg("%s", e.text);
    b->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    b->drive = drive_open(config, "none", NULL, b->sim, &e);
    if (!b->drive)
        fail_msg("%s: %s", profile, e.text);
    free(config);
    if (b->drive->ops->zoned) {
        b->drive->ops->zoned->limits(b->drive, &zones);
        b->zone_capacity = b->drive->config.zns.zone_capacity;
    }
    b->zone_bytes = zones.zone_bytes;
    b->tap = (struct drive_tap){submitted, completed};
    b->drive->tap = &b->tap;
    rng_init(&b->rng, 7, 0);
    return b;
}

static void bed_free(struct bed *b) {
    drive_close(b->drive);
    sim_free(b->sim);
    free(b);
}

static uint64_t pick(struct bed *b, uint64_t below) {
    return rng_below(&b->rng, below);
}

/* Anything a block drive takes, in the first 64 MiB or after the request before. */
static void block_request(struct bed *b, struct io *io) {
    static const uint8_t ops[] = {IO_READ,  IO_READ,  IO_READ,  IO_READ, IO_WRITE,
                                  IO_WRITE, IO_WRITE, IO_FLUSH, IO_TRIM, IO_WRITE_ZEROES};
    io->op = ops[pick(b, sizeof ops)];
    io->bytes = (1 + pick(b, 16)) * 4 * KIB;
    io->offset = pick(b, 3) ? b->wp : pick(b, 1000) * 64 * KIB;
    b->wp = (io->offset + io->bytes) % (60 * KIB * KIB);
    io->flags = IO_NO_DATA | (pick(b, 4) ? 0 : IO_FUA);
}

static void zone_action(struct bed *b, struct io *io) {
    static const uint8_t actions[] = {ZONE_OPEN, ZONE_CLOSE, ZONE_FINISH, ZONE_RESET, ZONE_RESET};
    io->op = IO_ZONE;
    io->action = actions[pick(b, sizeof actions)];
    io->offset = (1 + pick(b, ZONES - 1)) * b->zone_bytes;
    io->bytes = 0;
    if (io->action == ZONE_RESET && !pick(b, 4)) {
        io->flags |= IO_ZONE_ALL;
        io->bytes = 2 * b->zone_bytes;
        io->offset = b->zone_bytes;
    }
}

static void zoned_request(struct bed *b, struct io *io) {
    unsigned kind = (unsigned)pick(b, 20);
    io->bytes = (1 + pick(b, 16)) * 4 * KIB;
    io->flags = IO_NO_DATA | (pick(b, 4) ? 0 : IO_FUA);
    if (kind < 7) {
        io->op = IO_READ;
        io->flags = 0;
        io->offset = pick(b, ZONES) * b->zone_bytes + pick(b, 40) * 64 * KIB;
    } else if (kind < 12 && b->wp + io->bytes <= b->zone_capacity) {
        io->op = IO_WRITE;
        io->offset = b->wp;
        b->wp += io->bytes;
    } else if (kind < 17) {
        io->op = IO_APPEND;
        io->offset = (1 + pick(b, ZONES - 1)) * b->zone_bytes;
    } else if (kind == 17) {
        io->op = IO_FLUSH;
        io->bytes = 0;
    } else {
        zone_action(b, io);
    }
}

static void issue(struct bed *b, struct request *r) {
    memset(&r->io, 0, sizeof(r->io));
    r->bed = b;
    r->busy = true;
    r->io.done = done;
    if (b->zone_bytes)
        zoned_request(b, &r->io);
    else
        block_request(b, &r->io);
    b->inflight++;
    drive_submit(b->drive, &r->io);
}

static void run(struct bed *b, uint64_t count) {
    while (b->done < count) {
        for (unsigned i = 0; i < DEPTH; i++)
            if (!b->request[i].busy && (!b->inflight || !pick(b, 3)))
                issue(b, &b->request[i]);
        sim_run(b->sim, SIM_NEVER);
    }
    while (b->inflight)
        sim_run(b->sim, SIM_NEVER);
}

struct row {
    const char *profile;
    const char *args[8];
    double least;          /* share of all time that is told */
    enum io_stage seen[6]; /* stages that came up; ended by 0 */
};

static const struct row rows[] = {
    {"nossd",
     {"nossd.read_latency=10us", "nossd.write_latency=20us", "nossd.read_bandwidth=1GB", "nossd.write_bandwidth=1GB"},
     1,
     {IO_STAGE_LINK, IO_STAGE_LINK_WAIT, IO_STAGE_FIRMWARE}},
    {"tlc", {NULL}, .995, {IO_STAGE_ARRAY, IO_STAGE_LINK, IO_STAGE_FIRMWARE, IO_STAGE_WRITE_BACK, IO_STAGE_FLASH}},
    {"tlc", {"ssd.write_buffer=256KiB"}, .995, {IO_STAGE_BUFFER_WAIT, IO_STAGE_ARRAY, IO_STAGE_DIE_WAIT}},
    {"hdd-7200",
     {NULL},
     1,
     {IO_STAGE_SEEK, IO_STAGE_ROTATION, IO_STAGE_TRANSFER, IO_STAGE_ARM_WAIT, IO_STAGE_QUEUE_WAIT}},
    {"hdd-7200",
     {"hdd.write_cache=no", "hdd.queue_depth=4"},
     1,
     {IO_STAGE_SEEK, IO_STAGE_ROTATION, IO_STAGE_TRANSFER, IO_STAGE_ARM_WAIT, IO_STAGE_LINK}},
    {"hdd-7200", {"hdd.write_segments=2"}, 1, {IO_STAGE_BUFFER_WAIT, IO_STAGE_WRITE_BACK, IO_STAGE_SEEK}},
    {"hp-97560", {NULL}, 1, {IO_STAGE_SEEK, IO_STAGE_ROTATION, IO_STAGE_TRANSFER, IO_STAGE_QUEUE_WAIT, IO_STAGE_LINK}},
    {"zns-small",
     {NULL},
     1,
     {IO_STAGE_ARRAY, IO_STAGE_DIE_WAIT, IO_STAGE_BUFFER_WAIT, IO_STAGE_LINK, IO_STAGE_FIRMWARE, IO_STAGE_QUEUE_WAIT}},
    {"zns-small", {"zns.volatile_cache=yes"}, 1, {IO_STAGE_ARRAY, IO_STAGE_FLASH, IO_STAGE_WRITE_BACK}},
    {"smr-hm",
     {NULL},
     1,
     {IO_STAGE_SEEK, IO_STAGE_ROTATION, IO_STAGE_TRANSFER, IO_STAGE_ARM_WAIT, IO_STAGE_WRITE_BACK}},
    {"wd-zn540", {NULL}, 1, {IO_STAGE_ARRAY, IO_STAGE_CHANNEL, IO_STAGE_FLASH, IO_STAGE_FIRMWARE, IO_STAGE_QUEUE_WAIT}},
};

static void test_drive_stages_are_the_latency(void **state) {
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct row *row = &rows[i];
        struct bed *b = bed_new(row->profile, row->args);
        run(b, 4000);
        assert_true(b->latency > 0);
        for (unsigned op = 0; op < IO_OPS; op++)
            if (row->least == 1 && b->short_of[op])
                fail_msg("row %u, %s: %llu of operation %u have time that nobody told", i, row->profile,
                         (unsigned long long)b->short_of[op], op);
        if (b->told < row->least * b->latency)
            fail_msg("row %u, %s: only %.4f of the time is told", i, row->profile, b->told / b->latency);
        for (unsigned s = 0; s < 6 && (!s || row->seen[s]); s++)
            if (b->stage[row->seen[s]] <= 0)
                fail_msg("row %u, %s: stage %u did not come up", i, row->profile, row->seen[s]);
        bed_free(b);
    }
}

/* What was told in the order of time stays told; what comes later adds only its own. */
static void test_drive_stages_count_no_moment_twice(void **state) {
    struct io_stages stages = {.told_ns = 100};
    struct io io = {.stages = &stages};
    io_spent(&io, IO_STAGE_SEEK, 90);
    io_spent(&io, IO_STAGE_LINK, 150);
    io_spent(&io, IO_STAGE_SEEK, 120);
    io_spent(&io, IO_STAGE_FIRMWARE, 175);
    assert_int_equal(stages.ns[IO_STAGE_SEEK], 0);
    assert_int_equal(stages.ns[IO_STAGE_LINK], 50);
    assert_int_equal(stages.ns[IO_STAGE_FIRMWARE], 25);
    io.stages = NULL;
    io_spent(&io, IO_STAGE_LINK, 500); /* nobody asks */
    assert_int_equal(stages.told_ns, 175);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drive_stages_are_the_latency),
        cmocka_unit_test(test_drive_stages_count_no_moment_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
