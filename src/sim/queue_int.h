/*
 * The event queue: a radix tree of FIFO lists, 6 bits of the time a level.
 *
 * Where an event stands follows from its time and from `last`, a time that no
 * pending event precedes: its level is that of the highest 6-bit digit in which
 * the two differ, its slot is that digit. Level 0 thus holds one nanosecond a
 * slot, level 1 64 ns, level 2 4 us, level 3 262 us ... level 10 everything.
 *
 * Invariants (queue_check() tests them):
 *  1. last <= at_ns of every pending event.
 *  2. Every event stands where queue_place() would put it now. Hence the first
 *     slot of the lowest level in use holds the earliest events, and events of
 *     equal time are always in one list, in the order they were scheduled.
 *  3. A level's bit in `levels` is set if a slot's is, a slot's if it has events.
 *
 * `last` moves only to the earliest event or to the base of its slot, so that
 * only that one slot changes its place: its list is dealt out to lower levels
 * in order. An event moves down at most once a level, three times for delays
 * below 262 us, and not at all if it is alone in its slot, the usual case when
 * few are pending. Lists are rings through their slot, so that nothing branches
 * on whether one is empty: mispredicted branches are most of the cost here. A
 * 4-ary heap with (time, order) keys has half the rate from 100 pending events
 * on, and is level with this at ten (bench/bench_events.c). Scheduling and cancelling are O(1). `last` never passes the
 * time up to which the caller asked for events: in wall time something earlier
 * than the next event may still be scheduled.
 *
 * Units: nanoseconds, 0 .. INT64_MAX.
 */
#ifndef DRIVELAB_SIM_QUEUE_INT_H
#define DRIVELAB_SIM_QUEUE_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/sim.h"

#define QUEUE_BITS   6
#define QUEUE_SLOTS  (1u << QUEUE_BITS)
#define QUEUE_LEVELS 11
#define QUEUE_SCAN   16 /* events of a slot that queue_bound() looks at before it settles for the slot's base */

struct queue {
    int64_t last;
    uint32_t levels;
    uint64_t slots[QUEUE_LEVELS];
    struct sim_link slot[QUEUE_LEVELS * QUEUE_SLOTS]; /* rings */
};

/* Empty, with `last` at 0. */
void queue_init(struct queue *q);

static inline struct sim_event *queue_event(const struct sim_link *link) {
    return (struct sim_event *)((char *)link - offsetof(struct sim_event, link));
}

static inline unsigned queue_level(const struct queue *q, int64_t at_ns) {
    uint64_t differ = (uint64_t)(at_ns ^ q->last) | 1;
    return (63u - (unsigned)__builtin_clzll(differ)) / QUEUE_BITS;
}

static inline unsigned queue_digit(int64_t at_ns, unsigned level) {
    return (unsigned)(at_ns >> (QUEUE_BITS * level)) & (QUEUE_SLOTS - 1);
}

/* Append `ev` to the list that its time belongs to. */
static inline void queue_place(struct queue *q, struct sim_event *ev) {
    unsigned level = queue_level(q, ev->at_ns), digit = queue_digit(ev->at_ns, level);
    unsigned where = level * QUEUE_SLOTS + digit;
    struct sim_link *slot = &q->slot[where], *tail = slot->prev;
    ev->where = 1 + where;
    ev->link.next = slot;
    ev->link.prev = tail;
    tail->next = slot->prev = &ev->link;
    q->slots[level] |= 1ull << digit;
    q->levels |= 1u << level;
}

/* Clear the bits of a slot if it is empty now. */
static inline void queue_slot_shrunk(struct queue *q, unsigned where) {
    unsigned level = where / QUEUE_SLOTS;
    uint64_t empty = q->slot[where].next == &q->slot[where];
    uint64_t left = q->slots[level] & ~(empty << where % QUEUE_SLOTS);
    q->slots[level] = left;
    q->levels &= ~((uint32_t)(left == 0) << level);
}

static inline void queue_remove(struct queue *q, struct sim_event *ev) {
    unsigned where = ev->where - 1;
    ev->where = 0;
    ev->link.prev->next = ev->link.next;
    ev->link.next->prev = ev->link.prev;
    queue_slot_shrunk(q, where);
}

/* As queue_remove() for `ev`, the first of the slot `where`; spares the loads that depend on each other. */
static inline struct sim_event *queue_take(struct queue *q, struct sim_event *ev, unsigned where) {
    struct sim_link *slot = &q->slot[where], *second = ev->link.next;
    ev->where = 0;
    slot->next = second;
    second->prev = slot;
    queue_slot_shrunk(q, where);
    return ev;
}

/* Deal the events of a slot out to lower levels, in their order. */
static inline void queue_deal(struct queue *q, unsigned where) {
    struct sim_link *slot = &q->slot[where], *link = slot->next;
    slot->next = slot->prev = slot;
    queue_slot_shrunk(q, where);
    while (link != slot) {
        struct sim_link *next = link->next;
        queue_place(q, queue_event(link));
        link = next;
    }
}

/* Where the earliest events are; the queue must not be empty. */
static inline unsigned queue_first(const struct queue *q) {
    unsigned level = (unsigned)__builtin_ctz(q->levels);
    return level * QUEUE_SLOTS + (unsigned)__builtin_ctzll(q->slots[level]);
}

/* The first nanosecond of the slot `where`, in which `ev` is. */
static inline int64_t queue_base(const struct sim_event *ev, unsigned where) {
    unsigned shift = where / QUEUE_SLOTS * QUEUE_BITS;
    return ev->at_ns >> shift << shift;
}

/* Take out the earliest event if it is due at `limit_ns` or before; NULL if none is. */
static inline struct sim_event *queue_pop(struct queue *q, int64_t limit_ns) {
    while (q->levels) {
        unsigned where = queue_first(q);
        struct sim_event *ev = queue_event(q->slot[where].next);
        if (where < QUEUE_SLOTS || ev->link.next == &q->slot[where]) {
            if (ev->at_ns > limit_ns)
                return NULL;
            q->last = ev->at_ns;
            return queue_take(q, ev, where);
        }
        int64_t base = queue_base(ev, where);
        if (base > limit_ns)
            return NULL;
        q->last = base;
        queue_deal(q, where);
    }
    return NULL;
}

/* After queue_pop() gave an event: take out the next one of the same instant, or NULL. */
static inline struct sim_event *queue_pop_same(struct queue *q) {
    unsigned where = queue_digit(q->last, 0); /* on level 0, whatever level the first one was on */
    if (!(q->slots[0] >> where & 1))
        return NULL;
    return queue_take(q, queue_event(q->slot[where].next), where);
}

static inline bool queue_empty(const struct queue *q) {
    return !q->levels;
}

/* A time before which nothing is due, exact unless many events are close together; SIM_NEVER if empty. */
int64_t queue_bound(const struct queue *q);

/* True if the invariants hold; for tests. */
bool queue_check(const struct queue *q);

#endif
