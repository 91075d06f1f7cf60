/*
 * Watching a drive; see watch.h. One tap and one observer, whose reports go to
 * everybody who wants them.
 */
#include "report/watch.h"

#include <errno.h>
#include <stdlib.h>

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

struct watch {
    struct drive_tap tap; /* first */
    struct nand_observer observer;
    struct drive *drive;
    struct timeline *timeline;
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
    span->stages = (struct io_stages){0};
    span->lane = w->timeline ? timeline_submitted(w->timeline, io) : TIMELINE_NO_LANE;
    io->stages = &span->stages;
}

static void completed(struct drive_tap *tap, struct io *io) {
    struct watch *w = (struct watch *)tap;
    struct span *span = (struct span *)io->stages; /* first member */
    if (!span)
        return; /* submitted before the watch began */
    if (w->timeline)
        timeline_answered(w->timeline, io, span->lane);
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
}

/* --- life --- */

struct watch *watch_begin(const struct timeline_config *timeline, struct drive *drive, struct err *e) {
    struct nand *nand = drive_nand(drive);
    struct watch *w = calloc(1, sizeof(*w));
    if (!w)
        goto out;
    w->tap = (struct drive_tap){submitted, completed};
    w->observer.use = used;
    w->drive = drive;
    if (timeline->out) {
        w->timeline = timeline_new(timeline, nand ? &drive->config.nand : NULL, sim_now(drive->sim));
        if (!w->timeline)
            goto out;
    }
    drive->tap = &w->tap;
    if (nand)
        nand_observe(nand, &w->observer);
    return w;
out:
    free(w);
    err_set(e, ENOMEM, "no memory to watch the drive");
    return NULL;
}

void watch_end(struct watch *w, struct watch_result *result) {
    *result = (struct watch_result){0};
    if (!w)
        return;
    struct nand *nand = drive_nand(w->drive);
    if (nand)
        nand_observe(nand, NULL);
    w->drive->tap = NULL;
    if (w->timeline)
        result->timeline = timeline_end(w->timeline);
    while (w->slabs) {
        struct span_slab *next = w->slabs->next;
        free(w->slabs);
        w->slabs = next;
    }
    free(w);
}
