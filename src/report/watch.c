/*
 * Watching a drive; see watch.h. One tap and one observer, whose reports go to
 * everybody who wants them.
 */
#include "report/watch.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "report/course.h"
#include "report/series.h"
#include "report/share.h"
#include "report/stages.h"
#include "report/usage.h"

enum { SPANS_PER_SLAB = 256 };

/* A request under way. */
struct span {
    struct io_stages stages; /* first: io->stages leads back */
    struct span *next;
    uint32_t lane;
};

struct span_slab {
    struct span_slab *next;
    struct span span[SPANS_PER_SLAB];
};

/* What requests are told apart by, where their time is broken down. */
enum kind {
    KIND_READ,
    KIND_WRITE,
    KIND_APPEND,
    KIND_TRIM,
    KIND_WRITE_ZEROES,
    KIND_FLUSH,
    KIND_ZONE_OPEN,
    KIND_ZONE_CLOSE,
    KIND_ZONE_FINISH,
    KIND_ZONE_RESET,
    KIND_ZONE_OTHER,
    WATCH_KINDS
};

static const char *const kind_names[WATCH_KINDS] = {"read",         "write",      "append",    "trim",
                                                    "write_zeroes", "flush",      "zone_open", "zone_close",
                                                    "zone_finish",  "zone_reset", "zone_other"};

struct watch {
    struct drive_tap tap; /* first */
    struct nand_observer observer;
    struct block_watch queue;
    struct disk_observer arm;
    struct drive *drive;
    int64_t start_ns;
    struct timeline *timeline;
    bool detail;
    struct series *series;
    struct stages *stages[WATCH_KINDS]; /* NULL: none seen */
    struct usage *usage;                /* NULL: no flash */
    struct share *share;                /* NULL: not asked for, or no I/O scheduler */
    struct course *course;              /* NULL: not asked for, or no arm */
    struct span *free;
    struct span_slab *slabs;
};

/* --- requests --- */

static struct span *span_new(struct watch *w) {
    if (!w->free) {
        struct span_slab *slab = calloc(1, sizeof(*slab));
        if (!slab)
            return NULL; /* not watched, then */
        slab->next = w->slabs;
        w->slabs = slab;
        for (unsigned i = 0; i < SPANS_PER_SLAB; i++) {
            slab->span[i].next = w->free;
            w->free = &slab->span[i];
        }
    }
    struct span *span = w->free;
    w->free = span->next;
    return span;
}

static void submitted(struct drive_tap *tap, struct io *io) {
    struct watch *w = (struct watch *)tap; /* first member */
    struct span *span = span_new(w);
    if (!span)
        return;
    span->stages = (struct io_stages){.told_ns = io->submitted_ns};
    span->lane = w->timeline ? timeline_submitted(w->timeline, io) : TIMELINE_NO_LANE;
    io->stages = &span->stages;
}

/* Requests that move data or take it away; the others are not counted. */
static bool direction(const struct io *io, enum run_dir *dir) {
    switch (io->op) {
    case IO_READ:
        *dir = RUN_READ;
        return true;
    case IO_WRITE:
    case IO_APPEND:
    case IO_WRITE_ZEROES:
        *dir = RUN_WRITE;
        return true;
    case IO_TRIM:
        *dir = RUN_TRIM;
        return true;
    default:
        return false;
    }
}

static enum kind kind_of(const struct io *io) {
    static const uint8_t kinds[IO_OPS] = {KIND_READ,         KIND_WRITE,  KIND_FLUSH,     KIND_TRIM,
                                          KIND_WRITE_ZEROES, KIND_APPEND, KIND_ZONE_OTHER};
    if (io->op != IO_ZONE)
        return kinds[io->op];
    switch (io->action) {
    case ZONE_OPEN:
        return KIND_ZONE_OPEN;
    case ZONE_CLOSE:
        return KIND_ZONE_CLOSE;
    case ZONE_FINISH:
        return KIND_ZONE_FINISH;
    case ZONE_RESET:
        return KIND_ZONE_RESET;
    default:
        return KIND_ZONE_OTHER;
    }
}

static void account(struct watch *w, const struct io *io, const struct io_stages *stages) {
    enum run_dir dir;
    if (io->status != IO_OK)
        return;
    if (direction(io, &dir))
        series_request(w->series, dir, io->bytes, io->submitted_ns, io->completed_ns);
    struct stages **sums = &w->stages[kind_of(io)];
    if (!*sums && !(*sums = calloc(1, sizeof(**sums))))
        return; /* not broken down, then */
    stages_add(*sums, io->completed_ns - io->submitted_ns, stages);
}

static void completed(struct drive_tap *tap, struct io *io) {
    struct watch *w = (struct watch *)tap;
    struct span *span = (struct span *)io->stages; /* first member */
    enum run_dir dir;
    if (w->share && io->status == IO_OK && direction(io, &dir))
        share_answered(w->share, io, dir);
    if (!span)
        return; /* submitted before the watch began */
    if (w->timeline)
        timeline_answered(w->timeline, io, span->lane);
    if (w->detail)
        account(w, io, &span->stages);
    io->stages = NULL;
    span->next = w->free;
    w->free = span;
}

/* --- flash --- */

static void used(struct nand_observer *observer, enum nand_resource resource, uint32_t index, enum nand_phase phase,
                 const struct nand_op *op, int64_t from_ns, int64_t to_ns) {
    struct watch *w = (struct watch *)((char *)observer - offsetof(struct watch, observer));
    if (w->timeline)
        timeline_use(w->timeline, resource, index, phase, op, from_ns, to_ns);
    if (!w->detail)
        return;
    uint32_t dies = nand_die_count(&w->drive->config.nand), load = nand_die_load(drive_nand(w->drive), op->die);
    usage_add(w->usage, resource, index, phase, op, load, from_ns, to_ns);
    if (!usage_repeated(w->usage))
        series_busy(w->series, resource == NAND_DIE ? index : dies + index, from_ns, to_ns);
    if (usage_first(w->usage) && op->kind != NAND_READ)
        series_programmed(w->series, op->cause, op->kind == NAND_PROGRAM ? op->bytes : 0, to_ns);
}

/* --- an I/O scheduler and an arm --- */

static struct watch *of_queue(struct block_watch *queue) {
    return (struct watch *)((char *)queue - offsetof(struct watch, queue));
}

static void scheduled(struct block_watch *queue, enum elevator_event what, const struct block_context *who) {
    struct watch *w = of_queue(queue);
    if (w->timeline)
        timeline_scheduler(w->timeline, what, who, sim_now(w->drive->sim));
    if (w->share)
        share_scheduler(w->share, what, who, sim_now(w->drive->sim));
}

static void served(struct block_watch *queue, const struct request *rq) {
    struct watch *w = of_queue(queue);
    if (w->timeline)
        timeline_served(w->timeline, rq, sim_now(w->drive->sim));
    if (w->share)
        share_served(w->share, rq, sim_now(w->drive->sim));
}

static struct watch *of_arm(struct disk_observer *arm) {
    return (struct watch *)((char *)arm - offsetof(struct watch, arm));
}

static void accessed(struct disk_observer *arm, const struct disk_op *op, struct disk_head from, struct disk_head to,
                     int64_t from_ns, int64_t to_ns) {
    struct watch *w = of_arm(arm);
    if (w->timeline)
        timeline_access(w->timeline, op, from, to, from_ns, to_ns);
    if (w->share)
        share_access(w->share, op, from_ns, to_ns);
    if (w->course)
        course_add(w->course, op->owner, op->write ? COURSE_WRITE : COURSE_READ, to_ns - op->parts.transfer, to_ns,
                   to.cylinder, to.cylinder);
}

static void read_on(struct disk_observer *arm, const struct disk_read_on *what) {
    struct watch *w = of_arm(arm);
    if (w->timeline)
        timeline_read_on(w->timeline, what);
    if (w->share)
        share_read_on(w->share, what);
    if (w->course)
        course_add(w->course, what->owner, COURSE_AHEAD, what->from_ns, what->to_ns, what->from.cylinder,
                   what->to.cylinder);
}

static void observe_queue(struct watch *w, bool on) {
    struct block *b = block_of(w->drive);
    struct disk_arm *arm = drive_arm(w->drive);
    if (b && (w->timeline || w->share)) {
        if (!on) { /* what is under way ends here */
            scheduled(&w->queue, ELEVATOR_IDLE_END, NULL);
            scheduled(&w->queue, ELEVATOR_SLICE_END, NULL);
        }
        block_watch(b, on ? &w->queue : NULL);
    }
    if (arm && (w->timeline || w->share || w->course))
        disk_observe(arm, on ? &w->arm : NULL);
}

/* --- life --- */

static void free_detail(struct watch *w) {
    series_free(w->series);
    usage_free(w->usage);
    share_free(w->share);
    course_free(w->course);
    for (int k = 0; k < WATCH_KINDS; k++)
        free(w->stages[k]);
}

/* Resources of the series: dies, channels, processes. */
static uint32_t flash_resources(const struct watch *w) {
    const struct nand_config *n = &w->drive->config.nand;
    return drive_nand(w->drive) ? nand_die_count(n) + n->channels : 0;
}

static bool new_detail(struct watch *w, const struct nand_config *nand) {
    uint32_t processes = block_of(w->drive) ? SHARE_LANES + 1 : 0;
    bool good = (w->series = series_new(w->start_ns, flash_resources(w) + processes)) != NULL;
    if (nand)
        good = (w->usage = usage_new(nand)) != NULL && good;
    if (drive_arm(w->drive))
        good = (w->course = course_new(w->start_ns)) != NULL && good;
    return good;
}

static bool new_share(struct watch *w) {
    return !block_of(w->drive) ||
           (w->share = share_new(drive_arm(w->drive) != NULL, w->series, flash_resources(w))) != NULL;
}

struct watch *watch_begin(const struct watch_config *config, struct drive *drive, struct err *e) {
    struct nand *nand = drive_nand(drive);
    const struct nand_config *geometry = nand ? &drive->config.nand : NULL;
    struct watch *w = calloc(1, sizeof(*w));
    if (!w)
        goto out;
    if (config->detail || config->timeline.out) /* processes alone need no stages of requests */
        w->tap.submitted = submitted;
    w->tap.completed = completed;
    w->observer.use = used;
    w->queue = (struct block_watch){scheduled, NULL, served};
    w->arm = (struct disk_observer){accessed, read_on};
    w->drive = drive;
    w->start_ns = sim_now(drive->sim);
    w->detail = config->detail;
    if (config->detail && !new_detail(w, geometry))
        goto out;
    if (config->processes && !new_share(w))
        goto out;
    if (config->timeline.out && !(w->timeline = timeline_new(&config->timeline, geometry, w->start_ns)))
        goto out;
    drive->tap = &w->tap;
    if (nand)
        nand_observe(nand, &w->observer);
    observe_queue(w, true);
    return w;
out:
    if (w)
        free_detail(w);
    free(w);
    err_set(e, ENOMEM, "no memory to watch the drive");
    return NULL;
}

/* --- results --- */

static json_t *busy_json(const struct watch *w, uint32_t first, uint32_t count, int64_t end_ns) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(list, series_busy_json(w->series, first + i, end_ns));
    return list;
}

static json_t *detail_json(struct watch *w) {
    const struct nand_config *n = &w->drive->config.nand;
    int64_t end = sim_now(w->drive->sim);
    json_t *o = json_object(), *stages = json_object();
    for (int k = 0; k < WATCH_KINDS; k++)
        if (w->stages[k])
            json_object_set_new(stages, kind_names[k], stages_json(w->stages[k]));
    json_object_set_new(o, "elapsed_ns", json_integer(end - w->start_ns));
    json_object_set_new(o, "latency_by_stage", stages);
    json_object_set_new(o, "series", series_json(w->series, end));
    if (w->share)
        json_object_set_new(o, "processes", share_series_json(w->share, end));
    if (w->course)
        json_object_set_new(o, "head", course_json(w->course, drive_arm(w->drive)->g->cylinders));
    if (!w->usage)
        return o;
    json_object_set_new(o, "dies", usage_dies_json(w->usage, w->start_ns, end));
    json_object_set_new(o, "channels", usage_channels_json(w->usage, w->start_ns, end));
    json_object_set_new(o, "die_utilisation", busy_json(w, 0, nand_die_count(n), end));
    json_object_set_new(o, "channel_utilisation", busy_json(w, nand_die_count(n), n->channels, end));
    json_object_set_new(o, "gc_episodes", usage_episodes_json(w->usage, w->start_ns));
    return o;
}

void watch_end(struct watch *w, struct watch_result *result) {
    *result = (struct watch_result){0};
    if (!w)
        return;
    struct nand *nand = drive_nand(w->drive);
    if (nand)
        nand_observe(nand, NULL);
    w->drive->tap = NULL;
    observe_queue(w, false); /* before the timeline ends */
    if (w->timeline)
        result->timeline = timeline_end(w->timeline);
    if (w->detail)
        result->detail = detail_json(w);
    result->share = w->share;
    w->share = NULL;
    free_detail(w);
    while (w->slabs) {
        struct span_slab *next = w->slabs->next;
        free(w->slabs);
        w->slabs = next;
    }
    free(w);
}
