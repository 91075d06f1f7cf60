/*
 * Source: Arm Architecture Reference Manual, Armv7-A (DDI 0406C), section A6.3,
 * and DDI 0487 F3.1 for what Armv8 adds (load-acquire, store-release).
 *
 * Faithful: data processing, multiplications, branches,
 * barriers, transfers to and from coprocessors. Not modelled: floating point and
 * NEON, which kernels do not use but in a few places of assembly.
 */
#include "diag/oops/insn/thumb_int.h"

#include <stdio.h>

#define REG oops_thumb_reg
#define PC  OOPS_THUMB_PC

/* ---- Data processing ---- */

static const char *const operations[] = {"and", "bic", "orr", "orn", "eor", "",    "pkh", "",
                                         "add", "",    "adc", "sbc", "",    "sub", "rsb", ""};

/* ".w" where there is one of 16 bits too. */
static const char *width_of(unsigned op) {
    return op == 3 || op == 14 ? "" : ".w";
}

static const char *set_flags(const char *name, bool flags, char text[12]) {
    snprintf(text, 12, "%s%s", name, flags ? "s" : "");
    return text;
}

/* The constant that 12 bits stand for (A6.3.2). */
static uint32_t expanded(uint32_t imm12) {
    uint32_t byte = imm12 & 0xff;
    unsigned by = imm12 >> 7 & 31;
    if (imm12 >> 10)
        return (0x80 | (byte & 0x7f)) >> by | (0x80 | (byte & 0x7f)) << (32 - by);
    switch (imm12 >> 8 & 3) {
    case 0:
        return byte;
    case 1:
        return byte << 16 | byte;
    case 2:
        return byte << 24 | byte << 8;
    default:
        return byte * 0x01010101u;
    }
}

static uint32_t immediate12(const struct oops_thumb_insn *d) {
    return (uint32_t)thumb_bit(d, 26) << 11 | thumb_bits(d, 14, 12) << 8 | thumb_bits(d, 7, 0);
}

/* tst, teq, cmn, cmp: the operations whose result goes nowhere. */
static const char *comparison(unsigned op) {
    return op == 0 ? "tst" : op == 4 ? "teq" : op == 8 ? "cmn" : op == 13 ? "cmp" : NULL;
}

static void keep_sum(struct oops_thumb_insn *d, unsigned op, int64_t imm) {
    if (op == 8)
        oops_thumb_copy(d, thumb_rd_of(d), thumb_rn_of(d), imm);
    else if (op == 13)
        oops_thumb_copy(d, thumb_rd_of(d), thumb_rn_of(d), -imm);
    else
        thumb_writes(d, thumb_rd_of(d));
}

static bool modified_immediate(struct oops_thumb_insn *d) {
    char name[12];
    unsigned op = thumb_bits(d, 24, 21), rd = thumb_rd_of(d), rn = thumb_rn_of(d);
    bool flags = thumb_bit(d, 20);
    uint32_t imm = expanded(immediate12(d));
    if (rd == PC && flags && comparison(op)) {
        oops_thumb_say(d, comparison(op), op == 4 ? "" : ".w", "%s, #%u", REG(rn), imm);
    } else if (op == 2 && rn == PC) {
        oops_thumb_const(d, rd, imm);
        oops_thumb_say(d, set_flags("mov", flags, name), ".w", "%s, #%u", REG(rd), imm);
    } else if (op == 3 && rn == PC) {
        oops_thumb_const(d, rd, (uint32_t)~imm);
        oops_thumb_say(d, set_flags("mvn", flags, name), ".w", "%s, #%u", REG(rd), imm);
    } else if (*operations[op] && op != 6) {
        keep_sum(d, op, imm);
        oops_thumb_say(d, set_flags(operations[op], flags, name), width_of(op), "%s, %s, #%u", REG(rd), REG(rn), imm);
    } else {
        return false;
    }
    return true;
}

/* ", lsl #2"; "" without a shift */
static const char *shift_words(const struct oops_thumb_insn *d, char text[16]) {
    static const char *const types[] = {"lsl", "lsr", "asr", "ror"};
    unsigned type = thumb_bits(d, 5, 4), by = thumb_bits(d, 14, 12) << 2 | thumb_bits(d, 7, 6);
    if (type == 0 && by == 0)
        text[0] = '\0';
    else if (type == 3 && by == 0)
        snprintf(text, 16, ", rrx");
    else
        snprintf(text, 16, ", %s #%u", types[type], by ? by : 32);
    return text;
}

static void move_shifted(struct oops_thumb_insn *d, const char *shift) {
    char name[12];
    if (*shift)
        thumb_writes(d, thumb_rd_of(d));
    else
        oops_thumb_copy(d, thumb_rd_of(d), thumb_rm_of(d), 0);
    oops_thumb_say(d, set_flags("mov", thumb_bit(d, 20), name), ".w", "%s, %s%s", REG(thumb_rd_of(d)),
                   REG(thumb_rm_of(d)), shift);
}

/* add rd, rn, rm, lsl #by */
static void keep_indexed_sum(struct oops_thumb_insn *d, unsigned by) {
    struct oops_step *s = &d->t->step;
    s->kind = OOPS_STEP_SUM;
    s->dst = (int)thumb_rd_of(d);
    s->src = (int)thumb_rn_of(d);
    s->index = (int)thumb_rm_of(d);
    s->times = 1u << by;
}

static bool shifted_register(struct oops_thumb_insn *d) {
    char shift[16], name[12];
    unsigned op = thumb_bits(d, 24, 21), rd = thumb_rd_of(d), rn = thumb_rn_of(d);
    bool flags = thumb_bit(d, 20);
    const char *rm = REG(thumb_rm_of(d));
    if (thumb_bit(d, 15))
        return false;
    shift_words(d, shift);
    if (op == 6) {
        thumb_writes(d, rd);
        if (flags || thumb_bit(d, 4))
            return false;
        oops_thumb_say(d, thumb_bit(d, 5) ? "pkhtb" : "pkhbt", "", "%s, %s, %s%s", REG(rd), REG(rn), rm, shift);
    } else if (rd == PC && flags && comparison(op)) {
        oops_thumb_say(d, comparison(op), op == 4 ? "" : ".w", "%s, %s%s", REG(rn), rm, shift);
    } else if (op == 2 && rn == PC) {
        move_shifted(d, shift);
    } else if (op == 3 && rn == PC) {
        thumb_writes(d, rd);
        oops_thumb_say(d, set_flags("mvn", flags, name), ".w", "%s, %s%s", REG(rd), rm, shift);
    } else if (*operations[op]) {
        thumb_writes(d, rd);
        if (op == 8 && !flags && !thumb_bits(d, 5, 4) && !thumb_bits(d, 14, 14))
            keep_indexed_sum(d, thumb_bits(d, 13, 12) << 2 | thumb_bits(d, 7, 6));
        oops_thumb_say(d, set_flags(operations[op], flags, name), width_of(op), "%s, %s, %s%s", REG(rd), REG(rn), rm,
                       shift);
    } else {
        return false;
    }
    return true;
}

static void bit_field(struct oops_thumb_insn *d, bool extract, bool sign) {
    unsigned from = thumb_bits(d, 14, 12) << 2 | thumb_bits(d, 7, 6), to = thumb_bits(d, 4, 0);
    thumb_writes(d, thumb_rd_of(d));
    if (extract)
        oops_thumb_say(d, sign ? "sbfx" : "ubfx", "", "%s, %s, #%u, #%u", REG(thumb_rd_of(d)), REG(thumb_rn_of(d)),
                       from, to + 1);
    else if (thumb_rn_of(d) == PC)
        oops_thumb_say(d, "bfc", "", "%s, #%u, #%d", REG(thumb_rd_of(d)), from, (int)to - (int)from + 1);
    else
        oops_thumb_say(d, "bfi", "", "%s, %s, #%u, #%d", REG(thumb_rd_of(d)), REG(thumb_rn_of(d)), from,
                       (int)to - (int)from + 1);
}

static bool saturate(struct oops_thumb_insn *d, bool sign) {
    char shift[16] = "";
    unsigned by = thumb_bits(d, 14, 12) << 2 | thumb_bits(d, 7, 6), to = thumb_bits(d, 4, 0) + sign;
    bool right = thumb_bit(d, 21);
    if (right && !by)
        return false; /* ssat16 */
    if (by)
        snprintf(shift, sizeof(shift), ", %s #%u", right ? "asr" : "lsl", by);
    thumb_writes(d, thumb_rd_of(d));
    oops_thumb_say(d, sign ? "ssat" : "usat", "", "%s, #%u, %s%s", REG(thumb_rd_of(d)), to, REG(thumb_rn_of(d)), shift);
    return true;
}

static bool plain_immediate(struct oops_thumb_insn *d) {
    unsigned rd = thumb_rd_of(d), rn = thumb_rn_of(d), imm12 = immediate12(d), imm16 = rn << 12 | imm12;
    if (thumb_bit(d, 24) && (thumb_bit(d, 26) || thumb_bit(d, 5)))
        return false;
    switch (thumb_bits(d, 24, 20)) {
    case 0x00:
    case 0x0a: {
        bool minus = thumb_bit(d, 21);
        int64_t add = minus ? -(int64_t)imm12 : imm12;
        if (rn == PC)
            oops_thumb_const(d, rd, (int64_t)((d->addr + 4) & ~3ull) + add);
        else
            oops_thumb_copy(d, rd, rn, add);
        oops_thumb_say(d, minus ? "subw" : "addw", "", "%s, %s, #%u", REG(rd), REG(rn), imm12);
        return true;
    }
    case 0x04:
        oops_thumb_const(d, rd, imm16);
        oops_thumb_say(d, "movw", "", "%s, #%u", REG(rd), imm16);
        return true;
    case 0x0c: /* adds to what movw has set */
        oops_thumb_copy(d, rd, rd, (int64_t)imm16 << 16);
        oops_thumb_say(d, "movt", "", "%s, #%u", REG(rd), imm16);
        return true;
    case 0x10:
    case 0x12:
        return saturate(d, true);
    case 0x18:
    case 0x1a:
        return saturate(d, false);
    case 0x14:
    case 0x1c:
        bit_field(d, true, !thumb_bit(d, 23));
        return true;
    case 0x16:
        bit_field(d, false, false);
        return true;
    default:
        return false;
    }
}

static bool shift_by_register(struct oops_thumb_insn *d) {
    static const char *const names[] = {"lsl", "lsr", "asr", "ror"};
    char name[12];
    thumb_writes(d, thumb_rd_of(d));
    oops_thumb_say(d, set_flags(names[thumb_bits(d, 22, 21)], thumb_bit(d, 20), name), ".w", "%s, %s, %s",
                   REG(thumb_rd_of(d)), REG(thumb_rn_of(d)), REG(thumb_rm_of(d)));
    return true;
}

static bool extend(struct oops_thumb_insn *d) {
    static const char *const alone[] = {"sxth", "uxth", "sxtb16", "uxtb16", "sxtb", "uxtb"};
    static const char *const added[] = {"sxtah", "uxtah", "sxtab16", "uxtab16", "sxtab", "uxtab"};
    unsigned op = thumb_bits(d, 22, 20), by = thumb_bits(d, 5, 4) * 8;
    char turn[16] = "";
    if (op > 5 || thumb_bit(d, 6))
        return false;
    if (by)
        snprintf(turn, sizeof(turn), ", ror #%u", by);
    thumb_writes(d, thumb_rd_of(d));
    bool half = op == 2 || op == 3;
    if (thumb_rn_of(d) == PC)
        oops_thumb_say(d, alone[op], half ? "" : ".w", "%s, %s%s", REG(thumb_rd_of(d)), REG(thumb_rm_of(d)), turn);
    else
        oops_thumb_say(d, added[op], "", "%s, %s, %s%s", REG(thumb_rd_of(d)), REG(thumb_rn_of(d)), REG(thumb_rm_of(d)),
                       turn);
    return true;
}

static bool parallel(struct oops_thumb_insn *d) {
    static const char *const sums[] = {"add8", "add16", "asx", "", "sub8", "sub16", "sax", ""};
    static const char *const kinds[] = {"s", "q", "sh", "", "u", "uq", "uh", ""};
    const char *sum = sums[thumb_bits(d, 22, 20)], *kind = kinds[thumb_bits(d, 6, 4)];
    char name[12];
    if (!*sum || !*kind)
        return false;
    snprintf(name, sizeof(name), "%s%s", kind, sum);
    thumb_writes(d, thumb_rd_of(d));
    oops_thumb_say(d, name, "", "%s, %s, %s", REG(thumb_rd_of(d)), REG(thumb_rn_of(d)), REG(thumb_rm_of(d)));
    return true;
}

static bool reverse_and_count(struct oops_thumb_insn *d) {
    static const char *const reverse[] = {"rev", "rev16", "rbit", "revsh"};
    static const char *const saturating[] = {"qadd", "qdadd", "qsub", "qdsub"};
    unsigned op = thumb_bits(d, 21, 20), which = thumb_bits(d, 5, 4);
    const char *rd = REG(thumb_rd_of(d)), *rm = REG(thumb_rm_of(d));
    if (thumb_bit(d, 22) || thumb_bit(d, 6))
        return false; /* crc32 */
    thumb_writes(d, thumb_rd_of(d));
    if (op == 0)
        oops_thumb_say(d, saturating[which], "", "%s, %s, %s", rd, rm, REG(thumb_rn_of(d)));
    else if (op == 1)
        oops_thumb_say(d, reverse[which], which == 2 ? "" : ".w", "%s, %s", rd, rm);
    else if (op == 2 && which == 0)
        oops_thumb_say(d, "sel", "", "%s, %s, %s", rd, REG(thumb_rn_of(d)), rm);
    else if (op == 3 && which == 0)
        oops_thumb_say(d, "clz", "", "%s, %s", rd, rm);
    else
        return false;
    return true;
}

static bool by_registers(struct oops_thumb_insn *d) {
    if (thumb_bits(d, 15, 12) != 15)
        return false;
    if (!thumb_bit(d, 23))
        return thumb_bit(d, 7) ? extend(d) : thumb_bits(d, 6, 4) == 0 && shift_by_register(d);
    return thumb_bit(d, 7) ? reverse_and_count(d) : parallel(d);
}

static bool multiply(struct oops_thumb_insn *d) {
    unsigned op = thumb_bits(d, 22, 20), ra = thumb_rt_of(d), how = thumb_bits(d, 5, 4);
    const char *rd = REG(thumb_rd_of(d)), *rn = REG(thumb_rn_of(d)), *rm = REG(thumb_rm_of(d));
    static const char *const halves[] = {"bb", "bt", "tb", "tt"};
    char name[12] = "";
    bool adds = ra != PC;
    if (thumb_bits(d, 7, 6) || (how > 1 && op != 1))
        return false;
    switch (op) {
    case 0:
        if (how && !adds)
            return false;
        snprintf(name, sizeof(name), "%s", how ? "mls" : adds ? "mla" : "mul");
        break;
    case 1:
        snprintf(name, sizeof(name), "%s%s", adds ? "smla" : "smul", halves[how]);
        break;
    case 2:
        snprintf(name, sizeof(name), "%s%s", adds ? "smlad" : "smuad", how ? "x" : "");
        break;
    case 3:
        snprintf(name, sizeof(name), "%s%s", adds ? "smlaw" : "smulw", how ? "t" : "b");
        break;
    case 4:
        snprintf(name, sizeof(name), "%s%s", adds ? "smlsd" : "smusd", how ? "x" : "");
        break;
    case 5:
        snprintf(name, sizeof(name), "%s%s", adds ? "smmla" : "smmul", how ? "r" : "");
        break;
    case 6:
        if (!adds)
            return false;
        snprintf(name, sizeof(name), "smmls%s", how ? "r" : "");
        break;
    default:
        if (how)
            return false;
        snprintf(name, sizeof(name), "%s", adds ? "usada8" : "usad8");
        break;
    }
    thumb_writes(d, thumb_rd_of(d));
    oops_thumb_say(d, name, op == 0 && !adds ? ".w" : "", "%s, %s, %s%s%s", rd, rn, rm, adds ? ", " : "",
                   adds ? REG(ra) : "");
    return true;
}

static bool multiply_long(struct oops_thumb_insn *d) {
    unsigned op = thumb_bits(d, 22, 20), op2 = thumb_bits(d, 7, 4);
    static const char *const names[] = {"smull", "sdiv", "umull", "udiv", "smlal", "", "umlal", ""};
    const char *name = names[op], *low = REG(thumb_rt_of(d)), *high = REG(thumb_rd_of(d));
    bool divides = op == 1 || op == 3, umaal = op == 6 && op2 == 6;
    if (!*name || (op2 != (divides ? 15 : 0) && !umaal))
        return false;
    thumb_writes(d, thumb_rd_of(d));
    if (divides) {
        oops_thumb_say(d, name, "", "%s, %s, %s", high, REG(thumb_rn_of(d)), REG(thumb_rm_of(d)));
        return true;
    }
    thumb_writes(d, thumb_rt_of(d));
    oops_thumb_say(d, umaal ? "umaal" : name, "", "%s, %s, %s, %s", low, high, REG(thumb_rn_of(d)),
                   REG(thumb_rm_of(d)));
    return true;
}

/* ---- Branches and what is beside them ---- */

static bool barrier(struct oops_thumb_insn *d) {
    static const char *const names[] = {"", "", "clrex", "", "dsb", "dmb", "isb", ""};
    static const char *const domains[] = {"", "oshld", "oshst", "osh", "", "nshld", "unst", "un",
                                          "", "ishld", "ishst", "ish", "", "ld",    "st",   "sy"};
    unsigned op = thumb_bits(d, 7, 4), domain = thumb_bits(d, 3, 0);
    const char *name = op < 8 ? names[op] : "";
    if (!*name || (op > 3 && !*domains[domain]) || (op == 6 && domain != 15))
        return false;
    oops_thumb_say(d, name, "", "%s", op > 3 ? domains[domain] : "");
    return true;
}

static bool hint(struct oops_thumb_insn *d) {
    static const char *const names[] = {"nop", "yield", "wfe", "wfi", "sev"};
    if (thumb_bits(d, 10, 8) || thumb_bits(d, 7, 0) > 4)
        return false;
    oops_thumb_say(d, names[thumb_bits(d, 7, 0)], ".w", "%s", "");
    return true;
}

static bool control(struct oops_thumb_insn *d) {
    switch (thumb_bits(d, 26, 20)) {
    case 0x3a:
        return hint(d);
    case 0x3b:
        return barrier(d);
    case 0x3d: /* subs pc, lr, #n: the return from an exception */
        d->t->step.kind = OOPS_STEP_RETURN;
        return false;
    case 0x3e: /* mrs */
    case 0x3f:
        thumb_writes(d, thumb_rd_of(d));
        return false;
    case 0x7f:
        d->t->step.kind = OOPS_STEP_TRAP;
        if (!thumb_bit(d, 13))
            return false; /* smc */
        oops_thumb_say(d, "udf", ".w", "#%u", thumb_bits(d, 19, 16) << 12 | thumb_bits(d, 11, 0));
        return true;
    default:
        return false;
    }
}

static int32_t sign(uint32_t value, unsigned width) {
    return (int32_t)(value << (32 - width)) >> (32 - width);
}

static bool branch_if(struct oops_thumb_insn *d) {
    static const char *const names[] = {"beq", "bne", "bcs", "bcc", "bmi", "bpl", "bvs",
                                        "bvc", "bhi", "bls", "bge", "blt", "bgt", "ble"};
    char to[16];
    uint32_t far_off = (uint32_t)thumb_bit(d, 26) << 20 | (uint32_t)thumb_bit(d, 11) << 19 |
                       (uint32_t)thumb_bit(d, 13) << 18 | thumb_bits(d, 21, 16) << 12 | thumb_bits(d, 10, 0) << 1;
    if (thumb_bits(d, 25, 22) >= 14)
        return control(d);
    oops_thumb_to(d, OOPS_STEP_BRANCH, sign(far_off, 21));
    d->it = 0;
    oops_thumb_say(d, names[thumb_bits(d, 25, 22)], ".w", "%s", oops_thumb_far(sign(far_off, 21), to));
    return true;
}

static bool branch(struct oops_thumb_insn *d) {
    bool links = thumb_bit(d, 14), thumb = thumb_bit(d, 12);
    char to[16];
    if (!links && !thumb)
        return branch_if(d);
    bool s = thumb_bit(d, 26);
    uint32_t far_off = (uint32_t)s << 24 | (uint32_t)(thumb_bit(d, 13) == s) << 23 |
                       (uint32_t)(thumb_bit(d, 11) == s) << 22 | thumb_bits(d, 25, 16) << 12 |
                       thumb_bits(d, 10, 0) << 1;
    int32_t disp = sign(far_off, 25);
    if (links && !thumb) { /* to A32 code, aligned */
        if (d->w & 1)
            return false;
        disp -= d->addr & 2 ? 2 : 0;
    }
    oops_thumb_to(d, links ? OOPS_STEP_CALL : OOPS_STEP_JUMP, disp);
    oops_thumb_say(d, links ? (thumb ? "bl" : "blx") : "b", links ? "" : ".w", "%s", oops_thumb_far(disp, to));
    return true;
}

/* ---- Coprocessors ---- */

/* Of the registers that kernels read the processor's identity, its tables and the per-cpu base by. */
static bool coprocessor(struct oops_thumb_insn *d) {
    bool transfers = thumb_bits(d, 27, 24) == 14 && thumb_bit(d, 4), load = thumb_bit(d, 20);
    unsigned number = thumb_bits(d, 11, 8);
    if (thumb_bits(d, 27, 21) == 0x62) { /* mrrc */
        d->t->step.writes = load ? 1ull << thumb_rt_of(d) | 1ull << thumb_rn_of(d) : 0;
        return false;
    }
    if (!transfers)
        return false;
    if (load && thumb_rt_of(d) != PC)
        thumb_writes(d, thumb_rt_of(d));
    if (thumb_bit(d, 28) || number < 14 || thumb_rt_of(d) == PC)
        return false;
    oops_thumb_say(d, load ? "mrc" : "mcr", "", "%u, %u, %s, cr%u, cr%u, {%u}", number, thumb_bits(d, 23, 21),
                   REG(thumb_rt_of(d)), thumb_rn_of(d), thumb_rm_of(d), thumb_bits(d, 7, 5));
    return true;
}

bool oops_thumb_wide(struct oops_thumb_insn *d) {
    unsigned op1 = thumb_bits(d, 28, 27), op2 = thumb_bits(d, 26, 20);
    if (op2 >> 6 && op1 != 2)
        return coprocessor(d);
    if (op1 == 1 && op2 >> 5)
        return shifted_register(d);
    if (op1 == 1)
        return op2 & 4 ? oops_thumb_pairs(d) : oops_thumb_many(d);
    if (op1 == 2)
        return thumb_bit(d, 15) ? branch(d) : thumb_bit(d, 25) ? plain_immediate(d) : modified_immediate(d);
    if (!(op2 >> 5))
        return oops_thumb_single(d);
    if (op2 >> 4 == 2)
        return by_registers(d);
    return op2 >> 3 & 1 ? multiply_long(d) : multiply(d);
}
