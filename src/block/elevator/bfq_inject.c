/*
 * While the drive waits for a queue's next request, some of others may go: as
 * many as were found not to slow the queue down. And who wakes a queue: a
 * process whose completions are what another one waits for (a journal, a pipe) is let in at once.
 *
 * The measure: how long a request takes from its arrival at an empty queue in
 * service to its completion; the base with nothing let in, then with some.
 *
 * Simplified: of the busy queues only the latest few are looked at.
 */
#include "block/elevator/bfq_int.h"

#define LOOK_AT         32
#define RESET_NS        (1000 * BFQ_MS)
#define UPDATE_PAUSE_NS (10 * BFQ_MS)
#define WAKE_NS         (4 * BFQ_MS)
#define WAKES           3

void bfq_inject_reset(struct bfq *b, struct bfq_queue *q) {
    q->base_ns = 0;
    b->waited = NULL;
    q->inject_limit = !q->short_think;
    q->inject_changed = bfq_now(b);
}

/* The queue in service is no more, and nothing of it measured. */
void bfq_inject_stop(struct bfq *b) {
    b->injected = b->wait_dispatch = false;
    b->waited = NULL;
}

/* --- who wakes whom --- */

static void set_waker(struct bfq_queue *q, struct bfq_queue *waker) {
    if (q->waker)
        LIST_REMOVE(q, woken_link);
    q->waker = waker;
    if (waker)
        LIST_INSERT_HEAD(&waker->woken, q, woken_link);
}

static void look_for_waker(struct bfq *b, struct bfq_queue *q) {
    struct bfq_queue *last = b->last_completed;
    int64_t now = bfq_now(b);
    if (!last || last == q || q->short_think || now - b->last_completion >= WAKE_NS || last == q->waker)
        return;
    if (last->id != q->maybe_waker || now > q->waker_since + 128 * b->slice_idle) {
        q->maybe_waker = last->id;
        q->waker_hits = 0;
        q->waker_since = now;
    }
    if (++q->waker_hits < WAKES)
        return;
    set_waker(q, last);
    q->maybe_waker = 0;
    q->waker_hits = 0;
}

/* The processes of `q` go to `to`, and what wakes them with them. */
void bfq_waker_inherit(struct bfq_queue *q, struct bfq_queue *to) {
    if (!q->waker || to->waker || q->waker == to)
        return;
    set_waker(to, q->waker);
    to->maybe_waker = 0;
}

/* `q` goes away. */
void bfq_waker_forget(struct bfq *b, struct bfq_queue *q) {
    set_waker(q, NULL);
    while (!LIST_EMPTY(&q->woken))
        set_waker(LIST_FIRST(&q->woken), NULL);
    if (b->last_completed == q)
        b->last_completed = NULL;
}

/* --- measuring --- */

/* A process without other requests sends one to `q`; it isn't in it yet. */
void bfq_inject_arrived(struct bfq *b, struct bfq_queue *q) {
    int64_t now = bfq_now(b);
    look_for_waker(b, q);
    if (now >= q->inject_changed + RESET_NS)
        bfq_inject_reset(b, q);
    if (q != b->serving || (b->in_drive && !(q->base_ns && b->injected)) || now < q->inject_changed + UPDATE_PAUSE_NS)
        return;
    b->waited_since = now;
    b->wait_dispatch = true;
    if (!b->in_drive)
        b->injected = false;
}

void bfq_inject_dispatched(struct bfq *b, struct bfq_queue *q, struct request *rq) {
    if (q != b->serving || !b->wait_dispatch)
        return;
    b->wait_dispatch = false;
    b->waited = rq;
}

/* The measured request is back; it is still counted as in the drive. */
void bfq_inject_completed(struct bfq *b, struct bfq_queue *q, const struct request *rq) {
    if (rq != b->waited)
        return;
    int64_t took = bfq_now(b) - b->waited_since, most = q->base_ns * 3 / 2;
    bool alone = b->in_drive == 1;
    if (q->base_ns && b->injected) {
        if (took >= most && q->inject_limit) {
            q->inject_limit--;
            q->inject_changed = bfq_now(b);
        } else if (took < most && q->inject_limit <= b->most_in_drive) {
            q->inject_limit++;
        }
    }
    if (!q->base_ns && alone && !q->inject_limit)
        q->inject_limit = 1;
    if (alone ? !q->base_ns || !b->injected || took < q->base_ns : took < q->base_ns)
        q->base_ns = took;
    b->waited = NULL;
    b->injected = false;
}

/* --- letting others in --- */

static bool fits(const struct bfq *b, const struct bfq_queue *q) {
    return q && q->busy && q->next && bfq_charge(b, q, q->next) <= bfq_budget_left(q);
}

static uint32_t limit_of(const struct bfq *b, const struct bfq_queue *q) {
    if (!q->inject_limit && !q->base_ns && q->waiting && bfq_now(b) >= b->idle_since + b->slice_idle)
        return 1;
    return q->inject_limit;
}

static struct bfq_queue *any_other(struct bfq *b, const struct bfq_queue *q) {
    bool all = !bfq_raised(q) || !q->short_think, flash = !elevator_rotational(&b->base);
    unsigned looked = 0;
    struct bfq_queue *other;
    if (b->in_drive >= limit_of(b, q))
        return NULL;
    TAILQ_FOREACH(other, &b->busy, busy_link) {
        if (looked++ == LOOK_AT)
            return NULL;
        if (!fits(b, other) || !(all || bfq_raised(other)))
            continue;
        if (flash && other->next->sectors >= BFQ_SMALL_SECTORS && b->in_drive)
            continue;
        b->injected = true;
        return other;
    }
    return NULL;
}

static struct bfq_queue *own_async(const struct bfq *b, const struct bfq_queue *q) {
    struct bfq_queue *async = q->context ? q->context->queue[0] : NULL;
    return fits(b, async) && bfq_context_of(async->next) == q->context ? async : NULL;
}

/* Whose request may go while `q`, in service, has none; NULL: nobody's. */
struct bfq_queue *bfq_inject_from(struct bfq *b, struct bfq_queue *q) {
    struct bfq_queue *woken = LIST_FIRST(&q->woken), *from = own_async(b, q);
    if (!from && fits(b, q->waker))
        from = q->waker;
    if (!from && fits(b, woken))
        from = woken;
    if (!from && !bfq_idling_boosts(b, q) && (!bfq_raised(q) || b->raised_busy > 1 || !q->short_think))
        from = any_other(b, q);
    b->stat.injections += from != NULL;
    return from;
}
