/*
 * CFQ's queues in their trees. A busy queue stands in one service tree of its
 * group, by class and kind of work, ordered by a key that is the time it became
 * busy or was last served, later for worse levels, earlier for what it left
 * of its last slice: not an account of service. And, unless of class IDLE, in a
 * tree by the sector it wants next, one a level, shared by RT and BE.
 *
 * Invariants: BUSY <=> q->tree; by position stand only busy queues, only one
 * for each sector (the first that came), where they were when last sorted in.
 */
#include "block/elevator/cfq_int.h"

static struct cfq_queue *queue_of(const struct rb_node *n) {
    return rb_entry(n, struct cfq_queue, node);
}
static struct cfq_queue *placed(const struct rb_node *n) {
    return n ? rb_entry(n, struct cfq_queue, place_node) : NULL;
}

/* --- by position --- */

static void unplace(struct cfq_queue *q) {
    if (q->place)
        rb_erase(q->place, &q->place_node);
    q->place = NULL;
}

/* File the queue under the sector it wants next. */
void cfq_place(struct cfq *c, struct cfq_queue *q) {
    if (q->place && q->next && q->place == &c->place[q->level] && q->place_sector == q->next->sector)
        return;
    unplace(q);
    if (q->class == CFQ_IDLE || !q->next)
        return;
    uint64_t sector = q->next->sector;
    struct rb_place p = rb_root_place(&c->place[q->level]);
    for (struct rb_node *n; (n = rb_place_node(&p)) != NULL;) {
        if (placed(n)->place_sector == sector)
            return;
        rb_descend(&p, sector > placed(n)->place_sector);
    }
    q->place = &c->place[q->level];
    q->place_sector = sector;
    rb_insert(q->place, &q->place_node, &p);
}

/* The queue of the level whose next request is nearest to `sector`, the higher of two, if it is close to the head. */
struct cfq_queue *cfq_nearest(struct cfq *c, unsigned level, uint64_t sector) {
    struct cfq_queue *above = NULL, *below = NULL;
    for (struct rb_node *n = c->place[level].root; n;) {
        struct cfq_queue *q = placed(n);
        if (q->place_sector == sector) {
            above = q;
            break;
        }
        bool up = sector > q->place_sector;
        if (up)
            below = q;
        else
            above = q;
        n = n->child[up];
    }
    if (below && above && sector - below->place_sector < above->place_sector - sector)
        above = below;
    else if (!above)
        above = below;
    return above && above->next && cfq_close(c, above->next) ? above : NULL;
}

/* --- service trees --- */

static int64_t slice_at(const struct cfq *c, bool sync, unsigned level) {
    return cfq_slice_of(sync ? c->t.slice_sync : c->t.slice_async, level);
}

/* How much later than the best a queue stands: the more queues, the more. */
static int64_t offset_of(const struct cfq *c, const struct cfq_queue *q) {
    return ((int64_t)q->group->queues - 1) * (slice_at(c, true, 0) - slice_at(c, cfq_is_sync(q), q->level));
}

static int64_t key_of(const struct cfq *c, struct cfq_queue *q, const struct cfq_tree *t) {
    int64_t now = cfq_now(c);
    if (q->class == CFQ_IDLE) {
        struct rb_node *last = rb_last(&t->queues);
        return c->base.hz / 5 + (last && queue_of(last) != q ? queue_of(last)->key : now);
    }
    int64_t key = now + offset_of(c, q) - q->left_over;
    q->left_over = 0;
    return key;
}

static void leave_tree(struct cfq_queue *q) {
    rb_erase(&q->tree->queues, &q->node);
    q->tree->count--;
    q->tree = NULL;
}

static void join_tree(struct cfq_queue *q, struct cfq_tree *t, int64_t key) {
    struct rb_place p = rb_root_place(&t->queues);
    while (rb_place_node(&p))
        rb_descend(&p, key >= queue_of(rb_place_node(&p))->key);
    rb_insert(&t->queues, &q->node, &p);
    q->key = key;
    q->tree = t;
    t->count++;
}

static void move_to(struct cfq_queue *q, struct cfq_tree *t, int64_t key) {
    if (q->tree == t && q->key == key)
        return;
    if (q->tree)
        leave_tree(q);
    join_tree(q, t, key);
}

static struct cfq_tree *tree_for(struct cfq_queue *q) {
    return cfq_tree_at(q->group, q->class, cfq_type_of(q));
}

/* Put a busy queue where it now belongs. */
void cfq_resort(struct cfq *c, struct cfq_queue *q) {
    if (!cfq_has(q, CFQ_BUSY))
        return;
    struct cfq_tree *t = tree_for(q);
    move_to(q, t, key_of(c, q, t));
    cfq_place(c, q);
}

/* Before all others of its tree, for it preempts. */
void cfq_put_in_front(struct cfq *c, struct cfq_queue *q) {
    struct cfq_tree *t = tree_for(q);
    if (q->class == CFQ_IDLE) {
        move_to(q, t, key_of(c, q, t));
        return;
    }
    const struct cfq_queue *first = cfq_tree_first(t);
    move_to(q, t, (first ? first->key : cfq_now(c)) - c->base.hz);
}

void cfq_make_busy(struct cfq *c, struct cfq_queue *q) {
    q->flags |= CFQ_BUSY;
    c->busy++;
    c->busy_sync += cfq_is_sync(q);
    struct cfq_tree *t = tree_for(q);
    join_tree(q, t, key_of(c, q, t));
    cfq_group_queue_added(c, q->group);
    cfq_place(c, q);
}

void cfq_make_idle(struct cfq *c, struct cfq_queue *q) {
    q->flags &= ~CFQ_BUSY;
    leave_tree(q);
    unplace(q);
    cfq_group_queue_removed(c, q->group);
    c->busy--;
    c->busy_sync -= cfq_is_sync(q);
}
