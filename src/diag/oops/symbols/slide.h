/*
 * How far a kernel was moved (KASLR), when neither a panic's line nor the bytes
 * of Code: say: every address in the report that can be compared with the file
 * votes. Then addresses of the image get names.
 */
#ifndef DRIVELAB_DIAG_OOPS_SYMBOLS_SLIDE_H
#define DRIVELAB_DIAG_OOPS_SYMBOLS_SLIDE_H

#include "diag/oops/symbols/sym_int.h"

/* Fills the verdict's slide, or a note on why it can't be told. Nothing happens if it is known. */
void oops_slide_vote(struct oops_session *session);

/* "&nvme_ops+8", "complete+0x1d" for an address of the kernel as moved; NULL: none, or the slide is not known. */
const char *oops_slide_name(struct oops_session *session, uint64_t value);

#endif
