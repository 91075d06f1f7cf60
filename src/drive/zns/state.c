/*
 * What zones are and remember: durable state, counters, restart, shutdown,
 * format, loss of power.
 *
 * Invariants (zns_check_state):
 *  1. A part's counters equal the states of its zones; its list holds the implicitly open ones.
 *  2. Empty: nothing written, no attributes. Active: wp < capacity, or a random write area.
 *  3. Only active zones have a random write area.
 *  4. Nothing is pending between calls.
 *
 * A process killed at any store leaves what recover() brings back to these.
 *
 * Source: ZNS 1.1, sections 2.1.1.3 (states after a shutdown) and 5.3 (extensions).
 * Simplified: a zone's recommendations start to count anew at each start.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "drive/zns/zns.h"

/* --- lists --- */

void zns_list_init(struct zns_list *list) {
    list->head = list->tail = ZNS_NONE;
}

static struct zns_link *link_of(struct zns *s, size_t link, uint32_t zone) {
    return (struct zns_link *)((char *)&s->live[zone] + link);
}

void zns_list_add(struct zns *s, struct zns_list *list, size_t link, uint32_t zone) {
    *link_of(s, link, zone) = (struct zns_link){list->tail, ZNS_NONE};
    if (list->tail == ZNS_NONE)
        list->head = zone;
    else
        link_of(s, link, list->tail)->next = zone;
    list->tail = zone;
}

void zns_list_remove(struct zns *s, struct zns_list *list, size_t link, uint32_t zone) {
    struct zns_link at = *link_of(s, link, zone);
    if (at.prev == ZNS_NONE)
        list->head = at.next;
    else
        link_of(s, link, at.prev)->next = at.next;
    if (at.next == ZNS_NONE)
        list->tail = at.prev;
    else
        link_of(s, link, at.next)->prev = at.prev;
}

/* --- states --- */

struct zns_part *zns_part_of(struct zns *s, uint32_t zone) {
    uint32_t part = zone / s->part_zones;
    return &s->parts[part < s->part_count ? part : s->part_count - 1];
}

/* What is left of a zone's attributes in a state. */
static uint8_t attributes_in(uint8_t state, uint8_t attributes) {
    switch (state) {
    case ZONE_STATE_EMPTY:
    case ZONE_STATE_OFFLINE:
        return 0;
    case ZONE_STATE_FULL:
        return attributes & (ZONE_EXTENSION_VALID | ZONE_FINISHED_BY_CONTROLLER | ZONE_RESET_RECOMMENDED);
    case ZONE_STATE_READ_ONLY:
        return attributes & (ZONE_EXTENSION_VALID | ZONE_FINISHED_BY_CONTROLLER);
    default:
        return attributes & (ZONE_EXTENSION_VALID | ZONE_ZRWA_VALID | ZONE_FINISH_RECOMMENDED);
    }
}

static void count(struct zns *s, uint32_t zone, struct zns_mark mark, int by) {
    struct zns_part *p = zns_part_of(s, zone);
    p->active += zns_is_active(mark.state) ? by : 0;
    p->open += zns_is_open(mark.state) ? by : 0;
    p->windows += mark.attributes & ZONE_ZRWA_VALID ? by : 0;
}

void zns_enter_with(struct zns *s, uint32_t zone, uint8_t state, uint8_t attributes) {
    struct zns_durable *z = &s->zones[zone];
    struct zns_part *p = zns_part_of(s, zone);
    struct zns_mark old = z->mark, mark = {.state = state, .attributes = attributes_in(state, attributes)};
    mark.finished = state == ZONE_STATE_FULL && (old.finished || z->wp < z->capacity);
    count(s, zone, old, -1);
    count(s, zone, mark, 1);
    if (old.state == ZONE_STATE_IMPLICIT_OPEN && state != old.state)
        zns_list_remove(s, &p->opened, ZNS_LINK(opened), zone);
    if (state == ZONE_STATE_IMPLICIT_OPEN && state != old.state)
        zns_list_add(s, &p->opened, ZNS_LINK(opened), zone);
    zns_set_mark(z, mark);
    zns_timer_follow(s, zone);
}

void zns_enter(struct zns *s, uint32_t zone, uint8_t state) {
    zns_enter_with(s, zone, state, s->zones[zone].mark.attributes);
}

void zns_empty(struct zns *s, uint32_t zone) {
    struct zns_durable *z = &s->zones[zone];
    struct zns_mark mark = z->mark;
    mark.pending = ZONE_RESET;
    zns_set_mark(z, mark);
    uint64_t top = z->wp;
    if (zns_has_window(z)) {
        top += s->drive.config.zns.zrwa_bytes;
        zns_window_clear(s, zone);
    }
    zns_stale_mark(s, zone, 0, top < z->capacity ? top : z->capacity);
    zns_set_wp(z, 0);
    z->storing_to = z->commit_to = 0;
    z->resets++;
    zns_enter(s, zone, ZONE_STATE_EMPTY);
}

uint64_t zns_capacity_of(const struct zns *s, uint32_t zone) {
    uint64_t held = zns_media_capacity(s->media, zone), want = s->drive.config.zns.zone_capacity;
    return (held < want ? held : want) & ~(uint64_t)4095;
}

/* --- sharing --- */

static bool takes_window_too_many(const struct zns *s, const struct zns_part *p, struct zns_mark mark) {
    return mark.attributes & ZONE_ZRWA_VALID && p->windows > s->drive.config.zns.zrwa_zones;
}

/* The limits became lower than what an image or a former division left: the last zones become Full. */
static void fit(struct zns *s, struct zns_part *p) {
    for (uint32_t i = p->first + p->count; i-- > p->first;) {
        struct zns_mark mark = s->zones[i].mark;
        bool over = s->max_active && p->active > s->max_active;
        if (!zns_is_active(mark.state) || (!over && !takes_window_too_many(s, p, mark)))
            continue;
        log_warn(LOG_DRIVE, "zone %u becomes Full: more zones are active than the configured limits allow", i);
        zns_window_keep(s, i);
        zns_enter(s, i, ZONE_STATE_FULL);
    }
}

int zns_divide(struct zns *s, uint32_t namespaces) {
    struct zns_part *parts = calloc(namespaces, sizeof *parts);
    if (!parts)
        return -ENOMEM;
    free(s->parts);
    s->parts = parts;
    s->part_count = namespaces;
    s->part_zones = s->count / namespaces ? s->count / namespaces : 1;
    for (uint32_t i = 0; i < namespaces; i++) {
        struct zns_part *p = &parts[i];
        p->first = i * s->part_zones < s->count ? i * s->part_zones : s->count;
        p->count = i + 1 < namespaces ? s->part_zones : s->count - p->first;
        zns_list_init(&p->opened);
    }
    for (uint32_t i = 0; i < s->count; i++) {
        count(s, i, s->zones[i].mark, 1);
        if (s->zones[i].mark.state == ZONE_STATE_IMPLICIT_OPEN)
            zns_list_add(s, &zns_part_of(s, i)->opened, ZNS_LINK(opened), i);
    }
    s->fits = false;
    return 0;
}

void zns_fit(struct zns *s) {
    for (uint32_t i = 0; i < s->part_count; i++)
        fit(s, &s->parts[i]);
    s->fits = true;
}

/* --- the ends of sessions --- */

/* ZNS 1.1, section 2.1.1.3: what remains of a zone once nobody uses it. */
static void settle(struct zns *s, uint32_t zone) {
    struct zns_durable *z = &s->zones[zone];
    uint8_t to = (uint8_t)zns_rules[ZNS_EVENT_SHUTDOWN].to[z->mark.state];
    if (to == ZONE_STATE_CLOSED && !z->wp && !(z->mark.attributes & ZONE_EXTENSION_VALID) && !zns_window_used(s, zone))
        to = ZONE_STATE_EMPTY;
    if (to != z->mark.state)
        zns_enter(s, zone, to);
}

void zns_shutdown(struct zns *s, uint32_t first, uint32_t n) {
    for (uint32_t i = first; i < first + n && i < s->count; i++) {
        if (zns_is_open(s->zones[i].mark.state))
            zns_media_close(s->media, i, s->zones[i].wp, NULL);
        settle(s, i);
    }
}

void zns_format(struct zns *s, uint32_t first, uint32_t n) {
    for (uint32_t i = first; i < first + n && i < s->count; i++) {
        if (s->zones[i].mark.state == ZONE_STATE_OFFLINE)
            continue;
        zns_media_format(s->media, i);
        zns_empty(s, i);
        s->zones[i].capacity = zns_capacity_of(s, i);
        if (!s->zones[i].capacity)
            zns_enter(s, i, ZONE_STATE_OFFLINE);
    }
}

/* --- starts --- */

/* Finish what a killed process had begun. */
static void recover(struct zns *s, uint32_t zone) {
    struct zns_durable *z = &s->zones[zone];
    if (z->mark.pending == ZONE_RESET)
        zns_empty(s, zone);
    if (z->mark.pending == ZONE_FLUSH_ZRWA)
        zns_window_committed(s, zone);
    if (zns_is_active(z->mark.state) && z->wp >= z->capacity)
        zns_enter(s, zone, ZONE_STATE_FULL);
    if (zns_has_window(z))
        zns_window_sweep(s, zone);
    else
        zns_stale_mark(s, zone, z->wp, z->storing_to);
}

static void fresh_zone(struct zns *s, uint32_t zone) {
    struct zns_durable *z = &s->zones[zone];
    z->capacity = zns_capacity_of(s, zone);
    zns_set_mark(z, (struct zns_mark){.state = z->capacity ? ZONE_STATE_EMPTY : ZONE_STATE_OFFLINE});
}

/* A random write area and what is pending for it, as this drive could have left them. */
static bool window_plausible(const struct zns *s, const struct zns_durable *z) {
    struct zns_mark m = z->mark;
    if (m.attributes & ZONE_ZRWA_VALID ? !s->window_words : m.pending == ZONE_FLUSH_ZRWA)
        return false;
    return m.attributes == attributes_in(m.state, m.attributes) && z->commit_to <= z->capacity;
}

/* An image whose zones can't be what they say is damaged. */
static int plausible(const struct zns *s, uint32_t zone, struct err *e) {
    const struct zns_durable *z = &s->zones[zone];
    uint8_t state = z->mark.state;
    if (state >= ZNS_STATES || !zns_rules[ZNS_EVENT_FAIL_OFFLINE].to[state])
        return err_set(e, EINVAL, "the image is damaged: zone %u has the state %u, which does not exist", zone, state);
    if (z->capacity > s->zone_bytes || z->wp > z->capacity)
        return err_set(e, EINVAL,
                       "the image is damaged: zone %u has %" PRIu64 " bytes written of a capacity of %" PRIu64
                       " in a size of %" PRIu64,
                       zone, z->wp, z->capacity, s->zone_bytes);
    if (z->storing_to > s->zone_bytes || z->stale_to > s->zone_bytes || z->window_from > s->zone_bytes)
        return err_set(e, EINVAL, "the image is damaged: what zone %u has to clear or keep is not in it", zone);
    if (!window_plausible(s, z))
        return err_set(e, EINVAL,
                       "the image is damaged: zone %u, %s, has the attributes %02xh and action %02xh pending", zone,
                       zone_state_name(state), z->mark.attributes, z->mark.pending);
    return 0;
}

static int start(struct zns *s, bool fresh, struct err *e) {
    for (uint32_t i = 0; i < s->count; i++) {
        s->live[i].timer = ZNS_TIMERS;
        if (fresh || !s->zones[i].mark.state)
            fresh_zone(s, i);
        else if (plausible(s, i, e))
            return -EINVAL;
    }
    if (zns_divide(s, 1))
        return err_set(e, ENOMEM, "no memory for %u zones", s->count);
    for (uint32_t i = 0; i < s->count; i++) {
        recover(s, i);
        settle(s, i);
        if (s->zones[i].mark.state == ZONE_STATE_EMPTY)
            zns_adopt_capacity(s, i); /* the process was killed in its reset */
        if (!fresh)
            zns_media_fill(s->media, i, s->zones[i].mark.state == ZONE_STATE_FULL ? s->zone_bytes : s->zones[i].wp);
        zns_timer_follow(s, i);
        zns_stale_mark(s, i, 0, 0);
    }
    return 0;
}

static void *area(struct zns *s, const char *name, uint64_t each, struct err *e) {
    bool fresh;
    void *at = each ? store_state(s->store, name, 1, each * s->count, &fresh, e) : NULL;
    return at;
}

int zns_state_open(struct zns *s, bool fresh, struct err *e) {
    const struct zns_config *c = &s->drive.config.zns;
    s->live = calloc(s->count, sizeof *s->live);
    if (!s->live)
        return err_set(e, ENOMEM, "no memory for %u zones", s->count);
    s->zones = area(s, "zns.zones", sizeof *s->zones, e);
    s->extensions = area(s, "zns.extensions", c->extension_bytes, e);
    s->window_words = c->zrwa_zones ? (uint32_t)((c->zrwa_bytes / ZNS_WINDOW_UNIT + 63) / 64) : 0;
    s->windows = area(s, "zns.windows", s->window_words * sizeof *s->windows, e);
    if (!s->zones || (c->extension_bytes && !s->extensions) || (s->window_words && !s->windows))
        return -EIO; /* the store said why */
    if (store_state_reserve(s->store, s->zones, s->count * sizeof *s->zones))
        return err_set(e, ENOSPC, "no space for the state of %u zones", s->count);
    return start(s, fresh, e);
}

void zns_state_release(struct zns *s) {
    free(s->live);
    free(s->parts);
}

/* --- loss of power --- */

/* Bytes that survived; what went through a random write area is protected, if all below it is left. */
static uint64_t durable_of(const struct zns *s, uint32_t zone) {
    const struct zns_durable *z = &s->zones[zone];
    uint64_t durable = zns_media_durable(s->media, zone, z->wp), kept = z->commit_to < z->wp ? z->commit_to : z->wp;
    if (durable < z->window_from || durable >= kept)
        return durable;
    zns_media_fill(s->media, zone, kept);
    return kept;
}

static void drop_window(struct zns *s, uint32_t zone) {
    struct zns_durable *z = &s->zones[zone];
    zns_window_clear(s, zone);
    zns_enter_with(s, zone, z->mark.state, z->mark.attributes & (uint8_t)~ZONE_ZRWA_VALID);
    z->commit_to = 0;
}

/* Take back what was only in a volatile cache. */
static void fall_back(struct zns *s, uint32_t zone) {
    struct zns_durable *z = &s->zones[zone];
    if (z->mark.state == ZONE_STATE_EMPTY || z->mark.state == ZONE_STATE_OFFLINE)
        return;
    uint64_t durable = durable_of(s, zone), top = z->wp;
    if (durable >= z->wp)
        return;
    if (zns_has_window(z)) {
        top += s->drive.config.zns.zrwa_bytes;
        drop_window(s, zone);
    }
    zns_stale_mark(s, zone, durable, top < z->capacity ? top : z->capacity);
    zns_set_wp(z, durable);
    const struct zns_part *p = zns_part_of(s, zone);
    if (z->mark.state != ZONE_STATE_FULL)
        return;
    bool room = !s->max_active || p->active < s->max_active;
    zns_enter(s, zone, !z->mark.finished && room ? ZONE_STATE_CLOSED : ZONE_STATE_FULL);
}

void zns_power_cut(struct drive *drive) {
    struct zns *s = zns_of(drive);
    s->media->ops->power_cut(s->media);
    for (uint32_t i = 0; i < s->count; i++) {
        s->live[i].changed = s->live[i].resetting = false;
        fall_back(s, i);
        settle(s, i);
    }
}

/* --- self-check --- */

static int check_zone(const struct zns *s, uint32_t zone, struct err *e) {
    const struct zns_durable *z = &s->zones[zone];
    struct zns_mark m = z->mark;
    if (plausible(s, zone, e))
        return -EFAULT;
    if (m.pending)
        return err_set(e, EFAULT, "zone %u: action %02xh is pending", zone, m.pending);
    if (m.attributes != attributes_in(m.state, m.attributes))
        return err_set(e, EFAULT, "zone %u, %s: attributes %02xh", zone, zone_state_name(m.state), m.attributes);
    if (m.state == ZONE_STATE_EMPTY && z->wp)
        return err_set(e, EFAULT, "zone %u is Empty and has %" PRIu64 " bytes written", zone, z->wp);
    if (zns_is_active(m.state) && z->wp >= z->capacity)
        return err_set(e, EFAULT, "zone %u is %s and has all of %" PRIu64 " bytes written", zone,
                       zone_state_name(m.state), z->wp);
    if (m.state == ZONE_STATE_FULL && !m.finished && z->wp < z->capacity)
        return err_set(e, EFAULT, "zone %u is Full with %" PRIu64 " of %" PRIu64 " bytes written", zone, z->wp,
                       z->capacity);
    return 0;
}

static int check_part(const struct zns *s, const struct zns_part *p, struct err *e) {
    uint32_t active = 0, open = 0, windows = 0, implicit = 0, listed = 0;
    for (uint32_t i = p->first; i < p->first + p->count; i++) {
        struct zns_mark m = s->zones[i].mark;
        active += zns_is_active(m.state);
        open += zns_is_open(m.state);
        implicit += m.state == ZONE_STATE_IMPLICIT_OPEN;
        windows += (m.attributes & ZONE_ZRWA_VALID) != 0;
    }
    for (uint32_t i = p->opened.head; i != ZNS_NONE && listed <= p->count; i = s->live[i].opened.next)
        listed += s->zones[i].mark.state == ZONE_STATE_IMPLICIT_OPEN;
    if (active != p->active || open != p->open || windows != p->windows || implicit != listed)
        return err_set(e, EFAULT,
                       "zones from %u: %u active, %u open, %u with random write areas, %u implicitly open; counted are "
                       "%u, %u, %u, %u",
                       p->first, active, open, windows, implicit, p->active, p->open, p->windows, listed);
    if (!s->fits)
        return 0;
    if ((s->max_active && active > s->max_active) || (s->max_open && open > s->max_open) ||
        windows > s->drive.config.zns.zrwa_zones)
        return err_set(e, EFAULT, "zones from %u: %u active, %u open, %u with random write areas are too many",
                       p->first, active, open, windows);
    return 0;
}

int zns_check_state(const struct drive *drive, struct err *e) {
    const struct zns *s = zns_of(drive);
    for (uint32_t i = 0; i < s->count; i++)
        if (check_zone(s, i, e))
            return -EFAULT;
    for (uint32_t i = 0; i < s->part_count; i++)
        if (check_part(s, &s->parts[i], e))
            return -EFAULT;
    return s->media->ops->check_state(s->media, e);
}
