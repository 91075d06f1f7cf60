/* Options of section "nossd". */
#include "drive/nossd/nossd.h"

#define ROW(field, ...)                                                                                                \
    { "nossd", #field, .offset = offsetof(struct nossd_config, field), __VA_ARGS__ }

const struct opt_row nossd_opts[] = {
    ROW(read_latency, .type = OPT_TIME, .max = 10e9, .def = "0", .unit = "ns", .runtime = true,
        .help = "time from a read's last byte on the link to its completion"),
    ROW(write_latency, .type = OPT_TIME, .max = 10e9, .def = "0", .unit = "ns", .runtime = true,
        .help = "time added to writes, flushes and deallocations"),
    ROW(read_bandwidth, .type = OPT_SIZE, .max = 1e15, .def = "0", .unit = "bytes/s", .runtime = true,
        .help = "bytes a second all reads share; 0 = unlimited"),
    ROW(write_bandwidth, .type = OPT_SIZE, .max = 1e15, .def = "0", .unit = "bytes/s", .runtime = true,
        .help = "bytes a second all writes share; 0 = unlimited"),
    {0},
};
