/*
 * The TCP transport as a whole: listening socket, accepting, the hook that
 * sends what a turn of the loop completed, statistics, closing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/tcp/tcp_int.h"

#define CONTAINER(type, member, ptr) ((type *)((char *)(ptr)-offsetof(type, member)))

#define DEFAULT_HOST                 "127.0.0.1"
#define DEFAULT_PORT                 "4420"
#define ACCEPT_BATCH                 16
#define ACCEPT_WAIT_NS               100000000ll   /* before the next try after running out of descriptors */
#define KEEP_BYTES                   (64ull << 20) /* free buffers kept for the next burst */

static struct tcp *of(const struct transport *transport) {
    return (struct tcp *)transport;
}

/* Addresses */

struct endpoint {
    char host[80], port[32];
};

/* "host:port", "[v6]:port", either part may be missing. */
static int split_address(const char *text, struct endpoint *ep, struct err *e) {
    const char *host = text, *end, *port;
    if (*text == '[') {
        host = text + 1;
        end = strchr(host, ']');
        port = end ? end + 1 : NULL;
    } else {
        end = strchr(text, ':');
        end = end ? end : text + strlen(text);
        port = end;
    }
    if (!port || (*port != '\0' && *port != ':') || strchr(port + (*port == ':'), ':'))
        return err_set(e, EINVAL, "listen address \"%s\": want HOST:PORT or [IPV6]:PORT", text);
    if (end - host >= (ptrdiff_t)sizeof(ep->host) || strlen(port) > sizeof(ep->port))
        return err_set(e, EINVAL, "listen address \"%s\" is too long", text);
    snprintf(ep->host, sizeof(ep->host), "%.*s", (int)(end - host), host);
    snprintf(ep->port, sizeof(ep->port), "%s", *port == ':' ? port + 1 : "");
    if (strspn(ep->port, "0123456789") != strlen(ep->port) || atol(ep->port) > UINT16_MAX)
        return err_set(e, EINVAL, "listen address \"%s\": port \"%s\" is not a number from 0 to 65535", text, ep->port);
    if (!ep->host[0])
        snprintf(ep->host, sizeof(ep->host), "%s", DEFAULT_HOST);
    if (!ep->port[0])
        snprintf(ep->port, sizeof(ep->port), "%s", DEFAULT_PORT);
    return 0;
}

/* "1.2.3.4:5" or "[::1]:5". */
static void address_text(const struct sockaddr_storage *sa, char *text, size_t size) {
    char host[INET6_ADDRSTRLEN] = "?";
    if (sa->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        snprintf(text, size, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(text, size, "%s:%u", host, ntohs(in->sin_port));
    }
}

/* Bind the first of the addresses that a name has. Returns a listening socket or -1 with `e` filled. */
static int open_listener(const char *address, struct err *e) {
    struct endpoint ep;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_PASSIVE}, *ai;
    if (split_address(address, &ep, e) != 0)
        return -1;
    int r = getaddrinfo(ep.host, ep.port, &hints, &ai), on = 1;
    if (r != 0) {
        err_set(e, EINVAL, "listen address \"tcp://%s\": %s", address, gai_strerror(r));
        return -1;
    }
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool bound = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                 bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0;
    int error = errno;
    freeaddrinfo(ai);
    if (bound)
        return fd;
    if (fd >= 0)
        close(fd);
    err_set(e, error, "cannot listen on tcp://%s: %s%s", address, strerror(error),
            error == EADDRINUSE ? "; end the program that uses the port or choose another (port 0 takes any free one)"
                                : "");
    return -1;
}

/* Accepting */

static void accept_again(struct sim_event *event) {
    struct tcp *tcp = CONTAINER(struct tcp, accept_again, event);
    sim_watch_modify(tcp->sim, &tcp->listener, EPOLLIN);
}

static int take(struct tcp *tcp, int fd, const char *peer) {
    int r = -EMFILE;
    if (tcp->conn_count >= tcp->config.max_connections) {
        log_limited(&tcp->log, LOG_TCP, LOG_LEVEL_WARN, "%s refused: tcp.max_connections (%u) reached", peer,
                    tcp->config.max_connections);
    } else {
        r = tcp_conn_new(tcp, fd, peer);
    }
    if (r == 0) {
        tcp->stats.accepted++;
        return 0;
    }
    tcp->stats.refused++;
    close(fd);
    return r;
}

static void on_accept(struct sim_watch *watch, uint32_t events) {
    struct tcp *tcp = CONTAINER(struct tcp, listener, watch);
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct sockaddr_storage sa;
        socklen_t length = sizeof(sa);
        char address[80], peer[96];
        int fd = accept4(watch->fd, (struct sockaddr *)&sa, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            log_limited(&tcp->log, LOG_TCP, LOG_LEVEL_WARN, "cannot accept: %s", strerror(errno));
            sim_watch_modify(tcp->sim, watch, 0);
            if (!sim_event_pending(&tcp->accept_again))
                sim_schedule(tcp->sim, &tcp->accept_again, sim_now(tcp->sim) + ACCEPT_WAIT_NS);
        }
        if (fd < 0)
            return;
        address_text(&sa, address, sizeof(address));
        snprintf(peer, sizeof(peer), "tcp %s", address);
        (void)take(tcp, fd, peer);
    }
}

int tcp_attach(struct transport *transport, int fd, const char *peer) {
    return take(of(transport), fd, peer);
}

/* The hook */

static void reap(struct tcp *tcp) {
    for (struct tcp_conn **at = &tcp->dead; *at;) {
        struct tcp_conn *conn = *at, *next = conn->next;
        if (tcp_conn_reap(conn))
            *at = next;
        else
            at = &conn->next;
    }
}

static void destroy(struct tcp *tcp) {
    sim_hook_remove(tcp->sim, &tcp->hook);
    buffer_pool_release(&tcp->pool);
    if (tcp->closed)
        *tcp->closed = true;
    free(tcp);
}

/* Connections that need looking at again get it in the next turn, so that a busy one holds nobody up. */
static void service(struct tcp *tcp) {
    struct tcp_conn *conn = tcp->dirty_head, *next;
    tcp->dirty_head = NULL;
    for (; conn; conn = next) {
        next = conn->dirty_next;
        if (conn->state != TCP_DEAD)
            tcp_conn_service(conn);
        conn->dirty = false;
        if (tcp_conn_needs_service(conn))
            tcp_conn_touch(conn);
    }
    if (tcp->dirty_head)
        sim_wake(tcp->sim);
    if (tcp->dead)
        reap(tcp);
}

static void on_hook(struct sim_idle_hook *hook) {
    struct tcp *tcp = CONTAINER(struct tcp, hook, hook);
    service(tcp);
    if (tcp->closing && !tcp->conns && !tcp->dead)
        destroy(tcp);
}

/* Life */

static void announce(struct tcp *tcp, const struct sockaddr_storage *sa) {
    char host[sizeof(tcp->address)];
    const char *port = strrchr(tcp->address, ':') + 1;
    bool v6 = sa->ss_family == AF_INET6;
    snprintf(host, sizeof(host), "%.*s", (int)(port - 1 - tcp->address) - 2 * v6, tcp->address + v6);
    int r = nvme_target_add_port(tcp->target, NVME_TRTYPE_TCP, v6 ? NVME_ADRFAM_IPV6 : NVME_ADRFAM_IPV4, host, port);
    if (r != 0)
        log_warn(LOG_TCP, "%s is not in the discovery log: %s", tcp->address, strerror(-r));
}

static struct transport *tcp_listen(const struct transport_config *config, struct sim *sim, struct nvme_target *target,
                                    struct err *e) {
    struct sockaddr_storage sa = {0};
    socklen_t length = sizeof(sa);
    struct tcp *tcp = calloc(1, sizeof(*tcp));
    if (!tcp) {
        err_set(e, ENOMEM, "no memory for the TCP transport");
        return NULL;
    }
    tcp->transport.ops = &tcp_transport;
    tcp->config = *(const struct tcp_config *)config->options;
    tcp->sim = sim;
    tcp->target = target;
    int fd = open_listener(config->address, e), r;
    if (fd < 0)
        goto out;
    tcp->listener = (struct sim_watch){.fd = fd, .events = EPOLLIN, .ready = on_accept};
    if (getsockname(fd, (struct sockaddr *)&sa, &length) != 0 || (r = sim_watch_add(sim, &tcp->listener)) != 0) {
        err_set(e, EIO, "cannot watch tcp://%s", config->address);
        close(fd);
        goto out;
    }
    buffer_pool_init(&tcp->pool, KEEP_BYTES);
    hist_init(&tcp->lateness);
    hist_init(&tcp->sent_lateness);
    sim_event_init(&tcp->accept_again, accept_again);
    tcp->hook.run = on_hook;
    sim_hook_add(sim, &tcp->hook);
    address_text(&sa, tcp->address, sizeof(tcp->address));
    announce(tcp, &sa);
    return &tcp->transport;
out:
    free(tcp);
    return NULL;
}

static void tcp_close(struct transport *transport, bool *closed) {
    struct tcp *tcp = of(transport);
    tcp->closed = closed;
    sim_watch_remove(tcp->sim, &tcp->listener);
    close(tcp->listener.fd);
    sim_cancel(tcp->sim, &tcp->accept_again);
    tcp->closing = true;
    service(tcp); /* what is complete still goes out */
    while (tcp->conns)
        tcp_conn_end(tcp->conns, "the target stops");
    service(tcp);
    if (!tcp->dead)
        destroy(tcp);
}

static const char *tcp_address(const struct transport *transport) {
    return of(transport)->address;
}

/* Statistics */

static json_t *hist_json(const struct hist *h) {
    return json_pack("{s:I,s:f,s:I,s:I,s:I,s:I,s:I}", "count", (json_int_t)h->count, "mean", hist_mean(h), "p50",
                     (json_int_t)hist_quantile(h, 0.5), "p90", (json_int_t)hist_quantile(h, 0.9), "p99",
                     (json_int_t)hist_quantile(h, 0.99), "p99.9", (json_int_t)hist_quantile(h, 0.999), "max",
                     (json_int_t)h->max);
}

static json_t *term_json(const struct tcp_stats *stats) {
    static const char *const names[FES_COUNT] = {
        [FES_INVALID_HEADER] = "invalid_header_field", [FES_SEQUENCE] = "pdu_sequence",
        [FES_HEADER_DIGEST] = "header_digest",         [FES_OUT_OF_RANGE] = "data_out_of_range",
        [FES_LIMIT_EXCEEDED] = "data_limit_exceeded",  [FES_UNSUPPORTED] = "unsupported_parameter",
    };
    json_t *terms = json_object();
    for (int i = FES_INVALID_HEADER; i < FES_COUNT; i++)
        json_object_set_new(terms, names[i], json_integer((json_int_t)stats->term_sent[i]));
    return terms;
}

static json_t *tcp_stats(const struct transport *transport) {
    const struct tcp *tcp = of(transport);
    const struct tcp_stats *s = &tcp->stats;
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        {"connections", tcp->conn_count},
        {"accepted", s->accepted},
        {"refused", s->refused},
        {"timed_out", s->timed_out},
        {"commands", s->commands},
        {"pdus_in", s->pdus_in},
        {"pdus_out", s->pdus_out},
        {"bytes_in", s->bytes_in},
        {"bytes_out", s->bytes_out},
        {"receives", s->receives},
        {"sends", s->sends},
        {"cut_sends", s->cut_sends},
        {"pauses", s->pauses},
        {"r2ts", s->r2ts},
        {"success_flags", s->success_flags},
        {"header_digest_errors", s->header_digest_errors},
        {"data_digest_errors", s->data_digest_errors},
        {"term_requests_received", s->term_received},
        {"write_buffer_bytes", tcp->pool.used_bytes},
    };
    json_t *all = json_pack("{s:s}", "address", tcp->address);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        json_object_set_new(all, counts[i].name, json_integer((json_int_t)counts[i].value));
    json_object_set_new(all, "term_requests_sent", term_json(s));
    json_object_set_new(all, "lateness_ns", hist_json(&tcp->lateness));
    json_object_set_new(all, "sent_lateness_ns", hist_json(&tcp->sent_lateness));
    return all;
}

const struct transport_ops tcp_transport = {
    .scheme = "tcp",
    .summary = "NVMe/TCP for real hosts",
    .listen = tcp_listen,
    .close = tcp_close,
    .address = tcp_address,
    .stats = tcp_stats,
};
