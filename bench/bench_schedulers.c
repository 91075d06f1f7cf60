/*
 * Linux's I/O schedulers on a disk of 2004, beside what was published then.
 *
 * usage: bench_schedulers [-d DRIVE] [-o section.key=value]...
 *
 * Each cell is published, simulated and their ratio: bandwidth of all clients
 * (KiB/s), the largest client's over the smallest's, and the longest latency (ms).
 *
 * Published: J. Axboe, "Time sliced CFQ", linux-kernel, 2 Dec 2004 (O_DIRECT, a
 * file for each process, 30 s runs, slices of 83 ms, idling 4 ms); A. Morton,
 * "IO scheduler benchmarking", linux-kernel, 20 Feb 2003: its disk was faster
 * (about 40 MB/s), and its CFQ had no slices yet. Both AS of that time told reads
 * from writes, not sync from async requests. Both disks' types are not known;
 * for Morton's tables the tracks hold 1.4 times as much.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block/block.h"
#include "drive/profile.h"
#include "load/runner.h"

#define CFQ_2004 "cfq,slice_sync=83,slice_idle=4,low_latency=0,group_idle=0,preempt_empty=0"
#define AS_2004  "as,by_direction=1"

enum { OPTIONS_MAX = 64 };

struct setup {
    const char *drive, *option[OPTIONS_MAX];
    unsigned options;
};

struct outcome {
    double rate, least, most; /* KiB/s of all, of the slowest and the fastest client */
    double read, write;       /* KiB/s */
    double latency[2];        /* longest, ms: first and last client */
    double first_s, last_s;   /* when the first and the last client had finished */
};

static int configure(struct drive_config *drive, struct block_config *queue, const struct setup *s,
                     const char *scheduler, struct err *e) {
    static const char *const foreign[] = {"nvme", "tcp", "loop", NULL};
    struct opt_set set = {0};
    char text[256];
    int rc = drive_config_init(drive, &set, e);
    if (!rc && opt_set_add(&set, block_opts, queue))
        rc = err_set(e, ENOSPC, "too many option tables");
    if (!rc)
        rc = profile_load(&set, s->drive, foreign, drive->name, e);
    for (unsigned i = 0; !rc && i < s->options; i++)
        rc = opt_assign_arg(&set, s->option[i], e);
    snprintf(text, sizeof text, "queue.scheduler=%s", scheduler);
    return rc ? rc : opt_assign_arg(&set, text, e);
}

static struct outcome outcome_of(const struct run_result *r) {
    struct outcome o = {.least = 1e300, .first_s = 1e300};
    for (unsigned i = 0; i < r->count; i++) {
        const struct run_stat *s = r->stat[i];
        double seconds = (double)(s->end_ns - s->start_ns) / 1e9;
        double read = (double)s->dir[RUN_READ].bytes / 1024 / seconds;
        double write = (double)s->dir[RUN_WRITE].bytes / 1024 / seconds, both = read + write;
        const struct hist *h = &s->dir[read > 0 ? RUN_READ : RUN_WRITE].clat;
        double longest = (double)h->max / 1e6;
        o.rate += both;
        o.read += read;
        o.write += write;
        o.least = both < o.least ? both : o.least;
        o.most = both > o.most ? both : o.most;
        o.first_s = seconds < o.first_s ? seconds : o.first_s;
        o.last_s = seconds > o.last_s ? seconds : o.last_s;
        if (i == 0 || longest > o.latency[0])
            o.latency[0] = i && write > 0 ? o.latency[0] : longest;
        if (write > 0)
            o.latency[1] = longest;
    }
    return o;
}

static int describe(struct block *b, const struct job_file *jobs, struct err *e) {
    unsigned owner = 0;
    int rc = 0;
    for (unsigned i = 0; !rc && i < jobs->count; i++) {
        const struct job *job = &jobs->job[i];
        const struct block_context_settings who = {.name = job->name, .prioclass = job->prioclass, .prio = job->prio};
        for (unsigned n = 0; !rc && n < job->numjobs; n++)
            rc = block_context_describe(b, ++owner, &who, e);
    }
    return rc;
}

static int simulate(const struct setup *s, const char *scheduler, const char *text, struct outcome *o, struct err *e) {
    static struct drive_config config;
    struct block_config queue = {0};
    struct job_file jobs = {0};
    struct run_result result = {0};
    const struct load_settings settings = {.seed = 1};
    struct sim *sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, e);
    struct drive *drive = NULL;
    int rc = sim ? configure(&config, &queue, s, scheduler, e) : -ENOMEM;
    if (!rc)
        rc = job_file_parse(&jobs, "built in", text, strlen(text), e);
    if (!rc && !(drive = drive_open(&config, "none", NULL, sim, e)))
        rc = -EINVAL;
    for (unsigned i = 0; !rc && i < jobs.count; i++)
        rc = job_resolve(&jobs.job[i], drive->capacity, 0, e);
    if (!rc)
        rc = block_open(drive, &queue, e);
    if (!rc)
        rc = describe(block_of(drive), &jobs, e);
    if (!rc)
        rc = load_run(&jobs, drive, sim, &settings, &result, e);
    if (!rc)
        *o = outcome_of(&result);
    run_result_release(&result);
    job_file_release(&jobs);
    if (drive)
        block_free(block_of(drive));
    drive_close(drive);
    if (sim)
        sim_free(sim);
    return rc;
}

static void cell(double published, double simulated) {
    if (published > 0)
        printf("  %7.0f %7.0f %5.2f", published, simulated, simulated / published);
    else
        printf("  %7s %7.0f %5s", "-", simulated, "");
}

/* --- tables --- */

static const struct {
    unsigned clients;
    const char *scheduler;
    double rate, ratio, latency_ms;
} readers[] = {
    {1, "deadline", 19837, 0, 22},
    {1, AS_2004, 19480, 0, 30},
    {1, CFQ_2004, 19433, 0, 9},
    {2, "deadline", 4230, 0, 22},
    {2, AS_2004, 18434, 9250. / 9189, 261},
    {2, CFQ_2004, 17312, 8686. / 8628, 90},
    {4, "deadline", 1444, 0, 41},
    {4, AS_2004, 17970, 4513. / 4469, 488},
    {4, CFQ_2004, 17963, 4507. / 4471, 254},
    {8, "deadline", 1201, 0, 111},
    {8, AS_2004, 17581, 2238. / 2157, 934},
    {8, CFQ_2004, 17134, 2181. / 2104, 578},
};

static int sequential_readers(const struct setup *s, struct err *e) {
    printf("Sequential readers, 4 KiB, O_DIRECT (Axboe 2004)\n"
           "clients scheduler   all KiB/s: published, simulated, ratio   most/least           longest, ms\n");
    for (unsigned i = 0; i < sizeof readers / sizeof *readers; i++) {
        char text[256];
        struct outcome o;
        snprintf(text, sizeof text,
                 "[r]\nrw=read\nbs=4k\nsize=500m\noffset_increment=500m\nnumjobs=%u\ntime_based\nruntime=30\n",
                 readers[i].clients);
        int rc = simulate(s, readers[i].scheduler, text, &o, e);
        if (rc)
            return rc;
        printf("%7u %-10.*s", readers[i].clients, (int)strcspn(readers[i].scheduler, ","), readers[i].scheduler);
        cell(readers[i].rate, o.rate);
        printf("    %5.3f %5.3f", readers[i].ratio, o.most / o.least);
        cell(readers[i].latency_ms, o.latency[0]);
        printf("\n");
    }
    return 0;
}

static const struct {
    const char *scheduler;
    double read, write, read_ms, write_ms;
    unsigned turns; /* that a write of two requests waits for: CFQ serves both in one slice */
} pairs[] = {
    {"deadline", 2520, 1258, 45, 85, 2},
    {AS_2004, 27985, 64, 34, 1042, 2},
    {CFQ_2004, 12703, 9743, 108, 89, 1},
};

#define PAIR "[global]\nbs=64k\nsize=500m\ntime_based\nruntime=30\n[r]\nrw=read\n[w]\nrw=write\noffset=4g\n"

/*
 * The published writer has half of the reader's bandwidth where the two take turns, and waits twice as long for a
 * write; under AS it writes once in two of its batches. So each of its writes must have been two requests, one after
 * the other, as if what the file system notes of a growing file were written with it: the second table has another
 * 4 KiB behind each 64. Its bandwidth is that of the 64; a write's longest latency that of both, if
 * each waits for its turn.
 */
static int reader_and_writer(const struct setup *s, unsigned requests, struct err *e) {
    printf("\nA reader and a writer, 64 KiB, O_DIRECT (Axboe 2004); a write is %s\n"
           "scheduler   reader KiB/s             writer KiB/s             longest read, ms         longest write, ms\n",
           requests == 1 ? "one request" : "two requests, 64 and 4 KiB");
    for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct outcome o;
        int rc = simulate(s, pairs[i].scheduler, requests == 1 ? PAIR : PAIR "bssplit=64k/50:4k/50\n", &o, e);
        if (rc)
            return rc;
        printf("%-10.*s", (int)strcspn(pairs[i].scheduler, ","), pairs[i].scheduler);
        cell(pairs[i].read, o.read);
        cell(pairs[i].write, requests == 1 ? o.write : o.write * 64 / 68);
        cell(pairs[i].read_ms, o.latency[0]);
        cell(pairs[i].write_ms, requests == 1 ? o.latency[1] : o.latency[1] * pairs[i].turns);
        printf("\n");
    }
    return 0;
}

/* Morton's disk read 40 MB/s, and the IDE driver of his kernel took at most 255 sectors at once: 31 pages. */
static struct setup faster(const struct setup *s) {
    struct setup own = *s;
    if (!strcmp(s->drive, "ide-2004") && own.options < OPTIONS_MAX)
        own.option[own.options++] = "hdd.zones=0-47999:730:105:98";
    if (own.options < OPTIONS_MAX)
        own.option[own.options++] = "queue.max_sectors_kb=124";
    return own;
}

static const struct {
    const char *scheduler;
    unsigned ahead_kib;
    double first_s, last_s;
} cats[] = {
    {"deadline", 128, 132, 133.5}, {AS_2004, 128, 28, 34.8}, {CFQ_2004, 128, 0, 0},
    {"deadline", 8, 495, 495},     {AS_2004, 8, 28.1, 29.3}, {CFQ_2004, 8, 0, 0},
};

/*
 * A process that waits for its data has one window of the page cache's reading ahead in flight; that kernel's smallest
 * was 16 KiB.
 */
static int ten_files(const struct setup *s, struct err *e) {
    const struct setup own = faster(s);
    printf("\nTen files of 100 MB read at once (Morton 2003; no slices in its CFQ)\n"
           "scheduler  read-ahead   first done, s            last done, s\n");
    for (unsigned i = 0; i < sizeof cats / sizeof *cats; i++) {
        char text[256];
        struct outcome o;
        snprintf(text, sizeof text, "[r]\nrw=read\nbs=%uk\nsize=100m\noffset_increment=100m\nnumjobs=10\n",
                 cats[i].ahead_kib < 16 ? 16 : cats[i].ahead_kib);
        int rc = simulate(&own, cats[i].scheduler, text, &o, e);
        if (rc)
            return rc;
        printf("%-10.*s %6u KiB", (int)strcspn(cats[i].scheduler, ","), cats[i].scheduler, cats[i].ahead_kib);
        cell(cats[i].first_s, o.first_s);
        cell(cats[i].last_s, o.last_s);
        printf("\n");
    }
    return 0;
}

static const struct {
    const char *scheduler;
    double seconds; /* published, where it was 7.9 s alone; CFQ without slices took 595 */
} trees[] = {{"deadline", 447}, {AS_2004, 17}, {CFQ_2004, 0}};

#define TREE                                                                                                           \
    "[global]\nsize=128m\n[r]\nrw=randread\npercentage_random=10\nbs=12k\nnumber_ios=8000\nexitall=1\nexit_what=all\n"
#define STREAM                                                                                                         \
    "[w]\nrw=write\nbs=64k\nsize=2g\noffset=4g\nbuffered=1\ndirty_memory=256m\ndirty_ratio=40\ntime_based\nruntime="   \
    "1800\n"

/*
 * 8000 small files, of ten of which nine follow the one before (which takes about as long alone), beside a writer
 * through the page cache of a machine of 256 MB, in requests as large as an IDE driver took.
 */
static int tree_and_stream(const struct setup *s, struct err *e) {
    const struct setup own = faster(s);
    struct outcome alone;
    int rc = simulate(&own, "deadline", TREE, &alone, e);
    if (rc)
        return rc;
    printf("\nA kernel's sources read during a streaming write (Morton 2003; no slices in its CFQ); alone %.1f s, "
           "published 7.9\n"
           "scheduler   seconds                  times as long as alone: published, simulated\n",
           alone.first_s);
    for (unsigned i = 0; !rc && i < sizeof trees / sizeof *trees; i++) {
        struct outcome o;
        rc = simulate(&own, trees[i].scheduler, TREE STREAM, &o, e);
        if (rc)
            return rc;
        printf("%-10.*s", (int)strcspn(trees[i].scheduler, ","), trees[i].scheduler);
        cell(trees[i].seconds, o.first_s);
        if (trees[i].seconds > 0)
            printf("    %5.1f", trees[i].seconds / 7.9);
        else
            printf("    %5s", "-");
        printf("  %5.1f\n", o.first_s / alone.first_s);
    }
    return rc;
}

static const struct {
    const char *scheduler;
    double seconds; /* CFQ without slices took 8.4, 2.4's elevator 6.4 */
} syncs[] = {{"deadline", 7.7}, {AS_2004, 11.9}, {CFQ_2004, 0}};

static int write_and_fsync(const struct setup *s, struct err *e) {
    static const char text[] = "[w]\nrw=write\nbs=64k\nsize=100m\noffset=4g\nbuffered=1\ndirty_memory=256m\n"
                               "dirty_ratio=40\nend_fsync=1\nexitall=1\nexit_what=all\n"
                               "[r]\nrw=read\nbs=128k\nsize=4g\ntime_based\nruntime=300\n";
    const struct setup own = faster(s);
    printf("\n100 MB written and fsynced during a streaming read (Morton 2003)\n"
           "scheduler   seconds                  the reader's KiB/s\n");
    for (unsigned i = 0; i < sizeof syncs / sizeof *syncs; i++) {
        struct outcome o;
        int rc = simulate(&own, syncs[i].scheduler, text, &o, e);
        if (rc)
            return rc;
        printf("%-10.*s", (int)strcspn(syncs[i].scheduler, ","), syncs[i].scheduler);
        cell(syncs[i].seconds, o.first_s);
        printf("  %7.0f\n", o.read);
    }
    return 0;
}

static const char *const prios[] = {"0", "4", "7"};

/* Shares of two readers by priority; published are the slices: 180, 100, 40 ms. */
static int priorities(const struct setup *s, struct err *e) {
    static const double slice[] = {180, 100, 40};
    printf("\nTwo sequential readers, 128 KiB, by I/O priority under cfq (ratio of their slices)\n"
           "priorities   ratio: by slices, simulated, of both\n");
    for (unsigned a = 0; a < 3; a++)
        for (unsigned b = a + 1; b < 3; b++) {
            char text[256];
            struct outcome o;
            snprintf(text, sizeof text,
                     "[global]\nrw=read\nbs=128k\nsize=2g\ntime_based\nruntime=60\nprioclass=2\n"
                     "[a]\nprio=%s\n[b]\noffset=8g\nprio=%s\n",
                     prios[a], prios[b]);
            int rc = simulate(s, "cfq,low_latency=0", text, &o, e);
            if (rc)
                return rc;
            double want = slice[a] / slice[b], have = o.most / o.least;
            printf("BE/%s BE/%s  %6.2f %6.2f %5.2f\n", prios[a], prios[b], want, have, have / want);
        }
    return 0;
}

static int usage(void) {
    fprintf(stderr, "usage: bench_schedulers [-d DRIVE] [-o section.key=value]...\n");
    return 2;
}

int main(int argc, char **argv) {
    struct setup s = {.drive = "ide-2004"};
    struct err e = {0};
    int c;
    while ((c = getopt(argc, argv, "d:o:")) != -1) {
        if (c == 'd')
            s.drive = optarg;
        else if (c == 'o' && s.options < OPTIONS_MAX)
            s.option[s.options++] = optarg;
        else
            return usage();
    }
    if (optind < argc)
        return usage();
    if (!sequential_readers(&s, &e) && !reader_and_writer(&s, 1, &e) && !reader_and_writer(&s, 2, &e) &&
        !ten_files(&s, &e) && !tree_and_stream(&s, &e) && !write_and_fsync(&s, &e) && !priorities(&s, &e))
        return 0;
    fprintf(stderr, "bench_schedulers: %s\n", e.text);
    return 1;
}
