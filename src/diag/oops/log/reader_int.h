/*
 * The state of a reader of logs, for its two halves: the bytes (reader.c) and
 * the reports that are open (slots.c).
 */
#ifndef DRIVELAB_DIAG_OOPS_LOG_READER_INT_H
#define DRIVELAB_DIAG_OOPS_LOG_READER_INT_H

#include "diag/oops/log/pstore.h"
#include "diag/oops/oops_int.h"

#define HISTORY_BYTES (16u << 10) /* before the place looked at, for what led to a report */
#define OPEN_MAX      16
#define RECENT_MAX    24
#define RECENT_BYTES  512
#define BANNER_BYTES  400
#define HELD_BYTES    1024 /* longer lines are no wrapped ones */

/* A log in UTF-16, as Windows writes them. */
struct oops_wide {
    enum { WIDE_UNKNOWN, WIDE_NOT, WIDE_LITTLE, WIDE_BIG } order;
    bool half; /* of a unit is `first` */
    unsigned char first;
};

struct recent {
    struct oops_log_line line;
    char text[RECENT_BYTES];
    bool looked;                  /* `form` is known */
    const struct oops_form *form; /* of a message that a trace follows; NULL: it is none */
};

/* What is kept of a report that was given out. */
struct oops_given {
    unsigned number;
    enum oops_kind kind;
    bool has_time;
    int64_t time_us, cpu, pid;
    uint64_t last_line;
    char caller;
    uint32_t caller_id;
    int die_count;
};

#define OOPS_GIVEN_MAX 4

struct oops_followed {
    struct oops_given given[OOPS_GIVEN_MAX]; /* the newest is given[(count - 1) % OOPS_GIVEN_MAX] */
    unsigned count;                          /* of this boot */
};

struct slot {
    struct oops_report *report; /* NULL: given up */
    const struct oops_form *form;
    bool open, ended;
    bool waits;         /* interrupted by the next report's header before it was complete; gets no more lines */
    bool prose;         /* its header stands among words of people: worth telling only when nothing else is */
    bool kernel;        /* its header had a prefix of the kernel's */
    bool collects_cpus; /* all CPUs were asked for their traces */
    char caller;
    uint32_t caller_id;
    unsigned headers; /* lines at its start that are one header, told once for each inlined function */
    bool doubled;     /* every line came twice so far */
    bool repeated;    /* the last one has */
    unsigned quiet, foreign;
    unsigned traces;                /* begun so far */
    unsigned ends;                  /* "end trace" of this and those that wait */
    unsigned first_seen, last_body; /* its header and its last sure line, in the order in which lines came */
    unsigned body_lines;            /* up to and with the last line that surely belongs to it */
};

struct oops_reader {
    oops_report_fn *fn;
    void *ctx;
    struct oops_scanner scanner;
    char *window;
    size_t len, at;  /* bytes in the window; the next to be looked at */
    uint64_t number; /* of the line at `at` */
    bool flat;       /* that line was many */
    char *clean;     /* a line after cleaning */
    struct oops_foreign foreign;
    struct oops_wide wide;
    bool holds; /* `held` may go on in the next line */
    struct oops_log_line held;
    size_t held_columns; /* of its last line in the log */
    bool held_blank;     /* that line ended in a blank */
    bool held_quoted;    /* by a mail: it wraps at blanks */
    bool cuts_words;     /* lines are broken at a column, whatever stands there */
    size_t widest;       /* line since a report began */
    char held_text[HELD_BYTES];
    struct slot slots[OPEN_MAX];
    struct oops_report *mention; /* the first, if there is nothing but such */
    struct oops_report *lone;    /* a header without anything behind it, until the next report shows what it was */
    unsigned slot_count, reports;
    struct oops_followed followed;
    struct recent recent[RECENT_MAX];
    unsigned recent_count; /* ever; the newest is recent[(recent_count - 1) % RECENT_MAX] */
    struct oops_pstore *pstore;
    bool in_pstore;
    char banner[BANNER_BYTES];
    int error;
};

/* ---- wide.c ---- */

/*
 * The next piece of a log of which `*len` bytes at `*data` are left: as it is, or
 * what of it fits `buffer` in UTF-8. Moves both behind it; returns its length, and
 * its place in `*piece`.
 */
#define WIDE_BYTES 4096
size_t oops_wide_piece(struct oops_wide *wide, const char **data, size_t *len, char buffer[WIDE_BYTES],
                       const char **piece);

/* ---- reader.c ---- */

/* A raw line into the records in it (lines.c), without the prefix of this log. */
unsigned oops_reader_clean(struct oops_reader *reader, const char *raw, size_t len,
                           struct oops_log_line lines[OOPS_GLUED_MAX]);

/* ---- follows.c ---- */

/* A report, whose number is known: from which one before it it follows, if from one. */
void oops_follow(struct oops_followed *followed, struct oops_report *report);
void oops_follow_forget(struct oops_followed *followed); /* another boot begins */

/* ---- slots.c ---- */

/* A line, in case that a report follows for which it matters; all lines before `start` of the window. */
void oops_slots_remember(struct oops_reader *reader, const struct oops_log_line *line);
void oops_slots_remember_window(struct oops_reader *reader, size_t start);

/* A line to the report that it belongs to; it may open one, and close others. */
void oops_slots_take(struct oops_reader *reader, const struct oops_log_line *line);
bool oops_slots_any(const struct oops_reader *reader); /* a report is open */
void oops_slots_close(struct oops_reader *reader);     /* all that are */
void oops_slots_end(struct oops_reader *reader);       /* the log is over: what was held back is given out */

/* ---- headless.c ---- */

/* What came before a trace, by the same printer. */
struct oops_look {
    unsigned lines; /* remembered lines back to the one that is its header; 0: none */
    bool known;     /* which says something known */
    bool task;      /* a line between names the task, as dump_stack() does first */
    bool headed;    /* it has begun before */
    bool injected;  /* somebody tests how the kernel copes with failures: nothing to report */
};
struct oops_look oops_look_back(struct oops_reader *reader, const struct oops_log_line *line);
/* The `back`-th line remembered, from 0, if it is of the same printer or a header; else NULL. */
const struct oops_log_line *oops_look_line(const struct oops_reader *reader, const struct oops_log_line *line,
                                           unsigned back, bool header);

#endif
