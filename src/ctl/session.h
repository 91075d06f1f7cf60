/*
 * One client of the control socket, without the socket: bytes in, bytes out.
 *
 *   bytes -> ctl_session_put() -> values -> requests -> replies -> out
 *
 * Bounds: a request has at most CTL_REQUEST_MAX bytes and CTL_DEPTH_MAX levels;
 * what is longer or deeper is answered with an error and thrown away to its
 * end without being kept. A reply has at most CTL_REPLY_MAX bytes. The next
 * request waits until the last one's reply is out.
 *
 * Work is done in small steps, ctl_session_step(), so that a client with much
 * to ask does not hold up the loop: a step is one request, one request of a
 * batch, or at most the input there is.
 */
#ifndef DRIVELAB_CTL_SESSION_H
#define DRIVELAB_CTL_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "ctl/frame.h"

#define CTL_REQUEST_MAX (64u << 10)
#define CTL_REPLY_MAX   (4u << 20)
#define CTL_BATCH_MAX   64

struct ctl;
struct json_t;

struct ctl_session {
    struct ctl *ctl;
    struct ctl_frame frame;
    char *in; /* CTL_REQUEST_MAX bytes */
    size_t in_from, in_to, scanned;
    struct json_t *batch; /* being worked on, or NULL */
    size_t batch_at;
    bool batch_open; /* its first reply is out */
    char *out;
    size_t out_sent, out_bytes, out_room;
    bool broken; /* no memory for a reply: end it */
};

/* 0 or -ENOMEM. */
int ctl_session_init(struct ctl_session *s, struct ctl *ctl);
void ctl_session_release(struct ctl_session *s);

/* Take up to `bytes` of input; returns how many. The rest is to be offered again after steps. */
size_t ctl_session_put(struct ctl_session *s, const void *data, size_t bytes);

/* Room that ctl_session_put() has now; 0: step first, or send what is out. */
size_t ctl_session_room(const struct ctl_session *s);

/* Do one step of work; false if there is none: input is needed, or output waits to be sent. */
bool ctl_session_step(struct ctl_session *s);

/* Output waiting to be sent, and that `bytes` of it have been. */
const char *ctl_session_out(const struct ctl_session *s, size_t *bytes);
void ctl_session_sent(struct ctl_session *s, size_t bytes);

#endif
