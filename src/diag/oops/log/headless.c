/*
 * Traces that no header of a report came before: because what the kernel printed is none of the known ones
 * (dump_stack() behind a driver's message), or because whoever pasted it left the header out.
 *
 * The trace is found by the words that introduce it. What the same printer printed just before is looked through
 * backwards: lines that only reports have belong to it, and the nearest line with known words, else the line before
 * them, is its header. What kind it is then follows from the header, from functions that only one kind of report runs
 * through, or from the registers, in this order.
 */
#include <ctype.h>
#include <string.h>

#include "diag/oops/log/reader_int.h"
#include "diag/oops/report/kinds.h"

#define BETWEEN_LINES 3      /* unknown ones between a message and its trace: a mail program may have wrapped it */
#define SAME_TIME_US  300000 /* a message and its trace: a serial console takes its time */

static bool starts_with_any(const char *text, const char *const *words) {
    for (; *words; words++)
        if (oops_starts(text, *words))
            return true;
    return false;
}

/* Behind arm's "[<c010e4b8>] ". */
static const char *behind_address(const char *text) {
    text = oops_blanks(text);
    const char *close = text[0] == '[' && text[1] == '<' ? strchr(text, ']') : NULL;
    return close ? oops_blanks(close + 1) : text;
}

bool oops_headless_trace(const char *text) {
    static const char *const begins[] = {
        "Call Trace:", "Call trace:", "Stack Trace:", "(unwind_backtrace)", "unwind_backtrace", NULL};
    return starts_with_any(behind_address(text), begins);
}

/* A program counter with a symbol, so that it is the kernel's. */
static bool is_kernel_pc(const char *text) {
    static const char *const begins[] = {"RIP: ",    "RIP  [", "EIP: ",  "EIP is at ", "PC is at ",
                                         "pc is at", "pc : ",  "epc : ", "NIP [",      NULL};
    text = oops_blanks(text);
    if (!starts_with_any(text, begins) || oops_starts(text, "RIP: 0033:") || oops_starts(text, "RIP: 0023:"))
        return false;
    const char *offset = strstr(text, "+0x");
    return (offset && strstr(offset, "/0x")) || strstr(text, ".c:") || strstr(text, ".h:");
}

bool oops_headless_begins(const char *text) {
    return oops_headless_trace(text) || is_kernel_pc(text);
}

bool oops_headless_frame(const char *text) {
    static const char *const names[] = {
        "dump_stack+0x",           "dump_stack_lvl+0x",    "__dump_stack+0x", "__schedule_bug+0x", "show_stack+0x",
        "warn_slowpath_common+0x", "warn_slowpath_fmt+0x", "(dump_backtrace", "(show_stack",       NULL};
    return starts_with_any(behind_address(text), names);
}

const struct oops_form *oops_message_form(const char *text, struct oops_span captures[OOPS_CAPTURES]) {
    for (const struct oops_form *form = oops_forms_messages; form->match; form++)
        if (oops_match(form->match, text, captures))
            return form;
    return NULL;
}

/* ---- The lines before a trace ---- */

static bool names_task(const char *text) {
    return (oops_starts(text, "CPU: ") && strstr(text, "Comm: ")) || oops_starts(text, "Pid: ");
}

static const struct oops_log_line *nth_before(const struct oops_reader *reader, unsigned back) {
    unsigned known = reader->recent_count < RECENT_MAX ? reader->recent_count : RECENT_MAX;
    return back < known ? &reader->recent[(reader->recent_count - 1 - back) % RECENT_MAX].line : NULL;
}

/* Looked for once a line: many traces may stand behind it. */
static const struct oops_form *nth_form(struct oops_reader *reader, unsigned back) {
    struct recent *recent = &reader->recent[(reader->recent_count - 1 - back) % RECENT_MAX];
    if (!recent->looked)
        recent->form = names_task(recent->line.text) ? NULL : oops_message_form(recent->line.text, NULL);
    recent->looked = true;
    return recent->form;
}

static bool same_printer(const struct oops_log_line *a, const struct oops_log_line *b) {
    return a->caller == b->caller && a->caller_id == b->caller_id && a->kernel == b->kernel;
}

static bool same_moment(const struct oops_log_line *a, const struct oops_log_line *b) {
    return !a->has_time || !b->has_time || (b->time_us - a->time_us < SAME_TIME_US && a->time_us <= b->time_us);
}

static bool is_hex_dump(const char *text) {
    size_t n = strspn(text, "0123456789abcdef");
    return n >= 8 && text[n] == ':';
}

/*
 * "task:x state:D stack: 0 pid: ..." of sched_show_task(), before 5.11 "x  D  0  123  2 0x80000000", before 3.9 with
 * an address and words between.
 */
bool oops_task_line(const char *text) {
    size_t len = strlen(text), name = strcspn(text, " \t");
    const char *state = oops_blanks(text + name);
    if (oops_starts(text, "task:"))
        return strstr(text, "state:") != NULL;
    unsigned numbers = 0;
    if (!name || !*state || !strchr("RSDTtXZIWP", *state) || (state[1] != ' ' && state[1] != '\t'))
        return false;
    for (const char *s = oops_blanks(state + 1); *s; s = oops_blanks(s + strcspn(s, " \t")))
        numbers += isdigit((unsigned char)*s) != 0;
    return numbers >= 3 && len < 120;
}

/* Lines that say nothing by themselves, between a message and the trace. */
static bool is_filling(const char *text) {
    static const char *const words[] = {"handlers:",
                                        "Showing stack for process",
                                        "SPL: Showing stack",
                                        "=====",
                                        "-----",
                                        "current handler",
                                        "Mem-Info",
                                        "nodemask=",
                                        "cpuset=",
                                        "LE PAGE_SIZE=",
                                        "BE PAGE_SIZE=",
                                        NULL};
    if (!*oops_blanks(text))
        return true;
    if (starts_with_any(text, words))
        return true;
    return oops_body_line(text) || oops_task_line(text) || is_hex_dump(text);
}

struct oops_look oops_look_back(struct oops_reader *reader, const struct oops_log_line *line) {
    struct oops_look look = {.lines = 0};
    bool told_again = oops_starts(line->text, "RIP"); /* x86 does so behind the end of a report */
    unsigned others = 0;                              /* lines between that are neither */
    const struct oops_log_line *before;
    for (unsigned back = 0; (before = nth_before(reader, back)) != NULL; back++) {
        const struct oops_form *form = nth_form(reader, back);
        bool here = same_printer(before, line);
        if (!here && !(form && before->caller == line->caller))
            continue;
        bool end = strstr(before->text, "---[ end ") && !told_again;
        look.headed |= here && oops_headless_trace(before->text);
        if (!same_moment(before, line) || end || look.headed)
            break;
        look.injected |= strstr(before->text, "FAULT_INJECTION: ") != NULL;
        if (form && others <= (form->flags & OOPS_FORM_ADJACENT ? 0 : BETWEEN_LINES)) {
            look.lines = back + 1;
            look.known = true;
            break;
        }
        bool filling = is_filling(before->text), blank = !*oops_blanks(before->text);
        look.task |= !others && names_task(before->text);
        bool said = !filling && before->kernel && look.task;
        if (!others && !blank && (filling || said))
            look.lines = back + 1;
        others += !filling;
    }
    return look;
}

const struct oops_log_line *oops_look_line(const struct oops_reader *reader, const struct oops_log_line *line,
                                           unsigned back, bool header) {
    const struct oops_log_line *before = nth_before(reader, back);
    return before && (header || same_printer(before, line)) ? before : NULL;
}

/* ---- Of which kind ---- */

static bool in_alternatives(const char *name, const char *alternatives) {
    size_t len = oops_plain_length(name);
    for (const char *p = alternatives; *p;) {
        size_t n = strcspn(p, "|");
        if (n == len && !memcmp(p, name, n))
            return true;
        p += n + (p[n] == '|');
    }
    return false;
}

static bool runs_through(const struct oops_report *report, const char *functions) {
    const struct oops_trace *trace = oops_report_trace(report);
    const struct oops_state *fault = oops_report_fault(report);
    if (fault && in_alternatives(fault->pc.name, functions))
        return true;
    for (unsigned i = 0; trace && i < trace->count; i++)
        if (in_alternatives(trace->frames[i].sym.name, functions) ||
            (trace->frames[i].inner[0] && in_alternatives(trace->frames[i].inner, functions)))
            return true;
    return false;
}

static bool interrupted(const struct oops_report *report) {
    return report->state_count && report->states[0].role == OOPS_STATE_INTERRUPTED;
}

static bool is_small(uint64_t address) {
    return address < 4096;
}

/* "CR2: ADDRESS" alone: x86 prints it behind the trace of a page fault, and only there. */
static bool told_address(const struct oops_report *report, uint64_t *address) {
    for (unsigned i = 0; i < report->line_count; i++) {
        const char *s = report->lines[i].text;
        if (oops_starts(s, "CR2: ") && (s += 5, oops_hex(&s, address)) && !*oops_blanks(s))
            return true;
    }
    return false;
}

static bool has_line(const struct oops_report *report, const char *words) {
    for (unsigned i = 0; i < report->line_count; i++)
        if (oops_starts(report->lines[i].text, words))
            return true;
    return false;
}

/* tdi and twi, td and tw */
static bool is_powerpc_trap(uint32_t word) {
    unsigned opcode = word >> 26, extended = word >> 1 & 0x3ff;
    return opcode == 2 || opcode == 3 || (opcode == 31 && (extended == 68 || extended == 4));
}

/* Whether the instruction at which powerpc stopped was no trap, as far as it is told. */
static bool stopped_by_no_trap(const struct oops_report *report) {
    uint64_t word;
    for (unsigned i = 0; i < report->line_count; i++) {
        const char *s = oops_after(report->lines[i].text, "<");
        bool whole = s && strspn(s, "0123456789abcdef") == 8 && s[8] == '>' && oops_hex(&s, &word);
        if (whole && !is_powerpc_trap((uint32_t)word))
            return true;
    }
    return false;
}

/* powerpc's program check: a dying kernel says first how it was built, a warning one does not. */
static const struct oops_form *by_program_check(const struct oops_report *report) {
    if (stopped_by_no_trap(report))
        return NULL;
    return has_line(report, "LE PAGE_SIZE=") || has_line(report, "BE PAGE_SIZE=") ? &oops_form_bug
                                                                                  : &oops_form_warned_at;
}

/* powerpc's number of the exception: of a data or an instruction access, whose address is told; of a program check. */
static const struct oops_form *by_vector(const struct oops_report *report) {
    uint64_t vector = 0, address = UINT64_MAX;
    for (unsigned i = 0; i < report->line_count; i++) {
        const char *trap = oops_after(report->lines[i].text, " TRAP: "),
                   *dar = oops_after(report->lines[i].text, "DAR: ");
        if (trap && !vector && oops_hex(&trap, &vector))
            vector &= ~UINT64_C(0xf); /* flags, in older kernels */
        if (dar && address == UINT64_MAX)
            oops_hex(&dar, &address);
    }
    if (vector == 0x700)
        return by_program_check(report);
    if (vector == 0x300 || vector == 0x380)
        return is_small(address) ? &oops_form_null : &oops_form_fault;
    return vector == 0x400 || vector == 0x480 ? &oops_form_fault : NULL;
}

/* Of a trap that left registers: what the instruction was, and the address of the last page fault. */
static const struct oops_form *by_registers(const struct oops_report *report) {
    const struct oops_state *fault = oops_report_fault(report);
    uint64_t address;
    if (told_address(report, &address))
        return is_small(address) ? &oops_form_null : &oops_form_fault;
    if (!fault && report->state_count && report->states[0].role == OOPS_STATE_OTHER_CPU && report->states[0].reg_count)
        fault = &report->states[0]; /* the program counter was cut off */
    if (!fault)
        return NULL;
    const struct oops_form *form = by_vector(report);
    if (form)
        return form;
    int trap = fault->code_trap;
    if (trap >= 0 && trap + 1 < (int)fault->code_len && fault->code[trap] == 0x0f && fault->code[trap + 1] == 0x0b)
        return &oops_form_bug;
    const struct oops_reg *cr2 = oops_state_reg(fault, "cr2");
    if (cr2 && is_small(cr2->value))
        return &oops_form_null;
    if (cr2 && cr2->value >> 63)
        return &oops_form_fault;
    return fault->has_pc ? &oops_form_trap : NULL; /* dump_stack() shows no registers */
}

/* A trace of a task that sleeps: what is known of its state ("state:D") says whether that is bad. */
static const struct oops_form *of_sleeper(const struct oops_report *report) {
    static const char *const switching[] = {"^__schedule$", "^schedule$", "^__switch_to$", "^context_switch$", NULL};
    const struct oops_trace *trace = oops_report_trace(report);
    for (unsigned i = 0; i < report->line_count && i < 4; i++) {
        const char *text = report->lines[i].text, *state = oops_after(text, "state:");
        if (oops_task_line(text))
            return *(state ? state : oops_blanks(text + strcspn(text, " \t"))) == 'D' ? &oops_form_waiting
                                                                                      : &oops_form_asleep;
    }
    for (unsigned i = 0; trace && i < trace->count; i++)
        if (!trace->frames[i].guess)
            return oops_in_list(trace->frames[i].sym.name, switching) ? &oops_form_waiting : NULL;
    return NULL;
}

/* WARN() prints "end trace" and, but for x86 and powerpc (a trap), no code; dump_stack() prints neither, a dying task
 * both. */
static bool warned(const struct oops_report *report) {
    bool ended = false;
    for (unsigned i = 0; i < report->line_count; i++) {
        if (ended && oops_starts(report->lines[i].text, "RIP")) /* told again: the task died */
            return false;
        ended |= oops_starts(report->lines[i].text, "---[ end trace");
    }
    return ended && !(has_line(report, "Instruction dump:") && stopped_by_no_trap(report)) &&
           (!has_line(report, "Code: ") || interrupted(report));
}

/* Nothing in it tells the kind: what was printed around it may. */
static const struct oops_form *by_surroundings(const struct oops_report *report, const struct oops_form *form,
                                               struct oops_span captures[OOPS_CAPTURES]) {
    bool stopped = form == &oops_form_trap;
    bool set = strstr(report->panic, "panic_on_warn") != NULL;
    if (stopped && strstr(report->panic, "BRK handler")) /* arm64's BUG() */
        return &oops_form_bug;
    if (stopped && strstr(report->panic, "external abort"))
        return &oops_form_aborted;
    if (report->panic[0] && !set) {
        captures[0] = (struct oops_span){report->panic, strlen(report->panic)};
        return stopped ? &oops_form_panicked_at : &oops_form_panicked;
    }
    if (set || warned(report))
        return stopped ? &oops_form_warned_at : &oops_form_warned;
    return form;
}

/* lockdep's functions are in many traces, but only it dumps the stack from them. */
static bool dumped_by_lockdep(const struct oops_report *report) {
    static const char *const own[] = {"^mark_lock", "^mark_held_locks", "^validate_chain", "^check_prev_add", NULL};
    const struct oops_trace *trace = oops_report_trace(report);
    for (unsigned i = 0; trace && i + 1 < trace->count; i++) {
        const struct oops_frame *next = &trace->frames[i + 1];
        if (oops_starts(trace->frames[i].sym.name, "dump_stack"))
            return !next->guess && oops_in_list(next->sym.name, own);
    }
    return false;
}

static const struct oops_form *by_contents(const struct oops_report *report) {
    const struct oops_form *form;
    for (const struct oops_witness *w = oops_witnesses; w->functions; w++) {
        uint64_t address;
        if (!runs_through(report, w->functions))
            continue;
        const struct oops_state *fault = oops_report_fault(report);
        const struct oops_reg *cr2 = fault ? oops_state_reg(fault, "cr2") : NULL;
        bool small = told_address(report, &address) ? is_small(address) : cr2 && is_small(cr2->value);
        return small && w->form.kind == OOPS_PAGE_FAULT ? &oops_form_null : &w->form;
    }
    if (dumped_by_lockdep(report))
        return &oops_form_locking;
    if ((form = by_registers(report)) != NULL)
        return form;
    if ((form = of_sleeper(report)) != NULL)
        return form;
    return oops_body_line(report->header) || oops_headless_begins(report->header) ? &oops_form_dump : &oops_form_said;
}

const struct oops_form *oops_headless_form(const struct oops_report *report, struct oops_span captures[OOPS_CAPTURES]) {
    const struct oops_form *form = oops_message_form(report->header, captures);
    if (form)
        return form;
    form = by_contents(report);
    bool told =
        form != &oops_form_dump && form != &oops_form_said && form != &oops_form_asleep && form != &oops_form_trap;
    return told ? form : by_surroundings(report, form, captures);
}

bool oops_headless_tells(const struct oops_report *report) {
    const struct oops_trace *trace = oops_report_trace(report);
    const struct oops_state *fault = oops_report_fault(report);
    unsigned frames = 0, sure = 0;
    for (unsigned i = 0; trace && i < trace->count; i++) {
        const char *name = trace->frames[i].sym.name;
        if (oops_starts(name, "should_fail") || oops_starts(name, "fail_dump")) /* somebody injects faults */
            return false;
        sure += !trace->frames[i].guess;
        frames += trace->frames[i].sym.has_size || trace->frames[i].sym.has_address || trace->frames[i].source[0] ||
                  trace->frames[i].inner[0];
    }
    if (!frames && report->taint_known && oops_message_form(report->header, NULL)) /* cut off behind its heading */
        return true;
    uint64_t address;
    return (frames > 1 && (sure > 1 || report->taint_known)) ||
           (fault && fault->pc.name[0] && (fault->reg_count > 3 || fault->code_len || told_address(report, &address)));
}
