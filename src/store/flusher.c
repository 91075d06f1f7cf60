/*
 * The worker that makes an image durable; see flusher.h.
 *
 * fdatasync() covers pages dirtied through a shared mapping on Linux: the
 * kernel write-protects clean pages and so knows of each that was written.
 * An error is kept for good, because the kernel reports a lost page once and
 * then takes it for clean.
 */
#include "store/flusher.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct flusher {
    struct sim_watch watch; /* the eventfd; watched while requests wait, so that an idle store keeps no loop alive */
    struct sim *sim;        /* NULL: flush in the call */
    int fd;
    bool started;
    pthread_t thread;
    struct store_flush *first, *last; /* waiting, by ticket; the loop's thread only */

    pthread_mutex_t lock; /* protects the rest */
    pthread_cond_t wake;
    uint64_t asked, done; /* tickets */
    int error;
    bool quit;
};

static int sync_fd(int fd) {
    while (fdatasync(fd))
        if (errno != EINTR)
            return -errno;
    return 0;
}

static void *flusher_work(void *arg) {
    struct flusher *f = arg;
    pthread_mutex_lock(&f->lock);
    for (;;) {
        while (f->asked == f->done && !f->quit)
            pthread_cond_wait(&f->wake, &f->lock);
        if (f->quit)
            break;
        uint64_t covers = f->asked, one = 1;
        pthread_mutex_unlock(&f->lock);
        int error = sync_fd(f->fd);
        pthread_mutex_lock(&f->lock);
        f->done = covers;
        if (!f->error)
            f->error = error;
        ssize_t put = write(f->watch.fd, &one, sizeof(one));
        (void)put; /* cannot block: the loop reads it long before it is full */
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

static void flusher_answer(struct sim_watch *w, uint32_t events) {
    struct flusher *f = (struct flusher *)w; /* first member */
    uint64_t count;
    ssize_t got = read(w->fd, &count, sizeof(count));
    (void)got;
    pthread_mutex_lock(&f->lock);
    uint64_t done = f->done;
    int error = f->error;
    pthread_mutex_unlock(&f->lock);
    while (f->first && f->first->ticket <= done) {
        struct store_flush *request = f->first;
        f->first = request->next;
        if (!f->first)
            sim_watch_remove(f->sim, &f->watch);
        request->done(request, error);
    }
}

/* Signals stay with the loop's thread. */
static int flusher_start(struct flusher *f) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&f->thread, NULL, flusher_work, f);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    f->started = rc == 0;
    return -rc;
}

struct flusher *flusher_new(int fd, struct sim *sim, struct err *e) {
    struct flusher *f = calloc(1, sizeof(*f));
    if (!f) {
        err_set(e, ENOMEM, "no memory for the store");
        return NULL;
    }
    f->fd = fd;
    f->sim = sim && sim_mode(sim) != SIM_VIRTUAL ? sim : NULL;
    f->watch = (struct sim_watch){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    f->watch.events = EPOLLIN;
    f->watch.ready = flusher_answer;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->wake, NULL);
    if (f->watch.fd < 0) {
        err_set(e, errno, "cannot make an eventfd: %s", strerror(errno));
        flusher_free(f);
        return NULL;
    }
    return f;
}

void flusher_free(struct flusher *f) {
    if (!f)
        return;
    if (f->started) {
        pthread_mutex_lock(&f->lock);
        f->quit = true;
        pthread_cond_signal(&f->wake);
        pthread_mutex_unlock(&f->lock);
        pthread_join(f->thread, NULL);
    }
    if (f->first)
        sim_watch_remove(f->sim, &f->watch);
    if (f->watch.fd >= 0)
        close(f->watch.fd);
    pthread_cond_destroy(&f->wake);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

int flusher_error(struct flusher *f) {
    pthread_mutex_lock(&f->lock);
    int error = f->error;
    pthread_mutex_unlock(&f->lock);
    return error;
}

static void flusher_in_call(struct flusher *f, struct store_flush *request) {
    int error = sync_fd(f->fd);
    pthread_mutex_lock(&f->lock);
    if (!f->error)
        f->error = error;
    error = f->error;
    pthread_mutex_unlock(&f->lock);
    request->done(request, error);
}

void flusher_add(struct flusher *f, struct store_flush *request) {
    bool threaded = f->sim && (f->started || flusher_start(f) == 0);
    /* No thread or no watch to be had: slower, but as durable. */
    if (!threaded || (!f->first && sim_watch_add(f->sim, &f->watch))) {
        flusher_in_call(f, request);
        return;
    }
    request->next = NULL;
    if (f->first)
        f->last->next = request;
    else
        f->first = request;
    f->last = request;
    pthread_mutex_lock(&f->lock);
    request->ticket = ++f->asked;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
}
