/*
 * The wrappers around a drive kind: opening, range checks, time stamps, counts.
 */
#include "drive/drive.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hist.h"
#include "base/probe.h"
#include "drive/drive_int.h"

#define IDENTITY_MAX 1024

/* One store flush under way. Outlives a power cut and even the drive's kind, as the store answers when it likes. */
struct drive_flush {
    struct store_flush flush;
    struct drive_flush *next;
    struct drive *drive;
    struct io *io; /* NULL once forgotten */
    void (*then)(struct drive *, struct io *);
    bool finished;
};

static void early_out(struct io_line *line, struct io *io) {
    drive_complete(line->owner, io);
}

static struct store *store_of(const struct drive_config *config, const char *store_kind, const char *path,
                              struct sim *sim, bool *fresh, struct err *e) {
    char text[IDENTITY_MAX];
    const struct drive_ops *ops = drive_kind(config);
    int used = snprintf(text, sizeof text, "%s ", ops->name);
    ops->identity(config, text + used, sizeof text - used);
    const struct store_config sc = {
        .kind = store_kind,
        .path = path,
        .bytes = config->drive.capacity,
        .identity = text,
        .huge_pages = config->drive.huge_pages,
    };
    return store_open(&sc, sim, fresh, e);
}

struct drive *drive_open(const struct drive_config *asked, const char *store_kind, const char *path, struct sim *sim,
                         struct err *e) {
    if (drive_config_check(asked, e))
        return NULL;
    struct drive_config resolved = *asked, *config = &resolved;
    drive_config_resolve(config);
    bool fresh = false;
    struct store *store = store_of(config, store_kind, path, sim, &fresh, e);
    if (!store)
        return NULL;
    struct drive *drive = drive_kind(config)->create(config, sim, store, fresh, e);
    if (drive && fresh && store_made(store, e)) {
        drive_kind(config)->destroy(drive);
        drive = NULL;
    }
    if (!drive) {
        /* An image of a drive that was never finished would be taken for a whole one by the next start. */
        if (fresh)
            store_remove(store);
        else
            store_close(store);
        return NULL;
    }
    drive->ops = drive_kind(config);
    drive->sim = sim;
    drive->store = store;
    drive->config = *config;
    drive->capacity = config->drive.capacity;
    io_line_init(&drive->early, sim, early_out, drive);
    return drive;
}

void drive_close(struct drive *drive) {
    if (!drive)
        return;
    struct store *store = drive->store;
    struct drive_flush *flushes = drive->flushes;
    for (struct drive_flush *f = flushes; f; f = f->next)
        f->io = NULL;
    io_line_clear(&drive->early);
    free(drive->latency);
    drive->ops->destroy(drive);
    store_close(store);
    while (flushes) {
        struct drive_flush *next = flushes->next;
        free(flushes);
        flushes = next;
    }
}

/* Forget the flushes that have answered. */
static void flush_sweep(struct drive *drive) {
    for (struct drive_flush **at = &drive->flushes; *at;) {
        struct drive_flush *f = *at;
        if (!f->finished) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        free(f);
    }
}

static void flush_done(struct store_flush *flush, int error) {
    struct drive_flush *f = (struct drive_flush *)flush; /* first member */
    f->finished = true;
    if (!f->io)
        return;
    if (error)
        io_fail(f->io, IO_WRITE_FAULT, "the store could not make data durable: %s", strerror(-error));
    f->then(f->drive, f->io);
}

void drive_store_flush(struct drive *drive, struct io *io, void (*then)(struct drive *, struct io *)) {
    flush_sweep(drive);
    struct drive_flush *f = calloc(1, sizeof *f);
    if (!f) {
        io_fail(io, IO_INTERNAL_ERROR, "no memory to flush the store");
        then(drive, io);
        return;
    }
    *f = (struct drive_flush){.flush.done = flush_done, .next = drive->flushes, .drive = drive, .io = io, .then = then};
    drive->flushes = f;
    store_flush(drive->store, &f->flush);
}

/* False: the request has failed or needs nothing, and goes back by itself. */
static bool range_check(struct drive *drive, struct io *io) {
    if (io->op >= IO_OPS) {
        io_fail(io, IO_INVALID_FIELD, "unknown operation %u", io->op);
        return false;
    }
    if (io->op == IO_FLUSH)
        return true;
    if ((io->op == IO_APPEND || io->op == IO_ZONE) && !drive->ops->zoned) {
        io_fail(io, IO_INVALID_FIELD, "the drive has no zones");
        return false;
    }
    if (io->offset > drive->capacity || io->bytes > drive->capacity - io->offset) {
        io_fail(io, IO_LBA_OUT_OF_RANGE,
                "%" PRIu64 " bytes at %" PRIu64 " end beyond the capacity of %" PRIu64 " bytes", io->bytes, io->offset,
                drive->capacity);
        return false;
    }
    return io->bytes > 0 || io->op == IO_ZONE;
}

/* What range_check() has nothing to say to, as nearly always. */
static inline bool range_plain(const struct drive *drive, const struct io *io) {
    return io->op <= IO_WRITE && io->bytes && io->bytes <= drive->capacity && io->offset <= drive->capacity - io->bytes;
}

void drive_submit(struct drive *drive, struct io *io) {
    io->drive = drive;
    io->submitted_ns = sim_now(drive->sim);
    io->status = IO_OK;
    io->stages = NULL;
    io->data = NULL;
    io->unmapped = false;
    io->result = 0;
    drive->inflight++;
    PROBE3(io_submit, io->op, io->offset, io->bytes);
    if (__builtin_expect(drive->tap != NULL, 0) && drive->tap->submitted)
        drive->tap->submitted(drive->tap, io);
    if (__builtin_expect(!range_plain(drive, io), 0) && !range_check(drive, io)) {
        io_line_push(&drive->early, io, io->submitted_ns);
        return;
    }
    if (__builtin_expect(drive->front != NULL, 0))
        drive->front->submit(drive->front, io);
    else
        drive->ops->submit(drive, io);
}

void drive_forward(struct drive *drive, struct io *carrier) {
    carrier->drive = drive;
    carrier->submitted_ns = sim_now(drive->sim);
    carrier->status = IO_OK;
    carrier->data = NULL;
    carrier->unmapped = false;
    carrier->result = 0;
    drive->ops->submit(drive, carrier);
}

void drive_complete_at(struct drive *drive, struct io *io, int64_t when_ns) {
    io->completed_ns = when_ns;
    if (__builtin_expect(io->flags & IO_CARRIER, 0)) {
        io->done(io);
        return;
    }
    drive->inflight--;
    PROBE4(io_complete, io->op, io->offset, io->status, when_ns - io->submitted_ns);
    if (__builtin_expect(io->status == IO_OK, 1)) {
        drive->ios[io->op]++;
        drive->bytes[io->op] += io->bytes;
        if (__builtin_expect(drive->latency != NULL, 0))
            hist_record(&drive->latency[io->op], when_ns - io->submitted_ns);
    } else {
        drive->failed++;
        drive->bare += !io->reason;
        io->data = NULL;
    }
    if (__builtin_expect(drive->tap != NULL, 0) && drive->tap->completed)
        drive->tap->completed(drive->tap, io);
    io->done(io);
}

void drive_complete(struct drive *drive, struct io *io) {
    drive_complete_at(drive, io, sim_now(drive->sim));
}

int drive_measure(struct drive *drive) {
    if (!drive->latency)
        drive->latency = malloc(IO_OPS * sizeof *drive->latency);
    if (!drive->latency)
        return -ENOMEM;
    for (unsigned op = 0; op < IO_OPS; op++)
        hist_init(&drive->latency[op]);
    return 0;
}

struct nand *drive_nand(struct drive *drive) {
    return drive->ops->nand ? drive->ops->nand(drive) : NULL;
}

struct disk_arm *drive_arm(struct drive *drive) {
    return drive->ops->arm ? drive->ops->arm(drive) : NULL;
}

void drive_limits(const struct drive *drive, struct drive_limits *limits) {
    *limits = (struct drive_limits){.capacity = drive->capacity};
    drive->ops->limits(drive, limits);
}

void drive_health(const struct drive *drive, struct drive_health *health) {
    *health = (struct drive_health){0};
    drive->ops->health(drive, health);
}

void drive_power_cut(struct drive *drive) {
    for (struct drive_flush *f = drive->flushes; f; f = f->next)
        f->io = NULL;
    io_line_clear(&drive->early);
    drive->inflight = 0;
    if (drive->front)
        drive->front->power_cut(drive->front);
    drive->ops->power_cut(drive);
}

bool drive_mapped(const struct drive *drive, uint64_t offset, uint64_t bytes) {
    if (offset >= drive->capacity)
        return false;
    if (bytes > drive->capacity - offset)
        bytes = drive->capacity - offset;
    return drive->ops->mapped(drive, offset, bytes);
}

static const char *const op_names[IO_OPS] = {"read", "write", "flush", "trim", "write_zeroes", "append", "zone"};

static json_t *latency_stats(const struct drive *drive) {
    json_t *all = json_object();
    for (unsigned op = 0; op < IO_OPS; op++) {
        const struct hist *h = &drive->latency[op];
        if (h->count)
            json_object_set_new(all, op_names[op],
                                json_pack("{s:I,s:f,s:I,s:I,s:I,s:I,s:I}", "count", (json_int_t)h->count, "mean",
                                          hist_mean(h), "min", (json_int_t)h->min, "p50",
                                          (json_int_t)hist_quantile(h, 0.5), "p99", (json_int_t)hist_quantile(h, 0.99),
                                          "p99.9", (json_int_t)hist_quantile(h, 0.999), "max", (json_int_t)h->max));
    }
    return all;
}

static json_t *host_stats(const struct drive *drive) {
    json_t *host = json_object();
    for (unsigned op = 0; op < IO_OPS; op++)
        json_object_set_new(
            host, op_names[op],
            json_pack("{s:I,s:I}", "ios", (json_int_t)drive->ios[op], "bytes", (json_int_t)drive->bytes[op]));
    json_object_set_new(host, "failed", json_integer((json_int_t)drive->failed));
    json_object_set_new(host, "inflight", json_integer((json_int_t)drive->inflight));
    return host;
}

json_t *drive_stats(const struct drive *drive) {
    json_t *all = drive->ops->stats(drive);
    if (!all)
        return NULL;
    json_object_set_new(all, "kind", json_string(drive->ops->name));
    json_object_set_new(all, "host", host_stats(drive));
    if (drive->latency)
        json_object_set_new(all, "latency_ns", latency_stats(drive));
    if (drive->front && drive->front->stats)
        json_object_set_new(all, "scheduler", drive->front->stats(drive->front));
    return all;
}

int drive_check_state(const struct drive *drive, struct err *e) {
    if (drive->bare)
        return err_set(e, EINVAL, "%" PRIu64 " requests failed without a reason", drive->bare);
    return drive->ops->check_state(drive, e);
}
