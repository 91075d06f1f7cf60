/* Names of zone states; see zone.h. */
#include "drive/zone.h"

const char *zone_state_name(uint8_t state) {
    static const char *const names[] = {
        [ZONE_STATE_EMPTY] = "Empty",
        [ZONE_STATE_IMPLICIT_OPEN] = "Implicitly Open",
        [ZONE_STATE_EXPLICIT_OPEN] = "Explicitly Open",
        [ZONE_STATE_CLOSED] = "Closed",
        [ZONE_STATE_READ_ONLY] = "Read Only",
        [ZONE_STATE_FULL] = "Full",
        [ZONE_STATE_OFFLINE] = "Offline",
    };
    const char *name = state < sizeof names / sizeof *names ? names[state] : 0;
    return name ? name : "reserved";
}
