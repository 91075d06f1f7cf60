/*
 * Flushes of a file by a worker thread, answered on the loop.
 *
 * A request that comes while a flush runs waits for the next one, which then
 * covers all that came meanwhile. The worker sees numbers only, never a
 * request: a request's owner may go away together with the flusher.
 */
#ifndef DRIVELAB_STORE_FLUSHER_H
#define DRIVELAB_STORE_FLUSHER_H

#include "base/err.h"
#include "sim/sim.h"
#include "store/store.h"

struct flusher;

/* NULL with `e` filled on failure. `sim` NULL or in virtual time: no thread, flushes are done in the call. */
struct flusher *flusher_new(int fd, struct sim *sim, struct err *e);

/* Waits for a running flush; requests not answered are forgotten. NULL is allowed. */
void flusher_free(struct flusher *f);

void flusher_add(struct flusher *f, struct store_flush *request);

/* 0, or the -errno of the first flush that failed. */
int flusher_error(struct flusher *f);

#endif
