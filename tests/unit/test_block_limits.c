/*
 * Limits of cgroups (io.max) and writeback throttling.
 *
 * Times are of a drive without latency, unless it says so, so that what is seen
 * when is what the limits allow.
 */
#include "block_bed.h"

#include <errno.h>
#include <stdio.h>

#define IO_SECTORS 8 /* 4 KiB */

static struct bed *bed_of_version(uint32_t version, const char *scheduler, int64_t latency_ns, uint32_t depth) {
    struct bed *b = bed_new(scheduler, latency_ns, depth, NULL);
    const struct block_settings s = {.scheduler = scheduler, .queue_depth = depth, .cgroup_version = version};
    struct err e = {0};
    block_free(b->block);
    b->block = block_new(b->drive, &s, &e);
    assert_non_null(b->block);
    block_watch(b->block, &b->watch);
    bed_set(b, "nomerges", "2");
    return b;
}

static struct block_group *group(struct bed *b, uint32_t owner, const char *path, const char *limits) {
    const struct block_context_settings who = {.prioclass = -1, .prio = -1, .cgroup = path, .cgroup_limits = limits};
    struct err e = {0};
    if (block_context_describe(b->block, owner, &who, &e))
        fail_msg("%s", e.text);
    return block_group_find(b->block, path);
}

static void set_limits(struct bed *b, const char *path, const char *limits) {
    struct err e = {0};
    if (block_group_set_limits(b->block, block_group_find(b->block, path), limits, &e))
        fail_msg("%s", e.text);
}

static void send(struct bed *b, uint32_t owner, enum io_op op, unsigned count, uint32_t flags) {
    for (unsigned i = 0; i < count; i++)
        bed_send(b, owner, op, (b->ios * 2 * IO_SECTORS) % (BED_DRIVE / 512), IO_SECTORS, flags);
}

/* The i-th request of the owner that the drive got was at so many ms. */
static void got_at(const struct bed *b, uint32_t owner, const unsigned *ms, unsigned count) {
    unsigned found = 0;
    for (unsigned i = 0; i < b->seen_count; i++)
        if (b->seen[i].owner == owner) {
            if (found == count || b->seen[i].at_ns != (int64_t)ms[found] * MS)
                fail_msg("request %u of %u at %f ms", found, owner, (double)b->seen[i].at_ns / MS);
            found++;
        }
    assert_int_equal(found, count);
}

/* --- limits of cgroups --- */

/*
 * 40 KiB/s are 4 KiB in 100 ms. The second 4 KiB wait for 100 ms worth of bytes
 * after the present 100 ms; once there, two slices are over and taken off, and
 * the third goes along.
 */
static void test_limits_of_bytes(void **state) {
    static const unsigned at[] = {0, 200, 200, 400, 400, 600};
    struct bed *b = bed_of_version(2, "none", 0, 32);
    group(b, 1, "a", "rbps=40960");
    send(b, 1, IO_READ, 6, 0);
    bed_finish(b);
    got_at(b, 1, at, 6);
    bed_free(b);
}

/* Ten a second: one jiffy more than what they take. */
static void test_limits_of_ios(void **state) {
    static const unsigned at[] = {0, 201, 201, 401, 401, 601};
    struct bed *b = bed_of_version(2, "none", 0, 32);
    group(b, 1, "a", "wiops=10");
    send(b, 1, IO_WRITE, 6, 0);
    bed_finish(b);
    got_at(b, 1, at, 6);
    bed_free(b);
}

/* An io that is larger than what a slice allows goes when it is paid for. */
static void test_limits_hold_large_ios(void **state) {
    static const unsigned at[] = {1000};
    struct bed *b = bed_of_version(2, "none", 0, 32);
    group(b, 1, "a", "rbps=40960");
    bed_send(b, 1, IO_READ, 0, 80, 0);
    bed_finish(b);
    got_at(b, 1, at, 1);
    bed_free(b);
}

static void test_limits_are_of_a_direction_and_a_group(void **state) {
    static const unsigned now[] = {0, 0, 0};
    struct bed *b = bed_of_version(2, "none", 0, 32);
    group(b, 1, "a", "wbps=4096 wiops=1000");
    group(b, 2, "b", NULL);
    send(b, 1, IO_WRITE, 40, 0);
    send(b, 1, IO_READ, 3, 0);
    send(b, 2, IO_WRITE, 3, 0);
    sim_run(b->sim, 0);
    for (unsigned i = 0, reads = 0; i < b->seen_count; i++)
        assert_true(b->seen[i].owner == 2 || !b->seen[i].write || reads++ == 0);
    got_at(b, 2, now, 3);
    assert_int_equal(b->done, 6);
    bed_finish(b);
    assert_in_range(sim_now(b->sim), 39000ll * MS, 41000ll * MS);
    bed_free(b);
}

/* What is above counts with version 2 only. */
static void test_limits_of_the_group_above(void **state) {
    for (uint32_t version = 1; version <= 2; version++) {
        struct bed *b = bed_of_version(version, "none", 0, 64);
        group(b, 9, "a", "riops=10");
        group(b, 1, "a/b", NULL);
        group(b, 2, "a/c", "riops=1000");
        send(b, 1, IO_READ, 20, 0);
        send(b, 2, IO_READ, 20, 0);
        bed_finish(b);
        if (version == 1)
            assert_in_range(sim_now(b->sim), 0, 200 * MS);
        else
            assert_in_range(sim_now(b->sim), 3800ll * MS, 4200ll * MS);
        bed_free(b);
    }
}

/* In whatever time, no more than what it allows and two slices. */
/* Of the groups below the limits, and the processes beside them, each has an io in turn, however many it has waiting.
 */
static void test_limits_let_groups_go_by_turns(void **state) {
    struct bed *b = bed_of_version(2, "none", 0, 64);
    struct err e = {0};
    unsigned got[5] = {0}, from;
    group(b, 4, "a", "riops=100");
    group(b, 1, "a/b", NULL);
    group(b, 2, "a/c", "riops=1000");
    group(b, 3, "a/c/d", NULL); /* comes through c */
    send(b, 1, IO_READ, 60, 0);
    send(b, 2, IO_READ, 10, 0);
    send(b, 3, IO_READ, 10, 0);
    send(b, 4, IO_READ, 20, 0);
    assert_int_equal(block_group_remove(b->block, block_group_find(b->block, "a/b"), &e), -EBUSY);
    sim_run(b->sim, 50 * MS);
    from = b->seen_count; /* what went before anything waited */
    bed_finish(b);
    for (unsigned i = from; i < from + 30; i++)
        got[b->seen[i].owner]++;
    assert_int_equal(got[1], 10);
    assert_int_equal(got[4], 10);
    assert_int_equal(got[2] + got[3], 10);
    assert_int_equal(b->seen_count, 100);
    bed_free(b);
}

static void test_limits_are_kept_over_any_time(void **state) {
    for (unsigned seed = 1; seed <= 30; seed++) {
        struct bed *b = bed_of_version(2, "noop", 0, 32);
        struct rng rng;
        char limits[64];
        rng_init(&rng, seed, 0);
        uint64_t bps = 100000 + rng_below(&rng, 4000000), iops = 20 + rng_below(&rng, 500);
        snprintf(limits, sizeof limits, "wbps=%llu wiops=%llu", (unsigned long long)bps, (unsigned long long)iops);
        group(b, 1, "a", limits);
        for (unsigned i = 0; i < 300; i++) {
            bed_send(b, 1, IO_WRITE, i * 256, 8 + 8 * rng_below(&rng, 16), rng_below(&rng, 2) ? IO_SYNC : 0);
            if (!rng_below(&rng, 8))
                sim_run(b->sim, sim_now(b->sim) + (int64_t)rng_below(&rng, 150) * MS);
        }
        bed_finish(b);
        for (unsigned from = 0; from < b->seen_count; from++) {
            uint64_t bytes = 0;
            for (unsigned to = from; to < b->seen_count; to++) {
                double s = (double)(b->seen[to].at_ns - b->seen[from].at_ns) / 1e9 + .2;
                bytes += b->seen[to].sectors * 512;
                uint64_t largest = 136 * 512;
                if ((double)(to - from + 1) > (double)iops * s + 1 || (double)bytes > (double)bps * s + (double)largest)
                    fail_msg("seed %u: %u ios, %llu bytes in %f s of %s", seed, to - from + 1,
                             (unsigned long long)bytes, s, limits);
            }
            if (from)
                assert_true(b->seen[from].sector > b->seen[from - 1].sector); /* in order */
        }
        bed_free(b);
    }
}

static void test_limits_change_while_ios_wait(void **state) {
    char text[128];
    struct bed *b = bed_of_version(1, "deadline", 0, 32);
    struct block_group *a = group(b, 1, "a", "riops=1");
    struct err e = {0};
    send(b, 1, IO_READ, 50, 0);
    sim_run(b->sim, 500 * MS);
    assert_in_range(b->done, 0, 2);
    assert_int_equal(block_group_remove(b->block, a, &e), -EBUSY);
    bed_set(b, "scheduler", "cfq");
    set_limits(b, "a", "wbps=10M");
    block_group_limits_text(a, text, sizeof text);
    assert_string_equal(text, "rbps=max wbps=10485760 riops=1 wiops=max");
    sim_run(b->sim, 600 * MS);
    assert_in_range(b->done, 0, 3);
    set_limits(b, "a", "riops=max");
    sim_run(b->sim, 700 * MS);
    assert_int_equal(b->done, 50);
    bed_finish(b);
    assert_int_equal(block_group_remove(b->block, a, &e), 0);
    bed_free(b);
}

/* What waited for long is let go, and with it the time it waited for. */
static void test_limits_set_anew(void **state) {
    static const unsigned at[] = {500, 500, 600, 800};
    struct bed *b = bed_of_version(2, "none", 0, 32);
    group(b, 1, "a", "rbps=1");
    send(b, 1, IO_READ, 2, 0);
    sim_run(b->sim, 500 * MS);
    set_limits(b, "a", "rbps=max");
    sim_run(b->sim, 600 * MS);
    set_limits(b, "a", "rbps=40960");
    send(b, 1, IO_READ, 2, 0);
    bed_finish(b);
    got_at(b, 1, at, 4);
    bed_free(b);
}

static void test_limits_lifted(void **state) {
    struct bed *b = bed_of_version(2, "none", 0, 64);
    group(b, 9, "a", "riops=1 wbps=1");
    group(b, 1, "a/b", "rbps=1 wiops=1");
    send(b, 9, IO_READ, 10, 0);
    send(b, 1, IO_READ, 10, 0);
    send(b, 1, IO_WRITE, 10, 0);
    sim_run(b->sim, 100 * MS);
    assert_in_range(b->done, 0, 1);
    block_lift_limits(b->block);
    sim_run(b->sim, 110 * MS);
    assert_int_equal(b->done, 30);
    bed_finish(b);
    bed_free(b);
}

static void test_limits_wrong(void **state) {
    static const char *const wrong[] = {"rbps",
                                        "rbps=",
                                        "rbps=x",
                                        "bps=5",
                                        "r=5",
                                        "rbps=5 wiops=ten",
                                        "rbps=0",
                                        "wiops=0",
                                        "riops=-1",
                                        "=5",
                                        "rbps=1000000000000000000000"};
    char before[128], after[128];
    struct bed *b = bed_of_version(2, "none", 0, 1);
    struct block_group *a = group(b, 1, "a", "rbps=5000 riops=7");
    block_group_limits_text(a, before, sizeof before);
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err e = {0};
        if (block_group_set_limits(b->block, a, wrong[i], &e) != -EINVAL || !strstr(e.text, "allowed are rbps="))
            fail_msg("%s: %s", wrong[i], e.text);
        block_group_limits_text(a, after, sizeof after);
        assert_string_equal(before, after);
    }
    bed_free(b);
    b = bed_of_version(1, "none", 0, 1);
    a = group(b, 1, "a", "rbps=5000 riops=0"); /* there, 0 takes a limit away */
    block_group_limits_text(a, after, sizeof after);
    assert_string_equal(after, "rbps=5000 wbps=max riops=max wiops=max");
    bed_free(b);
}

/* A flush waits for what its process wrote before, held back or not. */
static void test_limits_keep_flushes_behind_writes(void **state) {
    struct bed *b = bed_of_version(2, "mq-deadline", 0, 32);
    group(b, 1, "a", "wiops=10");
    send(b, 1, IO_WRITE, 5, IO_SYNC);
    struct bed_io *flush = bed_send(b, 1, IO_FLUSH, 0, 0, 0);
    send(b, 1, IO_WRITE, 2, IO_SYNC);
    bed_finish(b);
    assert_int_equal(flush->order, 6);
    bed_free(b);
}

static void test_limits_at_a_power_cut(void **state) {
    struct bed *b = bed_of_version(2, "bfq", 0, 32);
    group(b, 1, "a", "wiops=10 riops=10");
    for (unsigned round = 0; round < 3; round++) {
        send(b, 1, IO_WRITE, 30, 0);
        send(b, 1, IO_READ, 30, 0);
        sim_run(b->sim, sim_now(b->sim) + 450 * MS);
        drive_power_cut(b->drive);
        assert_int_equal(block_ios_inside(b->block), 0);
        memset(b->io, 0, sizeof b->io);
        b->ios = 0;
        sim_run(b->sim, SIM_NEVER); /* nothing comes back */
        send(b, 1, IO_READ, 3, 0);
        bed_finish(b);
        memset(b->io, 0, sizeof b->io);
        b->ios = 0;
    }
    bed_free(b);
}

/* --- writeback throttling --- */

static uint32_t writes_allocated(struct bed *b) {
    return block_stat(b->block)->in_flight[1];
}

/* Each owner sends async writes for ever: 64 at once. */
static void writers(struct bed *b, uint32_t first, unsigned owners) {
    for (unsigned i = 0; i < owners; i++)
        send(b, first + i, IO_WRITE, 64, 0);
}

static void test_wbt_limits_writes(void **state) {
    static const struct {
        uint32_t depth, alone, beside_reads;
    } rows[] = {{1, 2, 1}, {4, 2, 1}, {8, 4, 2}, {32, 8, 4}, {256, 8, 4}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        for (unsigned s = 0; elevators[s]; s++) {
            if (!elevators[s]->dispatch && rows[i].depth < 32)
                continue; /* tags are fewer than that */
            struct bed *b = bed_of_version(1, elevators[s]->name, 20 * MS, rows[i].depth);
            bed_set(b, "wbt_lat_usec", "1000000");
            sim_run(b->sim, 200 * MS);
            writers(b, 1, 3);
            assert_int_equal(writes_allocated(b), rows[i].alone);
            send(b, 9, IO_WRITE, 5, IO_SYNC); /* O_DIRECT: not counted */
            assert_int_equal(writes_allocated(b), rows[i].alone + 5);
            bed_finish(b);
            bed_set(b, "scheduler", elevators[s]->limit_depth ? "none" : elevators[s]->name); /* that limits, too */
            bed_set(b, "wbt_lat_usec", "1000000");
            send(b, 9, IO_READ, 1, 0);
            writers(b, 1, 3);
            if (writes_allocated(b) != rows[i].beside_reads)
                fail_msg("%s, depth %u: %u", elevators[s]->name, rows[i].depth, writes_allocated(b));
            bed_finish(b);
            bed_free(b);
        }
}

/* Reads of 30 ms each, where 10 are allowed: down to one write at a time, and up again once it is so far. */
static void test_wbt_narrows_and_widens(void **state) {
    struct bed *b = bed_of_version(1, "none", 30 * MS, 32);
    uint32_t least = UINT32_MAX;
    bed_set(b, "wbt_lat_usec", "10000");
    for (unsigned i = 0; i < 60; i++) {
        send(b, 9, IO_READ, 1, 0);
        send(b, 1, IO_WRITE, 20, 0);
        sim_run(b->sim, sim_now(b->sim) + 30 * MS);
        least = writes_allocated(b) < least ? writes_allocated(b) : least;
    }
    assert_int_equal(least, 1);
    bed_set(b, "wbt_lat_usec", "100000"); /* from the middle again */
    bed_finish(b);
    writers(b, 1, 8);
    sim_run(b->sim, sim_now(b->sim) + 400 * MS); /* writes alone: beyond the normal */
    assert_int_equal(writes_allocated(b), 12);   /* (3/4 of 32) / 2 */
    bed_finish(b);
    bed_free(b);
}

static void test_wbt_switched_off_lets_all_go(void **state) {
    struct bed *b = bed_of_version(1, "deadline", 20 * MS, 32);
    assert_string_equal(bed_get(b, "wbt_lat_usec"), "0");
    bed_set(b, "wbt_lat_usec", "-1");
    assert_string_equal(bed_get(b, "wbt_lat_usec"), "2000");
    bed_set(b, "rotational", "1");
    bed_set(b, "wbt_lat_usec", "-1");
    assert_string_equal(bed_get(b, "wbt_lat_usec"), "75000");
    bed_refused(b, "wbt_lat_usec", "-2", "-1 to");
    bed_refused(b, "wbt_lat_usec", "2ms", "2000");
    writers(b, 1, 1);
    assert_int_equal(writes_allocated(b), 8);
    bed_set(b, "wbt_lat_usec", "0");
    assert_int_equal(writes_allocated(b), 64);
    bed_finish(b);
    bed_free(b);
}

/* --- both, with everything else --- */

static void random_limits(struct bed *b, struct rng *rng) {
    static const char *const paths[] = {"", "a", "a/b", "c"};
    static const char *const limits[] = {"rbps=200000", "wbps=100000 wiops=50",
                                         "riops=30",    "rbps=1 wbps=2",
                                         "wiops=max",   "rbps=max wbps=max riops=max wiops=max"};
    const char *path = paths[rng_below(rng, 4)];
    if (block_group_find(b->block, path))
        set_limits(b, path, limits[rng_below(rng, 6)]);
}

/* What it was asked for never comes back. */
static void cut_power(struct bed *b) {
    drive_power_cut(b->drive);
    for (unsigned i = 0; i < b->ios; i++)
        b->io[i].done = 1;
}

/* Groups come and go with their processes in them, processes end. */
static void random_groups(struct bed *b, struct rng *rng) {
    static const char *const paths[] = {"", "a", "a/b", "c"};
    struct err e = {0};
    struct block_group *g = block_group_find(b->block, paths[1 + rng_below(rng, 3)]);
    switch (rng_below(rng, 4)) {
    case 0:
        group(b, rng_below(rng, 8), paths[rng_below(rng, 4)], NULL);
        break;
    case 1:
        if (g)
            block_group_remove(b->block, g, &e); /* or it is busy */
        break;
    case 2:
        drive_owner_gone(b->drive, rng_below(rng, 8));
        break;
    case 3:
        if (!rng_below(rng, 8))
            cut_power(b);
        break;
    }
}

static void random_event(struct bed *b, struct rng *rng) {
    static const char *const requests[] = {"1", "4", "16", "200"};
    static const char *const lats[] = {"0", "-1", "100", "50000"};
    static const char *const depths[] = {"1", "2", "3", "32"};
    struct err e = {0};
    unsigned count = 0;
    while (elevators[count])
        count++;
    switch (rng_below(rng, 40)) {
    case 0:
        bed_set(b, "wbt_lat_usec", lats[rng_below(rng, 4)]);
        break;
    case 1:
        bed_set(b, "queue_depth", depths[rng_below(rng, 4)]);
        break;
    case 2:
        bed_set(b, "scheduler", elevators[rng_below(rng, count)]->name);
        break;
    case 3:
        bed_set(b, "rotational", rng_below(rng, 2) ? "1" : "0");
        break;
    case 4:
        random_limits(b, rng);
        break;
    case 5:
        bed_set(b, "nomerges", rng_below(rng, 2) ? "2" : "0");
        break;
    case 6:
    case 7:
        random_groups(b, rng);
        break;
    case 8:
        block_attr_set(b->block, "nr_requests", requests[rng_below(rng, 4)], NULL, 0, &e); /* none has fewer */
        break;
    }
}

/* Each io is done once, whatever limits, depths and schedulers change meanwhile. */
static void test_limits_lose_nothing(void **state) {
    static const char *const paths[] = {"", "a", "a/b", "c"};
    static const enum io_op ops[] = {IO_READ, IO_WRITE, IO_WRITE, IO_TRIM, IO_FLUSH};
    static const uint32_t flags[] = {0, IO_SYNC, IO_SYNC | IO_NOIDLE, 0};
    for (unsigned seed = 1; seed <= 60; seed++) {
        struct rng rng;
        struct err e = {0};
        rng_init(&rng, seed, 0);
        struct bed *b = bed_of_version(1 + seed % 2, elevators[seed % 7]->name, 2 * MS, 4);
        for (unsigned i = 0; i < 8; i++)
            group(b, i, paths[i % 4], NULL);
        for (unsigned i = 0; i < 600; i++) {
            enum io_op op = ops[rng_below(&rng, 5)];
            random_event(b, &rng);
            uint32_t owner = rng_below(&rng, 8);
            if (!rng_below(&rng, 10))
                drive_plug(b->drive, owner);
            bed_send(b, owner, op, op == IO_FLUSH ? 0 : 8 * rng_below(&rng, 2000),
                     op == IO_FLUSH ? 0 : 8 + 8 * rng_below(&rng, 400), flags[rng_below(&rng, 4)]);
            drive_unplug(b->drive, owner);
            if (!rng_below(&rng, 4))
                sim_run(b->sim, sim_now(b->sim) + (int64_t)rng_below(&rng, 20) * MS);
            if (block_check(b->block, &e))
                fail_msg("seed %u, %u ios: %s", seed, i, e.text);
        }
        for (unsigned i = 0; i < 8; i++)
            drive_unplug(b->drive, i);
        bed_finish(b);
        bed_free(b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_of_bytes),
        cmocka_unit_test(test_limits_of_ios),
        cmocka_unit_test(test_limits_hold_large_ios),
        cmocka_unit_test(test_limits_are_of_a_direction_and_a_group),
        cmocka_unit_test(test_limits_of_the_group_above),
        cmocka_unit_test(test_limits_let_groups_go_by_turns),
        cmocka_unit_test(test_limits_are_kept_over_any_time),
        cmocka_unit_test(test_limits_change_while_ios_wait),
        cmocka_unit_test(test_limits_set_anew),
        cmocka_unit_test(test_limits_lifted),
        cmocka_unit_test(test_limits_wrong),
        cmocka_unit_test(test_limits_keep_flushes_behind_writes),
        cmocka_unit_test(test_limits_at_a_power_cut),
        cmocka_unit_test(test_wbt_limits_writes),
        cmocka_unit_test(test_wbt_narrows_and_widens),
        cmocka_unit_test(test_wbt_switched_off_lets_all_go),
        cmocka_unit_test(test_limits_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
