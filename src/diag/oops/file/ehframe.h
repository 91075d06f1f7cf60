/*
 * Rules of unwinding of relocatable files that have them in .eh_frame alone (arm64
 * modules of kernels that patch return addresses' protection; anything built with
 * -fasynchronous-unwind-tables). libdwfl relocates sections of debug information
 * only, and leaves this one as it is. Used by dwarf.c alone.
 */
#ifndef DRIVELAB_DIAG_OOPS_FILE_EHFRAME_H
#define DRIVELAB_DIAG_OOPS_FILE_EHFRAME_H

#include <elfutils/libdw.h>

#include "diag/oops/file/elf.h"

struct oops_ehframe {
    uint8_t *image; /* of an ELF file with that section and nothing else */
    Elf *elf;
    Dwarf_CFI *cfi; /* NULL: there are no such rules */
};

/* After the file's sections have their addresses. x86-64 and arm64. */
void oops_ehframe_open(struct oops_ehframe *e, const struct oops_elf *elf);
void oops_ehframe_close(struct oops_ehframe *e);

#endif
