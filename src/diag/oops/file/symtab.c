/*
 * Source: kernel/kallsyms.c and kernel/module/kallsyms.c of Linux 6.1 for their
 * behaviour: the size printed is the distance to the next symbol, of whatever
 * kind; the last one of a module's text ends where its pages do.
 */
#include "diag/oops/file/symtab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void oops_symtab_init(struct oops_symtab *table) {
    *table = (struct oops_symtab){0};
}

void oops_symtab_release(struct oops_symtab *table) {
    free(table->syms);
    free(table->buckets);
    free(table->next);
    free(table->strings);
    *table = (struct oops_symtab){0};
}

int oops_symtab_add(struct oops_symtab *table, const struct oops_sym *sym) {
    if (table->count == table->room) {
        unsigned room = table->room ? table->room * 2 : 4096;
        struct oops_sym *syms = realloc(table->syms, (size_t)room * sizeof(*syms));
        if (!syms)
            return -ENOMEM;
        table->syms = syms;
        table->room = room;
    }
    table->syms[table->count++] = *sym;
    return 0;
}

static int order(const void *a, const void *b) {
    const struct oops_sym *x = a, *y = b;
    if (x->addr != y->addr)
        return x->addr < y->addr ? -1 : 1;
    return strcmp(x->name, y->name);
}

static uint32_t hash(const char *name) {
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return h;
}

static int index_names(struct oops_symtab *table) {
    unsigned buckets = 1024;
    while (buckets < table->count)
        buckets *= 2;
    table->buckets = calloc(buckets, sizeof(*table->buckets));
    table->next = calloc(table->count ? table->count : 1, sizeof(*table->next));
    if (!table->buckets || !table->next)
        return -ENOMEM;
    table->bucket_count = buckets;
    for (unsigned i = table->count; i-- > 0;) {
        uint32_t *bucket = &table->buckets[hash(table->syms[i].name) & (buckets - 1)];
        table->next[i] = *bucket;
        *bucket = i + 1;
    }
    return 0;
}

static uint64_t section_end(const struct oops_elf *elf, const struct oops_sym *sym) {
    if (!elf)
        return sym->addr;
    const struct oops_elf_section *s =
        sym->section && sym->section < elf->section_count ? &elf->sections[sym->section] : NULL;
    return s && sym->addr >= s->addr && sym->addr - s->addr <= s->size ? s->addr + s->size : sym->addr;
}

static void measure(struct oops_symtab *table, const struct oops_elf *elf) {
    uint64_t next_addr = 0;
    uint16_t next_section = 0;
    for (unsigned i = table->count; i-- > 0;) {
        struct oops_sym *sym = &table->syms[i];
        bool same = i + 1 < table->count && table->syms[i + 1].addr == sym->addr;
        if (!same && i + 1 < table->count) {
            next_addr = table->syms[i + 1].addr;
            next_section = table->syms[i + 1].section;
        }
        sym->last = next_addr == 0 || next_section != sym->section;
        sym->span = sym->last ? section_end(elf, sym) - sym->addr : next_addr - sym->addr;
    }
}

int oops_symtab_finish(struct oops_symtab *table, const struct oops_elf *elf) {
    if (table->count)
        qsort(table->syms, table->count, sizeof(*table->syms), order);
    measure(table, elf);
    return index_names(table);
}

/* Symbols that kallsyms has, roughly: no files and sections, no marks of the compiler and the assembler. */
static bool counts(const struct oops_elf *elf, const struct oops_elf_symbol *s) {
    if (s->type != STT_NOTYPE && s->type != STT_FUNC && s->type != STT_OBJECT && s->type != STT_GNU_IFUNC)
        return false;
    if (s->section == SHN_UNDEF || s->section >= elf->section_count || !*s->name)
        return false;
    return s->name[0] != '$' && strncmp(s->name, ".L", 2) != 0 && strncmp(s->name, "__crc_", 6) != 0;
}

int oops_symtab_read(struct oops_symtab *table, const struct oops_elf *elf) {
    unsigned count = 0;
    const struct oops_elf_section *symtab = oops_elf_symtab(elf, &count);
    for (unsigned i = 1; symtab && i < count; i++) {
        struct oops_elf_symbol s;
        if (!oops_elf_symbol(elf, symtab, i, &s))
            break;
        struct oops_sym sym = {.name = s.name,
                               .addr = s.value,
                               .size = s.size,
                               .section = s.section,
                               .type = s.type,
                               .bind = s.bind,
                               .thumb = s.thumb};
        if (counts(elf, &s) && oops_symtab_add(table, &sym) != 0)
            return -ENOMEM;
    }
    return oops_symtab_finish(table, elf);
}

unsigned oops_symtab_named(const struct oops_symtab *table, const char *name, const struct oops_sym **found,
                           unsigned max) {
    unsigned count = 0;
    if (!table->bucket_count)
        return 0;
    for (uint32_t i = table->buckets[hash(name) & (table->bucket_count - 1)]; i; i = table->next[i - 1]) {
        const struct oops_sym *sym = &table->syms[i - 1];
        if (strcmp(sym->name, name) != 0)
            continue;
        if (count < max)
            found[count] = sym;
        count++;
    }
    return count;
}

/* Of names for one place: a function's own (local) one rather than init_module, never a mark without a size. */
static int telling(const struct oops_sym *sym) {
    if (strncmp(sym->name, "__pfx_", 6) == 0)
        return 0;
    int points = sym->type == STT_FUNC ? 4 : sym->type == STT_OBJECT ? 3 : 1;
    bool alias = strcmp(sym->name, "init_module") == 0 || strcmp(sym->name, "cleanup_module") == 0;
    return points * 2 + (alias ? 0 : 1);
}

const struct oops_sym *oops_symtab_at(const struct oops_symtab *table, uint64_t addr) {
    unsigned low = 0, high = table->count;
    while (low < high) { /* the first above addr */
        unsigned mid = low + (high - low) / 2;
        if (table->syms[mid].addr <= addr)
            low = mid + 1;
        else
            high = mid;
    }
    const struct oops_sym *best = NULL;
    for (unsigned i = low; i-- > 0 && table->syms[i].addr == table->syms[low - 1].addr;) {
        const struct oops_sym *sym = &table->syms[i];
        bool covers = addr - sym->addr < sym->span || addr == sym->addr;
        if (covers && (!best || telling(sym) > telling(best)))
            best = sym;
    }
    return best;
}

enum oops_fit oops_sym_fit(const struct oops_sym *sym, uint64_t off, uint64_t size) {
    if (off > size)
        return OOPS_FIT_NONE;
    if (size == sym->span)
        return OOPS_FIT_SPAN;
    if (sym->size && size == sym->size)
        return OOPS_FIT_ELF_SIZE;
    bool whole = off <= (sym->size ? sym->size : sym->span);
    return sym->last && whole && size >= sym->size ? OOPS_FIT_ROUNDED : OOPS_FIT_NONE;
}
