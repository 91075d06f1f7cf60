/*
 * The SIGBUS handler; see fault.h.
 *
 * A signal handler has no argument of ours, so the watched ranges are the one
 * static table outside the log. It is only read there, and the handler calls
 * only async-signal-safe functions. A fault elsewhere goes to whoever handled
 * SIGBUS before.
 */
#include "store/fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static struct {
    _Atomic(uintptr_t) base; /* 0: free */
    uint64_t bytes;
    const char *path;
} watched[FAULT_MAX];

static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction before;

static void say(const char *text) {
    ssize_t put = write(STDERR_FILENO, text, strlen(text));
    (void)put;
}

static void fault_handle(int number, siginfo_t *info, void *context) {
    uintptr_t at = (uintptr_t)info->si_addr;
    for (unsigned i = 0; i < FAULT_MAX; i++) {
        uintptr_t base = atomic_load(&watched[i].base);
        if (!base || at - base >= watched[i].bytes)
            continue;
        say("drivelab: ");
        say(watched[i].path);
        say(": the image lost blocks while in use (cut short by someone, or its disk failed); ending\n");
        _exit(1);
    }
    sigaction(number, &before, NULL); /* not ours: the access faults again, for the previous handler */
}

/* Put the handler on top of whatever is there now. */
static void fault_install(void) {
    struct sigaction action = {.sa_sigaction = fault_handle, .sa_flags = SA_SIGINFO}, now;
    if (sigaction(SIGBUS, NULL, &now) || ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == fault_handle))
        return;
    before = now;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

void fault_watch(const void *base, uint64_t bytes, const char *path) {
    pthread_mutex_lock(&adding);
    fault_install();
    for (unsigned i = 0; i < FAULT_MAX; i++) {
        if (atomic_load(&watched[i].base))
            continue;
        watched[i].bytes = bytes;
        watched[i].path = path;
        atomic_store(&watched[i].base, (uintptr_t)base);
        break;
    }
    pthread_mutex_unlock(&adding);
}

void fault_unwatch(const void *base) {
    for (unsigned i = 0; i < FAULT_MAX; i++) {
        uintptr_t expected = (uintptr_t)base;
        if (atomic_compare_exchange_strong(&watched[i].base, &expected, 0))
            return;
    }
}
