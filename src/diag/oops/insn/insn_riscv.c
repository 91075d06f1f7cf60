/*
 * Loads, stores and atomics of RISC-V with the compressed forms of the first
 * two, ebreak and jumps to registers.
 *
 * Source: The RISC-V Instruction Set Manual, Volume I (20191213), chapters 2, 5, 8, 11, 12 and 16.
 * Not modelled: vector and cache-block instructions.
 */
#include <stdio.h>

#include "diag/oops/insn/insn.h"
#include "diag/oops/oops_int.h"

static const char *name_of(unsigned n) {
    static const char *const names[] = {"zero", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0",
                                        "a1",   "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
                                        "s6",   "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};
    return names[n & 31];
}

static uint32_t bits(uint32_t word, unsigned high, unsigned low) {
    return word >> low & (UINT32_MAX >> (31 - (high - low)));
}

static int64_t sign_extend(uint32_t value, unsigned width) {
    uint64_t sign = UINT64_C(1) << (width - 1);
    return (int64_t)((value ^ sign) - sign);
}

static bool access(const struct oops_insn_request *q, struct oops_insn *insn, const char *name, const char *data,
                   unsigned base, int64_t disp, unsigned bytes, bool load) {
    struct oops_operand *op = &insn->mem;
    op->there = true;
    op->base = base ? name_of(base) : "";
    op->disp = disp;
    op->bytes = bytes;
    op->read = load;
    op->write = !load;
    oops_operand_address(q, op);
    insn->mnemonic = name;
    insn->text = oops_pool_printf(q->pool, "%s %s,%lld(%s)", name, data, (long long)disp, name_of(base));
    return true;
}

static const char *float_name(struct oops_pool *pool, unsigned n) {
    return oops_pool_printf(pool, "f%u", n);
}

static bool atomic(const struct oops_insn_request *q, struct oops_insn *insn, uint32_t word) {
    static const char *const names[32] = {
        [0] = "amoadd",  [1] = "amoswap", [2] = "lr",      [3] = "sc",       [4] = "amoxor",  [8] = "amoor",
        [12] = "amoand", [16] = "amomin", [20] = "amomax", [24] = "amominu", [28] = "amomaxu"};
    unsigned op = bits(word, 31, 27), width = bits(word, 14, 12);
    if (!names[op] || (width != 2 && width != 3))
        return false;
    const char *name = oops_pool_printf(q->pool, "%s.%c", names[op], width == 3 ? 'd' : 'w');
    access(q, insn, name, name_of(bits(word, 11, 7)), bits(word, 19, 15), 0, 1u << width, op != 3);
    insn->mem.write = op != 2;
    insn->text = oops_pool_printf(q->pool, "%s %s,%s,(%s)", name, name_of(bits(word, 11, 7)),
                                  name_of(bits(word, 24, 20)), name_of(bits(word, 19, 15)));
    return true;
}

static bool full(const struct oops_insn_request *q, struct oops_insn *insn, uint32_t word) {
    static const char *const loads[] = {"lb", "lh", "lw", "ld", "lbu", "lhu", "lwu", ""};
    static const char *const stores[] = {"sb", "sh", "sw", "sd"};
    unsigned width = bits(word, 14, 12), base = bits(word, 19, 15), rd = bits(word, 11, 7), rs2 = bits(word, 24, 20);
    int64_t store_disp = sign_extend(bits(word, 31, 25) << 5 | rd, 12);
    switch (word & 0x7f) {
    case 0x03:
        return width < 7 && access(q, insn, loads[width], name_of(rd), base, sign_extend(bits(word, 31, 20), 12),
                                   1u << (width & 3), true);
    case 0x07:
        return (width == 2 || width == 3) && access(q, insn, width == 3 ? "fld" : "flw", float_name(q->pool, rd), base,
                                                    sign_extend(bits(word, 31, 20), 12), 1u << width, true);
    case 0x23:
        return width < 4 && access(q, insn, stores[width], name_of(rs2), base, store_disp, 1u << width, false);
    case 0x27:
        return (width == 2 || width == 3) && access(q, insn, width == 3 ? "fsd" : "fsw", float_name(q->pool, rs2), base,
                                                    store_disp, 1u << width, false);
    case 0x2f:
        return atomic(q, insn, word);
    case 0x67:
        insn->is_call = rd == 1;
        insn->is_return = rd == 0 && base == 1;
        insn->is_jump = rd == 0 && base != 1;
        insn->mnemonic = "jalr";
        insn->text = oops_pool_printf(q->pool, "jalr %s,%lld(%s)", name_of(rd),
                                      (long long)sign_extend(bits(word, 31, 20), 12), name_of(base));
        return true;
    case 0x73:
        insn->is_bug = word == 0x00100073;
        insn->mnemonic = insn->text = "ebreak";
        return insn->is_bug;
    default:
        return false;
    }
}

/* Quadrant 0: registers s0..a5. */
static bool compressed_0(const struct oops_insn_request *q, struct oops_insn *insn, uint32_t half) {
    unsigned base = 8 + bits(half, 9, 7), data = 8 + bits(half, 4, 2);
    int64_t word_disp = (int64_t)(bits(half, 12, 10) << 3 | bits(half, 6, 6) << 2 | bits(half, 5, 5) << 6);
    int64_t double_disp = (int64_t)(bits(half, 12, 10) << 3 | bits(half, 6, 5) << 6);
    switch (bits(half, 15, 13)) {
    case 1:
        return access(q, insn, "c.fld", float_name(q->pool, data), base, double_disp, 8, true);
    case 2:
        return access(q, insn, "c.lw", name_of(data), base, word_disp, 4, true);
    case 3:
        return access(q, insn, "c.ld", name_of(data), base, double_disp, 8, true);
    case 5:
        return access(q, insn, "c.fsd", float_name(q->pool, data), base, double_disp, 8, false);
    case 6:
        return access(q, insn, "c.sw", name_of(data), base, word_disp, 4, false);
    case 7:
        return access(q, insn, "c.sd", name_of(data), base, double_disp, 8, false);
    default:
        return false;
    }
}

/* Quadrant 2: relative to the stack pointer; jumps to registers; ebreak. */
static bool compressed_2(const struct oops_insn_request *q, struct oops_insn *insn, uint32_t half) {
    unsigned rd = bits(half, 11, 7), rs2 = bits(half, 6, 2);
    switch (bits(half, 15, 13)) {
    case 2:
        return access(q, insn, "c.lwsp", name_of(rd), 2,
                      (int64_t)(bits(half, 12, 12) << 5 | bits(half, 6, 4) << 2 | bits(half, 3, 2) << 6), 4, true);
    case 3:
        return access(q, insn, "c.ldsp", name_of(rd), 2,
                      (int64_t)(bits(half, 12, 12) << 5 | bits(half, 6, 5) << 3 | bits(half, 4, 2) << 6), 8, true);
    case 6:
        return access(q, insn, "c.swsp", name_of(rs2), 2, (int64_t)(bits(half, 12, 9) << 2 | bits(half, 8, 7) << 6), 4,
                      false);
    case 7:
        return access(q, insn, "c.sdsp", name_of(rs2), 2, (int64_t)(bits(half, 12, 10) << 3 | bits(half, 9, 7) << 6), 8,
                      false);
    case 4:
        if (rs2)
            return false;
        insn->is_bug = half == 0x9002;
        insn->is_call = bits(half, 12, 12) && rd;
        insn->is_return = !bits(half, 12, 12) && rd == 1;
        insn->is_jump = !bits(half, 12, 12) && rd != 1;
        insn->mnemonic = insn->is_bug ? "c.ebreak" : insn->is_call ? "c.jalr" : "c.jr";
        insn->text = insn->is_bug ? "c.ebreak" : oops_pool_printf(q->pool, "%s %s", insn->mnemonic, name_of(rd));
        return true;
    default:
        return false;
    }
}

bool oops_insn_riscv(const struct oops_insn_request *q, struct oops_insn *insn) {
    if (q->len < 2)
        return false;
    uint32_t half = q->code[0] | (uint32_t)q->code[1] << 8;
    if ((half & 3) != 3) {
        insn->len = 2;
        return (half & 3) == 0 ? compressed_0(q, insn, half) : (half & 3) == 2 ? compressed_2(q, insn, half) : false;
    }
    insn->len = 4;
    if (q->len < 4)
        return false;
    return full(q, insn, half | (uint32_t)q->code[2] << 16 | (uint32_t)q->code[3] << 24);
}
