/*
 * Sources: LSB 5.0 section 10.6 for .eh_frame, the psABIs of x86-64 and AArch64
 * for relocations, dwarf_getcfi_elf() of elfutils 0.188 for what it asks of a file.
 */
#include "diag/oops/file/ehframe.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_MAX_ (4u << 20) /* of a module: many times what there is */

static const char names[] = "\0.eh_frame\0.shstrtab";

/* Width of the field and whether it counts from its own place; 0: a relocation that these sections don't have. */
static unsigned field_of(uint16_t machine, uint32_t type, bool *relative) {
    *relative = false;
    if (machine == EM_X86_64) {
        *relative = type == R_X86_64_PC32 || type == R_X86_64_PC64;
        return type == R_X86_64_PC32 || type == R_X86_64_32 || type == R_X86_64_32S ? 4
               : type == R_X86_64_PC64 || type == R_X86_64_64                       ? 8
                                                                                    : 0;
    }
    *relative = type == R_AARCH64_PREL32 || type == R_AARCH64_PREL64;
    return type == R_AARCH64_PREL32 || type == R_AARCH64_ABS32   ? 4
           : type == R_AARCH64_PREL64 || type == R_AARCH64_ABS64 ? 8
                                                                 : 0;
}

static void relocate(const struct oops_elf *elf, const struct oops_elf_section *s, uint8_t *data) {
    unsigned count = 0, room = (unsigned)(s->size / 4) + 1;
    const struct oops_elf_section *symtab = oops_elf_symtab(elf, &count);
    struct oops_elf_reloc *relocs = symtab ? calloc(room, sizeof(*relocs)) : NULL;
    unsigned n = relocs ? oops_elf_relocs(elf, s->addr, s->size, relocs, room) : 0;
    for (unsigned i = 0; i < n; i++) {
        struct oops_elf_symbol sym;
        bool relative;
        uint64_t at = relocs[i].addr - s->addr;
        unsigned width = field_of(elf->machine, relocs[i].type, &relative);
        if (!width || at > s->size || s->size - at < width || !oops_elf_symbol(elf, symtab, relocs[i].symbol, &sym))
            continue;
        uint64_t value = sym.value + (uint64_t)relocs[i].addend - (relative ? relocs[i].addr : 0);
        memcpy(data + at, &value, width); /* both machines and this file's reader are little-endian */
    }
    free(relocs);
}

/* A file that has the section at its address: header, contents, names, section headers. */
static size_t write_file(const struct oops_elf *elf, const struct oops_elf_section *s, uint8_t **image) {
    size_t data = sizeof(Elf64_Ehdr), strings = data + s->size, table = (strings + sizeof(names) + 7) / 8 * 8;
    size_t size = table + 3 * sizeof(Elf64_Shdr);
    uint8_t *p = calloc(1, size);
    if (!p)
        return 0;
    Elf64_Ehdr h = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                    .e_type = ET_DYN,
                    .e_machine = elf->machine,
                    .e_version = EV_CURRENT,
                    .e_shoff = table,
                    .e_ehsize = sizeof(h),
                    .e_shentsize = sizeof(Elf64_Shdr),
                    .e_shnum = 3,
                    .e_shstrndx = 2};
    Elf64_Shdr sections[3] = {
        {.sh_type = SHT_NULL},
        {.sh_name = 1,
         .sh_type = SHT_PROGBITS,
         .sh_flags = SHF_ALLOC,
         .sh_addr = s->addr,
         .sh_offset = data,
         .sh_size = s->size,
         .sh_addralign = 8},
        {.sh_name = 11, .sh_type = SHT_STRTAB, .sh_offset = strings, .sh_size = sizeof(names), .sh_addralign = 1}};
    memcpy(p, &h, sizeof(h));
    memcpy(p + data, s->data, s->size);
    relocate(elf, s, p + data);
    memcpy(p + strings, names, sizeof(names));
    memcpy(p + table, sections, sizeof(sections));
    *image = p;
    return size;
}

void oops_ehframe_open(struct oops_ehframe *e, const struct oops_elf *elf) {
    const struct oops_elf_section *s = oops_elf_find(elf, ".eh_frame");
    *e = (struct oops_ehframe){0};
    bool known = elf->is64 && (elf->machine == EM_X86_64 || elf->machine == EM_AARCH64);
    if (!known || !s || !s->data || !s->addr || s->size < 8 || s->size > SIZE_MAX_)
        return;
    size_t size = write_file(elf, s, &e->image);
    e->elf = size ? elf_memory((char *)e->image, size) : NULL;
    e->cfi = e->elf ? dwarf_getcfi_elf(e->elf) : NULL;
}

void oops_ehframe_close(struct oops_ehframe *e) {
    dwarf_cfi_end(e->cfi);
    if (e->elf)
        elf_end(e->elf);
    free(e->image);
    *e = (struct oops_ehframe){0};
}
