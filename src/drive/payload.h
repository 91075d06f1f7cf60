/*
 * Moving a request's payload between its vector and the store. Bytes are kept
 * by logical address, so a drive's mapping never decides what is read back.
 */
#ifndef DRIVELAB_DRIVE_PAYLOAD_H
#define DRIVELAB_DRIVE_PAYLOAD_H

#include "drive/drive.h"

/* A place in an iovec list, so that a long write can be taken in pieces. */
struct payload_cursor {
    uint32_t vec;
    size_t done; /* bytes of that vector already taken */
};

/* The cursor at `skip` bytes into the request. */
struct payload_cursor payload_seek(const struct io *io, uint64_t skip);

/*
 * Store the next `bytes` of the request at `offset` of the drive: its vector,
 * or zeros for a write without one. Nothing without payload or with
 * IO_NO_DATA. A vector shorter than the request is padded with zeros.
 */
void payload_write(struct drive *drive, const struct io *io, struct payload_cursor *at, uint64_t offset,
                   uint64_t bytes);

/* Point io->data at what it reads. `unwritten`: no part was ever written. */
void payload_read(struct drive *drive, struct io *io, bool unwritten);

/* Put back what stood at `offset` before a write that is undone; without room for it the log says so. */
void payload_restore(struct drive *drive, uint64_t offset, const void *data, size_t bytes);

/* True if the store took a reservation for the range; else io has failed with the reason. */
bool payload_reserve(struct drive *drive, struct io *io);

#endif
