/*
 * Tasks in processes; see run_pool.h.
 *
 * The processes are no members of the terminal's foreground group: Ctrl-C
 * reaches this process, which passes it on, once. They end with it.
 */
#include "cli/run_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/progress.h"

enum { LOOK_MS = 200, READ_BYTES = 1 << 16 };

struct child {
    pid_t pid; /* 0: none */
    int fd;
    unsigned number;
    char *text;
    size_t length, room;
};

struct pool {
    const struct run_pool *config;
    json_t **results;
    struct child *child;
    unsigned begun, done, running;
    const volatile sig_atomic_t *stop;
    bool stopping;
    bool shown; /* progress */
    time_t begun_at;
};

/* --- in the process --- */

static bool write_all(int fd, const char *text, size_t length) {
    while (length) {
        ssize_t n = write(fd, text, length);
        if (n < 0 && errno != EINTR)
            return false;
        text += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static _Noreturn void work(const struct run_pool *config, unsigned number, int fd, pid_t parent) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    json_t *result = config->task(config->context, number);
    char *text = result ? json_dumps(result, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    _exit(text && write_all(fd, text, strlen(text)) ? 0 : 1);
}

/* --- here --- */

static int start(struct pool *p, struct child *c, struct err *e) {
    int fds[2];
    pid_t parent = getpid();
    if (pipe2(fds, O_CLOEXEC))
        return err_set(e, errno, "no pipe to a process: %s", strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        work(p->config, p->begun, fds[1], parent);
    close(fds[1]);
    if (pid < 0) {
        int error = errno;
        close(fds[0]);
        return err_set(e, error, "no process: %s", strerror(error));
    }
    *c = (struct child){.pid = pid, .fd = fds[0], .number = p->begun++};
    p->running++;
    return 0;
}

static json_t *death(int status) {
    char text[64];
    if (WIFSIGNALED(status))
        snprintf(text, sizeof(text), "its process was ended by signal %d", WTERMSIG(status));
    else
        snprintf(text, sizeof(text), "its process gave no result, exit code %d", WEXITSTATUS(status));
    return json_pack("{s:s}", "error", text);
}

/* The process has closed its end. */
static void reap(struct pool *p, struct child *c) {
    int status = 0;
    close(c->fd);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    bool good = WIFEXITED(status) && !WEXITSTATUS(status) && c->length;
    json_t *result = good ? json_loadb(c->text, c->length, 0, NULL) : NULL;
    p->results[c->number] = result ? result : death(status);
    free(c->text);
    *c = (struct child){0};
    p->running--;
    p->done++;
}

static bool grow(struct child *c) {
    if (c->room - c->length >= READ_BYTES)
        return true;
    size_t room = c->room ? 2 * c->room : 4 * READ_BYTES;
    char *text = realloc(c->text, room);
    if (!text)
        return false;
    c->text = text;
    c->room = room;
    return true;
}

static void take(struct pool *p, struct child *c) {
    ssize_t n = grow(c) ? read(c->fd, c->text + c->length, READ_BYTES) : 0;
    if (n > 0)
        c->length += (size_t)n;
    else if (n == 0 || errno != EINTR)
        reap(p, c);
}

static void wait_for_some(struct pool *p) {
    struct pollfd fds[RUN_POOL_JOBS_MAX];
    struct child *whose[RUN_POOL_JOBS_MAX];
    nfds_t count = 0;
    for (unsigned i = 0; i < p->config->jobs; i++)
        if (p->child[i].pid) {
            whose[count] = &p->child[i];
            fds[count++] = (struct pollfd){.fd = p->child[i].fd, .events = POLLIN};
        }
    if (poll(fds, count, LOOK_MS) <= 0)
        return;
    for (nfds_t i = 0; i < count; i++)
        if (fds[i].revents)
            take(p, whose[i]);
}

/* The user wants it to end. */
static void pass_on(struct pool *p) {
    p->stopping = true;
    for (unsigned i = 0; i < p->config->jobs; i++)
        if (p->child[i].pid)
            kill(p->child[i].pid, SIGINT);
}

static void show(const struct pool *p) {
    time_t spent = time(NULL) - p->begun_at;
    unsigned all = p->config->tasks;
    if (!p->shown)
        return;
    fprintf(stderr, "\r%u of %u %s, %s of wall time", p->done, all, p->config->what,
            text_time((int64_t)spent * 1000000000).s);
    if (p->done && p->done < all)
        fprintf(stderr, ", about %s left", text_time((int64_t)((double)spent * 1e9 * (all - p->done) / p->done)).s);
    fputs("          ", stderr);
}

static int start_all(struct pool *p, struct err *e) {
    for (unsigned i = 0; i < p->config->jobs && p->begun < p->config->tasks && !p->stopping; i++)
        if (!p->child[i].pid && start(p, &p->child[i], e)) {
            if (!p->running)
                return e->code;
            return 0; /* again when one has ended */
        }
    return 0;
}

int run_pool(const struct run_pool *config, json_t **results, struct err *e) {
    struct pool p = {.config = config,
                     .results = results,
                     .child = calloc(config->jobs, sizeof(*p.child)),
                     .stop = progress_catch_interrupts(),
                     .shown = isatty(STDERR_FILENO),
                     .begun_at = time(NULL)};
    int ret = p.child ? 0 : err_set(e, ENOMEM, "no memory for %u processes", config->jobs);
    while (!ret) {
        if (*p.stop && !p.stopping)
            pass_on(&p);
        ret = start_all(&p, e);
        if (!p.running)
            break;
        wait_for_some(&p);
        show(&p);
    }
    if (p.shown)
        fprintf(stderr, "\r%78s\r", "");
    free(p.child);
    return ret;
}
