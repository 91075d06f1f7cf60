/* The write buffer of an SSD; see buffer.h. */
#include "drive/ssd/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static uint32_t hash(const struct wbuf *b, uint32_t lpn) {
    return (lpn * 0x9e3779b1u >> 7) & b->mask;
}

static uint32_t pow2_at_least(uint32_t v) {
    return v <= 1 ? 1 : 1u << (32 - __builtin_clz(v - 1));
}

int wbuf_init(struct wbuf *b, uint32_t slots, uint32_t unit_shift, bool undo, struct err *e) {
    *b = (struct wbuf){.count = slots, .mask = 2 * pow2_at_least(slots) - 1, .unit_shift = unit_shift};
    b->room = (uint64_t)slots << unit_shift;
    b->whole = (uint16_t)((1u << (1u << (unit_shift - 12))) - 1);
    b->slots = calloc(slots, sizeof *b->slots);
    b->heads = calloc(b->mask + 1ull, sizeof *b->heads);
    if (undo) {
        b->undo = mmap(NULL, (size_t)slots << unit_shift, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (b->undo == MAP_FAILED)
            b->undo = NULL;
    }
    if (!b->slots || !b->heads || (undo && !b->undo))
        return err_set(e, ENOMEM, "no memory for a write buffer of %u units", slots);
    wbuf_reset(b);
    return 0;
}

void wbuf_release(struct wbuf *b) {
    free(b->slots);
    free(b->heads);
    if (b->undo)
        munmap(b->undo, (size_t)b->count << b->unit_shift);
}

void wbuf_reset(struct wbuf *b) {
    memset(b->heads, 0xff, (b->mask + 1ull) * sizeof *b->heads);
    for (uint32_t i = 0; i < b->count; i++)
        b->slots[i] = (struct slot){.chain = i + 1 < b->count ? i + 1 : SLOT_NONE};
    b->free = 0;
    b->used = b->dirty = 0;
    b->taken = 0;
    for (unsigned i = 0; i <= WBUF_LISTS; i++) {
        b->list[i].count = 0;
        b->list[i].head = b->list[i].tail = SLOT_NONE;
    }
    b->seq = b->drain_seq = 0;
    b->oldest = b->youngest = SLOT_NONE;
    b->age = b->flush_age = 0;
}

static uint32_t live_of(const struct wbuf *b, uint32_t slot, uint32_t lpn) {
    while (slot != SLOT_NONE && (b->slots[slot].lpn != lpn || b->slots[slot].dead))
        slot = b->slots[slot].chain;
    return slot;
}

uint32_t wbuf_find(const struct wbuf *b, uint32_t lpn) {
    return live_of(b, b->heads[hash(b, lpn)], lpn);
}

uint32_t wbuf_older(const struct wbuf *b, uint32_t slot) {
    return live_of(b, b->slots[slot].chain, b->slots[slot].lpn);
}

static void append(struct wbuf *b, uint32_t slot, unsigned list) {
    struct slot *s = &b->slots[slot];
    s->seq = ++b->seq;
    s->next = SLOT_NONE;
    s->prev = b->list[list].tail;
    if (s->prev != SLOT_NONE)
        b->slots[s->prev].next = slot;
    else
        b->list[list].head = slot;
    b->list[list].tail = slot;
    b->list[list].count++;
}

static void dirty_append(struct wbuf *b, uint32_t slot) {
    struct slot *s = &b->slots[slot];
    s->state = SLOT_DIRTY;
    append(b, slot, s->list);
    b->dirty++;
}

static void take_out(struct wbuf *b, uint32_t slot, unsigned list) {
    struct slot *s = &b->slots[slot];
    if (s->prev != SLOT_NONE)
        b->slots[s->prev].next = s->next;
    else
        b->list[list].head = s->next;
    if (s->next != SLOT_NONE)
        b->slots[s->next].prev = s->prev;
    else
        b->list[list].tail = s->prev;
    b->list[list].count--;
}

static void dirty_remove(struct wbuf *b, uint32_t slot) {
    take_out(b, slot, b->slots[slot].list);
    b->dirty--;
}

static void live_append(struct wbuf *b, uint32_t slot) {
    struct slot *s = &b->slots[slot];
    s->age = ++b->age;
    s->younger = SLOT_NONE;
    s->older = b->youngest;
    if (s->older != SLOT_NONE)
        b->slots[s->older].younger = slot;
    else
        b->oldest = slot;
    b->youngest = slot;
}

static void live_remove(struct wbuf *b, uint32_t slot) {
    const struct slot *s = &b->slots[slot];
    if (s->older != SLOT_NONE)
        b->slots[s->older].younger = s->younger;
    else
        b->oldest = s->younger;
    if (s->younger != SLOT_NONE)
        b->slots[s->younger].older = s->older;
    else
        b->youngest = s->older;
}

uint32_t wbuf_add(struct wbuf *b, uint32_t lpn, enum slot_state state, unsigned list) {
    uint32_t slot = b->free;
    if (wbuf_full(b))
        return SLOT_NONE;
    struct slot *s = &b->slots[slot];
    uint32_t *head = &b->heads[hash(b, lpn)];
    b->free = s->chain;
    *s = (struct slot){.lpn = lpn, .chain = *head, .state = (uint8_t)state, .list = (uint8_t)list, .have = b->whole};
    *head = slot;
    b->used++;
    wbuf_takes(b, slot, 1u << b->unit_shift);
    live_append(b, slot);
    if (state == SLOT_DIRTY)
        dirty_append(b, slot);
    else if (state == SLOT_PARTIAL)
        append(b, slot, WBUF_PARTIAL);
    return slot;
}

static void complete(struct wbuf *b, uint32_t slot) {
    b->slots[slot].have = b->whole;
    dirty_append(b, slot);
    /* A flush that came while it was not complete counts on it. */
    if (b->slots[slot].age <= b->flush_age || b->slots[slot].waiter)
        wbuf_drain(b);
}

void wbuf_part(struct wbuf *b, uint32_t slot, uint16_t have) {
    if ((b->slots[slot].have |= have) != b->whole)
        return;
    take_out(b, slot, WBUF_PARTIAL);
    complete(b, slot);
}

uint32_t wbuf_take_partial(struct wbuf *b) {
    uint32_t slot = b->list[WBUF_PARTIAL].head;
    take_out(b, slot, WBUF_PARTIAL);
    b->slots[slot].state = SLOT_FILLING;
    return slot;
}

void wbuf_filled(struct wbuf *b, uint32_t slot) {
    complete(b, slot);
}

void wbuf_take_slot(struct wbuf *b, uint32_t slot) {
    dirty_remove(b, slot);
    b->slots[slot].state = SLOT_INFLIGHT;
}

uint32_t wbuf_take(struct wbuf *b, unsigned list) {
    uint32_t slot = b->list[list].head;
    dirty_remove(b, slot);
    b->slots[slot].state = SLOT_INFLIGHT;
    return slot;
}

void wbuf_retry(struct wbuf *b, uint32_t slot) {
    struct slot *s = &b->slots[slot];
    s->state = SLOT_DIRTY;
    s->seq = b->drain_seq; /* goes with the next page */
    s->prev = SLOT_NONE;
    s->next = b->list[s->list].head;
    if (s->next != SLOT_NONE)
        b->slots[s->next].prev = slot;
    else
        b->list[s->list].tail = slot;
    b->list[s->list].head = slot;
    b->list[s->list].count++;
    b->dirty++;
}

void wbuf_kill(struct wbuf *b, uint32_t slot) {
    struct slot *s = &b->slots[slot];
    s->dead = true;
    live_remove(b, slot);
    if (s->state == SLOT_DIRTY) {
        dirty_remove(b, slot);
        wbuf_put(b, slot);
    } else if (s->state == SLOT_PARTIAL) {
        take_out(b, slot, WBUF_PARTIAL);
        wbuf_put(b, slot);
    }
}

void wbuf_put(struct wbuf *b, uint32_t slot) {
    struct slot *s = &b->slots[slot];
    uint32_t *at = &b->heads[hash(b, s->lpn)];
    while (*at != slot)
        at = &b->slots[*at].chain;
    *at = s->chain;
    if (!s->dead)
        live_remove(b, slot);
    wbuf_takes(b, slot, 0);
    s->state = SLOT_FREE;
    s->chain = b->free;
    b->free = slot;
    b->used--;
}

uint64_t wbuf_flush(struct wbuf *b) {
    wbuf_drain(b);
    return b->flush_age = b->age;
}

/* The list of live slots: in order of age, each linked both ways; how many, or UINT32_MAX. */
static uint32_t check_live(const struct wbuf *b) {
    uint32_t n = 0, before = SLOT_NONE;
    for (uint32_t at = b->oldest; at != SLOT_NONE; before = at, at = b->slots[at].younger) {
        const struct slot *s = &b->slots[at];
        if (n++ == b->count || s->older != before || s->state == SLOT_FREE || s->dead || s->age > b->age ||
            (before != SLOT_NONE && b->slots[before].age >= s->age))
            return UINT32_MAX;
    }
    return before == b->youngest ? n : UINT32_MAX;
}

int wbuf_check(const struct wbuf *b, struct err *e) {
    uint32_t used = 0, dirty = 0, partial = 0, live = 0, listed = check_live(b), chained = 0, in_lists = 0;
    uint64_t taken = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct slot *s = &b->slots[i];
        used += s->state != SLOT_FREE;
        dirty += s->state == SLOT_DIRTY;
        partial += s->state == SLOT_PARTIAL && s->have != b->whole;
        live += s->state != SLOT_FREE && !s->dead;
        taken += s->room;
    }
    for (uint32_t i = 0; i <= b->mask; i++)
        for (uint32_t at = b->heads[i]; at != SLOT_NONE && chained <= b->count; at = b->slots[at].chain)
            chained++;
    for (unsigned i = 0; i < WBUF_LISTS; i++)
        in_lists += b->list[i].count;
    if (used != b->used || dirty != b->dirty || dirty != in_lists || partial != b->list[WBUF_PARTIAL].count ||
        live != listed || chained != used || taken != b->taken)
        return err_set(e, EFAULT, "write buffer: %u used, %u dirty, %u live, %u chained; counted %u, %u, %u", used,
                       dirty, live, chained, b->used, b->dirty, listed);
    return 0;
}
