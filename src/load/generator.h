/*
 * What a job asks for next: direction, place and size of its requests, from
 * rw, bs and the options about randomness. Knows no time and no drive.
 */
#ifndef DRIVELAB_LOAD_GENERATOR_H
#define DRIVELAB_LOAD_GENERATOR_H

#include "base/permutation.h"
#include "base/rng.h"
#include "load/distribution.h"
#include "load/job.h"
#include "load/lfsr.h"

enum { GENERATOR_AHEAD = 8 };

struct request {
    enum run_dir dir;
    uint64_t offset, bytes; /* of the drive */
};

struct generator {
    const struct job *job;
    uint64_t offset, size;                 /* the region */
    uint64_t window_at, window, in_window; /* zonemode=strided: part of it in use, bytes done there; else all of it */
    uint64_t unit;                         /* smallest request */
    uint64_t seed, stream;
    struct rng places, mix; /* of blocks; of directions, sizes and the rest */
    bool plain;             /* random, uniform, one size: the short way */
    bool mixed;             /* sizes differ: requests may be cut */
    int only;               /* direction, if there is but one; else -1 */
    /* plain: blocks are drawn ahead, so that it can be said where a later request goes */
    uint64_t ahead[GENERATOR_AHEAD]; /* ring */
    uint64_t given, drawn;           /* blocks */
    uint64_t soon;                   /* offset of a request to come, for drive_expect(); of the drive */
    /* random map */
    struct permutation order;
    struct lfsr lfsr;
    uint64_t *taken; /* bit per unit, if requests of different sizes share the map */
    struct distribution distribution[RUN_DIRS];
    uint64_t align[RUN_DIRS];
    uint64_t next[RUN_DIRS],
        last[RUN_DIRS];    /* sequential: where to go on, where the last one was; relative to the window */
    uint64_t repeats_left; /* rw=random:N */
    bool trimmed;          /* trimwrite: the block of `trim` is to be written */
    struct request trim;
};

/*
 * For a region of the drive, resolved. The same seed and stream give the same
 * requests. 0, or -ENOMEM; generator_release() in any case.
 */
int generator_init(struct generator *g, const struct job *job, uint64_t offset, uint64_t size, uint64_t seed,
                   uint64_t stream);
void generator_release(struct generator *g);

/* Direction of the next request. */
enum run_dir generator_direction(struct generator *g);

/*
 * The next request in that direction. False: every block had its turn, and
 * generator_pass() or generator_restart() makes it go on.
 */
bool generator_next(struct generator *g, enum run_dir dir, struct request *r);

/* Another pass, in another order. */
void generator_pass(struct generator *g);

/* As after generator_init(): with `same` the same order again (randrepeat), else another one. */
void generator_restart(struct generator *g, bool same);

#endif
