/*
 * Options of the flash under the zones, and their check as a whole.
 *
 * The defaults are of no named drive: costs of an enterprise controller of
 * about 2021, near those of the drives whose profiles are calibrated.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

#include "drive/zns/flash/flash.h"

#define ROW(field, ...)                                                                                                \
    { "zns", #field, .offset = offsetof(struct zns_media_config, field), __VA_ARGS__ }
#define COST(field, text, meaning)                                                                                     \
    ROW(field, .type = OPT_TIME, .max = 10e9, .def = text, .unit = "ns", .runtime = true, .help = meaning)
#define RATE(field, text, meaning)                                                                                     \
    ROW(field, .type = OPT_SIZE, .max = 1e15, .def = text, .unit = "bytes/s", .runtime = true, .help = meaning)

const struct opt_row zns_media_opts[] = {
    ROW(dies_per_zone, .type = OPT_U32, .max = 4096, .def = "0", .unit = "dies",
        .help = "dies that a zone's blocks lie on; divides the number of dies; 0 = all"),
    ROW(stripe_pages, .type = OPT_U32, .max = ZNS_STRIPE_PAGES_MAX, .def = "0", .unit = "pages",
        .help = "pages of each plane written to a die before the zone's next; divides nand.pages; 0 = a word line"),
    ROW(zone_cache, .type = OPT_SIZE, .min = 4096, .max = 1 << 30, .def = "4MiB", .unit = "bytes",
        .help = "write cache of an open zone, up to the end of its programs; at least one program unit"),
    ROW(volatile_cache, .type = OPT_BOOL, .def = "no",
        .help = "the cache is lost at a power cut and hosts are told so; else it is protected"),
    ROW(part_blocks, .type = OPT_BOOL, .def = "no",
        .help = "zone_capacity may leave a rest of the zone's blocks unused"),
    ROW(in_order, .type = OPT_BOOL, .def = "no", .runtime = true,
        .help = "reads wait behind writes that wait for cache, as with one queue for all commands"),
    RATE(host_bandwidth, "3200MiB", "host link, bytes a second per direction; 0 = unlimited"),
    ROW(write_unit, .type = OPT_SIZE, .min = 512, .max = 1 << 20, .def = "8KiB", .unit = "bytes",
        .help = "data of writes moves in whole units of this size"),
    COST(write_command, "1us", "command core: a write before its data moves"),
    COST(write_unit_time, "1us", "command core: each unit of a write"),
    COST(write_accept, "1us", "command core: a write whose data has come"),
    COST(write_answer, "3us", "from there to the answer, in parallel"),
    COST(append_command, "1us", "command core: an append more than a write"),
    COST(append_answer, "4us", "as write_answer, of an append"),
    COST(partial_unit, "0", "command core: a write or append that ends inside a unit"),
    COST(first_write, "2us", "command core: the first write to a zone that is not open"),
    COST(part_block, "12us", "a write that begins or ends inside 4 KiB: reading the rest, in parallel"),
    RATE(drain_bandwidth, "0", "flash core: host data that all zones together pass to the dies; 0 = unlimited"),
    RATE(pad_bandwidth, "0", "flash core: padding that it passes; 0 = unlimited"),
    COST(read_firmware, "12us", "a read before the flash starts, in parallel"),
    COST(read_command, "1us", "way to the host: a read's answer more than its data"),
    COST(cache_read, "1us", "a read of what is in a zone's cache"),
    COST(unmapped_read, "1us", "a read of what was never written"),
    ROW(read_unit, .type = OPT_SIZE, .max = 131072, .def = "0", .unit = "bytes",
        .help = "the array reads at most this much at once, where a page stands for a word line; 0 = a page"),
    ROW(read_ahead, .type = OPT_SIZE, .max = ZNS_READ_AHEAD_MAX, .def = "0", .unit = "bytes", .runtime = true,
        .help = "hold or fetch so much of a single sequential stream at a time; 0 = never"),
    ROW(read_ahead_command, .type = OPT_SIZE, .max = 1 << 20, .def = "0", .unit = "bytes", .runtime = true,
        .help = "memory of the read-ahead that each read it serves takes until the host has its data"),
    COST(read_ahead_hit, "0", "a read that the read-ahead serves, in parallel"),
    COST(nothing, "2us", "a command without work on the flash"),
    COST(zone_open, "9us", "opening a zone explicitly"),
    COST(zone_close, "11us", "closing a zone"),
    COST(finish_empty, "13us", "finishing a zone without anything written"),
    COST(finish_time, "0", "finishing a zone of which whole stripes are padded: closing its blocks"),
    COST(reset_time, "1ms", "resetting a zone: its record on flash"),
    ROW(reset_chunk, .type = OPT_SIZE, .min = 4096, .max = 0x1p40, .def = "8MiB", .unit = "bytes",
        .help = "part of a zone that a reset unmaps at a time, in turn with writes"),
    COST(reset_chunk_time, "50us", "flash core: unmapping a chunk"),
    COST(reset_chunk_wait, "0", "a chunk's share of the reset beside the flash core"),
    {0},
};
