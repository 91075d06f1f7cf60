/*
 * Life and death of a connection; the states are drawn in tcp_int.h.
 *
 * Source: NVMe/TCP Transport Specification 1.0, section 3.5 (error handling):
 * after a C2HTermReq the controller sends nothing more, and closes if the host
 * doesn't (here after two seconds instead of thirty: only an ill-behaved host
 * waits).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nvme/history.h"
#include "transport/tcp/tcp_int.h"

#define CONTAINER(type, member, ptr) ((type *)((char *)(ptr)-offsetof(type, member)))

void tcp_conn_touch(struct tcp_conn *conn) {
    struct tcp *tcp = conn->tcp;
    if (conn->dirty)
        return;
    conn->dirty = true;
    conn->dirty_next = NULL;
    if (tcp->dirty_head)
        tcp->dirty_tail->dirty_next = conn;
    else
        tcp->dirty_head = conn;
    tcp->dirty_tail = conn;
}

static void link_conn(struct tcp *tcp, struct tcp_conn *conn) {
    conn->next = tcp->conns;
    if (conn->next)
        conn->next->prev = conn;
    tcp->conns = conn;
    tcp->conn_count++;
}

static void unlink_conn(struct tcp_conn *conn) {
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        conn->tcp->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    conn->next = conn->prev = NULL;
    conn->tcp->conn_count--;
}

/*
 * Edge-triggered: a read that leaves room has emptied the socket, and whatever
 * comes later is a new edge; only the end of the stream may already be there. So a connection is never looked at twice
 * for one arrival, and what is watched never changes.
 */
static void on_ready(struct sim_watch *watch, uint32_t events) {
    struct tcp_conn *conn = CONTAINER(struct tcp_conn, watch, watch);
    if ((events & EPOLLOUT) && conn->blocked) {
        conn->blocked = false;
        tcp_conn_touch(conn);
    }
    conn->ending |= (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        conn->readable = true;
        if (!conn->paused)
            tcp_receive(conn);
    }
}

static void on_timer(struct sim_event *event) {
    struct tcp_conn *conn = CONTAINER(struct tcp_conn, timer, event);
    if (conn->state == TCP_TERM) {
        tcp_conn_end(conn, "terminated");
        return;
    }
    conn->tcp->stats.timed_out++;
    tcp_conn_end(conn, conn->state == TCP_WAIT_IC ? "no ICReq in time" : "no Connect in time");
}

static void set_buffer(int fd, int option, uint64_t bytes) {
    int value = (int)bytes;
    if (bytes && setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)) != 0)
        log_warn(LOG_TCP, "socket buffer of %d bytes: %s", value, strerror(errno));
}

static void set_socket(const struct tcp_config *config, int fd) {
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* not for the socket pairs of tests */
    set_buffer(fd, SO_SNDBUF, config->send_buffer);
    set_buffer(fd, SO_RCVBUF, config->receive_buffer);
}

/* Where the host reached us, for the discovery log; an IPv4 address in IPv6's clothes is told as what it is. */
static void note_local(struct nvme_queue *queue, int fd) {
    struct sockaddr_storage sa = {0};
    socklen_t length = sizeof(sa);
    if (getsockname(fd, (struct sockaddr *)&sa, &length) != 0)
        return;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&sa;
    const void *address = NULL;
    if (sa.ss_family == AF_INET6)
        address = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) ? in6->sin6_addr.s6_addr + 12 : in6->sin6_addr.s6_addr;
    else if (sa.ss_family == AF_INET)
        address = &((const struct sockaddr_in *)&sa)->sin_addr;
    if (!address)
        return;
    bool v6 = sa.ss_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
    queue->local_adrfam = v6 ? NVME_ADRFAM_IPV6 : NVME_ADRFAM_IPV4;
    inet_ntop(v6 ? AF_INET6 : AF_INET, address, queue->local, sizeof(queue->local));
}

static uint32_t receive_bytes(const struct tcp_config *config) {
    uint64_t least = 4 * config->in_capsule;
    return (uint32_t)(config->receive_batch > least ? config->receive_batch : least);
}

int tcp_conn_new(struct tcp *tcp, int fd, const char *peer) {
    struct tcp_conn *conn = calloc(1, sizeof(*conn));
    int r = -ENOMEM;
    if (!conn)
        goto out;
    conn->tcp = tcp;
    conn->rx_size = receive_bytes(&tcp->config);
    conn->rx = malloc(conn->rx_size);
    if (!conn->rx)
        goto out;
    set_socket(&tcp->config, fd);
    conn->watch = (struct sim_watch){.fd = fd, .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .ready = on_ready};
    r = sim_watch_add(tcp->sim, &conn->watch);
    if (r != 0)
        goto out;
    nvme_queue_init(&conn->queue, tcp->target, &tcp_queue_ops, peer, (uint32_t)tcp->config.in_capsule);
    note_local(&conn->queue, fd);
    sim_event_init(&conn->timer, on_timer);
    sim_schedule(tcp->sim, &conn->timer, sim_now(tcp->sim) + tcp->config.connect_timeout);
    link_conn(tcp, conn);
    log_debug(LOG_TCP, "%s: accepted", peer);
    return 0;
out:
    if (conn)
        free(conn->rx);
    free(conn);
    return r;
}

/* All commands come back through recycle(): those that wait for something at once, those in the drive later. */
static void give_up_queue(struct tcp_conn *conn) {
    if (conn->gone)
        return;
    conn->gone = true;
    conn->into = NULL;
    conn->wait_head = conn->wait_tail = NULL;
    conn->out_head = conn->out_tail = NULL;
    nvme_queue_gone(&conn->queue);
}

static const char *const fes_names[FES_COUNT] = {
    [FES_INVALID_HEADER] = "invalid PDU header field",     [FES_SEQUENCE] = "PDU sequence error",
    [FES_HEADER_DIGEST] = "header digest error",           [FES_OUT_OF_RANGE] = "data transfer out of range",
    [FES_LIMIT_EXCEEDED] = "data transfer limit exceeded", [FES_UNSUPPORTED] = "unsupported parameter",
};

static void queue_term_req(struct tcp_conn *conn, enum pdu_fes fes, uint32_t fei, const void *header, uint32_t bytes) {
    struct pdu_term term = {
        .ch = {.type = PDU_C2H_TERM_REQ, .hlen = sizeof(term), .plen = le32_from(sizeof(term) + bytes)},
        .fes = le16_from((uint16_t)fes),
        .fei = le32_from(fei),
    };
    memcpy(conn->control + conn->control_bytes, &term, sizeof(term));
    memcpy(conn->control + conn->control_bytes + sizeof(term), header, bytes);
    conn->control_bytes += sizeof(term) + bytes;
}

void tcp_conn_fatal(struct tcp_conn *conn, enum pdu_fes fes, uint32_t fei, const void *header, uint32_t header_bytes,
                    const char *fmt, ...) {
    char what[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    log_limited(&conn->tcp->log, LOG_TCP, LOG_LEVEL_WARN, "%s: %s: %s", conn->queue.peer, fes_names[fes], what);
    conn->tcp->stats.term_sent[fes]++;
    nvme_queue_fault(&conn->queue, what);
    conn->state = TCP_TERM;
    conn->term_queued = true;
    queue_term_req(conn, fes, fei, header, header_bytes);
    give_up_queue(conn);
    conn->rx_head = conn->rx_tail = 0;
    conn->paused = false;
    sim_cancel(conn->tcp->sim, &conn->timer);
    sim_schedule(conn->tcp->sim, &conn->timer, sim_now(conn->tcp->sim) + TCP_DRAIN_NS);
    tcp_conn_touch(conn);
}

void tcp_conn_end(struct tcp_conn *conn, const char *why) {
    struct tcp *tcp = conn->tcp;
    if (conn->state == TCP_DEAD)
        return;
    log_debug(LOG_TCP, "%s: queue %u: %s", conn->queue.peer, conn->queue.qid, why);
    conn->state = TCP_DEAD;
    sim_watch_remove(tcp->sim, &conn->watch);
    close(conn->watch.fd);
    sim_cancel(tcp->sim, &conn->timer);
    give_up_queue(conn);
    unlink_conn(conn);
    conn->next = tcp->dead;
    tcp->dead = conn;
}

bool tcp_conn_reap(struct tcp_conn *conn) {
    if (conn->queue.outstanding > 0 || conn->dirty)
        return false;
    if (conn->spill)
        buffer_put(&conn->tcp->pool, conn->spill, conn->spill_cap);
    free(conn->slots);
    free(conn->rx);
    free(conn);
    return true;
}

static void flush(struct tcp_conn *conn) {
    int r = conn->blocked ? -EAGAIN : tcp_send(conn);
    conn->blocked = r == -EAGAIN;
    if (r != 0 && r != -EAGAIN)
        tcp_conn_end(conn, strerror(-r));
    if (r == 0 && conn->term_queued) {
        conn->term_queued = false;
        shutdown(conn->watch.fd, SHUT_WR);
    }
}

void tcp_conn_service(struct tcp_conn *conn) {
    if (conn->paused && conn->state == TCP_READY) {
        conn->paused = false;
        tcp_parse(conn);
    }
    if (conn->readable && !conn->paused)
        tcp_receive(conn);
    if (conn->state == TCP_DEAD)
        return;
    flush(conn);
    if (conn->doomed[0] && conn->state <= TCP_READY) {
        log_limited(&conn->tcp->log, LOG_TCP, LOG_LEVEL_INFO, "%s: queue %u disconnected: %s", conn->queue.peer,
                    conn->queue.qid, conn->doomed);
        tcp_conn_end(conn, conn->doomed);
    }
}

/* Whether there is still something to do that no event will tell of. */
bool tcp_conn_needs_service(const struct tcp_conn *conn) {
    if (conn->state == TCP_DEAD)
        return false;
    bool output = conn->out_head || conn->control_bytes > 0 || conn->spill_bytes > 0;
    return (conn->readable && !conn->paused) || (conn->paused && tcp_cmd_room(conn, conn->paused_for)) ||
           (output && !conn->blocked) || (conn->doomed[0] && conn->state <= TCP_READY);
}
