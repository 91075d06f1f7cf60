/*
 * The flash under the zones: life, memory, power cuts, reports. What it models
 * is told in pipe.c, drain.c, read.c, action.c and map.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "drive/zns/flash/flash.h"

enum { PER_SLAB = 256, SPARE_THRESHOLD_PERCENT = 10 };

/* --- memory --- */

/* Operations, units and jobs come in slabs and go back to free lists. */
struct zns_slab {
    struct zns_slab *next;
    enum { SLAB_OPS, SLAB_UNITS, SLAB_JOBS } kind;
    union {
        struct zns_op op[PER_SLAB];
        struct zns_unit unit[PER_SLAB];
        struct zns_job job[PER_SLAB];
    };
};

static void job_fire(struct sim_event *event) {
    zns_job_done((struct zns_job *)event); /* first member */
}

static void slab_thread(struct zns_flash *m, struct zns_slab *slab) {
    for (unsigned i = PER_SLAB; i-- > 0;) {
        if (slab->kind == SLAB_OPS) {
            slab->op[i].next = m->op_free;
            m->op_free = &slab->op[i];
        } else if (slab->kind == SLAB_UNITS) {
            slab->unit[i].next = m->unit_free;
            m->unit_free = &slab->unit[i];
        } else {
            slab->job[i].next = m->job_free;
            m->job_free = &slab->job[i];
            m->jobs_free++;
        }
    }
}

static bool slab_new(struct zns_flash *m, unsigned kind) {
    struct zns_slab *slab = calloc(1, sizeof *slab);
    if (!slab)
        return false;
    slab->kind = kind;
    for (unsigned i = 0; kind == SLAB_OPS && i < PER_SLAB; i++) {
        slab->op[i].media = m;
        slab->op[i].nand.cause = NAND_HOST;
    }
    for (unsigned i = 0; kind == SLAB_JOBS && i < PER_SLAB; i++) {
        slab->job[i].media = m;
        sim_event_init(&slab->job[i].event, job_fire);
    }
    slab->next = m->slabs;
    m->slabs = slab;
    slab_thread(m, slab);
    return true;
}

struct zns_op *zns_op_new(struct zns_flash *m) {
    if (__builtin_expect(!m->op_free, 0) && !slab_new(m, SLAB_OPS))
        return NULL;
    struct zns_op *op = m->op_free;
    m->op_free = op->next;
    return op;
}

void zns_op_free(struct zns_op *op) {
    op->next = op->media->op_free;
    op->media->op_free = op;
}

struct zns_unit *zns_unit_new(struct zns_flash *m) {
    if (__builtin_expect(!m->unit_free, 0) && !slab_new(m, SLAB_UNITS))
        return NULL;
    struct zns_unit *unit = m->unit_free;
    m->unit_free = unit->next;
    return unit;
}

void zns_unit_free(struct zns_flash *m, struct zns_unit *unit) {
    unit->next = m->unit_free;
    m->unit_free = unit;
}

static void no_job(struct zns_flash *m, struct io *io) {
    if (!io)
        return;
    io_fail(io, IO_INTERNAL_ERROR, "no memory for it in the drive");
    if (--io->pending == 0)
        io_line_push(&m->writes, io, sim_now(m->sim));
}

bool zns_flash_reserve(struct zns_media *media, uint32_t parts) {
    struct zns_flash *m = flash_of(media);
    while (m->jobs_free < parts)
        if (!slab_new(m, SLAB_JOBS))
            return false;
    return true;
}

struct zns_job *zns_job_new(struct zns_flash *m, enum zns_job_kind kind, uint32_t zone, struct io *io) {
    if (__builtin_expect(!m->job_free, 0) && !slab_new(m, SLAB_JOBS)) {
        no_job(m, io);
        return NULL;
    }
    struct zns_job *job = m->job_free;
    m->job_free = job->next;
    m->jobs_free--;
    job->kind = (uint8_t)kind;
    job->zone = zone;
    job->io = io;
    job->chunks = 0;
    job->target = 0;
    job->not_before_ns = 0;
    job->delay_ns = 0;
    job->next = NULL;
    job->all_prev = &m->jobs;
    job->all_next = m->jobs.all_next;
    m->jobs.all_next->all_prev = job;
    m->jobs.all_next = job;
    return job;
}

void zns_job_free(struct zns_job *job) {
    job->all_prev->all_next = job->all_next;
    job->all_next->all_prev = job->all_prev;
    job->next = job->media->job_free;
    job->media->job_free = job;
    job->media->jobs_free++;
}

static void slabs_reset(struct zns_flash *m) {
    for (struct zns_job *job = m->jobs.all_next; job != &m->jobs; job = job->all_next)
        sim_cancel(m->sim, &job->event);
    m->jobs.all_next = m->jobs.all_prev = &m->jobs;
    m->op_free = NULL;
    m->unit_free = NULL;
    m->job_free = NULL;
    m->jobs_free = 0;
    for (struct zns_slab *slab = m->slabs; slab; slab = slab->next)
        slab_thread(m, slab);
}

void zns_part_done(struct zns_flash *m, struct io *io) {
    if (--io->pending == 0)
        m->owner->done(m->owner, io);
}

/* --- life --- */

static int flash_check(const struct drive_config *config, struct err *e) {
    struct zns_flash m = {0};
    if (nand_config_check(&config->nand, e))
        return -EINVAL;
    return zns_map_geometry(config, &m, e);
}

static int media_open(struct zns_flash *m, bool fresh, struct err *e) {
    bool fresh_state;
    uint64_t blocks = nand_block_count(&m->config.nand);
    int rc = zns_map_geometry(&m->config, m, e);
    if (rc)
        return rc;
    m->zone = calloc(m->zones, sizeof *m->zone);
    if (!m->zone)
        return err_set(e, ENOMEM, "no memory for %u zones", m->zones);
    m->life = store_state(m->store, "zns.life", 1, sizeof *m->life, &fresh_state, e);
    m->blocks = store_state(m->store, "nand.blocks", 1, blocks * sizeof *m->blocks, &fresh_state, e);
    if (!m->life || !m->blocks)
        return -EIO; /* the store said why */
    m->nand = nand_new(&m->config.nand, m->sim, m->blocks, fresh, m->config.drive.seed, e);
    if (!m->nand)
        return -EINVAL;
    return zns_map_init(m, fresh, e);
}

static void flash_free(struct zns_media *media) {
    struct zns_flash *m = flash_of(media);
    zns_pipe_power_cut(m);
    zns_read_power_cut(m);
    sim_cancel(m->sim, &m->flash.event);
    nand_free(m->nand);
    slabs_reset(m);
    zns_map_release(m);
    while (m->slabs) {
        struct zns_slab *next = m->slabs->next;
        free(m->slabs);
        m->slabs = next;
    }
    free(m->zone);
    free(m);
}

static struct zns_media *flash_create(const struct drive_config *config, struct sim *sim, struct store *store,
                                      bool fresh, struct zns_media_owner *owner, struct err *e) {
    struct zns_flash *m = calloc(1, sizeof *m);
    if (!m) {
        err_set(e, ENOMEM, "no memory for the flash of the zones");
        return NULL;
    }
    m->media.ops = &zns_flash_ops;
    m->config = *config;
    m->sim = sim;
    m->store = store;
    m->owner = owner;
    m->jobs.all_next = m->jobs.all_prev = &m->jobs;
    io_link_init(&m->link_in, config->zns_media.host_bandwidth);
    io_link_init(&m->link_out, config->zns_media.host_bandwidth);
    zns_pipe_init(m);
    zns_read_init(m);
    if (media_open(m, fresh, e)) {
        flash_free(&m->media);
        return NULL;
    }
    zns_drain_init(m);
    return &m->media;
}

static void flash_limits(const struct zns_media *media, struct drive_limits *limits) {
    const struct zns_flash *m = flash_seen(media);
    limits->granularity = limits->trim_granularity = ZNS_SECTOR;
    limits->optimal_write_bytes = (uint32_t)(m->unit_bytes * m->dies); /* keeps all dies of a zone busy once */
    limits->volatile_cache = zns_cost(m)->volatile_cache;
}

static struct nand *flash_nand(struct zns_media *media) {
    struct zns_flash *m = flash_of(media);
    return m->nand;
}

static void flash_reconfigured(struct zns_media *media, const struct drive_config *config) {
    struct zns_flash *m = flash_of(media);
    m->config = *config;
    io_link_set(&m->link_in, config->zns_media.host_bandwidth);
    io_link_set(&m->link_out, config->zns_media.host_bandwidth);
    zns_drain_rates(m);
    nand_reconfigure(m->nand, &config->nand);
}

static void flash_power_cut(struct zns_media *media) {
    struct zns_flash *m = flash_of(media);
    nand_power_cut(m->nand);
    zns_pipe_power_cut(m);
    zns_read_power_cut(m);
    slabs_reset(m);
    zns_drain_power_cut(m);
}

static void flash_format(struct zns_media *media, uint32_t zone) {
    struct zns_flash *m = flash_of(media);
    struct zns_zone *z = &m->zone[zone];
    if (z->inflight || z->stale || z->erasing || z->reads) { /* what goes on behind ends first */
        zns_action_forget(m, z);
        zns_drain_erase(m, z);
        return;
    }
    for (uint32_t slot = 0; slot < m->slots; slot++) {
        if (zns_map_slots(m, zone)[slot] == ZNS_LOST)
            continue;
        const struct nand_block *b = zns_map_state(m, zone, slot);
        if (b->next_page && !b->bad)
            nand_erased(m->nand, (uint64_t)(b - m->blocks));
    }
    zns_map_relay(m, zone);
    zns_action_forget(m, z);
    z->clean = true;
}

/* --- reports --- */

static uint64_t flash_capacity(const struct zns_media *media, uint32_t zone) {
    const struct zns_flash *m = flash_seen(media);
    return m->zone[zone].capacity;
}

struct wear {
    uint32_t least, most;
    double mean;
    uint64_t bad;
};

static struct wear wear_of(const struct zns_flash *m) {
    struct wear w = {.least = UINT32_MAX};
    uint64_t sum = 0, count = nand_block_count(&m->config.nand);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t erases = m->blocks[i].erases;
        w.bad += m->blocks[i].bad != 0;
        sum += erases;
        w.least = erases < w.least ? erases : w.least;
        w.most = erases > w.most ? erases : w.most;
    }
    w.mean = (double)sum / (double)count;
    return w;
}

static void flash_health(const struct zns_media *media, struct drive_health *health) {
    const struct zns_flash *m = flash_seen(media);
    uint32_t endurance = m->config.nand.endurance;
    double used = endurance ? wear_of(m).mean * 100 / endurance : 0;
    health->percent_used = used > 255 ? 255 : (uint8_t)used;
    health->spare_percent = m->spares_start ? (uint8_t)((uint64_t)m->spares_now * 100 / m->spares_start) : 100;
    health->spare_threshold = m->spares_start ? SPARE_THRESHOLD_PERCENT : 0;
    health->media_bytes_read = m->life->bytes_read;
    health->media_bytes_written = m->life->bytes_written;
    health->media_errors = m->life->media_errors;
}

static json_t *zones_stats(const struct zns_flash *m) {
    const struct zns_media_counters *c = &m->count;
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "host_bytes", (json_int_t)c->host_bytes,
                     "padding_bytes", (json_int_t)c->pad_bytes, "resets", (json_int_t)c->resets, "finishes",
                     (json_int_t)c->finishes, "erased_blocks", (json_int_t)c->erased_blocks, "replaced_blocks",
                     (json_int_t)c->replaced_blocks, "failed_zones", (json_int_t)c->failed_zones, "spare_blocks",
                     (json_int_t)m->spares_now, "stalls", (json_int_t)c->stalls, "cache_read_pages",
                     (json_int_t)c->cache_read_pages, "read_ahead_pages", (json_int_t)c->ahead_pages,
                     "read_ahead_reads", (json_int_t)c->stream_reads, "flash_core_busy_ns",
                     (json_int_t)m->flash.busy_ns);
}

static json_t *health_stats(const struct zns_flash *m) {
    struct drive_health h = {0};
    flash_health(&m->media, &h);
    struct wear w = wear_of(m);
    return json_pack("{s:i,s:i,s:I,s:I,s:I,s:I,s:i,s:i,s:f}", "percent_used", h.percent_used, "spare_percent",
                     h.spare_percent, "media_errors", (json_int_t)h.media_errors, "media_bytes_written",
                     (json_int_t)h.media_bytes_written, "media_bytes_read", (json_int_t)h.media_bytes_read,
                     "bad_blocks", (json_int_t)w.bad, "erases_least", (int)w.least, "erases_most", (int)w.most,
                     "erases_mean", w.mean);
}

static void flash_stats(const struct zns_media *media, struct json_t *stats) {
    const struct zns_flash *m = flash_seen(media);
    double host = (double)m->count.host_bytes, pad = (double)m->count.pad_bytes;
    json_object_set_new(stats, "media", zones_stats(m));
    json_object_set_new(stats, "health", health_stats(m));
    json_object_set_new(stats, "write_amplification", json_real(host > 0 ? (host + pad) / host : 0));
    json_object_set_new(stats, "nand", nand_stats_json(m->nand));
}

static int check_zone(const struct zns_flash *m, uint32_t zone, struct err *e) {
    const struct zns_zone *z = &m->zone[zone];
    uint64_t held = z->accepted > z->durable ? z->accepted - z->durable : 0;
    if (!z->known || z->failed)
        return 0;
    if (z->durable > z->issued || z->issued > z->laid_out || (z->issued > z->accepted && !z->finish) ||
        z->accepted > z->laid_out || z->cached > held || (z->durable % m->unit_bytes && z->durable != z->laid_out))
        return err_set(e, EFAULT,
                       "zone %u: durable %" PRIu64 ", issued %" PRIu64 ", accepted %" PRIu64 ", cached %" PRIu64
                       " of %" PRIu64 " can't be",
                       zone, z->durable, z->issued, z->accepted, z->cached, z->laid_out);
    if (z->in_ring && z->inflight > m->units_in_flight)
        return err_set(e, EFAULT, "zone %u has %u units at its dies: at most %u are allowed", zone, z->inflight,
                       m->units_in_flight);
    return 0;
}

static int flash_check_state(const struct zns_media *media, struct err *e) {
    const struct zns_flash *m = flash_seen(media);
    int rc = nand_check(m->nand, e);
    for (uint32_t zone = 0; !rc && zone < m->zones; zone++)
        rc = check_zone(m, zone, e);
    return rc ? rc : zns_map_check(m, e);
}

const struct zns_media_ops zns_flash_ops = {
    .check = flash_check,
    .create = flash_create,
    .free = flash_free,
    .capacity = flash_capacity,
    .limits = flash_limits,
    .nand = flash_nand,
    .reconfigured = flash_reconfigured,
    .fill = zns_flash_fill,
    .nothing = zns_flash_nothing,
    .write = zns_flash_write,
    .write_window = zns_flash_write_window,
    .commit = zns_flash_commit,
    .read = zns_flash_read,
    .open = zns_flash_open,
    .close = zns_flash_close,
    .finish = zns_flash_finish,
    .reset = zns_flash_reset,
    .flush = zns_flash_flush,
    .reserve = zns_flash_reserve,
    .begin = zns_flash_begin,
    .end = zns_flash_end,
    .power_cut = flash_power_cut,
    .durable = zns_flash_durable,
    .format = flash_format,
    .health = flash_health,
    .stats = flash_stats,
    .check_state = flash_check_state,
};
