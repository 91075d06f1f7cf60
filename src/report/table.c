/* Tables of results; see table.h. */
#include "report/table.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "base/text.h"
#include "report/table_int.h"

enum unit { UNIT_COUNT, UNIT_RATE, UNIT_TIME, UNIT_RATIO };

/* What is shown of a result: a number under "drivelab", for each direction or once. */
struct figure {
    const char *name;
    const char *path[3]; /* of the direction; or of "drivelab" */
    enum unit unit;
    bool once;
};

static const struct figure figures[] = {
    {"IOPS", {"iops"}, UNIT_COUNT, false},
    {"bandwidth", {"bw_bytes"}, UNIT_RATE, false},
    {"mean", {"lat_ns", "mean"}, UNIT_TIME, false},
    {"p50", {"lat_ns", "p50"}, UNIT_TIME, false},
    {"p99", {"lat_ns", "p99"}, UNIT_TIME, false},
    {"p99.9", {"lat_ns", "p99.9"}, UNIT_TIME, false},
    {"WAF", {"measured", "write_amplification"}, UNIT_RATIO, true},
};
enum { FIGURES = sizeof(figures) / sizeof(*figures), DIRECTIONS = 3 };

static const char *const directions[DIRECTIONS] = {"read", "write", "trim"};

/* --- values --- */

static const json_t *own_part(const json_t *point) {
    return json_object_get(json_object_get(point, "result"), "drivelab");
}

static const json_t *direction_part(const json_t *point, unsigned d) {
    return json_object_get(json_object_get(own_part(point), "total"), directions[d]);
}

/* The figure of a point, in a direction if it has one; false: none. */
static bool value_of(const json_t *point, const struct figure *f, unsigned d, double *value) {
    const json_t *at = f->once ? own_part(point) : direction_part(point, d);
    for (unsigned i = 0; at && i < 3 && f->path[i]; i++)
        at = json_object_get(at, f->path[i]);
    *value = json_number_value(at);
    return json_is_number(at);
}

static void format(char cell[CELL], enum unit unit, double value) {
    if (unit == UNIT_COUNT)
        snprintf(cell, CELL, "%s", text_count(value).s);
    else if (unit == UNIT_RATE)
        snprintf(cell, CELL, "%s", text_rate(value).s);
    else if (unit == UNIT_TIME)
        snprintf(cell, CELL, "%s", text_time((int64_t)(value + 0.5)).s);
    else
        snprintf(cell, CELL, "%.3f", value);
}

/* Whether any point moved data in the direction. */
static bool used(const json_t *points, unsigned d) {
    for (size_t i = 0; i < json_array_size(points); i++)
        if (direction_part(json_array_get(points, i), d))
            return true;
    return false;
}

static bool used_once(const json_t *points, const struct figure *f) {
    double value;
    for (size_t i = 0; i < json_array_size(points); i++)
        if (value_of(json_array_get(points, i), f, 0, &value))
            return true;
    return false;
}

bool table_drives_differ(const json_t *points) {
    const json_t *first = json_object_get(json_array_get(points, 0), "drive");
    for (size_t i = 1; i < json_array_size(points); i++)
        if (!json_equal(json_object_get(json_array_get(points, i), "drive"), first))
            return true;
    return false;
}

/* --- a grid of text, columns as wide as they need to be --- */

void grid_put(struct grid *g, const char *text) {
    size_t length = strlen(text);
    unsigned column = g->at++;
    if (column >= sizeof(g->width) / sizeof(*g->width))
        return;
    if (g->measuring) {
        g->width[column] = length > g->width[column] ? length : g->width[column];
        return;
    }
    fprintf(g->out, column ? "  %*s" : "%-*s", (int)g->width[column], text);
}

void grid_end_line(struct grid *g) {
    if (!g->measuring)
        fputc('\n', g->out);
    g->at = 0;
}

/* --- a line for each point --- */

struct layout {
    const json_t *points;
    bool drive; /* a column for it */
    bool names; /* and one for the direction */
    bool waf;
    bool direction[DIRECTIONS];
};

static void put_header(struct grid *g, const struct layout *l) {
    const char *name;
    const json_t *value;
    json_t *options = json_object_get(json_array_get(l->points, 0), "options");
    if (l->drive)
        grid_put(g, "drive");
    json_object_foreach(options, name, value) grid_put(g, name);
    if (l->names)
        grid_put(g, "");
    for (unsigned f = 0; f < FIGURES; f++)
        if (!figures[f].once || l->waf)
            grid_put(g, figures[f].name);
    grid_end_line(g);
}

static void put_point_name(struct grid *g, const struct layout *l, const json_t *point) {
    const char *name;
    json_t *value, *options = json_object_get(point, "options");
    if (l->drive)
        grid_put(g, json_string_value(json_object_get(point, "drive")));
    json_object_foreach(options, name, value) grid_put(g, json_string_value(value));
}

static void put_direction(struct grid *g, const struct layout *l, const json_t *point, unsigned d) {
    char cell[CELL];
    double value;
    put_point_name(g, l, point);
    if (l->names)
        grid_put(g, directions[d]);
    for (unsigned f = 0; f < FIGURES; f++) {
        if (figures[f].once && !l->waf)
            continue;
        if (value_of(point, &figures[f], d, &value))
            format(cell, figures[f].unit, value);
        else
            snprintf(cell, sizeof(cell), "-");
        grid_put(g, cell);
    }
    if (!g->measuring && json_is_true(json_object_get(point, "interrupted")))
        fputs("  (interrupted)", g->out);
    grid_end_line(g);
}

static void put_point(struct grid *g, const struct layout *l, const json_t *point) {
    const char *error = json_string_value(json_object_get(point, "error"));
    bool any = false;
    for (unsigned d = 0; d < DIRECTIONS; d++)
        if (l->direction[d] && direction_part(point, d)) {
            put_direction(g, l, point, d);
            any = true;
        }
    if (any)
        return;
    put_point_name(g, l, point);
    if (!g->measuring)
        fprintf(g->out, "  %s", error ? error : "nothing was transferred");
    grid_end_line(g);
}

int table_print(const json_t *points, FILE *out) {
    struct layout l = {
        .points = points, .drive = table_drives_differ(points), .waf = used_once(points, &figures[FIGURES - 1])};
    unsigned in_use = 0;
    for (unsigned d = 0; d < DIRECTIONS; d++)
        in_use += l.direction[d] = used(points, d);
    l.names = in_use > 1;
    struct grid g = {.out = out};
    for (int pass = 0; pass < 2; pass++) {
        g.measuring = !pass;
        put_header(&g, &l);
        for (size_t i = 0; i < json_array_size(points); i++)
            put_point(&g, &l, json_array_get(points, i));
    }
    return fflush(out) || ferror(out) ? -EIO : 0;
}

/* --- a column for each point --- */

/* Value and ratio to the first point's. */
static void put_ratio(struct grid *g, const json_t *points, size_t i, const struct figure *f, unsigned d) {
    char cell[CELL], text[CELL + 16];
    double value, first;
    if (!value_of(json_array_get(points, i), f, d, &value)) {
        grid_put(g, "-");
        grid_put(g, "");
        return;
    }
    format(cell, f->unit, value);
    grid_put(g, cell);
    text[0] = 0;
    if (i && value_of(json_array_get(points, 0), f, d, &first) && first > 0)
        snprintf(text, sizeof(text), "x%.3g", value / first);
    grid_put(g, text);
}

static void put_figure(struct grid *g, const json_t *points, const struct figure *f, unsigned d) {
    char name[CELL];
    snprintf(name, sizeof(name), "%s%s%s", f->once ? "" : directions[d], f->once ? "" : " ", f->name);
    grid_put(g, name);
    for (size_t i = 0; i < json_array_size(points); i++)
        put_ratio(g, points, i, f, d);
    grid_end_line(g);
}

static void put_figures(struct grid *g, const json_t *points) {
    grid_put(g, "");
    for (size_t i = 0; i < json_array_size(points); i++) {
        const json_t *point = json_array_get(points, i);
        grid_put(g, json_string_value(json_object_get(point, "drive")));
        grid_put(g, json_is_true(json_object_get(point, "interrupted")) ? "(part)" : "");
    }
    grid_end_line(g);
    for (unsigned d = 0; d < DIRECTIONS; d++)
        for (unsigned f = 0; f < FIGURES && used(points, d); f++)
            if (!figures[f].once)
                put_figure(g, points, &figures[f], d);
    for (unsigned f = 0; f < FIGURES; f++)
        if (figures[f].once && used_once(points, &figures[f]))
            put_figure(g, points, &figures[f], 0);
}

int table_compare(const json_t *points, FILE *out) {
    struct grid g = {.out = out};
    for (int pass = 0; pass < 2; pass++) {
        g.measuring = !pass;
        put_figures(&g, points);
    }
    for (size_t i = 0; i < json_array_size(points); i++) {
        const json_t *point = json_array_get(points, i), *error = json_object_get(point, "error");
        if (error)
            fprintf(out, "%s: %s\n", json_string_value(json_object_get(point, "drive")), json_string_value(error));
    }
    return fflush(out) || ferror(out) ? -EIO : 0;
}
