/*
 * Capture, see record.h: one line a request, at the moment it reaches the drive.
 * Written in large pieces; what is in the last one is lost if the process is killed.
 */
#include "load/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/trace/trace_int.h"

#define BUFFER_BYTES (1 << 20)

struct record {
    struct drive_tap tap; /* first */
    struct drive *drive;
    FILE *file;
    char *path;
    uint64_t count;
};

static enum trace_op op_of(const struct io *io) {
    switch (io->op) {
    case IO_READ:
        return TRACE_READ;
    case IO_TRIM:
        return TRACE_TRIM;
    case IO_FLUSH:
        return TRACE_FLUSH;
    case IO_APPEND:
        return TRACE_APPEND;
    case IO_ZONE:
        return io->action == ZONE_RESET    ? TRACE_ZONE_RESET
               : io->action == ZONE_FINISH ? TRACE_ZONE_FINISH
               : io->action == ZONE_CLOSE  ? TRACE_ZONE_CLOSE
                                           : TRACE_ZONE_OPEN;
    default:
        return TRACE_WRITE;
    }
}

static bool recordable(const struct io *io) {
    if (io->op != IO_ZONE)
        return io->op < IO_OPS;
    return io->action == ZONE_RESET || io->action == ZONE_FINISH || io->action == ZONE_CLOSE || io->action == ZONE_OPEN;
}

static void submitted(struct drive_tap *tap, struct io *io) {
    struct record *r = (struct record *)tap;
    if (!recordable(io))
        return;
    r->count++;
    fprintf(r->file, "%" PRId64 ",%c,%" PRIu64 ",%" PRIu64 "\n", sim_now(r->drive->sim), TRACE_DRIVELAB_OPS[op_of(io)],
            io->op == IO_FLUSH ? 0 : io->offset, io->op == IO_FLUSH ? 0 : io->bytes);
}

struct record *record_open(const char *path, struct drive *drive, struct err *e) {
    struct record *r = calloc(1, sizeof(*r));
    if (r)
        r->path = strdup(path);
    if (!r || !r->path) {
        free(r);
        err_set(e, ENOMEM, "%s: no memory to record", path);
        return NULL;
    }
    r->file = fopen(path, "wxe");
    if (!r->file) {
        err_set(e, errno, "%s: %s", path,
                errno == EEXIST ? "there is such a file already; a recording needs a new one" : strerror(errno));
        free(r->path);
        free(r);
        return NULL;
    }
    setvbuf(r->file, NULL, _IOFBF, BUFFER_BYTES);
    fprintf(r->file, "%s\n", TRACE_DRIVELAB_HEAD);
    r->drive = drive;
    r->tap.submitted = submitted;
    drive->tap = &r->tap;
    return r;
}

uint64_t record_count(const struct record *r) {
    return r->count;
}

int record_close(struct record *r, struct err *e) {
    if (!r)
        return 0;
    int ret = 0;
    r->drive->tap = NULL;
    bool failed = ferror(r->file);
    if (fclose(r->file) || failed)
        ret = err_set(e, errno ? errno : EIO, "%s: not everything could be written: %s", r->path,
                      strerror(errno ? errno : EIO));
    free(r->path);
    free(r);
    return ret;
}
