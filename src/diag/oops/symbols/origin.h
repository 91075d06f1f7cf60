/*
 * Where a register's value came from: back through the instructions of a
 * function to a variable, a constant, a load from memory, the result of a call
 * or an argument. What is known of variables comes from DWARF; without it from
 * BTF's prototypes, at the function's entry.
 */
#ifndef DRIVELAB_DIAG_OOPS_SYMBOLS_ORIGIN_H
#define DRIVELAB_DIAG_OOPS_SYMBOLS_ORIGIN_H

#include "diag/oops/file/object.h"
#include "diag/oops/file/types.h"
#include "diag/oops/file/vars.h"

struct oops_unwound;

/* A function's instructions, decoded once. */
struct oops_code {
    struct oops_object *object;
    struct oops_object *kernel; /* for BTF */
    const struct oops_sym *sym;
    const uint8_t *bytes;
    size_t len;
    struct oops_code_step {
        struct oops_step step;
        uint32_t off;
        bool joined; /* something jumps here */
    } * steps;
    unsigned count;
    const struct oops_unwound *now; /* what registers hold at `now_at`: indices are looked up there; NULL: not known */
    uint64_t now_at;
};

/* 0, -ENOENT: no code in the file, -ENOTSUP: not an architecture that is followed, -ENOMEM. */
int oops_code_init(struct oops_code *code, struct oops_object *object, struct oops_object *kernel,
                   const struct oops_sym *sym);
void oops_code_release(struct oops_code *code);
/* Number of the step at `addr`, or of the one that ends there (`end`); -1: none. */
int oops_code_find(const struct oops_code *code, uint64_t addr, bool end);

enum oops_origin_kind {
    OOPS_ORIGIN_NONE,     /* lost */
    OOPS_ORIGIN_VARIABLE, /* of the source */
    OOPS_ORIGIN_CONST,    /* a number, or the address of a symbol */
    OOPS_ORIGIN_LOAD,     /* from memory: *(base + base->add) */
    OOPS_ORIGIN_RESULT,   /* what a function returned */
    OOPS_ORIGIN_ARGUMENT, /* in `reg` when the function was entered */
};

#define OOPS_LOADS_MAX 4

struct oops_origin {
    enum oops_origin_kind kind;
    int64_t add; /* the value is the origin's plus this */
    struct oops_var var;
    int64_t number;           /* CONST */
    const char *symbol;       /* CONST: &symbol + number; RESULT: the function called; "" */
    int reg;                  /* ARGUMENT */
    uint64_t at;              /* address of the instruction that made it */
    bool doubtful;            /* other ways lead here */
    bool some;                /* LOAD: of an element of an array, which one is not known */
    const char *index;        /* its number's variable; NULL: not known either */
    struct oops_origin *base; /* LOAD; in the pool */
};

/*
 * The value of `reg` before the instruction at `addr`. `beyond`: variables that
 * hold it there are passed over `beyond` times, to find what they were made from.
 */
struct oops_origin oops_origin_of(struct oops_code *code, uint64_t addr, int reg, unsigned beyond,
                                  struct oops_pool *pool);

/*
 * As C would write it, with its type: "drive->waiting". False: no name for it.
 */
bool oops_origin_name(const struct oops_code *code, const struct oops_origin *origin, struct oops_pool *pool,
                      const char **name, struct oops_type *type);

/* The variable that is best named for a value at `addr`: reg + something, or a number (reg -1). Outermost first. */
struct oops_pick {
    int reg;
    bool (*fits)(void *ctx, const struct oops_var *var);
    void *ctx;
};
bool oops_origin_variable(const struct oops_code *code, uint64_t addr, const struct oops_pick *pick,
                          struct oops_var *var);

#endif
