/*
 * Payload that says what it is: filled when written, checked when read.
 *
 * Each piece (verify_interval, else a request) carries a header with its place,
 * its length, the number of the write and a CRC-32C of the rest; verify=pattern
 * has the pattern alone. A history of the writes says which number is due where.
 *
 * Source: fio(1), verify. Simplified: one checksum for all of fio's names, as
 * it is never seen outside. Units: bytes of the drive.
 */
#ifndef DRIVELAB_LOAD_VERIFY_H
#define DRIVELAB_LOAD_VERIFY_H

#include <stddef.h>

#include "load/job.h"

#define VERIFY_HEADER_BYTES 40

/* Fill `bytes` at `offset` of the drive, for write `number` of the job. */
void verify_fill(const struct job *job, uint64_t offset, void *data, uint64_t bytes, uint64_t number);

#define VERIFY_ANY UINT64_MAX /* any number is right */

/* 0, or -EILSEQ with `text` (of `size`) saying which byte of what is wrong. data NULL: there is no payload, an error.
 */
int verify_check(const struct job *job, uint64_t offset, const void *data, uint64_t bytes, uint64_t number, char *text,
                 size_t size);

/* Writes in order, and which of them is the latest on each block. */
struct history {
    struct history_write {
        uint64_t offset;
        uint32_t bytes;
    } * write;
    uint32_t count, room;
    uint64_t base, unit, units;
    uint32_t *latest; /* per unit: number of the write + 1; 0: none */
};

#define HISTORY_WRITES_MAX (UINT32_MAX - 2)

/* For a region; unit divides every offset in it and every length. 0 or -ENOMEM. */
int history_init(struct history *h, uint64_t offset, uint64_t size, uint64_t unit);
void history_release(struct history *h);

/* Note a write; its number, or -ENOMEM (also: too many). */
int64_t history_add(struct history *h, uint64_t offset, uint64_t bytes);

/* It turned out that a write went elsewhere. */
void history_move(struct history *h, uint32_t number, uint64_t offset);

/* What was there is gone (trimmed, or a failed write). */
void history_forget(struct history *h, uint64_t offset, uint64_t bytes);

/* Whether the write is still whole: nothing later on any of its blocks. */
bool history_intact(const struct history *h, uint32_t number);

/* All again from the start. */
void history_clear(struct history *h);

#endif
