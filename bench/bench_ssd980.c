/*
 * The profile samsung-980pro beside what was measured of the drive: 4 KiB
 * random reads with SPDK by queue depth, and larger reads.
 *
 * usage: bench_ssd980 [-o section.key=value]... [fit]
 *
 * "fit" prints only the column that the profile is fitted to: one process.
 *
 * Published: "BFQ, Multiqueue-Deadline, or Kyber?", ICPE 2024, raw results in
 * github.com/stonet-research/icpe24_io_scheduler_study_artifact, results/fig-1-samsung-baseline (fio 3.35; the drive
 * on PCIe 3 x4, filled and then overwritten at random twice).
 *
 * Two processes are one queue of twice the depth here. On the drive they were
 * not quite: at depths 1 to 4 they got more than one process at twice that, with a tenth of the reads at 17 us, which
 * is less than flash takes; from 4 to 32 their tails are heavier. It looks as if part of both processes' reads went to
 * the same places at nearly the same time.
 *
 * Larger reads were measured with io_uring, on another day and another unit, of
 * which a third answered without flash; its 4 KiB reads, too, are a third slower
 * than those above at depth 16. The modes of its latencies (8 KiB: 110 and 134 us, twice the distance of 4 KiB's) are
 * those of data written in order, two units to a die. None of this is in the model.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hist.h"
#include "base/rng.h"
#include "drive/drive.h"
#include "drive/profile.h"

enum { DEPTH_MAX = 512, READS = 1000000 };

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Measured, or modelled. Times in us; 0 is not known. */
struct figures {
    double iops, mean, p50, p99, p999;
};

struct cell {
    unsigned processes, depth; /* of each */
    struct figures published;
    bool counts;
};

static const struct cell cells[] = {
    {1, 1, {16583, 60.0, 56.1, 69, 73}, true},          {1, 2, {32927, 60.4, 56.1, 74, 110}, true},
    {1, 4, {64776, 61.4, 56.6, 99, 120}, true},         {1, 8, {125351, 63.5, 57.6, 111, 142}, true},
    {1, 16, {233552, 68.2, 61.7, 132, 177}, true},      {1, 32, {400496, 79.6, 70.1, 191, 272}, true},
    {1, 64, {589959, 108.2, 84.5, 322, 457}, true},     {1, 128, {735639, 173.7, 134.1, 602, 872}, true},
    {1, 256, {783333, 326.6, 268.3, 1012, 1499}, true}, {2, 1, {36684, 54.2, 56.1, 73, 110}, false},
    {2, 2, {71020, 56.0, 56.6, 99, 123}, false},        {2, 4, {131712, 60.4, 57.6, 118, 169}, false},
    {2, 8, {224447, 71.0, 62.2, 181, 245}, true},       {2, 16, {365367, 87.2, 71.2, 245, 313}, true},
    {2, 32, {551675, 115.6, 86.5, 334, 444}, true},     {2, 64, {718021, 177.9, 142.3, 553, 774}, true},
    {2, 128, {790123, 323.7, 272.4, 1020, 1516}, true}, {2, 256, {790254, 647.6, 593.9, 1352, 1843}, true},
};

struct bench {
    struct sim *sim;
    struct drive *drive;
    struct rng rng;
    struct hist latency;
    uint64_t submitted, done, units, bytes;
    uint64_t warm_up, reads, failed;
    int64_t from_ns, to_ns;
    struct io io[DEPTH_MAX];
};

static struct bench the_bench;

static void submit(struct bench *b, struct io *io) {
    if (b->submitted == b->reads + b->warm_up)
        return;
    b->submitted++;
    io->op = IO_READ;
    io->offset = rng_below(&b->rng, b->units) * b->bytes;
    io->bytes = b->bytes;
    drive_submit(b->drive, io);
}

/* Measured from the end of the warm-up until the last is submitted, so at full depth. */
static void answered(struct io *io) {
    struct bench *b = &the_bench;
    b->failed += io->status != IO_OK || io->unmapped;
    if (++b->done == b->warm_up)
        b->from_ns = sim_now(b->sim);
    if (b->done > b->warm_up && b->done <= b->reads) {
        hist_record(&b->latency, io->completed_ns - io->submitted_ns);
        b->to_ns = sim_now(b->sim);
    }
    submit(b, io);
}

static struct figures measure(struct bench *b, uint64_t bytes, unsigned depth, uint64_t reads) {
    b->bytes = bytes;
    b->units = b->drive->capacity / bytes;
    b->submitted = b->done = 0;
    b->reads = reads;
    b->warm_up = reads / 16 + depth;
    hist_init(&b->latency);
    rng_init(&b->rng, 980, depth);
    for (unsigned i = 0; i < depth; i++) {
        io_init(&b->io[i]);
        b->io[i].done = answered;
        submit(b, &b->io[i]);
    }
    sim_run(b->sim, SIM_NEVER);
    const struct hist *h = &b->latency;
    return (struct figures){(double)h->count / ((double)(b->to_ns - b->from_ns) * 1e-9), hist_mean(h) / 1e3,
                            (double)hist_quantile(h, 0.5) / 1e3, (double)hist_quantile(h, 0.99) / 1e3,
                            (double)hist_quantile(h, 0.999) / 1e3};
}

static double worst, sum;
static unsigned judged;

static void column(double published, double modelled, bool counts) {
    double ratio = modelled / published;
    printf("  %8.*f %8.*f %.3f", published < 5000, published, published < 5000, modelled, ratio);
    if (!counts)
        return;
    worst = fmax(worst, fabs(ratio - 1));
    sum += fabs(ratio - 1);
    judged++;
}

static void sweep(struct bench *b, unsigned processes) {
    printf("%u process%s   IOPS                    mean us                 p50                     p99               "
           "      p99.9\n depth",
           processes, processes > 1 ? "es" : "");
    for (int i = 0; i < 5; i++)
        printf(" published  modelled ratio");
    printf("\n");
    worst = sum = judged = 0;
    for (unsigned i = 0; i < COUNT(cells); i++) {
        const struct cell *c = &cells[i];
        if (c->processes != processes)
            continue;
        const struct figures *p = &c->published, m = measure(b, 4096, processes * c->depth, READS);
        printf("%5u ", c->depth);
        column(p->iops, m.iops, c->counts);
        column(p->mean, m.mean, false);
        column(p->p50, m.p50, c->counts);
        column(p->p99, m.p99, c->counts);
        column(p->p999, m.p999, false);
        printf("%s\n", c->counts ? "" : "  not counted");
    }
    printf("IOPS, p50 and p99 of %u cells: farthest from 1 by %.1f %%, on average by %.1f %%\n\n", judged / 3,
           worst * 100, sum / judged * 100);
}

/* --- larger reads --- */

struct size {
    unsigned kib, depth;
    double iops, mean;
};

static const struct size sizes[] = {
    {8, 1, 8676, 114.0},      {8, 2, 19373, 102.2},     {8, 4, 35539, 111.6},   {8, 8, 58945, 135.0},
    {8, 16, 100280, 159.0},   {8, 32, 173263, 184.2},   {8, 64, 256598, 249.0}, {8, 128, 302544, 422.7},
    {8, 256, 297606, 859.7},  {64, 1, 6468, 153.1},     {64, 2, 12791, 155.0},  {64, 4, 20827, 191.0},
    {64, 8, 27300, 292.1},    {64, 16, 32171, 496.4},   {64, 32, 32351, 988.3}, {64, 64, 32357, 1977.0},
    {64, 128, 32350, 3955.7}, {64, 256, 32351, 7912.0},
};

static void larger(struct bench *b) {
    printf("larger reads, one process, io_uring: another unit in another state, see the source; nothing is fitted to "
           "them\n"
           "  KiB depth   IOPS                     mean us\n");
    for (unsigned i = 0; i < COUNT(sizes); i++) {
        const struct size *s = &sizes[i];
        struct figures m = measure(b, s->kib * 1024, s->depth, READS / s->kib);
        printf("%5u %5u", s->kib, s->depth);
        column(s->iops, m.iops, false);
        column(s->mean, m.mean, false);
        printf("\n");
    }
}

/* --- the drive --- */

static int configure(struct drive_config *config, int argc, char **argv, bool *fit, struct err *e) {
    struct opt_set set = {0};
    int rc = drive_config_init(config, &set, e);
    static const char *const skip[] = {"nvme", "tcp", NULL};
    if (!rc)
        rc = profile_load(&set, "samsung-980pro", skip, config->name, e);
    for (int i = 1; !rc && i < argc; i++) {
        if (!strcmp(argv[i], "-o") && i + 1 < argc)
            rc = opt_assign_arg(&set, argv[++i], e);
        else if (!strcmp(argv[i], "fit"))
            *fit = true;
        else
            rc = err_set(e, EINVAL, "usage: bench_ssd980 [-o section.key=value]... [fit]");
    }
    return rc;
}

int main(int argc, char **argv) {
    struct bench *b = &the_bench;
    struct drive_config config;
    struct err e = {0};
    bool fit = false;
    if (!configure(&config, argc, argv, &fit, &e)) {
        b->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
        b->drive = b->sim ? drive_open(&config, "none", NULL, b->sim, &e) : NULL;
    }
    if (!b->drive) {
        fprintf(stderr, "bench_ssd980: %s\n", e.text);
        return 2;
    }
    sweep(b, 1);
    if (!fit) {
        sweep(b, 2);
        larger(b);
    }
    if (b->failed)
        printf("%llu READS FAILED OR FOUND NOTHING\n", (unsigned long long)b->failed);
    drive_close(b->drive);
    sim_free(b->sim);
    return 0;
}
