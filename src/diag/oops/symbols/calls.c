/*
 * Between a frame and its caller there may be functions without a frame: what
 * was inlined (the resolved places say so) and what ended with a jump into the
 * next one. The call before the return address says which function was called;
 * when that is another one than the trace shows next, its jumps are followed.
 */
#include "diag/oops/symbols/calls.h"

#include <string.h>

#include "diag/oops/oops_int.h"
#include "diag/oops/symbols/sym_int.h"

#define TAIL_DEPTH  4u
#define TAIL_BUDGET 2000u /* functions looked into for one gap: a table of system calls is one */

static const char thunk[] = "__x86_indirect_thunk_";

static int thunk_register(const struct oops_object *object, const char *name) {
    const char *reg = strncmp(name, thunk, sizeof(thunk) - 1) == 0 ? name + sizeof(thunk) - 1 : "";
    return *reg ? oops_flow_register(object->flow, reg) : -1;
}

static bool leaves(const struct oops_code *code, const struct oops_step *s) {
    if (!s->direct)
        return s->src >= 0 || s->from_memory;
    return s->target - code->sym->addr >= code->len;
}

struct oops_callee oops_callee_of(const struct oops_code *code, unsigned i) {
    struct oops_callee c = {.name = "", .reg = -1};
    const struct oops_step *s = &code->steps[i].step;
    struct oops_reference ref;
    uint64_t at = code->sym->addr + code->steps[i].off;
    c.at = at;
    c.step = s;
    c.tail = s->kind == OOPS_STEP_JUMP || s->kind == OOPS_STEP_BRANCH;
    if (s->kind != OOPS_STEP_CALL && !c.tail)
        return c;
    if (!s->direct) {
        c.kind = c.tail && !leaves(code, s) ? OOPS_CALLEE_NONE : OOPS_CALLEE_POINTER;
        c.reg = s->from_memory ? -1 : s->src;
        return c;
    }
    bool moved = oops_object_refers(code->object, at, s, &ref);
    if (!moved && c.tail && !leaves(code, s))
        return c;
    c.kind = OOPS_CALLEE_DIRECT;
    c.addr = moved ? (ref.outside ? 0 : ref.addr) : s->target;
    if (moved && c.tail && !ref.outside && ref.addr - code->sym->addr < code->len)
        c.kind = OOPS_CALLEE_NONE;
    const struct oops_sym *sym = c.addr ? oops_symtab_at(&code->object->symtab, c.addr) : NULL;
    c.name = sym ? sym->name : moved ? ref.name : "";
    int reg = thunk_register(code->object, c.name);
    if (reg >= 0) {
        c.kind = OOPS_CALLEE_POINTER;
        c.reg = reg;
    }
    return c;
}

struct oops_callee oops_callee_before(const struct oops_code *code, uint64_t ret) {
    int i = oops_code_find(code, ret, true);
    if (i < 0)
        return (struct oops_callee){.name = "", .reg = -1};
    struct oops_callee c = oops_callee_of(code, (unsigned)i);
    if (c.step->kind == OOPS_STEP_RETURN) /* into the next function; what follows was pushed for it to return to */
        c.kind = OOPS_CALLEE_PUSHED;
    return c;
}

/* "f.isra.0" and "f" are one for this purpose; so are the kernel's trampolines. */
static bool same_function(const char *a, const char *b) {
    if (strncmp(a, "__SCT__", 7) == 0)
        a += 7;
    size_t n = oops_plain_length(a);
    return n && n == oops_plain_length(b) && strncmp(a, b, n) == 0;
}

/* Two names of one place are one function. */
static bool leads_to(const struct oops_callee *c, const struct oops_object *object, const struct oops_spot *next) {
    return same_function(c->name, next->sym->name) || (c->addr && object == next->object && c->addr == next->sym->addr);
}

struct search {
    struct oops_session *session;
    const struct oops_spot *wanted;
    const char *chain[TAIL_DEPTH];
    unsigned depth, max_depth, budget;
    bool pointers;        /* a jump through a pointer is taken for one that leads there */
    bool through_pointer; /* and was */
};

static const struct oops_sym *outside(struct oops_session *session, const char *name, struct oops_object **object) {
    const struct oops_sym *sym = NULL;
    *object = session->kernel;
    return *object && oops_symtab_named(&(*object)->symtab, name, &sym, 1) ? sym : NULL;
}

static bool tail_search(struct search *s, struct oops_object *object, const struct oops_sym *sym) {
    struct oops_code code;
    bool found = false;
    if (s->depth == s->max_depth || !s->budget || oops_code_init(&code, object, s->session->kernel, sym) != 0)
        return false;
    s->budget--;
    s->chain[s->depth++] = sym->name;
    for (unsigned i = 0; i < code.count && !found; i++) {
        struct oops_callee c = oops_callee_of(&code, i);
        if (!c.tail || c.kind == OOPS_CALLEE_NONE)
            continue;
        struct oops_object *where = object;
        const struct oops_sym *to = NULL;
        if (c.kind == OOPS_CALLEE_POINTER)
            s->through_pointer = found = s->pointers && !c.step->indexed;
        else if (leads_to(&c, object, s->wanted))
            found = true;
        else if (c.addr)
            to = oops_symtab_at(&object->symtab, c.addr);
        else if (*c.name)
            to = outside(s->session, c.name, &where);
        if (to && to != sym && !found && to->addr == (c.addr ? c.addr : to->addr))
            found = tail_search(s, where, to);
    }
    oops_code_release(&code);
    if (!found)
        s->depth--;
    return found;
}

/* Short ways first, and only then those through pointers, which could lead anywhere. */
static bool tail_chain(struct search *s, struct oops_object *object, const struct oops_sym *sym) {
    for (s->max_depth = 1; s->max_depth <= TAIL_DEPTH; s->max_depth++) {
        s->budget = TAIL_BUDGET;
        if (tail_search(s, object, sym))
            return true;
    }
    s->pointers = true;
    s->max_depth = 1;
    return tail_search(s, object, sym);
}

static void say_missing(struct oops_session *session, struct oops_spot *spot, const struct search *s) {
    struct oops_resolved *r = spot->resolved;
    for (unsigned i = s->depth; i-- > 0;) { /* innermost first */
        struct oops_place *place =
            oops_pool_push(session->pool, &r->missing, &r->missing_count, sizeof(*place), TAIL_DEPTH);
        if (place)
            *place = (struct oops_place){.function = oops_pool_str(session->pool, s->chain[i]), .file = ""};
    }
    r->missing_why = s->through_pointer ? "tail call through a pointer" : "tail call";
}

/* The caller's expression for the function it called: "rq->end_io". */
static const char *pointer_name(struct oops_session *session, struct oops_code *code, const struct oops_callee *c) {
    const char *name = NULL;
    struct oops_type type;
    bool loaded = c->reg < 0; /* by the call itself */
    if (loaded && (c->step->src < 0 || c->step->indexed))
        return NULL;
    struct oops_origin o = oops_origin_of(code, c->at, loaded ? c->step->src : c->reg, 0, session->pool), base = o;
    base.add += loaded ? c->step->imm : 0;
    if (loaded)
        o = (struct oops_origin){.kind = OOPS_ORIGIN_LOAD, .base = &base, .symbol = "", .reg = -1, .at = c->at};
    return oops_origin_name(code, &o, session->pool, &name, &type) && o.add == 0 ? name : NULL;
}

/* Which pointer led to the inner frame, and which function's, if that one has no frame of its own. */
static const char *by_pointer(struct oops_session *session, struct oops_code *code, const struct oops_callee *c,
                              const struct oops_spot *outer) {
    const struct oops_resolved *r = outer->resolved;
    const char *name = pointer_name(session, code, c);
    const char *how =
        name ? oops_pool_printf(session->pool, "called through the pointer %s", name) : "called through a pointer";
    return r->count > 1 && r->places[0].inlined
               ? oops_pool_printf(session->pool, "%s by %s(), which is inlined in %s()", how, r->places[0].function,
                                  r->places[r->count - 1].function)
               : how;
}

static void explain_pair(struct oops_session *session, struct oops_spot *inner, struct oops_spot *outer) {
    struct oops_code code;
    if (oops_code_init(&code, outer->object, session->kernel, outer->sym) != 0)
        return;
    struct oops_callee c = oops_callee_before(&code, outer->addr);
    if (c.kind == OOPS_CALLEE_POINTER) {
        inner->resolved->missing_why = by_pointer(session, &code, &c, outer);
    } else if (c.kind == OOPS_CALLEE_DIRECT && *c.name && !leads_to(&c, outer->object, inner)) {
        struct search s = {.session = session, .wanted = inner};
        struct oops_object *object = outer->object;
        const struct oops_sym *to =
            c.addr ? oops_symtab_at(&object->symtab, c.addr) : outside(session, c.name, &object);
        inner->strayed = to && !tail_chain(&s, object, to);
        if (to && !inner->strayed)
            say_missing(session, inner, &s);
        else if (inner->strayed && !inner->exact)
            oops_note(session->pool, &session->v->misfits,
                      "%s() calls %s() there, which leads to no %s(): one of the two entries may be an old one",
                      outer->sym->name, c.name, inner->sym->name);
    } else if (c.kind == OOPS_CALLEE_NONE && code.count && outer->sym->type == STT_FUNC && outer->object->dwarf) {
        inner->strayed = true;
        oops_note(session->pool, &session->v->misfits, "no call ends at %s+0x%llx: that entry is not a return address",
                  outer->sym->name, (unsigned long long)(outer->addr - outer->sym->addr));
    }
    oops_code_release(&code);
}

void oops_calls_explain(struct oops_session *session) {
    for (unsigned i = 0; i < session->count; i++) {
        struct oops_spot *inner = &session->spots[i];
        struct oops_spot *outer = inner->object && !inner->guess ? oops_session_caller(session, inner) : NULL;
        if (outer && outer->object && !outer->exact)
            explain_pair(session, inner, outer);
    }
}
