/*
 * The command line of `drivelab run`; see run_args.h.
 */
#include "cli/run_args.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/run_pool.h"
#include "cli/trace_args.h"
#include "load/option.h"

const char run_args_help[] =
    "  --job FILE             fio job file (- : standard input); what is not supported is refused by line\n"
    "  --job-options          list the options of job files, as Markdown\n"
    "  --scheduler NAME,...   put a queue with this I/O scheduler before the drive, tunables after it:\n"
    "                         cfq,slice_idle=0; all: run with each of them\n"
    "  --set NAME=VALUE       option of a job file, over what the file says for every job\n" TRACE_ARG_HELP
    "  -o section.key=value   change an option; drivelab drives DRIVE lists them\n"
    "  --precondition steady  first write the drive twice, then the first job's workload until it is steady\n"
    "  --seed N               seed of the drive and of the jobs, default 1\n"
    "  --json FILE            also write JSON, a superset of fio's; - : only JSON, to standard output\n"
    "  -o section.key=A,B     run with each of the values, and all combinations of several lists; ; instead of ,\n"
    "                         where a value may have commas itself\n"
    "  --compare DRIVE,DRIVE  run on each of the drives and show the results side by side\n"
    "  --jobs N               so many runs at once, each in a process of its own, default 1\n"
    "  --detail               also latency by stage; in JSON also over time, by die and channel\n"
    "  --html FILE            also write a page with charts: one file, to be opened in a browser; of several runs\n"
    "                         one page that compares them\n"
    "  --timeline FILE        also write a timeline for Perfetto: channels, dies and requests; of several runs\n"
    "                         one each, FILE with -1, -2 and so on before its suffix\n"
    "  --timeline-window A:B  only from A to B, times since the run began, such as 10ms:12ms\n"
    "  --timeline-events N    at most so many events, default 300000\n"
    "  --reproducible         leave out everything measured by the wall clock: same input, same bytes\n";

static int parse_seed(const char *text, uint64_t *seed) {
    char *end;
    errno = 0;
    *seed = strtoull(text, &end, 0);
    return errno || end == text || *end || *text == '-' ? -EINVAL : 0;
}

/* START:END, either may be missing. */
static int take_window(struct run_args *a, const char *text, struct err *e) {
    char from[64];
    const char *colon = strchr(text, ':');
    a->window.from_ns = 0;
    a->window.to_ns = SIM_NEVER;
    if (!colon || (size_t)(colon - text) >= sizeof(from))
        goto bad;
    snprintf(from, sizeof(from), "%.*s", (int)(colon - text), text);
    if (from[0] && opt_parse_time(from, &a->window.from_ns))
        goto bad;
    if (colon[1] && opt_parse_time(colon + 1, &a->window.to_ns))
        goto bad;
    if (a->window.from_ns >= 0 && a->window.from_ns < a->window.to_ns)
        return 0;
bad:
    return err_set(e, EINVAL, "--timeline-window %s: START:END, times since the run began such as 10ms:12ms", text);
}

static int take_number(const char *option, const char *text, uint64_t most, uint64_t *number, struct err *e) {
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    if (!errno && *text >= '0' && *text <= '9' && !*end && *number && *number <= most)
        return 0;
    return err_set(e, EINVAL, "%s %s: a number from 1 to %" PRIu64, option, text, most);
}

/* Of several files the first would be forgotten. */
static int take_file(const char **to, const char *option, const char *path, struct err *e) {
    if (*to)
        return err_set(e, EINVAL, "%s %s: there is one already, %s", option, path, *to);
    *to = path;
    return 0;
}

int run_args_parse(const struct cli_command *self, int argc, char **argv, struct run_args *a) {
    static const struct option options[] = {
        {"job", required_argument, 0, 'b'},
        {"json", required_argument, 0, 'j'},
        {"seed", required_argument, 0, 's'},
        {"reproducible", no_argument, 0, 'r'},
        {"help", no_argument, 0, 'h'},
        {"set", required_argument, 0, 'S'},
        {"precondition", required_argument, 0, 'p'},
        {"job-options", no_argument, 0, 'O'},
        {"compare", required_argument, 0, 'c'},
        {"jobs", required_argument, 0, 'J'},
        {"detail", no_argument, 0, 'd'},
        {"html", required_argument, 0, 'H'},
        {"timeline", required_argument, 0, 't'},
        {"timeline-window", required_argument, 0, 'w'},
        {"timeline-events", required_argument, 0, 'E'},
        {"scheduler", required_argument, 0, 'q'},
        TRACE_ARG_OPTIONS,
        {0},
    };
    struct err e = {0};
    uint64_t jobs = 1;
    *a = (struct run_args){.seed = 1, .window = {.from_ns = 0, .to_ns = SIM_NEVER, .events = TIMELINE_EVENTS}};
    trace_args_init(&a->replay);
    for (int c; (c = getopt_long(argc, argv, ":o:h", options, NULL)) != -1;) {
        switch (c) {
        case 'o':
            if (config_override(&a->overrides, optarg, &e))
                return cli_bad_input(&e);
            break;
        case 'b':
            if (take_file(&a->job, "--job", optarg, &e))
                return cli_bad_input(&e);
            break;
        case 'j':
            if (take_file(&a->json, "--json", optarg, &e))
                return cli_bad_input(&e);
            break;
        case 's':
            if (parse_seed(optarg, &a->seed))
                return cli_bad_usage(self, "--seed %s: a number from 0 to 2^64 - 1", optarg);
            break;
        case 'r':
            a->reproducible = true;
            break;
        case 'S':
            if (a->sets == RUN_SETS_MAX)
                return cli_bad_usage(self, "--set: at most %d times", RUN_SETS_MAX);
            a->set[a->sets++] = optarg;
            break;
        case 'p':
            if (strcmp(optarg, "none") && strcmp(optarg, "steady"))
                return cli_bad_usage(self, "--precondition %s: none or steady", optarg);
            a->precondition = !strcmp(optarg, "steady");
            break;
        case 'c':
            a->compare = optarg;
            break;
        case 'J':
            if (take_number("--jobs", optarg, RUN_POOL_JOBS_MAX, &jobs, &e))
                return cli_bad_input(&e);
            break;
        case 'd':
            a->detail = true;
            break;
        case 'H':
            if (take_file(&a->html, "--html", optarg, &e))
                return cli_bad_input(&e);
            break;
        case 't':
            if (take_file(&a->timeline, "--timeline", optarg, &e))
                return cli_bad_input(&e);
            break;
        case 'w':
            if (take_window(a, optarg, &e))
                return cli_bad_input(&e);
            break;
        case 'q':
            a->all_schedulers = !strcmp(optarg, "all");
            if (config_scheduler(optarg, true, a->scheduler, sizeof(a->scheduler), &e) ||
                config_override(&a->overrides, a->scheduler, &e))
                return cli_bad_input(&e);
            break;
        case 'E':
            if (take_number("--timeline-events", optarg, TIMELINE_EVENTS_MAX, &a->window.events, &e))
                return cli_bad_input(&e);
            break;
        case 'O':
            a->over = true;
            job_options_print(stdout);
            return CLI_OK;
        case 'h':
            a->over = true;
            return cli_help(self);
        default:
            if (c < TRACE_ARG_FIRST || c >= TRACE_ARG_END)
                return cli_bad_option(self, argv, c, options);
            if (c == TRACE_ARG_FILE && a->replay.trace.path)
                return cli_bad_usage(self, "--trace %s: there is one already, %s", optarg, a->replay.trace.path);
            if (trace_args_take(&a->replay, c, optarg, &e))
                return cli_bad_input(&e);
        }
    }
    if (a->compare && optind != argc)
        return cli_bad_usage(self, "either a drive or --compare");
    if (!a->compare && optind + 1 != argc)
        return cli_bad_usage(self, "one drive is to be named");
    a->drive = a->compare ? NULL : argv[optind];
    a->jobs = (unsigned)jobs;
    if (!a->job == !a->replay.trace.path)
        return cli_bad_usage(self, a->job ? "either --job or --trace" : "--job FILE or --trace FILE is missing");
    if (a->replay.trace.path && (a->precondition || a->sets))
        return cli_bad_usage(self, "%s is for job files", a->sets ? "--set" : "--precondition steady");
    return CLI_OK;
}

bool run_args_on_stdout(const struct run_args *a) {
    return (a->json && !strcmp(a->json, "-")) || (a->html && !strcmp(a->html, "-")) ||
           (a->timeline && !strcmp(a->timeline, "-"));
}
