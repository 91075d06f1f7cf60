/*
 * A pool is a chain of blocks, each twice the last up to a limit, and freed as a
 * whole. Growing arrays keep their room as a power of two, so the bytes given up
 * by growing are at most as many as those in use.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag/oops/pool.h"

#define FIRST_BLOCK   4096u
#define LARGEST_BLOCK (256u << 10)

struct block {
    struct block *next;
    size_t used, room;
    _Alignas(max_align_t) unsigned char bytes[];
};

struct oops_pool {
    struct block *blocks; /* the newest first */
    size_t total;
};

struct oops_pool *oops_pool_new(void) {
    return calloc(1, sizeof(struct oops_pool));
}

void oops_pool_free(struct oops_pool *pool) {
    if (!pool)
        return;
    for (struct block *b = pool->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(pool);
}

size_t oops_pool_bytes(const struct oops_pool *pool) {
    return pool->total;
}

static struct block *add_block(struct oops_pool *pool, size_t bytes) {
    size_t room = pool->blocks ? pool->blocks->room * 2 : FIRST_BLOCK;
    if (room > LARGEST_BLOCK)
        room = LARGEST_BLOCK;
    if (room < bytes)
        room = bytes;
    if (room > OOPS_POOL_MAX_BYTES - pool->total)
        return NULL;
    struct block *b = malloc(sizeof(*b) + room);
    if (!b)
        return NULL;
    *b = (struct block){.next = pool->blocks, .room = room};
    pool->blocks = b;
    pool->total += room;
    return b;
}

static void *take(struct oops_pool *pool, size_t bytes, size_t align) {
    struct block *b = pool->blocks;
    if (bytes > OOPS_POOL_MAX_BYTES)
        return NULL;
    size_t at = b ? (b->used + align - 1) & ~(align - 1) : 0;
    if (!b || at > b->room || bytes > b->room - at) {
        b = add_block(pool, bytes);
        at = 0;
    }
    if (!b)
        return NULL;
    b->used = at + bytes;
    return b->bytes + at;
}

void *oops_pool_alloc(struct oops_pool *pool, size_t bytes) {
    void *p = take(pool, bytes, _Alignof(max_align_t));
    return p ? memset(p, 0, bytes) : NULL;
}

const char *oops_pool_strn(struct oops_pool *pool, const char *s, size_t len) {
    char *copy = len && len < OOPS_POOL_MAX_BYTES ? take(pool, len + 1, 1) : NULL;
    if (!copy)
        return "";
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

const char *oops_pool_str(struct oops_pool *pool, const char *s) {
    return oops_pool_strn(pool, s, strlen(s));
}

const char *oops_pool_printf(struct oops_pool *pool, const char *fmt, ...) {
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (len < 0)
        return "";
    return oops_pool_strn(pool, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

static bool is_power_of_two(unsigned n) {
    return (n & (n - 1)) == 0;
}

void *oops_pool_push(struct oops_pool *pool, void *array, unsigned *count, size_t size, unsigned max) {
    unsigned char *elements;
    memcpy(&elements, array, sizeof(elements)); /* `array` points to a pointer of the caller's type */
    if (*count >= max)
        return NULL;
    if (is_power_of_two(*count)) { /* full: 0, 1, 2, 4 ... */
        unsigned char *grown = oops_pool_alloc(pool, size * (*count ? 2 * (size_t)*count : 1));
        if (!grown)
            return NULL;
        if (*count)
            memcpy(grown, elements, size * *count);
        elements = grown;
        memcpy(array, &elements, sizeof(elements));
    }
    return elements + size * (*count)++;
}
