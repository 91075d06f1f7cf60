/* A run over time; see series.h. */
#include "report/series.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/coarse.h"

#define FIRST_WINDOW_NS 1000

static const char *const dir_names[RUN_DIRS] = {"read", "write", "trim"};
static const char *const cause_names[NAND_CAUSES] = {"host", "mapping", "gc", "wear"};

/* Requests of one direction that were answered in a window. */
struct cell {
    uint64_t ios, bytes;
    double latency; /* sum */
    int64_t latency_most;
    uint32_t bucket[COARSE_BUCKETS];
};

struct window {
    double inflight; /* requests x ns */
    uint64_t programmed[NAND_CAUSES], erased[NAND_CAUSES];
};

struct series {
    int64_t start_ns, window_ns;
    uint32_t resources;
    bool seen[RUN_DIRS];
    struct window window[SERIES_WINDOWS];
    struct cell *cell[RUN_DIRS]; /* SERIES_WINDOWS each */
    float *busy;                 /* resource x window, ns */
};

struct series *series_new(int64_t start_ns, uint32_t resources) {
    struct series *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->start_ns = start_ns;
    s->window_ns = FIRST_WINDOW_NS;
    s->resources = resources;
    bool good = (s->busy = calloc((size_t)resources * SERIES_WINDOWS + 1, sizeof(*s->busy))) != NULL;
    for (int d = 0; d < RUN_DIRS; d++)
        good = (s->cell[d] = calloc(SERIES_WINDOWS, sizeof(*s->cell[d]))) != NULL && good;
    if (good)
        return s;
    series_free(s);
    return NULL;
}

void series_free(struct series *s) {
    if (!s)
        return;
    for (int d = 0; d < RUN_DIRS; d++)
        free(s->cell[d]);
    free(s->busy);
    free(s);
}

/* --- windows of twice the length --- */

static void add_cell(struct cell *into, const struct cell *from) {
    into->ios += from->ios;
    into->bytes += from->bytes;
    into->latency += from->latency;
    into->latency_most = from->latency_most > into->latency_most ? from->latency_most : into->latency_most;
    for (unsigned b = 0; b < COARSE_BUCKETS; b++)
        into->bucket[b] += from->bucket[b];
}

static void halve_cells(struct cell *cell) {
    for (unsigned i = 0; i < SERIES_WINDOWS / 2; i++) {
        add_cell(&cell[2 * i], &cell[2 * i + 1]);
        cell[i] = cell[2 * i];
        if (i)
            memset(&cell[2 * i], 0, sizeof(*cell));
        memset(&cell[2 * i + 1], 0, sizeof(*cell));
    }
}

static void halve_windows(struct window *w) {
    for (unsigned i = 0; i < SERIES_WINDOWS / 2; i++) {
        struct window sum = w[2 * i];
        sum.inflight += w[2 * i + 1].inflight;
        for (unsigned c = 0; c < NAND_CAUSES; c++) {
            sum.programmed[c] += w[2 * i + 1].programmed[c];
            sum.erased[c] += w[2 * i + 1].erased[c];
        }
        w[i] = sum;
    }
    memset(w + SERIES_WINDOWS / 2, 0, SERIES_WINDOWS / 2 * sizeof(*w));
}

static void halve_busy(float *busy) {
    for (unsigned i = 0; i < SERIES_WINDOWS / 2; i++)
        busy[i] = busy[2 * i] + busy[2 * i + 1];
    memset(busy + SERIES_WINDOWS / 2, 0, SERIES_WINDOWS / 2 * sizeof(*busy));
}

static void halve(struct series *s) {
    for (int d = 0; d < RUN_DIRS; d++)
        if (s->seen[d])
            halve_cells(s->cell[d]);
    halve_windows(s->window);
    for (uint32_t r = 0; r < s->resources; r++)
        halve_busy(s->busy + (size_t)r * SERIES_WINDOWS);
    s->window_ns *= 2;
}

/* The window of a moment; makes room for it. */
static unsigned window_at(struct series *s, int64_t at_ns) {
    int64_t since = at_ns > s->start_ns ? at_ns - s->start_ns : 0;
    while (since / s->window_ns >= SERIES_WINDOWS)
        halve(s);
    return (unsigned)(since / s->window_ns);
}

/* Call `add` for the part of [from, to) in each window. */
#define FOR_PARTS(s, from, to, i, part)                                                                                \
    for (unsigned last_ = window_at(s, (to)-1), i = window_at(s, from); i <= last_; i++)                               \
        for (int64_t part = part_in(s, i, from, to); part > 0; part = 0)

static int64_t part_in(const struct series *s, unsigned i, int64_t from_ns, int64_t to_ns) {
    int64_t begin = s->start_ns + i * s->window_ns, end = begin + s->window_ns;
    return (to_ns < end ? to_ns : end) - (from_ns > begin ? from_ns : begin);
}

/* --- events --- */

void series_request(struct series *s, enum run_dir dir, uint64_t bytes, int64_t submitted_ns, int64_t completed_ns) {
    int64_t latency = completed_ns - submitted_ns;
    struct cell *c = &s->cell[dir][window_at(s, completed_ns)];
    s->seen[dir] = true;
    c->ios++;
    c->bytes += bytes;
    c->latency += (double)latency;
    c->latency_most = latency > c->latency_most ? latency : c->latency_most;
    c->bucket[coarse_bucket(latency)]++;
    if (latency > 0)
        FOR_PARTS(s, submitted_ns, completed_ns, i, part) s->window[i].inflight += (double)part;
}

void series_busy(struct series *s, uint32_t resource, int64_t from_ns, int64_t to_ns) {
    float *busy = s->busy + (size_t)resource * SERIES_WINDOWS;
    if (from_ns < s->start_ns)
        from_ns = s->start_ns;
    if (to_ns > from_ns)
        FOR_PARTS(s, from_ns, to_ns, i, part) busy[i] += (float)part;
}

void series_programmed(struct series *s, enum nand_cause cause, uint32_t bytes, int64_t at_ns) {
    struct window *w = &s->window[window_at(s, at_ns)];
    w->programmed[cause] += bytes;
    w->erased[cause] += !bytes;
}

/* --- results --- */

static unsigned windows_until(const struct series *s, int64_t end_ns) {
    int64_t since = end_ns - s->start_ns;
    if (since <= 0)
        return 0;
    int64_t count = (since + s->window_ns - 1) / s->window_ns;
    return count < SERIES_WINDOWS ? (unsigned)count : SERIES_WINDOWS;
}

/* Seconds of window `i` before the end. */
static double seconds_of(const struct series *s, unsigned i, int64_t end_ns) {
    return (double)part_in(s, i, s->start_ns, end_ns) / 1e9;
}

/* Six significant digits: what is drawn needs no more, and files stay small. */
static json_t *real(double value) {
    char text[32];
    snprintf(text, sizeof(text), "%.6g", isfinite(value) ? value : 0);
    return json_real(strtod(text, NULL));
}

static int64_t quantile(const struct cell *c, double q) {
    uint64_t rank = (uint64_t)ceil(q * (double)c->ios), seen = 0;
    for (unsigned b = 0; b < COARSE_BUCKETS; b++) {
        seen += c->bucket[b];
        if (seen >= rank && seen)
            return coarse_middle(b) < c->latency_most ? coarse_middle(b) : c->latency_most;
    }
    return 0;
}

static json_t *direction_json(const struct series *s, int dir, unsigned count, int64_t end_ns) {
    json_t *iops = json_array(), *bw = json_array(), *mean = json_array(), *p50 = json_array(), *p99 = json_array(),
           *most = json_array();
    for (unsigned i = 0; i < count; i++) {
        const struct cell *c = &s->cell[dir][i];
        double seconds = seconds_of(s, i, end_ns);
        json_array_append_new(iops, real((double)c->ios / seconds));
        json_array_append_new(bw, real((double)c->bytes / seconds));
        json_array_append_new(mean, c->ios ? real(c->latency / (double)c->ios) : json_null());
        json_array_append_new(p50, c->ios ? json_integer(quantile(c, .5)) : json_null());
        json_array_append_new(p99, c->ios ? json_integer(quantile(c, .99)) : json_null());
        json_array_append_new(most, c->ios ? json_integer(c->latency_most) : json_null());
    }
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "iops", iops, "bw_bytes", bw, "mean_ns", mean, "p50_ns", p50,
                     "p99_ns", p99, "max_ns", most);
}

static json_t *causes_json(const struct series *s, unsigned count, bool erases) {
    json_t *all = json_object();
    for (unsigned c = 0; c < NAND_CAUSES; c++) {
        uint64_t sum = 0;
        json_t *list = json_array();
        for (unsigned i = 0; i < count; i++) {
            uint64_t value = erases ? s->window[i].erased[c] : s->window[i].programmed[c];
            json_array_append_new(list, json_integer((json_int_t)value));
            sum += value;
        }
        if (sum)
            json_object_set(all, cause_names[c], list);
        json_decref(list);
    }
    return all;
}

/* Bytes programmed over bytes written in the same window; null where nothing was written. */
static json_t *amplification_json(const struct series *s, unsigned count) {
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++) {
        double programmed = 0;
        for (unsigned c = 0; c < NAND_CAUSES; c++)
            programmed += (double)s->window[i].programmed[c];
        uint64_t written = s->cell[RUN_WRITE][i].bytes;
        json_array_append_new(list, written ? real(programmed / (double)written) : json_null());
    }
    return list;
}

json_t *series_json(const struct series *s, int64_t end_ns) {
    unsigned count = windows_until(s, end_ns);
    json_t *o = json_object(), *depth = json_array();
    json_object_set_new(o, "window_ns", json_integer(s->window_ns));
    for (int d = 0; d < RUN_DIRS; d++)
        if (s->seen[d])
            json_object_set_new(o, dir_names[d], direction_json(s, d, count, end_ns));
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(depth, real(s->window[i].inflight / 1e9 / seconds_of(s, i, end_ns)));
    json_object_set_new(o, "queue_depth", depth);
    if (!s->resources)
        return o;
    json_object_set_new(o, "programmed_bytes", causes_json(s, count, false));
    json_object_set_new(o, "erases", causes_json(s, count, true));
    if (s->seen[RUN_WRITE])
        json_object_set_new(o, "write_amplification", amplification_json(s, count));
    return o;
}

json_t *series_busy_json(const struct series *s, uint32_t resource, int64_t end_ns) {
    unsigned count = windows_until(s, end_ns);
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++) {
        double share = (double)s->busy[(size_t)resource * SERIES_WINDOWS + i] / 1e9 / seconds_of(s, i, end_ns);
        json_array_append_new(list, json_real(round((share > 1 ? 1 : share) * 1000) / 1000));
    }
    return list;
}
