/*
 * Inside the flash under the zones.
 *
 *   flash.c   life, power cuts, reports          map.c     zones to blocks, spares
 *   pipe.c    writes: command core, cache        drain.c   cache to dies: flash core, program units
 *   read.c    reads, read-ahead                  action.c  zone actions, flushes
 *
 * Layout: a zone is `sets` of blocks, one block of each plane of its `dies`;
 * one set is full before the next begins. A program unit is `stripe` pages of
 * each plane of one die; units go round the dies. Within a unit planes change
 * first, then pages. A die that lacks a block in a set is left out of it.
 *
 *   a zone's bytes:  0 ... durable ... issued ... accepted ... expect ... capacity
 *                      on flash | at the dies | in cache | in the pipeline
 *
 * Invariants (zns_flash_check_state()):
 *  1. durable <= issued; both at unit boundaries or the capacity.
 *  2. issued <= accepted, except while a zone is padded to its end.
 *  3. accepted <= expect <= capacity of the zone.
 *  4. cached = bytes between durable and accepted whose unit isn't done.
 *  5. No block belongs to two zones, or to a zone and the spares.
 */
#ifndef DRIVELAB_DRIVE_ZNS_MEDIA_INT_H
#define DRIVELAB_DRIVE_ZNS_MEDIA_INT_H

#include "drive/drive_int.h"
#include "drive/line.h"
#include "drive/zns/media.h"

enum {
    ZNS_STRIPE_PAGES_MAX = 64,
    ZNS_READ_AHEAD_MAX = 16 << 20,
    ZNS_UNITS_IN_FLIGHT = 64, /* of a zone: bits of done_mask */
    ZNS_STREAM_PAGES = 4096,  /* that read-ahead can hold */
    ZNS_STREAM_AFTER = 4,     /* reads in a row that make a stream */
    ZNS_SECTOR = 4096,        /* writes of less read the rest first */
};

/* Block numbers of the durable table. */
#define ZNS_LOST    UINT32_MAX /* none left */
#define ZNS_FAILING (1u << 31) /* holds data, but can't be written any more: lost at the next reset */

struct zns_job;

struct zns_zone {
    uint64_t expect, accepted, issued, durable;
    uint64_t done_mask; /* units from `durable` on that are done already */
    uint64_t capacity;  /* of the blocks it will have after a reset */
    uint64_t laid_out;  /* of the blocks it has */
    uint64_t cached;
    uint64_t flushed; /* volatile caches: safe up to here, part of a unit included */
    struct io *wait_head, *wait_tail;
    struct zns_job *finish, *flushes, *resets;
    struct zns_zone *ring_next, *dirty_next;
    uint32_t inflight, stale;     /* units at the dies; those of before the last reset */
    uint32_t reads;               /* page reads at the dies */
    uint32_t erasing;             /* block erases */
    uint16_t first_die, die_step; /* order in which it goes round its dies */
    uint32_t generation;          /* counts resets */
    uint32_t parts;               /* writes that wait for the rest of a block, and those behind them */
    bool known;                   /* the fields above are right; else the next write says where the zone stands */
    bool whole;                   /* no die is left out of any set */
    bool clean;                   /* blocks not begun are erased */
    bool touched;                 /* opened or written since its last reset */
    bool in_ring, in_dirty, repairing;
    bool failed; /* takes no more until its next reset */
    bool shrunk; /* lost a block in the erase under way */
};

/* A page read, page program or block erase. */
struct zns_op {
    struct nand_op nand;
    struct zns_op *next;
    struct zns_flash *media;
    struct zns_unit *unit; /* program */
    struct io *io;         /* read */
    uint32_t zone, slot;
    uint64_t page_number; /* read-ahead: of the zone */
};

/* A program unit at a die. */
struct zns_unit {
    struct zns_unit *next;
    uint64_t from, bytes, host_bytes;
    uint32_t zone, generation, pending;
};

enum zns_job_kind { JOB_DELAY, JOB_FINISH, JOB_RESET, JOB_FLUSH };

/* A zone action, or one zone's part of it. */
struct zns_job {
    struct sim_event event; /* first */
    struct zns_job *next;   /* of the same list */
    struct zns_job *all_next, *all_prev;
    struct zns_flash *media;
    struct io *io;
    uint8_t kind;
    uint32_t zone, chunks;
    uint64_t target; /* flush: end; finish: what was written before */
    int64_t not_before_ns;
    int64_t delay_ns;
};

/* The core that handles write commands: first come, first served. */
struct zns_core {
    struct sim_event event; /* first */
    struct io *head, *tail;
    int64_t free_ns;
};

/* The core that feeds dies and unmaps: zones in turn, and unmapping every other turn. */
struct zns_flash_core {
    struct sim_event event; /* first */
    struct zns_zone *head, *tail;
    struct zns_job *resets, *resets_tail;
    struct zns_zone *zone; /* whose unit it handles */
    struct zns_job *reset; /* whose chunk it handles */
    bool unit_was_last;
    int64_t busy_ns;
};

/* The one sequential stream. */
struct zns_stream {
    uint32_t zone, run;
    uint64_t next;        /* byte that continues it */
    uint64_t first, head; /* parts of pages held or on their way: [first, head) */
    uint64_t bad;         /* a page that could not be read, or UINT64_MAX */
    struct io *wait_head, *wait_tail;
    uint32_t inflight;
    uint32_t commands; /* that it took and the host doesn't have yet */
    bool active;
    uint64_t ready[ZNS_STREAM_PAGES / 64];
};

struct zns_life {
    uint64_t bytes_written, bytes_read, media_errors;
};

struct zns_media_counters {
    uint64_t host_bytes, pad_bytes, erased_blocks, resets, finishes;
    uint64_t stalls, cache_read_pages, ahead_pages, stream_reads, replaced_blocks, failed_zones;
};

struct zns_slab;

struct zns_flash {
    struct zns_media media; /* first */
    struct drive_config config;
    struct sim *sim;
    struct store *store;
    struct zns_media_owner *owner;
    struct nand *nand;
    struct nand_block *blocks;
    struct zns_life *life;
    /* geometry */
    uint32_t zones, dies, groups, sets, planes, stripe, rows; /* rows: units of a die in a set */
    uint32_t read_bytes, parts;                               /* what the array reads at once; so many make a page */
    uint32_t slots;                                           /* blocks of a zone */
    uint64_t unit_bytes, zone_size, zone_capacity;
    uint32_t *table;  /* durable: blocks of all zones */
    uint32_t *spares; /* by plane: blocks, then how many */
    uint32_t *spare_count;
    uint32_t spares_start, spares_now;
    struct zns_zone *zone;

    struct zns_core core;
    struct zns_flash_core flash;
    struct io_link link_in, link_out;
    struct io_line data, part_data, writes, appends, reads;
    uint64_t drain_q32, pad_q32; /* time of a byte, 32 fraction bits */
    uint32_t units_in_flight;    /* of a zone, at most */
    struct io *held_head, *held_tail;
    uint64_t writes_in, writes_accepted, waiting;
    struct zns_stream stream;
    struct zns_zone *dirty;
    struct zns_job jobs; /* head of the list of all */

    struct zns_op *op_free;
    struct zns_unit *unit_free;
    struct zns_job *job_free;
    uint32_t jobs_free;
    struct zns_slab *slabs;
    struct zns_media_counters count;
};

static inline struct zns_flash *flash_of(struct zns_media *media) {
    return (struct zns_flash *)media;
}
static inline const struct zns_flash *flash_seen(const struct zns_media *media) {
    return (const struct zns_flash *)media;
}

static inline const struct zns_media_config *zns_cost(const struct zns_flash *m) {
    return &m->config.zns_media;
}

static inline uint32_t zns_zone_index(const struct zns_flash *m, const struct zns_zone *z) {
    return (uint32_t)(z - m->zone);
}

/* --- the methods of zns_flash_ops, each in the file of its part --- */

void zns_flash_fill(struct zns_media *media, uint32_t zone, uint64_t bytes);
void zns_flash_nothing(struct zns_media *media, struct io *io);
void zns_flash_write(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes,
                     enum zns_media_write_kind kind, struct io *io);
void zns_flash_write_window(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes, struct io *io);
void zns_flash_commit(struct zns_media *media, uint32_t zone, uint64_t from, uint64_t to, struct io *io);
void zns_flash_read(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes, uint64_t mapped,
                    struct io *io);
void zns_flash_open(struct zns_media *media, uint32_t zone, struct io *io);
void zns_flash_close(struct zns_media *media, uint32_t zone, uint64_t written, struct io *io);
void zns_flash_finish(struct zns_media *media, uint32_t zone, uint64_t written, bool opened, struct io *io);
void zns_flash_reset(struct zns_media *media, uint32_t zone, uint64_t written, bool finished, struct io *io);
void zns_flash_flush(struct zns_media *media, struct io *io);
bool zns_flash_reserve(struct zns_media *media, uint32_t parts);
void zns_flash_begin(struct zns_media *media, struct io *io);
void zns_flash_end(struct zns_media *media, struct io *io);
uint64_t zns_flash_durable(const struct zns_media *media, uint32_t zone, uint64_t written);

/* --- flash.c --- */

struct zns_op *zns_op_new(struct zns_flash *m);
void zns_op_free(struct zns_op *op);
struct zns_unit *zns_unit_new(struct zns_flash *m);
void zns_unit_free(struct zns_flash *m, struct zns_unit *unit);
/* NULL: no memory; then this part of `io` has failed and is over. Impossible as far as zns_flash_reserve() promised. */
struct zns_job *zns_job_new(struct zns_flash *m, enum zns_job_kind kind, uint32_t zone, struct io *io);
void zns_job_free(struct zns_job *job);

/* io->priv of a read */
#define ZNS_READ_PART ((void *)0x100)

/* A part of a request is over; from an event. */
void zns_part_done(struct zns_flash *m, struct io *io);

/* --- map.c --- */

struct zns_place {
    uint32_t die, block_slot; /* slot of plane 0; the planes follow */
    uint32_t page;            /* first of the unit */
};

int zns_map_geometry(const struct drive_config *c, struct zns_flash *m, struct err *e);
int zns_map_init(struct zns_flash *m, bool fresh, struct err *e);
void zns_map_release(struct zns_flash *m);
struct zns_place zns_map_unit(const struct zns_flash *m, uint32_t zone, uint64_t unit);
static inline uint32_t *zns_map_slots(const struct zns_flash *m, uint32_t zone) {
    return m->table + (uint64_t)zone * m->slots;
}
static inline uint32_t zns_map_block(const struct zns_flash *m, uint32_t zone, uint32_t slot) {
    return zns_map_slots(m, zone)[slot] & ~ZNS_FAILING;
}
uint32_t zns_map_slot_die(const struct zns_flash *m, uint32_t zone, uint32_t slot);
struct nand_block *zns_map_state(const struct zns_flash *m, uint32_t zone, uint32_t slot);

/* Put another block in the place of a failed one; false: there is none, the slot is failing. */
bool zns_map_replace(struct zns_flash *m, uint32_t zone, uint32_t slot);

/* Drop failing slots; the zone has what is left. */
void zns_map_relay(struct zns_flash *m, uint32_t zone);

/* Set the blocks' pages as when `bytes`, whole units or all, had been programmed. */
void zns_map_settle(struct zns_flash *m, uint32_t zone, uint64_t bytes);
int zns_map_check(const struct zns_flash *m, struct err *e);

/* --- pipe.c --- */

void zns_pipe_init(struct zns_flash *m);

/* Cache has become free in a zone, or it takes no more at all: let in who waits. */
void zns_pipe_admit(struct zns_flash *m, struct zns_zone *z);
/* The zone is reset: its waiting writes go back, those on their way will. */
void zns_pipe_drop(struct zns_flash *m, struct zns_zone *z);
void zns_pipe_power_cut(struct zns_flash *m);

/* --- drain.c --- */

void zns_drain_init(struct zns_flash *m);
void zns_drain_rates(struct zns_flash *m);

/* Learn where a zone stands from its first write after a start. */
void zns_drain_know(struct zns_flash *m, struct zns_zone *z, uint64_t written);

/* Something of the zone may be ready for its dies. */
void zns_drain_pump(struct zns_flash *m, struct zns_zone *z);

/* The flash core gets a reset's chunks to do. */
void zns_drain_unmap(struct zns_flash *m, struct zns_job *job);

/* Erase what the zone's blocks hold, once nothing of it is at the dies any more. */
void zns_drain_erase(struct zns_flash *m, struct zns_zone *z);

/* A page read of the zone is over. */
void zns_drain_read_done(struct zns_flash *m, struct zns_zone *z);
void zns_drain_power_cut(struct zns_flash *m);

/* --- action.c --- */

void zns_job_start(struct zns_job *job, int64_t delay_ns);
void zns_job_done(struct zns_job *job);

/* The zone starts from nothing; what is at the dies is nobody's any more. Its blocks are to be erased. */
void zns_action_forget(struct zns_flash *m, struct zns_zone *z);

/* The zone's durable part has grown, or its units have left the dies. */
void zns_action_progress(struct zns_flash *m, struct zns_zone *z);
/* The flash core has done the last chunk. */
void zns_action_unmapped(struct zns_flash *m, struct zns_job *job);
/* The zone can't be written any more: what waits for it fails. */
void zns_action_zone_failed(struct zns_flash *m, struct zns_zone *z);
/* With FUA on a volatile cache: done when the zone's first `end` bytes are safe, and not before a time. */
void zns_action_flush_zone(struct zns_flash *m, struct zns_zone *z, uint64_t end, int64_t not_before_ns, struct io *io);

/* --- read.c --- */

void zns_read_init(struct zns_flash *m);
void zns_read_start(struct zns_flash *m, struct io *io);
void zns_read_end(struct zns_flash *m, struct io *io);    /* all parts are here: on to the host */
void zns_read_forget(struct zns_flash *m, uint32_t zone); /* its data is gone */
void zns_read_power_cut(struct zns_flash *m);

#endif
