/* The control socket's methods about the queue before the drive: what cat and echo of /sys/block/sda/queue would do. */
#include "ctl_bed.h"

#include <errno.h>

#include "block/block.h"

static const char *const disk[] = {"drive.kind=hdd", NULL};
static const char *const flash[] = {"drive.kind=nossd", NULL};
static const char *const zones[] = {"drive.kind=smr", "drive.capacity=256MiB", NULL};

struct queue_bed {
    struct ctl_bed *ctl;
    struct block *block;
};

static struct queue_bed setup(const char *const *options, const char *scheduler) {
    const struct block_settings s = {.scheduler = scheduler};
    struct err e = {0};
    struct queue_bed q = {.ctl = ctl_bed_new(options)};
    if (!(q.block = block_new(q.ctl->bed->drive, &s, &e)))
        fail_msg("%s", e.text);
    return q;
}

static void teardown(struct queue_bed *q) {
    block_free(block_of(q->ctl->bed->drive));
    ctl_bed_free(q->ctl);
}

static void expect(const json_t *object, const char *key, const char *want) {
    const char *found = json_string_value(json_object_get(object, key));
    if (!found || strcmp(found, want))
        fail_msg("%s: \"%s\" instead of \"%s\"", key, found ? found : "nothing", want);
}

static void reads(struct queue_bed *q, const char *name, const char *want) {
    char params[256];
    snprintf(params, sizeof params, "[\"sda\",\"%s\"]", name);
    json_t *r = ctl_bed_result(q->ctl, "queue.get", params);
    expect(r, "device", "sda");
    expect(r, "name", name);
    expect(r, "value", want);
    json_decref(r);
}

/* Sets, and checks what was there, what is there now and whether something is said about it. */
static void writes(struct queue_bed *q, const char *name, const char *value, const char *now, const char *note) {
    char params[256];
    snprintf(params, sizeof params, "[\"%s\",\"%s\"]", name, value);
    json_t *r = ctl_bed_result(q->ctl, "queue.set", params);
    expect(r, "name", name);
    expect(r, "value", now);
    const char *said = json_string_value(json_object_get(r, "note"));
    if (note ? !strstr(said, note) : *said)
        fail_msg("%s %s: \"%s\"", name, value, said);
    json_decref(r);
    reads(q, name, now);
}

static void refuses(struct queue_bed *q, const char *name, const char *value, const char *words) {
    char params[256], get[128];
    snprintf(params, sizeof params, "[\"sda\",\"%s\",\"%s\"]", name, value);
    snprintf(get, sizeof get, "[\"%s\"]", name);
    json_t *before = ctl_bed_call(q->ctl, "queue.get", get);
    ctl_bed_refused(q->ctl, "queue.set", params, CTL_INVALID_PARAMS, words);
    json_t *after = ctl_bed_call(q->ctl, "queue.get", get);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
}

static void test_ctl_queue_without_one(void **state) {
    struct queue_bed q = {.ctl = ctl_bed_new(disk)};
    bed_up(q.ctl->bed, 1);
    ctl_bed_refused(q.ctl, "queue.list", NULL, CTL_UNSUPPORTED, "--scheduler NAME");
    ctl_bed_refused(q.ctl, "queue.get", "[\"sda\",\"scheduler\"]", CTL_UNSUPPORTED, "queue.set sda scheduler");
    ctl_bed_refused(q.ctl, "queue.set", "[\"nr_requests\",\"64\"]", CTL_UNSUPPORTED, "no queue");
    ctl_bed_refused(q.ctl, "queue.set", "[\"scheduler\",\"nope\"]", CTL_INVALID_PARAMS, "noop deadline cfq");
    assert_null(block_of(q.ctl->bed->drive));
    json_t *r = ctl_bed_result(q.ctl, "queue.set", "[\"sda\",\"scheduler\",\"deadline,fifo_batch=3\"]");
    expect(r, "before", "");
    json_decref(r);
    assert_non_null(block_group_find(block_of(q.ctl->bed->drive), BED_HOST)); /* a host that was there before */
    reads(&q, "iosched/fifo_batch", "3");
    teardown(&q);
}

/* The device may be left out; another isn't there. */
static void test_ctl_queue_names_the_device(void **state) {
    struct queue_bed q = setup(disk, "cfq");
    json_t *r = ctl_bed_result(q.ctl, "queue.get", "[\"scheduler\"]");
    expect(r, "value", "noop deadline [cfq] as mq-deadline kyber bfq none");
    json_decref(r);
    r = ctl_bed_result(q.ctl, "queue.get", "{\"device\":\"sda\",\"name\":\"rotational\"}");
    expect(r, "value", "1");
    json_decref(r);
    ctl_bed_refused(q.ctl, "queue.get", "[\"sdb\",\"scheduler\"]", CTL_INVALID_PARAMS, "the drive is sda");
    ctl_bed_refused(q.ctl, "queue.set", "[\"sdb\",\"scheduler\",\"noop\"]", CTL_INVALID_PARAMS, "the drive is sda");
    ctl_bed_refused(q.ctl, "queue.set", "[\"sda\",\"nr_requests\"]", CTL_INVALID_PARAMS, "a value are needed");
    ctl_bed_refused(q.ctl, "queue.set", "[\"sda\"]", CTL_INVALID_PARAMS, "needed");
    teardown(&q);
}

/* Every attribute of the list reads as the list says, and what isn't writable is refused. */
static void test_ctl_queue_lists_all(void **state) {
    for (unsigned i = 0; elevators[i]; i++) {
        struct queue_bed q = setup(disk, elevators[i]->name);
        json_t *list = ctl_bed_result(q.ctl, "queue.list", "[\"sda\"]"), *a;
        json_t *all = ctl_bed_result(q.ctl, "queue.get", NULL), *values = json_object_get(all, "values");
        size_t n, tunables = 0;
        json_array_foreach(json_object_get(list, "attributes"), n, a) {
            const char *name = json_string_value(json_object_get(a, "name"));
            const char *value = json_string_value(json_object_get(a, "value"));
            char params[128];
            reads(&q, name, value);
            expect(values, name, value);
            tunables += !strncmp(name, "iosched/", 8);
            snprintf(params, sizeof params, "[\"%s\",\"1\"]", name);
            if (!json_is_true(json_object_get(a, "writable")))
                ctl_bed_refused(q.ctl, "queue.set", params, CTL_REFUSED, "can only be read");
            else
                assert_true(*json_string_value(json_object_get(a, "allowed")));
        }
        assert_int_equal(n, json_object_size(values));
        for (const struct elevator_tunable *t = elevators[i]->tunables; t && t->name; t++)
            tunables--;
        assert_int_equal(tunables, 0);
        json_decref(list);
        json_decref(all);
        teardown(&q);
    }
}

/* What Linux clamps is clamped and said; what it refuses is refused, with what is allowed. */
static void test_ctl_queue_clamps_and_refuses_as_linux(void **state) {
    struct queue_bed q = setup(disk, "cfq");
    writes(&q, "nr_requests", "64", "64", NULL);
    writes(&q, "nr_requests", "1", "4", "below the least");
    refuses(&q, "nr_requests", "-1", "allowed are 4 to");
    refuses(&q, "nr_requests", "many", "not a whole number");
    writes(&q, "nomerges", "2", "2", NULL);
    writes(&q, "nomerges", "7", "1", "taken as 1");
    refuses(&q, "nomerges", "-1", "0 to 2");
    writes(&q, "rotational", "0", "0", NULL);
    writes(&q, "iostats", "0", "0", NULL);
    writes(&q, "max_sectors_kb", "128", "128", NULL);
    refuses(&q, "max_sectors_kb", "2", "4 to 1280");
    refuses(&q, "max_sectors_kb", "1281", "4 to 1280");
    refuses(&q, "queue_depth", "0", "allowed are 1 to");
    refuses(&q, "read_ahead_kb", "128", "not modelled");
    refuses(&q, "slice_idle", "0", "there are: scheduler, nr_requests");
    writes(&q, "iosched/slice_idle", "0", "0", NULL);
    writes(&q, "iosched/slice_idle", "-1", "0", "outside 0 to");
    writes(&q, "iosched/quantum", "0", "1", "outside 1 to");
    writes(&q, "iosched/low_latency", "5", "1", "outside 0 to 1");
    refuses(&q, "iosched/slice_idle", "8ms", "not a whole number");
    refuses(&q, "iosched/fifo_batch", "8", "cfq has no tunable");
    teardown(&q);
}

/* Newer schedulers read their files by other functions, which refuse some of what older ones clamp. */
static void test_ctl_queue_newer_schedulers_refuse_more(void **state) {
    struct queue_bed q = setup(disk, "bfq");
    refuses(&q, "iosched/slice_idle", "-1", "allowed are 0 to");
    writes(&q, "iosched/max_budget", "9000000000", "2147483647", "outside");
    writes(&q, "scheduler", "kyber", "noop deadline cfq as mq-deadline [kyber] bfq none", NULL);
    refuses(&q, "iosched/read_lat_nsec", "-5", "allowed are 0 to");
    writes(&q, "scheduler", "mq-deadline", "noop deadline cfq as [mq-deadline] kyber bfq none", NULL);
    writes(&q, "iosched/fifo_batch", "-5", "0", "outside");
    refuses(&q, "iosched/fifo_batch", "3000000000", "allowed are 0 to 2147483647");
    refuses(&q, "nr_requests", "2049", "4 to 2048");
    teardown(&q);
}

static void test_ctl_queue_switches(void **state) {
    struct queue_bed q = setup(disk, "deadline,fifo_batch=4");
    writes(&q, "iosched/fifo_batch", "5", "5", NULL);
    writes(&q, "scheduler", "noop", "[noop] deadline cfq as mq-deadline kyber bfq none", NULL);
    refuses(&q, "scheduler", "elevator", "there are: noop deadline");
    refuses(&q, "scheduler", "cfq,slice=1", "there are: quantum");
    writes(&q, "scheduler", "deadline", "noop [deadline] cfq as mq-deadline kyber bfq none", NULL);
    reads(&q, "iosched/fifo_batch", "16"); /* a switch forgets tunables */
    teardown(&q);
    q = setup(zones, "mq-deadline");
    refuses(&q, "scheduler", "bfq", "for zoned drives there are: mq-deadline none");
    reads(&q, "scheduler", "[mq-deadline] none");
    reads(&q, "zoned", "host-managed");
    teardown(&q);
}

/* Commands of a host go through the queue, at switches too: each once. */
static void test_ctl_queue_switches_under_commands(void **state) {
    struct queue_bed q = setup(flash, "noop");
    bed_up(q.ctl->bed, 1);
    unsigned done = 0;
    for (unsigned i = 0; elevators[i]; i++) {
        char params[128];
        struct nvme_sqe sqe = bed_rw(i % 2 ? NVME_IO_READ : NVME_IO_WRITE, 1, i * 8, 8);
        snprintf(params, sizeof params, "[\"scheduler\",\"%s\"]", elevators[i]->name);
        json_decref(ctl_bed_result(q.ctl, "queue.set", params));
        assert_int_equal(bed_do(q.ctl->bed, 1, &sqe, NULL), 0);
        done++;
    }
    const struct block_stat *s = block_stat(q.block);
    assert_int_equal(s->ios[0] + s->ios[1], done);
    assert_int_equal(s->in_flight[0] + s->in_flight[1], 0);
    teardown(&q);
}

/* One below, least, most, one above, nothing, words, far too much, less than nothing: `refused` with what is allowed.
 */
static void reach(struct queue_bed *q, const char *name, const char *const *refused, const char *words) {
    for (; *refused; refused++)
        refuses(q, name, *refused, words);
}

#define BAD(...)    ((const char *const[]){"", " ", "many", "8x", "0x10", "1e9", __VA_ARGS__, NULL})
#define HUGE_NUMBER "99999999999999999999"

static void test_ctl_queue_attributes_have_ranges(void **state) {
    struct queue_bed q = setup(disk, "deadline");
    reach(&q, "nr_requests", BAD("-1", "100001", HUGE_NUMBER), "allowed are 4 to 100000");
    writes(&q, "nr_requests", "3", "4", "below the least");
    writes(&q, "nr_requests", "4", "4", NULL);
    writes(&q, "nr_requests", "100000", "100000", NULL);
    reach(&q, "queue_depth", BAD("0", "-1", "100001", HUGE_NUMBER), "allowed are 1 to 100000");
    writes(&q, "queue_depth", "1", "1", NULL);
    writes(&q, "queue_depth", "100000", "100000", NULL);
    reach(&q, "nomerges", BAD("-1", "4294967296", HUGE_NUMBER), "allowed are 0 to 2");
    writes(&q, "nomerges", "3", "1", "taken as 1");
    reach(&q, "rotational", BAD("-1", "4294967296", HUGE_NUMBER), "allowed are 0 to 1");
    writes(&q, "rotational", "2", "1", "taken as 1");
    reach(&q, "iostats", BAD("-1", HUGE_NUMBER), "allowed are 0 to 1");
    reach(&q, "max_sectors_kb", BAD("-1", "3", "1281", HUGE_NUMBER), "allowed are 4 to 1280");
    writes(&q, "max_sectors_kb", "4", "4", NULL);
    writes(&q, "max_sectors_kb", "1280", "1280", NULL);
    reach(&q, "wbt_lat_usec", BAD("-2", "1000000001", HUGE_NUMBER), "allowed are -1 to 1000000000 (-1: 2000");
    writes(&q, "wbt_lat_usec", "1000000000", "1000000000", NULL);
    writes(&q, "scheduler", "none", "noop deadline cfq as mq-deadline kyber bfq [none]", NULL);
    reach(&q, "nr_requests", BAD("-1", HUGE_NUMBER), "allowed are 4 to");
    teardown(&q);
}

/* What the scheduler's files refuse, and what they make of numbers out of range. */
static void test_ctl_queue_tunables_have_ranges(void **state) {
    for (unsigned i = 0; elevators[i]; i++) {
        struct queue_bed q = setup(disk, elevators[i]->name);
        const enum tunable_number reads_as = elevators[i]->reads;
        for (const struct elevator_tunable *t = elevators[i]->tunables; t && t->name; t++) {
            char name[64], least[32], most[32], below[32], allowed[96];
            if (t->type == TUNABLE_TEXT)
                continue;
            snprintf(name, sizeof name, "iosched/%s", t->name);
            snprintf(least, sizeof least, "%lld", (long long)t->min);
            snprintf(most, sizeof most, "%lld", (long long)t->max);
            snprintf(below, sizeof below, "%lld", (long long)t->min - 1);
            snprintf(allowed, sizeof allowed, "allowed are %s to %s", least, most);
            reach(&q, name, BAD("8ms"), allowed);
            if (reads_as == TUNABLE_ANY)
                writes(&q, name, HUGE_NUMBER, most, "is outside");
            else
                refuses(&q, name, HUGE_NUMBER, allowed);
            if (reads_as == TUNABLE_UNSIGNED)
                refuses(&q, name, "-1", allowed);
            else if (t->min > INT32_MIN)
                writes(&q, name, below, least, "is outside");
            writes(&q, name, most, most, NULL);
            writes(&q, name, least, least, NULL);
        }
        teardown(&q);
    }
}

/* All of what is asked of a cgroup, or nothing. */
static void test_ctl_queue_cgroup_is_all_or_nothing(void **state) {
    static const char *const wrong[] = {
        "{\"path\":\"a\",\"weight\":200,\"io_max\":\"rbps=0x\"}",
        "{\"path\":\"a\",\"weight\":200,\"io_max\":\"riops=-5\"}",
        "{\"path\":\"a\",\"weight\":200,\"leaf_weight\":5}",
        "{\"path\":\"a\",\"weight\":5,\"io_max\":\"rbps=1M\"}",
        "{\"path\":\"a\",\"leaf_weight\":0,\"io_max\":\"rbps=1M\"}",
        "{\"path\":\"a\",\"weight\":200,\"remove\":true}",
    };
    struct queue_bed q = setup(disk, "cfq");
    struct err e = {0};
    assert_non_null(block_group_get(q.block, "a", &e));
    json_t *before = ctl_bed_result(q.ctl, "queue.cgroup", "{\"path\":\"a\"}");
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ctl_bed_refused(q.ctl, "queue.cgroup", wrong[i], CTL_INVALID_PARAMS, ":");
        json_t *after = ctl_bed_result(q.ctl, "queue.cgroup", "{\"path\":\"a\"}");
        assert_true(json_equal(before, after));
        json_decref(after);
    }
    json_decref(before);
    teardown(&q);
}

static void test_ctl_queue_weighs_cgroups(void **state) {
    struct queue_bed q = setup(disk, "cfq");
    struct err e = {0};
    assert_non_null(block_group_get(q.block, "a/b", &e));
    json_t *all = ctl_bed_result(q.ctl, "queue.cgroup", NULL);
    assert_int_equal(json_array_size(json_object_get(all, "cgroups")), 3);
    json_decref(all);
    json_t *r = ctl_bed_result(q.ctl, "queue.cgroup", "{\"path\":\"a/b\",\"weight\":200,\"leaf_weight\":300}");
    assert_int_equal(json_integer_value(json_object_get(r, "weight")), 200);
    assert_int_equal(json_integer_value(json_object_get(r, "leaf_weight")), 300);
    json_decref(r);
    r = ctl_bed_result(q.ctl, "queue.cgroup", "{\"path\":\"\",\"weight\":250}"); /* the root's is its processes' */
    assert_int_equal(json_integer_value(json_object_get(r, "weight")), 250);
    assert_int_equal(json_integer_value(json_object_get(r, "leaf_weight")), 250);
    json_decref(r);
    ctl_bed_refused(q.ctl, "queue.cgroup", "{\"path\":\"a\",\"weight\":0}", CTL_INVALID_PARAMS, "10 to 1000");
    ctl_bed_refused(q.ctl, "queue.cgroup", "{\"path\":\"\",\"weight\":0}", CTL_INVALID_PARAMS, "root cgroup: 0");
    ctl_bed_refused(q.ctl, "queue.cgroup", "{\"path\":\"c\",\"weight\":100}", CTL_INVALID_PARAMS, "no cgroup \"c\"");
    assert_int_equal(block_group_find(q.block, "a")->weight, 500);
    r = ctl_bed_result(q.ctl, "queue.cgroup", "{\"path\":\"a\",\"io_max\":\"rbps=10M riops=50\"}");
    expect(r, "io_max", "rbps=10485760 wbps=max riops=50 wiops=max");
    json_decref(r);
    ctl_bed_refused(q.ctl, "queue.cgroup", "{\"path\":\"a\",\"io_max\":\"iops=50\"}", CTL_INVALID_PARAMS,
                    "allowed are rbps=");
    ctl_bed_refused(q.ctl, "queue.cgroup", "{\"path\":\"a\",\"remove\":true}", CTL_REFUSED, "it has groups in it");
    ctl_bed_refused(q.ctl, "queue.cgroup", "{\"path\":\"\",\"remove\":true}", CTL_REFUSED, "it is the root");
    json_decref(ctl_bed_result(q.ctl, "queue.cgroup", "{\"path\":\"a/b\",\"remove\":\"yes\"}"));
    assert_null(block_group_find(q.block, "a/b"));
    teardown(&q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ctl_queue_without_one),
        cmocka_unit_test(test_ctl_queue_names_the_device),
        cmocka_unit_test(test_ctl_queue_lists_all),
        cmocka_unit_test(test_ctl_queue_clamps_and_refuses_as_linux),
        cmocka_unit_test(test_ctl_queue_newer_schedulers_refuse_more),
        cmocka_unit_test(test_ctl_queue_switches),
        cmocka_unit_test(test_ctl_queue_switches_under_commands),
        cmocka_unit_test(test_ctl_queue_attributes_have_ranges),
        cmocka_unit_test(test_ctl_queue_tunables_have_ranges),
        cmocka_unit_test(test_ctl_queue_cgroup_is_all_or_nothing),
        cmocka_unit_test(test_ctl_queue_weighs_cgroups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
