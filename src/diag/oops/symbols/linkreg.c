/*
 * The link register holds the return address as long as the rules of unwinding
 * say that it is unchanged; without them, if nothing before the program counter
 * has written it; and where a bad pointer was called.
 *
 * Sources: AAPCS64, AAPCS32 and RISC-V psABI for the registers; unwind_frame() of
 * arch/arm64/kernel/stacktrace.c for what traces leave out.
 */
#include "diag/oops/symbols/linkreg.h"

#include <stdlib.h>
#include <string.h>

static bool same_place(const struct oops_symbol *a, const struct oops_symbol *b) {
    return strcmp(a->name, b->name) == 0 && a->off == b->off && strcmp(a->module, b->module) == 0;
}

static bool is_in_trace(const struct oops_session *s, const struct oops_symbol *lr) {
    const struct oops_trace *trace = oops_report_trace(s->report);
    for (unsigned i = 0; trace && i < trace->count; i++)
        if (!trace->frames[i].guess && same_place(&trace->frames[i].sym, lr))
            return true;
    return false;
}

/* -1: there are no rules; else whether the register is as the caller left it. */
static int by_rules(const struct oops_spot *pc, int reg) {
    Dwarf_Frame *frame;
    Dwarf_Op own[3], *ops;
    size_t count;
    if (!pc->object->dwarf || !oops_dwarf_frame(pc->object->dwarf, pc->addr, &frame))
        return -1;
    int rc = dwarf_frame_register(frame, reg, own, &ops, &count);
    bool unchanged = rc == 0 && (count == 0 || (count == 1 && ops[0].atom == (uint8_t)(DW_OP_reg0 + reg)));
    free(frame);
    return unchanged;
}

/* No instruction from the function's start to here has a new value for the register. */
static bool unwritten(struct oops_session *s, const struct oops_spot *pc, int reg) {
    struct oops_code code;
    if (oops_code_init(&code, pc->object, s->kernel, pc->sym) != 0)
        return false;
    bool written = code.count == 0;
    for (unsigned i = 0; i < code.count && code.sym->addr + code.steps[i].off < pc->addr; i++)
        written |= code.steps[i].step.writes >> reg & 1;
    oops_code_release(&code);
    return !written;
}

/* Neither in a function nor in user space: a bad pointer was called, and nothing has run since. */
static bool is_nowhere(const struct oops_state *state) {
    return state->has_pc && !*state->pc.name && (state->cs & 3) == 0;
}

static bool has_link_register(enum oops_arch arch) {
    return arch == OOPS_ARCH_ARM64 || arch == OOPS_ARCH_ARM || arch == OOPS_ARCH_RISCV;
}

const struct oops_symbol *oops_linkreg_caller(struct oops_session *s, const struct oops_spot *pc) {
    const struct oops_state *state = oops_report_fault(s->report);
    int reg = pc->object && pc->object->flow ? pc->object->flow->link : -1;
    if (!state || !*state->lr.name || !state->lr.has_off || is_in_trace(s, &state->lr))
        return NULL;
    if (!pc->object && is_nowhere(state) && has_link_register(s->report->arch))
        return &state->lr;
    if (reg < 0)
        return NULL;
    if (strcmp(state->lr.name, state->pc.name) == 0)
        return NULL; /* left from a call that it has made */
    int rules = by_rules(pc, reg);
    return rules > 0 || (rules < 0 && unwritten(s, pc, reg)) ? &state->lr : NULL;
}
