/*
 * Write amplification of the drive against theory, and against a drive
 * somebody measured.
 *
 * usage: bench_waf [quick]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "waf.h"

struct policy {
    const char *label, *name;
    unsigned choices;
};

static const struct policy policies[] = {
    {"greedy", "greedy", 0}, {"fifo", "fifo", 0},    {"random", "random", 0},
    {"d=2", "dchoices", 2},  {"d=5", "dchoices", 5}, {"d=10", "dchoices", 10},
};

static const double spares[] = {7, 12.5, 20, 28, 50, 100};

#define COUNT(a) (sizeof(a) / sizeof *(a))

static double theory(const struct policy *p, double alpha, unsigned b) {
    if (!strcmp(p->name, "fifo"))
        return waf_fifo(alpha);
    if (!strcmp(p->name, "random"))
        return alpha / (alpha - 1);
    return waf_dchoices(alpha, b, p->choices ? p->choices : WAF_GREEDY);
}

static double worst;

static double simulate(const struct waf_drive *w) {
    struct err e = {0};
    double a = waf_simulate(w, &e);
    if (a < 0) {
        fprintf(stderr, "bench_waf: %s\n", e.text);
        exit(1);
    }
    return a;
}

/* Victims of a policy that draws at random differ more, so that more of them are needed for the same accuracy. */
static bool wild(const struct policy *p) {
    return !strcmp(p->name, "random") || p->choices == 2;
}

static double passes(const struct policy *p, bool quick) {
    return quick ? 3 : wild(p) ? 10 : 4;
}

static void uniform(const struct policy *p, unsigned b, bool quick) {
    printf("%-7s %3u ", p->label, b);
    unsigned blocks = quick ? 512 : b > 64 && !wild(p) ? 1024 : 2048;
    for (unsigned i = 0; i < COUNT(spares); i++) {
        struct waf_drive w = {.policy = p->name,
                              .choices = p->choices,
                              .blocks = blocks,
                              .block_units = b,
                              .alpha = 1 + spares[i] / 100,
                              .precondition = true,
                              .warmup = 3, /* preconditioning left little to do */
                              .measured = passes(p, quick),
                              .seed = 1};
        double have = simulate(&w), want = theory(p, w.alpha, b);
        worst = fmax(worst, fabs(have / want - 1));
        printf(" %7.3f %7.3f %.4f", have, want, have / want);
        fflush(stdout);
    }
    printf("\n");
}

/* Hot and cold data on one drive that tells them apart by itself (ssd.streams), against the best split of the spare. */
static void hot_cold(double writes, double space, bool quick) {
    printf("%2.0f/%2.0f      ", writes * 100, space * 100);
    for (unsigned i = 0; i < COUNT(spares); i++) {
        double op = spares[i] / 100, want = waf_hot_cold(op, writes, space, NULL);
        struct waf_drive w = {.policy = "fifo",
                              .streams = 2,
                              .hot_writes = writes,
                              .hot_space = space,
                              .blocks = quick ? 512 : 2048,
                              .block_units = 64,
                              .alpha = 1 + op,
                              .precondition = true,
                              .warmup = 10,
                              .measured = 4,
                              .seed = 2};
        double have = simulate(&w);
        worst = fmax(worst, fabs(have / want - 1));
        printf(" %7.3f %7.3f %.4f", have, want, have / want);
        fflush(stdout);
    }
    printf("\n");
}

/*
 * Micron 7450 MAX 800 GB filled in part, then overwritten at random (SSD-iq,
 * VLDB 2025, artifact paper/finalop02b). Fitted: 1068 GiB of flash. The factor
 * is what the drive wrote for itself during sequential filling, row by row.
 */
static void micron(bool quick) {
    static const struct {
        double filled_gib, sequential, measured;
    } rows[] = {
        {372, 1.037, 1.113}, {372, 1.037, 1.107}, {521, 1.036, 1.279}, {596, 1.032, 1.410}, {745, 1.025, 1.890}};
    printf("\nMicron 7450 MAX 800 GB: GiB filled, published, modelled, ratio\n");
    worst = 0;
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct waf_drive w = {.policy = "greedy",
                              .blocks = quick ? 256 : 512,
                              .block_units = 512,
                              .alpha = 1068 / rows[i].filled_gib,
                              .precondition = true,
                              .warmup = 3,
                              .measured = 3,
                              .seed = 3};
        double have = simulate(&w) * rows[i].sequential;
        worst = fmax(worst, fabs(have / rows[i].measured - 1));
        printf("%8.0f %7.3f %7.3f %.4f\n", rows[i].filled_gib, rows[i].measured, have, have / rows[i].measured);
    }
    printf("farthest from 1: %.4f\n", worst);
}

static void head(const char *what, const char *column) {
    printf("\n%s: drive, theory, ratio at over-provisioning of\n%-11s", what, column);
    for (unsigned i = 0; i < COUNT(spares); i++)
        printf(" %14g %%       ", spares[i]);
    printf("\n");
}

int main(int argc, char **argv) {
    bool quick = argc > 1 && !strcmp(argv[1], "quick");
    head("uniform independent writes", "policy pages");
    for (unsigned b = 64; b <= 256; b *= 4)
        for (unsigned i = 0; i < COUNT(policies); i++)
            uniform(&policies[i], b, quick);
    printf("farthest from 1: %.4f\n", worst);
    worst = 0;
    head("hot and cold data told apart by the drive in two streams, FIFO", "writes/data");
    for (unsigned i = 0; i < 4; i++)
        hot_cold((double[]){0.6, 0.8, 0.9, 0.95}[i], (double[]){0.4, 0.2, 0.1, 0.05}[i], quick);
    printf("farthest from 1: %.4f\n", worst);
    micron(quick);
    printf("\n%.0f s of processor time\n", (double)clock() / CLOCKS_PER_SEC);
    return 0;
}
