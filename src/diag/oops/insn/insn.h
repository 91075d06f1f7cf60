/*
 * The instruction decoders, one an architecture, behind oops_insn_decode().
 * Used by the files of diag/oops alone.
 */
#ifndef DRIVELAB_DIAG_OOPS_INSN_INSN_H
#define DRIVELAB_DIAG_OOPS_INSN_INSN_H

#include "diag/oops/verdict/verdict.h"

struct oops_insn_request {
    struct oops_pool *pool;
    const struct oops_state *state; /* registers, or NULL */
    enum oops_arch arch;
    const uint8_t *code;
    unsigned len;
    bool has_address, has_fault;
    uint64_t address, fault;
    bool thumb;
    uint8_t it; /* Thumb: the IT state that it runs with; 0: outside of such a block */
};

/* oops_insn_decode() of a request. */
bool oops_insn_decode_request(const struct oops_insn_request *q, struct oops_insn *insn);
/* The request of an instruction of the report: oops_insn_decode()'s arguments. */
struct oops_insn_request oops_insn_request_of(const struct oops_report *report, const struct oops_state *state,
                                              const uint8_t *code, unsigned len, uint64_t address);
/* The bytes of "Code:" are Thumb. */
bool oops_state_is_thumb(const struct oops_report *report, const struct oops_state *state);

bool oops_insn_x86(const struct oops_insn_request *q, struct oops_insn *insn);
bool oops_insn_arm64(const struct oops_insn_request *q, struct oops_insn *insn);
bool oops_insn_arm(const struct oops_insn_request *q, struct oops_insn *insn);
bool oops_insn_thumb(const struct oops_insn_request *q, struct oops_insn *insn);
bool oops_insn_riscv(const struct oops_insn_request *q, struct oops_insn *insn);
bool oops_insn_mips(const struct oops_insn_request *q, struct oops_insn *insn);
bool oops_insn_ppc(const struct oops_insn_request *q, struct oops_insn *insn);

/* x86: whether the instruction may write the register (of a name as in struct oops_reg); also when it is unknown. */
bool oops_insn_x86_writes(const uint8_t *code, unsigned len, bool wide, const char *reg);

/* The value of a register of the request's state. */
bool oops_insn_reg(const struct oops_insn_request *q, const char *name, uint64_t *value);
/* Base, index, scale and disp of `op` are set: compute its address and compare it with the fault's. */
void oops_operand_address(const struct oops_insn_request *q, struct oops_operand *op);

#endif
