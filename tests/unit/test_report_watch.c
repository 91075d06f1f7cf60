/*
 * Watching a drive: buckets of latencies, windows over time, stages, uses of
 * flash, lanes of the timeline; and tables of several results.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "report/coarse.h"
#include "report/course.h"
#include "report/processes.h"
#include "report/series.h"
#include "report/share.h"
#include "report/stages.h"
#include "report/table.h"
#include "report/timeline.h"
#include "report/usage.h"

static double at(const json_t *o, const char *key, size_t i) {
    return json_number_value(json_array_get(json_object_get(o, key), i));
}

static double number(const json_t *o, const char *key) {
    return json_number_value(json_object_get(o, key));
}

static void test_report_coarse_buckets_are_narrow_and_in_order(void **state) {
    for (unsigned b = 0; b < COARSE_BUCKETS; b++) {
        int64_t low = coarse_low(b);
        assert_int_equal(coarse_bucket(low), b);
        if (b) {
            assert_int_equal(coarse_bucket(low - 1), b - 1);
            assert_true(low - coarse_low(b - 1) <= 1 + coarse_low(b - 1) / 32);
        }
    }
    assert_int_equal(coarse_bucket(-5), 0);
    assert_int_equal(coarse_bucket(INT64_MAX), COARSE_BUCKETS - 1);
}

static void test_report_series_keeps_sums_while_windows_double(void **state) {
    const int64_t start = 5000, end = start + 3000000000;
    struct series *s = series_new(start, 2);
    assert_non_null(s);
    for (int64_t t = start; t < end; t += 1000000)
        series_request(s, RUN_READ, 4096, t, t + 500000);
    series_busy(s, 1, start, start + 1500000000);
    series_programmed(s, NAND_GC, 16384, end - 1);
    json_t *o = series_json(s, end), *read = json_object_get(o, "read"), *busy = series_busy_json(s, 1, end);
    int64_t window = (int64_t)number(o, "window_ns");
    size_t count = json_array_size(json_object_get(o, "queue_depth"));
    assert_int_equal(count, (3000000000 + window - 1) / window);
    assert_true(count > SERIES_WINDOWS / 2 - 1 && count <= SERIES_WINDOWS);
    double ios = 0, shares = 0;
    for (size_t i = 0; i < count; i++) {
        double seconds = (double)(i + 1 < count ? window : 3000000000 - (int64_t)i * window) / 1e9;
        ios += at(read, "iops", i) * seconds;
        shares += json_real_value(json_array_get(busy, i)) * seconds;
        assert_true(at(o, "queue_depth", i) > 0.4 && at(o, "queue_depth", i) < 0.6);
    }
    assert_true(ios > 2999.9 && ios < 3000.1);
    assert_true(shares > 1.49 && shares < 1.51);
    assert_int_equal(at(read, "mean_ns", 3), 500000);
    assert_true(at(read, "p99_ns", 3) > 484000 && at(read, "p99_ns", 3) <= 500000);
    assert_int_equal(at(json_object_get(o, "programmed_bytes"), "gc", count - 1), 16384);
    assert_null(json_object_get(o, "write_amplification")); /* nothing was written */
    json_decref(o);
    json_decref(busy);
    series_free(s);
}

static void test_report_stages_tell_the_slowest_apart(void **state) {
    struct stages *s = calloc(1, sizeof(*s));
    assert_null(stages_json(s));
    for (int i = 0; i < 9999; i++)
        stages_add(s, 100, &(struct io_stages){.ns = {[IO_STAGE_ARRAY] = 60, [IO_STAGE_FIRMWARE] = 30}});
    for (int i = 0; i < 12; i++)
        stages_add(s, 100000, &(struct io_stages){.ns = {[IO_STAGE_DIE_WAIT] = 100000}});
    json_t *o = stages_json(s), *slow = json_object_get(o, "slowest"), *all = json_object_get(o, "mean");
    assert_int_equal(number(slow, "requests"), 12);
    assert_int_equal(number(slow, "latency_ns"), 100000);
    assert_int_equal(number(json_object_get(slow, "stages_ns"), "die_wait"), 100000);
    assert_null(json_object_get(json_object_get(slow, "stages_ns"), "array"));
    assert_int_equal(number(all, "requests"), 10011);
    assert_true(number(json_object_get(all, "stages_ns"), "other") > 9.9);
    json_decref(o);
    free(s);
}

static const struct nand_config geometry = {.channels = 1, .luns = 2, .planes = 2, .blocks = 4, .pages = 4};

/* A program that gives way before it begins, runs, and is one of two planes; garbage collection, twice. */
static void test_report_usage_counts_each_operation_once(void **state) {
    struct usage *u = usage_new(&geometry);
    struct nand_op one = {.kind = NAND_PROGRAM, .cause = NAND_GC, .die = 1, .seq = 7, .started_ns = 1000};
    struct nand_op two = one;
    two.plane = 1;
    two.seq = 8;
    one.suspensions = two.suspensions = 1;
    usage_add(u, NAND_DIE, 1, NAND_PHASE_SUSPEND, &one, 5, 1000, 2000);
    assert_true(usage_first(u) && !usage_repeated(u));
    usage_add(u, NAND_DIE, 1, NAND_PHASE_SUSPEND, &two, 5, 1000, 2000);
    assert_true(usage_first(u) && usage_repeated(u));
    for (int part = 0; part < 2; part++) {
        usage_add(u, NAND_DIE, 1, NAND_PHASE_ARRAY, &one, 2, 3000 + 10000 * part, 9000 + 10000 * part);
        usage_add(u, NAND_DIE, 1, NAND_PHASE_ARRAY, &two, 2, 3000 + 10000 * part, 9000 + 10000 * part);
        assert_false(usage_first(u));
    }
    struct nand_op later = {.kind = NAND_ERASE, .cause = NAND_GC, .die = 1, .seq = 9};
    usage_add(u, NAND_DIE, 1, NAND_PHASE_ARRAY, &later, 1, 50000000, 53000000);
    json_t *dies = usage_dies_json(u, 0, 100000000), *die = json_array_get(dies, 1), *ops = json_object_get(die, "ops");
    assert_int_equal(number(ops, "program"), 2);
    assert_int_equal(number(ops, "erase"), 1);
    assert_int_equal(number(die, "suspends"), 1);
    assert_int_equal(number(die, "load_max"), 5);
    assert_true(number(die, "utilisation") > 0.030129 && number(die, "utilisation") < 0.030131);
    assert_true(at(die, "plane_utilisation", 1) < at(die, "plane_utilisation", 0));
    json_t *episodes = usage_episodes_json(u, 0);
    assert_int_equal(number(episodes, "count"), 2);
    assert_int_equal(number(episodes, "longest_ns"), 3000000);
    assert_int_equal(number(json_array_get(json_object_get(episodes, "first"), 0), "programs"), 2);
    json_decref(dies);
    json_decref(episodes);
    usage_free(u);
}

static void test_report_timeline_joins_planes_and_reuses_lanes(void **state) {
    char *text = NULL;
    size_t size = 0;
    const struct timeline_config config = {.out = open_memstream(&text, &size), .to_ns = 1000000, .events = 3};
    struct timeline *t = timeline_new(&config, &geometry, 500);
    struct nand_op op = {.kind = NAND_ERASE, .cause = NAND_HOST, .block = 3};
    struct io io = {.op = IO_READ, .bytes = 4096, .submitted_ns = 500, .completed_ns = 1501}, other = io;
    assert_int_equal(timeline_submitted(t, &io), 0);
    assert_int_equal(timeline_submitted(t, &other), 1);
    timeline_answered(t, &io, 0);
    assert_int_equal(timeline_submitted(t, &io), 0);
    timeline_use(t, NAND_DIE, 0, NAND_PHASE_ARRAY, &op, 700, 900);
    op.plane = 1;
    timeline_use(t, NAND_DIE, 0, NAND_PHASE_ARRAY, &op, 700, 900);
    timeline_use(t, NAND_DIE, 0, NAND_PHASE_ARRAY, &op, 1000500, 1000900); /* behind the window */
    other.completed_ns = 2500;
    timeline_answered(t, &other, 1);
    timeline_answered(t, &io, 0); /* one too many */
    struct timeline_end end = timeline_end(t);
    fclose(config.out);
    assert_int_equal(end.events, 3);
    assert_true(end.full && end.full_at_ns == 0);
    json_t *root = json_loads(text, 0, NULL), *first, *die;
    assert_non_null(root);
    first = json_array_get(json_object_get(root, "traceEvents"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "read");
    assert_true(number(first, "ts") == 0 && number(first, "dur") > 1.0009 && number(first, "dur") < 1.0011);
    die = json_array_get(json_object_get(root, "traceEvents"), 1);
    assert_string_equal(json_string_value(json_object_get(die, "name")), "host erase");
    assert_int_equal(json_array_size(json_object_get(json_object_get(die, "args"), "planes")), 2);
    json_decref(root);
    free(text);
}

static json_t *point(const char *drive, double iops, double mean) {
    return json_pack("{s:s,s:{s:s},s:{s:{s:{s:{s:f,s:f,s:{s:f,s:i,s:i,s:i}}}}}}", "drive", drive, "options", "a.b", "1",
                     "result", "drivelab", "total", "read", "iops", iops, "bw_bytes", 4096 * iops, "lat_ns", "mean",
                     mean, "p50", 10, "p99", 20, "p99.9", 30);
}

static void test_report_tables_show_points_that_failed(void **state) {
    char *text = NULL;
    size_t size = 0;
    json_t *points = json_pack("[o,o,{s:s,s:{s:s},s:s}]", point("x", 1230, 100), point("y", 615, 200), "drive", "z",
                               "options", "a.b", "2", "error", "no luck");
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(table_print(points, out), 0);
    fclose(out);
    assert_string_equal(text, "drive  a.b    IOPS  bandwidth    mean    p50    p99  p99.9\n"
                              "x        1  1.23 k  5.04 MB/s  100 ns  10 ns  20 ns  30 ns\n"
                              "y        1     615  2.52 MB/s  200 ns  10 ns  20 ns  30 ns\n"
                              "z        2  no luck\n");
    free(text);
    out = open_memstream(&text, &size);
    assert_int_equal(table_compare(points, out), 0);
    fclose(out);
    assert_non_null(strstr(text, "x0.5"));
    assert_non_null(strstr(text, "x2"));
    assert_non_null(strstr(text, "\nz: no luck\n"));
    free(text);
    json_decref(points);
}

/* A line for each process that did something, and for each run. */
static void test_report_processes_are_compared(void **state) {
    static const char one[] =
        "{'owner':1,'name':'a','bw_bytes':{'read':1e6,'write':0},'lat_ns':{'mean':1500.4,'p50':1000,"
        "'p99':2000,'max':3000},'drive_ns':75,'share':0.75,'merged':2,"
        "'arm':{'accesses':3,'seeks':4,'head_travel_cylinders':5000}}";
    static const char two[] = "{'owner':2,'name':'b','drive_ns':25,'share':0.25,'merged':0}";
    static const char none[] = "{'owner':3,'name':'c','merged':0}";
    char source[4096], *text = NULL;
    size_t size = 0;
    snprintf(source, sizeof source,
             "[{'drive':'d','options':{'queue.scheduler':'noop'},'result':{'drivelab':{'scheduler':{"
             "'processes':[%s,%s,%s],'total':%s}}}},"
             "{'drive':'d','options':{'queue.scheduler':'cfq'},'error':'no luck'}]",
             one, two, none, one);
    for (char *c = source; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *points = json_loads(source, 0, NULL);
    assert_non_null(points);
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(processes_compare(points, out), 0);
    fclose(out);
    assert_string_equal(text,
                        "scheduler  process    read  write   share     mean   p50   p99   max  merged  seeks  travel\n"
                        "noop             a  1 MB/s      -  75.0 %  1.50 us  1 us  2 us  3 us       2      4     5 k\n"
                        "noop             b       -      -  25.0 %        -     -     -     -       0      -       -\n"
                        "noop           all  1 MB/s      -  75.0 %  1.50 us  1 us  2 us  3 us       2      4     5 k\n"
                        "cfq        no luck\n");
    free(text);
    json_decref(points);
}

/* Slices, idling and service of two processes; what takes no time isn't drawn, what overlaps is cut. */
static void test_report_timeline_draws_the_scheduler(void **state) {
    char *text = NULL;
    size_t size = 0;
    const struct timeline_config config = {.out = open_memstream(&text, &size), .to_ns = 1000000, .events = 100};
    struct timeline *t = timeline_new(&config, NULL, 500);
    struct block_context a = {.id = 1, .name = (char *)"a\"b"}, b = {.id = 2, .name = (char *)"b"};
    struct request rq = {.op = IO_READ, .sector = 64, .sectors = 8, .ios = 2, .context = &a, .io_start_ns = 1000};
    timeline_scheduler(t, ELEVATOR_SLICE_BEGIN, &a, 1000);
    timeline_served(t, &rq, 3000);
    rq.io_start_ns = 2000; /* the drive had it meanwhile */
    timeline_served(t, &rq, 4500);
    timeline_scheduler(t, ELEVATOR_IDLE_BEGIN, &a, 4500);
    timeline_scheduler(t, ELEVATOR_IDLE_END, &a, 4500);
    timeline_scheduler(t, ELEVATOR_IDLE_BEGIN, &a, 4600);
    timeline_scheduler(t, ELEVATOR_IDLE_END, &a, 5600);
    timeline_scheduler(t, ELEVATOR_SLICE_END, &a, 5600);
    timeline_scheduler(t, ELEVATOR_SLICE_END, NULL, 5700);
    rq.context = &b;
    timeline_served(t, &rq, 4500);
    struct disk_op op = {.lba = 7, .count = 8, .parts = {.seek = 2000, .rotation = 1000, .transfer = 500}};
    timeline_access(t, &op, (struct disk_head){10, 0}, (struct disk_head){20, 0}, 1000, 4500);
    timeline_end(t);
    fclose(config.out);
    json_t *all = json_loads(text, 0, NULL), *events = json_object_get(all, "traceEvents"), *e;
    assert_non_null(events);
    unsigned slices = 0, idles = 0, served = 0, arm = 0, parts = 0, counts = 0;
    size_t i;
    json_array_foreach(events, i, e) {
        const char *cat = json_string_value(json_object_get(e, "cat"));
        const char *ph = json_string_value(json_object_get(e, "ph")),
                   *name = json_string_value(json_object_get(e, "name"));
        counts += !strcmp(ph, "C");
        if (!cat)
            continue;
        if (!strcmp(cat, "slice")) {
            slices++;
            assert_string_equal(name, "a_b (1)");
            assert_true(number(e, "ts") == 0.5 && number(e, "dur") == 4.6);
        } else if (!strcmp(cat, "idle")) {
            idles++;
            assert_true(number(e, "ts") == 4.1 && number(e, "dur") == 1.0);
        } else if (!strcmp(cat, "served")) {
            static const double from[] = {0.5, 2.5, 1.5}, length[] = {2.0, 1.5, 2.5};
            assert_true(served < 3 && number(e, "ts") == from[served] && number(e, "dur") == length[served]);
            served++;
        } else if (!strcmp(cat, "arm part")) {
            static const double at[] = {0.5, 2.5, 3.5}, length[] = {2.0, 1.0, 0.5};
            assert_true(parts < 3 && number(e, "ts") == at[parts] && number(e, "dur") == length[parts]);
            parts++;
        } else if (!strcmp(cat, "arm")) {
            arm++;
            assert_true(number(json_object_get(e, "args"), "to") == 20);
        }
    }
    assert_int_equal(slices, 1);
    assert_int_equal(idles, 1);
    assert_int_equal(served, 3);
    assert_int_equal(arm, 1);
    assert_int_equal(parts, 3);
    assert_int_equal(counts, 2);
    json_decref(all);
    free(text);
}

static void answer(struct share *s, uint32_t owner, uint64_t bytes, int64_t from_ns, int64_t to_ns) {
    const struct io io = {.owner = owner, .bytes = bytes, .submitted_ns = from_ns, .completed_ns = to_ns};
    share_answered(s, &io, RUN_READ);
}

/* Drive time of a drive without an arm goes to whom it completes; slices and idling to whom they are for. */
static void test_report_share_divides_the_drives_time(void **state) {
    struct share *s = share_new(false, NULL, 0);
    struct block_context a = {.id = 1, .name = (char *)"a"}, b = {.id = 40, .name = (char *)"b"};
    struct request rq = {.op = IO_READ, .context = &a, .io_start_ns = 1000};
    answer(s, 1, 4096, 500, 3000);
    share_served(s, &rq, 3000);
    rq.context = &b;
    share_served(s, &rq, 3500); /* meanwhile in the drive: only what is its own */
    rq.io_start_ns = 4000;
    share_served(s, &rq, 5500);
    answer(s, 40, 512, 2500, 5500);
    share_scheduler(s, ELEVATOR_SLICE_BEGIN, &a, 0);
    share_scheduler(s, ELEVATOR_IDLE_BEGIN, &a, 100);
    share_scheduler(s, ELEVATOR_IDLE_END, &a, 150);
    share_scheduler(s, ELEVATOR_SLICE_BEGIN, &b, 1000); /* ends the first */
    share_scheduler(s, ELEVATOR_SLICE_END, NULL, 3000);
    share_scheduler(s, ELEVATOR_SLICE_END, NULL, 4000);
    share_scheduler(s, ELEVATOR_SLICE_BEGIN, NULL, 4000); /* asynchronous ones: nobody's */
    share_scheduler(s, ELEVATOR_SLICE_END, NULL, 5000);
    json_t *stats = json_pack("{s:{s:[{s:i,s:i},{s:i,s:i},{s:i,s:i}]}}", "scheduler", "processes", "owner", 1, "merged",
                              3, "owner", 40, "merged", 4, "owner", 2, "merged", 0);
    share_add(s, stats);
    json_t *processes = json_object_get(json_object_get(stats, "scheduler"), "processes");
    json_t *one = json_array_get(processes, 0), *two = json_array_get(processes, 1);
    json_t *total = json_object_get(json_object_get(stats, "scheduler"), "total");
    assert_true(number(one, "drive_ns") == 2000 && number(two, "drive_ns") == 2000);
    assert_true(number(one, "share") == .5 && number(two, "share") == .5 && number(total, "share") == 1);
    assert_true(number(json_object_get(one, "slices"), "ns") == 1000);
    assert_true(number(json_object_get(one, "slices"), "idle_ns") == 50);
    assert_true(number(json_object_get(two, "slices"), "ns") == 2000);
    assert_true(number(json_object_get(total, "slices"), "count") == 3);
    assert_true(number(json_object_get(one, "lat_ns"), "max") == 2500);
    assert_true(number(json_object_get(one, "bw_bytes"), "read") == 4096 * 1e9 / 2500);
    assert_true(number(json_object_get(total, "bw_bytes"), "read") == 4608 * 1e9 / 5000);
    assert_true(number(total, "merged") == 7);
    assert_null(json_object_get(one, "arm"));
    assert_int_equal(json_object_size(json_array_get(processes, 2)), 2); /* never seen */
    json_decref(stats);
    share_free(s);
}

/* An arm's time, reading on included, and where it went. */
static void test_report_share_follows_the_arm(void **state) {
    struct series *series = series_new(0, SHARE_LANES + 1);
    struct share *s = share_new(true, series, 0);
    struct disk_op op = {.owner = 3, .parts = {.seeks = 2, .distance = 10}};
    const struct disk_read_on ahead = {
        .owner = 3, .from = {.cylinder = 10}, .to = {.cylinder = 12}, .from_ns = 400, .to_ns = 600};
    share_access(s, &op, 0, 400);
    share_read_on(s, &ahead);
    for (uint32_t owner = 4; owner < 4 + SHARE_LANES; owner++) { /* one more than is followed over time */
        op.owner = owner;
        share_access(s, &op, owner * 1000, owner * 1000 + 100);
    }
    op.owner = SHARE_OWNERS;
    share_access(s, &op, 0, 100); /* nobody we know */
    json_t *stats = json_pack("{s:{s:[{s:i}]}}", "scheduler", "processes", "owner", 3);
    share_add(s, stats);
    json_t *one = json_array_get(json_object_get(json_object_get(stats, "scheduler"), "processes"), 0);
    assert_true(number(one, "drive_ns") == 600);
    assert_true(number(json_object_get(one, "arm"), "head_travel_cylinders") == 12);
    assert_true(number(json_object_get(one, "arm"), "seeks") == 2);
    json_t *over = share_series_json(s, 20000), *share = json_object_get(over, "share");
    assert_int_equal(json_array_size(json_object_get(over, "owners")), SHARE_LANES);
    assert_int_equal(json_array_size(share), SHARE_LANES + 1);
    double others = 0;
    size_t i;
    json_t *v;
    json_array_foreach(json_array_get(share, SHARE_LANES), i, v) others += json_number_value(v);
    assert_true(others > 0);
    json_decref(over);
    json_decref(stats);
    share_free(s);
    series_free(series);
}

/* Of many places a part is kept that no pattern in them biases. */
static void test_report_course_keeps_an_even_part(void **state) {
    enum { PLACES = 50 * COURSE_PLACES };
    struct course *c = course_new(1000);
    for (unsigned i = 0; i < PLACES; i++)
        course_add(c, i % 2, COURSE_READ, 1000 + i, 1000 + i + 1, i % 2 * 100, i % 2 * 100);
    json_t *o = course_json(c, 200), *places = json_object_get(o, "places"), *p;
    double last = -1;
    unsigned odd = 0, early = 0;
    size_t i;
    assert_true(number(o, "count") == PLACES && json_array_size(places) <= COURSE_PLACES);
    assert_true(json_array_size(places) > COURSE_PLACES / 3);
    json_array_foreach(places, i, p) {
        assert_true(json_number_value(json_array_get(p, 0)) > last);
        last = json_number_value(json_array_get(p, 0));
        odd += json_integer_value(json_array_get(p, 4)) == 1;
        early += last < PLACES / 2;
    }
    assert_true(odd > i * 2 / 5 && odd < i * 3 / 5);
    assert_true(early > i * 2 / 5 && early < i * 3 / 5);
    json_decref(o);
    course_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_coarse_buckets_are_narrow_and_in_order),
        cmocka_unit_test(test_report_series_keeps_sums_while_windows_double),
        cmocka_unit_test(test_report_stages_tell_the_slowest_apart),
        cmocka_unit_test(test_report_usage_counts_each_operation_once),
        cmocka_unit_test(test_report_timeline_joins_planes_and_reuses_lanes),
        cmocka_unit_test(test_report_timeline_draws_the_scheduler),
        cmocka_unit_test(test_report_processes_are_compared),
        cmocka_unit_test(test_report_share_divides_the_drives_time),
        cmocka_unit_test(test_report_share_follows_the_arm),
        cmocka_unit_test(test_report_course_keeps_an_even_part),
        cmocka_unit_test(test_report_tables_show_points_that_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
