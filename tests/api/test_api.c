/* The public C API: what a caller relies on. */
#include <drivelab.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#define BLOCK 4096

struct seen {
    unsigned answers;
    struct drivelab_answer last;
    char reason[300];
    struct drivelab_drive *again; /* submit one more from the callback */
};

static void see(const struct drivelab_answer *answer, void *user) {
    struct seen *s = user;
    s->answers++;
    s->last = *answer;
    snprintf(s->reason, sizeof(s->reason), "%s", answer->reason ? answer->reason : "");
    if (s->again) {
        struct drivelab_request r = {
            .struct_size = sizeof(r), .op = DRIVELAB_READ, .bytes = BLOCK, .done = see, .user = s};
        struct drivelab_drive *drive = s->again;
        s->again = NULL;
        assert_int_equal(drivelab_submit(drive, &r), 0);
    }
}

static void submit(struct drivelab_drive *drive, int op, uint64_t offset, uint64_t bytes, void *data,
                   struct seen *seen) {
    struct drivelab_request r = {
        .struct_size = sizeof(r), .op = op, .offset = offset, .bytes = bytes, .data = data, .done = see, .user = seen};
    assert_int_equal(drivelab_submit(drive, &r), 0);
}

struct bed {
    struct drivelab_lab *lab;
    struct drivelab_drive *drive;
};

static int setup(void **state) {
    static struct bed bed;
    const char *const options[] = {"drive.capacity=64MiB", "nand.blocks=16", NULL};
    struct drivelab_error e = {0};
    bed.lab = drivelab_lab_new(NULL, &e);
    bed.drive = bed.lab ? drivelab_open(bed.lab, "tlc", options, "memory", NULL, &e) : NULL;
    if (!bed.drive)
        fprintf(stderr, "%s\n", e.text);
    *state = &bed;
    return bed.drive ? 0 : -1;
}

static int teardown(void **state) {
    struct bed *bed = *state;
    drivelab_lab_free(bed->lab); /* closes the drive */
    return 0;
}

static void test_api_reads_what_was_written(void **state) {
    struct bed *bed = *state;
    static char out[BLOCK], in[BLOCK];
    struct seen write = {0}, read = {0};
    memset(out, 0x5a, sizeof(out));
    submit(bed->drive, DRIVELAB_WRITE, 8 * BLOCK, BLOCK, out, &write);
    assert_int_equal(write.answers, 0); /* never from inside */
    assert_int_equal(drivelab_inflight(bed->drive), 1);
    drivelab_wait(bed->drive);
    submit(bed->drive, DRIVELAB_READ, 8 * BLOCK, BLOCK, in, &read);
    drivelab_wait(bed->drive);
    assert_int_equal(write.answers, 1);
    assert_int_equal(read.answers, 1);
    assert_int_equal(read.last.status, DRIVELAB_OK);
    assert_false(read.last.unmapped);
    assert_true(read.last.completed_ns > read.last.submitted_ns);
    assert_memory_equal(in, out, BLOCK);
}

static uint64_t extent_at(struct bed *bed, uint64_t offset, int want_zero) {
    int zero = !want_zero;
    uint64_t alike = drivelab_extent(bed->drive, offset, UINT64_MAX, &zero);
    assert_int_equal(zero, want_zero);
    return alike;
}

static void test_api_extents_follow_writes_and_trims(void **state) {
    struct bed *bed = *state;
    static char data[BLOCK];
    struct seen seen = {0};
    assert_int_equal(extent_at(bed, 0, 1), 64 << 20);
    submit(bed->drive, DRIVELAB_WRITE, 32 << 20, BLOCK, data, &seen);
    drivelab_wait(bed->drive);
    assert_in_range(extent_at(bed, 0, 1), 1, 32 << 20);
    assert_in_range(extent_at(bed, 32 << 20, 0), BLOCK, 16 << 20);
    submit(bed->drive, DRIVELAB_TRIM, 16 << 20, 32 << 20, NULL, &seen);
    drivelab_wait(bed->drive);
    assert_int_equal(extent_at(bed, 5, 1), (64 << 20) - 5);
    assert_int_equal(extent_at(bed, 64 << 20, 1), 0);
}

static void test_api_zeroes_may_keep_their_room(void **state) {
    struct bed *bed = *state;
    for (unsigned keep = 0; keep < 2; keep++) {
        struct seen write = {0}, read = {0};
        struct drivelab_request r = {.struct_size = sizeof(r),
                                     .op = DRIVELAB_WRITE_ZEROES,
                                     .flags = keep ? DRIVELAB_KEEP_MAPPED : 0,
                                     .bytes = BLOCK,
                                     .done = see,
                                     .user = &write};
        assert_int_equal(drivelab_submit(bed->drive, &r), 0);
        drivelab_wait(bed->drive);
        submit(bed->drive, DRIVELAB_READ, 0, BLOCK, NULL, &read);
        drivelab_wait(bed->drive);
        assert_int_equal(write.last.status, DRIVELAB_OK);
        assert_int_equal(read.last.unmapped, !keep);
    }
}

static void test_api_callback_may_submit(void **state) {
    struct bed *bed = *state;
    struct seen seen = {.again = bed->drive};
    submit(bed->drive, DRIVELAB_READ, 0, BLOCK, NULL, &seen);
    drivelab_wait(bed->drive);
    assert_int_equal(seen.answers, 2);
    assert_true(seen.last.unmapped);
}

static void test_api_failure_has_a_reason(void **state) {
    struct bed *bed = *state;
    struct seen seen = {0};
    submit(bed->drive, DRIVELAB_READ, 64ull << 20, BLOCK, NULL, &seen);
    drivelab_wait(bed->drive);
    assert_int_equal(seen.last.status, 0x80);
    assert_non_null(strstr(seen.reason, "capacity"));
}

static void test_api_power_cut_answers_what_the_drive_forgot(void **state) {
    struct bed *bed = *state;
    static char data[BLOCK];
    struct seen lost = {0}, after = {.again = bed->drive};
    submit(bed->drive, DRIVELAB_WRITE, 0, BLOCK, data, &lost);
    submit(bed->drive, DRIVELAB_WRITE, BLOCK, BLOCK, data, &after);
    drivelab_power_cut(bed->drive);
    assert_int_equal(lost.answers, 1);
    assert_int_equal(lost.last.status, DRIVELAB_LOST);
    assert_int_equal(drivelab_inflight(bed->drive), 1); /* the one of the callback, submitted after the cut */
    drivelab_wait(bed->drive);
    assert_int_equal(after.answers, 2);
    assert_int_equal(after.last.status, DRIVELAB_OK);
}

static void test_api_flushed_data_survives_a_power_cut(void **state) {
    struct bed *bed = *state;
    static char out[BLOCK], in[BLOCK];
    struct seen seen = {0};
    memset(out, 7, sizeof(out));
    submit(bed->drive, DRIVELAB_WRITE, 0, BLOCK, out, &seen);
    drivelab_wait(bed->drive);
    submit(bed->drive, DRIVELAB_FLUSH, 0, 0, NULL, &seen);
    drivelab_wait(bed->drive);
    drivelab_power_cut(bed->drive);
    submit(bed->drive, DRIVELAB_READ, 0, BLOCK, in, &seen);
    drivelab_wait(bed->drive);
    assert_memory_equal(in, out, BLOCK);
}

static void test_api_run_stops_at_a_time(void **state) {
    struct bed *bed = *state;
    drivelab_run(bed->lab, 12345678);
    assert_int_equal(drivelab_now(bed->lab), 12345678);
}

static void test_api_statistics_are_json(void **state) {
    struct bed *bed = *state;
    char *text = drivelab_statistics(bed->drive);
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    assert_non_null(json_object_get(json, "host"));
    json_decref(json);
    free(text);
}

static void test_api_unknown_operation_is_refused(void **state) {
    struct bed *bed = *state;
    const int ops[] = {-1, 6, 15, 20, 1000};
    for (unsigned i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
        struct drivelab_request r = {.struct_size = sizeof(r), .op = ops[i]};
        assert_int_equal(drivelab_submit(bed->drive, &r), -EINVAL);
    }
    assert_int_equal(drivelab_inflight(bed->drive), 0);
}

/* A caller of an older header hands over a shorter structure, and gets only what it has room for. */
static void test_api_structures_may_be_shorter(void **state) {
    struct bed *bed = *state;
    struct drivelab_info info;
    memset(&info, 0xee, sizeof(info));
    info.struct_size = offsetof(struct drivelab_info, granularity);
    drivelab_get_info(bed->drive, &info);
    assert_int_equal(info.capacity, 64 << 20);
    assert_int_equal(info.granularity, 0xeeeeeeee);
    info.struct_size = 0; /* nothing is touched */
    drivelab_get_info(bed->drive, &info);
    assert_int_equal(info.zones, 0xeeeeeeee);
}

static void test_api_zone_calls_on_a_drive_without_zones(void **state) {
    struct bed *bed = *state;
    struct drivelab_zone zone = {.struct_size = sizeof(zone)};
    struct drivelab_error e = {0};
    struct seen seen = {0};
    assert_int_equal(drivelab_get_zone(bed->drive, 0, &zone), -EINVAL);
    assert_int_equal(drivelab_fail_zone(bed->drive, 0, 13, &e), -EINVAL);
    assert_non_null(strstr(e.text, "no zone 0"));
    submit(bed->drive, DRIVELAB_ZONE_RESET, 0, 0, NULL, &seen);
    drivelab_wait(bed->drive);
    assert_int_equal(seen.last.status, 0x002);
    assert_non_null(strstr(seen.reason, "no zones"));
}

static void test_api_media_faults(void **state) {
    struct bed *bed = *state;
    static char data[BLOCK];
    struct drivelab_error e = {0};
    struct seen seen = {0};
    submit(bed->drive, DRIVELAB_WRITE, 0, BLOCK, data, &seen);
    submit(bed->drive, DRIVELAB_FLUSH, 0, 0, NULL, &seen);
    drivelab_wait(bed->drive);
    assert_int_equal(drivelab_fail_media(bed->drive, DRIVELAB_MEDIA_READ, 1, &e), 0);
    submit(bed->drive, DRIVELAB_READ, 0, BLOCK, data, &seen);
    drivelab_wait(bed->drive);
    assert_int_equal(seen.last.status, 0x281);
    submit(bed->drive, DRIVELAB_READ, 0, BLOCK, data, &seen);
    drivelab_wait(bed->drive);
    assert_int_equal(seen.last.status, DRIVELAB_OK);
    assert_int_equal(drivelab_fail_media(bed->drive, 3, 1, &e), -EINVAL);
    assert_non_null(strstr(e.text, "2 (erase)"));
}

static void test_api_zones(void **state) {
    struct drivelab_error e = {0};
    struct drivelab_lab *lab = drivelab_lab_new(NULL, &e);
    struct drivelab_drive *drive = drivelab_open(lab, "femu-zns", NULL, "memory", NULL, &e);
    if (!drive)
        fail_msg("%s", e.text);
    struct drivelab_info info = {.struct_size = sizeof(info)};
    drivelab_get_info(drive, &info);
    assert_int_equal(info.zone_size, 128 << 20);
    assert_int_equal(info.zones, 32);
    static char data[BLOCK];
    struct seen seen = {0};
    for (unsigned i = 0; i < 3; i++)
        submit(drive, DRIVELAB_APPEND, info.zone_size, BLOCK, data, &seen);
    drivelab_wait(drive);
    assert_int_equal(seen.answers, 3);
    assert_int_equal(seen.last.result, info.zone_size + 2 * BLOCK);
    struct drivelab_zone zone = {.struct_size = sizeof(zone)};
    assert_int_equal(drivelab_get_zone(drive, 1, &zone), 0);
    assert_int_equal(zone.state, 2);
    assert_int_equal(zone.write_pointer, info.zone_size + 3 * BLOCK);
    submit(drive, DRIVELAB_ZONE_FINISH, info.zone_size, 0, NULL, &seen);
    drivelab_wait(drive);
    submit(drive, DRIVELAB_WRITE, info.zone_size + 3 * BLOCK, BLOCK, data, &seen);
    drivelab_wait(drive);
    assert_int_equal(seen.last.status, 0x1b9); /* Zone Is Full */
    assert_non_null(strstr(seen.reason, "Full"));
    submit(drive, DRIVELAB_ZONE_RESET, info.zone_size, 0, NULL, &seen);
    drivelab_wait(drive);
    assert_int_equal(drivelab_fail_zone(drive, 2, 15, &e), 0);
    assert_int_equal(drivelab_get_zone(drive, 2, &zone), 0);
    assert_int_equal(zone.state, 15);
    assert_int_equal(drivelab_fail_zone(drive, 2, 1, &e), -EINVAL);
    assert_int_equal(drivelab_get_zone(drive, 32, &zone), -EINVAL);
    drivelab_lab_free(lab);
    (void)state;
}

static void test_api_bad_input_is_named(void **state) {
    static const struct {
        const char *profile, *option, *store, *image, *says;
    } bad[] = {
        {"tlcc", NULL, "memory", NULL, "did you mean tlc?"},
        {"/nowhere/x.ini", NULL, "memory", NULL, "/nowhere/x.ini"},
        {"tlc", "drive.capacty=1G", "memory", NULL, "capacity"},
        {"tlc", "nand.planes=0", "memory", NULL, "nand.planes"},
        {"tlc", NULL, "tape", NULL, "tape"},
        {"tlc", NULL, "file", "/nowhere/x.img", "/nowhere/x.img"},
    };
    struct drivelab_lab *lab = drivelab_lab_new(NULL, NULL);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct drivelab_error e = {0};
        const char *const options[] = {bad[i].option, NULL};
        assert_null(drivelab_open(lab, bad[i].profile, options, bad[i].store, bad[i].image, &e));
        assert_true(e.code > 0);
        if (!strstr(e.text, bad[i].says))
            fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].says);
    }
    drivelab_lab_free(lab);
    struct drivelab_error e = {0};
    struct drivelab_clock clock = {.struct_size = sizeof(clock), .mode = DRIVELAB_SCALED, .scale = -1};
    assert_null(drivelab_lab_new(&clock, &e));
    assert_non_null(strstr(e.text, "scale"));
    (void)state;
}

static void test_api_closed_drive_answers_and_keeps_its_image(void **state) {
    char path[] = "/tmp/drivelab-api-XXXXXX";
    int fd = mkstemp(path);
    static char out[BLOCK], in[BLOCK];
    const char *const options[] = {"drive.capacity=64MiB", "nand.blocks=16", NULL};
    struct seen seen = {0}, lost = {0};
    struct drivelab_error e = {0};
    close(fd);
    unlink(path);
    struct drivelab_lab *lab = drivelab_lab_new(NULL, &e);
    struct drivelab_drive *drive = drivelab_open(lab, "tlc", options, "file", path, &e);
    assert_non_null(drive);
    memset(out, 3, sizeof(out));
    submit(drive, DRIVELAB_WRITE, 0, BLOCK, out, &seen);
    drivelab_wait(drive);
    submit(drive, DRIVELAB_READ, 0, BLOCK, in, &lost);
    drivelab_close(drive);
    assert_int_equal(lost.last.status, DRIVELAB_LOST);
    drive = drivelab_open(lab, "tlc", options, "file", path, &e);
    assert_non_null(drive);
    submit(drive, DRIVELAB_READ, 0, BLOCK, in, &seen);
    drivelab_wait(drive);
    assert_memory_equal(in, out, BLOCK);
    drivelab_lab_free(lab);
    unlink(path);
    (void)state;
}

/* ---- Calls from other threads ---- */

#define CALLERS 4
#define CALLS   500

struct office {
    struct drivelab_lab *lab;
    unsigned next[CALLERS]; /* number of the call that each caller's next one must be; the lab's thread */
    unsigned made, disordered;
};

struct errand {
    struct office *office;
    unsigned caller, number;
};

static void run_errand(void *user) {
    struct errand *r = user;
    struct office *o = r->office;
    o->disordered += o->next[r->caller]++ != r->number;
    if (++o->made == CALLERS * CALLS)
        drivelab_stop(o->lab);
    free(r);
}

static void *caller(void *user) {
    struct errand first = *(struct errand *)user;
    for (unsigned n = 0; n < CALLS; n++) {
        struct errand *r = malloc(sizeof(*r));
        *r = (struct errand){first.office, first.caller, n};
        if (drivelab_call(first.office->lab, run_errand, r))
            abort();
    }
    return NULL;
}

static void test_api_other_threads_call(void **state) {
    const struct drivelab_clock wall = {.struct_size = sizeof(wall), .mode = DRIVELAB_WALL};
    struct office office = {.lab = drivelab_lab_new(&wall, NULL)};
    struct errand first[CALLERS];
    pthread_t thread[CALLERS];
    assert_non_null(office.lab);
    for (unsigned n = 0; n < CALLERS; n++) {
        first[n] = (struct errand){&office, n, 0};
        assert_int_equal(pthread_create(&thread[n], NULL, caller, &first[n]), 0);
    }
    assert_int_equal(drivelab_serve(office.lab), 0);
    for (unsigned n = 0; n < CALLERS; n++)
        pthread_join(thread[n], NULL);
    assert_int_equal(office.made, CALLERS * CALLS);
    assert_int_equal(office.disordered, 0);
    drivelab_lab_free(office.lab);
}

static void test_api_virtual_time_does_not_serve(void **state) {
    struct drivelab_lab *lab = drivelab_lab_new(NULL, NULL);
    assert_int_equal(drivelab_serve(lab), -EINVAL);
    drivelab_lab_free(lab);
}

static void never(void *user) {
    abort();
}

static void test_api_calls_left_over_are_dropped(void **state) {
    struct drivelab_lab *lab = drivelab_lab_new(NULL, NULL);
    assert_int_equal(drivelab_call(lab, never, NULL), 0);
    drivelab_lab_free(lab);
}

int main(void) {
#define WITH_DRIVE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_DRIVE(test_api_reads_what_was_written),
        WITH_DRIVE(test_api_callback_may_submit),
        WITH_DRIVE(test_api_failure_has_a_reason),
        WITH_DRIVE(test_api_power_cut_answers_what_the_drive_forgot),
        WITH_DRIVE(test_api_flushed_data_survives_a_power_cut),
        WITH_DRIVE(test_api_extents_follow_writes_and_trims),
        WITH_DRIVE(test_api_zeroes_may_keep_their_room),
        WITH_DRIVE(test_api_run_stops_at_a_time),
        WITH_DRIVE(test_api_statistics_are_json),
        WITH_DRIVE(test_api_unknown_operation_is_refused),
        WITH_DRIVE(test_api_structures_may_be_shorter),
        WITH_DRIVE(test_api_zone_calls_on_a_drive_without_zones),
        WITH_DRIVE(test_api_media_faults),
        cmocka_unit_test(test_api_zones),
        cmocka_unit_test(test_api_bad_input_is_named),
        cmocka_unit_test(test_api_closed_drive_answers_and_keeps_its_image),
        cmocka_unit_test(test_api_other_threads_call),
        cmocka_unit_test(test_api_virtual_time_does_not_serve),
        cmocka_unit_test(test_api_calls_left_over_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
