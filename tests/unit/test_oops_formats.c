/*
 * Logs as other programs pass them on: whatever stands around each line, in which
 * encoding and form they come, the verdict is that of the kernel's own text.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oops_bed.h"

static struct golden goldens[BED_GOLDENS_MAX];
static struct bed_verdict wants[BED_GOLDENS_MAX];
static unsigned golden_count;

static int setup(void **state) {
    golden_count = bed_goldens(goldens);
    for (unsigned g = 0; g < golden_count; g++)
        bed_decode(goldens[g].log, strlen(goldens[g].log), 1 << 20, 0, &wants[g]);
    return 0;
}

static int teardown(void **state) {
    bed_goldens_free(goldens, golden_count);
    return 0;
}

/* The verdict on `text` is that on the golden log. */
static void check(unsigned g, const char *what, const char *text, size_t len) {
    struct bed_verdict got;
    const struct bed_verdict *want = &wants[g];
    bed_decode(text, len, 1 << 20, 0, &got);
    if (got.reports != 1 || got.kind != want->kind || strcmp(got.title, want->title) != 0 ||
        strcmp(got.function, want->function) != 0 || strcmp(got.headline, want->headline) != 0)
        fail_msg("%s, %s: %u reports; \"%s\" / \"%s\", wanted \"%s\" / \"%s\"", goldens[g].name, what, got.reports,
                 got.title, got.headline, want->title, want->headline);
}

static bool has_time(const char *line) {
    const char *s = line + (line[0] == '[');
    s += strspn(s, " ");
    size_t n = strspn(s, "0123456789");
    return line[0] == '[' && n && s[n] == '.';
}

/* Behind printk's time and caller; `*time` is what stood in the first brackets. */
static const char *behind_time(const char *line, const char *end, char time[24]) {
    snprintf(time, 24, "%12.6f", 1.0);
    if (!has_time(line))
        return line;
    const char *close = memchr(line, ']', (size_t)(end - line));
    snprintf(time, 24, "%.*s", (int)(close - line - 1), line + 1);
    line = close + 1;
    if (*line == '[' && (close = memchr(line, ']', (size_t)(end - line))) != NULL)
        line = close + 1;
    return line < end && *line == ' ' ? line + 1 : line;
}

/* ---- What stands around each line ---- */

/* '#': a digit of the line's number; '~': printk's time, which is then taken off the line; '$': the line. */
static const char *const forms[] = {
    /* syslog, and what sends it on */
    "Message from syslogd@localhost at Apr  9 17:53:0# ...\n kernel:$\n",
    "Message from syslogd@build-7 at Mon Apr  9 17:53:0# 2018 ...\nbuild-7 kernel: $",
    "Apr  9 17:53:0# 192.168.1.1 kernel: $",
    "Apr  9 17:53:0# 10.0.0.2 Apr  9 17:53:40 host kernel: $",
    "Apr  9 17:53:0# (none) user.warn kernel: $",
    "Apr  9 17:53:0# host kern.warn kernel: $",
    "2023-05-01T10:00:00+02:00 host kern.crit kernel: $",
    "<2>1 2023-05-01T10:00:00.00#Z host kernel - - - $",
    "1 2023-05-01T10:00:00.003Z host kernel - - [meta sequenceId=\"#\"] $",
    "Mai 09 17:53:4# host kernel: $",
    "f\xc3\xa9vr. 09 17:53:4# host kernel: $",
    "4\xe6\x9c\x88 09 17:53:4# host kernel: $",
    /* OpenWrt, Home Assistant, NAS */
    "Thu Jan  1 00:00:0# 1970 kern.alert kernel: $",
    "Thu Jan  1 00:00:0# 1970 [1700000000.12#] kern.alert kernel: $",
    "Thu Jan  1 00:00:0# 1970 kern.err kernel: [~] $",
    "2025-03-17 15:18:59.56# homeassistant kernel: $",
    "2023-05-01T10:00:00.00#Z cpu3:2097152)$",
    /* journalctl */
    "Apr 09 17:53:41.00000# host kernel: $",
    "2023-05-01T10:00:00.00000#+02:00 host kernel: $",
    "Sun 2023-05-01 10:00:00 CEST host kernel: $",
    "1682935200.00000# host kernel: $",
    "[~] host kernel: $",
    "[~ <    0.000010 >] host kernel: $",
    "{ \"_TRANSPORT\" : \"kernel\", \"MESSAGE\" : \"$\", \"_HOSTNAME\" : \"h\" }",
    /* dmesg */
    "[~ <    0.000010>] $",
    "kern  :warn  : [Mon Apr 17 10:00:00 2023] $",
    "[lun. avril 17 10:00:00 2023] $",
    "[\xe4\xb8\x80 4\xe6\x9c\x88 17 10:00:00 2023] $",
    "2023-05-01T10:00:00,00000#+02:00 $",
    /* Android and its makers */
    "03-17 15:18:59.12#     0     0 E kernel  : $",
    "E/kernel  (    0): $",
    "01-01 00:00:00.12# E/KERNEL  (  180): $",
    " ~:   <1> (01-28 07:22:33.304698634) $",
    "[~ / 01-17 10:26:36.12#] $",
    "[~] \\(2\\)[13186:mount]$",
    "<1>[~]  [3:  kworker/3:0:14402] $",
    "[~] I[0:      swapper/0:    0] $",
    "<1>[~][pid:2124,cpu0,kworker/0:1]$",
    "[~][2021:01:01 00:00:17][pid:2124,cpu0,kworker/0:1,0]$",
    "[~] c0    321 $",
    "[~] c3 <6>$",
    "<4>[~]-(1)[0:swapper/1]$",
    "[~,CPU1] $",
    "[~ C0] $",
    /* containers, collectors, consoles */
    "{\"log\":\"$\\n\",\"stream\":\"stdout\",\"time\":\"2023-05-01T10:00:00.00#Z\"}",
    "2023-05-01T10:00:00.00000000#Z stdout F $",
    "2023-05-01T10:00:00.12#Z\t$",
    "vm_1  | $",
    "[pod/node-debug/log] $",
    "2023-05-01,10:00:00,\"$\"",
    "[2023-05-01 10:00:00.12#] $",
    "[10:00:00.12#] $",
    "2023-05-01 10:00:0#: $",
    "Mon May 1 10:00:0# 2023: $",
    "1#.000000  $",
    "[guest-#] $",
    /* mails and pages */
    ">>>> $",
    "> >>> > > > > >> > > > > > $",
    "JD> $",
    "| | $",
    "  |   | 2021-10-05 00:37:4# | $",
    "| # | $ |",
    "> `$`",
    "`$`<br>",
    "- $",
    "\"$\\n\"",
    "<TR><TD>$</TD></TR>",
    "<span class=\"line\">$</span>",
    "$=20",
    "$^M",
    "$\\",
    "\\x1b[33m$\\x1b[0m",
    "^[[33m$^[[0m^M",
    "[33m$[0m",
    "\x1b[32m[~] \x1b[0m\x1b[31m$\x1b[0m",
    "\xef\xbb\xbf$",
};

static bool in_json(const char *form) {
    return form[0] == '{' || form[0] == '"' || strstr(form, ",\"$");
}

static void put_line(struct bed_text *to, const char *form, const char *line, const char *end) {
    char time[24];
    const char *text = behind_time(line, end, time);
    text = strchr(form, '~') ? text : line;
    for (; text < end; text++) {
        if (in_json(form) && (*text == '"' || *text == '\\'))
            bed_add(to, "\\", 1);
        if (in_json(form) && *text == '\t')
            bed_add(to, "\\t", 2);
        else
            bed_add(to, text, 1);
    }
}

static void put_form(struct bed_text *to, const char *form, const char *line, const char *end, unsigned number) {
    char time[24];
    behind_time(line, end, time);
    for (const char *f = form; *f; f++) {
        if (*f == '#')
            bed_printf(to, "%u", number % 10);
        else if (*f == '~')
            bed_add(to, time, strlen(time));
        else if (*f == '$')
            put_line(to, form, line, end);
        else
            bed_add(to, f, 1);
    }
    bed_add(to, "\n", 1);
}

static void check_forms(unsigned from, unsigned step) {
    struct bed_text text = {0};
    for (unsigned f = from; f < sizeof(forms) / sizeof(forms[0]); f += step)
        for (unsigned g = 0; g < golden_count; g++) {
            unsigned number = 1;
            text.len = 0;
            for (const char *s = goldens[g].log, *end; (end = strchr(s, '\n')) != NULL; s = end + 1)
                put_form(&text, forms[f], s, end, number++);
            check(g, forms[f], text.s, text.len);
        }
    free(text.s);
}

static void test_oops_forms_first(void **state) {
    check_forms(0, 3);
}

static void test_oops_forms_second(void **state) {
    check_forms(1, 3);
}

static void test_oops_forms_third(void **state) {
    check_forms(2, 3);
}

/* ---- Characters ---- */

struct swap {
    const char *from, *to;
};

#define SWAPS_MAX 8

static const struct swap swaps[][SWAPS_MAX] = {
    {{" ", "\xc2\xa0"}},
    {{" ", "&nbsp;"}},
    {{"  ", " \xe2\x80\x89"}},
    {{"  ", "\xe3\x80\x80"}},
    {{"_", "_\xe2\x80\x8b"}},
    {{":", "\xef\xbc\x9a"}, {"(", "\xef\xbc\x88"}, {")", "\xef\xbc\x89"}, {"[", "\xef\xbc\xbb"}, {"]", "\xef\xbc\xbd"}},
    {{"<", "&#60;"}, {">", "&#62;"}, {":", "&#58;"}, {"+", "&#43;"}, {"[", "&#91;"}, {"]", "&#93;"}, {"/", "&#47;"}},
    {{"<", "&#x3C;"}, {">", "&#x3e;"}, {"[", "&#x5B;"}, {"]", "&#x5d;"}, {"+", "&#x2B;"}},
    {{"<", "\\u003c"}, {">", "\\u003e"}, {"&", "\\u0026"}},
    {{"_", "\\_"}, {"*", "\\*"}, {"[", "\\["}, {"]", "\\]"}, {"<", "\\<"}, {">", "\\>"}, {"#", "\\#"}},
    {{"=", "=3D"}},
    {{"+0x", "+Ox"}},
    {{"+0x", " +0x"}},
    {{"/0x", " / 0x"}},
    {{"0x", "0\xc3\x97"}},
};

static void swap_all(struct bed_text *to, const struct swap *swap, const char *log) {
    while (*log) {
        const struct swap *s = swap;
        while (s < swap + SWAPS_MAX && s->from && strncmp(log, s->from, strlen(s->from)) != 0)
            s++;
        bool found = s < swap + SWAPS_MAX && s->from;
        /* a mend of symbols is for symbols alone */
        found = found && (strcmp(s->from, "/0x") != 0 || isxdigit((unsigned char)log[-1]));
        if (found)
            bed_add(to, s->to, strlen(s->to));
        else
            bed_add(to, log, 1);
        log += found ? strlen(s->from) : 1;
    }
}

static void test_oops_characters(void **state) {
    struct bed_text text = {0};
    for (unsigned m = 0; m < sizeof(swaps) / sizeof(swaps[0]); m++)
        for (unsigned g = 0; g < golden_count; g++) {
            text.len = 0;
            swap_all(&text, swaps[m], goldens[g].log);
            check(g, swaps[m][0].to, text.s, text.len);
        }
    free(text.s);
}

/* UTF-16 with and without a mark, fed in pieces that part characters. */
static void test_oops_utf16(void **state) {
    struct bed_text text = {0};
    for (unsigned g = 0; g < golden_count; g++)
        for (unsigned form = 0; form < 4; form++) {
            bool big = form & 1;
            text.len = 0;
            if (form & 2)
                bed_add(&text, big ? "\xfe\xff" : "\xff\xfe", 2);
            for (const char *s = goldens[g].log; *s; s++) {
                char unit[2] = {big ? '\0' : *s, big ? *s : '\0'};
                bed_add(&text, unit, 2);
            }
            check(g, "UTF-16", text.s, text.len);
            struct bed_verdict got;
            bed_decode(text.s, text.len, 4097, 0, &got);
            assert_string_equal(got.headline, wants[g].headline);
        }
    free(text.s);
}

/* ---- Lines ---- */

/* All lines in one, with something else between them. */
static void test_oops_other_newlines(void **state) {
    static const char *const newlines[] = {"\r", "\r\r\n", "\n\r", "<br>", "<BR/>", "</div><div>", "\\n"};
    struct bed_text text = {0};
    for (unsigned m = 0; m < sizeof(newlines) / sizeof(newlines[0]); m++)
        for (unsigned g = 0; g < golden_count; g++) {
            text.len = 0;
            for (const char *s = goldens[g].log; *s; s++)
                bed_add(&text, *s == '\n' ? newlines[m] : s, *s == '\n' ? strlen(newlines[m]) : 1);
            bed_add(&text, "\n", 1);
            check(g, newlines[m], text.s, text.len);
        }
    free(text.s);
}

/* A page made one line of all, as pages do with what is not marked as text; of x86, with and without times. */
static void test_oops_flat_log(void **state) {
    static const char *const names[] = {"x86_64-3.10-null.txt", "x86_64-6.1-null-member.txt",
                                        "x86_64-6.12-gpf-list-poison.txt", "i386-5.10-null.txt"};
    struct bed_text text = {0};
    for (unsigned g = 0; g < golden_count; g++)
        for (unsigned form = 0; form < 2; form++) {
            bool known = false;
            for (unsigned n = 0; n < sizeof(names) / sizeof(names[0]); n++)
                known |= !strcmp(names[n], goldens[g].name);
            text.len = 0;
            for (const char *s = goldens[g].log, *end; (end = strchr(s, '\n')) != NULL; s = end + 1) {
                char time[24];
                const char *line = form ? s : behind_time(s, end, time);
                for (; line < end; line++)
                    if (*line != ' ' || (line > s && line[-1] != ' '))
                        bed_add(&text, line, 1);
                bed_add(&text, " ", 1);
            }
            bed_add(&text, "\n", 1);
            if (known)
                check(g, form ? "one line, with times" : "one line", text.s, text.len);
        }
    free(text.s);
}

/* Two consoles wrote into one file; blank lines between all. */
static void test_oops_doubled_lines(void **state) {
    struct bed_text text = {0};
    for (unsigned g = 0; g < golden_count; g++)
        for (unsigned form = 0; form < 2; form++) {
            text.len = 0;
            for (const char *s = goldens[g].log, *end; (end = strchr(s, '\n')) != NULL; s = end + 1) {
                bed_add(&text, s, (size_t)(end + 1 - s));
                if (form)
                    bed_add(&text, s, (size_t)(end + 1 - s));
                else
                    bed_add(&text, "\n\n\n", 3);
            }
            check(g, form ? "doubled lines" : "blank lines", text.s, text.len);
        }
    free(text.s);
}

/* Mails wrap at blanks, with and without a quote mark for the rest. */
static void wrap(struct bed_text *to, const char *line, size_t len, unsigned columns, const char *quote,
                 const char *rest) {
    const char *before = quote;
    while (len > columns) {
        const char *blank = memrchr(line, ' ', columns + 1);
        if (!blank || blank - line < columns / 2)
            break;
        bed_printf(to, "%s%.*s\n", before, (int)(blank - line), line);
        len -= (size_t)(blank + 1 - line);
        line = blank + 1;
        before = rest;
    }
    bed_printf(to, "%s%.*s\n", before, (int)len, line);
}

static void test_oops_wrapped_lines(void **state) {
    static const struct {
        unsigned columns;
        const char *quote, *rest;
    } ways[] = {{72, "", ""},     {76, "", ""},       {78, "", ""},  {80, "", ""},
                {72, "> ", "> "}, {76, ">> ", ">> "}, {74, "> ", ""}};
    struct bed_text text = {0};
    for (unsigned w = 0; w < sizeof(ways) / sizeof(ways[0]); w++)
        for (unsigned g = 0; g < golden_count; g++) {
            text.len = 0;
            for (const char *s = goldens[g].log, *end; (end = strchr(s, '\n')) != NULL; s = end + 1)
                wrap(&text, s, (size_t)(end - s), ways[w].columns, ways[w].quote, ways[w].rest);
            check(g, "wrapped", text.s, text.len);
        }
    free(text.s);
}

/* A terminal breaks where the line is full; what has no time stamps shows no sign of it. */
static void test_oops_lines_broken_at_a_column(void **state) {
    struct bed_text text = {0};
    for (unsigned g = 0; g < golden_count; g++) {
        bool stamped = true;
        text.len = 0;
        for (const char *s = goldens[g].log, *end; (end = strchr(s, '\n')) != NULL; s = end + 1) {
            stamped &= has_time(s) || s == end;
            for (; end - s > 80; s += 80)
                bed_printf(&text, "%.80s\n", s);
            bed_printf(&text, "%.*s\n", (int)(end - s), s);
        }
        if (stamped)
            check(g, "broken at column 80", text.s, text.len);
    }
    free(text.s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_forms_first),   cmocka_unit_test(test_oops_forms_second),
        cmocka_unit_test(test_oops_forms_third),   cmocka_unit_test(test_oops_characters),
        cmocka_unit_test(test_oops_utf16),         cmocka_unit_test(test_oops_other_newlines),
        cmocka_unit_test(test_oops_flat_log),      cmocka_unit_test(test_oops_doubled_lines),
        cmocka_unit_test(test_oops_wrapped_lines), cmocka_unit_test(test_oops_lines_broken_at_a_column),
    };
    return cmocka_run_group_tests_name("oops_formats", tests, setup, teardown);
}
