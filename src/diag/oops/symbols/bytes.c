/*
 * A running kernel differs from its file where it patches itself: calls of
 * ftrace, retpolines, return thunks, paravirtual calls, alternatives, jump
 * labels, static calls, lock prefixes, sealed endbr; and where it was
 * relocated. All of these places stand in tables of the file.
 *
 * Sources: arch/x86/include/asm/alternative.h, include/linux/jump_label.h,
 * include/linux/static_call_types.h of Linux 5.4 to 6.12 for the layouts.
 * Simplified: in modules the tables are not relocated; there every call or jump
 * with a relocation is passed over.
 */
#include "diag/oops/symbols/bytes.h"

#include <string.h>

#define RELOCS_MAX 64
#define TOLERATED  8u /* bytes; a breakpoint, a probe */

struct window {
    const struct oops_object *object;
    uint64_t start; /* address of the first byte */
    unsigned len;
    const uint8_t *bytes;
    bool masked[OOPS_CODE_MAX];
};

static void mask(struct window *w, uint64_t addr, uint64_t len) {
    for (uint64_t i = 0; i < len && i < 256; i++) {
        uint64_t at = addr + i - w->start;
        if (at < w->len)
            w->masked[at] = true;
    }
}

static int64_t s32_at(const uint8_t *p) {
    int32_t x;
    memcpy(&x, p, 4);
    return x;
}

static uint64_t u64_at(const uint8_t *p) {
    uint64_t x;
    memcpy(&x, p, 8);
    return x;
}

/* Tables of places relative to themselves: name, bytes of an entry, bytes patched. */
static const struct table {
    const char *name;
    unsigned entry, entry_32, patched; /* bytes of an entry, in files of 32 bits; patched there */
    bool absolute;
} tables[] = {
    {".retpoline_sites", 4, 4, 6, false}, {".return_sites", 4, 4, 5, false},   {".call_sites", 4, 4, 5, false},
    {".smp_locks", 4, 4, 1, false},       {".ibt_endbr_seal", 4, 4, 4, false}, {".static_call_sites", 8, 8, 5, false},
    {"__jump_table", 16, 12, 5, false},   {"__mcount_loc", 8, 4, 5, true},     {".cfi_sites", 4, 4, 16, false},
};

static void mask_table(struct window *w, const struct table *t) {
    const struct oops_elf_section *s = oops_elf_find(w->object->elf, t->name);
    bool wide = w->object->elf->is64;
    unsigned entry = wide ? t->entry : t->entry_32;
    for (uint64_t at = 0; s && s->data && at + entry <= s->size; at += entry) {
        uint64_t addr = !t->absolute ? s->addr + at + (uint64_t)s32_at(s->data + at)
                        : wide       ? u64_at(s->data + at)
                                     : (uint32_t)s32_at(s->data + at);
        addr = wide ? addr : (uint32_t)addr;
        if (addr + t->patched > w->start && addr < w->start + w->len)
            mask(w, addr, t->patched);
    }
}

static bool is_text(const struct oops_elf *elf, uint64_t addr) {
    const struct oops_elf_section *s = oops_elf_section_at(elf, addr);
    return s && (s->flags & SHF_EXECINSTR);
}

/* struct alt_instr grew and shrank: 12 to 14 bytes; the size with which its entries make sense. */
static unsigned alternative_size(const struct oops_elf *elf, const struct oops_elf_section *s) {
    static const unsigned sizes[] = {12, 14, 13};
    for (unsigned i = 0; i < 3; i++) {
        unsigned good = 0, n = 0;
        for (uint64_t at = 0; at + sizes[i] <= s->size && n < 64; at += sizes[i], n++)
            good += is_text(elf, s->addr + at + (uint64_t)s32_at(s->data + at)) &&
                    is_text(elf, s->addr + at + 4 + (uint64_t)s32_at(s->data + at + 4));
        if (n && good == n)
            return sizes[i];
    }
    return 0;
}

static void mask_alternatives(struct window *w) {
    const struct oops_elf_section *s = oops_elf_find(w->object->elf, ".altinstructions");
    unsigned size = s && s->data ? alternative_size(w->object->elf, s) : 0;
    for (uint64_t at = 0; size && at + size <= s->size; at += size) {
        uint64_t addr = s->addr + at + (uint64_t)s32_at(s->data + at);
        /* the last but one byte is the length of what is replaced; older layouts have one more behind */
        unsigned len = s->data[at + (size == 13 ? 10 : size - 2)];
        mask(w, addr, len);
    }
    s = oops_elf_find(w->object->elf, ".parainstructions");
    bool wide = w->object->elf->is64;
    unsigned word = wide ? 8 : 4; /* an address, a type, a length */
    for (uint64_t at = 0; s && s->data && at + 2 * word <= s->size; at += 2 * word)
        mask(w, wide ? u64_at(s->data + at) : (uint32_t)s32_at(s->data + at), s->data[at + word + 1]);
}

/* Calls of ftrace's entry: the table of them is not kept in every vmlinux. */
static void mask_calls(struct window *w) {
    const struct oops_sym *entry = NULL;
    oops_symtab_named(&w->object->symtab, "__fentry__", &entry, 1);
    for (unsigned i = 0; entry && i + 5 <= w->len; i++)
        if (w->bytes[i] == 0xe8 && w->start + i + 5 + (uint64_t)s32_at(w->bytes + i + 1) == entry->addr)
            mask(w, w->start + i, 5);
}

static unsigned reloc_width(const struct oops_elf *elf, const struct oops_elf_reloc *r) {
    if (elf->machine == EM_X86_64)
        return r->type == R_X86_64_64 || r->type == R_X86_64_PC64 ? 8 : r->type == R_X86_64_NONE ? 0 : 4;
    return elf->machine == EM_RISCV ? 8 : 4;
}

/* In a module: the call or jump that a relocation belongs to, as a whole. */
static void mask_reloc(struct window *w, const struct oops_elf_reloc *r) {
    unsigned width = reloc_width(w->object->elf, r);
    uint64_t at = r->addr - w->start;
    bool x86 = w->object->elf->machine == EM_X86_64 || w->object->elf->machine == EM_386;
    bool branch = x86 && w->object->elf->type == ET_REL && at >= 1 && at < w->len &&
                  (w->bytes[at - 1] == 0xe8 || w->bytes[at - 1] == 0xe9);
    mask(w, branch ? r->addr - 1 : r->addr, width + branch);
}

static bool is_absolute(const struct oops_elf *elf, uint32_t type) {
    if (elf->machine == EM_386)
        return type == R_386_32;
    return elf->machine == EM_X86_64 && (type == R_X86_64_32S || type == R_X86_64_32 || type == R_X86_64_64);
}

/* What a relocated absolute address was moved by. */
static bool slide_of(const struct window *w, const uint8_t *theirs, const struct oops_elf_reloc *r, uint64_t *slide) {
    uint64_t at = r->addr - w->start;
    unsigned width = reloc_width(w->object->elf, r);
    if (w->object->elf->type == ET_REL || !is_absolute(w->object->elf, r->type) || at + width > w->len)
        return false;
    int64_t ours = width == 8 ? (int64_t)u64_at(w->bytes + at) : s32_at(w->bytes + at);
    int64_t value = width == 8 ? (int64_t)u64_at(theirs + at) : s32_at(theirs + at);
    *slide = (uint64_t)value - (uint64_t)ours;
    if (!w->object->elf->is64)
        *slide = (uint32_t)*slide;
    return ours < 0 && (*slide & 0xfff) == 0 && *slide < (1ull << 31);
}

static void look_at_relocs(struct window *w, const uint8_t *theirs, struct oops_bytes *b) {
    struct oops_elf_reloc relocs[RELOCS_MAX];
    unsigned n = oops_elf_relocs(w->object->elf, w->start, w->len, relocs, RELOCS_MAX), votes = 0;
    for (unsigned i = 0; i < n; i++) {
        uint64_t slide;
        mask_reloc(w, &relocs[i]);
        if (!slide_of(w, theirs, &relocs[i], &slide))
            continue;
        votes += b->has_slide && b->slide != slide ? 1 : 0;
        b->slide = slide;
        b->has_slide = true;
    }
    if (votes)
        b->has_slide = false;
}

static void count(const struct window *w, const struct oops_state *state, unsigned skip, struct oops_bytes *b) {
    for (unsigned i = 0; i < w->len; i++) {
        uint8_t theirs = state->code[skip + i];
        if (!state->code_known[skip + i])
            continue;
        b->compared++;
        if (theirs == w->bytes[i])
            continue;
        bool lock = w->bytes[i] == 0xf0 && theirs == 0x3e;
        if (w->masked[i] || lock) {
            b->excused++;
        } else if (b->wrong++ == 0) {
            b->first_wrong = (int)(skip + i) - state->code_trap;
            b->there = theirs;
            b->here = w->bytes[i];
        }
    }
}

bool oops_bytes_compare(const struct oops_object *object, const struct oops_state *state, uint64_t pc,
                        struct oops_bytes *b) {
    struct window w = {.object = object};
    *b = (struct oops_bytes){0};
    if (state->code_trap < 0 || (unsigned)state->code_trap >= state->code_len)
        return false;
    /* the bytes before may lie outside of the section: begin with what is there */
    unsigned before = (unsigned)state->code_trap;
    const struct oops_elf_section *s = oops_elf_section_at(object->elf, pc);
    if (!s)
        return false;
    if (pc - s->addr < before)
        before = (unsigned)(pc - s->addr);
    w.start = pc - before;
    unsigned skip = (unsigned)state->code_trap - before;
    size_t got = 0;
    w.bytes = oops_object_code(object, w.start, state->code_len - skip, &got);
    if (!w.bytes)
        return false;
    w.len = (unsigned)got;
    look_at_relocs(&w, state->code + skip, b);
    if (object->elf->type != ET_REL) {
        for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
            mask_table(&w, &tables[i]);
        mask_alternatives(&w);
    }
    mask_calls(&w);
    count(&w, state, skip, b);
    return b->compared > 0;
}

bool oops_bytes_differ(const struct oops_bytes *b) {
    return b->compared >= 4 && b->wrong > TOLERATED / 2 && b->wrong * 6 > b->compared;
}
