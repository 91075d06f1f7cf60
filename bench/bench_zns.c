/*
 * Zoned drives, in virtual time, no payload, one core: 4 KiB sequential writes
 * and appends a second of processor time, the time a report of all zones takes,
 * and what zones need of memory.
 *
 * usage: bench_zns [profile.ini] [-o section.key=value]...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "drive/drive.h"

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

static int configure(struct drive_config *config, int argc, char **argv) {
    static const char *const typical[] = {
        "drive.kind=zns",  "drive.capacity=16GiB", "zns.zone_size=256MiB", "zns.zone_capacity=192MiB",
        "nand.channels=8", "nand.luns=4",          "nand.planes=2",        "nand.pages=192",
        "nand.blocks=68"};
    struct opt_set set = {0};
    struct err e = {0};
    int rc = drive_config_init(config, &set, &e);
    for (unsigned i = 0; !rc && i < sizeof typical / sizeof *typical; i++)
        rc = opt_assign_arg(&set, typical[i], &e);
    for (int i = 1; !rc && i < argc; i++) {
        if (!strcmp(argv[i], "-o") && i + 1 < argc)
            rc = opt_assign_arg(&set, argv[++i], &e);
        else
            rc = opt_load_ini(&set, argv[i], NULL, &e);
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
    return 0;
}
