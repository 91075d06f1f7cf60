/*
 * The reader of logs: prefixes, the search for headers, bounds on memory.
 */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "diag/oops/insn/insn.h"
#include "diag/oops/oops_int.h"
#include "oops_bed.h"

/* ---- Memory: counted and, for one test, refused (the linker puts these in place) ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static size_t largest; /* bytes of one allocation */
static long refuse_at = -1;

static bool refused(size_t bytes) {
    if (bytes > largest)
        largest = bytes;
    return refuse_at >= 0 && refuse_at-- == 0;
}

void *__wrap_malloc(size_t size) {
    return refused(size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return refused(count * size) ? NULL : __real_calloc(count, size);
}

/* ---- Lines ---- */

static void check_line(const char *raw, const char *text) {
    char buffer[1024];
    struct oops_log_line lines[OOPS_GLUED_MAX];
    unsigned count = oops_line_clean(raw, strlen(raw), buffer, lines);
    assert_int_equal(count, 1);
    assert_string_equal(lines[0].text, text);
}

static void test_oops_lines_prefixes(void **state) {
    static const char *const raws[] = {
        "[    1.234567] BUG: x",
        "<4>[    1.234567] BUG: x",
        "[    1.234567][   C12] BUG: x",
        "[    1.234567][ T6604] BUG: x",
        "Apr 09 17:53:41 host kernel: [    1.234567] BUG: x",
        "Apr  9 17:53:41 host.example.org kernel: BUG: x",
        "2023-05-01T10:00:00+0200 host kernel: [    1.2345] BUG: x",
        "2023-05-01T10:00:00,123456+02:00 BUG: x",
        "[Mon Apr 17 10:00:00 2023] BUG: x",
        "kern  :alert : [    1.234567] BUG: x",
        "6,1234,567890,-;BUG: x",
        "6,1234,567890,-,caller=T12;BUG: x",
        "** 12 printk messages dropped ** [    1.234567] BUG: x",
        "syzkaller login: [   24.000000] BUG: x",
        "> > [    1.234567] BUG: x",
        "  12  [ 1.234567] BUG: x",
        "  12: [ 1.234567] BUG: x",
        "12 | BUG: x",
        "\033[31m[    1.234567] BUG: x\033[0m\r",
        "<pre>[    1.234567] BUG: x</pre>",
        "Tue Jan  1 00:00:00 2019 kern.warn kernel: [    1.234567] BUG: x",
        "MESSAGE=BUG: x",
        "sept. 27 21:47:33 host-arch kernel: BUG: x",
        "\xd0\xb8\xd1\x8e\xd0\xbb 27 14:08:03 laptop kernel: BUG: x",
        "    3. [ 2620.950919] BUG: x",
        " kernel:[ 1016.841821] BUG: x",
        "[    1.234567  ] BUG: x",
        "[  +0,000005] BUG: x",
        "[Jun 3 09:02] BUG: x",
        "[St okt 15 20:57:24 2025] BUG: x",
        "135577.600958] BUG: x",
        "13.01.2025 19:40:36:297 kernel  BUG: x",
        "[  T4985] BUG: x",
    };
    for (unsigned i = 0; i < sizeof(raws) / sizeof(raws[0]); i++)
        check_line(raws[i], "BUG: x");
    check_line("[ 1.000000]  [&lt;ffffffff81002144&gt;] ? f+0x1/0x2", "[<ffffffff81002144>] ? f+0x1/0x2");
    check_line("[ 1.000000]  &amp;lt;IRQ&amp;gt;", "<IRQ>");
    check_line("<c7>04 25", "<c7>04 25"); /* a marked byte of code is no level */
    check_line("[<c0123456>] f+0x1/0x2", "[<c0123456>] f+0x1/0x2");
    check_line("f+0\xc3\x97"
               "19/0x39",
               "f+0x19/0x39");
    check_line(">RIP: 0010:f+0x1/0x2", "RIP: 0010:f+0x1/0x2"); /* quoted without a blank */
    check_line("[  773.98484", "");                            /* cut in its time stamp */
    check_line("", "");
}

static void test_oops_lines_fields(void **state) {
    char buffer[256];
    struct oops_log_line lines[OOPS_GLUED_MAX];
    const char *raw = "Apr 09 17:53:41 host kernel: [  484.444834][ T77] x";
    assert_int_equal(oops_line_clean(raw, strlen(raw), buffer, lines), 1);
    assert_true(lines[0].has_time && lines[0].time_us == 484444834);
    assert_int_equal(lines[0].caller, 'T');
    assert_int_equal(lines[0].caller_id, 77);
    assert_string_equal(lines[0].wall, "Apr 09 17:53:41");
}

/* Two CPUs wrote into one line. */
static void test_oops_lines_glued(void **state) {
    char buffer[256];
    struct oops_log_line lines[OOPS_GLUED_MAX];
    const char *raw = "[    1.000000] usb 1-1: new high[    1.000100][  T5] BUG: y";
    assert_int_equal(oops_line_clean(raw, strlen(raw), buffer, lines), 2);
    assert_string_equal(lines[0].text, "usb 1-1: new high");
    assert_string_equal(lines[1].text, "BUG: y");
    assert_int_equal(lines[1].caller_id, 5);
}

/* ---- The search ---- */

/* Whatever kinds_*.c take for a header, scan.c finds. */
static void test_oops_scan_knows_all_headers(void **state) {
    struct oops_scanner scanner;
    oops_scanner_init(&scanner);
    const char *match;
    for (unsigned i = 0; (match = oops_form_match(i)) != NULL; i++) {
        char header[256];
        size_t n = 0;
        for (const char *s = match; *s && n < sizeof(header) - 8; s++)
            if (*s == '*')
                n += (size_t)snprintf(header + n, 8, "%s", "foo 1");
            else
                header[n++] = *s;
        if (n > 1 && header[n - 2] == '[' && header[n - 1] == '#') /* how often the kernel died */
            n += (size_t)snprintf(header + n, 8, "1]");
        header[n] = '\0';
        bool generic = !strcmp(match, "INFO: *") || !strcmp(match, "INFO: task "); /* words that logs are full of */
        if (!oops_scan(&scanner, header, n) && !generic)
            fail_msg("\"%s\" is not looked for", header);
    }
}

/* The same as looking at each place for each word, on random text. */
static void test_oops_scan_finds_the_first(void **state) {
    struct oops_scanner scanner;
    oops_scanner_init(&scanner);
    static const char alphabet[] = "BUG: Ops[nl pcKeaiWARNING";
    char text[200];
    unsigned seed = 12345, hits = 0;
    for (unsigned round = 0; round < 20000; round++) {
        size_t n = 0;
        for (; n < 100; n++) {
            seed = seed * 1103515245 + 12345;
            text[n] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
        }
        memcpy(text + (seed >> 16) % 90, "BUG: ", round % 3 ? 5 : 4);
        text[n] = '\0';
        const char *found = oops_scan(&scanner, text, n), *bug = strstr(text, "BUG: ");
        assert_true(!bug || (found && found <= bug));
        hits += found != NULL;
    }
    assert_true(hits > 1000);
}

static void test_oops_nothing_found(void **state) {
    struct oops_report *reports[1];
    const char *log =
        "[    1.000000] INFO: lockdep is turned off.\n[    2.000000] nothing here\nWARNING: your disk is full\n";
    assert_int_equal(oops_read_text(log, strlen(log), reports, 1), 0);
    assert_int_equal(oops_read_text("", 0, reports, 1), 0);
    const char *cut = "ainted BUG x\n"; /* of "(Tainted: G): BUG" */
    assert_int_equal(oops_read_text(cut, strlen(cut), reports, 1), 0);
}

/* ---- Bounds ---- */

struct seen {
    unsigned reports;
    unsigned lines;
    uint64_t dropped;
};

static void see(void *ctx, struct oops_report *report) {
    struct seen *seen = ctx;
    seen->reports++;
    seen->lines = report->line_count;
    seen->dropped += report->lines_dropped;
    oops_report_free(report);
}

static void feed(struct oops_reader *reader, const char *s) {
    assert_int_equal(oops_reader_feed(reader, s, strlen(s)), 0);
}

/* 100 MB without a newline, with words of headers in it: read in pieces, nothing grows. */
static void test_oops_long_line(void **state) {
    struct seen seen = {0};
    static char block[1 << 20];
    memset(block, 'x', sizeof(block));
    memcpy(block + 5000, "BUG: unable to handle", 21);
    largest = 0;
    struct oops_reader *reader = oops_reader_new(see, &seen);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(oops_reader_feed(reader, block, sizeof(block)), 0);
    assert_int_equal(oops_reader_end(reader), 0);
    oops_reader_free(reader);
    assert_true(largest <= 512u << 10);
}

/* A report without an end. */
static void test_oops_endless_report(void **state) {
    struct seen seen = {0};
    struct oops_reader *reader = oops_reader_new(see, &seen);
    feed(reader, "[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000008\n");
    feed(reader, "[    1.000000] Call Trace:\n");
    for (unsigned i = 0; i < 100000; i++)
        feed(reader, "[    1.000001]  some_function_with_a_long_name+0x10/0x20\n");
    assert_int_equal(oops_reader_end(reader), 0);
    oops_reader_free(reader);
    assert_int_equal(seen.reports, 1);
    assert_int_equal(seen.lines, OOPS_LINES_MAX);
    assert_true(seen.dropped > 90000);
}

/* Many reports at once, by as many tasks. */
static void test_oops_many_open(void **state) {
    struct seen seen = {0};
    struct oops_reader *reader = oops_reader_new(see, &seen);
    char line[128];
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(line, sizeof(line), "[    1.000000][ T%u] BUG: scheduling while atomic: x/%u/0x2\n", i, i);
        feed(reader, line);
    }
    assert_int_equal(oops_reader_end(reader), 0);
    oops_reader_free(reader);
    assert_int_equal(seen.reports, 1000);
}

/* A report is over, and not worth telling, while what stood before its registers is still being added. */
static void test_oops_over_before_it_began(void **state) {
    struct seen seen = {0};
    struct oops_reader *reader = oops_reader_new(see, &seen);
    feed(reader, "[    0.000000] PANIC: early exception 0x0e IP 10:ffffffff82f4c1a2 error 0 cr2 0x18\n"
                 "[    0.000000] CPU: 0 PID: 0 Comm: swapper Not tainted 6.6.0 ---[ end Kernel panic#1\n"
                 "[    0.000000] RIP: 0010:hatch_early+0x22/0x60\n");
    assert_int_equal(oops_reader_end(reader), 0);
    oops_reader_free(reader);
}

/* A report that might be mixed with one of another printer does not keep back all those behind it. */
static void test_oops_waits_for_nobody(void **state) {
    struct seen seen = {0};
    struct oops_reader *reader = oops_reader_new(see, &seen);
    char line[128];
    feed(reader, "[    1.000000] BUG: soft lockup - CPU#0 stuck for 22s! [lamp:1]\n"
                 "[    1.000001] Sending NMI from CPU 0 to CPUs 1:\n");
    for (unsigned i = 10; i < 22; i++) {
        snprintf(line, sizeof(line), "[    1.0001%u] noise %u\n", i, i);
        feed(reader, line);
    }
    feed(reader, "[    1.100000][    C3] Kernel panic - not syncing: lamp\n"
                 "[    1.100001][    C3] CPU: 3 PID: 1 Comm: lamp Not tainted 5.4.0 #1\n"
                 "[    1.100002][    C3] Call Trace:\n[    1.100003][    C3]  lamp_dim+0x1/0x2\n");
    for (unsigned i = 2; i < 52; i++) {
        snprintf(line, sizeof(line), "[   %u.000000][   T5] BUG: scheduling while atomic: x/%u/0x2\n", 10 + i, i);
        feed(reader, line);
    }
    assert_int_equal(oops_reader_end(reader), 0);
    oops_reader_free(reader);
    assert_int_equal(seen.reports, 52);
}

/* Names of registers with numbers beyond all bounds, in reports that are mixed. */
static void test_oops_registers_without_bounds(void **state) {
    struct seen seen = {0};
    struct oops_reader *reader = oops_reader_new(see, &seen);
    feed(reader, "[    1.000001] BUG: unable to handle page fault for address: ffff1\n"
                 "[    1.000002] #PF: supervisor read access in kernel mode\n"
                 "[    1.000003] BUG: unable to handle page fault for address: ffff2\n"
                 "[    1.000004] CPU: 0 PID: 1 Comm: a Not tainted 5.4.0 #1\n"
                 "[    1.000005] CPU: 1 PID: 2 Comm: b Not tainted 5.4.0 #1\n"
                 "[    1.000006] RIP: 0010:lamp_dim+0x1/0x2\n[    1.000006] RIP: 0010:lamp_set+0x1/0x2\n"
                 "[    1.000007] x2147483648: 0000000000000000 x1 : 0000000000000000\n"
                 "[    1.000008] Call Trace:\n[    1.000009]  lamp_dim+0x1/0x2\n");
    assert_int_equal(oops_reader_end(reader), 0);
    oops_reader_free(reader);
    assert_int_equal(seen.reports, 2);
}

static void decode(void *ctx, struct oops_report *report) {
    struct oops_verdict v;
    oops_verdict_text(report, &v);
    oops_report_free(report);
}

/* Each allocation refused in turn: an error or a shorter report, never a crash. */
static void test_oops_no_memory(void **state) {
    static struct golden goldens[BED_GOLDENS_MAX];
    unsigned count = bed_goldens(goldens);
    for (unsigned g = 0; g < count; g++)
        for (long n = 0; n < 24; n++) {
            refuse_at = n;
            struct oops_reader *reader = oops_reader_new(decode, NULL);
            if (reader && !oops_reader_feed(reader, goldens[g].log, strlen(goldens[g].log)))
                oops_reader_end(reader);
            oops_reader_free(reader);
            refuse_at = -1;
        }
    bed_goldens_free(goldens, count);
}

/* ---- Instructions that the golden logs don't have ---- */

static void check_insn(enum oops_arch arch, const char *bytes, const char *text, const char *base, long disp) {
    uint8_t code[16];
    unsigned len = 0;
    for (; bytes[2 * len]; len++)
        sscanf(bytes + 2 * len, "%2hhx", &code[len]);
    struct oops_report r = {.pool = oops_pool_new(), .arch = arch};
    struct oops_insn insn;
    assert_true(oops_insn_decode(&r, NULL, code, len, 0, &insn));
    assert_string_equal(insn.text, text);
    assert_string_equal(insn.mem.base, base);
    assert_int_equal(insn.mem.disp, disp);
    oops_pool_free(r.pool);
}

static void test_oops_instructions(void **state) {
    check_insn(OOPS_ARCH_ARM64, "010c40f9", "ldr x1, [x0, #24]", "x0", 24);
    check_insn(OOPS_ARCH_ARM64, "207c5fc8", "ldxr x0, [x1]", "x1", 0);
    check_insn(OOPS_ARCH_ARM64, "620021f8", "ldadd x1, x2, [x3]", "x3", 0);
    check_insn(OOPS_ARCH_ARM64, "417863f8", "ldr x1, [x2, x3, lsl #3]", "x2", 0);
    check_insn(OOPS_ARCH_RISCV, "233cc4fe", "sd a2,-8(s0)", "s0", -8);
    check_insn(OOPS_ARCH_RISCV, "2f25b600", "amoadd.w a0,a1,(a2)", "a2", 0);
    check_insn(OOPS_ARCH_RISCV, "8865", "c.ld a0,8(a1)", "a1", 8);
    check_insn(OOPS_ARCH_ARM, "183090e5", "ldr r3, [r0, #24]", "r0", 24);
    check_insn(OOPS_ARCH_MIPS, "1000828c", "lw $2,16($4)", "$4", 16);
    check_insn(OOPS_ARCH_MIPS, "f8ff44fc", "sd $4,-8($2)", "$2", -8);
    check_insn(OOPS_ARCH_PPC64, "280063e8", "ld r3,40(r3)", "r3", 40);
    check_insn(OOPS_ARCH_PPC64, "d1ff21f8", "stdu r1,-48(r1)", "r1", -48);
    check_insn(OOPS_ARCH_PPC64, "2a48dd7f", "ldx r30,r29,r9", "r29", 0);
    check_insn(OOPS_ARCH_PPC, "10002391", "stw r9,16(r3)", "r3", 16);
    check_insn(OOPS_ARCH_X86_64, "f00fb117", "lock cmpxchg %edx,(%rdi)", "rdi", 0);
    check_insn(OOPS_ARCH_X86_64, "c704250000000074657374", "movl $0x74736574,0x0", "", 0);
}

static void check_value(enum oops_arch arch, uint64_t value, enum oops_pattern pattern) {
    struct oops_report r = {.pool = oops_pool_new(), .arch = arch};
    struct oops_value v;
    oops_value_classify(&r, value, &v);
    if (v.pattern != pattern)
        fail_msg("0x%llx is %d, wanted is %d", (unsigned long long)value, v.pattern, pattern);
    oops_pool_free(r.pool);
}

static void test_oops_patterns(void **state) {
    check_value(OOPS_ARCH_X86_64, 0, OOPS_PATTERN_NULL);
    check_value(OOPS_ARCH_X86_64, 0x108, OOPS_PATTERN_NULL_OFFSET);
    check_value(OOPS_ARCH_X86_64, 0xffffffffffffffb8, OOPS_PATTERN_NULL_NEGATIVE);
    check_value(OOPS_ARCH_X86_64, 0xffffffffffffffea, OOPS_PATTERN_ERR_PTR);
    check_value(OOPS_ARCH_X86_64, 0xdead000000000100, OOPS_PATTERN_LIST_POISON);
    check_value(OOPS_ARCH_X86_64, 0xdead000000000108, OOPS_PATTERN_LIST_POISON);
    check_value(OOPS_ARCH_X86_64, 0x6b6b6b6b6b6b6b7b, OOPS_PATTERN_SLAB_POISON);
    check_value(OOPS_ARCH_X86_64, 0xaaaaaaaaaaaaaaaa, OOPS_PATTERN_PAGE_POISON);
    check_value(OOPS_ARCH_X86_64, 0xdffffc0000000003, OOPS_PATTERN_KASAN_SHADOW);
    check_value(OOPS_ARCH_X86_64, 0x8c3a5f0012345678, OOPS_PATTERN_NON_CANONICAL);
    check_value(OOPS_ARCH_X86_64, 0xff7f888004c51128, OOPS_PATTERN_FLIPPED_BIT);
    check_value(OOPS_ARCH_X86_64, 0x0000006f6c6c6568, OOPS_PATTERN_ASCII);
    check_value(OOPS_ARCH_X86_64, 0x00007f6a4c2b20ed, OOPS_PATTERN_USER);
    check_value(OOPS_ARCH_X86_64, 0xffffffffc0534ff9, OOPS_PATTERN_MODULE);
    check_value(OOPS_ARCH_X86_64, 0xffffffff81002144, OOPS_PATTERN_TEXT);
    check_value(OOPS_ARCH_X86_64, 0xffff9a1e04b3c600, OOPS_PATTERN_KERNEL);
    check_value(OOPS_ARCH_ARM, 0xc0201000, OOPS_PATTERN_KERNEL);
    check_value(OOPS_ARCH_ARM, 0xfffffff4, OOPS_PATTERN_ERR_PTR);
    check_value(OOPS_ARCH_I386, 0x6b6b6b6b, OOPS_PATTERN_SLAB_POISON);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_lines_prefixes),
        cmocka_unit_test(test_oops_lines_fields),
        cmocka_unit_test(test_oops_lines_glued),
        cmocka_unit_test(test_oops_scan_knows_all_headers),
        cmocka_unit_test(test_oops_scan_finds_the_first),
        cmocka_unit_test(test_oops_nothing_found),
        cmocka_unit_test(test_oops_long_line),
        cmocka_unit_test(test_oops_endless_report),
        cmocka_unit_test(test_oops_many_open),
        cmocka_unit_test(test_oops_over_before_it_began),
        cmocka_unit_test(test_oops_waits_for_nobody),
        cmocka_unit_test(test_oops_registers_without_bounds),
        cmocka_unit_test(test_oops_no_memory),
        cmocka_unit_test(test_oops_instructions),
        cmocka_unit_test(test_oops_patterns),
    };
    return cmocka_run_group_tests_name("oops_reader", tests, NULL, NULL);
}
