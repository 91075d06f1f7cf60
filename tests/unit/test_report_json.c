/*
 * The JSON report: every field of fio 3.33's has its name and type, and the
 * numbers are those of the statistics they came from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "report/report.h"

#define JOBS 3

struct bench {
    struct run_stat *stat[JOBS];
    struct report_job_option options[JOBS][REPORT_JOB_OPTIONS];
    unsigned iodepth[JOBS];
    struct report report;
    char *text;
    size_t size;
    json_t *root;
};

/* One job that does reads of 1..1000 us, writes of 2 ms and nothing else, for 1.5 s; one without any I/O. */
static struct bench *bench_new(void) {
    struct bench *b = calloc(1, sizeof(*b));
    for (unsigned i = 0; i < JOBS; i++) {
        b->stat[i] = malloc(sizeof(*b->stat[i]));
        run_stat_init(b->stat[i], i ? "other" : "first", 0, 0);
        b->iodepth[i] = 16;
    }
    for (int i = 1; i <= 1000; i++) {
        run_stat_submit(b->stat[0], 16);
        run_stat_complete(b->stat[0], RUN_READ, 4096, i * 1000000, i * 1000000 + 50, i * 1000000 + i * 1000);
    }
    for (int i = 0; i < 250; i++) {
        run_stat_submit(b->stat[0], 1);
        run_stat_complete(b->stat[0], RUN_WRITE, 8192, i * 1000000, i * 1000000, i * 1000000 + 2000000);
    }
    for (unsigned i = 0; i < JOBS; i++)
        run_stat_finish(b->stat[i], 1500000000);
    b->options[0][0] = (struct report_job_option){"rw", "randrw"};
    b->report = (struct report){
        .drive = "nossd",
        .seed = 7,
        .stat = b->stat,
        .options = b->options,
        .iodepth = b->iodepth,
        .count = 2,
        .ios = 1250,
        .simulated_ns = 1500000000,
        .wall_ns = 1000000,
        .drive_stats = json_pack("{s:f,s:{s:i}}", "write_amplification", 1.5, "host", "failed", 0),
        .config = json_pack("{s:{s:s}}", "drive", "kind", "nossd"),
    };
    return b;
}

static void bench_free(struct bench *b) {
    for (unsigned i = 0; i < JOBS; i++)
        free(b->stat[i]);
    json_decref(b->report.drive_stats);
    json_decref(b->report.config);
    json_decref(b->root);
    free(b->text);
    free(b);
}

static json_t *render(struct bench *b) {
    FILE *out = open_memstream(&b->text, &b->size);
    assert_int_equal(report_find("json")->write(&b->report, out), 0);
    fclose(out);
    json_error_t error;
    b->root = json_loads(b->text, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(b->root);
    return b->root;
}

/* "jobs.0.read.clat_ns.mean" -> value; a percentile's dots are written as '_'. */
static json_t *find(json_t *at, const char *path) {
    char copy[128], *save = NULL;
    snprintf(copy, sizeof(copy), "%s", path);
    for (char *key = strtok_r(copy, ".", &save); key && at; key = strtok_r(NULL, ".", &save)) {
        for (char *c = key; *c && *key >= '0' && *key <= '9'; c++)
            *c = *c == '_' ? '.' : *c;
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(key)) : json_object_get(at, key);
    }
    return at;
}

static double number(struct bench *b, const char *path) {
    json_t *value = find(b->root, path);
    if (!json_is_number(value))
        fail_msg("%s is no number", path);
    return json_number_value(value);
}

/* ---- fio's fields ---- */

struct field {
    const char *name;
    char type; /* i integer, f real, s string, o object, a array */
};

static const struct field job_fields[] = {
    {"jobname", 's'},
    {"groupid", 'i'},
    {"error", 'i'},
    {"eta", 'i'},
    {"elapsed", 'i'},
    {"job options", 'o'},
    {"read", 'o'},
    {"write", 'o'},
    {"trim", 'o'},
    {"sync", 'o'},
    {"job_runtime", 'i'},
    {"usr_cpu", 'f'},
    {"sys_cpu", 'f'},
    {"ctx", 'i'},
    {"majf", 'i'},
    {"minf", 'i'},
    {"iodepth_level", 'o'},
    {"iodepth_submit", 'o'},
    {"iodepth_complete", 'o'},
    {"latency_ns", 'o'},
    {"latency_us", 'o'},
    {"latency_ms", 'o'},
    {"latency_depth", 'i'},
    {"latency_target", 'i'},
    {"latency_percentile", 'f'},
    {"latency_window", 'i'},
    {0},
};

static const struct field direction_fields[] = {
    {"io_bytes", 'i'},  {"io_kbytes", 'i'},   {"bw_bytes", 'i'},     {"bw", 'i'},
    {"iops", 'f'},      {"runtime", 'i'},     {"total_ios", 'i'},    {"short_ios", 'i'},
    {"drop_ios", 'i'},  {"slat_ns", 'o'},     {"clat_ns", 'o'},      {"lat_ns", 'o'},
    {"bw_min", 'i'},    {"bw_max", 'i'},      {"bw_agg", 'f'},       {"bw_mean", 'f'},
    {"bw_dev", 'f'},    {"bw_samples", 'i'},  {"iops_min", 'i'},     {"iops_max", 'i'},
    {"iops_mean", 'f'}, {"iops_stddev", 'f'}, {"iops_samples", 'i'}, {0},
};

static const struct field latency_fields[] = {
    {"min", 'i'}, {"max", 'i'}, {"mean", 'f'}, {"stddev", 'f'}, {"N", 'i'}, {0},
};

static const struct field percentile_fields[] = {
    {"1.000000", 'i'},  {"5.000000", 'i'},  {"10.000000", 'i'},
    {"20.000000", 'i'}, {"30.000000", 'i'}, {"40.000000", 'i'},
    {"50.000000", 'i'}, {"60.000000", 'i'}, {"70.000000", 'i'},
    {"80.000000", 'i'}, {"90.000000", 'i'}, {"95.000000", 'i'},
    {"99.000000", 'i'}, {"99.500000", 'i'}, {"99.900000", 'i'},
    {"99.950000", 'i'}, {"99.990000", 'i'}, {0},
};

static const struct field level_fields[] = {
    {"1", 'f'}, {"2", 'f'}, {"4", 'f'}, {"8", 'f'}, {"16", 'f'}, {"32", 'f'}, {">=64", 'f'}, {0},
};

static const struct field batch_fields[] = {
    {"0", 'f'}, {"4", 'f'}, {"8", 'f'}, {"16", 'f'}, {"32", 'f'}, {"64", 'f'}, {">=64", 'f'}, {0},
};

static const struct field small_latency_fields[] = {
    {"2", 'f'},   {"4", 'f'},   {"10", 'f'},  {"20", 'f'},   {"50", 'f'}, {"100", 'f'},
    {"250", 'f'}, {"500", 'f'}, {"750", 'f'}, {"1000", 'f'}, {0},
};

static const struct field large_latency_fields[] = {
    {"2", 'f'},   {"4", 'f'},   {"10", 'f'},   {"20", 'f'},   {"50", 'f'},     {"100", 'f'}, {"250", 'f'},
    {"500", 'f'}, {"750", 'f'}, {"1000", 'f'}, {"2000", 'f'}, {">=2000", 'f'}, {0},
};

static bool has_type(const json_t *value, char type) {
    switch (type) {
    case 'i':
        return json_is_integer(value);
    case 'f':
        return json_is_real(value);
    case 's':
        return json_is_string(value);
    case 'o':
        return json_is_object(value);
    default:
        return json_is_array(value);
    }
}

/* All of the fields, of their types. */
static void assert_fields(json_t *object, const char *where, const struct field *fields) {
    assert_true(json_is_object(object));
    for (; fields->name; fields++)
        if (!has_type(json_object_get(object, fields->name), fields->type))
            fail_msg("%s: \"%s\" is missing or not of type %c", where, fields->name, fields->type);
}

/* And no others. */
static void assert_exact(json_t *object, const char *where, const struct field *fields) {
    size_t count = 0;
    assert_fields(object, where, fields);
    while (fields[count].name)
        count++;
    if (json_object_size(object) != count)
        fail_msg("%s: %zu fields, fio has %zu", where, json_object_size(object), count);
}

static void assert_latency_object(json_t *direction, const char *key, bool percentiles) {
    json_t *o = json_object_get(direction, key);
    assert_fields(o, key, latency_fields);
    assert_int_equal(json_object_size(o), 5 + percentiles);
    if (percentiles)
        assert_exact(json_object_get(o, "percentile"), key, percentile_fields);
}

static void assert_job(json_t *job) {
    static const char *const dirs[] = {"read", "write", "trim"};
    assert_exact(job, "job", job_fields);
    for (int d = 0; d < 3; d++) {
        json_t *dir = json_object_get(job, dirs[d]);
        bool any = json_integer_value(json_object_get(dir, "total_ios")) > 0;
        assert_exact(dir, dirs[d], direction_fields);
        assert_latency_object(dir, "slat_ns", any);
        assert_latency_object(dir, "clat_ns", any);
        assert_latency_object(dir, "lat_ns", any);
    }
    assert_true(json_is_integer(find(job, "sync.total_ios")));
    assert_latency_object(json_object_get(job, "sync"), "lat_ns", false);
    assert_exact(json_object_get(job, "iodepth_level"), "iodepth_level", level_fields);
    assert_exact(json_object_get(job, "iodepth_submit"), "iodepth_submit", batch_fields);
    assert_exact(json_object_get(job, "iodepth_complete"), "iodepth_complete", batch_fields);
    assert_exact(json_object_get(job, "latency_ns"), "latency_ns", small_latency_fields);
    assert_exact(json_object_get(job, "latency_us"), "latency_us", small_latency_fields);
    assert_exact(json_object_get(job, "latency_ms"), "latency_ms", large_latency_fields);
}

static void test_report_has_every_field_of_fio(void **state) {
    static const struct field top[] = {
        {"fio version", 's'}, {"timestamp", 'i'}, {"timestamp_ms", 'i'}, {"time", 's'}, {"global options", 'o'},
        {"jobs", 'a'},        {"disk_util", 'a'}, {"drivelab", 'o'},     {0},
    };
    struct bench *b = bench_new();
    json_t *root = render(b);
    assert_exact(root, "top", top);
    assert_memory_equal(json_string_value(json_object_get(root, "fio version")), "fio-3.", 6);
    assert_int_equal(json_array_size(json_object_get(root, "jobs")), 2);
    assert_job(find(root, "jobs.0"));
    assert_job(find(root, "jobs.1"));
    bench_free(b);
}

/* ---- fio's values ---- */

static void test_report_counts_and_rates(void **state) {
    struct bench *b = bench_new();
    json_t *root = render(b);
    assert_true(number(b, "jobs.0.read.total_ios") == 1000);
    assert_true(number(b, "jobs.0.read.io_bytes") == 4096000);
    assert_true(number(b, "jobs.0.read.io_kbytes") == 4000);
    assert_float_equal(number(b, "jobs.0.read.iops"), 1000 / 1.5, 1e-6);
    assert_true(number(b, "jobs.0.read.bw_bytes") == (int)(4096000 / 1.5));
    assert_true(number(b, "jobs.0.read.bw") == (int)(4000 / 1.5));
    assert_true(number(b, "jobs.0.read.runtime") == 1500);
    assert_true(number(b, "jobs.0.write.total_ios") == 250);
    assert_true(number(b, "jobs.0.write.io_bytes") == 250 * 8192);
    assert_true(number(b, "jobs.0.trim.runtime") == 0);
    assert_true(number(b, "jobs.0.job_runtime") == 1500);
    assert_true(number(b, "jobs.0.elapsed") == 2);
    assert_true(number(b, "jobs.0.latency_depth") == 16);
    assert_true(number(b, "jobs.1.read.total_ios") == 0);
    assert_string_equal(json_string_value(find(root, "jobs.0.jobname")), "first");
    assert_string_equal(json_string_value(find(root, "jobs.0.job options.rw")), "randrw");
    bench_free(b);
}

static void test_report_latencies_agree_with_the_statistics(void **state) {
    struct bench *b = bench_new();
    const struct run_dir_stat *read = &b->stat[0]->dir[RUN_READ];
    render(b);
    assert_true(number(b, "jobs.0.read.slat_ns.min") == 50);
    assert_true(number(b, "jobs.0.read.clat_ns.min") == 950);
    assert_true(number(b, "jobs.0.read.clat_ns.max") == 999950);
    assert_true(number(b, "jobs.0.read.lat_ns.max") == 1000000);
    assert_true(number(b, "jobs.0.read.lat_ns.N") == 1000);
    assert_float_equal(number(b, "jobs.0.read.lat_ns.mean"), 500500, 1e-3);
    assert_float_equal(number(b, "jobs.0.read.lat_ns.stddev"), hist_stddev(&read->lat), 1e-3);
    assert_true(number(b, "jobs.0.read.clat_ns.percentile.50_000000") == (double)hist_quantile(&read->clat, 0.5));
    assert_float_equal(number(b, "jobs.0.read.clat_ns.percentile.99_000000"), 990000, 9900);
    assert_true(number(b, "jobs.0.write.clat_ns.percentile.99_990000") == 2000000);
    bench_free(b);
}

static void test_report_windows(void **state) {
    struct bench *b = bench_new();
    render(b);
    assert_true(number(b, "jobs.0.read.iops_samples") == 3);
    assert_true(number(b, "jobs.0.read.iops_max") >= 998);
    assert_float_equal(number(b, "jobs.0.read.iops_mean"), 2000.0 / 3, 1);
    assert_true(number(b, "jobs.0.write.iops_max") == 500); /* all in the first half second, then two windows of none */
    assert_true(number(b, "jobs.0.write.iops_min") == 0);
    assert_float_equal(number(b, "jobs.0.write.iops_mean"), 500.0 / 3, 1e-6);
    assert_float_equal(number(b, "jobs.0.write.iops_stddev"), 288.675, 1e-3);
    assert_float_equal(number(b, "jobs.0.write.bw_mean"), 500.0 / 3 * 8, 1e-3);
    bench_free(b);
}

static double sum_of(json_t *object) {
    const char *key;
    json_t *value;
    double sum = 0;
    json_object_foreach(object, key, value) sum += json_number_value(value);
    return sum;
}

static void test_report_shares_add_up(void **state) {
    struct bench *b = bench_new();
    json_t *job = find(render(b), "jobs.0");
    double latencies = sum_of(json_object_get(job, "latency_ns")) + sum_of(json_object_get(job, "latency_us")) +
                       sum_of(json_object_get(job, "latency_ms"));
    assert_float_equal(latencies, 100, 1e-6);
    assert_float_equal(number(b, "jobs.0.latency_us.2"), 100.0 / 1250, 1e-6); /* 1 us: not below 1000 ns any more */
    /* 4 to 9 us; a bucket of the histogram may reach over the limit by one */
    assert_float_equal(number(b, "jobs.0.latency_us.10"), 600.0 / 1250, 100.5 / 1250);
    assert_float_equal(number(b, "jobs.0.latency_ms.4") + number(b, "jobs.0.latency_ms.2"), 20 + 100.0 / 1250, 0.5);
    assert_float_equal(number(b, "jobs.0.iodepth_level.16"), 80, 1e-6);
    assert_float_equal(number(b, "jobs.0.iodepth_level.1"), 20, 1e-6);
    assert_float_equal(sum_of(json_object_get(job, "iodepth_submit")), 100, 1e-6);
    assert_float_equal(sum_of(find(b->root, "jobs.1.iodepth_level")), 0, 1e-6);
    bench_free(b);
}

static void test_report_counts_latencies_of_zero(void **state) {
    struct bench *b = bench_new();
    run_stat_complete(b->stat[1], RUN_READ, 512, 10, 10, 10);
    render(b);
    assert_float_equal(number(b, "jobs.1.latency_ns.2"), 100, 1e-6);
    bench_free(b);
}

static void test_report_merged_jobs(void **state) {
    struct bench *b = bench_new();
    run_stat_complete(b->stat[2], RUN_WRITE, 4096, 0, 0, 500);
    run_stat_finish(b->stat[2], 3000000000);
    double dev = 288.675134;
    run_stat_merge(b->stat[0], b->stat[0 + 2]);
    json_t *root = render(b);
    assert_true(number(b, "jobs.0.write.total_ios") == 251);
    assert_true(number(b, "jobs.0.write.clat_ns.min") == 500);
    assert_true(number(b, "jobs.0.job_runtime") == 6000); /* fio: of all jobs together */
    assert_true(number(b, "jobs.0.write.iops_stddev") > 0 && number(b, "jobs.0.write.iops_stddev") <= 2 * dev);
    assert_non_null(root);
    bench_free(b);
}

/* Two jobs with the same, independent ups and downs: variances add. */
static void test_report_spread_of_a_group(void **state) {
    struct run_stat *a = malloc(sizeof(*a)), *c = malloc(sizeof(*c));
    run_stat_init(a, "a", 0, 0);
    for (int i = 0; i < 3000; i++) /* 2000 in one window, 1000 in the next, ... */
        run_stat_complete(a, RUN_READ, 512, 0, 0, (i / 3000 * 2 + (i % 3000 >= 2000)) * RUN_WINDOW_NS);
    run_stat_finish(a, 2 * RUN_WINDOW_NS);
    *c = *a;
    run_stat_merge(a, c);
    const struct run_window *w = &a->dir[RUN_READ].window;
    double variance = w->iops_squares - w->iops_sum * w->iops_sum / 2;
    assert_int_equal(w->samples, 2);
    assert_float_equal(w->iops_sum / 2, 6000, 1e-6);
    assert_float_equal(variance, 2 * (4000.0 * 4000 + 2000.0 * 2000 - 6000.0 * 6000 / 2), 1e-3);
    free(a);
    free(c);
}

/* ---- what is ours ---- */

static void test_report_own_fields(void **state) {
    struct bench *b = bench_new();
    render(b);
    assert_string_equal(json_string_value(find(b->root, "drivelab.drive")), "nossd");
    assert_string_equal(json_string_value(find(b->root, "drivelab.options.drive.kind")), "nossd");
    assert_true(number(b, "drivelab.seed") == 7);
    assert_true(number(b, "drivelab.ios") == 1250);
    assert_true(number(b, "drivelab.simulated_ns") == 1500000000);
    assert_true(number(b, "drivelab.wall_ns") == 1000000);
    assert_true(number(b, "drivelab.ios_per_wall_second") == 1250000);
    assert_true(number(b, "drivelab.write_amplification") == 1.5);
    bench_free(b);
}

static void test_report_shares_of_all_jobs(void **state) {
    struct bench *b = bench_new();
    run_stat_complete(b->stat[1], RUN_READ, 4096000 / 4, 0, 0, 10);
    render(b);
    assert_float_equal(number(b, "jobs.0.read.bw_agg"), 80, 1e-6);
    assert_float_equal(number(b, "jobs.1.read.bw_agg"), 20, 1e-6);
    assert_float_equal(number(b, "jobs.0.write.bw_agg"), 100, 1e-6);
    assert_float_equal(number(b, "jobs.0.trim.bw_agg"), 0, 1e-6);
    bench_free(b);
}

static void test_report_reproducible_leaves_the_wall_clock_out(void **state) {
    struct bench *b = bench_new();
    b->report.reproducible = true;
    b->report.wall_ns = 0;
    json_t *root = render(b);
    assert_null(json_object_get(root, "time"));
    assert_null(json_object_get(root, "timestamp"));
    assert_null(json_object_get(root, "timestamp_ms"));
    assert_null(find(root, "drivelab.wall_ns"));
    assert_null(find(root, "drivelab.ios_per_wall_second"));
    bench_free(b);
}

static void test_report_failure_with_its_reason(void **state) {
    struct bench *b = bench_new();
    b->stat[0]->first_error = 0x281;
    snprintf(b->stat[0]->error_text, sizeof(b->stat[0]->error_text), "page 7 has \"quotes\"");
    render(b);
    assert_true(number(b, "jobs.0.error") == 5);
    assert_true(number(b, "jobs.0.drivelab_error.status") == 0x281);
    assert_string_equal(json_string_value(find(b->root, "jobs.0.drivelab_error.reason")), "page 7 has \"quotes\"");
    bench_free(b);
}

static void test_report_says_when_the_stream_fails(void **state) {
    struct bench *b = bench_new();
    for (const struct report_format *const *f = report_formats; *f; f++) {
        FILE *full = fopen("/dev/full", "w");
        if (!full)
            skip();
        assert_int_equal((*f)->write(&b->report, full), -5);
        fclose(full);
    }
    bench_free(b);
}

static void test_report_text_names_what_fio_names(void **state) {
    struct bench *b = bench_new();
    FILE *out = open_memstream(&b->text, &b->size);
    assert_int_equal(report_find("text")->write(&b->report, out), 0);
    fclose(out);
    assert_non_null(strstr(b->text, "first: (groupid=0, jobs=1): err= 0\n  read: IOPS=667, BW=2.60MiB/s (2.73MB/s)"));
    assert_non_null(strstr(b->text, "99.99th=["));
    assert_non_null(strstr(b->text, "seed 7"));
    assert_null(report_find("xml"));
    bench_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_has_every_field_of_fio),
        cmocka_unit_test(test_report_counts_and_rates),
        cmocka_unit_test(test_report_latencies_agree_with_the_statistics),
        cmocka_unit_test(test_report_windows),
        cmocka_unit_test(test_report_shares_add_up),
        cmocka_unit_test(test_report_counts_latencies_of_zero),
        cmocka_unit_test(test_report_merged_jobs),
        cmocka_unit_test(test_report_spread_of_a_group),
        cmocka_unit_test(test_report_shares_of_all_jobs),
        cmocka_unit_test(test_report_own_fields),
        cmocka_unit_test(test_report_reproducible_leaves_the_wall_clock_out),
        cmocka_unit_test(test_report_failure_with_its_reason),
        cmocka_unit_test(test_report_says_when_the_stream_fails),
        cmocka_unit_test(test_report_text_names_what_fio_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
