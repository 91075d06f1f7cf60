/*
 * A log in pieces of any size in, whole reports out. Memory is bounded whatever
 * comes in: lines longer than OOPS_LINE_MAX_BYTES are cut, a report has its own
 * bound (pool.h), and text without a report is passed over without a copy.
 *
 * Printk records of several CPUs or tasks that are interleaved are taken apart
 * where the log says who wrote them. The records of pstore are put into order
 * first (pstore.c).
 *
 * Not thread-safe; one reader a log.
 */
#ifndef DRIVELAB_DIAG_OOPS_LOG_READER_H
#define DRIVELAB_DIAG_OOPS_LOG_READER_H

#include "diag/oops/report/report.h"

#define OOPS_LINE_MAX_BYTES 8192

struct oops_reader;

/* One report, in the order of their headers in the log. The callee owns it (oops_report_free()). */
typedef void oops_report_fn(void *ctx, struct oops_report *report);

struct oops_reader *oops_reader_new(oops_report_fn *fn, void *ctx); /* NULL: no memory */
void oops_reader_free(struct oops_reader *reader);

/* 0, or -ENOMEM. `fn` may be called from within. */
int oops_reader_feed(struct oops_reader *reader, const char *data, size_t len);
/* What is fed next is another file, which may be in another encoding. */
void oops_reader_next_file(struct oops_reader *reader);
/* The log ends: reports still open are given out. 0, or -ENOMEM. */
int oops_reader_end(struct oops_reader *reader);

/*
 * All reports of a text in memory, up to `max` into `reports` (the caller frees each);
 * returns how many there were, or -ENOMEM.
 */
int oops_read_text(const char *text, size_t len, struct oops_report **reports, unsigned max);

#endif
