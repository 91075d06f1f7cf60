/*
 * A drive without flash behind it: every request takes a fixed time and shares
 * a link of limited bandwidth per direction.
 *
 * Faithful: latency and bandwidth as configured, FIFO service per direction.
 * Simplified: no parallel units; Flush and deallocation take the write latency.
 * Not modelled: anything that depends on what was written before, so every
 * block counts as written.
 */
#include "drive/nossd/nossd.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "drive/drive_int.h"
#include "drive/line.h"
#include "drive/payload.h"

struct nossd {
    struct drive drive;
    struct io_line reads, writes;
    struct io_link read_link, write_link;
};

static struct nossd *nossd_of(const struct drive *drive) {
    return (struct nossd *)drive;
}

static int nossd_check(const struct drive_config *config, struct err *e) {
    return 0; /* every value the options allow will do */
}

static void nossd_identity(const struct drive_config *config, char *text, unsigned size) {
    snprintf(text, size, "capacity=%" PRIu64, config->drive.capacity);
}

static void nossd_out(struct io_line *line, struct io *io) {
    drive_complete_at(line->owner, io, io->completed_ns);
}

static struct drive *nossd_create(const struct drive_config *config, struct sim *sim, struct store *store, bool fresh,
                                  struct err *e) {
    struct nossd *n = calloc(1, sizeof *n);
    if (!n) {
        err_set(e, ENOMEM, "no memory for the drive");
        return NULL;
    }
    io_line_init(&n->reads, sim, nossd_out, &n->drive);
    io_line_init(&n->writes, sim, nossd_out, &n->drive);
    io_link_init(&n->read_link, config->nossd.read_bandwidth);
    io_link_init(&n->write_link, config->nossd.write_bandwidth);
    return &n->drive;
}

static void nossd_destroy(struct drive *drive) {
    struct nossd *n = nossd_of(drive);
    io_line_clear(&n->reads);
    io_line_clear(&n->writes);
    free(n);
}

/* The data has crossed the link at `end`. */
static void spent(struct io *io, const struct io_link *link, uint64_t bytes, int64_t end) {
    if (__builtin_expect(!io->stages, 1))
        return;
    io_spent(io, IO_STAGE_LINK_WAIT, end - io_link_ns(link, bytes));
    io_spent(io, IO_STAGE_LINK, end);
    io_spent(io, IO_STAGE_FIRMWARE, io->completed_ns);
}

static void nossd_read(struct nossd *n, struct io *io) {
    payload_read(&n->drive, io, false);
    int64_t end = io_link_cross(&n->read_link, io->submitted_ns, io->bytes);
    io_line_push(&n->reads, io, end + n->drive.config.nossd.read_latency);
    spent(io, &n->read_link, io->bytes, end);
}

static void nossd_written(struct nossd *n, struct io *io) {
    uint64_t bytes = io->op == IO_WRITE ? io->bytes : 0;
    int64_t end = io_link_cross(&n->write_link, io->submitted_ns, bytes);
    io_line_push(&n->writes, io, end + n->drive.config.nossd.write_latency);
    spent(io, &n->write_link, bytes, end);
}

static void nossd_flushed(struct drive *drive, struct io *io) {
    nossd_written(nossd_of(drive), io);
}

/* Clear a range; whole pages give their space back. */
static void nossd_clear(struct nossd *n, struct io *io) {
    int rc = store_discard(n->drive.store, io->offset, io->bytes);
    if (rc)
        io_fail(io, IO_WRITE_FAULT, "the store could not clear %" PRIu64 " bytes at %" PRIu64 " (errno %d)", io->bytes,
                io->offset, -rc);
}

static void nossd_submit(struct drive *drive, struct io *io) {
    struct nossd *n = nossd_of(drive);
    if (io->op == IO_READ) {
        nossd_read(n, io);
        return;
    }
    if (io->op == IO_WRITE && payload_reserve(drive, io)) {
        struct payload_cursor at = {0};
        payload_write(drive, io, &at, io->offset, io->bytes);
    } else if (io->op == IO_TRIM || io->op == IO_WRITE_ZEROES) {
        nossd_clear(n, io);
    }
    if (io->op == IO_FLUSH || (io->flags & IO_FUA))
        drive_store_flush(drive, io, nossd_flushed);
    else
        nossd_written(n, io);
}

static void nossd_reconfigured(struct drive *drive) {
    struct nossd *n = nossd_of(drive);
    io_link_set(&n->read_link, drive->config.nossd.read_bandwidth);
    io_link_set(&n->write_link, drive->config.nossd.write_bandwidth);
}

static void nossd_limits(const struct drive *drive, struct drive_limits *limits) {
    limits->granularity = limits->trim_granularity = 512;
    limits->optimal_write_bytes = 4096;
}

static void nossd_health(const struct drive *drive, struct drive_health *health) {
    health->spare_percent = 100;
    health->spare_threshold = 10;
    health->media_bytes_written = drive->bytes[IO_WRITE];
    health->media_bytes_read = drive->bytes[IO_READ];
}

static void nossd_power_cut(struct drive *drive) {
    struct nossd *n = nossd_of(drive);
    io_line_clear(&n->reads);
    io_line_clear(&n->writes);
    n->read_link.free_ns = n->write_link.free_ns = 0;
}

static bool nossd_mapped(const struct drive *drive, uint64_t offset, uint64_t bytes) {
    return bytes > 0;
}

static json_t *nossd_stats(const struct drive *drive) {
    return json_object();
}

static int nossd_check_state(const struct drive *drive, struct err *e) {
    return 0;
}

static const char *const nossd_sections[] = {"nossd", NULL};

const struct drive_ops nossd_ops = {
    .name = "nossd",
    .summary = "no flash: fixed latency and limited bandwidth, the fastest path",
    .sections = nossd_sections,
    .check = nossd_check,
    .identity = nossd_identity,
    .create = nossd_create,
    .destroy = nossd_destroy,
    .submit = nossd_submit,
    .limits = nossd_limits,
    .health = nossd_health,
    .power_cut = nossd_power_cut,
    .mapped = nossd_mapped,
    .stats = nossd_stats,
    .check_state = nossd_check_state,
    .reconfigured = nossd_reconfigured,
};
