/*
 * A file of results: whether it can be written is known before the work
 * begins, and whoever had a file of that name keeps it until there is a whole
 * new one. Written without a name where it is to be (or, where the file system
 * has no such files, under a temporary one), so that a killed process leaves
 * nothing; what is no regular file (a pipe, /dev/null) is written in place.
 */
#ifndef DRIVELAB_BASE_OUTFILE_H
#define DRIVELAB_BASE_OUTFILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

struct outfile {
    FILE *stream;        /* to write to; NULL when not open */
    char path[PATH_MAX]; /* where it goes, links followed */
    char temp[PATH_MAX]; /* its name until then; empty: in place */
    bool nameless;       /* it has not even that yet */
};

/* "-" is standard output. 0, or -errno with `e` saying "PATH: why". */
int outfile_open(struct outfile *out, const char *path, struct err *e);

/* All is written: put it into its place. 0 or -errno with `e`; closed in any case. */
int outfile_commit(struct outfile *out, struct err *e);

/*
 * As outfile_commit(), for the results of a part: they replace no file that
 * holds something, but go beside it, to PATH.partial or, so that none of those
 * is replaced either, PATH.partial2 and so on. *beside: they did; `path` says where.
 */
int outfile_commit_part(struct outfile *out, bool *beside, struct err *e);

/* Give up what is not committed; harmless otherwise, also after zero-initialisation. */
void outfile_abandon(struct outfile *out);

#endif
