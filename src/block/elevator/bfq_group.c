/*
 * BFQ's cgroups. A group is a member of the one above, beside that one's own
 * queues; its weight is that of bfq.weight, 1 to 1000.
 *
 * Simplified: leaf weights of cgroup v1 mean nothing, as in Linux, where they
 * are CFQ's; a removed group keeps its place in the hierarchy until its last queue is gone.
 */
#include <stdlib.h>

#include "block/elevator/bfq_int.h"

static uint32_t weight_of(const struct bfq *b, const struct block_group *owner) {
    return bfq_weight_of_group(owner->weight, elevator_cgroup_v2(&b->base));
}

static struct bfq_group *group_new(struct bfq *b, struct block_group *owner, struct bfq_group *parent) {
    struct bfq_group *g = calloc(1, sizeof(*g));
    if (!g)
        return NULL;
    g->refs = 1;
    g->owner = owner;
    g->parent = parent;
    if (parent) {
        parent->refs++;
        bfq_entity_init(&g->entity, &parent->sched, &g->sched, BFQ_BE, weight_of(b, owner));
    }
    g->sched.idle_class_ns = bfq_now(b);
    LIST_INSERT_HEAD(&b->all_groups, g, all);
    owner->sched = g;
    if (!parent)
        b->root = g;
    return g;
}

struct bfq_group *bfq_group_get(struct bfq *b, struct block_group *owner) {
    if (owner->sched)
        return owner->sched;
    struct bfq_group *parent = owner->parent ? bfq_group_get(b, owner->parent) : NULL;
    if (owner->parent && !parent)
        return NULL;
    return group_new(b, owner, parent);
}

void bfq_group_put(struct bfq_group *g) {
    while (g && --g->refs == 0) {
        struct bfq_group *parent = g->parent;
        if (parent)
            bfq_forget(&g->entity);
        LIST_REMOVE(g, all);
        free(g);
        g = parent;
    }
}

static void drop_async(struct bfq *b, struct bfq_queue **slot) {
    struct bfq_queue *q = *slot;
    *slot = NULL;
    if (q)
        bfq_queue_put(b, q);
}

void bfq_group_exit(struct elevator *e, struct block_group *owner) {
    struct bfq *b = bfq_of(e);
    struct bfq_group *g = owner->sched;
    owner->sched = NULL;
    if (!g)
        return;
    g->owner = NULL;
    for (unsigned class = BFQ_RT; class <= BFQ_BE; class ++)
        for (unsigned level = 0; level < BFQ_LEVELS; level++)
            drop_async(b, &g->async[class][level]);
    drop_async(b, &g->async_idle);
    if (b->root == g)
        b->root = NULL;
    bfq_group_put(g);
}

void bfq_group_changed(struct elevator *e, struct block_group *owner) {
    struct bfq_group *g = owner->sched;
    if (g && g->parent)
        g->entity.new_weight = weight_of(bfq_of(e), owner);
}
