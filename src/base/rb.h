/*
 * A red-black tree whose nodes live inside what they order. The owner walks
 * down and decides; the tree links, balances, and always knows its first node.
 *
 *     struct rb_place p = rb_root_place(&tree);
 *     while (rb_place_node(&p))
 *         rb_descend(&p, key >= item_of(rb_place_node(&p))->key);  // equal keys go right
 *     rb_insert(&tree, &item->node, &p);
 *
 * Insertion and removal O(log n), first O(1), steps O(1) on average.
 */
#ifndef DRIVELAB_BASE_RB_H
#define DRIVELAB_BASE_RB_H

#include <stdbool.h>
#include <stddef.h>

struct rb_node {
    struct rb_node *parent, *child[2];
    bool red, linked;
};

struct rb_tree {
    struct rb_node *root, *first;
};

/* A way down the tree: the link that is looked at and the node it belongs to. */
struct rb_place {
    struct rb_node *parent, **link;
    bool leftmost, right; /* only left turns so far; the last turn */
};

/* The struct of type `type` whose member `member` is `node`. */
#define rb_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline struct rb_place rb_root_place(struct rb_tree *t) {
    return (struct rb_place){.link = &t->root, .leftmost = true};
}

/* The node at the place; NULL: something can be inserted here. */
static inline struct rb_node *rb_place_node(const struct rb_place *p) {
    return *p->link;
}

/* On to a child of the place's node, which must not be NULL. */
static inline void rb_descend(struct rb_place *p, bool right) {
    p->parent = *p->link;
    p->link = &p->parent->child[right];
    p->leftmost &= !right;
    p->right = right;
}

/* Put a node that is in no tree at an empty place. */
void rb_insert(struct rb_tree *t, struct rb_node *n, const struct rb_place *place);

/* Take a node out of the tree it is in. */
void rb_erase(struct rb_tree *t, struct rb_node *n);

/* In order; NULL at the end, or if there is none. */
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_last(const struct rb_tree *t);

static inline struct rb_node *rb_first(const struct rb_tree *t) {
    return t->first;
}

static inline bool rb_linked(const struct rb_node *n) {
    return n->linked;
}

#endif
