/*
 * Write amplification of each victim policy against theory for uniform
 * independent writes. bench_waf does the same at length and more closely.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../bench/waf.h"
#include "drive/ssd/ftl/ftl.h"

enum { BLOCKS = 160, UNITS = 32 };

static void assert_close(double have, double want, double tolerance) {
    if (!(fabs(have / want - 1) <= tolerance))
        fail_msg("%.4f is not within %g %% of %.4f", have, tolerance * 100, want);
}

/* The solver against values computed by others, and its ways against each other. */
static void test_waf_theory(void **state) {
    assert_close(waf_fifo(1.30), 2.364, 0.001); /* 2.36 in Xiang and Kurkoski, arXiv 1110.4245 */
    for (double alpha = 1.07; alpha < 2.1; alpha += 0.3) {
        assert_close(waf_dchoices(alpha, 64, 1), alpha / (alpha - 1), 1e-6);
        assert_close(waf_dchoices(alpha, 64, WAF_GREEDY), waf_greedy(alpha, 64), 0.006);
        assert_close(waf_dchoices(alpha, 64, 10000), waf_dchoices(alpha, 64, WAF_GREEDY), 0.001);
        assert_close(waf_dchoices(alpha, 4096, WAF_GREEDY), waf_fifo(alpha), 0.01);
        double x, apart = waf_hot_cold(alpha - 1, 0.8, 0.2, &x);
        assert_true(apart < waf_fifo(alpha) && x > 0.2 && x < 0.6);
        assert_close(waf_hot_cold(alpha - 1, 0.3, 0.3, NULL), waf_fifo(alpha), 1e-6); /* nothing to tell apart */
    }
}

static void compare(struct waf_drive w, double want, double tolerance) {
    struct err e = {0};
    w.blocks = BLOCKS;
    w.block_units = w.block_units ? w.block_units : UNITS;
    w.seed = 5;
    double have = waf_simulate(&w, &e);
    print_message("# %s %u, %.1f %% spare: write amplification %.3f, theory %.3f\n", w.policy, w.choices,
                  (w.alpha - 1) * 100, have, want);
    if (have < 0)
        fail_msg("%s", e.text);
    assert_close(have, want, tolerance);
}

static double theory(const char *policy, unsigned choices, double alpha) {
    if (!strcmp(policy, "fifo"))
        return waf_fifo(alpha);
    if (!strcmp(policy, "random"))
        return waf_dchoices(alpha, UNITS, 1);
    return waf_dchoices(alpha, UNITS, choices ? choices : WAF_GREEDY);
}

static void test_ssd_waf_of_each_policy(void **state) {
    static const double alphas[] = {1.125, 1.4};
    for (unsigned i = 0; gc_policies[i].name; i++) {
        unsigned choices = strcmp(gc_policies[i].name, "dchoices") ? 0 : 5;
        for (unsigned k = 0; k < 2; k++)
            compare(
                (struct waf_drive){
                    .policy = gc_policies[i].name, .choices = choices, .alpha = alphas[k], .warmup = 4, .measured = 4},
                theory(gc_policies[i].name, choices, alphas[k]), strcmp(gc_policies[i].name, "random") ? 0.05 : 0.1);
    }
}

/* Pages of four units: what counts is units a block; pages padded at the end of each collection cost something. */
static void test_ssd_waf_with_several_units_a_page(void **state) {
    compare(
        (struct waf_drive){
            .policy = "greedy", .block_units = 128, .page_units = 4, .alpha = 1.28, .warmup = 3, .measured = 3},
        waf_dchoices(1.28, 128, WAF_GREEDY), 0.04);
}

/* Preconditioning must leave the drive where long writing would. */
static void test_ssd_waf_random_precondition_is_steady(void **state) {
    for (double alpha = 1.125; alpha < 1.5; alpha += 0.155)
        compare((struct waf_drive){.policy = "greedy", .alpha = alpha, .precondition = true, .measured = 2},
                theory("greedy", 0, alpha), 0.05);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waf_theory),
        cmocka_unit_test(test_ssd_waf_of_each_policy),
        cmocka_unit_test(test_ssd_waf_with_several_units_a_page),
        cmocka_unit_test(test_ssd_waf_random_precondition_is_steady),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
