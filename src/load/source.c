/*
 * What a worker is to ask next: from its generator, its history when verifying,
 * or a log; and when there is nothing left. See runner_int.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "load/runner_int.h"

#define STILL_IOS (1 << 20) /* so many at one moment: time does not pass */

/* A drive without latency and bandwidth limit would keep a time-based job busy at one moment for ever. */
static bool stands_still(struct worker *w) {
    if (++w->passed < STILL_IOS)
        return false;
    bool still = sim_now(w->sim) == w->passed_ns;
    char text[250];
    w->passed = 0;
    w->passed_ns = sim_now(w->sim);
    if (!still)
        return false;
    snprintf(
        text, sizeof(text),
        "time_based: %d requests took no time at all, so the runtime would never be over; give the drive a latency "
        "or a bandwidth, or the job a size",
        STILL_IOS);
    worker_fail(w, IO_INTERNAL_ERROR, text);
    worker_stop(w);
    return true;
}

static uint64_t less(uint64_t from, uint64_t amount) {
    return from > amount ? from - amount : 0;
}

/* As fio: of a trimwrite only the writes count. */
static void account(struct worker *w, const struct request *r) {
    if (w->job->trimwrite && r->dir == RUN_TRIM)
        return;
    w->bytes_left = less(w->bytes_left, r->bytes);
    w->ios_left--;
}

/* As fio: time_based goes on whatever size and number_ios say. */
static bool enough(struct worker *w) {
    if (w->job->time_based)
        return stands_still(w);
    return w->bytes_left < w->bytes_stop || !w->ios_left;
}

/* Every block had its turn; whether there is another pass. */
static bool again(struct worker *w) {
    if (w->job->time_based)
        generator_pass(&w->gen);
    else if (w->job->io_size.bytes || w->job->part || (w->job->number_ios && w->job->loops > 1))
        generator_restart(&w->gen, w->job->randrepeat);
    else
        return false;
    return true;
}

static bool draw(struct worker *w, enum run_dir dir, struct request *r) {
    if (generator_next(&w->gen, dir, r))
        return true;
    return again(w) && generator_next(&w->gen, dir, r);
}

bool source_simple(struct worker *w, struct request *r) {
    if (enough(w) || !draw(w, generator_direction(&w->gen), r))
        return false;
    account(w, r);
    return true;
}

void source_begin_loop(struct worker *w, bool first) {
    const struct job *job = w->job;
    bool on = !first && job->number_ios && !w->ios_left; /* as fio: from where number_ios ended it */
    if (w->zbd.zbd && !on)
        zbd_restart(&w->zbd);
    if (!first) {
        if (!on)
            generator_restart(&w->gen, job->randrepeat);
        if (w->remembers)
            history_clear(&w->history);
        w->verified = 0;
    }
    uint64_t all = job->part ? job->part : w->region_bytes;
    /* As fio: io_size, and what is random without a map, end with a whole block; the others before one that is not. */
    bool beyond = job->io_size.bytes || (job->random && job->norandommap);
    w->bytes_limit = job->io_size.bytes ? job->io_size.bytes : beyond ? all : all - all % w->gen.unit;
    w->bytes_stop = beyond ? 1 : w->gen.unit;
    w->bytes_left = w->bytes_limit;
    w->ios_left = job->number_ios ? job->number_ios : UINT64_MAX;
    w->passed_ns = sim_now(w->sim);
    w->have_next = w->decided = false;
}

/* --- verifying --- */

void source_begin_verify(struct worker *w) {
    uint64_t batch = w->job->verify_backlog_batch ? w->job->verify_backlog_batch : w->job->verify_backlog;
    uint64_t waiting = w->history.count - w->verified;
    w->verify_upto = w->history.count;
    if (w->backlog && batch < waiting)
        w->verify_upto = w->verified + (uint32_t)batch;
}

static enum source_answer next_check(struct worker *w) {
    while (w->verified < w->verify_upto) {
        uint32_t number = w->verified++;
        const struct history_write *h = &w->history.write[number];
        if (!history_intact(&w->history, number))
            continue;
        w->next = (struct request){.dir = RUN_READ, .offset = h->offset, .bytes = h->bytes};
        w->next_number = number;
        w->next_due_ns = sim_now(w->sim);
        return SOURCE_READY;
    }
    return SOURCE_OVER;
}

/* --- a log --- */

static int replay_error(struct worker *w, const struct trace_record *r) {
    return err_set(w->run->e, EINVAL,
                   "job \"%s\": read_iolog=%s: %" PRIu64 " bytes at %" PRIu64
                   " are not whole sectors inside the job's region of %" PRIu64 " bytes",
                   w->job->name, w->job->read_iolog, r->bytes, r->offset, w->region_bytes);
}

/* The place of a record in the region. */
static int replay_place(struct worker *w, struct trace_record *r) {
    const struct job *job = w->job;
    r->offset /= job->replay_scale;
    if (job->replay_align)
        r->offset -= r->offset % job->replay_align;
    if (r->offset % 512 || r->bytes % 512 || r->offset > w->region_bytes || r->bytes > w->region_bytes - r->offset)
        return replay_error(w, r);
    return 0;
}

static int read_record(struct worker *w) {
    struct trace_record r;
    bool skipped;
    do {
        int got = trace_next(w->trace, &r, w->run->e);
        if (got <= 0)
            return got;
        if (r.op > TRACE_FLUSH)
            return err_set(w->run->e, EINVAL,
                           "job \"%s\": read_iolog=%s: an append or an action on a zone; allowed are reads, writes, "
                           "trims and flushes. --trace replays the others",
                           w->job->name, w->job->read_iolog);
        skipped = r.op == TRACE_FLUSH ? w->job->replay_skip_sync : w->job->replay_skip[r.op] || !r.bytes;
    } while (skipped);
    if (r.op != TRACE_FLUSH && replay_place(w, &r))
        return -EINVAL;
    w->next_sync = r.op == TRACE_FLUSH;
    w->next = (struct request){.dir = r.op == TRACE_WRITE  ? RUN_WRITE
                                      : r.op == TRACE_TRIM ? RUN_TRIM
                                                           : RUN_READ,
                               .offset = w->region + r.offset,
                               .bytes = r.bytes};
    w->next_due_ns = w->job->replay_no_stall
                         ? sim_now(w->sim)
                         : w->start_ns + (int64_t)((__int128)r.at_ns * 100 / w->job->replay_time_scale);
    return 1;
}

static enum source_answer next_replay(struct worker *w) {
    if (!w->have_next) {
        int got = w->ios_left ? read_record(w) : 0;
        if (got < 0)
            run_fail(w->run, got);
        if (got <= 0)
            return SOURCE_OVER;
        w->have_next = true;
        w->ios_left--;
    }
    if (w->next_due_ns > sim_now(w->sim)) {
        worker_wait_until(w, w->next_due_ns);
        return SOURCE_LATER;
    }
    w->have_next = false;
    return SOURCE_READY;
}

/* --- zones --- */

/* SOURCE_READY: w->next is bent as zones want it. */
static enum source_answer bend(struct worker *w) {
    struct request bent = w->next;
    enum zbd_answer answer = zbd_adjust(&w->zbd, &bent, &w->reset_zone);
    if (answer == ZBD_NONE && bent.dir == RUN_READ && w->job->uses[RUN_WRITE]) { /* as fio: nothing to read yet */
        bent.dir = w->next.dir = RUN_WRITE;
        answer = zbd_adjust(&w->zbd, &bent, &w->reset_zone);
    }
    if (answer == ZBD_NONE)
        return SOURCE_OVER;
    if (answer == ZBD_RESET) {
        w->have_next = true;
        worker_gate(w, GATE_QUIESCE, THEN_RESET);
        return SOURCE_LATER;
    }
    w->next = bent;
    return SOURCE_READY;
}

/* --- the rest of what makes a worker not simple --- */

static bool overlaps(const struct worker *w, const struct request *r) {
    for (unsigned i = 0; i < w->job->iodepth; i++) {
        const struct slot *s = &w->slot[i];
        if (s->wanted_ns >= 0 && s->kind == SLOT_REQUEST && s->offset < r->offset + r->bytes &&
            r->offset < s->offset + s->bytes)
            return true;
    }
    return false;
}

/* Direction, due time, place. SOURCE_READY: w->next is drawn. */
static enum source_answer draw_due(struct worker *w) {
    if (enough(w))
        return SOURCE_OVER;
    if (!w->decided)
        w->direction = generator_direction(&w->gen);
    w->decided = true;
    w->next_due_ns = w->paced ? pace_due(w, &w->direction) : sim_now(w->sim);
    if (w->next_due_ns > sim_now(w->sim)) {
        worker_wait_until(w, w->next_due_ns);
        return SOURCE_LATER;
    }
    if (!draw(w, w->direction, &w->next))
        return SOURCE_OVER;
    w->decided = false;
    return SOURCE_READY;
}

/* verify_only: what would be written is only remembered. */
static void pretend(struct worker *w) {
    account(w, &w->next);
    if (w->next.dir == RUN_WRITE && history_add(&w->history, w->next.offset, w->next.bytes) < 0)
        worker_stop(w);
}

static enum source_answer next_work(struct worker *w) {
    const struct job *job = w->job;
    do {
        if (job->verify_backlog && w->remembers && w->history.count - w->verified >= job->verify_backlog) {
            w->backlog = true;
            return SOURCE_OVER;
        }
        enum source_answer answer = w->have_next ? SOURCE_READY : draw_due(w);
        if (answer == SOURCE_READY && job->zonemode == JOB_ZONE_ZBD)
            answer = bend(w);
        if (answer != SOURCE_READY)
            return answer;
        w->have_next = job->serialize_overlap && overlaps(w, &w->next);
        if (w->have_next)
            return SOURCE_LATER;
        if (job->verify_only)
            pretend(w);
    } while (job->verify_only && !w->stopped);
    if (w->stopped)
        return SOURCE_OVER;
    account(w, &w->next);
    return SOURCE_READY;
}

enum source_answer source_next(struct worker *w) {
    w->next_number = -1;
    w->next_sync = w->next_sync && w->have_next;
    if (w->phase == PHASE_VERIFY)
        return next_check(w);
    return w->trace ? next_replay(w) : next_work(w);
}
