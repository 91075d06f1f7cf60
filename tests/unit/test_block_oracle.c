/*
 * Drives behind schedulers against the oracle of all drives: data, durability
 * and completion of random requests by several processes, through merging,
 * plugs, small pools, switches under way and power cuts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "block/block.h"
#include "drive_oracle.h"

static const char *const nossd[] = {"drive.kind=nossd", "drive.capacity=2MiB", NULL};
static const char *const hdd[] = {"drive.kind=hdd",         "drive.capacity=2MiB", "hdd.write_segments=3",
                                  "hdd.segment_bytes=8KiB", "hdd.queue_depth=4",   NULL};

#define OWNERS 5

/* Sees requests before the queue does: makes up who sends them, and counts. */
struct crowd {
    struct drive_tap tap;
    struct block_watch watch;
    struct rng rng;
    uint64_t submitted, completed, dispatched, served;
    uint32_t in_drive, most;
    struct drive *drive;
    struct sim_event unplug; /* of all that are plugged */
    bool plugged[OWNERS];
};

static uint32_t owner_id(unsigned i) {
    return i * 3000;
}

static void crowd_unplug(struct sim_event *event) {
    struct crowd *c = (struct crowd *)((char *)event - offsetof(struct crowd, unplug));
    for (unsigned i = 0; i < OWNERS; i++)
        if (c->plugged[i])
            drive_unplug(c->drive, owner_id(i));
    memset(c->plugged, 0, sizeof c->plugged);
}

static void crowd_plug(struct crowd *c, unsigned i) {
    if (c->plugged[i] || rng_below(&c->rng, 4))
        return;
    c->plugged[i] = true;
    drive_plug(c->drive, owner_id(i));
    if (!sim_event_pending(&c->unplug))
        sim_schedule(c->drive->sim, &c->unplug, sim_now(c->drive->sim) + (int64_t)rng_below(&c->rng, 100000));
}

static void crowd_submitted(struct drive_tap *tap, struct io *io) {
    struct crowd *c = (struct crowd *)tap;
    unsigned who = (unsigned)rng_below(&c->rng, OWNERS);
    io->owner = owner_id(who);
    crowd_plug(c, who);
    io->flags |= rng_below(&c->rng, 3) ? 0 : IO_SYNC;
    io->flags |= rng_below(&c->rng, 9) ? 0 : IO_PRIO;
    c->submitted++;
}

static void crowd_completed(struct drive_tap *tap, struct io *io) {
    ((struct crowd *)tap)->completed++;
}

static void crowd_dispatched(struct block_watch *watch, const struct request *rq) {
    struct crowd *c = (struct crowd *)((char *)watch - offsetof(struct crowd, watch));
    c->dispatched += rq->ios;
    c->most = ++c->in_drive > c->most ? c->in_drive : c->most;
}

static void crowd_served(struct block_watch *watch, const struct request *rq) {
    struct crowd *c = (struct crowd *)((char *)watch - offsetof(struct crowd, watch));
    c->served += rq->ios;
    c->in_drive--;
}

static void set(struct block *b, const char *name, const char *value) {
    struct err e = {0};
    if (block_attr_set(b, name, value, NULL, 0, &e))
        fail_msg("%s", e.text);
}

static void check(struct block *b) {
    struct err e = {0};
    if (block_check(b, &e))
        fail_msg("%s", e.text);
}

static void scenario(const char *const *args, const char *scheduler, const char *const *attrs, bool switches,
                     uint64_t seed) {
    static struct oracle o;
    struct drive_config config;
    struct err e = {0};
    struct crowd crowd = {.tap = {crowd_submitted, crowd_completed}, .watch = {NULL, crowd_dispatched, crowd_served}};
    const struct block_settings settings = {.scheduler = scheduler};
    rng_init(&crowd.rng, seed, 0);
    oracle_config(&config, args);
    oracle_open(&o, &config, "memory", NULL, seed);
    struct block *b = block_new(o.drive, &settings, &e);
    assert_non_null(b);
    o.drive->tap = &crowd.tap;
    crowd.drive = o.drive;
    sim_event_init(&crowd.unplug, crowd_unplug);
    block_watch(b, &crowd.watch);
    for (unsigned i = 0; attrs[i]; i += 2)
        set(b, attrs[i], attrs[i + 1]);
    for (unsigned round = 0; round < 8; round++) {
        oracle_run(&o, 200, true);
        check(b);
        if (switches) {
            unsigned n = 0;
            while (elevators[n])
                n++;
            set(b, "scheduler", elevators[rng_below(&crowd.rng, n)]->name);
            oracle_run(&o, 100, round & 1);
            check(b);
        }
        if (round == 3) {
            oracle_power_cut(&o);
            crowd.submitted = crowd.completed = crowd.dispatched = crowd.served = crowd.in_drive = 0;
            check(b);
        }
    }
    oracle_run(&o, 200, false);
    assert_int_equal(crowd.submitted, crowd.completed);
    assert_int_equal(crowd.dispatched, crowd.served);
    assert_int_equal(block_ios_inside(b), 0);
    assert_false(block_switching(b));
    check(b);
    oracle_verify(&o);
    oracle_check(&o);
    sim_cancel(o.sim, &crowd.unplug);
    block_free(b);
    oracle_close(&o);
}

static void test_block_every_scheduler_agrees_with_the_oracle(void **state) {
    static const char *const plain[] = {NULL};
    static const char *const tight[] = {"nr_requests", "4", "queue_depth", "2", "max_sectors_kb", "8", NULL};
    for (unsigned i = 0; elevators[i]; i++) {
        scenario(nossd, elevators[i]->name, plain, false, 10 + i);
        scenario(hdd, elevators[i]->name, tight, false, 20 + i);
    }
}

static void test_block_survives_switches_under_way(void **state) {
    static const char *const plain[] = {"queue_depth", "3", NULL};
    static const char *const tight[] = {"nr_requests", "5", "queue_depth", "1", "max_sectors_kb", "8", NULL};
    for (unsigned i = 0; elevators[i]; i++) {
        scenario(hdd, elevators[i]->name, plain, true, 40 + i);
        scenario(nossd, elevators[i]->name, tight, true, 50 + i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block_every_scheduler_agrees_with_the_oracle),
        cmocka_unit_test(test_block_survives_switches_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
