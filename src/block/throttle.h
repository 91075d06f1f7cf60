/*
 * Limits of cgroups, in bytes and requests a second: io.max of cgroup version 2,
 * blkio.throttle.* of version 1. The files of the block layer only; others see
 * context.h.
 */
#ifndef DRIVELAB_BLOCK_THROTTLE_H
#define DRIVELAB_BLOCK_THROTTLE_H

#include "block/context.h"

struct block;
struct json_t;

/*
 * Whether limits hold an io of the process back; it then belongs to its cgroup
 * and comes again by block_submit_passed(). O(depth of cgroups).
 */
bool block_throttle_holds(struct block *b, struct block_context *c, struct io *io);

/* Whether any io of the group is held back. */
bool block_throttled(const struct block_group *g);

/* Forget what is held back: after a power cut. */
void block_throttle_forget(struct block_group *g);
void block_throttle_free(struct block_group *g);

/* New JSON object, or NULL if the group never had limits. */
struct json_t *block_throttle_json(const struct block_group *g);

#endif
