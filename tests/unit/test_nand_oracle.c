/*
 * NAND oracle: random legal workloads on random configurations, every use of
 * every resource recorded and judged afterwards by slow, obvious rules.
 *
 *  - a bus and a die do one thing at a time; a multi-plane operation is one
 *    thing and its members match;
 *  - the time of each operation is explained to the nanosecond;
 *  - phases come in order;
 *  - nobody is passed over more often than allowed, recounted from the record;
 *  - where no starvation limit interferes, the order of service is the promised one;
 *  - suspension happens only as configured.
 *
 * A failure names the seed; ORACLE_SEED=n in the environment replays one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "media/nand/nand.h"

enum { OPS = 1000, JOBS_MAX = 64, BLOCKS = 8, RUNS = 100, NO_LIMIT = 1 << 20 };

/* What is known of one operation once it is done. */
struct record {
    uint8_t kind, queue, plane, result;
    uint32_t die, block, page, bytes, extra_bus_ns, order, passed_over, suspensions;
    int64_t submitted, started, done, array_ns, bus_ns;
    int64_t command_from, command_to, transfer_from, transfer_to;
    int64_t array_from, array_to, array_sum, suspend_sum, resume_sum;
    uint32_t commands, transfers, arrays;
    bool head; /* the oldest of its array operation, so that the operation is counted once */
};

struct use {
    enum nand_resource resource;
    enum nand_phase phase;
    uint32_t index, record;
    int64_t from, to;
};

/* Per die and plane: blocks 0 and 1 are only read; 2.. are written, one open block per class. */
struct plane_state {
    uint32_t open[2], page[2], inflight[2];
    bool erasing[2];
};

struct job {
    struct nand_op op; /* first */
    struct sim_event timer;
    struct oracle *oracle;
    uint32_t record;
    bool busy;
};

struct oracle {
    struct nand_observer observer; /* first */
    uint64_t seed, hash;
    struct rng rng;
    struct nand_config config;
    struct sim *sim;
    struct nand *nand;
    struct nand_block *blocks;
    struct plane_state *planes;
    struct job jobs[JOBS_MAX];
    uint32_t job_count, submitted;
    struct record records[OPS];
    struct use *uses;
    size_t use_count, use_space;
    struct sim_event checker;
    int64_t think_ns;
    unsigned read_percent, erase_early;
};

#define oracle_fail(o, ...)                                                                                            \
    do {                                                                                                               \
        print_error("seed %llu: ", (unsigned long long)(o)->seed);                                                     \
        fail_msg(__VA_ARGS__);                                                                                         \
    } while (0)

#define require(o, condition, r)                                                                                       \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            oracle_fail(o, "%s: record %u (kind %u, die %u, plane %u, page %u)", #condition,                           \
                        (unsigned)((r) - (o)->records), (r)->kind, (r)->die, (r)->plane, (r)->page);                   \
    } while (0)

static uint32_t below(struct oracle *o, uint32_t bound) {
    return (uint32_t)rng_below(&o->rng, bound);
}

static uint32_t between(struct oracle *o, uint32_t low, uint32_t high) {
    return low + below(o, high - low + 1);
}

static bool coin(struct oracle *o) {
    return below(o, 2);
}

/* --- recording --- */

static void record_channel_use(struct record *r, enum nand_phase phase, int64_t from, int64_t to) {
    if (phase == NAND_PHASE_COMMAND) {
        r->commands++;
        r->command_from = from;
        r->command_to = to;
    } else {
        r->transfers++;
        r->transfer_from = from;
        r->transfer_to = to;
    }
}

static void record_die_use(struct record *r, enum nand_phase phase, int64_t from, int64_t to) {
    if (phase == NAND_PHASE_SUSPEND) {
        r->suspend_sum += to - from;
    } else if (phase == NAND_PHASE_RESUME) {
        r->resume_sum += to - from;
    } else {
        if (r->arrays++ == 0)
            r->array_from = from;
        r->array_to = to;
        r->array_sum += to - from;
    }
}

static void observe(struct nand_observer *observer, enum nand_resource resource, uint32_t index, enum nand_phase phase,
                    const struct nand_op *op, int64_t from, int64_t to) {
    struct oracle *o = (struct oracle *)observer;
    uint32_t record = ((const struct job *)op)->record;
    if (o->use_count == o->use_space) {
        o->use_space = o->use_space ? 2 * o->use_space : 4096;
        o->uses = realloc(o->uses, o->use_space * sizeof *o->uses);
        assert_non_null(o->uses);
    }
    o->uses[o->use_count++] =
        (struct use){.resource = resource, .phase = phase, .index = index, .record = record, .from = from, .to = to};
    if (resource == NAND_CHANNEL)
        record_channel_use(&o->records[record], phase, from, to);
    else
        record_die_use(&o->records[record], phase, from, to);
}

/* --- the workload --- */

static struct plane_state *plane_of(struct oracle *o, const struct nand_op *op) {
    return &o->planes[op->die * o->config.planes + op->plane];
}

static void choose_read(struct oracle *o, struct nand_op *op) {
    op->kind = NAND_READ;
    op->block = below(o, 2);
    op->page = below(o, o->config.pages);
    op->bytes = 512 * between(o, 1, o->config.page_bytes / 512);
    op->extra_bus_ns = below(o, 4) ? 0 : between(o, 1, 20000);
    op->cause = (uint8_t)below(o, NAND_CAUSES);
    op->urgent = below(o, 8) == 0;
}

/* Program the open block of a class, or erase the next one; false if that has to wait. */
static bool choose_write(struct oracle *o, struct nand_op *op) {
    struct plane_state *p = plane_of(o, op);
    unsigned class = below(o, 2);
    if (p->erasing[class])
        return false;
    op->cause = (uint8_t)(class * 2 + below(o, 2));
    op->urgent = false;
    if (p->page[class] == o->config.pages || (p->page[class] && below(o, 100) < o->erase_early)) {
        if (p->inflight[class])
            return false;
        p->open[class] = 2 + class + 2 * (p->open[class] / 2 % ((BLOCKS - 2) / 2));
        p->page[class] = 0;
        p->erasing[class] = true;
        op->kind = NAND_ERASE;
        op->block = p->open[class];
        op->page = below(o, o->config.pages);
        op->urgent = coin(o);
        return true;
    }
    op->kind = NAND_PROGRAM;
    op->block = p->open[class];
    op->page = p->page[class]++;
    op->bytes = 512 * between(o, 1, o->config.page_bytes / 512);
    p->inflight[class]++;
    return true;
}

static void finished(struct nand_op *op);

static void send(struct job *j) {
    struct oracle *o = j->oracle;
    struct record *r = &o->records[o->submitted];
    struct nand_op *op = &j->op;
    bool host = op->urgent || op->cause == NAND_HOST || op->cause == NAND_MAPPING;
    *r = (struct record){.kind = op->kind,
                         .queue = (uint8_t)(op->kind + (host ? 0 : 3)),
                         .plane = op->plane,
                         .die = op->die,
                         .block = op->block,
                         .page = op->page,
                         .bytes = op->bytes,
                         .extra_bus_ns = op->extra_bus_ns,
                         .order = o->submitted,
                         .submitted = sim_now(o->sim)};
    j->record = o->submitted++;
    j->busy = true;
    op->done = finished;
    nand_submit(o->nand, op);
}

static struct job *idle_job(struct oracle *o) {
    for (uint32_t i = 0; i < o->job_count; i++)
        if (!o->jobs[i].busy && !sim_event_pending(&o->jobs[i].timer))
            return &o->jobs[i];
    return NULL;
}

/* The same on the other planes, as a striping caller does. */
static void send_companions(struct oracle *o, const struct nand_op *first) {
    for (uint8_t plane = 0; plane < o->config.planes && o->submitted < OPS; plane++) {
        struct job *j = plane != first->plane && first->kind == NAND_READ ? idle_job(o) : NULL;
        if (!j)
            continue;
        j->op = (struct nand_op){.kind = first->kind,
                                 .cause = first->cause,
                                 .urgent = first->urgent,
                                 .plane = plane,
                                 .die = first->die,
                                 .block = below(o, 2),
                                 .page = first->page,
                                 .bytes = first->bytes};
        send(j);
    }
}

static void submit_something(struct job *j) {
    struct oracle *o = j->oracle;
    if (j->busy || o->submitted == OPS)
        return;
    memset(&j->op, 0, sizeof j->op);
    j->op.die = (uint16_t)below(o, nand_die_count(&o->config));
    j->op.plane = (uint8_t)below(o, o->config.planes);
    if (below(o, 100) < o->read_percent || !choose_write(o, &j->op))
        choose_read(o, &j->op);
    j->busy = true;
    struct nand_op first = j->op;
    send(j);
    if (below(o, 4) == 0)
        send_companions(o, &first);
}

static void timer_fired(struct sim_event *ev) {
    submit_something((struct job *)((char *)ev - offsetof(struct job, timer)));
}

static void note_written(struct oracle *o, const struct nand_op *op) {
    struct plane_state *p = plane_of(o, op);
    unsigned class = op->block % 2;
    if (op->kind == NAND_PROGRAM)
        p->inflight[class]--;
    else if (op->kind == NAND_ERASE)
        p->erasing[class] = false;
}

static void finished(struct nand_op *op) {
    struct job *j = (struct job *)op;
    struct oracle *o = j->oracle;
    struct record *r = &o->records[j->record];
    require(o, j->busy && r->done == 0, r);
    j->busy = false;
    r->done = sim_now(o->sim);
    r->result = op->result;
    r->started = op->started_ns;
    r->array_ns = op->array_ns;
    r->bus_ns = op->bus_ns;
    r->passed_over = op->passed_over;
    r->suspensions = op->suspensions;
    require(o, op->submitted_ns == r->submitted, r);
    uint64_t parts[] = {j->record, (uint64_t)r->done, r->result};
    for (unsigned i = 0; i < 3; i++)
        o->hash = (o->hash ^ parts[i]) * 0x100000001b3ull;
    note_written(o, op);
    if (coin(o))
        submit_something(j);
    else
        sim_schedule(o->sim, &j->timer, sim_now(o->sim) + (int64_t)rng_below(&o->rng, (uint64_t)o->think_ns));
}

static void self_check(struct sim_event *ev) {
    struct oracle *o = (struct oracle *)((char *)ev - offsetof(struct oracle, checker));
    struct err e = {0};
    if (nand_check(o->nand, &e))
        oracle_fail(o, "%s", e.text);
    if (o->submitted < OPS)
        sim_schedule(o->sim, ev, sim_now(o->sim) + 17389);
}

/* --- configuration --- */

static void random_times(struct oracle *o, struct opt_times *t, uint32_t high) {
    t->count = coin(o) ? 1 : (uint32_t)o->config.cell + 1;
    for (uint32_t i = 0; i < t->count; i++)
        t->ns[i] = between(o, 1000, high);
}

static void random_config(struct oracle *o) {
    struct nand_config *c = &o->config;
    static const uint32_t starvation[] = {0, 1, 5, 30, NO_LIMIT, NO_LIMIT};
    c->channels = between(o, 1, 3);
    c->luns = between(o, 1, 4);
    c->planes = between(o, 1, 4);
    c->blocks = BLOCKS;
    c->pages = between(o, 1, 9);
    c->page_bytes = 4096u << below(o, 3);
    c->cell = (int)below(o, 4);
    random_times(o, &c->read_time, 100000);
    random_times(o, &c->program_time, 900000);
    c->erase_time = between(o, 1000, 4000000);
    c->command_time = coin(o) ? 0 : between(o, 1, 3000);
    c->bus_mts = between(o, 33, 2400);
    c->multi_plane = coin(o);
    c->cache_read = coin(o);
    c->cache_program = coin(o);
    c->program_suspend = coin(o);
    c->erase_suspend = coin(o);
    c->suspend_limit = below(o, 5);
    c->suspend_time = coin(o) ? 0 : between(o, 1, 30000);
    c->resume_time = coin(o) ? 0 : between(o, 1, 30000);
    c->suspend_min_remaining = between(o, 0, 200000);
    c->starvation_limit = starvation[below(o, 6)];
}

static void oracle_open(struct oracle *o, uint64_t seed) {
    struct err e = {0};
    memset(o, 0, sizeof *o);
    o->seed = seed;
    rng_init(&o->rng, seed, 99);
    random_config(o);
    o->job_count = between(o, 1, JOBS_MAX);
    o->think_ns = between(o, 1, 2000000);
    o->read_percent = between(o, 10, 95);
    o->erase_early = below(o, 40);
    o->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    o->blocks = calloc(nand_block_count(&o->config), sizeof *o->blocks);
    o->planes = calloc(nand_die_count(&o->config) * o->config.planes, sizeof *o->planes);
    for (uint64_t i = 0; i < nand_block_count(&o->config); i++)
        if (i % BLOCKS < 2)
            o->blocks[i].next_page = (uint16_t)o->config.pages;
    for (uint32_t i = 0; i < nand_die_count(&o->config) * o->config.planes; i++)
        for (unsigned class = 0; class < 2; class ++)
            o->planes[i].open[class] = 2 + class;
    o->nand = nand_new(&o->config, o->sim, o->blocks, true, seed, &e);
    if (!o->sim || !o->nand)
        oracle_fail(o, "%s", e.text);
    o->observer.use = observe;
    nand_observe(o->nand, &o->observer);
}

static void oracle_run(struct oracle *o) {
    sim_event_init(&o->checker, self_check);
    sim_schedule(o->sim, &o->checker, 1);
    for (uint32_t i = 0; i < o->job_count; i++) {
        o->jobs[i].oracle = o;
        sim_event_init(&o->jobs[i].timer, timer_fired);
        sim_schedule(o->sim, &o->jobs[i].timer, (int64_t)rng_below(&o->rng, 100000));
    }
    sim_run(o->sim, SIM_NEVER);
    self_check(&o->checker);
    assert_int_equal(o->submitted, OPS);
}

static void oracle_close(struct oracle *o) {
    nand_free(o->nand);
    sim_free(o->sim);
    free(o->blocks);
    free(o->planes);
    free(o->uses);
}

/* --- judgement: each operation by itself --- */

static int64_t configured_array(const struct oracle *o, const struct record *r) {
    const struct opt_times *t = r->kind == NAND_READ ? &o->config.read_time : &o->config.program_time;
    if (r->kind == NAND_ERASE)
        return o->config.erase_time;
    return t->ns[t->count == 1 ? 0 : r->page % (uint32_t)(o->config.cell + 1)];
}

static void judge_times(struct oracle *o, const struct record *r) {
    const struct nand_config *c = &o->config;
    uint32_t mts = c->bus_mts;
    int64_t transfer = r->kind == NAND_ERASE ? 0 : (int64_t)((r->bytes * 1000ull + mts / 2) / mts) + r->extra_bus_ns;
    require(o, r->done > 0 && r->result == NAND_DONE, r);
    require(o, r->commands == (c->command_time > 0) && r->transfers == (r->kind != NAND_ERASE), r);
    require(o, r->command_to - r->command_from == c->command_time, r);
    require(o, r->transfer_to - r->transfer_from == transfer, r);
    require(o, r->bus_ns == c->command_time + transfer, r);
    require(o, r->array_sum == configured_array(o, r), r);
    require(o, r->suspend_sum == r->suspensions * c->suspend_time, r);
    require(o, r->resume_sum == r->suspensions * c->resume_time, r);
    require(o, r->array_ns == r->array_sum + r->suspend_sum + r->resume_sum, r);
    require(o, r->suspensions <= c->suspend_limit, r);
    require(o, !r->suspensions || (r->kind == NAND_PROGRAM ? c->program_suspend : c->erase_suspend), r);
    require(o, !r->suspensions || r->kind != NAND_READ, r);
    require(o, r->passed_over <= c->starvation_limit, r);
}

static void judge_phases(struct oracle *o, const struct record *r) {
    bool command = r->commands > 0;
    require(o, r->started >= r->submitted, r);
    require(o, !command || r->command_from == r->started, r);
    if (r->kind == NAND_READ) {
        require(o, !command || r->array_from >= r->command_to, r);
        require(o, r->transfer_from >= r->array_to && r->done == r->transfer_to, r);
    } else if (r->kind == NAND_PROGRAM) {
        require(o, !command || r->transfer_from == r->command_to, r);
        require(o, r->array_from >= r->transfer_to && r->done == r->array_to, r);
    } else {
        require(o, !command || r->array_from >= r->command_to, r);
        require(o, r->done == r->array_to, r);
    }
}

/* --- judgement: resources --- */

static int compare_uses(const void *x, const void *y) {
    const struct use *a = x, *b = y;
    if (a->resource != b->resource)
        return a->resource < b->resource ? -1 : 1;
    if (a->index != b->index)
        return a->index < b->index ? -1 : 1;
    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    return a->to != b->to ? (a->to < b->to ? -1 : 1) : a->record < b->record ? -1 : a->record > b->record;
}

static bool may_share(const struct oracle *o, const struct record *a, const struct record *b) {
    return o->config.multi_plane && a->die == b->die && a->queue == b->queue && a->plane != b->plane &&
           (a->kind == NAND_ERASE || a->page == b->page);
}

static void judge_resources(struct oracle *o) {
    qsort(o->uses, o->use_count, sizeof *o->uses, compare_uses);
    for (size_t i = 1; i < o->use_count; i++) {
        const struct use *a = &o->uses[i - 1], *b = &o->uses[i];
        const struct record *ra = &o->records[a->record], *rb = &o->records[b->record];
        if (a->resource != b->resource || a->index != b->index)
            continue;
        if (a->resource == NAND_DIE && a->from == b->from && a->to == b->to && a->phase == b->phase)
            require(o, may_share(o, ra, rb), rb);
        else
            require(o, a->to <= b->from, rb);
    }
}

/* --- judgement: order --- */

static void find_heads(struct oracle *o) {
    for (uint32_t i = 0; i < OPS; i++) {
        struct record *r = &o->records[i];
        r->head = true;
        for (uint32_t j = 0; j < i && r->head; j++)
            r->head = o->records[j].die != r->die || o->records[j].array_from != r->array_from;
    }
}

static int64_t bus_end(const struct record *r) {
    return r->kind == NAND_PROGRAM ? r->transfer_to : r->command_to;
}

/* Nobody joins a group whose commands and data have all been given. */
static bool joined_in_time(const struct oracle *o, const struct record *head, const struct record *r) {
    if (r->submitted <= head->started)
        return true;
    for (uint32_t i = 0; i < OPS; i++) {
        const struct record *m = &o->records[i];
        if (m != r && m->die == r->die && m->array_from == r->array_from && m->started < r->started &&
            r->submitted < bus_end(m))
            return true;
    }
    return false;
}

/* Members of one array operation came in time, were suspended together and ended together. */
static void judge_groups(struct oracle *o) {
    for (uint32_t i = 0; i < OPS; i++)
        for (uint32_t j = i + 1; o->records[i].head && j < OPS; j++) {
            const struct record *a = &o->records[i], *b = &o->records[j];
            if (a->die != b->die || a->array_from != b->array_from)
                continue;
            require(o, may_share(o, a, b) && a->array_to == b->array_to && a->suspensions == b->suspensions, b);
            require(o, joined_in_time(o, a, b), b);
        }
}

static void judge_overtaking(struct oracle *o) {
    for (uint32_t i = 0; i < OPS; i++) {
        const struct record *r = &o->records[i];
        uint32_t overtaken = 0;
        for (uint32_t j = i + 1; j < OPS; j++) {
            const struct record *g = &o->records[j];
            overtaken += g->head && g->die == r->die && g->array_from < r->array_to && g->array_from != r->array_from;
        }
        require(o, overtaken <= o->config.starvation_limit, r);
        require(o, overtaken <= r->passed_over, r);
    }
}

static int64_t last_die_use_before(const struct oracle *o, uint32_t die, int64_t time) {
    int64_t last = 0;
    for (uint32_t i = 0; i < OPS; i++) {
        const struct record *r = &o->records[i];
        if (r->die == die && r->array_to <= time && r->array_to > last)
            last = r->array_to;
    }
    return last;
}

/*
 * With no preloading and no starvation limit: when an array operation began,
 * nothing of a better queue had been waiting since before the die was last free.
 */
static void judge_priorities(struct oracle *o) {
    if (o->config.cache_program || o->config.starvation_limit < NO_LIMIT)
        return;
    for (uint32_t i = 0; i < OPS; i++) {
        const struct record *g = &o->records[i];
        if (!g->head)
            continue;
        int64_t decided = last_die_use_before(o, g->die, g->started);
        if (g->submitted > decided)
            decided = g->submitted;
        for (uint32_t j = 0; j < OPS; j++) {
            const struct record *h = &o->records[j];
            require(
                o,
                !(h->die == g->die && h->queue < g->queue && h->submitted < decided && h->array_from > g->array_from),
                h);
        }
    }
}

/* Start of the unbroken chain of commands of reads and erases before use i: the latest time it was decided. */
static int64_t chain_start(const struct oracle *o, size_t i) {
    while (i > 0 && o->uses[i - 1].resource == NAND_CHANNEL && o->uses[i - 1].index == o->uses[i].index &&
           o->uses[i - 1].to == o->uses[i].from && o->uses[i - 1].phase == NAND_PHASE_COMMAND &&
           o->records[o->uses[i - 1].record].kind != NAND_PROGRAM)
        i--;
    return o->uses[i].from;
}

/* Without starvation limit no data goes in while data of a read waits to go out. */
static void judge_bus_order(struct oracle *o) {
    if (o->config.cache_read || o->config.starvation_limit < NO_LIMIT)
        return;
    for (size_t i = 0; i < o->use_count; i++) {
        const struct use *u = &o->uses[i];
        const struct record *p = &o->records[u->record];
        if (u->resource != NAND_CHANNEL || p->kind != NAND_PROGRAM || u->from != p->started)
            continue;
        int64_t decided = chain_start(o, i);
        for (uint32_t j = 0; j < OPS; j++) {
            const struct record *r = &o->records[j];
            require(o,
                    !(r->kind == NAND_READ && r->die / o->config.luns == u->index && r->array_to < decided &&
                      r->transfer_from > u->from),
                    r);
        }
    }
}

/* The counters agree with what the operations say. */
static void judge_suspensions(struct oracle *o) {
    uint64_t suspends = 0, counted = 0;
    for (unsigned kind = 0; kind < NAND_KINDS; kind++)
        suspends += nand_counters(o->nand)->suspends[kind];
    for (uint32_t i = 0; i < OPS; i++) {
        const struct record *r = &o->records[i];
        if (r->head)
            counted += r->suspensions;
    }
    if (suspends != counted)
        oracle_fail(o, "%llu suspensions counted, %llu seen", (unsigned long long)suspends,
                    (unsigned long long)counted);
}

static void judge(struct oracle *o) {
    for (uint32_t i = 0; i < OPS; i++) {
        judge_times(o, &o->records[i]);
        judge_phases(o, &o->records[i]);
    }
    judge_resources(o);
    find_heads(o);
    judge_groups(o);
    judge_overtaking(o);
    judge_priorities(o);
    judge_bus_order(o);
    judge_suspensions(o);
}

/* --- tests --- */

struct coverage {
    uint64_t suspends, multi_plane[NAND_KINDS], cached[NAND_KINDS], passed_over;
};

static void add_coverage(struct coverage *c, const struct oracle *o) {
    const struct nand_counters *n = nand_counters(o->nand);
    for (unsigned kind = 0; kind < NAND_KINDS; kind++) {
        c->suspends += n->suspends[kind];
        c->multi_plane[kind] += n->multi_plane[kind];
        c->cached[kind] += n->cached[kind];
    }
    for (uint32_t i = 0; i < OPS; i++)
        c->passed_over += o->records[i].passed_over > 0;
}

static void test_nand_oracle(void **state) {
    (void)state;
    static struct oracle o;
    struct coverage c = {0};
    const char *replay = getenv("ORACLE_SEED");
    uint64_t first = replay ? strtoull(replay, NULL, 10) : 1, count = replay ? 1 : RUNS;
    for (uint64_t seed = first; seed < first + count; seed++) {
        oracle_open(&o, seed);
        oracle_run(&o);
        judge(&o);
        add_coverage(&c, &o);
        oracle_close(&o);
    }
    if (replay)
        return;
    /* the workloads reach what they are meant to judge */
    assert_true(c.suspends > 1000);
    assert_true(c.passed_over > 1000);
    for (unsigned kind = 0; kind < NAND_KINDS; kind++)
        assert_true(c.multi_plane[kind] > 500);
    assert_true(c.cached[NAND_READ] > 1000 && c.cached[NAND_PROGRAM] > 1000);
}

static uint64_t hash_of(uint64_t seed) {
    static struct oracle o;
    oracle_open(&o, seed);
    oracle_run(&o);
    uint64_t hash = o.hash;
    oracle_close(&o);
    return hash;
}

static void test_nand_same_seed_same_sequence(void **state) {
    (void)state;
    for (uint64_t seed = 1000; seed < 1010; seed++) {
        assert_true(hash_of(seed) == hash_of(seed));
        assert_true(hash_of(seed) != hash_of(seed + 1));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nand_oracle),
        cmocka_unit_test(test_nand_same_seed_same_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
