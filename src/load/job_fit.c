/*
 * What a job's options mean together, and fitting a job to a drive; see job.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "load/job_int.h"
#include "load/verify.h"

typedef unsigned __int128 uint128;

uint64_t job_smallest(const struct job *job) {
    uint64_t smallest = UINT64_MAX;
    for (int d = 0; d < RUN_DIRS; d++)
        if (job->uses[d] && job->bs[d] < smallest)
            smallest = job->bs[d];
    return smallest;
}

uint64_t job_largest(const struct job *job) {
    uint64_t largest = 0;
    for (int d = 0; d < RUN_DIRS; d++)
        if (job->uses[d] && job->bs_max[d] > largest)
            largest = job->bs_max[d];
    return largest;
}

bool job_needs_payload(const struct job_file *jobs) {
    for (unsigned i = 0; i < jobs->count; i++)
        if (jobs->job[i].verify == JOB_VERIFY_HEADER || jobs->job[i].verify == JOB_VERIFY_PATTERN)
            return true;
    return false;
}

bool job_writes_samples(const struct job *job) {
    return job->write_bw_log.given || job->write_lat_log.given || job->write_iops_log.given ||
           job->write_hist_log.given;
}

const char *job_writes_file(const struct job *job) {
    if (job->write_iolog[0])
        return "write_iolog";
    if (job->write_bw_log.given)
        return "write_bw_log";
    if (job->write_lat_log.given)
        return "write_lat_log";
    if (job->write_iops_log.given)
        return "write_iops_log";
    return job->write_hist_log.given ? "write_hist_log" : NULL;
}

/* All directions in use have one size of request, the same. */
static bool one_size(const struct job *job) {
    for (int d = 0; d < RUN_DIRS; d++)
        if (job->uses[d] && job->bs[d] != job->bs_max[d])
            return false;
    return job_smallest(job) == job_largest(job);
}

#define REFUSE(...) return err_set(e, EINVAL, "job \"%s\": " __VA_ARGS__)

static int check_order(const struct job_file *jobs, const struct job *job, struct err *e) {
    bool found = !job->wait_for[0];
    for (const struct job *at = jobs->job; at < job; at++)
        found = found || !strcmp(at->name, job->wait_for);
    if (!found)
        REFUSE("wait_for=%s: no job of this name stands before", job->name, job->wait_for);
    return 0;
}

static int check_replay(const struct job *job, struct err *e) {
    if (job->read_iolog[0] && (job->loops > 1 || job->time_based || job->verify != JOB_VERIFY_NONE))
        REFUSE("read_iolog does not go with loops, time_based or verify", job->name);
    if (job->replay_align & (job->replay_align - 1))
        REFUSE("replay_align=%" PRIu64 " is not a power of two", job->name, job->replay_align);
    if (job->verify_only && job->time_based)
        REFUSE("verify_only does not go with time_based", job->name);
    return 0;
}

static int check_logs(const struct job *job, struct err *e) {
    if (job->write_hist_log.given && !job->log_hist_ns)
        REFUSE("write_hist_log needs a log_hist_msec", job->name);
    if (job->log_hist_ns && job->log_hist_ns < 1000000)
        REFUSE("log_hist_msec is less than a millisecond", job->name);
    if (job->log_avg_ns && job->log_avg_ns < 1000000)
        REFUSE("log_avg_msec is less than a millisecond", job->name);
    return 0;
}

static int check_times(const struct job *job, struct err *e) {
    if (job->time_based && !job->runtime_ns)
        REFUSE("time_based needs a runtime", job->name);
    if (job->steadystate && !job->steady_duration_ns)
        REFUSE("steadystate needs a steadystate_duration", job->name);
    if (job->steadystate && job->steady_interval_ns <= 0)
        REFUSE("steadystate_check_interval is 0", job->name);
    if (job->steadystate && job->steady_duration_ns / job->steady_interval_ns > 1 << 20)
        REFUSE("steadystate_duration: more than %d samples", job->name, 1 << 20);
    if (job->steadystate && job->steady_duration_ns < 2 * job->steady_interval_ns)
        REFUSE("steadystate_duration: at least two samples, %" PRId64 " ms", job->name,
               2 * job->steady_interval_ns / 1000000);
    if (job->latency_target_ns && !job->latency_window_ns)
        REFUSE("latency_target needs a latency_window", job->name);
    if (!job->thinktime_ns && (job->thinktime_spin_ns || job->thinktime_iotime_ns))
        REFUSE("thinktime_spin and thinktime_iotime need a thinktime", job->name);
    for (int d = 0; d < RUN_DIRS; d++)
        if (job->rate[d] && job->rate_iops[d])
            REFUSE("of rate and rate_iops only one can hold", job->name);
    return 0;
}

static int check_zones(const struct job *job, struct err *e) {
    if (job->zonemode == JOB_ZONE_STRIDED && !job->zonesize)
        REFUSE("zonemode=strided needs a zonesize", job->name);
    if (job->zonemode == JOB_ZONE_NONE && job->zoneskip.zones)
        REFUSE("zoneskip is given in zones, but there is no zonemode", job->name);
    if (job->zonesize % 512 || job->zonerange % 512 || job->zonecapacity % 512 || job->zoneskip.bytes % 512)
        REFUSE("zonesize, zonerange, zonecapacity and zoneskip are multiples of 512", job->name);
    if (job->zonecapacity > job->zonesize)
        REFUSE("zonecapacity %" PRIu64 " is larger than zonesize %" PRIu64, job->name, job->zonecapacity,
               job->zonesize);
    if (job->zonemode == JOB_ZONE_ZBD && job->trimwrite)
        REFUSE("zonemode=zbd: trimwrite is not possible; zones are reset when they are full", job->name);
    if (job->zonemode == JOB_ZONE_ZBD && job->read_iolog[0])
        REFUSE("zonemode=zbd does not go with read_iolog", job->name);
    if (job->write_mode == JOB_WRITE_APPEND && job->zonemode != JOB_ZONE_ZBD)
        REFUSE("write_mode=zone_append needs zonemode=zbd", job->name);
    if (job->zonemode == JOB_ZONE_STRIDED && job->random_distribution != JOB_UNIFORM)
        REFUSE("zonemode=strided goes with random_distribution=random only", job->name);
    return 0;
}

static int check_verify(const struct job *job, struct err *e) {
    uint64_t piece = job->verify_interval ? job->verify_interval : job->bs[RUN_WRITE];
    if (job->verify == JOB_VERIFY_NONE)
        return 0;
    if (job->write_mode == JOB_WRITE_ZEROES)
        REFUSE("write_mode=zeroes writes nothing that verify could check", job->name);
    if (job->verify == JOB_VERIFY_PATTERN && !job->verify_pattern_bytes)
        REFUSE("verify=pattern needs a verify_pattern", job->name);
    if (job->verify_interval % 512)
        REFUSE("verify_interval=%" PRIu64 " is not a multiple of 512", job->name, job->verify_interval);
    for (int d = 0; d < RUN_DIRS; d++)
        if (job->verify_interval && job->uses[d] && job->bs[d] % job->verify_interval)
            REFUSE("verify_interval=%" PRIu64 " does not divide the block size %" PRIu64, job->name,
                   job->verify_interval, job->bs[d]);
    if (job->verify_offset > piece - VERIFY_HEADER_BYTES || job->verify_offset % 8)
        REFUSE("verify_offset=%" PRIu64 ": the header of %d bytes has to lie inside a piece of %" PRIu64
               " bytes, at a multiple of 8",
               job->name, job->verify_offset, VERIFY_HEADER_BYTES, piece);
    return 0;
}

/* The line that said so; the last one holds. */
static int refuse_buffered(const struct job *job, struct err *e, const char *why) {
    const struct job_given *line = NULL;
    for (unsigned i = 0; i < job->givens; i++)
        if (!strcmp(job->given[i].name, "buffered") || !strcmp(job->given[i].name, "direct"))
            line = &job->given[i];
    err_set(e, EINVAL, "job \"%s\": %s=%s: %s", job->name, line ? line->name : "buffered", line ? line->value : "1",
            why);
    return line && line->line ? err_prefix(e, "line %u: ", line->line) : -EINVAL;
}

/* All buffered jobs share one cache. */
static bool same_cache(const struct job *a, const struct job *b) {
    return a->dirty_memory == b->dirty_memory && a->dirty_ratio == b->dirty_ratio &&
           a->dirty_background_ratio == b->dirty_background_ratio && a->dirty_expire_ns == b->dirty_expire_ns &&
           a->dirty_writeback_ns == b->dirty_writeback_ns;
}

static int check_buffered(const struct job_file *jobs, const struct job *job, struct err *e) {
    if (!job->buffered)
        return 0;
    if (job->verify == JOB_VERIFY_HEADER || job->verify == JOB_VERIFY_PATTERN)
        return refuse_buffered(job, e, "the page cache keeps no payload for verify; allowed with it: buffered=0");
    if (job->write_mode != JOB_WRITE || job->zonemode == JOB_ZONE_ZBD)
        return refuse_buffered(job, e, "goes with write_mode=write and without zonemode=zbd only");
    for (const struct job *at = jobs->job; at < job; at++)
        if (at->buffered && !same_cache(at, job))
            REFUSE(
                "dirty_memory, dirty_ratio, dirty_background_ratio, dirty_expire and dirty_writeback differ from those "
                "of job \"%s\", but there is one page cache: give them in [global]",
                job->name, at->name);
    return 0;
}

static int check_host(const struct job *job, struct err *e) {
    if (!job->host_submit_ns && !job->host_complete_ns && !job->host_interrupt_ns)
        return 0;
    if (job->buffered)
        REFUSE("host_submit, host_complete and host_interrupt do not go with buffered", job->name);
    if (job->verify != JOB_VERIFY_NONE)
        REFUSE("host_submit, host_complete and host_interrupt do not go with verify", job->name);
    return 0;
}

static int check_randomness(struct job *job, struct err *e) {
    if (job->random_distribution != JOB_UNIFORM || job->blockalign[RUN_READ] || job->blockalign[RUN_WRITE] ||
        job->blockalign[RUN_TRIM])
        job->norandommap = true; /* as in fio */
    else if (job->random_generator == JOB_LFSR && one_size(job))
        job->norandommap = false; /* as in fio: the register meets each block once anyway */
    if (job->random && job->random_generator == JOB_LFSR && !job->norandommap && !one_size(job))
        REFUSE("random_generator=lfsr needs one block size or norandommap", job->name);
    for (int d = 0; d < RUN_DIRS; d++)
        if (job->random_distribution >= JOB_ZONED && !job->zoned[d].count)
            REFUSE("random_distribution: no zones for %s", job->name, d == RUN_READ ? "reads" : "writes");
    return 0;
}

/* Sizes given for sequential and random requests become those of all directions. */
static int spread_sizes(struct job *job, struct err *e) {
    int from = job->random ? RUN_WRITE : RUN_READ; /* where the second and the first one stand */
    if (!job->bs_is_seq_rand)
        return 0;
    for (int d = 0; d < RUN_DIRS; d++) {
        if (job->uses[d] && job->random && (job->percentage_random[d] < 100 || job->rw_every > 1))
            REFUSE("bs_is_seq_rand does not go with requests that are random in part only", job->name);
        if (d == from)
            continue;
        free(job->bssplit[d].share);
        job->bssplit[d] = (struct job_shares){0};
        job->bs[d] = job->bs[from];
        job->bs_max[d] = job->bs_max[from];
        size_t bytes = job->bssplit[from].count * sizeof(*job->bssplit[d].share);
        if (!bytes)
            continue;
        job->bssplit[d].share = malloc(bytes);
        if (!job->bssplit[d].share)
            return err_set(e, ENOMEM, "job \"%s\": no memory for its block sizes", job->name);
        memcpy(job->bssplit[d].share, job->bssplit[from].share, bytes);
        job->bssplit[d].count = job->bssplit[from].count;
    }
    return 0;
}

static unsigned at_most(unsigned value, unsigned limit) {
    return value < limit ? value : limit;
}

int job_finish(const struct job_file *jobs, struct job *job, struct err *e) {
    if (!job->uses[RUN_READ] && !job->uses[RUN_WRITE] && !job->uses[RUN_TRIM])
        job->uses[RUN_READ] = true; /* fio's default of rw */
    job->read_percent = job->uses[RUN_READ] && job->uses[RUN_WRITE] ? job->rwmixread : job->uses[RUN_READ] ? 100 : 0;
    job->loops = job->loops ? job->loops : 1; /* as fio */
    job->iodepth_batch = at_most(job->iodepth_batch, job->iodepth);
    job->iodepth_batch_complete_min = at_most(job->iodepth_batch_complete_min, job->iodepth);
    if (!job->iodepth_low || job->iodepth_low > job->iodepth)
        job->iodepth_low = job->iodepth;
    if (!job->zonerange)
        job->zonerange = job->zonesize;
    if (spread_sizes(job, e) || check_order(jobs, job, e) || check_replay(job, e) || check_logs(job, e) ||
        check_times(job, e) || check_zones(job, e) || check_verify(job, e) || check_buffered(jobs, job, e) ||
        check_host(job, e) || check_randomness(job, e))
        return err_prefix(e, "%s: ", jobs->file[0]);
    return 0;
}

/* --- against a drive --- */

static uint64_t extent_bytes(const struct job_extent *extent, uint64_t capacity, uint64_t zone_bytes) {
    if (extent->percent > 0) {
        /* In millionths of a percent, so that no rounding of a double reaches the result. */
        uint64_t micro = (uint64_t)(extent->percent * 1e6 + 0.5);
        return (uint64_t)((uint128)capacity * micro / 100000000u);
    }
    if (extent->zones) {
        uint128 bytes = (uint128)extent->zones * zone_bytes;
        return bytes > UINT64_MAX ? UINT64_MAX : (uint64_t)bytes;
    }
    return extent->bytes;
}

static int extent_check(const struct job *job, const struct job_extent *extent, const char *name, uint64_t zone_bytes,
                        struct err *e) {
    if (extent->zones && !zone_bytes)
        REFUSE("%s is given in zones, but neither the drive nor zonesize says how large they are", job->name, name);
    return 0;
}

static struct job_extent resolved(uint64_t bytes) {
    return (struct job_extent){.bytes = bytes, .given = true};
}

/* offset, offset_increment and filesize; *capacity is what the job may see of the drive. */
static int resolve_offset(struct job *job, uint64_t *capacity, uint64_t zone_bytes, uint64_t align, struct err *e) {
    uint64_t drive = *capacity, filesize = extent_bytes(&job->filesize, drive, zone_bytes);
    if (filesize && filesize < *capacity)
        *capacity = filesize - filesize % 512;
    job->filesize = resolved(*capacity);
    uint64_t offset = extent_bytes(&job->offset, drive, zone_bytes); /* as fio: of the drive, not of filesize */
    align = job->offset_align ? job->offset_align : align;
    if (job->offset.percent > 0)
        offset += (align - offset % align) % align; /* as fio: upwards */
    if (offset % 512)
        REFUSE("offset %" PRIu64 " is not a multiple of 512", job->name, offset);
    if (offset >= *capacity)
        REFUSE("offset %" PRIu64 " is beyond the drive's %" PRIu64 " bytes", job->name, offset, *capacity);
    uint64_t increment = extent_bytes(&job->offset_increment, drive, zone_bytes);
    if (job->offset_increment.percent > 0)
        increment -= increment % align;
    if (increment % 512)
        REFUSE("offset_increment %" PRIu64 " is not a multiple of 512", job->name, increment);
    if ((uint128)increment * (job->numjobs - 1) >= *capacity - offset)
        REFUSE("offset_increment %" PRIu64 " puts the last of %u instances beyond the drive's %" PRIu64 " bytes",
               job->name, increment, job->numjobs, *capacity);
    job->offset = resolved(offset);
    job->offset_increment = resolved(increment);
    return 0;
}

static int resolve_size(struct job *job, uint64_t capacity, uint64_t zone_bytes, struct err *e) {
    uint64_t last = job->offset.bytes + job->offset_increment.bytes * (job->numjobs - 1); /* checked: fits */
    uint64_t size = extent_bytes(&job->size, capacity, zone_bytes);
    bool exact = size && !(job->size.percent > 0);
    if (job->size.percent > 0)
        size -= size % job_smallest(job); /* as fio */
    if (exact && size > capacity - job->offset.bytes)
        REFUSE("offset %" PRIu64 " + size %" PRIu64 " is beyond the drive's %" PRIu64 " bytes", job->name,
               job->offset.bytes, size, capacity);
    if (exact && size > capacity - last)
        REFUSE("offset %" PRIu64 " of the last instance + size %" PRIu64 " is beyond the drive's %" PRIu64 " bytes",
               job->name, last, size, capacity);
    if (size > capacity - job->offset.bytes || !size)
        size = capacity - job->offset.bytes;
    job->size = resolved(size);
    uint64_t at, smallest;
    job_region(job, job->numjobs - 1, &at, &smallest);
    if (smallest < job_largest(job))
        REFUSE("size %" PRIu64 " is smaller than one block of %" PRIu64 " bytes", job->name, smallest,
               job_largest(job));
    return 0;
}

void job_region(const struct job *job, unsigned n, uint64_t *offset, uint64_t *size) {
    *offset = job->offset.bytes + job->offset_increment.bytes * n;
    uint64_t rest = job->filesize.bytes - *offset;
    *size = job->size.bytes < rest ? job->size.bytes : rest;
}

static int check_zoned(const struct job *job, struct err *e) {
    for (int d = 0; d < RUN_DIRS && job->random_distribution == JOB_ZONED_ABS; d++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < job->zoned[d].count; i++)
            if (__builtin_add_overflow(sum, job->zoned[d].share[i].bytes, &sum) || sum > job->size.bytes)
                REFUSE("random_distribution: the zones are larger than the region of %" PRIu64 " bytes", job->name,
                       job->size.bytes);
    }
    return 0;
}

static int resolve_zones(struct job *job, uint64_t drive_zone_bytes, struct err *e) {
    if (job->zonemode != JOB_ZONE_ZBD)
        return 0;
    if (drive_zone_bytes && job->zonesize && job->zonesize != drive_zone_bytes)
        REFUSE("zonesize=%" PRIu64 ", but the drive's zones have %" PRIu64 " bytes", job->name, job->zonesize,
               drive_zone_bytes);
    if (!drive_zone_bytes && !job->zonesize)
        REFUSE("zonemode=zbd needs a zonesize, as the drive has no zones", job->name);
    if (drive_zone_bytes)
        job->zonesize = drive_zone_bytes;
    if (job->offset.bytes % job->zonesize || job->offset_increment.bytes % job->zonesize)
        REFUSE("offset %" PRIu64 " is not at the start of a zone of %" PRIu64 " bytes", job->name, job->offset.bytes,
               job->zonesize);
    job->size.bytes -= job->size.bytes % job->zonesize;
    if (!job->size.bytes)
        REFUSE("the region is smaller than a zone of %" PRIu64 " bytes", job->name, job->zonesize);
    for (int d = 0; d < RUN_DIRS; d++)
        if (job->uses[d] && (job->bs_max[d] > job->zonesize || job->zonesize % job->bs[d]))
            REFUSE("block size %" PRIu64 " does not fit zones of %" PRIu64 " bytes", job->name, job->bs_max[d],
                   job->zonesize);
    return 0;
}

/* As fio: with a filesize the region is all of the file, and size is how much of it is done. */
static void part_of_file(struct job *job, uint64_t capacity, uint64_t zone_bytes) {
    job->part = extent_bytes(&job->size, capacity, zone_bytes);
    job->size = (struct job_extent){0};
}

int job_resolve(struct job *job, uint64_t capacity, uint64_t zone_bytes, struct err *e) {
    static const char *const names[] = {"size", "offset", "filesize", "io_size", "offset_increment", "zoneskip"};
    const struct job_extent *extents[] = {&job->size,    &job->offset,           &job->filesize,
                                          &job->io_size, &job->offset_increment, &job->zoneskip};
    uint64_t zone = zone_bytes ? zone_bytes : job->zonesize;
    for (unsigned i = 0; i < sizeof(extents) / sizeof(extents[0]); i++)
        if (extent_check(job, extents[i], names[i], zone, e))
            return -EINVAL;
    bool whole = job->filesize.given && job->size.given;
    /* fio aligns a percentage to the block size. */
    if (resolve_offset(job, &capacity, zone, job_largest(job), e))
        return -EINVAL;
    if (whole)
        part_of_file(job, capacity, zone);
    if (resolve_size(job, capacity, zone, e) || resolve_zones(job, zone_bytes, e) || check_zoned(job, e))
        return -EINVAL;
    job->zoneskip = resolved(extent_bytes(&job->zoneskip, capacity, zone));
    /* As fio: a percentage of size. */
    uint64_t io_size = extent_bytes(&job->io_size, job->part ? job->part : job->size.bytes, zone);
    job->io_size = io_size ? resolved(io_size) : (struct job_extent){0};
    if (io_size && io_size < job_smallest(job))
        REFUSE("io_size %" PRIu64 " is smaller than one block of %" PRIu64 " bytes", job->name, io_size,
               job_smallest(job));
    return 0;
}
