/*
 * Queues whose processes read next to each other are merged: one queue, one
 * budget, and the drive reads on. They part when the queue seeks.
 *
 *   own queue -> on the way (merge_to): plan(), when a request of one comes close to the other
 *   on the way -> shared: bfq_follow_merge(), with each process' next request
 *   shared -> own: bfq_split(), with the next request after the queue was found seeky
 *
 * Faithful: who may be merged, and when it is too late; weight raising is kept
 * for each process, and passed on to the queue it joins. Stable merges: queues created
 * soon after each other, which belong to one application, as is assumed.
 */
#include "block/elevator/bfq_int.h"

#define CLOSE_SECTORS 8192
#define TOO_LATE_NS   (100 * BFQ_MS)
#define SOON_NS       (180 * BFQ_MS) /* stable merges: of queues created within this */
#define ANEW_NS       (600 * BFQ_MS) /* ... but after this, others are merged with a later one */
#define LATER_NS      (600 * BFQ_MS) /* what a queue is like is known */

/* --- where queues are --- */

static struct bfq_queue *queue_at(struct rb_node *n) {
    return n ? rb_entry(n, struct bfq_queue, place_node) : NULL;
}

/* Flash that queues: it does as well with requests of all, in any order. */
static bool fast(const struct bfq *b) {
    return b->hw_tag == 1 && !elevator_rotational(&b->base);
}

static bool too_late(const struct bfq *b, const struct bfq_queue *q) {
    return q->backlog_service && bfq_now(b) > q->first_service + TOO_LATE_NS;
}

/* Sort a queue in by its next request; out, if it can't be merged. */
void bfq_place(struct bfq *b, struct bfq_queue *q) {
    bool belongs = q->sync && q->busy && q->next && q->class != BFQ_IDLE && !fast(b) && !too_late(b, q);
    if (rb_linked(&q->place_node)) {
        if (belongs && q->place_sector == q->next->sector)
            return;
        rb_erase(&q->group->places, &q->place_node);
    }
    if (!belongs)
        return;
    q->place_sector = q->next->sector;
    struct rb_place at = rb_root_place(&q->group->places);
    while (rb_place_node(&at))
        rb_descend(&at, q->place_sector >= queue_at(rb_place_node(&at))->place_sector);
    rb_insert(&q->group->places, &q->place_node, &at);
}

static bool close_to(uint64_t a, uint64_t b) {
    return bfq_distance(a, b) <= CLOSE_SECTORS;
}

/* The queue whose next request is at `sector` or next after it, or last before; close, or NULL. */
static struct bfq_queue *nearest(struct bfq_group *g, uint64_t sector) {
    struct bfq_queue *before = NULL, *after = NULL;
    for (struct rb_node *n = g->places.root; n;) {
        struct bfq_queue *at = queue_at(n);
        bool right = at->place_sector < sector;
        if (right)
            before = at;
        else
            after = at;
        n = n->child[right];
    }
    if (after && close_to(after->place_sector, sector))
        return after;
    return before && close_to(before->place_sector, sector) ? before : NULL;
}

/* --- merging --- */

static bool may_merge(const struct bfq *b, const struct bfq_queue *q, const struct bfq_queue *other) {
    return other != q && other->processes && !too_late(b, other) && q->sync && other->sync &&
           q->class == other->class && q->class != BFQ_IDLE && q->group == other->group && !bfq_seeky(q) &&
           !bfq_seeky(other);
}

/* The processes of `q` are to go to `to` with their next requests. */
static bool plan(struct bfq *b, struct bfq_queue *q, struct bfq_queue *to) {
    while (to->merge_to) {
        if (to->merge_to == q)
            return false;
        to = to->merge_to;
    }
    if (to == q || !to->processes || !q->processes || to->group != q->group)
        return false;
    q->merge_to = to;
    to->processes += q->processes;
    to->refs += q->processes;
    b->stat.merges++;
    return true;
}

/* --- stable merges --- */

static struct bfq_queue *plan_stable(struct bfq *b, struct bfq_context *x, struct bfq_queue *q, struct bfq_queue *to) {
    if (!to->processes || !plan(b, q, to))
        return NULL;
    b->stat.stable_merges++;
    x->stays = true;
    if (q->merge_to->context)
        q->merge_to->context->stays = true;
    return q->merge_to;
}

/* The time for a stable merge has come: unless the drive does better if it waits for the queue. */
static struct bfq_queue *merge_later(struct bfq *b, struct bfq_context *x, struct bfq_queue *q) {
    struct bfq_queue *to = x->stable;
    to = bfq_idling_boosts(b, q) ? NULL : plan_stable(b, x, q, to);
    bfq_drop_stable(b, x);
    return to;
}

static bool is_time(const struct bfq *b, const struct bfq_context *x, const struct bfq_queue *q) {
    int64_t now = bfq_now(b);
    return x->stable && q->sync && !q->new &&now > q->split_at + LATER_NS &&now > q->created + LATER_NS && !fast(b);
}

/*
 * `x` has a new sync queue. Soon after another one: merged with that one, at once if the drive is
 * fast at anything, else when it is known what the queue is like. The queue to use.
 */
struct bfq_queue *bfq_created(struct bfq *b, struct bfq_context *x, struct bfq_queue *q) {
    struct bfq_queue *last = q->group->last_created;
    if (!last || q->created > last->created + ANEW_NS || q->level != last->level || q->class != last->class) {
        q->group->last_created = q;
        return q;
    }
    if (!b->stable_merge || q->created > last->created + SOON_NS)
        return q;
    if (fast(b))
        return plan_stable(b, x, q, last) ? bfq_follow_merge(b, x, q) : q;
    bfq_drop_stable(b, x);
    x->stable = last;
    last->refs++;
    return q;
}

/* --- close queues --- */

/* Where the process' queue is to be merged with, from its next request at `sector`; NULL: nowhere. */
struct bfq_queue *bfq_cooperate(struct bfq *b, struct bfq_context *x, struct bfq_queue *q, uint64_t sector) {
    struct bfq_queue *serving = b->serving, *other;
    if (q->merge_to)
        return q->merge_to;
    if (is_time(b, x, q))
        return merge_later(b, x, q);
    if (fast(b) || !q->sync || x->queue[1] != q || too_late(b, q) || bfq_busy_queues(b) < 2)
        return NULL;
    if (serving && may_merge(b, q, serving) && close_to(sector, b->serving_position) && plan(b, q, serving))
        return q->merge_to;
    other = nearest(q->group, sector);
    return other && may_merge(b, q, other) && plan(b, q, other) ? q->merge_to : NULL;
}

/* Weight raising stays with the process, for when it has a queue of its own again, and goes on in the shared one. */
static void hand_over(struct bfq *b, struct bfq_context *x, struct bfq_queue *q, struct bfq_queue *to) {
    if (q->context == x)
        bfq_raise_save(b, q);
    if (to->context) {
        bfq_raise_save(b, to);
        to->context = NULL;
    }
    if (!bfq_raised(q))
        return;
    if (!bfq_raised(to)) {
        uint32_t factor = q->raised.factor;
        to->raised = q->raised;
        to->raised.factor = 1;
        bfq_raise_set(b, to, factor);
    }
    bfq_raise_set(b, q, 1);
}

/* On to the queue that the process' own is merged with; it holds that one already. */
struct bfq_queue *bfq_follow_merge(struct bfq *b, struct bfq_context *x, struct bfq_queue *q) {
    struct bfq_queue *to = q->merge_to;
    hand_over(b, x, q, to);
    bfq_waker_inherit(q, to);
    to->io_bound |= q->io_bound;
    q->io_bound = false;
    x->queue[1] = to;
    to->shared = true;
    bfq_last_created(q, to);
    if (q->context == x)
        q->context = NULL;
    q->new = false;
    q->processes--;
    bfq_queue_put(b, q);
    return to;
}

/* The processes of a queue that seeks go separate ways again, the last one keeps it. */
void bfq_split(struct bfq *b, struct bfq_context *x) {
    struct bfq_queue *q = x->queue[1];
    b->stat.splits++;
    if (q->processes > 1) {
        x->shares = true;
        bfq_drop(b, x, true);
        return;
    }
    q->shared = q->split = false;
    q->context = x;
    bfq_raise_resume(b, q);
}
