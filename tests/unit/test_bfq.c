/* BFQ: shares by weight, classes, budgets, waiting, what is preferred. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "block/elevator/bfq_math.h"
#include "elevator_bed.h"

#define APART 100000000ull /* sectors */

static struct bed bed;

/* Linux gives a multi-queue scheduler twice the drive's depth: too little of a choice with a depth of one. */
static void open_bed(const char *scheduler, int64_t latency_ns, uint32_t depth) {
    bed_open(&bed, scheduler, latency_ns, depth, NULL);
    bed_set(&bed, "nr_requests", "256");
}

static void close_bed(void) {
    bed_drain(&bed);
    bed_close(&bed);
}

static void describe(uint32_t owner, int class, int level, const char *group, uint32_t weight) {
    struct err e = {0};
    const struct block_context_settings s = {
        .prioclass = class, .prio = level, .cgroup = group, .cgroup_weight = weight};
    assert_int_equal(block_context_describe(bed.block, owner, &s, &e), 0);
}

static struct bed_process *reader(uint32_t owner, uint32_t sectors, uint32_t depth, int64_t think_ns) {
    return bed_start(&bed, &(struct bed_process){.owner = owner,
                                                 .op = IO_READ,
                                                 .sectors = sectors,
                                                 .step = sectors,
                                                 .at = owner * APART,
                                                 .depth = depth,
                                                 .think_ns = think_ns});
}

static struct bed_process *seeker(uint32_t owner, uint32_t sectors, uint32_t depth) {
    return bed_start(&bed, &(struct bed_process){.owner = owner,
                                                 .op = IO_READ,
                                                 .sectors = sectors,
                                                 .at = owner * APART,
                                                 .range = APART / 2,
                                                 .depth = depth});
}

static json_int_t stat(const char *name) {
    json_t *all = block_elevator(bed.block)->ops->stats(block_elevator(bed.block));
    json_int_t n = json_integer_value(json_object_get(all, name));
    json_decref(all);
    return n;
}

static void expect_ratio(double a, double b, double ratio, double within) {
    if (a / b < ratio * (1 - within) || a / b > ratio * (1 + within))
        fail_msg("%.3f to one; %.3f expected", a / b, ratio);
}

/* --- shares --- */

static void test_bfq_shares_sectors_by_priority(void **state) {
    static const struct {
        int a, b;
        double ratio;
    } rows[] = {{0, 4, 2}, {4, 7, 4}, {0, 7, 8}, {4, 4, 1}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        open_bed("bfq,low_latency=0", BED_MS / 2, 1);
        describe(1, IOPRIO_BE, rows[i].a, NULL, 0);
        describe(2, IOPRIO_BE, rows[i].b, NULL, 0);
        struct bed_process *a = reader(1, 64, 1, 0), *b = reader(2, 64, 1, 0);
        bed_run(&bed, 40000 * BED_MS);
        expect_ratio((double)a->bytes, (double)b->bytes, rows[i].ratio, 0.05);
        close_bed();
    }
}

static void test_bfq_shares_sectors_by_cgroup(void **state) {
    open_bed("bfq,low_latency=0", BED_MS / 2, 1);
    describe(1, IOPRIO_BE, 4, "a", 1000);
    describe(2, IOPRIO_BE, 4, "b", 500);
    describe(3, IOPRIO_BE, 4, "b", 500);
    struct bed_process *a = reader(1, 64, 1, 0), *b = reader(2, 64, 1, 0), *c = reader(3, 64, 1, 0);
    bed_run(&bed, 20000 * BED_MS);
    expect_ratio((double)a->bytes, (double)(b->bytes + c->bytes), 2, 0.05);
    expect_ratio((double)b->bytes, (double)c->bytes, 1, 0.05);
    close_bed();
}

static void test_bfq_follows_a_new_weight(void **state) {
    open_bed("bfq,low_latency=0", BED_MS / 2, 1);
    describe(1, IOPRIO_BE, 4, "a", 500);
    describe(2, IOPRIO_BE, 4, "b", 500);
    struct bed_process *a = reader(1, 64, 1, 0), *b = reader(2, 64, 1, 0);
    bed_run(&bed, 10000 * BED_MS);
    expect_ratio((double)a->bytes, (double)b->bytes, 1, 0.05);
    describe(1, IOPRIO_BE, 4, "a", 1000);
    bed_run(&bed, 1000 * BED_MS);
    uint64_t a0 = a->bytes, b0 = b->bytes;
    bed_run(&bed, 10000 * BED_MS);
    expect_ratio((double)(a->bytes - a0), (double)(b->bytes - b0), 2, 0.05);
    describe(2, IOPRIO_BE, 0, "b", 500); /* alone in its group: its level is nothing to the others */
    bed_run(&bed, 1000 * BED_MS);
    a0 = a->bytes, b0 = b->bytes;
    bed_run(&bed, 10000 * BED_MS);
    expect_ratio((double)(a->bytes - a0), (double)(b->bytes - b0), 2, 0.05);
    close_bed();
}

/* Bandwidth for those that read on, time for those that seek. */
static void test_bfq_charges_seeky_queues_time(void **state) {
    open_bed("bfq,low_latency=0", 2 * BED_MS, 1);
    struct bed_process *a = reader(1, 256, 1, 0), *b = seeker(2, 8, 4);
    bed_run(&bed, 20000 * BED_MS);
    expect_ratio((double)bed_served_ns(&bed, 1), (double)bed_served_ns(&bed, 2), 1, 0.25);
    assert_true(a->bytes > 16 * b->bytes);
    assert_true(stat("charged_time") > 10);
    close_bed();
}

static void test_bfq_serves_classes_in_order(void **state) {
    open_bed("bfq,low_latency=0", BED_MS, 1);
    describe(1, IOPRIO_RT, 4, NULL, 0);
    describe(2, IOPRIO_BE, 0, NULL, 0);
    describe(3, IOPRIO_IDLE, 0, NULL, 0);
    reader(3, 8, 4, 0);
    struct bed_process *be = reader(2, 8, 4, 0);
    reader(1, 8, 4, 0);
    bed_run(&bed, 5000 * BED_MS);
    assert_true(be->done <= 8);
    int64_t last = -1, gaps = 0;
    for (unsigned i = 0; i < bed.logged; i++) {
        if (bed.log[i].owner != 3 || bed.log[i].at_ns < 300 * BED_MS)
            continue;
        int64_t gap = bed.log[i].at_ns - last;
        if (last >= 0 && (gap < 200 * BED_MS || gap > 330 * BED_MS))
            fail_msg("the idle class was served after %lld ms", (long long)(gap / BED_MS));
        gaps += last >= 0;
        last = bed.log[i].at_ns;
    }
    assert_true(gaps > 10);
    close_bed();
}

/* --- arithmetic --- */

static void test_bfq_budgets_follow_use(void **state) {
    enum { B = 16384, LEAST = B / 32 };
    static const struct {
        struct bfq_had had;
        enum bfq_reason reason;
        int64_t budget, next;
    } rows[] = {
        {{.sync = true, .in_flight = true}, BFQ_TOO_IDLE, 1000, 2000},
        {{.sync = true, .in_flight = true}, BFQ_TOO_IDLE, 10000, B},
        {{.sync = true}, BFQ_TOO_IDLE, 6 * LEAST, 2 * LEAST},
        {{.sync = true}, BFQ_TOO_IDLE, 5 * LEAST, LEAST},
        {{.sync = true}, BFQ_TIMEOUT, 3000, 6000},
        {{.sync = true}, BFQ_TIMEOUT, 9000, B},
        {{.sync = true}, BFQ_EXHAUSTED, 3000, 12000},
        {{.sync = true}, BFQ_EXHAUSTED, 5000, B},
        {{.sync = true, .service = 700}, BFQ_NO_MORE, 5000, 700},
        {{.sync = true, .service = 8}, BFQ_NO_MORE, 5000, LEAST},
        {{.sync = true, .service = 8}, BFQ_PREEMPTED, 5000, 5000},
        {{.sync = true, .raised = true}, BFQ_TIMEOUT, 5000, 2 * LEAST},
        {{.sync = false}, BFQ_TIMEOUT, 5000, B},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(bfq_next_budget(&rows[i].had, rows[i].reason, rows[i].budget, B, LEAST), rows[i].next);
}

static void test_bfq_arithmetic_of_rates_and_weights(void **state) {
    assert_int_equal(bfq_charge_for_time(100, 16000, 50 * BED_MS, 125 * BED_MS), 6400);
    assert_int_equal(bfq_charge_for_time(9000, 16000, 50 * BED_MS, 125 * BED_MS), 9000);
    assert_int_equal(bfq_charge_for_time(0, 16000, 500 * BED_MS, 125 * BED_MS), 16000);
    unsigned rounds = 0;
    for (uint32_t learned = 0; learned < BFQ_LEARNED; rounds++)
        learned = bfq_learn(learned);
    assert_int_equal(rounds, 11);
    assert_int_equal(bfq_auto_budget(14000, 125 * BED_MS), 14000ll * 125000 >> 16);
    assert_int_equal(bfq_next_rate(10000, 31, 31, 1000000, 1000 * BED_MS), 10000);
    assert_int_equal(bfq_next_rate(10000, 100, 100, 1000000, 299 * BED_MS), 10000);
    assert_int_equal(bfq_next_rate(10000, 100, 10, 1000, 1000 * BED_MS), 10000); /* seeky and slower: no news */
    /* 200000 sectors in a second are 13107; all in order, one second: half of each */
    assert_int_equal(bfq_next_rate(10000, 100, 100, 200000, 1000 * BED_MS), 5000 + 6553);
    assert_int_equal(bfq_next_rate(10000, 100, 100, 1ull << 40, 1000 * BED_MS), 10000);
    assert_int_equal(bfq_interactive_ns(true, 14000), 7000 * BED_MS);
    assert_int_equal(bfq_interactive_ns(false, 66000), 3000 * BED_MS);
    assert_int_equal(bfq_interactive_ns(true, 100), 25000 * BED_MS);
    assert_int_equal(bfq_weight_of_level(0), 80);
    assert_int_equal(bfq_weight_of_level(4), 40);
    assert_int_equal(bfq_weight_of_level(7), 10);
    assert_int_equal(bfq_weight_of_group(500, false), 100);
    assert_int_equal(bfq_weight_of_group(10, false), 2);
    assert_int_equal(bfq_weight_of_group(100, true), 100);
    assert_int_equal(bfq_weight_of_group(10000, true), 1000);
    assert_int_equal(bfq_soft_rt_next(0, 0, 7000, 100 * BED_MS, 8 * BED_MS), 1000 * BED_MS);
    assert_int_equal(bfq_soft_rt_next(0, 0, 70, 100 * BED_MS, 8 * BED_MS), 112 * BED_MS);
    assert_true(bfq_is_seek(true, 1000, 1801, 8));
    assert_false(bfq_is_seek(true, 1000, 1800, 8));
    assert_false(bfq_is_seek(false, 1000, 100000, 64));
    assert_true(bfq_is_seek(false, 1000, 100000, 63));
}

/* The most for a queue follows what the drive does at its best. */
static void test_bfq_learns_the_rate(void **state) {
    open_bed("bfq,low_latency=0", 200000, 1);
    reader(1, 256, 1, 0); /* 1.28 M sectors a second */
    bed_run(&bed, 4000 * BED_MS);
    expect_ratio((double)stat("peak_sectors_per_s"), 1280000, 1, 0.05);
    expect_ratio((double)stat("budget_sectors"), 160000, 1, 0.05);
    bed_set(&bed, "iosched/max_budget", "5000");
    assert_int_equal(stat("budget_sectors"), 5000);
    bed_set(&bed, "iosched/max_budget", "0");
    expect_ratio((double)stat("budget_sectors"), 160000, 1, 0.05);
    close_bed();
}

/* --- waiting --- */

static int64_t when(uint32_t owner, unsigned nth) {
    for (unsigned i = 0; i < bed.logged; i++)
        if (bed.log[i].owner == owner && !nth--)
            return bed.log[i].at_ns;
    return -1;
}

/* A queue of another weight waits until slice_idle is over. */
static void test_bfq_waits_slice_idle(void **state) {
    static const struct {
        const char *scheduler;
        int64_t us;
    } rows[] = {{"bfq,low_latency=0", 10000},
                {"bfq,low_latency=0,slice_idle=5", 7000},
                {"bfq,low_latency=0,slice_idle_us=1500", 3500},
                {"bfq,low_latency=0,slice_idle=0", 2000}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        open_bed(rows[i].scheduler, BED_MS, 1);
        describe(1, IOPRIO_BE, 0, NULL, 0);
        bed_submit(&bed, 1, IO_READ, 0, 8, 0);
        bed_submit(&bed, 1, IO_READ, 100, 8, 0);
        bed_submit(&bed, 2, IO_READ, APART, 8, 0);
        bed_run(&bed, 100 * BED_MS);
        assert_int_equal(when(2, 0), rows[i].us * 1000);
        close_bed();
    }
}

/* Who reads on and thinks a little keeps the drive for its budget; not who is away for longer. */
static void test_bfq_waits_for_who_reads_on(void **state) {
    static const struct {
        int64_t think_ns;
        const char *scheduler;
        bool keeps;
    } rows[] = {{BED_MS / 10, "bfq,low_latency=0", true},
                {BED_MS / 10, "bfq,low_latency=0,slice_idle=0", false},
                {20 * BED_MS, "bfq,low_latency=0", false}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        open_bed(rows[i].scheduler, BED_MS, 1);
        reader(1, 64, 1, rows[i].think_ns);
        reader(2, 64, 4, 0);
        bed_run(&bed, 5000 * BED_MS);
        unsigned first = 0, same = 0;
        for (unsigned n = 500; n + 1 < bed.logged; n++) {
            first += bed.log[n].owner == 1;
            same += bed.log[n].owner == 1 && bed.log[n + 1].owner == 1;
        }
        assert_true(first > 50);
        if (rows[i].keeps ? same < first * 9 / 10 : same > first / 10)
            fail_msg("of %u requests %u were followed by another of the process", first, same);
        close_bed();
    }
}

/* Readers that begin together, each with a request in the drive already, come to have it for budgets all the same. */
static void test_bfq_serves_equal_readers_one_after_the_other(void **state) {
    open_bed("bfq,low_latency=0", BED_MS, 32);
    for (uint32_t i = 1; i <= 8; i++)
        reader(i, 64, 1, 0);
    bed_run(&bed, 5000 * BED_MS);
    unsigned same = 0;
    for (unsigned n = 1; n < bed.logged; n++)
        same += bed.log[n].owner == bed.log[n - 1].owner;
    assert_true(same > bed.logged * 9 / 10);
    close_bed();
}

/* One request in the drive at a time, whatever it takes. */
static void test_bfq_strict_is_one_at_a_time(void **state) {
    open_bed("bfq,strict_guarantees=1", BED_MS, 16);
    for (uint32_t i = 1; i < 6; i++)
        reader(i, 8, 4, 0);
    bed_run(&bed, 1000 * BED_MS);
    for (unsigned i = 1; i < bed.logged; i++)
        assert_true(bed.log[i].at_ns >= bed.log[i - 1].at_ns + BED_MS);
    assert_true(bed.logged > 500);
    close_bed();
}

/* --- what is preferred --- */

/* Time for 200 small reads of one that starts beside others that read on. */
static int64_t start_up(const char *scheduler) {
    open_bed(scheduler, BED_MS / 2, 1);
    for (uint32_t i = 1; i <= 4; i++)
        reader(i, 128, 2, 0);
    bed_run(&bed, 40000 * BED_MS);
    int64_t began = sim_now(bed.sim);
    struct bed_process *p = seeker(9, 8, 1);
    while (p->done < 200)
        bed_run(&bed, 5 * BED_MS);
    int64_t took = sim_now(bed.sim) - began;
    close_bed();
    return took;
}

static void test_bfq_prefers_what_starts(void **state) {
    int64_t with = start_up("bfq"), without = start_up("bfq,low_latency=0");
    if (with > 400 * BED_MS || with * 3 > without)
        fail_msg("%lld ms with low_latency, %lld ms without", (long long)(with / BED_MS),
                 (long long)(without / BED_MS));
}

static void test_bfq_prefers_nobody_in_large_bursts(void **state) {
    open_bed("bfq", BED_MS, 1);
    for (uint32_t i = 1; i <= 20; i++)
        seeker(i, 8, 1);
    bed_run(&bed, 1000 * BED_MS);
    assert_int_equal(stat("large_bursts"), 1);
    assert_int_equal(stat("raised"), 0);
    close_bed();
}

/* Reads every 40 ms, no more than a film needs: it never waits for long beside those that read on. */
static void test_bfq_prefers_soft_real_time(void **state) {
    open_bed("bfq", BED_MS / 2, 1);
    for (uint32_t i = 1; i <= 4; i++)
        reader(i, 128, 2, 0);
    bed_run(&bed, 20000 * BED_MS);
    struct bed_process *film = reader(9, 128, 1, 40 * BED_MS);
    bed_run(&bed, 30000 * BED_MS);
    film->longest_ns = 0;
    uint64_t before = film->done;
    bed_run(&bed, 10000 * BED_MS);
    assert_true(stat("soft_real_time") > 0);
    assert_true(film->done - before > 200);
    assert_true(film->longest_ns < 20 * BED_MS);
    close_bed();
}

/* --- queues that belong together --- */

/* Two that read every other piece of one file. */
static void test_bfq_merges_queues_that_read_next_to_each_other(void **state) {
    open_bed("bfq,low_latency=0", BED_MS, 1);
    for (uint32_t i = 1; i <= 2; i++)
        bed_start(&bed, &(struct bed_process){
                            .owner = i, .op = IO_READ, .sectors = 64, .step = 128, .at = 1000000 + 64 * i, .depth = 2});
    reader(3, 64, 1, 0);
    bed_run(&bed, 5000 * BED_MS);
    assert_true(stat("merged_queues") >= 1);
    assert_int_equal(stat("queues"), 2);
    close_bed();
}

static void test_bfq_parts_merged_queues_that_seek(void **state) {
    open_bed("bfq,low_latency=0", BED_MS, 1);
    struct bed_process *p[2];
    for (uint32_t i = 0; i < 2; i++)
        p[i] = bed_start(
            &bed, &(struct bed_process){
                      .owner = i + 1, .op = IO_READ, .sectors = 64, .step = 128, .at = 1000000 + 64 * i, .depth = 2});
    reader(3, 64, 1, 0);
    bed_run(&bed, 2000 * BED_MS);
    assert_int_equal(stat("queues"), 2);
    for (unsigned i = 0; i < 2; i++) {
        p[i]->step = 0;
        p[i]->range = APART;
    }
    bed_run(&bed, 5000 * BED_MS);
    assert_true(stat("split_queues") >= 1);
    assert_int_equal(stat("queues"), 3);
    close_bed();
}

/* How often the drive went from one process to the other in the last of the log. */
static unsigned changes(unsigned last) {
    unsigned n = 0;
    assert_true(bed.logged > last);
    for (unsigned i = bed.logged - last; i < bed.logged; i++)
        n += bed.log[i].owner != bed.log[i - 1].owner;
    return n;
}

/* Two raised queues keep the drive from waiting for either: what is known of them after 600 ms speaks for merging. */
static void test_bfq_merges_raised_queues_created_together(void **state) {
    open_bed("bfq", 2 * BED_MS, 32);
    reader(1, 128, 1, 0);
    bed_run(&bed, 100 * BED_MS);
    reader(2, 128, 1, 0);
    bed_run(&bed, 550 * BED_MS);
    assert_int_equal(stat("stable_merges"), 0);
    bed_run(&bed, 60 * BED_MS);
    assert_int_equal(stat("stable_merges"), 1);
    bed_run(&bed, 4000 * BED_MS);
    assert_int_equal(stat("queues"), 1);
    assert_int_equal(stat("split_queues"), 0);
    assert_true(changes(1000) > 900); /* for good: the queue seeks, but isn't parted */
    close_bed();
}

/* Not merged, they are served in turn once the preference is over: 120,000 sectors, after some seconds at 32 MB/s. */
static void test_bfq_serves_raised_readers_in_turn_later(void **state) {
    open_bed("bfq,stable_merge=0", 2 * BED_MS, 1);
    reader(1, 128, 2, 0);
    reader(2, 128, 2, 0);
    bed_run(&bed, 1500 * BED_MS);
    assert_true(changes(500) > 490);
    bed_run(&bed, 5000 * BED_MS);
    assert_true(changes(1000) < 40);
    assert_int_equal(stat("queues"), 2);
    close_bed();
}

static void test_bfq_does_not_merge_for_age_or_rhythm(void **state) {
    open_bed("bfq", 2 * BED_MS, 32);
    reader(1, 128, 1, 0);
    bed_run(&bed, 185 * BED_MS); /* too late */
    reader(2, 128, 1, 0);
    bed_run(&bed, 3000 * BED_MS);
    assert_int_equal(stat("stable_merges"), 0);
    close_bed();
    open_bed("bfq,low_latency=0", 2 * BED_MS, 32); /* it pays to wait for who reads on */
    reader(1, 128, 1, 0);
    reader(2, 128, 1, 0);
    bed_run(&bed, 3000 * BED_MS);
    assert_int_equal(stat("stable_merges"), 0);
    seeker(3, 8, 1);
    seeker(4, 8, 1);
    bed_run(&bed, 3000 * BED_MS);
    assert_int_equal(stat("stable_merges"), 1);
    assert_int_equal(stat("queues"), 3);
    close_bed();
    open_bed("bfq", 2 * BED_MS, 32); /* another level is another application */
    describe(2, IOPRIO_BE, 3, NULL, 0);
    reader(1, 128, 1, 0);
    reader(2, 128, 1, 0);
    bed_run(&bed, 3000 * BED_MS);
    assert_int_equal(stat("stable_merges"), 0);
    close_bed();
}

/* On flash that queues at once, from when it is known to. */
static void test_bfq_merges_at_once_on_fast_drives(void **state) {
    open_bed("bfq", BED_MS, 32);
    bed_set(&bed, "rotational", "0");
    seeker(1, 8, 16);
    bed_run(&bed, 1000 * BED_MS);
    seeker(2, 8, 4);
    seeker(3, 8, 4);
    seeker(4, 8, 4);
    assert_int_equal(stat("stable_merges"), 2);
    bed_run(&bed, 1000 * BED_MS);
    assert_int_equal(stat("queues"), 2);
    close_bed();
}

/* --- tunables --- */

static void expect_attr(const char *name, const char *value) {
    struct err e = {0};
    char text[256];
    assert_int_equal(block_attr_get(bed.block, name, text, sizeof text, &e), 0);
    assert_string_equal(text, value);
}

static void test_bfq_tunables_are_those_of_linux(void **state) {
    static const char *const defaults[][2] = {{"iosched/fifo_expire_sync", "125"}, {"iosched/fifo_expire_async", "250"},
                                              {"iosched/back_seek_max", "16384"},  {"iosched/back_seek_penalty", "2"},
                                              {"iosched/slice_idle", "8"},         {"iosched/slice_idle_us", "8000"},
                                              {"iosched/max_budget", "0"},         {"iosched/timeout_sync", "125"},
                                              {"iosched/strict_guarantees", "0"},  {"iosched/low_latency", "1"}};
    open_bed("bfq", BED_MS, 1);
    for (unsigned i = 0; i < sizeof defaults / sizeof *defaults; i++)
        expect_attr(defaults[i][0], defaults[i][1]);
    bed_set(&bed, "iosched/slice_idle_us", "2500");
    expect_attr("iosched/slice_idle", "2");
    bed_set(&bed, "iosched/strict_guarantees", "1");
    expect_attr("iosched/slice_idle", "8");
    bed_set(&bed, "iosched/timeout_sync", "0");
    expect_attr("iosched/timeout_sync", "1");
    bed_set(&bed, "iosched/low_latency", "7");
    expect_attr("iosched/low_latency", "1");
    close_bed();
}

/* --- limits, one by one --- */

/* Of 100 requests, how many there may be for a process that has none yet; `raised`: beside a queue that is preferred.
 */
static uint32_t limit(bool raised, uint8_t op, uint32_t flags) {
    const struct io io = {.op = op, .flags = flags, .bytes = 4096};
    open_bed(raised ? "bfq" : "bfq,low_latency=0", BED_MS, 1);
    bed_submit(&bed, 1, IO_READ, APART, 8, 0);
    describe(2, IOPRIO_BE, 4, NULL, 0);
    struct elevator *e = block_elevator(bed.block);
    uint32_t n = e->ops->limit_depth(e, 100, &io, block_context_find(bed.block, 2));
    close_bed();
    return n;
}

static void test_bfq_limits_all_but_reads(void **state) {
    assert_int_equal(limit(false, IO_READ, 0), 100);
    assert_int_equal(limit(false, IO_WRITE, 0), 50);
    assert_int_equal(limit(false, IO_WRITE, IO_SYNC), 75);
    assert_int_equal(limit(true, IO_READ, 0), 100);
    assert_int_equal(limit(true, IO_WRITE, 0), 18);
    assert_int_equal(limit(true, IO_WRITE, IO_SYNC), 37);
}

/* A group that has more requests than its weight's share of them gets no more. */
static void test_bfq_holds_groups_to_their_share_of_requests(void **state) {
    open_bed("bfq,low_latency=0", 1000 * BED_MS, 256);
    bed_set(&bed, "nr_requests", "100");
    describe(1, IOPRIO_BE, 4, "a", 250);
    describe(2, IOPRIO_BE, 4, "b", 750);
    for (unsigned i = 0; i < 30; i++)
        bed_submit(&bed, 2, IO_READ, 2 * APART + 1000 * i, 8, 0);
    for (unsigned i = 0; i < 60; i++)
        bed_submit(&bed, 1, IO_READ, APART + 1000 * i, 8, 0);
    assert_int_equal(block_stat(bed.block)->in_flight[0], 30 + 25);
    close_bed();
}

/* Who is served after the one in service, which has more, when another one comes. */
static uint32_t next_after(const char *group, uint32_t weight, int level, uint32_t serving_weight) {
    open_bed("bfq,low_latency=0", 10 * BED_MS, 1);
    describe(1, IOPRIO_BE, level, group, weight);
    describe(2, IOPRIO_BE, 4, "served", serving_weight);
    for (unsigned i = 0; i < 4; i++)
        bed_submit(&bed, 2, IO_READ, 2 * APART + 1000 * i, 8, 0);
    bed_run(&bed, BED_MS);
    bed_submit(&bed, 1, IO_READ, APART, 8, 0);
    bed_run(&bed, 15 * BED_MS);
    uint32_t owner = bed.log[1].owner;
    close_bed();
    return owner;
}

/* Between groups their weights count; that of a queue against a group's if it is in none. */
static void test_bfq_preempts_by_rank(void **state) {
    assert_int_equal(next_after("other", 1000, 4, 100), 1);
    assert_int_equal(next_after("other", 100, 4, 1000), 2);
    assert_int_equal(next_after("other", 100, 0, 250), 2); /* 20 against 50, though the queue has 80 */
    assert_int_equal(next_after(NULL, 0, 0, 350), 1);      /* 80 against 70 */
    assert_int_equal(next_after(NULL, 0, 4, 350), 2);      /* 40 */
}

/* Large bursts there are when `count` processes each send a request, `gap_ms` apart. */
static json_int_t bursts(unsigned count, int64_t gap_ms, unsigned groups, bool beside) {
    static const char *const names[] = {NULL, "a", "b"};
    open_bed("bfq", BED_MS, 1);
    if (beside)
        reader(20, 8, 2, 0);
    bed_run(&bed, 400 * BED_MS);
    for (uint32_t i = 1; i <= count; i++) {
        describe(i, IOPRIO_BE, 4, names[i % groups], 0);
        bed_submit(&bed, i, IO_READ, i * APART, 8, 0);
        bed_run(&bed, gap_ms * BED_MS);
    }
    json_int_t n = stat("large_bursts");
    close_bed();
    return n;
}

static void test_bfq_large_bursts_are_eight_within_180_ms_each(void **state) {
    assert_int_equal(bursts(8, 20, 1, false), 1);
    assert_int_equal(bursts(7, 20, 1, false), 0);
    assert_int_equal(bursts(8, 175, 1, false), 1);
    assert_int_equal(bursts(20, 185, 1, false), 0);
    assert_int_equal(bursts(20, 20, 3, false), 0);
    assert_int_equal(bursts(9, 20, 1, true), 0); /* nothing starts while others go on */
}

/* Ten seconds without a request, and it was in no burst. */
static void test_bfq_forgets_bursts(void **state) {
    open_bed("bfq", BED_MS, 1);
    for (uint32_t i = 1; i <= 8; i++)
        bed_submit(&bed, i, IO_READ, i * APART, 8, 0);
    assert_int_equal(stat("large_bursts"), 1);
    bed_run(&bed, 9500 * BED_MS);
    json_int_t before = stat("interactive");
    bed_submit(&bed, 8, IO_READ, 9 * APART, 8, 0);
    assert_int_equal(stat("interactive"), before);
    bed_run(&bed, 10500 * BED_MS); /* that counts from its next request on */
    bed_submit(&bed, 8, IO_READ, 9 * APART, 8, 0);
    assert_int_equal(stat("interactive"), before);
    bed_run(&bed, 2500 * BED_MS);
    bed_submit(&bed, 8, IO_READ, 9 * APART, 8, 0);
    assert_int_equal(stat("interactive"), before + 1);
    close_bed();
}

/* Async writes that come again while others of them wait. */
static void test_bfq_prefers_async_writes_after_half_a_second(void **state) {
    static const int64_t pauses_ms[] = {450, 550};
    for (unsigned i = 0; i < 2; i++) {
        open_bed("bfq", 2000 * BED_MS, 1);
        for (unsigned n = 0; n < 4; n++)
            bed_submit(&bed, 1, IO_WRITE, 100000 * n, 8, 0);
        bed_run(&bed, pauses_ms[i] * BED_MS);
        bed_submit(&bed, 1, IO_WRITE, 900000, 8, 0);
        assert_int_equal(stat("raised"), i);
        close_bed();
    }
}

/* The distance at which queues are merged, beside `others` that are busy. */
static json_int_t merged_at(uint64_t distance, unsigned others) {
    open_bed("bfq,low_latency=0,stable_merge=0", 50 * BED_MS, 1);
    for (uint32_t i = 0; i < others; i++)
        bed_submit(&bed, 9 + i, IO_READ, (9 + i) * APART, 8, 0);
    bed_submit(&bed, 1, IO_READ, APART, 8, 0);
    bed_submit(&bed, 2, IO_READ, APART + distance, 8, 0);
    json_int_t n = stat("merged_queues");
    close_bed();
    return n;
}

/* Readers that follow another one, which has been served for so long. */
static json_int_t merged_after(int64_t ms) {
    open_bed("bfq,low_latency=0,stable_merge=0", BED_MS, 1);
    struct bed_process *p = reader(1, 8, 4, 0);
    reader(9, 8, 4, 0);
    bed_run(&bed, ms * BED_MS);
    bed_submit(&bed, 2, IO_READ, p->at, 8, 0);
    json_int_t n = stat("merged_queues");
    close_bed();
    return n;
}

static void test_bfq_merges_what_is_close_and_new(void **state) {
    assert_int_equal(merged_at(8192, 1), 1);
    assert_int_equal(merged_at(8193, 1), 0);
    assert_int_equal(merged_at(8, 0), 0); /* one that is busy */
    assert_int_equal(merged_after(95), 1);
    assert_int_equal(merged_after(105), 0);
}

/* Compared is with the last queue that was created 600 ms after another one, or the first. */
static void test_bfq_stable_merges_begin_anew_after_600_ms(void **state) {
    open_bed("bfq", 2 * BED_MS, 32);
    reader(1, 128, 1, 0);
    bed_run(&bed, 550 * BED_MS);
    reader(2, 128, 1, 0);
    bed_run(&bed, 150 * BED_MS);
    reader(3, 128, 1, 0);
    bed_run(&bed, 3000 * BED_MS);
    assert_int_equal(stat("stable_merges"), 0);
    close_bed();
}

/* Metadata goes first: REQ_META, not REQ_PRIO. */
static void test_bfq_prefers_metadata(void **state) {
    static const uint32_t flags[] = {IO_META, IO_PRIO};
    for (unsigned i = 0; i < 2; i++) {
        open_bed("bfq,low_latency=0", 10 * BED_MS, 1);
        bed_submit(&bed, 1, IO_READ, 1000, 8, 0);
        bed_submit(&bed, 1, IO_READ, 2000, 8, 0);
        bed_submit(&bed, 1, IO_READ, 3000, 8, flags[i]);
        bed_run(&bed, 100 * BED_MS);
        assert_int_equal(bed.log[1].sector, i ? 2000 : 3000);
        close_bed();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bfq_shares_sectors_by_priority),
        cmocka_unit_test(test_bfq_shares_sectors_by_cgroup),
        cmocka_unit_test(test_bfq_follows_a_new_weight),
        cmocka_unit_test(test_bfq_charges_seeky_queues_time),
        cmocka_unit_test(test_bfq_serves_classes_in_order),
        cmocka_unit_test(test_bfq_budgets_follow_use),
        cmocka_unit_test(test_bfq_arithmetic_of_rates_and_weights),
        cmocka_unit_test(test_bfq_learns_the_rate),
        cmocka_unit_test(test_bfq_waits_slice_idle),
        cmocka_unit_test(test_bfq_waits_for_who_reads_on),
        cmocka_unit_test(test_bfq_serves_equal_readers_one_after_the_other),
        cmocka_unit_test(test_bfq_strict_is_one_at_a_time),
        cmocka_unit_test(test_bfq_prefers_what_starts),
        cmocka_unit_test(test_bfq_prefers_nobody_in_large_bursts),
        cmocka_unit_test(test_bfq_prefers_soft_real_time),
        cmocka_unit_test(test_bfq_merges_queues_that_read_next_to_each_other),
        cmocka_unit_test(test_bfq_parts_merged_queues_that_seek),
        cmocka_unit_test(test_bfq_merges_raised_queues_created_together),
        cmocka_unit_test(test_bfq_serves_raised_readers_in_turn_later),
        cmocka_unit_test(test_bfq_does_not_merge_for_age_or_rhythm),
        cmocka_unit_test(test_bfq_merges_at_once_on_fast_drives),
        cmocka_unit_test(test_bfq_tunables_are_those_of_linux),
        cmocka_unit_test(test_bfq_limits_all_but_reads),
        cmocka_unit_test(test_bfq_holds_groups_to_their_share_of_requests),
        cmocka_unit_test(test_bfq_preempts_by_rank),
        cmocka_unit_test(test_bfq_large_bursts_are_eight_within_180_ms_each),
        cmocka_unit_test(test_bfq_forgets_bursts),
        cmocka_unit_test(test_bfq_prefers_async_writes_after_half_a_second),
        cmocka_unit_test(test_bfq_merges_what_is_close_and_new),
        cmocka_unit_test(test_bfq_stable_merges_begin_anew_after_600_ms),
        cmocka_unit_test(test_bfq_prefers_metadata),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
