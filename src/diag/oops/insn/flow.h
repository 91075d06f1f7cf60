/*
 * What instructions do to registers, as far as it takes to walk back from a
 * register to where its value came from: copies, sums with a constant, loads,
 * constants, calls. Registers have DWARF's numbers. A row per architecture.
 */
#ifndef DRIVELAB_DIAG_OOPS_INSN_FLOW_H
#define DRIVELAB_DIAG_OOPS_INSN_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum oops_step_kind {
    OOPS_STEP_OTHER, /* see `writes` */
    OOPS_STEP_COPY,  /* dst = src + imm */
    OOPS_STEP_CONST, /* dst = imm */
    OOPS_STEP_LOAD,  /* dst = *(src + imm); src -1: an absolute address */
    OOPS_STEP_SUM,   /* dst = src + imm + index * times */
    OOPS_STEP_CALL,
    OOPS_STEP_JUMP,   /* always */
    OOPS_STEP_BRANCH, /* perhaps */
    OOPS_STEP_RETURN,
    OOPS_STEP_TRAP
};

struct oops_step {
    enum oops_step_kind kind;
    unsigned len;
    int dst, src; /* -1: none */
    int64_t imm;
    uint64_t writes; /* registers with a new value afterwards, a bit each */
    uint64_t target; /* of a direct call, jump or branch */
    bool direct;
    bool from_memory; /* an indirect call or jump through *(src + imm), else through src */
    bool indexed;     /* an index register takes part: the place is src + imm + index * times */
    int index;        /* that register, if `times` is not 0; else something more is added */
    unsigned times;
    unsigned field, width; /* where a displacement or immediate stands in the instruction, for relocations */
    uint8_t it;            /* Thumb: the IT state that the instruction begins; 0: none */
};

struct oops_flow {
    uint16_t machine; /* e_machine */
    const char *name;
    unsigned registers;
    const char *const *names; /* by DWARF's number, as in struct oops_reg */
    const int *arguments;     /* registers that carry them, -1 terminated */
    uint64_t clobbered;       /* by a call */
    uint64_t kept;            /* by a call, as a function finds them when it is entered */
    int stack;                /* the stack pointer */
    int link;                 /* where a call puts the return address; -1: on the stack */
    int result;               /* register of a returned value */
    bool (*decode)(const uint8_t *code, size_t len, uint64_t addr, struct oops_step *step);
};

extern const struct oops_flow oops_flow_x86_64, oops_flow_i386, oops_flow_arm64, oops_flow_arm, oops_flow_riscv;
extern const struct oops_flow oops_flow_thumb; /* code of an EM_ARM file that is marked so; oops_flow_of() has A32 */
const struct oops_flow *oops_flow_of(uint16_t machine);                 /* NULL: not this architecture */
int oops_flow_register(const struct oops_flow *flow, const char *name); /* -1: none of that name */

#endif
