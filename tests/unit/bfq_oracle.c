/*
 * BFQ of Linux 6.8 for processes of one cgroup that read and write far from
 * each other, so that no queues are merged. What is in which tree, who is busy
 * and who is pending isn't kept, but found among all queues each time.
 */
#include <stdlib.h>
#include <string.h>

#include "bfq_oracle.h"

#define MS     1000000ll
#define LONG   (INT64_MIN / 2)
#define SRT    (300 * MS)
#define ASYNC  T_PROCS /* the queue of async requests */
#define QUEUES (T_PROCS + 1)

enum { NOWHERE, ACTIVE, PAST, SERVED };
enum { TOO_IDLE, TIMEOUT, EXHAUSTED, NO_MORE, PREEMPTED };

struct queue {
    bool made, sync, busy, fresh, fifo_seen, came_idle, short_think, io_bound, srt_update, in_burst, large_burst;
    int class, level, place, next, in_drive;
    uint64_t start, finish, order, busy_order;
    int64_t weight, service, budget, max_budget, end, created, backlog_start, backlog, raised_service;
    uint32_t seeks;
    uint64_t last;
    int64_t think_end, think_total, think_mean, think_samples, io_start, idle_total;
    int64_t raised_at, raised_for, interactive_at, factor, srt_next;
    int64_t limit, base, limit_changed;
    int waker, maybe, hits;
    int64_t maybe_since;
    uint64_t woken_order;
};

struct bfq_told {
    struct bfq_told_settings set;
    struct queue q[QUEUES];
    int serving, in_drive, waited, last_done;
    uint64_t vtime[3], orders;
    int64_t idle_class_at;
    int64_t device_budget, learned, peak;
    int64_t samples, sequential, largest, sectors, first, last, took;
    int64_t last_completion, served_since;
    uint64_t position;
    int tag, most, tag_samples;
    int64_t timer, idle_since, waited_since;
    bool waiting, wait_dispatch, injected, large_burst;
    int burst_size;
    int64_t burst_last;
};

static struct bfq_told *of(const struct told *t) {
    return t->own;
}

static int64_t least_of(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t most_of(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static int queue_of(const struct told *t, int i) {
    return t->rq[i].sync ? t->rq[i].proc : ASYNC;
}

static bool before(uint64_t a, uint64_t b) {
    return (int64_t)(a - b) < 0;
}

/* --- what is so, found out each time --- */

static bool empty(const struct told *t, int q) {
    for (int i = t->from; i < t->count; i++)
        if (t->rq[i].state == T_QUEUED && queue_of(t, i) == q)
            return false;
    return true;
}

static int busy_queues(const struct bfq_told *b, bool raised_only) {
    int n = 0;
    for (int q = 0; q < QUEUES; q++)
        n += b->q[q].busy && (!raised_only || b->q[q].factor > 1);
    return n;
}

static int all_queued(const struct told *t, int q) {
    int n = 0;
    for (int i = t->from; i < t->count; i++)
        n += t->rq[i].state == T_QUEUED && (q < 0 || queue_of(t, i) == q);
    return n;
}

static bool seeky(const struct queue *q) {
    return __builtin_popcount(q->seeks) > 19;
}

static int64_t most_budget(const struct bfq_told *b) {
    return b->learned < 194 ? 16384 : b->device_budget;
}

static int64_t left(const struct queue *q) {
    return q->budget - q->service;
}

static int64_t base_weight(const struct queue *q) {
    return (8 - q->level) * 10;
}

/* Classes busy together, or other weights than q's pending, unless q's is the least of them. */
static bool asymmetric(const struct bfq_told *b, int q) {
    bool class[3] = {false}, other = false;
    int least = -1, weights = 0;
    for (int i = 0; i < QUEUES; i++)
        if (b->q[i].busy)
            class[b->q[i].class] = true;
    for (int level = 0; level < 8; level++) {
        bool here = false;
        for (int i = 0; i < QUEUES; i++)
            here |= b->q[i].level == level && b->q[i].factor == 1 && (b->q[i].busy || b->q[i].in_drive);
        weights += here;
        least = here ? level : least;
    }
    const struct queue *own = &b->q[q];
    bool counted = own->factor == 1 && (own->busy || own->in_drive);
    other = weights > 1 && !(counted && own->level == least);
    return class[0] + class[1] + class[2] > 1 || other;
}

static int64_t charge_of(const struct told *t, int q, int i) {
    const struct bfq_told *b = of(t);
    int64_t sectors = (int64_t)t->rq[i].sectors;
    return b->q[q].sync || b->q[q].factor > 1 || asymmetric(b, q) ? sectors : 3 * sectors;
}

static bool boosts(const struct bfq_told *b, int q) {
    bool good = !seeky(&b->q[q]) && b->q[q].io_bound && b->q[q].short_think;
    if (busy_queues(b, true))
        return false;
    return (b->set.rotational && !b->tag) || ((b->set.rotational || !b->tag) && good);
}

static bool protects(const struct bfq_told *b, int q) {
    int busy = busy_queues(b, false);
    if (b->q[q].factor > 1 && (busy_queues(b, true) < busy || b->in_drive >= b->q[q].in_drive + 4))
        return true;
    return asymmetric(b, q) || busy == 1;
}

static bool idle_better(const struct bfq_told *b, int q) {
    if (b->set.strict)
        return true;
    if (!b->set.slice_idle || !b->q[q].sync || b->q[q].class == T_IDLE)
        return false;
    return boosts(b, q) || protects(b, q);
}

/* --- virtual time --- */

static uint64_t weights(const struct bfq_told *b, int class) {
    uint64_t sum = 0;
    for (int i = 0; i < QUEUES; i++)
        if (b->q[i].place != NOWHERE && b->q[i].class == class)
            sum += (uint64_t)b->q[i].weight;
    return sum;
}

static void finish_by(struct queue *q, int64_t service) {
    q->finish = q->start + ((uint64_t)service << 22) / (uint64_t)q->weight;
}

static void enter(struct bfq_told *b, struct queue *q) {
    q->weight = base_weight(q) * q->factor;
    finish_by(q, q->budget);
    q->place = ACTIVE;
    q->order = b->orders++;
}

static void forget(struct bfq_told *b, int class) {
    for (int i = 0; i < QUEUES; i++)
        if (b->q[i].class == class && b->q[i].place == PAST && !before(b->vtime[class], b->q[i].finish))
            b->q[i].place = NOWHERE;
}

static void activate(struct bfq_told *b, struct queue *q, bool in_time) {
    uint64_t v = b->vtime[q->class], least = v;
    bool shifted = in_time && before(q->finish, v);
    if (shifted)
        least = q->finish;
    q->start = q->place == PAST && before(least, q->finish) ? q->finish : least;
    enter(b, q);
    if (shifted && before(q->finish, v)) {
        uint64_t by = (v - q->finish) / (uint64_t)q->factor;
        q->start += by;
        q->finish += by;
    }
}

static void leave(struct bfq_told *b, struct queue *q) {
    finish_by(q, q->service);
    q->place = before(b->vtime[q->class], q->finish) ? PAST : NOWHERE;
}

static void serve(struct bfq_told *b, struct queue *q, int64_t sectors) {
    q->service += sectors;
    b->vtime[q->class] += ((uint64_t)sectors << 22) / weights(b, q->class);
    forget(b, q->class);
}

static int first_of(const struct bfq_told *b, int class, uint64_t v) {
    int best = -1;
    for (int i = 0; i < QUEUES; i++) {
        const struct queue *q = &b->q[i], *o = best < 0 ? NULL : &b->q[best];
        if (q->place != ACTIVE || q->class != class || before(v, q->start))
            continue;
        if (!o || before(q->finish, o->finish) || (q->finish == o->finish && q->order < o->order))
            best = i;
    }
    return best;
}

static bool class_active(const struct bfq_told *b, int class) {
    for (int i = 0; i < QUEUES; i++)
        if (b->q[i].place == ACTIVE && b->q[i].class == class)
            return true;
    return false;
}

static int choose(const struct told *t) {
    struct bfq_told *b = of(t);
    int class = 0;
    if (t->now_ns - b->idle_class_at > 200 * MS) {
        class = class_active(b, T_IDLE) ? T_IDLE : 0;
        b->idle_class_at = t->now_ns;
    }
    while (class < 3 && !class_active(b, class))
        class ++;
    if (class == 3)
        return -1;
    if (first_of(b, class, b->vtime[class]) < 0) { /* nobody's start has come: on to the first */
        bool any = false;
        uint64_t v = 0;
        for (int i = 0; i < QUEUES; i++)
            if (b->q[i].place == ACTIVE && b->q[i].class == class && (!any || before(b->q[i].start, v))) {
                v = b->q[i].start;
                any = true;
            }
        b->vtime[class] = v;
        forget(b, class);
    }
    return first_of(b, class, b->vtime[class]);
}

/* --- weights that are raised --- */

static int64_t interactive_for(const struct bfq_told *b) {
    int64_t ms = b->set.rotational ? 14000 * 7000 / b->peak : 33000 * 2500 / b->peak;
    return (ms < 3000 ? 3000 : ms > 25000 ? 25000 : ms) * MS;
}

static void raise_ends(const struct told *t, struct queue *q) {
    q->factor = 1;
    q->raised_for = 0;
    q->raised_at = t->now_ns;
}

static void srt_ends(const struct told *t, struct queue *q) {
    int64_t whole = interactive_for(of(t));
    if (t->now_ns > q->interactive_at + whole) {
        raise_ends(t, q);
        return;
    }
    q->raised_at = q->interactive_at;
    q->raised_for = whole;
    q->factor = 30;
}

/* Before it is busy; returns whether it is interactive. */
static bool raise_on_arrival(const struct told *t, struct queue *q) {
    struct bfq_told *b = of(t);
    int64_t now = t->now_ns;
    bool usual = !q->large_burst && q->level == 4 && q->class != T_IDLE;
    bool idle_long = !q->in_drive && now > q->end + 2000 * MS;
    bool interactive = usual && idle_long;
    bool srt = usual && q->seeks != UINT32_MAX && now > q->srt_next && !q->in_drive;
    bool in_burst = q->large_burst;
    if (!q->fresh && idle_long && now > q->end + 10000 * MS)
        q->in_burst = q->large_burst = false;
    q->fresh = false;
    if (!b->set.low_latency)
        return interactive;
    if (q->factor == 1 && q->sync && (interactive || srt)) {
        q->factor = interactive ? 30 : 3000;
        q->raised_for = interactive ? interactive_for(b) : SRT;
        if (interactive)
            q->raised_service = 0;
        else
            q->interactive_at = LONG;
        q->budget = least_of(q->budget, 2 * (most_budget(b) / 32));
        q->budget = most_of(q->budget, (int64_t)t->rq[q->next].sectors);
    } else if (q->factor > 1 && interactive) {
        q->factor = 30;
        q->raised_for = interactive_for(b);
    } else if (q->factor > 1 && in_burst) {
        q->factor = 1;
    } else if (q->factor > 1 && srt) {
        if (q->raised_for != SRT) {
            q->interactive_at = q->raised_at;
            q->raised_for = SRT;
            q->factor = 3000;
        }
        q->raised_at = now;
    }
    return interactive;
}

static void raise_while_served(const struct told *t, struct queue *q) {
    if (q->factor > 1) {
        if (q->large_burst)
            raise_ends(t, q);
        else if (t->now_ns > q->raised_at + q->raised_for && q->raised_for == SRT)
            srt_ends(t, q);
        else if (t->now_ns > q->raised_at + q->raised_for)
            raise_ends(t, q);
        if (q->factor > 1 && q->raised_for != SRT && q->raised_service > 120000)
            raise_ends(t, q);
    }
    if ((q->weight > base_weight(q)) != (q->factor > 1))
        q->weight = base_weight(q) * q->factor;
}

static void set_srt_next(const struct told *t, struct queue *q) {
    int64_t slow = q->backlog_start + (int64_t)((uint64_t)q->backlog * 1000000000ull / 7000);
    int64_t soon = t->now_ns + of(t)->set.slice_idle + 4 * MS;
    q->srt_next = most_of(q->srt_next, most_of(slow, soon));
}

static void note_burst(const struct told *t, struct queue *q) {
    struct bfq_told *b = of(t);
    if (q->in_burst || q->large_burst)
        return;
    if (t->now_ns > b->burst_last + 180 * MS || b->burst_size < 0) {
        for (int i = 0; i < QUEUES; i++)
            b->q[i].in_burst = false;
        b->large_burst = false;
        b->burst_size = !busy_queues(b, false);
        q->in_burst = b->burst_size;
    } else if (b->large_burst) {
        q->large_burst = true;
    } else if (++b->burst_size == 8) {
        b->large_burst = q->large_burst = true;
        for (int i = 0; i < QUEUES; i++) {
            b->q[i].large_burst |= b->q[i].in_burst;
            b->q[i].in_burst = false;
        }
    } else {
        q->in_burst = true;
    }
    b->burst_last = t->now_ns;
}

/* --- the drive's rate --- */

static bool far_away(const struct bfq_told *b, uint64_t last, const struct told_request *r) {
    uint64_t d = r->sector > last ? r->sector - last : last - r->sector;
    return d > 800 && (b->set.rotational || r->sectors < 64);
}

static void rate_restart(const struct told *t, int i) {
    struct bfq_told *b = of(t);
    b->samples = i >= 0;
    b->sequential = b->took = 0;
    b->sectors = b->largest = i < 0 ? 0 : (int64_t)t->rq[i].sectors;
    if (i >= 0)
        b->first = b->last = t->now_ns;
}

static void rate_end(const struct told *t, int i) {
    struct bfq_told *b = of(t);
    if (b->samples >= 32 && b->took >= 300 * MS) {
        int64_t took = most_of(b->took, b->last_completion - b->first);
        int64_t rate = (b->sectors << 16) / (took / 1000);
        if ((b->sequential >= 3 * b->samples / 4 || rate > b->peak) && rate <= 20 << 16) {
            int64_t w = 9 * b->sequential / b->samples * took / (1000 * MS), part = 10 - least_of(w, 8);
            b->peak = b->peak * (part - 1) / part + rate / part;
            b->peak = b->peak ? b->peak : 1;
        }
        b->device_budget = most_of(b->peak * 125000 >> 16, 32);
    }
    rate_restart(t, i);
}

static void rate_sent(const struct told *t, int i) {
    struct bfq_told *b = of(t);
    const struct told_request *r = &t->rq[i];
    if (!b->samples) {
        rate_restart(t, i);
    } else if (t->now_ns - b->last > 100 * MS && !b->in_drive) {
        rate_end(t, i);
    } else {
        b->samples++;
        if ((b->in_drive || t->now_ns - b->last_completion < 2 * MS) && !far_away(b, b->position, r))
            b->sequential++;
        b->sectors += (int64_t)r->sectors;
        if (b->samples % 32 == 0 || (int64_t)r->sectors > b->largest)
            b->largest = (int64_t)r->sectors;
        b->took = t->now_ns - b->first;
        if (b->took >= 1000 * MS)
            rate_end(t, i);
    }
    b->position = r->sector + r->sectors;
    b->last = t->now_ns;
}

/* --- the end of a service --- */

static bool timed_out(const struct told *t, int q) {
    return t->now_ns >= of(t)->q[q].end;
}

static void becomes_empty(const struct told *t, struct queue *q) {
    q->end = t->now_ns;
}

static void next_budget(const struct told *t, int at, int reason) {
    struct bfq_told *b = of(t);
    struct queue *q = &b->q[at];
    int64_t least = most_budget(b) / 32, budget = q->max_budget;
    if (q->sync && q->factor == 1) {
        if (reason == TOO_IDLE && q->in_drive)
            budget = least_of(2 * budget, b->device_budget);
        else if (reason == TOO_IDLE)
            budget = budget > 5 * least ? budget - 4 * least : least;
        else if (reason == TIMEOUT)
            budget = least_of(2 * budget, b->device_budget);
        else if (reason == EXHAUSTED)
            budget = least_of(4 * budget, b->device_budget);
        else if (reason == NO_MORE)
            budget = most_of(q->service, least);
        else
            return;
    } else {
        budget = q->sync ? 2 * least : b->device_budget;
    }
    q->max_budget = b->learned >= 194 ? least_of(budget, b->device_budget) : budget;
    if (q->next >= 0)
        q->budget = most_of(q->max_budget, charge_of(t, at, q->next));
}

static void expire(const struct told *t, bool idled, int reason) {
    struct bfq_told *b = of(t);
    int at = b->serving;
    struct queue *q = &b->q[at];
    int64_t took = (idled ? b->idle_since : t->now_ns) - b->served_since;
    bool slow = seeky(q);
    if (q->sync && took < MS)
        took = b->set.rotational ? b->set.slice_idle : 2 * MS;
    else if (took > 20 * MS)
        slow = q->service < b->device_budget / 2;
    slow &= q->sync;
    b->waiting = false;
    b->timer = T_NONE;
    b->injected = b->wait_dispatch = false;
    b->waited = T_NONE;
    if (q->factor == 1 && (slow || (reason == TIMEOUT && left(q) >= q->budget / 3))) {
        int64_t charge = b->device_budget * (least_of(took, 125 * MS) / MS) / 125;
        charge = most_of(charge, q->service);
        q->budget = most_of(q->budget, charge);
        q->backlog += charge - q->service;
        serve(b, q, charge - q->service);
    }
    if (b->set.low_latency && q->factor == 1)
        q->raised_at = t->now_ns;
    if (b->set.low_latency && empty(t, at)) {
        if (q->in_drive)
            q->srt_update = true;
        else
            set_srt_next(t, q);
    }
    next_budget(t, at, reason);
    b->serving = -1;
    if (!empty(t, at) || (reason == PREEMPTED && protects(b, at))) {
        finish_by(q, q->service);
        q->start = q->finish;
        enter(b, q);
    } else {
        leave(b, q);
        q->busy = false;
        if (!q->in_drive)
            becomes_empty(t, q);
    }
    if (!q->busy && reason != TIMEOUT && reason != EXHAUSTED)
        q->came_idle = true;
    else
        q->service = 0;
}

/* --- letting others in --- */

static void limit_reset(const struct told *t, struct queue *q) {
    q->base = 0;
    of(t)->waited = T_NONE;
    q->limit = !q->short_think;
    q->limit_changed = t->now_ns;
}

static bool fits(const struct told *t, int q) {
    const struct bfq_told *b = of(t);
    return q >= 0 && b->q[q].busy && b->q[q].next >= 0 && charge_of(t, q, b->q[q].next) <= left(&b->q[q]);
}

static int inject_from(const struct told *t, int at) {
    struct bfq_told *b = of(t);
    struct queue *q = &b->q[at];
    int woken = -1;
    for (int i = 0; i < QUEUES; i++)
        if (b->q[i].made && b->q[i].waker == at && (woken < 0 || b->q[i].woken_order > b->q[woken].woken_order))
            woken = i;
    if (q->waker >= 0 && fits(t, q->waker))
        return q->waker;
    if (fits(t, woken))
        return woken;
    if (boosts(b, at) || (q->factor > 1 && busy_queues(b, true) <= 1 && q->short_think))
        return -1;
    int64_t limit = q->limit;
    if (!limit && !q->base && b->waiting && t->now_ns >= b->idle_since + b->set.slice_idle)
        limit = 1;
    if (b->in_drive >= limit)
        return -1;
    uint64_t bound = UINT64_MAX;
    for (;;) { /* the latest that became busy first */
        int other = -1;
        for (int i = 0; i < QUEUES; i++)
            if (b->q[i].busy && b->q[i].busy_order < bound &&
                (other < 0 || b->q[i].busy_order > b->q[other].busy_order))
                other = i;
        if (other < 0)
            return -1;
        bound = b->q[other].busy_order;
        if (!fits(t, other) || (q->factor > 1 && q->short_think && b->q[other].factor == 1))
            continue;
        if (!b->set.rotational && t->rq[b->q[other].next].sectors >= 64 && b->in_drive)
            continue;
        b->injected = true;
        return other;
    }
}

/* --- the next request --- */

static int better(const struct told *t, int x, int y, uint64_t last) {
    if (x < 0 || x == y)
        return y;
    if (y < 0)
        return x;
    uint64_t sx = t->rq[x].sector, sy = t->rq[y].sector, most = 16384 * 2;
    bool wx = sx < last && last - sx > most, wy = sy < last && last - sy > most;
    if (wx && wy)
        return sx <= sy ? x : y;
    if (wx || wy)
        return wx ? y : x;
    uint64_t dx = sx >= last ? sx - last : 2 * (last - sx), dy = sy >= last ? sy - last : 2 * (last - sy);
    if (dx != dy)
        return dx < dy ? x : y;
    return sx >= sy ? x : y;
}

/* After `i`, which is still queued. */
static int follower(const struct told *t, int q, int i) {
    struct queue *own = &of(t)->q[q];
    int oldest = -1, first = -1, after = -1, behind = -1;
    for (int k = t->from; k < t->count; k++) {
        const struct told_request *r = &t->rq[k], *at = &t->rq[i];
        if (r->state != T_QUEUED || queue_of(t, k) != q)
            continue;
        oldest = oldest < 0 ? k : oldest;
        if (k == i)
            continue;
        bool ahead = r->sector > at->sector || (r->sector == at->sector && k > i);
        if (first < 0 || r->sector < t->rq[first].sector)
            first = k;
        if (ahead && (after < 0 || r->sector < t->rq[after].sector))
            after = k;
        if (!ahead && (behind < 0 || r->sector >= t->rq[behind].sector))
            behind = k;
    }
    if (!own->fifo_seen) {
        own->fifo_seen = true;
        if (oldest != i && t->now_ns >= t->rq[oldest].deadline)
            return oldest;
    }
    return better(t, after < 0 ? first : after, behind, t->rq[i].sector);
}

static void next_changed(const struct told *t, int at) {
    struct bfq_told *b = of(t);
    struct queue *q = &b->q[at];
    if (q->next < 0 || q->place != ACTIVE)
        return;
    int64_t budget = most_of(most_of(q->max_budget, charge_of(t, at, q->next)), q->service);
    if (budget == q->budget)
        return;
    q->budget = budget;
    enter(b, q);
}

static int send(struct told *t, int at) {
    struct bfq_told *b = of(t);
    struct queue *q = &b->q[at];
    int i = q->next;
    int64_t charge = charge_of(t, at, i);
    serve(b, q, charge);
    q->backlog += charge;
    if (q->factor > 1)
        q->raised_service += charge;
    if (at == b->serving && b->wait_dispatch) {
        b->wait_dispatch = false;
        b->waited = i;
    }
    rate_sent(t, i);
    q->in_drive++;
    b->in_drive++;
    q->next = follower(t, at, i);
    t->rq[i].state = T_SENT;
    t->rq[i].sent_ns = t->now_ns;
    if (empty(t, at) && at != b->serving) {
        leave(b, q);
        q->busy = false;
        q->budget = q->service = 0;
    }
    next_changed(t, at);
    if (at == b->serving) {
        raise_while_served(t, q);
        if (q->class == T_IDLE && busy_queues(b, false) > 1)
            expire(t, false, EXHAUSTED);
    }
    return i;
}

static bool may_time_out(const struct told *t, int q) {
    const struct bfq_told *b = of(t);
    return timed_out(t, q) && (!b->waiting || left(&b->q[q]) >= b->q[q].budget / 3);
}

static void take_service(const struct told *t) {
    struct bfq_told *b = of(t);
    b->serving = choose(t);
    if (b->serving < 0)
        return;
    struct queue *q = &b->q[b->serving];
    bool srt = q->factor > 1 && q->raised_for == SRT;
    int64_t times = srt ? 1 : q->weight / base_weight(q);
    q->place = SERVED;
    q->fifo_seen = false;
    b->learned = (7 * b->learned + 256) / 8;
    if (srt && q->raised_at < t->now_ns && q->end < t->now_ns)
        q->raised_at = q->end > q->raised_at ? q->raised_at + t->now_ns - q->end : t->now_ns;
    b->served_since = t->now_ns;
    q->end = t->now_ns + 125 * MS * (times ? times : 1);
}

static int bfq_pick(struct told *t) {
    struct bfq_told *b = of(t);
    if (!busy_queues(b, false) || (b->set.strict && b->in_drive))
        return T_NONE;
    if (b->serving >= 0 && may_time_out(t, b->serving) && !(empty(t, b->serving) && idle_better(b, b->serving)))
        expire(t, false, TIMEOUT);
    for (;;) {
        if (b->serving < 0)
            take_service(t);
        if (b->serving < 0)
            return T_NONE;
        struct queue *q = &b->q[b->serving];
        if (q->next >= 0 && charge_of(t, b->serving, q->next) > left(q)) {
            expire(t, false, EXHAUSTED);
        } else if (q->next >= 0) {
            b->waiting = false;
            b->timer = T_NONE;
            return send(t, b->serving);
        } else if (b->waiting || (q->in_drive && idle_better(b, b->serving))) {
            int from = inject_from(t, b->serving);
            return from < 0 ? T_NONE : send(t, from);
        } else {
            expire(t, false, NO_MORE);
        }
    }
}

/* --- arrivals --- */

static bool thinks_long(const struct bfq_told *b, const struct queue *q) {
    return q->think_samples > 80 && q->think_mean > b->set.slice_idle / 2;
}

static void learn(const struct told *t, int at, int i) {
    struct bfq_told *b = of(t);
    struct queue *q = &b->q[at];
    int64_t now = t->now_ns;
    if (!q->in_drive && !q->busy) {
        int64_t elapsed = least_of(now - q->think_end, 2 * b->set.slice_idle);
        q->think_samples = (7 * q->think_samples + 256) / 8;
        q->think_total = (7 * q->think_total + 256 * elapsed) / 8;
        q->think_mean = (q->think_total + 128) / q->think_samples;
    }
    if (q->sync && q->class != T_IDLE && b->set.slice_idle) {
        bool is_short = !thinks_long(b, q), changes = is_short != q->short_think;
        q->short_think = is_short;
        if (changes && !q->base && (!is_short || now >= q->limit_changed + 100 * MS))
            limit_reset(t, q);
    }
    int own = 0;
    for (int k = t->from; k <= i; k++)
        own += t->rq[k].proc == t->rq[i].proc && (t->rq[k].state != T_DONE);
    if (q->sync && own <= 1) {
        int done = b->last_done;
        if (done >= 0 && done != at && !q->short_think && now - b->last_completion < 4 * MS && done != q->waker) {
            if (done != q->maybe || now > q->maybe_since + 128 * b->set.slice_idle) {
                q->maybe = done;
                q->hits = 0;
                q->maybe_since = now;
            }
            if (++q->hits >= 3) {
                q->waker = done;
                q->woken_order = b->orders++;
                q->maybe = -1;
                q->hits = 0;
            }
        }
        if (now >= q->limit_changed + 1000 * MS)
            limit_reset(t, q);
        if (at == b->serving && (!b->in_drive || (q->base && b->injected)) && now >= q->limit_changed + 10 * MS) {
            b->waited_since = now;
            b->wait_dispatch = true;
            if (!b->in_drive)
                b->injected = false;
        }
    }
    if (q->sync) {
        int64_t all = now - q->io_start;
        if (all_queued(t, at) == 0 && !q->in_drive)
            q->idle_total += now - q->think_end;
        if (!q->fresh) {
            q->io_bound = 5 * q->idle_total <= all;
            if (all > 200 * MS) {
                q->io_start = now - all / 2;
                q->idle_total /= 2;
            }
        }
    }
    q->seeks = q->seeks << 1 | far_away(b, q->last, &t->rq[i]);
    q->last = t->rq[i].sector + t->rq[i].sectors;
    if (q->factor > 1 && q->raised_for == SRT && q->seeks == UINT32_MAX)
        srt_ends(t, q);
}

static bool preempts(const struct told *t, int at, bool goes_on) {
    const struct bfq_told *b = of(t);
    const struct queue *q = &b->q[at], *s = &b->q[b->serving];
    bool outranks = q->class != s->class ? q->class < s->class : q->weight > s->weight;
    return (goes_on && q->factor >= s->factor) || outranks || !idle_better(b, b->serving);
}

static bool begins(const struct told *t, int at) {
    struct bfq_told *b = of(t);
    struct queue *q = &b->q[at];
    bool in_time = t->now_ns <= q->think_end + 3 * b->set.slice_idle;
    bool goes_on = q->came_idle && in_time && left(q) > 0;
    q->budget = goes_on ? least_of(left(q), q->max_budget) : most_of(q->max_budget, charge_of(t, at, q->next));
    q->service = 0;
    bool interactive = raise_on_arrival(t, q);
    q->backlog_start = t->now_ns;
    q->backlog = 0;
    q->srt_update = false;
    activate(b, q, goes_on);
    q->came_idle = false;
    q->busy = true;
    q->busy_order = b->orders++;
    if (b->serving >= 0 && preempts(t, at, goes_on))
        expire(t, false, PREEMPTED);
    return interactive;
}

static void make(const struct told *t, int at, int proc) {
    struct bfq_told *b = of(t);
    struct queue *q = &b->q[at];
    *q = (struct queue){.made = true, .sync = at != ASYNC, .fresh = true, .io_bound = true, .seeks = 1, .factor = 1};
    q->class = t->level[proc];
    q->level = q->class == T_IDLE ? 7 : b->set.level[proc];
    q->short_think = q->sync && q->class != T_IDLE;
    q->next = q->waker = q->maybe = -1;
    q->max_budget = 2 * most_budget(b) / 3;
    q->weight = base_weight(q);
    q->created = q->io_start = q->srt_next = q->think_end = q->raised_at = t->now_ns;
    q->end = q->limit_changed = q->interactive_at = LONG;
}

static void bfq_added(struct told *t, int i) {
    struct bfq_told *b = of(t);
    int at = queue_of(t, i);
    struct queue *q = &b->q[at];
    t->rq[i].state = T_NEW;
    if (i == 0)
        b->idle_class_at = t->now_ns; /* the cgroup is known from now on */
    if (!q->made)
        make(t, at, t->rq[i].proc);
    if (q->fresh && (b->burst_size > 0 || !busy_queues(b, false)))
        note_burst(t, q);
    t->rq[i].deadline = t->now_ns + (t->rq[i].sync ? 125 : 250) * MS;
    int64_t factor = q->factor;
    bool busy = q->busy, interactive = false;
    int next = q->next;
    learn(t, at, i);
    t->rq[i].state = T_QUEUED;
    q->next = better(t, next, i, b->position);
    if (!busy)
        interactive = begins(t, at);
    if (b->set.low_latency && busy && factor == 1 && !t->rq[i].sync && t->now_ns > q->raised_at + 500 * MS) {
        q->raised_for = interactive_for(b);
        q->factor = 30;
    }
    if (b->set.low_latency && (factor == 1 || q->factor == 1 || interactive))
        q->raised_at = t->now_ns;
    if (!busy)
        return;
    if (q->next != next)
        next_changed(t, at);
    if (at == b->serving && b->waiting) {
        b->waiting = false;
        b->timer = T_NONE;
        if (timed_out(t, at))
            expire(t, false, TIMEOUT);
    }
}

/* --- completions --- */

static void learn_limit(const struct told *t, struct queue *q) {
    struct bfq_told *b = of(t);
    int64_t took = t->now_ns - b->waited_since, old = q->limit;
    if (q->base && b->injected) {
        if (2 * took >= 3 * q->base - (3 * q->base) % 2 && old) {
            q->limit--;
            q->limit_changed = t->now_ns;
        } else if (took < q->base * 3 / 2 && old <= b->most) {
            q->limit++;
        }
    }
    if ((!q->base && b->in_drive == 1) || took < q->base) {
        if (!q->base)
            q->limit = most_of(1, old);
        q->base = took;
    } else if (!b->injected && b->in_drive == 1) {
        q->base = took;
    }
    b->waited = T_NONE;
    b->injected = false;
}

static void learn_depth(const struct told *t) {
    struct bfq_told *b = of(t);
    const struct queue *q = b->serving < 0 ? NULL : &b->q[b->serving];
    b->most = b->in_drive > b->most ? b->in_drive : b->most;
    if (b->tag == 1 || b->in_drive + all_queued(t, -1) <= 3)
        return;
    if (q && q->short_think && q->in_drive + all_queued(t, b->serving) < 3 && b->in_drive < 3)
        return;
    if (b->tag_samples++ < 32)
        return;
    b->tag = b->most > 3;
    b->most = b->tag_samples = 0;
}

static void bfq_done(struct told *t, int i) {
    struct bfq_told *b = of(t);
    int at = queue_of(t, i);
    struct queue *q = &b->q[at];
    if (i == b->waited)
        learn_limit(t, q);
    learn_depth(t);
    b->in_drive--;
    q->in_drive--;
    if (!q->in_drive && !q->busy)
        becomes_empty(t, q);
    q->think_end = t->now_ns;
    int64_t us = (t->now_ns - b->last_completion) / 1000;
    if (us > 2000 && (b->largest << 16) / us < 64)
        rate_end(t, -1);
    b->last_completion = t->now_ns;
    b->last_done = at;
    if (q->srt_update && !q->in_drive && empty(t, at) && q->factor != 30)
        set_srt_next(t, q);
    if (at != b->serving)
        return;
    if (empty(t, at) && idle_better(b, at)) {
        if (q->in_drive)
            return;
        int64_t wait = b->set.slice_idle;
        if (seeky(q) && q->factor == 1 && !asymmetric(b, at))
            wait = least_of(wait, 2 * MS);
        else if (q->factor > 1)
            wait = most_of(wait, 20 * MS);
        b->waiting = true;
        b->idle_since = t->now_ns;
        b->timer = t->now_ns + wait;
    } else if (may_time_out(t, at)) {
        expire(t, false, TIMEOUT);
    } else if (empty(t, at) && (!q->in_drive || !idle_better(b, at))) {
        expire(t, false, NO_MORE);
    }
}

static int64_t bfq_timer(const struct told *t) {
    return of(t)->timer;
}

static void bfq_fire(struct told *t) {
    struct bfq_told *b = of(t);
    b->waiting = false;
    b->timer = T_NONE;
    if (timed_out(t, b->serving))
        expire(t, true, TIMEOUT);
    else if (empty(t, b->serving))
        expire(t, true, TOO_IDLE);
}

/* --- begin, comparison --- */

struct bfq_told_queue bfq_told_queue(const struct told *t, int queue) {
    const struct bfq_told *b = of(t);
    const struct queue *q = &b->q[queue];
    return (struct bfq_told_queue){.busy = q->busy,
                                   .serving = b->serving == queue,
                                   .short_think = q->short_think,
                                   .io_bound = q->io_bound,
                                   .next = q->next,
                                   .tag = b->tag,
                                   .factor = q->factor,
                                   .max_budget = q->max_budget,
                                   .service = q->service,
                                   .budget = q->budget,
                                   .base = q->base,
                                   .limit = q->limit,
                                   .peak = b->peak,
                                   .start = q->start,
                                   .finish = q->finish};
}

void bfq_told_begin(struct told *t, const struct bfq_told_settings *set) {
    static struct bfq_told state;
    struct bfq_told *b = &state;
    memset(b, 0, sizeof *b);
    t->own = b;
    b->set = *set;
    b->serving = b->last_done = -1;
    b->waited = T_NONE;
    b->tag = -1;
    b->most = 1;
    b->timer = T_NONE;
    b->burst_size = 0;
    b->device_budget = 16384;
    b->peak = set->initial_rotational ? 14000 * 2 / 3 : 33000 * 2 / 3;
    for (int i = 0; i < QUEUES; i++)
        b->q[i] = (struct queue){.next = -1, .waker = -1, .maybe = -1, .factor = 1};
}

const struct told_ops told_bfq = {
    .name = "bfq", .added = bfq_added, .pick = bfq_pick, .done = bfq_done, .timer = bfq_timer, .fire = bfq_fire};
