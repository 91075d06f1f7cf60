/*
 * drivelab oops: what the reports of a kernel in a log mean.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "diag/oops/reader.h"
#include "diag/oops/verdict.h"

#define GROUPS_MAX 256
#define READ_BYTES (1u << 20)

enum { NOTHING_FOUND = 3 };

struct arguments {
    bool json, all, first, help;
};

/* Reports with the same title. */
struct group {
    char *title;
    unsigned count, first_number;
    uint64_t first_line;
};

struct session {
    const struct arguments *a;
    struct oops_print how;
    unsigned found, shown;
    struct group groups[GROUPS_MAX];
    unsigned group_count;
    bool failed;
};

static int parse(const struct cli_command *self, int argc, char **argv, struct arguments *a) {
    static const struct option options[] = {{"json", no_argument, 0, 'j'},
                                            {"all", no_argument, 0, 'a'},
                                            {"first", no_argument, 0, 'f'},
                                            {"help", no_argument, 0, 'h'},
                                            {0}};
    for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
        switch (c) {
        case 'j':
            a->json = true;
            break;
        case 'a':
            a->all = true;
            break;
        case 'f':
            a->first = true;
            break;
        case 'h':
            a->help = true;
            return 0;
        default:
            return cli_bad_option(self, argv, c, options);
        }
    }
    if (a->all && a->first)
        return cli_bad_usage(self, "--all and --first exclude each other");
    return 0;
}

/* ---- One report after the other ---- */

static void count(struct session *s, const struct oops_report *report) {
    for (unsigned i = 0; i < s->group_count; i++)
        if (!strcmp(s->groups[i].title, report->title)) {
            s->groups[i].count++;
            return;
        }
    if (s->group_count == GROUPS_MAX)
        return;
    char *title = strdup(report->title);
    if (title)
        s->groups[s->group_count++] = (struct group){title, 1, report->number, report->first_line};
}

static void show_json(struct session *s, const struct oops_report *report, const struct oops_verdict *v) {
    json_t *object = oops_json(report, v);
    fputs(s->shown++ ? ",\n" : "[\n", stdout);
    if (!object || json_dumpf(object, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER))
        s->failed = true;
    json_decref(object);
}

static void show_text(struct session *s, const struct oops_report *report, const struct oops_verdict *v) {
    if (s->shown++)
        fputs("\n----\n\n", stdout);
    oops_print(stdout, report, v, &s->how);
}

static void take_report(void *ctx, struct oops_report *report) {
    struct session *s = ctx;
    bool shown = s->a->first ? s->found == 0 : s->a->all || s->a->json || s->found == 0;
    s->found++;
    count(s, report);
    if (shown) {
        struct oops_verdict v;
        oops_verdict_text(report, &v);
        if (s->a->json)
            show_json(s, report, &v);
        else
            show_text(s, report, &v);
    }
    oops_report_free(report);
}

/* What else is in the log, alike counted once. */
static void print_others(const struct session *s) {
    if (s->a->json || s->a->first || s->found < 2)
        return;
    printf("\n%u reports in this log; the first is report 1, later ones may be its consequences:\n", s->found);
    for (unsigned i = 0; i < s->group_count; i++) {
        const struct group *g = &s->groups[i];
        printf("  %u, line %llu: %s", g->first_number, (unsigned long long)g->first_line, g->title);
        if (g->count > 1)
            printf(" (%u times)", g->count);
        putchar('\n');
    }
    if (!s->a->all)
        puts("--all shows them all.");
}

/* ---- Reading ---- */

static int read_stream(struct session *s, struct oops_reader *reader, int fd, const char *name, struct err *e) {
    char *buffer = malloc(READ_BYTES);
    int rc = buffer ? 0 : -ENOMEM;
    while (!rc && !(s->a->first && s->found)) {
        ssize_t n = read(fd, buffer, READ_BYTES);
        if (n == 0)
            break;
        if (n > 0)
            rc = oops_reader_feed(reader, buffer, (size_t)n);
        else if (errno != EINTR)
            rc = -errno;
    }
    free(buffer);
    return rc ? err_set(e, -rc, "%s: %s", name, strerror(-rc)) : 0;
}

static int read_file(struct session *s, struct oops_reader *reader, const char *path, struct err *e) {
    if (!strcmp(path, "-"))
        return read_stream(s, reader, STDIN_FILENO, "standard input", e);
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, errno, "%s: %s", path, strerror(errno));
    int rc = fstat(fd, &st) || S_ISDIR(st.st_mode) ? err_set(e, EISDIR, "%s: is a directory", path)
                                                   : read_stream(s, reader, fd, path, e);
    close(fd);
    return rc;
}

static int read_all(struct session *s, int argc, char **argv, struct err *e) {
    struct oops_reader *reader = oops_reader_new(take_report, s);
    int rc = reader ? 0 : err_set(e, ENOMEM, "no memory");
    if (!rc && argc == 0)
        rc = read_stream(s, reader, STDIN_FILENO, "standard input", e);
    for (int i = 0; i < argc && !rc; i++)
        rc = read_file(s, reader, argv[i], e);
    if (!rc && oops_reader_end(reader))
        rc = err_set(e, ENOMEM, "no memory");
    oops_reader_free(reader);
    return rc;
}

static int decode(struct session *s, int argc, char **argv) {
    struct err e = {0};
    if (read_all(s, argc, argv, &e))
        return cli_bad_input(&e);
    if (s->a->json)
        fputs(s->shown ? "\n]\n" : "[]\n", stdout);
    else
        print_others(s);
    if (!s->found) {
        fprintf(stderr, "drivelab: no report of a kernel is in there\n");
        return NOTHING_FOUND;
    }
    return s->failed ? CLI_FAILED : CLI_OK;
}

static int run_oops(const struct cli_command *self, int argc, char **argv) {
    struct arguments a = {0};
    int ret = parse(self, argc, argv, &a);
    if (ret)
        return ret;
    if (a.help)
        return cli_help(self);
    if (optind == argc && isatty(STDIN_FILENO))
        return cli_bad_usage(self, "a log is needed: a file, or standard input");
    struct session s = {.a = &a, .how = {.columns = 80, .colour = isatty(STDOUT_FILENO), .all = a.all}};
    ret = decode(&s, argc - optind, argv + optind);
    for (unsigned i = 0; i < s.group_count; i++)
        free(s.groups[i].title);
    return ret;
}

const struct cli_command cmd_oops = {
    .name = "oops",
    .synopsis = "[--all | --first] [--json] [FILE...]",
    .summary = "decode the oopses, BUGs, warnings and lockups of a Linux kernel in a log",
    .options = "  FILE     a log as it is: of a serial console, dmesg, the journal, pstore, a web\n"
               "           page; - or nothing is standard input\n"
               "  --all    every report in full, with every trace and register\n"
               "  --first  the first report alone; reading stops there\n"
               "  --json   as a JSON array of all reports: docs/oops.md\n"
               "\n"
               "Without options the first report is shown in full and the others by title.\n"
               "Exit code 0: decoded; 3: there is no report; 2: the log cannot be read.\n",
    .run = run_oops,
};
