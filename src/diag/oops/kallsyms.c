/*
 * Source: scripts/kallsyms.c of Linux 6.1 and 6.12 for the layout: the count,
 * packed names, marks for every 256th, 256 tokens and their index, and 32-bit
 * offsets from a base, which stand before the count up to 6.3 and behind the
 * index since.
 *
 * Faithful: both orders, long names (6.2), absolute per-CPU symbols. Not
 * modelled: tables of 64-bit addresses (before 4.6).
 */
#include "diag/oops/kallsyms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS      256u
#define NAME_LIMIT  512u
#define COUNT_MIN   500u
#define COUNT_MAX   2000000u
#define SEARCH_MAX  (32u << 20)
#define STRINGS_MAX (128u << 20)

struct tables {
    const uint8_t *image; /* the section */
    size_t size;
    size_t tokens, index;          /* places of the table and its index */
    size_t count_at, names, marks; /* of the count, the names, the marks */
    uint32_t count;
};

static size_t align8(size_t n) {
    return (n + 7) & ~(size_t)7;
}

static uint32_t u32_at(const struct tables *t, size_t at) {
    uint32_t x = 0;
    if (at <= t->size && t->size - at >= 4)
        memcpy(&x, t->image + at, 4);
    return x;
}

static uint64_t u64_at(const struct tables *t, size_t at) {
    uint64_t x = 0;
    if (at <= t->size && t->size - at >= 8)
        memcpy(&x, t->image + at, 8);
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
    t->index = align8(at);
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
static bool check_names(struct tables *t) {
    size_t at = t->names, tokens, mark = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        if (i == 256)
            mark = at - t->names;
        if (!step(t, &at, &tokens) || at > t->tokens)
            return false;
    }
    t->marks = align8(at);
    return u32_at(t, t->marks) == 0 && u32_at(t, t->marks + 4) == mark;
}

static bool find_names(struct tables *t) {
    size_t from = t->tokens & ~(size_t)7, low = from > SEARCH_MAX ? from - SEARCH_MAX : 8;
    for (size_t at = from; at > low; at -= 8) {
        t->count = u32_at(t, at - 8);
        if (t->count < COUNT_MIN || t->count > COUNT_MAX)
            continue;
        t->count_at = at - 8;
        t->names = at;
        if (check_names(t))
            return true;
    }
    return false;
}

static bool is_base(uint64_t addr) {
    return addr >> 47 == 0x1ffff && (addr & 0xfff) == 0;
}

/* The offsets and what they are relative to. */
static bool find_offsets(const struct tables *t, size_t *offsets, uint64_t *base) {
    size_t bytes = align8((size_t)t->count * 4);
    *base = t->count_at >= 8 ? u64_at(t, t->count_at - 8) : 0;
    if (is_base(*base) && t->count_at >= 8 + bytes) {
        *offsets = t->count_at - 8 - bytes;
        return true;
    }
    *offsets = align8(t->index + TOKENS * 2);
    *base = u64_at(t, *offsets + bytes);
    return is_base(*base);
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

static int read_all(const struct tables *t, size_t offsets, uint64_t base, struct oops_symtab *table) {
    unsigned minus = 0;
    for (uint32_t i = 0; i < t->count; i++)
        minus += (int32_t)u32_at(t, offsets + 4 * (size_t)i) < 0;
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
        sym.addr = address((int32_t)u32_at(t, offsets + 4 * (size_t)i), base, minus > t->count / 2);
        used += len;
        if (oops_symtab_add(table, &sym) != 0)
            return -ENOMEM;
    }
    return oops_symtab_finish(table, NULL);
}

int oops_kallsyms_read(const struct oops_elf *elf, struct oops_symtab *table) {
    for (unsigned i = 1; i < elf->section_count; i++) {
        const struct oops_elf_section *s = &elf->sections[i];
        struct tables t = {.image = s->data, .size = s->size};
        size_t offsets;
        uint64_t base;
        if (!(s->flags & SHF_ALLOC) || !s->data || (s->flags & SHF_EXECINSTR) || s->size < 65536)
            continue;
        if (find_tokens(&t) && find_names(&t) && find_offsets(&t, &offsets, &base))
            return read_all(&t, offsets, base, table);
    }
    return -ENOENT;
}
