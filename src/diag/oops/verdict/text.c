/*
 * A verdict for people: the sentence first, then what supports it, the trace,
 * the code, the registers that matter, what does not fit, and what to do next.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag/oops/file/demangle.h"
#include "diag/oops/oops_int.h"
#include "diag/oops/report/stack.h"

#define COLUMNS_MIN  40
#define LOCAL_FRAMES 3 /* whose variables are shown; with --all those of all */

struct out {
    FILE *to;
    struct oops_pool *pool;
    unsigned columns;
    bool colour, all;
};

enum colour { PLAIN, BOLD, RED, GREEN, DIM };

static void start(const struct out *o, enum colour colour) {
    static const char *const codes[] = {"", "\033[1m", "\033[1;31m", "\033[32m", "\033[2m"};
    if (o->colour)
        fputs(codes[colour], o->to);
}

static void stop(const struct out *o, enum colour colour) {
    if (o->colour && colour != PLAIN)
        fputs("\033[0m", o->to);
}

/* `text` from column `first` on, later lines from `indent`. Words are kept whole. */
static void wrap(const struct out *o, const char *text, unsigned first, unsigned indent) {
    unsigned column = first;
    bool blank = false; /* one is due before the next word */
    for (const char *s = text; *s; s += strspn(s, " ")) {
        size_t n = strcspn(s, " ");
        if (blank && column + 1 + n > o->columns) {
            fprintf(o->to, "\n%*s", (int)indent, "");
            column = indent;
            blank = false;
        }
        fprintf(o->to, "%s%.*s", blank ? " " : "", (int)n, s);
        column += (unsigned)n + blank;
        blank = true;
        s += n;
    }
    fputc('\n', o->to);
}

static void heading(const struct out *o, const char *text) {
    fputc('\n', o->to);
    start(o, BOLD);
    wrap(o, text, 0, 2);
    stop(o, BOLD);
}

static void notes(const struct out *o, const char *title, const struct oops_notes *notes) {
    if (!notes->count)
        return;
    heading(o, title);
    for (unsigned i = 0; i < notes->count; i++) {
        fputs("  - ", o->to);
        wrap(o, notes->s[i], 4, 4);
    }
}

/* ---- The top ---- */

/* For people, what is known of the place, though it is not what the title is grouped by. */
const char *oops_shown_title(const struct oops_report *r) {
    static const char none[] = " in corrupted";
    size_t n = strlen(r->title), m = sizeof(none) - 1;
    if (n < m || strcmp(r->title + n - m, none) != 0)
        return r->title;
    return oops_pool_printf(r->pool, "%.*s%s%s", (int)(n - m), r->title, r->function[0] ? " in " : "", r->function);
}

static void print_top(const struct out *o, const struct oops_report *r, const struct oops_verdict *v) {
    char place[160];
    int n = snprintf(place, sizeof(place), "Report %u, line%s %llu", r->number, r->last_line > r->first_line ? "s" : "",
                     (unsigned long long)r->first_line);
    if (r->last_line > r->first_line)
        n += snprintf(place + n, sizeof(place) - (size_t)n, "-%llu", (unsigned long long)r->last_line);
    if (r->has_time)
        n += snprintf(place + n, sizeof(place) - (size_t)n, ", %lld.%06lld s after boot",
                      (long long)(r->time_us / 1000000), (long long)(r->time_us % 1000000));
    if (r->wall_time[0])
        snprintf(place + n, sizeof(place) - (size_t)n, ", %s", r->wall_time);
    start(o, DIM);
    wrap(o, place, 0, 0);
    stop(o, DIM);
    start(o, BOLD);
    wrap(o, oops_shown_title(r), 0, 2);
    stop(o, BOLD);
    if (strcmp(oops_shown_title(r), v->headline) != 0) {
        fputc('\n', o->to);
        start(o, RED);
        wrap(o, v->headline, 0, 0);
        stop(o, RED);
    }
    if (r->follows) {
        fputc('\n', o->to);
        wrap(o, oops_pool_printf(r->pool, "Follows from report %u: %s.", r->follows, r->follows_why), 0, 0);
    }
}

static void print_why(const struct out *o, const struct oops_report *r, const struct oops_verdict *v) {
    if (v->blame.there && v->blame.how[0]) {
        heading(o, "Which variable");
        fputs("  ", o->to);
        wrap(o, v->blame.how, 2, 2);
        for (unsigned i = 0; i < v->chain_count; i++) {
            if (!v->chain[i].how[0])
                continue;
            fputs("  - ", o->to);
            wrap(o, v->chain[i].how, 4, 4);
        }
    }
    if (!v->reasons.count)
        return;
    heading(o, oops_pool_printf(r->pool, "Confidence: %s", oops_confidence_name(v->confidence)));
    for (unsigned i = 0; i < v->reasons.count; i++) {
        fputs("  - ", o->to);
        wrap(o, v->reasons.s[i], 4, 4);
    }
}

/* ---- The trace ---- */

/* The end of a path that is too long for its line. */
static const char *shown_path(const struct out *o, const char *path, unsigned column) {
    size_t n = strlen(path);
    unsigned room = o->columns > column + 8 ? o->columns - column : 8;
    if (o->all || n <= room)
        return path;
    const char *slash = strchr(path + (n - room + 3), '/');
    return slash ? oops_pool_printf(o->pool, "...%s", slash) : path;
}

static void print_place(const struct out *o, const struct oops_place *place, bool innermost, const char *symbol) {
    if (!place->file[0] && !strcmp(place->function, symbol))
        return; /* the symbol says it */
    const char *name = innermost && !strcmp(place->function, symbol) ? "" : place->function;
    int n = fprintf(o->to, "      %s%s", name, place->inlined ? " (inlined)" : "");
    if (place->file[0]) {
        const char *text = oops_pool_printf(o->pool, "%s:%u", place->file, place->line);
        unsigned column = (unsigned)n + 3 + (*name != '\0');
        bool fits = column + strlen(text) <= o->columns || !*name;
        fprintf(o->to, "%sat %s", !*name ? "" : fits ? " " : "\n        ", shown_path(o, text, fits ? column : 11));
    }
    fputc('\n', o->to);
}

static void print_resolved(const struct out *o, const struct oops_resolved *resolved, const char *symbol) {
    for (unsigned i = 0; i < resolved->count; i++) {
        start(o, GREEN);
        print_place(o, &resolved->places[i], resolved->count == 1, symbol);
        stop(o, GREEN);
        if (i == 0 && resolved->places[0].text && *resolved->places[0].text) { /* the statement itself */
            fputs("        ", o->to);
            wrap(o, resolved->places[0].text, 8, 10);
        }
    }
    if (resolved->note && resolved->note[0]) {
        fputs("      ", o->to);
        wrap(o, resolved->note, 6, 6);
    }
    const char *why = resolved->missing_why ? resolved->missing_why : "";
    start(o, DIM);
    for (unsigned i = 0; i < resolved->missing_count; i++)
        fprintf(o->to, "    . %s: no frame of its own%s%s%s\n", resolved->missing[i].function, *why ? " (" : "", why,
                *why ? ")" : "");
    if (*why && !resolved->missing_count) {
        fputs("    . ", o->to);
        wrap(o, why, 6, 6);
    }
    stop(o, DIM);
}

/* Returns how many columns it took. */
static unsigned print_symbol(const struct out *o, const struct oops_symbol *sym) {
    if (!sym->name[0])
        return (unsigned)fprintf(o->to, "0x%llx", (unsigned long long)sym->address);
    int n = fprintf(o->to, "%s", oops_demangle(o->pool, sym->name));
    if (sym->has_off)
        n += fprintf(o->to, "+0x%llx", (unsigned long long)sym->off);
    if (sym->has_size)
        n += fprintf(o->to, "/0x%llx", (unsigned long long)sym->size);
    if (sym->module[0])
        n += fprintf(o->to, " [%s]", sym->module);
    return (unsigned)n;
}

static void print_stack_change(const struct out *o, enum oops_stack from, enum oops_stack to) {
    if (from == to || (from == OOPS_STACK_NONE && to == OOPS_STACK_TASK) ||
        (from == OOPS_STACK_TASK && to == OOPS_STACK_NONE))
        return;
    static const char *const names[] = {"task", "task", "interrupt", "NMI", "softirq", "exception"};
    start(o, DIM);
    fprintf(o->to, "  -- on the %s's stack --\n", names[to]);
    stop(o, DIM);
}

/* Behind the functions that print the report itself, if there is anything behind them. */
static unsigned first_of_interest(const struct oops_trace *trace) {
    unsigned i = 0;
    while (i < trace->count && (trace->frames[i].guess || oops_only_reports(trace->frames[i].sym.name)))
        i++;
    while (i > 0 && i < trace->count && trace->frames[i - 1].guess && !oops_only_reports(trace->frames[i - 1].sym.name))
        i--;
    for (unsigned k = 0; i == trace->count && k < trace->count; k++)
        if (!oops_only_reports(trace->frames[k].sym.name))
            return k; /* a guess, but all there is */
    return i < trace->count ? i : 0;
}

/* The stack that a trace's first frames are on, as the program counter before them is. */
static enum oops_stack first_stack(const struct oops_trace *trace) {
    return trace && trace->count ? trace->frames[0].stack : OOPS_STACK_NONE;
}

static void print_frames(const struct out *o, const struct oops_report *r, const struct oops_trace *trace,
                         const struct oops_verdict *v, bool resolved) {
    enum oops_stack stack = resolved && oops_report_fault(r) ? first_stack(trace) : OOPS_STACK_NONE;
    bool sure = false;
    unsigned first = o->all ? 0 : first_of_interest(trace);
    for (unsigned i = first; i < trace->count; i++)
        sure |= !trace->frames[i].guess && !oops_only_reports(trace->frames[i].sym.name);
    for (unsigned i = first; i < trace->count; i++) {
        const struct oops_frame *frame = &trace->frames[i];
        bool told = resolved && i == 0 && frame->kind == OOPS_FRAME_PC && oops_report_fault(r); /* the line above */
        if (told || (frame->guess && sure && !o->all))
            continue;
        print_stack_change(o, stack, frame->stack);
        stack = frame->stack;
        start(o, frame->guess ? DIM : PLAIN);
        fprintf(o->to, "  %c ", frame->guess ? '?' : ' ');
        size_t column = 4 + print_symbol(o, &frame->sym);
        if (frame->source[0])
            fprintf(o->to, "%s%s", column + 1 + strlen(frame->source) > o->columns ? "\n      " : " ",
                    shown_path(o, frame->source, 6));
        fputc('\n', o->to);
        stop(o, frame->guess ? DIM : PLAIN);
        if (resolved && i < v->frame_count)
            print_resolved(o, &v->frames[i], frame->sym.name);
        if (frame->state >= 0 && r->states[frame->state].role == OOPS_STATE_INTERRUPTED) {
            start(o, DIM);
            fputs("  -- interrupted at --\n    ", o->to);
            print_symbol(o, &r->states[frame->state].pc);
            fputc('\n', o->to);
            stop(o, DIM);
        }
    }
}

static void print_trace(const struct out *o, const struct oops_report *r, const struct oops_verdict *v) {
    const struct oops_trace *trace = oops_report_trace(r);
    const struct oops_state *state = oops_report_fault(r);
    if (!trace && !state)
        return;
    heading(o, "Trace, the innermost first");
    if (state)
        print_stack_change(o, OOPS_STACK_NONE, first_stack(trace));
    if (state && state->has_pc) {
        fputs("  > ", o->to);
        print_symbol(o, &state->pc);
        fputc('\n', o->to);
        print_resolved(o, &v->pc, state->pc.name);
    }
    if (state && v->lr.count) {
        fputs("    ", o->to);
        print_symbol(o, &state->lr);
        fputs(" (in the link register alone)\n", o->to);
        print_resolved(o, &v->lr, state->lr.name);
    }
    if (trace)
        print_frames(o, r, trace, v, true);
    for (unsigned i = 0; i < r->trace_count; i++) {
        const struct oops_trace *other = &r->traces[i];
        bool short_one =
            other->kind == OOPS_TRACE_ALLOC || other->kind == OOPS_TRACE_FREE || other->kind == OOPS_TRACE_ACCESS;
        if (other == trace || !other->count || !(o->all || short_one))
            continue;
        heading(o, other->title[0] ? other->title : oops_trace_kind_name(other->kind));
        print_frames(o, r, other, v, false);
    }
}

/* ---- The code and registers ---- */

/* A watchdog's report: nothing was wrong with the instruction. */
static bool was_stopped(const struct oops_report *r) {
    return r->kind == OOPS_SOFT_LOCKUP || r->kind == OOPS_HARD_LOCKUP || r->kind == OOPS_RCU_STALL;
}

static void print_code(const struct out *o, const struct oops_report *r, const struct oops_verdict *v) {
    const struct oops_state *state = oops_report_fault(r);
    if (!v->listing_count || !state)
        return;
    heading(o, "Code");
    for (unsigned i = 0; i < v->listing_count; i++) {
        const struct oops_asm_line *line = &v->listing[i];
        long long off = (long long)state->pc.off + line->off;
        enum colour colour = line->trapping ? RED : PLAIN;
        start(o, colour);
        int n;
        if (state->pc.has_off && off >= 0)
            n = fprintf(o->to, "%s +0x%-5llx %s", line->trapping ? " =>" : "   ", off, line->text);
        else
            n = fprintf(o->to, "%s %+-7d %s", line->trapping ? " =>" : "   ", line->off, line->text);
        if (line->trapping)
            fprintf(o->to, "%*s <-- %s", n < 44 ? 44 - n : 0, "", was_stopped(r) ? "interrupted" : "trapped");
        stop(o, colour);
        if (line->note && line->note[0])
            fprintf(o->to, "  %s", line->note);
        fputc('\n', o->to);
    }
}

static void print_regs(const struct out *o, const struct oops_report *r, const struct oops_verdict *v) {
    const struct oops_state *state = oops_report_fault(r);
    if (!v->reg_count && !(o->all && state))
        return;
    int digits = 2 * (int)oops_word_bytes(r->arch);
    heading(o, "Registers that matter");
    for (unsigned i = 0; i < v->reg_count; i++) {
        int n = fprintf(o->to, "  %-4s %0*llx  ", v->regs[i].reg, digits, (unsigned long long)v->regs[i].value);
        wrap(o, v->regs[i].note, (unsigned)n, (unsigned)n);
    }
    for (unsigned i = 0; o->all && state && i < state->reg_count; i++)
        fprintf(o->to, "  %-8s %0*llx\n", state->regs[i].name, digits, (unsigned long long)state->regs[i].value);
}

/* ---- Variables ---- */

static bool is_told(const struct oops_local *l, const struct out *o) {
    return o->all || l->frame < LOCAL_FRAMES;
}

static void print_local(const struct out *o, const struct oops_local *l) {
    unsigned long long value = l->value;
    unsigned shift = l->bytes && l->bytes < 8 ? 64 - 8 * l->bytes : 0;
    int n = l->is_signed
                ? fprintf(o->to, "    %s = %lld", l->name, (long long)(value << shift) >> shift)
                : fprintf(o->to, !l->pointer && value < 10 ? "    %s = %llu" : "    %s = 0x%llx", l->name, value);
    n += fprintf(o->to, "  (%s)", l->type);
    if (l->note[0]) {
        fputs("  ", o->to);
        wrap(o, l->note, (unsigned)n + 2, 6);
    } else {
        fputc('\n', o->to);
    }
}

static void print_locals(const struct out *o, const struct oops_verdict *v) {
    const char *function = "";
    bool first = true;
    for (unsigned i = 0; i < v->local_count; i++) {
        const struct oops_local *l = &v->locals[i];
        if (!is_told(l, o))
            continue;
        if (first)
            heading(o, "Variables whose values are known");
        if (first || strcmp(function, l->function) != 0 || v->locals[i - 1].frame != l->frame)
            fprintf(o->to, "  %s()\n", l->function);
        function = l->function;
        first = false;
        print_local(o, l);
    }
}

static void print_all(const struct out *o, const struct oops_report *r, const struct oops_verdict *v) {
    print_top(o, r, v);
    print_why(o, r, v);
    print_trace(o, r, v);
    print_code(o, r, v);
    print_regs(o, r, v);
    print_locals(o, v);
    notes(o, "About it", &v->facts);
    notes(o, "What does not fit", &v->misfits);
    notes(o, "Symbols", &v->symbols);
    notes(o, "Next", &v->next);
}

void oops_print(FILE *to, const struct oops_report *r, const struct oops_verdict *v, const struct oops_print *how) {
    char *text = NULL;
    size_t size;
    FILE *whole = open_memstream(&text, &size);
    struct out o = {whole ? whole : to, r->pool, how->columns < COLUMNS_MIN ? COLUMNS_MIN : how->columns, how->colour,
                    how->all};
    print_all(&o, r, v);
    if (whole && fclose(whole) == 0)
        oops_fold(to, text, o.columns);
    free(text);
}
