/*
 * The disassembly around the trap. x86 code is printed from the middle of an
 * instruction as often as not. The function's own start, if it is within the
 * bytes, is sure. Otherwise, of the starts whose instructions end exactly at
 * the trapping one, the one is taken whose instructions look most like those of
 * a kernel: what is decoded out of step has odd ones.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag/oops/insn/listing.h"
#include "diag/oops/insn/thumb.h"
#include "diag/oops/oops_int.h"

#define BEFORE_MAX 7 /* instructions shown before the trap */
#define AFTER_MAX  4
#define CUTS_MAX   15
#define LINES_MAX  64

struct walk {
    const struct oops_report *report;
    const struct oops_state *state;
    unsigned trap;
    uint8_t it; /* Thumb: of the IT block that the instructions run in */
};

static bool is_x86(const struct oops_report *report) {
    return report->arch == OOPS_ARCH_X86_64 || report->arch == OOPS_ARCH_I386;
}

static bool decode_at(const struct walk *w, unsigned at, struct oops_insn *insn) {
    const struct oops_state *s = w->state;
    struct oops_insn_request q =
        oops_insn_request_of(w->report, NULL, s->code + at, s->code_len - at, oops_state_is_thumb(w->report, s));
    q.it = w->it;
    return at < s->code_len && s->code_known[at] && oops_insn_decode_request(&q, insn);
}

/* Of an instruction that says so itself; 0: the architecture's are all as long as each other. */
static unsigned own_length(const struct walk *w, unsigned at) {
    const uint8_t *code = w->state->code + at;
    if (w->state->code_unit != 2 || w->state->code_len - at < 2)
        return 0;
    if (w->report->arch == OOPS_ARCH_RISCV)
        return (code[0] & 3) == 3 ? 4 : 2;
    return w->report->arch == OOPS_ARCH_ARM ? oops_thumb_length(code) : 0;
}

/* Halfwords to instructions: from `at`, or from the next one if the trap is not met so. */
static void walk_halfwords(const struct walk *w, unsigned at, uint8_t starts[OOPS_CODE_MAX], unsigned *count) {
    for (unsigned first = at; first <= w->trap; first += 2) {
        *count = 0;
        for (at = first; at < w->trap; at += own_length(w, at))
            starts[(*count)++] = (uint8_t)at;
        if (at == w->trap)
            return;
    }
}

/* Instruction starts from `at` to the trap. False: they don't meet it, or something is no instruction. */
static bool meets_trap(const struct walk *w, unsigned at, uint8_t starts[OOPS_CODE_MAX], unsigned *count) {
    struct oops_insn insn;
    *count = 0;
    while (at < w->trap) {
        if (!decode_at(w, at, &insn) || !insn.len)
            return false;
        starts[(*count)++] = (uint8_t)at;
        at += insn.len;
    }
    return at == w->trap;
}

/* How unlikely an instruction is in a kernel's code: more for what decodes out of step. */
static unsigned oddness(const struct oops_insn *insn) {
    static const char *const usual[] = {"mov",  "lea",   "test", "cmp",  "call",    "ret",  "push", "pop",
                                        "add",  "sub",   "and",  "or",   "xor",     "nop",  "sh",   "sar",
                                        "j",    "endbr", "ud2",  "inc",  "imul",    "cmov", "set",  "leave",
                                        "xadd", "xchg",  "bt",   "int3", "cmpxchg", "bs"};
    static const char *const bytes[] = {"%al", "%bl", "%cl", "%dl", "%ah", "%bh", "%ch", "%dh"};
    unsigned odd = 4;
    for (unsigned i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
        if (oops_starts(insn->mnemonic, usual[i]))
            odd = 0;
    for (unsigned i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
        odd += strstr(insn->text, bytes[i]) != NULL;
    bool far_off = insn->mem.there && insn->mem.base[0] && (insn->mem.disp > 1 << 20 || insn->mem.disp < -(1 << 20));
    return odd + (far_off && strcmp(insn->mem.base, "rip") ? 4 : 0) + (insn->mem.there && !insn->mem.base[0] ? 3 : 0);
}

/* The start whose instructions meet the trap and look most like a kernel's, by their mean. */
static void guess_start(const struct walk *w, uint8_t starts[OOPS_CODE_MAX], unsigned *count) {
    uint8_t tried[OOPS_CODE_MAX];
    unsigned n, best = UINT_MAX;
    struct oops_insn insn;
    *count = 0;
    for (unsigned cut = 0; cut < CUTS_MAX && cut <= w->trap; cut++) {
        unsigned odd = 0;
        if (!meets_trap(w, cut, tried, &n) || !n)
            continue;
        for (unsigned i = 0; i < n; i++)
            odd += decode_at(w, tried[i], &insn) ? oddness(&insn) : 0;
        if (odd * 256 / n >= best)
            continue;
        best = odd * 256 / n;
        memcpy(starts, tried, n);
        *count = n;
    }
}

bool oops_listing_starts(const struct oops_report *report, const struct oops_state *state,
                         uint8_t starts[OOPS_CODE_MAX], unsigned *count, bool *from_function) {
    if (state->code_trap < 0)
        return false;
    struct walk w = {report, state, (unsigned)state->code_trap, 0};
    *from_function = state->pc.has_off && state->pc.off <= w.trap;
    if (!is_x86(report)) { /* fixed or self-announcing lengths */
        unsigned step = state->code_unit ? state->code_unit : 4,
                 at = *from_function ? w.trap - (unsigned)state->pc.off : 0;
        *count = 0;
        if (own_length(&w, at))
            walk_halfwords(&w, at, starts, count);
        else
            for (; at < w.trap; at += step)
                starts[(*count)++] = (uint8_t)at;
        return true;
    }
    if (*from_function && meets_trap(&w, w.trap - (unsigned)state->pc.off, starts, count))
        return true;
    *from_function = false;
    guess_start(&w, starts, count);
    return true; /* perhaps the trapping instruction alone */
}

static const char *raw_text(const struct walk *w, unsigned at, unsigned *len) {
    const struct oops_state *s = w->state;
    unsigned unit = own_length(w, at) ? own_length(w, at) : s->code_unit ? s->code_unit : 1;
    uint32_t value = 0;
    *len = unit < s->code_len - at ? unit : s->code_len - at;
    for (unsigned i = 0; i < *len && i < 4; i++)
        value |= (uint32_t)s->code[at + i] << 8 * i;
    if (*len == 4 && oops_state_is_thumb(w->report, s))
        value = value << 16 | value >> 16;
    const char *what = unit == 4 ? ".inst" : unit == 2 ? ".half" : ".byte";
    return oops_pool_printf(w->report->pool, "%s 0x%0*x", what, 2 * (int)*len, value);
}

/* Where a branch leads, counted as the lines are: from the function's start. */
static const char *from_start(const struct walk *w, const struct oops_asm_line *line) {
    const struct oops_symbol *pc = &w->state->pc;
    bool thumb = oops_state_is_thumb(w->report, w->state); /* "cbz r0, +0x8" */
    const char *to = thumb ? strrchr(line->text, ' ') : strchr(line->text, ' ');
    char *end;
    if ((!is_x86(w->report) && !thumb) || !pc->has_off || !to || !strchr("+-", to[1]) || strchr(to, '('))
        return line->text;
    long long target = (long long)pc->off + line->off + strtoll(to + 1, &end, 16);
    if (*end)
        return line->text;
    unsigned long long far = target < 0 ? 0 - (unsigned long long)target : (unsigned long long)target;
    return oops_pool_printf(w->report->pool, "%.*s %c0x%llx", (int)(to - line->text), line->text,
                            target < 0 ? '-' : '+', far);
}

/* One line; returns how many bytes it took, 0: the end. */
static unsigned add_line(struct walk *w, struct oops_verdict *v, unsigned at) {
    struct oops_insn insn;
    struct oops_asm_line *line =
        oops_pool_push(w->report->pool, &v->listing, &v->listing_count, sizeof(*line), LINES_MAX);
    if (!line)
        return 0;
    line->off = (int)at - (int)w->trap;
    line->trapping = at == w->trap;
    line->note = "";
    bool decoded = decode_at(w, at, &insn);
    w->it = decoded ? insn.it : 0;
    line->stop = !decoded && is_x86(w->report);
    line->text = decoded ? insn.text : raw_text(w, at, &line->len);
    if (decoded) {
        line->len = insn.len;
        line->text = from_start(w, line);
    }
    return line->stop ? 0 : line->len;
}

void oops_listing(const struct oops_report *report, const struct oops_state *state, struct oops_verdict *v) {
    uint8_t starts[OOPS_CODE_MAX];
    unsigned count = 0;
    bool from_function = false;
    if (!oops_listing_starts(report, state, starts, &count, &from_function))
        return;
    struct walk w = {report, state, (unsigned)state->code_trap, 0};
    for (unsigned i = count > BEFORE_MAX ? count - BEFORE_MAX : 0; i < count; i++)
        add_line(&w, v, starts[i]);
    const struct oops_reg *psr = oops_state_is_thumb(report, state) ? oops_state_reg(state, "psr") : NULL;
    unsigned at = w.trap;
    if (psr)
        w.it = oops_thumb_it_of(psr->value);
    for (unsigned i = 0; i <= AFTER_MAX && at < state->code_len; i++) {
        unsigned len = add_line(&w, v, at);
        if (!len)
            return;
        at += len;
    }
}

bool oops_listing_unwritten(const struct oops_report *report, const struct oops_state *state, const char *reg) {
    uint8_t starts[OOPS_CODE_MAX];
    unsigned count = 0;
    bool from_function = false;
    if (!is_x86(report) || !oops_listing_starts(report, state, starts, &count, &from_function) || !from_function)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (oops_insn_x86_writes(state->code + starts[i], state->code_len - starts[i], report->arch == OOPS_ARCH_X86_64,
                                 reg))
            return false;
    return true;
}
