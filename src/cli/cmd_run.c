/*
 * drivelab run: a job file or a trace against a drive in virtual time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/outfile.h"
#include "cli/commands.h"
#include "cli/run_files.h"
#include "cli/run_many.h"
#include "cli/run_session.h"

/* Files of results, open from the start: a long run is not to end at a wrong path. */
struct outputs {
    struct outfile json, html, timeline;
};

static int open_output(struct outfile *out, const char *option, const char *path, struct err *e) {
    if (!path || outfile_open(out, path, e) == 0)
        return 0;
    return err_prefix(e, "%s ", option);
}

struct printing {
    const struct run_args *args;
    struct outputs *outputs;
    bool interrupted; /* the results are of a part only */
};

static int print(const struct report *report, void *context) {
    struct printing *p = context;
    const struct run_args *a = p->args;
    int ret = CLI_OK;
    if (!run_args_on_stdout(a) && report_find("text")->write(report, stdout)) {
        fprintf(stderr, "drivelab: the standard output: not everything could be written\n");
        ret = CLI_FAILED;
    }
    if (a->json) {
        (void)report_find("json")->write(report, p->outputs->json.stream); /* the stream remembers */
        ret |= run_commit(&p->outputs->json, "--json", p->interrupted);
    }
    if (a->html) {
        (void)report_find("html")->write(report, p->outputs->html.stream);
        ret |= run_commit(&p->outputs->html, "--html", p->interrupted);
    }
    ret |= run_commit(&p->outputs->timeline, "--timeline", p->interrupted);
    for (unsigned i = 0; i < report->count; i++)
        if (report->stat[i]->first_error)
            ret = CLI_FAILED;
    if (p->interrupted) {
        fprintf(stderr, "drivelab: interrupted: the results are those of the part that was run\n");
        ret = CLI_FAILED;
    }
    return ret;
}

static int run_once(const struct run_args *a, struct job_file *jobs) {
    struct outputs outputs = {0};
    struct err e = {0};
    int ret = CLI_USAGE;
    struct session *s = calloc(1, sizeof(*s));
    if (!s)
        return CLI_FAILED;
    if (open_output(&outputs.json, "--json", a->json, &e) || open_output(&outputs.html, "--html", a->html, &e) ||
        open_output(&outputs.timeline, "--timeline", a->timeline, &e)) {
        cli_bad_input(&e);
        goto out;
    }
    const struct session_setup setup = {.args = a,
                                        .jobs = jobs,
                                        .drive = a->drive,
                                        .overrides = &a->overrides,
                                        .timeline = outputs.timeline.stream,
                                        .timeline_name = a->timeline};
    if (session_run(s, &setup, &e)) {
        cli_bad_input(&e);
    } else {
        struct printing printing = {a, &outputs, session_interrupted(s)};
        ret = session_report(s, &setup, print, &printing);
        ret = ret < 0 ? CLI_FAILED : ret;
        if (s->result.logs.code) {
            cli_bad_input(&s->result.logs);
            ret = CLI_FAILED;
        }
    }
out:
    session_release(s);
    outfile_abandon(&outputs.json);
    outfile_abandon(&outputs.html);
    outfile_abandon(&outputs.timeline);
    free(s);
    return ret;
}

static int read_jobs(const struct run_args *a, struct job_file *jobs, struct err *e) {
    const struct job_overrides overrides = {.text = a->set, .count = a->sets};
    return a->job ? job_file_read(jobs, a->job, &overrides, e) : 0;
}

static int run_points_of(const struct run_args *a) {
    struct run_points points;
    struct job_file jobs = {0};
    struct err e = {0};
    int ret;
    if (run_points_init(&points, a, &e) || read_jobs(a, &jobs, &e) || run_files_check(a, &points, &jobs, &e))
        ret = cli_bad_input(&e);
    else
        ret = points.count > 1 ? run_many(a, &points, &jobs) : run_once(a, &jobs);
    run_points_release(&points);
    job_file_release(&jobs);
    return ret;
}

static int run_run(const struct cli_command *self, int argc, char **argv) {
    struct run_args a;
    int ret = run_args_parse(self, argc, argv, &a);
    return ret || a.over ? ret : run_points_of(&a);
}

const struct cli_command cmd_run = {
    .name = "run",
    .synopsis = RUN_ARGS_SYNOPSIS,
    .summary = "run a fio job file or a trace against a drive in virtual time",
    .options = run_args_help,
    .run = run_run,
};
