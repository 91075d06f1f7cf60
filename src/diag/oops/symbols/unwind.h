/*
 * What registers held in the callers of the function that failed: by the rules of
 * unwinding (.debug_frame, .eh_frame), from the registers of the report and the
 * words of its stack, if it printed any. What a function has pushed is lost
 * without those words; what it had not pushed yet, or never touches, is still the
 * caller's.
 *
 * With them the locations of variables come to values: those of a frame at its
 * return address - 1, the arguments of a call (DW_OP_entry_value) in its caller.
 */
#ifndef DRIVELAB_DIAG_OOPS_SYMBOLS_UNWIND_H
#define DRIVELAB_DIAG_OOPS_SYMBOLS_UNWIND_H

#include "diag/oops/symbols/sym_int.h"

#define OOPS_UNWIND_FRAMES 32u

/* Registers at one spot, by DWARF's numbers. */
struct oops_unwound {
    uint64_t known; /* a bit each */
    uint64_t value[64];
    bool has_cfa;
    uint64_t cfa; /* the stack pointer before the call that made this frame */
};

/* Fills session->unwound; what can't be known stays unknown. After oops_calls_explain(). */
void oops_unwind(struct oops_session *session);

/* The registers at a spot; NULL: none are known. */
const struct oops_unwound *oops_unwound_at(const struct oops_session *session, const struct oops_spot *spot);

/* The value of a variable as it was when the report was made. */
bool oops_unwind_variable(const struct oops_session *session, const struct oops_spot *spot, const struct oops_var *var,
                          uint64_t *value);

/* Which variables of the functions of the trace have what values: into the verdict. locals.c */
void oops_locals_explain(struct oops_session *session);

#endif
