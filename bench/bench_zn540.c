/*
 * The published measurements of the WD Ultrastar DC ZN540 again, in virtual
 * time, on the profile wd-zn540: each cell published, modelled, and their
 * ratio; and how many are within their tolerance.
 *
 * Sources of the published figures:
 *  [A] Doekemeijer et al., "Performance Characterization of NVMe Flash Devices
 *      with Zoned Namespaces (ZNS)", CLUSTER'23; artifact
 *      stonet-research/NVMeBenchmarks, data/. fio 3.32 with SPDK, 4 KiB format.
 *  [B] "Exploring I/O Management Performance in ZNS with ConfZNS++", SYSTOR'24;
 *      artifact systor-confznsplusplus-artifact. fio with io_uring_cmd.
 * Figures of other host stacks than SPDK and io_uring_cmd are left out: they
 * measure the host's scheduler.
 *
 * The host: a request is prepared after the last one came back, for as long as
 * the published IOPS and latencies of depth 1 leave between them (SPDK: 0.30
 * us and 17 ns per KiB of a write, 0.34 us a read); io_uring_cmd adds what
 * depth 1 without interference took more than with SPDK.
 *
 * usage: bench_zn540 [-p profile] [-o section.key=value]... [table]...
 */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hist.h"
#include "base/rng.h"
#include "drive/drive.h"
#include "drive/profile.h"

enum { KiB = 1024, MiB = 1 << 20, JOBS_MAX = 20, DEPTH_MAX = 256, FILLED = 24 };
static const int64_t US = 1000, MS = 1000000, S = 1000000000;

/* --- the world --- */

struct world {
    struct drive_config config;
    struct sim *sim;
    struct drive *drive;
    uint64_t zone_bytes, capacity;
    uint32_t zones, next; /* next: of the empty zones */
    bool measuring, filled;
    unsigned cells, judged, good;
    const char *table, *source;
};

enum job_kind { JOB_WRITE, JOB_APPEND, JOB_RANDREAD, JOB_SEQREAD, JOB_FINISH, JOB_RESET };

struct slot {
    struct io io; /* first */
    struct sim_event event;
    struct job *job;
    int64_t started;
    bool posted; /* the host's part is over */
};

/* Requests that come one after another, `depth` of them at once. */
struct job {
    struct world *w;
    enum job_kind kind;
    uint64_t bytes, at;
    unsigned depth;
    uint32_t zone;
    int64_t host_ns, gap_ns;   /* host time inside and between latencies */
    int64_t period_ns, due_ns; /* rate */
    bool stopped;
    struct hist hist;
    struct rng rng;
    struct slot slot[DEPTH_MAX];
};

static struct world the_world;
static struct job jobs[JOBS_MAX];
static unsigned job_count;

static void must(const struct io *io) {
    if (io->status == IO_OK)
        return;
    fprintf(stderr, "request failed: status %03xh, %s\n", io->status, io->reason ? io->reason : "no reason");
    exit(1);
}

/* --- one request at a time --- */

static void came_back(struct io *io) {
    io->owner = 1;
    sim_stop(the_world.sim);
}

static int64_t submit_wait(struct world *w, struct io *io) {
    io->done = came_back;
    drive_submit(w->drive, io);
    while (!io->owner)
        sim_run(w->sim, SIM_NEVER);
    must(io);
    return io->completed_ns - io->submitted_ns;
}

static int64_t zone_action(struct world *w, uint32_t zone, uint8_t action, uint32_t flags) {
    struct io io;
    io_init(&io);
    io.op = IO_ZONE;
    io.action = action;
    io.flags = flags;
    io.offset = zone * w->zone_bytes;
    io.bytes = flags & IO_ZONE_ALL ? (uint64_t)(w->zones - zone) * w->zone_bytes : 0;
    return submit_wait(w, &io);
}

static int64_t write_at(struct world *w, uint8_t op, uint32_t zone, uint64_t at, uint64_t bytes) {
    struct io io;
    io_init(&io);
    io.op = op;
    io.flags = IO_NO_DATA;
    io.offset = zone * w->zone_bytes + (op == IO_APPEND ? 0 : at);
    io.bytes = bytes;
    return submit_wait(w, &io);
}

static uint32_t empty_zone(struct world *w) {
    if (w->next == w->zones) {
        fprintf(stderr, "no empty zone is left\n");
        exit(1);
    }
    return w->next++;
}

static void settle(struct world *w) {
    sim_run(w->sim, sim_now(w->sim) + S);
}

static void clean(struct world *w) {
    if (w->next > FILLED)
        zone_action(w, FILLED, ZONE_RESET, IO_ZONE_ALL);
    settle(w);
    w->next = FILLED;
}

/* --- jobs --- */

static void slot_next(struct slot *s) {
    struct job *j = s->job;
    int64_t now = sim_now(j->w->sim), at = now + j->gap_ns;
    if (j->period_ns) {
        at = j->due_ns > at ? j->due_ns : at;
        j->due_ns += j->period_ns;
    }
    s->posted = false;
    sim_schedule(j->w->sim, &s->event, at);
}

static void slot_done(struct io *io) {
    struct slot *s = (struct slot *)io; /* first member */
    struct job *j = s->job;
    must(io);
    if (j->w->measuring)
        hist_record(&j->hist, sim_now(j->w->sim) - s->started);
    if (!j->stopped)
        slot_next(s);
}

static void place_write(struct job *j, struct io *io) {
    if (j->at + j->bytes > j->w->capacity) {
        j->zone = empty_zone(j->w);
        j->at = 0;
    }
    io->op = j->kind == JOB_APPEND ? IO_APPEND : IO_WRITE;
    io->flags = IO_NO_DATA;
    io->offset = j->zone * j->w->zone_bytes + (j->kind == JOB_APPEND ? 0 : j->at);
    j->at += j->bytes;
}

static void place_read(struct job *j, struct io *io) {
    io->op = IO_READ;
    if (j->kind == JOB_RANDREAD) {
        io->offset =
            rng_below(&j->rng, FILLED) * j->w->zone_bytes + rng_below(&j->rng, j->w->capacity / j->bytes) * j->bytes;
        return;
    }
    if (j->at + j->bytes > j->w->capacity)
        j->at = 0;
    io->offset = j->zone * j->w->zone_bytes + j->at;
    j->at += j->bytes;
}

static void place_action(struct job *j, struct io *io, uint8_t action) {
    io->op = IO_ZONE;
    io->action = action;
    io->bytes = 0;
    io->offset = j->zone * j->w->zone_bytes;
}

static void finish_prepared(struct io *io) {
    struct slot *s = (struct slot *)io; /* first member */
    must(io);
    io_init(io);
    io->done = slot_done;
    place_action(s->job, io, ZONE_FINISH);
    drive_submit(s->job->w->drive, io);
}

static void slot_go(struct slot *s) {
    struct job *j = s->job;
    struct io *io = &s->io;
    io_init(io);
    io->done = slot_done;
    io->bytes = j->bytes;
    if (j->kind == JOB_WRITE || j->kind == JOB_APPEND) {
        place_write(j, io);
    } else if (j->kind == JOB_RANDREAD || j->kind == JOB_SEQREAD) {
        place_read(j, io);
    } else if (j->kind == JOB_RESET) {
        place_action(j, io, ZONE_RESET);
        j->zone++;
    } else { /* a zone with one block */
        j->zone = empty_zone(j->w);
        io->op = IO_WRITE;
        io->flags = IO_NO_DATA;
        io->offset = j->zone * j->w->zone_bytes;
        io->done = finish_prepared;
    }
    drive_submit(j->w->drive, io);
}

static void slot_event(struct sim_event *event) {
    struct slot *s = (struct slot *)((char *)event - offsetof(struct slot, event));
    struct job *j = s->job;
    if (!s->posted)
        s->started = sim_now(j->w->sim);
    if (j->host_ns && !s->posted) {
        s->posted = true;
        sim_schedule(j->w->sim, event, s->started + j->host_ns);
        return;
    }
    slot_go(s);
}

static struct job *job_add(struct world *w, enum job_kind kind, uint64_t bytes, unsigned depth) {
    struct job *j = &jobs[job_count];
    memset(j, 0, offsetof(struct job, slot));
    hist_init(&j->hist);
    rng_init(&j->rng, 1, job_count++);
    j->w = w;
    j->kind = kind;
    j->bytes = bytes;
    j->depth = depth;
    j->gap_ns = 340;
    if (kind == JOB_WRITE || kind == JOB_APPEND) {
        j->gap_ns = 300 + 17 * (int64_t)bytes / KiB;
        j->at = w->capacity; /* a new zone at once */
    }
    return j;
}

/* io_uring_cmd instead of SPDK: what [B]'s rows without interference need more. */
static struct job *uring(struct job *j) {
    bool write = j->kind == JOB_WRITE || j->kind == JOB_APPEND;
    j->host_ns = write ? 4000 : 3300;
    j->gap_ns = write ? 700 : 900;
    return j;
}

static void run_jobs(struct world *w, int64_t warm, int64_t time) {
    int64_t start = sim_now(w->sim);
    for (unsigned i = 0; i < job_count; i++) {
        struct job *j = &jobs[i];
        j->due_ns = start + j->period_ns;
        for (unsigned k = 0; k < j->depth; k++) {
            struct slot *s = &j->slot[k];
            s->job = j;
            s->posted = false;
            sim_event_init(&s->event, slot_event);
            sim_schedule(w->sim, &s->event, start + (int64_t)rng_below(&j->rng, 5000));
        }
    }
    sim_run(w->sim, start + warm);
    w->measuring = true;
    sim_run(w->sim, start + warm + time);
    w->measuring = false;
}

static void stop_jobs(struct world *w) {
    for (unsigned i = 0; i < job_count; i++) {
        jobs[i].stopped = true;
        for (unsigned k = 0; k < jobs[i].depth; k++)
            sim_cancel(w->sim, &jobs[i].slot[k].event);
    }
    while (w->drive->inflight)
        sim_run(w->sim, sim_now(w->sim) + MS);
    job_count = 0;
}

/* Merged results of jobs [0, count). */
struct result {
    double iops, mean_us, p50_us, p95_us, p99_us;
};

static struct hist merged;

static struct result result_of(unsigned first, unsigned count, int64_t time) {
    hist_init(&merged);
    for (unsigned i = first; i < first + count; i++)
        hist_merge(&merged, &jobs[i].hist);
    return (struct result){(double)merged.count * 1e9 / (double)time, hist_mean(&merged) / 1e3,
                           (double)hist_quantile(&merged, 0.50) / 1e3, (double)hist_quantile(&merged, 0.95) / 1e3,
                           (double)hist_quantile(&merged, 0.99) / 1e3};
}

/* --- cells --- */

/* tolerance in percent; 0: shown, not judged. */
static void cell(struct world *w, const char *what, const char *unit, double published, double modelled,
                 double tolerance) {
    double ratio = published > 0 ? modelled / published : 0;
    bool good = ratio >= 1 - tolerance / 100 && ratio <= 1 + tolerance / 100;
    w->cells++;
    w->judged += tolerance > 0;
    w->good += tolerance > 0 && good;
    printf("%-6s %-44s %-6s %12.6g %12.6g  %6.3f  ", w->table, what, unit, published, modelled, ratio);
    if (tolerance > 0)
        printf("%3.0f %% %s  %s\n", tolerance, good ? "ok " : "OUT", w->source);
    else
        printf("          %s\n", w->source);
}

#define COUNT(a) (sizeof(a) / sizeof *(a))

static char what[100];
static const char *label(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *label(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return what;
}

/* --- T1.2: depth 1 by block size --- */

static struct result simple(struct world *w, enum job_kind kind, uint64_t bytes, unsigned count, unsigned depth,
                            int64_t time) {
    for (unsigned i = 0; i < count; i++) {
        struct job *j = job_add(w, kind, bytes, depth);
        j->zone = i;
    }
    run_jobs(w, kind == JOB_WRITE && count > 4 ? 400 * MS : 40 * MS, time);
    struct result r = result_of(0, count, time);
    stop_jobs(w);
    if (kind == JOB_WRITE || kind == JOB_APPEND)
        clean(w);
    return r;
}

static void table_2(struct world *w) {
    static const struct {
        unsigned kib;
        double write_us, write_iops, append_us, append_iops;
    } rows[] = {{4, 11.36, 85147, 14.83, 65680},  {8, 11.24, 85409, 14.02, 69049},  {16, 16.25, 59395, 20.11, 48263},
                {32, 26.42, 36641, 27.91, 34721}, {64, 53.23, 18286, 53.12, 18340}, {128, 106.55, 9171, 106.67, 9157}};
    static const struct {
        unsigned kib;
        double us, iops;
    } reads[] = {{4, 72.64, 13704}, {8, 84.15, 11833}, {16, 101.59, 9809}};
    w->source = "[A] data/spdk/zns-a/lbaf2/{write,append,read}";
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct result r = simple(w, JOB_WRITE, rows[i].kib * KiB, 1, 1, 200 * MS);
        cell(w, label("write %u KiB, depth 1: latency", rows[i].kib), "us", rows[i].write_us, r.mean_us, 5);
        cell(w, label("write %u KiB, depth 1", rows[i].kib), "IOPS", rows[i].write_iops, r.iops, 5);
        r = simple(w, JOB_APPEND, rows[i].kib * KiB, 1, 1, 200 * MS);
        cell(w, label("append %u KiB, depth 1: latency", rows[i].kib), "us", rows[i].append_us, r.mean_us, 5);
        cell(w, label("append %u KiB, depth 1", rows[i].kib), "IOPS", rows[i].append_iops, r.iops, 5);
    }
    static const struct {
        unsigned bytes;
        double write_us, append_us;
    } parts[] = {{512, 24.80, 25.49}, {1024, 23.66, 25.79}, {2048, 23.26, 25.52}};
    w->source = "[A] data/spdk/zns-a/lbaf0 (512 B format)";
    for (unsigned i = 0; i < COUNT(parts); i++) {
        struct result r = simple(w, JOB_WRITE, parts[i].bytes, 1, 1, 100 * MS);
        cell(w, label("write %u B, depth 1: latency", parts[i].bytes), "us", parts[i].write_us, r.mean_us, 0);
        r = simple(w, JOB_APPEND, parts[i].bytes, 1, 1, 100 * MS);
        cell(w, label("append %u B, depth 1: latency", parts[i].bytes), "us", parts[i].append_us, r.mean_us, 0);
    }
    w->source = "[A] data/spdk/zns-a/lbaf2/read";
    for (unsigned i = 0; i < COUNT(reads); i++) {
        struct result r = simple(w, JOB_RANDREAD, reads[i].kib * KiB, 1, 1, 400 * MS);
        cell(w, label("random read %u KiB, depth 1: latency", reads[i].kib), "us", reads[i].us, r.mean_us, 5);
        cell(w, label("random read %u KiB, depth 1", reads[i].kib), "IOPS", reads[i].iops, r.iops, 5);
    }
}

/* --- T1.3: one zone, depth --- */

struct depth_row {
    double iops, us, p99_us;
};

static void depth_sweep(struct world *w, enum job_kind kind, unsigned kib, const struct depth_row *rows,
                        unsigned count) {
    const char *name = kind == JOB_APPEND ? "append" : "random read";
    for (unsigned i = 0; i < count; i++) {
        unsigned depth = 1u << i;
        struct result r = simple(w, kind, kib * KiB, 1, depth, kind == JOB_APPEND ? 150 * MS : 250 * MS);
        if (!rows[i].us)
            continue;
        if (rows[i].iops)
            cell(w, label("%s %u KiB, depth %u", name, kib, depth), "IOPS", rows[i].iops, r.iops, 8);
        cell(w, label("%s %u KiB, depth %u: latency", name, kib, depth), "us", rows[i].us, r.mean_us, 8);
        cell(w, label("%s %u KiB, depth %u: 99 %%", name, kib, depth), "us", rows[i].p99_us, r.p99_us, 0);
    }
}

static void table_3(struct world *w) {
    static const struct depth_row append4[] = {{65680, 14.8, 17},    {111654, 17.5, 23},    {132168, 29.7, 41},
                                               {132266, 59.6, 72},   {132153, 119.7, 140},  {132233, 239.6, 281},
                                               {132120, 479.9, 635}, {132044, 960.8, 1171}, {131842, 1923.7, 2212}};
    static const struct depth_row append16[] = {{48263, 20.1, 23},    {73362, 26.4, 106},    {73337, 53.1, 346},
                                                {73185, 106.8, 684},  {73360, 213.5, 979},   {73198, 427.9, 1335},
                                                {73361, 854.6, 1745}, {73335, 1708.9, 3555}, {73237, 3418.1, 5865}};
    static const struct depth_row append32[] = {{34721, 27.9, 33},     {36602, 53.2, 367},    {36702, 106.5, 668},
                                                {36653, 213.5, 1020},  {36652, 427.4, 1368},  {36592, 855.7, 1876},
                                                {36583, 1710.9, 3588}, {36686, 3412.7, 5865}, {36658, 6816.4, 9503}};
    static const struct depth_row read16[] = {{9809, 101.6, 111},   {19186, 103.9, 159},   {36636, 108.8, 185},
                                              {66768, 119.5, 224},  {111843, 142.7, 313},  {160085, 199.6, 518},
                                              {160421, 398.6, 741}, {160415, 797.6, 1139}, {160434, 1595.4, 1942}};
    w->source = "[A] data/spdk/zns-a/lbaf2/append, 1 zone";
    depth_sweep(w, JOB_APPEND, 4, append4, COUNT(append4));
    depth_sweep(w, JOB_APPEND, 16, append16, COUNT(append16));
    depth_sweep(w, JOB_APPEND, 32, append32, COUNT(append32));
    w->source = "[A] data/spdk/zns-a/lbaf2/randread";
    depth_sweep(w, JOB_RANDREAD, 16, read16, COUNT(read16));
    struct result r = simple(w, JOB_RANDREAD, 4 * KiB, 1, 256, 250 * MS);
    cell(w, "random read 4 KiB, depth 256", "IOPS", 437000, r.iops, 8);
}

/* --- T1.4: many zones, depth 1 each --- */

static void table_4(struct world *w) {
    static const unsigned zones[] = {1, 2, 4, 8, 14};
    static const struct {
        enum job_kind kind;
        unsigned kib;
        double iops[5], p50[5], p99[5];
    } rows[] = {
        {JOB_WRITE, 4, {85147, 141618, 180085, 185852, 182386}, {10.7, 13.0, 20.6, 41.2, 52.5}, {14, 19, 32, 60, 71}},
        {JOB_WRITE,
         8,
         {85409, 145107, 147026, 146901, 147762},
         {10.4, 11.3, 16.8, 40.2, 54.0},
         {14, 33, 103, 222, 272}},
        {JOB_WRITE, 16, {59395, 72948, 73704, 73772, 0}, {15.2, 17.8, 37.1, 83.5, 0}, {19, 115, 257, 432, 0}},
        {JOB_APPEND, 4, {65680, 107214, 137665, 134252, 133204}, {14.1, 17.0, 27.3, 55.6, 73.2}, {17, 24, 47, 86, 104}},
        {JOB_APPEND, 16, {48263, 72891, 73530, 73490, 0}, {19.1, 20.9, 36.1, 82.4, 0}, {23, 89, 257, 420, 0}},
    };
    w->source = "[A] data/spdk/zns-a/lbaf2, N jobs";
    for (unsigned i = 0; i < COUNT(rows); i++)
        for (unsigned k = 0; k < COUNT(zones); k++) {
            const char *name = rows[i].kind == JOB_WRITE ? "write" : "append";
            if (!rows[i].iops[k])
                continue; /* the two published results are one file */
            struct result r = simple(w, rows[i].kind, rows[i].kib * KiB, zones[k], 1, 150 * MS);
            cell(w, label("%s %u KiB, %u zones", name, rows[i].kib, zones[k]), "IOPS", rows[i].iops[k], r.iops, 8);
            cell(w, label("%s %u KiB, %u zones: median", name, rows[i].kib, zones[k]), "us", rows[i].p50[k], r.p50_us,
                 0);
            cell(w, label("%s %u KiB, %u zones: 99 %%", name, rows[i].kib, zones[k]), "us", rows[i].p99[k], r.p99_us,
                 0);
        }
}

/* --- sequential reads --- */

/*
 * Streams that ran for minutes have drifted apart, and how far decides whose
 * requests meet on the same channels: the mean of several distances.
 */
static struct result streams(struct world *w, unsigned zones, unsigned depth) {
    enum { TIMES = 8 };
    struct result mean = {0};
    for (unsigned t = 0; t < TIMES; t++) {
        for (unsigned i = 0; i < zones; i++) {
            struct job *j = job_add(w, JOB_SEQREAD, 128 * KiB, depth);
            j->zone = (t * zones + i) % FILLED;
            rng_init(&j->rng, t, i);
            j->at = rng_below(&j->rng, 1000) * j->bytes;
        }
        run_jobs(w, 20 * MS, 60 * MS);
        struct result r = result_of(0, zones, 60 * MS);
        stop_jobs(w);
        mean.iops += r.iops / TIMES;
        mean.mean_us += r.mean_us / TIMES;
    }
    return mean;
}

static void table_sequential(struct world *w) {
    static const struct {
        unsigned zones;
        double mib[6], us[6];
    } rows[] = {{1, {2340, 2651, 2467, 2325, 3125, 3124}, {53, 94, 202, 430, 640, 1280}},
                {2, {696, 1292, 2182, 3117, 3123, 3123}, {359, 387, 458, 641, 1280, 2561}},
                {4, {1258, 2117, 3048, 3123, 3123, 3123}, {397, 472, 656, 1280, 2561, 5123}},
                {8, {2057, 2937, 3124, 3124, 3124, 3124}, {486, 681, 1280, 2561, 5122, 10244}}};
    w->source = "[A] data/spdk/zns-a/lbaf0/read/131072bs";
    for (unsigned i = 0; i < COUNT(rows); i++)
        for (unsigned k = 0; k < 6; k++) {
            struct result r = streams(w, rows[i].zones, 1u << k);
            cell(w, label("read 128 KiB, %u zones, depth %u", rows[i].zones, 1u << k), "MiB/s", rows[i].mib[k],
                 r.iops / 8, 8);
            cell(w, label("read 128 KiB, %u zones, depth %u: latency", rows[i].zones, 1u << k), "us", rows[i].us[k],
                 r.mean_us, 8);
        }
}

/* --- T1.5: transitions --- */

static void table_5(struct world *w) {
    double open = 0, first_write = 0, first_append = 0, close = 0, write = 0, append = 0;
    enum { TIMES = 20 };
    for (unsigned i = 0; i < TIMES; i++) {
        uint32_t z = empty_zone(w);
        open += (double)zone_action(w, z, ZONE_OPEN, 0) / TIMES;
        write_at(w, IO_WRITE, z, 0, 4096);
        write += (double)write_at(w, IO_WRITE, z, 4096, 4096) / TIMES;
        close += (double)zone_action(w, z, ZONE_CLOSE, 0) / TIMES;
        zone_action(w, z, ZONE_RESET, 0);
        first_write += (double)write_at(w, IO_WRITE, z, 0, 4096) / TIMES;
        zone_action(w, z, ZONE_RESET, 0);
        first_append += (double)write_at(w, IO_APPEND, z, 0, 4096) / TIMES;
        append += (double)write_at(w, IO_APPEND, z, 0, 4096) / TIMES;
        zone_action(w, z, ZONE_RESET, 0);
    }
    clean(w);
    w->source = "[A] artifact_plots.ipynb cell 26, data/custom/zns-a/open_close";
    cell(w, "explicit open", "us", 9.56, open / 1e3, 10);
    cell(w, "first write", "us", 13.64, first_write / 1e3, 10);
    cell(w, "first append", "us", 17.49, first_append / 1e3, 10);
    cell(w, "steady write", "us", 11.622, write / 1e3, 10);
    cell(w, "steady append", "us", 14.661, append / 1e3, 10);
    cell(w, "close", "us", 11.0, close / 1e3, 10);
}

/* --- 1.6: reset and finish against occupancy --- */

static void written_zone(struct world *w, uint32_t z, uint64_t pages, uint64_t step) {
    for (uint64_t at = 0, end = pages * 4096; at < end; at += step)
        write_at(w, IO_WRITE, z, at, step < end - at ? step : end - at);
}

struct occupied {
    double reset_ms, finish_ms, reset_finished_ms;
};

/* Mean over sizes of the writes before: how full the zone's cache is then decides a part. */
static struct occupied occupied(struct world *w, unsigned pages) {
    static const unsigned kib[] = {4, 16, 32, 64, 128};
    struct occupied o = {0};
    uint32_t z = empty_zone(w);
    for (unsigned i = 0; i < COUNT(kib); i++) {
        written_zone(w, z, pages, kib[i] * KiB);
        o.reset_ms += (double)zone_action(w, z, ZONE_RESET, 0) / 1e6 / COUNT(kib);
        settle(w);
        if (pages * 4096ull == w->capacity)
            continue;
        written_zone(w, z, pages, kib[i] * KiB);
        o.finish_ms += (double)zone_action(w, z, ZONE_FINISH, 0) / 1e6 / COUNT(kib);
        settle(w);
        o.reset_finished_ms += (double)zone_action(w, z, ZONE_RESET, 0) / 1e6 / COUNT(kib);
        settle(w);
    }
    return o;
}

static void table_6(struct world *w) {
    static const struct {
        unsigned pages;
        double reset, finish, reset_finished;
    } rows[] = {{1, 1.6864, 907.507, 1.6743},       {17232, 5.1541, 848.266, 2.5128}, {68928, 8.1436, 681.053, 5.0745},
                {137856, 11.6083, 456.760, 8.5228}, {275711, 0, 3.0716, 15.3724},     {275712, 16.1867, 0, 0}};
    w->source = "[A] data/custom/zns-a/partial_{reset,finish}";
    uint32_t z = empty_zone(w);
    cell(w, "reset, nothing written: first mode", "ms", 0.0021, (double)zone_action(w, z, ZONE_RESET, 0) / 1e6, 0);
    zone_action(w, z, ZONE_OPEN, 0);
    zone_action(w, z, ZONE_CLOSE, 0);
    cell(w, "reset, nothing written: second mode", "ms", 1.59, (double)zone_action(w, z, ZONE_RESET, 0) / 1e6, 3);
    cell(w, "finish, nothing written", "ms", 0.0135, (double)zone_action(w, z, ZONE_FINISH, 0) / 1e6, 3);
    cell(w, "reset finished, nothing written", "ms", 1.5906, (double)zone_action(w, z, ZONE_RESET, 0) / 1e6, 3);
    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct occupied o = occupied(w, rows[i].pages);
        if (rows[i].reset)
            cell(w, label("reset, %u pages written", rows[i].pages), "ms", rows[i].reset, o.reset_ms, 3);
        if (!rows[i].finish)
            continue;
        cell(w, label("finish, %u pages written", rows[i].pages), "ms", rows[i].finish, o.finish_ms, 3);
        cell(w, label("reset finished, %u pages written", rows[i].pages), "ms", rows[i].reset_finished,
             o.reset_finished_ms, 3);
    }
    clean(w);
}

/* --- T1.7a: reads beside writes at a rate --- */

static void table_7a(struct world *w) {
    static const struct {
        unsigned rate;
        double us[8], p99[8], achieved[8];
    } rows[] = {{0, {72.9, 74.0, 76.1, 80.6, 90.6, 113.9, 168.9, 287.3}, {81, 108, 127, 146, 191, 289, 518, 1036}, {0}},
                {10,
                 {73.9, 75.0, 77.2, 82.1, 95.4, 129.2, 193.6, 319.9},
                 {89, 126, 138, 167, 268, 987, 2114, 3228},
                 {10, 10, 10, 10, 10, 10, 10, 10}},
                {100,
                 {83.7, 84.8, 87.7, 95.9, 122.0, 187.5, 300.0, 481.2},
                 {247, 259, 309, 399, 750, 1614, 2441, 3097},
                 {100, 100, 100, 100, 100, 100, 100, 100}},
                {500,
                 {128.5, 128.9, 132.3, 144.8, 178.0, 259.4, 424.1, 744.0},
                 {379, 391, 412, 481, 684, 1171, 2007, 3359},
                 {500, 500, 500, 500, 500, 500, 500, 450}}};
    w->source = "[A] data/custom/zns-a/rate_inteference";
    for (unsigned i = 0; i < COUNT(rows); i++)
        for (unsigned k = 0; k < 8; k++) {
            int64_t time = 600 * MS;
            job_add(w, JOB_RANDREAD, 4 * KiB, 1u << k);
            if (rows[i].rate)
                job_add(w, JOB_WRITE, 128 * KiB, 1)->period_ns = S / (rows[i].rate * 8);
            run_jobs(w, 60 * MS, time);
            struct result r = result_of(0, 1, time), wr = result_of(1, job_count - 1, time);
            stop_jobs(w);
            clean(w);
            cell(w, label("read 4 KiB, depth %u, beside %u MiB/s", 1u << k, rows[i].rate), "us", rows[i].us[k],
                 r.mean_us, 15);
            cell(w, label("read 4 KiB, depth %u, beside %u MiB/s: 99 %%", 1u << k, rows[i].rate), "us", rows[i].p99[k],
                 r.p99_us, 0);
            if (rows[i].achieved[k] && rows[i].achieved[k] != rows[i].rate)
                cell(w, label("writes beside reads of depth %u", 1u << k), "MiB/s", rows[i].achieved[k], wr.iops / 8,
                     0);
        }
}

/* --- T1.7b, c: finishes beside writes and reads --- */

static double padded(const struct world *w) {
    json_t *stats = drive_stats(w->drive);
    double bytes = (double)json_integer_value(json_object_get(json_object_get(stats, "media"), "padding_bytes"));
    json_decref(stats);
    return bytes;
}

static const double finish_rate = 1.09; /* a second, stand-alone */

static void table_7b(struct world *w) {
    static const unsigned writers[] = {1, 3, 5, 7}, shares[] = {0, 5, 10, 25, 50};
    static const struct {
        double iops[5], finishes[5], mib[5];
    } rows[] = {
        {{68100, 62871, 61197, 59765, 60863}, {0, 0.057, 0.112, 0.275, 0.547}, {532, 552, 598, 763, 1064}},
        {{149755, 142428, 134773, 113371, 113455}, {0, 0.056, 0.112, 0.268, 0.268}, {1170, 1174, 1173, 1174, 1175}},
        {{150249, 142478, 134931, 125157, 126106}, {0, 0.056, 0.112, 0.182, 0.176}, {1174, 1174, 1175, 1174, 1174}},
        {{149893, 142336, 134749, 131061, 131022}, {0, 0.057, 0.112, 0.139, 0.139}, {1171, 1174, 1173, 1174, 1173}}};
    w->source = "[B] one-namespace, finish against 8 KiB writes";
    for (unsigned i = 0; i < COUNT(writers); i++)
        for (unsigned k = 0; k < COUNT(shares); k++) {
            unsigned n = writers[i];
            int64_t period = shares[k] ? (int64_t)(1e11 / finish_rate / shares[k]) : 0;
            int64_t time = !period ? 300 * MS : period < 3 * S ? 2 * period : period;
            for (unsigned j = 0; j < n; j++)
                uring(job_add(w, JOB_WRITE, 8 * KiB, 1));
            if (period)
                job_add(w, JOB_FINISH, 4 * KiB, 1)->period_ns = period;
            run_jobs(w, 100 * MS, 1);
            double before = padded(w);
            int64_t start = sim_now(w->sim);
            w->measuring = true;
            sim_run(w->sim, start + time);
            w->measuring = false;
            struct result r = result_of(0, n, time);
            double pad = (padded(w) - before) * 1e9 / (double)time / MiB, sum = r.iops / 128 + pad;
            stop_jobs(w);
            clean(w);
            cell(w, label("write 8 KiB, %u writers, %u %% finish", n, shares[k]), "IOPS", rows[i].iops[k], r.iops, 0);
            if (period)
                cell(w, label("finishes, %u writers, %u %% finish", n, shares[k]), "1/s", rows[i].finishes[k],
                     pad * MiB / (double)w->capacity, 0);
            cell(w, label("writes + padding, %u writers, %u %% finish", n, shares[k]), "MiB/s", rows[i].mib[k], sum,
                 n >= 3 ? 1 : 0);
        }
}

static void table_7c(struct world *w) {
    static const unsigned depths[] = {1, 4, 16, 64}, shares[] = {0, 5, 10, 25, 50};
    static const struct {
        double iops[5], us[5], p99[5];
    } rows[] = {
        {{11314, 10770, 10427, 9485, 7767}, {87.5, 91.9, 95.0, 104.5, 127.8}, {97, 220, 259, 309, 379}},
        {{42645, 41303, 40107, 35548, 29239}, {93.1, 96.0, 98.9, 111.5, 135.8}, {153, 232, 268, 350, 420}},
        {{138660, 132069, 127560, 114416, 88942}, {114.8, 120.4, 124.7, 139.2, 179.1}, {232, 293, 375, 489, 602}},
        {{280326, 264464, 250901, 200992, 145160}, {227.7, 241.3, 254.4, 317.7, 440.1}, {602, 799, 1028, 1483, 1843}}};
    w->source = "[B] one-namespace, finish against 8 KiB reads";
    for (unsigned i = 0; i < COUNT(depths); i++)
        for (unsigned k = 0; k < COUNT(shares); k++) {
            int64_t period = shares[k] ? (int64_t)(1e11 / finish_rate / shares[k]) : 0;
            int64_t time = !period ? 300 * MS : period;
            uring(job_add(w, JOB_RANDREAD, 8 * KiB, depths[i]));
            if (period)
                job_add(w, JOB_FINISH, 4 * KiB, 1)->period_ns = period;
            run_jobs(w, period ? 10 * MS : 50 * MS, time);
            struct result r = result_of(0, 1, time);
            stop_jobs(w);
            clean(w);
            cell(w, label("read 8 KiB, depth %u, %u %% finish", depths[i], shares[k]), "IOPS", rows[i].iops[k], r.iops,
                 0);
            cell(w, label("read 8 KiB, depth %u, %u %% finish: 99 %%", depths[i], shares[k]), "us", rows[i].p99[k],
                 r.p99_us, 0);
        }
}

/* --- T1.7d, f: resets of full zones beside writes --- */

static void full_zones(struct world *w, unsigned count, uint32_t *first) {
    *first = w->next;
    for (unsigned i = 0; i < count; i++) {
        uint32_t z = empty_zone(w);
        for (uint64_t at = 0; at < w->capacity; at += MiB)
            write_at(w, IO_WRITE, z, at, MiB < w->capacity - at ? MiB : w->capacity - at);
    }
    settle(w);
}

struct beside {
    struct result io, reset;
};

/* Writers or one appender beside resets, `period` apart or (0) one after another; -1: no resets. */
static struct beside resets_beside(struct world *w, enum job_kind kind, unsigned n, int64_t period, int64_t time) {
    uint32_t first;
    struct beside b = {0};
    full_zones(w, period < 0 ? 0 : (unsigned)(time / (period ? period : 14 * MS)) + 8, &first);
    unsigned count = kind == JOB_WRITE ? n : n > 0;
    for (unsigned j = 0; j < count; j++)
        uring(job_add(w, kind, 8 * KiB, kind == JOB_WRITE ? 1 : n));
    if (period >= 0) {
        struct job *j = job_add(w, JOB_RESET, 0, 1);
        j->zone = first;
        j->period_ns = period;
    }
    run_jobs(w, 60 * MS, time);
    b.io = result_of(0, count, time);
    if (period >= 0)
        b.reset = result_of(count, 1, time);
    stop_jobs(w);
    clean(w);
    return b;
}

static void table_7d(struct world *w) {
    static const unsigned shares[] = {0, 5, 10, 25, 50};
    static const double rates[] = {0, 3.0, 6.01, 15.0, 30.07};
    static const struct {
        double iops[5], reset_ms[5];
    } rows[] = {{{60971, 59199, 61548, 59416, 53910}, {0, 20.3, 20.2, 20.1, 20.1}},
                {{113169, 108659, 106015, 96501, 84479}, {0, 21.5, 21.6, 21.5, 21.5}},
                {{149325, 144381, 138993, 122227, 93402}, {0, 21.6, 21.4, 21.3, 21.5}},
                {{149808, 144821, 139545, 123658, 96045}, {0, 21.4, 21.4, 21.4, 21.3}},
                {{149799, 144845, 139927, 124262, 97091}, {0, 21.6, 21.2, 21.6, 21.6}},
                {{149556, 145022, 140081, 124668, 97449}, {0, 21.7, 21.3, 21.3, 21.2}},
                {{149337, 145262, 140171, 124755, 97637}, {0, 22.2, 21.3, 21.3, 21.3}}};
    w->source = "[B] one-namespace, reset against 8 KiB writes";
    for (unsigned n = 1; n <= COUNT(rows); n++) {
        double alone = 0;
        for (unsigned k = 0; k < COUNT(shares); k++) {
            struct beside b =
                resets_beside(w, JOB_WRITE, n, k ? (int64_t)(1e9 / rates[k]) : -1, k ? 667 * MS : 300 * MS);
            cell(w, label("write 8 KiB, %u writers, %u %% reset", n, shares[k]), "IOPS", rows[n - 1].iops[k], b.io.iops,
                 0);
            if (!k) {
                alone = b.io.iops;
                continue;
            }
            cell(w, label("reset, %u writers, %u %% reset", n, shares[k]), "ms", rows[n - 1].reset_ms[k],
                 b.reset.mean_us / 1e3, 0);
            if (n >= 3 && k >= 2)
                cell(w, label("writes lost to a reset, %u writers, %u %%", n, shares[k]), "MiB", 13.65,
                     (alone - b.io.iops) / 128 / rates[k], 10);
        }
    }
}

static void table_7f(struct world *w) {
    static const struct {
        double rate, ms, iops;
    } writes[] = {{59.02, 16.93, 0},     {48.51, 20.61, 52382}, {44.33, 22.55, 74035}, {43.91, 22.77, 73905},
                  {45.13, 22.15, 75761}, {44.08, 22.68, 73617}, {44.81, 22.31, 75276}, {44.41, 22.51, 73974}},
      appends[] = {{63.93, 15.63, 0},     {52.83, 18.92, 53861}, {50.95, 19.62, 55010}, {53.21, 18.79, 57451},
                   {51.76, 19.30, 55864}, {53.16, 18.79, 57428}, {52.44, 19.06, 56621}, {53.19, 18.80, 57431}};
    w->source = "[B] one-namespace, unthrottled resets";
    for (unsigned kind = 0; kind < 2; kind++)
        for (unsigned n = 0; n < 8; n++) {
            double rate = kind ? appends[n].rate : writes[n].rate, ms = kind ? appends[n].ms : writes[n].ms;
            double iops = kind ? appends[n].iops : writes[n].iops;
            const char *name = kind ? "append" : "write";
            struct beside b = resets_beside(w, kind ? JOB_APPEND : JOB_WRITE, n, 0, 300 * MS);
            cell(w, label("resets beside %u %ss", n, name), "1/s", rate, b.reset.iops, 0);
            cell(w, label("resets beside %u %ss: mean", n, name), "ms", ms, b.reset.mean_us / 1e3, 0);
            if (n)
                cell(w, label("%u %ss 8 KiB beside resets", n, name), "IOPS", iops, b.io.iops, 0);
        }
}

static void table_7e(struct world *w) {
    static const unsigned depths[] = {1, 4, 16, 64};
    w->source = "[B] one-namespace, reset against reads: 92 to 100 % at 6 resets/s";
    for (unsigned i = 0; i < COUNT(depths); i++) {
        uint32_t first;
        struct result r[2];
        for (unsigned k = 0; k < 2; k++) {
            full_zones(w, k ? 10 : 0, &first);
            uring(job_add(w, JOB_RANDREAD, 8 * KiB, depths[i]));
            if (k) {
                struct job *j = job_add(w, JOB_RESET, 0, 1);
                j->zone = first;
                j->period_ns = (int64_t)(1e9 / 6.01);
            }
            run_jobs(w, 60 * MS, 667 * MS);
            r[k] = result_of(0, 1, 667 * MS);
            stop_jobs(w);
            clean(w);
        }
        cell(w, label("reads left beside resets, depth %u", depths[i]), "share", 0.96, r[1].iops / r[0].iops, 0);
    }
}

/* --- writes that saturate, and reads --- */

static void table_gc(struct world *w) {
    static const unsigned depths[] = {1, 8, 32, 64};
    static const double mib[] = {1155, 1156, 1155, 1154}, ms[] = {92.0, 89.4, 92.1, 92.2};
    w->source = "[A] data/custom/zns-a/long2, long3";
    for (unsigned i = 0; i < COUNT(depths); i++) {
        for (unsigned j = 0; j < 4; j++)
            job_add(w, JOB_APPEND, MiB, 32)->gap_ns = 5 * US;
        job_add(w, JOB_RANDREAD, 4 * KiB, depths[i]);
        run_jobs(w, 500 * MS, 3 * S);
        struct result wr = result_of(0, 4, 3 * S), r = result_of(4, 1, 3 * S);
        stop_jobs(w);
        clean(w);
        cell(w, label("append 1 MiB, 4 x 32, beside reads of depth %u", depths[i]), "MiB/s", mib[i], wr.iops, 0);
        cell(w, label("read 4 KiB, depth %u, beside 4 x 32 appends", depths[i]), "ms", ms[i], r.mean_us / 1e3, 0);
    }
}

/* --- all --- */

static const struct {
    const char *name;
    void (*run)(struct world *);
    bool reads;
} tables[] = {{"T1.2", table_2, true},         {"T1.3", table_3, true},    {"T1.4", table_4, false},
              {"seq", table_sequential, true}, {"T1.5", table_5, false},   {"1.6", table_6, false},
              {"T1.7a", table_7a, true},       {"gc", table_gc, true},     {"T1.7b", table_7b, false},
              {"T1.7c", table_7c, true},       {"T1.7d", table_7d, false}, {"T1.7e", table_7e, true},
              {"T1.7f", table_7f, false}};

static void fill_for_reads(struct world *w) {
    for (uint32_t zone = 0; !w->filled && zone < FILLED; zone++)
        for (uint64_t at = 0; at < w->capacity; at += MiB)
            write_at(w, IO_WRITE, zone, at, MiB < w->capacity - at ? MiB : w->capacity - at);
    settle(w);
    w->filled = true;
}

static int configure(struct drive_config *config, int argc, char **argv, struct err *e) {
    struct opt_set set = {0};
    const char *profile = "wd-zn540";
    int rc = drive_config_init(config, &set, e);
    for (int i = 1; i + 1 < argc; i++)
        if (!strcmp(argv[i], "-p"))
            profile = argv[i + 1];
    static const char *const skip[] = {"nvme", "tcp", NULL};
    if (!rc)
        rc = profile_load(&set, profile, skip, config->name, e);
    for (int i = 1; !rc && i + 1 < argc; i++)
        if (!strcmp(argv[i], "-o"))
            rc = opt_assign_arg(&set, argv[++i], e);
    return rc;
}

static bool wanted(const char *name, int argc, char **argv) {
    bool any = false;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-') {
            i++;
            continue;
        }
        any = true;
        if (!strcmp(argv[i], name))
            return true;
    }
    return !any;
}

int main(int argc, char **argv) {
    struct world *w = &the_world;
    struct err e = {0};
    if (configure(&w->config, argc, argv, &e)) {
        fprintf(stderr, "%s\n", e.text);
        return 2;
    }
    w->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    w->drive = w->sim ? drive_open(&w->config, "none", NULL, w->sim, &e) : NULL;
    if (!w->drive) {
        fprintf(stderr, "%s\n", e.text);
        return 2;
    }
    w->zone_bytes = w->config.zns.zone_size;
    w->capacity = w->config.zns.zone_capacity;
    w->zones = (uint32_t)(w->config.drive.capacity / w->zone_bytes);
    w->next = FILLED;
    printf("%-6s %-44s %-6s %12s %12s  %6s\n", "table", "cell", "unit", "published", "modelled", "ratio");
    for (unsigned i = 0; i < COUNT(tables); i++) {
        if (!wanted(tables[i].name, argc, argv))
            continue;
        if (tables[i].reads)
            fill_for_reads(w);
        w->table = tables[i].name;
        unsigned judged = w->judged, good = w->good;
        tables[i].run(w);
        printf("%-6s %u of %u judged cells within tolerance\n\n", w->table, w->good - good, w->judged - judged);
        fflush(stdout);
    }
    if (drive_check_state(w->drive, &e))
        printf("the drive's state is wrong: %s\n", e.text);
    printf("%u cells, %u judged, %u within tolerance, %u outside\n", w->cells, w->judged, w->good, w->judged - w->good);
    drive_close(w->drive);
    sim_free(w->sim);
    return 0;
}
