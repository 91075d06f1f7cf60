/*
 * Job files: any bytes as a fio job file, then each job fitted to a drive, then
 * its first requests, bent for zones if it asks for them. What was accepted must
 * lie inside of the drive; what was refused must say why.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "load/generator.h"
#include "load/zbd.h"

#define CAPACITY (UINT64_C(1) << 30)
#define JOBS     4   /* whose requests are looked at */
#define REQUESTS 100 /* of each */
#define ZONES    4096

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

/* A write is at its zone's write pointer, nothing leaves its zone or the region. */
static void check_zoned(const struct job *job, uint64_t offset, uint64_t size) {
    struct drive drive = {.capacity = CAPACITY};
    const struct drive_ops without_zones = {0};
    struct generator g;
    struct request r;
    struct zbd_cursor c;
    struct err e = {0};
    drive.ops = &without_zones;
    struct zbd *z = zbd_new(&drive, job, &e);
    if (z && !zbd_cursor_init(&c, z, job, offset, size, &e) && !generator_init(&g, job, offset, size, 1, 1)) {
        for (unsigned i = 0; i < REQUESTS && generator_next(&g, generator_direction(&g), &r); i++) {
            uint32_t zone = 0;
            struct request asked = r;
            enum zbd_answer answer = zbd_adjust(&c, &r, &zone);
            if (answer == ZBD_RESET) {
                fuzz_require(zone >= c.first && zone < c.end);
                zbd_was_reset(&c, zone);
                r = asked;
                answer = zbd_adjust(&c, &r, &zone);
                fuzz_require(answer == ZBD_ISSUE);
            }
            if (answer == ZBD_NONE)
                break;
            zone = (uint32_t)(r.offset / z->zone_bytes);
            fuzz_require(zone >= c.first && zone < c.end && r.bytes && r.bytes % 512 == 0);
            fuzz_require(r.offset % z->zone_bytes + r.bytes <= z->zone_bytes);
            fuzz_require(r.dir != RUN_WRITE || r.offset % z->zone_bytes + r.bytes == z->zone[zone].written);
            fuzz_require(z->zone[zone].written <= z->zone[zone].capacity);
        }
        generator_release(&g);
    } else {
        fuzz_require(!z || e.text[0] != '\0');
    }
    zbd_free(z);
}

static void check_one(const struct job *job, unsigned i) {
    check_fitted(job);
    if (i >= JOBS)
        return;
    check_requests(job);
    if (job->zonemode == JOB_ZONE_ZBD && CAPACITY / job->zonesize <= ZONES)
        check_zoned(job, job->offset.bytes, job->size.bytes);
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
