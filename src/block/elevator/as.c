/*
 * as: the anticipatory scheduler ("anticipatory" in Linux). Two sweeps, of sync requests and of others, in
 * batches of limited time; when a process' request has been served, the disk
 * may be kept idle for a few ms, in case the process sends a near one.
 *
 * Source: Linux 2.6.32 block/as-iosched.c and its documentation, for behaviour;
 * Iyer and Druschel, Anticipatory scheduling (SOSP 2001).
 * Faithful: what is anticipated, for how long, and what ends it; think times and
 * seek distances of processes, with their decay; batches, their autotuned
 * length, deadlines that are looked at once per expiry; the order of decisions.
 * Simplified: an io that ends where a request of its own kind begins is merged
 * to its front (Linux looked among the other kind by mistake).
 * Added: by_direction, for what was published before sync writes counted as sync.
 * Not modelled: requests that the driver gives back.
 *
 * Times are jiffies. Kind: index 1 sync, 0 async.
 *
 * Invariants: a queued request is in sort and fifo of its kind; next[k] is in
 * sort[k] or NULL, and NULL only if that is empty or nothing was chosen since.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "block/elevator/elevators.h"

#define MAX_BACK      (1024u * 1024)       /* sectors; what lies farther behind counts as ahead, after the rest */
#define BACK_PENALTY  2                    /* a sector behind counts as so many ahead */
#define CLOSE_SECTORS 8192                 /* what is close at once */
#define FIRST_SEEK    (2ull * 1024 * 1024) /* sectors; a seek counts for no more than this above four means ... */
#define LATER_SEEK    (2ull * 1024 * 64)   /* ... later, this */
#define FIRST_SAMPLES 60                   /* of 256 a sample */
#define ONE           256                  /* fixed point */
#define FAR           UINT64_MAX

enum { ASYNC, SYNC };

enum anticipation {
    ANTIC_OFF,
    ANTIC_WAIT_REQ,  /* for the process' request that is in the drive */
    ANTIC_WAIT_NEXT, /* for its next one; the timer runs */
    ANTIC_FINISHED,  /* gave up, or it came; until something is dispatched */
};

/* What is known of a process; lives as long as it, a request of it, or the wait for it. */
struct as_process {
    uint32_t refs;
    bool exited;
    bool started, completed;     /* has sent, has been answered a sync request */
    uint32_t queued, dispatched; /* dispatched: on the dispatch list */
    int64_t last_end;            /* when its last request was done */
    uint64_t last_position;
    uint64_t ttime_samples, ttime_total, ttime_mean;
    uint64_t seek_samples, seek_total, seek_mean;
    const struct block_context *context; /* NULL once it has exited */
};

struct as {
    struct elevator elevator; /* first */
    struct request_tree sort[2];
    struct request_list fifo[2];
    struct request *next[2];
    uint64_t last_sector[2]; /* end of the last one dispatched */
    int64_t last_check[2];   /* of the FIFO's head */
    uint32_t queued, dispatched;

    /* batches */
    int batch;        /* kind */
    bool changing;    /* to it, once everything dispatched is done */
    bool fresh;       /* its first request isn't done yet, which starts its time */
    bool write_idled; /* nobody else was there while writes had their turn */
    int64_t batch_end, write_count, write_left;

    /* anticipation */
    enum anticipation state;
    struct as_process *awaited; /* issuer of the last dispatched request, if that was sync */
    bool awaited_done;          /* that request */
    int64_t antic_start;
    struct sim_event timer;
    uint64_t exit_prob, exit_no_coop;                                        /* of ONE */
    uint64_t new_ttime_total, new_ttime_mean, new_seek_total, new_seek_mean; /* of second requests */

    int64_t fifo_expire[2], batch_expire[2], antic_expire, by_direction; /* tunables */
    struct {
        uint64_t waits, came, close, timeouts, batches[2], expired[2];
    } count;
};

static struct as *as_of(const struct elevator *e) {
    return (struct as *)e;
}

static int64_t jiffies(const struct as *a) {
    return elevator_jiffies(&a->elevator);
}

/* Decided when a request comes; the request's own word. */
static int kind_of(const struct request *rq) {
    return (int)rq->priv.word[0];
}

static int kind_for(const struct as *a, bool write, bool sync) {
    return a->by_direction ? !write : sync;
}

static struct as_process *process_of(const struct request *rq) {
    return rq->priv.ptr[0];
}

static uint64_t decayed(uint64_t value, uint64_t sample) {
    return (7 * value + ONE * sample) / 8;
}

/* --- processes --- */

static void process_put(struct as_process *p) {
    if (p && --p->refs == 0)
        free(p);
}

static int as_set_request(struct elevator *e, struct request *rq, const struct io *io) {
    struct as_process *p = rq->context->sched;
    if (!p) {
        p = calloc(1, sizeof *p);
        if (!p)
            return -ENOMEM;
        p->refs = 1;
        p->context = rq->context;
        rq->context->sched = p;
    }
    p->refs++;
    rq->priv.ptr[0] = p;
    return 0;
}

static void as_put_request(struct elevator *e, struct request *rq) {
    process_put(process_of(rq));
    rq->priv.ptr[0] = NULL;
}

static void as_context_exit(struct elevator *e, struct block_context *c) {
    struct as_process *p = c->sched;
    if (!p)
        return;
    p->exited = c->exited;
    p->context = NULL;
    c->sched = NULL;
    process_put(p);
}

static void note_think_time(struct as *a, struct as_process *p, uint64_t time) {
    if (!p->ttime_samples) {
        a->new_ttime_total = decayed(a->new_ttime_total, time);
        a->new_ttime_mean = a->new_ttime_total / ONE;
        a->exit_prob = decayed(a->exit_prob, 0);
    }
    p->ttime_samples = decayed(p->ttime_samples, 1);
    p->ttime_total = decayed(p->ttime_total, time);
    p->ttime_mean = (p->ttime_total + ONE / 2) / p->ttime_samples;
}

static void note_seek(struct as *a, struct as_process *p, uint64_t distance) {
    if (!p->seek_samples) {
        a->new_seek_total = decayed(a->new_seek_total, distance);
        a->new_seek_mean = a->new_seek_total / ONE;
    }
    uint64_t most = p->seek_mean * 4 + (p->seek_samples <= FIRST_SAMPLES ? FIRST_SEEK : LATER_SEEK);
    if (distance > most)
        distance = most;
    p->seek_samples = decayed(p->seek_samples, 1);
    p->seek_total = decayed(p->seek_total, distance);
    p->seek_mean = (p->seek_total + p->seek_samples / 2) / p->seek_samples;
}

/* Learn from a request: its own process, or the one it came close to. */
static void learn(struct as *a, struct as_process *p, const struct request *rq) {
    if (kind_of(rq) != SYNC)
        return;
    if (p->started) {
        int64_t most = a->elevator.hz / 50 - 1, time = 0;
        if (p->completed && !p->queued && !p->dispatched)
            time = jiffies(a) - p->last_end;
        note_think_time(a, p, (uint64_t)(time > most ? most : time));
        note_seek(a, p, rq->sector > p->last_position ? rq->sector - p->last_position : p->last_position - rq->sector);
    }
    p->last_position = request_end(rq);
    p->started = true;
}

/* --- the next of a kind --- */

/* How far a request is from where its kind was left; FAR: behind by so much that it comes after all ahead. */
static uint64_t distance(const struct as *a, const struct request *rq) {
    uint64_t last = a->last_sector[kind_of(rq)];
    if (rq->sector >= last)
        return rq->sector - last;
    return rq->sector + MAX_BACK >= last ? (last - rq->sector) * BACK_PENALTY : FAR;
}

static struct request *better(const struct as *a, struct request *x, struct request *y) {
    if (!x || !y)
        return x ? x : y;
    uint64_t dx = distance(a, x), dy = distance(a, y);
    if (dx != dy)
        return dx < dy ? x : y;
    if (dx == FAR)
        return x->sector <= y->sector ? x : y;
    return x->sector >= y->sector ? x : y;
}

static struct request *follower(struct as *a, struct request *rq) {
    struct request *after = request_tree_next(rq), *before = request_tree_prev(rq);
    if (!after)
        after = request_tree_first(&a->sort[kind_of(rq)]);
    return better(a, after == rq ? NULL : after, before);
}

static void unqueue(struct as *a, struct request *rq) {
    int kind = kind_of(rq);
    if (a->next[kind] == rq)
        a->next[kind] = follower(a, rq);
    request_tree_remove(&a->sort[kind], rq);
    TAILQ_REMOVE(&a->fifo[kind], rq, link);
    process_of(rq)->queued--;
    a->queued--;
}

/* --- anticipation --- */

static bool waiting(const struct as *a) {
    return a->state == ANTIC_WAIT_REQ || a->state == ANTIC_WAIT_NEXT;
}

static void idle_note(struct as *a, enum elevator_event what) {
    elevator_note(&a->elevator, what, a->awaited ? a->awaited->context : NULL);
}

static void wait_next(struct as *a) {
    a->state = ANTIC_WAIT_NEXT;
    sim_schedule(a->elevator.sim, &a->timer, (a->antic_start + a->antic_expire) * a->elevator.jiffy_ns);
}

static void wait_request(struct as *a) {
    a->count.waits++;
    idle_note(a, ELEVATOR_IDLE_BEGIN);
    if (a->awaited_done)
        wait_next(a);
    else
        a->state = ANTIC_WAIT_REQ;
}

static void stop_waiting(struct as *a) {
    if (!waiting(a))
        return;
    sim_cancel(a->elevator.sim, &a->timer);
    a->state = ANTIC_FINISHED;
    idle_note(a, ELEVATOR_IDLE_END);
    elevator_kick(&a->elevator);
}

static void timeout(struct sim_event *event) {
    struct as *a = (struct as *)((char *)event - offsetof(struct as, timer));
    const struct as_process *p = a->awaited;
    a->count.timeouts++;
    if (!p->ttime_samples)
        a->exit_prob = decayed(a->exit_prob, 1);
    if (p->exited)
        a->exit_no_coop = decayed(a->exit_no_coop, 1);
    stop_waiting(a);
}

/* A sync request of another process that is near enough to be worth taking. */
static bool is_close(const struct as *a, const struct as_process *p, const struct request *rq) {
    int64_t delay = a->state == ANTIC_OFF || !a->awaited_done ? 0 : jiffies(a) - a->antic_start;
    uint64_t last = a->last_sector[a->batch], window = CLOSE_SECTORS;
    if (delay > 0 && (delay > 20 * (int64_t)a->elevator.hz / 1000 || delay > a->antic_expire || delay > 40))
        return true;
    window <<= delay;
    uint64_t low = last > window / 2 ? last - window / 2 : 0;
    if (low <= rq->sector && rq->sector <= last + window)
        return true;
    uint64_t away = rq->sector > last ? rq->sector - last : last - rq->sector;
    return away < (p->seek_samples ? p->seek_mean : a->new_seek_mean);
}

static bool took_close(struct as *a, struct as_process *p, const struct request *rq) {
    if (!rq || kind_of(rq) != SYNC || !is_close(a, p, rq))
        return false;
    if (p->exited) {
        if (!p->ttime_samples)
            a->exit_prob = decayed(a->exit_prob, 1);
        a->exit_no_coop = decayed(a->exit_no_coop, 0);
    }
    learn(a, p, rq);
    a->count.close++;
    return true;
}

/* Whether waiting for the process makes no sense, or `rq` (may be NULL) ends it. */
static bool ends_wait(struct as *a, const struct request *rq) {
    struct as_process *p = a->awaited;
    if (rq && process_of(rq) == p) {
        a->count.came += waiting(a);
        return true;
    }
    if (a->awaited_done && jiffies(a) - a->antic_start >= a->antic_expire)
        return true;
    if (p->queued || p->dispatched)
        return true;
    if (took_close(a, p, rq))
        return true;
    if (p->exited) {
        if (!p->ttime_samples)
            a->exit_prob = decayed(a->exit_prob, 1);
        if (a->exit_no_coop > ONE / 2)
            return true;
    }
    if (!p->ttime_samples)
        return (int64_t)a->new_ttime_mean > a->antic_expire || a->exit_prob * a->exit_no_coop > ONE / 2 * ONE;
    return (int64_t)p->ttime_mean > a->antic_expire;
}

static bool may_wait(struct as *a, const struct request *rq) {
    return a->awaited && a->state != ANTIC_FINISHED && !ends_wait(a, rq);
}

static enum elevator_may as_may_queue(struct elevator *e, struct block_context *c, bool sync) {
    struct as *a = as_of(e);
    return waiting(a) && a->awaited == c->sched ? ELEVATOR_MUST : ELEVATOR_MAY;
}

/* --- inserting --- */

static void choose_next(struct as *a, struct request *rq) {
    int kind = kind_of(rq);
    a->next[kind] = better(a, rq, a->next[kind]);
    if (waiting(a) && ends_wait(a, rq))
        stop_waiting(a);
}

static void as_insert(struct elevator *e, struct request *rq, enum elevator_place place) {
    struct as *a = as_of(e);
    struct as_process *p = process_of(rq);
    int kind = kind_for(a, rq->write, request_sync(rq));
    rq->priv.word[0] = (uint64_t)kind;
    learn(a, p, rq);
    p->queued++;
    a->queued++;
    request_tree_insert(&a->sort[kind], rq);
    rq->expiry = jiffies(a) + a->fifo_expire[kind];
    TAILQ_INSERT_TAIL(&a->fifo[kind], rq, link);
    choose_next(a, rq);
}

/* --- batches --- */

static bool batch_over(const struct as *a) {
    if (a->changing || a->fresh)
        return false;
    return jiffies(a) > a->batch_end || (a->batch == ASYNC && !a->write_left);
}

/* Whether the oldest of a kind is late; looked at once per expiry at most. */
static bool fifo_expired(struct as *a, int kind) {
    const struct request *oldest = TAILQ_FIRST(&a->fifo[kind]);
    int64_t now = jiffies(a);
    if (!oldest || now - a->last_check[kind] < a->fifo_expire[kind])
        return false;
    a->last_check[kind] = now;
    bool late = now > oldest->expiry;
    a->count.expired[kind] += late;
    return late;
}

static struct request *begin_batch(struct as *a, int kind) {
    a->changing |= a->batch != kind;
    if (kind == ASYNC) {
        a->fresh &= !a->changing; /* reads ran out before one was done */
        a->write_left = a->write_count;
        a->write_idled = false;
    }
    a->batch = kind;
    a->last_check[kind] = jiffies(a);
    a->count.batches[kind]++;
    return TAILQ_FIRST(&a->fifo[kind]);
}

/* How many writes go into a batch, by how long the last batch took. */
static void tune_writes(struct as *a) {
    int64_t target = a->batch_expire[ASYNC], took = jiffies(a) - a->batch_end + target;
    took = took < 0 ? 0 : took;
    if (took > target && !a->write_idled)
        a->write_count = took > target * 3 ? a->write_count / 2 : a->write_count - 1;
    else if (took < target && !a->write_left)
        a->write_count = target > took * 3 ? a->write_count * 2 : a->write_count + 1;
    if (a->write_count < 1)
        a->write_count = 1;
}

/* --- dispatching --- */

static void move(struct as *a, struct request *rq) {
    int kind = kind_of(rq);
    stop_waiting(a);
    a->state = ANTIC_OFF;
    a->last_sector[kind] = request_end(rq);
    process_put(a->awaited);
    a->awaited = NULL;
    a->awaited_done = false;
    if (kind == SYNC) {
        a->awaited = process_of(rq);
        a->awaited->refs++;
    } else if (a->write_left) {
        a->write_left--;
    }
    a->next[kind] = follower(a, rq);
    process_of(rq)->dispatched++;
    unqueue(a, rq);
    a->dispatched++;
    elevator_dispatch_sort(&a->elevator, rq);
}

/* Everything at once; what it learned for batches starts anew. */
static unsigned drain(struct as *a) {
    unsigned moved = 0;
    stop_waiting(a);
    a->changing = a->fresh = false;
    for (int kind = SYNC; kind >= ASYNC; kind--)
        for (; a->next[kind]; moved++)
            move(a, a->next[kind]);
    return moved;
}

/* The request a running batch goes on with; *wait: nothing, anticipating. NULL: it is over, or there is none. */
static struct request *go_on(struct as *a, bool both, bool *wait) {
    struct request *rq = a->next[a->batch];
    if (both && batch_over(a))
        return NULL;
    if (a->batch == SYNC && a->antic_expire) {
        if (fifo_expired(a, SYNC))
            return TAILQ_FIRST(&a->fifo[SYNC]);
        *wait = may_wait(a, rq);
        if (*wait)
            return NULL;
    }
    if (rq && a->batch == SYNC && TAILQ_EMPTY(&a->fifo[ASYNC]))
        a->batch_end = jiffies(a) + a->batch_expire[SYNC]; /* its time runs only while writes wait */
    if (rq && fifo_expired(a, a->batch))
        rq = TAILQ_FIRST(&a->fifo[a->batch]);
    return rq;
}

/* The batch's kind has changed: the drive must be empty first. */
static bool changed(struct as *a) {
    if (!a->changing)
        return true;
    if (a->dispatched)
        return false;
    if (a->batch == ASYNC)
        a->batch_end = jiffies(a) + a->batch_expire[ASYNC];
    else
        a->fresh = true;
    a->changing = false;
    return true;
}

static unsigned as_dispatch(struct elevator *e, bool force) {
    struct as *a = as_of(e);
    bool reads = !TAILQ_EMPTY(&a->fifo[SYNC]), writes = !TAILQ_EMPTY(&a->fifo[ASYNC]), wait = false;
    if (force)
        return drain(a);
    if (a->batch == ASYNC && !reads && (!a->write_left || !writes))
        a->write_idled = true;
    if (!(reads || writes) || waiting(a) || a->changing)
        return 0;
    struct request *rq = go_on(a, reads && writes, &wait);
    if (wait) {
        wait_request(a);
        return 0;
    }
    if (!rq)
        rq = begin_batch(a, reads && !(writes && a->batch == SYNC) ? SYNC : ASYNC);
    if (!changed(a))
        return 0;
    move(a, rq);
    return 1;
}

static void as_activate(struct elevator *e, struct request *rq) {
    process_of(rq)->dispatched--;
}

static void as_completed(struct elevator *e, struct request *rq) {
    struct as *a = as_of(e);
    struct as_process *p = process_of(rq);
    bool sync = kind_of(rq) == SYNC;
    if (a->changing && a->dispatched == 1) {
        a->batch_end = jiffies(a) + a->batch_expire[a->batch];
        a->changing = false;
        a->fresh |= a->batch == SYNC;
        elevator_kick(e);
    }
    a->dispatched--;
    if (a->fresh && sync && a->batch == SYNC) { /* its time begins when one of it is done */
        tune_writes(a);
        a->batch_end = jiffies(a) + a->batch_expire[SYNC];
        a->fresh = false;
    }
    if (sync) {
        p->completed = true;
        p->last_end = jiffies(a);
    }
    if (sync && a->awaited == p) {
        a->antic_start = jiffies(a);
        a->awaited_done = true;
        if (a->state == ANTIC_WAIT_REQ)
            wait_next(a);
    }
}

/* --- merging --- */

static enum elevator_merge as_find_merge(struct elevator *e, const struct io *io, struct block_context *c,
                                         struct request **rq) {
    struct as *a = as_of(e);
    int kind = kind_for(a, elevator_io_write(io), elevator_io_sync(io));
    *rq = request_tree_find(&a->sort[kind], elevator_io_end(io));
    return *rq ? ELEVATOR_FRONT_MERGE : ELEVATOR_NO_MERGE;
}

static void as_merged(struct elevator *e, struct request *rq, enum elevator_merge where) {
    struct request_tree *sort = &as_of(e)->sort[kind_of(rq)];
    if (where != ELEVATOR_FRONT_MERGE)
        return;
    request_tree_remove(sort, rq);
    request_tree_insert(sort, rq);
}

static void as_merge_requests(struct elevator *e, struct request *rq, struct request *next) {
    struct as *a = as_of(e);
    struct request_list *fifo = &a->fifo[kind_of(rq)];
    if (rq->flags & RQ_QUEUED && kind_of(rq) == kind_of(next) && next->expiry < rq->expiry) {
        TAILQ_REMOVE(fifo, rq, link);
        TAILQ_INSERT_AFTER(fifo, next, rq, link);
        rq->expiry = next->expiry;
    }
    unqueue(a, next);
}

static struct request *as_former(struct elevator *e, struct request *rq) {
    return request_tree_prev(rq);
}

static struct request *as_latter(struct elevator *e, struct request *rq) {
    return request_tree_next(rq);
}

/* --- life, reports --- */

static int as_init(struct elevator *e, struct err *err) {
    struct as *a = as_of(e);
    for (int kind = ASYNC; kind <= SYNC; kind++) {
        RB_INIT(&a->sort[kind]);
        TAILQ_INIT(&a->fifo[kind]);
    }
    sim_event_init(&a->timer, timeout);
    a->batch = SYNC;
    a->batch_end = jiffies(a) + a->batch_expire[SYNC];
    a->write_count = a->batch_expire[ASYNC] / 10;
    if (a->write_count < 2)
        a->write_count = 2;
    return 0;
}

static void as_release(struct elevator *e) {
    struct as *a = as_of(e);
    sim_cancel(e->sim, &a->timer);
    process_put(a->awaited);
    a->awaited = NULL;
}

static bool as_has_work(const struct elevator *e) {
    return as_of(e)->queued;
}

static json_t *as_stats(const struct elevator *e) {
    const struct as *a = as_of(e);
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "anticipations", (json_int_t)a->count.waits,
                     "awaited_came", (json_int_t)a->count.came, "close_came", (json_int_t)a->count.close, "timeouts",
                     (json_int_t)a->count.timeouts, "sync_batches", (json_int_t)a->count.batches[SYNC], "async_batches",
                     (json_int_t)a->count.batches[ASYNC], "expired_sync", (json_int_t)a->count.expired[SYNC],
                     "expired_async", (json_int_t)a->count.expired[ASYNC], "write_batch_count",
                     (json_int_t)a->write_count, "new_think_time_jiffies", (json_int_t)a->new_ttime_mean,
                     "new_seek_sectors", (json_int_t)a->new_seek_mean);
}

static int check_kind(struct as *a, int kind, uint32_t *count, struct err *err) {
    bool found = !a->next[kind];
    uint32_t sorted = 0, listed = 0;
    const struct request *rq;
    for (struct request *at = request_tree_first(&a->sort[kind]); at; at = request_tree_next(at), sorted++)
        found |= at == a->next[kind];
    TAILQ_FOREACH(rq, &a->fifo[kind], link)
    listed++;
    *count += sorted;
    if (!found || sorted != listed)
        return err_set(err, EINVAL, "as: %" PRIu32 " sorted, %" PRIu32 " in the FIFO, or the next one isn't queued",
                       sorted, listed);
    if (sorted && !a->next[kind])
        return err_set(err, EINVAL, "as: %" PRIu32 " requests are queued, but none is next", sorted);
    return 0;
}

static int as_check(const struct elevator *e, struct err *err) {
    struct as *a = as_of(e);
    uint32_t count = 0;
    if (check_kind(a, ASYNC, &count, err) || check_kind(a, SYNC, &count, err))
        return -EINVAL;
    if (count != a->queued)
        return err_set(err, EINVAL, "as: %" PRIu32 " requests counted, %" PRIu32 " queued", a->queued, count);
    if (sim_event_pending(&a->timer) != (a->state == ANTIC_WAIT_NEXT) || (waiting(a) && !a->awaited))
        return err_set(err, EINVAL, "as: state %d without its timer or process", a->state);
    return 0;
}

/* --- tunables --- */

static int64_t eighth(const struct elevator *e) {
    return e->hz / 8;
}

static int64_t quarter(const struct elevator *e) {
    return e->hz / 4;
}

static int64_t half(const struct elevator *e) {
    return e->hz / 2;
}

static int64_t patience(const struct elevator *e) {
    return e->hz >= 150 ? e->hz / 150 : 1;
}

static void show_estimates(const struct elevator *e, char *text, size_t size) {
    const struct as *a = as_of(e);
    snprintf(text, size,
             "%" PRIu64 " %% exit probability\n%" PRIu64 " %% of exits without another process going on\n%" PRIu64
             " ms new think time\n%" PRIu64 " sectors new seek distance",
             100 * a->exit_prob / ONE, 100 * a->exit_no_coop / ONE, a->new_ttime_mean * 1000 / e->hz, a->new_seek_mean);
}

#define AT(field) offsetof(struct as, field)

static const struct elevator_tunable as_tunables[] = {
    {"est_time", TUNABLE_TEXT, .show = show_estimates, .help = "what is expected of processes that are new"},
    {"read_expire", TUNABLE_JIFFIES, AT(fifo_expire[SYNC]), .max = INT_MAX, .def_for = eighth, .unit = "ms",
     .help = "age of the oldest sync request that takes it out of turn; looked at once in that time"},
    {"write_expire", TUNABLE_JIFFIES, AT(fifo_expire[ASYNC]), .max = INT_MAX, .def_for = quarter, .unit = "ms",
     .help = "the same for async ones"},
    {"antic_expire", TUNABLE_JIFFIES, AT(antic_expire), .max = INT_MAX, .def_for = patience, .unit = "ms",
     .help = "how long to wait for a process' next request; 0: not at all"},
    {"read_batch_expire", TUNABLE_JIFFIES, AT(batch_expire[SYNC]), .max = INT_MAX, .def_for = half, .unit = "ms",
     .help = "length of a batch of sync requests while others wait"},
    {"write_batch_expire", TUNABLE_JIFFIES, AT(batch_expire[ASYNC]), .max = INT_MAX, .def_for = eighth, .unit = "ms",
     .help = "length of a batch of async ones; how many they are is tuned to it"},
    {"by_direction", TUNABLE_BOOL, AT(by_direction), .max = 1, .def = 0,
     .help = "batches of reads and of writes, as before Linux 2.6.30, instead of sync and async ones"},
    {NULL},
};

const struct elevator_ops elevator_as = {
    .name = "as",
    .summary = "deadline's sweeps, and waits a little for the reader it has just served",
    .size = sizeof(struct as),
    .tunables = as_tunables,
    .init = as_init,
    .release = as_release,
    .insert = as_insert,
    .dispatch = as_dispatch,
    .find_merge = as_find_merge,
    .merged = as_merged,
    .merge_requests = as_merge_requests,
    .former = as_former,
    .latter = as_latter,
    .activate = as_activate,
    .completed = as_completed,
    .set_request = as_set_request,
    .put_request = as_put_request,
    .may_queue = as_may_queue,
    .context_exit = as_context_exit,
    .has_work = as_has_work,
    .stats = as_stats,
    .check = as_check,
};
