/*
 * The event queue's slower parts; see queue_int.h.
 */
#include "sim/queue_int.h"

/* clang-format off */
const struct queue_digit queue_digits[64] = {
    [0 ... 8]   = {0, 511, 0},
    [9 ... 19]  = {QUEUE_LEVEL_1, 2047, 9},
    [20 ... 29] = {QUEUE_LEVEL_2, 1023, 20},
    [30 ... 39] = {QUEUE_LEVEL_3, 1023, 30},
    [40 ... 49] = {QUEUE_LEVEL_4, 1023, 40},
    [50 ... 59] = {QUEUE_LEVEL_5, 1023, 50},
    [60 ... 63] = {QUEUE_LEVEL_6, 15, 60},
};
/* clang-format on */

void queue_init(struct queue *q) {
    *q = (struct queue){.last = 0};
    for (struct sim_link *slot = q->slot; slot != q->slot + QUEUE_SLOTS; slot++)
        slot->next = slot->prev = slot;
}

/* The first nanosecond of the slot in which `ev` is. */
static int64_t base_of(const struct queue *q, const struct sim_event *ev) {
    unsigned shift = queue_digit(q, ev->at_ns)->shift;
    return ev->at_ns >> shift << shift;
}

static void deal(struct queue *q, struct sim_link *slot) {
    unsigned where = (unsigned)(slot - q->slot);
    struct sim_link *link = slot->next;
    slot->next = slot->prev = slot;
    queue_slot_emptied(q, where);
    while (link != slot) {
        struct sim_link *next = link->next;
        queue_append(q, queue_event(link));
        link = next;
    }
}

/* The head; NULL if it is due after `limit_ns` for sure. What stands in its way is dealt out to lower levels. */
static struct sim_event *search(struct queue *q, int64_t limit_ns) {
    for (unsigned where; (where = queue_first(q)) < QUEUE_SLOTS;) {
        struct sim_link *slot = &q->slot[where];
        struct sim_event *first = queue_event(slot->next);
        struct sim_event *ev = queue_digit(q, first->at_ns)->shift ? queue_earliest(slot) : first;
        if (ev)
            return ev;
        int64_t base = base_of(q, first);
        if (base > limit_ns)
            return NULL;
        q->last = base;
        deal(q, slot);
    }
    return NULL;
}

struct sim_event *queue_pop_other(struct queue *q, int64_t limit_ns) {
    struct sim_event *front = q->front, *head = q->head;
    int64_t until = front && front->at_ns <= limit_ns ? front->at_ns - 1 : limit_ns;
    if (!head)
        head = search(q, until);
    if (head && head->at_ns <= until)
        return queue_take_head(q, head);
    if (!front || front->at_ns > limit_ns)
        return NULL;
    q->front = NULL;
    front->where = 0;
    return front;
}

static int64_t bound(const struct queue *q) {
    unsigned where = queue_first(q), n = 0;
    if (where == QUEUE_SLOTS)
        return SIM_NEVER;
    const struct sim_link *slot = &q->slot[where], *link = slot->next;
    int64_t earliest = queue_event(link)->at_ns;
    for (; link != slot; link = link->next) {
        const struct sim_event *ev = queue_event(link);
        if (n++ == QUEUE_SCAN)
            return base_of(q, ev);
        if (ev->at_ns < earliest)
            earliest = ev->at_ns;
    }
    return earliest;
}

int64_t queue_bound(const struct queue *q) {
    int64_t tree = q->head ? q->head->at_ns : bound(q);
    return q->front && q->front->at_ns < tree ? q->front->at_ns : tree;
}

static bool queue_check_slot(const struct queue *q, unsigned where) {
    const struct sim_link *slot = &q->slot[where];
    if ((slot->next != slot) != (q->used[where / 64] >> where % 64 & 1) || slot->next->prev != slot)
        return false;
    for (const struct sim_link *link = slot->next; link != slot; link = link->next) {
        const struct sim_event *ev = queue_event(link);
        if (ev->at_ns < q->last || queue_slot(q, ev->at_ns) != where)
            return false;
        if (ev->where != 1 + where || link->next->prev != link)
            return false;
    }
    return true;
}

static bool queue_check_front(const struct queue *q) {
    return !q->front || (q->front->where == QUEUE_FRONT && q->front->at_ns >= q->last);
}

/* The head, if known, is the earliest, and of equal ones stands first. */
static bool queue_check_head(const struct queue *q) {
    if (!q->head)
        return true;
    if (!q->head->where || q->head->at_ns < bound(q))
        return false;
    const struct sim_link *slot = &q->slot[queue_first(q)], *link = slot->next;
    while (link != &q->head->link && link != slot && queue_event(link)->at_ns > q->head->at_ns)
        link = link->next;
    return link == &q->head->link;
}

bool queue_check(const struct queue *q) {
    for (unsigned word = 0; word < QUEUE_WORDS; word++)
        if (!!q->used[word] != (q->words[word / 64] >> word % 64 & 1))
            return false;
    for (unsigned where = 0; where < QUEUE_SLOTS; where++)
        if (!queue_check_slot(q, where))
            return false;
    return queue_check_front(q) && queue_check_head(q);
}
