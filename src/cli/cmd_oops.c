/*
 * drivelab oops: what the reports of a kernel in a log mean.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "diag/oops/file/guard.h"
#include "diag/oops/file/object.h"
#include "diag/oops/log/reader.h"
#include "diag/oops/symbols/symbols.h"
#include "diag/oops/verdict/verdict.h"

#define GROUPS_MAX   256
#define MODULES_MAX  64
#define READ_BYTES   (1u << 20)
#define LINE_COLUMNS 80
#define TITLE_BYTES  1024u
#define BATCH_MAX    64u         /* reports explained by one process, which opens the files of symbols once */
#define BATCH_BYTES  (64u << 20) /* of memory that they hold */

enum { NOTHING_FOUND = 3 };

struct arguments {
    bool json, all, first, help;
    bool text_alone;
    struct oops_sources sources;
    const char *modules[MODULES_MAX + 1];
    unsigned module_count;
    const char *refused[MODULES_MAX + 2]; /* why files that were named are not used; of strdup() */
    unsigned refused_count;
};

/* Reports with the same title. */
struct group {
    char *title;
    char *shown; /* for people */
    unsigned count, first_number;
    unsigned follows; /* the number of the report that it follows from; 0: none, or not all do */
    uint64_t first_line;
};

/* A report that waits to be shown. */
struct waiting {
    struct oops_report *report;
    struct oops_verdict v;
};

struct session {
    struct arguments *a;
    struct oops_print how;
    unsigned found, shown;
    struct waiting batch[BATCH_MAX];
    unsigned batch_count;
    size_t batch_bytes;
    struct group groups[GROUPS_MAX];
    unsigned group_count;
    bool failed;
};

static int parse(const struct cli_command *self, int argc, char **argv, struct arguments *a) {
    static const struct option options[] = {
        {"json", no_argument, 0, 'j'},         {"all", no_argument, 0, 'a'},
        {"first", no_argument, 0, 'f'},        {"vmlinux", required_argument, 0, 'k'},
        {"module", required_argument, 0, 'm'}, {"debug-dir", required_argument, 0, 'd'},
        {"source", required_argument, 0, 's'}, {"no-symbols", no_argument, 0, 'n'},
        {"help", no_argument, 0, 'h'},         {0}};
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
        case 'k':
            a->sources.vmlinux = optarg;
            break;
        case 'm':
            if (a->module_count == MODULES_MAX)
                return cli_bad_usage(self, "too many modules");
            a->modules[a->module_count++] = optarg;
            break;
        case 'd':
            a->sources.debug_dir = optarg;
            break;
        case 's':
            a->sources.source_dir = optarg;
            break;
        case 'n':
            a->text_alone = true;
            break;
        case 'h':
            a->help = true;
            return 0;
        default:
            return cli_bad_option(self, argv, c, options);
        }
    }
    a->sources.modules = a->modules;
    a->sources.search = true;
    if (a->text_alone && (a->sources.vmlinux || a->module_count || a->sources.debug_dir || a->sources.source_dir))
        return cli_bad_usage(self, "--no-symbols excludes --vmlinux, --module, --debug-dir and --source");
    if (a->all && a->first)
        return cli_bad_usage(self, "--all and --first exclude each other");
    return 0;
}

/* ---- One report after the other ---- */

static void count(struct session *s, const struct oops_report *report) {
    for (unsigned i = 0; i < s->group_count; i++)
        if (!strcmp(s->groups[i].title, report->title)) {
            s->groups[i].count++;
            s->groups[i].follows = report->follows ? s->groups[i].follows : 0;
            return;
        }
    if (s->group_count == GROUPS_MAX)
        return;
    char *title = strdup(report->title), *shown = strdup(oops_shown_title(report));
    if (!title || !shown) {
        free(title);
        free(shown);
        return;
    }
    s->groups[s->group_count++] = (struct group){title, shown, 1, report->number, report->follows, report->first_line};
}

/* Reports from `first` on, in the process that explains them. */
struct showing {
    const struct session *s;
    struct waiting *first;
    unsigned shown; /* before them */
    struct oops_symbols *symbols;
};

static int write_report(const struct session *s, const struct waiting *w, unsigned shown, FILE *out) {
    if (s->a->json)
        fputs(shown ? ",\n" : "[\n", out);
    else if (shown)
        fputs("\n----\n\n", out);
    if (!s->a->json) {
        oops_print(out, w->report, &w->v, &s->how);
        return 0;
    }
    json_t *object = oops_json(w->report, &w->v);
    int rc = object ? json_dumpf(object, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : -1;
    json_decref(object);
    return rc ? -EIO : 0;
}

/* In a process of its own: what reads the files of symbols was not made for damaged ones. */
static int explain_and_write(void *ctx, unsigned i, FILE *out, struct err *e) {
    struct showing *w = ctx;
    struct waiting *one = &w->first[i];
    if (!w->symbols)
        w->symbols = oops_symbols_new(&w->s->a->sources, e);
    if (!w->symbols)
        return e->code;
    oops_symbols_explain(w->symbols, one->report, &one->v);
    return write_report(w->s, one, w->shown + i, out) ? err_set(e, EIO, "the report cannot be written") : 0;
}

/* Those that can't be explained with symbols are shown by their text. */
static void show_batch(struct session *s) {
    for (unsigned i = 0; i < s->batch_count;) {
        struct showing w = {.s = s, .first = &s->batch[i], .shown = s->shown};
        struct err e = {0};
        unsigned done = s->a->text_alone ? 0 : oops_guard_each(explain_and_write, &w, s->batch_count - i, stdout, &e);
        s->shown += done;
        i += done;
        if (i == s->batch_count)
            break;
        for (unsigned k = 0; k < s->a->refused_count; k++)
            oops_note(s->batch[i].report->pool, &s->batch[i].v.symbols, "not used: %s", s->a->refused[k]);
        if (!s->a->text_alone)
            oops_note(s->batch[i].report->pool, &s->batch[i].v.symbols, "not used: %s", e.text);
        if (write_report(s, &s->batch[i], s->shown, stdout))
            s->failed = true;
        s->shown++;
        i++;
    }
    for (unsigned i = 0; i < s->batch_count; i++)
        oops_report_free(s->batch[i].report);
    s->batch_count = 0;
    s->batch_bytes = 0;
    fflush(stdout);
}

static void take_report(void *ctx, struct oops_report *report) {
    struct session *s = ctx;
    bool several = s->a->all || s->a->json;
    bool shown = s->found == 0 || (several && !s->a->first);
    s->found++;
    count(s, report);
    if (!shown) {
        oops_report_free(report);
        return;
    }
    struct waiting *w = &s->batch[s->batch_count++];
    *w = (struct waiting){.report = report};
    oops_verdict_text(report, &w->v);
    s->batch_bytes += oops_pool_bytes(report->pool);
    if (!several || s->batch_count == BATCH_MAX || s->batch_bytes > BATCH_BYTES)
        show_batch(s);
}

/* What else is in the log, alike counted once. */
static void print_others(const struct session *s) {
    if (s->a->json || s->a->first || s->found < 2)
        return;
    printf("\n%u reports in this log; later ones may be consequences of the first:\n", s->found);
    for (unsigned i = 0; i < s->group_count; i++) {
        const struct group *g = &s->groups[i];
        char behind[64] = "", text[TITLE_BYTES];
        if (g->count > 1)
            snprintf(behind, sizeof(behind), " (%u times)", g->count);
        if (g->follows)
            snprintf(behind + strlen(behind), sizeof(behind) - strlen(behind), " (follows from %u)", g->follows);
        snprintf(text, sizeof(text), "  %u, line %llu: %s%s", g->first_number, (unsigned long long)g->first_line,
                 g->shown, behind);
        oops_fold(stdout, text, LINE_COLUMNS);
    }
    if (!s->a->all)
        puts("--all shows them all.");
}

/* ---- Reading ---- */

static int read_stream(struct session *s, struct oops_reader *reader, int fd, const char *name, struct err *e) {
    char *buffer = malloc(READ_BYTES);
    oops_reader_next_file(reader);
    int rc = buffer ? 0 : -ENOMEM;
    while (!rc && !(s->a->first && s->found)) {
        struct pollfd more = {.fd = fd, .events = POLLIN};
        if (s->batch_count && poll(&more, 1, 0) == 0)
            show_batch(s); /* whoever writes the log has stopped for now */
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
    show_batch(s);
    return rc;
}

/* ---- Files of symbols that were named ---- */

static int open_source(void *ctx, FILE *out, struct err *e) {
    struct oops_symbols *symbols = oops_symbols_new(ctx, e);
    oops_symbols_free(symbols);
    return symbols ? 0 : e->code;
}

/* A file that is not there is a mistake of the user's; a damaged one is done without, which each report says. */
static int check_source(struct arguments *a, const struct oops_sources *one, bool *usable, struct err *e) {
    int rc = oops_guard(open_source, (void *)(uintptr_t)one, stdout, e);
    *usable = rc == 0;
    if (rc == -ENOENT || rc == -ENOTDIR || rc == -EISDIR)
        return rc;
    if (rc == -EFAULT) /* it crashed: there is no name in the sentence */
        err_prefix(e, "%s: ", one->vmlinux ? one->vmlinux : one->modules[0]);
    if (rc && (a->refused[a->refused_count] = strdup(e->text)))
        a->refused_count++;
    return 0;
}

static int check_folder(const char *option, const char *path, struct err *e) {
    struct stat st;
    if (path && stat(path, &st))
        return err_set(e, errno, "%s %s: %s", option, path, strerror(errno));
    return path && !S_ISDIR(st.st_mode) ? err_set(e, ENOTDIR, "%s %s: not a folder", option, path) : 0;
}

static int check_sources(struct arguments *a, struct err *e) {
    struct oops_sources *sources = &a->sources;
    if (check_folder("--source", sources->source_dir, e) || check_folder("--debug-dir", sources->debug_dir, e))
        return e->code;
    unsigned kept = 0;
    bool usable = true;
    int rc = sources->vmlinux ? check_source(a, &(struct oops_sources){.vmlinux = sources->vmlinux}, &usable, e) : 0;
    if (!usable)
        sources->vmlinux = NULL;
    for (unsigned i = 0; i < a->module_count && !rc; i++) {
        const char *one[] = {a->modules[i], NULL};
        char name[128];
        if (!oops_module_name(one[0], name, sizeof(name)))
            return err_set(e, EINVAL, "%s: its name is not that of a module (NAME.ko, NAME.ko.xz ...)", one[0]);
        rc = check_source(a, &(struct oops_sources){.modules = one}, &usable, e);
        if (usable)
            a->modules[kept++] = a->modules[i];
    }
    a->modules[kept] = NULL;
    sources->refused = a->refused;
    return rc;
}

static int decode(struct session *s, int argc, char **argv) {
    struct err e = {0};
    if (check_sources(s->a, &e))
        return cli_bad_input(&e);
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
    struct session s = {.a = &a, .how = {.columns = LINE_COLUMNS, .colour = isatty(STDOUT_FILENO), .all = a.all}};
    ret = decode(&s, argc - optind, argv + optind);
    for (unsigned i = 0; i < s.group_count; i++) {
        free(s.groups[i].title);
        free(s.groups[i].shown);
    }
    for (unsigned i = 0; i < a.refused_count; i++)
        free((void *)(uintptr_t)a.refused[i]);
    return ret;
}

const struct cli_command cmd_oops = {
    .name = "oops",
    .synopsis = "[--all | --first] [--json] [--vmlinux FILE] [--module FILE]... [--source DIR] [FILE...]",
    .summary = "decode the oopses, BUGs, warnings and lockups of a Linux kernel in a log",
    .options = "  FILE     a log as it is: of a serial console, dmesg, the journal, pstore, a web\n"
               "           page; - or nothing is standard input\n"
               "  --all    every report in full, with every trace and register\n"
               "  --first  the first report alone; reading stops there\n"
               "  --json   as a JSON array of all reports: docs/oops.md\n"
               "  --vmlinux FILE   the kernel that reported: vmlinux with debug information,\n"
               "           stripped, or a vmlinuz\n"
               "  --module FILE    a module of it (NAME.ko, .ko.xz, .ko.zst, .ko.gz); repeatable\n"
               "  --debug-dir DIR  where more of them lie; looked through before /usr/lib/debug,\n"
               "           /lib/modules and /boot\n"
               "  --source DIR     the kernel's sources, for the statement at a line; without it those\n"
               "           that debug information names, if they are there\n"
               "  --no-symbols     the text alone\n"
               "\n"
               "Without options the first report is shown in full and the others by title.\n"
               "Exit code 0: decoded; 3: there is no report; 2: the log cannot be read.\n",
    .run = run_oops,
};
