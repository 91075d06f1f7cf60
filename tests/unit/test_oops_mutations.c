/*
 * A log is mangled on its way to people: the verdict must not change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oops_bed.h"

typedef void mutate_line(struct bed_text *to, const char *line, size_t len, unsigned number);

static void crlf(struct bed_text *to, const char *line, size_t len, unsigned number) {
    bed_printf(to, "%.*s\r\n", (int)len, line);
}

static void syslog_prefix(struct bed_text *to, const char *line, size_t len, unsigned number) {
    bed_printf(to, "Apr  9 17:53:%02u build.example kernel: %.*s\n", number % 60, (int)len, line);
}

static void journal_prefix(struct bed_text *to, const char *line, size_t len, unsigned number) {
    bed_printf(to, "2023-05-01T10:00:%02u.%06u+0200 host-1 kernel: %.*s\n", number % 60, number, (int)len, line);
}

static void level_prefix(struct bed_text *to, const char *line, size_t len, unsigned number) {
    bed_printf(to, "<%u>%.*s\n", number % 8, (int)len, line);
}

static void facility_prefix(struct bed_text *to, const char *line, size_t len, unsigned number) {
    bed_printf(to, "kern  :alert : %.*s\n", (int)len, line);
}

static void mail_quote(struct bed_text *to, const char *line, size_t len, unsigned number) {
    bed_printf(to, "> > %.*s\n", (int)len, line);
}

static void ansi_colours(struct bed_text *to, const char *line, size_t len, unsigned number) {
    bed_printf(to, "\033[33m%.*s\033[0m\033[K\n", (int)len, line);
}

static void html_escapes(struct bed_text *to, const char *line, size_t len, unsigned number) {
    for (size_t i = 0; i < len; i++) {
        const char *by = line[i] == '<'   ? "&lt;"
                         : line[i] == '>' ? "&gt;"
                         : line[i] == '&' ? "&amp;"
                         : line[i] == '"' ? "&quot;"
                                          : NULL;
        if (by)
            bed_add(to, by, strlen(by));
        else
            bed_add(to, line + i, 1);
    }
    bed_add(to, "<br/>\n", 6);
}

static void collapsed_blanks(struct bed_text *to, const char *line, size_t len, unsigned number) {
    for (size_t i = 0; i < len; i++)
        if (line[i] != ' ' || (i && line[i - 1] != ' '))
            bed_add(to, line + i, 1);
    bed_add(to, "\n", 1);
}

static void no_break_spaces(struct bed_text *to, const char *line, size_t len, unsigned number) {
    for (size_t i = 0; i < len; i++) {
        if (line[i] == ' ' && i && line[i - 1] == ' ')
            bed_add(to, "\xc2\xa0", 2);
        else
            bed_add(to, line + i, 1);
    }
    bed_add(to, "\n", 1);
}

static void line_numbers(struct bed_text *to, const char *line, size_t len, unsigned number) {
    bed_printf(to, "%4u | %.*s\n", number, (int)len, line);
}

static void nul_bytes(struct bed_text *to, const char *line, size_t len, unsigned number) {
    bed_add(to, "\0\0", 2);
    bed_add(to, line, len);
    bed_add(to, "\n\0", 2);
}

static void other_output(struct bed_text *to, const char *line, size_t len, unsigned number) {
    bed_printf(to, "%.*s\n", (int)len, line);
    if (number % 5 == 2 && line[0] == '[') /* a program on the same console; told apart by having no time */
        bed_printf(to, "tester: step %u is done\n", number);
}

/* As a mail program wraps: at a blank, before column 76. */
static void mail_wrap(struct bed_text *to, const char *line, size_t len, unsigned number) {
    while (len > 76) {
        const char *blank = memrchr(line, ' ', 76);
        if (!blank || blank - line < 40)
            break;
        bed_printf(to, "%.*s\n", (int)(blank - line), line);
        len -= (size_t)(blank + 1 - line);
        line = blank + 1;
    }
    bed_printf(to, "%.*s\n", (int)len, line);
}

static const struct {
    const char *name;
    mutate_line *line;
} mutations[] = {
    {"carriage returns", crlf},
    {"syslog", syslog_prefix},
    {"journal", journal_prefix},
    {"levels", level_prefix},
    {"dmesg -x", facility_prefix},
    {"a mail's quotes", mail_quote},
    {"ANSI colours", ansi_colours},
    {"HTML", html_escapes},
    {"collapsed blanks", collapsed_blanks},
    {"no-break spaces", no_break_spaces},
    {"line numbers", line_numbers},
    {"NUL bytes", nul_bytes},
    {"other output", other_output},
    {"a mail that wraps", mail_wrap},
};

static struct golden goldens[BED_GOLDENS_MAX];
static unsigned golden_count;

static int setup(void **state) {
    golden_count = bed_goldens(goldens);
    return 0;
}

static int teardown(void **state) {
    bed_goldens_free(goldens, golden_count);
    return 0;
}

static void mutate(struct bed_text *to, const char *log, mutate_line *fn) {
    unsigned number = 1;
    to->len = 0;
    for (const char *s = log, *end; (end = strchr(s, '\n')) != NULL; s = end + 1)
        fn(to, s, (size_t)(end - s), number++);
}

static void check_same(const struct golden *golden, const char *what, const struct bed_verdict *want,
                       const struct bed_verdict *got, unsigned reports) {
    if (got->reports != reports || got->kind != want->kind || strcmp(got->title, want->title) != 0 ||
        strcmp(got->function, want->function) != 0 || strcmp(got->headline, want->headline) != 0)
        fail_msg("%s, %s: %u reports; \"%s\" / \"%s\", wanted \"%s\" / \"%s\"", golden->name, what, got->reports,
                 got->title, got->headline, want->title, want->headline);
}

static void test_oops_mangled_lines(void **state) {
    struct bed_text text = {0};
    for (unsigned g = 0; g < golden_count; g++) {
        struct bed_verdict want, got;
        bed_decode(goldens[g].log, strlen(goldens[g].log), 1 << 20, 0, &want);
        for (unsigned m = 0; m < sizeof(mutations) / sizeof(mutations[0]); m++) {
            mutate(&text, goldens[g].log, mutations[m].line);
            bed_decode(text.s, text.len, 1 << 20, 0, &got);
            check_same(&goldens[g], mutations[m].name, &want, &got, 1);
        }
    }
    free(text.s);
}

/* Two manglings at once nest. */
static void test_oops_nested_prefixes(void **state) {
    struct bed_text once = {0}, twice = {0};
    for (unsigned g = 0; g < golden_count; g++) {
        struct bed_verdict want, got;
        bed_decode(goldens[g].log, strlen(goldens[g].log), 1 << 20, 0, &want);
        for (unsigned m = 0; m < 12; m++) {
            mutate(&once, goldens[g].log, syslog_prefix);
            if (mutations[m].line == nul_bytes || mutations[m].line == level_prefix ||
                mutations[m].line == facility_prefix || mutations[m].line == journal_prefix)
                continue; /* not an order that occurs */
            mutate(&twice, once.s, mutations[m].line);
            bed_decode(twice.s, twice.len, 1 << 20, 0, &got);
            check_same(&goldens[g], mutations[m].name, &want, &got, 1);
        }
    }
    free(once.s);
    free(twice.s);
}

/* However the log is cut into pieces for reading. */
static void test_oops_pieces(void **state) {
    static const size_t pieces[] = {1, 7, 100, 4096};
    for (unsigned g = 0; g < golden_count; g++) {
        struct bed_verdict want, got;
        size_t len = strlen(goldens[g].log);
        bed_decode(goldens[g].log, len, 1 << 20, 0, &want);
        for (unsigned p = 0; p < 4; p++) {
            bed_decode(goldens[g].log, len, pieces[p], 0, &got);
            check_same(&goldens[g], "pieces", &want, &got, 1);
        }
    }
}

/* "[ 12.345678] " becomes "[ 12.345678][ T7] ". */
static void with_caller(struct bed_text *to, const char *line, const char *end, const char *caller) {
    const char *close = memchr(line, ']', (size_t)(end - line));
    if (line[0] != '[' || !close || line[1] == '<')
        bed_printf(to, "[  100.000001]%s %.*s\n", caller, (int)(end - line), line);
    else
        bed_printf(to, "%.*s%s%.*s\n", (int)(close + 1 - line), line, caller, (int)(end - close - 1), close + 1);
}

static bool has_caller(const char *log) {
    return strstr(log, "][") != NULL;
}

/* Two CPUs write line by line in turn: each report is whole. */
static void test_oops_interleaved(void **state) {
    struct bed_text text = {0};
    for (unsigned g = 0; g + 1 < golden_count; g++) {
        const char *a = goldens[g].log, *b = goldens[g + 1].log;
        struct bed_verdict want, got;
        if (has_caller(a) || has_caller(b))
            continue;
        text.len = 0;
        while (*a || *b) {
            const char **log[2] = {&a, &b};
            for (int i = 0; i < 2; i++) {
                const char *end = strchr(*log[i], '\n');
                if (end) {
                    with_caller(&text, *log[i], end, i ? "[ T1002]" : "[  T101]");
                    *log[i] = end + 1;
                }
            }
        }
        for (unsigned i = 0; i < 2; i++) {
            bed_decode(goldens[g + i].log, strlen(goldens[g + i].log), 1 << 20, 0, &want);
            bed_decode(text.s, text.len, 1 << 20, i, &got);
            if (strcmp(want.title, got.title) != 0) { /* headers of the second may come first */
                bed_decode(text.s, text.len, 1 << 20, 1 - i, &got);
            }
            check_same(&goldens[g + i], "interleaved", &want, &got, 2);
        }
    }
    free(text.s);
}

/* pstore has the newest part first. */
static void test_oops_pstore(void **state) {
    struct bed_text text = {0};
    for (unsigned g = 0; g < golden_count; g++) {
        struct bed_verdict want, got;
        const char *log = goldens[g].log, *cuts[4] = {log};
        size_t len = strlen(log);
        for (unsigned i = 1; i < 3; i++)
            cuts[i] = strchr(log + len * i / 3, '\n') + 1;
        cuts[3] = log + len;
        text.len = 0;
        for (unsigned i = 3; i-- > 0;)
            bed_printf(&text, "Oops#1 Part%u\n%.*s", 3 - i, (int)(cuts[i + 1] - cuts[i]), cuts[i]);
        bed_decode(log, len, 1 << 20, 0, &want);
        bed_decode(text.s, text.len, 1 << 20, 0, &got);
        check_same(&goldens[g], "pstore", &want, &got, 1);
    }
    free(text.s);
}

/* The end of the log is missing: after each line, what is told is told of the right kind, and nothing crashes. */
static void test_oops_cut(void **state) {
    for (unsigned g = 0; g < golden_count; g++) {
        struct bed_verdict want, got;
        bed_decode(goldens[g].log, strlen(goldens[g].log), 1 << 20, 0, &want);
        bool whole = false;
        for (const char *end = goldens[g].log; (end = strchr(end, '\n')) != NULL; end++) {
            bed_decode(goldens[g].log, (size_t)(end - goldens[g].log), 1 << 20, 0, &got);
            assert_true(got.reports <= 1);
            bool same = got.reports && !strcmp(want.title, got.title) && want.kind == got.kind;
            if (whole && !same) /* once it is told right, more lines don't unsay it */
                fail_msg("%s: cut later, it is \"%s\"", goldens[g].name, got.title);
            whole |= same;
        }
        assert_true(whole);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_mangled_lines), cmocka_unit_test(test_oops_nested_prefixes),
        cmocka_unit_test(test_oops_pieces),        cmocka_unit_test(test_oops_interleaved),
        cmocka_unit_test(test_oops_pstore),        cmocka_unit_test(test_oops_cut),
    };
    return cmocka_run_group_tests_name("oops_mutations", tests, setup, teardown);
}
