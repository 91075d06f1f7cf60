/*
 * The caller that only a link register tells: arm64, arm and riscv skip it in
 * their traces when the function that failed had not made a frame yet.
 */
#ifndef DRIVELAB_DIAG_OOPS_SYMBOLS_LINKREG_H
#define DRIVELAB_DIAG_OOPS_SYMBOLS_LINKREG_H

#include "diag/oops/symbols/sym_int.h"

/* The symbol that "lr" or "ra" holds, if it is the return address of `pc` and the trace has it not; NULL. */
const struct oops_symbol *oops_linkreg_caller(struct oops_session *session, const struct oops_spot *pc);

#endif
