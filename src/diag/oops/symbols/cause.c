/*
 * Which variable was bad. The instruction says which register was the base of
 * the access; the variable in it, or what it was computed from, is asked whether
 * its value is a plain NULL, an error number, a poison. If it is not (NULL + 8,
 * say), somebody further out has made the address of a member from a bad
 * pointer: the walk goes on with what that function was passed.
 */
#include <string.h>

#include "diag/oops/file/demangle.h"
#include "diag/oops/oops_int.h"
#include "diag/oops/symbols/calls.h"
#include "diag/oops/symbols/suspects.h"
#include "diag/oops/symbols/unwind.h"

#define LINKS_MAX  12u
#define BEYOND_MAX 4u
#define CHAIN_MAX  6u

/* One variable on the way from the instruction outwards. */
struct link {
    const char *function, *name;
    struct oops_type type;
    uint64_t value;
    unsigned frame;
    bool exact; /* the value is bad as it stands */
    bool doubtful;
    const struct oops_spot *spot;
    bool container; /* computed from the one that follows: container_of() */
};

struct hunt {
    struct oops_session *session;
    uint64_t ea; /* what was touched */
    bool has_ea;
    struct link links[LINKS_MAX];
    unsigned count;
    const char *ending; /* what the walk ended at, in words; "" */
    unsigned ending_frame;
};

/* A bad value in itself, rather than one that was computed from a bad one. */
static bool is_exact(const struct oops_report *report, uint64_t value) {
    struct oops_value v = {0};
    oops_value_classify(report, value, &v);
    switch (v.pattern) {
    case OOPS_PATTERN_NULL_OFFSET:
    case OOPS_PATTERN_NULL_NEGATIVE:
    case OOPS_PATTERN_NONE:
        return false;
    case OOPS_PATTERN_ERR_PTR:
    case OOPS_PATTERN_KERNEL:
    case OOPS_PATTERN_VMALLOC:
    case OOPS_PATTERN_MODULE:
    case OOPS_PATTERN_TEXT:
        return true; /* an error, or nothing tells it from a good one: the nearest variable is as good as any */
    default:
        return v.offset == 0;
    }
}

const char *oops_small_list_poison(const struct oops_report *report, const char *name, uint64_t value) {
    size_t n = strlen(name);
    bool linked = n > 4 && (strcmp(name + n - 4, "next") == 0 || strcmp(name + n - 4, "prev") == 0);
    if (oops_word_bytes(report->arch) != 4 || !linked)
        return NULL;
    return value == 0x100 ? "LIST_POISON1" : value == 0x122 || value == 0x200 ? "LIST_POISON2" : NULL;
}

static unsigned frame_number(const struct hunt *h, const struct oops_spot *spot) {
    unsigned n = 0;
    for (const struct oops_spot *s = h->session->spots; s < spot; s++)
        n += !s->guess || s->frame < 0;
    return n;
}

static struct link *add_link(struct hunt *h, const struct oops_spot *spot, const char *function, const char *name,
                             const struct oops_type *type, uint64_t value) {
    if (h->count == LINKS_MAX)
        return NULL;
    struct link *last = h->count ? &h->links[h->count - 1] : NULL;
    if (last && last->value == value && strcmp(last->name, name) == 0 && strcmp(last->function, function) == 0)
        return last; /* seen at two places */
    struct link *l = &h->links[h->count++];
    *l = (struct link){.function = oops_pool_str(h->session->pool, function),
                       .name = oops_pool_str(h->session->pool, name),
                       .type = *type,
                       .value = value,
                       .frame = frame_number(h, spot),
                       .spot = spot,
                       .exact = is_exact(h->session->report, value) ||
                                oops_small_list_poison(h->session->report, name, value)};
    return l;
}

/* Differences of addresses on 32-bit machines wrap. */
static uint64_t narrow(const struct hunt *h, uint64_t value) {
    return oops_word_bytes(h->session->report->arch) == 4 ? (uint32_t)value : value;
}

/* A distance that may be negative. */
static int64_t distance(const struct hunt *h, uint64_t from, uint64_t to) {
    uint64_t d = to - from;
    return oops_word_bytes(h->session->report->arch) == 4 ? (int32_t)d : (int64_t)d;
}

static const char *function_name(struct hunt *h, const struct oops_spot *spot) {
    const char *name = oops_demangle(h->session->pool, spot->sym->name);
    return oops_pool_strn(h->session->pool, name, oops_plain_length(name));
}

/* Where the walk stands. */
struct here {
    struct oops_spot *spot;
    struct oops_code *code;
    uint64_t at; /* before the instruction at this address */
    int reg;
    uint64_t value; /* of the register there */
};

static void end_at(struct hunt *h, const struct oops_spot *spot, const char *words) {
    h->ending = words;
    h->ending_frame = frame_number(h, spot);
}

/* Follows the register within one function. Returns an argument register to go on with in the caller, or -1. */
static int within(struct hunt *h, struct here *here) {
    struct oops_pool *pool = h->session->pool;
    uint64_t last_value = here->value;
    for (unsigned beyond = 0; beyond <= BEYOND_MAX; beyond++) {
        struct oops_origin o = oops_origin_of(here->code, here->at, here->reg, beyond, pool);
        uint64_t value = narrow(h, here->value - (uint64_t)o.add);
        struct oops_type type;
        const char *name;
        if (o.kind == OOPS_ORIGIN_ARGUMENT) {
            here->value = value;
            return o.reg;
        }
        if (o.kind == OOPS_ORIGIN_CONST) {
            end_at(h, here->spot,
                   *o.symbol    ? oops_pool_printf(pool, "the address of %s", o.symbol)
                   : value == 0 ? "a constant NULL"
                                : "a constant");
            return -1;
        }
        if (!oops_origin_name(here->code, &o, pool, &name, &type))
            return -2;
        const char *function = o.kind == OOPS_ORIGIN_VARIABLE ? o.var.function : function_name(h, here->spot);
        struct link *l = add_link(h, here->spot, function, name, &type, value);
        if (!l)
            return -1;
        l->doubtful = o.doubtful;
        l->container = distance(h, last_value, value) > 0;
        last_value = value;
        if (o.kind == OOPS_ORIGIN_LOAD || o.kind == OOPS_ORIGIN_RESULT)
            return -1;
    }
    return -2;
}

/* The call site's own words, when the instructions did not tell. */
static bool by_call_site(struct hunt *h, struct here *here, int argument, uint64_t ret) {
    struct oops_object *object = here->spot->object;
    if (!object->dwarf)
        return false;
    struct oops_where_is w = oops_vars_argument(object->dwarf, ret, argument);
    if (w.where == OOPS_WHERE_VALUE && w.reg < 0) {
        if (here->value == 0)
            end_at(h, here->spot, "a constant NULL");
        return false;
    }
    if (w.where == OOPS_WHERE_UNKNOWN || w.where == OOPS_WHERE_MEMORY)
        return false;
    here->reg = w.reg;
    here->value = narrow(h, here->value - (uint64_t)w.add);
    if (w.where == OOPS_WHERE_ENTRY)
        here->at = here->spot->sym->addr;
    return true;
}

static void outwards(struct hunt *h, struct oops_spot *spot, int argument, uint64_t value);

/* One function; then its callers. */
static void follow(struct hunt *h, struct oops_spot *spot, struct here *here, uint64_t ret) {
    int argument = here->reg, next = within(h, here);
    if (next == -2 && ret && by_call_site(h, here, argument, ret))
        next = within(h, here);
    if (next >= 0)
        outwards(h, spot, next, here->value);
}

static bool is_argument(const struct oops_flow *flow, int reg) {
    for (const int *a = flow->arguments; *a >= 0; a++)
        if (*a == reg)
            return true;
    return false;
}

/* What is known of registers in this function. */
static void registers_of(const struct hunt *h, const struct oops_spot *spot, struct oops_code *code) {
    code->now = oops_unwound_at(h->session, spot);
    code->now_at = spot->addr;
}

static void outwards(struct hunt *h, struct oops_spot *spot, int argument, uint64_t value) {
    struct oops_spot *caller = oops_session_caller(h->session, spot);
    struct oops_code code;
    if (!caller || !caller->object || caller->exact || !is_argument(spot->object->flow, argument) ||
        h->count >= LINKS_MAX || oops_code_init(&code, caller->object, h->session->kernel, caller->sym) != 0)
        return;
    struct oops_callee c = oops_callee_before(&code, caller->addr);
    registers_of(h, caller, &code);
    if (c.kind != OOPS_CALLEE_NONE) {
        struct here here = {caller, &code, c.at, argument, value};
        follow(h, caller, &here, caller->addr);
    }
    oops_code_release(&code);
}

/* A register of the fault by DWARF's number. */
static bool register_value(const struct oops_session *s, const struct oops_flow *flow, int reg, uint64_t *value) {
    const struct oops_state *state = oops_report_fault(s->report);
    const struct oops_reg *r = state && reg >= 0 ? oops_state_reg(state, flow->names[reg]) : NULL;
    if (r)
        *value = r->value;
    return r != NULL;
}

/* Variables that are a number here: a clone of a function for NULL has no register for it. */
struct constant {
    struct hunt *h;
    struct oops_pool *pool;
};

static bool constant_fits(void *ctx, const struct oops_var *var) {
    struct constant *c = ctx;
    struct oops_type to = oops_type_pointee(&var->type);
    uint64_t off = narrow(c->h, c->h->ea - (uint64_t)var->at.add), size = oops_type_size(&to);
    return is_exact(c->h->session->report, (uint64_t)var->at.add) && size && off < size;
}

static bool by_constant(struct hunt *h, struct oops_spot *spot, struct oops_code *code) {
    struct constant c = {h, h->session->pool};
    struct oops_pick pick = {.reg = -1, .fits = constant_fits, .ctx = &c};
    struct oops_var var;
    if (!h->has_ea || !oops_origin_variable(code, oops_spot_at(spot), &pick, &var))
        return false;
    add_link(h, spot, var.function, var.name, &var.type, (uint64_t)var.at.add);
    return true;
}

/* A variable that is not the base itself, but base plus something, and whose type fits: container_of(). */
static bool covers_it(void *ctx, const struct oops_var *var) {
    struct here_ctx {
        struct hunt *h;
        uint64_t base;
    } *c = ctx;
    struct oops_type to = oops_type_pointee(&var->type);
    uint64_t off = narrow(c->h, c->h->ea - (c->base + (uint64_t)var->at.add)), size = oops_type_size(&to);
    return var->at.add != 0 && size && off < size;
}

static void look_for_container(struct hunt *h, struct oops_spot *spot, struct oops_code *code, int reg, uint64_t base) {
    struct {
        struct hunt *h;
        uint64_t base;
    } c = {h, base};
    struct oops_pick pick = {.reg = reg, .fits = covers_it, .ctx = &c};
    struct oops_var var;
    if (!h->has_ea || !oops_origin_variable(code, oops_spot_at(spot), &pick, &var))
        return;
    struct link *l = add_link(h, spot, var.function, var.name, &var.type, narrow(h, base + (uint64_t)var.at.add));
    if (l)
        l->exact = false;
}

/* The link to blame: the first that is bad as it stands; a container is computed from a later one. */
static int blamed(const struct hunt *h) {
    int found = -1;
    for (unsigned i = 0; i < h->count && found < 0; i++) {
        bool computed = i + 1 < h->count && h->links[i + 1].container && h->links[i + 1].exact;
        if (h->links[i].exact && !computed)
            found = (int)i;
    }
    return found;
}

/* Member of the blamed variable's type at what was touched; of the link inside of it, in case of a container. */
static void fill_member(struct hunt *h, const struct link *l, unsigned i, struct oops_blame *b) {
    struct oops_pool *pool = h->session->pool;
    struct oops_type to = oops_type_pointee(&l->type), stop = {.from = OOPS_TYPE_NONE};
    struct oops_member member;
    uint64_t touched = h->ea;
    if (!h->has_ea)
        return;
    for (unsigned k = i; k-- > 0;) { /* the callee's own pointer says how far in to name */
        struct oops_type inner = oops_type_pointee(&h->links[k].type);
        if (distance(h, l->value, h->links[k].value) > 0 && inner.from != OOPS_TYPE_NONE) {
            stop = inner;
            touched = h->links[k].value;
            break;
        }
    }
    b->member_offset = distance(h, l->value, h->ea);
    if (oops_type_member(&to, narrow(h, touched - l->value), &stop, pool, &member) && !member.padding) {
        b->member = member.path;
        b->member_type = oops_type_name(&member.type, pool);
    } else if (i > 0 && h->links[i - 1].value != l->value) { /* container_of() */
        const struct link *c = &h->links[i - 1];
        to = oops_type_pointee(&c->type);
        if (oops_type_member(&to, narrow(h, h->ea - c->value), NULL, pool, &member) && !member.padding) {
            b->member = member.path;
            b->member_type = oops_type_name(&member.type, pool);
            b->member_offset = distance(h, c->value, h->ea);
            h->session->container = c->name;
        }
    }
}

static struct oops_blame blame_of(struct hunt *h, unsigned i) {
    const struct link *l = &h->links[i];
    return (struct oops_blame){.there = true,
                               .function = l->function,
                               .variable = l->name,
                               .type = l->type.from == OOPS_TYPE_NONE ? "" : oops_type_name(&l->type, h->session->pool),
                               .member = "",
                               .member_type = "",
                               .value = l->value,
                               .value_known = true,
                               .frame = l->frame,
                               .how = ""};
}

static const char *value_words(struct hunt *h, const char *name, uint64_t value) {
    struct oops_value v = {0};
    const char *small = oops_small_list_poison(h->session->report, name, value);
    if (small)
        return small;
    oops_value_classify(h->session->report, value, &v);
    if (value == 0)
        return "NULL";
    if (v.name && *v.name && (v.offset == 0 || v.pattern == OOPS_PATTERN_ERR_PTR))
        return v.name;
    if (v.pattern == OOPS_PATTERN_NULL_OFFSET || v.pattern == OOPS_PATTERN_NULL_NEGATIVE)
        return oops_pool_printf(h->session->pool, "NULL%+lld", (long long)v.offset);
    return oops_pool_printf(h->session->pool, "0x%llx", (unsigned long long)value);
}

/* "lock of _raw_spin_lock_irqsave() is 0x8; x of complete() is NULL; drive->waiting of null_complete() is NULL" */
static const char *how_of(struct hunt *h, unsigned from) {
    const char *how = "";
    for (unsigned i = 0; i < h->count; i++) {
        const struct link *l = &h->links[i];
        how = oops_pool_printf(h->session->pool, "%s%s%s in %s() is %s%s", how, i ? "; " : "", l->name, l->function,
                               h->session->divisor ? "0" : value_words(h, l->name, l->value),
                               l->doubtful ? " (if it came that way)" : "");
    }
    if (*h->ending)
        how = oops_pool_printf(h->session->pool, "%s; it began as %s", how, h->ending);
    return how;
}

/* Sites farther out hold the same value under other names. */
static void fill_chain(struct hunt *h, unsigned from) {
    struct oops_verdict *v = h->session->v;
    v->chain = NULL;
    v->chain_count = 0;
    for (unsigned i = from + 1; i < h->count; i++) {
        struct oops_blame *b = oops_pool_push(h->session->pool, &v->chain, &v->chain_count, sizeof(*b), CHAIN_MAX);
        if (b)
            *b = blame_of(h, i);
    }
}

/* Steps that unwinding confirms are not doubted. */
static void confirm(struct hunt *h) {
    for (unsigned i = 0; i < h->count; i++) {
        struct link *l = &h->links[i];
        if (!oops_suspect_has(h->session, l->spot, l->name, l->value))
            continue;
        l->doubtful = false;
        if (l->frame > 0)
            oops_note(h->session->pool, &h->session->v->reasons, "unwinding finds %s in `%s` of %s() too",
                      value_words(h, l->name, l->value), l->name, l->function);
    }
}

static bool is_telling(const struct oops_report *report, uint64_t value) {
    struct oops_value v = {0};
    oops_value_classify(report, value, &v);
    bool usual = v.pattern == OOPS_PATTERN_KERNEL || v.pattern == OOPS_PATTERN_VMALLOC ||
                 v.pattern == OOPS_PATTERN_MODULE || v.pattern == OOPS_PATTERN_TEXT || v.pattern == OOPS_PATTERN_USER;
    return !usual && is_exact(report, value);
}

static void conclude(struct hunt *h) {
    struct oops_verdict *v = h->session->v;
    confirm(h);
    int i = blamed(h);
    if (i < 0 && h->has_ea && oops_suspect_find(h->session, h->ea, is_telling))
        return;
    if (i < 0) {
        if (h->count)
            oops_note(h->session->pool, &v->reasons, "the walk back from the instruction got to: %s", how_of(h, 0));
        return;
    }
    v->blame = blame_of(h, (unsigned)i);
    fill_member(h, &h->links[i], (unsigned)i, &v->blame);
    v->blame.how = how_of(h, (unsigned)i);
    fill_chain(h, (unsigned)i);
    bool doubtful = false;
    for (int k = 0; k <= i; k++)
        doubtful |= h->links[k].doubtful;
    v->confidence = doubtful ? OOPS_CONFIDENCE_MEDIUM : OOPS_CONFIDENCE_HIGH;
}

/* The pointer that was called. */
static void cause_of_call(struct hunt *h, struct oops_spot *caller) {
    struct oops_code code;
    if (!caller->object || caller->exact || oops_code_init(&code, caller->object, h->session->kernel, caller->sym) != 0)
        return;
    struct oops_callee c = oops_callee_before(&code, caller->addr);
    registers_of(h, caller, &code);
    const struct oops_state *state = oops_report_fault(h->session->report);
    if (c.kind == OOPS_CALLEE_POINTER && c.reg >= 0 && state) {
        struct here here = {caller, &code, c.at, c.reg, state->pc.address};
        if (within(h, &here) == -2 && caller->object->dwarf)
            end_at(h, caller, "a pointer that could not be followed");
    } else if (c.kind == OOPS_CALLEE_POINTER && c.step->from_memory && c.step->src >= 0 && state) {
        struct oops_origin base = oops_origin_of(&code, c.at, c.step->src, 0, h->session->pool);
        base.add += c.step->imm;
        struct oops_origin o = {.kind = OOPS_ORIGIN_LOAD, .symbol = "", .base = &base, .at = c.at};
        const char *name;
        struct oops_type type;
        if (oops_origin_name(&code, &o, h->session->pool, &name, &type))
            add_link(h, caller, function_name(h, caller), name, &type, state->pc.address);
    }
    oops_code_release(&code);
    if (h->count) {
        h->session->v->blame = blame_of(h, 0);
        struct oops_blame *b = &h->session->v->blame;
        const char *dot = strrchr(b->variable, '>'), *point = strrchr(b->variable, '.');
        b->member = dot && (!point || point < dot) ? dot + 1 : point ? point + 1 : "";
        b->how = how_of(h, 0);
        h->session->v->confidence = OOPS_CONFIDENCE_HIGH;
    }
}

/* The operand that was bad. */
static const struct oops_operand *operand_of(const struct oops_insn *insn) {
    if (insn->mem2.there && insn->mem2.ea_matches && !insn->mem.ea_matches)
        return &insn->mem2;
    return insn->mem.there ? &insn->mem : insn->mem2.there ? &insn->mem2 : NULL;
}

static void cause_of_access(struct hunt *h, struct oops_spot *spot, const struct oops_operand *op) {
    const struct oops_report *report = h->session->report;
    const struct oops_flow *flow = spot->object->flow;
    struct oops_code code;
    if (oops_code_init(&code, spot->object, h->session->kernel, spot->sym) != 0)
        return;
    registers_of(h, spot, &code);
    h->has_ea = op->ea_known || report->has_fault_address;
    h->ea = op->ea_known ? op->ea : report->fault_address;
    int reg = *op->base ? oops_flow_register(flow, op->base) : -1;
    uint64_t value;
    if (reg >= 0 && *op->index && strcmp(op->base, "rip") != 0) { /* either may be the bad one */
        uint64_t base;
        if (register_value(h->session, flow, reg, &base) && !is_exact(report, base) && op->scale == 1)
            reg = oops_flow_register(flow, op->index);
    }
    if (reg >= 0 && register_value(h->session, flow, reg, &value)) {
        struct here here = {spot, &code, spot->addr, reg, value};
        look_for_container(h, spot, &code, reg, value);
        follow(h, spot, &here, 0);
        if (h->count == 0)
            by_constant(h, spot, &code);
    } else if (reg < 0) {
        by_constant(h, spot, &code);
    }
    oops_code_release(&code);
    conclude(h);
}

/* The divisor: a member, or a register that was loaded from one. */
static void cause_of_division(struct hunt *h, struct oops_spot *spot) {
    const struct oops_insn *insn = &h->session->v->insn;
    const struct oops_operand *op = &insn->mem;
    struct oops_code code;
    const char *name;
    struct oops_type type;
    int reg = op->there && !*op->index ? oops_flow_register(spot->object->flow, op->base) : -1;
    if (reg < 0 || oops_code_init(&code, spot->object, h->session->kernel, spot->sym) != 0)
        return;
    struct oops_origin base = oops_origin_of(&code, spot->addr, reg, 0, h->session->pool);
    base.add += op->disp;
    struct oops_origin o = {.kind = OOPS_ORIGIN_LOAD, .symbol = "", .base = &base, .at = spot->addr};
    if (oops_origin_name(&code, &o, h->session->pool, &name, &type)) {
        add_link(h, spot, base.kind == OOPS_ORIGIN_VARIABLE ? base.var.function : function_name(h, spot), name, &type,
                 0);
        h->session->v->blame = blame_of(h, 0);
        h->session->v->blame.how = how_of(h, 0);
        h->session->divisor = true;
    }
    oops_code_release(&code);
}

static bool is_memory_fault(enum oops_kind kind) {
    return kind == OOPS_NULL_DEREF || kind == OOPS_PAGE_FAULT || kind == OOPS_GPF || kind == OOPS_KASAN ||
           kind == OOPS_DOUBLE_FAULT || kind == OOPS_EXTERNAL_ABORT || kind == OOPS_KFENCE;
}

void oops_cause_explain(struct oops_session *session) {
    struct hunt h = {.session = session, .ending = ""};
    const struct oops_verdict *v = session->v;
    struct oops_spot *pc = session->count ? &session->spots[0] : NULL;
    const struct oops_operand *op = operand_of(&v->insn);
    if (pc && pc->frame < 0 && pc->object && pc->object->flow && session->report->kind == OOPS_TRAP &&
        v->insn.decoded && (strncmp(v->insn.mnemonic, "div", 3) == 0 || strncmp(v->insn.mnemonic, "idiv", 4) == 0))
        cause_of_division(&h, pc);
    if (!pc || !is_memory_fault(session->report->kind))
        return;
    if (pc->frame < 0 && pc->object && pc->object->flow && v->insn.decoded && op && !v->insn.is_bug) {
        cause_of_access(&h, pc, op);
    } else if (pc->frame < 0 && !pc->object && !*oops_report_fault(session->report)->pc.name) { /* jumped to nowhere */
        struct oops_spot *caller = oops_session_caller(session, pc);
        if (caller)
            cause_of_call(&h, caller);
    }
}
