/*
 * fio job files, see job.h. Source of the syntax: fio(1), "JOB FILE FORMAT".
 *
 * A section's options are collected and applied when it ends: kb_base first,
 * then those of [global], then its own, then the command line's. So a job
 * knows all its options, and messages name the line each came from.
 */
#include "load/job.h"

#include <ctype.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load/job_int.h"
#include "load/option.h"

#define JOB_FILE_MAX   (1u << 20)
#define JOBS_MAX       1024
#define GIVENS_MAX     4096
#define JOB_LINE_MAX   8192

#define STANDARD_INPUT "standard input" /* what "-" is called */

/* A file being read, and who includes it. */
struct source {
    const char *name;
    bool includes; /* may include others */
    unsigned line;
    const struct source *parent;
};

struct givens {
    struct job_given *list;
    unsigned count;
};

/* What the parser carries from line to line. */
struct parser {
    struct job_file *jobs;
    const struct job_overrides *overrides;
    struct givens global, own;
    bool any, in_global;
    char name[64]; /* of the section being read */
};

static void note(char *notes, size_t size, const char *name) {
    char quoted[40];
    snprintf(quoted, sizeof(quoted), "%s ", name);
    size_t used = strlen(notes);
    for (const char *at = notes; (at = strstr(at, quoted)); at++)
        if (at == notes || at[-1] == ' ')
            return;
    if (used + strlen(quoted) < size)
        strcpy(notes + used, quoted);
}

static void take_note(struct job_file *jobs, const struct job_option *o) {
    static const char *const schedulers[] = {"prio", "prioclass", "nice", "cgroup", "cgroup_weight", "cgroup_io_max"};
    if (o->type == JOB_NOTED)
        note(jobs->notes, sizeof(jobs->notes), o->name);
    for (unsigned i = 0; i < sizeof(schedulers) / sizeof(schedulers[0]); i++)
        if (!strcmp(o->name, schedulers[i]))
            note(jobs->scheduling, sizeof(jobs->scheduling), o->name);
}

static void givens_release(struct givens *g) {
    for (unsigned i = 0; i < g->count; i++) {
        free(g->list[i].name);
        free(g->list[i].value);
    }
    free(g->list);
    *g = (struct givens){0};
}

static int givens_add(struct givens *g, const char *name, const char *value, const char *file, unsigned line,
                      struct err *e) {
    if (g->count == GIVENS_MAX)
        return err_set(e, E2BIG, "more than %d options in a section", GIVENS_MAX);
    struct job_given *grown = realloc(g->list, (g->count + 1) * sizeof(*grown));
    if (!grown)
        return err_set(e, ENOMEM, "no memory for another option");
    g->list = grown;
    struct job_given *new = &grown[g->count];
    *new = (struct job_given){.name = strdup(name), .value = strdup(value), .file = file, .line = line};
    if (!new->name || !new->value) {
        free(new->name);
        free(new->value);
        return err_set(e, ENOMEM, "no memory for another option");
    }
    g->count++;
    return 0;
}

static int givens_copy(struct givens *to, const struct givens *from, struct err *e) {
    for (unsigned i = 0; i < from->count; i++) {
        const struct job_given *g = &from->list[i];
        if (givens_add(to, g->name, g->value, g->file, g->line, e))
            return -ENOMEM;
    }
    return 0;
}

static int apply_one(struct job_file *jobs, struct job *job, const struct job_given *g, struct err *e) {
    const struct job_option *o = job_option_find(g->name);
    int ret = o ? job_option_set(job, o, g->value, e) : job_option_unknown(g->name, e);
    if (ret)
        return g->line ? err_prefix(e, "%s:%u: ", g->file, g->line) : err_prefix(e, "%s: ", g->file);
    take_note(jobs, o);
    return 0;
}

static int apply(struct job_file *jobs, struct job *job, struct err *e) {
    for (int units = 1; units >= 0; units--)
        for (unsigned i = 0; i < job->givens; i++)
            if ((units == 1) == !strcmp(job->given[i].name, "kb_base") && apply_one(jobs, job, &job->given[i], e))
                return -EINVAL;
    return 0;
}

/* fio's reserved keywords. */
static int keywords(char *value, size_t size, struct err *e) {
    int ret = job_value_keywords(value, size);
    if (ret == -EINVAL)
        return err_set(e, EINVAL, "%.100s: a number with + - * / and parentheses is wanted around a keyword", value);
    return ret ? err_set(e, E2BIG, "%.100s: too long with its keywords", value) : 0;
}

static int add_overrides(const struct parser *p, struct givens *g, struct err *e) {
    for (unsigned i = 0; p->overrides && i < p->overrides->count; i++) {
        const char *text = p->overrides->text[i], *equals = strchr(text, '=');
        char name[64], value[512] = "";
        size_t len = equals ? (size_t)(equals - text) : strlen(text);
        if (len >= sizeof(name))
            return err_set(e, EINVAL, "--set %.100s: name=value is wanted", text);
        memcpy(name, text, len);
        name[len] = 0;
        if (equals && strlen(equals + 1) >= sizeof(value))
            return err_set(e, EINVAL, "--set %.100s: more than %zu characters", text, sizeof(value) - 1);
        snprintf(value, sizeof(value), "%s", equals ? equals + 1 : "");
        if (keywords(value, sizeof(value), e))
            return err_prefix(e, "--set %s=", name);
        if (givens_add(g, name, value, "--set", 0, e))
            return e->code;
    }
    return 0;
}

/* The section that ends here becomes a job. */
static int close_section(struct parser *p, struct err *e) {
    if (!p->any || p->in_global)
        return 0;
    struct givens all = {0};
    int ret = givens_copy(&all, &p->global, e);
    if (!ret)
        ret = givens_copy(&all, &p->own, e);
    if (!ret)
        ret = add_overrides(p, &all, e);
    if (!ret && p->jobs->count == JOBS_MAX)
        ret = err_set(e, EINVAL, "more than %d jobs", JOBS_MAX);
    struct job *grown = ret ? NULL : realloc(p->jobs->job, (p->jobs->count + 1) * sizeof(*grown));
    if (!grown) {
        givens_release(&all);
        return ret ? ret : err_set(e, ENOMEM, "no memory for another job");
    }
    struct job *job = &grown[p->jobs->count++];
    p->jobs->job = grown;
    job_defaults(job);
    memcpy(job->name, p->name, sizeof(job->name));
    job->given = all.list;
    job->givens = all.count;
    job->globals = p->global.count;
    givens_release(&p->own);
    ret = apply(p->jobs, job, e);
    return ret ? ret : job_finish(p->jobs, job, e);
}

static int open_section(struct parser *p, char *line, const struct source *s, struct err *e) {
    char *close = strchr(line, ']');
    if (!close || close == line + 1)
        return err_set(e, EINVAL, "%s:%u: section header is not of the form [name]", s->name, s->line);
    *close = 0;
    if (close_section(p, e))
        return e->code;
    p->any = true;
    p->in_global = !strcmp(line + 1, "global");
    snprintf(p->name, sizeof(p->name), "%s", line + 1);
    return 0;
}

static char *trim(char *text) {
    while (isspace((unsigned char)*text))
        text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        end--;
    *end = 0;
    return text;
}

/* A comment after white space ends the line, too. */
static void cut_comment(char *line) {
    for (char *at = line; *at; at++)
        if ((*at == ';' || *at == '#') && at > line && isspace((unsigned char)at[-1])) {
            *at = 0;
            return;
        }
}

/* ${NAME} becomes the variable's value. */
static int expand(char *line, const struct source *s, struct err *e) {
    for (char *at = line; (at = strstr(at, "${"));) {
        char *close = strchr(at, '}');
        if (!close)
            return err_set(e, EINVAL, "%s:%u: ${ without }", s->name, s->line);
        *close = 0;
        const char *value = getenv(at + 2);
        if (!value)
            return err_set(e, EINVAL, "%s:%u: there is no environment variable \"%.100s\"", s->name, s->line, at + 2);
        size_t len = strlen(value), rest = strlen(close + 1) + 1;
        if ((size_t)(at - line) + len + rest > JOB_LINE_MAX)
            return err_set(e, EINVAL, "%s:%u: too long with its variables", s->name, s->line);
        memmove(at + len, close + 1, rest);
        memcpy(at, value, len);
        at += len;
    }
    return 0;
}

static int include_file(struct parser *p, const char *path, const struct source *s, struct err *e);

static int parse_line(struct parser *p, char *line, const struct source *s, struct err *e) {
    const char *end = line + JOB_LINE_MAX;
    line = trim(line);
    if (!*line || *line == '#' || *line == ';')
        return 0;
    cut_comment(line);
    if (expand(line, s, e))
        return e->code;
    line = trim(line);
    if (*line == '[')
        return open_section(p, line, s, e);
    if (!strncmp(line, "include", 7) && isspace((unsigned char)line[7]))
        return include_file(p, trim(line + 7), s, e);
    if (!p->any)
        return err_set(e, EINVAL, "%s:%u: option before the first [section]", s->name, s->line);
    char *value = strchr(line, '=');
    if (value)
        *value++ = 0;
    const char *name = trim(line);
    if (!job_option_find(name)) {
        job_option_unknown(name, e);
        return err_prefix(e, "%s:%u: ", s->name, s->line);
    }
    if (value && keywords(value, (size_t)(end - value), e))
        return err_prefix(e, "%s:%u: ", s->name, s->line);
    if (givens_add(p->in_global ? &p->global : &p->own, name, value ? trim(value) : "", s->name, s->line, e))
        return err_prefix(e, "%s:%u: ", s->name, s->line);
    return 0;
}

/* The lines of one file. */
static int parse_text(struct parser *p, struct source *s, const char *text, size_t len, struct err *e) {
    char *line = malloc(JOB_LINE_MAX);
    int ret = line ? 0 : err_set(e, ENOMEM, "%s: no memory", s->name);
    for (size_t at = 0; !ret && at < len;) {
        const char *newline = memchr(text + at, '\n', len - at);
        size_t n = newline ? (size_t)(newline - text) - at : len - at;
        s->line++;
        if (n >= JOB_LINE_MAX) {
            ret = err_set(e, EINVAL, "%s:%u: line is longer than %d characters", s->name, s->line, JOB_LINE_MAX - 1);
            break;
        }
        memcpy(line, text + at, n);
        line[n] = 0;
        if (strlen(line) != n)
            ret = err_set(e, EINVAL, "%s:%u: NUL byte in the line", s->name, s->line);
        else
            ret = parse_line(p, line, s, e);
        at += n + 1;
    }
    free(line);
    return ret;
}

/* A whole file, to be freed; NULL with `e` filled. */
static char *slurp(const char *path, size_t *len, struct err *e) {
    FILE *file = strcmp(path, STANDARD_INPUT) ? fopen(path, "r") : stdin;
    if (!file) {
        err_set(e, errno, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = malloc(JOB_FILE_MAX + 1);
    *len = text ? fread(text, 1, JOB_FILE_MAX + 1, file) : 0;
    int code = !text ? ENOMEM : ferror(file) ? EIO : *len > JOB_FILE_MAX ? EFBIG : 0;
    if (file != stdin)
        fclose(file);
    if (!code)
        return text;
    free(text);
    if (code == ENOMEM)
        err_set(e, ENOMEM, "%s: no memory", path);
    else if (code == EIO)
        err_set(e, EIO, "%s: cannot be read (is it a directory?)", path);
    else
        err_set(e, EFBIG, "%s: larger than %u bytes; not a job file", path, JOB_FILE_MAX);
    return NULL;
}

/* The path as the job file's own, so that messages can name it later. */
static const char *keep_name(struct job_file *jobs, const char *path, struct err *e) {
    if (jobs->files == JOB_FILES_MAX) {
        err_set(e, E2BIG, "more than %d included files", JOB_FILES_MAX);
        return NULL;
    }
    char *name = strdup(path);
    if (!name)
        err_set(e, ENOMEM, "%s: no memory", path);
    else
        jobs->file[jobs->files++] = name;
    return name;
}

static int parse_file(struct parser *p, const char *path, const struct source *parent, struct err *e) {
    size_t len;
    const char *name = keep_name(p->jobs, path, e);
    char *text = name ? slurp(path, &len, e) : NULL;
    if (!text)
        return parent ? err_prefix(e, "%s:%u: ", parent->name, parent->line) : e->code;
    struct source s = {.name = name, .includes = true, .parent = parent};
    int ret = parse_text(p, &s, text, len, e);
    free(text);
    return ret;
}

/* The including files, outermost first, as "a.fio includes b.fio includes ". */
static void chain(const struct source *s, char *text, size_t size) {
    if (s->parent)
        chain(s->parent, text, size);
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s includes ", s->name);
}

/* As fio: from the working folder or else from the including file's. */
static void locate(const char *path, const struct source *s, char *found, size_t size) {
    char copy[1024];
    snprintf(found, size, "%s", path);
    if (path[0] == '/' || !access(path, F_OK))
        return;
    snprintf(copy, sizeof(copy), "%s", s->name);
    snprintf(found, size, "%s/%s", dirname(copy), path);
    if (access(found, F_OK))
        snprintf(found, size, "%s", path);
}

static int include_file(struct parser *p, const char *path, const struct source *s, struct err *e) {
    char found[2048], text[1024] = "";
    if (!s->includes || !*path)
        return err_set(e, EINVAL, "%s:%u: include %s: %s", s->name, s->line, path,
                       *path ? "only files may include others" : "a file is to be named");
    locate(path, s, found, sizeof(found));
    for (const struct source *at = s; at; at = at->parent)
        if (!strcmp(at->name, found)) {
            chain(s, text, sizeof(text));
            return err_set(e, ELOOP, "%s:%u: include %s: it includes itself: %s%s", s->name, s->line, path, text,
                           found);
        }
    return parse_file(p, found, s, e);
}

static int finish_file(struct parser *p, const char *name, int ret, struct err *e) {
    if (!ret)
        ret = close_section(p, e);
    givens_release(&p->global);
    givens_release(&p->own);
    if (ret)
        return ret;
    return p->jobs->count ? 0 : err_set(e, EINVAL, "%s: no job section; a job file needs at least [name]", name);
}

int job_file_parse(struct job_file *jobs, const char *name, const char *text, unsigned long len, struct err *e) {
    *jobs = (struct job_file){0};
    struct parser p = {.jobs = jobs};
    struct source s = {.name = keep_name(jobs, name, e)};
    return finish_file(&p, name, s.name ? parse_text(&p, &s, text, len, e) : -ENOMEM, e);
}

int job_file_read(struct job_file *jobs, const char *path, const struct job_overrides *overrides, struct err *e) {
    *jobs = (struct job_file){0};
    struct parser p = {.jobs = jobs, .overrides = overrides};
    path = strcmp(path, "-") ? path : STANDARD_INPUT;
    return finish_file(&p, path, parse_file(&p, path, NULL, e), e);
}

static void job_release(struct job *job) {
    for (unsigned i = 0; i < job->givens; i++) {
        free(job->given[i].name);
        free(job->given[i].value);
    }
    free(job->given);
    for (int d = 0; d < RUN_DIRS; d++) {
        free(job->bssplit[d].share);
        free(job->zoned[d].share);
    }
}

void job_file_release(struct job_file *jobs) {
    for (unsigned i = 0; i < jobs->count; i++)
        job_release(&jobs->job[i]);
    for (unsigned i = 0; i < jobs->files; i++)
        free(jobs->file[i]);
    free(jobs->job);
    *jobs = (struct job_file){0};
}
