/*
 * Lines of traces: frames in the forms of all years and architectures, the
 * marks of stacks, and the lines that introduce a trace.
 *
 * Source: arch/x86/kernel/dumpstack.c and dumpstack_64.c, arch/arm64/kernel/stacktrace.c,
 * arch/arm/kernel/traps.c (dump_backtrace_entry), arch/riscv/kernel/stacktrace.c, arch/powerpc/kernel/process.c.
 */
#include <ctype.h>
#include <string.h>

#include "diag/oops/oops_int.h"

struct marker {
    const char *text;
    enum oops_stack stack;
    bool ends;
};

static const struct marker markers[] = {
    {"<TASK>", OOPS_STACK_TASK, false},
    {"</TASK>", OOPS_STACK_TASK, true},
    {"<IRQ>", OOPS_STACK_IRQ, false},
    {"</IRQ>", OOPS_STACK_IRQ, true},
    {"<EOI>", OOPS_STACK_IRQ, true},
    {"<NMI>", OOPS_STACK_NMI, false},
    {"</NMI>", OOPS_STACK_NMI, true},
    {"<<EOE>>", OOPS_STACK_NMI, true},
    {"<SOFTIRQ>", OOPS_STACK_SOFTIRQ, false},
    {"</SOFTIRQ>", OOPS_STACK_SOFTIRQ, true},
    {"<#DF>", OOPS_STACK_OTHER, false},
    {"</#DF>", OOPS_STACK_OTHER, true},
    {"<#DB>", OOPS_STACK_OTHER, false},
    {"</#DB>", OOPS_STACK_OTHER, true},
    {"<#MC>", OOPS_STACK_OTHER, false},
    {"</#MC>", OOPS_STACK_OTHER, true},
    {"<#VC>", OOPS_STACK_OTHER, false},
    {"</#VC>", OOPS_STACK_OTHER, true},
    {"<#DB1>", OOPS_STACK_OTHER, false},
    {"<#SS>", OOPS_STACK_OTHER, false},
    {"<UNK>", OOPS_STACK_OTHER, false},
    {"<ENTRY_TRAMPOLINE>", OOPS_STACK_OTHER, false},
    {"</ENTRY_TRAMPOLINE>", OOPS_STACK_OTHER, true},
    {"<entry>", OOPS_STACK_OTHER, false},
};

static const char *take_marker(const char *s, struct oops_frame_line *out) {
    for (unsigned i = 0; i < sizeof(markers) / sizeof(markers[0]); i++)
        if (oops_starts(s, markers[i].text)) {
            out->marker = (int)markers[i].stack;
            out->marker_ends = markers[i].ends;
            return oops_blanks(s + strlen(markers[i].text));
        }
    return s;
}

/* "f from g+0x1/0x2", "(f) from [<ret>] (g+0x1/0x2)", behind "[<pc>] " if that was there. */
static bool arm_frame(struct oops_pool *pool, const char *s, struct oops_frame *frame) {
    struct oops_symbol pc;
    if (*s == '[') {
        const char *close = strchr(s, ']');
        if (!close)
            return false;
        s = oops_blanks(close + 1);
    }
    bool brackets = *s == '(';
    s += brackets;
    size_t n = strcspn(s, " )+");
    const char *name = s, *p = s + n;
    if (*p == '+') { /* "f+0x1/0x2 from g+0x3/0x4" */
        p = s;
        if (!oops_symbol(pool, &p, &pc))
            return false;
    }
    if (brackets && p[0] == ' ' && p[1] == '[') /* "(f [mod])" */
        p += strcspn(p, ")");
    else if (p[0] == ' ' && p[1] == '[' && strchr(p, ']')) /* "f [mod] from ..." */
        p = strchr(p, ']') + 1;
    p += brackets && *p == ')';
    p = oops_blanks(p);
    if (!n || !oops_starts(p, "from "))
        return false;
    p += 5;
    if (!oops_symbol(pool, &p, &frame->sym) || !frame->sym.name[0])
        return false;
    frame->inner = oops_pool_strn(pool, name, n);
    return true;
}

/* "net/core/dev.c:123", "/src/a.c:12 (discriminator 3)" behind a frame that was decoded already. */
static const char *trailing_source(struct oops_pool *pool, const char *s) {
    s = oops_blanks(s);
    s += *s == '(';
    size_t n = strcspn(s, " )\t");
    const char *colon = memchr(s, ':', n);
    if (!colon || colon == s || !isdigit((unsigned char)colon[1]) || !memchr(s, '.', (size_t)(colon - s)))
        return "";
    return oops_pool_strn(pool, s, n);
}

/* "--- interrupt: 300 at f+0x1/0x2", "--- Exception: 901 at f+..", below it "    LR = g+0x1/0x2": powerpc */
static bool powerpc_frame(struct oops_pool *pool, const char *s, struct oops_frame *frame) {
    bool interrupted = oops_starts(s, "---") && (strstr(s, "interrupt: ") || strstr(s, "Exception: "));
    const char *at = interrupted ? oops_after(s, " at ") : oops_starts(s, "LR = ") ? s + 5 : NULL;
    if (!at || !oops_symbol(pool, &at, &frame->sym) || !frame->sym.name[0])
        return false;
    if (interrupted)
        frame->kind = OOPS_FRAME_PC;
    return true;
}

/* "Caller[addr]: f+0x1/0x2": sparc; "sp:  [<addr>] f+0x1/0x2": um. */
static const char *behind_number(const char *s) {
    uint64_t ignored;
    const char *p = s;
    if (oops_starts(s, "Caller["))
        return strstr(s, "]: ") ? strstr(s, "]: ") + 3 : s;
    if (isxdigit((unsigned char)*p) && oops_hex(&p, &ignored) && p - s >= 8 && *p == ':' &&
        oops_starts(oops_blanks(p + 1), "[<"))
        return oops_blanks(p + 1);
    return s;
}

static bool is_guess(const char *s) {
    return s[0] == '?' && (s[1] == ' ' || s[1] == '\t');
}

/* "some host kernel: f+0x1/0x2 [mod]": words that no known prefix has, before a frame that ends the line. */
static bool behind_foreign_prefix(struct oops_pool *pool, const char **s, struct oops_frame *frame) {
    const char *plus = strstr(*s, "+0x"), *start = plus;
    while (plus && start > *s && (oops_is_word(start[-1]) || start[-1] == '.'))
        start--;
    if (!plus || start < *s + 3 || start[-1] != ' ')
        return false;
    const char *before = start - 1;
    while (before > *s && *before == ' ')
        before--;
    bool guess = *before == '?' && before > *s + 1;
    while (guess && before > *s && (*before == ' ' || *before == '?'))
        before--;
    bool taken_there = before - *s >= 2 && !memcmp(before - 2, "at:", 3); /* lockdep's list of locks */
    taken_there |= *before == ']' && before > *s && before[-1] == '>';    /* "set at [<address>] f" of a message */
    if (taken_there || (*before != ':' && *before != ']' && *before != '|'))
        return false;
    const char *end = start;
    if (!oops_symbol(pool, &end, &frame->sym) || *oops_blanks(end))
        return false;
    frame->guess = guess;
    *s = end;
    return true;
}

bool oops_frame_line(struct oops_pool *pool, const char *text, struct oops_frame_line *out) {
    *out = (struct oops_frame_line){.marker = -1};
    struct oops_frame *frame = &out->frame;
    frame->state = -1;
    frame->inner = frame->source = "";
    const char *s = take_marker(oops_blanks(text), out);
    if (!*s)
        return out->marker >= 0;
    if (arm_frame(pool, s, frame) || powerpc_frame(pool, s, frame))
        return out->has_frame = true;
    s = behind_number(s);
    const char *guess = s;
    while (*guess == '[' && strchr(guess, ']')) /* "[<addr>] ? f+0x1/0x2" */
        guess = oops_blanks(strchr(guess, ']') + 1);
    frame->guess = is_guess(guess);
    if (is_guess(s))
        s = oops_blanks(s + 2);
    if (*s == '(' && s[1] == '[') /* s390: "([<addr>] f+0x1/0x2)" */
        s++;
    if (*s == '<' && isxdigit((unsigned char)s[1])) { /* 2.6 x86_64: "<ffffffff8010e5c0>{do_open+12}" */
        const char *close = strchr(s, '>');
        uint64_t address;
        const char *p = s + 1;
        if (!close || !oops_hex(&p, &address) || p != close || close[1] != '{')
            return out->marker >= 0;
        s = close + 1;
        if (!oops_symbol(pool, &s, &frame->sym))
            return out->marker >= 0;
        frame->sym.address = address;
        frame->sym.has_address = true;
        return out->has_frame = true;
    }
    const char *place = s;
    if (!oops_symbol(pool, &s, &frame->sym) && !behind_foreign_prefix(pool, &s, frame))
        return out->marker >= 0;
    if (!frame->sym.name[0] && *oops_blanks(s)) /* "[00000014] *pgd=0" is no frame */
        return out->marker >= 0;
    s = oops_blanks(s);
    if (strstr(s, "(unreliable)"))
        frame->guess = true;
    if (oops_starts(s, "(P") || oops_starts(s, "(PC"))
        frame->kind = OOPS_FRAME_PC;
    bool decoded = frame->sym.name[0] && !frame->sym.has_off;
    frame->source = trailing_source(pool, decoded ? strchr(place, '(') : s);
    return out->has_frame = true;
}

struct start {
    const char *words; /* oops_match(), tied to the line's beginning */
    enum oops_trace_kind kind;
};

static const struct start starts[] = {
    {"Call Trace:", OOPS_TRACE_MAIN},
    {"Call trace:", OOPS_TRACE_MAIN},
    {"Backtrace:", OOPS_TRACE_MAIN},
    {"backtrace:", OOPS_TRACE_MAIN},
    {"backtrace (crc", OOPS_TRACE_MAIN},
    {"stack backtrace:", OOPS_TRACE_MAIN},
    {"Trace:", OOPS_TRACE_MAIN},
    {"Stack Trace:", OOPS_TRACE_MAIN},
    {"Last Breaking-Event-Address", OOPS_TRACE_RELATED},
    {"Allocated by task", OOPS_TRACE_ALLOC},
    {"Allocated:", OOPS_TRACE_ALLOC},
    {"allocated by task", OOPS_TRACE_ALLOC},
    {"page last allocated via", OOPS_TRACE_ALLOC},
    {"Freed by task", OOPS_TRACE_FREE},
    {"Freed:", OOPS_TRACE_FREE},
    {"freed by task", OOPS_TRACE_FREE},
    {"page last free", OOPS_TRACE_FREE},
    {"Last potentially related work creation:", OOPS_TRACE_RELATED},
    {"Second to last potentially related work creation:", OOPS_TRACE_RELATED},
    {"Last call_rcu", OOPS_TRACE_RELATED},
    {"Uninit was created at:", OOPS_TRACE_ORIGIN},
    {"Uninit was stored to memory at:", OOPS_TRACE_ORIGIN},
    {"Local variable ", OOPS_TRACE_ORIGIN},
    {"read to 0x", OOPS_TRACE_ACCESS},
    {"write to 0x", OOPS_TRACE_ACCESS},
    {"read (marked) to 0x", OOPS_TRACE_ACCESS},
    {"write (marked) to 0x", OOPS_TRACE_ACCESS},
    {"read-write to 0x", OOPS_TRACE_ACCESS},
    {"read-write (marked) to 0x", OOPS_TRACE_ACCESS},
    {"assert no ", OOPS_TRACE_ACCESS},
    {"race at unknown origin", OOPS_TRACE_ACCESS},
    {"-> #", OOPS_TRACE_LOCK},
    {"... acquired at:", OOPS_TRACE_LOCK},
    {"the shortest dependencies", OOPS_TRACE_LOCK},
    {"HARDIRQ-ON-W at:", OOPS_TRACE_LOCK},
    {"SOFTIRQ-ON-W at:", OOPS_TRACE_LOCK},
    {"INITIAL USE at:", OOPS_TRACE_LOCK},
    {"IN-HARDIRQ-W at:", OOPS_TRACE_LOCK},
    {"IN-SOFTIRQ-W at:", OOPS_TRACE_LOCK},
    {"NMI backtrace for cpu", OOPS_TRACE_CPU},
    {"Object allocated", OOPS_TRACE_ALLOC},
};

bool oops_trace_start(const char *text, enum oops_trace_kind *kind) {
    for (unsigned i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (oops_starts(text, starts[i].words)) {
            *kind = starts[i].kind;
            return true;
        }
    if (strstr(text, " at:") == NULL)
        return false;
    if (oops_match("-irq-* lock at:", text, NULL) || oops_match("which became * at:", text, NULL)) {
        *kind = OOPS_TRACE_LOCK;
        return true;
    }
    return false;
}

const char *oops_frame_behind_heading(const char *text) {
    const char *colon = oops_starts(text, "Call ") ? strchr(text, ':') : NULL;
    return colon && oops_starts(oops_blanks(colon + 1), "[<") ? oops_blanks(colon + 1) : NULL;
}
