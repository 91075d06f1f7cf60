/*
 * The processor that an instance of a job runs on, if its host's time counts
 * (host_submit, host_complete, host_interrupt; without them it costs nothing).
 *
 *   wanted -> [processor: submit] -> drive -> interrupt -> [processor: complete] -> seen
 *
 * Each instance has a processor of its own, which does one thing at a time:
 * what is to be submitted first, then completions in the order in which they
 * came. So an instance does at most 1 / (submit + complete) requests a second,
 * whatever its depth.
 *
 * Simplified: times are constant; several completions found at once cost as
 * much as one after the other; instances never share a processor.
 * Not modelled: sleeping deeper when there is little to do, polling.
 */
#include <errno.h>
#include <stdlib.h>

#include "load/runner_int.h"

struct step {
    struct sim_event event;
    struct slot *slot;
    struct step *next; /* completed, not yet seen */
};

struct processor {
    struct worker *worker;
    struct sim_event idle; /* when it may take the next completion */
    int64_t free_ns;
    struct step *first, *last;
    struct step step[]; /* a slot has one thing to come at most */
};

static struct step *step_of(struct sim_event *event) {
    return (struct step *)((char *)event - offsetof(struct step, event));
}

static void step_at(struct step *s, int64_t when_ns, void (*fire)(struct sim_event *)) {
    s->event.fire = fire;
    sim_schedule(s->slot->worker->sim, &s->event, when_ns);
}

static struct step *step_for(struct slot *slot) {
    return &slot->worker->processor->step[slot - slot->worker->slot];
}

/* --- completions --- */

static int64_t when_free(const struct worker *w) {
    int64_t now = sim_now(w->sim);
    return w->processor->free_ns > now ? w->processor->free_ns : now;
}

static void look_for_completions(struct worker *w) {
    struct processor *p = w->processor;
    if (p->first && !sim_event_pending(&p->idle))
        sim_schedule(w->sim, &p->idle, when_free(w));
}

static void seen(struct sim_event *event) {
    struct slot *slot = step_of(event)->slot;
    struct worker *w = slot->worker;
    slot->io.completed_ns = sim_now(w->sim);
    worker_slot_done(&slot->io);
    look_for_completions(w);
}

static void idle(struct sim_event *event) {
    struct processor *p = (struct processor *)((char *)event - offsetof(struct processor, idle));
    struct worker *w = p->worker;
    struct step *s = p->first;
    if (p->free_ns <= sim_now(w->sim)) { /* nothing was submitted since */
        p->first = s->next;
        p->free_ns = sim_now(w->sim) + w->job->host_complete_ns;
        step_at(s, p->free_ns, seen);
    }
    look_for_completions(w);
}

static void interrupted(struct sim_event *event) {
    struct step *s = step_of(event);
    struct processor *p = s->slot->worker->processor;
    s->next = NULL;
    if (p->first)
        p->last->next = s;
    else
        p->first = s;
    p->last = s;
    look_for_completions(p->worker);
}

static void drive_done(struct io *io) {
    struct slot *slot = (struct slot *)io; /* first member */
    step_at(step_for(slot), sim_now(slot->worker->sim) + slot->worker->job->host_interrupt_ns, interrupted);
}

/* --- submitting --- */

static void submitted(struct sim_event *event) {
    struct slot *slot = step_of(event)->slot;
    drive_submit(slot->worker->drive, &slot->io);
}

void processor_submit(struct worker *w, struct slot *slot) {
    int64_t from = when_free(w);
    w->processor->free_ns = from + w->job->host_submit_ns;
    if (!w->paced && !w->trace)
        slot->wanted_ns = from; /* nobody wanted it before there was time for it */
    step_at(step_for(slot), w->processor->free_ns, submitted);
}

int processor_init(struct worker *w) {
    const struct job *job = w->job;
    if (!job->host_submit_ns && !job->host_complete_ns && !job->host_interrupt_ns)
        return 0;
    w->processor = calloc(1, sizeof(*w->processor) + job->iodepth * sizeof(struct step));
    if (!w->processor)
        return -ENOMEM;
    w->processor->worker = w;
    sim_event_init(&w->processor->idle, idle);
    for (unsigned i = 0; i < job->iodepth; i++) {
        struct step *s = &w->processor->step[i];
        sim_event_init(&s->event, submitted);
        s->slot = &w->slot[i];
        s->slot->io.done = drive_done;
    }
    return 0;
}

void processor_release(struct worker *w) {
    free(w->processor);
}
