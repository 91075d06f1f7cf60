/*
 * drivelab: emulated drives in your own program.
 *
 * A lab has one clock; drives are opened in it. Requests are submitted with
 * their payload and come back through a callback when the model says that they
 * are done. In virtual time the clock jumps from event to event, so a run takes
 * only the time to compute it and gives the same answer every time; in wall
 * time the answers come when a real drive's would.
 *
 *     struct drivelab_error e;
 *     struct drivelab_lab *lab = drivelab_lab_new(NULL, &e);
 *     struct drivelab_drive *drive = drivelab_open(lab, "tlc", NULL, "memory", NULL, &e);
 *     struct drivelab_request r = {.struct_size = sizeof r, .op = DRIVELAB_WRITE, .offset = 0,
 *                                  .bytes = 4096, .data = buffer, .done = my_callback};
 *     drivelab_submit(drive, &r);
 *     drivelab_wait(drive);
 *     drivelab_close(drive);
 *     drivelab_lab_free(lab);
 *
 * Threads: a lab and everything in it belong to one thread; several labs may
 * run on several threads. Other threads hand it work with drivelab_call().
 * Nothing here ends the process or writes to its
 * standard streams, except the warnings of the log, which go to stderr.
 *
 * Units: nanoseconds of modelled time, bytes.
 *
 * Compatibility: structures begin with their size as the caller knows it, and
 * grow only at their end; symbols carry versions.
 */
#ifndef DRIVELAB_H
#define DRIVELAB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DRIVELAB_NEVER INT64_MAX

struct drivelab_lab;   /* a clock and its events */
struct drivelab_drive; /* one drive */

/* Why a call failed: a sentence that names option, file and line, and what is allowed. */
struct drivelab_error {
    int code; /* an errno value; 0 after success */
    char text[1020];
};

/* The version of the library, "0.1.0". */
const char *drivelab_version(void);

/* ---- The lab ---- */

enum drivelab_time {
    DRIVELAB_VIRTUAL, /* as fast as it can be computed */
    DRIVELAB_WALL,    /* as a real drive */
    DRIVELAB_SCALED,  /* wall time slowed by a factor */
};

struct drivelab_clock {
    size_t struct_size; /* sizeof(struct drivelab_clock) */
    int mode;           /* enum drivelab_time */
    double scale;       /* DRIVELAB_SCALED: wall seconds for one modelled second, 0.001 to 1000000 */
    int spin;           /* wall and scaled: poll, which is never late and uses one core, instead of sleeping */
};

/* `clock` NULL: virtual time. NULL with `e` filled on failure. `e` may be NULL in every call that takes one. */
struct drivelab_lab *drivelab_lab_new(const struct drivelab_clock *clock, struct drivelab_error *e);

/* Closes the drives that are still open. NULL is allowed. Not from a callback. */
void drivelab_lab_free(struct drivelab_lab *lab);

/* Modelled time since drivelab_lab_new(). */
int64_t drivelab_now(const struct drivelab_lab *lab);

/*
 * Let modelled time go on until `until_ns`, or until drivelab_stop(), or until
 * nothing is left to happen. In virtual time the clock then stands at
 * `until_ns` (unless DRIVELAB_NEVER). Not from a callback.
 */
void drivelab_run(struct drivelab_lab *lab, int64_t until_ns);

/* End the drivelab_run() or drivelab_wait() that is under way, after the events now due. From a callback. */
void drivelab_stop(struct drivelab_lab *lab);

/*
 * Run as a server does, waiting also while nothing happens, until
 * drivelab_stop(). For wall and scaled time: in virtual time nothing ever
 * waits, so it is refused with -EINVAL. 0 once stopped. Not from a callback.
 */
int drivelab_serve(struct drivelab_lab *lab);

/*
 * Have `function(user)` called once by the thread that runs the lab, as soon as
 * it turns, or, if it doesn't run, by its next drivelab_serve(). The one call
 * that any thread may make; what a thread hands over is called in its order.
 * 0 or -ENOMEM. What is still waiting when the lab is freed is not called.
 */
int drivelab_call(struct drivelab_lab *lab, void (*function)(void *user), void *user);

/* ---- Drives ---- */

/*
 * Open a drive. `profile`: a built-in name as in `drivelab drives`, or the path
 * of an INI file. `options`: NULL-terminated list of "section.key=value", or
 * NULL; "queue.scheduler=NAME" puts an I/O scheduler of Linux in front of it. `store`: "memory"; "file" with `image`,
 * created if it isn't there; or "none", which keeps no payload. NULL with `e` filled on failure.
 */
struct drivelab_drive *drivelab_open(struct drivelab_lab *lab, const char *profile, const char *const *options,
                                     const char *store, const char *image, struct drivelab_error *e);

/*
 * Requests in flight end as lost (see drivelab_power_cut()); then everything
 * accepted is made durable in the image. NULL is allowed. Not from a callback.
 */
void drivelab_close(struct drivelab_drive *drive);

enum drivelab_op {
    DRIVELAB_READ = 0,
    DRIVELAB_WRITE = 1,
    DRIVELAB_FLUSH = 2, /* everything completed before is durable after */
    DRIVELAB_TRIM = 3,
    DRIVELAB_WRITE_ZEROES = 4,
    DRIVELAB_APPEND = 5,      /* offset: the zone's start; the answer's result says where it went */
    DRIVELAB_ZONE_CLOSE = 16, /* zone actions; offset: the zone's start, bytes 0 */
    DRIVELAB_ZONE_FINISH = 17,
    DRIVELAB_ZONE_OPEN = 18,
    DRIVELAB_ZONE_RESET = 19,
};

enum drivelab_flag {
    DRIVELAB_FUA = 1u << 0,         /* write: durable before it is done */
    DRIVELAB_ASYNC = 1u << 1,       /* write: nobody waits for it (a cache is written back); for schedulers */
    DRIVELAB_KEEP_MAPPED = 1u << 2, /* write zeroes: as data, so that later writes there find room */
};

/* Status values are NVMe's, SCT << 8 | SC; 0 is success. */
#define DRIVELAB_OK   0
#define DRIVELAB_LOST 0xffff /* the power was cut, or the drive closed, before the drive had answered */

struct drivelab_answer {
    size_t struct_size;
    uint16_t status;
    const char *reason; /* why it failed, a sentence; NULL after success; valid during the callback */
    uint64_t result;    /* DRIVELAB_APPEND: offset it was written at */
    int64_t submitted_ns, completed_ns;
    int unmapped; /* read: some part was never written, or deallocated */
};

struct drivelab_request {
    size_t struct_size; /* sizeof(struct drivelab_request) */
    int op;             /* enum drivelab_op */
    unsigned flags;     /* enum drivelab_flag */
    uint64_t offset, bytes;
    void *data; /* `bytes` long; the caller keeps it until done(). NULL: timing only */
    void (*done)(const struct drivelab_answer *answer,
                 void *user); /* once; may submit; never from inside the submission */
    void *user;
    uint32_t owner; /* the process that asks, any number; for schedulers */
};

/*
 * Hand a request to the drive; *request is copied. Returns 0, or -EINVAL for
 * an operation this library doesn't know, -ENOMEM. What the drive doesn't like
 * (a range beyond its capacity, a full zone) comes back as an answer.
 */
int drivelab_submit(struct drivelab_drive *drive, const struct drivelab_request *request);

/* Nothing more comes from this process, and its requests are answered: schedulers don't wait for it, and forget it. */
void drivelab_owner_gone(struct drivelab_drive *drive, uint32_t owner);

/* Let time go on until the drive has answered everything. Not from a callback. */
void drivelab_wait(struct drivelab_drive *drive);

/* Requests without an answer yet. */
uint64_t drivelab_inflight(const struct drivelab_drive *drive);

struct drivelab_info {
    size_t struct_size;     /* in: sizeof(struct drivelab_info) */
    uint64_t capacity;      /* bytes */
    uint32_t granularity;   /* writes smaller or unaligned cost a read-modify-write */
    uint32_t optimal_write; /* bytes that keep all dies busy; 0: no matter */
    int volatile_cache;     /* writes are lost with the power until a flush */
    uint64_t zone_size;     /* 0: not a zoned drive */
    uint32_t zones;
    uint32_t max_active_zones, max_open_zones; /* 0: no limit */
    uint64_t max_append;                       /* 0: no limit */
    int rotational;                            /* a disk: neighbours are near */
};
void drivelab_get_info(const struct drivelab_drive *drive, struct drivelab_info *info);

/*
 * How many of the `bytes` at `offset` are alike, without reading them: with
 * *zero set they were never written, or deallocated, and read as zeroes; else
 * they may be anything. Takes no modelled time. 0 beyond the capacity.
 */
uint64_t drivelab_extent(const struct drivelab_drive *drive, uint64_t offset, uint64_t bytes, int *zero);

struct drivelab_zone {
    size_t struct_size; /* in: sizeof(struct drivelab_zone) */
    uint64_t start, capacity;
    uint64_t write_pointer; /* UINT64_MAX where the state has none */
    int state;              /* as in an NVMe zone report: 1 empty, 2 implicitly open, 3 explicitly open, 4 closed,
                               13 read only, 14 full, 15 offline */
};
/* 0, or -EINVAL: no such zone. */
int drivelab_get_zone(const struct drivelab_drive *drive, uint32_t index, struct drivelab_zone *zone);

/* Everything the drive counted, as JSON: the "drivelab" part of `drivelab run --json`. free() it; NULL: no memory. */
char *drivelab_statistics(const struct drivelab_drive *drive);

/* ---- Faults ---- */

/*
 * Cut the power and bring the drive up again at once: requests in flight are
 * answered as DRIVELAB_LOST from inside this call; what a real drive would have
 * lost (a volatile write cache, unfinished programs) is lost, nothing else.
 * Not from a callback.
 */
void drivelab_power_cut(struct drivelab_drive *drive);

enum drivelab_media_op { DRIVELAB_MEDIA_READ, DRIVELAB_MEDIA_PROGRAM, DRIVELAB_MEDIA_ERASE };

/*
 * Make the next `count` flash operations of a kind fail, wherever they are: a
 * failed read is uncorrectable, a failed program or erase makes its block bad.
 * 0, or -errno with `e`: the drive has no flash.
 */
int drivelab_fail_media(struct drivelab_drive *drive, int op, uint64_t count, struct drivelab_error *e);

/* Force a zone to a state that worn flash brings about: 13 read only, 15 offline. 0, or -errno with `e`. */
int drivelab_fail_zone(struct drivelab_drive *drive, uint32_t index, int state, struct drivelab_error *e);

#ifdef __cplusplus
}
#endif

#endif
