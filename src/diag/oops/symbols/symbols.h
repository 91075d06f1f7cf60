/*
 * The second stage: what symbol tables, BTF and DWARF of the kernel that
 * reported add to a verdict. Files are outside input: a corrupt or foreign one
 * is said so in the verdict, and what the text allowed stays.
 */
#ifndef DRIVELAB_DIAG_OOPS_SYMBOLS_SYMBOLS_H
#define DRIVELAB_DIAG_OOPS_SYMBOLS_SYMBOLS_H

#include "base/err.h"
#include "diag/oops/verdict/verdict.h"

struct oops_sources {
    const char *vmlinux;        /* NULL: look for it by release and build id */
    const char *const *modules; /* .ko files, NULL-terminated, or NULL */
    const char *debug_dir;      /* searched before /usr/lib/debug; NULL: none */
    const char *source_dir;     /* the kernel's sources, for the text of lines; NULL: where the compiler found them */
    bool search;                /* look in /usr/lib/debug, /lib/modules and /boot as well */
    const char *const *refused; /* sentences on files that were named and are damaged, NULL-terminated, or NULL */
};

struct oops_symbols;

/* NULL: `e` says why (a file named does not exist or is damaged). Files not named are opened when first needed. */
struct oops_symbols *oops_symbols_new(const struct oops_sources *sources, struct err *e);
void oops_symbols_free(struct oops_symbols *symbols);

/* Adds to `v`, which oops_verdict_text() has filled. Never fails: what cannot be found is a note. */
void oops_symbols_explain(struct oops_symbols *symbols, const struct oops_report *report, struct oops_verdict *v);

#endif
