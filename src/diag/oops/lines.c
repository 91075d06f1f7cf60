/*
 * A line of a log, as people have it, into the kernel's own words.
 *
 * First bytes are cleaned: carriage returns, control characters, ANSI sequences
 * and the HTML of web pages go, entities become characters. Then prefixes are
 * taken off until none is left, as they nest: a mail's quote mark around a line
 * number around what journald put before the kernel's time stamp. Two CPUs may
 * have written into one line: a second time stamp in its middle starts a new
 * one.
 *
 * Source: kernel/printk/printk.c (print_prefix), util-linux dmesg(1), systemd's
 * journalctl(1) output formats, syslog (RFC 3164, RFC 5424).
 * Simplified: the year that syslog leaves out is not guessed.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "diag/oops/oops_int.h"

#define PREFIXES_MAX 12

/* ---- Bytes ---- */

/* ESC [ ... letter, ESC ] ... BEL, ESC letter; `s` is behind the ESC. Returns what is behind it all. */
static const char *skip_escape(const char *s, const char *end) {
    if (s == end)
        return s;
    if (*s == ']') {
        while (s < end && *s != '\a')
            s++;
        return s < end ? s + 1 : s;
    }
    if (*s != '[')
        return s + 1;
    for (s++; s < end && ((unsigned char)*s < 0x40 || (unsigned char)*s > 0x7e); s++)
        ;
    return s < end ? s + 1 : s;
}

struct entity {
    const char *text;
    char means;
};

static const struct entity entities[] = {
    {"lt;", '<'},   {"gt;", '>'},    {"amp;", '&'},  {"quot;", '"'}, {"apos;", '\''}, {"nbsp;", ' '},
    {"#39;", '\''}, {"#34;", '"'},   {"#60;", '<'},  {"#62;", '>'},  {"#38;", '&'},   {"#160;", ' '},
    {"#43;", '+'},  {"#x27;", '\''}, {"#x2F;", '/'}, {"#47;", '/'},
};

/* `s` is behind an ampersand. Returns the length of the entity, 0: none. */
static size_t entity_at(const char *s, const char *end, char *means) {
    for (unsigned i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        size_t n = strlen(entities[i].text);
        if (n <= (size_t)(end - s) && !memcmp(s, entities[i].text, n)) {
            *means = entities[i].means;
            return n;
        }
    }
    return 0;
}

/* Tags that pages put around logs; what a kernel prints in angle brackets is none of them. */
static const char *const tags[] = {"pre", "code", "br", "p", "div", "span", "td", "tr", "tt", "font", "b", "li", "a"};

/* `s` is behind "<". Returns the length up to behind ">", 0: no tag. */
static size_t tag_at(const char *s, const char *end) {
    const char *name = s + (s < end && *s == '/');
    for (unsigned i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        size_t n = strlen(tags[i]);
        if (n >= (size_t)(end - name) || memcmp(name, tags[i], n) || !strchr(" />", name[n]))
            continue;
        const char *close = memchr(name, '>', (size_t)(end - name));
        if (close && close - s < 400)
            return (size_t)(close - s) + 1;
    }
    return 0;
}

/* The bytes of a line that mean something, NUL-terminated. Returns their number. */
static size_t clean_bytes(const char *s, size_t len, char *to) {
    const char *end = s + len;
    char *start = to;
    while (s < end) {
        unsigned char c = (unsigned char)*s++;
        size_t n;
        char means;
        if (c == 0x1b) {
            s = skip_escape(s, end);
        } else if (c == '#' && end - s >= 4 && !memcmp(s, "033[", 4)) { /* rsyslog's spelling of ESC [ */
            s = skip_escape(s + 3, end);
        } else if (c == '&' && (n = entity_at(s, end, &means)) != 0) {
            s += n;
            while (means == '&' && (n = entity_at(s, end, &means)) != 0) /* escaped twice: &amp;lt; */
                s += n;
            *to++ = means;
        } else if (c == '<' && (n = tag_at(s, end)) != 0) {
            s += n;
        } else if (c == 0xc2 && s < end && (unsigned char)*s == 0xa0) { /* no-break space */
            s++;
            *to++ = ' ';
        } else if (c == 0xc2 && s < end && (unsigned char)*s >= 0x80 && (unsigned char)*s < 0xa0) {
            s++; /* control characters of UTF-8 */
        } else if (c == 0xc3 && s < end && (unsigned char)*s == 0x97 && to > start &&
                   to[-1] == '0') { /* "0×1f" of a page */
            s++;
            *to++ = 'x';
        } else if (c == '\t' || (c >= 0x20 && c != 0x7f)) {
            *to++ = (char)c;
        }
    }
    while (to > start && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    *to = '\0';
    return (size_t)(to - start);
}

/* ---- Prefixes: each of these moves `*s` behind one, or returns false ---- */

static const char *digits_end(const char *s) {
    while (isdigit((unsigned char)*s))
        s++;
    return s;
}

/* "[  484.444834]", "<4>" before it is another prefix. Also without brackets' padding. */
static bool printk_time(const char *s, const char **end, int64_t *us) {
    uint64_t seconds, fraction;
    if (*s != '[')
        return false;
    const char *p = oops_blanks(s + 1);
    if (!oops_decimal(&p, &seconds) || *p++ != '.' || seconds > INT64_MAX / 2000000)
        return false;
    const char *f = p;
    if (!oops_decimal(&p, &fraction) || p - f < 2 || p - f > 9)
        return false;
    for (long n = p - f; n < 6; n++)
        fraction *= 10;
    for (long n = p - f; n > 6; n--)
        fraction /= 10;
    if (*p == ',' || (*p == ' ' && p[1] == 'C') || *p == '@') /* "[1.23,0]", "[1.23 C0]": some vendors' CPU number */
        p += strcspn(p, "]");
    p = oops_blanks(p);
    if (*p != ']')
        return false;
    *us = (int64_t)(seconds * 1000000 + fraction);
    *end = p + 1;
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
        const char *point = digits_end(p + 1);
        if (point == p + 1 || (*point != '.' && *point != ','))
            return false;
        p = digits_end(point + 1);
    } else {
        size_t month = 0; /* in the user's language */
        while ((unsigned char)p[month] >= 0x80 || isalpha((unsigned char)p[month]))
            month++;
        p = oops_blanks(p + month);
        const char *day = digits_end(p);
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

/* "[3:    kworker/3:0:14402] ", " I[7: swapper/0: 1] " of Samsung's kernels, " -(0)[1:init]" of MediaTek's. */
static bool take_vendor(const char **s, struct oops_log_line *line) {
    const char *p = *s, *first, *last;
    if (!line->has_time)
        return false;
    bool mediatek = *p == '(' || (*p == '-' && p[1] == '(');
    if (mediatek) {
        p = digits_end(strchr(p, '(') + 1);
        if (*p++ != ')')
            return false;
    }
    p += *p >= 'A' && *p <= 'Z' && p[1] == '[';
    first = oops_blanks(p + (*p == '['));
    const char *colon = digits_end(first), *close = *p == '[' ? strchr(p, ']') : NULL;
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
    if (*p != '<' || (end = digits_end(p + 1)) == p + 1 || end - p > 4 || *end != '>')
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

static bool two_digits(const char *s) {
    return isdigit((unsigned char)s[0]) && isdigit((unsigned char)s[1]);
}

/* The end of "17:53:41", "17:53:41.123456", "17:53:41+02:00" ...; NULL: none. */
static const char *clock_end(const char *s) {
    if (!two_digits(s) || s[2] != ':' || !two_digits(s + 3) || s[5] != ':' || !two_digits(s + 6))
        return NULL;
    s += 8;
    if (*s == '.' || *s == ',')
        s = digits_end(s + 1);
    if (*s == 'Z')
        return s + 1;
    if ((*s == '+' || *s == '-') && two_digits(s + 1)) {
        s += 3;
        s += *s == ':';
        s = digits_end(s);
    }
    return s;
}

static bool month_name(const char *s) {
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char name[4] = {s[0], s[0] ? s[1] : '\0', s[0] && s[1] ? s[2] : '\0', '\0'};
    const char *at = strlen(name) == 3 ? strstr(names, name) : NULL;
    return at && (at - names) % 3 == 0;
}

static bool day_name(const char *s) {
    static const char names[] = "MonTueWedThuFriSatSun";
    char name[4] = {s[0], s[0] ? s[1] : '\0', s[0] && s[1] ? s[2] : '\0', '\0'};
    const char *at = strlen(name) == 3 ? strstr(names, name) : NULL;
    return at && (at - names) % 3 == 0;
}

/* "Apr 09 17:53:41", "Apr  9 17:53:41.000001" */
static const char *syslog_date(const char *s) {
    if (!month_name(s) || s[3] != ' ')
        return NULL;
    const char *p = oops_blanks(s + 3), *end = digits_end(p);
    if (end == p || end - p > 2 || *end != ' ')
        return NULL;
    return clock_end(oops_blanks(end));
}

/* "St okt 15 20:57:24 2025]": that of dmesg -T in the user's language, up to the bracket */
static const char *foreign_date(const char *s) {
    unsigned words = 0;
    while (words < 2 && ((unsigned char)*s >= 0x80 || isalpha((unsigned char)*s))) {
        while ((unsigned char)*s >= 0x80 || isalpha((unsigned char)*s) || *s == '.')
            s++;
        s = oops_blanks(s);
        words++;
    }
    const char *day = digits_end(s), *clock = words == 2 && day > s && *day == ' ' ? clock_end(oops_blanks(day)) : NULL;
    if (!clock || *clock != ' ')
        return NULL;
    const char *year = digits_end(clock + 1);
    return year - clock == 5 && *year == ']' ? year : NULL;
}

/* "Mon Apr 17 10:00:00 2023" */
static const char *long_date(const char *s) {
    if (!day_name(s) || s[3] != ' ')
        return foreign_date(s);
    const char *p = syslog_date(oops_blanks(s + 3));
    if (!p || *p != ' ')
        return NULL;
    const char *year = digits_end(p + 1);
    return year - p == 5 ? year : NULL;
}

/* "13.01.2025 19:40:36:297" */
static const char *dotted_date(const char *s) {
    if (!two_digits(s) || s[2] != '.' || !two_digits(s + 3) || s[5] != '.' || !two_digits(s + 6) ||
        !two_digits(s + 8) || s[10] != ' ')
        return NULL;
    const char *end = clock_end(s + 11);
    return end && *end == ':' ? digits_end(end + 1) : end;
}

/* "2023-05-01T10:00:00+0200", "2023-05-01 10:00:00", "2023/05/01 10:00:00" */
static const char *iso_date(const char *s) {
    if (!two_digits(s) || !two_digits(s + 2) || (s[4] != '-' && s[4] != '/') || !two_digits(s + 5) || s[7] != s[4] ||
        !two_digits(s + 8) || (s[10] != 'T' && s[10] != ' '))
        return NULL;
    return clock_end(s + 11);
}

static const char *any_date(const char *s) {
    const char *end = long_date(s);
    end = end ? end : syslog_date(s);
    end = end ? end : iso_date(s);
    end = end ? end : dotted_date(s);
    return end ? end : clock_end(s);
}

/* A date, with or without brackets around it. */
static bool take_date(const char **s, struct oops_log_line *line) {
    const char *start = *s + (**s == '[');
    const char *end = any_date(start);
    if (!end || (**s == '[' && *end != ']') || (**s != '[' && *end != ' ' && *end != '\t'))
        return false;
    if (!line->wall[0])
        snprintf(line->wall, sizeof(line->wall), "%.*s", (int)(end - start), start);
    line->kernel |= **s == '[' && long_date(start); /* dmesg -T */
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
    if (oops_starts(p, "kernel:[")) { /* syslogd's messages to terminals */
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
        clock |= n >= 8 && clock_end(p) != NULL;
        p = oops_blanks(p + n);
    }
    return false;
}

/* "> " of a mail, "| " of a table */
static bool take_quote(const char **s, struct oops_log_line *line) {
    if ((**s != '>' && **s != '|') || ((*s)[1] && !strchr(" >[", (*s)[1])))
        return false;
    (*s)++;
    return true;
}

/* A column of line numbers: digits before something that is a prefix itself, or before "|", ":" or a tab. */
static bool take_line_number(const char **s, struct oops_log_line *line) {
    const char *end = digits_end(*s), *ignored;
    int64_t us;
    if (end == *s || end - *s > 8)
        return false;
    const char *p = oops_blanks(end);
    bool column = *p == '|' || *end == '\t' || (*end == ':' && end[1] == ' ');
    const char *rest = oops_blanks(p + strspn(p, ".:|)"));
    if (rest == end)
        return false;
    bool prefix = (end - *s >= 2 && *end == ' ' && (oops_body_begins(rest) || strstr(rest, "+0x"))) ||
                  printk_time(rest, &ignored, &us) || any_date(rest) ||
                  (rest[0] == '<' && isdigit((unsigned char)rest[1]));
    if (!prefix && (!column || (isdigit((unsigned char)*rest) && *p != '|')))
        return false;
    *s = rest;
    return true;
}

/* "syzkaller login: [   24.0] BUG:": what a program had begun to write. */
static bool take_glued(const char **s, struct oops_log_line *line) {
    const char *end, *open = strchr(*s, '[');
    int64_t us;
    for (; open && open - *s < 160; open = strchr(open + 1, '['))
        if (printk_time(open, &end, &us) && (*end == ' ' || *end == '[' || !*end))
            break;
    if (!open || open == *s || open - *s >= 160 || line->has_time)
        return false;
    *s = open;
    return true;
}

static const char *strip_prefixes(const char *s, struct oops_log_line *line) {
    static bool (*const prefixes[])(const char **, struct oops_log_line *) = {
        take_time,       take_relative, take_caller,   take_vendor, take_level,       take_dropped, take_date,
        take_kernel_tag, take_kmsg,     take_facility, take_quote,  take_line_number, take_glued,
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
    clean_bytes(raw, len, buffer);
    unsigned count = 0;
    for (char *rest = buffer; rest && count < OOPS_GLUED_MAX;) {
        struct oops_log_line *line = &lines[count++];
        *line = (struct oops_log_line){0};
        if (count > 1)
            memcpy(line->wall, lines[0].wall, sizeof(line->wall));
        line->text = buffer + (strip_prefixes(rest, line) - buffer);
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
