/* Processes as a table; see processes.h. */
#include "report/processes.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/text.h"
#include "report/table_int.h"

/* What the columns left of a process's figures say. */
struct lead {
    const json_t *point; /* NULL: a run alone */
    bool drive, arm;
};

static const json_t *list_of(const json_t *stats) {
    return json_object_get(json_object_get(stats, "scheduler"), "processes");
}

static const json_t *stats_of(const json_t *point) {
    return json_object_get(json_object_get(point, "result"), "drivelab");
}

bool processes_any(const json_t *stats) {
    return json_array_size(list_of(stats)) > 0;
}

/* --- a line --- */

static void put_lead(struct grid *g, const struct lead *lead, bool header) {
    const char *name;
    json_t *value;
    if (!lead->point)
        return;
    if (lead->drive)
        grid_put(g, header ? "drive" : json_string_value(json_object_get(lead->point, "drive")));
    json_object_foreach(json_object_get(lead->point, "options"), name, value) {
        const char *short_name = strcmp(name, "queue.scheduler") ? name : "scheduler";
        grid_put(g, header ? short_name : json_string_value(value));
    }
}

static void put_header(struct grid *g, const struct lead *lead) {
    static const char *const names[] = {"process", "read", "write", "share", "mean", "p50", "p99", "max", "merged"};
    put_lead(g, lead, true);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        grid_put(g, names[i]);
    if (lead->arm) {
        grid_put(g, "seeks");
        grid_put(g, "travel");
    }
    grid_end_line(g);
}

static void put_rate(struct grid *g, const json_t *process, const char *direction) {
    double bw = json_number_value(json_object_get(json_object_get(process, "bw_bytes"), direction));
    grid_put(g, bw > 0 ? text_rate(bw).s : "-");
}

static void put_time(struct grid *g, const json_t *process, const char *which) {
    const json_t *ns = json_object_get(json_object_get(process, "lat_ns"), which);
    grid_put(g, ns ? text_time((int64_t)(json_number_value(ns) + .5)).s : "-");
}

static void put_arm(struct grid *g, const json_t *process) {
    static const char *const names[] = {"seeks", "head_travel_cylinders"};
    for (unsigned i = 0; i < 2; i++) {
        const json_t *value = json_object_get(json_object_get(process, "arm"), names[i]);
        grid_put(g, value ? text_count(json_number_value(value)).s : "-");
    }
}

static void put_line(struct grid *g, const struct lead *lead, const char *name, const json_t *process) {
    static const char *const times[] = {"mean", "p50", "p99", "max"};
    const json_t *share = json_object_get(process, "share");
    char cell[CELL];
    put_lead(g, lead, false);
    grid_put(g, name);
    put_rate(g, process, "read");
    put_rate(g, process, "write");
    snprintf(cell, sizeof cell, "%.1f %%", 100 * json_number_value(share));
    grid_put(g, share ? cell : "-");
    for (unsigned i = 0; i < sizeof times / sizeof *times; i++)
        put_time(g, process, times[i]);
    grid_put(g, text_count(json_number_value(json_object_get(process, "merged"))).s);
    if (lead->arm)
        put_arm(g, process);
    grid_end_line(g);
}

/* --- a run --- */

/* How many of the list have this name. */
static unsigned named(const json_t *list, const char *name) {
    unsigned n = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        n += !strcmp(json_string_value(json_object_get(json_array_get(list, i), "name")), name);
    return n;
}

static void put_run(struct grid *g, const struct lead *lead, const json_t *stats) {
    const json_t *list = list_of(stats);
    char name[CELL];
    unsigned listed = 0;
    size_t more = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *process = json_array_get(list, i);
        if (!json_object_get(process, "lat_ns") && !json_object_get(process, "drive_ns"))
            continue; /* did nothing */
        if (listed++ >= PROCESSES_LISTED) {
            more++;
            continue;
        }
        const char *own = json_string_value(json_object_get(process, "name"));
        bool alone = named(list, own) == 1;
        snprintf(name, sizeof name, alone ? "%.40s" : "%.40s (%d)", own,
                 (int)json_integer_value(json_object_get(process, "owner")));
        put_line(g, lead, name, process);
    }
    snprintf(name, sizeof name, more ? "all, %zu more" : "all", more);
    if (listed > 1)
        put_line(g, lead, name, json_object_get(json_object_get(stats, "scheduler"), "total"));
}

static void put_error(struct grid *g, const struct lead *lead) {
    const char *error = json_string_value(json_object_get(lead->point, "error"));
    put_lead(g, lead, false);
    if (!g->measuring)
        fprintf(g->out, "  %s", error ? error : "nothing was run");
    grid_end_line(g);
}

static bool has_arm(const json_t *stats) {
    return json_object_get(json_object_get(json_object_get(stats, "scheduler"), "total"), "arm") != NULL;
}

void processes_print(const json_t *stats, FILE *out) {
    const struct lead lead = {.arm = has_arm(stats)};
    struct grid g = {.out = out};
    for (int pass = 0; pass < 2; pass++) {
        g.measuring = !pass;
        put_header(&g, &lead);
        put_run(&g, &lead, stats);
    }
}

int processes_compare(const json_t *points, FILE *out) {
    struct lead lead = {.drive = table_drives_differ(points)};
    struct grid g = {.out = out};
    for (size_t i = 0; i < json_array_size(points); i++)
        lead.arm = lead.arm || has_arm(stats_of(json_array_get(points, i)));
    for (int pass = 0; pass < 2; pass++) {
        g.measuring = !pass;
        lead.point = json_array_get(points, 0);
        put_header(&g, &lead);
        for (size_t i = 0; i < json_array_size(points); i++) {
            lead.point = json_array_get(points, i);
            if (json_object_get(lead.point, "result"))
                put_run(&g, &lead, stats_of(lead.point));
            else
                put_error(&g, &lead);
        }
    }
    return fflush(out) || ferror(out) ? -EIO : 0;
}
