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
    *q = (struct queue){.list.at_ns = SIM_NEVER, .tree_ns = SIM_NEVER};
    q->list.link.next = q->list.link.prev = &q->list.link;
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

/* Know the head, unless it is due after `limit_ns` for sure. What stands in its way is dealt out to lower levels. */
static void search(struct queue *q, int64_t limit_ns) {
    for (unsigned where; (where = queue_first(q)) < QUEUE_SLOTS;) {
        struct sim_link *slot = &q->slot[where];
        struct sim_event *first = queue_event(slot->next);
        struct sim_event *ev = queue_digit(q, first->at_ns)->shift ? queue_earliest(slot) : first;
        q->head = ev;
        q->tree_ns = ev ? ev->at_ns : base_of(q, first);
        if (ev || q->tree_ns > limit_ns)
            return;
        q->last = q->tree_ns;
        deal(q, slot);
    }
    q->tree_ns = SIM_NEVER;
}

/* Where both are due at one time, what was scheduled first. */
static bool tree_is_next(const struct queue *q, const struct sim_event *listed) {
    const struct sim_event *head = q->head;
    if (listed == &q->list)
        return head;
    return head && (head->at_ns < listed->at_ns || (head->at_ns == listed->at_ns && head->seq < listed->seq));
}

struct sim_event *queue_pop_other(struct queue *q, int64_t limit_ns) {
    struct sim_event *listed = queue_listed(q);
    if (!q->head)
        search(q, listed->at_ns < limit_ns ? listed->at_ns : limit_ns);
    if (tree_is_next(q, listed))
        return q->head->at_ns > limit_ns ? NULL : queue_take_head(q, q->head);
    if (listed == &q->list || listed->at_ns > limit_ns)
        return NULL;
    queue_unlink(listed);
    return listed;
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
    int64_t tree = q->head ? q->head->at_ns : bound(q), listed = queue_listed(q)->at_ns;
    return listed < tree ? listed : tree;
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

static bool queue_check_list(const struct queue *q) {
    const struct sim_link *end = &q->list.link;
    for (const struct sim_link *link = end->next; link != end; link = link->next) {
        const struct sim_event *ev = queue_event(link), *next = queue_event(link->next);
        if (ev->where != QUEUE_LISTED || link->next->prev != link || link->prev->next != link)
            return false;
        if (&next->link != end && (next->at_ns < ev->at_ns || (next->at_ns == ev->at_ns && next->seq < ev->seq)))
            return false;
    }
    return q->list.at_ns == SIM_NEVER;
}

/* The head, if known, is the earliest, and of equal ones stands first; nothing is earlier than `tree_ns`. */
static bool queue_check_head(const struct queue *q) {
    if (!q->head)
        return q->tree_ns <= bound(q);
    if (!q->head->where || q->head->at_ns < bound(q) || q->head->at_ns != q->tree_ns)
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
    return queue_check_list(q) && queue_check_head(q);
}
