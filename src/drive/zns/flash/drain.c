/*
 * From the zones' caches to the dies.
 *
 *   zones with a full unit, in turn  --> flash core --> dies of the zone
 *   resets with chunks to unmap      -->
 *
 * The flash core handles one program unit at a time, at a rate of its own for
 * data and for padding; every other turn is a reset's, if one waits. Finishing
 * a zone is nothing but units of padding, so zones that are written and zones
 * that are finished share the core and the dies evenly.
 *
 * Faithful: die collisions between zones, the bandwidth that resets and
 * finishes cost, erases before programs of the same blocks.
 * Simplified: a unit's cache is free when the whole unit is programmed; the
 * last part of a unit stays in the cache until the rest comes.
 */
#include <inttypes.h>

#include "drive/zns/flash/flash.h"

enum { RETRY_NS = 1000000 };

static void core_next(struct zns_flash *m);

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* --- where a zone stands --- */

static bool begun_blocks(const struct zns_flash *m, uint32_t zone) {
    for (uint32_t slot = 0; slot < m->slots; slot++)
        if (zns_map_slots(m, zone)[slot] != ZNS_LOST && zns_map_state(m, zone, slot)->next_page)
            return true;
    return false;
}

static void zone_stands(struct zns_flash *m, struct zns_zone *z, uint64_t written, uint64_t on_flash) {
    z->expect = z->accepted = written;
    z->issued = z->durable = on_flash;
    z->cached = written - on_flash;
    z->done_mask = 0;
    z->flushed = written;
    z->known = true;
}

void zns_drain_know(struct zns_flash *m, struct zns_zone *z, uint64_t written) {
    uint32_t zone = zns_zone_index(m, z);
    uint64_t on_flash = written >= z->laid_out ? z->laid_out : written - written % m->unit_bytes;
    if (z->inflight) {
        z->expect = written; /* a caller's bug; nothing is lost but time */
        return;
    }
    if (z->erasing) { /* all of it waits for the blocks */
        zone_stands(m, z, least(written, z->laid_out), 0);
        z->touched = true;
        return;
    }
    if (on_flash)
        zns_map_settle(m, zone, on_flash);
    z->clean = on_flash || !begun_blocks(m, zone);
    zone_stands(m, z, written > on_flash ? written : on_flash, on_flash);
    z->touched = written > 0;
    if (!z->clean)
        zns_drain_erase(m, z);
}

void zns_flash_fill(struct zns_media *media, uint32_t zone, uint64_t bytes) {
    struct zns_flash *m = flash_of(media);
    struct zns_zone *z = &m->zone[zone];
    zns_drain_know(m, z, least(bytes, z->laid_out));
}

/* --- programs --- */

static void submit_page(struct zns_flash *m, struct zns_unit *u, struct zns_op *op) {
    op->nand.block = zns_map_block(m, u->zone, op->slot);
    nand_submit(m->nand, &op->nand);
}

static void unit_over(struct zns_flash *m, struct zns_unit *u);

static void zone_fails(struct zns_flash *m, struct zns_zone *z) {
    z->failed = true;
    m->count.failed_zones++;
    zns_action_zone_failed(m, z);
    m->owner->zone_failed(m->owner, zns_zone_index(m, z), z->capacity);
}

/* The page could not be programmed. True: it is tried again, on another block. */
static bool retry(struct zns_flash *m, struct zns_unit *u, struct zns_op *op) {
    struct zns_zone *z = &m->zone[u->zone];
    if (u->generation != z->generation || z->failed)
        return false;
    z->repairing = true; /* later units wait, so that pages stay in order */
    if (zns_map_state(m, u->zone, op->slot)->bad) {
        if (!zns_map_replace(m, u->zone, op->slot)) {
            zone_fails(m, z);
            return false;
        }
        zns_map_state(m, u->zone, op->slot)->next_page = (uint16_t)op->nand.page;
    }
    submit_page(m, u, op);
    return true;
}

static void page_programmed(struct nand_op *nand) {
    struct zns_op *op = (struct zns_op *)nand; /* first member */
    struct zns_flash *m = op->media;
    struct zns_unit *u = op->unit;
    m->life->bytes_written += nand->bytes;
    if (nand->result != NAND_DONE && retry(m, u, op))
        return;
    zns_op_free(op);
    if (--u->pending == 0)
        unit_over(m, u);
}

static void program_page(struct zns_flash *m, struct zns_unit *u, const struct zns_place *at, uint32_t i,
                         struct zns_op *op) {
    op->unit = u;
    op->zone = u->zone;
    op->slot = at->block_slot + i % m->planes;
    op->nand.kind = NAND_PROGRAM;
    op->nand.die = (uint16_t)at->die;
    op->nand.plane = (uint8_t)(i % m->planes);
    op->nand.page = at->page + i / m->planes;
    op->nand.bytes = m->config.nand.page_bytes;
    op->nand.done = page_programmed;
    u->pending++;
    submit_page(m, u, op);
}

/* Operations for a whole unit, or NULL. */
static struct zns_op *take_ops(struct zns_flash *m, uint32_t count) {
    struct zns_op *ops = NULL;
    while (count--) {
        struct zns_op *op = zns_op_new(m);
        if (!op) {
            while ((op = ops)) {
                ops = op->next;
                zns_op_free(op);
            }
            return NULL;
        }
        op->next = ops;
        ops = op;
    }
    return ops;
}

/* Give the zone's next unit to its die. False: no memory, it stays where it is. */
static bool issue_unit(struct zns_flash *m, struct zns_zone *z) {
    uint32_t pages = m->planes * m->stripe, zone = zns_zone_index(m, z);
    struct zns_unit *u = zns_unit_new(m);
    struct zns_op *ops = u ? take_ops(m, pages) : NULL;
    if (!ops) {
        if (u)
            zns_unit_free(m, u);
        return false;
    }
    struct zns_place at = zns_map_unit(m, zone, z->issued / m->unit_bytes);
    u->zone = zone;
    u->generation = z->generation;
    u->from = z->issued;
    u->bytes = least(m->unit_bytes, z->laid_out - z->issued);
    u->host_bytes = z->accepted > u->from ? least(u->bytes, z->accepted - u->from) : 0;
    u->pending = 0;
    z->issued += u->bytes;
    z->inflight++;
    m->count.pad_bytes += u->bytes - u->host_bytes;
    for (uint32_t i = 0; i < pages; i++) {
        struct zns_op *op = ops;
        ops = op->next;
        program_page(m, u, &at, i, op);
    }
    return true;
}

static void advance(struct zns_flash *m, struct zns_zone *z, const struct zns_unit *u) {
    z->inflight--;
    z->cached -= u->host_bytes;
    z->done_mask |= 1ull << ((u->from - z->durable) / m->unit_bytes);
    while (z->done_mask & 1) {
        z->done_mask >>= 1;
        z->durable = least(z->durable + m->unit_bytes, z->laid_out);
    }
    if (!z->inflight)
        z->repairing = false;
}

static void unit_over(struct zns_flash *m, struct zns_unit *u) {
    struct zns_zone *z = &m->zone[u->zone];
    bool stale = u->generation != z->generation;
    if (stale)
        z->stale--;
    else if (z->failed)
        z->inflight--; /* keeps its data in the cache */
    else
        advance(m, z, u);
    zns_unit_free(m, u);
    zns_action_progress(m, z);
    if (!stale && z->wait_head)
        zns_pipe_admit(m, z);
    zns_drain_pump(m, z);
}

/* --- erases --- */

static void erased(struct zns_flash *m, struct zns_zone *z) {
    z->clean = true;
    zns_map_relay(m, zns_zone_index(m, z));
    bool shrunk = z->shrunk;
    z->shrunk = false;
    if (z->accepted > z->laid_out) /* written while the erase was on its way */
        zone_fails(m, z);
    else if (shrunk)
        m->owner->zone_failed(m->owner, zns_zone_index(m, z), z->capacity);
    zns_drain_pump(m, z);
}

static void block_erased(struct nand_op *nand) {
    struct zns_op *op = (struct zns_op *)nand; /* first member */
    struct zns_flash *m = op->media;
    struct zns_zone *z = &m->zone[op->zone];
    m->count.erased_blocks++;
    if (nand->result != NAND_DONE) {
        zns_map_state(m, op->zone, op->slot)->next_page = 0; /* nothing to copy to its successor */
        if (!zns_map_replace(m, op->zone, op->slot))
            z->shrunk = true;
    }
    zns_op_free(op);
    if (--z->erasing == 0)
        erased(m, z);
}

static void erase_block(struct zns_flash *m, uint32_t zone, uint32_t slot, struct zns_op *op) {
    op->zone = zone;
    op->slot = slot;
    op->nand.kind = NAND_ERASE;
    op->nand.die = (uint16_t)zns_map_slot_die(m, zone, slot);
    op->nand.plane = (uint8_t)(slot % m->planes);
    op->nand.block = zns_map_block(m, zone, slot);
    op->nand.page = 0;
    op->nand.bytes = 0;
    op->nand.done = block_erased;
    nand_submit(m->nand, &op->nand);
}

void zns_drain_erase(struct zns_flash *m, struct zns_zone *z) {
    uint32_t zone = zns_zone_index(m, z);
    if (!z->known || z->clean || z->erasing || z->stale || z->reads)
        return;
    z->erasing = 1; /* until all are counted */
    for (uint32_t slot = 0; slot < m->slots; slot++) {
        if (zns_map_slots(m, zone)[slot] == ZNS_LOST || !zns_map_state(m, zone, slot)->next_page)
            continue;
        struct zns_op *op = zns_op_new(m);
        if (!op) { /* no memory: without taking time, rather than never */
            nand_erased(m->nand, (uint64_t)(zns_map_state(m, zone, slot) - m->blocks));
            continue;
        }
        z->erasing++;
        erase_block(m, zone, slot, op);
    }
    if (--z->erasing == 0)
        erased(m, z);
}

void zns_drain_read_done(struct zns_flash *m, struct zns_zone *z) {
    if (--z->reads == 0 && !z->clean)
        zns_drain_erase(m, z);
}

/* --- flash core --- */

static bool ready(const struct zns_flash *m, const struct zns_zone *z) {
    if (!z->known || !z->clean || z->failed || z->repairing || z->issued >= z->laid_out ||
        z->inflight >= m->units_in_flight || z->issued - z->durable >= ZNS_UNITS_IN_FLIGHT * m->unit_bytes)
        return false;
    if (z->finish && z->accepted >= z->finish->target)
        return true;
    return z->accepted >= z->issued + m->unit_bytes || z->accepted >= z->laid_out;
}

static void ring_add(struct zns_flash_core *f, struct zns_zone *z) {
    z->in_ring = true;
    z->ring_next = NULL;
    if (f->head)
        f->tail->ring_next = z;
    else
        f->head = z;
    f->tail = z;
}

void zns_drain_pump(struct zns_flash *m, struct zns_zone *z) {
    if (z->in_ring || m->flash.zone == z || !ready(m, z))
        return;
    ring_add(&m->flash, z);
    core_next(m);
}

static int64_t bytes_ns(uint64_t bytes, uint64_t byte_ns_q32) {
    return (int64_t)(((unsigned __int128)bytes * byte_ns_q32) >> 32);
}

static int64_t unit_cost(const struct zns_flash *m, const struct zns_zone *z) {
    uint64_t bytes = least(m->unit_bytes, z->laid_out - z->issued);
    uint64_t host = z->accepted > z->issued ? least(bytes, z->accepted - z->issued) : 0;
    return bytes_ns(host, m->drain_q32) + bytes_ns(bytes - host, m->pad_q32);
}

static void unit_handled(struct zns_flash *m, struct zns_zone *z) {
    bool issued = ready(m, z) && issue_unit(m, z);
    if (!ready(m, z))
        return;
    ring_add(&m->flash, z);
    if (!issued) /* no memory: the core looks again */
        sim_schedule(m->sim, &m->flash.event, sim_now(m->sim) + RETRY_NS);
}

static void busy(struct zns_flash *m, int64_t cost) {
    m->flash.busy_ns += cost;
    sim_schedule(m->sim, &m->flash.event, sim_now(m->sim) + cost);
}

static void start_chunk(struct zns_flash *m) {
    struct zns_flash_core *f = &m->flash;
    f->unit_was_last = false;
    f->reset = f->resets;
    if (f->reset->io) {
        io_spent(f->reset->io, IO_STAGE_QUEUE_WAIT, sim_now(m->sim));
        io_spent(f->reset->io, IO_STAGE_FIRMWARE, sim_now(m->sim) + zns_cost(m)->reset_chunk_time);
    }
    busy(m, zns_cost(m)->reset_chunk_time);
}

/* True if the core has handled a unit without taking time. */
static bool start_unit(struct zns_flash *m) {
    struct zns_flash_core *f = &m->flash;
    struct zns_zone *z = f->head;
    f->head = z->ring_next;
    z->in_ring = false;
    f->unit_was_last = true;
    int64_t cost = ready(m, z) ? unit_cost(m, z) : 0;
    if (cost) {
        f->zone = z;
        busy(m, cost);
        return false;
    }
    unit_handled(m, z);
    return true;
}

static void core_next(struct zns_flash *m) {
    struct zns_flash_core *f = &m->flash;
    while (!sim_event_pending(&f->event) && (f->head || f->resets)) {
        if (f->resets && (f->unit_was_last || !f->head))
            start_chunk(m);
        else if (!start_unit(m))
            return;
    }
}

static void chunk_done(struct zns_flash *m) {
    struct zns_flash_core *f = &m->flash;
    struct zns_job *job = f->reset;
    f->reset = NULL;
    if (job->chunks && --job->chunks)
        return;
    f->resets = job->next;
    zns_action_unmapped(m, job);
}

static void core_event(struct sim_event *event) {
    struct zns_flash *m = (struct zns_flash *)((char *)event - offsetof(struct zns_flash, flash));
    struct zns_flash_core *f = &m->flash;
    struct zns_zone *z = f->zone;
    f->zone = NULL;
    if (f->reset)
        chunk_done(m);
    else if (z)
        unit_handled(m, z);
    core_next(m);
}

void zns_drain_unmap(struct zns_flash *m, struct zns_job *job) {
    struct zns_flash_core *f = &m->flash;
    job->next = NULL;
    if (f->resets)
        f->resets_tail->next = job;
    else
        f->resets = job;
    f->resets_tail = job;
    core_next(m);
}

/* --- life --- */

static uint64_t byte_time(uint64_t rate) {
    return rate ? (uint64_t)(((unsigned __int128)1000000000u << 32) / rate) : 0;
}

void zns_drain_rates(struct zns_flash *m) {
    m->drain_q32 = byte_time(zns_cost(m)->drain_bandwidth);
    m->pad_q32 = byte_time(zns_cost(m)->pad_bandwidth);
}

void zns_drain_init(struct zns_flash *m) {
    uint64_t units = zns_cost(m)->zone_cache / m->unit_bytes;
    m->units_in_flight = units > ZNS_UNITS_IN_FLIGHT ? ZNS_UNITS_IN_FLIGHT : (uint32_t)units;
    sim_event_init(&m->flash.event, core_event);
    zns_drain_rates(m);
}

/* What a zone has left when power comes back: a protected cache is written to flash, a volatile one is gone. */
static void zone_power_cut(struct zns_flash *m, struct zns_zone *z) {
    uint32_t zone = zns_zone_index(m, z);
    uint64_t kept = z->accepted;
    if (zns_cost(m)->volatile_cache)
        kept = z->flushed > z->durable ? z->flushed : least(z->durable, z->accepted);
    z->wait_head = NULL;
    z->finish = z->flushes = z->resets = NULL;
    z->in_ring = z->repairing = z->in_dirty = false;
    z->inflight = z->stale = z->erasing = z->reads = z->parts = 0;
    z->generation++;
    z->dirty_next = z->ring_next = NULL;
    if (!z->known)
        return;
    uint64_t on_flash = kept >= z->laid_out ? z->laid_out : kept - kept % m->unit_bytes;
    if (z->failed || !z->clean)
        on_flash = z->durable;
    else
        zns_map_settle(m, zone, on_flash);
    zone_stands(m, z, kept, on_flash);
    if (!z->clean)
        zns_drain_erase(m, z);
}

void zns_drain_power_cut(struct zns_flash *m) {
    struct zns_flash_core *f = &m->flash;
    sim_cancel(m->sim, &f->event);
    f->head = NULL;
    f->zone = NULL;
    f->resets = f->reset = NULL;
    f->unit_was_last = false;
    for (uint32_t i = 0; i < m->zones; i++)
        zone_power_cut(m, &m->zone[i]);
    m->dirty = NULL;
}

uint64_t zns_flash_durable(const struct zns_media *media, uint32_t zone, uint64_t written) {
    const struct zns_flash *m = flash_seen(media);
    const struct zns_zone *z = &m->zone[zone];
    return z->known ? least(z->accepted, written) : written;
}
