/* CFQ's invariants, counted again from scratch; for tests. */
#include <errno.h>

#include "block/elevator/cfq_int.h"

struct sums {
    uint32_t busy, busy_sync, queued;
};

#define EXPECT(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return err_set(err, EINVAL, __VA_ARGS__);                                                                  \
    } while (0)

static int check_queue(const struct cfq *c, struct cfq_queue *q, struct sums *sums, struct err *err) {
    uint32_t sorted = 0, fifo = 0, prio = 0;
    bool next_found = false;
    struct request *rq;
    for (rq = request_tree_first(&q->sorted); rq; rq = request_tree_next(rq)) {
        sorted++;
        prio += (rq->flags & RQ_PRIO) != 0;
        next_found |= rq == q->next;
        EXPECT(cfq_queue_of(rq) == q, "a request in a queue that isn't its own");
    }
    TAILQ_FOREACH(rq, &q->fifo, link)
    fifo++;
    EXPECT(sorted == q->queued && fifo == sorted, "%u requests sorted, %u in the FIFO, %u counted", sorted, fifo,
           q->queued);
    EXPECT(prio == q->prio_pending, "%u preferred requests, %u counted", prio, q->prio_pending);
    EXPECT(next_found == (sorted > 0) && (sorted || !q->next), "the next request is not one of the queue's");
    EXPECT(cfq_has(q, CFQ_BUSY) == (q->tree != NULL), "busy and in no tree, or the other way round");
    EXPECT(!sorted || cfq_has(q, CFQ_BUSY), "a queue with requests isn't busy");
    EXPECT(sorted || !cfq_has(q, CFQ_BUSY) || c->active == q, "an empty queue is busy without being active");
    EXPECT(!q->place || (q->next && cfq_has(q, CFQ_BUSY)), "an empty queue has a position");
    sums->busy += cfq_has(q, CFQ_BUSY);
    sums->busy_sync += cfq_has(q, CFQ_BUSY) && cfq_is_sync(q);
    sums->queued += sorted;
    return 0;
}

static int check_tree(const struct cfq_tree *t, uint32_t *queues, struct err *err) {
    uint32_t n = 0;
    int64_t key = INT64_MIN;
    for (struct rb_node *at = rb_first(&t->queues); at; at = rb_next(at), n++) {
        const struct cfq_queue *q = rb_entry(at, struct cfq_queue, node);
        EXPECT(q->tree == t, "a queue in a tree it doesn't know of");
        EXPECT(q->key >= key, "a service tree is out of order");
        key = q->key;
    }
    EXPECT(n == t->count, "%u queues in a tree, %u counted", n, t->count);
    *queues += n;
    return 0;
}

static int check_group(const struct cfq *c, const struct cfq_group *g, struct err *err) {
    uint32_t queues = 0, active = 0;
    uint64_t weights = 0;
    int rc = check_tree(&g->idle, &queues, err);
    for (int class = CFQ_RT; class <= CFQ_BE && !rc; class ++) {
        for (int type = 0; type < CFQ_TYPES && !rc; type++)
            rc = check_tree(&g->tree[class][type], &queues, err);
    }
    if (rc)
        return rc;
    EXPECT(queues == g->queues, "%u busy queues in a group, %u counted", queues, g->queues);
    EXPECT(rb_linked(&g->node) == (queues > 0), "a group waits without queues, or doesn't with some");
    const struct cfq_group *child;
    LIST_FOREACH(child, &c->all_groups, all) {
        if (child->parent == g && child->active) {
            active++;
            weights += child->weight;
        }
    }
    if (queues) {
        active++;
        weights += g->leaf_weight;
    }
    EXPECT(active == g->active && weights == g->children_weight, "%u active below a group, %u counted; weights differ",
           active, g->active);
    return 0;
}

int cfq_check(const struct elevator *e, struct err *err) {
    const struct cfq *c = cfq_of_const(e);
    struct sums sums = {0};
    struct cfq_queue *q;
    const struct cfq_group *g;
    LIST_FOREACH(q, &c->all_queues, all) {
        int rc = check_queue(c, q, &sums, err);
        if (rc)
            return rc;
    }
    LIST_FOREACH(g, &c->all_groups, all) {
        int rc = check_group(c, g, err);
        if (rc)
            return rc;
    }
    EXPECT(sums.busy == c->busy && sums.busy_sync == c->busy_sync, "%u queues are busy, %u counted", sums.busy,
           c->busy);
    EXPECT(sums.queued == c->queued, "%u requests wait, %u counted", sums.queued, c->queued);
    EXPECT(!c->active || cfq_has(c->active, CFQ_BUSY), "the active queue isn't busy");
    EXPECT(c->active || !sim_event_pending(&c->idle_timer), "idling for nobody");
    return 0;
}
