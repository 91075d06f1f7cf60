/*
 * Words of a stack that a report printed ("Stack:", x86 up to 4.9, arm and old
 * arm64), with their addresses: the only memory besides the instructions that a
 * log has.
 */
#ifndef DRIVELAB_DIAG_OOPS_REPORT_STACK_H
#define DRIVELAB_DIAG_OOPS_REPORT_STACK_H

#include "diag/oops/report/report.h"

#define OOPS_STACK_WORDS_MAX 2048u

struct oops_stack_words {
    struct oops_stack_word {
        uint64_t addr, value;
    } * words; /* in the pool; by address */
    unsigned count;
    unsigned width; /* bytes of one: 4 or 8; 0: there are none */
};

/* Those of the stack that `state` was on. */
void oops_stack_read(const struct oops_report *report, const struct oops_state *state, struct oops_stack_words *stack);

/* `bytes` (1, 2, 4 or 8) at `addr`, little-endian. False: not printed. */
bool oops_stack_at(const struct oops_stack_words *stack, uint64_t addr, unsigned bytes, uint64_t *value);

/* Bytes of a register and an address on this architecture. */
unsigned oops_word_bytes(enum oops_arch arch);
/* The name of the stack pointer in struct oops_reg. */
const char *oops_stack_pointer(enum oops_arch arch);

#endif
