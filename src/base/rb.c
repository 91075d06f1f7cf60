/*
 * Red-black tree (Guibas and Sedgewick 1978; rules as in Cormen et al.,
 * chapter 13), written for either side at once: `s` is a side, `!s` the other.
 *
 * Invariants, rechecked by the unit test after every step: the root is black; no
 * red node has a red child; every way from the root to a missing child passes
 * the same number of black nodes; `first` is the leftmost node.
 */
#include "base/rb.h"

static bool is_red(const struct rb_node *n) {
    return n && n->red;
}

static bool side_of(const struct rb_node *n) {
    return n == n->parent->child[1];
}

/* Put `to` where `from` hangs; `from` keeps its own links. */
static void replace(struct rb_tree *t, const struct rb_node *from, struct rb_node *to) {
    if (!from->parent)
        t->root = to;
    else
        from->parent->child[side_of(from)] = to;
    if (to)
        to->parent = from->parent;
}

/* `n` goes down to side `s`, its child on the other side comes up. */
static void rotate(struct rb_tree *t, struct rb_node *n, bool s) {
    struct rb_node *up = n->child[!s];
    n->child[!s] = up->child[s];
    if (up->child[s])
        up->child[s]->parent = n;
    replace(t, n, up);
    up->child[s] = n;
    n->parent = up;
}

void rb_insert(struct rb_tree *t, struct rb_node *n, const struct rb_place *place) {
    *n = (struct rb_node){.parent = place->parent, .red = true, .linked = true};
    if (place->parent)
        place->parent->child[place->right] = n;
    else
        t->root = n;
    if (place->leftmost)
        t->first = n;
    while (is_red(n->parent)) {
        struct rb_node *parent = n->parent, *grand = parent->parent;
        bool s = side_of(parent);
        struct rb_node *uncle = grand->child[!s];
        if (is_red(uncle)) {
            parent->red = uncle->red = false;
            grand->red = true;
            n = grand;
            continue;
        }
        if (side_of(n) != s) {
            rotate(t, parent, s);
            parent = n;
        }
        parent->red = false;
        grand->red = true;
        rotate(t, grand, !s);
        break;
    }
    t->root->red = false;
}

/* The ways through `n` (perhaps NULL, below `parent`) lack one black node: mend that. */
static void mend(struct rb_tree *t, struct rb_node *n, struct rb_node *parent) {
    while (parent && !is_red(n)) {
        bool s = n == parent->child[1];
        struct rb_node *sibling = parent->child[!s];
        if (sibling->red) {
            sibling->red = false;
            parent->red = true;
            rotate(t, parent, s);
            sibling = parent->child[!s];
        }
        if (!is_red(sibling->child[0]) && !is_red(sibling->child[1])) {
            sibling->red = true;
            n = parent;
            parent = n->parent;
            continue;
        }
        if (!is_red(sibling->child[!s])) {
            sibling->child[s]->red = false;
            sibling->red = true;
            rotate(t, sibling, !s);
            sibling = parent->child[!s];
        }
        sibling->red = parent->red;
        parent->red = sibling->child[!s]->red = false;
        rotate(t, parent, s);
        return;
    }
    if (n)
        n->red = false;
}

/* `n` has both children: its successor takes its place and colour. Returns whether a black node is missing. */
static bool erase_inner(struct rb_tree *t, struct rb_node *n, struct rb_node **hole, struct rb_node **hole_parent) {
    struct rb_node *next = n->child[1];
    while (next->child[0])
        next = next->child[0];
    bool missing = !next->red;
    *hole = next->child[1];
    *hole_parent = next->parent == n ? next : next->parent;
    if (next->parent != n) {
        replace(t, next, next->child[1]);
        next->child[1] = n->child[1];
        next->child[1]->parent = next;
    }
    replace(t, n, next);
    next->child[0] = n->child[0];
    next->child[0]->parent = next;
    next->red = n->red;
    return missing;
}

void rb_erase(struct rb_tree *t, struct rb_node *n) {
    struct rb_node *hole, *hole_parent;
    bool missing = !n->red;
    if (t->first == n)
        t->first = rb_next(n);
    if (n->child[0] && n->child[1]) {
        missing = erase_inner(t, n, &hole, &hole_parent);
    } else {
        hole = n->child[n->child[0] ? 0 : 1];
        hole_parent = n->parent;
        replace(t, n, hole);
    }
    if (missing)
        mend(t, hole, hole_parent);
    n->linked = false;
}

struct rb_node *rb_next(const struct rb_node *n) {
    if (n->child[1]) {
        n = n->child[1];
        while (n->child[0])
            n = n->child[0];
        return (struct rb_node *)n;
    }
    while (n->parent && side_of(n) == 1)
        n = n->parent;
    return n->parent;
}

struct rb_node *rb_last(const struct rb_tree *t) {
    struct rb_node *n = t->root;
    while (n && n->child[1])
        n = n->child[1];
    return n;
}
