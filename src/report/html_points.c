/*
 * The page of several runs: of each result only what the page shows, so that a
 * thousand of them stay readable.
 */
#include <jansson.h>

#include "report/page.h"

/* Take over a member, under another name. */
static void take(json_t *to, const char *name, const json_t *from, const char *member) {
    json_t *value = json_object_get(from, member);
    if (value)
        json_object_set(to, name, value);
}

static json_t *point_data(const json_t *point) {
    const json_t *result = json_object_get(point, "result"), *own = json_object_get(result, "drivelab");
    const json_t *detail = json_object_get(own, "detail");
    json_t *o = json_object();
    take(o, "drive", point, "drive");
    take(o, "options", point, "options");
    take(o, "error", point, "error");
    take(o, "interrupted", point, "interrupted");
    take(o, "total", own, "total");
    take(o, "measured", own, "measured");
    take(o, "processes", json_object_get(own, "scheduler"), "processes");
    take(o, "elapsed_ns", detail, "elapsed_ns");
    take(o, "series", detail, "series");
    take(o, "stages", detail, "latency_by_stage");
    take(o, "curves", result, "curves");
    return o;
}

/* The first point that has a result; NULL: none. */
static const json_t *any_result(const json_t *points) {
    for (size_t i = 0; i < json_array_size(points); i++) {
        const json_t *result = json_object_get(json_array_get(points, i), "result");
        if (result)
            return result;
    }
    return NULL;
}

static json_t *job_names(const json_t *result) {
    json_t *names = json_array();
    const json_t *jobs = json_object_get(result, "jobs");
    for (size_t i = 0; i < json_array_size(jobs); i++)
        json_array_append(names, json_object_get(json_array_get(jobs, i), "jobname"));
    return names;
}

int report_page_points(const json_t *points, unsigned missing, FILE *out) {
    const json_t *result = any_result(points), *own = json_object_get(result, "drivelab");
    json_t *data = json_object(), *list = json_array();
    for (size_t i = 0; i < json_array_size(points); i++)
        json_array_append_new(list, point_data(json_array_get(points, i)));
    json_object_set_new(data, "points", list);
    json_object_set_new(data, "jobs", job_names(result));
    json_object_set_new(data, "missing", json_integer(missing));
    take(data, "seed", own, "seed");
    take(data, "version", own, "version");
    take(data, "time", result, "time");
    int ret = report_page_write(data, out);
    json_decref(data);
    return ret;
}
