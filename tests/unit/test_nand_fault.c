/*
 * Faults put into the NAND from outside: operations that fail, dies that are
 * held, timing that changes while it runs.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "media/nand/nand.h"

struct world {
    struct nand_config config;
    struct sim *sim;
    struct nand *nand;
    struct nand_block *blocks;
};

struct call {
    struct nand_op op; /* first */
    struct world *world;
    int64_t done_ns;
    unsigned done;
};

static void called(struct nand_op *op) {
    struct call *c = (struct call *)op;
    c->done++;
    c->done_ns = sim_now(c->world->sim);
}

/* Four dies on two channels, all blocks full, so that everything can be read. */
static struct world world_new(void) {
    struct world w = {0};
    struct opt_set set = {0};
    struct err e = {0};
    assert_int_equal(opt_set_add(&set, nand_opts, &w.config), 0);
    w.config.channels = w.config.luns = w.config.planes = 2;
    w.config.blocks = 8;
    w.config.pages = 12;
    w.config.command_time = 0;
    w.config.bus_mts = 0;
    w.sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    w.blocks = calloc(nand_block_count(&w.config), sizeof *w.blocks);
    w.nand = nand_new(&w.config, w.sim, w.blocks, true, 1, &e);
    if (!w.nand)
        fail_msg("%s", e.text);
    for (uint64_t i = 0; i < nand_block_count(&w.config); i++)
        w.blocks[i].next_page = (uint16_t)w.config.pages;
    return w;
}

static void world_free(struct world *w) {
    nand_free(w->nand);
    sim_free(w->sim);
    free(w->blocks);
}

static void check(const struct world *w) {
    struct err e = {0};
    if (nand_check(w->nand, &e))
        fail_msg("%s", e.text);
}

static struct call call(struct world *w, enum nand_kind kind, uint16_t die, uint8_t plane, uint32_t block,
                        uint32_t page) {
    return (struct call){.op = {.kind = kind,
                                .die = die,
                                .plane = plane,
                                .block = block,
                                .page = page,
                                .bytes = w->config.page_bytes,
                                .done = called},
                         .world = w};
}

/* Run one operation to its end: its result. */
static uint8_t result(struct world *w, enum nand_kind kind, uint16_t die, uint8_t plane, uint32_t block,
                      uint32_t page) {
    struct call c = call(w, kind, die, plane, block, page);
    nand_submit(w->nand, &c.op);
    sim_run(w->sim, SIM_NEVER);
    check(w);
    assert_int_equal(c.done, 1);
    return c.op.result;
}

/* --- operations that fail --- */

static void test_nand_fault_fails_the_next_reads(void **state) {
    struct world w = world_new();
    struct nand_fault list[NAND_FAULTS];
    struct err e = {0};
    const struct nand_fault f = {7, NAND_READ, NAND_ANY, NAND_ANY, NAND_ANY, 2};
    assert_int_equal(nand_fault_add(w.nand, &f, &e), 0);
    assert_int_equal(result(&w, NAND_ERASE, 0, 0, 0, 0), NAND_DONE);
    assert_int_equal(result(&w, NAND_READ, 3, 1, 2, 5), NAND_FAILED);
    assert_int_equal(nand_faults(w.nand, list), 1);
    assert_int_equal(list[0].id, 7);
    assert_int_equal(list[0].count, 1);
    assert_int_equal(result(&w, NAND_READ, 0, 0, 1, 0), NAND_FAILED);
    assert_int_equal(nand_faults(w.nand, list), 0);
    assert_int_equal(result(&w, NAND_READ, 0, 0, 1, 0), NAND_DONE);
    assert_int_equal(nand_counters(w.nand)->failed[NAND_READ], 2);
    world_free(&w);
}

static void test_nand_fault_is_for_its_place(void **state) {
    struct world w = world_new();
    struct err e = {0};
    const struct nand_fault f = {1, NAND_READ, 2, 1, 3, 1};
    assert_int_equal(nand_fault_add(w.nand, &f, &e), 0);
    assert_int_equal(result(&w, NAND_READ, 1, 1, 3, 0), NAND_DONE);
    assert_int_equal(result(&w, NAND_READ, 2, 0, 3, 0), NAND_DONE);
    assert_int_equal(result(&w, NAND_READ, 2, 1, 4, 0), NAND_DONE);
    assert_int_equal(result(&w, NAND_READ, 2, 1, 3, 0), NAND_FAILED);
    assert_int_equal(result(&w, NAND_READ, 2, 1, 3, 0), NAND_DONE);
    world_free(&w);
}

static void test_nand_fault_of_program_and_erase_grows_bad_blocks(void **state) {
    struct world w = world_new();
    struct err e = {0};
    const struct nand_fault program = {1, NAND_PROGRAM, 0, NAND_ANY, NAND_ANY, 1};
    const struct nand_fault erase = {2, NAND_ERASE, 0, NAND_ANY, 5, 1};
    assert_int_equal(result(&w, NAND_ERASE, 0, 0, 4, 0), NAND_DONE);
    assert_int_equal(nand_fault_add(w.nand, &program, &e), 0);
    assert_int_equal(nand_fault_add(w.nand, &erase, &e), 0);
    assert_int_equal(result(&w, NAND_PROGRAM, 0, 0, 4, 0), NAND_FAILED);
    assert_int_equal(w.blocks[nand_block_index(&w.config, 0, 0, 4)].bad, 2);
    assert_int_equal(result(&w, NAND_ERASE, 0, 0, 3, 0), NAND_DONE);
    assert_int_equal(result(&w, NAND_ERASE, 0, 0, 5, 0), NAND_FAILED);
    assert_int_equal(w.blocks[nand_block_index(&w.config, 0, 0, 5)].bad, 2);
    world_free(&w);
}

static void test_nand_fault_can_be_taken_back(void **state) {
    struct world w = world_new();
    struct err e = {0};
    struct nand_fault f = {1, NAND_READ, NAND_ANY, NAND_ANY, NAND_ANY, 1000};
    struct nand_fault list[NAND_FAULTS];
    assert_int_equal(nand_fault_add(w.nand, &f, &e), 0);
    f.id = 2;
    assert_int_equal(nand_fault_add(w.nand, &f, &e), 0);
    nand_power_cut(w.nand);
    assert_int_equal(nand_faults(w.nand, list), 2);
    assert_true(nand_fault_clear(w.nand, 1));
    assert_false(nand_fault_clear(w.nand, 1));
    assert_int_equal(result(&w, NAND_READ, 0, 0, 0, 0), NAND_FAILED);
    assert_true(nand_fault_clear(w.nand, 2));
    assert_int_equal(result(&w, NAND_READ, 0, 0, 0, 0), NAND_DONE);
    world_free(&w);
}

static void test_nand_fault_refuses_what_does_not_exist(void **state) {
    struct world w = world_new();
    const struct {
        struct nand_fault fault;
        const char *words;
    } cases[] = {
        {{1, NAND_READ, 4, 0, 0, 1}, "no die 4; valid are 0 to 3"},
        {{1, NAND_READ, 0, 2, 0, 1}, "no plane 2; valid are 0 to 1"},
        {{1, NAND_READ, 0, 0, 8, 1}, "no block 8; valid are 0 to 7"},
        {{1, NAND_READ, 0, 0, 0, 0}, "at least once"},
        {{1, NAND_KINDS, 0, 0, 0, 1}, "one kind"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {0};
        assert_int_equal(nand_fault_add(w.nand, &cases[i].fault, &e), -EINVAL);
        assert_non_null(strstr(e.text, cases[i].words));
    }
    const struct nand_fault f = {1, NAND_READ, NAND_ANY, NAND_ANY, NAND_ANY, 1};
    for (unsigned i = 0; i < NAND_FAULTS; i++)
        assert_int_equal(nand_fault_add(w.nand, &f, NULL), 0);
    assert_int_equal(nand_fault_add(w.nand, &f, NULL), -ENOSPC);
    assert_int_equal(nand_hold(w.nand, 4, 1, NULL), -EINVAL);
    assert_int_equal(nand_hold(w.nand, 0, 0, NULL), -EINVAL);
    assert_int_equal(nand_hold(w.nand, 0, -5, NULL), -EINVAL);
    sim_run(w.sim, 10);
    assert_int_equal(nand_hold(w.nand, 0, INT64_MAX, NULL), -EINVAL);
    world_free(&w);
}

/* --- dies that are held --- */

static void test_nand_held_die_starts_nothing(void **state) {
    struct world w = world_new();
    struct call held = call(&w, NAND_READ, 1, 0, 0, 0), other = call(&w, NAND_READ, 0, 0, 0, 0);
    int64_t read = w.config.read_time.ns[0];
    assert_int_equal(nand_hold(w.nand, 1, 5000000, NULL), 0);
    assert_int_equal(nand_held_until(w.nand, 1), 5000000);
    assert_int_equal(nand_held_until(w.nand, 0), 0);
    nand_submit(w.nand, &held.op);
    nand_submit(w.nand, &other.op);
    sim_run(w.sim, 4999999);
    check(&w);
    assert_int_equal(other.done_ns, read);
    assert_int_equal(held.done, 0);
    sim_run(w.sim, SIM_NEVER);
    check(&w);
    assert_int_equal(held.done_ns, 5000000 + read);
    assert_int_equal(nand_held_until(w.nand, 1), 0);
    world_free(&w);
}

static void test_nand_held_die_ends_what_it_does(void **state) {
    struct world w = world_new();
    struct call erase = call(&w, NAND_ERASE, 0, 0, 0, 0), read = call(&w, NAND_READ, 0, 1, 1, 0);
    nand_submit(w.nand, &erase.op);
    sim_run(w.sim, 1000);
    assert_int_equal(nand_hold(w.nand, 0, 20000000, NULL), 0);
    nand_submit(w.nand, &read.op); /* would suspend the erase */
    sim_run(w.sim, SIM_NEVER);
    check(&w);
    assert_int_equal(erase.done_ns, w.config.erase_time);
    assert_int_equal(erase.op.suspensions, 0);
    assert_int_equal(read.done_ns, 1000 + 20000000 + w.config.read_time.ns[0]);
    world_free(&w);
}

static void test_nand_holds_add_up_and_end_early(void **state) {
    struct world w = world_new();
    struct call a = call(&w, NAND_READ, 0, 0, 0, 0), b = call(&w, NAND_READ, 1, 0, 0, 0);
    nand_submit(w.nand, &a.op);
    sim_run(w.sim, SIM_NEVER);
    int64_t t = sim_now(w.sim), read = w.config.read_time.ns[0];
    nand_hold(w.nand, 0, 1000000, NULL);
    nand_hold(w.nand, 0, 10, NULL);
    assert_int_equal(nand_held_until(w.nand, 0), t + 1000000);
    nand_hold(w.nand, 1, 3000000, NULL);
    nand_submit(w.nand, &a.op);
    nand_submit(w.nand, &b.op);
    sim_run(w.sim, t + 2000000);
    assert_int_equal(a.done_ns, t + 1000000 + read);
    assert_int_equal(b.done, 0);
    assert_true(nand_release(w.nand, 1));
    assert_false(nand_release(w.nand, 1));
    assert_false(nand_release(w.nand, 99));
    sim_run(w.sim, SIM_NEVER);
    assert_int_equal(b.done_ns, t + 2000000 + read);
    check(&w);
    world_free(&w);
}

static void test_nand_power_cut_ends_holds(void **state) {
    struct world w = world_new();
    nand_hold(w.nand, 2, 1000000000, NULL);
    nand_power_cut(w.nand);
    assert_int_equal(nand_held_until(w.nand, 2), 0);
    assert_int_equal(result(&w, NAND_READ, 2, 0, 0, 0), NAND_DONE);
    assert_int_equal(sim_now(w.sim), w.config.read_time.ns[0]);
    world_free(&w);
}

enum { CALLS = 64, ROUNDS = 200 };

/* A read of a full block, or the first program of an empty one that no other call of the round programs. */
static struct call any_call(struct world *w, struct rng *rng, bool taken[2][2][8]) {
    uint16_t die = (uint16_t)(rng_next(rng) % 2);
    uint8_t plane = (uint8_t)(rng_next(rng) % 2);
    uint32_t block = (uint32_t)(rng_next(rng) % 8);
    if (block < 4 || taken[die][plane][block])
        return call(w, NAND_READ, die, plane, block % 4, (uint32_t)(rng_next(rng) % w->config.pages));
    taken[die][plane][block] = true;
    w->blocks[nand_block_index(&w->config, die, plane, block)].next_page = 0;
    return call(w, block == 7 ? NAND_ERASE : NAND_PROGRAM, die, plane, block, 0);
}

/* Whatever a die does when it is held, nothing is lost and nothing breaks. */
static void test_nand_holds_at_random(void **state) {
    struct world w = world_new();
    struct call calls[CALLS];
    struct rng rng;
    rng_init(&rng, 3, 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        bool taken[2][2][8] = {0};
        for (unsigned i = 0; i < CALLS; i++) {
            calls[i] = any_call(&w, &rng, taken);
            nand_submit(w.nand, &calls[i].op);
            if (rng_next(&rng) % 8 == 0)
                nand_hold(w.nand, calls[i].op.die, (int64_t)(1 + rng_next(&rng) % 1000000), NULL);
            if (rng_next(&rng) % 16 == 0)
                nand_release(w.nand, calls[i].op.die);
            sim_run(w.sim, sim_now(w.sim) + (int64_t)(rng_next(&rng) % 100000));
            check(&w);
        }
        sim_run(w.sim, SIM_NEVER);
        check(&w);
        for (unsigned i = 0; i < CALLS; i++)
            assert_int_equal(calls[i].done, 1);
    }
    world_free(&w);
}

/* --- options that change --- */

static void test_nand_follows_changed_options(void **state) {
    struct world w = world_new();
    struct nand_config c = w.config;
    c.read_time = (struct opt_times){1, {1000}};
    c.read_fail_ppm = 1e6;
    nand_reconfigure(w.nand, &c);
    assert_int_equal(result(&w, NAND_READ, 0, 0, 0, 0), NAND_FAILED);
    assert_int_equal(sim_now(w.sim), 1000);
    c.read_fail_ppm = 0;
    c.erase_time = 7000;
    nand_reconfigure(w.nand, &c);
    assert_int_equal(result(&w, NAND_READ, 0, 0, 0, 0), NAND_DONE);
    assert_int_equal(result(&w, NAND_ERASE, 0, 0, 0, 0), NAND_DONE);
    assert_int_equal(sim_now(w.sim), 2000 + 7000);
    world_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nand_fault_fails_the_next_reads),
        cmocka_unit_test(test_nand_fault_is_for_its_place),
        cmocka_unit_test(test_nand_fault_of_program_and_erase_grows_bad_blocks),
        cmocka_unit_test(test_nand_fault_can_be_taken_back),
        cmocka_unit_test(test_nand_fault_refuses_what_does_not_exist),
        cmocka_unit_test(test_nand_held_die_starts_nothing),
        cmocka_unit_test(test_nand_held_die_ends_what_it_does),
        cmocka_unit_test(test_nand_holds_add_up_and_end_early),
        cmocka_unit_test(test_nand_power_cut_ends_holds),
        cmocka_unit_test(test_nand_holds_at_random),
        cmocka_unit_test(test_nand_follows_changed_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
