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
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "diag/oops/oops_int.h"
#include "diag/oops/pstore.h"

#define WINDOW_BYTES    (256u << 10)
#define HISTORY_BYTES   (16u << 10) /* before the place looked at, for what led to a report */
#define OPEN_MAX        16
#define RECENT_MAX      24
#define RECENT_BYTES    512
#define QUIET_LINES     60   /* of the same printer that belong to no report: it is over */
#define QUIET_AFTER_END 25   /* the same behind "end trace" */
#define FOREIGN_LINES   2000 /* of others */
#define BANNER_BYTES    400

struct recent {
    struct oops_log_line line;
    char text[RECENT_BYTES];
};

struct slot {
    struct oops_report *report; /* NULL: given up */
    const struct oops_form *form;
    bool open, ended;
    bool kernel;        /* its header had a prefix of the kernel's */
    bool collects_cpus; /* all CPUs were asked for their traces */
    char caller;
    uint32_t caller_id;
    unsigned headers; /* lines at its start that are one header, told once for each inlined function */
    unsigned quiet, foreign;
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
    struct slot slots[OPEN_MAX];
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
    for (size_t at = from; at < start; lines--) {
        const char *end = memchr(reader->window + at, '\n', start - at);
        size_t n = (size_t)(end - (reader->window + at));
        if (n <= OOPS_LINE_MAX_BYTES) {
            unsigned count = oops_line_clean(reader->window + at, n, reader->clean, cleaned);
            for (unsigned i = 0; i < count; i++) {
                cleaned[i].number = reader->number - lines;
                remember(reader, &cleaned[i]);
            }
        }
        at += n + 1;
    }
}

static bool is_cut(const char *text) {
    return strstr(text, "[ cut here ]") != NULL || strstr(text, "8<--- cut here") != NULL;
}

static bool near_in_time(const struct oops_log_line *a, const struct oops_log_line *b) {
    return !a->has_time || !b->has_time || (b->time_us - a->time_us < 100000 && a->time_us <= b->time_us);
}

/* A line that says more of what follows: before "cut here" of a BUG, behind it of a WARN. */
static void take_message(struct oops_reader *reader, struct oops_report *report, const struct oops_log_line *line) {
    static const char *const announce[] = {"kasan: ",
                                           "KASAN: ",
                                           "kernel tried to execute",
                                           "unable to execute userspace",
                                           "CFI failure",
                                           "list_",
                                           "usercopy: ",
                                           "skbuff: ",
                                           "refcount_t: "};
    const struct oops_log_line *before = recent_line(reader, line, 0);
    if (!before || !near_in_time(before, line))
        return;
    bool warned = strstr(line->text, "WARNING: ") != NULL;
    if (is_cut(before->text)) {
        const struct oops_log_line *message = recent_line(reader, line, 1);
        if (message && !warned && near_in_time(message, line) && strncmp(message->text, "---[", 4) &&
            message->text[0] != '=')
            report->message = oops_pool_str(report->pool, message->text);
        return;
    }
    const struct oops_log_line *cut = recent_line(reader, line, 1);
    bool told = warned && cut && is_cut(cut->text);
    for (unsigned i = 0; i < sizeof(announce) / sizeof(announce[0]); i++)
        told |= strncmp(before->text, announce[i], strlen(announce[i])) == 0;
    if (told)
        report->message = oops_pool_str(report->pool, before->text);
}

/* ---- Open reports ---- */

/* Give out what is closed, as far as nothing before it is open. */
static void give_out(struct oops_reader *reader) {
    unsigned given = 0;
    while (given < reader->slot_count && !reader->slots[given].open) {
        struct oops_report *report = reader->slots[given++].report;
        if (!report)
            continue;
        report->number = ++reader->reports;
        reader->fn(reader->ctx, report);
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

static void close_slot(struct slot *slot) {
    struct oops_report *r = slot->report;
    if (!slot->open)
        return;
    slot->open = false;
    if (r->line_count > slot->body_lines) {
        r->line_count = slot->body_lines;
        r->last_line = r->lines[r->line_count - 1].number;
    }
    oops_report_parse(r);
    if (!worth_telling(slot)) {
        oops_report_free(r);
        slot->report = NULL;
    }
}

static void close_all(struct oops_reader *reader) {
    for (unsigned i = 0; i < reader->slot_count; i++)
        close_slot(&reader->slots[i]);
    give_out(reader);
}

static bool any_open(const struct oops_reader *reader) {
    return reader->slot_count > 0;
}

static bool same_printer(const struct slot *slot, const struct oops_log_line *line) {
    return slot->caller == line->caller && (!slot->caller || slot->caller_id == line->caller_id);
}

/* The open report that a line belongs to, or NULL. */
static struct slot *slot_of(struct oops_reader *reader, const struct oops_log_line *line, bool body) {
    for (unsigned i = reader->slot_count; i-- > 0;) {
        struct slot *slot = &reader->slots[i];
        if (!slot->open)
            continue;
        if (!line->kernel && slot->kernel) { /* a piece that lost its prefix, or a program's output */
            if (body)
                return slot;
            continue;
        }
        if (same_printer(slot, line) || (slot->collects_cpus && line->caller == 'C' && body))
            return slot;
    }
    return NULL;
}

static void open_report(struct oops_reader *reader, const struct oops_log_line *line, const struct oops_form *form) {
    if (reader->slot_count == OPEN_MAX) {
        close_slot(&reader->slots[0]);
        give_out(reader);
    }
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

static void add_line(struct slot *slot, const struct oops_log_line *line, bool body) {
    oops_report_add(slot->report, line);
    slot->quiet = body ? 0 : slot->quiet + 1;
    slot->foreign = 0;
    if (body)
        slot->body_lines = slot->report->line_count;
    if (strstr(line->text, "---[ end "))
        slot->ended = true;
    if (strstr(line->text, "Sending NMI from CPU") || strstr(line->text, "detected stalls on CPUs"))
        slot->collects_cpus = true;
    unsigned limit = slot->ended ? QUIET_AFTER_END : QUIET_LINES;
    if (slot->quiet > limit || strstr(line->text, "---[ end Kernel panic"))
        close_slot(slot);
}

static void count_foreign(struct oops_reader *reader) {
    for (unsigned i = 0; i < reader->slot_count; i++)
        if (reader->slots[i].open && ++reader->slots[i].foreign > FOREIGN_LINES)
            close_slot(&reader->slots[i]);
}

/*
 * A log that was decoded already has the header once for each inlined function
 * ("... in f net/a.c:1 [inline]"); the last one is the kernel's own.
 */
static bool repeats_header(const struct slot *slot) {
    const struct oops_report *r = slot->report;
    return r->line_count == slot->headers && strstr(r->header, "[inline]") != NULL;
}

static void take_header(struct oops_reader *reader, const struct oops_log_line *line, const struct oops_form *form) {
    struct slot *slot = slot_of(reader, line, false);
    if (slot && repeats_header(slot)) {
        add_line(slot, line, true);
        slot->headers++;
        slot->report->header = oops_pool_str(slot->report->pool, line->text);
        return;
    }
    bool same_fault =
        slot && slot->form->title[0] == '%' && slot->form->title[1] == 'n'; /* Rust's panic ends in a BUG() */
    if (slot && (form->flags & OOPS_FORM_CONTINUES || same_fault)) {
        add_line(slot, line, true);
        return;
    }
    if (slot)
        close_slot(slot);
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
            add_line(slot, line, body);
        else
            count_foreign(reader);
    }
    give_out(reader);
}

static void take_line(struct oops_reader *reader, const char *raw, size_t len, uint64_t number) {
    struct oops_log_line lines[OOPS_GLUED_MAX];
    unsigned count = oops_line_clean(raw, len, reader->clean, lines);
    for (unsigned i = 0; i < count; i++) {
        lines[i].number = number;
        take_record(reader, &lines[i]);
        remember(reader, &lines[i]);
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
    close_all(reader);
}

/* Whether the line was one of a record. */
static bool take_pstore(struct oops_reader *reader, const char *raw, size_t len) {
    bool header = oops_pstore_is_header(raw, len);
    if (!reader->in_pstore && !header)
        return false;
    if (header && !reader->in_pstore)
        close_all(reader);
    reader->in_pstore = true;
    if (oops_pstore_line(reader->pstore, raw, len, reader->number))
        return true;
    leave_pstore(reader);
    return false;
}

/* ---- The window ---- */

static bool is_idle(const struct oops_reader *reader) {
    return !any_open(reader) && !reader->in_pstore;
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
    return false;
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
    close_all(reader);
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
