/*
 * Lines to reports: each line goes to the open report of its printer (by who
 * printed it where the log says so, CONFIG_PRINTK_CALLER, else to the newest);
 * a header opens one; the next header, the next boot or lines that are no part
 * of any report close it; reports are given out in their headers' order.
 *
 * Bounded: OPEN_MAX reports of one pool each, RECENT_MAX lines.
 */
#include <errno.h>
#include <string.h>

#include "diag/oops/log/reader_int.h"
#include "diag/oops/report/kinds.h"

#define BEFORE_CUT_LINES   4       /* in which what led to a BUG is looked for */
#define QUIET_LINES        60      /* of the same printer that belong to no report: it is over */
#define QUIET_AFTER_END    25      /* the same behind "end trace" */
#define QUIET_BEFORE_PANIC 8       /* more of them, and it is another event's */
#define FOREIGN_LINES      2000    /* of others */
#define SCREEN_LINES       40      /* from a trace without a header to the report that it belongs to */
#define VAGUE_US           1000000 /* the same in time */
#define MIXED_US           2000000 /* reports of two CPUs whose headers are further apart are not mixed */

/* ---- What led to a report ---- */

void oops_slots_remember(struct oops_reader *reader, const struct oops_log_line *line) {
    const struct recent *last = &reader->recent[(reader->recent_count - 1) % RECENT_MAX];
    if (reader->recent_count && !strncmp(last->text, line->text, RECENT_BYTES - 1)) /* two consoles */
        return;
    struct recent *recent = &reader->recent[reader->recent_count++ % RECENT_MAX];
    recent->line = *line;
    recent->looked = false;
    size_t n = strnlen(line->text, RECENT_BYTES - 1);
    memcpy(recent->text, line->text, n);
    recent->text[n] = '\0';
    recent->line.text = recent->text;
}

/* The `back`-th line before this one by the same printer, 0: the nearest; NULL: not known. */
static const struct oops_log_line *recent_line(const struct oops_reader *reader, const struct oops_log_line *line,
                                               unsigned back) {
    unsigned known = reader->recent_count < RECENT_MAX ? reader->recent_count : RECENT_MAX;
    for (unsigned i = 1; i <= known; i++) {
        const struct oops_log_line *candidate = &reader->recent[(reader->recent_count - i) % RECENT_MAX].line;
        bool same = candidate->caller == line->caller && candidate->caller_id == line->caller_id &&
                    candidate->kernel == line->kernel;
        if (same && candidate->text[0] && back-- == 0)
            return candidate;
    }
    return NULL;
}

/* Whether `line` is the rest of the one remembered last, as a program wrapped it; then it is added there. */
static bool goes_on(struct oops_reader *reader, size_t columns, const struct oops_log_line *line) {
    struct recent *last = &reader->recent[(reader->recent_count - 1) % RECENT_MAX];
    size_t n = reader->recent_count ? strlen(last->text) : 0, more = strlen(line->text);
    if (!n || n + 1 + more >= RECENT_BYTES || !oops_line_wraps(&reader->scanner, &last->line, columns, line))
        return false;
    if (!oops_line_cut_in_word(last->text, n, line->text))
        last->text[n++] = ' ';
    memcpy(last->text + n, line->text, more + 1);
    last->looked = false;
    return true;
}

/* After skipping: the lines before `start` that are still in the window, cleaned. */
void oops_slots_remember_window(struct oops_reader *reader, size_t start) {
    size_t from = start, lines = 0;
    struct oops_log_line cleaned[OOPS_GLUED_MAX];
    while (from > 0 && lines < RECENT_MAX / 2 && start - from < HISTORY_BYTES) {
        const char *before = memrchr(reader->window, '\n', from - 1);
        from = before ? (size_t)(before + 1 - reader->window) : 0;
        lines++;
    }
    reader->recent_count = 0;
    size_t columns = 0; /* of the line before */
    bool flat = false;
    for (size_t at = from, n, next; at < start; at += next) {
        const char *newline = memchr(reader->window + at, '\n', start - at);
        size_t len = newline ? (size_t)(newline - (reader->window + at)) : start - at;
        if (len <= OOPS_LINE_MAX_BYTES) {
            n = oops_line_end(reader->window + at, len, &flat, &next);
            unsigned count = oops_reader_clean(reader, reader->window + at, n, cleaned);
            bool more = count == 1 && goes_on(reader, columns, &cleaned[0]);
            for (unsigned i = 0; i < count && !more; i++) {
                cleaned[i].number = reader->number - lines;
                oops_slots_remember(reader, &cleaned[i]);
            }
            columns = n;
        } else {
            next = len;
        }
        if (next == len && newline) {
            next++;
            lines--;
        }
    }
}

static bool is_cut(const char *text) {
    return strstr(text, "[ cut here ]") != NULL || strstr(text, "8<--- cut here") != NULL;
}

static bool near_in_time(const struct oops_log_line *a, const struct oops_log_line *b) {
    return !a->has_time || !b->has_time || (b->time_us - a->time_us < 100000 && a->time_us <= b->time_us);
}

/* Words that begin a message which a report follows. */
static bool announces(const char *text) {
    static const char *const announce[] = {"kasan: ",
                                           "KASAN: ",
                                           "kernel tried to execute",
                                           "unable to execute userspace",
                                           "CFI failure",
                                           "list_",
                                           "usercopy: ",
                                           "skbuff: ",
                                           "refcount_t: "};
    for (unsigned i = 0; i < sizeof(announce) / sizeof(announce[0]); i++)
        if (oops_starts(text, announce[i]))
            return true;
    return false;
}

/* What was said before "cut here" of a BUG: the last line that announces one, else whatever came just before. */
static const struct oops_log_line *before_cut(const struct oops_reader *reader, const struct oops_log_line *line) {
    const struct oops_log_line *nearest = recent_line(reader, line, 1);
    for (unsigned back = 1; back <= BEFORE_CUT_LINES; back++) {
        const struct oops_log_line *message = recent_line(reader, line, back);
        if (!message || !near_in_time(message, line))
            break;
        if (announces(message->text))
            return message;
    }
    bool list = strstr(line->text, "lib/list_debug.c") != NULL; /* always announced */
    return nearest && !list && near_in_time(nearest, line) ? nearest : NULL;
}

/* A line that says more of what follows: before "cut here" of a BUG, behind it of a WARN. */
static void take_message(struct oops_reader *reader, struct oops_report *report, const struct oops_log_line *line) {
    const struct oops_log_line *before = recent_line(reader, line, 0);
    if (!before || !near_in_time(before, line))
        return;
    bool warned = strstr(line->text, "WARNING: ") != NULL;
    if (is_cut(before->text)) {
        const struct oops_log_line *message = warned ? NULL : before_cut(reader, line);
        if (message && !oops_starts(message->text, "---[") && message->text[0] != '=')
            report->message = oops_pool_str(report->pool, message->text);
        return;
    }
    const struct oops_log_line *cut = recent_line(reader, line, 1);
    if ((warned && cut && is_cut(cut->text)) || announces(before->text))
        report->message = oops_pool_str(report->pool, before->text);
}

/* ---- Open reports ---- */

static void give(struct oops_reader *reader, struct oops_report *report) {
    report->number = ++reader->reports;
    oops_follow(&reader->followed, report);
    reader->fn(reader->ctx, report);
}

/*
 * A header alone, without any of the kernel's prefixes, is what people say about
 * a report ("Subject: BUG: unable to handle ..."): worth telling only when
 * nothing else is.
 */
static bool is_mention(const struct slot *slot) {
    const struct oops_report *r = slot->report;
    bool quoted = slot->prose && (r->line_count < 2 || !oops_body_line(r->lines[1].text));
    return quoted || (!slot->kernel && slot->body_lines <= slot->headers && !(slot->form->flags & OOPS_FORM_NO_TRACE) &&
                      !strstr(r->header, "+0x") && !r->state_count && !r->trace_count && !r->taint_known);
}

static void set_mention(struct oops_reader *reader, struct oops_report *report) {
    if (reader->mention || reader->lone || reader->reports)
        oops_report_free(report);
    else
        reader->mention = report;
}

static void give_lone(struct oops_reader *reader) {
    if (reader->lone)
        give(reader, reader->lone);
    reader->lone = NULL;
}

/* A header of which the kernel's own words are all there is, where more ought to have come. */
static bool is_lone(const struct slot *slot) {
    const struct oops_report *r = slot->report;
    return slot->body_lines <= slot->headers && slot->form->recipe.steps && !r->function[0] && !r->state_count &&
           !r->trace_count && !r->taint_known;
}

/* A trace or registers of which nothing tells what they are. */
static bool is_vague(const struct oops_report *r) {
    return r->headless && (r->kind == OOPS_TRAP || (r->kind == OOPS_STACK_DUMP && oops_starts(r->title, "stack dump")));
}

/* Whether the report behind what is held back says what that was of. */
static bool explains(const struct oops_report *r, const struct oops_report *lone) {
    if (!lone->headless)
        return r->kind == lone->kind;
    bool hang = r->kind == OOPS_HARD_LOCKUP || r->kind == OOPS_SOFT_LOCKUP || r->kind == OOPS_RCU_STALL;
    bool asked = hang && strstr(lone->function, "cpu_backtrace"); /* whoever asked for it said why */
    bool timed = r->has_time && lone->has_time;
    bool near = r->first_line <= lone->last_line + SCREEN_LINES;
    if (r->headless || !near || asked)
        return near && asked && !r->headless;
    if (timed && (r->time_us < lone->time_us || r->time_us - lone->time_us > VAGUE_US))
        return false;
    bool others = (r->pid >= 0 && lone->pid >= 0 && r->pid != lone->pid) ||
                  (r->caller && lone->caller && (r->caller != lone->caller || r->caller_id != lone->caller_id));
    return !others;
}

/*
 * People quote a header, and show the report further down: only that is told,
 * unless another kind comes next, or none.
 */
static void give_in_turn(struct oops_reader *reader, const struct slot *slot) {
    bool lone = is_lone(slot) || is_vague(slot->report);
    if (!lone && reader->lone && explains(slot->report, reader->lone)) {
        oops_report_free(reader->lone);
        reader->lone = NULL;
    }
    give_lone(reader);
    if (lone)
        reader->lone = slot->report;
    else
        give(reader, slot->report);
}

/* Give out what is closed, as far as nothing before it is open. */
static void give_out(struct oops_reader *reader) {
    unsigned given = 0;
    while (given < reader->slot_count && !reader->slots[given].open) {
        struct slot *slot = &reader->slots[given++];
        if (!slot->report)
            continue;
        if (is_mention(slot))
            set_mention(reader, slot->report);
        else
            give_in_turn(reader, slot);
    }
    reader->slot_count -= given;
    memmove(reader->slots, reader->slots + given, reader->slot_count * sizeof(reader->slots[0]));
}

static bool worth_telling(const struct slot *slot) {
    const struct oops_report *r = slot->report;
    if (r->headless)
        return oops_headless_tells(r);
    if (!(slot->form->flags & OOPS_FORM_NEEDS_TRACE))
        return true;
    return r->state_count || oops_report_trace(r) || r->taint_known;
}

static void cut_to_body(struct slot *slot) {
    struct oops_report *r = slot->report;
    if (r->line_count > slot->body_lines) {
        r->line_count = slot->body_lines;
        r->last_line = r->lines[r->line_count - 1].number;
    }
}

static void finish(struct slot *slot) {
    slot->open = false;
    oops_report_parse(slot->report);
    if (!worth_telling(slot)) {
        oops_report_free(slot->report);
        slot->report = NULL;
    }
}

static bool same_printer(const struct slot *slot, char caller, uint32_t id) {
    return slot->caller == caller && (!caller || slot->caller_id == id);
}

/* A report, and those before it that wait for its lines, which may be theirs. */
static void close_slot(struct oops_reader *reader, struct slot *slot) {
    struct slot *group[OOPS_MIXED_MAX];
    struct oops_report *reports[OOPS_MIXED_MAX] = {NULL};
    unsigned count = 0;
    if (!slot->open || slot->waits)
        return;
    for (struct slot *s = reader->slots; s <= slot && count < OOPS_MIXED_MAX; s++)
        if (s == slot || (s->open && s->waits && same_printer(s, slot->caller, slot->caller_id)))
            group[count++] = s;
    for (unsigned i = 0; i < count; i++) {
        cut_to_body(group[i]);
        reports[i] = group[i]->report;
    }
    oops_separate(reports, count);
    for (unsigned i = 0; i < count; i++)
        finish(group[i]);
}

void oops_slots_close(struct oops_reader *reader) {
    for (unsigned i = 0; i < reader->slot_count; i++)
        close_slot(reader, &reader->slots[i]);
    for (unsigned i = 0; i < reader->slot_count; i++) { /* those that waited for one that never came */
        reader->slots[i].waits = false;
        close_slot(reader, &reader->slots[i]);
    }
    give_out(reader);
}

bool oops_slots_any(const struct oops_reader *reader) {
    return reader->slot_count > 0;
}

/* The open report that a line belongs to, or NULL. */
static struct slot *slot_of(struct oops_reader *reader, const struct oops_log_line *line, bool body) {
    for (unsigned i = reader->slot_count; i-- > 0;) {
        struct slot *slot = &reader->slots[i];
        if (!slot->open || slot->waits)
            continue;
        if (!line->kernel && slot->kernel) { /* a piece that lost its prefix, or a program's output */
            if (body)
                return slot;
            continue;
        }
        if (same_printer(slot, line->caller, line->caller_id) || (slot->collects_cpus && line->caller == 'C' && body))
            return slot;
    }
    return NULL;
}

static void open_report(struct oops_reader *reader, const struct oops_log_line *line, const struct oops_form *form) {
    if (reader->slot_count == OPEN_MAX)
        oops_slots_close(reader);
    struct oops_report *report = reader->slot_count < OPEN_MAX ? oops_report_new(line) : NULL;
    if (!report) {
        reader->error = -ENOMEM;
        return;
    }
    reader->slots[reader->slot_count++] = (struct slot){.report = report,
                                                        .form = form,
                                                        .open = true,
                                                        .kernel = line->kernel,
                                                        .prose = line->prose,
                                                        .caller = line->caller,
                                                        .caller_id = line->caller_id,
                                                        .headers = 1,
                                                        .first_seen = reader->recent_count,
                                                        .last_body = reader->recent_count,
                                                        .body_lines = 1};
    report->banner = oops_pool_str(report->pool, reader->banner);
    take_message(reader, report, line);
}

/* How many reports wait for the lines of this one's printer. */
static unsigned waiting_beside(const struct oops_reader *reader, const struct slot *slot) {
    unsigned waiting = 0;
    for (const struct slot *s = reader->slots; s < slot; s++)
        waiting += s->open && s->waits && same_printer(s, slot->caller, slot->caller_id);
    return waiting;
}

/* Of a log that two consoles went into, a line that is there for the second time. */
static bool is_second(struct slot *slot, const char *text) {
    const struct oops_report *r = slot->report;
    slot->repeated = slot->doubled && !slot->repeated && !strcmp(r->lines[r->line_count - 1].text, text);
    return slot->repeated;
}

static void add_line(struct oops_reader *reader, struct slot *slot, const struct oops_log_line *line, bool body) {
    if (is_second(slot, line->text))
        return;
    oops_report_add(slot->report, line);
    slot->quiet = body ? 0 : slot->quiet + 1;
    slot->foreign = 0;
    if (body) {
        slot->body_lines = slot->report->line_count;
        slot->last_body = reader->recent_count;
    }
    slot->traces += body && oops_starts(line->text, "Call ");
    slot->ends += strstr(line->text, "---[ end ") != NULL;
    slot->ended = slot->ends > waiting_beside(reader, slot); /* those before it may have ended here */
    if (strstr(line->text, "Sending NMI from CPU") || strstr(line->text, "detected stalls on CPUs"))
        slot->collects_cpus = true;
    unsigned limit = slot->ended ? QUIET_AFTER_END : QUIET_LINES;
    if (slot->quiet > limit || strstr(line->text, "---[ end Kernel panic"))
        close_slot(reader, slot);
}

static void count_foreign(struct oops_reader *reader) {
    for (unsigned i = 0; i < reader->slot_count; i++)
        if (reader->slots[i].open && ++reader->slots[i].foreign > FOREIGN_LINES)
            close_slot(reader, &reader->slots[i]);
}

/*
 * A log that was decoded already has the header once for each inlined function
 * ("... in f net/a.c:1 [inline]"); the last one is the kernel's own. One that
 * two consoles went into has it twice.
 */
static bool repeats_header(const struct slot *slot, const char *text) {
    const struct oops_report *r = slot->report;
    unsigned blank = 0;
    while (blank < r->line_count && !r->lines[r->line_count - 1 - blank].text[0])
        blank++;
    return r->line_count - blank == slot->headers && (strstr(r->header, "[inline]") || !strcmp(r->header, text));
}

/* Another CPU's header may have come in the middle of this report: it has no end, and no whole trace yet. */
static bool may_be_mixed(const struct oops_reader *reader, const struct slot *slot, const struct oops_log_line *line) {
    const struct oops_report *r = slot->report;
    unsigned waiting = 0;
    for (unsigned i = 0; i < reader->slot_count; i++)
        waiting += reader->slots[i].open && reader->slots[i].waits;
    if (reader->slot_count == OPEN_MAX) /* room has to be made: one that waits is not given out */
        return false;
    if (slot->ended || slot->caller || line->caller || !r->has_time || !line->has_time || waiting >= OOPS_MIXED_MAX - 2)
        return false;
    return line->time_us >= r->time_us && line->time_us - r->time_us < MIXED_US &&
           slot->traces <= waiting_beside(reader, slot);
}

/* A panic that is not said to be of this report, behind lines that are not of it either. */
static bool gives_up_later(const struct slot *slot, const struct oops_form *form) {
    return form->kind == OOPS_PANIC && !(form->flags & OOPS_FORM_LOST) && slot->quiet > QUIET_BEFORE_PANIC;
}

/* The kernel dies, and what warned before was a boot loader, maybe. */
static bool is_elsewhere(const struct slot *slot, const struct oops_log_line *line) {
    bool dies = strstr(line->text, "[#") || (line->kernel && !slot->kernel);
    return dies && !strcmp(slot->form->match, "WARNING: *");
}

static void take_header(struct oops_reader *reader, const struct oops_log_line *line, const struct oops_form *form) {
    struct slot *slot = slot_of(reader, line, form->flags & OOPS_FORM_CONTINUES);
    if (slot && repeats_header(slot, line->text)) {
        slot->doubled = !strcmp(slot->report->header, line->text);
        if (slot->doubled) {
            slot->repeated = true;
            return;
        }
        add_line(reader, slot, line, true);
        slot->headers = slot->report->line_count;
        slot->report->header = oops_pool_str(slot->report->pool, line->text);
        return;
    }
    bool same_fault =
        slot && slot->form->title[0] == '%' && slot->form->title[1] == 'n'; /* Rust's panic ends in a BUG() */
    bool dies_anew = slot && slot->ended && strstr(line->text, "[#");       /* behind "end trace": another failure */
    dies_anew |= slot && gives_up_later(slot, form);
    dies_anew |= slot && is_elsewhere(slot, line);
    bool real = slot && slot->prose && line->kernel; /* what the sentence spoke of */
    bool message = slot && form->kind == OOPS_HARD_LOCKUP && slot->form->kind == form->kind &&
                   slot->report->line_count == slot->headers; /* of the warning that it is reported by */
    bool foreign = slot && slot->report->headless && form->kind != OOPS_PANIC; /* comes before a trace, not behind */
    bool another = slot && slot->form->kind == OOPS_MEMORY_LEAK && slot->form->kind == form->kind &&
                   slot->report->line_count > slot->headers; /* kmemleak lists one leak after the other */
    if (slot && !dies_anew && !real && !foreign && !another &&
        (form->flags & OOPS_FORM_CONTINUES || same_fault || message)) {
        add_line(reader, slot, line, true);
        return;
    }
    if (slot && may_be_mixed(reader, slot, line))
        slot->waits = true;
    else if (slot)
        close_slot(reader, slot);
    open_report(reader, line, form);
}

/* ---- Traces that no header came before ---- */

/* Whether a trace is none of the open report's, which would have been its first or asked other CPUs for theirs. */
static bool begins_anew(const struct oops_reader *reader, const struct slot *slot, const struct oops_look *look) {
    unsigned header = reader->recent_count - look->lines;
    if (!look->lines || header <= slot->first_seen)
        return false;
    if (look->known)
        return slot->traces || slot->form->flags & OOPS_FORM_NO_TRACE || header > slot->last_body + 1;
    return slot->ended && look->task && !slot->collects_cpus;
}

/* The open report ends before line `number` of the log. */
static void end_before(struct slot *slot, uint64_t number) {
    struct oops_report *r = slot->report;
    while (r->line_count > 1 && r->lines[r->line_count - 1].number >= number)
        r->line_count--;
    if (slot->body_lines > r->line_count)
        slot->body_lines = r->line_count;
    r->last_line = r->lines[r->line_count - 1].number;
}

/* Whether the trace or the registers that begin here are a report of their own, which is open then. */
static bool take_headless(struct oops_reader *reader, const struct oops_log_line *line) {
    struct oops_look look = oops_look_back(reader, line);
    struct slot *slot = slot_of(reader, line, true);
    const struct oops_log_line *header = look.lines ? oops_look_line(reader, line, look.lines - 1, true) : line;
    bool trace = oops_headless_trace(line->text);
    if (look.injected || (look.headed && !trace) || (slot && !trace) || (slot && !begins_anew(reader, slot, &look)))
        return false;
    if (slot) {
        end_before(slot, header->number);
        close_slot(reader, slot);
    }
    open_report(reader, header, &oops_form_dump);
    if (reader->error)
        return true;
    slot = &reader->slots[reader->slot_count - 1];
    slot->report->headless = true;
    for (unsigned back = look.lines; back-- > 0;) {
        const struct oops_log_line *before = oops_look_line(reader, line, back, false);
        if (before && before != header && slot->open)
            add_line(reader, slot, before, true);
    }
    if (header != line && slot->open)
        add_line(reader, slot, line, true);
    return true;
}

/* The line before was cut and comes again: a report that had only just begun begins anew. */
static void take_replay(struct oops_reader *reader, const struct oops_log_line *line) {
    for (unsigned i = reader->slot_count; i-- > 0;) {
        struct slot *slot = &reader->slots[i];
        if (slot->open && slot->report->line_count == 1) {
            oops_report_free(slot->report);
            slot->report = NULL;
            slot->open = false;
            return;
        }
    }
}

static void take_banner(struct oops_reader *reader, const struct oops_log_line *line) {
    oops_slots_close(reader);
    oops_follow_forget(&reader->followed);
    size_t n = strnlen(line->text, BANNER_BYTES - 1);
    memcpy(reader->banner, line->text, n);
    reader->banner[n] = '\0';
}

void oops_slots_take(struct oops_reader *reader, const struct oops_log_line *line) {
    if (line->replay)
        take_replay(reader, line);
    if (strncmp(line->text, "Linux version ", 14) == 0) {
        take_banner(reader, line);
        return;
    }
    const struct oops_form *form = oops_form_of(&reader->scanner, line->text);
    if (form) {
        take_header(reader, line, form);
    } else if ((oops_headless_begins(line->text) || (!oops_slots_any(reader) && oops_headless_frame(line->text))) &&
               take_headless(reader, line)) {
        /* it has its report */
    } else if (oops_slots_any(reader)) {
        bool body = oops_body_line(line->text);
        struct slot *slot = slot_of(reader, line, body);
        if (slot)
            add_line(reader, slot, line, body);
        else
            count_foreign(reader);
    }
    give_out(reader);
}

void oops_slots_end(struct oops_reader *reader) {
    oops_slots_close(reader);
    give_lone(reader);
    if (reader->mention && !reader->reports)
        give(reader, reader->mention);
    else
        oops_report_free(reader->mention);
    reader->mention = NULL;
}
