/*
 * Ranges of a drive that are dirty in a page cache: disjoint, in order, joined
 * where they touch. For writeback.c.
 *
 * Insertion, removal and search O(log n). Memory comes from slabs that are kept.
 */
#ifndef DRIVELAB_LOAD_DIRTY_H
#define DRIVELAB_LOAD_DIRTY_H

#include <stdint.h>

#include "base/rb.h"

struct dirty_range {
    struct rb_node node;
    uint64_t start, end; /* end: exclusive */
    struct dirty_range *next_free;
};

/* Where ranges come from; several sets may share one. Zero-initialise. */
struct dirty_pool {
    struct dirty_slab *slabs;
    struct dirty_range *free;
};

/* Zero-initialise all but `pool`. */
struct dirty_set {
    struct dirty_pool *pool;
    struct rb_tree tree;
    uint64_t bytes;
};

void dirty_pool_release(struct dirty_pool *pool); /* and with it all ranges of its sets */

/* 0, or -ENOMEM and nothing changed. */
int dirty_add(struct dirty_set *set, uint64_t start, uint64_t end);

/* What lies in [start, end) isn't dirty any more. Without memory for the second half of a range that is cut in two, it
 * stays whole. */
void dirty_cut(struct dirty_set *set, uint64_t start, uint64_t end);

/* Whether all of [start, end) is dirty. */
bool dirty_covers(const struct dirty_set *set, uint64_t start, uint64_t end);

/* Take up to `bytes` from the first range that starts at `from` or after it, or else from the first; false: all clean.
 */
bool dirty_take(struct dirty_set *set, uint64_t from, uint64_t bytes, uint64_t *start, uint64_t *end);

#endif
