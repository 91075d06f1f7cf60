/* docs/zns-conformance.md names a test for every rule of zoned namespaces, and every test it names exists. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RULES = 47, ZRWA_RULES = 7, NAME_MAX_BYTES = 128, TEXT_MAX = 1 << 22 };

static char tests[TEXT_MAX]; /* the sources of the unit tests */
static size_t used;

static void append_file(const char *path) {
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    used += fread(tests + used, 1, sizeof tests - 1 - used, f);
    assert_true(used < sizeof tests - 1);
    fclose(f);
}

static void read_tests(const char *root) {
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/unit", root);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *d; (d = readdir(dir));)
        if (strncmp(d->d_name, "test_", 5) == 0 && strstr(d->d_name, "zns")) {
            snprintf(path, sizeof path, "%s/tests/unit/%.200s", root, d->d_name);
            append_file(path);
        }
    closedir(dir);
}

/* It is defined, and it is run. */
static void check_test(const char *name) {
    char text[NAME_MAX_BYTES + 32];
    snprintf(text, sizeof text, "static void %s(", name);
    if (!strstr(tests, text))
        fail_msg("docs/zns-conformance.md names %s, which does not exist", name);
    snprintf(text, sizeof text, "cmocka_unit_test(%s)", name);
    if (!strstr(tests, text))
        fail_msg("%s is not run", name);
}

static unsigned check_tests_of(const char *line) {
    unsigned n = 0;
    for (const char *at = line; (at = strstr(at, "test_"));) {
        char name[NAME_MAX_BYTES];
        size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_");
        assert_true(len < sizeof name);
        memcpy(name, at, len);
        name[len] = 0;
        check_test(name);
        at += len;
        n++;
    }
    return n;
}

static void test_zns_rules_all_have_tests(void **state) {
    const char *root = getenv("DRIVELAB_SOURCE");
    unsigned rule[RULES + 1] = {0}, zrwa[ZRWA_RULES + 1] = {0};
    char path[4096], line[4096];
    if (!root)
        skip(); /* not run by meson */
    read_tests(root);
    snprintf(path, sizeof path, "%s/docs/zns-conformance.md", root);
    FILE *doc = fopen(path, "r");
    assert_non_null(doc);
    while (fgets(line, sizeof line, doc)) {
        unsigned n;
        if (line[0] != '|')
            continue;
        unsigned named = check_tests_of(line);
        if (sscanf(line, "| %u |", &n) == 1 && n >= 1 && n <= RULES)
            rule[n] += named > 0;
        else if (sscanf(line, "| Z%u |", &n) == 1 && n >= 1 && n <= ZRWA_RULES)
            zrwa[n] += named > 0;
    }
    fclose(doc);
    for (unsigned n = 1; n <= RULES; n++)
        if (rule[n] != 1)
            fail_msg("rule %u has %u rows with tests", n, rule[n]);
    for (unsigned n = 1; n <= ZRWA_RULES; n++)
        if (zrwa[n] != 1)
            fail_msg("rule Z%u has %u rows with tests", n, zrwa[n]);
}

int main(void) {
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_zns_rules_all_have_tests),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
