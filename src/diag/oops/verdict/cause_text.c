/*
 * What a report means by its text alone: which instruction failed, which
 * address it touched and from which registers, what that address looks like,
 * and in one sentence what that says.
 *
 * The decisive check is arithmetic: the address computed from the instruction
 * and the registers must be the one that the kernel printed. Where it is not,
 * the log is of two reports, or the registers are not those of the fault, and
 * the verdict says so.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "diag/oops/file/demangle.h"
#include "diag/oops/insn/listing.h"
#include "diag/oops/oops_int.h"
#include "diag/oops/report/stack.h"
#include "diag/oops/verdict/cause.h"

void oops_note(struct oops_pool *pool, struct oops_notes *notes, const char *fmt, ...) {
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (unsigned i = 0; i < notes->count; i++)
        if (!strcmp(notes->s[i], text))
            return;
    const char **note = oops_pool_push(pool, &notes->s, &notes->count, sizeof(*notes->s), OOPS_NOTES_MAX);
    if (note)
        *note = oops_pool_str(pool, text);
}

/* Kinds in which an instruction touched memory that it should not have. */
static bool is_bad_access(const struct oops_report *r) {
    return r->kind == OOPS_NULL_DEREF || r->kind == OOPS_PAGE_FAULT || r->kind == OOPS_GPF ||
           r->kind == OOPS_EXTERNAL_ABORT || (r->kind == OOPS_TRAP && r->has_fault_address);
}

static bool is_x86(const struct oops_report *r) {
    return r->arch == OOPS_ARCH_X86_64 || r->arch == OOPS_ARCH_I386;
}

/* As the log spells it: RDI, x0. */
static const char *reg_shown(const struct oops_report *r, const char *reg) {
    char name[12];
    size_t n = strlen(reg);
    if (!is_x86(r) || n >= sizeof(name))
        return reg;
    for (size_t i = 0; i <= n; i++)
        name[i] = (char)toupper((unsigned char)reg[i]);
    return oops_pool_str(r->pool, name);
}

/* The register that passes one of the first arguments. */
static bool is_argument(const struct oops_report *r, const char *reg) {
    static const char *const x86_64[] = {"rdi", "rsi", "rdx", "rcx", "r8", "r9", NULL};
    static const char *const i386[] = {"eax", "edx", "ecx", NULL}; /* -mregparm=3 */
    static const char *const none[] = {NULL};
    const char *const *list = r->arch == OOPS_ARCH_X86_64 ? x86_64 : r->arch == OOPS_ARCH_I386 ? i386 : none;
    for (; *list; list++)
        if (!strcmp(*list, reg))
            return true;
    return false;
}

/* ---- The instruction ---- */

static void decode_trap(const struct oops_report *r, struct oops_verdict *v) {
    const struct oops_state *state = oops_report_fault(r);
    v->insn = (struct oops_insn){.text = "", .mnemonic = ""};
    if (!state || state->code_trap < 0)
        return;
    unsigned at = (unsigned)state->code_trap;
    uint64_t thumb = oops_state_is_thumb(r, state);
    if (state->code_known[at])
        oops_insn_decode(r, state, state->code + at, state->code_len - at,
                         (state->pc.has_address ? state->pc.address : 0) | thumb, &v->insn);
    oops_listing(r, state, v);
}

/* ---- Registers that matter ---- */

static void note_reg(const struct oops_report *r, struct oops_verdict *v, const char *reg, uint64_t value,
                     const char *note) {
    for (unsigned i = 0; i < v->reg_count; i++)
        if (!strcmp(v->regs[i].reg, reg))
            return;
    struct oops_reg_note *n = oops_pool_push(r->pool, &v->regs, &v->reg_count, sizeof(*n), OOPS_REGS_MAX);
    if (n)
        *n = (struct oops_reg_note){reg, value, note};
}

const char *oops_value_text(struct oops_pool *pool, const struct oops_value *v, uint64_t value) {
    const char *offset = v->offset ? oops_pool_printf(pool, "%+lld", (long long)v->offset) : "";
    size_t word = strcspn(v->name, " ");
    switch (v->pattern) {
    case OOPS_PATTERN_NULL:
    case OOPS_PATTERN_NULL_OFFSET:
    case OOPS_PATTERN_NULL_NEGATIVE:
        return oops_pool_printf(pool, "NULL%s", offset);
    case OOPS_PATTERN_ERR_PTR:
        if (v->offset) /* no error has this number */
            return oops_pool_printf(pool, "%lld (%s)", (long long)v->offset, v->name);
        return oops_pool_printf(pool, "the error pointer %s", v->name);
    case OOPS_PATTERN_LIST_POISON:
    case OOPS_PATTERN_SLAB_POISON:
    case OOPS_PATTERN_PAGE_POISON:
    case OOPS_PATTERN_OTHER_POISON:
        if (v->name[0] >= 'a' && v->name[0] <= 'z')
            return v->name;
        return oops_pool_printf(pool, "%.*s%s%s", (int)word, v->name, offset, v->name + word);
    case OOPS_PATTERN_FLIPPED_BIT:
        return oops_pool_printf(pool, "%s (0x%llx would be usual)", v->name, (unsigned long long)v->near);
    case OOPS_PATTERN_KASAN_SHADOW:
        if (v->near < 0x10000)
            return oops_pool_printf(pool, "NULL+%llu..%llu (0x%llx is the shadow that KASAN keeps of it)",
                                    (unsigned long long)v->near, (unsigned long long)v->near + 7,
                                    (unsigned long long)value);
        return oops_pool_printf(pool, "0x%llx or up to 7 behind it (0x%llx is the shadow that KASAN keeps of it)",
                                (unsigned long long)v->near, (unsigned long long)value);
    default:
        return oops_pool_printf(pool, "%s 0x%llx", v->name[0] ? v->name : "address", (unsigned long long)value);
    }
}

static bool is_telling(enum oops_pattern p) {
    return p != OOPS_PATTERN_NONE && p != OOPS_PATTERN_NULL && p != OOPS_PATTERN_NULL_OFFSET &&
           p != OOPS_PATTERN_KERNEL && p != OOPS_PATTERN_VMALLOC && p != OOPS_PATTERN_MODULE &&
           p != OOPS_PATTERN_TEXT && p != OOPS_PATTERN_USER && p != OOPS_PATTERN_NON_CANONICAL &&
           p != OOPS_PATTERN_NULL_NEGATIVE;
}

static bool is_general_register(const char *name) {
    static const char *const others[] = {"eflags", "rflags",  "orig_rax", "orig_eax", "fs",     "gs",  "cs",
                                         "ds",     "es",      "ss",       "knlgs",    "pstate", "psr", "status",
                                         "cause",  "badaddr", "control",  "table",    "dac",    "pkru"};
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (!strcmp(name, others[i]))
            return false;
    return strncmp(name, "cr", 2) != 0 && strncmp(name, "dr", 2) != 0;
}

/* Numbers are printable by chance; words are letters and what joins them. */
static bool are_words(uint64_t value) {
    unsigned bytes = 0;
    for (; value; value >>= 8, bytes++)
        if (!oops_is_word((char)(value & 0xff)) && !strchr("-./ ", (int)(value & 0xff)))
            return false;
    return bytes >= 4 && bytes != 5;
}

static bool worth_a_line(const struct oops_report *r, const struct oops_value *value, uint64_t number) {
    uint64_t ones = oops_word_bytes(r->arch) == 8 ? UINT64_MAX : UINT32_MAX;
    if (number == ones) /* more often a mask than an error */
        return false;
    return is_telling(value->pattern) && (value->pattern != OOPS_PATTERN_ASCII || are_words(number));
}

static void note_registers(const struct oops_report *r, struct oops_verdict *v) {
    const struct oops_state *state = oops_report_fault(r);
    if (!state)
        return;
    const struct oops_operand *op = &v->insn.mem;
    const struct oops_reg *base = op->there && op->base[0] ? oops_state_reg(state, op->base) : NULL;
    const struct oops_reg *index = op->there && op->index[0] ? oops_state_reg(state, op->index) : NULL;
    struct oops_value value;
    if (base) {
        oops_value_classify(r, base->value, &value);
        note_reg(r, v, base->name, base->value,
                 oops_pool_printf(r->pool, "base of the operand: %s", oops_value_text(r->pool, &value, base->value)));
    }
    if (index)
        note_reg(r, v, index->name, index->value,
                 oops_pool_printf(r->pool, "index of the operand, times %u", op->scale));
    for (unsigned i = 0; i < state->reg_count; i++) {
        const struct oops_reg *reg = &state->regs[i];
        if (!is_general_register(reg->name))
            continue;
        oops_value_classify(r, reg->value, &value);
        bool address = r->has_fault_address && reg->value == r->fault_address && r->fault_address;
        if (worth_a_line(r, &value, reg->value))
            note_reg(r, v, reg->name, reg->value, oops_value_text(r->pool, &value, reg->value));
        else if (address)
            note_reg(r, v, reg->name, reg->value, "the fault address");
    }
}

/* ---- The sentence ---- */

/* What could not be read is the next instruction itself; i386 without NX calls that a read. */
bool oops_jumped(const struct oops_report *r) {
    const struct oops_state *state = oops_report_fault(r);
    return r->access == OOPS_ACCESS_EXEC || (r->has_fault_address && state && state->has_pc && state->pc.has_address &&
                                             !state->pc.name[0] && state->pc.address == r->fault_address);
}

static const char *verb(const struct oops_report *r, const struct oops_verdict *v) {
    if (v->address.pattern == OOPS_PATTERN_KASAN_SHADOW)
        return "access to"; /* read was the shadow */
    enum oops_access access = oops_jumped(r) ? OOPS_ACCESS_EXEC : r->access;
    if (access == OOPS_ACCESS_UNKNOWN && v->insn.mem.there)
        access = v->insn.mem.write ? OOPS_ACCESS_WRITE : OOPS_ACCESS_READ;
    switch (access) {
    case OOPS_ACCESS_READ:
        return "read from";
    case OOPS_ACCESS_WRITE:
        return "write to";
    case OOPS_ACCESS_EXEC:
        return "jump to";
    default:
        return "access to";
    }
}

static const char *symbol_text(struct oops_pool *pool, const struct oops_symbol *sym) {
    if (sym->name[0] && sym->module[0])
        return oops_pool_printf(pool, "`%s` [%s]", sym->name, sym->module);
    if (sym->name[0])
        return oops_pool_printf(pool, "`%s`", oops_demangle(pool, sym->name));
    return oops_pool_printf(pool, "0x%llx", (unsigned long long)sym->address);
}

static const char *where(const struct oops_report *r) {
    const struct oops_state *state = oops_report_fault(r);
    if (state && state->has_pc && (state->pc.name[0] || state->pc.address))
        return symbol_text(r->pool, &state->pc);
    return r->function[0] ? oops_pool_printf(r->pool, "`%s`", oops_demangle(r->pool, r->function))
                          : "an unknown function";
}

/* ", RDI=8" for the registers of the operand. */
static const char *operand_values(const struct oops_report *r, const struct oops_operand *op) {
    const struct oops_state *state = oops_report_fault(r);
    const char *names[2] = {op->base, op->index}, *text = "";
    for (int i = 0; i < 2 && op->there && state; i++) {
        const struct oops_reg *reg = names[i][0] ? oops_state_reg(state, names[i]) : NULL;
        if (reg)
            text =
                oops_pool_printf(r->pool, "%s, %s=%llx", text, reg_shown(r, reg->name), (unsigned long long)reg->value);
    }
    return text;
}

static const char *who_has(const struct oops_report *r, const char *reg, bool passed) {
    return passed ? "the caller passed" : oops_pool_printf(r->pool, "%s is", reg_shown(r, reg));
}

/*
 * At an odd place of page 0 no structure has a field that is touched so: an error pointer that another register still
 * holds, and an even offset, lead there.
 */
static const char *from_error_pointer(const struct oops_report *r, const char *who, uint64_t address) {
    const struct oops_state *state = oops_report_fault(r);
    struct oops_value value;
    for (unsigned i = 0; address % 4 && state && i < state->reg_count; i++) {
        const struct oops_reg *reg = &state->regs[i];
        uint64_t offset = address - reg->value;
        oops_value_classify(r, reg->value, &value);
        if (value.pattern == OOPS_PATTERN_ERR_PTR && !value.offset && offset < 4096 && offset % 4 == 0)
            return oops_pool_printf(r->pool,
                                    "%s the address of a field at offset %llu of the error pointer %s, which %s still "
                                    "holds: used without IS_ERR()",
                                    who, (unsigned long long)offset, value.name, reg->name);
    }
    return "";
}

/* What the base register's value says about how the address came about. "" if nothing. */
static const char *how_from_base(const struct oops_report *r, const struct oops_operand *op) {
    const struct oops_state *state = oops_report_fault(r);
    const struct oops_reg *base = oops_state_reg(state, op->base);
    struct oops_value value;
    if (!base)
        return "";
    oops_value_classify(r, base->value, &value);
    bool passed = is_argument(r, op->base) && oops_listing_unwritten(r, state, op->base);
    const char *who = who_has(r, op->base, passed);
    switch (value.pattern) {
    case OOPS_PATTERN_NULL:
        if (op->disp < 0)
            return oops_pool_printf(r->pool,
                                    "%s NULL, and what is touched lies %lld bytes before it (container_of() of NULL)",
                                    who, -(long long)op->disp);
        return op->disp ? oops_pool_printf(r->pool, "%s NULL, and the field touched is at offset %lld", who,
                                           (long long)op->disp)
                        : oops_pool_printf(r->pool, "%s NULL", who);
    case OOPS_PATTERN_NULL_OFFSET:
        if (op->index[0])
            return "";
        const char *error = from_error_pointer(r, who, base->value);
        if (error[0])
            return error;
        return oops_pool_printf(
            r->pool, "%s the address of a field at offset %lld of a NULL structure%s", who, (long long)value.offset,
            op->disp ? oops_pool_printf(r->pool, ", of which %+lld is touched", (long long)op->disp) : "");
    case OOPS_PATTERN_NULL_NEGATIVE:
        return oops_pool_printf(r->pool,
                                "%s NULL%lld: a structure computed from a pointer to its member at offset %lld "
                                "(container_of), and that pointer is NULL",
                                who, (long long)value.offset, -(long long)value.offset);
    case OOPS_PATTERN_ERR_PTR:
        if (value.offset)
            return oops_pool_printf(r->pool, "%s %s", who, oops_value_text(r->pool, &value, base->value));
        return oops_pool_printf(r->pool, "%s the error code %s, used as a pointer without IS_ERR()", who, value.name);
    default:
        return is_telling(value.pattern)
                   ? oops_pool_printf(r->pool, "%s %s", who, oops_value_text(r->pool, &value, base->value))
                   : "";
    }
}

/* An address that no register took part in. */
static bool is_absolute(const struct oops_operand *op) {
    return op->there && !op->base[0] && !op->index[0] && !op->segment[0];
}

static const char *how(const struct oops_report *r, const struct oops_verdict *v) {
    const struct oops_operand *op = &v->insn.mem;
    if (oops_jumped(r))
        return v->address.pattern == OOPS_PATTERN_NULL ? "a function pointer that is NULL was called"
                                                       : "a function pointer or a return address is wrong";
    if (!op->there || !oops_report_fault(r))
        return "";
    if (is_absolute(op))
        return "the address is a constant in the code, no register holds it";
    if (op->base[0] && strcmp(op->base, "rip") != 0)
        return how_from_base(r, op);
    return "";
}

/* The function that made a jump to nowhere: the first frame, guess or not. */
static const char *jumper(const struct oops_report *r) {
    const struct oops_trace *trace = oops_report_trace(r);
    const struct oops_state *state = oops_report_fault(r);
    if (state && state->lr.name[0])
        return oops_demangle(r->pool, state->lr.name);
    for (unsigned i = 0; trace && i < trace->count; i++)
        if (trace->frames[i].sym.name[0] && strncmp(trace->frames[i].sym.name, "__pfx_", 6) != 0)
            return oops_demangle(r->pool, trace->frames[i].sym.name);
    return "";
}

static const char *target_text(const struct oops_report *r, const struct oops_verdict *v) {
    if (!r->has_fault_address)
        return "a bad address";
    if (is_absolute(&v->insn.mem) && v->insn.mem.ea_matches)
        return oops_pool_printf(r->pool, "absolute address %s%llx", r->fault_address ? "0x" : "",
                                (unsigned long long)r->fault_address);
    return oops_value_text(r->pool, &v->address, r->fault_address);
}

/* Registers of the machine that take some values only: what was refused is what is written to them. */
static const char *refused_value(const struct oops_report *r, const struct oops_verdict *v) {
    static const char *const others[] = {"wrmsr", "rdmsr", "xsetbv", "xrstor", "xrstors", "fxrstor",
                                         "iret",  "iretq", "lldt",   "ltr",    "ldmxcsr", NULL};
    const struct oops_state *state = oops_report_fault(r);
    const char *text = v->insn.text, *control = strstr(text, ",%cr");
    if (r->kind != OOPS_GPF || !v->insn.decoded || !state)
        return "";
    control = control ? control : strstr(text, ",%dr");
    const char *percent = control ? strchr(text, '%') : NULL;
    const struct oops_reg *reg =
        percent && percent < control
            ? oops_state_reg(state, oops_pool_strn(r->pool, percent + 1, (size_t)(control - percent - 1)))
            : NULL;
    if (reg)
        return oops_pool_printf(r->pool, "the CPU refused to set %s to 0x%llx in %s, instruction `%s`", control + 2,
                                (unsigned long long)reg->value, where(r), text);
    bool msr = !strcmp(v->insn.mnemonic, "wrmsr") || !strcmp(v->insn.mnemonic, "rdmsr");
    reg = msr ? oops_state_reg(state, "rcx") : NULL;
    if (reg)
        return oops_pool_printf(r->pool,
                                "the CPU has no MSR 0x%llx, or refused the value for it, in %s, instruction `%s`",
                                (unsigned long long)(reg->value & 0xffffffff), where(r), text);
    for (const char *const *o = others; *o; o++)
        if (!strcmp(v->insn.mnemonic, *o))
            return oops_pool_printf(r->pool, "the CPU refused `%s` in %s: the state that it loads is not allowed", text,
                                    where(r));
    return "";
}

bool oops_unaligned(const struct oops_report *r) {
    unsigned class = (unsigned)(r->error_code >> 26) & 63;
    bool bad_pointer = r->has_fault_address && (r->fault_address < 4096 || r->fault_address >= -(uint64_t)4096);
    if (bad_pointer) /* atomic instructions check the alignment before the address is translated */
        return false;
    bool arm64 = r->arch == OOPS_ARCH_ARM64 && r->has_error_code && class == 0x25 && (r->error_code & 63) == 0x21;
    return arm64 || (r->kind == OOPS_EXTERNAL_ABORT && strstr(r->header, "lignment"));
}

static bool no_answer(const struct oops_report *r) {
    return strstr(r->header, "external abort") || strstr(r->header, "SError") || strstr(r->header, "xternal");
}

static void bad_access_headline(const struct oops_report *r, struct oops_verdict *v) {
    const char *target = target_text(r, v);
    const char *from = jumper(r);
    const char *refused = refused_value(r, v);
    if (refused[0])
        v->headline = refused;
    else if (oops_unaligned(r))
        v->headline = oops_pool_printf(r->pool, "%s an address that is not aligned for it, %s, in %s%s%s%s", verb(r, v),
                                       target, where(r), v->insn.decoded ? ", instruction `" : "", v->insn.text,
                                       v->insn.decoded ? "`" : "");
    else if (r->kind == OOPS_EXTERNAL_ABORT && no_answer(r))
        v->headline =
            oops_pool_printf(r->pool, "the bus or a device answered an access%s%s with an error, in %s",
                             r->has_fault_address ? " to " : "", r->has_fault_address ? target : "", where(r));
    else if (oops_jumped(r) && from[0])
        v->headline = oops_pool_printf(r->pool, "jump to %s, from `%s` or what it called: %s", target, from, how(r, v));
    else if (oops_jumped(r))
        v->headline = oops_pool_printf(r->pool, "jump to %s: %s", target, how(r, v));
    else if (v->insn.decoded && v->insn.mem.there) {
        const char *why = how(r, v);
        v->headline = oops_pool_printf(r->pool, "%s %s in %s, instruction `%s`%s%s%s", verb(r, v), target, where(r),
                                       v->insn.text, operand_values(r, &v->insn.mem), why[0] ? ": " : "", why);
    } else
        v->headline = oops_pool_printf(r->pool, "%s %s in %s", verb(r, v), target, where(r));
}

static void judge_access(const struct oops_report *r, struct oops_verdict *v) {
    const struct oops_operand *op = &v->insn.mem;
    v->confidence = OOPS_CONFIDENCE_LOW;
    if (!v->insn.decoded) {
        const struct oops_state *state = oops_report_fault(r);
        if (state && state->code_trouble[0])
            oops_note(r->pool, &v->reasons, "the instruction is not known, the kernel printed no code: \"%s\"",
                      state->code_trouble);
        else if (state && state->code_len && state->code_trap >= 0)
            oops_note(r->pool, &v->reasons, "the instruction is none that this decoder knows");
        else
            oops_note(r->pool, &v->reasons, "the instruction is not known: no usable Code: line is in the log");
        return;
    }
    v->confidence = OOPS_CONFIDENCE_MEDIUM;
    if (op->ea_matches) {
        v->confidence = OOPS_CONFIDENCE_HIGH;
        oops_note(r->pool, &v->reasons,
                  "the address computed from the instruction and the registers, 0x%llx, is the one reported",
                  (unsigned long long)op->ea);
    } else if (op->ea_known && r->has_fault_address && !oops_jumped(r)) {
        struct oops_value shadow;
        oops_value_classify(r, op->ea, &shadow);
        oops_note(
            r->pool, &v->misfits,
            "the instruction and the registers give address 0x%llx, the report says 0x%llx: the registers may be of "
            "another moment, or two reports are mixed",
            (unsigned long long)op->ea, (unsigned long long)r->fault_address);
        v->confidence = OOPS_CONFIDENCE_LOW;
    }
    bool contradicts = (r->access == OOPS_ACCESS_WRITE && op->there && !op->write && !v->insn.mem2.write) ||
                       (r->access == OOPS_ACCESS_READ && op->there && !op->read && !v->insn.mem2.read && !op->write);
    if (contradicts)
        oops_note(r->pool, &v->misfits, "the report says %s, but the instruction `%s` does not do that",
                  oops_access_name(r->access), v->insn.text);
}

void oops_verdict_text(const struct oops_report *r, struct oops_verdict *v) {
    *v = (struct oops_verdict){.headline = "", .slide_how = ""};
    v->blame.function = v->blame.variable = v->blame.type = v->blame.member = v->blame.member_type = v->blame.how = "";
    v->address.name = "";
    if (r->has_fault_address)
        oops_value_classify(r, r->fault_address, &v->address);
    decode_trap(r, v);
    note_registers(r, v);
    if (is_bad_access(r)) {
        bad_access_headline(r, v);
        judge_access(r, v);
    } else {
        oops_kind_headline(r, v);
        oops_detail_headline(r, v);
    }
    oops_facts(r, v);
    oops_misfits(r, v);
    oops_next_steps(r, v);
}
