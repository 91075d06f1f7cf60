/*
 * A line of a log, as people have it, into the kernel's own words.
 *
 * First its bytes are cleaned (clean.c). Then prefixes are taken off until none
 * is left, as they nest: a mail's quote mark around a line number around what
 * journald put before the kernel's time stamp. Two CPUs may have written into
 * one line: a second time stamp in its middle starts a new one. What no rule
 * knows, but stands before a report's header, is learned from there.
 *
 * Source: kernel/printk/printk.c (print_prefix), util-linux dmesg(1), systemd's
 * journalctl(1) output formats, syslog (RFC 3164, RFC 5424).
 * Simplified: the year that syslog leaves out is not guessed.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "diag/oops/oops_int.h"

#define PREFIXES_MAX 64

/* ---- Prefixes: each of these moves `*s` behind one, or returns false ---- */

/* "[  484.444834]", "[  484,444834]"; "<4>" before it is another prefix. Also without brackets' padding. */
static bool printk_time(const char *s, const char **end, int64_t *us) {
    uint64_t seconds, fraction;
    if (*s != '[')
        return false;
    const char *p = oops_blanks(s + 1);
    if (!oops_decimal(&p, &seconds) || (*p != '.' && *p != ',') || seconds > INT64_MAX / 2000000)
        return false;
    bool comma = *p++ == ',';
    const char *f = p;
    if (!oops_decimal(&p, &fraction) || p - f < (comma ? 6 : 2) || p - f > 9)
        return false;
    for (long n = p - f; n < 6; n++)
        fraction *= 10;
    for (long n = p - f; n > 6; n--)
        fraction /= 10;
    /* "[1.23,0]", "[1.23 C0]": some vendors' CPU number; "[1.23 / 01-17 10:26:36.1]", "[1.23 <    0.000010>]" */
    if (*p == ',' || *p == '@' || (*p == ' ' && strchr("C/<", p[1])))
        p += strcspn(p, "]");
    p = oops_blanks(p);
    if (*p && *p != ']') /* at the end of a line it may be cut */
        return false;
    *us = (int64_t)(seconds * 1000000 + fraction);
    *end = p + (*p == ']');
    return true;
}

/* "484.444834] ": the bracket was not copied. */
static bool torn_time(const char *s, const char **end, int64_t *us) {
    char whole[32];
    size_t n = strcspn(s, "]");
    const char *stop;
    if (!isdigit((unsigned char)*s) || n < 8 || n > 24 || s[n] != ']' || s[n + 1] != ' ' || s[n - 7] != '.')
        return false;
    snprintf(whole, sizeof(whole), "[%.*s]", (int)n, s);
    if (!printk_time(whole, &stop, us) || *stop)
        return false;
    *end = s + n + 1;
    return true;
}

/* "22150.386550:   <6> ": a collector's own form */
static bool collected_time(const char *s, const char **end, int64_t *us) {
    uint64_t seconds, fraction;
    if (!oops_decimal(&s, &seconds) || *s++ != '.' || seconds > INT64_MAX / 2000000)
        return false;
    const char *f = s;
    if (!oops_decimal(&s, &fraction) || s - f != 6 || *s++ != ':')
        return false;
    const char *level = oops_blanks(s);
    if (level[0] != '<' || !isdigit((unsigned char)level[1]) || level[2] != '>')
        return false;
    *us = (int64_t)(seconds * 1000000 + fraction);
    *end = level;
    return true;
}

static bool take_time(const char **s, struct oops_log_line *line) {
    if (!printk_time(*s, s, &line->time_us) && !torn_time(*s, s, &line->time_us) &&
        !collected_time(*s, s, &line->time_us))
        return false;
    line->has_time = line->kernel = true;
    return true;
}

/* "[  +0.000005]", "[  +0,000005]" of dmesg -d, "[Apr14 10:00]" and "[Apr 14 10:00]" of dmesg -H */
static bool take_relative(const char **s, struct oops_log_line *line) {
    const char *p = *s;
    if (*p != '[')
        return false;
    p = oops_blanks(p + 1);
    if (*p == '+') {
        const char *point = oops_digits_end(p + 1);
        if (point == p + 1 || (*point != '.' && *point != ','))
            return false;
        p = oops_digits_end(point + 1);
    } else {
        size_t month = 0; /* in the user's language */
        while ((unsigned char)p[month] >= 0x80 || isalpha((unsigned char)p[month]))
            month++;
        p = oops_blanks(p + month);
        const char *day = oops_digits_end(p);
        if (month < 3 || month > 8 || day == p || day - p > 2 || *day != ' ' || !isdigit((unsigned char)day[1]))
            return false;
        p = day + 1 + strspn(day + 1, "0123456789:");
    }
    if (*p != ']')
        return false;
    line->kernel = true;
    *s = p + 1;
    return true;
}

/* "[    C0]", "[ T6604]": CONFIG_PRINTK_CALLER */
static bool take_caller(const char **s, struct oops_log_line *line) {
    const char *p = *s;
    uint64_t id;
    if (*p != '[')
        return false;
    p = oops_blanks(p + 1);
    char kind = *p;
    if ((kind != 'C' && kind != 'T') || !isdigit((unsigned char)p[1]))
        return false;
    p++;
    if (!oops_decimal(&p, &id) || *p != ']' || (!line->has_time && p[1] != ' '))
        return false;
    line->kernel = true;
    line->caller = kind;
    line->caller_id = (uint32_t)id;
    *s = p + 1;
    return true;
}

/* "c0    321 ", "c0, ", "c3 <6>": a CPU and perhaps a task. */
static const char *vendor_cpu(const char *p) {
    if (*p != 'c')
        return NULL;
    const char *end = oops_digits_end(p + 1);
    if (end == p + 1 || end - p > 3 || (*end != ' ' && *end != ','))
        return NULL;
    bool named = *end == ',';
    p = oops_blanks(end + named);
    const char *pid = oops_digits_end(p);
    if (pid > p && *pid == ' ')
        return pid;
    return named || (p - end >= 3) || *p == '<' ? p : NULL;
}

/* "(01-28 07:22:33.304698634) ", "[pid:2124,cpu0,kworker/0:1]", "[2021:01:01 00:00:17]" */
static const char *vendor_brackets(const char *p) {
    if (*p == '(') {
        const char *end = oops_date_end(p + 1);
        return end && *end == ')' ? end + 1 : NULL;
    }
    if (oops_starts(p, "[pid:")) {
        size_t n = strcspn(p, "]");
        return n < 60 && p[n] ? p + n + 1 : NULL;
    }
    bool date = *p == '[' && oops_two_digits(p + 1) && oops_two_digits(p + 3) && p[5] == ':' &&
                oops_two_digits(p + 6) && p[8] == ':' && oops_two_digits(p + 9) && p[11] == ' ';
    const char *end = date ? oops_clock_end(p + 12) : NULL;
    return end && *end == ']' ? end + 1 : NULL;
}

/* "[3:    kworker/3:0:14402] ", " I[7: swapper/0: 1] " of Samsung's kernels, " -(0)[1:init]" of MediaTek's. */
static bool take_vendor(const char **s, struct oops_log_line *line) {
    const char *p = *s, *first, *last;
    if (!line->has_time)
        return false;
    const char *other = vendor_cpu(p);
    other = other ? other : vendor_brackets(p);
    if (other) {
        *s = other;
        return true;
    }
    bool mediatek = *p == '(' || (*p == '-' && p[1] == '(');
    if (mediatek) {
        p = oops_digits_end(strchr(p, '(') + 1);
        if (*p++ != ')')
            return false;
    }
    p += *p >= 'A' && *p <= 'Z' && p[1] == '[';
    first = oops_blanks(p + (*p == '['));
    const char *colon = oops_digits_end(first), *close = *p == '[' ? strchr(p, ']') : NULL;
    if (!close || close - p > 40 || colon == first || *colon != ':')
        return false;
    last = close;
    while (isdigit((unsigned char)last[-1]))
        last--;
    bool pid = last < close && (last[-1] == ' ' || last[-1] == ':') && last - 1 > colon;
    if (!mediatek && !pid)
        return false;
    *s = close + 1;
    return true;
}

/* "<4>", "<30>" */
static bool take_level(const char **s, struct oops_log_line *line) {
    const char *p = *s, *end;
    if (*p != '<' || (end = oops_digits_end(p + 1)) == p + 1 || end - p > 4 || *end != '>')
        return false;
    const char *next = end + 2;
    if (end[1] == ' ' && isxdigit((unsigned char)next[0]) && isxdigit((unsigned char)next[1]) &&
        (next[2] == ' ' || !next[2])) /* the marked byte of a wrapped "Code:" */
        return false;
    line->kernel = true;
    *s = end + 1;
    return true;
}

/* "6,1234,567890,-;text" and "6,1234,567890,-,caller=T12;text" of /dev/kmsg */
static bool take_kmsg(const char **s, struct oops_log_line *line) {
    uint64_t level, sequence, us, id;
    const char *p = *s;
    if (!oops_decimal(&p, &level) || *p++ != ',' || !oops_decimal(&p, &sequence) || *p++ != ',' ||
        !oops_decimal(&p, &us) || *p++ != ',' || us > INT64_MAX)
        return false;
    const char *text = strchr(p, ';');
    if (!text || text - p > 60)
        return false;
    line->time_us = (int64_t)us;
    line->has_time = line->kernel = true;
    const char *caller = oops_after(p, "caller=");
    if (caller && caller < text && (*caller == 'T' || *caller == 'C')) {
        line->caller = *caller++;
        line->caller_id = oops_decimal(&caller, &id) ? (uint32_t)id : 0;
    }
    *s = text + 1;
    return true;
}

/* "kern  :alert : " of dmesg -x */
static bool take_facility(const char **s, struct oops_log_line *line) {
    static const char *const levels[] = {"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"};
    const char *p = *s;
    if (!oops_starts(p, "kern "))
        return false;
    p = oops_blanks(p + 4);
    if (*p++ != ':')
        return false;
    for (unsigned i = 0; i < 8; i++) {
        size_t n = strlen(levels[i]);
        const char *q = oops_blanks(p + (strncmp(p, levels[i], n) ? 0 : n));
        if (q > p && *q == ':') {
            *s = q + 1;
            return line->kernel = true;
        }
    }
    return false;
}

/* "** 12 printk messages dropped **" and what belongs to it; "** replaying previous printk message **" */
static bool take_dropped(const char **s, struct oops_log_line *line) {
    const char *p = *s;
    if (!oops_starts(p, "** "))
        return false;
    const char *end = strstr(p + 3, " **");
    if (!end)
        return false;
    if (oops_starts(p, "** replaying previous"))
        line->replay = true;
    else if (!strstr(p, "dropped"))
        return false;
    *s = end + 3;
    return true;
}

/* A date, with or without brackets around it. */
static bool take_date(const char **s, struct oops_log_line *line) {
    const char *start = *s + (**s == '[');
    const char *end = oops_date_end(start);
    if (end && **s != '[' && *end == ':' && end[1] == ' ') /* "2023-05-01 10:00:00: " */
        end++;
    if (!end || (**s == '[' && *end != ']') || (**s != '[' && *end != ' ' && *end != '\t'))
        return false;
    if (!line->wall[0])
        snprintf(line->wall, sizeof(line->wall), "%.*s", (int)(end - start), start);
    line->kernel |= **s == '[' && oops_long_date(start); /* dmesg -T */
    *s = end + 1;
    return true;
}

/* "host kernel: ", "kernel: ", "host kernel[0]: ", "kern.warn kernel: "; journald's export format. */
static bool take_kernel_tag(const char **s, struct oops_log_line *line) {
    const char *p = *s;
    if (oops_starts(p, "MESSAGE=")) {
        *s = p + 8;
        return true;
    }
    if (oops_starts(p, "kernel:") && p[7] != ' ') { /* syslogd's messages to terminals */
        *s = p + 7;
        return line->kernel = true;
    }
    bool clock = false; /* a date in the words of any language may stand before it */
    for (int words = 0; words < (clock ? 6 : 4); words++) {
        size_t n = strcspn(p, " \t");
        if (n >= 6 && !memcmp(p, "kernel", 6) && (p[6] == ':' || p[6] == '[') && p[n - 1] == ':') {
            *s = p + n;
            return line->kernel = true;
        }
        if (words == 0 && line->wall[0] && !line->kernel && oops_starts(p, "kernel  ")) { /* a viewer's column */
            *s = p + n;
            return line->kernel = true;
        }
        if (!n || n > 80 || !p[n] || *p == '[' || (*p == '<' && !line->wall[0]))
            return false;
        clock |= n >= 8 && oops_clock_end(p) != NULL;
        p = oops_blanks(p + n);
    }
    return false;
}

/* "host kernel - - - ", "host kernel - - [meta sequenceId=1] ": what RFC 5424 has behind its date. */
static bool take_structured(const char **s, struct oops_log_line *line) {
    const char *p = *s;
    if (!line->wall[0] || line->has_time)
        return false;
    for (int words = 0; words < 4; words++) { /* host, program, process, message's kind */
        size_t n = strcspn(p, " ");
        if (!n || n > 80 || p[n] != ' ' || (words == 1 && (n != 6 || memcmp(p, "kernel", 6) != 0)))
            return false;
        p += n + 1;
    }
    const char *end = *p == '-' ? p + 1 : *p == '[' ? strstr(p, "] ") : NULL;
    if (!end)
        return false;
    *s = end + (*end == ']');
    return line->kernel = true;
}

/* "  123   123 E kernel  : ", "E/kernel  (  180): " of logcat */
static bool take_logcat(const char **s, struct oops_log_line *line) {
    const char *p = *s, *tag;
    if (line->wall[0] && isdigit((unsigned char)*p)) {
        p = oops_blanks(oops_digits_end(p));
        p = oops_blanks(oops_digits_end(p));
    }
    if (!*p || !strchr("VDIWEF", *p) || (p[1] != '/' && p[1] != ' '))
        return false;
    tag = oops_blanks(p + 2);
    if (strncasecmp(tag, "kernel", 6) != 0)
        return false;
    p = oops_blanks(tag + 6);
    if (*p == '(')
        p += strcspn(p, ")") + (strchr(p, ')') != NULL);
    p = oops_blanks(p);
    if (*p != ':')
        return false;
    *s = p + 1;
    return line->kernel = true;
}

/* "stdout F " of a container's log */
static bool take_stream(const char **s, struct oops_log_line *line) {
    if (!line->wall[0] || (!oops_starts(*s, "stdout ") && !oops_starts(*s, "stderr ")))
        return false;
    *s += 7;
    *s += (oops_starts(*s, "F ") || oops_starts(*s, "P ")) ? 2 : 0;
    return true;
}

/* "> " of a mail, "| " of a table, quotes, bullets of a list */
static bool take_quote(const char **s, struct oops_log_line *line) {
    const char *p = *s;
    bool first = !line->kernel && !line->wall[0]; /* nothing that a kernel prints begins so */
    bool mark = (*p == '>' || *p == '|') && (!p[1] || strchr(" >[`|", p[1]) || (*p == '>' && first));
    bool around = (*p == '"' || *p == '\'' || *p == ',') && p[1] && strchr("[<\"", p[1]);
    bool quote = *p == '`' || around || (*p == '"' && !strchr(p + 1, '"')); /* its closing one is gone already */
    if (!mark && !quote)
        return false;
    (*s)++;
    return true;
}

/* A column of line numbers: digits before something that is a prefix itself, or before "|", ":" or a tab. */
static bool take_line_number(const char **s, struct oops_log_line *line) {
    const char *end = oops_digits_end(*s), *ignored;
    int64_t us;
    if (end == *s || end - *s > 8)
        return false;
    const char *p = oops_blanks(end);
    bool column = *p == '|' || *end == '\t' || (*end == ':' && end[1] == ' ');
    const char *rest = oops_blanks(p + strspn(p, ".:|)"));
    if (rest == end)
        return false;
    bool prefix = (end - *s >= 2 && *end == ' ' && (oops_body_begins(rest) || strstr(rest, "+0x"))) ||
                  printk_time(rest, &ignored, &us) || oops_date_end(rest) ||
                  (rest[0] == '<' && isdigit((unsigned char)rest[1]));
    if (!prefix && (!column || (isdigit((unsigned char)*rest) && *p != '|')))
        return false;
    *s = rest;
    return true;
}

/* Whether it is the rest of a wrapped record: a place in a function, an address. */
static bool is_kernels(const char *s, const char *end) {
    size_t digits = 0;
    for (; s < end && digits < 16; s++) {
        if (oops_starts_within(s, end, "+0x"))
            return true;
        digits = isxdigit((unsigned char)*s) ? digits + 1 : 0;
    }
    return digits == 16;
}

/* "syzkaller login: [   24.0] BUG:": what a program had begun to write. */
static bool take_glued(const char **s, struct oops_log_line *line) {
    const char *end, *open = strchr(*s, '[');
    int64_t us;
    for (; open && open - *s < 160; open = strchr(open + 1, '['))
        if (printk_time(open, &end, &us) && (*end == ' ' || *end == '[' || !*end))
            break;
    if (!open || open == *s || open - *s >= 160 || line->has_time || is_kernels(*s, open))
        return false;
    *s = open;
    return true;
}

static const char *strip_prefixes(const char *s, struct oops_log_line *line) {
    static bool (*const prefixes[])(const char **, struct oops_log_line *) = {
        take_time,   take_relative,   take_caller,      take_vendor,   take_level,      take_dropped,
        take_date,   take_kernel_tag, take_kmsg,        take_facility, take_structured, take_logcat,
        take_stream, take_quote,      take_line_number, take_glued,
    };
    for (int turn = 0; turn < PREFIXES_MAX; turn++) {
        s = oops_blanks(s);
        unsigned i = 0, count = sizeof(prefixes) / sizeof(prefixes[0]);
        while (i < count && !prefixes[i](&s, line))
            i++;
        if (i == count)
            break;
    }
    return oops_blanks(s);
}

/* The next time stamp of printk inside a text, where another CPU's record begins; NULL: none. */
static char *inner_record(char *text) {
    int64_t us;
    const char *end;
    for (char *open = strchr(text, '['); open; open = strchr(open + 1, '['))
        if (printk_time(open, &end, &us) && end[-1] == ']' && end - open >= 10 && (*end == ' ' || *end == '['))
            return open;
    return NULL;
}

unsigned oops_line_clean(const char *raw, size_t len, char *buffer, struct oops_log_line lines[OOPS_GLUED_MAX]) {
    oops_clean_bytes(raw, len, buffer);
    unsigned count = 0;
    for (char *rest = buffer; rest && count < OOPS_GLUED_MAX;) {
        struct oops_log_line *line = &lines[count++];
        *line = (struct oops_log_line){0};
        if (count > 1)
            memcpy(line->wall, lines[0].wall, sizeof(line->wall));
        line->text = buffer + (strip_prefixes(rest, line) - buffer);
        if (oops_starts(line->text, "Message from syslogd@")) /* who says so, on a line of its own */
            *line->text = '\0';
        rest = count < OOPS_GLUED_MAX ? inner_record(line->text) : NULL;
        if (rest > line->text && rest[-1] == ' ')
            rest[-1] = '\0'; /* end the record before it */
        else if (rest) {
            /* No blank to overwrite: shift by one, for which the buffer has room. */
            memmove(rest + 1, rest, strlen(rest) + 1);
            *rest++ = '\0';
        }
    }
    return count;
}

/* ---- Prefixes that no rule knows ---- */

/* Words of the kernel's own that stand before what a header is known by. */
static bool kernels_own(const char *text, size_t n) {
    static const char *const own[] = {"rcu", "watchdog", "NMI",     "Oops",   "CPU",      "Internal",
                                      "BUG", "WARNING",  "INFO",    "kernel", "Kernel",   "traps",
                                      "x86", "Uhhuh",    "PANIC",   "KASAN",  "mm:",      "---",
                                      "===", "***",      "invalid", "SError", "Unhandled"};
    for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (strlen(own[i]) <= n && !strncmp(text, own[i], strlen(own[i])))
            return true;
    return false;
}

void oops_foreign_learn(struct oops_foreign *foreign, const char *text, size_t header) {
    size_t n = header;
    foreign->text[0] = '\0';
    while (n && text[n - 1] == ' ')
        n--;
    bool ends = n && strchr(":])>|})-#*%,;\"'", text[n - 1]) != NULL;
    ends |= n && isdigit((unsigned char)text[n - 1]) && memchr(text, '.', n) && strspn(text, "0123456789. ") >= n;
    if (!ends || header >= sizeof(foreign->text) || kernels_own(text, header))
        return;
    memcpy(foreign->text, text, header);
    foreign->text[header] = '\0';
}

const char *oops_foreign_skip(const struct oops_foreign *foreign, const char *text) {
    const char *p = foreign->text, *s = text;
    while (*p) {
        if (*p == ' ' || isdigit((unsigned char)*p)) { /* numbers may be padded */
            p = oops_blanks(p);
            s = oops_blanks(s);
            const char *digits = oops_digits_end(s);
            if (isdigit((unsigned char)*p) && digits == s)
                return text;
            if (isdigit((unsigned char)*p))
                s = digits;
            p = oops_digits_end(p);
        } else if (*p++ != *s++) {
            return text;
        }
    }
    return s;
}

void oops_line_skip_foreign(const struct oops_foreign *foreign, struct oops_log_line *lines, unsigned count) {
    for (unsigned i = 0; i < count && foreign->text[0]; i++)
        lines[i].text += oops_foreign_skip(foreign, lines[i].text) - lines[i].text;
}
