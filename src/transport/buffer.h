/*
 * Buffers for payload on its way from a host: powers of two from 4 KiB, kept on
 * free lists so that steady traffic allocates nothing. What lies free is
 * bounded; what is in use is bounded by the callers (per connection).
 *
 * One thread.
 */
#ifndef DRIVELAB_TRANSPORT_BUFFER_H
#define DRIVELAB_TRANSPORT_BUFFER_H

#include <stdint.h>

#define BUFFER_MIN_SHIFT 12
#define BUFFER_CLASSES   16 /* 4 KiB to 128 MiB */

struct buffer_free;

struct buffer_pool {
    struct buffer_free *free[BUFFER_CLASSES];
    uint64_t free_bytes, used_bytes;
    uint64_t keep_bytes; /* how much may lie free */
};

void buffer_pool_init(struct buffer_pool *pool, uint64_t keep_bytes);
void buffer_pool_release(struct buffer_pool *pool); /* all buffers must be back */

/* At least `bytes` (> 0), 64-byte aligned; NULL: no memory, or larger than the largest class. */
void *buffer_get(struct buffer_pool *pool, uint32_t bytes);
void buffer_put(struct buffer_pool *pool, void *buffer, uint32_t bytes); /* the same `bytes` */

#endif
