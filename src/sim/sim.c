/*
 * The loop: clock, events, descriptors, hooks.
 *
 * A turn in wall time: read the clock; fire everything due; look at the
 * descriptors, and before each one's callback fire what has become due
 * meanwhile, so that a busy socket does not make events late; run the hooks.
 * All that is due at the clock's reading fires before a descriptor's callback,
 * so sim_now() never goes back, and the reading is fixed, so events that keep
 * coming cannot starve the descriptors.
 *
 * A turn in virtual time: fire all events of the next instant, run the hooks;
 * without hooks and descriptors there are no turns, only events.
 * Descriptors, if any are watched, are looked at every VIRTUAL_POLL_TURNS turns
 * and before the run ends for lack of events.
 *
 * A sleeping loop sleeps until `spin_ns` before the next event and polls from
 * there on, because waking takes a kernel tens of microseconds.
 *
 * Units: nanoseconds of modelled time unless a name says wall.
 */
#include "sim/sim.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "sim/queue_int.h"

#define NS_PER_S           1000000000ll
#define READY_MAX          64
#define VIRTUAL_POLL_TURNS 64
#define SLEEP_MAX_NS       (3600 * NS_PER_S)

/* What events alone don't decide; looked at after each of them, so in one word. */
enum {
    SIM_STOP = 1,  /* sim_stop() */
    SIM_WOKEN = 2, /* sim_wake() */
    SIM_SEEN = 4,  /* there are hooks or descriptors: turns make a difference */
};

struct sim {
    struct sim_time time; /* first: sim_now() reads it */
    uint64_t fired;
    atomic_uint attention;                   /* of the above */
    unsigned watches;                        /* without `wake` */
    struct sim_idle_hook *hooks, *next_hook; /* next_hook: where sim_run_hooks() stands */
    struct queue queue;
    struct sim_config config;
    int64_t start_wall_ns;
    double model_per_wall; /* scaled: modelled nanoseconds per wall nanosecond */
    int epoll_fd;
    bool coarse_wait; /* the kernel has no epoll_pwait2() */
    struct sim_watch wake;
    struct epoll_event ready[READY_MAX];
    int ready_count, ready_at; /* descriptors of this turn; removed ones are blanked out */
};

static inline unsigned sim_attention(const struct sim *sim) {
    return atomic_load_explicit(&sim->attention, memory_order_relaxed);
}

static inline bool sim_stopping(const struct sim *sim) {
    return sim_attention(sim) & SIM_STOP;
}

static void sim_set_seen(struct sim *sim) {
    if (sim->hooks || sim->watches)
        atomic_fetch_or(&sim->attention, SIM_SEEN);
    else
        atomic_fetch_and(&sim->attention, ~(unsigned)SIM_SEEN);
}

static int64_t wall_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static inline int64_t time_min(int64_t a, int64_t b) {
    return a < b ? a : b;
}

int64_t sim_clock_wall(const struct sim *sim) {
    int64_t wall = wall_ns() - sim->start_wall_ns;
    return sim->config.mode == SIM_SCALED ? (int64_t)((double)wall * sim->model_per_wall) : wall;
}

static void sim_woken(struct sim_watch *w, uint32_t events) {
    uint64_t count;
    ssize_t got = read(w->fd, &count, sizeof(count));
    (void)got; /* only the turn matters */
}

static int sim_open_fds(struct sim *sim, struct err *e) {
    sim->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sim->wake = (struct sim_watch){.events = EPOLLIN, .ready = sim_woken};
    sim->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (sim->epoll_fd < 0 || sim->wake.fd < 0 || sim_watch_add(sim, &sim->wake))
        return err_set(e, errno, "cannot set up the event loop: %s", strerror(errno));
    sim->watches = 0;
    sim_set_seen(sim);
    return 0;
}

struct sim *sim_new(const struct sim_config *config, struct err *e) {
    if (config->mode == SIM_SCALED && !(config->scale > 0 && isfinite(config->scale))) {
        err_set(e, EINVAL, "time scale %g: must be greater than 0", config->scale);
        return NULL;
    }
    struct sim *sim = calloc(1, sizeof(*sim));
    if (!sim) {
        err_set(e, ENOMEM, "no memory for the event loop");
        return NULL;
    }
    queue_init(&sim->queue);
    sim->config = *config;
    sim->time.jumps = config->mode == SIM_VIRTUAL;
    sim->epoll_fd = sim->wake.fd = -1;
    if (sim_open_fds(sim, e)) {
        sim_free(sim);
        return NULL;
    }
    sim->model_per_wall = config->mode == SIM_SCALED ? 1 / config->scale : 1;
    sim->start_wall_ns = wall_ns();
    return sim;
}

void sim_free(struct sim *sim) {
    if (!sim)
        return;
    if (sim->epoll_fd >= 0)
        close(sim->epoll_fd);
    if (sim->wake.fd >= 0)
        close(sim->wake.fd);
    free(sim);
}

enum sim_mode sim_mode(const struct sim *sim) {
    return sim->config.mode;
}

uint64_t sim_fired(const struct sim *sim) {
    return sim->fired;
}

/* ---- events ---- */

void sim_event_init(struct sim_event *ev, void (*fire)(struct sim_event *)) {
    *ev = (struct sim_event){.fire = fire};
}

void sim_schedule(struct sim *sim, struct sim_event *ev, int64_t at_ns) {
    ev->at_ns = at_ns < sim->time.now_ns ? sim->time.now_ns : at_ns;
    queue_place(&sim->queue, ev);
}

void sim_cancel(struct sim *sim, struct sim_event *ev) {
    if (ev->where)
        queue_remove(&sim->queue, ev);
}

/* Fire what is due at `limit_ns` or before, then move the time there. */
static void sim_fire_until(struct sim *sim, int64_t limit_ns) {
    struct sim_event *ev;
    while (!sim_stopping(sim) && (ev = queue_pop(&sim->queue, limit_ns))) {
        sim->time.now_ns = ev->at_ns;
        sim->fired++;
        ev->fire(ev);
    }
    if (!sim_stopping(sim) && sim->time.now_ns < limit_ns)
        sim->time.now_ns = limit_ns;
}

/* ---- descriptors ---- */

int sim_watch_add(struct sim *sim, struct sim_watch *w) {
    struct epoll_event want = {.events = w->events, .data.ptr = w};
    if (epoll_ctl(sim->epoll_fd, EPOLL_CTL_ADD, w->fd, &want))
        return -errno;
    sim->watches++;
    sim_set_seen(sim);
    return 0;
}

int sim_watch_modify(struct sim *sim, struct sim_watch *w, uint32_t events) {
    struct epoll_event want = {.events = events, .data.ptr = w};
    if (epoll_ctl(sim->epoll_fd, EPOLL_CTL_MOD, w->fd, &want))
        return -errno;
    w->events = events;
    return 0;
}

void sim_watch_remove(struct sim *sim, struct sim_watch *w) {
    epoll_ctl(sim->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    sim->watches--;
    sim_set_seen(sim);
    for (int i = sim->ready_at; i < sim->ready_count; i++)
        if (sim->ready[i].data.ptr == w)
            sim->ready[i].data.ptr = NULL;
}

/* epoll_wait() to the nanosecond; 0 does not wait. EINTR is "nothing ready". */
static int sim_wait_ready(struct sim *sim, int64_t wait_wall_ns) {
    int n = -1;
    if (wait_wall_ns > 0 && !sim->coarse_wait) {
        struct timespec t = {.tv_sec = wait_wall_ns / NS_PER_S, .tv_nsec = wait_wall_ns % NS_PER_S};
        n = epoll_pwait2(sim->epoll_fd, sim->ready, READY_MAX, &t, NULL);
        sim->coarse_wait = n < 0 && (errno == ENOSYS || errno == EPERM);
    } else {
        /* Milliseconds, rounded down: the rest is polled away. */
        n = epoll_wait(sim->epoll_fd, sim->ready, READY_MAX, (int)(wait_wall_ns / 1000000));
    }
    return n < 0 ? 0 : n;
}

/* Wait for descriptors and call back those that are ready. Returns how many were. */
static int sim_poll(struct sim *sim, int64_t wait_wall_ns, int64_t until_ns) {
    int n = sim_wait_ready(sim, wait_wall_ns);
    sim->ready_count = n;
    for (sim->ready_at = 0; sim->ready_at < n; sim->ready_at++) {
        if (sim->config.mode != SIM_VIRTUAL)
            sim_fire_until(sim, time_min(sim_clock(sim), until_ns));
        if (sim_stopping(sim))
            break;
        struct epoll_event *ready = &sim->ready[sim->ready_at];
        struct sim_watch *w = ready->data.ptr;
        if (w)
            w->ready(w, ready->events);
    }
    sim->ready_count = 0;
    return n;
}

/* ---- hooks ---- */

void sim_hook_add(struct sim *sim, struct sim_idle_hook *h) {
    struct sim_idle_hook **link = &sim->hooks, *prev = NULL;
    for (; *link; link = &(*link)->next)
        prev = *link;
    h->next = NULL;
    h->prev = prev;
    *link = h;
    sim_set_seen(sim);
}

void sim_hook_remove(struct sim *sim, struct sim_idle_hook *h) {
    if (sim->next_hook == h)
        sim->next_hook = h->next;
    if (h->prev)
        h->prev->next = h->next;
    else
        sim->hooks = h->next;
    if (h->next)
        h->next->prev = h->prev;
    h->next = h->prev = NULL;
    sim_set_seen(sim);
}

static inline void sim_run_hooks(struct sim *sim) {
    for (struct sim_idle_hook *h = sim->hooks; h; h = sim->next_hook) {
        sim->next_hook = h->next;
        h->run(h);
    }
}

/* ---- the loop ---- */

/* Fire the events of the next instant, if that is at `limit_ns` or before. */
static bool sim_fire_instant(struct sim *sim, int64_t limit_ns) {
    struct sim_event *ev = queue_pop(&sim->queue, limit_ns);
    if (!ev)
        return false;
    sim->time.now_ns = ev->at_ns;
    do {
        sim->fired++;
        ev->fire(ev);
    } while (!sim_stopping(sim) && (ev = queue_pop(&sim->queue, sim->time.now_ns)));
    return true;
}

/* The flag is read first: an exchange each turn would cost as much as an event. */
static inline bool sim_take_wake(struct sim *sim) {
    return sim_attention(sim) & SIM_WOKEN && atomic_fetch_and(&sim->attention, ~(unsigned)SIM_WOKEN) & SIM_WOKEN;
}

/* Fire events at `limit_ns` or before as long as nobody would notice where one turn ends and the next begins. */
static void sim_fire_alone(struct sim *sim, int64_t limit_ns) {
    struct sim_event *ev;
    while (!sim_attention(sim) && (ev = queue_pop(&sim->queue, limit_ns))) {
        sim->time.now_ns = ev->at_ns;
        sim->fired++;
        ev->fire(ev);
    }
}

static void sim_run_virtual(struct sim *sim, int64_t until_ns) {
    int64_t limit = time_min(until_ns, SIM_NEVER - 1);
    sim_fire_alone(sim, limit);
    for (uint64_t turn = 0; !sim_stopping(sim); turn++) {
        bool woken = sim_take_wake(sim); /* asks for a turn at this instant, before time moves on */
        bool busy = sim_fire_instant(sim, woken ? time_min(sim->time.now_ns, limit) : limit);
        if (sim->watches && (!busy || turn % VIRTUAL_POLL_TURNS == 0))
            busy |= sim_poll(sim, 0, until_ns) > 0;
        sim_run_hooks(sim);
        if (!busy && !woken && !(atomic_load(&sim->attention) & (SIM_STOP | SIM_WOKEN)) &&
            queue_bound(&sim->queue) > limit) {
            if (until_ns != SIM_NEVER && sim->time.now_ns < until_ns)
                sim->time.now_ns = until_ns;
            return;
        }
        sim_fire_alone(sim, limit);
    }
}

/* How long the loop may wait for descriptors, in wall time. */
static int64_t sim_wait_time(const struct sim *sim, int64_t until_ns) {
    int64_t due = time_min(queue_bound(&sim->queue), until_ns);
    if (due == SIM_NEVER)
        return SLEEP_MAX_NS;
    double wait = (double)(due - sim_clock(sim)) / sim->model_per_wall - (double)sim->config.spin_ns;
    return wait <= 0 ? 0 : wait >= SLEEP_MAX_NS ? SLEEP_MAX_NS : (int64_t)wait;
}

static void sim_run_wall(struct sim *sim, int64_t until_ns) {
    int64_t wait = 0;
    if (!sim->config.spin)
        prctl(PR_SET_TIMERSLACK, 1); /* this thread's sleeps would otherwise end up to 50 us late */
    for (;;) {
        if (wait > 0 || sim->watches)
            sim_poll(sim, wait, until_ns);
        int64_t clock = sim_clock(sim);
        sim_fire_until(sim, time_min(clock, until_ns));
        sim_run_hooks(sim);
        if (sim_stopping(sim) || clock >= until_ns)
            return;
        if (!sim->watches && queue_empty(&sim->queue) && !sim_take_wake(sim))
            return;
        wait = sim->config.spin ? 0 : sim_wait_time(sim, until_ns);
    }
}

void sim_run(struct sim *sim, int64_t until_ns) {
    if (sim->config.mode == SIM_VIRTUAL)
        sim_run_virtual(sim, until_ns);
    else
        sim_run_wall(sim, until_ns);
    atomic_fetch_and(&sim->attention, ~(unsigned)SIM_STOP);
}

void sim_stop(struct sim *sim) {
    atomic_fetch_or_explicit(&sim->attention, SIM_STOP, memory_order_relaxed);
}

void sim_wake(struct sim *sim) {
    uint64_t one = 1;
    atomic_fetch_or(&sim->attention, SIM_WOKEN);
    if (sim->config.mode == SIM_VIRTUAL || sim->config.spin)
        return; /* never asleep */
    ssize_t put = write(sim->wake.fd, &one, sizeof(one));
    (void)put; /* EAGAIN: enough wakes are pending */
}
