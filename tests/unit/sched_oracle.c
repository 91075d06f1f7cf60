/* none, noop, deadline and as; see told.h. */
#include "told.h"

#include <stddef.h>
#include <string.h>

/* --- noop: first come, first served --- */

static int fifo_pick(struct told *t) {
    for (int i = 0; i < t->count; i++)
        if (t->rq[i].state == T_QUEUED)
            return told_sent(t, i);
    return T_NONE;
}

/* --- deadline (Linux 4.4) --- */

static int oldest(const struct told *t, bool write) {
    for (int i = 0; i < t->count; i++)
        if (t->rq[i].state == T_QUEUED && t->rq[i].write == write)
            return i;
    return T_NONE;
}

/* In the order of sectors, equal ones by age, the one behind `i`. */
static int successor(const struct told *t, int i, bool same_kind_sync) {
    int best = T_NONE;
    for (int k = 0; k < t->count; k++) {
        const struct told_request *r = &t->rq[k], *at = &t->rq[i];
        bool kin = same_kind_sync ? r->sync == at->sync : r->write == at->write;
        if (k == i || r->state != T_QUEUED || !kin || r->sector < at->sector || (r->sector == at->sector && k < i))
            continue;
        if (best == T_NONE || r->sector < t->rq[best].sector)
            best = k;
    }
    return best;
}

static void deadline_begin(struct told *t) {
    t->deadline.next[0] = t->deadline.next[1] = T_NONE;
}

static void deadline_added(struct told *t, int i) {
    t->rq[i].deadline = told_jiffies(t) + (t->rq[i].write ? t->write_expire : t->read_expire);
}

static int deadline_send(struct told *t, int i) {
    bool write = t->rq[i].write;
    t->deadline.batching++;
    t->deadline.next[0] = t->deadline.next[1] = T_NONE;
    t->deadline.next[write] = successor(t, i, false);
    return told_sent(t, i);
}

static int deadline_pick(struct told *t) {
    int next = t->deadline.next[1] != T_NONE ? t->deadline.next[1] : t->deadline.next[0];
    if (next != T_NONE && t->deadline.batching < t->fifo_batch)
        return deadline_send(t, next);
    int read = oldest(t, false), write = oldest(t, true), dir;
    if (read == T_NONE && write == T_NONE)
        return T_NONE;
    if (read != T_NONE && write != T_NONE)
        dir = t->deadline.starved++ >= t->writes_starved;
    else
        dir = read == T_NONE;
    if (dir)
        t->deadline.starved = 0;
    int first = dir ? write : read;
    bool late = told_jiffies(t) >= t->rq[first].deadline;
    if (!late && t->deadline.next[dir] != T_NONE)
        first = t->deadline.next[dir];
    t->deadline.batching = 0;
    return deadline_send(t, first);
}

/* --- as (Linux 2.6.32); kind 1 is sync --- */

enum { OFF, WAIT_REQUEST, WAIT_NEXT, FINISHED };

static void as_begin(struct told *t) {
    t->as.next[0] = t->as.next[1] = t->as.awaited = T_NONE;
    t->as.batch = 1;
    t->as.batch_end = told_jiffies(t) + t->read_batch;
    t->as.count = 12;
}

static int as_oldest(const struct told *t, int kind) {
    for (int i = 0; i < t->count; i++)
        if (t->rq[i].state == T_QUEUED && t->rq[i].sync == kind)
            return i;
    return T_NONE;
}

static bool as_has(const struct told *t, int life) {
    for (int i = 0; i < t->count; i++)
        if (t->rq[i].state == T_QUEUED && t->rq[i].life == life)
            return true;
    return false;
}

static int as_in_drive(const struct told *t) {
    int n = 0;
    for (int i = 0; i < t->count; i++)
        n += t->rq[i].state == T_SENT;
    return n;
}

/* Of two of one kind. */
static int as_better(const struct told *t, int x, int y) {
    if (x == T_NONE || y == T_NONE)
        return x == T_NONE ? y : x;
    uint64_t sx = t->rq[x].sector, sy = t->rq[y].sector, last = t->as.last[t->rq[x].sync], back = 1024 * 1024;
    bool wx = sx < last && sx + back < last, wy = sy < last && sy + back < last;
    if (wx != wy)
        return wx ? y : x;
    if (wx)
        return sx <= sy ? x : y;
    uint64_t dx = sx >= last ? sx - last : 2 * (last - sx), dy = sy >= last ? sy - last : 2 * (last - sy);
    if (dx != dy)
        return dx < dy ? x : y;
    return sx >= sy ? x : y;
}

/* What follows one that leaves the queue. */
static int as_follower(const struct told *t, int i) {
    int after = successor(t, i, true), before = T_NONE, first = T_NONE;
    for (int k = 0; k < t->count; k++) {
        const struct told_request *r = &t->rq[k], *at = &t->rq[i];
        if (k == i || r->state != T_QUEUED || r->sync != at->sync)
            continue;
        if (first == T_NONE || r->sector < t->rq[first].sector)
            first = k;
        bool ahead = r->sector > at->sector || (r->sector == at->sector && k > i);
        if (!ahead && (before == T_NONE || r->sector >= t->rq[before].sector))
            before = k;
    }
    return as_better(t, after == T_NONE ? first : after, before);
}

static void as_learn(struct told *t, int life, int i) {
    const struct told_request *r = &t->rq[i];
    if (!r->sync)
        return;
    if (t->as.p[life].started) {
        int64_t think = 0;
        if (t->as.p[life].completed && !as_has(t, life))
            think = told_jiffies(t) - t->as.p[life].last_end;
        think = think > 19 ? 19 : think;
        if (!t->as.p[life].think_samples) {
            t->as.exit_prob = 7 * t->as.exit_prob / 8;
            t->as.new_think_total = (7 * t->as.new_think_total + 256 * think) / 8;
            t->as.new_think = t->as.new_think_total / 256;
        }
        t->as.p[life].think_samples = (7 * t->as.p[life].think_samples + 256) / 8;
        t->as.p[life].think_total = (7 * t->as.p[life].think_total + 256 * think) / 8;
        t->as.p[life].think = (t->as.p[life].think_total + 128) / t->as.p[life].think_samples;
        uint64_t last = t->as.p[life].last, far = r->sector > last ? r->sector - last : last - r->sector;
        if (!t->as.p[life].seek_samples) {
            t->as.new_seek_total = (7 * t->as.new_seek_total + 256 * (int64_t)far) / 8;
            t->as.new_seek = t->as.new_seek_total / 256;
        }
        uint64_t most = t->as.p[life].seek * 4 + 2 * 1024 * (t->as.p[life].seek_samples <= 60 ? 1024ull : 64);
        far = far > most ? most : far;
        t->as.p[life].seek_samples = (7 * t->as.p[life].seek_samples + 256) / 8;
        t->as.p[life].seek_total = (7 * t->as.p[life].seek_total + 256 * far) / 8;
        t->as.p[life].seek = (t->as.p[life].seek_total + t->as.p[life].seek_samples / 2) / t->as.p[life].seek_samples;
    }
    t->as.p[life].last = told_end(t, i);
    t->as.p[life].started = true;
}

static bool as_waits(const struct told *t) {
    return t->as.state == WAIT_REQUEST || t->as.state == WAIT_NEXT;
}

static bool as_close(const struct told *t, int i) {
    int64_t delay = t->as.state == OFF || !t->as.awaited_done ? 0 : told_jiffies(t) - t->as.since;
    uint64_t last = t->as.last[t->as.batch], s = t->rq[i].sector, window = 8192, low, far;
    if (delay > 20 || delay > t->antic)
        return true;
    window <<= delay > 0 ? delay : 0;
    low = last > window / 2 ? last - window / 2 : 0;
    if (s >= low && s <= last + window)
        return true;
    far = s > last ? s - last : last - s;
    return far < (t->as.p[t->as.awaited].seek_samples ? t->as.p[t->as.awaited].seek : (uint64_t)t->as.new_seek);
}

/* `i` T_NONE: whether to begin to wait makes no sense. */
static bool as_ends_wait(struct told *t, int i) {
    int p = t->as.awaited;
    if (i != T_NONE && t->rq[i].life == p)
        return true;
    if (t->as.awaited_done && told_jiffies(t) >= t->as.since + t->antic)
        return true;
    if (as_has(t, p))
        return true;
    if (i != T_NONE && t->rq[i].sync && as_close(t, i)) {
        if (t->as.p[p].exited) {
            if (!t->as.p[p].think_samples)
                t->as.exit_prob = (7 * t->as.exit_prob + 256) / 8;
            t->as.no_coop = 7 * t->as.no_coop / 8;
        }
        as_learn(t, p, i);
        return true;
    }
    if (t->as.p[p].exited) {
        if (!t->as.p[p].think_samples)
            t->as.exit_prob = (7 * t->as.exit_prob + 256) / 8;
        if (t->as.no_coop > 128)
            return true;
    }
    if (!t->as.p[p].think_samples)
        return t->as.new_think > t->antic || t->as.exit_prob * t->as.no_coop > 128 * 256;
    return t->as.p[p].think > t->antic;
}

static void as_added(struct told *t, int i) {
    int kind = t->rq[i].sync;
    t->rq[i].deadline = told_jiffies(t) + (kind ? t->read_expire : t->write_expire);
    t->rq[i].state = T_NEW; /* it doesn't count among its process' own yet */
    as_learn(t, t->rq[i].life, i);
    t->rq[i].state = T_QUEUED;
    t->as.next[kind] = as_better(t, i, t->as.next[kind]);
    if (as_waits(t) && as_ends_wait(t, i))
        t->as.state = FINISHED;
}

static bool as_late(struct told *t, int kind) {
    int first = as_oldest(t, kind);
    if (first == T_NONE || told_jiffies(t) - t->as.checked[kind] < (kind ? t->read_expire : t->write_expire))
        return false;
    t->as.checked[kind] = told_jiffies(t);
    return told_jiffies(t) > t->rq[first].deadline;
}

static int as_send(struct told *t, int i) {
    int kind = t->rq[i].sync;
    t->as.state = OFF;
    t->as.last[kind] = told_end(t, i);
    t->as.awaited = kind ? t->rq[i].life : T_NONE;
    t->as.awaited_done = false;
    if (!kind && t->as.left)
        t->as.left--;
    t->as.next[kind] = as_follower(t, i);
    return told_sent(t, i);
}

static int as_new_batch(struct told *t, bool reads, bool writes) {
    int kind = reads && !(writes && t->as.batch);
    if (kind != t->as.batch)
        t->as.changing = true;
    if (!kind) {
        if (t->as.changing)
            t->as.fresh = false;
        t->as.left = t->as.count;
        t->as.idled = false;
    }
    t->as.batch = kind;
    t->as.checked[kind] = told_jiffies(t);
    return as_oldest(t, kind);
}

static int as_pick(struct told *t) {
    bool reads = as_oldest(t, 1) != T_NONE, writes = as_oldest(t, 0) != T_NONE;
    if (!t->as.batch && !reads && (!t->as.left || !writes))
        t->as.idled = true;
    if ((!reads && !writes) || as_waits(t) || t->as.changing)
        return T_NONE;
    bool over = !t->as.changing && !t->as.fresh && (told_jiffies(t) > t->as.batch_end || (!t->as.batch && !t->as.left));
    int rq = T_NONE;
    if (!(reads && writes && over)) {
        rq = t->as.next[t->as.batch];
        bool late = false;
        if (t->as.batch && t->antic) {
            late = as_late(t, 1);
            if (!late && t->as.awaited != T_NONE && t->as.state != FINISHED && !as_ends_wait(t, rq)) {
                t->as.state = t->as.awaited_done ? WAIT_NEXT : WAIT_REQUEST;
                t->as.due = t->as.since + t->antic;
                return T_NONE;
            }
        }
        if (!late && rq != T_NONE && t->as.batch && !writes)
            t->as.batch_end = told_jiffies(t) + t->read_batch;
        if (late || (rq != T_NONE && as_late(t, t->as.batch)))
            rq = as_oldest(t, t->as.batch);
    }
    if (rq == T_NONE)
        rq = as_new_batch(t, reads, writes);
    if (t->as.changing && as_in_drive(t))
        return T_NONE;
    if (t->as.changing) {
        t->as.changing = false;
        if (t->as.batch)
            t->as.fresh = true;
        else
            t->as.batch_end = told_jiffies(t) + t->write_batch;
    }
    return as_send(t, rq);
}

static void as_tune(struct told *t) {
    int64_t took = told_jiffies(t) - t->as.batch_end + t->write_batch;
    took = took < 0 ? 0 : took;
    if (took > t->write_batch && !t->as.idled) {
        if (took > 3 * t->write_batch)
            t->as.count /= 2;
        else
            t->as.count--;
    } else if (took < t->write_batch && !t->as.left) {
        if (t->write_batch > 3 * took)
            t->as.count *= 2;
        else
            t->as.count++;
    }
    t->as.count = t->as.count < 1 ? 1 : t->as.count;
}

/* It isn't counted as in the drive any more. */
static void as_done(struct told *t, int i) {
    int p = t->rq[i].life;
    if (t->as.changing && !as_in_drive(t)) {
        t->as.batch_end = told_jiffies(t) + (t->as.batch ? t->read_batch : t->write_batch);
        t->as.changing = false;
        t->as.fresh |= t->as.batch;
    }
    if (!t->rq[i].sync)
        return;
    if (t->as.fresh && t->as.batch) {
        as_tune(t);
        t->as.batch_end = told_jiffies(t) + t->read_batch;
        t->as.fresh = false;
    }
    t->as.p[p].completed = true;
    t->as.p[p].last_end = told_jiffies(t);
    if (t->as.awaited == p) {
        t->as.since = told_jiffies(t);
        t->as.awaited_done = true;
        if (t->as.state == WAIT_REQUEST) {
            t->as.state = WAIT_NEXT;
            t->as.due = t->as.since + t->antic;
        }
    }
}

static int64_t as_timer(const struct told *t) {
    return t->as.state == WAIT_NEXT ? t->as.due * T_MS : T_NONE;
}

static void as_fire(struct told *t) {
    if (!t->as.p[t->as.awaited].think_samples)
        t->as.exit_prob = (7 * t->as.exit_prob + 256) / 8;
    if (t->as.p[t->as.awaited].exited)
        t->as.no_coop = (7 * t->as.no_coop + 256) / 8;
    t->as.state = FINISHED;
}

static void as_exits(struct told *t, int proc) {
    t->as.p[t->life[proc]].exited = true;
}

/* --- none (Linux 6.8): a FIFO for each CPU, whose newest eight requests grow --- */

enum { MOST_SECTORS = 2560, MOST_SEGMENTS = 128, NEWEST = 8, PLUG_MOST = 32, PLUG_LARGE = 256 };

static void none_begin(struct told *t) {
    for (int p = 0; p < T_PROCS; p++)
        t->none.plugged[p] = T_NONE;
}

static int none_root(const struct told *t, int i) {
    while (t->rq[i].into != T_NONE)
        i = t->rq[i].into;
    return i;
}

static int cpu_of(const struct told *t, int i) {
    return (t->rq[i].proc + 1) % t->none.cpus;
}

/* The request queued (or plugged) last before `than` on this request's CPU (in this process' plug). */
static int none_newer(const struct told *t, int i, int state, int than) {
    int best = T_NONE;
    for (int k = 0; k < t->count; k++) {
        const struct told_request *r = &t->rq[k];
        bool here = state == T_PLUGGED ? r->proc == t->rq[i].proc : cpu_of(t, k) == cpu_of(t, i);
        if (k != i && r->state == state && here && r->order < than && (best == T_NONE || r->order > t->rq[best].order))
            best = k;
    }
    return best;
}

/* Joins one that it lies behind or before; of those queued only the first it would fit counts. */
static bool none_joins(struct told *t, int i, int state) {
    struct told_request *x = &t->rq[i];
    int k = none_newer(t, i, state, INT32_MAX);
    for (int n = 0; k != T_NONE && (state == T_PLUGGED || n < NEWEST);
         n++, k = none_newer(t, i, state, t->rq[k].order)) {
        struct told_request *r = &t->rq[k];
        bool behind = told_end(t, k) == x->sector, before = told_end(t, i) == r->sector;
        if (!behind && !before)
            continue;
        bool may = r->write == x->write && r->sectors + x->sectors <= MOST_SECTORS && r->ios < MOST_SEGMENTS;
        if (may) {
            r->sector = behind ? r->sector : x->sector;
            r->sectors += x->sectors;
            r->ios++;
            x->into = k;
        }
        if (may || state == T_QUEUED)
            return may;
    }
    return false;
}

static void none_queue(struct told *t, int i) {
    t->rq[i].state = T_QUEUED;
    t->rq[i].order = t->none.queued++;
}

/* In the order of sectors. */
static void none_flush(struct told *t, int proc) {
    for (;;) {
        int first = T_NONE;
        for (int i = 0; i < t->count; i++)
            if (t->rq[i].state == T_PLUGGED && t->rq[i].proc == proc &&
                (first == T_NONE || t->rq[i].sector < t->rq[first].sector ||
                 (t->rq[i].sector == t->rq[first].sector && t->rq[i].order < t->rq[first].order)))
                first = i;
        if (first == T_NONE)
            break;
        none_queue(t, first);
    }
    t->none.plugged[proc] = 0;
}

void told_plug(struct told *t, int proc, bool on) {
    if (!on)
        none_flush(t, proc);
    t->none.plugged[proc] = on ? 0 : T_NONE;
}

static void none_added(struct told *t, int i) {
    int proc = t->rq[i].proc;
    bool plugs = t->none.plugged[proc] != T_NONE;
    t->rq[i].state = T_NEW;
    if ((plugs && none_joins(t, i, T_PLUGGED)) || none_joins(t, i, T_QUEUED))
        return;
    if (!plugs) {
        none_queue(t, i);
        return;
    }
    int last = none_newer(t, i, T_PLUGGED, INT32_MAX);
    if (t->none.plugged[proc] >= PLUG_MOST || (last != T_NONE && t->rq[last].sectors >= PLUG_LARGE))
        none_flush(t, proc);
    t->rq[i].state = T_PLUGGED;
    t->rq[i].order = t->none.queued++;
    t->none.plugged[proc]++;
}

static int none_pick(struct told *t) {
    for (int turn = 0; turn < t->none.cpus; turn++) {
        int cpu = (t->none.turn + turn) % t->none.cpus, first = T_NONE;
        for (int i = 0; i < t->count; i++)
            if (t->rq[i].state == T_QUEUED && cpu_of(t, i) == cpu &&
                (first == T_NONE || t->rq[i].order < t->rq[first].order))
                first = i;
        if (first == T_NONE)
            continue;
        t->none.turn = (cpu + 1) % t->none.cpus;
        return told_sent(t, first);
    }
    return T_NONE;
}

const struct told_ops told_noop = {.name = "noop", .pick = fifo_pick};
const struct told_ops told_deadline = {
    .name = "deadline", .begin = deadline_begin, .added = deadline_added, .pick = deadline_pick};
const struct told_ops told_as = {.name = "as",
                                 .begin = as_begin,
                                 .added = as_added,
                                 .pick = as_pick,
                                 .done = as_done,
                                 .timer = as_timer,
                                 .fire = as_fire,
                                 .exits = as_exits};
const struct told_ops told_none = {
    .name = "none", .begin = none_begin, .added = none_added, .pick = none_pick, .root = none_root};
