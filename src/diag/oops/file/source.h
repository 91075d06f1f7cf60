/*
 * The text of a line of source, where the source still lies on this machine.
 */
#ifndef DRIVELAB_DIAG_OOPS_FILE_SOURCE_H
#define DRIVELAB_DIAG_OOPS_FILE_SOURCE_H

#include "diag/oops/pool.h"

/*
 * Line `line` of `path` without the blanks around it, in the pool; `dir` (NULL:
 * none) is put before a relative path. "" where there is no such file or line, or
 * it is too long to be of use. Regular files of at most 16 MiB are read.
 */
const char *oops_source_line(struct oops_pool *pool, const char *dir, const char *path, unsigned line);

#endif
