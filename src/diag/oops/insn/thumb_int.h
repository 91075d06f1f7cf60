/*
 * Between thumb.c, thumb32.c and thumb32_memory.c.
 */
#ifndef DRIVELAB_DIAG_OOPS_INSN_THUMB_INT_H
#define DRIVELAB_DIAG_OOPS_INSN_THUMB_INT_H

#include "diag/oops/insn/thumb.h"

#define OOPS_THUMB_SP        13
#define OOPS_THUMB_LR        14
#define OOPS_THUMB_CLOBBERED (0xfull | 1ull << 12 | 1ull << OOPS_THUMB_LR)

struct oops_thumb_insn {
    struct oops_thumb *t;
    const uint8_t *code;
    size_t len;
    uint64_t addr;
    uint32_t w; /* a halfword; or two, the first one high */
    uint8_t it;
};

/* "name" + the condition + `width`, operands. */
void oops_thumb_say(struct oops_thumb_insn *d, const char *name, const char *width, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
const char *oops_thumb_list(uint32_t regs, char *text, size_t size); /* "{r4, r5, pc}" */
void oops_thumb_copy(struct oops_thumb_insn *d, unsigned rd, unsigned rn, int64_t imm);
void oops_thumb_const(struct oops_thumb_insn *d, unsigned rd, int64_t imm);
void oops_thumb_jump(struct oops_thumb_insn *d, unsigned rm);
void oops_thumb_to(struct oops_thumb_insn *d, enum oops_step_kind kind,
                   int32_t disp); /* from the second next halfword */
void oops_thumb_access(struct oops_thumb_insn *d, bool load, unsigned bytes, unsigned rn, int32_t disp);
void oops_thumb_load_word(struct oops_thumb_insn *d, unsigned rt, unsigned rn, int32_t disp);
void oops_thumb_load_literal(struct oops_thumb_insn *d, unsigned rt, int32_t disp);
void oops_thumb_several(struct oops_thumb_insn *d, bool load, unsigned rn, uint32_t regs, bool back, bool down);

bool oops_thumb_wide(struct oops_thumb_insn *d);   /* thumb32.c: those of 32 bits */
bool oops_thumb_single(struct oops_thumb_insn *d); /* thumb32_memory.c: one register */
bool oops_thumb_pairs(struct oops_thumb_insn *d);  /* two; exclusive ones; tables of branches */
bool oops_thumb_many(struct oops_thumb_insn *d);
const char *oops_thumb_far(int32_t disp, char text[16]); /* a branch's target, from the instruction on */

/* Fields of the instruction. */
static inline unsigned thumb_bits(const struct oops_thumb_insn *d, unsigned high, unsigned low) {
    return d->w >> low & ((1u << (high - low + 1)) - 1);
}

static inline bool thumb_bit(const struct oops_thumb_insn *d, unsigned n) {
    return d->w >> n & 1;
}

static inline unsigned thumb_rn_of(const struct oops_thumb_insn *d) {
    return thumb_bits(d, 19, 16);
}
static inline unsigned thumb_rt_of(const struct oops_thumb_insn *d) {
    return thumb_bits(d, 15, 12);
}
static inline unsigned thumb_rd_of(const struct oops_thumb_insn *d) {
    return thumb_bits(d, 11, 8);
}
static inline unsigned thumb_rm_of(const struct oops_thumb_insn *d) {
    return thumb_bits(d, 3, 0);
}

static inline void thumb_writes(struct oops_thumb_insn *d, unsigned reg) {
    d->t->step.writes |= 1ull << reg;
}

#endif
