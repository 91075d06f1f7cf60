/*
 * Sources: DWARF 5 sections 2.5, 2.6, 3.4 and 4.1; GNU extensions of DWARF 4
 * that became those of 5 (call sites, entry values).
 *
 * Simplified: expressions are followed while they stay linear in one register;
 * pieces, implicit pointers and parameter references are "unknown".
 */
#include "diag/oops/file/vars.h"

#include <string.h>

#define STACK_MAX  16u
#define OPS_MAX    256u
#define SCOPE_DIES 100000u

/* A value on DWARF's stack, linear in a register. */
struct linear {
    enum oops_where where; /* VALUE or ENTRY; UNKNOWN */
    int reg;
    int64_t add;
};

static int64_t wrap_add(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t wrap_sub(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static struct linear number(int64_t n) {
    return (struct linear){OOPS_WHERE_VALUE, -1, n};
}

static struct linear sum(struct linear a, struct linear b) {
    if (a.where == OOPS_WHERE_UNKNOWN || b.where == OOPS_WHERE_UNKNOWN || (a.reg >= 0 && b.reg >= 0))
        return (struct linear){OOPS_WHERE_UNKNOWN, -1, 0};
    struct linear r = a.reg >= 0 ? a : b;
    r.add = wrap_add(a.add, b.add);
    return r;
}

static struct linear difference(struct linear a, struct linear b) {
    if (a.where == OOPS_WHERE_UNKNOWN || b.where == OOPS_WHERE_UNKNOWN || b.reg >= 0)
        return (struct linear){OOPS_WHERE_UNKNOWN, -1, 0};
    a.add = wrap_sub(a.add, b.add);
    return a;
}

/* A value that one operation pushes; false: it does something else. */
static bool push_of(const Dwarf_Op *op, struct linear *v) {
    uint8_t atom = op->atom;
    if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31)
        *v = number(atom - DW_OP_lit0);
    else if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31)
        *v = (struct linear){OOPS_WHERE_VALUE, atom - DW_OP_breg0, (int64_t)op->number};
    else if (atom == DW_OP_bregx)
        *v = (struct linear){OOPS_WHERE_VALUE, (int)(op->number & 0xff), (int64_t)op->number2};
    else if (atom == DW_OP_addr || (atom >= DW_OP_const1u && atom <= DW_OP_consts))
        *v = number((int64_t)op->number);
    else
        return false;
    return true;
}

/* DW_OP_entry_value: its operand is an expression of its own, decoded by libdw in place. */
static struct linear entry_of(const Dwarf_Op *op) {
    /* number2 points to the block with its length in front; the usual one is a single DW_OP_reg<n> */
    const uint8_t *block = (const uint8_t *)(uintptr_t)op->number2;
    if (op->number == 1 && block && block[0] == 1 && block[1] >= DW_OP_reg0 && block[1] <= DW_OP_reg31)
        return (struct linear){OOPS_WHERE_ENTRY, block[1] - DW_OP_reg0, 0};
    return (struct linear){OOPS_WHERE_UNKNOWN, -1, 0};
}

static struct oops_where_is register_of(const Dwarf_Op *op) {
    int reg = op->atom == DW_OP_regx ? (int)(op->number & 0xff) : op->atom - DW_OP_reg0;
    return (struct oops_where_is){OOPS_WHERE_VALUE, reg, 0};
}

static bool is_register(const Dwarf_Op *op) {
    return (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31) || op->atom == DW_OP_regx;
}

static const struct oops_where_is unknown = {OOPS_WHERE_UNKNOWN, -1, 0};

struct oops_where_is oops_where_of(const Dwarf_Op *ops, size_t count, bool is_value) {
    struct linear stack[STACK_MAX], v;
    unsigned depth = 0;
    if (count == 0 || count > OPS_MAX)
        return unknown;
    if (count == 1 && is_register(ops))
        return register_of(ops);
    for (size_t i = 0; i < count; i++) {
        const Dwarf_Op *op = &ops[i];
        if (push_of(op, &v) || op->atom == DW_OP_entry_value || op->atom == DW_OP_GNU_entry_value) {
            if (depth == STACK_MAX)
                return unknown;
            stack[depth++] = push_of(op, &v) ? v : entry_of(op);
        } else if (op->atom == DW_OP_plus_uconst && depth) {
            stack[depth - 1] = sum(stack[depth - 1], number((int64_t)op->number));
        } else if (op->atom == DW_OP_plus && depth > 1) {
            stack[depth - 2] = sum(stack[depth - 2], stack[depth - 1]);
            depth--;
        } else if (op->atom == DW_OP_minus && depth > 1) {
            stack[depth - 2] = difference(stack[depth - 2], stack[depth - 1]);
            depth--;
        } else if (op->atom == DW_OP_stack_value) {
            is_value = true;
        } else {
            return unknown;
        }
    }
    if (depth != 1 || stack[0].where == OOPS_WHERE_UNKNOWN)
        return unknown;
    if (!is_value && stack[0].where == OOPS_WHERE_ENTRY)
        return unknown;
    return (struct oops_where_is){is_value ? stack[0].where : OOPS_WHERE_MEMORY, stack[0].reg, stack[0].add};
}

/* False: not described there. */
static bool locate(Dwarf_Die *die, uint64_t addr, struct oops_var *var) {
    Dwarf_Attribute attr;
    Dwarf_Op *ops;
    Dwarf_Sword n;
    var->at = unknown;
    if (dwarf_attr_integrate(die, DW_AT_const_value, &attr)) {
        if (dwarf_formsdata(&attr, &n) != 0)
            return false;
        var->at = (struct oops_where_is){OOPS_WHERE_VALUE, -1, n};
        return true;
    }
    if (!dwarf_attr_integrate(die, DW_AT_location, &attr) ||
        dwarf_getlocation_addr(&attr, addr, &ops, &var->op_count, 1) != 1 || !var->op_count)
        return false;
    var->ops = ops;
    var->at = oops_where_of(ops, var->op_count, false);
    return true;
}

static void find_base(Dwarf_Die *function, uint64_t addr, struct oops_var *var) {
    Dwarf_Attribute attr;
    Dwarf_Op *ops;
    if (dwarf_attr_integrate(function, DW_AT_frame_base, &attr) &&
        dwarf_getlocation_addr(&attr, addr, &ops, &var->base_count, 1) == 1)
        var->base_ops = ops;
}

static const char *name_of(Dwarf_Die *die) {
    Dwarf_Attribute attr;
    const char *name = dwarf_attr_integrate(die, DW_AT_name, &attr) ? dwarf_formstring(&attr) : NULL;
    return name ? name : "";
}

/* `form` has what all of them have in common. */
static bool walk_scope(struct oops_dwarf *dwarf, Dwarf_Die *scope, uint64_t addr, const struct oops_var *form,
                       oops_var_fn *fn, void *ctx) {
    Dwarf_Die child;
    unsigned budget = SCOPE_DIES;
    if (dwarf_child(scope, &child) != 0)
        return true;
    do {
        int tag = dwarf_tag(&child);
        if (tag != DW_TAG_formal_parameter && tag != DW_TAG_variable)
            continue;
        struct oops_var var = *form;
        var.name = name_of(&child);
        var.parameter = tag == DW_TAG_formal_parameter;
        if (!*var.name || !locate(&child, addr, &var))
            continue;
        var.type = oops_type_dwarf(&child);
        if (!fn(ctx, &var))
            return false;
    } while (--budget && oops_dwarf_spend(dwarf) && dwarf_siblingof(&child, &child) == 0);
    return true;
}

/* The function that a scope belongs to: itself, or the next one outwards. */
static unsigned owner_of(const struct oops_scopes *scopes, unsigned i) {
    for (; i + 1 < scopes->count; i++) {
        Dwarf_Die die = scopes->die[i];
        if (dwarf_tag(&die) != DW_TAG_lexical_block)
            break;
    }
    return i;
}

void oops_vars_at(struct oops_dwarf *dwarf, uint64_t addr, oops_var_fn *fn, void *ctx) {
    struct oops_scopes scopes;
    if (!oops_dwarf_scopes(dwarf, addr, &scopes))
        return;
    struct oops_var form = {.name = ""};
    find_base(&scopes.die[scopes.count - 1], addr, &form);
    for (unsigned i = 0; i < scopes.count; i++) {
        Dwarf_Die *owner = &scopes.die[owner_of(&scopes, i)];
        form.function = name_of(owner);
        form.inlined = dwarf_tag(owner) == DW_TAG_inlined_subroutine;
        if (!walk_scope(dwarf, &scopes.die[i], addr, &form, fn, ctx))
            return;
    }
}

static bool is_call_site(int tag) {
    return tag == DW_TAG_call_site || tag == DW_TAG_GNU_call_site;
}

static bool returns_to(Dwarf_Die *site, uint64_t ret) {
    Dwarf_Attribute attr;
    Dwarf_Addr addr;
    if (dwarf_attr(site, DW_AT_call_return_pc, &attr) || dwarf_attr(site, DW_AT_low_pc, &attr))
        return dwarf_formaddr(&attr, &addr) == 0 && addr == ret;
    return false;
}

static bool argument_of(Dwarf_Die *site, int reg, Dwarf_Op **ops, size_t *count) {
    Dwarf_Die child;
    Dwarf_Attribute attr;
    unsigned budget = 64;
    if (dwarf_child(site, &child) != 0)
        return false;
    do {
        int tag = dwarf_tag(&child);
        if (tag != DW_TAG_call_site_parameter && tag != DW_TAG_GNU_call_site_parameter)
            continue;
        if (!dwarf_attr(&child, DW_AT_location, &attr) || dwarf_getlocation(&attr, ops, count) != 0 || *count != 1 ||
            !is_register(*ops) || register_of(*ops).reg != reg)
            continue;
        if ((dwarf_attr(&child, DW_AT_call_value, &attr) || dwarf_attr(&child, DW_AT_GNU_call_site_value, &attr)) &&
            dwarf_getlocation(&attr, ops, count) == 0)
            return true;
    } while (--budget && dwarf_siblingof(&child, &child) == 0);
    return false;
}

bool oops_vars_argument_ops(struct oops_dwarf *dwarf, uint64_t ret, int reg, Dwarf_Op **ops, size_t *count) {
    struct oops_scopes scopes;
    if (!oops_dwarf_scopes(dwarf, ret - 1, &scopes))
        return false;
    for (unsigned i = 0; i < scopes.count; i++) {
        Dwarf_Die child;
        unsigned budget = SCOPE_DIES;
        if (dwarf_child(&scopes.die[i], &child) != 0)
            continue;
        do
            if (is_call_site(dwarf_tag(&child)) && returns_to(&child, ret))
                return argument_of(&child, reg, ops, count);
        while (--budget && oops_dwarf_spend(dwarf) && dwarf_siblingof(&child, &child) == 0);
    }
    return false;
}

struct oops_where_is oops_vars_argument(struct oops_dwarf *dwarf, uint64_t ret, int reg) {
    Dwarf_Op *ops;
    size_t count;
    return oops_vars_argument_ops(dwarf, ret, reg, &ops, &count) ? oops_where_of(ops, count, true) : unknown;
}

bool oops_vars_global(struct oops_dwarf *dwarf, uint64_t addr, const char *name, struct oops_var *var) {
    struct oops_scopes scopes;
    Dwarf_Die child;
    unsigned budget = 2000000;
    if (!oops_dwarf_scopes(dwarf, addr, &scopes) || dwarf_child(&scopes.cu, &child) != 0)
        return false;
    do {
        if (dwarf_tag(&child) != DW_TAG_variable || strcmp(name_of(&child), name) != 0)
            continue;
        *var = (struct oops_var){.name = name_of(&child), .function = "", .type = oops_type_dwarf(&child)};
        if (var->type.from != OOPS_TYPE_NONE)
            return true;
    } while (--budget && oops_dwarf_spend(dwarf) && dwarf_siblingof(&child, &child) == 0);
    return false;
}
