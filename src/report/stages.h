/*
 * Where the time of requests went: sums by stage for each size of latency, so
 * that the mean and the slowest can be told apart without keeping requests.
 */
#ifndef DRIVELAB_REPORT_STAGES_H
#define DRIVELAB_REPORT_STAGES_H

#include "drive/io.h"
#include "report/coarse.h"

struct json_t;

#define STAGES_SLOWEST 0.001 /* share of the requests that counts as slow */

struct stage_sums {
    uint64_t count;
    double latency, ns[IO_STAGES];
};

struct stages {
    struct stage_sums bucket[COARSE_BUCKETS];
};

void stages_add(struct stages *s, int64_t latency_ns, const struct io_stages *stages);

/*
 * New JSON object: "mean" and "slowest", the average time of a request in each
 * stage, nanoseconds; what the drive does not say is "other". NULL: nothing was
 * added. The slowest are whole buckets, so slightly more than the share asked for.
 */
struct json_t *stages_json(const struct stages *s);

#endif
