/*
 * The result as text, in the manner of fio's normal output, followed by what
 * the drive did.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/text.h"
#include "report/processes.h"
#include "report/report.h"

/* Bandwidth and IOPS with three significant places and a unit. */
static const char *scaled(char *buf, size_t size, double value, double base, const char *const *units) {
    int u = 0;
    while (value >= base && units[u + 1]) {
        value /= base;
        u++;
    }
    snprintf(buf, size, "%.*f%s", value < 10 && u ? 2 : value < 100 && u ? 1 : 0, value, units[u]);
    return buf;
}

static const char *iops_text(char *buf, size_t size, double iops) {
    static const char *const units[] = {"", "k", "M", NULL};
    return scaled(buf, size, iops, 1000, units);
}

static const char *bytes_text(char *buf, size_t size, double bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", NULL};
    return scaled(buf, size, bytes, 1024, units);
}

static const char *si_bytes_text(char *buf, size_t size, double bytes) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", NULL};
    return scaled(buf, size, bytes, 1000, units);
}

/* The unit fio would choose for a latency line. */
static const char *latency_unit(double ns, double *divisor) {
    *divisor = ns < 10000 ? 1 : ns < 10e6 ? 1e3 : 1e6;
    return ns < 10000 ? "nsec" : ns < 10e6 ? "usec" : "msec";
}

static void print_latency(FILE *out, const char *name, const struct hist *h) {
    double divisor;
    const char *unit = latency_unit(hist_mean(h), &divisor);
    fprintf(out, "    %4s (%s): min=%.2f, max=%.2f, avg=%.2f, stdev=%.2f\n", name, unit, (double)h->min / divisor,
            (double)h->max / divisor, hist_mean(h) / divisor, hist_stddev(h) / divisor);
}

/* Decimals that a number needs, at most six. */
static int decimals(double value) {
    char text[32];
    int n = 6;
    size_t length = (size_t)snprintf(text, sizeof(text), "%.6f", value);
    while (n && length && text[--length] == '0')
        n--;
    return n;
}

static void print_percentiles(FILE *out, const struct hist *h, const double *list) {
    double divisor;
    const char *unit = latency_unit((double)hist_quantile(h, 0.5), &divisor);
    int places = 2;
    for (const double *at = list; *at; at++)
        places = decimals(*at) > places ? decimals(*at) : places;
    fprintf(out, "    clat percentiles (%s):\n", unit);
    for (unsigned i = 0; list[i]; i++)
        fprintf(out, "%s%*.*fth=[%9.2f]%s", i % 3 ? " " : "     |  ", places + 3, places, list[i],
                (double)hist_quantile(h, list[i] / 100) / divisor,
                !list[i + 1] ? "\n"
                : i % 3 == 2 ? ",\n"
                             : ",");
}

static void print_direction(FILE *out, const char *name, const struct run_dir_stat *d, double seconds,
                            const double *percentiles) {
    char iops[32], mib[32], mb[32], total[32];
    double bw = seconds > 0 ? (double)d->bytes / seconds : 0;
    fprintf(out, "  %s: IOPS=%s, BW=%s/s (%s/s)(%s/%.0fmsec)\n", name,
            iops_text(iops, sizeof(iops), seconds > 0 ? (double)d->ios / seconds : 0), bytes_text(mib, sizeof(mib), bw),
            si_bytes_text(mb, sizeof(mb), bw), bytes_text(total, sizeof(total), (double)d->bytes), seconds * 1000);
    if (d->slat.max)
        print_latency(out, "slat", &d->slat);
    print_latency(out, "clat", &d->clat);
    print_latency(out, "lat", &d->lat);
    print_percentiles(out, &d->clat, percentiles);
}

static void print_job(FILE *out, const struct report *r, unsigned i) {
    static const char *const names[RUN_DIRS] = {"read", "write", "trim"};
    const struct run_stat *s = r->stat[i];
    fprintf(out, "%s: (groupid=%u, jobs=%u): err=%2d", s->name, s->group, s->jobs, s->first_error ? EIO : 0);
    if (s->first_error)
        fprintf(out, " (status 0x%03x: %s)", (unsigned)s->first_error, s->error_text);
    fputc('\n', out);
    for (int d = 0; d < RUN_DIRS; d++)
        if (s->dir[d].ios)
            print_direction(out, names[d], &s->dir[d], (double)(s->end_ns - s->start_ns) / 1e9,
                            report_percentiles(r, i));
    if (s->sync.count) {
        fprintf(out, "  sync: %" PRIu64 " flushes\n", s->sync.count);
        print_latency(out, "lat", &s->sync);
    }
    if (s->verified)
        fprintf(out, "  verified: %" PRIu64 " requests\n", s->verified);
    if (s->zone_resets)
        fprintf(out, "  zone resets: %" PRIu64 "\n", s->zone_resets);
    if (s->latency_depth)
        fprintf(out, "  latency target: met at depth %u\n", s->latency_depth);
    if (s->steady.criterion)
        fprintf(out, "  steady state: %s:%g%s %s, mean IOPS=%.0f, slope=%.3g, largest deviation=%.3g\n",
                s->steady.criterion, s->steady.limit, s->steady.percent ? "%" : "",
                s->steady.attained ? "attained" : "not attained", s->steady.mean_iops, s->steady.slope,
                s->steady.deviation);
}

/* --- long lines: fio's own stay as they are, which programs read --- */

#define WIDTH 100

/* Lines that grow piece by piece and go on below, indented, when they are full. */
struct flow {
    FILE *out;
    int column, indent;
};

static void flow_begin(struct flow *f, FILE *out, const char *indent, const char *head) {
    *f = (struct flow){.out = out, .indent = (int)strlen(indent) + 4};
    f->column = fprintf(out, "%s%s", indent, head);
}

/* A piece that is not to be torn, with what stands between it and the one before. */
static void flow_add(struct flow *f, const char *between, const char *piece) {
    int length = (int)strlen(piece), gap = (int)strlen(between);
    bool full = f->column + gap + length >= WIDTH && f->column > f->indent; /* a comma may follow */
    while (full && gap && between[gap - 1] == ' ')
        gap--;
    fprintf(f->out, "%.*s", gap, between);
    if (full)
        f->column = fprintf(f->out, "\n%*s", f->indent, "") - 1 - gap;
    f->column += gap + fprintf(f->out, "%s", piece);
}

/* --- groups, and all jobs together --- */

/* What a group of jobs did in one direction. */
struct sum {
    uint64_t bytes;
    double least_bw, most_bw; /* of a job, bytes a second */
    int64_t least_ns, most_ns;
};

static struct sum sum_of(const struct report *r, unsigned group, int dir) {
    struct sum sum = {0};
    for (unsigned i = 0; i < r->count; i++) {
        const struct run_stat *s = r->stat[i];
        int64_t ns = s->end_ns - s->start_ns;
        if (s->group != group || !s->dir[dir].ios || ns <= 0)
            continue;
        double bw = (double)s->dir[dir].bytes * 1e9 / (double)ns;
        sum.least_bw = sum.bytes && sum.least_bw < bw ? sum.least_bw : bw;
        sum.most_bw = sum.most_bw > bw ? sum.most_bw : bw;
        sum.least_ns = sum.bytes && sum.least_ns < ns ? sum.least_ns : ns;
        sum.most_ns = sum.most_ns > ns ? sum.most_ns : ns;
        sum.bytes += s->dir[dir].bytes;
    }
    return sum;
}

static const char *const group_names[RUN_DIRS] = {"READ", "WRITE", "TRIM"};

static void print_sum(FILE *out, int dir, const struct sum *s) {
    char t[8][32];
    double bw = (double)s->bytes * 1e9 / (double)s->most_ns;
    fprintf(out, "%7s: bw=%s/s (%s/s), %s/s-%s/s (%s/s-%s/s), io=%s (%s), run=%" PRId64 "-%" PRId64 "msec\n",
            group_names[dir], bytes_text(t[0], 32, bw), si_bytes_text(t[1], 32, bw), bytes_text(t[2], 32, s->least_bw),
            bytes_text(t[3], 32, s->most_bw), si_bytes_text(t[4], 32, s->least_bw), si_bytes_text(t[5], 32, s->most_bw),
            bytes_text(t[6], 32, (double)s->bytes), si_bytes_text(t[7], 32, (double)s->bytes), s->least_ns / 1000000,
            s->most_ns / 1000000);
}

static void print_groups(FILE *out, const struct report *r) {
    unsigned last = 0;
    for (unsigned i = 0; i < r->count; i++)
        last = r->stat[i]->group > last ? r->stat[i]->group : last;
    for (unsigned group = 0; group <= last && r->count; group++) {
        fprintf(out, "\nRun status group %u (all jobs):\n", group);
        for (int d = 0; d < RUN_DIRS; d++) {
            struct sum sum = sum_of(r, group, d);
            if (sum.bytes)
                print_sum(out, d, &sum);
        }
    }
}

static void print_total(FILE *out, const struct report *r) {
    const char *name;
    json_t *total = report_total(r), *d;
    fprintf(out, "\nTotal:\n");
    json_object_foreach(total, name, d) {
        static const char *const keys[][2] = {
            {"mean", "lat avg"}, {"p50", "p50"}, {"p99", "p99"}, {"p99.9", "p99.9"}, {"max", "max"}};
        json_t *lat = json_object_get(d, "lat_ns");
        char piece[96], iops[32];
        struct flow f;
        snprintf(piece, sizeof(piece), "%8s:", name);
        flow_begin(&f, out, "", piece);
        f.indent = (int)strlen(piece) + 1;
        snprintf(piece, sizeof(piece), "%" JSON_INTEGER_FORMAT " I/Os, IOPS=%s, BW=%s",
                 json_integer_value(json_object_get(d, "ios")),
                 iops_text(iops, sizeof(iops), json_number_value(json_object_get(d, "iops"))),
                 text_rate(json_number_value(json_object_get(d, "bw_bytes"))).s);
        flow_add(&f, " ", piece);
        for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
            double ns = json_number_value(json_object_get(lat, keys[i][0]));
            snprintf(piece, sizeof(piece), "%s=%s", keys[i][1], text_time((int64_t)(ns + .5)).s);
            flow_add(&f, ", ", piece);
        }
        fputc('\n', out);
    }
    json_decref(total);
}

/* --- where the time went --- */

static void print_stage(FILE *out, const char *stage, json_t *mean, json_t *slowest) {
    const json_t *parts[] = {mean, slowest};
    fprintf(out, "    %-14s", stage);
    for (unsigned i = 0; i < 2; i++) {
        double ns = json_number_value(json_object_get(json_object_get(parts[i], "stages_ns"), stage));
        double whole = json_number_value(json_object_get(parts[i], "latency_ns"));
        fprintf(out, "  %10s %5.1f %%", text_time((int64_t)(ns + .5)).s, whole > 0 ? 100 * ns / whole : 0);
    }
    fputc('\n', out);
}

static void print_kind(FILE *out, const char *kind, json_t *mean, json_t *slowest) {
    const char *stage;
    json_t *value, *in_mean = json_object_get(mean, "stages_ns");
    fprintf(out, "  %-16s  %10s          %10s\n", kind,
            text_time((int64_t)(json_number_value(json_object_get(mean, "latency_ns")) + .5)).s,
            text_time((int64_t)(json_number_value(json_object_get(slowest, "latency_ns")) + .5)).s);
    json_object_foreach(in_mean, stage, value) print_stage(out, stage, mean, slowest);
}

static void print_stages(FILE *out, const struct report *r) {
    const char *kind;
    json_t *value, *all = json_object_get(r->detail, "latency_by_stage");
    if (!json_object_size(all))
        return;
    fprintf(out, "\nWhere the time went:    of all requests, of the slowest 0.1 %%\n");
    json_object_foreach(all, kind, value)
        print_kind(out, kind, json_object_get(value, "mean"), json_object_get(value, "slowest"));
}

/* --- the drive --- */

/* With one blank where there are several: files of /sys have columns. */
static void print_words(char *buf, size_t size, const char *text) {
    size_t n = 0;
    for (text += strspn(text, " "); *text && n + 1 < size; text++)
        if (*text != ' ' || (text[1] && text[1] != ' '))
            buf[n++] = *text;
    buf[n] = '\0';
}

/* A scalar as text; false for containers. */
static bool scalar_text(json_t *value, char *buf, size_t size) {
    if (json_is_integer(value))
        snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(buf, size, "%.4g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(buf, size, "%s", json_is_true(value) ? "yes" : "no");
    else if (json_is_string(value))
        print_words(buf, size, json_string_value(value));
    else
        return false;
    return true;
}

/* "key: value", or for an object its scalars after each other; lists are left to the JSON report. */
static void print_entry(FILE *out, const char *indent, const char *key, json_t *value) {
    char text[256], piece[400];
    struct flow f;
    const char *name, *between = " ";
    json_t *member;
    if (scalar_text(value, text, sizeof(text))) {
        fprintf(out, "%s%s: %s\n", indent, key, text);
        return;
    }
    if (!json_is_object(value))
        return;
    snprintf(piece, sizeof(piece), "%s:", key);
    flow_begin(&f, out, indent, piece);
    json_object_foreach(value, name, member) {
        if (!scalar_text(member, text, sizeof(text)))
            continue;
        snprintf(piece, sizeof(piece), "%s %s", name, text);
        flow_add(&f, between, piece);
        between = ", ";
    }
    fputc('\n', out);
}

static void print_drive(FILE *out, const struct report *r) {
    const char *section, *key;
    json_t *object, *value;
    fprintf(out, "Drive %s:\n", r->drive);
    json_object_foreach(r->drive_stats, section, object) {
        bool nested = false;
        json_object_foreach(object, key, value) nested = nested || json_is_object(value);
        if (!nested) {
            print_entry(out, "  ", section, object);
            continue;
        }
        fprintf(out, "  %s:\n", section);
        json_object_foreach(object, key, value) print_entry(out, "    ", key, value);
    }
}

static void print_processes(FILE *out, const struct report *r) {
    if (!processes_any(r->drive_stats))
        return;
    fprintf(out, "\nProcesses:\n");
    processes_print(r->drive_stats, out);
}

static int text_write(const struct report *r, FILE *out) {
    char rate[32];
    for (unsigned i = 0; i < r->count; i++)
        print_job(out, r, i);
    print_groups(out, r);
    print_total(out, r);
    print_stages(out, r);
    print_processes(out, r);
    fputc('\n', out);
    if (r->precondition)
        print_entry(out, "", "Preconditioning", r->precondition);
    if (r->page_cache)
        print_entry(out, "", "Page cache", r->page_cache);
    if (r->trace)
        print_entry(out, "", "Trace", r->trace);
    print_drive(out, r);
    fprintf(out, "\nSimulated %.6f s, %" PRIu64 " I/Os, seed %" PRIu64, (double)r->simulated_ns / 1e9, r->ios, r->seed);
    if (!r->reproducible && r->wall_ns)
        fprintf(out, ", in %.3f s of wall time (%s I/Os per second)", (double)r->wall_ns / 1e9,
                iops_text(rate, sizeof(rate), (double)r->ios * 1e9 / (double)r->wall_ns));
    fputc('\n', out);
    if (r->interrupted)
        fputs("Interrupted: these are the results of the part that was run.\n", out);
    return fflush(out) || ferror(out) ? -EIO : 0;
}

const struct report_format report_text = {"text", text_write};
