/*
 * "Code:" lines into bytes of memory. x86 prints bytes, <xx> at the program
 * counter; arm64 and arm words, (xxxxxxxx) there; riscv halfwords. What web
 * pages did to them is undone: "<c7>04" glued together, the brackets gone.
 *
 * Source: show_opcodes() in arch/x86/kernel/dumpstack.c, dump_kernel_instr() in
 * arch/arm64/kernel/traps.c, dump_instr() in arch/riscv/kernel/traps.c.
 */
#include <ctype.h>
#include <string.h>

#include "diag/oops/oops_int.h"

/* One item: its digits, whether it is marked. Moves behind it; false at the end or where the form is unknown. */
struct item {
    const char *digits;
    unsigned len;
    bool marked, unknown;
};

static bool take_item(const char **text, struct item *item) {
    const char *s = oops_blanks(*text);
    *item = (struct item){0};
    if (*s == '<' || *s == '(') {
        item->marked = true;
        s++;
    }
    item->digits = s;
    if (*s == '?' || *s == 'X') { /* arm64; powerpc */
        item->unknown = true;
        s += strspn(s, *s == '?' ? "?" : "X");
    } else {
        while (isxdigit((unsigned char)*s))
            s++;
    }
    item->len = (unsigned)(s - item->digits);
    if (!item->len || item->len > 16)
        return false;
    if (*s == '>' || *s == ')')
        s++;
    else if (*s && *s != ' ' && *s != '\t' && *s != '<' && *s != '(')
        return false;
    *text = s;
    return true;
}

static unsigned nibble(char c) {
    return (unsigned)(isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* `unit` bytes from the digits of a number, low byte first, whatever the order in memory. */
static void keep_item(struct oops_state *state, const struct item *item, unsigned unit) {
    if (state->code_len + unit > OOPS_CODE_MAX)
        return;
    for (unsigned i = 0; i < unit; i++) {
        unsigned from = unit - 1 - i;
        unsigned at = state->code_len + i;
        if (unit == 1)
            from = 0;
        state->code_known[at] = !item->unknown;
        state->code[at] =
            item->unknown ? 0 : (uint8_t)(nibble(item->digits[2 * from]) << 4 | nibble(item->digits[2 * from + 1]));
    }
    if (item->marked && state->code_trap < 0)
        state->code_trap = (int)state->code_len;
    state->code_len += unit;
}

static bool unit_fits(unsigned unit, enum oops_arch arch) {
    bool x86 = arch == OOPS_ARCH_X86_64 || arch == OOPS_ARCH_I386;
    return unit == 2 || unit == 4 || (unit == 1 && (x86 || arch == OOPS_ARCH_UNKNOWN)) || (unit == 8 && !x86);
}

void oops_code_line(struct oops_pool *pool, const char *text, struct oops_state *state, enum oops_arch arch) {
    struct item item;
    unsigned unit = 0;
    const char *s = oops_blanks(text);
    const char *first = s;
    while (take_item(&s, &item)) {
        if (item.len % 2 || (unit && item.len / 2 != unit && item.len / 2 % unit))
            break;
        if (!unit)
            unit = item.len / 2;
        /* "04" and "25" glued: "<c7>04" is two items already; "0425" is two of one byte. */
        for (unsigned i = 0; i < item.len / 2; i += unit) {
            struct item part = {item.digits + 2 * i, 2 * unit, item.marked && !i, item.unknown};
            keep_item(state, &part, unit);
        }
    }
    if (!unit || !unit_fits(unit, arch)) {
        state->code_len = 0;
        state->code_trap = -1;
        state->code_trouble = oops_pool_str(pool, first);
        return;
    }
    state->code_unit = unit;
}
