/*
 * When a job may issue: rate, rate_iops, thinktime; and how many at once:
 * latency_target. See runner_int.h.
 *
 * Rates: a request falls due when those before it would be over at the rate,
 * counted from the start; what is late is made up for. From then on it waits
 * for a free place, and that wait is its slat, which fio leaves out.
 * rate_min and rate_iops_min are looked at every rate_cycle.
 */
#include <inttypes.h>
#include <stdio.h>

#include "load/runner_int.h"

#define NS_A_SECOND 1000000000

static bool limited(const struct job *job, enum run_dir dir) {
    return job->rate[dir] || job->rate_iops[dir];
}

/* --- latency_target --- */

static void window_begin(struct worker *w) {
    w->window_ios = w->window_late = 0;
    sim_schedule(w->sim, &w->window, sim_now(w->sim) + w->job->latency_window_ns);
}

static void set_depth(struct worker *w, unsigned depth) {
    if (depth < w->depth) { /* what is in flight would count against the new depth */
        w->window_skip = w->inflight;
        worker_gate(w, GATE_QUIESCE, THEN_GO_ON);
    }
    w->depth = depth;
    w->resume_at = depth - 1;
    w->full = false;
}

static void depth_is_found(struct worker *w) {
    w->depth_found = true;
    w->stat->latency_depth = w->depth;
}

/* The depth was good: double it, or halve the way to one that was not. */
static void raise_depth(struct worker *w) {
    unsigned limit = w->job->iodepth, depth = w->depth, next;
    w->depth_low = depth;
    next = w->depth_high > limit ? depth * 2 : (depth + w->depth_high) / 2;
    if (next > limit)
        next = limit;
    if (next == depth)
        depth_is_found(w);
    else
        set_depth(w, next);
}

static void lower_depth(struct worker *w) {
    if (w->depth == 1) {
        char text[160];
        snprintf(text, sizeof(text),
                 "latency_target: even one request at a time is too slow in %" PRIu64 " of %" PRIu64, w->window_late,
                 w->window_ios);
        worker_fail(w, IO_INTERNAL_ERROR, text);
        worker_stop(w);
        return;
    }
    w->depth_high = w->depth;
    if (w->depth_low >= w->depth)
        w->depth_low = w->depth - 1;
    set_depth(w, w->depth_low ? (w->depth_low + w->depth) / 2 : 1);
    if (w->depth_low && w->depth == w->depth_low && w->depth_high == w->depth + 1)
        depth_is_found(w);
}

/* What is reported begins here. */
static void measure(struct worker *w) {
    run_stat_init(w->stat, w->job->name, w->group, sim_now(w->sim));
    w->stat->latency_depth = w->depth;
    w->measure = false;
}

/* After the search the found depth has a window of its own, which is what is reported. */
static void window_over(struct sim_event *event) {
    struct worker *w = (struct worker *)((char *)event - offsetof(struct worker, window));
    const struct job *job = w->job;
    if (w->depth_found && !job->latency_run) {
        worker_stop(w);
        worker_pump(w);
        return;
    }
    bool good = w->window_ios &&
                (double)(w->window_ios - w->window_late) * 100 >= job->latency_percentile * (double)w->window_ios;
    if (w->depth_found) { /* latency_run */
        unsigned depth = good ? w->depth + (w->depth < job->iodepth) : w->depth - (w->depth > 1);
        if (depth != w->depth)
            set_depth(w, depth);
        w->stat->latency_depth = w->depth;
    } else if (w->window_ios) {
        if (good)
            raise_depth(w);
        else
            lower_depth(w);
        w->measure = w->depth_found && !job->latency_run;
        if (w->measure && !w->window_skip)
            measure(w);
    }
    if (!w->stopped)
        window_begin(w);
    worker_pump(w);
}

/* --- rate_min --- */

static void cycle_over(struct sim_event *event) {
    struct worker *w = (struct worker *)((char *)event - offsetof(struct worker, cycle));
    const struct job *job = w->job;
    int64_t cycle_ns = (int64_t)job->rate_cycle_ms * 1000000;
    for (int d = 0; d < RUN_DIRS; d++) {
        double bytes = (double)w->cycle_bytes[d] * 1e9 / (double)cycle_ns;
        double ios = (double)w->cycle_ios[d] * 1e9 / (double)cycle_ns;
        char text[160];
        w->cycle_bytes[d] = w->cycle_ios[d] = 0;
        if (!job->uses[d] || (bytes >= (double)job->rate_min[d] && ios >= (double)job->rate_iops_min[d]))
            continue;
        snprintf(text, sizeof(text),
                 "rate_min, rate_iops_min: %.0f bytes and %.0f requests a second in the last rate_cycle, "
                 "%" PRIu64 " and %" PRIu64 " are wanted",
                 bytes, ios, job->rate_min[d], job->rate_iops_min[d]);
        worker_fail(w, IO_INTERNAL_ERROR, text);
        worker_stop(w);
        worker_pump(w);
        return;
    }
    sim_schedule(w->sim, &w->cycle, sim_now(w->sim) + cycle_ns);
}

static bool has_minimum(const struct job *job) {
    for (int d = 0; d < RUN_DIRS; d++)
        if (job->rate_min[d] || job->rate_iops_min[d])
            return true;
    return false;
}

/* --- */

void pace_init(struct worker *w) {
    const struct job *job = w->job;
    sim_event_init(&w->window, window_over);
    sim_event_init(&w->cycle, cycle_over);
    for (int d = 0; d < RUN_DIRS; d++)
        w->paced = w->paced || limited(job, d) || job->max_latency_ns[d];
    w->paced = w->paced || job->thinktime_ns || job->latency_target_ns || has_minimum(job);
}

void pace_begin(struct worker *w) {
    int64_t now = sim_now(w->sim);
    for (int d = 0; d < RUN_DIRS; d++) {
        w->due_ns[d] = now;
        w->due_rest[d] = 0;
    }
    w->thought_ns = now;
    if (w->job->latency_target_ns) {
        w->depth_low = 0;
        w->depth_high = w->job->iodepth + 1;
        set_depth(w, 1);
        window_begin(w);
    }
    if (has_minimum(w->job))
        sim_schedule(w->sim, &w->cycle, now + (int64_t)w->job->rate_cycle_ms * 1000000);
}

void pace_end(struct worker *w) {
    sim_cancel(w->sim, &w->window);
    sim_cancel(w->sim, &w->cycle);
}

/* Whether the other direction of a mix may go instead. */
static bool may_switch(const struct job *job, enum run_dir dir) {
    unsigned reads = job->read_percent;
    return dir != RUN_TRIM && job->uses[RUN_READ] && job->uses[RUN_WRITE] && (dir == RUN_READ ? 100 - reads : reads);
}

/* As fio: in a mix with limits, what is due already goes first, else what is due sooner. What has no limit always is.
 */
int64_t pace_due(struct worker *w, enum run_dir *dir) {
    enum run_dir other = *dir == RUN_READ ? RUN_WRITE : RUN_READ;
    int64_t now = sim_now(w->sim);
    if (!limited(w->job, *dir))
        return now;
    if (w->due_ns[*dir] > now && may_switch(w->job, *dir) &&
        (!limited(w->job, other) || w->due_ns[other] < w->due_ns[*dir]))
        *dir = other;
    return limited(w->job, *dir) ? w->due_ns[*dir] : now;
}

/* The next one of this direction falls due `bytes` (or a request) at the rate later. */
static void advance_due(struct worker *w, enum run_dir dir, uint64_t bytes) {
    const struct job *job = w->job;
    uint64_t rate = job->rate[dir] ? job->rate[dir] : job->rate_iops[dir], amount = job->rate[dir] ? bytes : 1;
    if (job->rate_process == JOB_RATE_POISSON) {
        w->due_ns[dir] += distribution_exponential(&w->pace, (double)amount * 1e9 / (double)rate);
        return;
    }
    unsigned __int128 scaled = (unsigned __int128)amount * NS_A_SECOND + w->due_rest[dir];
    w->due_ns[dir] += (int64_t)(scaled / rate);
    w->due_rest[dir] = (uint64_t)(scaled % rate);
}

static void count_thinking(struct worker *w) {
    const struct job *job = w->job;
    bool long_enough = job->thinktime_iotime_ns && sim_now(w->sim) - w->thought_ns >= job->thinktime_iotime_ns;
    if (++w->think_count < job->thinktime_blocks && !long_enough)
        return;
    w->think_count = 0;
    worker_gate(w, GATE_QUIESCE, THEN_THINK);
}

void pace_issued(struct worker *w, enum run_dir dir, uint64_t bytes) {
    if (limited(w->job, dir))
        advance_due(w, dir, bytes);
    if (w->job->thinktime_ns && w->job->thinktime_blocks_type == JOB_THINK_ISSUE)
        count_thinking(w);
}

void pace_thought(struct worker *w) {
    const struct job *job = w->job;
    int64_t think = job->thinktime_ns > job->thinktime_spin_ns ? job->thinktime_ns : job->thinktime_spin_ns;
    w->thought_ns = sim_now(w->sim) + think;
    for (int d = 0; d < RUN_DIRS && job->rate_ignore_thinktime; d++)
        w->due_ns[d] += think;
    worker_wait_until(w, w->thought_ns);
}

void pace_completed(struct worker *w, enum run_dir dir, uint64_t bytes, int64_t latency_ns) {
    const struct job *job = w->job;
    if (w->window_skip) {
        if (!--w->window_skip && w->measure)
            measure(w);
    } else {
        w->window_ios++;
        w->window_late += job->latency_target_ns && latency_ns > job->latency_target_ns;
    }
    w->cycle_ios[dir]++;
    w->cycle_bytes[dir] += bytes;
    if (job->max_latency_ns[dir] && latency_ns > job->max_latency_ns[dir]) {
        char text[120];
        snprintf(text, sizeof(text), "max_latency: a request took %" PRId64 " ns, %" PRId64 " are allowed", latency_ns,
                 job->max_latency_ns[dir]);
        worker_fail(w, IO_INTERNAL_ERROR, text);
        worker_stop(w);
    }
    if (job->thinktime_ns && job->thinktime_blocks_type == JOB_THINK_COMPLETE && !w->stopped)
        count_thinking(w);
}
