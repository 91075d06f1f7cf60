/*
 * Thumb for the disassembly and the operand that failed; thumb.c decodes.
 */
#include "diag/oops/insn/insn.h"
#include "diag/oops/insn/thumb.h"
#include "diag/oops/oops_int.h"

/* The base is the instruction's own address + 4, aligned: its value is not in the report, but where it failed is. */
static void from_pc(const struct oops_insn_request *q, struct oops_operand *op) {
    if (!q->has_address)
        return;
    op->ea = (((q->address + 4) & ~3ull) + (uint64_t)op->disp) & 0xffffffff;
    op->ea_known = true;
    op->ea_matches = q->has_fault && q->fault - op->ea < op->bytes;
}

static void operand(const struct oops_insn_request *q, const struct oops_thumb *t, struct oops_operand *op) {
    op->there = true;
    op->base = oops_thumb_reg((unsigned)t->base);
    op->index = t->index >= 0 ? oops_thumb_reg((unsigned)t->index) : "";
    op->scale = 1u << t->shift;
    op->disp = t->disp;
    op->bytes = t->bytes;
    op->read = t->load;
    op->write = t->store;
    if (t->base == OOPS_THUMB_PC)
        from_pc(q, op);
    else
        oops_operand_address(q, op);
}

bool oops_insn_thumb(const struct oops_insn_request *q, struct oops_insn *insn) {
    struct oops_thumb t;
    if (!oops_thumb_decode(q->code, q->len, q->address, q->it, &t)) {
        insn->len = t.step.len;
        return false;
    }
    insn->len = t.step.len;
    insn->it = oops_thumb_it_after(q->it, &t.step);
    insn->mnemonic = oops_pool_str(q->pool, t.name);
    insn->text = oops_pool_str(q->pool, t.text);
    insn->is_bug = t.bug;
    insn->is_call = t.step.kind == OOPS_STEP_CALL;
    insn->is_jump = t.step.kind == OOPS_STEP_JUMP || t.step.kind == OOPS_STEP_BRANCH;
    insn->is_return = t.step.kind == OOPS_STEP_RETURN;
    if (t.memory)
        operand(q, &t, &insn->mem);
    return true;
}
