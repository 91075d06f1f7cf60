/*
 * Zoned drives, in virtual time, no payload, one core: 4 KiB sequential writes
 * and appends a second of processor time, what zones need of memory, and the
 * time that reports of 100,000 zones take: the drive's part, and as Zone
 * Management Receive commands of MDTS each, the first time and again.
 *
 * usage: bench_zns [profile.ini] [-o section.key=value]...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/log.h"
#include "drive/drive.h"
#include "nvme/nvme.h"

enum { DEPTH = 64, BYTES = 4096, ZONES = 8, REPORT_ZONES = 100000 };

struct bench {
    struct sim *sim;
    struct drive *drive;
    struct drive_zoned_limits limits;
    uint64_t left, written, failed;
    enum io_op op;
    uint64_t capacity, at[ZONES];
    struct io io[DEPTH], reset[ZONES];
    unsigned next;
};

static struct bench the_bench;

static double cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static long resident_kib(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void was_reset(struct io *io) {
    the_bench.failed += io->status != IO_OK;
}

static void reset(struct bench *b, unsigned zone) {
    struct io *io = &b->reset[zone];
    io_release(io);
    *io = (struct io){.op = IO_ZONE, .action = ZONE_RESET, .offset = zone * b->limits.zone_bytes, .done = was_reset};
    b->at[zone] = 0;
    drive_submit(b->drive, io);
}

/* Zones in turn, each from its start to its end and then reset. */
static void submit(struct io *io) {
    struct bench *b = &the_bench;
    b->failed += io->status != IO_OK;
    if (!b->left)
        return;
    b->left--;
    unsigned zone = b->next++ % ZONES;
    if (b->at[zone] + BYTES > b->capacity)
        reset(b, zone);
    io->op = (uint8_t)b->op;
    io->flags = IO_NO_DATA;
    io->offset = zone * b->limits.zone_bytes + (b->op == IO_WRITE ? b->at[zone] : 0);
    io->bytes = BYTES;
    b->at[zone] += BYTES;
    drive_submit(b->drive, io);
}

static void measure(struct bench *b, const char *name, enum io_op op, uint64_t ios) {
    b->op = op;
    b->left = ios;
    int64_t from_ns = sim_now(b->sim);
    double from = cpu();
    for (unsigned i = 0; i < DEPTH; i++) {
        io_init(&b->io[i]);
        b->io[i].done = submit;
        submit(&b->io[i]);
    }
    sim_run(b->sim, SIM_NEVER);
    double took = cpu() - from, modelled = (double)(sim_now(b->sim) - from_ns) * 1e-9;
    printf("%-28s %8.2f M/s of CPU  %10.0f /s modelled%s\n", name, (double)ios / took / 1e6, (double)ios / modelled,
           b->failed ? "  SOME FAILED" : "");
}

static void report(struct bench *b) {
    struct drive_zone z;
    uint64_t sum = 0;
    uint32_t done = 0;
    double from = cpu();
    while (done < REPORT_ZONES)
        for (uint32_t i = 0; i < b->limits.zones && done < REPORT_ZONES; i++, done++) {
            b->drive->ops->zoned->zone(b->drive, i, &z);
            sum += z.state;
        }
    printf("descriptors of %u zones      %8.2f ms of CPU%s\n", done, (cpu() - from) * 1e3, sum ? "" : " ");
}

/* ---- Reports as commands ---- */

struct asker {
    struct nvme_queue admin, queue;
    struct nvme_cmd cmd;
    struct iovec vec;
    uint64_t zones, failed;
    bool over;
};

static struct asker the_asker;

static void answered(struct nvme_cmd *cmd) {
    the_asker.failed += le16_get(cmd->cqe.status) != 0;
    if (cmd->sqe.opc == NVME_IO_ZONE_RECEIVE && cmd->out)
        the_asker.zones += le64_get(((const struct nvme_zone_report *)cmd->out)->nr_zones);
    nvme_cmd_release(cmd);
}

static void given_back(struct nvme_cmd *cmd) {
    the_asker.over = true;
}

static void ended(struct nvme_queue *queue, const char *why) {}

static const struct nvme_queue_ops asker_ops = {
    .trtype = NVME_TRTYPE_LOOP, .complete = answered, .recycle = given_back, .disconnect = ended};

static void ask(struct asker *a, struct nvme_queue *queue, const void *entry, void *data, size_t bytes) {
    memcpy(&a->cmd.sqe, entry, sizeof a->cmd.sqe);
    nvme_cmd_start(queue, &a->cmd);
    a->vec = (struct iovec){data, bytes};
    a->cmd.in = &a->vec;
    a->cmd.in_count = 1;
    nvme_cmd_execute(&a->cmd);
}

static void connect_queue(struct asker *a, struct nvme_queue *queue, struct nvme_target *target, const char *nqn,
                          uint16_t qid) {
    struct nvme_fabrics_connect c = {
        .opc = NVME_OPC_FABRICS, .fctype = NVME_FCTYPE_CONNECT, .qid = le16_from(qid), .sqsize = le16_from(127)};
    struct nvme_connect_data d = {.cntlid = le16_from(qid ? 1 : NVME_CNTLID_ANY)};
    snprintf(d.subnqn, sizeof d.subnqn, "%s", nqn);
    snprintf(d.hostnqn, sizeof d.hostnqn, "nqn.2024-01.example:bench");
    nvme_queue_init(queue, target, &asker_ops, "bench", 8192);
    ask(a, queue, &c, &d, sizeof d);
}

/* Processor time in ms of a report of all zones. */
static double ask_report(struct asker *a, const struct nvme_config *nvme, uint64_t zone_lbas) {
    uint64_t each = (nvme->mdts - sizeof(struct nvme_zone_report)) / sizeof(struct nvme_zone_desc);
    each = each < REPORT_ZONES ? each : REPORT_ZONES;
    a->zones = 0;
    double from = cpu();
    while (a->zones < REPORT_ZONES && !a->failed) {
        uint64_t slba = a->zones * zone_lbas;
        const struct nvme_sqe sqe = {
            .opc = NVME_IO_ZONE_RECEIVE,
            .flags = NVME_PSDT_SGL_MPTR_BUFFER << 6,
            .nsid = le32_from(1),
            .cdw10 = le32_from((uint32_t)slba),
            .cdw11 = le32_from((uint32_t)(slba >> 32)),
            .cdw12 = le32_from((uint32_t)((each + 1) * sizeof(struct nvme_zone_desc) / 4 - 1)),
            .cdw13 = le32_from(NVME_ZRECV_PARTIAL),
        };
        ask(a, &a->queue, &sqe, NULL, 0);
    }
    return (cpu() - from) * 1e3;
}

static int reports(const char *mdts, struct err *e) {
    static const char *const options[] = {"drive.kind=zns",      "drive.capacity=100000MiB",
                                          "zns.zone_size=1MiB",  "zns.zone_capacity=1MiB",
                                          "nand.channels=8",     "nand.luns=4",
                                          "nand.planes=1",       "nand.pages=64",
                                          "nand.blocks=3300",    "nand.page_bytes=16384",
                                          "zns.dies_per_zone=1", "zns.max_active=0",
                                          "zns.max_open=0"};
    struct drive_config config;
    struct nvme_config nvme;
    struct opt_set set = {0};
    memset(&the_asker, 0, sizeof the_asker);
    int rc = drive_config_init(&config, &set, e);
    if (!rc)
        rc = opt_set_add(&set, nvme_opts, &nvme);
    if (!rc)
        rc = opt_assign(&set, "nvme", "mdts", mdts, e);
    for (unsigned i = 0; !rc && i < sizeof options / sizeof *options; i++)
        rc = opt_assign_arg(&set, options[i], e);
    struct sim *sim = rc ? NULL : sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, e);
    struct drive *drive = sim ? drive_open(&config, "none", NULL, sim, e) : NULL;
    struct nvme_target *target = drive ? nvme_target_new(sim, e) : NULL;
    struct nvme_subsystem *subsystem = target ? nvme_subsystem_new(target, &nvme, drive, e) : NULL;
    if (!subsystem)
        return -1;
    const struct nvme_fabrics_property enable = {.opc = NVME_OPC_FABRICS,
                                                 .fctype = NVME_FCTYPE_PROPERTY_SET,
                                                 .ofst = le32_from(NVME_PROP_CC),
                                                 .value = le64_from(0x460061)};
    struct asker *a = &the_asker;
    connect_queue(a, &a->admin, target, nvme_subsystem_nqn(subsystem), 0);
    ask(a, &a->admin, &enable, NULL, 0);
    connect_queue(a, &a->queue, target, nvme_subsystem_nqn(subsystem), 1);
    uint64_t lbas = config.zns.zone_size / (nvme.lba_bytes ? nvme.lba_bytes : config.drive.lba_bytes);
    double first = ask_report(a, &nvme, lbas), again = ask_report(a, &nvme, lbas);
    printf("reports of %llu zones over NVMe, MDTS %s: %.2f ms of CPU the first time, %.2f ms again%s\n",
           (unsigned long long)a->zones, mdts, first, again, a->failed ? "  SOME FAILED" : "");
    nvme_queue_gone(&a->queue);
    nvme_queue_gone(&a->admin);
    nvme_subsystem_free(subsystem);
    nvme_target_free(target);
    drive_close(drive);
    sim_free(sim);
    return 0;
}

/* ---- All ---- */

static int configure(struct drive_config *config, int argc, char **argv) {
    static const char *const typical[] = {
        "drive.kind=zns",  "drive.capacity=16GiB", "zns.zone_size=256MiB", "zns.zone_capacity=192MiB",
        "nand.channels=8", "nand.luns=4",          "nand.planes=2",        "nand.pages=192",
        "nand.blocks=68"};
    static const char *const not_the_drives[] = {"nvme", "tcp", NULL};
    struct opt_set set = {0};
    struct err e = {0};
    int rc = drive_config_init(config, &set, &e);
    for (unsigned i = 0; !rc && i < sizeof typical / sizeof *typical; i++)
        rc = opt_assign_arg(&set, typical[i], &e);
    for (int i = 1; !rc && i < argc; i++) {
        if (!strcmp(argv[i], "-o") && i + 1 < argc)
            rc = opt_assign_arg(&set, argv[++i], &e);
        else
            rc = opt_load_ini(&set, argv[i], not_the_drives, &e); /* as a profile's */
    }
    if (rc)
        fprintf(stderr, "%s\n", e.text);
    return rc;
}

int main(int argc, char **argv) {
    struct bench *b = &the_bench;
    struct drive_config config;
    struct drive_zone z;
    struct err e = {0};
    log_set_levels("warn", &e);
    if (configure(&config, argc, argv))
        return 2;
    b->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    long before = resident_kib();
    double from = cpu();
    b->drive = b->sim ? drive_open(&config, "none", NULL, b->sim, &e) : NULL;
    if (!b->drive || !b->drive->ops->zoned) {
        fprintf(stderr, "%s\n", b->drive ? "the drive has no zones" : e.text);
        return 2;
    }
    b->drive->ops->zoned->limits(b->drive, &b->limits);
    b->drive->ops->zoned->zone(b->drive, 0, &z);
    b->capacity = z.capacity;
    printf("%u zones: opened in %.1f ms, %.1f MiB\n", b->limits.zones, (cpu() - from) * 1e3,
           (double)(resident_kib() - before) / 1024);
    if (b->limits.zones < ZONES || (b->limits.max_open && b->limits.max_open < ZONES)) {
        fprintf(stderr, "%d zones must be open at a time\n", ZONES);
        return 2;
    }
    measure(b, "4 KiB sequential writes", IO_WRITE, 4000000);
    measure(b, "4 KiB appends", IO_APPEND, 4000000);
    measure(b, "4 KiB sequential writes", IO_WRITE, 4000000);
    report(b);
    drive_close(b->drive);
    sim_free(b->sim);
    if (!reports("1MiB", &e) && !reports("16MiB", &e))
        return 0;
    fprintf(stderr, "%s\n", e.text);
    return 2;
}
