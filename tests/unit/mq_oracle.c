/* mq-deadline and kyber; see told.h. */
#include "told.h"

#include <stddef.h>
#include <string.h>

/* --- mq-deadline (Linux 6.8) --- */

static void mq_begin(struct told *t) {
    t->mq.dir = 1;
}

static bool in_level(const struct told *t, int i, int level) {
    return t->level[t->rq[i].proc] == level;
}

static bool mq_waits(const struct told *t, int i, int level, bool write) {
    return t->rq[i].state == T_QUEUED && t->rq[i].write == write && in_level(t, i, level);
}

static uint64_t zone_of(const struct told *t, int i) {
    return t->rq[i].sector / t->mq.zone;
}

/* With zones a write comes right before the one behind it in its zone. */
static void mq_added(struct told *t, int i) {
    const struct told_request *r = &t->rq[i];
    int next = T_NONE, at = t->mq.queued++;
    for (int k = t->from; t->mq.zone && r->write && k < i; k++)
        if (mq_waits(t, k, t->level[r->proc], true) && t->rq[k].sector > r->sector &&
            (next == T_NONE || t->rq[k].sector < t->rq[next].sector))
            next = k;
    if (next != T_NONE && zone_of(t, next) != zone_of(t, i))
        next = T_NONE;
    for (; next != T_NONE && t->mq.fifo[at - 1] != next; at--)
        t->mq.fifo[at] = t->mq.fifo[at - 1];
    if (next != T_NONE) {
        t->mq.fifo[at] = next;
        at--;
    }
    t->mq.fifo[at] = i;
    t->rq[i].deadline = told_jiffies(t) + (r->write ? t->write_expire : t->read_expire);
}

static int mq_sent(struct told *t, int i) {
    int at = 0;
    while (t->mq.fifo[at] != i)
        at++;
    t->mq.queued--;
    for (; at < t->mq.queued; at++)
        t->mq.fifo[at] = t->mq.fifo[at + 1];
    return told_sent(t, i);
}

/* A write in the drive locks its zone. */
static bool locked(const struct told *t, int i) {
    for (int k = t->from; t->mq.zone && t->rq[i].write && k < t->count; k++)
        if (t->rq[k].state == T_SENT && t->rq[k].write && zone_of(t, k) == zone_of(t, i))
            return true;
    return false;
}

/* In the order of sectors, equal ones by age, the first one from a place on. */
static int mq_from(const struct told *t, int level, int dir, uint64_t sector, int behind) {
    int best = T_NONE;
    for (int i = t->from; i < t->count; i++) {
        uint64_t s = t->rq[i].sector;
        if (!mq_waits(t, i, level, dir) || s < sector)
            continue;
        if (behind != T_NONE && (i == behind || (s == sector && i < behind)))
            continue;
        if (best == T_NONE || s < t->rq[best].sector)
            best = i;
    }
    return best;
}

static int mq_after(const struct told *t, int level, int i) {
    return mq_from(t, level, t->rq[i].write, t->rq[i].sector, i);
}

static int mq_before(const struct told *t, int level, int i) {
    int best = T_NONE;
    for (int k = t->from; k < t->count; k++)
        if (k != i && mq_waits(t, k, level, t->rq[i].write) &&
            (t->rq[k].sector < t->rq[i].sector || (t->rq[k].sector == t->rq[i].sector && k < i)) &&
            (best == T_NONE || t->rq[k].sector >= t->rq[best].sector))
            best = k;
    return best;
}

static int mq_first(const struct told *t, int level, bool write) {
    for (int n = 0; n < t->mq.queued; n++)
        if (mq_waits(t, t->mq.fifo[n], level, write))
            return t->mq.fifo[n];
    return T_NONE;
}

/* The oldest that may go: of writes to zones what is first in its zone, if that is free, and on a disk begins a run. */
static int mq_oldest(const struct told *t, int level, bool write) {
    for (int n = 0; n < t->mq.queued; n++) {
        int i = t->mq.fifo[n];
        if (!mq_waits(t, i, level, write))
            continue;
        if (!write || !t->mq.zone)
            return i;
        i = mq_from(t, level, true, zone_of(t, i) * t->mq.zone, T_NONE);
        int before = mq_before(t, level, i);
        bool goes_on = before != T_NONE && told_end(t, before) == t->rq[i].sector;
        if (!locked(t, i) && !(t->mq.rotational && goes_on))
            return i;
    }
    return T_NONE;
}

/* From where that direction's last one began, with zones from the start of that zone. */
static int mq_sweep(const struct told *t, int level, int dir) {
    uint64_t from = t->mq.latest[level][dir];
    if (t->mq.zone && dir)
        from -= from % t->mq.zone;
    int i = mq_from(t, level, dir, from, T_NONE);
    while (i != T_NONE && locked(t, i)) {
        uint64_t end = told_end(t, i);
        i = mq_after(t, level, i);
        while (t->mq.rotational && i != T_NONE && t->rq[i].sector == end) {
            end = told_end(t, i);
            i = mq_after(t, level, i);
        }
    }
    return i;
}

static int mq_level(struct told *t, int level, int64_t born_by) {
    int rq = mq_sweep(t, level, t->mq.dir);
    if (rq == T_NONE || t->mq.batching >= t->fifo_batch) {
        bool reads = mq_first(t, level, false) != T_NONE;
        int write = reads ? mq_oldest(t, level, true) : mq_first(t, level, true), dir;
        if (!reads && write == T_NONE)
            return T_NONE;
        dir = !reads || (write != T_NONE && t->mq.starved++ >= t->writes_starved);
        if (dir)
            t->mq.starved = 0;
        rq = mq_sweep(t, level, dir);
        if (rq == T_NONE || told_jiffies(t) >= t->rq[mq_first(t, level, dir)].deadline)
            rq = mq_oldest(t, level, dir);
        if (rq == T_NONE)
            return T_NONE;
        t->mq.dir = dir;
        t->mq.batching = 0;
    }
    if (t->rq[rq].born_ns / T_MS > born_by)
        return T_NONE;
    t->mq.batching++;
    t->mq.latest[level][t->rq[rq].write] = t->rq[rq].sector;
    return mq_sent(t, rq);
}

/* Waits or is in the drive. */
static bool mq_busy(const struct told *t, int level) {
    for (int i = t->from; i < t->count; i++)
        if ((t->rq[i].state == T_QUEUED || t->rq[i].state == T_SENT) && in_level(t, i, level))
            return true;
    return false;
}

static int mq_pick(struct told *t) {
    int busy = 0, rq = T_NONE;
    for (int level = T_RT; level < T_LEVELS; level++)
        busy += mq_busy(t, level);
    for (int level = T_BE; busy > 1 && rq == T_NONE && level < T_LEVELS; level++)
        rq = mq_level(t, level, told_jiffies(t) - t->ageing);
    for (int level = T_RT; rq == T_NONE && level < T_LEVELS; level++) {
        bool had = mq_busy(t, level);
        rq = mq_level(t, level, told_jiffies(t));
        if (had)
            break;
    }
    return rq;
}

/* --- kyber (Linux 6.8), with one CPU --- */

static const int64_t kyber_most[4] = {256, 128, 64, 16};

static void kyber_begin(struct told *t) {
    for (int d = 0; d < 4; d++)
        t->kyber.depth[d] = kyber_most[d];
    for (int d = 0; d < 3; d++)
        t->kyber.kept[d] = T_NONE;
    t->kyber.timer = T_NONE;
}

static int kyber_take(struct told *t, int domain) {
    if (t->kyber.used[domain] >= t->kyber.depth[domain])
        return T_NONE;
    for (int i = t->from; i < t->count; i++)
        if (t->rq[i].state == T_QUEUED && t->rq[i].domain == domain) {
            t->kyber.used[domain]++;
            t->kyber.batching++;
            return told_sent(t, i);
        }
    return T_NONE;
}

static int kyber_pick(struct told *t) {
    static const int batch[4] = {16, 8, 1, 1};
    int rq = t->kyber.batching < batch[t->kyber.domain] ? kyber_take(t, t->kyber.domain) : T_NONE;
    if (rq != T_NONE)
        return rq;
    t->kyber.batching = 0;
    for (int turn = 0; rq == T_NONE && turn < 4; turn++) {
        t->kyber.domain = (t->kyber.domain + 1) % 4;
        rq = kyber_take(t, t->kyber.domain);
    }
    return rq;
}

static void kyber_done(struct told *t, int i) {
    const struct told_request *r = &t->rq[i];
    int d = r->domain;
    t->kyber.used[d]--;
    if (d == 3)
        return;
    int64_t width = (d == 0 ? t->read_target : d == 1 ? t->write_target : 5000ll * T_MS) / 4;
    int64_t took[2] = {t->now_ns - r->born_ns, t->now_ns - r->sent_ns};
    for (int which = 0; which < 2; which++) {
        int64_t bucket = (took[which] - 1) / width;
        t->kyber.samples[d][which][bucket > 7 ? 7 : bucket]++;
    }
    if (t->kyber.timer == T_NONE)
        t->kyber.timer = told_jiffies(t) + 100;
}

static int kyber_percentile(struct told *t, int d, int which, int percent) {
    int64_t *bucket = t->kyber.samples[d][which], all = 0, below = 0;
    for (int i = 0; i < 8; i++)
        all += bucket[i];
    if (!all)
        return T_NONE;
    if (!t->kyber.end[d])
        t->kyber.end[d] = told_jiffies(t) + 1000;
    if (all < 500 && told_jiffies(t) < t->kyber.end[d])
        return T_NONE;
    t->kyber.end[d] = 0;
    for (int i = 0; i < 8; i++) {
        below += bucket[i];
        if (below * 100 >= all * percent || i == 7) {
            memset(bucket, 0, 8 * sizeof *bucket);
            return i;
        }
    }
    return T_NONE;
}

static int64_t kyber_timer(const struct told *t) {
    return t->kyber.timer == T_NONE ? T_NONE : t->kyber.timer * T_MS;
}

static void kyber_fire(struct told *t) {
    bool bad = false;
    t->kyber.timer = T_NONE;
    for (int d = 0; d < 3; d++)
        bad |= kyber_percentile(t, d, 1, 90) >= 4;
    for (int d = 0; d < 3; d++) {
        int64_t p99 = kyber_percentile(t, d, 0, 99), kept = t->kyber.kept[d];
        if (bad) {
            t->kyber.kept[d] = T_NONE;
            p99 = p99 == T_NONE ? kept : p99;
        } else if (p99 != T_NONE) {
            t->kyber.kept[d] = p99;
        }
        if (p99 == T_NONE || !(bad || p99 >= 4))
            continue;
        int64_t depth = t->kyber.depth[d] * (p99 + 1) / 4;
        t->kyber.depth[d] = depth < 1 ? 1 : depth > kyber_most[d] ? kyber_most[d] : depth;
    }
}

const struct told_ops told_mq_deadline = {.name = "mq-deadline", .begin = mq_begin, .added = mq_added, .pick = mq_pick};
const struct told_ops told_kyber = {.name = "kyber",
                                    .begin = kyber_begin,
                                    .pick = kyber_pick,
                                    .done = kyber_done,
                                    .timer = kyber_timer,
                                    .fire = kyber_fire};
