/*
 * Requests a second of processor time through drive_submit() in virtual time, no
 * payload, one core: 4 KiB random reads and random writes in the steady state
 * of garbage collection, and how long a drive takes to start.
 *
 * usage: bench_drive [profile.ini] [-o section.key=value]...
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/rng.h"
#include "drive/drive.h"

enum { DEPTH = 256 };

struct bench {
    struct sim *sim;
    struct drive *drive;
    struct rng rng;
    uint64_t left, units;
    unsigned read_percent;
    struct io io[DEPTH];
};

static struct bench the_bench;

static double cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void submit(struct io *io) {
    struct bench *b = &the_bench;
    if (!b->left)
        return;
    b->left--;
    io->op = rng_below(&b->rng, 100) < b->read_percent ? IO_READ : IO_WRITE;
    io->offset = rng_below(&b->rng, b->units) * 4096;
    io->bytes = 4096;
    drive_submit(b->drive, io);
}

static double run(struct bench *b, unsigned read_percent, uint64_t ios) {
    b->read_percent = read_percent;
    b->left = ios;
    double from = cpu();
    for (unsigned i = 0; i < DEPTH; i++) {
        io_init(&b->io[i]);
        b->io[i].done = submit;
        submit(&b->io[i]);
    }
    sim_run(b->sim, SIM_NEVER);
    return (double)ios / (cpu() - from);
}

static double amplification(const struct drive *drive, double *host, double *all) {
    json_t *stats = drive_stats(drive), *ftl = json_object_get(stats, "ftl");
    double h = (double)json_integer_value(json_object_get(ftl, "host_units"));
    double a = h + (double)json_integer_value(json_object_get(ftl, "gc_units")) +
               (double)json_integer_value(json_object_get(ftl, "pad_units"));
    double now = h > *host ? (a - *all) / (h - *host) : 0;
    *host = h;
    *all = a;
    json_decref(stats);
    return now;
}

static void measure(struct bench *b, const char *name, unsigned read_percent, uint64_t ios) {
    double host = 0, all = 0;
    amplification(b->drive, &host, &all);
    int64_t from = sim_now(b->sim);
    double rate = run(b, read_percent, ios);
    double modelled = (double)ios / ((double)(sim_now(b->sim) - from) * 1e-9);
    double wa = amplification(b->drive, &host, &all);
    printf("%-28s %8.2f M/s of CPU  %10.0f /s modelled  write amplification %.2f\n", name, rate / 1e6, modelled, wa);
}

static int configure(struct drive_config *config, int argc, char **argv) {
    struct opt_set set = {0};
    struct err e = {0};
    int rc = drive_config_init(config, &set, &e);
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
    struct err e = {0};
    if (configure(&config, argc, argv))
        return 2;
    b->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    double from = cpu();
    b->drive = b->sim ? drive_open(&config, "none", NULL, b->sim, &e) : NULL;
    if (!b->drive) {
        fprintf(stderr, "%s\n", e.text);
        return 2;
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("open: %.1f ms, %.1f MiB resident\n", (cpu() - from) * 1e3, (double)usage.ru_maxrss / 1024);
    rng_init(&b->rng, 7, 7);
    b->units = config.drive.capacity / 4096;
    measure(b, "4 KiB random reads", 100, 4000000);
    measure(b, "4 KiB random writes", 0, 4000000);
    measure(b, "4 KiB random writes, again", 0, 4000000);
    measure(b, "4 KiB random 70 % reads", 70, 4000000);
    getrusage(RUSAGE_SELF, &usage);
    printf("%.1f MiB resident\n", (double)usage.ru_maxrss / 1024);
    drive_close(b->drive);
    sim_free(b->sim);
    return 0;
}
