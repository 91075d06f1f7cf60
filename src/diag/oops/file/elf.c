/*
 * Sources: the System V ABI (gABI 4.1, chapters 4 and 5), elf(5).
 *
 * Faithful: sections, symbols, RELA and REL entries, build id notes. Simplified:
 * extended section numbering is read for the count alone (vmlinux has far fewer
 * than 65280 sections); symbols of such sections are left out.
 */
#include "diag/oops/file/elf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag/oops/file/unpack.h"

#define SECTIONS_MAX    65280u
#define LAYOUT_BASE     0x10000u
#define LAYOUT_GAP      16u
#define IMAGE_TYPES_MIN 4096u /* bytes of a kernel's BTF */
#define FILE_MAX        (8ull << 30)
#define SYMBOLS_MAX     (16u << 20)
#define LAYOUT_LIMIT    (1ull << 40)
#define ALIGN_MAX       (1u << 21)

static bool inside(const struct oops_elf *elf, uint64_t off, uint64_t len) {
    return off <= elf->size && len <= elf->size - off;
}

/* A string of a string table; "" if it is not a whole one. */
static const char *string_at(const struct oops_elf_section *strings, uint64_t off) {
    if (!strings || !strings->data || strings->type != SHT_STRTAB || off >= strings->size)
        return "";
    const char *s = (const char *)strings->data + off;
    return memchr(s, 0, strings->size - off) ? s : "";
}

static void section64(const Elf64_Shdr *h, struct oops_elf_section *s, uint64_t *off) {
    *s = (struct oops_elf_section){.type = h->sh_type,
                                   .link = h->sh_link,
                                   .info = h->sh_info,
                                   .flags = h->sh_flags,
                                   .addr = h->sh_addr,
                                   .size = h->sh_size,
                                   .entsize = h->sh_entsize,
                                   .align = h->sh_addralign};
    *off = h->sh_offset;
}

static void section32(const Elf32_Shdr *h, struct oops_elf_section *s, uint64_t *off) {
    *s = (struct oops_elf_section){.type = h->sh_type,
                                   .link = h->sh_link,
                                   .info = h->sh_info,
                                   .flags = h->sh_flags,
                                   .addr = h->sh_addr,
                                   .size = h->sh_size,
                                   .entsize = h->sh_entsize,
                                   .align = h->sh_addralign};
    *off = h->sh_offset;
}

static uint32_t read_section(const struct oops_elf *elf, uint64_t table, unsigned i, struct oops_elf_section *s) {
    uint64_t off;
    uint32_t name;
    if (elf->is64) {
        Elf64_Shdr h;
        memcpy(&h, elf->map + table + (uint64_t)i * sizeof(h), sizeof(h));
        section64(&h, s, &off);
        name = h.sh_name;
    } else {
        Elf32_Shdr h;
        memcpy(&h, elf->map + table + (uint64_t)i * sizeof(h), sizeof(h));
        section32(&h, s, &off);
        name = h.sh_name;
    }
    if (s->type != SHT_NOBITS && s->type != SHT_NULL && inside(elf, off, s->size))
        s->data = elf->map + off;
    return name;
}

static int read_sections(struct oops_elf *elf, uint64_t table, unsigned count, unsigned names, struct err *e) {
    size_t each = elf->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
    if (count == 0 && inside(elf, table, each)) { /* the count is in the first entry */
        struct oops_elf_section first;
        read_section(elf, table, 0, &first);
        count = first.size <= SECTIONS_MAX ? (unsigned)first.size : 0;
    }
    if (count == 0 || count > SECTIONS_MAX || table == 0)
        return err_set(e, EINVAL, "its ELF header names no table of sections, or none that can be");
    if (!inside(elf, table, (uint64_t)count * each))
        return err_set(e, EINVAL, "it is cut: its %u section headers are at byte %llu, and it ends at byte %zu", count,
                       (unsigned long long)table, elf->size);
    elf->sections = calloc(count, sizeof(*elf->sections));
    uint32_t *name = calloc(count, sizeof(*name));
    if (!elf->sections || !name) {
        free(name);
        return err_set(e, ENOMEM, "no memory");
    }
    elf->section_count = count;
    for (unsigned i = 0; i < count; i++)
        name[i] = read_section(elf, table, i, &elf->sections[i]);
    const struct oops_elf_section *strings = names < count ? &elf->sections[names] : NULL;
    for (unsigned i = 0; i < count; i++)
        elf->sections[i].name = string_at(strings, name[i]);
    free(name);
    return 0;
}

/* Types of the kernel: its header, types, strings; no section header says where. */
static void find_btf(struct oops_elf *elf, struct oops_elf_section *btf) {
    static const uint8_t magic[] = {0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0};
    const uint8_t *at = elf->map, *end = elf->map + elf->size;
    while ((at = memmem(at, (size_t)(end - at), magic, sizeof(magic)))) {
        uint32_t types, strings_off, strings;
        if (end - at < 24)
            return;
        memcpy(&types, at + 12, 4);
        memcpy(&strings_off, at + 16, 4);
        memcpy(&strings, at + 20, 4);
        uint64_t size = 24 + (uint64_t)types + strings;
        if (types == strings_off && types >= IMAGE_TYPES_MIN && size <= (uint64_t)(end - at)) {
            *btf = (struct oops_elf_section){.name = ".BTF", .type = SHT_PROGBITS, .size = size, .data = at};
            return;
        }
        at++;
    }
}

static int read_image(struct oops_elf *elf, struct err *e) {
    elf->sections = calloc(3, sizeof(*elf->sections));
    if (!elf->sections)
        return err_set(e, ENOMEM, "no memory");
    elf->image = elf->is64 = true;
    elf->type = ET_EXEC;
    elf->section_count = 3;
    elf->sections[0].name = elf->sections[2].name = "";
    elf->sections[1] = (struct oops_elf_section){
        .name = ".image", .type = SHT_PROGBITS, .flags = SHF_ALLOC, .size = elf->size, .data = elf->map};
    find_btf(elf, &elf->sections[2]);
    return 0;
}

void oops_elf_place_image(struct oops_elf *elf, uint64_t addr) {
    if (elf->image)
        elf->sections[1].addr = addr;
}

/* What a file that is not one of ours begins with, to be recognised by. */
static int not_elf(const uint8_t *head, size_t len, const char *what, struct err *e) {
    char seen[64] = "";
    size_t n = 0, text = 0;
    while (text < len && text < 24 && head[text] >= ' ' && head[text] < 127)
        text++;
    if (text >= 4)
        snprintf(seen, sizeof(seen), "\"%.*s\"", (int)text, (const char *)head);
    for (size_t i = 0; text < 4 && i < len && i < 8; i++)
        n += (size_t)snprintf(seen + n, sizeof(seen) - n, i ? " %02x" : "%02x", head[i]);
    return len ? err_set(e, EINVAL, "%s: it begins with %s", what, seen) : err_set(e, EINVAL, "it is empty");
}

static int read_header(struct oops_elf *elf, struct err *e) {
    elf->machine = elf->size >= OOPS_IMAGE_HEADER ? oops_image_machine(elf->map) : 0;
    if (elf->machine)
        return read_image(elf, e);
    if (elf->size < SELFMAG || memcmp(elf->map, ELFMAG, SELFMAG) != 0)
        return not_elf(elf->map, elf->size, "no ELF file", e);
    if (elf->size < sizeof(Elf32_Ehdr))
        return err_set(e, EINVAL, "it is cut: it ends at byte %zu, in its ELF header", elf->size);
    if (elf->map[EI_DATA] != ELFDATA2LSB)
        return err_set(e, ENOTSUP, "a big-endian ELF file, which is not read");
    elf->is64 = elf->map[EI_CLASS] == ELFCLASS64;
    if (elf->is64) {
        Elf64_Ehdr h;
        if (elf->size < sizeof(h))
            return err_set(e, EINVAL, "it is cut: it ends at byte %zu, in its ELF header", elf->size);
        memcpy(&h, elf->map, sizeof(h));
        elf->machine = h.e_machine;
        elf->type = h.e_type;
        if (h.e_shentsize != sizeof(Elf64_Shdr))
            return err_set(e, EINVAL, "it has no section headers");
        return read_sections(elf, h.e_shoff, h.e_shnum, h.e_shstrndx, e);
    }
    Elf32_Ehdr h;
    memcpy(&h, elf->map, sizeof(h));
    elf->machine = h.e_machine;
    elf->type = h.e_type;
    if (h.e_shentsize != sizeof(Elf32_Shdr))
        return err_set(e, EINVAL, "it has no section headers");
    return read_sections(elf, h.e_shoff, h.e_shnum, h.e_shstrndx, e);
}

/* Sections of a relocatable file, side by side. */
static void lay_out(struct oops_elf *elf) {
    uint64_t next = LAYOUT_BASE;
    for (unsigned i = 0; i < elf->section_count; i++) {
        struct oops_elf_section *s = &elf->sections[i];
        if (!(s->flags & SHF_ALLOC))
            continue;
        uint64_t align = s->align && s->align <= ALIGN_MAX ? s->align : 1;
        next = (next + align - 1) / align * align;
        s->addr = next;
        if (s->size < LAYOUT_LIMIT)
            next += s->size + LAYOUT_GAP;
    }
}

static void read_notes(struct oops_elf *elf, const struct oops_elf_section *s) {
    for (uint64_t at = 0; s->size - at >= 12;) {
        uint32_t h[3];
        memcpy(h, s->data + at, 12);
        uint64_t name = ((uint64_t)h[0] + 3) & ~3ull, desc = ((uint64_t)h[1] + 3) & ~3ull;
        at += 12;
        if (name > s->size - at || desc > s->size - at - name)
            return;
        const uint8_t *bytes = s->data + at;
        if (h[2] == NT_GNU_BUILD_ID && h[0] == 4 && memcmp(bytes, "GNU", 4) == 0 && h[1] <= OOPS_BUILD_ID_MAX) {
            memcpy(elf->build_id, bytes + name, h[1]);
            elf->build_id_len = h[1];
            return;
        }
        at += name + desc;
    }
}

struct oops_elf *oops_elf_from_fd(int fd, const char *path, struct err *e) {
    struct oops_elf *elf = calloc(1, sizeof(*elf));
    struct stat st;
    if (!elf || !(elf->path = strdup(path)) || fstat(fd, &st) < 0) {
        close(fd);
        if (elf)
            free(elf->path);
        free(elf);
        err_set(e, ENOMEM, "%s: no memory", path);
        return NULL;
    }
    elf->fd = fd;
    elf->size = st.st_size > 0 && (uint64_t)st.st_size <= FILE_MAX ? (size_t)st.st_size : 0;
    void *map = elf->size ? mmap(NULL, elf->size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    elf->map = map == MAP_FAILED ? NULL : map;
    int rc = elf->map ? read_header(elf, e) : err_set(e, EINVAL, "it is empty, or cannot be mapped");
    if (rc) {
        err_prefix(e, "%s: ", path);
        oops_elf_free(elf);
        return NULL;
    }
    if (elf->type == ET_REL)
        lay_out(elf);
    for (unsigned i = 0; i < elf->section_count && !elf->build_id_len; i++)
        if (elf->sections[i].type == SHT_NOTE && elf->sections[i].data)
            read_notes(elf, &elf->sections[i]);
    return elf;
}

/* The descriptor of what is inside, if it is packed; else the same. Closes the other one. */
static int unwrap(int fd, const char *path, struct err *e) {
    struct stat st;
    uint8_t head[OOPS_IMAGE_HEADER] = {0};
    ssize_t n = pread(fd, head, sizeof(head), 0);
    if (n >= SELFMAG && (memcmp(head, ELFMAG, SELFMAG) == 0 || oops_image_machine(head)))
        return fd;
    int inner = -EINVAL;
    void *map = MAP_FAILED;
    size_t len = 0;
    if (n < 0)
        err_set(e, errno, "%s", errno == ESPIPE ? "a pipe, and no file" : strerror(errno));
    else if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 16 && (uint64_t)st.st_size <= FILE_MAX) {
        len = (size_t)st.st_size;
        map = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    if (map != MAP_FAILED) {
        inner = oops_unpack_kind(map, len) ? oops_unpack(map, len, e) : oops_unpack_vmlinuz(map, len, e);
        if (inner == -ENOENT)
            not_elf(head, len, "neither an ELF file nor a packed kernel", e);
        munmap(map, len);
    } else if (n >= 0) {
        not_elf(head, (size_t)n, "no ELF file", e);
    }
    close(fd);
    if (inner < 0)
        err_prefix(e, "%s: ", path);
    return inner;
}

struct oops_elf *oops_elf_open(const char *path, struct err *e) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a pipe without a writer would wait for one */
    if (fd < 0) {
        err_set(e, errno, "%s: %s", path, strerror(errno));
        return NULL;
    }
    fd = unwrap(fd, path, e);
    return fd < 0 ? NULL : oops_elf_from_fd(fd, path, e);
}

void oops_elf_free(struct oops_elf *elf) {
    if (!elf)
        return;
    if (elf->map)
        munmap((void *)(uintptr_t)elf->map, elf->size);
    close(elf->fd);
    free(elf->sections);
    free(elf->path);
    free(elf);
}

const struct oops_elf_section *oops_elf_find(const struct oops_elf *elf, const char *name) {
    for (unsigned i = 1; i < elf->section_count; i++)
        if (strcmp(elf->sections[i].name, name) == 0)
            return &elf->sections[i];
    return NULL;
}

const struct oops_elf_section *oops_elf_section_at(const struct oops_elf *elf, uint64_t addr) {
    for (unsigned i = 1; i < elf->section_count; i++) {
        const struct oops_elf_section *s = &elf->sections[i];
        bool per_cpu = elf->type != ET_REL && s->addr == 0; /* .data..percpu is linked at 0 */
        if ((s->flags & SHF_ALLOC) && !per_cpu && addr >= s->addr && addr - s->addr < s->size)
            return s;
    }
    return NULL;
}

const uint8_t *oops_elf_bytes(const struct oops_elf *elf, uint64_t addr, size_t len, size_t *got) {
    const struct oops_elf_section *s = oops_elf_section_at(elf, addr);
    if (!s || !s->data)
        return NULL;
    uint64_t left = s->size - (addr - s->addr);
    *got = left < len ? (size_t)left : len;
    return s->data + (addr - s->addr);
}

const struct oops_elf_section *oops_elf_symtab(const struct oops_elf *elf, unsigned *count) {
    for (unsigned i = 1; i < elf->section_count; i++) {
        const struct oops_elf_section *s = &elf->sections[i];
        if (s->type != SHT_SYMTAB || !s->data)
            continue;
        uint64_t n = s->size / (elf->is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym));
        *count = n > SYMBOLS_MAX ? SYMBOLS_MAX : (unsigned)n;
        return s;
    }
    return NULL;
}

bool oops_elf_symbol(const struct oops_elf *elf, const struct oops_elf_section *symtab, unsigned i,
                     struct oops_elf_symbol *sym) {
    uint32_t name;
    uint8_t info;
    size_t each = elf->is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
    if (i >= symtab->size / each || symtab->link >= elf->section_count)
        return false;
    if (elf->is64) {
        Elf64_Sym s;
        memcpy(&s, symtab->data + (uint64_t)i * sizeof(s), sizeof(s));
        *sym = (struct oops_elf_symbol){.value = s.st_value, .size = s.st_size, .section = s.st_shndx};
        name = s.st_name;
        info = s.st_info;
    } else {
        Elf32_Sym s;
        memcpy(&s, symtab->data + (uint64_t)i * sizeof(s), sizeof(s));
        *sym = (struct oops_elf_symbol){.value = s.st_value, .size = s.st_size, .section = s.st_shndx};
        name = s.st_name;
        info = s.st_info;
    }
    sym->type = ELF64_ST_TYPE(info);
    sym->bind = ELF64_ST_BIND(info);
    sym->name = string_at(&elf->sections[symtab->link], name);
    sym->thumb = elf->machine == EM_ARM && sym->type == STT_FUNC && (sym->value & 1);
    sym->value -= sym->thumb;
    bool placed = sym->section > 0 && sym->section < elf->section_count;
    if (placed && sym->type == STT_SECTION && !*sym->name)
        sym->name = elf->sections[sym->section].name;
    if (placed && elf->type == ET_REL)
        sym->value += elf->sections[sym->section].addr;
    return true;
}

static bool read_reloc(const struct oops_elf *elf, const struct oops_elf_section *table, uint64_t i,
                       struct oops_elf_reloc *r) {
    const uint8_t *p = table->data + i * table->entsize;
    if (!elf->is64) { /* 32-bit kernels: REL, the addend is in the place */
        Elf32_Rela rel = {0};
        memcpy(&rel, p, table->type == SHT_REL ? sizeof(Elf32_Rel) : sizeof(rel));
        *r = (struct oops_elf_reloc){rel.r_offset, ELF32_R_TYPE(rel.r_info), ELF32_R_SYM(rel.r_info), rel.r_addend};
        return true;
    }
    if (table->type != SHT_RELA)
        return false;
    Elf64_Rela rel;
    memcpy(&rel, p, sizeof(rel));
    *r = (struct oops_elf_reloc){rel.r_offset, (uint32_t)ELF64_R_TYPE(rel.r_info), (uint32_t)ELF64_R_SYM(rel.r_info),
                                 rel.r_addend};
    return true;
}

static size_t reloc_size(const struct oops_elf *elf, const struct oops_elf_section *table) {
    if (elf->is64)
        return sizeof(Elf64_Rela);
    return table->type == SHT_REL ? sizeof(Elf32_Rel) : sizeof(Elf32_Rela);
}

/* Thumb's fields, of two halfwords, the first one high. */
static bool thumb_addend(uint32_t w, uint32_t type, int64_t *addend) {
    uint32_t s = w >> 26 & 1, j1 = w >> 13 & 1, j2 = w >> 11 & 1, far = (w >> 4 & 0x3ff000) | (w << 1 & 0xffe);
    if (type == R_ARM_THM_PC22 || type == R_ARM_THM_JUMP24)
        *addend = (int32_t)((s << 24 | (j1 == s) << 23 | (j2 == s) << 22 | far) << 7) >> 7;
    else if (type == R_ARM_THM_JUMP19)
        *addend = (int32_t)((s << 20 | j2 << 19 | j1 << 18 | (far & 0x3ffff)) << 11) >> 11;
    else if (type == R_ARM_THM_MOVW_ABS_NC || type == R_ARM_THM_MOVT_ABS)
        *addend = (int16_t)((w >> 4 & 0xf000) | (w >> 15 & 0x800) | (w >> 4 & 0x700) | (w & 0xff));
    else
        return false;
    return true;
}

/* REL: the field that is relocated holds the addend. In linked files it holds the result. */
static int64_t addend_in_place(const struct oops_elf *elf, const struct oops_elf_section *target, uint64_t off,
                               uint32_t type) {
    uint32_t word;
    int64_t addend;
    if (!target->data || off > target->size || target->size - off < 4)
        return 0;
    memcpy(&word, target->data + off, 4);
    if (elf->machine != EM_ARM)
        return (int32_t)word;
    if (type == R_ARM_CALL || type == R_ARM_JUMP24 || type == R_ARM_PC24)
        return (int32_t)(word << 8) >> 6;
    if (type == R_ARM_MOVW_ABS_NC || type == R_ARM_MOVT_ABS)
        return (int16_t)((word >> 4 & 0xf000) | (word & 0xfff));
    if (thumb_addend(word >> 16 | word << 16, type, &addend))
        return addend;
    return (int32_t)word;
}

static unsigned relocs_of(const struct oops_elf *elf, const struct oops_elf_section *table,
                          const struct oops_elf_section *target, uint64_t addr, uint64_t len,
                          struct oops_elf_reloc *relocs, unsigned max) {
    if (!table->data || table->entsize != reloc_size(elf, table))
        return 0;
    uint64_t bias = elf->type == ET_REL ? target->addr : 0;
    unsigned count = 0;
    for (uint64_t i = 0; i < table->size / table->entsize && count < max; i++) {
        struct oops_elf_reloc r;
        if (!read_reloc(elf, table, i, &r))
            break;
        uint64_t place = r.addr;
        r.addr += bias;
        if (table->type == SHT_REL && elf->type == ET_REL)
            r.addend = addend_in_place(elf, target, place, r.type);
        if (r.addr >= addr && r.addr - addr < len)
            relocs[count++] = r;
    }
    return count;
}

unsigned oops_elf_relocs(const struct oops_elf *elf, uint64_t addr, uint64_t len, struct oops_elf_reloc *relocs,
                         unsigned max) {
    const struct oops_elf_section *target = oops_elf_section_at(elf, addr);
    if (!target)
        return 0;
    unsigned count = 0;
    for (unsigned i = 1; i < elf->section_count && count < max; i++) {
        const struct oops_elf_section *s = &elf->sections[i];
        if ((s->type == SHT_RELA || s->type == SHT_REL) && s->info == (uint32_t)(target - elf->sections))
            count += relocs_of(elf, s, target, addr, len, relocs + count, max - count);
    }
    return count;
}
