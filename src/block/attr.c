/*
 * The queue's attributes: names, texts and rules of the files under
 * /sys/block/X/queue (and X/stat, X/inflight, X/device/queue_depth).
 *
 * Source: Linux 4.4 and 6.8 block/blk-sysfs.c, Documentation/ABI/stable/sysfs-block.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "block/block_int.h"
#include "block/elevator/elevators.h"

#define MAX_SCHED_REQUESTS 2048 /* 6.8: MAX_SCHED_RQ */
#define PAGE_KB            4
#define WBT_USEC_MAX       1000000000

/* --- helpers --- */

static void show(char *text, size_t size, uint64_t value) {
    snprintf(text, size, "%" PRIu64, value);
}

struct span {
    int64_t min, max;
    const char *meaning; /* of some of them; NULL: plain */
};

/* Linux reads what is in `read`; allowed, so that nothing else is made of it, is what is in `allowed`. */
static int number(const char *name, const char *value, struct span read, struct span allowed, int64_t *v,
                  struct err *e) {
    int rc = block_parse_number(value, v);
    if (!rc && *v >= read.min && *v <= read.max)
        return 0;
    const char *quote = rc == -EINVAL ? "\"" : "";
    return err_set(e, EINVAL, "%s: %s%s%s%s; allowed are %" PRId64 " to %" PRId64 "%s", name, quote, value, quote,
                   rc == -EINVAL ? " is not a whole number" : "", allowed.min, allowed.max,
                   allowed.meaning ? allowed.meaning : "");
}

/* Files of the kind that take any number and keep whether it is 0. */
static int flag(const char *name, const char *value, bool *kept, char *note, size_t size, struct err *e) {
    int64_t v;
    if (number(name, value, (struct span){.max = UINT32_MAX}, (struct span){.max = 1}, &v, e))
        return -EINVAL;
    *kept = v != 0;
    if (v > 1)
        snprintf(note, size, "%s: %" PRId64 " is taken as 1", name, v);
    return 0;
}

/* --- get and set --- */

static void get_scheduler(const struct block *b, char *text, size_t size) {
    elevator_names(block_elevator(b)->ops, b->zones, text, size);
}

static int set_scheduler(struct block *b, const char *value, char *note, size_t size, struct err *e) {
    return block_switch(b, value, note, size, e);
}

static void get_nr_requests(const struct block *b, char *text, size_t size) {
    show(text, size, b->nr_requests);
}

static uint32_t most_requests(const struct block *b) {
    if (!block_multi_queue(b))
        return BLOCK_MAX_REQUESTS;
    return b->ops == &elevator_none ? b->depth : MAX_SCHED_REQUESTS;
}

static int set_nr_requests(struct block *b, const char *value, char *note, size_t size, struct err *e) {
    int64_t v, most = most_requests(b), least = most < BLOCK_MIN_REQUESTS ? most : BLOCK_MIN_REQUESTS;
    if (number("nr_requests", value, (struct span){.max = most}, (struct span){.min = least, .max = most}, &v, e))
        return -EINVAL;
    if (v < least) {
        snprintf(note, size, "nr_requests: %" PRId64 " is below the least; %" PRId64 " is set", v, least);
        v = least;
    }
    b->nr_requests = (uint32_t)v;
    if (b->ops->depth_changed)
        b->ops->depth_changed(b->elevator);
    block_enter(b);
    block_pool_wake_all(b);
    block_leave(b);
    return 0;
}

static void get_depth(const struct block *b, char *text, size_t size) {
    show(text, size, b->depth);
}

static int set_depth(struct block *b, const char *value, char *note, size_t size, struct err *e) {
    int64_t v;
    const struct span allowed = {.min = 1, .max = BLOCK_MAX_REQUESTS};
    if (number("queue_depth", value, allowed, allowed, &v, e))
        return -EINVAL;
    b->depth = (uint32_t)v;
    if (b->ops == &elevator_none && b->nr_requests > b->depth)
        b->nr_requests = b->depth;
    if (b->ops->depth_changed)
        b->ops->depth_changed(b->elevator);
    block_wbt_resize(&b->wbt);
    elevator_kick(b->elevator);
    return 0;
}

static void get_nomerges(const struct block *b, char *text, size_t size) {
    show(text, size, b->nomerges);
}

static int set_nomerges(struct block *b, const char *value, char *note, size_t size, struct err *e) {
    int64_t v;
    if (number("nomerges", value, (struct span){.max = UINT32_MAX}, (struct span){.max = 2}, &v, e))
        return -EINVAL;
    if (v > 2)
        snprintf(note, size, "nomerges: %" PRId64 " is taken as 1", v);
    b->nomerges = v == 2 ? 2 : v != 0;
    return 0;
}

static void get_rotational(const struct block *b, char *text, size_t size) {
    show(text, size, b->rotational);
}

static int set_rotational(struct block *b, const char *value, char *note, size_t size, struct err *e) {
    return flag("rotational", value, &b->rotational, note, size, e);
}

static void get_max_sectors(const struct block *b, char *text, size_t size) {
    show(text, size, b->max_sectors / 2);
}

static int set_max_sectors(struct block *b, const char *value, char *note, size_t size, struct err *e) {
    int64_t v;
    const struct span allowed = {.min = PAGE_KB, .max = b->max_hw_sectors / 2};
    if (number("max_sectors_kb", value, allowed, allowed, &v, e))
        return -EINVAL;
    b->max_sectors = (uint32_t)v * 2;
    return 0;
}

static void get_max_hw_sectors(const struct block *b, char *text, size_t size) {
    show(text, size, b->max_hw_sectors / 2);
}

static void get_max_segments(const struct block *b, char *text, size_t size) {
    show(text, size, b->max_segments);
}

static void get_max_segment_size(const struct block *b, char *text, size_t size) {
    show(text, size, b->max_segment_bytes);
}

static void get_iostats(const struct block *b, char *text, size_t size) {
    show(text, size, b->iostats);
}

static int set_iostats(struct block *b, const char *value, char *note, size_t size, struct err *e) {
    return flag("iostats", value, &b->iostats, note, size, e);
}

static void get_wbt(const struct block *b, char *text, size_t size) {
    show(text, size, (uint64_t)b->wbt.min_lat_ns / 1000);
}

static int set_wbt(struct block *b, const char *value, char *note, size_t size, struct err *e) {
    int64_t v;
    const struct span allowed = {-1, WBT_USEC_MAX, " (-1: 2000, or 75000 where something rotates; 0: off)"};
    if (number("wbt_lat_usec", value, allowed, allowed, &v, e))
        return -EINVAL;
    block_wbt_set(&b->wbt, v);
    return 0;
}

static void get_hz(const struct block *b, char *text, size_t size) {
    show(text, size, b->hz);
}

static void get_cpus(const struct block *b, char *text, size_t size) {
    show(text, size, b->cpus);
}

static void get_write_cache(const struct block *b, char *text, size_t size) {
    snprintf(text, size, "%s", b->limits.volatile_cache ? "write back" : "write through");
}

static void get_zoned(const struct block *b, char *text, size_t size) {
    snprintf(text, size, "%s", b->zones ? "host-managed" : "none");
}

static void get_chunk_sectors(const struct block *b, char *text, size_t size) {
    show(text, size, b->zone_sectors);
}

static void get_nr_zones(const struct block *b, char *text, size_t size) {
    show(text, size, b->zones);
}

static void get_block_size(const struct block *b, char *text, size_t size) {
    show(text, size, b->drive->config.drive.lba_bytes);
}

static void get_physical_block_size(const struct block *b, char *text, size_t size) {
    show(text, size, b->limits.granularity);
}

static void get_fua(const struct block *b, char *text, size_t size) {
    show(text, size, b->limits.volatile_cache);
}

static void get_max_open_zones(const struct block *b, char *text, size_t size) {
    show(text, size, b->max_open_zones);
}

static void get_max_active_zones(const struct block *b, char *text, size_t size) {
    show(text, size, b->max_active_zones);
}

static void get_size(const struct block *b, char *text, size_t size) {
    show(text, size, b->drive->capacity >> SECTOR_SHIFT);
}

static void get_discard_granularity(const struct block *b, char *text, size_t size) {
    show(text, size, b->limits.trim_granularity);
}

static void get_inflight(const struct block *b, char *text, size_t size) {
    snprintf(text, size, "%8" PRIu32 " %8" PRIu32, b->stat.in_flight[0], b->stat.in_flight[1]);
}

static void get_stat(const struct block *b, char *text, size_t size) {
    const struct block_stat *s = block_stat(b);
    int64_t ms = 1000000;
    snprintf(text, size,
             "%8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRId64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRId64
             " %8" PRIu32 " %8" PRId64 " %8" PRId64,
             s->ios[0], s->merges[0], s->sectors[0], s->ns[0] / ms, s->ios[1], s->merges[1], s->sectors[1],
             s->ns[1] / ms, s->in_flight[0] + s->in_flight[1], s->io_ns / ms, s->queue_ns / ms);
}

const struct block_attr block_attrs[] = {
    {"scheduler", "a name of the list", "the I/O scheduler, in brackets; NAME[,tunable=value,...] switches",
     get_scheduler, set_scheduler},
    {"nr_requests", "4..", "requests there may be: of sync and of async each, or in all under a multi-queue scheduler",
     get_nr_requests, set_nr_requests},
    {"queue_depth", "1..", "requests the drive takes at once (device/queue_depth)", get_depth, set_depth},
    {"nomerges", "0, 1, 2", "1: merge with the plug and the last merged only; 2: never", get_nomerges, set_nomerges},
    {"rotational", "0, 1", "what schedulers take the drive for", get_rotational, set_rotational},
    {"max_sectors_kb", "4..max_hw_sectors_kb", "largest request; larger ones are split", get_max_sectors,
     set_max_sectors},
    {"iostats", "0, 1", "whether stat counts", get_iostats, set_iostats},
    {"wbt_lat_usec", "-1..",
     "writeback is throttled so that reads take no longer; -1: 2000, rotating 75000; 0: it isn't", get_wbt, set_wbt},
    {"max_hw_sectors_kb", "", "largest max_sectors_kb", get_max_hw_sectors, NULL},
    {"max_segments", "", "pieces of memory in a request", get_max_segments, NULL},
    {"max_segment_size", "", "bytes of one", get_max_segment_size, NULL},
    {"logical_block_size", "", "bytes of a block", get_block_size, NULL},
    {"hw_sector_size", "", "the same", get_block_size, NULL},
    {"physical_block_size", "", "bytes the drive writes at once", get_physical_block_size, NULL},
    {"minimum_io_size", "", "the same", get_physical_block_size, NULL},
    {"discard_granularity", "", "bytes the drive deallocates by", get_discard_granularity, NULL},
    {"write_cache", "", "\"write back\": volatile, needs flushes", get_write_cache, NULL},
    {"fua", "", "whether a single write can be asked to be durable", get_fua, NULL},
    {"zoned", "", "none or host-managed", get_zoned, NULL},
    {"chunk_sectors", "", "sectors of a zone", get_chunk_sectors, NULL},
    {"nr_zones", "", "zones", get_nr_zones, NULL},
    {"max_open_zones", "", "zones that may be open; 0: all", get_max_open_zones, NULL},
    {"max_active_zones", "", "zones that may be partly written; 0: all", get_max_active_zones, NULL},
    {"size", "", "sectors of the drive (/sys/block/X/size)", get_size, NULL},
    {"hz", "", "ticks a second of the kernel's timer", get_hz, NULL},
    {"cpus", "", "software queues of multi-queue schedulers", get_cpus, NULL},
    {"stat", "", "the eleven numbers of /sys/block/X/stat", get_stat, NULL},
    {"inflight", "", "reads and writes under way", get_inflight, NULL},
    {NULL},
};

/* --- by name --- */

static const char *tunable_name(const char *name) {
    return strncmp(name, "iosched/", 8) ? NULL : name + 8;
}

/* Files that Linux has, of things that aren't modelled. */
static const char *missing(const char *name) {
    static const struct {
        const char *name, *why;
    } rows[] = {
        {"read_ahead_kb", "reads go to the drive past any page cache; the drive's own read-ahead is an option of it"},
        {"rq_affinity", "completing takes no processor's time"},
        {"add_random", "there is no pool of entropy"},
        {"io_poll", "completing takes no processor's time"},
        {"io_poll_delay", "completing takes no processor's time"},
        {"io_timeout", "hosts have time-outs of their own"},
        {"dax", "the drive isn't memory"},
        {"optimal_io_size", "the drives don't report one"},
        {"discard_max_bytes", "trims have no limit"},
        {"discard_max_hw_bytes", "trims have no limit"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].name, name))
            return rows[i].why;
    return NULL;
}

static const struct block_attr *find(const char *name, struct err *e) {
    char names[1024];
    size_t used = 0;
    for (const struct block_attr *a = block_attrs; a->name; a++)
        if (!strcmp(a->name, name))
            return a;
    if (missing(name)) {
        err_set(e, ENOENT, "%s is not modelled: %s", name, missing(name));
        return NULL;
    }
    for (const struct block_attr *a = block_attrs; a->name && used < sizeof names; a++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s, ", a->name);
    err_set(e, ENOENT, "a queue has no attribute \"%s\"; there are: %siosched/...", name, names);
    return NULL;
}

int block_attr_get(struct block *b, const char *name, char *text, size_t size, struct err *e) {
    if (tunable_name(name))
        return elevator_tunable_get(block_elevator(b), tunable_name(name), text, size, e);
    const struct block_attr *a = find(name, e);
    if (!a)
        return -ENOENT;
    a->get(b, text, size);
    return 0;
}

int block_attr_set(struct block *b, const char *name, const char *value, char *note, size_t size, struct err *e) {
    char unheard[256];
    note = note ? note : unheard;
    size = note == unheard ? sizeof unheard : size;
    note[0] = '\0';
    if (tunable_name(name))
        return elevator_tunable_set(block_elevator(b), tunable_name(name), value, note, size, e);
    const struct block_attr *a = find(name, e);
    if (!a)
        return -ENOENT;
    if (!a->set)
        return err_set(e, EACCES, "%s can only be read", name);
    return a->set(b, value, note, size, e);
}

json_t *block_attrs_json(struct block *b) {
    char text[512], name[128];
    json_t *all = json_object();
    for (const struct block_attr *a = block_attrs; a->name; a++) {
        a->get(b, text, sizeof text);
        json_object_set_new(all, a->name, json_string(text));
    }
    const struct elevator *e = block_elevator(b);
    for (const struct elevator_tunable *t = e->ops->tunables; t && t->name; t++) {
        snprintf(name, sizeof name, "iosched/%s", t->name);
        elevator_tunable_get(e, t->name, text, sizeof text, NULL);
        json_object_set_new(all, name, json_string(text));
    }
    return all;
}
