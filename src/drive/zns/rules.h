/*
 * The zone state machine as data: what each event does to a zone in each
 * state. Resources follow from the states: three hold active resources, two of
 * them open ones as well.
 *
 *            write                     open
 *   Empty ----------> Implicitly Open -----> Explicitly Open      Read Only --> Offline
 *     |  set extension   |   ^ write            | close             (from any state
 *     +-------------> Closed <------------------+                    when flash fails)
 *   finish, filled: any of the four -> Full -- reset --> Empty
 *
 * Source: ZNS 1.1, sections 2.1.1.3 and 3.4.3.1.
 */
#ifndef DRIVELAB_DRIVE_ZNS_RULES_H
#define DRIVELAB_DRIVE_ZNS_RULES_H

#include "drive/io.h"
#include "drive/zone.h"

enum zns_event {
    /* what requests ask for */
    ZNS_EVENT_WRITE, /* write, append, write zeroes, flush of a random write area */
    ZNS_EVENT_CLOSE,
    ZNS_EVENT_FINISH,
    ZNS_EVENT_OPEN,
    ZNS_EVENT_RESET,
    ZNS_EVENT_TO_OFFLINE,
    ZNS_EVENT_SET_EXTENSION,
    /* what happens by itself */
    ZNS_EVENT_FILLED,
    ZNS_EVENT_AUTO_CLOSE,
    ZNS_EVENT_EXCURSION, /* finished by the controller */
    ZNS_EVENT_SHUTDOWN,
    ZNS_EVENT_FAIL_READ_ONLY,
    ZNS_EVENT_FAIL_OFFLINE,
    ZNS_EVENTS
};

#define ZNS_STATES 16 /* values of enum zone_state */

struct zns_rule {
    const char *name;
    uint16_t to[ZNS_STATES]; /* the next state, or the status of a refusal; 0: cannot happen */
    uint16_t all;            /* Select All: bit per state it applies to */
};

extern const struct zns_rule zns_rules[ZNS_EVENTS];

/* The event a Zone Send Action is; ZNS_EVENTS if it is none (or the flush of a random write area). */
enum zns_event zns_event_of(uint8_t action);

static inline bool zns_is_state(uint16_t to) {
    return to && to < ZNS_STATES;
}
static inline bool zns_is_open(uint8_t state) {
    return state == ZONE_STATE_IMPLICIT_OPEN || state == ZONE_STATE_EXPLICIT_OPEN;
}
static inline bool zns_is_active(uint8_t state) {
    return zns_is_open(state) || state == ZONE_STATE_CLOSED;
}

#endif
