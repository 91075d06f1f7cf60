/*
 * A hard disk's mechanics in time: where a sector is, how long the arm takes
 * to get there, when the platter brings it along. Geometry, seek curve and
 * access are pure functions of a place and a time; struct disk_arm is the one
 * resource, with its queue.
 *
 * Source: Ruemmler and Wilkes, An introduction to disk drive modeling (IEEE
 * Computer 27(3), 1994); the parameters of DiskSim's extracted drives.
 * Faithful: zones, track and cylinder skew, head switch, write settle, measured
 * or three-part seek curves, rotation as an angle of modelled time, slipped and
 * remapped defects.
 * Simplified: reads and writes seek alike but for the settle; all tracks of a
 * zone hold the same; the spindle's speed is exact.
 * Not modelled: zero-latency access, retries, thermal recalibration, shingling.
 *
 * Units: times in ns; sectors are physical ones, of sector_bytes. An angle is
 * the time the platter takes to turn by it, 0 <= angle < rev_ns.
 */
#ifndef DRIVELAB_MEDIA_DISK_H
#define DRIVELAB_MEDIA_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/opt.h"
#include "sim/sim.h"

#define DISK_ZONES_MAX  64
#define DISK_POINTS_MAX 512

enum disk_layout { DISK_CYLINDERS, DISK_BANDS };
enum disk_policy { DISK_FCFS, DISK_LOOK, DISK_SPTF };

/* The mechanical part of section "hdd"; rows in drive/hdd/options.c. */
struct disk_config {
    uint32_t surfaces, sector_bytes;
    double rpm;
    char zones[OPT_TEXT_MAX];        /* first-last:sectors:track skew:cylinder skew[:spare], ... */
    int layout;                      /* enum disk_layout */
    uint32_t band_tracks;            /* of a surface before the next head's turn; DISK_BANDS */
    char seek_points[OPT_TEXT_MAX];  /* cylinders:time, ...; or */
    char seek_formula[OPT_TEXT_MAX]; /* a,b,c,e,f: a + b sqrt(d) ms below c cylinders, e + f d from there */
    int64_t head_switch, write_settle;
    uint32_t defects, grown_defects;
    int64_t spin_up;
    int policy; /* enum disk_policy */
    double ageing;
    uint64_t seed;
};

struct disk_zone {
    uint32_t first, cylinders, sectors; /* first cylinder; sectors a track */
    uint32_t track_skew, cylinder_skew; /* sectors */
    uint64_t spare;                     /* sectors at its end that hold no data from the start */
    uint64_t first_lba, lbas;
    int64_t angle; /* of its first sector */
    uint32_t first_slip, slips;
};

struct disk_point {
    uint32_t distance;
    int64_t ns;
};

/* A grown defect: a sector that lives in its zone's spare area. */
struct disk_remap {
    uint64_t lba, index; /* index: from the start of the zone, defects included */
};

struct disk_geometry {
    uint32_t surfaces, cylinders, sector_bytes, band;
    bool bands;
    int64_t rev_ns, head_switch, write_settle;
    uint64_t sectors; /* that hold data */
    unsigned zones, points;
    struct disk_zone zone[DISK_ZONES_MAX];
    struct disk_point point[DISK_POINTS_MAX]; /* seek curve; or, if there are none, the formula: */
    double a, b, e, f;                        /* ns */
    uint32_t c;
    uint64_t *slip; /* per zone ascending: sectors of the zone in front of a slipped defect */
    struct disk_remap *remap;
    uint32_t remaps;
};

/* Where an arm is. */
struct disk_head {
    uint32_t cylinder, surface;
};

/* Where a sector is. */
struct disk_place {
    struct disk_head at;
    const struct disk_zone *zone;
    uint64_t slot;   /* sectors from angle 0 of the zone, skew included, below 2 * sectors */
    uint32_t run;    /* sectors from here on that follow one another on this track */
    uint32_t sector; /* on its track */
};

/* What an access was made of. */
struct disk_parts {
    int64_t seek, rotation, transfer, settle, wait; /* wait: for data from the host */
    uint64_t distance;                              /* cylinders */
    uint32_t seeks, switches;                       /* moves of the arm; changes of head alone */
    int64_t first_ns;                               /* when the first sector had passed */
    int64_t before_ns;                              /* how long the head waited for it on its track */
};

/* Zone table and curve as configured, checked: 0 or -EINVAL naming what is wrong. Release it even then. */
int disk_geometry_init(struct disk_geometry *g, const struct disk_config *config, struct err *e);
void disk_geometry_release(struct disk_geometry *g);

int64_t disk_seek_ns(const struct disk_geometry *g, uint32_t distance);

/* The place of a sector; lba < g->sectors. */
struct disk_place disk_locate(const struct disk_geometry *g, uint64_t lba);

/* Time until the arm is on a track, settled. */
int64_t disk_reposition_ns(const struct disk_geometry *g, struct disk_head from, struct disk_head to, bool write);

/* Time from `t` until the start of a place's first sector comes by. */
int64_t disk_rotation_ns(const struct disk_geometry *g, const struct disk_place *p, int64_t t);

/*
 * Read or write `count` sectors from `t` on, data of a write not before
 * `data_ns`: the time it ends. Moves `head`; adds to `parts` (may be NULL).
 */
int64_t disk_access(const struct disk_geometry *g, struct disk_head *head, int64_t t, uint64_t lba, uint64_t count,
                    bool write, int64_t data_ns, struct disk_parts *parts);

/* How many sectors, those in front of `lba` and on its track, passed within `wait_ns` before it. */
uint32_t disk_passed_before(const struct disk_geometry *g, uint64_t lba, int64_t wait_ns);

/*
 * As disk_access() for a read, but stop at `until_ns`: how many whole sectors
 * were read by then. *t becomes the end of the last one (unchanged if none).
 */
uint64_t disk_read_until(const struct disk_geometry *g, struct disk_head *head, int64_t *t, uint64_t lba,
                         uint64_t count, int64_t until_ns);

/* --- the arm --- */

struct disk_op {
    uint64_t lba;
    uint32_t count;
    bool write, rewrite; /* rewrite: read the sectors first, a turn before (parts of physical sectors) */
    uint32_t owner;      /* who asked for it, for an observer */
    bool urgent;         /* somebody waits; others only run when nothing urgent does, or once they are old */
    uint32_t blockers;   /* may not start before this is 0 */
    int64_t data_ns;     /* write: data is not there before */
    int64_t queued_ns;
    struct disk_parts parts; /* valid in done() */
    void (*done)(struct disk_op *);
    struct disk_op *next, *prev; /* the arm's own */
};

struct disk_counters {
    uint64_t ops[2], sectors[2]; /* by write */
    uint64_t seeks, switches, distance, streamed, interrupted;
    int64_t seek_ns, rotation_ns, transfer_ns, settle_ns, wait_ns, stream_ns;
    uint64_t queue_peak;
};

/* Reading on: sectors that follow the last read, while nothing is asked for. */
struct disk_stream {
    bool active;
    uint64_t next, limit;  /* sector after the last one read; where to stop */
    uint64_t committed;    /* up to here it can't be interrupted: somebody waits */
    int64_t t, started_ns; /* when the last one had passed */
    uint64_t told;         /* sector, moment and place up to which an observer knows of it */
    int64_t told_ns;
    struct disk_head told_head;
    uint32_t owner; /* whose read it follows */
};

/* Sectors that were read on, `count` of them in this time. */
struct disk_read_on {
    uint32_t owner;
    uint64_t lba, count;
    struct disk_head from, to;
    int64_t from_ns, to_ns;
};

/*
 * Hears of every access as it begins: where the head was, where it will be, when
 * it ends; op->parts are known. And of reading on when it ends.
 */
struct disk_observer {
    void (*access)(struct disk_observer *, const struct disk_op *op, struct disk_head from, struct disk_head to,
                   int64_t from_ns, int64_t to_ns);
    void (*read_on)(struct disk_observer *, const struct disk_read_on *);
};

struct disk_arm {
    const struct disk_geometry *g;
    struct sim *sim;
    struct sim_event event; /* end of the operation, of the stream, or of a pause */
    struct disk_head head;
    struct disk_op *first, *last; /* queued, in order of arrival */
    uint32_t queued;
    struct disk_op *running;
    struct disk_stream stream;
    int policy;
    double ageing;
    bool pressure;                   /* everything is urgent */
    int64_t old_ns;                  /* age from which an operation is urgent */
    int64_t free_ns;                 /* not before: spinning up, or the sector in hand */
    void (*idle)(struct disk_arm *); /* nothing urgent left: start a stream, or leave it */
    void *owner;
    struct disk_observer *observer; /* NULL: none; disk_observe() */
    uint32_t reader;                /* whose data reading on would fetch */
    struct disk_counters count;
};

void disk_arm_init(struct disk_arm *arm, const struct disk_geometry *g, struct sim *sim, const struct disk_config *c);

/* From now on this one watches, NULL: nobody. The one before is told of a stream as far as it is. */
void disk_observe(struct disk_arm *arm, struct disk_observer *observer);

/* Queue an operation; embedded in its owner, who keeps it until done(). Stops a stream. */
void disk_submit(struct disk_arm *arm, struct disk_op *op);

/* Look again: an operation became urgent or lost its blockers. */
void disk_kick(struct disk_arm *arm);

/* Read on from `lba` to `limit` until something else is to be done. The arm must be free. */
void disk_stream_start(struct disk_arm *arm, uint64_t lba, uint64_t limit);

/* End the stream, if there is one, behind the sector in hand and what is committed. */
void disk_stream_stop(struct disk_arm *arm);

/* Bring the stream's counters up to now. */
void disk_stream_update(struct disk_arm *arm);

/* Keep the stream going to `lba` at least, and to `limit` if nobody interrupts: when the sector before `lba` has
 * passed. */
int64_t disk_stream_commit(struct disk_arm *arm, uint64_t lba, uint64_t limit);

/* Forget everything queued and running. */
void disk_arm_reset(struct disk_arm *arm);

#endif
