/*
 * Files of lzop, as the build of a kernel with CONFIG_KERNEL_LZO makes them: a
 * header, then blocks with their sizes and checksums. Checksums are not
 * verified; the library checks the bounds.
 *
 * Source: lib/decompress_unlzo.c of Linux for the layout, all numbers big-endian.
 */
#include "diag/oops/file/unpack_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_LZO
#include <lzo/lzo1x.h>

#define MAGIC_BYTES 9u
#define BLOCK_MAX   (64u << 20)
#define NEW_HEADER  0x940u
#define F_ADLER32_D 0x1u
#define F_ADLER32_C 0x2u
#define F_CRC32_D   0x100u
#define F_CRC32_C   0x200u
#define F_FILTER    0x800u

struct input {
    const uint8_t *data;
    size_t len, at;
    bool bad;
};

static uint32_t take(struct input *in, unsigned bytes) {
    uint32_t n = 0;
    if (bytes > in->len - in->at) {
        in->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        n = n << 8 | in->data[in->at++];
    return n;
}

static void skip(struct input *in, size_t bytes) {
    in->bad |= bytes > in->len - in->at;
    in->at += in->bad ? 0 : bytes;
}

/* Returns the flags. */
static uint32_t read_header(struct input *in) {
    skip(in, MAGIC_BYTES);
    bool newer = take(in, 2) >= NEW_HEADER;
    skip(in, newer ? 4 : 2); /* the library's version, the version needed */
    skip(in, newer ? 2 : 1); /* method, level */
    uint32_t flags = take(in, 4);
    skip(in, (flags & F_FILTER ? 4 : 0) + (newer ? 12 : 8)); /* mode, time */
    skip(in, take(in, 1));                                   /* name */
    skip(in, 4);
    return flags;
}

static int read_block(struct sink *sink, struct input *in, uint32_t flags, uint32_t size) {
    uint32_t packed = take(in, 4);
    bool smaller = packed < size;
    skip(in, (flags & F_ADLER32_D ? 4 : 0) + (flags & F_CRC32_D ? 4 : 0));
    skip(in, smaller ? (flags & F_ADLER32_C ? 4 : 0) + (flags & F_CRC32_C ? 4 : 0) : 0);
    if (in->bad || packed > size || packed > in->len - in->at || size > BLOCK_MAX)
        return -EINVAL;
    const uint8_t *from = in->data + in->at;
    skip(in, packed);
    if (!smaller)
        return oops_sink_put(sink, from, size);
    uint8_t *block = malloc(size);
    lzo_uint got = size;
    if (!block)
        return -ENOMEM;
    int rc = lzo1x_decompress_safe(from, packed, block, &got, NULL) == LZO_E_OK && got == size
                 ? oops_sink_put(sink, block, size)
                 : -EINVAL;
    free(block);
    return rc;
}

int oops_unpack_lzo(struct sink *sink, const uint8_t *data, size_t len) {
    struct input in = {.data = data, .len = len};
    if (lzo_init() != LZO_E_OK)
        return -ENOTSUP;
    uint32_t flags = read_header(&in), size;
    int rc = in.bad ? -EINVAL : 0;
    while (!rc && (size = take(&in, 4)) != 0 && !in.bad)
        rc = read_block(sink, &in, flags, size);
    return rc ? rc : in.bad || !sink->written ? -EINVAL : 0;
}

#else
int oops_unpack_lzo(struct sink *sink, const uint8_t *data, size_t len) {
    return -ENOTSUP;
}
#endif
