/* Payload between requests and the store; see payload.h. */
#include "drive/payload.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"

struct payload_cursor payload_seek(const struct io *io, uint64_t skip) {
    struct payload_cursor at = {0};
    while (at.vec < io->nvec && skip >= io->vec[at.vec].iov_len)
        skip -= io->vec[at.vec++].iov_len;
    at.done = skip;
    return at;
}

void payload_write(struct drive *drive, const struct io *io, struct payload_cursor *at, uint64_t offset,
                   uint64_t bytes) {
    if (!store_has_payload(drive->store) || (io->flags & IO_NO_DATA))
        return;
    char *to = store_map(drive->store, offset, bytes);
    if (!to)
        return;
    while (bytes && at->vec < io->nvec) {
        const struct iovec *from = &io->vec[at->vec];
        size_t len = from->iov_len - at->done;
        if (len > bytes)
            len = bytes;
        memcpy(to, (const char *)from->iov_base + at->done, len);
        to += len;
        bytes -= len;
        at->done += len;
        if (at->done == from->iov_len)
            *at = (struct payload_cursor){.vec = at->vec + 1};
    }
    memset(to, 0, bytes);
}

void payload_read(struct drive *drive, struct io *io, bool unwritten) {
    if (!store_has_payload(drive->store) || (io->flags & IO_NO_DATA))
        return;
    /* The shared zeros spare the page behind a hole that nobody wrote. */
    if (unwritten && io->bytes <= STORE_ZEROS_BYTES)
        io->data = store_zeros();
    else
        io->data = store_map(drive->store, io->offset, io->bytes);
}

void payload_restore(struct drive *drive, uint64_t offset, const void *data, size_t bytes) {
    int rc = store_reserve(drive->store, offset, bytes); /* it may have been deallocated since */
    if (rc)
        log_error(LOG_DRIVE, "no space behind the drive for %zu bytes at %" PRIu64 " as they were: %s", bytes, offset,
                  strerror(-rc));
    else
        memcpy(store_map(drive->store, offset, bytes), data, bytes);
}

bool payload_reserve(struct drive *drive, struct io *io) {
    int rc = store_reserve(drive->store, io->offset, io->bytes);
    if (!rc)
        return true;
    io_fail(io, rc == -ENOSPC || rc == -EDQUOT ? IO_CAPACITY_EXCEEDED : IO_WRITE_FAULT,
            "no space behind the drive for %" PRIu64 " bytes at %" PRIu64 ": %s", io->bytes, io->offset, strerror(-rc));
    return false;
}
