/*
 * DWARF of one file by libdw, read only where it is asked for: the unit of an
 * address, its line, the functions inlined there. A vmlinux is mapped and its
 * references are applied already; a module is relocated by libdwfl, which also
 * decides where its sections lie (oops_dwarf_open() writes that into `elf`).
 *
 * Walks over entries are bounded, as damaged files have loops.
 */
#ifndef DRIVELAB_DIAG_OOPS_FILE_DWARF_H
#define DRIVELAB_DIAG_OOPS_FILE_DWARF_H

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include "diag/oops/file/elf.h"
#include "diag/oops/verdict/verdict.h"

#define OOPS_SCOPES_MAX 48

struct oops_dwarf;

/* NULL with `e` filled: no debug information, or damaged. `elf` stays the caller's and must live longer. */
struct oops_dwarf *oops_dwarf_open(struct oops_elf *elf, struct err *e);
void oops_dwarf_free(struct oops_dwarf *dwarf);

Dwarf *oops_dwarf_handle(struct oops_dwarf *dwarf);

/*
 * The entries that may be looked at until the next refill, which begins a report: small files can be made such that
 * every question takes its own bound.
 */
void oops_dwarf_refill(struct oops_dwarf *dwarf);
bool oops_dwarf_spend(struct oops_dwarf *dwarf); /* one of them; false: there are none left */
/* Rules of unwinding at an address, by .debug_frame or .eh_frame; the caller frees it. False: there are none. */
bool oops_dwarf_frame(struct oops_dwarf *dwarf, uint64_t addr, Dwarf_Frame **frame);

/* Scopes at an address, innermost first: blocks, inlined functions, the function. */
struct oops_scopes {
    Dwarf_Die cu;
    Dwarf_Die die[OOPS_SCOPES_MAX];
    unsigned count;
};

/* False: no unit or no function has that address. */
bool oops_dwarf_scopes(struct oops_dwarf *dwarf, uint64_t addr, struct oops_scopes *scopes);

/* The chain of functions with their lines, innermost first, into the pool; returns how many. */
unsigned oops_dwarf_places(struct oops_dwarf *dwarf, uint64_t addr, struct oops_pool *pool, struct oops_place **places);

/* The function (its entry) that begins at `addr`, or NULL name: false. */
bool oops_dwarf_function(struct oops_dwarf *dwarf, uint64_t addr, Dwarf_Die *die, Dwarf_Die *cu);

/* A file's name without the place where the kernel was built. */
const char *oops_dwarf_source(struct oops_dwarf *dwarf, struct oops_pool *pool, const char *file);
void oops_dwarf_set_prefix(struct oops_dwarf *dwarf, uint64_t start_kernel);
/* Where sources lie whose names are relative; kept, not copied. */
void oops_dwarf_set_source(struct oops_dwarf *dwarf, const char *dir);

#endif
