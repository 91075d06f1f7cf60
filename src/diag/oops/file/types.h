/*
 * C types of the kernel, from DWARF or from BTF behind one face: what a pointer
 * points to, and which member lies at an offset.
 */
#ifndef DRIVELAB_DIAG_OOPS_FILE_TYPES_H
#define DRIVELAB_DIAG_OOPS_FILE_TYPES_H

#include <bpf/btf.h>
#include <dwarf.h>
#include <elfutils/libdw.h>

#include "diag/oops/pool.h"

struct oops_type {
    enum { OOPS_TYPE_NONE, OOPS_TYPE_DWARF, OOPS_TYPE_BTF } from; /* NONE: void, or not known */
    Dwarf_Die die;
    const struct btf *btf;
    uint32_t id;
};

struct oops_type oops_type_dwarf(Dwarf_Die *die); /* the type of an entry (its DW_AT_type) */
struct oops_type oops_type_btf(const struct btf *btf, uint32_t id);

/* Without typedefs and qualifiers. */
struct oops_type oops_type_strip(const struct oops_type *type);
bool oops_type_is_pointer(const struct oops_type *type);
struct oops_type oops_type_pointee(const struct oops_type *type); /* NONE: no pointer, or void */
/* Bytes, 0: not known. */
uint64_t oops_type_size(const struct oops_type *type);
/* As C writes it: "struct completion *". */
const char *oops_type_name(const struct oops_type *type, struct oops_pool *pool);
/* The same outermost name (tag or typedef), as two units have two entries for one type. */
bool oops_type_same(const struct oops_type *a, const struct oops_type *b);

/* What lies at an offset. */
struct oops_member {
    const char *path; /* "port[2].stats.errors"; "" at the very type */
    struct oops_type type;
    uint64_t rest; /* offset within that */
    bool padding;  /* between members, or behind the last one */
};

/*
 * Descends into structures, unions and arrays down to a plain value, or to the
 * first one of the type `stop` (may be NULL) that begins there, or to one whose
 * inside is nobody's business (spinlock_t, atomic_t ...). False: not within
 * the type.
 */
bool oops_type_member(const struct oops_type *type, uint64_t off, const struct oops_type *stop, struct oops_pool *pool,
                      struct oops_member *member);

#endif
