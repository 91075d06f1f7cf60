/*
 * CFQ's arithmetic, apart from its state: slices, charges of groups, the
 * fading means of think times, the history of seeks. Integer divisions are
 * where Linux 4.4.155 has them, for they show in the results.
 *
 * Units: jiffies; sectors of 512 bytes; shares and virtual times in 1/4096.
 */
#ifndef DRIVELAB_BLOCK_ELEVATOR_CFQ_MATH_H
#define DRIVELAB_BLOCK_ELEVATOR_CFQ_MATH_H

#include <stdbool.h>
#include <stdint.h>

#define CFQ_ONE           4096 /* a share of 1 */
#define CFQ_FAR_SECTORS   800  /* farther than this from the last request is a seek */
#define CFQ_SMALL_SECTORS 64   /* flash: a request smaller than this counts as a seek */
#define CFQ_CLOSE_SECTORS 8192
#define CFQ_SEEKS_MAX     4 /* more of the last 32 requests: a seeky queue */

static inline int64_t cfq_min(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static inline int64_t cfq_max(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* a * b / c; settings have no upper limit to speak of, so products may need more than 64 bits. */
static inline int64_t cfq_scale(int64_t a, int64_t b, int64_t c) {
    return (int64_t)((__int128)a * b / c);
}

/* Slice of a level (0 is the best): a fifth more or less for each away from 4. */
static inline int64_t cfq_slice_of(int64_t base, unsigned level) {
    return base + base / 5 * (4 - (int64_t)level);
}

/* Async requests that a queue of the level may have in one slice. */
static inline int64_t cfq_async_most(int64_t slice_async_rq, unsigned level) {
    return 2 * slice_async_rq * (8 - (int64_t)level);
}

/*
 * A slice shortened so that `queues` of them fit into the group's latency; not
 * below what makes up for waiting twice for the next request.
 */
static inline int64_t cfq_slice_for_latency(int64_t slice, int64_t slice_sync, int64_t group_slice, int64_t slice_idle,
                                            int64_t queues) {
    int64_t wanted = slice_sync * queues;
    if (wanted <= group_slice)
        return slice;
    int64_t low = cfq_min(slice, cfq_scale(2 * slice_idle, slice, slice_sync));
    return cfq_max(cfq_scale(slice, group_slice, wanted), low);
}

/* What a group's virtual time advances by for `used` jiffies (or requests) at a share of `fraction`. */
static inline uint64_t cfq_charge(int64_t used, uint32_t fraction) {
    return ((uint64_t)used << 24) / fraction;
}

/* Part of `whole` that `weight` of `all` weights is. */
static inline uint32_t cfq_part(uint32_t whole, uint32_t weight, uint64_t all) {
    return (uint32_t)((uint64_t)whole * weight / all);
}

/* Mean number of queues: up at once (three quarters), down slowly. */
static inline uint32_t cfq_mean_queues(uint32_t mean, uint32_t now) {
    uint32_t most = mean > now ? mean : now, least = mean > now ? now : mean;
    return (3 * most + least + 2) / 4;
}

/* Think times, each sample an eighth of the mean. */
struct cfq_think {
    int64_t last_end; /* of the last request's service */
    uint64_t total, mean;
    uint32_t samples; /* 1/256: 32, 60, 84... towards 256 */
};

static inline void cfq_think_sample(struct cfq_think *t, int64_t now, int64_t idle) {
    uint64_t elapsed = (uint64_t)cfq_max(cfq_min(now - t->last_end, 2 * idle), 0);
    t->samples = (7 * t->samples + 256) / 8;
    t->total = (7 * t->total + 256 * elapsed) / 8;
    t->mean = (t->total + 128) / t->samples;
}

/* From the third sample on. */
static inline bool cfq_think_valid(const struct cfq_think *t) {
    return t->samples > 80;
}

static inline bool cfq_think_longer(const struct cfq_think *t, int64_t limit) {
    return cfq_think_valid(t) && t->mean > (uint64_t)limit;
}

static inline uint64_t cfq_distance(uint64_t a, uint64_t b) {
    return a > b ? a - b : b - a;
}

/* One bit a request, the newest lowest. `last` 0: there was none before. */
static inline uint32_t cfq_seek_sample(uint32_t history, bool rotational, uint64_t last, uint64_t sector,
                                       uint64_t sectors) {
    bool seek = rotational ? last && cfq_distance(sector, last) > CFQ_FAR_SECTORS : sectors < CFQ_SMALL_SECTORS;
    return history << 1 | seek;
}

static inline bool cfq_seeks_many(uint32_t history) {
    return __builtin_popcount(history) > CFQ_SEEKS_MAX;
}

#endif
