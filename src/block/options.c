/* Options of section "queue". */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "block/block.h"
#include "block/elevator.h"

#define ROW(field, ...)                                                                                                \
    { "queue", #field, .offset = offsetof(struct block_config, field), __VA_ARGS__ }

static const char *const as_drive[] = {"as_the_drive", "no", "yes", NULL};

const struct opt_row block_opts[] = {
    ROW(scheduler, .type = OPT_STRING, .def = "",
        .help = "I/O scheduler in front of the drive, with tunables: deadline,fifo_batch=8; empty: no queue"),
    ROW(hz, .type = OPT_U32, .min = 24, .max = 10000, .def = "1000", .unit = "1/s",
        .help = "ticks of the kernel's timer, in which schedulers count"),
    ROW(depth, .type = OPT_U32, .max = 100000, .def = "0", .unit = "requests",
        .help = "what the drive takes at once; 0 = as the drive says, or 256"),
    ROW(nr_requests, .type = OPT_U32, .max = 100000, .def = "0", .unit = "requests",
        .help = "size of the pool of requests; 0 = as Linux: 128 sync and 128 async ones, or by the depth"),
    ROW(nomerges, .type = OPT_U32, .max = 2, .def = "0",
        .help = "1: merge with the plug and the last merged request only; 2: never"),
    ROW(max_sectors_kb, .type = OPT_U32, .min = 4, .max = 1280, .def = "1280", .unit = "KiB",
        .help = "largest request; larger ones are split"),
    ROW(rotational, .type = OPT_ENUM, .def = "as_the_drive", .choices = as_drive,
        .help = "what schedulers take the drive for"),
    ROW(wbt_lat_usec, .type = OPT_STRING, .def = "0",
        .help = "throttle writeback so that reads take no longer than so many us; -1: 2000, rotating 75000; 0: don't"),
    ROW(cpus, .type = OPT_U32, .min = 1, .max = 4096, .def = "4", .help = "software queues of multi-queue schedulers"),
    ROW(cgroup_version, .type = OPT_U32, .min = 1, .max = 2, .def = "1",
        .help = "1: weights 10 to 1000, normally 500; 2: 1 to 10000, normally 100"),
    {0},
};

static int set_number(struct block *b, const char *attr, uint32_t value, struct err *e) {
    char text[16];
    snprintf(text, sizeof text, "%u", value);
    return block_attr_set(b, attr, text, NULL, 0, e);
}

int block_config_check(const struct block_config *c, struct err *e) {
    return c->scheduler[0] && elevator_check_spec(c->scheduler, e) ? err_prefix(e, "queue.scheduler: ") : 0;
}

int block_open(struct drive *drive, const struct block_config *c, struct err *e) {
    const struct block_settings s = {.scheduler = c->scheduler,
                                     .hz = c->hz,
                                     .queue_depth = c->depth,
                                     .cpus = c->cpus,
                                     .cgroup_version = c->cgroup_version,
                                     .rotational = c->rotational};
    if (!c->scheduler[0])
        return 0;
    struct block *b = block_new(drive, &s, e);
    if (!b)
        return err_prefix(e, "queue.scheduler: ");
    int rc = set_number(b, "nomerges", c->nomerges, e);
    rc = rc ? rc : set_number(b, "max_sectors_kb", c->max_sectors_kb, e);
    if (!rc && c->nr_requests)
        rc = set_number(b, "nr_requests", c->nr_requests, e);
    if (!rc)
        rc = block_attr_set(b, "wbt_lat_usec", c->wbt_lat_usec, NULL, 0, e);
    if (!rc)
        return 0;
    block_free(b);
    return err_prefix(e, "section queue: ");
}
