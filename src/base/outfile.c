/* Files that appear whole or not at all; see outfile.h. */
#include "base/outfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct outfile *out, int error, struct err *e) {
    err_set(e, error, "%s: %s", out->path, strerror(error));
    outfile_abandon(out);
    return -error;
}

/* mkstemp() makes it private; give it the rights it would have had. */
static void set_mode(int fd, const struct stat *old) {
    mode_t mask = umask(0);
    umask(mask);
    int r = fchmod(fd, old ? old->st_mode & 0777 : 0666 & ~mask);
    (void)r; /* a file system without rights */
}

static int open_temp(struct outfile *out, const struct stat *old) {
    if (snprintf(out->temp, sizeof(out->temp), "%s.XXXXXX", out->path) >= (int)sizeof(out->temp))
        return ENAMETOOLONG;
    int fd = mkstemp(out->temp);
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

int outfile_open(struct outfile *out, const char *path, struct err *e) {
    struct stat old;
    *out = (struct outfile){0};
    if (strcmp(path, "-") == 0) {
        out->stream = stdout;
        return 0;
    }
    bool exists = stat(path, &old) == 0;
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

int outfile_commit(struct outfile *out, struct err *e) {
    FILE *stream = out->stream;
    bool broken = fflush(stream) != 0 || ferror(stream);
    int error = broken ? errno : 0;
    out->stream = NULL;
    if (stream != stdout && fclose(stream) != 0 && !broken) {
        broken = true;
        error = errno;
    }
    if (!broken && out->temp[0] && rename(out->temp, out->path) != 0) {
        broken = true;
        error = errno;
    }
    if (broken)
        return fail(out, error ? error : EIO, e);
    out->temp[0] = '\0';
    return 0;
}

int outfile_commit_part(struct outfile *out, bool *beside, struct err *e) {
    struct stat old;
    size_t length = strlen(out->path);
    *beside = out->temp[0] && stat(out->path, &old) == 0 && old.st_size > 0;
    if (*beside && length + sizeof(".partial") > sizeof(out->path))
        return fail(out, ENAMETOOLONG, e);
    if (*beside)
        memcpy(out->path + length, ".partial", sizeof(".partial"));
    return outfile_commit(out, e);
}

void outfile_abandon(struct outfile *out) {
    if (out->stream && out->stream != stdout)
        fclose(out->stream);
    out->stream = NULL;
    if (out->temp[0])
        unlink(out->temp);
    out->temp[0] = '\0';
}
