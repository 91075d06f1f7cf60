/*
 * The numbers of blkio.* for each cgroup, under the names of Linux 4.4's legacy
 * files (Documentation/cgroups/blkio-controller.txt), those of a kernel built with CONFIG_DEBUG_BLK_CGROUP
 * included. Times in ns, but `time` and `unaccounted_time` in ms.
 */
#include <jansson.h>

#include "block/elevator/cfq_int.h"

static void count(struct cfq_rw_stat *s, const struct request *rq, uint64_t n) {
    s->dir[rq->write] += n;
    s->sync[request_sync(rq)] += n;
}

static void end_since(int64_t *since, uint64_t *sum, int64_t now) {
    if (*since != CFQ_NEVER && now > *since)
        *sum += (uint64_t)(now - *since);
    *since = CFQ_NEVER;
}

/* `by` 1: `rq` was queued, -1: it leaves. */
void cfq_stat_queued(struct cfq *c, const struct request *rq, int by) {
    struct cfq_group *g = cfq_queue_of(rq)->group;
    int64_t now = elevator_now(&c->base);
    count(&g->queued, rq, (uint64_t)(int64_t)by);
    g->queued_total += (uint64_t)(int64_t)by;
    if (by < 0)
        return;
    end_since(&g->empty_since_ns, &g->stats.empty_ns, now);
    if (g != c->serving && g->wait_since_ns == CFQ_NEVER)
        g->wait_since_ns = now;
}

void cfq_stat_merged(struct cfq_group *g, const struct request *rq) {
    count(&g->stats.merged, rq, 1);
}

/* Counted when they go out: what was merged until then is in them. */
void cfq_stat_dispatched(struct cfq *c, const struct request *rq) {
    struct cfq_stats *s = &cfq_queue_of(rq)->group->stats;
    count(&s->serviced, rq, rq->ios);
    count(&s->bytes, rq, rq->sectors << SECTOR_SHIFT);
    s->sectors += rq->sectors;
}

void cfq_stat_completed(struct cfq *c, const struct request *rq) {
    struct cfq_stats *s = &cfq_queue_of(rq)->group->stats;
    int64_t now = elevator_now(&c->base);
    count(&s->service_ns, rq, (uint64_t)(now - rq->io_start_ns));
    count(&s->wait_ns, rq, (uint64_t)(rq->io_start_ns - rq->start_ns));
}

/* A slice of the group has ended. */
void cfq_stat_served(struct cfq *c, struct cfq_group *g, int64_t used, int64_t unaccounted) {
    g->stats.time += (uint64_t)used;
    g->stats.unaccounted += (uint64_t)unaccounted;
    if (!g->queued_total && g->empty_since_ns == CFQ_NEVER)
        g->empty_since_ns = elevator_now(&c->base);
}

/* A slice of the group begins. */
void cfq_stat_activated(struct cfq *c, struct cfq_group *g) {
    g->stats.queue_sum += g->queued_total;
    g->stats.queue_samples++;
    end_since(&g->wait_since_ns, &g->stats.group_wait_ns, elevator_now(&c->base));
}

void cfq_stat_idle(struct cfq *c, struct cfq_group *g, bool begin) {
    if (begin)
        g->idle_since_ns = elevator_now(&c->base);
    else
        end_since(&g->idle_since_ns, &g->stats.idle_ns, elevator_now(&c->base));
}

/* --- sums --- */

static void add_rw(struct cfq_rw_stat *to, const struct cfq_rw_stat *from) {
    for (int i = 0; i < 2; i++) {
        to->dir[i] += from->dir[i];
        to->sync[i] += from->sync[i];
    }
}

static void add(struct cfq_stats *to, const struct cfq_stats *from) {
    to->time += from->time;
    to->unaccounted += from->unaccounted;
    to->sectors += from->sectors;
    add_rw(&to->bytes, &from->bytes);
    add_rw(&to->serviced, &from->serviced);
    add_rw(&to->service_ns, &from->service_ns);
    add_rw(&to->wait_ns, &from->wait_ns);
    add_rw(&to->merged, &from->merged);
}

/* What a removed group used stays in the sums of those above it. */
void cfq_stat_bury(struct cfq_group *parent, const struct cfq_group *child) {
    add(&parent->dead, &child->stats);
    add(&parent->dead, &child->dead);
}

/* --- JSON --- */

static json_t *rw_json(const struct cfq_rw_stat *s) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "Read", (json_int_t)s->dir[0], "Write", (json_int_t)s->dir[1], "Sync",
                     (json_int_t)s->sync[1], "Async", (json_int_t)s->sync[0], "Total",
                     (json_int_t)(s->dir[0] + s->dir[1]));
}

static json_int_t ms(const struct cfq *c, uint64_t jiffies) {
    return (json_int_t)(jiffies * (uint64_t)c->base.jiffy_ns / 1000000);
}

static void put_rw(json_t *o, const char *name, const char *suffix, const struct cfq_rw_stat *s) {
    char key[64];
    snprintf(key, sizeof(key), "%s%s", name, suffix);
    json_object_set_new(o, key, rw_json(s));
}

static void put_sums(const struct cfq *c, json_t *o, const char *suffix, const struct cfq_stats *s,
                     const struct cfq_rw_stat *queued) {
    char key[64];
    snprintf(key, sizeof(key), "time%s", suffix);
    json_object_set_new(o, key, json_integer(ms(c, s->time)));
    snprintf(key, sizeof(key), "sectors%s", suffix);
    json_object_set_new(o, key, json_integer((json_int_t)s->sectors));
    put_rw(o, "io_service_bytes", suffix, &s->bytes);
    put_rw(o, "io_serviced", suffix, &s->serviced);
    put_rw(o, "io_service_time", suffix, &s->service_ns);
    put_rw(o, "io_wait_time", suffix, &s->wait_ns);
    put_rw(o, "io_merged", suffix, &s->merged);
    put_rw(o, "io_queued", suffix, queued);
}

static json_t *group_json(const struct cfq *c, const struct cfq_group *g) {
    const struct cfq_stats *s = &g->stats;
    struct cfq_stats all = {0};
    struct cfq_rw_stat queued = {0};
    const struct cfq_group *below;
    LIST_FOREACH(below, &c->all_groups, all) {
        const struct cfq_group *up = below;
        while (up && up != g)
            up = up->parent;
        if (!up)
            continue;
        add_rw(&queued, &below->queued);
        if (below->owner) { /* a removed one's are in `dead` already */
            add(&all, &below->stats);
            add(&all, &below->dead);
        }
    }
    json_t *o = json_object();
    json_object_set_new(o, "weight", json_integer(g->owner->weight));
    json_object_set_new(o, "leaf_weight", json_integer(g->owner->leaf_weight));
    put_sums(c, o, "", s, &g->queued);
    put_sums(c, o, "_recursive", &all, &queued);
    json_object_set_new(o, "avg_queue_size",
                        json_integer(s->queue_samples ? (json_int_t)(s->queue_sum / s->queue_samples) : 0));
    json_object_set_new(o, "group_wait_time", json_integer((json_int_t)s->group_wait_ns));
    json_object_set_new(o, "idle_time", json_integer((json_int_t)s->idle_ns));
    json_object_set_new(o, "empty_time", json_integer((json_int_t)s->empty_ns));
    json_object_set_new(o, "dequeue", json_integer((json_int_t)s->dequeued));
    json_object_set_new(o, "unaccounted_time", json_integer(ms(c, s->unaccounted)));
    return o;
}

/* Slow with very many cgroups: each looks at all for its sums. */
json_t *cfq_stats_json(const struct elevator *e) {
    const struct cfq *c = cfq_of_const(e);
    json_t *groups = json_object();
    const struct cfq_group *g;
    LIST_FOREACH(g, &c->all_groups, all) {
        if (g->owner) {
            char path[4096];
            snprintf(path, sizeof(path), "/%s", g->owner->path);
            json_object_set_new(groups, path, group_json(c, g));
        }
    }
    return json_pack("{s:s, s:b, s:I, s:I, s:o}", "queueing",
                     c->hw_tag < 0    ? "not known yet"
                     : c->hw_tag == 0 ? "no"
                                      : "yes",
                     "counts_requests", !c->t.slice_idle && c->hw_tag, "queues", (json_int_t)c->queue_count, "busy",
                     (json_int_t)c->busy, "groups", groups);
}
