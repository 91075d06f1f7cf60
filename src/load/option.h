/*
 * The options of job files as data: one row each. Parser, messages and
 * documentation (docs/job-files.md) read the rows.
 *
 * Source: fio(1) of fio 3.33, whose every option has a row: supported, accepted
 * without effect, or refused, the last two with the reason.
 */
#ifndef DRIVELAB_LOAD_OPTION_H
#define DRIVELAB_LOAD_OPTION_H

#include <stddef.h>

#include "load/job.h"

enum job_option_type {
    JOB_FLAG,    /* bool: 0, 1, or the name alone */
    JOB_COUNT,   /* unsigned */
    JOB_INT,     /* int, may be negative */
    JOB_NUMBER,  /* uint64_t with fio's suffixes */
    JOB_EXTENT,  /* struct job_extent: size, percentage, zones */
    JOB_TIME,    /* int64_t nanoseconds */
    JOB_REAL,    /* double */
    JOB_CHOICE,  /* int: index into choices */
    JOB_TEXT,    /* char[size] */
    JOB_SPECIAL, /* set() */
    JOB_NOTED,   /* accepted; has no effect because ... */
    JOB_REFUSED, /* not supported because ... */
};

struct job_option {
    const char *name;  /* NULL ends the table */
    const char *alias; /* other names, separated by spaces; or NULL */
    enum job_option_type type;
    bool per_dir; /* the field is an array for read, write, trim: "a", "a,b", "a,b,c", "a," */
    size_t offset, size;
    double min, max; /* inclusive; both 0: unchecked */
    int64_t unit_ns; /* JOB_TIME: of a number without a unit */
    const char *const *choices;
    int (*set)(struct job *, const struct job_option *, const char *value, struct err *);
    const char *allowed; /* JOB_SPECIAL: what a value may be */
    const char *def;     /* default, as text */
    const char *help;    /* meaning; or the reason */
};

extern const struct job_option job_options[];

/* The row of a name or alias; NULL if there is none. */
const struct job_option *job_option_find(const char *name);

/* Set one option of a job. 0, or -EINVAL with `e` naming option, value and what is allowed. */
int job_option_set(struct job *job, const struct job_option *option, const char *value, struct err *e);

/* Error for a name that no row has: nearest names and the list of those supported. */
int job_option_unknown(const char *name, struct err *e);

/* What a value may be: "a number from 1 to 65536". Returns buf. */
const char *job_option_allowed(const struct job_option *option, char *buf, size_t size);

/* Defaults of all options. */
void job_defaults(struct job *job);

/* The table as Markdown, for docs/job-files.md. */
void job_options_print(FILE *out);

/* --- option_special.c: options whose values have a syntax of their own --- */
#define JOB_SETTER(name) int name(struct job *, const struct job_option *, const char *value, struct err *)
JOB_SETTER(job_set_rw);
JOB_SETTER(job_set_bs);
JOB_SETTER(job_set_bsrange);
JOB_SETTER(job_set_bssplit);
JOB_SETTER(job_set_blockalign);
JOB_SETTER(job_set_rwmixwrite);
JOB_SETTER(job_set_distribution);
JOB_SETTER(job_set_startdelay);
JOB_SETTER(job_set_steadystate);
JOB_SETTER(job_set_verify);
JOB_SETTER(job_set_verify_pattern);
JOB_SETTER(job_set_sync);
JOB_SETTER(job_set_direct);
JOB_SETTER(job_set_replay_skip);
JOB_SETTER(job_set_continue_on_error);
JOB_SETTER(job_set_kb_base);
JOB_SETTER(job_set_name);
JOB_SETTER(job_set_only);
JOB_SETTER(job_set_log);
JOB_SETTER(job_set_percentile_list);

/* --- option_value.c: fio's types --- */

/* A number with fio's suffixes from text up to `end`; which of k and ki is 1024 depends on kb_base. 0 or -EINVAL,
 * -ERANGE.
 */
int job_value_bytes(const char *text, const char *end, unsigned kb_base, uint64_t *out);

/* fio's time up to `end`: "30", "1.5s", "500ms"; unit_ns: of a bare number. 0 or -EINVAL. */
int job_value_time(const char *text, const char *end, int64_t unit_ns, int64_t *out);

/* A decimal fraction up to `end`. 0 or -EINVAL. */
int job_value_real(const char *text, const char *end, double *out);

/*
 * An expression up to `end`, such as "(2*4k)"; unit_ns: of a time, whose numbers
 * have this unit if they say none; 0: of a size or count. 0 or -EINVAL, also if
 * it is negative or no number.
 */
int job_value_math(const char *text, const char *end, unsigned kb_base, int64_t unit_ns, double *out);

/*
 * Put this machine's figures in place of $ncpus, $pagesize and $mb_memory; with
 * arithmetic around them the value becomes its result. 0, -EINVAL: no
 * arithmetic, or -E2BIG.
 */
int job_value_keywords(char *value, size_t size);

/* "value is not allowed" in the words of the row. */
int job_option_bad(const struct job_option *option, const char *value, struct err *e);

#endif
