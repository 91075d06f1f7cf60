/*
 * What the drive does to zones by itself: recommending to finish zones that
 * stay active and to reset old Full ones, finishing the former in the end
 * (zone excursions), and giving up zones whose flash has failed.
 *
 * Each kind waits the same time for every zone, so zones wait in the order
 * they came, with one event for the first.
 *
 * Source: ZNS 1.1, sections 5.4 to 5.6 and figure 42 (what is told, what isn't).
 * Simplified: recommendations come with age alone.
 */
#include <errno.h>

#include "base/log.h"
#include "drive/zns/zns.h"

/* --- telling --- */

void zns_notify(struct zns *s, uint32_t zone) {
    s->stat.changed++;
    for (struct drive_zone_watch *w = s->watches; w; w = w->next)
        w->changed(w, zone);
}

/* --- timers --- */

static const uint8_t attribute_of[ZNS_TIMERS] = {
    [ZNS_RECOMMEND_FINISH] = ZONE_FINISH_RECOMMENDED,
    [ZNS_FINISH] = ZONE_FINISHED_BY_CONTROLLER,
    [ZNS_RECOMMEND_RESET] = ZONE_RESET_RECOMMENDED,
};

/* Which a zone should wait in; each is followed by the next that is on. */
static enum zns_timer timer_for(const struct zns *s, struct zns_mark m) {
    if (m.state == ZONE_STATE_FULL)
        return s->alarm[ZNS_RECOMMEND_RESET].delay_ns && !(m.attributes & ZONE_RESET_RECOMMENDED) ? ZNS_RECOMMEND_RESET
                                                                                                  : ZNS_TIMERS;
    if (!zns_is_active(m.state))
        return ZNS_TIMERS;
    if (s->alarm[ZNS_RECOMMEND_FINISH].delay_ns && !(m.attributes & ZONE_FINISH_RECOMMENDED))
        return ZNS_RECOMMEND_FINISH;
    return s->alarm[ZNS_FINISH].delay_ns ? ZNS_FINISH : ZNS_TIMERS;
}

static void rearm(struct zns *s, struct zns_alarm *a) {
    uint32_t first = a->zones.head;
    if (sim_event_pending(&a->event)) {
        if (first != ZNS_NONE && a->event.at_ns <= s->live[first].due_ns)
            return; /* early at worst; it looks again */
        sim_cancel(s->sim, &a->event);
    }
    if (first != ZNS_NONE)
        sim_schedule(s->sim, &a->event, s->live[first].due_ns);
}

static void timer_set(struct zns *s, uint32_t zone, enum zns_timer timer) {
    struct zns_live *l = &s->live[zone];
    if (l->timer == timer)
        return;
    if (l->timer != ZNS_TIMERS) {
        zns_list_remove(s, &s->alarm[l->timer].zones, ZNS_LINK(timed), zone);
        rearm(s, &s->alarm[l->timer]);
    }
    l->timer = (uint8_t)timer;
    if (timer == ZNS_TIMERS)
        return;
    l->due_ns = sim_now(s->sim) + s->alarm[timer].delay_ns;
    zns_list_add(s, &s->alarm[timer].zones, ZNS_LINK(timed), zone);
    rearm(s, &s->alarm[timer]);
}

void zns_timer_follow(struct zns *s, uint32_t zone) {
    timer_set(s, zone, timer_for(s, s->zones[zone].mark));
}

/* False: no memory for it now. */
static bool excursion(struct zns *s, uint32_t zone) {
    bool opened = zns_is_open(s->zones[zone].mark.state);
    if (!zns_media_reserve(s->media, 1))
        return false;
    s->stat.excursions++;
    zns_window_keep(s, zone);
    zns_media_finish(s->media, zone, s->zones[zone].wp, opened, NULL);
    zns_enter_with(s, zone, (uint8_t)zns_rules[ZNS_EVENT_EXCURSION].to[s->zones[zone].mark.state],
                   s->zones[zone].mark.attributes | ZONE_FINISHED_BY_CONTROLLER);
    return true;
}

static void due(struct zns *s, uint32_t zone, enum zns_timer timer) {
    struct zns_mark m = s->zones[zone].mark;
    if (timer == ZNS_FINISH && !excursion(s, zone)) {
        timer_set(s, zone, ZNS_TIMERS); /* once more, later */
        timer_set(s, zone, timer);
        return;
    }
    if (timer != ZNS_FINISH)
        zns_enter_with(s, zone, m.state, m.attributes | attribute_of[timer]);
    timer_set(s, zone, timer_for(s, s->zones[zone].mark));
    zns_notify(s, zone);
}

static void alarm_fire(struct sim_event *event) {
    struct zns_alarm *a = (struct zns_alarm *)event; /* first member */
    struct zns *s = a->zns;
    enum zns_timer timer = (enum zns_timer)(a - s->alarm);
    while (a->zones.head != ZNS_NONE && s->live[a->zones.head].due_ns <= sim_now(s->sim))
        due(s, a->zones.head, timer);
    rearm(s, a);
}

void zns_timers_init(struct zns *s) {
    const struct zns_config *c = &s->drive.config.zns;
    int64_t to_finish = c->finish_after - c->finish_recommend_after;
    const int64_t delay[ZNS_TIMERS] = {
        [ZNS_RECOMMEND_FINISH] = c->finish_recommend_after,
        [ZNS_FINISH] = c->excursions && c->finish_after ? to_finish : 0,
        [ZNS_RECOMMEND_RESET] = c->reset_recommend_after,
    };
    for (unsigned i = 0; i < ZNS_TIMERS; i++) {
        s->alarm[i] = (struct zns_alarm){.zns = s, .delay_ns = delay[i]};
        sim_event_init(&s->alarm[i].event, alarm_fire);
        zns_list_init(&s->alarm[i].zones);
    }
}

void zns_timers_clear(struct zns *s) {
    for (unsigned i = 0; i < ZNS_TIMERS; i++)
        if (s->alarm[i].zns)
            sim_cancel(s->sim, &s->alarm[i].event);
}

/* --- failing flash --- */

void zns_fail_zone(struct zns *s, uint32_t zone, uint8_t state) {
    if (s->zones[zone].mark.state == state)
        return;
    zns_window_keep(s, zone);
    zns_enter(s, zone, state);
    zns_notify(s, zone);
}

void zns_adopt_capacity(struct zns *s, uint32_t zone) {
    struct zns_durable *z = &s->zones[zone];
    uint64_t now = zns_capacity_of(s, zone);
    if (now == z->capacity)
        return;
    if (!now || !s->drive.config.zns.variable_capacity) {
        if (now < z->capacity)
            zns_fail_zone(s, zone, ZONE_STATE_OFFLINE);
        return;
    }
    z->capacity = now;
    s->live[zone].changed = s->live[zone].resetting; /* the reset's answer tells, or an event */
    if (!s->live[zone].resetting)
        zns_notify(s, zone);
}

void zns_zone_failed(struct zns_media_owner *owner, uint32_t zone, uint64_t capacity) {
    struct zns *s = (struct zns *)((char *)owner - offsetof(struct zns, owner));
    uint8_t state = s->zones[zone].mark.state;
    if (!capacity)
        zns_fail_zone(s, zone, ZONE_STATE_OFFLINE);
    else if (state == ZONE_STATE_EMPTY)
        zns_adopt_capacity(s, zone);
    else if (!zns_is_active(state) || capacity >= s->zones[zone].capacity)
        return; /* a Full zone's next reset sees to it */
    else if (s->drive.config.zns.excursions && s->drive.config.zns.variable_capacity && excursion(s, zone))
        zns_notify(s, zone);
    else
        zns_fail_zone(s, zone, ZONE_STATE_READ_ONLY);
}
