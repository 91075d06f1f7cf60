/*
 * Thumb (T32, halfwords of 16 and 32 bits), as kernels with CONFIG_THUMB2_KERNEL
 * are compiled: what an instruction does to registers, what it touches in memory
 * and how it is written, for insn_thumb.c and flow_thumb.c.
 */
#ifndef DRIVELAB_DIAG_OOPS_INSN_THUMB_H
#define DRIVELAB_DIAG_OOPS_INSN_THUMB_H

#include "diag/oops/insn/flow.h"

#define OOPS_THUMB_TEXT 96

struct oops_thumb {
    struct oops_step step;      /* of the flow; registers have DWARF's numbers, which are the machine's */
    char text[OOPS_THUMB_TEXT]; /* as binutils has it; a branch's target counted from the instruction: "beq.n +0x12" */
    char name[16];              /* the mnemonic */
    bool memory, load, store;   /* touches memory at base + (index << shift) + disp */
    int base, index;            /* -1: none; base 15: the program counter + 4, aligned */
    unsigned shift, bytes;
    int32_t disp;
    bool bug; /* the kernel's BUG() */
};

/*
 * The IT state that an instruction runs with: its condition (architecture: ITSTATE, 0 outside of such a block).
 * That of a psr; and the one behind an instruction with the state before it.
 */
uint8_t oops_thumb_it_of(uint64_t psr);
uint8_t oops_thumb_it_after(uint8_t it, const struct oops_step *step);
/* Of a step that was decoded without it: what it comes to in the state `it`. Returns the state behind it. */
uint8_t oops_thumb_in_block(uint8_t it, struct oops_step *step);

unsigned oops_thumb_length(const uint8_t *code); /* of the instruction that begins with these two bytes */

/*
 * False: not an instruction that is known here (floating point, NEON, coprocessors); `t->step.len` is set if there
 * are bytes enough, and `t->text` is "".
 */
bool oops_thumb_decode(const uint8_t *code, size_t len, uint64_t addr, uint8_t it, struct oops_thumb *t);

#define OOPS_THUMB_PC 15

const char *oops_thumb_reg(unsigned n);

#endif
