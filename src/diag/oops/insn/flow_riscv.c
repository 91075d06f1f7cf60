/*
 * riscv, 64 bits, with compressed instructions. Source: The RISC-V Instruction
 * Set Manual volume I, chapters 2, 5 and 16; psABI for registers.
 *
 * Simplified: auipc with a following sum is a constant and a sum; sums of two
 * registers only "write".
 */
#include <elf.h>
#include <string.h>

#include "diag/oops/insn/flow.h"

static const char *const names[] = {"zero", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0",
                                    "a1",   "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
                                    "s6",   "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};
static const int arguments[] = {10, 11, 12, 13, 14, 15, 16, 17, -1};

/* ra, t0-t6, a0-a7 */
#define CLOBBERED (1ull << 1 | 0xe0ull | 0xffull << 10 | 0xfull << 28)
#define RA        1u

static int64_t sign(uint64_t value, unsigned bits) {
    return (int64_t)(value << (64 - bits)) >> (64 - bits);
}

static void sum(struct oops_step *s, unsigned rd, unsigned rs, unsigned index, unsigned times) {
    s->kind = OOPS_STEP_SUM;
    s->dst = (int)rd;
    s->src = (int)rs;
    s->index = (int)index;
    s->times = times;
    s->writes = 1ull << rd;
}

static void copy(struct oops_step *s, unsigned rd, unsigned rs, int64_t imm) {
    s->kind = rs == 0 ? OOPS_STEP_CONST : OOPS_STEP_COPY;
    s->dst = (int)rd;
    s->src = rs == 0 ? -1 : (int)rs;
    s->imm = imm;
    s->writes = 1ull << rd;
}

static void load(struct oops_step *s, unsigned rd, unsigned rs, int64_t imm) {
    s->kind = OOPS_STEP_LOAD;
    s->dst = (int)rd;
    s->src = (int)rs;
    s->imm = imm;
    s->writes = 1ull << rd;
}

static void jump(struct oops_step *s, unsigned rd, bool direct, uint64_t target, int src) {
    s->kind = rd == RA ? OOPS_STEP_CALL : !direct && src == (int)RA ? OOPS_STEP_RETURN : OOPS_STEP_JUMP;
    s->direct = direct;
    s->target = target;
    s->src = src;
    s->writes = rd == RA ? CLOBBERED : 0;
}

static void wide(uint32_t w, uint64_t addr, struct oops_step *s) {
    unsigned rd = w >> 7 & 31, rs = w >> 15 & 31, f3 = w >> 12 & 7;
    int64_t imm = sign(w >> 20, 12);
    s->len = 4;
    s->writes = 1ull << rd;
    switch (w & 0x7f) {
    case 0x03: /* loads */
        if (f3 == 3)
            load(s, rd, rs, imm);
        break;
    case 0x13: /* addi and others */
        if (f3 == 0)
            copy(s, rd, rs, imm);
        break;
    case 0x33: /* add, sh1add to sh3add */
        if (f3 == 0 && w >> 25 == 0)
            sum(s, rd, rs, w >> 20 & 31, 1);
        else if (w >> 25 == 0x10 && f3 && !(f3 & 1))
            sum(s, rd, w >> 20 & 31, rs, 1u << f3 / 2);
        break;
    case 0x17: /* auipc */
        copy(s, rd, 0, (int64_t)(addr + (uint64_t)sign(w & 0xfffff000, 32)));
        break;
    case 0x37: /* lui */
        copy(s, rd, 0, sign(w & 0xfffff000, 32));
        break;
    case 0x23: /* stores */
    case 0x27:
    case 0x0f: /* fences */
        s->writes = 0;
        break;
    case 0x63: /* branches */
        s->kind = OOPS_STEP_BRANCH;
        s->writes = 0;
        s->direct = true;
        s->target = addr + (uint64_t)sign(
                               (w >> 31 & 1) << 12 | (w >> 7 & 1) << 11 | (w >> 25 & 63) << 5 | (w >> 8 & 15) << 1, 13);
        break;
    case 0x6f: /* jal */
        jump(s, rd, true,
             addr + (uint64_t)sign(
                        (w >> 31 & 1) << 20 | (w >> 12 & 255) << 12 | (w >> 20 & 1) << 11 | (w >> 21 & 1023) << 1, 21),
             -1);
        break;
    case 0x67: /* jalr */
        jump(s, rd, false, 0, (int)rs);
        s->imm = imm;
        break;
    case 0x73:
        if (w == 0x00100073)
            s->kind = OOPS_STEP_TRAP;
        break;
    default:
        break;
    }
}

static void narrow_loads(uint32_t w, struct oops_step *s) {
    unsigned rd = 8 + (w >> 2 & 7), rs = 8 + (w >> 7 & 7);
    if ((w & 0xe003) == 0x6000) /* c.ld */
        load(s, rd, rs, (int64_t)((w >> 10 & 7) << 3 | (w >> 5 & 3) << 6));
    else if ((w & 0xe003) == 0x4000) /* c.lw */
        s->writes = 1ull << rd;
    else if ((w & 0xe003) == 0x0000) /* c.addi4spn */
        copy(s, rd, 2, (int64_t)((w >> 11 & 3) << 4 | (w >> 7 & 15) << 6 | (w >> 6 & 1) << 2 | (w >> 5 & 1) << 3));
}

static void narrow_sums(uint32_t w, uint64_t addr, struct oops_step *s) {
    unsigned rd = w >> 7 & 31, f3 = w >> 13;
    int64_t imm = sign((w >> 12 & 1) << 5 | (w >> 2 & 31), 6);
    if (f3 == 0 && rd) {
        copy(s, rd, rd, imm);
    } else if (f3 == 2) {
        copy(s, rd, 0, imm);
    } else if (f3 == 5) { /* c.j */
        jump(s, 0, true,
             addr + (uint64_t)sign((w >> 12 & 1) << 11 | (w >> 11 & 1) << 4 | (w >> 9 & 3) << 8 | (w >> 8 & 1) << 10 |
                                       (w >> 7 & 1) << 6 | (w >> 6 & 1) << 7 | (w >> 3 & 7) << 1 | (w >> 2 & 1) << 5,
                                   12),
             -1);
    } else if (f3 >= 6) { /* c.beqz, c.bnez */
        s->kind = OOPS_STEP_BRANCH;
        s->direct = true;
        s->target = addr + (uint64_t)sign((w >> 12 & 1) << 8 | (w >> 10 & 3) << 3 | (w >> 5 & 3) << 6 |
                                              (w >> 3 & 3) << 1 | (w >> 2 & 1) << 5,
                                          9);
    } else {
        s->writes = f3 == 4 ? 1ull << (8 + (w >> 7 & 7)) : 1ull << rd;
    }
}

static void narrow_others(uint32_t w, struct oops_step *s) {
    unsigned rd = w >> 7 & 31, rs = w >> 2 & 31, f3 = w >> 13;
    if (f3 == 3) { /* c.ldsp */
        load(s, rd, 2, (int64_t)((w >> 12 & 1) << 5 | (w >> 5 & 3) << 3 | (w >> 2 & 7) << 6));
    } else if (f3 == 4 && rs) {
        if (w >> 12 & 1) /* c.add */
            sum(s, rd, rd, rs, 1);
        else
            copy(s, rd, rs, 0);
    } else if (f3 == 4 && rd) {
        jump(s, w >> 12 & 1 ? RA : 0, false, 0, (int)rd);
    } else if (f3 == 4) {
        s->kind = OOPS_STEP_TRAP;
    } else if (f3 < 3) {
        s->writes = 1ull << rd;
    }
}

static bool decode(const uint8_t *code, size_t len, uint64_t addr, struct oops_step *s) {
    uint32_t w = 0;
    *s = (struct oops_step){.dst = -1, .src = -1, .len = 2};
    if (len < 2)
        return false;
    memcpy(&w, code, len < 4 ? 2 : 4);
    if ((w & 3) == 3) {
        if (len < 4)
            return false;
        wide(w, addr, s);
    } else if ((w & 3) == 0) {
        narrow_loads(w & 0xffff, s);
    } else if ((w & 3) == 1) {
        narrow_sums(w & 0xffff, addr, s);
    } else {
        narrow_others(w & 0xffff, s);
    }
    s->writes &= ~1ull; /* zero stays zero */
    return true;
}

const struct oops_flow oops_flow_riscv = {
    .machine = EM_RISCV,
    .name = "riscv",
    .registers = 32,
    .names = names,
    .arguments = arguments,
    .clobbered = CLOBBERED,
    .kept = 3ull << 8 | 0x3ffull << 18 | 3ull << 3, /* s0 to s11, gp, tp */
    .stack = 2,
    .link = RA,
    .result = 10,
    .decode = decode,
};
