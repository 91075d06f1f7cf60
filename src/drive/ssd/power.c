/*
 * Loss of power. What is on flash stays; a volatile write buffer is lost, so
 * every unit in it reads again as before the oldest version that never reached
 * flash. A protected buffer is saved by its capacitors. Requests in flight are
 * forgotten. The drive starts again at once.
 */
#include <string.h>

#include "base/log.h"
#include "drive/payload.h"
#include "drive/ssd/ssd.h"

/* Take a version back. */
static void undo(struct ssd *s, uint32_t slot) {
    const struct slot *v = &s->buffer.slots[slot];
    uint64_t offset = (uint64_t)v->lpn << s->ftl.unit_shift;
    uint32_t bytes = s->ftl.unit_bytes;
    if (v->was == FTL_BUFFERED && !v->undo)
        return; /* taken over at a start: this is its only version */
    if (s->payload && v->undo)
        payload_restore(&s->drive, offset, wbuf_undo(&s->buffer, slot), bytes);
    else if (s->payload && store_discard(s->store, offset, bytes))
        memset(store_map(s->store, offset, bytes), 0, bytes);
    if (!ftl_on_flash(v->was) && v->was != FTL_BUFFERED)
        s->ftl.ops->mark(&s->ftl, v->lpn, v->was);
}

/* Chains hold the younger versions of a unit first, so that the oldest one's undo comes last. */
static void undo_all(struct ssd *s) {
    const struct wbuf *b = &s->buffer;
    for (uint32_t i = 0; b->used && i <= b->mask; i++)
        for (uint32_t slot = b->heads[i]; slot != SLOT_NONE; slot = b->slots[slot].chain)
            if (!b->slots[slot].dead)
                undo(s, slot);
}

void ssd_adopt_homeless(struct ssd *s) {
    struct ftl *f = &s->ftl;
    for (uint32_t lpn = 0; f->homeless && lpn < f->units; lpn++) {
        if (f->ops->translate(f, lpn) != FTL_BUFFERED)
            continue;
        uint32_t slot = wbuf_add(&s->buffer, lpn, SLOT_DIRTY, 0);
        if (slot == SLOT_NONE)
            return; /* the rest stays in controller memory until the next start */
        s->buffer.slots[slot].was = FTL_BUFFERED;
        f->homeless--;
    }
}

void ssd_power_cut(struct drive *drive) {
    struct ssd *s = ssd_of(drive);
    struct io_line *lines[] = {&s->buffered, &s->unmapped, &s->reads, &s->writes, &s->rest};
    struct err e = {0};
    nand_power_cut(s->ftl.nand);
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
        io_line_clear(lines[i]);
    ssd_trim_reset(s);
    s->link_in.free_ns = s->link_out.free_ns = 0;
    s->wait_head = s->flush_head = NULL;
    if (s->drive.config.ssd.volatile_cache || s->write_through)
        undo_all(s);
    wbuf_reset(&s->buffer);
    ssd_ops_reset(s);
    ftl_gc_reset(&s->ftl);
    ftl_heat_reset(&s->ftl);
    if (s->ftl.ops->recover(&s->ftl, &e))
        log_error(LOG_DRIVE, "recovery after power loss is incomplete: %s", e.text);
    ssd_adopt_homeless(s);
}
