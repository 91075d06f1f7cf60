/*
 * A zoned drive against its oracle: random requests one at a time and many in
 * flight, restarts, power cuts at every event, and killed processes.
 *
 * DRIVELAB_ZONE_OPS sets how many random requests are tried in all (millions
 * for a long run), DRIVELAB_ZONE_SEED the first seed. A failure names its seed.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "zone_oracle.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum { RUN_OPS = 2000 };

/* The same zones on a disk with a small write cache; volatile_cache tells the oracle of that. */
#define SHINGLED                                                                                                       \
    ARGS("drive.kind=smr", "zns.zrwa_zones=0", "zns.volatile_cache=yes", "hdd.write_segments=6",                       \
         "hdd.segment_bytes=8KiB", "hdd.write_back_age=20ms")

static uint64_t number_from(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static struct zone_oracle oracle;

static void one_run(uint64_t seed, unsigned depth, const char *const *args) {
    struct zone_oracle *o = &oracle;
    struct drive_config config;
    zo_config(&config, seed, args);
    zo_open(o, &config, "memory", NULL, seed);
    zo_run(o, RUN_OPS, depth, false);
    zo_verify(o);
    zo_close(o);
}

static void runs(unsigned depth, const char *const *args) {
    uint64_t first = number_from("DRIVELAB_ZONE_SEED", 1), ops = number_from("DRIVELAB_ZONE_OPS", 120000) / 4;
    for (uint64_t seed = first; seed < first + (ops + RUN_OPS - 1) / RUN_OPS; seed++)
        one_run(seed, depth, args);
}

static void test_zns_random_requests_one_at_a_time(void **state) {
    runs(1, NULL);
}

static void test_zns_random_requests_in_flight(void **state) {
    runs(ZO_DEPTH, NULL);
}

static void test_zns_random_requests_on_a_shingled_disk(void **state) {
    runs(1, SHINGLED);
    runs(ZO_DEPTH, SHINGLED);
}

/* Both kinds of cache and a disk's, power cut with requests in flight. */
static void test_zns_random_power_cuts(void **state) {
    const char *const *const kinds[] = {ARGS("zns.volatile_cache=yes"), ARGS("zns.volatile_cache=no"), SHINGLED};
    uint64_t first = number_from("DRIVELAB_ZONE_SEED", 1), ops = number_from("DRIVELAB_ZONE_OPS", 120000) / 2;
    for (uint64_t seed = first; seed < first + (ops + RUN_OPS - 1) / RUN_OPS; seed++) {
        struct zone_oracle *o = &oracle;
        struct drive_config config;
        zo_config(&config, seed, kinds[seed % 3]);
        zo_open(o, &config, "memory", NULL, seed);
        for (unsigned i = 0; i < RUN_OPS / 100; i++) {
            zo_run(o, rng_below(&o->rng, 200), 1 + (unsigned)rng_below(&o->rng, ZO_DEPTH), true);
            zo_power_cut(o);
            zo_verify(o);
        }
        zo_close(o);
    }
}

/* --- power cuts at every event --- */

enum { CUT_OPS = 40 };

/* Runs the workload until the power goes at the `cut`-th moment at which something happens. False: it ended before. */
static bool cut_at(uint64_t seed, unsigned cut, const char *const *args) {
    struct zone_oracle *o = &oracle;
    struct drive_config config;
    zo_config(&config, seed, args);
    zo_open(o, &config, "memory", NULL, seed);
    unsigned moments = 0, left = CUT_OPS;
    bool is_cut = false;
    while (!is_cut && (left || o->inflight)) {
        struct zo_op op;
        if (left) {
            op = zo_random_op(o);
            left -= zo_submit(o, &op);
        }
        for (unsigned i = 0; i < 40 && !is_cut; i++) {
            uint64_t fired = sim_fired(o->sim);
            sim_run(o->sim, sim_now(o->sim) + (o->inflight == ZO_DEPTH || !left ? 50000 : 200));
            moments += fired != sim_fired(o->sim);
            is_cut = moments > cut;
        }
    }
    zo_power_cut(o);
    zo_verify(o);
    zo_run(o, 20, 4, false);
    zo_verify(o);
    zo_close(o);
    return is_cut;
}

static void test_zns_power_cut_at_every_event(void **state) {
    const char *const *const kinds[] = {ARGS("zns.volatile_cache=yes"), ARGS("zns.volatile_cache=no"), SHINGLED};
    for (uint64_t seed = 1; seed <= 12; seed++) {
        const char *const *args = kinds[seed % 3];
        for (unsigned cut = 0; cut_at(seed, cut, args); cut++)
            ;
    }
}

/* --- restarts --- */

static char path[64];

static void new_path(void) {
    snprintf(path, sizeof path, "/tmp/drivelab-test-zns-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
}

static void test_zns_restarts_keep_zones(void **state) {
    struct zone_oracle *o = &oracle;
    struct drive_config config;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        new_path();
        zo_config(&config, seed, NULL);
        zo_open(o, &config, "file", path, seed);
        for (unsigned i = 0; i < 12; i++) {
            zo_run(o, 150, ZO_DEPTH, false);
            zo_reopen(o);
            zo_verify(o);
        }
        zo_close(o);
        unlink(path);
    }
}

/* --- killed processes --- */

struct shared {
    struct zo_model before, now;
    uint64_t done;
    bool going; /* a request is under way: `before` or `now` */
};

#define FENCE() __atomic_thread_fence(__ATOMIC_SEQ_CST)

static void child(struct shared *sh, const struct drive_config *config, uint64_t seed) {
    struct zone_oracle *o = &oracle;
    zo_open(o, config, "file", path, seed);
    o->stamp = seed << 32;
    o->m = &sh->now;
    zo_model_shutdown(o->m); /* as the start did */
    for (;;) {
        struct zo_op op = zo_random_op(o);
        sh->before = sh->now;
        FENCE();
        sh->going = true;
        FENCE();
        zo_submit(o, &op);
        zo_drain(o);
        FENCE();
        sh->going = false;
        FENCE();
        sh->done++;
    }
}

/* True if every word of the zone's written blocks is as one of the models has it. */
static bool same_data(struct zone_oracle *o, uint32_t zone, const struct zo_model *m, const struct zo_model * or) {
    const struct zo_zone *z = &m->zone[zone];
    const uint64_t *have = store_map(o->drive->store, zone * (uint64_t)ZO_SIZE * ZO_BLOCK, ZO_SIZE * ZO_BLOCK);
    for (uint32_t b = 0; b < ZO_CAPACITY && z->state != ZONE_STATE_OFFLINE; b++)
        for (unsigned k = 0; z->written[b] && k < ZO_BLOCK / 8; k++)
            if (have[b * ZO_BLOCK / 8 + k] != z->stamp[b] && have[b * ZO_BLOCK / 8 + k] != or->zone[zone].stamp[b])
                return false;
    return true;
}

/* The zone is as `m` has it. What was being overwritten in a random write area may be in between. */
static const char *differs(struct zone_oracle *o, struct shared *sh, const struct zo_model *m, uint32_t zone) {
    const struct zo_model *other = sh->going ? &sh->before : m;
    const char *why = zo_differs(o, m, zone);
    if (why || same_data(o, zone, m, m))
        return why;
    bool window = m->zone[zone].attributes & ZONE_ZRWA_VALID;
    return window && same_data(o, zone, m, other == m ? &sh->now : other) ? NULL : "other data";
}

/* Data between two models: start that zone anew. */
static void tidy(struct zone_oracle *o, uint32_t zone) {
    const struct zo_op op = {.op = IO_ZONE, .action = ZONE_RESET, .at = zone * ZO_SIZE};
    if (same_data(o, zone, o->m, o->m))
        return;
    zo_submit(o, &op);
    zo_drain(o);
}

static void adopt(struct zone_oracle *o, struct shared *sh, uint64_t round) {
    zo_model_shutdown(&sh->before);
    zo_model_shutdown(&sh->now);
    for (uint32_t i = 0; i < ZO_ZONES; i++) {
        const char *why = differs(o, sh, &sh->now, i);
        if (!why)
            continue;
        if (!sh->going)
            fail_msg("round %" PRIu64 ", after %" PRIu64 " requests: %s", round, sh->done, why);
        const char *other = differs(o, sh, &sh->before, i);
        if (other)
            fail_msg("round %" PRIu64 ", after %" PRIu64 " requests, one under way: %s", round, sh->done, other);
        sh->now.zone[i] = sh->before.zone[i];
    }
    sh->going = false;
}

static void kill_round(struct shared *sh, const struct drive_config *config, uint64_t round) {
    struct zone_oracle *o = &oracle;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid)
        child(sh, config, round);
    uint64_t goal = sh->done + 1 + round * 37 % 200;
    while (__atomic_load_n(&sh->done, __ATOMIC_SEQ_CST) < goal && waitpid(pid, NULL, WNOHANG) == 0)
        usleep(50 + (useconds_t)(round * 13 % 50));
    kill(pid, SIGKILL);
    int status = 0;
    if (waitpid(pid, &status, 0) == pid)
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    zo_open(o, config, "file", path, round);
    adopt(o, sh, round);
    o->own = sh->now;
    o->stamp = (round << 32) + (1u << 31);
    for (uint32_t i = 0; i < ZO_ZONES; i++)
        tidy(o, i);
    zo_verify(o);
    zo_close(o);
    zo_model_shutdown(&o->own);
    sh->now = o->own;
}

static void test_zns_kill_loses_nothing_answered(void **state) {
    struct shared *sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(sh, MAP_FAILED);
    uint64_t rounds = number_from("DRIVELAB_ZONE_KILLS", 24);
    struct drive_config config;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        new_path();
        zo_config(&config, seed, NULL);
        memset(sh, 0, sizeof *sh);
        zo_model_init(&sh->now, &config);
        for (uint64_t round = 1; round <= rounds / 3; round++)
            kill_round(sh, &config, round);
        unlink(path);
    }
    munmap(sh, sizeof *sh);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zns_random_requests_one_at_a_time),
        cmocka_unit_test(test_zns_random_requests_in_flight),
        cmocka_unit_test(test_zns_random_requests_on_a_shingled_disk),
        cmocka_unit_test(test_zns_random_power_cuts),
        cmocka_unit_test(test_zns_power_cut_at_every_event),
        cmocka_unit_test(test_zns_restarts_keep_zones),
        cmocka_unit_test(test_zns_kill_loses_nothing_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
