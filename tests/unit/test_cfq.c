/* block/elevator/cfq: the rules that predict something, one by one; the decisions in general: test_cfq_oracle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "cfq_bed.h"

#define S (1000 * BED_MS)

static struct block bed;

static uint16_t be(unsigned level) {
    return ioprio_value(IOPRIO_BE, level);
}

/* --- arithmetic --- */

static void test_cfq_slices_of_levels(void **state) {
    static const int64_t sync[] = {180, 160, 140, 120, 100, 80, 60, 40}, async[] = {72, 64, 56, 48, 40, 32, 24, 16},
                         most[] = {32, 28, 24, 20, 16, 12, 8, 4};
    for (unsigned level = 0; level < 8; level++) {
        assert_int_equal(cfq_slice_of(100, level), sync[level]);
        assert_int_equal(cfq_slice_of(40, level), async[level]);
        assert_int_equal(cfq_async_most(2, level), most[level]);
    }
    assert_int_equal(cfq_slice_of(19, 0), 31); /* 19/5 is 3 */
}

/* One group: 300 ms for all of its queues. */
static void test_cfq_slices_for_latency(void **state) {
    static const struct {
        unsigned level;
        int64_t queues, slice;
    } row[] = {{4, 3, 100}, {0, 3, 180}, {4, 4, 75},    {4, 10, 30},   {4, 20, 16},
               {0, 10, 54}, {7, 10, 12}, {0, 1000, 28}, {4, 1000, 16}, {7, 1000, 6}};
    for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++)
        assert_int_equal(cfq_slice_for_latency(cfq_slice_of(100, row[i].level), 100, 300, 8, row[i].queues),
                         row[i].slice);
    int64_t huge = UINT32_MAX * 10LL; /* any tunable at its limit */
    assert_true(cfq_slice_for_latency(cfq_slice_of(huge, 0), huge, huge, huge, 10000) > 0);
}

static void test_cfq_means_and_charges(void **state) {
    assert_int_equal(cfq_mean_queues(0, 4), 3);
    assert_int_equal(cfq_mean_queues(4, 0), 3);
    assert_int_equal(cfq_mean_queues(8, 8), 8);
    assert_int_equal(cfq_charge(100, CFQ_ONE), 100 << 12);
    assert_int_equal(cfq_charge(100, CFQ_ONE / 2), 200 << 12);
    struct cfq_think t = {0};
    static const uint32_t samples[] = {32, 60, 84, 105};
    for (unsigned i = 0; i < 4; i++) {
        cfq_think_sample(&t, 100, 8);
        assert_int_equal(t.samples, samples[i]);
        assert_int_equal(cfq_think_valid(&t), i >= 2);
        assert_true(i < 2 || cfq_think_longer(&t, 15)); /* clipped at 16, means round */
        assert_false(cfq_think_longer(&t, 20));
    }
}

/* The example of Linux's documentation of cgroups; a group's share is that of the moment it joins, so each joins last.
 */
static void test_cfq_weights_nest(void **state) {
    static const double expected[] = {125. / 875, 250. / 875, 500. / 875 * 750 / 2250, 500. / 875 * 500 / 2250,
                                      500. / 875 * 1000 / 2250}; /* 14, 28, 19, 12.7, 25 % */
    for (unsigned last = 0; last < 5; last++) {
        bed_start(&bed, 1000, false);
        bed.group[0].leaf_weight = 125;
        uint32_t a = bed_group(&bed, 0, 500, 750), b = bed_group(&bed, 0, 250, 500);
        uint32_t at[] = {0, b, a, bed_group(&bed, a, 500, 500), bed_group(&bed, a, 1000, 500)};
        for (unsigned i = 0; i < 5; i++)
            bed_context(&bed, at[i], be(4));
        for (unsigned i = 1; i <= 5; i++)
            bed_insert(&bed, (last + i) % 5, i * 10000000, 8, false, 0);
        const struct cfq_group *g = bed.group[at[last]].sched;
        assert_in_range(g->fraction, (unsigned)(expected[last] * CFQ_ONE) - 2, (unsigned)(expected[last] * CFQ_ONE));
        for (unsigned left = 5; left; bed_advance(&bed, BED_MS)) {
            struct request *rq = bed_dispatch(&bed);
            if (rq)
                bed_complete(&bed, rq);
            left -= rq != NULL;
        }
        bed_stop(&bed);
    }
}

/* --- tunables --- */

static int64_t default_of(const char *name) {
    for (const struct elevator_tunable *t = elevator_cfq.tunables; t->name; t++) {
        if (!strcmp(t->name, name))
            return *(int64_t *)(void *)((char *)bed.c + t->offset);
    }
    fail();
    return 0;
}

static void test_cfq_defaults_follow_clock_and_drive(void **state) {
    bed_start(&bed, 1000, false);
    assert_int_equal(default_of("fifo_expire_sync"), 125);
    assert_int_equal(default_of("slice_idle"), 8);
    assert_int_equal(default_of("target_latency"), 300);
    assert_int_equal(default_of("back_seek_max"), 16384);
    bed_stop(&bed);
    bed_start(&bed, 250, true);
    assert_int_equal(default_of("fifo_expire_sync"), 31); /* 124 ms */
    assert_int_equal(default_of("fifo_expire_async"), 62);
    assert_int_equal(default_of("slice_async"), 10);
    assert_int_equal(default_of("slice_idle"), 0); /* no arm */
    assert_int_equal(default_of("group_idle"), 2);
    bed_stop(&bed);
}

/* --- habits --- */

/* One request after the other, `think` after the completion of the last. */
static void read_once(uint32_t context, uint64_t sector, int64_t think_ns) {
    bed_advance(&bed, think_ns);
    bed_insert(&bed, context, sector, 8, false, 0);
    struct request *rq;
    while (!(rq = bed_dispatch(&bed)))
        bed_advance(&bed, BED_MS);
    bed_complete(&bed, rq);
}

static void test_cfq_seeky_after_five_far_seeks(void **state) {
    bed_start(&bed, 1000, false);
    uint32_t p = bed_context(&bed, 0, be(4));
    for (unsigned i = 0; i < 6; i++) {
        assert_true(i == 0 || cfq_type_of(bed_queue(&bed, p, true)) == CFQ_SYNC);
        read_once(p, (i * 7 % 6 + 1) * 1000000, BED_MS);
    }
    assert_true(cfq_seeky(bed_queue(&bed, p, true)));
    assert_int_equal(cfq_type_of(bed_queue(&bed, p, true)), CFQ_SYNC_NOIDLE);
    for (unsigned i = 0; i < 31;
         i++) { /* in order again: until only four of the last 32 were far: six were, the first of this series too */
        bool far = cfq_seeky(bed_queue(&bed, p, true));
        assert_int_equal(far, i < 29);
        read_once(p, 90000000 + 8 * i, BED_MS);
    }
    bed_stop(&bed);
}

static void test_cfq_800_sectors_are_near(void **state) {
    bed_start(&bed, 1000, false);
    uint32_t p = bed_context(&bed, 0, be(4));
    uint64_t at = 1000000;
    for (unsigned i = 0; i < 20; i++, at += 808)
        read_once(p, at, BED_MS);
    assert_int_equal(bed_queue(&bed, p, true)->seeks, 0);
    read_once(p, at + 1, BED_MS);
    assert_int_equal(bed_queue(&bed, p, true)->seeks, 1);
    bed_stop(&bed);
}

/* Longer than slice_idle: not worth waiting for, known with the third sample. */
static void test_cfq_long_thinker_loses_window_at_third_sample(void **state) {
    bed_start(&bed, 1000, false);
    uint32_t p = bed_context(&bed, 0, be(4));
    for (unsigned i = 0; i < 3; i++) {
        read_once(p, 1000 + 8 * i, i ? 17 * BED_MS : 0);
        assert_int_equal(cfq_has(bed_queue(&bed, p, true), CFQ_IDLE_WINDOW) != 0, i < 2);
    }
    assert_int_equal(cfq_type_of(bed_queue(&bed, p, true)), CFQ_SYNC_NOIDLE);
    for (unsigned i = 3; i < 12; i++) /* it takes to reading quickly */
        read_once(p, 1000 + 8 * i, BED_MS);
    assert_int_equal(cfq_type_of(bed_queue(&bed, p, true)), CFQ_SYNC);
    bed_stop(&bed);
}

/* Of a process that is known, for it has written, and reads 9 ms after whatever it did: known with its third read. */
static void test_cfq_9_ms_are_long_at_the_third_sample(void **state) {
    for (int64_t think = 7; think <= 9; think += 2) { /* 8 count as 9 at first: means are rounded */
        bed_start(&bed, 1000, false);
        uint32_t p = bed_context(&bed, 0, be(4));
        bed_insert(&bed, p, 90000000, 8, true, 0);
        bed_complete(&bed, bed_dispatch(&bed));
        for (unsigned i = 0; i < 3; i++) {
            read_once(p, 1000 + 8 * i, think * BED_MS);
            assert_int_equal(cfq_has(bed_queue(&bed, p, true), CFQ_IDLE_WINDOW) != 0, i < 2 || think == 7);
        }
        assert_int_equal(cfq_type_of(bed_queue(&bed, p, true)), think == 7 ? CFQ_SYNC : CFQ_SYNC_NOIDLE);
        bed_stop(&bed);
    }
}

/* 9 ms are more than 8: found out as soon as the mean, in whole jiffies, says so; 8 ms never are. */
static void test_cfq_think_time_of_9_and_8_ms(void **state) {
    for (int64_t think = 8; think <= 9; think++) {
        struct cfq_think expected = {0};
        bed_start(&bed, 1000, false);
        uint32_t p = bed_context(&bed, 0, be(4));
        for (unsigned i = 0; i < 40; i++) {
            read_once(p, 1000 + 8 * i, i ? think * BED_MS : 0);
            expected.last_end = i ? -think : 0;
            cfq_think_sample(&expected, 0, 8);
            assert_int_equal(cfq_has(bed_queue(&bed, p, true), CFQ_IDLE_WINDOW) != 0, !cfq_think_longer(&expected, 8));
        }
        assert_int_equal(cfq_has(bed_queue(&bed, p, true), CFQ_IDLE_WINDOW) != 0, think == 8);
        bed_stop(&bed);
    }
}

static void test_cfq_four_at_once_are_deep(void **state) {
    bed_start(&bed, 1000, false);
    uint32_t p = bed_context(&bed, 0, be(4));
    struct request *rq;
    for (unsigned i = 0; i < 8; i++) {
        bed_insert(&bed, p, (i + 1) * 1000000, 8, false, 0);
        assert_int_equal(cfq_has(bed_queue(&bed, p, true), CFQ_DEEP) != 0, i >= 3);
    }
    assert_true(cfq_seeky(bed_queue(&bed, p, true)));
    assert_int_equal(cfq_type_of(bed_queue(&bed, p, true)), CFQ_SYNC); /* seeks, but deep */
    while ((rq = bed_dispatch(&bed)) != NULL)
        bed_complete(&bed, rq);
    bed_stop(&bed);
}

/* --- idling --- */

static void test_cfq_idles_for_a_reader_and_gives_up_after_slice_idle(void **state) {
    bed_start(&bed, 1000, false);
    uint32_t p = bed_context(&bed, 0, be(4)), other = bed_context(&bed, 0, be(4));
    bed_insert(&bed, p, 1000, 8, false, 0);
    struct request *rq = bed_dispatch(&bed);
    bed_insert(&bed, other, 90000000, 8, false, 0);
    assert_null(bed_dispatch(&bed)); /* its only request is in the drive, more may follow */
    bed_advance(&bed, BED_MS);
    bed_complete(&bed, rq);
    assert_true(sim_event_pending(&bed.c->idle_timer));
    assert_int_equal(bed.noted[ELEVATOR_IDLE_BEGIN], 1);
    assert_null(bed_dispatch(&bed));
    bed_advance(&bed, 7 * BED_MS + BED_MS / 2);
    assert_null(bed_dispatch(&bed));
    bed_advance(&bed, BED_MS / 2);
    assert_true(bed.kicked);
    rq = bed_dispatch(&bed);
    assert_int_equal(rq->context->id, other);
    assert_int_equal(bed.noted[ELEVATOR_IDLE_END], 1);
    bed_complete(&bed, rq);
    bed_stop(&bed);
}

static void test_cfq_awaited_request_is_served_at_once(void **state) {
    bed_start(&bed, 1000, false);
    uint32_t p = bed_context(&bed, 0, be(4)), other = bed_context(&bed, 0, be(4));
    bed_insert(&bed, p, 1000, 8, false, 0);
    struct request *rq = bed_dispatch(&bed);
    bed_insert(&bed, other, 90000000, 8, false, 0);
    bed_complete(&bed, rq);
    bed_advance(&bed, 3 * BED_MS);
    bed_insert(&bed, p, 1008, 8, false, 0);
    assert_false(sim_event_pending(&bed.c->idle_timer));
    rq = bed_dispatch(&bed);
    assert_int_equal(rq->context->id, p);
    bed_complete(&bed, rq);
    while (!(rq = bed_dispatch(&bed)))
        bed_advance(&bed, BED_MS);
    bed_complete(&bed, rq);
    bed_stop(&bed);
}

/* Synchronous writes without idling (fsync) have no window of their own, but the last such queue is waited for. */
static void test_cfq_last_of_those_without_window_is_waited_for(void **state) {
    bed_start(&bed, 1000, false);
    uint32_t writer = bed_context(&bed, 0, be(4)), reader = bed_context(&bed, 0, be(4));
    bed_insert(&bed, writer, 992, 8, true, RQ_SYNC | RQ_NOIDLE); /* goes to the other tree when it comes back */
    bed_complete(&bed, bed_dispatch(&bed));
    bed_advance(&bed, 10 * BED_MS);
    bed_insert(&bed, writer, 1000, 8, true, RQ_SYNC | RQ_NOIDLE);
    struct request *rq = bed_dispatch(&bed);
    assert_int_equal(cfq_type_of(bed_queue(&bed, writer, true)), CFQ_SYNC_NOIDLE);
    bed_insert(&bed, reader, 90000000, 8, false, 0);
    bed_complete(&bed, rq);
    assert_true(sim_event_pending(&bed.c->idle_timer));
    assert_null(bed_dispatch(&bed));
    bed_advance(&bed, 5 * BED_MS);
    bed_insert(&bed, writer, 1008, 8, true, RQ_SYNC | RQ_NOIDLE);
    rq = bed_dispatch(&bed);
    assert_int_equal(rq->context->id, writer);
    bed_complete(&bed, rq);
    while (!(rq = bed_dispatch(&bed)))
        bed_advance(&bed, BED_MS);
    assert_int_equal(rq->context->id, reader);
    bed_complete(&bed, rq);
    bed_stop(&bed);
}

static void test_cfq_waits_for_nobody_who_has_ended(void **state) {
    bed_start(&bed, 1000, false);
    uint32_t p = bed_context(&bed, 0, be(4));
    bed_insert(&bed, p, 1000, 8, false, 0);
    struct request *rq = bed_dispatch(&bed);
    bed.context[p].exited = true;
    elevator_cfq.context_exit(&bed.c->base, &bed.context[p]);
    bed_complete(&bed, rq);
    assert_false(sim_event_pending(&bed.c->idle_timer));
    assert_int_equal(bed.c->busy, 0);
    bed_stop(&bed);
}

/* --- depth of the drive --- */

static void test_cfq_detects_queueing_after_fifty_samples(void **state) {
    for (unsigned depth = 4; depth <= 5; depth++) {
        bed_start(&bed, 1000, false);
        bed.c->t.slice_idle = 0;
        for (unsigned i = 0; i < 8; i++)
            bed_context(&bed, 0, be(4));
        unsigned n = 0, completions = 0;
        for (; n < 12; n++)
            bed_insert(&bed, n % 8, (n + 1) * 1000000, 8, false, 0);
        struct request *in[8];
        unsigned flying = 0;
        while (completions < 60) {
            struct request *rq;
            while (flying < depth && (rq = bed_dispatch(&bed)) != NULL)
                in[flying++] = rq;
            assert_int_equal(flying, depth);
            assert_int_equal(bed.c->hw_tag, completions <= 50 ? -1 : depth >= 5);
            bed_complete(&bed, in[--flying]);
            completions++;
            bed_insert(&bed, n % 8, (n + 1) * 1000000, 8, false, 0);
            n++;
        }
        assert_int_equal(bed.c->hw_tag, depth >= 5);
        while (flying)
            bed_complete(&bed, in[--flying]);
        struct request *rq;
        while ((rq = bed_dispatch(&bed)) != NULL)
            bed_complete(&bed, rq);
        bed_stop(&bed);
    }
}

/* Few requests waiting say nothing about the drive. */
static void test_cfq_five_waiting_are_no_sample(void **state) {
    bed_start(&bed, 1000, false);
    uint32_t p = bed_context(&bed, 0, be(4));
    for (unsigned i = 0; i < 200; i++)
        read_once(p, 1000 + 8 * i, 0);
    assert_int_equal(bed.c->tag_samples, 0);
    assert_int_equal(bed.c->hw_tag, -1);
    bed_stop(&bed);
}

/* --- who goes first --- */

static void test_cfq_sync_preempts_async_and_rt_preempts_be(void **state) {
    bed_start(&bed, 1000, false);
    uint32_t writer = bed_context(&bed, 0, be(4)), reader = bed_context(&bed, 0, be(4)),
             rt = bed_context(&bed, 0, ioprio_value(IOPRIO_RT, 7));
    for (unsigned i = 0; i < 4; i++)
        bed_insert(&bed, writer, 1000 + 100000 * i, 8, true, 0);
    bed_complete(&bed, bed_dispatch(&bed));
    assert_false(cfq_is_sync(bed.c->active));
    bed_insert(&bed, reader, 50000000, 8, false, 0);
    struct request *rq = bed_dispatch(&bed);
    assert_int_equal(rq->context->id, reader);
    bed_insert(&bed, rt, 90000000, 8, false, 0);
    struct request *rq2 = bed_dispatch(&bed);
    assert_int_equal(rq2->context->id, rt);
    assert_true(bed_queue(&bed, reader, true)->left_over == 0 || !cfq_has(bed_queue(&bed, reader, true), CFQ_BUSY));
    bed_complete(&bed, rq);
    bed_complete(&bed, rq2);
    for (unsigned left = 3; left;) {
        if ((rq = bed_dispatch(&bed)) != NULL) {
            bed_complete(&bed, rq);
            left--;
        }
        bed_advance(&bed, BED_MS);
    }
    bed_stop(&bed);
}

/* One request in the drive, and after each one it's others' turn. */
static void test_cfq_idle_class_one_at_a_time(void **state) {
    bed_start(&bed, 1000, false);
    uint32_t idle = bed_context(&bed, 0, ioprio_value(IOPRIO_IDLE, 0)), p = bed_context(&bed, 0, be(7));
    for (unsigned i = 0; i < 5; i++)
        bed_insert(&bed, idle, 1000 + 8 * i, 8, false, 0);
    struct request *first = bed_dispatch(&bed);
    assert_null(bed_dispatch(&bed));
    bed_insert(&bed, p, 5000000, 8, false, 0);
    struct request *rq = bed_dispatch(&bed); /* whoever comes preempts it */
    assert_int_equal(rq->context->id, p);
    assert_ptr_equal(bed.c->active, bed_queue(&bed, p, true));
    bed_complete(&bed, first);
    bed_complete(&bed, rq);
    assert_null(bed_dispatch(&bed)); /* the drive idles for p rather than to serve it */
    bed_advance(&bed, 8 * BED_MS);
    unsigned left = 4;
    while (left) {
        rq = bed_dispatch(&bed);
        assert_non_null(rq);
        assert_null(bed_dispatch(&bed));
        bed_complete(&bed, rq);
        left--;
    }
    bed_stop(&bed);
}

/* The oldest request goes first once in a slice, if it has waited too long, whatever the limits. */
static void test_cfq_expired_request_goes_first(void **state) {
    bed_start(&bed, 1000, false);
    uint32_t p = bed_context(&bed, 0, be(4));
    bed_insert(&bed, p, 900000, 8, false, 0);
    bed_advance(&bed, 130 * BED_MS);
    for (unsigned i = 0; i < 3; i++)
        bed_insert(&bed, p, 1000 + 8 * i, 8, false, 0);
    struct request *rq = bed_dispatch(&bed);
    assert_int_equal(rq->sector, 900000);
    bed_complete(&bed, rq);
    for (unsigned i = 0; i < 3; i++) {
        rq = bed_dispatch(&bed);
        assert_int_equal(rq->sector, 1000 + 8 * i);
        bed_complete(&bed, rq);
    }
    bed_stop(&bed);
}

static void test_cfq_may_queue_once_for_the_awaited(void **state) {
    bed_start(&bed, 1000, false);
    uint32_t p = bed_context(&bed, 0, be(4));
    struct block_context *c = &bed.context[p];
    assert_int_equal(elevator_cfq.may_queue(&bed.c->base, c, true), ELEVATOR_MAY);
    bed_insert(&bed, p, 1000, 8, false, 0);
    bed_complete(&bed, bed_dispatch(&bed));
    assert_true(sim_event_pending(&bed.c->idle_timer));
    assert_int_equal(elevator_cfq.may_queue(&bed.c->base, c, true), ELEVATOR_MUST);
    assert_int_equal(elevator_cfq.may_queue(&bed.c->base, c, true), ELEVATOR_MAY);
    bed_stop(&bed);
}

/* --- queues that read next to each other --- */

static void one_turn(uint32_t context, uint64_t *sector) {
    struct request *rq;
    bed_insert(&bed, context, *sector, 8, false, 0);
    *sector += 8;
    while (!(rq = bed_dispatch(&bed)))
        bed_advance(&bed, BED_MS);
    bed_complete(&bed, rq);
}

static void test_cfq_cooperating_readers_merge_and_part(void **state) {
    bed_start(&bed, 1000, false);
    uint32_t a = bed_context(&bed, 0, be(4)), b = bed_context(&bed, 0, be(4));
    struct request *rq;
    bed_insert(&bed, a, 100000, 8, false, 0);
    rq = bed_dispatch(&bed);
    bed_insert(&bed, b, 100008, 8, false, 0);
    assert_ptr_not_equal(bed_queue(&bed, a, true), bed_queue(&bed, b, true));
    bed_complete(&bed, rq);
    assert_false(sim_event_pending(&bed.c->idle_timer)); /* not idle: b is close */
    rq = bed_dispatch(&bed);
    assert_int_equal(rq->context->id, b);
    bed_complete(&bed, rq);
    uint64_t at = 100016;
    one_turn(a, &at); /* only now it moves */
    one_turn(b, &at);
    assert_ptr_equal(bed_queue(&bed, a, true), bed_queue(&bed, b, true));
    assert_true(cfq_has(bed_queue(&bed, a, true), CFQ_SHARED));
    uint64_t far_a = 10000000, far_b = 90000000;
    for (unsigned i = 0; i < 20 && bed_queue(&bed, a, true) == bed_queue(&bed, b, true); i++) {
        one_turn(a, &far_a);
        one_turn(b, &far_b);
        bed_advance(&bed, 20 * BED_MS);
    }
    assert_ptr_not_equal(bed_queue(&bed, a, true), bed_queue(&bed, b, true));
    bed_stop(&bed);
}

/* --- shares of the drive --- */

static struct bed_reader reader[BED_CONTEXTS];

static void setup_readers(unsigned n) {
    memset(reader, 0, sizeof(reader));
    for (unsigned i = 0; i < n; i++)
        reader[i] = (struct bed_reader){.context = i, .sectors = 64, .at = (i + 1) * 100000000ULL};
    bed.service_ns = BED_MS / 2;
}

static void assert_near(double got, double expected, double tolerance) {
    if (got < expected * (1 - tolerance) || got > expected * (1 + tolerance))
        fail_msg("%.4f is not within %.0f %% of %.4f", got, tolerance * 100, expected);
}

static void run_readers(unsigned n, const unsigned *level, bool latency, int64_t level7_ns) {
    bed_start(&bed, 1000, false);
    bed.c->t.low_latency = latency;
    setup_readers(n);
    for (unsigned k = 0; k < n; k++) {
        bed_context(&bed, 0, be(level[k]));
        reader[k].depth = 2; /* never empty, so that all queues count for the keys */
        reader[k].service_ns = !level7_ns ? 0 : level[k] == 7 ? level7_ns : BED_MS / 10;
    }
    bed_run(&bed, reader, n, 5 * S);
    for (unsigned k = 0; k < n; k++)
        reader[k].used_ns = reader[k].longest_gap_ns = 0;
    bed_run(&bed, reader, n, 40 * S);
    bed_check(&bed);
}

static void test_cfq_two_readers_share_as_their_slices(void **state) {
    static const struct {
        unsigned level[2];
        double gap_ms[2];
    } row[] = {
        {{0, 7}, {40, 180}}, {{0, 4}, {100, 180}}, {{4, 7}, {40, 100}}, {{4, 4}, {100, 100}}, {{2, 5}, {80, 140}}};
    for (unsigned latency = 0; latency < 2; latency++)
        for (unsigned depth = 1; depth <= 2; depth++)
            for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
                const unsigned *level = row[i].level;
                bed_start(&bed, 1000, false);
                bed.c->t.low_latency = latency;
                setup_readers(2);
                for (unsigned k = 0; k < 2; k++) {
                    bed_context(&bed, 0, be(level[k]));
                    reader[k].depth = depth;
                }
                bed_run(&bed, reader, 2, 20 * S);
                assert_near((double)reader[0].used_ns / (double)reader[1].used_ns,
                            (double)cfq_slice_of(100, level[0]) / (double)cfq_slice_of(100, level[1]), 0.05);
                for (unsigned k = 0; k < 2; k++)
                    assert_near((double)reader[k].longest_gap_ns / 1e6, row[i].gap_ms[k], 0.05);
                bed_check(&bed);
                bed_stop(&bed);
            }
}

/*
 * Shares and longest waits (ms) of readers that always have requests. Keys of 0, 4 and 7 meet: of equal ones the first
 * comes first, and Linux 4.4.155 was seen to give 58.3, 32.6 and 9.0 % then, with a wait of 467 ms. Where level 7 runs
 * over the end of its slices its key is later by as much, and it waits for one slice more.
 */
static void test_cfq_many_readers_share_as_their_keys(void **state) {
    static const struct {
        unsigned n, level[10];
        bool latency;
        double share[10], gap_ms[10];
        int64_t level7_ns; /* of its requests, if it makes a difference */
    } row[] = {
        {3, {0, 0, 7}, false, {46.6, 46.5, 6.9}, {220, 220, 540}, 0},
        {3, {0, 0, 7}, true, {46.6, 46.5, 6.9}, {220, 220, 540}, 0},
        {3, {0, 4, 7}, false, {60.0, 33.3, 6.7}, {140, 220, 560}, 1910000},
        {3, {0, 4, 7}, true, {60.0, 33.3, 6.7}, {140, 220, 560}, 1910000},
        {3, {7, 4, 0}, false, {6.7, 33.3, 60.0}, {560, 220, 140}, 1910000},
        {3, {0, 4, 7}, false, {58.7, 32.6, 8.7}, {140, 220, 460}, 0},
        {3, {7, 4, 0}, true, {8.7, 32.6, 58.7}, {460, 220, 140}, 0},
        {4, {0, 0, 7, 7}, false, {45, 45, 5, 5}, {260, 260, 760, 760}, 0},
        {4, {7, 7, 0, 0}, false, {5, 5, 45, 45}, {760, 760, 260, 260}, 0},
    };
    for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        int64_t all = 0;
        run_readers(row[i].n, row[i].level, row[i].latency, row[i].level7_ns);
        for (unsigned k = 0; k < row[i].n; k++)
            all += reader[k].used_ns;
        for (unsigned k = 0; k < row[i].n; k++) {
            int64_t gap = 0; /* of its level: between two equals it falls to one of them */
            for (unsigned j = 0; j < row[i].n; j++)
                if (row[i].level[j] == row[i].level[k] && reader[j].longest_gap_ns > gap)
                    gap = reader[j].longest_gap_ns;
            assert_near(100.0 * (double)reader[k].used_ns / (double)all, row[i].share[k], 0.10);
            assert_near((double)gap / 1e6, row[i].gap_ms[k], 0.10);
        }
        bed_stop(&bed);
    }
}

/* By turns, each waiting for the slices of the others: with low_latency for about 300 ms, or 16 for each if that is
 * more.
 */
static void test_cfq_equal_readers_take_turns(void **state) {
    static const struct {
        unsigned n;
        bool latency;
        double slice_ms;
    } row[] = {{2, false, 100}, {10, false, 100}, {20, false, 100}, {2, true, 100}, {3, true, 100},
               {5, true, 60},   {10, true, 30},   {15, true, 20},   {20, true, 16}, {30, true, 16}};
    static const unsigned level[30] = {4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
                                       4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4};
    for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        int64_t all = 0, most = 0;
        run_readers(row[i].n, level, row[i].latency, 0);
        for (unsigned k = 0; k < row[i].n; k++)
            all += reader[k].used_ns;
        for (unsigned k = 0; k < row[i].n; k++) {
            assert_near((double)reader[k].used_ns / (double)all, 1.0 / row[i].n, 0.10);
            assert_near((double)reader[k].longest_gap_ns / 1e6, (row[i].n - 1) * row[i].slice_ms, 0.10);
            most = reader[k].longest_gap_ns > most ? reader[k].longest_gap_ns : most;
        }
        if (row[i].latency)
            assert_true((double)most / 1e6 <= 1.1 * (row[i].n * 16 > 300 ? row[i].n * 16 : 300));
        bed_stop(&bed);
    }
}

/* Of a slice of 100 ms and the 12 ms it takes to get there, 100 bring something. */
static void test_cfq_throughput_is_a_slices_part(void **state) {
    static const int64_t slices[] = {50, 100, 200};
    for (unsigned i = 0; i < 3; i++) {
        bed_start(&bed, 1000, false);
        bed.c->t.low_latency = 0;
        bed.c->t.slice_sync = slices[i];
        setup_readers(2);
        for (unsigned k = 0; k < 2; k++)
            bed_context(&bed, 0, be(4));
        bed.seek_ns = 12 * BED_MS;
        bed_run(&bed, reader, 2, 30 * S);
        double busy = (double)(reader[0].done + reader[1].done) * (double)bed.service_ns / (30.0 * S);
        assert_near(busy, (double)slices[i] / (double)(slices[i] + 12), 0.02);
        bed_stop(&bed);
    }
}

/* With one request at a time a queue is empty as its slice ends: it comes back among one queue less. */
static void test_cfq_empty_queues_come_back_earlier(void **state) {
    bed_start(&bed, 1000, false);
    setup_readers(3);
    for (unsigned k = 0; k < 3; k++)
        bed_context(&bed, 0, be(k < 2 ? 0 : 7));
    bed_run(&bed, reader, 3, 20 * S);
    assert_near((double)reader[2].used_ns / (20.0 * S), 40.0 / 400, 0.10); /* rather than 40 / 580 */
    bed_stop(&bed);
}

static void test_cfq_rt_starves_be_inside_a_group_only(void **state) {
    for (unsigned apart = 0; apart < 3; apart++) { /* 2: weighing half as much */
        bed_start(&bed, 1000, false);
        uint32_t g = bed_group(&bed, 0, apart == 2 ? 1000 : 500, 500), h = bed_group(&bed, 0, 500, 500);
        setup_readers(3);
        bed_context(&bed, g, ioprio_value(IOPRIO_RT, 4));
        bed_context(&bed, apart ? h : g, be(0));
        bed_context(&bed, g, ioprio_value(IOPRIO_IDLE, 7));
        bed_run(&bed, reader, 3, 20 * S);
        assert_true(reader[2].done == 0);
        if (apart)
            assert_near((double)reader[0].used_ns / (double)reader[1].used_ns, apart, 0.05);
        else
            assert_true(reader[1].done == 0);
        bed_stop(&bed);
    }
}

static void test_cfq_groups_share_by_weight(void **state) {
    for (unsigned seeks = 0; seeks < 2; seeks++) {
        bed_start(&bed, 1000, false);
        uint32_t g = bed_group(&bed, 0, 1000, 500), h = bed_group(&bed, 0, 500, 500);
        setup_readers(2);
        bed_context(&bed, g, be(4));
        bed_context(&bed, h, be(4));
        reader[0].random = reader[1].random = seeks;
        bed.seek_ns = seeks ? 5 * BED_MS : 0;
        bed_run(&bed, reader, 2, 20 * S);
        assert_near((double)reader[0].used_ns / (double)reader[1].used_ns, 2, 0.05);
        bed_stop(&bed);
    }
}

/* Two readers in the one, one in the other: the group's weight counts, not how many it has. */
static void test_cfq_groups_share_whatever_their_number_of_queues(void **state) {
    bed_start(&bed, 1000, false);
    uint32_t g = bed_group(&bed, 0, 500, 500), h = bed_group(&bed, 0, 500, 500);
    setup_readers(4);
    bed_context(&bed, h, be(4));
    for (unsigned i = 1; i < 4; i++)
        bed_context(&bed, g, be(4));
    bed_run(&bed, reader, 4, 20 * S);
    assert_near((double)reader[0].used_ns / (double)(reader[1].used_ns + reader[2].used_ns + reader[3].used_ns), 1,
                0.05);
    bed_stop(&bed);
}

/* Without idling a group whose only process has nothing queued when its turn ends has lost it. */
static void test_cfq_weights_need_idling(void **state) {
    bed_start(&bed, 1000, false);
    bed.c->t.slice_idle = bed.c->t.group_idle = 0;
    uint32_t g = bed_group(&bed, 0, 1000, 500), h = bed_group(&bed, 0, 500, 500);
    setup_readers(2);
    bed_context(&bed, g, be(4));
    bed_context(&bed, h, be(4));
    bed.service_ns = 2 * BED_MS;
    bed_run(&bed, reader, 2, 20 * S);
    assert_near((double)reader[0].used_ns / (double)reader[1].used_ns, 1, 0.05);
    bed_stop(&bed);
}

/* With group_idle alone the shares are the weights' again. */
static void test_cfq_group_idle_alone_keeps_the_weights(void **state) {
    bed_start(&bed, 1000, false);
    bed.c->t.slice_idle = 0;
    bed.c->hw_tag = 0; /* else requests count, not time; here they are the same */
    uint32_t g = bed_group(&bed, 0, 1000, 500), h = bed_group(&bed, 0, 500, 500);
    setup_readers(2);
    bed_context(&bed, g, be(4));
    bed_context(&bed, h, be(4));
    bed.service_ns = 2 * BED_MS;
    bed_run(&bed, reader, 2, 20 * S);
    assert_near((double)reader[0].used_ns / (double)reader[1].used_ns, 2, 0.05);
    bed_stop(&bed);
}

/*
 * Ten readers and one that syncs now and then: while it comes back within slice_idle its kind of work keeps its turn,
 * several requests each; if it thinks for longer, one.
 */
static void test_cfq_a_syncing_writer_keeps_its_turn(void **state) {
    double rate[2]; /* requests a turn */
    for (unsigned slow = 0; slow < 2; slow++) {
        bed_start(&bed, 1000, false);
        setup_readers(11);
        for (unsigned i = 0; i < 11; i++)
            bed_context(&bed, 0, be(4));
        reader[10].write = reader[10].sync = true;
        reader[10].flags = RQ_NOIDLE;
        reader[10].sectors = 8;
        reader[10].think_ns = (slow ? 12 : 3) * BED_MS;
        bed_run(&bed, reader, 11, 8 * S);
        rate[slow] = (double)reader[10].done / (8.0 * S / (double)reader[0].longest_gap_ns);
        assert_true(reader[10].longest_gap_ns < 400 * BED_MS);
        bed_stop(&bed);
    }
    if (rate[0] < 4 || rate[1] > 2)
        fail_msg("%.1f requests a turn, %.1f if it thinks for longer", rate[0], rate[1]);
}

/*
 * Processes that seek push themselves before those that wait: as many as the drive has requests, one more if its
 * driver looks ahead, and one that is on its way are served by turns, the rest not. Linux 4.4.155 with a SCSI drive of
 * depth 1 was seen to serve three of three to eight. Without preempt_empty everybody has a turn.
 */
static void test_cfq_seekers_go_round(void **state) {
    static const struct {
        unsigned depth, ahead, seekers, served;
    } row[] = {{1, 1, 2, 2}, {1, 1, 3, 3}, {1, 1, 4, 3}, {1, 1, 8, 3}, {1, 0, 2, 2},
               {1, 0, 3, 2}, {1, 0, 8, 2}, {4, 1, 6, 6}, {4, 1, 9, 6}, {4, 0, 9, 5}};
    for (unsigned letter = 0; letter < 2; letter++)
        for (unsigned idle = 0; idle < 2; idle++)
            for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
                bed_start(&bed, 1000, false);
                bed.depth = row[i].depth;
                bed.looks_ahead = row[i].ahead;
                bed.c->t.preempt_empty = letter;
                bed.c->t.slice_idle = bed.c->t.group_idle = idle ? 8 : 0;
                setup_readers(row[i].seekers);
                for (unsigned k = 0; k < row[i].seekers; k++) {
                    reader[k].random = true;
                    reader[k].think_ns = BED_MS / 20;
                    bed_context(&bed, 0, be(4));
                }
                bed.seek_ns = 5 * BED_MS;
                bed_run(&bed, reader, row[i].seekers, S);
                for (unsigned k = 0; k < row[i].seekers; k++)
                    reader[k].done = 0;
                bed_run(&bed, reader, row[i].seekers, 5 * S);
                unsigned served = 0, expected = letter ? row[i].served : row[i].seekers;
                double turn = 5.0 * S / (double)(bed.service_ns + bed.seek_ns) / expected;
                for (unsigned k = 0; k < row[i].seekers; k++) {
                    served += reader[k].done > 0;
                    if (reader[k].done && row[i].seekers > 2)
                        assert_near((double)reader[k].done, turn, 0.05);
                }
                if (served != expected)
                    fail_msg("row %u, preempt_empty %u, slice_idle %u: %u served", i, letter, idle ? 8 : 0, served);
                bed_stop(&bed);
            }
}

static void test_cfq_writeback_does_not_starve(void **state) {
    bed_start(&bed, 1000, false);
    bed.depth = 4;
    setup_readers(2);
    bed_context(&bed, 0, be(4));
    bed_context(&bed, 0, be(4));
    reader[1].write = true;
    reader[1].depth = 32;
    bed_run(&bed, reader, 2, 10 * S);
    double share = (double)reader[1].used_ns / (double)(reader[0].used_ns + reader[1].used_ns);
    assert_true(share > 0.005 && share < 0.5);
    assert_true(reader[0].longest_gap_ns < 200 * BED_MS);
    bed_stop(&bed);
}

/* --- statistics --- */

static json_int_t number(json_t *groups, const char *path, const char *file, const char *row) {
    json_t *g = json_object_get(groups, path), *f = json_object_get(g, file);
    assert_non_null(f);
    return json_integer_value(row ? json_object_get(f, row) : f);
}

static void test_cfq_statistics_add_up(void **state) {
    bed_start(&bed, 1000, false);
    uint32_t g = bed_group(&bed, 0, 500, 500);
    uint32_t p = bed_context(&bed, g, be(4)), w = bed_context(&bed, g, be(4));
    for (unsigned i = 0; i < 10; i++)
        read_once(p, 1000 + 8 * i, BED_MS);
    bed_insert(&bed, w, 5000000, 16, true, 0);
    struct request *rq;
    while (!(rq = bed_dispatch(&bed)))
        bed_advance(&bed, BED_MS);
    bed_advance(&bed, 3 * BED_MS);
    bed_complete(&bed, rq);
    bed_advance(&bed, 100 * BED_MS);
    json_t *stats = elevator_cfq.stats(&bed.c->base), *groups = json_object_get(stats, "groups");
    assert_int_equal(number(groups, "/g", "io_serviced", "Read"), 10);
    assert_int_equal(number(groups, "/g", "io_serviced", "Sync"), 10);
    assert_int_equal(number(groups, "/g", "io_serviced", "Async"), 1);
    assert_int_equal(number(groups, "/g", "io_serviced", "Total"), 11);
    assert_int_equal(number(groups, "/g", "io_service_bytes", "Write"), 16 * 512);
    assert_int_equal(number(groups, "/g", "io_service_time", "Write"), 3 * BED_MS);
    assert_int_equal(number(groups, "/g", "sectors", NULL), 96);
    assert_int_equal(number(groups, "/", "sectors", NULL), 0);
    assert_int_equal(number(groups, "/", "sectors_recursive", NULL), 96);
    assert_true(number(groups, "/g", "time", NULL) > 0);
    assert_true(number(groups, "/g", "idle_time", NULL) > 0);
    json_decref(stats);
    bed_stop(&bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cfq_slices_of_levels),
        cmocka_unit_test(test_cfq_slices_for_latency),
        cmocka_unit_test(test_cfq_means_and_charges),
        cmocka_unit_test(test_cfq_weights_nest),
        cmocka_unit_test(test_cfq_defaults_follow_clock_and_drive),
        cmocka_unit_test(test_cfq_seeky_after_five_far_seeks),
        cmocka_unit_test(test_cfq_800_sectors_are_near),
        cmocka_unit_test(test_cfq_long_thinker_loses_window_at_third_sample),
        cmocka_unit_test(test_cfq_9_ms_are_long_at_the_third_sample),
        cmocka_unit_test(test_cfq_think_time_of_9_and_8_ms),
        cmocka_unit_test(test_cfq_four_at_once_are_deep),
        cmocka_unit_test(test_cfq_idles_for_a_reader_and_gives_up_after_slice_idle),
        cmocka_unit_test(test_cfq_awaited_request_is_served_at_once),
        cmocka_unit_test(test_cfq_last_of_those_without_window_is_waited_for),
        cmocka_unit_test(test_cfq_waits_for_nobody_who_has_ended),
        cmocka_unit_test(test_cfq_detects_queueing_after_fifty_samples),
        cmocka_unit_test(test_cfq_five_waiting_are_no_sample),
        cmocka_unit_test(test_cfq_sync_preempts_async_and_rt_preempts_be),
        cmocka_unit_test(test_cfq_idle_class_one_at_a_time),
        cmocka_unit_test(test_cfq_expired_request_goes_first),
        cmocka_unit_test(test_cfq_may_queue_once_for_the_awaited),
        cmocka_unit_test(test_cfq_cooperating_readers_merge_and_part),
        cmocka_unit_test(test_cfq_two_readers_share_as_their_slices),
        cmocka_unit_test(test_cfq_many_readers_share_as_their_keys),
        cmocka_unit_test(test_cfq_equal_readers_take_turns),
        cmocka_unit_test(test_cfq_throughput_is_a_slices_part),
        cmocka_unit_test(test_cfq_empty_queues_come_back_earlier),
        cmocka_unit_test(test_cfq_rt_starves_be_inside_a_group_only),
        cmocka_unit_test(test_cfq_groups_share_by_weight),
        cmocka_unit_test(test_cfq_groups_share_whatever_their_number_of_queues),
        cmocka_unit_test(test_cfq_weights_need_idling),
        cmocka_unit_test(test_cfq_group_idle_alone_keeps_the_weights),
        cmocka_unit_test(test_cfq_a_syncing_writer_keeps_its_turn),
        cmocka_unit_test(test_cfq_seekers_go_round),
        cmocka_unit_test(test_cfq_writeback_does_not_starve),
        cmocka_unit_test(test_cfq_statistics_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
