/*
 * The TCP target's own structures; see tcp.h for callers.
 *
 * A connection carries one queue. Its states:
 *
 *   accepted -> WAIT_IC -> READY --------------------> DEAD -> freed
 *                  |         |                          ^
 *                  +---------+--> TERM (TermReq sent) --+
 *
 *   WAIT_IC -> READY: receive_ic_req()
 *   WAIT_IC, READY -> TERM: tcp_conn_fatal(), the host broke the protocol
 *   any -> DEAD: tcp_conn_end(), socket closed; commands still in the drive
 *   DEAD -> freed: tcp_conn_reap(), once the queue has nothing outstanding
 *
 * A command slot:
 *
 *   FREE -> STARTED -> EXECUTING -> ANSWER -> RELEASED -> FREE
 *              |            ^
 *              +-> WAIT_BUFFER -> R2T <-> WAIT_DATA (then EXECUTING)
 *
 * Invariants:
 *   1. A slot is in at most one list: free, waiting for a buffer, output.
 *   2. The output list holds slots in R2T or ANSWER, in the order to be sent.
 *   3. H2CData is accepted only for a slot in WAIT_DATA: its R2T has been sent.
 *   4. The buffer of a slot lives until the controller recycles the command,
 *      since an aborted command may still be read from by the drive.
 *   5. No connection is freed but by the hook: callbacks up the stack may
 *      still hold it.
 */
#ifndef DRIVELAB_TRANSPORT_TCP_INT_H
#define DRIVELAB_TRANSPORT_TCP_INT_H

#include <stdbool.h>
#include <sys/uio.h>

#include "base/hist.h"
#include "base/log.h"
#include "transport/buffer.h"
#include "transport/tcp/pdu.h"
#include "transport/tcp/tcp.h"

#define TCP_IOV_MAX     1024
#define TCP_SCRATCH     (128u << 10)
#define TCP_HEADER_ROOM 256          /* what headers, padding and digests of one command's output can take */
#define TCP_BOOT_SLOTS  4            /* before Connect has told the queue's size */
#define TCP_SLACK_SLOTS 64           /* slots beyond the queue's size, for aborted commands still in the drive */
#define TCP_DRAIN_NS    2000000000ll /* how long a host may take to close after a TermReq */

enum tcp_cmd_state {
    TCP_CMD_FREE,
    TCP_CMD_STARTED,
    TCP_CMD_WAIT_BUFFER,
    TCP_CMD_R2T,
    TCP_CMD_WAIT_DATA,
    TCP_CMD_EXECUTING,
    TCP_CMD_ANSWER,
    TCP_CMD_RELEASED,
};

struct tcp_conn;

/* A slot: the command and where it stands. */
struct tcp_cmd {
    struct nvme_cmd cmd; /* first: the controller's pointer is ours */
    struct tcp_conn *conn;
    struct tcp_cmd *next;
    void *buffer;          /* payload from the host, from the pool */
    struct iovec in;       /* what cmd.in points to */
    uint32_t buffer_bytes; /* as asked of the pool */
    uint32_t filled;       /* bytes of it received */
    uint32_t asked;        /* where the data of the last R2T sent ends */
    uint32_t wire_bytes;   /* of the output being sent */
    uint16_t tag;
    uint8_t state; /* enum tcp_cmd_state */
    bool digest_failed;
    bool whole; /* all its data has come: the drive's time is all it takes to get the buffer back */
};

enum tcp_conn_state { TCP_WAIT_IC, TCP_READY, TCP_TERM, TCP_DEAD };

struct tcp;

struct tcp_conn {
    struct nvme_queue queue; /* first: the controller's pointer is ours */
    struct tcp *tcp;
    struct sim_watch watch;
    struct sim_event timer;
    struct tcp_conn *next, *prev; /* all connections */
    struct tcp_conn *dirty_next;  /* connections the hook shall look at */
    uint8_t state;                /* enum tcp_conn_state */
    bool dirty;
    bool connected;   /* Connect has succeeded once */
    bool gone;        /* the controller has been told that the queue is gone */
    bool blocked;     /* the socket took no more */
    bool readable;    /* the socket may have more */
    bool ending;      /* the end of the stream comes after what is to be read */
    bool paused;      /* reading stopped: no slot or no memory for the next capsule */
    bool term_queued; /* close our side once the output is sent */
    bool hdgst, ddgst;
    uint8_t hpda_bytes;
    char doomed[96]; /* the controller wants the connection gone, why; or empty */

    /* input */
    uint8_t *rx;
    uint32_t rx_size, rx_head, rx_tail;
    struct tcp_cmd *into; /* H2CData being received */
    uint32_t into_left;   /* bytes of that PDU's data still to come */
    uint32_t into_start;  /* where in the buffer the PDU's data began */
    bool into_digest;     /* its digest is still to come */

    /* output: what must go first, then the list */
    uint8_t *spill; /* unsent rest of a PDU cut by the socket */
    uint32_t spill_bytes, spill_sent, spill_cap;
    uint8_t control[sizeof(struct pdu_ic) + sizeof(struct pdu_term) + PDU_TERM_DATA_MAX];
    uint32_t control_bytes, control_sent;
    struct tcp_cmd *out_head, *out_tail;

    /* slots */
    struct tcp_cmd boot[TCP_BOOT_SLOTS];
    struct tcp_cmd *slots;
    uint32_t slot_count, slot_used; /* slots never used yet are not touched */
    struct tcp_cmd *free;
    uint32_t visible; /* commands the host has sent and has no answer to */
    struct tcp_cmd *wait_head, *wait_tail;
    uint64_t write_bytes, whole_bytes; /* of buffers: all, those whose data has come */
    uint32_t paused_for;               /* data bytes of the capsule that waits */
    struct log_limit log;
};

struct tcp_stats {
    uint64_t accepted, refused, timed_out;
    uint64_t pdus_in, pdus_out, bytes_in, bytes_out;
    uint64_t commands, r2ts, success_flags, receives, sends, cut_sends, pauses;
    uint64_t header_digest_errors, data_digest_errors;
    uint64_t term_sent[FES_COUNT], term_received;
};

struct tcp {
    struct transport transport; /* first */
    struct tcp_config config;
    struct sim *sim;
    struct nvme_target *target;
    char address[128];
    struct sim_watch listener;
    struct sim_event accept_again;
    struct sim_idle_hook hook;
    bool closing;
    bool *closed; /* tcp_close()'s caller waits for it, or NULL */
    struct tcp_conn *conns;
    uint32_t conn_count;
    struct tcp_conn *dirty_head, *dirty_tail;
    struct tcp_conn *dead; /* ended, some commands still below; linked by next */
    struct buffer_pool pool;
    struct log_limit log;
    struct tcp_stats stats;
    struct hist lateness, sent_lateness; /* response given to the kernel, taken by it: after its modelled time */

    /* one output batch being put together */
    struct iovec iov[TCP_IOV_MAX];
    uint8_t scratch[TCP_SCRATCH];
};

/* connection.c */
int tcp_conn_new(struct tcp *tcp, int fd, const char *peer);
void tcp_conn_touch(struct tcp_conn *conn); /* have the hook look at it this turn */
/* The host broke the protocol: tell it why with the offending header, and stop. */
void tcp_conn_fatal(struct tcp_conn *conn, enum pdu_fes fes, uint32_t fei, const void *header, uint32_t header_bytes,
                    const char *fmt, ...) __attribute__((format(printf, 6, 7)));
void tcp_conn_end(struct tcp_conn *conn, const char *why);
void tcp_conn_service(struct tcp_conn *conn); /* from the hook */
bool tcp_conn_needs_service(const struct tcp_conn *conn);
bool tcp_conn_reap(struct tcp_conn *conn); /* free a dead one; false: commands still below */
extern const struct nvme_queue_ops tcp_queue_ops;

/* command.c: slots */
struct tcp_cmd *tcp_cmd_get(struct tcp_conn *conn);
bool tcp_cmd_room(const struct tcp_conn *conn, uint32_t bytes);      /* a slot, and memory for so much data with it? */
struct tcp_cmd *tcp_cmd_by_tag(struct tcp_conn *conn, uint16_t tag); /* NULL: no such tag */
/* Take a capsule: start the command and execute it, or ask for its data. `data` is what followed the entry. */
void tcp_cmd_accept(struct tcp_conn *conn, struct tcp_cmd *tc, const struct nvme_sqe *sqe, const uint8_t *data,
                    uint32_t bytes, bool data_digest_failed);
void tcp_cmd_data_came(struct tcp_cmd *tc); /* all that was asked for: ask for more, or execute */
void tcp_cmd_answered(struct tcp_cmd *tc);  /* its answer is with the kernel */

/* receive.c */
void tcp_receive(struct tcp_conn *conn); /* take what the socket has, and act on it */
void tcp_parse(struct tcp_conn *conn);   /* act on what has been taken */

/* send.c */
void tcp_send_queue(struct tcp_conn *conn, struct tcp_cmd *tc); /* append to the output list */
/* Give the socket all it takes. 0: all sent; -EAGAIN: the socket is full; other -errno: broken. */
int tcp_send(struct tcp_conn *conn);

#endif
