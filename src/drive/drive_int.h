/* What drive kinds need beyond drive.h. */
#ifndef DRIVELAB_DRIVE_DRIVE_INT_H
#define DRIVELAB_DRIVE_DRIVE_INT_H

#include "drive/drive.h"

/* As drive_complete(), for a request that was due at `when_ns`, not after now. */
void drive_complete_at(struct drive *drive, struct io *io, int64_t when_ns);

/*
 * Make everything written so far survive the machine, then call then(). It may
 * be called before this returns, so it must not complete the request directly.
 * A failing store fails the request. Forgotten after drive_power_cut().
 */
void drive_store_flush(struct drive *drive, struct io *io, void (*then)(struct drive *, struct io *));

/* Sections "drive" and "ssd". */
extern const struct opt_row drive_opts[];
extern const struct opt_row ssd_opts[];

/* The kind's operations. */
const struct drive_ops *drive_kind(const struct drive_config *config);

#endif
