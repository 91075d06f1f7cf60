/*
 * The drive kind "zns": its life and its requests' ways.
 *
 * Faithful: all seven zone states, limits, attributes and actions of ZNS 1.1,
 * random write areas, state that outlives the process, failures with reasons.
 * Simplified, not modelled: see the files of each part.
 */
#include "drive/zns/zns.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* --- life --- */

static void zns_identity(const struct drive_config *c, char *text, unsigned size) {
    const struct nand_config *n = &c->nand;
    snprintf(text, size,
             "capacity=%" PRIu64 " zone_size=%" PRIu64 " zone_capacity=%" PRIu64 " extension=%u zrwa=%u*%" PRIu64
             " dies_per_zone=%u channels=%u luns=%u planes=%u blocks=%u pages=%u "
             "page_bytes=%u stripe_pages=%u",
             c->drive.capacity, c->zns.zone_size, c->zns.zone_capacity, c->zns.extension_bytes, c->zns.zrwa_zones > 0,
             c->zns.zrwa_zones ? c->zns.zrwa_bytes : 0, c->zns_media.dies_per_zone, n->channels, n->luns, n->planes,
             n->blocks, n->pages, n->page_bytes, c->zns_media.stripe_pages);
}

static void stored(struct drive *drive, struct io *io) {
    drive_complete(drive, io);
}

static void back(struct zns_media_owner *owner, struct io *io) {
    struct zns *s = (struct zns *)((char *)owner - offsetof(struct zns, owner));
    if (UNLIKELY(io->op == IO_ZONE && io->action == ZONE_RESET))
        zns_reset_done(s, io);
    if (UNLIKELY(!io->status && (io->op == IO_FLUSH || (io->flags & IO_FUA && io->op != IO_READ))))
        drive_store_flush(&s->drive, io, stored);
    else
        drive_complete(&s->drive, io);
}

static int shift_of(uint64_t bytes) {
    return bytes & (bytes - 1) ? -1 : __builtin_ctzll(bytes);
}

static int zns_init(struct zns *s, bool fresh, struct err *e) {
    const struct zns_config *c = &s->drive.config.zns;
    s->drive.store = s->store;
    s->drive.sim = s->sim;
    s->owner = (struct zns_media_owner){.done = back, .zone_failed = zns_zone_failed};
    s->payload = store_has_payload(s->store);
    s->zone_bytes = c->zone_size;
    s->zone_shift = shift_of(c->zone_size);
    s->count = (uint32_t)(s->drive.config.drive.capacity / c->zone_size);
    s->max_active = c->max_active;
    s->max_open = c->max_open ? c->max_open : c->max_active;
    zns_timers_init(s);
    zns_stale_init(s);
    s->media = zns_media_kind(&s->drive.config)->create(&s->drive.config, s->sim, s->store, fresh, &s->owner, e);
    return s->media ? zns_state_open(s, fresh, e) : -EIO;
}

static void zns_destroy(struct drive *drive) {
    struct zns *s = zns_of(drive);
    zns_timers_clear(s);
    sim_cancel(s->sim, &s->clear);
    if (s->media)
        s->media->ops->free(s->media);
    zns_state_release(s);
    free(s);
}

static struct drive *zns_create(const struct drive_config *config, struct sim *sim, struct store *store, bool fresh,
                                struct err *e) {
    struct zns *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, ENOMEM, "no memory for the drive");
        return NULL;
    }
    s->drive.config = *config;
    s->sim = sim;
    s->store = store;
    if (zns_init(s, fresh, e)) {
        zns_destroy(&s->drive);
        return NULL;
    }
    return &s->drive;
}

/* --- requests --- */

static void zns_submit(struct drive *drive, struct io *io) {
    struct zns *s = zns_of(drive);
    io->pending = 0;
    if (UNLIKELY(!s->fits))
        zns_fit(s);
    switch (io->op) {
    case IO_READ:
        zns_read(s, io);
        break;
    case IO_WRITE:
    case IO_WRITE_ZEROES:
        zns_write(s, io);
        break;
    case IO_APPEND:
        zns_append(s, io);
        break;
    case IO_ZONE:
        zns_action(s, io);
        break;
    case IO_FLUSH:
        zns_media_flush(s->media, io);
        break;
    default:
        zns_trim(s, io);
    }
}

/* --- what it shows --- */

static void zns_limits(const struct drive *drive, struct drive_limits *limits) {
    const struct zns_media *media = zns_of(drive)->media;
    media->ops->limits(media, limits);
}

static void zns_health(const struct drive *drive, struct drive_health *health) {
    zns_of(drive)->media->ops->health(zns_of(drive)->media, health);
}

static json_t *zone_stats(const struct zns *s) {
    uint32_t n[ZNS_STATES] = {0};
    for (uint32_t i = 0; i < s->count; i++)
        n[s->zones[i].mark.state]++;
    json_t *zones = json_object();
    static const struct {
        const char *name;
        uint8_t state;
    } states[] = {
        {"empty", ZONE_STATE_EMPTY},
        {"implicit_open", ZONE_STATE_IMPLICIT_OPEN},
        {"explicit_open", ZONE_STATE_EXPLICIT_OPEN},
        {"closed", ZONE_STATE_CLOSED},
        {"full", ZONE_STATE_FULL},
        {"read_only", ZONE_STATE_READ_ONLY},
        {"offline", ZONE_STATE_OFFLINE},
    };
    for (unsigned i = 0; i < sizeof states / sizeof *states; i++)
        json_object_set_new(zones, states[i].name, json_integer(n[states[i].state]));
    const struct zns_counters *c = &s->stat;
    json_t *counts =
        json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "auto_closed", (json_int_t)c->auto_closed, "excursions",
                  (json_int_t)c->excursions, "refused", (json_int_t)c->refused, "filled", (json_int_t)c->filled,
                  "random_write_areas_given", (json_int_t)c->windows_given, "committed_bytes",
                  (json_int_t)c->committed_bytes, "changed_by_drive", (json_int_t)c->changed);
    json_object_update(zones, counts);
    json_decref(counts);
    return zones;
}

static json_t *zns_stats(const struct drive *drive) {
    const struct zns *s = zns_of(drive);
    json_t *all = json_object();
    json_object_set_new(all, "zones", zone_stats(s));
    s->media->ops->stats(s->media, all);
    return all;
}

static void zns_reconfigured(struct drive *drive) {
    zns_of(drive)->media->ops->reconfigured(zns_of(drive)->media, &drive->config);
}

static struct nand *zns_nand(struct drive *drive) {
    return zns_of(drive)->media->ops->nand(zns_of(drive)->media);
}

static struct disk_arm *zns_arm(struct drive *drive) {
    struct zns_media *media = zns_of(drive)->media;
    return media->ops->arm ? media->ops->arm(media) : NULL;
}

/* What shapes a disk's image; its mechanics do not. */
static void smr_identity(const struct drive_config *c, char *text, unsigned size) {
    snprintf(text, size, "capacity=%" PRIu64 " zone_size=%" PRIu64 " zone_capacity=%" PRIu64 " extension=%u",
             c->drive.capacity, c->zns.zone_size, c->zns.zone_capacity, c->zns.extension_bytes);
}

static const char *const zns_sections[] = {"nand", "zns", NULL};
static const char *const smr_sections[] = {"hdd", "zns", NULL};

/* What both kinds have in common: the zones. */
#define ZONED_METHODS                                                                                                  \
    .create = zns_create, .destroy = zns_destroy, .submit = zns_submit, .reconfigured = zns_reconfigured,              \
    .nand = zns_nand, .arm = zns_arm, .limits = zns_limits, .health = zns_health, .power_cut = zns_power_cut,          \
    .mapped = zns_mapped, .stats = zns_stats, .check_state = zns_check_state, .zoned = &zns_zoned_ops

const struct drive_ops zns_ops = {
    .name = "zns",
    .summary = "zoned SSD: zones by the letter of the specification on NAND",
    .sections = zns_sections,
    .check = zns_config_check,
    .identity = zns_identity,
    ZONED_METHODS,
};

const struct drive_ops smr_ops = {
    .name = "smr",
    .summary = "host-managed shingled disk: the same zones on a hard disk",
    .sections = smr_sections,
    .check = zns_config_check,
    .identity = smr_identity,
    ZONED_METHODS,
};

const struct zns_media_ops *zns_media_kind(const struct drive_config *config) {
    return drive_kind(config) == &smr_ops ? &zns_shingled_ops : &zns_flash_ops;
}
