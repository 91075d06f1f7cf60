/*
 * The one request type. NVMe commands, job files, traces and API calls all
 * become a struct io, walk down to a drive, and come back through done().
 *
 * Ranges are in bytes of the drive's logical space (a namespace adds its base
 * and its block size before); a drive states its own granularity in its limits.
 *
 * Status values use NVMe's encoding, SCT << 8 | SC (NVM Express Base 2.0,
 * figure 93 ff.), so that no translation can lose meaning.
 */
#ifndef DRIVELAB_DRIVE_IO_H
#define DRIVELAB_DRIVE_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "sim/sim.h"

enum io_op { IO_READ, IO_WRITE, IO_FLUSH, IO_TRIM, IO_WRITE_ZEROES, IO_APPEND, IO_ZONE, IO_OPS };

/*
 * What an IO_ZONE does; values of Zone Send Action, ZNS 1.1, figure 38 (and
 * TP4076 for 11h). `offset` is the zone's first byte, `bytes` 0; with
 * IO_ZONE_ALL the range covers the zones that may be meant. ZONE_FLUSH_ZRWA:
 * `offset` is the end, exclusive, of what is to be committed. ZONE_SET_EXTENSION:
 * the data is in `vec`.
 */
enum io_zone_action {
    ZONE_CLOSE = 0x01,
    ZONE_FINISH = 0x02,
    ZONE_OPEN = 0x03,
    ZONE_RESET = 0x04,
    ZONE_TO_OFFLINE = 0x05,
    ZONE_SET_EXTENSION = 0x10,
    ZONE_FLUSH_ZRWA = 0x11,
};

enum io_flag {
    IO_FUA = 1u << 0,         /* durable before done() */
    IO_NO_DATA = 1u << 1,     /* read: timing only (Verify); write: no payload given */
    IO_KEEP_MAPPED = 1u << 2, /* write zeroes: don't deallocate */
    IO_SYNC = 1u << 3,        /* somebody waits for it (schedulers) */
    IO_ZONE_ALL = 1u << 4,    /* zone action on every zone of the range it applies to (Select All) */
    IO_ZRWA = 1u << 5,        /* ZONE_OPEN, ZONE_SET_EXTENSION: give the zone a random write area */
    IO_PRIO = 1u << 6,        /* schedulers: metadata, to be preferred */
    IO_META = 1u << 7,        /* schedulers: metadata */
    IO_NOIDLE = 1u << 8,      /* schedulers: no more will follow at once (fsync, journal) */
    IO_CARRIER = 1u << 9,     /* stands for others' requests, which are counted instead: see drive_forward() */
};

enum io_status {
    IO_OK = 0x000,
    IO_INVALID_FIELD = 0x002,
    IO_INTERNAL_ERROR = 0x006,
    IO_ABORTED = 0x007,
    IO_NAMESPACE_WRITE_PROTECTED = 0x020,
    IO_LBA_OUT_OF_RANGE = 0x080,
    IO_CAPACITY_EXCEEDED = 0x081,
    IO_READ_ONLY_RANGE = 0x182,
    IO_ZONE_INVALID_OPERATION = 0x1b6, /* random write area; TP4076 */
    IO_ZONE_NO_ZRWA = 0x1b7,
    IO_ZONE_BOUNDARY = 0x1b8, /* these: ZNS 1.1, figure 11 */
    IO_ZONE_IS_FULL = 0x1b9,
    IO_ZONE_IS_READ_ONLY = 0x1ba,
    IO_ZONE_IS_OFFLINE = 0x1bb,
    IO_ZONE_INVALID_WRITE = 0x1bc,
    IO_ZONE_TOO_MANY_ACTIVE = 0x1bd,
    IO_ZONE_TOO_MANY_OPEN = 0x1be,
    IO_ZONE_INVALID_TRANSITION = 0x1bf,
    IO_WRITE_FAULT = 0x280,
    IO_UNRECOVERED_READ = 0x281,
    IO_COMPARE_FAILURE = 0x285,
    IO_DEALLOCATED = 0x287,
};

/*
 * What a request's time went into, for whoever asks. Parts that overlap are
 * charged to what the request waited for last, so that the sum is no more than
 * its latency; what a drive kind doesn't say is missing from it.
 */
enum io_stage {
    IO_STAGE_BUFFER_WAIT,  /* a write waits for room in the write buffer */
    IO_STAGE_DIE_WAIT,     /* a page waits for its die, or for the first use of its channel */
    IO_STAGE_ARRAY,        /* the die works for it */
    IO_STAGE_CHANNEL,      /* command and data cross the channel */
    IO_STAGE_CHANNEL_WAIT, /* the data waits for the channel */
    IO_STAGE_FLASH,        /* an accepted write waits for its own program or for what it didn't write */
    IO_STAGE_CACHE,        /* answered from the write buffer, or nothing there to be read */
    IO_STAGE_LINK_WAIT,    /* waits for the host link */
    IO_STAGE_LINK,         /* crosses it */
    IO_STAGE_FIRMWARE,     /* the controller's time */
    IO_STAGE_SCHEDULER,    /* waits in the block layer: for its I/O scheduler, a limit, or room in the drive's queue */
    IO_STAGE_QUEUE_WAIT,   /* in the drive: until its controller has time, or writes before it have room */
    IO_STAGE_ARM_WAIT,     /* waits for the arm of a disk */
    IO_STAGE_SEEK,         /* the arm moves and settles */
    IO_STAGE_ROTATION,     /* the sector comes round */
    IO_STAGE_TRANSFER,     /* the sectors pass under the head */
    IO_STAGE_WRITE_BACK,   /* a flush waits for what the write cache holds */
    IO_STAGES
};

struct io_stages {
    int64_t ns[IO_STAGES];
    int64_t told_ns; /* io_spent() has said what happened up to then; begins as the time of submission */
};

struct drive;

/*
 * How the issuer counts, so that a reason can speak of zones and places as its
 * host does: blocks of `block_bytes`, the first of them at `base` of the drive.
 * Owned by the issuer, valid as long as its requests.
 */
struct io_view {
    uint64_t base;
    uint32_t block_bytes;
};

struct io {
    /* the question; filled by the issuer */
    uint8_t op;     /* enum io_op */
    uint8_t action; /* IO_ZONE: enum io_zone_action */
    uint32_t flags; /* enum io_flag */
    uint64_t offset, bytes;
    const struct iovec *vec; /* write: payload, total >= bytes; NULL with IO_NO_DATA or a store without payload */
    uint32_t nvec;
    uint32_t owner;             /* process context: who issued it */
    const struct io_view *view; /* words for reasons; NULL: bytes of the drive */
    void (*done)(struct io *);

    /* the answer; valid in done() */
    uint16_t status;  /* enum io_status or any NVMe SCT<<8|SC */
    char *reason;     /* why it failed, malloc'ed, or NULL; io_release() frees it */
    const void *data; /* read: `bytes` of payload, contiguous, in the store; valid until the drive closes,
                         contents as of the next write there; NULL without payload */
    bool unmapped;    /* read: some part was never written or was deallocated */
    uint64_t result;  /* IO_APPEND: offset it was written at; ZONE_RESET: 1 if a zone's capacity changed */
    int64_t submitted_ns, completed_ns;

    struct io_stages *stages; /* where to say what the time went into; set by the drive's tap, NULL: nobody asks */

    /* the drive's own while it holds the request */
    struct io *next;
    struct drive *drive;
    struct sim_event event;
    uint32_t pending; /* parts still outstanding */
    uint32_t part;
    void *priv;
};

/*
 * What was not told yet of a request's time, up to `until_ns`, went into a
 * stage; nothing if that is told already. In the order of time, and possibly ahead of it.
 */
static inline void io_spent(struct io *io, enum io_stage stage, int64_t until_ns) {
    struct io_stages *s = io->stages;
    if (__builtin_expect(!s, 1) || until_ns <= s->told_ns)
        return;
    s->ns[stage] += until_ns - s->told_ns;
    s->told_ns = until_ns;
}

/* Zero an io before its first use, or free what a finished one holds before its next. */
void io_init(struct io *io);
void io_release(struct io *io);

/*
 * Record the first failure of a request with its reason (printf-style, with
 * numbers: what was asked, which limit it broke). Does not complete it.
 */
void io_fail(struct io *io, uint16_t status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
