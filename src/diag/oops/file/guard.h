/*
 * Work on files that may be damaged or hostile, by libraries that were not
 * written for that, in a process of its own with bounded time and memory. If it
 * fails, this process goes on without what it would have found.
 */
#ifndef DRIVELAB_DIAG_OOPS_FILE_GUARD_H
#define DRIVELAB_DIAG_OOPS_FILE_GUARD_H

#include <stdio.h>

#include "base/err.h"

/* Writes its result to `out`; 0, or a negative errno with `e` filled. */
typedef int oops_guarded_fn(void *ctx, FILE *out, struct err *e);

/*
 * Runs `fn` in a child of this process. Returns 0 with all that it wrote copied
 * to `out`; else a negative errno with `e` filled and nothing copied: fn's own
 * error, or -EFAULT when the child crashed or was ended for its time or memory.
 */
int oops_guard(oops_guarded_fn *fn, void *ctx, FILE *out, struct err *e);

/* The same, piece by piece: number `i` of several. */
typedef int oops_guarded_piece_fn(void *ctx, unsigned i, FILE *out, struct err *e);

/*
 * Runs `fn` for 0 ... count-1 in one child, so that what one piece has opened is
 * there for the next. Returns how many succeeded, with all that these wrote
 * copied to `out`; fewer than `count`: `e` says why the next one did not.
 */
unsigned oops_guard_each(oops_guarded_piece_fn *fn, void *ctx, unsigned count, FILE *out, struct err *e);

#endif
