/*
 * Free lists of power-of-two buffers; see buffer.h.
 */
#include "transport/buffer.h"

#include <stdlib.h>
#include <string.h>

struct buffer_free {
    struct buffer_free *next;
};

static unsigned class_of(uint32_t bytes) {
    unsigned shift = bytes > 1 ? 32u - (unsigned)__builtin_clz(bytes - 1) : 0;
    return shift > BUFFER_MIN_SHIFT ? shift - BUFFER_MIN_SHIFT : 0;
}

static uint64_t class_bytes(unsigned class) {
    return 1ull << (class + BUFFER_MIN_SHIFT);
}

void buffer_pool_init(struct buffer_pool *pool, uint64_t keep_bytes) {
    memset(pool, 0, sizeof(*pool));
    pool->keep_bytes = keep_bytes;
}

void buffer_pool_release(struct buffer_pool *pool) {
    for (unsigned i = 0; i < BUFFER_CLASSES; i++) {
        while (pool->free[i]) {
            struct buffer_free *f = pool->free[i];
            pool->free[i] = f->next;
            free(f);
        }
    }
    pool->free_bytes = 0;
}

void *buffer_get(struct buffer_pool *pool, uint32_t bytes) {
    unsigned class = class_of(bytes);
    if (class >= BUFFER_CLASSES)
        return NULL;
    struct buffer_free *f = pool->free[class];
    if (f) {
        pool->free[class] = f->next;
        pool->free_bytes -= class_bytes(class);
    } else {
        f = aligned_alloc(64, class_bytes(class));
    }
    if (f)
        pool->used_bytes += class_bytes(class);
    return f;
}

void buffer_put(struct buffer_pool *pool, void *buffer, uint32_t bytes) {
    unsigned class = class_of(bytes);
    pool->used_bytes -= class_bytes(class);
    if (pool->free_bytes + class_bytes(class) > pool->keep_bytes) {
        free(buffer);
        return;
    }
    struct buffer_free *f = buffer;
    f->next = pool->free[class];
    pool->free[class] = f;
    pool->free_bytes += class_bytes(class);
}
