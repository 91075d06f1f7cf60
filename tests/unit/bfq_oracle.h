/* BFQ told again, the slow way; see told.h. */
#ifndef DRIVELAB_TESTS_BFQ_ORACLE_H
#define DRIVELAB_TESTS_BFQ_ORACLE_H

#include "told.h"

struct bfq_told_settings {
    int level[T_PROCS];
    bool rotational, initial_rotational, strict, low_latency; /* initial: when the scheduler was put in charge */
    int64_t slice_idle;
};

/* What is compared of a queue: those of sync requests have their process' number, that of async ones T_PROCS. */
struct bfq_told_queue {
    bool busy, serving, short_think, io_bound;
    int next, tag;
    int64_t factor, max_budget, service, budget, base, limit, peak;
    uint64_t start, finish;
};

struct bfq_told_queue bfq_told_queue(const struct told *t, int queue);

void bfq_told_begin(struct told *t, const struct bfq_told_settings *set);

#endif
