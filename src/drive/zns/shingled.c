/*
 * A shingled disk under the zones: host-managed SMR.
 *
 * The mechanics and electronics are those of a hard disk (drive/hdd), which runs
 * inside, without payload; zone i lies where a disk's bytes from i * zone_size
 * on lie. Tracks of a zone overlap, so it is written from its start on only,
 * which the zone rules see to; a zone's end has a guard band that costs nothing.
 *
 * Source: T13 ZAC-2 for what zones cost a disk: no erasing and no padding, a
 * reset or finish moves the write pointer in the disk's records.
 * Faithful: seeks, rotation, the cache and the queue, as far as drive/hdd is.
 * Simplified: a zone action is firmware time; a zone begins anywhere on a track.
 * Not modelled: conventional zones, for which ZNS 1.1 has no zone type; zones
 * that fail by themselves.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "drive/hdd/hdd.h"
#include "drive/zns/zns.h"

/* A request to the disk inside, or a time that passes, for one part of a host's request. */
struct access {
    struct io io; /* first; to the disk */
    struct sim_event event;
    struct shingled *s;
    struct io *host;
    uint32_t zone;              /* flush: to be flushed once more, or ZNS_NONE */
    struct access *next, *prev; /* of those under way; `next` of the free ones */
};

struct shingled {
    struct zns_media media; /* first */
    struct drive_config config;
    struct sim *sim;
    struct zns_media_owner *owner;
    struct drive *disk;
    struct drive_tap tap; /* hands the host's stages to the disk */
    struct access busy;   /* head of the ring of those under way */
    struct access *free;
    uint64_t *durable; /* by zone, after a loss of power: bytes from its start that survived */
    uint32_t zones;
    uint64_t host_bytes, resets, finishes;
};

static struct shingled *shingled_of(struct zns_media *media) {
    return (struct shingled *)media;
}

static const struct shingled *shingled_seen(const struct zns_media *media) {
    return (const struct shingled *)media;
}

static const struct zns_media_config *cost(const struct shingled *s) {
    return &s->config.zns_media;
}

/* --- accesses --- */

static void time_passed(struct sim_event *event);
static void disk_answered(struct io *io);

static struct access *access_new(struct shingled *s, struct io *host) {
    struct access *a = s->free;
    s->free = a->next;
    a->host = host;
    a->next = &s->busy;
    a->prev = s->busy.prev;
    a->prev->next = a->next->prev = a;
    host->pending++;
    a->io.bytes = 0;
    a->zone = ZNS_NONE;
    return a;
}

static void access_free(struct access *a) {
    io_release(&a->io);
    a->next->prev = a->prev;
    a->prev->next = a->next;
    a->next = a->s->free;
    a->s->free = a;
}

static bool shingled_reserve(struct zns_media *media, uint32_t parts) {
    struct shingled *s = shingled_of(media);
    uint32_t have = 0;
    for (const struct access *a = s->free; a && have < parts; a = a->next)
        have++;
    for (; have < parts; have++) {
        struct access *a = calloc(1, sizeof *a);
        if (!a)
            return false;
        a->s = s;
        sim_event_init(&a->event, time_passed);
        a->next = s->free;
        s->free = a;
    }
    return true;
}

static void access_over(struct access *a) {
    struct shingled *s = a->s;
    struct io *host = a->host;
    access_free(a);
    if (--host->pending == 0)
        s->owner->done(s->owner, host);
}

static void time_passed(struct sim_event *event) {
    access_over((struct access *)((char *)event - offsetof(struct access, event)));
}

static struct access *to_disk(struct shingled *s, struct io *host, uint8_t op, uint64_t offset, uint64_t bytes);

static bool is_written(const struct shingled *s, uint32_t zone) {
    for (const struct access *a = s->busy.next; a != &s->busy; a = a->next)
        if (a->io.bytes && a->io.op != IO_READ && a->io.offset / s->config.zns.zone_size == zone)
            return true;
    return false;
}

/* Everything answered, and all of `zone` if it is not ZNS_NONE: writes still on their way need another flush. */
static void flush(struct shingled *s, struct io *host, uint32_t zone) {
    bool again = zone != ZNS_NONE && is_written(s, zone);
    struct access *a = to_disk(s, host, IO_FLUSH, 0, 0);
    if (a && again)
        a->zone = zone;
}

/* A zone keeps a write only with all before it, so what is forced to the platters takes those along. */
static bool is_forced(const struct io *io, const struct io *host) {
    return (host->flags & IO_FUA) && io->op != IO_READ && io->op != IO_FLUSH && !host->status;
}

static void disk_answered(struct io *io) {
    struct access *a = (struct access *)io; /* first member */
    if (io->status)
        io_fail(a->host, io->status, "%s", io->reason ? io->reason : "the disk failed without a reason");
    if (is_forced(io, a->host))
        flush(a->s, a->host, ZNS_NONE);
    if (a->zone != ZNS_NONE)
        flush(a->s, a->host, a->zone);
    access_over(a);
}

static void disk_stages(struct drive_tap *tap, struct io *io) {
    const struct access *a = (const struct access *)io; /* first member */
    io->stages = a->host->stages;
}

static void refused(struct sim_event *event) {
    struct io *io = (struct io *)((char *)event - offsetof(struct io, event));
    struct shingled *s = io->priv;
    io->priv = NULL; /* the struct may come again */
    if (--io->pending == 0)
        s->owner->done(s->owner, io);
}

/* False: no memory, so this part of the request fails. What was reserved is there. */
static bool prepared(struct shingled *s, struct io *io) {
    if (s->free || shingled_reserve(&s->media, 1))
        return true;
    io_fail(io, IO_INTERNAL_ERROR, "no memory for it in the drive");
    if (io->priv == s) /* another part of it was refused, too: one event is enough */
        return false;
    io->priv = s;
    io->pending++;
    sim_event_init(&io->event, refused);
    sim_schedule(s->sim, &io->event, sim_now(s->sim));
    return false;
}

static void wait(struct shingled *s, struct io *io, int64_t ns) {
    if (!io || !prepared(s, io))
        return;
    struct access *a = access_new(s, io);
    io_spent(io, IO_STAGE_FIRMWARE, sim_now(s->sim) + ns);
    sim_schedule(s->sim, &a->event, sim_now(s->sim) + ns);
}

static struct access *to_disk(struct shingled *s, struct io *host, uint8_t op, uint64_t offset, uint64_t bytes) {
    if (!prepared(s, host))
        return NULL;
    struct access *a = access_new(s, host);
    io_init(&a->io);
    a->io.op = op;
    a->io.flags = IO_NO_DATA;
    a->io.offset = offset;
    a->io.bytes = bytes;
    a->io.owner = host->owner;
    a->io.done = disk_answered;
    drive_submit(s->disk, &a->io);
    return a;
}

/* --- requests --- */

static void shingled_nothing(struct zns_media *media, struct io *io) {
    struct shingled *s = shingled_of(media);
    wait(s, io, cost(s)->nothing);
}

static uint64_t place(const struct shingled *s, uint32_t zone, uint64_t at) {
    return zone * s->config.zns.zone_size + at;
}

static void shingled_write(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes,
                           enum zns_media_write_kind kind, struct io *io) {
    struct shingled *s = shingled_of(media);
    (void)kind;
    s->host_bytes += bytes;
    to_disk(s, io, io->op == IO_WRITE_ZEROES ? IO_WRITE_ZEROES : IO_WRITE, place(s, zone, at), bytes);
}

static void shingled_read(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes, uint64_t mapped,
                          struct io *io) {
    struct shingled *s = shingled_of(media);
    (void)bytes;
    if (mapped)
        to_disk(s, io, IO_READ, place(s, zone, at), mapped);
    else
        wait(s, io, s->config.hdd.read_hit.ns[0]);
}

static void shingled_flush(struct zns_media *media, struct io *io) {
    flush(shingled_of(media), io, ZNS_NONE);
}

static void shingled_open(struct zns_media *media, uint32_t zone, struct io *io) {
    struct shingled *s = shingled_of(media);
    (void)zone;
    wait(s, io, cost(s)->zone_open);
}

static void shingled_close(struct zns_media *media, uint32_t zone, uint64_t written, struct io *io) {
    struct shingled *s = shingled_of(media);
    (void)zone, (void)written;
    wait(s, io, cost(s)->zone_close);
}

static void shingled_finish(struct zns_media *media, uint32_t zone, uint64_t written, bool opened, struct io *io) {
    struct shingled *s = shingled_of(media);
    (void)opened;
    s->finishes++;
    if (io && written) /* a finished zone keeps what was written to it */
        flush(s, io, zone);
    wait(s, io, cost(s)->finish_empty + cost(s)->finish_time);
}

static void shingled_reset(struct zns_media *media, uint32_t zone, uint64_t written, bool finished, struct io *io) {
    struct shingled *s = shingled_of(media);
    (void)zone, (void)written, (void)finished;
    s->resets++;
    wait(s, io, cost(s)->reset_time);
}

static void shingled_begin(struct zns_media *media, struct io *io) {
    (void)media;
    io->pending = 1;
}

static void shingled_end(struct zns_media *media, struct io *io) {
    struct shingled *s = shingled_of(media);
    io->pending--; /* begin()'s; what follows keeps it above 0 until an event */
    wait(s, io, 0);
}

/* --- random write areas, which a shingled disk has none of: shingled_check() --- */

static void no_window(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes, struct io *io) {
    (void)zone, (void)at, (void)bytes;
    if (!io)
        return;
    io_fail(io, IO_ZONE_NO_ZRWA, "a shingled disk has no random write areas");
    shingled_nothing(media, io);
}

/* --- loss of power --- */

static void lost_from(struct shingled *s, uint64_t offset, uint64_t bytes) {
    uint64_t size = s->config.zns.zone_size, last = (offset + bytes - 1) / size;
    for (uint64_t zone = offset / size; zone <= last; zone++) {
        uint64_t at = offset > zone * size ? offset - zone * size : 0;
        if (at < s->durable[zone])
            s->durable[zone] = at;
    }
}

static void lost_extent(void *user, uint64_t offset, uint64_t bytes) {
    lost_from(user, offset, bytes);
}

static void accesses_reset(struct shingled *s) {
    while (s->busy.next != &s->busy) {
        struct access *a = s->busy.next;
        if (sim_event_pending(&a->event))
            sim_cancel(s->sim, &a->event);
        access_free(a);
    }
}

static void shingled_power_cut(struct zns_media *media) {
    struct shingled *s = shingled_of(media);
    for (uint32_t zone = 0; zone < s->zones; zone++)
        s->durable[zone] = UINT64_MAX;
    for (const struct access *a = s->busy.next; a != &s->busy; a = a->next)
        if (a->io.bytes && a->io.op != IO_READ)
            lost_from(s, a->io.offset, a->io.bytes);
    hdd_for_each_cached(s->disk, lost_extent, s);
    drive_power_cut(s->disk);
    accesses_reset(s);
}

static uint64_t shingled_durable(const struct zns_media *media, uint32_t zone, uint64_t written) {
    const struct shingled *s = shingled_seen(media);
    return written < s->durable[zone] ? written : s->durable[zone];
}

static void shingled_fill(struct zns_media *media, uint32_t zone, uint64_t bytes) {
    (void)media, (void)zone, (void)bytes; /* a disk's sectors always hold something */
}

static void shingled_format(struct zns_media *media, uint32_t zone) {
    (void)media, (void)zone;
}

/* --- life --- */

/* The configuration of the disk inside. */
static struct drive_config inner(const struct drive_config *config) {
    struct drive_config c = *config;
    while (drive_kinds[c.drive.kind] != &hdd_ops)
        c.drive.kind = drive_kinds[c.drive.kind + 1] ? c.drive.kind + 1 : 0;
    return c;
}

static int shingled_check(const struct drive_config *config, struct err *e) {
    struct drive_config *c = malloc(sizeof *c);
    if (!c)
        return err_set(e, ENOMEM, "no memory for the drive");
    *c = inner(config);
    int rc = drive_config_check(c, e);
    free(c);
    if (!rc && config->zns.zrwa_zones)
        rc = err_set(e, EINVAL, "zns.zrwa_zones = %u: a shingled disk has no random write areas; allowed is 0",
                     config->zns.zrwa_zones);
    return rc;
}

static void shingled_free(struct zns_media *media) {
    struct shingled *s = shingled_of(media);
    drive_close(s->disk);
    accesses_reset(s);
    while (s->free) {
        struct access *next = s->free->next;
        free(s->free);
        s->free = next;
    }
    free(s->durable);
    free(s);
}

static struct zns_media *shingled_create(const struct drive_config *config, struct sim *sim, struct store *store,
                                         bool fresh, struct zns_media_owner *owner, struct err *e) {
    struct shingled *s = calloc(1, sizeof *s);
    (void)store, (void)fresh;
    if (!s) {
        err_set(e, ENOMEM, "no memory for the disk under the zones");
        return NULL;
    }
    s->media.ops = &zns_shingled_ops;
    s->config = inner(config);
    s->sim = sim;
    s->owner = owner;
    s->busy.next = s->busy.prev = &s->busy;
    s->zones = (uint32_t)(config->drive.capacity / config->zns.zone_size);
    s->durable = calloc(s->zones, sizeof *s->durable);
    if (!s->durable)
        err_set(e, ENOMEM, "no memory for %u zones", s->zones);
    s->disk = s->durable ? drive_open(&s->config, "none", NULL, sim, e) : NULL;
    if (!s->disk) {
        shingled_free(&s->media);
        return NULL;
    }
    s->tap.submitted = disk_stages;
    s->disk->tap = &s->tap;
    return &s->media;
}

/* The options have been checked with the whole. */
static void shingled_reconfigured(struct zns_media *media, const struct drive_config *config) {
    struct shingled *s = shingled_of(media);
    struct err e = {0};
    s->config = inner(config);
    drive_reconfigure(s->disk, &s->config, &e);
}

/* --- reports --- */

static uint64_t shingled_capacity(const struct zns_media *media, uint32_t zone) {
    (void)zone;
    return shingled_seen(media)->config.zns.zone_capacity;
}

static void shingled_limits(const struct zns_media *media, struct drive_limits *limits) {
    drive_limits(shingled_seen(media)->disk, limits);
}

static struct nand *shingled_nand(struct zns_media *media) {
    (void)media;
    return NULL;
}

static struct disk_arm *shingled_arm(struct zns_media *media) {
    return drive_arm(shingled_of(media)->disk);
}

static void shingled_health(const struct zns_media *media, struct drive_health *health) {
    drive_health(shingled_seen(media)->disk, health);
}

static void shingled_stats(const struct zns_media *media, struct json_t *stats) {
    const struct shingled *s = shingled_seen(media);
    json_t *disk = hdd_stats(s->disk);
    json_object_set_new(stats, "media",
                        json_pack("{s:I,s:I,s:I}", "host_bytes", (json_int_t)s->host_bytes, "resets",
                                  (json_int_t)s->resets, "finishes", (json_int_t)s->finishes));
    json_object_update(stats, disk);
    json_decref(disk);
}

static int shingled_check_state(const struct zns_media *media, struct err *e) {
    return drive_check_state(shingled_seen(media)->disk, e);
}

const struct zns_media_ops zns_shingled_ops = {
    .check = shingled_check,
    .create = shingled_create,
    .free = shingled_free,
    .capacity = shingled_capacity,
    .limits = shingled_limits,
    .nand = shingled_nand,
    .arm = shingled_arm,
    .reconfigured = shingled_reconfigured,
    .fill = shingled_fill,
    .nothing = shingled_nothing,
    .write = shingled_write,
    .write_window = no_window,
    .commit = no_window,
    .read = shingled_read,
    .open = shingled_open,
    .close = shingled_close,
    .finish = shingled_finish,
    .reset = shingled_reset,
    .flush = shingled_flush,
    .reserve = shingled_reserve,
    .begin = shingled_begin,
    .end = shingled_end,
    .power_cut = shingled_power_cut,
    .durable = shingled_durable,
    .format = shingled_format,
    .health = shingled_health,
    .stats = shingled_stats,
    .check_state = shingled_check_state,
};
