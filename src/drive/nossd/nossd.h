/* The drive kind "nossd"; see nossd.c. */
#ifndef DRIVELAB_DRIVE_NOSSD_H
#define DRIVELAB_DRIVE_NOSSD_H

#include "drive/drive.h"

extern const struct drive_ops nossd_ops;
extern const struct opt_row nossd_opts[]; /* section "nossd" */

#endif
