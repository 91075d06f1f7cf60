/*
 * The sentence on top, once variables and lines are known.
 */
#include <string.h>

#include "diag/oops/symbols/sym_int.h"

static const char *bad_word(struct oops_session *s, uint64_t value) {
    struct oops_value v = {0};
    oops_value_classify(s->report, value, &v);
    if (value == 0)
        return "NULL";
    if (v.pattern == OOPS_PATTERN_USER)
        return oops_pool_printf(s->pool, "a user space address (0x%llx)", (unsigned long long)value);
    if (v.name && *v.name)
        return v.pattern == OOPS_PATTERN_ERR_PTR && !v.offset
                   ? oops_pool_printf(s->pool, "an error (%s)", v.name)
                   : oops_pool_printf(s->pool, "0x%llx, %s,", (unsigned long long)value, v.name);
    return oops_pool_printf(s->pool, "0x%llx", (unsigned long long)value);
}

static const char *offset_word(struct oops_session *s, int64_t off) {
    unsigned long long n = off < 0 ? -(unsigned long long)off : (unsigned long long)off;
    return oops_pool_printf(s->pool, n > 9 ? "%c0x%llx" : "%c%llu", off < 0 ? '-' : '+', n);
}

static const struct oops_place *first_place(const struct oops_resolved *r) {
    return r->count && *r->places[0].file ? &r->places[0] : NULL;
}

/* The place that a person would open in an editor: of the fault, or of the function that the report names. */
static const struct oops_place *place_of(const struct oops_session *s) {
    const struct oops_trace *trace = oops_report_trace(s->report);
    unsigned n = 0;
    for (unsigned i = 0; s->v->blame.there && i < s->count; i++) {
        if (s->spots[i].guess && s->spots[i].frame >= 0)
            continue;
        if (n++ == s->v->blame.frame && s->spots[i].resolved)
            return first_place(s->spots[i].resolved);
    }
    if (s->v->pc.count)
        return first_place(&s->v->pc);
    for (unsigned i = 0; trace && i < s->v->frame_count; i++)
        if (strcmp(trace->frames[i].sym.name, s->report->function) == 0)
            return first_place(&s->v->frames[i]);
    return NULL;
}

static const char *sentence(struct oops_session *s) {
    const struct oops_blame *b = &s->v->blame;
    if (s->divisor)
        return oops_pool_printf(s->pool, "division by 0 in %s(): `%s` is 0", b->function, b->variable);
    const char *small = oops_small_list_poison(s->report, b->variable, b->value);
    const char *what = oops_pool_printf(s->pool, "`%s` is %s in %s()", b->variable,
                                        small ? small : bad_word(s, b->value), b->function);
    const struct oops_state *state = oops_report_fault(s->report);
    if (state && s->v->pc.count == 0 && state->pc.address == b->value)
        return oops_pool_printf(s->pool, "%s, which called it", what);
    if (s->container)
        return oops_pool_printf(s->pool, "%s; `%s`, computed from it, led to `%s->%s` (%s)", what, s->container,
                                s->container, b->member, offset_word(s, b->member_offset));
    if (*b->member)
        return oops_pool_printf(s->pool, "%s; touched `%s%s%s` (%s)", what, b->variable, *b->member == '[' ? "" : "->",
                                b->member, offset_word(s, b->member_offset));
    if (b->member_offset)
        return oops_pool_printf(s->pool, "%s; touched %s%s", what, b->variable, offset_word(s, b->member_offset));
    return what;
}

/* No register at all: the address stands in the instruction. */
static const char *absolute(struct oops_session *s) {
    const struct oops_verdict *v = s->v;
    const struct oops_operand *op = &v->insn.mem;
    const struct oops_report *r = s->report;
    if (!s->took_instruction || !op->there || op->implicit || *op->base || *op->index || *op->segment || !v->pc.count)
        return NULL;
    return oops_pool_printf(s->pool, "%s absolute address 0x%llx in %s(), instruction `%s`",
                            r->access == OOPS_ACCESS_WRITE || op->write ? "write to the" : "read from the",
                            (unsigned long long)op->disp, v->pc.places[0].function, v->insn.text);
}

void oops_headline_refine(struct oops_session *s) {
    struct oops_verdict *v = s->v;
    const struct oops_place *place = place_of(s);
    const char *constant = v->blame.there ? NULL : absolute(s);
    if (v->blame.there)
        v->headline = sentence(s);
    else if (constant)
        v->headline = constant;
    if (v->blame.there && v->chain_count && v->chain[0].frame > v->blame.frame)
        v->headline = oops_pool_printf(s->pool, "%s, passed as `%s` by %s()", v->headline, v->chain[0].variable,
                                       v->chain[0].function);
    if (place && !strstr(v->headline, place->file))
        v->headline = oops_pool_printf(s->pool, "%s, at %s:%u", v->headline, place->file, place->line);
}
