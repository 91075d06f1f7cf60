/*
 * Time: the clock, the event queue and the loop that joins due events with
 * ready file descriptors. Everything that happens in a drive happens in a
 * callback of this loop, on one thread.
 *
 * In virtual time the loop jumps to the next event. In wall time it waits
 * until the next event is due, spinning or sleeping. Scaled time slows the
 * model by a factor: one modelled second takes `scale` wall seconds.
 * Models cannot tell which clock they run under.
 *
 * While an event's callback runs, sim_now() is the time the event was due,
 * not the (later) wall time at which it ran: lateness never accumulates in
 * the model. While a file descriptor's callback runs, sim_now() is the
 * present, never before an event already fired.
 *
 * Units: int64_t nanoseconds. Not thread-safe, except sim_wake().
 */
#ifndef DRIVELAB_SIM_SIM_H
#define DRIVELAB_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define SIM_NEVER INT64_MAX

enum sim_mode { SIM_VIRTUAL, SIM_WALL, SIM_SCALED };

struct sim_config {
    enum sim_mode mode;
    double scale;    /* SIM_SCALED: wall seconds per modelled second, > 0 */
    bool spin;       /* wall/scaled: poll instead of sleeping */
    int64_t spin_ns; /* not spinning: still poll for this long before an event is due */
};

struct sim; /* opaque: clock + queue + loop */

/* One pending callback; embedded in its owner, who keeps it alive while pending. Initialise with sim_event_init(). */
struct sim_event {
    int64_t at_ns;
    void (*fire)(struct sim_event *);
    struct sim_link {
        struct sim_link *next, *prev;
    } link;              /* the queue's own */
    uint64_t seq : 48;   /* the queue's own: order of scheduling */
    uint64_t where : 16; /* the queue's own; 0 = not pending */
};

struct sim *sim_new(const struct sim_config *config, struct err *e); /* NULL with `e` filled on failure */
void sim_free(struct sim *sim);                                      /* pending events are forgotten, not fired */

enum sim_mode sim_mode(const struct sim *sim);

/* The beginning of a struct sim, here only so that asking for the time is no call. */
struct sim_time {
    int64_t now_ns;
    bool jumps; /* SIM_VIRTUAL */
};

/* Modelled time since sim_new(). */
static inline int64_t sim_now(const struct sim *sim) {
    return ((const struct sim_time *)sim)->now_ns;
}

/* Modelled time read from the clock at this moment (virtual: sim_now()); for measuring lateness. */
int64_t sim_clock_wall(const struct sim *sim); /* unless the time is virtual */
static inline int64_t sim_clock(const struct sim *sim) {
    return ((const struct sim_time *)sim)->jumps ? sim_now(sim) : sim_clock_wall(sim);
}

void sim_event_init(struct sim_event *ev, void (*fire)(struct sim_event *));
static inline bool sim_event_pending(const struct sim_event *ev) {
    return ev->where != 0;
}

/*
 * Fire `ev` at `at_ns` (a time already past means as soon as possible). Events
 * of equal time fire in the order they were scheduled. `ev` must not be pending.
 */
void sim_schedule(struct sim *sim, struct sim_event *ev, int64_t at_ns);

/* Take a pending event back; no effect if it is not pending. */
void sim_cancel(struct sim *sim, struct sim_event *ev);

/* A watched file descriptor; embedded in its owner. */
struct sim_watch {
    int fd;
    uint32_t events; /* EPOLLIN | EPOLLOUT wanted */
    void (*ready)(struct sim_watch *, uint32_t events);
};

/*
 * Level-triggered. Return 0 or -errno. A callback may remove any watch, itself
 * included; remove a watch before closing its descriptor.
 */
int sim_watch_add(struct sim *sim, struct sim_watch *w);
int sim_watch_modify(struct sim *sim, struct sim_watch *w, uint32_t events);
void sim_watch_remove(struct sim *sim, struct sim_watch *w);

/*
 * A hook called once per loop turn, after the due events and ready descriptors
 * of that turn: transports send there what the turn completed, in one batch.
 * Hooks run in the order they were added. A hook that leaves work for another
 * hook, without an event or descriptor to come of it, calls sim_wake().
 */
struct sim_idle_hook {
    void (*run)(struct sim_idle_hook *);
    struct sim_idle_hook *next, *prev;
};
void sim_hook_add(struct sim *sim, struct sim_idle_hook *h);
void sim_hook_remove(struct sim *sim, struct sim_idle_hook *h);

/*
 * Run until sim_stop(), or until nothing can ever happen again (virtual: no
 * event; wall: no event and no watch), or until modelled time `until_ns`.
 * In virtual time with watches, descriptors are polled between events.
 * What is due at `until_ns` exactly still fires. In virtual time sim_now() then
 * stands at `until_ns` (unless SIM_NEVER), even if the events ran out before;
 * an event at SIM_NEVER never fires. Not to be called from a callback.
 */
void sim_run(struct sim *sim, int64_t until_ns);

/* End sim_run() after this turn's hooks; if it is not running, the next one. From the loop's thread or a signal handler
 * (which calls sim_wake() too). */
void sim_stop(struct sim *sim);

/* Make a sleeping loop turn once; from any thread or signal handler. */
void sim_wake(struct sim *sim);

/* Events fired since sim_new(). */
uint64_t sim_fired(const struct sim *sim);

#endif
