/*
 * Blocks made unreadable by Write Uncorrectable: a bounded, unordered table of
 * ranges per namespace in the durable state.
 *
 * Every step leaves a usable table for whoever opens the image after the
 * process was killed: entries are added whole before others shrink, so blocks
 * may for an instant be listed twice, never a range that was not marked.
 */
#include <errno.h>

#include "nvme/nvme_int.h"

#define BARRIER() __atomic_signal_fence(__ATOMIC_SEQ_CST)

void nvme_marks_count(struct nvme_ns *ns) {
    ns->marks = 0;
    for (unsigned i = 0; i < NVME_MARKS; i++) {
        struct nvme_mark *m = &ns->durable->marks[i];
        if (m->count && (m->slba >= ns->nsze || m->count > ns->nsze - m->slba))
            m->count = 0;
        ns->marks += m->count != 0;
    }
}

bool nvme_marks_hit(const struct nvme_ns *ns, uint64_t slba, uint64_t nlb, uint64_t *first) {
    bool hit = false;
    for (unsigned i = 0; i < NVME_MARKS; i++) {
        const struct nvme_mark *m = &ns->durable->marks[i];
        if (!m->count || m->slba >= slba + nlb || slba >= m->slba + m->count)
            continue;
        uint64_t at = m->slba > slba ? m->slba : slba;
        if (!hit || at < *first)
            *first = at;
        hit = true;
    }
    return hit;
}

static struct nvme_mark *mark_free(struct nvme_ns *ns) {
    for (unsigned i = 0; i < NVME_MARKS; i++)
        if (!ns->durable->marks[i].count)
            return &ns->durable->marks[i];
    return NULL;
}

static void mark_set(struct nvme_ns *ns, struct nvme_mark *m, uint64_t slba, uint64_t count) {
    m->slba = slba;
    BARRIER();
    m->count = count;
    BARRIER();
    ns->marks++;
}

int nvme_marks_add(struct nvme_ns *ns, uint64_t slba, uint64_t nlb) {
    for (unsigned i = 0; i < NVME_MARKS; i++) {
        struct nvme_mark *m = &ns->durable->marks[i];
        if (m->count && slba >= m->slba && slba <= m->slba + m->count) { /* inside, or right behind */
            if (slba + nlb > m->slba + m->count)
                m->count = slba + nlb - m->slba;
            return 0;
        }
    }
    struct nvme_mark *m = mark_free(ns);
    if (!m)
        return -ENOSPC;
    mark_set(ns, m, slba, nlb);
    return 0;
}

/* [end of the cleared range, end of m) goes to an entry of its own; with the table full it is forgotten. */
static void mark_keep_tail(struct nvme_ns *ns, const struct nvme_mark *m, uint64_t from) {
    struct nvme_mark *tail = mark_free(ns);
    if (tail)
        mark_set(ns, tail, from, m->slba + m->count - from);
}

void nvme_marks_clear(struct nvme_ns *ns, uint64_t slba, uint64_t nlb) {
    uint64_t end = slba + nlb;
    for (unsigned i = 0; i < NVME_MARKS && ns->marks; i++) {
        struct nvme_mark *m = &ns->durable->marks[i];
        if (!m->count || m->slba >= end || slba >= m->slba + m->count)
            continue;
        if (m->slba + m->count > end)
            mark_keep_tail(ns, m, end);
        BARRIER();
        m->count = m->slba < slba ? slba - m->slba : 0;
        ns->marks -= m->count == 0;
    }
}
