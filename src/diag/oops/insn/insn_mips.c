/*
 * Loads and stores of MIPS, and what BUG() uses. Registers have the names that
 * the kernel prints: "$4".
 *
 * Source: MIPS Architecture For Programmers, volume II; arch/mips/include/asm/bug.h.
 * Not modelled: microMIPS, MIPS16, floating point, indexed accesses, cache instructions.
 */
#include "diag/oops/insn/insn.h"
#include "diag/oops/oops_int.h"

static const char *name_of(unsigned n) {
    static const char *const names[] = {"$0",  "$1",  "$2",  "$3",  "$4",  "$5",  "$6",  "$7",  "$8",  "$9",  "$10",
                                        "$11", "$12", "$13", "$14", "$15", "$16", "$17", "$18", "$19", "$20", "$21",
                                        "$22", "$23", "$24", "$25", "$26", "$27", "$28", "$29", "$30", "$31"};
    return names[n];
}

static const struct {
    const char *name;
    unsigned opcode, bytes;
    bool store;
} accesses[] = {
    {"lb", 0x20, 1, false},  {"lh", 0x21, 2, false},  {"lwl", 0x22, 4, false}, {"lw", 0x23, 4, false},
    {"lbu", 0x24, 1, false}, {"lhu", 0x25, 2, false}, {"lwr", 0x26, 4, false}, {"lwu", 0x27, 4, false},
    {"sb", 0x28, 1, true},   {"sh", 0x29, 2, true},   {"swl", 0x2a, 4, true},  {"sw", 0x2b, 4, true},
    {"swr", 0x2e, 4, true},  {"ll", 0x30, 4, false},  {"lld", 0x34, 8, false}, {"ld", 0x37, 8, false},
    {"sc", 0x38, 4, true},   {"scd", 0x3c, 8, true},  {"sd", 0x3f, 8, true},
};

/* 32-bit kernels print 32 bits of each register, and addresses wrap there. */
static void narrow(const struct oops_insn_request *q, struct oops_operand *op) {
    if (!op->ea_known || !q->has_fault || q->fault >> 32 || op->ea >> 32 == 0)
        return;
    op->ea &= 0xffffffff;
    op->ea_matches = q->fault - op->ea < op->bytes;
}

bool oops_insn_mips(const struct oops_insn_request *q, struct oops_insn *insn) {
    if (q->len < 4)
        return false;
    uint32_t word = q->code[0] | (uint32_t)q->code[1] << 8 | (uint32_t)q->code[2] << 16 | (uint32_t)q->code[3] << 24;
    insn->len = 4;
    bool brk = word == 0x000c000d, trap = (word & 0xfc00ffff) == 0x00000336; /* break 12, tne with code 12 */
    if (brk || trap) {
        insn->is_bug = true;
        insn->mnemonic = brk ? "break" : "tne";
        insn->text = brk ? "break (BUG)" : "tne (BUG)";
        return true;
    }
    for (unsigned i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++) {
        if (word >> 26 != accesses[i].opcode)
            continue;
        struct oops_operand *op = &insn->mem;
        unsigned base = word >> 21 & 31;
        op->there = true;
        op->base = base ? name_of(base) : "";
        op->disp = (int16_t)(word & 0xffff);
        op->bytes = accesses[i].bytes;
        op->read = !accesses[i].store;
        op->write = accesses[i].store;
        oops_operand_address(q, op);
        narrow(q, op);
        insn->mnemonic = accesses[i].name;
        insn->text = oops_pool_printf(q->pool, "%s %s,%lld(%s)", insn->mnemonic, name_of(word >> 16 & 31),
                                      (long long)op->disp, name_of(base));
        return true;
    }
    return false;
}
