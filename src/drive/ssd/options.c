/* Options of section "ssd". */
#include "drive/drive_int.h"
#include "drive/ssd/ftl/ftl.h"

#define ROW(field, ...)                                                                                                \
    { "ssd", #field, .offset = offsetof(struct ssd_config, field), __VA_ARGS__ }

/* In the order of ftl_kinds[] and gc_policies[]; a test compares the names. */
static const char *const mappings[] = {"page", NULL};
static const char *const partials[] = {"wait", "buffer", "free", NULL};
static const char *const placements[] = {"next", "fixed", NULL};
static const char *const policies[] = {"greedy", "fifo", "random", "dchoices", NULL};
static const char *const preconditions[] = {"none", "sequential", "striped", "random", NULL};

const struct opt_row ssd_opts[] = {
    ROW(mapping, .type = OPT_ENUM, .choices = mappings, .def = "page", .help = "how logical units find their place"),
    ROW(map_unit, .type = OPT_SIZE, .min = 4096, .max = 65536, .def = "4KiB", .unit = "bytes",
        .help = "what an entry of the map stands for (indirection unit): 4, 8, 16, 32 or 64 KiB, up to a page of the "
                "flash"),
    ROW(partial, .type = OPT_ENUM, .choices = partials, .def = "wait",
        .help =
            "a write of part of a mapping unit that is on flash: wait, answer when the rest has been read; buffer, at "
            "once, and the rest is read before it goes to flash unless it is written meanwhile; free, nobody reads it"),
    ROW(partial_percent, .type = OPT_DOUBLE, .max = 90, .def = "50", .unit = "%",
        .help = "ssd.partial=buffer: share of the write buffer that may hold parts of units before the rest is read"),
    ROW(read_piece, .type = OPT_SIZE, .min = 512, .max = 4096, .def = "4KiB", .unit = "bytes",
        .help =
            "reads move whole pieces of this size from the flash (an error-correcting code covers one): 512 to 4 KiB"),
    ROW(op_percent, .type = OPT_DOUBLE, .max = 1000, .def = "7", .unit = "%",
        .help = "flash beyond the capacity, of the capacity; at least so much where nand.blocks is given"),
    ROW(plane_order, .type = OPT_STRING, .def = "PCL",
        .help = "order in which pages walk channels (C), LUNs (L) and planes (P), fastest first"),
    ROW(placement, .type = OPT_ENUM, .choices = placements, .def = "next",
        .help = "a page goes to the next plane that can take it; or each unit to one fixed plane, by its number in "
                "plane_order: for units of a page (ssd.map_unit)"),
    ROW(write_buffer, .type = OPT_SIZE, .max = 1e12, .def = "16MiB", .unit = "bytes",
        .help = "write buffer; 0 = a write is answered when it is on flash"),
    ROW(volatile_cache, .type = OPT_BOOL, .def = "yes",
        .help = "the write buffer is lost with power and reported to hosts; no: protected by capacitors"),
    ROW(read_firmware, .type = OPT_TIME, .max = 1e9, .def = "5us", .unit = "ns", .runtime = true,
        .help = "controller time added to each read"),
    ROW(write_firmware, .type = OPT_TIME, .max = 1e9, .def = "5us", .unit = "ns", .runtime = true,
        .help = "controller time added to each write, flush and deallocation"),
    ROW(buffer_hit, .type = OPT_TIME, .max = 1e9, .def = "1us", .unit = "ns", .runtime = true,
        .help = "read of a unit that is in the write buffer"),
    ROW(unmapped_read, .type = OPT_TIME, .max = 1e9, .def = "1us", .unit = "ns", .runtime = true,
        .help = "read of a unit that was never written or was deallocated"),
    ROW(host_bandwidth, .type = OPT_SIZE, .max = 1e12, .def = "0", .unit = "bytes/s", .runtime = true,
        .help = "host link, each direction; 0 = unlimited"),
    ROW(gather_time, .type = OPT_TIME, .max = 1e9, .def = "0", .unit = "ns", .runtime = true,
        .help =
            "time on the channel, beside command and data, of each page that a read takes from flash after its first"),
    ROW(gc_policy, .type = OPT_ENUM, .choices = policies, .def = "greedy", .help = "which block is collected next"),
    ROW(gc_choices, .type = OPT_U32, .min = 1, .max = 1000, .def = "10",
        .help = "blocks that gc_policy=dchoices draws for each choice"),
    ROW(gc_start_percent, .type = OPT_DOUBLE, .max = 100, .def = "5", .unit = "%",
        .help = "free blocks of a plane below which collection starts in the background"),
    ROW(gc_stop_percent, .type = OPT_DOUBLE, .max = 100, .def = "6", .unit = "%",
        .help = "free blocks of a plane at which collection stops"),
    ROW(gc_urgent_percent, .type = OPT_DOUBLE, .max = 100, .def = "2", .unit = "%",
        .help = "free blocks of a plane at or below which collection runs with the host's priority"),
    ROW(gc_background, .type = OPT_BOOL, .def = "yes", .runtime = true,
        .help = "collect before it is urgent, behind the host's operations"),
    ROW(streams, .type = OPT_U32, .min = 1, .max = FTL_HEATS_MAX, .def = "1",
        .help = "data is told apart by how often it is written, into so many kinds with blocks of their own"),
    ROW(precondition, .type = OPT_ENUM, .choices = preconditions, .def = "none",
        .help = "state of a new drive: empty, or as after sequential writing, page by page or spread over planes and "
                "channels "
                "unit by unit, or after long random writing"),
    ROW(precondition_percent, .type = OPT_DOUBLE, .max = 100, .def = "100", .unit = "%",
        .help = "share of the capacity written by precondition, from its start"),
    {0},
};
