/*
 * What waits for a die, and what it does next.
 *
 * Six queues a die: two classes (host and mapping; garbage collection and wear
 * levelling) times three kinds, served in this order: host reads, host
 * programs, host erases, then the same of the other class. Each queue is first
 * in, first out, except that operations for other planes may join its head in
 * a multi-plane operation.
 *
 * Starvation: each queue counts how often its head was passed over by the head
 * of another queue that was submitted later; an operation remembers the count
 * when it came. Once the difference reaches starvation_limit nothing younger
 * than that operation is served before it. The difference is an upper bound:
 * an operation behind the head is also charged for what was younger than the
 * head but older than itself.
 */
#include "media/nand/nand_int.h"

void die_enqueue(struct die *d, struct nand_op *op) {
    unsigned q = op->queue;
    struct nand_op *tail = d->tail[q];
    op->state = OP_WAITING;
    op->passed_over = d->passes[q];
    if (tail) {
        op->next = tail->next;
        tail->next = op;
    } else {
        op->next = op;
        d->waiting |= (uint8_t)(1u << q);
    }
    d->tail[q] = op;
}

static bool older(const struct nand_op *a, const struct nand_op *b) {
    return (int32_t)(a->seq - b->seq) < 0;
}

static bool starved(const struct die *d, unsigned q) {
    return d->passes[q] - d->tail[q]->next->passed_over >= d->nand->starvation_limit;
}

unsigned die_select_of_several(const struct die *d) {
    uint32_t rest = d->waiting;
    unsigned pick = (unsigned)__builtin_ctz(rest);
    for (rest &= rest - 1; rest; rest &= rest - 1) {
        unsigned q = (unsigned)__builtin_ctz(rest);
        if (starved(d, q) && older(d->tail[q]->next, d->tail[pick]->next))
            pick = q;
    }
    return pick;
}

static void count_passes(struct die *d, unsigned served, const struct nand_op *op) {
    for (uint32_t rest = d->waiting & ~(1u << served); rest; rest &= rest - 1) {
        unsigned q = (unsigned)__builtin_ctz(rest);
        if (older(d->tail[q]->next, op))
            d->passes[q]++;
    }
}

/* Unlink the operation after `prev`. */
static struct nand_op *unlink_after(struct die *d, unsigned q, struct nand_op *prev) {
    struct nand_op *op = prev->next;
    if (op == prev) {
        d->tail[q] = NULL;
        d->waiting &= (uint8_t) ~(1u << q);
    } else {
        prev->next = op->next;
        if (d->tail[q] == op)
            d->tail[q] = prev;
    }
    op->passed_over = d->passes[q] - op->passed_over;
    return op;
}

/* Older reads of the block come before its erase; true if there is one, or too many to look at. */
static bool passes_reads(const struct die *d, const struct nand_op *erase) {
    for (unsigned q = NAND_READ; q < NAND_QUEUES; q += NAND_KINDS) {
        const struct nand_op *tail = d->tail[q], *op = tail;
        for (unsigned i = 0; op && (op = op->next, older(op, erase)); i++) {
            if (i == NAND_MERGE_SCAN || (op->plane == erase->plane && op->block == erase->block))
                return true;
            if (op == tail)
                break;
        }
    }
    return false;
}

bool nand_op_joins(const struct die *d, const struct nand_op *head, uint16_t mask, const struct nand_op *op) {
    uint32_t plane = 1u << op->plane;
    if (op->queue != head->queue || mask & plane || !(d->nand->joins[head->plane] & plane))
        return false;
    return op->kind == NAND_ERASE ? !passes_reads(d, op) : op->page == head->page;
}

/*
 * Add to the group what waits for other planes with the same page. Only the
 * first that waits for a plane may join, so that each plane stays in order.
 */
static uint16_t merge(struct die *d, unsigned q, struct nand_op *head) {
    uint32_t mask = 1u << head->plane, seen = mask, all = (1u << d->nand->config.planes) - 1;
    struct nand_op *prev = d->tail[q], *last = head;
    for (unsigned i = 0; i < NAND_MERGE_SCAN && seen != all; i++) {
        struct nand_op *op = prev->next;
        bool end = op == d->tail[q], first = !(seen & (1u << op->plane));
        seen |= 1u << op->plane;
        if (first && nand_op_joins(d, head, (uint16_t)mask, op)) {
            mask |= 1u << op->plane;
            last = last->next = unlink_after(d, q, prev);
        } else {
            prev = op;
        }
        if (end)
            break;
    }
    last->next = NULL;
    return (uint16_t)mask;
}

struct nand_op *die_take(struct die *d, unsigned q, uint16_t *mask) {
    struct nand_op *head = unlink_after(d, q, d->tail[q]);
    if (d->waiting & ~(1u << q))
        count_passes(d, q, head);
    head->next = NULL;
    *mask = (uint16_t)(1u << head->plane);
    if (d->nand->multi_plane && d->tail[q])
        *mask = merge(d, q, head);
    return head;
}
