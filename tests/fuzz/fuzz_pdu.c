/*
 * NVMe/TCP from a hostile host: any bytes into a connection in any of its
 * states. What comes back must be whole PDUs, and afterwards every command,
 * buffer and connection must have been given back.
 *
 * Input: byte 0: bits 1:0 how far the connection is (nothing, initialised,
 * admin queue, I/O queue), bit 2 header digests, bit 3 data digests, bit 4
 * put right header digests into the stream, so that mutations get past them.
 * Byte 1: send in pieces of this many bytes (0: at once). The rest: the stream.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/log.h"
#include "fuzz.h"
#include "transport/tcp/pdu.h"
#include "transport/tcp/tcp.h"
#include "transport/tcp/tcp_int.h"

#define MS 1000000ll

enum mode { RAW, INITIALISED, ADMIN, IO_QUEUE };

struct world {
    struct sim *sim;
    struct drive *drive;
    struct nvme_target *target;
    struct nvme_subsystem *subsystem;
    struct transport *transport;
    uint8_t reply[1 << 16]; /* start of what the target sent last */
};

static void turn(struct world *w) {
    sim_run(w->sim, sim_now(w->sim) + MS);
}

static void world_open(struct world *w) {
    static struct drive_config drive;
    static struct nvme_config nvme;
    static struct tcp_config tcp;
    struct opt_set set = {0};
    struct err e = {0};
    const struct sim_config sim = {.mode = SIM_VIRTUAL};
    const struct transport_config transport = {.options = &tcp, .address = "127.0.0.1:0"};
    log_set_levels("error", NULL);
    fuzz_require(!drive_config_init(&drive, &set, &e) && !opt_set_add(&set, nvme_opts, &nvme) &&
                 !opt_set_add(&set, tcp_opts, &tcp));
    fuzz_require(!opt_assign_arg(&set, "drive.kind=nossd", &e) && !opt_assign_arg(&set, "drive.capacity=4MiB", &e) &&
                 !opt_assign_arg(&set, "nossd.read_latency=20us", &e) &&
                 !opt_assign_arg(&set, "tcp.write_memory=128KiB", &e) &&
                 !opt_assign_arg(&set, "tcp.receive_batch=64KiB", &e));
    fuzz_require((w->sim = sim_new(&sim, &e)) && (w->drive = drive_open(&drive, "memory", NULL, w->sim, &e)) &&
                 (w->target = nvme_target_new(w->sim, &e)) &&
                 (w->subsystem = nvme_subsystem_new(w->target, &nvme, w->drive, &e)) &&
                 (w->transport = tcp_transport.listen(&transport, w->sim, w->target, &e)));
}

static void world_close(struct world *w) {
    const struct tcp *tcp = (const struct tcp *)w->transport;
    bool closed = false;
    struct err e = {0};
    sim_run(w->sim, sim_now(w->sim) + 20000 * MS); /* every time limit is over */
    fuzz_require(!nvme_check(w->target, &e));
    fuzz_require(tcp->conn_count == 0 && !tcp->dead && tcp->pool.used_bytes == 0);
    tcp_transport.close(w->transport, &closed);
    fuzz_require(closed);
    nvme_subsystem_free(w->subsystem);
    nvme_target_free(w->target);
    drive_close(w->drive);
    sim_free(w->sim);
}

/* Host side */

/* One side of a connection, and where it stands in the stream it receives. */
struct host {
    int fd;
    uint8_t digests;
    struct pdu_header header; /* of the PDU being received */
    uint32_t have, left;      /* bytes of the header there, bytes of the rest to come */
};

static struct host host_new(struct world *w, uint8_t digests) {
    int fd[2];
    fuzz_require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
    fuzz_require(tcp_attach(w->transport, fd[0], "fuzz") == 0);
    return (struct host){.fd = fd[1], .digests = digests};
}

static void check_header(const struct pdu_header *ch) {
    uint32_t plen = le32_get(ch->plen);
    fuzz_require(ch->type == PDU_IC_RESP || ch->type == PDU_C2H_TERM_REQ || ch->type == PDU_CAPSULE_RESP ||
                 ch->type == PDU_C2H_DATA || ch->type == PDU_R2T);
    fuzz_require(ch->hlen == (ch->type == PDU_IC_RESP ? 128 : 24));
    fuzz_require(plen >= ch->hlen && plen <= (4u << 20) && ch->pdo <= plen);
}

/* What comes must be a sequence of PDUs. */
static void check_stream(struct host *h, const uint8_t *data, size_t size) {
    while (size > 0) {
        if (h->left > 0) {
            size_t n = h->left < size ? h->left : size;
            h->left -= (uint32_t)n;
            data += n;
            size -= n;
            continue;
        }
        ((uint8_t *)&h->header)[h->have++] = *data++;
        size--;
        if (h->have == sizeof h->header) {
            check_header(&h->header);
            h->have = 0;
            h->left = le32_get(h->header.plen) - (uint32_t)sizeof h->header;
        }
    }
}

static void host_drain(struct world *w, struct host *h) {
    static uint8_t buf[1 << 16];
    ssize_t n;
    for (bool first = true; (n = recv(h->fd, buf, sizeof buf, 0)) > 0; first = false) {
        if (first)
            memcpy(w->reply, buf, (size_t)n);
        check_stream(h, buf, (size_t)n);
        turn(w);
    }
}

static void host_send(struct world *w, struct host *h, const uint8_t *data, size_t size, size_t piece) {
    while (size > 0) {
        ssize_t n = send(h->fd, data, piece && piece < size ? piece : size, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return;
        turn(w);
        if (n < 0) {
            struct err e = {0};
            fuzz_require(!nvme_check(w->target, &e));
            host_drain(w, h);
            n = send(h->fd, data, size < 64 ? size : 64, MSG_NOSIGNAL);
            if (n < 0)
                return;
        }
        data += n;
        size -= (size_t)n;
    }
}

static void host_init(struct world *w, struct host *h) {
    struct pdu_ic ic = {.ch = {.type = PDU_IC_REQ, .hlen = sizeof ic, .plen = le32_from(sizeof ic)},
                        .dgst = h->digests};
    host_send(w, h, (const uint8_t *)&ic, sizeof ic, 0);
    host_drain(w, h);
    fuzz_require(w->reply[0] == PDU_IC_RESP);
}

/* A capsule with its digests. */
static void host_capsule(struct world *w, struct host *h, const void *entry, const void *data, uint32_t bytes) {
    uint8_t out[2048];
    uint32_t hd = h->digests & PDU_DGST_HEADER ? 4 : 0, dd = bytes && (h->digests & PDU_DGST_DATA) ? 4 : 0;
    uint32_t start = sizeof(struct pdu_cmd) + hd, total = start + bytes + dd;
    struct pdu_cmd pdu = {.ch = {.type = PDU_CAPSULE_CMD, .hlen = sizeof pdu, .plen = le32_from(total)}};
    pdu.ch.flags = (uint8_t)((hd ? PDU_HDGSTF : 0) | (dd ? PDU_DDGSTF : 0));
    pdu.ch.pdo = bytes ? (uint8_t)start : 0;
    memcpy(&pdu.sqe, entry, sizeof pdu.sqe);
    memcpy(out, &pdu, sizeof pdu);
    uint32_t crc = crc32c(out, sizeof pdu);
    memcpy(out + sizeof pdu, &crc, hd);
    if (bytes)
        memcpy(out + start, data, bytes);
    crc = crc32c(out + start, bytes);
    memcpy(out + start + bytes, &crc, dd);
    host_send(w, h, out, total, 0);
    host_drain(w, h);
    fuzz_require(w->reply[0] == PDU_CAPSULE_RESP);
}

/* Returns the controller's identifier. */
static uint16_t host_connect(struct world *w, struct host *h, uint16_t qid, uint16_t cntlid) {
    struct nvme_connect_data data = {.cntlid = le16_from(cntlid)};
    struct nvme_fabrics_connect c = {
        .opc = NVME_OPC_FABRICS,
        .flags = 0x40,
        .fctype = NVME_FCTYPE_CONNECT,
        .sgl1 = {.len = le32_from(sizeof data), .type = SGL_IN_CAPSULE},
        .qid = le16_from(qid),
        .sqsize = le16_from(15),
    };
    snprintf(data.subnqn, sizeof data.subnqn, "%s", nvme_subsystem_nqn(w->subsystem));
    snprintf(data.hostnqn, sizeof data.hostnqn, "nqn.2014-08.org.nvmexpress:fuzz");
    host_capsule(w, h, &c, &data, sizeof data);
    const struct nvme_cqe *cqe = (const struct nvme_cqe *)(w->reply + sizeof(struct pdu_header));
    fuzz_require(le16_get(cqe->status) >> 1 == 0);
    return le16_get(*(const le16 *)cqe);
}

static void host_enable(struct world *w, struct host *h) {
    struct nvme_fabrics_property set = {
        .opc = NVME_OPC_FABRICS, .flags = 0x40, .ofst = le32_from(0x14), .value = le64_from(0x460001)};
    host_capsule(w, h, &set, NULL, 0);
}

/* Input */

/* Walk the stream as PDUs and make the header digests right. */
static void repair(uint8_t *data, size_t size) {
    while (size >= sizeof(struct pdu_header)) {
        const struct pdu_header *ch = (const struct pdu_header *)data;
        uint32_t plen = le32_get(ch->plen);
        if (plen < ch->hlen + 4u || plen > size || !(ch->flags & PDU_HDGSTF))
            return;
        uint32_t crc = crc32c(data, ch->hlen);
        memcpy(data + ch->hlen, &crc, 4);
        data += plen;
        size -= plen;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct world w;
    if (size < 3)
        return 0;
    uint8_t how = data[0], digests = how >> 2 & 3;
    enum mode mode = how & 3;
    size_t piece = data[1];
    uint8_t *stream = malloc(size - 2);
    fuzz_require(stream);
    memcpy(stream, data + 2, size - 2);
    if (how & 16)
        repair(stream, size - 2);
    memset(&w, 0, sizeof w);
    world_open(&w);
    struct host admin = {.fd = -1}, host = host_new(&w, digests);
    if (mode >= INITIALISED)
        host_init(&w, &host);
    if (mode >= ADMIN) {
        uint16_t cntlid = host_connect(&w, &host, 0, NVME_CNTLID_ANY);
        host_enable(&w, &host);
        if (mode == IO_QUEUE) {
            admin = host;
            host = host_new(&w, digests);
            host_init(&w, &host);
            host_connect(&w, &host, 1, cntlid);
        }
    }
    host_send(&w, &host, stream, size - 2, piece);
    free(stream);
    turn(&w);
    host_drain(&w, &host);
    close(host.fd);
    if (admin.fd >= 0)
        close(admin.fd);
    world_close(&w);
    return 0;
}
