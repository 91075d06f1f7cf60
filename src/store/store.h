/*
 * Bytes: the payload of a drive, and the state that outlives the process.
 *
 * The payload is addressed by logical byte offset, so a drive's mapping decides
 * time, never which bytes a host reads back. Rows: memory (anonymous, sparse),
 * file (one sparse image, state used in place), none (no payload: virtual-time
 * runs; state in memory).
 *
 * A file image that loses blocks under the running program (cut short by
 * someone, disk failing) ends the program with one line: a mapping has no other
 * way to say it.
 *
 * Killing the process at any instant leaves an image that the next start
 * accepts: payload and state are shared mappings of the file. Only
 * store_flush() makes them survive the loss of the machine.
 *
 * Threads: all calls on the drive's thread; store_flush() completes there too.
 */
#ifndef DRIVELAB_STORE_STORE_H
#define DRIVELAB_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "sim/sim.h"

struct store;

#define STORE_BYTES_MAX (1ull << 50) /* of the payload, and of a state area */

struct store_config {
    const char *kind;     /* "memory", "file", "none" */
    const char *path;     /* file: the image */
    uint64_t bytes;       /* payload capacity, at most STORE_BYTES_MAX */
    const char *identity; /* what the image is of: drive kind and every option that shapes it, as text;
                             an image with another identity is refused, both texts shown */
    bool huge_pages;      /* memory: advise transparent huge pages */
};

/*
 * Open or create (also where an empty file is). `sim` may be NULL: flushes are
 * then done in the call. NULL with `e` filled: foreign, newer, truncated, damaged or
 * locked image, wrong identity, no space. *created says whether it is new. Who gets
 * a new store fills in what belongs there from the start, then says
 * store_made(): an image that was left behind before that, by a process or
 * machine that died, is made anew by the next open.
 */
struct store *store_open(const struct store_config *config, struct sim *sim, bool *created, struct err *e);

/*
 * A new store is complete. Makes what is there durable. 0, or -errno with `e`:
 * it does not count as made. store_close() means the same.
 */
int store_made(struct store *store, struct err *e);

/*
 * Durable close: flushes a file image. NULL is allowed. Flushes still under way
 * are forgotten, their done is not called.
 */
void store_close(struct store *store);

/* As store_close() for a new store that nobody came to use: its image is removed. */
void store_remove(struct store *store);

const char *store_kind(const struct store *store);
uint64_t store_bytes(const struct store *store);
bool store_has_payload(const struct store *store);
bool store_is_durable(const struct store *store); /* state is still there after store_close() */

/*
 * The payload's bytes [offset, offset+len), valid until store_close(). Never
 * written bytes read as zero. NULL if the store keeps no payload. The range
 * must lie inside the capacity (checked: NULL otherwise).
 */
void *store_map(struct store *store, uint64_t offset, size_t len);

/*
 * Call before writing to a range of the payload. A sparse image on a full file
 * system would otherwise end the process at the write (SIGBUS). Returns 0 if
 * the range is sure to have space, -EINVAL outside the capacity, or why there
 * is none: -ENOSPC, -EDQUOT, -EIO. Cheap when reserved before (a bit per
 * STORE_CHUNK_BYTES); always 0 for memory and none. A discard ends it.
 */
int store_reserve(struct store *store, uint64_t offset, uint64_t len);
#define STORE_CHUNK_BYTES (1u << 20)

/*
 * Make a range read as zero and give its space back where whole pages allow.
 * Returns 0 or -errno; -EINVAL outside the capacity. Without payload: nothing.
 */
int store_discard(struct store *store, uint64_t offset, uint64_t len);

/*
 * What is known of the payload without reading it: *hole, whether it reads as
 * zero from `offset` on because nobody wrote there or it was discarded, and how
 * far that or its opposite holds, at most `len`. What isn't known is no hole. 0
 * outside the capacity.
 */
uint64_t store_extent(const struct store *store, uint64_t offset, uint64_t len, bool *hole);

/* STORE_ZEROS_BYTES of zeros for reads of what was never written: no page fault, no sparse page behind it. */
const void *store_zeros(void);
#define STORE_ZEROS_BYTES (128u << 10)

/* One asynchronous flush; embedded in its owner. */
struct store_flush {
    void (*done)(struct store_flush *, int error); /* 0 or -errno; on the loop of `sim` */
    struct store_flush *next;                      /* the store's own */
    uint64_t ticket;                               /* the store's own */
};

/*
 * Make everything written before this call (payload and state) durable, then
 * call done. Memory and none: done is called before this returns.
 */
void store_flush(struct store *store, struct store_flush *flush);

/*
 * A named, versioned area of durable state, used in place; page-aligned, zero
 * when fresh. Memory and none keep it in sparse memory. NULL with `e` filled if
 * an existing area has another size or version. Names have at most
 * STORE_NAME_MAX characters. Valid until store_close().
 */
#define STORE_NAME_MAX 31
void *store_state(struct store *store, const char *name, uint32_t version, uint64_t bytes, bool *fresh, struct err *e);

/*
 * As store_reserve(), for `len` bytes at `at` inside an area. Needed only for
 * areas larger than STORE_RESERVED_MAX; smaller ones have their space from the start.
 */
int store_state_reserve(struct store *store, const void *at, uint64_t len);
#define STORE_RESERVED_MAX (64ull << 20)

/*
 * How many of the `len` bytes at `at`, inside an area, are known to be zero
 * without looking: nobody ever wrote there. For scans of sparse areas; memory
 * and none know nothing (0).
 */
uint64_t store_state_hole(const struct store *store, const void *at, uint64_t len);

/*
 * Whether the last user closed properly (a new store: true); cleared on open, set by store_close().
 * After an unclean stop a drive rebuilds what it derives from its state.
 */
bool store_was_clean(const struct store *store);

#endif
