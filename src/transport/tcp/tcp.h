/*
 * NVMe/TCP target: listens, and carries the queues of hosts to the controller.
 */
#ifndef DRIVELAB_TRANSPORT_TCP_TCP_H
#define DRIVELAB_TRANSPORT_TCP_TCP_H

#include "base/opt.h"
#include "transport/transport.h"

/* Section "tcp". */
struct tcp_config {
    uint32_t max_connections;
    uint64_t in_capsule;                  /* bytes of write data a host may put into an I/O command capsule */
    uint64_t max_h2c_data;                /* MAXH2CDATA, bytes */
    bool header_digest, data_digest;      /* granted to hosts that ask */
    int c2h_success;                      /* enum tcp_c2h_success */
    uint32_t cpda;                        /* alignment asked of hosts, dwords - 1 */
    uint64_t write_memory;                /* bytes a connection's transfers in progress may take */
    uint64_t receive_batch;               /* bytes taken from a socket at once */
    uint64_t send_batch;                  /* bytes given to a socket at once */
    uint64_t send_buffer, receive_buffer; /* kernel's, bytes; 0: the kernel tunes them */
    int64_t connect_timeout;              /* to finish ICReq and Connect */
};

enum tcp_c2h_success {
    TCP_SUCCESS_NO,
    TCP_SUCCESS_ALLOWED, /* where the specification allows it: the host disabled SQ flow control */
    TCP_SUCCESS_ALWAYS,  /* every host known ignores SQHD, and saves a PDU a read */
};

extern const struct opt_row tcp_opts[];
extern const struct transport_ops tcp_transport;

/*
 * Take over a connected stream socket as if it had been accepted; for tests and
 * fuzzing without a network. Returns 0 or -errno; the socket is closed in any case.
 */
int tcp_attach(struct transport *transport, int fd, const char *peer);

#endif
