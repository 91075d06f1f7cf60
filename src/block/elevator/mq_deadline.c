/*
 * mq-deadline: deadline's sweeps at three levels of priority, of which a lower
 * one waits for the higher ones, but not for ever; and one write at a time to
 * each zone of a zoned drive.
 *
 * Source: Linux 6.8 block/mq-deadline.c, for behaviour.
 * Faithful: levels by class of the request, ageing, batches by direction, the
 * position that a sweep goes on from, deadlines, zone write locking, limits of
 * async requests.
 * Simplified: async_depth limits requests, not parts of a tag bitmap's words.
 * Not modelled: requests that the driver gives back.
 *
 * Times are jiffies.
 *
 * Invariants: a queued request is in `head`, or in sort and fifo of its level
 * and direction; within a zone FIFO order is the order of sectors; a `known`
 * cursor is what a search from `latest` on finds.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>

#include "block/elevator/elevators.h"

enum { LEVEL_RT, LEVEL_BE, LEVEL_IDLE, LEVELS };
enum { READS, WRITES };

static const char *const level_names[LEVELS] = {"rt", "be", "idle"};

struct dd_level {
    struct request_list head; /* inserted before all others */
    struct request_tree sort[2];
    struct request_list fifo[2];
    uint64_t latest[2];        /* start of the last one dispatched */
    struct request *cursor[2]; /* the first from there on, if it is `known`; NULL: none */
    bool known[2];
    uint64_t inserted, merged, dispatched, completed; /* completed: or merged into another */
};

struct dd {
    struct elevator elevator; /* first */
    struct dd_level level[LEVELS];
    int last_dir;
    int64_t batching, starved;
    uint64_t *locked; /* a bit for each zone with a write under way; NULL: not a zoned drive */
    int64_t expire[2], fifo_batch, writes_starved, front_merges, async_depth, prio_aging_expire; /* tunables */
    uint64_t aged;
};

static struct dd *dd_of(const struct elevator *e) {
    return (struct dd *)e;
}

static int64_t jiffies(const struct dd *d) {
    return elevator_jiffies(&d->elevator);
}

/* The request's own words: its level + 1, when it was inserted. */
static struct dd_level *level_of(struct dd *d, const struct request *rq) {
    return &d->level[rq->priv.word[0] - 1];
}

static int64_t inserted_at(const struct request *rq) {
    return (int64_t)rq->priv.word[1];
}

static unsigned level_for(unsigned class) {
    return class == IOPRIO_RT ? LEVEL_RT : class == IOPRIO_IDLE ? LEVEL_IDLE : LEVEL_BE;
}

/* Not completed yet, so in the drive, too. */
static bool busy(const struct dd_level *l) {
    return l->inserted != l->completed;
}

/* --- zones --- */

static bool locks_zone(const struct dd *d, const struct request *rq) {
    return d->locked && (rq->op == IO_WRITE || rq->op == IO_WRITE_ZEROES);
}

static uint64_t zone_of(const struct dd *d, const struct request *rq) {
    return rq->sector / elevator_zone_sectors(&d->elevator);
}

static bool zone_free(const struct dd *d, const struct request *rq) {
    uint64_t zone = locks_zone(d, rq) ? zone_of(d, rq) : 0;
    return !locks_zone(d, rq) || !(d->locked[zone / 64] >> zone % 64 & 1);
}

static void zone_mark(struct dd *d, const struct request *rq, bool lock) {
    uint64_t zone = locks_zone(d, rq) ? zone_of(d, rq) : 0, bit = 1ull << zone % 64;
    if (!locks_zone(d, rq))
        return;
    d->locked[zone / 64] = lock ? d->locked[zone / 64] | bit : d->locked[zone / 64] & ~bit;
}

/* --- choosing --- */

/* The first one from a position on; with zones, from the start of the position's zone on. */
static struct request *from_position(const struct dd *d, struct dd_level *l, int dir, uint64_t position) {
    uint64_t zone = elevator_zone_sectors(&d->elevator);
    if (d->locked && dir == WRITES)
        position -= position % zone;
    return request_tree_ceiling(&l->sort[dir], position);
}

/* The same from the direction's own position on. */
static struct request *from_latest(const struct dd *d, struct dd_level *l, int dir) {
    if (d->locked && dir == WRITES)
        return from_position(d, l, dir, l->latest[dir]);
    if (!l->known[dir])
        l->cursor[dir] = request_tree_ceiling(&l->sort[dir], l->latest[dir]);
    l->known[dir] = true;
    return l->cursor[dir];
}

/* What does not follow on. */
static struct request *behind_run(struct request *rq) {
    uint64_t end;
    do {
        end = request_end(rq);
        rq = request_tree_next(rq);
    } while (rq && rq->sector == end);
    return rq;
}

/* The sweep's next. On a disk a run of writes is skipped as a whole, to stay one. */
static struct request *sweep_next(struct dd *d, struct dd_level *l, int dir) {
    struct request *rq = from_latest(d, l, dir);
    while (rq && !zone_free(d, rq))
        rq = elevator_rotational(&d->elevator) ? behind_run(rq) : request_tree_next(rq);
    return rq;
}

static bool goes_on_another(struct request *rq) {
    const struct request *before = request_tree_prev(rq);
    return before && request_end(before) == rq->sector;
}

/* The oldest; of writes to zones, the oldest whose zone is free, or what lies before it in that zone. */
static struct request *oldest(struct dd *d, struct dd_level *l, int dir) {
    struct request *rq;
    if (dir == READS || !d->locked)
        return TAILQ_FIRST(&l->fifo[dir]);
    TAILQ_FOREACH(rq, &l->fifo[dir], link) {
        struct request *first = from_position(d, l, dir, rq->sector);
        if (!first || first->sector > rq->sector)
            first = rq;
        if (zone_free(d, first) && !(elevator_rotational(&d->elevator) && goes_on_another(first)))
            return first;
    }
    return NULL;
}

/* The direction of a new batch; -1: nothing to do. */
static int direction(struct dd *d, struct dd_level *l) {
    bool reads = !TAILQ_EMPTY(&l->fifo[READS]);
    if (reads && !(oldest(d, l, WRITES) && d->starved++ >= d->writes_starved))
        return READS;
    if (TAILQ_EMPTY(&l->fifo[WRITES]))
        return -1;
    d->starved = 0;
    return WRITES;
}

static struct request *begin_batch(struct dd *d, struct dd_level *l) {
    int dir = direction(d, l);
    if (dir < 0)
        return NULL;
    struct request *next = sweep_next(d, l, dir), *first = TAILQ_FIRST(&l->fifo[dir]);
    if (!next || (first && jiffies(d) >= first->expiry))
        next = oldest(d, l, dir);
    if (next) {
        d->last_dir = dir;
        d->batching = 0;
    }
    return next;
}

/* --- dispatching --- */

static void unqueue(struct dd_level *l, struct request *rq) {
    if (l->cursor[rq->write] == rq)
        l->cursor[rq->write] = request_tree_next(rq);
    request_tree_remove(&l->sort[rq->write], rq);
    TAILQ_REMOVE(&l->fifo[rq->write], rq, link);
}

static struct request *hand_out(struct dd *d, struct dd_level *l, struct request *rq) {
    l->dispatched++;
    l->latest[rq->write] = rq->sector;
    zone_mark(d, rq, true);
    return rq;
}

/* A request of one level, if it was inserted at `latest_start` or before. */
static struct request *next_of(struct dd *d, struct dd_level *l, int64_t latest_start) {
    struct request *rq = TAILQ_FIRST(&l->head);
    if (rq) {
        if (inserted_at(rq) > latest_start)
            return NULL;
        TAILQ_REMOVE(&l->head, rq, link);
        l->known[rq->write] = false;
        return hand_out(d, l, rq);
    }
    rq = sweep_next(d, l, d->last_dir);
    if (!rq || d->batching >= d->fifo_batch)
        rq = begin_batch(d, l);
    if (!rq || inserted_at(rq) > latest_start)
        return NULL;
    d->batching++;
    l->known[rq->write] &= l->cursor[rq->write] == rq;
    unqueue(l, rq);
    return hand_out(d, l, rq);
}

/* One of a lower level that has waited for too long. */
static struct request *aged(struct dd *d) {
    unsigned levels = 0;
    for (unsigned i = 0; i < LEVELS; i++)
        levels += busy(&d->level[i]);
    for (unsigned i = LEVEL_BE; levels > 1 && i < LEVELS; i++) {
        struct request *rq = next_of(d, &d->level[i], jiffies(d) - d->prio_aging_expire);
        d->aged += rq != NULL;
        if (rq)
            return rq;
    }
    return NULL;
}

static struct request *dd_next(struct elevator *e) {
    struct dd *d = dd_of(e);
    struct request *rq = aged(d);
    for (unsigned i = 0; !rq && i < LEVELS; i++) {
        rq = next_of(d, &d->level[i], jiffies(d));
        if (busy(&d->level[i]))
            break; /* lower ones wait, even for what is in the drive */
    }
    return rq;
}

/* --- inserting, completing --- */

static void fifo_insert(const struct dd *d, struct dd_level *l, struct request *rq) {
    struct request *next = request_tree_next(rq);
    if (locks_zone(d, rq) && next && locks_zone(d, next) && zone_of(d, next) == zone_of(d, rq))
        TAILQ_INSERT_BEFORE(next, rq, link);
    else
        TAILQ_INSERT_TAIL(&l->fifo[rq->write], rq, link);
}

static void dd_insert(struct elevator *e, struct request *rq, enum elevator_place place) {
    struct dd *d = dd_of(e);
    rq->priv.word[0] = level_for(ioprio_class_of(rq->ioprio)) + 1;
    rq->priv.word[1] = (uint64_t)jiffies(d);
    struct dd_level *l = level_of(d, rq);
    l->inserted++;
    if (place == ELEVATOR_HEAD) {
        TAILQ_INSERT_HEAD(&l->head, rq, link);
        return;
    }
    rq->expiry = jiffies(d) + d->expire[rq->write];
    request_tree_insert(&l->sort[rq->write], rq);
    const struct request *cursor = l->cursor[rq->write];
    if (rq->sector >= l->latest[rq->write] && (!cursor || rq->sector < cursor->sector))
        l->cursor[rq->write] = rq;
    fifo_insert(d, l, rq);
}

static void dd_completed(struct elevator *e, struct request *rq) {
    zone_mark(dd_of(e), rq, false);
}

static void dd_put_request(struct elevator *e, struct request *rq) {
    if (rq->priv.word[0])
        level_of(dd_of(e), rq)->completed++;
}

static uint32_t dd_limit_depth(struct elevator *e, uint32_t depth, const struct io *io, struct block_context *c) {
    int64_t limit = dd_of(e)->async_depth;
    if (io->op == IO_READ || limit > depth)
        return depth;
    return limit < 1 ? 1 : (uint32_t)limit;
}

/* --- merging --- */

/* Linux's multi-queue layer merges what has the same priority only. */
static bool dd_allow_merge(struct elevator *e, const struct request *rq, const struct io *io, struct block_context *c) {
    return rq->ioprio == c->ioprio;
}

static bool dd_allow_requests_merge(struct elevator *e, const struct request *rq, const struct request *next) {
    return rq->ioprio == next->ioprio;
}

static enum elevator_merge dd_find_merge(struct elevator *e, const struct io *io, struct block_context *c,
                                         struct request **rq) {
    struct dd *d = dd_of(e);
    if (!d->front_merges)
        return ELEVATOR_NO_MERGE;
    *rq = request_tree_find(&d->level[level_for(context_class(c))].sort[elevator_io_write(io)], elevator_io_end(io));
    return *rq ? ELEVATOR_FRONT_MERGE : ELEVATOR_NO_MERGE;
}

static void dd_merged(struct elevator *e, struct request *rq, enum elevator_merge where) {
    struct request_tree *sort = &level_of(dd_of(e), rq)->sort[rq->write];
    if (where != ELEVATOR_FRONT_MERGE)
        return;
    request_tree_remove(sort, rq);
    request_tree_insert(sort, rq);
    level_of(dd_of(e), rq)->known[rq->write] = false;
}

static void dd_merge_requests(struct elevator *e, struct request *rq, struct request *next) {
    struct dd *d = dd_of(e);
    struct dd_level *l = level_of(d, next);
    l->merged++;
    if (rq->flags & RQ_QUEUED && level_of(d, rq) == l && next->expiry < rq->expiry) {
        TAILQ_REMOVE(&l->fifo[rq->write], rq, link);
        TAILQ_INSERT_AFTER(&l->fifo[rq->write], next, rq, link);
        rq->expiry = next->expiry;
        rq->priv.word[1] = next->priv.word[1];
    }
    unqueue(l, next);
}

static struct request *dd_former(struct elevator *e, struct request *rq) {
    return request_tree_prev(rq);
}

static struct request *dd_latter(struct elevator *e, struct request *rq) {
    return request_tree_next(rq);
}

/* --- life, reports --- */

static int64_t three_quarters(const struct elevator *e) {
    uint32_t depth = elevator_nr_requests(e) * 3 / 4;
    return depth ? depth : 1;
}

static void dd_depth_changed(struct elevator *e) {
    dd_of(e)->async_depth = three_quarters(e);
}

static int dd_init(struct elevator *e, struct err *err) {
    struct dd *d = dd_of(e);
    for (unsigned i = 0; i < LEVELS; i++) {
        TAILQ_INIT(&d->level[i].head);
        for (unsigned dir = 0; dir < 2; dir++) {
            RB_INIT(&d->level[i].sort[dir]);
            TAILQ_INIT(&d->level[i].fifo[dir]);
        }
    }
    d->last_dir = WRITES;
    d->locked = elevator_zone_sectors(e) ? calloc(elevator_zones(e) / 64 + 1, sizeof *d->locked) : NULL;
    if (elevator_zone_sectors(e) && !d->locked)
        return err_set(err, ENOMEM, "no memory for the locks of %" PRIu32 " zones", elevator_zones(e));
    return 0;
}

static void dd_release(struct elevator *e) {
    free(dd_of(e)->locked);
}

static bool level_has_work(const struct dd_level *l) {
    return !TAILQ_EMPTY(&l->head) || !TAILQ_EMPTY(&l->fifo[READS]) || !TAILQ_EMPTY(&l->fifo[WRITES]);
}

static bool dd_has_work(const struct elevator *e) {
    const struct dd *d = dd_of(e);
    return level_has_work(&d->level[LEVEL_RT]) || level_has_work(&d->level[LEVEL_BE]) ||
           level_has_work(&d->level[LEVEL_IDLE]);
}

static json_t *dd_stats(const struct elevator *e) {
    const struct dd *d = dd_of(e);
    json_t *all = json_pack("{s:I}", "aged", (json_int_t)d->aged);
    for (unsigned i = 0; i < LEVELS; i++) {
        const struct dd_level *l = &d->level[i];
        json_object_set_new(all, level_names[i],
                            json_pack("{s:I,s:I,s:I,s:I}", "inserted", (json_int_t)l->inserted, "merged",
                                      (json_int_t)l->merged, "dispatched", (json_int_t)l->dispatched, "completed",
                                      (json_int_t)l->completed));
    }
    return all;
}

static int check_direction(const struct dd *d, struct dd_level *l, int dir, struct err *err) {
    const struct request *rq, *before = NULL;
    int64_t balance = 0;
    for (struct request *at = request_tree_first(&l->sort[dir]); at; at = request_tree_next(at), balance++) {
        if (before && before->sector > at->sector)
            return err_set(err, EINVAL, "mq-deadline: sector %" PRIu64 " sorted before %" PRIu64, before->sector,
                           at->sector);
        before = at;
    }
    TAILQ_FOREACH(rq, &l->fifo[dir], link)
    balance--;
    return balance ? err_set(err, EINVAL, "mq-deadline: tree and FIFO differ by %" PRId64, balance) : 0;
}

static int dd_check(const struct elevator *e, struct err *err) {
    struct dd *d = dd_of(e);
    for (unsigned i = 0; i < LEVELS; i++) {
        struct dd_level *l = &d->level[i];
        if (check_direction(d, l, READS, err) || check_direction(d, l, WRITES, err))
            return -EINVAL;
        if (l->completed > l->inserted || l->dispatched > l->inserted)
            return err_set(err, EINVAL,
                           "mq-deadline: %s has %" PRIu64 " inserted, %" PRIu64 " dispatched, %" PRIu64 " completed",
                           level_names[i], l->inserted, l->dispatched, l->completed);
    }
    return 0;
}

#define AT(field) offsetof(struct dd, field)

static const struct elevator_tunable dd_tunables[] = {
    {"read_expire", TUNABLE_JIFFIES, AT(expire[READS]), .max = INT_MAX, .def = 500, .unit = "ms",
     .help = "a read that has waited this long is next when its direction's batch ends"},
    {"write_expire", TUNABLE_JIFFIES, AT(expire[WRITES]), .max = INT_MAX, .def = 5000, .unit = "ms",
     .help = "the same for writes"},
    {"prio_aging_expire", TUNABLE_JIFFIES, AT(prio_aging_expire), .max = INT_MAX, .def = 10000, .unit = "ms",
     .help = "what has waited this long goes before higher classes"},
    {"writes_starved", TUNABLE_INT, AT(writes_starved), .min = INT_MIN, .max = INT_MAX, .def = 2, .unit = "batches",
     .help = "of reads while writes wait"},
    {"front_merges", TUNABLE_BOOL, AT(front_merges), .max = 1, .def = 1, .help = "look for requests an io ends at"},
    {"fifo_batch", TUNABLE_INT, AT(fifo_batch), .max = INT_MAX, .def = 16, .unit = "requests",
     .help = "of one direction in ascending order"},
    {"async_depth", TUNABLE_INT, AT(async_depth), .min = 1, .max = INT_MAX, .def_for = three_quarters,
     .unit = "requests", .help = "that writes may use of nr_requests; set anew when that changes"},
    {NULL},
};

const struct elevator_ops elevator_mq_deadline = {
    .name = "mq-deadline",
    .summary = "deadline for many queues: levels of priority that age, one write at a time to a zone",
    .size = sizeof(struct dd),
    .zones = true,
    .tunables = dd_tunables,
    .reads = TUNABLE_KSTRTOINT,
    .init = dd_init,
    .release = dd_release,
    .insert = dd_insert,
    .next = dd_next,
    .allow_merge = dd_allow_merge,
    .allow_requests_merge = dd_allow_requests_merge,
    .find_merge = dd_find_merge,
    .merged = dd_merged,
    .merge_requests = dd_merge_requests,
    .former = dd_former,
    .latter = dd_latter,
    .completed = dd_completed,
    .put_request = dd_put_request,
    .limit_depth = dd_limit_depth,
    .has_work = dd_has_work,
    .depth_changed = dd_depth_changed,
    .stats = dd_stats,
    .check = dd_check,
};
