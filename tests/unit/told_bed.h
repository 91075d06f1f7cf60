/*
 * A scheduler of the block layer against the same one told again (told.h): the
 * same arrivals and completions to both, and each request the drive is given,
 * and when, has to be the one that the oracle names.
 */
#ifndef DRIVELAB_TESTS_TOLD_BED_H
#define DRIVELAB_TESTS_TOLD_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/rng.h"
#include "block/block_int.h"
#include "told.h"

struct told_bed {
    struct sim *sim;
    struct drive *drive;
    struct block *block;
    struct block_watch watch;
    struct rng r;
    const struct told_ops *ops;
    struct elevator_ops free_tags;
    struct told t;
    struct io io[T_REQUESTS];
    int depth, ahead; /* ahead: what the driver looked at with no room for it, or T_NONE */
    unsigned seed;
    unsigned waits, timers, merges; /* how often they were seen */
};

extern struct told_bed bed; /* large */

/* A random number of this run. */
unsigned bed_pick(unsigned below);

/* A run begins: then its drive and its queue are made of `options` and settings. */
void bed_begin(const struct told_ops *ops, unsigned seed);
void bed_open(const char *const *options, unsigned count, const struct block_settings *settings);

/* From now on dispatches and completions are compared. Nobody has to wait for a tag. */
void bed_watch(bool nomerges);

/* An attribute of the queue; of the scheduler, which is the value returned. */
void bed_set(const char *name, int64_t value);
int64_t bed_tune(const char *name, int64_t value);

/* A process' priority. */
void bed_describe(uint32_t owner, int class, int level);

/* When the next of processes that don't wait for each other comes: on average `pace` ns later, never at a jiffy's edge.
 */
int64_t bed_next(int64_t now_ns, int64_t pace);

/* Another event begins: timers of the oracle's that are due by now go first. */
void bed_advance(void);

/* A request of `r`, without state and time, by both; `done` is called at its end. */
void bed_arrive(struct told_request r, enum io_op op, uint32_t owner, void (*done)(struct io *));

/* Everything is done: nothing is lost. */
void bed_end(void);

/* The oracle's number of a request. */
int bed_number(const struct request *rq);

void bed_expect(const json_t *stats, const char *of, const char *name, int64_t expected);

#endif
