/*
 * Numbers and letters of a report in words: the error code of the fault, the
 * taint of the kernel, modules from outside, where it ran.
 *
 * Source: arch/x86/include/asm/trap_pf.h; Arm ARM (DDI 0487) ESR_EL1, section D17.2.37; RISC-V Privileged
 * Specification (20211203), table 3.6; Documentation/admin-guide/tainted-kernels.rst.
 */
#include <stdio.h>
#include <string.h>

#include "diag/oops/oops_int.h"
#include "diag/oops/verdict/cause.h"

/* ---- Error codes ---- */

static const char *x86_error(const struct oops_report *r, uint64_t code) {
    static const struct {
        unsigned bit;
        const char *text;
    } more[] = {{3, ", a reserved bit is set in the page table"},
                {5, ", protection key"},
                {6, ", shadow stack"},
                {15, ", SGX"},
                {31, ", RMP"}};
    const char *text = oops_pool_printf(r->pool, "error code %04llx: %s by %s code, %s", (unsigned long long)code,
                                        code & 16  ? "instruction fetch"
                                        : code & 2 ? "write"
                                                   : "read",
                                        code & 4 ? "user" : "kernel",
                                        code & 1 ? "the page is there but protected" : "no page is there");
    for (unsigned i = 0; i < sizeof(more) / sizeof(more[0]); i++)
        if (code >> more[i].bit & 1)
            text = oops_pool_printf(r->pool, "%s%s", text, more[i].text);
    return text;
}

static const char *arm64_status(uint64_t fsc) {
    switch (fsc & 0x3c) {
    case 0x00:
        return "address size fault";
    case 0x04:
        return "translation fault: no page is there";
    case 0x08:
        return "access flag fault";
    case 0x0c:
        return "permission fault: the page is there but protected";
    default:
        return fsc == 0x10   ? "external abort: the bus or the device refused"
               : fsc == 0x11 ? "tag check fault (MTE)"
               : fsc == 0x21 ? "alignment fault"
                             : "other fault";
    }
}

static const char *arm64_error(const struct oops_report *r, uint64_t esr) {
    unsigned class = (unsigned)(esr >> 26) & 63;
    const char *what = class == 0x25   ? "data abort in the kernel"
                       : class == 0x21 ? "instruction abort in the kernel"
                       : class == 0x3c ? "brk instruction"
                       : class == 0x00 ? "undefined instruction or unknown reason"
                       : class == 0x26 ? "stack pointer alignment"
                       : class == 0x22 ? "program counter alignment"
                       : class == 0x0d ? "branch target (BTI)"
                       : class == 0x1c ? "pointer authentication"
                       : class == 0x2f ? "SError"
                                       : "exception";
    if (class != 0x25 && class != 0x21)
        return oops_pool_printf(r->pool, "ESR %llx: %s", (unsigned long long)esr, what);
    bool level = (esr & 63) < 0x10; /* of the page tables */
    return oops_pool_printf(r->pool, level ? "ESR %llx: %s, %s, %s, level %u" : "ESR %llx: %s, %s, %s",
                            (unsigned long long)esr, what,
                            class == 0x21  ? "fetch"
                            : esr >> 6 & 1 ? "write"
                                           : "read",
                            arm64_status(esr & 63), (unsigned)esr & 3);
}

static const char *arm_error(const struct oops_report *r, uint64_t fsr) {
    unsigned status = (unsigned)(fsr & 15) | (unsigned)(fsr >> 6 & 16);
    const char *what = status == 5 || status == 7     ? "translation fault: no page is there"
                       : status == 13 || status == 15 ? "permission fault"
                       : status == 9 || status == 11  ? "domain fault"
                       : status == 1                  ? "alignment fault"
                       : status == 8                  ? "external abort"
                                                      : "other fault";
    return oops_pool_printf(r->pool, "FSR %llx: %s, %s", (unsigned long long)fsr,
                            fsr >> 31     ? "instruction fetch"
                            : fsr & 0x800 ? "write"
                                          : "read",
                            what);
}

static const char *riscv_error(const struct oops_report *r, uint64_t cause) {
    static const char *const causes[] = {"instruction address misaligned",
                                         "instruction access fault",
                                         "illegal instruction",
                                         "breakpoint",
                                         "load address misaligned",
                                         "load access fault",
                                         "store address misaligned",
                                         "store access fault",
                                         "call from user mode",
                                         "call from supervisor mode",
                                         "",
                                         "call from machine mode",
                                         "instruction page fault",
                                         "load page fault",
                                         "",
                                         "store page fault"};
    return cause < 16 && causes[cause][0]
               ? oops_pool_printf(r->pool, "cause %llx: %s", (unsigned long long)cause, causes[cause])
               : "";
}

static void error_code(const struct oops_report *r, struct oops_verdict *v) {
    bool page_fault = r->kind == OOPS_NULL_DEREF || r->kind == OOPS_PAGE_FAULT;
    const char *text = "";
    if (!r->has_error_code)
        return;
    if ((r->arch == OOPS_ARCH_X86_64 || r->arch == OOPS_ARCH_I386) && page_fault)
        text = x86_error(r, r->error_code);
    else if (r->arch == OOPS_ARCH_ARM64)
        text = arm64_error(r, r->error_code);
    else if (r->arch == OOPS_ARCH_ARM && page_fault)
        text = arm_error(r, r->error_code);
    else if (r->arch == OOPS_ARCH_RISCV)
        text = riscv_error(r, r->error_code);
    if (text[0])
        oops_note(r->pool, &v->facts, "%s", text);
}

/* ---- Taint ---- */

static const struct {
    char letter;
    const char *text;
} taints[] = {
    {'P', "proprietary module"},
    {'F', "module loaded by force"},
    {'S', "processor out of specification"},
    {'R', "module unloaded by force"},
    {'M', "machine check"},
    {'B', "bad page found"},
    {'U', "set by user space"},
    {'D', "it had died before"},
    {'A', "ACPI table overridden"},
    {'W', "it had warned before"},
    {'C', "staging driver"},
    {'I', "firmware bug worked around"},
    {'O', "module from outside the kernel tree"},
    {'E', "unsigned module"},
    {'L', "soft lockup before"},
    {'K', "live-patched"},
    {'X', "auxiliary, of the distribution"},
    {'T', "randomised structures"},
    {'N', "in-kernel test run"},
    {'J', "firmware debugging used"},
};

const char *oops_taint_text(char letter) {
    for (unsigned i = 0; i < sizeof(taints) / sizeof(taints[0]); i++)
        if (taints[i].letter == letter)
            return taints[i].text;
    return NULL;
}

static void taint(const struct oops_report *r, struct oops_verdict *v) {
    const char *text = "";
    for (const char *s = r->taint; *s; s++) {
        const char *means = oops_taint_text(*s);
        if (means)
            text = oops_pool_printf(r->pool, "%s%s%c (%s)", text, text[0] ? ", " : "", *s, means);
    }
    if (text[0])
        oops_note(r->pool, &v->facts, "tainted: %s", text);
}

static bool in_trace(const struct oops_report *r, const char *module) {
    const struct oops_state *state = oops_report_fault(r);
    const struct oops_trace *trace = oops_report_trace(r);
    if (state && !strcmp(state->pc.module, module))
        return true;
    for (unsigned i = 0; trace && i < trace->count; i++)
        if (!strcmp(trace->frames[i].sym.module, module))
            return true;
    return false;
}

static void outside_modules(const struct oops_report *r, struct oops_verdict *v) {
    const char *text = "";
    for (unsigned i = 0; i < r->module_count; i++) {
        const struct oops_module *m = &r->modules[i];
        if (!m->out_of_tree && !m->proprietary)
            continue;
        text = oops_pool_printf(r->pool, "%s%s%s%s%s", text, text[0] ? ", " : "", m->name,
                                m->loading ? " (being loaded)" : "", in_trace(r, m->name) ? " (in the trace)" : "");
    }
    if (text[0])
        oops_note(r->pool, &v->facts, "modules from outside the kernel tree: %s", text);
}

/* ---- Where it ran ---- */

static bool interrupted(const struct oops_report *r, enum oops_stack stack) {
    const struct oops_trace *trace = oops_report_trace(r);
    return trace && trace->count && trace->frames[0].stack == stack;
}

static void context(const struct oops_report *r, struct oops_verdict *v) {
    const char *cpu = r->cpu >= 0 ? oops_pool_printf(r->pool, " on CPU %lld", (long long)r->cpu) : "";
    const char *task =
        r->comm[0] ? oops_pool_printf(r->pool, "%s%s", r->comm,
                                      r->pid >= 0 ? oops_pool_printf(r->pool, " (%lld)", (long long)r->pid) : "")
                   : "";
    bool idle = strncmp(r->comm, "swapper", 7) == 0 && r->pid <= 0; /* 1 is what becomes init */
    if (interrupted(r, OOPS_STACK_IRQ) || interrupted(r, OOPS_STACK_SOFTIRQ) || interrupted(r, OOPS_STACK_NMI))
        oops_note(r->pool, &v->facts, "in an interrupt%s%s%s%s", cpu, task[0] ? ", which interrupted " : "",
                  idle ? "the idle task " : "", task);
    else if (task[0])
        oops_note(r->pool, &v->facts, "in %s%s%s", idle ? "the idle task " : "", task, cpu);
    if (r->workqueue[0])
        oops_note(r->pool, &v->facts, "in a work item: %s", r->workqueue);
    if (r->release[0])
        oops_note(r->pool, &v->facts, "kernel %s%s%s%s%s", r->release, r->version[0] ? " " : "", r->version,
                  r->arch != OOPS_ARCH_UNKNOWN ? ", " : "",
                  r->arch != OOPS_ARCH_UNKNOWN ? oops_arch_name(r->arch) : "");
    if (r->hardware[0])
        oops_note(r->pool, &v->facts, "on %s", r->hardware);
}

void oops_facts(const struct oops_report *r, struct oops_verdict *v) {
    context(r, v);
    error_code(r, v);
    taint(r, v);
    outside_modules(r, v);
    if (r->panic[0] && r->kind != OOPS_PANIC)
        oops_note(r->pool, &v->facts, "then the kernel panicked: %s", r->panic);
    if (r->has_kernel_offset)
        oops_note(r->pool, &v->facts, "the kernel was loaded 0x%llx above its linked address",
                  (unsigned long long)r->kernel_offset);
}
