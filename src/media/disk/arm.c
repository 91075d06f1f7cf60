/*
 * The arm: one operation at a time, chosen from the queue when it is free.
 *
 *   fcfs: in order of arrival
 *   look: upwards by sector from where the arm is, then from the lowest again
 *   sptf: whose first sector comes by soonest, seek, settle and rotation
 *         together, less `ageing` times how long it has waited
 *
 * Urgent operations go first; the others run when there are none, or once they
 * are old. When nothing is left the owner may start a stream: reading on, which
 * the next operation ends after the sector in hand.
 *
 * Faithful: the arm moves on while the last request's data still crosses the bus.
 * Not modelled: giving up an operation under way.
 */
#include <stddef.h>

#include "media/disk/disk.h"

static struct disk_arm *arm_of(struct sim_event *event) {
    return (struct disk_arm *)((char *)event - offsetof(struct disk_arm, event));
}

/* --- choice --- */

static bool may_run(const struct disk_arm *arm, const struct disk_op *op, bool urgent) {
    if (op->blockers)
        return false;
    return !urgent || op->urgent || arm->pressure || sim_now(arm->sim) - op->queued_ns >= arm->old_ns;
}

/* What the policy wants small. */
static double cost(const struct disk_arm *arm, const struct disk_op *op) {
    const struct disk_geometry *g = arm->g;
    if (arm->policy == DISK_FCFS)
        return 0;
    struct disk_place p = disk_locate(g, op->lba);
    int64_t now = sim_now(arm->sim), waited = now - op->queued_ns;
    if (arm->policy == DISK_LOOK)
        return (double)op->lba + (p.at.cylinder < arm->head.cylinder ? (double)g->sectors : 0);
    int64_t ready = now + disk_reposition_ns(g, arm->head, p.at, op->write);
    if (ready < op->data_ns)
        ready = op->data_ns;
    return (double)(ready - now + disk_rotation_ns(g, &p, ready)) - arm->ageing * (double)waited;
}

static struct disk_op *choose(const struct disk_arm *arm, bool urgent) {
    struct disk_op *best = NULL;
    double least = 0;
    for (struct disk_op *op = arm->first; op; op = op->next) {
        if (!may_run(arm, op, urgent))
            continue;
        double c = cost(arm, op);
        if (best && c >= least)
            continue;
        best = op;
        least = c;
        if (arm->policy == DISK_FCFS)
            break;
    }
    return best;
}

/* --- queue --- */

static void enqueue(struct disk_arm *arm, struct disk_op *op) {
    op->next = NULL;
    op->prev = arm->last;
    if (arm->last)
        arm->last->next = op;
    else
        arm->first = op;
    arm->last = op;
    if (++arm->queued > arm->count.queue_peak)
        arm->count.queue_peak = arm->queued;
}

static void dequeue(struct disk_arm *arm, struct disk_op *op) {
    *(op->prev ? &op->prev->next : &arm->first) = op->next;
    *(op->next ? &op->next->prev : &arm->last) = op->prev;
    arm->queued--;
}

/* --- the stream --- */

void disk_stream_update(struct disk_arm *arm) {
    struct disk_stream *s = &arm->stream;
    if (!s->active)
        return;
    uint64_t done = disk_read_until(arm->g, &arm->head, &s->t, s->next, s->limit - s->next, sim_now(arm->sim));
    s->next += done;
    arm->count.streamed += done;
}

/* When sector `lba - 1` will have passed. */
static int64_t stream_due(const struct disk_arm *arm, uint64_t lba) {
    const struct disk_stream *s = &arm->stream;
    struct disk_head head = arm->head;
    return lba <= s->next ? s->t : disk_access(arm->g, &head, s->t, s->next, lba - s->next, false, 0, NULL);
}

/* The observer knows of the stream from here on. */
static void stream_mark(struct disk_arm *arm) {
    struct disk_stream *s = &arm->stream;
    s->told = s->next;
    s->told_ns = s->t;
    s->told_head = arm->head;
}

static void stream_tell(struct disk_arm *arm) {
    const struct disk_stream *s = &arm->stream;
    if (__builtin_expect(arm->observer == NULL, 1) || s->next == s->told)
        return;
    const struct disk_read_on what = {.owner = s->owner,
                                      .lba = s->told,
                                      .count = s->next - s->told,
                                      .from = s->told_head,
                                      .to = arm->head,
                                      .from_ns = s->told_ns,
                                      .to_ns = s->t};
    arm->observer->read_on(arm->observer, &what);
}

void disk_observe(struct disk_arm *arm, struct disk_observer *observer) {
    if (arm->stream.active) {
        disk_stream_update(arm);
        stream_tell(arm);
        stream_mark(arm);
    }
    arm->observer = observer;
}

static void stream_over(struct disk_arm *arm) {
    stream_tell(arm);
    arm->count.stream_ns += arm->stream.t - arm->stream.started_ns;
    arm->stream.active = false;
    sim_cancel(arm->sim, &arm->event);
}

/* Somebody wants the arm: read to the end of what is committed and of the sector in hand, no further. */
static void stream_stop(struct disk_arm *arm) {
    struct disk_stream *s = &arm->stream;
    int64_t now = sim_now(arm->sim);
    disk_stream_update(arm);
    uint64_t end = s->next > s->committed ? s->next : s->committed;
    struct disk_head head = arm->head;
    int64_t t = disk_access(arm->g, &head, s->t, s->next, end - s->next, false, 0, NULL);
    arm->head = head;
    arm->count.streamed += end - s->next;
    arm->count.interrupted++;
    s->next = end;
    s->t = t;
    arm->free_ns = t > now ? t : now;
    stream_over(arm);
}

void disk_stream_stop(struct disk_arm *arm) {
    if (!arm->stream.active)
        return;
    stream_stop(arm);
    sim_schedule(arm->sim, &arm->event, arm->free_ns); /* for what has come meanwhile */
}

void disk_stream_start(struct disk_arm *arm, uint64_t lba, uint64_t limit) {
    if (limit > arm->g->sectors)
        limit = arm->g->sectors;
    if (arm->running || arm->stream.active || lba >= limit)
        return;
    int64_t now = sim_now(arm->sim), from = now > arm->free_ns ? now : arm->free_ns;
    arm->stream = (struct disk_stream){.active = true,
                                       .next = lba,
                                       .limit = limit,
                                       .committed = lba,
                                       .t = from,
                                       .started_ns = from,
                                       .owner = arm->reader};
    stream_mark(arm);
    sim_cancel(arm->sim, &arm->event);
    sim_schedule(arm->sim, &arm->event, stream_due(arm, limit));
}

int64_t disk_stream_commit(struct disk_arm *arm, uint64_t lba, uint64_t limit) {
    struct disk_stream *s = &arm->stream;
    disk_stream_update(arm);
    if (limit > arm->g->sectors)
        limit = arm->g->sectors;
    if (lba > s->committed)
        s->committed = lba;
    if (limit > s->limit) {
        s->limit = limit;
        sim_cancel(arm->sim, &arm->event);
        sim_schedule(arm->sim, &arm->event, stream_due(arm, limit));
    }
    return stream_due(arm, lba);
}

/* --- running --- */

static void count_op(struct disk_arm *arm, const struct disk_op *op) {
    struct disk_counters *c = &arm->count;
    const struct disk_parts *p = &op->parts;
    c->ops[op->write]++;
    c->sectors[op->write] += op->count;
    c->seeks += p->seeks;
    c->switches += p->switches;
    c->distance += p->distance;
    c->seek_ns += p->seek;
    c->settle_ns += p->settle;
    c->rotation_ns += p->rotation;
    c->transfer_ns += p->transfer;
    c->wait_ns += p->wait;
}

static void run(struct disk_arm *arm, struct disk_op *op) {
    int64_t t = sim_now(arm->sim), start_ns = t;
    struct disk_head from = arm->head;
    dequeue(arm, op);
    op->parts = (struct disk_parts){0};
    if (op->rewrite)
        t = disk_access(arm->g, &arm->head, t, op->lba, op->count, false, 0, &op->parts);
    t = disk_access(arm->g, &arm->head, t, op->lba, op->count, op->write, op->data_ns, &op->parts);
    arm->running = op;
    arm->reader = op->write ? arm->reader : op->owner;
    arm->free_ns = t;
    sim_schedule(arm->sim, &arm->event, t);
    if (__builtin_expect(arm->observer != NULL, 0))
        arm->observer->access(arm->observer, op, from, arm->head, start_ns, t);
}

static struct disk_op *next_op(const struct disk_arm *arm, bool stream) {
    struct disk_op *op = choose(arm, true);
    return op || stream ? op : choose(arm, false);
}

void disk_kick(struct disk_arm *arm) {
    if (arm->running || !arm->first)
        return;
    if (arm->stream.active) {
        if (!choose(arm, true))
            return;
        stream_stop(arm);
    }
    if (arm->free_ns > sim_now(arm->sim)) {
        if (!sim_event_pending(&arm->event))
            sim_schedule(arm->sim, &arm->event, arm->free_ns);
        return;
    }
    struct disk_op *op = next_op(arm, false);
    if (!op)
        return;
    sim_cancel(arm->sim, &arm->event);
    run(arm, op);
}

static void arm_free(struct disk_arm *arm) {
    struct disk_op *op = arm->running || arm->stream.active ? NULL : next_op(arm, true);
    if (op)
        run(arm, op);
    else if (!arm->running && !arm->stream.active)
        arm->idle(arm);
    disk_kick(arm);
}

static void fire(struct sim_event *event) {
    struct disk_arm *arm = arm_of(event);
    struct disk_op *op = arm->running;
    if (arm->stream.active) {
        disk_stream_update(arm);
        stream_over(arm);
    } else if (op) {
        arm->running = NULL;
        count_op(arm, op);
        op->done(op);
    }
    arm_free(arm);
}

void disk_submit(struct disk_arm *arm, struct disk_op *op) {
    op->queued_ns = sim_now(arm->sim);
    enqueue(arm, op);
    disk_kick(arm);
}

void disk_arm_init(struct disk_arm *arm, const struct disk_geometry *g, struct sim *sim, const struct disk_config *c) {
    *arm = (struct disk_arm){.g = g, .sim = sim, .policy = c->policy, .ageing = c->ageing};
    arm->free_ns = sim_now(sim) + c->spin_up;
    sim_event_init(&arm->event, fire);
}

void disk_arm_reset(struct disk_arm *arm) {
    sim_cancel(arm->sim, &arm->event);
    arm->first = arm->last = arm->running = NULL;
    arm->queued = 0;
    arm->stream.active = false;
    arm->free_ns = sim_now(arm->sim);
}
