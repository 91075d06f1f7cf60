/*
 * The profile samsung-980pro beside what was measured of the drive: 4 KiB
 * random reads by queue depth, with SPDK and with io_uring, and larger reads.
 *
 * usage: bench_ssd980 [-o section.key=value]... [fit]
 *
 * "fit" prints only the column that the profile is fitted to: SPDK, one process.
 *
 * Published: "BFQ, Multiqueue-Deadline, or Kyber?", ICPE 2024, raw results in
 * github.com/stonet-research/icpe24_io_scheduler_study_artifact, results/fig-1-samsung-baseline (fio 3.35; the drive
 * on PCIe 3 x4, filled and then overwritten at random twice).
 *
 * With io_uring each process has a processor (host_submit and so on, see
 * docs/job-files.md). Its times come from the most that one process got and
 * from what four and eight processes see beyond SPDK at the same total depth.
 * The drive is that of the first column, but for a channel's time, which was
 * chosen by the tails of these, too.
 *
 * Places are drawn independently here, so that reads meet by chance. In some of the measured runs they did not: fio's
 * seed is the same in each run, so what one run wrote to random places another one reads in the order in which it was
 * written, and what was written together lies together. See docs/models/ssd.md, "The order of reads". The last tables
 * ("in the order of writing") do the same: 400,000 units are overwritten at random, then read with the same seed.
 *
 * Larger reads were measured on another day. At depth 1 neighbouring units lie on one die, which reads one at a time
 * (ssd.precondition=striped); at greater depths more and more of what is read had been overwritten in units of 4 KiB.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hist.h"
#include "drive/drive.h"
#include "drive/profile.h"
#include "load/runner.h"

enum { READS = 1000000, WRITTEN = 400000, UNIT = 4096 };

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum engine { SPDK, IO_URING };

/* Fitted to io_uring's most with one process, and to what it adds to SPDK's latencies with several. */
static const char host[] = "host_submit=1500ns\nhost_complete=1100ns\nhost_interrupt=2500ns\n";

/* Measured, or modelled. Times in us; 0 is not known. */
struct figures {
    double iops, mean, p50, p99, p999;
};

struct cell {
    enum engine engine;
    unsigned processes, depth; /* of each */
    struct figures published;
};

static const struct cell cells[] = {
    {SPDK, 1, 1, {16583, 60.0, 56.1, 69, 73}},
    {SPDK, 1, 2, {32927, 60.4, 56.1, 74, 110}},
    {SPDK, 1, 4, {64776, 61.4, 56.6, 99, 120}},
    {SPDK, 1, 8, {125351, 63.5, 57.6, 111, 142}},
    {SPDK, 1, 16, {233552, 68.2, 61.7, 132, 177}},
    {SPDK, 1, 32, {400496, 79.6, 70.1, 191, 272}},
    {SPDK, 1, 64, {589959, 108.2, 84.5, 322, 457}},
    {SPDK, 1, 128, {735639, 173.7, 134.1, 602, 872}},
    {SPDK, 1, 256, {783333, 326.6, 268.3, 1012, 1499}},
    {SPDK, 2, 1, {36684, 54.2, 56.1, 73, 110}},
    {SPDK, 2, 2, {71020, 56.0, 56.6, 99, 123}},
    {SPDK, 2, 4, {131712, 60.4, 57.6, 118, 169}},
    {SPDK, 2, 8, {224447, 71.0, 62.2, 181, 245}},
    {SPDK, 2, 16, {365367, 87.2, 71.2, 245, 313}},
    {SPDK, 2, 32, {551675, 115.6, 86.5, 334, 444}},
    {SPDK, 2, 64, {718021, 177.9, 142.3, 553, 774}},
    {SPDK, 2, 128, {790123, 323.7, 272.4, 1020, 1516}},
    {SPDK, 2, 256, {790254, 647.6, 593.9, 1352, 1843}},
    {IO_URING, 1, 1, {14483, 68.3, 64.3, 78, 0}},
    {IO_URING, 1, 2, {29295, 67.6, 63.7, 93, 0}},
    {IO_URING, 1, 4, {58102, 68.3, 63.2, 107, 0}},
    {IO_URING, 1, 8, {113033, 70.4, 64.8, 123, 0}},
    {IO_URING, 1, 16, {208335, 76.4, 69.1, 167, 0}},
    {IO_URING, 1, 32, {343263, 92.8, 80.4, 224, 0}},
    {IO_URING, 1, 64, {382915, 166.7, 154.6, 305, 0}},
    {IO_URING, 1, 128, {383287, 333.5, 321.5, 473, 0}},
    {IO_URING, 1, 256, {374208, 683.7, 667.6, 823, 0}},
    {IO_URING, 4, 1, {59042, 67.2, 61.7, 102, 0}},
    {IO_URING, 4, 2, {115908, 68.4, 62.7, 116, 0}},
    {IO_URING, 4, 4, {217728, 73.0, 66.0, 138, 0}},
    {IO_URING, 4, 8, {378208, 84.2, 74.2, 189, 0}},
    {IO_URING, 4, 16, {573509, 111.2, 88.6, 301, 0}},
    {IO_URING, 4, 32, {730759, 174.7, 138.2, 569, 0}},
    {IO_URING, 4, 64, {780809, 327.5, 261.1, 1106, 0}},
    {IO_URING, 4, 128, {779099, 656.7, 585.7, 1499, 0}},
    {IO_URING, 4, 256, {778853, 1314.3, 1253.4, 2146, 0}},
    {IO_URING, 8, 1, {116094, 68.4, 62.2, 115, 0}},
    {IO_URING, 8, 2, {218766, 72.6, 66.0, 136, 0}},
    {IO_URING, 8, 4, {379874, 83.7, 74.2, 187, 0}},
    {IO_URING, 8, 8, {574705, 111.0, 89.6, 297, 0}},
    {IO_URING, 8, 16, {728739, 175.1, 138.2, 569, 0}},
    {IO_URING, 8, 32, {775158, 329.9, 264.2, 1122, 0}},
    {IO_URING, 8, 64, {774720, 660.4, 593.9, 1532, 0}},
    {IO_URING, 8, 128, {774442, 1321.8, 1253.4, 2212, 0}},
    {IO_URING, 8, 256, {773861, 2646.0, 2605.1, 3555, 0}},
};

/* --- a run --- */

struct bench {
    struct sim *sim;
    struct drive *drive;
    struct err e;
    bool failed;
    bool in_order; /* WRITTEN units lie in the order in which they are read */
};

/* As the authors ran fio, but for so many requests instead of so long. */
static void write_job(char *text, size_t room, enum engine engine, unsigned processes, unsigned depth, unsigned bytes,
                      uint64_t reads) {
    snprintf(text, room,
             "[a]\nrw=randread\nnorandommap=1\ngroup_reporting=1\nbs=%u\niodepth=%u\nnumjobs=%u\nnumber_ios=%llu\n%s",
             bytes, depth, processes, (unsigned long long)(reads / processes), engine == IO_URING ? host : "");
}

static int run(struct bench *b, const char *text, struct run_result *result) {
    struct job_file jobs = {0};
    const struct load_settings settings = {.seed = 980};
    int rc = job_file_parse(&jobs, "bench", text, strlen(text), &b->e);
    if (!rc)
        rc = job_resolve(&jobs.job[0], b->drive->capacity, 0, &b->e);
    if (!rc)
        rc = load_run(&jobs, b->drive, b->sim, &settings, result, &b->e);
    job_file_release(&jobs);
    return rc;
}

static double us(const struct hist *h, double quantile) {
    return (double)hist_quantile(h, quantile) / 1e3;
}

/* fio's percentiles are of completion latencies, from the end of submitting. */
static struct figures measure(struct bench *b, enum engine engine, unsigned processes, unsigned depth, unsigned bytes) {
    char text[400];
    struct run_result result;
    uint64_t reads = (b->in_order ? WRITTEN : READS) / (bytes > UNIT ? bytes / UNIT : 1);
    write_job(text, sizeof text, engine, processes, depth, bytes, reads > 256 * depth ? reads : 256 * depth);
    if (run(b, text, &result)) {
        b->failed = true;
        return (struct figures){0};
    }
    const struct run_dir_stat *d = &result.stat[0]->dir[RUN_READ];
    b->failed |= result.stat[0]->first_error != 0;
    struct figures f = {(double)d->ios / ((double)result.simulated_ns * 1e-9), hist_mean(&d->lat) / 1e3,
                        us(&d->clat, 0.5), us(&d->clat, 0.99), us(&d->clat, 0.999)};
    run_result_release(&result);
    return f;
}

/* --- tables --- */

static double worst, sum;
static unsigned judged;

static void column(double published, double modelled, bool counts) {
    double ratio = modelled / published;
    if (published <= 0) {
        printf("%26s", "");
        return;
    }
    printf("  %8.*f %8.*f %.3f", published < 5000, published, published < 5000, modelled, ratio);
    if (!counts)
        return;
    worst = fmax(worst, fabs(ratio - 1));
    sum += fabs(ratio - 1);
    judged++;
}

static void row(struct bench *b, const struct cell *c) {
    const struct figures *p = &c->published, m = measure(b, c->engine, c->processes, c->depth, UNIT);
    printf("%5u ", c->depth);
    column(p->iops, m.iops, true);
    column(p->mean, m.mean, false);
    column(p->p50, m.p50, true);
    column(p->p99, m.p99, true);
    column(p->p999, m.p999, false);
    printf("\n");
}

static void sweep(struct bench *b, enum engine engine, unsigned processes) {
    printf(
        "%s, %u process%s\n           IOPS                    mean us                 p50                     p99     "
        "          %s\n depth",
        engine == SPDK ? "SPDK" : "io_uring", processes, processes > 1 ? "es" : "",
        engine == SPDK ? "      p99.9" : "");
    for (int i = 0; i < (engine == SPDK ? 5 : 4); i++)
        printf(" published  modelled ratio");
    printf("\n");
    worst = sum = judged = 0;
    for (unsigned i = 0; i < COUNT(cells); i++)
        if (cells[i].processes == processes && cells[i].engine == engine)
            row(b, &cells[i]);
    printf("IOPS, p50 and p99: farthest from 1 by %.1f %%, on average by %.1f %%\n\n", worst * 100, sum / judged * 100);
}

/* --- other sizes --- */

struct size {
    unsigned bytes, depth;
    double iops, mean;
    bool judged;
};

enum { KIB = 1024 };

/* Another day, and another state of the drive; those at low depths of 512 bytes and 4 KiB are a third without flash. */
static const struct size sizes[] = {
    {512, 1, 18844, 52.3, false},         {512, 2, 41088, 47.9, false},         {512, 4, 65452, 60.5, false},
    {512, 8, 96685, 82.2, false},         {512, 16, 143125, 111.3, false},      {512, 32, 262734, 121.4, false},
    {512, 64, 367446, 173.7, true},       {512, 128, 372204, 343.5, true},      {512, 256, 372630, 686.6, true},
    {4 * KIB, 1, 18227, 54.0, false},     {4 * KIB, 2, 39803, 49.5, false},     {4 * KIB, 4, 64232, 61.5, false},
    {4 * KIB, 8, 95527, 83.2, false},     {4 * KIB, 16, 141668, 112.5, false},  {4 * KIB, 32, 259094, 123.1, false},
    {4 * KIB, 64, 371357, 171.9, true},   {4 * KIB, 128, 373014, 342.7, true},  {4 * KIB, 256, 358401, 713.8, true},
    {8 * KIB, 1, 8676, 114.0, true},      {8 * KIB, 2, 19373, 102.2, true},     {8 * KIB, 4, 35539, 111.6, true},
    {8 * KIB, 8, 58945, 135.0, true},     {8 * KIB, 16, 100280, 159.0, true},   {8 * KIB, 32, 173263, 184.2, true},
    {8 * KIB, 64, 256598, 249.0, true},   {8 * KIB, 128, 302544, 422.7, true},  {8 * KIB, 256, 297606, 859.7, true},
    {16 * KIB, 256, 135000, 0, true},     {32 * KIB, 256, 63500, 0, true},      {64 * KIB, 1, 6468, 153.1, true},
    {64 * KIB, 2, 12791, 155.0, true},    {64 * KIB, 4, 20827, 191.0, true},    {64 * KIB, 8, 27300, 292.1, true},
    {64 * KIB, 16, 32171, 496.4, true},   {64 * KIB, 32, 32351, 988.3, true},   {64 * KIB, 64, 32357, 1977.0, true},
    {64 * KIB, 128, 32350, 3955.7, true}, {64 * KIB, 256, 32351, 7912.0, true},
};

static void size_row(struct bench *b, const struct size *s, bool counts) {
    struct figures m = measure(b, IO_URING, 1, s->depth, s->bytes);
    printf("%6u %5u", s->bytes, s->depth);
    column(s->iops, m.iops, counts);
    column(s->mean, m.mean, false);
    printf("%s\n", counts ? "" : "  *");
}

static void other_sizes(struct bench *b) {
    printf("by size, io_uring, 1 process: another day, another state of the drive\n"
           " bytes depth   IOPS                     mean us\n");
    worst = sum = judged = 0;
    for (unsigned i = 0; i < COUNT(sizes); i++)
        size_row(b, &sizes[i], sizes[i].judged);
    printf("IOPS but for *: farthest from 1 by %.1f %%, on average by %.1f %%\n\n", worst * 100, sum / judged * 100);
}

/* The depths at which the measured runs read what was overwritten, and the processor does not decide. */
static void in_order(struct bench *b) {
    printf("the same in the order of writing: 4 KiB at random, then read with the same seed\n"
           " bytes depth   IOPS                     mean us\n");
    worst = sum = judged = 0;
    for (unsigned i = 0; i < COUNT(sizes); i++)
        if (sizes[i].depth >= 8 && sizes[i].depth <= 64 && sizes[i].mean > 0 && sizes[i].bytes >= UNIT)
            size_row(b, &sizes[i], true);
    printf("IOPS: farthest from 1 by %.1f %%, on average by %.1f %%\n", worst * 100, sum / judged * 100);
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

static bool open_drive(struct bench *b, const struct drive_config *config) {
    b->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &b->e);
    b->drive = b->sim ? drive_open(config, "none", NULL, b->sim, &b->e) : NULL;
    return b->drive != NULL;
}

static void close_drive(struct bench *b) {
    if (b->failed)
        printf("A RUN FAILED: %s\n", b->e.text);
    drive_close(b->drive);
    sim_free(b->sim);
}

/*
 * Overwrites the first WRITTEN places of the seed in their order, and leaves the drive time to collect. So many at a
 * time that the buffer is full and a page goes to whichever die is free; ssd.plane_order would put two in a row on one.
 */
static void overwrite(struct bench *b) {
    char text[200];
    struct run_result result;
    snprintf(text, sizeof text, "[a]\nrw=randwrite\nnorandommap=1\nbs=%u\niodepth=8\nnumber_ios=%u\n", UNIT, WRITTEN);
    if (run(b, text, &result)) {
        b->failed = true;
        return;
    }
    run_result_release(&result);
    sim_run(b->sim, sim_now(b->sim) + 3000000000);
    b->in_order = true;
}

static void everything(struct bench *b) {
    sweep(b, SPDK, 2);
    for (unsigned processes = 1; processes <= 8; processes += processes > 1 ? 4 : 3)
        sweep(b, IO_URING, processes);
    other_sizes(b);
}

int main(int argc, char **argv) {
    struct bench b = {0}, written = {0};
    struct drive_config config;
    bool fit = false;
    if (configure(&config, argc, argv, &fit, &b.e) || !open_drive(&b, &config)) {
        fprintf(stderr, "bench_ssd980: %s\n", b.e.text);
        return 2;
    }
    sweep(&b, SPDK, 1);
    if (!fit)
        everything(&b);
    close_drive(&b);
    if (!fit && open_drive(&written, &config)) {
        overwrite(&written);
        in_order(&written);
        close_drive(&written);
    }
    return 0;
}
