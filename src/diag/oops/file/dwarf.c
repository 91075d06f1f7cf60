/*
 * Sources: DWARF 5 sections 2.17, 3.3 and 6.1, elfutils 0.188's headers.
 *
 * Faithful: ranges, abstract origins, inlined calls, .debug_aranges with the
 * units' own ranges where those are missing. Not modelled: split DWARF
 * (.dwo, .dwp), which no distribution's kernel uses; units of types.
 */
#include "diag/oops/file/dwarf.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag/oops/file/demangle.h"
#include "diag/oops/file/ehframe.h"
#include "diag/oops/file/source.h"

#define DIES_MAX   2000000u  /* looked at for one question */
#define DIES_ALL   40000000u /* and for all of a report: a few seconds */
#define UNITS_MAX  200000u
#define PREFIX_MAX 512
#define KNOWN_MAX  16u

struct oops_dwarf {
    Elf *elf;     /* of a linked file */
    Dwfl *dwfl;   /* of a relocatable one */
    Dwarf *dwarf; /* owned unless dwfl is */
    Dwfl_Module *module;
    Dwarf_CFI *cfi[2]; /* of .debug_frame and .eh_frame; libdw's */
    bool cfi_tried;
    const struct oops_elf *file; /* a relocatable one */
    struct oops_ehframe ehframe; /* its .eh_frame */
    struct {
        Dwarf_Die cu, function;
    } known[KNOWN_MAX]; /* the functions asked for last: a unit may have 100000 entries to pass over */
    unsigned known_count, known_next;
    char prefix[PREFIX_MAX]; /* what the build put before a source file's name */
    unsigned dies_left;      /* of DIES_ALL */
    const char *source_dir;  /* where sources lie whose names are relative; NULL */
};

/* Other files are found by locate.c; libdwfl would ask debuginfod's servers. */
static int find_nothing(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base, const char *file,
                        const char *link, GElf_Word crc, char **found) {
    return -1;
}

static const Dwfl_Callbacks callbacks = {
    .find_debuginfo = find_nothing,
    .section_address = dwfl_offline_section_address,
};

/* libdwfl has laid the sections out: do as it did. */
static void take_layout(struct oops_elf *elf, Elf *theirs) {
    for (unsigned i = 1; i < elf->section_count; i++) {
        GElf_Shdr h;
        Elf_Scn *scn = elf_getscn(theirs, i);
        if (scn && gelf_getshdr(scn, &h) && (h.sh_flags & SHF_ALLOC))
            elf->sections[i].addr = h.sh_addr;
    }
}

static int open_relocatable(struct oops_dwarf *d, struct oops_elf *elf, struct err *e) {
    int fd = dup(elf->fd);
    d->dwfl = dwfl_begin(&callbacks);
    if (fd < 0 || !d->dwfl) {
        if (fd >= 0)
            close(fd);
        return err_set(e, ENOMEM, "no memory");
    }
    dwfl_report_begin(d->dwfl);
    Dwfl_Module *module = dwfl_report_offline(d->dwfl, "module", elf->path, fd);
    if (!module) {
        close(fd);
        return err_set(e, EINVAL, "libdw: %s", dwfl_errmsg(-1));
    }
    dwfl_report_end(d->dwfl, NULL, NULL);
    d->module = module;
    d->file = elf;
    GElf_Addr bias;
    d->dwarf = dwfl_module_getdwarf(module, &bias);
    Elf *theirs = dwfl_module_getelf(module, &bias);
    if (!d->dwarf || !theirs)
        return err_set(e, EINVAL, "libdw: %s", dwfl_errmsg(-1));
    take_layout(elf, theirs);
    return 0;
}

static int open_linked(struct oops_dwarf *d, const struct oops_elf *elf, struct err *e) {
    elf_version(EV_CURRENT);
    d->elf = elf_begin(elf->fd, ELF_C_READ_MMAP, NULL);
    d->dwarf = d->elf ? dwarf_begin_elf(d->elf, DWARF_C_READ, NULL) : NULL;
    return d->dwarf ? 0 : err_set(e, EINVAL, "libdw: %s", dwarf_errmsg(-1));
}

/* What libdw would unpack without a bound, or trip over, is refused. */
static int check_sections(const struct oops_elf *elf, struct err *e) {
    const struct oops_elf_section *info = oops_elf_find(elf, ".debug_info");
    if (!info)
        return err_set(e, ENOENT, "no debug information (.debug_info) in it");
    for (unsigned i = 1; i < elf->section_count; i++) {
        const struct oops_elf_section *s = &elf->sections[i];
        if (strncmp(s->name, ".debug_", 7) != 0 && strncmp(s->name, ".zdebug_", 8) != 0)
            continue;
        if (s->size && !s->data)
            return err_set(e, EINVAL, "its section %s lies outside of the file (cut?)", s->name);
        uint64_t plain = s->size;
        if ((s->flags & SHF_COMPRESSED) && s->size >= sizeof(Elf64_Chdr) && elf->is64)
            memcpy(&plain, s->data + offsetof(Elf64_Chdr, ch_size), sizeof(plain));
        if (plain > (1ull << 30))
            return err_set(e, EFBIG, "its section %s unpacks to %llu MiB", s->name, (unsigned long long)(plain >> 20));
    }
    return 0;
}

struct oops_dwarf *oops_dwarf_open(struct oops_elf *elf, struct err *e) {
    struct oops_dwarf *d = calloc(1, sizeof(*d));
    int rc = d ? check_sections(elf, e) : err_set(e, ENOMEM, "no memory");
    if (!rc)
        rc = elf->type == ET_REL ? open_relocatable(d, elf, e) : open_linked(d, elf, e);
    if (!rc) {
        oops_dwarf_refill(d);
        return d;
    }
    err_prefix(e, "%s: ", elf->path);
    oops_dwarf_free(d);
    return NULL;
}

void oops_dwarf_free(struct oops_dwarf *d) {
    if (!d)
        return;
    oops_ehframe_close(&d->ehframe);
    if (d->dwfl)
        dwfl_end(d->dwfl);
    else {
        dwarf_cfi_end(d->cfi[1]);
        if (d->dwarf)
            dwarf_end(d->dwarf);
    }
    if (d->elf)
        elf_end(d->elf);
    free(d);
}

void oops_dwarf_refill(struct oops_dwarf *d) {
    d->dies_left = DIES_ALL;
}

bool oops_dwarf_spend(struct oops_dwarf *d) {
    if (!d->dies_left)
        return false;
    d->dies_left--;
    return true;
}

Dwarf *oops_dwarf_handle(struct oops_dwarf *d) {
    return d->dwarf;
}

/* Addresses are ours in both cases: libdwfl's layout is that of the sections, a linked file has no bias. */
static void find_rules(struct oops_dwarf *d) {
    Dwarf_Addr bias;
    if (d->cfi_tried)
        return;
    d->cfi_tried = true;
    d->cfi[0] = d->module ? dwfl_module_dwarf_cfi(d->module, &bias) : dwarf_getcfi(d->dwarf);
    if (d->module)
        oops_ehframe_open(&d->ehframe, d->file);
    d->cfi[1] = d->module ? d->ehframe.cfi : dwarf_getcfi_elf(d->elf);
}

bool oops_dwarf_frame(struct oops_dwarf *d, uint64_t addr, Dwarf_Frame **frame) {
    find_rules(d);
    for (unsigned i = 0; i < 2; i++)
        if (d->cfi[i] && dwarf_cfi_addrframe(d->cfi[i], addr, frame) == 0)
            return true;
    return false;
}

/* The unit of an address: by the table of addresses, else by asking every unit. */
static bool unit_of(struct oops_dwarf *d, uint64_t addr, Dwarf_Die *cu) {
    if (dwarf_addrdie(d->dwarf, addr, cu) && dwarf_haspc(cu, addr) > 0)
        return true;
    Dwarf_CU *unit = NULL;
    uint8_t type;
    Dwarf_Die sub;
    for (unsigned i = 0; i < UNITS_MAX && oops_dwarf_spend(d); i++) {
        if (dwarf_get_units(d->dwarf, unit, &unit, NULL, &type, cu, &sub) != 0)
            break;
        if (type == DW_UT_compile && dwarf_haspc(cu, addr) > 0)
            return true;
    }
    return false;
}

static bool is_scope(int tag) {
    return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block;
}

/* The child of `die` that covers the address. */
static bool step_in(struct oops_dwarf *d, Dwarf_Die *die, uint64_t addr, unsigned *budget, Dwarf_Die *inner) {
    Dwarf_Die child;
    if (dwarf_child(die, &child) != 0)
        return false;
    do {
        if (!*budget || !oops_dwarf_spend(d))
            return false;
        --*budget;
        if (is_scope(dwarf_tag(&child)) && dwarf_haspc(&child, addr) > 0) {
            *inner = child;
            return true;
        }
    } while (dwarf_siblingof(&child, &child) == 0);
    return false;
}

/* The function at an address, and its unit. */
static bool function_of(struct oops_dwarf *d, uint64_t addr, unsigned *budget, Dwarf_Die *cu, Dwarf_Die *function) {
    for (unsigned i = 0; i < d->known_count; i++)
        if (dwarf_haspc(&d->known[i].function, addr) > 0) {
            *cu = d->known[i].cu;
            *function = d->known[i].function;
            return true;
        }
    if (!unit_of(d, addr, cu) || !step_in(d, cu, addr, budget, function))
        return false;
    unsigned slot = d->known_next++ % KNOWN_MAX;
    d->known[slot].cu = *cu;
    d->known[slot].function = *function;
    d->known_count = d->known_next < KNOWN_MAX ? d->known_next : KNOWN_MAX;
    return true;
}

bool oops_dwarf_scopes(struct oops_dwarf *d, uint64_t addr, struct oops_scopes *scopes) {
    Dwarf_Die chain[OOPS_SCOPES_MAX], at;
    unsigned depth = 1, budget = DIES_MAX;
    scopes->count = 0;
    if (!function_of(d, addr, &budget, &scopes->cu, &chain[0]))
        return false;
    at = chain[0];
    while (depth < OOPS_SCOPES_MAX && step_in(d, &at, addr, &budget, &chain[depth]))
        at = chain[depth++];
    for (unsigned i = 0; i < depth; i++)
        scopes->die[i] = chain[depth - 1 - i];
    scopes->count = depth;
    return depth > 0;
}

static uint64_t number_of(Dwarf_Die *die, unsigned name) {
    Dwarf_Attribute attr;
    Dwarf_Word value;
    return dwarf_attr(die, name, &attr) && dwarf_formudata(&attr, &value) == 0 ? value : 0;
}

void oops_dwarf_set_prefix(struct oops_dwarf *d, uint64_t start_kernel) {
    Dwarf_Die cu;
    if (!unit_of(d, start_kernel, &cu))
        return;
    const char *name = dwarf_diename(&cu);
    size_t len = name ? strlen(name) : 0, tail = strlen("init/main.c");
    if (len > tail && len - tail < PREFIX_MAX && strcmp(name + len - tail, "init/main.c") == 0)
        memcpy(d->prefix, name, len - tail);
}

/* "a/./b/../c" as "a/c": comp_dir and names relative to it are glued together by the compiler. */
static void tidy(char *path) {
    char *out = path;
    for (char *in = path; *in;) {
        bool start = in == path || in[-1] == '/';
        if (start && strncmp(in, "./", 2) == 0) {
            in += 2;
        } else if (start && strncmp(in, "../", 3) == 0 && out > path + 1 && out[-1] == '/') {
            char *up = out - 1;
            while (up > path && up[-1] != '/')
                up--;
            bool parent = strncmp(up, "../", 3) == 0;
            if (parent)
                *out++ = *in++;
            else
                out = up, in += 3;
        } else {
            *out++ = *in++;
        }
    }
    *out = 0;
}

const char *oops_dwarf_source(struct oops_dwarf *d, struct oops_pool *pool, const char *file) {
    char path[1024];
    size_t prefix = strlen(d->prefix), len = strlen(file);
    if (prefix && strncmp(file, d->prefix, prefix) == 0)
        file += prefix, len -= prefix;
    if (len >= sizeof(path))
        return oops_pool_str(pool, file);
    memcpy(path, file, len + 1);
    tidy(path);
    return oops_pool_str(pool, path);
}

static const char *call_file(Dwarf_Die *cu, Dwarf_Die *inlined) {
    Dwarf_Files *files;
    size_t count;
    uint64_t i = number_of(inlined, DW_AT_call_file);
    if (dwarf_getsrcfiles(cu, &files, &count) != 0 || i >= count)
        return NULL;
    return dwarf_filesrc(files, i, NULL, NULL);
}

static const char *name_of(Dwarf_Die *die) {
    Dwarf_Attribute attr;
    const char *name = dwarf_attr_integrate(die, DW_AT_name, &attr) ? dwarf_formstring(&attr) : NULL;
    return name ? name : "";
}

/* With its namespaces, where the language has them. */
static const char *function_name(Dwarf_Die *die, struct oops_pool *pool) {
    Dwarf_Attribute attr;
    const char *linkage = dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) ? dwarf_formstring(&attr) : NULL;
    const char *whole = linkage ? oops_demangle(pool, linkage) : NULL;
    return oops_pool_str(pool, whole && whole != linkage ? whole : name_of(die));
}

struct spot {
    const char *file;
    unsigned line, column;
};

static struct spot spot_of(Dwarf_Die *cu, uint64_t addr) {
    struct spot spot = {0};
    Dwarf_Line *line = dwarf_getsrc_die(cu, addr);
    int n = 0;
    if (!line)
        return spot;
    spot.file = dwarf_linesrc(line, NULL, NULL);
    spot.line = dwarf_lineno(line, &n) == 0 && n > 0 ? (unsigned)n : 0;
    spot.column = dwarf_linecol(line, &n) == 0 && n > 0 ? (unsigned)n : 0;
    return spot;
}

void oops_dwarf_set_source(struct oops_dwarf *d, const char *dir) {
    d->source_dir = dir;
}

/* By the name below the folder that the user gave, else where the compiler found it. */
static const char *text_of(const struct oops_dwarf *d, struct oops_pool *pool, const char *raw, const char *shown,
                           unsigned line) {
    const char *text = d->source_dir && *shown ? oops_source_line(pool, d->source_dir, shown, line) : "";
    return *text || !raw ? text : oops_source_line(pool, NULL, raw, line);
}

unsigned oops_dwarf_places(struct oops_dwarf *d, uint64_t addr, struct oops_pool *pool, struct oops_place **places) {
    struct oops_scopes scopes;
    unsigned count = 0;
    *places = NULL;
    if (!oops_dwarf_scopes(d, addr, &scopes))
        return 0;
    struct spot spot = spot_of(&scopes.cu, addr);
    for (unsigned i = 0; i < scopes.count; i++) {
        int tag = dwarf_tag(&scopes.die[i]);
        if (tag == DW_TAG_lexical_block)
            continue;
        struct oops_place *place = oops_pool_push(pool, places, &count, sizeof(*place), OOPS_SCOPES_MAX);
        if (!place)
            break;
        place->function = function_name(&scopes.die[i], pool);
        place->file = spot.file ? oops_dwarf_source(d, pool, spot.file) : "";
        place->text = text_of(d, pool, spot.file, place->file, spot.line);
        place->line = spot.line;
        place->column = spot.column;
        place->inlined = tag == DW_TAG_inlined_subroutine;
        spot.file = call_file(&scopes.cu, &scopes.die[i]);
        spot.line = (unsigned)number_of(&scopes.die[i], DW_AT_call_line);
        spot.column = (unsigned)number_of(&scopes.die[i], DW_AT_call_column);
    }
    return count;
}

bool oops_dwarf_function(struct oops_dwarf *d, uint64_t addr, Dwarf_Die *die, Dwarf_Die *cu) {
    struct oops_scopes scopes;
    if (!oops_dwarf_scopes(d, addr, &scopes))
        return false;
    *die = scopes.die[scopes.count - 1];
    *cu = scopes.cu;
    return dwarf_tag(die) == DW_TAG_subprogram;
}
