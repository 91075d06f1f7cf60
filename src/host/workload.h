/*
 * What the host does to a namespace: phases of sequential or random I/O at a
 * queue depth, measured, and (with a ledger) every byte that comes back
 * compared with what was last written there.
 */
#ifndef DRIVELAB_HOST_WORKLOAD_H
#define DRIVELAB_HOST_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hist.h"
#include "host/host.h"

/*
 * What each 4 KiB unit of a region should hold. One ledger lives through all
 * phases of a run; units never written through it are not verified.
 */
struct ledger;

struct ledger *ledger_new(uint64_t bytes, uint64_t seed); /* NULL on no memory */
void ledger_free(struct ledger *ledger);

enum workload_pattern { WORKLOAD_SEQUENTIAL, WORKLOAD_RANDOM };

struct workload {
    enum workload_pattern pattern;
    unsigned read_percent; /* 100: reads only, 0: writes only */
    uint32_t bytes;        /* of one command; a multiple of the block size, with a ledger of 4096 */
    unsigned depth;
    uint64_t region;     /* bytes from the start of the namespace */
    int64_t duration_ns; /* 0: once over the region */
    int64_t timeout_ns;  /* give up when nothing was answered for so long; 0: wait forever */
    uint64_t seed;
    struct ledger *ledger; /* NULL: no verification */
    void (*progress)(void *arg, uint64_t ios, uint64_t bytes,
                     int64_t elapsed_ns); /* about five times a second; or NULL */
    void *progress_arg;
};

struct workload_result {
    uint64_t ios[2], bytes[2]; /* read, write */
    struct hist latency[2];
    int64_t elapsed_ns;
    bool stalled;        /* ended by timeout_ns */
    uint64_t failed;     /* commands that ended with a status or a lost connection */
    uint64_t mismatches; /* 4 KiB units with wrong contents */
    uint64_t verified;   /* 4 KiB units compared */
    char first_problem[256];
};

/*
 * Run one phase on `queue`. Waits. 0 when the phase ran (see failed and
 * mismatches), or -errno with `e` if it could not start.
 */
int workload_run(struct host_ctrl *ctrl, struct host_queue *queue, uint32_t nsid, const struct workload *workload,
                 struct workload_result *result, struct err *e);

#endif
