/*
 * Loss of power: the write cache is lost, so every extent in it reads again as
 * before; newest first, as they may overlap. Requests in flight are forgotten.
 * The drive starts again at once, its platters still turning.
 */
#include "drive/hdd/hdd.h"
#include "drive/payload.h"

static struct hdd_extent *newest(struct hdd *h) {
    struct hdd_extent *best = NULL;
    for (uint32_t i = 0; i < hdd_config(h)->write_segments; i++) {
        struct hdd_extent *x = &h->extents[i];
        if (x->used && (!best || x->sequence > best->sequence))
            best = x;
    }
    return best;
}

void hdd_power_cut(struct drive *drive) {
    struct hdd *h = hdd_of(drive);
    for (struct hdd_extent *x; (x = newest(h)) != NULL; x->used = false)
        if (h->undo)
            payload_restore(drive, x->offset, hdd_undo(h, x), x->bytes);
    disk_arm_reset(&h->arm);
    hdd_slots_reset(h);
    hdd_extents_reset(h);
    hdd_segments_reset(h);
    h->bus.free_ns = 0;
    h->controller_ns = 0;
    h->last_write = false;
    h->last_end = 0;
}
