/*
 * A walk backwards in the order of addresses, over the places where branches
 * join too: what is found there is marked doubtful when the function sets the
 * register in more than one place. An unconditional jump before the current
 * place is followed back to its only source.
 */
#include "diag/oops/symbols/origin.h"

#include "diag/oops/insn/thumb.h"
#include "diag/oops/symbols/unwind.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 20000u
#define INDEX_MAX (1 << 24)
#define WALK_MAX  4000u

/* ftrace's call at the start keeps all registers, and mostly is a nop. */
static void pass_over_ftrace(struct oops_code *code) {
    for (unsigned i = 0; i < code->count && i < 6; i++) { /* arm calls it with lr pushed, behind its frame */
        struct oops_step *s = &code->steps[i].step;
        struct oops_reference ref;
        if (s->kind != OOPS_STEP_CALL || !s->direct)
            continue;
        uint64_t at = code->sym->addr + code->steps[i].off;
        bool moved = oops_object_refers(code->object, at, s, &ref);
        const struct oops_sym *sym = moved ? NULL : oops_symtab_at(&code->object->symtab, s->target);
        const char *name = moved ? ref.name : sym ? sym->name : "";
        if (strcmp(name, "__fentry__") == 0 || strcmp(name, "_mcount") == 0 || strcmp(name, "__gnu_mcount_nc") == 0)
            *s = (struct oops_step){.len = s->len, .dst = -1, .src = -1};
    }
}

static void mark_joins(struct oops_code *code) {
    for (unsigned i = 0; i < code->count; i++) {
        const struct oops_step *s = &code->steps[i].step;
        bool jumps = (s->kind == OOPS_STEP_JUMP || s->kind == OOPS_STEP_BRANCH) && s->direct;
        int to = jumps ? oops_code_find(code, s->target, false) : -1;
        if (to >= 0)
            code->steps[to].joined = true;
    }
}

int oops_code_init(struct oops_code *code, struct oops_object *object, struct oops_object *kernel,
                   const struct oops_sym *sym) {
    *code = (struct oops_code){.object = object, .kernel = kernel, .sym = sym};
    const struct oops_flow *flow = object->flow && sym->thumb ? &oops_flow_thumb : object->flow;
    uint8_t it = 0;
    if (!flow)
        return -ENOTSUP;
    code->bytes = oops_object_body(object, sym, &code->len);
    if (!code->bytes)
        return -ENOENT;
    unsigned room = code->len / 2 + 1 < STEPS_MAX ? (unsigned)(code->len / 2 + 1) : STEPS_MAX;
    if (object->elf->machine == EM_X86_64 || object->elf->machine == EM_386)
        room = code->len + 1 < STEPS_MAX ? (unsigned)(code->len + 1) : STEPS_MAX;
    code->steps = calloc(room, sizeof(*code->steps));
    if (!code->steps)
        return -ENOMEM;
    for (uint32_t off = 0; off < code->len && code->count < room;) {
        struct oops_code_step *s = &code->steps[code->count];
        if (!flow->decode(code->bytes + off, code->len - off, sym->addr + off, &s->step) || !s->step.len)
            break;
        if (sym->thumb)
            it = oops_thumb_in_block(it, &s->step);
        s->off = off;
        off += s->step.len;
        code->count++;
    }
    pass_over_ftrace(code);
    mark_joins(code);
    return 0;
}

void oops_code_release(struct oops_code *code) {
    free(code->steps);
    *code = (struct oops_code){0};
}

int oops_code_find(const struct oops_code *code, uint64_t addr, bool end) {
    uint64_t want = addr - code->sym->addr;
    unsigned low = 0, high = code->count;
    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        const struct oops_code_step *s = &code->steps[mid];
        uint64_t key = s->off + (end ? s->step.len : 0);
        if (key == want)
            return (int)mid;
        if (key < want)
            low = mid + 1;
        else
            high = mid;
    }
    return -1;
}

/* Which variables were seen at a place: the outermost that fits wins. */
struct choice {
    const struct oops_pick *pick;
    struct oops_var *var;
    bool found;
};

static bool choose(void *ctx, const struct oops_var *var) {
    struct choice *c = ctx;
    if (var->at.where != OOPS_WHERE_VALUE || var->at.reg != c->pick->reg)
        return true;
    if (c->found && c->var->at.add == 0 && var->at.add != 0)
        return true; /* the register itself is nearer than what is computed from it */
    if (!c->pick->fits || c->pick->fits(c->pick->ctx, var)) {
        *c->var = *var;
        c->found = true;
    }
    return true;
}

/* BTF knows parameters, which are in their registers at the entry. */
static bool variable_of_btf(const struct oops_code *code, uint64_t addr, const struct oops_pick *pick,
                            struct oops_var *var) {
    struct btf *btf = addr == code->sym->addr ? oops_object_btf(code->object, code->kernel) : NULL;
    int id = btf ? btf__find_by_name_kind(btf, code->sym->name, BTF_KIND_FUNC) : -1;
    const struct btf_type *func = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
    const struct btf_type *proto = func ? btf__type_by_id(btf, func->type) : NULL;
    const int *args = code->object->flow->arguments;
    if (!proto || !btf_is_func_proto(proto))
        return false;
    for (unsigned i = 0; i < btf_vlen(proto) && args[i] >= 0; i++) {
        if (args[i] != pick->reg)
            continue;
        const struct btf_param *p = &btf_params(proto)[i];
        *var = (struct oops_var){.name = btf__name_by_offset(btf, p->name_off),
                                 .function = code->sym->name,
                                 .type = oops_type_btf(btf, p->type),
                                 .parameter = true,
                                 .at = {OOPS_WHERE_VALUE, pick->reg, 0}};
        return var->name && *var->name && (!pick->fits || pick->fits(pick->ctx, var));
    }
    return false;
}

bool oops_origin_variable(const struct oops_code *code, uint64_t addr, const struct oops_pick *pick,
                          struct oops_var *var) {
    struct choice c = {pick, var, false};
    if (code->object->dwarf)
        oops_vars_at(code->object->dwarf, addr, choose, &c);
    return c.found || (!code->object->dwarf && variable_of_btf(code, addr, pick, var));
}

static bool is_pointer(void *ctx, const struct oops_var *var) {
    return oops_type_is_pointer(&var->type);
}

/* The state of a walk: looking for `reg`, before step `i`. */
struct walk {
    struct oops_code *code;
    struct oops_pool *pool;
    int reg;
    int i;
    int64_t add, element; /* the latter: what indices have added to it */
    unsigned beyond, loads, budget;
    bool joined;
    bool some; /* an element of an array whose number is not known: that of `index`, if not NULL */
    const char *index;
    const char *last; /* the name passed over, whose neighbours it is not found again at */
};

static struct oops_origin walk_on(struct walk *w);

static uint64_t place(const struct walk *w) {
    const struct oops_code *c = w->code;
    return (unsigned)w->i < c->count ? c->sym->addr + c->steps[w->i].off : c->sym->addr + c->len;
}

static unsigned writers(const struct oops_code *code, int reg) {
    unsigned n = 0;
    for (unsigned i = 0; i < code->count; i++)
        n += code->steps[i].step.kind != OOPS_STEP_CALL && (code->steps[i].step.writes >> reg & 1);
    return n;
}

static struct oops_origin made(const struct walk *w, enum oops_origin_kind kind) {
    return (struct oops_origin){.kind = kind,
                                .add = w->add,
                                .symbol = "",
                                .reg = -1,
                                .at = place(w),
                                .doubtful = w->joined && writers(w->code, w->reg) > 1};
}

static struct oops_origin lost(void) {
    return (struct oops_origin){.kind = OOPS_ORIGIN_NONE, .symbol = "", .reg = -1};
}

static bool is_address(const struct oops_object *object, int64_t number) {
    return object->elf->is64 ? number < 0 : number > 0xffff;
}

/*
 * Which symbol an address in the file is of. Machines with fixed instructions make an address of two halves, the
 * second of which the walk has passed as a sum, and compilers reach variables from their neighbours.
 */
static void name_address(struct oops_origin *o, const struct oops_object *object, uint64_t addr, int64_t element) {
    bool whole = object->elf->machine == EM_X86_64 || object->elf->machine == EM_386;
    uint64_t all = whole ? addr : addr + (uint64_t)(o->add - element);
    const struct oops_sym *sym = oops_symtab_at(&object->symtab, object->elf->is64 ? all : (uint32_t)all);
    if (!sym)
        return;
    o->symbol = sym->name;
    o->number = (int64_t)((object->elf->is64 ? all : (uint32_t)all) - sym->addr);
    o->add = whole ? o->add : element;
}

static struct oops_origin constant(const struct walk *w, const struct oops_step *s) {
    struct oops_origin o = made(w, OOPS_ORIGIN_CONST);
    struct oops_object *object = w->code->object;
    struct oops_reference ref;
    o.number = s->imm;
    if (oops_object_refers(object, place(w), s, &ref)) {
        o.number = ref.outside ? ref.addend : 0;
        o.symbol = ref.outside ? ref.name : "";
        if (!ref.outside)
            name_address(&o, object, ref.addr, w->element);
    } else if (object->elf->type != ET_REL && is_address(object, s->imm)) {
        name_address(&o, object, (uint64_t)s->imm, w->element);
    }
    return o;
}

/* The register has the same value at `now_at` as before step `i`: a look along the addresses. */
static bool unchanged_since(const struct oops_code *c, int i, int reg) {
    const struct oops_unwound *u = c->now;
    if (!u || reg < 0 || reg >= 64 || !(u->known >> reg & 1) || c->sym->addr + c->steps[i].off > c->now_at)
        return false;
    for (unsigned k = (unsigned)i; k < c->count && c->sym->addr + c->steps[k].off < c->now_at; k++)
        if (c->steps[k].step.writes >> reg & 1)
            return false;
    return true;
}

/* The number of an element, before step `i`: what is left of it, or of what it was copied from. */
static bool index_value(const struct oops_code *c, int i, int reg, int64_t *value) {
    int64_t add = 0;
    for (;;) {
        if (unchanged_since(c, i, reg)) {
            *value = (int32_t)(c->now->value[reg] + (uint64_t)add);
            return *value > -INDEX_MAX && *value < INDEX_MAX; /* else it is the address, and the other one the index */
        }
        if (i == 0 || c->steps[i].joined)
            return false;
        const struct oops_step *s = &c->steps[--i].step;
        if (s->kind == OOPS_STEP_JUMP || s->kind == OOPS_STEP_RETURN || s->kind == OOPS_STEP_TRAP)
            return false;
        if (!(s->writes >> reg & 1))
            continue;
        if (s->kind != OOPS_STEP_COPY || s->dst != reg || s->indexed)
            return false;
        reg = s->src;
        add += s->imm;
    }
}

/* What an index adds to an address. */
static bool index_adds(const struct walk *w, const struct oops_step *s, int64_t *add) {
    int64_t value;
    if (!s->times || !index_value(w->code, w->i, s->index, &value))
        return false;
    *add = value * (int64_t)s->times;
    return true;
}

/* The variable that holds the number of an element. */
static const char *index_name(const struct walk *w, const struct oops_step *s) {
    struct oops_pick pick = {.reg = s->index};
    struct oops_var var;
    bool found = s->times && oops_origin_variable(w->code, place(w), &pick, &var) && var.at.add == 0;
    return found ? oops_pool_str(w->pool, var.name) : NULL;
}

/* Only what an address is computed from may be without its index: it has a name, but no value. */
static bool any_element(struct walk *w, const struct oops_step *s) {
    if (!w->loads || w->some)
        return false;
    w->some = true;
    w->index = index_name(w, s);
    return true;
}

static struct oops_origin load(struct walk *w, const struct oops_step *s) {
    struct oops_origin o = made(w, OOPS_ORIGIN_LOAD);
    int64_t element = 0;
    if ((s->indexed && !s->times) || w->loads >= OOPS_LOADS_MAX)
        return lost();
    o.some = s->indexed && !index_adds(w, s, &element);
    o.index = o.some ? index_name(w, s) : NULL;
    o.base = oops_pool_alloc(w->pool, sizeof(*o.base));
    if (!o.base)
        return lost();
    if (s->src < 0) {
        *o.base = constant(w, s);
        o.base->add = element;
        return o;
    }
    struct walk inner = *w;
    inner.reg = s->src;
    inner.add = s->imm + element;
    inner.element = element;
    inner.beyond = 0;
    inner.last = NULL;
    inner.loads++;
    inner.some = false;
    *o.base = walk_on(&inner);
    if (inner.some && !o.some) {
        o.some = true;
        o.index = inner.index;
    }
    return o;
}

static struct oops_origin result(const struct walk *w, const struct oops_step *s) {
    struct oops_origin o = made(w, OOPS_ORIGIN_RESULT);
    struct oops_reference ref;
    struct oops_object *object = w->code->object;
    if (!s->direct || w->reg != object->flow->result)
        return lost();
    const struct oops_sym *sym = NULL;
    if (oops_object_refers(object, place(w), s, &ref) && ref.outside)
        o.symbol = ref.name;
    else
        sym = oops_symtab_at(&object->symtab, object->elf->type == ET_REL && ref.addr ? ref.addr : s->target);
    if (sym)
        o.symbol = sym->name;
    return *o.symbol ? o : lost();
}

/* A variable in the register here that is not to be passed over. */
static bool named_here(struct walk *w, struct oops_origin *o) {
    struct oops_pick pick = {.reg = w->reg, .fits = is_pointer};
    struct oops_var var;
    if (!oops_origin_variable(w->code, place(w), &pick, &var) || (w->last && strcmp(w->last, var.name) == 0))
        return false;
    if (w->beyond) {
        w->beyond--;
        w->last = var.name;
        return false;
    }
    *o = made(w, OOPS_ORIGIN_VARIABLE);
    o->var = var;
    o->add = w->add - var.at.add; /* value = reg + w->add, reg = variable - var.at.add */
    return true;
}

static bool jumps_by_table(const struct oops_code *c) {
    bool found = false;
    for (unsigned i = 0; i < c->count; i++)
        found |= c->steps[i].step.kind == OOPS_STEP_JUMP && !c->steps[i].step.direct;
    return found;
}

/* The step before, in time: the one above, or what jumps here. False: not known. */
static bool back(struct walk *w) {
    const struct oops_code *c = w->code;
    if (w->i == 0 || !w->budget--)
        return false;
    bool here = (unsigned)w->i < c->count && c->steps[w->i].joined;
    const struct oops_step *s = &c->steps[w->i - 1].step;
    if (s->kind != OOPS_STEP_JUMP && s->kind != OOPS_STEP_RETURN && s->kind != OOPS_STEP_TRAP) {
        w->joined |= here;
        w->i--;
        return true;
    }
    int from = -1;
    for (unsigned i = 0; i < c->count; i++) {
        const struct oops_step *j = &c->steps[i].step;
        if ((j->kind != OOPS_STEP_JUMP && j->kind != OOPS_STEP_BRANCH) || !j->direct || j->target != place(w))
            continue;
        if (from >= 0)
            w->joined = true;
        if (from < 0)
            from = (int)i;
    }
    if (from >= 0)
        w->i = from;
    else if (s->kind == OOPS_STEP_JUMP && s->direct && !jumps_by_table(c)) {
        w->joined =
            true; /* nothing leads here: the kernel has made the jump before it a nop (static keys, alternatives) */
        w->i--;
    } else {
        return false;
    }
    return true;
}

static struct oops_origin walk_on(struct walk *w) {
    struct oops_origin o;
    if (named_here(w, &o))
        return o;
    while (back(w)) {
        const struct oops_step *s = &w->code->steps[w->i].step;
        /* Code does not read what a call has clobbered: calls that keep more than the ABI says (paravirtual ones) */
        bool kept = s->kind == OOPS_STEP_CALL && w->reg != w->code->object->flow->result;
        if ((s->writes >> w->reg & 1) && !kept) {
            w->last = NULL;
            if (s->kind == OOPS_STEP_CONST && s->dst == w->reg)
                return constant(w, s);
            if (s->kind == OOPS_STEP_LOAD && s->dst == w->reg)
                return load(w, s);
            if (s->kind == OOPS_STEP_CALL)
                return result(w, s);
            int64_t element = 0;
            bool sum = s->kind == OOPS_STEP_SUM && (index_adds(w, s, &element) || any_element(w, s));
            if ((s->kind != OOPS_STEP_COPY && !sum) || s->dst != w->reg || (s->indexed && !sum))
                return lost();
            w->add += s->imm + element;
            w->element += element;
            w->reg = s->src;
        }
        if (named_here(w, &o))
            return o;
    }
    bool never = writers(w->code, w->reg) == 0; /* assembly jumps back and forth, but leaves its arguments alone */
    if ((w->i != 0 && !never) || strstr(w->code->sym->name, ".cold"))
        return lost();
    o = made(w, OOPS_ORIGIN_ARGUMENT);
    o.reg = w->reg;
    return o;
}

struct oops_origin oops_origin_of(struct oops_code *code, uint64_t addr, int reg, unsigned beyond,
                                  struct oops_pool *pool) {
    int i = oops_code_find(code, addr, false);
    if (i < 0 && oops_code_find(code, addr, true) >= 0)
        i = oops_code_find(code, addr, true) + 1;
    if (i < 0 || reg < 0 || reg >= 64)
        return lost();
    struct walk w = {.code = code, .pool = pool, .reg = reg, .i = i, .beyond = beyond, .budget = WALK_MAX};
    return walk_on(&w);
}

/* "slot[0].owner" as "slot[index].owner": which element it was is not known. */
static const char *with_index(const struct oops_origin *o, const char *path, struct oops_pool *pool) {
    const char *first = o->some ? strstr(path, "[0]") : NULL;
    if (!first)
        return path;
    return oops_pool_printf(pool, "%.*s[%s]%s", (int)(first - path), path, o->index ? o->index : "...", first + 3);
}

static bool name_of_load(const struct oops_code *code, const struct oops_origin *o, struct oops_pool *pool,
                         const char **name, struct oops_type *type) {
    const char *inner;
    struct oops_type base;
    struct oops_member member;
    struct oops_var global;
    if (o->base->kind == OOPS_ORIGIN_CONST && *o->base->symbol) { /* a variable of file scope */
        int64_t off = o->base->number + o->base->add;
        uint64_t at = o->at ? o->at : code->sym->addr; /* where functions begin, room for ftrace has no unit */
        *name = o->base->symbol;
        *type = (struct oops_type){.from = OOPS_TYPE_NONE};
        if (!code->object->dwarf || !oops_vars_global(code->object->dwarf, at, *name, &global)) {
            if (o->some)
                *name = with_index(o, oops_pool_printf(pool, "%s[0]", *name), pool);
            return off == 0;
        }
        if (!oops_type_member(&global.type, (uint64_t)off, NULL, pool, &member))
            return false;
        *type = member.type;
        if (*member.path)
            *name = oops_pool_printf(pool, "%s%s%s", *name, *member.path == '[' ? "" : ".",
                                     with_index(o, member.path, pool));
        return true;
    }
    if (!oops_origin_name(code, o->base, pool, &inner, &base) || o->base->add < 0)
        return false;
    struct oops_type to = oops_type_pointee(&base);
    if (!oops_type_member(&to, (uint64_t)o->base->add, NULL, pool, &member) || member.padding)
        return false;
    *type = member.type;
    if (!*member.path && o->some)
        *name = oops_pool_printf(pool, "%s[%s]", inner, o->index ? o->index : "...");
    else if (!*member.path)
        *name = oops_pool_printf(pool, "*%s", inner);
    else
        *name =
            oops_pool_printf(pool, "%s%s%s", inner, *member.path == '[' ? "" : "->", with_index(o, member.path, pool));
    return true;
}

bool oops_origin_name(const struct oops_code *code, const struct oops_origin *o, struct oops_pool *pool,
                      const char **name, struct oops_type *type) {
    switch (o->kind) {
    case OOPS_ORIGIN_VARIABLE:
        *name = oops_pool_str(pool, o->var.name);
        *type = o->var.type;
        return true;
    case OOPS_ORIGIN_LOAD:
        return name_of_load(code, o, pool, name, type);
    case OOPS_ORIGIN_RESULT:
        *name = oops_pool_printf(pool, "%s()", o->symbol);
        *type = (struct oops_type){.from = OOPS_TYPE_NONE};
        return true;
    default:
        return false;
    }
}
