/* The anticipatory scheduler: what it waits for, for how long, and its batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "elevator_bed.h"

#define FAR_AWAY 400000000ull /* sectors */

static struct bed bed;

static void expect(unsigned entry, uint32_t owner, int64_t at_ns) {
    assert_true(entry < bed.logged);
    if (bed.log[entry].owner != owner || bed.log[entry].at_ns != at_ns)
        fail_msg("request %u was of process %u at %lld us, not of %u at %lld us", entry, bed.log[entry].owner,
                 (long long)bed.log[entry].at_ns / 1000, owner, (long long)at_ns / 1000);
}

/* Process 1 is served, process 2 waits far away; 1 comes back in time. */
static void test_as_waits_for_the_process_it_served(void **state) {
    bed_open(&bed, "as", BED_MS, 1, NULL);
    bed_submit(&bed, 1, IO_READ, 0, 8, 0);
    bed_submit(&bed, 2, IO_READ, FAR_AWAY, 8, 0);
    bed_run(&bed, 3 * BED_MS);
    assert_int_equal(bed.logged, 1); /* idle since 1 ms */
    bed_submit(&bed, 1, IO_READ, 8, 8, 0);
    bed_drain(&bed);
    expect(1, 1, 3 * BED_MS);
    assert_int_equal(bed.log[2].owner, 2);
    bed_close(&bed);
}

static void test_as_waits_no_longer_than_antic_expire(void **state) {
    bed_open(&bed, "as", BED_MS, 1, NULL);
    bed_submit(&bed, 1, IO_READ, 0, 8, 0);
    bed_submit(&bed, 2, IO_READ, FAR_AWAY, 8, 0);
    bed_drain(&bed);
    expect(1, 2, (1 + 6) * BED_MS);
    bed_close(&bed);
    bed_open(&bed, "as,antic_expire=3", BED_MS, 1, NULL);
    bed_submit(&bed, 1, IO_READ, 0, 8, 0);
    bed_submit(&bed, 2, IO_READ, FAR_AWAY, 8, 0);
    bed_drain(&bed);
    expect(1, 2, (1 + 3) * BED_MS);
    bed_close(&bed);
}

static void test_as_does_not_wait_with_antic_expire_zero(void **state) {
    bed_open(&bed, "as,antic_expire=0", BED_MS, 1, NULL);
    bed_submit(&bed, 1, IO_READ, 0, 8, 0);
    bed_submit(&bed, 2, IO_READ, FAR_AWAY, 8, 0);
    bed_drain(&bed);
    expect(1, 2, BED_MS);
    bed_close(&bed);
}

/* A near request of another process is as good; one that is far is not. */
static void test_as_takes_what_is_close(void **state) {
    bed_open(&bed, "as", BED_MS, 1, NULL);
    bed_submit(&bed, 1, IO_READ, 1000000, 8, 0);
    bed_submit(&bed, 2, IO_READ, FAR_AWAY, 8, 0);
    bed_run(&bed, 2 * BED_MS);
    assert_int_equal(bed.logged, 1);
    bed_submit(&bed, 3, IO_READ, 1000000 + 8192, 8, 0);
    bed_run(&bed, BED_MS / 2);
    expect(1, 3, 2 * BED_MS);
    bed_drain(&bed);
    bed_close(&bed);
}

static void test_as_does_not_wait_for_writes_issuers(void **state) {
    bed_open(&bed, "as", BED_MS, 1, NULL);
    bed_submit(&bed, 1, IO_WRITE, 0, 8, 0);
    bed_submit(&bed, 2, IO_WRITE, FAR_AWAY, 8, 0);
    bed_drain(&bed);
    expect(1, 2, BED_MS);
    bed_close(&bed);
}

/* A process that thinks for longer than antic_expire isn't waited for once that is known. */
static void test_as_learns_think_times(void **state) {
    for (unsigned slow = 0; slow < 2; slow++) {
        bed_open(&bed, "as", BED_MS, 1, NULL);
        bed_start(&bed, &(struct bed_process){
                            .owner = 1, .op = IO_READ, .sectors = 8, .step = 8, .think_ns = (slow ? 9 : 3) * BED_MS});
        bed_run(&bed, 300 * BED_MS);
        bed_submit(&bed, 2, IO_READ, FAR_AWAY, 8, 0);
        int64_t asked = sim_now(bed.sim);
        bed_run(&bed, 60 * BED_MS);
        unsigned i = 0;
        while (i < bed.logged && bed.log[i].owner != 2)
            i++;
        if (slow)
            assert_true(i < bed.logged && bed.log[i].at_ns - asked <= BED_MS);
        else
            assert_int_equal(i, bed.logged); /* the sweep goes on with the near one until the FIFO is looked at */
        bed_drain(&bed);
        bed_close(&bed);
    }
}

/*
 * One reader is not interrupted until the sync FIFO is looked at, every 125 ms, and the other's request is late by
 * then: queued at the look before, it may just not be.
 */
static void test_as_gives_readers_turns_of_read_expire(void **state) {
    bed_open(&bed, "as", BED_MS, 1, NULL);
    for (uint32_t i = 0; i < 2; i++)
        bed_start(
            &bed,
            &(struct bed_process){
                .owner = 1 + i, .op = IO_READ, .sectors = 8, .step = 8, .at = i * FAR_AWAY, .think_ns = BED_MS / 2});
    bed_run(&bed, 20000 * BED_MS);
    unsigned turns = 0;
    for (unsigned i = 1; i < bed.logged; i++)
        turns += bed.log[i].owner != bed.log[i - 1].owner;
    double length_ms = 20000.0 / turns;
    if (length_ms < 124 || length_ms > 252)
        fail_msg("a turn is %.1f ms long on average, not 125 to 250", length_ms);
    bed_drain(&bed);
    bed_close(&bed);
}

/* Among more, somebody is always late when the FIFO is looked at: turns of 125 ms, and so much is lost to the ways
 * between. */
static void test_as_gives_several_readers_125_ms_each(void **state) {
    for (uint32_t n = 3; n <= 8; n++) {
        bed_open(&bed, "as", BED_MS, 1, NULL);
        for (uint32_t i = 0; i < n; i++)
            bed_start(&bed, &(struct bed_process){.owner = 1 + i,
                                                  .op = IO_READ,
                                                  .sectors = 8,
                                                  .step = 8,
                                                  .at = i * FAR_AWAY / 4,
                                                  .think_ns = BED_MS / 2});
        bed_run(&bed, 20000 * BED_MS);
        unsigned turns = 0;
        for (unsigned i = 1; i < bed.logged; i++)
            turns += bed.log[i].owner != bed.log[i - 1].owner;
        double length_ms = 20000.0 / turns;
        if (length_ms < 119 || length_ms > 131)
            fail_msg("%u readers: a turn is %.1f ms long on average, not 125", n, length_ms);
        for (uint32_t i = 0; i < n; i++)
            if ((double)bed.process[i].done * n < 0.9 * bed.logged ||
                (double)bed.process[i].done * n > 1.1 * bed.logged)
                fail_msg("reader %u of %u had %u of %u requests", i, n, (unsigned)bed.process[i].done, bed.logged);
        bed_drain(&bed);
        bed_close(&bed);
    }
}

/* While both want the drive, reads have batches of 500 ms and writes of 125 ms, to which their number is tuned slowly.
 */
static void test_as_alternates_batches(void **state) {
    bed_open(&bed, "as", BED_MS, 1, NULL);
    const struct bed_process *reader =
        bed_start(&bed, &(struct bed_process){.owner = 1, .op = IO_READ, .sectors = 8, .step = 8});
    const struct bed_process *writer = bed_start(
        &bed, &(struct bed_process){.owner = 2, .op = IO_WRITE, .sectors = 8, .range = FAR_AWAY, .depth = 100});
    bed_run(&bed, 70000 * BED_MS);
    uint64_t reads = reader->done, writes = writer->done;
    bed_run(&bed, 30000 * BED_MS);
    double ratio = (double)(reader->done - reads) / (double)(writer->done - writes);
    if (ratio < 3.8 || ratio > 4.3)
        fail_msg("reads had %.2f times what writes had, not about 4", ratio);
    bed_drain(&bed);
    bed_close(&bed);
}

/* A change of kind waits until the drive is empty, deep as it is. */
static void test_as_empties_the_drive_between_batches(void **state) {
    bed_open(&bed, "as,antic_expire=0", BED_MS, 8, NULL);
    bed_start(&bed, &(struct bed_process){.owner = 1, .op = IO_READ, .sectors = 8, .range = FAR_AWAY, .depth = 16});
    bed_start(&bed, &(struct bed_process){.owner = 2, .op = IO_WRITE, .sectors = 8, .range = FAR_AWAY, .depth = 100});
    bed_run(&bed, 5000 * BED_MS);
    bed_drain(&bed);
    unsigned changes = 0;
    int64_t last_end = 0;
    for (unsigned i = 1; i < bed.logged; i++) {
        if (bed.log[i - 1].end_ns > last_end)
            last_end = bed.log[i - 1].end_ns;
        if (bed.log[i].write == bed.log[i - 1].write)
            continue;
        changes++;
        for (unsigned k = i > 16 ? i - 16 : 0; k < i; k++)
            assert_true(bed.log[k].end_ns <= bed.log[i].at_ns);
    }
    assert_true(changes > 8);
    bed_close(&bed);
}

/* The oldest of a sweep that never comes by is taken out of turn. */
static void test_as_starves_no_sync_request(void **state) {
    bed_open(&bed, "as", BED_MS, 1, NULL);
    bed_start(&bed, &(struct bed_process){.owner = 1, .op = IO_READ, .sectors = 8, .step = 8, .think_ns = BED_MS / 4});
    bed_run(&bed, 50 * BED_MS);
    bed_submit(&bed, 2, IO_READ, FAR_AWAY, 8, 0);
    int64_t asked = sim_now(bed.sim), waited = -1;
    bed_run(&bed, 400 * BED_MS);
    for (unsigned i = 0; i < bed.logged; i++)
        if (bed.log[i].owner == 2)
            waited = bed.log[i].at_ns - asked;
    if (waited < 125 * BED_MS || waited > 260 * BED_MS)
        fail_msg("waited %lld us; its deadline is 125 ms, looked at every 125 ms", (long long)waited / 1000);
    bed_drain(&bed);
    bed_close(&bed);
}

/* Direct writes count as sync and are waited for as reads are; by direction they get the rest. */
static void test_as_counts_direct_writes_as_told(void **state) {
    for (unsigned by_direction = 0; by_direction < 2; by_direction++) {
        bed_open(&bed, by_direction ? "as,by_direction=1" : "as", BED_MS, 1, NULL);
        const struct bed_process *reader = bed_start(
            &bed, &(struct bed_process){.owner = 1, .op = IO_READ, .sectors = 8, .step = 8, .think_ns = BED_MS / 4});
        const struct bed_process *writer =
            bed_start(&bed, &(struct bed_process){
                                .owner = 2, .op = IO_WRITE, .flags = IO_SYNC, .sectors = 8, .step = 8, .at = FAR_AWAY});
        bed_run(&bed, 20000 * BED_MS);
        double ratio = (double)reader->done / (double)writer->done;
        if (by_direction ? ratio < 100 : ratio > 2)
            fail_msg("by_direction %u: the reader had %.1f times as much as the writer", by_direction, ratio);
        bed_drain(&bed);
        bed_close(&bed);
    }
}

static void test_as_tunables_are_linux(void **state) {
    static const char *const shown[][2] = {
        {"iosched/read_expire", "125"},        {"iosched/write_expire", "250"}, {"iosched/read_batch_expire", "500"},
        {"iosched/write_batch_expire", "125"}, {"iosched/antic_expire", "6"},
    };
    char text[200];
    struct err e = {0};
    bed_open(&bed, "as", BED_MS, 1, NULL);
    for (unsigned i = 0; i < sizeof shown / sizeof *shown; i++) {
        assert_int_equal(block_attr_get(bed.block, shown[i][0], text, sizeof text, &e), 0);
        assert_string_equal(text, shown[i][1]);
    }
    assert_int_equal(block_attr_get(bed.block, "iosched/est_time", text, sizeof text, &e), 0);
    assert_non_null(strstr(text, "exit probability"));
    bed_close(&bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_waits_for_the_process_it_served),
        cmocka_unit_test(test_as_waits_no_longer_than_antic_expire),
        cmocka_unit_test(test_as_does_not_wait_with_antic_expire_zero),
        cmocka_unit_test(test_as_takes_what_is_close),
        cmocka_unit_test(test_as_does_not_wait_for_writes_issuers),
        cmocka_unit_test(test_as_learns_think_times),
        cmocka_unit_test(test_as_gives_readers_turns_of_read_expire),
        cmocka_unit_test(test_as_gives_several_readers_125_ms_each),
        cmocka_unit_test(test_as_alternates_batches),
        cmocka_unit_test(test_as_empties_the_drive_between_batches),
        cmocka_unit_test(test_as_starves_no_sync_request),
        cmocka_unit_test(test_as_counts_direct_writes_as_told),
        cmocka_unit_test(test_as_tunables_are_linux),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
