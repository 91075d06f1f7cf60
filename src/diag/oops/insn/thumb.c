/*
 * Source: Arm Architecture Reference Manual, Armv7-A (DDI 0406C), section A6.2
 * for the instructions of 16 bits, A2.5.2 for the IT state.
 *
 * Faithful: all of them. An instruction of 16 bits sets the flags outside of an
 * IT block only, and is written so ("adds"; in a block "addeq").
 */
#include "diag/oops/insn/thumb_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define IT_ALWAYS 14u

static const char *const conditions[] = {"eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc",
                                         "hi", "ls", "ge", "lt", "gt", "le", "al", ""};

const char *oops_thumb_reg(unsigned n) {
    static const char *const names[] = {"r0", "r1", "r2",  "r3", "r4", "r5", "r6", "r7",
                                        "r8", "r9", "r10", "fp", "ip", "sp", "lr", "pc"};
    return names[n & 15];
}

#define REG oops_thumb_reg

uint8_t oops_thumb_it_of(uint64_t psr) {
    return (uint8_t)((psr >> 25 & 3) | (psr >> 8 & 0xfc));
}

uint8_t oops_thumb_it_after(uint8_t it, const struct oops_step *step) {
    if (step->it)
        return step->it;
    return it & 7 ? (uint8_t)((it & 0xe0) | (it << 1 & 0x1f)) : 0;
}

unsigned oops_thumb_length(const uint8_t *code) {
    return code[1] >> 3 >= 0x1d ? 4 : 2;
}

/* Within an IT block, else none. */
static const char *condition(const struct oops_thumb_insn *d) {
    return d->it & 15 ? conditions[d->it >> 4] : "";
}

void oops_thumb_say(struct oops_thumb_insn *d, const char *name, const char *width, const char *format, ...) {
    struct oops_thumb *t = d->t;
    va_list args;
    int n = snprintf(t->name, sizeof(t->name), "%s%s%s", name, condition(d), width);
    if (n < 0 || (size_t)n >= sizeof(t->name))
        return;
    memcpy(t->text, t->name, (size_t)n + 1);
    va_start(args, format);
    int more = vsnprintf(t->text + n + 1, sizeof(t->text) - (size_t)n - 1, format, args);
    va_end(args);
    if (more > 0) /* else there are no operands */
        t->text[n] = ' ';
}

const char *oops_thumb_list(uint32_t regs, char *text, size_t size) {
    size_t n = 0;
    text[n++] = '{';
    for (unsigned i = 0; i < 16; i++)
        if ((regs >> i & 1) && n + 6 < size)
            n += (size_t)snprintf(text + n, size - n, "%s%s", n > 1 ? ", " : "", REG(i));
    snprintf(text + n, size - n, "}");
    return text;
}

void oops_thumb_jump(struct oops_thumb_insn *d, unsigned rm) {
    struct oops_step *s = &d->t->step;
    s->kind = rm == OOPS_THUMB_LR ? OOPS_STEP_RETURN : OOPS_STEP_JUMP;
    s->src = (int)rm;
    s->dst = -1;
    s->writes = 0;
}

void oops_thumb_copy(struct oops_thumb_insn *d, unsigned rd, unsigned rn, int64_t imm) {
    struct oops_step *s = &d->t->step;
    if (rd == OOPS_THUMB_PC) {
        oops_thumb_jump(d, rn);
        return;
    }
    *s = (struct oops_step){
        .kind = OOPS_STEP_COPY, .len = s->len, .dst = (int)rd, .src = (int)rn, .imm = imm, .writes = 1ull << rd};
}

void oops_thumb_const(struct oops_thumb_insn *d, unsigned rd, int64_t imm) {
    struct oops_step *s = &d->t->step;
    *s = (struct oops_step){
        .kind = OOPS_STEP_CONST, .len = s->len, .dst = (int)rd, .src = -1, .imm = imm, .writes = 1ull << rd};
}

void oops_thumb_to(struct oops_thumb_insn *d, enum oops_step_kind kind, int32_t disp) {
    struct oops_step *s = &d->t->step;
    s->kind = kind;
    s->direct = true;
    s->target = (uint32_t)(d->addr + 4 + (uint64_t)(int64_t)disp);
    s->writes = kind == OOPS_STEP_CALL ? OOPS_THUMB_CLOBBERED : 0;
}

const char *oops_thumb_far(int32_t disp, char text[16]) {
    int64_t from = (int64_t)disp + 4;
    snprintf(text, 16, "%c0x%llx", from < 0 ? '-' : '+', (unsigned long long)(from < 0 ? -from : from));
    return text;
}

void oops_thumb_access(struct oops_thumb_insn *d, bool load, unsigned bytes, unsigned rn, int32_t disp) {
    struct oops_thumb *t = d->t;
    t->memory = true;
    t->load = load;
    t->store = !load;
    t->base = (int)rn;
    t->bytes = bytes;
    t->disp = disp;
}

/* A whole register from memory; into the program counter it is a jump. */
void oops_thumb_load_word(struct oops_thumb_insn *d, unsigned rt, unsigned rn, int32_t disp) {
    struct oops_step *s = &d->t->step;
    oops_thumb_access(d, true, 4, rn, disp);
    if (rt == OOPS_THUMB_PC) {
        oops_thumb_jump(d, rn);
        s->from_memory = true;
        s->kind = rn == OOPS_THUMB_SP ? OOPS_STEP_RETURN : OOPS_STEP_JUMP;
    } else {
        s->kind = OOPS_STEP_LOAD;
        s->dst = (int)rt;
        s->src = (int)rn;
        s->writes |= 1ull << rt;
    }
    s->imm = disp;
}

/* A word out of the pool behind the function: a constant, and its relocation. */
void oops_thumb_load_literal(struct oops_thumb_insn *d, unsigned rt, int32_t disp) {
    struct oops_step *s = &d->t->step;
    int64_t at = (d->addr & 2 ? 2 : 4) + (int64_t)disp;
    uint32_t value;
    oops_thumb_access(d, true, 4, OOPS_THUMB_PC, disp);
    s->writes = rt == OOPS_THUMB_PC ? 0 : 1ull << rt;
    if (rt == OOPS_THUMB_PC) {
        oops_thumb_jump(d, rt);
        s->src = -1;
    } else if (at >= 0 && (uint64_t)at + 4 <= d->len) {
        memcpy(&value, d->code + at, 4);
        oops_thumb_const(d, rt, value);
        s->field = (unsigned)at;
        s->width = 4;
    }
}

void oops_thumb_several(struct oops_thumb_insn *d, bool load, unsigned rn, uint32_t regs, bool back, bool down) {
    struct oops_step *s = &d->t->step;
    unsigned bytes = 4 * (unsigned)__builtin_popcount(regs);
    oops_thumb_access(d, load, bytes, rn, down ? -(int32_t)bytes : 0);
    s->writes = (load ? regs & 0x7fff : 0) | (back ? 1ull << rn : 0);
    if (load && regs >> OOPS_THUMB_PC & 1)
        s->kind = OOPS_STEP_RETURN;
}

/* ---- 16 bits ---- */

static unsigned low(const struct oops_thumb_insn *d, unsigned at) {
    return d->w >> at & 7;
}

/* Flags are set outside of an IT block. */
static const char *flagged(const struct oops_thumb_insn *d, const char *with, const char *without) {
    return d->it & 15 ? without : with;
}

static void shift_immediate(struct oops_thumb_insn *d) {
    static const char *const with[] = {"lsls", "lsrs", "asrs"}, *const without[] = {"lsl", "lsr", "asr"};
    unsigned op = d->w >> 11 & 3, by = d->w >> 6 & 31, rd = low(d, 0), rm = low(d, 3);
    if (!op && !by) {
        oops_thumb_copy(d, rd, rm, 0);
        oops_thumb_say(d, flagged(d, "movs", "mov"), "", "%s, %s", REG(rd), REG(rm));
        return;
    }
    d->t->step.writes = 1ull << rd;
    oops_thumb_say(d, flagged(d, with[op], without[op]), "", "%s, %s, #%u", REG(rd), REG(rm), by ? by : 32);
}

static void add_three(struct oops_thumb_insn *d) {
    bool immediate = d->w >> 10 & 1, minus = d->w >> 9 & 1;
    unsigned rd = low(d, 0), rn = low(d, 3), m = low(d, 6);
    const char *name = minus ? flagged(d, "subs", "sub") : flagged(d, "adds", "add");
    if (immediate) {
        oops_thumb_copy(d, rd, rn, minus ? -(int64_t)m : m);
        oops_thumb_say(d, name, "", "%s, %s, #%u", REG(rd), REG(rn), m);
    } else {
        d->t->step.writes = 1ull << rd;
        oops_thumb_say(d, name, "", "%s, %s, %s", REG(rd), REG(rn), REG(m));
    }
}

static void immediate8(struct oops_thumb_insn *d) {
    unsigned op = d->w >> 11 & 3, rd = low(d, 8), imm = d->w & 0xff;
    static const char *const with[] = {"movs", "cmp", "adds", "subs"}, *const without[] = {"mov", "cmp", "add", "sub"};
    if (op == 0)
        oops_thumb_const(d, rd, imm);
    else if (op > 1)
        oops_thumb_copy(d, rd, rd, op == 2 ? imm : -(int64_t)imm);
    oops_thumb_say(d, flagged(d, with[op], without[op]), "", "%s, #%u", REG(rd), imm);
}

static void two_registers(struct oops_thumb_insn *d) {
    static const char *const with[] = {"ands", "eors", "lsls", "lsrs", "asrs", "adcs", "sbcs", "rors",
                                       "tst",  "negs", "cmp",  "cmn",  "orrs", "muls", "bics", "mvns"};
    static const char *const without[] = {"and", "eor", "lsl", "lsr", "asr", "adc", "sbc", "ror",
                                          "tst", "neg", "cmp", "cmn", "orr", "mul", "bic", "mvn"};
    unsigned op = d->w >> 6 & 15, rd = low(d, 0), rm = low(d, 3);
    bool compares = op == 8 || op == 10 || op == 11;
    d->t->step.writes = compares ? 0 : 1ull << rd;
    oops_thumb_say(d, flagged(d, with[op], without[op]), "", "%s, %s", REG(rd), REG(rm));
}

static bool special(struct oops_thumb_insn *d) {
    static const char *const names[] = {"add", "cmp", "mov"};
    unsigned op = d->w >> 8 & 3, rd = low(d, 0) | (d->w >> 4 & 8), rm = d->w >> 3 & 15;
    if (op == 3) {
        bool links = d->w >> 7 & 1;
        if (d->w & 7)
            return false;
        oops_thumb_jump(d, rm);
        if (links) {
            d->t->step.kind = OOPS_STEP_CALL;
            d->t->step.writes = OOPS_THUMB_CLOBBERED;
        }
        oops_thumb_say(d, links ? "blx" : "bx", "", "%s", REG(rm));
        return true;
    }
    if (op == 2)
        oops_thumb_copy(d, rd, rm, 0);
    else if (op == 0 && rd == OOPS_THUMB_PC)
        oops_thumb_jump(d, rm);
    else if (op == 0)
        d->t->step.writes = 1ull << rd;
    d->t->step.indexed |= op == 0 && rd == OOPS_THUMB_PC;
    if (d->w == 0x46c0)
        oops_thumb_say(d, "nop", "", "%s", "");
    else
        oops_thumb_say(d, names[op], "", "%s, %s", REG(rd), REG(rm));
    return true;
}

static void by_register(struct oops_thumb_insn *d) {
    static const char *const names[] = {"str", "strh", "strb", "ldrsb", "ldr", "ldrh", "ldrb", "ldrsh"};
    static const uint8_t sizes[] = {4, 2, 1, 1, 4, 2, 1, 2};
    unsigned op = d->w >> 9 & 7, rt = low(d, 0), rn = low(d, 3);
    if (op == 4)
        oops_thumb_load_word(d, rt, rn, 0);
    else
        oops_thumb_access(d, op >= 3, sizes[op], rn, 0);
    d->t->step.indexed = true;
    d->t->step.writes |= op >= 3 ? 1ull << rt : 0;
    d->t->index = d->t->step.index = (int)low(d, 6);
    d->t->step.times = 1;
    oops_thumb_say(d, names[op], "", "%s, [%s, %s]", REG(rt), REG(rn), REG(low(d, 6)));
}

static void by_immediate(struct oops_thumb_insn *d, const char *name, bool load, unsigned bytes) {
    unsigned rt = low(d, 0), rn = low(d, 3), disp = (d->w >> 6 & 31) * bytes;
    if (load && bytes == 4)
        oops_thumb_load_word(d, rt, rn, (int32_t)disp);
    else
        oops_thumb_access(d, load, bytes, rn, (int32_t)disp);
    d->t->step.writes |= load ? 1ull << rt : 0;
    oops_thumb_say(d, name, "", "%s, [%s, #%u]", REG(rt), REG(rn), disp);
}

static void by_stack(struct oops_thumb_insn *d) {
    bool load = d->w >> 11 & 1;
    unsigned rt = low(d, 8), disp = (d->w & 0xff) * 4;
    if (load)
        oops_thumb_load_word(d, rt, OOPS_THUMB_SP, (int32_t)disp);
    else
        oops_thumb_access(d, false, 4, OOPS_THUMB_SP, (int32_t)disp);
    oops_thumb_say(d, load ? "ldr" : "str", "", "%s, [sp, #%u]", REG(rt), disp);
}

static void address(struct oops_thumb_insn *d) {
    bool stack = d->w >> 11 & 1;
    unsigned rd = low(d, 8), imm = (d->w & 0xff) * 4;
    if (stack)
        oops_thumb_copy(d, rd, OOPS_THUMB_SP, imm);
    else
        oops_thumb_const(d, rd, (int64_t)((d->addr + 4) & ~3ull) + imm);
    oops_thumb_say(d, "add", "", "%s, %s, #%u", REG(rd), stack ? "sp" : "pc", imm);
}

static void compare_and_branch(struct oops_thumb_insn *d) {
    char to[16];
    int32_t disp = (int32_t)((d->w >> 3 & 0x40) | (d->w >> 2 & 0x3e));
    oops_thumb_to(d, OOPS_STEP_BRANCH, disp);
    oops_thumb_say(d, d->w >> 11 & 1 ? "cbnz" : "cbz", "", "%s, %s", REG(low(d, 0)), oops_thumb_far(disp, to));
}

static void extend(struct oops_thumb_insn *d) {
    static const char *const names[] = {"sxth", "sxtb", "uxth", "uxtb"};
    d->t->step.writes = 1ull << low(d, 0);
    oops_thumb_say(d, names[d->w >> 6 & 3], "", "%s, %s", REG(low(d, 0)), REG(low(d, 3)));
}

static bool reverse(struct oops_thumb_insn *d) {
    static const char *const names[] = {"rev", "rev16", NULL, "revsh"};
    const char *name = names[d->w >> 6 & 3];
    d->t->step.writes = 1ull << low(d, 0);
    if (name)
        oops_thumb_say(d, name, "", "%s, %s", REG(low(d, 0)), REG(low(d, 3)));
    else
        oops_thumb_say(d, "hlt", "", "0x%04x", d->w & 0x3f);
    if (!name)
        d->t->step.kind = OOPS_STEP_TRAP;
    return true;
}

static void push_pop(struct oops_thumb_insn *d, bool pop) {
    char list[80];
    uint32_t regs = (d->w & 0xff) | (d->w >> 8 & 1) << (pop ? OOPS_THUMB_PC : OOPS_THUMB_LR);
    oops_thumb_several(d, pop, OOPS_THUMB_SP, regs, true, !pop);
    oops_thumb_say(d, pop ? "pop" : "push", "", "%s", oops_thumb_list(regs, list, sizeof(list)));
}

/* "ittet eq": further letters by the bits of the mask, up to its last 1. */
static bool if_then(struct oops_thumb_insn *d) {
    static const char *const hints[] = {"nop", "yield", "wfe", "wfi", "sev", "sevl"};
    unsigned mask = d->w & 15, first = d->w >> 4 & 15;
    char name[8] = "it";
    if (!mask && first < sizeof(hints) / sizeof(hints[0])) {
        oops_thumb_say(d, hints[first], "", "%s", "");
        return true;
    }
    if (!mask) {
        oops_thumb_say(d, "nop", "", "{%u}", first);
        return true;
    }
    if (first == 15 || (first == IT_ALWAYS && (mask & (mask - 1))))
        return false;
    for (unsigned i = 3, n = 2; mask & ((1u << i) - 1); i--)
        name[n++] = (mask >> i & 1) == (first & 1) ? 't' : 'e';
    d->t->step.it = (uint8_t)(d->w & 0xff);
    d->it = 0;
    oops_thumb_say(d, name, "", "%s", conditions[first]);
    return true;
}

static bool processor_state(struct oops_thumb_insn *d) {
    static const char *const flags[] = {"", "f", "i", "if", "a", "af", "ai", "aif"};
    if ((d->w & 0xfff7) == 0xb650)
        oops_thumb_say(d, "setend", "", "%s", d->w & 8 ? "be" : "le");
    else if ((d->w & 0xffe8) == 0xb660)
        oops_thumb_say(d, d->w >> 4 & 1 ? "cpsid" : "cpsie", "", "%s", flags[d->w & 7]);
    else
        return false;
    return true;
}

static bool miscellaneous(struct oops_thumb_insn *d) {
    unsigned op = d->w >> 8 & 15;
    switch (op) {
    case 0: {
        bool minus = d->w >> 7 & 1;
        unsigned imm = (d->w & 0x7f) * 4;
        oops_thumb_copy(d, OOPS_THUMB_SP, OOPS_THUMB_SP, minus ? -(int64_t)imm : imm);
        oops_thumb_say(d, minus ? "sub" : "add", "", "sp, #%u", imm);
        return true;
    }
    case 1:
    case 3:
    case 9:
    case 11:
        compare_and_branch(d);
        return true;
    case 2:
        extend(d);
        return true;
    case 4:
    case 5:
        push_pop(d, false);
        return true;
    case 6:
        return processor_state(d);
    case 10:
        return reverse(d);
    case 12:
    case 13:
        push_pop(d, true);
        return true;
    case 14:
        d->t->step.kind = OOPS_STEP_TRAP;
        d->it = 0; /* never conditional */
        oops_thumb_say(d, "bkpt", "", "0x%04x", d->w & 0xff);
        return true;
    case 15:
        return if_then(d);
    default:
        return false;
    }
}

static void multiple(struct oops_thumb_insn *d) {
    char list[80];
    bool load = d->w >> 11 & 1;
    unsigned rn = low(d, 8), regs = d->w & 0xff;
    bool back = !load || !(regs >> rn & 1);
    oops_thumb_several(d, load, rn, regs, back, false);
    oops_thumb_say(d, load ? "ldmia" : "stmia", "", "%s%s, %s", REG(rn), back ? "!" : "",
                   oops_thumb_list(regs, list, sizeof(list)));
}

static void branch_if(struct oops_thumb_insn *d) {
    char name[8], to[16];
    unsigned cond = d->w >> 8 & 15;
    int32_t disp = (int8_t)(d->w & 0xff) * 2;
    if (cond >= 14) {
        bool call = cond == 15;
        d->t->step.kind = call ? OOPS_STEP_OTHER : OOPS_STEP_TRAP;
        d->t->step.writes = call ? 1 : 0;
        d->t->bug = d->w == 0xde02; /* BUG_INSTR_VALUE of arch/arm/include/asm/bug.h */
        oops_thumb_say(d, call ? "svc" : "udf", "", call ? "%u%s" : "#%u%s", d->w & 0xff, d->t->bug ? " (BUG)" : "");
        return;
    }
    snprintf(name, sizeof(name), "b%s", conditions[cond]);
    oops_thumb_to(d, OOPS_STEP_BRANCH, disp);
    d->it = 0;
    oops_thumb_say(d, name, ".n", "%s", oops_thumb_far(disp, to));
}

static bool narrow(struct oops_thumb_insn *d) {
    static const struct {
        const char *name;
        bool load;
        uint8_t bytes;
    } moves[] = {{"str", false, 4}, {"ldr", true, 4},   {"strb", false, 1},
                 {"ldrb", true, 1}, {"strh", false, 2}, {"ldrh", true, 2}};
    char to[16];
    unsigned top = d->w >> 11;
    if (top < 3)
        shift_immediate(d);
    else if (top == 3)
        add_three(d);
    else if (top < 8)
        immediate8(d);
    else if (top == 8 && !(d->w >> 10 & 1))
        two_registers(d);
    else if (top == 8)
        return special(d);
    else if (top == 9) {
        unsigned disp = (d->w & 0xff) * 4;
        oops_thumb_load_literal(d, low(d, 8), (int32_t)disp);
        oops_thumb_say(d, "ldr", "", "%s, [pc, #%u]", REG(low(d, 8)), disp);
    } else if (top < 12)
        by_register(d);
    else if (top < 18)
        by_immediate(d, moves[top - 12].name, moves[top - 12].load, moves[top - 12].bytes);
    else if (top < 20)
        by_stack(d);
    else if (top < 22)
        address(d);
    else if (top < 24)
        return miscellaneous(d);
    else if (top < 26)
        multiple(d);
    else if (top < 28)
        branch_if(d);
    else {
        int32_t disp = (int32_t)(d->w << 21) >> 20;
        oops_thumb_to(d, OOPS_STEP_JUMP, disp);
        oops_thumb_say(d, "b", ".n", "%s", oops_thumb_far(disp, to));
    }
    return true;
}

/* Nothing is sure to happen in an IT block. */
uint8_t oops_thumb_in_block(uint8_t it, struct oops_step *s) {
    uint8_t after = oops_thumb_it_after(it, s);
    if (!(it & 15) || it >> 4 == IT_ALWAYS)
        return after;
    if (s->kind == OOPS_STEP_COPY || s->kind == OOPS_STEP_CONST || s->kind == OOPS_STEP_LOAD ||
        s->kind == OOPS_STEP_SUM) {
        s->kind = OOPS_STEP_OTHER;
        s->dst = -1;
    } else if (s->kind == OOPS_STEP_JUMP || s->kind == OOPS_STEP_RETURN) {
        s->kind = OOPS_STEP_BRANCH;
    }
    return after;
}

bool oops_thumb_decode(const uint8_t *code, size_t len, uint64_t addr, uint8_t it, struct oops_thumb *t) {
    struct oops_thumb_insn d = {.t = t, .code = code, .len = len, .addr = addr, .it = it};
    *t = (struct oops_thumb){.step = {.dst = -1, .src = -1}, .base = -1, .index = -1};
    if (len < 2 || len < oops_thumb_length(code))
        return false;
    t->step.len = oops_thumb_length(code);
    d.w = code[0] | (uint32_t)code[1] << 8;
    if (t->step.len == 4)
        d.w = d.w << 16 | code[2] | (uint32_t)code[3] << 8;
    bool known = t->step.len == 4 ? oops_thumb_wide(&d) : narrow(&d);
    t->step.writes &= 0x7fff;
    if (t->step.kind == OOPS_STEP_OTHER)
        t->step.dst = -1;
    oops_thumb_in_block(it, &t->step);
    if (!known)
        t->text[0] = t->name[0] = '\0';
    return known;
}
