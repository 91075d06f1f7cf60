/*
 * Sources: DWARF 5 sections 2.5, 2.6 and 6.4; elfutils 0.188's libdw.h.
 *
 * Faithful: rules of .debug_frame and .eh_frame as libdw applies them, tail calls
 * (the caller's registers are restored before a jump out). Simplified:
 * expressions with branches or pieces, and floating point, come to nothing; so
 * does what lies behind a change of stacks, but for the registers that the
 * report prints of an interrupted function. ORC is not used: it knows of no
 * other registers than the stack and frame pointers.
 */
#include "diag/oops/symbols/unwind.h"

#include "diag/oops/oops_int.h"

#include <stdlib.h>
#include <string.h>

#define STACK_MAX 32u
#define OPS_MAX   256u
#define DEPTH_MAX 6u    /* entry values of entry values */
#define ENTRY_MAX 5000u /* of them in all for one report: each level may have many */
#define RA_X86_64 16
#define RA_I386   8

/* Where an expression is evaluated. */
struct scene {
    const struct oops_session *session;
    unsigned spot;
    unsigned depth;
    bool has_base;
    uint64_t base; /* of the function's frame (DW_OP_fbreg) */
};

struct machine {
    uint64_t stack[STACK_MAX];
    unsigned depth;
    bool is_value; /* DW_OP_stack_value */
};

static uint64_t narrow(const struct oops_session *s, uint64_t value) {
    return oops_word_bytes(s->report->arch) == 4 ? (uint32_t)value : value;
}

static bool reg_of(const struct scene *at, uint64_t reg, uint64_t *value) {
    const struct oops_unwound *u = &at->session->unwound[at->spot];
    if (reg >= 64 || !(u->known >> reg & 1))
        return false;
    *value = u->value[reg];
    return true;
}

static bool push(struct machine *m, uint64_t value) {
    if (m->depth == STACK_MAX)
        return false;
    m->stack[m->depth++] = value;
    return true;
}

static bool evaluate(const struct scene *at, const Dwarf_Op *ops, size_t count, bool is_value, unsigned bytes,
                     uint64_t *value);

/* What a register held when the function was entered: the caller's words about that argument. */
static bool entry_value(const struct scene *at, const Dwarf_Op *op, uint64_t *value) {
    const uint8_t *block = (const uint8_t *)(uintptr_t)op->number2; /* its length, then its operations */
    const struct oops_session *s = at->session;
    const struct oops_spot *spot = &s->spots[at->spot];
    if (op->number != 1 || !block || block[0] != 1 || block[1] < DW_OP_reg0 || block[1] > DW_OP_reg31 ||
        !s->entries_left || !*s->entries_left)
        return false;
    --*s->entries_left;
    const struct oops_spot *caller = oops_session_caller((struct oops_session *)(uintptr_t)s, spot);
    unsigned index = caller ? (unsigned)(caller - s->spots) : 0;
    bool direct = !spot->strayed && spot->resolved->missing_count == 0;
    if (!caller || !direct || caller->exact || !caller->object || !caller->object->dwarf || at->depth == DEPTH_MAX ||
        index >= s->unwound_count)
        return false;
    Dwarf_Op *ops;
    size_t count;
    struct scene there = {s, index, at->depth + 1, false, 0};
    return oops_vars_argument_ops(caller->object->dwarf, caller->addr, block[1] - DW_OP_reg0, &ops, &count) &&
           evaluate(&there, ops, count, true, 0, value);
}

static bool pushes(const struct scene *at, const Dwarf_Op *op, struct machine *m) {
    const struct oops_unwound *u = &at->session->unwound[at->spot];
    uint8_t atom = op->atom;
    uint64_t value;
    if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31)
        return push(m, atom - DW_OP_lit0);
    if (atom >= DW_OP_const1u && atom <= DW_OP_consts)
        return push(m, op->number);
    if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31)
        return reg_of(at, atom - DW_OP_breg0, &value) && push(m, value + op->number);
    if (atom == DW_OP_bregx)
        return reg_of(at, op->number, &value) && push(m, value + op->number2);
    if (atom == DW_OP_fbreg)
        return at->has_base && push(m, at->base + op->number);
    if (atom == DW_OP_call_frame_cfa)
        return u->has_cfa && push(m, u->cfa);
    if (atom == DW_OP_entry_value || atom == DW_OP_GNU_entry_value)
        return entry_value(at, op, &value) && push(m, value);
    if (atom == DW_OP_addr) { /* an address as the file has it */
        bool moved = at->session->spots[at->spot].object == at->session->kernel && at->session->v->has_slide;
        return moved && push(m, op->number + at->session->v->slide);
    }
    return false;
}

static bool unary(const struct scene *at, const Dwarf_Op *op, struct machine *m) {
    uint64_t *top = &m->stack[m->depth - 1], value;
    unsigned bytes = oops_word_bytes(at->session->report->arch);
    switch (op->atom) {
    case DW_OP_deref_size:
        bytes = (unsigned)op->number;
        /* fall through */
    case DW_OP_deref:
        if (!oops_stack_at(&at->session->stack, narrow(at->session, *top), bytes, &value))
            return false;
        *top = value;
        return true;
    case DW_OP_plus_uconst:
        *top += op->number;
        return true;
    case DW_OP_neg:
        *top = -*top;
        return true;
    case DW_OP_not:
        *top = ~*top;
        return true;
    case DW_OP_dup:
        return push(m, *top);
    case DW_OP_drop:
        m->depth--;
        return true;
    case DW_OP_stack_value:
        m->is_value = true;
        return true;
    case DW_OP_nop:
        return true;
    default:
        return false;
    }
}

static bool binary(uint8_t atom, struct machine *m) {
    uint64_t b = m->stack[m->depth - 1], *a = &m->stack[m->depth - 2];
    uint64_t swap = *a;
    m->depth--;
    switch (atom) {
    case DW_OP_plus:
        *a += b;
        return true;
    case DW_OP_minus:
        *a -= b;
        return true;
    case DW_OP_and:
        *a &= b;
        return true;
    case DW_OP_or:
        *a |= b;
        return true;
    case DW_OP_xor:
        *a ^= b;
        return true;
    case DW_OP_mul:
        *a *= b;
        return true;
    case DW_OP_shl:
        *a = b < 64 ? *a << b : 0;
        return true;
    case DW_OP_shr:
        *a = b < 64 ? *a >> b : 0;
        return true;
    case DW_OP_shra:
        *a = (uint64_t)((int64_t)*a >> (b < 63 ? b : 63));
        return true;
    case DW_OP_swap:
        *a = b;
        m->stack[m->depth++] = swap;
        return true;
    default:
        return false;
    }
}

static bool is_register(const Dwarf_Op *op, uint64_t *reg) {
    *reg = op->atom == DW_OP_regx ? op->number : (uint64_t)op->atom - DW_OP_reg0;
    return op->atom == DW_OP_regx || (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31);
}

/* `bytes`: how many to read where the expression is a place in memory; 0: a word. */
static bool evaluate(const struct scene *at, const Dwarf_Op *ops, size_t count, bool is_value, unsigned bytes,
                     uint64_t *value) {
    struct machine m = {.is_value = is_value};
    uint64_t reg;
    if (!count || count > OPS_MAX)
        return false;
    if (count == 1 && is_register(ops, &reg))
        return reg_of(at, reg, value);
    for (size_t i = 0; i < count; i++) {
        bool done = pushes(at, &ops[i], &m) || (m.depth > 0 && unary(at, &ops[i], &m)) ||
                    (m.depth > 1 && binary(ops[i].atom, &m));
        if (!done)
            return false;
    }
    if (!m.depth)
        return false;
    *value = narrow(at->session, m.stack[m.depth - 1]);
    return m.is_value || oops_stack_at(&at->session->stack, *value,
                                       bytes ? bytes : oops_word_bytes(at->session->report->arch), value);
}

/* ---- From a frame to its caller ---- */

static void take_state(const struct oops_session *s, const struct oops_flow *flow, const struct oops_state *state,
                       struct oops_unwound *u) {
    *u = (struct oops_unwound){0};
    for (unsigned i = 0; i < flow->registers && i < 64; i++) {
        const struct oops_reg *r = oops_state_reg(state, flow->names[i]);
        if (!r)
            continue;
        u->known |= 1ull << i;
        u->value[i] = narrow(s, r->value);
    }
}

static void find_cfa(const struct oops_session *s, unsigned i, Dwarf_Frame *frame) {
    struct scene at = {s, i, 0, false, 0};
    Dwarf_Op *ops;
    size_t count;
    struct oops_unwound *u = &s->unwound[i];
    u->has_cfa = dwarf_frame_cfa(frame, &ops, &count) == 0 && evaluate(&at, ops, count, true, 0, &u->cfa);
}

/*
 * One register of the caller by the rule that is in force. Which ones have none and are the same then, the
 * ABI says; libdw's tables do not always agree with it (0.188 has rax for rbx).
 */
static void apply_rule(const struct oops_session *s, unsigned i, Dwarf_Frame *frame, int reg,
                       struct oops_unwound *out) {
    struct scene at = {s, i, 0, false, 0};
    const struct oops_unwound *u = &s->unwound[i];
    const struct oops_flow *flow = s->spots[i].object->flow;
    Dwarf_Op own[3], *ops;
    size_t count;
    uint64_t value;
    if (dwarf_frame_register(frame, reg, own, &ops, &count) != 0)
        return;
    if (count) {
        if (!evaluate(&at, ops, count, false, 0, &value))
            return;
    } else if (reg == flow->stack && u->has_cfa) {
        value = u->cfa;
    } else if ((flow->kept & u->known) >> reg & 1) {
        value = u->value[reg];
    } else {
        return;
    }
    out->known |= 1ull << reg;
    out->value[reg] = value;
}

/* The return address tells whether this is the frame that the trace shows next. */
static bool leads_there(const struct oops_session *s, const struct oops_flow *flow, const struct oops_unwound *out,
                        const struct oops_spot *caller) {
    unsigned reg = flow->machine == EM_X86_64 ? RA_X86_64 : RA_I386;
    if (flow->link >= 0 || !(out->known >> reg & 1) || !s->v->has_slide || caller->object != s->kernel || !caller->sym)
        return true;
    return out->value[reg] == narrow(s, caller->addr + s->v->slide);
}

/* Functions in assembly have no rules, but most of them call nobody and leave the stack alone. */
static bool step_by_code(const struct oops_session *s, unsigned i, struct oops_unwound *out) {
    const struct oops_spot *spot = &s->spots[i];
    const struct oops_flow *flow = spot->object->flow;
    const struct oops_unwound *u = &s->unwound[i];
    struct oops_code code;
    uint64_t writes = 0;
    if (oops_code_init(&code, spot->object, s->kernel, spot->sym) != 0)
        return false;
    bool plain = code.count > 0 && spot->exact;
    for (unsigned k = 0; k < code.count; k++) {
        const struct oops_step *step = &code.steps[k].step;
        bool leaves = step->kind == OOPS_STEP_RETURN || step->kind == OOPS_STEP_JUMP;
        plain &= step->kind != OOPS_STEP_CALL;
        writes |= leaves ? 0 : step->writes;
    }
    oops_code_release(&code);
    if (!plain || (writes >> flow->stack & 1))
        return false;
    out->known = u->known & flow->kept & ~writes;
    for (unsigned reg = 0; reg < 64; reg++)
        out->value[reg] = u->value[reg];
    if (u->known >> flow->stack & 1) {
        out->known |= 1ull << flow->stack;
        out->value[flow->stack] += flow->link < 0 ? oops_word_bytes(s->report->arch) : 0;
    }
    return true;
}

static bool step(const struct oops_session *s, unsigned i, const struct oops_spot *caller, struct oops_unwound *out) {
    const struct oops_spot *spot = &s->spots[i];
    const struct oops_flow *flow = spot->object->flow;
    Dwarf_Frame *frame = NULL;
    *out = (struct oops_unwound){0};
    if (!spot->object->dwarf || !oops_dwarf_frame(spot->object->dwarf, oops_spot_at(spot), &frame))
        return step_by_code(s, i, out);
    find_cfa(s, i, frame);
    for (unsigned reg = 0; reg < flow->registers && reg < 64; reg++)
        apply_rule(s, i, frame, (int)reg, out);
    free(frame);
    if (!leads_there(s, flow, out, caller))
        *out = (struct oops_unwound){0};
    return true;
}

/* A call of a bad pointer: all that happened since is that a return address was pushed. */
static void step_back_from_nowhere(const struct oops_session *s, const struct oops_flow *flow, unsigned i,
                                   struct oops_unwound *out) {
    int sp = flow->stack;
    *out = s->unwound[i];
    out->has_cfa = false;
    if (flow->link < 0 && (out->known >> sp & 1))
        out->value[sp] += oops_word_bytes(s->report->arch);
}

static const struct oops_state *state_of(const struct oops_session *s, const struct oops_spot *spot) {
    const struct oops_trace *trace = oops_report_trace(s->report);
    if (spot->frame < 0)
        return spot->frame == OOPS_SPOT_PC ? oops_report_fault(s->report) : NULL;
    int n = trace && (unsigned)spot->frame < trace->count ? trace->frames[spot->frame].state : -1;
    return spot->exact && n >= 0 && (unsigned)n < s->report->state_count ? &s->report->states[n] : NULL;
}

/* Neither a function nor user space: a pointer that was called led there. */
static bool is_nowhere(const struct oops_state *state) {
    return state && state->has_pc && !*state->pc.name && (state->cs & 3) == 0;
}

static enum oops_stack stack_of(const struct oops_session *s, const struct oops_spot *spot) {
    const struct oops_trace *trace = oops_report_trace(s->report);
    if (spot->frame < 0 || !trace || (unsigned)spot->frame >= trace->count)
        return OOPS_STACK_NONE;
    enum oops_stack stack = trace->frames[spot->frame].stack;
    return stack == OOPS_STACK_TASK ? OOPS_STACK_NONE : stack;
}

/* The first frames of a trace are on the stack of the program counter, whichever that is. */
static bool changes_stack(const struct oops_session *s, const struct oops_spot *from, const struct oops_spot *to) {
    return from->frame >= 0 && stack_of(s, from) != stack_of(s, to);
}

/*
 * arm prints below "(f) from [<..>] (g+..)" what f has saved of g's registers when it was entered:
 * " r6:c0a3e000 r5:00000000 r4:df8cbe40".
 */
static void take_printed(const struct oops_session *s, const struct oops_flow *flow, const struct oops_spot *spot,
                         struct oops_unwound *out) {
    const struct oops_trace *trace = oops_report_trace(s->report);
    const struct oops_report *r = s->report;
    if (flow->machine != EM_ARM || spot->frame < 0 || !trace || !*trace->frames[spot->frame].inner)
        return;
    uint64_t first = trace->frames[spot->frame].line;
    uint64_t end = (unsigned)spot->frame + 1 < trace->count ? trace->frames[spot->frame + 1].line : first + 3;
    for (unsigned i = 0; i < r->line_count; i++) {
        struct oops_state saved = {.reg_count = 0};
        enum oops_arch arch = OOPS_ARCH_ARM;
        struct oops_unwound more;
        if (r->lines[i].number <= first || r->lines[i].number >= end)
            continue;
        oops_regs_line(r->lines[i].text, &saved, &arch);
        take_state(s, flow, &saved, &more);
        for (unsigned reg = 0; reg < 11; reg++)
            if (more.known >> reg & 1)
                out->value[reg] = more.value[reg];
        out->known |= more.known & 0x7ff;
    }
}

static void step_out(struct oops_session *s, unsigned i, struct oops_spot *caller) {
    struct oops_spot *spot = &s->spots[i];
    struct oops_unwound *out = &s->unwound[caller - s->spots];
    const struct oops_state *own = state_of(s, caller);
    const struct oops_flow *flow = caller->object ? caller->object->flow : NULL;
    bool jumped = spot->frame == OOPS_SPOT_PC && !spot->object && is_nowhere(oops_report_fault(s->report));
    if (own && flow)
        take_state(s, flow, own, out);
    else if (caller->exact || spot->strayed || changes_stack(s, spot, caller))
        return;
    else if (jumped && flow)
        step_back_from_nowhere(s, flow, i, out);
    else if (spot->object && spot->object->flow)
        step(s, i, caller, out);
    if (flow)
        take_printed(s, flow, caller, out);
}

const struct oops_unwound *oops_unwound_at(const struct oops_session *s, const struct oops_spot *spot) {
    unsigned i = (unsigned)(spot - s->spots);
    return i < s->unwound_count && s->unwound[i].known ? &s->unwound[i] : NULL;
}

/* The flow of the machine, by any file that was found. */
static const struct oops_flow *any_flow(const struct oops_session *s) {
    for (unsigned i = 0; i < s->count; i++)
        if (s->spots[i].object && s->spots[i].object->flow)
            return s->spots[i].object->flow;
    return NULL;
}

void oops_unwind(struct oops_session *s) {
    const struct oops_flow *flow = any_flow(s);
    unsigned count = s->count < OOPS_UNWIND_FRAMES ? s->count : OOPS_UNWIND_FRAMES;
    const struct oops_state *state = count ? state_of(s, &s->spots[0]) : NULL;
    s->unwound = flow && count ? oops_pool_alloc(s->pool, count * sizeof(*s->unwound)) : NULL;
    if (!s->unwound)
        return;
    s->unwound_count = count;
    s->entries_left = oops_pool_alloc(s->pool, sizeof(*s->entries_left));
    if (s->entries_left)
        *s->entries_left = ENTRY_MAX;
    oops_stack_read(s->report, oops_report_fault(s->report), &s->stack);
    if (state)
        take_state(s, flow, state, &s->unwound[0]);
    for (unsigned i = 0; i < count;) {
        struct oops_spot *caller = oops_session_caller(s, &s->spots[i]);
        unsigned next = caller ? (unsigned)(caller - s->spots) : count;
        if (next < count)
            step_out(s, i, caller);
        i = next;
    }
}

/* ---- Variables ---- */

bool oops_unwind_variable(const struct oops_session *s, const struct oops_spot *spot, const struct oops_var *var,
                          uint64_t *value) {
    unsigned i = (unsigned)(spot - s->spots);
    uint64_t bytes = oops_type_size(&var->type);
    if (i >= s->unwound_count || bytes > 8)
        return false;
    if (!var->ops) {
        if (var->at.where != OOPS_WHERE_VALUE || var->at.reg >= 0)
            return false;
        *value = (uint64_t)var->at.add;
    } else {
        struct scene at = {s, i, 0, false, 0};
        at.has_base = var->base_ops && evaluate(&at, var->base_ops, var->base_count, true, 0, &at.base);
        if (!evaluate(&at, var->ops, var->op_count, false, bytes ? (unsigned)bytes : 0, value))
            return false;
    }
    if (bytes && bytes < 8)
        *value &= (1ull << 8 * bytes) - 1;
    *value = narrow(s, *value);
    return true;
}
