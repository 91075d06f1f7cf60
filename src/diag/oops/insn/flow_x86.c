/*
 * x86 by Zydis. Sources: AMD64 psABI 1.0, figures 3.4 and 3.36; i386 psABI 1.1,
 * table 2.14; -mregparm=3 of arch/x86/Makefile for arguments of 32-bit kernels.
 *
 * Simplified: 32-bit copies and sums count as copies of the whole register when
 * they clear its upper half anyway (xor, mov of a constant); all others that
 * narrow a value only "write" it. Built without Zydis nothing is followed.
 */
#include "diag/oops/insn/flow.h"

#include <elf.h>
#ifdef HAVE_ZYDIS
#include <Zydis/Zydis.h>
#endif

static const char *const names[] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8",
                                    "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip"};
static const int arguments[] = {5, 4, 1, 2, 8, 9, -1};
static const char *const names_32[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip"};
static const int arguments_32[] = {0, 2, 1, -1};

#define BIT(reg)     (1ull << (reg))
#define CLOBBERED_32 (BIT(0) | BIT(1) | BIT(2))
#define CLOBBERED    (BIT(0) | BIT(1) | BIT(2) | BIT(4) | BIT(5) | BIT(8) | BIT(9) | BIT(10) | BIT(11))

#ifdef HAVE_ZYDIS
/* One instruction. */
struct decoded {
    bool wide; /* of 64-bit code */
    uint64_t addr;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

/* DWARF's number of the whole register around `reg`; -1: no general one. */
static int number_of(const struct decoded *d, ZydisRegister reg) {
    static const int by_id[] = {0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15};
    ZydisMachineMode mode = d->wide ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32;
    ZydisRegister whole = ZydisRegisterGetLargestEnclosing(mode, reg);
    if (!d->wide) /* 32 bits: DWARF counts as the encoding does */
        return whole >= ZYDIS_REGISTER_EAX && whole <= ZYDIS_REGISTER_EDI ? (int)(whole - ZYDIS_REGISTER_EAX) : -1;
    if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
        return -1;
    return by_id[whole - ZYDIS_REGISTER_RAX];
}

static bool is_plain(const struct decoded *d, const ZydisDecodedOperand *op) { /* a whole general register */
    return op->type == ZYDIS_OPERAND_TYPE_REGISTER && op->size == (d->wide ? 64 : 32) &&
           number_of(d, op->reg.value) >= 0;
}

static uint64_t narrow(const struct decoded *d, uint64_t addr) {
    return d->wide ? addr : (uint32_t)addr;
}

/* base + displacement, the absolute address of a rip-relative one already added up. */
static void memory_of(const struct decoded *d, const ZydisDecodedOperand *op, struct oops_step *step) {
    const ZydisDecodedInstruction *in = &d->in;
    step->imm = op->mem.disp.has_displacement ? op->mem.disp.value : 0;
    step->src = -1;
    step->indexed = op->mem.index != ZYDIS_REGISTER_NONE || op->mem.segment == ZYDIS_REGISTER_GS ||
                    op->mem.segment == ZYDIS_REGISTER_FS;
    bool segment = op->mem.segment == ZYDIS_REGISTER_GS || op->mem.segment == ZYDIS_REGISTER_FS;
    if (op->mem.index != ZYDIS_REGISTER_NONE && !segment && number_of(d, op->mem.index) >= 0) {
        step->index = number_of(d, op->mem.index);
        step->times = op->mem.scale;
    }
    if (op->mem.base == ZYDIS_REGISTER_RIP)
        step->imm = (int64_t)(d->addr + in->length + (uint64_t)step->imm);
    else if (op->mem.base != ZYDIS_REGISTER_NONE)
        step->src = number_of(d, op->mem.base);
    else
        step->imm = (int64_t)narrow(d, (uint64_t)step->imm);
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

static void branch_of(const struct decoded *d, struct oops_step *step) {
    const ZydisDecodedInstruction *in = &d->in;
    const ZydisDecodedOperand *op = d->op;
    if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        step->direct = true;
        step->target = narrow(d, d->addr + in->length + (uint64_t)op->imm.value.s);
        note_immediate(in, step);
    } else if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        step->from_memory = true;
        memory_of(d, op, step);
    } else if (op->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        step->src = number_of(d, op->reg.value);
    }
}

/* mov, lea, add, sub, xor: what the walk follows. */
static void data_of(const struct decoded *d, struct oops_step *step) {
    const ZydisDecodedInstruction *in = &d->in;
    const ZydisDecodedOperand *to = &d->op[0], *from = &d->op[1];
    if (in->operand_count_visible < 2 || to->type != ZYDIS_OPERAND_TYPE_REGISTER || number_of(d, to->reg.value) < 0)
        return;
    int dst = number_of(d, to->reg.value);
    bool immediate = from->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
    step->dst = dst;
    switch (in->mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
        if (immediate && to->size >= 32) {
            step->kind = OOPS_STEP_CONST;
            step->imm = to->size == 32 ? (int64_t)(uint32_t)from->imm.value.u : from->imm.value.s;
            note_immediate(in, step);
        } else if (is_plain(d, to) && is_plain(d, from)) {
            step->kind = OOPS_STEP_COPY;
            step->src = number_of(d, from->reg.value);
        } else if (is_plain(d, to) && from->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            step->kind = OOPS_STEP_LOAD;
            memory_of(d, from, step);
        }
        return;
    case ZYDIS_MNEMONIC_LEA:
        memory_of(d, from, step);
        if (is_plain(d, to) && !step->indexed)
            step->kind = step->src < 0 ? OOPS_STEP_CONST : OOPS_STEP_COPY;
        else if (is_plain(d, to) && step->times && step->src >= 0)
            step->kind = OOPS_STEP_SUM;
        return;
    case ZYDIS_MNEMONIC_ADD:
    case ZYDIS_MNEMONIC_SUB:
        if (is_plain(d, to) && immediate) {
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

static void writes_of(const struct decoded *d, struct oops_step *step) {
    for (unsigned i = 0; i < d->in.operand_count; i++) {
        if (d->op[i].type != ZYDIS_OPERAND_TYPE_REGISTER || !(d->op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
            continue;
        int reg = number_of(d, d->op[i].reg.value);
        if (reg >= 0)
            step->writes |= BIT(reg);
    }
}

static bool decode_as(bool wide, const uint8_t *code, size_t len, uint64_t addr, struct oops_step *step) {
    ZydisDecoder decoder;
    struct decoded d = {.wide = wide, .addr = addr};
    *step = (struct oops_step){.dst = -1, .src = -1};
    ZydisDecoderInit(&decoder, wide ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32,
                     wide ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code, len, &d.in, d.op)))
        return false;
    step->len = d.in.length;
    writes_of(&d, step);
    switch (d.in.meta.category) {
    case ZYDIS_CATEGORY_CALL:
        step->kind = OOPS_STEP_CALL;
        step->writes |= wide ? CLOBBERED : CLOBBERED_32;
        branch_of(&d, step);
        break;
    case ZYDIS_CATEGORY_UNCOND_BR:
        step->kind = OOPS_STEP_JUMP;
        branch_of(&d, step);
        break;
    case ZYDIS_CATEGORY_COND_BR:
        step->kind = OOPS_STEP_BRANCH;
        branch_of(&d, step);
        break;
    case ZYDIS_CATEGORY_RET:
        step->kind = OOPS_STEP_RETURN;
        break;
    default:
        if (d.in.mnemonic == ZYDIS_MNEMONIC_UD2 || d.in.mnemonic == ZYDIS_MNEMONIC_INT3)
            step->kind = OOPS_STEP_TRAP;
        else
            data_of(&d, step);
    }
    if (step->kind == OOPS_STEP_OTHER)
        step->dst = -1;
    return true;
}

#else
static bool decode_as(bool wide, const uint8_t *code, size_t len, uint64_t addr, struct oops_step *step) {
    return false;
}
#endif

static bool decode(const uint8_t *code, size_t len, uint64_t addr, struct oops_step *step) {
    return decode_as(true, code, len, addr, step);
}

static bool decode_32(const uint8_t *code, size_t len, uint64_t addr, struct oops_step *step) {
    return decode_as(false, code, len, addr, step);
}

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

const struct oops_flow oops_flow_i386 = {
    .machine = EM_386,
    .name = "i386",
    .registers = 9,
    .names = names_32,
    .arguments = arguments_32,
    .clobbered = CLOBBERED_32,
    .kept = BIT(3) | BIT(5) | BIT(6) | BIT(7),
    .stack = 4,
    .link = -1,
    .result = 0,
    .decode = decode_32,
};
