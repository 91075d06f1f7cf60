/*
 * Lines that name a program counter or a return address kept in a register, in
 * the words of each architecture.
 *
 * Source: show_regs() of arch/{alpha,arc,arm,arm64,csky,ia64,loongarch,m68k,mips,parisc,powerpc,riscv,s390,sh,sparc,
 * x86}, Linux 2.6 to 6.16.
 */
#include <ctype.h>
#include <string.h>

#include "diag/oops/oops_int.h"

/* "0010:", "0060:" before the symbol; returns the selector, 0: none. */
static unsigned take_selector(const char **text) {
    const char *s = *text;
    uint64_t value;
    if (isxdigit((unsigned char)*s) && oops_hex(&s, &value) && *s == ':' && s - *text <= 8) {
        *text = s + 1;
        return (unsigned)(value & 0xffff);
    }
    return 0;
}

/* "f+0x1/0x2", "[<addr>] f+0x1/0x2", "addr f+0x1/0x2", "0xaddr (f+0x1/0x2)", an address alone */
static bool place(struct oops_pool *pool, const char *s, struct oops_symbol *sym) {
    uint64_t value;
    const char *name = s, *digits = s;
    if (*s == '<') /* sparc: "<f+0x1/0x2>" */
        name = digits = ++s;
    bool number = isxdigit((unsigned char)*digits) && oops_hex(&digits, &value) && !oops_is_word(*digits) &&
                  *digits != '.' && *digits != '+';
    if (number) {
        name = oops_blanks(digits + (*digits == ':')); /* xmon: "pc: addr: f+0x1/0x2" */
        name += *name == '(';
        if (!oops_symbol(pool, &name, sym) || !sym->name[0])
            oops_symbol_clear(sym);
        sym->address = value;
        sym->has_address = true;
        return true;
    }
    return oops_symbol(pool, &name, sym);
}

struct words {
    const char *words;
    bool begins; /* only at the beginning of a line */
};

/* Those that end in a bracket name the address in it, too. */
static const struct words pc_words[] = {
    {"RIP: ", false},    {"RIP  [", false},    {"EIP: ", false},  {"EIP is at ", false}, {"NIP: ", false},
    {"NIP [", false},    {"IP: ", false},      {"pc : ", false},  {"PC is at ", false},  {"pc is at ", false},
    {"ip is at ", true}, {"IAOQ[0]: ", false}, {"TPC: <", false}, {"PC: <", true},       {"PC: [", true},
    {"PC: 0x", true},    {"ERA: ", false},     {"era : ", true},  {"epc : ", false},     {"[ERET ]: ", true},
    {"pc = [", true},    {"pc: ", true},
};

/* s390: "Krnl PSW : mask address (f+0x1/0x2)" */
static bool psw(struct oops_pool *pool, const char *text, struct oops_symbol *sym) {
    const char *s = oops_after(text, "Krnl PSW : "), *open = s ? strchr(s, '(') : NULL;
    uint64_t mask, address;
    if (!s || !oops_hex(&s, &mask))
        return false;
    s = oops_blanks(s);
    bool number = oops_hex(&s, &address);
    if (!open || !oops_symbol(pool, &open, sym) || !sym->name[0])
        oops_symbol_clear(sym);
    sym->address = number ? address : 0;
    sym->has_address = number;
    return number || sym->name[0];
}

/* Without an address: a report edited for a commit's message, "NIP  f+0x1/0x2". */
static const struct words bare_pc_words[] = {{"NIP ", true}, {"PC ", true}, {"by insn @ ", false}};

static const struct words lr_words[] = {
    {"lr : ", true},      {"lr: ", true},   {"LR is at ", true}, {"ra : ", true},
    {"ra: ", true},       {"LR [", true},   {"LR: ", true},      {"RP(r2): ", true},
    {"[BLINK ]: ", true}, {"RPC: <", true}, {"PR is at ", true}, {"ra is at ", true},
};

/* Behind the words, if `text` begins with them; where they have blanks it may have more, or lost some. */
static const char *behind_here(const char *text, const char *words) {
    for (; *words; text++, words++) {
        if (*text != *words)
            return NULL;
        if (*words != ' ')
            continue;
        while (words[1] == ' ')
            words++;
        while (words[1] && text[1] == ' ')
            text++;
    }
    return text;
}

static const char *behind(const char *text, const struct words *w) {
    if (w->begins)
        return behind_here(oops_blanks(text), w->words);
    for (const char *at = text; (at = strchr(at, w->words[0])) != NULL; at++) {
        const char *s = behind_here(at, w->words);
        if (s)
            return s;
    }
    return NULL;
}

/* Brackets, and 0x, belong to what stands behind the words. */
static const char *with_opening(const struct words *w, const char *s) {
    char last = w->words[strlen(w->words) - 1];
    if (last == '[' || last == '<')
        return s - 1;
    return last == 'x' ? s - 2 : s;
}

static bool take_bare(struct oops_pool *pool, const char *text, const struct words *list, unsigned count,
                      struct oops_symbol *sym) {
    for (unsigned i = 0; i < count; i++) {
        const char *s = behind(text, &list[i]);
        s = s ? oops_blanks(s) : NULL;
        if (s && (isalpha((unsigned char)*s) || *s == '_' || *s == '.') && oops_symbol(pool, &s, sym) && sym->has_size)
            return true;
    }
    return false;
}

bool oops_pc_of(struct oops_pool *pool, const char *text, struct oops_pc *pc) {
    *pc = (struct oops_pc){.words = "Krnl PSW", .rest = ""};
    if (psw(pool, text, &pc->sym))
        return true;
    for (unsigned i = 0; i < sizeof(pc_words) / sizeof(pc_words[0]); i++) {
        const char *s = behind(text, &pc_words[i]);
        if (!s)
            continue;
        pc->words = pc_words[i].words;
        s = with_opening(&pc_words[i], s);
        s = oops_blanks(s);
        pc->selector = take_selector(&s);
        s = oops_blanks(s);
        pc->rest = s;
        if (place(pool, s, &pc->sym))
            return true;
        if (pc->selector && oops_starts(s, "(null)")) {
            oops_symbol_clear(&pc->sym);
            return pc->sym.has_address = true;
        }
        return false;
    }
    pc->words = "NIP ";
    return take_bare(pool, text, bare_pc_words, sizeof(bare_pc_words) / sizeof(bare_pc_words[0]), &pc->sym);
}

bool oops_lr_of(struct oops_pool *pool, const char *text, struct oops_symbol *sym) {
    static const struct words bare[] = {{"LR ", true}};
    for (unsigned i = 0; i < sizeof(lr_words) / sizeof(lr_words[0]); i++) {
        const char *s = behind(text, &lr_words[i]);
        if (s)
            return place(pool, oops_blanks(with_opening(&lr_words[i], s)), sym) && sym->name[0];
    }
    return take_bare(pool, text, bare, 1, sym);
}

bool oops_pc_line(struct oops_pool *pool, const char *text, struct oops_symbol *sym) {
    struct oops_pc pc;
    if (oops_starts(text, "--- interrupt: ")) { /* powerpc: "--- interrupt: 700 at f+0x1/0x2" */
        const char *s = oops_after(text, " at ");
        return s && oops_symbol(pool, &s, sym) && sym->name[0];
    }
    if (!oops_pc_of(pool, text, &pc))
        return false;
    *sym = pc.sym; /* a bare number comes with the name elsewhere */
    return sym->name[0] || strstr(pc.rest, "0x") || strstr(pc.rest, "(null)");
}
