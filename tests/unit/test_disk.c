/* The mechanics of a disk: seek curve, geometry, rotation, defects, the arm's choices. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "media/disk/disk.h"

enum { REV = 10000000 }; /* 6000 turns a minute */

static struct disk_config small(void) {
    struct disk_config c = {.surfaces = 3,
                            .sector_bytes = 512,
                            .rpm = 6000,
                            .band_tracks = 4,
                            .head_switch = 700000,
                            .write_settle = 200000,
                            .seed = 1};
    strcpy(c.zones, "0-9:100:8:12:40, 10-29:80:6:10");
    strcpy(c.seek_points, "1:1ms, 3:2ms, 10:3.4ms");
    return c;
}

static struct disk_geometry make(const struct disk_config *c) {
    struct disk_geometry g;
    struct err e = {0};
    if (disk_geometry_init(&g, c, &e))
        fail_msg("%s", e.text);
    return g;
}

static void refused(const struct disk_config *c, const char *const *words) {
    struct disk_geometry g;
    struct err e = {0};
    assert_int_equal(disk_geometry_init(&g, c, &e), -EINVAL);
    disk_geometry_release(&g);
    for (; *words; words++)
        if (!strstr(e.text, *words))
            fail_msg("\"%s\" is not in: %s", *words, e.text);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_disk_bad_tables_are_named(void **state) {
    struct disk_config c = small();
    strcpy(c.zones, "10-29:80:6:10, 0-9:100:8:12");
    refused(&c, WORDS("hdd.zones", "0-9:100:8:12", "sorted"));
    strcpy(c.zones, "0-9:100:8:12, 9-29:80:6:10");
    refused(&c, WORDS("hdd.zones", "not overlap", "ends at 9"));
    static const char *const bad[] = {"0-9",
                                      "0-9:0:0:0",
                                      "9-0:10:1:1",
                                      "0-9:10:10:1",
                                      "0-9:10:1",
                                      "0-9:10:1:1:x",
                                      "0-9:10:1:1:1:1",
                                      "0-99999999:10:1:1",
                                      "-1-9:10:1:1",
                                      "0-9:18446744073709551617:1:1",
                                      "0-9:10:1:1:300",
                                      ""};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        strcpy(c.zones, bad[i]);
        refused(&c, WORDS("hdd.zones"));
    }
    c = small();
    strcpy(c.seek_points, "1:1ms, 3:2ms, 4:1.9ms");
    refused(&c, WORDS("hdd.seek_points", "decreases", "2000000", "1900000", "at 4"));
    strcpy(c.seek_points, "3:1ms, 3:2ms");
    refused(&c, WORDS("hdd.seek_points", "rise"));
    strcpy(c.seek_points, "1:1ms, x");
    refused(&c, WORDS("hdd.seek_points", "\"x\""));
    *c.seek_points = '\0';
    refused(&c, WORDS("hdd.seek_formula"));
    strcpy(c.seek_formula, "3, 0.5, 10, 2, 0.01");
    refused(&c, WORDS("hdd.seek_formula", "decreases"));
    strcpy(c.seek_formula, "3, 0.5, 10, 2");
    refused(&c, WORDS("hdd.seek_formula", "a,b,c,e,f"));
}

static void test_disk_seek_points_are_exact(void **state) {
    struct disk_config c = small();
    struct disk_geometry g = make(&c);
    assert_int_equal(disk_seek_ns(&g, 0), 0);
    assert_int_equal(disk_seek_ns(&g, 1), 1000000);
    assert_int_equal(disk_seek_ns(&g, 2), 1500000);
    assert_int_equal(disk_seek_ns(&g, 3), 2000000);
    assert_int_equal(disk_seek_ns(&g, 10), 3400000);
    assert_int_equal(disk_seek_ns(&g, 20), 5400000); /* the last line goes on */
    disk_geometry_release(&g);
}

/* The HP 97560's: 3.24 + 0.4 sqrt(d), 8 + 0.008 d. */
static void test_disk_seek_formula_is_exact_and_rises(void **state) {
    struct disk_config c = small();
    *c.seek_points = '\0';
    strcpy(c.zones, "0-1961:72:8:18");
    strcpy(c.seek_formula, "3.24, 0.400, 384, 8.00, 0.008");
    struct disk_geometry g = make(&c);
    assert_int_equal(disk_seek_ns(&g, 1), 3640000);
    assert_int_equal(disk_seek_ns(&g, 100), 7240000);
    assert_int_equal(disk_seek_ns(&g, 361), 10840000);
    assert_int_equal(disk_seek_ns(&g, 400), 11200000);
    assert_int_equal(disk_seek_ns(&g, 1961), 23688000);
    for (uint32_t d = 1; d < 1961; d++)
        assert_true(disk_seek_ns(&g, d) <= disk_seek_ns(&g, d + 1));
    disk_geometry_release(&g);
}

/* Every sector has its own place, in bounds. */
static void places_are_distinct(const struct disk_config *c) {
    struct disk_geometry g = make(c);
    static uint8_t seen[30][3][128];
    memset(seen, 0, sizeof seen);
    for (uint64_t lba = 0; lba < g.sectors; lba++) {
        struct disk_place p = disk_locate(&g, lba);
        assert_in_range(p.at.cylinder, p.zone->first, p.zone->first + p.zone->cylinders - 1);
        assert_in_range(p.at.surface, 0, g.surfaces - 1);
        uint64_t slot = p.slot % p.zone->sectors;
        assert_int_equal(seen[p.at.cylinder][p.at.surface][slot]++, 0);
        for (uint32_t i = 1; i < p.run; i++) { /* a run goes on on its track */
            struct disk_place q = disk_locate(&g, lba + i);
            assert_int_equal(q.at.cylinder, p.at.cylinder);
            assert_int_equal(q.at.surface, p.at.surface);
            assert_int_equal(q.slot, p.slot + i);
        }
    }
    disk_geometry_release(&g);
}

static void test_disk_every_sector_has_its_place(void **state) {
    struct disk_config c = small();
    places_are_distinct(&c);
    c.layout = DISK_BANDS;
    places_are_distinct(&c);
    c.band_tracks = 1000;
    places_are_distinct(&c);
    c.defects = c.grown_defects = 6;
    strcpy(c.zones, "0-9:100:8:12:40, 10-29:80:6:10:40");
    places_are_distinct(&c);
    c.layout = DISK_CYLINDERS;
    places_are_distinct(&c);
}

static void test_disk_access_is_the_sum_of_its_parts(void **state) {
    struct disk_config c = small();
    struct disk_geometry g = make(&c);
    struct disk_head head = {0, 0};
    struct disk_parts p = {0};
    /* track 0, 100 sectors: sector 10 begins a tenth of a turn in */
    assert_int_equal(disk_access(&g, &head, 0, 10, 5, false, 0, &p), REV / 10 + 5 * REV / 100);
    assert_int_equal(p.first_ns, REV / 10 + REV / 100);
    assert_int_equal(p.rotation, REV / 10);
    assert_int_equal(p.transfer, 5 * REV / 100);
    /* the sector that has just gone by comes again after a turn less one sector */
    assert_int_equal(disk_rotation_ns(&g, &(struct disk_place){.zone = &g.zone[0], .slot = 0}, REV / 100),
                     REV - REV / 100);
    /* head 1: skew 8; read of sector 100 ends the switch before its angle */
    head = (struct disk_head){0, 0};
    assert_int_equal(disk_access(&g, &head, 0, 100, 1, false, 0, NULL), 8 * REV / 100 + REV / 100);
    /* a write settles, 0.7 + 0.2 ms, too late for 0.8 */
    head = (struct disk_head){0, 0};
    assert_int_equal(disk_access(&g, &head, 0, 100, 1, true, 0, NULL), REV + 8 * REV / 100 + REV / 100);
    /* seek of 3 cylinders and a head together take the longer of the two */
    assert_int_equal(disk_reposition_ns(&g, (struct disk_head){0, 0}, (struct disk_head){3, 1}, false), 2000000);
    assert_int_equal(disk_reposition_ns(&g, (struct disk_head){0, 0}, (struct disk_head){3, 1}, true), 2200000);
    assert_int_equal(disk_reposition_ns(&g, (struct disk_head){3, 1}, (struct disk_head){3, 1}, true), 0);
    disk_geometry_release(&g);
}

/* Whole tracks one after another: a turn each, and the skews. */
static void test_disk_sequential_rate_is_that_of_the_zone(void **state) {
    struct disk_config c = small();
    strcpy(c.seek_points, "1:1ms");
    struct disk_geometry g = make(&c);
    struct disk_head head = {0, 0};
    /* ten cylinders of three tracks: 20 track skews, 9 cylinder skews between 30 tracks */
    int64_t t = disk_access(&g, &head, 0, 0, 2960, false, 0, NULL);
    assert_int_equal(t, (29 * 100ll + 60 + 20 * 8 + 9 * 12) * REV / 100);
    disk_geometry_release(&g);
}

static void test_disk_remapped_sectors_cost_a_detour(void **state) {
    struct disk_config c = small();
    struct disk_geometry plain = make(&c);
    c.grown_defects = 5;
    strcpy(c.zones, "0-29:100:8:12:40");
    struct disk_geometry g = make(&c);
    struct disk_head head = {0, 0};
    assert_int_equal(g.remaps, 5);
    uint64_t lba = g.remap[0].lba;
    struct disk_place p = disk_locate(&g, lba);
    assert_int_equal(p.run, 1);
    assert_int_equal(p.at.cylinder, 29); /* the spares are at the end */
    assert_true(disk_access(&g, &head, 0, lba ? lba - 1 : lba, 3, false, 0, NULL) > 2 * disk_seek_ns(&g, 20));
    disk_geometry_release(&g);
    disk_geometry_release(&plain);
    c.grown_defects = 100;
    refused(&c, WORDS("hdd.grown_defects = 100", "40 spare"));
}

static void test_disk_reading_until_agrees_with_access(void **state) {
    struct disk_config c = small();
    c.layout = DISK_BANDS;
    struct disk_geometry g = make(&c);
    struct rng rng;
    rng_init(&rng, 5, 0);
    for (unsigned i = 0; i < 500; i++) {
        struct disk_head a = {0, 0};
        int64_t from = (int64_t)rng_below(&rng, REV), until = from + (int64_t)rng_below(&rng, 20 * REV), t = from;
        uint64_t lba = rng_below(&rng, g.sectors - 600), n = 0;
        while (t < until && n < 600) { /* in pieces, as a stream is looked at */
            int64_t step = from + (int64_t)rng_below(&rng, (uint64_t)(until - from) + 1);
            n += disk_read_until(&g, &a, &t, lba + n, 600 - n, step);
            if (step > until - REV / 50)
                break;
        }
        n += disk_read_until(&g, &a, &t, lba + n, 600 - n, until);
        struct disk_head b = {0, 0};
        int64_t end = n ? disk_access(&g, &b, from, lba, n, false, 0, NULL) : from;
        assert_int_equal(t, end);
        assert_true(end <= until || !n);
        if (n < 600) {
            b = (struct disk_head){0, 0};
            assert_true(disk_access(&g, &b, from, lba, n + 1, false, 0, NULL) > until);
        }
    }
    disk_geometry_release(&g);
}

/* --- the arm --- */

struct arm_bed {
    struct sim *sim;
    struct disk_geometry g;
    struct disk_arm arm;
    struct disk_op op[64];
    unsigned order[64], done;
};

static struct arm_bed bed;

static void op_done(struct disk_op *op) {
    bed.order[bed.done++] = (unsigned)(op - bed.op);
}

static void idle(struct disk_arm *arm) {}

static void bed_open(int policy, double ageing) {
    struct disk_config c = small();
    struct err e = {0};
    c.policy = policy;
    c.ageing = ageing;
    memset(&bed, 0, sizeof bed);
    bed.g = make(&c);
    bed.sim = sim_new(&(struct sim_config){0}, &e);
    disk_arm_init(&bed.arm, &bed.g, bed.sim, &c);
    bed.arm.idle = idle;
    bed.arm.old_ns = INT64_MAX;
}

static void bed_close(void) {
    disk_arm_reset(&bed.arm);
    disk_geometry_release(&bed.g);
    sim_free(bed.sim);
}

static void submit(unsigned i, uint64_t lba, bool urgent) {
    bed.op[i] = (struct disk_op){.lba = lba, .count = 4, .urgent = urgent, .done = op_done};
    disk_submit(&bed.arm, &bed.op[i]);
}

static void ordered(const unsigned *order, unsigned n) {
    sim_run(bed.sim, SIM_NEVER);
    assert_int_equal(bed.done, n);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(bed.order[i], order[i]);
}

static void test_disk_arm_follows_its_policy(void **state) {
    const uint64_t lba[] = {1500, 60, 5000, 1530}; /* the last lies on the first one's track, just ahead */
    const unsigned fcfs[] = {0, 1, 2, 3}, look[] = {0, 3, 2, 1};
    for (int policy = DISK_FCFS; policy <= DISK_LOOK; policy++) {
        bed_open(policy, 0);
        for (unsigned i = 0; i < 4; i++)
            submit(i, lba[i], true);
        ordered(policy == DISK_FCFS ? fcfs : look, 4);
        bed_close();
    }
}

/* SPTF takes what comes by first: no other choice would have begun sooner. */
static void test_disk_sptf_takes_what_comes_first(void **state) {
    struct rng rng;
    rng_init(&rng, 9, 0);
    for (unsigned round = 0; round < 200; round++) {
        bed_open(DISK_SPTF, 0);
        submit(0, rng_below(&rng, bed.g.sectors - 4), true); /* runs at once */
        for (unsigned i = 1; i < 12; i++)
            submit(i, rng_below(&rng, bed.g.sectors - 4), true);
        struct disk_head at = bed.arm.head;
        int64_t start = bed.arm.free_ns, least = INT64_MAX;
        unsigned best = 0;
        for (unsigned i = 1; i < 12; i++) {
            struct disk_head head = at;
            struct disk_parts p = {0};
            disk_access(&bed.g, &head, start, bed.op[i].lba, 1, false, 0, &p);
            int64_t begins = p.seek + p.rotation;
            if (begins < least) {
                least = begins;
                best = i;
            }
        }
        sim_run(bed.sim, SIM_NEVER);
        assert_int_equal(bed.order[1], best);
        assert_int_equal(bed.done, 12);
        bed_close();
    }
}

static struct disk_op again[2];
static uint64_t near_lba;

/* Near requests without end, and one far away: ageing brings it its turn. */
static void near_done(struct disk_op *op) {
    near_lba = (near_lba + 37) % 300;
    op->lba = near_lba;
    disk_submit(&bed.arm, op);
}

static void test_disk_ageing_ends_starvation(void **state) {
    for (unsigned aged = 0; aged < 2; aged++) {
        bed_open(DISK_SPTF, aged ? 0.1 : 0);
        for (unsigned i = 0; i < 2; i++) {
            again[i] = (struct disk_op){.lba = 40 * i, .count = 1, .urgent = true, .done = near_done};
            disk_submit(&bed.arm, &again[i]);
        }
        submit(0, bed.g.sectors - 10, true);
        sim_run(bed.sim, 2000000000);
        assert_int_equal(bed.done, aged);
        bed_close();
    }
}

static void test_disk_urgent_goes_first_and_blocked_waits(void **state) {
    bed_open(DISK_FCFS, 0);
    submit(0, 0, true);
    submit(1, 100, false);
    submit(2, 4000, true);
    bed.op[3] = (struct disk_op){.lba = 10, .count = 1, .urgent = true, .blockers = 1, .done = op_done};
    disk_submit(&bed.arm, &bed.op[3]);
    sim_run(bed.sim, SIM_NEVER);
    assert_int_equal(bed.done, 3);
    bed.op[3].blockers = 0;
    disk_kick(&bed.arm);
    const unsigned order[] = {0, 2, 1, 3};
    ordered(order, 4);
    bed_close();
}

static void test_disk_stream_ends_with_the_sector_in_hand(void **state) {
    bed_open(DISK_FCFS, 0);
    disk_stream_start(&bed.arm, 0, 1000);
    sim_run(bed.sim, REV / 10 + REV / 300); /* ten sectors and a third */
    disk_stream_update(&bed.arm);
    assert_int_equal(bed.arm.stream.next, 10);
    submit(0, 11, true);
    assert_false(bed.arm.stream.active);
    sim_run(bed.sim, SIM_NEVER);
    assert_int_equal(bed.done, 1);
    assert_int_equal(sim_now(bed.sim) >= REV / 10, true);
    /* one that is waited for is finished first */
    disk_stream_start(&bed.arm, 20, 1000);
    int64_t due = disk_stream_commit(&bed.arm, 90, 1000);
    submit(1, 500, true);
    assert_int_equal(bed.arm.stream.next, 90);
    assert_int_equal(bed.arm.free_ns, due);
    sim_run(bed.sim, SIM_NEVER);
    assert_int_equal(bed.done, 2);
    bed_close();
}

/* Hears where the arm is, and how far it read on. */
struct hearer {
    struct disk_observer observer; /* first */
    unsigned accesses, streams;
    uint64_t sectors;
    uint32_t owner;
    int64_t ended_ns;
};

static void hear_access(struct disk_observer *observer, const struct disk_op *op, struct disk_head from,
                        struct disk_head to, int64_t from_ns, int64_t to_ns) {
    struct hearer *h = (struct hearer *)observer;
    assert_true(from_ns >= h->ended_ns && to_ns > from_ns);
    h->ended_ns = to_ns;
    h->accesses++;
}

static void hear_read_on(struct disk_observer *observer, const struct disk_read_on *what) {
    struct hearer *h = (struct hearer *)observer;
    assert_true(what->from_ns >= h->ended_ns && what->to_ns > what->from_ns);
    h->ended_ns = what->to_ns;
    h->streams++;
    h->sectors += what->count;
    h->owner = what->owner;
}

static void test_disk_observer_hears_accesses_and_reading_on_once(void **state) {
    struct hearer h = {.observer = {hear_access, hear_read_on}};
    bed_open(DISK_FCFS, 0);
    disk_stream_start(&bed.arm, 0, 1000);
    sim_run(bed.sim, REV / 10 + REV / 300);
    disk_observe(&bed.arm, &h.observer); /* what came before is not its business */
    sim_run(bed.sim, REV / 5 + REV / 300);
    bed.op[0].owner = 7;
    submit(0, 300, true);
    assert_int_equal(h.streams, 1);
    assert_int_equal(h.sectors, bed.arm.stream.next - 10);
    assert_int_equal(h.owner, 0);
    sim_run(bed.sim, SIM_NEVER);
    assert_int_equal(h.accesses, 1);
    disk_stream_start(&bed.arm, 301, 400);
    sim_run(bed.sim, SIM_NEVER);
    assert_int_equal(h.owner, bed.op[0].owner);
    assert_int_equal(h.streams, 2);
    disk_stream_start(&bed.arm, 400, 500);
    sim_run(bed.sim, sim_now(bed.sim) + REV);
    disk_observe(&bed.arm, NULL); /* is told of the part */
    assert_int_equal(h.streams, 3);
    assert_true(h.sectors >= bed.arm.stream.next - 301);
    sim_run(bed.sim, SIM_NEVER);
    assert_int_equal(h.streams, 3);
    bed_close();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disk_bad_tables_are_named),
        cmocka_unit_test(test_disk_seek_points_are_exact),
        cmocka_unit_test(test_disk_seek_formula_is_exact_and_rises),
        cmocka_unit_test(test_disk_every_sector_has_its_place),
        cmocka_unit_test(test_disk_access_is_the_sum_of_its_parts),
        cmocka_unit_test(test_disk_sequential_rate_is_that_of_the_zone),
        cmocka_unit_test(test_disk_remapped_sectors_cost_a_detour),
        cmocka_unit_test(test_disk_reading_until_agrees_with_access),
        cmocka_unit_test(test_disk_arm_follows_its_policy),
        cmocka_unit_test(test_disk_sptf_takes_what_comes_first),
        cmocka_unit_test(test_disk_ageing_ends_starvation),
        cmocka_unit_test(test_disk_urgent_goes_first_and_blocked_waits),
        cmocka_unit_test(test_disk_stream_ends_with_the_sector_in_hand),
        cmocka_unit_test(test_disk_observer_hears_accesses_and_reading_on_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
