/*
 * Reports of what a processor found: bad accesses and other exceptions, each architecture with its own words.
 *
 * Source: arch/x86/mm/fault.c, arch/x86/kernel/dumpstack.c, traps.c, arch/arm64/mm/fault.c, arch/riscv/mm/fault.c
 * and their like of other architectures, of 2.6.20 to 6.16.
 */
#include "diag/oops/kinds.h"

/* Functions that are not to blame in a kind of report, beside those of helpers.c. */
static const char *const skip_spl[] = {"spl_panic", "spl_dumpstack", NULL};

const struct oops_form oops_forms_arch[] = {
    /* ---- Bad accesses ---- */
    {"BUG: unable to handle kernel NULL pointer", OOPS_NULL_DEREF,
     "BUG: unable to handle kernel NULL pointer dereference" BAD_ACCESS},
    {"BUG: kernel NULL pointer", OOPS_NULL_DEREF, "BUG: unable to handle kernel NULL pointer dereference" BAD_ACCESS},
    {"BUG: Kernel NULL pointer", OOPS_NULL_DEREF, "BUG: unable to handle kernel NULL pointer dereference" BAD_ACCESS},
    {"BUG: unable to handle kernel paging", OOPS_PAGE_FAULT, "BUG: unable to handle kernel paging request" BAD_ACCESS},
    {"BUG: unable to handle page fault", OOPS_PAGE_FAULT, "BUG: unable to handle kernel paging request" BAD_ACCESS},
    {"BUG: Unable to handle kernel data access", OOPS_PAGE_FAULT,
     "BUG: unable to handle kernel paging request" BAD_ACCESS},
    {"BUG: unable to handle kernel", OOPS_PAGE_FAULT, "BUG: unable to handle kernel", NULL, PC_THEN_TRACE,
     OOPS_FORM_LOST},
    {"BUG: Unable to handle kernel", OOPS_PAGE_FAULT, "BUG: unable to handle kernel paging request" BAD_ACCESS},
    {"Unable to handle kernel paging request", OOPS_PAGE_FAULT,
     "BUG: unable to handle kernel paging request" BAD_ACCESS},
    {"Unable to handle kernel NULL pointer", OOPS_NULL_DEREF,
     "BUG: unable to handle kernel NULL pointer dereference" BAD_ACCESS},
    {"Unable to handle kernel access to user memory", OOPS_PAGE_FAULT,
     "BUG: unable to handle kernel access to user memory" BAD_ACCESS},
    {"Unable to handle kernel", OOPS_PAGE_FAULT, "BUG: unable to handle kernel paging request" BAD_ACCESS},
    /* ---- Traps ---- */
    {"general protection fault*:", OOPS_GPF, "general protection fault in %f", NULL, PC_THEN_TRACE, 0},
    {"general protection fault, ", OOPS_GPF, "general protection fault in %f", NULL, PC_THEN_TRACE, 0},
    {"stack segment: ", OOPS_TRAP, "stack segment fault in %f", NULL, PC_THEN_TRACE, 0},
    {"PANIC: double fault", OOPS_DOUBLE_FAULT, "PANIC: double fault in %f", NULL, PC_ONLY, OOPS_FORM_CONTINUES},
    {"double fault: 0000 [#", OOPS_DOUBLE_FAULT, "PANIC: double fault in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"divide error: ", OOPS_TRAP, "divide error in %f", NULL, PC_ONLY, 0},
    {"divide_error: ", OOPS_TRAP, "divide error in %f", NULL, PC_ONLY, 0},
    {"invalid opcode: ", OOPS_TRAP, "invalid opcode in %f", NULL, PC_ONLY, OOPS_FORM_CONTINUES},
    {"int3: ", OOPS_TRAP, "int3 in %f", NULL, PC_THEN_TRACE, 0},
    {"alignment check: ", OOPS_TRAP, "alignment check in %f", NULL, PC_THEN_TRACE, 0},
    {"Unhandled fault:", OOPS_EXTERNAL_ABORT, "Unhandled fault in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Alignment trap:", OOPS_TRAP, "Alignment trap in %f", NULL, PC_THEN_TRACE, 0},
    {"Unhandled kernel unaligned access", OOPS_TRAP, "Alignment trap in %f", NULL, PC_THEN_TRACE, 0},
    {"SError Interrupt on CPU", OOPS_EXTERNAL_ABORT, "SError in %f", NULL, PC_THEN_TRACE, 0},
    {"Bad mode in *handler detected", OOPS_TRAP, "bad mode in %f", NULL, PC_THEN_TRACE, 0},
    {"Insufficient stack space to handle exception", OOPS_STACK_GUARD, "kernel stack overflow in %f", NULL,
     STALLED("RCS|CS", NULL), 0},
    /* mips, s390, parisc */
    {"Kernel bug detected*[#", OOPS_BUG, "kernel BUG in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Reserved instruction in kernel code", OOPS_TRAP, "reserved instruction in %f", NULL, PC_THEN_TRACE, 0},
    {"Break instruction in kernel code", OOPS_TRAP, "break instruction in %f", NULL, PC_THEN_TRACE,
     OOPS_FORM_CONTINUES},
    {"Trap instruction in kernel code", OOPS_TRAP, "trap instruction in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Data bus error, epc", OOPS_EXTERNAL_ABORT, "bus error in %f", NULL, PC_THEN_TRACE, 0},
    {"Instruction bus error, epc", OOPS_EXTERNAL_ABORT, "bus error in %f", NULL, PC_THEN_TRACE, 0},
    {"do_cpu invoked from kernel context!", OOPS_TRAP, "bad instruction in %f", NULL, PC_THEN_TRACE, 0},
    {"illegal operation: 0001 ilc:*[#", OOPS_TRAP, "illegal operation in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {" exception: * ilc:*[#", OOPS_TRAP, "exception in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"monitor event: 0040 ilc:*[#", OOPS_BUG, "kernel BUG in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Bad Address (null pointer deref?): Code=", OOPS_PAGE_FAULT,
     "BUG: unable to handle kernel paging request" BAD_ACCESS},
    {"Kernel Fault: Code=", OOPS_PAGE_FAULT, "BUG: unable to handle kernel paging request" BAD_ACCESS},
    {"Illegal instruction (code 8)", OOPS_TRAP, "invalid opcode in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Internal error: synchronous external abort", OOPS_EXTERNAL_ABORT, "Internal error in %f", NULL, PC_THEN_TRACE,
     OOPS_FORM_CONTINUES},
    {"Internal error: UBSAN", OOPS_UBSAN, "Internal error in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Internal error: Oops - BUG", OOPS_BUG, "Internal error in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Internal error: Oops: *[#", OOPS_PAGE_FAULT, "Internal error in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Internal error:", OOPS_TRAP, "Internal error in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    /* powerpc's die(), other systems' assertions in modules */
    {"Oops: Machine check", OOPS_EXTERNAL_ABORT, "machine check in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Oops: Exception in kernel mode", OOPS_TRAP, "exception in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"Oops: Kernel stack overflow", OOPS_STACK_GUARD, "kernel stack overflow in %f", NULL, PC_THEN_TRACE,
     OOPS_FORM_CONTINUES},
    {"PANIC at *.c:*:*()", OOPS_BUG, "spl panic in %f", NULL, RECIPE("CS", skip_spl), 0},
    {"Oops: general protection fault", OOPS_GPF, "general protection fault in %f", NULL, PC_THEN_TRACE,
     OOPS_FORM_CONTINUES},
    {"Oops: ", OOPS_PAGE_FAULT, "BUG: unable to handle kernel paging request in %f", NULL, PC_THEN_TRACE,
     OOPS_FORM_CONTINUES | OOPS_FORM_NEEDS_TRACE},
    {"Oops [#", OOPS_PAGE_FAULT, "BUG: unable to handle kernel paging request in %f", NULL, PC_THEN_TRACE,
     OOPS_FORM_CONTINUES},
    {"Oops - ", OOPS_TRAP, "Internal error in %f", NULL, PC_THEN_TRACE, OOPS_FORM_CONTINUES},
    {"stack guard page was hit at", OOPS_STACK_GUARD, "BUG: stack guard page was hit in %f", NULL,
     STALLED("RCS|CS", NULL), 0},
    {.match = NULL},
};
