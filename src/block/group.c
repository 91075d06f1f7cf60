/*
 * The tree of cgroups; see context.h.
 *
 * Source: Linux 4.4 block/blk-cgroup.c, cfq-iosched.c (weights);
 * Documentation/cgroups/blkio-controller.txt.
 * Simplified: a group is made by naming it; weights per device are the queue's
 * only ones, as there is one device.
 */
#define HASH_NONFATAL_OOM 1
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "block/block_int.h"
#include "block/throttle.h"

#define PATH_MAX_BYTES 1024

struct weights {
    long min, max, normal, root;
};

static const struct weights *weights(const struct block *b) {
    static const struct weights v1 = {10, 1000, 500, 1000}, v2 = {1, 10000, 100, 200};
    return b->cgroup_version == 2 ? &v2 : &v1;
}

uint32_t block_weight_default(const struct block *b, bool root) {
    return (uint32_t)(root ? weights(b)->root : weights(b)->normal);
}

static int group_init(struct block *b, struct block_group *g, const char *path, struct block_group *parent) {
    memset(g, 0, sizeof *g);
    g->path = strdup(path);
    if (!g->path)
        return -ENOMEM;
    g->id = b->group_ids++;
    g->weight = g->leaf_weight = block_weight_default(b, !parent);
    block_pool_init(&g->pool);
    LIST_INIT(&g->children);
    HASH_ADD_KEYPTR(hh, b->groups, g->path, strlen(g->path), g);
    if (!g->hh.tbl) {
        free(g->path);
        return -ENOMEM;
    }
    g->parent = parent;
    if (parent)
        LIST_INSERT_HEAD(&parent->children, g, sibling);
    return 0;
}

int block_groups_init(struct block *b) {
    return group_init(b, &b->root, "", NULL);
}

void block_groups_release(struct block *b) {
    struct block_group *g, *next;
    HASH_ITER(hh, b->groups, g, next) {
        HASH_DEL(b->groups, g);
        block_throttle_free(g);
        free(g->path);
        if (g != &b->root)
            free(g);
    }
}

void block_groups(struct block *b, void (*each)(void *arg, struct block_group *), void *arg) {
    for (struct block_group *g = b->groups; g; g = g->hh.next)
        each(arg, g);
}

/* --- paths --- */

/* "/a//b/" as "a/b". 0, or -EINVAL: too long, or with a component that isn't a name. */
static int clean_path(const char *path, char *clean, size_t size, struct err *e) {
    size_t used = 0;
    for (const char *at = path; *at;) {
        size_t len = strcspn(at, "/");
        if ((len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.'))
            return err_set(e, EINVAL, "cgroup \"%s\": \".\" and \"..\" are not names of groups", path);
        if (len > 0 && used + len + 2 > size)
            return err_set(e, EINVAL, "cgroup \"%.40s...\": a path has at most %zu bytes", path, size - 1);
        if (len > 0) {
            if (used)
                clean[used++] = '/';
            memcpy(clean + used, at, len);
            used += len;
        }
        at += len + (at[len] == '/');
    }
    clean[used] = '\0';
    return 0;
}

static struct block_group *lookup(struct block *b, const char *path, size_t len) {
    struct block_group *g;
    HASH_FIND(hh, b->groups, path, len, g);
    return g;
}

struct block_group *block_group_find(struct block *b, const char *path) {
    char clean[PATH_MAX_BYTES];
    return clean_path(path, clean, sizeof clean, NULL) ? NULL : lookup(b, clean, strlen(clean));
}

static struct block_group *group_new(struct block *b, const char *path, struct block_group *parent, struct err *e) {
    if (HASH_COUNT(b->groups) >= BLOCK_MAX_GROUPS) {
        err_set(e, EINVAL, "cgroup \"%s\": there are %u already, the most allowed", path, BLOCK_MAX_GROUPS);
        return NULL;
    }
    struct block_group *g = malloc(sizeof *g);
    if (g && !group_init(b, g, path, parent))
        return g;
    free(g);
    err_set(e, ENOMEM, "no memory for cgroup \"%s\"", path);
    return NULL;
}

struct block_group *block_group_get(struct block *b, const char *path, struct err *e) {
    char clean[PATH_MAX_BYTES];
    if (clean_path(path, clean, sizeof clean, e))
        return NULL;
    struct block_group *g = &b->root;
    for (char *end = clean; *end && g;) {
        end = strchrnul(end + 1, '/');
        char kept = *end;
        *end = '\0';
        struct block_group *child = lookup(b, clean, (size_t)(end - clean));
        g = child ? child : group_new(b, clean, g, e);
        *end = kept;
    }
    return g;
}

/* --- weights, removal --- */

int block_group_check_weight(const struct block *b, const struct block_group *g, const char *what, long weight,
                             struct err *e) {
    const struct weights *w = weights(b);
    if (weight >= w->min && weight <= w->max)
        return 0;
    return err_set(e, EINVAL, "%s of %s%s%s: %ld; allowed are %ld to %ld", what,
                   g->parent ? "cgroup \"" : "the root cgroup", g->path, g->parent ? "\"" : "", weight, w->min, w->max);
}

static void set(struct block *b, struct block_group *g, uint32_t *field, long weight) {
    if (*field == (uint32_t)weight)
        return;
    *field = (uint32_t)weight;
    if (b->ops->group_changed)
        b->ops->group_changed(b->elevator, g);
}

/* The root has no siblings: its weight, as in Linux, is that of its own processes. */
int block_group_set_weight(struct block *b, struct block_group *g, long weight, struct err *e) {
    if (block_group_check_weight(b, g, "weight", weight, e))
        return -EINVAL;
    if (!g->parent)
        set(b, g, &g->leaf_weight, weight);
    set(b, g, &g->weight, weight);
    return 0;
}

int block_group_set_leaf_weight(struct block *b, struct block_group *g, long weight, struct err *e) {
    if (block_group_check_weight(b, g, "leaf_weight", weight, e))
        return -EINVAL;
    set(b, g, &g->leaf_weight, weight);
    return 0;
}

static const char *why_kept(const struct block_group *g) {
    if (!g->parent)
        return "it is the root";
    if (!LIST_EMPTY(&g->children))
        return "it has groups in it";
    if (g->requests || !TAILQ_EMPTY(&g->pool.wait[0]) || !TAILQ_EMPTY(&g->pool.wait[1]) || g->pool.waking ||
        block_throttled(g))
        return "it has requests under way";
    return NULL;
}

static void add_stat(struct block_group_stat *to, const struct block_group_stat *from) {
    for (unsigned i = 0; i < 2; i++) {
        to->ios[i] += from->ios[i];
        to->sectors[i] += from->sectors[i];
    }
    to->service_ns += from->service_ns;
    to->wait_ns += from->wait_ns;
    to->merged += from->merged;
}

int block_group_remove(struct block *b, struct block_group *g, struct err *e) {
    const char *why = why_kept(g);
    if (why)
        return err_set(e, EBUSY, "cgroup \"%s\" can't be removed: %s", g->path, why);
    for (struct block_context *c = b->contexts; c; c = c->hh.next)
        if (c->group == g)
            block_context_move(b, c, g->parent);
    if (b->ops->group_exit)
        b->ops->group_exit(b->elevator, g);
    add_stat(&g->parent->stat, &g->stat);
    LIST_REMOVE(g, sibling);
    HASH_DEL(b->groups, g);
    block_throttle_free(g);
    free(g->path);
    free(g);
    return 0;
}
