/*
 * Flash under zones as constant times: one link in, one out, nothing shared
 * between zones. What a zone holds is remembered for a loss of power.
 */
#include "drive/zns/media.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#define ROW(field, ...)                                                                                                \
    { "zns", #field, .offset = offsetof(struct zns_media_config, field), __VA_ARGS__ }

const struct opt_row zns_media_opts[] = {
    ROW(dies_per_zone, .type = OPT_U32, .min = 1, .max = 65535, .def = "8", .unit = "dies",
        .help = "dies a zone is spread over"),
    ROW(zone_cache, .type = OPT_SIZE, .max = 1e12, .def = "1MiB", .unit = "bytes",
        .help = "write cache of an open zone"),
    ROW(volatile_cache, .type = OPT_BOOL, .def = "no", .help = "caches of zones are lost with power"),
    {0},
};

enum { LINES = 5, FAST = 0, WRITE, READ, RESET, FINISH };
static const int64_t delay[LINES] = {5000, 10000, 60000, 5000000, 1000000};

struct zns_media {
    struct sim *sim;
    struct zns_media_owner *owner;
    struct io_line line[LINES];
    struct io_link in, out;
    struct io *batch;
    int batch_line;
    uint64_t *flushed, *written; /* by zone; volatile caches */
    uint32_t zones;
    uint64_t capacity;
    uint64_t bytes_written, bytes_read;
    bool volatile_cache;
};

static void out(struct io_line *line, struct io *io) {
    struct zns_media *m = line->owner;
    m->owner->done(m->owner, io);
}

int zns_media_check(const struct drive_config *config, struct err *e) {
    return 0;
}

struct zns_media *zns_media_new(const struct drive_config *config, struct sim *sim, struct store *store, bool fresh,
                                struct zns_media_owner *owner, struct err *e) {
    struct zns_media *m = calloc(1, sizeof *m);
    if (!m) {
        err_set(e, ENOMEM, "no memory for the drive");
        return NULL;
    }
    m->sim = sim;
    m->owner = owner;
    m->zones = (uint32_t)(config->drive.capacity / config->zns.zone_size);
    m->capacity = config->zns.zone_capacity;
    m->volatile_cache = config->zns_media.volatile_cache;
    for (unsigned i = 0; i < LINES; i++)
        io_line_init(&m->line[i], sim, out, m);
    io_link_init(&m->in, 1200000000);
    io_link_init(&m->out, 3200000000);
    bool new_area;
    m->flushed = store_state(store, "zns.media", 1, sizeof(uint64_t) * m->zones * 2, &new_area, e);
    m->written = m->flushed ? m->flushed + m->zones : NULL;
    if (!m->flushed) {
        free(m);
        return NULL;
    }
    return m;
}

void zns_media_free(struct zns_media *m) {
    for (unsigned i = 0; m && i < LINES; i++)
        io_line_clear(&m->line[i]);
    free(m);
}

uint64_t zns_media_capacity(const struct zns_media *m, uint32_t zone) {
    return m->capacity;
}

static void push(struct zns_media *m, struct io *io, int line, int64_t from) {
    if (!io)
        return;
    if (m->batch == io)
        m->batch_line = line > m->batch_line ? line : m->batch_line;
    else
        io_line_push(&m->line[line], io, from + delay[line]);
}

void zns_media_nothing(struct zns_media *m, struct io *io) {
    push(m, io, FAST, sim_now(m->sim));
}

static void wrote(struct zns_media *m, uint32_t zone, uint64_t to, bool flushed) {
    m->written[zone] = to > m->written[zone] ? to : m->written[zone];
    if (flushed)
        m->flushed[zone] = m->written[zone];
}

void zns_media_write(struct zns_media *m, uint32_t zone, uint64_t at, uint64_t bytes, enum zns_media_write_kind kind,
                     struct io *io) {
    m->bytes_written += bytes;
    if (m->volatile_cache)
        wrote(m, zone, at + bytes, io->flags & IO_FUA);
    push(m, io, WRITE, io_link_cross(&m->in, sim_now(m->sim), bytes));
}

void zns_media_write_window(struct zns_media *m, uint32_t zone, uint64_t at, uint64_t bytes, struct io *io) {
    push(m, io, WRITE, io_link_cross(&m->in, sim_now(m->sim), bytes));
}

void zns_media_commit(struct zns_media *m, uint32_t zone, uint64_t from, uint64_t to, struct io *io) {
    m->bytes_written += to - from;
    if (m->volatile_cache)
        wrote(m, zone, to, true);
    push(m, io, WRITE, sim_now(m->sim));
}

void zns_media_read(struct zns_media *m, uint32_t zone, uint64_t at, uint64_t bytes, uint64_t mapped, struct io *io) {
    m->bytes_read += mapped;
    int64_t end = io_link_cross(&m->out, sim_now(m->sim), bytes);
    push(m, io, mapped ? READ : FAST, end);
}

void zns_media_open(struct zns_media *m, uint32_t zone, struct io *io) {
    push(m, io, FAST, sim_now(m->sim));
}

void zns_media_close(struct zns_media *m, uint32_t zone, uint64_t written, struct io *io) {
    push(m, io, FAST, sim_now(m->sim));
}

void zns_media_finish(struct zns_media *m, uint32_t zone, uint64_t written, bool opened, struct io *io) {
    if (m->volatile_cache)
        wrote(m, zone, written, true);
    push(m, io, FINISH, sim_now(m->sim));
}

void zns_media_reset(struct zns_media *m, uint32_t zone, uint64_t written, bool finished, struct io *io) {
    m->written[zone] = m->flushed[zone] = 0;
    push(m, io, RESET, sim_now(m->sim));
}

void zns_media_flush(struct zns_media *m, struct io *io) {
    for (uint32_t i = 0; m->volatile_cache && i < m->zones; i++)
        m->flushed[i] = m->written[i];
    push(m, io, FAST, sim_now(m->sim));
}

void zns_media_begin(struct zns_media *m, struct io *io) {
    m->batch = io;
    m->batch_line = FAST;
}

void zns_media_end(struct zns_media *m, struct io *io) {
    m->batch = NULL;
    push(m, io, m->batch_line, sim_now(m->sim));
}

void zns_media_power_cut(struct zns_media *m) {
    for (unsigned i = 0; i < LINES; i++)
        io_line_clear(&m->line[i]);
    m->in.free_ns = m->out.free_ns = 0;
    for (uint32_t i = 0; i < m->zones; i++)
        m->written[i] = m->flushed[i];
}

uint64_t zns_media_durable(const struct zns_media *m, uint32_t zone, uint64_t written) {
    return m->volatile_cache && m->flushed[zone] < written ? m->flushed[zone] : written;
}

void zns_media_format(struct zns_media *m, uint32_t zone) {
    m->written[zone] = m->flushed[zone] = 0;
}

void zns_media_health(const struct zns_media *m, struct drive_health *health) {
    health->spare_percent = 100;
    health->spare_threshold = 10;
    health->media_bytes_written = m->bytes_written;
    health->media_bytes_read = m->bytes_read;
}

void zns_media_stats(const struct zns_media *m, json_t *stats) {
    json_object_set_new(stats, "write_amplification", json_real(1.0));
}

int zns_media_check_state(const struct zns_media *m, struct err *e) {
    return 0;
}
