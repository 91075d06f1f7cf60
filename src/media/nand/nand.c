/*
 * The NAND as its callers see it: life, submission, results, bad blocks.
 *
 * Faithful: pages of a block are programmed in order and read only when
 * programmed; a failed program or erase makes the block bad while its other
 * pages stay readable.
 *
 * Simplified: failures are independent draws per operation; wear shows only as
 * erase failures: beyond `endurance` the chance of a failure grows by
 * 100 / endurance^2 a cycle, so that blocks die over about the next tenth of
 * their life. An interrupted program or erase (power cut) leaves its block as
 * it was.
 *
 * Not modelled: retention, read disturb, read retries and soft decoding.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "media/nand/nand_int.h"

enum { STREAM_FACTORY = 0x6e616e64, STREAM_FAILURES };

/* --- life --- */

static uint64_t chance_of_2_64(double chance) {
    return chance >= 1 ? UINT64_MAX : (uint64_t)(chance * 0x1.0p64);
}

static void set_times(struct nand *n, const struct nand_config *c) {
    n->bits = (uint32_t)c->cell + 1;
    n->type_recip = (1ull << 32) / n->bits + 1;
    for (uint32_t t = 0; t < 4; t++) {
        n->array_ns[NAND_READ][t] = c->read_time.ns[t < c->read_time.count ? t : 0];
        n->array_ns[NAND_PROGRAM][t] = c->program_time.ns[t < c->program_time.count ? t : 0];
        n->array_ns[NAND_ERASE][t] = c->erase_time;
    }
    n->command_ns = c->command_time;
    n->byte_ns_q32 = c->bus_mts ? ((1000ull << 32) + c->bus_mts - 1) / c->bus_mts : 0;
}

static void set_chances(struct nand *n, const struct nand_config *c) {
    n->fail_below[NAND_READ] = chance_of_2_64(c->read_fail_ppm / 1e6);
    n->fail_below[NAND_PROGRAM] = chance_of_2_64(c->program_fail_ppm / 1e6);
    n->fail_below[NAND_ERASE] = chance_of_2_64(c->erase_fail_ppm / 1e6);
    n->wear_slope = c->endurance ? chance_of_2_64(100.0 / c->endurance / c->endurance) : 0;
    nand_may_fail(n);
}

static void set_joins(struct nand *n, uint32_t dies) {
    for (uint32_t p = 0; p < NAND_PLANES_MAX; p++) {
        n->joins[p] = 0;
        for (uint32_t q = p % dies; q < NAND_PLANES_MAX; q += dies)
            n->joins[p] |= (uint16_t)(1u << q);
    }
}

static void set_config(struct nand *n, const struct nand_config *c) {
    n->config = *c;
    n->die_count = nand_die_count(c);
    n->starvation_limit = c->starvation_limit;
    n->multi_plane = c->multi_plane && c->planes > 1;
    set_joins(n, c->multi_plane_dies ? c->multi_plane_dies : 1);
    n->cache_read = c->cache_read;
    n->cache_program = c->cache_program;
    set_times(n, c);
    set_chances(n, c);
}

void nand_reconfigure(struct nand *n, const struct nand_config *config) {
    set_config(n, config);
}

static void draw_factory_bad(struct nand *n, uint64_t seed) {
    uint64_t below = chance_of_2_64(n->config.factory_bad_percent / 100), count = nand_block_count(&n->config);
    struct rng rng;
    rng_init(&rng, seed, STREAM_FACTORY);
    for (uint64_t i = 0; below && i < count; i++)
        if (rng_next(&rng) < below)
            n->blocks[i].bad = 1;
}

struct nand_wear nand_wear_sum(const struct nand *n) {
    struct nand_wear sum = {0};
    for (uint64_t i = 0, count = nand_block_count(&n->config); i < count; i++) {
        sum.erases += n->blocks[i].erases;
        sum.bad += n->blocks[i].bad != 0;
    }
    return sum;
}

int nand_check_blocks(const struct nand *n, struct err *e) {
    uint64_t count = nand_block_count(&n->config);
    for (uint64_t i = 0; i < count; i++)
        if (n->blocks[i].next_page > n->config.pages || n->blocks[i].bad > 2)
            return err_set(e, EINVAL, "state of NAND block %llu is damaged: next page %u of %u, bad %u",
                           (unsigned long long)i, n->blocks[i].next_page, n->config.pages, n->blocks[i].bad);
    return 0;
}

static void reject_event(struct sim_event *ev);

struct nand *nand_new(const struct nand_config *config, struct sim *sim, struct nand_block *blocks, bool fresh,
                      uint64_t seed, struct err *e) {
    if (nand_config_check(config, e))
        return NULL;
    uint32_t dies = nand_die_count(config);
    struct nand *n = calloc(1, sizeof *n);
    if (!n)
        goto no_memory;
    n->dies = aligned_alloc(64, dies * sizeof *n->dies);
    n->channels = aligned_alloc(64, config->channels * sizeof *n->channels);
    if (!n->dies || !n->channels)
        goto no_memory;
    n->sim = sim;
    n->blocks = blocks;
    n->created_ns = sim_now(sim);
    set_config(n, config);
    nand_faults_init(n);
    rng_init(&n->rng, seed, STREAM_FAILURES);
    sim_event_init(&n->reject_ev, reject_event);
    for (uint32_t i = 0; i < config->channels; i++)
        channel_init(&n->channels[i], n, i);
    for (uint32_t i = 0; i < dies; i++)
        die_init(&n->dies[i], n, i);
    if (fresh)
        draw_factory_bad(n, seed);
    else if (nand_check_blocks(n, e))
        goto fail;
    n->wear = nand_wear_sum(n);
    return n;
no_memory:
    err_set(e, ENOMEM, "no memory for the NAND's %u dies", dies);
fail:
    nand_free(n);
    return NULL;
}

void nand_free(struct nand *n) {
    if (!n)
        return;
    if (n->dies && n->channels && n->sim)
        nand_power_cut(n);
    nand_faults_release(n);
    free(n->dies);
    free(n->channels);
    free(n);
}

void nand_power_cut(struct nand *n) {
    n->epoch++;
    for (uint32_t i = 0; i < n->config.channels; i++)
        channel_power_cut(&n->channels[i]);
    for (uint32_t i = 0; i < nand_die_count(&n->config); i++)
        die_power_cut(&n->dies[i]);
    nand_holds_clear(n);
    sim_cancel(n->sim, &n->reject_ev);
    n->reject_head = n->reject_tail = NULL;
}

/* --- caller's bugs --- */

static void misuse(struct nand *n, const struct nand_op *op, const char *why) {
    static const char *const names[] = {"read", "program", "erase"};
    if (n->misuses++ == 0)
        snprintf(n->first_misuse, sizeof n->first_misuse, "%s of die %u plane %u block %u page %u: %s",
                 op->kind < NAND_KINDS ? names[op->kind] : "operation", op->die, op->plane, op->block, op->page, why);
}

static void reject_event(struct sim_event *ev) {
    struct nand *n = (struct nand *)((char *)ev - offsetof(struct nand, reject_ev));
    uint32_t epoch = n->epoch;
    struct nand_op *op = n->reject_head;
    n->reject_head = n->reject_tail = NULL;
    while (op && epoch == n->epoch) {
        struct nand_op *next = op->next;
        op->done(op);
        op = next;
    }
}

static bool addresses_something(const struct nand *n, const struct nand_op *op) {
    const struct nand_config *c = &n->config;
    if (op->kind >= NAND_KINDS || op->cause >= NAND_CAUSES || op->die >= n->die_count || op->plane >= c->planes ||
        op->block >= c->blocks)
        return false;
    return op->kind == NAND_ERASE || (op->page < c->pages && op->bytes && op->bytes <= c->page_bytes);
}

static void reject(struct nand *n, struct nand_op *op) {
    misuse(n, op, "no such address, kind, cause or length");
    op->result = NAND_FAILED;
    op->next = NULL;
    if (n->reject_head)
        n->reject_tail->next = op;
    else
        n->reject_head = op;
    n->reject_tail = op;
    if (!sim_event_pending(&n->reject_ev))
        sim_schedule(n->sim, &n->reject_ev, sim_now(n->sim));
}

/* --- the way in and out --- */

void nand_submit(struct nand *n, struct nand_op *op) {
    int64_t now = sim_now(n->sim);
    op->submitted_ns = op->started_ns = now;
    op->array_ns = op->bus_ns = 0;
    op->suspensions = 0;
    if (unlikely(!addresses_something(n, op))) {
        reject(n, op);
        return;
    }
    struct die *d = &n->dies[op->die];
    bool host = op->urgent || op->cause <= NAND_MAPPING;
    op->queue = (uint8_t)(op->kind + (host ? 0 : NAND_KINDS));
    op->seq = d->seq++;
    d->load++;
    __builtin_prefetch(die_block(d, op)); /* looked at when the array is done */
    die_submitted(d, op, now);
}

static inline bool fails(struct nand *n, const struct nand_op *op) {
    return unlikely(n->may_fail[op->kind]) && nand_fails(n, op);
}

static uint8_t apply_read(struct nand *n, struct nand_op *op, const struct nand_block *b) {
    if (op->page < b->next_page)
        return fails(n, op) ? NAND_FAILED : NAND_DONE;
    misuse(n, op, "page is erased");
    return NAND_FAILED;
}

static void grow_bad(struct nand *n, struct nand_block *b) {
    b->bad = 2;
    n->wear.bad++;
}

static uint8_t apply_program(struct nand *n, struct nand_op *op, struct nand_block *b) {
    if (b->bad)
        return NAND_FAILED;
    if (op->page != b->next_page) {
        misuse(n, op, "not the block's next page");
        return NAND_FAILED;
    }
    b->next_page++;
    if (!fails(n, op))
        return NAND_DONE;
    grow_bad(n, b);
    return NAND_FAILED;
}

static uint64_t wear_chance(const struct nand *n, uint32_t erases) {
    uint64_t chance;
    if (!n->wear_slope || erases <= n->config.endurance)
        return 0;
    return __builtin_mul_overflow(n->wear_slope, (uint64_t)(erases - n->config.endurance), &chance) ? UINT64_MAX
                                                                                                    : chance;
}

static bool worn(struct nand *n, const struct nand_block *b) {
    uint64_t chance = wear_chance(n, b->erases);
    return chance && rng_next(&n->rng) < chance;
}

static uint8_t apply_erase(struct nand *n, const struct nand_op *op, struct nand_block *b) {
    if (b->bad)
        return NAND_FAILED;
    b->erases++;
    n->wear.erases++;
    if (fails(n, op) || worn(n, b)) {
        grow_bad(n, b);
        return NAND_FAILED;
    }
    b->next_page = 0;
    return NAND_DONE;
}

void nand_decide(struct nand *n, struct nand_op *op, struct nand_block *b) {
    if (op->kind == NAND_READ)
        op->result = apply_read(n, op, b);
    else if (op->kind == NAND_PROGRAM)
        op->result = apply_program(n, op, b);
    else
        op->result = apply_erase(n, op, b);
    n->counters.failed[op->kind] += op->result == NAND_FAILED;
}

/* --- what others ask --- */

uint32_t nand_die_load(const struct nand *n, uint32_t die) {
    return n->dies[die].load;
}

const struct nand_counters *nand_counters(const struct nand *n) {
    return &n->counters;
}

const struct nand_wear *nand_wear(const struct nand *n) {
    return &n->wear;
}

void nand_erased(struct nand *n, uint64_t block_index) {
    n->blocks[block_index].next_page = 0;
    n->blocks[block_index].erases++;
    n->wear.erases++;
}

void nand_observe(struct nand *n, struct nand_observer *observer) {
    n->observer = observer;
}
