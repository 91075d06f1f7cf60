/*
 * A session of drivelab's own host: connect, run phases, print a line each.
 */
#ifndef DRIVELAB_CLI_HOSTRUN_H
#define DRIVELAB_CLI_HOSTRUN_H

#include "host/workload.h"

#define HOSTRUN_TIMEOUT_NS 30000000000LL

struct hostrun_target {
    const char *address, *subnqn, *hostnqn; /* hostnqn may be NULL */
    uint32_t nsid;
    int64_t timeout_ns; /* of a target that answers nothing; 0: none */
    bool header_digest, data_digest, spin;
};

struct hostrun {
    struct sim *sim;
    struct host_ctrl ctrl;
    struct host_queue *queue;
    uint32_t nsid;
    int64_t timeout_ns;
    uint64_t blocks;
    uint32_t block_bytes;
    uint64_t verified, mismatches, failed; /* of all phases */
    bool headline;
    char problem[256]; /* the first, empty if none */
};

/* Connect with one I/O queue of `entries`. 0 or -errno with `e`. */
int hostrun_open(struct hostrun *h, const struct hostrun_target *target, uint16_t entries, struct err *e);

/* Run one phase with progress on the terminal, print its line. 0 or -errno with `e` if it could not run. */
int hostrun_phase(struct hostrun *h, const char *name, const struct workload *workload, struct err *e);

void hostrun_close(struct hostrun *h);

#endif
