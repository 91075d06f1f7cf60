/*
 * The symbols that a kernel carries for its own messages, found in the image of
 * a stripped vmlinux (what is inside of a vmlinuz).
 */
#ifndef DRIVELAB_DIAG_OOPS_FILE_KALLSYMS_H
#define DRIVELAB_DIAG_OOPS_FILE_KALLSYMS_H

#include "diag/oops/file/symtab.h"

/* Fills and finishes `table`; 0, -ENOENT: nothing like it was found (`table` is empty), -ENOMEM. */
int oops_kallsyms_read(const struct oops_elf *elf, struct oops_symtab *table);

#endif
