/*
 * Single-queue schedulers beside the real ones: Linux 4.4.155, HZ 1000, in an emulator with virtual time, before a
 * SCSI drive (scsi_debug) of depth 1 or 4 that took 4 ms for each request of CFQ's seekers, 1 for the others, and no
 * more than 32 KiB at once. Figures as they were watched there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "block/block_int.h"
#include "elevator_bed.h"

#define FAR_APART (8ull << 21) /* sectors: 8 GiB */

static struct bed bed;

static void begin(const char *scheduler, int64_t latency_ns, uint32_t depth) {
    bed_open(&bed, scheduler, latency_ns, depth, NULL);
    bed_set(&bed, "scheduler", "noop"); /* so that slice_idle follows `rotational` */
    bed_set(&bed, "scheduler", scheduler);
    bed_set(&bed, "nomerges", "2"); /* each request was sent by itself */
    bed.block->looks_ahead = true;
}

static void describe(uint32_t owner, int level) {
    struct err e = {0};
    const struct block_context_settings s = {.prioclass = IOPRIO_BE, .prio = level};
    assert_int_equal(block_context_describe(bed.block, owner, &s, &e), 0);
}

/* Processes that read 4 KiB anywhere: how many requests each had in 8 s. */
static void test_cfq_serves_seekers_as_linux(void **state) {
    static const struct {
        unsigned depth, seekers, served;
        double requests;
    } row[] = {{1, 3, 3, 667},  {1, 4, 3, 667},  {1, 5, 3, 667},  {1, 6, 3, 667}, {4, 5, 5, 1600},
               {4, 6, 6, 1333}, {4, 7, 7, 1143}, {4, 8, 8, 1000}, {4, 9, 9, 889}};
    for (unsigned i = 0; i < sizeof row / sizeof *row; i++) {
        begin("cfq", 4 * BED_MS, row[i].depth);
        for (unsigned k = 0; k < row[i].seekers; k++) {
            bed_start(&bed,
                      &(struct bed_process){
                          .owner = 1 + k, .op = IO_READ, .sectors = 8, .range = 60ull << 21, .think_ns = BED_MS / 20});
            bed_run(&bed, BED_MS / 2);
        }
        bed_run(&bed, 2000 * BED_MS);
        uint64_t before[16], served = 0;
        for (unsigned k = 0; k < row[i].seekers; k++)
            before[k] = bed.process[k].done;
        bed_run(&bed, 8000 * BED_MS);
        for (unsigned k = 0; k < row[i].seekers; k++) {
            double done = (double)(bed.process[k].done - before[k]);
            served += done > 0;
            if (done > 0 && (done < (row[i].depth == 1 ? 0.97 : 0.85) * row[i].requests ||
                             done > (row[i].depth == 1 ? 1.03 : 1.15) * row[i].requests))
                fail_msg("depth %u, seeker %u of %u: %.0f requests, Linux's %.0f", row[i].depth, k, row[i].seekers,
                         done, row[i].requests);
        }
        if (served != row[i].served)
            fail_msg("depth %u: %u of %u served, by Linux %u", row[i].depth, (unsigned)served, row[i].seekers,
                     row[i].served);
        bed_drain(&bed);
        bed_close(&bed);
    }
}

/* Processes that read 64 KiB one after the other, `depth` at once: per cent of all requests in 30 s. */
static void test_cfq_shares_as_linux(void **state) {
    static const struct {
        unsigned depth, n;
        int level[4];
        bool latency;
        double share[4];
    } row[] = {
        {1, 2, {0, 7}, false, {81.2, 18.8}},
        {2, 2, {0, 7}, false, {81.2, 18.8}},
        {1, 2, {0, 4}, false, {64.0, 36.0}},
        {2, 2, {0, 4}, false, {64.0, 36.0}},
        {1, 2, {4, 7}, false, {70.8, 29.2}},
        {2, 2, {4, 7}, true, {70.8, 29.2}},
        {1, 3, {0, 0, 7}, false, {44.8, 44.9, 10.3}},
        {2, 3, {0, 0, 7}, false, {46.3, 46.5, 7.1}},
        {1, 3, {0, 4, 7}, false, {55.8, 31.3, 12.9}},
        {2, 3, {0, 4, 7}, false, {58.4, 32.6, 9.0}},
        {1, 3, {7, 4, 0}, false, {12.9, 31.3, 55.8}},
        {2, 3, {7, 4, 0}, true, {9.0, 32.6, 58.3}},
        {1, 4, {0, 0, 7, 7}, false, {43.3, 43.4, 6.7, 6.6}},
        {2, 4, {0, 0, 7, 7}, false, {44.9, 44.8, 5.2, 5.2}},
        {1, 4, {0, 0, 7, 7}, true, {44.9, 44.6, 5.3, 5.2}},
        {2, 4, {7, 7, 0, 0}, true, {5.3, 5.2, 44.8, 44.8}},
    };
    for (unsigned i = 0; i < sizeof row / sizeof *row; i++) {
        begin(row[i].latency ? "cfq" : "cfq,low_latency=0", BED_MS, 1);
        bed_set(&bed, "max_sectors_kb", "32");
        for (unsigned k = 0; k < row[i].n; k++) {
            describe(1 + k, row[i].level[k]);
            bed_start(&bed, &(struct bed_process){.owner = 1 + k,
                                                  .op = IO_READ,
                                                  .sectors = 128,
                                                  .step = 128,
                                                  .at = (k + 1) * FAR_APART,
                                                  .depth = row[i].depth});
            bed_run(&bed, 7 * BED_MS / 10);
        }
        bed_run(&bed, 2000 * BED_MS);
        uint64_t before[4], all = 0;
        for (unsigned k = 0; k < row[i].n; k++)
            all -= before[k] = bed.process[k].done;
        bed_run(&bed, 30000 * BED_MS);
        for (unsigned k = 0; k < row[i].n; k++)
            all += bed.process[k].done;
        for (unsigned k = 0; k < row[i].n; k++) {
            double share = 100.0 * (double)(bed.process[k].done - before[k]) / (double)all;
            if (share < row[i].share[k] - 0.5 || share > row[i].share[k] + 0.5)
                fail_msg("row %u, level %d: %.1f %%, Linux's %.1f %%", i, row[i].level[k], share, row[i].share[k]);
        }
        bed_drain(&bed);
        bed_close(&bed);
    }
}

/* A process of the mixtures: reads 32 KiB one after the other unless it says otherwise, one at a time. */
struct part {
    int prioclass, level; /* 0: BE/4 */
    bool random, write;
    unsigned think_ms, depth;
    const char *group;
};

/* Mixtures: per cent of all requests in 20 or 30 s. Groups weigh 1000 (a) and 500 (b). */
static void test_sched_mixes_as_linux(void **state) {
    static const struct {
        const char *what, *scheduler;
        struct part part[4];
        double share[4];
    } row[] = {
        {"RT and BE", "cfq", {{.prioclass = IOPRIO_RT, .level = 4}, {.prioclass = IOPRIO_BE, .level = 0}}, {99.0, 1.0}},
        {"IDLE and BE", "cfq", {{.prioclass = IOPRIO_IDLE, .level = 7}, {.level = 4}}, {1.0, 99.0}},
        {"IDLE and BE, 4 at once", "cfq", {{.prioclass = IOPRIO_IDLE, .level = 7, .depth = 4}, {.depth = 4}}, {0, 100}},
        {"two IDLE", "cfq", {{.prioclass = IOPRIO_IDLE, .level = 7}, {.prioclass = IOPRIO_IDLE, .level = 7}}, {50, 50}},
        {"reader, seeker", "cfq", {{.level = 4}, {.random = true}}, {50.1, 49.9}},
        {"reader, 2 seekers", "cfq", {{.level = 4}, {.random = true}, {.random = true}}, {8.4, 45.8, 45.8}},
        {"reader, 3 seekers",
         "cfq",
         {{.level = 4}, {.random = true}, {.random = true}, {.random = true}},
         {97.4, 0.9, 0.9, 0.9}},
        {"2 readers, 2 seekers",
         "cfq",
         {{.level = 4}, {.level = 4}, {.random = true}, {.random = true}},
         {6.3, 6.3, 43.7, 43.7}},
        {"think 3", "cfq", {{.level = 4}, {.think_ms = 3}}, {79.6, 20.4}},
        {"think 8", "cfq", {{.level = 4}, {.think_ms = 8}}, {99.0, 1.0}},
        {"think 13", "cfq", {{.level = 4}, {.think_ms = 13}}, {99.0, 1.0}},
        {"reader, writer", "cfq", {{.level = 4}, {.write = true}}, {50, 50}},
        {"groups", "cfq", {{.group = "a"}, {.group = "b"}}, {66.7, 33.3}},
        {"groups, both seek", "cfq", {{.group = "a", .random = true}, {.group = "b", .random = true}}, {66.7, 33.3}},
        {"groups, one seeks", "cfq", {{.group = "a"}, {.group = "b", .random = true}}, {66.7, 33.3}},
        {"groups, RT and BE",
         "cfq",
         {{.group = "a", .prioclass = IOPRIO_RT, .level = 4}, {.group = "b", .prioclass = IOPRIO_BE, .level = 0}},
         {67.0, 33.0}},
        {"groups, one and three",
         "cfq",
         {{.group = "a"}, {.group = "b"}, {.group = "b"}, {.group = "b"}},
         {66.2, 11.3, 11.3, 11.2}},
        {"groups, group_idle alone", "cfq,slice_idle=0", {{.group = "a"}, {.group = "b"}}, {66.7, 33.3}},
        {"deadline, both seek",
         "deadline",
         {{.random = true, .depth = 32}, {.random = true, .write = true, .depth = 32}},
         {67.1, 32.9}},
        {"deadline, both go on", "deadline", {{.depth = 32}, {.write = true, .depth = 32}}, {66.7, 33.3}},
        {"deadline, one at a time", "deadline", {{.random = true}, {.random = true, .write = true}}, {50, 50}},
        {"groups, no idling", "cfq,slice_idle=0,group_idle=0", {{.group = "a"}, {.group = "b"}}, {50, 50}},
    };
    for (unsigned i = 0; i < sizeof row / sizeof *row; i++) {
        unsigned n = 0;
        begin(row[i].scheduler, BED_MS, 1);
        for (const struct part *p = row[i].part; n < 4 && (n < 2 || row[i].share[n] > 0); n++, p++) {
            struct err e = {0};
            const struct block_context_settings who = {.prioclass = p->prioclass ? p->prioclass : IOPRIO_BE,
                                                       .prio = p->prioclass ? p->level : 4,
                                                       .cgroup = p->group,
                                                       .cgroup_weight = !p->group          ? 0
                                                                        : *p->group == 'a' ? 1000
                                                                                           : 500};
            assert_int_equal(block_context_describe(bed.block, 1 + n, &who, &e), 0);
            bed_start(&bed, &(struct bed_process){.owner = 1 + n,
                                                  .op = p->write ? IO_WRITE : IO_READ,
                                                  .flags = p->write ? IO_SYNC : 0,
                                                  .sectors = 64,
                                                  .step = p->random ? 0 : 64,
                                                  .range = 60ull << 21,
                                                  .at = p->random ? 0 : (n + 1) * FAR_APART,
                                                  .think_ns = p->think_ms * BED_MS,
                                                  .depth = p->depth});
            bed_run(&bed, 7 * BED_MS / 10);
        }
        bed_run(&bed, 2000 * BED_MS);
        uint64_t before[4], all = 0;
        double off = *row[i].scheduler == 'd' ? 1.5 : 0.5; /* sweeps of deadline end by chance */
        for (unsigned k = 0; k < n; k++)
            all -= before[k] = bed.process[k].done;
        bed_run(&bed, 20000 * BED_MS);
        for (unsigned k = 0; k < n; k++)
            all += bed.process[k].done;
        for (unsigned k = 0; k < n; k++) {
            double share = 100.0 * (double)(bed.process[k].done - before[k]) / (double)all;
            if (share < row[i].share[k] - off || share > row[i].share[k] + off)
                fail_msg("%s, process %u: %.1f %%, Linux's %.1f %%", row[i].what, k, share, row[i].share[k]);
        }
        bed_drain(&bed);
        bed_close(&bed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cfq_serves_seekers_as_linux),
        cmocka_unit_test(test_cfq_shares_as_linux),
        cmocka_unit_test(test_sched_mixes_as_linux),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
