/*
 * BFQ's arithmetic, apart from its state: budgets, charges, rates, durations,
 * weights, the history of seeks. Constants and divisions are those of Linux 6.8.
 *
 * Units: sectors of 512 bytes, nanoseconds; rates in sectors a microsecond,
 * shifted by BFQ_RATE_SHIFT.
 */
#ifndef DRIVELAB_BLOCK_ELEVATOR_BFQ_MATH_H
#define DRIVELAB_BLOCK_ELEVATOR_BFQ_MATH_H

#include <stdbool.h>
#include <stdint.h>

#define BFQ_MS                 1000000ll
#define BFQ_DEFAULT_BUDGET     (16 * 1024)    /* sectors, until enough is known of the drive */
#define BFQ_TIMEOUT_NS         (125 * BFQ_MS) /* timeout_sync's default; what time is charged against, whatever it is */
#define BFQ_LEARNED            194            /* of 256: as much must be known of budgets */
#define BFQ_WEIGHT_PER_LEVEL   10
#define BFQ_DEFAULT_WEIGHT     40 /* of level 4 */
#define BFQ_ASYNC_FACTOR       3
#define BFQ_RATE_SHIFT         16
#define BFQ_MIN_THINK_NS       (2 * BFQ_MS)
#define BFQ_FAR_SECTORS        800
#define BFQ_SMALL_SECTORS      64 /* flash: a request as large is no seek */
#define BFQ_SEEKS_MAX          19 /* more of the last 32: a seeky queue */
#define BFQ_RATE_INTERVAL_NS   1000000000ll
#define BFQ_RATE_LEAST_NS      (300 * BFQ_MS)
#define BFQ_RATE_SAMPLES       32
#define BFQ_INTERACTIVE_FACTOR 30
#define BFQ_SOFT_RT_FACTOR     (30 * 100)
#define BFQ_SOFT_RT_NS         (300 * BFQ_MS)
#define BFQ_SOFT_RT_RATE       7000   /* sectors a second */
#define BFQ_INTERACTIVE_MOST   120000 /* sectors */

enum bfq_reason { BFQ_TOO_IDLE, BFQ_TIMEOUT, BFQ_EXHAUSTED, BFQ_NO_MORE, BFQ_PREEMPTED, BFQ_REASONS };

static inline int64_t bfq_min(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static inline int64_t bfq_max(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static inline uint32_t bfq_weight_of_level(unsigned level) {
    return (8 - level) * BFQ_WEIGHT_PER_LEVEL;
}

/* A cgroup's weight in units of bfq.weight, 1 to 1000 with 100 the default. */
static inline uint32_t bfq_weight_of_group(uint32_t weight, bool v2) {
    weight = v2 ? weight : weight / 5;
    return weight < 1 ? 1 : weight > 1000 ? 1000 : weight;
}

struct bfq_had {
    bool sync, raised, in_flight; /* in_flight: requests of it are in the drive */
    int64_t service;
};

static inline int64_t bfq_least_budget(int64_t device_budget) {
    return device_budget / 32;
}

/* A queue's next budget, for how it used up the last one; `device_budget` is the most, `least` a part of what it was
 * before the drive was known. */
static inline int64_t bfq_next_budget(const struct bfq_had *had, enum bfq_reason reason, int64_t budget,
                                      int64_t device_budget, int64_t least) {
    if (!had->sync)
        return device_budget;
    if (had->raised)
        return 2 * least;
    switch (reason) {
    case BFQ_TOO_IDLE:
        if (had->in_flight)
            return bfq_min(2 * budget, device_budget);
        return budget > 5 * least ? budget - 4 * least : least;
    case BFQ_TIMEOUT:
        return bfq_min(2 * budget, device_budget);
    case BFQ_EXHAUSTED:
        return bfq_min(4 * budget, device_budget);
    case BFQ_NO_MORE:
        return bfq_max(had->service, least);
    default:
        return budget;
    }
}

/* What a slow queue is charged with that had the drive for `took_ns`: as if it had used it well. */
static inline int64_t bfq_charge_for_time(int64_t service, int64_t device_budget, int64_t took_ns, int64_t timeout_ns) {
    int64_t took_ms = bfq_min(took_ns, timeout_ns) / BFQ_MS, timeout_ms = bfq_max(timeout_ns / BFQ_MS, 1);
    return bfq_max(service, (int64_t)((__int128)device_budget * took_ms / timeout_ms));
}

/* Share of settled budgets of the last ones, of 256. */
static inline uint32_t bfq_learn(uint32_t learned) {
    return (7 * learned + 256) / 8;
}

/* Sectors that the drive serves at its best in the time of a budget. */
static inline int64_t bfq_auto_budget(uint32_t peak_rate, int64_t timeout_ns) {
    __int128 sectors = (__int128)peak_rate * (timeout_ns / 1000) >> BFQ_RATE_SHIFT;
    return sectors < 32 ? 32 : sectors > INT32_MAX ? INT32_MAX : (int64_t)sectors;
}

static inline uint32_t bfq_reference_rate(bool rotational) {
    return rotational ? 14000 : 33000;
}
static inline uint32_t bfq_initial_rate(bool rotational) {
    return bfq_reference_rate(rotational) * 2 / 3;
}

/* The estimate after an interval with so many dispatches, `sequential` of them in order. */
static inline uint32_t bfq_next_rate(uint32_t peak, uint32_t samples, uint32_t sequential, uint64_t sectors,
                                     int64_t took_ns) {
    if (samples < BFQ_RATE_SAMPLES || took_ns < BFQ_RATE_LEAST_NS)
        return peak;
    uint64_t rate = (sectors << BFQ_RATE_SHIFT) / (uint64_t)(took_ns / 1000);
    if ((sequential < 3 * samples / 4 && rate <= peak) || rate > 20u << BFQ_RATE_SHIFT)
        return peak;
    uint64_t weight = 9ull * sequential / samples * (uint64_t)took_ns / BFQ_RATE_INTERVAL_NS;
    uint64_t part = 10 - (weight > 8 ? 8 : weight);
    uint64_t next = peak * (part - 1) / part + rate / part;
    return next ? (uint32_t)next : 1;
}

/* How long an application that starts is preferred: a slow drive takes longer to load the same. */
static inline int64_t bfq_interactive_ns(bool rotational, uint32_t peak_rate) {
    int64_t at_reference = rotational ? 7000 : 2500;
    int64_t ms = bfq_reference_rate(rotational) * at_reference / peak_rate;
    return (ms < 3000 ? 3000 : ms > 25000 ? 25000 : ms) * BFQ_MS;
}

/* How a queue's arrivals must hold back to pass for soft real-time. */
static inline int64_t bfq_soft_rt_next(int64_t before, int64_t backlog_start, uint64_t backlog_service, int64_t now,
                                       int64_t idle_ns) {
    int64_t at_rate = backlog_start + (int64_t)(backlog_service * 1000000000ull / BFQ_SOFT_RT_RATE);
    return bfq_max(bfq_max(before, at_rate), now + idle_ns + 4 * BFQ_MS);
}

static inline uint64_t bfq_distance(uint64_t a, uint64_t b) {
    return a > b ? a - b : b - a;
}
static inline bool bfq_is_seek(bool rotational, uint64_t last, uint64_t sector, uint64_t sectors) {
    return bfq_distance(sector, last) > BFQ_FAR_SECTORS && (rotational || sectors < BFQ_SMALL_SECTORS);
}

/* Think times, each sample an eighth of the mean. */
struct bfq_think {
    int64_t last_end;
    uint64_t total, mean;
    uint32_t samples; /* of 256 */
};

static inline void bfq_think_sample(struct bfq_think *t, int64_t now, int64_t idle_ns) {
    uint64_t elapsed = (uint64_t)bfq_max(bfq_min(now - t->last_end, 2 * idle_ns), 0);
    t->samples = (7 * t->samples + 256) / 8;
    t->total = (7 * t->total + 256 * elapsed) / 8;
    t->mean = (t->total + 128) / t->samples;
}

/* From the third sample on, and more than half of what may be waited. */
static inline bool bfq_thinks_long(const struct bfq_think *t, int64_t idle_ns) {
    return t->samples > 80 && t->mean > (uint64_t)idle_ns / 2;
}

#endif
