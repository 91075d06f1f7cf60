/*
 * Options as data. Each configurable number is one row; the parser, the help,
 * the man page, error messages and the JSON dump all read the rows.
 *
 * A module exports `const struct opt_row xxx_opts[]` (ended by a row with
 * key == NULL) whose offsets point into the module's own config struct. A
 * struct opt_set binds such tables to the structs they fill; profiles (INI)
 * and `-o section.key=value` are applied to the set.
 */
#ifndef DRIVELAB_BASE_OPT_H
#define DRIVELAB_BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

struct json_t;

enum opt_type {
    OPT_BOOL,   /* bool: yes/no, on/off, true/false, 1/0 */
    OPT_U32,    /* uint32_t */
    OPT_U64,    /* uint64_t */
    OPT_SIZE,   /* uint64_t bytes; suffixes B, K/KiB, M/MiB, G, T, P, E (powers of 1024), KB.. (powers of 1000) */
    OPT_TIME,   /* int64_t nanoseconds; suffixes ns (default), us, ms, s */
    OPT_DOUBLE, /* double */
    OPT_ENUM,   /* int: index into choices */
    OPT_STRING, /* char[OPT_STRING_MAX] in the config struct */
    OPT_TIMES,  /* struct opt_times: comma-separated list of times */
    OPT_TEXT,   /* char[OPT_TEXT_MAX]: a table; a value that begins with "+" is appended after a comma */
};

#define OPT_STRING_MAX 256
#define OPT_TIMES_MAX  8
#define OPT_TEXT_MAX   4096

/* A short list of times in nanoseconds, e.g. read time per page type. */
struct opt_times {
    uint32_t count;
    int64_t ns[OPT_TIMES_MAX];
};

struct opt_row {
    const char *section; /* "nand" */
    const char *key;     /* "read_time"; NULL ends the table */
    enum opt_type type;
    size_t offset;              /* offsetof(struct xxx_config, field) */
    double min, max;            /* inclusive, in the base unit; both 0: unchecked */
    const char *def;            /* default, as the user would write it */
    const char *const *choices; /* OPT_ENUM: NULL-terminated names */
    const char *unit;           /* "bytes", "ns", "%", "blocks"... or NULL */
    const char *help;           /* one line */
    bool runtime;               /* a real device could change it while running */
};

#define OPT_SET_TABLES 16

/* Several tables bound to the structs they fill. Owned by the caller. */
struct opt_set {
    unsigned count;
    struct {
        const struct opt_row *rows;
        void *config;
    } table[OPT_SET_TABLES];
};

/* Bind `rows` to `config` and set every field to its default. Returns 0; -ENOSPC if the set is full. */
int opt_set_add(struct opt_set *set, const struct opt_row *rows, void *config);

/* Find "section.key"; NULL if unknown. *config gets the bound struct if not NULL. */
const struct opt_row *opt_find(const struct opt_set *set, const char *section, const char *key, void **config);

/*
 * Parse `value` into section.key. Returns 0 or -EINVAL; `e` names the option,
 * the value and what is allowed (for an unknown key: the nearest names).
 */
int opt_assign(struct opt_set *set, const char *section, const char *key, const char *value, struct err *e);

/* As opt_assign() for "section.key=value", the argument of -o. */
int opt_assign_arg(struct opt_set *set, const char *arg, struct err *e);

/*
 * Apply an INI file (syntax of inih; [section] key = value). Sections in
 * `skip` (NULL-terminated, may be NULL) are not touched. Errors name file and line.
 */
int opt_load_ini(struct opt_set *set, const char *path, const char *const *skip, struct err *e);

/* As opt_load_ini() for `len` bytes in memory; `name` stands for the file in messages. */
int opt_load_ini_text(struct opt_set *set, const char *name, const char *text, size_t len, const char *const *skip,
                      struct err *e);

/* The value as text a user could give back, if it fits: OPT_TEXT_MAX bytes do. `buf` always terminated. Returns buf. */
const char *opt_value_text(const struct opt_row *row, const void *config, char *buf, size_t size);

/* Keep a value in `to`, OPT_TEXT_MAX bytes, and give it back as it was, whatever its text would be parsed to. */
void opt_keep(const struct opt_row *row, const void *config, void *to);
void opt_restore(const struct opt_row *row, void *config, const void *from);

/* What a value may be, as text: "1..64", "none, sequential, random", "yes or no"; "" if anything. Returns buf. */
const char *opt_range_text(const struct opt_row *row, char *buf, size_t size);

/* Print every option of the set with type, range, current value and meaning. */
void opt_print_help(const struct opt_set *set, FILE *out);

/* New JSON object {section: {key: value}}; caller owns the reference. NULL on no memory. */
struct json_t *opt_to_json(const struct opt_set *set);

/* Copy the values of the rows that can change at run time from one config struct to another. */
void opt_copy_runtime(const struct opt_row *rows, void *to, const void *from);

/* Parse "12", "4k", "1.5GiB" and so on; unit as in the types above. Return 0 or -EINVAL, -ERANGE. */
int opt_parse_size(const char *text, uint64_t *bytes);
int opt_parse_time(const char *text, int64_t *ns);

#endif
