/*
 * CFQ and BFQ behind the real block layer: processes of all classes in nested cgroups
 * that change under way, merges, switches from and to them; nobody is forgotten.
 * Then very many processes and groups.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "block/block.h"

#define MS       1000000LL
#define CAPACITY (1ull << 30)
#define BLOCK    4096

enum { PROCESSES = 24, SLOTS = 160 };

struct slot {
    struct io io; /* first */
    struct crowd *crowd;
    unsigned process;
    uint64_t times;
    bool busy;
};

struct crowd {
    struct sim *sim;
    struct drive *drive;
    struct block *b;
    struct rng rng;
    struct slot slot[SLOTS];
    uint64_t at[PROCESSES]; /* where each reads on */
    uint64_t submitted, completed, left;
    int64_t worst_ns;
    struct block_watch watch;
    uint64_t parts_out, parts_back;
    int64_t think_ns;
    bool sync_only;
};

static struct crowd crowd;

static unsigned pick(unsigned below) {
    return (unsigned)rng_below(&crowd.rng, below);
}

static void taken(struct block_watch *w, const struct request *rq) {
    crowd.parts_out += rq->ios;
}

static void served(struct block_watch *w, const struct request *rq) {
    crowd.parts_back += rq->ios;
}

static void submit(struct slot *s) {
    struct io *io = &s->io;
    if (!crowd.left)
        return;
    crowd.left--;
    s->process = pick(PROCESSES);
    uint64_t *at = &crowd.at[s->process], blocks = 1 + (pick(4) ? 0 : pick(16));
    if (pick(6) == 0 || *at + 32 * BLOCK > CAPACITY)
        *at = (uint64_t)pick(CAPACITY / BLOCK - 64) * BLOCK;
    io->op = crowd.sync_only || pick(3) ? IO_READ : IO_WRITE;
    io->flags = IO_NO_DATA | (pick(2) ? IO_SYNC : 0) | (pick(12) ? 0 : IO_PRIO) | (pick(10) ? 0 : IO_NOIDLE);
    io->owner = s->process + 1;
    io->offset = *at;
    io->bytes = blocks * BLOCK;
    *at += io->bytes;
    s->busy = true;
    crowd.submitted++;
    drive_submit(crowd.drive, io);
}

static void done(struct io *io) {
    struct slot *s = (struct slot *)io;
    assert_true(s->busy); /* once only */
    assert_int_equal(io->status, IO_OK);
    s->busy = false;
    crowd.completed++;
    int64_t took = io->completed_ns - io->submitted_ns;
    crowd.worst_ns = took > crowd.worst_ns ? took : crowd.worst_ns;
    submit(s);
}

static void begin(const char *scheduler, unsigned seed, const char *latency) {
    static const struct sim_config virtual_time = {.mode = SIM_VIRTUAL};
    const struct block_settings settings = {.scheduler = scheduler, .queue_depth = 1 + seed % 5};
    struct drive_config config;
    struct opt_set set = {0};
    struct err e = {0};
    memset(&crowd, 0, sizeof crowd);
    rng_init(&crowd.rng, seed, 3);
    crowd.sim = sim_new(&virtual_time, &e);
    assert_int_equal(drive_config_init(&config, &set, &e), 0);
    static const char *const args[] = {"drive.kind=nossd", "drive.capacity=1GiB", "nossd.write_latency=700us"};
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(opt_assign_arg(&set, args[i], &e), 0);
    assert_int_equal(opt_assign_arg(&set, latency, &e), 0);
    crowd.drive = drive_open(&config, "none", NULL, crowd.sim, &e);
    assert_non_null(crowd.drive);
    crowd.b = block_new(crowd.drive, &settings, &e);
    if (!crowd.b)
        fail_msg("%s", e.text);
    crowd.watch = (struct block_watch){NULL, taken, served};
    block_watch(crowd.b, &crowd.watch);
    for (unsigned i = 0; i < SLOTS; i++) {
        io_init(&crowd.slot[i].io);
        crowd.slot[i].io.done = done;
    }
}

static void end(void) {
    struct err e = {0};
    if (block_check(crowd.b, &e))
        fail_msg("%s", e.text);
    assert_int_equal(block_ios_inside(crowd.b), 0);
    assert_int_equal(crowd.submitted, crowd.completed);
    assert_int_equal(crowd.parts_out, crowd.parts_back);
    assert_int_equal(crowd.parts_out, crowd.submitted); /* each went out exactly once, alone or merged */
    block_free(crowd.b);
    drive_close(crowd.drive);
    sim_free(crowd.sim);
}

static void set(const char *name, const char *value) {
    struct err e = {0};
    if (block_attr_set(crowd.b, name, value, NULL, 0, &e))
        fail_msg("%s", e.text);
}

static const char *any_group(void) {
    static const char *const paths[] = {"", "a", "a/b", "a/b/c", "d", "a/e"};
    return paths[pick(6)];
}

static void describe(unsigned process, bool classes) {
    static const int kinds[] = {IOPRIO_BE, IOPRIO_BE, IOPRIO_NONE, IOPRIO_RT, IOPRIO_IDLE};
    int class = kinds[classes ? pick(5) : pick(2)];
    struct block_context_settings who = {.prioclass = class,
                                         .prio = class == IOPRIO_NONE ? 0 : (int)pick(8),
                                         .nice = classes ? (int)pick(40) - 20 : 0,
                                         .cgroup = classes ? any_group() : "",
                                         .cgroup_weight = classes && !pick(3) ? 10 + pick(990) : 0};
    struct err e = {0};
    if (block_context_describe(crowd.b, process + 1, &who, &e))
        fail_msg("%s", e.text);
}

static void shake(bool switches) {
    static const char *const names[] = {"noop", "deadline", "cfq", "bfq"};
    static const char *const idles[] = {"0", "8", "2"};
    struct err e = {0};
    describe(pick(PROCESSES), true);
    if (!pick(6))
        block_context_exit(crowd.b, 1 + pick(PROCESSES));
    if (!pick(8)) {
        struct block_group *g = block_group_find(crowd.b, any_group());
        if (g)
            block_group_remove(crowd.b, g, &e); /* may be refused */
    }
    if (switches && !pick(4))
        set("scheduler", names[pick(4)]);
    char now[256];
    block_attr_get(crowd.b, "scheduler", now, sizeof now, &e);
    if (strstr(now, "[cfq]") && !pick(6)) { /* clamped where need be; the next change or switch takes it back */
        static const char *const extremes[] = {"0", "1", "4294967295", "99999999999"};
        static const char *const files[] = {"slice_sync",       "slice_async",   "slice_async_rq",    "quantum",
                                            "fifo_expire_sync", "back_seek_max", "back_seek_penalty", "target_latency"};
        char name[64];
        snprintf(name, sizeof name, "iosched/%s", files[pick(8)]);
        block_attr_set(crowd.b, name, extremes[pick(4)], NULL, 0, &e); /* refused or not */
    }
    bool cfq = strstr(now, "[cfq]"), bfq = strstr(now, "[bfq]");
    if (bfq && !pick(6)) {
        static const char *const extremes[] = {"0", "1", "4294967295", "99999999999"};
        static const char *const files[] = {"timeout_sync", "max_budget", "fifo_expire_sync", "back_seek_max",
                                            "back_seek_penalty"};
        char name[64];
        snprintf(name, sizeof name, "iosched/%s", files[pick(5)]);
        block_attr_set(crowd.b, name, extremes[pick(4)], NULL, 0, &e);
    }
    if (cfq || bfq) {
        set("iosched/slice_idle", idles[pick(3)]);
        set("iosched/low_latency", pick(2) ? "1" : "0");
    }
    if (cfq)
        set("iosched/group_idle", idles[pick(3)]);
    if (bfq) {
        set("iosched/strict_guarantees", pick(4) ? "0" : "1");
        set("iosched/max_budget", idles[pick(3)]);
    }
    memset(&e, 0, sizeof e);
    if (block_check(crowd.b, &e))
        fail_msg("%s", e.text);
}

static void play(const char *scheduler, unsigned seed, bool switches) {
    begin(scheduler, seed, seed & 1 ? "nossd.read_latency=90us" : "nossd.read_latency=4ms");
    set("rotational", seed & 2 ? "1" : "0");
    for (unsigned i = 0; i < PROCESSES; i++)
        describe(i, true);
    crowd.left = 6000;
    for (unsigned i = 0; i < SLOTS; i++)
        submit(&crowd.slot[i]);
    while (crowd.left) {
        sim_run(crowd.sim, sim_now(crowd.sim) + (int64_t)(1 + pick(60)) * MS);
        shake(switches);
    }
    sim_run(crowd.sim, SIM_NEVER);
    end();
}

static void test_cfq_serves_each_request_once(void **state) {
    for (unsigned seed = 0; seed < 6; seed++)
        play("cfq", seed, false);
}

static void test_cfq_serves_each_request_once_through_switches(void **state) {
    for (unsigned seed = 10; seed < 18; seed++)
        play("cfq", seed, true);
}

static void test_bfq_serves_each_request_once(void **state) {
    for (unsigned seed = 0; seed < 8; seed++)
        play("bfq", seed, false);
}

static void test_bfq_serves_each_request_once_through_switches(void **state) {
    for (unsigned seed = 10; seed < 18; seed++)
        play("bfq", seed, true);
}

/*
 * Without RT and IDLE nobody waits for ever. Weights are 10 to 80, a service takes a
 * timeout of 125 ms at most and a wait: between two of the least weight are 8 of each of the others.
 */
static void test_bfq_lets_nobody_starve(void **state) {
    begin("bfq,low_latency=0", 4, "nossd.read_latency=1ms");
    set("rotational", "1");
    for (unsigned i = 0; i < PROCESSES; i++)
        describe(i, false);
    crowd.sync_only = true;
    crowd.left = 20000;
    for (unsigned i = 0; i < SLOTS; i++)
        submit(&crowd.slot[i]);
    sim_run(crowd.sim, SIM_NEVER);
    assert_true(crowd.worst_ns < 2LL * PROCESSES * 8 * 133 * MS);
    end();
}

/*
 * Without RT and IDLE nobody waits for ever. The bound: a queue's key is at most
 * 140 ms a queue behind the present, each of the others has one slice of 180 ms
 * before that time and one that it reaches out of, and a request waits for those before
 * it in its own queue. Twice that for good measure: starvation would be without limit.
 */
static void test_cfq_lets_nobody_starve(void **state) {
    begin("cfq", 4, "nossd.read_latency=1ms");
    set("rotational", "1");
    for (unsigned i = 0; i < PROCESSES; i++)
        describe(i, false);
    crowd.sync_only = true;
    crowd.left = 20000;
    for (unsigned i = 0; i < SLOTS; i++)
        submit(&crowd.slot[i]);
    sim_run(crowd.sim, SIM_NEVER);
    assert_true(crowd.worst_ns < 2LL * PROCESSES * (140 + 2 * 180) * MS);
    end();
}

static void ten_thousand_processes_in_a_thousand_groups(const char *scheduler, const char *nr_requests) {
    enum { MANY = 10000, GROUPS = 1000 };
    begin(scheduler, 1, "nossd.read_latency=20us");
    set("rotational", "1");
    set("nr_requests", nr_requests);
    set("iosched/slice_idle", "0");
    struct slot *many = calloc(MANY, sizeof *many);
    assert_non_null(many);
    for (unsigned i = 0; i < MANY; i++) {
        char path[64];
        struct err e = {0};
        snprintf(path, sizeof path, "%u/%u", i % GROUPS / 100, i % GROUPS);
        struct block_context_settings who = {.prioclass = IOPRIO_BE, .prio = (int)(i % 8), .cgroup = path};
        if (block_context_describe(crowd.b, 100 + i, &who, &e))
            fail_msg("%s", e.text);
        struct io *io = &many[i].io;
        io_init(io);
        io->done = done;
        io->op = IO_READ;
        io->flags = IO_NO_DATA;
        io->owner = 100 + i;
        io->offset = (uint64_t)(i * 7919 % MANY) * 8 * BLOCK;
        io->bytes = BLOCK;
        many[i].busy = true;
        crowd.submitted++;
        drive_submit(crowd.drive, io);
    }
    sim_run(crowd.sim, SIM_NEVER);
    assert_int_equal(crowd.completed, MANY);
    end();
    free(many);
}

static void test_cfq_ten_thousand_processes_in_a_thousand_groups(void **state) {
    ten_thousand_processes_in_a_thousand_groups("cfq", "10000");
}

static void test_bfq_ten_thousand_processes_in_a_thousand_groups(void **state) {
    ten_thousand_processes_in_a_thousand_groups("bfq", "2048");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cfq_serves_each_request_once),
        cmocka_unit_test(test_cfq_serves_each_request_once_through_switches),
        cmocka_unit_test(test_cfq_lets_nobody_starve),
        cmocka_unit_test(test_cfq_ten_thousand_processes_in_a_thousand_groups),
        cmocka_unit_test(test_bfq_serves_each_request_once),
        cmocka_unit_test(test_bfq_serves_each_request_once_through_switches),
        cmocka_unit_test(test_bfq_lets_nobody_starve),
        cmocka_unit_test(test_bfq_ten_thousand_processes_in_a_thousand_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
