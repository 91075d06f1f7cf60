/*
 * The flash under the zones: where each zone lies and how long things take.
 * Knows nothing of states, limits or payload; zns.c asks only what its state
 * machine has allowed.
 *
 *                  +--------- firmware ---------+
 *   zone rules --> | link, write pipeline,      | --> dies of the zone (media/nand)
 *                  | zone caches, read-ahead    |
 *                  +----------------------------+
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
     * The zone's flash has failed. `capacity`: bytes it still has, below what it had; 0: nothing can be read any
     * more. Takes effect at the next reset (zns_media_capacity()) or now, as the owner decides.
     */
    void (*zone_failed)(struct zns_media_owner *, uint32_t zone, uint64_t capacity);
};

/* Whole check of the options that shape the flash: 0 or -EINVAL naming option, rule and the nearest allowed values. */
int zns_media_check(const struct drive_config *config, struct err *e);

/* Opens its own state areas in `store`. NULL with `e` filled. */
struct zns_media *zns_media_new(const struct drive_config *config, struct sim *sim, struct store *store, bool fresh,
                                struct zns_media_owner *owner, struct err *e);
void zns_media_free(struct zns_media *media);

/* What the zone's blocks hold as they are now: the configured capacity unless blocks have gone bad; 0: none left. */
uint64_t zns_media_capacity(const struct zns_media *media, uint32_t zone);

/* What keeps all dies of a zone busy once: a program unit on each. */
uint32_t zns_media_stripe_bytes(const struct zns_media *media);

/* The flash itself, for faults; runtime options in `config` have changed. */
struct nand *zns_media_nand(struct zns_media *media);
void zns_media_reconfigured(struct zns_media *media, const struct drive_config *config);

/*
 * `bytes` from the zone's start are on flash as if they had been written and
 * drained before, without taking time: preconditioning, and for each zone of
 * an image at its start. Nothing was asked of the zone since then or since a
 * loss of power.
 */
void zns_media_fill(struct zns_media *media, uint32_t zone, uint64_t bytes);

/* A command that isn't media work (a failed one, Flush of nothing, a zone action without cost): firmware time alone. */
void zns_media_nothing(struct zns_media *media, struct io *io);

enum zns_media_write_kind { ZNS_WRITE, ZNS_WRITE_OPENS, ZNS_APPEND, ZNS_APPEND_OPENS };

/* `bytes` at `at`; done when the host may be told: in the zone's cache, or with IO_FUA on volatile caches on flash. */
void zns_media_write(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes,
                     enum zns_media_write_kind kind, struct io *io);

/* Into a zone's random write area: kept in its buffer until committed. */
void zns_media_write_window(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes, struct io *io);
/* Program [from, to) of the area in the background; io may be NULL (implicit) or is done when the host may be told. */
void zns_media_commit(struct zns_media *media, uint32_t zone, uint64_t from, uint64_t to, struct io *io);

/* `mapped` of the bytes, from the start, are written; the rest costs what an unwritten read costs. */
void zns_media_read(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes, uint64_t mapped,
                    struct io *io);

void zns_media_open(struct zns_media *media, uint32_t zone, struct io *io);
/* Close and finish: `io` NULL where the drive does it by itself. Finish, reset, commit: reserve first. */
void zns_media_close(struct zns_media *media, uint32_t zone, uint64_t written, struct io *io);
/* Fill [written, capacity) with padding. `opened`: the zone held open resources. */
void zns_media_finish(struct zns_media *media, uint32_t zone, uint64_t written, bool opened, struct io *io);
/* Erase; `written` bytes were written before and `finished` says the rest was padded. Cached writes are dropped. */
void zns_media_reset(struct zns_media *media, uint32_t zone, uint64_t written, bool finished, struct io *io);
/* Every write accepted before is on flash when the io is done (volatile caches; else at once). */
void zns_media_flush(struct zns_media *media, struct io *io);

/*
 * What resets, finishes and commits need besides time is there for so many
 * parts, until requests come or the simulation runs on. False: no memory, so
 * the owner leaves its zones as they are.
 */
bool zns_media_reserve(struct zns_media *media, uint32_t parts);

/*
 * For zone actions on many zones: the io is done when each of its parts is.
 * begin() once, then any number of calls above with the same io, then end().
 */
void zns_media_begin(struct zns_media *media, struct io *io);
void zns_media_end(struct zns_media *media, struct io *io);

/*
 * Drop all requests and, if the caches are volatile, what is only there.
 * zns_media_durable(): bytes from the zone's start that survived.
 */
void zns_media_power_cut(struct zns_media *media);
uint64_t zns_media_durable(const struct zns_media *media, uint32_t zone, uint64_t written);
/* Format: forget what the zone's blocks hold, without taking time; erase counts go up. */
void zns_media_format(struct zns_media *media, uint32_t zone);

void zns_media_health(const struct zns_media *media, struct drive_health *health);
/* Adds "nand", "write_amplification" and the media's own to `stats`. */
void zns_media_stats(const struct zns_media *media, struct json_t *stats);
int zns_media_check_state(const struct zns_media *media, struct err *e);

#endif
