/*
 * Variables of the functions of the trace whose value is known: in a register of
 * the report, in one that no function between has changed, in the words of the
 * stack that were printed, or as the argument that a call site describes.
 */
#include <string.h>

#include "diag/oops/symbols/slide.h"
#include "diag/oops/symbols/unwind.h"

#define FRAMES_MAX    12u
#define PER_FRAME_MAX 12u

struct listing {
    struct oops_session *session;
    const struct oops_spot *spot;
    unsigned frame;
    unsigned listed; /* of this frame */
};

static const char *note_of(struct oops_session *s, const struct oops_local *l) {
    struct oops_value v = {0};
    const char *symbol;
    if (!l->pointer)
        return "";
    if (l->value == 0)
        return "NULL";
    oops_value_classify(s->report, l->value, &v);
    if ((symbol = oops_slide_name(s, l->value)))
        return symbol;
    if (v.pattern == OOPS_PATTERN_NULL_OFFSET || v.pattern == OOPS_PATTERN_NULL_NEGATIVE)
        return oops_pool_printf(s->pool, "NULL%+lld", (long long)v.offset);
    bool usual = v.pattern == OOPS_PATTERN_KERNEL || v.pattern == OOPS_PATTERN_VMALLOC ||
                 v.pattern == OOPS_PATTERN_MODULE || v.pattern == OOPS_PATTERN_TEXT;
    return !usual && v.name && *v.name ? v.name : "";
}

/* Copies of one variable in functions that were inlined add nothing. */
static bool is_listed(const struct listing *l, const char *name, uint64_t value) {
    const struct oops_verdict *v = l->session->v;
    for (unsigned i = v->local_count; i-- > 0 && v->locals[i].frame == l->frame;)
        if (v->locals[i].value == value && strcmp(v->locals[i].name, name) == 0)
            return true;
    return false;
}

static bool is_signed(const struct oops_type *plain) {
    Dwarf_Die die = plain->die;
    Dwarf_Attribute attr;
    Dwarf_Word encoding;
    return plain->from == OOPS_TYPE_DWARF && dwarf_tag(&die) == DW_TAG_base_type &&
           dwarf_attr(&die, DW_AT_encoding, &attr) && dwarf_formudata(&attr, &encoding) == 0 &&
           (encoding == DW_ATE_signed || encoding == DW_ATE_signed_char);
}

/* A number that the compiler worked out tells of the code, not of what happened; a clone's argument does. */
static bool is_idle(const struct oops_var *var) {
    bool number = var->at.where == OOPS_WHERE_VALUE && var->at.reg < 0;
    return number && !var->parameter && !oops_type_is_pointer(&var->type);
}

static bool list_it(void *ctx, const struct oops_var *var) {
    struct listing *l = ctx;
    struct oops_session *s = l->session;
    uint64_t value;
    struct oops_type plain = oops_type_strip(&var->type);
    unsigned bytes = (unsigned)oops_type_size(&var->type);
    bool scalar = bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
    if (!scalar || is_idle(var) || !oops_unwind_variable(s, l->spot, var, &value) || is_listed(l, var->name, value))
        return true;
    if (plain.from == OOPS_TYPE_DWARF &&
        (dwarf_tag(&plain.die) == DW_TAG_structure_type || dwarf_tag(&plain.die) == DW_TAG_union_type))
        return true;
    struct oops_local *local =
        oops_pool_push(s->pool, &s->v->locals, &s->v->local_count, sizeof(*local), OOPS_LOCALS_MAX);
    if (!local)
        return false;
    *local = (struct oops_local){.function = oops_pool_str(s->pool, var->function),
                                 .name = oops_pool_str(s->pool, var->name),
                                 .type = oops_type_name(&var->type, s->pool),
                                 .value = value,
                                 .bytes = bytes,
                                 .pointer = oops_type_is_pointer(&var->type),
                                 .is_signed = is_signed(&plain),
                                 .parameter = var->parameter,
                                 .note = "",
                                 .frame = l->frame};
    local->note = note_of(s, local);
    return ++l->listed < PER_FRAME_MAX;
}

/* For readers of JSON: the registers themselves. */
static void keep_registers(struct oops_session *s, const struct oops_spot *spot, const struct oops_unwound *u) {
    const struct oops_flow *flow = spot->object->flow;
    struct oops_resolved *r = spot->resolved;
    for (unsigned i = 0; i < flow->registers; i++) {
        if (!(u->known >> i & 1) || strlen(flow->names[i]) >= sizeof(r->regs->name))
            continue;
        struct oops_reg *reg = oops_pool_push(s->pool, &r->regs, &r->reg_count, sizeof(*reg), OOPS_REGS_MAX);
        if (!reg)
            return;
        strcpy(reg->name, flow->names[i]);
        reg->value = u->value[i];
    }
}

static bool has_registers(const struct oops_session *s) {
    const struct oops_state *state = oops_report_fault(s->report);
    return state && state->reg_count;
}

void oops_locals_explain(struct oops_session *s) {
    struct oops_spot *spot = s->count ? &s->spots[0] : NULL;
    for (unsigned frame = 0; spot && frame < FRAMES_MAX; frame++, spot = oops_session_caller(s, spot)) {
        const struct oops_unwound *u = oops_unwound_at(s, spot);
        struct listing l = {s, spot, frame, 0};
        if (!spot->object)
            continue;
        if (u && spot->frame != OOPS_SPOT_PC)
            keep_registers(s, spot, u);
        /* without registers too: what callers pass as a constant is known */
        if (spot->object->dwarf && (unsigned)(spot - s->spots) < s->unwound_count)
            oops_vars_at(spot->object->dwarf, oops_spot_at(spot), list_it, &l);
    }
    if (s->v->local_count && !has_registers(s))
        oops_note(s->pool, &s->v->facts,
                  "registers are not printed: what is known of variables is what callers pass as constants");
}
