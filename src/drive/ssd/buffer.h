/*
 * The write buffer: units that hosts wrote and that are not on flash yet.
 *
 * A slot holds one version of one unit. A unit written again while its last
 * version waits shares that slot; while it is being programmed, or somebody
 * waits for exactly that version, it gets a new one. Among slots of one unit
 * the younger comes first in its hash chain.
 *
 *   FREE -> DIRTY -> INFLIGHT -> FREE        FREE -> DIRTY: wbuf_add
 *            ^ |        |                    FREE -> FILLING: wbuf_add, part
 *   FILLING -+ |        |                    of a unit whose rest must be read
 *      ^     | +--------+ program failed     FILLING -> DIRTY: wbuf_filled
 *   PARTIAL -+                               FREE -> PARTIAL: wbuf_add, part of a
 *                                            unit whose rest is read later
 *                                            PARTIAL -> FILLING: wbuf_take_partial
 *                                            PARTIAL -> DIRTY: wbuf_part, the rest
 *                                            was written, too
 *
 * A `dead` slot was overtaken: by a deallocation or by a younger version that
 * reached flash first. It only waits for its program to end.
 *
 * Flush. Each version gets an age when it is accepted, and live slots form a
 * list in that order: a flush waits exactly until no live slot is left that was
 * accepted before it. (A unit written again in the slot it already has keeps
 * its place: its older version is not on flash either.)
 *
 * Room. A slot takes the room of its unit; or, of a unit whose rest nobody will
 * read, that of the bytes written (wbuf_takes()). The last one may take more
 * than there is.
 *
 * Undo. With a volatile cache, a slot keeps what its unit read as before (if
 * there is payload), so that losing power can take the write back.
 */
#ifndef DRIVELAB_DRIVE_SSD_BUFFER_H
#define DRIVELAB_DRIVE_SSD_BUFFER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct io;

#define SLOT_NONE 0xffffffffu

enum { WBUF_LISTS = 8, WBUF_PARTIAL = WBUF_LISTS }; /* of dirty slots; and one more, of partial ones */

enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_DIRTY, SLOT_INFLIGHT, SLOT_PARTIAL };

struct slot {
    uint32_t lpn;
    uint32_t chain;          /* next of the hash chain; next free slot */
    uint32_t next, prev;     /* dirty list, oldest first */
    uint64_t seq;            /* when it entered its dirty list */
    uint64_t age;            /* when it was accepted */
    uint32_t older, younger; /* list of live slots */
    struct io *waiter;       /* request to answer once this version is on flash */
    uint32_t room;           /* bytes it takes of the buffer */
    uint32_t was;            /* map entry to go back to when power is lost, if the unit was not on flash */
    uint8_t state;
    uint8_t list; /* dirty list that it belongs to */
    bool dead;
    bool undo;     /* its undo page holds the old content */
    uint16_t have; /* bit by 4 KiB of the unit: in the buffer */
};

struct wbuf {
    struct slot *slots;
    uint32_t count, used, free;
    uint64_t room, taken; /* bytes */
    uint32_t *heads;
    uint32_t mask;
    uint32_t unit_shift; /* of a unit's bytes */
    uint16_t whole;      /* `have` of a complete unit */
    uint32_t dirty;      /* slots, in all dirty lists */
    struct {
        uint32_t count, head, tail;
    } list[WBUF_LISTS + 1];    /* what shares pages on flash; partial ones */
    uint64_t seq;              /* of the last slot that became dirty */
    uint64_t drain_seq;        /* dirty slots up to here are to be programmed without waiting for full pages */
    uint32_t oldest, youngest; /* ends of the list of live slots */
    uint64_t age;              /* of the last version accepted */
    uint64_t flush_age;        /* versions up to here have a flush waiting or had one */
    char *undo;                /* a page per slot; NULL without */
};

/* Units of 4 KiB << `unit_shift` - 12, up to 64 KiB, and room for all slots, which may be made less. */
int wbuf_init(struct wbuf *b, uint32_t slots, uint32_t unit_shift, bool undo, struct err *e);
void wbuf_release(struct wbuf *b);
void wbuf_reset(struct wbuf *b);

/* The youngest live version of a unit, or SLOT_NONE. */
uint32_t wbuf_find(const struct wbuf *b, uint32_t lpn);

static inline bool wbuf_full(const struct wbuf *b) {
    return b->free == SLOT_NONE || b->taken >= b->room;
}

/* A slot takes less room than its unit, or more than before. */
static inline void wbuf_takes(struct wbuf *b, uint32_t slot, uint32_t bytes) {
    b->taken += (uint64_t)bytes - b->slots[slot].room;
    b->slots[slot].room = bytes;
}

/* A new version of a unit, DIRTY, FILLING or PARTIAL, that is or will be in this dirty list; SLOT_NONE if the buffer is
 * full. */
uint32_t wbuf_add(struct wbuf *b, uint32_t lpn, enum slot_state state, unsigned list);

/* More of a PARTIAL slot was written: `have` of that. */
void wbuf_part(struct wbuf *b, uint32_t slot, uint16_t have);

/* The oldest PARTIAL slot becomes FILLING. */
uint32_t wbuf_take_partial(struct wbuf *b);

/* What a FILLING slot missed has been read. */
void wbuf_filled(struct wbuf *b, uint32_t slot);

/* The oldest slot of a dirty list becomes INFLIGHT. */
uint32_t wbuf_take(struct wbuf *b, unsigned list);

/* This DIRTY slot becomes INFLIGHT. */
void wbuf_take_slot(struct wbuf *b, uint32_t slot);

/* The program of an INFLIGHT slot failed: it is the oldest of its dirty list again. */
void wbuf_retry(struct wbuf *b, uint32_t slot);

/* The version no longer counts. A DIRTY or PARTIAL slot is freed, others when their program ends. */
void wbuf_kill(struct wbuf *b, uint32_t slot);

/* The next older live version after `slot`, or SLOT_NONE. */
uint32_t wbuf_older(const struct wbuf *b, uint32_t slot);

/* Give an INFLIGHT or dead slot back. */
void wbuf_put(struct wbuf *b, uint32_t slot);

/* Program everything that is dirty now, without waiting for full pages. */
static inline void wbuf_drain(struct wbuf *b) {
    b->drain_seq = b->seq;
}

/* True if a page should be programmed now from this dirty list. */
static inline bool wbuf_page_due(const struct wbuf *b, unsigned list, uint32_t page_units) {
    uint32_t count = b->list[list].count;
    return count >= page_units || (count && b->slots[b->list[list].head].seq <= b->drain_seq);
}

/* A flush begins: program everything accepted so far. Returns the age of the last of it: done once wbuf_flushed(that).
 */
uint64_t wbuf_flush(struct wbuf *b);
static inline bool wbuf_flushed(const struct wbuf *b, uint64_t age) {
    return b->oldest == SLOT_NONE || b->slots[b->oldest].age > age;
}

static inline void *wbuf_undo(const struct wbuf *b, uint32_t slot) {
    return b->undo + ((uint64_t)slot << b->unit_shift);
}

int wbuf_check(const struct wbuf *b, struct err *e);

#endif
