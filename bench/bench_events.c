/*
 * Event queue: schedule+fire pairs a second in virtual time, handlers that
 * reschedule themselves. Figures per number of pending events and pattern of
 * delays; processor time, best of three runs,
 * because the machine may be shared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "sim/sim.h"

struct load {
    struct sim *sim;
    struct rng rng;
    uint64_t left;
};

struct ticker {
    struct sim_event ev;
    struct load *load;
};

static inline bool load_spent(struct load *l) {
    return l->left == 0 || --l->left == 0;
}

/* Delays 0..100 us. */
static void fire_random(struct sim_event *ev) {
    struct load *l = ((struct ticker *)ev)->load;
    if (load_spent(l)) {
        sim_stop(l->sim);
        return;
    }
    sim_schedule(l->sim, ev, ev->at_ns + (int64_t)rng_below(&l->rng, 100001));
}

/* What dies do: a read of 40 us or one of four bus transfers of 3.3 us, so that many times are equal. */
static void fire_nand(struct sim_event *ev) {
    struct load *l = ((struct ticker *)ev)->load;
    if (load_spent(l)) {
        sim_stop(l->sim);
        return;
    }
    sim_schedule(l->sim, ev, ev->at_ns + (rng_next(&l->rng) & 3 ? 3300 : 40000));
}

/* One in eight is a timeout of 120 s that is cancelled and set again. */
static void fire_timeout(struct sim_event *ev) {
    struct load *l = ((struct ticker *)ev)->load;
    struct ticker *t = (struct ticker *)ev, *far = t + 1;
    if (load_spent(l)) {
        sim_stop(l->sim);
        return;
    }
    sim_schedule(l->sim, ev, ev->at_ns + (int64_t)rng_below(&l->rng, 100001));
    if ((rng_next(&l->rng) & 7) == 0) {
        sim_cancel(l->sim, &far->ev);
        sim_schedule(l->sim, &far->ev, ev->at_ns + 120000000000ll);
    }
}

static double run_once(uint32_t pending, uint64_t pairs, void (*fire)(struct sim_event *)) {
    struct sim *sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, NULL);
    struct ticker *t = calloc(2 * (size_t)pending, sizeof(*t));
    struct load load = {.sim = sim, .left = pairs};
    struct timespec a, b;
    if (!sim || !t)
        exit(1);
    rng_init(&load.rng, 1, 1);
    for (uint32_t i = 0; i < 2 * pending; i++) {
        t[i].load = &load;
        sim_event_init(&t[i].ev, fire);
        if (i % 2 == 0)
            sim_schedule(sim, &t[i].ev, (int64_t)rng_below(&load.rng, 100001));
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    sim_run(sim, SIM_NEVER);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    free(t);
    sim_free(sim);
    return (double)pairs / ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9);
}

int main(void) {
    static const struct {
        const char *name;
        void (*fire)(struct sim_event *);
    } patterns[] = {
        {"random 0..100 us", fire_random}, {"few delays (NAND)", fire_nand}, {"with timeouts", fire_timeout}};
    static const uint32_t pending[] = {1, 10, 100, 1000, 10000, 100000};
    printf("event queue, million schedule+fire pairs a second of one core\n%-20s", "pending");
    for (unsigned p = 0; p < sizeof(pending) / sizeof(*pending); p++)
        printf("%9u", pending[p]);
    for (unsigned k = 0; k < sizeof(patterns) / sizeof(*patterns); k++) {
        printf("\n%-20s", patterns[k].name);
        for (unsigned p = 0; p < sizeof(pending) / sizeof(*pending); p++) {
            double best = 0;
            for (int i = 0; i < 3; i++) {
                double rate = run_once(pending[p], 4000000, patterns[k].fire);
                best = rate > best ? rate : best;
            }
            printf("%9.1f", best / 1e6);
            fflush(stdout);
        }
    }
    printf("\n");
    return 0;
}
