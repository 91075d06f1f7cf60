/*
 * x86-64 by Zydis. Source: AMD64 psABI 1.0, figures 3.4 and 3.36.
 *
 * Simplified: 32-bit copies and sums count as copies of the whole register when
 * they clear its upper half anyway (xor, mov of a constant); all others that
 * narrow a value only "write" it. Built without Zydis nothing is followed.
 */
#include "diag/oops/flow.h"

#include <elf.h>
#ifdef HAVE_ZYDIS
#include <Zydis/Zydis.h>
#endif

static const char *const names[] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8",
                                    "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip"};
static const int arguments[] = {5, 4, 1, 2, 8, 9, -1};

#define BIT(reg)  (1ull << (reg))
#define CLOBBERED (BIT(0) | BIT(1) | BIT(2) | BIT(4) | BIT(5) | BIT(8) | BIT(9) | BIT(10) | BIT(11))

#ifdef HAVE_ZYDIS
/* DWARF's number of the 64-bit register around `reg`; -1: no general one. */
static int number_of(ZydisRegister reg) {
    static const int by_id[] = {0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15};
    ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
        return -1;
    return by_id[whole - ZYDIS_REGISTER_RAX];
}

static bool is_plain(const ZydisDecodedOperand *op) { /* a whole general register */
    return op->type == ZYDIS_OPERAND_TYPE_REGISTER && op->size == 64 && number_of(op->reg.value) >= 0;
}

/* base + displacement, the absolute address of a rip-relative one already added up. */
static void memory_of(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op, uint64_t addr,
                      struct oops_step *step) {
    step->imm = op->mem.disp.has_displacement ? op->mem.disp.value : 0;
    step->src = -1;
    step->indexed = op->mem.index != ZYDIS_REGISTER_NONE || op->mem.segment == ZYDIS_REGISTER_GS ||
                    op->mem.segment == ZYDIS_REGISTER_FS;
    if (op->mem.base == ZYDIS_REGISTER_RIP)
        step->imm = (int64_t)(addr + in->length + (uint64_t)step->imm);
    else if (op->mem.base != ZYDIS_REGISTER_NONE)
        step->src = number_of(op->mem.base);
    if (in->raw.disp.size) {
        step->field = in->raw.disp.offset;
        step->width = in->raw.disp.size / 8;
    }
}

static void note_immediate(const ZydisDecodedInstruction *in, struct oops_step *step) {
    if (in->raw.imm[0].size) {
        step->field = in->raw.imm[0].offset;
        step->width = in->raw.imm[0].size / 8;
    }
}

static void branch_of(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op, uint64_t addr,
                      struct oops_step *step) {
    if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        step->direct = true;
        step->target = addr + in->length + (uint64_t)op->imm.value.s;
        note_immediate(in, step);
    } else if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        step->from_memory = true;
        memory_of(in, op, addr, step);
    } else if (op->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        step->src = number_of(op->reg.value);
    }
}

/* mov, lea, add, sub, xor: what the walk follows. */
static void data_of(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op, uint64_t addr,
                    struct oops_step *step) {
    const ZydisDecodedOperand *to = &op[0], *from = &op[1];
    if (in->operand_count_visible < 2 || to->type != ZYDIS_OPERAND_TYPE_REGISTER || number_of(to->reg.value) < 0)
        return;
    int dst = number_of(to->reg.value);
    bool immediate = from->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
    step->dst = dst;
    switch (in->mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
        if (immediate && to->size >= 32) {
            step->kind = OOPS_STEP_CONST;
            step->imm = to->size == 32 ? (int64_t)(uint32_t)from->imm.value.u : from->imm.value.s;
            note_immediate(in, step);
        } else if (is_plain(to) && is_plain(from)) {
            step->kind = OOPS_STEP_COPY;
            step->src = number_of(from->reg.value);
        } else if (is_plain(to) && from->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            step->kind = OOPS_STEP_LOAD;
            memory_of(in, from, addr, step);
        }
        return;
    case ZYDIS_MNEMONIC_LEA:
        memory_of(in, from, addr, step);
        if (is_plain(to) && !step->indexed)
            step->kind = step->src < 0 ? OOPS_STEP_CONST : OOPS_STEP_COPY;
        return;
    case ZYDIS_MNEMONIC_ADD:
    case ZYDIS_MNEMONIC_SUB:
        if (is_plain(to) && immediate) {
            step->kind = OOPS_STEP_COPY;
            step->src = dst;
            step->imm = in->mnemonic == ZYDIS_MNEMONIC_ADD ? from->imm.value.s : -from->imm.value.s;
            note_immediate(in, step);
        }
        return;
    case ZYDIS_MNEMONIC_XOR:
    case ZYDIS_MNEMONIC_SUBPS:
        if (from->type == ZYDIS_OPERAND_TYPE_REGISTER && from->reg.value == to->reg.value && to->size >= 32) {
            step->kind = OOPS_STEP_CONST;
            step->imm = 0;
        }
        return;
    default:
        return;
    }
}

static void writes_of(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op, struct oops_step *step) {
    for (unsigned i = 0; i < in->operand_count; i++) {
        if (op[i].type != ZYDIS_OPERAND_TYPE_REGISTER || !(op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
            continue;
        int reg = number_of(op[i].reg.value);
        if (reg >= 0)
            step->writes |= BIT(reg);
    }
}

static bool decode(const uint8_t *code, size_t len, uint64_t addr, struct oops_step *step) {
    ZydisDecoder decoder;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    *step = (struct oops_step){.dst = -1, .src = -1};
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code, len, &in, op)))
        return false;
    step->len = in.length;
    writes_of(&in, op, step);
    switch (in.meta.category) {
    case ZYDIS_CATEGORY_CALL:
        step->kind = OOPS_STEP_CALL;
        step->writes |= CLOBBERED;
        branch_of(&in, op, addr, step);
        break;
    case ZYDIS_CATEGORY_UNCOND_BR:
        step->kind = OOPS_STEP_JUMP;
        branch_of(&in, op, addr, step);
        break;
    case ZYDIS_CATEGORY_COND_BR:
        step->kind = OOPS_STEP_BRANCH;
        branch_of(&in, op, addr, step);
        break;
    case ZYDIS_CATEGORY_RET:
        step->kind = OOPS_STEP_RETURN;
        break;
    default:
        if (in.mnemonic == ZYDIS_MNEMONIC_UD2 || in.mnemonic == ZYDIS_MNEMONIC_INT3)
            step->kind = OOPS_STEP_TRAP;
        else
            data_of(&in, op, addr, step);
    }
    if (step->kind == OOPS_STEP_OTHER)
        step->dst = -1;
    return true;
}

#else
static bool decode(const uint8_t *code, size_t len, uint64_t addr, struct oops_step *step) {
    return false;
}
#endif

const struct oops_flow oops_flow_x86_64 = {
    .machine = EM_X86_64,
    .name = "x86_64",
    .registers = 17,
    .names = names,
    .arguments = arguments,
    .clobbered = CLOBBERED,
    .kept = BIT(3) | BIT(6) | BIT(12) | BIT(13) | BIT(14) | BIT(15),
    .stack = 7,
    .link = -1,
    .result = 0,
    .decode = decode,
};
