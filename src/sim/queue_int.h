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
 * few are pending. Scheduling and cancelling are O(1). `last` never passes the
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
    struct sim_event *head[QUEUE_LEVELS][QUEUE_SLOTS]; /* head->prev is the tail, the tail's next is NULL */
};

static inline unsigned queue_level(const struct queue *q, int64_t at_ns) {
    uint64_t differ = (uint64_t)(at_ns ^ q->last) | 1;
    return (63u - (unsigned)__builtin_clzll(differ)) / QUEUE_BITS;
}

static inline unsigned queue_digit(int64_t at_ns, unsigned level) {
    return (unsigned)(at_ns >> (QUEUE_BITS * level)) & (QUEUE_SLOTS - 1);
}

/* Append `ev` to the list that its time belongs to. */
static inline void queue_place(struct queue *q, struct sim_event *ev) {
    unsigned level = queue_level(q, ev->at_ns), slot = queue_digit(ev->at_ns, level);
    struct sim_event *head = q->head[level][slot];
    ev->where = 1 + level * QUEUE_SLOTS + slot;
    ev->next = NULL;
    if (head) {
        ev->prev = head->prev;
        head->prev->next = ev;
        head->prev = ev;
        return;
    }
    ev->prev = ev;
    q->head[level][slot] = ev;
    q->slots[level] |= 1ull << slot;
    q->levels |= 1u << level;
}

static inline void queue_slot_emptied(struct queue *q, unsigned level, unsigned slot) {
    q->head[level][slot] = NULL;
    q->slots[level] &= ~(1ull << slot);
    if (!q->slots[level])
        q->levels &= ~(1u << level);
}

static inline void queue_remove(struct queue *q, struct sim_event *ev) {
    unsigned level = (ev->where - 1) / QUEUE_SLOTS, slot = (ev->where - 1) % QUEUE_SLOTS;
    struct sim_event *head = q->head[level][slot];
    ev->where = 0;
    if (ev == head) {
        if (!ev->next) {
            queue_slot_emptied(q, level, slot);
            return;
        }
        ev->next->prev = ev->prev;
        q->head[level][slot] = ev->next;
        return;
    }
    ev->prev->next = ev->next;
    if (ev->next)
        ev->next->prev = ev->prev;
    else
        head->prev = ev->prev;
}

/* Deal the events of a slot out to lower levels, in their order. */
static inline void queue_deal(struct queue *q, unsigned level, unsigned slot) {
    struct sim_event *ev = q->head[level][slot];
    queue_slot_emptied(q, level, slot);
    while (ev) {
        struct sim_event *next = ev->next;
        queue_place(q, ev);
        ev = next;
    }
}

static inline int64_t queue_slot_base(const struct sim_event *head, unsigned level) {
    return head->at_ns >> (QUEUE_BITS * level) << (QUEUE_BITS * level);
}

/* Take out the earliest event if it is due at `limit_ns` or before; NULL if none is. */
static inline struct sim_event *queue_pop(struct queue *q, int64_t limit_ns) {
    while (q->levels) {
        unsigned level = (unsigned)__builtin_ctz(q->levels);
        unsigned slot = (unsigned)__builtin_ctzll(q->slots[level]);
        struct sim_event *ev = q->head[level][slot];
        if (!level || !ev->next) {
            if (ev->at_ns > limit_ns)
                return NULL;
            q->last = ev->at_ns;
            queue_remove(q, ev);
            return ev;
        }
        int64_t base = queue_slot_base(ev, level);
        if (base > limit_ns)
            return NULL;
        q->last = base;
        queue_deal(q, level, slot);
    }
    return NULL;
}

static inline bool queue_empty(const struct queue *q) {
    return !q->levels;
}

/* A time before which nothing is due, exact unless many events are close together; SIM_NEVER if empty. */
int64_t queue_bound(const struct queue *q);

/* True if the invariants hold; for tests. */
bool queue_check(const struct queue *q);

#endif
