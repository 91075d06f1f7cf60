/*
 * JSON, a superset of fio's output format "json" (fio 3.x, stat.c's field
 * names): tools that read fio results read these; with details also what
 * "json+" adds. What is ours stands under "drivelab".
 *
 * Fields of fio that describe the measuring process (CPU use, context
 * switches, page faults) have no counterpart in virtual time and are zero.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report/report.h"

static const char *const dir_names[RUN_DIRS] = {"read", "write", "trim"};

/* How latencies are written. */
struct style {
    const double *percentiles;
    bool bins; /* what json+ adds */
};

static void set_int(json_t *o, const char *key, uint64_t value) {
    json_object_set_new(o, key, json_integer((json_int_t)value));
}

static void set_real(json_t *o, const char *key, double value) {
    json_object_set_new(o, key, json_real(isfinite(value) ? value : 0));
}

static json_t *percentile_object(const struct hist *h, const double *list) {
    json_t *o = json_object();
    for (; *list; list++) {
        char key[24];
        snprintf(key, sizeof(key), "%.6f", *list);
        set_int(o, key, hist_quantile(h, *list / 100));
    }
    return o;
}

/* json+: how many requests took about so long. */
static json_t *bins_object(const struct hist *h) {
    json_t *o = json_object();
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        char key[24];
        if (!h->bucket[i])
            continue;
        uint64_t low = hist_bucket_low(i), high = i + 1 < HIST_BUCKETS ? hist_bucket_low(i + 1) : low + 1;
        snprintf(key, sizeof(key), "%" PRIu64, low + (high - low) / 2);
        set_int(o, key, h->bucket[i]);
    }
    return o;
}

static json_t *latency_object(const struct hist *h, const double *percentiles) {
    json_t *o = json_object();
    set_int(o, "min", h->count ? h->min : 0);
    set_int(o, "max", h->max);
    set_real(o, "mean", hist_mean(h));
    set_real(o, "stddev", hist_stddev(h));
    set_int(o, "N", h->count);
    if (percentiles && h->count)
        json_object_set_new(o, "percentile", percentile_object(h, percentiles));
    return o;
}

static json_t *full_latency_object(const struct hist *h, const struct style *style) {
    json_t *o = latency_object(h, style->percentiles);
    if (style->bins && h->count)
        json_object_set_new(o, "bins", bins_object(h));
    return o;
}

static double window_mean(double sum, const struct run_window *w) {
    return w->samples ? sum / (double)w->samples : 0;
}

static double window_dev(double sum, double squares, const struct run_window *w) {
    double n = (double)w->samples;
    if (w->samples < 2)
        return 0;
    double variance = (squares - sum * sum / n) / (n - 1);
    return variance > 0 ? sqrt(variance) : 0;
}

static void add_windows(json_t *o, const struct run_window *w, double percent_of_all) {
    set_int(o, "bw_min", (uint64_t)(w->bytes_min / 1024));
    set_int(o, "bw_max", (uint64_t)(w->bytes_max / 1024));
    set_real(o, "bw_agg", percent_of_all);
    set_real(o, "bw_mean", window_mean(w->bytes_sum, w) / 1024);
    set_real(o, "bw_dev", window_dev(w->bytes_sum, w->bytes_squares, w) / 1024);
    set_int(o, "bw_samples", w->samples);
    set_int(o, "iops_min", (uint64_t)w->iops_min);
    set_int(o, "iops_max", (uint64_t)w->iops_max);
    set_real(o, "iops_mean", window_mean(w->iops_sum, w));
    set_real(o, "iops_stddev", window_dev(w->iops_sum, w->iops_squares, w));
    set_int(o, "iops_samples", w->samples);
}

/* What part of all jobs' bytes in this direction one job moved. */
static double percent_of_all(const struct report *r, unsigned i, int dir) {
    double all = 0;
    for (unsigned n = 0; n < r->count; n++)
        all += (double)r->stat[n]->dir[dir].bytes;
    return all > 0 ? 100 * (double)r->stat[i]->dir[dir].bytes / all : 0;
}

static json_t *direction_object(const struct run_dir_stat *d, double seconds, double percent,
                                const struct style *style) {
    json_t *o = json_object();
    double bw = seconds > 0 ? (double)d->bytes / seconds : 0;
    set_int(o, "io_bytes", d->bytes);
    set_int(o, "io_kbytes", d->bytes >> 10);
    set_int(o, "bw_bytes", (uint64_t)bw);
    set_int(o, "bw", (uint64_t)(bw / 1024));
    set_real(o, "iops", seconds > 0 ? (double)d->ios / seconds : 0);
    set_int(o, "runtime", d->ios ? (uint64_t)(seconds * 1000) : 0);
    set_int(o, "total_ios", d->ios);
    set_int(o, "short_ios", 0);
    set_int(o, "drop_ios", 0);
    json_object_set_new(o, "slat_ns", full_latency_object(&d->slat, style));
    json_object_set_new(o, "clat_ns", full_latency_object(&d->clat, style));
    json_object_set_new(o, "lat_ns", full_latency_object(&d->lat, style));
    add_windows(o, &d->window, percent);
    return o;
}

static json_t *sync_object(const struct hist *h, const struct style *style) {
    json_t *o = json_object();
    set_int(o, "total_ios", h->count);
    json_object_set_new(o, "lat_ns", full_latency_object(h, style));
    return o;
}

static json_t *samples_array(const double *value, unsigned count) {
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(list, json_integer((json_int_t)value[i]));
    return list;
}

/* fio's "steadystate"; criterion, deviation and slope in percent of the mean if the limit is. */
static json_t *steady_object(const struct run_steady *s) {
    json_t *o = json_object(), *data = json_object();
    char text[64];
    snprintf(text, sizeof(text), "%s:%f%s", s->criterion, s->limit, s->percent ? "%" : "");
    json_object_set_new(o, "ss", json_string(text));
    set_int(o, "duration", (uint64_t)(s->duration_ns / 1000000000));
    set_int(o, "attained", s->attained);
    snprintf(text, sizeof(text), "%f%s", s->measure, s->percent ? "%" : "");
    json_object_set_new(o, "criterion", json_string(text));
    set_real(o, "max_deviation", s->deviation);
    set_real(o, "slope", s->slope);
    set_int(data, "bw_mean", (uint64_t)s->mean_bytes);
    set_int(data, "iops_mean", (uint64_t)s->mean_iops);
    json_object_set_new(data, "iops", samples_array(s->iops, s->samples));
    json_object_set_new(data, "bw", samples_array(s->bytes, s->samples));
    json_object_set_new(o, "data", data);
    if (s->attained)
        set_int(o, "drivelab_at_ns", (uint64_t)s->at_ns);
    return o;
}

static json_t *depth_object(const uint64_t *level) {
    static const char *const names[RUN_DEPTH_LEVELS] = {"1", "2", "4", "8", "16", "32", ">=64"};
    json_t *o = json_object();
    uint64_t total = 0;
    for (int i = 0; i < RUN_DEPTH_LEVELS; i++)
        total += level[i];
    for (int i = 0; i < RUN_DEPTH_LEVELS; i++)
        set_real(o, names[i], total ? 100.0 * (double)level[i] / (double)total : 0);
    return o;
}

/*
 * fio's iodepth_submit and iodepth_complete say how many requests one system
 * call moved; here each is handed over and taken back alone, fio's bucket "4".
 */
static json_t *batch_object(bool any) {
    static const char *const names[] = {"0", "4", "8", "16", "32", "64", ">=64"};
    json_t *o = json_object();
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        set_real(o, names[i], i == 1 && any ? 100 : 0);
    return o;
}

/* Share of all requests whose latency lies in [low, high). */
static double share(const struct run_stat *s, uint64_t low, uint64_t high) {
    uint64_t in = 0, total = 0;
    for (int d = 0; d < RUN_DIRS; d++) {
        const struct hist *h = &s->dir[d].lat;
        total += h->count;
        for (unsigned i = 0; h->count && i < HIST_BUCKETS; i++)
            if (h->bucket[i] && hist_bucket_low(i) >= low && hist_bucket_low(i) < high)
                in += h->bucket[i];
    }
    return total ? 100.0 * (double)in / (double)total : 0;
}

/* fio's latency_ns, latency_us, latency_ms: share of requests below each limit, from the previous one. */
static void add_latency_tables(json_t *o, const struct run_stat *s) {
    static const unsigned limits[] = {2, 4, 10, 20, 50, 100, 250, 500, 750, 1000};
    static const char *const names[] = {"latency_ns", "latency_us", "latency_ms"};
    uint64_t unit = 1, low = 0;
    for (int table = 0; table < 3; table++, unit *= 1000) {
        json_t *t = json_object();
        for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
            char key[12];
            snprintf(key, sizeof(key), "%u", limits[i]);
            set_real(t, key, share(s, low, limits[i] * unit));
            low = limits[i] * unit;
        }
        if (table == 2) {
            set_real(t, "2000", share(s, low, 2000 * unit));
            set_real(t, ">=2000", share(s, 2000 * unit, UINT64_MAX));
        }
        json_object_set_new(o, names[table], t);
    }
}

/* fio's units: nanoseconds, percent, microseconds. */
static void add_target(json_t *o, const struct report_target *t) {
    set_int(o, "latency_target", t ? (uint64_t)t->target_ns : 0);
    set_real(o, "latency_percentile", t ? t->percentile : 100);
    set_int(o, "latency_window", t ? (uint64_t)t->window_ns / 1000 : 0);
}

static void add_process_fields(json_t *o) {
    set_real(o, "usr_cpu", 0);
    set_real(o, "sys_cpu", 0);
    set_int(o, "ctx", 0);
    set_int(o, "majf", 0);
    set_int(o, "minf", 0);
}

static bool any_io(const struct run_stat *s) {
    return s->dir[RUN_READ].ios || s->dir[RUN_WRITE].ios || s->dir[RUN_TRIM].ios;
}

static json_t *options_object(const struct report_job_option *option) {
    json_t *o = json_object();
    for (; option && option->name; option++)
        json_object_set_new(o, option->name, json_string(option->value));
    return o;
}

static json_t *job_object(const struct report *r, unsigned i) {
    const struct run_stat *s = r->stat[i];
    double seconds = (double)(s->end_ns - s->start_ns) / 1e9;
    json_t *o = json_object(), *options = options_object(r->options[i]);
    const struct style style = {report_percentiles(r, i), r->detail != NULL};
    json_object_set_new(o, "jobname", json_string(s->name));
    set_int(o, "groupid", s->group);
    set_int(o, "error", s->first_error ? EIO : 0);
    set_int(o, "eta", 0);
    set_int(o, "elapsed", (uint64_t)seconds + 1);
    json_object_set_new(o, "job options", options);
    for (int d = 0; d < RUN_DIRS; d++)
        json_object_set_new(o, dir_names[d], direction_object(&s->dir[d], seconds, percent_of_all(r, i, d), &style));
    json_object_set_new(o, "sync", sync_object(&s->sync, &style));
    set_int(o, "job_runtime", (uint64_t)(seconds * 1000) * s->jobs);
    add_process_fields(o);
    json_object_set_new(o, "iodepth_level", depth_object(s->depth_level));
    json_object_set_new(o, "iodepth_submit", batch_object(any_io(s)));
    json_object_set_new(o, "iodepth_complete", batch_object(any_io(s)));
    add_latency_tables(o, s);
    set_int(o, "latency_depth", r->iodepth[i]);
    add_target(o, r->target ? &r->target[i] : NULL);
    if (s->steady.criterion)
        json_object_set_new(o, "steadystate", steady_object(&s->steady));
    if (s->verified)
        set_int(o, "drivelab_verified", s->verified);
    if (s->zone_resets)
        set_int(o, "drivelab_zone_resets", s->zone_resets);
    if (s->first_error) {
        json_t *failure = json_object();
        set_int(failure, "status", (uint64_t)s->first_error);
        json_object_set_new(failure, "reason", json_string(s->error_text));
        json_object_set_new(o, "drivelab_error", failure);
    }
    return o;
}

/* What all jobs did together, in one direction. */
static json_t *total_direction(const struct report *r, int dir, double seconds, struct hist *lat) {
    static const struct {
        const char *name;
        double at;
    } places[] = {{"p50", .5},     {"p90", .9},       {"p95", .95},        {"p99", .99},
                  {"p99.9", .999}, {"p99.99", .9999}, {"p99.999", .99999}, {"p99.9999", .999999}};
    uint64_t ios = 0, bytes = 0;
    hist_init(lat);
    for (unsigned i = 0; i < r->count; i++) {
        const struct run_dir_stat *d = &r->stat[i]->dir[dir];
        ios += d->ios;
        bytes += d->bytes;
        hist_merge(lat, &d->lat);
    }
    if (!ios)
        return NULL;
    json_t *o = json_object(), *latency = latency_object(lat, NULL);
    for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++)
        set_int(latency, places[i].name, hist_quantile(lat, places[i].at));
    set_int(o, "ios", ios);
    set_int(o, "bytes", bytes);
    set_real(o, "iops", seconds > 0 ? (double)ios / seconds : 0);
    set_real(o, "bw_bytes", seconds > 0 ? (double)bytes / seconds : 0);
    json_object_set_new(o, "lat_ns", latency);
    return o;
}

json_t *report_total(const struct report *r) {
    json_t *o = json_object();
    struct hist *lat = malloc(sizeof(*lat));
    int64_t start = INT64_MAX, end = INT64_MIN;
    for (unsigned i = 0; i < r->count; i++) {
        start = r->stat[i]->start_ns < start ? r->stat[i]->start_ns : start;
        end = r->stat[i]->end_ns > end ? r->stat[i]->end_ns : end;
    }
    for (int d = 0; d < RUN_DIRS && lat; d++) {
        json_t *direction = total_direction(r, d, end > start ? (double)(end - start) / 1e9 : 0, lat);
        if (direction)
            json_object_set_new(o, dir_names[d], direction);
    }
    free(lat);
    return o;
}

static json_t *drivelab_object(const struct report *r) {
    json_t *o = json_object();
    json_object_set_new(o, "version", json_string(DRIVELAB_VERSION));
    json_object_set_new(o, "drive", json_string(r->drive));
    set_int(o, "seed", r->seed);
    set_int(o, "ios", r->ios);
    set_int(o, "simulated_ns", (uint64_t)r->simulated_ns);
    if (r->interrupted)
        json_object_set_new(o, "interrupted", json_true());
    if (!r->reproducible) {
        set_int(o, "wall_ns", (uint64_t)r->wall_ns);
        set_real(o, "ios_per_wall_second", r->wall_ns ? (double)r->ios * 1e9 / (double)r->wall_ns : 0);
    }
    json_object_set_new(o, "scheduler", json_string("none")); /* requests go straight to the drive */
    json_object_set_new(o, "total", report_total(r));
    if (r->flash)
        json_object_set(o, "measured", r->flash);
    if (r->detail)
        json_object_set(o, "detail", r->detail);
    if (r->precondition)
        json_object_set(o, "precondition", r->precondition);
    if (r->page_cache)
        json_object_set(o, "page_cache", r->page_cache);
    if (r->trace)
        json_object_set(o, "trace", r->trace);
    json_object_update(o, r->drive_stats);
    json_object_set(o, "options", r->config);
    return o;
}

static void add_time(json_t *root) {
    char text[64];
    time_t now = time(NULL);
    struct tm tm;
    localtime_r(&now, &tm);
    strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm);
    set_int(root, "timestamp", (uint64_t)now);
    set_int(root, "timestamp_ms", (uint64_t)now * 1000);
    json_object_set_new(root, "time", json_string(text));
}

json_t *report_json_object(const struct report *r) {
    json_t *root = json_object(), *jobs = json_array();
    json_object_set_new(root, "fio version", json_string("fio-3.33 (drivelab " DRIVELAB_VERSION ")"));
    if (!r->reproducible)
        add_time(root);
    json_object_set_new(root, "global options", options_object(r->globals));
    for (unsigned i = 0; i < r->count; i++)
        json_array_append_new(jobs, job_object(r, i));
    json_object_set_new(root, "jobs", jobs);
    json_object_set_new(root, "disk_util", json_array());
    json_object_set_new(root, "drivelab", drivelab_object(r));
    return root;
}

static int json_write(const struct report *r, FILE *out) {
    json_t *root = report_json_object(r);
    int ret = json_dumpf(root, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12)) ? -EIO : 0;
    json_decref(root);
    if (fputc('\n', out) == EOF || fflush(out))
        ret = -EIO;
    return ret;
}

const struct report_format report_json = {"json", json_write};
