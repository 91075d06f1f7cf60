/*
 * A block SSD: requests (ssd.c, read.c, write.c, trim.c), write buffer (buffer.c),
 * translation layer (ftl/) on NAND.
 *
 *   write: link in -> room in the buffer -> answer ... page by page to flash
 *   read:  buffer or flash pages -> link out -> answer
 */
#ifndef DRIVELAB_DRIVE_SSD_H
#define DRIVELAB_DRIVE_SSD_H

#include "drive/drive_int.h"
#include "drive/line.h"
#include "drive/ssd/buffer.h"
#include "drive/ssd/ftl/ftl.h"

/* A page read for a request, or a page program from the buffer. */
struct ssd_op {
    struct nand_op nand;
    struct ssd_op *next;
    struct ssd *ssd;
    struct io *io; /* read */
    uint32_t ppu;
    uint32_t slot;        /* read to fill this slot, for nobody if there is no `io`; or SLOT_NONE */
    struct ftl_page page; /* program */
    uint32_t count;
    uint32_t slots[FTL_PAGE_UNITS_MAX];
};

struct ssd_op_slab;

/* Durable counters: they live as long as the image. */
struct ssd_life {
    uint64_t bytes_written, bytes_read; /* on flash */
    uint64_t media_errors;
};

struct ssd_counters {
    uint64_t buffer_read_units, buffer_write_units; /* served by, coalesced in the buffer */
    uint64_t unmapped_read_units;
    uint64_t stalls; /* writes that waited for room */
    uint64_t fill_reads;
    uint64_t missing_bytes; /* of units that were written in part */
    uint64_t buffer_peak;
};

struct ssd {
    struct drive drive; /* first */
    struct store *store;
    struct sim *sim;
    bool payload, undo, write_through;
    bool fixed;             /* each unit has its plane */
    bool fills;             /* the rest of units that are written in part is read */
    bool late;              /* parts of units are answered before the rest is read */
    uint32_t read_piece;    /* bytes that flash is read in */
    uint32_t partial_limit; /* slots that may then wait for it */
    struct ftl ftl;
    struct wbuf buffer;
    struct ssd_life *life;

    struct io_link link_in, link_out;
    struct io_line buffered, unmapped;  /* reads before the link: constant delays */
    struct io_line reads, writes, rest; /* due answers */

    struct io *wait_head, *wait_tail;   /* writes that wait for room */
    struct io *flush_head, *flush_tail; /* flushes that wait for older writes */
    struct io *trim_head, *trim_tail;   /* long deallocations under way */
    struct sim_event trim_event;

    struct ssd_op *op_free;
    struct ssd_op_slab *slabs;
    struct ssd_counters count;
    bool was_read_only;
};

static inline struct ssd *ssd_of(const struct drive *drive) {
    return (struct ssd *)drive;
}

/* --- ssd.c --- */

struct ssd_op *ssd_op_new(struct ssd *s);
void ssd_op_free(struct ssd_op *op);
void ssd_ops_reset(struct ssd *s);

/* --- read.c --- */

void ssd_read(struct ssd *s, struct io *io);
void ssd_read_lines_init(struct ssd *s);

/* Read what a FILLING slot has not of its unit, for `io` or for nobody. False: no memory. */
bool ssd_fill(struct ssd *s, struct io *io, uint32_t slot, uint32_t ppu);

/* --- write.c --- */

void ssd_write(struct ssd *s, struct io *io);
void ssd_flush(struct ssd *s, struct io *io);

/* A part of a write ended: the acceptance, a fill, or a version on flash. */
void ssd_write_part(struct ssd *s, struct io *io);
void ssd_slot_filled(struct ssd *s, uint32_t slot);

/* Kill a slot whose version was overtaken, and answer who waits for it. */
void ssd_slot_kill(struct ssd *s, uint32_t slot);

/* Answer a request after the controller's time; the first because the drive is read-only. */
void ssd_refuse(struct ssd *s, struct io *io);
void ssd_answer(struct drive *drive, struct io *io);

/* Move on whatever can: buffer to flash, waiting writes to the buffer, flushes to their ends. */
void ssd_pump(struct ssd *s);

/* --- trim.c --- */

void ssd_trim_init(struct ssd *s);
void ssd_trim(struct ssd *s, struct io *io);
void ssd_trim_reset(struct ssd *s); /* forget what is under way */

/* --- power.c --- */

void ssd_power_cut(struct drive *drive);

/* After a recovery: what found no room on flash goes to the write buffer. */
void ssd_adopt_homeless(struct ssd *s);

/* --- precondition.c --- */

int ssd_precondition(struct ssd *s, struct err *e);

/* --- health.c --- */

void ssd_health(const struct drive *drive, struct drive_health *health);
struct json_t *ssd_stats(const struct drive *drive);

extern const struct drive_ops ssd_ops;

/* --- */

/* Bits of the 4 KiB of a unit that are whole within `bytes` from `in_unit` on. */
static inline uint16_t ssd_whole_sectors(uint32_t in_unit, uint32_t bytes) {
    uint32_t first = (in_unit + FTL_SECTOR_BYTES - 1) >> FTL_SECTOR_SHIFT, end = (in_unit + bytes) >> FTL_SECTOR_SHIFT;
    return end > first ? (uint16_t)(((1u << (end - first)) - 1) << first) : 0;
}

#endif
