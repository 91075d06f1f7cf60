/* The write buffer of an SSD against a plain list of versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "drive/ssd/buffer.h"

enum { SLOTS_MAX = 6, LISTS = 3, LPNS = 4, FLUSHES = 64 };

/* One flush: its age and how many versions had been accepted when it came. */
struct flush {
    uint64_t age, accepted;
};

struct model {
    struct wbuf b;
    struct rng rng;
    uint32_t state[SLOTS_MAX]; /* enum slot_state */
    bool live[SLOTS_MAX];
    uint64_t serial[SLOTS_MAX]; /* the how-manieth version it holds */
    uint64_t accepted;
    struct flush flush[FLUSHES];
    unsigned flushes;
};

static void check(struct model *m) {
    struct err e = {0};
    if (wbuf_check(&m->b, &e))
        fail_msg("%s", e.text);
    for (unsigned i = 0; i < m->flushes; i++) {
        bool waits = false;
        for (unsigned s = 0; s < m->b.count; s++)
            waits |= m->live[s] && m->serial[s] <= m->flush[i].accepted;
        if (wbuf_flushed(&m->b, m->flush[i].age) == waits)
            fail_msg("a flush after %llu of %llu writes %s", (unsigned long long)m->flush[i].accepted,
                     (unsigned long long)m->accepted, waits ? "ended too early" : "waits for younger ones");
    }
}

/* Some slot in that state, or SLOT_NONE. */
static uint32_t any(struct model *m, enum slot_state state, bool live) {
    uint32_t first = (uint32_t)rng_below(&m->rng, m->b.count);
    for (uint32_t i = 0; i < m->b.count; i++) {
        uint32_t slot = (first + i) % m->b.count;
        if (m->state[slot] == (uint32_t)state && m->live[slot] == live)
            return slot;
    }
    return SLOT_NONE;
}

static void add(struct model *m) {
    enum slot_state state = rng_below(&m->rng, 4) ? SLOT_DIRTY : SLOT_FILLING;
    uint32_t slot = wbuf_add(&m->b, (uint32_t)rng_below(&m->rng, LPNS), state, (unsigned)rng_below(&m->rng, LISTS));
    if (slot == SLOT_NONE)
        return;
    m->state[slot] = (uint32_t)state;
    m->live[slot] = true;
    m->serial[slot] = ++m->accepted;
}

static void flush(struct model *m) {
    if (m->flushes == FLUSHES)
        m->flushes = 0;
    m->flush[m->flushes++] = (struct flush){wbuf_flush(&m->b), m->accepted};
}

static void kill_one(struct model *m) {
    uint32_t slot = any(m, (enum slot_state)rng_below(&m->rng, SLOT_INFLIGHT + 1), true);
    if (slot == SLOT_NONE || m->state[slot] == SLOT_FREE)
        return;
    wbuf_kill(&m->b, slot);
    m->live[slot] = false;
    if (m->state[slot] == SLOT_DIRTY)
        m->state[slot] = SLOT_FREE;
}

static void end_program(struct model *m) {
    uint32_t slot = any(m, SLOT_INFLIGHT, rng_below(&m->rng, 2));
    if (slot == SLOT_NONE)
        return;
    if (m->live[slot] && rng_below(&m->rng, 4) == 0) {
        wbuf_retry(&m->b, slot);
        m->state[slot] = SLOT_DIRTY;
        return;
    }
    wbuf_put(&m->b, slot);
    m->state[slot] = SLOT_FREE;
    m->live[slot] = false;
}

static void fill(struct model *m) {
    uint32_t slot = any(m, SLOT_FILLING, true), dead = any(m, SLOT_FILLING, false);
    if (slot != SLOT_NONE) {
        wbuf_filled(&m->b, slot);
        m->state[slot] = SLOT_DIRTY;
    }
    if (dead != SLOT_NONE) {
        wbuf_put(&m->b, dead);
        m->state[dead] = SLOT_FREE;
    }
}

static void step(struct model *m) {
    switch (rng_below(&m->rng, 8)) {
    case 0:
    case 1:
        add(m);
        break;
    case 2:
    case 3:
        flush(m);
        break;
    case 4:
        for (unsigned i = 0, list = (unsigned)rng_below(&m->rng, LISTS); i < LISTS; i++, list = (list + 1) % LISTS)
            if (m->b.list[list].count) {
                m->state[wbuf_take(&m->b, list)] = SLOT_INFLIGHT;
                break;
            }
        break;
    case 5:
        end_program(m);
        break;
    case 6:
        fill(m);
        break;
    default:
        if (rng_below(&m->rng, 4) == 0)
            kill_one(m);
    }
}

static void test_ssd_buffer_flush_waits_for_older_writes_only(void **state) {
    for (uint32_t slots = 1; slots <= SLOTS_MAX; slots++) {
        struct model m = {0};
        struct err e = {0};
        rng_init(&m.rng, slots, 5);
        assert_int_equal(wbuf_init(&m.b, slots, 12, false, &e), 0);
        for (unsigned i = 0; i < 20000; i++) {
            step(&m);
            check(&m);
        }
        wbuf_release(&m.b);
    }
}

/* One write is stuck in its program while others come and go, each behind a flush of its own. */
static void test_ssd_buffer_flush_outlives_many_others(void **state) {
    struct wbuf b;
    struct err e = {0};
    assert_int_equal(wbuf_init(&b, 2, 12, false, &e), 0);
    uint32_t stuck = wbuf_add(&b, 0, SLOT_DIRTY, 0), other = SLOT_NONE;
    assert_int_equal(wbuf_take(&b, 0), stuck);
    uint64_t age = wbuf_flush(&b);
    for (uint32_t i = 0; i < 20; i++) {
        if (i)
            wbuf_put(&b, other);
        other = wbuf_add(&b, 1, SLOT_DIRTY, 0);
        assert_int_equal(wbuf_take(&b, 0), other);
        assert_false(wbuf_flushed(&b, wbuf_flush(&b)));
        assert_false(wbuf_flushed(&b, age));
        if (i % 4 != 3)
            continue;
        wbuf_put(&b, stuck);
        assert_true(wbuf_flushed(&b, age)); /* `other` is younger */
        stuck = other;
        age = wbuf_flush(&b);
        other = wbuf_add(&b, 2, SLOT_DIRTY, 0);
        assert_int_equal(wbuf_take(&b, 0), other);
    }
    wbuf_release(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssd_buffer_flush_waits_for_older_writes_only),
        cmocka_unit_test(test_ssd_buffer_flush_outlives_many_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
