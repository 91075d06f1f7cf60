/*
 * Values of job options in fio's types; source: fio(1), "PARAMETER TYPES", and
 * for units what fio 3.33 does, which differs: 4ki is 4k, only 4kib is of the
 * other base.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/option.h"

#define VALUE_TEXT_MAX 64

/* A piece of a value as a string of its own; false if it is empty or no number could be so long. */
static bool piece(char *to, const char *text, const char *end) {
    if (end <= text || end - text >= VALUE_TEXT_MAX)
        return false;
    memcpy(to, text, (size_t)(end - text));
    to[end - text] = 0;
    return true;
}

/* k, m, g ... in either case; ib swaps the base, i or b alone say nothing. */
static int suffix(const char *unit, unsigned kb_base, unsigned *power, unsigned *base) {
    static const char units[] = "bkmgtp";
    *power = 0;
    *base = kb_base;
    if (!*unit)
        return 0;
    const char *u = strchr(units, tolower((unsigned char)*unit));
    if (!u)
        return -EINVAL;
    *power = (unsigned)(u - units);
    unit++;
    if (*power && tolower((unsigned char)*unit) == 'i') {
        if (tolower((unsigned char)unit[1]) == 'b')
            *base = kb_base == 1000 ? 1024 : 1000;
        unit++;
    }
    if (*power && tolower((unsigned char)*unit) == 'b')
        unit++;
    return *unit ? -EINVAL : 0;
}

int job_value_bytes(const char *text, const char *end, unsigned kb_base, uint64_t *out) {
    char number[VALUE_TEXT_MAX], *unit;
    unsigned power, base;
    double result;
    if (end > text && *text == '(') {
        int ret = job_value_math(text, end, kb_base, 0, &result);
        *out = ret ? 0 : (uint64_t)result;
        return ret;
    }
    if (!piece(number, text, end) || !isdigit((unsigned char)number[0]))
        return -EINVAL;
    bool hex = number[0] == '0' && tolower((unsigned char)number[1]) == 'x';
    errno = 0;
    unsigned long long value = strtoull(number, &unit, hex ? 16 : 10);
    if (errno)
        return -ERANGE;
    if (suffix(unit, kb_base, &power, &base))
        return -EINVAL;
    for (; power; power--)
        if (__builtin_mul_overflow(value, base, &value))
            return -ERANGE;
    *out = value;
    return 0;
}

int job_value_time(const char *text, const char *end, int64_t unit_ns, int64_t *out) {
    static const struct {
        const char *unit;
        int64_t ns;
    } units[] = {{"s", 1000000000},
                 {"sec", 1000000000},
                 {"ms", 1000000},
                 {"msec", 1000000},
                 {"us", 1000},
                 {"usec", 1000},
                 {"ns", 1},
                 {"nsec", 1},
                 {"m", 60 * INT64_C(1000000000)},
                 {"h", 3600000000000},
                 {"d", 86400000000000},
                 {0}};
    char number[VALUE_TEXT_MAX], *unit;
    double result;
    if (end > text && *text == '(') {
        int ret = job_value_math(text, end, 1024, unit_ns, &result);
        *out = ret ? 0 : (int64_t)result;
        return ret;
    }
    if (!piece(number, text, end) || !isdigit((unsigned char)number[0]))
        return -EINVAL;
    double value = strtod(number, &unit);
    int64_t ns = *unit ? 0 : unit_ns;
    for (unsigned i = 0; *unit && units[i].unit; i++)
        if (!strcasecmp(unit, units[i].unit))
            ns = units[i].ns;
    if (!ns || !(value * (double)ns <= 1e18))
        return -EINVAL;
    *out = (int64_t)(value * (double)ns);
    return 0;
}

int job_value_real(const char *text, const char *end, double *out) {
    char number[VALUE_TEXT_MAX], *rest;
    if (end > text && *text == '(')
        return job_value_math(text, end, 1024, 0, out);
    if (!piece(number, text, end) || (!isdigit((unsigned char)number[0]) && number[0] != '.'))
        return -EINVAL;
    *out = strtod(number, &rest);
    return *rest || !(*out <= 1e18) ? -EINVAL : 0;
}

static void list_choices(const char *const *choices, char *buf, size_t size) {
    size_t used = 0;
    for (unsigned i = 0; choices[i] && used < size; i++)
        used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? ", " : "", choices[i]);
}

static void number_range(const struct job_option *o, const char *what, char *buf, size_t size) {
    if (!o->min && !o->max)
        snprintf(buf, size, "%s", what);
    else if (!o->max)
        snprintf(buf, size, "%s from %.15g", what, o->min);
    else
        snprintf(buf, size, "%s from %.15g to %.15g", what, o->min, o->max);
}

const char *job_option_allowed(const struct job_option *o, char *buf, size_t size) {
    buf[0] = 0;
    if (o->allowed)
        snprintf(buf, size, "%s", o->allowed);
    else if (o->type == JOB_FLAG)
        snprintf(buf, size, "0 or 1");
    else if (o->type == JOB_COUNT || o->type == JOB_INT)
        number_range(o, "a number", buf, size);
    else if (o->type == JOB_NUMBER)
        number_range(o, "a number such as 4096, 512k, 10m, 2g", buf, size);
    else if (o->type == JOB_REAL)
        number_range(o, "a decimal number", buf, size);
    else if (o->type == JOB_EXTENT)
        snprintf(buf, size,
                 "a size such as 4096, 512k, 10m, 2g, a percentage of the drive %s 0%% to 100%%, or 4z (zones)",
                 o->min > 0 ? "above" : "from");
    else if (o->type == JOB_TIME)
        snprintf(buf, size, "a time such as 30, 30s, 500ms, 20us, 5m, 1h; %s without a unit",
                 o->unit_ns == 1000 ? "microseconds" : "seconds");
    else if (o->type == JOB_CHOICE)
        list_choices(o->choices, buf, size);
    else if (o->type == JOB_TEXT)
        snprintf(buf, size, "a text of at most %zu characters", o->size - 1);
    if (o->per_dir) {
        size_t used = strlen(buf);
        snprintf(buf + used, size - used, "; up to three of them for read,write,trim");
    }
    return buf;
}

int job_option_bad(const struct job_option *option, const char *value, struct err *e) {
    char allowed[600];
    return err_set(e, EINVAL, "%s=%.100s: %s", option->name, value,
                   job_option_allowed(option, allowed, sizeof(allowed)));
}

static bool in_range(const struct job_option *o, double value) {
    return (!o->min && !o->max) || (value >= o->min && (!o->max || value <= o->max));
}

static int parse_extent(const struct job_option *o, const char *text, const char *end, unsigned kb_base,
                        struct job_extent *extent) {
    *extent = (struct job_extent){.given = true};
    if (end > text && end[-1] == '%')
        return job_value_real(text, end - 1, &extent->percent) || extent->percent < o->min || extent->percent > 100
                   ? -EINVAL
                   : 0;
    if (end > text && (end[-1] == 'z' || end[-1] == 'Z'))
        return job_value_bytes(text, end - 1, kb_base, &extent->zones) || !extent->zones ? -EINVAL : 0;
    return job_value_bytes(text, end, kb_base, &extent->bytes);
}

static int parse_choice(const struct job_option *o, const char *text, const char *end, int *out) {
    for (int i = 0; o->choices[i]; i++)
        if (strlen(o->choices[i]) == (size_t)(end - text) && !strncmp(o->choices[i], text, (size_t)(end - text))) {
            *out = i;
            return 0;
        }
    return -EINVAL;
}

static int parse_text(const struct job_option *o, const char *text, const char *end, char *out) {
    if ((size_t)(end - text) >= o->size)
        return -EINVAL;
    memcpy(out, text, (size_t)(end - text));
    out[end - text] = 0;
    return 0;
}

static int parse_flag(const char *text, const char *end, bool *out) {
    if (end - text > 1 || (end - text == 1 && *text != '0' && *text != '1'))
        return -EINVAL;
    *out = end == text || *text == '1';
    return 0;
}

static int parse_int(const struct job_option *o, const char *text, const char *end, int *out) {
    uint64_t number;
    bool negative = text < end && *text == '-';
    if (job_value_bytes(text + negative, end, 1024, &number) || number > INT32_MAX)
        return -EINVAL;
    *out = negative ? -(int)number : (int)number;
    return in_range(o, *out) ? 0 : -EINVAL;
}

/* One value into element `dir` of the field. */
static int parse_one(struct job *job, const struct job_option *o, unsigned dir, const char *text, const char *end) {
    char *field = (char *)job + o->offset;
    uint64_t number;
    switch (o->type) {
    case JOB_FLAG:
        return parse_flag(text, end, (bool *)field);
    case JOB_COUNT:
        if (job_value_bytes(text, end, job->kb_base, &number) || number > UINT32_MAX || !in_range(o, (double)number))
            return -EINVAL;
        ((unsigned *)field)[dir] = (unsigned)number;
        return 0;
    case JOB_INT:
        return parse_int(o, text, end, (int *)field);
    case JOB_NUMBER:
        if (job_value_bytes(text, end, job->kb_base, &number) || !in_range(o, (double)number))
            return -EINVAL;
        ((uint64_t *)field)[dir] = number;
        return 0;
    case JOB_EXTENT:
        return parse_extent(o, text, end, job->kb_base, (struct job_extent *)field);
    case JOB_TIME:
        return job_value_time(text, end, o->unit_ns, &((int64_t *)field)[dir]);
    case JOB_REAL: {
        double *real = (double *)field;
        return job_value_real(text, end, real) || !in_range(o, *real) ? -EINVAL : 0;
    }
    case JOB_CHOICE:
        return parse_choice(o, text, end, (int *)field);
    case JOB_TEXT:
        return parse_text(o, text, end, field);
    default:
        return -EINVAL;
    }
}

/* Copy element 0 or 1 to the directions after it that were not given. */
static void repeat(struct job *job, const struct job_option *o, unsigned from) {
    size_t each = o->type == JOB_COUNT ? sizeof(unsigned) : sizeof(uint64_t);
    char *field = (char *)job + o->offset;
    for (unsigned dir = from + 1; dir < RUN_DIRS; dir++)
        memcpy(field + dir * each, field + from * each, each);
}

/* "a" for all; "a,b": trims as writes; an empty one stays as it was. */
static int set_directions(struct job *job, const struct job_option *o, const char *value) {
    unsigned last = RUN_DIRS, dir = 0;
    for (const char *at = value;; dir++) {
        const char *comma = strchr(at, ',');
        const char *end = comma ? comma : at + strlen(at);
        if (dir == RUN_DIRS || (end > at && parse_one(job, o, dir, at, end)))
            return -EINVAL;
        if (end > at)
            last = dir;
        if (!comma)
            break;
        at = comma + 1;
    }
    if (last == RUN_DIRS)
        return -EINVAL;
    if (last == dir)
        repeat(job, o, dir);
    return 0;
}

int job_option_set(struct job *job, const struct job_option *o, const char *value, struct err *e) {
    if (o->type == JOB_REFUSED)
        return err_set(e, EINVAL, "option \"%s\" is not supported: %s", o->name, o->help);
    if (o->type == JOB_NOTED)
        return 0;
    if (o->type == JOB_SPECIAL)
        return o->set(job, o, value, e);
    int bad = o->per_dir ? set_directions(job, o, value) : parse_one(job, o, 0, value, value + strlen(value));
    return bad ? job_option_bad(o, value, e) : 0;
}
