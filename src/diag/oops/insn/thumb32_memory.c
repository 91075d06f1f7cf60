/*
 * Thumb's loads and stores of 32 bits.
 *
 * Source: Arm Architecture Reference Manual, Armv7-A (DDI 0406C), sections A6.3.5
 * to A6.3.10; DDI 0487 F3.1.5 for load-acquire and store-release. Not modelled:
 * srs, rfe.
 */
#include "diag/oops/insn/thumb_int.h"

#include <stdio.h>

#define REG oops_thumb_reg
#define PC  OOPS_THUMB_PC

bool oops_thumb_many(struct oops_thumb_insn *d) {
    char list[96];
    bool load = thumb_bit(d, 20), back = thumb_bit(d, 21), down = thumb_bits(d, 24, 23) == 2;
    uint32_t regs = d->w & 0xffff;
    if (thumb_bits(d, 24, 23) == 0 || thumb_bits(d, 24, 23) == 3)
        return false; /* srs, rfe */
    oops_thumb_several(d, load, thumb_rn_of(d), regs, back, down);
    oops_thumb_say(d,
                   load   ? (down ? "ldmdb" : "ldmia")
                   : down ? "stmdb"
                          : "stmia",
                   down ? "" : ".w", "%s%s, %s", REG(thumb_rn_of(d)), back ? "!" : "",
                   oops_thumb_list(regs, list, sizeof(list)));
    return true;
}

/* "[rn, #4]", "[rn, #4]!", "[rn], #4" */
static const char *place(const struct oops_thumb_insn *d, bool before, bool back, int32_t disp, char text[32]) {
    const char *rn = REG(thumb_rn_of(d));
    if (!before)
        snprintf(text, 32, "[%s], #%d", rn, disp);
    else if (disp || back)
        snprintf(text, 32, "[%s, #%d]%s", rn, disp, back ? "!" : "");
    else
        snprintf(text, 32, "[%s]", rn);
    return text;
}

static void pair(struct oops_thumb_insn *d) {
    char at[32];
    bool before = thumb_bit(d, 24), up = thumb_bit(d, 23), back = thumb_bit(d, 21), load = thumb_bit(d, 20);
    int32_t disp = (int32_t)thumb_bits(d, 7, 0) * (up ? 4 : -4);
    oops_thumb_access(d, load, 8, thumb_rn_of(d), before ? disp : 0);
    if (load)
        d->t->step.writes = 1ull << thumb_rt_of(d) | 1ull << thumb_rd_of(d);
    if (back || !before)
        thumb_writes(d, thumb_rn_of(d));
    if (before && !back && !disp && !up)
        snprintf(at, sizeof(at), "[%s, #-0]", REG(thumb_rn_of(d)));
    else
        place(d, before, back, disp, at);
    oops_thumb_say(d, load ? "ldrd" : "strd", "", "%s, %s, %s", REG(thumb_rt_of(d)), REG(thumb_rd_of(d)), at);
}

static bool table_branch(struct oops_thumb_insn *d) {
    bool wide = thumb_bit(d, 4);
    if (thumb_bits(d, 15, 8) != 0xf0)
        return false;
    oops_thumb_access(d, true, wide ? 2 : 1, thumb_rn_of(d), 0);
    d->t->index = (int)thumb_rm_of(d);
    d->t->shift = wide;
    d->t->step.kind = OOPS_STEP_JUMP;
    d->t->step.indexed = true;
    oops_thumb_say(d, wide ? "tbh" : "tbb", "", wide ? "[%s, %s, lsl #1]" : "[%s, %s]", REG(thumb_rn_of(d)),
                   REG(thumb_rm_of(d)));
    return true;
}

/* Those with exclusive access, acquire and release. */
static bool exclusive(struct oops_thumb_insn *d) {
    static const char *const loads[] = {"",     "",     "",    "", "ldrexb", "ldrexh", "",      "ldrexd",
                                        "ldab", "ldah", "lda", "", "ldaexb", "ldaexh", "ldaex", "ldaexd"};
    static const char *const stores[] = {"",     "",     "",    "", "strexb", "strexh", "",      "strexd",
                                         "stlb", "stlh", "stl", "", "stlexb", "stlexh", "stlex", "stlexd"};
    static const uint8_t sizes[] = {0, 0, 0, 0, 1, 2, 0, 8, 1, 2, 4, 0, 1, 2, 4, 8};
    bool load = thumb_bit(d, 20);
    unsigned op = thumb_bits(d, 7, 4);
    const char *name = load ? loads[op] : stores[op], *rt = REG(thumb_rt_of(d)), *rn = REG(thumb_rn_of(d));
    bool plain = op >= 8 && op <= 10, twice = op == 7 || op == 15;
    if (load && op < 2)
        return table_branch(d);
    if (!*name || (!twice && thumb_rd_of(d) != PC) || ((load || plain) && thumb_rm_of(d) != PC))
        return false;
    oops_thumb_access(d, load, sizes[op], thumb_rn_of(d), 0);
    if (load)
        d->t->step.writes = 1ull << thumb_rt_of(d) | (twice ? 1ull << thumb_rd_of(d) : 0);
    else if (!plain)
        d->t->step.writes = 1ull << thumb_rm_of(d);
    if (load && twice)
        oops_thumb_say(d, name, "", "%s, %s, [%s]", rt, REG(thumb_rd_of(d)), rn);
    else if (load || plain)
        oops_thumb_say(d, name, "", "%s, [%s]", rt, rn);
    else if (twice)
        oops_thumb_say(d, name, "", "%s, %s, %s, [%s]", REG(thumb_rm_of(d)), rt, REG(thumb_rd_of(d)), rn);
    else
        oops_thumb_say(d, name, "", "%s, %s, [%s]", REG(thumb_rm_of(d)), rt, rn);
    return true;
}

static bool exclusive_word(struct oops_thumb_insn *d) {
    char at[32];
    bool load = thumb_bit(d, 20);
    int32_t disp = (int32_t)thumb_bits(d, 7, 0) * 4;
    if (load && thumb_rd_of(d) != PC)
        return false;
    oops_thumb_access(d, load, 4, thumb_rn_of(d), disp);
    thumb_writes(d, load ? thumb_rt_of(d) : thumb_rd_of(d));
    place(d, true, false, disp, at);
    if (load)
        oops_thumb_say(d, "ldrex", "", "%s, %s", REG(thumb_rt_of(d)), at);
    else
        oops_thumb_say(d, "strex", "", "%s, %s, %s", REG(thumb_rd_of(d)), REG(thumb_rt_of(d)), at);
    return true;
}

bool oops_thumb_pairs(struct oops_thumb_insn *d) {
    if (thumb_bit(d, 24) || thumb_bit(d, 21)) {
        pair(d);
        return true;
    }
    return thumb_bit(d, 23) ? exclusive(d) : exclusive_word(d);
}

/* What the single loads and stores have in common. */
struct single {
    bool load, sign;
    unsigned size; /* 0 byte, 1 halfword, 2 word */
    bool user;     /* ldrt and the like */
    bool before, back;
    int32_t disp;
    char at[40];
};

static bool single_place(struct oops_thumb_insn *d, struct single *s) {
    s->before = true;
    if (thumb_rn_of(d) == PC && s->load) {
        s->disp = (int32_t)thumb_bits(d, 11, 0) * (thumb_bit(d, 23) ? 1 : -1);
        if (s->disp || thumb_bit(d, 23))
            place(d, true, false, s->disp, s->at);
        else
            snprintf(s->at, sizeof(s->at), "[pc, #-0]");
    } else if (thumb_bit(d, 23)) {
        s->disp = (int32_t)thumb_bits(d, 11, 0);
        place(d, true, false, s->disp, s->at);
    } else if (thumb_bit(d, 11)) {
        s->before = thumb_bit(d, 10);
        s->back = thumb_bit(d, 8) || !s->before;
        s->user = thumb_bits(d, 10, 8) == 6;
        s->disp = (int32_t)thumb_bits(d, 7, 0) * (thumb_bit(d, 9) ? 1 : -1);
        place(d, s->before, thumb_bit(d, 8) && s->before, s->disp, s->at);
        return s->before || thumb_bit(d, 8);
    } else if (thumb_bits(d, 11, 6) == 0) {
        unsigned by = thumb_bits(d, 5, 4);
        d->t->index = (int)thumb_rm_of(d);
        d->t->shift = by;
        snprintf(s->at, sizeof(s->at), by ? "[%s, %s, lsl #%u]" : "[%s, %s]", REG(thumb_rn_of(d)), REG(thumb_rm_of(d)),
                 by);
    } else {
        return false;
    }
    return true;
}

static const char *single_name(const struct single *s) {
    static const char *const names[][3] = {{"strb", "strh", "str"}, {"ldrb", "ldrh", "ldr"}, {"ldrsb", "ldrsh", ""}};
    static const char *const user[][3] = {
        {"strbt", "strht", "strt"}, {"ldrbt", "ldrht", "ldrt"}, {"ldrsbt", "ldrsht", ""}};
    unsigned row = s->load + (s->load && s->sign);
    return s->user ? user[row][s->size] : names[row][s->size];
}

bool oops_thumb_single(struct oops_thumb_insn *d) {
    struct single s = {.load = thumb_bit(d, 20), .sign = thumb_bit(d, 24), .size = thumb_bits(d, 22, 21)};
    unsigned rt = thumb_rt_of(d), rn = thumb_rn_of(d);
    if (s.size == 3 || (s.sign && (!s.load || s.size == 2)) || (rn == PC && !s.load) || !single_place(d, &s))
        return false;
    bool hint = s.load && s.size < 2 && rt == PC, literal = rn == PC;
    int32_t disp = s.before ? s.disp : 0;
    if (s.load && s.size == 2 && literal)
        oops_thumb_load_literal(d, rt, disp);
    else if (s.load && s.size == 2)
        oops_thumb_load_word(d, rt, rn, disp);
    else
        oops_thumb_access(d, s.load, 1u << s.size, rn, disp);
    if (d->t->index >= 0) {
        d->t->step.indexed = true;
        d->t->step.index = d->t->index;
        d->t->step.times = 1u << d->t->shift;
    }
    if (s.load && rt != PC)
        thumb_writes(d, rt);
    if (s.back)
        thumb_writes(d, rn);
    if (hint) { /* these never fault */
        if (s.back || s.user || (s.sign && s.size))
            return false;
        const char *name = s.sign ? "pli" : s.size ? "pldw" : "pld";
        d->t->memory = d->t->load = false;
        oops_thumb_say(d, name, "", "%s", s.at);
        return true;
    }
    oops_thumb_say(d, single_name(&s), s.user ? "" : ".w", "%s, %s", REG(rt), s.at);
    return true;
}
