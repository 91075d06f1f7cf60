/*
 * A hard disk: life, commands.
 *
 * A command waits in front of the drive until one of queue_depth slots is free,
 * takes the controller for its overhead, one command at a time, then goes to
 * the cache or the arm; its data shares the bus.
 *
 * Faithful: mechanics (media/disk), overheads by hit and miss and by what the
 * command before was, segmented read cache with read-ahead, volatile write-back
 * cache with Flush and FUA, command queueing by positioning time.
 * Simplified: a controller is one server; commands of any kind share the slots;
 * deallocation clears and takes the overhead alone.
 * Not modelled: errors of media, power states, disconnecting from the bus.
 */
#include "drive/hdd/hdd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "drive/payload.h"

#define UNDO_BYTES_MAX (4ull << 30)

/* --- configuration --- */

static struct disk_config disk_config(const struct drive_config *c) {
    struct disk_config d = c->hdd.disk;
    d.seed = c->drive.seed;
    return d;
}

static int check_cache(const struct hdd_config *c, struct err *e) {
    const struct {
        const char *name;
        uint32_t count;
    } times[] = {{"read_hit", c->read_hit.count},
                 {"read_miss", c->read_miss.count},
                 {"write_hit", c->write_hit.count},
                 {"write_miss", c->write_miss.count}};
    for (unsigned i = 0; i < sizeof times / sizeof *times; i++)
        if (times[i].count != 1 && times[i].count != 2 && times[i].count != 4)
            return err_set(e, EINVAL, "hdd.%s: %" PRIu32 " times; allowed are 1, 2 and 4", times[i].name,
                           times[i].count);
    if (c->segment_bytes % 4096)
        return err_set(e, EINVAL, "hdd.segment_bytes = %" PRIu64 ": allowed are multiples of 4096", c->segment_bytes);
    if (c->segment_bytes > UNDO_BYTES_MAX / c->write_segments)
        return err_set(e, EINVAL,
                       "hdd.write_segments = %" PRIu32 " of hdd.segment_bytes = %" PRIu64
                       ": a write cache of more than 4 GiB",
                       c->write_segments, c->segment_bytes);
    return 0;
}

static int check_capacity(const struct drive_config *c, const struct disk_geometry *g, struct err *e) {
    uint64_t most = g->sectors * g->sector_bytes / 4096 * 4096;
    if (c->drive.capacity <= most)
        return 0;
    return err_set(e, EINVAL,
                   "drive.capacity = %" PRIu64 ": the zones of hdd.zones under hdd.surfaces = %" PRIu32
                   " heads hold %" PRIu64 " sectors of %" PRIu32 " bytes; the largest capacity is %" PRIu64,
                   c->drive.capacity, g->surfaces, g->sectors, g->sector_bytes, most);
}

static int hdd_check(const struct drive_config *c, struct err *e) {
    struct disk_geometry g;
    struct disk_config d = disk_config(c);
    int rc = disk_geometry_init(&g, &d, e);
    if (!rc)
        rc = check_capacity(c, &g, e);
    disk_geometry_release(&g);
    return rc ? rc : check_cache(&c->hdd, e);
}

static void hdd_identity(const struct drive_config *c, char *text, unsigned size) {
    snprintf(text, size, "capacity=%" PRIu64, c->drive.capacity);
}

/* --- commands --- */

void hdd_list_push(struct hdd_list *list, struct hdd_slot *slot) {
    slot->next = NULL;
    if (list->head)
        list->tail->next = slot;
    else
        list->head = slot;
    list->tail = slot;
}

static void take_waiting(struct hdd *h);

static void slot_free(struct hdd_slot *slot) {
    struct hdd *h = slot->hdd;
    slot->io = NULL;
    slot->next = h->slot_free;
    h->slot_free = slot;
    h->slots_used--;
}

static void answered(struct hdd_slot *slot) {
    struct hdd *h = slot->hdd;
    struct io *io = slot->io;
    if (io->op == IO_READ && io->status == IO_OK)
        payload_read(&h->drive, io, false);
    slot_free(slot);
    drive_complete(&h->drive, io);
    take_waiting(h);
}

void hdd_answer(struct hdd_slot *slot, int64_t when_ns) {
    slot->then = answered;
    sim_schedule(slot->hdd->sim, &slot->event, when_ns);
}

void hdd_spent(struct io *io, const struct disk_parts *parts, int64_t end_ns) {
    int64_t move = parts->seek + parts->settle;
    int64_t at = end_ns - move - parts->wait - parts->rotation - parts->transfer;
    io_spent(io, IO_STAGE_ARM_WAIT, at);
    io_spent(io, IO_STAGE_SEEK, at += move);
    io_spent(io, IO_STAGE_LINK, at += parts->wait);
    io_spent(io, IO_STAGE_ROTATION, at += parts->rotation);
    io_spent(io, IO_STAGE_TRANSFER, at + parts->transfer);
}

static void start(struct hdd_slot *slot) {
    switch (slot->io->op) {
    case IO_READ:
        hdd_read(slot);
        break;
    case IO_WRITE:
    case IO_WRITE_ZEROES:
        hdd_write(slot);
        break;
    case IO_FLUSH:
        hdd_flush(slot);
        break;
    default:
        hdd_trim(slot);
        break;
    }
}

static void slot_fire(struct sim_event *event) {
    struct hdd_slot *slot = (struct hdd_slot *)event; /* first member */
    slot->then(slot);
}

/* The overhead of a command, before anything moves. */
static int64_t overhead(struct hdd *h, const struct io *io) {
    const struct hdd_config *c = hdd_config(h);
    bool write = io->op == IO_WRITE || io->op == IO_WRITE_ZEROES, data = write || io->op == IO_READ;
    const struct opt_times *t = &c->write_hit;
    if (io->op == IO_READ)
        t = hdd_read_hits(h, io) ? &c->read_hit : &c->read_miss;
    else if (write && hdd_through(h, io))
        t = &c->write_miss;
    uint32_t kind = h->last_write + (data && io->offset != h->last_end ? 2 : 0);
    if (data) {
        h->last_write = write;
        h->last_end = io->offset + io->bytes;
    }
    return t->ns[t->count == 4 ? kind : t->count == 2 ? kind & 1 : 0];
}

static void take(struct hdd *h, struct io *io) {
    struct hdd_slot *slot = h->slot_free;
    int64_t now = sim_now(h->sim);
    h->slot_free = slot->next;
    h->slots_used++;
    slot->io = io;
    slot->segment = NULL;
    slot->accepted = 0;
    slot->then = start;
    if (h->controller_ns < now)
        h->controller_ns = now;
    io_spent(io, IO_STAGE_QUEUE_WAIT, h->controller_ns);
    h->controller_ns += overhead(h, io);
    io_spent(io, IO_STAGE_FIRMWARE, h->controller_ns);
    sim_schedule(h->sim, &slot->event, h->controller_ns);
}

static void take_waiting(struct hdd *h) {
    while (h->wait_head && h->slot_free) {
        struct io *io = h->wait_head;
        h->wait_head = io->next;
        take(h, io);
    }
}

static void hdd_submit(struct drive *drive, struct io *io) {
    struct hdd *h = hdd_of(drive);
    if (!h->wait_head && h->slot_free) {
        take(h, io);
        return;
    }
    io->next = NULL;
    if (h->wait_head)
        h->wait_tail->next = io;
    else
        h->wait_head = io;
    h->wait_tail = io;
}

void hdd_slots_reset(struct hdd *h) {
    h->slot_free = NULL;
    h->slots_used = 0;
    h->wait_head = NULL;
    h->room.head = h->flushes.head = NULL;
    for (uint32_t i = hdd_config(h)->queue_depth; i-- > 0;) {
        struct hdd_slot *slot = &h->slots[i];
        sim_cancel(h->sim, &slot->event);
        slot->hdd = h;
        slot->io = NULL;
        slot->next = h->slot_free;
        h->slot_free = slot;
    }
}

/* --- life --- */

static void hdd_destroy(struct drive *drive) {
    struct hdd *h = hdd_of(drive);
    if (h->slots)
        hdd_slots_reset(h);
    disk_arm_reset(&h->arm);
    disk_geometry_release(&h->geometry);
    free(h->slots);
    free(h->segments);
    free(h->extents);
    free(h->undo);
    free(h);
}

static bool allocate(struct hdd *h, const struct hdd_config *c, struct store *store) {
    h->slots = calloc(c->queue_depth, sizeof *h->slots);
    h->segments = calloc(c->read_segments + 1, sizeof *h->segments);
    h->extents = calloc(c->write_segments, sizeof *h->extents);
    bool undo = store_has_payload(store) && c->write_cache;
    h->undo = undo ? calloc(c->write_segments, c->segment_bytes) : NULL;
    return h->slots && h->segments && h->extents && (h->undo || !undo);
}

static void settings(struct hdd *h, const struct hdd_config *c) {
    h->arm.policy = c->disk.policy;
    h->arm.ageing = c->disk.ageing;
    h->arm.old_ns = c->write_back_age;
    io_link_set(&h->bus, c->bus_bandwidth);
}

static void hdd_reconfigured(struct drive *drive) {
    settings(hdd_of(drive), &drive->config.hdd);
    hdd_pressure(hdd_of(drive));
}

static struct drive *hdd_create(const struct drive_config *config, struct sim *sim, struct store *store, bool fresh,
                                struct err *e) {
    struct hdd *h = calloc(1, sizeof *h);
    struct disk_config d = disk_config(config);
    if (!h) {
        err_set(e, ENOMEM, "no memory for the drive");
        return NULL;
    }
    h->sim = sim;
    h->drive.sim = sim;
    h->drive.config = *config;
    disk_arm_init(&h->arm, &h->geometry, sim, &d);
    h->arm.idle = hdd_idle;
    h->arm.owner = h;
    io_link_init(&h->bus, config->hdd.bus_bandwidth);
    h->controller_ns = sim_now(sim) + d.spin_up;
    if (disk_geometry_init(&h->geometry, &d, e) || !allocate(h, &config->hdd, store)) {
        if (h->geometry.zones && (!h->slots || !h->segments || !h->extents))
            err_set(e, ENOMEM, "no memory for the drive");
        hdd_destroy(&h->drive);
        return NULL;
    }
    settings(h, &config->hdd);
    for (uint32_t i = 0; i < config->hdd.queue_depth; i++)
        sim_event_init(&h->slots[i].event, slot_fire);
    hdd_slots_reset(h);
    hdd_segments_reset(h);
    hdd_extents_reset(h);
    return &h->drive;
}

static void hdd_limits(const struct drive *drive, struct drive_limits *limits) {
    limits->granularity = limits->trim_granularity = drive->config.hdd.disk.sector_bytes;
    limits->optimal_write_bytes = 4096;
    limits->volatile_cache = drive->config.hdd.write_cache;
    limits->rotational = true;
    limits->queue_depth = drive->config.hdd.queue_depth;
    limits->looked_ahead = !drive->config.hdd.ide;
    limits->rpm = (uint16_t)(drive->config.hdd.disk.rpm + 0.5);
}

static bool hdd_mapped(const struct drive *drive, uint64_t offset, uint64_t bytes) {
    return bytes > 0; /* a disk's sectors always hold something */
}

static const char *const hdd_sections[] = {"hdd", NULL};

static struct disk_arm *hdd_arm(struct drive *drive) {
    return &((struct hdd *)drive)->arm;
}

const struct drive_ops hdd_ops = {
    .name = "hdd",
    .summary = "a hard disk: arm, platters, segmented cache, command queueing",
    .sections = hdd_sections,
    .check = hdd_check,
    .identity = hdd_identity,
    .create = hdd_create,
    .destroy = hdd_destroy,
    .submit = hdd_submit,
    .limits = hdd_limits,
    .health = hdd_health,
    .power_cut = hdd_power_cut,
    .mapped = hdd_mapped,
    .stats = hdd_stats,
    .check_state = hdd_check_state,
    .reconfigured = hdd_reconfigured,
    .arm = hdd_arm,
};
