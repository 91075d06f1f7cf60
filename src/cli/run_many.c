/* Several points; see run_many.h. */
#include "cli/run_many.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/outfile.h"
#include "cli/run_pool.h"
#include "cli/run_session.h"
#include "report/page.h"
#include "report/processes.h"
#include "report/table.h"

enum { NAME_MAX_BYTES = 1024 };

struct many {
    const struct run_args *args;
    const struct run_points *points;
    struct job_file *jobs; /* of each process: it is forked */
};

/* --- before --- */

/* What is meant for one run only, or would be written by all at once. */
static int check_args(const struct run_args *a, struct err *e) {
    if (a->timeline && !strcmp(a->timeline, "-"))
        return err_set(e, EINVAL, "--timeline -: each run has a timeline of its own, and this is several runs");
    if (!a->job && !strcmp(a->replay.trace.path, "-"))
        return err_set(e, EINVAL, "--trace -: the standard input can be replayed once only, and this is several runs");
    return 0;
}

void run_many_timeline(const struct run_args *a, const struct run_points *points, unsigned number, char *path,
                       size_t size) {
    const char *name = a->timeline, *slash = strrchr(name, '/'), *dot = strrchr(slash ? slash : name, '.');
    int digits = snprintf(NULL, 0, "%u", points->count);
    int stem = dot && dot != (slash ? slash + 1 : name) ? (int)(dot - name) : (int)strlen(name);
    snprintf(path, size, "%.*s-%0*u%s", stem, name, digits, number + 1, name + stem);
}

/* Whether they can be written, before anything runs. */
static int check_timelines(const struct many *m, struct err *e) {
    char path[PATH_MAX];
    struct outfile out;
    for (unsigned i = 0; m->args->timeline && i < m->points->count; i++) {
        run_many_timeline(m->args, m->points, i, path, sizeof(path));
        if (outfile_open(&out, path, e))
            return err_prefix(e, "--timeline ");
        outfile_abandon(&out);
    }
    return 0;
}

static int check_jobs(const struct run_args *a, const struct job_file *jobs, struct err *e) {
    for (unsigned i = 0; i < jobs->count; i++)
        if (job_writes_file(&jobs->job[i]))
            return err_set(e, EINVAL, "%s: job \"%s\": %s is for one run, and this is several", a->job,
                           jobs->job[i].name, job_writes_file(&jobs->job[i]));
    return 0;
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

struct keeping {
    bool page; /* also what a page needs */
    json_t *result;
};

static int keep(const struct report *report, void *context) {
    struct keeping *k = context;
    k->result = k->page ? report_page_data(report) : report_json_object(report);
    return k->result ? 0 : -ENOMEM;
}

/* Run, and say what came of it; NULL: no memory. */
static json_t *result_of(struct session *s, const struct session_setup *setup) {
    struct err e = {0};
    struct keeping k = {.page = setup->args->html != NULL};
    if (session_run(s, setup, &e))
        return json_pack("{s:s}", "error", e.text);
    if (session_report(s, setup, keep, &k))
        return NULL;
    return json_pack("{s:o}", "result", k.result);
}

static json_t *run_point(void *context, unsigned number) {
    const struct many *m = context;
    struct config_overrides overrides;
    struct err e = {0};
    struct outfile timeline = {0};
    char path[PATH_MAX] = "";
    struct session *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    run_point_options(m->points, number, m->args, &overrides);
    if (m->args->timeline) {
        run_many_timeline(m->args, m->points, number, path, sizeof(path));
        if (outfile_open(&timeline, path, &e)) {
            free(s);
            return json_pack("{s:s}", "error", e.text);
        }
    }
    const struct session_setup setup = {.args = m->args,
                                        .jobs = m->jobs,
                                        .drive = run_point_drive(m->points, number),
                                        .overrides = &overrides,
                                        .timeline = timeline.stream,
                                        .timeline_name = path,
                                        .no_notes = number > 0,
                                        .no_progress = true};
    json_t *point = result_of(s, &setup);
    bool interrupted = session_interrupted(s);
    if (point && interrupted)
        json_object_set_new(point, "interrupted", json_true());
    if (json_object_get(point, "result") && timeline.stream) {
        if (run_commit(&timeline, "--timeline", interrupted))
            json_object_set_new(point, "error", json_string("its timeline could not be written"));
        else if (!interrupted)
            json_object_set_new(point, "timeline", json_string(path));
    }
    outfile_abandon(&timeline);
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

/* Whether all that ran did so behind an I/O scheduler. */
static bool any_processes(const json_t *all) {
    size_t i, with = 0;
    const json_t *point;
    json_array_foreach(all, i, point) {
        const json_t *result = json_object_get(point, "result");
        if (result && !processes_any(json_object_get(result, "drivelab")))
            return false;
        with += result != NULL;
    }
    return with > 0;
}

static int print_table(const struct many *m, const json_t *all) {
    bool compare = m->args->compare && !m->points->lists;
    bool processes = any_processes(all);
    int ret = processes && !compare ? 0 : (compare ? table_compare : table_print)(all, stdout);
    if (!ret && processes && compare)
        fputc('\n', stdout);
    if (!ret && processes)
        ret = processes_compare(all, stdout);
    return ret ? CLI_FAILED : CLI_OK;
}

static int print_json(const json_t *all, struct outfile *out, bool part) {
    for (size_t i = 0; i < json_array_size(all); i++)
        json_object_del(json_object_get(json_array_get(all, i), "result"), "curves"); /* of the page */
    (void)json_dumpf(all, out->stream, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12));
    fputc('\n', out->stream); /* the stream remembers failures */
    return run_commit(out, "--json", part);
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

static int complain(const struct many *m, json_t **results, unsigned *missing) {
    int ret = CLI_OK;
    *missing = 0;
    for (unsigned i = 0; i < m->points->count; i++) {
        char name[NAME_MAX_BYTES];
        const json_t *error = json_object_get(results[i], "error");
        run_point_name(m->points, i, name, sizeof(name));
        *missing += !results[i] || json_object_get(results[i], "interrupted");
        if (error)
            fprintf(stderr, "drivelab: %s: %s\n", name, json_string_value(error));
        if (error || job_failed(results[i], name))
            ret = CLI_FAILED;
    }
    if (*missing)
        fprintf(stderr, "drivelab: interrupted: %u of %u points were not run to their end\n", *missing,
                m->points->count);
    return *missing ? CLI_FAILED : ret;
}

struct outputs {
    struct outfile json, html;
};

static int print_all(const struct many *m, json_t **results, struct outputs *outputs) {
    unsigned unfinished;
    int ret = complain(m, results, &unfinished), printed = CLI_OK;
    json_t *all = json_array();
    for (unsigned i = 0; i < m->points->count; i++)
        if (results[i])
            json_array_append_new(all, named(m->points, i, results[i]));
    if (json_array_size(all) && !run_args_on_stdout(m->args))
        printed = print_table(m, all);
    if (m->args->html && !printed && json_array_size(all)) {
        unsigned missing = m->points->count - (unsigned)json_array_size(all);
        (void)report_page_points(all, missing, outputs->html.stream); /* the stream remembers failures */
        printed = run_commit(&outputs->html, "--html", unfinished > 0);
    }
    if (m->args->json && !printed)
        printed = print_json(all, &outputs->json, unfinished > 0);
    json_decref(all);
    return printed ? printed : ret;
}

static int open_outputs(const struct run_args *a, struct outputs *outputs, struct err *e) {
    if (a->json && outfile_open(&outputs->json, a->json, e))
        return err_prefix(e, "--json ");
    if (a->html && outfile_open(&outputs->html, a->html, e))
        return err_prefix(e, "--html ");
    return 0;
}

int run_many(const struct run_args *args, const struct run_points *points, struct job_file *jobs) {
    struct many m = {args, points, jobs};
    struct err e = {0};
    struct outputs outputs = {0};
    const struct run_pool pool = {
        .tasks = points->count, .jobs = args->jobs, .what = "points", .task = run_point, .context = &m};
    json_t **results = calloc(points->count, sizeof(*results));
    if (!results)
        return CLI_FAILED;
    int ret = CLI_USAGE;
    if (check_args(args, &e) || check_jobs(args, jobs, &e) || check_points(&m, &e) || check_timelines(&m, &e) ||
        open_outputs(args, &outputs, &e)) {
        cli_bad_input(&e);
    } else if (run_pool(&pool, results, &e)) {
        cli_bad_input(&e);
        ret = CLI_FAILED;
    } else {
        ret = print_all(&m, results, &outputs);
    }
    outfile_abandon(&outputs.json);
    outfile_abandon(&outputs.html);
    free(results);
    return ret;
}
