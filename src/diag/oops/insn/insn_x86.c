/*
 * x86 instructions by Zydis (MIT licence). Text is AT&T's, as objdump and the
 * kernel's own scripts write it. Without the library nothing is decoded.
 */
#include <stdio.h>
#include <string.h>

#include "diag/oops/insn/insn.h"
#include "diag/oops/oops_int.h"

#ifdef HAVE_ZYDIS
#include <Zydis/Zydis.h>

static bool decode_bytes(const uint8_t *code, unsigned len, bool wide, ZydisDecodedInstruction *info,
                         ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT]) {
    ZydisDecoder decoder;
    if (wide)
        ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    else
        ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, len, info, operands));
}

static const char *reg_name(struct oops_pool *pool, ZydisRegister reg) {
    const char *name = reg == ZYDIS_REGISTER_NONE ? NULL : ZydisRegisterGetString(reg);
    return name ? oops_pool_str(pool, name) : "";
}

/* "cmpxchg %edx, (%rdi)" as objdump has it: no blank behind commas. */
static const char *text_of(struct oops_pool *pool, const ZydisDecodedInstruction *info,
                           const ZydisDecodedOperand operands[]) {
    ZydisFormatter formatter;
    char text[256], *to = text;
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_ATT);
    ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_FORCE_RELATIVE_BRANCHES, ZYAN_TRUE);
    ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_FORCE_RELATIVE_RIPREL, ZYAN_TRUE);
    ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
    ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_DISP_PADDING, ZYDIS_PADDING_DISABLED);
    ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_IMM_PADDING, ZYDIS_PADDING_DISABLED);
    ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, ZYDIS_PADDING_DISABLED);
    ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_ADDR_PADDING_RELATIVE, ZYDIS_PADDING_DISABLED);
    if (!ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, info, operands, info->operand_count_visible, text,
                                                      sizeof(text), ZYDIS_RUNTIME_ADDRESS_NONE, NULL)))
        return "";
    for (const char *from = text; *from; from++)
        if (!(*from == ' ' && to > text && to[-1] == ','))
            *to++ = *from;
    return oops_pool_strn(pool, text, (size_t)(to - text));
}

static void fill_operand(const struct oops_insn_request *q, const ZydisDecodedInstruction *info,
                         const ZydisDecodedOperand *from, struct oops_operand *op) {
    op->there = true;
    op->base = reg_name(q->pool, from->mem.base);
    op->index = reg_name(q->pool, from->mem.index);
    op->segment = from->mem.segment == ZYDIS_REGISTER_GS || from->mem.segment == ZYDIS_REGISTER_FS
                      ? reg_name(q->pool, from->mem.segment)
                      : "";
    op->scale = from->mem.scale;
    op->disp = from->mem.disp.has_displacement ? from->mem.disp.value : 0;
    op->bytes = from->size / 8;
    op->read = from->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
    op->write = from->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    op->implicit = from->visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT;
    if (from->mem.base == ZYDIS_REGISTER_RIP) {
        op->ea_known = q->has_address;
        op->ea = q->address + info->length + (uint64_t)op->disp;
        op->ea_matches = q->has_address && q->has_fault && q->fault - op->ea < (op->bytes ? op->bytes : 1);
        return;
    }
    bool stack = op->implicit && (from->mem.base == ZYDIS_REGISTER_RSP || from->mem.base == ZYDIS_REGISTER_ESP);
    if (stack && op->write) /* push and call write below */
        op->disp -= op->bytes;
    oops_operand_address(q, op);
    bool repeats = info->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
    if (repeats && op->ea_known && q->has_fault && q->fault - op->ea < 4096) /* it went on from there */
        op->ea_matches = true;
}

static void fill_operands(const struct oops_insn_request *q, const ZydisDecodedInstruction *info,
                          const ZydisDecodedOperand operands[], struct oops_insn *insn) {
    for (int pass = 0; pass < 2; pass++) /* explicit ones first */
        for (unsigned i = 0; i < info->operand_count; i++) {
            const ZydisDecodedOperand *from = &operands[i];
            bool explicit = from->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT;
            if (from->type != ZYDIS_OPERAND_TYPE_MEMORY || from->mem.type != ZYDIS_MEMOP_TYPE_MEM ||
                explicit != (pass == 0))
                continue;
            if (!insn->mem.there)
                fill_operand(q, info, from, &insn->mem);
            else if (!insn->mem2.there)
                fill_operand(q, info, from, &insn->mem2);
        }
}

bool oops_insn_x86(const struct oops_insn_request *q, struct oops_insn *insn) {
    ZydisDecodedInstruction info;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!decode_bytes(q->code, q->len, q->arch == OOPS_ARCH_X86_64, &info, operands))
        return false;
    insn->len = info.length;
    insn->text = text_of(q->pool, &info, operands);
    insn->mnemonic = oops_pool_str(q->pool, ZydisMnemonicGetString(info.mnemonic));
    insn->is_bug = info.mnemonic == ZYDIS_MNEMONIC_UD2 || info.mnemonic == ZYDIS_MNEMONIC_UD1 ||
                   info.mnemonic == ZYDIS_MNEMONIC_INT3;
    insn->is_call = info.meta.category == ZYDIS_CATEGORY_CALL;
    insn->is_jump = info.meta.category == ZYDIS_CATEGORY_UNCOND_BR || info.meta.category == ZYDIS_CATEGORY_COND_BR;
    insn->is_return = info.meta.category == ZYDIS_CATEGORY_RET;
    bool touches = info.mnemonic != ZYDIS_MNEMONIC_NOP && info.mnemonic != ZYDIS_MNEMONIC_LEA &&
                   info.meta.category != ZYDIS_CATEGORY_WIDENOP;
    if (touches)
        fill_operands(q, &info, operands, insn);
    return true;
}

bool oops_insn_x86_writes(const uint8_t *code, unsigned len, bool wide, const char *reg) {
    ZydisDecodedInstruction info;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!decode_bytes(code, len, wide, &info, operands) || info.meta.category == ZYDIS_CATEGORY_CALL)
        return true;
    for (unsigned i = 0; i < info.operand_count; i++) {
        if (operands[i].type != ZYDIS_OPERAND_TYPE_REGISTER || !(operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
            continue;
        ZydisMachineMode mode = wide ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32;
        const char *name = ZydisRegisterGetString(ZydisRegisterGetLargestEnclosing(mode, operands[i].reg.value));
        if (name && !strcmp(name, reg))
            return true;
    }
    return false;
}

#else

bool oops_insn_x86(const struct oops_insn_request *q, struct oops_insn *insn) {
    return false;
}

bool oops_insn_x86_writes(const uint8_t *code, unsigned len, bool wide, const char *reg) {
    return true;
}

#endif
