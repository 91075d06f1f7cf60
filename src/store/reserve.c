/*
 * Taking space in a sparse file before it is written; see reserve.h.
 */
#include "store/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store_int.h"

int reserve_init(struct reserve *r, int fd, uint64_t start, uint64_t bytes) {
    uint64_t chunks = (bytes + STORE_CHUNK_BYTES - 1) / STORE_CHUNK_BYTES;
    *r = (struct reserve){.fd = fd, .start = start, .bytes = bytes};
    r->known = calloc((chunks + 63) / 64, sizeof(*r->known));
    return r->known ? 0 : -ENOMEM;
}

void reserve_release(struct reserve *r) {
    free(r->known);
    *r = (struct reserve){.fd = -1};
}

/* write() fails politely where a mapping would not. */
static int reserve_page_by_writing(int fd, uint64_t at) {
    uint8_t byte = 0;
    if (pread(fd, &byte, 1, (off_t)at) < 0 || pwrite(fd, &byte, 1, (off_t)at) < 0)
        return errno == EINTR ? reserve_page_by_writing(fd, at) : -errno;
    return 0;
}

static int reserve_by_writing(int fd, uint64_t start, uint64_t len) {
    int rc = 0;
    for (uint64_t at = start; !rc && at < start + len; at += STORE_PAGE)
        rc = reserve_page_by_writing(fd, at);
    return rc;
}

int reserve_blocks(int fd, uint64_t start, uint64_t len, bool *by_writing) {
    while (!*by_writing) {
        if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)start, (off_t)len) == 0)
            return 0;
        if (errno == EOPNOTSUPP || errno == ENOSYS)
            *by_writing = true;
        else if (errno != EINTR)
            return -errno;
    }
    return reserve_by_writing(fd, start, len);
}

static int reserve_chunk(struct reserve *r, uint64_t chunk) {
    uint64_t at = chunk * STORE_CHUNK_BYTES, len = STORE_CHUNK_BYTES;
    if (len > r->bytes - at)
        len = r->bytes - at;
    int rc = reserve_blocks(r->fd, r->start + at, len, &r->by_writing);
    if (!rc)
        r->known[chunk / 64] |= 1ull << chunk % 64;
    return rc;
}

int reserve_range(struct reserve *r, uint64_t offset, uint64_t len) {
    if (!len)
        return 0;
    for (uint64_t chunk = offset / STORE_CHUNK_BYTES; chunk <= (offset + len - 1) / STORE_CHUNK_BYTES; chunk++) {
        if (r->known[chunk / 64] >> chunk % 64 & 1)
            continue;
        int rc = reserve_chunk(r, chunk);
        if (rc)
            return rc;
    }
    return 0;
}

void reserve_forget(struct reserve *r, uint64_t offset, uint64_t len) {
    if (!len)
        return;
    for (uint64_t chunk = offset / STORE_CHUNK_BYTES; chunk <= (offset + len - 1) / STORE_CHUNK_BYTES; chunk++)
        r->known[chunk / 64] &= ~(1ull << chunk % 64);
}
