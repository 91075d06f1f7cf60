/* Life of a struct io outside a drive; see io.h. */
#include "drive/io.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/probe.h"

void io_init(struct io *io) {
    memset(io, 0, sizeof *io);
}

void io_release(struct io *io) {
    free(io->reason);
    io->reason = NULL;
    io->status = IO_OK;
    io->data = NULL;
    io->unmapped = false;
}

void io_fail(struct io *io, uint16_t status, const char *fmt, ...) {
    if (io->status != IO_OK)
        return;
    io->status = status;
    va_list args;
    va_start(args, fmt);
    if (vasprintf(&io->reason, fmt, args) < 0)
        io->reason = NULL; /* no memory: the status alone must do */
    va_end(args);
    PROBE2(io_error, status, io->reason ? io->reason : "");
}
