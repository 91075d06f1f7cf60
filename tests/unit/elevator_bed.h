/*
 * A scheduler on a bench: a drive of fixed latency behind it that takes one
 * request at a time (or as told), single requests by hand, processes that read
 * or write in a loop, and a log of what the drive was given, when.
 */
#ifndef DRIVELAB_TESTS_ELEVATOR_BED_H
#define DRIVELAB_TESTS_ELEVATOR_BED_H

#include "block/block.h"

#define BED_IOS       4096
#define BED_PROCESSES 64
#define BED_LOG       200000
#define BED_MS        1000000ll

struct bed_entry {
    uint64_t sector, sectors;
    uint32_t owner;
    bool write;
    int64_t at_ns, end_ns; /* given to the drive, done; 0: not yet */
};

struct bed;

/* One that sends its next request `think_ns` after the last was done; `depth` at once. */
struct bed_process {
    struct bed *bed;
    uint32_t owner;
    uint8_t op;
    uint32_t flags, sectors, depth;
    uint64_t at, step; /* next sector; distance of requests' starts, 0: random within `range` from `at` */
    uint64_t range;
    int64_t think_ns;
    bool stopped;
    struct sim_event again;
    uint32_t due; /* sends that wait for `again` */
    uint64_t done, bytes;
    int64_t longest_ns;
};

struct bed_io {
    struct io io; /* first */
    struct bed *bed;
    struct bed_process *process; /* NULL: by hand */
    bool busy;
};

struct bed {
    struct sim *sim;
    struct drive *drive;
    struct block *block;
    struct block_watch watch;
    struct rng *rng;
    struct bed_io *io;
    struct bed_process process[BED_PROCESSES];
    unsigned processes;
    struct bed_entry *log;
    unsigned logged;
    uint64_t failed;
};

/* `scheduler` as for --scheduler; each request takes latency_ns. depth 0: 1. */
void bed_open(struct bed *b, const char *scheduler, int64_t latency_ns, uint32_t depth, const char *const *options);
void bed_close(struct bed *b); /* after a self-check */

void bed_set(struct bed *b, const char *attr, const char *value);

/* One request; at once. */
void bed_submit(struct bed *b, uint32_t owner, uint8_t op, uint64_t sector, uint64_t sectors, uint32_t flags);

/* A process, which begins now. */
struct bed_process *bed_start(struct bed *b, const struct bed_process *like);

void bed_run(struct bed *b, int64_t for_ns);

/* Stop all processes and let everything end. */
void bed_drain(struct bed *b);

/* Time the drive worked for `owner`, of all logged. */
int64_t bed_served_ns(const struct bed *b, uint32_t owner);

#endif
