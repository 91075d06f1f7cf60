/*
 * Single loads and stores of 32-bit Arm (A32), and the undefined instruction
 * that BUG() uses.
 *
 * Source: Arm Architecture Reference Manual, Armv7-A (DDI 0406C), sections A5.3 and A5.2.8.
 * Thumb is insn_thumb.c's. Not modelled: coprocessors, NEON.
 */
#include <stdio.h>

#include "diag/oops/insn/insn.h"
#include "diag/oops/insn/thumb_int.h"
#include "diag/oops/oops_int.h"

static const char *name_of(unsigned n) {
    static const char *const names[] = {"r0", "r1", "r2",  "r3", "r4", "r5", "r6", "r7",
                                        "r8", "r9", "r10", "fp", "ip", "sp", "lr", "pc"};
    return names[n];
}

static void set(const struct oops_insn_request *q, struct oops_insn *insn, unsigned base, int64_t disp, unsigned bytes,
                bool load) {
    struct oops_operand *op = &insn->mem;
    op->there = true;
    op->base = name_of(base);
    op->disp = disp;
    op->bytes = bytes;
    op->read = load;
    op->write = !load;
    oops_operand_address(q, op);
}

/* ldr, str, ldrb, strb with an immediate or a register */
static bool single(const struct oops_insn_request *q, uint32_t word, struct oops_insn *insn) {
    bool by_register = word >> 25 & 1, before = word >> 24 & 1, up = word >> 23 & 1, byte = word >> 22 & 1,
         load = word >> 20 & 1;
    unsigned base = word >> 16 & 15, data = word >> 12 & 15;
    if (by_register && word >> 4 & 1)
        return false; /* media instructions */
    int64_t disp = by_register || !before ? 0 : up ? (int64_t)(word & 0xfff) : -(int64_t)(word & 0xfff);
    if (by_register && before) {
        insn->mem.index = name_of(word & 15);
        insn->mem.scale = 1u << (word >> 7 & 31);
    }
    set(q, insn, base, disp, byte ? 1 : 4, load);
    if (by_register && before && (!up || word >> 5 & 3)) /* subtracted or shifted otherwise */
        insn->mem.ea_known = insn->mem.ea_matches = false;
    insn->mnemonic = load ? (byte ? "ldrb" : "ldr") : byte ? "strb" : "str";
    if (by_register)
        insn->text = oops_pool_printf(q->pool, "%s %s, [%s, %s]", insn->mnemonic, name_of(data), name_of(base),
                                      name_of(word & 15));
    else
        insn->text = oops_pool_printf(q->pool, "%s %s, [%s, #%lld]", insn->mnemonic, name_of(data), name_of(base),
                                      (long long)disp);
    return true;
}

/* ldrh, strh, ldrsb, ldrsh, ldrd, strd */
static bool halfword(const struct oops_insn_request *q, uint32_t word, struct oops_insn *insn) {
    static const char *const loads[] = {"", "ldrh", "ldrsb", "ldrsh"}, *const stores[] = {"", "strh", "ldrd", "strd"};
    unsigned op = word >> 5 & 3, base = word >> 16 & 15;
    bool load = word >> 20 & 1, immediate = word >> 22 & 1, before = word >> 24 & 1, up = word >> 23 & 1;
    bool twice = !load && op >= 2;
    int64_t disp = before && immediate ? (int64_t)((word >> 4 & 0xf0) | (word & 15)) : 0;
    const char *data = name_of(word >> 12 & 15);
    if (!op)
        return false;
    if (!up)
        disp = -disp;
    if (!immediate && before) {
        insn->mem.index = name_of(word & 15);
        insn->mem.scale = 1;
    }
    insn->mnemonic = load ? loads[op] : stores[op];
    set(q, insn, base, disp, twice ? 8 : load && op == 2 ? 1 : 2, load || (twice && op == 2));
    if (!immediate && before && !up) /* subtracted */
        insn->mem.ea_known = insn->mem.ea_matches = false;
    if (immediate)
        insn->text =
            oops_pool_printf(q->pool, "%s %s, [%s, #%lld]", insn->mnemonic, data, name_of(base), (long long)disp);
    else
        insn->text =
            oops_pool_printf(q->pool, "%s %s, [%s, %s]", insn->mnemonic, data, name_of(base), name_of(word & 15));
    return true;
}

/* ldrex, strex and theirs of other sizes */
static bool exclusive(const struct oops_insn_request *q, uint32_t word, struct oops_insn *insn) {
    static const char *const loads[] = {"ldrex", "ldrexd", "ldrexb", "ldrexh"};
    static const char *const stores[] = {"strex", "strexd", "strexb", "strexh"};
    static const uint8_t sizes[] = {4, 8, 1, 2};
    unsigned op = word >> 21 & 3, base = word >> 16 & 15;
    bool load = word >> 20 & 1;
    insn->mnemonic = load ? loads[op] : stores[op];
    set(q, insn, base, 0, sizes[op], load);
    insn->text = load
                     ? oops_pool_printf(q->pool, "%s %s, [%s]", insn->mnemonic, name_of(word >> 12 & 15), name_of(base))
                     : oops_pool_printf(q->pool, "%s %s, %s, [%s]", insn->mnemonic, name_of(word >> 12 & 15),
                                        name_of(word & 15), name_of(base));
    return true;
}

/* ldm, stm: the lowest register at the lowest address. */
static bool several(const struct oops_insn_request *q, uint32_t word, struct oops_insn *insn) {
    static const char *const loads[] = {"ldmda", "ldm", "ldmdb", "ldmib"};
    static const char *const stores[] = {"stmda", "stm", "stmdb", "stmib"};
    unsigned how = word >> 23 & 3, base = word >> 16 & 15, bytes = 4 * (unsigned)__builtin_popcount(word & 0xffff);
    bool load = word >> 20 & 1, up = how & 1, before = how & 2;
    char list[96];
    int64_t disp = up ? (before ? 4 : 0) : -(int64_t)bytes + (before ? 0 : 4);
    insn->mnemonic = load ? loads[how] : stores[how];
    set(q, insn, base, disp, bytes, load);
    insn->text = oops_pool_printf(q->pool, "%s %s%s, %s", insn->mnemonic, name_of(base), word >> 21 & 1 ? "!" : "",
                                  oops_thumb_list(word & 0xffff, list, sizeof(list)));
    return true;
}

bool oops_insn_arm(const struct oops_insn_request *q, struct oops_insn *insn) {
    if (q->len < 4)
        return false;
    uint32_t word = q->code[0] | (uint32_t)q->code[1] << 8 | (uint32_t)q->code[2] << 16 | (uint32_t)q->code[3] << 24;
    insn->len = 4;
    if (word == 0xe7f001f2) { /* BUG_INSTR_VALUE of arch/arm/include/asm/bug.h */
        insn->is_bug = true;
        insn->mnemonic = "udf";
        insn->text = "udf (BUG)";
        return true;
    }
    if ((word & 0x0c000000) == 0x04000000)
        return single(q, word, insn);
    if ((word & 0x0f800ff0) == 0x01800f90)
        return exclusive(q, word, insn);
    if ((word & 0x0e000000) == 0x08000000)
        return several(q, word, insn);
    if ((word & 0x0e000090) == 0x00000090)
        return halfword(q, word, insn);
    return false;
}
