/* base/log: levels by specification, whole lines, limits on what a host can cause. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* stderr into a temporary file, for reading back. */
static int saved_stderr = -1, capture_fd = -1;

static void capture_start(void) {
    FILE *f = tmpfile();
    assert_non_null(f);
    capture_fd = dup(fileno(f));
    fclose(f);
    saved_stderr = dup(STDERR_FILENO);
    dup2(capture_fd, STDERR_FILENO);
}

static char *capture_end(void) {
    static char text[65536];
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    ssize_t n = pread(capture_fd, text, sizeof text - 1, 0);
    close(capture_fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static int reset(void **state) {
    return log_set_levels("info", NULL);
}

static void test_log_levels_select(void **state) {
    assert_int_equal(log_set_levels("warn,tcp=debug,nvme=error", NULL), 0);
    assert_false(log_enabled(LOG_MAIN, LOG_LEVEL_INFO));
    assert_true(log_enabled(LOG_MAIN, LOG_LEVEL_WARN));
    assert_true(log_enabled(LOG_TCP, LOG_LEVEL_DEBUG));
    assert_false(log_enabled(LOG_NVME, LOG_LEVEL_WARN));
}

static void test_log_bad_specification_changes_nothing(void **state) {
    struct err e = {0};
    assert_int_equal(log_set_levels("debug,tpc=warn", &e), -EINVAL);
    assert_non_null(strstr(e.text, "\"tpc\" is not a category: main,"));
    assert_false(log_enabled(LOG_MAIN, LOG_LEVEL_DEBUG));
    assert_int_equal(log_set_levels("tcp=loud", &e), -EINVAL);
    assert_non_null(strstr(e.text, "\"loud\" is not a level: error,"));
    assert_int_equal(log_set_levels("", &e), -EINVAL);
    assert_int_equal(log_set_levels("info,", &e), -EINVAL);
}

static void test_log_prints_one_clean_line(void **state) {
    capture_start();
    log_warn(LOG_TCP, "port %d\x1b[2J", 4420);
    log_debug(LOG_TCP, "not shown");
    assert_string_equal(capture_end(), "drivelab: tcp warn: port 4420?[2J\n");
}

static void test_log_long_message_stays_one_line(void **state) {
    char big[8192];
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    capture_start();
    log_info(LOG_MAIN, "%s", big);
    const char *text = capture_end();
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    assert_true(strlen(text) > 1000);
}

static void test_log_limited_counts_what_it_leaves_out(void **state) {
    struct log_limit limit = {0};
    capture_start();
    for (int i = 0; i < 1000; i++)
        log_limited(&limit, LOG_TCP, LOG_LEVEL_WARN, "again");
    const char *text = capture_end();
    unsigned long long lines = 0;
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        lines++;
    assert_true(lines >= 20 && lines < 1000); /* a slow machine may refill on the way */
    if (lines == 20)
        assert_int_equal(limit.suppressed, 980);
    limit.tokens = 1;
    limit.suppressed = 7;
    capture_start();
    log_limited(&limit, LOG_TCP, LOG_LEVEL_WARN, "again");
    assert_string_equal(capture_end(), "drivelab: tcp warn: again (7 alike left out)\n");
    assert_int_equal(limit.suppressed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_log_levels_select, reset),
        cmocka_unit_test_setup(test_log_bad_specification_changes_nothing, reset),
        cmocka_unit_test_setup(test_log_prints_one_clean_line, reset),
        cmocka_unit_test_setup(test_log_long_message_stays_one_line, reset),
        cmocka_unit_test_setup(test_log_limited_counts_what_it_leaves_out, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
