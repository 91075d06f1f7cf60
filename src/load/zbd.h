/*
 * zonemode=zbd: requests bent so that zones are written in order at their
 * write pointers, not too many at once, and read only where something is.
 *
 * On a drive with zones its limits, capacities and write pointers hold, and a
 * full zone is reset by a zone request before it is written again. On another
 * drive zones of zonesize are imagined: their write pointers are kept here and
 * a reset costs nothing, as in fio.
 *
 * Source: fio(1), zonemode and the options after it.
 * Simplified: a zone once open is written until it is full; zones are never
 * finished or closed early.
 */
#ifndef DRIVELAB_LOAD_ZBD_H
#define DRIVELAB_LOAD_ZBD_H

#include "drive/drive.h"
#include "load/generator.h"

#define ZBD_ZONES_MAX (1u << 24)

struct zbd;

/* One instance's use of the zones. */
struct zbd_cursor {
    struct zbd *zbd;
    const struct job *job;
    uint32_t first, end;     /* its zones */
    uint32_t open;           /* of them by it */
    uint64_t written;        /* bytes written in them, when it last looked */
    uint32_t zone[RUN_DIRS]; /* sequential: where it is */
    uint64_t at[RUN_DIRS];   /* sequential reads: next byte in the zone */
    bool began[RUN_DIRS];    /* sequential: something was done in the zone on this visit */
    uint64_t until_reset;    /* writes left until zone_reset_frequency says so */
    bool asked_again;        /* the last answer was ZBD_RESET */
};

/* The zones of a drive, shared by all jobs of a run. */
struct zbd {
    bool real;                         /* the drive has zones */
    uint64_t zone_bytes, append_limit; /* 0: no limit */
    uint32_t zones, open, max_open;    /* 0: no limit */
    struct zbd_zone {
        uint64_t capacity, written; /* bytes from the start; written only grows until a reset */
        struct zbd_cursor *opener;  /* who writes it; NULL: not open */
        bool unusable;
    } * zone;
    struct zbd_cursor nobody; /* has the zones that were open before the run */
};

enum zbd_answer {
    ZBD_ISSUE, /* the request is fit to be issued; a trim is a reset of the zone it covers */
    ZBD_RESET, /* zone *reset has to be reset first; then ask again with the original request */
    ZBD_NONE,  /* there is no zone for it */
};

/* zone_bytes and capacity (0: all of a zone) for drives without zones. NULL with `e` filled. */
struct zbd *zbd_new(const struct drive *drive, const struct job *job, struct err *e);
void zbd_free(struct zbd *z);

/* A region of whole zones. The cursor stays where it is while the zones are used. `e`: limits that don't go together. 0
 * or -EINVAL. */
int zbd_cursor_init(struct zbd_cursor *c, struct zbd *z, const struct job *job, uint64_t offset, uint64_t size,
                    struct err *e);

/* A sequential job begins anew. */
void zbd_restart(struct zbd_cursor *c);

/* Bend a request. Counts it as issued if the answer is ZBD_ISSUE. */
enum zbd_answer zbd_adjust(struct zbd_cursor *c, struct request *r, uint32_t *reset);

/* A zone was reset (or its reset was issued). */
void zbd_was_reset(struct zbd_cursor *c, uint32_t zone);

#endif
