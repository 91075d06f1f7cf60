/*
 * ELF files as the kernel's build leaves them: vmlinux (linked, with or without
 * debug information), modules (relocatable), split debug files, and the bare
 * images of arm64 and riscv. Compressed ones and vmlinuz are unpacked on opening. Everything in them is checked against
 * the file's size before use.
 *
 * Relocatable files have no addresses: their sections get some here, side by
 * side, so that an address names one byte of the file in either case.
 *
 * Simplified: little-endian files only. Not thread-safe.
 */
#ifndef DRIVELAB_DIAG_OOPS_FILE_ELF_H
#define DRIVELAB_DIAG_OOPS_FILE_ELF_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define OOPS_BUILD_ID_MAX 32

struct oops_elf_section {
    const char *name;
    uint32_t type, link, info;
    uint64_t flags, addr, size, entsize, align;
    const uint8_t *data; /* `size` bytes; NULL: none in the file, or outside of it */
};

struct oops_elf {
    char *path;
    int fd;
    const uint8_t *map;
    size_t size;
    bool is64;
    uint16_t machine, type; /* e_machine, ET_REL and so on */
    bool image;             /* no ELF file: what arm64 and riscv boot; sections .image and perhaps .BTF */
    struct oops_elf_section *sections;
    unsigned section_count;
    uint8_t build_id[OOPS_BUILD_ID_MAX];
    unsigned build_id_len;
};

/* A symbol as it stands in the table. */
struct oops_elf_symbol {
    const char *name;
    uint64_t value, size; /* value: an address, in relocatable files too */
    uint16_t section;     /* SHN_UNDEF and so on are possible */
    uint8_t type, bind;
    bool thumb; /* 32-bit Arm: a function in Thumb code, whose value's lowest bit was set */
};

struct oops_elf_reloc {
    uint64_t addr;
    uint32_t type, symbol;
    int64_t addend;
};

/* NULL with `e` filled: not there, no ELF file, not of a kind that is read here. */
struct oops_elf *oops_elf_open(const char *path, struct err *e);
struct oops_elf *oops_elf_from_fd(int fd, const char *path, struct err *e); /* takes fd */
void oops_elf_free(struct oops_elf *elf);

/* Where an image's first byte is linked to. */
void oops_elf_place_image(struct oops_elf *elf, uint64_t addr);

const struct oops_elf_section *oops_elf_find(const struct oops_elf *elf, const char *name);
/* The loaded section that holds the byte at `addr`, or NULL. */
const struct oops_elf_section *oops_elf_section_at(const struct oops_elf *elf, uint64_t addr);
/* Up to `len` bytes of the file at `addr`; fewer are there: `*got`. NULL: none. */
const uint8_t *oops_elf_bytes(const struct oops_elf *elf, uint64_t addr, size_t len, size_t *got);

/* The symbol table (.symtab): NULL if there is none. Then its entries, by number. */
const struct oops_elf_section *oops_elf_symtab(const struct oops_elf *elf, unsigned *count);
bool oops_elf_symbol(const struct oops_elf *elf, const struct oops_elf_section *symtab, unsigned i,
                     struct oops_elf_symbol *sym);

/*
 * Relocations of the section that holds `addr` whose place lies in [addr, addr + len):
 * up to `max` into `relocs`, returns how many. Also those that a linked vmlinux keeps (--emit-relocs).
 */
unsigned oops_elf_relocs(const struct oops_elf *elf, uint64_t addr, uint64_t len, struct oops_elf_reloc *relocs,
                         unsigned max);

#endif
