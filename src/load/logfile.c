/*
 * The files that jobs write while they run: each once, however many instances
 * share it. They appear when the run is over and whole; of an interrupted one
 * beside what was there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "load/runner_int.h"

static struct logfile *find(const struct run *run, const char *path) {
    for (struct logfile *file = run->logs; file; file = file->next)
        if (!strcmp(file->path, path))
            return file;
    return NULL;
}

struct logfile *logfile_use(struct run *run, const struct job *job, const char *option, const char *path,
                            struct err *e) {
    struct logfile *file = find(run, path);
    if (file && !strcmp(file->option, option))
        return file;
    if (file) {
        err_set(e, EINVAL, "job \"%s\": %s and %s would both write %s", job->name, option, file->option, path);
        return NULL;
    }
    file = calloc(1, sizeof(*file));
    if (!file || strlen(path) >= sizeof(file->path)) {
        free(file);
        err_set(e, file ? ENAMETOOLONG : ENOMEM, "job \"%s\": %s=%s: %s", job->name, option, path,
                file ? "the name is too long" : "no memory");
        return NULL;
    }
    strcpy(file->path, path);
    file->option = option;
    if (outfile_open(&file->out, path, e)) {
        err_prefix(e, "job \"%s\": %s=", job->name, option);
        free(file);
        return NULL;
    }
    file->next = run->logs;
    run->logs = file;
    return file;
}

static int commit(struct logfile *file, bool interrupted, struct err *e) {
    bool beside = false;
    if (interrupted ? outfile_commit_part(&file->out, &beside, e) : outfile_commit(&file->out, e))
        return err_prefix(e, "%s=", file->option);
    if (beside)
        log_warn(LOG_MAIN, "%s=%s: what was there stays; the log of the part is in %s", file->option, file->path,
                 file->out.path);
    return 0;
}

int logfile_finish(struct run *run, bool good, struct err *e) {
    struct err other;
    int ret = 0;
    while (run->logs) {
        struct logfile *file = run->logs;
        run->logs = file->next;
        if (!good)
            outfile_abandon(&file->out);
        else if (commit(file, run->interrupted, ret ? &other : e) && !ret)
            ret = e->code;
        free(file);
    }
    return ret;
}

/* --- which there will be --- */

struct naming {
    int (*use)(void *context, const struct load_file *file);
    void *context;
    const struct job *job;
};

static int name_sample(void *context, const char *option, const char *path, unsigned kind) {
    const struct naming *n = context;
    (void)kind;
    return n->use(n->context, &(struct load_file){n->job, option, path, true});
}

static int name_iolog(const struct naming *n, const char *option, const char *path, bool output) {
    return path[0] ? n->use(n->context, &(struct load_file){n->job, option, path, output}) : 0;
}

int load_each_file(const struct job_file *jobs, int (*use)(void *context, const struct load_file *file),
                   void *context) {
    unsigned index = 0;
    int ret = 0;
    for (unsigned i = 0; i < jobs->count && !ret; i++) {
        struct naming n = {use, context, &jobs->job[i]};
        ret = name_iolog(&n, "read_iolog", n.job->read_iolog, false);
        if (!ret)
            ret = name_iolog(&n, "write_iolog", n.job->write_iolog, true);
        for (unsigned instance = 0; instance < n.job->numjobs && !ret; instance++)
            ret = samples_each_file(n.job, index++, name_sample, &n);
    }
    return ret;
}
