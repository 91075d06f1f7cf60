/*
 * Requests a second through the block layer and each scheduler, over a drive
 * without flash, in virtual time: 64 processes with so many requests in flight
 * each, places at random or sequential by process. Beside it the drive alone.
 * Processor time, best of five runs, because the machine may be shared.
 *
 *     bench_block [SCHEDULER[,TUNABLE=VALUE]...]...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "block/block.h"

#define PROCESSES 64
#define REQUESTS  2000000
#define RUNS      5
#define DEPTH_MAX 16

struct load;

struct slot {
    struct io io; /* first */
    struct load *load;
    uint64_t base;
};

struct load {
    struct sim *sim;
    struct drive *drive;
    struct rng rng;
    uint64_t left, span;
    bool sequential, writes;
    struct slot slot[PROCESSES * DEPTH_MAX];
};

static double processor_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void issue(struct slot *s) {
    struct load *l = s->load;
    if (!l->left)
        return;
    l->left--;
    s->io.op = l->writes && rng_below(&l->rng, 2) ? IO_WRITE : IO_READ;
    s->io.flags = IO_NO_DATA | IO_SYNC;
    s->io.bytes = 4096;
    if (l->sequential)
        s->io.offset = s->io.offset + 8192 < s->base + l->span ? s->io.offset + 8192 : s->base;
    else
        s->io.offset = rng_below(&l->rng, l->drive->capacity / 4096) * 4096;
    drive_submit(l->drive, &s->io);
}

static void done(struct io *io) {
    issue((struct slot *)io);
}

static struct drive *open_drive(struct sim *sim) {
    struct drive_config config;
    struct opt_set set = {0};
    struct err e = {0};
    if (drive_config_init(&config, &set, &e) || opt_assign_arg(&set, "drive.kind=nossd", &e) ||
        opt_assign_arg(&set, "drive.capacity=64GiB", &e) || opt_assign_arg(&set, "nossd.read_latency=10us", &e) ||
        opt_assign_arg(&set, "nossd.write_latency=10us", &e))
        return NULL;
    return drive_open(&config, "none", NULL, sim, &e);
}

static double run(const char *scheduler, unsigned depth, bool sequential, bool writes) {
    static struct load l;
    const struct sim_config virtual_time = {.mode = SIM_VIRTUAL};
    const struct block_settings settings = {.scheduler = scheduler, .queue_depth = 32};
    struct err e = {0};
    memset(&l, 0, sizeof l);
    l.sim = sim_new(&virtual_time, &e);
    l.drive = open_drive(l.sim);
    if (scheduler && !block_new(l.drive, &settings, &e)) {
        fprintf(stderr, "bench_block: %s\n", e.text);
        exit(1);
    }
    rng_init(&l.rng, 1, 0);
    l.left = REQUESTS;
    l.sequential = sequential;
    l.writes = writes;
    l.span = l.drive->capacity / PROCESSES;
    double start = processor_seconds();
    for (unsigned i = 0; i < PROCESSES * depth; i++) {
        struct slot *s = &l.slot[i];
        s->load = &l;
        s->io.owner = i / depth + 1;
        s->io.done = done;
        s->base = s->io.offset = i / depth * l.span + i % depth * 8192 * 64;
        issue(s);
    }
    sim_run(l.sim, SIM_NEVER);
    double seconds = processor_seconds() - start;
    block_free(block_of(l.drive));
    drive_close(l.drive);
    sim_free(l.sim);
    return REQUESTS / seconds;
}

static double best(const char *scheduler, unsigned depth, bool sequential, bool writes) {
    double most = 0;
    for (unsigned i = 0; i < RUNS; i++) {
        double rate = run(scheduler, depth, sequential, writes);
        most = rate > most ? rate : most;
    }
    return most;
}

static void line(const char *scheduler) {
    printf("%-16s %10.2f %10.2f %10.2f %10.2f\n", scheduler ? scheduler : "(no queue)",
           best(scheduler, 1, false, false) / 1e6, best(scheduler, 8, false, false) / 1e6,
           best(scheduler, 1, true, false) / 1e6, best(scheduler, 4, false, true) / 1e6);
    fflush(stdout);
}

int main(int argc, char **argv) {
    printf("millions of requests a second, 64 processes\n%-16s %10s %10s %10s %10s\n", "scheduler", "random x1",
           "random x8", "seq x1", "mixed x4");
    line(NULL);
    for (int i = 1; i < argc; i++)
        line(argv[i]);
    for (unsigned i = 0; argc == 1 && elevators[i]; i++)
        line(elevators[i]->name);
    return 0;
}
