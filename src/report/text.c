/*
 * The result as text, in the manner of fio's normal output, followed by what
 * the drive did.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

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

static void print_percentiles(FILE *out, const struct hist *h) {
    static const double list[] = {1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.5, 99.9, 99.95, 99.99};
    double divisor;
    const char *unit = latency_unit((double)hist_quantile(h, 0.5), &divisor);
    const unsigned n = sizeof(list) / sizeof(list[0]);
    fprintf(out, "    clat percentiles (%s):\n", unit);
    for (unsigned i = 0; i < n; i++)
        fprintf(out, "%s%5.2fth=[%9.2f]%s", i % 3 ? " " : "     |  ", list[i],
                (double)hist_quantile(h, list[i] / 100) / divisor,
                i == n - 1   ? "\n"
                : i % 3 == 2 ? ",\n"
                             : ",");
}

static void print_direction(FILE *out, const char *name, const struct run_dir_stat *d, double seconds) {
    char iops[32], mib[32], mb[32], total[32];
    double bw = seconds > 0 ? (double)d->bytes / seconds : 0;
    fprintf(out, "  %s: IOPS=%s, BW=%s/s (%s/s)(%s/%.0fmsec)\n", name,
            iops_text(iops, sizeof(iops), seconds > 0 ? (double)d->ios / seconds : 0), bytes_text(mib, sizeof(mib), bw),
            si_bytes_text(mb, sizeof(mb), bw), bytes_text(total, sizeof(total), (double)d->bytes), seconds * 1000);
    if (d->slat.max)
        print_latency(out, "slat", &d->slat);
    print_latency(out, "clat", &d->clat);
    print_latency(out, "lat", &d->lat);
    print_percentiles(out, &d->clat);
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
            print_direction(out, names[d], &s->dir[d], (double)(s->end_ns - s->start_ns) / 1e9);
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

/* A scalar as text; false for containers. */
static bool scalar_text(json_t *value, char *buf, size_t size) {
    if (json_is_integer(value))
        snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(buf, size, "%.4g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(buf, size, "%s", json_is_true(value) ? "yes" : "no");
    else if (json_is_string(value))
        snprintf(buf, size, "%s", json_string_value(value));
    else
        return false;
    return true;
}

/* "key: value", or for an object its scalars on one line; lists are left to the JSON report. */
static void print_entry(FILE *out, const char *indent, const char *key, json_t *value) {
    char text[256];
    const char *name, *comma = "";
    json_t *member;
    if (scalar_text(value, text, sizeof(text))) {
        fprintf(out, "%s%s: %s\n", indent, key, text);
        return;
    }
    if (!json_is_object(value))
        return;
    fprintf(out, "%s%s:", indent, key);
    json_object_foreach(value, name, member) {
        if (!scalar_text(member, text, sizeof(text)))
            continue;
        fprintf(out, "%s %s %s", comma, name, text);
        comma = ",";
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

static int text_write(const struct report *r, FILE *out) {
    char rate[32];
    for (unsigned i = 0; i < r->count; i++)
        print_job(out, r, i);
    fputc('\n', out);
    if (r->precondition)
        print_entry(out, "", "Preconditioning", r->precondition);
    if (r->trace)
        print_entry(out, "", "Trace", r->trace);
    print_drive(out, r);
    fprintf(out, "\nSimulated %.6f s, %" PRIu64 " I/Os, seed %" PRIu64, (double)r->simulated_ns / 1e9, r->ios, r->seed);
    if (!r->reproducible && r->wall_ns)
        fprintf(out, ", in %.3f s of wall time (%s I/Os per second)", (double)r->wall_ns / 1e9,
                iops_text(rate, sizeof(rate), (double)r->ios * 1e9 / (double)r->wall_ns));
    fputc('\n', out);
    return fflush(out) || ferror(out) ? -EIO : 0;
}

const struct report_format report_text = {"text", text_write};
