/*
 * NAND: closed forms (latency, bandwidth), bad input, failures, bad blocks,
 * power cuts. What holds under any load is checked by test_nand_oracle.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/rng.h"
#include "media/nand/nand.h"

/* One device, its blocks and what its operations did. */
struct world {
    struct nand_config config;
    struct sim *sim;
    struct nand *nand;
    struct nand_block *blocks;
    struct err err;
};

struct call {
    struct nand_op op; /* first */
    struct world *world;
    int64_t done_ns;
    unsigned done;
    unsigned repeat; /* submit again this often */
};

static void called(struct nand_op *op) {
    struct call *c = (struct call *)op;
    c->done++;
    c->done_ns = sim_now(c->world->sim);
    if (c->repeat) {
        c->repeat--;
        nand_submit(c->world->nand, op);
    }
}

static void world_defaults(struct world *w) {
    struct opt_set set = {0};
    memset(w, 0, sizeof *w);
    assert_int_equal(opt_set_add(&set, nand_opts, &w->config), 0);
    w->config.channels = 2;
    w->config.luns = 2;
    w->config.blocks = 8;
    w->config.pages = 12;
}

static void world_open(struct world *w, uint64_t seed) {
    w->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &w->err);
    assert_non_null(w->sim);
    w->blocks = calloc(nand_block_count(&w->config), sizeof *w->blocks);
    w->nand = nand_new(&w->config, w->sim, w->blocks, true, seed, &w->err);
    assert_non_null(w->nand);
}

static void world_fill(struct world *w) {
    for (uint64_t i = 0; i < nand_block_count(&w->config); i++)
        w->blocks[i].next_page = (uint16_t)w->config.pages;
}

static void world_close(struct world *w) {
    nand_free(w->nand);
    sim_free(w->sim);
    free(w->blocks);
}

static void run(struct world *w) {
    sim_run(w->sim, SIM_NEVER);
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

static int64_t transfer(const struct world *w, uint32_t bytes) {
    return (int64_t)((bytes * 1000ull + w->config.bus_mts / 2) / w->config.bus_mts);
}

/* --- latency --- */

static void test_nand_read_latency(void **state) {
    (void)state;
    static const uint32_t rates[] = {33, 333, 400, 533, 800, 1200, 1600, 2400, 3600};
    static const uint32_t sizes[] = {512, 4096, 8192, 16384};
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        struct world w;
        world_defaults(&w);
        w.config.bus_mts = rates[r];
        world_open(&w, 1);
        world_fill(&w);
        for (uint32_t page = 0; page < w.config.pages; page++) {
            struct call c = call(&w, NAND_READ, (uint16_t)(page % 4), 1, 2, page);
            c.op.bytes = sizes[page % 4];
            int64_t start = sim_now(w.sim);
            nand_submit(w.nand, &c.op);
            assert_int_equal(c.done, 0);
            run(&w);
            assert_int_equal(c.done, 1);
            assert_int_equal(c.op.result, NAND_DONE);
            assert_int_equal(c.op.array_ns, w.config.read_time.ns[page % 3]);
            assert_int_equal(c.op.bus_ns, w.config.command_time + transfer(&w, c.op.bytes));
            assert_int_equal(c.done_ns - start, c.op.array_ns + c.op.bus_ns);
        }
        world_close(&w);
    }
}

static void test_nand_program_and_erase_latency(void **state) {
    (void)state;
    struct world w;
    world_defaults(&w);
    w.config.cell = NAND_MLC;
    w.config.program_time = (struct opt_times){.count = 2, .ns = {850000, 2300000}};
    w.config.read_time.count = 1;
    world_open(&w, 1);
    for (uint32_t page = 0; page < w.config.pages; page++) {
        struct call c = call(&w, NAND_PROGRAM, 3, 0, 5, page);
        int64_t start = sim_now(w.sim);
        nand_submit(w.nand, &c.op);
        run(&w);
        assert_int_equal(c.op.result, NAND_DONE);
        assert_int_equal(c.done_ns - start,
                         w.config.command_time + transfer(&w, 16384) + (page % 2 ? 2300000 : 850000));
    }
    struct call c = call(&w, NAND_ERASE, 3, 0, 5, 0);
    int64_t start = sim_now(w.sim);
    nand_submit(w.nand, &c.op);
    run(&w);
    assert_int_equal(c.done_ns - start, w.config.command_time + w.config.erase_time);
    const struct nand_block *b = &w.blocks[nand_block_index(&w.config, 3, 0, 5)];
    assert_int_equal(b->erases, 1);
    assert_int_equal(b->next_page, 0);
    world_close(&w);
}

/* Nothing takes time: every operation still goes all its way, in order. */
static void test_nand_zero_times(void **state) {
    (void)state;
    struct world w;
    static struct call c[3 * 12];
    world_defaults(&w);
    w.config.read_time = w.config.program_time = (struct opt_times){.count = 1};
    w.config.erase_time = w.config.command_time = w.config.bus_mts = 0;
    world_open(&w, 1);
    w.blocks[nand_block_index(&w.config, 0, 1, 0)].next_page = 12;
    for (unsigned i = 0; i < 12; i++) {
        c[3 * i] = call(&w, NAND_PROGRAM, 0, 0, 0, i);
        c[3 * i + 1] = call(&w, NAND_READ, 0, 1, 0, i);
        c[3 * i + 2] = call(&w, NAND_ERASE, 0, 2, i % 8, 0);
    }
    for (unsigned i = 0; i < 36; i++)
        nand_submit(w.nand, &c[i].op);
    run(&w);
    for (unsigned i = 0; i < 36; i++)
        assert_true(c[i].done == 1 && c[i].op.result == NAND_DONE);
    assert_int_equal(sim_now(w.sim), 0);
    world_close(&w);
}

/* --- multi-plane, cache, suspension on their own --- */

static void test_nand_multi_plane_program(void **state) {
    (void)state;
    struct world w;
    struct call c[4];
    world_defaults(&w);
    world_open(&w, 1);
    for (uint8_t p = 0; p < 4; p++) {
        c[p] = call(&w, NAND_PROGRAM, 0, p, p, 0); /* another block in each plane */
        nand_submit(w.nand, &c[p].op);
    }
    run(&w);
    int64_t in = w.config.command_time + transfer(&w, 16384);
    for (unsigned p = 0; p < 4; p++) {
        assert_int_equal(c[p].op.result, NAND_DONE);
        assert_int_equal(c[p].done_ns, 4 * in + 400000);
        assert_int_equal(c[p].op.bus_ns, in);
    }
    assert_int_equal(nand_counters(w.nand)->multi_plane[NAND_PROGRAM], 4);
    world_close(&w);
}

/* A LUN that stands for two dies: planes 0 and 2 work as one, and 1 and 3. */
static void test_nand_multi_plane_of_one_die(void **state) {
    (void)state;
    struct world w;
    struct call c[4];
    world_defaults(&w);
    w.config.multi_plane_dies = 2;
    w.config.cache_program = false;
    world_open(&w, 1);
    for (unsigned i = 0; i < 4; i++) {
        uint8_t p = (uint8_t)(i % 2 * 2 + i / 2); /* who comes while another waits, waits, too: 0 2 1 3 */
        c[p] = call(&w, NAND_PROGRAM, 0, p, 0, 0);
        nand_submit(w.nand, &c[p].op);
    }
    run(&w);
    int64_t in = w.config.command_time + transfer(&w, 16384);
    for (unsigned p = 0; p < 4; p++)
        assert_int_equal(c[p].done_ns, (1 + p % 2) * (2 * in + 400000));
    assert_int_equal(nand_counters(w.nand)->multi_plane[NAND_PROGRAM], 4);
    world_close(&w);
}

static void test_nand_multi_plane_read_and_erase(void **state) {
    (void)state;
    struct world w;
    struct call c[4];
    world_defaults(&w);
    world_open(&w, 1);
    world_fill(&w);
    for (uint8_t p = 0; p < 4; p++) {
        c[p] = call(&w, NAND_READ, 1, p, p, 4);
        nand_submit(w.nand, &c[p].op);
    }
    run(&w);
    int64_t array_end = 4 * w.config.command_time + 60000;
    for (unsigned p = 0; p < 4; p++)
        assert_int_equal(c[p].done_ns, array_end + (p + 1) * transfer(&w, 16384));
    int64_t start = sim_now(w.sim);
    for (uint8_t p = 0; p < 4; p++) {
        c[p] = call(&w, NAND_ERASE, 1, p, p, p); /* the page means nothing */
        nand_submit(w.nand, &c[p].op);
    }
    run(&w);
    for (unsigned p = 0; p < 4; p++)
        assert_int_equal(c[p].done_ns - start, 4 * w.config.command_time + w.config.erase_time);
    assert_int_equal(nand_counters(w.nand)->multi_plane[NAND_READ], 4);
    assert_int_equal(nand_counters(w.nand)->multi_plane[NAND_ERASE], 4);
    world_close(&w);
}

static void test_nand_different_pages_do_not_merge(void **state) {
    (void)state;
    struct world w;
    struct call c[2];
    world_defaults(&w);
    world_open(&w, 1);
    world_fill(&w);
    for (uint8_t p = 0; p < 2; p++) {
        c[p] = call(&w, NAND_READ, 0, p, 0, p * 3u);
        nand_submit(w.nand, &c[p].op);
    }
    run(&w);
    assert_int_equal(nand_counters(w.nand)->multi_plane[NAND_READ], 0);
    assert_true(c[1].done_ns > 2 * 45000);
    world_close(&w);
}

/* `count` reads of one plane: with cache read the transfers hide behind the array, without they don't. */
static int64_t read_train(bool cache, unsigned count) {
    struct world w;
    struct call c[16];
    world_defaults(&w);
    w.config.cache_read = cache;
    w.config.read_time = (struct opt_times){.count = 1, .ns = {50000}};
    world_open(&w, 1);
    world_fill(&w);
    for (unsigned i = 0; i < count; i++) {
        c[i] = call(&w, NAND_READ, 0, 0, 0, i % 12);
        nand_submit(w.nand, &c[i].op);
    }
    run(&w);
    int64_t end = sim_now(w.sim);
    world_close(&w);
    return end;
}

static void test_nand_cache_read(void **state) {
    (void)state;
    int64_t one = 200 + 50000, out = 13653;
    assert_int_equal(read_train(false, 16), 16 * (one + out));
    assert_int_equal(read_train(true, 16), 16 * one + out);
}

static int64_t program_train(bool cache, unsigned count) {
    struct world w;
    struct call c[12];
    world_defaults(&w);
    w.config.cache_program = cache;
    world_open(&w, 1);
    for (unsigned i = 0; i < count; i++) {
        c[i] = call(&w, NAND_PROGRAM, 0, 0, 0, i);
        nand_submit(w.nand, &c[i].op);
    }
    run(&w);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(c[i].op.result, NAND_DONE);
    int64_t end = sim_now(w.sim);
    world_close(&w);
    return end;
}

static void test_nand_cache_program(void **state) {
    (void)state;
    int64_t in = 200 + 13653;
    assert_int_equal(program_train(false, 12), 12 * (in + 400000));
    assert_int_equal(program_train(true, 12), in + 12 * 400000);
}

struct timer {
    struct sim_event ev;
    struct world *world;
    struct nand_op *op;
};

static void timer_fire(struct sim_event *ev) {
    struct timer *t = (struct timer *)ev;
    nand_submit(t->world->nand, t->op);
}

static void submit_at(struct world *w, struct timer *t, struct call *c, int64_t at_ns) {
    *t = (struct timer){.world = w, .op = &c->op};
    sim_event_init(&t->ev, timer_fire);
    sim_schedule(w->sim, &t->ev, at_ns);
}

static void test_nand_erase_suspend(void **state) {
    (void)state;
    struct world w;
    struct timer t;
    world_defaults(&w);
    world_open(&w, 1);
    world_fill(&w);
    struct call erase = call(&w, NAND_ERASE, 0, 0, 1, 0), read = call(&w, NAND_READ, 0, 1, 2, 0);
    nand_submit(w.nand, &erase.op);
    submit_at(&w, &t, &read, 1000000);
    run(&w);
    assert_int_equal(erase.op.suspensions, 1);
    assert_int_equal(read.done_ns - 1000000, 15000 + 200 + 45000 + transfer(&w, 16384));
    /* with cache read the resumption does not wait for the bus */
    assert_int_equal(erase.op.array_ns, 3500000 + 15000 + 5000);
    assert_int_equal(erase.done_ns, 200 + 3500000 + 15000 + 200 + 45000 + 5000);
    assert_int_equal(nand_counters(w.nand)->suspends[NAND_ERASE], 1);
    world_close(&w);
}

static void test_nand_no_suspend_near_the_end_or_for_gc(void **state) {
    (void)state;
    struct world w;
    struct timer t[2];
    world_defaults(&w);
    world_open(&w, 1);
    world_fill(&w);
    struct call erase = call(&w, NAND_ERASE, 0, 0, 1, 0), late = call(&w, NAND_READ, 0, 1, 2, 0), gc = late;
    gc.op.cause = NAND_GC;
    nand_submit(w.nand, &erase.op);
    submit_at(&w, &t[0], &gc, 1000000);
    submit_at(&w, &t[1], &late, 200 + 3500000 - 50000);
    run(&w);
    assert_int_equal(erase.op.suspensions, 0);
    assert_int_equal(erase.done_ns, 200 + 3500000);
    assert_true(late.done_ns < gc.done_ns);
    world_close(&w);
}

/* A read that comes while the erase's command waits for the bus suspends it before it has begun. */
static void test_nand_suspend_before_the_array_starts(void **state) {
    (void)state;
    struct world w;
    struct timer t[2];
    world_defaults(&w);
    world_open(&w, 1);
    world_fill(&w);
    struct call busy = call(&w, NAND_READ, 0, 0, 2, 0), erase = call(&w, NAND_ERASE, 1, 0, 1, 0),
                read = call(&w, NAND_READ, 1, 1, 2, 0);
    nand_submit(w.nand, &busy.op);
    submit_at(&w, &t[0], &erase, 45200 + 1000); /* the bus moves the first read's data until 58853 */
    submit_at(&w, &t[1], &read, 45200 + 2000);
    run(&w);
    assert_int_equal(erase.op.started_ns, 58853);
    assert_int_equal(erase.op.suspensions, 1);
    assert_int_equal(read.op.started_ns, 58853 + 200 + 15000);
    assert_int_equal(erase.done_ns, 58853 + 200 + 15000 + 200 + 45000 + 5000 + 3500000);
    world_close(&w);
}

static void test_nand_read_during_data_in(void **state) {
    (void)state;
    for (unsigned cache = 0; cache < 2; cache++) {
        struct world w;
        struct timer t;
        world_defaults(&w);
        w.config.cache_program = cache;
        world_open(&w, 1);
        w.blocks[nand_block_index(&w.config, 0, 1, 2)].next_page = 12;
        struct call program = call(&w, NAND_PROGRAM, 0, 0, 1, 0), read = call(&w, NAND_READ, 0, 1, 2, 0);
        nand_submit(w.nand, &program.op);
        submit_at(&w, &t, &read, 5000);
        run(&w);
        int64_t in = 200 + 13653, array = in + 200 + 45000;
        if (cache) { /* the array is free until the program starts: no suspension */
            assert_int_equal(program.op.suspensions, 0);
            assert_int_equal(read.done_ns, array + 13653);
            assert_int_equal(program.done_ns, array + 400000);
        } else {
            assert_int_equal(program.op.suspensions, 1);
            assert_int_equal(read.done_ns, array + 15000 + 13653);
            assert_int_equal(program.done_ns, array + 15000 + 5000 + 400000);
        }
        world_close(&w);
    }
}

/* The same before the data was granted the bus. */
static void test_nand_read_before_data_in(void **state) {
    (void)state;
    struct world w;
    struct timer t[2];
    world_defaults(&w);
    w.config.cache_program = false;
    world_open(&w, 1);
    world_fill(&w);
    w.blocks[nand_block_index(&w.config, 1, 0, 1)].next_page = 0;
    struct call busy = call(&w, NAND_READ, 0, 0, 2, 0), program = call(&w, NAND_PROGRAM, 1, 0, 1, 0),
                read = call(&w, NAND_READ, 1, 1, 2, 0);
    nand_submit(w.nand, &busy.op);
    submit_at(&w, &t[0], &program, 45200 + 1000); /* the bus moves the first read's data until 58853 */
    submit_at(&w, &t[1], &read, 45200 + 2000);
    run(&w);
    assert_int_equal(program.op.suspensions, 1);
    assert_int_equal(read.op.started_ns, 58853 + 200 + 13653 + 15000);
    world_close(&w);
}

/* --- order of service --- */

static void test_nand_order_of_service(void **state) {
    (void)state;
    struct world w;
    struct call c[7];
    world_defaults(&w);
    w.config.program_suspend = w.config.erase_suspend = false;
    w.config.multi_plane = w.config.cache_program = false;
    world_open(&w, 1);
    world_fill(&w);
    for (unsigned b = 5; b < 8; b++)
        w.blocks[nand_block_index(&w.config, 0, 0, b)].next_page = 0;
    c[0] = call(&w, NAND_READ, 0, 0, 0, 0); /* keeps the die busy */
    c[1] = call(&w, NAND_ERASE, 0, 0, 1, 0);
    c[2] = call(&w, NAND_PROGRAM, 0, 0, 5, 0);
    c[3] = call(&w, NAND_READ, 0, 0, 3, 3);
    c[3].op.cause = NAND_GC;
    c[4] = call(&w, NAND_READ, 0, 0, 3, 1);
    c[5] = call(&w, NAND_PROGRAM, 0, 0, 6, 0);
    c[5].op.cause = NAND_WEAR;
    c[6] = call(&w, NAND_READ, 0, 0, 3, 2);
    c[6].op.cause = NAND_GC;
    c[6].op.urgent = true;
    for (unsigned i = 0; i < 7; i++)
        nand_submit(w.nand, &c[i].op);
    assert_int_equal(nand_die_load(w.nand, 0), 7);
    run(&w);
    static const unsigned order[] = {0, 4, 6, 2, 1, 3, 5};
    for (unsigned i = 1; i < 7; i++)
        assert_true(c[order[i]].op.started_ns > c[order[i - 1]].op.started_ns);
    assert_int_equal(nand_die_load(w.nand, 0), 0);
    world_close(&w);
}

static void test_nand_starvation_is_bounded(void **state) {
    (void)state;
    for (uint32_t limit = 0; limit < 40; limit += 13) {
        struct world w;
        struct call reads[4];
        world_defaults(&w);
        w.config.starvation_limit = limit;
        world_open(&w, 1);
        world_fill(&w);
        struct call erase = call(&w, NAND_ERASE, 0, 0, 1, 0);
        erase.op.cause = NAND_GC;
        for (unsigned i = 0; i < 4; i++) { /* three always wait */
            reads[i] = call(&w, NAND_READ, 0, 0, 2, 0);
            reads[i].repeat = 100;
            nand_submit(w.nand, &reads[i].op);
        }
        nand_submit(w.nand, &erase.op);
        run(&w);
        assert_int_equal(erase.op.passed_over, limit);
        /* 3 older reads, the one running, `limit` younger ones, then undisturbed to the end */
        assert_true(erase.done_ns <= (4 + limit) * (200 + 45000 + 14000) + 200 + 3500000);
        world_close(&w);
    }
}

/* Reads keep the bus busy; a program's data gets in after as many of them as allowed. */
static void test_nand_bus_starvation_is_bounded(void **state) {
    (void)state;
    for (uint32_t limit = 0; limit < 24; limit += 8) {
        struct world w;
        struct call reads[16];
        struct timer t;
        world_defaults(&w);
        w.config.channels = 1;
        w.config.luns = 8;
        w.config.bus_mts = 100;
        w.config.starvation_limit = limit;
        world_open(&w, 1);
        world_fill(&w);
        w.blocks[nand_block_index(&w.config, 7, 0, 1)].next_page = 0;
        struct call program = call(&w, NAND_PROGRAM, 7, 0, 1, 0);
        for (unsigned i = 0; i < 14; i++) {
            reads[i] = call(&w, NAND_READ, (uint16_t)(i % 7), 0, 2, 0);
            reads[i].repeat = 30;
            nand_submit(w.nand, &reads[i].op);
        }
        submit_at(&w, &t, &program, 5000000);
        run(&w);
        int64_t waited = program.op.started_ns - 5000000, out = transfer(&w, 16384);
        assert_true(waited > limit * out && waited < (limit + 1) * (out + 8 * 200));
        world_close(&w);
    }
}

/* --- bandwidth --- */

static void test_nand_saturated_channel(void **state) {
    (void)state;
    struct world w;
    struct call c[32];
    world_defaults(&w);
    w.config.channels = 1;
    w.config.luns = 16;
    w.config.bus_mts = 400;
    world_open(&w, 1);
    world_fill(&w);
    for (unsigned i = 0; i < 32; i++) {
        c[i] = call(&w, NAND_READ, (uint16_t)(i % 16), 0, 0, 0);
        c[i].repeat = 99;
        nand_submit(w.nand, &c[i].op);
    }
    run(&w);
    double expected = 3200.0 * (double)(transfer(&w, 16384) + 200), got = (double)sim_now(w.sim);
    assert_true(got >= expected && got < expected * 1.005);
    world_close(&w);
}

static void test_nand_saturated_dies(void **state) {
    (void)state;
    struct world w;
    struct call c[16];
    world_defaults(&w);
    w.config.read_time = (struct opt_times){.count = 1, .ns = {60000}};
    world_open(&w, 1);
    world_fill(&w);
    for (unsigned i = 0; i < 16; i++) {
        c[i] = call(&w, NAND_READ, (uint16_t)(i % 4), 0, 0, 0);
        c[i].op.bytes = 4096;
        c[i].repeat = 249;
        nand_submit(w.nand, &c[i].op);
    }
    run(&w);
    double expected = 1000 * 60200.0, got = (double)sim_now(w.sim);
    assert_true(got >= expected && got < expected * 1.06); /* a command may wait for a transfer of 3.4 us */
    world_close(&w);
}

static void test_nand_interleaved_programs(void **state) {
    (void)state;
    struct world w;
    struct call c[4][12];
    world_defaults(&w);
    w.config.channels = 1;
    w.config.luns = 4;
    world_open(&w, 1);
    for (unsigned page = 0; page < 12; page++)
        for (unsigned die = 0; die < 4; die++) {
            c[die][page] = call(&w, NAND_PROGRAM, (uint16_t)die, 0, 0, page);
            nand_submit(w.nand, &c[die][page].op);
        }
    run(&w);
    /* the last die waits for three transfers, then is limited by its array alone */
    assert_int_equal(sim_now(w.sim), 4 * (200 + transfer(&w, 16384)) + 12 * 400000);
    world_close(&w);
}

/* --- bad input --- */

static void test_nand_config_errors(void **state) {
    (void)state;
    struct world w;
    struct err e = {0};
    world_defaults(&w);
    assert_int_equal(nand_config_check(&w.config, &e), 0);
    struct nand_config c = w.config;
    c.channels = 0;
    assert_int_equal(nand_config_check(&c, &e), -EINVAL);
    assert_non_null(strstr(e.text, "nand.channels = 0"));
    c = w.config;
    c.read_time.count = 2;
    assert_int_equal(nand_config_check(&c, &e), -EINVAL);
    assert_non_null(strstr(e.text, "nand.read_time has 2 values"));
    c = w.config;
    c.page_bytes = 1000;
    assert_int_equal(nand_config_check(&c, &e), -EINVAL);
    assert_non_null(strstr(e.text, "multiple of 512"));
    c = w.config;
    c.channels = c.luns = 64;
    c.blocks = 1 << 20;
    c.pages = 65535;
    c.planes = 16;
    assert_int_equal(nand_config_check(&c, &e), -EINVAL);
    assert_non_null(strstr(e.text, "PiB"));
    c = w.config;
    c.read_fail_ppm = -1;
    assert_int_equal(nand_config_check(&c, &e), -EINVAL);
    assert_null(nand_new(&c, NULL, NULL, true, 1, &e));
}

static void test_nand_damaged_state(void **state) {
    (void)state;
    struct world w;
    world_defaults(&w);
    world_open(&w, 1);
    w.blocks[7].next_page = 13;
    assert_null(nand_new(&w.config, w.sim, w.blocks, false, 1, &w.err));
    assert_non_null(strstr(w.err.text, "block 7"));
    world_close(&w);
}

static void expect_misuse(struct world *w, struct call *c, const char *why) {
    struct err e = {0};
    nand_submit(w->nand, &c->op);
    assert_int_equal(c->done, 0);
    sim_run(w->sim, SIM_NEVER);
    assert_int_equal(c->done, 1);
    assert_int_equal(c->op.result, NAND_FAILED);
    assert_int_equal(nand_check(w->nand, &e), -EFAULT);
    assert_non_null(strstr(e.text, why));
    nand_free(w->nand);
    w->nand = nand_new(&w->config, w->sim, w->blocks, false, 1, &w->err);
}

static void test_nand_misuse(void **state) {
    (void)state;
    struct world w;
    world_defaults(&w);
    world_open(&w, 1);
    struct call c = call(&w, NAND_READ, 0, 0, 0, 0);
    expect_misuse(&w, &c, "page is erased");
    c = call(&w, NAND_PROGRAM, 0, 0, 0, 1);
    expect_misuse(&w, &c, "next page");
    c = call(&w, NAND_PROGRAM, 4, 0, 0, 0);
    expect_misuse(&w, &c, "no such");
    c = call(&w, NAND_PROGRAM, 0, 4, 0, 0);
    expect_misuse(&w, &c, "no such");
    c = call(&w, NAND_READ, 0, 0, 0, 12);
    expect_misuse(&w, &c, "no such");
    c = call(&w, NAND_READ, 0, 0, 0, 0);
    c.op.bytes = 0;
    expect_misuse(&w, &c, "no such");
    world_close(&w);
}

/* --- failures --- */

/* Read page 0 of block 0 `count` times at `ppm`; the number of failures, and a hash of which. */
static unsigned read_failures(double ppm, uint64_t seed, unsigned count, uint64_t *hash) {
    struct world w;
    unsigned failed = 0;
    world_defaults(&w);
    w.config.read_fail_ppm = ppm;
    world_open(&w, seed);
    world_fill(&w);
    for (unsigned i = 0; i < count; i++) {
        struct call c = call(&w, NAND_READ, 0, 0, 0, 0);
        nand_submit(w.nand, &c.op);
        run(&w);
        failed += c.op.result == NAND_FAILED;
        *hash = (*hash ^ (c.op.result + 1u)) * 0x100000001b3ull;
    }
    assert_int_equal(nand_counters(w.nand)->failed[NAND_READ], failed);
    world_close(&w);
    return failed;
}

static void test_nand_injected_read_failures(void **state) {
    (void)state;
    uint64_t one = 1, same = 1, other = 1, none = 1;
    unsigned failed = read_failures(100000, 7, 10000, &one);
    assert_in_range(failed, 1000 - 150, 1000 + 150); /* 5 standard deviations */
    assert_int_equal(read_failures(100000, 7, 10000, &same), failed);
    assert_true(one == same);
    read_failures(100000, 8, 10000, &other);
    assert_true(one != other);
    assert_int_equal(read_failures(0, 7, 1000, &none), 0);
    assert_int_equal(read_failures(1e6, 7, 1000, &none), 1000);
}

static void test_nand_program_failure_grows_bad_block(void **state) {
    (void)state;
    struct world w;
    world_defaults(&w);
    w.config.program_fail_ppm = 300000;
    world_open(&w, 3);
    struct nand_block *b = w.blocks;
    uint32_t page = 0;
    struct call c;
    do {
        c = call(&w, NAND_PROGRAM, 0, 0, 0, page++);
        nand_submit(w.nand, &c.op);
        run(&w);
    } while (c.op.result == NAND_DONE);
    assert_int_equal(b->bad, 2);
    c = call(&w, NAND_PROGRAM, 0, 0, 0, page);
    nand_submit(w.nand, &c.op);
    run(&w);
    assert_int_equal(c.op.result, NAND_FAILED);
    if (page > 1) {
        c = call(&w, NAND_READ, 0, 0, 0, 0);
        nand_submit(w.nand, &c.op);
        run(&w);
        assert_int_equal(c.op.result, NAND_DONE);
    }
    c = call(&w, NAND_ERASE, 0, 0, 0, 0);
    nand_submit(w.nand, &c.op);
    run(&w);
    assert_int_equal(c.op.result, NAND_FAILED);
    world_close(&w);
}

static void test_nand_wear_out(void **state) {
    (void)state;
    struct world w;
    uint64_t sum = 0;
    world_defaults(&w);
    w.config.endurance = 1000;
    world_open(&w, 5);
    for (uint32_t block = 0; block < 8; block++) {
        struct call c;
        do {
            c = call(&w, NAND_ERASE, 0, 0, block, 0);
            nand_submit(w.nand, &c.op);
            run(&w);
        } while (c.op.result == NAND_DONE);
        uint32_t erases = w.blocks[nand_block_index(&w.config, 0, 0, block)].erases;
        assert_true(erases > 1000 && erases < 1600);
        sum += erases;
    }
    assert_in_range(sum / 8, 1060, 1200); /* Rayleigh: mean 125 beyond the limit */
    world_close(&w);
}

static void test_nand_factory_bad_blocks(void **state) {
    (void)state;
    struct world a, b;
    unsigned bad = 0;
    world_defaults(&a);
    a.config.blocks = 1000;
    a.config.factory_bad_percent = 2;
    b = a;
    world_open(&a, 11);
    world_open(&b, 11);
    uint64_t count = nand_block_count(&a.config);
    assert_memory_equal(a.blocks, b.blocks, count * sizeof *a.blocks);
    for (uint64_t i = 0; i < count; i++)
        bad += a.blocks[i].bad == 1;
    assert_in_range(bad, 320 - 90, 320 + 90);
    world_close(&a);
    world_close(&b);
}

/* --- power cut --- */

static void test_nand_power_cut(void **state) {
    (void)state;
    struct world w;
    world_defaults(&w);
    world_open(&w, 1);
    for (int64_t cut = 0; cut < 6000000; cut += 97331) {
        struct call c[24];
        unsigned done = 0;
        for (unsigned i = 0; i < 12; i++) {
            c[i] = call(&w, NAND_PROGRAM, 0, (uint8_t)(i % 2), 0, i / 2);
            c[12 + i] = call(&w, NAND_ERASE, (uint16_t)(1 + i % 3), 0, i % 8, 0);
        }
        for (uint64_t i = 0; i < nand_block_count(&w.config); i++)
            w.blocks[i].next_page = 0;
        for (unsigned i = 0; i < 24; i++)
            nand_submit(w.nand, &c[i].op);
        sim_run(w.sim, sim_now(w.sim) + cut);
        for (unsigned i = 0; i < 12; i++)
            done += c[i].done;
        nand_power_cut(w.nand);
        assert_int_equal(w.blocks[nand_block_index(&w.config, 0, 0, 0)].next_page +
                             w.blocks[nand_block_index(&w.config, 0, 1, 0)].next_page,
                         done);
        unsigned before = done;
        run(&w); /* nothing is left to happen */
        done = 0;
        for (unsigned i = 0; i < 12; i++)
            done += c[i].done;
        assert_int_equal(done, before);
        for (uint32_t die = 0; die < 4; die++)
            assert_int_equal(nand_die_load(w.nand, die), 0);
    }
    world_close(&w);
}

struct cutter {
    struct call call; /* first */
    unsigned *done;
    unsigned cut_at;
};

static void cutting_call(struct nand_op *op) {
    struct cutter *c = (struct cutter *)op;
    if (++*c->done == c->cut_at)
        nand_power_cut(c->call.world->nand);
}

/* The power goes in the n-th done(), also in the middle of a multi-plane operation: no other is called. */
static void test_nand_power_cut_in_done(void **state) {
    (void)state;
    for (unsigned cut_at = 1; cut_at <= 12; cut_at++) {
        struct world w;
        struct cutter c[12];
        unsigned done = 0;
        world_defaults(&w);
        world_open(&w, 1);
        w.blocks[nand_block_index(&w.config, 0, 3, 3)].next_page = 12;
        for (unsigned i = 0; i < 12; i++) {
            c[i] = (struct cutter){.done = &done, .cut_at = cut_at};
            if (i < 8)
                c[i].call = call(&w, i < 4 ? NAND_PROGRAM : NAND_ERASE, 0, (uint8_t)(i % 4), i / 4, 0);
            else
                c[i].call = call(&w, NAND_READ, 0, 3, 3, i);
            c[i].call.op.done = cutting_call;
            nand_submit(w.nand, &c[i].call.op);
        }
        run(&w);
        assert_int_equal(done, cut_at);
        assert_int_equal(nand_die_load(w.nand, 0), 0);
        world_close(&w);
    }
}

static void test_nand_stats(void **state) {
    (void)state;
    struct world w;
    world_defaults(&w);
    world_open(&w, 1);
    world_fill(&w);
    struct call c = call(&w, NAND_READ, 2, 0, 0, 0);
    c.repeat = 9;
    nand_submit(w.nand, &c.op);
    run(&w);
    struct call x = call(&w, NAND_ERASE, 2, 0, 0, 0);
    nand_submit(w.nand, &x.op);
    run(&w);
    assert_int_equal(nand_wear(w.nand)->erases, 1);
    assert_int_equal(nand_wear(w.nand)->bad, 0);
    json_t *s = nand_stats_json(w.nand);
    assert_non_null(s);
    int reads, busiest_die, busiest_channel, erases_max;
    double die, mean;
    assert_int_equal(json_unpack(s, "{s:{s:{s:i}}, s:{s:i, s:f}, s:{s:i}, s:{s:i, s:f}}", "read", "ops", "host", &reads,
                                 "die_utilisation", "busiest", &busiest_die, "max", &die, "channel_utilisation",
                                 "busiest", &busiest_channel, "wear", "erases_max", &erases_max, "erases_mean", &mean),
                     0);
    assert_int_equal(reads, 10);
    assert_int_equal(busiest_die, 2);
    assert_int_equal(busiest_channel, 1);
    assert_int_equal(erases_max, 1);
    assert_true(mean > 0 && mean < 0.01);
    double expected = (10 * 45000.0 + 3500000) / (double)sim_now(w.sim);
    assert_true(die > expected - 1e-9 && die < expected + 1e-9);
    json_decref(s);
    world_close(&w);
}

static json_int_t picojoules(const struct world *w, const char *part, const char *of_cause) {
    json_t *stats = nand_stats_json(w->nand), *energy = json_object_get(stats, "energy_pj");
    assert_non_null(energy);
    json_t *value = json_object_get(of_cause ? json_object_get(energy, part) : energy, of_cause ? of_cause : part);
    assert_true(json_is_integer(value));
    json_int_t pj = json_integer_value(value);
    json_decref(stats);
    return pj;
}

/* 1 us at 1 mA and 1 V is a nanojoule. */
static void test_nand_energy(void **state) {
    struct world w;
    world_defaults(&w);
    w.config.supply_mv = 3000;
    w.config.read_ua = 20000;
    w.config.program_ua = 25000;
    w.config.erase_ua = 15000;
    w.config.bus_ua = 5000;
    w.config.standby_ua = 100;
    world_open(&w, 1);
    world_fill(&w);
    w.blocks[0].next_page = 0;
    struct call calls[] = {
        call(&w, NAND_PROGRAM, 0, 0, 0, 0), call(&w, NAND_READ, 1, 0, 1, 0), /* page type 0 */
        call(&w, NAND_READ, 1, 0, 2, 1), call(&w, NAND_ERASE, 2, 0, 3, 0),   /* page type 1 */
    };
    calls[2].op.cause = calls[3].op.cause = NAND_GC;
    json_int_t on_bus = 0;
    for (unsigned i = 0; i < 4; i++) {
        nand_submit(w.nand, &calls[i].op);
        run(&w); /* one by one: nobody is suspended, nothing overlaps */
        assert_int_equal(calls[i].op.result, NAND_DONE);
        on_bus += calls[i].op.bus_ns;
    }
    json_int_t read[] = {w.config.read_time.ns[0] * 20 * 3, w.config.read_time.ns[1] * 20 * 3};
    json_int_t program = w.config.program_time.ns[0] * 25 * 3, erase = w.config.erase_time * 15 * 3;
    assert_int_equal(picojoules(&w, "read", NULL), read[0] + read[1]);
    assert_int_equal(picojoules(&w, "program", NULL), program);
    assert_int_equal(picojoules(&w, "erase", NULL), erase);
    assert_int_equal(picojoules(&w, "bus", NULL), on_bus * 5 * 3);
    assert_int_equal(picojoules(&w, "standby", NULL), sim_now(w.sim) * 4 * 3 / 10);
    assert_int_equal(picojoules(&w, "by_cause", "gc"),
                     read[1] + erase + (calls[2].op.bus_ns + calls[3].op.bus_ns) * 5 * 3);
    assert_int_equal(picojoules(&w, "total", NULL), picojoules(&w, "by_cause", "gc") +
                                                        picojoules(&w, "by_cause", "host") +
                                                        picojoules(&w, "standby", NULL));
    json_t *since = nand_energy_json(w.nand, nand_counters(w.nand), 0);
    assert_int_equal(json_integer_value(json_object_get(since, "total")), 0);
    json_decref(since);
    world_close(&w);
    world_defaults(&w); /* gives none */
    world_open(&w, 1);
    assert_null(nand_energy_json(w.nand, nand_counters(w.nand), 0));
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nand_read_latency),
        cmocka_unit_test(test_nand_program_and_erase_latency),
        cmocka_unit_test(test_nand_zero_times),
        cmocka_unit_test(test_nand_multi_plane_program),
        cmocka_unit_test(test_nand_multi_plane_of_one_die),
        cmocka_unit_test(test_nand_multi_plane_read_and_erase),
        cmocka_unit_test(test_nand_different_pages_do_not_merge),
        cmocka_unit_test(test_nand_cache_read),
        cmocka_unit_test(test_nand_cache_program),
        cmocka_unit_test(test_nand_erase_suspend),
        cmocka_unit_test(test_nand_no_suspend_near_the_end_or_for_gc),
        cmocka_unit_test(test_nand_suspend_before_the_array_starts),
        cmocka_unit_test(test_nand_read_during_data_in),
        cmocka_unit_test(test_nand_read_before_data_in),
        cmocka_unit_test(test_nand_order_of_service),
        cmocka_unit_test(test_nand_starvation_is_bounded),
        cmocka_unit_test(test_nand_bus_starvation_is_bounded),
        cmocka_unit_test(test_nand_saturated_channel),
        cmocka_unit_test(test_nand_saturated_dies),
        cmocka_unit_test(test_nand_interleaved_programs),
        cmocka_unit_test(test_nand_config_errors),
        cmocka_unit_test(test_nand_damaged_state),
        cmocka_unit_test(test_nand_misuse),
        cmocka_unit_test(test_nand_injected_read_failures),
        cmocka_unit_test(test_nand_program_failure_grows_bad_block),
        cmocka_unit_test(test_nand_wear_out),
        cmocka_unit_test(test_nand_factory_bad_blocks),
        cmocka_unit_test(test_nand_power_cut),
        cmocka_unit_test(test_nand_power_cut_in_done),
        cmocka_unit_test(test_nand_stats),
        cmocka_unit_test(test_nand_energy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
