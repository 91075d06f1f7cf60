/*
 * What the files that write a timeline share: timeline.c the flash and the host's
 * requests, timeline_queue.c the I/O scheduler, its processes and the arm of a disk.
 */
#ifndef DRIVELAB_REPORT_TIMELINE_INT_H
#define DRIVELAB_REPORT_TIMELINE_INT_H

#include "report/timeline.h"

enum { HOST_LANES = 256, LANE_WORDS = HOST_LANES / 64 };
enum host_kind { HOST_READ, HOST_WRITE, HOST_OTHER, HOST_KINDS };
enum process {
    PROCESS_HOST = 1,
    PROCESS_CHANNELS,
    PROCESS_DIES,
    PROCESS_SCHEDULER,
    PROCESS_SERVED,
    PROCESS_ARM,
};

/* The last use of a die. */
struct die_use {
    int64_t from_ns, to_ns;
    uint32_t planes; /* 0: none held back */
    uint32_t block, page;
    uint8_t phase, kind, cause;
    bool seen;
};

struct timeline {
    struct timeline_config config;
    int64_t start_ns;
    uint64_t events;
    bool full, any;
    int64_t full_at_ns;
    uint64_t crowded;
    uint64_t taken[HOST_KINDS][LANE_WORDS];
    uint32_t lanes[HOST_KINDS]; /* used so far: the first so many */
    uint32_t dies, channels, luns;
    struct die_use *die;
    bool *channel_seen;
    struct timeline_owner *owners; /* by id; see timeline_queue.c */
    struct {
        int64_t since_ns; /* -1: not now */
        char who[64];
        bool seen;
    } slice, idle;
    bool arm_seen;
};

/* What comes between two events. */
void timeline_comma(struct timeline *t);

/* Begin an event, up to its arguments. False: it is not to be written. */
bool timeline_begin(struct timeline *t, enum process process, uint32_t lane, int64_t from_ns, int64_t to_ns);

/* A value that is this from `at_ns` on. */
bool timeline_count(struct timeline *t, enum process process, const char *name, int64_t at_ns, uint64_t value);

void timeline_name_process(struct timeline *t, enum process process, const char *name);
void timeline_name_lane(struct timeline *t, enum process process, uint32_t lane, const char *name);

/* Name the lanes of timeline_queue.c and free what it keeps. */
void timeline_queue_end(struct timeline *t);

#endif
