/*
 * The block layer of Linux in front of a drive: requests made of struct ios,
 * plugs, merging, a pool of limited size, an I/O scheduler, accounting, flush
 * sequencing, and the attributes of /sys/block/X/queue.
 *
 * Callers go on calling drive_submit(): block_new() puts itself in front of the
 * drive (drive->front). Without it a drive is what it was.
 *
 * Sources: Linux 4.4 block/blk-core.c, blk-merge.c, blk-flush.c, elevator.c,
 * and 6.8 blk-mq-sched.c, for behaviour.
 */
#ifndef DRIVELAB_BLOCK_BLOCK_H
#define DRIVELAB_BLOCK_BLOCK_H

#include "block/context.h"
#include "block/elevator.h"
#include "block/request.h"
#include "drive/drive.h"

struct json_t;

/* What a queue starts with; zero-initialise for the defaults. */
struct block_settings {
    const char *scheduler;   /* "NAME[,tunable=value,...]"; NULL: "none" */
    uint32_t hz;             /* 0: 1000. Linux's timer: jiffies a second, 24 to 10000 */
    uint32_t queue_depth;    /* requests the drive takes at once; 0: as the drive says */
    uint32_t cpus;           /* 0: 4 */
    uint32_t cgroup_version; /* 0: 1. Which weights there are */
    int rotational;          /* what schedulers take the drive for; 0: as it is, 1: no, 2: yes */
};

/* Section "queue" of the options: the same, as a user says it. */
struct block_config {
    char scheduler[OPT_STRING_MAX]; /* "": no queue */
    char wbt_lat_usec[OPT_STRING_MAX];
    uint32_t hz, depth, nr_requests, nomerges, max_sectors_kb, cpus, cgroup_version;
    int rotational; /* 0: as the drive, 1: no, 2: yes */
};

extern const struct opt_row block_opts[];

/* Numbers of /sys/block/X/stat; index: 1 write (and trim). */
struct block_stat {
    uint64_t ios[2], merges[2], sectors[2];
    int64_t ns[2];
    uint32_t in_flight[2];
    int64_t io_ns, queue_ns; /* io_ticks, time_in_queue */
    uint64_t flushes;        /* asked for; several may share one of the drive's */
};

/*
 * Put a queue in front of `drive`. Requests the drive has already go past it. NULL
 * with `e` naming an unknown scheduler or tunable, a bad value, and what is
 * allowed. Notes (clamped values) go to the log.
 */
struct block *block_new(struct drive *drive, const struct block_settings *s, struct err *e);

/* Whether the options name a scheduler and its tunables, or none; before anything is opened. */
int block_config_check(const struct block_config *config, struct err *e);

/* As block_new() by options; with no scheduler named, nothing. 0, or -errno with `e`. */
int block_open(struct drive *drive, const struct block_config *config, struct err *e);

/* Before drive_close(). Requests still under way are forgotten. NULL is fine. */
void block_free(struct block *b);

/* The queue in front of a drive, or NULL. */
struct block *block_of(const struct drive *drive);

const struct block_stat *block_stat(const struct block *b);

/* The scheduler in charge; while one is being exchanged, the one to come. */
struct elevator *block_elevator(const struct block *b);

/* 1 or 2. */
uint32_t block_cgroup_version(const struct block *b);

/* Struct ios handed in and not yet completed. */
uint64_t block_ios_inside(const struct block *b);

/* Whether the pool this process takes requests from is nearly used up: buffered writers hold back. */
bool block_congested(const struct block *b, uint32_t owner, bool sync);

/* --- switching --- */

/*
 * "NAME[,tunable=value,...]". Takes effect when the requests the old one has
 * are done; meanwhile new ones pass it by. The same name: nothing but the
 * tunables. 0, or -EINVAL with `e` and nothing changed; `note` (may be NULL)
 * says what was clamped.
 */
int block_switch(struct block *b, const char *spec, char *note, size_t size, struct err *e);

/* Whether the old scheduler still has requests. */
bool block_switching(const struct block *b);

/* --- attributes: the files of /sys/block/X/queue, "iosched/NAME" included --- */

struct block_attr {
    const char *name; /* NULL ends the table */
    const char *range, *help;
    void (*get)(const struct block *, char *text, size_t size);
    int (*set)(struct block *, const char *value, char *note, size_t size, struct err *e); /* NULL: read-only */
};

extern const struct block_attr block_attrs[];

/* The text a read of the file gives, without the newline. 0, or -ENOENT with `e` naming all. */
int block_attr_get(struct block *b, const char *name, char *text, size_t size, struct err *e);

/*
 * 0, or -ENOENT, -EINVAL, -EACCES (read-only) with `e` naming what is allowed.
 * `note`, if not NULL: "" or what was done instead (a value clamped).
 */
int block_attr_set(struct block *b, const char *name, const char *value, char *note, size_t size, struct err *e);

/* New JSON object of all attributes and their texts. */
struct json_t *block_attrs_json(struct block *b);

/* --- results --- */

/* New JSON object: name, attributes, stat, the scheduler's own statistics, processes, cgroups. */
struct json_t *block_json(struct block *b);

/* Self-check of lists, counts and the scheduler: 0, or -EINVAL with `e`. Slow; for tests. */
int block_check(struct block *b, struct err *e);

/* --- watching --- */

/* Hears what the scheduler and the dispatching do; either method may be NULL. Owned by the caller. */
struct block_watch {
    void (*event)(struct block_watch *, enum elevator_event, const struct block_context *);
    void (*dispatched)(struct block_watch *, const struct request *); /* the drive takes it */
    void (*completed)(struct block_watch *, const struct request *);  /* the drive has done it; before its ios end */
};

void block_watch(struct block *b, struct block_watch *w); /* NULL: nobody */

#endif
