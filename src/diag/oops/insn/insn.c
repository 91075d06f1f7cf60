/*
 * Instructions of the architectures behind one function, and what is common to
 * them: the effective address from the registers of the report, compared with
 * the address that the kernel printed.
 */
#include <string.h>

#include "diag/oops/insn/insn.h"
#include "diag/oops/insn/thumb.h"
#include "diag/oops/oops_int.h"

bool oops_insn_reg(const struct oops_insn_request *q, const char *name, uint64_t *value) {
    const struct oops_reg *reg = q->state ? oops_state_reg(q->state, name) : NULL;
    if (reg)
        *value = reg->value;
    return reg != NULL;
}

/* fs and gs have a base of their own; the others start at 0 in the kernel. */
static bool segment_base(const struct oops_insn_request *q, const struct oops_operand *op, uint64_t *base) {
    *base = 0;
    if (strcmp(op->segment, "gs") != 0 && strcmp(op->segment, "fs") != 0)
        return true;
    return q->arch == OOPS_ARCH_X86_64 && oops_insn_reg(q, op->segment, base) && *base;
}

void oops_operand_address(const struct oops_insn_request *q, struct oops_operand *op) {
    uint64_t base = 0, index = 0, segment = 0;
    bool known = (!op->base[0] || oops_insn_reg(q, op->base, &base)) &&
                 (!op->index[0] || oops_insn_reg(q, op->index, &index)) && segment_base(q, op, &segment);
    if (!known)
        return;
    op->ea = segment + base + index * (op->scale ? op->scale : 1) + (uint64_t)op->disp;
    if (oops_arch_is_32bit(q->arch))
        op->ea &= 0xffffffff;
    op->ea_known = true;
    unsigned bytes = op->bytes ? op->bytes : 1;
    op->ea_matches = q->has_fault && q->fault - op->ea < bytes;
}

static bool decode(const struct oops_insn_request *q, struct oops_insn *insn) {
    switch (q->arch) {
    case OOPS_ARCH_X86_64:
    case OOPS_ARCH_I386:
        return oops_insn_x86(q, insn);
    case OOPS_ARCH_ARM64:
        return oops_insn_arm64(q, insn);
    case OOPS_ARCH_ARM:
        return q->thumb ? oops_insn_thumb(q, insn) : oops_insn_arm(q, insn);
    case OOPS_ARCH_RISCV:
        return oops_insn_riscv(q, insn);
    case OOPS_ARCH_MIPS:
        return oops_insn_mips(q, insn);
    case OOPS_ARCH_PPC:
    case OOPS_ARCH_PPC64:
        return oops_insn_ppc(q, insn);
    default:
        return false;
    }
}

static void clear_operand(struct oops_operand *op) {
    *op = (struct oops_operand){.base = "", .index = "", .segment = ""};
}

bool oops_state_is_thumb(const struct oops_report *report, const struct oops_state *state) {
    return report->arch == OOPS_ARCH_ARM && state && state->code_unit == 2;
}

struct oops_insn_request oops_insn_request_of(const struct oops_report *report, const struct oops_state *state,
                                              const uint8_t *code, unsigned len, uint64_t address) {
    struct oops_insn_request q = {.pool = report->pool,
                                  .state = state,
                                  .arch = report->arch,
                                  .code = code,
                                  .len = len,
                                  .has_fault = report->has_fault_address,
                                  .thumb = report->arch == OOPS_ARCH_ARM && (address & 1),
                                  .address = address,
                                  .fault = report->fault_address};
    uint64_t psr;
    if (q.thumb) {
        q.address &= ~1ull;
        q.it = oops_insn_reg(&q, "psr", &psr) ? oops_thumb_it_of(psr) : 0;
    }
    q.has_address = q.address != 0;
    return q;
}

bool oops_insn_decode_request(const struct oops_insn_request *q, struct oops_insn *insn) {
    *insn = (struct oops_insn){.text = "", .mnemonic = ""};
    clear_operand(&insn->mem);
    clear_operand(&insn->mem2);
    insn->decoded = q->len > 0 && decode(q, insn);
    if (insn->mem2.there && insn->mem2.ea_matches && !insn->mem.ea_matches) { /* the one that faulted first */
        struct oops_operand swap = insn->mem;
        insn->mem = insn->mem2;
        insn->mem2 = swap;
    }
    return insn->decoded;
}

bool oops_insn_decode(const struct oops_report *report, const struct oops_state *state, const uint8_t *code,
                      unsigned len, uint64_t address, struct oops_insn *insn) {
    struct oops_insn_request q = oops_insn_request_of(report, state, code, len, address);
    return oops_insn_decode_request(&q, insn);
}
