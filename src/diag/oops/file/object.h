/*
 * The kernel, or one module of it: its code, its symbols, its debug information
 * if there is any, all from one file or from two (split debug files).
 */
#ifndef DRIVELAB_DIAG_OOPS_FILE_OBJECT_H
#define DRIVELAB_DIAG_OOPS_FILE_OBJECT_H

#include "diag/oops/file/dwarf.h"
#include "diag/oops/file/symtab.h"
#include "diag/oops/insn/flow.h"

struct btf;

struct oops_object {
    char *name;             /* of the module, with underscores; "" the kernel */
    struct oops_elf *elf;   /* has the code */
    struct oops_elf *debug; /* has the symbols; may be the same */
    struct oops_symtab symtab;
    struct oops_dwarf *dwarf;     /* NULL: none */
    const struct oops_flow *flow; /* NULL: not an architecture that is followed here */
    struct btf *btf;              /* NULL: none, or not read yet */
    bool named;                   /* given by the user */
    bool wrong;                   /* of another build, as was found out */
    bool from_kallsyms;           /* symbols are those of the kernel itself */
    char why[ERR_TEXT_MAX];       /* why there is no debug information; "" */
};

/* Opens `path` and, if it is stripped, its debug file in `dirs` (NULL-terminated). NULL: `e` says why. */
struct oops_object *oops_object_open(const char *path, const char *name, const char *const *dirs, struct err *e);
void oops_object_free(struct oops_object *object);

/* A bare image and its symbols (both of kallsyms) put to the same addresses. image.c */
void oops_object_place_image(struct oops_object *object);

/* BTF of the kernel; of a module with the kernel's as its base. NULL: none. Kept. */
struct btf *oops_object_btf(struct oops_object *object, struct oops_object *kernel);

/* Code at an address, as oops_elf_bytes(). */
const uint8_t *oops_object_code(const struct oops_object *object, uint64_t addr, size_t len, size_t *got);
/* The code of a symbol from its start; at most its span. */
const uint8_t *oops_object_body(const struct oops_object *object, const struct oops_sym *sym, size_t *len);

/*
 * What a field of an instruction really refers to, in relocatable files: the
 * address in this object, or the name of an outside symbol. False: no relocation there.
 */
struct oops_reference {
    bool outside;
    const char *name; /* "" a section */
    uint64_t addr;
    int64_t addend; /* as the relocation has it, with the distance to the next instruction taken out */
};
bool oops_object_refers(const struct oops_object *object, uint64_t insn, const struct oops_step *step,
                        struct oops_reference *ref);

/* "nvme-core.ko.xz" is "nvme_core"; false: no module's name. */
bool oops_module_name(const char *path, char *name, size_t size);

#endif
