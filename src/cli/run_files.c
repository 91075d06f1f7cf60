/* Which files a run reads and writes; see run_files.h. */
#include "cli/run_files.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/run_many.h"
#include "load/runner.h"

/* A use of a file. One that does not exist yet is its name in its folder. */
struct use {
    dev_t device;
    ino_t inode;
    char *name; /* in the folder; "": the inode is the file's own */
    char *path; /* as it was given */
    char what[96];
    bool output;
};

struct uses {
    struct use *list;
    size_t count, room;
    struct err *e;
};

/* --- collecting --- */

static struct use *grow(struct uses *u) {
    if (u->count == u->room) {
        size_t room = u->room ? 2 * u->room : 64;
        struct use *list = realloc(u->list, room * sizeof(*list));
        if (!list)
            return NULL;
        u->list = list;
        u->room = room;
    }
    u->list[u->count] = (struct use){0};
    return &u->list[u->count];
}

/* What the path stands for. False if it is nothing that one could lose. */
static bool identify(struct use *use, const char *path, struct stat *st) {
    char copy[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!strcmp(path, "-")) {
        if (fstat(use->output ? STDOUT_FILENO : STDIN_FILENO, st))
            return false;
    } else if (stat(path, st)) {
        snprintf(copy, sizeof(copy), "%s", path);
        use->name = strdup(slash ? slash + 1 : path);
        return use->name && !stat(dirname(copy), st);
    }
    use->name = strdup("");
    return use->name && (use->output ? !S_ISCHR(st->st_mode) || !strcmp(path, "-") : S_ISREG(st->st_mode));
}

static int add(struct uses *u, bool output, const char *path, const char *what) {
    struct stat st;
    struct use *use = grow(u);
    if (!use)
        return err_set(u->e, ENOMEM, "no memory for the names of files");
    use->output = output;
    if (!identify(use, path, &st)) {
        free(use->name);
        return 0; /* whoever opens it complains */
    }
    use->device = st.st_dev;
    use->inode = st.st_ino;
    use->path = strdup(path);
    snprintf(use->what, sizeof(use->what), "%s", what);
    u->count++;
    return use->path ? 0 : err_set(u->e, ENOMEM, "no memory for the names of files");
}

static int add_given(struct uses *u, bool output, const char *path, const char *option) {
    return path ? add(u, output, path, option) : 0;
}

static int add_log(void *context, const struct load_file *file) {
    char what[96];
    snprintf(what, sizeof(what), "%s of job \"%.60s\"", file->option, file->job->name);
    return add(context, file->output, file->path, what);
}

static int add_jobs(struct uses *u, const struct job_file *jobs) {
    for (unsigned i = 0; i < jobs->files; i++)
        if (add(u, false, jobs->file[i], i ? "include" : "--job"))
            return u->e->code;
    return load_each_file(jobs, add_log, u);
}

/* blktrace writes a file for each processor, all of which are read. */
static int add_trace(struct uses *u, const char *path) {
    static const char mark[] = ".blktrace.";
    const char *at = path ? strstr(path, mark) : NULL;
    char other[PATH_MAX];
    int ret = add_given(u, false, path, "--trace");
    for (unsigned cpu = 0; at && !ret; cpu++) {
        snprintf(other, sizeof(other), "%.*s%u", (int)(at - path + sizeof(mark) - 1), path, cpu);
        if (access(other, F_OK))
            break;
        ret = add(u, false, other, "--trace");
    }
    return ret;
}

static int add_drives(struct uses *u, const struct run_points *points) {
    int ret = 0;
    for (unsigned i = 0; i < points->drives && !ret; i++)
        if (strchr(points->drive[i], '/') || strstr(points->drive[i], ".ini"))
            ret = add(u, false, points->drive[i], "the drive");
    return ret;
}

static int add_timelines(struct uses *u, const struct run_args *a, const struct run_points *points) {
    char path[PATH_MAX];
    int ret = 0;
    if (points->count == 1)
        return add_given(u, true, a->timeline, "--timeline");
    for (unsigned i = 0; a->timeline && i < points->count && !ret; i++) {
        run_many_timeline(a, points, i, path, sizeof(path));
        ret = add(u, true, path, "--timeline");
    }
    return ret;
}

/* Where the text goes, if that is a file. */
static int add_text(struct uses *u, const struct run_args *a) {
    struct stat st;
    if (run_args_on_stdout(a) || fstat(STDOUT_FILENO, &st) || !S_ISREG(st.st_mode))
        return 0;
    return add(u, true, "-", "the standard output");
}

/* --- comparing --- */

static int compare(const void *a, const void *b) {
    const struct use *x = a, *y = b;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    int by_name = strcmp(x->name, y->name);
    return by_name ? by_name : y->output - x->output; /* outputs first */
}

/* Instances and jobs may write a log together. */
static bool shared(const struct use *x, const struct use *y) {
    size_t option = strcspn(x->what, " ");
    return x->output && y->output && !strcmp(x->path, y->path) && !strncmp(x->what, "write_", 6) &&
           !strncmp(x->what, y->what, option + 1);
}

static int check(struct uses *u) {
    const struct use *first = u->list;
    qsort(u->list, u->count, sizeof(*u->list), compare);
    for (size_t i = 1; i < u->count; i++) {
        const struct use *x = first, *y = &u->list[i];
        if (x->device != y->device || x->inode != y->inode || strcmp(x->name, y->name))
            first = y;
        else if (x->output && !shared(x, y))
            return err_set(u->e, EINVAL, "%s (%s) and %s (%s) are the same file; %s", x->what, x->path, y->what,
                           y->path, y->output ? "each result needs one of its own" : "a result must not replace it");
    }
    return 0;
}

int run_files_check(const struct run_args *a, const struct run_points *points, const struct job_file *jobs,
                    struct err *e) {
    struct uses u = {.e = e};
    int ret = add_given(&u, true, a->json, "--json");
    if (!ret)
        ret = add_given(&u, true, a->html, "--html");
    if (!ret && !(ret = add_timelines(&u, a, points)) && !(ret = add_text(&u, a)) && !(ret = add_jobs(&u, jobs)) &&
        !(ret = add_trace(&u, a->replay.trace.path)) && !(ret = add_drives(&u, points)))
        ret = check(&u);
    for (size_t i = 0; i < u.count; i++) {
        free(u.list[i].name);
        free(u.list[i].path);
    }
    free(u.list);
    return ret;
}
