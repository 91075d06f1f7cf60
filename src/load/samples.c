/*
 * fio's logs of latency, bandwidth and IOPS; see samples.h. Source: fio(1),
 * "LOG FILE FORMATS", and files that fio 3.33 wrote: a line is
 *
 *   milliseconds, value, direction, block size[, offset], priority
 *
 * Values: latencies in ns; bandwidth of one request in 1000 bytes a second, of
 * a window in KiB a second; IOPS of a window, or 1 for each request.
 *
 * Differs from fio: windows lie at exact multiples of log_avg_msec. The last one,
 * which is shorter, is written if it is the only one or at least half as long,
 * as figures of a few requests would mislead. Instances that share a file
 * (per_job_logs=0) write it anew and in the order of time.
 */
#include "load/samples.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "load/runner_int.h"

#define MS          1000000
#define NS_A_SECOND 1000000000

/* fio's buckets of latency: 64 a power of two. */
#define PLAT_BITS    6
#define PLAT_BUCKETS (29u << PLAT_BITS)

enum kind { KIND_SLAT, KIND_CLAT, KIND_LAT, KIND_BW, KIND_IOPS, KIND_HIST, KINDS };

/* What a window holds of one direction. */
struct window {
    uint64_t ios, bytes;
    int64_t sum_ns[KIND_BW], max_ns[KIND_BW];
};

/* The bucket of write_hist_log that is being filled. */
struct plat {
    uint64_t since; /* samples in it */
    int64_t from_ns;
    uint64_t bytes; /* of the last request */
    uint32_t bucket[PLAT_BUCKETS];
};

struct samples {
    const struct job *job;
    FILE *file[KINDS]; /* NULL: not asked for */
    int64_t start_ns, from_ns, until_ns;
    struct window window[RUN_DIRS];
    struct plat *plat; /* one for each direction; NULL: no write_hist_log */
    unsigned ioprio;
};

/* --- lines --- */

/* As fio: averages have none. */
static void print_prio(const struct samples *s, FILE *file) {
    if (s->job->log_prio)
        fprintf(file, ", 0x%04x\n", s->job->log_avg_ns ? 0 : s->ioprio);
    else
        fputs(", 0\n", file);
}

static void print_line(const struct samples *s, enum kind kind, int64_t at_ns, uint64_t value, enum run_dir dir,
                       uint64_t bytes, uint64_t offset) {
    FILE *file = s->file[kind];
    if (!file)
        return;
    fprintf(file, "%" PRId64 ", %" PRIu64 ", %d, %" PRIu64, (at_ns - s->start_ns) / MS, value, dir, bytes);
    if (s->job->log_offset)
        fprintf(file, ", %" PRIu64, offset);
    print_prio(s, file);
}

static uint64_t at_rate(uint64_t amount, uint64_t scale, int64_t ns) {
    return ns > 0 ? (uint64_t)((unsigned __int128)amount * scale / (uint64_t)ns) : 0;
}

static void print_one(const struct samples *s, const struct sample *r, const int64_t *ns) {
    const uint64_t values[] = {[KIND_SLAT] = (uint64_t)ns[KIND_SLAT],
                               [KIND_CLAT] = (uint64_t)ns[KIND_CLAT],
                               [KIND_LAT] = (uint64_t)ns[KIND_LAT],
                               [KIND_BW] = at_rate(r->bytes, 1000000, ns[KIND_CLAT]),
                               [KIND_IOPS] = 1};
    for (enum kind kind = 0; kind < KIND_HIST; kind++)
        print_line(s, kind, r->completed_ns, values[kind], r->dir, r->bytes, r->offset);
}

/* --- windows --- */

static void window_add(struct window *w, const struct sample *r, const int64_t *ns) {
    w->ios++;
    w->bytes += r->bytes;
    for (enum kind kind = 0; kind < KIND_BW; kind++) {
        w->sum_ns[kind] += ns[kind];
        w->max_ns[kind] = ns[kind] > w->max_ns[kind] ? ns[kind] : w->max_ns[kind];
    }
}

/* Write the window that ends at `to_ns` and begin the next one. */
static void window_close(struct samples *s, int64_t to_ns) {
    int64_t span = to_ns - s->from_ns;
    for (enum run_dir dir = 0; dir < RUN_DIRS; dir++) {
        struct window *w = &s->window[dir];
        if (!w->ios)
            continue;
        for (enum kind kind = 0; kind < KIND_BW; kind++) {
            uint64_t mean = ((uint64_t)w->sum_ns[kind] + w->ios / 2) / w->ios;
            print_line(s, kind, to_ns, s->job->log_max_value ? (uint64_t)w->max_ns[kind] : mean, dir, 0, 0);
        }
        print_line(s, KIND_BW, to_ns, at_rate(w->bytes, NS_A_SECOND, span) / 1024, dir, 0, 0);
        print_line(s, KIND_IOPS, to_ns, at_rate(w->ios, NS_A_SECOND, span), dir, 0, 0);
        *w = (struct window){0};
    }
    s->from_ns = to_ns;
}

/* Up to the window that `at_ns` lies in. */
static void windows_advance(struct samples *s, int64_t at_ns) {
    int64_t every = s->job->log_avg_ns;
    if (at_ns < s->until_ns)
        return;
    window_close(s, s->until_ns);
    s->from_ns = s->start_ns + (at_ns - s->start_ns) / every * every;
    s->until_ns = s->from_ns + every;
}

/* --- histograms --- */

static unsigned plat_bucket(uint64_t ns) {
    unsigned top = ns ? 63 - (unsigned)__builtin_clzll(ns) : 0;
    if (top <= PLAT_BITS)
        return (unsigned)ns;
    unsigned shift = top - PLAT_BITS;
    unsigned bucket = ((shift + 1) << PLAT_BITS) + (unsigned)(ns >> shift & ((1u << PLAT_BITS) - 1));
    return bucket < PLAT_BUCKETS ? bucket : PLAT_BUCKETS - 1;
}

static void plat_close(struct samples *s, enum run_dir dir, int64_t at_ns) {
    struct plat *p = &s->plat[dir];
    FILE *file = s->file[KIND_HIST];
    unsigned stride = 1u << s->job->log_hist_coarseness;
    fprintf(file, "%" PRId64 ", %d, %" PRIu64, (at_ns - s->start_ns) / MS, dir, p->bytes);
    for (unsigned i = 0; i < PLAT_BUCKETS; i += stride) {
        uint64_t sum = 0;
        for (unsigned k = i; k < i + stride; k++)
            sum += p->bucket[k];
        fprintf(file, ", %" PRIu64, sum);
    }
    fputc('\n', file);
    *p = (struct plat){.from_ns = at_ns};
}

/* As fio: a line with the first request that is answered log_hist_msec after the last line. */
static void plat_add(struct samples *s, const struct sample *r, int64_t clat_ns) {
    struct plat *p = &s->plat[r->dir];
    p->since++;
    p->bytes = r->bytes;
    p->bucket[plat_bucket((uint64_t)clat_ns)]++;
    if (r->completed_ns - p->from_ns >= s->job->log_hist_ns)
        plat_close(s, r->dir, r->completed_ns);
}

/* --- */

void samples_begin(struct samples *s, int64_t now_ns) {
    s->start_ns = s->from_ns = now_ns;
    s->until_ns = now_ns + s->job->log_avg_ns;
    memset(s->window, 0, sizeof(s->window));
    for (int dir = 0; s->plat && dir < RUN_DIRS; dir++)
        s->plat[dir] = (struct plat){.from_ns = now_ns};
}

static int64_t at_least_0(int64_t ns) {
    return ns > 0 ? ns : 0;
}

void samples_note(struct samples *s, const struct sample *r) {
    const int64_t ns[] = {[KIND_SLAT] = at_least_0(r->submitted_ns - r->wanted_ns),
                          [KIND_CLAT] = at_least_0(r->completed_ns - r->submitted_ns),
                          [KIND_LAT] = at_least_0(r->completed_ns - r->wanted_ns)};
    if (s->plat)
        plat_add(s, r, ns[KIND_CLAT]);
    if (!s->job->log_avg_ns) {
        print_one(s, r, ns);
        return;
    }
    windows_advance(s, r->completed_ns);
    window_add(&s->window[r->dir], r, ns);
}

void samples_end(struct samples *s, int64_t now_ns) {
    int64_t span = now_ns - s->from_ns;
    if (s->job->log_avg_ns && span > 0 && (s->from_ns == s->start_ns || span >= s->job->log_avg_ns / 2))
        window_close(s, now_ns);
    for (enum run_dir dir = 0; s->plat && dir < RUN_DIRS; dir++)
        if (s->plat[dir].since)
            plat_close(s, dir, now_ns);
}

void samples_free(struct samples *s) {
    if (s)
        free(s->plat);
    free(s);
}

/* --- opening --- */

/* The files, as enum kind numbers them. */
static const struct {
    const char *option, *type;
    size_t log; /* its field in struct job */
} logs[KINDS] = {
    [KIND_SLAT] = {"write_lat_log", "slat", offsetof(struct job, write_lat_log)},
    [KIND_CLAT] = {"write_lat_log", "clat", offsetof(struct job, write_lat_log)},
    [KIND_LAT] = {"write_lat_log", "lat", offsetof(struct job, write_lat_log)},
    [KIND_BW] = {"write_bw_log", "bw", offsetof(struct job, write_bw_log)},
    [KIND_IOPS] = {"write_iops_log", "iops", offsetof(struct job, write_iops_log)},
    [KIND_HIST] = {"write_hist_log", "clat_hist", offsetof(struct job, write_hist_log)},
};

int samples_each_file(const struct job *job, unsigned index, samples_use *use, void *context) {
    char path[LOG_PATH_MAX];
    for (unsigned kind = 0; kind < KINDS; kind++) {
        const struct job_log *log = (const struct job_log *)((const char *)job + logs[kind].log);
        const char *name = log->name[0] ? log->name : job->name;
        if (!log->given)
            continue;
        if (job->per_job_logs)
            snprintf(path, sizeof(path), "%s_%s.%u.log", name, logs[kind].type, index + 1);
        else
            snprintf(path, sizeof(path), "%s_%s.log", name, logs[kind].type);
        int ret = use(context, logs[kind].option, path, kind);
        if (ret)
            return ret;
    }
    return 0;
}

struct opening {
    struct run *run;
    struct worker *worker;
    struct err *e;
};

static int open_one(void *context, const char *option, const char *path, unsigned kind) {
    const struct opening *o = context;
    struct logfile *file = logfile_use(o->run, o->worker->job, option, path, o->e);
    if (!file)
        return o->e->code;
    o->worker->samples->file[kind] = file->out.stream;
    return 0;
}

static unsigned ioprio(const struct job *job) {
    if (job->prio < 0 && job->prioclass < 0)
        return 0;
    /* As the kernel: a level without a class is one of best effort. */
    return (unsigned)(job->prioclass > 0 ? job->prioclass : 2) << 13 | (unsigned)(job->prio > 0 ? job->prio : 0);
}

int samples_open(struct run *run, struct worker *w, struct err *e) {
    const struct job *job = w->job;
    if (!job_writes_samples(job))
        return 0;
    struct samples *s = w->samples = calloc(1, sizeof(*s));
    if (s && job->write_hist_log.given)
        s->plat = calloc(RUN_DIRS, sizeof(*s->plat));
    if (!s || (job->write_hist_log.given && !s->plat))
        return err_set(e, ENOMEM, "job \"%s\": no memory for its logs", job->name);
    s->job = job;
    s->ioprio = ioprio(job);
    return samples_each_file(job, w->index, open_one, &(struct opening){run, w, e});
}
