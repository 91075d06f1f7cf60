/*
 * A log into reports. Three things happen here:
 *
 *   a window over the log, in which text without reports is skipped by scan.c
 *   and looked at line by line only where a report is near;
 *   lines sorted to the open reports: by who printed them where the log says so
 *   (CONFIG_PRINTK_CALLER), else to the newest;
 *   reports opened by a header, closed by the next header, the next boot or by
 *   lines that are no part of any report, and given out in their headers' order.
 *
 * States of a reader, checked by every line:
 *
 *   IDLE -> ACTIVE: a header; pstore's records
 *   ACTIVE -> IDLE: no report is open any more
 *
 * Bounded: the window, OPEN_MAX reports of one pool each, RECENT_MAX lines.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "diag/oops/oops_int.h"
#include "diag/oops/pstore.h"

#define WINDOW_BYTES     (256u << 10)
#define HISTORY_BYTES    (16u << 10) /* before the place looked at, for what led to a report */
#define OPEN_MAX         16
#define RECENT_MAX       24
#define RECENT_BYTES     512
#define BEFORE_CUT_LINES 4       /* in which what led to a BUG is looked for */
#define QUIET_LINES      60      /* of the same printer that belong to no report: it is over */
#define QUIET_AFTER_END  25      /* the same behind "end trace" */
#define FOREIGN_LINES    2000    /* of others */
#define MIXED_US         2000000 /* reports of two CPUs whose headers are further apart are not mixed */
#define BANNER_BYTES     400
#define HELD_BYTES       1024 /* longer lines are no wrapped ones */

struct recent {
    struct oops_log_line line;
    char text[RECENT_BYTES];
};

struct slot {
    struct oops_report *report; /* NULL: given up */
    const struct oops_form *form;
    bool open, ended;
    bool waits;         /* interrupted by the next report's header before it was complete; gets no more lines */
    bool kernel;        /* its header had a prefix of the kernel's */
    bool collects_cpus; /* all CPUs were asked for their traces */
    char caller;
    uint32_t caller_id;
    unsigned headers; /* lines at its start that are one header, told once for each inlined function */
    unsigned quiet, foreign;
    unsigned traces;     /* begun so far */
    unsigned body_lines; /* up to and with the last line that surely belongs to it */
};

struct oops_reader {
    oops_report_fn *fn;
    void *ctx;
    struct oops_scanner scanner;
    char *window;
    size_t len, at;  /* bytes in the window; the next to be looked at */
    uint64_t number; /* of the line at `at` */
    bool inside;     /* `at` is in the middle of a long line */
    char *clean;     /* a line after cleaning */
    bool holds;      /* `held` may go on in the next line */
    struct oops_log_line held;
    size_t held_columns; /* of its last line in the log */
    char held_text[HELD_BYTES];
    struct slot slots[OPEN_MAX];
    struct oops_report *mention; /* the first, if there is nothing but such */
    struct oops_report *lone;    /* a header without anything behind it, until the next report shows what it was */
    unsigned slot_count, reports;
    struct recent recent[RECENT_MAX];
    unsigned recent_count; /* ever; the newest is recent[(recent_count - 1) % RECENT_MAX] */
    struct oops_pstore *pstore;
    bool in_pstore;
    char banner[BANNER_BYTES];
    int error;
};

struct oops_reader *oops_reader_new(oops_report_fn *fn, void *ctx) {
    struct oops_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return NULL;
    reader->fn = fn;
    reader->ctx = ctx;
    reader->number = 1;
    reader->window = malloc(WINDOW_BYTES);
    reader->clean = malloc(OOPS_LINE_MAX_BYTES + 2 * OOPS_GLUED_MAX);
    reader->pstore = oops_pstore_new();
    if (!reader->window || !reader->clean || !reader->pstore) {
        oops_reader_free(reader);
        return NULL;
    }
    oops_scanner_init(&reader->scanner);
    return reader;
}

void oops_reader_free(struct oops_reader *reader) {
    if (!reader)
        return;
    for (unsigned i = 0; i < reader->slot_count; i++)
        oops_report_free(reader->slots[i].report);
    oops_report_free(reader->mention);
    oops_report_free(reader->lone);
    oops_pstore_free(reader->pstore);
    free(reader->clean);
    free(reader->window);
    free(reader);
}

/* ---- What led to a report ---- */

static void remember(struct oops_reader *reader, const struct oops_log_line *line) {
    struct recent *recent = &reader->recent[reader->recent_count++ % RECENT_MAX];
    recent->line = *line;
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
    last->text[n] = ' ';
    memcpy(last->text + n + 1, line->text, more + 1);
    return true;
}

/* After skipping: the lines before `start` that are still in the window, cleaned. */
static void remember_window(struct oops_reader *reader, size_t start) {
    size_t from = start, lines = 0;
    struct oops_log_line cleaned[OOPS_GLUED_MAX];
    while (from > 0 && lines < RECENT_MAX / 2 && start - from < HISTORY_BYTES) {
        const char *before = memrchr(reader->window, '\n', from - 1);
        from = before ? (size_t)(before + 1 - reader->window) : 0;
        lines++;
    }
    reader->recent_count = 0;
    size_t columns = 0; /* of the line before */
    for (size_t at = from; at < start; lines--) {
        const char *end = memchr(reader->window + at, '\n', start - at);
        if (!end) /* `start` is inside of a long line */
            break;
        size_t n = (size_t)(end - (reader->window + at));
        if (n <= OOPS_LINE_MAX_BYTES) {
            unsigned count = oops_line_clean(reader->window + at, n, reader->clean, cleaned);
            bool more = count == 1 && goes_on(reader, columns, &cleaned[0]);
            for (unsigned i = 0; i < count && !more; i++) {
                cleaned[i].number = reader->number - lines;
                remember(reader, &cleaned[i]);
            }
        }
        columns = n;
        at += n + 1;
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
    reader->fn(reader->ctx, report);
}

/*
 * A header alone, without any of the kernel's prefixes, is what people say about
 * a report ("Subject: BUG: unable to handle ..."): worth telling only when
 * nothing else is.
 */
static bool is_mention(const struct slot *slot) {
    const struct oops_report *r = slot->report;
    return !slot->kernel && slot->body_lines <= slot->headers && !(slot->form->flags & OOPS_FORM_NO_TRACE) &&
           !strstr(r->header, "+0x") && !r->state_count && !r->trace_count && !r->taint_known;
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
    return slot->body_lines <= slot->headers && !(slot->form->flags & OOPS_FORM_NO_TRACE) && !r->function[0] &&
           !r->state_count && !r->trace_count && !r->taint_known;
}

/*
 * People quote a header, and show the report further down: only that is told,
 * unless another kind comes next, or none.
 */
static void give_in_turn(struct oops_reader *reader, const struct slot *slot) {
    bool lone = is_lone(slot);
    if (!lone && reader->lone && reader->lone->kind == slot->report->kind) {
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

static void close_all(struct oops_reader *reader) {
    for (unsigned i = 0; i < reader->slot_count; i++)
        close_slot(reader, &reader->slots[i]);
    give_out(reader);
}

static bool any_open(const struct oops_reader *reader) {
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
        close_all(reader);
    struct oops_report *report = reader->slot_count < OPEN_MAX ? oops_report_new(line) : NULL;
    if (!report) {
        reader->error = -ENOMEM;
        return;
    }
    reader->slots[reader->slot_count++] = (struct slot){.report = report,
                                                        .form = form,
                                                        .open = true,
                                                        .kernel = line->kernel,
                                                        .caller = line->caller,
                                                        .caller_id = line->caller_id,
                                                        .headers = 1,
                                                        .body_lines = 1};
    report->banner = oops_pool_str(report->pool, reader->banner);
    take_message(reader, report, line);
}

static void add_line(struct oops_reader *reader, struct slot *slot, const struct oops_log_line *line, bool body) {
    oops_report_add(slot->report, line);
    slot->quiet = body ? 0 : slot->quiet + 1;
    slot->foreign = 0;
    if (body)
        slot->body_lines = slot->report->line_count;
    slot->traces += body && oops_starts(line->text, "Call ");
    if (strstr(line->text, "---[ end "))
        slot->ended = true;
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
    if (slot->ended || slot->caller || !r->has_time || !line->has_time || waiting >= OOPS_MIXED_MAX - 2)
        return false;
    return line->time_us >= r->time_us && line->time_us - r->time_us < MIXED_US && slot->traces == 0;
}

static void take_header(struct oops_reader *reader, const struct oops_log_line *line, const struct oops_form *form) {
    struct slot *slot = slot_of(reader, line, form->flags & OOPS_FORM_CONTINUES);
    if (slot && repeats_header(slot, line->text)) {
        add_line(reader, slot, line, true);
        slot->headers = slot->report->line_count;
        slot->report->header = oops_pool_str(slot->report->pool, line->text);
        return;
    }
    bool same_fault =
        slot && slot->form->title[0] == '%' && slot->form->title[1] == 'n'; /* Rust's panic ends in a BUG() */
    bool dies_anew = slot && slot->ended && strstr(line->text, "[#");       /* behind "end trace": another failure */
    if (slot && !dies_anew && (form->flags & OOPS_FORM_CONTINUES || same_fault)) {
        add_line(reader, slot, line, true);
        return;
    }
    if (slot && may_be_mixed(reader, slot, line))
        slot->waits = true;
    else if (slot)
        close_slot(reader, slot);
    open_report(reader, line, form);
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
    close_all(reader);
    size_t n = strnlen(line->text, BANNER_BYTES - 1);
    memcpy(reader->banner, line->text, n);
    reader->banner[n] = '\0';
}

static void take_record(struct oops_reader *reader, const struct oops_log_line *line) {
    if (line->replay)
        take_replay(reader, line);
    if (strncmp(line->text, "Linux version ", 14) == 0) {
        take_banner(reader, line);
        return;
    }
    const struct oops_form *form = oops_form_of(&reader->scanner, line->text);
    if (form) {
        take_header(reader, line, form);
    } else if (any_open(reader)) {
        bool body = oops_body_line(line->text);
        struct slot *slot = slot_of(reader, line, body);
        if (slot)
            add_line(reader, slot, line, body);
        else
            count_foreign(reader);
    }
    give_out(reader);
}

/* ---- Lines that were broken in two ---- */

static void take_whole(struct oops_reader *reader, const struct oops_log_line *line) {
    take_record(reader, line);
    remember(reader, line);
}

static void take_held(struct oops_reader *reader) {
    if (!reader->holds)
        return;
    reader->holds = false;
    take_whole(reader, &reader->held);
}

/* Keep a line until the next one shows whether it goes on there. */
static void hold(struct oops_reader *reader, const struct oops_log_line *line, size_t columns) {
    size_t n = strlen(line->text);
    memcpy(reader->held_text, line->text, n + 1);
    reader->held = *line;
    reader->held.text = reader->held_text;
    reader->held_columns = columns;
    reader->holds = true;
}

/* "6.1.0-rc7-" before "next-2023", "lamp_" before "dim+0x1": broken where there was no blank. */
static bool broken_in_word(const char *text, size_t n, const char *next) {
    bool hyphen = n > 1 && text[n - 1] == '-' && isalnum((unsigned char)text[n - 2]);
    if (hyphen)
        return isalnum((unsigned char)next[0]);
    return n > 1 && text[n - 1] == '_' && oops_is_word(text[n - 2]) && oops_is_word(next[0]) && strstr(next, "+0x");
}

/* Whether `next` was a part of the line held. */
static bool joined(struct oops_reader *reader, const struct oops_log_line *next, size_t columns) {
    size_t n = strlen(reader->held_text), more = strlen(next->text);
    if (!reader->holds || n + 1 + more >= HELD_BYTES ||
        !oops_line_wraps(&reader->scanner, &reader->held, reader->held_columns, next))
        return false;
    if (!broken_in_word(reader->held_text, n, next->text))
        reader->held_text[n++] = ' ';
    memcpy(reader->held_text + n, next->text, more + 1);
    reader->held_columns = columns;
    return true;
}

static void take_line(struct oops_reader *reader, const char *raw, size_t len, uint64_t number) {
    struct oops_log_line lines[OOPS_GLUED_MAX];
    unsigned count = oops_line_clean(raw, len, reader->clean, lines);
    bool held = reader->holds;
    if (count == 1 && joined(reader, &lines[0], len))
        return;
    take_held(reader);
    for (unsigned i = 0; i < count; i++) {
        lines[i].number = number;
        if (i == count - 1 && len < HELD_BYTES / 4 && (any_open(reader) || !held))
            hold(reader, &lines[i], len);
        else
            take_whole(reader, &lines[i]);
    }
}

/* ---- pstore ---- */

static void pstore_line(void *ctx, const char *line, size_t len, uint64_t number) {
    struct oops_reader *reader = ctx;
    take_line(reader, line, len < OOPS_LINE_MAX_BYTES ? len : OOPS_LINE_MAX_BYTES, number);
}

static void leave_pstore(struct oops_reader *reader) {
    if (!reader->in_pstore)
        return;
    reader->in_pstore = false;
    reader->recent_count = 0;
    oops_pstore_flush(reader->pstore, pstore_line, reader);
    take_held(reader);
    close_all(reader);
}

/* Whether the line was one of a record. */
static bool take_pstore(struct oops_reader *reader, const char *raw, size_t len) {
    bool header = oops_pstore_is_header(raw, len);
    if (!reader->in_pstore && !header)
        return false;
    if (header && !reader->in_pstore) {
        take_held(reader);
        close_all(reader);
    }
    reader->in_pstore = true;
    if (oops_pstore_line(reader->pstore, raw, len, reader->number))
        return true;
    leave_pstore(reader);
    return false;
}

/* ---- The window ---- */

static bool is_idle(const struct oops_reader *reader) {
    return !any_open(reader) && !reader->in_pstore && !reader->holds;
}

/* Pass over what holds no report. False: there is nothing left to look at. */
static bool skip_ahead(struct oops_reader *reader, bool final) {
    const char *start = reader->window + reader->at;
    size_t left = reader->len - reader->at;
    const char *hit = oops_scan(&reader->scanner, start, left);
    const char *limit = hit ? hit : start + left;
    const char *newline = memrchr(start, '\n', (size_t)(limit - start));
    const char *to = newline ? newline + 1 : start;
    if (hit && hit - to > OOPS_LINE_MAX_BYTES / 2) /* deep inside a long line */
        to = hit - OOPS_LINE_MAX_BYTES / 2;
    else if (!hit && limit - to > OOPS_LINE_MAX_BYTES) /* the same without a word in it: its end may begin one */
        to = limit - 64;
    if (to > start) {
        reader->number += oops_count_newlines(start, (size_t)(to - start));
        reader->inside = to[-1] != '\n';
    }
    reader->at = (size_t)(to - reader->window);
    return hit != NULL || (final && reader->at < reader->len);
}

/* Whether a line found by its words alone is worth a closer look. */
static bool is_of_interest(struct oops_reader *reader, const char *raw, size_t len) {
    struct oops_log_line lines[OOPS_GLUED_MAX];
    if (oops_pstore_is_header(raw, len))
        return true;
    unsigned count = oops_line_clean(raw, len, reader->clean, lines);
    for (unsigned i = 0; i < count; i++)
        if (oops_form_of(&reader->scanner, lines[i].text) || strncmp(lines[i].text, "Linux version ", 14) == 0)
            return true;
    return oops_line_may_go_on(lines[count - 1].text);
}

/* One line, or a piece of a long one. False: its end is not in the window yet. */
static bool take_next(struct oops_reader *reader, bool final) {
    char *start = reader->window + reader->at;
    size_t left = reader->len - reader->at;
    const char *newline = memchr(start, '\n', left < OOPS_LINE_MAX_BYTES ? left : OOPS_LINE_MAX_BYTES);
    size_t len = newline ? (size_t)(newline - start) : left < OOPS_LINE_MAX_BYTES ? left : OOPS_LINE_MAX_BYTES;
    if (!newline && !final && left < OOPS_LINE_MAX_BYTES)
        return false;
    bool idle = is_idle(reader);
    if (!idle || is_of_interest(reader, start, len)) {
        if (idle)
            remember_window(reader, reader->at);
        if (!take_pstore(reader, start, len))
            take_line(reader, start, len, reader->number);
    }
    reader->at += len + (newline != NULL);
    reader->number += newline != NULL;
    reader->inside = !newline;
    return true;
}

static void work(struct oops_reader *reader, bool final) {
    while (reader->at < reader->len && !reader->error) {
        if (is_idle(reader) && !skip_ahead(reader, final))
            return;
        if (!take_next(reader, final))
            return;
    }
}

/* Make room, but keep what stands before the next line. */
static void compact(struct oops_reader *reader) {
    size_t keep_from = reader->at > HISTORY_BYTES ? reader->at - HISTORY_BYTES : 0;
    memmove(reader->window, reader->window + keep_from, reader->len - keep_from);
    reader->len -= keep_from;
    reader->at -= keep_from;
}

int oops_reader_feed(struct oops_reader *reader, const char *data, size_t len) {
    while (len && !reader->error) {
        if (reader->len > WINDOW_BYTES / 2)
            compact(reader);
        size_t n = WINDOW_BYTES - reader->len;
        n = n < len ? n : len;
        memcpy(reader->window + reader->len, data, n);
        reader->len += n;
        data += n;
        len -= n;
        work(reader, false);
    }
    return reader->error;
}

int oops_reader_end(struct oops_reader *reader) {
    work(reader, true);
    leave_pstore(reader);
    take_held(reader);
    close_all(reader);
    give_lone(reader);
    if (reader->mention && !reader->reports)
        give(reader, reader->mention);
    else
        oops_report_free(reader->mention);
    reader->mention = NULL;
    return reader->error;
}

/* ---- A whole text ---- */

struct collected {
    struct oops_report **reports;
    unsigned count, max;
};

static void collect(void *ctx, struct oops_report *report) {
    struct collected *c = ctx;
    if (c->count < c->max)
        c->reports[c->count++] = report;
    else
        oops_report_free(report);
}

int oops_read_text(const char *text, size_t len, struct oops_report **reports, unsigned max) {
    struct collected c = {.reports = reports, .max = max};
    struct oops_reader *reader = oops_reader_new(collect, &c);
    if (!reader)
        return -ENOMEM;
    int rc = oops_reader_feed(reader, text, len);
    if (!rc)
        rc = oops_reader_end(reader);
    oops_reader_free(reader);
    return rc ? rc : (int)c.count;
}
