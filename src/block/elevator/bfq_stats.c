/* BFQ's numbers as JSON, and its invariants, counted again from scratch, for tests. */
#include <errno.h>
#include <jansson.h>

#include "block/elevator/bfq_int.h"

/* --- numbers --- */

static json_t *groups_json(const struct bfq *b) {
    json_t *groups = json_object();
    const struct bfq_group *g;
    LIST_FOREACH(g, &b->all_groups, all) {
        char path[2048];
        if (!g->owner)
            continue;
        snprintf(path, sizeof(path), "/%s", g->owner->path);
        json_t *o = json_pack("{s:I, s:I}", "dispatched", (json_int_t)g->dispatched, "sectors", (json_int_t)g->sectors);
        if (g->parent)
            json_object_set_new(o, "weight", json_integer(g->entity.new_weight));
        json_object_set_new(groups, path, o);
    }
    return groups;
}

static json_t *ended_json(const struct bfq *b) {
    static const char *const reasons[BFQ_REASONS] = {"too_idle", "budget_timeout", "budget_exhausted",
                                                     "no_more_requests", "preempted"};
    json_t *o = json_object();
    for (unsigned i = 0; i < BFQ_REASONS; i++)
        json_object_set_new(o, reasons[i], json_integer((json_int_t)b->stat.ended[i]));
    return o;
}

json_t *bfq_stats_json(const struct elevator *e) {
    const struct bfq *b = bfq_of_const(e);
    json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "queueing",
                          b->hw_tag < 0    ? "not known yet"
                          : b->hw_tag == 0 ? "no"
                                           : "yes",
                          "queues", (json_int_t)b->queue_count, "busy", (json_int_t)bfq_busy_queues(b), "raised",
                          (json_int_t)b->raised_busy, "budget_sectors", (json_int_t)bfq_most_budget(b),
                          "peak_sectors_per_s", (json_int_t)((uint64_t)b->peak_rate * 1000000 >> BFQ_RATE_SHIFT));
    const struct {
        const char *name;
        uint64_t n;
    } counts[] = {{"idled", b->stat.idles},
                  {"injected", b->stat.injections},
                  {"interactive", b->stat.interactive},
                  {"soft_real_time", b->stat.soft_rt},
                  {"large_bursts", b->stat.bursts},
                  {"merged_queues", b->stat.merges},
                  {"stable_merges", b->stat.stable_merges},
                  {"split_queues", b->stat.splits},
                  {"charged_time", b->stat.charged}};
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        json_object_set_new(o, counts[i].name, json_integer((json_int_t)counts[i].n));
    json_object_set_new(o, "ended", ended_json(b));
    json_object_set_new(o, "groups", groups_json(b));
    return o;
}

/* --- invariants --- */

struct sums {
    uint32_t busy, raised, queued, in_drive;
};

#define EXPECT(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return err_set(err, EINVAL, __VA_ARGS__);                                                                  \
    } while (0)

static int check_queue(const struct bfq *b, struct bfq_queue *q, struct sums *sums, struct err *err) {
    uint32_t sorted = 0, fifo = 0;
    bool next_found = false;
    struct request *rq;
    for (rq = request_tree_first(&q->sorted); rq; rq = request_tree_next(rq)) {
        sorted++;
        next_found |= rq == q->next;
        EXPECT(bfq_queue_of(rq) == q, "bfq: a request in a queue that isn't its own");
    }
    TAILQ_FOREACH(rq, &q->fifo, link)
    fifo++;
    EXPECT(sorted == q->queued && fifo == sorted, "bfq: %u requests sorted, %u in the FIFO, %u counted", sorted, fifo,
           q->queued);
    EXPECT(next_found == (sorted > 0) && (sorted || !q->next), "bfq: the next request is not one of the queue's");
    EXPECT(!sorted || q->busy, "bfq: a queue with requests isn't busy");
    EXPECT(q->busy == (bfq_entity_active(&q->entity) || q->entity.place == BFQ_SERVING),
           "bfq: busy and in no tree, or the other way round");
    EXPECT((q == b->serving) == (q->entity.place == BFQ_SERVING), "bfq: another queue is in service");
    EXPECT(q->pending == (q->busy || q->in_drive), "bfq: pending without requests, or not with some");
    EXPECT(q->counts == (q->pending && !bfq_raised(q)), "bfq: a weight isn't counted, or is too often");
    EXPECT(!q->waiting || (q == b->serving && sim_event_pending(&b->idle_timer)), "bfq: waited for without a timer");
    EXPECT(!rb_linked(&q->place_node) || q->next, "bfq: an empty queue has a position");
    sums->busy += q->busy;
    sums->raised += q->busy && bfq_raised(q);
    sums->queued += sorted;
    sums->in_drive += q->in_drive;
    return 0;
}

static int check_order(const struct bfq_tree *t, const struct rb_tree *tree, enum bfq_place place, uint64_t *weights,
                       uint32_t *active, struct err *err) {
    const struct bfq_entity *last = NULL;
    for (struct rb_node *n = rb_first(tree); n; n = rb_next(n)) {
        const struct bfq_entity *e = rb_entry(n, struct bfq_entity, node);
        EXPECT(e->place == place, "bfq: an entity in a tree it doesn't know of");
        EXPECT(place != BFQ_ELIGIBLE || !bfq_before(t->vtime, e->start), "bfq: eligible before its start");
        EXPECT(place != BFQ_WAITING || bfq_before(t->vtime, e->start), "bfq: waits though its start has come");
        EXPECT(!last ||
                   (place == BFQ_WAITING ? !bfq_before(e->start, last->start) : !bfq_before(e->finish, last->finish)),
               "bfq: a tree is out of order");
        *weights += e->weight;
        *active += place != BFQ_PAST;
        last = e;
    }
    return 0;
}

static int check_sched(const struct bfq_sched *s, struct err *err) {
    uint32_t active = 0;
    for (unsigned class = 0; class < BFQ_CLASSES; class ++) {
        const struct bfq_tree *t = &s->tree[class];
        uint64_t weights = s->serving && s->serving->class == class ? s->serving->weight : 0;
        if (check_order(t, &t->eligible, BFQ_ELIGIBLE, &weights, &active, err) ||
            check_order(t, &t->waiting, BFQ_WAITING, &weights, &active, err) ||
            check_order(t, &t->past, BFQ_PAST, &weights, &active, err))
            return -EINVAL;
        EXPECT(weights == t->weights, "bfq: weights of %llu, %llu counted", (unsigned long long)weights,
               (unsigned long long)t->weights);
    }
    EXPECT(active == s->active, "bfq: %u members active, %u counted", active, s->active);
    return 0;
}

int bfq_check(const struct elevator *e, struct err *err) {
    const struct bfq *b = bfq_of_const(e);
    struct sums sums = {0};
    struct bfq_queue *q;
    const struct bfq_group *g;
    uint32_t pending = 0;
    LIST_FOREACH(q, &b->all_queues, all)
    if (check_queue(b, q, &sums, err))
        return -EINVAL;
    LIST_FOREACH(g, &b->all_groups, all) {
        if (check_sched(&g->sched, err))
            return -EINVAL;
        pending += g->pending > 0;
        EXPECT(!g->parent || (g->sched.active > 0 || g->sched.serving) ==
                                 (bfq_entity_active(&g->entity) || g->entity.place == BFQ_SERVING),
               "bfq: a group wants service without members that do, or the other way round");
    }
    EXPECT(sums.busy == bfq_busy_queues(b) && sums.raised == b->raised_busy, "bfq: %u queues busy, %u counted",
           sums.busy, bfq_busy_queues(b));
    EXPECT(sums.queued == b->queued && sums.in_drive == b->in_drive, "bfq: %u requests wait, %u counted", sums.queued,
           b->queued);
    EXPECT(pending == b->pending_groups, "bfq: %u groups pending, %u counted", pending, b->pending_groups);
    return 0;
}
