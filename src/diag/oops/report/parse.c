/*
 * The lines of one report into a struct oops_report: each line goes to the
 * first reader that knows it, and what they find depends on where in the report
 * it stands (the registers in the middle of a trace are of the code that was
 * interrupted, those behind "end trace" may be of an older report).
 *
 * Faithful: the first program counter and registers of a report are its own;
 * kernels from 4.x on print those of the first oops since boot once more at the
 * end (show_regs() of exec_summary_regs).
 */
#include <ctype.h>
#include <string.h>

#include "diag/oops/oops_int.h"

/* Where in a report the next line stands. */
struct place {
    struct oops_report *r;
    struct oops_state *state; /* that registers go to, or NULL */
    struct oops_trace *trace; /* that frames go to, or NULL */
    enum oops_trace_kind next_kind;
    const char *next_title;
    enum oops_stack stack;
    enum oops_arch guess; /* by register names */
    bool in_stack_dump;   /* "Stack:" of older kernels: hexadecimal words */
    bool in_modules;      /* the list goes on in the next line */
    bool in_instructions; /* powerpc's "Instruction dump:" */
    bool after_end;       /* behind "end trace" */
    bool other_cpu;       /* in an NMI backtrace or another task's */
    uint64_t line;
};

struct oops_report *oops_report_new(const struct oops_log_line *line) {
    struct oops_pool *pool = oops_pool_new();
    struct oops_report *r = pool ? oops_pool_alloc(pool, sizeof(*r)) : NULL;
    if (!r) {
        oops_pool_free(pool);
        return NULL;
    }
    r->pool = pool;
    r->title = r->function = r->message = r->source = r->reason = r->corrupted = r->comm = r->hardware = "";
    r->workqueue = r->taint = r->release = r->version = r->build_id = r->banner = r->flags = r->last_unloaded = "";
    r->panic = r->follows_why = "";
    r->wall_time = oops_pool_str(pool, line->wall);
    r->header = oops_pool_str(pool, line->text);
    r->cpu = r->pid = r->uid = -1;
    r->fault_state = r->main_trace = -1;
    r->has_time = line->has_time;
    r->time_us = line->time_us;
    r->first_line = line->number;
    r->caller = line->caller;
    r->caller_id = line->caller_id;
    oops_report_add(r, line);
    return r;
}

/* riscv up to 5.6 named its registers "sepc", "sstatus", "sbadaddr", "scause". */
static const char *newer_names(struct oops_pool *pool, const char *text) {
    char line[512];
    size_t n = 0;
    if (!oops_starts(text, "sepc") && !oops_starts(text, "sstatus: "))
        return oops_pool_str(pool, text);
    for (const char *s = text; *s && n < sizeof(line) - 1; s++) {
        bool word = s == text || s[-1] == ' ';
        if (word && (oops_starts(s, "sepc") || oops_starts(s, "sstatus") || oops_starts(s, "sbadaddr") ||
                     oops_starts(s, "scause")))
            continue;
        if (*s == ':' && n >= 3 && s - text <= 4) /* "sepc:" is "epc :" */
            line[n++] = ' ';
        line[n++] = *s;
    }
    return oops_pool_strn(pool, line, n);
}

void oops_report_add(struct oops_report *r, const struct oops_log_line *line) {
    struct oops_text_line *kept = oops_pool_push(r->pool, &r->lines, &r->line_count, sizeof(*r->lines), OOPS_LINES_MAX);
    if (!kept) {
        r->lines_dropped++;
        return;
    }
    kept->number = line->number;
    kept->text = newer_names(r->pool, line->text);
    r->last_line = line->number;
}

/* ---- Program counters ---- */

static bool user_selector(unsigned cs) {
    return (cs & 3) == 3;
}

/* Without a selector: half of the addresses are of user space. */
static bool user_pc(const struct place *at, const struct oops_symbol *pc, unsigned cs) {
    if (cs)
        return user_selector(cs);
    if (pc->name[0] || !pc->has_address || pc->address == 0)
        return false;
    switch (at->r->arch != OOPS_ARCH_UNKNOWN ? at->r->arch : at->guess) {
    case OOPS_ARCH_ARM:
    case OOPS_ARCH_I386:
        return false; /* where the kernel begins is configurable, and user code is not shown so */
    default:
        return false;
    }
}

/* Registers below an interrupt's entry in a trace that no header came before: they are not what is reported. */
static bool below_interrupt(const struct place *at) {
    static const char *const entries[] = {"interrupt", "^asm_sysvec_", "^apic_timer", "^ret_from_intr",
                                          "^el1_irq",  "^el1h_64_irq", "^irq_svc",    NULL};
    const struct oops_trace *trace = at->trace;
    if (!at->r->headless || !trace || trace->count < 3) /* it has handlers before it */
        return false;
    const char *entry = trace->frames[trace->count - 1].sym.name;
    return oops_in_list(entry, entries);
}

static enum oops_state_role role_of(const struct place *at, const struct oops_symbol *pc, unsigned cs) {
    if (user_pc(at, pc, cs))
        return OOPS_STATE_USER;
    if (at->other_cpu && at->r->fault_state >= 0)
        return OOPS_STATE_OTHER_CPU;
    if (at->after_end && !(at->r->headless && at->r->fault_state < 0))
        return OOPS_STATE_FIRST_OOPS;
    return at->r->fault_state < 0 && !below_interrupt(at) ? OOPS_STATE_FAULT : OOPS_STATE_INTERRUPTED;
}

static struct oops_state *new_state(struct place *at) {
    struct oops_report *r = at->r;
    struct oops_state *state =
        oops_pool_push(r->pool, &r->states, &r->state_count, sizeof(*r->states), OOPS_STATES_MAX);
    if (!state)
        return NULL;
    oops_symbol_clear(&state->pc);
    oops_symbol_clear(&state->lr);
    state->code_trouble = "";
    state->code_trap = -1;
    state->line = at->line;
    state->role = OOPS_STATE_OTHER_CPU;
    return at->state = state;
}

/* Registers after which no second "pc" belongs to the same block. */
static bool state_full(const struct oops_state *state) {
    return state->has_pc && (state->reg_count > 2 || state->code_len);
}

static void set_role(struct place *at, struct oops_state *state, unsigned cs) {
    struct oops_report *r = at->r;
    state->role = role_of(at, &state->pc, cs);
    if (state->role == OOPS_STATE_FAULT)
        r->fault_state = (int)(state - r->states);
    /* The registers in a trace are those of its next frames. */
    if (at->trace && at->trace->count && state->role != OOPS_STATE_FIRST_OOPS)
        at->trace->frames[at->trace->count - 1].state = (int)(state - r->states);
}

/* What a further line of the same block adds to the program counter. */
static void refine_pc(struct oops_state *state, const struct oops_symbol *pc) {
    uint64_t address = state->pc.address;
    bool has = state->pc.has_address, better = !state->has_pc || (pc->name[0] && !state->pc.name[0]);
    if (better)
        state->pc = *pc;
    if (better ? !pc->has_address && has : pc->has_address && !has) {
        state->pc.address = better ? address : pc->address;
        state->pc.has_address = true;
    }
}

/* Of a block that has told its name and its address already: another's. */
static bool other_pc(const struct oops_state *state, const struct oops_symbol *pc) {
    const struct oops_symbol *known = &state->pc;
    if (!state->has_pc || !known->name[0] || !known->has_address)
        return false;
    return pc->name[0] ? strcmp(pc->name, known->name) != 0 : pc->address != known->address;
}

/* The address of the block, with a name to it: powerpc tells it behind the registers. */
static bool names_pc(const struct oops_state *state, const struct oops_symbol *pc) {
    return pc->name[0] && pc->has_address && state->pc.has_address && pc->address == state->pc.address;
}

/* An address that has no name is told once more there, too. */
static bool repeats_pc(const struct place *at, const struct oops_symbol *pc) {
    const struct oops_symbol *known = &at->state->pc;
    return !at->trace && at->state->has_pc && !pc->name[0] && !known->name[0] && pc->address == known->address;
}

/* The block of registers that a program counter begins or belongs to; NULL: there are too many. */
static struct oops_state *state_of_pc(struct place *at, const char *words, const struct oops_symbol *pc) {
    struct oops_state *fault = at->r->fault_state >= 0 ? &at->r->states[at->r->fault_state] : NULL;
    if (fault && at->state == NULL && !fault->reg_count && !at->trace)
        return at->state = fault;
    bool more = at->state && (!state_full(at->state) || names_pc(at->state, pc) || repeats_pc(at, pc)) &&
                !other_pc(at->state, pc);
    return more || (at->state && !strcmp(words, "EIP is at ")) ? at->state : new_state(at);
}

/* "RIP: 0010:f+0x1/0x2": a new block, or the end of the one before told once more. */
static bool pc_line(struct place *at, const char *text) {
    struct oops_pc pc;
    if (!oops_pc_of(at->r->pool, text, &pc))
        return false;
    const char *words = pc.words;
    bool short_form = !strcmp(words, "IP: ") && text[0] == 'I'; /* old x86, under the header, registers follow later */
    bool tail = !strcmp(words, "RIP  [") || (!strcmp(words, "RIP: ") && strstr(text, " RSP: "));
    struct oops_state *fault = at->r->fault_state >= 0 ? &at->r->states[at->r->fault_state] : NULL;
    if (tail && fault && fault->has_pc) {
        at->state = NULL;
        return true;
    }
    struct oops_state *state = state_of_pc(at, words, &pc.sym);
    if (!state)
        return true;
    refine_pc(state, &pc.sym);
    state->cs = pc.selector ? (uint16_t)pc.selector : state->cs;
    if (!state->has_pc) {
        state->has_pc = true;
        set_role(at, state, state->cs);
    }
    at->in_stack_dump = false;
    if (short_form)
        at->state = NULL;
    const char *flags = strstr(text, "EFLAGS:"), *lr = strstr(text, " lr : ");
    const char *rest = flags ? flags : lr;
    if (!rest && strncmp(words, "epc", 3) == 0)
        rest = strstr(text, " ra : ");
    if (rest)
        oops_regs_line(rest, state, &at->guess);
    return true;
}

/* "lr : f+0x1/0x2", "LR is at f+..", " ra : f+.." */
static bool lr_line(struct place *at, const char *text) {
    struct oops_symbol sym;
    if (!at->state || !oops_lr_of(at->r->pool, text, &sym))
        return false;
    if (!at->state->lr.name[0]) /* those of what was interrupted follow */
        at->state->lr = sym;
    return true;
}

/* ---- Traces ---- */

static struct oops_trace *open_trace(struct place *at, enum oops_trace_kind kind, const char *title) {
    struct oops_report *r = at->r;
    if (at->trace && !at->trace->count && at->trace->kind == kind) /* "stack backtrace:", then "Call Trace:" */
        return at->trace;
    struct oops_trace *trace =
        oops_pool_push(r->pool, &r->traces, &r->trace_count, sizeof(*r->traces), OOPS_TRACES_MAX);
    if (!trace)
        return at->trace = NULL;
    if (at->other_cpu && kind == OOPS_TRACE_MAIN && r->main_trace >= 0)
        kind = OOPS_TRACE_CPU;
    if (at->after_end && kind == OOPS_TRACE_MAIN && r->main_trace >= 0)
        kind = OOPS_TRACE_RELATED;
    trace->kind = kind;
    trace->title = oops_pool_str(r->pool, title);
    trace->line = at->line;
    at->stack = OOPS_STACK_NONE;
    return at->trace = trace;
}

static bool frame_line(struct place *at, const char *text);

static bool trace_line(struct place *at, const char *text) {
    enum oops_trace_kind kind;
    if (!oops_trace_start(text, &kind))
        return false;
    at->in_stack_dump = false;
    if (kind == OOPS_TRACE_CPU) { /* the trace itself follows under "Call Trace:" */
        at->other_cpu = true;
        at->state = NULL;
        at->next_title = text;
        at->trace = NULL;
        return false;
    }
    if (kind == OOPS_TRACE_MAIN && at->trace && !at->trace->count && at->trace->kind == OOPS_TRACE_CPU)
        return true;
    const char *title = kind == OOPS_TRACE_MAIN && at->next_title[0] ? at->next_title : text;
    open_trace(at, kind, title);
    at->next_title = "";
    const char *first = oops_frame_behind_heading(text);
    if (first)
        frame_line(at, first);
    return true;
}

static bool frame_line(struct place *at, const char *text) {
    struct oops_frame_line line;
    if (!oops_frame_line(at->r->pool, text, &line))
        return false;
    if (line.marker >= 0)
        at->stack = line.marker_ends ? OOPS_STACK_NONE : (enum oops_stack)line.marker;
    if (!line.has_frame)
        return true;
    if (!at->trace && !open_trace(at, OOPS_TRACE_MAIN, ""))
        return true;
    line.frame.stack = at->stack;
    line.frame.line = at->line;
    struct oops_frame *frame =
        oops_pool_push(at->r->pool, &at->trace->frames, &at->trace->count, sizeof(*frame), OOPS_FRAMES_MAX);
    if (frame)
        *frame = line.frame;
    if (line.frame.sym.has_address && line.frame.sym.name[0])
        at->r->era = OOPS_ERA_BRACKETED;
    else if (at->r->era == OOPS_ERA_UNKNOWN)
        at->r->era = OOPS_ERA_BARE;
    return true;
}

/* ---- One line after the other ---- */

/* Whose code it is: powerpc prints it behind the trace, other blocks of registers within. */
static struct oops_state *state_of_code(const struct place *at) {
    const struct oops_report *r = at->r;
    struct oops_state *fault = r->fault_state >= 0 ? &r->states[r->fault_state] : NULL;
    bool powerpc = r->arch == OOPS_ARCH_PPC64 || r->arch == OOPS_ARCH_PPC;
    return !at->state || (powerpc && fault && !at->other_cpu) ? fault : at->state;
}

/* "Instruction dump:", then two lines of "60000000 XXXXXXXX <e8630028> 4e800020" */
static bool instructions_line(struct place *at, const char *text) {
    if (oops_starts(text, "Instruction dump:")) {
        at->in_instructions = true;
        return true;
    }
    struct oops_state *state = state_of_code(at);
    if (!at->in_instructions || !state || strspn(text, "0123456789abcdef <>X") != strlen(text) || strlen(text) < 17) {
        at->in_instructions = false;
        return false;
    }
    oops_code_line(at->r->pool, text, state, at->r->arch);
    state->code_line = state->code_line ? state->code_line : at->line;
    return true;
}

static bool code_line(struct place *at, const char *text) {
    const char *s = oops_starts(text, "Code: ") ? text + 6 : oops_starts(text, "Code:") ? text + 5 : NULL;
    if (!s)
        return false;
    struct oops_report *r = at->r;
    struct oops_state *state = state_of_code(at);
    if (!state || state->code_len)
        return true;
    if (at->guess == OOPS_ARCH_UNKNOWN && strchr(s, '<'))
        at->guess = OOPS_ARCH_X86_64;
    oops_code_line(r->pool, s, state, r->arch != OOPS_ARCH_UNKNOWN ? r->arch : at->guess);
    state->code_line = at->line;
    return true;
}

static bool modules_line(struct place *at, const char *text) {
    const char *s = oops_after(text, "Modules linked in:");
    if (!s)
        return false;
    at->in_modules = at->r->module_count == 0;
    if (at->in_modules)
        oops_modules_line(at->r, s);
    return true;
}

/* A long list goes on in the next line: words alone, no colon. */
static bool modules_more(struct place *at, const char *text) {
    if (!at->in_modules || strpbrk(text, ":=+/<,\"") || !oops_is_word(text[0])) {
        const char *plus = strchr(text, '+'); /* "helloworld(OE+)" */
        if (!at->in_modules || !plus || plus[1] != ')' || strpbrk(text, ":=/<,\""))
            return false;
    }
    oops_modules_line(at->r, text);
    return true;
}

static bool mark_line(struct place *at, const char *text) {
    if (strstr(text, "---[ end trace")) {
        at->after_end = true;
        at->state = NULL;
        at->trace = NULL;
        return true;
    }
    if (oops_starts(text, "Stack:") || oops_starts(text, "Stack from ") || oops_starts(text, "Stack: (")) {
        at->in_stack_dump = true;
        return true;
    }
    if (oops_starts(text, "Sending NMI from CPU") || oops_starts(text, "Showing busy workqueues")) {
        at->other_cpu = true;
        return true;
    }
    if (strstr(text, "task:") && oops_match("task:*state:", text, NULL)) {
        at->next_title = text;
        at->trace = NULL;
        return false;
    }
    return false;
}

static bool hex_words(const char *text) {
    unsigned words = 0;
    for (const char *s = oops_blanks(text); *s; s = oops_blanks(s)) {
        size_t n = strspn(s, "0123456789abcdef");
        if ((n != 16 && n != 8) || (s[n] && s[n] != ' '))
            return false;
        s += n;
        words++;
    }
    return words > 0;
}

static void regs_line(struct place *at, const char *text) {
    static const char *const user[] = {"RIP: 0033", "RIP: 0023", NULL};
    (void)user;
    struct oops_state spare = {.reg_count = 0};
    enum oops_arch arch = OOPS_ARCH_UNKNOWN;
    unsigned count = oops_regs_line(text, &spare, &arch);
    if (!count)
        return;
    bool starts = oops_starts(text, "pstate:") || oops_starts(text, "EAX:") || oops_starts(text, "eax:");
    if (!at->state || (starts && state_full(at->state))) {
        struct oops_report *r = at->r;
        struct oops_state *fault = r->fault_state >= 0 ? &r->states[r->fault_state] : NULL;
        if (fault && !fault->reg_count && !at->after_end)
            at->state = fault; /* old x86: "IP:" first, registers later */
        else if (count < 2 && !starts)
            return;
        else if (at->after_end && !starts)
            return;
        else if (!new_state(at))
            return;
    }
    if (at->guess == OOPS_ARCH_UNKNOWN)
        at->guess = arch;
    oops_regs_line(text, at->state, &at->guess);
    if (!at->state->has_pc) {
        const struct oops_reg *pc = oops_state_reg(at->state, "pc");
        if (!pc)
            pc = oops_state_reg(at->state, "epc");
        if (pc) {
            at->state->has_pc = true;
            at->state->pc.address = pc->value;
            at->state->pc.has_address = true;
            set_role(at, at->state, 0);
        }
    }
}

/* "f+0x1/0x2", "? f.isra.0+0x1/0x2": nothing but a frame looks so. */
static bool plain_frame(const char *text) {
    uint64_t ignored;
    const char *s = oops_blanks(text);
    s += *s == '?';
    s = oops_blanks(s);
    if (!oops_is_word(*s))
        return false;
    while (oops_is_word(*s) || *s == '.')
        s++;
    return oops_starts(s, "+0x") && (s++, oops_hex(&s, &ignored)) && *s == '/';
}

/* "RAX: 0000000000000000 RBX: ...": registers of x86-64, four of five lines of them. */
static bool plain_registers(const char *text) {
    return text[0] == 'R' && text[1] && text[2] && oops_starts(text + 3, ": ") &&
           (isdigit((unsigned char)text[1]) || text[2] == 'X' || text[2] == 'P') && strncmp(text, "RIP", 3) != 0 &&
           strncmp(text, "RSP", 3) != 0;
}

static void take_line(struct place *at, const char *text) {
    struct oops_report *r = at->r;
    if (at->trace && plain_frame(text) && frame_line(at, text)) {
        at->in_stack_dump = at->in_modules = false;
        return;
    }
    if (at->state && plain_registers(text)) {
        regs_line(at, text);
        return;
    }
    if (r->arch == OOPS_ARCH_UNKNOWN)
        r->arch = oops_arch_of_line(text);
    if (mark_line(at, text) || trace_line(at, text))
        return;
    if (at->in_stack_dump && hex_words(text))
        return;
    if (instructions_line(at, text))
        return;
    if (modules_line(at, text))
        return;
    if (modules_more(at, text))
        return;
    at->in_modules = false;
    if (oops_field_line(r, text)) {
        if (oops_starts(text, "status:"))
            regs_line(at, text);
        if (!oops_pc_of(r->pool, text, &(struct oops_pc){0}))
            return;
    }
    if (code_line(at, text) || lr_line(at, text) || pc_line(at, text) || frame_line(at, text))
        return;
    regs_line(at, text);
}

void oops_report_parse(struct oops_report *r) {
    struct place at = {.r = r, .next_title = ""};
    for (unsigned i = 0; i < r->line_count; i++) {
        at.line = r->lines[i].number;
        take_line(&at, r->lines[i].text);
    }
    oops_report_conclude(r, at.guess);
}
