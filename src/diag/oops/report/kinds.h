/*
 * The tables of report kinds, and words for what their rows have in common: one row a form that a report's header
 * took in some years or on some architecture. Within one header's words the rows that ask for more stand first. Titles
 * are normalised so that they equal those on syzkaller's dashboard.
 */
#ifndef DRIVELAB_DIAG_OOPS_REPORT_KINDS_H
#define DRIVELAB_DIAG_OOPS_REPORT_KINDS_H

#include "diag/oops/oops_int.h"

/* How to find the function to blame: steps of blame.c, and what they pass over. */
#define RECIPE(steps, skip)                                                                                            \
    { steps, skip, OOPS_PICK_FIRST }
#define STALLED(steps, skip)                                                                                           \
    { steps, skip, OOPS_PICK_STALL }
#define HUNG(steps, skip)                                                                                              \
    { steps, skip, OOPS_PICK_HANG }
#define PC_THEN_TRACE RECIPE("RlCS|ES|CS", NULL)
#define PC_ONLY       RECIPE("R", NULL)
#define TRACE(skip)   RECIPE("CS", skip)
#define WARNED(skip)  RECIPE("RS|ChS", skip)
#define NO_FUNCTION   RECIPE(NULL, NULL)
#define BAD_ACCESS    " in %f", NULL, PC_THEN_TRACE, 0

/* Each ends with a row without a match; in the order in which they are tried. */
extern const struct oops_form oops_forms_memory[];  /* kinds_memory.c */
extern const struct oops_form oops_forms_bug[];     /* kinds_general.c */
extern const struct oops_form oops_forms_arch[];    /* kinds_arch.c */
extern const struct oops_form oops_forms_locks[];   /* kinds_locks.c */
extern const struct oops_form oops_forms_general[]; /* kinds_general.c; with words for everything else at its end */

/* Words before a trace that no header came before; kinds_traces.c. */
extern const struct oops_form oops_forms_messages[];
/* Functions, parted by '|', that tell the kind of a trace by being in it; the last row has none. */
struct oops_witness {
    const char *functions;
    struct oops_form form;
};
extern const struct oops_witness oops_witnesses[];
extern const struct oops_form oops_form_waiting, oops_form_asleep, oops_form_null, oops_form_fault, oops_form_bug,
    oops_form_trap, oops_form_said, oops_form_dump, oops_form_warned, oops_form_warned_at, oops_form_panicked,
    oops_form_panicked_at, oops_form_locking, oops_form_aborted;

#endif
