/* Several points; see run_many.h. */
#include "cli/run_many.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/outfile.h"
#include "cli/run_pool.h"
#include "cli/run_session.h"
#include "report/table.h"

enum { NAME_MAX_BYTES = 1024 };

struct many {
    const struct run_args *args;
    const struct run_points *points;
};

/* --- before --- */

/* What is meant for one run only, or would be written by all at once. */
static int check_args(const struct run_args *a, struct err *e) {
    if (a->timeline || a->html)
        return err_set(e, EINVAL, "--%s is of one run, and this is several", a->timeline ? "timeline" : "html");
    if (!a->job && !strcmp(a->replay.trace.path, "-"))
        return err_set(e, EINVAL, "--trace -: the standard input can be replayed once only, and this is several runs");
    return 0;
}

static int check_jobs(const struct run_args *a, struct err *e) {
    const struct job_overrides overrides = {.text = a->set, .count = a->sets};
    struct job_file jobs = {0};
    int ret = job_file_read(&jobs, a->job, &overrides, e);
    for (unsigned i = 0; i < jobs.count && !ret; i++)
        if (jobs.job[i].write_iolog[0])
            ret = err_set(e, EINVAL, "%s: job \"%s\": write_iolog is for one run, and this is several", a->job,
                          jobs.job[i].name);
    job_file_release(&jobs);
    return ret;
}

/* All configurations, before the first is run. */
static int check_points(const struct many *m, struct err *e) {
    struct config *config = malloc(sizeof(*config));
    int ret = config ? 0 : err_set(e, ENOMEM, "no memory for the configuration");
    for (unsigned i = 0; i < m->points->count && !ret; i++) {
        struct config_overrides overrides;
        char name[NAME_MAX_BYTES];
        run_point_options(m->points, i, m->args, &overrides);
        ret = config_load(config, run_point_drive(m->points, i), &overrides, e);
        if (ret && m->points->count > 1) {
            run_point_name(m->points, i, name, sizeof(name));
            err_prefix(e, "%s: ", name);
        }
    }
    free(config);
    return ret;
}

/* --- a point, in its process --- */

static int keep(const struct report *report, void *context) {
    json_t **result = context;
    *result = report_json_object(report);
    return *result ? 0 : -ENOMEM;
}

static json_t *run_point(void *context, unsigned number) {
    const struct many *m = context;
    struct config_overrides overrides;
    struct err e = {0};
    json_t *result = NULL, *point;
    struct session *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    run_point_options(m->points, number, m->args, &overrides);
    const struct session_setup setup = {.args = m->args,
                                        .drive = run_point_drive(m->points, number),
                                        .overrides = &overrides,
                                        .no_notes = number > 0,
                                        .no_progress = true};
    if (session_run(s, &setup, &e))
        point = json_pack("{s:s}", "error", e.text);
    else if (session_report(s, &setup, keep, &result))
        point = NULL;
    else
        point = json_pack("{s:o}", "result", result);
    if (point && session_interrupted(s))
        json_object_set_new(point, "interrupted", json_true());
    session_release(s);
    free(s);
    return point;
}

/* --- after --- */

/* Who the point is, then what it brought. Takes `result`. */
static json_t *named(const struct run_points *p, unsigned number, json_t *result) {
    json_t *options = json_object(), *point;
    for (unsigned i = 0; i < p->lists; i++)
        json_object_set_new(options, p->list[i].name, json_string(run_point_value(p, number, i)));
    point = json_pack("{s:s,s:o}", "drive", run_point_drive(p, number), "options", options);
    json_object_update(point, result);
    json_decref(result);
    return point;
}

static int print_table(const struct many *m, const json_t *all) {
    bool compare = m->args->compare && !m->points->lists;
    return (compare ? table_compare : table_print)(all, stdout) ? CLI_FAILED : CLI_OK;
}

static int print_json(const json_t *all, struct outfile *out) {
    struct err e = {0};
    (void)json_dumpf(all, out->stream, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12));
    fputc('\n', out->stream); /* the stream remembers failures */
    if (!outfile_commit(out, &e))
        return CLI_OK;
    err_prefix(&e, "--json ");
    cli_bad_input(&e);
    return CLI_FAILED;
}

/* Whether a job of the result failed; says so. */
static bool job_failed(const json_t *point, const char *name) {
    const json_t *jobs = json_object_get(json_object_get(point, "result"), "jobs");
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i), *error = json_object_get(job, "drivelab_error");
        if (!error)
            continue;
        fprintf(stderr, "drivelab: %s: job \"%s\": %s\n", name, json_string_value(json_object_get(job, "jobname")),
                json_string_value(json_object_get(error, "reason")));
        return true;
    }
    return false;
}

static int complain(const struct many *m, json_t **results) {
    int ret = CLI_OK;
    unsigned missing = 0;
    for (unsigned i = 0; i < m->points->count; i++) {
        char name[NAME_MAX_BYTES];
        const json_t *error = json_object_get(results[i], "error");
        run_point_name(m->points, i, name, sizeof(name));
        missing += !results[i] || json_object_get(results[i], "interrupted");
        if (error)
            fprintf(stderr, "drivelab: %s: %s\n", name, json_string_value(error));
        if (error || job_failed(results[i], name))
            ret = CLI_FAILED;
    }
    if (missing)
        fprintf(stderr, "drivelab: interrupted: %u of %u points were not run to their end\n", missing,
                m->points->count);
    return missing ? CLI_FAILED : ret;
}

static int print_all(const struct many *m, json_t **results, struct outfile *json) {
    int ret = complain(m, results);
    int printed = CLI_OK;
    json_t *all = json_array();
    for (unsigned i = 0; i < m->points->count; i++)
        if (results[i])
            json_array_append_new(all, named(m->points, i, results[i]));
    if (json_array_size(all) && (!m->args->json || strcmp(m->args->json, "-")))
        printed = print_table(m, all);
    if (m->args->json && !printed)
        printed = print_json(all, json);
    json_decref(all);
    return printed ? printed : ret;
}

int run_many(const struct run_args *args, const struct run_points *points) {
    struct many m = {args, points};
    struct err e = {0};
    struct outfile json = {0};
    const struct run_pool pool = {
        .tasks = points->count, .jobs = args->jobs, .what = "points", .task = run_point, .context = &m};
    json_t **results = calloc(points->count, sizeof(*results));
    if (!results)
        return CLI_FAILED;
    int ret = CLI_USAGE;
    if (check_args(args, &e) || (args->job && check_jobs(args, &e)) || check_points(&m, &e) ||
        (args->json && outfile_open(&json, args->json, &e) && err_prefix(&e, "--json "))) {
        cli_bad_input(&e);
    } else if (run_pool(&pool, results, &e)) {
        cli_bad_input(&e);
        ret = CLI_FAILED;
    } else {
        ret = print_all(&m, results, &json);
    }
    outfile_abandon(&json);
    free(results);
    return ret;
}
