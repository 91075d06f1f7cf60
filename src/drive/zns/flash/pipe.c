/*
 * Writes, from the command to the zone's cache.
 *
 *   command core -> data in over the link -> command core -> cache -> answer
 *     command, units    (units)               accept        room?
 *
 * The command core does one thing at a time, first come, first served; every
 * write visits it twice. So commands of many zones, or appends of one, overlap
 * until the core is busy all the time; and a small write costs as much as one
 * of a whole unit.
 *
 * Faithful: throughput and latency of small writes against their number;
 * back-pressure of each zone's cache.
 * Simplified: a write has its place in the cache one acceptance before its
 * answer could come; a write that begins or ends inside 4 KiB waits for the
 * rest to be read without using a die, and writes of its zone behind it wait too.
 */
#include <assert.h>
#include <inttypes.h>

#include "drive/zns/flash/flash.h"

/* What the pipeline keeps in a request: io->part is the zone, io->event.at_ns its next time, io->priv this. */
enum { KIND_APPEND = 1, KIND_WINDOW = 2, KIND_DATA_IS_IN = 4, KIND_GENERATION_SHIFT = 16 };

static_assert(sizeof(uintptr_t) >= 4, "a kind and a generation fit a pointer");

static uintptr_t kind_of(const struct io *io) {
    return (uintptr_t)io->priv;
}

/* --- cache --- */

static void release_held(struct zns_flash *m) {
    while (m->held_head && (m->held_head->event.at_ns <= (int64_t)m->writes_accepted || !zns_cost(m)->in_order)) {
        struct io *io = m->held_head;
        m->held_head = io->next;
        io->next = NULL;
        zns_read_start(m, io);
    }
}

static void answer(struct zns_flash *m, struct io *io) {
    const struct zns_media_config *c = zns_cost(m);
    int64_t now = sim_now(m->sim), from = io->event.at_ns > now ? io->event.at_ns : now;
    m->writes_accepted++;
    io_spent(io, IO_STAGE_BUFFER_WAIT, from);
    /* In a random write area, too: that is left only if what lies below it is. */
    if ((io->flags & IO_FUA) && c->volatile_cache && io->status == IO_OK) {
        struct zns_zone *z = &m->zone[io->part];
        zns_action_flush_zone(m, z, z->accepted, from + c->write_answer, io);
    } else if (kind_of(io) & KIND_APPEND) {
        io_line_push(&m->appends, io, from + c->append_answer);
        io_spent(io, IO_STAGE_FIRMWARE, io->completed_ns);
    } else {
        io_line_push(&m->writes, io, from + c->write_answer);
        io_spent(io, IO_STAGE_FIRMWARE, io->completed_ns);
    }
    if (m->held_head)
        release_held(m);
}

/* Nothing of the cache is on its way to flash: what it holds, a part of a unit, stays until more comes. */
static bool drained(const struct zns_flash *m, const struct zns_zone *z) {
    return z->issued == z->durable && z->accepted - z->issued < m->unit_bytes;
}

/* True if the zone's cache takes the request; it has its place then. */
static bool accept(struct zns_flash *m, struct zns_zone *z, struct io *io) {
    uint64_t room = zns_cost(m)->zone_cache, bytes = kind_of(io) & KIND_WINDOW ? 0 : io->bytes;
    if (z->failed) {
        io_fail(io, IO_WRITE_FAULT, "zone %u can't be written any more: a program failed and no spare block is left",
                io->part);
        return true;
    }
    /* What is larger than the cache goes in as soon as that is as empty as it gets. */
    if (!drained(m, z) && (z->cached >= room || bytes > room - z->cached))
        return false;
    if (bytes > z->laid_out - z->accepted) {
        io_fail(io, IO_WRITE_FAULT, "zone %u has only %" PRIu64 " bytes left: its other blocks failed", io->part,
                z->laid_out);
        return true;
    }
    z->accepted += bytes;
    z->cached += bytes;
    if (zns_cost(m)->volatile_cache && !z->in_dirty) {
        z->in_dirty = true;
        z->dirty_next = m->dirty;
        m->dirty = z;
    }
    m->count.host_bytes += bytes;
    return true;
}

void zns_pipe_admit(struct zns_flash *m, struct zns_zone *z) {
    bool any = false;
    while (z->wait_head) {
        struct io *io = z->wait_head, *next = io->next;
        if (!accept(m, z, io))
            break;
        z->wait_head = next;
        m->waiting--;
        answer(m, io);
        any = true;
    }
    if (any)
        zns_drain_pump(m, z);
}

void zns_pipe_drop(struct zns_flash *m, struct zns_zone *z) {
    struct io *io = z->wait_head;
    z->wait_head = NULL;
    while (io) {
        struct io *next = io->next;
        m->waiting--;
        answer(m, io);
        io = next;
    }
}

/* The zone was reset after the write came. */
static bool stale(const struct zns_zone *z, const struct io *io) {
    return (uint16_t)(kind_of(io) >> KIND_GENERATION_SHIFT) != (uint16_t)z->generation;
}

static void data_is_in(struct zns_flash *m, struct io *io) {
    struct zns_zone *z = &m->zone[io->part];
    if (stale(z, io)) {
        answer(m, io);
        return;
    }
    if (!z->wait_head && accept(m, z, io)) {
        answer(m, io);
        zns_drain_pump(m, z);
        return;
    }
    m->count.stalls++;
    m->waiting++;
    io->next = NULL;
    if (z->wait_head)
        z->wait_tail->next = io;
    else
        z->wait_head = io;
    z->wait_tail = io;
}

/* --- command core --- */

static uint64_t units_of(const struct zns_flash *m, uint64_t bytes) {
    return (bytes + zns_cost(m)->write_unit - 1) / zns_cost(m)->write_unit;
}

/* A visit that ends at `end` has begun. */
static void visit(struct zns_flash *m, struct io *io, int64_t end) {
    io_spent(io, IO_STAGE_FIRMWARE, end);
    if (kind_of(io) & KIND_DATA_IS_IN) {
        io->event.at_ns = end;
        data_is_in(m, io);
        return;
    }
    io->priv = (void *)(kind_of(io) | KIND_DATA_IS_IN);
    uint64_t bytes = units_of(m, io->bytes) * zns_cost(m)->write_unit;
    int64_t in = io_link_cross(&m->link_in, end, bytes);
    struct zns_zone *z = &m->zone[io->part];
    bool part = (io->bytes | io->offset) % ZNS_SECTOR != 0;
    io_spent(io, IO_STAGE_LINK_WAIT, in - io_link_ns(&m->link_in, bytes));
    io_spent(io, IO_STAGE_LINK, in);
    if (__builtin_expect(!part && !z->parts, 1)) {
        io_line_push(&m->data, io, in);
        return;
    }
    z->parts++; /* what comes behind stays behind */
    io_line_push(&m->part_data, io, part ? in + zns_cost(m)->part_block : in);
}

static void core_visit(struct zns_flash *m, struct io *io, int64_t cost) {
    struct zns_core *core = &m->core;
    int64_t now = sim_now(m->sim);
    if (!core->head && core->free_ns <= now) {
        core->free_ns = now + cost;
        visit(m, io, core->free_ns);
        return;
    }
    io->event.at_ns = cost;
    io->next = NULL;
    if (core->head)
        core->tail->next = io;
    else
        core->head = io;
    core->tail = io;
    if (!sim_event_pending(&core->event))
        sim_schedule(m->sim, &core->event, core->free_ns);
}

static void core_free(struct sim_event *event) {
    struct zns_flash *m = (struct zns_flash *)((char *)event - offsetof(struct zns_flash, core));
    struct zns_core *core = &m->core;
    struct io *io = core->head;
    core->head = io->next;
    io_spent(io, IO_STAGE_QUEUE_WAIT, sim_now(m->sim));
    core->free_ns = sim_now(m->sim) + io->event.at_ns;
    if (core->head)
        sim_schedule(m->sim, event, core->free_ns);
    visit(m, io, core->free_ns);
}

static void data_out(struct io_line *line, struct io *io) {
    struct zns_flash *m = line->owner;
    core_visit(m, io, zns_cost(m)->write_accept);
}

static void part_data_out(struct io_line *line, struct io *io) {
    struct zns_flash *m = line->owner;
    m->zone[io->part].parts--;
    io_spent(io, IO_STAGE_FLASH, sim_now(m->sim)); /* the rest of a block is read */
    core_visit(m, io, zns_cost(m)->write_accept);
}

/* --- requests --- */

static void begin(struct zns_flash *m, uint32_t zone, struct io *io, uintptr_t kind, int64_t cost) {
    const struct zns_media_config *c = zns_cost(m);
    io->part = zone;
    io->priv = (void *)(kind | (uintptr_t)(uint16_t)m->zone[zone].generation << KIND_GENERATION_SHIFT);
    m->writes_in++;
    if (io->bytes % c->write_unit)
        cost += c->partial_unit;
    core_visit(m, io, cost + c->write_command + (int64_t)units_of(m, io->bytes) * c->write_unit_time);
}

void zns_flash_write(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes,
                     enum zns_media_write_kind kind, struct io *io) {
    struct zns_flash *m = flash_of(media);
    const struct zns_media_config *c = zns_cost(m);
    struct zns_zone *z = &m->zone[zone];
    bool append = kind >= ZNS_APPEND;
    if (__builtin_expect(!z->known || at != z->expect, 0))
        zns_drain_know(m, z, at);
    z->expect = at + bytes;
    z->touched = true;
    begin(m, zone, io, append ? KIND_APPEND : 0, (append ? c->append_command : 0) + (kind & 1 ? c->first_write : 0));
}

void zns_flash_write_window(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes, struct io *io) {
    struct zns_flash *m = flash_of(media);
    m->zone[zone].touched = true;
    begin(m, zone, io, KIND_WINDOW, 0);
}

static void written(struct io_line *line, struct io *io) {
    struct zns_flash *m = line->owner;
    m->owner->done(m->owner, io);
}

void zns_pipe_init(struct zns_flash *m) {
    sim_event_init(&m->core.event, core_free);
    io_line_init(&m->data, m->sim, data_out, m);
    io_line_init(&m->part_data, m->sim, part_data_out, m);
    io_line_init(&m->writes, m->sim, written, m);
    io_line_init(&m->appends, m->sim, written, m);
}

void zns_pipe_power_cut(struct zns_flash *m) {
    struct io_line *lines[] = {&m->data, &m->part_data, &m->writes, &m->appends};
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
        io_line_clear(lines[i]);
    sim_cancel(m->sim, &m->core.event);
    m->core.head = NULL;
    m->core.free_ns = 0;
    m->link_in.free_ns = 0;
    m->held_head = NULL;
    m->writes_in = m->writes_accepted = m->waiting = 0;
}
