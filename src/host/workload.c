/*
 * The workload engine, see workload.h. Each slot of the queue depth is one
 * command with its buffer; when it completes it is issued again.
 */
#include "host/workload.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/text.h"
#include "host/ledger.h"

#define CLAIM_TRIES 64
#define PROGRESS_NS 200000000LL

struct run;

struct slot {
    struct host_cmd cmd;
    struct run *run;
    struct slot *next_idle;
    uint64_t unit; /* first 4 KiB unit, with a ledger */
    bool write;
};

struct run {
    const struct workload *w;
    struct workload_result *result;
    struct sim *sim;
    struct host_queue *queue;
    uint32_t nsid, block_bytes;
    struct rng rng;
    uint64_t chunks, next_chunk;
    unsigned inflight;
    int64_t start_ns, stop_ns;
    bool stopping;
    struct sim_event progress, stall;
    int64_t answered_ns; /* last time */
    struct slot *slot;
    struct slot *idle; /* could not be issued; tried again as others complete */
    uint8_t *buffer;
};

static void problem(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void problem(struct run *r, const char *fmt, ...) {
    va_list ap;
    if (r->result->first_problem[0])
        return;
    va_start(ap, fmt);
    vsnprintf(r->result->first_problem, sizeof(r->result->first_problem), fmt, ap);
    va_end(ap);
}

static bool ended(const struct run *r) {
    if (r->stopping)
        return true;
    if (r->w->duration_ns)
        return sim_clock(r->sim) >= r->stop_ns;
    return r->next_chunk >= r->chunks;
}

static uint64_t pick_chunk(struct run *r) {
    if (r->w->pattern == WORKLOAD_RANDOM) {
        if (!r->w->duration_ns)
            r->next_chunk++; /* once over the region, in volume */
        return rng_below(&r->rng, r->chunks);
    }
    return r->next_chunk++ % r->chunks;
}

static uint32_t units_of(const struct run *r) {
    return r->w->bytes / LEDGER_UNIT;
}

/* Choose where the slot goes next; with a ledger never where another command is. */
static bool place(struct run *r, struct slot *s, uint64_t *chunk) {
    if (!r->w->ledger) {
        *chunk = pick_chunk(r);
        return true;
    }
    for (int i = 0; i < CLAIM_TRIES; i++) {
        *chunk = pick_chunk(r);
        s->unit = *chunk * units_of(r);
        if (ledger_claim(r->w->ledger, s->unit, units_of(r)))
            return true;
    }
    return false;
}

static void park(struct run *r, struct slot *s) {
    s->next_idle = r->idle;
    r->idle = s;
}

static void issue(struct run *r, struct slot *s) {
    const struct workload *w = r->w;
    uint64_t chunk;
    uint32_t nlb = w->bytes / r->block_bytes;
    if (!place(r, s, &chunk)) {
        park(r, s);
        return;
    }
    s->write = rng_below(&r->rng, 100) >= w->read_percent;
    if (s->write && w->ledger)
        ledger_stamp(w->ledger, s->unit, units_of(r), s->cmd.data);
    host_cmd_rw(&s->cmd, s->write ? NVME_IO_WRITE : NVME_IO_READ, r->nsid, chunk * nlb, nlb, s->cmd.data, w->bytes);
    int ret = host_queue_submit(r->queue, &s->cmd);
    if (!ret) {
        r->inflight++;
        return;
    }
    park(r, s);
    if (w->ledger && s->write)
        ledger_forget(w->ledger, s->unit, units_of(r)); /* stamped, never written */
    if (w->ledger)
        ledger_unclaim(w->ledger, s->unit, units_of(r));
    if (ret != -EAGAIN) {
        r->stopping = true;
        problem(r, "submission failed: %s", strerror(-ret));
    }
}

static void check_read(struct run *r, struct slot *s) {
    uint64_t first = 0;
    uint32_t wrong = ledger_verify(r->w->ledger, s->unit, units_of(r), s->cmd.data, &first, &r->result->verified);
    r->result->mismatches += wrong;
    if (wrong)
        problem(r, "wrong data at byte %llu of the namespace", (unsigned long long)first * LEDGER_UNIT);
}

static void record_failure(struct run *r, struct slot *s) {
    r->result->failed++;
    if (s->write && r->w->ledger)
        ledger_forget(r->w->ledger, s->unit, units_of(r));
    if (s->cmd.error)
        problem(r, "connection lost: %s", strerror(-s->cmd.error));
    else if (host_cmd_status(&s->cmd))
        problem(r, "%s failed: %s (status 0x%03x)", s->write ? "write" : "read", host_cmd_status_name(&s->cmd),
                host_cmd_status(&s->cmd));
    else
        problem(r, "read answered success with %u of %u bytes", s->cmd.received, s->cmd.bytes);
    r->stopping = r->stopping || s->cmd.error;
}

static void record(struct run *r, struct slot *s) {
    struct workload_result *result = r->result;
    bool partial = !s->write && s->cmd.received != s->cmd.bytes;
    if (s->cmd.error || host_cmd_status(&s->cmd) || partial) {
        record_failure(r, s);
        return;
    }
    result->ios[s->write]++;
    result->bytes[s->write] += r->w->bytes;
    hist_record(&result->latency[s->write], s->cmd.completed_ns - s->cmd.submitted_ns);
    if (!s->write && r->w->ledger)
        check_read(r, s);
}

static void slot_done(struct host_cmd *cmd) {
    struct slot *s = (struct slot *)cmd;
    struct run *r = s->run;
    r->inflight--;
    r->answered_ns = s->cmd.completed_ns;
    record(r, s);
    if (r->w->ledger)
        ledger_unclaim(r->w->ledger, s->unit, units_of(r));
    if (!ended(r))
        issue(r, s);
    struct slot *idle = r->idle;
    if (idle && idle != s && !ended(r)) {
        r->idle = idle->next_idle;
        issue(r, idle);
    }
    if (!r->inflight)
        sim_stop(r->sim);
}

static void progress_fire(struct sim_event *ev) {
    struct run *r = (struct run *)((char *)ev - offsetof(struct run, progress));
    const struct workload_result *result = r->result;
    r->w->progress(r->w->progress_arg, result->ios[0] + result->ios[1], result->bytes[0] + result->bytes[1],
                   sim_clock(r->sim) - r->start_ns);
    sim_schedule(r->sim, ev, sim_now(r->sim) + PROGRESS_NS);
}

/* One event for all commands: it looks when the last answer came, and comes again when that is too old. */
static void stall_fire(struct sim_event *ev) {
    struct run *r = (struct run *)((char *)ev - offsetof(struct run, stall));
    int64_t due = r->answered_ns + r->w->timeout_ns;
    if (due > sim_now(r->sim)) {
        sim_schedule(r->sim, ev, due);
        return;
    }
    r->stopping = r->result->stalled = true;
    problem(r, "no answer for %s, with %u commands in flight", text_time(r->w->timeout_ns).s, r->inflight);
    host_queue_abort(r->queue, -ETIMEDOUT);
}

static int check(const struct workload *w, const struct host_ctrl *ctrl, const struct host_queue *queue,
                 uint64_t ns_bytes, uint32_t block_bytes, struct err *e) {
    if (!w->bytes || w->bytes % block_bytes || w->bytes > ctrl->mdts || w->bytes / block_bytes > 65536)
        return err_set(e, EINVAL, "I/O size %u: a multiple of the block size %u up to MDTS (%u)", w->bytes, block_bytes,
                       ctrl->mdts);
    if (w->ledger && w->bytes % LEDGER_UNIT)
        return err_set(e, EINVAL, "I/O size %u: verification needs a multiple of %u", w->bytes, LEDGER_UNIT);
    if (w->region < w->bytes || w->region > ns_bytes)
        return err_set(e, EINVAL, "region of %llu bytes: from one I/O (%u) to the namespace's %llu bytes",
                       (unsigned long long)w->region, w->bytes, (unsigned long long)ns_bytes);
    if (!w->depth || w->depth > host_queue_depth(queue))
        return err_set(e, EINVAL, "queue depth %u: from 1 to %u (the controller's queue size less one)", w->depth,
                       host_queue_depth(queue));
    return 0;
}

static int run_init(struct run *r) {
    const struct workload *w = r->w;
    r->slot = calloc(w->depth, sizeof(*r->slot));
    r->buffer =
        aligned_alloc(LEDGER_UNIT, ((size_t)w->depth * w->bytes + LEDGER_UNIT - 1) & ~(size_t)(LEDGER_UNIT - 1));
    if (!r->slot || !r->buffer)
        return -ENOMEM;
    memset(r->buffer, 0, (size_t)w->depth * w->bytes);
    for (unsigned i = 0; i < w->depth; i++) {
        r->slot[i].run = r;
        r->slot[i].cmd.data = r->buffer + (size_t)i * w->bytes;
        r->slot[i].cmd.done = slot_done;
    }
    rng_init(&r->rng, w->seed, 1);
    r->chunks = w->region / w->bytes;
    r->start_ns = sim_clock(r->sim);
    r->stop_ns = r->start_ns + w->duration_ns;
    r->answered_ns = r->start_ns;
    sim_event_init(&r->progress, progress_fire);
    sim_event_init(&r->stall, stall_fire);
    return 0;
}

int workload_run(struct host_ctrl *ctrl, struct host_queue *queue, uint32_t nsid, const struct workload *workload,
                 struct workload_result *result, struct err *e) {
    struct run r = {.w = workload, .result = result, .sim = ctrl->sim, .queue = queue, .nsid = nsid};
    uint64_t blocks;
    memset(result, 0, sizeof(*result));
    hist_init(&result->latency[0]);
    hist_init(&result->latency[1]);
    int ret = host_ctrl_namespace(ctrl, nsid, &blocks, &r.block_bytes, e);
    if (!ret)
        ret = check(workload, ctrl, queue, blocks * r.block_bytes, r.block_bytes, e);
    if (!ret && run_init(&r))
        ret = err_set(e, ENOMEM, "no memory for %u commands of %u bytes", workload->depth, workload->bytes);
    if (ret)
        goto out;
    if (workload->progress)
        sim_schedule(r.sim, &r.progress, r.start_ns + PROGRESS_NS);
    if (workload->timeout_ns)
        sim_schedule(r.sim, &r.stall, r.start_ns + workload->timeout_ns);
    for (unsigned i = 0; i < workload->depth && !ended(&r); i++)
        issue(&r, &r.slot[i]);
    while (r.inflight)
        sim_run(r.sim, SIM_NEVER);
    sim_cancel(r.sim, &r.progress);
    sim_cancel(r.sim, &r.stall);
    result->elapsed_ns = sim_clock(r.sim) - r.start_ns;
out:
    free(r.slot);
    free(r.buffer);
    return ret;
}
