/* Files that appear whole or not at all; see outfile.h. */
#include "base/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct outfile *out, int error, struct err *e) {
    err_set(e, error, "%s: %s", out->path,
            error == EIO ? "not everything could be written; is the disk full?" : strerror(error));
    outfile_abandon(out);
    return -error;
}

/* The rights it would have had if it were opened in place. */
static void set_mode(int fd, const struct stat *old) {
    mode_t mask = umask(0);
    umask(mask);
    int r = fchmod(fd, old ? old->st_mode & 0777 : 0666 & ~mask);
    (void)r; /* a file system without rights */
}

/* A file without a name, of which nothing stays when the process is killed. Not all file systems have them. */
static int open_nameless(const struct outfile *out) {
    char folder[PATH_MAX];
    if (access("/proc/self/fd", X_OK) != 0)
        return -1; /* by which it would get a name */
    const char *slash = strrchr(out->path, '/');
    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - out->path + 1) : 1, slash ? out->path : ".");
    return open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
}

static int open_temp(struct outfile *out, const struct stat *old) {
    if (snprintf(out->temp, sizeof(out->temp), "%s.XXXXXX", out->path) >= (int)sizeof(out->temp)) {
        out->temp[0] = '\0';
        return ENAMETOOLONG;
    }
    int fd = open_nameless(out);
    out->nameless = fd >= 0;
    if (!out->nameless)
        fd = mkostemp(out->temp, O_CLOEXEC);
    if (fd < 0) {
        int error = errno;
        out->temp[0] = '\0';
        return error;
    }
    set_mode(fd, old);
    out->stream = fdopen(fd, "w");
    if (out->stream)
        return 0;
    close(fd);
    return ENOMEM;
}

/* Give what was written the name `to`, which must be free. 0 or -1 with errno. */
static int name_it(const struct outfile *out, const char *to) {
    char self[64];
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fileno(out->stream));
    if (out->nameless)
        return linkat(AT_FDCWD, self, AT_FDCWD, to, AT_SYMLINK_FOLLOW);
    if (renameat2(AT_FDCWD, out->temp, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    return errno == EINVAL || errno == ENOSYS ? link(out->temp, to) : -1;
}

/* A nameless file gets the temporary name, or another one of its kind. */
static int name_temp(struct outfile *out) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    char *tail = out->temp + strlen(out->temp) - 6;
    unsigned seed = (unsigned)getpid();
    for (int tries = 0; out->nameless; tries++) {
        for (int i = 0; i < 6; i++, seed = seed * 1103515245u + 12345u)
            tail[i] = letters[(seed >> 16) % (sizeof(letters) - 1)];
        if (name_it(out, out->temp) == 0)
            out->nameless = false;
        else if (errno != EEXIST || tries == 1000)
            return -1;
    }
    return 0;
}

int outfile_open(struct outfile *out, const char *path, struct err *e) {
    struct stat old;
    *out = (struct outfile){0};
    if (strcmp(path, "-") == 0) {
        out->stream = stdout;
        snprintf(out->path, sizeof(out->path), "the standard output");
        return 0;
    }
    bool exists = stat(path, &old) == 0;
    if (!exists && lstat(path, &old) == 0)
        return err_set(e, ENOENT, "%s: a link to a file that does not exist", path);
    if (!exists || !realpath(path, out->path))
        snprintf(out->path, sizeof(out->path), "%s", path);
    if (!*path || strlen(path) >= sizeof(out->path))
        return fail(out, *path ? ENAMETOOLONG : ENOENT, e);
    if (exists && (S_ISDIR(old.st_mode) || access(out->path, W_OK) != 0))
        return fail(out, S_ISDIR(old.st_mode) ? EISDIR : errno, e);
    if (exists && !S_ISREG(old.st_mode)) {
        out->stream = fopen(out->path, "w");
        return out->stream ? 0 : fail(out, errno, e);
    }
    int error = open_temp(out, exists ? &old : NULL);
    return error ? fail(out, error, e) : 0;
}

/* 0 or an errno: whether all that was written is in the file. */
static int flush(struct outfile *out) {
    bool broken = ferror(out->stream); /* of earlier; what errno it was is gone */
    errno = 0;
    if (fflush(out->stream) == 0 && !broken)
        return 0;
    return errno ? errno : EIO;
}

static int finish(struct outfile *out, int error, struct err *e) {
    FILE *stream = out->stream;
    out->stream = NULL;
    if (stream != stdout && fclose(stream) != 0 && !error)
        error = errno;
    if (error)
        return fail(out, error, e);
    out->temp[0] = '\0';
    return 0;
}

int outfile_commit(struct outfile *out, struct err *e) {
    int error = flush(out);
    if (!error && out->temp[0] && (name_temp(out) != 0 || rename(out->temp, out->path) != 0))
        error = errno;
    return finish(out, error, e);
}

/* To the first of PATH.partial, PATH.partial2 and so on that is free. */
static int commit_beside(struct outfile *out, struct err *e) {
    size_t length = strlen(out->path);
    int error = flush(out);
    for (unsigned n = 1; !error; n++) {
        if (length + sizeof(".partial999") > sizeof(out->path))
            return finish(out, ENAMETOOLONG, e);
        snprintf(out->path + length, sizeof(out->path) - length, n > 1 ? ".partial%u" : ".partial", n);
        if (name_it(out, out->path) == 0)
            break;
        error = errno != EEXIST || n == 999 ? errno : 0;
    }
    if (!error && !out->nameless)
        unlink(out->temp); /* if it is still there */
    return finish(out, error, e);
}

int outfile_commit_part(struct outfile *out, bool *beside, struct err *e) {
    struct stat old;
    *beside = out->temp[0] && stat(out->path, &old) == 0 && old.st_size > 0;
    return *beside ? commit_beside(out, e) : outfile_commit(out, e);
}

void outfile_abandon(struct outfile *out) {
    if (out->stream && out->stream != stdout)
        fclose(out->stream);
    out->stream = NULL;
    if (out->temp[0] && !out->nameless)
        unlink(out->temp);
    out->temp[0] = '\0';
}
