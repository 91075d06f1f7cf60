/*
 * Command capsules: any submission queue entries with any data on a connected
 * controller, and on a queue that is not connected yet. Each command completes
 * at most once and is given back exactly once; the state machine's self-check
 * holds; nothing is left when the queues are gone.
 *
 * Each input is played three times: to a drive without zones, to one with zones,
 * descriptor extensions and random write areas, and to one of both behind a
 * queue, whose schedulers change on the way.
 *
 * Input: records of one control byte, the entry (64 bytes), and data:
 *   bits 1:0 queue (0 admin, 1 and 2 I/O, 3 unconnected)
 *   bit 2    run the simulation after it
 *   bit 3    its data takes time: it is executed after the next record
 *   bit 4    the transport rejects it
 *   bit 5    32 bytes of data follow, repeated over the payload; else the rest
 *            of the payload is a valid Connect or zeros
 *   bit 6    completed commands are released only later
 *   bit 7    the queue's connection ends after it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "block/block.h"
#include "fuzz.h"
#include "nvme/nvme.h"

enum { QUEUES = 4, SLOTS = 32, PATTERN = 32 };

struct slot {
    struct nvme_cmd cmd; /* first member */
    struct iovec vec;
    uint8_t *data;
    bool used, completed;
};

struct fuzz_queue {
    struct nvme_queue queue; /* first member */
    struct slot slot[SLOTS];
    struct slot *parked;
    bool gone, hold;
};

struct world {
    struct sim *sim;
    struct drive *drive;
    struct nvme_target *target;
    struct nvme_subsystem *subsystem;
    struct fuzz_queue q[QUEUES];
};

static void complete(struct nvme_cmd *cmd) {
    struct slot *s = (struct slot *)cmd;
    fuzz_require(s->used && !s->completed);
    s->completed = true;
    fuzz_require(cmd->out_bytes <= cmd->xfer_bytes);
    if (cmd->out_bytes) {
        volatile uint8_t last = ((const uint8_t *)cmd->out)[cmd->out_bytes - 1];
        (void)last;
    }
    if (!((struct fuzz_queue *)cmd->queue)->hold)
        nvme_cmd_release(cmd);
}

static void recycle(struct nvme_cmd *cmd) {
    struct slot *s = (struct slot *)cmd;
    fuzz_require(s->used);
    s->used = false;
    free(s->data);
    s->data = NULL;
}

static void disconnect(struct nvme_queue *queue, const char *why) {
    fuzz_require(why && !((struct fuzz_queue *)queue)->gone);
}

static const struct nvme_queue_ops ops = {
    .trtype = NVME_TRTYPE_LOOP, .complete = complete, .recycle = recycle, .disconnect = disconnect};

static void connect_data(struct world *w, struct slot *s) {
    struct nvme_connect_data *d = (struct nvme_connect_data *)s->data;
    const struct nvme_fabrics_connect *c = (const struct nvme_fabrics_connect *)&s->cmd.sqe;
    if (s->cmd.sqe.opc != NVME_OPC_FABRICS || s->cmd.xfer_bytes != sizeof *d)
        return;
    d->cntlid = le16_from(le16_get(c->qid) ? 1 : NVME_CNTLID_ANY);
    snprintf(d->subnqn, sizeof d->subnqn, "%s", nvme_subsystem_nqn(w->subsystem));
    snprintf(d->hostnqn, sizeof d->hostnqn, "nqn.2024-01.example:fuzz");
}

static void take_data(struct world *w, struct slot *s, const uint8_t *pattern) {
    uint32_t bytes = s->cmd.xfer_bytes;
    if (s->cmd.xfer != NVME_XFER_TO_CTRL)
        return;
    s->data = calloc(1, bytes);
    fuzz_require(s->data != NULL);
    if (pattern)
        for (uint32_t i = 0; i < bytes; i++)
            s->data[i] = pattern[i % PATTERN];
    else
        connect_data(w, s);
    s->vec = (struct iovec){s->data, bytes};
    s->cmd.in = &s->vec;
    s->cmd.in_count = 1;
}

static struct slot *start(struct world *w, unsigned q, const void *entry, const uint8_t *pattern) {
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *s = &w->q[q].slot[i];
        if (s->used)
            continue;
        s->used = true;
        s->completed = false;
        memcpy(&s->cmd.sqe, entry, sizeof s->cmd.sqe);
        nvme_cmd_start(&w->q[q].queue, &s->cmd);
        take_data(w, s, pattern);
        return s;
    }
    return NULL;
}

static void end_queue(struct world *w, unsigned q) {
    if (w->q[q].gone)
        return;
    w->q[q].gone = true;
    w->q[q].parked = NULL;
    nvme_queue_gone(&w->q[q].queue);
}

static void connect_queue(struct world *w, unsigned q) {
    const struct nvme_fabrics_connect c = {
        .opc = NVME_OPC_FABRICS, .fctype = NVME_FCTYPE_CONNECT, .qid = le16_from((uint16_t)q), .sqsize = le16_from(31)};
    nvme_cmd_execute(&start(w, q, &c, NULL)->cmd);
    if (q)
        return;
    const struct nvme_fabrics_property p = {.opc = NVME_OPC_FABRICS,
                                            .fctype = NVME_FCTYPE_PROPERTY_SET,
                                            .ofst = le32_from(NVME_PROP_CC),
                                            .value = le64_from(0x460061)};
    nvme_cmd_execute(&start(w, 0, &p, NULL)->cmd);
}

static const char *const flat[] = {"drive.kind=nossd", "drive.capacity=4MiB", "nvme.namespaces=2", NULL};
static const char *const zoned[] = {"drive.kind=zns",
                                    "drive.capacity=4MiB",
                                    "nvme.namespaces=2",
                                    "nvme.lba_bytes=512",
                                    "zns.zone_size=256KiB",
                                    "zns.zone_capacity=192KiB",
                                    "zns.max_active=3",
                                    "zns.max_open=2",
                                    "zns.append_limit=32KiB",
                                    "zns.read_across=no",
                                    "zns.extension_bytes=64",
                                    "zns.zrwa_zones=2",
                                    "zns.zrwa_bytes=32KiB",
                                    "zns.zrwa_granularity=8KiB",
                                    "zns.dies_per_zone=1",
                                    "nand.channels=1",
                                    "nand.luns=1",
                                    "nand.planes=1",
                                    "nand.pages=12",
                                    "nand.blocks=20",
                                    "nand.page_bytes=16384",
                                    "nand.factory_bad_percent=0",
                                    NULL};

static void world_open(struct world *w, const char *const *options, bool queue) {
    static struct drive_config config;
    struct nvme_config nvme;
    struct opt_set set = {0};
    struct err e = {0};
    log_set_levels("error", NULL);
    fuzz_require(!drive_config_init(&config, &set, &e) && !opt_set_add(&set, nvme_opts, &nvme));
    for (; *options; options++)
        fuzz_require(!opt_assign_arg(&set, *options, &e));
    w->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    w->drive = drive_open(&config, "memory", NULL, w->sim, &e);
    w->target = nvme_target_new(w->sim, &e);
    w->subsystem = nvme_subsystem_new(w->target, &nvme, w->drive, &e);
    fuzz_require(w->subsystem != NULL);
    if (queue) {
        const struct block_settings s = {.scheduler = "mq-deadline", .queue_depth = 4};
        fuzz_require(block_new(w->drive, &s, &e) != NULL);
    }
    for (unsigned q = 0; q < QUEUES; q++)
        nvme_queue_init(&w->q[q].queue, w->target, &ops, "fuzz", 8192);
    for (unsigned q = 0; q < 3; q++)
        connect_queue(w, q);
    fuzz_require(w->q[2].queue.ctrl != NULL);
}

static void release_held(struct fuzz_queue *q) {
    q->hold = false;
    for (unsigned i = 0; i < SLOTS; i++)
        if (q->slot[i].used && q->slot[i].completed)
            nvme_cmd_release(&q->slot[i].cmd);
}

static void queue_check(const struct world *w) {
    struct err e = {0};
    struct block *b = block_of(w->drive);
    bool sound = !b || !block_check(b, &e);
    if (!sound)
        fprintf(stderr, "%s\n", e.text);
    fuzz_require(sound);
}

/* Another scheduler, if it fits the drive; limits for hosts that are there by now. */
static void queue_change(struct world *w, unsigned number) {
    static const char *const limits[] = {"wiops=50 rbps=1M", "rbps=max wiops=max"};
    struct err unused;
    struct block *b = block_of(w->drive);
    unsigned count = 0;
    if (!b)
        return;
    while (elevators[count])
        count++;
    (void)block_switch(b, elevators[number % count]->name, NULL, 0, &unused);
    struct block_group *g = block_group_find(b, "");
    (void)block_group_set_limits(b, g, limits[number / 4 % 2], &unused);
    (void)block_attr_set(b, "wbt_lat_usec", number / 2 % 2 ? "-1" : "0", NULL, 0, &unused);
    queue_check(w);
}

static void world_close(struct world *w) {
    struct err e = {0};
    fuzz_require(!nvme_check(w->target, &e));
    for (unsigned q = 0; q < QUEUES; q++)
        end_queue(w, q);
    sim_run(w->sim, SIM_NEVER);
    for (unsigned q = 0; q < QUEUES; q++) {
        fuzz_require(w->q[q].queue.outstanding == 0);
        for (unsigned i = 0; i < SLOTS; i++)
            fuzz_require(!w->q[q].slot[i].used);
    }
    fuzz_require(!nvme_check(w->target, &e));
    queue_check(w);
    fuzz_require(!block_of(w->drive) || !block_ios_inside(block_of(w->drive)));
    nvme_subsystem_free(w->subsystem);
    nvme_target_free(w->target);
    block_free(block_of(w->drive));
    drive_close(w->drive);
    sim_free(w->sim);
}

static void record(struct world *w, uint8_t control, const uint8_t *entry, const uint8_t *pattern) {
    unsigned q = control & 3;
    struct fuzz_queue *fq = &w->q[q];
    if (fq->gone)
        return;
    if (control & 0x40)
        fq->hold = true;
    struct slot *s = start(w, q, entry, pattern), *before = fq->parked;
    fq->parked = NULL;
    if (before)
        nvme_cmd_execute(&before->cmd);
    if (s && (control & 8))
        fq->parked = s;
    else if (s && (control & 0x10))
        nvme_cmd_reject(&s->cmd, NVME_SC_DATA_TRANSFER_ERROR, "the input says so");
    else if (s)
        nvme_cmd_execute(&s->cmd);
    if (control & 4)
        sim_run(w->sim, sim_now(w->sim) + 200000);
    if (!(control & 0x40))
        release_held(fq);
    if (control & 0x80)
        end_queue(w, q);
}

static void play(const char *const *options, bool queue, const uint8_t *data, size_t size) {
    struct world *w = calloc(1, sizeof *w);
    fuzz_require(w != NULL);
    world_open(w, options, queue);
    for (unsigned number = 0; size >= 65; number++) {
        size_t used = 65;
        if (number % 3 == 2)
            queue_change(w, number / 3 + (unsigned)data[0]);
        const uint8_t *pattern = NULL;
        if ((data[0] & 0x20) && size >= used + PATTERN) {
            pattern = data + used;
            used += PATTERN;
        }
        record(w, data[0], data + 1, pattern);
        data += used;
        size -= used;
    }
    for (unsigned q = 0; q < QUEUES; q++)
        if (w->q[q].parked && !w->q[q].gone)
            nvme_cmd_execute(&w->q[q].parked->cmd);
    world_close(w);
    free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    play(flat, false, data, size);
    play(zoned, false, data, size);
    play(size % 2 ? zoned : flat, true, data, size);
    return 0;
}
