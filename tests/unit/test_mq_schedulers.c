/* mq-deadline and kyber: levels, ageing, batches, zone locks; depths that follow latencies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "elevator_bed.h"

#define FAR_AWAY 400000000ull /* sectors */

static struct bed bed;

/* Linux gives a multi-queue scheduler twice the drive's depth: too little of a choice with a depth of one. */
static void open_bed(const char *scheduler, int64_t latency_ns, uint32_t depth, const char *const *options) {
    bed_open(&bed, scheduler, latency_ns, depth, options);
    bed_set(&bed, "nr_requests", "256");
}

static void describe(uint32_t owner, int class, int level) {
    struct err e = {0};
    const struct block_context_settings s = {.prioclass = class, .prio = level};
    assert_int_equal(block_context_describe(bed.block, owner, &s, &e), 0);
}

static struct bed_process *reader(uint32_t owner, uint64_t at, uint32_t depth) {
    return bed_start(
        &bed,
        &(struct bed_process){
            .owner = owner, .op = IO_READ, .sectors = 8, .step = 0, .at = at, .range = FAR_AWAY / 4, .depth = depth});
}

static struct bed_process *writer(uint32_t owner, uint64_t at, uint32_t depth) {
    return bed_start(
        &bed,
        &(struct bed_process){
            .owner = owner, .op = IO_WRITE, .sectors = 8, .step = 0, .at = at, .range = FAR_AWAY / 4, .depth = depth});
}

/* --- mq-deadline --- */

static void test_mq_deadline_gives_reads_two_batches_of_three(void **state) {
    open_bed("mq-deadline", BED_MS / 10, 1, NULL);
    reader(1, 0, 100);
    writer(2, FAR_AWAY, 100);
    bed_run(&bed, 5000 * BED_MS);
    unsigned run = 1, changes = 0, count[2] = {0};
    for (unsigned i = 400; i < 40000; i++, run++) {
        count[bed.log[i].write]++;
        if (bed.log[i].write == bed.log[i - 1].write)
            continue;
        if (changes++) /* a sweep that reaches its end is a batch, too, however short */
            assert_true(run <= (bed.log[i - 1].write ? 16 : 32));
        run = 0;
    }
    double ratio = (double)count[0] / count[1];
    if (ratio < 1.9 || ratio > 2.1)
        fail_msg("%.2f reads for each write", ratio);
    bed_drain(&bed);
    bed_close(&bed);
}

/* Lower levels wait even for what of a higher one is in the drive. */
static void test_mq_deadline_serves_classes_in_order(void **state) {
    open_bed("mq-deadline", BED_MS, 4, NULL);
    describe(1, IOPRIO_RT, 4);
    describe(2, IOPRIO_BE, 0);
    describe(3, IOPRIO_IDLE, 0);
    bed_submit(&bed, 9, IO_READ, 0, 8, 0); /* the drive is busy, so that the others are sorted out */
    for (uint32_t owner = 3; owner; owner--)
        for (unsigned i = 0; i < 3; i++)
            bed_submit(&bed, owner, IO_READ, owner * 100000 + i * 1000, 8, 0);
    bed_drain(&bed);
    unsigned order[3] = {0};
    int64_t end_of_rt = 0;
    for (unsigned i = 1; i < bed.logged; i++) {
        if (bed.log[i].owner == 1)
            end_of_rt = bed.log[i].end_ns;
        order[bed.log[i].owner - 1] = i;
    }
    for (unsigned i = 1; i < bed.logged; i++)
        if (bed.log[i].owner == 3)
            assert_true(bed.log[i].at_ns >= end_of_rt);
    assert_int_equal(bed.logged, 10);
    assert_true(order[0] > 0 && order[2] == 9);
    bed_close(&bed);
}

static void test_mq_deadline_ages_lower_classes(void **state) {
    open_bed("mq-deadline", BED_MS, 1, NULL);
    describe(1, IOPRIO_RT, 0);
    describe(2, IOPRIO_IDLE, 7);
    reader(1, 0, 8);
    bed_run(&bed, 100 * BED_MS);
    bed_submit(&bed, 2, IO_READ, FAR_AWAY, 8, 0);
    int64_t asked = sim_now(bed.sim), waited = -1;
    bed_run(&bed, 11000 * BED_MS);
    for (unsigned i = 0; i < bed.logged; i++)
        if (bed.log[i].owner == 2)
            waited = bed.log[i].at_ns - asked;
    if (waited < 10000 * BED_MS || waited > 10020 * BED_MS)
        fail_msg("waited %lld ms; ageing takes 10 s", (long long)(waited / BED_MS));
    bed_drain(&bed);
    bed_close(&bed);
}

/* What arrives ahead of the sweep is taken along. */
static void test_mq_deadline_sweep_takes_newcomers(void **state) {
    open_bed("mq-deadline", BED_MS, 1, NULL);
    for (unsigned i = 0; i < 8; i++)
        bed_submit(&bed, 1, IO_READ, 100000 + i * 10000, 8, 0);
    bed_run(&bed, 2 * BED_MS + BED_MS / 2);
    bed_submit(&bed, 1, IO_READ, 135000, 8, 0);
    bed_drain(&bed);
    assert_int_equal(bed.log[3].sector, 130000);
    assert_int_equal(bed.log[4].sector, 135000);
    assert_int_equal(bed.log[5].sector, 140000);
    bed_close(&bed);
}

/* Writes to a zone go one at a time, in the order of sectors; other zones go on meanwhile. */
static void test_mq_deadline_locks_zones(void **state) {
    static const char *const shingled[] = {"drive.kind=smr",
                                           "drive.capacity=4GiB",
                                           "zns.zone_size=256MiB",
                                           "zns.zone_capacity=256MiB",
                                           "zns.max_active=0",
                                           "zns.max_open=0",
                                           NULL};
    const uint64_t zone = 256ull << 11;
    open_bed("mq-deadline", BED_MS, 16, shingled);
    bed_set(&bed, "nomerges", "2");
    for (unsigned i = 0; i < 20; i++)
        for (unsigned z = 0; z < 5; z++)
            bed_submit(&bed, 1 + z, IO_WRITE, z * zone + i * 64, 64, 0);
    bed_drain(&bed);
    assert_int_equal(bed.logged, 100);
    bool together = false;
    for (unsigned i = 1; i < bed.logged; i++)
        for (unsigned k = 0; k < i; k++) {
            bool overlap = bed.log[k].end_ns > bed.log[i].at_ns;
            if (bed.log[i].sector / zone == bed.log[k].sector / zone)
                assert_true(!overlap && bed.log[k].sector < bed.log[i].sector);
            together |= overlap;
        }
    assert_true(together);
    bed_close(&bed);
}

static void test_mq_deadline_merges_equal_priorities_only(void **state) {
    open_bed("mq-deadline", BED_MS, 1, NULL);
    describe(2, IOPRIO_RT, 0);
    bed_submit(&bed, 1, IO_READ, FAR_AWAY, 8, 0);
    bed_submit(&bed, 1, IO_READ, 1000, 8, 0);
    bed_submit(&bed, 1, IO_READ, 1008, 8, 0);
    bed_submit(&bed, 2, IO_READ, 1016, 8, 0);
    bed_drain(&bed);
    assert_int_equal(bed.logged, 3);
    assert_int_equal(bed.log[1].sector, 1016);
    assert_int_equal(bed.log[2].sectors, 16);
    bed_close(&bed);
}

static void test_mq_deadline_async_depth_follows_nr_requests(void **state) {
    char text[32];
    struct err e = {0};
    open_bed("mq-deadline", BED_MS, 1, NULL);
    bed_set(&bed, "nr_requests", "100");
    assert_int_equal(block_attr_get(bed.block, "iosched/async_depth", text, sizeof text, &e), 0);
    assert_string_equal(text, "75");
    bed_close(&bed);
}

/* Of two that become one the older's deadline counts, and its place. */
static void test_mq_deadline_merged_requests_are_as_old_as_the_older(void **state) {
    open_bed("mq-deadline,fifo_batch=1", 30 * BED_MS, 1, NULL);
    bed_submit(&bed, 1, IO_READ, 900000, 8, 0);
    bed_submit(&bed, 1, IO_READ, 10016, 8, 0);
    bed_submit(&bed, 2, IO_READ, 500000, 8, 0);
    bed_run(&bed, 20 * BED_MS);
    bed_submit(&bed, 1, IO_READ, 10000, 8, 0);
    bed_submit(&bed, 1, IO_READ, 10008, 8, 0);
    bed_drain(&bed);
    assert_int_equal(bed.logged, 3);
    assert_int_equal(bed.log[1].sector, 10000);
    assert_int_equal(bed.log[1].sectors, 24);
    json_t *stats = block_elevator(bed.block)->ops->stats(block_elevator(bed.block));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(stats, "be"), "merged")), 1);
    json_decref(stats);
    bed_close(&bed);
}

/* Requests there are of 100 when more are wanted. */
static unsigned allocated(const char *scheduler, uint8_t op, uint32_t flags) {
    open_bed(scheduler, 1000 * BED_MS, 256, NULL);
    bed_set(&bed, "nr_requests", "100");
    for (unsigned i = 0; i < 150; i++)
        bed_submit(&bed, 1 + i % 3, op, 1000 * i, 8, flags);
    unsigned n = block_stat(bed.block)->in_flight[op != IO_READ];
    bed_drain(&bed);
    bed_close(&bed);
    return n;
}

static void test_mq_schedulers_limit_all_but_sync_reads(void **state) {
    assert_int_equal(allocated("mq-deadline", IO_READ, 0), 100);
    assert_int_equal(allocated("mq-deadline", IO_WRITE, 0), 75);
    assert_int_equal(allocated("mq-deadline", IO_WRITE, IO_SYNC), 75);
    assert_int_equal(allocated("kyber", IO_READ, 0), 100);
    assert_int_equal(allocated("kyber", IO_WRITE, 0), 75);
    assert_int_equal(allocated("kyber", IO_WRITE, IO_SYNC), 100);
}

/* --- kyber --- */

static int depth_of(const char *domain) {
    json_t *all = block_json(bed.block);
    int depth =
        (int)json_integer_value(json_object_get(json_object_get(json_object_get(all, "statistics"), domain), "depth"));
    json_decref(all);
    return depth;
}

static void test_kyber_serves_domains_in_batches(void **state) {
    open_bed("kyber,read_lat_nsec=1000000000,write_lat_nsec=1000000000", BED_MS / 10, 1, NULL);
    reader(1, 0, 60);
    writer(2, FAR_AWAY, 60);
    bed_run(&bed, 1000 * BED_MS);
    unsigned run = 1, changes = 0;
    for (unsigned i = 400; i < 9000; i++, run++)
        if (bed.log[i].write != bed.log[i - 1].write) {
            if (changes++)
                assert_int_equal(run, bed.log[i - 1].write ? 8 : 16);
            run = 0;
        }
    assert_true(changes > 300);
    bed_drain(&bed);
    bed_close(&bed);
}

/* Reads miss their target by far, writes are in bucket 2 of theirs: depth * (2 + 1) / 4 at every look. */
static void test_kyber_throttles_the_good_when_others_are_bad(void **state) {
    static const char *const times[] = {"nossd.read_latency=8ms", "nossd.write_latency=6ms", NULL};
    open_bed("kyber", BED_MS, 64, times);
    reader(1, 0, 20);
    writer(2, FAR_AWAY, 20);
    assert_int_equal(depth_of("write"), 128);
    bool seen[2] = {false};
    for (unsigned i = 0; i < 400 && !seen[1]; i++) {
        bed_run(&bed, 10 * BED_MS);
        seen[0] |= depth_of("write") == 96;
        seen[1] |= seen[0] && depth_of("write") == 72;
        assert_int_equal(depth_of("read"), 256); /* bucket 7: doubled, at most this */
    }
    assert_true(seen[0] && seen[1]);
    bed_drain(&bed);
    bed_close(&bed);
}

/* In bucket 1 while writes are bad: halved at every look. In bucket 7 once their target is out of reach: doubled. */
static void test_kyber_halves_and_doubles(void **state) {
    static const char *const times[] = {"nossd.read_latency=1ms", "nossd.write_latency=60ms", NULL};
    open_bed("kyber", BED_MS, 64, times);
    reader(1, 0, 4);
    writer(2, FAR_AWAY, 20);
    int depth = depth_of("read"), halved = 0, doubled = 0;
    assert_int_equal(depth, 256);
    for (unsigned i = 0; i < 2000 && depth > 8; i++) {
        bed_run(&bed, 10 * BED_MS);
        int now = depth_of("read");
        if (now != depth)
            assert_int_equal(now, depth / 2);
        halved += now != depth;
        depth = now;
    }
    assert_int_equal(halved, 5);
    bed_set(&bed, "iosched/read_lat_nsec", "100000");
    for (unsigned i = 0; i < 2000 && depth < 256; i++) {
        bed_run(&bed, 10 * BED_MS);
        int now = depth_of("read");
        if (now > depth)
            assert_int_equal(now, depth * 2);
        doubled += now > depth;
        depth = now;
    }
    assert_int_equal(depth, 256);
    assert_true(doubled >= 5);
    bed_drain(&bed);
    bed_close(&bed);
}

static void test_kyber_leaves_depths_alone_while_all_is_well(void **state) {
    open_bed("kyber", BED_MS, 64, NULL);
    reader(1, 0, 20);
    writer(2, FAR_AWAY, 20);
    bed_run(&bed, 3000 * BED_MS);
    assert_int_equal(depth_of("read"), 256);
    assert_int_equal(depth_of("write"), 128);
    bed_drain(&bed);
    bed_close(&bed);
}

/* With two tokens no more than two are in the drive; what waits for them keeps the last two from being taken away. */
static void test_kyber_tokens_bound_what_is_in_the_drive(void **state) {
    static const char *const times[] = {"nossd.read_latency=8ms", "nossd.write_latency=1ms", NULL};
    open_bed("kyber", BED_MS, 64, times);
    reader(1, 0, 20);
    writer(2, FAR_AWAY, 20);
    bed_run(&bed, 20000 * BED_MS);
    assert_int_equal(depth_of("write"), 2);
    unsigned from = bed.logged;
    bed_run(&bed, 1000 * BED_MS);
    int64_t ends[2] = {0}; /* of the last two */
    for (unsigned i = from; i < bed.logged; i++) {
        if (!bed.log[i].write)
            continue;
        assert_true(bed.log[i].at_ns >= ends[0]);
        ends[0] = ends[1];
        ends[1] = bed.log[i].end_ns ? bed.log[i].end_ns : INT64_MAX;
    }
    bed_drain(&bed);
    bed_close(&bed);
}

/* An io may join one of the last eight of its kind. */
static void test_kyber_merges_with_recent_requests_only(void **state) {
    for (unsigned others = 7; others <= 8; others++) {
        open_bed("kyber", 10 * BED_MS, 1, NULL);
        bed_submit(&bed, 1, IO_READ, 5000000, 8, 0);
        bed_submit(&bed, 1, IO_READ, 1000, 8, 0);
        for (unsigned i = 0; i < others; i++)
            bed_submit(&bed, 1, IO_READ, 100000 * (i + 1), 8, 0);
        bed_submit(&bed, 1, IO_READ, 1008, 8, 0);
        bed_drain(&bed);
        assert_int_equal(bed.logged, 2 + others + (others == 8));
        bed_close(&bed);
    }
}

/* What comes while requests that were taken together still wait isn't taken yet, and can be merged with. */
static void test_kyber_takes_more_when_it_needs_more(void **state) {
    open_bed("kyber", 10 * BED_MS, 1, NULL);
    for (unsigned i = 0; i < 3; i++)
        bed_submit(&bed, 1, IO_READ, 100000 * (i + 1), 8, 0);
    bed_run(&bed, 15 * BED_MS); /* the second is in the drive, the third was taken with it */
    bed_submit(&bed, 1, IO_READ, 1000, 8, 0);
    bed_run(&bed, 10 * BED_MS);
    bed_submit(&bed, 1, IO_READ, 1008, 8, 0);
    bed_drain(&bed);
    assert_int_equal(bed.logged, 4);
    assert_int_equal(bed.log[3].sectors, 16);
    bed_close(&bed);
}

/* Twice the time in the drive, as half of the requests wait for a token: 2 ms are in bucket 4 of 1.8 ms. */
static void test_kyber_gives_more_to_those_that_wait_though_all_is_well(void **state) {
    static const char *const times[] = {"nossd.read_latency=1ms", "nossd.write_latency=60ms", NULL};
    open_bed("kyber", BED_MS, 64, times);
    reader(1, 0, 16);
    struct bed_process *w = writer(2, FAR_AWAY, 30);
    for (unsigned i = 0; i < 2000 && depth_of("read") > 8; i++)
        bed_run(&bed, 10 * BED_MS);
    bed_run(&bed, 2000 * BED_MS);
    assert_int_equal(depth_of("read"), 8); /* bucket 3 of 2 ms: as it is */
    w->stopped = true;
    bed_run(&bed, 3000 * BED_MS);
    assert_int_equal(depth_of("read"), 8);
    bed_set(&bed, "iosched/read_lat_nsec", "1800000");
    bed_run(&bed, 3000 * BED_MS);
    assert_int_equal(depth_of("read"), 18); /* 8, 10, 12, 15, 18: nobody waits */
    bed_drain(&bed);
    bed_close(&bed);
}

/* Trims of 1.1 s are in the first bucket of 5 s. */
static void test_kyber_trims_may_take_five_seconds(void **state) {
    static const char *const times[] = {"nossd.read_latency=8ms", "nossd.write_latency=1100ms", NULL};
    open_bed("kyber", BED_MS, 256, times);
    reader(1, 0, 8);
    bed_start(&bed, &(struct bed_process){
                        .owner = 2, .op = IO_TRIM, .sectors = 8, .at = FAR_AWAY, .range = FAR_AWAY / 4, .depth = 60});
    for (unsigned i = 0; i < 400 && depth_of("discard") == 64; i++)
        bed_run(&bed, 50 * BED_MS);
    assert_int_equal(depth_of("discard"), 16);
    bed_drain(&bed);
    bed_close(&bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mq_deadline_gives_reads_two_batches_of_three),
        cmocka_unit_test(test_mq_deadline_serves_classes_in_order),
        cmocka_unit_test(test_mq_deadline_ages_lower_classes),
        cmocka_unit_test(test_mq_deadline_sweep_takes_newcomers),
        cmocka_unit_test(test_mq_deadline_locks_zones),
        cmocka_unit_test(test_mq_deadline_merges_equal_priorities_only),
        cmocka_unit_test(test_mq_deadline_async_depth_follows_nr_requests),
        cmocka_unit_test(test_mq_deadline_merged_requests_are_as_old_as_the_older),
        cmocka_unit_test(test_mq_schedulers_limit_all_but_sync_reads),
        cmocka_unit_test(test_kyber_merges_with_recent_requests_only),
        cmocka_unit_test(test_kyber_takes_more_when_it_needs_more),
        cmocka_unit_test(test_kyber_gives_more_to_those_that_wait_though_all_is_well),
        cmocka_unit_test(test_kyber_trims_may_take_five_seconds),
        cmocka_unit_test(test_kyber_serves_domains_in_batches),
        cmocka_unit_test(test_kyber_throttles_the_good_when_others_are_bad),
        cmocka_unit_test(test_kyber_halves_and_doubles),
        cmocka_unit_test(test_kyber_leaves_depths_alone_while_all_is_well),
        cmocka_unit_test(test_kyber_tokens_bound_what_is_in_the_drive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
