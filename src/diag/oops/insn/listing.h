/*
 * The disassembly around the trap from the bytes of "Code:". Used by the files
 * of diag/oops alone.
 */
#ifndef DRIVELAB_DIAG_OOPS_INSN_LISTING_H
#define DRIVELAB_DIAG_OOPS_INSN_LISTING_H

#include "diag/oops/insn/insn.h"
#include "diag/oops/verdict/verdict.h"

/* Fills v->listing; nothing if the trapping byte is not marked. */
void oops_listing(const struct oops_report *report, const struct oops_state *state, struct oops_verdict *v);

/*
 * Where the instructions before the trapping one start. `*from_function`: the
 * first is the function's first. False: the trapping byte is not marked.
 */
bool oops_listing_starts(const struct oops_report *report, const struct oops_state *state,
                         uint8_t starts[OOPS_CODE_MAX], unsigned *count, bool *from_function);

/* The register still has the value that the function was called with, by its instructions up to the trap. */
bool oops_listing_unwritten(const struct oops_report *report, const struct oops_state *state, const char *reg);

#endif
