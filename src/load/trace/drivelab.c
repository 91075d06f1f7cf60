/*
 * Our own format, written by `drivelab serve --record`: text, a first line
 * "# drivelab trace 1", then NANOSECONDS,OP,OFFSET,BYTES with OP one of R, W, T
 * (trim), F (flush), A (zone append; the offset is the zone's start), and the
 * zone actions Z (reset), N (finish), O (open), C (close). Exact times, one line
 * a request, small under gzip.
 */
#include <string.h>

#include "load/trace/trace_int.h"

static bool detect(const char *head, size_t len) {
    return !strncmp(head, TRACE_DRIVELAB_HEAD, strlen(TRACE_DRIVELAB_HEAD));
}

static enum trace_take line(struct trace *t, char *text, struct trace_record *r) {
    char *field[5];
    uint64_t at;
    if (*text == '#')
        return TRACE_IGNORED;
    if (trace_fields(text, ',', field, 5) != 4 || !trace_number(field[0], INT64_MAX, &at) || strlen(field[1]) != 1 ||
        !trace_number(field[2], INT64_MAX, &r->offset) || !trace_number(field[3], INT64_MAX, &r->bytes))
        return TRACE_MALFORMED;
    const char *op = strchr(TRACE_DRIVELAB_OPS, field[1][0]);
    if (!op)
        return TRACE_MALFORMED;
    r->op = (enum trace_op)(op - TRACE_DRIVELAB_OPS);
    r->at_ns = (int64_t)at;
    return TRACE_TAKEN;
}

const struct trace_format trace_drivelab = {
    .doc = {"drivelab", "recorded by drivelab serve --record", "NANOSECONDS,R|W|T|F|A|Z|N|O|C,OFFSET,BYTES"},
    .detect = detect,
    .line = line,
};
