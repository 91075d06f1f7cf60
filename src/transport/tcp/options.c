/*
 * The options of section "tcp".
 */
#include "transport/tcp/pdu.h"
#include "transport/tcp/tcp.h"

static const char *const success_choices[] = {"no", "allowed", "always", NULL};

#define ROW(key_, type_, field_, min_, max_, def_, unit_, help_)                                                       \
    {                                                                                                                  \
        .section = "tcp", .key = key_, .type = type_, .offset = offsetof(struct tcp_config, field_), .min = min_,      \
        .max = max_, .def = def_, .unit = unit_, .help = help_                                                         \
    }

const struct opt_row tcp_opts[] = {
    ROW("max_connections", OPT_U32, max_connections, 1, 4096, "256", "connections",
        "Connections served at once; a host needs one for its admin queue and one a queue"),
    ROW("in_capsule", OPT_SIZE, in_capsule, 0, 65536, "16KiB", "bytes",
        "Write data that a host may put into an I/O command instead of waiting to be asked for it"),
    ROW("max_h2c_data", OPT_SIZE, max_h2c_data, PDU_MAXH2C_FLOOR, 16777216, "1MiB", "bytes",
        "Largest data PDU that a host may send (MAXH2CDATA)"),
    ROW("header_digest", OPT_BOOL, header_digest, 0, 0, "yes", NULL, "Grant header digests to hosts that ask"),
    ROW("data_digest", OPT_BOOL, data_digest, 0, 0, "yes", NULL, "Grant data digests to hosts that ask"),
    {.section = "tcp",
     .key = "c2h_success",
     .type = OPT_ENUM,
     .offset = offsetof(struct tcp_config, c2h_success),
     .def = "allowed",
     .choices = success_choices,
     .help =
         "Omit the completion of a successful read (SUCCESS flag): where the specification allows it, always, or no"},
    ROW("cpda", OPT_U32, cpda, 0, PDU_PDA_MAX, "0", "dwords - 1",
        "Alignment of data asked of hosts (CPDA); Linux connects only to 0"),
    ROW("write_memory", OPT_SIZE, write_memory, 65536, 1073741824, "8MiB", "bytes",
        "Memory that write data of one connection may take, asked for or in capsules; more writes wait"),
    ROW("receive_batch", OPT_SIZE, receive_batch, 65536, 16777216, "256KiB", "bytes",
        "Bytes taken from a connection at once; at least four times in_capsule is used"),
    ROW("send_batch", OPT_SIZE, send_batch, 4096, 67108864, "1MiB", "bytes", "Bytes given to a connection at once"),
    ROW("send_buffer", OPT_SIZE, send_buffer, 0, 1073741824, "0", "bytes",
        "Kernel's send buffer of a connection; 0 lets the kernel tune it"),
    ROW("receive_buffer", OPT_SIZE, receive_buffer, 0, 1073741824, "0", "bytes",
        "Kernel's receive buffer of a connection; 0 lets the kernel tune it"),
    ROW("connect_timeout", OPT_TIME, connect_timeout, 1e6, 3.6e12, "10s", "ns",
        "Time a new connection has for its initialisation and its Connect command"),
    {.key = NULL},
};
