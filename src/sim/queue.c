/*
 * The event queue's slower parts; see queue_int.h.
 */
#include "sim/queue_int.h"

int64_t queue_bound(const struct queue *q) {
    if (queue_empty(q))
        return SIM_NEVER;
    unsigned level = (unsigned)__builtin_ctz(q->levels);
    const struct sim_event *ev = q->head[level][__builtin_ctzll(q->slots[level])];
    int64_t earliest = ev->at_ns, base = queue_slot_base(ev, level);
    if (!level)
        return earliest;
    for (unsigned n = 0; ev; ev = ev->next) {
        if (n++ == QUEUE_SCAN)
            return base;
        if (ev->at_ns < earliest)
            earliest = ev->at_ns;
    }
    return earliest;
}

static bool queue_check_slot(const struct queue *q, unsigned level, unsigned slot) {
    const struct sim_event *head = q->head[level][slot], *tail = NULL;
    if (!!head != (q->slots[level] >> slot & 1))
        return false;
    for (const struct sim_event *ev = head; ev; ev = ev->next) {
        if (ev->at_ns < q->last || queue_level(q, ev->at_ns) != level || queue_digit(ev->at_ns, level) != slot)
            return false;
        if (ev->where != 1 + level * QUEUE_SLOTS + slot || (ev != head && ev->prev != tail))
            return false;
        tail = ev;
    }
    return !head || head->prev == tail;
}

bool queue_check(const struct queue *q) {
    for (unsigned level = 0; level < QUEUE_LEVELS; level++) {
        if (!!q->slots[level] != (q->levels >> level & 1))
            return false;
        for (unsigned slot = 0; slot < QUEUE_SLOTS; slot++)
            if (!queue_check_slot(q, level, slot))
                return false;
    }
    return true;
}
