/* base/err: texts are filled, prefixed and cut, never overrun. */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_err_set_returns_negative_code(void **state) {
    struct err e = {0};
    assert_int_equal(err_set(&e, EINVAL, "%s: %d", "nand.channels", 0), -EINVAL);
    assert_int_equal(e.code, -EINVAL);
    assert_string_equal(e.text, "nand.channels: 0");
}

static void test_err_null_is_allowed(void **state) {
    assert_int_equal(err_set(NULL, ENOMEM, "x"), -ENOMEM);
    assert_int_equal(err_prefix(NULL, "x"), 0);
}

static void test_err_prefix_goes_before(void **state) {
    struct err e = {0};
    err_set(&e, EINVAL, "bad value");
    assert_int_equal(err_prefix(&e, "%s:%d: ", "a.ini", 7), -EINVAL);
    assert_string_equal(e.text, "a.ini:7: bad value");
}

static void test_err_long_text_is_cut(void **state) {
    struct err e = {0};
    char big[2 * ERR_TEXT_MAX];
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    err_set(&e, EINVAL, "%s", big);
    assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
    err_prefix(&e, "b: ");
    assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
    assert_memory_equal(e.text, "b: aaa", 6);
    err_prefix(&e, "%s", big);
    assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
    assert_null(strchr(e.text, 'b'));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err_set_returns_negative_code),
        cmocka_unit_test(test_err_null_is_allowed),
        cmocka_unit_test(test_err_prefix_goes_before),
        cmocka_unit_test(test_err_long_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
