/*
 * Accumulating a workload's numbers; see runstat.h.
 */
#include "base/runstat.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* All but the histograms, which take memory only where something is counted. */
static void clear(struct run_stat *s) {
    for (int d = 0; d < RUN_DIRS; d++) {
        struct run_dir_stat *dir = &s->dir[d];
        dir->ios = dir->bytes = dir->errors = 0;
        dir->delayed = false;
        dir->window = (struct run_window){0};
    }
    memset(s, 0, offsetof(struct run_stat, dir));
    size_t rest = offsetof(struct run_stat, sync) + sizeof(s->sync);
    memset((char *)s + rest, 0, sizeof(*s) - rest);
}

void run_stat_init(struct run_stat *s, const char *name, unsigned group, int64_t start_ns) {
    clear(s);
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->group = group;
    s->jobs = 1;
    s->start_ns = start_ns;
    s->end_ns = start_ns;
    for (int d = 0; d < RUN_DIRS; d++) {
        hist_init(&s->dir[d].slat);
        hist_init(&s->dir[d].clat);
        hist_init(&s->dir[d].lat);
        s->dir[d].window.end_ns = start_ns + RUN_WINDOW_NS;
    }
    hist_init(&s->sync);
}

void run_stat_submit(struct run_stat *s, unsigned depth) {
    unsigned level = depth ? 31 - (unsigned)__builtin_clz(depth) : 0;
    s->depth_level[level < RUN_DEPTH_LEVELS ? level : RUN_DEPTH_LEVELS - 1]++;
}

static void sample(double value, uint64_t samples, double *min, double *max, double *sum, double *squares) {
    if (!samples || value < *min)
        *min = value;
    if (!samples || value > *max)
        *max = value;
    *sum += value;
    *squares += value * value;
}

/* Close windows up to, and excluding, `index`; windows without I/O count as zero. */
static void window_roll(struct run_window *w, int64_t index) {
    const double per_second = 1e9 / RUN_WINDOW_NS;
    for (; w->index < index; w->index++) {
        sample((double)w->ios * per_second, w->samples, &w->iops_min, &w->iops_max, &w->iops_sum, &w->iops_squares);
        sample((double)w->bytes * per_second, w->samples, &w->bytes_min, &w->bytes_max, &w->bytes_sum,
               &w->bytes_squares);
        w->samples++;
        w->ios = w->bytes = 0;
    }
}

/* From now on slat and lat are recorded by themselves; so far they followed from clat. */
static void begin_delays(struct run_dir_stat *d) {
    hist_copy(&d->lat, &d->clat);
    if (d->clat.count) {
        hist_init(&d->slat);
        d->slat.count = d->slat.bucket[0] = d->clat.count;
        d->slat.min = 0;
    }
    d->delayed = true;
}

void run_stat_complete(struct run_stat *s, enum run_dir dir, uint64_t bytes, int64_t wanted_ns, int64_t submitted_ns,
                       int64_t completed_ns) {
    struct run_dir_stat *d = &s->dir[dir];
    if (completed_ns >= d->window.end_ns) {
        int64_t index = (completed_ns - s->start_ns) / RUN_WINDOW_NS;
        window_roll(&d->window, index);
        d->window.end_ns = s->start_ns + (index + 1) * RUN_WINDOW_NS;
    }
    d->window.ios++;
    d->window.bytes += bytes;
    d->ios++;
    d->bytes += bytes;
    if (submitted_ns != wanted_ns && !d->delayed)
        begin_delays(d);
    hist_record(&d->clat, completed_ns - submitted_ns);
    if (d->delayed) {
        hist_record(&d->slat, submitted_ns - wanted_ns);
        hist_record(&d->lat, completed_ns - wanted_ns);
    }
}

void run_stat_finish(struct run_stat *s, int64_t end_ns) {
    s->end_ns = end_ns;
    for (int d = 0; d < RUN_DIRS; d++)
        if (!s->dir[d].delayed)
            begin_delays(&s->dir[d]);
    for (int d = 0; d < RUN_DIRS; d++)
        if (s->dir[d].ios)
            window_roll(&s->dir[d].window, (end_ns - s->start_ns) / RUN_WINDOW_NS);
}

/*
 * Windows of jobs that ran at the same time add up: means and variances (as
 * of independent numbers, so squares get the cross term); extremes only
 * approximately, as in fio.
 */
static void window_merge(struct run_window *into, const struct run_window *from) {
    if (!from->samples)
        return;
    into->iops_squares += from->iops_squares + 2 * into->iops_sum * from->iops_sum / (double)from->samples;
    into->bytes_squares += from->bytes_squares + 2 * into->bytes_sum * from->bytes_sum / (double)from->samples;
    into->iops_min += from->iops_min;
    into->iops_max += from->iops_max;
    into->bytes_min += from->bytes_min;
    into->bytes_max += from->bytes_max;
    into->iops_sum += from->iops_sum;
    into->bytes_sum += from->bytes_sum;
    into->samples = from->samples > into->samples ? from->samples : into->samples;
}

void run_stat_merge(struct run_stat *into, const struct run_stat *from) {
    if (from->start_ns < into->start_ns)
        into->start_ns = from->start_ns;
    if (from->end_ns > into->end_ns)
        into->end_ns = from->end_ns;
    into->jobs += from->jobs;
    for (int i = 0; i < RUN_DEPTH_LEVELS; i++)
        into->depth_level[i] += from->depth_level[i];
    if (!into->first_error) {
        into->first_error = from->first_error;
        memcpy(into->error_text, from->error_text, sizeof(into->error_text));
    }
    for (int d = 0; d < RUN_DIRS; d++) {
        into->dir[d].ios += from->dir[d].ios;
        into->dir[d].bytes += from->dir[d].bytes;
        into->dir[d].errors += from->dir[d].errors;
        hist_merge(&into->dir[d].slat, &from->dir[d].slat);
        hist_merge(&into->dir[d].clat, &from->dir[d].clat);
        hist_merge(&into->dir[d].lat, &from->dir[d].lat);
        window_merge(&into->dir[d].window, &from->dir[d].window);
    }
    hist_merge(&into->sync, &from->sync);
    into->verified += from->verified;
    into->zone_resets += from->zone_resets;
    if (from->latency_depth > into->latency_depth)
        into->latency_depth = from->latency_depth;
    if (!into->steady.criterion)
        into->steady = from->steady;
}
