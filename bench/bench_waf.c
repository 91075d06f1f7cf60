/*
 * Write amplification of the drive against theory, and against a drive
 * somebody measured.
 *
 * usage: bench_waf [quick] [POLICY...]
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

static void uniform(const struct policy *p, unsigned b, bool quick) {
    printf("%-7s %3u ", p->label, b);
    for (unsigned i = 0; i < COUNT(spares); i++) {
        struct waf_drive w = {.policy = p->name,
                              .choices = p->choices,
                              .blocks = quick ? 512 : 2048,
                              .block_units = b,
                              .alpha = 1 + spares[i] / 100,
                              .precondition = true,
                              .warmup = quick ? 3 : 5,
                              .measured = quick ? 3 : 4,
                              .seed = 1};
        double have = simulate(&w), want = theory(p, w.alpha, b);
        worst = fmax(worst, fabs(have / want - 1));
        printf(" %7.3f %7.3f %.4f", have, want, have / want);
        fflush(stdout);
    }
    printf("\n");
}

static bool chosen(const char *label, int argc, char **argv) {
    for (int i = 0; i < argc; i++)
        if (!strcmp(argv[i], label))
            return true;
    return argc == 0;
}

int main(int argc, char **argv) {
    bool quick = argc > 1 && !strcmp(argv[1], "quick");
    argc -= 1 + quick;
    argv += 1 + quick;
    printf("uniform independent writes: drive, theory, ratio at over-provisioning of\npolicy  pages");
    for (unsigned i = 0; i < COUNT(spares); i++)
        printf(" %14g %%       ", spares[i]);
    printf("\n");
    for (unsigned b = 64; b <= 256; b *= 4)
        for (unsigned i = 0; i < COUNT(policies); i++)
            if (chosen(policies[i].label, argc, argv))
                uniform(&policies[i], b, quick);
    printf("farthest from 1: %.4f\n", worst);
    return 0;
}
