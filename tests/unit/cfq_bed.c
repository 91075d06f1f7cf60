#include "cfq_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

/* --- what schedulers ask the block layer --- */

void elevator_dispatch_sort(struct elevator *e, struct request *rq) {
    rq->flags &= ~(uint32_t)RQ_QUEUED;
    TAILQ_INSERT_TAIL(&e->block->dispatched, rq, link);
}

void elevator_kick(struct elevator *e) {
    struct block *b = e->block;
    b->kicked = true;
    if (b->running && !sim_event_pending(&b->kick))
        sim_schedule(b->sim, &b->kick, sim_now(b->sim));
}

bool elevator_rotational(const struct elevator *e) {
    return !e->block->flash;
}

void elevator_note(struct elevator *e, enum elevator_event what, const struct block_context *c) {
    e->block->noted[what]++;
}

/* --- set-up --- */

static int64_t tunable_default(const struct cfq *c, const struct elevator_tunable *t) {
    return t->def_for                   ? t->def_for(&c->base)
           : t->type == TUNABLE_JIFFIES ? elevator_ms_to_jiffies(&c->base, t->def)
                                        : t->def;
}

void bed_start(struct block *b, uint32_t hz, bool flash) {
    memset(b, 0, sizeof(*b));
    b->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, NULL);
    b->flash = flash;
    TAILQ_INIT(&b->dispatched);
    TAILQ_INIT(&b->in);
    TAILQ_INIT(&b->alive);
    b->depth = 1;
    b->c = calloc(1, elevator_cfq.size);
    b->c->base =
        (struct elevator){.ops = &elevator_cfq, .block = b, .sim = b->sim, .jiffy_ns = 1000000000 / hz, .hz = hz};
    for (const struct elevator_tunable *t = elevator_cfq.tunables; t->name; t++)
        *(int64_t *)(void *)((char *)b->c + t->offset) = tunable_default(b->c, t);
    b->group[0] = (struct block_group){.path = (char *)"", .weight = 1000, .leaf_weight = 1000};
    b->groups = 1;
    assert_int_equal(elevator_cfq.init(&b->c->base, NULL), 0);
}

void bed_stop(struct block *b) {
    for (uint32_t i = 0; i < b->contexts; i++)
        elevator_cfq.context_exit(&b->c->base, &b->context[i]);
    for (uint32_t i = b->groups; i-- > 0;)
        elevator_cfq.group_exit(&b->c->base, &b->group[i]);
    if (!b->completed && !b->inserted) { /* a run by hand ends without requests: everything has been let go */
        assert_true(LIST_EMPTY(&b->c->all_queues));
        assert_true(LIST_EMPTY(&b->c->all_contexts));
        assert_true(LIST_EMPTY(&b->c->all_groups));
    }
    elevator_cfq.release(&b->c->base);
    for (struct request *rq; (rq = TAILQ_FIRST(&b->alive)) != NULL;) {
        TAILQ_REMOVE(&b->alive, rq, hash_link);
        free(rq);
    }
    sim_free(b->sim);
    free(b->c);
}

uint32_t bed_group(struct block *b, uint32_t parent, uint32_t weight, uint32_t leaf_weight) {
    assert_true(b->groups < BED_GROUPS);
    b->group[b->groups] = (struct block_group){.parent = &b->group[parent],
                                               .path = (char *)"g",
                                               .id = b->groups,
                                               .weight = weight,
                                               .leaf_weight = leaf_weight};
    return b->groups++;
}

uint32_t bed_context(struct block *b, uint32_t group, uint16_t ioprio) {
    assert_true(b->contexts < BED_CONTEXTS);
    b->context[b->contexts] =
        (struct block_context){.id = b->contexts, .name = (char *)"p", .ioprio = ioprio, .group = &b->group[group]};
    return b->contexts++;
}

/* --- by hand --- */

struct request *bed_insert(struct block *b, uint32_t context, uint64_t sector, uint64_t sectors, bool write,
                           uint32_t flags) {
    struct request *rq = calloc(1, sizeof(*rq));
    struct block_context *c = &b->context[context];
    rq->sector = sector;
    rq->sectors = sectors;
    rq->write = write;
    rq->op = write ? IO_WRITE : IO_READ;
    rq->flags = flags | (write ? 0 : RQ_SYNC) | RQ_QUEUED;
    rq->ios = 1;
    rq->context = c;
    rq->group = c->group;
    rq->start_ns = sim_now(b->sim);
    TAILQ_INSERT_TAIL(&b->alive, rq, hash_link);
    assert_int_equal(elevator_cfq.set_request(&b->c->base, rq, NULL), 0);
    elevator_cfq.insert(&b->c->base, rq, ELEVATOR_TAIL);
    return rq;
}

struct request *bed_dispatch(struct block *b) {
    struct request *rq;
    b->kicked = false;
    if (TAILQ_EMPTY(&b->dispatched))
        elevator_cfq.dispatch(&b->c->base, false);
    rq = TAILQ_FIRST(&b->dispatched);
    if (!rq)
        return NULL;
    TAILQ_REMOVE(&b->dispatched, rq, link);
    rq->io_start_ns = sim_now(b->sim);
    elevator_cfq.activate(&b->c->base, rq);
    return rq;
}

void bed_complete(struct block *b, struct request *rq) {
    elevator_cfq.completed(&b->c->base, rq);
    elevator_cfq.put_request(&b->c->base, rq);
    TAILQ_REMOVE(&b->alive, rq, hash_link);
    free(rq);
}

void bed_advance(struct block *b, int64_t ns) {
    sim_run(b->sim, sim_now(b->sim) + ns);
}

struct cfq_queue *bed_queue(struct block *b, uint32_t context, bool sync) {
    struct cfq_context *x = b->context[context].sched;
    return x ? x->queue[sync] : NULL;
}

void bed_check(struct block *b) {
    struct err e = {0};
    if (elevator_cfq.check(&b->c->base, &e))
        fail_msg("%s", e.text);
}

/* --- a drive and its processes --- */

static void pump(struct block *b);

static void serve(struct block *b) {
    struct request *rq = TAILQ_FIRST(&b->in);
    if (!rq || sim_event_pending(&b->served))
        return;
    int64_t own = b->reader[rq->context->id].service_ns;
    int64_t took = (own ? own : b->service_ns) + (rq->sector == b->head ? 0 : b->seek_ns);
    b->head = request_end(rq);
    b->busy_from_ns = sim_now(b->sim);
    sim_schedule(b->sim, &b->served, sim_now(b->sim) + took);
}

static void issue(struct bed_reader *r) {
    bed_insert(r->b, r->context, r->at, r->sectors, r->write, r->flags | (r->sync ? RQ_SYNC : 0));
    r->b->inserted++;
    r->at = r->random ? (r->at * 6364136223846793005ULL + 1442695040888963407ULL) >> 24 : r->at + r->sectors;
}

static void think_over(struct sim_event *ev) {
    struct bed_reader *r = rb_entry(ev, struct bed_reader, again);
    issue(r);
    pump(r->b);
}

static void done(struct sim_event *ev) {
    struct block *b = rb_entry(ev, struct block, served);
    struct request *rq = TAILQ_FIRST(&b->in);
    TAILQ_REMOVE(&b->in, rq, link);
    struct bed_reader *r = &b->reader[rq->context->id];
    int64_t now = sim_now(b->sim), gap = now - r->last_ns, latency = now - rq->start_ns;
    r->done++;
    r->used_ns += now - b->busy_from_ns;
    r->longest_gap_ns = gap > r->longest_gap_ns ? gap : r->longest_gap_ns;
    r->worst_ns = latency > r->worst_ns ? latency : r->worst_ns;
    r->last_ns = now;
    b->in_drive--;
    b->completed++;
    bed_complete(b, rq);
    if (r->think_ns)
        sim_schedule(b->sim, &r->again, now + r->think_ns);
    else
        issue(r);
    pump(b);
}

/* What was looked at, or the next. */
static struct request *next_of(struct block *b) {
    struct request *rq = b->ahead ? b->ahead : bed_dispatch(b);
    b->ahead = NULL;
    return rq;
}

static void pump(struct block *b) {
    struct request *rq;
    while (b->in_drive < b->depth && (rq = next_of(b)) != NULL) {
        TAILQ_INSERT_TAIL(&b->in, rq, link);
        b->in_drive++;
    }
    if (b->looks_ahead && b->in_drive == b->depth && !b->ahead)
        b->ahead = bed_dispatch(b);
    serve(b);
}

static void kicked(struct sim_event *ev) {
    pump(rb_entry(ev, struct block, kick));
}

void bed_run(struct block *b, struct bed_reader *readers, uint32_t n, int64_t ns) {
    int64_t now = sim_now(b->sim);
    if (!b->running) {
        b->running = true;
        b->reader = readers;
        b->readers = n;
        sim_event_init(&b->served, done);
        sim_event_init(&b->kick, kicked);
        for (uint32_t i = 0; i < n; i++) {
            struct bed_reader *r = &readers[i];
            r->b = b;
            r->last_ns = now;
            sim_event_init(&r->again, think_over);
            for (uint32_t k = 0; k < (r->depth ? r->depth : 1); k++)
                issue(r);
        }
        pump(b);
    }
    sim_run(b->sim, now + ns);
}
