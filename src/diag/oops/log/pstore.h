/*
 * Putting the records of pstore into the order in which they were written.
 * Used by the reader alone.
 */
#ifndef DRIVELAB_DIAG_OOPS_LOG_PSTORE_H
#define DRIVELAB_DIAG_OOPS_LOG_PSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oops_pstore;

struct oops_pstore *oops_pstore_new(void); /* NULL: no memory */
void oops_pstore_free(struct oops_pstore *store);

/* The line that starts a record: "Panic#1 Part3". */
bool oops_pstore_is_header(const char *line, size_t len);

/* A line of a record, or the header of the next. False: no room, or no record is open; nothing was kept. */
bool oops_pstore_line(struct oops_pstore *store, const char *line, size_t len, uint64_t number);

/* All that was kept, in order; nothing is kept after that. */
typedef void oops_pstore_fn(void *ctx, const char *line, size_t len, uint64_t number);
void oops_pstore_flush(struct oops_pstore *store, oops_pstore_fn *fn, void *ctx);

#endif
