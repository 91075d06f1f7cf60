/*
 * The link register holds the return address as long as the rules of unwinding
 * say that it is unchanged; without them, in a function that calls nobody.
 *
 * Sources: AAPCS64, AAPCS32 and RISC-V psABI for the registers; unwind_frame() of
 * arch/arm64/kernel/stacktrace.c for what traces leave out.
 */
#include "diag/oops/linkreg.h"

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

static bool calls_nobody(struct oops_session *s, const struct oops_spot *pc) {
    struct oops_code code;
    if (oops_code_init(&code, pc->object, s->kernel, pc->sym) != 0)
        return false;
    bool calls = code.count == 0;
    for (unsigned i = 0; i < code.count; i++)
        calls |= code.steps[i].step.kind == OOPS_STEP_CALL;
    oops_code_release(&code);
    return !calls;
}

const struct oops_symbol *oops_linkreg_caller(struct oops_session *s, const struct oops_spot *pc) {
    const struct oops_state *state = oops_report_fault(s->report);
    int reg = pc->object && pc->object->flow ? pc->object->flow->link : -1;
    if (reg < 0 || !state || !*state->lr.name || !state->lr.has_off || is_in_trace(s, &state->lr))
        return NULL;
    if (strcmp(state->lr.name, state->pc.name) == 0)
        return NULL; /* left from a call that it has made */
    int rules = by_rules(pc, reg);
    return rules > 0 || (rules < 0 && calls_nobody(s, pc)) ? &state->lr : NULL;
}
