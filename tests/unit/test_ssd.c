/* The ssd against its oracle: random requests, restarts, power cuts, failing flash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "drive/ssd/ftl/leaves.h"
#include "drive/ssd/ssd.h"
#include "drive_oracle.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void run(const char *const *args, uint64_t seed, uint64_t ios) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, args);
    oracle_open(&o, &config, "memory", NULL, seed);
    for (unsigned i = 0; i < 8; i++) {
        oracle_run(&o, ios / 8, i % 2);
        oracle_check(&o);
    }
    oracle_drain(&o);
    oracle_verify(&o);
    oracle_check(&o);
    oracle_close(&o);
}

static void test_ssd_random_requests_read_back(void **state) {
    run(NULL, 1, 20000);
}

/* What every kind of drive promises. */
static void test_drive_kinds_keep_their_promises(void **state) {
    struct drive_config config;
    static struct oracle o;
    for (unsigned kind = 0; drive_kinds[kind]; kind++) {
        char arg[64];
        if (drive_kinds[kind]->zoned)
            continue; /* takes no random writes; held to the same by test_zns_oracle.c */
        snprintf(arg, sizeof arg, "drive.kind=%s", drive_kinds[kind]->name);
        oracle_config(&config, ARGS(arg));
        assert_int_equal(config.drive.kind, kind);
        oracle_open(&o, &config, "memory", NULL, 60 + kind);
        for (unsigned i = 0; i < 4; i++) {
            oracle_run(&o, 800, true);
            oracle_power_cut(&o);
        }
        oracle_run(&o, 800, false);
        oracle_verify(&o);
        oracle_check(&o);
        oracle_close(&o);
    }
}

/* The options name the rows of the tables they choose from, in order. */
static void test_drive_options_name_the_rows(void **state) {
    struct drive_config config;
    struct opt_set set = {0};
    assert_int_equal(drive_config_init(&config, &set, NULL), 0);
    const char *const *mappings = opt_find(&set, "ssd", "mapping", NULL)->choices;
    const char *const *policies = opt_find(&set, "ssd", "gc_policy", NULL)->choices;
    const char *const *kinds = opt_find(&set, "drive", "kind", NULL)->choices;
    unsigned i;
    for (i = 0; ftl_kinds[i]; i++)
        assert_string_equal(mappings[i], ftl_kinds[i]->name);
    assert_null(mappings[i]);
    for (i = 0; gc_policies[i].name; i++)
        assert_string_equal(policies[i], gc_policies[i].name);
    assert_null(policies[i]);
    for (i = 0; drive_kinds[i]; i++)
        assert_string_equal(kinds[i], drive_kinds[i]->name);
    assert_null(kinds[i]);
}

static void test_ssd_every_plane_order_reads_back(void **state) {
    static const char *const orders[] = {"CLP", "CPL", "LCP", "LPC", "PCL", "PLC"};
    for (unsigned i = 0; i < 6; i++) {
        char arg[64];
        snprintf(arg, sizeof arg, "ssd.plane_order=%s", orders[i]);
        run(ARGS(arg), 2 + i, 4000);
    }
}

/*
 * Entries that a new drive takes from a rule are those that an image gets
 * written; then they change. With `packed` they become exceptions, as those of
 * a large map do.
 */
static void check_rule(const char *order, const char *percent, bool packed, uint64_t seed) {
    struct drive_config config;
    static struct oracle o;
    struct err e = {0};
    char path[] = "/tmp/test_ssd_rule_XXXXXX";
    close(mkstemp(path));
    unlink(path);
    oracle_config(&config, ARGS("ssd.precondition=sequential", order, percent));
    oracle_open(&o, &config, "memory", NULL, seed);
    struct drive *image = drive_open(&config, "file", path, o.sim, &e);
    if (!image)
        fail_msg("%s", e.text);
    struct ftl *f = &ssd_of(o.drive)->ftl, *g = &ssd_of(image)->ftl;
    assert_true(f->rule && !g->rule);
    if (packed)
        assert_non_null(f->leaves = leaves_new((f->units >> 10) + 1));
    assert_int_equal(f->mapped, g->mapped);
    for (uint32_t u = 0; u < f->units; u++) {
        assert_int_equal(f->ops->translate(f, u), g->ops->translate(g, u));
        o.version[u]->mapped = f->ops->translate(f, u) != FTL_UNMAPPED;
    }
    drive_close(image);
    unlink(path);
    for (unsigned i = 0; i < 4; i++) {
        oracle_check(&o);
        oracle_run(&o, 2000, false);
    }
    assert_true(f->count.gc_runs > f->total_blocks / 2);
    oracle_power_cut(&o);
    oracle_check(&o);
    oracle_run(&o, 1000, false);
    oracle_verify(&o);
    oracle_check(&o);
    oracle_close(&o);
}

static void test_ssd_written_in_order_by_rule(void **state) {
    check_rule("ssd.plane_order=PCL", "ssd.precondition_percent=100", false, 70);
    check_rule("ssd.plane_order=LPC", "ssd.precondition_percent=71", false, 71);
    check_rule("ssd.plane_order=PCL", "ssd.precondition_percent=100", true, 72);
    check_rule("ssd.plane_order=LPC", "ssd.precondition_percent=71", true, 73);
}

static void test_ssd_every_victim_policy_reads_back(void **state) {
    for (unsigned i = 0; gc_policies[i].name; i++) {
        char arg[64];
        snprintf(arg, sizeof arg, "ssd.gc_policy=%s", gc_policies[i].name);
        run(ARGS(arg, "ssd.gc_choices=3"), 20 + i, 6000);
        run(ARGS(arg, "drive.capacity=26MiB", "ssd.op_percent=0"), 30 + i, 4000);
    }
}

static void test_ssd_writes_through_without_buffer(void **state) {
    run(ARGS("ssd.write_buffer=0"), 10, 6000);
}

static void test_ssd_protected_buffer(void **state) {
    run(ARGS("ssd.volatile_cache=no"), 11, 6000);
}

static void test_ssd_small_pages_and_single_plane(void **state) {
    run(ARGS("nand.page_bytes=4096", "nand.planes=1", "nand.blocks=48", "nand.pages=32", "ssd.write_buffer=16KiB"), 12,
        8000);
}

static void test_ssd_tight_spare(void **state) {
    /* 8 planes of 16 blocks less 3 each, 256 KiB a block... minus nothing: the largest capacity */
    run(ARGS("drive.capacity=26MiB", "ssd.op_percent=0"), 13, 12000);
}

static void full_drive_goes_on(const char *const *args, const char *policy) {
    struct drive_config config;
    static struct oracle o;
    const char *all[16] = {policy};
    for (unsigned i = 0; args[i]; i++)
        all[i + 1] = args[i];
    oracle_config(&config, all);
    oracle_open(&o, &config, "memory", NULL, 15);
    for (uint64_t u = 0, n; u < o.units; u += n) {
        n = o.units - u < ORACLE_SPAN ? o.units - u : ORACLE_SPAN;
        assert_int_equal(oracle_one(&o, IO_WRITE, u, n, 0), IO_OK);
    }
    oracle_check(&o);
    o.weight[IO_TRIM] = o.weight[IO_WRITE_ZEROES] = 0;
    oracle_run(&o, 3000, false);
    oracle_verify(&o);
    oracle_check(&o);
    oracle_close(&o);
}

/* Full to the last unit without any garbage: collection must notice what later writes leave behind. */
static void test_ssd_full_drive_goes_on(void **state) {
    char policy[64];
    for (unsigned i = 0; gc_policies[i].name; i++) {
        snprintf(policy, sizeof policy, "ssd.gc_policy=%s", gc_policies[i].name);
        full_drive_goes_on(ARGS("drive.capacity=26MiB", "ssd.op_percent=0"), policy);
    }
}

/* A victim whose garbage is less than a page gains nothing alone: its last page would be padded. */
static void test_ssd_full_drive_of_few_pages_goes_on(void **state) {
    static const struct {
        const char *planes, *pages, *streams, *capacity;
    } drives[] = {
        {"nand.planes=1", "nand.pages=1", "ssd.streams=1", "drive.capacity=1130496"},
        {"nand.planes=1", "nand.pages=8", "ssd.streams=1", "drive.capacity=9043968"},
        {"nand.planes=2", "nand.pages=1", "ssd.streams=1", "drive.capacity=2260992"},
        {"nand.planes=1", "nand.pages=2", "ssd.streams=3", "drive.capacity=2064384"},
        {"nand.planes=2", "nand.pages=4", "ssd.streams=3", "drive.capacity=8257536"},
    };
    for (unsigned i = 0; i < sizeof drives / sizeof *drives; i++)
        full_drive_goes_on(ARGS(drives[i].capacity, drives[i].planes, drives[i].pages, drives[i].streams,
                                "nand.channels=1", "nand.luns=1", "nand.blocks=72", "nand.page_bytes=16384",
                                "nand.endurance=0", "ssd.op_percent=0", "ssd.write_buffer=256KiB"),
                           "ssd.gc_policy=greedy");
}

static void test_ssd_foreground_collection_only(void **state) {
    run(ARGS("ssd.gc_background=no"), 14, 8000);
}

static void power(const char *const *args, uint64_t seed) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, args);
    oracle_open(&o, &config, "memory", NULL, seed);
    for (unsigned i = 0; i < 12; i++) {
        oracle_run(&o, 100 + rng_below(&o.rng, 1500), true);
        oracle_power_cut(&o);
        oracle_check(&o);
    }
    oracle_run(&o, 500, false);
    oracle_verify(&o);
    oracle_close(&o);
}

static void test_ssd_power_cut_keeps_what_was_flushed(void **state) {
    power(NULL, 20);
    power(ARGS("ssd.write_buffer=0"), 21);
    power(ARGS("ssd.volatile_cache=no"), 22);
    power(ARGS("drive.capacity=26MiB", "ssd.op_percent=0"), 23);
}

/* The first moments of a drive, cut after one request more each time, and cut again while it recovers. */
static void test_ssd_power_cut_sweep(void **state) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, ARGS("drive.capacity=4MiB", "nand.blocks=8", "nand.channels=1", "ssd.write_buffer=128KiB"));
    for (unsigned i = 0; i < 120; i++) {
        oracle_open(&o, &config, "memory", NULL, 50);
        oracle_run(&o, 20 * i, true);
        oracle_power_cut(&o);
        oracle_run(&o, i % 7, true);
        oracle_power_cut(&o);
        oracle_check(&o);
        oracle_close(&o);
    }
}

/* A protected buffer loses nothing that was answered. */
static void test_ssd_power_cut_protected_buffer_keeps_all(void **state) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, ARGS("ssd.volatile_cache=no"));
    oracle_open(&o, &config, "memory", NULL, 24);
    for (unsigned i = 0; i < 6; i++) {
        oracle_run(&o, 800, false);
        drive_power_cut(o.drive);
        assert_int_equal(ssd_of(o.drive)->ftl.homeless, 0); /* everything buffered found a place */
        oracle_check(&o);
        oracle_verify(&o);
    }
    oracle_close(&o);
}

/* And a volatile one does lose something: the cut is real. */
static void test_ssd_power_cut_loses_unflushed(void **state) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, NULL);
    oracle_open(&o, &config, "memory", NULL, 25);
    assert_int_equal(oracle_one(&o, IO_WRITE, 7, 1, 0), IO_OK);
    assert_true(drive_mapped(o.drive, 7 * UNIT, UNIT));
    drive_power_cut(o.drive);
    assert_false(drive_mapped(o.drive, 7 * UNIT, UNIT));
    assert_int_equal(oracle_one(&o, IO_WRITE, 7, 1, 0), IO_OK);
    assert_int_equal(oracle_one(&o, IO_FLUSH, 0, 0, 0), IO_OK);
    drive_power_cut(o.drive);
    assert_true(drive_mapped(o.drive, 7 * UNIT, UNIT));
    assert_int_equal(oracle_one(&o, IO_WRITE, 9, 1, IO_FUA), IO_OK);
    drive_power_cut(o.drive);
    assert_true(drive_mapped(o.drive, 9 * UNIT, UNIT));
    oracle_verify(&o);
    oracle_close(&o);
}

/* A request of the directed tests below. */
struct req {
    struct io io;
    struct iovec vec;
    bool done;
};

static void req_done(struct io *io) {
    ((struct req *)io)->done = true;
}

static void start(struct drive *drive, struct req *r, enum io_op op, uint64_t unit, uint32_t flags, void *data) {
    memset(r, 0, sizeof *r);
    r->vec = (struct iovec){data, UNIT};
    r->io = (struct io){.op = (uint8_t)op, .flags = flags, .offset = unit * UNIT, .bytes = UNIT, .done = req_done};
    r->io.vec = data ? &r->vec : NULL;
    r->io.nvec = data != NULL;
    drive_submit(drive, &r->io);
}

/*
 * Two versions of a unit are being programmed and the younger one gets there
 * first, as the older one's die is kept busy with reads. Power fails then: the
 * younger one, answered with FUA, must be what is left.
 */
static void test_ssd_younger_version_on_flash_first(void **state) {
    static struct req reads[200], w[5];
    static char old[UNIT], young[UNIT];
    static struct oracle o;
    struct drive_config config;
    oracle_config(&config, ARGS("ssd.precondition=sequential", "ssd.precondition_percent=50", "ssd.plane_order=LCP",
                                "nand.starvation_limit=1000"));
    oracle_open(&o, &config, "memory", NULL, 26);
    struct drive *drive = o.drive;
    memset(old, 1, UNIT);
    memset(young, 2, UNIT);
    /* 2048 units in pages of 4 over 8 planes: the next page goes to the first die, as did units 0..3, 32..35 and so on
     */
    for (unsigned i = 0; i < 200; i++)
        start(drive, &reads[i], IO_READ, i % 40 * 32, 0, NULL);
    start(drive, &w[0], IO_WRITE, 100, 0, old);
    for (unsigned i = 1; i < 4; i++)
        start(drive, &w[i], IO_WRITE, 200 + i, 0, old);
    sim_run(o.sim, sim_now(o.sim) + 20000);
    start(drive, &w[4], IO_WRITE, 100, IO_FUA, young);
    while (!w[4].done)
        sim_run(o.sim, sim_now(o.sim) + 1000);
    assert_false(reads[199].done); /* the older version's die is still at it */
    drive_power_cut(drive);
    struct req r;
    start(drive, &r, IO_READ, 100, 0, NULL);
    while (!r.done)
        sim_run(o.sim, sim_now(o.sim) + 1000);
    assert_memory_equal(r.io.data, young, UNIT);
    oracle_close(&o);
}

/* Requests of one unit that overlap in time are all answered. */
static void test_ssd_overlapping_requests_are_all_answered(void **state) {
    static struct req w[40];
    static char data[UNIT];
    static struct oracle o;
    struct drive_config config;
    struct rng rng;
    oracle_config(&config, ARGS("drive.capacity=2MiB", "nand.channels=1", "nand.luns=1", "nand.planes=1"));
    oracle_open(&o, &config, "memory", NULL, 28);
    rng_init(&rng, 28, 0);
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 40; i++) {
            static const enum io_op ops[] = {IO_WRITE, IO_WRITE, IO_WRITE, IO_WRITE, IO_READ, IO_FLUSH, IO_TRIM};
            enum io_op op = ops[rng_below(&rng, 7)];
            start(o.drive, &w[i], op, rng_below(&rng, 3), rng_below(&rng, 2) ? IO_FUA : 0,
                  op == IO_WRITE ? data : NULL);
            if (rng_below(&rng, 2))
                sim_run(o.sim, sim_now(o.sim) + (int64_t)rng_below(&rng, 300000));
        }
        for (unsigned i = 0; i < 40; i++) {
            for (unsigned n = 0; !w[i].done; n++) {
                assert_true(n < 100000);
                sim_run(o.sim, sim_now(o.sim) + 10000);
            }
            assert_int_equal(w[i].io.status, IO_OK);
        }
        oracle_check(&o);
    }
    oracle_close(&o);
}

/* A copy made by the collector must not displace what the host wrote meanwhile. */
static void test_ftl_relocation_yields_to_newer_data(void **state) {
    static struct oracle o;
    struct drive_config config;
    oracle_config(&config, ARGS("ssd.precondition=sequential", "ssd.precondition_percent=50"));
    oracle_open(&o, &config, "memory", NULL, 27);
    struct ftl *f = &ssd_of(o.drive)->ftl;
    uint32_t lpn = 5, from = f->ops->translate(f, lpn) - 1, other = 9;
    assert_true(ftl_place_now(f, &lpn, 1));
    uint32_t now = f->ops->translate(f, lpn);
    assert_int_not_equal(now, from + 1);
    assert_false(ftl_relocate(f, lpn, from, f->ops->translate(f, other) - 1));
    assert_int_equal(f->ops->translate(f, lpn), now);
    oracle_check(&o);
    oracle_close(&o);
}

static void test_ssd_file_image_survives_restarts(void **state) {
    struct drive_config config;
    static struct oracle o;
    char path[] = "/tmp/drivelab-test-ssd-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    close(fd);
    oracle_config(&config, NULL);
    oracle_open(&o, &config, "file", path, 30);
    o.fua_percent = 0; /* each costs a real flush of the file */
    o.weight[IO_FLUSH] = 0;
    for (unsigned i = 0; i < 3; i++) {
        oracle_run(&o, 1200, false);
        assert_int_equal(oracle_one(&o, IO_FLUSH, 0, 0, 0), IO_OK);
        oracle_reopen(&o);
        oracle_check(&o);
        oracle_verify(&o);
    }
    oracle_close(&o);
    unlink(path);
}

static void failing(const char *const *args, uint64_t seed, uint64_t ios) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, args);
    oracle_open(&o, &config, "memory", NULL, seed);
    oracle_run(&o, ios, false);
    oracle_check(&o);
    oracle_verify(&o);
    const struct ftl *f = &ssd_of(o.drive)->ftl;
    uint64_t bad = 0, left = 0;
    for (uint64_t i = 0; i < f->total_blocks; i++) {
        bad += f->state[i].bad != 0;
        left += f->state[i].bad ? f->blocks[i].valid : 0;
    }
    assert_true(bad > 3);
    assert_int_equal(left, 0); /* what failed blocks held has moved */
    oracle_close(&o);
}

static void test_ssd_failing_programs_and_erases_lose_nothing(void **state) {
    failing(ARGS("nand.program_fail_ppm=2000", "nand.erase_fail_ppm=3000", "nand.blocks=40"), 40, 10000);
    failing(ARGS("nand.program_fail_ppm=2000", "nand.blocks=40", "ssd.plane_order=CLP"), 41, 10000);
}

static void test_ssd_failing_reads_are_reported(void **state) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, ARGS("nand.read_fail_ppm=2000"));
    oracle_open(&o, &config, "memory", NULL, 42);
    o.expect_failures = true;
    oracle_run(&o, 8000, false);
    assert_true(o.failed > 0);
    struct drive_health health;
    drive_health(o.drive, &health);
    assert_true(health.media_errors > 0);
    assert_false(health.read_only);
    oracle_check(&o);
    oracle_close(&o);
}

/* Blocks fail until none is left to write to: writes are refused, everything still reads. */
static void wear_out(const char *cache, uint64_t seed) {
    struct drive_config config;
    static struct oracle o;
    struct drive_health health = {0};
    oracle_config(&config, ARGS("nand.erase_fail_ppm=200000", cache));
    config.drive.seed = seed;
    oracle_open(&o, &config, "memory", NULL, seed);
    o.expect_failures = true;
    o.weight[IO_TRIM] = o.weight[IO_WRITE_ZEROES] = 0;
    while (!health.read_only) {
        oracle_run(&o, 50, false);
        drive_health(o.drive, &health);
        assert_true(o.done < 200000);
    }
    assert_int_equal(health.spare_percent, 0);
    oracle_check(&o);
    const struct wbuf *b = &ssd_of(o.drive)->buffer;
    for (uint32_t i = 0; i < b->count; i++) /* all is answered, so nobody may be waited for */
        assert_true(b->slots[i].state == SLOT_FREE || !b->slots[i].waiter);
    for (unsigned i = 0; i < 50; i++)
        assert_int_not_equal(oracle_one(&o, IO_WRITE, i, 1, 0), IO_OK);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(oracle_one(&o, IO_READ, i + 100, 1, 0), IO_OK);
    uint16_t flush = oracle_one(&o, IO_FLUSH, 0, 0, 0); /* answered, even if the buffer has no place to go */
    assert_true(flush == IO_OK || config.ssd.volatile_cache);
    oracle_close(&o);
}

static void test_ssd_end_of_life_is_read_only(void **state) {
    for (uint64_t seed = 43; seed < 49; seed++) {
        wear_out("ssd.volatile_cache=no", seed);
        wear_out("ssd.volatile_cache=yes", seed);
        wear_out("ssd.write_buffer=0", seed);
        wear_out("ssd.write_buffer=16KiB", seed);
        wear_out("ssd.plane_order=CLP", seed);
    }
}

static uint32_t preconditioned_map(const char *seed) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, ARGS("ssd.precondition=random", "ssd.precondition_percent=90", seed));
    oracle_open(&o, &config, "none", NULL, 1);
    const struct ftl *f = &ssd_of(o.drive)->ftl;
    uint32_t *map = malloc(f->units * sizeof *map);
    assert_non_null(map);
    for (uint32_t lpn = 0; lpn < f->units; lpn++)
        map[lpn] = f->ops->translate(f, lpn);
    uint32_t crc = crc32c(map, f->units * sizeof *map);
    free(map);
    oracle_check(&o);
    oracle_close(&o);
    return crc;
}

/* The same seed gives the same map, today and with the next release. */
static void test_ssd_random_preconditioning_follows_the_seed(void **state) {
    assert_int_equal(preconditioned_map("drive.seed=1"), 0x06a0e1f4);
    assert_int_equal(preconditioned_map("drive.seed=2"), 0xd9ec637f);
}

/* What large drives do with sparse pages of the map, on a small one. */
static void test_ssd_packed_map_reads_back(void **state) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, NULL);
    oracle_open(&o, &config, "memory", NULL, 80);
    struct ftl *f = &ssd_of(o.drive)->ftl;
    assert_null(f->leaves);
    f->leaves = leaves_new(f->units / 1024 + 1);
    assert_non_null(f->leaves);
    for (unsigned i = 0; i < 6; i++) {
        o.hot = i % 2 ? o.units : 1500; /* only some become flat */
        oracle_run(&o, 1500, true);
        oracle_power_cut(&o);
        oracle_check(&o);
        if (i == 3)
            oracle_one(&o, IO_TRIM, 0, o.units, 0);
    }
    oracle_verify(&o);
    oracle_check(&o);
    oracle_close(&o);
}

/* --- long deallocations --- */

struct watch {
    struct sim_event event; /* first */
    struct oracle *o;
    uint64_t mapped, most; /* units; most unmapped since the last look */
};

static uint64_t mapped_units(const struct oracle *o) {
    return ((const struct ssd *)o->drive)->ftl.mapped;
}

static void look(struct sim_event *event) {
    struct watch *w = (struct watch *)event;
    uint64_t now = mapped_units(w->o);
    w->most = w->mapped - now > w->most ? w->mapped - now : w->most;
    w->mapped = now;
    if (now)
        sim_schedule(w->o->sim, event, sim_now(w->o->sim) + 1);
}

/* Submit a deallocation of the whole drive. */
static void trim_all(struct oracle *o, struct req *r) {
    memset(r, 0, sizeof *r);
    r->io.op = IO_TRIM;
    r->io.bytes = o->config.drive.capacity;
    r->io.done = req_done;
    drive_submit(o->drive, &r->io);
}

/* Others get a turn while a whole drive is deallocated. */
static void test_ssd_long_trim_goes_in_steps(void **state) {
    struct drive_config config;
    static struct oracle o;
    struct req r;
    oracle_config(&config, ARGS("ssd.precondition=sequential"));
    oracle_open(&o, &config, "memory", NULL, 71);
    struct watch w = {.o = &o, .mapped = mapped_units(&o)};
    assert_int_equal(w.mapped, o.units);
    sim_event_init(&w.event, look);
    sim_schedule(o.sim, &w.event, sim_now(o.sim));
    trim_all(&o, &r);
    sim_run(o.sim, SIM_NEVER);
    assert_true(r.done);
    assert_int_equal(r.io.status, IO_OK);
    assert_int_equal(mapped_units(&o), 0);
    assert_in_range(w.most, 1, 1024);
    oracle_check(&o);
    oracle_close(&o);
}

/* Whole drives deallocated between random requests, and a power cut in between. */
static void test_ssd_long_trims_read_back(void **state) {
    struct drive_config config;
    static struct oracle o;
    oracle_config(&config, NULL);
    oracle_open(&o, &config, "memory", NULL, 72);
    for (unsigned i = 0; i < 6; i++) {
        oracle_run(&o, 1500, false);
        assert_int_equal(oracle_one(&o, IO_TRIM, i % 3, o.units - i, 0), IO_OK);
        oracle_check(&o);
        oracle_verify(&o);
    }
    oracle_run(&o, 3000, false);
    struct req r;
    trim_all(&o, &r);
    drive_power_cut(o.drive);
    sim_run(o.sim, sim_now(o.sim) + 1000000);
    assert_false(r.done);
    oracle_check(&o);
    oracle_close(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssd_random_requests_read_back),
        cmocka_unit_test(test_drive_kinds_keep_their_promises),
        cmocka_unit_test(test_drive_options_name_the_rows),
        cmocka_unit_test(test_ssd_every_plane_order_reads_back),
        cmocka_unit_test(test_ssd_written_in_order_by_rule),
        cmocka_unit_test(test_ssd_every_victim_policy_reads_back),
        cmocka_unit_test(test_ssd_writes_through_without_buffer),
        cmocka_unit_test(test_ssd_protected_buffer),
        cmocka_unit_test(test_ssd_small_pages_and_single_plane),
        cmocka_unit_test(test_ssd_tight_spare),
        cmocka_unit_test(test_ssd_full_drive_goes_on),
        cmocka_unit_test(test_ssd_full_drive_of_few_pages_goes_on),
        cmocka_unit_test(test_ssd_foreground_collection_only),
        cmocka_unit_test(test_ssd_power_cut_keeps_what_was_flushed),
        cmocka_unit_test(test_ssd_power_cut_sweep),
        cmocka_unit_test(test_ssd_power_cut_protected_buffer_keeps_all),
        cmocka_unit_test(test_ssd_power_cut_loses_unflushed),
        cmocka_unit_test(test_ssd_younger_version_on_flash_first),
        cmocka_unit_test(test_ssd_overlapping_requests_are_all_answered),
        cmocka_unit_test(test_ftl_relocation_yields_to_newer_data),
        cmocka_unit_test(test_ssd_file_image_survives_restarts),
        cmocka_unit_test(test_ssd_failing_programs_and_erases_lose_nothing),
        cmocka_unit_test(test_ssd_failing_reads_are_reported),
        cmocka_unit_test(test_ssd_end_of_life_is_read_only),
        cmocka_unit_test(test_ssd_random_preconditioning_follows_the_seed),
        cmocka_unit_test(test_ssd_packed_map_reads_back),
        cmocka_unit_test(test_ssd_long_trim_goes_in_steps),
        cmocka_unit_test(test_ssd_long_trims_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
