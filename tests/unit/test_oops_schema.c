/*
 * Every value that an enumeration has in the JSON is named in docs/oops.md, in
 * the row of its field. That its fields are: tests/cli/test_oops.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "diag/oops/verdict/verdict.h"

static char page[128 << 10];

static int load(void **state) {
    const char *top = getenv("DRIVELAB_SOURCE");
    char path[4096];
    snprintf(path, sizeof(path), "%s/docs/oops.md", top ? top : ".");
    FILE *in = fopen(path, "r");
    if (!in)
        return -1;
    page[fread(page, 1, sizeof(page) - 1, in)] = '\0';
    fclose(in);
    return 0;
}

/* The line that begins so. */
static void find_row(const char *begin, char *row, size_t size) {
    const char *at = strstr(page, begin);
    if (!at)
        fail_msg("docs/oops.md has no row \"%s\"", begin);
    snprintf(row, size, "%.*s", (int)strcspn(at, "\n"), at);
}

static bool names(const char *row, const char *word) {
    char quoted[80];
    snprintf(quoted, sizeof(quoted), "`%s`", word);
    return strstr(row, quoted) != NULL;
}

static unsigned quoted_words(const char *row) {
    unsigned marks = 0;
    for (; *row; row++)
        marks += *row == '`';
    return marks / 2;
}

static void test_oops_every_kind_is_documented(void **state) {
    char row[8192];
    find_row("| `kind` |", row, sizeof(row));
    for (int kind = OOPS_UNKNOWN + 1; kind < OOPS_KINDS; kind++)
        if (!names(row, oops_kind_name((enum oops_kind)kind)))
            fail_msg("docs/oops.md does not name the kind `%s`", oops_kind_name((enum oops_kind)kind));
    assert_int_equal(quoted_words(row), 1 + OOPS_KINDS - 1); /* and no others */
}

static void test_oops_every_architecture_is_documented(void **state) {
    char row[8192];
    find_row("| `arch`, `era` |", row, sizeof(row));
    for (int arch = 0; arch < OOPS_ARCHES; arch++)
        if (!names(row, oops_arch_name((enum oops_arch)arch)))
            fail_msg("docs/oops.md does not name `%s`", oops_arch_name((enum oops_arch)arch));
    for (int era = 0; era <= OOPS_ERA_BARE; era++)
        assert_true(names(row, oops_era_name((enum oops_era)era)));
}

static void test_oops_every_role_is_documented(void **state) {
    char row[8192];
    find_row("| `states[]` |", row, sizeof(row));
    for (int role = 0; role <= OOPS_STATE_FIRST_OOPS; role++)
        assert_true(names(row, oops_state_role_name((enum oops_state_role)role)));
    find_row("| `traces[]` |", row, sizeof(row));
    for (int kind = 0; kind <= OOPS_TRACE_RELATED; kind++)
        assert_true(names(row, oops_trace_kind_name((enum oops_trace_kind)kind)));
    find_row("| `frames[]` |", row, sizeof(row));
    for (int stack = OOPS_STACK_NONE + 1; stack <= OOPS_STACK_OTHER; stack++)
        assert_true(names(row, oops_stack_name((enum oops_stack)stack)));
    find_row("| `fault` |", row, sizeof(row));
    for (int access = 0; access <= OOPS_ACCESS_EXEC; access++)
        assert_true(names(row, oops_access_name((enum oops_access)access)));
    find_row("| `confidence`, `reasons[]` |", row, sizeof(row));
    for (int c = 0; c <= OOPS_CONFIDENCE_HIGH; c++)
        assert_true(names(row, oops_confidence_name((enum oops_confidence)c)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_every_kind_is_documented),
        cmocka_unit_test(test_oops_every_architecture_is_documented),
        cmocka_unit_test(test_oops_every_role_is_documented),
    };
    return cmocka_run_group_tests(tests, load, NULL);
}
