/*
 * Writeback throttling (wbt) of Linux, switched on by the attribute wbt_lat_usec.
 *
 * Async writes, those of fsync, and trims are counted from before they become
 * requests until they are done; beyond a limit their process sleeps. Reads and
 * O_DIRECT writes aren't. Every 100 ms the fastest read of that time is compared
 * with wbt_lat_usec (2 ms, or 75 ms where something rotates): if even that one
 * took longer, or one is under way for longer than the time looked at, the limit
 * is halved and the next look comes sooner; if not, it goes back up. While writes
 * go on without any reads it grows beyond the normal, up to 3/4 of the queue's depth.
 *
 *   step   > 0: max_depth = 1 + (depth - 1) / 2^step
 *          = 0: max_depth = depth = min(16, queue_depth)
 *          < 0: max_depth = 1 + (depth - 1) x 2^-step, at most 3/4 of queue_depth
 *   normal = max_depth / 2, background = max_depth / 4 (rounded up); within 100 ms
 *   of a read, writes have `background`.
 *
 * Source: Linux 6.8 Documentation/ABI/stable/sysfs-block (wbt_lat_usec),
 * behaviour of block/blk-wbt.c and blk-rq-qos.c.
 * Faithful: who is counted, limits, windows, steps.
 * Simplified: who is woken goes on at once.
 * Not modelled: memory pressure (kswapd, writers that sleep for dirty pages),
 * which lets writes have max_depth. Off until it is set; Linux has it on under
 * mq-deadline, kyber and none, and off under bfq.
 */
#include "block/wbt.h"

#include <jansson.h>

#include "block/block_int.h"

#define WINDOW_NS       100000000ll
#define DEPTH           16
#define DEF_LAT_USEC    2000
#define DEF_LAT_ROT     75000
#define WRITE_SAMPLES   3
#define UNKNOWN_WINDOWS 5
#define STEP_LEAST      (-30)

enum look { LOOK_OK, LOOK_EXCEEDED, LOOK_WRITES, LOOK_NOTHING };

/* --- limits --- */

static void set_limits(struct block_wbt *w) {
    uint32_t queue = w->block->depth, depth = queue < DEPTH ? queue : DEPTH;
    uint32_t most = 3 * (uint64_t)queue / 4;
    w->at_most = false;
    if (queue == 1) { /* one and one to come, unless too slow */
        depth = w->step > 0 ? 1 : 2;
        w->at_most = depth == 2;
    } else if (w->step > 0) {
        depth = 1 + ((depth - 1) >> (w->step < 31 ? w->step : 31));
    } else if (w->step < 0) {
        uint64_t grown = 1 + ((uint64_t)(depth - 1) << -w->step);
        w->at_most = grown > most;
        depth = grown > most ? most : (uint32_t)grown;
    }
    w->max_depth = depth;
    w->normal = depth <= 2 ? depth : (depth + 1) / 2;
    w->background = depth <= 2 ? 1 : (depth + 3) / 4;
}

static void wake_all(struct block_wbt *w) {
    for (unsigned i = 0; i < WBT_KINDS; i++)
        w->waking[i] = !TAILQ_EMPTY(&w->wait[i]);
}

static void wider(struct block_wbt *w) {
    if (w->at_most || w->step <= STEP_LEAST)
        return;
    w->step--;
    w->unknown = 0;
    w->wider++;
    set_limits(w);
    wake_all(w);
}

/* `hard`: reads suffer, so that what was more than normal is so no longer at once. */
static void narrower(struct block_wbt *w, bool hard) {
    if (w->max_depth == 1)
        return;
    w->step = w->step < 0 && hard ? 0 : w->step + 1;
    w->unknown = 0;
    w->narrower++;
    set_limits(w);
    wake_all(w);
}

static bool read_lately(const struct block_wbt *w) {
    int64_t now = sim_now(w->block->sim);
    return now < w->read_asked_ns + WINDOW_NS || now < w->read_done_ns + WINDOW_NS;
}

static uint32_t limit_of(const struct block_wbt *w, enum wbt_kind kind) {
    if (!w->min_lat_ns)
        return UINT32_MAX;
    return kind == WBT_TRIM || read_lately(w) ? w->background : w->normal;
}

/* --- looking --- */

static uint32_t root_of(uint32_t v) {
    uint32_t root = 0;
    for (uint32_t bit = 1u << 15; bit; bit >>= 1)
        if ((uint64_t)(root | bit) * (root | bit) <= v)
            root |= bit;
    return root;
}

/* The narrower, the sooner: 100 ms by the square root of step + 1. */
static void arm(struct block_wbt *w) {
    w->window_ns = w->step > 0 ? (WINDOW_NS << 4) / root_of((uint32_t)(w->step + 1) << 8) : WINDOW_NS;
    w->reads = w->writes = 0;
    w->fastest_read_ns = INT64_MAX;
    sim_schedule(w->block->sim, &w->timer, sim_now(w->block->sim) + w->window_ns);
}

static enum look look(const struct block_wbt *w) {
    int64_t age = w->watched ? sim_now(w->block->sim) - w->watched->io_start_ns : 0;
    if (age > w->window_ns || (age > w->min_lat_ns && !w->reads))
        return LOOK_EXCEEDED;
    if (!w->reads || w->writes < WRITE_SAMPLES)
        return w->inflight[WBT_WRITE] || w->inflight[WBT_TRIM] ? LOOK_WRITES : LOOK_NOTHING;
    return w->fastest_read_ns > w->min_lat_ns ? LOOK_EXCEEDED : LOOK_OK;
}

/* Back to the middle, by a step. */
static void recover(struct block_wbt *w) {
    if (++w->unknown < UNKNOWN_WINDOWS)
        return;
    if (w->step > 0) {
        wider(w);
    } else if (w->step < 0 && w->max_depth == 1) { /* 3/4 of a queue of 2; or the looks would never end */
        w->step = 0;
        set_limits(w);
        wake_all(w);
    } else if (w->step < 0) {
        narrower(w, false);
    }
}

static void window_over(struct sim_event *event) {
    struct block_wbt *w = (struct block_wbt *)((char *)event - offsetof(struct block_wbt, timer));
    if (!w->min_lat_ns)
        return;
    block_enter(w->block);
    enum look seen = look(w);
    if (seen == LOOK_EXCEEDED)
        narrower(w, true);
    else if (seen == LOOK_NOTHING)
        recover(w);
    else
        wider(w);
    if (w->step || w->inflight[WBT_WRITE] || w->inflight[WBT_TRIM])
        arm(w);
    block_leave(w->block);
}

/* --- requests --- */

/* What of an io is counted, if anything. */
static bool counts(const struct io *io, enum wbt_kind *kind) {
    *kind = io->op == IO_TRIM ? WBT_TRIM : WBT_WRITE;
    if (io->op == IO_TRIM)
        return true;
    bool direct = (io->flags & IO_SYNC) && !(io->flags & IO_NOIDLE);
    return (io->op == IO_WRITE || io->op == IO_APPEND) && !direct;
}

bool block_wbt_enter(struct block_wbt *w, struct block_context *c, const struct io *io, bool *counted) {
    enum wbt_kind kind;
    *counted = w->min_lat_ns && counts(io, &kind);
    if (!*counted) {
        if (io->op == IO_READ)
            w->read_asked_ns = sim_now(w->block->sim);
        return true;
    }
    bool room = w->inflight[kind] < limit_of(w, kind);
    if (!room || (!TAILQ_EMPTY(&w->wait[kind]) && !w->serving)) {
        block_flush_plug(w->block, c);
        c->asleep = true;
        c->asleep_on = kind;
        c->asleep_pool = NULL;
        TAILQ_INSERT_TAIL(&w->wait[kind], c, wait_link);
        w->sleeps++;
        return false;
    }
    w->inflight[kind]++;
    if (!sim_event_pending(&w->timer))
        arm(w);
    return true;
}

void block_wbt_exit(struct block_wbt *w, bool trim) {
    enum wbt_kind kind = trim ? WBT_TRIM : WBT_WRITE;
    uint32_t left = --w->inflight[kind];
    /* A volatile cache takes writes in bunches: wait until it has nothing. */
    uint32_t limit = trim ? w->background : w->block->limits.volatile_cache ? 0 : w->normal;
    if (TAILQ_EMPTY(&w->wait[kind]) || (w->min_lat_ns && left && left >= limit))
        return;
    if (!w->min_lat_ns || !left || limit - left >= w->background / 2)
        w->waking[kind] = true;
}

void block_wbt_issued(struct block_wbt *w, const struct request *rq) {
    if (rq->op == IO_READ && !w->watched)
        w->watched = rq;
}

void block_wbt_completed(struct block_wbt *w, const struct request *rq) {
    int64_t now = sim_now(w->block->sim), took = now - rq->io_start_ns;
    if (w->watched == rq)
        w->watched = NULL;
    if (rq->op == IO_READ) {
        w->read_done_ns = now;
        w->reads++;
        w->fastest_read_ns = took < w->fastest_read_ns ? took : w->fastest_read_ns;
    } else if (rq->op == IO_WRITE) {
        w->writes++;
    }
}

/* All sleepers try once; who finds no room is at the end again. */
static void serve(struct block_wbt *w, enum wbt_kind kind) {
    struct block_context *c = NULL, *last = TAILQ_LAST(&w->wait[kind], wbt_sleepers);
    while (c != last) {
        c = TAILQ_FIRST(&w->wait[kind]);
        TAILQ_REMOVE(&w->wait[kind], c, wait_link);
        c->asleep = false;
        block_resume(w->block, c);
    }
}

void block_wbt_run_wakes(struct block_wbt *w) {
    w->serving = true;
    for (unsigned kind = 0; kind < WBT_KINDS; kind++)
        if (w->waking[kind]) {
            w->waking[kind] = false;
            serve(w, kind);
        }
    w->serving = false;
}

/* --- life --- */

void block_wbt_init(struct block_wbt *w, struct block *b) {
    w->block = b;
    w->read_asked_ns = w->read_done_ns = -WINDOW_NS;
    sim_event_init(&w->timer, window_over);
    for (unsigned i = 0; i < WBT_KINDS; i++)
        TAILQ_INIT(&w->wait[i]);
    set_limits(w);
}

void block_wbt_forget(struct block_wbt *w) {
    sim_cancel(w->block->sim, &w->timer);
    w->watched = NULL;
    for (unsigned i = 0; i < WBT_KINDS; i++) {
        w->inflight[i] = 0;
        w->waking[i] = false;
        TAILQ_INIT(&w->wait[i]);
    }
}

void block_wbt_set(struct block_wbt *w, int64_t lat_usec) {
    if (lat_usec < 0)
        lat_usec = w->block->rotational ? DEF_LAT_ROT : DEF_LAT_USEC;
    block_enter(w->block);
    w->watched = NULL;
    w->min_lat_ns = lat_usec * 1000;
    w->step = 0;
    w->unknown = 0;
    set_limits(w);
    wake_all(w);
    block_leave(w->block);
}

void block_wbt_resize(struct block_wbt *w) {
    set_limits(w);
    wake_all(w);
}

json_t *block_wbt_json(const struct block_wbt *w) {
    return json_pack("{s:I,s:I,s:i,s:i,s:i,s:i,s:i,s:i,s:I,s:I,s:I}", "min_lat_ns", (json_int_t)w->min_lat_ns,
                     "window_ns", (json_int_t)w->window_ns, "step", w->step, "max_depth", (int)w->max_depth, "normal",
                     (int)w->normal, "background", (int)w->background, "inflight_writes", (int)w->inflight[WBT_WRITE],
                     "inflight_trims", (int)w->inflight[WBT_TRIM], "sleeps", (json_int_t)w->sleeps, "narrower",
                     (json_int_t)w->narrower, "wider", (json_int_t)w->wider);
}
