/*
 * The loop: clocks, events with descriptors and hooks, stopping and waking.
 * Nothing here depends on how fast the machine is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sim/sim.h"

#define MS 1000000ll

struct trace {
    char text[256];
    unsigned length;
};

static void trace_add(struct trace *t, char c) {
    assert_true(t->length + 1 < sizeof(t->text));
    t->text[t->length++] = c;
    t->text[t->length] = 0;
}

struct step {
    struct sim_event ev;
    struct sim_watch watch;
    struct sim_idle_hook hook;
    struct sim *sim;
    struct trace *trace;
    struct step *other;
    int64_t fired_at;
    unsigned count;
    char name;
};

#define STEP_OF(member, pointer) ((struct step *)((char *)(pointer)-offsetof(struct step, member)))

static void fire_note(struct sim_event *ev) {
    struct step *s = STEP_OF(ev, ev);
    s->fired_at = sim_now(s->sim);
    s->count++;
    assert_int_equal(s->fired_at, ev->at_ns);
    assert_false(sim_event_pending(ev));
    if (s->trace)
        trace_add(s->trace, s->name);
}

static struct step step_make(struct sim *sim, struct trace *trace, char name) {
    struct step s = {.sim = sim, .trace = trace, .name = name};
    sim_event_init(&s.ev, fire_note);
    return s;
}

static struct sim *new_sim(enum sim_mode mode, bool spin) {
    struct err e = {0};
    struct sim *sim = sim_new(&(struct sim_config){.mode = mode, .scale = 2, .spin = spin, .spin_ns = 20000}, &e);
    assert_non_null(sim);
    return sim;
}

static void test_sim_fires_in_order_and_keeps_virtual_time(void **state) {
    struct sim *sim = new_sim(SIM_VIRTUAL, false);
    struct trace t = {0};
    struct step a = step_make(sim, &t, 'a'), b = step_make(sim, &t, 'b'), c = step_make(sim, &t, 'c');
    sim_schedule(sim, &c.ev, 3600000 * MS); /* an hour: virtual time does not wait */
    sim_schedule(sim, &b.ev, 20);
    sim_schedule(sim, &a.ev, 20);
    assert_int_equal(sim_now(sim), 0);
    sim_run(sim, SIM_NEVER);
    assert_string_equal(t.text, "bac");
    assert_int_equal(b.fired_at, 20);
    assert_int_equal(sim_now(sim), 3600000 * MS);
    assert_int_equal(sim_clock(sim), sim_now(sim));
    assert_int_equal(sim_fired(sim), 3);
    sim_free(sim);
}

static void test_sim_run_until_includes_that_instant(void **state) {
    struct sim *sim = new_sim(SIM_VIRTUAL, false);
    struct trace t = {0};
    struct step a = step_make(sim, &t, 'a'), b = step_make(sim, &t, 'b'), c = step_make(sim, &t, 'c');
    sim_schedule(sim, &a.ev, 100);
    sim_schedule(sim, &b.ev, 101);
    sim_run(sim, 100);
    assert_string_equal(t.text, "a");
    assert_int_equal(sim_now(sim), 100);
    sim_schedule(sim, &c.ev, 7); /* past: as soon as possible */
    assert_int_equal(c.ev.at_ns, 100);
    sim_run(sim, 5000);
    assert_string_equal(t.text, "acb");
    assert_int_equal(sim_now(sim), 5000);
    sim_free(sim);
}

static void test_sim_event_at_never_does_not_fire(void **state) {
    struct sim *sim = new_sim(SIM_VIRTUAL, false);
    struct step a = step_make(sim, NULL, 'a');
    sim_schedule(sim, &a.ev, SIM_NEVER);
    sim_run(sim, SIM_NEVER);
    assert_int_equal(a.count, 0);
    assert_true(sim_event_pending(&a.ev));
    sim_cancel(sim, &a.ev);
    sim_free(sim);
}

static void fire_cancel_other(struct sim_event *ev) {
    struct step *s = STEP_OF(ev, ev);
    fire_note(ev);
    sim_cancel(s->sim, &s->other->ev);
    sim_cancel(s->sim, &s->other->ev); /* no effect the second time */
}

static void test_sim_cancel_within_the_same_instant(void **state) {
    struct sim *sim = new_sim(SIM_VIRTUAL, false);
    struct trace t = {0};
    struct step a = step_make(sim, &t, 'a'), b = step_make(sim, &t, 'b'), c = step_make(sim, &t, 'c');
    sim_event_init(&a.ev, fire_cancel_other);
    a.other = &b;
    sim_schedule(sim, &a.ev, 5);
    sim_schedule(sim, &b.ev, 5);
    sim_schedule(sim, &c.ev, 5);
    sim_run(sim, SIM_NEVER);
    assert_string_equal(t.text, "ac");
    assert_false(sim_event_pending(&b.ev));
    sim_free(sim);
}

static void fire_stop(struct sim_event *ev) {
    fire_note(ev);
    sim_stop(STEP_OF(ev, ev)->sim);
}

static void test_sim_stop_leaves_the_rest_pending(void **state) {
    static const enum sim_mode modes[] = {SIM_VIRTUAL, SIM_WALL, SIM_SCALED};
    for (unsigned i = 0; i < 3; i++) {
        struct sim *sim = new_sim(modes[i], true);
        struct step a = step_make(sim, NULL, 'a'), b = step_make(sim, NULL, 'b');
        sim_event_init(&a.ev, fire_stop);
        sim_schedule(sim, &a.ev, 5);
        sim_schedule(sim, &b.ev, 5);
        sim_run(sim, SIM_NEVER);
        assert_int_equal(a.count, 1);
        assert_int_equal(b.count, 0);
        sim_run(sim, SIM_NEVER);
        assert_int_equal(b.count, 1);
        sim_stop(sim); /* not running: the next run returns at once */
        sim_schedule(sim, &b.ev, sim_now(sim));
        sim_run(sim, SIM_NEVER);
        assert_int_equal(b.count, 1);
        sim_free(sim);
    }
}

static void test_sim_wall_waits_for_events(void **state) {
    for (unsigned i = 0; i < 4; i++) {
        struct sim *sim = new_sim(i & 1 ? SIM_WALL : SIM_SCALED, i & 2);
        struct trace t = {0};
        struct step a = step_make(sim, &t, 'a'), b = step_make(sim, &t, 'b');
        sim_schedule(sim, &a.ev, 2 * MS);
        sim_schedule(sim, &b.ev, 1 * MS);
        sim_run(sim, SIM_NEVER);
        assert_string_equal(t.text, "ba");
        assert_int_equal(a.fired_at, 2 * MS); /* when it was due, not when it ran */
        assert_true(sim_clock(sim) >= 2 * MS);
        int64_t until = sim_clock(sim) + MS;
        sim_schedule(sim, &a.ev, until + 3600000 * MS);
        sim_run(sim, until);
        assert_true(sim_clock(sim) >= until);
        assert_int_equal(sim_now(sim), until);
        assert_int_equal(a.count, 1);
        sim_free(sim);
    }
}

static void test_sim_wall_clock_is_monotonic(void **state) {
    for (unsigned i = 0; i < 2; i++) {
        struct sim *sim = new_sim(i ? SIM_WALL : SIM_SCALED, true);
        int64_t last = 0;
        for (unsigned n = 0; n < 100000; n++) {
            int64_t now = sim_clock(sim);
            assert_true(now >= last);
            last = now;
        }
        sim_free(sim);
    }
}

static void ready_read(struct sim_watch *w, uint32_t events) {
    struct step *s = STEP_OF(watch, w);
    char c;
    assert_true(events & EPOLLIN);
    assert_int_equal(read(w->fd, &c, 1), 1);
    s->count++;
    if (s->trace)
        trace_add(s->trace, c);
    if (c == '!')
        sim_stop(s->sim);
}

static void ready_remove_both(struct sim_watch *w, uint32_t events) {
    struct step *s = STEP_OF(watch, w);
    s->count++;
    sim_watch_remove(s->sim, &s->other->watch);
    sim_watch_remove(s->sim, &s->watch);
}

static void open_pair(int fds[2]) {
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void watch_fd(struct step *s, int fd, uint32_t events, void (*ready)(struct sim_watch *, uint32_t)) {
    s->watch = (struct sim_watch){.fd = fd, .events = events, .ready = ready};
    assert_int_equal(sim_watch_add(s->sim, &s->watch), 0);
}

static void test_sim_watch_is_level_triggered(void **state) {
    for (unsigned spin = 0; spin < 2; spin++) {
        struct sim *sim = new_sim(SIM_WALL, spin);
        struct trace t = {0};
        struct step a = step_make(sim, &t, 'a');
        int fds[2];
        open_pair(fds);
        watch_fd(&a, fds[0], EPOLLIN, ready_read);
        assert_int_equal(sim_watch_add(sim, &a.watch), -EEXIST);
        assert_int_equal(write(fds[1], "xyz!", 4), 4);
        sim_run(sim, SIM_NEVER);
        assert_string_equal(t.text, "xyz!");
        sim_watch_remove(sim, &a.watch);
        sim_run(sim, SIM_NEVER); /* nothing can happen any more */
        close(fds[0]);
        close(fds[1]);
        sim_free(sim);
    }
}

static void test_sim_watch_removed_in_callbacks(void **state) {
    struct sim *sim = new_sim(SIM_WALL, true);
    struct step a = step_make(sim, NULL, 'a'), b = step_make(sim, NULL, 'b');
    int fa[2], fb[2];
    open_pair(fa);
    open_pair(fb);
    a.other = &b;
    b.other = &a;
    watch_fd(&a, fa[0], EPOLLIN, ready_remove_both);
    watch_fd(&b, fb[0], EPOLLIN, ready_remove_both);
    assert_int_equal(write(fa[1], "x", 1), 1);
    assert_int_equal(write(fb[1], "x", 1), 1);
    sim_run(sim, SIM_NEVER);
    assert_int_equal(a.count + b.count, 1); /* whichever came first took the other away */
    for (unsigned i = 0; i < 2; i++) {
        close(fa[i]);
        close(fb[i]);
    }
    sim_free(sim);
}

static void ready_write_once(struct sim_watch *w, uint32_t events) {
    struct step *s = STEP_OF(watch, w);
    assert_true(events & EPOLLOUT);
    s->count++;
    assert_int_equal(sim_watch_modify(s->sim, w, EPOLLIN), 0);
    assert_int_equal(w->events, EPOLLIN);
    sim_schedule(s->sim, &s->ev, sim_now(s->sim) + MS);
}

static void test_sim_watch_modify_and_schedule_in_callback(void **state) {
    struct sim *sim = new_sim(SIM_WALL, false);
    struct step a = step_make(sim, NULL, 'a');
    int fds[2];
    open_pair(fds);
    sim_event_init(&a.ev, fire_stop);
    watch_fd(&a, fds[0], EPOLLOUT, ready_write_once);
    sim_run(sim, SIM_NEVER);
    assert_int_equal(a.count, 2); /* once writable, once fired */
    sim_watch_remove(sim, &a.watch);
    close(fds[0]);
    close(fds[1]);
    sim_free(sim);
}

/* An event due before a descriptor's callback runs first, and sim_now() never goes back. */
static void test_sim_due_events_fire_before_descriptors(void **state) {
    struct sim *sim = new_sim(SIM_WALL, true);
    struct trace t = {0};
    struct step a = step_make(sim, &t, 'a'), b = step_make(sim, &t, 'b');
    int fds[2];
    open_pair(fds);
    watch_fd(&b, fds[0], EPOLLIN, ready_read);
    assert_int_equal(write(fds[1], "!", 1), 1);
    sim_schedule(sim, &a.ev, 0);
    sim_run(sim, SIM_NEVER);
    assert_string_equal(t.text, "a!");
    assert_true(sim_now(sim) >= a.fired_at);
    sim_watch_remove(sim, &b.watch);
    close(fds[0]);
    close(fds[1]);
    sim_free(sim);
}

static void fire_again(struct sim_event *ev) {
    struct step *s = STEP_OF(ev, ev);
    fire_note(ev);
    sim_schedule(s->sim, ev, ev->at_ns + 1);
}

/* Events without end starve no descriptor, in any time. */
static void test_sim_endless_events_do_not_starve_descriptors(void **state) {
    static const enum sim_mode modes[] = {SIM_VIRTUAL, SIM_WALL, SIM_SCALED};
    for (unsigned i = 0; i < 3; i++) {
        struct sim *sim = new_sim(modes[i], true);
        struct step a = step_make(sim, NULL, 'a'), b = step_make(sim, NULL, 'b');
        int fds[2];
        open_pair(fds);
        sim_event_init(&a.ev, fire_again);
        sim_schedule(sim, &a.ev, 0);
        watch_fd(&b, fds[0], EPOLLIN, ready_read);
        assert_int_equal(write(fds[1], "!", 1), 1);
        sim_run(sim, SIM_NEVER);
        assert_int_equal(b.count, 1);
        sim_watch_remove(sim, &b.watch);
        close(fds[0]);
        close(fds[1]);
        sim_free(sim);
    }
}

static void test_sim_virtual_polls_before_giving_up(void **state) {
    struct sim *sim = new_sim(SIM_VIRTUAL, false);
    struct step a = step_make(sim, NULL, 'a');
    int fds[2];
    open_pair(fds);
    watch_fd(&a, fds[0], EPOLLIN, ready_read);
    sim_run(sim, SIM_NEVER); /* nothing ready, no event: does not wait */
    assert_int_equal(a.count, 0);
    assert_int_equal(write(fds[1], "xy", 2), 2);
    sim_run(sim, SIM_NEVER);
    assert_int_equal(a.count, 2);
    sim_watch_remove(sim, &a.watch);
    close(fds[0]);
    close(fds[1]);
    sim_free(sim);
}

static void hook_note(struct sim_idle_hook *h) {
    struct step *s = STEP_OF(hook, h);
    s->count++;
    trace_add(s->trace, s->name);
}

static void hook_remove_other(struct sim_idle_hook *h) {
    struct step *s = STEP_OF(hook, h);
    hook_note(h);
    if (s->other)
        sim_hook_remove(s->sim, &s->other->hook);
    s->other = NULL;
}

static void hook_remove_self(struct sim_idle_hook *h) {
    hook_note(h);
    sim_hook_remove(STEP_OF(hook, h)->sim, h);
}

/* Work left for a hook is done at this instant, not at that of the next event. */
static void test_sim_wake_turns_before_time_moves(void **state) {
    struct sim *sim = new_sim(SIM_VIRTUAL, false);
    struct trace t = {0};
    struct step a = step_make(sim, &t, 'a'), h = step_make(sim, &t, '1');
    h.hook.run = hook_note;
    sim_hook_add(sim, &h.hook);
    sim_schedule(sim, &a.ev, 5);
    sim_wake(sim);
    sim_run(sim, 6);
    assert_memory_equal(t.text, "1a1", 3);
    sim_hook_remove(sim, &h.hook);
    sim_free(sim);
}

static void test_sim_hooks_run_after_each_turn(void **state) {
    struct sim *sim = new_sim(SIM_VIRTUAL, false);
    struct trace t = {0};
    struct step a = step_make(sim, &t, 'a'), b = step_make(sim, &t, 'b'), h = step_make(sim, &t, '1'),
                i = step_make(sim, &t, '2'), j = step_make(sim, &t, '3'), k = step_make(sim, &t, '4');
    h.hook.run = hook_note;
    i.hook.run = hook_remove_other;
    i.other = &j;
    j.hook.run = hook_note;
    k.hook.run = hook_remove_self;
    sim_hook_add(sim, &h.hook);
    sim_hook_add(sim, &i.hook);
    sim_hook_add(sim, &j.hook);
    sim_hook_add(sim, &k.hook);
    sim_schedule(sim, &a.ev, 5);
    sim_schedule(sim, &b.ev, 6);
    sim_run(sim, 6);
    assert_string_equal(t.text, "a124b1212"); /* the last turn finds nothing and ends the run */
    sim_hook_remove(sim, &h.hook);
    sim_hook_remove(sim, &i.hook);
    sim_free(sim);
}

static void hook_schedule_once(struct sim_idle_hook *h) {
    struct step *s = STEP_OF(hook, h);
    if (s->count++ == 0)
        sim_schedule(s->sim, &s->other->ev, sim_now(s->sim) + 10);
}

static void test_sim_hook_may_bring_the_next_event(void **state) {
    static const enum sim_mode modes[] = {SIM_VIRTUAL, SIM_WALL, SIM_SCALED};
    for (unsigned i = 0; i < 3; i++) {
        struct sim *sim = new_sim(modes[i], false);
        struct step a = step_make(sim, NULL, 'a'), h = step_make(sim, NULL, 'h');
        h.hook.run = hook_schedule_once;
        h.other = &a;
        sim_hook_add(sim, &h.hook);
        sim_run(sim, SIM_NEVER);
        assert_int_equal(a.count, 1);
        sim_free(sim);
    }
}

static void hook_wake(struct sim_idle_hook *h) {
    struct step *s = STEP_OF(hook, h);
    if (++s->count < 3)
        sim_wake(s->sim);
    else
        sim_stop(s->sim);
}

static void test_sim_wake_from_a_hook_turns_again(void **state) {
    static const enum sim_mode modes[] = {SIM_VIRTUAL, SIM_WALL};
    for (unsigned i = 0; i < 8; i++) {
        struct sim *sim = new_sim(modes[i & 1], i & 2);
        struct step h = step_make(sim, NULL, 'h'), far = step_make(sim, NULL, 'f');
        h.hook.run = hook_wake;
        sim_hook_add(sim, &h.hook);
        if ((i & 4) && modes[i & 1] == SIM_WALL)
            sim_schedule(sim, &far.ev, 3600000 * MS);
        sim_run(sim, SIM_NEVER);
        assert_int_equal(h.count, 3);
        sim_free(sim);
    }
}

static void hook_stop_when_asked(struct sim_idle_hook *h) {
    struct step *s = STEP_OF(hook, h);
    if (__atomic_load_n(&s->other->count, __ATOMIC_ACQUIRE))
        sim_stop(s->sim);
}

static void *wake_from_thread(void *arg) {
    struct step *s = arg;
    usleep(2000);
    __atomic_store_n(&s->count, 1, __ATOMIC_RELEASE);
    sim_wake(s->sim);
    return NULL;
}

static void test_sim_wake_from_another_thread(void **state) {
    struct sim *sim = new_sim(SIM_WALL, false);
    struct step h = step_make(sim, NULL, 'h'), thread_step = step_make(sim, NULL, 't'), far = step_make(sim, NULL, 'f');
    pthread_t thread;
    h.hook.run = hook_stop_when_asked;
    h.other = &thread_step;
    sim_hook_add(sim, &h.hook);
    sim_schedule(sim, &far.ev, 3600000 * MS); /* an hour's sleep unless woken */
    assert_int_equal(pthread_create(&thread, NULL, wake_from_thread, &thread_step), 0);
    sim_run(sim, SIM_NEVER);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(far.count, 0);
    sim_free(sim);
}

static void test_sim_refuses_bad_scale(void **state) {
    static const double scales[] = {0, -1, INFINITY, NAN};
    for (unsigned i = 0; i < 4; i++) {
        struct err e = {0};
        assert_null(sim_new(&(struct sim_config){.mode = SIM_SCALED, .scale = scales[i]}, &e));
        assert_int_equal(e.code, -EINVAL);
        assert_non_null(strstr(e.text, "scale"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_fires_in_order_and_keeps_virtual_time),
        cmocka_unit_test(test_sim_run_until_includes_that_instant),
        cmocka_unit_test(test_sim_event_at_never_does_not_fire),
        cmocka_unit_test(test_sim_cancel_within_the_same_instant),
        cmocka_unit_test(test_sim_stop_leaves_the_rest_pending),
        cmocka_unit_test(test_sim_wall_waits_for_events),
        cmocka_unit_test(test_sim_wall_clock_is_monotonic),
        cmocka_unit_test(test_sim_watch_is_level_triggered),
        cmocka_unit_test(test_sim_watch_removed_in_callbacks),
        cmocka_unit_test(test_sim_watch_modify_and_schedule_in_callback),
        cmocka_unit_test(test_sim_due_events_fire_before_descriptors),
        cmocka_unit_test(test_sim_endless_events_do_not_starve_descriptors),
        cmocka_unit_test(test_sim_virtual_polls_before_giving_up),
        cmocka_unit_test(test_sim_hooks_run_after_each_turn),
        cmocka_unit_test(test_sim_wake_turns_before_time_moves),
        cmocka_unit_test(test_sim_hook_may_bring_the_next_event),
        cmocka_unit_test(test_sim_wake_from_a_hook_turns_again),
        cmocka_unit_test(test_sim_wake_from_another_thread),
        cmocka_unit_test(test_sim_refuses_bad_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
