/*
 * What lies under the zones: flash (flash/) or a shingled disk (shingled.c).
 * Where each zone lies and how long things take. Knows nothing of states,
 * limits or payload; zns.c asks only what its state machine has allowed.
 *
 *                  +--------- firmware ---------+
 *   zone rules --> | link, write pipeline,      | --> dies of the zone (media/nand)
 *                  | zone caches, read-ahead    |
 *                  +----------------------------+
 *              or  +-- a hard disk (drive/hdd) -+ --> arm and platters (media/disk)
 *
 * Every call with an io hands over the request until `done` of the owner gets
 * it back, from an event, never from inside the call. Requests of a zone
 * complete in an order of the media's choosing. On failure the io has its
 * status and reason (io_fail). io->pending is 0 when a request comes in.
 *
 * Positions are bytes from the zone's start; writes of a zone come in order.
 */
#ifndef DRIVELAB_DRIVE_ZNS_MEDIA_H
#define DRIVELAB_DRIVE_ZNS_MEDIA_H

#include "drive/drive.h"

struct zns_media;
struct json_t;

extern const struct opt_row zns_media_opts[]; /* section "zns", the part in struct zns_media_config */

struct zns_media_owner {
    void (*done)(struct zns_media_owner *, struct io *);
    /*
     * The zone's media has failed. `capacity`: bytes it still has, below what it had; 0: nothing can be read any
     * more. Takes effect at the next reset (zns_media_capacity()) or now, as the owner decides.
     */
    void (*zone_failed)(struct zns_media_owner *, uint32_t zone, uint64_t capacity);
};

enum zns_media_write_kind { ZNS_WRITE, ZNS_WRITE_OPENS, ZNS_APPEND, ZNS_APPEND_OPENS };

struct zns_media_ops {
    /* Whole check of the options that shape the media: 0 or -EINVAL naming option, rule and nearest allowed values. */
    int (*check)(const struct drive_config *config, struct err *e);

    /* Opens its own state areas in `store`. NULL with `e` filled. */
    struct zns_media *(*create)(const struct drive_config *config, struct sim *sim, struct store *store, bool fresh,
                                struct zns_media_owner *owner, struct err *e);
    void (*free)(struct zns_media *media);

    /* What the zone holds as it is now: the configured capacity unless parts have gone bad; 0: none left. */
    uint64_t (*capacity)(const struct zns_media *media, uint32_t zone);

    /* All but the capacity. */
    void (*limits)(const struct zns_media *media, struct drive_limits *limits);

    /* The flash itself, for faults, or NULL; runtime options in `config` have changed. */
    struct nand *(*nand)(struct zns_media *media);
    struct disk_arm *(*arm)(struct zns_media *media); /* for watching; NULL: has none */
    void (*reconfigured)(struct zns_media *media, const struct drive_config *config);

    /*
     * `bytes` from the zone's start are there as if they had been written and
     * drained before, without taking time: preconditioning, and for each zone of
     * an image at its start. Nothing was asked of the zone since then or since a
     * loss of power.
     */
    void (*fill)(struct zns_media *media, uint32_t zone, uint64_t bytes);

    /* A command that isn't media work (a failed one, a zone action without cost): firmware time alone. */
    void (*nothing)(struct zns_media *media, struct io *io);

    /* `bytes` at `at`; done when the host may be told: in a cache, or with IO_FUA on volatile caches on the media. */
    void (*write)(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes, enum zns_media_write_kind kind,
                  struct io *io);

    /* Into a zone's random write area: kept in its buffer until committed. */
    void (*write_window)(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes, struct io *io);

    /* Program [from, to) of the area in the background; io: NULL (implicit), or done when the host may be told. */
    void (*commit)(struct zns_media *media, uint32_t zone, uint64_t from, uint64_t to, struct io *io);

    /* `mapped` of the bytes, from the start, are written; the rest costs what an unwritten read costs. */
    void (*read)(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes, uint64_t mapped, struct io *io);

    void (*open)(struct zns_media *media, uint32_t zone, struct io *io);

    /* Close and finish: `io` NULL where the drive does it by itself. Finish, reset, commit: reserve first. */
    void (*close)(struct zns_media *media, uint32_t zone, uint64_t written, struct io *io);

    /* Nothing more is written to [written, capacity). `opened`: the zone held open resources. */
    void (*finish)(struct zns_media *media, uint32_t zone, uint64_t written, bool opened, struct io *io);

    /* Empty; `written` bytes were written before, and `finished` says that the zone was finished then. */
    void (*reset)(struct zns_media *media, uint32_t zone, uint64_t written, bool finished, struct io *io);

    /* Every write accepted before is on the media when the io is done (volatile caches; else at once). */
    void (*flush)(struct zns_media *media, struct io *io);

    /*
     * What resets, finishes and commits need besides time is there for so many
     * parts, until requests come or the simulation runs on. False: no memory, so
     * the owner leaves its zones as they are.
     */
    bool (*reserve)(struct zns_media *media, uint32_t parts);

    /*
     * For zone actions on many zones: the io is done when each of its parts is.
     * begin() once, then any number of calls above with the same io, then end().
     */
    void (*begin)(struct zns_media *media, struct io *io);
    void (*end)(struct zns_media *media, struct io *io);

    /*
     * Drop all requests and, if the caches are volatile, what is only there.
     * durable(): bytes from the zone's start that survived.
     */
    void (*power_cut)(struct zns_media *media);
    uint64_t (*durable)(const struct zns_media *media, uint32_t zone, uint64_t written);

    /* Format: forget what the zone holds, without taking time. */
    void (*format)(struct zns_media *media, uint32_t zone);

    void (*health)(const struct zns_media *media, struct drive_health *health);

    /* Adds "media" and what else there is to tell to `stats`. */
    void (*stats)(const struct zns_media *media, struct json_t *stats);
    int (*check_state)(const struct zns_media *media, struct err *e);
};

/* The embedded first part of every media. */
struct zns_media {
    const struct zns_media_ops *ops;
};

extern const struct zns_media_ops zns_flash_ops, zns_shingled_ops;

/* The row that a drive's kind asks for. */
const struct zns_media_ops *zns_media_kind(const struct drive_config *config);

/* Those that the zone rules call often, by name. */

static inline void zns_media_write(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes,
                                   enum zns_media_write_kind kind, struct io *io) {
    media->ops->write(media, zone, at, bytes, kind, io);
}
static inline uint64_t zns_media_capacity(const struct zns_media *media, uint32_t zone) {
    return media->ops->capacity(media, zone);
}
static inline void zns_media_nothing(struct zns_media *media, struct io *io) {
    media->ops->nothing(media, io);
}
static inline void zns_media_read(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes, uint64_t mapped,
                                  struct io *io) {
    media->ops->read(media, zone, at, bytes, mapped, io);
}
static inline void zns_media_write_window(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes,
                                          struct io *io) {
    media->ops->write_window(media, zone, at, bytes, io);
}
static inline void zns_media_commit(struct zns_media *media, uint32_t zone, uint64_t from, uint64_t to, struct io *io) {
    media->ops->commit(media, zone, from, to, io);
}
static inline void zns_media_open(struct zns_media *media, uint32_t zone, struct io *io) {
    media->ops->open(media, zone, io);
}
static inline void zns_media_close(struct zns_media *media, uint32_t zone, uint64_t written, struct io *io) {
    media->ops->close(media, zone, written, io);
}
static inline void zns_media_finish(struct zns_media *media, uint32_t zone, uint64_t written, bool opened,
                                    struct io *io) {
    media->ops->finish(media, zone, written, opened, io);
}
static inline void zns_media_reset(struct zns_media *media, uint32_t zone, uint64_t written, bool finished,
                                   struct io *io) {
    media->ops->reset(media, zone, written, finished, io);
}
static inline void zns_media_flush(struct zns_media *media, struct io *io) {
    media->ops->flush(media, io);
}
static inline bool zns_media_reserve(struct zns_media *media, uint32_t parts) {
    return media->ops->reserve(media, parts);
}
static inline void zns_media_begin(struct zns_media *media, struct io *io) {
    media->ops->begin(media, io);
}
static inline void zns_media_end(struct zns_media *media, struct io *io) {
    media->ops->end(media, io);
}
static inline void zns_media_fill(struct zns_media *media, uint32_t zone, uint64_t bytes) {
    media->ops->fill(media, zone, bytes);
}
static inline uint64_t zns_media_durable(const struct zns_media *media, uint32_t zone, uint64_t written) {
    return media->ops->durable(media, zone, written);
}
static inline void zns_media_format(struct zns_media *media, uint32_t zone) {
    media->ops->format(media, zone);
}

#endif
