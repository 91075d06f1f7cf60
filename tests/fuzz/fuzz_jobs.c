/*
 * Job files: any bytes as a fio job file, then each job fitted to a drive, then
 * its first requests. What was accepted must lie inside of the drive; what was
 * refused must say why.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "load/generator.h"

#define CAPACITY (UINT64_C(1) << 30)
#define JOBS     4   /* whose requests are looked at */
#define REQUESTS 100 /* of each */

static void check_fitted(const struct job *job) {
    fuzz_require(job->offset.bytes % 512 == 0);
    fuzz_require(job->offset.bytes < CAPACITY && job->size.bytes <= CAPACITY - job->offset.bytes);
    fuzz_require(job->iodepth && job->numjobs && job->read_percent <= 100);
    for (int dir = 0; dir < RUN_DIRS; dir++)
        fuzz_require(job->bs[dir] >= 512 && job->bs[dir] <= job->bs_max[dir]);
    for (unsigned n = 0; n < job->numjobs; n++) {
        uint64_t offset, size;
        job_region(job, n, &offset, &size);
        fuzz_require(offset < CAPACITY && size <= CAPACITY - offset && job_largest(job) <= size);
    }
}

/* Every request lies in the region, in whole sectors; none is empty. */
static void check_requests(const struct job *job) {
    struct generator g;
    struct request r;
    uint64_t offset, size;
    job_region(job, job->numjobs - 1, &offset, &size);
    if (generator_init(&g, job, offset, size, 1, 1) == 0)
        for (unsigned i = 0; i < REQUESTS && generator_next(&g, generator_direction(&g), &r); i++) {
            fuzz_require(r.dir < RUN_DIRS && job->uses[r.dir]);
            fuzz_require(r.bytes && r.bytes % 512 == 0 && r.offset % 512 == 0);
            fuzz_require(r.offset >= offset && r.bytes <= size && r.offset - offset <= size - r.bytes);
        }
    generator_release(&g);
}

static void check_one(const struct job *job, unsigned i) {
    check_fitted(job);
    if (i < JOBS)
        check_requests(job);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct job_file jobs;
    struct err e = {0};
    int rc = job_file_parse(&jobs, "fuzz.fio", (const char *)data, size, &e);
    fuzz_require(rc <= 0 && (rc == 0) == (e.text[0] == '\0'));
    for (unsigned i = 0; !rc && i < jobs.count; i++) {
        struct err refused = {0};
        if (!job_resolve(&jobs.job[i], CAPACITY, 0, &refused))
            check_one(&jobs.job[i], i);
        else
            fuzz_require(refused.text[0] != '\0');
    }
    job_file_release(&jobs);
    return 0;
}
