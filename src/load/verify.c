/*
 * Filling and checking payload; see verify.h.
 */
#include "load/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/rng.h"

#define MAGIC UINT64_C(0x6c62766572696679)

/* Lies in the payload, in the machine's byte order: only this program reads it. */
struct header {
    uint64_t magic, offset, number;
    uint64_t bytes;
    uint32_t crc, reserved;
};
_Static_assert(sizeof(struct header) == VERIFY_HEADER_BYTES, "as job files are told");

static uint64_t piece_bytes(const struct job *job, uint64_t bytes) {
    return job->verify_interval && job->verify_interval < bytes ? job->verify_interval : bytes;
}

/* The pattern over and over; where the offset belongs, that of the piece. */
static void fill_pattern(const struct job *job, uint64_t offset, uint8_t *data, uint64_t bytes) {
    uint8_t pattern[sizeof(job->verify_pattern)];
    unsigned n = job->verify_pattern_bytes;
    memcpy(pattern, job->verify_pattern, n);
    for (unsigned i = 0; i < job->verify_offsets; i++)
        memcpy(pattern + job->verify_pattern_offset[i], &offset, sizeof(offset));
    for (uint64_t at = 0; at < bytes; at += n)
        memcpy(data + at, pattern, bytes - at < n ? bytes - at : n);
}

static void fill_random(uint64_t offset, uint64_t number, uint8_t *data, uint64_t bytes) {
    struct rng rng;
    rng_init(&rng, offset, number);
    for (uint64_t at = 0; at + 8 <= bytes; at += 8) {
        uint64_t word = rng_next(&rng);
        memcpy(data + at, &word, 8);
    }
}

/* Of the whole piece except the header. */
static uint32_t checksum(const struct job *job, const uint8_t *data, uint64_t bytes) {
    uint64_t after = job->verify_offset + VERIFY_HEADER_BYTES;
    uint32_t crc = crc32c_update(CRC32C_START, data, job->verify_offset);
    return crc32c_finish(crc32c_update(crc, data + after, bytes - after));
}

static void fill_piece(const struct job *job, uint64_t offset, uint8_t *data, uint64_t bytes, uint64_t number) {
    if (job->verify_pattern_bytes)
        fill_pattern(job, offset, data, bytes);
    else
        fill_random(offset, number, data, bytes);
    if (job->verify != JOB_VERIFY_HEADER)
        return;
    struct header h = {.magic = MAGIC, .offset = offset, .number = number, .bytes = bytes};
    h.crc = checksum(job, data, bytes);
    memcpy(data + job->verify_offset, &h, sizeof(h));
}

void verify_fill(const struct job *job, uint64_t offset, void *data, uint64_t bytes, uint64_t number) {
    uint64_t piece = piece_bytes(job, bytes);
    for (uint64_t at = 0; at < bytes; at += piece)
        fill_piece(job, offset + at, (uint8_t *)data + at, bytes - at < piece ? bytes - at : piece, number);
}

static int check_pattern(const struct job *job, uint64_t offset, const uint8_t *data, uint64_t bytes, char *text,
                         size_t size) {
    uint8_t want[sizeof(job->verify_pattern)];
    fill_pattern(job, offset, want, job->verify_pattern_bytes);
    for (uint64_t i = 0; i < bytes; i++)
        if (data[i] != want[i % job->verify_pattern_bytes]) {
            snprintf(text, size, "verify: byte %" PRIu64 " of the block at %" PRIu64 " is 0x%02x instead of 0x%02x", i,
                     offset, data[i], want[i % job->verify_pattern_bytes]);
            return -EILSEQ;
        }
    return 0;
}

static int check_piece(const struct job *job, uint64_t offset, const uint8_t *data, uint64_t bytes, uint64_t number,
                       char *text, size_t size) {
    struct header h;
    if (job->verify == JOB_VERIFY_PATTERN)
        return check_pattern(job, offset, data, bytes, text, size);
    memcpy(&h, data + job->verify_offset, sizeof(h));
    if (h.magic != MAGIC)
        snprintf(text, size, "verify: no header in the block at %" PRIu64 ": %016" PRIx64 " instead of %016" PRIx64,
                 offset, h.magic, MAGIC);
    else if (h.offset != offset || h.bytes != bytes)
        snprintf(text, size,
                 "verify: in the block at %" PRIu64 " of %" PRIu64 " bytes is that of %" PRIu64 " with %" PRIu64
                 " bytes",
                 offset, bytes, h.offset, h.bytes);
    else if (number != VERIFY_ANY && h.number != number)
        snprintf(text, size, "verify: in the block at %" PRIu64 " is write %" PRIu64 " instead of %" PRIu64, offset,
                 h.number, number);
    else if (h.crc != checksum(job, data, bytes))
        snprintf(text, size, "verify: checksum of the block at %" PRIu64 " is %08x instead of %08x", offset,
                 checksum(job, data, bytes), h.crc);
    else
        return 0;
    return -EILSEQ;
}

int verify_check(const struct job *job, uint64_t offset, const void *data, uint64_t bytes, uint64_t number, char *text,
                 size_t size) {
    uint64_t piece = piece_bytes(job, bytes);
    if (job->verify == JOB_VERIFY_NULL)
        return 0;
    if (!data) {
        snprintf(text, size, "verify: the drive keeps no payload");
        return -EILSEQ;
    }
    for (uint64_t at = 0; at < bytes; at += piece)
        if (check_piece(job, offset + at, (const uint8_t *)data + at, bytes - at < piece ? bytes - at : piece, number,
                        text, size))
            return -EILSEQ;
    return 0;
}

/* --- history --- */

int history_init(struct history *h, uint64_t offset, uint64_t size, uint64_t unit) {
    *h = (struct history){.base = offset, .unit = unit, .units = (size + unit - 1) / unit};
    h->latest = calloc(h->units, sizeof(*h->latest)); /* pages nobody writes to take no memory */
    return h->latest ? 0 : -ENOMEM;
}

void history_release(struct history *h) {
    free(h->write);
    free(h->latest);
    *h = (struct history){0};
}

static void mark(struct history *h, uint64_t offset, uint64_t bytes, uint32_t value) {
    if (offset < h->base)
        return;
    uint64_t first = (offset - h->base) / h->unit, end = (offset - h->base + bytes + h->unit - 1) / h->unit;
    for (uint64_t i = first; i < end && i < h->units; i++)
        h->latest[i] = value;
}

int64_t history_add(struct history *h, uint64_t offset, uint64_t bytes) {
    if (h->count == h->room) {
        uint64_t room = h->room ? (uint64_t)h->room * 2 : 1024;
        room = room > HISTORY_WRITES_MAX ? HISTORY_WRITES_MAX : room;
        struct history_write *grown = room > h->room ? realloc(h->write, room * sizeof(*grown)) : NULL;
        if (!grown)
            return -ENOMEM;
        h->write = grown;
        h->room = (uint32_t)room;
    }
    h->write[h->count] = (struct history_write){.offset = offset, .bytes = (uint32_t)bytes};
    mark(h, offset, bytes, h->count + 1);
    return h->count++;
}

void history_forget(struct history *h, uint64_t offset, uint64_t bytes) {
    mark(h, offset, bytes, 0);
}

void history_move(struct history *h, uint32_t number, uint64_t offset) {
    struct history_write *w = &h->write[number];
    uint64_t first = (w->offset - h->base) / h->unit, end = first + w->bytes / h->unit;
    for (uint64_t i = first; i < end && i < h->units; i++)
        if (h->latest[i] == number + 1)
            h->latest[i] = 0;
    w->offset = offset;
    mark(h, offset, w->bytes, number + 1);
}

bool history_intact(const struct history *h, uint32_t number) {
    const struct history_write *w = &h->write[number];
    uint64_t first = (w->offset - h->base) / h->unit, end = first + w->bytes / h->unit;
    for (uint64_t i = first; i < end; i++)
        if (h->latest[i] != number + 1)
            return false;
    return true;
}

void history_clear(struct history *h) {
    for (uint32_t i = 0; i < h->count; i++)
        mark(h, h->write[i].offset, h->write[i].bytes, 0);
    h->count = 0;
}
