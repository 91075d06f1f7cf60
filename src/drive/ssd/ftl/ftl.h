/*
 * The translation layer of a block SSD: where each mapping unit lies, which
 * blocks are free, and how garbage is collected. It knows nothing of requests
 * or buffers; ssd/ asks it where to write and tells it what was written.
 *
 * Addresses. A logical unit (lpn) is 4 KiB of the host's space, or ssd.map_unit. A physical unit
 * (ppu) packs block index, page and unit within the page, block strides being
 * rounded up to a power of two so that no division is needed. A block index is
 * the NAND's: ((die * planes) + plane) * blocks + block.
 *
 * States of a block:
 *
 *   FREE -> OPEN -> CLOSING -> FULL -> VICTIM -> DRAINING -> ERASING -> FREE
 *             \_______\_______ FAILED ____|          |          |
 *              (program failed)   (program failed) DEAD <-------+ (erase failed)
 *
 *   FREE -> OPEN: ftl_take_page   OPEN -> CLOSING: its last page was taken, or
 *   a program failed   CLOSING -> FULL: no program under way   FULL -> VICTIM:
 *   gc picks it (CLOSING -> FAILED -> VICTIM: a block of which a program failed)
 *   VICTIM -> DRAINING: all its valid pages are read   DRAINING ->
 *   ERASING or DEAD: nothing valid and no copy left. (Host reads of it may still
 *   be queued: on its die none is passed by a younger erase.)
 *
 * Invariants (ftl_check() verifies them):
 *  1. The logical map is the truth: unit p is valid iff map[owner[p]] == p + 1.
 *  2. block.valid counts its valid units; only programmed pages hold any.
 *  3. A plane's heap holds exactly its FREE blocks, youngest (fewest erases) first.
 *  4. Of each plane's streams the open block is OPEN, and no other block is.
 *  5. Host streams leave a plane as many free blocks as there are heats:
 *     collection always has room for one victim, in blocks of another heat if
 *     need be.
 *  6. A group's bits in `ready` say what its planes' streams and free blocks do.
 *  7. The owners of a block that is `by_rule` follow from where its units lie; owner[] has them once it is collected.
 *     As long as all its units are valid, valid[] has none of their bits either.
 */
#ifndef DRIVELAB_DRIVE_SSD_FTL_H
#define DRIVELAB_DRIVE_SSD_FTL_H

#include "base/rng.h"
#include "drive/drive.h"

/* The smallest mapping unit, in which flash is read, too. */
enum { FTL_SECTOR_SHIFT = 12, FTL_SECTOR_BYTES = 1 << FTL_SECTOR_SHIFT };
enum { FTL_UNIT_BYTES_MAX = 16 * FTL_SECTOR_BYTES, FTL_PAGE_UNITS_MAX = 16, FTL_PROGRAM_DEPTH = 2 };
enum { FTL_HEATS_MAX = 8 };

/* What a logical unit maps to; everything else is a physical unit + 1. Zero, so that an untouched table is an empty
 * map.
 */
#define FTL_UNMAPPED  0u
#define FTL_LOST      0xfffffffeu /* its only copy could not be read */
#define FTL_BUFFERED  0xffffffffu /* written, never programmed */
#define FTL_UNITS_MAX 0xfffffffcu
#define FTL_NONE      0xffffffffu

static inline bool ftl_on_flash(uint32_t entry) {
    return entry - 1 < FTL_LOST - 1;
}

/* Who writes into an open block; each heat has a stream for both: 2 * heat + this. */
enum { FTL_STREAM_HOST, FTL_STREAM_GC, FTL_STREAMS_MAX = 2 * FTL_HEATS_MAX };

static inline unsigned ftl_stream(unsigned heat, unsigned writer) {
    return 2 * heat + writer;
}

/* Blocks a plane can't fill: those of the host's and the collector's streams, and one in reserve, of each heat. */
static inline uint32_t ftl_spare_min(const struct ssd_config *c) {
    return 3 * c->streams;
}

enum ftl_block_state {
    BLOCK_FREE,
    BLOCK_OPEN,
    BLOCK_CLOSING,
    BLOCK_FULL,
    BLOCK_FAILED,
    BLOCK_VICTIM,
    BLOCK_DRAINING,
    BLOCK_ERASING,
    BLOCK_DEAD
};

struct ftl_block {
    uint32_t valid;
    uint16_t copying;     /* units read from here by the collector, not yet settled */
    uint8_t programs : 4; /* under way */
    uint8_t heat : 4;     /* of the stream that it was opened for */
    uint8_t state : 7;    /* enum ftl_block_state */
    uint8_t by_rule : 1;  /* filled by ftl_ops.fill(), and owner[] does not say with what */
};

struct ftl_copy {
    uint32_t lpn, from;
};

/* The FULL blocks of one heat in a plane, arranged as its victim policy needs them; see victim.c. */
struct ftl_candidates {
    uint32_t count;
    uint32_t least; /* greedy: no ring below this number of units has a member */
    uint64_t valid; /* units in them */
    uint32_t *list;
    struct {
        uint32_t prev, next;
    } * link; /* by block number */
};

/* Free blocks, streams and collection of one plane. */
struct ftl_plane {
    uint32_t first_block; /* block index of its block 0 */
    uint32_t place;       /* in allocation order */
    uint32_t group;       /* its place among the groups in allocation order */
    uint16_t die;
    uint8_t plane;
    bool collecting, gc_urgent, stuck;
    bool scraping;       /* victims with hardly any garbage are collected until a block is gained */
    bool starved;        /* short of free blocks without a victim worth collecting */
    uint32_t good;       /* blocks not bad */
    uint32_t free_count; /* of heap[] */
    uint32_t *heap;      /* block numbers, least erased first */
    uint32_t coming;     /* good blocks DRAINING or ERASING: soon free */
    uint32_t erasing;
    uint32_t bad_full; /* FAILED blocks: what they hold must move */
    struct ftl_candidates candidates[FTL_HEATS_MAX];
    struct {
        uint32_t block, page; /* block number or FTL_NONE; next page to take */
        uint32_t programs;    /* under way */
    } open[FTL_STREAMS_MAX];
    uint32_t gc_programs;          /* of them, in collection streams */
    uint32_t mixed;                /* all copies go to this heat, as room is short; or FTL_NONE */
    uint32_t victim, scan;         /* block number or FTL_NONE; next page to look at */
    uint32_t gc_reads, gc_reading; /* operations and units */
    uint32_t copies;               /* units waiting to be programmed, of all heats */
    struct {
        uint32_t count;
        struct ftl_copy *copy;
    } waiting[FTL_HEATS_MAX];
};

/* What reads ask of a plane, whose struct is too large for a cache to hold them all. */
struct ftl_site {
    uint16_t die;
    uint8_t plane;
};

struct ftl_counters {
    uint64_t host_units, gc_units, pad_units; /* units programmed by cause */
    uint64_t gc_runs, victim_valid;           /* victims and the valid units they held */
    uint64_t gc_stale;                        /* copies overwritten on their way */
    uint64_t lost_units;
    uint64_t heat_units[FTL_STREAMS_MAX]; /* programmed by stream */
};

struct heat;
struct ftl_op; /* a read, program or erase of the collector */

struct ftl {
    const struct ftl_ops *ops;
    const struct gc_policy *policy;
    const struct ssd_config *config;
    struct nand *nand;
    const struct nand_config *geometry;
    struct nand_block *state; /* durable, shared with the NAND */
    uint64_t planes, total_blocks;
    uint32_t units;                  /* logical */
    uint32_t unit_shift, unit_bytes; /* of what an entry of the map stands for */
    uint32_t page_units, page_shift, block_shift, block_units;
    uint32_t gc_start, gc_stop, gc_urgent;
    uint64_t blocks_recip, planes_recip, pages_recip; /* of blocks of a plane, planes, pages: see ftl_divide() */

    struct store *store;
    uint32_t *map;         /* durable: lpn -> entry */
    uint8_t *map_pages;    /* durable: which 4 KiB pages of map[] were ever written */
    struct leaves *leaves; /* a large map that isn't durable: pages that are not in map[] but packed; or NULL */
    uint32_t *owner;       /* physical unit -> lpn, as written beside the data */
    uint64_t *valid;       /* bit per ppu */
    bool rule, bent;   /* pages of the map may be empty and its entries follow from a rule; some don't; see page.c */
    uint64_t mapped;   /* logical units with data */
    uint32_t homeless; /* units that recovery found FTL_BUFFERED and had no room for */
    struct ftl_block *blocks;
    struct ftl_plane *plane;
    char *tables; /* memory of blocks[], and of the planes' heaps and candidates */
    size_t tables_used;
    void *tables_mapped;
    size_t tables_bytes;   /* mapped */
    struct ftl_site *site; /* of each plane */

    uint32_t *order;      /* planes in allocation order */
    uint32_t group;       /* planes of a group take pages in step */
    uint64_t *ready;      /* for each heat a bit per group in allocation order: can take pages of the host's now */
    uint32_t ready_words; /* of each heat */
    uint32_t cursor[FTL_HEATS_MAX];
    uint32_t stalled; /* bit by heat: no plane could take a page when last asked */
    uint32_t running; /* programs, and reads and erases of the collector, under way */
    uint32_t starved; /* planes */

    struct ftl_op *op_free;
    struct ftl_op_slab *slabs;
    struct rng rng; /* of victim policies */

    uint32_t heats;    /* ssd.streams */
    struct heat *heat; /* NULL with one */

    bool read_only;
    int64_t spare_blocks_start; /* beyond what the capacity needs, when new */
    struct ftl_counters count;

    /* The owner hears when a plane may have become writable again. */
    void (*space)(struct ftl *);
};

/* A page to program. */
struct ftl_page {
    struct ftl_plane *plane;
    uint32_t block; /* block number in the plane */
    uint16_t page;
    uint16_t stream; /* that it was taken for */
    uint32_t ppu;    /* of its first unit */
};

/*
 * A mapping scheme. Block management (blocks.c) and collection (gc.c) are
 * common; a scheme decides what they are applied to.
 */
struct ftl_ops {
    const char *name, *doc;
    int (*init)(struct ftl *, struct store *, bool *fresh, struct err *);
    void (*release)(struct ftl *);
    uint32_t (*translate)(const struct ftl *, uint32_t lpn);    /* an entry, as above */
    void (*prefetch)(const struct ftl *, uint32_t lpn);         /* an entry will be needed soon */
    void (*prefetch_old)(const struct ftl *, uint32_t lpn);     /* it will be overwritten now: so will what it names */
    int (*reserve)(struct ftl *, uint32_t lpn, uint32_t count); /* make room for entries; 0 or -errno */
    void (*dense)(struct ftl *, uint32_t lpn, uint32_t count);  /* most of these are written soon, in any order */
    uint32_t (*fill)(struct ftl *, uint32_t count); /* new drive: as if the first units were written in order; how many
                                                       were, the caller writes the rest */
    bool (*plan)(struct ftl *, unsigned heat, struct ftl_page *); /* next host page; false: can't be written now */
    void (*commit)(struct ftl *, uint32_t lpn, uint32_t ppu);     /* lpn was programmed at ppu */
    void (*mark)(struct ftl *, uint32_t lpn, uint32_t entry);     /* an entry that is no place on flash */
    void (*trim)(struct ftl *, uint32_t lpn, uint32_t count);
    uint32_t (*seek)(const struct ftl *, uint32_t lpn, uint32_t end); /* nothing is mapped from lpn up to there */
    void (*collect)(struct ftl *, struct ftl_plane *);                /* advance collection as far as it goes now */
    int (*recover)(struct ftl *, struct err *); /* rebuild everything volatile from the durable tables */
    int (*check)(const struct ftl *, struct err *);
};

extern const struct ftl_ops *const ftl_kinds[]; /* NULL-terminated */

/* Victim selection. Blocks enter the index when they become FULL and leave it when they cease to be. */
struct gc_policy {
    const char *name, *doc;
    bool blind;                            /* takes blocks whatever garbage they hold */
    uint32_t (*lists)(const struct ftl *); /* size of candidates.list */
    void (*add)(const struct ftl *, struct ftl_plane *, uint32_t block);
    void (*remove)(const struct ftl *, struct ftl_plane *, uint32_t block);
    void (*changed)(const struct ftl *, struct ftl_plane *, uint32_t block, uint32_t was); /* valid units; or NULL */
    uint32_t (*pick)(struct ftl *, struct ftl_plane *, struct ftl_candidates *); /* a block number, or FTL_NONE */
};

extern const struct gc_policy gc_policies[]; /* ended by name == NULL */

/* --- addresses --- */

static inline uint32_t ftl_ppu(const struct ftl *f, const struct ftl_plane *p, uint32_t block, uint32_t page) {
    return ((p->first_block + block) << f->block_shift) | (page << f->page_shift);
}
static inline struct ftl_block *ftl_block_of(const struct ftl *f, uint32_t ppu) {
    return &f->blocks[ppu >> f->block_shift];
}
static inline uint32_t ftl_page_of(const struct ftl *f, uint32_t ppu) {
    return (ppu & ((1u << f->block_shift) - 1)) >> f->page_shift;
}
/* owner[] is packed, without the gaps between blocks that addresses have. */
static inline uint32_t *ftl_owner(const struct ftl *f, uint32_t ppu) {
    return f->owner + (uint64_t)(ppu >> f->block_shift) * f->block_units + (ppu & ((1u << f->block_shift) - 1));
}
/* n / d without a division (Lemire, Kaser and Kurz 2019: exact for 32 bits); `recip` is 2^64 / d rounded up, d > 1 */
static inline uint64_t ftl_recip(uint64_t d) {
    return UINT64_MAX / d + 1;
}
static inline uint32_t ftl_divide(uint32_t n, uint64_t recip) {
    return (uint32_t)(((unsigned __int128)recip * n) >> 64);
}
static inline struct ftl_plane *ftl_plane_of(const struct ftl *f, uint32_t block_index) {
    return &f->plane[ftl_divide(block_index, f->blocks_recip)];
}

/* Fill the address of a NAND operation on the page of `ppu`. */
void ftl_address(const struct ftl *f, uint32_t ppu, struct nand_op *op);

/* --- life --- */

int ftl_init(struct ftl *f, const struct drive_config *config, struct sim *sim, struct store *store, bool fresh,
             struct err *e);
void ftl_release(struct ftl *f);

/*
 * nand.blocks = 0 becomes the smallest number that carries the capacity, if there is one. It stays 0 otherwise, of
 * which ftl_config_too_large() complains.
 */
void ftl_config_resolve(struct drive_config *config);
int ftl_config_too_large(const struct drive_config *config, struct err *e);

/* Geometry against capacity; 0 or -EINVAL naming options. */
int ftl_config_check(const struct drive_config *config, struct err *e);
int ftl_check(const struct ftl *f, struct err *e);

/* The next part of `tables`; while they are not there yet it only counts, and returns NULL. */
void *ftl_table(struct ftl *f, size_t bytes);

/* --- blocks.c --- */

/* Empty heaps and streams, then sort blocks by their durable state; `valid` counts must be right. */
void ftl_blocks_rebuild(struct ftl *f);
bool ftl_stream_ready(const struct ftl *f, const struct ftl_plane *p, unsigned stream);

/* True if `ready` says of each group what its planes say. */
bool ftl_ready_check(const struct ftl *f);
void ftl_take_page(struct ftl *f, struct ftl_plane *p, unsigned stream, struct ftl_page *page);
bool ftl_plan_host(struct ftl *f, unsigned heat, struct ftl_page *page);

/* A program that ftl_take_page() began has ended; tell before its units are committed. */
void ftl_programmed(struct ftl *f, const struct ftl_page *page, bool ok);
void ftl_block_free(struct ftl *f, struct ftl_plane *p, uint32_t block);
void ftl_block_dead(struct ftl *f, struct ftl_plane *p, uint32_t block);

/* The first `count` blocks of a new plane are FULL of valid units. */
void ftl_blocks_fill(struct ftl *f, struct ftl_plane *p, uint32_t count);

/* The plane can't finish its collection: it takes no more writes. */
void ftl_give_up(struct ftl *f, struct ftl_plane *p);

/* True while collection of the plane should go on. */
bool ftl_wants_collection(const struct ftl *f, const struct ftl_plane *p);

/* Decide again whether the blocks left can carry the capacity, after a change in one plane (NULL: in any). */
void ftl_health_update(struct ftl *f, struct ftl_plane *changed);

/* Good blocks beyond those that the capacity and the streams need; negative: the capacity can't be kept. */
int64_t ftl_spare_blocks(const struct ftl *f);

/* Program and commit at once, without time; for recovery and preconditioning. False: no room. */
bool ftl_place_now(struct ftl *f, const uint32_t *lpn, uint32_t count);

/* --- victim.c --- */

void ftl_victims_init(struct ftl *f, struct ftl_plane *p);  /* its tables */
void ftl_victims_reset(struct ftl *f, struct ftl_plane *p); /* no candidates */
void ftl_victim_add(struct ftl *f, struct ftl_plane *p, uint32_t block);
void ftl_victim_remove(struct ftl *f, struct ftl_plane *p, uint32_t block);

/* The valid units of a FULL block were `was`. */
void ftl_victim_changed(struct ftl *f, uint32_t block_index, uint32_t was);

/* The block that is collected next if it is worth it, or FTL_NONE. `worthwhile` says so of a block. */
uint32_t ftl_victim_pick(struct ftl *f, struct ftl_plane *p,
                         bool (*worthwhile)(const struct ftl *, const struct ftl_plane *, uint32_t block));

/* Units that stand for the gain of collecting the block: its own garbage, or the candidates' if the policy is blind. */
uint64_t ftl_garbage(const struct ftl *f, const struct ftl_plane *p, uint32_t block);
int ftl_victims_check(const struct ftl *f, const struct ftl_plane *p, struct err *e);

/* --- heat.c: how often units are written --- */

int ftl_heat_init(struct ftl *f, struct store *store, struct err *e); /* 0 or -errno */
void ftl_heat_release(struct ftl *f);
void ftl_heat_reset(struct ftl *f); /* nothing is counted */
void ftl_heat_opened(struct ftl *f, uint64_t block, unsigned heat);
unsigned ftl_heat_of_block(const struct ftl *f, uint64_t block); /* for which it was last opened */
unsigned ftl_heat_written(struct ftl *f, uint32_t lpn);
unsigned ftl_heat_known(const struct ftl *f, uint32_t lpn);

/* What a unit of flash more is worth to the blocks of this heat; only to be compared. */
double ftl_heat_worth(const struct ftl *f, const struct ftl_plane *p, unsigned heat);

/* The heat of a unit, from 0 (cold); that the host writes now, or as it was left. */
static inline unsigned ftl_heat_now(struct ftl *f, uint32_t lpn) {
    return __builtin_expect(f->heats > 1, 0) ? ftl_heat_written(f, lpn) : 0;
}
static inline unsigned ftl_heat_of(const struct ftl *f, uint32_t lpn) {
    return __builtin_expect(f->heats > 1, 0) ? ftl_heat_known(f, lpn) : 0;
}

/* --- gc.c --- */

void ftl_collect(struct ftl *f, struct ftl_plane *p);

/* The last copy or valid unit of a draining block may have gone. */
void ftl_drained(struct ftl *f, uint32_t block_index);

/* Forget operations under way (after nand_power_cut()). */
void ftl_gc_reset(struct ftl *f);
void ftl_gc_release(struct ftl *f);

/* --- page.c --- */

extern const struct ftl_ops ftl_page_ops;

/* All units of a block that fill() left are valid; valid[] has their bits once it is collected or one of them goes. */
static inline bool ftl_untouched(const struct ftl *f, const struct ftl_block *b) {
    return b->by_rule && b->valid == f->block_units;
}
void ftl_valid_write(struct ftl *f, uint32_t block_index);

static inline bool ftl_valid(const struct ftl *f, uint32_t ppu) {
    if (ftl_untouched(f, ftl_block_of(f, ppu)))
        return (ppu & ((1u << f->block_shift) - 1)) < f->block_units;
    return f->valid[ppu >> 6] >> (ppu & 63) & 1;
}

/* A block that is to be collected gets its owners, if they follow from a rule so far. */
void ftl_owners_write(struct ftl *f, struct ftl_plane *p, uint32_t block);

/* Move lpn from one place to another, unless it was written meanwhile: then false. */
bool ftl_relocate(struct ftl *f, uint32_t lpn, uint32_t from, uint32_t to);

#endif
