/*
 * Results come back in a file in memory, an error in a second one: neither fills
 * up as a pipe does.
 */
#include "diag/oops/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_MAX 60u
#define DATA_MAX    (2ull << 30)

static void limit(int what, rlim_t most) {
    struct rlimit r;
    if (getrlimit(what, &r) == 0 && (r.rlim_cur == RLIM_INFINITY || r.rlim_cur > most)) {
        r.rlim_cur = most;
        setrlimit(what, &r);
    }
}

static void set_limits(void) {
    limit(RLIMIT_CPU, SECONDS_MAX);
    limit(RLIMIT_CORE, 0);
#ifndef __SANITIZE_ADDRESS__ /* it takes terabytes of address space for itself */
    limit(RLIMIT_DATA, DATA_MAX);
#endif
    alarm(2 * SECONDS_MAX);
}

static _Noreturn void child(oops_guarded_fn *fn, void *ctx, FILE *out, int error_fd) {
    struct err e = {0};
    set_limits();
    int rc = fn(ctx, out, &e);
    if (!rc && fflush(out) != 0)
        rc = err_set(&e, errno, "the result cannot be kept: %s", strerror(errno));
    if (rc && write(error_fd, &e, sizeof(e)) != sizeof(e))
        _exit(2);
    _exit(rc ? 1 : 0);
}

static const char *ending(int status) {
    if (!WIFSIGNALED(status))
        return "ended by itself";
    switch (WTERMSIG(status)) {
    case SIGXCPU:
    case SIGALRM:
        return "took too long";
    case SIGKILL:
        return "was killed";
    default:
        return "crashed";
    }
}

static int copy(FILE *from, FILE *to) {
    char piece[4096];
    rewind(from);
    for (size_t n; (n = fread(piece, 1, sizeof(piece), from)) > 0;)
        if (fwrite(piece, 1, n, to) != n)
            return -EIO;
    return ferror(from) ? -EIO : 0;
}

static int outcome(int status, FILE *result, int error_fd, FILE *out, struct err *e) {
    struct err theirs;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return copy(result, out) ? err_set(e, EIO, "the result cannot be copied") : 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1 &&
        pread(error_fd, &theirs, sizeof(theirs), 0) == sizeof(theirs) && theirs.code < 0)
        return err_set(e, -theirs.code, "%.*s", (int)sizeof(theirs.text) - 1, theirs.text);
    return err_set(e, EFAULT, "the process that read the files of symbols %s; one of them is damaged", ending(status));
}

int oops_guard(oops_guarded_fn *fn, void *ctx, FILE *out, struct err *e) {
    int result_fd = memfd_create("drivelab-result", MFD_CLOEXEC),
        error_fd = memfd_create("drivelab-error", MFD_CLOEXEC);
    FILE *result = result_fd >= 0 ? fdopen(result_fd, "w+") : NULL;
    int rc = result && error_fd >= 0 ? 0 : err_set(e, ENOMEM, "no memory");
    fflush(out);
    pid_t pid = rc ? -1 : fork();
    if (pid == 0)
        child(fn, ctx, result, error_fd);
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!rc)
        rc = pid < 0 ? err_set(e, EAGAIN, "no new process") : outcome(status, result, error_fd, out, e);
    if (result)
        fclose(result);
    else if (result_fd >= 0)
        close(result_fd);
    if (error_fd >= 0)
        close(error_fd);
    return rc;
}
