/* base/rb: a sorted array as the oracle, the colour rules after every step. */
#include "base/rb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

#define ITEMS 300

struct item {
    struct rb_node node;
    uint32_t key;
};

static struct item *item_of(const struct rb_node *n) {
    return n ? rb_entry(n, struct item, node) : NULL;
}

static void insert(struct rb_tree *t, struct item *i) {
    struct rb_place p = rb_root_place(t);
    while (rb_place_node(&p))
        rb_descend(&p, i->key >= item_of(rb_place_node(&p))->key);
    rb_insert(t, &i->node, &p);
}

/* Number of black nodes on each way down, the same on all of them. */
static unsigned check_below(const struct rb_node *n) {
    if (!n)
        return 1;
    for (int s = 0; s < 2; s++) {
        if (n->child[s]) {
            assert_ptr_equal(n->child[s]->parent, n);
            assert_false(n->red && n->child[s]->red);
        }
    }
    unsigned left = check_below(n->child[0]), right = check_below(n->child[1]);
    assert_int_equal(left, right);
    return left + !n->red;
}

static void check(const struct rb_tree *t, struct item *const *sorted, unsigned count) {
    assert_false(t->root && t->root->red);
    check_below(t->root);
    assert_ptr_equal(item_of(rb_first(t)), count ? sorted[0] : NULL);
    assert_ptr_equal(item_of(rb_last(t)), count ? sorted[count - 1] : NULL);
    const struct rb_node *n = rb_first(t);
    for (unsigned i = 0; i < count; i++) {
        assert_ptr_equal(item_of(n), sorted[i]);
        n = rb_next(n);
    }
    assert_null(n);
}

static void test_rb_agrees_with_a_sorted_array(void **state) {
    static struct item items[ITEMS];
    struct item *sorted[ITEMS];
    unsigned count = 0;
    struct rb_tree t = {0};
    struct rng r;
    rng_init(&r, 5, 0);
    for (unsigned step = 0; step < 6000; step++) {
        struct item *i = &items[rng_below(&r, ITEMS)];
        if (!rb_linked(&i->node)) {
            i->key = (uint32_t)rng_below(&r, 60); /* many equal keys */
            unsigned at = count;
            while (at && sorted[at - 1]->key > i->key)
                at--;
            memmove(&sorted[at + 1], &sorted[at], (count - at) * sizeof(sorted[0]));
            sorted[at] = i;
            count++;
            insert(&t, i);
        } else if (rng_below(&r, step < 3000 ? 3 : 1) == 0) {
            unsigned at = 0;
            while (sorted[at] != i)
                at++;
            count--;
            memmove(&sorted[at], &sorted[at + 1], (count - at) * sizeof(sorted[0]));
            rb_erase(&t, &i->node);
        }
        check(&t, sorted, count);
    }
    while (count) {
        assert_ptr_equal(item_of(rb_first(&t)), sorted[0]);
        rb_erase(&t, rb_first(&t));
        memmove(sorted, sorted + 1, --count * sizeof(sorted[0]));
        check(&t, sorted, count);
    }
    assert_null(t.root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rb_agrees_with_a_sorted_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
