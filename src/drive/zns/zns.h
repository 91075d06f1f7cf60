/*
 * A zoned drive: zone rules (rules.c, write.c, read.c, action.c, window.c) over
 * flash timing (media.h).
 *
 * Durable state is used in place: a zone's write pointer moves after the
 * payload below it was stored, its state, attributes and marks change in one
 * 4-byte store, and what takes several steps is marked by `pending` and done
 * again at the next start.
 *
 * Positions within a zone are bytes from its start.
 */
#ifndef DRIVELAB_DRIVE_ZNS_ZNS_H
#define DRIVELAB_DRIVE_ZNS_ZNS_H

#include "drive/drive_int.h"
#include "drive/zns/media.h"
#include "drive/zns/rules.h"

#define ZNS_NONE UINT32_MAX

/* Changes in one store. */
struct zns_mark {
    uint8_t state;      /* enum zone_state */
    uint8_t attributes; /* enum zone_attribute */
    uint8_t pending;    /* action that is not complete: ZONE_RESET or ZONE_FLUSH_ZRWA, 0 */
    uint8_t finished;   /* Full: by Finish Zone or the controller, not by writing */
} __attribute__((aligned(4)));

/* Durable, one a zone; never across two pages, which a machine may write back at different times. */
struct zns_durable {
    struct zns_mark mark;
    uint32_t resets;
    uint64_t wp; /* bytes written; with a random write area: bytes that have left it */
    uint64_t capacity;
    uint64_t commit_to;            /* end of what was last committed; target of a pending ZONE_FLUSH_ZRWA */
    uint64_t window_from;          /* wp when the random write area was given; below commit_to nothing is volatile */
    uint64_t storing_to;           /* end of the write whose payload was stored last */
    uint64_t stale_from, stale_to; /* the store still holds bytes from before a reset there, above wp */
} __attribute__((aligned(64)));

struct zns_link {
    uint32_t prev, next;
};

/* Zones in the order they came; links are kept by the user. */
struct zns_list {
    uint32_t head, tail;
};

enum zns_timer { ZNS_RECOMMEND_FINISH, ZNS_FINISH, ZNS_RECOMMEND_RESET, ZNS_TIMERS };

/* Not durable, one a zone. */
struct zns_live {
    struct zns_link opened, timed, stale;
    int64_t due_ns;    /* of its timer */
    uint8_t timer;     /* enum zns_timer it waits in, or ZNS_TIMERS */
    uint8_t is_stale;  /* in the list of zones to clear */
    uint8_t resetting; /* a reset is in flight */
    uint8_t changed;   /* its capacity, meanwhile */
};

/* A namespace's share: its own limits. */
struct zns_part {
    uint32_t first, count;
    uint32_t active, open, windows;
    struct zns_list opened; /* implicitly open zones, first opened first */
};

struct zns_alarm {
    struct sim_event event;
    struct zns *zns;
    struct zns_list zones;
    int64_t delay_ns; /* 0: never */
};

struct zns_counters {
    uint64_t auto_closed, excursions, refused, filled, windows_given, committed_bytes, changed;
};

struct zns {
    struct drive drive; /* first */
    struct zns_media_owner owner;
    struct store *store;
    struct sim *sim;
    struct zns_media *media;
    struct zns_durable *zones;
    struct zns_live *live;
    unsigned char *extensions;
    uint64_t *windows; /* a bit for each ZNS_WINDOW_UNIT of a zone's random write area, as a ring */
    uint32_t window_words;
    uint64_t zone_bytes;
    int zone_shift; /* -1: not a power of two */
    uint32_t count;
    bool payload;
    bool fits;                     /* no part has more active zones than the limits allow */
    uint32_t max_active, max_open; /* 0 = no limit */
    struct zns_part *parts;
    uint32_t part_count, part_zones;
    struct zns_alarm alarm[ZNS_TIMERS];
    struct zns_list stale;
    struct sim_event clear;
    struct drive_zone_watch *watches;
    struct zns_counters stat;
};

#define ZNS_WINDOW_UNIT 512

static inline struct zns *zns_of(const struct drive *drive) {
    return (struct zns *)drive;
}

static inline uint32_t zns_zone_at(const struct zns *s, uint64_t offset) {
    return (uint32_t)(s->zone_shift >= 0 ? offset >> s->zone_shift : offset / s->zone_bytes);
}

static inline uint64_t zns_start(const struct zns *s, uint32_t zone) {
    return zone * s->zone_bytes;
}

static inline bool zns_has_window(const struct zns_durable *z) {
    return z->mark.attributes & ZONE_ZRWA_VALID;
}

/* Everything stored before is visible to the next start if this is. */
static inline void zns_set_mark(struct zns_durable *z, struct zns_mark mark) {
    __atomic_store(&z->mark, &mark, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* nothing after it may be there before it */
}
static inline void zns_set_wp(struct zns_durable *z, uint64_t wp) {
    __atomic_store_n(&z->wp, wp, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* --- state.c --- */

int zns_state_open(struct zns *s, bool fresh, struct err *e);
void zns_state_release(struct zns *s);

/* Move a zone to a state: counters, lists, timers, attributes. No limits, no flash. */
void zns_enter(struct zns *s, uint32_t zone, uint8_t state);
/* As zns_enter(), and these attributes instead of what the state leaves of the old ones. */
void zns_enter_with(struct zns *s, uint32_t zone, uint8_t state, uint8_t attributes);

/* Durable part of a reset: Empty, nothing written. */
void zns_empty(struct zns *s, uint32_t zone);

/* Share the zones among namespaces and count. */
int zns_divide(struct zns *s, uint32_t namespaces);
/* Hold each part to the limits: once it is known how zones are shared, so not before the first request or division. */
void zns_fit(struct zns *s);
struct zns_part *zns_part_of(struct zns *s, uint32_t zone);

void zns_shutdown(struct zns *s, uint32_t first, uint32_t count);
void zns_format(struct zns *s, uint32_t first, uint32_t count);
void zns_power_cut(struct drive *drive);

/* What a zone can hold now. */
uint64_t zns_capacity_of(const struct zns *s, uint32_t zone);

int zns_check_state(const struct drive *drive, struct err *e);

/* --- stale.c: bytes from before a reset leave the store in steps --- */

void zns_stale_mark(struct zns *s, uint32_t zone, uint64_t from, uint64_t to);
/* Bytes [from, to) of the zone, above its write pointer, shall read as zeros now. */
void zns_stale_clear(struct zns *s, uint32_t zone, uint64_t from, uint64_t to);
void zns_stale_init(struct zns *s);

/* --- write.c, read.c --- */

void zns_write(struct zns *s, struct io *io);
void zns_append(struct zns *s, struct io *io);
void zns_read(struct zns *s, struct io *io);
void zns_trim(struct zns *s, struct io *io);
bool zns_mapped(const struct drive *drive, uint64_t offset, uint64_t bytes);

/* The zone may go to `state` as far as limits go; closes an implicitly open one if that helps. False: io has failed. */
bool zns_take(struct zns *s, uint32_t zone, uint8_t state, struct io *io);

/* Writable: take the event's way to an open state. *opened: it was not open. False: io has failed. */
bool zns_write_opens(struct zns *s, uint32_t zone, struct io *io, bool *opened);
/* The write pointer goes to `wp`; a full zone becomes Full. */
void zns_advance(struct zns *s, uint32_t zone, uint64_t wp);
/* Bytes of the request to the store, `at` of the zone. */
void zns_store_payload(struct zns *s, uint32_t zone, uint64_t at, struct io *io);

/* --- action.c --- */

void zns_action(struct zns *s, struct io *io);
void zns_reset_done(struct zns *s, struct io *io);

/* --- window.c: random write areas --- */

void zns_window_write(struct zns *s, uint32_t zone, uint64_t at, struct io *io);
void zns_window_flush(struct zns *s, struct io *io);
/* May the zone have one? False: io has failed. */
bool zns_window_may(struct zns *s, uint32_t zone, struct io *io);
/* Prepare for zns_enter_with(... | ZONE_ZRWA_VALID). */
void zns_window_prepare(struct zns *s, uint32_t zone);
/* What was written in it stays in the zone, whose write pointer goes behind it; before the area is given up. */
void zns_window_keep(struct zns *s, uint32_t zone);
bool zns_window_used(const struct zns *s, uint32_t zone);
bool zns_window_written(const struct zns *s, uint32_t zone, uint64_t at);
void zns_window_clear(struct zns *s, uint32_t zone);
/* Second half of a commit, also at a start. */
void zns_window_committed(struct zns *s, uint32_t zone);
/* At a start: payload that was stored for writes which the end of the process cut short goes. */
void zns_window_sweep(struct zns *s, uint32_t zone);

/* --- change.c: what the drive does to zones by itself --- */

void zns_timers_init(struct zns *s);
void zns_timers_clear(struct zns *s);
/* The zone entered the state it is in. */
void zns_timer_follow(struct zns *s, uint32_t zone);
void zns_notify(struct zns *s, uint32_t zone);
/* The flash of a zone holds another amount than before: an Empty zone takes it over. */
void zns_adopt_capacity(struct zns *s, uint32_t zone);
/* The flash of a zone has failed; see media.h. */
void zns_zone_failed(struct zns_media_owner *owner, uint32_t zone, uint64_t capacity);
/* To Read Only or Offline by itself. */
void zns_fail_zone(struct zns *s, uint32_t zone, uint8_t state);

/* --- lists of zones --- */

void zns_list_init(struct zns_list *list);
void zns_list_add(struct zns *s, struct zns_list *list, size_t link, uint32_t zone);
void zns_list_remove(struct zns *s, struct zns_list *list, size_t link, uint32_t zone);
#define ZNS_LINK(member) offsetof(struct zns_live, member)

/* --- report.c --- */

extern const struct drive_zoned_ops zns_zoned_ops;

/* --- reason.c --- */

#define ZNS_WORD_MAX 48

/* "LBA 0x140000" or "byte 671088640": an absolute place of the drive, as the issuer of `io` says it. Returns buf. */
const char *zns_place(const struct io *io, uint64_t offset, char buf[ZNS_WORD_MAX]);
/* "9 blocks" or "4608 bytes". */
const char *zns_amount(const struct io *io, uint64_t bytes, char buf[ZNS_WORD_MAX]);
/* True if `bytes` is one block of the issuer. */
bool zns_one_block(const struct io *io, uint64_t bytes);
/* io_fail() with what was asked and the zone around the reason, and the time of a refused command. */
void zns_refuse(struct zns *s, struct io *io, uint32_t zone, uint16_t status, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* The same, without giving the request back. */
void zns_fail(struct zns *s, struct io *io, uint32_t zone, uint16_t status, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#define ZNS_HINT_ZERO_BASED "number of blocks is zero-based: was it sent one too large?"

/* --- options.c, zns.c --- */

int zns_config_check(const struct drive_config *config, struct err *e);
extern const struct opt_row zns_opts[];
extern const struct drive_ops zns_ops, smr_ops;

#endif
