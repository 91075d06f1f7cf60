/*
 * Memory of one decoded report: strings and arrays that live and die together,
 * with an upper bound, as their sizes come from a stranger's log.
 *
 * Not thread-safe; a pool belongs to one report. When the bound is reached or
 * memory runs out, allocations return NULL and strings become "": a report gets
 * shorter, never wrong.
 */
#ifndef DRIVELAB_DIAG_OOPS_POOL_H
#define DRIVELAB_DIAG_OOPS_POOL_H

#include <stddef.h>
#include <stdint.h>

#define OOPS_POOL_MAX_BYTES (16u << 20)

struct oops_pool;

struct oops_pool *oops_pool_new(void); /* NULL: no memory */
void oops_pool_free(struct oops_pool *pool);
size_t oops_pool_bytes(const struct oops_pool *pool); /* in use, or ready to be */

/* Zeroed, aligned for any type. NULL: the bound is reached. */
void *oops_pool_alloc(struct oops_pool *pool, size_t bytes);

/* A copy with a NUL behind it; "" if there is no room. Never NULL. */
const char *oops_pool_strn(struct oops_pool *pool, const char *s, size_t len);
const char *oops_pool_str(struct oops_pool *pool, const char *s);
const char *oops_pool_printf(struct oops_pool *pool, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * One more element for a growing array that lives in the pool: `*array` of
 * `*count` elements of `size` bytes, of which at most `max` are kept. Returns
 * the new, zeroed element, or NULL when full.
 */
void *oops_pool_push(struct oops_pool *pool, void *array, unsigned *count, size_t size, unsigned max);

#endif
