/*
 * Registers as each architecture prints them: "RAX: 0 RBX: 1", "x29: 0 x28: 1",
 * "epc : 0 ra : 1", "r10: 0  r9 : 1". One table of names for all; a name says
 * its architecture where it can.
 *
 * Source: show_regs() of arch/{x86,arm64,arm,riscv}/kernel.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "diag/oops/oops_int.h"

struct name {
    const char *name;
    enum oops_arch arch; /* UNKNOWN: of several */
};

static const struct name names[] = {
    {"rax", OOPS_ARCH_X86_64},
    {"rbx", OOPS_ARCH_X86_64},
    {"rcx", OOPS_ARCH_X86_64},
    {"rdx", OOPS_ARCH_X86_64},
    {"rsi", OOPS_ARCH_X86_64},
    {"rdi", OOPS_ARCH_X86_64},
    {"rbp", OOPS_ARCH_X86_64},
    {"rsp", OOPS_ARCH_X86_64},
    {"eax", OOPS_ARCH_I386},
    {"ebx", OOPS_ARCH_I386},
    {"ecx", OOPS_ARCH_I386},
    {"edx", OOPS_ARCH_I386},
    {"esi", OOPS_ARCH_I386},
    {"edi", OOPS_ARCH_I386},
    {"ebp", OOPS_ARCH_I386},
    {"esp", OOPS_ARCH_I386},
    {"r0", 0},
    {"r1", 0},
    {"r2", 0},
    {"r3", 0},
    {"r4", 0},
    {"r5", 0},
    {"r6", 0},
    {"r7", 0},
    {"r8", 0},
    {"r9", 0},
    {"r10", 0},
    {"r11", 0},
    {"r12", 0},
    {"r13", 0},
    {"r14", 0},
    {"r15", 0},
    {"eflags", 0},
    {"orig_rax", OOPS_ARCH_X86_64},
    {"orig_eax", 0},
    {"cr0", 0},
    {"cr2", 0},
    {"cr3", 0},
    {"cr4", 0},
    {"cs", 0},
    {"ds", 0},
    {"es", 0},
    {"ss", 0},
    {"fs", 0},
    {"gs", 0},
    {"knlgs", OOPS_ARCH_X86_64},
    {"dr0", 0},
    {"dr1", 0},
    {"dr2", 0},
    {"dr3", 0},
    {"dr6", 0},
    {"dr7", 0},
    {"pkru", 0},
    {"fp", 0},
    {"ip", 0},
    {"sp", 0},
    {"lr", 0},
    {"pc", 0},
    {"psr", OOPS_ARCH_ARM},
    {"pstate", OOPS_ARCH_ARM64},
    {"epc", OOPS_ARCH_RISCV},
    {"ra", 0},
    {"gp", 0},
    {"tp", 0},
    {"status", 0},
    {"badaddr", OOPS_ARCH_RISCV},
    {"cause", 0},
    {"d0", OOPS_ARCH_M68K},
    {"d1", OOPS_ARCH_M68K},
    {"d2", OOPS_ARCH_M68K},
    {"d3", OOPS_ARCH_M68K},
    {"d4", OOPS_ARCH_M68K},
    {"d5", OOPS_ARCH_M68K},
    {"sr", 0},
    {"pr", OOPS_ARCH_SH},
    {"badva", 0},
    {"badv", OOPS_ARCH_LOONGARCH},
    {"pmr_save", OOPS_ARCH_ARM64},
    {"pmr", OOPS_ARCH_ARM64},
    {"control", OOPS_ARCH_ARM},
    {"table", 0},
    {"dac", OOPS_ARCH_ARM},
};

static bool numbered(const char *name, char first, unsigned below) {
    const char *s = name + 1;
    uint64_t n;
    return name[0] == first && isdigit((unsigned char)*s) && (*s != '0' || !s[1]) && oops_decimal(&s, &n) && !*s &&
           n < below;
}

static bool known_name(const char *name, enum oops_arch *arch) {
    if (numbered(name, 'x', 31)) {
        *arch = OOPS_ARCH_ARM64;
        return true;
    }
    if (numbered(name, 's', 12) || numbered(name, 't', 7) || numbered(name, 'a', 8)) /* of several */
        return true;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!strcmp(names[i].name, name)) {
            *arch = names[i].arch;
            return true;
        }
    return false;
}

/* "RAX:", "r9 :", "sp :"; moves behind the colon. */
static bool take_name(const char **text, char name[12]) {
    const char *s = *text;
    size_t n = 0;
    for (; n < 11 && (oops_is_word(s[n])); n++)
        name[n] = (char)tolower((unsigned char)s[n]);
    name[n] = '\0';
    s += n;
    if (!n || oops_is_word(*s))
        return false;
    s = oops_blanks(s);
    if (*s++ != ':')
        return false;
    *text = s;
    return true;
}

/* The value: "0018:ffff...", "[<c0123456>]", "007b", "ffff(0000)", "80000005 (Nzcv daif ...)". */
static bool take_value(const char **text, uint64_t *value) {
    const char *s = oops_blanks(*text);
    bool bracket = oops_starts(s, "[<");
    uint64_t more;
    s += bracket ? 2 : 0;
    const char *digits = s;
    if (!oops_hex(&s, value))
        return false;
    if (*s == ':' && s - digits == 4) { /* selector first */
        const char *p = s + 1;
        if (!oops_hex(&p, &more))
            return false;
        *value = more;
        s = p;
    }
    if (bracket)
        s += oops_starts(s, ">]") ? 2 : 0;
    if (*s == '(') { /* limit or selector behind it */
        const char *close = strchr(s, ')');
        s = close ? close + 1 : s;
    }
    if (oops_is_word(*s) || *s == '+' || *s == '.')
        return false;
    *text = s;
    return true;
}

static void keep(struct oops_state *state, const char *name, uint64_t value) {
    if (oops_state_reg(state, name) || state->reg_count == OOPS_REGS_MAX)
        return; /* the first counts */
    struct oops_reg *reg = &state->regs[state->reg_count++];
    strcpy(reg->name, name);
    reg->value = value;
}

/* How many digits a row of values has; 0: it is none. */
static size_t row_width(const char *s) {
    size_t n = strspn(s, "0123456789abcdefABCDEF");
    return n == 8 || n == 16 ? n : 0;
}

/* Registers in rows of values, by the number of the first: "GPR04: v v v v", "$ 4   : v v", "r04-07  v v v v". */
static unsigned take_row(const char *s, struct oops_state *state, enum oops_arch *arch) {
    uint64_t number, value, ignored;
    bool powerpc = oops_starts(s, "GPR"), mips = *s == '$', parisc = s[0] == 'r' && isdigit((unsigned char)s[1]);
    unsigned count = 0;
    if (!powerpc && !mips && !parisc)
        return 0;
    s = oops_blanks(s + (powerpc ? 3 : 1));
    if (!oops_decimal(&s, &number) || number > 31)
        return 0;
    if (parisc && (*s++ != '-' || !oops_decimal(&s, &ignored)))
        return 0;
    s = oops_blanks(s);
    if (!parisc && *s++ != ':')
        return 0;
    for (s = oops_blanks(s); number < 32 && row_width(s) && oops_hex(&s, &value); s = oops_blanks(s), count++) {
        char name[12];
        snprintf(name, sizeof(name), mips ? "$%u" : "r%u", (unsigned)number++);
        keep(state, name, value);
    }
    if (parisc && count && *arch == OOPS_ARCH_UNKNOWN)
        *arch = OOPS_ARCH_PARISC;
    return count;
}

unsigned oops_regs_line(const char *text, struct oops_state *state, enum oops_arch *arch) {
    unsigned count = take_row(oops_blanks(text), state, arch);
    if (count)
        return count;
    for (const char *s = oops_blanks(text); *s;) {
        char name[12];
        const char *p = s;
        uint64_t value;
        enum oops_arch of = OOPS_ARCH_UNKNOWN;
        if (take_name(&p, name) && known_name(name, &of) && take_value(&p, &value)) {
            keep(state, name, value);
            if (*arch == OOPS_ARCH_UNKNOWN)
                *arch = of;
            count++;
            s = oops_blanks(p);
            continue;
        }
        s += strcspn(s, " \t"); /* the next word may be one */
        s = oops_blanks(s);
    }
    return count;
}
