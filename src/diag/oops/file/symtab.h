/*
 * The symbols of one file, found by name or address, with sizes as the kernel
 * prints them: the distance to the next symbol. Names stay the file's (they are
 * not copied), so a table must not outlive it.
 */
#ifndef DRIVELAB_DIAG_OOPS_FILE_SYMTAB_H
#define DRIVELAB_DIAG_OOPS_FILE_SYMTAB_H

#include "diag/oops/file/elf.h"

struct oops_sym {
    const char *name;
    uint64_t addr;
    uint64_t size;    /* as the file says; 0: it does not */
    uint64_t span;    /* to the next symbol or the end of the section */
    uint16_t section; /* 0: not known (kallsyms) */
    uint8_t type, bind;
    bool thumb; /* its code is; `addr` is even all the same */
    bool last;  /* of its section: the kernel counts up to the end of the module's pages */
};

struct oops_symtab {
    struct oops_sym *syms; /* by address */
    unsigned count, room;
    uint32_t *buckets, *next; /* by name: numbers + 1 */
    unsigned bucket_count;
    char *strings; /* names that are in no file; owned */
};

void oops_symtab_init(struct oops_symtab *table);
void oops_symtab_release(struct oops_symtab *table);

/* Fill from an ELF file; or one by one, and finish. 0 or -ENOMEM. */
int oops_symtab_read(struct oops_symtab *table, const struct oops_elf *elf);
int oops_symtab_add(struct oops_symtab *table, const struct oops_sym *sym);
int oops_symtab_finish(struct oops_symtab *table, const struct oops_elf *elf);

/* All of that name: up to `max` into `found`; returns how many there are. */
unsigned oops_symtab_named(const struct oops_symtab *table, const char *name, const struct oops_sym **found,
                           unsigned max);
/* The one whose span covers `addr`, of aliases the most telling; or NULL. */
const struct oops_sym *oops_symtab_at(const struct oops_symtab *table, uint64_t addr);

/* How well a printed offset and size go with a symbol. */
enum oops_fit { OOPS_FIT_NONE, OOPS_FIT_ROUNDED, OOPS_FIT_ELF_SIZE, OOPS_FIT_SPAN };
enum oops_fit oops_sym_fit(const struct oops_sym *sym, uint64_t off, uint64_t size);

#endif
