/*
 * Variables of the source at an address: where their value is, as far as that
 * is "a register plus a number", a number, or a register's value when the
 * function was entered.
 */
#ifndef DRIVELAB_DIAG_OOPS_FILE_VARS_H
#define DRIVELAB_DIAG_OOPS_FILE_VARS_H

#include "diag/oops/file/dwarf.h"
#include "diag/oops/file/types.h"

enum oops_where {
    OOPS_WHERE_UNKNOWN,
    OOPS_WHERE_VALUE, /* reg + add; reg -1: the number itself */
    OOPS_WHERE_ENTRY, /* (reg when the function was entered) + add */
    OOPS_WHERE_MEMORY /* in memory at reg + add; reg -1: at that address */
};

struct oops_where_is {
    enum oops_where where;
    int reg; /* DWARF's number; -1: none */
    int64_t add;
};

struct oops_var {
    const char *name;
    const char *function; /* that declares it */
    struct oops_type type;
    struct oops_where_is at; /* UNKNOWN: no more than `ops` says */
    const Dwarf_Op *ops;     /* the location, all of it; NULL: a number, or none */
    size_t op_count;
    const Dwarf_Op *base_ops; /* of the function's frame, for DW_OP_fbreg */
    size_t base_count;
    bool parameter;
    bool inlined; /* of a function that was inlined */
};

/* What an expression (of a location, or of a call site's argument) comes to. */
struct oops_where_is oops_where_of(const Dwarf_Op *ops, size_t count, bool is_value);

/* False from the callback ends the walk. Innermost scope first. */
typedef bool oops_var_fn(void *ctx, const struct oops_var *var);
void oops_vars_at(struct oops_dwarf *dwarf, uint64_t addr, oops_var_fn *fn, void *ctx);

/*
 * The argument that the call returning to `ret` passes in `reg`, as a location
 * in the caller. UNKNOWN: not described.
 */
struct oops_where_is oops_vars_argument(struct oops_dwarf *dwarf, uint64_t ret, int reg);
/* The same as the expression of its value. */
bool oops_vars_argument_ops(struct oops_dwarf *dwarf, uint64_t ret, int reg, Dwarf_Op **ops, size_t *count);

/* A variable of file scope by name, of the unit of `addr`. */
bool oops_vars_global(struct oops_dwarf *dwarf, uint64_t addr, const char *name, struct oops_var *var);

#endif
