/*
 * What the kernels of all architectures say of a fault, header by header: its
 * kind; and who called where the program counter is no answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oops_bed.h"

static void check(const char *log, enum oops_kind kind, const char *function) {
    struct bed_verdict got;
    bed_decode(log, strlen(log), 1 << 20, 0, &got);
    if (got.reports != 1 || got.kind != kind || strcmp(got.function, function) != 0)
        fail_msg("%u reports, %s in %s; wanted %s in %s:\n%s", got.reports, oops_kind_name(got.kind), got.function,
                 oops_kind_name(kind), function, log);
}

/* The header, and a body that all architectures could have printed. */
static void check_header(const char *header, enum oops_kind kind, const char *pc) {
    struct bed_text text = {0};
    bed_printf(&text, "[    3.000001] %s\n[    3.000002] CPU: 0 PID: 12 Comm: x Not tainted 5.10.0 #1\n", header);
    bed_printf(&text, "[    3.000003] %s\n[    3.000004] Call Trace:\n", pc);
    bed_printf(&text, "[    3.000005] [<c0101234>] lamp_dim+0x44/0x90\n[    3.000006] [<c0101334>] lamp_go+0x4/0x40\n");
    check(text.s, kind, "lamp_dim");
    free(text.s);
}

static void test_oops_arches_arm(void **state) {
    static const struct {
        const char *text;
        enum oops_kind kind;
    } aborts[] = {
        {"external abort on linefetch", OOPS_EXTERNAL_ABORT},
        {"external abort on non-linefetch", OOPS_EXTERNAL_ABORT},
        {"imprecise external abort", OOPS_EXTERNAL_ABORT},
        {"asynchronous external abort", OOPS_EXTERNAL_ABORT},
        {"external abort on translation", OOPS_EXTERNAL_ABORT},
        {"dcache parity error", OOPS_EXTERNAL_ABORT},
        {"synchronous parity error", OOPS_EXTERNAL_ABORT},
        {"lock abort", OOPS_EXTERNAL_ABORT},
        {"section translation fault", OOPS_PAGE_FAULT},
        {"page translation fault", OOPS_PAGE_FAULT},
        {"level 2 translation fault", OOPS_PAGE_FAULT},
        {"section domain fault", OOPS_PAGE_FAULT},
        {"page domain fault", OOPS_PAGE_FAULT},
        {"section permission fault", OOPS_PAGE_FAULT},
        {"page permission fault", OOPS_PAGE_FAULT},
        {"level 3 permission fault", OOPS_PAGE_FAULT},
        {"page access flag fault", OOPS_PAGE_FAULT},
        {"alignment exception", OOPS_TRAP},
        {"alignment fault", OOPS_TRAP},
        {"vector exception", OOPS_TRAP},
        {"debug event", OOPS_TRAP},
    };
    for (unsigned i = 0; i < sizeof(aborts) / sizeof(aborts[0]); i++) {
        char header[120];
        snprintf(header, sizeof(header), "Unhandled fault: %s (0x81b) at 0x00000010", aborts[i].text);
        check_header(header, aborts[i].kind, "PC is at lamp_dim+0x44/0x90");
    }
    check_header("Unhandled prefetch abort: page domain fault (0x00b) at 0x00000000", OOPS_PAGE_FAULT,
                 "PC is at lamp_dim+0x44/0x90");
    check_header("Internal error: Oops - undefined instruction: 0 [#1] SMP ARM", OOPS_TRAP,
                 "PC is at lamp_dim+0x44/0x90");
    check_header("Internal error: SP/PC alignment exception: 8a000000 [#1] SMP", OOPS_TRAP, "pc : lamp_dim+0x44/0x90");
    check_header("Internal error: synchronous parity or ECC error: 96000018 [#1] SMP", OOPS_EXTERNAL_ABORT,
                 "pc : lamp_dim+0x44/0x90");
    check_header("Internal error: level 0 address size fault: 96000000 [#1] SMP", OOPS_PAGE_FAULT,
                 "pc : lamp_dim+0x44/0x90");
    check_header("Internal error: Oops - KASAN: 00000000f2000920 [#1] SMP", OOPS_KASAN, "pc : lamp_dim+0x44/0x90");
}

static void test_oops_arches_powerpc(void **state) {
    static const struct {
        const char *header;
        enum oops_kind kind;
    } reasons[] = {
        {"Oops: Kernel access of bad area, sig: 11 [#1]", OOPS_PAGE_FAULT},
        {"Oops: Exception in kernel mode, sig: 5 [#1]", OOPS_BUG},
        {"Oops: Exception in kernel mode, sig: 4 [#1]", OOPS_TRAP},
        {"Oops: Exception in kernel mode, sig: 8 [#1]", OOPS_TRAP},
        {"Oops: Machine check, sig: 7 [#1]", OOPS_EXTERNAL_ABORT},
        {"Oops: Unrecoverable Machine check, sig: 7 [#1]", OOPS_EXTERNAL_ABORT},
        {"Oops: Kernel stack overflow, sig: 11 [#1]", OOPS_STACK_GUARD},
        {"Oops: System Reset, sig: 6 [#1]", OOPS_TRAP},
        {"Oops: Unrecoverable exception, sig: 6 [#1]", OOPS_TRAP},
        {"Oops: Bad kernel stack pointer, sig: 6 [#1]", OOPS_TRAP},
        {"Oops: Weird page fault, sig: 11 [#1]", OOPS_PAGE_FAULT},
        {"BUG: Unable to handle kernel instruction fetch (NULL pointer?)", OOPS_NULL_DEREF},
        {"BUG: Unable to handle kernel unaligned access at 0xc000000000012345", OOPS_TRAP},
        {"Unable to handle kernel paging request for unaligned access at address 0xd0000001", OOPS_TRAP},
        {"Unable to handle kernel paging request for data at address 0x00000010", OOPS_PAGE_FAULT},
        {"Watchdog CPU:59 Hard LOCKUP", OOPS_HARD_LOCKUP},
    };
    for (unsigned i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        check_header(reasons[i].header, reasons[i].kind, "NIP [c0101234] lamp_dim+0x44/0x90");
}

static void test_oops_arches_others(void **state) {
    static const struct {
        const char *header, *pc;
        enum oops_kind kind;
    } faults[] = {
        {"addressing exception: 0005 ilc:3 [#1] SMP",
         "Krnl PSW : 0704e00180000000 00000000c0101234 (lamp_dim+0x44/0x90)", OOPS_TRAP},
        {"illegal operation: 0001 [#1] SMP", "Krnl PSW : 0704e00180000000 00000000c0101234 (lamp_dim+0x44/0x90)",
         OOPS_TRAP},
        {"fixpoint divide exception: 0009 ilc:2 [#1] SMP",
         "Krnl PSW : 0704e00180000000 00000000c0101234 (lamp_dim+0x44/0x90)", OOPS_TRAP},
        {"monitor event: 0040 ilc:2 [#1] SMP", "Krnl PSW : 0704e00180000000 00000000c0101234 (lamp_dim+0x44/0x90)",
         OOPS_BUG},
        {"Kernel bug detected[#1]:", "epc   : c0101234 lamp_dim+0x44/0x90", OOPS_BUG},
        {"Reserved instruction in kernel code[#1]:", "epc   : c0101234 lamp_dim+0x44/0x90", OOPS_TRAP},
        {"Trap instruction in kernel code[#1]:", "epc   : c0101234 lamp_dim+0x44/0x90", OOPS_TRAP},
        {"Kernel unaligned instruction access[#1]:", "epc   : c0101234 lamp_dim+0x44/0x90", OOPS_TRAP},
        {"Instruction bus error, epc == c0101234, ra == c0101334", "epc   : c0101234 lamp_dim+0x44/0x90",
         OOPS_EXTERNAL_ABORT},
        {"Kernel ade access[#1]:", "era   : 90000000c0101234 lamp_dim+0x44/0x90", OOPS_TRAP},
        {"x (pid 12): Illegal instruction (code 8)", "IAOQ[0]: lamp_dim+0x44/0x90", OOPS_TRAP},
        {"Page fault: bad address: Code=26 (Data memory access rights trap) at addr f9000000",
         "IAOQ[0]: lamp_dim+0x44/0x90", OOPS_PAGE_FAULT},
        {"High Priority Machine Check (HPMC): Code=1 (High-priority machine check (HPMC)) at addr 00000000",
         "IAOQ[0]: lamp_dim+0x44/0x90", OOPS_EXTERNAL_ABORT},
        {"x(12): Kernel bad trap [#1]", "TPC: <lamp_dim+0x44/0x90>", OOPS_TRAP},
        {"x(12): TL0: Phys Watchpoint Exception [#1]", "TPC: <lamp_dim+0x44/0x90>", OOPS_TRAP},
        {"x[12]: NaT consumption 17179869216 [1]", "ip is at lamp_dim+0x44/0x90", OOPS_TRAP},
        {"[ECR   ]: 0x00230400 => Misaligned r/w from 0x7a04acf6", "[ERET  ]: lamp_dim+0x44/0x90", OOPS_TRAP},
        {"Kernel BUG: 003e [#1]", "PC is at lamp_dim+0x44/0x90", OOPS_BUG},
        {"control protection fault: 0000 [#1] SMP", "RIP: 0010:lamp_dim+0x44/0x90", OOPS_TRAP},
        {"Bad pagetable: 0009 [#1] SMP PTI", "RIP: 0010:lamp_dim+0x44/0x90", OOPS_PAGE_FAULT},
    };
    for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        check_header(faults[i].header, faults[i].kind, faults[i].pc);
}

/* A function without a frame is not in the trace's way: who called it is in the register. */
static void test_oops_arches_link_register(void **state) {
    check("Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000\n"
          "Mem abort info:\n  ESR = 0x0000000096000004\npstate: 60000005 (nZCv daif)\n"
          "pc : __pi_strcmp+0x1c/0x120\nlr : lamp_find+0x48/0x90\nsp : ffff800012345670\n"
          "Call trace:\n __pi_strcmp+0x1c/0x120\n lamp_open+0x30/0x80\n vfs_open+0x30/0x40\n",
          OOPS_NULL_DEREF, "lamp_find");
    check("Unable to handle kernel paging request for instruction fetch\n"
          "Oops: Kernel access of bad area, sig: 11 [#1]\nNIP: 0000000000000000 LR: d000000001234184 CTR: 0\n"
          "NIP [0000000000000000] (null)\nLR [d000000001234184] lamp_call+0x64/0xc0 [lamp]\nCall Trace:\n"
          "[c000003fe8b03c00] [d000000001234178] lamp_call+0x58/0xc0 [lamp] (unreliable)\n"
          "[c000003fe8b03c70] [c0000000002a4e10] __vfs_write+0x40/0x1b0\n",
          OOPS_PAGE_FAULT, "lamp_call");
    check("CPU 0 Unable to handle kernel paging request at virtual address 00000010, epc == 80401234, ra == 80402234\n"
          "Oops[#1]:\nepc   : 80401234 memcpy+0x14/0x70\nra    : 80402234 lamp_copy+0x24/0x60\nCall Trace:\n"
          "[<80401234>] memcpy+0x14/0x70\n[<80403234>] lamp_read+0x34/0x60\n",
          OOPS_PAGE_FAULT, "lamp_copy");
    /* What it called came back there: its own trace tells. */
    check("Unable to handle kernel paging request at virtual address dead000000000100\npstate: 60000005 (nZCv daif)\n"
          "pc : kfree+0x5c/0x120\nlr : kfree+0x30/0x120\nCall trace:\n kfree+0x5c/0x120\n lamp_free+0x30/0x80\n",
          OOPS_PAGE_FAULT, "lamp_free");
    /* 32-bit Arm returns without it. */
    check("Unable to handle kernel NULL pointer dereference at virtual address 00000000\n"
          "Internal error: Oops: 5 [#1] SMP ARM\nPC is at kfree+0x60/0x124\nLR is at lamp_check+0x1c/0x20\n"
          "pc : [<80165504>]    lr : [<825e31d8>]    psr: 60010013\n"
          "[<801654a4>] (kfree) from [<8163f8d8>] (lamp_free+0x88/0x3a0)\n"
          "[<8163f850>] (lamp_free) from [<8163b930>] (lamp_close+0xd0/0x1c0)\n",
          OOPS_NULL_DEREF, "lamp_free");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_arches_arm),
        cmocka_unit_test(test_oops_arches_powerpc),
        cmocka_unit_test(test_oops_arches_others),
        cmocka_unit_test(test_oops_arches_link_register),
    };
    return cmocka_run_group_tests_name("oops_arches", tests, NULL, NULL);
}
