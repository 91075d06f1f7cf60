/*
 * The format of a drive image, version 1. Little-endian; sparse.
 *
 *        0  struct image_super   what the image is of; never changes
 *     4096  le32 stop word       IMAGE_MAKING, IMAGE_IN_USE or IMAGE_CLEAN
 *     8192  directory            IMAGE_AREAS entries: where the state areas are
 *    12288  identity             text; the rest of the 64 KiB is zero
 *    1 MiB  payload              then the state areas, each at a multiple of 1 MiB
 *
 * A new image is made beside its place and renamed, so a header is never seen
 * half made. What its owner puts into it first is marked as IMAGE_MAKING until
 * it is complete and durable; nothing of an image left so counts. A directory entry counts once its `used` word says
 * so, which is written last: killing the process at any instant leaves a valid image. Every byte that counts is covered
 * by a checksum.
 */
#ifndef DRIVELAB_STORE_IMAGE_H
#define DRIVELAB_STORE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/le.h"
#include "store/store.h"

#define IMAGE_VERSION      1
#define IMAGE_HEADER_BYTES 65536u
#define IMAGE_AREAS        64
#define IMAGE_IDENTITY_MAX (IMAGE_HEADER_BYTES - 12288u)
#define IMAGE_PAYLOAD_AT   STORE_CHUNK_BYTES
#define IMAGE_MAKING       0x454b414du /* "MAKE" */
#define IMAGE_CLEAN        0x4e41454cu /* "LEAN" */
#define IMAGE_IN_USE       0x45535549u /* "IUSE" */
#define IMAGE_AREA_USED    0x41455241u /* "AREA" */

struct image_super {
    char magic[8]; /* "DRIVELAB" */
    le32 version, header_bytes;
    le64 payload_at, payload_bytes;
    le32 identity_bytes, identity_crc;
    uint8_t zero[4096 - 44];
    le32 crc; /* CRC-32C of all before it */
};

struct image_area {
    le32 used; /* 0 or IMAGE_AREA_USED */
    le32 crc;  /* CRC-32C of all after it */
    char name[STORE_NAME_MAX + 1];
    le32 version, zero;
    le64 at, bytes;
};

struct image_header {
    struct image_super super;
    le32 stop;
    uint8_t gap[4092];
    struct image_area area[IMAGE_AREAS];
    char identity[IMAGE_IDENTITY_MAX];
};

_Static_assert(sizeof(struct image_super) == 4096, "image superblock is a page");
_Static_assert(sizeof(struct image_area) == 64, "image directory entry is 64 bytes");
_Static_assert(sizeof(struct image_header) == IMAGE_HEADER_BYTES, "image header is 64 KiB");

/* Describe a new image in `h`, which is zeroed. 0 or -errno with `e`. */
int image_format(struct image_header *h, uint64_t payload_bytes, const char *identity, struct err *e);

/*
 * Whether the first `header_bytes` of a file of `file_bytes` bytes are those of
 * a whole and undamaged image that this program understands. Any bytes are
 * allowed. 0 or -EINVAL with `e`; then only the fields up to version count. Of an
 * unfinished image no more is checked.
 */
int image_check(const struct image_header *h, uint64_t header_bytes, uint64_t file_bytes, struct err *e);

/* Whether a checked image was left behind by somebody who never finished making it. */
bool image_unfinished(const struct image_header *h);

/* Whether a checked image is that of this drive. 0 or -EINVAL with `e` naming what differs. */
int image_match(const struct image_header *h, uint64_t payload_bytes, const char *identity, struct err *e);

/* Index of the named area of a checked image, or -1. */
int image_area_find(const struct image_header *h, const char *name);

/* A free entry, and where in the file a new area begins: behind all others. -1 if the directory is full. */
int image_area_free(const struct image_header *h, uint64_t *at);

/* Fill entry `i` and let it count. */
void image_area_commit(struct image_header *h, int i, const char *name, uint32_t version, uint64_t at, uint64_t bytes);

#endif
