/*
 * What the queue knows, as JSON; and its self-check.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "block/block_int.h"
#include "block/throttle.h"

static json_t *stat_json(const struct block_stat *s) {
    json_t *dirs[2];
    for (unsigned i = 0; i < 2; i++)
        dirs[i] = json_pack("{s:I,s:I,s:I,s:I,s:I}", "requests", (json_int_t)s->ios[i], "merges",
                            (json_int_t)s->merges[i], "sectors", (json_int_t)s->sectors[i], "ns", (json_int_t)s->ns[i],
                            "in_flight", (json_int_t)s->in_flight[i]);
    return json_pack("{s:o,s:o,s:I,s:I,s:I}", "read", dirs[0], "write", dirs[1], "flushes", (json_int_t)s->flushes,
                     "busy_ns", (json_int_t)s->io_ns, "queue_ns", (json_int_t)s->queue_ns);
}

static void context_json(void *arg, struct block_context *c) {
    const struct block_context_stat *s = &c->stat;
    json_array_append_new(arg, json_pack("{s:I,s:s,s:s,s:i,s:i,s:s,s:{s:I,s:I},s:{s:I,s:I},s:I,s:I,s:I}", "owner",
                                         (json_int_t)c->id, "name", c->name, "class",
                                         ioprio_class_name(context_class(c)), "level", (int)context_level(c), "nice",
                                         c->nice, "cgroup", c->group->path, "read", "ios", (json_int_t)s->ios[0],
                                         "bytes", (json_int_t)s->bytes[0], "write", "ios", (json_int_t)s->ios[1],
                                         "bytes", (json_int_t)s->bytes[1], "merged", (json_int_t)s->merged,
                                         "service_ns", (json_int_t)s->service_ns, "wait_ns", (json_int_t)s->wait_ns));
}

static void group_json(void *arg, struct block_group *g) {
    const struct block_group_stat *s = &g->stat;
    json_array_append_new(arg,
                          json_pack("{s:s,s:o*,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "path", g->path, "limits",
                                    block_throttle_json(g), "weight", (json_int_t)g->weight, "leaf_weight",
                                    (json_int_t)g->leaf_weight, "read_requests", (json_int_t)s->ios[0], "read_sectors",
                                    (json_int_t)s->sectors[0], "write_requests", (json_int_t)s->ios[1], "write_sectors",
                                    (json_int_t)s->sectors[1], "merged", (json_int_t)s->merged, "service_ns",
                                    (json_int_t)s->service_ns, "wait_ns", (json_int_t)s->wait_ns));
}

json_t *block_json(struct block *b) {
    const struct elevator *e = block_elevator(b);
    json_t *all = json_object(), *processes = json_array(), *groups = json_array();
    json_t *scheduler = !b->coming && b->ops->stats ? b->ops->stats(e) : NULL;
    block_contexts(b, context_json, processes);
    block_groups(b, group_json, groups);
    json_object_set_new(all, "name", json_string(e->ops->name));
    json_object_set_new(all, "queue", block_attrs_json(b));
    json_object_set_new(all, "requests", stat_json(block_stat(b)));
    json_object_set_new(all, "statistics", scheduler ? scheduler : json_object());
    if (b->wbt.min_lat_ns)
        json_object_set_new(all, "writeback_throttling", block_wbt_json(&b->wbt));
    json_object_set_new(all, "processes", processes);
    json_object_set_new(all, "cgroups", groups);
    return all;
}

/* --- self-check --- */

struct census {
    uint32_t allocated, scheduled, queued, in_drive, accounted, hashed, throttled;
};

static int count_request(const struct request *rq, struct census *c, struct err *e) {
    uint64_t bytes = 0;
    uint32_t ios = 0;
    for (const struct io *io = rq->head; io; io = rq->flags & RQ_SPLIT ? NULL : io->next) {
        ios++;
        bytes += io->bytes;
    }
    if (rq->flags & RQ_SPLIT)
        ios = rq->ios;
    else if (ios != rq->ios || bytes != rq->io.bytes || rq->head->offset != rq->io.offset)
        return err_set(e, EINVAL, "request at %" PRIu64 ": %" PRIu32 " ios counted, %" PRIu32 " found", rq->sector,
                       rq->ios, ios);
    if (rq->flags & RQ_QUEUED && rq->flags & (RQ_STARTED | RQ_IN_DRIVE))
        return err_set(e, EINVAL, "request at %" PRIu64 " is queued and at the drive", rq->sector);
    c->allocated++;
    c->scheduled += !!(rq->flags & RQ_SCHEDULED);
    c->queued += !!(rq->flags & RQ_QUEUED);
    c->in_drive += !!(rq->flags & RQ_IN_DRIVE);
    c->accounted += !!(rq->flags & RQ_ACCOUNTED);
    c->hashed += !!(rq->flags & RQ_HASHED);
    c->throttled += !!(rq->flags & RQ_THROTTLED);
    return 0;
}

static uint32_t hashed(const struct block *b) {
    uint32_t n = 0;
    const struct request *rq;
    for (unsigned i = 0; i < sizeof b->hash / sizeof *b->hash; i++)
        TAILQ_FOREACH(rq, &b->hash[i], hash_link)
    n += rq->hash_end == request_end(rq);
    return n;
}

static int check_census(const struct block *b, const struct census *c, struct err *e) {
    const struct {
        const char *what;
        uint64_t counted, found;
    } rows[] = {
        {"allocated", b->requests, c->allocated},
        {"scheduled", b->scheduled, c->scheduled},
        {"queued", b->queued, c->queued},
        {"in the drive", b->in_drive - b->flush.busy, c->in_drive},
        {"accounted", b->stat.in_flight[0] + b->stat.in_flight[1], c->accounted},
        {"hashed", hashed(b), c->hashed},
        {"throttled", b->wbt.inflight[WBT_WRITE] + b->wbt.inflight[WBT_TRIM], c->throttled},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].counted != rows[i].found)
            return err_set(e, EINVAL, "%" PRIu64 " requests %s counted, %" PRIu64 " found", rows[i].counted,
                           rows[i].what, rows[i].found);
    if (!b->ops->has_work(b->elevator) != !b->queued)
        return err_set(e, EINVAL, "%s and the queue differ on whether anything is queued", b->ops->name);
    return 0;
}

int block_check(struct block *b, struct err *e) {
    struct census c = {0};
    for (const struct request_slab *slab = b->slabs; slab; slab = slab->next)
        for (unsigned i = 0; i < SLAB_REQUESTS; i++)
            if (slab->request[i].block && count_request(&slab->request[i], &c, e))
                return -EINVAL;
    int rc = check_census(b, &c, e);
    return rc || !b->ops->check ? rc : b->ops->check(b->elevator, e);
}
