#include "api/mailbox.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct mailbox_call *take(struct mailbox *box) {
    pthread_mutex_lock(&box->lock);
    struct mailbox_call *call = STAILQ_FIRST(&box->calls);
    if (call)
        STAILQ_REMOVE_HEAD(&box->calls, link);
    pthread_mutex_unlock(&box->lock);
    return call;
}

/* The descriptor is emptied first: a call put after that wakes the loop once more. */
static void make_calls(struct sim_watch *w, uint32_t events) {
    struct mailbox *box = (struct mailbox *)((char *)w - offsetof(struct mailbox, watch));
    struct mailbox_call *call;
    uint64_t puts;
    ssize_t got = read(w->fd, &puts, sizeof(puts));
    (void)got;
    (void)events;
    while ((call = take(box))) {
        call->function(call->user);
        free(call);
    }
}

int mailbox_open(struct mailbox *box, struct err *e) {
    box->watch = (struct sim_watch){.events = EPOLLIN, .ready = make_calls};
    box->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (box->watch.fd < 0)
        return err_set(e, errno, "no descriptor for calls of other threads: %s", strerror(errno));
    pthread_mutex_init(&box->lock, NULL);
    STAILQ_INIT(&box->calls);
    return 0;
}

void mailbox_close(struct mailbox *box) {
    struct mailbox_call *call;
    while ((call = take(box)))
        free(call);
    pthread_mutex_destroy(&box->lock);
    close(box->watch.fd);
}

int mailbox_put(struct mailbox *box, void (*function)(void *), void *user) {
    const uint64_t one = 1;
    struct mailbox_call *call = malloc(sizeof(*call));
    if (!call)
        return -ENOMEM;
    *call = (struct mailbox_call){.function = function, .user = user};
    pthread_mutex_lock(&box->lock);
    STAILQ_INSERT_TAIL(&box->calls, call, link);
    pthread_mutex_unlock(&box->lock);
    ssize_t put = write(box->watch.fd, &one, sizeof(one));
    (void)put; /* EAGAIN: enough wakes are pending */
    return 0;
}

int mailbox_watch(struct mailbox *box, struct sim *sim) {
    return sim_watch_add(sim, &box->watch);
}

void mailbox_unwatch(struct mailbox *box, struct sim *sim) {
    sim_watch_remove(sim, &box->watch);
}
