/*
 * What the flash was used for: time of each die, plane and channel by cause,
 * waiting, and the episodes of garbage collection.
 */
#ifndef DRIVELAB_REPORT_USAGE_H
#define DRIVELAB_REPORT_USAGE_H

#include "media/nand/nand.h"

struct json_t;
struct usage;

#define USAGE_EPISODES 1000    /* that are listed; all are counted */
#define USAGE_GAP_NS   1000000 /* collection that rests for longer begins a new episode */

struct usage *usage_new(const struct nand_config *config); /* NULL: no memory */
void usage_free(struct usage *u);

/* A use of a resource, as struct nand_observer tells it; `load`: operations on the die at the moment. */
void usage_add(struct usage *u, enum nand_resource resource, uint32_t index, enum nand_phase phase,
               const struct nand_op *op, uint32_t load, int64_t from_ns, int64_t to_ns);

/* Of the last usage_add(): it was another plane of a use told before; it was the operation's first in the array. */
bool usage_repeated(const struct usage *u);
bool usage_first(const struct usage *u);

/* New JSON objects; times are counted from `start_ns` to `end_ns`. Caller owns them. */
struct json_t *usage_dies_json(const struct usage *u, int64_t start_ns, int64_t end_ns);
struct json_t *usage_channels_json(const struct usage *u, int64_t start_ns, int64_t end_ns);
struct json_t *usage_episodes_json(struct usage *u, int64_t start_ns);

#endif
