/*
 * What each process had of a drive; see share.h.
 */
#include "report/share.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "report/series.h"

/* A process; or all of them. */
struct owner {
    uint32_t id, lane;
    int64_t first_ns, last_ns; /* first submission, last answer; last < first: none */
    uint64_t ios[RUN_DIRS], bytes[RUN_DIRS];
    int64_t drive_ns;
    uint64_t accesses, seeks, travel;
    uint64_t slices, idles;
    int64_t slice_ns, idle_ns;
    struct hist latency;
};

/* A stretch of time that is for a process, or with `who` NULL for what is shared. */
struct stretch {
    struct owner *who;
    int64_t since_ns; /* -1: none now */
};

struct share {
    bool arm;
    struct series *series;
    uint32_t resource;
    struct owner **owner; /* by id; NULL: not seen */
    uint32_t room;
    uint32_t lane[SHARE_LANES]; /* whose it is */
    uint32_t lanes;
    struct stretch slice, idle;
    int64_t served_ns; /* the last completion */
    struct owner all;
};

struct share *share_new(bool arm, struct series *series, uint32_t resource) {
    struct share *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->arm = arm;
    s->series = series;
    s->resource = resource;
    s->slice.since_ns = s->idle.since_ns = -1;
    s->all.first_ns = INT64_MAX;
    hist_init(&s->all.latency);
    return s;
}

void share_free(struct share *s) {
    for (uint32_t i = 0; s && i < s->room; i++)
        free(s->owner[i]);
    if (s)
        free(s->owner);
    free(s);
}

/* --- who --- */

static bool make_room(struct share *s, uint32_t id) {
    uint32_t room = s->room ? s->room : 16;
    while (room <= id)
        room *= 2;
    struct owner **owner = realloc(s->owner, room * sizeof *owner);
    if (!owner)
        return false;
    for (uint32_t i = s->room; i < room; i++)
        owner[i] = NULL;
    s->owner = owner;
    s->room = room;
    return true;
}

static struct owner *owner_new(struct share *s, uint32_t id) {
    struct owner *o;
    if (id >= SHARE_OWNERS || (id >= s->room && !make_room(s, id)) || !(o = calloc(1, sizeof *o)))
        return NULL;
    o->id = id;
    o->lane = s->lanes;
    o->first_ns = INT64_MAX;
    hist_init(&o->latency);
    if (s->lanes < SHARE_LANES)
        s->lane[s->lanes++] = id;
    return s->owner[id] = o;
}

/* NULL: it isn't followed. */
static struct owner *owner_of(struct share *s, uint32_t id) {
    return id < s->room && s->owner[id] ? s->owner[id] : owner_new(s, id);
}

/* --- what --- */

static void answered(struct owner *o, const struct io *io, enum run_dir dir) {
    o->ios[dir]++;
    o->bytes[dir] += io->bytes;
    o->first_ns = io->submitted_ns < o->first_ns ? io->submitted_ns : o->first_ns;
    o->last_ns = io->completed_ns > o->last_ns ? io->completed_ns : o->last_ns;
    hist_record(&o->latency, io->completed_ns - io->submitted_ns);
}

void share_answered(struct share *s, const struct io *io, enum run_dir dir) {
    struct owner *o = owner_of(s, io->owner);
    if (!o)
        return;
    answered(o, io, dir);
    answered(&s->all, io, dir);
}

static void used(struct share *s, struct owner *o, int64_t from_ns, int64_t to_ns) {
    if (to_ns <= from_ns)
        return;
    o->drive_ns += to_ns - from_ns;
    s->all.drive_ns += to_ns - from_ns;
    if (s->series)
        series_busy(s->series, s->resource + o->lane, from_ns, to_ns);
}

void share_served(struct share *s, const struct request *rq, int64_t at_ns) {
    struct owner *o = s->arm ? NULL : owner_of(s, rq->context->id);
    int64_t from_ns = rq->io_start_ns > s->served_ns ? rq->io_start_ns : s->served_ns;
    s->served_ns = at_ns;
    if (o)
        used(s, o, from_ns, at_ns);
}

static void moved(struct owner *o, uint64_t accesses, uint64_t seeks, uint64_t cylinders) {
    o->accesses += accesses;
    o->seeks += seeks;
    o->travel += cylinders;
}

void share_access(struct share *s, const struct disk_op *op, int64_t from_ns, int64_t to_ns) {
    struct owner *o = owner_of(s, op->owner);
    if (!o)
        return;
    used(s, o, from_ns, to_ns);
    moved(o, 1, op->parts.seeks, op->parts.distance);
    moved(&s->all, 1, op->parts.seeks, op->parts.distance);
}

void share_read_on(struct share *s, const struct disk_read_on *what) {
    struct owner *o = owner_of(s, what->owner);
    uint32_t low = what->from.cylinder < what->to.cylinder ? what->from.cylinder : what->to.cylinder;
    uint64_t way = what->from.cylinder + what->to.cylinder - 2ull * low;
    if (!o)
        return;
    used(s, o, what->from_ns, what->to_ns);
    moved(o, 0, 0, way); /* from track to track: that is no seek */
    moved(&s->all, 0, 0, way);
}

/* --- slices --- */

static void begin(struct share *s, struct stretch *now, const struct block_context *who, int64_t at_ns) {
    now->who = who ? owner_of(s, who->id) : NULL;
    now->since_ns = at_ns;
}

static int64_t end(struct stretch *now, int64_t at_ns) {
    int64_t ns = now->since_ns >= 0 ? at_ns - now->since_ns : 0;
    now->since_ns = -1;
    return ns;
}

static void slice_over(struct share *s, int64_t at_ns) {
    int64_t ns = end(&s->slice, at_ns);
    struct owner *of[] = {s->slice.who, &s->all};
    for (unsigned i = 0; ns > 0 && i < 2; i++)
        if (of[i]) {
            of[i]->slices++;
            of[i]->slice_ns += ns;
        }
}

static void idle_over(struct share *s, int64_t at_ns) {
    int64_t ns = end(&s->idle, at_ns);
    struct owner *of[] = {s->idle.who, &s->all};
    for (unsigned i = 0; ns > 0 && i < 2; i++)
        if (of[i]) {
            of[i]->idles++;
            of[i]->idle_ns += ns;
        }
}

void share_scheduler(struct share *s, enum elevator_event what, const struct block_context *who, int64_t at_ns) {
    if (what == ELEVATOR_SLICE_BEGIN || what == ELEVATOR_SLICE_END)
        slice_over(s, at_ns);
    else
        idle_over(s, at_ns);
    if (what == ELEVATOR_SLICE_BEGIN)
        begin(s, &s->slice, who, at_ns);
    else if (what == ELEVATOR_IDLE_BEGIN)
        begin(s, &s->idle, who, at_ns);
}

/* --- results --- */

static json_t *latency_json(const struct hist *h) {
    return json_pack("{s:f,s:I,s:I,s:I,s:I,s:I}", "mean", hist_mean(h), "p50", (json_int_t)hist_quantile(h, .5), "p95",
                     (json_int_t)hist_quantile(h, .95), "p99", (json_int_t)hist_quantile(h, .99), "p99.9",
                     (json_int_t)hist_quantile(h, .999), "max", (json_int_t)h->max);
}

/* Adds the figures of a process, or of all, to an object. */
static void describe(const struct share *s, const struct owner *o, json_t *into) {
    static const char *const names[] = {"read", "write"};
    int64_t ns = o->last_ns > o->first_ns ? o->last_ns - o->first_ns : 0;
    json_t *bw = json_object();
    for (int d = RUN_READ; d <= RUN_WRITE; d++)
        json_object_set_new(bw, names[d], json_real(ns ? (double)o->bytes[d] * 1e9 / (double)ns : 0));
    json_object_set_new(into, "bw_bytes", bw);
    if (o->latency.count)
        json_object_set_new(into, "lat_ns", latency_json(&o->latency));
    json_object_set_new(into, "drive_ns", json_integer(o->drive_ns));
    if (s->all.drive_ns)
        json_object_set_new(into, "share", json_real(round(1e6 * (double)o->drive_ns / (double)s->all.drive_ns) / 1e6));
    if (s->arm)
        json_object_set_new(into, "arm",
                            json_pack("{s:I,s:I,s:I}", "accesses", (json_int_t)o->accesses, "seeks",
                                      (json_int_t)o->seeks, "head_travel_cylinders", (json_int_t)o->travel));
    if (s->all.slices || s->all.idles)
        json_object_set_new(into, "slices",
                            json_pack("{s:I,s:I,s:I,s:I}", "count", (json_int_t)o->slices, "ns",
                                      (json_int_t)o->slice_ns, "idles", (json_int_t)o->idles, "idle_ns",
                                      (json_int_t)o->idle_ns));
}

void share_add(const struct share *s, json_t *stats) {
    json_t *scheduler = json_object_get(stats, "scheduler"), *process, *total = json_object();
    json_int_t merged = 0;
    size_t i;
    json_array_foreach(json_object_get(scheduler, "processes"), i, process) {
        json_int_t id = json_integer_value(json_object_get(process, "owner"));
        merged += json_integer_value(json_object_get(process, "merged"));
        if (id >= 0 && id < s->room && s->owner[id])
            describe(s, s->owner[id], process);
    }
    json_object_set_new(total, "merged", json_integer(merged));
    describe(s, &s->all, total);
    if (json_is_object(scheduler))
        json_object_set(scheduler, "total", total);
    json_decref(total);
}

json_t *share_series_json(const struct share *s, int64_t end_ns) {
    json_t *owners = json_array(), *lists = json_array();
    uint32_t lists_of = s->lanes < SHARE_LANES ? s->lanes : SHARE_LANES + 1; /* with the others' */
    for (uint32_t i = 0; i < s->lanes; i++)
        json_array_append_new(owners, json_integer(s->lane[i]));
    for (uint32_t i = 0; i < lists_of && s->series; i++)
        json_array_append_new(lists, series_busy_json(s->series, s->resource + i, end_ns));
    return json_pack("{s:o,s:o}", "owners", owners, "share", lists);
}
