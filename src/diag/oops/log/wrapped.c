/*
 * Lines that a mail program, a terminal or a form broke in two: whether one line
 * goes on in the next.
 *
 * A program that wraps breaks where the next word would not have fitted, and
 * what it moved to the next line has no time stamp. So a line goes on if it is
 * of about the usual width, would not have had room for the next one's first
 * word, and the next one has none of the kernel's prefixes while this one has.
 * Logs without prefixes have no such sign; there only headers and lines that
 * end in the middle of words known by heart are joined. Kernels before 4.20
 * broke some headers themselves, when another CPU printed in between.
 *
 * Simplified: lines that lost blanks at the place of the break get one back.
 */
#include <ctype.h>
#include <string.h>

#include "diag/oops/oops_int.h"

#define NARROWEST 62  /* columns that wrapping programs leave */
#define WIDEST    100 /* lines longer than this were not wrapped */

static bool ends_with(const char *text, const char *words) {
    size_t n = strlen(text), m = strlen(words);
    return n >= m && !memcmp(text + n - m, words, m);
}

/* Where headers and program counters are broken in logs that have no time stamps. */
bool oops_line_ends_early(const char *text) {
    static const char *const ends[] = {
        " PID:",         " CPU:",       " at",         " at:",
        " blocked for",  " for more",   " more than",  " blocked",
        " handle",       " kernel",     " NULL",       " pointer",
        " paging",       " request",    " virtual",    " address",
        " address:",     "RIP:",        "RIP: 0010:",  "EIP is at",
        "PC is at",      "possible",    "circular",    "locking",
        "dependency",    " called",     " from",       " invalid",
        "self-detected", " detected",   " stall",      " stalls",
        " stall on",     " stalls on",  "soft",        "lockup -",
        " possibly",     " stuck",      " stuck for",  "dereference",
        "non-canonical", " probably",   " protection", " protection fault,",
        " on",           " for",        " of",         " to",
        " by",           " maybe",      "WARNING:",    "BUG:",
        " KASAN:",       " KMSAN:",     " KFENCE:",    " KCSAN:",
        "kernel BUG at", " suspicious", " in",         "task",
        " self-",        " /",          " mount",      " addr",
        " access",       " fault:",     "(address",
    };
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (ends_with(text, ends[i]))
            return true;
    return (oops_starts(text, "RIP: ") || oops_starts(text, "EIP: ") || oops_starts(text, "IP: ")) &&
           ends_with(text, ">]");
}

/* SLUB's headers, broken inside of what they say. */
static bool slab_cut(const char *text) {
    static const char *const ends[] = {"): Right",     "): Left",    "): Object",  "): Redzone",
                                       "): Poison",    "): Padding", "): Objects", "): Freepointer",
                                       "): Freechain", "): Wrong",   " Redzone"};
    const char *taint = strstr(text, "BUG ") ? strstr(text, "ainted") : NULL;
    if (!taint || taint - text < 2)
        return false;
    if (!strchr(taint, ')')) /* in the middle of its letters */
        return taint[-1] == 'T' && taint[-2] == '(';
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (ends_with(text, ends[i]))
            return true;
    return ends_with(text, "):");
}

/* A header of which the words that would tell it are in the next line. */
static bool is_stub(const char *text) {
    return ends_with(text, "WARNING:") || ends_with(text, "INFO:") || ends_with(text, "BUG:") || slab_cut(text);
}

bool oops_line_may_go_on(const char *text) {
    return is_stub(text) || ends_with(text, "BUG: KASAN:") || ends_with(text, "BUG: KFENCE:") ||
           ends_with(text, "INFO: task") || ends_with(text, "kernel BUG") || ends_with(text, "INFO: possible") ||
           ends_with(text, "Unable to handle") || ends_with(text, "WARNING: CPU:") ||
           ends_with(text, "Internal error:") || ends_with(text, "RIP:");
}

/* Headers that end in a function, and this one does not yet. */
static bool lacks_function(const char *text) {
    return (strstr(text, "WARNING: CPU: ") || strstr(text, "WARNING: at ") || strstr(text, "WARNING: [") ||
            (strstr(text, "BUG: K") && !strstr(text, "KCSAN"))) &&
           !strstr(text, "+0x");
}

/* Words that begin a line of their own, or that such a line has in front. */
static bool begins_anew(const char *text) {
    static const char *const begins[] = {"----", "====", "<TASK>", "</TASK>", "<IRQ>", "</IRQ>", "? "};
    if (oops_body_begins(text))
        return true;
    for (unsigned i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
        if (oops_starts(text, begins[i]))
            return true;
    return false;
}

/* "BUG: unable to handle kernel", then " paging request at ..." as a record of its own. */
static bool broken_by_printk(const char *text, const char *next) {
    if (ends_with(text, "to handle kernel"))
        return oops_starts(next, "NULL pointer") || oops_starts(next, "paging request");
    return oops_starts(next, "seconds") && strstr(text, " blocked ") != NULL;
}

/* "Code: 55 89 e5", then "8b 40 <0c> c3" */
static bool more_code(const char *text, const char *next) {
    if (!oops_starts(text, "Code:") || strlen(next) < 5)
        return false;
    return strspn(next, "0123456789abcdef <>()") == strlen(next) && (next[2] == ' ' || strchr("<(", next[0]));
}

/* What is behind a header, and would not have had room in it, goes on with a sentence. */
static bool header_goes_on(size_t columns, const char *next) {
    bool inside = (*next >= 'a' && *next <= 'z') || *next == '(';
    return inside && columns + 1 + strcspn(next, " ") > 72 && !strchr(next, ':') && !strchr(next, '=');
}

bool oops_line_wraps(const struct oops_scanner *scanner, const struct oops_log_line *line, size_t columns,
                     const struct oops_log_line *next) {
    const char *text = line->text, *more = next->text;
    if (!text[0] || !more[0])
        return false;
    if (broken_by_printk(text, more) || (!next->kernel && more_code(text, more)))
        return true;
    if (next->kernel || next->wall[0])
        return false;
    if (oops_starts(text, "Krnl PSW : ") && more[0] == '(') /* s390: the function */
        return true;
    if (ends_with(text, "Internal error:"))
        return true;
    if (is_stub(text) && !ends_with(text, "INFO:") && (slab_cut(text) || oops_starts(more, "CPU: ")))
        return true;
    if (begins_anew(more) || strstr(text, " which became ")) /* lockdep's heading of a trace */
        return false;
    if (columns > WIDEST || (line->kernel && strstr(text, "+0x") && strchr(more, ':')) || oops_form_of(scanner, more))
        return false;
    if (oops_line_ends_early(text))
        return true;
    if (columns + 1 + strcspn(more, " \t") < NARROWEST)
        return false;
    return lacks_function(text) || (line->kernel && (!oops_form_of(scanner, text) || header_goes_on(columns, more)));
}

bool oops_line_cut_in_word(const char *text, size_t n, const char *next) {
    size_t last = n, first = strspn(next, "0123456789abcdef");
    while (last && isxdigit((unsigned char)text[last - 1]))
        last--;
    size_t digits = n - last;
    bool alone = strchr(" )]>,:", next[first]) != NULL; /* its end too */
    bool begun = last == 0 || strchr(" x([<:", text[last - 1]) != NULL;
    if (oops_starts(text, "Code:"))
        return digits == 1 || text[n - 1] == '<';
    if (begun && alone && digits && first && (digits + first == 16 || digits + first == 8))
        return true;
    return text[n - 1] == '_' || text[n - 1] == '+' || next[0] == '+' || next[0] == '/' ||
           !strncmp(text + last, "0x", 3);
}
