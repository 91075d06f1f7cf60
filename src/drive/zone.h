/*
 * Zones, as a zoned drive shows them. A drive kind with zones fills
 * drive_ops.zoned; requests against zone rules come back with the statuses of
 * ZNS 1.1, figure 11, and a reason.
 *
 * All positions and sizes are in bytes of the drive's logical space. Zone i
 * begins at i * zone_bytes; its last zone_bytes - capacity bytes can't be written.
 *
 * Source: NVM Express Zoned Namespace Command Set 1.1; TP4076 (ZRWA).
 */
#ifndef DRIVELAB_DRIVE_ZONE_H
#define DRIVELAB_DRIVE_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct drive;

/* Values of the report's Zone State, figure 37. */
enum zone_state {
    ZONE_STATE_EMPTY = 0x1,
    ZONE_STATE_IMPLICIT_OPEN = 0x2,
    ZONE_STATE_EXPLICIT_OPEN = 0x3,
    ZONE_STATE_CLOSED = 0x4,
    ZONE_STATE_READ_ONLY = 0xd,
    ZONE_STATE_FULL = 0xe,
    ZONE_STATE_OFFLINE = 0xf,
};

/* Bits of the report's Zone Attributes, figure 37. */
enum zone_attribute {
    ZONE_FINISHED_BY_CONTROLLER = 1u << 0,
    ZONE_FINISH_RECOMMENDED = 1u << 1,
    ZONE_RESET_RECOMMENDED = 1u << 2,
    ZONE_ZRWA_VALID = 1u << 3,
    ZONE_EXTENSION_VALID = 1u << 7,
};

struct drive_zone {
    uint64_t start, capacity;
    uint64_t write_pointer; /* absolute; UINT64_MAX where a state has none (Full, Read Only, Offline) */
    uint8_t state;          /* enum zone_state */
    uint8_t attributes;     /* enum zone_attribute */
    uint8_t info;           /* Zone Attributes Information: which limit of FRL, RRL; figure 37 */
};

#define ZONE_EXTENSION_UNIT 64 /* bytes; at most 255 units */
#define ZONE_LIMITS         4  /* choices of a recommended limit */

struct drive_zoned_limits {
    uint64_t zone_bytes; /* a power of two, unless configured otherwise */
    uint32_t zones;
    uint32_t max_active, max_open; /* per namespace; 0 = no limit */
    uint64_t append_bytes;         /* largest append; 0: as the largest transfer */
    uint32_t extension_bytes;      /* of each zone; 0: none */
    bool read_across;              /* reads may cross zone boundaries (RAZB) */
    bool variable_capacity;        /* a reset may change a capacity (VZC) */
    bool excursions;               /* the drive may finish active zones by itself (ZAE) */
    uint32_t reset_limits_s[ZONE_LIMITS], finish_limits_s[ZONE_LIMITS]; /* seconds; 0 = not reported */
    uint32_t zrwa_zones;                                                /* 0: no random write areas */
    uint64_t zrwa_bytes, zrwa_granularity;
    bool zrwa_explicit_flush;
};

/*
 * Who wants to hear of zones the drive changed by itself: to Read Only or
 * Offline, finished by the controller, reset or finish recommended. Not
 * called for what a request asked for (ZNS 1.1, figure 42). From an event.
 */
struct drive_zone_watch {
    void (*changed)(struct drive_zone_watch *, uint32_t zone);
    struct drive_zone_watch *next;
};

struct drive_zoned_ops {
    void (*limits)(const struct drive *, struct drive_zoned_limits *);
    void (*zone)(const struct drive *, uint32_t index, struct drive_zone *);
    /* extension_bytes of it, valid until the next request; contents as last set, or zeros. */
    const void *(*extension)(const struct drive *, uint32_t index);
    /*
     * Give each of `namespaces` equal ranges of zones its own limits on active
     * and open zones, and its own random write areas. Before the first request.
     */
    void (*divide)(struct drive *, uint32_t namespaces);
    /*
     * All controllers of the namespaces were shut down, or the subsystem was
     * reset: open zones become Closed, or Empty where nothing is written and no
     * extension is valid (ZNS 1.1, section 2.1.1.3). Requests are over.
     */
    void (*shutdown)(struct drive *, uint32_t first, uint32_t count);
    /* Format: every zone of the range that isn't Offline becomes Empty without taking time. Requests are over. */
    void (*format)(struct drive *, uint32_t first, uint32_t count);
    /* For fault injection: force a zone to ZONE_STATE_READ_ONLY or _OFFLINE, as worn flash would. 0 or -EINVAL. */
    int (*fail)(struct drive *, uint32_t index, uint8_t state, struct err *e);
    void (*watch)(struct drive *, struct drive_zone_watch *);
};

/* The name a person knows: "Empty", "Implicitly Open"...; "reserved" for values that aren't one. */
const char *zone_state_name(uint8_t state);

#endif
