/*
 * The console of a guest whose kernel uses the drive that is served here: its
 * reports are decoded as they are written, beside what the drive did last.
 */
#ifndef DRIVELAB_CLI_GUEST_LOG_H
#define DRIVELAB_CLI_GUEST_LOG_H

#include "base/err.h"
#include "nvme/nvme.h"
#include "sim/sim.h"

struct guest_log;

/*
 * Follow `path` (which may come later, be cut or be replaced) in the loop of
 * `sim`; reports go to stderr. NULL with `e` filled.
 */
struct guest_log *guest_log_open(const char *path, struct sim *sim, const struct nvme_subsystem *subsystem,
                                 struct err *e);
/* What is left in the file is still read. */
void guest_log_close(struct guest_log *log);

/* A tag and a queue in a line of Linux's NVMe driver ("I/O tag 12 (300c) QID 1 timeout", "queue 1: timeout cid
 * 0x300c"). */
bool guest_log_tag(const char *line, unsigned *tag, unsigned *qid);

#endif
