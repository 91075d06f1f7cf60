/*
 * Results come back in a file in memory, an error in a second one: neither fills
 * up as a pipe does.
 */
#include "diag/oops/file/guard.h"

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
    limit(RLIMIT_CORE, 0);
#ifndef __SANITIZE_ADDRESS__ /* it takes terabytes of address space for itself */
    limit(RLIMIT_DATA, DATA_MAX);
#endif
}

/* Each piece has the time for itself; what was asked for outside of here stays in force. */
static void set_time(rlim_t most) {
    struct rusage used;
    struct rlimit r;
    if (getrusage(RUSAGE_SELF, &used) == 0 && getrlimit(RLIMIT_CPU, &r) == 0) {
        rlim_t until = (rlim_t)used.ru_utime.tv_sec + (rlim_t)used.ru_stime.tv_sec + 1 + SECONDS_MAX;
        r.rlim_cur = until < most ? until : most;
        setrlimit(RLIMIT_CPU, &r);
    }
    alarm(2 * SECONDS_MAX);
}

/* How far the child came; shared with it. */
struct progress {
    unsigned done;
    off_t kept; /* bytes of the result that are whole pieces */
};

struct work {
    oops_guarded_piece_fn *fn;
    void *ctx;
    unsigned count;
    struct progress *progress;
    FILE *result;
    int error_fd;
};

static int do_piece(const struct work *w, unsigned i, struct err *e) {
    int rc = w->fn(w->ctx, i, w->result, e);
    if (!rc && fflush(w->result) != 0)
        rc = err_set(e, errno, "the result cannot be kept: %s", strerror(errno));
    if (rc)
        return rc;
    w->progress->kept = ftello(w->result);
    w->progress->done = i + 1;
    return 0;
}

static _Noreturn void child(const struct work *w) {
    struct err e = {0};
    struct rlimit cpu;
    int rc = 0;
    rlim_t most = getrlimit(RLIMIT_CPU, &cpu) == 0 ? cpu.rlim_cur : RLIM_INFINITY;
    set_limits();
    for (unsigned i = 0; i < w->count && !rc; i++) {
        set_time(most);
        rc = do_piece(w, i, &e);
    }
    if (rc && write(w->error_fd, &e, sizeof(e)) != sizeof(e))
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

static int copy(FILE *from, FILE *to, off_t left) {
    char piece[4096];
    rewind(from);
    while (left > 0) {
        size_t want = left < (off_t)sizeof(piece) ? (size_t)left : sizeof(piece), n = fread(piece, 1, want, from);
        if (n == 0 || fwrite(piece, 1, n, to) != n)
            return -EIO;
        left -= (off_t)n;
    }
    return 0;
}

static void say_why(int status, int error_fd, struct err *e) {
    struct err theirs;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1 &&
        pread(error_fd, &theirs, sizeof(theirs), 0) == sizeof(theirs) && theirs.code < 0)
        err_set(e, -theirs.code, "%.*s", (int)sizeof(theirs.text) - 1, theirs.text);
    else
        err_set(e, EFAULT, "the process that read the files of symbols %s; one of them is damaged", ending(status));
}

static int run(const struct work *w, struct err *e) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        child(w);
    if (pid < 0)
        return err_set(e, EAGAIN, "no new process");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (w->progress->done < w->count)
        say_why(status, w->error_fd, e);
    return 0;
}

static int prepare(struct work *w, struct err *e) {
    int fd = memfd_create("drivelab-result", MFD_CLOEXEC);
    w->error_fd = memfd_create("drivelab-error", MFD_CLOEXEC);
    w->result = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (fd >= 0 && !w->result)
        close(fd);
    void *shared = mmap(NULL, sizeof(*w->progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    w->progress = shared == MAP_FAILED ? NULL : shared;
    return w->result && w->error_fd >= 0 && w->progress ? 0 : err_set(e, ENOMEM, "no memory");
}

static void release(struct work *w) {
    if (w->result)
        fclose(w->result);
    if (w->error_fd >= 0)
        close(w->error_fd);
    if (w->progress)
        munmap(w->progress, sizeof(*w->progress));
}

unsigned oops_guard_each(oops_guarded_piece_fn *fn, void *ctx, unsigned count, FILE *out, struct err *e) {
    struct work w = {.fn = fn, .ctx = ctx, .count = count};
    unsigned done = 0;
    fflush(out);
    if (prepare(&w, e) == 0 && run(&w, e) == 0) {
        done = w.progress->done < count ? w.progress->done : count;
        if (copy(w.result, out, w.progress->kept) != 0) {
            err_set(e, EIO, "the result cannot be copied");
            done = 0;
        }
    }
    release(&w);
    return done;
}

struct one {
    oops_guarded_fn *fn;
    void *ctx;
};

static int only_piece(void *ctx, unsigned i, FILE *out, struct err *e) {
    struct one *one = ctx;
    return one->fn(one->ctx, out, e);
}

int oops_guard(oops_guarded_fn *fn, void *ctx, FILE *out, struct err *e) {
    struct one one = {fn, ctx};
    return oops_guard_each(only_piece, &one, 1, out, e) == 1 ? 0 : e->code;
}
