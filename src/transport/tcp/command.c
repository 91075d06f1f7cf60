/*
 * Command slots of a connection: taking a capsule, finding its data, handing
 * it to the controller and getting it back.
 *
 * Source: NVMe/TCP Transport Specification 1.0, sections 3.2 (data transfer)
 * and 3.6.2.4; Base 2.0, section 4.1.2 (SGLs).
 * Simplified: one R2T of a command at a time (a host's MAXR2T is always
 * respected).
 */
#include <stdio.h>
#include <stdlib.h>

#include "transport/tcp/tcp_int.h"

static struct tcp_cmd *of(struct nvme_cmd *cmd) {
    return (struct tcp_cmd *)cmd;
}

/* Slots */

struct tcp_cmd *tcp_cmd_get(struct tcp_conn *conn) {
    struct tcp_cmd *tc = conn->free;
    if (tc) {
        conn->free = tc->next;
        return tc;
    }
    if (conn->slot_used == TCP_BOOT_SLOTS + conn->slot_count)
        return NULL;
    uint32_t tag = conn->slot_used++;
    tc = tag < TCP_BOOT_SLOTS ? &conn->boot[tag] : &conn->slots[tag - TCP_BOOT_SLOTS];
    tc->conn = conn;
    tc->tag = (uint16_t)tag;
    return tc;
}

/*
 * Capsules bring their data unasked, so the only way to refuse it is not to
 * read on. But what was asked for comes behind: only buffers that come back by
 * themselves may be waited for, and without such a capsule goes over the limit.
 */
bool tcp_cmd_room(const struct tcp_conn *conn, uint32_t bytes) {
    if (!conn->free && conn->slot_used == TCP_BOOT_SLOTS + conn->slot_count)
        return false;
    return bytes == 0 || conn->whole_bytes == 0 || conn->write_bytes + bytes <= conn->tcp->config.write_memory;
}

struct tcp_cmd *tcp_cmd_by_tag(struct tcp_conn *conn, uint16_t tag) {
    if (tag >= conn->slot_used)
        return NULL;
    return tag < TCP_BOOT_SLOTS ? &conn->boot[tag] : &conn->slots[tag - TCP_BOOT_SLOTS];
}

static void slot_put(struct tcp_cmd *tc) {
    struct tcp_conn *conn = tc->conn;
    tc->state = TCP_CMD_FREE;
    tc->next = conn->free;
    conn->free = tc;
    if (conn->paused)
        tcp_conn_touch(conn);
}

/* Buffers */

static bool buffer_take(struct tcp_cmd *tc, uint32_t bytes) {
    tc->buffer = buffer_get(&tc->conn->tcp->pool, bytes);
    tc->buffer_bytes = bytes;
    tc->filled = 0;
    tc->in.iov_base = tc->buffer;
    tc->in.iov_len = bytes;
    if (!tc->buffer)
        return false;
    tc->conn->write_bytes += bytes;
    return true;
}

static void buffer_whole(struct tcp_cmd *tc) {
    tc->whole = true;
    tc->conn->whole_bytes += tc->buffer_bytes;
    tc->cmd.in = &tc->in;
    tc->cmd.in_count = 1;
}

static void ask(struct tcp_cmd *tc) {
    tc->state = TCP_CMD_R2T;
    tc->conn->tcp->stats.r2ts++;
    tcp_send_queue(tc->conn, tc);
}

/* Ask the host for the data of a command, as far as the connection's memory goes; the others wait their turn. */
static void request_data(struct tcp_conn *conn) {
    struct tcp_cmd *tc;
    while (!conn->doomed[0] && (tc = conn->wait_head) != NULL) {
        uint32_t bytes = tc->cmd.xfer_bytes;
        if (conn->write_bytes > 0 && conn->write_bytes + bytes > conn->tcp->config.write_memory)
            return;
        conn->wait_head = tc->next;
        if (!buffer_take(tc, bytes)) {
            tc->state = TCP_CMD_EXECUTING;
            nvme_cmd_reject(&tc->cmd, NVME_SC_INTERNAL_ERROR, "No memory for %u bytes of write data", bytes);
            continue;
        }
        ask(tc);
    }
}

static void buffer_give(struct tcp_cmd *tc) {
    struct tcp_conn *conn = tc->conn;
    if (!tc->buffer)
        return;
    buffer_put(&conn->tcp->pool, tc->buffer, tc->buffer_bytes);
    tc->buffer = NULL;
    conn->write_bytes -= tc->buffer_bytes;
    conn->whole_bytes -= tc->whole ? tc->buffer_bytes : 0;
    tc->whole = false;
    request_data(conn);
}

static void wait_for_buffer(struct tcp_cmd *tc) {
    struct tcp_conn *conn = tc->conn;
    tc->state = TCP_CMD_WAIT_BUFFER;
    tc->next = NULL;
    if (conn->wait_head)
        conn->wait_tail->next = tc;
    else
        conn->wait_head = tc;
    conn->wait_tail = tc;
    request_data(conn);
}

/* Capsules */

static void execute(struct tcp_cmd *tc) {
    tc->state = TCP_CMD_EXECUTING;
    nvme_cmd_execute(&tc->cmd);
}

static void reject_short(struct tcp_cmd *tc, uint32_t bytes) {
    tc->state = TCP_CMD_EXECUTING;
    nvme_cmd_reject_short(&tc->cmd, bytes);
}

static void reject(struct tcp_cmd *tc, uint16_t status, const char *why) {
    tc->state = TCP_CMD_EXECUTING;
    nvme_cmd_reject(&tc->cmd, status, "%s", why);
}

/* The controller may read the data long after the receive buffer is used again: it gets a copy. */
static void take_in_capsule(struct tcp_cmd *tc, const struct nvme_sgl *sgl, const uint8_t *data, uint32_t bytes) {
    uint64_t offset = le64_get(sgl->addr);
    uint32_t length = le32_get(sgl->len), want = tc->cmd.xfer_bytes;
    if (offset > bytes)
        return reject(tc, NVME_SC_SGL_INVALID_OFFSET, "The SGL's offset lies behind the capsule's data");
    if (length > bytes - offset)
        return reject(tc, NVME_SC_SGL_INVALID_DATA_LENGTH, "The SGL is longer than the capsule's data");
    if (length < want)
        return reject_short(tc, length);
    if (!buffer_take(tc, want))
        return reject(tc, NVME_SC_INTERNAL_ERROR, "No memory for the capsule's data");
    memcpy(tc->buffer, data + offset, want);
    buffer_whole(tc);
    execute(tc);
}

static void find_data(struct tcp_cmd *tc, const uint8_t *data, uint32_t bytes) {
    const struct nvme_sgl *sgl = &tc->cmd.sqe.sgl1;
    if (sgl->type == SGL_IN_CAPSULE && tc->cmd.xfer == NVME_XFER_TO_CTRL)
        return take_in_capsule(tc, sgl, data, bytes);
    if (sgl->type != SGL_TRANSPORT)
        return reject(tc, NVME_SC_SGL_INVALID_TYPE,
                      "Only in-capsule (01h, for data to the controller) and transport data block (5Ah) descriptors");
    if (le32_get(sgl->len) < tc->cmd.xfer_bytes)
        return reject_short(tc, le32_get(sgl->len));
    if (tc->cmd.xfer == NVME_XFER_TO_CTRL)
        return wait_for_buffer(tc);
    execute(tc);
}

void tcp_cmd_accept(struct tcp_conn *conn, struct tcp_cmd *tc, const struct nvme_sqe *sqe, const uint8_t *data,
                    uint32_t bytes, bool data_digest_failed) {
    conn->visible++;
    conn->tcp->stats.commands++;
    tc->state = TCP_CMD_STARTED;
    tc->digest_failed = false;
    tc->cmd.sqe = *sqe;
    tc->cmd.in = NULL;
    tc->cmd.in_count = 0;
    nvme_cmd_start(&conn->queue, &tc->cmd);
    if (data_digest_failed)
        return reject(tc, NVME_SC_TRANSIENT_TRANSPORT_ERROR, "Data digest error in the capsule");
    if (tc->cmd.latched || tc->cmd.xfer == NVME_XFER_NONE || tc->cmd.xfer_bytes == 0)
        return execute(tc);
    find_data(tc, data, bytes);
}

void tcp_cmd_data_came(struct tcp_cmd *tc) {
    if (tc->filled < tc->buffer_bytes)
        return ask(tc);
    buffer_whole(tc);
    if (tc->digest_failed)
        return reject(tc, NVME_SC_TRANSIENT_TRANSPORT_ERROR, "Data digest error in an H2CData PDU");
    execute(tc);
}

/* Back from the controller */

/* Connect tells how many commands the host may have; from here on they all have a slot. */
static void connected(struct tcp_conn *conn) {
    conn->connected = true;
    sim_cancel(conn->tcp->sim, &conn->timer);
    conn->slots = calloc(conn->queue.entries + TCP_SLACK_SLOTS, sizeof(*conn->slots));
    conn->slot_count = conn->slots ? conn->queue.entries + TCP_SLACK_SLOTS : 0;
    if (!conn->slots) {
        tcp_queue_ops.disconnect(&conn->queue, "no memory for the queue's commands");
    }
    log_debug(LOG_TCP, "%s: queue %u connected, %u entries", conn->queue.peer, conn->queue.qid, conn->queue.entries);
}

static void on_complete(struct nvme_cmd *cmd) {
    struct tcp_cmd *tc = of(cmd);
    struct tcp_conn *conn = tc->conn;
    if (!conn->connected && conn->queue.ctrl)
        connected(conn);
    tc->state = TCP_CMD_ANSWER;
    tcp_send_queue(conn, tc);
}

void tcp_cmd_answered(struct tcp_cmd *tc) {
    tc->conn->visible--;
    tc->state = TCP_CMD_RELEASED;
    nvme_cmd_release(&tc->cmd);
}

static void on_recycle(struct nvme_cmd *cmd) {
    struct tcp_cmd *tc = of(cmd);
    if (tc->state != TCP_CMD_RELEASED) /* given up by the host: no answer goes out */
        tc->conn->visible--;
    buffer_give(tc);
    slot_put(tc);
}

static void on_disconnect(struct nvme_queue *queue, const char *why) {
    struct tcp_conn *conn = (struct tcp_conn *)queue;
    if (!conn->doomed[0])
        snprintf(conn->doomed, sizeof(conn->doomed), "%s", why);
    tcp_conn_touch(conn);
}

const struct nvme_queue_ops tcp_queue_ops = {
    .trtype = NVME_TRTYPE_TCP,
    .complete = on_complete,
    .recycle = on_recycle,
    .disconnect = on_disconnect,
};
