/*
 * What the controller adds to one I/O command: 4 KiB random reads and writes
 * straight into a drive without flash, and the same as NVMe commands through
 * start, execute, complete and release, in virtual time on one core.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/rng.h"
#include "nvme/nvme.h"

enum { DEPTH = 32, COMMANDS = 4000000 };

struct slot {
    struct nvme_cmd cmd; /* first member */
    struct io io;
    struct iovec vec;
};

struct bench {
    struct sim *sim;
    struct drive *drive;
    struct nvme_queue admin, queue;
    struct rng rng;
    uint64_t left, blocks, failed;
    uint8_t opcode;
    struct slot slot[DEPTH];
    struct nvme_cmd setup;
    struct iovec setup_vec;
    char data[4096];
};

static struct bench the_bench;

static double cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- Straight ---- */

static void straight(struct io *io) {
    struct bench *b = &the_bench;
    if (!b->left)
        return;
    b->left--;
    io->offset = rng_below(&b->rng, b->blocks) * 4096;
    drive_submit(b->drive, io);
}

static double run_straight(struct bench *b, uint8_t opcode) {
    b->left = COMMANDS;
    double from = cpu();
    for (unsigned i = 0; i < DEPTH; i++) {
        struct slot *s = &b->slot[i];
        io_init(&s->io);
        s->vec = (struct iovec){b->data, sizeof b->data};
        s->io.op = opcode == NVME_IO_READ ? IO_READ : IO_WRITE;
        s->io.bytes = 4096;
        s->io.vec = &s->vec;
        s->io.nvec = 1;
        s->io.done = straight;
        straight(&s->io);
    }
    sim_run(b->sim, SIM_NEVER);
    return (cpu() - from) * 1e9 / COMMANDS;
}

/* ---- As commands ---- */

static void send(struct slot *s) {
    struct bench *b = &the_bench;
    if (!b->left)
        return;
    b->left--;
    uint64_t slba = rng_below(&b->rng, b->blocks);
    s->cmd.sqe.opc = b->opcode;
    s->cmd.sqe.flags = NVME_PSDT_SGL_MPTR_BUFFER << 6;
    s->cmd.sqe.cid = le16_from((uint16_t)(s - b->slot));
    s->cmd.sqe.nsid = le32_from(1);
    s->cmd.sqe.cdw10 = le32_from((uint32_t)slba);
    s->cmd.sqe.cdw11 = le32_from((uint32_t)(slba >> 32));
    nvme_cmd_start(&b->queue, &s->cmd);
    s->vec = (struct iovec){b->data, sizeof b->data};
    s->cmd.in = &s->vec;
    s->cmd.in_count = 1;
    nvme_cmd_execute(&s->cmd);
}

static void complete(struct nvme_cmd *cmd) {
    the_bench.failed += le16_get(cmd->cqe.status) != 0;
    nvme_cmd_release(cmd);
}

static void recycle(struct nvme_cmd *cmd) {
    if (cmd != &the_bench.setup)
        send((struct slot *)cmd);
}

static void disconnect(struct nvme_queue *queue, const char *why) {}

static const struct nvme_queue_ops ops = {
    .trtype = NVME_TRTYPE_LOOP, .complete = complete, .recycle = recycle, .disconnect = disconnect};

static void setup(struct bench *b, struct nvme_queue *queue, const void *entry, void *data, size_t bytes) {
    memcpy(&b->setup.sqe, entry, sizeof b->setup.sqe);
    nvme_cmd_start(queue, &b->setup);
    b->setup_vec = (struct iovec){data, bytes};
    b->setup.in = &b->setup_vec;
    b->setup.in_count = 1;
    nvme_cmd_execute(&b->setup);
}

static void connect_queue(struct bench *b, struct nvme_queue *queue, struct nvme_target *target, const char *nqn,
                          uint16_t qid) {
    struct nvme_fabrics_connect c = {
        .opc = NVME_OPC_FABRICS, .fctype = NVME_FCTYPE_CONNECT, .qid = le16_from(qid), .sqsize = le16_from(127)};
    struct nvme_connect_data d = {.cntlid = le16_from(qid ? 1 : NVME_CNTLID_ANY)};
    snprintf(d.subnqn, sizeof d.subnqn, "%s", nqn);
    snprintf(d.hostnqn, sizeof d.hostnqn, "nqn.2024-01.example:bench");
    nvme_queue_init(queue, target, &ops, "bench", 8192);
    setup(b, queue, &c, &d, sizeof d);
}

static double run_commands(struct bench *b, uint8_t opcode) {
    b->left = COMMANDS;
    b->opcode = opcode;
    double from = cpu();
    for (unsigned i = 0; i < DEPTH; i++)
        send(&b->slot[i]);
    sim_run(b->sim, SIM_NEVER);
    return (cpu() - from) * 1e9 / COMMANDS;
}

static struct drive *open_drive(struct sim *sim, struct nvme_config *nvme, struct err *e) {
    struct drive_config config;
    struct opt_set set = {0};
    if (drive_config_init(&config, &set, e) || opt_set_add(&set, nvme_opts, nvme) ||
        opt_assign_arg(&set, "drive.kind=nossd", e) || opt_assign_arg(&set, "drive.capacity=64MiB", e))
        return NULL;
    return drive_open(&config, "memory", NULL, sim, e);
}

int main(void) {
    static const struct {
        const char *name;
        uint8_t opcode;
    } kinds[] = {{"4 KiB random reads", NVME_IO_READ}, {"4 KiB random writes", NVME_IO_WRITE}};
    struct bench *b = &the_bench;
    struct nvme_config nvme;
    struct err e = {0};
    log_set_levels("warn", &e);
    b->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    b->drive = b->sim ? open_drive(b->sim, &nvme, &e) : NULL;
    struct nvme_target *target = b->drive ? nvme_target_new(b->sim, &e) : NULL;
    struct nvme_subsystem *subsystem = target ? nvme_subsystem_new(target, &nvme, b->drive, &e) : NULL;
    if (!subsystem) {
        fprintf(stderr, "%s\n", e.text);
        return 2;
    }
    const struct nvme_fabrics_property enable = {.opc = NVME_OPC_FABRICS,
                                                 .fctype = NVME_FCTYPE_PROPERTY_SET,
                                                 .ofst = le32_from(NVME_PROP_CC),
                                                 .value = le64_from(0x460001)};
    rng_init(&b->rng, 7, 7);
    b->blocks = (64 << 20) / 4096;
    connect_queue(b, &b->admin, target, nvme_subsystem_nqn(subsystem), 0);
    setup(b, &b->admin, &enable, NULL, 0);
    connect_queue(b, &b->queue, target, nvme_subsystem_nqn(subsystem), 1);
    for (unsigned k = 0; k < 2; k++) {
        double drive = run_straight(b, kinds[k].opcode), all = run_commands(b, kinds[k].opcode);
        printf("%-20s drive alone %5.1f ns, as commands %5.1f ns: the controller adds %5.1f ns\n", kinds[k].name, drive,
               all, all - drive);
    }
    if (b->failed)
        printf("%llu commands failed\n", (unsigned long long)b->failed);
    nvme_queue_gone(&b->queue);
    nvme_queue_gone(&b->admin);
    nvme_subsystem_free(subsystem);
    nvme_target_free(target);
    drive_close(b->drive);
    sim_free(b->sim);
    return b->failed != 0;
}
