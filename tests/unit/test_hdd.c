/* Hard disks as their users see them: service times against closed forms, cache, queue, loss of power. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/rng.h"
#include "drive/drive.h"
#include "drive/profile.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum { UNIT = 4096, MS = 1000000 };

struct bed {
    struct sim *sim;
    struct drive_config config;
    struct drive *drive;
};

/* 6000 turns a minute, 100 sectors of 512 bytes a track, two heads; no overheads, no bus. */
static const char *const plain[] = {"drive.kind=hdd",
                                    "drive.capacity=8MiB",
                                    "hdd.surfaces=2",
                                    "hdd.sector_bytes=512",
                                    "hdd.rpm=6000",
                                    "hdd.zones=0-99:100:20:30",
                                    "hdd.seek_points=1:2ms, 100:10ms",
                                    "hdd.head_switch=1ms",
                                    "hdd.read_hit=0",
                                    "hdd.read_miss=0",
                                    "hdd.write_hit=0",
                                    "hdd.write_miss=0",
                                    "hdd.bus_bandwidth=0",
                                    "hdd.read_ahead=0",
                                    "hdd.segment_bytes=64KiB",
                                    "hdd.read_segments=4",
                                    "hdd.write_segments=8",
                                    NULL};

static void assign(struct opt_set *set, const char *const *args) {
    struct err e = {0};
    for (; args && *args; args++)
        if (opt_assign_arg(set, *args, &e))
            fail_msg("%s: %s", *args, e.text);
}

static void configure(struct drive_config *config, const char *profile, const char *const *args) {
    static const char *const skip[] = {"nvme", "tcp", "loop", NULL};
    struct opt_set set = {0};
    struct err e = {0};
    char name[OPT_STRING_MAX];
    assert_int_equal(drive_config_init(config, &set, &e), 0);
    if (!profile)
        assign(&set, plain);
    else if (profile_load(&set, profile, skip, name, &e))
        fail_msg("%s", e.text);
    assign(&set, args);
}

static struct bed bed_open(const char *store, const char *profile, const char *const *args) {
    struct bed b;
    struct err e = {0};
    configure(&b.config, profile, args);
    b.sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    b.drive = drive_open(&b.config, store, NULL, b.sim, &e);
    if (!b.drive)
        fail_msg("%s", e.text);
    return b;
}

static void bed_close(struct bed *b) {
    struct err e = {0};
    if (drive_check_state(b->drive, &e))
        fail_msg("%s", e.text);
    drive_close(b->drive);
    sim_free(b->sim);
}

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

static void start(struct bed *b, struct req *r, enum io_op op, uint64_t offset, uint64_t bytes, void *data,
                  uint32_t flags) {
    memset(r, 0, sizeof *r);
    r->io.op = (uint8_t)op;
    r->io.offset = offset;
    r->io.bytes = bytes;
    r->io.done = req_done;
    r->io.flags = flags | (data || op != IO_WRITE ? 0 : IO_NO_DATA);
    r->vec = (struct iovec){data, bytes};
    r->io.vec = data ? &r->vec : NULL;
    r->io.nvec = data != NULL;
    drive_submit(b->drive, &r->io);
    assert_false(r->done);
}

static int64_t finish(struct bed *b, struct req *r) {
    for (unsigned i = 0; !r->done; i++) {
        assert_true(i < 1000000);
        sim_run(b->sim, sim_now(b->sim) + MS / 10);
    }
    assert_int_equal(r->io.status, IO_OK);
    return r->io.completed_ns - r->io.submitted_ns;
}

static int64_t one(struct bed *b, enum io_op op, uint64_t offset, uint64_t bytes, uint32_t flags) {
    struct req r;
    start(b, &r, op, offset, bytes, NULL, flags);
    return finish(b, &r);
}

static json_int_t number(struct bed *b, const char *group, const char *name) {
    json_t *stats = drive_stats(b->drive), *n = json_object_get(json_object_get(stats, group), name);
    assert_non_null(n);
    json_int_t v = json_integer_value(n);
    json_decref(stats);
    return v;
}

/* --- configuration --- */

static void refused(const char *const *args, const char *const *words) {
    struct drive_config config;
    struct err e = {0};
    configure(&config, NULL, args);
    assert_int_equal(drive_config_check(&config, &e), -EINVAL);
    for (; *words; words++)
        if (!strstr(e.text, *words))
            fail_msg("\"%s\" is not in: %s", *words, e.text);
}

static void test_hdd_bad_options_are_named(void **state) {
    refused(ARGS("drive.capacity=16MiB"), ARGS("drive.capacity", "hdd.zones", "largest capacity is 10240000"));
    refused(ARGS("hdd.zones=50-99:100:1:1, 0-49:100:1:1"), ARGS("hdd.zones", "sorted"));
    refused(ARGS("hdd.seek_points=1:2ms, 5:1ms"), ARGS("hdd.seek_points", "decreases"));
    refused(ARGS("hdd.segment_bytes=5000"), ARGS("hdd.segment_bytes", "4096"));
    refused(ARGS("hdd.read_hit=1us,2us,3us"), ARGS("hdd.read_hit", "1, 2 and 4"));
    refused(ARGS("hdd.sector_bytes=1024"), ARGS("hdd.sector_bytes", "512 and 4096"));
    refused(ARGS("hdd.write_segments=4096", "hdd.segment_bytes=64MiB"), ARGS("hdd.write_segments", "4 GiB"));
    refused(ARGS("hdd.defects=7"), ARGS("hdd.defects = 7", "0 spare"));
}

static void test_hdd_tables_continue_over_lines(void **state) {
    struct drive_config config;
    struct err e = {0};
    configure(&config, NULL, ARGS("hdd.zones=0-49:100:1:1", "hdd.zones=+50-99:90:1:1"));
    assert_string_equal(config.hdd.disk.zones, "0-49:100:1:1,50-99:90:1:1");
    assert_int_equal(drive_config_check(&config, &e), 0);
}

/* --- service times --- */

static void test_hdd_read_time_is_the_sum_of_its_parts(void **state) {
    struct bed b = bed_open("none", NULL, ARGS("hdd.read_miss=3ms", "hdd.read_hit=1ms", "hdd.bus_bandwidth=512000"));
    /* overhead until 3 ms, sector 30 then begins: 8 sectors of 0.1 ms; the bus takes 1 ms a sector, from the first on
     */
    assert_int_equal(one(&b, IO_READ, 30 * 512, UNIT, 0), 3 * MS + MS / 10 + 8 * MS);
    /* in the cache */
    assert_int_equal(one(&b, IO_READ, 32 * 512, 1024, 0), 1 * MS + 2 * MS);
    assert_int_equal(number(&b, "cache", "read_hits"), 1);
    bed_close(&b);
    /* data crosses after the platter, then the answer */
    b = bed_open("none", NULL,
                 ARGS("hdd.read_miss=3ms", "hdd.bus_bandwidth=512000", "hdd.bus_overlap=no", "hdd.read_answer=5ms"));
    assert_int_equal(one(&b, IO_READ, 30 * 512, UNIT, 0), 3 * MS + 8 * MS / 10 + 8 * MS + 5 * MS);
    bed_close(&b);
    /* after a write, and somewhere else than where it ended */
    b = bed_open("none", NULL, ARGS("hdd.read_miss=1ms,2ms,3ms,4ms", "hdd.read_segments=0", "hdd.write_hit=10us"));
    int64_t turn = 10 * MS;
    one(&b, IO_WRITE, 0, 512, 0);
    sim_run(b.sim, 100 * turn);
    assert_int_equal(one(&b, IO_READ, 512, 512, 0), turn + MS / 5); /* 2 ms, then sector 1 after the next turn begins */
    sim_run(b.sim, 200 * turn);
    assert_int_equal(one(&b, IO_READ, 45 * 512, 512, 0), 4 * MS + MS / 2 + MS / 10); /* 3 ms, sector 45 after 4.5 */
    bed_close(&b);
}

static void test_hdd_random_reads_take_what_the_closed_form_says(void **state) {
    static const char *const drives[] = {"hdd-7200", "hp-c3323a", "cheetah-15k5", "hp-97560"};
    for (unsigned i = 0; i < sizeof drives / sizeof *drives; i++) {
        struct bed b = bed_open("none", drives[i], NULL);
        struct disk_geometry g;
        struct err e = {0};
        struct rng rng;
        const struct hdd_config *c = &b.config.hdd;
        assert_int_equal(disk_geometry_init(&g, &c->disk, &e), 0);
        rng_init(&rng, 3, 0);
        uint64_t units = b.config.drive.capacity / UNIT, per = UNIT / g.sector_bytes, samples = 100000;
        double seek = 0, transfer = 0;
        struct disk_place at = disk_locate(&g, 0);
        for (uint64_t n = 0; n < samples; n++) {
            struct disk_place to = disk_locate(&g, rng_below(&rng, units) * per);
            seek += (double)disk_reposition_ns(&g, at.at, to.at, false);
            transfer += (double)(g.rev_ns * (int64_t)per) / to.zone->sectors;
            at = to;
        }
        double bus = c->bus_bandwidth ? (c->bus_overlap ? g.sector_bytes : UNIT) * 1e9 / (double)c->bus_bandwidth : 0;
        if (c->bus_overlap && c->bus_bandwidth && UNIT * 1e9 / (double)c->bus_bandwidth > transfer / (double)samples)
            bus = UNIT * 1e9 / (double)c->bus_bandwidth - transfer / (double)samples * (double)(per - 1) / (double)per;
        double want = (double)c->read_miss.ns[c->read_miss.count == 4 ? 2 : 0] + (seek + transfer) / (double)samples +
                      (double)g.rev_ns / 2 + bus + (double)c->read_answer;
        double have = 0;
        for (unsigned n = 0; n < 6000; n++)
            have += (double)one(&b, IO_READ, rng_below(&rng, units) * UNIT, UNIT, 0) / 6000;
        if (have < want * 0.98 || have > want * 1.02)
            fail_msg("%s: %.3f ms, closed form %.3f ms", drives[i], have / MS, want / MS);
        disk_geometry_release(&g);
        bed_close(&b);
    }
}

/* Each zone of a drive, as fast as its host may be: the share of a turn that isn't skew. */
static void zones_at_their_rates(const char *drive) {
    struct bed b = bed_open("none", drive, ARGS("hdd.bus_bandwidth=0", "hdd.read_hit=100us"));
    struct disk_geometry g;
    struct err e = {0};
    assert_int_equal(disk_geometry_init(&g, &b.config.hdd.disk, &e), 0);
    enum { REQUEST = 65536, REQUESTS = 512 };
    uint64_t unit = g.sector_bytes;
    for (unsigned i = 0; i < g.zones; i++) {
        const struct disk_zone *z = &g.zone[i];
        uint64_t at = (z->first_lba + z->lbas / 3) * unit / UNIT * UNIT;
        one(&b, IO_READ, at, REQUEST, 0);
        int64_t from = sim_now(b.sim);
        struct req r = {.done = true};
        for (unsigned n = 1; n <= REQUESTS; n++) {
            start(&b, &r, IO_READ, at + (uint64_t)n * REQUEST, REQUEST, NULL, 0);
            finish(&b, &r);
        }
        /* a cylinder: its tracks, a track skew between them, a cylinder skew behind */
        double slots = (double)g.surfaces * z->sectors + (double)(g.surfaces - 1) * z->track_skew + z->cylinder_skew;
        double want = (double)g.surfaces * z->sectors * (double)unit / (slots * (double)g.rev_ns / z->sectors);
        double have = (double)REQUEST * REQUESTS / (double)(r.io.completed_ns - from);
        if (have < want * 0.99 || have > want * 1.01)
            fail_msg("%s, zone %u: %.2f MB/s, closed form %.2f", drive, i, have * 1000, want * 1000);
    }
    disk_geometry_release(&g);
    bed_close(&b);
}

static void test_hdd_reads_a_zone_at_its_rate(void **state) {
    static const char *const drives[] = {"ide-2004",    "samsung-f1", "atlas-10k", "barracuda",
                                         "cheetah-9lp", "hp-c3323a",  "hp-97560"};
    for (unsigned i = 0; i < sizeof drives / sizeof *drives; i++)
        zones_at_their_rates(drives[i]);
}

static void test_hdd_parts_of_physical_sectors_cost_a_turn(void **state) {
    for (unsigned part = 0; part < 2; part++) {
        struct bed b =
            bed_open("none", NULL, ARGS("hdd.sector_bytes=4096", "hdd.write_cache=no", "hdd.seek_points=1:1ms"));
        int64_t ns = one(&b, IO_WRITE, part ? 512 : 0, UNIT, 0);
        /* two sectors of 4 KiB are read, and written a turn later */
        assert_int_equal(ns, part ? 10 * MS + 2 * MS / 10 : MS / 10);
        assert_int_equal(number(&b, "cache", "rewrites"), part);
        bed_close(&b);
    }
}

/* --- cache --- */

static void test_hdd_reads_ahead(void **state) {
    struct bed b = bed_open("none", NULL, ARGS("hdd.read_ahead=16KiB"));
    one(&b, IO_READ, 0, UNIT, 0);
    sim_run(b.sim, sim_now(b.sim) + MS); /* ten more sectors have passed */
    int64_t from = sim_now(b.sim);
    int64_t ns = one(&b, IO_READ, UNIT, UNIT, 0);
    assert_true(ns < 8 * MS / 10);
    assert_int_equal(number(&b, "cache", "read_hits"), 1);
    sim_run(b.sim, from + 100 * MS);
    assert_int_equal(one(&b, IO_READ, 2 * UNIT, 2 * UNIT, 0), 0);
    assert_int_equal(number(&b, "arm", "reads"), 1);
    bed_close(&b);
}

/* Waiting four of ten ms for sector 40 the head saw the forty before it on the track, and not what is on another. */
/* Sectors 80 to 87 are read, then so many more as `how` says: those from `from` on are there, or not. */
static bool read_on_to(const char *how, const char *segment, uint64_t first, uint64_t from) {
    struct bed b = bed_open("none", NULL, ARGS("hdd.read_ahead=16KiB", how, segment));
    one(&b, IO_READ, first * 512, UNIT, 0);
    sim_run(b.sim, sim_now(b.sim) + 100 * MS);
    bool there = one(&b, IO_READ, from * 512, UNIT, 0) == 0;
    bed_close(&b);
    return there;
}

static void test_hdd_reads_ahead_to_the_end_of_a_track(void **state) {
    const char *amount = "hdd.read_ahead_to=amount", *track = "hdd.read_ahead_to=track";
    const char *tracks = "hdd.read_ahead_to=tracks", *large = "hdd.segment_bytes=64KiB",
               *small = "hdd.segment_bytes=8KiB";
    assert_true(read_on_to(amount, large, 80, 100) && !read_on_to(amount, large, 80, 114));
    assert_true(read_on_to(track, large, 80, 92) && !read_on_to(track, large, 80, 96));
    assert_true(!read_on_to(track, large, 20, 60)); /* 32 sectors at most */
    assert_true(read_on_to(tracks, large, 20, 60) && read_on_to(tracks, large, 20, 92));
    assert_true(!read_on_to(tracks, large, 20, 100));
    assert_true(read_on_to(tracks, large, 96, 192) && read_on_to(tracks, large, 96, 292)); /* it began before */
    assert_true(!read_on_to(tracks, small, 20, 28) && read_on_to(tracks, small, 20, 84));  /* over its own beginning */
}

/* The bus is as fast as the platter: 0.1 ms a sector. */
static void test_hdd_data_crosses_the_bus_from_the_mark_on(void **state) {
    const char *const marks[] = {"hdd.bus_mark=0", "hdd.bus_mark=50", "hdd.bus_mark=100", "hdd.bus_overlap=no"};
    int64_t ns[4];
    for (unsigned i = 0; i < 4; i++) {
        struct bed b = bed_open("none", NULL, ARGS("hdd.bus_bandwidth=5120000", marks[i]));
        ns[i] = one(&b, IO_READ, 40 * 512, UNIT, 0);
        bed_close(&b);
    }
    assert_int_equal(ns[1] - ns[0], 350000);
    assert_int_equal(ns[2] - ns[0], 700000);
    assert_int_equal(ns[3], ns[2]);
}

static void test_hdd_keeps_what_passes_before(void **state) {
    for (unsigned keep = 0; keep < 2; keep++) {
        struct bed b = bed_open("none", NULL, ARGS(keep ? "hdd.read_before=yes" : "hdd.read_before=no"));
        one(&b, IO_READ, 40 * 512, UNIT, 0);
        int64_t ns = one(&b, IO_READ, 0, UNIT, 0);
        assert_true(keep ? ns == 0 : ns > MS);
        one(&b, IO_READ, 104 * 512, UNIT, 0);
        assert_true(one(&b, IO_READ, 92 * 512, UNIT, 0) > 0);
        bed_close(&b);
    }
}

/* Streams of 2 KiB reads by turns: how often the arm had to read. */
static uint64_t misses_of_turns(unsigned streams, const char *const *args) {
    struct bed b = bed_open("none", NULL, args);
    for (uint64_t i = 0; i < 40; i++)
        for (uint64_t stream = 0; stream < streams; stream++) {
            struct req r;
            start(&b, &r, IO_READ, stream * (2 << 20) + i * 2048, 2048, NULL, IO_NO_DATA);
            while (!r.done)
                sim_run(b.sim, sim_now(b.sim) + MS);
            io_release(&r.io);
        }
    json_t *stats = drive_stats(b.drive), *cache = json_object_get(stats, "cache");
    uint64_t misses = (uint64_t)json_integer_value(json_object_get(cache, "read_misses")) +
                      (uint64_t)json_integer_value(json_object_get(cache, "read_partial_hits"));
    json_decref(stats);
    bed_close(&b);
    return misses;
}

/* Served from the cache, a read of one stream ends reading on behind the other, or it doesn't. */
static void test_hdd_hits_may_stop_reading_ahead(void **state) {
    uint64_t goes_on =
        misses_of_turns(2, ARGS("hdd.read_ahead=32KiB", "hdd.read_hit=1ms", "hdd.read_ahead_on_hit=yes"));
    uint64_t stops =
        misses_of_turns(2, ARGS("hdd.read_ahead=32KiB", "hdd.read_hit=1ms", "hdd.hits_stop_read_ahead=yes"));
    assert_true(goes_on < 20);
    assert_true(stops > goes_on + 10);
}

/* A drive that remembers two reads knows two streams by turns, and reads 8 KiB on behind each: a fifth of them miss. */
static void test_hdd_reads_on_behind_the_streams_it_knows(void **state) {
    const char *const *plainly = ARGS("hdd.read_ahead=32KiB", "hdd.hits_stop_read_ahead=yes");
    const char *const *least = ARGS("hdd.read_ahead=32KiB", "hdd.hits_stop_read_ahead=yes", "hdd.read_ahead_least=8KiB",
                                    "hdd.read_ahead_streams=2");
    assert_int_equal(misses_of_turns(3, least), misses_of_turns(3, plainly));
    uint64_t without = misses_of_turns(2, plainly), with = misses_of_turns(2, least);
    if (with > 2 * 9 || without < 2 * 15)
        fail_msg("%u misses; %u without", (unsigned)with, (unsigned)without);
}

/* What is insisted on isn't cut short by a read elsewhere, and that one only waits for it. */
static void test_hdd_other_reads_wait_for_the_least(void **state) {
    struct bed b = bed_open("none", NULL, ARGS("hdd.read_ahead=32KiB", "hdd.read_ahead_least=4KiB"));
    one(&b, IO_READ, 0, UNIT, 0);
    one(&b, IO_READ, UNIT, UNIT, 0); /* goes on: eight sectors more, 0.8 ms */
    int64_t from = sim_now(b.sim);
    one(&b, IO_READ, 4 << 20, UNIT, 0);
    assert_true(sim_now(b.sim) - from > 8 * MS / 10);
    assert_int_equal(one(&b, IO_READ, 2 * UNIT, UNIT, 0), 0);
    bed_close(&b);
}

static void test_hdd_write_cache_answers_and_flush_waits(void **state) {
    struct bed b = bed_open("none", NULL, ARGS("hdd.write_hit=100us", "hdd.bus_bandwidth=4096000"));
    assert_int_equal(one(&b, IO_WRITE, 40 * 512, UNIT, 0), MS / 10 + MS);
    assert_int_equal(number(&b, "cache", "writes_cached"), 1);
    assert_true(one(&b, IO_FLUSH, 0, 0, 0) > MS);
    assert_int_equal(number(&b, "cache", "write_segments_used"), 0);
    assert_int_equal(number(&b, "cache", "written_back"), 1);
    assert_int_equal(one(&b, IO_FLUSH, 0, 0, 0), MS / 10);
    assert_true(one(&b, IO_WRITE, 8 * UNIT, UNIT, IO_FUA) > 2 * MS);
    assert_int_equal(number(&b, "cache", "write_segments_used"), 0);
    bed_close(&b);
    b = bed_open("none", NULL, ARGS("hdd.write_cache=no"));
    assert_int_equal(one(&b, IO_WRITE, 40 * 512, 512, 0), 4 * MS + MS / 10);
    struct drive_limits limits;
    drive_limits(b.drive, &limits);
    assert_false(limits.volatile_cache);
    assert_true(limits.rotational);
    assert_int_equal(limits.rpm, 6000);
    bed_close(&b);
}

static void test_hdd_full_write_cache_makes_writes_wait(void **state) {
    struct bed b = bed_open("none", NULL, NULL);
    struct req r[40];
    for (unsigned i = 0; i < 40; i++)
        start(&b, &r[i], IO_WRITE, (uint64_t)(i * 37 % 100) * 16 * UNIT, 512, NULL, 0);
    for (unsigned i = 0; i < 40; i++)
        finish(&b, &r[i]);
    assert_true(number(&b, "cache", "stalls") > 10);
    assert_int_equal(number(&b, "cache", "write_segments_peak"), 8);
    one(&b, IO_FLUSH, 0, 0, 0);
    assert_int_equal(number(&b, "cache", "write_segments_used"), 0);
    bed_close(&b);
}

static void test_hdd_sequential_writes_share_an_extent(void **state) {
    struct bed b = bed_open("none", NULL, NULL);
    struct req read;
    start(&b, &read, IO_READ, 4 << 20, UNIT, NULL, 0); /* keeps the arm */
    for (unsigned i = 0; i < 8; i++)
        one(&b, IO_WRITE, i * UNIT, UNIT, 0);
    assert_int_equal(number(&b, "cache", "write_segments_used"), 1);
    assert_int_equal(number(&b, "cache", "writes_merged"), 7);
    finish(&b, &read);
    one(&b, IO_FLUSH, 0, 0, 0);
    assert_int_equal(number(&b, "arm", "writes"), 1);
    bed_close(&b);
}

/* What was flushed or written with FUA survives; what was not reads as before, whole. */
static void test_hdd_power_cut_drops_the_write_cache(void **state) {
    struct bed b = bed_open("memory", NULL, NULL);
    struct req r, keep;
    char data[UNIT];
    memset(data, 1, sizeof data);
    for (unsigned i = 0; i < 4; i++) {
        start(&b, &r, IO_WRITE, i * 16 * UNIT, UNIT, data, i == 3 ? IO_FUA : 0);
        finish(&b, &r);
    }
    one(&b, IO_FLUSH, 0, 0, 0);
    memset(data, 2, sizeof data);
    start(&b, &keep, IO_READ, 4 << 20, UNIT, NULL, 0); /* keeps the arm */
    for (unsigned i = 0; i < 3; i++) {
        start(&b, &r, IO_WRITE, i * 16 * UNIT + 512 * i, UNIT, data, 0);
        finish(&b, &r);
    }
    start(&b, &r, IO_READ, 0, UNIT, NULL, 0);
    finish(&b, &r);
    assert_int_equal(((const char *)r.io.data)[0], 2);
    drive_power_cut(b.drive);
    for (unsigned i = 0; i < 4; i++) {
        start(&b, &r, IO_READ, i * 16 * UNIT, 2 * UNIT, NULL, 0);
        finish(&b, &r);
        for (unsigned k = 0; k < 2 * UNIT; k++)
            assert_int_equal(((const char *)r.io.data)[k], k < UNIT);
    }
    bed_close(&b);
}

/* --- queue --- */

static double random_iops(const char *const *args, unsigned depth) {
    struct bed b = bed_open("none", "hdd-7200", args);
    struct req r[64];
    struct rng rng;
    rng_init(&rng, 7, 0);
    unsigned done = 0;
    for (unsigned i = 0; i < depth; i++)
        start(&b, &r[i], IO_READ, rng_below(&rng, b.config.drive.capacity / UNIT) * UNIT, UNIT, NULL, 0);
    while (done < 1500) {
        sim_run(b.sim, sim_now(b.sim) + MS / 10);
        for (unsigned i = 0; i < depth; i++)
            if (r[i].done) {
                done++;
                start(&b, &r[i], IO_READ, rng_below(&rng, b.config.drive.capacity / UNIT) * UNIT, UNIT, NULL, 0);
            }
    }
    double iops = done * 1e9 / (double)sim_now(b.sim);
    drive_power_cut(b.drive);
    bed_close(&b);
    return iops;
}

static void test_hdd_queueing_pays(void **state) {
    double single = random_iops(NULL, 1), queued = random_iops(NULL, 32);
    double fcfs = random_iops(ARGS("hdd.policy=fcfs"), 32), look = random_iops(ARGS("hdd.policy=look"), 32);
    assert_true(queued > 1.5 * single);
    if (look < 1.1 * fcfs || look > queued)
        fail_msg("%.1f/s by look, %.1f by fcfs, %.1f by sptf", look, fcfs, queued);
    assert_true(fcfs < 1.1 * single);
}

static void test_hdd_spins_up(void **state) {
    struct bed b = bed_open("none", NULL, ARGS("hdd.spin_up=8s"));
    int64_t ns = one(&b, IO_READ, 0, 512, 0);
    assert_true(ns >= 8000ll * MS && ns <= 8011ll * MS);
    assert_true(one(&b, IO_READ, 1 << 20, 512, 0) < 30 * MS);
    bed_close(&b);
}

static void test_hdd_all_profiles_work_and_repeat(void **state) {
    unsigned disks = 0;
    for (const struct profile *p = profiles; p->name; p++) {
        struct drive_config config;
        json_t *stats[2];
        configure(&config, p->name, NULL);
        if (strcmp(drive_kinds[config.drive.kind]->name, "hdd"))
            continue;
        disks++;
        for (unsigned again = 0; again < 2; again++) {
            struct bed b = bed_open("none", p->name, NULL);
            struct rng rng;
            rng_init(&rng, 11, 0);
            for (unsigned i = 0; i < 300; i++)
                one(&b, rng_below(&rng, 3) ? IO_READ : IO_WRITE, rng_below(&rng, config.drive.capacity / UNIT) * UNIT,
                    UNIT, 0);
            one(&b, IO_READ, config.drive.capacity - UNIT, UNIT, 0);
            stats[again] = drive_stats(b.drive);
            bed_close(&b);
        }
        assert_true(json_equal(stats[0], stats[1]));
        json_decref(stats[0]);
        json_decref(stats[1]);
    }
    assert_in_range(disks, 8, 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hdd_bad_options_are_named),
        cmocka_unit_test(test_hdd_tables_continue_over_lines),
        cmocka_unit_test(test_hdd_read_time_is_the_sum_of_its_parts),
        cmocka_unit_test(test_hdd_random_reads_take_what_the_closed_form_says),
        cmocka_unit_test(test_hdd_reads_a_zone_at_its_rate),
        cmocka_unit_test(test_hdd_parts_of_physical_sectors_cost_a_turn),
        cmocka_unit_test(test_hdd_reads_ahead),
        cmocka_unit_test(test_hdd_reads_ahead_to_the_end_of_a_track),
        cmocka_unit_test(test_hdd_data_crosses_the_bus_from_the_mark_on),
        cmocka_unit_test(test_hdd_keeps_what_passes_before),
        cmocka_unit_test(test_hdd_hits_may_stop_reading_ahead),
        cmocka_unit_test(test_hdd_reads_on_behind_the_streams_it_knows),
        cmocka_unit_test(test_hdd_other_reads_wait_for_the_least),
        cmocka_unit_test(test_hdd_write_cache_answers_and_flush_waits),
        cmocka_unit_test(test_hdd_full_write_cache_makes_writes_wait),
        cmocka_unit_test(test_hdd_sequential_writes_share_an_extent),
        cmocka_unit_test(test_hdd_power_cut_drops_the_write_cache),
        cmocka_unit_test(test_hdd_queueing_pays),
        cmocka_unit_test(test_hdd_spins_up),
        cmocka_unit_test(test_hdd_all_profiles_work_and_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
