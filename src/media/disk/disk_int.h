/* What the files of the disk's geometry share. */
#ifndef DRIVELAB_MEDIA_DISK_INT_H
#define DRIVELAB_MEDIA_DISK_INT_H

#include <stddef.h>

#include "media/disk/disk.h"

/* The next item of a comma-separated text, without spaces around; false at its end. Cut to `size`. */
bool disk_next_item(const char **text, char *item, size_t size);

/* Parse and check the seek curve; g->cylinders is known. 0 or -EINVAL. */
int disk_curve_init(struct disk_geometry *g, const struct disk_config *config, struct err *e);

/* Draw the defects; g->zone is known. Counts their sectors out of g->sectors where they slip. 0, -EINVAL or -ENOMEM. */
int disk_defects_init(struct disk_geometry *g, const struct disk_config *config, struct err *e);

#endif
