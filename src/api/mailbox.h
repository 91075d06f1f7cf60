/*
 * Calls that other threads hand to the thread of a lab: a list under a lock,
 * and a descriptor that wakes the loop while it watches the mailbox.
 */
#ifndef DRIVELAB_API_MAILBOX_H
#define DRIVELAB_API_MAILBOX_H

#include <pthread.h>
#include <sys/queue.h>

#include "base/err.h"
#include "sim/sim.h"

struct mailbox_call {
    void (*function)(void *user);
    void *user;
    STAILQ_ENTRY(mailbox_call) link;
};
STAILQ_HEAD(mailbox_calls, mailbox_call);

struct mailbox {
    pthread_mutex_t lock; /* of `calls` */
    struct mailbox_calls calls;
    struct sim_watch watch;
};

/* 0, or -errno with `e`: no descriptor to be had. */
int mailbox_open(struct mailbox *box, struct err *e);

/* Calls still waiting are dropped. */
void mailbox_close(struct mailbox *box);

/* From any thread. 0 or -ENOMEM. */
int mailbox_put(struct mailbox *box, void (*function)(void *user), void *user);

/* From the lab's thread: make the calls from its loop, from now on or no longer. 0 or -errno. */
int mailbox_watch(struct mailbox *box, struct sim *sim);
void mailbox_unwatch(struct mailbox *box, struct sim *sim);

#endif
