/*
 * A drive: something that takes a struct io and completes it at a modelled
 * time. Kinds are rows of drive_kinds[]; each has one drive_ops.
 *
 * The wrappers here check ranges, stamp times and count; a kind's own
 * functions see only valid requests.
 *
 * One thread owns a drive and everything under it.
 */
#ifndef DRIVELAB_DRIVE_DRIVE_H
#define DRIVELAB_DRIVE_DRIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/opt.h"
#include "drive/io.h"
#include "drive/line.h"
#include "drive/zone.h"
#include "media/disk/disk.h"
#include "media/nand/nand.h"
#include "sim/sim.h"
#include "store/store.h"

struct json_t;
struct drive;

/* Section "drive": what all kinds share. */
struct drive_common_config {
    int kind;                   /* index into drive_kinds[] */
    char model[OPT_STRING_MAX]; /* model number reported to hosts */
    uint64_t capacity;          /* bytes a host can address */
    uint32_t lba_bytes;         /* block size of a new namespace, unless the controller is told another */
    uint64_t seed;
    bool huge_pages; /* memory store: back the payload with transparent huge pages */
};

/* Section "nossd": a drive without flash behind it. */
struct nossd_config {
    int64_t read_latency, write_latency;
    uint64_t read_bandwidth, write_bandwidth; /* bytes a second; 0 = unlimited */
};

/* Section "ssd": controller, write buffer and translation layer of a block SSD. */
struct ssd_config {
    int mapping;                      /* row of ftl kinds: page */
    uint64_t map_unit;                /* bytes that an entry of the map stands for */
    int partial;                      /* writes of part of a unit: wait, buffer, free */
    double partial_percent;           /* of the write buffer, that wait for the rest of their unit */
    uint64_t read_piece;              /* bytes that flash is read in */
    double op_percent;                /* spare factor: (physical - capacity) / capacity at least this */
    char plane_order[OPT_STRING_MAX]; /* permutation of C, L, P (channel, LUN, plane), fastest first */
    int placement;                    /* next, fixed */
    uint64_t write_buffer;            /* bytes; 0 = write through */
    bool volatile_cache; /* buffer is lost at a power cut and reported as VWC; else it is power-loss protected */
    int64_t read_firmware, write_firmware; /* controller time added per command */
    int64_t buffer_hit;                    /* read served from the write buffer */
    int64_t unmapped_read;                 /* read of a block that was never written */
    uint64_t host_bandwidth;               /* host link, bytes a second per direction; 0 = unlimited */
    int64_t gather_time;                   /* of the channel, for each further page read of a request */
    int gc_policy;                         /* row of victim policies: greedy, fifo, random, dchoices */
    uint32_t gc_choices;                   /* of dchoices */
    double gc_start_percent, gc_stop_percent, gc_urgent_percent; /* free blocks per plane, % of its blocks */
    bool gc_background;
    uint32_t streams;            /* heats of data that are kept in blocks of their own */
    int precondition;            /* none, sequential, striped, random */
    double precondition_percent; /* share of the capacity written */
};

/* Section "zns": the zones as hosts see them. */
struct zns_config {
    uint64_t zone_size;            /* bytes, distance of zone starts */
    uint64_t zone_capacity;        /* bytes that can be written where no blocks are bad; at most zone_size */
    uint32_t max_active, max_open; /* per namespace; 0 = no limit */
    bool auto_close;               /* close an implicitly opened zone when another needs its place */
    uint64_t append_limit;         /* bytes; 0: as the largest transfer */
    bool read_across, variable_capacity, excursions;
    uint32_t extension_bytes;
    uint32_t zrwa_zones;
    uint64_t zrwa_bytes, zrwa_granularity;
    bool zrwa_explicit_flush;
    int64_t finish_recommend_after, reset_recommend_after, finish_after; /* 0 = never; the last needs excursions */
};

/* Section "zns" too: flash, caches and firmware under the zones. */
struct zns_media_config {
    uint32_t dies_per_zone; /* 0: all */
    uint32_t stripe_pages;  /* of each plane written to a die before the next die's turn; 0: one of each type */
    uint64_t zone_cache;    /* bytes of write cache of an open zone */
    bool volatile_cache;
    bool part_blocks;        /* zones need not fill their blocks */
    bool in_order;           /* commands wait behind writes that wait for cache */
    uint64_t host_bandwidth; /* host link, bytes a second per direction; 0 = unlimited */
    /* writes: command core, data in, command core, answer */
    uint64_t write_unit;                     /* bytes that data is moved and counted in */
    int64_t write_command, write_unit_time;  /* of the command core: per command, per unit */
    int64_t write_accept;                    /* of the command core: once the data is in */
    int64_t write_answer, append_answer;     /* after that, in parallel */
    int64_t append_command, partial_unit;    /* of the command core, more than a write; for part of a unit */
    int64_t first_write, part_block;         /* opening a zone; less than 4 KiB of a 4 KiB block */
    uint64_t drain_bandwidth, pad_bandwidth; /* of the flash core, host data and padding; 0 = unlimited */
    /* reads */
    int64_t read_firmware, read_command; /* in parallel; of the way out to the host */
    int64_t cache_read, unmapped_read;
    uint64_t read_unit;          /* bytes the array reads at once, at most; 0: a page */
    uint64_t read_ahead;         /* bytes ahead of a single sequential stream; 0: never */
    uint64_t read_ahead_command; /* memory of it that each command it serves takes */
    int64_t read_ahead_hit;      /* in parallel */
    /* zone actions */
    int64_t nothing, zone_open, zone_close;
    int64_t finish_empty, finish_time;
    int64_t reset_time;                         /* in parallel */
    uint64_t reset_chunk;                       /* bytes of a zone whose mapping goes at a time */
    int64_t reset_chunk_time, reset_chunk_wait; /* of the flash core; in parallel */
};

enum hdd_read_ahead_to { HDD_AHEAD_AMOUNT, HDD_AHEAD_TRACK, HDD_AHEAD_TRACKS };

/* Section "hdd": a hard disk's mechanics and its electronics. */
struct hdd_config {
    struct disk_config disk;
    struct opt_times read_hit, read_miss, write_hit, write_miss; /* overhead after a read, after a write */
    int64_t read_answer;                                         /* from a read's last byte to its completion */
    uint64_t bus_bandwidth;                                      /* bytes a second; 0 = unlimited */
    bool bus_overlap;                                            /* data crosses while the head still reads */
    double bus_mark;                                             /* % of a read, from when that much is there */
    uint32_t queue_depth;
    bool ide, write_cache; /* ide: by Linux's driver for such */
    uint32_t read_segments, write_segments;
    uint64_t segment_bytes, read_ahead;
    int read_ahead_to; /* enum hdd_read_ahead_to */
    bool read_ahead_on_hit, hits_stop_read_ahead, read_before;
    uint64_t read_ahead_least;   /* behind a read that goes on where one of the last ... */
    uint32_t read_ahead_streams; /* ... so many ended */
    double pressure_percent;     /* of the write segments; above, writing back competes with reads */
    int64_t write_back_age;
};

/* Everything a profile can say about a drive; unused sections keep their defaults. */
struct drive_config {
    char name[OPT_STRING_MAX]; /* profile it came from */
    struct drive_common_config drive;
    struct nossd_config nossd;
    struct nand_config nand;
    struct ssd_config ssd;
    struct zns_config zns;
    struct zns_media_config zns_media;
    struct hdd_config hdd;
};

/* What hosts and the layers above need to know. */
struct drive_limits {
    uint64_t capacity;    /* bytes */
    uint32_t granularity; /* bytes below which a write costs a read-modify-write; power of two */
    uint32_t trim_granularity;
    uint32_t optimal_write_bytes; /* stripe that keeps all dies busy */
    bool volatile_cache;
    bool rotational;
    uint16_t rpm;         /* of the spindle; 0: none, or not known */
    uint32_t queue_depth; /* commands it takes at once; 0: as many as come */
    bool looked_ahead;    /* Linux's driver chooses a command before the drive has room for it */
};

/* For SMART and Identify. */
struct drive_health {
    uint8_t percent_used; /* 0..255, wear against endurance */
    uint8_t spare_percent, spare_threshold;
    bool read_only; /* end of life reached */
    uint64_t media_bytes_written, media_bytes_read, media_errors;
};

struct drive_ops {
    const char *name;
    const char *summary;
    const char *const *sections;            /* option sections the kind reads besides "drive"; NULL-terminated */
    void (*resolve)(struct drive_config *); /* work out what is left to the drive; NULL: nothing ever is */
    /* Check the whole configuration and describe what shapes an image as text (two calls agree <=> same image). */
    int (*check)(const struct drive_config *, struct err *);
    void (*identity)(const struct drive_config *, char *text, unsigned size);
    struct drive *(*create)(const struct drive_config *, struct sim *, struct store *, bool fresh, struct err *);
    void (*destroy)(struct drive *);
    void (*submit)(struct drive *, struct io *); /* done() never from inside */
    void (*limits)(const struct drive *, struct drive_limits *);
    void (*health)(const struct drive *, struct drive_health *);
    void (*power_cut)(struct drive *); /* lose what a real drive would lose, forget all requests in flight */
    bool (*mapped)(const struct drive *, uint64_t offset, uint64_t bytes); /* any part written? */
    struct json_t *(*stats)(const struct drive *);
    int (*check_state)(const struct drive *, struct err *); /* self-check of all invariants */
    const struct drive_zoned_ops *zoned;                    /* NULL: not a zoned drive */
    void (*reconfigured)(struct drive *); /* drive->config has new values of runtime options; NULL: no need to know */
    struct nand *(*nand)(struct drive *); /* the flash, for faults; NULL: has none */
    struct disk_arm *(*arm)(struct drive *);               /* for watching; NULL: has none */
    void (*expect)(const struct drive *, uint64_t offset); /* see drive_expect(); NULL: no use for it */
};

extern const struct drive_ops *const drive_kinds[]; /* NULL-terminated */

/*
 * Who wants to see every request: when it reaches the drive, before it is
 * checked, and when it is answered. `submitted` may set io->stages. Either may
 * be NULL.
 */
struct drive_tap {
    void (*submitted)(struct drive_tap *, struct io *);
    void (*completed)(struct drive_tap *, struct io *);
};

/*
 * What stands between callers and the drive: the block layer with its I/O
 * scheduler. `submit` gets requests that are checked, stamped and counted, and
 * ends each in drive_complete(); never from inside.
 */
struct drive_front {
    void (*submit)(struct drive_front *, struct io *);
    void (*plug)(struct drive_front *, uint32_t owner); /* this owner sends several: gather them */
    void (*unplug)(struct drive_front *, uint32_t owner);
    void (*gone)(struct drive_front *, uint32_t owner); /* nothing more will come from it */
    void (*power_cut)(struct drive_front *);            /* forget all requests */
    struct json_t *(*stats)(struct drive_front *);
};

/* The embedded part of every drive. */
struct drive {
    const struct drive_ops *ops;
    struct sim *sim;
    struct store *store;
    struct drive_config config;
    uint64_t capacity;
    uint64_t inflight;
    uint64_t ios[IO_OPS], bytes[IO_OPS], failed;
    uint64_t bare;               /* failed without a reason; stays 0 */
    struct io_line early;        /* requests answered without reaching the kind */
    struct drive_flush *flushes; /* store flushes under way */
    struct hist *latency;        /* by operation, once drive_measure() was called */
    struct drive_tap *tap;       /* NULL: nobody; set by the one who wants it */
    struct drive_front *front;   /* NULL: requests go to the kind at once */
};

/*
 * Start a configuration: defaults for all sections bound into `set`. Which
 * sections the kind reads is known after the profile: drive_config_check().
 */
int drive_config_init(struct drive_config *config, struct opt_set *set, struct err *e);

/*
 * Replace values that say "as needed" (nand.blocks=0 of an ssd) by what they come to; those that come to nothing
 * possible stay. drive_config_check() and drive_open() do it for themselves; the configuration of a drive has the
 * result.
 */
void drive_config_resolve(struct drive_config *config);

/* Whole-configuration check (geometry against capacity and so on): 0 or -EINVAL naming options, values and limits. */
int drive_config_check(const struct drive_config *config, struct err *e);

/*
 * Open the store of `kind` ("memory", "file", "none"; `path` for file) and the
 * drive on it. NULL with `e` filled. drive_close() closes both, durably.
 */
struct drive *drive_open(const struct drive_config *config, const char *store_kind, const char *path, struct sim *sim,
                         struct err *e);
void drive_close(struct drive *drive);

/* Hand a request to the drive; io->done() is called later, exactly once, never from inside this call. */
void drive_submit(struct drive *drive, struct io *io);

/*
 * A request that begins at `offset`, at most the capacity, will probably come
 * soon. Whoever knows says so, and the drive may fetch from memory what it will
 * look at. Changes nothing but the time this takes.
 */
static inline void drive_expect(const struct drive *drive, uint64_t offset) {
    if (drive->ops->expect)
        drive->ops->expect(drive, offset);
}

/*
 * For the front: hand a request of its own (IO_CARRIER) to the kind, which
 * stands for one or more that drive_submit() was given. Only its done() is
 * called: whom it stands for is counted when the front completes them.
 */
void drive_forward(struct drive *drive, struct io *carrier);

/* The requests of `owner` up to drive_unplug() may be gathered before they are sent on; pairs nest. */
static inline void drive_plug(struct drive *drive, uint32_t owner) {
    if (__builtin_expect(drive->front != NULL, 0))
        drive->front->plug(drive->front, owner);
}
static inline void drive_unplug(struct drive *drive, uint32_t owner) {
    if (__builtin_expect(drive->front != NULL, 0))
        drive->front->unplug(drive->front, owner);
}

/* The process has ended: I/O schedulers don't wait for more from it. */
static inline void drive_owner_gone(struct drive *drive, uint32_t owner) {
    if (__builtin_expect(drive->front != NULL, 0))
        drive->front->gone(drive->front, owner);
}

/* For kinds: complete a request now (from an event): stamps, counts, calls done(). */
void drive_complete(struct drive *drive, struct io *io);

/*
 * Take over the runtime options of `config` (rows with `runtime`; the others
 * are not looked at). 0, or -EINVAL with `e` and nothing changed: they don't
 * fit the whole.
 */
int drive_reconfigure(struct drive *drive, const struct drive_config *config, struct err *e);

/* True if the drive's kind reads options of this section. */
bool drive_reads_section(const struct drive *drive, const char *section);

/* The drive's flash, or NULL. */
struct nand *drive_nand(struct drive *drive);

/* The arm of a hard disk, or NULL. */
struct disk_arm *drive_arm(struct drive *drive);

/* Record latencies from now on, from nothing; drive_stats() shows them. 0 or -ENOMEM. */
int drive_measure(struct drive *drive);

void drive_limits(const struct drive *drive, struct drive_limits *limits);
void drive_health(const struct drive *drive, struct drive_health *health);
void drive_power_cut(struct drive *drive);
bool drive_mapped(const struct drive *drive, uint64_t offset, uint64_t bytes);

/* New JSON object with everything the drive counted: "host", "nand", "ftl", "write_amplification"... Caller owns it. */
struct json_t *drive_stats(const struct drive *drive);
int drive_check_state(const struct drive *drive, struct err *e);

#endif
