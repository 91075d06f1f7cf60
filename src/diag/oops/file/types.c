/*
 * Sources: DWARF 5 chapter 5, Documentation/bpf/btf.rst of Linux.
 *
 * Simplified: of a union the first member that covers the offset is taken; the
 * types of function pointers are written "f *".
 */
#include "diag/oops/file/types.h"

#include <string.h>

#define CHAIN_MAX 64u     /* typedefs and qualifiers in a row; members within members */
#define SIBLINGS  100000u /* members of one structure */
#define PATH_MAX_ 512

struct oops_type oops_type_btf(const struct btf *btf, uint32_t id) {
    return (struct oops_type){.from = id && btf ? OOPS_TYPE_BTF : OOPS_TYPE_NONE, .btf = btf, .id = id};
}

struct oops_type oops_type_dwarf(Dwarf_Die *die) {
    struct oops_type type = {.from = OOPS_TYPE_NONE};
    Dwarf_Attribute attr;
    if (dwarf_attr_integrate(die, DW_AT_type, &attr) && dwarf_formref_die(&attr, &type.die))
        type.from = OOPS_TYPE_DWARF;
    return type;
}

static const struct btf_type *btf_of(const struct oops_type *type) {
    return btf__type_by_id(type->btf, type->id);
}

/* One layer that adds nothing: typedef, const and so on. */
static bool is_wrapping(const struct oops_type *type, bool typedefs) {
    if (type->from == OOPS_TYPE_BTF) {
        const struct btf_type *t = btf_of(type);
        return t && (btf_is_mod(t) || btf_is_type_tag(t) || (typedefs && btf_is_typedef(t)));
    }
    if (type->from != OOPS_TYPE_DWARF)
        return false;
    Dwarf_Die die = type->die;
    switch (dwarf_tag(&die)) {
    case DW_TAG_const_type:
    case DW_TAG_volatile_type:
    case DW_TAG_restrict_type:
    case DW_TAG_atomic_type:
        return true;
    case DW_TAG_typedef:
        return typedefs;
    default:
        return false;
    }
}

static struct oops_type inner_of(const struct oops_type *type) {
    if (type->from == OOPS_TYPE_DWARF) {
        Dwarf_Die die = type->die;
        return oops_type_dwarf(&die);
    }
    const struct btf_type *t = type->from == OOPS_TYPE_BTF ? btf_of(type) : NULL;
    return oops_type_btf(type->btf, t ? t->type : 0);
}

static struct oops_type unwrap(const struct oops_type *type, bool typedefs) {
    struct oops_type t = *type;
    for (unsigned i = 0; i < CHAIN_MAX && is_wrapping(&t, typedefs); i++)
        t = inner_of(&t);
    return t;
}

struct oops_type oops_type_strip(const struct oops_type *type) {
    return unwrap(type, true);
}

/* enum of the plain kinds, whatever the source */
enum plain { PLAIN_OTHER, PLAIN_VOID, PLAIN_POINTER, PLAIN_RECORD, PLAIN_ARRAY, PLAIN_FUNCTION };

static enum plain plain_btf(const struct btf_type *t) {
    if (!t)
        return PLAIN_VOID;
    return btf_is_ptr(t)          ? PLAIN_POINTER
           : btf_is_composite(t)  ? PLAIN_RECORD
           : btf_is_array(t)      ? PLAIN_ARRAY
           : btf_is_func_proto(t) ? PLAIN_FUNCTION
                                  : PLAIN_OTHER;
}

static enum plain plain_of(const struct oops_type *stripped) {
    if (stripped->from == OOPS_TYPE_NONE)
        return PLAIN_VOID;
    if (stripped->from == OOPS_TYPE_BTF)
        return plain_btf(btf_of(stripped));
    Dwarf_Die die = stripped->die;
    switch (dwarf_tag(&die)) {
    case DW_TAG_pointer_type:
        return PLAIN_POINTER;
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_class_type:
        return PLAIN_RECORD;
    case DW_TAG_array_type:
        return PLAIN_ARRAY;
    case DW_TAG_subroutine_type:
        return PLAIN_FUNCTION;
    default:
        return PLAIN_OTHER;
    }
}

bool oops_type_is_pointer(const struct oops_type *type) {
    struct oops_type t = oops_type_strip(type);
    return plain_of(&t) == PLAIN_POINTER;
}

struct oops_type oops_type_pointee(const struct oops_type *type) {
    struct oops_type t = oops_type_strip(type);
    if (plain_of(&t) != PLAIN_POINTER)
        return (struct oops_type){.from = OOPS_TYPE_NONE};
    return inner_of(&t);
}

static uint64_t elements_dwarf(Dwarf_Die *array) {
    Dwarf_Die child;
    Dwarf_Attribute attr;
    Dwarf_Word n;
    uint64_t total = 1;
    if (dwarf_child(array, &child) != 0)
        return 0;
    unsigned budget = 8;
    do {
        if (dwarf_tag(&child) != DW_TAG_subrange_type)
            continue;
        if (dwarf_attr(&child, DW_AT_count, &attr) && dwarf_formudata(&attr, &n) == 0)
            ;
        else if (dwarf_attr(&child, DW_AT_upper_bound, &attr) && dwarf_formudata(&attr, &n) == 0)
            n++;
        else
            return 0;
        if (__builtin_mul_overflow(total, n, &total))
            return 0;
    } while (--budget && dwarf_siblingof(&child, &child) == 0);
    return total;
}

static uint64_t size_dwarf(Dwarf_Die *die, unsigned depth) {
    Dwarf_Attribute attr;
    Dwarf_Word size;
    if (dwarf_attr(die, DW_AT_byte_size, &attr) && dwarf_formudata(&attr, &size) == 0)
        return size;
    if (dwarf_tag(die) == DW_TAG_pointer_type)
        return 8;
    struct oops_type t = {.from = OOPS_TYPE_DWARF, .die = *die}, inner = inner_of(&t);
    if (plain_of(&t) != PLAIN_ARRAY || inner.from == OOPS_TYPE_NONE || depth >= CHAIN_MAX)
        return 0;
    inner = oops_type_strip(&inner);
    uint64_t total;
    if (inner.from == OOPS_TYPE_NONE ||
        __builtin_mul_overflow(elements_dwarf(die), size_dwarf(&inner.die, depth + 1), &total))
        return 0;
    return total;
}

uint64_t oops_type_size(const struct oops_type *type) {
    struct oops_type t = oops_type_strip(type);
    if (t.from == OOPS_TYPE_BTF) {
        __s64 size = btf__resolve_size(t.btf, t.id);
        return size > 0 ? (uint64_t)size : 0;
    }
    return t.from == OOPS_TYPE_DWARF ? size_dwarf(&t.die, 0) : 0;
}

static const char *tag_name(const struct oops_type *t) { /* without "struct" */
    if (t->from == OOPS_TYPE_BTF) {
        const struct btf_type *b = btf_of(t);
        return b ? btf__name_by_offset(t->btf, b->name_off) : NULL;
    }
    Dwarf_Die die = t->die;
    return t->from == OOPS_TYPE_DWARF ? dwarf_diename(&die) : NULL;
}

static const char *tag_word(const struct oops_type *t) {
    if (t->from == OOPS_TYPE_BTF) {
        const struct btf_type *b = btf_of(t);
        return !b                                  ? ""
               : btf_is_struct(b) || btf_is_fwd(b) ? "struct "
               : btf_is_union(b)                   ? "union "
               : btf_is_any_enum(b)                ? "enum "
                                                   : "";
    }
    Dwarf_Die die = t->die;
    switch (dwarf_tag(&die)) {
    case DW_TAG_structure_type:
        return "struct ";
    case DW_TAG_union_type:
        return "union ";
    case DW_TAG_enumeration_type:
        return "enum ";
    default:
        return "";
    }
}

static const char *name_within(const struct oops_type *type, struct oops_pool *pool, unsigned depth) {
    struct oops_type t = unwrap(type, false);
    if (t.from == OOPS_TYPE_NONE || depth > 8)
        return "void";
    const char *name = tag_name(&t);
    switch (plain_of(&t)) {
    case PLAIN_POINTER: {
        struct oops_type to = inner_of(&t);
        const char *inner = name_within(&to, pool, depth + 1);
        size_t len = strlen(inner);
        return oops_pool_printf(pool, len && inner[len - 1] == '*' ? "%s*" : "%s *", inner);
    }
    case PLAIN_ARRAY: {
        struct oops_type of =
            t.from == OOPS_TYPE_BTF ? oops_type_btf(t.btf, btf_array(btf_of(&t))->type) : inner_of(&t);
        return oops_pool_printf(pool, "%s[]", name_within(&of, pool, depth + 1));
    }
    case PLAIN_FUNCTION:
        return "function";
    default:
        return oops_pool_printf(pool, "%s%s", tag_word(&t), name && *name ? name : "{...}");
    }
}

const char *oops_type_name(const struct oops_type *type, struct oops_pool *pool) {
    return name_within(type, pool, 0);
}

bool oops_type_same(const struct oops_type *a, const struct oops_type *b) {
    struct oops_type x = unwrap(a, false), y = unwrap(b, false);
    for (unsigned i = 0; i < 2; i++) { /* by the name as written, then without typedefs */
        const char *n = tag_name(&x), *m = tag_name(&y);
        if (n && m && *n && strcmp(n, m) == 0)
            return true;
        x = oops_type_strip(&x), y = oops_type_strip(&y);
    }
    return false;
}

/* Typedefs whose inside is the implementation's. */
static bool is_opaque(const struct oops_type *type) {
    static const char *const names[] = {
        "atomic_t",        "atomic64_t", "atomic_long_t", "refcount_t",   "spinlock_t", "raw_spinlock_t",
        "arch_spinlock_t", "rwlock_t",   "seqlock_t",     "local_lock_t", NULL};
    struct oops_type t = unwrap(type, false);
    const char *name = tag_name(&t);
    for (unsigned i = 0; name && names[i]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* The part of a structure, union or array that covers an offset. */
struct part {
    const char *name; /* "" anonymous */
    struct oops_type type;
    uint64_t off, size;
    uint64_t index; /* of arrays */
};

static bool covers(const struct part *part, uint64_t off, bool flexible) {
    return off >= part->off && (off - part->off < part->size || flexible);
}

static bool part_of_btf(const struct oops_type *t, uint64_t off, struct part *part) {
    const struct btf_type *b = btf_of(t);
    const struct btf_member *m = btf_members(b);
    for (unsigned i = 0; i < btf_vlen(b); i++) {
        uint64_t bit = btf_member_bit_offset(b, i);
        part->type = oops_type_btf(t->btf, m[i].type);
        part->name = btf__name_by_offset(t->btf, m[i].name_off);
        part->off = bit / 8;
        part->size = oops_type_size(&part->type);
        if (btf_member_bitfield_size(b, i))
            part->size = (bit % 8 + btf_member_bitfield_size(b, i) + 7) / 8;
        struct oops_type plain = oops_type_strip(&part->type);
        bool flexible = part->size == 0 && plain_of(&plain) == PLAIN_ARRAY;
        if (covers(part, off, flexible))
            return true;
    }
    return false;
}

static uint64_t attr_number(Dwarf_Die *die, unsigned which, bool *there) {
    Dwarf_Attribute attr;
    Dwarf_Word n;
    *there = dwarf_attr(die, which, &attr) && dwarf_formudata(&attr, &n) == 0;
    return *there ? n : 0;
}

static void place_dwarf(Dwarf_Die *member, struct part *part) {
    bool there, is_bits;
    part->off = attr_number(member, DW_AT_data_member_location, &there);
    part->size = oops_type_size(&part->type);
    uint64_t bits = attr_number(member, DW_AT_bit_size, &is_bits);
    uint64_t bit = attr_number(member, DW_AT_data_bit_offset, &there);
    if (is_bits && there) {
        part->off = bit / 8;
        part->size = bits <= 64 ? (bit % 8 + bits + 7) / 8 : 0;
    }
}

static bool part_of_dwarf(const struct oops_type *t, uint64_t off, struct part *part) {
    Dwarf_Die record = t->die, child;
    if (dwarf_child(&record, &child) != 0)
        return false;
    unsigned budget = SIBLINGS;
    do {
        if (dwarf_tag(&child) != DW_TAG_member)
            continue;
        const char *name = dwarf_diename(&child);
        part->name = name ? name : "";
        part->type = oops_type_dwarf(&child);
        place_dwarf(&child, part);
        struct oops_type plain = oops_type_strip(&part->type);
        bool flexible = part->size == 0 && plain_of(&plain) == PLAIN_ARRAY;
        if (covers(part, off, flexible))
            return true;
    } while (--budget && dwarf_siblingof(&child, &child) == 0);
    return false;
}

static bool part_of_array(const struct oops_type *t, uint64_t off, struct part *part) {
    part->type = t->from == OOPS_TYPE_BTF ? oops_type_btf(t->btf, btf_array(btf_of(t))->type) : inner_of(t);
    part->size = oops_type_size(&part->type);
    if (part->size == 0)
        return false;
    part->index = off / part->size;
    part->off = part->index * part->size;
    return true;
}

struct path {
    char s[PATH_MAX_];
    size_t len;
};

static void path_add(struct path *path, const char *s) {
    size_t n = strlen(s);
    if (n >= sizeof(path->s) - path->len)
        return;
    memcpy(path->s + path->len, s, n + 1);
    path->len += n;
}

static void path_add_part(struct path *path, const struct part *part, bool array) {
    char index[32];
    if (array) {
        int n = 0;
        uint64_t i = part->index;
        char digits[24];
        do
            digits[n++] = (char)('0' + i % 10);
        while ((i /= 10) && n < 20);
        size_t at = 0;
        index[at++] = '[';
        while (n)
            index[at++] = digits[--n];
        index[at++] = ']';
        index[at] = 0;
        path_add(path, index);
    } else if (*part->name) {
        if (path->len)
            path_add(path, ".");
        path_add(path, part->name);
    }
}

bool oops_type_member(const struct oops_type *type, uint64_t off, const struct oops_type *stop, struct oops_pool *pool,
                      struct oops_member *member) {
    struct path path = {.len = 0};
    struct oops_type at = *type;
    uint64_t size = oops_type_size(type), rest = off;
    bool padding = false;
    if (type->from == OOPS_TYPE_NONE || (size && off >= size))
        return false;
    for (unsigned depth = 0; depth < CHAIN_MAX; depth++) {
        struct oops_type plain = oops_type_strip(&at);
        enum plain kind = plain_of(&plain);
        struct part part = {.name = ""};
        if ((kind != PLAIN_RECORD && kind != PLAIN_ARRAY) || is_opaque(&at))
            break;
        if (depth && stop && stop->from != OOPS_TYPE_NONE && rest == 0 && oops_type_same(&at, stop))
            break;
        bool found = kind == PLAIN_ARRAY           ? part_of_array(&plain, rest, &part)
                     : plain.from == OOPS_TYPE_BTF ? part_of_btf(&plain, rest, &part)
                                                   : part_of_dwarf(&plain, rest, &part);
        if (!found) {
            padding = kind == PLAIN_RECORD;
            break;
        }
        path_add_part(&path, &part, kind == PLAIN_ARRAY);
        at = part.type;
        rest -= part.off;
    }
    *member = (struct oops_member){oops_pool_str(pool, path.s), at, rest, padding};
    return true;
}
