/*
 * The queue's life, and the bracket around all work on it; see block.h.
 */
#include "block/block.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "block/block_int.h"
#include "block/elevator/elevators.h"
#include "block/throttle.h"

#define HZ_MIN  24
#define HZ_MAX  10000
#define CPU_MAX 4096

/*
 * What was put off: the drive is kept busy first, then sleepers go on, and a
 * scheduler that has nothing left gives way.
 */
void block_settle(struct block *b) {
    for (;;) {
        if (b->want_run)
            block_run(b);
        else if (b->want_finish)
            block_switch_finish(b);
        else if (!TAILQ_EMPTY(&b->waking) && !(b->coming && block_multi_queue(b)))
            block_pool_run_wakes(b);
        else if (block_wbt_waking(&b->wbt) && !(b->coming && block_multi_queue(b)))
            block_wbt_run_wakes(&b->wbt);
        else
            return;
    }
}

void block_leave(struct block *b) {
    if (b->busy == 1)
        block_settle(b);
    b->busy--;
}

/* --- the front's methods --- */

static void front_submit(struct drive_front *front, struct io *io) {
    block_submit(block_of_front(front), io);
}

static void front_plug(struct drive_front *front, uint32_t owner) {
    struct block *b = block_of_front(front);
    struct block_context *c = block_context_get(b, owner);
    if (c)
        block_plug(b, c);
}

static void front_unplug(struct drive_front *front, uint32_t owner) {
    struct block *b = block_of_front(front);
    struct block_context *c = block_context_find(b, owner);
    if (!c)
        return;
    block_enter(b);
    block_unplug(b, c);
    block_leave(b);
}

static void front_gone(struct drive_front *front, uint32_t owner) {
    block_context_exit(block_of_front(front), owner);
}

/* --- forgetting --- */

static void forget_context(struct block_context *c) {
    TAILQ_INIT(&c->plug.list);
    c->plug.count = 0;
    c->held.head = c->fence.head = NULL;
    c->asleep = false;
    c->batch = c->writes = c->flushes = c->requests = 0;
}

static void forget_requests(struct block *b) {
    for (struct request_slab *slab = b->slabs; slab; slab = slab->next)
        for (unsigned i = 0; i < SLAB_REQUESTS; i++) {
            struct request *rq = &slab->request[i];
            if (!rq->block)
                continue;
            if (rq->flags & RQ_SCHEDULED && b->ops->put_request)
                b->ops->put_request(b->elevator, rq);
            io_release(&rq->io);
            block_request_free(b, rq);
        }
    for (unsigned i = 0; i < sizeof b->hash / sizeof *b->hash; i++)
        TAILQ_INIT(&b->hash[i]);
    TAILQ_INIT(&b->dispatch);
    b->scheduled = b->queued = b->in_drive = 0;
    b->last_merge = b->boundary = NULL;
    b->stat.in_flight[0] = b->stat.in_flight[1] = 0;
}

void block_forget(struct block *b) {
    struct block_context *c;
    struct block_group *g;
    block_enter(b); /* nothing goes to the drive meanwhile */
    block_drain(b); /* what belongs to a queued request can't be let go of */
    forget_requests(b);
    for (c = b->contexts; c; c = c->hh.next)
        forget_context(c);
    TAILQ_INIT(&b->waking);
    block_wbt_forget(&b->wbt);
    for (g = b->groups; g; g = g->hh.next) {
        block_pool_init(&g->pool);
        block_throttle_forget(g);
        g->requests = 0;
    }
    b->flush.pending.head = b->flush.running.head = b->frozen.head = NULL;
    b->flush.ready = b->flush.busy = false;
    io_release(&b->flush.io);
    io_line_clear(&b->late);
    b->inside = 0;
    block_contexts_detach(b, b->elevator);
    b->want_run = b->want_finish = false;
    block_leave(b);
}

/* The drive lost power, and with it everything that was asked of it; the scheduler starts anew, with its tunables. */
static void front_power_cut(struct drive_front *front) {
    struct block *b = block_of_front(front);
    struct err e = {0};
    struct elevator *old = block_elevator(b), *fresh = elevator_new(b, old->ops, &e);
    if (fresh)
        elevator_copy_tunables(fresh, old);
    block_forget(b);
    if (!fresh) {
        log_error(LOG_DRIVE, "%s: requests go to the drive unscheduled from now on", e.text);
        b->drive->front = NULL;
        return;
    }
    if (b->coming)
        elevator_free(b->coming);
    elevator_free(b->elevator);
    b->coming = NULL;
    uint32_t nr_requests = b->nr_requests;
    bool same = b->ops == fresh->ops;
    block_take_over(b, fresh);
    if (same)
        b->nr_requests = nr_requests;
}

static struct json_t *front_stats(struct drive_front *front) {
    return block_json(block_of_front(front));
}

/* --- life --- */

static void late_out(struct io_line *line, struct io *io) {
    struct block *b = line->owner;
    io->completed_ns = sim_now(b->sim);
    if (io->flags & IO_CARRIER) {
        io->done(io);
        return;
    }
    block_enter(b);
    block_io_end(b, io, io->completed_ns);
    block_leave(b);
}

static int check_settings(const struct block_settings *s, struct err *e) {
    if (s->hz && (s->hz < HZ_MIN || s->hz > HZ_MAX))
        return err_set(e, EINVAL, "hz = %" PRIu32 ": allowed are %d to %d", s->hz, HZ_MIN, HZ_MAX);
    if (s->cpus > CPU_MAX)
        return err_set(e, EINVAL, "cpus = %" PRIu32 ": allowed are 1 to %d", s->cpus, CPU_MAX);
    if (s->cgroup_version > 2)
        return err_set(e, EINVAL, "cgroup_version = %" PRIu32 ": allowed are 1 and 2", s->cgroup_version);
    if (s->queue_depth > BLOCK_MAX_REQUESTS)
        return err_set(e, EINVAL, "queue_depth = %" PRIu32 ": allowed are 1 to %d", s->queue_depth, BLOCK_MAX_REQUESTS);
    return 0;
}

static void set_up(struct block *b, struct drive *drive, const struct block_settings *s) {
    b->front = (struct drive_front){.submit = front_submit,
                                    .plug = front_plug,
                                    .unplug = front_unplug,
                                    .gone = front_gone,
                                    .power_cut = front_power_cut,
                                    .stats = front_stats};
    b->drive = drive;
    b->sim = drive->sim;
    drive_limits(drive, &b->limits);
    if (drive->ops->zoned) {
        struct drive_zoned_limits zoned;
        drive->ops->zoned->limits(drive, &zoned);
        b->zone_sectors = zoned.zone_bytes >> SECTOR_SHIFT;
        b->zones = zoned.zones;
        b->max_open_zones = zoned.max_open;
        b->max_active_zones = zoned.max_active;
    }
    b->hz = s->hz ? s->hz : 1000;
    b->jiffy_ns = 1000000000 / b->hz;
    b->cpus = s->cpus ? s->cpus : 4;
    b->cgroup_version = s->cgroup_version ? s->cgroup_version : 1;
    b->depth = s->queue_depth ? s->queue_depth : b->limits.queue_depth ? b->limits.queue_depth : BLOCK_DEFAULT_DEPTH;
    b->max_sectors = b->max_hw_sectors = BLOCK_DEFAULT_SECTORS;
    b->max_segments = BLOCK_MAX_SEGMENTS;
    b->max_segment_bytes = BLOCK_SEGMENT_BYTES;
    b->rotational = s->rotational ? s->rotational == 2 : b->limits.rotational;
    b->looks_ahead = b->limits.looked_ahead;
    b->iostats = true;
    b->nr_requests = BLOCK_DEFAULT_REQUESTS;
    b->stat_ns = sim_now(b->sim);
    for (unsigned i = 0; i < sizeof b->hash / sizeof *b->hash; i++)
        TAILQ_INIT(&b->hash[i]);
    TAILQ_INIT(&b->dispatch);
    TAILQ_INIT(&b->plugged);
    TAILQ_INIT(&b->free);
    TAILQ_INIT(&b->waking);
    io_line_init(&b->late, b->sim, late_out, b);
    block_wbt_init(&b->wbt, b);
}

struct block *block_new(struct drive *drive, const struct block_settings *s, struct err *e) {
    char note[1024] = "";
    if (check_settings(s, e))
        return NULL;
    struct block *b = calloc(1, sizeof *b);
    if (!b) {
        err_set(e, ENOMEM, "no memory for a queue");
        return NULL;
    }
    set_up(b, drive, s);
    if (block_groups_init(b)) {
        err_set(e, ENOMEM, "no memory for a queue");
        free(b);
        return NULL;
    }
    struct elevator *elevator = elevator_from_spec(b, s->scheduler ? s->scheduler : "none", note, sizeof note, e);
    if (!elevator) {
        block_groups_release(b);
        free(b);
        return NULL;
    }
    if (*note)
        log_warn(LOG_DRIVE, "%s", note);
    block_take_over(b, elevator);
    drive->front = &b->front;
    return b;
}

void block_free(struct block *b) {
    if (!b)
        return;
    if (b->drive->front == &b->front)
        b->drive->front = NULL;
    block_forget(b);
    elevator_free(b->elevator);
    elevator_free(b->coming);
    block_contexts_release(b);
    block_groups_release(b);
    while (b->slabs) {
        struct request_slab *next = b->slabs->next;
        for (unsigned i = 0; i < SLAB_REQUESTS; i++)
            free(b->slabs->request[i].vec);
        free(b->slabs);
        b->slabs = next;
    }
    free(b);
}

/* --- reading --- */

struct block *block_of(const struct drive *drive) {
    return drive->front ? block_of_front(drive->front) : NULL;
}

const struct block_stat *block_stat(const struct block *b) {
    block_account_round((struct block *)b);
    return &b->stat;
}

uint64_t block_ios_inside(const struct block *b) {
    return b->inside;
}

void block_watch(struct block *b, struct block_watch *w) {
    b->watch = w;
}

bool block_congested(const struct block *b, uint32_t owner, bool sync) {
    const struct block_context *c = block_context_find((struct block *)b, owner);
    const struct block_group *g = c && !block_multi_queue(b) ? c->group : &b->root;
    return g->pool.congested[sync];
}

uint32_t block_cgroup_version(const struct block *b) {
    return b->cgroup_version;
}

uint32_t block_default_requests(const struct block *b, const struct elevator_ops *ops) {
    if (ops->dispatch)
        return BLOCK_DEFAULT_REQUESTS;
    if (ops == &elevator_none)
        return b->depth;
    return 2 * (b->depth < BLOCK_DEFAULT_REQUESTS ? b->depth : BLOCK_DEFAULT_REQUESTS);
}
