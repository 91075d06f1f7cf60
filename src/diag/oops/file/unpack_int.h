/*
 * Where unpacked bytes go. Used by unpack*.c alone.
 */
#ifndef DRIVELAB_DIAG_OOPS_FILE_UNPACK_INT_H
#define DRIVELAB_DIAG_OOPS_FILE_UNPACK_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sink {
    int fd;
    size_t written;
    uint8_t *piece; /* a buffer of OOPS_UNPACK_PIECE bytes */
};

#define OOPS_UNPACK_PIECE (256u << 10)

/* 0 or a negative errno: -EFBIG above the bound. */
int oops_sink_put(struct sink *sink, const uint8_t *data, size_t len);

int oops_unpack_lzo(struct sink *sink, const uint8_t *data, size_t len);

#endif
