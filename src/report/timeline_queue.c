/*
 * The part of a timeline above and below a hard disk: the I/O scheduler's slices
 * and idling, what each process had of the drive, and the arm.
 *
 * Simplified: of requests of a process that the drive holds at the same time
 * each is drawn from where the one before it ends, so that a lane has no overlaps.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "report/timeline_int.h"

enum { OWNERS_MOST = 4096, LANE_SLICES = 1, LANE_IDLE, LANE_ARM = 1 };

/* A process that was served. */
struct timeline_owner {
    uint32_t id, lane;
    char name[64];
    int64_t drawn_to_ns;
    UT_hash_handle hh;
};

/* Name and number, for jobs have clones; as it can stand in a JSON string: names come from job files. */
static void copy_name(char *to, size_t size, const struct block_context *who, const char *nobody) {
    if (who)
        snprintf(to, size, "%.40s (%u)", who->name, who->id);
    else
        snprintf(to, size, "%s", nobody);
    for (; *to; to++)
        *to = *to < ' ' || *to == '"' || *to == '\\' || *to > '~' ? '_' : *to;
}

/* --- the scheduler --- */

static void slice_begin(struct timeline *t, const struct block_context *who, int64_t at_ns) {
    t->slice.since_ns = at_ns;
    copy_name(t->slice.who, sizeof t->slice.who, who, "shared");
}

static void idle_begin(struct timeline *t, const struct block_context *who, int64_t at_ns) {
    t->idle.since_ns = at_ns;
    copy_name(t->idle.who, sizeof t->idle.who, who, "anyone");
}

static void slice_end(struct timeline *t, int64_t at_ns) {
    if (t->slice.since_ns >= 0 && at_ns > t->slice.since_ns &&
        timeline_begin(t, PROCESS_SCHEDULER, LANE_SLICES, t->slice.since_ns, at_ns)) {
        fprintf(t->config.out, ",\"name\":\"%s\",\"cat\":\"slice\",\"args\":{}}", t->slice.who);
        t->slice.seen = true;
    }
    t->slice.since_ns = -1;
}

static void idle_end(struct timeline *t, int64_t at_ns) {
    if (t->idle.since_ns >= 0 && at_ns > t->idle.since_ns &&
        timeline_begin(t, PROCESS_SCHEDULER, LANE_IDLE, t->idle.since_ns, at_ns)) {
        fprintf(t->config.out, ",\"name\":\"for %s\",\"cat\":\"idle\",\"args\":{}}", t->idle.who);
        t->idle.seen = true;
    }
    t->idle.since_ns = -1;
}

void timeline_scheduler(struct timeline *t, enum elevator_event what, const struct block_context *who, int64_t at_ns) {
    switch (what) {
    case ELEVATOR_SLICE_BEGIN:
        slice_end(t, at_ns);
        slice_begin(t, who, at_ns);
        break;
    case ELEVATOR_SLICE_END:
        slice_end(t, at_ns);
        break;
    case ELEVATOR_IDLE_BEGIN:
        idle_end(t, at_ns);
        idle_begin(t, who, at_ns);
        break;
    case ELEVATOR_IDLE_END:
        idle_end(t, at_ns);
        break;
    }
}

/* --- processes --- */

static struct timeline_owner *owner_of(struct timeline *t, const struct block_context *c) {
    struct timeline_owner *o;
    HASH_FIND(hh, t->owners, &c->id, sizeof c->id, o);
    if (o || HASH_COUNT(t->owners) >= OWNERS_MOST)
        return o;
    o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->id = c->id;
    o->lane = HASH_COUNT(t->owners) + 1;
    copy_name(o->name, sizeof o->name, c, "");
    HASH_ADD(hh, t->owners, id, sizeof o->id, o);
    return o;
}

void timeline_served(struct timeline *t, const struct request *rq, int64_t at_ns) {
    struct timeline_owner *o = t->full ? NULL : owner_of(t, rq->context);
    if (!o) {
        t->crowded += !t->full;
        return;
    }
    int64_t from_ns = rq->io_start_ns > o->drawn_to_ns ? rq->io_start_ns : o->drawn_to_ns;
    if (at_ns <= from_ns || !timeline_begin(t, PROCESS_SERVED, o->lane, from_ns, at_ns))
        return;
    o->drawn_to_ns = at_ns;
    fprintf(t->config.out,
            ",\"name\":\"%s\",\"cat\":\"served\",\"args\":{\"sector\":%" PRIu64 ",\"sectors\":%" PRIu64
            ",\"merged\":%u,\"waited_us\":%" PRId64 "}}",
            rq->op == IO_READ    ? "read"
            : rq->op == IO_WRITE ? "write"
                                 : "other",
            rq->sector, rq->sectors, rq->ios - 1, (rq->io_start_ns - rq->start_ns) / 1000);
}

/* --- the arm --- */

/* What an access consists of, one after the other inside of it; of several tracks the parts are added up. */
static void draw_parts(struct timeline *t, const struct disk_parts *p, int64_t at_ns) {
    const struct {
        const char *name;
        int64_t ns;
    } parts[] = {{"seek", p->seek},
                 {"settle", p->settle},
                 {"wait for data", p->wait},
                 {"rotation", p->rotation},
                 {"transfer", p->transfer}};
    for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); at_ns += parts[i++].ns)
        if (parts[i].ns > 0 && timeline_begin(t, PROCESS_ARM, LANE_ARM, at_ns, at_ns + parts[i].ns))
            fprintf(t->config.out, ",\"name\":\"%s\",\"cat\":\"arm part\",\"args\":{}}", parts[i].name);
}

void timeline_access(struct timeline *t, const struct disk_op *op, struct disk_head from, struct disk_head to,
                     int64_t from_ns, int64_t to_ns) {
    if (!timeline_begin(t, PROCESS_ARM, LANE_ARM, from_ns, to_ns))
        return;
    const struct disk_parts *p = &op->parts;
    fprintf(t->config.out,
            ",\"name\":\"%s\",\"cat\":\"arm\",\"args\":{\"lba\":%" PRIu64 ",\"sectors\":%u,\"from\":%u,\"to\":%u}}",
            op->write ? "write" : "read", op->lba, op->count, from.cylinder, to.cylinder);
    t->arm_seen = true;
    draw_parts(t, p, from_ns);
    timeline_count(t, PROCESS_ARM, "cylinder", from_ns, from.cylinder);
    timeline_count(t, PROCESS_ARM, "cylinder", from_ns + p->seek, to.cylinder);
}

void timeline_read_on(struct timeline *t, const struct disk_read_on *what) {
    if (!timeline_begin(t, PROCESS_ARM, LANE_ARM, what->from_ns, what->to_ns))
        return;
    fprintf(t->config.out,
            ",\"name\":\"read ahead\",\"cat\":\"arm\",\"args\":{\"lba\":%" PRIu64 ",\"sectors\":%" PRIu64
            ",\"from\":%u,\"to\":%u,\"owner\":%u}}",
            what->lba, what->count, what->from.cylinder, what->to.cylinder, what->owner);
    t->arm_seen = true;
    timeline_count(t, PROCESS_ARM, "cylinder", what->from_ns, what->from.cylinder);
    timeline_count(t, PROCESS_ARM, "cylinder", what->to_ns, what->to.cylinder);
}

/* --- the end --- */

void timeline_queue_end(struct timeline *t) {
    if (t->slice.seen || t->idle.seen) {
        timeline_name_process(t, PROCESS_SCHEDULER, "scheduler");
        timeline_name_lane(t, PROCESS_SCHEDULER, LANE_SLICES, "slices");
        timeline_name_lane(t, PROCESS_SCHEDULER, LANE_IDLE, "waiting for the next request");
    }
    if (t->owners)
        timeline_name_process(t, PROCESS_SERVED, "served by the drive");
    if (t->arm_seen) {
        timeline_name_process(t, PROCESS_ARM, "arm");
        timeline_name_lane(t, PROCESS_ARM, LANE_ARM, "accesses");
    }
    struct timeline_owner *o, *next;
    HASH_ITER(hh, t->owners, o, next) {
        timeline_name_lane(t, PROCESS_SERVED, o->lane, o->name);
        HASH_DEL(t->owners, o);
        free(o);
    }
}
