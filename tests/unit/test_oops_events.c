/*
 * Several reports of one event, and how wide what is said of reports gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oops_bed.h"

#define REPORTS_MAX 8
#define COLUMNS     80

/* ---- One event, several reports ---- */

#define CPU(pid, more)      "CPU: 1 PID: " pid " Comm: pump " more "6.6.0 #1\n"
#define TRACE(inner, outer) "Call Trace:\n <TASK>\n " inner "+0x12/0x40\n " outer "+0x30/0x90\n </TASK>\n"
#define END                 "---[ end trace 0000000000000000 ]---\n"
#define KASAN(time, pid)                                                                                               \
    time "BUG: KASAN: slab-use-after-free in pump_level+0x12/0x40\n" time                                              \
         "Read of size 8 at addr ffff888101d20040 by task pump/" pid "\n" time                                         \
         CPU(pid, "Not tainted ")
#define GPF(time, pid)                                                                                                 \
    time "general protection fault, probably for non-canonical address 0xdffffc0000000004: 0000 [#1] SMP KASAN\n" time \
    CPU(pid, "Tainted: G    B ") time "RIP: 0010:pump_level+0x12/0x40\n"
#define WARN(time, pid)                                                                                                \
    time "WARNING: CPU: 1 PID: " pid " at drivers/misc/pump.c:12 pump_level+0x12/0x40\n" time CPU(pid, "Not tainted ") \
        time "RIP: 0010:pump_level+0x12/0x40\n"
#define SLEEP(time, pid)                                                                                               \
    time "BUG: sleeping function called from invalid context at include/linux/percpu-rwsem.h:49\n" time                \
         "in_atomic(): 0, irqs_disabled(): 1, non_block: 0, pid: " pid ", name: pump\n" time                           \
         CPU(pid, "Tainted: G      D ")

static const struct {
    const char *log;
    unsigned follows; /* of the second */
    const char *why;
} events[] = {
    {KASAN("[   10.000100] ",
           "88") "[   10.000150] Call Trace:\n[   10.000160]  pump_level+0x12/0x40\n" GPF("[   10.000400] ", "88"),
     1, "the check had found"},
    {KASAN("[   10.000100] ", "88") "[   10.000150] Call Trace:\n[   10.000160]  pump_level+0x12/0x40\n" GPF(
         "[   10.000400] ", "91"), /* another task */
     0, ""},
    {KASAN("[   10.000100] ", "88") "[   10.000150] Call Trace:\n[   10.000160]  pump_level+0x12/0x40\n" GPF(
         "[   19.000400] ", "88"), /* much later */
     0, ""},
    {KASAN("", "88") TRACE("pump_level", "vfs_read") GPF("", "88") TRACE("pump_level", "vfs_read"), 1, "check"},
    {WARN("[   10.000100] ",
          "88") "[   10.000160] Call Trace:\n[   10.000170]  pump_level+0x12/0x40\n" GPF("[   10.000400] ", "88"),
     1, "behind that warning"},
    {GPF("[   10.000100] ",
         "88") "[   10.000160] Call Trace:\n[   10.000170]  pump_level+0x12/0x40\n[   10.000180] " END
         SLEEP("[   10.000400] ", "88") "[   10.000460] Call Trace:\n[   10.000470]  __might_sleep+0x12/0x40\n"
                                        "[   10.000480]  exit_signals+0x12/0x40\n[   10.000490]  do_exit+0x12/0x40\n",
     1, "dying task"},
    {SLEEP("[   10.000100] ", "88") "[   10.000160] Call Trace:\n[   10.000170]  pump_wait+0x12/0x40\n"
                                    "[   10.000300] BUG: scheduling while atomic: pump/88/0x00000002\n"
                                    "[   10.000310] CPU: 1 PID: 88 Comm: pump Tainted: G      W 6.6.0 #1\n"
                                    "[   10.000460] Call Trace:\n[   10.000470]  __schedule_bug+0x12/0x40\n"
                                    "[   10.000480]  pump_wait+0x12/0x40\n",
     1, "must not sleep"},
    {"[   10.000100] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [pump:88]\n"
     "[   10.000110] CPU: 1 PID: 88 Comm: pump Not tainted 6.6.0 #1\n[   10.000120] RIP: 0010:pump_spin+0x2/0x9\n"
     "[   10.000130] Call Trace:\n[   10.000140]  pump_run+0x12/0x40\n"
     "[   30.000100] rcu: INFO: rcu_preempt self-detected stall on CPU\n"
     "[   30.000110] CPU: 1 PID: 88 Comm: pump Tainted: G     L 6.6.0 #1\n[   30.000120] RIP: 0010:pump_spin+0x2/0x9\n"
     "[   30.000130] Call Trace:\n[   30.000140]  pump_run+0x12/0x40\n",
     1, "same hang"},
};

static void test_oops_follows(void **state) {
    for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        struct oops_report *reports[REPORTS_MAX];
        int count = oops_read_text(events[i].log, strlen(events[i].log), reports, REPORTS_MAX);
        if (count != 2)
            fail_msg("event %u: %d reports", i, count);
        assert_int_equal(reports[0]->follows, 0);
        assert_string_equal(reports[0]->follows_why, "");
        if (reports[1]->follows != events[i].follows || !strstr(reports[1]->follows_why, events[i].why))
            fail_msg("event %u: follows from %u: %s", i, reports[1]->follows, reports[1]->follows_why);
        for (int k = 0; k < count; k++)
            oops_report_free(reports[k]);
    }
}

/* Another boot's reports are no consequence. */
static void test_oops_follows_in_one_boot(void **state) {
    static const char log[] =
        KASAN("[   10.000100] ", "88") "[   10.000150] Call Trace:\n"
                                       "[   10.000160]  pump_level+0x12/0x40\n"
                                       "[    0.000000] Linux version 6.6.0 (gcc)\n" GPF("[   10.000400] ", "88");
    struct oops_report *reports[REPORTS_MAX];
    int count = oops_read_text(log, sizeof(log) - 1, reports, REPORTS_MAX);
    assert_int_equal(count, 2);
    assert_int_equal(reports[1]->follows, 0);
    for (int k = 0; k < count; k++)
        oops_report_free(reports[k]);
}

/* ---- Columns ---- */

static void check_columns(const char *name, const char *text) {
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        unsigned columns = 0;
        for (const char *s = line; *s != '\n'; s++)
            columns += ((unsigned char)*s & 0xc0) != 0x80;
        if (columns > COLUMNS)
            fail_msg("%s: %u columns: %.*s", name, columns, (int)strcspn(line, "\n"), line);
    }
}

static void print_and_check(void *ctx, struct oops_report *r) {
    for (int all = 0; all < 2; all++) {
        struct oops_verdict v;
        char *text = NULL;
        size_t size;
        oops_verdict_text(r, &v);
        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        oops_print(out, r, &v, &(struct oops_print){.columns = COLUMNS, .all = all});
        fclose(out);
        check_columns(ctx, text);
        free(text);
    }
    oops_report_free(r);
}

static void check_log(char *name, const struct bed_text *log) {
    struct oops_reader *reader = oops_reader_new(print_and_check, name);
    assert_non_null(reader);
    assert_int_equal(oops_reader_feed(reader, log->s, log->len), 0);
    assert_int_equal(oops_reader_end(reader), 0);
    oops_reader_free(reader);
}

/* No line is too wide, however long names and paths are. */
static void test_oops_columns(void **state) {
    static const char *const names[] = {
        "", "a_function_of_more_than_eighty_columns_as_compilers_make_them_when_they_clone_what_is_generic_already",
        "_RNvXs5_NtNtNtCs4fqI2P2rA04_4core4iter8adapters10filter_mapINtB5_9FilterMapINtNtB9_3map3MapppENtNtBb_6traits",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaa"};
    struct golden goldens[BED_GOLDENS_MAX];
    struct bed_text text = {0};
    unsigned count = bed_goldens(goldens);
    for (unsigned g = 0; g < count; g++)
        for (unsigned n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
            text.len = 0;
            for (const char *s = goldens[g].log; *s; s++) { /* before the offset in a function, and in paths */
                if (!strncmp(s, "+0x", 3) || (!strncmp(s, ".c:", 3)))
                    bed_add(&text, names[n], strlen(names[n]));
                bed_add(&text, s, 1);
            }
            check_log(goldens[g].name, &text);
        }
    free(text.s);
    bed_goldens_free(goldens, count);
}

static void check_fold(const char *text, unsigned columns, const char *want) {
    char *got = NULL;
    size_t size;
    FILE *out = open_memstream(&got, &size);
    assert_non_null(out);
    oops_fold(out, text, columns);
    fclose(out);
    assert_string_equal(got, want);
    free(got);
}

static void test_oops_fold(void **state) {
    check_fold("short\n\nlines\n", 30, "short\n\nlines\n");
    check_fold("exactly thirty columns in here", 30, "exactly thirty columns in here\n");
    check_fold("exactly thirty columns in there are", 30, "exactly thirty columns in\n    there are\n");
    check_fold("  > drivers/net/wireless/vendor/chip/main.c", 30,
               "  > drivers/net/wireless/\n      vendor/chip/main.c\n");
    check_fold("0123456789012345678901234567890123", 30, "012345678901234567890123456789\n    0123\n");
    check_fold("\033[1mexactly thirty columns in here\033[0m", 30, "\033[1mexactly thirty columns in here\033[0m\n");
    check_fold("exactly thirty c\xc3\xb6lumns in here", 30, "exactly thirty c\xc3\xb6lumns in here\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oops_follows),
        cmocka_unit_test(test_oops_follows_in_one_boot),
        cmocka_unit_test(test_oops_columns),
        cmocka_unit_test(test_oops_fold),
    };
    return cmocka_run_group_tests_name("oops_events", tests, NULL, NULL);
}
