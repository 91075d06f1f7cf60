/*
 * The event queue: a sorted list for what finds its place there at once, and
 * beside it a radix tree of FIFO lists, a digit of the time a level.
 *
 * The list. Most events of a drive are due before all others or after them,
 * or nearly so: an answer that has only to cross the link, an array time that
 * begins now. Such an event is put in its place in the list if that takes no
 * more than a few steps from either end; any other goes to the tree. Which of
 * the two has the next event is looked at when it is taken; of equal times, by
 * their number `seq`.
 *
 * The tree. Where an event stands follows from its time and from `last`, a
 * time that no event of the tree precedes: its level is that of the highest
 * digit in which the two differ, its slot is that digit. Level 0 holds one
 * nanosecond a slot, level 1 512 ns, level 2 a millisecond; see queue_digits.
 * Most events of a drive are due within a millisecond and so have a slot of
 * level 1 for themselves.
 *
 * Invariants (queue_check() tests them):
 *  1. last <= at_ns of every event in the tree.
 *  2. Every event of the tree stands where queue_append() would put it now.
 *     Hence the first slot of the lowest level in use holds the earliest
 *     events, and events of equal time are always in one list, in the order
 *     they were scheduled.
 *  3. The list is in the order of time and, where that is equal, of scheduling.
 *  4. A slot's bit in `used` is set if it has events, a word's of `used` in
 *     `words` if it is not zero.
 *  5. Nothing in the tree is due before `tree_ns`; `head`, if known, is due then.
 *
 * The earliest event of the tree is looked for among the first slot's if they
 * are few. If they are many, `last` moves to the base of the slot: only that
 * one slot then changes its place, its list is dealt out to lower levels in
 * order. An event moves down at most once a level, once for delays below a
 * millisecond. Scheduling and cancelling are O(1). `last` never passes the time
 * up to which the caller asked for events: in wall time something earlier than
 * the next event may still be scheduled.
 *
 * What costs most is waiting for one load after the other, and mispredicted
 * branches. So the tree's next event is looked for when one is taken, in
 * parallel with what that one does; and all lists are rings, so that appending
 * doesn't branch.
 *
 * Units: nanoseconds, 0 .. INT64_MAX.
 */
#ifndef DRIVELAB_SIM_QUEUE_INT_H
#define DRIVELAB_SIM_QUEUE_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/sim.h"

#define QUEUE_NEAR 8  /* steps from either end of the list to an event's place */
#define QUEUE_FEW  4  /* events of a slot among which the earliest is looked for */
#define QUEUE_SCAN 16 /* that queue_bound() looks at before it settles for the slot's base */

/* Where the slots of each level begin. */
enum {
    QUEUE_LEVEL_1 = 512,
    QUEUE_LEVEL_2 = QUEUE_LEVEL_1 + 2048,
    QUEUE_LEVEL_3 = QUEUE_LEVEL_2 + 1024,
    QUEUE_LEVEL_4 = QUEUE_LEVEL_3 + 1024,
    QUEUE_LEVEL_5 = QUEUE_LEVEL_4 + 1024,
    QUEUE_LEVEL_6 = QUEUE_LEVEL_5 + 1024,
    QUEUE_SLOTS = QUEUE_LEVEL_6 + 64,
    QUEUE_WORDS = QUEUE_SLOTS / 64,
    QUEUE_LISTED = 1 + QUEUE_SLOTS, /* `where` of the list's events */
};

/* How a time is read whose highest bit that differs from `last` is given. */
struct queue_digit {
    uint16_t first, mask; /* the level's first slot, and of how many, less one */
    uint8_t shift;
};
extern const struct queue_digit queue_digits[64];

struct queue {
    uint64_t seq;           /* of the last event that was scheduled */
    struct sim_event list;  /* the ring's beginning and end, due at SIM_NEVER */
    int64_t tree_ns;        /* nothing in the tree is due before; SIM_NEVER if it is empty */
    struct sim_event *head; /* the earliest of the tree; NULL: not known, or none */
    int64_t last;
    uint64_t words[2];
    uint64_t used[QUEUE_WORDS];
    struct sim_link slot[QUEUE_SLOTS]; /* rings */
};

_Static_assert(QUEUE_WORDS > 64 && QUEUE_WORDS <= 128, "two words for them");

/* Empty, with `last` at 0. */
void queue_init(struct queue *q);

static inline struct sim_event *queue_event(const struct sim_link *link) {
    return (struct sim_event *)((char *)link - offsetof(struct sim_event, link));
}

static inline const struct queue_digit *queue_digit(const struct queue *q, int64_t at_ns) {
    uint64_t differ = (uint64_t)(at_ns ^ q->last) | 1;
    return &queue_digits[63 - __builtin_clzll(differ)];
}

/* The slot that a time belongs to. */
static inline unsigned queue_slot(const struct queue *q, int64_t at_ns) {
    const struct queue_digit *d = queue_digit(q, at_ns);
    return d->first + ((unsigned)(at_ns >> d->shift) & d->mask);
}

static inline struct sim_event *queue_listed(const struct queue *q) {
    return queue_event(q->list.link.next);
}

static inline bool queue_empty(const struct queue *q) {
    return q->list.link.next == &q->list.link && !(q->words[0] | q->words[1]);
}

/* Append `ev` to the list that its time belongs to. */
static inline void queue_append(struct queue *q, struct sim_event *ev) {
    unsigned where = queue_slot(q, ev->at_ns), word = where / 64;
    struct sim_link *slot = &q->slot[where], *tail = slot->prev;
    ev->where = 1 + where;
    ev->link.next = slot;
    ev->link.prev = tail;
    tail->next = slot->prev = &ev->link;
    q->used[word] |= 1ull << where % 64;
    q->words[word / 64] |= 1ull << word % 64;
}

/* What an event of this time comes before in the list; NULL: not to be found at once. */
static inline struct sim_link *queue_place_in_list(const struct queue *q, int64_t at_ns) {
    struct sim_link *from_end = q->list.link.prev, *from_start = q->list.link.next;
    for (unsigned n = 0; n < QUEUE_NEAR; n++) {
        if (queue_event(from_end)->at_ns <= at_ns)
            return from_end->next;
        if (queue_event(from_start)->at_ns > at_ns)
            return from_start;
        from_end = from_end->prev;
        from_start = from_start->next;
    }
    return NULL;
}

static inline void queue_place(struct queue *q, struct sim_event *ev) {
    struct sim_link *next = queue_place_in_list(q, ev->at_ns);
    ev->seq = ++q->seq;
    if (next) {
        struct sim_link *prev = next->prev;
        ev->where = QUEUE_LISTED;
        ev->link.next = next;
        ev->link.prev = prev;
        prev->next = next->prev = &ev->link;
        return;
    }
    if (ev->at_ns < q->tree_ns) {
        q->tree_ns = ev->at_ns;
        q->head = ev;
    }
    queue_append(q, ev);
}

/* Leave a list; true if that is empty now. */
static inline bool queue_unlink(struct sim_event *ev) {
    struct sim_link *next = ev->link.next, *prev = ev->link.prev;
    ev->where = 0;
    prev->next = next;
    next->prev = prev;
    return next == prev; /* both are the ring's beginning */
}

/* A slot is empty now: clear its bit; returns what is left of its word. */
static inline uint64_t queue_slot_emptied(struct queue *q, unsigned where) {
    unsigned word = where / 64;
    uint64_t left = q->used[word] & ~(1ull << where % 64);
    q->used[word] = left;
    if (!left)
        q->words[word / 64] &= ~(1ull << word % 64);
    return left;
}

static inline void queue_remove(struct queue *q, struct sim_event *ev) {
    unsigned where = ev->where - 1;
    if (queue_unlink(ev) && where < QUEUE_SLOTS)
        queue_slot_emptied(q, where);
    if (q->head == ev)
        q->head = NULL;
}

/* Where the earliest events are; QUEUE_SLOTS if there are none. */
static inline unsigned queue_first(const struct queue *q) {
    unsigned word;
    if (__builtin_expect(q->words[0] != 0, 1))
        word = (unsigned)__builtin_ctzll(q->words[0]);
    else if (q->words[1])
        word = 64 + (unsigned)__builtin_ctzll(q->words[1]);
    else
        return QUEUE_SLOTS;
    return word * 64 + (unsigned)__builtin_ctzll(q->used[word]);
}

/* The earliest event of a slot, of equals the first; NULL if it has more than QUEUE_FEW. */
static inline struct sim_event *queue_earliest(const struct sim_link *slot) {
    struct sim_event *best = queue_event(slot->next);
    unsigned n = 1;
    for (const struct sim_link *link = slot->next->next; link != slot; link = link->next) {
        struct sim_event *ev = queue_event(link);
        if (n++ == QUEUE_FEW)
            return NULL;
        best = ev->at_ns < best->at_ns ? ev : best;
    }
    return best;
}

/* Take the head out and look for the next one: in its slot, in the slots of its word, and then in all. */
static inline struct sim_event *queue_take_head(struct queue *q, struct sim_event *ev) {
    unsigned where = ev->where - 1;
    if (queue_unlink(ev)) {
        uint64_t left = queue_slot_emptied(q, where);
        q->last = ev->at_ns;
        where = left ? (where & ~63u) + (unsigned)__builtin_ctzll(left) : queue_first(q);
    }
    struct sim_event *head = where < QUEUE_SLOTS ? queue_earliest(&q->slot[where]) : NULL;
    q->head = head;
    q->tree_ns = head ? head->at_ns : where < QUEUE_SLOTS ? ev->at_ns : SIM_NEVER;
    return ev;
}

/* queue_pop() when the tree's events have to be looked at. */
struct sim_event *queue_pop_other(struct queue *q, int64_t limit_ns);

/* Take out the earliest event if it is due at `limit_ns` or before; NULL if none is. */
static inline struct sim_event *queue_pop(struct queue *q, int64_t limit_ns) {
    struct sim_event *ev = queue_listed(q), *head = q->head;
    if (q->tree_ns <= ev->at_ns) {
        if (__builtin_expect(!head || q->tree_ns == ev->at_ns, 0))
            return queue_pop_other(q, limit_ns);
        return q->tree_ns > limit_ns ? NULL : queue_take_head(q, head);
    }
    if (ev->at_ns > limit_ns)
        return NULL;
    queue_unlink(ev);
    return ev;
}

/* A time before which nothing is due, exact unless many events are close together; SIM_NEVER if empty. */
int64_t queue_bound(const struct queue *q);

/* True if the invariants hold; for tests. */
bool queue_check(const struct queue *q);

#endif
