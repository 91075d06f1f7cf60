/*
 * arm64: the regular encodings that move addresses around. Source: Arm
 * Architecture Reference Manual DDI 0487, chapters C3 and C4; AAPCS64 for
 * registers.
 *
 * Not modelled: register-offset loads are "indexed"; everything else writes the
 * register in bits 4:0, which is right or errs on the side of losing the track.
 */
#include <elf.h>
#include <string.h>

#include "diag/oops/insn/flow.h"

static const char *const names[] = {"x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",  "x8",  "x9",  "x10",
                                    "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",
                                    "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp"};
static const int arguments[] = {0, 1, 2, 3, 4, 5, 6, 7, -1};

#define CLOBBERED ((1ull << 19) - 1) /* x0 to x18 */
#define ZERO      31u                /* xzr in most places, sp in some */

static int64_t sign(uint64_t value, unsigned bits) {
    return (int64_t)(value << (64 - bits)) >> (64 - bits);
}

static bool branches(uint32_t w, uint64_t addr, struct oops_step *s) {
    bool link = w >> 31;
    if ((w & 0x7c000000) == 0x14000000) { /* b, bl */
        s->kind = link ? OOPS_STEP_CALL : OOPS_STEP_JUMP;
        s->target = addr + (uint64_t)sign((w & 0x3ffffff) << 2, 28);
        s->direct = true;
    } else if ((w & 0xff000010) == 0x54000000 || (w & 0x7e000000) == 0x34000000) { /* b.cond, cbz, cbnz */
        s->kind = OOPS_STEP_BRANCH;
        s->target = addr + (uint64_t)sign((w >> 5 & 0x7ffff) << 2, 21);
        s->direct = true;
    } else if ((w & 0x7e000000) == 0x36000000) { /* tbz, tbnz */
        s->kind = OOPS_STEP_BRANCH;
        s->target = addr + (uint64_t)sign((w >> 5 & 0x3fff) << 2, 16);
        s->direct = true;
    } else if ((w & 0xfe000000) == 0xd6000000) { /* br, blr, ret and their authenticated forms */
        unsigned what = w >> 21 & 3;
        s->kind = what == 1 ? OOPS_STEP_CALL : what == 2 ? OOPS_STEP_RETURN : OOPS_STEP_JUMP;
        s->src = (int)(w >> 5 & 31);
    } else if ((w & 0xffe0001f) == 0xd4200000 || !(w >> 16)) { /* brk; udf, and what fills gaps */
        s->kind = OOPS_STEP_TRAP;
    } else {
        return false;
    }
    if (s->kind == OOPS_STEP_CALL)
        s->writes = CLOBBERED | 1ull << 30;
    return true;
}

/* Exclusive, ordered, compare and swap; those of pairs. */
static uint64_t exclusives(uint32_t w) {
    uint64_t rt = 1ull << (w & 31), rt2 = 1ull << (w >> 10 & 31), rs = 1ull << (w >> 16 & 31);
    bool o2 = w >> 23 & 1, load = w >> 22 & 1, o1 = w >> 21 & 1;
    if (o1 && !(w >> 31)) /* casp */
        return rs | rs << 1;
    if (o1 && o2) /* cas */
        return rs;
    if (load)
        return rt | (o1 ? rt2 : 0);
    return o2 ? 0 : rs;
}

/* One register and its address by a register: literals and prefetches come to nothing here. */
static void single(uint32_t w, struct oops_step *s) {
    unsigned rt = w & 31, rn = w >> 5 & 31, size = w >> 30, opc = w >> 22 & 3, mode = w >> 10 & 3;
    bool vector = w & 1u << 26, scaled = w & 1u << 24, by_register = !scaled && (w & 1u << 21);
    bool atomic = by_register && mode == 0, prefetch = !vector && size == 3 && opc == 2;
    s->src = (int)rn;
    if (!vector && !prefetch && (opc || atomic))
        s->writes = 1ull << rt;
    if (!scaled && !by_register && (mode & 1))
        s->writes |= 1ull << rn;
    if (vector || size != 3 || opc != 1 || (by_register && mode != 2))
        return;
    s->kind = OOPS_STEP_LOAD;
    s->dst = (int)rt;
    s->indexed = by_register;
    s->index = (int)(w >> 16 & 31);
    s->times = by_register ? (w & 1u << 12 ? 8 : 1) : 0;
    if (scaled)
        s->imm = (int64_t)(w >> 10 & 0xfff) * 8;
    else if (!by_register && mode != 1) /* not behind the access */
        s->imm = sign(w >> 12 & 0x1ff, 9);
}

static void loads(uint32_t w, struct oops_step *s) {
    unsigned rt = w & 31, rn = w >> 5 & 31;
    bool vector = w & 1u << 26;
    if ((w & 0x3f000000) == 0x08000000) {
        s->writes = exclusives(w);
    } else if ((w & 0x3a000000) == 0x28000000) { /* pairs */
        s->writes = !vector && (w & 1u << 22) ? 1ull << rt | 1ull << (w >> 10 & 31) : 0;
        s->writes |= w & 1u << 23 ? 1ull << rn : 0;
    } else if ((w & 0x3b000000) == 0x18000000) { /* literal */
        s->writes = !vector && w >> 30 != 3 ? 1ull << rt : 0;
    } else if ((w & 0x3a000000) == 0x38000000) {
        single(w, s);
    } else if (!vector) { /* vectors of structures; tags: as good as nothing in a kernel */
        s->writes = 1ull << rt | 1ull << rn;
    }
}

static void sums(uint32_t w, uint64_t addr, struct oops_step *s) {
    unsigned rd = w & 31, rn = w >> 5 & 31;
    s->writes = 1ull << rd;
    s->dst = (int)rd;
    if ((w & 0xbf800000) == 0x91000000 || (w & 0xff800000) == 0xd1000000) { /* add, sub x, n, #imm */
        int64_t imm = (int64_t)(w >> 10 & 0xfff) << (w & 1u << 22 ? 12 : 0);
        s->kind = OOPS_STEP_COPY;
        s->src = (int)rn;
        s->imm = w & 1u << 30 ? -imm : imm;
    } else if ((w & 0xffe0ffe0) == 0xaa0003e0) { /* mov x, m */
        unsigned rm = w >> 16 & 31;
        s->kind = rm == ZERO ? OOPS_STEP_CONST : OOPS_STEP_COPY;
        s->src = rm == ZERO ? -1 : (int)rm;
    } else if ((w & 0x7f800000) == 0x52800000) { /* movz */
        s->kind = OOPS_STEP_CONST;
        s->imm = (int64_t)((uint64_t)(w >> 5 & 0xffff) << (w >> 21 & 3) * 16);
    } else if ((w & 0xff800000) == 0x92800000) { /* movn */
        s->kind = OOPS_STEP_CONST;
        s->imm = (int64_t) ~((uint64_t)(w >> 5 & 0xffff) << (w >> 21 & 3) * 16);
    } else if ((w & 0xff200000) == 0x8b000000 && !(w >> 22 & 3) && (w >> 10 & 63) < 16) { /* add x, n, m, lsl #k */
        s->kind = OOPS_STEP_SUM;
        s->src = (int)rn;
        s->index = (int)(w >> 16 & 31);
        s->times = 1u << (w >> 10 & 63);
    } else if ((w & 0xffe00000) == 0x8b200000 && (w >> 10 & 7) <= 4) { /* add x, n, w, uxtw #k and the like */
        s->kind = OOPS_STEP_SUM;
        s->src = (int)rn;
        s->index = (int)(w >> 16 & 31);
        s->times = 1u << (w >> 10 & 7);
    } else if ((w & 0x9f000000) == 0x90000000) { /* adrp */
        uint64_t page = (uint64_t)sign(((w >> 5 & 0x7ffff) << 2 | (w >> 29 & 3)), 21) << 12;
        s->kind = OOPS_STEP_CONST;
        s->imm = (int64_t)((addr & ~0xfffull) + page);
    }
}

static bool decode(const uint8_t *code, size_t len, uint64_t addr, struct oops_step *s) {
    uint32_t w;
    *s = (struct oops_step){.dst = -1, .src = -1, .len = 4};
    if (len < 4)
        return false;
    memcpy(&w, code, 4);
    if (branches(w, addr, s))
        return true;
    s->src = -1;
    if ((w & 0x0a000000) == 0x08000000)
        loads(w, s);
    else if (w != 0xd503201f && (w & 0xffffff00) != 0xd5032000) /* hints write nothing */
        sums(w, addr, s);
    if (s->dst == 31)
        s->writes &= ~(1ull << 31);
    return true;
}

const struct oops_flow oops_flow_arm64 = {
    .machine = EM_AARCH64,
    .name = "arm64",
    .registers = 32,
    .names = names,
    .arguments = arguments,
    .clobbered = CLOBBERED | 1ull << 30,
    .kept = 0x7ffull << 19, /* x19 to x29 */
    .stack = 31,
    .link = 30,
    .result = 0,
    .decode = decode,
};
