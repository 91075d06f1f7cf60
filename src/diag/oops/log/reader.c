/*
 * A log into reports: a window over it, in which text without reports is skipped
 * by scan.c and looked at line by line only where a report is near; lines that
 * were broken in two put together; records of pstore put into order; and each
 * line given to the open reports (slots.c).
 *
 * States of a reader, checked by every line:
 *
 *   IDLE -> ACTIVE: a header; pstore's records
 *   ACTIVE -> IDLE: no report is open any more
 *
 * Bounded: the window, one held line, what slots.c keeps.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "diag/oops/log/reader_int.h"

#define PROSE_BYTES  20 /* before a header: a sentence, not a prefix */
#define WINDOW_BYTES (256u << 10)

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

/* ---- Lines ---- */

/* Where the words are by which a header is known. */
static size_t header_at(const struct oops_form *form, const char *text) {
    const char *words = form->match + strspn(form->match, "*");
    const char *at = memmem(text, strlen(text), words, strcspn(words, "*"));
    return at ? (size_t)(at - text) : 0;
}

/* A title ("# BUG: ..."), or a sentence in which a header is quoted, whose words begin at `at`. */
static bool is_prose(const struct oops_log_line *line, size_t at) {
    const char *text = line->text;
    if (line->kernel || line->wall[0])
        return false;
    bool quoted = at >= 1 && strchr("\"'`(", text[at - 1]);
    bool tagged = at >= 2 && strchr(":[]>|", text[at - 2]);
    bool spoken =
        at && oops_starts(text + at, "kernel BUG at ") && !strchr(text + at, '!'); /* the kernel says it loud */
    return (text[0] == '#' && text[1] == ' ') || oops_starts(text, "Subject: ") || quoted || spoken ||
           (at > PROSE_BYTES && !tagged);
}

unsigned oops_reader_clean(struct oops_reader *reader, const char *raw, size_t len,
                           struct oops_log_line lines[OOPS_GLUED_MAX]) {
    unsigned count = oops_line_clean(raw, len, reader->clean, lines);
    for (unsigned i = 0; i < count; i++) {
        const struct oops_form *form = oops_form_of(&reader->scanner, lines[i].text);
        bool same = reader->foreign.text[0] && oops_foreign_skip(&reader->foreign, lines[i].text) != lines[i].text;
        lines[i].prose = form && is_prose(&lines[i], header_at(form, lines[i].text));
        if (form && !same)
            oops_foreign_learn(&reader->foreign, lines[i].text, header_at(form, lines[i].text));
        oops_line_skip_foreign(&reader->foreign, &lines[i], 1);
    }
    return count;
}

/* ---- Lines that were broken in two ---- */

static void take_whole(struct oops_reader *reader, const struct oops_log_line *line) {
    oops_slots_take(reader, line);
    oops_slots_remember(reader, line);
}

static void take_held(struct oops_reader *reader) {
    if (!reader->holds)
        return;
    reader->holds = false;
    take_whole(reader, &reader->held);
}

/* Keep a line until the next one shows whether it goes on there. */
static void hold(struct oops_reader *reader, const struct oops_log_line *line, const char *raw, size_t columns) {
    size_t n = strlen(line->text);
    memcpy(reader->held_text, line->text, n + 1);
    reader->held = *line;
    reader->held.text = reader->held_text;
    reader->held_columns = columns;
    reader->held_blank = columns && raw[columns - 1] == ' ';
    reader->held_quoted = columns && raw[0] == '>';
    reader->holds = true;
}

/* "6.1.0-rc7-" before "next-2023", "lamp_" before "dim+0x1": broken where there was no blank. */
static bool broken_in_word(const char *text, size_t n, const char *next) {
    bool hyphen = n > 1 && text[n - 1] == '-' && isalnum((unsigned char)text[n - 2]);
    if (hyphen)
        return isalnum((unsigned char)next[0]);
    return n > 1 && text[n - 1] == '_' && oops_is_word(text[n - 2]) && oops_is_word(next[0]) && strstr(next, "+0x");
}

/* Whether the line held was broken at a fixed column, as terminals do, and `next` is its rest. */
static bool broken_at_column(const struct oops_reader *reader, const struct oops_log_line *next) {
    static const unsigned char widths[] = {80, 100, 120, 132, 160};
    size_t word = strspn(next->text, "abcdefghijklmnopqrstuvwxyz0123456789-_");
    bool program = word && next->text[word] == ':' && next->text[word + 1] == ' ';
    if (next->kernel || next->wall[0] || !reader->held.kernel || program)
        return false;
    for (unsigned i = 0; i < sizeof(widths); i++)
        if (reader->held_columns == widths[i])
            return reader->widest <= widths[i];
    return false;
}

/* A line of quoted-printable that ends in "=". */
static bool broken_softly(const struct oops_reader *reader, size_t n, const struct oops_log_line *next) {
    return n && reader->held_text[n - 1] == '=' && reader->held_columns >= 75 && reader->held_columns <= 76 &&
           !next->kernel;
}

/* Whether `next` was a part of the line held. */
static bool joined(struct oops_reader *reader, const struct oops_log_line *next, const char *raw, size_t columns) {
    size_t n = strlen(reader->held_text), more = strlen(next->text);
    if (!reader->holds || !more || n + 1 + more >= HELD_BYTES)
        return false;
    bool softly = broken_softly(reader, n, next), exactly = softly || broken_at_column(reader, next);
    if (!exactly && !oops_line_wraps(&reader->scanner, &reader->held, reader->held_columns, next))
        return false;
    n -= softly;
    if (exactly && !softly && oops_line_cut_in_word(reader->held_text, n, next->text))
        reader->cuts_words = true;
    bool at_blank = reader->held_blank || oops_line_ends_early(reader->held_text);
    bool whole = !softly && (at_blank || (reader->held_quoted && !reader->cuts_words));
    bool blank = exactly ? whole || raw[0] == ' ' : !broken_in_word(reader->held_text, n, next->text);
    if (blank)
        reader->held_text[n++] = ' ';
    memcpy(reader->held_text + n, next->text, more + 1);
    reader->held_columns = columns;
    reader->held_blank = columns && raw[columns - 1] == ' ';
    return true;
}

static void take_line(struct oops_reader *reader, const char *raw, size_t len, uint64_t number) {
    struct oops_log_line lines[OOPS_GLUED_MAX];
    unsigned count = oops_reader_clean(reader, raw, len, lines);
    bool held = reader->holds;
    size_t columns = len && raw[len - 1] == '\r' ? len - 1 : len;
    reader->widest = columns > reader->widest ? columns : reader->widest;
    unsigned first = joined(reader, &lines[0], raw, columns); /* the rest of it is of others */
    if (first == count)
        return;
    take_held(reader);
    for (unsigned i = first; i < count; i++) {
        lines[i].number = number;
        if (i == count - 1 && len < HELD_BYTES / 4 && (oops_slots_any(reader) || !held))
            hold(reader, &lines[i], raw, columns);
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
    oops_slots_close(reader);
}

/* Whether the line was one of a record. */
static bool take_pstore(struct oops_reader *reader, const char *raw, size_t len) {
    bool header = oops_pstore_is_header(raw, len);
    if (!reader->in_pstore && !header)
        return false;
    if (header && !reader->in_pstore) {
        take_held(reader);
        oops_slots_close(reader);
    }
    reader->in_pstore = true;
    if (oops_pstore_line(reader->pstore, raw, len, reader->number))
        return true;
    leave_pstore(reader);
    return false;
}

/* ---- The window ---- */

static bool is_idle(const struct oops_reader *reader) {
    return !oops_slots_any(reader) && !reader->in_pstore && !reader->holds;
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
    if (to > start)
        reader->number += oops_count_newlines(start, (size_t)(to - start));
    reader->flat &= to == start;
    reader->at = (size_t)(to - reader->window);
    return hit != NULL || (final && reader->at < reader->len);
}

/* Whether a line found by its words alone is worth a closer look. */
static bool is_of_interest(struct oops_reader *reader, const char *raw, size_t len) {
    struct oops_log_line lines[OOPS_GLUED_MAX];
    if (oops_pstore_is_header(raw, len))
        return true;
    unsigned count = oops_reader_clean(reader, raw, len, lines);
    for (unsigned i = 0; i < count; i++)
        if (oops_form_of(&reader->scanner, lines[i].text) || oops_headless_begins(lines[i].text) ||
            oops_headless_frame(lines[i].text) || strncmp(lines[i].text, "Linux version ", 14) == 0)
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
    size_t next, piece = oops_line_end(start, len, &reader->flat, &next);
    bool whole = next == len && newline;
    bool idle = is_idle(reader);
    if (!idle || is_of_interest(reader, start, piece)) {
        if (idle)
            oops_slots_remember_window(reader, reader->at);
        if (!take_pstore(reader, start, piece))
            take_line(reader, start, piece, reader->number);
    }
    reader->at += next + whole;
    reader->number += whole;
    reader->flat &= !whole;
    return true;
}

static void work(struct oops_reader *reader, bool final) {
    while (reader->at < reader->len && !reader->error) {
        if (is_idle(reader))
            reader->widest = 0;
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

static void feed_piece(struct oops_reader *reader, const char *data, size_t len) {
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
}

int oops_reader_feed(struct oops_reader *reader, const char *data, size_t len) {
    char buffer[WIDE_BYTES];
    while (len && !reader->error) {
        const char *piece;
        size_t n = oops_wide_piece(&reader->wide, &data, &len, buffer, &piece);
        feed_piece(reader, piece, n);
    }
    return reader->error;
}

void oops_reader_next_file(struct oops_reader *reader) {
    if (reader->len && reader->window[reader->len - 1] != '\n') /* the last line of the file before was cut */
        feed_piece(reader, "\n", 1);
    reader->wide = (struct oops_wide){WIDE_UNKNOWN, false, 0};
}

int oops_reader_end(struct oops_reader *reader) {
    work(reader, true);
    leave_pstore(reader);
    take_held(reader);
    oops_slots_end(reader);
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
