/*
 * Compressed modules (.ko.xz, .ko.zst, .ko.gz) and the kernel inside of a
 * vmlinuz, unpacked into a file in memory with an upper bound.
 */
#ifndef DRIVELAB_DIAG_OOPS_FILE_UNPACK_H
#define DRIVELAB_DIAG_OOPS_FILE_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define OOPS_UNPACK_MAX_BYTES (512u << 20)

/* "gzip", "xz" ...; NULL: the bytes are of no compression known here. */
const char *oops_unpack_kind(const uint8_t *data, size_t len);

/*
 * Unpacks `data` and returns the descriptor of a new file in memory (the caller
 * closes it), or a negative errno with `e` filled: -ENOTSUP where this build
 * lacks the library, -EFBIG above the bound, -EINVAL for damaged data. What
 * follows the compressed stream is ignored.
 */
int oops_unpack(const uint8_t *data, size_t len, struct err *e);

/* The machine (e_machine) of a bare kernel image by its header; 0: it is none. */
#define OOPS_IMAGE_HEADER 64
uint16_t oops_image_machine(const uint8_t head[OOPS_IMAGE_HEADER]);

/* The compressed kernel in a vmlinuz (x86's boot protocol, EFI zboot, else by its magic bytes); same results. */
int oops_unpack_vmlinuz(const uint8_t *data, size_t len, struct err *e);

#endif
