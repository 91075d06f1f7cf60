/*
 * Writeback throttling: how many requests that nobody waits for the drive may
 * have, by how long reads take meanwhile. See wbt.c. The block layer's own.
 */
#ifndef DRIVELAB_BLOCK_WBT_H
#define DRIVELAB_BLOCK_WBT_H

#include "block/context.h"
#include "block/request.h"
#include "sim/sim.h"

struct json_t;

enum wbt_kind { WBT_WRITE, WBT_TRIM, WBT_KINDS };

struct block_wbt {
    struct block *block;
    int64_t min_lat_ns; /* what reads may take; 0: off */
    int64_t window_ns;  /* present length */
    struct sim_event timer;
    int32_t step; /* above 0: fewer than normal, below: more */
    bool at_most; /* more can't be had */
    uint32_t max_depth, normal, background;
    unsigned unknown; /* windows in a row that told nothing */
    uint32_t inflight[WBT_KINDS];
    TAILQ_HEAD(wbt_sleepers, block_context) wait[WBT_KINDS];
    bool waking[WBT_KINDS], serving; /* there may be room; sleepers are being woken */
    uint64_t reads, writes;          /* done in this window */
    int64_t fastest_read_ns;
    const struct request *watched;       /* a read in the drive; NULL: none */
    int64_t read_asked_ns, read_done_ns; /* the last */
    uint64_t sleeps, narrower, wider;
};

void block_wbt_init(struct block_wbt *w, struct block *b);
/* Forget requests and sleepers: after a power cut, and at the end. */
void block_wbt_forget(struct block_wbt *w);

/* Microseconds; -1: the default for such a drive; 0: off. */
void block_wbt_set(struct block_wbt *w, int64_t lat_usec);

void block_wbt_resize(struct block_wbt *w); /* the drive's depth has changed */

/*
 * Before a request for `io` is allocated. False: the process is asleep until
 * there is room. True: go on; `*counted` if block_wbt_exit() is to be called in the end.
 */
bool block_wbt_enter(struct block_wbt *w, struct block_context *c, const struct io *io, bool *counted);
void block_wbt_exit(struct block_wbt *w, bool trim);

void block_wbt_issued(struct block_wbt *w, const struct request *rq);
void block_wbt_completed(struct block_wbt *w, const struct request *rq);

static inline bool block_wbt_waking(const struct block_wbt *w) {
    return w->waking[WBT_WRITE] || w->waking[WBT_TRIM];
}
void block_wbt_run_wakes(struct block_wbt *w);

/* New JSON object. */
struct json_t *block_wbt_json(const struct block_wbt *w);

#endif
