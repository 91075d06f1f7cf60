/*
 * Where the lines of a log end, beside newlines: carriage returns alone, tags of
 * web pages, "\\n" of strings; and nothing at all, where a page made one line of
 * many. Then the next time stamp, the next frame or words that only begin lines
 * of a report's end the one before.
 *
 * Simplified: a message behind "cut here" in such a line is not told from it
 * where there are no time stamps.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "diag/oops/oops_int.h"

#define FLAT_BYTES 400 /* shorter lines are left whole */

static const char *const breaking_tags[] = {"br", "/p", "/div", "/tr", "/li"};

bool oops_names_tag(const char *s, const char *end, const char *tag) {
    size_t n = strlen(tag);
    return n < (size_t)(end - s) && !strncasecmp(s, tag, n) && strchr(" />", s[n]) && s[n];
}

static bool only_blanks(const char *s, const char *end) {
    while (s < end && (*s == ' ' || *s == '\t' || *s == '\r'))
        s++;
    return s == end;
}

/* "<br>", "</div>": behind it, NULL: no such tag. `s` is behind "<". */
static const char *breaking_tag_end(const char *s, const char *end) {
    for (unsigned i = 0; i < sizeof(breaking_tags) / sizeof(breaking_tags[0]); i++)
        if (oops_names_tag(s, end, breaking_tags[i])) {
            const char *close = memchr(s, '>', (size_t)(end - s) < 100 ? (size_t)(end - s) : 100);
            return close ? close + 1 : NULL;
        }
    return NULL;
}

/* "[   12.345678]" of a record that a page put behind the one before. */
static bool record_at(const char *s, const char *end) {
    const char *p = s + 1;
    while (p < end && *p == ' ')
        p++;
    const char *digits = p;
    while (p < end && isdigit((unsigned char)*p))
        p++;
    if (p == digits || end - p < 6 || *p != '.')
        return false;
    for (digits = ++p; p < end && isdigit((unsigned char)*p); p++)
        ;
    return p - digits >= 3 && p < end && *p == ']';
}

/* What only begins lines of its own in a report. */
static bool begins_line(const char *s, const char *end) {
    static const char *const begins[] = {"Modules linked in:",
                                         "CPU: ",
                                         "Hardware name: ",
                                         "RIP: 0",
                                         "EIP: 0",
                                         "EIP is at ",
                                         "Code: ",
                                         "Call Trace:",
                                         "Call trace:",
                                         "Oops: ",
                                         "RSP: 0",
                                         "RAX: ",
                                         "RDX: ",
                                         "RBP: ",
                                         "R10: ",
                                         "R13: ",
                                         "FS: ",
                                         "CS: 0010",
                                         "CR2: ",
                                         "eax: ",
                                         "esi: ",
                                         "ds: 00",
                                         "Process ",
                                         "Stack: ",
                                         "---[ end ",
                                         "PGD ",
                                         "#PF: ",
                                         "*pde = ",
                                         "*pdpt = ",
                                         "<TASK>",
                                         "</TASK>",
                                         "<IRQ>",
                                         "</IRQ>",
                                         "EAX: ",
                                         "ESI: ",
                                         "DS: 00",
                                         "CR0: ",
                                         "Pid: ",
                                         "Tainted: [",
                                         "RIP [<",
                                         "Mem abort ",
                                         "ESR = ",
                                         "EC = ",
                                         "SET = ",
                                         "EA = ",
                                         "FSC = ",
                                         "Data abort",
                                         "ISV = ",
                                         "CM = ",
                                         "Internal error: ",
                                         "pstate: ",
                                         "pc : ",
                                         "lr : ",
                                         "sp : ",
                                         "PC is at ",
                                         "LR is at ",
                                         "Kernel panic - ",
                                         "BUG: ",
                                         "kernel BUG at ",
                                         "------------[ cut",
                                         "WARNING: CPU: ",
                                         "Backtrace:",
                                         "note: "};
    for (unsigned i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
        if (oops_starts_within(s, end, begins[i]))
            return true;
    return false;
}

/* "f+0x1/0x2", with what may stand before it in a trace: "[<1234>] ? f+0x1/0x2", "[] f+0x1/0x2". */
static bool frame_at(const char *s, const char *end) {
    if (oops_starts_within(s, end, "[<") || oops_starts_within(s, end, "[] ")) {
        const char *close = memchr(s, ']', (size_t)(end - s) < 24 ? (size_t)(end - s) : 24);
        if (!close || close + 2 >= end)
            return false;
        s = close + 2;
    }
    if (oops_starts_within(s, end, "? "))
        s += 2;
    const char *p = s;
    while (p < end && (oops_is_word(*p) || *p == '.'))
        p++;
    return p > s && oops_starts_within(p, end, "+0x");
}

/* Whether the word before `blank` belongs to the frame behind it. */
static bool leads_to_frame(const char *s, const char *blank) {
    static const char *const leads[] = {"?", ">]", "[]", "at", "is", "in", "from", ":", "RIP", "IP"};
    for (unsigned i = 0; i < sizeof(leads) / sizeof(leads[0]); i++) {
        size_t n = strlen(leads[i]);
        if ((size_t)(blank - s) >= n && !memcmp(blank - n, leads[i], n))
            return true;
    }
    return false;
}

/* Whether a page made one line of many. */
static bool is_flat(const char *s, size_t len) {
    const char *end = s + len;
    unsigned records = 0, lines = 0;
    for (const char *p = s; len > FLAT_BYTES && (p = memchr(p, ' ', (size_t)(end - p))) != NULL;) {
        p++;
        records += p < end && *p == '[' && record_at(p, end);
        lines += begins_line(p, end);
    }
    return records >= 3 || lines >= 5;
}

/* Where in a line that was many the first of them ends. */
static size_t flat_end(const char *s, size_t len, size_t *next) {
    const char *end = s + len;
    for (const char *p = s + 1; p + 1 < end; p++) {
        if (*p != ' ' || p[1] == ' ')
            continue;
        bool record = p[1] == '[' && record_at(p + 1, end);
        bool frame = frame_at(p + 1, end) && !leads_to_frame(s, p);
        if (record || frame || begins_line(p + 1, end)) {
            *next = (size_t)(p + 1 - s);
            return (size_t)(p - s);
        }
    }
    *next = len;
    return len;
}

static size_t marked_end(const char *s, size_t len, size_t *next) {
    const char *end = s + len;
    for (const char *p = s; p < end; p++) {
        const char *rest = NULL;
        if (*p == '\r' && p > s)
            rest = p + 1;
        else if (*p == '<')
            rest = breaking_tag_end(p + 1, end);
        else if (*p == '\\' && end - p > 2 && p[1] == 'n' && (p == s || p[-1] != '\\') && p[2] != '"')
            rest = p + 2;
        if (!rest || (p == s && *p != '<'))
            continue;
        if (only_blanks(rest, end)) /* it is at the end of the line anyway */
            continue;
        *next = (size_t)(rest - s);
        return (size_t)(p - s);
    }
    *next = len;
    return len;
}

size_t oops_line_end(const char *s, size_t len, bool *flat, size_t *next) {
    size_t behind, n = marked_end(s, len, next);
    *flat = *flat || is_flat(s, n);
    size_t first = *flat ? flat_end(s, n, &behind) : n;
    if (first < n)
        *next = behind;
    else
        *flat = false; /* the next one shows it anew */
    return first;
}
