/*
 * Writes, Flush, deallocation and the write cache: extents, each a run of bytes
 * that is not on the platter yet.
 *
 * A write goes into the newest extent that holds its whole range, or onto the
 * end of one, or into one of its own. The arm writes extents back when nothing
 * is read, or among the reads when many are in use, one is old, or somebody
 * waits: a Flush, a write with FUA, or any write without a write cache. An
 * extent waits for older ones that it touches.
 *
 * Invariants (hdd_check_state):
 *  1. extents_used counts the used ones; an extent's blockers are the older
 *     used ones that touch it: both have a part of the same 4 KiB.
 *  2. Of two that touch the older one reaches the platter first. So after a loss
 *     of power no 4 KiB hold a newer write without an older one.
 *
 * Payload goes to the store when an extent takes it; what it replaced is kept
 * for a loss of power.
 */
#include <inttypes.h>
#include <string.h>

#include "drive/hdd/hdd.h"
#include "drive/payload.h"

static bool overlaps(const struct hdd_extent *x, uint64_t offset, uint64_t bytes) {
    return x->used && x->offset < offset + bytes && offset < x->offset + x->bytes;
}

bool hdd_extent_touches(const struct hdd_extent *x, uint64_t offset, uint64_t bytes) {
    return x->used && x->offset / 4096 <= (offset + bytes - 1) / 4096 &&
           offset / 4096 <= (x->offset + x->bytes - 1) / 4096;
}

static bool holds(const struct hdd_extent *x, uint64_t offset, uint64_t bytes) {
    return x->used && x->offset <= offset && offset + bytes <= x->offset + x->bytes;
}

bool hdd_extent_holds(const struct hdd *h, uint64_t offset, uint64_t bytes) {
    uint32_t left = h->extents_used;
    for (uint32_t i = 0; left; i++) {
        left -= h->extents[i].used;
        if (holds(&h->extents[i], offset, bytes))
            return true;
    }
    return false;
}

char *hdd_undo(const struct hdd *h, const struct hdd_extent *x) {
    return h->undo + (uint64_t)(x - h->extents) * hdd_config(h)->segment_bytes;
}

/* --- extents --- */

static uint32_t dirty_limit(const struct hdd *h) {
    return (uint32_t)(hdd_config(h)->write_segments * hdd_config(h)->pressure_percent / 100);
}

void hdd_pressure(struct hdd *h) {
    h->arm.pressure = h->room.head || h->extents_used > dirty_limit(h);
}

static void written(struct disk_op *op);

/* The sectors an extent covers. */
static void shape(struct hdd *h, struct hdd_extent *x) {
    uint32_t unit = h->geometry.sector_bytes;
    x->op.lba = x->offset / unit;
    x->op.count = (uint32_t)((x->offset + x->bytes + unit - 1) / unit - x->op.lba);
    x->op.rewrite = (x->offset | x->bytes) % unit != 0;
}

/* Keep what was there, for the part of an extent that is new. */
static void keep(struct hdd *h, struct hdd_extent *x, uint64_t offset, uint64_t bytes) {
    if (h->undo)
        memcpy(hdd_undo(h, x) + (offset - x->offset), store_map(h->drive.store, offset, bytes), bytes);
}

struct search {
    struct hdd_extent *newest, *before; /* the newest that touches; one that ends where the range begins */
    uint32_t touching;
};

static struct search look(struct hdd *h, uint64_t offset, uint64_t bytes) {
    struct search s = {0};
    uint32_t left = h->extents_used;
    for (uint32_t i = 0; left; i++) {
        struct hdd_extent *x = &h->extents[i];
        left -= x->used;
        if (x->used && x->offset + x->bytes == offset)
            s.before = x;
        if (!hdd_extent_touches(x, offset, bytes))
            continue;
        s.touching++;
        if (!s.newest || x->sequence > s.newest->sequence)
            s.newest = x;
    }
    return s;
}

/* Only the extent that would be extended, if any, is touched. */
static bool only_before(const struct search *s) {
    return !s->touching || (s->touching == 1 && s->newest == s->before);
}

/* An extent that can still take more, for a write that may have to wait. */
static bool open_for(const struct hdd *h, const struct hdd_extent *x, bool waits) {
    return x && h->arm.running != &x->op && !(waits && x->waiter);
}

static struct hdd_extent *fresh_extent(struct hdd *h, uint64_t offset, uint64_t bytes, uint32_t blockers,
                                       int64_t data_ns) {
    struct hdd_extent *x = h->extent_free;
    if (!x)
        return NULL;
    h->extent_free = x->next;
    if (++h->extents_used > h->count.extents_peak)
        h->count.extents_peak = h->extents_used;
    x->used = true;
    x->offset = offset;
    x->bytes = bytes;
    x->sequence = ++h->sequence;
    x->waiter = NULL;
    x->op = (struct disk_op){.write = true, .blockers = blockers, .data_ns = data_ns, .done = written};
    shape(h, x);
    keep(h, x, offset, bytes);
    return x;
}

static void extend(struct hdd *h, struct hdd_extent *x, uint64_t bytes, int64_t data_ns) {
    keep(h, x, x->offset + x->bytes, bytes);
    x->bytes += bytes;
    if (x->op.data_ns < data_ns)
        x->op.data_ns = data_ns;
    shape(h, x);
}

static void set_waiter(struct hdd_extent *x, struct hdd_slot *slot) {
    x->waiter = slot;
    x->op.urgent = true;
    slot->io->pending++;
}

/* An extent for a part of a write; NULL: no room. */
static struct hdd_extent *extent_for(struct hdd_slot *slot, uint64_t offset, uint64_t bytes, bool waits) {
    struct hdd *h = slot->hdd;
    struct search s = look(h, offset, bytes);
    struct hdd_extent *x = NULL;
    if (open_for(h, s.newest, waits) && holds(s.newest, offset, bytes)) {
        x = s.newest;
        h->count.writes_merged++;
    } else if (only_before(&s) && open_for(h, s.before, waits) &&
               s.before->bytes + bytes <= hdd_config(h)->segment_bytes) {
        x = s.before;
        extend(h, x, bytes, slot->data_ns);
        h->count.writes_merged++;
    }
    hdd_overwritten(h, offset / h->geometry.sector_bytes, (offset + bytes - 1) / h->geometry.sector_bytes + 1);
    bool queued = x != NULL;
    if (!x)
        x = fresh_extent(h, offset, bytes, s.touching, slot->data_ns);
    if (!x)
        return NULL;
    if (waits)
        set_waiter(x, slot);
    hdd_pressure(h);
    if (queued) {
        disk_kick(&h->arm);
    } else {
        x->op.owner = slot->io->owner; /* of what joins it later, too */
        disk_submit(&h->arm, &x->op);
    }
    return x;
}

/* --- writes --- */

bool hdd_through(const struct hdd *h, const struct io *io) {
    return (io->flags & IO_FUA) || !hdd_config(h)->write_cache;
}

static struct hdd_slot *slot_of(struct hdd *h, struct io *io) {
    return io->priv;
}

static void write_answer(struct drive *drive, struct io *io) {
    struct hdd_slot *slot = slot_of(hdd_of(drive), io);
    int64_t now = sim_now(drive->sim);
    hdd_answer(slot, slot->bus_ns > now ? slot->bus_ns : now);
}

/* A part of a write has ended. */
static void part_done(struct hdd_slot *slot) {
    struct hdd *h = slot->hdd;
    if (--slot->io->pending)
        return;
    if ((slot->io->flags & IO_FUA) && slot->io->status == IO_OK)
        drive_store_flush(&h->drive, slot->io, write_answer);
    else
        write_answer(&h->drive, slot->io);
}

static void store_part(struct hdd *h, struct io *io, uint64_t done, uint64_t bytes) {
    if (io->op != IO_WRITE) {
        int rc = store_discard(h->drive.store, io->offset + done, bytes);
        if (rc)
            io_fail(io, IO_WRITE_FAULT, "the store could not clear %" PRIu64 " bytes at %" PRIu64 ": %s", bytes,
                    io->offset + done, strerror(-rc));
        return;
    }
    struct payload_cursor at = payload_seek(io, done);
    payload_write(&h->drive, io, &at, io->offset + done, bytes);
}

/* Put a write into extents from where it stopped. False: no room. */
static bool accept(struct hdd_slot *slot) {
    struct hdd *h = slot->hdd;
    struct io *io = slot->io;
    bool waits = hdd_through(h, io);
    while (slot->accepted < io->bytes) {
        /* Cut where 4 KiB begin: no loss of power shall find a part of one new and the other old. */
        uint64_t most = hdd_config(h)->segment_bytes - (io->offset + slot->accepted) % 4096;
        uint64_t bytes = io->bytes - slot->accepted;
        if (bytes > most)
            bytes = most;
        if (!extent_for(slot, io->offset + slot->accepted, bytes, waits))
            return false;
        store_part(h, io, slot->accepted, bytes);
        slot->accepted += bytes;
    }
    h->count.writes_cached += !waits;
    io_spent(io, IO_STAGE_BUFFER_WAIT, sim_now(h->sim));
    part_done(slot);
    return true;
}

static void accept_waiting(struct hdd *h) {
    while (h->room.head) {
        struct hdd_slot *slot = h->room.head;
        /* Off the list first: answering it links the slot elsewhere. */
        struct hdd_slot *next = slot->next;
        if (slot->io->op == IO_WRITE && !payload_reserve(&h->drive, slot->io)) {
            h->room.head = next;
            part_done(slot);
            continue;
        }
        if (!accept(slot))
            break;
        h->room.head = next;
    }
    hdd_pressure(h);
}

/* When the arm may begin with data that crosses the bus from now to `end`. */
static int64_t data_from(const struct hdd *h, int64_t now, int64_t end, uint64_t bytes) {
    if (!hdd_config(h)->bus_overlap || bytes <= h->geometry.sector_bytes)
        return end;
    uint32_t most = h->geometry.zone[0].sectors;
    int64_t platter = (int64_t)(bytes / h->geometry.sector_bytes) * h->geometry.rev_ns / most;
    return end - platter > now ? end - platter : now;
}

void hdd_write(struct hdd_slot *slot) {
    struct hdd *h = slot->hdd;
    struct io *io = slot->io;
    int64_t now = sim_now(h->sim);
    uint64_t bytes = io->op == IO_WRITE ? io->bytes : 0;
    io->pending = 1;
    io->priv = slot;
    slot->bus_ns = now;
    if (io->op == IO_WRITE && !payload_reserve(&h->drive, io)) {
        part_done(slot);
        return;
    }
    int64_t end = io_link_cross(&h->bus, now, bytes);
    io_spent(io, IO_STAGE_LINK_WAIT, end - io_link_ns(&h->bus, bytes));
    io_spent(io, IO_STAGE_LINK, end);
    slot->bus_ns = end;
    slot->data_ns = data_from(h, now, end, bytes);
    if (!h->room.head && accept(slot))
        return;
    h->count.stalls++;
    hdd_list_push(&h->room, slot);
    hdd_pressure(h);
    disk_kick(&h->arm);
}

/* --- flush, deallocation --- */

static void rest_answer(struct drive *drive, struct io *io) {
    io_spent(io, IO_STAGE_WRITE_BACK, sim_now(drive->sim));
    hdd_answer(slot_of(hdd_of(drive), io), sim_now(drive->sim));
}

/* Is everything that a flush came after on the platter? */
static bool flushed(const struct hdd *h, uint64_t sequence) {
    uint32_t left = h->extents_used;
    for (uint32_t i = 0; left; i++) {
        left -= h->extents[i].used;
        if (h->extents[i].used && h->extents[i].sequence <= sequence)
            return false;
    }
    return true;
}

static void flushes_done(struct hdd *h) {
    while (h->flushes.head && flushed(h, h->flushes.head->sequence)) {
        struct hdd_slot *slot = h->flushes.head;
        h->flushes.head = slot->next;
        drive_store_flush(&h->drive, slot->io, rest_answer);
    }
}

void hdd_flush(struct hdd_slot *slot) {
    struct hdd *h = slot->hdd;
    slot->io->priv = slot;
    slot->sequence = h->sequence;
    for (uint32_t i = 0; i < hdd_config(h)->write_segments; i++)
        h->extents[i].op.urgent = true;
    hdd_list_push(&h->flushes, slot);
    flushes_done(h);
    disk_kick(&h->arm);
}

/* What a loss of power would bring back of a range that was cleared is zeros, too. */
static void forget(struct hdd *h, uint64_t offset, uint64_t bytes) {
    for (uint32_t i = 0; h->undo && i < hdd_config(h)->write_segments; i++) {
        struct hdd_extent *x = &h->extents[i];
        if (!overlaps(x, offset, bytes))
            continue;
        uint64_t from = offset > x->offset ? offset : x->offset;
        uint64_t end = offset + bytes < x->offset + x->bytes ? offset + bytes : x->offset + x->bytes;
        memset(hdd_undo(h, x) + (from - x->offset), 0, end - from);
    }
}

/* Parts of 4 KiB that are in the write cache are cleared there, in their turn. */
static bool splits_cached(struct hdd *h, const struct io *io) {
    return (io->offset | io->bytes) % 4096 && look(h, io->offset, io->bytes).touching;
}

void hdd_trim(struct hdd_slot *slot) {
    struct hdd *h = slot->hdd;
    struct io *io = slot->io;
    if (splits_cached(h, io)) {
        hdd_write(slot);
        return;
    }
    io->priv = slot;
    int rc = store_discard(h->drive.store, io->offset, io->bytes);
    if (rc)
        io_fail(io, IO_WRITE_FAULT, "the store could not clear %" PRIu64 " bytes at %" PRIu64 ": %s", io->bytes,
                io->offset, strerror(-rc));
    else
        forget(h, io->offset, io->bytes);
    if ((io->flags & IO_FUA) && io->status == IO_OK)
        drive_store_flush(&h->drive, io, rest_answer);
    else
        rest_answer(&h->drive, io);
}

/* --- on the platter --- */

static void unblock(struct hdd *h, const struct hdd_extent *done) {
    uint32_t left = h->extents_used;
    for (uint32_t i = 0; left; i++) {
        struct hdd_extent *x = &h->extents[i];
        left -= x->used;
        if (x->sequence > done->sequence && hdd_extent_touches(x, done->offset, done->bytes))
            x->op.blockers--;
    }
}

static void written(struct disk_op *op) {
    struct hdd_extent *x = (struct hdd_extent *)op; /* first member */
    struct hdd *h = x->hdd;
    struct hdd_slot *waiter = x->waiter;
    h->count.written_back++;
    h->count.rewrites += op->rewrite;
    hdd_remember(h, op->lba, op->lba + op->count);
    x->used = false;
    h->extents_used--;
    unblock(h, x);
    x->next = h->extent_free;
    h->extent_free = x;
    if (waiter && waiter->io->pending == 1)
        hdd_spent(waiter->io, &op->parts, sim_now(h->sim));
    if (waiter)
        part_done(waiter);
    accept_waiting(h);
    flushes_done(h);
}

void hdd_for_each_cached(const struct drive *drive, void (*see)(void *user, uint64_t offset, uint64_t bytes),
                         void *user) {
    const struct hdd *h = (const struct hdd *)drive;
    for (uint32_t i = 0; i < hdd_config(h)->write_segments; i++)
        if (h->extents[i].used)
            see(user, h->extents[i].offset, h->extents[i].bytes);
}

void hdd_extents_reset(struct hdd *h) {
    h->extent_free = NULL;
    h->extents_used = 0;
    h->arm.pressure = false;
    for (uint32_t i = hdd_config(h)->write_segments; i-- > 0;) {
        h->extents[i] = (struct hdd_extent){.hdd = h, .next = h->extent_free};
        h->extent_free = &h->extents[i];
    }
}
