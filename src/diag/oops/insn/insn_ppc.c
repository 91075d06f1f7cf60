/*
 * Loads and stores of the Power ISA, and the traps that BUG() and WARN() use.
 *
 * Source: Power ISA 2.07, book I, chapters 3.3.2 to 3.3.7; arch/powerpc/include/asm/bug.h.
 * Not modelled: prefixed instructions, vectors, floating point, strings.
 */
#include "diag/oops/insn/insn.h"
#include "diag/oops/oops_int.h"

static const char *name_of(unsigned n) {
    static const char *const names[] = {"r0",  "r1",  "r2",  "r3",  "r4",  "r5",  "r6",  "r7",  "r8",  "r9",  "r10",
                                        "r11", "r12", "r13", "r14", "r15", "r16", "r17", "r18", "r19", "r20", "r21",
                                        "r22", "r23", "r24", "r25", "r26", "r27", "r28", "r29", "r30", "r31"};
    return names[n];
}

struct form {
    const char *name;
    unsigned code; /* the primary opcode, or the extended one behind 31 */
    unsigned bytes;
    bool store;
};

/* A displacement of 16 bits. */
static const struct form d_forms[] = {
    {"lwz", 32, 4, false}, {"lwzu", 33, 4, false}, {"lbz", 34, 1, false}, {"lbzu", 35, 1, false},
    {"stw", 36, 4, true},  {"stwu", 37, 4, true},  {"stb", 38, 1, true},  {"stbu", 39, 1, true},
    {"lhz", 40, 2, false}, {"lhzu", 41, 2, false}, {"lha", 42, 2, false}, {"lhau", 43, 2, false},
    {"sth", 44, 2, true},  {"sthu", 45, 2, true},
};

/* Its two lowest bits tell which. */
static const struct form ds_forms[] = {
    {"ld", 58 << 2, 8, false}, {"ldu", 58 << 2 | 1, 8, false}, {"lwa", 58 << 2 | 2, 4, false},
    {"std", 62 << 2, 8, true}, {"stdu", 62 << 2 | 1, 8, true},
};

/* The sum of two registers. */
static const struct form x_forms[] = {
    {"ldx", 21, 8, false},    {"lwzx", 23, 4, false},   {"ldux", 53, 8, false},   {"lwzux", 55, 4, false},
    {"lbzx", 87, 1, false},   {"lbzux", 119, 1, false}, {"lhzx", 279, 2, false},  {"lhzux", 311, 2, false},
    {"lwax", 341, 4, false},  {"lhax", 343, 2, false},  {"stdx", 149, 8, true},   {"stwx", 151, 4, true},
    {"stdux", 181, 8, true},  {"stwux", 183, 4, true},  {"stbx", 215, 1, true},   {"stbux", 247, 1, true},
    {"sthx", 407, 2, true},   {"sthux", 439, 2, true},  {"lwarx", 20, 4, false},  {"ldarx", 84, 8, false},
    {"lbarx", 52, 1, false},  {"lharx", 116, 2, false}, {"stwcx.", 150, 4, true}, {"stdcx.", 214, 8, true},
    {"stbcx.", 694, 1, true}, {"sthcx.", 726, 2, true}, {"lwbrx", 534, 4, false}, {"lhbrx", 790, 2, false},
    {"ldbrx", 532, 8, false}, {"stwbrx", 662, 4, true}, {"sthbrx", 918, 2, true}, {"stdbrx", 660, 8, true},
};

static const struct form *find(const struct form *forms, unsigned count, unsigned code) {
    for (unsigned i = 0; i < count; i++)
        if (forms[i].code == code)
            return &forms[i];
    return NULL;
}
#define FIND(forms, code) find(forms, sizeof(forms) / sizeof((forms)[0]), code)

static bool access(const struct oops_insn_request *q, struct oops_insn *insn, const struct form *form, uint32_t word,
                   int64_t disp, bool indexed) {
    struct oops_operand *op = &insn->mem;
    unsigned data = word >> 21 & 31, base = word >> 16 & 31, index = word >> 11 & 31;
    op->there = true;
    op->base = base ? name_of(base) : "";
    op->disp = disp;
    op->bytes = form->bytes;
    op->read = !form->store;
    op->write = form->store;
    if (indexed) {
        op->index = name_of(index);
        op->scale = 1;
    }
    oops_operand_address(q, op);
    insn->mnemonic = form->name;
    insn->text = indexed ? oops_pool_printf(q->pool, "%s %s,%s,%s", form->name, name_of(data),
                                            base ? name_of(base) : "0", name_of(index))
                         : oops_pool_printf(q->pool, "%s %s,%lld(%s)", form->name, name_of(data), (long long)disp,
                                            base ? name_of(base) : "0");
    return true;
}

/* tw, td, twi, tdi: as the compiler makes them of BUG_ON() and WARN_ON() */
static bool trap(struct oops_insn *insn, uint32_t word) {
    unsigned opcode = word >> 26, extended = word >> 1 & 0x3ff;
    const char *name = opcode == 2                      ? "tdi"
                       : opcode == 3                    ? "twi"
                       : opcode == 31 && extended == 4  ? "tw"
                       : opcode == 31 && extended == 68 ? "td"
                                                        : NULL;
    if (!name)
        return false;
    insn->is_bug = true;
    insn->mnemonic = insn->text = name;
    return true;
}

bool oops_insn_ppc(const struct oops_insn_request *q, struct oops_insn *insn) {
    if (q->len < 4)
        return false;
    uint32_t word = q->code[0] | (uint32_t)q->code[1] << 8 | (uint32_t)q->code[2] << 16 | (uint32_t)q->code[3] << 24;
    insn->len = 4;
    if (trap(insn, word))
        return true;
    const struct form *form = FIND(d_forms, word >> 26);
    if (form)
        return access(q, insn, form, word, (int16_t)(word & 0xffff), false);
    form = FIND(ds_forms, word >> 26 << 2 | (word & 3));
    if (form)
        return access(q, insn, form, word, (int16_t)(word & 0xfffc), false);
    form = word >> 26 == 31 ? FIND(x_forms, word >> 1 & 0x3ff) : NULL;
    return form && access(q, insn, form, word, 0, true);
}
