/*
 * Where the files of a kernel lie: the vmlinux with debug information, the
 * vmlinuz, modules, by release and build id, in a folder given by the user and
 * where distributions put them.
 */
#ifndef DRIVELAB_DIAG_OOPS_FILE_LOCATE_H
#define DRIVELAB_DIAG_OOPS_FILE_LOCATE_H

#include <stdbool.h>
#include <stddef.h>

struct oops_where_to {
    const char *dir;     /* of the user; NULL */
    bool system;         /* look at the usual places too */
    const char *release; /* "" not known */
    const char *build_id;
};

/* The first that exists; false: none. */
bool oops_locate_vmlinux(const struct oops_where_to *where, char *path, size_t size);
bool oops_locate_vmlinuz(const struct oops_where_to *where, char *path, size_t size);
/* `name` with dashes or underscores. */
bool oops_locate_module(const struct oops_where_to *where, const char *name, char *path, size_t size);

#endif
