/*
 * Space for a mapped range of a sparse file: writing through a mapping to a
 * hole of a file whose file system is full raises SIGBUS, so space is taken
 * beforehand, a chunk at a time, and the chunks that have it are remembered.
 */
#ifndef DRIVELAB_STORE_RESERVE_H
#define DRIVELAB_STORE_RESERVE_H

#include <stdbool.h>
#include <stdint.h>

struct reserve {
    int fd;
    uint64_t start, bytes; /* the range in the file; start is a multiple of STORE_CHUNK_BYTES */
    uint64_t *known;       /* a bit per chunk that has its space */
    bool by_writing;       /* the file system has no fallocate() */
};

/* Returns 0 or -ENOMEM. */
int reserve_init(struct reserve *r, int fd, uint64_t start, uint64_t bytes);
void reserve_release(struct reserve *r);

/* Space for [offset, offset+len) of the range, which must contain it. 0 or -errno. */
int reserve_range(struct reserve *r, uint64_t offset, uint64_t len);

/* The range has lost its space, wholly or partly. */
void reserve_forget(struct reserve *r, uint64_t offset, uint64_t len);

/*
 * Give [start, start+len) of a file its blocks without changing what it reads:
 * 0 or -errno. Where fallocate() is unknown, one byte of each page is written
 * back as it is; *by_writing remembers that. Nobody else may write meanwhile.
 */
int reserve_blocks(int fd, uint64_t start, uint64_t len, bool *by_writing);

#endif
