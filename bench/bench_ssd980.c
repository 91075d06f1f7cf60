/*
 * The profile samsung-980pro against what was measured on a Samsung 980 PRO 1 TB
 * (PCIe 3 x4): 4 KiB random reads with SPDK by queue depth, one and two
 * processes (artifact of "BFQ, Multiqueue-Deadline, or Kyber?", ICPE 2024,
 * results/fig-1-samsung-baseline).
 *
 * Two processes are one queue of twice the depth here. On the drive they were
 * not quite: at depths 1 and 2 they got more than one process at 2 and 4 did,
 * with means below the medians, so part of what they read took less time than
 * flash does; from 4 to 32 their tails are heavier.
 *
 * usage: bench_ssd980 [-o section.key=value]...
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hist.h"
#include "base/rng.h"
#include "drive/drive.h"
#include "drive/profile.h"

enum { DEPTH_MAX = 512 };

struct row {
    unsigned depth, processes;
    double iops, p50_us, p99_us;
};

static const struct row published[] = {
    {1, 1, 16583, 56.1, 69},     {2, 1, 32927, 56.1, 74},       {4, 1, 64776, 56.6, 99},
    {8, 1, 125351, 57.6, 111},   {16, 1, 233552, 61.7, 132},    {32, 1, 400496, 70.1, 191},
    {64, 1, 589959, 84.5, 322},  {128, 1, 735639, 134.1, 602},  {256, 1, 783333, 268.3, 1012},
    {1, 2, 36684, 56.1, 73},     {2, 2, 71020, 56.6, 99},       {4, 2, 131712, 57.6, 118},
    {8, 2, 224447, 62.2, 181},   {16, 2, 365367, 71.2, 245},    {32, 2, 551675, 86.5, 334},
    {64, 2, 718021, 142.3, 553}, {128, 2, 790123, 272.4, 1020}, {256, 2, 790254, 593.9, 1352},
};

struct load {
    struct drive *drive;
    struct rng rng;
    uint64_t units, left;
    struct hist latency;
    struct io io[DEPTH_MAX];
};

static void submit(struct io *io) {
    struct load *l = io->priv;
    if (!l->left)
        return;
    l->left--;
    io->op = IO_READ;
    io->offset = rng_below(&l->rng, l->units) * 4096;
    io->bytes = 4096;
    drive_submit(l->drive, io);
}

static void done(struct io *io) {
    struct load *l = io->priv;
    hist_record(&l->latency, io->completed_ns - io->submitted_ns);
    submit(io);
}

static struct row measure(struct load *l, struct sim *sim, const struct row *like) {
    unsigned depth = like->depth * like->processes;
    uint64_t ios = 200000 + 2000 * depth;
    int64_t from = sim_now(sim);
    hist_init(&l->latency);
    l->left = ios;
    for (unsigned i = 0; i < depth; i++) {
        io_init(&l->io[i]);
        l->io[i].priv = l;
        l->io[i].done = done;
        submit(&l->io[i]);
    }
    sim_run(sim, SIM_NEVER);
    return (struct row){like->depth, like->processes, (double)ios / ((double)(sim_now(sim) - from) * 1e-9),
                        (double)hist_quantile(&l->latency, 0.50) * 1e-3,
                        (double)hist_quantile(&l->latency, 0.99) * 1e-3};
}

static double worst;

static void print(const struct row *p, const struct row *m) {
    double ratio[] = {m->iops / p->iops, m->p50_us / p->p50_us, m->p99_us / p->p99_us};
    printf("%u x %-3u  %7.0f %7.0f %5.3f   %6.1f %6.1f %5.3f   %6.0f %6.0f %5.3f\n", p->processes, p->depth, p->iops,
           m->iops, ratio[0], p->p50_us, m->p50_us, ratio[1], p->p99_us, m->p99_us, ratio[2]);
    for (unsigned i = 0; i < 3; i++)
        if (p->processes == 1)
            worst = fmax(worst, fabs(log(ratio[i])));
}

static int configure(struct drive_config *config, struct opt_set *set, int argc, char **argv, struct err *e) {
    if (drive_config_init(config, set, e) || profile_load(set, "samsung-980pro", NULL, config->name, e))
        return -1;
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], "-o") || opt_assign_arg(set, argv[i + 1], e))
            return -1;
    return 0;
}

int main(int argc, char **argv) {
    struct drive_config config;
    struct opt_set set = {0};
    struct err e = {0};
    struct load *l = calloc(1, sizeof *l);
    struct sim *sim = NULL;
    if (l && !configure(&config, &set, argc, argv, &e))
        sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    if (sim)
        l->drive = drive_open(&config, "none", NULL, sim, &e);
    if (!sim || !l->drive) {
        fprintf(stderr, "bench_ssd980: %s\n", e.text);
        return 2;
    }
    l->units = config.drive.capacity / 4096;
    rng_init(&l->rng, 7, 7);
    printf("4 KiB random reads: published, modelled, ratio\n"
           "processes x depth   I/Os a second            median, us           99th percentile, us\n");
    for (unsigned i = 0; i < sizeof published / sizeof *published; i++) {
        struct row m = measure(l, sim, &published[i]);
        print(&published[i], &m);
    }
    printf("one process, farthest ratio from 1: %.3f\n", exp(worst));
    drive_close(l->drive);
    sim_free(sim);
    free(l);
    return 0;
}
