/* What the formats of traces share; see trace.h. */
#ifndef DRIVELAB_LOAD_TRACE_TRACE_INT_H
#define DRIVELAB_LOAD_TRACE_TRACE_INT_H

#include <stddef.h>

#include "load/trace/input.h"
#include "load/trace/trace.h"

/* What a format makes of a line or an event. */
enum trace_take {
    TRACE_TAKEN,
    TRACE_IGNORED,     /* no request */
    TRACE_MALFORMED,   /* not what the format allows */
    TRACE_OUT_OF_DATA, /* binary formats: the end */
    TRACE_BROKEN,      /* binary formats: `e` is filled, reading can't go on */
};

struct trace_format {
    struct trace_format_doc doc;
    const char *const *variants; /* after "NAME:", the first is the default; NULL: none */
    /* Could a file that begins so be of this format? `head` is NUL-terminated and may end within a line. */
    bool (*detect)(const char *head, size_t len);
    /* Before the first record; may be NULL. 0 or -errno with `e`. */
    int (*begin)(struct trace *, struct err *);
    /* Text: one line, which may be cut up; at_ns as recorded. */
    enum trace_take (*line)(struct trace *, char *line, struct trace_record *);
    /* Binary: the next event. */
    enum trace_take (*event)(struct trace *, struct trace_record *, struct err *);
    void (*end)(struct trace *); /* frees `own`; may be NULL: free() does */
};

extern const struct trace_format trace_drivelab, trace_fio, trace_mqsim, trace_msr, trace_spc, trace_alibaba,
    trace_tencent, trace_blkparse, trace_blktrace, trace_systor, trace_fiu;

#define TRACE_COLUMNS_MAX 9

struct trace {
    const struct trace_format *format;
    const char *path; /* as it was named */
    struct input *in;
    unsigned variant; /* index into format->variants */
    uint64_t bad_allowed;
    bool started;
    int64_t first_ns, last_ns;
    unsigned version;                 /* of the file, where the format has several */
    int64_t clock_ns;                 /* where the format adds times up */
    uint8_t order[TRACE_COLUMNS_MAX]; /* where the headings put each column; see trace_columns() */
    bool ordered;
    void *own; /* more that a format needs */
    struct trace_notes notes;
};

#define TRACE_SECTOR        512
#define TRACE_DRIVELAB_HEAD "# drivelab trace 1"
#define TRACE_DRIVELAB_OPS  "RWTFAZNOC" /* in the order of enum trace_op */

/*
 * Cut a line at `separator` (' ' stands for any run of blanks) into at most
 * `max` fields; blanks around a field are cut off. The number of fields; more
 * than there is room for: max + 1.
 */
unsigned trace_fields(char *line, char separator, char **field, unsigned max);

/* Digits only, at most `max`. */
bool trace_number(const char *text, uint64_t max, uint64_t *value);

/* A time with a decimal fraction in units of `unit_ns`, such as "12.000345" seconds. */
bool trace_time(const char *text, int64_t unit_ns, int64_t *ns);

/* Sectors into bytes; false if it doesn't fit. */
bool trace_sectors(const char *text, uint64_t *bytes);

/* Does the first line of `head` that isn't blank have `count` fields and a number in each of those in `numbers` (bits)?
 */
bool trace_looks_like(const char *head, char separator, unsigned count, uint32_t numbers);

#endif
