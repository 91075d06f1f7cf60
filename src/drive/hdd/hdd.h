/*
 * A hard disk: commands (hdd.c), reads and the read cache (read.c), writes and
 * the write cache (write.c), loss of power (power.c), on the mechanics of
 * media/disk.
 *
 *   command: slot -> overhead -> cache or arm -> bus -> answer
 */
#ifndef DRIVELAB_DRIVE_HDD_H
#define DRIVELAB_DRIVE_HDD_H

#include "drive/drive_int.h"
#include "drive/line.h"

/* A run of sectors in the read cache; empty if start == end. */
struct hdd_segment {
    uint64_t start, end;
    uint64_t used; /* age, for replacement */
    uint32_t pins; /* reads under way into it */
};

/* A command the drive has taken. */
struct hdd_slot {
    struct sim_event event; /* end of the overhead, then the answer; first */
    struct disk_op op;      /* read */
    struct hdd *hdd;
    struct io *io;
    struct hdd_segment *segment;
    struct hdd_slot *next; /* free, or waiting */
    int64_t bus_ns;        /* read: cached data could cross from then on; write: all data has crossed */
    int64_t data_ns;       /* write: the arm may begin then, data keeps up */
    bool goes_on;          /* read: where one of the last ended */
    uint64_t accepted;     /* write: bytes in the cache */
    uint64_t sequence;     /* flush: waits for extents up to this one */
    void (*then)(struct hdd_slot *);
};

/* A run of bytes in the write cache that is not on the platter yet. */
struct hdd_extent {
    struct disk_op op; /* first */
    struct hdd *hdd;
    bool used;
    uint64_t offset, bytes;
    uint64_t sequence;
    struct hdd_slot *waiter; /* write that is answered when this is on the platter, or NULL */
    struct hdd_extent *next; /* free */
};

struct hdd_counters {
    uint64_t read_hits, read_partial, read_misses, stream_hits;
    uint64_t writes_merged, writes_cached, written_back, rewrites, stalls;
    uint64_t extents_peak;
};

enum { HDD_STREAMS_MAX = 64 };

struct hdd_list {
    struct hdd_slot *head, *tail;
};

struct hdd {
    struct drive drive; /* first */
    struct sim *sim;
    struct disk_geometry geometry;
    struct disk_arm arm;
    struct io_link bus;
    int64_t controller_ns; /* when the controller is free */
    bool last_write;       /* of the last command with data: kind, end */
    uint64_t last_end;
    struct io *wait_head, *wait_tail; /* not taken yet */
    struct hdd_slot *slots, *slot_free;
    uint32_t slots_used;
    struct hdd_segment *segments, *streaming, *ahead; /* reading on into; to read on into, as soon as nothing else is */
    uint64_t ahead_limit, age;
    uint64_t read_end[HDD_STREAMS_MAX]; /* where the last reads ended, sectors; a ring, the next to replace: */
    uint32_t read_ends;
    struct hdd_extent *extents, *extent_free;
    uint32_t extents_used;
    uint64_t sequence;
    char *undo;                    /* what the extents replaced; NULL: not needed */
    struct hdd_list room, flushes; /* writes that wait for extents; flushes */
    struct hdd_counters count;
};

static inline struct hdd *hdd_of(const struct drive *drive) {
    return (struct hdd *)drive;
}

static inline const struct hdd_config *hdd_config(const struct hdd *h) {
    return &h->drive.config.hdd;
}

/* --- hdd.c --- */

/* Answer the command of a slot at `when_ns`. */
void hdd_answer(struct hdd_slot *slot, int64_t when_ns);
void hdd_list_push(struct hdd_list *list, struct hdd_slot *slot);
void hdd_slots_reset(struct hdd *h);

/* A request waited for an access of the arm that ended at `end_ns`. */
void hdd_spent(struct io *io, const struct disk_parts *parts, int64_t end_ns);

/* --- read.c --- */

bool hdd_read_hits(struct hdd *h, const struct io *io);
void hdd_read(struct hdd_slot *slot);
void hdd_idle(struct disk_arm *arm);
void hdd_segments_reset(struct hdd *h);
/* What is written anew is no longer in the read cache. */
void hdd_overwritten(struct hdd *h, uint64_t start, uint64_t end);
/* Written sectors stay in the cache. */
void hdd_remember(struct hdd *h, uint64_t start, uint64_t end);

/* --- write.c --- */

/* Is a write answered only when it is on the platter? */
bool hdd_through(const struct hdd *h, const struct io *io);
bool hdd_extent_holds(const struct hdd *h, uint64_t offset, uint64_t bytes);
/* Does an extent have a part of the same 4 KiB as the range? */
bool hdd_extent_touches(const struct hdd_extent *x, uint64_t offset, uint64_t bytes);
void hdd_write(struct hdd_slot *slot);
void hdd_flush(struct hdd_slot *slot);
void hdd_trim(struct hdd_slot *slot);
void hdd_extents_reset(struct hdd *h);

/* What is in the write cache and not on the platter: a loss of power now would lose it. In no order. */
void hdd_for_each_cached(const struct drive *drive, void (*see)(void *user, uint64_t offset, uint64_t bytes),
                         void *user);
char *hdd_undo(const struct hdd *h, const struct hdd_extent *e);
void hdd_pressure(struct hdd *h);

/* --- power.c --- */

void hdd_power_cut(struct drive *drive);

/* --- stats.c --- */

void hdd_health(const struct drive *drive, struct drive_health *health);
struct json_t *hdd_stats(const struct drive *drive);
int hdd_check_state(const struct drive *drive, struct err *e);

extern const struct drive_ops hdd_ops;
extern const struct opt_row hdd_opts[]; /* section "hdd" */

#endif
