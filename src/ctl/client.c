/*
 * The other end of a control socket: one request, one reply, for the command
 * line. What it connects to may be anything: the reply is bounded in size and
 * time, and checked.
 */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ctl/ctl.h"

#define REPLY_MAX (16u << 20)

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int wait_for(int fd, short events, int64_t until_ms, const char *path, struct err *e) {
    for (;;) {
        struct pollfd p = {.fd = fd, .events = events};
        int64_t left = until_ms - now_ms();
        int n = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (n > 0)
            return 0;
        if (n == 0)
            return err_set(e, ETIMEDOUT, "%s: no answer in time; is its loop stopped, or the time too short?", path);
        if (errno != EINTR)
            return err_set(e, errno, "%s: %s", path, strerror(errno));
    }
}

static int connect_to(const char *path, struct err *e) {
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof sa.sun_path)
        return err_set(e, ENAMETOOLONG, "%s: the path of a socket has at most %zu bytes", path, sizeof sa.sun_path - 1);
    strcpy(sa.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(e, errno, "%s: %s", path, strerror(errno));
    if (!connect(fd, (struct sockaddr *)&sa, sizeof sa))
        return fd;
    int code = errno;
    close(fd);
    if (code == ENOENT)
        return err_set(e, code, "%s: there is no such socket; serve makes one with --control %s", path, path);
    if (code == ECONNREFUSED)
        return err_set(e, code, "%s: nobody listens; the drive that made this socket is gone", path);
    return err_set(e, code, "%s: %s", path, strerror(code));
}

static int send_all(int fd, const char *path, const char *text, int64_t until_ms, struct err *e) {
    for (size_t left = strlen(text); left;) {
        ssize_t n = send(fd, text, left, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            int rc = wait_for(fd, POLLOUT, until_ms, path, e);
            if (rc)
                return rc;
        } else if (n < 0 && errno == EPIPE) {
            return 0; /* it may have said why */
        } else if (n < 0) {
            return err_set(e, errno, "%s: %s", path, strerror(errno));
        } else {
            text += n;
            left -= (size_t)n;
        }
    }
    return 0;
}

/* One line, as a new string in *line. */
static int receive_line(int fd, const char *path, int64_t until_ms, char **line, struct err *e) {
    size_t room = 0, used = 0;
    *line = NULL;
    for (;;) {
        int rc = wait_for(fd, POLLIN, until_ms, path, e);
        if (rc)
            return rc;
        if (room - used < 2) {
            char *grown = room < REPLY_MAX ? realloc(*line, room = room ? 2 * room : 65536) : NULL;
            if (!grown)
                return err_set(e, EMSGSIZE, "%s: the reply is too large", path);
            *line = grown;
        }
        ssize_t n = recv(fd, *line + used, room - used - 1, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return err_set(e, ECONNRESET, "%s: the connection ended without an answer", path);
        if (n < 0)
            continue;
        char *end = memchr(*line + used, '\n', (size_t)n);
        used += (size_t)n;
        (*line)[end ? (size_t)(end - *line) : used] = '\0';
        if (end)
            return 0;
    }
}

static int take_reply(const char *path, const char *line, struct ctl_reply *reply, struct err *e) {
    json_error_t why;
    json_t *root = json_loads(line, 0, &why);
    reply->result = json_incref(json_object_get(root, "result"));
    reply->error = json_incref(json_object_get(root, "error"));
    json_decref(root);
    if (json_is_object(reply->error) || (reply->result && !reply->error))
        return 0;
    json_decref(reply->result);
    json_decref(reply->error);
    *reply = (struct ctl_reply){0};
    return err_set(e, EPROTO, "%s: the answer is no JSON-RPC reply; is this the control socket of a drive?", path);
}

static char *request_text(const char *method, const json_t *params) {
    json_t *request = json_pack("{s:s,s:i,s:s}", "jsonrpc", "2.0", "id", 1, "method", method);
    if (request && params)
        json_object_set_new(request, "params", json_deep_copy(params));
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    return text;
}

int ctl_request(const char *path, const char *method, const json_t *params, int timeout_ms, struct ctl_reply *reply,
                struct err *e) {
    int64_t until_ms = now_ms() + timeout_ms;
    char *line = NULL, *text = request_text(method, params);
    *reply = (struct ctl_reply){0};
    if (!text)
        return err_set(e, EINVAL, "the request is not valid UTF-8");
    int fd = connect_to(path, e), rc = fd;
    if (fd >= 0) {
        rc = send_all(fd, path, text, until_ms, e);
        if (!rc)
            rc = send_all(fd, path, "\n", until_ms, e);
        if (!rc)
            rc = receive_line(fd, path, until_ms, &line, e);
        if (!rc)
            rc = take_reply(path, line, reply, e);
        close(fd);
    }
    free(line);
    free(text);
    return rc;
}
