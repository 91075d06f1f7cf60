/*
 * kyber: as many requests of each kind are let into the drive as keep its
 * latencies near their targets. No sorting, no processes.
 *
 * Source: Linux 6.8 block/kyber-iosched.c, for behaviour.
 * Faithful: domains and their tokens, batches, a FIFO for each CPU and domain
 * from which nothing is taken before there is a token; histograms, their
 * percentiles and windows, how depths follow.
 * Simplified: one hardware queue; the share of async requests is one of all
 * requests, not of each word of a tag bitmap.
 *
 * Invariants: used[d] requests of a domain have a token, at most its largest
 * depth; a request has one from next() to completed().
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "block/elevator/elevators.h"

enum domain { READ, WRITE, DISCARD, OTHER, DOMAINS, TRACKED = OTHER }; /* tracked: the first few, which have a target */
enum latency { TOTAL, IN_DRIVE, LATENCIES };

enum {
    BUCKETS = 8,
    GOOD = 4, /* buckets within the target */
    SAMPLES = 500,
    ASYNC_PERCENT = 75,
};

static const struct {
    const char *name;
    uint32_t depth, batch;
} domains[DOMAINS] = {{"read", 256, 16}, {"write", 128, 8}, {"discard", 64, 1}, {"other", 16, 1}};

/* Linux's limit for discards; it can't be set. */
#define DISCARD_TARGET_NS 5000000000ll

struct kyber {
    struct elevator elevator;  /* first */
    struct request_list *fifo; /* of each CPU and domain */
    uint32_t cpus;
    uint32_t waiting[DOMAINS]; /* in those */
    struct request_list ready[DOMAINS];
    uint32_t ready_count;
    enum domain current;
    uint32_t batching;
    uint32_t depth[DOMAINS], used[DOMAINS];

    /* latencies since they were last looked at */
    uint32_t sample[TRACKED][LATENCIES][BUCKETS];
    int64_t window_end[TRACKED]; /* jiffies; 0: not begun. As in Linux one for both kinds of latency */
    int remembered[TRACKED];     /* bucket of the 99th percentile, or -1 */
    struct sim_event timer;

    int64_t target[TRACKED]; /* ns; tunables */
    uint64_t grown, shrunk, held_back;
};

static struct kyber *kyber_of(const struct elevator *e) {
    return (struct kyber *)e;
}

static enum domain domain_of_op(uint8_t op) {
    return op == IO_READ ? READ : op == IO_WRITE ? WRITE : op == IO_TRIM ? DISCARD : OTHER;
}

static enum domain domain_of(const struct request *rq) {
    return domain_of_op(rq->op);
}

static struct request_list *fifo_of(struct kyber *k, const struct block_context *c, enum domain d) {
    return &k->fifo[c->cpu * DOMAINS + d];
}

/* --- inserting, merging --- */

static void kyber_insert(struct elevator *e, struct request *rq, enum elevator_place place) {
    struct kyber *k = kyber_of(e);
    struct request_list *fifo = fifo_of(k, rq->context, domain_of(rq));
    k->waiting[domain_of(rq)]++;
    if (place == ELEVATOR_HEAD)
        TAILQ_INSERT_HEAD(fifo, rq, link);
    else
        TAILQ_INSERT_TAIL(fifo, rq, link);
}

static enum elevator_merge kyber_find_merge(struct elevator *e, const struct io *io, struct block_context *c,
                                            struct request **found) {
    return elevator_fits_recent(fifo_of(kyber_of(e), c, domain_of_op(io->op)), io, found);
}

/* --- dispatching --- */

/* All that CPUs hold of a domain: from now on nothing merges with it. */
static void gather(struct kyber *k, enum domain d) {
    for (uint32_t cpu = 0; cpu < k->cpus; cpu++)
        TAILQ_CONCAT(&k->ready[d], &k->fifo[cpu * DOMAINS + d], link);
    k->ready_count += k->waiting[d];
    k->waiting[d] = 0;
}

static struct request *take_current(struct kyber *k) {
    enum domain d = k->current;
    if (TAILQ_EMPTY(&k->ready[d]) && !k->waiting[d])
        return NULL;
    if (k->used[d] >= k->depth[d]) {
        k->held_back++;
        return NULL;
    }
    if (TAILQ_EMPTY(&k->ready[d]))
        gather(k, d);
    struct request *rq = TAILQ_FIRST(&k->ready[d]);
    TAILQ_REMOVE(&k->ready[d], rq, link);
    k->ready_count--;
    k->used[d]++;
    k->batching++;
    return rq;
}

static struct request *kyber_next(struct elevator *e) {
    struct kyber *k = kyber_of(e);
    struct request *rq = k->batching < domains[k->current].batch ? take_current(k) : NULL;
    if (rq)
        return rq;
    k->batching = 0;
    for (unsigned i = 0; !rq && i < DOMAINS; i++) {
        k->current = (k->current + 1) % DOMAINS;
        rq = take_current(k);
    }
    return rq;
}

/* --- latencies --- */

static void add_sample(struct kyber *k, enum domain d, enum latency which, int64_t latency_ns) {
    int64_t width = k->target[d] / GOOD > 1 ? k->target[d] / GOOD : 1;
    int64_t bucket = latency_ns > 0 ? (latency_ns - 1) / width : 0;
    k->sample[d][which][bucket < BUCKETS - 1 ? bucket : BUCKETS - 1]++;
}

/* The bucket a percentile falls into, which begins a new window; -1: not enough is known yet. */
static int percentile(struct kyber *k, enum domain d, enum latency which, unsigned percent) {
    uint32_t *bucket = k->sample[d][which], samples = 0;
    int64_t now = elevator_jiffies(&k->elevator);
    for (unsigned i = 0; i < BUCKETS; i++)
        samples += bucket[i];
    if (!samples)
        return -1;
    if (!k->window_end[d])
        k->window_end[d] = now + k->elevator.hz;
    if (samples < SAMPLES && now < k->window_end[d])
        return -1;
    k->window_end[d] = 0;
    uint64_t rank = ((uint64_t)samples * percent + 99) / 100;
    int at = 0;
    while (at < BUCKETS - 1 && bucket[at] < rank)
        rank -= bucket[at++];
    memset(bucket, 0, BUCKETS * sizeof *bucket);
    return at;
}

static void resize(struct kyber *k, enum domain d, uint32_t depth) {
    depth = depth < 1 ? 1 : depth > domains[d].depth ? domains[d].depth : depth;
    k->grown += depth > k->depth[d];
    k->shrunk += depth < k->depth[d];
    k->depth[d] = depth;
}

/* A domain with good latencies gives way only if some domain's are bad, one with bad ones gets more. */
static void follow(struct kyber *k, enum domain d, bool congested) {
    int p99 = percentile(k, d, TOTAL, 99);
    if (congested) {
        if (p99 < 0)
            p99 = k->remembered[d];
        k->remembered[d] = -1;
    } else if (p99 >= 0) {
        k->remembered[d] = p99;
    }
    if (p99 >= 0 && (congested || p99 >= GOOD))
        resize(k, d, k->depth[d] * (uint32_t)(p99 + 1) / GOOD);
}

static void look(struct sim_event *event) {
    struct kyber *k = (struct kyber *)((char *)event - offsetof(struct kyber, timer));
    bool congested = false;
    for (enum domain d = READ; d < TRACKED; d++)
        congested |= percentile(k, d, IN_DRIVE, 90) >= GOOD;
    for (enum domain d = READ; d < TRACKED; d++)
        follow(k, d, congested);
    elevator_kick(&k->elevator);
}

static void kyber_completed(struct elevator *e, struct request *rq) {
    struct kyber *k = kyber_of(e);
    enum domain d = domain_of(rq);
    int64_t now = elevator_now(e);
    k->used[d]--;
    if (d >= TRACKED)
        return;
    add_sample(k, d, TOTAL, now - rq->start_ns);
    add_sample(k, d, IN_DRIVE, now - rq->io_start_ns);
    if (!sim_event_pending(&k->timer))
        sim_schedule(e->sim, &k->timer, (elevator_jiffies(e) + e->hz / 10) * e->jiffy_ns);
}

/* --- life, reports --- */

static uint32_t kyber_limit_depth(struct elevator *e, uint32_t depth, const struct io *io, struct block_context *c) {
    uint32_t limit = depth * ASYNC_PERCENT / 100;
    if (elevator_io_sync(io))
        return depth;
    return limit ? limit : 1;
}

static int kyber_init(struct elevator *e, struct err *err) {
    struct kyber *k = kyber_of(e);
    k->cpus = elevator_cpus(e);
    k->fifo = calloc((size_t)k->cpus * DOMAINS, sizeof *k->fifo);
    if (!k->fifo)
        return err_set(err, ENOMEM, "no memory for the queues of %u CPUs", k->cpus);
    for (uint32_t i = 0; i < k->cpus * DOMAINS; i++)
        TAILQ_INIT(&k->fifo[i]);
    for (enum domain d = READ; d < DOMAINS; d++) {
        TAILQ_INIT(&k->ready[d]);
        k->depth[d] = domains[d].depth;
    }
    for (enum domain d = READ; d < TRACKED; d++)
        k->remembered[d] = -1;
    k->target[DISCARD] = DISCARD_TARGET_NS;
    sim_event_init(&k->timer, look);
    return 0;
}

static void kyber_release(struct elevator *e) {
    sim_cancel(e->sim, &kyber_of(e)->timer);
    free(kyber_of(e)->fifo);
}

static bool kyber_has_work(const struct elevator *e) {
    const struct kyber *k = kyber_of(e);
    return k->ready_count || k->waiting[READ] || k->waiting[WRITE] || k->waiting[DISCARD] || k->waiting[OTHER];
}

static json_t *kyber_stats(const struct elevator *e) {
    const struct kyber *k = kyber_of(e);
    json_t *all = json_pack("{s:I,s:I,s:I}", "grown", (json_int_t)k->grown, "shrunk", (json_int_t)k->shrunk,
                            "held_back", (json_int_t)k->held_back);
    for (enum domain d = READ; d < DOMAINS; d++)
        json_object_set_new(all, domains[d].name,
                            json_pack("{s:i,s:i}", "depth", (int)k->depth[d], "in_drive", (int)k->used[d]));
    return all;
}

static int kyber_check(const struct elevator *e, struct err *err) {
    const struct kyber *k = kyber_of(e);
    const struct request *rq;
    uint32_t ready = 0;
    for (enum domain d = READ; d < DOMAINS; d++) {
        uint32_t waiting = 0;
        for (uint32_t cpu = 0; cpu < k->cpus; cpu++)
            TAILQ_FOREACH(rq, &k->fifo[cpu * DOMAINS + d], link)
        waiting++;
        TAILQ_FOREACH(rq, &k->ready[d], link)
        ready++;
        if (waiting != k->waiting[d] || k->used[d] > domains[d].depth || !k->depth[d])
            return err_set(err, EINVAL,
                           "kyber: %s has %" PRIu32 " waiting and %" PRIu32 " counted, %" PRIu32 " tokens out",
                           domains[d].name, waiting, k->waiting[d], k->used[d]);
    }
    if (ready != k->ready_count)
        return err_set(err, EINVAL, "kyber: %" PRIu32 " ready, %" PRIu32 " counted", ready, k->ready_count);
    return 0;
}

#define AT(field) offsetof(struct kyber, field)

static const struct elevator_tunable kyber_tunables[] = {
    {"read_lat_nsec", TUNABLE_NS, AT(target[READ]), .max = INT64_MAX, .def = 2000000, .unit = "ns",
     .help = "latency that reads are to have"},
    {"write_lat_nsec", TUNABLE_NS, AT(target[WRITE]), .max = INT64_MAX, .def = 10000000, .unit = "ns",
     .help = "latency that writes are to have"},
    {NULL},
};

const struct elevator_ops elevator_kyber = {
    .name = "kyber",
    .summary = "lets in as many reads and writes as keep to target latencies",
    .size = sizeof(struct kyber),
    .tunables = kyber_tunables,
    .reads = TUNABLE_UNSIGNED,
    .own_merges = true,
    .init = kyber_init,
    .release = kyber_release,
    .insert = kyber_insert,
    .next = kyber_next,
    .find_merge = kyber_find_merge,
    .completed = kyber_completed,
    .limit_depth = kyber_limit_depth,
    .has_work = kyber_has_work,
    .stats = kyber_stats,
    .check = kyber_check,
};
