/*
 * A suspect is found by its value and the size of what it points to, so it is
 * doubted: two pointers may be NULL at once.
 */
#include "diag/oops/symbols/suspects.h"

#include <string.h>

#define FRAMES_MAX 4u

struct question {
    const struct oops_session *session;
    const struct oops_spot *spot;
    const char *name;
    uint64_t value;
    bool yes;
};

static bool compare(void *ctx, const struct oops_var *var) {
    struct question *q = ctx;
    uint64_t value;
    q->yes =
        strcmp(var->name, q->name) == 0 && oops_unwind_variable(q->session, q->spot, var, &value) && value == q->value;
    return !q->yes;
}

bool oops_suspect_has(struct oops_session *s, const struct oops_spot *spot, const char *name, uint64_t value) {
    struct question q = {s, spot, name, value, false};
    if (spot->object && spot->object->dwarf && oops_unwound_at(s, spot))
        oops_vars_at(spot->object->dwarf, oops_spot_at(spot), compare, &q);
    return q.yes;
}

struct search {
    struct oops_session *session;
    const struct oops_spot *spot;
    uint64_t ea;
    bool (*is_bad)(const struct oops_report *, uint64_t);
    struct oops_var found;
    uint64_t value;
    bool there;
};

static bool suspect(void *ctx, const struct oops_var *var) {
    struct search *f = ctx;
    uint64_t value;
    if (!oops_type_is_pointer(&var->type) || !oops_unwind_variable(f->session, f->spot, var, &value) ||
        !f->is_bad(f->session->report, value))
        return true;
    struct oops_type to = oops_type_pointee(&var->type);
    uint64_t size = oops_type_size(&to);
    if (f->ea - value >= (size ? size : 1) || (f->there && !var->parameter))
        return true;
    f->found = *var; /* the outermost one; parameters rather than others */
    f->value = value;
    f->there = true;
    return true;
}

static void blame(struct search *f, unsigned frame) {
    struct oops_session *s = f->session;
    struct oops_blame *b = &s->v->blame;
    struct oops_type to = oops_type_pointee(&f->found.type);
    struct oops_member member;
    *b = (struct oops_blame){.there = true,
                             .function = oops_pool_str(s->pool, f->found.function),
                             .variable = oops_pool_str(s->pool, f->found.name),
                             .type = oops_type_name(&f->found.type, s->pool),
                             .member = "",
                             .member_type = "",
                             .member_offset = (int64_t)(f->ea - f->value),
                             .value = f->value,
                             .value_known = true,
                             .frame = frame};
    if (oops_type_member(&to, f->ea - f->value, NULL, s->pool, &member) && !member.padding) {
        b->member = member.path;
        b->member_type = oops_type_name(&member.type, s->pool);
    }
    b->how = oops_pool_printf(s->pool, "%s in %s() has that value, as its registers are known by unwinding",
                              b->variable, b->function);
    s->v->confidence = OOPS_CONFIDENCE_MEDIUM;
}

bool oops_suspect_find(struct oops_session *s, uint64_t ea, bool (*is_bad)(const struct oops_report *, uint64_t)) {
    const struct oops_spot *spot = &s->spots[0];
    for (unsigned frame = 0; spot && frame < FRAMES_MAX; frame++, spot = oops_session_caller(s, spot)) {
        struct search f = {.session = s, .spot = spot, .ea = ea, .is_bad = is_bad};
        if (!oops_unwound_at(s, spot))
            return false;
        if (spot->object && spot->object->dwarf)
            oops_vars_at(spot->object->dwarf, oops_spot_at(spot), suspect, &f);
        if (f.there) {
            blame(&f, frame);
            return true;
        }
    }
    return false;
}
