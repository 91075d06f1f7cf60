/*
 * The event queue's slower parts; see queue_int.h.
 */
#include "sim/queue_int.h"

void queue_init(struct queue *q) {
    *q = (struct queue){.last = 0};
    for (unsigned i = 0; i < QUEUE_LEVELS * QUEUE_SLOTS; i++)
        q->slot[i].next = q->slot[i].prev = &q->slot[i];
}

int64_t queue_bound(const struct queue *q) {
    if (queue_empty(q))
        return SIM_NEVER;
    unsigned where = queue_first(q), n = 0;
    const struct sim_link *slot = &q->slot[where], *link = slot->next;
    int64_t earliest = queue_event(link)->at_ns;
    if (where < QUEUE_SLOTS)
        return earliest;
    for (; link != slot; link = link->next) {
        const struct sim_event *ev = queue_event(link);
        if (n++ == QUEUE_SCAN)
            return queue_base(ev, where);
        if (ev->at_ns < earliest)
            earliest = ev->at_ns;
    }
    return earliest;
}

static bool queue_check_slot(const struct queue *q, unsigned level, unsigned digit) {
    unsigned where = level * QUEUE_SLOTS + digit;
    const struct sim_link *slot = &q->slot[where];
    if ((slot->next != slot) != (q->slots[level] >> digit & 1) || slot->next->prev != slot)
        return false;
    for (const struct sim_link *link = slot->next; link != slot; link = link->next) {
        const struct sim_event *ev = queue_event(link);
        if (ev->at_ns < q->last || queue_level(q, ev->at_ns) != level || queue_digit(ev->at_ns, level) != digit)
            return false;
        if (ev->where != 1 + where || link->next->prev != link)
            return false;
    }
    return true;
}

bool queue_check(const struct queue *q) {
    for (unsigned level = 0; level < QUEUE_LEVELS; level++) {
        if (!!q->slots[level] != (q->levels >> level & 1))
            return false;
        for (unsigned digit = 0; digit < QUEUE_SLOTS; digit++)
            if (!queue_check_slot(q, level, digit))
                return false;
    }
    return true;
}
