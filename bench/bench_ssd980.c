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
 * Two processes with SPDK stand apart: with 16 in flight the 99th percentile is 181 us, where one process with SPDK has
 * 132, four with io_uring 138 and eight 136. A tenth of their reads at low depths take 17 us, less than flash does. So
 * their reads are not independent, or not all from flash; the model's are.
 *
 * Larger reads were measured with io_uring, on another day and another unit, of
 * which a third answered without flash; its 4 KiB reads, too, are a third slower
 * than those above at depth 16. Where neighbouring units lie and that a die reads
 * one at a time follows from 8 KiB at depth 1; the most that 64 KiB get is
 * fitted (ssd.list_page_time).
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

enum { READS = 1000000 };

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
};

/* As the authors ran fio, but for so many requests instead of so long. */
static void write_job(char *text, size_t room, enum engine engine, unsigned processes, unsigned depth, unsigned kib,
                      uint64_t reads) {
    snprintf(text, room,
             "[a]\nrw=randread\nnorandommap=1\ngroup_reporting=1\nbs=%uk\niodepth=%u\nnumjobs=%u\nio_size=%lluk\n%s",
             kib, depth, processes, (unsigned long long)(reads / processes * kib), engine == IO_URING ? host : "");
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
static struct figures measure(struct bench *b, enum engine engine, unsigned processes, unsigned depth, unsigned kib) {
    char text[400];
    struct run_result result;
    uint64_t reads = READS / (kib > 4 ? kib / 4 : 1);
    write_job(text, sizeof text, engine, processes, depth, kib, reads > 256 * depth ? reads : 256 * depth);
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
    const struct figures *p = &c->published, m = measure(b, c->engine, c->processes, c->depth, 4);
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
    printf("larger reads, io_uring, 1 process: another unit in another state, see the source; fitted: 64 KiB at most\n"
           "  KiB depth   IOPS                     mean us\n");
    worst = sum = judged = 0;
    for (unsigned i = 0; i < COUNT(sizes); i++) {
        const struct size *s = &sizes[i];
        struct figures m = measure(b, IO_URING, 1, s->depth, s->kib);
        printf("%5u %5u", s->kib, s->depth);
        column(s->iops, m.iops, true);
        column(s->mean, m.mean, false);
        printf("\n");
    }
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

int main(int argc, char **argv) {
    struct bench b = {0};
    struct drive_config config;
    bool fit = false;
    if (!configure(&config, argc, argv, &fit, &b.e)) {
        b.sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &b.e);
        b.drive = b.sim ? drive_open(&config, "none", NULL, b.sim, &b.e) : NULL;
    }
    if (!b.drive) {
        fprintf(stderr, "bench_ssd980: %s\n", b.e.text);
        return 2;
    }
    sweep(&b, SPDK, 1);
    if (!fit) {
        sweep(&b, SPDK, 2);
        for (unsigned processes = 1; processes <= 8; processes += processes > 1 ? 4 : 3)
            sweep(&b, IO_URING, processes);
        larger(&b);
    }
    if (b.failed)
        printf("A RUN FAILED: %s\n", b.e.text);
    drive_close(b.drive);
    sim_free(b.sim);
    return 0;
}
