/*
 * Sources: show_stack_log_lvl() of arch/x86/kernel/dumpstack_32.c and _64.c up to
 * Linux 4.9 (words from the stack pointer on, no addresses), dump_mem() of
 * arch/arm/kernel/traps.c (lines begin with the low 16 bits of their address).
 *
 * Simplified: words of two stacks in one dump ("<EOE>") are not told apart; what
 * stands behind such a mark is left out.
 */
#include "diag/oops/report/stack.h"

#include <ctype.h>
#include <string.h>

#include "diag/oops/oops_int.h"

unsigned oops_word_bytes(enum oops_arch arch) {
    return oops_arch_is_32bit(arch) ? 4 : 8;
}

const char *oops_stack_pointer(enum oops_arch arch) {
    return arch == OOPS_ARCH_X86_64 ? "rsp" : arch == OOPS_ARCH_I386 ? "esp" : "sp";
}

struct reading {
    const struct oops_report *report;
    struct oops_stack_words *stack;
    uint64_t next; /* address of the next word */
    bool numbered; /* lines have addresses */
};

/* A word of exactly the width; moves behind it. '?' and marks end a line. */
static bool take_word(const char **text, unsigned width, uint64_t *value) {
    const char *s = oops_blanks(*text), *start = s;
    if (!oops_hex(&s, value) || s - start != (long)(2 * width) || (*s && *s != ' '))
        return false;
    *text = s;
    return true;
}

static unsigned take_words(struct reading *r, const char *text) {
    uint64_t value, from = r->next;
    unsigned n = 0;
    for (; take_word(&text, r->stack->width, &value); n++) {
        struct oops_stack_word *w =
            oops_pool_push(r->report->pool, &r->stack->words, &r->stack->count, sizeof(*w), OOPS_STACK_WORDS_MAX);
        if (!w)
            return 0;
        w->addr = r->next;
        w->value = value;
        r->next += r->stack->width;
    }
    if (!*oops_blanks(text))
        return n;
    r->stack->count -= n; /* something else on the line: these were no words of a stack */
    r->next = from;
    return 0;
}

/* "be20:                   00000000 c0a3e000": dots or blanks stand for what lies before the stack pointer. */
static bool numbered_line(struct reading *r, const char *text) {
    const char *s = oops_blanks(text);
    uint64_t low;
    if (strspn(s, "0123456789abcdef") != 4 || s[4] != ':' || !oops_hex(&s, &low))
        return false;
    uint64_t line = (r->next & ~0xffffull) | low;
    s++;
    size_t blanks = strspn(s, " ");
    unsigned each = 2 * r->stack->width + 1;
    uint64_t skipped = blanks > each ? (blanks - 1) / each * r->stack->width : 0;
    if (line + 0x20 <= r->next && low == 0)
        line += 0x10000;                                 /* the low half has wrapped */
    if (line + skipped < r->next && r->next - line < 64) /* blanks were collapsed */
        skipped = r->next - line;
    r->next = line + skipped;
    return take_words(r, s) > 0;
}

/* "Stack: (0xdf8cbe28 to 0xdf8cc000)" */
static bool range(const char *text, uint64_t *start) {
    uint64_t end;
    text = oops_blanks(text);
    if (*text++ != '(' || !oops_hex(&text, start) || !oops_starts(text, " to "))
        return false;
    text += 4;
    return oops_hex(&text, &end) && end > *start;
}

static bool begins(struct reading *r, const char *text, const struct oops_reg *sp) {
    const char *rest = oops_starts(text, "Stack:") ? text + 6 : NULL;
    if (!rest)
        return false;
    r->numbered = range(rest, &r->next);
    if (r->numbered)
        return true;
    if (!sp)
        return false;
    r->next = sp->value;
    take_words(r, rest);
    return true;
}

void oops_stack_read(const struct oops_report *report, const struct oops_state *state, struct oops_stack_words *stack) {
    *stack = (struct oops_stack_words){.width = oops_word_bytes(report->arch)};
    struct reading r = {.report = report, .stack = stack};
    const struct oops_reg *sp = state ? oops_state_reg(state, oops_stack_pointer(report->arch)) : NULL;
    bool open = false;
    for (unsigned i = 0; i < report->line_count; i++) {
        const char *text = oops_blanks(report->lines[i].text);
        if (!open)
            open = begins(&r, text, sp);
        else if (!(r.numbered ? numbered_line(&r, text) : take_words(&r, text) > 0))
            break;
    }
    if (!stack->count)
        stack->width = 0;
}

static const struct oops_stack_word *word_at(const struct oops_stack_words *stack, uint64_t addr) {
    unsigned low = 0, high = stack->count;
    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        if (stack->words[mid].addr == addr)
            return &stack->words[mid];
        if (stack->words[mid].addr < addr)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

bool oops_stack_at(const struct oops_stack_words *stack, uint64_t addr, unsigned bytes, uint64_t *value) {
    unsigned char data[16];
    if (!stack->width || bytes > 8)
        return false;
    uint64_t first = addr & ~(uint64_t)(stack->width - 1);
    unsigned have = 0, off = (unsigned)(addr - first);
    for (; have < off + bytes; have += stack->width) {
        const struct oops_stack_word *w = word_at(stack, first + have);
        if (!w)
            return false;
        for (unsigned i = 0; i < stack->width; i++)
            data[have + i] = (unsigned char)(w->value >> 8 * i);
    }
    *value = 0;
    for (unsigned i = bytes; i-- > 0;)
        *value = *value << 8 | data[off + i];
    return true;
}
