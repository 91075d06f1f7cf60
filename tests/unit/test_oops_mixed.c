/*
 * Reports of three CPUs that print at once, by kernels that do not say who
 * prints: each gets its own lines back, on machines whose reports are parted by
 * the steps of printing (order.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oops_bed.h"

#define CPUS      3
#define LINES_MAX 96

struct printer {
    char *lines[LINES_MAX];
    unsigned count, at;
    struct bed_verdict want;
};

/* A log without its time stamps. */
static void split(struct printer *p, const char *log) {
    memset(p, 0, sizeof(*p));
    bed_decode(log, strlen(log), 1 << 20, 0, &p->want);
    assert_int_equal(p->want.reports, 1);
    for (const char *s = log, *end; (end = strchr(s, '\n')) != NULL; s = end + 1) {
        while (s < end && *s == '[' && s[1] != '<' && strspn(s + 1, " CT.0123456789") > 3)
            s = strchr(s, ']') + 1;
        s += s < end && *s == ' ';
        if (s == end)
            continue;
        assert_true(p->count < LINES_MAX);
        p->lines[p->count++] = strndup(s, (size_t)(end - s));
    }
}

static void release(struct printer *p) {
    for (unsigned i = 0; i < p->count; i++)
        free(p->lines[i]);
}

/* In turn `burst` lines each, the n-th from its `start[n]`-th turn on. */
static void mix(struct bed_text *to, struct printer *cpus, const unsigned start[CPUS], unsigned burst) {
    unsigned us = 0, left = 1;
    to->len = 0;
    for (unsigned c = 0; c < CPUS; c++)
        cpus[c].at = 0;
    for (unsigned turn = 0; left; turn++) {
        left = 0;
        for (unsigned c = 0; c < CPUS; c++) {
            for (unsigned i = 0; i < burst && turn >= start[c] && cpus[c].at < cpus[c].count; i++)
                bed_printf(to, "[  100.%06u] %s\n", 10 * us++, cpus[c].lines[cpus[c].at++]);
            left += cpus[c].count - cpus[c].at;
        }
    }
}

static void check_all(struct printer *cpus, unsigned bursts) {
    static const unsigned starts[][CPUS] = {{0, 0, 0}, {0, 1, 2}, {0, 3, 6}, {0, 5, 9}};
    struct bed_text text = {0};
    for (unsigned s = 0; s < sizeof(starts) / sizeof(starts[0]); s++)
        for (unsigned burst = 1; burst <= bursts; burst++) {
            mix(&text, cpus, starts[s], burst);
            for (unsigned c = 0; c < CPUS; c++) {
                bool found = false;
                struct bed_verdict got = {.reports = CPUS};
                for (unsigned which = 0; which < CPUS && !found; which++) {
                    bed_decode(text.s, text.len, 1 << 20, which, &got);
                    found = !strcmp(got.title, cpus[c].want.title) && got.kind == cpus[c].want.kind;
                }
                if (!found || got.reports != CPUS)
                    fail_msg("start %u, burst %u: %u reports, no \"%s\"", s, burst, got.reports, cpus[c].want.title);
            }
        }
    free(text.s);
}

static void check_goldens(const char *const names[CPUS]) {
    struct golden goldens[BED_GOLDENS_MAX];
    struct printer cpus[CPUS];
    unsigned count = bed_goldens(goldens);
    for (unsigned c = 0; c < CPUS; c++) {
        unsigned g = 0;
        while (g < count && strcmp(goldens[g].name, names[c]) != 0)
            g++;
        assert_true(g < count);
        split(&cpus[c], goldens[g].log);
    }
    check_all(cpus, 3);
    for (unsigned c = 0; c < CPUS; c++)
        release(&cpus[c]);
    bed_goldens_free(goldens, count);
}

static void test_oops_mixed_arm64(void **state) {
    static const char *const names[CPUS] = {"arm64-5.10-null.txt", "arm64-5.15-bug.txt", "arm64-6.8-err-ptr.txt"};
    check_goldens(names);
}

/* Two faults and a BUG; the third is another kernel's of the same form. */
static void test_oops_mixed_riscv(void **state) {
    static const char *const names[2] = {"riscv-6.6-null.txt", "riscv-5.15-bug.txt"};
    struct golden goldens[BED_GOLDENS_MAX];
    struct printer cpus[CPUS];
    unsigned count = bed_goldens(goldens);
    for (unsigned c = 0; c < CPUS; c++)
        for (unsigned g = 0; g < count; g++)
            if (!strcmp(goldens[g].name, names[c % 2])) {
                for (char *s = goldens[g].text; c == 2 && (s = strstr(s, "flow_")) != NULL;)
                    memcpy(s, "tide", 4);
                for (char *s = goldens[g].text; c == 2 && (s = strstr(s, "PID: 133")) != NULL;)
                    memcpy(s, "PID: 177", 8);
                for (char *s = goldens[g].text; c == 2 && (s = strstr(s, "0000c")) != NULL;)
                    memcpy(s, "00014", 5);
                split(&cpus[c], goldens[g].log);
            }
    check_all(cpus, 2);
    for (unsigned c = 0; c < CPUS; c++)
        release(&cpus[c]);
    bed_goldens_free(goldens, count);
}

static void powerpc_report(struct bed_text *to, unsigned n, const char *function) {
    static const char *const callers[] = {"process_one_work", "worker_thread", "kthread", "ret_from_kernel_thread"};
    unsigned long long stack = 0xc00000001a2b0000ull + n * 0x100000ull, code = 0xc000000000123400ull + n * 0x10000ull;
    to->len = 0;
    bed_printf(to, "BUG: Kernel NULL pointer dereference on read at 0x%08x\n", 0x10 + n * 8);
    bed_printf(to, "Faulting instruction address: 0x%llx\nOops: Kernel access of bad area, sig: 11 [#%u]\n", code,
               n + 1);
    bed_printf(to, "LE PAGE_SIZE=64K MMU=Hash SMP NR_CPUS=2048 NUMA pSeries\nModules linked in: m%u\n", n);
    bed_printf(to, "CPU: %u PID: %u Comm: w%u Not tainted 6.1.0 #1\nHardware name: IBM pSeries\n", n, 100 + n, n);
    bed_printf(to, "NIP:  %llx LR: %llx CTR: 0000000000000000\n", code, code + 0x100);
    bed_printf(to, "REGS: %llx TRAP: 0300   Not tainted  (6.1.0)\n", stack + 0x700);
    bed_printf(to, "MSR:  8000000000009033 <SF,EE,ME,IR,DR,RI,LE>  CR: 2400424%u  XER: 00000000\n", n);
    bed_printf(to, "CFAR: %llx DAR: 00000000000000%02x DSISR: 40000000 IRQMASK: 0 \n", code + 0x20, 0x10 + n * 8);
    for (unsigned g = 0; g < 32; g += 4)
        bed_printf(to, "GPR%02u: %016x %016x %016x %016x\n", g, g, g + 1, g + 2, g + 3);
    bed_printf(to, "NIP [%llx] %s+0x20/0x80\nLR [%llx] %s_all+0x44/0xa0\nCall Trace:\n", code, function, code + 0x100,
               function);
    bed_printf(to, "[%llx] [%llx] %s_all+0x44/0xa0 (unreliable)\n", stack + 0x900, code + 0x100, function);
    for (unsigned i = 0; i < 4; i++)
        bed_printf(to, "[%llx] [%llx] %s+0x44/0xa0\n", stack + 0x980 + i * 0x80, code + 0x200, callers[i]);
    bed_printf(to, "Instruction dump:\n60420000 792917e1 4182ff18 3c82ffab 3884a5e0 %08x 3c62ffab 3863a6e8 \n", n);
    bed_printf(to, "480ba891 60000000 <e9230008> 3be0000b 4bfff860 e93c0938 60000000 %08x\n", n);
    bed_printf(to, "---[ end trace 000000000000000%u ]---\n", n);
}

static void test_oops_mixed_powerpc(void **state) {
    static const char *const functions[CPUS] = {"valve_open", "boiler_heat", "lamp_dim"};
    struct printer cpus[CPUS];
    struct bed_text text = {0};
    for (unsigned c = 0; c < CPUS; c++) {
        powerpc_report(&text, c, functions[c]);
        split(&cpus[c], text.s);
    }
    check_all(cpus, 3);
    for (unsigned c = 0; c < CPUS; c++)
        release(&cpus[c]);
    free(text.s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_mixed_arm64),
        cmocka_unit_test(test_oops_mixed_riscv),
        cmocka_unit_test(test_oops_mixed_powerpc),
    };
    return cmocka_run_group_tests_name("oops_mixed", tests, NULL, NULL);
}
