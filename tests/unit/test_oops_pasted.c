/*
 * Reports as people hand them on: wrapped by mail programs, with the header told
 * in the words around them, of two CPUs that printed at the same time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oops_bed.h"

static void check_reads(const char *log, unsigned which, const char *title, const char *function, unsigned reports) {
    struct bed_verdict got;
    bed_decode(log, strlen(log), 1 << 20, which, &got);
    if (got.reports != reports || strcmp(got.title, title) != 0 || strcmp(got.function, function) != 0)
        fail_msg("%u reports, \"%s\", \"%s\"; wanted are %u, \"%s\", \"%s\"", got.reports, got.title, got.function,
                 reports, title, function);
}

/* ---- Wrapped lines ---- */

static void test_oops_wrapped_headers(void **state) {
    static const char *const headers[][3] = {
        {"[   12.000001] WARNING: CPU: 3 PID: 412 at\ndrivers/lamp/core.c:77 lamp_dim+0x44/0x90 [lamp]\n",
         "WARNING in lamp_dim", "lamp_dim"},
        {"> [   12.000001] WARNING: CPU: 3 PID: 412 at\n> drivers/lamp/core.c:77\n> lamp_dim+0x44/0x90 [lamp]\n",
         "WARNING in lamp_dim", "lamp_dim"},
        {"WARNING: CPU: 3 PID: 412 at drivers/lamp/very/deep/down/core.c:77\nlamp_dim+0x44/0x90 [lamp]\n",
         "WARNING in lamp_dim", "lamp_dim"},
        {"BUG: KASAN: slab-use-after-free in\nlamp_dim+0x44/0x90\nRead of size 8 at addr ffff888000000010 by task "
         "a/1\n",
         "KASAN: slab-use-after-free Read in lamp_dim", "lamp_dim"},
        {"general protection fault, probably for non-canonical address\n0xdead000000000100: 0000 [#1] SMP\n"
         "RIP: 0010:lamp_dim+0x44/0x90\n",
         "general protection fault in lamp_dim", "lamp_dim"},
        {"[   12.000001] BUG: unable to handle kernel\nNULL pointer dereference at 0000000000000008\n"
         "[   12.000002] RIP: 0010:lamp_dim+0x44/0x90\n",
         "BUG: unable to handle kernel NULL pointer dereference in lamp_dim", "lamp_dim"},
        {"[   12.000001] BUG: unable to handle kernel \n[   12.000001] paging request at ffffffffc0001000\n"
         "[   12.000002] RIP: 0010:[<ffffffffc0002000>]\n[<ffffffffc0002000>] lamp_dim+0x44/0x90\n",
         "BUG: unable to handle kernel paging request in lamp_dim", "lamp_dim"},
        {"Oct 05 11:31:47 host kernel: INFO: task lamp:3091 blocked\nfor more than 120 seconds.\n",
         "INFO: task hung in lamp_dim", "lamp_dim"},
        {"Thu Jun  6 19:38:43 2019 kern.warn kernel: [  625.859253] WARNING:\n"
         "CPU: 0 PID: 1417 at drivers/lamp/very/deep/down/core.c:77\nlamp_dim+0x44/0x90 [lamp]\n",
         "WARNING in lamp_dim", "lamp_dim"},
        {"[  402.117176] BUG lamp-144 (Tainted: G    B   W         ): Right\nRedzone overwritten\n",
         "BUG: Redzone overwritten in lamp_dim", "lamp_dim"},
    };
    for (unsigned i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        struct bed_text text = {0};
        bed_printf(&text, "%sCall Trace:\n lamp_dim+0x44/0x90 [lamp]\n ksys_write+0x6a/0xe0\n", headers[i][0]);
        check_reads(text.s, 0, headers[i][1], headers[i][2], 1);
        free(text.s);
    }
}

/* Lines of programs, between those of the kernel, are not taken for more of a line. */
static void test_oops_not_wrapped(void **state) {
    check_reads("WARNING: CPU: 0 PID: 7 at lib/debugobjects.c:502 debug_print_object+0xc0/0xe8\n"
                "ODEBUG: free active (active state 0) object type: timer_list\n"
                "RIP: 0010:debug_print_object+0xc0/0xe8\nCall Trace:\n lamp_free+0x20/0x40\n",
                0, "WARNING: ODEBUG bug in lamp_free", "lamp_free", 1);
    check_reads("[   12.000001] BUG: KCSAN: data-race in lamp_dim_the_light_slowly / lamp_read\n"
                "tester: step 12 is done\n[   12.000002] read to 0xffff888000000010 of 4 bytes by task 5 on cpu 1:\n"
                "[   12.000003]  lamp_read+0x20/0x40\n",
                0, "KCSAN: data-race in lamp_dim_the_light_slowly / lamp_read", "lamp_dim_the_light_slowly", 1);
}

/* Traces after decode_stacktrace.sh, which puts places where offsets were. */
static void test_oops_decoded_traces(void **state) {
    check_reads(
        "[   12.000001] BUG: KASAN: slab-use-after-free in lamp_dim (drivers/lamp/core.c:77 (discriminator 3)) lamp\n"
        "[   12.000002] Read of size 8 at addr ffff888000000010 by task a/1\n"
        "[   12.000003] Call Trace:\n[   12.000004] ? dump_stack_lvl (lib/dump_stack.c:107)\n"
        "[   12.000005] lamp_dim (drivers/lamp/core.c:77 (discriminator 3)) lamp\n",
        0, "KASAN: slab-use-after-free Read in lamp_dim", "lamp_dim", 1);
    check_reads("WARNING: CPU: 0 PID: 1 at drivers/lamp/core.c:77 lamp_dim (drivers/lamp/core.c:77)\n"
                "RIP: 0010:lamp_dim (drivers/lamp/core.c:77)\n",
                0, "WARNING in lamp_dim", "lamp_dim", 1);
    check_reads("BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
                "pc : lamp_dim (drivers/lamp/core.c:77\ndrivers/lamp/lamp.h:4)\n",
                0, "BUG: unable to handle kernel NULL pointer dereference in lamp_dim", "lamp_dim", 1);
}

/* Names that only look like those of the library. */
static void test_oops_names_like_helpers(void **state) {
    static const char log[] = "BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
                              "RIP: 0010:memcpy+0x12/0x20\nCall Trace:\n"
                              " %s+0x20/0x40\n lamp_store+0x10/0x20\n";
    static const char *const names[][2] = {{"__pi_memcpy", "lamp_store"},
                                           {"kmemdup", "lamp_store"},
                                           {"hex_string", "lamp_store"},
                                           {"lamp_strncpy", "lamp_strncpy"},
                                           {"lamp_snprintf_modes", "lamp_snprintf_modes"}};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[400], title[120];
        snprintf(text, sizeof(text), log, names[i][0]);
        snprintf(title, sizeof(title), "BUG: unable to handle kernel NULL pointer dereference in %s", names[i][1]);
        check_reads(text, 0, title, names[i][1], 1);
    }
}

/* Architectures with words of their own. */
static void test_oops_rarer_architectures(void **state) {
    check_reads("Bad Address (null pointer deref?): Code=15 (Data TLB miss fault) at addr 0effe310\n"
                "CPU: 0 PID: 0 Comm: swapper Not tainted 5.15.0 #1\n IAOQ[0]: lamp_dim+0xdc/0x12c\n"
                " IAOQ[1]: lamp_dim+0x78/0x12c\nKernel panic - not syncing: Bad Address (null pointer deref?)\n",
                0, "BUG: unable to handle kernel paging request in lamp_dim", "lamp_dim", 1);
    check_reads("Kernel bug detected[#1]:\nCPU: 0 PID: 1 Comm: a Not tainted 5.4.0 #1\n"
                "epc   : 80117868 lamp_dim+0x4/0x9c\nra    : 80118208 lamp_store+0x20/0x40\n",
                0, "kernel BUG in lamp_dim", "lamp_dim", 1);
    check_reads("Oops: Machine check, sig: 7 [#1]\nNIP: c00000000026f248 LR: c000000000295e58\n"
                "NIP [c00000000026f248] .lamp_dim+0x58/0x140\n",
                0, "machine check in lamp_dim", "lamp_dim", 1);
    check_reads("watchdog: CPU 12 detected hard LOCKUP on other CPUs 68\nwatchdog: CPU 68 Hard LOCKUP\n"
                "NIP [c0000000006f5578] lamp_dim+0x38/0x90\nLR [c000000000cba9ec] lamp_store+0x2c/0x50\n",
                0, "BUG: hard lockup in lamp_dim", "lamp_dim", 1);
    check_reads("illegal operation: 0001 ilc:3 [#1] SMP\n"
                "Krnl PSW : 0704c00180000000 00000000cbc90568 (lamp_dim+0x4/0x9c)\n",
                0, "illegal operation in lamp_dim", "lamp_dim", 1);
    check_reads("Unable to handle kernel paging request at virtual address 0000000000000008\n"
                "pc is at lamp_dim+0x60/0xf0\nra is at lamp_dim+0x40/0xf0\n",
                0, "BUG: unable to handle kernel paging request in lamp_dim", "lamp_dim", 1);
}

/* Prefixes that no program is known for, before frames. */
static void test_oops_foreign_prefixes(void **state) {
    check_reads("node-7 [kern]: BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
                "node-7 [kern]: Call Trace:\nnode-7 [kern]: lamp_dim+0x20/0x40 [lamp]\n"
                "node-7 [kern]: ? lamp_store+0x20/0x40 [lamp]\n",
                0, "BUG: unable to handle kernel NULL pointer dereference in lamp_dim", "lamp_dim", 1);
    check_reads("22150.386550:   <6> Unable to handle kernel write to read-only memory at virtual address 0000000010\n"
                "22150.607350:   <2>  lamp_dim+0x44/0x110\n",
                0, "BUG: unable to handle kernel paging request in lamp_dim", "lamp_dim", 1);
    check_reads("<4>[22921.938436]  [3:    kworker/3:0:14402] WARNING: CPU: 3 PID: 14402 at drivers/lamp.c:950\n"
                "<4>[22921.938472]  [3:    kworker/3:0:14402] pstate: 60c00005 (nZCv daif +PAN +UAO)\n"
                "<4>[22921.938478] I[3:    kworker/3:0:14402] pc : lamp_dim+0x268/0x36c\n"
                "<4>[22921.938478] -(0)[1:init]Call trace:\n<4>[22921.938478] -(0)[1:init]lamp_store+0x268/0x36c\n",
                0, "WARNING in lamp_dim", "lamp_dim", 1);
    check_reads("Jul 21 13:20:40 host kernel: [ 1095.346261] VERIFY(0 == lamp_hold(lamp)) failed\n"
                "Jul 21 13:20:40 host kernel: [ 1095.346291] PANIC at lamp.c:766:lamp_dim()\n"
                "Jul 21 13:20:40 host kernel: [ 1095.346309] Showing stack for process 23046\n"
                "Jul 21 13:20:40 host kernel: [ 1095.346311] Call Trace:\n"
                "Jul 21 13:20:40 host kernel: [ 1095.346312]  dump_stack+0x4d/0x67\n"
                "Jul 21 13:20:40 host kernel: [ 1095.346313]  spl_panic+0xc3/0x110 [spl]\n"
                "Jul 21 13:20:40 host kernel: [ 1095.346314]  lamp_dim+0x20/0x40 [lamp]\n",
                0, "spl panic in lamp_dim", "lamp_dim", 1);
    check_reads("[   12.000001] WARNING: CPU: 0 PID: 0 at kernel/lamp.c:1242 lamp_dim+0x328/0x3ec\n"
                "[   12.000002] Call trace:\n[   12.000003] [<(ptrval)>] dump_stack+0x34/0x48\n"
                "[   12.000004] [<(ptrval)>] lamp_dim+0x328/0x3ec\n",
                0, "WARNING in lamp_dim", "lamp_dim", 1);
}

/* ---- Words about a report ---- */

static void test_oops_mentions(void **state) {
    static const char report[] = "[   12.000001] kernel BUG at drivers/lamp/core.c:77!\n"
                                 "[   12.000002] RIP: 0010:lamp_dim+0x44/0x90\n";
    struct bed_text text = {0};
    bed_printf(&text, "# kernel BUG at drivers/lamp/core.c:77!\n\nSince yesterday I get this.\n\n%s", report);
    check_reads(text.s, 0, "kernel BUG in lamp_dim", "lamp_dim", 1);
    check_reads("BUG: unable to handle kernel NULL pointer dereference at 0000000000000008\n", 0,
                "BUG: unable to handle kernel NULL pointer dereference in corrupted", "", 1);
    /* quoted with the kernel's time stamp: the report itself comes later; of another kind, both are told */
    struct bed_text quoted = {0};
    bed_printf(&quoted, "> [    9.000001] kernel BUG at drivers/lamp/core.c:77!\n>\n> Any idea?\n\nThis is all:\n%s",
               report);
    check_reads(quoted.s, 0, "kernel BUG in lamp_dim", "lamp_dim", 1);
    free(quoted.s);
    struct bed_text other = {0};
    bed_printf(&other, "[    9.000001] invalid opcode: 0000 [#1] SMP\n\nThis is later:\n%s", report);
    check_reads(other.s, 0, "invalid opcode in corrupted", "", 2);
    free(other.s);
    /* a panic may have nothing behind it */
    check_reads("[    9.000001] Kernel panic - not syncing: Fatal machine check\n\nThe other one:\n"
                "[    9.000001] Kernel panic - not syncing: Fatal hardware error!\n[    9.000002] Call Trace:\n"
                "[    9.000003]  lamp_dim+0x44/0x90\n",
                0, "kernel panic: Fatal machine check", "lamp_dim", 1);
    free(text.s);
}

/* ---- Forms without the usual words ---- */

static void test_oops_bare_traces(void **state) {
    check_reads("[   12.000001] WARNING: CPU: 0 PID: 27 at drivers/lamp/core.c:77 lamp_dim+0x44/0x90\n"
                "[   12.000002] [<c010f3a4>] (unwind_backtrace) from [<c010b9d8>] (show_stack+0x10/0x14)\n"
                "[   12.000003] [<c010b9d8>] (show_stack) from [<c0127a90>] (__warn+0xec/0x104)\n"
                "[   12.000004] [<c0127a90>] (__warn) from [<c0127b58>] (warn_slowpath_null+0x3c/0x48)\n"
                "[   12.000005] [<c0127b58>] (warn_slowpath_null) from [<c0500000>] (lamp_dim+0x44/0x90)\n"
                "[   12.000006] [<c0500000>] (lamp_dim) from [<c0500100>] (lamp_store+0x18/0x30)\n",
                0, "WARNING in lamp_dim", "lamp_dim", 1);
    check_reads("[  +0.000005] UBSAN: array-index-out-of-bounds in drivers/lamp/core.c:77:3\n"
                "[  +0,000009] Call Trace:\n[  +0.000002]  dump_stack_lvl+0x4c/0x63\n"
                "[  +0.000003]  __ubsan_handle_out_of_bounds+0x44/0x49\n[  +0.000003]  lamp_dim+0x44/0x90 [lamp]\n",
                0, "UBSAN: array-index-out-of-bounds in lamp_dim", "lamp_dim", 1);
    check_reads("[Jun 3 09:02] INFO: task lamp:12 blocked for more than 120 seconds.\n"
                "[  +0.065247] Call Trace:\n[  +0.000247]  schedule+0x2f/0xa0\n[  +0.000147]  lamp_wait+0x10/0x20\n"
                "[  +0.000147]  lamp_dim+0x10/0x20\n",
                0, "INFO: task hung in lamp_dim", "lamp_dim", 1);
}

/* ---- Two CPUs at once, and nothing says which printed ---- */

static const char *const fault_of_one[] = {"BUG: kernel NULL pointer dereference, address: 0000000000000010",
                                           "#PF: supervisor read access in kernel mode",
                                           "#PF: error_code(0x0000) - not-present page",
                                           "PGD 0 P4D 0",
                                           "Oops: 0000 [#1] PREEMPT SMP NOPTI",
                                           "CPU: 60 PID: 2258 Comm: reader Not tainted 6.1.0 #1",
                                           "Hardware name: ACME Box",
                                           "RIP: 0010:cup_fill+0x8f/0x300",
                                           "Code: 8b 50 08 f6 c2 01 0f 85 14 02 00 00 <8b> 40 10 c3",
                                           "RSP: 0018:ff6bbed6c1c0b8e8 EFLAGS: 00010202",
                                           "RAX: 0000000000000000 RBX: 0000000000000001 RCX: 0000000000000002",
                                           "RDX: 0000000000000003 RSI: 0000000000000004 RDI: 0000000000000005",
                                           "CR2: 0000000000000010 CR3: 00000001131e4004 CR4: 0000000000771ef0",
                                           "Call Trace:",
                                           " cup_pour+0x30/0x80",
                                           " ksys_read+0x6a/0xe0",
                                           "---[ end trace 0000000000000000 ]---"};
static const char *const warning_of_other[] = {
    "WARNING: CPU: 43 PID: 2254 at drivers/lamp/core.c:77 lamp_dim+0x44/0x90",
    "Modules linked in: lamp",
    "CPU: 43 PID: 2254 Comm: writer Not tainted 6.1.0 #1",
    "Hardware name: ACME Box",
    "RIP: 0010:lamp_dim+0x44/0x90",
    "Code: 48 89 df e8 aa bb cc dd <0f> 0b eb c2",
    "RSP: 0018:ff6bbed6c2d0b8e8 EFLAGS: 00010246",
    "RAX: 0000000000000007 RBX: 0000000000000008 RCX: 0000000000000009",
    "RDX: 000000000000000a RSI: 000000000000000b RDI: 000000000000000c",
    "CR2: 00007f0000000000 CR3: 00000001131e5004 CR4: 0000000000771ef0",
    "Call Trace:",
    " lamp_store+0x18/0x30",
    " ksys_write+0x6a/0xe0",
    "---[ end trace 0000000000000001 ]---"};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *reg_text(const struct oops_report *r, const char *name, char text[24]) {
    const struct oops_state *fault = oops_report_fault(r);
    const struct oops_reg *reg = fault ? oops_state_reg(fault, name) : NULL;
    snprintf(text, 24, "%llx", reg ? (unsigned long long)reg->value : ~0ull);
    return text;
}

static void check_apart(const char *log, size_t len, bool in_turn) {
    struct oops_report *reports[4] = {NULL};
    char text[24];
    int count = oops_read_text(log, len, reports, 4);
    assert_int_equal(count, 2);
    const struct oops_report *fault = reports[reports[0]->kind == OOPS_WARNING],
                             *warning = reports[fault == reports[0]];
    assert_int_equal(fault->kind, OOPS_NULL_DEREF);
    assert_int_equal(warning->kind, OOPS_WARNING);
    assert_string_equal(fault->function, "cup_fill");
    assert_string_equal(warning->function, "lamp_dim");
    assert_string_equal(fault->comm, "reader");
    assert_string_equal(warning->comm, "writer");
    if (in_turn) {
        assert_string_equal(reg_text(fault, "rdx", text), "3");
        assert_string_equal(reg_text(warning, "rdx", text), "a");
    }
    assert_string_equal(oops_report_trace(fault)->frames[0].sym.name, "cup_pour");
    assert_string_equal(oops_report_trace(warning)->frames[0].sym.name, "lamp_store");
    for (int i = 0; i < count; i++)
        oops_report_free(reports[i]);
}

/* So many lines of one, then one of the other, and so on. */
static void test_oops_mixed_cpus(void **state) {
    for (unsigned step = 1; step <= 3; step++)
        for (unsigned first = 0; first < 6; first++) {
            struct bed_text text = {0};
            unsigned a = 0, b = 0, us = 0;
            while (a < COUNT(fault_of_one) || b < COUNT(warning_of_other)) {
                unsigned until = a + (a ? step : 1 + first);
                for (; a < until && a < COUNT(fault_of_one); a++)
                    bed_printf(&text, "[   22.%06u] %s\n", us++, fault_of_one[a]);
                if (b < COUNT(warning_of_other))
                    bed_printf(&text, "[   22.%06u] %s\n", us++, warning_of_other[b++]);
            }
            check_apart(text.s, text.len, step == 1);
            free(text.s);
        }
}

/* One behind the other they are left as they are, also when the first is cut short. */
static void test_oops_not_mixed(void **state) {
    for (unsigned keep = 1; keep <= COUNT(fault_of_one); keep++) {
        struct bed_text text = {0};
        unsigned us = 0;
        for (unsigned i = 0; i < keep; i++)
            bed_printf(&text, "[   22.%06u] %s\n", us++, fault_of_one[i]);
        for (unsigned i = 0; i < COUNT(warning_of_other); i++)
            bed_printf(&text, "[   22.%06u] %s\n", us++, warning_of_other[i]);
        struct oops_report *reports[4] = {NULL};
        int count = oops_read_text(text.s, text.len, reports, 4);
        assert_int_equal(count, 2);
        assert_int_equal(reports[1]->line_count, COUNT(warning_of_other));
        assert_string_equal(reports[1]->function, "lamp_dim");
        for (int i = 0; i < count; i++)
            oops_report_free(reports[i]);
        free(text.s);
    }
}

/* One that could wait for its lines, while as many as can be open are: nothing is lost. */
static void test_oops_mixed_and_many(void **state) {
    struct oops_report *reports[20] = {NULL};
    struct bed_text text = {0};
    bed_printf(&text, "[   22.000001] BUG: unable to handle page fault for address: 0000000000000010\n"
                      "[   22.000002] RIP: 0010:cup_pour+0x1/0x20\n");
    for (unsigned i = 0; i < 15; i++)
        bed_printf(&text,
                   "[   22.0001%02u][   C%u] BUG: unable to handle page fault for address: 0000000000000010\n"
                   "[   22.0001%02u][   C%u] RIP: 0010:lamp_dim+0x1/0x20\n",
                   i, i, i, i);
    bed_printf(&text, "[   22.000200] BUG: unable to handle page fault for address: 0000000000000010\n"
                      "[   22.000201] RIP: 0010:lamp_store+0x1/0x20\n");
    assert_int_equal(oops_read_text(text.s, text.len, reports, 20), 17);
    assert_string_equal(reports[0]->function, "cup_pour");
    assert_string_equal(reports[16]->function, "lamp_store");
    for (unsigned i = 0; i < 17; i++)
        oops_report_free(reports[i]);
    free(text.s);
}

/* A name that was broken behind its hyphen. */
static void test_oops_wrapped_hyphen(void **state) {
    struct oops_report *report = NULL;
    static const char log[] = "[   22.000001] BUG: unable to handle page fault for address: 0000000000000010\n"
                              "[   22.000002] CPU: 1 PID: 311 Comm: lamp Not tainted 6.2.0-rc7-\n"
                              "next-20230704-dirty #24\n"
                              "[   22.000003] RIP: 0010:lamp_dim+0x1/0x20\n";
    assert_int_equal(oops_read_text(log, sizeof(log) - 1, &report, 1), 1);
    assert_string_equal(report->release, "6.2.0-rc7-next-20230704-dirty");
    oops_report_free(report);
}

/* Its name was lost, with the blank on one side of it. */
static void test_oops_process_without_name(void **state) {
    struct oops_report *report = NULL;
    static const char log[] = "[   22.000001] BUG: unable to handle kernel NULL pointer dereference at 00000010\n"
                              "[   22.000002] Process (pid: 200, stack limit = 0x1de80c24)\n"
                              "[   22.000003] PC is at lamp_dim+0x1/0x20\n";
    assert_int_equal(oops_read_text(log, sizeof(log) - 1, &report, 1), 1);
    assert_int_equal(report->pid, 200);
    assert_string_equal(report->comm, "");
    oops_report_free(report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_wrapped_headers),
        cmocka_unit_test(test_oops_not_wrapped),
        cmocka_unit_test(test_oops_mentions),
        cmocka_unit_test(test_oops_bare_traces),
        cmocka_unit_test(test_oops_mixed_cpus),
        cmocka_unit_test(test_oops_not_mixed),
        cmocka_unit_test(test_oops_mixed_and_many),
        cmocka_unit_test(test_oops_wrapped_hyphen),
        cmocka_unit_test(test_oops_process_without_name),
        cmocka_unit_test(test_oops_decoded_traces),
        cmocka_unit_test(test_oops_names_like_helpers),
        cmocka_unit_test(test_oops_rarer_architectures),
        cmocka_unit_test(test_oops_foreign_prefixes),
    };
    return cmocka_run_group_tests_name("oops_pasted", tests, NULL, NULL);
}
