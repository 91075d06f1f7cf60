/* The block layer: merging, plugs, pool, flushes, accounting, switching, attributes, processes and cgroups. */
#include <errno.h>
#include <stdio.h>

#include "block_bed.h"

static void saw(struct bed *b, unsigned i, uint64_t sector, uint64_t sectors, uint32_t ios) {
    assert_true(i < b->seen_count);
    assert_int_equal(b->seen[i].sector, sector);
    assert_int_equal(b->seen[i].sectors, sectors);
    assert_int_equal(b->seen[i].ios, ios);
}

/* Keeps the drive busy, so that what follows is queued. */
static void occupy(struct bed *b) {
    bed_send(b, 99, IO_READ, 100000, 8, 0);
}

static void test_block_merges_behind_before_and_between(void **state) {
    struct bed *b = bed_new("deadline", MS, 1, NULL);
    occupy(b);
    bed_send(b, 1, IO_READ, 100, 8, 0);
    bed_send(b, 2, IO_READ, 108, 8, 0); /* behind */
    bed_send(b, 3, IO_READ, 92, 8, 0);  /* before */
    bed_send(b, 1, IO_READ, 200, 8, 0);
    bed_send(b, 1, IO_READ, 216, 8, 0);
    bed_send(b, 1, IO_READ, 208, 8, 0); /* between */
    bed_send(b, 1, IO_WRITE, 224, 8, 0);
    bed_finish(b);
    assert_int_equal(b->seen_count, 4);
    saw(b, 1, 92, 24, 3);
    saw(b, 2, 200, 24, 3);
    saw(b, 3, 224, 8, 1);
    assert_int_equal(block_stat(b->block)->merges[0], 4); /* three ios, one request */
    bed_free(b);
}

static void test_block_noop_merges_only_behind(void **state) {
    struct bed *b = bed_new("noop", MS, 1, NULL);
    occupy(b);
    bed_send(b, 1, IO_READ, 300, 8, 0);
    bed_send(b, 1, IO_READ, 100, 8, 0);
    bed_send(b, 1, IO_READ, 92, 8, 0); /* before one that is not the hint, which is the first: not found */
    bed_send(b, 1, IO_READ, 108, 8, 0);
    bed_finish(b);
    assert_int_equal(b->seen_count, 4);
    saw(b, 2, 100, 16, 2);
    bed_free(b);
}

static void test_block_merges_within_limits(void **state) {
    struct bed *b = bed_new("deadline", MS, 1, NULL);
    bed_set(b, "max_sectors_kb", "8");
    occupy(b);
    for (unsigned i = 0; i < 4; i++)
        bed_send(b, 1, IO_READ, 100 + 8 * i, 8, 0);
    bed_send(b, 1, IO_WRITE, 500, 8, IO_FUA);
    bed_send(b, 1, IO_WRITE, 508, 8, IO_FUA);
    bed_send(b, 1, IO_TRIM, 600, 8, 0);
    bed_send(b, 1, IO_WRITE, 608, 8, 0);
    bed_send(b, 1, IO_WRITE_ZEROES, 700, 8, 0);
    bed_send(b, 1, IO_WRITE_ZEROES, 708, 8, 0);
    bed_finish(b);
    for (unsigned i = 0; i < b->seen_count; i++)
        assert_true(b->seen[i].sectors <= 16 && (b->seen[i].ios == 1 || !b->seen[i].write));
    assert_int_equal(b->seen_count, 1 + 2 + 6);
    bed_free(b);
}

static void test_block_nomerges_is_obeyed(void **state) {
    static const unsigned requests[] = {1 + 2, 1 + 3, 1 + 5};
    static const char *const values[] = {"0", "1", "2"};
    for (unsigned i = 0; i < 3; i++) {
        struct bed *b = bed_new("deadline", MS, 1, NULL);
        bed_set(b, "nomerges", values[i]);
        occupy(b);
        bed_send(b, 1, IO_READ, 100, 8, 0);
        bed_send(b, 1, IO_READ, 108, 8, 0); /* by the hint */
        bed_send(b, 1, IO_READ, 300, 8, 0);
        bed_send(b, 1, IO_READ, 308, 8, 0); /* by the hash: the hint is the one at 100 */
        bed_send(b, 1, IO_READ, 116, 8, 0); /* by either */
        bed_finish(b);
        if (i != 1)
            assert_int_equal(b->seen_count, requests[i]);
        else
            assert_in_range(b->seen_count, requests[0] + 1, requests[2] - 1);
        bed_free(b);
    }
}

static void test_block_splits_what_is_too_large(void **state) {
    struct bed *b = bed_new("deadline", MS, 1, NULL);
    bed_set(b, "max_sectors_kb", "16");
    bed_send(b, 1, IO_READ, 4, 128, 0);
    bed_finish(b);
    assert_int_equal(b->seen_count, 5); /* cut at pages: 28, 32, 32, 32, 4 */
    saw(b, 0, 4, 28, 1);
    saw(b, 4, 128, 4, 1);
    bed_free(b);
}

/* --- plugs --- */

static void test_block_plug_gathers_and_sorts(void **state) {
    struct bed *b = bed_new("noop", MS, 1, NULL);
    drive_plug(b->drive, 1);
    drive_plug(b->drive, 1);
    for (unsigned i = 0; i < 4; i++)
        bed_send(b, 1, IO_WRITE, 400 - 100 * i, 8, 0);
    bed_send(b, 1, IO_WRITE, 392, 8, 0);
    drive_unplug(b->drive, 1);
    assert_int_equal(b->seen_count, 0);
    drive_unplug(b->drive, 1);
    bed_finish(b);
    assert_int_equal(b->seen_count, 4);
    saw(b, 0, 100, 8, 1);
    saw(b, 3, 392, 16, 2);
    bed_free(b);
}

static void test_block_plug_overflows_at_sixteen(void **state) {
    struct bed *b = bed_new("noop", MS, 1, NULL);
    drive_plug(b->drive, 1);
    for (unsigned i = 0; i < 16; i++)
        bed_send(b, 1, IO_WRITE, 1000 - 16 * i, 8, 0);
    assert_int_equal(b->seen_count, 0);
    bed_send(b, 1, IO_WRITE, 5000, 8, 0);
    assert_int_equal(b->seen_count, 1);
    drive_unplug(b->drive, 1);
    bed_finish(b);
    assert_int_equal(b->seen_count, 17);
    bed_free(b);
}

static void go_on(struct bed_io *done) {
    if (done->io.offset < 4 * 32768)
        bed_send(done->bed, 1, IO_READ, done->io.offset / 512 + 64, 8, 0)->then = go_on;
}

/* What a process sends for each part of a request that is back is one request again. */
static void test_block_gathers_what_follows_a_merged_request(void **state) {
    struct bed *b = bed_new("noop", MS, 1, NULL);
    drive_plug(b->drive, 1);
    for (unsigned i = 0; i < 8; i++)
        bed_send(b, 1, IO_READ, 8 * i, 8, 0)->then = go_on;
    drive_unplug(b->drive, 1);
    bed_finish(b);
    assert_int_equal(b->seen_count, 5);
    for (unsigned i = 0; i < 5; i++)
        saw(b, i, 64 * i, 64, 8);
    bed_free(b);
}

/* --- the pool --- */

static void test_block_pool_lets_a_batcher_exceed_it(void **state) {
    struct bed *b = bed_new("noop", MS, 1, NULL);
    bed_set(b, "nr_requests", "4");
    bed_set(b, "nomerges", "2");
    for (unsigned i = 0; i < 20; i++)
        bed_send(b, 1, IO_READ, 100 * i, 8, 0); /* the batcher: one and a half times the limit */
    assert_int_equal(block_stat(b->block)->in_flight[0], 6);
    bed_send(b, 2, IO_READ, 7000, 8, 0); /* sleeps at once */
    assert_int_equal(block_stat(b->block)->in_flight[0], 6);
    for (unsigned i = 0; i < 3; i++)
        bed_send(b, 3, IO_WRITE, 8000 + 100 * i, 8, 0); /* the other half has room */
    assert_int_equal(block_stat(b->block)->in_flight[1], 3);
    assert_true(block_congested(b->block, 1, true));
    assert_false(block_congested(b->block, 3, false));
    bed_finish(b);
    assert_int_equal(b->seen_count, 24);
    assert_false(block_congested(b->block, 1, true));
    bed_free(b);
}

static void test_block_pool_is_each_cgroups_own(void **state) {
    struct bed *b = bed_new("noop", MS, 1, NULL);
    struct err e = {0};
    const struct block_context_settings in_group = {.prioclass = -1, .prio = -1, .cgroup = "/other//"};
    bed_set(b, "nr_requests", "4");
    assert_int_equal(block_context_describe(b->block, 2, &in_group, &e), 0);
    for (unsigned i = 0; i < 10; i++)
        bed_send(b, 1, IO_READ, 100 * i, 8, 0);
    for (unsigned i = 0; i < 10; i++)
        bed_send(b, 2, IO_READ, 5000 + 100 * i, 8, 0);
    assert_int_equal(block_stat(b->block)->in_flight[0], 12);
    bed_finish(b);
    bed_free(b);
}

static void test_block_none_has_as_many_requests_as_the_drive(void **state) {
    struct bed *b = bed_new("none", MS, 3, NULL);
    for (unsigned i = 0; i < 10; i++)
        bed_send(b, i, IO_READ, 100 * i, 8, 0);
    assert_int_equal(block_stat(b->block)->in_flight[0], 3);
    bed_finish(b);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(b->seen[i].sector, 100 * i);
    bed_free(b);
}

/* --- flushes --- */

static void test_block_orders_a_flush_among_its_issuers_writes(void **state) {
    struct bed *b = bed_new("deadline", 10 * MS, 4, NULL);
    struct bed_io *before = bed_send(b, 1, IO_WRITE, 100, 8, 0);
    struct bed_io *flush = bed_send(b, 1, IO_FLUSH, 0, 0, 0);
    struct bed_io *after = bed_send(b, 1, IO_WRITE, 300, 8, 0);
    struct bed_io *other = bed_send(b, 2, IO_WRITE, 500, 8, 0);
    struct bed_io *read = bed_send(b, 1, IO_READ, 700, 8, 0);
    bed_finish(b);
    assert_int_equal(before->io.completed_ns, 10 * MS);
    assert_int_equal(flush->io.completed_ns, 20 * MS);
    assert_int_equal(after->io.completed_ns, 30 * MS);
    assert_int_equal(other->io.completed_ns, 10 * MS);
    assert_int_equal(read->io.completed_ns, 10 * MS);
    bed_free(b);
}

static void test_block_flushes_share_the_drives(void **state) {
    struct bed *b = bed_new("deadline", 10 * MS, 4, NULL);
    struct bed_io *flush[4];
    for (unsigned i = 0; i < 4; i++)
        flush[i] = bed_send(b, 1 + i, IO_FLUSH, 0, 0, 0);
    bed_finish(b);
    assert_int_equal(flush[0]->io.completed_ns, 10 * MS);
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(flush[i]->io.completed_ns, 20 * MS);
    assert_int_equal(block_stat(b->block)->flushes, 4);
    bed_free(b);
}

static void test_block_fua_passes_the_scheduler_by(void **state) {
    struct bed *b = bed_new("deadline", MS, 1, NULL);
    occupy(b);
    bed_send(b, 1, IO_READ, 100, 8, 0);
    bed_send(b, 1, IO_WRITE, 5000, 8, IO_FUA);
    bed_finish(b);
    saw(b, 1, 5000, 8, 1);
    bed_free(b);
}

/* --- failures --- */

static const char *const zones[] = {"zns.zone_size=64KiB", "zns.zone_capacity=32KiB", "nand.channels=2",
                                    "nand.luns=2",         "nand.planes=1",           "nand.blocks=400",
                                    "nand.pages=4",        "zns.max_active=0",        "zns.max_open=0",
                                    "zns.dies_per_zone=1", "zns.part_blocks=yes",     NULL};

/* A zone takes 64 sectors, so that what goes beyond fails. */
static void fill_a_zone(struct bed *b, struct bed_io **ok, struct bed_io **bad) {
    bed_set(b, "nr_requests", "64");
    occupy(b);
    for (unsigned i = 0; i < 8; i++)
        ok[i] = bed_send(b, 1, IO_WRITE, 8 * i, 8, 0);
    *bad = bed_send(b, 2, IO_WRITE, 64, 8, 0);
}

static void test_block_takes_a_failed_request_apart(void **state) {
    struct bed *b = bed_new("mq-deadline", 0, 1, zones);
    struct bed_io *ok[8], *bad;
    fill_a_zone(b, ok, &bad);
    bed_send(b, 3, IO_WRITE, 256, 8, 0);
    bed_finish(b);
    assert_int_equal(b->seen_count, 12);
    saw(b, 1, 0, 72, 9);
    for (unsigned i = 0; i < 8; i++) {
        saw(b, 2 + i, 8 * i, 8, 1); /* before whatever else is queued */
        assert_int_equal(ok[i]->io.status, IO_OK);
    }
    assert_int_equal(bad->io.status, IO_ZONE_IS_FULL);
    assert_non_null(bad->io.reason);
    bed_free(b);
}

static void remove_group(struct bed *b, const struct request *rq) {
    struct err e = {0};
    struct block_group *g = block_group_find(b->block, "a");
    if (rq->context->id == 1)
        assert_int_equal(block_group_remove(b->block, g, &e), -EBUSY);
}

static void test_block_keeps_the_group_of_a_request_taken_apart(void **state) {
    const struct block_context_settings who = {.prioclass = -1, .prio = -1, .cgroup = "a"};
    struct bed *b = bed_new("mq-deadline", 0, 1, zones);
    struct bed_io *ok[8], *bad;
    struct err e = {0};
    assert_int_equal(block_context_describe(b->block, 1, &who, &e), 0);
    b->on_dispatch = remove_group;
    fill_a_zone(b, ok, &bad);
    bed_finish(b);
    assert_int_equal(b->seen_count, 11);
    assert_int_equal(block_group_remove(b->block, block_group_find(b->block, "a"), &e), 0);
    bed_free(b);
}

/* --- zones --- */

static void test_block_merges_within_zones(void **state) {
    struct bed *b = bed_new("mq-deadline", 0, 1, zones);
    bed_set(b, "nr_requests", "64");
    occupy(b);
    for (unsigned i = 0; i < 4; i++)
        bed_send(b, 1, IO_READ, 112 + 8 * i, 8, 0);
    bed_send(b, 1, IO_READ, 264, 8, 0);
    bed_send(b, 1, IO_READ, 248, 8, 0);
    bed_send(b, 1, IO_READ, 256, 8, 0);
    bed_finish(b);
    assert_int_equal(b->seen_count, 5);
    saw(b, 1, 112, 16, 2);
    saw(b, 2, 128, 16, 2);
    saw(b, 3, 248, 8, 1);
    saw(b, 4, 256, 16, 2);
    bed_free(b);
}

static void test_block_zones_want_a_scheduler_that_keeps_order(void **state) {
    struct bed *b = bed_new("mq-deadline", 0, 1, zones);
    struct err e = {0};
    assert_string_equal(bed_get(b, "scheduler"), "[mq-deadline] none");
    for (unsigned i = 0; elevators[i]; i++)
        if (!elevators[i]->zones)
            bed_refused(b, "scheduler", elevators[i]->name, "there are: mq-deadline none");
    assert_string_equal(bed_get(b, "scheduler"), "[mq-deadline] none");
    bed_set(b, "scheduler", "none");
    block_free(b->block);
    assert_null(block_new(b->drive, &(struct block_settings){.scheduler = "cfq"}, &e));
    assert_non_null(strstr(e.text, "zone"));
    b->block = NULL;
    bed_free(b);
}

/* A write with FUA follows the others of its zone, plugged or not. */
static void test_block_fua_keeps_the_order_of_a_zone(void **state) {
    for (unsigned plugged = 0; plugged < 2; plugged++) {
        struct bed *b = bed_new("mq-deadline", 0, 1, zones);
        bed_set(b, "nr_requests", "64");
        occupy(b);
        if (plugged)
            drive_plug(b->drive, 1);
        for (unsigned i = 0; i < 8; i++)
            bed_send(b, 1, IO_WRITE, 8 * i, 8, i % 2 ? IO_FUA : 0);
        if (plugged)
            drive_unplug(b->drive, 1);
        bed_finish(b);
        for (unsigned i = 0; i < b->ios; i++)
            assert_int_equal(b->io[i].io.status, IO_OK);
        bed_free(b);
    }
}

/* --- accounting --- */

static void test_block_counts_as_the_stat_file(void **state) {
    struct bed *b = bed_new("noop", 10 * MS, 1, NULL);
    bed_send(b, 1, IO_READ, 100, 8, 0);
    bed_send(b, 1, IO_READ, 200, 8, 0);
    bed_send(b, 1, IO_READ, 208, 8, 0);
    bed_send(b, 2, IO_WRITE, 300, 16, 0);
    bed_finish(b);
    /* 10 + 20 ms; 30 ms; busy 30 ms; 3, 2 and 1 in flight for 10 ms each. */
    assert_string_equal(bed_get(b, "stat"),
                        "       2        1       24       30        1        0       16       30        0 "
                        "      30       60");
    const struct block_context *c = block_context_find(b->block, 1);
    assert_int_equal(c->stat.ios[0], 3);
    assert_int_equal(c->stat.merged, 1);
    assert_int_equal(c->stat.service_ns, 20 * MS);
    assert_int_equal(c->stat.wait_ns, 10 * MS);
    bed_set(b, "iostats", "0");
    bed_send(b, 1, IO_READ, 100, 8, 0);
    bed_finish(b);
    assert_int_equal(block_stat(b->block)->ios[0], 2);
    bed_free(b);
}

/* --- switching --- */

static void test_block_drains_in_elevator_order(void **state) {
    static const uint64_t sectors[] = {500, 90000, 120000, 300, 110000};
    static const uint64_t expected[] = {100000, 110000, 120000, 300, 500, 90000};
    struct bed *b = bed_new("noop", MS, 1, NULL);
    occupy(b);
    for (unsigned i = 0; i < 5; i++)
        bed_send(b, i, IO_READ, sectors[i], 8, 0);
    bed_set(b, "scheduler", " deadline \n");
    assert_true(block_switching(b->block));
    assert_non_null(strstr(bed_get(b, "scheduler"), "[deadline]"));
    bed_send(b, 7, IO_READ, 50, 8, 0); /* passes the schedulers by, behind what is drained */
    bed_finish(b);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(b->seen[i].sector, expected[i]);
    saw(b, 6, 50, 8, 1);
    assert_false(block_switching(b->block));
    bed_free(b);
}

static void test_block_forgets_requests_of_the_gone_at_a_power_cut(void **state) {
    for (unsigned s = 0; elevators[s]; s++) {
        struct bed *b = bed_new(elevators[s]->name, MS, 2, NULL);
        for (unsigned round = 0; round < 3; round++) {
            occupy(b);
            for (unsigned i = 0; i < 40; i++)
                bed_send(b, i % 8, i % 3 ? IO_READ : IO_WRITE, 500 * i, 8, 0);
            sim_run(b->sim, sim_now(b->sim) + (int64_t)round * 3 * MS);
            for (unsigned i = 0; i < 8; i += 2)
                drive_owner_gone(b->drive, i);
            drive_power_cut(b->drive);
            assert_int_equal(block_ios_inside(b->block), 0);
            memset(b->io, 0, sizeof b->io);
            b->ios = 0;
            bed_send(b, 1, IO_READ, 100, 8, 0);
            bed_finish(b);
            memset(b->io, 0, sizeof b->io);
            b->ios = 0;
        }
        bed_free(b);
    }
}

/* Processes that slept for one pool, and then each for its own. */
static void test_block_switch_forgets_no_sleeper(void **state) {
    struct bed *b = bed_new("none", MS, 4, NULL);
    struct err e = {0};
    char path[16];
    for (unsigned i = 0; i < 12; i++) {
        snprintf(path, sizeof path, "g%u", i);
        const struct block_context_settings who = {.prioclass = -1, .prio = -1, .cgroup = path};
        assert_int_equal(block_context_describe(b->block, i, &who, &e), 0);
        for (unsigned k = 0; k < 200; k++)
            bed_send(b, i, IO_READ, (200 * i + k) * 16, 8, 0);
    }
    bed_set(b, "scheduler", "deadline");
    bed_finish(b);
    bed_free(b);
}

static void test_block_async_depth_is_of_its_own_pool(void **state) {
    struct bed *b = bed_new("mq-deadline", MS, 16, NULL);
    assert_string_equal(bed_get(b, "nr_requests"), "32");
    assert_string_equal(bed_get(b, "iosched/async_depth"), "24");
    bed_set(b, "scheduler", "deadline");
    bed_set(b, "nr_requests", "1000");
    bed_set(b, "scheduler", "mq-deadline");
    assert_string_equal(bed_get(b, "iosched/async_depth"), "24");
    bed_free(b);
}

static void test_block_switch_resets_tunables_and_keeps_them_when_same(void **state) {
    struct bed *b = bed_new("deadline,fifo_batch=5", MS, 1, NULL);
    assert_string_equal(bed_get(b, "iosched/fifo_batch"), "5");
    bed_set(b, "scheduler", "deadline");
    assert_string_equal(bed_get(b, "iosched/fifo_batch"), "5");
    bed_set(b, "scheduler", "deadline,read_expire=7,write_expire=9");
    assert_string_equal(bed_get(b, "iosched/read_expire"), "7");
    bed_refused(b, "scheduler", "deadline,read_expire=8,nothing=1", "fifo_batch");
    assert_string_equal(bed_get(b, "iosched/read_expire"), "7");
    bed_set(b, "scheduler", "noop");
    bed_set(b, "scheduler", "deadline");
    assert_string_equal(bed_get(b, "iosched/fifo_batch"), "16");
    bed_free(b);
}

/* --- bad input --- */

static void test_block_says_what_is_allowed(void **state) {
    struct bed *b = bed_new("deadline", MS, 1, NULL);
    char note[200];
    struct err e = {0};
    bed_refused(b, "scheduler", "cfk", "noop");
    bed_refused(b, "scheduler", "", "noop");
    bed_refused(b, "scheduler", "deadline,fifo_batch", "NAME=VALUE");
    bed_refused(b, "scheduler", "deadline,fifo_batch=many", "whole number");
    bed_refused(b, "iosched/slice_idle", "1", "fifo_batch");
    bed_refused(b, "iosched/fifo_batch", "1x", "0 to 2147483647");
    bed_refused(b, "nomerge", "1", "nomerges");
    bed_refused(b, "nomerges", "-1", "0 to 2");
    bed_refused(b, "max_sectors_kb", "3", "4 to 1280");
    bed_refused(b, "max_sectors_kb", "1281", "4 to 1280");
    bed_refused(b, "queue_depth", "0", "1 to");
    bed_refused(b, "nr_requests", "99999999999999999999", "4 to 100000");
    bed_refused(b, "stat", "0", "only be read");
    assert_int_equal(block_attr_set(b->block, "nr_requests", "1", note, sizeof note, &e), 0);
    assert_non_null(strstr(note, "4 is set"));
    assert_string_equal(bed_get(b, "nr_requests"), "4");
    assert_int_equal(block_attr_set(b->block, "iosched/front_merges", "7", note, sizeof note, &e), 0);
    assert_non_null(strstr(note, "1 is set"));
    assert_string_equal(bed_get(b, "iosched/front_merges"), "1");
    assert_int_equal(block_attr_set(b->block, "nomerges", "9", note, sizeof note, &e), 0);
    assert_non_null(strstr(note, "taken as 1"));
    bed_free(b);
}

static void test_block_refuses_settings_by_name(void **state) {
    struct bed *b = bed_new("noop", MS, 1, NULL);
    const struct block_settings bad[] = {
        {.scheduler = "elevator"}, {.hz = 10}, {.cpus = 100000}, {.cgroup_version = 3}};
    static const char *const words[] = {"noop", "24 to 10000", "1 to 4096", "1 and 2"};
    block_free(b->block);
    for (unsigned i = 0; i < 4; i++) {
        struct err e = {0};
        assert_null(block_new(b->drive, &bad[i], &e));
        assert_non_null(strstr(e.text, words[i]));
        assert_null(b->drive->front);
    }
    b->block = NULL;
    bed_free(b);
}

/* --- processes and cgroups --- */

static void test_block_priorities_as_linux(void **state) {
    static const int nice[] = {-20, -16, -15, -1, 0, 4, 5, 19};
    static const unsigned level[] = {0, 0, 1, 3, 4, 4, 5, 7};
    struct err e = {0};
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(ioprio_from_nice(nice[i]), level[i]);
    assert_int_equal(ioprio_best(0, ioprio_value(IOPRIO_BE, 5)), ioprio_value(IOPRIO_BE, 4));
    assert_int_equal(ioprio_best(ioprio_value(IOPRIO_IDLE, 7), ioprio_value(IOPRIO_BE, 7)), ioprio_value(IOPRIO_BE, 7));
    assert_int_equal(ioprio_check(IOPRIO_RT, 7, &e), 0);
    assert_int_not_equal(ioprio_check(IOPRIO_RT, 8, &e), 0);
    assert_int_not_equal(ioprio_check(IOPRIO_NONE, 1, &e), 0);
    assert_int_not_equal(ioprio_check(4, 0, &e), 0);
    assert_non_null(strstr(e.text, "idle"));
}

static void test_block_describes_processes(void **state) {
    struct bed *b = bed_new("noop", MS, 1, NULL);
    struct err e = {0};
    struct block_context_settings s = {.name = "db", .prioclass = IOPRIO_RT, .prio = 2, .cgroup = "a/b"};
    assert_int_equal(block_context_describe(b->block, 70000, &s, &e), 0);
    const struct block_context *c = block_context_find(b->block, 70000);
    assert_int_equal(context_class(c), IOPRIO_RT);
    assert_int_equal(context_level(c), 2);
    assert_string_equal(c->group->path, "a/b");
    assert_string_equal(c->group->parent->path, "a");
    s.nice = 20;
    assert_int_not_equal(block_context_describe(b->block, 70000, &s, &e), 0);
    s = (struct block_context_settings){.prioclass = -1, .prio = 9};
    assert_int_not_equal(block_context_describe(b->block, 70000, &s, &e), 0);
    s = (struct block_context_settings){.prioclass = -1, .prio = -1, .cgroup = "a/../b"};
    assert_int_not_equal(block_context_describe(b->block, 70000, &s, &e), 0);
    s = (struct block_context_settings){.prioclass = -1, .prio = -1, .cgroup = "a", .cgroup_weight = 5};
    assert_int_not_equal(block_context_describe(b->block, 70000, &s, &e), 0);
    assert_non_null(strstr(e.text, "10 to 1000"));
    assert_int_not_equal(block_group_set_weight(b->block, block_group_find(b->block, "a"), 0, &e), 0);
    assert_int_equal(block_group_set_weight(b->block, block_group_find(b->block, "a"), 1000, &e), 0);
    assert_int_not_equal(block_group_remove(b->block, block_group_find(b->block, "a"), &e), 0);
    assert_int_equal(block_group_remove(b->block, block_group_find(b->block, "a/b"), &e), 0);
    assert_string_equal(c->group->path, "a");
    bed_free(b);
}

static void test_block_has_many_processes_and_cgroups(void **state) {
    for (unsigned s = 0; elevators[s]; s++) {
        struct bed *b = bed_new(elevators[s]->name, 1000, 8, NULL);
        struct err e = {0};
        char path[32];
        bed_set(b, "nr_requests", "8");
        for (unsigned i = 0; i < 10000; i++) {
            snprintf(path, sizeof path, "g%u/%u", i % 40, i % 1000);
            const struct block_context_settings who = {
                .prioclass = -1, .prio = -1, .nice = (int)(i % 40) - 20, .cgroup = path};
            assert_int_equal(block_context_describe(b->block, i * 7919, &who, &e), 0);
        }
        for (unsigned i = 0; i < 4000; i++)
            bed_send(b, i * 2 * 7919, i % 3 ? IO_READ : IO_WRITE, i * 31 % 130000, 8, i % 2 ? IO_SYNC : 0);
        bed_finish(b);
        for (unsigned i = 0; i < 10000; i += 3)
            drive_owner_gone(b->drive, i * 7919);
        bed_free(b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block_merges_behind_before_and_between),
        cmocka_unit_test(test_block_noop_merges_only_behind),
        cmocka_unit_test(test_block_merges_within_limits),
        cmocka_unit_test(test_block_nomerges_is_obeyed),
        cmocka_unit_test(test_block_splits_what_is_too_large),
        cmocka_unit_test(test_block_plug_gathers_and_sorts),
        cmocka_unit_test(test_block_plug_overflows_at_sixteen),
        cmocka_unit_test(test_block_gathers_what_follows_a_merged_request),
        cmocka_unit_test(test_block_pool_lets_a_batcher_exceed_it),
        cmocka_unit_test(test_block_pool_is_each_cgroups_own),
        cmocka_unit_test(test_block_none_has_as_many_requests_as_the_drive),
        cmocka_unit_test(test_block_orders_a_flush_among_its_issuers_writes),
        cmocka_unit_test(test_block_flushes_share_the_drives),
        cmocka_unit_test(test_block_fua_passes_the_scheduler_by),
        cmocka_unit_test(test_block_takes_a_failed_request_apart),
        cmocka_unit_test(test_block_keeps_the_group_of_a_request_taken_apart),
        cmocka_unit_test(test_block_merges_within_zones),
        cmocka_unit_test(test_block_zones_want_a_scheduler_that_keeps_order),
        cmocka_unit_test(test_block_fua_keeps_the_order_of_a_zone),
        cmocka_unit_test(test_block_counts_as_the_stat_file),
        cmocka_unit_test(test_block_drains_in_elevator_order),
        cmocka_unit_test(test_block_forgets_requests_of_the_gone_at_a_power_cut),
        cmocka_unit_test(test_block_switch_forgets_no_sleeper),
        cmocka_unit_test(test_block_async_depth_is_of_its_own_pool),
        cmocka_unit_test(test_block_switch_resets_tunables_and_keeps_them_when_same),
        cmocka_unit_test(test_block_says_what_is_allowed),
        cmocka_unit_test(test_block_refuses_settings_by_name),
        cmocka_unit_test(test_block_priorities_as_linux),
        cmocka_unit_test(test_block_describes_processes),
        cmocka_unit_test(test_block_has_many_processes_and_cgroups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
