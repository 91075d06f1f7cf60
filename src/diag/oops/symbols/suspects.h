/*
 * What known values of variables add to the walk of cause.c: they confirm its
 * steps, and name a suspect where it has got nowhere.
 */
#ifndef DRIVELAB_DIAG_OOPS_SYMBOLS_SUSPECTS_H
#define DRIVELAB_DIAG_OOPS_SYMBOLS_SUSPECTS_H

#include "diag/oops/symbols/unwind.h"

/* Whether a variable of that name is known to have had that value at a spot. */
bool oops_suspect_has(struct oops_session *session, const struct oops_spot *spot, const char *name, uint64_t value);

/*
 * The innermost pointer that is plainly bad and whose object covers `ea`: into the verdict's blame.
 * False: there is none.
 */
bool oops_suspect_find(struct oops_session *session, uint64_t ea, bool (*is_bad)(const struct oops_report *, uint64_t));

#endif
