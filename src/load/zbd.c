/*
 * Zones as a job sees them; see zbd.h.
 */
#include "load/zbd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* Whether a zone in this state takes a place among those that may be written at once. */
static bool takes_place(uint8_t state) {
    return state == ZONE_STATE_IMPLICIT_OPEN || state == ZONE_STATE_EXPLICIT_OPEN || state == ZONE_STATE_CLOSED;
}

/* The drive's own zones, with what is written in them already. */
static void take_real(struct zbd *z, const struct drive *drive) {
    for (uint32_t i = 0; i < z->zones; i++) {
        struct drive_zone zone;
        struct zbd_zone *mine = &z->zone[i];
        drive->ops->zoned->zone(drive, i, &zone);
        mine->capacity = zone.capacity;
        mine->unusable = zone.state == ZONE_STATE_READ_ONLY || zone.state == ZONE_STATE_OFFLINE;
        mine->written =
            zone.state == ZONE_STATE_FULL || mine->unusable ? zone.capacity : zone.write_pointer - zone.start;
        if (takes_place(zone.state)) {
            mine->opener = &z->nobody;
            z->nobody.open++;
            z->open++;
        }
    }
}

struct zbd *zbd_new(const struct drive *drive, const struct job *job, struct err *e) {
    struct drive_zoned_limits limits = {.zone_bytes = job->zonesize};
    struct zbd *z = calloc(1, sizeof(*z));
    if (drive->ops->zoned)
        drive->ops->zoned->limits(drive, &limits);
    uint64_t zones = drive->ops->zoned ? limits.zones : drive->capacity / limits.zone_bytes;
    if (zones > ZBD_ZONES_MAX) {
        err_set(e, EINVAL, "job \"%s\": zonesize=%" PRIu64 " makes more than %u zones", job->name, job->zonesize,
                ZBD_ZONES_MAX);
        free(z);
        return NULL;
    }
    if (z)
        z->zone = calloc(zones, sizeof(*z->zone));
    if (!z || !z->zone) {
        err_set(e, ENOMEM, "no memory for %" PRIu64 " zones", zones);
        free(z);
        return NULL;
    }
    z->real = drive->ops->zoned;
    z->zone_bytes = limits.zone_bytes;
    z->zones = (uint32_t)zones;
    z->max_open = limits.max_open;
    z->append_limit = limits.append_bytes;
    if (limits.max_active && (!z->max_open || limits.max_active < z->max_open))
        z->max_open = limits.max_active; /* zones are left only when full */
    for (uint32_t i = 0; i < z->zones; i++)
        z->zone[i].capacity = job->zonecapacity ? job->zonecapacity : z->zone_bytes;
    if (z->real)
        take_real(z, drive);
    return z;
}

void zbd_free(struct zbd *z) {
    if (z)
        free(z->zone);
    free(z);
}

int zbd_cursor_init(struct zbd_cursor *c, struct zbd *z, const struct job *job, uint64_t offset, uint64_t size,
                    struct err *e) {
    *c = (struct zbd_cursor){.zbd = z, .job = job};
    if (job->zonesize != z->zone_bytes)
        return err_set(e, EINVAL, "job \"%s\": zonesize=%" PRIu64 ", but another job has %" PRIu64, job->name,
                       job->zonesize, z->zone_bytes);
    if (z->real && z->max_open && job->max_open_zones > z->max_open && !job->ignore_zone_limits)
        return err_set(e, EINVAL, "job \"%s\": max_open_zones=%u, but the drive allows %u", job->name,
                       job->max_open_zones, z->max_open);
    if (job->write_mode == JOB_WRITE_APPEND && job->uses[RUN_WRITE] && !z->real)
        return err_set(e, EINVAL, "job \"%s\": write_mode=zone_append: the drive has no zones", job->name);
    if (job->write_mode == JOB_WRITE_APPEND && z->append_limit && job->bs_max[RUN_WRITE] > z->append_limit)
        return err_set(e, EINVAL,
                       "job \"%s\": write_mode=zone_append: blocks of %" PRIu64
                       " bytes, but the drive takes appends of at most %" PRIu64,
                       job->name, job->bs_max[RUN_WRITE], z->append_limit);
    if (job->max_open_zones && (!z->max_open || job->max_open_zones < z->max_open || job->ignore_zone_limits))
        z->max_open = job->max_open_zones;
    c->first = (uint32_t)(offset / z->zone_bytes);
    c->end = c->first + (uint32_t)(size / z->zone_bytes);
    if (c->end > z->zones)
        c->end = z->zones;
    if (c->first >= c->end)
        return err_set(e, EINVAL, "job \"%s\": there is no whole zone in its region", job->name);
    for (uint32_t i = c->first; i < c->end && job->uses[RUN_WRITE]; i++)
        if (!z->zone[i].unusable && z->zone[i].capacity < job->bs[RUN_WRITE])
            return err_set(e, EINVAL,
                           "job \"%s\": block size %" PRIu64 " does not fit into a zone that takes %" PRIu64 " bytes",
                           job->name, job->bs[RUN_WRITE], z->zone[i].capacity);
    for (int d = 0; d < RUN_DIRS; d++)
        c->zone[d] = c->first;
    for (uint32_t i = c->first; i < c->end; i++)
        c->written += z->zone[i].written;
    return 0;
}

static uint32_t after(const struct zbd_cursor *c, uint32_t zone) {
    return zone + 1 < c->end ? zone + 1 : c->first;
}

static void zone_close(struct zbd_cursor *c, struct zbd_zone *zone) {
    if (!zone->opener)
        return;
    zone->opener->open--;
    zone->opener = NULL;
    c->zbd->open--;
}

void zbd_was_reset(struct zbd_cursor *c, uint32_t zone) {
    struct zbd_zone *z = &c->zbd->zone[zone];
    zone_close(c, z);
    c->written -= z->written < c->written ? z->written : c->written;
    z->written = 0;
}

/* Room for another request of the smallest size. */
static bool has_room(const struct zbd_cursor *c, const struct zbd_zone *z) {
    return z->capacity - z->written >= c->job->bs[RUN_WRITE];
}

static bool may_open(const struct zbd_cursor *c) {
    const struct zbd *z = c->zbd;
    return (!z->max_open || z->open < z->max_open) &&
           (!c->job->job_max_open_zones || c->open < c->job->job_max_open_zones);
}

/* An open zone with room, the first from the wanted one on; or c->end. */
static uint32_t find_open(const struct zbd_cursor *c, uint32_t from) {
    bool own = c->job->job_max_open_zones && c->open >= c->job->job_max_open_zones;
    for (uint32_t n = 0, i = from; n < c->end - c->first; n++, i = after(c, i)) {
        const struct zbd_zone *z = &c->zbd->zone[i];
        if (z->opener && !z->unusable && has_room(c, z) && (!own || z->opener == c))
            return i;
    }
    return c->end;
}

/* Whether this write is one before which its zone is reset early: as fio, the first beyond the threshold and then each
 * so-many-th. */
static bool early_reset(struct zbd_cursor *c, const struct zbd_zone *z) {
    const struct job *job = c->job;
    uint64_t all = (uint64_t)(c->end - c->first) * c->zbd->zone_bytes;
    if (!(job->zone_reset_frequency > 0) || (double)c->written < job->zone_reset_threshold * (double)all)
        return false;
    if (c->until_reset && --c->until_reset)
        return false;
    c->until_reset = job->zone_reset_frequency > 1e-18 ? (uint64_t)(1 / job->zone_reset_frequency) : UINT64_MAX;
    return z->written;
}

/* Write to `i` at its write pointer, or have it reset. */
static enum zbd_answer write_zone(struct zbd_cursor *c, struct request *r, uint32_t i, uint32_t *reset) {
    struct zbd_zone *z = &c->zbd->zone[i];
    c->asked_again = !has_room(c, z) || (!c->asked_again && early_reset(c, z));
    if (c->asked_again) {
        *reset = i;
        return ZBD_RESET;
    }
    uint64_t room = z->capacity - z->written;
    if (!z->opener) {
        z->opener = c;
        c->zbd->open++;
        c->open++;
    }
    if (r->bytes > room)
        r->bytes = room - room % c->job->bs[RUN_WRITE];
    r->offset = i * c->zbd->zone_bytes + z->written;
    z->written += r->bytes;
    c->written += r->bytes;
    if (!has_room(c, z))
        zone_close(c, z);
    return ZBD_ISSUE;
}

static enum zbd_answer adjust_random_write(struct zbd_cursor *c, struct request *r, uint32_t *reset) {
    uint32_t i = (uint32_t)(r->offset / c->zbd->zone_bytes);
    for (uint32_t n = 0; c->zbd->zone[i].unusable; n++, i = after(c, i))
        if (n == c->end - c->first)
            return ZBD_NONE;
    if (!c->zbd->zone[i].opener && !may_open(c)) {
        i = find_open(c, i);
        if (i == c->end)
            return ZBD_NONE;
    }
    return write_zone(c, r, i, reset);
}

/* Sequential jobs begin with their first zone. */
void zbd_restart(struct zbd_cursor *c) {
    for (int d = 0; d < RUN_DIRS; d++) {
        c->zone[d] = c->first;
        c->at[d] = 0;
        c->began[d] = false;
    }
}

/* As fio: behind the last zone, on with the first only if there is more to do than the region holds. */
static bool may_wrap(const struct job *job) {
    return job->time_based || job->io_size.bytes || job->part;
}

/* On to the next zone, over zoneskip. False: there is none. */
static bool step(struct zbd_cursor *c, enum run_dir dir) {
    uint64_t on = 1 + c->job->zoneskip.bytes / c->zbd->zone_bytes, at = c->zone[dir] - c->first + on;
    if (at >= c->end - c->first && !may_wrap(c->job))
        return false;
    c->zone[dir] = c->first + (uint32_t)(at % (c->end - c->first));
    c->at[dir] = 0;
    c->began[dir] = false;
    return true;
}

static enum zbd_answer adjust_sequential_write(struct zbd_cursor *c, struct request *r, uint32_t *reset) {
    for (uint32_t n = 0; n <= c->end - c->first; n++) {
        const struct zbd_zone *z = &c->zbd->zone[c->zone[RUN_WRITE]];
        bool full = !has_room(c, z);
        if (z->unusable || (full && c->began[RUN_WRITE])) {
            if (!step(c, RUN_WRITE))
                return ZBD_NONE;
            continue;
        }
        if (!z->opener && !full && !may_open(c)) {
            c->zone[RUN_WRITE] = find_open(c, c->zone[RUN_WRITE]);
            if (c->zone[RUN_WRITE] == c->end) {
                c->zone[RUN_WRITE] = c->first;
                return ZBD_NONE;
            }
        }
        enum zbd_answer answer = write_zone(c, r, c->zone[RUN_WRITE], reset);
        c->began[RUN_WRITE] = true;
        if (answer == ZBD_RESET)
            c->began[RUN_WRITE] = false; /* to be written from its start when asked again */
        return answer;
    }
    return ZBD_NONE;
}

static uint64_t readable(const struct zbd_cursor *c, uint32_t i) {
    const struct zbd_zone *z = &c->zbd->zone[i];
    uint64_t bytes = c->job->read_beyond_wp || z->unusable ? z->capacity : z->written, bs = c->job->bs[RUN_READ];
    return bytes - bytes % bs;
}

static enum zbd_answer adjust_random_read(struct zbd_cursor *c, struct request *r) {
    uint32_t i = (uint32_t)(r->offset / c->zbd->zone_bytes), n = 0;
    uint64_t within = r->offset % c->zbd->zone_bytes, bs = c->job->bs[RUN_READ];
    while (!readable(c, i)) {
        if (++n > c->end - c->first)
            return ZBD_NONE;
        i = after(c, i);
    }
    within %= readable(c, i);
    within -= within % bs;
    if (r->bytes > readable(c, i) - within)
        r->bytes = readable(c, i) - within;
    r->offset = i * c->zbd->zone_bytes + within;
    return ZBD_ISSUE;
}

static enum zbd_answer adjust_sequential_read(struct zbd_cursor *c, struct request *r) {
    uint32_t *zone = &c->zone[RUN_READ];
    for (uint32_t n = 0; c->at[RUN_READ] >= readable(c, *zone); n++) {
        if (n > c->end - c->first || !step(c, RUN_READ))
            return ZBD_NONE;
    }
    uint64_t rest = readable(c, *zone) - c->at[RUN_READ];
    if (r->bytes > rest)
        r->bytes = rest;
    r->offset = *zone * c->zbd->zone_bytes + c->at[RUN_READ];
    c->at[RUN_READ] += r->bytes;
    return ZBD_ISSUE;
}

/* As fio: at random, a zone in which something is written; in order, each. */
static bool may_trim(const struct zbd_cursor *c, uint32_t i) {
    const struct zbd_zone *z = &c->zbd->zone[i];
    return !z->unusable && (z->written || !c->job->random);
}

/* A trim resets a zone. */
static enum zbd_answer adjust_trim(struct zbd_cursor *c, struct request *r) {
    uint32_t *zone = &c->zone[RUN_TRIM];
    if (c->job->random)
        *zone = (uint32_t)(r->offset / c->zbd->zone_bytes);
    else if (c->began[RUN_TRIM] && !step(c, RUN_TRIM))
        return ZBD_NONE;
    for (uint32_t n = 0; !may_trim(c, *zone); *zone = after(c, *zone))
        if (++n > c->end - c->first)
            return ZBD_NONE;
    c->began[RUN_TRIM] = true;
    r->offset = *zone * c->zbd->zone_bytes;
    r->bytes = c->zbd->zone_bytes;
    zbd_was_reset(c, *zone);
    return ZBD_ISSUE;
}

enum zbd_answer zbd_adjust(struct zbd_cursor *c, struct request *r, uint32_t *reset) {
    if (r->offset / c->zbd->zone_bytes >= c->end)
        r->offset = (c->end - 1) * c->zbd->zone_bytes;
    if (r->dir == RUN_TRIM)
        return adjust_trim(c, r);
    if (r->dir == RUN_WRITE)
        return c->job->random ? adjust_random_write(c, r, reset) : adjust_sequential_write(c, r, reset);
    return c->job->random ? adjust_random_read(c, r) : adjust_sequential_read(c, r);
}
