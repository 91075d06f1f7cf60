/*
 * Sources: gdb's manual, "Debugging Information in Separate Files", for where
 * debug files lie; Documentation/kbuild/modules.rst of Linux.
 */
#include "diag/oops/file/object.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "diag/oops/file/kallsyms.h"

#define NAME_MAX_  128
#define PATH_BYTES 1024

bool oops_module_name(const char *path, char *name, size_t size) {
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    const char *end = strstr(base, ".ko");
    size_t len = end ? (size_t)(end - base) : 0;
    if (len == 0 || len >= size)
        return false;
    for (size_t i = 0; i < len; i++)
        name[i] = base[i] == '-' ? '_' : base[i];
    name[len] = 0;
    return true;
}

static bool same_build(const struct oops_elf *a, const struct oops_elf *b) {
    return a->build_id_len && a->build_id_len == b->build_id_len &&
           memcmp(a->build_id, b->build_id, a->build_id_len) == 0;
}

/* A debug file that is there, has debug information and the same build id. */
static struct oops_elf *try_debug(const struct oops_elf *elf, const char *path) {
    struct err e = {0};
    if (access(path, R_OK) != 0 || strcmp(path, elf->path) == 0)
        return NULL;
    struct oops_elf *debug = oops_elf_open(path, &e);
    if (debug && (!same_build(elf, debug) || !oops_elf_find(debug, ".debug_info"))) {
        oops_elf_free(debug);
        debug = NULL;
    }
    return debug;
}

static struct oops_elf *debug_by_id(const struct oops_elf *elf, const char *dir) {
    char path[PATH_BYTES], hex[2 * OOPS_BUILD_ID_MAX + 1];
    if (elf->build_id_len < 2)
        return NULL;
    for (unsigned i = 0; i < elf->build_id_len; i++)
        snprintf(hex + 2 * i, 3, "%02x", elf->build_id[i]);
    snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", dir, hex, hex + 2);
    return try_debug(elf, path);
}

static struct oops_elf *debug_by_link(const struct oops_elf *elf, const char *dir) {
    const struct oops_elf_section *s = oops_elf_find(elf, ".gnu_debuglink");
    const char *link = s && s->data && s->size > 4 && memchr(s->data, 0, s->size) ? (const char *)s->data : NULL;
    const char *slash = strrchr(elf->path, '/');
    int folder = slash ? (int)(slash - elf->path) : 0;
    char path[PATH_BYTES];
    if (!link || !*link || strchr(link, '/'))
        return NULL;
    struct oops_elf *found = NULL;
    for (unsigned i = 0; !found && i < 2; i++) {
        if (i == 0)
            snprintf(path, sizeof(path), "%s%.*s/%s", dir, folder, elf->path, link);
        else
            snprintf(path, sizeof(path), "%s%.*s/.debug/%s", dir, folder, elf->path, link);
        found = try_debug(elf, path);
    }
    return found;
}

static struct oops_elf *find_debug(const struct oops_elf *elf, const char *const *dirs) {
    struct oops_elf *found = debug_by_link(elf, "");
    for (unsigned i = 0; !found && dirs && dirs[i]; i++) {
        found = debug_by_id(elf, dirs[i]);
        if (!found)
            found = debug_by_link(elf, dirs[i]);
    }
    return found;
}

/* Sections of a stripped relocatable file lie where those of its debug file were laid out. */
static void follow_layout(struct oops_elf *elf, const struct oops_elf *debug) {
    for (unsigned i = 1; i < elf->section_count; i++) {
        const struct oops_elf_section *s = oops_elf_find(debug, elf->sections[i].name);
        if (s && (s->flags & SHF_ALLOC))
            elf->sections[i].addr = s->addr;
    }
}

static int open_parts(struct oops_object *o, const char *const *dirs, struct err *e) {
    struct err why = {0};
    o->debug = oops_elf_find(o->elf, ".debug_info") ? o->elf : find_debug(o->elf, dirs);
    if (!o->debug)
        o->debug = o->elf;
    o->dwarf = oops_dwarf_open(o->debug, &why);
    snprintf(o->why, sizeof(o->why), "%s", why.text);
    if (o->debug != o->elf && o->elf->type == ET_REL)
        follow_layout(o->elf, o->debug);
    int rc = oops_symtab_read(&o->symtab, o->debug);
    if (!rc && o->symtab.count == 0) {
        oops_symtab_release(&o->symtab);
        rc = oops_kallsyms_read(o->elf, &o->symtab);
        o->from_kallsyms = !rc;
        if (!rc && o->elf->image)
            oops_object_place_image(o);
        if (rc == -ENOENT)
            rc = oops_symtab_finish(&o->symtab, NULL);
    }
    return rc ? err_set(e, -rc, "%s: its symbols cannot be read: %s", o->elf->path, strerror(-rc)) : 0;
}

struct oops_object *oops_object_open(const char *path, const char *name, const char *const *dirs, struct err *e) {
    struct oops_object *o = calloc(1, sizeof(*o));
    if (!o || !(o->name = strdup(name))) {
        free(o);
        err_set(e, ENOMEM, "no memory");
        return NULL;
    }
    o->elf = oops_elf_open(path, e);
    if (!o->elf || open_parts(o, dirs, e) != 0) {
        oops_object_free(o);
        return NULL;
    }
    o->flow = oops_flow_of(o->elf->machine);
    const struct oops_sym *start;
    if (o->dwarf && oops_symtab_named(&o->symtab, "start_kernel", &start, 1) == 1)
        oops_dwarf_set_prefix(o->dwarf, start->addr);
    return o;
}

void oops_object_free(struct oops_object *o) {
    if (!o)
        return;
    btf__free(o->btf);
    oops_dwarf_free(o->dwarf);
    oops_symtab_release(&o->symtab);
    if (o->debug != o->elf)
        oops_elf_free(o->debug);
    oops_elf_free(o->elf);
    free(o->name);
    free(o);
}

/* libbpf takes types that build on others from a file only. */
static struct btf *split_btf(const struct oops_elf_section *s, struct btf *base) {
    char path[64];
    struct btf *btf = NULL;
    int fd = memfd_create("drivelab-btf", MFD_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (fd >= 0 && write(fd, s->data, s->size) == (ssize_t)s->size)
        btf = btf__parse_raw_split(path, base);
    if (fd >= 0)
        close(fd);
    return btf;
}

struct btf *oops_object_btf(struct oops_object *o, struct oops_object *kernel) {
    const struct oops_elf_section *s = oops_elf_find(o->elf, ".BTF");
    if (o->btf || !s || !s->data || s->size > UINT32_MAX)
        return o->btf;
    struct btf *base = kernel && kernel != o ? oops_object_btf(kernel, kernel) : NULL;
    o->btf = base ? split_btf(s, base) : btf__new(s->data, (uint32_t)s->size);
    return o->btf;
}

const uint8_t *oops_object_code(const struct oops_object *o, uint64_t addr, size_t len, size_t *got) {
    const uint8_t *code = oops_elf_bytes(o->elf, addr, len, got);
    return code || o->debug == o->elf ? code : oops_elf_bytes(o->debug, addr, len, got);
}

const uint8_t *oops_object_body(const struct oops_object *o, const struct oops_sym *sym, size_t *len) {
    uint64_t size = sym->span ? sym->span : sym->size;
    return oops_object_code(o, sym->addr, size > (1u << 20) ? 1u << 20 : (size_t)size, len);
}

/* Addends count from where the processor does: behind the instruction, on arm from the one after next (Thumb: from 4
 * on). */
static int64_t from_next(const struct oops_elf *elf, const struct oops_elf_reloc *r, uint64_t insn,
                         const struct oops_step *step) {
    bool x86 = (elf->machine == EM_X86_64 && (r->type == R_X86_64_PC32 || r->type == R_X86_64_PLT32)) ||
               (elf->machine == EM_386 && (r->type == R_386_PC32 || r->type == R_386_PLT32));
    bool arm = elf->machine == EM_ARM && (r->type == R_ARM_CALL || r->type == R_ARM_JUMP24 || r->type == R_ARM_PC24);
    bool thumb = elf->machine == EM_ARM &&
                 (r->type == R_ARM_THM_PC22 || r->type == R_ARM_THM_JUMP24 || r->type == R_ARM_THM_JUMP19);
    return x86 ? (int64_t)(insn + step->len - r->addr) : arm ? 8 : thumb ? 4 : 0;
}

bool oops_object_refers(const struct oops_object *o, uint64_t insn, const struct oops_step *step,
                        struct oops_reference *ref) {
    struct oops_elf_reloc r;
    struct oops_elf_symbol sym;
    unsigned count;
    uint64_t len = step->width ? step->width : step->len, at = insn + (step->width ? step->field : 0);
    if (o->elf->type != ET_REL || oops_elf_relocs(o->elf, at, len, &r, 1) != 1)
        return false;
    const struct oops_elf_section *symtab = oops_elf_symtab(o->elf, &count);
    if (!symtab || !oops_elf_symbol(o->elf, symtab, r.symbol, &sym))
        return false;
    ref->addend = r.addend + from_next(o->elf, &r, insn, step);
    ref->outside = sym.section == SHN_UNDEF;
    ref->name = sym.type == STT_SECTION ? "" : sym.name;
    ref->addr = sym.value + (uint64_t)ref->addend;
    return true;
}
