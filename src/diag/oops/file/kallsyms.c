/*
 * Source: scripts/kallsyms.c of Linux 3.x to 6.12 for the layout: the count,
 * packed names, marks for every 256th, 256 tokens and their index; and where the
 * symbols are:
 *   before 4.6            words with their addresses, in front of the count
 *   4.6 to 6.3            32-bit offsets and what they are relative to, in front
 *   since 6.4             the same, behind the index
 * Marks were words up to 4.19 and are 32 bits wide since. Sequence numbers by
 * name (6.2) stand between or behind and are not needed.
 *
 * Faithful: all of these, in 32 and 64 bits, long names (6.2), absolute per-CPU
 * symbols. Simplified: an arm64 image keeps what its offsets are relative to in
 * its relocations; then a usual place is taken.
 */
#include "diag/oops/file/kallsyms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_BASE  0xffff800008000000u /* of arm64 in 5.12 to 6.3 */
#define TOKENS      256u
#define NAME_LIMIT  512u
#define COUNT_MIN   500u
#define COUNT_MAX   2000000u
#define SEARCH_MAX  (32u << 20)
#define STRINGS_MAX (128u << 20)
#define STEPS_MAX   (64u << 20) /* over names, until they are found: bytes can be such that each place is nearly one */

struct tables {
    const uint8_t *image; /* the section */
    size_t size;
    unsigned word;                 /* 4 or 8 bytes */
    size_t tokens, index;          /* places of the table and its index */
    size_t count_at, names, marks; /* of the count, the names, the marks */
    uint32_t count;
};

static size_t aligned(const struct tables *t, size_t n) {
    return (n + t->word - 1) & ~(size_t)(t->word - 1);
}

static uint32_t u32_at(const struct tables *t, size_t at) {
    uint32_t x = 0;
    if (at <= t->size && t->size - at >= 4)
        memcpy(&x, t->image + at, 4);
    return x;
}

static uint64_t word_at(const struct tables *t, size_t at) {
    uint64_t x = 0;
    if (at <= t->size && t->size - at >= t->word)
        memcpy(&x, t->image + at, t->word);
    return x;
}

static uint16_t token_start(const struct tables *t, unsigned token) {
    uint16_t x;
    memcpy(&x, t->image + t->index + 2 * token, 2);
    return x;
}

/* 256 strings whose starts are what the index says. */
static bool check_tokens(struct tables *t) {
    size_t at = t->tokens;
    uint16_t start[TOKENS];
    for (unsigned i = 0; i < TOKENS; i++) {
        const uint8_t *end = at < t->size ? memchr(t->image + at, 0, t->size - at) : NULL;
        if (!end || at - t->tokens > UINT16_MAX)
            return false;
        start[i] = (uint16_t)(at - t->tokens);
        at = (size_t)(end - t->image) + 1;
    }
    t->index = aligned(t, at);
    return t->size >= sizeof(start) && t->index <= t->size - sizeof(start) &&
           memcmp(t->image + t->index, start, sizeof(start)) == 0;
}

/* The token of a digit is the digit: "0" ... "9" follow each other, the 48th to the 57th. */
static bool find_tokens(struct tables *t) {
    static const uint8_t digits[20] = {'0', 0, '1', 0, '2', 0, '3', 0, '4', 0, '5', 0, '6', 0, '7', 0, '8', 0, '9', 0};
    const uint8_t *at = t->image, *end = t->image + t->size;
    while ((at = memmem(at, (size_t)(end - at), digits, sizeof(digits)))) {
        const uint8_t *start = at;
        unsigned strings = '0';
        while (strings && start > t->image + 1) { /* back over the strings before */
            start--;
            while (start > t->image && start[-1])
                start--;
            strings--;
        }
        t->tokens = (size_t)(start - t->image);
        if (!strings && check_tokens(t))
            return true;
        at++;
    }
    return false;
}

/* Steps over one packed name; false: that is none. */
static bool step(const struct tables *t, size_t *at, size_t *tokens) {
    if (*at >= t->size)
        return false;
    size_t len = t->image[(*at)++];
    if (len & 0x80 && *at < t->size)
        len = (len & 0x7f) | (size_t)t->image[(*at)++] << 7;
    *tokens = *at;
    if (len == 0 || len > NAME_LIMIT || len > t->size - *at)
        return false;
    *at += len;
    return true;
}

/* Whether names begin there, by the mark of the 256th. */
static bool check_names(struct tables *t, uint32_t *steps) {
    size_t at = t->names, tokens, mark = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        if (i == 256)
            mark = at - t->names;
        if (!*steps)
            return false;
        --*steps;
        if (!step(t, &at, &tokens) || at > t->tokens)
            return false;
    }
    t->marks = aligned(t, at);
    return u32_at(t, t->marks) == 0 && (u32_at(t, t->marks + 4) == mark || word_at(t, t->marks + t->word) == mark);
}

static bool find_names(struct tables *t) {
    size_t from = t->tokens & ~(size_t)(t->word - 1), low = from > SEARCH_MAX ? from - SEARCH_MAX : t->word;
    uint32_t steps = STEPS_MAX;
    for (size_t at = from; at > low && steps; at -= t->word) {
        t->count = u32_at(t, at - t->word);
        if (t->count < COUNT_MIN || t->count > COUNT_MAX)
            continue;
        t->count_at = at - t->word;
        t->names = at;
        if (check_names(t, &steps))
            return true;
    }
    return false;
}

static bool is_base(const struct tables *t, uint64_t addr) {
    if (addr & 0xfff)
        return false;
    return t->word == 8 ? addr >> 47 == 0x1ffff : addr >= 0x40000000;
}

/* Where the symbols are. */
struct places {
    size_t at; /* of the table */
    bool absolute;
    uint64_t base; /* of offsets */
};

static bool is_offset_table(const struct tables *t, size_t at) {
    uint32_t last = 0, wrong = 0;
    if (at > t->size || (t->size - at) / 4 < t->count)
        return false;
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t offset = u32_at(t, at + 4 * (size_t)i);
        wrong += (int32_t)offset >= 0 && (int32_t)last >= 0 && offset < last;
        last = offset;
    }
    return last && wrong * 64 <= t->count;
}

/* Addresses, in order, the last ones of the kernel. */
static bool is_address_table(const struct tables *t, size_t at) {
    uint64_t last = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        uint64_t addr = word_at(t, at + (size_t)t->word * i);
        if (addr < last)
            return false;
        last = addr;
    }
    return t->word == 8 ? last >> 47 == 0x1ffff : last >= 0x40000000;
}

static bool find_offsets(const struct tables *t, bool image, struct places *p) {
    size_t offsets = aligned(t, (size_t)t->count * 4), words = (size_t)t->count * t->word;
    *p = (struct places){.base = t->count_at >= t->word ? word_at(t, t->count_at - t->word) : 0};
    if (is_base(t, p->base) && t->count_at >= t->word + offsets) {
        p->at = t->count_at - t->word - offsets;
        return true;
    }
    if (t->count_at >= words && is_address_table(t, t->count_at - words)) {
        *p = (struct places){.at = t->count_at - words, .absolute = true};
        return true;
    }
    p->at = aligned(t, t->index + TOKENS * 2);
    p->base = word_at(t, p->at + offsets);
    if (is_base(t, p->base))
        return true;
    size_t before = t->count_at >= t->word + offsets ? t->count_at - t->word - offsets : t->size;
    if (image && p->base != 0)
        p->at = before;
    if (!image || !is_offset_table(t, p->at))
        return false;
    p->base = IMAGE_BASE;
    return true;
}

static uint64_t address(int32_t offset, uint64_t base, bool negative) {
    if (!negative)
        return base + (uint32_t)offset;
    return offset >= 0 ? (uint64_t)offset : base - 1 - (uint64_t)(int64_t)offset;
}

static size_t unpack_name(const struct tables *t, size_t at, size_t end, char *out, size_t room) {
    size_t n = 0;
    for (; at < end; at++) {
        const char *token = (const char *)t->image + t->tokens + token_start(t, t->image[at]);
        for (; *token && n + 1 < room; token++)
            out[n++] = *token;
    }
    out[n] = 0;
    return n;
}

static uint64_t address_of(const struct tables *t, const struct places *p, uint32_t i, bool negative) {
    uint64_t addr = p->absolute ? word_at(t, p->at + (size_t)t->word * i)
                                : address((int32_t)u32_at(t, p->at + 4 * (size_t)i), p->base, negative);
    return t->word == 8 ? addr : (uint32_t)addr;
}

static int read_all(const struct tables *t, const struct places *p, struct oops_symtab *table) {
    unsigned minus = 0;
    for (uint32_t i = 0; i < t->count && !p->absolute; i++)
        minus += (int32_t)u32_at(t, p->at + 4 * (size_t)i) < 0;
    size_t at = t->names, tokens, used = 0, room = (size_t)t->count * 32 + 4096;
    if (room > STRINGS_MAX || !(table->strings = malloc(room)))
        return -ENOMEM;
    for (uint32_t i = 0; i < t->count && step(t, &at, &tokens); i++) {
        char name[NAME_LIMIT];
        size_t len = unpack_name(t, tokens, at, name, sizeof(name));
        if (len < 2 || len > room - used)
            continue;
        memcpy(table->strings + used, name + 1, len); /* the first character is the type */
        struct oops_sym sym = {.name = table->strings + used,
                               .bind = name[0] & 0x20 ? STB_LOCAL : STB_GLOBAL,
                               .type = (name[0] | 0x20) == 't' ? STT_FUNC : STT_OBJECT};
        sym.addr = address_of(t, p, i, minus > t->count / 2);
        used += len;
        if (oops_symtab_add(table, &sym) != 0)
            return -ENOMEM;
    }
    return oops_symtab_finish(table, NULL);
}

int oops_kallsyms_read(const struct oops_elf *elf, struct oops_symtab *table) {
    for (unsigned i = 1; i < elf->section_count; i++) {
        const struct oops_elf_section *s = &elf->sections[i];
        struct tables t = {.image = s->data, .size = s->size, .word = elf->is64 ? 8 : 4};
        struct places places;
        if (!(s->flags & SHF_ALLOC) || !s->data || (s->flags & SHF_EXECINSTR) || s->size < 65536)
            continue;
        if (find_tokens(&t) && find_names(&t) && find_offsets(&t, elf->image, &places))
            return read_all(&t, &places, table);
    }
    return -ENOENT;
}
