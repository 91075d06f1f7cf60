/*
 * The socket: listening, clients, their bytes.
 *
 *   client: reads while its session has room, writes while it has output;
 *   both at most a piece a turn of the loop, then at most STEPS_A_TURN steps
 *   of work. What remains is done by an event a little later, so that drive
 *   and hosts get their turns in between.
 *
 * A client that does not take its reply for STALL_NS is ended. A Unix socket's
 * file outlives a killed process; it is taken for dead if nobody accepts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/ctl_int.h"

#define CLIENTS_MAX                  16
#define BACKLOG                      8
#define PIECE_BYTES                  16384
#define STEPS_A_TURN                 8
#define AGAIN_NS                     50000ll
#define STALL_NS                     30000000000ll

#define CONTAINER(type, member, ptr) ((type *)((char *)(ptr)-offsetof(type, member)))

struct ctl_client {
    struct sim_watch watch;
    struct sim_event again, stall;
    struct ctl *ctl;
    struct ctl_client *next;
    struct ctl_session session;
    bool ended; /* sends no more */
};

/* ---- Clients ---- */

static void client_free(struct ctl_client *c) {
    struct ctl *ctl = c->ctl;
    for (struct ctl_client **at = &ctl->clients; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    ctl->client_count--;
    sim_cancel(ctl->config.sim, &c->again);
    sim_cancel(ctl->config.sim, &c->stall);
    sim_watch_remove(ctl->config.sim, &c->watch);
    close(c->watch.fd);
    ctl_session_release(&c->session);
    free(c);
}

/* False: the connection is broken. */
static bool client_receive(struct ctl_client *c) {
    char piece[PIECE_BYTES];
    size_t room = ctl_session_room(&c->session);
    if (!room || c->ended)
        return true;
    ssize_t n = recv(c->watch.fd, piece, room < sizeof piece ? room : sizeof piece, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    c->ended = n == 0;
    ctl_session_put(&c->session, piece, (size_t)n);
    return true;
}

static bool client_send(struct ctl_client *c) {
    struct sim *sim = c->ctl->config.sim;
    size_t bytes;
    const char *out = ctl_session_out(&c->session, &bytes);
    if (!out)
        return true;
    ssize_t n = send(c->watch.fd, out, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    ctl_session_sent(&c->session, (size_t)n);
    sim_cancel(sim, &c->stall);
    if ((size_t)n < bytes)
        sim_schedule(sim, &c->stall, sim_now(sim) + STALL_NS);
    return true;
}

/* What to wait for next; false: nothing, as the client has its last reply and sends no more. */
static bool client_wait(struct ctl_client *c, bool worked) {
    struct sim *sim = c->ctl->config.sim;
    size_t bytes;
    bool out = ctl_session_out(&c->session, &bytes) != NULL;
    uint32_t events = (out ? EPOLLOUT : 0u) | (!c->ended && ctl_session_room(&c->session) ? EPOLLIN : 0u);
    if (out && !sim_event_pending(&c->stall))
        sim_schedule(sim, &c->stall, sim_now(sim) + STALL_NS);
    if (worked && !sim_event_pending(&c->again))
        sim_schedule(sim, &c->again, sim_clock(sim) + AGAIN_NS);
    if (events != c->watch.events && sim_watch_modify(sim, &c->watch, events))
        return false;
    return events || worked;
}

static void client_work(struct ctl_client *c) {
    bool ok = client_send(c), worked = true;
    for (unsigned i = 0; ok && worked && i < STEPS_A_TURN; i++) {
        worked = ctl_session_step(&c->session);
        ok = client_send(c);
    }
    if (!ok || c->session.broken || !client_wait(c, worked))
        client_free(c);
}

/* One that has hung up may have left requests that want no reply. Each call gets further, so HUP does not come for
 * ever. */
static void client_ready(struct sim_watch *w, uint32_t events) {
    struct ctl_client *c = CONTAINER(struct ctl_client, watch, w);
    if ((events & EPOLLERR) || ((events & (EPOLLIN | EPOLLHUP)) && !client_receive(c)))
        client_free(c);
    else
        client_work(c);
}

static void client_again(struct sim_event *ev) {
    client_work(CONTAINER(struct ctl_client, again, ev));
}

static void client_stalled(struct sim_event *ev) {
    struct ctl_client *c = CONTAINER(struct ctl_client, stall, ev);
    log_limited(&c->ctl->log, LOG_MAIN, LOG_LEVEL_WARN, "control: a client does not take its reply and is ended");
    client_free(c);
}

static int client_new(struct ctl *ctl, int fd) {
    struct ctl_client *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->ctl = ctl;
    c->watch = (struct sim_watch){.fd = fd, .events = EPOLLIN, .ready = client_ready};
    sim_event_init(&c->again, client_again);
    sim_event_init(&c->stall, client_stalled);
    int rc = ctl_session_init(&c->session, ctl);
    if (!rc)
        rc = sim_watch_add(ctl->config.sim, &c->watch);
    if (rc) {
        ctl_session_release(&c->session);
        free(c);
        return rc;
    }
    c->next = ctl->clients;
    ctl->clients = c;
    ctl->client_count++;
    return 0;
}

/* ---- Listening ---- */

static void refuse(struct ctl *ctl, int fd) {
    struct ctl_error e = {0};
    ctl_fail(&e, CTL_BUSY, json_pack("{s:i}", "limit", CLIENTS_MAX), "%d clients are connected already", CLIENTS_MAX);
    json_t *reply = ctl_error_reply(NULL, &e);
    char *text = json_dumps(reply, JSON_COMPACT);
    if (text) {
        struct iovec parts[] = {{text, strlen(text)}, {"\n", 1}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)sent; /* it is lost either way */
    }
    free(text);
    json_decref(reply);
    close(fd);
    ctl->refused++;
}

/* One a turn: whoever connects without end gets no more of the loop than others. */
static void on_accept(struct sim_watch *w, uint32_t events) {
    struct ctl *ctl = CONTAINER(struct ctl, listener, w);
    int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (ctl->client_count >= CLIENTS_MAX) {
        refuse(ctl, fd);
        return;
    }
    ctl->accepted++;
    int rc = client_new(ctl, fd);
    if (rc) {
        log_limited(&ctl->log, LOG_MAIN, LOG_LEVEL_WARN, "control: cannot serve a client: %s", strerror(-rc));
        close(fd);
    }
}

/* What stands at the path: 0 a dead socket, now removed; or -errno with `e`. */
static int remove_dead(const char *path, const struct sockaddr_un *sa, struct err *e) {
    struct stat st;
    if (lstat(path, &st))
        return err_set(e, errno, "%s: %s", path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return err_set(e, EEXIST, "%s: exists and is not a socket; a control socket would replace it", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(e, errno, "%s: %s", path, strerror(errno));
    bool dead = connect(fd, (const struct sockaddr *)sa, sizeof *sa) && errno == ECONNREFUSED;
    close(fd);
    if (!dead)
        return err_set(e, EADDRINUSE, "%s: another process listens on this socket", path);
    if (unlink(path))
        return err_set(e, errno, "%s: nobody listens on this socket, but it cannot be removed: %s", path,
                       strerror(errno));
    return 0;
}

/* The mode is set before there is a name: nobody else can connect in between. */
static int bind_private(int fd, const char *path, struct err *e) {
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof sa.sun_path || !path[0])
        return err_set(e, ENAMETOOLONG, "%s: the path of a control socket has 1 to %zu bytes", path,
                       sizeof sa.sun_path - 1);
    strcpy(sa.sun_path, path);
    if (fchmod(fd, 0600))
        return err_set(e, errno, "%s: %s", path, strerror(errno));
    if (!bind(fd, (struct sockaddr *)&sa, sizeof sa))
        return 0;
    if (errno != EADDRINUSE)
        return err_set(e, errno, "%s: cannot make the control socket: %s", path, strerror(errno));
    int rc = remove_dead(path, &sa, e);
    if (!rc && bind(fd, (struct sockaddr *)&sa, sizeof sa))
        rc = err_set(e, errno, "%s: cannot make the control socket: %s", path, strerror(errno));
    return rc;
}

static int listen_on(struct ctl *ctl, int fd, struct err *e) {
    const char *path = ctl->config.path;
    struct stat st;
    int rc = bind_private(fd, path, e);
    if (rc)
        return rc;
    if (stat(path, &st) || listen(fd, BACKLOG)) {
        unlink(path);
        return err_set(e, errno, "%s: %s", path, strerror(errno));
    }
    ctl->device = st.st_dev;
    ctl->inode = st.st_ino;
    ctl->listener = (struct sim_watch){.fd = fd, .events = EPOLLIN, .ready = on_accept};
    if ((rc = sim_watch_add(ctl->config.sim, &ctl->listener)) != 0) {
        unlink(path);
        return err_set(e, -rc, "%s: cannot watch the control socket: %s", path, strerror(-rc));
    }
    ctl->listening = true;
    return 0;
}

struct ctl *ctl_open(const struct ctl_config *config, struct err *e) {
    struct ctl *ctl = calloc(1, sizeof *ctl);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (!ctl || fd < 0) {
        err_set(e, ctl ? errno : ENOMEM, "cannot make a control socket: %s", strerror(ctl ? errno : ENOMEM));
    } else {
        ctl->config = *config;
        if (!listen_on(ctl, fd, e))
            return ctl;
    }
    if (fd >= 0)
        close(fd);
    free(ctl);
    return NULL;
}

/* Another process may have put its own socket where ours was. */
static void remove_file(const struct ctl *ctl) {
    struct stat st;
    if (!lstat(ctl->config.path, &st) && st.st_dev == ctl->device && st.st_ino == ctl->inode)
        unlink(ctl->config.path);
}

void ctl_close(struct ctl *ctl) {
    if (!ctl)
        return;
    while (ctl->clients) {
        client_send(ctl->clients);
        client_free(ctl->clients);
    }
    if (ctl->listening) {
        sim_watch_remove(ctl->config.sim, &ctl->listener);
        close(ctl->listener.fd);
        remove_file(ctl);
    }
    free(ctl);
}
