/*
 * The receiving half of a connection: takes what the socket has in large pieces
 * and parses PDUs in place. Write data of H2CData PDUs that has not come yet is
 * received straight into the command's buffer.
 *
 * Source: NVMe/TCP Transport Specification 1.0, sections 3.3 (PDUs), 3.5 (error
 * handling), 3.6 (PDU formats). Everything here is written by a stranger: each
 * field is checked before use, and the first that is wrong ends the connection
 * with a C2HTermReq that names it. Errors within a command (its SGL, its data's
 * digest) only fail the command.
 *
 * Stricter than the text asks: reserved fields are not looked at, but LAST_PDU
 * must stand exactly on the last PDU of an R2T's data.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/crc32c.h"
#include "transport/tcp/tcp_int.h"

static uint32_t wire_u32(const uint8_t *p) {
    le32 v;
    memcpy(&v, p, sizeof(v));
    return le32_get(v);
}

/* What the common header must look like, by type. */
struct pdu_rule {
    uint8_t type, hlen;
    bool digests; /* carries them when they were negotiated */
    const char *name;
};

static const struct pdu_rule rules[] = {
    {PDU_IC_REQ, sizeof(struct pdu_ic), false, "ICReq"},
    {PDU_H2C_TERM_REQ, sizeof(struct pdu_term), false, "H2CTermReq"},
    {PDU_CAPSULE_CMD, sizeof(struct pdu_cmd), true, "CapsuleCmd"},
    {PDU_H2C_DATA, sizeof(struct pdu_data), true, "H2CData"},
};

static const struct pdu_rule *find_rule(uint8_t type) {
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (rules[i].type == type)
            return &rules[i];
    return NULL;
}

/* Where a PDU lies in the receive buffer, and what is known about it. */
struct pdu_view {
    const struct pdu_rule *rule;
    const uint8_t *at;
    uint32_t have;   /* bytes of it in the buffer, at least */
    uint32_t plen;   /* the whole PDU */
    uint32_t header; /* header and its digest */
    uint32_t pdo;    /* where data begins; 0: none */
    uint32_t data;   /* bytes of data */
    bool ddgst;      /* a digest follows the data */
};

static void fatal(struct tcp_conn *conn, const struct pdu_view *v, enum pdu_fes fes, uint32_t fei, const char *what) {
    uint32_t hlen = v->rule ? v->rule->hlen : sizeof(struct pdu_header);
    tcp_conn_fatal(conn, fes, fei, v->at, hlen < v->have ? hlen : v->have, "%s: %s", v->rule ? v->rule->name : "PDU",
                   what);
}

#define FIELD(type, field) ((uint32_t)offsetof(struct type, field))

/* Limits */

static uint32_t in_capsule_max(const struct tcp_conn *conn) {
    uint32_t io = (uint32_t)conn->tcp->config.in_capsule;
    bool admin = !conn->connected || conn->queue.qid == 0;
    return admin && io < PDU_ADMIN_IN_CAPSULE ? PDU_ADMIN_IN_CAPSULE : io;
}

static bool plen_fits(const struct tcp_conn *conn, const struct pdu_view *v) {
    switch (v->rule->type) {
    case PDU_IC_REQ:
        return v->plen == v->rule->hlen;
    case PDU_H2C_TERM_REQ:
        return v->plen >= v->rule->hlen && v->plen <= v->rule->hlen + PDU_TERM_DATA_MAX;
    default:
        return v->plen >= v->header;
    }
}

/* Common header */

static bool check_flags(struct tcp_conn *conn, const struct pdu_view *v, uint8_t flags) {
    if (!v->rule->digests)
        return true;
    if (!!(flags & PDU_HDGSTF) != conn->hdgst) {
        fatal(conn, v, FES_INVALID_HEADER, FIELD(pdu_header, flags), "HDGSTF does not match what was negotiated");
        return false;
    }
    bool with_data = v->rule->type == PDU_H2C_DATA || v->plen > v->header;
    if ((flags & PDU_DDGSTF) && !conn->ddgst) {
        fatal(conn, v, FES_INVALID_HEADER, FIELD(pdu_header, flags), "DDGSTF was not negotiated");
        return false;
    }
    if (with_data && conn->ddgst && !(flags & PDU_DDGSTF)) {
        fatal(conn, v, FES_INVALID_HEADER, FIELD(pdu_header, flags), "DDGSTF is missing");
        return false;
    }
    return true;
}

/* Checked as soon as eight bytes are there, so that nobody waits for a PDU that cannot be right. */
static bool check_common(struct tcp_conn *conn, struct pdu_view *v) {
    const struct pdu_header *ch = (const struct pdu_header *)v->at;
    v->rule = find_rule(ch->type);
    if (!v->rule) {
        fatal(conn, v, FES_INVALID_HEADER, FIELD(pdu_header, type), "unknown type, or one that only controllers send");
        return false;
    }
    if ((ch->type == PDU_IC_REQ) != (conn->state == TCP_WAIT_IC) && ch->type != PDU_H2C_TERM_REQ) {
        fatal(conn, v, FES_SEQUENCE, 0, conn->state == TCP_WAIT_IC ? "ICReq must come first" : "ICReq must come once");
        return false;
    }
    if (ch->hlen != v->rule->hlen) {
        fatal(conn, v, FES_INVALID_HEADER, FIELD(pdu_header, hlen), "wrong header length");
        return false;
    }
    v->plen = le32_get(ch->plen);
    v->header = v->rule->hlen + (v->rule->digests && conn->hdgst ? PDU_DIGEST_BYTES : 0);
    if (!plen_fits(conn, v)) {
        fatal(conn, v, FES_INVALID_HEADER, FIELD(pdu_header, plen), "wrong PDU length");
        return false;
    }
    return check_flags(conn, v, ch->flags);
}

/* Find the data of a PDU that may carry some. */
static bool check_data(struct tcp_conn *conn, struct pdu_view *v, uint32_t limit) {
    const struct pdu_header *ch = (const struct pdu_header *)v->at;
    if (v->plen == v->header)
        return true;
    uint32_t align = (conn->tcp->config.cpda + 1) * 4, digest = conn->ddgst ? PDU_DIGEST_BYTES : 0;
    if (ch->pdo < v->header || ch->pdo % align || ch->pdo > v->plen) {
        fatal(conn, v, FES_INVALID_HEADER, FIELD(pdu_header, pdo), "data offset out of bounds or not aligned");
        return false;
    }
    if (v->plen - ch->pdo < digest) {
        fatal(conn, v, FES_INVALID_HEADER, FIELD(pdu_header, plen), "no room for the data digest");
        return false;
    }
    v->pdo = ch->pdo;
    v->data = v->plen - ch->pdo - digest;
    v->ddgst = digest;
    if (v->data > limit) {
        fatal(conn, v, FES_LIMIT_EXCEEDED, 0, "more data than this connection takes in one PDU");
        return false;
    }
    return true;
}

static bool check_header_digest(struct tcp_conn *conn, const struct pdu_view *v) {
    if (v->header == v->rule->hlen)
        return true;
    uint32_t got = wire_u32(v->at + v->rule->hlen);
    if (got == crc32c(v->at, v->rule->hlen))
        return true;
    conn->tcp->stats.header_digest_errors++;
    fatal(conn, v, FES_HEADER_DIGEST, got, "header digest error");
    return false;
}

static bool data_digest_ok(struct tcp_conn *conn, const void *data, uint32_t bytes, const uint8_t *digest) {
    if (wire_u32(digest) == crc32c(data, bytes))
        return true;
    conn->tcp->stats.data_digest_errors++;
    log_limited(&conn->log, LOG_TCP, LOG_LEVEL_WARN, "%s: data digest error over %u bytes", conn->queue.peer, bytes);
    return false;
}

/* PDUs by type: each returns the bytes consumed, 0 if more must come first. */

/* Section 3.6.2.1 and 3.6.2.2. */
static uint32_t receive_ic_req(struct tcp_conn *conn, const struct pdu_view *v) {
    if (v->have < v->plen)
        return 0;
    const struct pdu_ic *req = (const struct pdu_ic *)v->at;
    const struct tcp_config *config = &conn->tcp->config;
    if (le16_get(req->pfv) != 0) {
        fatal(conn, v, FES_UNSUPPORTED, FIELD(pdu_ic, pfv), "PDU format version other than 0");
        return 0;
    }
    if (req->pda > PDU_PDA_MAX) {
        fatal(conn, v, FES_INVALID_HEADER, FIELD(pdu_ic, pda), "HPDA above 31");
        return 0;
    }
    conn->hdgst = (req->dgst & PDU_DGST_HEADER) && config->header_digest;
    conn->ddgst = (req->dgst & PDU_DGST_DATA) && config->data_digest;
    conn->hpda_bytes = (uint8_t)((req->pda + 1) * 4);
    struct pdu_ic resp = {
        .ch = {.type = PDU_IC_RESP, .hlen = sizeof(resp), .plen = le32_from(sizeof(resp))},
        .pda = (uint8_t)config->cpda,
        .dgst = (uint8_t)((conn->hdgst ? PDU_DGST_HEADER : 0) | (conn->ddgst ? PDU_DGST_DATA : 0)),
        .limit = le32_from((uint32_t)config->max_h2c_data),
    };
    memcpy(conn->control, &resp, sizeof(resp));
    conn->control_bytes = sizeof(resp);
    conn->state = TCP_READY;
    tcp_conn_touch(conn);
    return v->plen;
}

static uint32_t receive_term_req(struct tcp_conn *conn, const struct pdu_view *v) {
    if (v->have < v->plen)
        return 0;
    const struct pdu_term *term = (const struct pdu_term *)v->at;
    conn->tcp->stats.term_received++;
    snprintf(conn->doomed, sizeof(conn->doomed), "H2CTermReq, fatal error status %02xh, field %u", le16_get(term->fes),
             le32_get(term->fei));
    tcp_conn_touch(conn);
    return v->plen;
}

static uint32_t receive_capsule(struct tcp_conn *conn, struct pdu_view *v) {
    if (!check_data(conn, v, in_capsule_max(conn)) || v->have < v->plen || !check_header_digest(conn, v))
        return 0;
    uint32_t allowed = conn->connected ? conn->queue.entries : TCP_BOOT_SLOTS;
    if (conn->visible >= allowed) {
        fatal(conn, v, FES_SEQUENCE, 0, "more commands than the queue has entries");
        return 0;
    }
    struct tcp_cmd *tc = tcp_cmd_room(conn, v->data) ? tcp_cmd_get(conn) : NULL;
    if (!tc) {
        conn->paused = true;
        conn->paused_for = v->data;
        conn->tcp->stats.pauses++;
        return 0;
    }
    const uint8_t *data = v->at + v->pdo;
    bool bad = v->ddgst && !data_digest_ok(conn, data, v->data, data + v->data);
    tcp_cmd_accept(conn, tc, &((const struct pdu_cmd *)v->at)->sqe, data, v->data, bad);
    return v->plen;
}

/* Section 3.6.2.6; the order of the checks is the order of the fields. */
static bool check_transfer(struct tcp_conn *conn, const struct pdu_view *v, const struct tcp_cmd *tc) {
    const struct pdu_data *h = (const struct pdu_data *)v->at;
    uint32_t datao = le32_get(h->datao), datal = le32_get(h->datal);
    bool last = h->ch.flags & PDU_LAST;
    if (!tc || tc->state != TCP_CMD_WAIT_DATA)
        fatal(conn, v, FES_INVALID_HEADER, FIELD(pdu_data, ttag), "no transfer has this tag");
    else if (le16_get(h->cccid) != le16_get(tc->cmd.sqe.cid))
        fatal(conn, v, FES_INVALID_HEADER, FIELD(pdu_data, cccid), "the transfer belongs to another command");
    else if (datal != v->data)
        fatal(conn, v, FES_INVALID_HEADER, FIELD(pdu_data, datal), "data length does not match the PDU's");
    else if (datao != tc->filled)
        fatal(conn, v, FES_OUT_OF_RANGE, 0, "data offset is not where the last PDU ended");
    else if (datal == 0 || datal > tc->asked - tc->filled)
        fatal(conn, v, FES_OUT_OF_RANGE, 0, "no data, or more than was asked for");
    else if (last != (datal == tc->asked - tc->filled))
        fatal(conn, v, FES_INVALID_HEADER, FIELD(pdu_header, flags), "LAST_PDU not on exactly the last PDU");
    else
        return true;
    return false;
}

static uint32_t receive_h2c_data(struct tcp_conn *conn, struct pdu_view *v) {
    if (!check_data(conn, v, (uint32_t)conn->tcp->config.max_h2c_data))
        return 0;
    uint32_t front = v->pdo > v->header ? v->pdo : v->header;
    if (v->have < front || !check_header_digest(conn, v))
        return 0;
    struct tcp_cmd *tc = tcp_cmd_by_tag(conn, le16_get(((const struct pdu_data *)v->at)->ttag));
    if (!check_transfer(conn, v, tc))
        return 0;
    conn->into = tc;
    conn->into_start = tc->filled;
    conn->into_left = v->data;
    conn->into_digest = v->ddgst;
    return front;
}

/* The data of an H2CData PDU, as far as it has come. False: more must come. */
static bool receive_into(struct tcp_conn *conn) {
    struct tcp_cmd *tc = conn->into;
    uint32_t have = conn->rx_tail - conn->rx_head, n = have < conn->into_left ? have : conn->into_left;
    memcpy((uint8_t *)tc->buffer + tc->filled, conn->rx + conn->rx_head, n);
    conn->rx_head += n;
    tc->filled += n;
    conn->into_left -= n;
    if (conn->into_left > 0)
        return false;
    if (conn->into_digest) {
        if (conn->rx_tail - conn->rx_head < PDU_DIGEST_BYTES)
            return false;
        const uint8_t *start = (const uint8_t *)tc->buffer + conn->into_start;
        if (!data_digest_ok(conn, start, tc->filled - conn->into_start, conn->rx + conn->rx_head))
            tc->digest_failed = true;
        conn->rx_head += PDU_DIGEST_BYTES;
    }
    conn->into = NULL;
    if (tc->filled == tc->asked)
        tcp_cmd_data_came(tc);
    return true;
}

static uint32_t receive_pdu(struct tcp_conn *conn) {
    struct pdu_view v = {.at = conn->rx + conn->rx_head, .have = conn->rx_tail - conn->rx_head};
    if (v.have < sizeof(struct pdu_header) || !check_common(conn, &v))
        return 0;
    switch (v.rule->type) {
    case PDU_IC_REQ:
        return receive_ic_req(conn, &v);
    case PDU_H2C_TERM_REQ:
        return receive_term_req(conn, &v);
    case PDU_H2C_DATA:
        return receive_h2c_data(conn, &v);
    default:
        return receive_capsule(conn, &v);
    }
}

static bool alive(const struct tcp_conn *conn) {
    return conn->state <= TCP_READY && !conn->doomed[0];
}

void tcp_parse(struct tcp_conn *conn) {
    while (alive(conn)) {
        if (conn->into) {
            if (!receive_into(conn))
                break;
            continue;
        }
        uint32_t n = receive_pdu(conn);
        if (n == 0)
            break;
        conn->rx_head += n;
        conn->tcp->stats.pdus_in++;
    }
    if (conn->rx_head == conn->rx_tail)
        conn->rx_head = conn->rx_tail = 0;
}

/* Reading */

/* Room for at least one whole capsule behind what is there. */
static void make_room(struct tcp_conn *conn) {
    uint32_t have = conn->rx_tail - conn->rx_head;
    if (conn->rx_head == 0 || conn->rx_size - conn->rx_tail >= conn->rx_size / 2)
        return;
    memmove(conn->rx, conn->rx + conn->rx_head, have);
    conn->rx_head = 0;
    conn->rx_tail = have;
}

static ssize_t read_socket(struct tcp_conn *conn, uint32_t *room) {
    struct iovec iov[2];
    struct msghdr msg = {.msg_iov = iov};
    if (conn->into && conn->into_left > 0 && conn->rx_head == conn->rx_tail) {
        iov[0].iov_base = (uint8_t *)conn->into->buffer + conn->into->filled;
        iov[0].iov_len = conn->into_left;
        msg.msg_iovlen = 1;
        *room = conn->into_left;
    }
    iov[msg.msg_iovlen].iov_base = conn->rx + conn->rx_tail;
    iov[msg.msg_iovlen].iov_len = conn->rx_size - conn->rx_tail;
    msg.msg_iovlen++;
    *room += conn->rx_size - conn->rx_tail;
    if (msg.msg_iovlen == 1)
        return recv(conn->watch.fd, iov[0].iov_base, iov[0].iov_len, MSG_DONTWAIT);
    return recvmsg(conn->watch.fd, &msg, MSG_DONTWAIT);
}

static void took(struct tcp_conn *conn, uint32_t n) {
    conn->tcp->stats.receives++;
    conn->tcp->stats.bytes_in += n;
    if (conn->into && conn->into_left > 0 && conn->rx_head == conn->rx_tail) {
        uint32_t direct = n < conn->into_left ? n : conn->into_left;
        conn->into->filled += direct;
        conn->into_left -= direct;
        n -= direct;
    }
    conn->rx_tail += n;
}

void tcp_receive(struct tcp_conn *conn) {
    if (conn->state == TCP_TERM)
        conn->rx_head = conn->rx_tail = 0;
    make_room(conn);
    if (conn->rx_tail == conn->rx_size) /* nobody has parsed it yet: the hook comes back */
        return;
    uint32_t room = 0;
    ssize_t n = read_socket(conn, &room);
    conn->readable = n > 0 ? (uint32_t)n == room || conn->ending : n < 0 && errno == EINTR;
    if (conn->readable)
        tcp_conn_touch(conn);
    if (n > 0) {
        took(conn, (uint32_t)n);
        tcp_parse(conn);
    } else if (n == 0) {
        tcp_conn_end(conn, conn->rx_head == conn->rx_tail && !conn->into ? "closed by the host"
                                                                         : "closed by the host within a PDU");
    } else if (errno != EAGAIN && errno != EINTR) {
        tcp_conn_end(conn, strerror(errno));
    }
}
