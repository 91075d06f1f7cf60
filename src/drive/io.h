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

enum io_op { IO_READ, IO_WRITE, IO_FLUSH, IO_TRIM, IO_WRITE_ZEROES, IO_OPS };

enum io_flag {
    IO_FUA = 1u << 0,         /* durable before done() */
    IO_NO_DATA = 1u << 1,     /* read: timing only (Verify); write: no payload given */
    IO_KEEP_MAPPED = 1u << 2, /* write zeroes: don't deallocate */
    IO_SYNC = 1u << 3,        /* somebody waits for it (schedulers) */
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
    IO_WRITE_FAULT = 0x280,
    IO_UNRECOVERED_READ = 0x281,
    IO_COMPARE_FAILURE = 0x285,
    IO_DEALLOCATED = 0x287,
};

struct drive;

struct io {
    /* the question; filled by the issuer */
    uint8_t op;     /* enum io_op */
    uint32_t flags; /* enum io_flag */
    uint64_t offset, bytes;
    const struct iovec *vec; /* write: payload, total >= bytes; NULL with IO_NO_DATA or a store without payload */
    uint32_t nvec;
    uint32_t owner; /* process context: who issued it */
    void (*done)(struct io *);

    /* the answer; valid in done() */
    uint16_t status;  /* enum io_status or any NVMe SCT<<8|SC */
    char *reason;     /* why it failed, malloc'ed, or NULL; io_release() frees it */
    const void *data; /* read: `bytes` of payload, contiguous, in the store; valid until the drive closes,
                         contents as of the next write there; NULL without payload */
    bool unmapped;    /* read: some part was never written or was deallocated */
    int64_t submitted_ns, completed_ns;

    /* the drive's own while it holds the request */
    struct io *next;
    struct drive *drive;
    struct sim_event event;
    uint32_t pending; /* parts still outstanding */
    uint32_t part;
    void *priv;
};

/* Zero an io before its first use, or free what a finished one holds before its next. */
void io_init(struct io *io);
void io_release(struct io *io);

/*
 * Record the first failure of a request with its reason (printf-style, with
 * numbers: what was asked, which limit it broke). Does not complete it.
 */
void io_fail(struct io *io, uint16_t status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
