/*
 * What does not fit: signs in a report that parts of it are not what they seem.
 * Each was seen in real reports.
 */
#include <string.h>

#include "diag/oops/oops_int.h"
#include "diag/oops/verdict/cause.h"

static void earlier_death(const struct oops_report *r, struct oops_verdict *v) {
    if (r->die_count > 1)
        oops_note(r->pool, &v->misfits, "it is oops number %d since boot: it may be a consequence of the first",
                  r->die_count);
    else if (strchr(r->taint, 'D') && r->die_count == 0)
        oops_note(r->pool, &v->misfits, "the kernel had died before (taint D): this may be a consequence");
}

/* CR2 is overwritten when reading the Code bytes faults in its turn. */
static void cr2(const struct oops_report *r, struct oops_verdict *v) {
    const struct oops_state *state = oops_report_fault(r);
    const struct oops_reg *reg = state ? oops_state_reg(state, "cr2") : NULL;
    bool faulted = r->kind == OOPS_NULL_DEREF || r->kind == OOPS_PAGE_FAULT;
    if (reg && faulted && r->has_fault_address && reg->value != r->fault_address)
        oops_note(
            r->pool, &v->misfits,
            "CR2 is %llx, the header says %llx: reading the code faulted too and overwrote it; the header is right",
            (unsigned long long)reg->value, (unsigned long long)r->fault_address);
}

static void other_registers(const struct oops_report *r, struct oops_verdict *v) {
    for (unsigned i = 0; i < r->state_count; i++)
        if (r->states[i].role == OOPS_STATE_FIRST_OOPS)
            oops_note(
                r->pool, &v->misfits,
                "the registers behind \"end trace\" (line %llu) are of the first oops since boot, not of this one",
                (unsigned long long)r->states[i].line);
}

static void guesses(const struct oops_report *r, struct oops_verdict *v) {
    const struct oops_trace *trace = oops_report_trace(r);
    unsigned sure = 0, unsure = 0;
    for (unsigned i = 0; trace && i < trace->count; i++) {
        sure += !trace->frames[i].guess;
        unsure += trace->frames[i].guess;
    }
    if (!sure && unsure)
        oops_note(
            r->pool, &v->misfits,
            "no frame of the trace is sure (all have '?'): the unwinder was lost; the first is the likeliest caller");
}

static void code_bytes(const struct oops_report *r, struct oops_verdict *v) {
    const struct oops_state *state = oops_report_fault(r);
    if (!state || r->kind == OOPS_HUNG_TASK || r->kind == OOPS_RCU_STALL)
        return;
    bool page_start = state->pc.has_address && (state->pc.address & 0xfff) < 42;
    bool named = state->pc.name[0] != 0;
    if (strstr(state->code_trouble, "Unable to access opcode") && page_start && named)
        oops_note(r->pool, &v->misfits,
                  "the code could not be read: the function starts in the first 42 bytes of a page, as module init "
                  "code does");
    else if (strstr(state->code_trouble, "Unable to access opcode"))
        oops_note(r->pool, &v->misfits,
                  oops_in_user_space(r)
                      ? "the code could not be read: the program counter is one of user space"
                      : "the code could not be read: its page is not mapped, so nothing can run there");
    else if (strstr(state->code_trouble, "Bad RIP"))
        oops_note(r->pool, &v->misfits, "there is no code at the program counter: it was a jump to a bad address");
    else if (state->code_trouble[0] && !v->reasons.count)
        oops_note(r->pool, &v->misfits, "the Code: line cannot be used: %s", state->code_trouble);
    else if (state->code_trap == 0 && state->code_len && (r->arch == OOPS_ARCH_X86_64 || r->arch == OOPS_ARCH_I386))
        oops_note(r->pool, &v->misfits, "the bytes before the trapping instruction are missing from the Code: line");
}

/* What is missing, in terms of the report: its trace, its registers, or all but its header. */
static void not_whole(const struct oops_report *r, struct oops_verdict *v) {
    const struct oops_trace *trace = oops_report_trace(r);
    unsigned sure = 0;
    if (!r->corrupted[0] || oops_in_user_space(r))
        return;
    for (unsigned i = 0; trace && i < trace->count; i++)
        sure += !trace->frames[i].guess;
    if (trace && trace->count && !sure)
        return; /* guesses() says it */
    bool frames = trace && trace->count, named = r->function[0] != 0;
    if (frames && !named)
        oops_note(r->pool, &v->misfits, "no function of the trace can be told to be the one that failed");
    else if (frames || (r->state_count && named))
        oops_note(r->pool, &v->misfits, "the report is not whole: %s",
                  frames ? r->corrupted : "there is no trace, so the callers are not known");
    else if (r->state_count)
        oops_note(r->pool, &v->misfits, "the report is not whole: it ends with the registers, there is no trace");
    else
        oops_note(r->pool, &v->misfits, "the report is not whole: there are neither registers nor a trace%s",
                  r->kind == OOPS_HUNG_TASK || r->kind == OOPS_RCU_STALL
                      ? "; they are printed at a lower level, look into dmesg or the journal"
                      : "");
}

void oops_misfits(const struct oops_report *r, struct oops_verdict *v) {
    not_whole(r, v);
    earlier_death(r, v);
    cr2(r, v);
    other_registers(r, v);
    guesses(r, v);
    code_bytes(r, v);
    if (r->modules_cut)
        oops_note(r->pool, &v->misfits, "the list of modules is cut (a record of printk is about 1000 bytes)");
    if (r->lines_dropped)
        oops_note(r->pool, &v->misfits, "%llu lines more than a report can have were left out",
                  (unsigned long long)r->lines_dropped);
}
