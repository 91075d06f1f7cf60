/*
 * What only all lines of a report together tell: the machine, which of its
 * traces is its own, the title, the address and kind of access where the kernel
 * left them to registers.
 *
 * Source: arch/x86/include/asm/trap_pf.h; Arm ARM (DDI 0487) ESR_EL1; RISC-V Privileged Specification, scause.
 */
#include <string.h>

#include "diag/oops/oops_int.h"

static void choose_main_trace(struct oops_report *r) {
    int first = -1;
    for (unsigned t = 0; t < r->trace_count; t++) {
        if (!r->traces[t].count)
            continue;
        first = first < 0 ? (int)t : first;
        if (r->traces[t].kind == OOPS_TRACE_MAIN || r->traces[t].kind == OOPS_TRACE_ACCESS) {
            r->main_trace = (int)t;
            return;
        }
    }
    r->main_trace = first;
}

static bool same_symbol(const struct oops_symbol *a, const struct oops_symbol *b) {
    return !strcmp(a->name, b->name) && a->off == b->off && (a->name[0] || a->address == b->address);
}

/* What is behind "end trace" and equal to the fault's own registers is just that, told again. */
static void drop_repeated_states(struct oops_report *r) {
    const struct oops_state *fault = oops_report_fault(r);
    for (unsigned i = 0; fault && i < r->state_count; i++)
        if (r->states[i].role == OOPS_STATE_FIRST_OOPS && same_symbol(&r->states[i].pc, &fault->pc) &&
            i == r->state_count - 1)
            r->state_count--;
}

static void use_cr2(struct oops_report *r) {
    const struct oops_state *fault = oops_report_fault(r);
    const struct oops_reg *cr2 = fault ? oops_state_reg(fault, "cr2") : NULL;
    bool faulted = r->kind == OOPS_NULL_DEREF || r->kind == OOPS_PAGE_FAULT || r->kind == OOPS_DOUBLE_FAULT;
    if (cr2 && faulted && !r->has_fault_address) {
        r->has_fault_address = true;
        r->fault_address = cr2->value;
    }
}

/* x86: bits of the error code; arm64: WnR; riscv: the cause. */
static void use_error_code(struct oops_report *r) {
    const struct oops_state *fault = oops_report_fault(r);
    bool page_fault =
        r->kind == OOPS_NULL_DEREF || r->kind == OOPS_PAGE_FAULT || (r->kind == OOPS_KASAN && r->has_fault_address);
    if (r->arch == OOPS_ARCH_RISCV && fault) {
        const struct oops_reg *cause = oops_state_reg(fault, "cause"), *addr = oops_state_reg(fault, "badaddr");
        if (cause && !r->has_error_code) {
            r->error_code = cause->value;
            r->has_error_code = true;
        }
        if (addr && cause && cause->value >= 4 && !r->has_fault_address) {
            r->fault_address = addr->value;
            r->has_fault_address = true;
        }
        if (cause && r->access == OOPS_ACCESS_UNKNOWN)
            r->access = cause->value == 15 || cause->value == 7   ? OOPS_ACCESS_WRITE
                        : cause->value == 13 || cause->value == 5 ? OOPS_ACCESS_READ
                        : cause->value == 12 || cause->value == 1 ? OOPS_ACCESS_EXEC
                                                                  : OOPS_ACCESS_UNKNOWN;
    }
    page_fault |=
        r->kind == OOPS_EXTERNAL_ABORT && r->arch == OOPS_ARCH_ARM && oops_starts(r->header, "Unhandled fault");
    if (!page_fault || !r->has_error_code || r->access != OOPS_ACCESS_UNKNOWN)
        return;
    if (r->arch == OOPS_ARCH_X86_64 || r->arch == OOPS_ARCH_I386)
        r->access = r->error_code & 16 ? OOPS_ACCESS_EXEC : r->error_code & 2 ? OOPS_ACCESS_WRITE : OOPS_ACCESS_READ;
    else if (r->arch == OOPS_ARCH_ARM64)
        r->access = r->error_code & 64 ? OOPS_ACCESS_WRITE : OOPS_ACCESS_READ;
    else if (r->arch == OOPS_ARCH_ARM)
        r->access = r->error_code >> 31     ? OOPS_ACCESS_EXEC /* FSR_LNX_PF: a prefetch abort */
                    : r->error_code & 0x800 ? OOPS_ACCESS_WRITE
                                            : OOPS_ACCESS_READ;
}

/* Kernels before 4.20 said what a WARN() is about behind the header. */
static void take_later_message(struct oops_report *r) {
    bool behind = r->line_count > 2 && oops_starts(r->lines[2].text, "Modules linked in");
    const char *text = r->line_count > 1 ? r->lines[1].text : "";
    if (!r->message[0] && behind && strstr(r->header, "WARNING: ") && text[0] && !oops_body_line(text))
        r->message = text;
}

static void mark_modules_cut(struct oops_report *r) {
    for (unsigned i = 0; i < r->line_count; i++) {
        const char *s = oops_after(r->lines[i].text, "Modules linked in:");
        if (s) { /* the record limit of printk is about 1000 bytes */
            r->modules_cut = strlen(s) > 200 && !strchr(s, '[') && r->module_count > 1 && !r->last_unloaded[0];
            return;
        }
    }
}

/* Some architectures begin the trace with the program counter itself; some name it only there. */
static void mark_exact_frame(struct oops_report *r) {
    struct oops_state *fault = r->fault_state >= 0 ? &r->states[r->fault_state] : NULL;
    if (!fault || r->main_trace < 0)
        return;
    struct oops_frame *first = &r->traces[r->main_trace].frames[0];
    if (!fault->pc.name[0] && fault->pc.has_address && fault->pc.address && first->sym.has_address &&
        first->sym.address == fault->pc.address)
        fault->pc = first->sym;
    if (!fault->pc.name[0])
        return;
    if (same_symbol(&first->sym, &fault->pc) && !first->inner[0])
        first->kind = OOPS_FRAME_PC;
}

void oops_report_conclude(struct oops_report *r, enum oops_arch guess) {
    if (r->arch == OOPS_ARCH_UNKNOWN)
        r->arch = guess != OOPS_ARCH_UNKNOWN ? guess : oops_arch_of_frames(r);
    if (r->caller == 'C' && r->cpu < 0)
        r->cpu = r->caller_id;
    if (r->caller == 'T' && r->pid < 0)
        r->pid = r->caller_id;
    choose_main_trace(r);
    drop_repeated_states(r);
    mark_exact_frame(r);
    take_later_message(r);
    oops_title(r);
    use_cr2(r);
    use_error_code(r);
    mark_modules_cut(r);
}
