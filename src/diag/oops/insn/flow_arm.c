/*
 * 32-bit Arm (A32): the encodings that move addresses around. Source: Arm
 * Architecture Reference Manual, Armv7-A (DDI 0406C), chapter A5; AAPCS32 for
 * registers.
 *
 * Simplified: an instruction with a condition only "writes"; what is rare writes
 * both registers that its fields may name, which errs on the side of losing the
 * track. Thumb is thumb.c's.
 */
#include <elf.h>
#include <string.h>

#include "diag/oops/insn/thumb.h"

static const char *const names[] = {"r0", "r1", "r2",  "r3", "r4", "r5", "r6", "r7",
                                    "r8", "r9", "r10", "fp", "ip", "sp", "lr", "pc"};
static const int arguments[] = {0, 1, 2, 3, -1};

#define SP        13
#define LR        14
#define PC        15

#define CLOBBERED (0xfull | 1ull << 12 | 1ull << LR)
#define ALWAYS    14u /* the condition */

static int64_t sign(uint64_t value, unsigned bits) {
    return (int64_t)(value << (64 - bits)) >> (64 - bits);
}

static uint32_t rotated(uint32_t w) {
    uint32_t value = w & 0xff;
    unsigned by = (w >> 8 & 15) * 2;
    return by ? value >> by | value << (32 - by) : value;
}

static void call(struct oops_step *s) {
    s->kind = OOPS_STEP_CALL;
    s->writes = CLOBBERED;
}

/* An instruction that loads or computes pc. */
static void jump(struct oops_step *s, int src) {
    s->kind = src == LR ? OOPS_STEP_RETURN : OOPS_STEP_JUMP;
    s->src = src;
    s->writes = 0;
}

static bool branches(uint32_t w, uint64_t addr, struct oops_step *s) {
    bool always = w >> 28 == ALWAYS;
    if ((w & 0x0e000000) == 0x0a000000) { /* b, bl; blx with the condition 15 */
        s->direct = true;
        s->target = (uint32_t)(addr + 8 + (uint64_t)sign((w & 0xffffff) << 2, 26));
        if (w >> 28 == 15 || (w & 1u << 24))
            call(s);
        else
            s->kind = always ? OOPS_STEP_JUMP : OOPS_STEP_BRANCH;
    } else if ((w & 0x0ffffff0) == 0x012fff30) { /* blx */
        call(s);
        s->src = (int)(w & 15);
    } else if ((w & 0x0ffffff0) == 0x012fff10) { /* bx */
        jump(s, (int)(w & 15));
    } else if ((w & 0xfff000f0) == 0xe7f000f0) { /* udf */
        s->kind = OOPS_STEP_TRAP;
    } else {
        return false;
    }
    return true;
}

/* A word out of the pool behind the function: a constant, and its relocation. */
static void literal(const uint8_t *code, size_t len, int64_t disp, struct oops_step *s) {
    uint32_t value;
    if (disp < -4 || (uint64_t)(disp + 12) > len)
        return;
    memcpy(&value, code + 8 + disp, 4);
    s->kind = OOPS_STEP_CONST;
    s->imm = value;
    s->src = -1;
    s->field = (unsigned)(disp + 8);
    s->width = 4;
}

static void single(uint32_t w, const uint8_t *code, size_t len, struct oops_step *s) {
    bool load = w >> 20 & 1, byte = w >> 22 & 1, before = w >> 24 & 1, back = !before || (w >> 21 & 1);
    int rn = (int)(w >> 16 & 15), rt = (int)(w >> 12 & 15);
    int64_t disp = w >> 23 & 1 ? (int64_t)(w & 0xfff) : -(int64_t)(w & 0xfff);
    s->writes = (load ? 1ull << rt : 0) | (back ? 1ull << rn : 0);
    s->src = rn;
    s->imm = before ? disp : 0;
    s->indexed = w >> 25 & 1;
    if (s->indexed) {
        s->imm = 0;
        s->index = (int)(w & 15);
        s->times = before && (w >> 23 & 1) && !(w >> 4 & 7) && (w >> 7 & 31) < 16 ? 1u << (w >> 7 & 31) : 0;
    }
    if (!load || byte)
        return;
    s->dst = rt;
    if (rt == PC) {
        jump(s, rn);
        s->from_memory = true;
        if (rn == SP)
            s->kind = OOPS_STEP_RETURN;
    } else if (rn == PC && !s->indexed) {
        literal(code, len, disp, s);
    } else {
        s->kind = OOPS_STEP_LOAD;
    }
}

static void several(uint32_t w, struct oops_step *s) {
    bool load = w >> 20 & 1, back = w >> 21 & 1;
    s->writes = (load ? w & 0xffff : 0) | (back ? 1ull << (w >> 16 & 15) : 0);
    if (load && w >> PC & 1)
        s->kind = OOPS_STEP_RETURN;
}

/* Multiplications, exclusive accesses, halfwords and pairs: bits 7 and 4 are set. */
static void others(uint32_t w, struct oops_step *s) {
    bool halfword = w >> 5 & 3, load = w >> 20 & 1, pair = halfword && !load && (w >> 5 & 3) == 2;
    bool back = !(w >> 24 & 1) || (w >> 21 & 1);
    uint64_t rt = 1ull << (w >> 12 & 15), rn = 1ull << (w >> 16 & 15);
    if (halfword)
        s->writes = (load || pair ? rt | (pair ? rt << 1 : 0) : 0) | (back ? rn : 0);
    else if (w >> 24 & 1)
        s->writes = rt | rt << 1; /* ldrex, strex */
    else
        s->writes = rt | rn;
    s->writes &= 0xffff;
}

static void move_wide(uint32_t w, struct oops_step *s) {
    uint32_t imm = (w >> 4 & 0xf000) | (w & 0xfff);
    bool top = w >> 22 & 1;
    s->kind = top ? OOPS_STEP_COPY : OOPS_STEP_CONST; /* movt adds to what movw has set */
    s->imm = top ? (int64_t)imm << 16 : imm;
    s->src = top ? s->dst : -1;
}

static void data(uint32_t w, uint64_t addr, struct oops_step *s) {
    unsigned op = w >> 21 & 15;
    bool immediate = w >> 25 & 1, flags = w >> 20 & 1;
    int rn = (int)(w >> 16 & 15), rd = (int)(w >> 12 & 15), rm = (int)(w & 15);
    s->dst = rd;
    s->writes = 1ull << rd;
    if (op >= 8 && op <= 11) {
        if (flags || (immediate && (op == 9 || op == 11)) || (w & 0x0fb0fff0) == 0x0120f000)
            s->writes = 0; /* comparisons, msr, hints */
        else if (immediate)
            move_wide(w, s);
    } else if (op == 13 && !immediate && !(w & 0xff0)) {
        s->kind = OOPS_STEP_COPY;
        s->src = rm;
    } else if ((op == 13 || op == 15) && immediate) {
        s->kind = OOPS_STEP_CONST;
        s->imm = op == 13 ? rotated(w) : (uint32_t)~rotated(w);
    } else if ((op == 4 || op == 2) && immediate) {
        int64_t imm = op == 4 ? (int64_t)rotated(w) : -(int64_t)rotated(w);
        s->kind = rn == PC ? OOPS_STEP_CONST : OOPS_STEP_COPY;
        s->src = rn == PC ? -1 : rn;
        s->imm = rn == PC ? (int64_t)(addr + 8) + imm : imm;
    }
    if (op == 4 && !immediate && !flags && !(w >> 4 & 7) && (w >> 7 & 31) < 16 && rn != PC) { /* add, lsl #k */
        s->kind = OOPS_STEP_SUM;
        s->src = rn;
        s->index = rm;
        s->times = 1u << (w >> 7 & 31);
    }
    if (rd == PC && s->writes)
        jump(s, s->kind == OOPS_STEP_COPY ? rm : -1);
}

static bool decode(const uint8_t *code, size_t len, uint64_t addr, struct oops_step *s) {
    uint32_t w;
    *s = (struct oops_step){.dst = -1, .src = -1, .len = 4};
    if (len < 4)
        return false;
    memcpy(&w, code, 4);
    if (branches(w, addr, s))
        return true;
    if (w >> 28 == 15) /* pld, barriers */
        return true;
    if ((w & 0x0e000010) == 0x06000010) /* media */
        s->writes = 1ull << (w >> 12 & 15) | 1ull << (w >> 16 & 15);
    else if ((w & 0x0c000000) == 0x04000000)
        single(w, code, len, s);
    else if ((w & 0x0e000000) == 0x08000000)
        several(w, s);
    else if ((w & 0x0e000090) == 0x00000090)
        others(w, s);
    else if ((w & 0x0c000000) == 0x00000000)
        data(w, addr, s);
    else if ((w & 0x0f100010) == 0x0e100010) /* mrc */
        s->writes = 1ull << (w >> 12 & 15);
    bool moves = s->kind == OOPS_STEP_COPY || s->kind == OOPS_STEP_CONST || s->kind == OOPS_STEP_LOAD ||
                 s->kind == OOPS_STEP_SUM;
    if (w >> 28 != ALWAYS && moves)
        s->kind = OOPS_STEP_OTHER;
    else if (w >> 28 != ALWAYS && (s->kind == OOPS_STEP_JUMP || s->kind == OOPS_STEP_RETURN))
        s->kind = OOPS_STEP_BRANCH;
    if (s->kind == OOPS_STEP_OTHER)
        s->dst = -1;
    return true;
}

/* Whether it runs at all depends on the IT block that it is in, which is the caller's to know: origin.c. */
static bool decode_thumb(const uint8_t *code, size_t len, uint64_t addr, struct oops_step *s) {
    struct oops_thumb t;
    oops_thumb_decode(code, len, addr, 0, &t);
    *s = t.step;
    return s->len > 0;
}

#define ROW(name_, decode_)                                                                                            \
    {                                                                                                                  \
        .machine = EM_ARM, .name = name_, .registers = 16, .names = names, .arguments = arguments,                     \
        .clobbered = CLOBBERED, .kept = 0xff0 /* r4 to fp */, .stack = SP, .link = LR, .result = 0, .decode = decode_, \
    }

const struct oops_flow oops_flow_arm = ROW("arm", decode), oops_flow_thumb = ROW("thumb", decode_thumb);
