/*
 * Which function a call leads to.
 */
#ifndef DRIVELAB_DIAG_OOPS_SYMBOLS_CALLS_H
#define DRIVELAB_DIAG_OOPS_SYMBOLS_CALLS_H

#include "diag/oops/symbols/origin.h"

enum oops_callee_kind {
    OOPS_CALLEE_NONE,
    OOPS_CALLEE_DIRECT,
    OOPS_CALLEE_POINTER,
    OOPS_CALLEE_PUSHED /* no call: the kernel's entry code pushes the address and leaves by a return */
};

struct oops_callee {
    enum oops_callee_kind kind;
    const char *name; /* DIRECT: "" not known */
    uint64_t addr;    /* DIRECT, in the same object; 0 outside of it */
    int reg;          /* POINTER: in this register; -1: in memory */
    bool tail;        /* a jump */
    const struct oops_step *step;
    uint64_t at; /* address of the instruction */
};

/* The step number `i`: a call or a jump out of the function; NONE: something else. */
struct oops_callee oops_callee_of(const struct oops_code *code, unsigned i);
/* The call that returns to `ret`. */
struct oops_callee oops_callee_before(const struct oops_code *code, uint64_t ret);

#endif
