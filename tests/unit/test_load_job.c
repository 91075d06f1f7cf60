/* Job files: what is accepted, what is refused and how it says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "load/job.h"

static int parse(struct job_file *jobs, const char *text, struct err *e) {
    *e = (struct err){0};
    return job_file_parse(jobs, "test.fio", text, strlen(text), e);
}

static void test_job_reads_globals_and_sections(void **state) {
    struct job_file jobs;
    struct err e;
    const char *text =
        "# comment\n[global]\nbs=8k\niodepth = 16\nioengine=libaio\ndirect=1\n\n"
        "[reader]\nrw=randread\nruntime=2m\ntime_based\n; another\n[writer]\nrw=write\nbs=64k,128k\nsize=1g\n";
    assert_int_equal(parse(&jobs, text, &e), 0);
    assert_int_equal(jobs.count, 2);
    assert_string_equal(jobs.job[0].name, "reader");
    assert_true(jobs.job[0].random && jobs.job[0].time_based);
    assert_int_equal(jobs.job[0].runtime_ns, 120000000000LL);
    assert_int_equal(jobs.job[0].bs[RUN_READ], 8192);
    assert_int_equal(jobs.job[0].iodepth, 16);
    assert_int_equal(jobs.job[1].bs[RUN_READ], 65536);
    assert_int_equal(jobs.job[1].bs[RUN_WRITE], 131072);
    assert_int_equal(jobs.job[1].bs[RUN_TRIM], 131072);
    assert_int_equal(jobs.job[1].size.bytes, 1 << 30);
    assert_int_equal(jobs.job[1].read_percent, 0);
    assert_string_equal(jobs.notes, "ioengine direct ");
    job_file_release(&jobs);
}

static void test_job_global_applies_only_to_later_sections(void **state) {
    struct job_file jobs;
    struct err e;
    assert_int_equal(parse(&jobs, "[a]\n[global]\niodepth=4\n[b]\n", &e), 0);
    assert_int_equal(jobs.job[0].iodepth, 1);
    assert_int_equal(jobs.job[1].iodepth, 4);
    job_file_release(&jobs);
}

static void test_job_sizes_follow_fio(void **state) {
    static const struct {
        const char *text;
        uint64_t bytes;
    } table[] = {{"512", 512},     {"4k", 4096},      {"4K", 4096},       {"4kb", 4096},      {"1m", 1 << 20},
                 {"1mi", 1000000}, {"1mib", 1000000}, {"2g", 2ULL << 30}, {"1t", 1ULL << 40}, {"0x1000", 4096}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct job_file jobs;
        struct err e;
        char text[64];
        snprintf(text, sizeof(text), "[a]\nsize=%s\n", table[i].text);
        assert_int_equal(parse(&jobs, text, &e), 0);
        assert_int_equal(jobs.job[0].size.bytes, table[i].bytes);
        job_file_release(&jobs);
    }
}

/* Each bad file: the line it must name and a word of the explanation. */
static void test_job_refuses_by_line(void **state) {
    static const struct {
        const char *text, *where, *word;
    } table[] = {
        {"[a]\nrw=read\nbssplit=4k/50\n", "test.fio:3", "bssplit"},
        {"[a]\nrw=sideways\n", "test.fio:2", "randread"},
        {"[a]\nbs=100\n", "test.fio:2", "multiples of 512"},
        {"[a]\nbs=4k,4k,4k,4k\n", "test.fio:2", "three"},
        {"[a]\nbs=\n", "test.fio:2", "bs"},
        {"[a]\niodepth=0\n", "test.fio:2", "from 1"},
        {"[a]\niodepth=many\n", "test.fio:2", "from 1"},
        {"[a]\nnumjobs=1000000\n", "test.fio:2", "from 1"},
        {"[a]\nrwmixread=101\n", "test.fio:2", "from 0 to 100"},
        {"[a]\nsize=101%\n", "test.fio:2", "percentage"},
        {"[a]\nsize=99999999999999999999\n", "test.fio:2", "size"},
        {"[a]\nsize=99999999t\n", "test.fio:2", "size"},
        {"[a]\nruntime=-1\n", "test.fio:2", "runtime"},
        {"[a]\nruntime=10parsecs\n", "test.fio:2", "runtime"},
        {"[a]\ntime_based=2\n", "test.fio:2", "0 or 1"},
        {"[a]\ntime_based\n", "test.fio", "needs a runtime"},
        {"rw=read\n", "test.fio:1", "section"},
        {"[]\n", "test.fio:1", "[name]"},
        {"[a\n", "test.fio:1", "[name]"},
        {"", "test.fio", "no job"},
        {"[global]\nrw=read\n", "test.fio", "no job"},
        {"[a]\nnumber_ios=0\n", "test.fio:2", "from 1"},
        {"[a]\nrw=randrw\nbs=4k,8k\n", "test.fio", "norandommap"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct job_file jobs;
        struct err e;
        assert_true(parse(&jobs, table[i].text, &e) < 0);
        if (!strstr(e.text, table[i].where) || !strstr(e.text, table[i].word))
            fail_msg("%s\n-> %s", table[i].text, e.text);
        job_file_release(&jobs);
    }
}

static void test_job_long_and_binary_lines_are_refused(void **state) {
    struct job_file jobs;
    struct err e = {0};
    char text[3000];
    memset(text, 'a', sizeof(text));
    assert_true(job_file_parse(&jobs, "x", text, sizeof(text), &e) < 0);
    job_file_release(&jobs);
    assert_true(job_file_parse(&jobs, "x", "[a]\nrw=re\0ad\n", 13, &e) < 0);
    assert_non_null(strstr(e.text, "x:2"));
    job_file_release(&jobs);
}

static void test_job_resolves_against_capacity(void **state) {
    const uint64_t capacity = 1 << 30;
    struct job_file jobs;
    struct err e;
    assert_int_equal(parse(&jobs, "[a]\noffset=25%\nsize=50%\n[b]\n[c]\noffset=1g\n[d]\nsize=2g\n[e]\nsize=512\n", &e),
                     0);
    assert_int_equal(job_resolve(&jobs.job[0], capacity, &e), 0);
    assert_true(jobs.job[0].offset.bytes <= capacity / 4 && jobs.job[0].offset.bytes > capacity / 4 - 8192);
    assert_int_equal(jobs.job[0].size.bytes, capacity / 2);
    assert_int_equal(job_resolve(&jobs.job[1], capacity, &e), 0);
    assert_int_equal(jobs.job[1].size.bytes, capacity);
    for (int i = 2; i < 5; i++)
        assert_true(job_resolve(&jobs.job[i], capacity, &e) < 0);
    job_file_release(&jobs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_reads_globals_and_sections),
        cmocka_unit_test(test_job_global_applies_only_to_later_sections),
        cmocka_unit_test(test_job_sizes_follow_fio),
        cmocka_unit_test(test_job_refuses_by_line),
        cmocka_unit_test(test_job_long_and_binary_lines_are_refused),
        cmocka_unit_test(test_job_resolves_against_capacity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
