/* Dirty ranges in order; see dirty.h. */
#include "load/dirty.h"

#include <errno.h>
#include <stdlib.h>

#define SLAB_RANGES 128

struct dirty_slab {
    struct dirty_slab *next;
    struct dirty_range range[SLAB_RANGES];
};

static struct dirty_range *range_of(const struct rb_node *n) {
    return n ? rb_entry(n, struct dirty_range, node) : NULL;
}

static void give_back(struct dirty_pool *pool, struct dirty_range *r) {
    r->next_free = pool->free;
    pool->free = r;
}

static struct dirty_range *take_free(struct dirty_pool *pool) {
    struct dirty_slab *slab = pool->free ? NULL : malloc(sizeof(*slab));
    if (slab) {
        slab->next = pool->slabs;
        pool->slabs = slab;
        for (unsigned i = SLAB_RANGES; i--;)
            give_back(pool, &slab->range[i]);
    }
    struct dirty_range *r = pool->free;
    if (r) {
        pool->free = r->next_free;
        *r = (struct dirty_range){0};
    }
    return r;
}

void dirty_pool_release(struct dirty_pool *pool) {
    while (pool->slabs) {
        struct dirty_slab *slab = pool->slabs;
        pool->slabs = slab->next;
        free(slab);
    }
    pool->free = NULL;
}

static void link_range(struct dirty_set *set, struct dirty_range *r) {
    struct rb_place p = rb_root_place(&set->tree);
    while (rb_place_node(&p))
        rb_descend(&p, r->start >= range_of(rb_place_node(&p))->start);
    rb_insert(&set->tree, &r->node, &p);
}

static void drop(struct dirty_set *set, struct dirty_range *r) {
    rb_erase(&set->tree, &r->node);
    give_back(set->pool, r);
}

/* The first range that ends at `at` or after it. As they are disjoint, their ends are in order, too. */
static struct dirty_range *ending_from(const struct dirty_set *set, uint64_t at) {
    struct rb_node *n = set->tree.root, *best = NULL;
    while (n) {
        bool right = range_of(n)->end < at;
        best = right ? best : n;
        n = n->child[right];
    }
    return range_of(best);
}

int dirty_add(struct dirty_set *set, uint64_t start, uint64_t end) {
    struct dirty_range *r = ending_from(set, start), *next;
    if (start >= end)
        return 0;
    if (!r || r->start > end) {
        struct dirty_range *fresh = take_free(set->pool);
        if (!fresh)
            return -ENOMEM;
        fresh->start = start;
        fresh->end = end;
        link_range(set, fresh);
        set->bytes += end - start;
        return 0;
    }
    /* It meets this one, which takes in all further ones that the new range reaches; the order stays. */
    set->bytes -= r->end - r->start;
    r->start = start < r->start ? start : r->start;
    r->end = end > r->end ? end : r->end;
    while ((next = range_of(rb_next(&r->node))) != NULL && next->start <= r->end) {
        set->bytes -= next->end - next->start;
        r->end = next->end > r->end ? next->end : r->end;
        drop(set, next);
    }
    set->bytes += r->end - r->start;
    return 0;
}

/* Take [start, end), which lies in it, out of one range. */
static void cut_one(struct dirty_set *set, struct dirty_range *r, uint64_t start, uint64_t end) {
    struct dirty_range *rest = NULL;
    if (start > r->start && end < r->end) {
        rest = take_free(set->pool);
        if (!rest)
            return;
        rest->start = end;
        rest->end = r->end;
        r->end = start;
        link_range(set, rest);
    } else if (start > r->start) {
        r->end = start;
    } else if (end < r->end) {
        r->start = end;
    } else {
        drop(set, r);
    }
    set->bytes -= end - start;
}

void dirty_cut(struct dirty_set *set, uint64_t start, uint64_t end) {
    struct dirty_range *r = start < end ? ending_from(set, start + 1) : NULL;
    while (r && r->start < end) {
        struct dirty_range *next = range_of(rb_next(&r->node));
        cut_one(set, r, start > r->start ? start : r->start, end < r->end ? end : r->end);
        r = next;
    }
}

bool dirty_covers(const struct dirty_set *set, uint64_t start, uint64_t end) {
    const struct dirty_range *r = ending_from(set, end);
    return r && r->start <= start;
}

bool dirty_take(struct dirty_set *set, uint64_t from, uint64_t bytes, uint64_t *start, uint64_t *end) {
    struct rb_node *n = set->tree.root, *best = NULL;
    while (n) {
        bool right = range_of(n)->start < from;
        best = right ? best : n;
        n = n->child[right];
    }
    struct dirty_range *r = range_of(best ? best : rb_first(&set->tree));
    if (!r)
        return false;
    *start = r->start;
    *end = r->end - r->start > bytes ? r->start + bytes : r->end;
    cut_one(set, r, *start, *end);
    return true;
}
