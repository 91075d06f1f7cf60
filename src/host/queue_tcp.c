/*
 * One NVMe/TCP queue, the host's side (NVMe/TCP Transport Specification 1.0).
 *
 * Outgoing capsules collect in one buffer that is sent once a loop turn;
 * incoming bytes are parsed in place, payload is copied to the command's
 * buffer. The target is trusted no more than any peer: every field that
 * addresses memory is checked, and a violation ends the connection.
 *
 * Simplified: one R2T is answered at once with as many H2CData PDUs as
 * MAXH2CDATA asks for; PDU data alignment of 4 bytes (CPDA 0) only.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/log.h"
#include "host/host_int.h"
#include "transport/tcp/pdu.h"

#define RX_BYTES       (512u << 10)
#define TX_FLUSH       (256u << 10) /* send early once this much waits */
#define TX_MAX         (64u << 20)  /* a peer that reads nothing can't make more wait */
#define CONNECT_MS     10000
#define PDU_DATA_ALIGN 4

struct tcp_queue {
    struct host_queue queue;
    struct sim *sim;
    struct sim_watch watch;
    struct sim_idle_hook hook;
    struct sim_event failure; /* completes everything with `error`, outside of callers */
    int error;
    bool hdgst, ddgst;
    uint32_t max_h2c;
    struct host_cmd **slot; /* by CID */
    uint16_t *free_cid;
    uint16_t free_count;

    uint8_t *tx;
    size_t tx_len, tx_sent, tx_size;

    uint8_t *rx;
    size_t rx_len;
    struct host_cmd *rx_cmd; /* C2HData being received */
    uint32_t rx_left;        /* payload bytes still to come */
    uint8_t rx_flags;
    uint32_t rx_crc;
    bool rx_digest_due;
};

static struct tcp_queue *of(struct host_queue *queue) {
    return (struct tcp_queue *)queue;
}

/* ---- failure: everything in flight ends with an error, from an event of its own ---- */

static void link_down(struct tcp_queue *t, int error, const char *why) {
    if (t->error)
        return;
    log_debug(LOG_HOST, "connection lost: %s", why);
    t->error = error;
    sim_watch_remove(t->sim, &t->watch);
    sim_schedule(t->sim, &t->failure, sim_now(t->sim));
}

static void slot_complete(struct tcp_queue *t, struct host_cmd *cmd) {
    t->slot[cmd->cid] = NULL;
    t->free_cid[t->free_count++] = cmd->cid;
    cmd->completed_ns = sim_clock(t->sim);
    cmd->done(cmd);
}

static void fail_all(struct sim_event *ev) {
    struct tcp_queue *t = (struct tcp_queue *)((char *)ev - offsetof(struct tcp_queue, failure));
    for (unsigned cid = 0; cid < t->queue.entries; cid++)
        if (t->slot[cid]) {
            t->slot[cid]->error = t->error;
            slot_complete(t, t->slot[cid]);
        }
}

/* ---- sending ---- */

static void set_events(struct tcp_queue *t, uint32_t events) {
    if (t->watch.events != events)
        sim_watch_modify(t->sim, &t->watch, events);
}

static void tx_flush(struct tcp_queue *t) {
    while (t->tx_sent < t->tx_len && !t->error) {
        ssize_t n = send(t->watch.fd, t->tx + t->tx_sent, t->tx_len - t->tx_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            t->tx_sent += (size_t)n;
        } else if (errno == EAGAIN) {
            set_events(t, EPOLLIN | EPOLLOUT);
            return;
        } else if (errno != EINTR) {
            link_down(t, -errno, "send failed");
            return;
        }
    }
    if (t->error)
        return;
    t->tx_len = t->tx_sent = 0;
    set_events(t, EPOLLIN);
}

static void hook_run(struct sim_idle_hook *hook) {
    struct tcp_queue *t = (struct tcp_queue *)((char *)hook - offsetof(struct tcp_queue, hook));
    if (t->tx_len && t->watch.events == EPOLLIN)
        tx_flush(t);
}

/* Room for `bytes` more; NULL if the peer has stopped reading or memory is out. */
static uint8_t *tx_room(struct tcp_queue *t, size_t bytes) {
    if (t->tx_len + bytes > t->tx_size && t->tx_sent > t->tx_len / 2) { /* a socket that is never quite drained */
        t->tx_len -= t->tx_sent;
        memmove(t->tx, t->tx + t->tx_sent, t->tx_len);
        t->tx_sent = 0;
    }
    if (t->tx_len + bytes > t->tx_size) {
        size_t size = t->tx_size * 2 > t->tx_len + bytes ? t->tx_size * 2 : t->tx_len + bytes;
        uint8_t *grown = size <= TX_MAX ? realloc(t->tx, size) : NULL;
        if (!grown)
            return NULL;
        t->tx = grown;
        t->tx_size = size;
    }
    uint8_t *at = t->tx + t->tx_len;
    t->tx_len += bytes;
    return at;
}

/* Append a PDU: header, its digest, payload, its digest. The length fields are filled here. */
static int tx_pdu(struct tcp_queue *t, struct pdu_header *header, uint8_t hlen, const void *data, uint32_t bytes) {
    size_t pdo = (size_t)hlen + (t->hdgst ? PDU_DIGEST_BYTES : 0);
    size_t plen = pdo + bytes + (bytes && t->ddgst ? PDU_DIGEST_BYTES : 0);
    uint8_t *at = tx_room(t, plen);
    if (!at)
        return -ENOBUFS;
    header->hlen = hlen;
    header->pdo = bytes ? (uint8_t)pdo : 0;
    header->flags |= (uint8_t)((t->hdgst ? PDU_HDGSTF : 0) | (bytes && t->ddgst ? PDU_DDGSTF : 0));
    header->plen = le32_from((uint32_t)plen);
    memcpy(at, header, hlen);
    if (t->hdgst) {
        le32 digest = le32_from(crc32c(header, hlen));
        memcpy(at + hlen, &digest, sizeof(digest));
    }
    if (bytes)
        memcpy(at + pdo, data, bytes);
    if (bytes && t->ddgst) {
        le32 digest = le32_from(crc32c(data, bytes));
        memcpy(at + pdo + bytes, &digest, sizeof(digest));
    }
    return 0;
}

static bool in_capsule(const struct tcp_queue *t, const struct host_cmd *cmd) {
    return cmd->xfer == NVME_XFER_TO_CTRL && cmd->bytes <= t->queue.in_capsule;
}

static void set_sgl(struct host_cmd *cmd, bool capsule) {
    struct nvme_sgl sgl = {.len = le32_from(cmd->bytes), .type = capsule ? SGL_IN_CAPSULE : SGL_TRANSPORT};
    cmd->sqe.flags = (uint8_t)(cmd->sqe.flags | NVME_PSDT_SGL_MPTR_BUFFER << 6);
    cmd->sqe.sgl1 = sgl;
}

static int tcp_submit(struct host_queue *queue, struct host_cmd *cmd) {
    struct tcp_queue *t = of(queue);
    struct pdu_cmd pdu = {.ch.type = PDU_CAPSULE_CMD};
    bool capsule = in_capsule(t, cmd);
    if (t->error)
        return -ENOTCONN;
    if (!t->free_count)
        return -EAGAIN;
    cmd->cid = t->free_cid[--t->free_count];
    cmd->sqe.cid = le16_from(cmd->cid);
    cmd->error = 0;
    cmd->received = 0;
    set_sgl(cmd, capsule);
    pdu.sqe = cmd->sqe;
    if (tx_pdu(t, &pdu.ch, sizeof(pdu), cmd->data, capsule ? cmd->bytes : 0)) {
        t->free_cid[t->free_count++] = cmd->cid;
        return -EAGAIN;
    }
    t->slot[cmd->cid] = cmd;
    cmd->submitted_ns = sim_clock(t->sim);
    if (t->tx_len - t->tx_sent >= TX_FLUSH && t->watch.events == EPOLLIN)
        tx_flush(t);
    return 0;
}

/* ---- receiving ---- */

static struct host_cmd *find_cmd(struct tcp_queue *t, le16 cid) {
    return le16_get(cid) < t->queue.entries ? t->slot[le16_get(cid)] : NULL;
}

static const char *on_response(struct tcp_queue *t, const uint8_t *pdu) {
    struct pdu_resp resp;
    memcpy(&resp, pdu, sizeof(resp));
    struct host_cmd *cmd = find_cmd(t, resp.cqe.cid);
    if (!cmd)
        return "response for a command that is not in flight";
    cmd->cqe = resp.cqe;
    slot_complete(t, cmd);
    return NULL;
}

static void complete_success(struct tcp_queue *t, struct host_cmd *cmd) {
    cmd->cqe = (struct nvme_cqe){.cid = le16_from(cmd->cid)};
    slot_complete(t, cmd);
}

static const char *on_data(struct tcp_queue *t, const uint8_t *pdu) {
    struct pdu_data data;
    memcpy(&data, pdu, sizeof(data));
    struct host_cmd *cmd = find_cmd(t, data.cccid);
    uint32_t offset = le32_get(data.datao), length = le32_get(data.datal);
    if (!cmd || cmd->xfer != NVME_XFER_TO_HOST)
        return "data for a command that expects none";
    if (offset != cmd->received || length > cmd->bytes - cmd->received || !length)
        return "data outside of the command's buffer or out of order";
    t->rx_cmd = cmd;
    t->rx_left = length;
    t->rx_flags = data.ch.flags;
    t->rx_crc = CRC32C_START;
    t->rx_digest_due = t->ddgst;
    return NULL;
}

static const char *on_r2t(struct tcp_queue *t, const uint8_t *pdu) {
    struct pdu_data r2t;
    memcpy(&r2t, pdu, sizeof(r2t));
    struct host_cmd *cmd = find_cmd(t, r2t.cccid);
    uint32_t offset = le32_get(r2t.datao), left = le32_get(r2t.datal);
    if (!cmd || cmd->xfer != NVME_XFER_TO_CTRL || in_capsule(t, cmd))
        return "R2T for a command without data to send";
    if (offset > cmd->bytes || left > cmd->bytes - offset || !left)
        return "R2T outside of the command's buffer";
    while (left) {
        uint32_t n = left < t->max_h2c ? left : t->max_h2c;
        struct pdu_data out = {.ch.type = PDU_H2C_DATA, .cccid = r2t.cccid, .ttag = r2t.ttag};
        out.ch.flags = n == left ? PDU_LAST : 0;
        out.datao = le32_from(offset);
        out.datal = le32_from(n);
        if (tx_pdu(t, &out.ch, sizeof(out), (uint8_t *)cmd->data + offset, n))
            return "too much data waits to be sent";
        offset += n;
        left -= n;
    }
    return NULL;
}

static const struct {
    const char *(*handle)(struct tcp_queue *, const uint8_t *);
    uint8_t hlen;
} rx_rows[] = {
    [PDU_CAPSULE_RESP] = {on_response, sizeof(struct pdu_resp)},
    [PDU_C2H_DATA] = {on_data, sizeof(struct pdu_data)},
    [PDU_R2T] = {on_r2t, sizeof(struct pdu_data)},
};

static bool header_digest_ok(const struct tcp_queue *t, const uint8_t *pdu, uint8_t hlen) {
    le32 digest;
    if (!t->hdgst)
        return true;
    memcpy(&digest, pdu + hlen, sizeof(digest));
    return le32_get(digest) == crc32c(pdu, hlen);
}

/* Take one PDU header (and for C2HData what precedes its data). *used = 0: more bytes are needed. */
static const char *rx_header(struct tcp_queue *t, const uint8_t *pdu, size_t avail, size_t *used) {
    struct pdu_header h;
    *used = 0;
    if (avail < sizeof(h))
        return NULL;
    memcpy(&h, pdu, sizeof(h));
    if (h.type == PDU_C2H_TERM_REQ)
        return "the target ended the connection with a TermReq";
    if (h.type >= sizeof(rx_rows) / sizeof(rx_rows[0]) || !rx_rows[h.type].handle || h.hlen != rx_rows[h.type].hlen)
        return "unknown PDU";
    size_t head = (size_t)h.hlen + (t->hdgst ? PDU_DIGEST_BYTES : 0), skip = head;
    if (h.type == PDU_C2H_DATA) {
        if (h.pdo < head)
            return "C2HData with its data inside of its header";
        skip = h.pdo;
    }
    if (avail < skip)
        return NULL;
    if (!header_digest_ok(t, pdu, h.hlen))
        return "header digest is wrong";
    *used = skip;
    return rx_rows[h.type].handle(t, pdu);
}

static size_t rx_payload(struct tcp_queue *t, const uint8_t *at, size_t avail) {
    struct host_cmd *cmd = t->rx_cmd;
    size_t n = avail < t->rx_left ? avail : t->rx_left;
    memcpy((uint8_t *)cmd->data + cmd->received, at, n);
    if (t->ddgst)
        t->rx_crc = crc32c_update(t->rx_crc, at, n);
    cmd->received += (uint32_t)n;
    t->rx_left -= (uint32_t)n;
    return n;
}

/* The C2HData PDU is complete. */
static void rx_data_end(struct tcp_queue *t) {
    struct host_cmd *cmd = t->rx_cmd;
    t->rx_cmd = NULL;
    if (t->rx_flags & PDU_SUCCESS)
        complete_success(t, cmd);
}

/* One step of parsing. *used = 0 and NULL: more bytes are needed. */
static const char *rx_step(struct tcp_queue *t, const uint8_t *at, size_t avail, size_t *used) {
    *used = 0;
    if (!t->rx_cmd)
        return rx_header(t, at, avail, used);
    if (t->rx_left) {
        *used = rx_payload(t, at, avail);
    } else if (t->rx_digest_due) {
        le32 digest;
        if (avail < sizeof(digest))
            return NULL;
        memcpy(&digest, at, sizeof(digest));
        if (le32_get(digest) != crc32c_finish(t->rx_crc))
            return "data digest is wrong";
        *used = sizeof(digest);
        t->rx_digest_due = false;
    }
    if (!t->rx_left && !t->rx_digest_due)
        rx_data_end(t);
    return NULL;
}

static void rx_parse(struct tcp_queue *t) {
    size_t at = 0;
    while (at < t->rx_len && !t->error) {
        size_t used;
        const char *violation = rx_step(t, t->rx + at, t->rx_len - at, &used);
        if (violation) {
            link_down(t, -EPROTO, violation);
            return;
        }
        if (!used)
            break;
        at += used;
    }
    t->rx_len -= at;
    memmove(t->rx, t->rx + at, t->rx_len);
}

static void on_ready(struct sim_watch *w, uint32_t events) {
    struct tcp_queue *t = (struct tcp_queue *)((char *)w - offsetof(struct tcp_queue, watch));
    if (events & EPOLLOUT)
        tx_flush(t);
    if (t->error || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    ssize_t n = recv(w->fd, t->rx + t->rx_len, RX_BYTES - t->rx_len, MSG_DONTWAIT);
    if (n > 0) {
        t->rx_len += (size_t)n;
        rx_parse(t);
    } else if (n == 0) {
        link_down(t, -ECONNRESET, "closed by the target");
    } else if (errno != EAGAIN && errno != EINTR) {
        link_down(t, -errno, "receive failed");
    }
}

/* ---- opening and closing ---- */

static void tcp_close(struct host_queue *queue) {
    struct tcp_queue *t = of(queue);
    if (!t->error)
        link_down(t, -ECANCELED, "closed here");
    sim_cancel(t->sim, &t->failure);
    fail_all(&t->failure);
    sim_hook_remove(t->sim, &t->hook);
    close(t->watch.fd);
    free(t->slot);
    free(t->free_cid);
    free(t->tx);
    free(t->rx);
    free(t);
}

static void tcp_fail(struct host_queue *queue, int error) {
    link_down(of(queue), error, "given up");
}

static const struct host_queue_ops tcp_queue_ops = {tcp_submit, tcp_fail, tcp_close};

/* "127.0.0.1:4420", "[::1]:4420", "name:4420" */
static int split_address(const char *address, char *host, size_t size, const char **port, struct err *e) {
    const char *colon = strrchr(address, ':');
    size_t len = colon ? (size_t)(colon - address) : 0;
    bool bracket = len > 2 && address[0] == '[' && address[len - 1] == ']';
    len -= bracket ? 2 : 0;
    if (!colon || !len || !colon[1] || len >= size)
        return err_set(e, EINVAL, "address \"%s\" is not of the form HOST:PORT or [IPV6]:PORT", address);
    memcpy(host, address + bracket, len);
    host[len] = 0;
    *port = colon + 1;
    return 0;
}

/* Connect one candidate address within the time limit; the descriptor or -errno. */
static int dial(const struct addrinfo *ai) {
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, error = 0;
    socklen_t len = sizeof(error);
    if (fd < 0)
        return -errno;
    if (connect(fd, ai->ai_addr, ai->ai_addrlen) && errno != EINPROGRESS) {
        error = errno;
    } else {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, CONNECT_MS) <= 0)
            error = ETIMEDOUT;
        else
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    }
    if (error) {
        close(fd);
        return -error;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static int dial_url(const char *url, struct err *e) {
    static const char scheme[] = "tcp://";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    char host[256];
    const char *port = NULL;
    if (strncmp(url, scheme, sizeof(scheme) - 1))
        return err_set(e, EINVAL, "address \"%s\" is not of the form tcp://HOST:PORT", url);
    if (split_address(url + sizeof(scheme) - 1, host, sizeof(host), &port, e))
        return -EINVAL;
    int ret = getaddrinfo(host, port, &hints, &list), fd = -EHOSTUNREACH;
    if (ret)
        return err_set(e, EHOSTUNREACH, "%s: %s", url, gai_strerror(ret));
    for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next)
        fd = dial(ai);
    freeaddrinfo(list);
    return fd < 0 ? err_set(e, -fd, "%s: %s", url, strerror(-fd)) : fd;
}

/* Move exactly `len` bytes within the time limit; 0 or -errno. */
static int move_all(int fd, void *buffer, size_t len, bool out) {
    for (size_t at = 0; at < len;) {
        struct pollfd p = {.fd = fd, .events = out ? POLLOUT : POLLIN};
        if (poll(&p, 1, CONNECT_MS) <= 0)
            return -ETIMEDOUT;
        ssize_t n =
            out ? send(fd, (char *)buffer + at, len - at, MSG_NOSIGNAL) : recv(fd, (char *)buffer + at, len - at, 0);
        if (n == 0)
            return -ECONNRESET;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        at += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int exchange_ic(struct tcp_queue *t, const struct host_config *host, struct err *e) {
    struct pdu_ic ic = {.ch = {.type = PDU_IC_REQ, .hlen = sizeof(ic), .plen = le32_from(sizeof(ic))}};
    ic.dgst = (uint8_t)((host->header_digest ? PDU_DGST_HEADER : 0) | (host->data_digest ? PDU_DGST_DATA : 0));
    int ret = move_all(t->watch.fd, &ic, sizeof(ic), true);
    if (!ret)
        ret = move_all(t->watch.fd, &ic, sizeof(ic), false);
    if (ret)
        return err_set(e, -ret, "%s: connection initialisation: %s", host->address, strerror(-ret));
    if (ic.ch.type != PDU_IC_RESP || le32_get(ic.ch.plen) != sizeof(ic) || le16_get(ic.pfv))
        return err_set(e, EPROTO, "%s: the answer is not an ICResp; is this an NVMe/TCP target?", host->address);
    t->hdgst = ic.dgst & PDU_DGST_HEADER;
    t->ddgst = ic.dgst & PDU_DGST_DATA;
    t->max_h2c = le32_get(ic.limit);
    if (ic.pda || t->max_h2c < PDU_MAXH2C_FLOOR)
        return err_set(e, EPROTO, "%s: ICResp with CPDA %u, MAXH2CDATA %u is not supported", host->address, ic.pda,
                       t->max_h2c);
    return 0;
}

static int tcp_allocate(struct tcp_queue *t, uint16_t entries) {
    t->slot = calloc(entries, sizeof(*t->slot));
    t->free_cid = calloc(entries, sizeof(*t->free_cid));
    t->rx = malloc(RX_BYTES);
    t->tx_size = TX_FLUSH;
    t->tx = malloc(t->tx_size);
    if (!t->slot || !t->free_cid || !t->rx || !t->tx)
        return -ENOMEM;
    for (uint16_t cid = entries - 1; cid > 0; cid--) /* a queue of n entries holds n - 1 commands */
        t->free_cid[t->free_count++] = (uint16_t)(cid - 1);
    return 0;
}

struct host_queue *host_tcp_open(const struct host_queue_config *config, struct sim *sim, struct err *e) {
    struct tcp_queue *t = calloc(1, sizeof(*t));
    if (!t) {
        err_set(e, ENOMEM, "no memory for a queue");
        return NULL;
    }
    t->queue = (struct host_queue){&tcp_queue_ops, config->entries, config->in_capsule};
    t->sim = sim;
    t->watch.fd = dial_url(config->host->address, e);
    if (t->watch.fd < 0)
        goto fail;
    if (tcp_allocate(t, config->entries)) {
        err_set(e, ENOMEM, "no memory for a queue of %u entries", config->entries);
        goto fail_fd;
    }
    if (exchange_ic(t, config->host, e))
        goto fail_fd;
    sim_event_init(&t->failure, fail_all);
    t->watch.events = EPOLLIN;
    t->watch.ready = on_ready;
    t->hook.run = hook_run;
    if (sim_watch_add(sim, &t->watch)) {
        err_set(e, ENOMEM, "cannot watch the connection");
        goto fail_fd;
    }
    sim_hook_add(sim, &t->hook);
    return &t->queue;
fail_fd:
    close(t->watch.fd);
fail:
    free(t->slot);
    free(t->free_cid);
    free(t->tx);
    free(t->rx);
    free(t);
    return NULL;
}
