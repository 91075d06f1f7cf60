/*
 * Sparsely used pages of a map, packed: 1024 entries of 32 bits of which few
 * are not zero. For large maps in memory, where scattered writes would touch a
 * page of the flat table each.
 *
 * A page's entries form a leaf: values, and the low eight bits of their places,
 * grouped by the upper two. Leaves of one size lie side by side in a region of
 * their own; when one goes, the last takes its place, so nothing is ever
 * fragmented. About 5 bytes an entry and 20 a page.
 *
 * Pointers to entries are valid until the next call that takes a leaf
 * structure that is not const.
 */
#ifndef DRIVELAB_DRIVE_SSD_FTL_LEAVES_H
#define DRIVELAB_DRIVE_SSD_FTL_LEAVES_H

#include <stdbool.h>
#include <stdint.h>

struct leaves;

/* For a map of so many pages, at most 2^22. NULL: no memory. */
struct leaves *leaves_new(uint32_t pages);
void leaves_free(struct leaves *l);

/* The entry at a place (below 1024) of a page, or NULL if it is zero. */
uint32_t *leaves_find(const struct leaves *l, uint32_t page, uint32_t at);

/* leaves_find() of that page will be called soon. */
void leaves_prefetch(const struct leaves *l, uint32_t page);

/*
 * Set an entry that is zero to `value`. False: the page is better kept flat, as
 * it is well filled or being written in order, or there is no memory; nothing
 * has changed.
 */
bool leaves_add(struct leaves *l, uint32_t page, uint32_t at, uint32_t value);

/* Set an entry that leaves_find() knows to zero. */
void leaves_remove(struct leaves *l, uint32_t page, uint32_t at);

/* Write the entries of a page to their places in `flat`, which is all zero, and forget them here. */
void leaves_spread(struct leaves *l, uint32_t page, uint32_t *flat);

/* Verify the structure; false: broken. */
bool leaves_check(const struct leaves *l);

#endif
