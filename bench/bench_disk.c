/*
 * How near a modelled disk comes to a real one: replays request traces of
 * DiskSim's validation set, measured on the drive, and prints the root mean
 * square horizontal distance between the measured and the modelled
 * distribution of response times (Ruemmler and Wilkes' demerit figure).
 *
 * A line of a trace: R|W Hit|Miss LBN blocks service_us next_interarrival_us,
 * blocks of 512 bytes. A request is issued when the one before has been
 * answered and its last figure has passed.
 *
 * usage: bench_disk [-o section.key=value]... [-q] [DRIVE=]PATH...
 *
 * DRIVE: a built-in profile or an INI file; left out, the profile whose name is
 * the file's, letters and digits alone. -q: also quantiles. -p: also each
 * request: R|W LBN blocks measured modelled.
 */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive/drive.h"
#include "drive/profile.h"

struct line {
    uint64_t offset, bytes;
    double measured_ms, next_ms;
    double modelled_ms;
    bool write;
};

struct replay {
    struct line *line;
    size_t count, size, at;
    struct sim *sim;
    struct drive *drive;
    struct io io;
    struct sim_event next;
};

static bool read_line(const char *text, struct line *l) {
    char rw, hit[8];
    uint64_t lbn, blocks;
    double service, next;
    if (sscanf(text, " %c %7s %" SCNu64 " %" SCNu64 " %lf %lf", &rw, hit, &lbn, &blocks, &service, &next) != 6 ||
        (rw != 'R' && rw != 'W') || !blocks || blocks > 1 << 20 || lbn > UINT64_MAX / 1024 || !(service >= 0) ||
        !(next >= 0) || !(service + next < 1e12))
        return false;
    *l = (struct line){.offset = lbn * 512,
                       .bytes = blocks * 512,
                       .measured_ms = service / 1e3,
                       .next_ms = next / 1e3,
                       .write = rw == 'W'};
    return true;
}

static bool add_line(struct replay *r, const struct line *l) {
    if (r->count == r->size) {
        size_t size = r->size ? 2 * r->size : 1024;
        struct line *more = realloc(r->line, size * sizeof *more);
        if (!more)
            return false;
        r->line = more;
        r->size = size;
    }
    r->line[r->count++] = *l;
    return true;
}

static bool read_trace(struct replay *r, const char *path) {
    char text[256];
    struct line l;
    size_t n = 0;
    FILE *f = fopen(path, "re");
    if (!f) {
        perror(path);
        return false;
    }
    bool ok = true;
    while (ok && fgets(text, sizeof text, f)) {
        n++;
        ok = read_line(text, &l) && add_line(r, &l);
        if (!ok)
            fprintf(stderr, "%s:%zu: expected R|W Hit|Miss LBN blocks service_us next_interarrival_us\n", path, n);
    }
    fclose(f);
    return ok && r->count;
}

static struct replay *replay_of(struct sim_event *event) {
    return (struct replay *)((char *)event - offsetof(struct replay, next));
}

static void submit(struct sim_event *event) {
    struct replay *r = replay_of(event);
    const struct line *l = &r->line[r->at];
    r->io.op = l->write ? IO_WRITE : IO_READ;
    r->io.flags = IO_NO_DATA;
    r->io.offset = l->offset;
    r->io.bytes = l->bytes;
    drive_submit(r->drive, &r->io);
}

static void done(struct io *io) {
    struct replay *r = (struct replay *)((char *)io - offsetof(struct replay, io));
    struct line *l = &r->line[r->at];
    if (io->status != IO_OK)
        fprintf(stderr, "request %zu: %s\n", r->at + 1, io->reason);
    l->modelled_ms = (double)(io->completed_ns - io->submitted_ns) / 1e6;
    io_release(io);
    if (++r->at < r->count)
        sim_schedule(r->sim, &r->next, sim_now(r->sim) + (int64_t)(l->next_ms * 1e6));
}

/* --- distributions --- */

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

enum which { READS, WRITES, ALL };

static size_t sorted(const struct replay *r, enum which which, double *measured, double *modelled) {
    size_t n = 0;
    for (size_t i = 0; i < r->count; i++) {
        const struct line *l = &r->line[i];
        if (which != ALL && l->write != (which == WRITES))
            continue;
        measured[n] = l->measured_ms;
        modelled[n++] = l->modelled_ms;
    }
    qsort(measured, n, sizeof *measured, ascending);
    qsort(modelled, n, sizeof *modelled, ascending);
    return n;
}

static void print_rms(const struct replay *r, enum which which, bool deciles) {
    static const char *const names[] = {"reads", "writes", "all"};
    double *measured = calloc(r->count, sizeof *measured), *modelled = calloc(r->count, sizeof *modelled);
    size_t n = measured && modelled ? sorted(r, which, measured, modelled) : 0;
    double square = 0, a = 0, b = 0;
    for (size_t i = 0; i < n; i++) {
        square += (measured[i] - modelled[i]) * (measured[i] - modelled[i]);
        a += measured[i];
        b += modelled[i];
    }
    if (n)
        printf("  %-6s %6zu requests: rms distance %.3f ms; mean %.3f measured, %.3f modelled\n", names[which], n,
               sqrt(square / (double)n), a / (double)n, b / (double)n);
    for (unsigned q = 0; deciles && n && q <= 20; q++) {
        size_t i = (n - 1) * q / 20;
        printf("    %3u %%  %8.3f %8.3f  %+.3f\n", q * 5, measured[i], modelled[i], modelled[i] - measured[i]);
    }
    free(measured);
    free(modelled);
}

/* --- drives --- */

static void plain(char *to, size_t size, const char *from) {
    size_t n = 0;
    for (; *from && n + 1 < size; from++)
        if (isalnum((unsigned char)*from))
            to[n++] = (char)tolower((unsigned char)*from);
    to[n] = '\0';
}

/* The built-in profile that is called as the trace's file, or NULL. */
static const char *drive_for(const char *path) {
    char stem[128], file[128], name[128];
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    snprintf(stem, sizeof stem, "%.*s", (int)strcspn(base, "."), base);
    plain(file, sizeof file, stem);
    for (const struct profile *p = profiles; p->name; p++) {
        plain(name, sizeof name, p->name);
        if (!strcmp(name, file))
            return p->name;
    }
    return NULL;
}

static struct drive_config config;

static bool configure(const char *drive, char *const *options, unsigned count, struct err *e) {
    static const char *const skip[] = {"nvme", "tcp", "loop", NULL};
    struct opt_set set = {0};
    if (drive_config_init(&config, &set, e) || profile_load(&set, drive, skip, config.name, e))
        return false;
    for (unsigned i = 0; i < count; i++)
        if (opt_assign_arg(&set, options[i], e))
            return false;
    return true;
}

static void print_requests(const struct replay *r) {
    for (size_t i = 0; i < r->count; i++)
        printf("%c %" PRIu64 " %" PRIu64 " %.3f %.3f\n", r->line[i].write ? 'W' : 'R', r->line[i].offset / 512,
               r->line[i].bytes / 512, r->line[i].measured_ms, r->line[i].modelled_ms);
}

static bool replay(const char *drive, const char *path, char *const *options, unsigned count, bool deciles, bool each) {
    struct err e = {0};
    struct replay r = {.at = 0};
    bool ok = read_trace(&r, path);
    if (ok && (!configure(drive, options, count, &e) || !(r.sim = sim_new(&(struct sim_config){0}, &e)) ||
               !(r.drive = drive_open(&config, "none", NULL, r.sim, &e)))) {
        fprintf(stderr, "%s\n", e.text);
        ok = false;
    }
    if (ok) {
        io_init(&r.io);
        r.io.done = done;
        sim_event_init(&r.next, submit);
        sim_schedule(r.sim, &r.next, 0);
        sim_run(r.sim, SIM_NEVER);
        printf("%s: %s\n", path, drive);
        if (each)
            print_requests(&r);
        for (enum which w = READS; w <= ALL; w++)
            print_rms(&r, w, deciles);
    }
    drive_close(r.drive);
    if (r.sim)
        sim_free(r.sim);
    free(r.line);
    return ok;
}

int main(int argc, char **argv) {
    char *options[64];
    unsigned count = 0, replayed = 0;
    bool deciles = false, each = false, ok = true;
    for (int i = 1; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (!strcmp(argv[i], "-q")) {
            deciles = true;
        } else if (!strcmp(argv[i], "-p")) {
            each = true;
        } else if (!strcmp(argv[i], "-o") && i + 1 < argc && count < 64) {
            options[count++] = argv[++i];
        } else {
            const char *path = equals ? equals + 1 : argv[i], *drive = drive_for(argv[i]);
            if (equals) {
                *equals = '\0';
                drive = argv[i];
            }
            replayed++;
            if (!drive)
                fprintf(stderr, "%s: no built-in drive is called so; say DRIVE=%s\n", path, path);
            ok = drive && replay(drive, path, options, count, deciles, each) && ok;
        }
    }
    if (!replayed)
        puts("no traces given: bench_disk [DRIVE=]PATH... replays validation traces of DiskSim");
    return ok ? 0 : 2;
}
