/*
 * Faults of the NAND: chances from the options, faults from outside, dies
 * that are held. See nand.h.
 *
 * Faithful: nothing; these are the handles a laboratory needs.
 * Simplified: a held die's data still crosses the bus, as its registers
 * are not the array.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "media/nand/nand_int.h"

/* --- failures --- */

void nand_may_fail(struct nand *n) {
    for (unsigned kind = 0; kind < NAND_KINDS; kind++)
        n->may_fail[kind] = n->fail_below[kind] != 0;
    for (unsigned i = 0; i < n->fault_count; i++)
        n->may_fail[n->faults[i].kind] = true;
}

static void fault_remove(struct nand *n, unsigned i) {
    n->fault_count--;
    memmove(&n->faults[i], &n->faults[i + 1], (n->fault_count - i) * sizeof n->faults[0]);
    nand_may_fail(n);
}

static bool meant(const struct nand_fault *f, const struct nand_op *op) {
    return f->kind == op->kind && (f->die == NAND_ANY || f->die == op->die) &&
           (f->plane == NAND_ANY || f->plane == op->plane) && (f->block == NAND_ANY || f->block == op->block);
}

bool nand_fails(struct nand *n, const struct nand_op *op) {
    for (unsigned i = 0; i < n->fault_count; i++)
        if (meant(&n->faults[i], op)) {
            if (--n->faults[i].count == 0)
                fault_remove(n, i);
            return true;
        }
    return n->fail_below[op->kind] && rng_next(&n->rng) < n->fail_below[op->kind];
}

static int check_place(const char *what, uint32_t value, uint32_t count, struct err *e) {
    if (value == NAND_ANY || value < count)
        return 0;
    return err_set(e, EINVAL, "there is no %s %" PRIu32 "; valid are 0 to %" PRIu32, what, value, count - 1);
}

int nand_fault_add(struct nand *n, const struct nand_fault *fault, struct err *e) {
    const struct nand_config *c = &n->config;
    if (fault->kind >= NAND_KINDS || !fault->count)
        return err_set(e, EINVAL, "a fault fails one kind of operation at least once");
    if (check_place("die", fault->die, nand_die_count(c), e) || check_place("plane", fault->plane, c->planes, e) ||
        check_place("block", fault->block, c->blocks, e))
        return -EINVAL;
    if (n->fault_count == NAND_FAULTS)
        return err_set(e, ENOSPC, "%u faults of the flash are waiting already", NAND_FAULTS);
    n->faults[n->fault_count++] = *fault;
    nand_may_fail(n);
    return 0;
}

unsigned nand_faults(const struct nand *n, struct nand_fault *faults) {
    memcpy(faults, n->faults, n->fault_count * sizeof *faults);
    return n->fault_count;
}

bool nand_fault_clear(struct nand *n, uint32_t id) {
    for (unsigned i = 0; i < n->fault_count; i++)
        if (n->faults[i].id == id) {
            fault_remove(n, i);
            return true;
        }
    return false;
}

/* --- dies that are held --- */

static void die_let_go(struct die *d, int64_t now) {
    d->held = false;
    d->nand->held_until[d->index] = 0;
    die_kick(d, now);
}

/* One event for the die that goes on first. */
static void schedule_next(struct nand *n) {
    int64_t next = SIM_NEVER;
    sim_cancel(n->sim, &n->held_ev);
    for (uint32_t i = 0; i < nand_die_count(&n->config); i++)
        if (n->dies[i].held && n->held_until[i] < next)
            next = n->held_until[i];
    if (next != SIM_NEVER)
        sim_schedule(n->sim, &n->held_ev, next);
}

static void held_event(struct sim_event *ev) {
    struct nand *n = (struct nand *)((char *)ev - offsetof(struct nand, held_ev));
    int64_t now = sim_now(n->sim);
    for (uint32_t i = 0; i < nand_die_count(&n->config); i++)
        if (n->dies[i].held && n->held_until[i] <= now)
            die_let_go(&n->dies[i], now);
    schedule_next(n);
}

int nand_hold(struct nand *n, uint32_t die, int64_t for_ns, struct err *e) {
    uint32_t dies = nand_die_count(&n->config);
    int64_t until;
    if (die >= dies)
        return err_set(e, EINVAL, "there is no die %" PRIu32 "; valid are 0 to %" PRIu32, die, dies - 1);
    if (for_ns <= 0 || __builtin_add_overflow(sim_now(n->sim), for_ns, &until))
        return err_set(e, EINVAL, "a die cannot be held for %" PRId64 " ns", for_ns);
    if (!n->held_until)
        n->held_until = calloc(dies, sizeof *n->held_until);
    if (!n->held_until)
        return err_set(e, ENOMEM, "no memory to hold a die");
    if (until > n->held_until[die])
        n->held_until[die] = until;
    n->dies[die].held = true;
    schedule_next(n);
    return 0;
}

int64_t nand_held_until(const struct nand *n, uint32_t die) {
    return n->dies[die].held ? n->held_until[die] : 0;
}

bool nand_release(struct nand *n, uint32_t die) {
    if (die >= nand_die_count(&n->config) || !n->dies[die].held)
        return false;
    die_let_go(&n->dies[die], sim_now(n->sim));
    schedule_next(n);
    return true;
}

/* --- life --- */

void nand_faults_init(struct nand *n) {
    sim_event_init(&n->held_ev, held_event);
}

void nand_faults_release(struct nand *n) {
    free(n->held_until);
}

void nand_holds_clear(struct nand *n) {
    sim_cancel(n->sim, &n->held_ev);
    if (n->held_until)
        memset(n->held_until, 0, nand_die_count(&n->config) * sizeof *n->held_until);
}
