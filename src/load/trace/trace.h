/*
 * A recorded sequence of requests, read piece by piece: constant memory
 * however long it is. Formats are rows of trace_formats[]; each lives in a file
 * of its own.
 */
#ifndef DRIVELAB_LOAD_TRACE_TRACE_H
#define DRIVELAB_LOAD_TRACE_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Of an append and of zone operations `offset` is the zone's start. */
enum trace_op {
    TRACE_READ,
    TRACE_WRITE,
    TRACE_TRIM,
    TRACE_FLUSH,
    TRACE_APPEND,
    TRACE_ZONE_RESET,
    TRACE_ZONE_FINISH,
    TRACE_ZONE_OPEN,
    TRACE_ZONE_CLOSE,
    TRACE_OPS
};

struct trace_record {
    int64_t at_ns; /* from the first one; never falls */
    enum trace_op op;
    uint32_t device;        /* as numbered in the file; 0 where it knows only one */
    uint64_t offset, bytes; /* as recorded */
};

struct trace;

struct trace_config {
    const char *path;   /* "-": standard input; outlives the trace */
    const char *format; /* name of a row, optionally ":VARIANT"; NULL: by looking at the file */
    uint64_t bad_lines; /* that are left out before it is an error */
};

/* NULL with `e` naming file, line, what was found and what is allowed. */
struct trace *trace_open(const struct trace_config *config, struct err *e);

/* 1: a record; 0: the end; -errno with `e` as above. */
int trace_next(struct trace *trace, struct trace_record *record, struct err *e);
void trace_close(struct trace *trace); /* NULL is allowed */

const char *trace_format_name(const struct trace *trace);
const char *trace_path(const struct trace *trace);
uint64_t trace_line_number(const struct trace *trace); /* of the last record; 0: the format has no lines */
double trace_done(const struct trace *trace);          /* share of the file that was read, 0 to 1; -1: nobody knows */

/* What reading has met so far. */
struct trace_notes {
    uint64_t bad_lines;  /* left out */
    char first_bad[400]; /* what was wrong with the first */
    uint64_t ignored;    /* lines or events that are no requests, or not those of the variant */
    uint64_t backwards;  /* records earlier than one before them; replayed at that one's time */
};
const struct trace_notes *trace_notes(const struct trace *trace);

/* Names and summaries of all formats, one a line, for messages and help. Returns buf. */
const char *trace_format_list(char *buf, unsigned size);

/* One row, for help and documentation. NULL after the last. */
struct trace_format_doc {
    const char *name, *summary, *line;
};
const struct trace_format_doc *trace_format_row(unsigned index);

#endif
