/*
 * The flash under zones, driven without the zone rules: where zones lie, what
 * writes, reads, finishes and resets cost, who disturbs whom, power cuts,
 * failing blocks.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/rng.h"
#include "drive/profile.h"
#include "drive/zns/flash/flash.h"

enum { MiB = 1 << 20, KiB = 1024, DEPTH = 64 };

struct bed {
    struct drive_config config;
    struct sim *sim;
    struct store *store;
    struct zns_media *media;
    struct zns_flash *flash;      /* the same */
    struct zns_media_owner owner; /* container_of by hand */
    struct err err;
    struct io io[DEPTH];
    unsigned done, zone_fails;
    uint32_t failed_zone;
    uint64_t failed_capacity;
    int64_t last_ns;
};

static struct bed *bed_of(struct zns_media_owner *owner) {
    return (struct bed *)((char *)owner - offsetof(struct bed, owner));
}

static void bed_done(struct zns_media_owner *owner, struct io *io) {
    struct bed *b = bed_of(owner);
    b->done++;
    b->last_ns = io->completed_ns = sim_now(b->sim);
    if (io->done)
        io->done(io);
}

static void bed_zone_failed(struct zns_media_owner *owner, uint32_t zone, uint64_t capacity) {
    struct bed *b = bed_of(owner);
    b->zone_fails++;
    b->failed_zone = zone;
    b->failed_capacity = capacity;
}

/* 2 channels x 2 dies x 2 planes x 20 blocks of 12 pages: 16 zones of two dies, 1.5 MiB each. */
static void bed_defaults(struct bed *b) {
    struct opt_set set = {0};
    memset(b, 0, sizeof *b);
    assert_int_equal(drive_config_init(&b->config, &set, &b->err), 0);
    struct drive_config *c = &b->config;
    c->nand.channels = c->nand.luns = c->nand.planes = 2;
    c->nand.blocks = 20;
    c->nand.pages = 24;
    c->nand.page_bytes = 16384;
    c->zns.zone_size = 3 * MiB;
    c->zns.zone_capacity = 3 * MiB / 2;
    c->zns_media.dies_per_zone = 2;
    c->zns_media.zone_cache = 192 * KiB;
    c->drive.capacity = 32 * c->zns.zone_size;
}

static void bed_open(struct bed *b) {
    b->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &b->err);
    assert_non_null(b->sim);
    bool fresh;
    struct store_config sc = {.kind = "none", .bytes = b->config.drive.capacity, .identity = "test"};
    b->store = store_open(&sc, b->sim, &fresh, &b->err);
    assert_non_null(b->store);
    b->owner = (struct zns_media_owner){bed_done, bed_zone_failed};
    b->media = zns_flash_ops.create(&b->config, b->sim, b->store, true, &b->owner, &b->err);
    b->flash = flash_of(b->media);
    if (!b->media)
        fail_msg("%s", b->err.text);
}

static void bed_check(struct bed *b) {
    if (zns_flash_ops.check_state(b->media, &b->err))
        fail_msg("%s", b->err.text);
}

static void bed_close(struct bed *b) {
    bed_check(b);
    for (unsigned i = 0; i < DEPTH; i++)
        io_release(&b->io[i]);
    zns_flash_ops.free(b->media);
    store_close(b->store);
    sim_free(b->sim);
}

static void run(struct bed *b) {
    sim_run(b->sim, SIM_NEVER);
    bed_check(b);
}

static struct io *fresh_io(struct bed *b, unsigned i, uint8_t op, uint32_t zone, uint64_t at, uint64_t bytes) {
    struct io *io = &b->io[i];
    io_release(io);
    io_init(io);
    io->op = op;
    io->offset = zone * b->config.zns.zone_size + at;
    io->bytes = bytes;
    io->submitted_ns = sim_now(b->sim);
    return io;
}

static int64_t took(const struct io *io) {
    return io->completed_ns - io->submitted_ns;
}

static int64_t write_one(struct bed *b, uint32_t zone, uint64_t at, uint64_t bytes) {
    struct io *io = fresh_io(b, 0, IO_WRITE, zone, at, bytes);
    unsigned done = b->done;
    zns_media_write(b->media, zone, at, bytes, ZNS_WRITE, io);
    assert_int_equal(b->done, done); /* never from inside */
    while (b->done == done)
        sim_run(b->sim, sim_now(b->sim) + 1000);
    return took(io);
}

static void write_range(struct bed *b, uint32_t zone, uint64_t from, uint64_t to, uint64_t step) {
    for (uint64_t at = from; at < to; at += step) {
        write_one(b, zone, at, step < to - at ? step : to - at);
        assert_int_equal(b->io[0].status, IO_OK);
    }
}

static struct io *read_one(struct bed *b, uint32_t zone, uint64_t at, uint64_t bytes, uint64_t mapped) {
    struct io *io = fresh_io(b, 1, IO_READ, zone, at, bytes);
    zns_media_read(b->media, zone, at, bytes, mapped, io);
    run(b);
    return io;
}

static struct io *reset_one(struct bed *b, uint32_t zone, uint64_t written, bool finished) {
    struct io *io = fresh_io(b, 2, IO_ZONE, zone, 0, 0);
    zns_media_reset(b->media, zone, written, finished, io);
    run(b);
    return io;
}

static struct io *finish_one(struct bed *b, uint32_t zone, uint64_t written) {
    struct io *io = fresh_io(b, 3, IO_ZONE, zone, 0, 0);
    zns_media_finish(b->media, zone, written, true, io);
    run(b);
    return io;
}

static uint64_t programs(const struct bed *b) {
    return nand_counters(b->flash->nand)->ops[NAND_PROGRAM][NAND_HOST];
}

static uint64_t flash_reads(const struct bed *b) {
    return nand_counters(b->flash->nand)->ops[NAND_READ][NAND_HOST];
}

/* --- geometry --- */

static void refused(struct bed *b, const char *part, const char *nearest) {
    struct err e = {0};
    assert_int_equal(zns_flash_ops.check(&b->config, &e), -EINVAL);
    if (!strstr(e.text, part) || !strstr(e.text, nearest))
        fail_msg("\"%s\" says neither \"%s\" nor \"%s\"", e.text, part, nearest);
}

static void test_zns_media_check_names_rule_and_nearest(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    assert_int_equal(zns_flash_ops.check(&b.config, &b.err), 0);
    b.config.zns_media.dies_per_zone = 3;
    refused(&b, "zns.dies_per_zone = 3", "2 and 4");
    bed_defaults(&b);
    b.config.zns_media.stripe_pages = 5;
    refused(&b, "zns.stripe_pages = 5", "4 and 6");
    bed_defaults(&b);
    b.config.zns.zone_capacity = 2 * MiB; /* blocks are 1.5 MiB for two dies */
    refused(&b, "zns.zone_capacity = 2097152", "1572864 and 3145728");
    b.config.zns_media.part_blocks = true;
    refused(&b, "nand.blocks = 20", "20");
    bed_defaults(&b);
    b.config.zns.zone_capacity = 0;
    refused(&b, "zns.zone_capacity = 0", "at least");
    bed_defaults(&b);
    b.config.nand.blocks = 15;
    refused(&b, "nand.blocks = 15", "30");
    bed_defaults(&b);
    b.config.zns_media.zone_cache = 64 * KiB;
    refused(&b, "zns.zone_cache = 65536", "98304");
    bed_defaults(&b);
    b.config.zns.zone_capacity = 4 * MiB;
    refused(&b, "zns.zone_capacity = 4194304", "3145728");
    bed_defaults(&b);
    b.config.zns.zone_size = 0;
    refused(&b, "zns.zone_size = 0", "up to");
    bed_defaults(&b);
    b.config.nand.page_bytes = 1000;
    refused(&b, "nand.page_bytes", "512");
}

/* Every unit of every zone has pages of its own, on the zone's dies, in order. */
static void zones_are_disjoint(uint32_t dies_per_zone, uint64_t zone_size, uint64_t capacity, uint32_t zones) {
    struct bed b;
    bed_defaults(&b);
    b.config.zns_media.dies_per_zone = dies_per_zone;
    b.config.zns.zone_size = zone_size;
    b.config.zns.zone_capacity = capacity;
    b.config.zns_media.part_blocks = true;
    b.config.drive.capacity = zones * zone_size;
    bed_open(&b);
    struct zns_flash *m = b.flash;
    uint64_t pages = nand_block_count(&b.config.nand) * b.config.nand.pages;
    uint8_t *used = calloc(pages, 1);
    for (uint32_t zone = 0; zone < zones; zone++) {
        assert_int_equal(zns_media_capacity(b.media, zone), capacity);
        for (uint64_t unit = 0; unit * m->unit_bytes < capacity; unit++) {
            struct zns_place at = zns_map_unit(m, zone, unit);
            uint32_t nth = at.die % b.config.nand.luns * b.config.nand.channels + at.die / b.config.nand.luns;
            assert_int_equal(nth / m->dies, zone % m->groups);
            for (uint32_t i = 0; i < m->planes * m->stripe; i++) {
                uint32_t plane = i % m->planes, block = zns_map_block(m, zone, at.block_slot + plane);
                uint64_t page = nand_block_index(&b.config.nand, at.die, plane, block) * b.config.nand.pages + at.page +
                                i / m->planes;
                assert_true(page < pages);
                assert_int_equal(used[page]++, 0);
            }
        }
    }
    free(used);
    bed_close(&b);
}

static void test_zns_media_zones_are_disjoint(void **state) {
    (void)state;
    zones_are_disjoint(1, 2 * MiB, 768 * KiB, 80);
    zones_are_disjoint(2, 3 * MiB, 3 * MiB / 2, 40);
    zones_are_disjoint(4, 3 * MiB, 3 * MiB, 20);
    zones_are_disjoint(4, 16 * MiB, 7 * MiB, 6); /* three sets, the last not used up */
    zones_are_disjoint(1, 16 * MiB, 5 * MiB + 4096, 8);
}

/* --- writes and reads --- */

static void test_zns_media_small_writes_are_answered_from_the_cache(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    bed_open(&b);
    const struct zns_media_config *c = &b.config.zns_media;
    int64_t link = (int64_t)(8192 * 1e9 / (double)c->host_bandwidth);
    int64_t want = c->write_command + c->write_unit_time + link + c->write_accept + c->write_answer;
    for (unsigned i = 0; i < 20; i++)
        assert_in_range(write_one(&b, 0, i * 4096, 4096), want - 2, want + 2);
    run(&b);
    assert_int_equal(programs(&b), 0); /* a unit is 24 of them */
    write_range(&b, 0, 20 * 4096, 24 * 4096, 4096);
    run(&b);
    assert_int_equal(programs(&b), 6);
    bed_close(&b);
}

static void test_zns_media_full_zone_is_on_flash(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    b.config.zns.zone_capacity = 3 * MiB / 2 - 40 * KiB; /* ends inside a unit */
    b.config.zns_media.part_blocks = true;
    bed_open(&b);
    uint64_t capacity = zns_media_capacity(b.media, 3);
    write_range(&b, 3, 0, capacity, 20 * KiB);
    run(&b);
    assert_int_equal(programs(&b), 96);
    assert_int_equal(b.flash->zone[3].durable, capacity);
    assert_int_equal(b.flash->zone[3].cached, 0);
    for (uint64_t at = 0; at < capacity; at += 40 * KiB)
        assert_int_equal(read_one(&b, 3, at, 8 * KiB, 8 * KiB)->status, IO_OK);
    assert_int_equal(b.flash->count.cache_read_pages, 0);
    bed_close(&b);
}

/* Behind a part of a unit, which stays in the cache until more comes. */
static void test_zns_media_write_larger_than_the_cache_is_taken(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    b.config.zns_media.zone_cache = 96 * KiB; /* one unit */
    bed_open(&b);
    write_range(&b, 0, 0, 8 * KiB, 8 * KiB);
    write_range(&b, 0, 8 * KiB, 8 * KiB + 500 * KiB, 500 * KiB);
    write_range(&b, 0, 508 * KiB, 508 * KiB + 96 * KiB, 96 * KiB); /* with the rest of it more than the cache */
    run(&b);
    assert_int_equal(programs(&b), 36);
    bed_close(&b);
}

static void test_zns_media_writes_go_at_the_dies_pace(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    bed_open(&b);
    uint64_t bytes = 3 * MiB / 2;
    int64_t start = sim_now(b.sim);
    write_range(&b, 0, 0, bytes, 96 * KiB);
    run(&b);
    /* 16 units over two dies, three multi-plane programs each */
    int64_t least = 8 * 3 * b.config.nand.program_time.ns[0];
    assert_in_range(sim_now(b.sim) - start, least, least + least / 10);
    assert_true(b.flash->count.stalls > 0);
    bed_close(&b);
}

static void test_zns_media_read_of_cached_and_unwritten(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    bed_open(&b);
    write_range(&b, 0, 0, 100 * KiB, 4 * KiB);
    run(&b);
    const struct zns_media_config *c = &b.config.zns_media;
    struct io *io = read_one(&b, 0, 96 * KiB, 4 * KiB, 4 * KiB); /* the unit's rest is in the cache */
    assert_in_range(took(io), c->read_firmware + c->cache_read, c->read_firmware + c->cache_read + 4000);
    assert_int_equal(flash_reads(&b), 0);
    io = read_one(&b, 0, 0, 4 * KiB, 4 * KiB);
    assert_int_equal(flash_reads(&b), 1);
    assert_in_range(took(io), b.config.nand.read_time.ns[0] + c->read_firmware, 80000);
    io = read_one(&b, 0, 200 * KiB, 4 * KiB, 0);
    assert_int_equal(flash_reads(&b), 1);
    assert_in_range(took(io), c->read_firmware + c->unmapped_read, 20000);
    read_one(&b, 0, 80 * KiB, 40 * KiB, 20 * KiB); /* a page on flash, one in the cache, the rest unwritten */
    assert_int_equal(flash_reads(&b), 2);
    bed_close(&b);
}

static void test_zns_media_reads_of_several_zones_are_one(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    bed_open(&b);
    for (uint32_t zone = 0; zone < 3; zone++)
        zns_media_fill(b.media, zone, 3 * MiB / 2);
    struct io *io = fresh_io(&b, 1, IO_READ, 0, 0, 3 * 64 * KiB);
    zns_media_begin(b.media, io);
    for (uint32_t zone = 0; zone < 3; zone++)
        zns_media_read(b.media, zone, 0, 64 * KiB, 64 * KiB, io);
    zns_media_end(b.media, io);
    run(&b);
    assert_int_equal(b.done, 1);
    assert_int_equal(flash_reads(&b), 12);
    bed_close(&b);
}

static void test_zns_media_read_ahead_of_one_stream_only(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    b.config.zns_media.read_ahead = 256 * KiB;
    b.config.zns_media.dies_per_zone = 4;
    b.config.zns.zone_capacity = 3 * MiB;
    b.config.drive.capacity = 16 * b.config.zns.zone_size;
    bed_open(&b);
    for (uint32_t zone = 0; zone < 2; zone++)
        zns_media_fill(b.media, zone, 3 * MiB);
    int64_t first = took(read_one(&b, 0, 0, 32 * KiB, 32 * KiB)), last = 0;
    for (uint64_t at = 32 * KiB; at < 3 * MiB; at += 32 * KiB)
        last = took(read_one(&b, 0, at, 32 * KiB, 32 * KiB));
    assert_true(last < first / 2);
    uint64_t ahead = b.flash->count.ahead_pages;
    assert_in_range(ahead, 150, 192); /* each page once */
    for (uint64_t at = 0; at < 1 * MiB; at += 32 * KiB)
        for (uint32_t zone = 0; zone < 2; zone++)
            assert_true(took(read_one(&b, zone, at, 32 * KiB, 32 * KiB)) > first / 2);
    assert_int_equal(b.flash->count.ahead_pages, ahead);
    bed_close(&b);
}

/* Time of the last half of a stream of 64 KiB reads, two at a time. */
static int64_t stream_of_two(uint64_t command_bytes, int64_t hit_ns) {
    enum { BYTES = 64 * KiB };
    struct bed b;
    bed_defaults(&b);
    b.config.zns_media.read_ahead = 512 * KiB;
    b.config.zns_media.read_ahead_command = command_bytes;
    b.config.zns_media.read_ahead_hit = hit_ns;
    b.config.zns_media.host_bandwidth = 0;
    b.config.zns_media.dies_per_zone = 4;
    b.config.zns.zone_capacity = 3 * MiB;
    b.config.drive.capacity = 16 * b.config.zns.zone_size;
    bed_open(&b);
    zns_media_fill(b.media, 0, 3 * MiB);
    int64_t from = 0;
    for (unsigned n = 0; n < 3 * MiB / BYTES; n++) {
        while (n >= 2 && b.done < n - 1)
            sim_run(b.sim, sim_now(b.sim) + 1000);
        if (n == 3 * MiB / BYTES / 2)
            from = sim_now(b.sim);
        struct io *io = fresh_io(&b, n % 4, IO_READ, 0, n * (uint64_t)BYTES, BYTES);
        zns_media_read(b.media, 0, n * (uint64_t)BYTES, BYTES, BYTES, io);
    }
    run(&b);
    int64_t ns = b.last_ns - from;
    assert_int_equal(b.flash->stream.commands, 0);
    bed_close(&b);
    return ns;
}

static void test_zns_media_read_ahead_shares_its_memory(void **state) {
    (void)state;
    int64_t alone = stream_of_two(0, 0);
    assert_true(stream_of_two(128 * KiB, 0) > alone * 11 / 10); /* half of it is left for two */
    assert_true(stream_of_two(0, 200000) > alone * 11 / 10);
    assert_true(stream_of_two(1 * MiB, 0) > alone * 13 / 10); /* nothing: only what is asked for */
}

static void test_zns_media_word_lines_are_read_by_pages(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    b.config.nand.pages = 8;
    b.config.nand.page_bytes = 49152;
    b.config.nand.multi_plane = false;
    b.config.zns_media.stripe_pages = 1;
    b.config.zns_media.read_unit = 16384;
    bed_open(&b);
    write_range(&b, 0, 0, 3 * MiB / 2, 96 * KiB);
    run(&b);
    assert_int_equal(programs(&b), 32);
    read_one(&b, 0, 0, 96 * KiB, 96 * KiB);
    assert_int_equal(flash_reads(&b), 6);
    read_one(&b, 0, 20 * KiB, 20 * KiB, 20 * KiB);
    assert_int_equal(flash_reads(&b), 8);
    assert_int_equal(b.flash->life->bytes_read, 116 * KiB);
    bed_close(&b);
    b.config.zns_media.read_unit = 10000;
    refused(&b, "zns.read_unit = 10000", "8192 and 12288");
}

static int64_t read_behind_stalled_writes(bool in_order) {
    struct bed b;
    bed_defaults(&b);
    b.config.zns_media.in_order = in_order;
    bed_open(&b);
    zns_media_fill(b.media, 1, 3 * MiB / 2); /* on other dies */
    for (unsigned k = 0; k < 12; k++)
        zns_media_write(b.media, 0, k * 96 * KiB, 96 * KiB, ZNS_WRITE,
                        fresh_io(&b, 10 + k, IO_WRITE, 0, k * 96 * KiB, 96 * KiB));
    sim_run(b.sim, 1000000);
    int64_t took_ns = took(read_one(&b, 1, 0, 4096, 4096));
    bed_close(&b);
    return took_ns;
}

static void test_zns_media_reads_wait_behind_writes_if_in_order(void **state) {
    (void)state;
    assert_in_range(read_behind_stalled_writes(false), 1, 100000);
    assert_true(read_behind_stalled_writes(true) > 2000000);
}

/* --- finish and reset --- */

static void test_zns_media_finish_costs_the_unwritten_part(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    bed_open(&b);
    int64_t last = INT64_MAX, unit = 3 * b.config.nand.program_time.ns[0];
    for (uint32_t n = 1; n <= 15; n += 2) {
        write_range(&b, n, 0, n * 96 * KiB, 96 * KiB);
        run(&b);
        struct io *io = finish_one(&b, n, n * 96 * KiB);
        int64_t least = (16 - n + 1) / 2 * unit;
        assert_in_range(took(io), least, least + unit);
        assert_true(took(io) < last);
        last = took(io);
        assert_int_equal(b.flash->zone[n].durable, 3 * MiB / 2);
    }
    assert_in_range(took(finish_one(&b, 0, 0)), 1, 100000);
    assert_int_equal(b.flash->zone[0].durable, 0);
    bed_close(&b);
}

static void test_zns_media_reset_costs_the_written_part(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    b.config.zns_media.reset_chunk = 64 * KiB;
    bed_open(&b);
    int64_t least = 0;
    for (uint32_t n = 1; n < 16; n += 3) {
        write_range(&b, n, 0, n * 96 * KiB, 96 * KiB);
        run(&b);
        struct io *io = reset_one(&b, n, n * 96 * KiB, false);
        assert_true(took(io) > least);
        least = took(io);
    }
    assert_int_equal(took(reset_one(&b, 0, 0, false)), b.config.zns_media.nothing);
    assert_true(b.flash->count.erased_blocks > 0);
    bed_close(&b);
}

static void test_zns_media_zone_can_be_written_again_after_a_reset(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    bed_open(&b);
    for (unsigned round = 0; round < 5; round++) {
        uint64_t bytes = (round + 1) * 200 * KiB;
        for (uint64_t at = 0; at < bytes; at += 40 * KiB)
            write_one(&b, 5, at, 40 * KiB);
        struct io *io = fresh_io(&b, 2, IO_ZONE, 5, 0, 0);
        zns_media_reset(b.media, 5, bytes, false, io); /* with programs under way */
        if (round % 2)
            run(&b);
    }
    run(&b);
    write_range(&b, 5, 0, 3 * MiB / 2, 96 * KiB);
    run(&b);
    assert_int_equal(b.flash->zone[5].durable, 3 * MiB / 2);
    for (uint64_t at = 0; at < 3 * MiB / 2; at += 96 * KiB)
        assert_int_equal(read_one(&b, 5, at, 16 * KiB, 16 * KiB)->status, IO_OK);
    bed_close(&b);
}

static void test_zns_media_reset_of_many_zones_is_done_once(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    bed_open(&b);
    for (uint32_t zone = 0; zone < 8; zone++)
        zns_media_fill(b.media, zone, 3 * MiB / 2);
    struct io *io = fresh_io(&b, 2, IO_ZONE, 0, 0, 0);
    zns_media_begin(b.media, io);
    for (uint32_t zone = 0; zone < 8; zone++)
        zns_media_reset(b.media, zone, 3 * MiB / 2, false, io);
    zns_media_end(b.media, io);
    run(&b);
    assert_int_equal(b.done, 1);
    assert_int_equal(b.flash->count.erased_blocks, 8 * 4);
    io = fresh_io(&b, 2, IO_ZONE, 0, 0, 0);
    zns_media_begin(b.media, io);
    zns_media_end(b.media, io);
    run(&b);
    assert_int_equal(b.done, 2);
    bed_close(&b);
}

static void test_zns_media_finish_shares_the_dies_with_writes(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    bed_open(&b);
    write_range(&b, 0, 0, 96 * KiB, 96 * KiB);
    write_range(&b, 2, 0, 96 * KiB, 96 * KiB);
    run(&b);
    struct io *io = fresh_io(&b, 3, IO_ZONE, 0, 0, 0);
    zns_media_finish(b.media, 0, 96 * KiB, true, io);
    int64_t start = sim_now(b.sim);
    write_range(&b, 2, 96 * KiB, 3 * MiB / 2, 96 * KiB); /* same two dies */
    run(&b);
    int64_t alone = 8 * 3 * b.config.nand.program_time.ns[0];
    assert_in_range(took(io), alone * 17 / 10, alone * 21 / 10);
    assert_in_range(sim_now(b.sim) - start, alone * 18 / 10, alone * 21 / 10);
    bed_close(&b);
}

/* --- who disturbs whom --- */

/* Mean latency of reads all over zone 0 while another zone is written. */
static int64_t read_beside(uint32_t writer) {
    struct bed b;
    bed_defaults(&b);
    b.config.nand.program_suspend = false;
    bed_open(&b);
    zns_media_fill(b.media, 0, 3 * MiB / 2);
    int64_t sum = 0;
    for (uint64_t i = 0; i < 16; i++) {
        write_range(&b, writer, i * 96 * KiB, (i + 1) * 96 * KiB, 96 * KiB);
        sim_run(b.sim, sim_now(b.sim) + 50000);
        for (uint64_t k = 0; k < 2; k++) { /* one on each die */
            struct io *io = fresh_io(&b, 10 + (unsigned)k, IO_READ, 0, k * 96 * KiB, 4096);
            zns_media_read(b.media, 0, k * 96 * KiB, 4096, 4096, io);
        }
        run(&b);
        sum += took(&b.io[10]) + took(&b.io[11]);
    }
    bed_close(&b);
    return sum / 32;
}

static void test_zns_media_zones_disturb_each_other_on_shared_dies_only(void **state) {
    (void)state;
    int64_t alone = read_beside(1), shared = read_beside(2);
    assert_in_range(alone, 50000, 90000);
    assert_in_range(shared, alone + 100000, 1000000);
}

/* --- flush, FUA, power --- */

static void test_zns_media_flush_of_a_volatile_cache(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    b.config.zns_media.volatile_cache = true;
    bed_open(&b);
    write_range(&b, 0, 0, 140 * KiB, 4 * KiB);
    struct io *io = fresh_io(&b, 4, IO_FLUSH, 0, 0, 0);
    zns_media_flush(b.media, io);
    run(&b);
    assert_true(took(io) >= b.config.nand.program_time.ns[0]);
    write_range(&b, 0, 140 * KiB, 160 * KiB, 4 * KiB);
    run(&b);
    zns_flash_ops.power_cut(b.media);
    assert_int_equal(zns_media_durable(b.media, 0, 160 * KiB), 140 * KiB);
    bed_check(&b);
    io = fresh_io(&b, 0, IO_WRITE, 0, 140 * KiB, 4 * KiB);
    io->flags = IO_FUA;
    zns_media_write(b.media, 0, 140 * KiB, 4 * KiB, ZNS_WRITE, io);
    run(&b);
    assert_true(took(io) >= b.config.nand.program_time.ns[0]);
    zns_flash_ops.power_cut(b.media);
    assert_int_equal(zns_media_durable(b.media, 0, 144 * KiB), 144 * KiB);
    write_range(&b, 0, 144 * KiB, 3 * MiB / 2, 4 * KiB);
    run(&b);
    assert_int_equal(b.flash->zone[0].durable, 3 * MiB / 2);
    bed_close(&b);
}

static void test_zns_media_power_cut_at_any_moment(void **state) {
    (void)state;
    struct rng rng;
    rng_init(&rng, 11, 0);
    for (unsigned volatile_cache = 0; volatile_cache < 2; volatile_cache++) {
        struct bed b;
        bed_defaults(&b);
        b.config.zns_media.volatile_cache = volatile_cache;
        bed_open(&b);
        uint64_t at = 0, answered = 0;
        for (unsigned i = 0; i < 300; i++) {
            for (unsigned k = 0; k < 12 && at < 3 * MiB / 2; k++, at += 12 * KiB)
                zns_media_write(b.media, 7, at, 12 * KiB, ZNS_WRITE, fresh_io(&b, k, IO_WRITE, 7, at, 12 * KiB));
            sim_run(b.sim, sim_now(b.sim) + rng_below(&rng, 4000000));
            answered = at - 12 * KiB * (12 - b.done);
            zns_flash_ops.power_cut(b.media);
            uint64_t kept = zns_media_durable(b.media, 7, at);
            assert_true(kept <= at);
            if (!volatile_cache && b.done < 12)
                assert_true(kept >= answered);
            at = kept;
            b.done = 0;
            bed_check(&b);
            if (at == 3 * MiB / 2) {
                zns_media_reset(b.media, 7, at, false, fresh_io(&b, 20, IO_ZONE, 7, 0, 0));
                sim_run(b.sim, sim_now(b.sim) + rng_below(&rng, 9000000));
                b.done = 0;
                at = 0;
            }
        }
        bed_close(&b);
    }
}

/* --- failing flash --- */

static void test_zns_media_failed_program_moves_to_a_spare(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    bed_open(&b);
    struct nand_fault fault = {.kind = NAND_PROGRAM, .die = NAND_ANY, .plane = NAND_ANY, .block = NAND_ANY, .count = 3};
    write_range(&b, 0, 0, 400 * KiB, 20 * KiB);
    assert_int_equal(nand_fault_add(b.flash->nand, &fault, &b.err), 0);
    write_range(&b, 0, 400 * KiB, 3 * MiB / 2, 4 * KiB);
    run(&b);
    assert_int_equal(b.flash->count.replaced_blocks, 3);
    assert_int_equal(b.zone_fails, 0);
    assert_int_equal(b.flash->zone[0].durable, 3 * MiB / 2);
    for (uint64_t at = 0; at < 3 * MiB / 2; at += 16 * KiB)
        assert_int_equal(read_one(&b, 0, at, 16 * KiB, 16 * KiB)->status, IO_OK);
    assert_int_equal(b.flash->count.cache_read_pages, 0);
    bed_close(&b);
}

static void test_zns_media_zone_without_spares_fails_and_shrinks(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    b.config.nand.blocks = 16; /* all of them in zones */
    bed_open(&b);
    struct nand_fault fault = {.kind = NAND_PROGRAM, .die = NAND_ANY, .plane = NAND_ANY, .block = NAND_ANY, .count = 1};
    write_range(&b, 0, 0, 400 * KiB, 20 * KiB);
    run(&b);
    assert_int_equal(nand_fault_add(b.flash->nand, &fault, &b.err), 0);
    uint64_t at = 400 * KiB;
    for (; at < 3 * MiB / 2 && !b.zone_fails; at += 4 * KiB)
        write_one(&b, 0, at, 4 * KiB);
    run(&b);
    assert_int_equal(b.zone_fails, 1);
    assert_int_equal(b.failed_capacity, 3 * MiB / 4); /* one of two dies is left */
    write_one(&b, 0, at, 4 * KiB);
    assert_int_equal(b.io[0].status, IO_WRITE_FAULT);
    assert_non_null(b.io[0].reason);
    assert_int_equal(read_one(&b, 0, at - 8 * KiB, 4 * KiB, 4 * KiB)->status, IO_OK);
    reset_one(&b, 0, at, false);
    assert_int_equal(zns_media_capacity(b.media, 0), 3 * MiB / 4);
    write_range(&b, 0, 0, 3 * MiB / 4, 20 * KiB);
    run(&b);
    assert_int_equal(b.flash->zone[0].durable, 3 * MiB / 4);
    bed_close(&b);
}

static void test_zns_media_failed_erases_use_spares_then_capacity(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    b.config.nand.blocks = 17; /* one spare a plane */
    bed_open(&b);
    struct nand_fault fault = {.kind = NAND_ERASE, .die = NAND_ANY, .plane = NAND_ANY, .block = NAND_ANY, .count = 4};
    for (unsigned round = 0; round < 3; round++) {
        zns_media_fill(b.media, 4, zns_media_capacity(b.media, 4));
        if (round < 2)
            assert_int_equal(nand_fault_add(b.flash->nand, &fault, &b.err), 0);
        assert_int_equal(reset_one(&b, 4, 3 * MiB / 2, false)->status, IO_OK);
        assert_int_equal(b.zone_fails, round > 0);
        assert_int_equal(zns_media_capacity(b.media, 4), round ? 0 : 3 * MiB / 2);
        if (round)
            break;
    }
    assert_int_equal(b.failed_zone, 4);
    assert_int_equal(b.failed_capacity, 0);
    bed_close(&b);
}

static void test_zns_media_factory_bad_blocks_cost_capacity(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    b.config.nand.factory_bad_percent = 20;
    bed_open(&b);
    unsigned whole = 0, less = 0;
    for (uint32_t zone = 0; zone < 32; zone++) {
        uint64_t capacity = zns_media_capacity(b.media, zone);
        whole += capacity == 3 * MiB / 2;
        less += capacity < 3 * MiB / 2;
        if (!capacity)
            continue;
        write_range(&b, zone, 0, capacity, 96 * KiB);
        run(&b);
        assert_int_equal(b.flash->zone[zone].durable, capacity);
        for (uint64_t at = 0; at < capacity; at += 80 * KiB)
            assert_int_equal(read_one(&b, zone, at, 8 * KiB, 8 * KiB)->status, IO_OK);
    }
    assert_true(whole > 0 && less > 0);
    bed_close(&b);
}

/* --- anything, in any order --- */

struct soak_zone {
    uint64_t written;
    bool finished;
};

static int64_t soak(uint64_t seed, unsigned steps) {
    struct bed b;
    struct rng rng;
    struct soak_zone zones[8] = {{0}};
    rng_init(&rng, seed, 1);
    bed_defaults(&b);
    b.config.zns_media.volatile_cache = seed & 1;
    b.config.zns_media.in_order = seed & 2;
    b.config.zns_media.read_ahead = seed & 4 ? 128 * KiB : 0;
    b.config.zns_media.dies_per_zone = seed % 3 ? 2 : 1;
    b.config.zns.zone_capacity = 768 * KiB;
    b.config.zns_media.part_blocks = true;
    b.config.nand.program_fail_ppm = 300;
    b.config.nand.erase_fail_ppm = 2000;
    bed_open(&b);
    unsigned slot = 0, handed = 0;
    for (unsigned i = 0; i < steps; i++) {
        uint32_t zone = rng_below(&rng, 8), what = rng_below(&rng, 100);
        struct soak_zone *z = &zones[zone];
        uint64_t capacity = zns_media_capacity(b.media, zone), bytes = (1 + rng_below(&rng, 12)) * 4096;
        if (slot == DEPTH - 1) {
            run(&b);
            assert_int_equal(b.done, handed);
            slot = 0;
        }
        struct io *io = fresh_io(&b, slot++, IO_WRITE, zone, z->written, bytes);
        handed++;
        if (what < 50 && !z->finished && z->written + bytes <= capacity) {
            if (rng_below(&rng, 10) == 0)
                io->flags = IO_FUA;
            zns_media_write(b.media, zone, z->written, bytes, what % 4, io);
            z->written += bytes;
        } else if (what < 80 && z->written) {
            uint64_t at = rng_below(&rng, z->written / 4096) * 4096;
            io->op = IO_READ;
            io->offset = zone * b.config.zns.zone_size + at;
            zns_media_read(b.media, zone, at, bytes, bytes < z->written - at ? bytes : z->written - at, io);
        } else if (what < 84 && !z->finished) {
            zns_media_finish(b.media, zone, z->written, true, io);
            z->finished = true;
        } else if (what < 90) {
            zns_media_reset(b.media, zone, z->written, z->finished, io);
            *z = (struct soak_zone){0};
        } else if (what < 93) {
            zns_media_flush(b.media, io);
        } else if (what < 96) {
            zns_media_open(b.media, zone, io);
        } else {
            zns_media_close(b.media, zone, z->written, io);
        }
        if (rng_below(&rng, 8) == 0)
            sim_run(b.sim, sim_now(b.sim) + rng_below(&rng, 3000000));
        if (rng_below(&rng, 50) == 0)
            bed_check(&b);
    }
    run(&b);
    assert_int_equal(b.done, handed);
    int64_t end = sim_now(b.sim);
    bed_close(&b);
    return end;
}

static void test_zns_media_soak(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++)
        soak(seed, 1500);
}

static void test_zns_media_same_seed_same_times(void **state) {
    (void)state;
    assert_int_equal(soak(5, 700), soak(5, 700));
    assert_int_not_equal(soak(5, 700), soak(6, 700));
}

/* --- a drive that was measured --- */

static struct bed *zn540_open(void) {
    struct opt_set set = {0};
    static const char *const skip[] = {"nvme", "tcp", NULL};
    struct bed *b = calloc(1, sizeof *b);
    assert_non_null(b);
    assert_int_equal(drive_config_init(&b->config, &set, &b->err), 0);
    assert_int_equal(profile_load(&set, "wd-zn540", skip, b->config.name, &b->err), 0);
    bed_open(b);
    return b;
}

static void near(double got, double want, double percent) {
    if (got < want * (1 - percent / 100) || got > want * (1 + percent / 100))
        fail_msg("%g is not within %g %% of %g", got, percent, want);
}

static double mean_us(struct bed *b, uint32_t zone, enum zns_media_write_kind kind, uint64_t bytes) {
    int64_t sum = 0;
    for (unsigned i = 0; i < 20; i++) {
        struct io *io = fresh_io(b, 0, kind == ZNS_APPEND ? IO_APPEND : IO_WRITE, zone, i * bytes, bytes);
        zns_media_write(b->media, zone, i * bytes, bytes, kind, io);
        run(b);
        sum += took(io);
    }
    return (double)sum / 20e3;
}

/* A few of the published figures; all of them: bench_zn540. */
static void test_zns_media_zn540_as_measured(void **state) {
    (void)state;
    struct bed *b = zn540_open();
    near(mean_us(b, 100, ZNS_WRITE, 4096), 11.36, 5);
    near(mean_us(b, 101, ZNS_WRITE, 8192), 11.24, 5);
    near(mean_us(b, 102, ZNS_WRITE, 16384), 16.25, 5);
    near(mean_us(b, 103, ZNS_APPEND, 4096), 14.83, 5);
    near(mean_us(b, 104, ZNS_APPEND, 8192), 14.02, 5);
    uint64_t capacity = zns_media_capacity(b->media, 0);
    assert_int_equal(capacity, 1077ull * MiB);
    zns_media_fill(b->media, 0, capacity);
    int64_t sum = 0;
    for (uint64_t i = 0; i < 300; i++)
        sum += took(read_one(b, 0, i * 16384, 4096, 4096));
    near((double)sum / 300e3, 72.64, 5);
    near((double)took(reset_one(b, 0, capacity, false)) / 1e6, 16.187, 3);
    zns_media_fill(b->media, 1, capacity);
    near((double)took(reset_one(b, 1, capacity / 4, true)) / 1e6, 5.0745, 3);
    zns_media_fill(b->media, 2, capacity / 2);
    near((double)took(finish_one(b, 2, capacity / 2)) / 1e6, 456.76, 3);
    bed_close(b);
    free(b);
}

static void test_zns_media_stats(void **state) {
    (void)state;
    struct bed b;
    bed_defaults(&b);
    bed_open(&b);
    write_range(&b, 0, 0, 768 * KiB, 96 * KiB);
    run(&b);
    finish_one(&b, 0, 768 * KiB);
    json_t *stats = json_object();
    zns_flash_ops.stats(b.media, stats);
    assert_true(json_real_value(json_object_get(stats, "write_amplification")) == 2);
    assert_non_null(json_object_get(json_object_get(stats, "media"), "host_bytes"));
    assert_non_null(json_object_get(stats, "nand"));
    json_decref(stats);
    struct drive_health health = {0};
    zns_flash_ops.health(b.media, &health);
    assert_int_equal(health.media_bytes_written, 3 * MiB / 2);
    assert_int_equal(health.spare_percent, 100);
    bed_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zns_media_check_names_rule_and_nearest),
        cmocka_unit_test(test_zns_media_zones_are_disjoint),
        cmocka_unit_test(test_zns_media_small_writes_are_answered_from_the_cache),
        cmocka_unit_test(test_zns_media_full_zone_is_on_flash),
        cmocka_unit_test(test_zns_media_write_larger_than_the_cache_is_taken),
        cmocka_unit_test(test_zns_media_writes_go_at_the_dies_pace),
        cmocka_unit_test(test_zns_media_read_of_cached_and_unwritten),
        cmocka_unit_test(test_zns_media_reads_of_several_zones_are_one),
        cmocka_unit_test(test_zns_media_read_ahead_of_one_stream_only),
        cmocka_unit_test(test_zns_media_finish_costs_the_unwritten_part),
        cmocka_unit_test(test_zns_media_reset_costs_the_written_part),
        cmocka_unit_test(test_zns_media_zone_can_be_written_again_after_a_reset),
        cmocka_unit_test(test_zns_media_reset_of_many_zones_is_done_once),
        cmocka_unit_test(test_zns_media_finish_shares_the_dies_with_writes),
        cmocka_unit_test(test_zns_media_zones_disturb_each_other_on_shared_dies_only),
        cmocka_unit_test(test_zns_media_flush_of_a_volatile_cache),
        cmocka_unit_test(test_zns_media_power_cut_at_any_moment),
        cmocka_unit_test(test_zns_media_failed_program_moves_to_a_spare),
        cmocka_unit_test(test_zns_media_zone_without_spares_fails_and_shrinks),
        cmocka_unit_test(test_zns_media_failed_erases_use_spares_then_capacity),
        cmocka_unit_test(test_zns_media_factory_bad_blocks_cost_capacity),
        cmocka_unit_test(test_zns_media_soak),
        cmocka_unit_test(test_zns_media_same_seed_same_times),
        cmocka_unit_test(test_zns_media_read_ahead_shares_its_memory),
        cmocka_unit_test(test_zns_media_word_lines_are_read_by_pages),
        cmocka_unit_test(test_zns_media_reads_wait_behind_writes_if_in_order),
        cmocka_unit_test(test_zns_media_zn540_as_measured),
        cmocka_unit_test(test_zns_media_stats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
