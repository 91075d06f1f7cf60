/*
 * drivelab run: a job file or a trace against a drive in virtual time.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/outfile.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/progress.h"
#include "cli/trace_args.h"
#include "load/option.h"
#include "load/precondition.h"
#include "load/runner.h"
#include "report/report.h"

#define SETS_MAX 64

struct arguments {
    struct config_overrides overrides;
    const char *job, *json;
    const char *set[SETS_MAX]; /* options over those of every job */
    unsigned sets;
    struct replay_config replay; /* trace.path NULL: a job file */
    uint64_t seed;
    bool precondition, reproducible, help;
};

static int parse_seed(const char *text, uint64_t *seed) {
    char *end;
    errno = 0;
    *seed = strtoull(text, &end, 0);
    return errno || end == text || *end || *text == '-' ? -EINVAL : 0;
}

static int parse(const struct cli_command *self, int argc, char **argv, struct arguments *a) {
    static const struct option options[] = {
        {"job", required_argument, 0, 'b'},
        {"json", required_argument, 0, 'j'},
        {"seed", required_argument, 0, 's'},
        {"reproducible", no_argument, 0, 'r'},
        {"help", no_argument, 0, 'h'},
        {"set", required_argument, 0, 'S'},
        {"precondition", required_argument, 0, 'p'},
        {"job-options", no_argument, 0, 'O'},
        TRACE_ARG_OPTIONS,
        {0},
    };
    struct err e = {0};
    for (int c; (c = getopt_long(argc, argv, ":o:h", options, NULL)) != -1;) {
        switch (c) {
        case 'o':
            if (config_override(&a->overrides, optarg, &e))
                return cli_bad_input(&e);
            break;
        case 'b':
            a->job = optarg;
            break;
        case 'j':
            a->json = optarg;
            break;
        case 's':
            if (parse_seed(optarg, &a->seed))
                return cli_bad_usage(self, "--seed %s: a number from 0 to 2^64 - 1", optarg);
            break;
        case 'r':
            a->reproducible = true;
            break;
        case 'S':
            if (a->sets == SETS_MAX)
                return cli_bad_usage(self, "--set: at most %d times", SETS_MAX);
            a->set[a->sets++] = optarg;
            break;
        case 'p':
            if (strcmp(optarg, "none") && strcmp(optarg, "steady"))
                return cli_bad_usage(self, "--precondition %s: none or steady", optarg);
            a->precondition = !strcmp(optarg, "steady");
            break;
        case 'O':
            a->help = true;
            job_options_print(stdout);
            return CLI_OK;
        case 'h':
            a->help = true;
            return cli_help(self);
        default:
            if (c < TRACE_ARG_FIRST || c >= TRACE_ARG_END)
                return cli_bad_option(self, argv, c, options);
            if (trace_args_take(&a->replay, c, optarg, &e))
                return cli_bad_input(&e);
        }
    }
    if (optind + 1 != argc)
        return cli_bad_usage(self, "one drive is to be named");
    if (!a->job == !a->replay.trace.path)
        return cli_bad_usage(self, a->job ? "either --job or --trace" : "--job FILE or --trace FILE is missing");
    if (a->replay.trace.path && (a->precondition || a->sets))
        return cli_bad_usage(self, "%s is for job files", a->sets ? "--set" : "--precondition steady");
    return CLI_OK;
}

static int64_t wall_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A run from its opened drive to its result. */
struct session {
    struct config config;
    struct job_file jobs;
    struct sim *sim;
    struct drive *drive;
    struct precondition_result precondition;
    struct run_result result;
    struct replay_result replay;
    int64_t wall_ns;
    struct outfile json; /* open from the start: a long run is not to end at a wrong path */
};

static int read_jobs(struct session *s, const struct arguments *a, struct err *e) {
    const struct job_overrides overrides = {.text = a->set, .count = a->sets};
    return job_file_read(&s->jobs, a->job, &overrides, e);
}

/* Payload is kept only for jobs that look at it. */
static int open_drive(struct session *s, const struct arguments *a, struct err *e) {
    const struct sim_config virtual_time = {.mode = SIM_VIRTUAL};
    struct drive_zoned_limits zones = {0};
    s->sim = sim_new(&virtual_time, e);
    if (s->sim)
        s->drive = drive_open(&s->config.drive, job_needs_payload(&s->jobs) ? "memory" : "none", NULL, s->sim, e);
    if (!s->drive)
        return e->code ? e->code : -EIO;
    if (s->drive->ops->zoned)
        s->drive->ops->zoned->limits(s->drive, &zones);
    for (unsigned i = 0; i < s->jobs.count; i++)
        if (job_resolve(&s->jobs.job[i], s->drive->capacity, zones.zone_bytes, e))
            return err_prefix(e, "%s: ", a->job);
    return 0;
}

static void print_notes(const struct session *s, const struct arguments *a) {
    if (s->jobs.notes[0])
        fprintf(stderr, "drivelab: note: %s: has no meaning for an emulated drive: %s\n", a->job, s->jobs.notes);
    if (s->jobs.scheduling[0])
        fprintf(stderr, "drivelab: note: %s: without an I/O scheduler of no effect: %s\n", a->job, s->jobs.scheduling);
}

static int run_all(struct session *s, const struct arguments *a, struct err *e) {
    struct progress progress;
    const struct load_settings settings = {
        .seed = a->seed, .progress = progress_show, .context = &progress, .stop = progress_catch_interrupts()};
    int64_t start = wall_clock();
    int ret = 0;
    if (a->precondition) {
        progress_begin(&progress, "preconditioning");
        ret = load_precondition(&s->jobs, s->drive, s->sim, &settings, &s->precondition, e);
        progress_end(&progress);
        start = wall_clock();
    }
    if (!ret) {
        progress_begin(&progress, "running");
        ret = load_run(&s->jobs, s->drive, s->sim, &settings, &s->result, e);
        progress_end(&progress);
    }
    s->wall_ns = wall_clock() - start;
    return ret;
}

static int run_trace(struct session *s, const struct arguments *a, struct err *e) {
    struct progress progress;
    const struct load_settings settings = {
        .seed = a->seed, .progress = progress_show, .context = &progress, .stop = progress_catch_interrupts()};
    int64_t start = wall_clock();
    progress_begin(&progress, "replaying");
    int ret = load_replay(&a->replay, s->drive, s->sim, &settings, &s->replay, e);
    progress_end(&progress);
    s->wall_ns = wall_clock() - start;
    if (!ret)
        trace_args_notes(&a->replay, &s->replay, s->drive->capacity);
    return ret;
}

static int session_run(struct session *s, const char *drive, const struct arguments *a, struct err *e) {
    char seed[64];
    struct config_overrides overrides = a->overrides;
    snprintf(seed, sizeof(seed), "drive.seed=%" PRIu64, a->seed);
    memmove(overrides.text + 1, overrides.text, overrides.count * sizeof(overrides.text[0]));
    overrides.text[0] = seed; /* first, so that -o drive.seed still wins */
    overrides.count++;
    if (a->json && outfile_open(&s->json, a->json, e))
        return err_prefix(e, "--json ");
    if ((a->job && read_jobs(s, a, e)) || config_load(&s->config, drive, &overrides, e) || open_drive(s, a, e))
        return e->code;
    print_notes(s, a);
    return a->job ? run_all(s, a, e) : run_trace(s, a, e);
}

/* What the job does, then the rest of its options as they were given. */
static void describe(const struct job *job, struct report_job_option *option) {
    unsigned n = 0;
#define ADD(key, ...) (snprintf(option[n].value, sizeof(option[n].value), __VA_ARGS__), option[n++].name = (key))
    ADD("rw", "%s", job_rw_name(job));
    ADD("bs", "%" PRIu64 ",%" PRIu64 ",%" PRIu64, job->bs[RUN_READ], job->bs[RUN_WRITE], job->bs[RUN_TRIM]);
    ADD("iodepth", "%u", job->iodepth);
    ADD("numjobs", "%u", job->numjobs);
    ADD("offset", "%" PRIu64, job->offset.bytes);
    ADD("size", "%" PRIu64, job->size.bytes);
    ADD("rwmixread", "%u", job->rwmixread);
    for (unsigned i = 0; i < job->givens; i++) {
        unsigned at = 0;
        while (at < n && strcmp(option[at].name, job->given[i].name))
            at++;
        if (at < 7 || at == REPORT_JOB_OPTIONS - 1) /* resolved above; or full */
            continue;
        snprintf(option[at].value, sizeof(option[at].value), "%.63s", job->given[i].value);
        option[at].name = job->given[i].name;
        n += at == n;
    }
#undef ADD
    option[n].name = NULL;
}

/* What --precondition steady found; NULL without it. */
static json_t *precondition_json(const struct precondition_result *p) {
    if (!p->rounds)
        return NULL;
    json_t *rounds = json_array();
    for (unsigned i = 0; i < p->rounds; i++)
        json_array_append_new(rounds, json_real(p->iops[i]));
    return json_pack("{s:b,s:i,s:f,s:f,s:f,s:I,s:I,s:o}", "steady", p->steady, "rounds", (int)p->rounds, "average_iops",
                     p->average, "excursion_percent", p->excursion_percent, "slope_percent", p->slope_percent, "ios",
                     (json_int_t)p->ios, "simulated_ns", (json_int_t)p->simulated_ns, "round_iops", rounds);
}

static int write_json(const struct report *report, struct outfile *out) {
    struct err e = {0};
    (void)report_find("json")->write(report, out->stream); /* the stream remembers */
    if (outfile_commit(out, &e) == 0)
        return CLI_OK;
    err_prefix(&e, "--json ");
    cli_bad_input(&e);
    return CLI_FAILED;
}

/* Print the report, with what both kinds of run have in common; `interrupted`: it is of a part only. */
static int print_report(struct session *s, const struct arguments *a, struct report *report, bool interrupted) {
    int ret = CLI_OK;
    report->drive = s->config.drive.name;
    report->seed = a->seed;
    report->wall_ns = s->wall_ns;
    report->reproducible = a->reproducible;
    report->drive_stats = drive_stats(s->drive);
    report->config = opt_to_json(&s->config.set);
    if (!a->json || strcmp(a->json, "-"))
        ret = report_find("text")->write(report, stdout) ? CLI_FAILED : CLI_OK;
    if (a->json && ret == CLI_OK)
        ret = write_json(report, &s->json);
    for (unsigned i = 0; i < report->count && ret == CLI_OK; i++)
        if (report->stat[i]->first_error)
            ret = CLI_FAILED;
    if (interrupted) {
        fprintf(stderr, "drivelab: interrupted: the results are those of the part that was run\n");
        ret = CLI_FAILED;
    }
    json_decref(report->drive_stats);
    json_decref(report->config);
    return ret;
}

static int print_jobs(struct session *s, const struct arguments *a) {
    const struct run_result *result = &s->result;
    struct report_job_option(*options)[REPORT_JOB_OPTIONS] = calloc(result->count, sizeof(*options));
    unsigned *iodepth = calloc(result->count, sizeof(*iodepth));
    int ret = CLI_FAILED;
    if (!options || !iodepth)
        goto out;
    for (unsigned i = 0; i < result->count; i++) {
        describe(result->job[i], options[i]);
        iodepth[i] = result->stat[i]->latency_depth ? result->stat[i]->latency_depth : result->job[i]->iodepth;
    }
    struct report report = {
        .stat = result->stat,
        .options = options,
        .iodepth = iodepth,
        .count = result->count,
        .ios = result->ios,
        .simulated_ns = result->simulated_ns,
        .precondition = precondition_json(&s->precondition),
    };
    ret = print_report(s, a, &report, result->interrupted);
    json_decref(report.precondition);
out:
    free(options);
    free(iodepth);
    return ret;
}

static int print_replay(struct session *s, const struct arguments *a) {
    const struct replay_result *result = &s->replay;
    struct report_job_option options[1][REPORT_JOB_OPTIONS] = {0};
    options[0][0].name = "read_iolog";
    snprintf(options[0][0].value, sizeof(options[0][0].value), "%.63s", a->replay.trace.path);
    struct report report = {
        .stat = &result->stat,
        .options = (const struct report_job_option(*)[REPORT_JOB_OPTIONS])options,
        .iodepth = &result->most_inflight,
        .count = 1,
        .ios = result->ios,
        .simulated_ns = result->simulated_ns,
        .trace = trace_args_json(&a->replay, result),
    };
    int ret = print_report(s, a, &report, result->interrupted);
    json_decref(report.trace);
    return ret;
}

static int run_run(const struct cli_command *self, int argc, char **argv) {
    struct arguments a = {.seed = 1};
    struct err e = {0};
    trace_args_init(&a.replay);
    int ret = parse(self, argc, argv, &a);
    if (ret || a.help)
        return ret;
    struct session *s = calloc(1, sizeof(*s));
    if (!s)
        return CLI_FAILED;
    if (session_run(s, argv[optind], &a, &e))
        ret = cli_bad_input(&e);
    else
        ret = a.job ? print_jobs(s, &a) : print_replay(s, &a);
    outfile_abandon(&s->json);
    run_result_release(&s->result);
    replay_result_release(&s->replay);
    if (s->drive)
        drive_close(s->drive);
    if (s->sim)
        sim_free(s->sim);
    job_file_release(&s->jobs);
    free(s);
    return ret;
}

const struct cli_command cmd_run = {
    .name = "run",
    .synopsis = "DRIVE --job FILE.fio | --trace FILE [-o section.key=value]... [--set NAME=VALUE]... "
                "[--precondition none|steady] [--seed N] [--json FILE|-] [--reproducible]",
    .summary = "run a fio job file or a trace against a drive in virtual time",
    .options =
        "  --job FILE             fio job file; what is not supported is refused by line\n"
        "  --job-options          list the options of job files, as Markdown\n"
        "  --set NAME=VALUE       option of a job file, over what the file says for every job\n" TRACE_ARG_HELP
        "  -o section.key=value   change an option; drivelab drives DRIVE lists them\n"
        "  --precondition steady  first write the drive twice, then the first job's workload until it is steady\n"
        "  --seed N               seed of the drive and of the jobs, default 1\n"
        "  --json FILE            also write JSON, a superset of fio's; - : only JSON, to standard output\n"
        "  --reproducible         leave out everything measured by the wall clock: same input, same bytes\n",
    .run = run_run,
};
