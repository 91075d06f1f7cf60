/*
 * The public C API, include/drivelab.h: a thin skin over sim and drive.
 *
 * Requests of callers are copied into structs of ours, which carry the io, so
 * that no internal layout is part of the binary interface. They stand on a list
 * of their drive until they are answered: a power cut answers those that the
 * drive has forgotten.
 */
#include <drivelab.h>

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "api/mailbox.h"
#include "block/block.h"
#include "drive/drive.h"
#include "drive/profile.h"

struct order {
    struct io io;
    struct iovec vec;
    struct drivelab_drive *drive;
    void *data;
    void (*done)(const struct drivelab_answer *, void *);
    void *user;
    TAILQ_ENTRY(order) link;
};
TAILQ_HEAD(order_list, order);

struct drivelab_drive {
    struct drivelab_lab *lab;
    struct drive *drive;
    struct order_list inflight, idle;
    uint64_t count;
    bool waiting; /* stop the loop when the last request is answered */
    TAILQ_ENTRY(drivelab_drive) link;
};

struct drivelab_lab {
    struct sim *sim;
    struct mailbox mailbox;
    TAILQ_HEAD(, drivelab_drive) drives;
};

static void report(struct drivelab_error *to, const struct err *from) {
    if (!to)
        return;
    to->code = from->code < 0 ? -from->code : from->code;
    snprintf(to->text, sizeof(to->text), "%.*s", (int)sizeof(to->text) - 1, from->text);
}

/* A caller built against an older header knows only the first part of a structure. */
static void give(void *to, size_t to_size, const void *from, size_t from_size) {
    size_t len = to_size < from_size ? to_size : from_size;
    if (len < sizeof(size_t))
        return;
    memcpy((char *)to + sizeof(size_t), (const char *)from + sizeof(size_t), len - sizeof(size_t));
}

const char *drivelab_version(void) {
    return DRIVELAB_VERSION;
}

/* ---- The lab ---- */

static int clock_check(const struct drivelab_clock *c, struct err *e) {
    if (c->mode < DRIVELAB_VIRTUAL || c->mode > DRIVELAB_SCALED)
        return err_set(e, EINVAL, "clock mode %d: allowed are 0 (virtual), 1 (wall) and 2 (scaled)", c->mode);
    if (c->mode == DRIVELAB_SCALED && !(c->scale >= 1e-3 && c->scale <= 1e6))
        return err_set(e, EINVAL, "clock scale %g: allowed are 0.001 to 1000000", c->scale);
    return 0;
}

struct drivelab_lab *drivelab_lab_new(const struct drivelab_clock *clock, struct drivelab_error *e) {
    static const enum sim_mode modes[] = {SIM_VIRTUAL, SIM_WALL, SIM_SCALED};
    struct err why = {0};
    struct drivelab_clock c = {.struct_size = sizeof(c)};
    if (clock)
        give(&c, sizeof(c), clock, clock->struct_size);
    struct drivelab_lab *lab = NULL;
    if (clock_check(&c, &why))
        goto failed;
    lab = calloc(1, sizeof(*lab));
    if (!lab) {
        err_set(&why, ENOMEM, "no memory for a lab");
        goto failed;
    }
    TAILQ_INIT(&lab->drives);
    const struct sim_config config = {.mode = modes[c.mode], .scale = c.scale, .spin = c.spin, .spin_ns = 50000};
    if (mailbox_open(&lab->mailbox, &why))
        goto failed;
    lab->sim = sim_new(&config, &why);
    if (lab->sim)
        return lab;
    mailbox_close(&lab->mailbox);
failed:
    report(e, &why);
    free(lab);
    return NULL;
}

void drivelab_lab_free(struct drivelab_lab *lab) {
    if (!lab)
        return;
    while (!TAILQ_EMPTY(&lab->drives))
        drivelab_close(TAILQ_FIRST(&lab->drives));
    sim_free(lab->sim);
    mailbox_close(&lab->mailbox);
    free(lab);
}

int64_t drivelab_now(const struct drivelab_lab *lab) {
    return sim_now(lab->sim);
}

void drivelab_run(struct drivelab_lab *lab, int64_t until_ns) {
    sim_run(lab->sim, until_ns);
}

void drivelab_stop(struct drivelab_lab *lab) {
    sim_stop(lab->sim);
}

int drivelab_serve(struct drivelab_lab *lab) {
    if (sim_mode(lab->sim) == SIM_VIRTUAL)
        return -EINVAL;
    int ret = mailbox_watch(&lab->mailbox, lab->sim);
    if (ret)
        return ret;
    sim_run(lab->sim, SIM_NEVER);
    mailbox_unwatch(&lab->mailbox, lab->sim);
    return 0;
}

int drivelab_call(struct drivelab_lab *lab, void (*function)(void *), void *user) {
    return mailbox_put(&lab->mailbox, function, user);
}

/* ---- Drives ---- */

/* Sections of a profile that concern the program, not the drive. */
static const char *const foreign_sections[] = {"nvme", "tcp", "loop", NULL};

struct config {
    struct drive_config drive;
    struct block_config queue;
};

static int load_config(struct config *config, const char *profile, const char *const *options, struct err *e) {
    struct opt_set set = {0};
    int ret = drive_config_init(&config->drive, &set, e);
    if (!ret && opt_set_add(&set, block_opts, &config->queue))
        ret = err_set(e, ENOSPC, "too many option tables");
    if (!ret)
        ret = profile_load(&set, profile, foreign_sections, config->drive.name, e);
    for (; !ret && options && *options; options++)
        ret = opt_assign_arg(&set, *options, e);
    return ret;
}

struct drivelab_drive *drivelab_open(struct drivelab_lab *lab, const char *profile, const char *const *options,
                                     const char *store, const char *image, struct drivelab_error *e) {
    struct err why = {0};
    struct config *config = calloc(1, sizeof(*config));
    struct drivelab_drive *d = calloc(1, sizeof(*d));
    if (!config || !d)
        err_set(&why, ENOMEM, "no memory for a drive");
    else if (!load_config(config, profile, options, &why))
        d->drive = drive_open(&config->drive, store, image, lab->sim, &why);
    if (d && d->drive && block_open(d->drive, &config->queue, &why)) {
        drive_close(d->drive);
        d->drive = NULL;
    }
    free(config);
    if (!d || !d->drive) {
        report(e, &why);
        free(d);
        return NULL;
    }
    d->lab = lab;
    TAILQ_INIT(&d->inflight);
    TAILQ_INIT(&d->idle);
    TAILQ_INSERT_TAIL(&lab->drives, d, link);
    return d;
}

/* Answer one request; its struct is free for the next, also for one that the callback submits. */
static void answer(struct order *r, uint16_t status, const char *reason) {
    struct drivelab_drive *d = r->drive;
    struct io io = r->io; /* whose reason the callback may still read */
    const struct drivelab_answer a = {
        .struct_size = sizeof(a),
        .status = status,
        .reason = reason,
        .result = io.result,
        .submitted_ns = io.submitted_ns,
        .completed_ns = io.completed_ns,
        .unmapped = io.unmapped,
    };
    void (*done)(const struct drivelab_answer *, void *) = r->done;
    void *user = r->user;
    TAILQ_REMOVE(&d->inflight, r, link);
    TAILQ_INSERT_HEAD(&d->idle, r, link);
    d->count--;
    r->io.reason = NULL;
    if (done)
        done(&a, user);
    io_release(&io);
    if (!d->count && d->waiting)
        sim_stop(d->lab->sim);
}

static void request_done(struct io *io) {
    struct order *r = (struct order *)io; /* first member */
    if (io->op == IO_READ && io->status == IO_OK && io->data && r->data)
        memcpy(r->data, io->data, io->bytes);
    answer(r, io->status, io->status ? (io->reason ? io->reason : "no reason was given") : NULL);
}

static void lose_all(struct drivelab_drive *d) {
    struct order_list lost = TAILQ_HEAD_INITIALIZER(lost);
    /* A callback may submit again: those are not lost. */
    TAILQ_CONCAT(&lost, &d->inflight, link);
    while (!TAILQ_EMPTY(&lost)) {
        struct order *r = TAILQ_FIRST(&lost);
        TAILQ_REMOVE(&lost, r, link);
        TAILQ_INSERT_HEAD(&d->inflight, r, link);
        r->io.completed_ns = sim_now(d->lab->sim);
        answer(r, DRIVELAB_LOST, "the power was cut before the drive had answered");
    }
}

void drivelab_close(struct drivelab_drive *d) {
    struct order *r;
    if (!d)
        return;
    block_free(block_of(d->drive));
    drive_close(d->drive);
    d->drive = NULL; /* a callback's submission is refused */
    lose_all(d);
    while ((r = TAILQ_FIRST(&d->idle))) {
        TAILQ_REMOVE(&d->idle, r, link);
        free(r);
    }
    TAILQ_REMOVE(&d->lab->drives, d, link);
    free(d);
}

static bool translate(const struct drivelab_request *q, struct io *io) {
    static const uint8_t ops[] = {[DRIVELAB_READ] = IO_READ,
                                  [DRIVELAB_WRITE] = IO_WRITE,
                                  [DRIVELAB_FLUSH] = IO_FLUSH,
                                  [DRIVELAB_TRIM] = IO_TRIM,
                                  [DRIVELAB_WRITE_ZEROES] = IO_WRITE_ZEROES,
                                  [DRIVELAB_APPEND] = IO_APPEND};
    static const uint8_t actions[] = {ZONE_CLOSE, ZONE_FINISH, ZONE_OPEN, ZONE_RESET};
    if (q->op >= 0 && q->op <= DRIVELAB_APPEND) {
        io->op = ops[q->op];
    } else if (q->op >= DRIVELAB_ZONE_CLOSE && q->op <= DRIVELAB_ZONE_RESET) {
        io->op = IO_ZONE;
        io->action = actions[q->op - DRIVELAB_ZONE_CLOSE];
    } else {
        return false;
    }
    io->flags = (q->flags & DRIVELAB_FUA ? IO_FUA : 0) | (q->flags & DRIVELAB_ASYNC ? 0 : IO_SYNC) |
                (q->flags & DRIVELAB_KEEP_MAPPED ? IO_KEEP_MAPPED : 0);
    io->owner = q->owner;
    io->offset = q->offset;
    io->bytes = q->bytes;
    return true;
}

int drivelab_submit(struct drivelab_drive *d, const struct drivelab_request *request) {
    struct drivelab_request q = {.struct_size = sizeof(q)};
    give(&q, sizeof(q), request, request->struct_size);
    if (!d->drive)
        return -EINVAL;
    struct order *r = TAILQ_FIRST(&d->idle);
    if (r)
        TAILQ_REMOVE(&d->idle, r, link);
    else if (!(r = malloc(sizeof(*r))))
        return -ENOMEM;
    *r = (struct order){.drive = d, .data = q.data, .done = q.done, .user = q.user};
    TAILQ_INSERT_HEAD(&d->idle, r, link);
    io_init(&r->io);
    if (!translate(&q, &r->io))
        return -EINVAL;
    r->vec = (struct iovec){q.data, q.bytes};
    bool writes = r->io.op == IO_WRITE || r->io.op == IO_APPEND;
    if (!q.data && (writes || r->io.op == IO_READ)) {
        r->io.flags |= IO_NO_DATA;
    } else if (writes) {
        r->io.vec = &r->vec;
        r->io.nvec = 1;
    }
    r->io.done = request_done;
    TAILQ_REMOVE(&d->idle, r, link);
    TAILQ_INSERT_TAIL(&d->inflight, r, link);
    d->count++;
    drive_submit(d->drive, &r->io);
    return 0;
}

void drivelab_owner_gone(struct drivelab_drive *d, uint32_t owner) {
    drive_owner_gone(d->drive, owner);
}

void drivelab_wait(struct drivelab_drive *d) {
    d->waiting = true;
    if (d->count)
        sim_run(d->lab->sim, SIM_NEVER);
    d->waiting = false;
}

uint64_t drivelab_inflight(const struct drivelab_drive *d) {
    return d->count;
}

void drivelab_get_info(const struct drivelab_drive *d, struct drivelab_info *info) {
    struct drive_limits limits;
    drive_limits(d->drive, &limits);
    struct drivelab_info i = {
        .capacity = limits.capacity,
        .granularity = limits.granularity,
        .optimal_write = limits.optimal_write_bytes,
        .volatile_cache = limits.volatile_cache,
        .rotational = limits.rotational,
    };
    if (d->drive->ops->zoned) {
        struct drive_zoned_limits z = {0};
        d->drive->ops->zoned->limits(d->drive, &z);
        i.zone_size = z.zone_bytes;
        i.zones = z.zones;
        i.max_active_zones = z.max_active;
        i.max_open_zones = z.max_open;
        i.max_append = z.append_bytes;
    }
    give(info, info->struct_size, &i, sizeof(i));
}

uint64_t drivelab_extent(const struct drivelab_drive *d, uint64_t offset, uint64_t bytes, int *zero) {
    bool hole;
    uint64_t alike = store_extent(d->drive->store, offset, bytes, &hole);
    *zero = hole;
    return alike;
}

static bool zone_exists(const struct drivelab_drive *d, uint32_t index) {
    struct drive_zoned_limits z = {0};
    if (!d->drive->ops->zoned)
        return false;
    d->drive->ops->zoned->limits(d->drive, &z);
    return index < z.zones;
}

int drivelab_get_zone(const struct drivelab_drive *d, uint32_t index, struct drivelab_zone *zone) {
    struct drive_zone from = {0};
    if (!zone_exists(d, index))
        return -EINVAL;
    d->drive->ops->zoned->zone(d->drive, index, &from);
    const struct drivelab_zone z = {
        .start = from.start,
        .capacity = from.capacity,
        .write_pointer = from.write_pointer,
        .state = from.state,
    };
    give(zone, zone->struct_size, &z, sizeof(z));
    return 0;
}

char *drivelab_statistics(const struct drivelab_drive *d) {
    json_t *stats = drive_stats(d->drive);
    char *text = stats ? json_dumps(stats, JSON_INDENT(2)) : NULL;
    json_decref(stats);
    return text;
}

/* ---- Faults ---- */

void drivelab_power_cut(struct drivelab_drive *d) {
    drive_power_cut(d->drive);
    lose_all(d);
}

int drivelab_fail_media(struct drivelab_drive *d, int op, uint64_t count, struct drivelab_error *e) {
    struct err why = {0};
    struct nand *nand = d->drive->ops->nand ? d->drive->ops->nand(d->drive) : NULL;
    const struct nand_fault fault = {
        .kind = (uint8_t)op, .die = NAND_ANY, .plane = NAND_ANY, .block = NAND_ANY, .count = count};
    if (!nand)
        err_set(&why, ENOTSUP, "the drive has no flash whose operations could fail");
    else if (op < DRIVELAB_MEDIA_READ || op > DRIVELAB_MEDIA_ERASE)
        err_set(&why, EINVAL, "flash operation %d: allowed are 0 (read), 1 (program) and 2 (erase)", op);
    else
        nand_fault_add(nand, &fault, &why);
    if (why.code)
        report(e, &why);
    return why.code;
}

int drivelab_fail_zone(struct drivelab_drive *d, uint32_t index, int state, struct drivelab_error *e) {
    struct err why = {0};
    if (!zone_exists(d, index))
        err_set(&why, EINVAL, "the drive has no zone %u", index);
    else if (state != ZONE_STATE_READ_ONLY && state != ZONE_STATE_OFFLINE)
        err_set(&why, EINVAL, "zone state %d: allowed are 13 (read only) and 15 (offline)", state);
    else
        d->drive->ops->zoned->fail(d->drive, index, (uint8_t)state, &why);
    if (why.code)
        report(e, &why);
    return why.code;
}
