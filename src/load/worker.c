/*
 * One instance of a job: issuing, completing, and what comes after; states and
 * gates are drawn in runner_int.h.
 *
 * As in fio, the first failed request ends its job (continue_on_error). Differs
 * from fio: latencies end when the drive completes, not when a thread notices
 * (unless the host's time counts: processor.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/runner_int.h"

#define WORKER_OF(event, member) ((struct worker *)((char *)(event)-offsetof(struct worker, member)))

void worker_fail(struct worker *w, uint16_t status, const char *text) {
    if (w->stat->first_error)
        return;
    w->stat->first_error = status;
    snprintf(w->stat->error_text, sizeof(w->stat->error_text), "%s", text);
}

void worker_stop(struct worker *w) {
    w->stopped = true;
    w->failed = w->failed || w->stat->first_error;
    if (w->gate == GATE_TIMER) {
        sim_cancel(w->sim, &w->timer);
        w->gate = GATE_OPEN;
    }
}

void worker_gate(struct worker *w, enum worker_gate gate, enum worker_then then) {
    if (w->gate == GATE_QUIESCE && w->then == THEN_RESET) /* a zone comes first */
        return;
    if (w->gate == GATE_TIMER) /* asked for again afterwards */
        sim_cancel(w->sim, &w->timer);
    w->gate = gate;
    w->then = then;
}

void worker_wait_until(struct worker *w, int64_t at_ns) {
    w->gate = GATE_TIMER;
    sim_schedule(w->sim, &w->timer, at_ns);
}

static void timer_fired(struct sim_event *event) {
    struct worker *w = WORKER_OF(event, timer);
    w->gate = GATE_OPEN;
    worker_pump(w);
}

/* --- issuing --- */

static struct slot *slot_take(struct worker *w) {
    return &w->slot[w->free_slots[--w->free_count]];
}

static void slot_free(struct worker *w, struct slot *slot) {
    slot->wanted_ns = -1;
    w->free_slots[w->free_count++] = (uint32_t)(slot - w->slot);
}

static void submit(struct worker *w, struct slot *slot) {
    w->inflight++;
    if (w->processor)
        processor_submit(w, slot);
    else if (w->file)
        writeback_submit(w->file, &slot->io);
    else
        drive_submit(w->drive, &slot->io);
}

static uint8_t operation(const struct worker *w, enum run_dir dir) {
    static const uint8_t writes[] = {
        [JOB_WRITE] = IO_WRITE, [JOB_WRITE_ZEROES] = IO_WRITE_ZEROES, [JOB_WRITE_APPEND] = IO_APPEND};
    return dir == RUN_READ ? IO_READ : dir == RUN_TRIM ? IO_TRIM : writes[w->job->write_mode];
}

/* A request without payload, the usual one. */
static void issue_plain(struct worker *w, struct slot *slot, const struct request *r) {
    struct io *io = &slot->io;
    slot->dir = r->dir;
    io->op = operation(w, r->dir);
    io->flags = w->flags[r->dir];
    io->offset = r->offset;
    io->bytes = r->bytes;
    run_stat_submit(w->stat, w->inflight + 1);
    drive_expect(w->drive, w->gen.soon);
    w->inflight++;
    drive_submit(w->drive, io);
}

static uint64_t zone_start(const struct worker *w, uint64_t offset) {
    return offset - offset % w->zbd.zbd->zone_bytes;
}

/* The place that payload says it is at: of an append only the zone is known beforehand. */
static uint64_t told_place(const struct worker *w, uint64_t offset) {
    return w->job->write_mode == JOB_WRITE_APPEND ? zone_start(w, offset) : offset;
}

/* Payload to write, or the wish to see what is read. */
static void add_payload(struct worker *w, struct slot *slot) {
    struct io *io = &slot->io;
    const struct request *r = &w->next;
    slot->number = w->next_number;
    io->vec = NULL;
    io->nvec = 0;
    if (r->dir == RUN_TRIM && w->remembers)
        history_forget(&w->history, r->offset, r->bytes);
    if (r->dir == RUN_WRITE && w->remembers)
        slot->number = history_add(&w->history, r->offset, r->bytes);
    if (w->job->verify == JOB_VERIFY_NONE || w->job->verify == JOB_VERIFY_NULL || r->dir == RUN_TRIM)
        return;
    io->flags &= ~(uint32_t)IO_NO_DATA;
    if (r->dir == RUN_READ)
        return;
    verify_fill(w->job, told_place(w, r->offset), slot->buffer, r->bytes,
                slot->number < 0 ? 0 : (uint64_t)slot->number);
    slot->vec = (struct iovec){.iov_base = slot->buffer, .iov_len = r->bytes};
    io->vec = &slot->vec;
    io->nvec = 1;
}

static void issue_zone_reset(struct worker *w, struct slot *slot, uint64_t offset) {
    slot->io.op = IO_ZONE;
    slot->io.action = ZONE_RESET;
    slot->io.flags = 0;
    slot->io.offset = offset;
    slot->io.bytes = 0;
    submit(w, slot);
}

/* As fio: where both are due it is an fsync. */
static void count_write(struct worker *w) {
    const struct job *job = w->job;
    bool all = job->fsync && ++w->writes_since_sync >= job->fsync;
    bool data = job->fdatasync && ++w->writes_since_datasync >= job->fdatasync;
    w->writes_since_sync = all ? 0 : w->writes_since_sync;
    w->writes_since_datasync = data ? 0 : w->writes_since_datasync;
    w->sync_due = all || data;
    w->sync_is_data = !all;
}

/* w->next, which source_next() has made. */
static void issue_next(struct worker *w) {
    static const char *const actions[RUN_DIRS] = {"read", "write", "trim"};
    struct slot *slot = slot_take(w);
    const struct request *r = &w->next;
    bool verifying = w->phase == PHASE_VERIFY, reset = r->dir == RUN_TRIM && w->zbd.zbd && w->zbd.zbd->real;
    slot->kind = SLOT_REQUEST;
    slot->wanted_ns = w->next_due_ns;
    slot->offset = r->offset;
    slot->bytes = r->bytes;
    if (r->dir == RUN_WRITE && (w->job->fsync || w->job->fdatasync))
        count_write(w);
    if (!verifying)
        pace_issued(w, r->dir, r->bytes);
    iolog_note(w, actions[r->dir], r->offset, r->bytes);
    if (reset) {
        if (w->remembers)
            history_forget(&w->history, r->offset, r->bytes);
        slot->dir = RUN_TRIM;
        issue_zone_reset(w, slot, r->offset);
        return;
    }
    slot->dir = r->dir;
    slot->io.op = operation(w, r->dir);
    slot->io.flags = w->flags[r->dir];
    slot->io.offset = slot->io.op == IO_APPEND ? zone_start(w, r->offset) : r->offset;
    slot->io.bytes = r->bytes;
    add_payload(w, slot);
    run_stat_submit(w->stat, w->inflight + 1);
    submit(w, slot);
}

/* A flush; what was drawn already, if it is due after some writes, is held back. */
static void issue_sync(struct worker *w) {
    struct slot *slot = slot_take(w);
    bool data = w->sync_due && w->sync_is_data && w->phase == PHASE_WORK;
    w->sync_due = w->next_sync = false;
    slot->kind = SLOT_SYNC;
    slot->wanted_ns = sim_now(w->sim);
    slot->io.op = IO_FLUSH;
    slot->io.flags = IO_SYNC;
    slot->io.offset = slot->io.bytes = 0;
    iolog_note(w, data ? "datasync" : "sync", w->gen.offset, 0);
    worker_gate(w, GATE_ALONE, THEN_GO_ON);
    submit(w, slot);
}

/* A zone was reset: it is empty, and what was written there is nothing to look for. */
static void zone_gone(struct worker *w, uint32_t zone) {
    uint64_t bytes = w->zbd.zbd->zone_bytes;
    zbd_was_reset(&w->zbd, zone);
    if (w->remembers)
        history_forget(&w->history, zone * bytes, bytes);
}

/* A full zone, everything in flight is back. On a drive without zones there is nothing to ask. */
static void reset_zone(struct worker *w) {
    w->stat->zone_resets++;
    w->gate = GATE_OPEN;
    if (!w->zbd.zbd->real) {
        zone_gone(w, w->reset_zone);
        return;
    }
    struct slot *slot = slot_take(w);
    slot->kind = SLOT_RESET;
    slot->wanted_ns = sim_now(w->sim);
    w->gate = GATE_ALONE;
    issue_zone_reset(w, slot, w->reset_zone * w->zbd.zbd->zone_bytes);
}

/* --- completing --- */

static bool forgiven(const struct worker *w, const struct slot *slot, enum job_failure failure) {
    if (slot->kind == SLOT_RESET)
        return false;
    return w->job->continue_on_error & 1u << failure;
}

static void record_error(struct worker *w, struct slot *slot) {
    struct io *io = &slot->io;
    enum job_failure failure = slot->kind == SLOT_REQUEST && slot->dir == RUN_READ ? JOB_FAIL_READ : JOB_FAIL_WRITE;
    w->stat->dir[slot->dir].errors++;
    if (slot->kind == SLOT_REQUEST && slot->dir == RUN_WRITE && w->remembers)
        history_forget(&w->history, slot->offset, slot->bytes);
    if (!forgiven(w, slot, failure)) {
        worker_fail(w, io->status, io->reason ? io->reason : "request failed");
        worker_stop(w);
    }
    io_release(io);
}

static void check_payload(struct worker *w, struct slot *slot) {
    char text[200];
    if (!verify_check(w->job, told_place(w, slot->offset), slot->io.data, slot->bytes,
                      slot->number < 0 ? VERIFY_ANY : (uint64_t)slot->number, text, sizeof(text))) {
        w->stat->verified++;
        return;
    }
    w->stat->dir[RUN_READ].errors++;
    if (w->job->continue_on_error & 1u << JOB_FAIL_VERIFY)
        return;
    worker_fail(w, IO_COMPARE_FAILURE, text);
    if (w->job->verify_fatal || w->phase != PHASE_VERIFY)
        worker_stop(w);
}

/* As fio: what is read back, or what a job that only reads sees. */
static bool to_be_checked(const struct worker *w, const struct slot *slot) {
    return w->job->verify != JOB_VERIFY_NONE && slot->dir == RUN_READ && w->job->do_verify &&
           (slot->number >= 0 || !w->job->uses[RUN_WRITE]);
}

/* Where the drive has put what was appended. */
static void appended(struct worker *w, struct slot *slot) {
    if (slot->io.result == slot->offset)
        return;
    if (w->remembers && slot->number >= 0)
        history_move(&w->history, (uint32_t)slot->number, slot->io.result);
    slot->offset = slot->io.result;
}

static void request_done(struct worker *w, struct slot *slot) {
    struct io *io = &slot->io;
    if (io->op == IO_APPEND)
        appended(w, slot);
    run_stat_complete(w->stat, slot->dir, slot->bytes, slot->wanted_ns, io->submitted_ns, io->completed_ns);
    if (w->samples && !sim_event_pending(&w->ramp))
        samples_note(w->samples, &(struct sample){slot->dir, slot->offset, slot->bytes, slot->wanted_ns,
                                                  io->submitted_ns, io->completed_ns});
    w->ios_done++;
    w->bytes_done += slot->bytes;
    if (w->paced && w->phase == PHASE_WORK)
        pace_completed(w, slot->dir, slot->bytes, io->completed_ns - io->submitted_ns);
    if (to_be_checked(w, slot))
        check_payload(w, slot);
}

static void other_done(struct worker *w, struct slot *slot) {
    if (w->gate == GATE_ALONE)
        w->gate = GATE_OPEN;
    if (slot->io.status != IO_OK)
        return;
    if (slot->kind == SLOT_RESET)
        zone_gone(w, w->reset_zone);
    else
        hist_record(&w->stat->sync, slot->io.completed_ns - slot->wanted_ns);
}

/* The short way: the same slot again. */
static void simple_done(struct worker *w, struct slot *slot) {
    struct io *io = &slot->io;
    struct request r;
    run_stat_complete(w->stat, slot->dir, io->bytes, io->submitted_ns, io->submitted_ns, io->completed_ns);
    w->ios_done++;
    w->bytes_done += io->bytes;
    if (!w->stopped && source_simple(w, &r)) {
        issue_plain(w, slot, &r);
        return;
    }
    w->over = true;
    slot_free(w, slot);
    if (!w->inflight)
        worker_pump(w);
}

void worker_slot_done(struct io *io) {
    struct slot *slot = (struct slot *)io; /* first member */
    struct worker *w = slot->worker;
    w->inflight--;
    if (__builtin_expect(!--w->run->tick, 0))
        run_tick(w->run);
    if (__builtin_expect(io->status == IO_OK && w->simple && slot->kind == SLOT_REQUEST, 1)) {
        simple_done(w, slot);
        return;
    }
    if (slot->kind != SLOT_REQUEST)
        other_done(w, slot);
    if (io->status != IO_OK)
        record_error(w, slot);
    else if (slot->kind == SLOT_REQUEST)
        request_done(w, slot);
    slot_free(w, slot);
    worker_pump(w);
}

/* --- phases --- */

static void finish(struct worker *w) {
    w->state = WORKER_DONE;
    sim_cancel(w->sim, &w->ramp);
    sim_cancel(w->sim, &w->stop);
    sim_cancel(w->sim, &w->timer);
    pace_end(w);
    if (w->samples)
        samples_end(w->samples, sim_now(w->sim));
    run_stat_finish(w->stat, sim_now(w->sim));
    drive_owner_gone(w->drive, w->index + 1);
    run_worker_done(w);
}

static bool writes(const struct job *job) {
    return job->uses[RUN_WRITE] || job->uses[RUN_TRIM];
}

static void enter(struct worker *w, enum worker_phase phase) {
    w->phase = phase;
    w->over = w->full = w->sync_due = false;
}

/* All of this phase is back. False: the worker is done. */
static bool next_phase(struct worker *w) {
    const struct job *job = w->job;
    if (w->phase == PHASE_WORK && w->remembers && job->do_verify && !w->failed && w->verified < w->history.count) {
        enter(w, PHASE_VERIFY);
        source_begin_verify(w);
        return true;
    }
    if (w->phase == PHASE_VERIFY && w->backlog && !w->failed) {
        w->backlog = false;
        enter(w, PHASE_WORK);
        return true;
    }
    w->backlog = false;
    if (w->phase != PHASE_FLUSH && w->loops_left > 1 && !w->stopped && !w->failed) {
        w->loops_left--;
        source_begin_loop(w, false);
        enter(w, PHASE_WORK);
        return true;
    }
    if (w->phase != PHASE_FLUSH && (job->end_fsync || job->fsync_on_close) && writes(job) && !w->failed) {
        enter(w, PHASE_FLUSH);
        issue_sync(w);
        w->over = true;
        return true;
    }
    finish(w);
    return false;
}

/* What the quiescing was for. */
static void gate_reached(struct worker *w) {
    w->gate = GATE_OPEN;
    if (w->stopped)
        return;
    if (w->then == THEN_THINK)
        pace_thought(w);
    else if (w->then == THEN_RESET)
        reset_zone(w);
}

/* True: go round again; false: wait for a completion, a timer, or nothing. */
static bool pump_once(struct worker *w) {
    if (w->gate == GATE_QUIESCE && !w->inflight)
        gate_reached(w);
    if (w->gate != GATE_OPEN)
        return w->gate == GATE_QUIESCE && !w->inflight;
    if (w->over || w->failed || (w->stopped && w->phase == PHASE_WORK))
        return !w->inflight && next_phase(w);
    if (w->inflight >= w->depth) {
        w->full = true;
        return false;
    }
    if (w->full && w->inflight > w->resume_at)
        return false;
    w->full = false;
    if (!w->held) {
        enum source_answer answer = source_next(w);
        w->over = answer == SOURCE_OVER;
        if (answer != SOURCE_READY)
            return answer == SOURCE_OVER || w->gate != GATE_OPEN;
    } else if (!w->paced) {
        w->next_due_ns = sim_now(w->sim);
    }
    w->held = w->sync_due && w->phase == PHASE_WORK;
    if (w->held || w->next_sync)
        issue_sync(w);
    else
        issue_next(w);
    return true;
}

/* A process that has several to submit does so at once, as fio's libaio engine. */
void worker_pump(struct worker *w) {
    drive_plug(w->drive, w->index + 1);
    while (w->state == WORKER_RUNNING && pump_once(w))
        ;
    drive_unplug(w->drive, w->index + 1);
}

/* --- beginning --- */

static void ramp_over(struct sim_event *event) {
    struct worker *w = WORKER_OF(event, ramp);
    struct run_steady steady = w->stat->steady;
    run_stat_init(w->stat, w->job->name, w->group, sim_now(w->sim));
    w->stat->steady = steady;
    if (w->samples)
        samples_begin(w->samples, sim_now(w->sim));
    if (w->trace)
        return;
    w->bytes_left = w->bytes_limit;
    w->ios_left = w->job->number_ios ? w->job->number_ios : UINT64_MAX;
}

static void stop_fired(struct sim_event *event) {
    struct worker *w = WORKER_OF(event, stop);
    worker_stop(w);
    worker_pump(w);
}

static void begin_fired(struct sim_event *event) {
    struct worker *w = WORKER_OF(event, begin);
    const struct job *job = w->job;
    int64_t now = sim_now(w->sim);
    w->state = WORKER_RUNNING;
    w->start_ns = w->passed_ns = now;
    run_stat_init(w->stat, job->name, w->group, now);
    if (w->samples)
        samples_begin(w->samples, now);
    if (job->ramp_ns)
        sim_schedule(w->sim, &w->ramp, now + job->ramp_ns);
    if (job->runtime_ns)
        sim_schedule(w->sim, &w->stop, now + job->ramp_ns + job->runtime_ns);
    pace_begin(w);
    steady_begin(w->run, w);
    worker_pump(w);
}

void worker_start(struct worker *w) {
    const struct job *job = w->job;
    int64_t delay = job->startdelay_ns, range = job->startdelay_max_ns - job->startdelay_ns;
    if (range > 0)
        delay += (int64_t)rng_below(&w->pace, (uint64_t)range + 1);
    int64_t at = w->run->start_ns + delay, now = sim_now(w->sim);
    if (at <= now)
        begin_fired(&w->begin);
    else
        sim_schedule(w->sim, &w->begin, at);
}

/* Everything that would need the long way. */
static bool is_simple(const struct worker *w) {
    const struct job *job = w->job;
    return !w->paced && job->verify == JOB_VERIFY_NONE && job->zonemode != JOB_ZONE_ZBD && !w->trace && !w->log &&
           !job->fsync && !job->fdatasync && !job->serialize_overlap && w->resume_at + 1 == w->depth &&
           !job->verify_only && !w->file && !w->processor && !w->samples;
}

static uint64_t gcd(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* What divides the place and length of every request. */
static uint64_t common_unit(const struct job *job) {
    uint64_t unit = job->read_iolog[0] ? 512 : (uint64_t)llabs(job->rw_skip);
    for (int d = 0; d < RUN_DIRS; d++) {
        if (!job->uses[d])
            continue;
        unit = gcd(gcd(unit, job->bs[d]), job->bs_max[d]);
        unit = job->blockalign[d] ? gcd(unit, job->blockalign[d]) : unit;
        for (unsigned i = 0; i < job->bssplit[d].count; i++)
            unit = gcd(unit, job->bssplit[d].share[i].bytes);
    }
    return unit;
}

static int init_slots(struct worker *w) {
    const struct job *job = w->job;
    bool payload = job->verify == JOB_VERIFY_HEADER || job->verify == JOB_VERIFY_PATTERN;
    w->slot = calloc(job->iodepth, sizeof(*w->slot));
    w->free_slots = calloc(job->iodepth, sizeof(*w->free_slots));
    if (!w->slot || !w->free_slots)
        return -ENOMEM;
    for (unsigned i = 0; i < job->iodepth; i++) {
        struct slot *slot = &w->slot[i];
        io_init(&slot->io);
        slot->io.owner = w->index + 1;
        slot->io.done = worker_slot_done;
        slot->worker = w;
        slot->number = -1;
        slot->buffer = payload && job->uses[RUN_WRITE] ? malloc(job_largest(job)) : NULL;
        if (payload && job->uses[RUN_WRITE] && !slot->buffer)
            return -ENOMEM;
        slot_free(w, slot);
    }
    return 0;
}

/* Writes of jobs without payload of their own still end what was there, if the store keeps any: zeros. */
static void init_flags(struct worker *w) {
    w->flags[RUN_READ] = w->flags[RUN_TRIM] = IO_NO_DATA | IO_SYNC;
    w->flags[RUN_WRITE] = IO_SYNC | (w->job->sync ? IO_FUA : 0);
    if (!store_has_payload(w->drive->store))
        w->flags[RUN_WRITE] |= IO_NO_DATA;
}

static int open_trace(struct worker *w, struct err *e) {
    const struct trace_config config = {.path = w->job->read_iolog};
    w->trace = trace_open(&config, e);
    return w->trace ? 0 : err_prefix(e, "job \"%s\": read_iolog=", w->job->name);
}

static int init_zbd(struct worker *w, struct err *e) {
    struct run *run = w->run;
    if (!run->zbd)
        run->zbd = zbd_new(run->drive, w->job, e);
    if (!run->zbd)
        return -EINVAL;
    return zbd_cursor_init(&w->zbd, run->zbd, w->job, w->region, w->region_bytes, e);
}

/* The run's page cache, and a file in it. */
static int init_buffered(struct worker *w, struct err *e) {
    struct run *run = w->run;
    const struct job *job = w->job;
    const struct writeback_settings set = {.limit_bytes = job->dirty_memory / 100 * job->dirty_ratio,
                                           .background_bytes = job->dirty_memory / 100 * job->dirty_background_ratio,
                                           .expire_ns = job->dirty_expire_ns,
                                           .period_ns = job->dirty_writeback_ns};
    if (w->drive->ops->zoned)
        return err_set(e, EINVAL, "job \"%s\": buffered=1: a drive with zones is written directly only, as with Linux",
                       job->name);
    if (!run->cache)
        run->cache = writeback_new(run->drive, &set, run->count + 1);
    if (!run->cache)
        return err_set(e, ENOMEM, "job \"%s\": no memory for buffered writes", job->name);
    const struct writeback_file_settings file = {.owner = w->index + 1, .cgroup = job->cgroup, .sync = job->sync};
    w->file = writeback_open(run->cache, &file, e);
    return w->file ? 0 : err_prefix(e, "job \"%s\": ", job->name);
}

int worker_init(struct worker *w, struct run *run, unsigned section, unsigned instance, struct err *e) {
    const struct job *job = &run->jobs->job[section];
    *w = (struct worker){.run = run, .job = job, .section = section, .drive = run->drive, .sim = run->sim};
    w->index = (unsigned)(w - run->workers);
    /* Jobs of the same randseed ask the same. */
    uint64_t seed = job->randseed ? job->randseed : run->settings->seed, stream = job->randseed ? instance : w->index;
    job_region(job, instance, &w->region, &w->region_bytes);
    sim_event_init(&w->begin, begin_fired);
    sim_event_init(&w->timer, timer_fired);
    sim_event_init(&w->ramp, ramp_over);
    sim_event_init(&w->stop, stop_fired);
    init_flags(w);
    pace_init(w);
    rng_init(&w->pace, seed, ~(stream << 32));
    w->stat = malloc(sizeof(*w->stat));
    if (!w->stat || init_slots(w) || processor_init(w) ||
        generator_init(&w->gen, job, w->region, w->region_bytes, seed, stream))
        return err_set(e, ENOMEM, "job \"%s\": no memory for its %u requests", job->name, job->iodepth);
    run_stat_init(w->stat, job->name, 0, sim_now(w->sim));
    w->loops_left = job->loops;
    w->depth = job->iodepth;
    w->resume_at = job->iodepth - (job->iodepth_batch_complete_min ? job->iodepth_batch_complete_min : 1);
    if (w->resume_at > job->iodepth_low)
        w->resume_at = job->iodepth_low;
    w->remembers = job->verify != JOB_VERIFY_NONE && job->uses[RUN_WRITE];
    if (w->remembers && history_init(&w->history, w->region, w->region_bytes, common_unit(job)))
        return err_set(e, ENOMEM, "job \"%s\": no memory to remember what it writes", job->name);
    if ((job->read_iolog[0] && open_trace(w, e)) || (job->zonemode == JOB_ZONE_ZBD && init_zbd(w, e)) ||
        (job->write_iolog[0] && iolog_use(run, w, e)) || samples_open(run, w, e) ||
        (job->buffered && (writes(job) || job->read_iolog[0]) && init_buffered(w, e)))
        return e && e->code ? e->code : -EINVAL;
    source_begin_loop(w, true);
    w->simple = is_simple(w);
    return 0;
}

void worker_release(struct worker *w) {
    for (unsigned i = 0; w->slot && i < w->job->iodepth; i++)
        free(w->slot[i].buffer);
    processor_release(w);
    free(w->slot);
    free(w->free_slots);
    free(w->stat);
    generator_release(&w->gen);
    history_release(&w->history);
    trace_close(w->trace);
    samples_free(w->samples);
}
