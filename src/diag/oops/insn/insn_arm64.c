/*
 * Loads and stores of AArch64, with the few other instructions that end up in
 * reports (brk, branches to registers, cache maintenance). Enough for the one
 * question: which address did it touch, and from which registers.
 *
 * Source: Arm Architecture Reference Manual for A-profile (DDI 0487), section C4.1.94 "Loads and Stores".
 * Simplified: SIMD structure loads, SVE and memory copies (MOPS) are shown as undecoded.
 */
#include <stdio.h>
#include <string.h>

#include "diag/oops/insn/insn.h"
#include "diag/oops/oops_int.h"

static uint32_t bits(uint32_t word, unsigned high, unsigned low) {
    return word >> low & (UINT32_MAX >> (31 - (high - low)));
}

static int64_t sign_extend(uint32_t value, unsigned width) {
    uint64_t sign = UINT64_C(1) << (width - 1);
    return (int64_t)((value ^ sign) - sign);
}

/* Register 31 is the stack pointer as a base and zero as data. */
static const char *base_name(struct oops_pool *pool, unsigned n) {
    if (n == 31)
        return "sp";
    return n == 30 ? "lr" : oops_pool_printf(pool, "x%u", n);
}

static const char *data_name(struct oops_pool *pool, unsigned n, bool wide, bool vector) {
    if (vector)
        return oops_pool_printf(pool, "v%u", n);
    if (n == 31)
        return wide ? "xzr" : "wzr";
    return oops_pool_printf(pool, "%c%u", wide ? 'x' : 'w', n);
}

static void set(const struct oops_insn_request *q, struct oops_insn *insn, unsigned base, int64_t disp, unsigned bytes,
                bool load) {
    struct oops_operand *op = &insn->mem;
    op->there = true;
    op->base = base_name(q->pool, base);
    op->disp = disp;
    op->bytes = bytes;
    op->read = load;
    op->write = !load;
    if (!oops_insn_reg(q, op->base, &(uint64_t){0}) && base == 30) /* older kernels name it so */
        op->base = "x30";
    oops_operand_address(q, op);
}

static const char *address_text(struct oops_pool *pool, const char *base, int64_t disp, unsigned mode) {
    if (mode == 1)
        return oops_pool_printf(pool, "[%s], #%lld", base, (long long)disp);
    if (mode == 3)
        return oops_pool_printf(pool, "[%s, #%lld]!", base, (long long)disp);
    return disp ? oops_pool_printf(pool, "[%s, #%lld]", base, (long long)disp) : oops_pool_printf(pool, "[%s]", base);
}

struct access {
    const char *name;
    bool load, wide, signed_;
    unsigned bytes;
    bool vector, prefetch;
};

/* size, V and opc of the single-register forms. */
static bool single_access(struct oops_pool *pool, uint32_t word, struct access *a) {
    static const char *const suffix[] = {"b", "h", "", ""};
    unsigned size = bits(word, 31, 30), opc = bits(word, 23, 22);
    a->vector = bits(word, 26, 26);
    a->bytes = 1u << size;
    if (a->vector) {
        a->load = opc & 1;
        a->bytes = opc & 2 ? 16 : a->bytes;
        a->name = a->load ? "ldr" : "str";
        return !(opc & 2) || size == 0;
    }
    a->load = opc != 0;
    a->signed_ = opc >= 2;
    a->wide = size == 3 || opc == 2;
    a->prefetch = size == 3 && opc == 2;
    if (size == 3 && opc == 3)
        return false;
    if (size == 2 && opc == 3)
        return false;
    if (a->prefetch)
        a->name = "prfm";
    else
        a->name = oops_pool_printf(pool, "%s%s%s", a->load ? "ldr" : "str", a->signed_ ? "s" : "",
                                   a->signed_ && size == 2 ? "w" : suffix[size]);
    return true;
}

/* Immediate offset, scaled (unsigned) or not (signed, perhaps written back). */
static bool immediate_form(const struct oops_insn_request *q, uint32_t word, struct oops_insn *insn) {
    struct access a = {0};
    unsigned base = bits(word, 9, 5), data = bits(word, 4, 0), mode = 0;
    if (!single_access(q->pool, word, &a))
        return false;
    int64_t disp;
    if (bits(word, 25, 24) == 1) {
        disp = (int64_t)bits(word, 21, 10) * a.bytes;
    } else {
        disp = sign_extend(bits(word, 20, 12), 9);
        mode = bits(word, 11, 10);
    }
    set(q, insn, base, mode == 1 ? 0 : disp, a.bytes, a.load);
    insn->mnemonic = a.name;
    insn->text = oops_pool_printf(q->pool, "%s %s, %s", a.name, data_name(q->pool, data, a.wide, a.vector),
                                  address_text(q->pool, base_name(q->pool, base), disp, mode));
    return true;
}

/* [base, index, lsl #n] */
static bool register_form(const struct oops_insn_request *q, uint32_t word, struct oops_insn *insn) {
    struct access a = {0};
    unsigned base = bits(word, 9, 5), index = bits(word, 20, 16), option = bits(word, 15, 13);
    if (!single_access(q->pool, word, &a))
        return false;
    struct oops_operand *op = &insn->mem;
    op->index = index == 31 ? "" : base_name(q->pool, index);
    op->scale = bits(word, 12, 12) ? a.bytes : 1;
    set(q, insn, base, 0, a.bytes, a.load);
    if (option != 3 && option != 7) /* 32-bit index, extended: its upper half in the log does not count */
        op->ea_known = op->ea_matches = false;
    insn->mnemonic = a.name;
    insn->text =
        oops_pool_printf(q->pool, "%s %s, [%s, %s%s]", a.name, data_name(q->pool, bits(word, 4, 0), a.wide, a.vector),
                         op->base, data_name(q->pool, index, option == 3 || option == 7, false),
                         op->scale > 1 ? oops_pool_printf(q->pool, ", lsl #%d", __builtin_ctz(op->scale)) : "");
    return true;
}

static bool pair_form(const struct oops_insn_request *q, uint32_t word, struct oops_insn *insn) {
    unsigned opc = bits(word, 31, 30), mode = bits(word, 24, 23), base = bits(word, 9, 5);
    bool vector = bits(word, 26, 26), load = bits(word, 22, 22);
    unsigned bytes = vector ? 4u << opc : opc & 2 ? 8 : 4;
    if (opc == 3)
        return false;
    int64_t disp = sign_extend(bits(word, 21, 15), 7) * (int64_t)bytes;
    set(q, insn, base, mode == 1 ? 0 : disp, 2 * bytes, load);
    insn->mnemonic = load ? "ldp" : "stp";
    insn->text = oops_pool_printf(q->pool, "%s %s, %s, %s", insn->mnemonic,
                                  data_name(q->pool, bits(word, 4, 0), bytes == 8, vector),
                                  data_name(q->pool, bits(word, 14, 10), bytes == 8, vector),
                                  address_text(q->pool, base_name(q->pool, base), disp, mode));
    return true;
}

/* ldxr, stxr, ldar, stlr, cas ...: all at [base]. */
static bool exclusive_form(const struct oops_insn_request *q, uint32_t word, struct oops_insn *insn) {
    static const char *const suffix[] = {"b", "h", "", ""};
    unsigned size = bits(word, 31, 30), base = bits(word, 9, 5);
    bool load = bits(word, 22, 22), o2 = bits(word, 23, 23), o1 = bits(word, 21, 21), o0 = bits(word, 15, 15);
    bool pair = !o2 && o1, compare = o2 && o1;
    const char *name = compare ? "cas"
                       : o2    ? (load ? (o0 ? "ldar" : "ldlar")
                                  : o0 ? "stlr"
                                       : "stllr")
                       : load  ? (pair ? "ldxp"
                                  : o0 ? "ldaxr"
                                       : "ldxr")
                       : pair  ? "stxp"
                       : o0    ? "stlxr"
                               : "stxr";
    set(q, insn, base, 0, (1u << size) * (pair ? 2 : 1), load || compare);
    insn->mem.write = !load || compare;
    insn->mnemonic = oops_pool_printf(q->pool, "%s%s", name, suffix[size]);
    insn->text = oops_pool_printf(q->pool, "%s %s, [%s]", insn->mnemonic,
                                  data_name(q->pool, bits(word, 4, 0), size == 3, false), base_name(q->pool, base));
    return true;
}

/* ARMv8.1 atomics: ldadd, swp ... */
static bool atomic_form(const struct oops_insn_request *q, uint32_t word, struct oops_insn *insn) {
    static const char *const names[] = {"ldadd", "ldclr", "ldeor", "ldset", "ldsmax", "ldsmin", "ldumax", "ldumin"};
    static const char *const order[] = {"", "l", "a", "al"};
    static const char *const suffix[] = {"b", "h", "", ""};
    unsigned size = bits(word, 31, 30), base = bits(word, 9, 5), opc = bits(word, 14, 12);
    bool swap = bits(word, 15, 15);
    if (swap && opc)
        return false;
    set(q, insn, base, 0, 1u << size, true);
    insn->mem.write = true;
    insn->mnemonic =
        oops_pool_printf(q->pool, "%s%s%s", swap ? "swp" : names[opc], order[bits(word, 23, 22)], suffix[size]);
    insn->text = oops_pool_printf(q->pool, "%s %s, %s, [%s]", insn->mnemonic,
                                  data_name(q->pool, bits(word, 20, 16), size == 3, false),
                                  data_name(q->pool, bits(word, 4, 0), size == 3, false), base_name(q->pool, base));
    return true;
}

static bool memory(const struct oops_insn_request *q, uint32_t word, struct oops_insn *insn) {
    if ((word & 0x3a000000) == 0x28000000)
        return pair_form(q, word, insn);
    if ((word & 0x3f000000) == 0x08000000)
        return exclusive_form(q, word, insn);
    if ((word & 0x3b000000) == 0x39000000)
        return immediate_form(q, word, insn);
    if ((word & 0x3b200000) == 0x38000000)
        return immediate_form(q, word, insn);
    if ((word & 0x3b200c00) == 0x38200800)
        return register_form(q, word, insn);
    if ((word & 0x3f200c00) == 0x38200000)
        return atomic_form(q, word, insn);
    return false;
}

static bool branch(const struct oops_insn_request *q, uint32_t word, struct oops_insn *insn) {
    if ((word & 0xffe0001f) == 0xd4200000) { /* brk #imm */
        insn->is_bug = true;
        insn->mnemonic = "brk";
        insn->text = oops_pool_printf(q->pool, "brk #0x%x", bits(word, 20, 5));
        return true;
    }
    if ((word & 0xff9ffc1f) == 0xd61f0000 ||
        (word & 0xff9ff800) == 0xd61f0800) { /* br, blr, ret and with pointer authentication */
        static const char *const names[] = {"br", "blr", "ret", "?"};
        unsigned opc = bits(word, 22, 21);
        insn->is_call = opc == 1;
        insn->is_jump = opc == 0;
        insn->is_return = opc == 2;
        insn->mnemonic = names[opc];
        bool plain = insn->is_return && bits(word, 9, 5) == 30;
        insn->text =
            plain ? "ret" : oops_pool_printf(q->pool, "%s %s", names[opc], base_name(q->pool, bits(word, 9, 5)));
        return true;
    }
    if ((word & 0x7c000000) == 0x14000000) {
        insn->is_call = word >> 31;
        insn->is_jump = !insn->is_call;
        insn->mnemonic = insn->is_call ? "bl" : "b";
        int64_t distance = sign_extend(bits(word, 25, 0), 26) * 4;
        insn->text = oops_pool_printf(q->pool, "%s %+lld", insn->mnemonic, (long long)distance);
        return true;
    }
    return false;
}

/* dc zva and its kin touch memory too. */
static bool cache(const struct oops_insn_request *q, uint32_t word, struct oops_insn *insn) {
    if ((word & 0xfff8f000) != 0xd5087000)
        return false;
    set(q, insn, bits(word, 4, 0), 0, 64, false);
    insn->mnemonic = "dc";
    insn->text = oops_pool_printf(q->pool, "dc #%u, c%u, #%u, %s", bits(word, 18, 16), bits(word, 11, 8),
                                  bits(word, 7, 5), base_name(q->pool, bits(word, 4, 0)));
    return true;
}

bool oops_insn_arm64(const struct oops_insn_request *q, struct oops_insn *insn) {
    if (q->len < 4)
        return false;
    uint32_t word = q->code[0] | (uint32_t)q->code[1] << 8 | (uint32_t)q->code[2] << 16 | (uint32_t)q->code[3] << 24;
    insn->len = 4;
    if (word == 0xd503201f) {
        insn->mnemonic = insn->text = "nop";
        return true;
    }
    return memory(q, word, insn) || branch(q, word, insn) || cache(q, word, insn);
}
