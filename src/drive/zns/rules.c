/* The table of zone states and events; see rules.h. */
#include "drive/zns/rules.h"

#define E          ZONE_STATE_EMPTY
#define IO         ZONE_STATE_IMPLICIT_OPEN
#define EO         ZONE_STATE_EXPLICIT_OPEN
#define C          ZONE_STATE_CLOSED
#define RO         ZONE_STATE_READ_ONLY
#define F          ZONE_STATE_FULL
#define O          ZONE_STATE_OFFLINE
#define BF         IO_ZONE_INVALID_TRANSITION

#define BIT(state) (1u << (state))
#define ROW(e, io, eo, c, ro, f, o)                                                                                    \
    { [E] = (e), [IO] = (io), [EO] = (eo), [C] = (c), [RO] = (ro), [F] = (f), [O] = (o) }

/* clang-format off */
const struct zns_rule zns_rules[ZNS_EVENTS] = {
    /*                                                             E   IO  EO  C   RO  F   O */
    [ZNS_EVENT_WRITE]          = {"write",             ROW(IO, IO, EO, IO, IO_ZONE_IS_READ_ONLY, IO_ZONE_IS_FULL, IO_ZONE_IS_OFFLINE), 0},
    [ZNS_EVENT_CLOSE]          = {"Close Zone",        ROW(BF, C,  C,  C,  BF, BF, BF), BIT(IO) | BIT(EO)},
    [ZNS_EVENT_FINISH]         = {"Finish Zone",       ROW(F,  F,  F,  F,  BF, F,  BF), BIT(IO) | BIT(EO) | BIT(C)},
    [ZNS_EVENT_OPEN]           = {"Open Zone",         ROW(EO, EO, EO, EO, BF, BF, BF), BIT(C)},
    [ZNS_EVENT_RESET]          = {"Reset Zone",        ROW(E,  E,  E,  E,  BF, E,  BF), BIT(IO) | BIT(EO) | BIT(C) | BIT(F)},
    [ZNS_EVENT_TO_OFFLINE]     = {"Offline Zone",      ROW(BF, BF, BF, BF, O,  BF, O),  BIT(RO)},
    [ZNS_EVENT_SET_EXTENSION]  = {"Set Zone Descriptor Extension",
                                                       ROW(C,  BF, BF, BF, BF, BF, BF), 0},
    [ZNS_EVENT_FILLED]         = {"filled",            ROW(0,  F,  F,  0,  0,  0,  0),  0},
    [ZNS_EVENT_AUTO_CLOSE]     = {"automatic close",   ROW(0,  C,  0,  0,  0,  0,  0),  0},
    [ZNS_EVENT_EXCURSION]      = {"zone excursion",    ROW(0,  F,  F,  F,  0,  0,  0),  0},
    [ZNS_EVENT_SHUTDOWN]       = {"shutdown",          ROW(E,  C,  C,  C,  RO, F,  O),  0},
    [ZNS_EVENT_FAIL_READ_ONLY] = {"failure",           ROW(RO, RO, RO, RO, RO, RO, 0),  0},
    [ZNS_EVENT_FAIL_OFFLINE]   = {"failure",           ROW(O,  O,  O,  O,  O,  O,  O),  0},
};
/* clang-format on */

enum zns_event zns_event_of(uint8_t action) {
    switch (action) {
    case ZONE_CLOSE:
        return ZNS_EVENT_CLOSE;
    case ZONE_FINISH:
        return ZNS_EVENT_FINISH;
    case ZONE_OPEN:
        return ZNS_EVENT_OPEN;
    case ZONE_RESET:
        return ZNS_EVENT_RESET;
    case ZONE_TO_OFFLINE:
        return ZNS_EVENT_TO_OFFLINE;
    case ZONE_SET_EXTENSION:
        return ZNS_EVENT_SET_EXTENSION;
    default:
        return ZNS_EVENTS;
    }
}
