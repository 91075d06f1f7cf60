/*
 * Which function a report is about, by its text alone: a recipe of the report's
 * kind says where to look, and the functions on the way that only carry out
 * what others ask for (memcpy, kfree, mutex_lock; helpers.c) are passed over.
 *
 * A recipe is a row of steps, each of which goes on in the report's lines from
 * where the one before ended; after '|' comes what to try if nothing was found:
 *
 *   H  the function that the header names ("... in f+0x1/0x2"); h: the one of a warning ("at FILE:LINE f+0x1/0x2"),
 *      unless the step before found nothing
 *   R  the next line with a program counter; r: whatever function it is
 *   E  the frame that the handlers of an exception interrupted, where the line of its program counter was lost
 *   l  the function that the register of return addresses names, if nothing was found yet and that is the caller's
 *   C  the next "Call Trace:" or "Backtrace:", else "stack backtrace:"; c: else from here (arm prints frames at once)
 *   B  the next "backtrace:" of kmemleak
 *   S  the frames from here to the next trace; always the last step
 *   A  the next line with "at: f+0x1/0x2" (lockdep); a: whatever function it is
 *   P  the next line with "[<address>] f+0x1/0x2"; p: whatever function it is
 *   X  the line that the form's `later` matches
 *   K  the next line with "caller is f+0x1/0x2"
 *   L  "page last allocated"     W  "which became ... at:"
 *   I  the timer's interrupt     J  the same on any architecture
 *
 * Of a waiting task the innermost function is an accident: for hung tasks it is
 * the first that neither waits nor locks. For stalls it is where the CPU was,
 * but in reports of syzkaller's own machines what the kernel's dispatching code
 * called, so that titles are those of its dashboard.
 */
#include <string.h>

#include "diag/oops/oops_int.h"

#define NAMES_MAX 256

/* How the entry of a system call is called on some architecture or other. */
static const char *const entry_prefixes[] = {"SYSC_",     "SyS_",      "sys_",         "__x64_",      "__ia32_",
                                             "__arm64_",  "____sys_",  "___sys_",      "__sys_",      "__se_",
                                             "__se_sys_", "__do_sys_", "compat_SYSC_", "compat_SyS_", "ksys_"};

struct search {
    struct oops_report *report;
    const struct oops_form *form;
    unsigned at; /* the next line */
    struct oops_span names[NAMES_MAX];
    unsigned count;
    struct oops_span inner; /* the innermost of the helpers passed over before the first name */
    struct oops_span outer; /* the last helper passed over */
    bool spoiled;           /* another stack was mixed in */
    bool headed;            /* a trace's heading was the last thing found */
    bool has_pc;            /* names[0] is the program counter's */
};

static void keep_any(struct search *search, const char *s) {
    if (search->count < NAMES_MAX)
        search->names[search->count++] = (struct oops_span){s, oops_plain_length(s)};
}

static void keep(struct search *search, const char *s) {
    struct oops_span name = {s, oops_plain_length(s)};
    bool padding = oops_starts(s, "__pfx_"); /* before a function: nothing runs there */
    if (!name.len || padding || search->count == NAMES_MAX || oops_is_reporter(name))
        return;
    if (!oops_is_helper(name) && !oops_span_in_list(name, search->form->recipe.skip)) {
        search->names[search->count++] = name;
        return;
    }
    search->outer = name;
    if (!search->count && !search->inner.len)
        search->inner = name;
}

/* ---- Steps ---- */

static const char *line_at(const struct search *search, unsigned i) {
    return search->report->lines[i].text;
}

/* The next line with one of the alternatives, all of which have `common` in them. */
static bool find_words(struct search *search, const char *alternatives, const char *common) {
    char piece[64];
    while (search->at < search->report->line_count) {
        const char *text = line_at(search, search->at++);
        if (!strstr(text, common))
            continue;
        for (const char *p = alternatives; *p;) {
            size_t n = strcspn(p, "|");
            memcpy(piece, p, n < sizeof(piece) ? n : 0);
            piece[n < sizeof(piece) ? n : 0] = '\0';
            if (piece[0] && oops_match(piece, text, NULL))
                return true;
            p += n + (p[n] == '|');
        }
    }
    return false;
}

static void find_pc(struct search *search, bool any) {
    struct oops_symbol sym;
    while (search->at < search->report->line_count) {
        if (!oops_pc_line(search->report->pool, line_at(search, search->at++), &sym) || (any && !sym.name[0]))
            continue;
        if (any)
            keep_any(search, sym.name);
        else
            keep(search, sym.name);
        search->has_pc |= search->count == 1;
        return;
    }
}

/*
 * What was to be executed cannot be: nothing of the function that the program counter names ran. The beginning of a
 * module's function is one all the same; names that the kernel itself has for such places are those of data, mostly.
 */
static bool jumped_astray(const struct oops_report *report, const struct oops_state *fault) {
    const struct oops_symbol *pc = &fault->pc;
    if (!pc->name[0])
        return true;
    bool fetch = report->has_fault_address && pc->has_address && pc->address && report->fault_address == pc->address;
    return fetch && !(pc->module[0] && !pc->off);
}

/* powerpc's first frame is that of the caller, or stale. */
static const char *unreliable_caller(const struct oops_report *report) {
    const struct oops_trace *trace = oops_report_trace(report);
    bool powerpc = report->arch == OOPS_ARCH_PPC64 || report->arch == OOPS_ARCH_PPC;
    if (!powerpc || !trace || !trace->count || !trace->frames[0].guess || !trace->frames[0].sym.off)
        return "";
    return trace->frames[0].sym.name;
}

/*
 * A register of return addresses that names another function than the program counter's was not changed since the
 * call: it is the caller's, who has no frame of his own in the trace if the function called has none.
 */
static void take_link(struct search *search) {
    const struct oops_state *fault = oops_report_fault(search->report);
    if (!fault)
        return;
    bool astray = jumped_astray(search->report, fault);
    const struct oops_symbol *lr = &fault->lr;
    size_t n = oops_plain_length(lr->name);
    bool same = n == oops_plain_length(fault->pc.name) && !memcmp(lr->name, fault->pc.name, n);
    bool caller = lr->name[0] && (!lr->has_off || lr->off) && !same;
    bool kept = search->report->arch != OOPS_ARCH_ARM; /* whose functions return without it */
    if (!astray && (!kept || strstr(fault->pc.name, "hwasan_check")))
        return;
    if (astray && caller)
        search->count = 0;
    else if (!astray && !search->count) /* told behind an address alone */
        keep(search, fault->pc.name);
    if (search->count)
        return;
    if (caller)
        keep(search, lr->name);
    else if (astray)
        keep(search, unreliable_caller(search->report));
}

/* Even a guess: the address was in the registers that the handler saved. Leftovers have no handlers above them. */
static void find_interrupted(struct search *search) {
    struct oops_frame_line line;
    enum { NOTHING, HANDLER, EXCEPTION } above = NOTHING;
    while (search->at < search->report->line_count) {
        const char *text = line_at(search, search->at++);
        if (!oops_frame_line(search->report->pool, text, &line) || !line.has_frame)
            continue;
        const char *name = line.frame.sym.name;
        if (above >= HANDLER && oops_in_list(name, oops_exceptions)) {
            above = EXCEPTION;
        } else if (oops_only_reports(name)) {
            above = HANDLER;
        } else if (above == EXCEPTION) {
            keep(search, name);
            return;
        } else {
            above = NOTHING;
        }
    }
}

/* "... in f+0x1/0x2", "... in f / g", "corrupted in: f+0x1" */
static void take_header(struct search *search) {
    const char *text = search->report->header, *in = oops_after(text, " in ");
    struct oops_symbol sym;
    if (!in)
        in = oops_after(text, " in: ");
    search->at = 1;
    if (!in)
        return;
    if (oops_symbol(search->report->pool, &in, &sym)) {
        keep(search, sym.name);
        return;
    }
    size_t n = 0;
    while (oops_is_word(in[n]))
        n++;
    keep(search, oops_pool_strn(search->report->pool, in, n));
}

/* "WARNING: ... at FILE:LINE f+0x1/0x2", "... FILE:LINE at f+0x1/0x2, CPU#0" */
static void take_warned(struct search *search) {
    struct oops_symbol sym;
    for (const char *at = oops_after(search->report->header, " at "); at; at = strchr(at, ' ')) {
        const char *p = at = oops_blanks(at);
        if (oops_symbol(search->report->pool, &p, &sym) && sym.name[0]) {
            keep(search, sym.name);
            return;
        }
    }
}

/* The symbol behind `words` of the next line that has both. */
static void find_symbol(struct search *search, const char *words, bool any) {
    struct oops_symbol sym;
    while (search->at < search->report->line_count) {
        const char *text = line_at(search, search->at++);
        const char *at = *words == '[' ? strchr(text, '[') : oops_after(text, words);
        for (; at; at = *words == '[' ? strchr(at + 1, '[') : NULL) {
            const char *p = at;
            if (!oops_symbol(search->report->pool, &p, &sym) || !sym.name[0])
                continue;
            if (any)
                keep_any(search, sym.name);
            else
                keep(search, sym.name);
            return;
        }
    }
}

static bool stack_starts(const char *text) {
    static const char *const starts[] = {"Call Trace", "Call trace",    "Allocated:", "Allocated by task",
                                         "Freed:",     "Freed by task", "Backtrace:", "Uninit was stored to memory at"};
    for (unsigned i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (strstr(text, starts[i]))
            return true;
    if (oops_starts(text, "backtrace:") || oops_starts(text, "backtrace (crc") || oops_starts(text, "Trace:") ||
        oops_starts(text, "Stack Trace:"))
        return true;
    return oops_match("status: * badaddr: * cause: ", text, NULL);
}

/* A return address at a function's very beginning: it is of the function before, which called one that never returns.
 */
static bool behind_noreturn(const struct oops_frame *frame) {
    const struct oops_symbol *sym = &frame->sym;
    return sym->has_off && !sym->off && frame->kind == OOPS_FRAME_RETURN && !frame->inner[0] &&
           !oops_in_list(sym->name, oops_dispatchers);
}

static void take_frames(struct search *search) {
    struct oops_frame_line line;
    unsigned frames = 0;
    while (search->at < search->report->line_count) {
        const char *text = line_at(search, search->at++);
        if (stack_starts(text)) {
            if (frames || !search->headed)
                return;
            text = oops_frame_behind_heading(text);
            if (!text)
                continue;
        }
        bool decided = search->count && search->form->recipe.pick == OOPS_PICK_FIRST;
        if (decided && !strstr(text, "should_fail")) {
            frames += strstr(text, "+0x") != NULL;
            continue;
        }
        if (!oops_frame_line(search->report->pool, text, &line) || !line.has_frame || line.frame.guess)
            continue;
        frames++;
        if (oops_starts(line.frame.sym.name, "should_fail")) { /* an injected fault's own stack */
            search->spoiled = true;
            return;
        }
        keep(search, line.frame.inner);
        if (!behind_noreturn(&line.frame))
            keep(search, line.frame.sym.name);
    }
}

/* "stack backtrace:" alone only where no other words introduce the trace. */
static void find_trace(struct search *search, bool or_here) {
    unsigned from = search->at;
    search->headed = find_words(search, "Trace:|Call trace:|Backtrace:", "race:");
    if (search->headed) {
        search->at -= oops_frame_behind_heading(line_at(search, search->at - 1)) != NULL;
        return;
    }
    search->at = from;
    search->headed = find_words(search, "stack backtrace:", "race:");
    if (!search->headed && or_here)
        search->at = from;
}

static void take_step(struct search *search, char step) {
    switch (step) {
    case 'H':
        take_header(search);
        break;
    case 'h':
        if (search->at < search->report->line_count)
            take_warned(search);
        break;
    case 'R':
    case 'r':
        find_pc(search, step == 'r');
        break;
    case 'E':
        find_interrupted(search);
        break;
    case 'l':
        take_link(search);
        break;
    case 'C':
    case 'c':
        find_trace(search, step == 'c');
        break;
    case 'B':
        find_words(search, "backtrace:|backtrace (crc", "");
        break;
    case 'S':
        take_frames(search);
        break;
    case 'A':
    case 'a':
        find_symbol(search, "at: ", step == 'a');
        break;
    case 'K':
        find_symbol(search, "caller is ", false);
        break;
    case 'P':
    case 'p':
        find_symbol(search, "[", step == 'p');
        break;
    case 'X':
        find_words(search, search->form->later ? search->form->later : "", "");
        break;
    case 'L':
        find_words(search, "page last allocated", "");
        break;
    case 'W':
        find_words(search, "which became * at:", "");
        break;
    case 'I':
        find_words(search, "apic_timer_interrupt", "");
        break;
    case 'J':
        find_words(search, "apic_timer_interrupt|Exception stack|el1h_64_irq|el1_irq", "");
        break;
    }
}

/* ---- Choosing among what was found ---- */

static struct oops_span without_entry_prefix(struct oops_span name) {
    struct oops_span best = name;
    for (unsigned i = 0; i < sizeof(entry_prefixes) / sizeof(entry_prefixes[0]); i++) {
        size_t n = strlen(entry_prefixes[i]);
        if (n < name.len && !memcmp(name.s, entry_prefixes[i], n) && name.len - n < best.len)
            best = (struct oops_span){name.s + n, name.len - n};
    }
    return best;
}

/* Whether it is of a machine of syzkaller's, whose dashboard groups stalls by what the kernel dispatched. */
static bool of_syzkaller(const struct oops_report *report) {
    for (unsigned i = 0; i < report->line_count; i++)
        if (strstr(report->lines[i].text, "syz") || strstr(report->lines[i].text, "Google Google"))
            return true;
    return false;
}

static struct oops_span pick_dispatched(const struct search *search) {
    struct oops_span before = without_entry_prefix(search->names[0]);
    for (unsigned i = 0; i < search->count; i++) {
        struct oops_span name = without_entry_prefix(search->names[i]);
        if (oops_span_in_list(name, oops_dispatchers)) {
            bool calls = memmem(name.s, name.len, "smp_call_function", 17) != NULL;
            return calls ? (struct oops_span){"smp_call_function", 17} : before;
        }
        before = name;
    }
    return (struct oops_span){"", 0};
}

/* Where the CPU was when it was interrupted. */
static struct oops_span pick_stall(const struct search *search) {
    if (search->form->kind == OOPS_PANIC || of_syzkaller(search->report))
        return pick_dispatched(search);
    for (unsigned i = 0; i < search->count; i++)
        if (!oops_span_in_list(search->names[i], oops_interrupts) &&
            !oops_span_in_list(search->names[i], oops_beginnings))
            return without_entry_prefix(search->names[i]);
    return search->inner;
}

static struct oops_span pick_hang(const struct search *search) {
    static const char *const grace[] = {"synchronize_rcu", "synchronize_srcu", "synchronize_net", "synchronize_sched",
                                        NULL};
    static const char *const rtnl[] = {"rtnl_lock", NULL};
    static const char *const switching[] = {"sched", "context_switch", "__switch_to", NULL};
    for (unsigned i = 0; i < search->count; i++) {
        struct oops_span name = without_entry_prefix(search->names[i]);
        if (oops_span_in_list(name, rtnl))
            return name;
        if (oops_span_in_list(name, grace))
            return (struct oops_span){"synchronize_rcu", 15};
    }
    struct oops_span last = search->outer;
    for (unsigned i = 0; i < search->count; i++) {
        struct oops_span name = without_entry_prefix(search->names[i]);
        if (oops_span_in_list(name, oops_beginnings))
            break;
        if (!oops_span_in_list(name, oops_waiting))
            return name;
        if (!oops_span_in_list(name, switching))
            last = name;
    }
    return last;
}

/* What only helpers lead to from where every path begins: the innermost says most. */
static struct oops_span pick_first(const struct search *search) {
    enum oops_kind kind = search->form->kind;
    bool failed_there = kind <= OOPS_WARNING || kind == OOPS_LOCKDEP;
    if (failed_there && search->inner.len && oops_span_in_list(search->names[0], oops_beginnings))
        return search->inner;
    return without_entry_prefix(search->names[0]);
}

static struct oops_span pick(const struct search *search) {
    if (!search->count)
        return (struct oops_span){"", 0};
    switch (search->form->recipe.pick) {
    case OOPS_PICK_PC:
        return search->has_pc ? without_entry_prefix(search->names[0]) : pick_stall(search);
    case OOPS_PICK_STALL:
        return pick_stall(search);
    case OOPS_PICK_HANG:
        return pick_hang(search);
    default:
        return pick_first(search);
    }
}

const char *oops_blame(struct oops_report *report, const struct oops_form *form) {
    struct search search = {.report = report, .form = form, .inner = {"", 0}, .outer = {"", 0}};
    struct oops_span found = {"", 0};
    for (const char *step = form->recipe.steps; step && *step; step++) {
        if (*step != '|') {
            take_step(&search, *step);
            continue;
        }
        found = pick(&search);
        if (found.len && !search.spoiled)
            break;
        search.at = search.count = 0;
        search.inner = search.outer = (struct oops_span){"", 0};
        search.spoiled = search.headed = search.has_pc = false;
    }
    struct oops_span last = pick(&search);
    if (last.len)
        found = last;
    return oops_pool_strn(report->pool, found.s, found.len);
}
