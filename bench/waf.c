/*
 * Closed forms of write amplification, and the drive beside them.
 *
 * What theory leaves out is left out of the drive: pages of one unit (nothing
 * is padded), a write buffer of a page (what is overwritten there is not
 * counted anyway), collection only when a block is needed, no time on the bus.
 * What the drive can't do without is taken off its flash: of its blocks one is
 * free, and of the two open ones one half each is unwritten, whenever a victim
 * is chosen. So alpha is (blocks - 2) * b / U.
 */
#include "waf.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "drive/drive.h"

enum { DEPTH = 4 };

/* --- theory --- */

double waf_fifo(double alpha) {
    double low = 1, high = 1e6;
    for (int i = 0; i < 200; i++) {
        double a = (low + high) / 2;
        if (1 - 1 / a < exp(-alpha / a))
            low = a;
        else
            high = a;
    }
    return low;
}

/*
 * Share of blocks with at least i valid units, S_i, from i = b down: c i (S_i -
 * S_{i+1}) = 1 - S_i^d. The left rises with S_i and the right falls.
 */
static double at_least(double c, unsigned i, unsigned d, double next) {
    if (d == WAF_GREEDY)
        return fmin(1, next + 1 / (c * i));
    double low = next, high = 1;
    for (int n = 0; n < 60; n++) {
        double s = (low + high) / 2;
        if (c * i * (s - next) < 1 - pow(s, d))
            low = s;
        else
            high = s;
    }
    return low;
}

/* Valid units of the mean block: the sum of all S_i. */
static double mean_valid(double c, unsigned b, unsigned d) {
    double next = 0, sum = 0;
    for (unsigned i = b; i > 0; i--) {
        next = at_least(c, i, d, next);
        sum += next;
    }
    return sum;
}

double waf_dchoices(double alpha, unsigned b, unsigned d) {
    double u = 1 / alpha, low = 1e-9, high = 1 / u; /* an amplification below 1 there is not */
    for (int i = 0; i < 100; i++) {
        double c = (low + high) / 2;
        if (mean_valid(c, b, d) > u * b)
            low = c;
        else
            high = c;
    }
    return 1 / (low * u);
}

static double lambert_w(double x) {
    double w = -0.5;
    for (int i = 0; i < 100; i++)
        w -= (w * exp(w) - x) / (exp(w) * (w + 1));
    return w;
}

double waf_greedy(double alpha, double b) {
    double c = (1 + 1 / (2 * b)) * alpha;
    double x0 = 0.5 - b / alpha * lambert_w(-c * exp(-c));
    return b / (b - (x0 - 1));
}

/* The part of the spare that is best for the hot data, by golden section. */
double waf_hot_cold(double op, double writes, double space, double *hot_spare) {
    double low = 1e-3, high = 1 - 1e-3, ratio = (sqrt(5) - 1) / 2, best = 0;
    for (int i = 0; i < 80; i++) {
        double x[2] = {high - ratio * (high - low), low + ratio * (high - low)}, a[2];
        for (int k = 0; k < 2; k++)
            a[k] =
                writes * waf_fifo(1 + x[k] * op / space) + (1 - writes) * waf_fifo(1 + (1 - x[k]) * op / (1 - space));
        if (a[0] < a[1])
            high = x[1];
        else
            low = x[0];
        best = a[0];
    }
    if (hot_spare)
        *hot_spare = low;
    return best;
}

/* --- the drive --- */

struct load {
    struct drive *drive;
    struct rng rng;
    uint64_t units, left, failed;
    uint64_t hot_units; /* the first; 0: uniform */
    double hot_writes;
    struct io io[DEPTH];
};

static uint64_t next_unit(struct load *l) {
    if (!l->hot_units)
        return rng_below(&l->rng, l->units);
    if (rng_unit(&l->rng) < l->hot_writes)
        return rng_below(&l->rng, l->hot_units);
    return l->hot_units + rng_below(&l->rng, l->units - l->hot_units);
}

static void again(struct io *io) {
    struct load *l = io->priv;
    l->failed += io->status != IO_OK;
    if (!l->left)
        return;
    l->left--;
    io->offset = next_unit(l) * 4096;
    drive_submit(l->drive, io);
}

static void write_units(struct load *l, struct sim *sim, uint64_t writes) {
    l->left = writes;
    for (unsigned i = 0; i < DEPTH; i++) {
        io_init(&l->io[i]);
        l->io[i].op = IO_WRITE;
        l->io[i].bytes = 4096;
        l->io[i].priv = l;
        l->io[i].done = again;
        again(&l->io[i]);
    }
    sim_run(sim, SIM_NEVER);
}

struct units {
    double host, rest;
};

static struct units programmed(const struct drive *drive) {
    json_t *stats = drive_stats(drive), *ftl = json_object_get(stats, "ftl");
    struct units u = {.host = (double)json_integer_value(json_object_get(ftl, "host_units")),
                      .rest = (double)json_integer_value(json_object_get(ftl, "gc_units")) +
                              (double)json_integer_value(json_object_get(ftl, "pad_units"))};
    json_decref(stats);
    return u;
}

static int assign(struct opt_set *set, struct err *e, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int assign(struct opt_set *set, struct err *e, const char *name, const char *fmt, ...) {
    char arg[128], value[64];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(value, sizeof value, fmt, ap);
    va_end(ap);
    snprintf(arg, sizeof arg, "%s=%s", name, value);
    return opt_assign_arg(set, arg, e);
}

static int configure(const struct waf_drive *w, uint64_t units, struct drive_config *config, struct err *e) {
    static const char *const plain[] = {
        "nand.channels=1",         "nand.luns=1",          "nand.planes=1",          "nand.read_time=10us",
        "nand.program_time=10us",  "nand.erase_time=10us", "nand.bus_mts=0",         "nand.command_time=0",
        "nand.endurance=0",        "ssd.op_percent=0",     "ssd.gc_start_percent=0", "ssd.gc_stop_percent=0",
        "ssd.gc_urgent_percent=0",
    };
    struct opt_set set = {0};
    int rc = drive_config_init(config, &set, e);
    for (unsigned i = 0; !rc && i < sizeof plain / sizeof *plain; i++)
        rc = opt_assign_arg(&set, plain[i], e);
    unsigned page = w->page_units ? w->page_units : 1, streams = w->streams ? w->streams : 1;
    if (rc || assign(&set, e, "nand.page_bytes", "%u", page * 4096) ||
        assign(&set, e, "ssd.write_buffer", "%u", page * 4096 * streams) ||
        assign(&set, e, "ssd.streams", "%u", streams) || assign(&set, e, "nand.pages", "%u", w->block_units / page) ||
        assign(&set, e, "nand.blocks", "%u", w->blocks) ||
        assign(&set, e, "drive.capacity", "%llu", (unsigned long long)units * 4096) ||
        assign(&set, e, "drive.seed", "%llu", (unsigned long long)w->seed) ||
        assign(&set, e, "ssd.gc_policy", "%s", w->policy) ||
        (w->choices && assign(&set, e, "ssd.gc_choices", "%u", w->choices)) ||
        assign(&set, e, "ssd.precondition", "%s", w->precondition ? "random" : "sequential"))
        return -1;
    return 0;
}

/* Of each stream a free block, and half of the host's and of the collector's open one. */
static unsigned held_blocks(const struct waf_drive *w) {
    return 2 * (w->streams ? w->streams : 1);
}

double waf_simulate(const struct waf_drive *w, struct err *e) {
    uint64_t units = (uint64_t)((w->blocks - held_blocks(w)) * (double)w->block_units / w->alpha);
    struct drive_config config;
    if (configure(w, units, &config, e))
        return -1;
    struct sim *sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, e);
    struct load *l = calloc(1, sizeof *l);
    double result = -1;
    if (sim && l)
        l->drive = drive_open(&config, "none", NULL, sim, e);
    if (l && l->drive) {
        l->units = units;
        l->hot_units = (uint64_t)(w->hot_space * (double)units);
        l->hot_writes = w->hot_writes;
        rng_init(&l->rng, w->seed, 1);
        write_units(l, sim, (uint64_t)(w->warmup * (double)units));
        struct units from = programmed(l->drive);
        write_units(l, sim, (uint64_t)(w->measured * (double)units));
        struct units to = programmed(l->drive);
        result = 1 + (to.rest - from.rest) / (to.host - from.host);
        if (l->failed || drive_check_state(l->drive, e))
            result = -1;
        drive_close(l->drive);
    }
    free(l);
    sim_free(sim);
    return result;
}
