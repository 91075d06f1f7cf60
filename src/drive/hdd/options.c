/* Options of section "hdd". */
#include "drive/hdd/hdd.h"

#define ROW(field, ...)                                                                                                \
    { "hdd", #field, .offset = offsetof(struct hdd_config, field), __VA_ARGS__ }
#define MECH(field, ...)                                                                                               \
    { "hdd", #field, .offset = offsetof(struct hdd_config, disk.field), __VA_ARGS__ }

static const char *const layouts[] = {"cylinders", "bands", NULL};
static const char *const policies[] = {"fcfs", "look", "sptf", NULL};
static const char *const aheads[] = {"amount", "track", "tracks", NULL};

const struct opt_row hdd_opts[] = {
    MECH(surfaces, .type = OPT_U32, .min = 1, .max = 64, .def = "2", .help = "data surfaces, each with its head"),
    MECH(sector_bytes, .type = OPT_U32, .min = 512, .max = 4096, .def = "4096", .unit = "bytes",
         .help = "physical sector, 512 or 4096; writing a part of one costs a turn"),
    MECH(rpm, .type = OPT_DOUBLE, .min = 1000, .max = 60000, .def = "7200", .unit = "turns a minute",
         .help = "speed of the spindle"),
    MECH(zones, .type = OPT_TEXT, .def = "0-99999:256:40:48",
         .help = "cylinders of each zone and what a track of it holds, in sectors, outermost zone first: "
                 "first-last:sectors:track_skew:cylinder_skew[:spare], ..."),
    MECH(layout, .type = OPT_ENUM, .choices = layouts, .def = "cylinders",
         .help = "order of tracks: all heads of a cylinder, or bands of tracks under one head after the other"),
    MECH(band_tracks, .type = OPT_U32, .min = 1, .max = 1e6, .def = "128", .unit = "tracks",
         .help = "layout bands: tracks before the next head's turn"),
    MECH(seek_points, .type = OPT_TEXT, .def = "",
         .help = "measured seek curve, straight lines between the points: cylinders:time, ...; empty: seek_formula"),
    MECH(seek_formula, .type = OPT_TEXT, .def = "1.4975, 0.03367, 21940, 4.5078, 0.0000897",
         .help =
             "without seek_points, the curve in ms as a,b,c,e,f: a + b*sqrt(d) below c cylinders, e + f*d from there"),
    MECH(head_switch, .type = OPT_TIME, .max = 1e9, .def = "500us", .unit = "ns", .help = "changing to another head"),
    MECH(write_settle, .type = OPT_TIME, .max = 1e9, .def = "0", .unit = "ns",
         .help = "added before a write when the head has moved"),
    MECH(defects, .type = OPT_U32, .max = 1e6, .def = "0",
         .help = "sectors slipped at the factory, drawn from drive.seed; taken from the zones' spares"),
    MECH(grown_defects, .type = OPT_U32, .max = 1e6, .def = "0",
         .help = "sectors remapped since, drawn from drive.seed; reading across one takes the head away and back"),
    MECH(spin_up, .type = OPT_TIME, .max = 60e9, .def = "0", .unit = "ns",
         .help = "time from start to ready; 0: it is spinning already"),
    MECH(policy, .type = OPT_ENUM, .choices = policies, .def = "sptf", .runtime = true,
         .help = "which queued command is next: oldest, upwards by sector, or shortest positioning time"),
    MECH(ageing, .type = OPT_DOUBLE, .max = 1000, .def = "0.02", .runtime = true,
         .help = "sptf: positioning time forgiven per time waited; 0: some may wait for ever"),
    ROW(queue_depth, .type = OPT_U32, .min = 1, .max = 1024, .def = "32", .unit = "commands",
        .help = "commands the drive takes at once; others wait in front of it"),
    ROW(ide, .type = OPT_BOOL, .def = "no",
        .help =
            "behind Linux's IDE driver, which asks noop, deadline, as and cfq for a request when the drive is free; "
            "no: its SCSI layer (SCSI, SAS, SATA), which asks for one more than the drive takes"),
    ROW(read_hit, .type = OPT_TIMES, .max = 1e9, .def = "100us", .unit = "ns", .runtime = true,
        .help = "overhead of a read served from the cache: one; or after a read, after a write; or four, these two for "
                "what goes on where the last command ended, then for what doesn't"),
    ROW(read_miss, .type = OPT_TIMES, .max = 1e9, .def = "200us", .unit = "ns", .runtime = true,
        .help = "overhead of another read, before the head moves; one, two or four as read_hit"),
    ROW(write_hit, .type = OPT_TIMES, .max = 1e9, .def = "100us", .unit = "ns", .runtime = true,
        .help = "overhead of a write answered from the cache; one, two or four as read_hit"),
    ROW(write_miss, .type = OPT_TIMES, .max = 1e9, .def = "100us", .unit = "ns", .runtime = true,
        .help = "overhead of a write answered when it is on the platter; one, two or four as read_hit"),
    ROW(read_answer, .type = OPT_TIME, .max = 1e9, .def = "0", .unit = "ns", .runtime = true,
        .help = "from a read's last byte on the bus to its completion"),
    ROW(bus_bandwidth, .type = OPT_SIZE, .max = 1e12, .def = "550MB", .unit = "bytes/s", .runtime = true,
        .help = "bus to the host, one direction at a time; 0 = unlimited"),
    ROW(bus_overlap, .type = OPT_BOOL, .def = "yes", .runtime = true,
        .help = "data crosses the bus while the head still reads or writes; no: before or after"),
    ROW(bus_mark, .type = OPT_DOUBLE, .max = 100, .def = "0", .unit = "%", .runtime = true,
        .help = "bus_overlap: of a read, what the head has read before data crosses the bus"),
    ROW(write_cache, .type = OPT_BOOL, .def = "yes",
        .help = "answer writes from the cache, which is lost with power and reported to hosts"),
    ROW(read_segments, .type = OPT_U32, .max = 4096, .def = "32", .help = "segments of the cache for reads"),
    ROW(write_segments, .type = OPT_U32, .min = 1, .max = 4096, .def = "256",
        .help = "segments of the cache for writes; each holds one run of sectors"),
    ROW(segment_bytes, .type = OPT_SIZE, .min = 4096, .max = 1 << 28, .def = "256KiB", .unit = "bytes",
        .help = "size of a segment, a multiple of 4 KiB"),
    ROW(read_ahead, .type = OPT_SIZE, .max = 1 << 28, .def = "256KiB", .unit = "bytes", .runtime = true,
        .help = "read on behind a read while nothing else is to be done; 0: don't"),
    ROW(read_ahead_to, .type = OPT_ENUM, .choices = aheads, .def = "amount", .runtime = true,
        .help = "how far: read_ahead, at most segment_bytes; track: not beyond the track's end either; tracks: to the "
                "track's end, or the next one's if the segment began before, and over its own beginning if it is full"),
    ROW(read_ahead_on_hit, .type = OPT_BOOL, .def = "yes", .runtime = true,
        .help = "reads served from the cache make it read on, too"),
    ROW(hits_stop_read_ahead, .type = OPT_BOOL, .def = "no", .runtime = true,
        .help = "a command ends reading on behind an earlier one even if the cache serves it, as in firmware without a "
                "queue; then read_ahead_on_hit only keeps a stream going"),
    ROW(read_before, .type = OPT_BOOL, .def = "no", .runtime = true,
        .help = "keep what passes under the head on a track before the first sector wanted, too"),
    ROW(read_ahead_least, .type = OPT_SIZE, .max = 1 << 28, .def = "0", .unit = "bytes", .runtime = true,
        .help = "of that, read at least so much before another command may have the arm, behind a read that goes on "
                "where one of the last read_ahead_streams ended"),
    ROW(read_ahead_streams, .type = OPT_U32, .min = 1, .max = HDD_STREAMS_MAX, .def = "1", .unit = "reads",
        .runtime = true, .help = "how many reads the drive remembers to know a sequential one by"),
    ROW(pressure_percent, .type = OPT_DOUBLE, .max = 100, .def = "50", .unit = "%", .runtime = true,
        .help = "write segments in use above which writing back competes with reads"),
    ROW(write_back_age, .type = OPT_TIME, .max = 3600e9, .def = "1s", .unit = "ns", .runtime = true,
        .help = "cached writes of this age compete with reads"),
    {0},
};
