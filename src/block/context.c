/*
 * Processes and their I/O priorities; see context.h.
 *
 * A process is found in an array if its number is small, else in a hash; the
 * last one found is remembered, as requests come in runs. Once known it stays:
 * results speak of it after it has ended.
 */
#define HASH_NONFATAL_OOM 1
#include "block/context.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block/block_int.h"

static const char *const class_names[] = {"none", "rt", "be", "idle"};

const char *ioprio_class_name(unsigned class) {
    return class < sizeof class_names / sizeof *class_names ? class_names[class] : "unknown";
}

static uint16_t or_norm(uint16_t ioprio) {
    return ioprio_class_of(ioprio) == IOPRIO_NONE ? ioprio_value(IOPRIO_BE, IOPRIO_NORM) : ioprio;
}

uint16_t ioprio_best(uint16_t a, uint16_t b) {
    a = or_norm(a);
    b = or_norm(b);
    return a < b ? a : b;
}

int ioprio_check(long class, long level, struct err *e) {
    if (class < IOPRIO_NONE || class > IOPRIO_IDLE)
        return err_set(e, EINVAL,
                       "I/O priority class %ld: allowed are 0 (none), 1 (real time), 2 (best effort), 3 (idle)", class);
    if (class == IOPRIO_NONE && level != 0)
        return err_set(e, EINVAL, "I/O priority class 0 (none) with level %ld: allowed is level 0", level);
    if (level < 0 || level >= IOPRIO_LEVELS)
        return err_set(e, EINVAL, "I/O priority level %ld: allowed are 0 (highest) to 7", level);
    return 0;
}

/* --- finding and making --- */

struct block_context *block_context_find(struct block *b, uint32_t owner) {
    if (owner < BLOCK_SMALL_IDS)
        return b->small[owner];
    if (b->last_context && b->last_context->id == owner)
        return b->last_context;
    struct block_context *c;
    HASH_FIND(hh, b->contexts, &owner, sizeof owner, c);
    b->last_context = c ? c : b->last_context;
    return c;
}

static struct block_context *context_new(struct block *b, uint32_t owner) {
    char name[32];
    struct block_context *c = calloc(1, sizeof *c);
    snprintf(name, sizeof name, "owner %" PRIu32, owner);
    if (c)
        c->name = strdup(name);
    if (!c || !c->name) {
        free(c);
        return NULL;
    }
    c->id = owner;
    c->block = b;
    c->cpu = (uint16_t)(owner % b->cpus);
    TAILQ_INIT(&c->plug.list);
    HASH_ADD(hh, b->contexts, id, sizeof c->id, c);
    if (!c->hh.tbl) {
        free(c->name);
        free(c);
        return NULL;
    }
    c->group = &b->root;
    b->root.contexts++;
    if (owner < BLOCK_SMALL_IDS)
        b->small[owner] = c;
    return c;
}

struct block_context *block_context_get(struct block *b, uint32_t owner) {
    struct block_context *c = block_context_find(b, owner);
    return c ? c : context_new(b, owner);
}

void block_contexts(struct block *b, void (*each)(void *arg, struct block_context *), void *arg) {
    for (struct block_context *c = b->contexts; c; c = c->hh.next)
        each(arg, c);
}

void block_contexts_release(struct block *b) {
    struct block_context *c, *next;
    HASH_ITER(hh, b->contexts, c, next) {
        HASH_DEL(b->contexts, c);
        free(c->name);
        free(c);
    }
    b->last_context = NULL;
    memset(b->small, 0, sizeof b->small);
}

/* --- describing --- */

static int check_settings(const struct block_context_settings *s, struct err *e) {
    if (s->nice < -20 || s->nice > 19)
        return err_set(e, EINVAL, "nice %d: allowed are -20 to 19", s->nice);
    if (s->prioclass < 0 && s->prio < 0)
        return 0;
    return ioprio_check(s->prioclass < 0 ? IOPRIO_BE : s->prioclass, s->prio < 0 ? 0 : s->prio, e);
}

static uint16_t ioprio_of(const struct block_context_settings *s) {
    unsigned class = s->prioclass < 0 ? IOPRIO_BE : (unsigned)s->prioclass;
    unsigned level = s->prio < 0 ? (s->prioclass == IOPRIO_NONE ? 0 : IOPRIO_NORM) : (unsigned)s->prio;
    if (s->prioclass < 0 && s->prio < 0)
        return 0;
    return ioprio_value(class, class == IOPRIO_IDLE ? 7 : level);
}

void block_context_move(struct block *b, struct block_context *c, struct block_group *g) {
    if (c->group == g)
        return;
    c->group->contexts--;
    c->group = g;
    g->contexts++;
    c->change++;
    if (b->ops->context_changed)
        b->ops->context_changed(b->elevator, c);
}

static int set_name(struct block_context *c, const char *name, struct err *e) {
    char *copy = name ? strdup(name) : NULL;
    if (name && !copy)
        return err_set(e, ENOMEM, "no memory for a process");
    if (copy) {
        free(c->name);
        c->name = copy;
    }
    return 0;
}

int block_context_describe(struct block *b, uint32_t owner, const struct block_context_settings *s, struct err *e) {
    if (check_settings(s, e))
        return -EINVAL;
    struct block_group *g = block_group_get(b, s->cgroup ? s->cgroup : "", e);
    if (!g)
        return -EINVAL;
    bool limits = s->cgroup_limits && s->cgroup_limits[0];
    if ((s->cgroup_weight && block_group_check_weight(b, g, "weight", s->cgroup_weight, e)) ||
        (limits && block_group_set_limits(b, g, s->cgroup_limits, e)))
        return -EINVAL;
    if (s->cgroup_weight)
        block_group_set_weight(b, g, s->cgroup_weight, e);
    struct block_context *c = block_context_get(b, owner);
    if (!c)
        return err_set(e, ENOMEM, "no memory for a process");
    int rc = set_name(c, s->name, e);
    if (rc)
        return rc;
    uint16_t ioprio = ioprio_of(s);
    bool changed = c->ioprio != ioprio || c->nice != s->nice;
    c->ioprio = ioprio;
    c->nice = (int8_t)s->nice;
    c->described = true;
    if (changed) {
        c->change++;
        if (b->ops->context_changed)
            b->ops->context_changed(b->elevator, c);
    }
    block_context_move(b, c, g);
    return 0;
}

void block_context_exit(struct block *b, uint32_t owner) {
    struct block_context *c = block_context_find(b, owner);
    if (!c || c->exited)
        return;
    c->exited = true;
    block_enter(b);
    block_flush_plug(b, c);
    if (b->ops->context_exit)
        b->ops->context_exit(b->elevator, c);
    block_leave(b);
}

void block_contexts_detach(struct block *b, struct elevator *e) {
    struct block_context *c, *next_context;
    struct block_group *g, *next_group;
    if (e->ops->context_exit)
        HASH_ITER(hh, b->contexts, c, next_context)
    e->ops->context_exit(e, c);
    if (e->ops->group_exit)
        HASH_ITER(hh, b->groups, g, next_group)
    e->ops->group_exit(e, g);
}
