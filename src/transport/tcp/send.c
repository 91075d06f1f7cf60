/*
 * The sending half of a connection. What a turn of the loop completed goes out
 * in one sendmsg(): headers from a scratch buffer, payload straight from where
 * the drive keeps it.
 *
 * Payload is what the store holds at the moment of the call. A PDU that the
 * socket cuts is finished from a private copy of its rest, so that no later
 * write can tear it; PDUs not begun keep referring to the store. A data
 * digest is computed in the turn that sends it, so the two always agree.
 *
 * Source: NVMe/TCP Transport Specification 1.0, sections 3.6.2.5 (CapsuleResp),
 * 3.6.2.7 (C2HData), 3.6.2.8 (R2T).
 * Simplified: all data of a command in one C2HData PDU.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/crc32c.h"
#include "transport/tcp/tcp_int.h"

void tcp_send_queue(struct tcp_conn *conn, struct tcp_cmd *tc) {
    tc->next = NULL;
    if (conn->out_head)
        conn->out_tail->next = tc;
    else
        conn->out_head = tc;
    conn->out_tail = tc;
    tcp_conn_touch(conn);
}

/* One batch: iov[] in the target, headers in its scratch. */
struct batch {
    struct tcp *tcp;
    uint32_t iovs, scratch;
    uint64_t bytes;
    uint32_t lead;       /* bytes of spill and control in front */
    struct tcp_cmd *end; /* first of the list that is not in it */
    uint32_t pdus;
};

/* Append bytes; neighbours become one element. */
static inline void add(struct batch *b, const void *p, uint32_t n) {
    struct iovec *iov = b->tcp->iov;
    b->bytes += n;
    if (b->iovs > 0 && (char *)iov[b->iovs - 1].iov_base + iov[b->iovs - 1].iov_len == p) {
        iov[b->iovs - 1].iov_len += n;
        return;
    }
    iov[b->iovs].iov_base = (void *)p;
    iov[b->iovs].iov_len = n;
    b->iovs++;
}

static inline uint8_t *scratch(struct batch *b, uint32_t n) {
    uint8_t *p = b->tcp->scratch + b->scratch;
    b->scratch += n;
    return p;
}

static void put_digest(uint8_t *at, const void *data, uint32_t bytes) {
    le32 digest = le32_from(crc32c(data, bytes));
    memcpy(at, &digest, sizeof(digest));
}

/* Room for a header, its digest and padding up to `pdo` (0: no data follows); returns where the header goes. */
static inline uint8_t *begin(struct batch *b, const struct tcp_conn *conn, uint32_t hlen, uint32_t pdo) {
    uint32_t n = hlen + (conn->hdgst ? PDU_DIGEST_BYTES : 0);
    uint32_t total = pdo > n ? pdo : n;
    uint8_t *p = scratch(b, total);
    if (pdo > n)
        memset(p + n, 0, pdo - n);
    add(b, p, total);
    b->pdus++;
    return p;
}

static inline void finish(const struct tcp_conn *conn, uint8_t *header, uint32_t hlen) {
    if (conn->hdgst)
        put_digest(header + hlen, header, hlen);
}

/* No more than one H2CData PDU may carry: older Linux answers with a single one whatever MAXH2CDATA says. */
static void add_r2t(struct batch *b, struct tcp_conn *conn, struct tcp_cmd *tc) {
    uint32_t digest = conn->hdgst ? PDU_DIGEST_BYTES : 0, left = tc->buffer_bytes - tc->filled;
    uint32_t n = left < b->tcp->config.max_h2c_data ? left : (uint32_t)b->tcp->config.max_h2c_data;
    tc->asked = tc->filled + n;
    struct pdu_data h = {
        .ch = {.type = PDU_R2T, .flags = conn->hdgst ? PDU_HDGSTF : 0, .hlen = sizeof(h)},
        .cccid = tc->cmd.sqe.cid,
        .ttag = le16_from(tc->tag),
        .datao = le32_from(tc->filled),
        .datal = le32_from(n),
    };
    h.ch.plen = le32_from(sizeof(h) + digest);
    uint8_t *p = begin(b, conn, sizeof(h), 0);
    memcpy(p, &h, sizeof(h));
    finish(conn, p, sizeof(h));
}

static inline void add_data(struct batch *b, struct tcp_conn *conn, const struct tcp_cmd *tc, bool success) {
    uint32_t header = sizeof(struct pdu_data) + (conn->hdgst ? PDU_DIGEST_BYTES : 0);
    uint32_t align = conn->hpda_bytes, pdo = (header + align - 1) / align * align, n = tc->cmd.out_bytes;
    uint8_t flags = (uint8_t)(PDU_LAST | (success ? PDU_SUCCESS : 0) | (conn->hdgst ? PDU_HDGSTF : 0) |
                              (conn->ddgst ? PDU_DDGSTF : 0));
    struct pdu_data h = {
        .ch = {.type = PDU_C2H_DATA, .flags = flags, .hlen = sizeof(h), .pdo = (uint8_t)pdo},
        .cccid = tc->cmd.sqe.cid,
        .datal = le32_from(n),
    };
    h.ch.plen = le32_from(pdo + n + (conn->ddgst ? PDU_DIGEST_BYTES : 0));
    uint8_t *p = begin(b, conn, sizeof(h), pdo);
    memcpy(p, &h, sizeof(h));
    finish(conn, p, sizeof(h));
    add(b, tc->cmd.out, n);
    if (conn->ddgst) {
        p = scratch(b, PDU_DIGEST_BYTES);
        put_digest(p, tc->cmd.out, n);
        add(b, p, PDU_DIGEST_BYTES);
    }
    b->tcp->stats.success_flags += success;
}

static inline void add_response(struct batch *b, struct tcp_conn *conn, const struct tcp_cmd *tc) {
    uint32_t digest = conn->hdgst ? PDU_DIGEST_BYTES : 0;
    struct pdu_resp h = {
        .ch = {.type = PDU_CAPSULE_RESP, .flags = conn->hdgst ? PDU_HDGSTF : 0, .hlen = sizeof(h)},
        .cqe = tc->cmd.cqe,
    };
    h.ch.plen = le32_from(sizeof(h) + digest);
    uint8_t *p = begin(b, conn, sizeof(h), 0);
    memcpy(p, &h, sizeof(h));
    finish(conn, p, sizeof(h));
}

/* The flag stands for a completion of all zeros, which tells no SQHD either. */
static inline bool may_omit_response(const struct tcp_conn *conn, const struct tcp_cmd *tc) {
    int choice = conn->tcp->config.c2h_success;
    if (choice == TCP_SUCCESS_NO || (choice == TCP_SUCCESS_ALLOWED && conn->queue.sq_flow_control))
        return false;
    return le16_get(tc->cmd.cqe.status) >> 1 == 0 && le64_get(tc->cmd.cqe.result) == 0;
}

static inline void add_answer(struct batch *b, struct tcp_conn *conn, struct tcp_cmd *tc) {
    bool data = tc->cmd.out && tc->cmd.out_bytes > 0;
    bool omit = data && may_omit_response(conn, tc);
    if (data)
        add_data(b, conn, tc, omit);
    if (!omit)
        add_response(b, conn, tc);
}

static void gather(struct batch *b, struct tcp_conn *conn) {
    if (conn->spill_sent < conn->spill_bytes)
        add(b, conn->spill + conn->spill_sent, conn->spill_bytes - conn->spill_sent);
    if (conn->control_sent < conn->control_bytes)
        add(b, conn->control + conn->control_sent, conn->control_bytes - conn->control_sent);
    b->lead = (uint32_t)b->bytes;
    struct tcp_cmd *tc;
    for (tc = conn->out_head; tc; tc = tc->next) {
        if (b->iovs > TCP_IOV_MAX - 4 || b->scratch > TCP_SCRATCH - TCP_HEADER_ROOM ||
            b->bytes >= conn->tcp->config.send_batch)
            break;
        uint64_t before = b->bytes;
        if (tc->state == TCP_CMD_R2T)
            add_r2t(b, conn, tc);
        else
            add_answer(b, conn, tc);
        tc->wire_bytes = (uint32_t)(b->bytes - before);
    }
    b->end = tc;
}

/* Keep bytes [from, from + n) of the batch: the rest of what the socket cut. */
static int keep_rest(const struct batch *b, struct tcp_conn *conn, uint64_t from, uint32_t n) {
    uint8_t *to = buffer_get(&conn->tcp->pool, n);
    if (!to)
        return -ENOMEM;
    conn->spill = to;
    conn->spill_cap = conn->spill_bytes = n;
    conn->spill_sent = 0;
    uint64_t at = 0;
    for (uint32_t i = 0; i < b->iovs && n > 0; i++) {
        uint64_t len = b->tcp->iov[i].iov_len;
        if (at + len > from) {
            uint64_t skip = from - at, take = len - skip < n ? len - skip : n;
            memcpy(to, (const uint8_t *)b->tcp->iov[i].iov_base + skip, take);
            to += take;
            from += take;
            n -= (uint32_t)take;
        }
        at += len;
    }
    conn->tcp->stats.cut_sends++;
    return 0;
}

static uint64_t sent_lead(struct tcp_conn *conn, uint64_t sent) {
    uint32_t left = conn->spill_bytes - conn->spill_sent, n = sent < left ? (uint32_t)sent : left;
    conn->spill_sent += n;
    sent -= n;
    if (conn->spill && conn->spill_sent == conn->spill_bytes) {
        buffer_put(&conn->tcp->pool, conn->spill, conn->spill_cap);
        conn->spill = NULL;
        conn->spill_bytes = conn->spill_sent = 0;
    }
    left = conn->control_bytes - conn->control_sent;
    n = sent < left ? (uint32_t)sent : left;
    conn->control_sent += n;
    if (conn->control_sent == conn->control_bytes)
        conn->control_bytes = conn->control_sent = 0;
    return sent - n;
}

/* Late is when the kernel gets an answer after its modelled time; what the kernel's send took is told apart. */
static void done_with(struct tcp *tcp, struct tcp_cmd *tc, int64_t given, int64_t taken) {
    if (tc->state == TCP_CMD_R2T) {
        tc->state = TCP_CMD_WAIT_DATA;
        return;
    }
    if (tc->cmd.due_ns > 0) {
        hist_record(&tcp->lateness, given - tc->cmd.due_ns);
        hist_record(&tcp->sent_lateness, taken - tc->cmd.due_ns);
    }
    tcp_cmd_answered(tc);
}

/* Take from the list what the kernel has taken. */
static int settle(const struct batch *b, struct tcp_conn *conn, uint64_t sent, int64_t given) {
    struct tcp *tcp = conn->tcp;
    int64_t taken = sim_clock(tcp->sim);
    uint64_t at = b->lead;
    if (b->lead)
        sent_lead(conn, sent);
    while (conn->out_head != b->end && at < sent) {
        struct tcp_cmd *tc = conn->out_head;
        uint64_t end = at + tc->wire_bytes;
        if (end > sent && keep_rest(b, conn, sent, (uint32_t)(end - sent)) != 0)
            return -ENOMEM;
        conn->out_head = tc->next;
        done_with(tcp, tc, given, taken);
        at = end;
    }
    return 0;
}

int tcp_send(struct tcp_conn *conn) {
    struct tcp *tcp = conn->tcp;
    for (;;) {
        struct batch b = {.tcp = tcp};
        gather(&b, conn);
        if (b.bytes == 0)
            return 0;
        struct msghdr msg = {.msg_iov = tcp->iov, .msg_iovlen = b.iovs};
        int64_t given = sim_clock(tcp->sim);
        ssize_t n = sendmsg(conn->watch.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            return -errno;
        tcp->stats.sends++;
        tcp->stats.bytes_out += (uint64_t)n;
        tcp->stats.pdus_out += b.pdus;
        int r = settle(&b, conn, (uint64_t)n, given);
        if (r != 0)
            return r;
        if ((uint64_t)n < b.bytes)
            return -EAGAIN;
    }
}
