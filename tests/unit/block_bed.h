/* A queue before a drive of fixed latency, one request at a time, and a record of what the drive was given when. */
#ifndef BLOCK_BED_H
#define BLOCK_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "block/block.h"

#define MS        1000000
#define BED_IOS   4096
#define BED_SEEN  8192
#define BED_DRIVE (64ull << 20) /* bytes */

struct bed_seen {
    uint64_t sector, sectors;
    uint32_t ios, owner;
    bool write;
    int64_t at_ns;
};

struct bed_io {
    struct io io; /* first */
    struct bed *bed;
    unsigned done; /* times */
    unsigned order;
    void (*then)(struct bed_io *);
};

struct bed {
    struct sim *sim;
    struct drive *drive;
    struct block *block;
    struct block_watch watch;
    struct bed_seen seen[BED_SEEN];
    unsigned seen_count;
    struct bed_io io[BED_IOS];
    unsigned ios, done;
    void (*on_dispatch)(struct bed *, const struct request *); /* NULL: no need to know */
    void *arg;
};

/* `latency_ns` of reads and writes; `options` more options of the drive, NULL-terminated, or NULL. */
struct bed *bed_new(const char *scheduler, int64_t latency_ns, uint32_t depth, const char *const *options);
void bed_free(struct bed *b);

struct bed_io *bed_send(struct bed *b, uint32_t owner, enum io_op op, uint64_t sector, uint64_t sectors,
                        uint32_t flags);
void bed_set(struct bed *b, const char *attr, const char *value);
const char *bed_get(struct bed *b, const char *attr); /* valid until the next */
void bed_refused(struct bed *b, const char *attr, const char *value, const char *words);
void bed_finish(struct bed *b); /* until everything is done, each once; checks the queue */

#endif
