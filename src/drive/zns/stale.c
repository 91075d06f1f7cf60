/*
 * After a reset the store still holds the zone's bytes. Clearing gigabytes at
 * once would stall a served loop, so they leave in steps from an event; until
 * then, what reads or random write areas touch is cleared before.
 */
#include "base/log.h"
#include "drive/zns/zns.h"

#include <string.h>

enum { STEP_BYTES = 4 << 20, STEP_NS = 1000000 };

static struct zns *zns_of_clear(struct sim_event *event) {
    return (struct zns *)((char *)event - offsetof(struct zns, clear));
}

/* First stale byte: nothing below the write pointer is, nor in a random write area, which was cleared before. */
static uint64_t stale_begin(const struct zns *s, const struct zns_durable *z) {
    uint64_t clean = z->wp + (zns_has_window(z) ? s->drive.config.zns.zrwa_bytes : 0);
    return z->stale_from > clean ? z->stale_from : clean;
}

static void discard(struct zns *s, uint32_t zone, uint64_t from, uint64_t to) {
    int rc = store_discard(s->store, zns_start(s, zone) + from, to - from);
    if (rc)
        log_error(LOG_DRIVE, "the store could not clear %llu bytes of zone %u: %s", (unsigned long long)(to - from),
                  zone, strerror(-rc));
}

static void forget(struct zns *s, uint32_t zone) {
    s->zones[zone].stale_from = s->zones[zone].stale_to = 0;
    zns_list_remove(s, &s->stale, ZNS_LINK(stale), zone);
    s->live[zone].is_stale = false;
}

static void step(struct sim_event *event) {
    struct zns *s = zns_of_clear(event);
    uint32_t zone = s->stale.head;
    struct zns_durable *z = &s->zones[zone];
    uint64_t from = stale_begin(s, z);
    if (from < z->stale_to) {
        uint64_t to = from + STEP_BYTES < z->stale_to ? from + STEP_BYTES : z->stale_to;
        discard(s, zone, from, to);
        z->stale_from = to;
    }
    if (z->stale_from >= z->stale_to || from >= z->stale_to)
        forget(s, zone);
    if (s->stale.head != ZNS_NONE)
        sim_schedule(s->sim, &s->clear, sim_now(s->sim) + STEP_NS);
}

void zns_stale_init(struct zns *s) {
    zns_list_init(&s->stale);
    sim_event_init(&s->clear, step);
}

void zns_stale_mark(struct zns *s, uint32_t zone, uint64_t from, uint64_t to) {
    struct zns_durable *z = &s->zones[zone];
    if (!s->payload)
        return;
    if (to > from) {
        /* In this order a process killed between clears too much, all of it unwritten. */
        __atomic_store_n(&z->stale_from, from < z->stale_from ? from : z->stale_from, __ATOMIC_RELEASE);
        __atomic_store_n(&z->stale_to, to > z->stale_to ? to : z->stale_to, __ATOMIC_RELEASE);
    }
    if (!z->stale_to || s->live[zone].is_stale)
        return;
    s->live[zone].is_stale = true;
    zns_list_add(s, &s->stale, ZNS_LINK(stale), zone);
    if (!sim_event_pending(&s->clear))
        sim_schedule(s->sim, &s->clear, sim_now(s->sim) + STEP_NS);
}

void zns_stale_clear(struct zns *s, uint32_t zone, uint64_t from, uint64_t to) {
    const struct zns_durable *z = &s->zones[zone];
    uint64_t begin = stale_begin(s, z);
    if (from < begin)
        from = begin;
    if (to > z->stale_to)
        to = z->stale_to;
    if (from < to)
        discard(s, zone, from, to);
}
