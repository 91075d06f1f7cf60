/*
 * Option values: text to number and back.
 *
 * Numbers are decimal, optionally with a fraction before a suffix ("1.5GiB").
 * They are computed in integers, so the same text is the same value everywhere;
 * what a fraction leaves below the base unit is rounded to nearest.
 */
#include "base/opt.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/opt_int.h"

struct suffix {
    const char *name;
    uint64_t factor;
};

static const struct suffix size_suffixes[] = {
    {"EiB", 1ull << 60},
    {"E", 1ull << 60},
    {"EB", 1000000000000000000},
    {"PiB", 1ull << 50},
    {"P", 1ull << 50},
    {"PB", 1000000000000000},
    {"TiB", 1ull << 40},
    {"T", 1ull << 40},
    {"TB", 1000000000000},
    {"GiB", 1ull << 30},
    {"G", 1ull << 30},
    {"GB", 1000000000},
    {"MiB", 1ull << 20},
    {"M", 1ull << 20},
    {"MB", 1000000},
    {"KiB", 1ull << 10},
    {"K", 1ull << 10},
    {"KB", 1000},
    {"B", 1},
    {"", 1},
    {NULL, 0},
};

static const struct suffix time_suffixes[] = {
    {"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}, {"", 1}, {NULL, 0},
};

static const struct suffix no_suffixes[] = {{"", 1}, {NULL, 0}};

static const char *skip_space(const char *p) {
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

#define FRACTION_DIGITS 12

/* Digits with an optional fraction, as whole + fraction / 10^12. Returns the end, or NULL: no number; *rc says why. */
static const char *parse_decimal(const char *p, uint64_t *whole, uint64_t *fraction, int *rc) {
    *whole = *fraction = 0;
    *rc = -EINVAL;
    if (!isdigit((unsigned char)*p))
        return NULL;
    for (; isdigit((unsigned char)*p); p++) {
        if (__builtin_mul_overflow(*whole, 10u, whole) || __builtin_add_overflow(*whole, (unsigned)(*p - '0'), whole)) {
            *rc = -ERANGE;
            return NULL;
        }
    }
    if (*p != '.')
        return p;
    if (!isdigit((unsigned char)*++p))
        return NULL;
    uint64_t scale = 100000000000; /* 10^(FRACTION_DIGITS - 1); further digits don't count */
    for (; isdigit((unsigned char)*p); p++, scale /= 10)
        *fraction += (uint64_t)(*p - '0') * scale;
    return p;
}

static const struct suffix *find_suffix(const struct suffix *s, const char *text) {
    size_t len = strlen(text);
    while (len && isspace((unsigned char)text[len - 1]))
        len--;
    for (; s->name; s++)
        if (strlen(s->name) == len && !strncasecmp(s->name, text, len))
            return s;
    return NULL;
}

static int parse_scaled(const char *text, const struct suffix *suffixes, uint64_t *value) {
    uint64_t whole, fraction, product, rest;
    int rc;
    const char *end = parse_decimal(skip_space(text), &whole, &fraction, &rc);
    if (!end)
        return rc;
    const struct suffix *s = find_suffix(suffixes, skip_space(end));
    if (!s || (fraction && s->factor == 1))
        return -EINVAL;
    rest = (uint64_t)(((unsigned __int128)fraction * s->factor + 500000000000) / 1000000000000);
    if (__builtin_mul_overflow(whole, s->factor, &product) || __builtin_add_overflow(product, rest, value))
        return -ERANGE;
    return 0;
}

int opt_parse_size(const char *text, uint64_t *bytes) {
    return parse_scaled(text, size_suffixes, bytes);
}

int opt_parse_time(const char *text, int64_t *ns) {
    uint64_t value;
    int rc = parse_scaled(text, time_suffixes, &value);
    if (rc)
        return rc;
    if (value > INT64_MAX)
        return -ERANGE;
    *ns = (int64_t)value;
    return 0;
}

static int parse_bool(const char *text, bool *value) {
    static const char *const words[] = {"no", "yes", "off", "on", "false", "true", "0", "1"};
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        if (!strcasecmp(text, words[i])) {
            *value = i & 1;
            return 0;
        }
    }
    return -EINVAL;
}

static int parse_double(const char *text, double *value) {
    char *end;
    if (!isdigit((unsigned char)*text) && *text != '-' && *text != '.')
        return -EINVAL;
    double v = strtod(text, &end);
    if (end == text || *skip_space(end))
        return -EINVAL;
    if (!isfinite(v))
        return -ERANGE;
    *value = v;
    return 0;
}

static int parse_enum(const char *text, const char *const *choices, int *value) {
    for (int i = 0; choices[i]; i++) {
        if (!strcasecmp(text, choices[i])) {
            *value = i;
            return 0;
        }
    }
    return -EINVAL;
}

static bool in_range(const struct opt_row *row, double v) {
    return (row->min == 0 && row->max == 0) || (v >= row->min && v <= row->max);
}

static int parse_times(const struct opt_row *row, const char *text, struct opt_times *times) {
    struct opt_times t = {0};
    for (const char *p = text;; p++) {
        char item[64];
        size_t len = strcspn(p, ",");
        if (len >= sizeof item || t.count == OPT_TIMES_MAX)
            return -EINVAL;
        memcpy(item, p, len);
        item[len] = '\0';
        int rc = opt_parse_time(item, &t.ns[t.count]);
        if (rc)
            return rc;
        if (!in_range(row, (double)t.ns[t.count++]))
            return -ERANGE;
        p += len;
        if (!*p)
            break;
    }
    *times = t;
    return 0;
}

/* Room for a value of any type. */
union value {
    bool b;
    uint32_t u32;
    uint64_t u64;
    int64_t ns;
    double d;
    int i;
    struct opt_times times;
};

static int range_check(const struct opt_row *row, int rc, double v) {
    return rc ? rc : in_range(row, v) ? 0 : -ERANGE;
}

/* Parse into `v`; *size is how many bytes of it the field takes. Returns 0, -EINVAL (not such a value) or -ERANGE. */
static int parse_value(const struct opt_row *row, const char *text, union value *v, size_t *size) {
    uint64_t n = 0;
    int rc;
    switch (row->type) {
    case OPT_BOOL:
        *size = sizeof v->b;
        return parse_bool(text, &v->b);
    case OPT_U32:
        *size = sizeof v->u32;
        rc = parse_scaled(text, no_suffixes, &n);
        v->u32 = (uint32_t)n;
        return range_check(row, rc ? rc : n > UINT32_MAX ? -ERANGE : 0, (double)n);
    case OPT_U64:
    case OPT_SIZE:
        *size = sizeof v->u64;
        rc = parse_scaled(text, row->type == OPT_U64 ? no_suffixes : size_suffixes, &n);
        v->u64 = n;
        return range_check(row, rc, (double)n);
    case OPT_TIME:
        *size = sizeof v->ns;
        v->ns = 0;
        rc = opt_parse_time(text, &v->ns);
        return range_check(row, rc, (double)v->ns);
    case OPT_DOUBLE:
        *size = sizeof v->d;
        v->d = 0;
        rc = parse_double(text, &v->d);
        return range_check(row, rc, v->d);
    case OPT_ENUM:
        *size = sizeof v->i;
        return parse_enum(text, row->choices, &v->i);
    case OPT_TIMES:
        *size = sizeof v->times;
        return parse_times(row, text, &v->times);
    case OPT_STRING:
    case OPT_TEXT:
        break;
    }
    return -EINVAL;
}

static const char *what_is_wanted(const struct opt_row *row) {
    switch (row->type) {
    case OPT_BOOL:
        return "yes or no";
    case OPT_U32:
    case OPT_U64:
        return "a whole number";
    case OPT_SIZE:
        return "a size such as 4096, 64KiB or 1.5GiB";
    case OPT_TIME:
        return "a time such as 500ns, 75us or 2ms";
    case OPT_TIMES:
        return "times separated by commas, at most 8, such as 40us,90us";
    case OPT_DOUBLE:
        return "a number";
    default:
        return "text";
    }
}

static int refuse(const struct opt_row *row, const char *text, int rc, struct err *e) {
    char range[ERR_TEXT_MAX / 2];
    opt_range_text(row, range, sizeof range);
    if (row->type == OPT_ENUM)
        return err_set(e, EINVAL, "%s.%s: \"%.64s\" is not one of: %s", row->section, row->key, text, range);
    if (rc == -ERANGE)
        return err_set(e, EINVAL, "%s.%s: %.64s is out of range (%s)", row->section, row->key, text, range);
    return err_set(e, EINVAL, "%s.%s: \"%.64s\" is not %s", row->section, row->key, text, what_is_wanted(row));
}

static int parse_string(const struct opt_row *row, char *field, const char *text, struct err *e) {
    size_t len = strlen(text);
    if (len >= OPT_STRING_MAX)
        return err_set(e, EINVAL, "%s.%s: %zu characters are too many (at most %d)", row->section, row->key, len,
                       OPT_STRING_MAX - 1);
    memmove(field, text, len + 1);
    return 0;
}

/* "+more" continues a table that is too long for a line of a profile. */
static int parse_text(const struct opt_row *row, char *field, const char *text, struct err *e) {
    bool more = *text == '+';
    const char *value = skip_space(text + more);
    size_t held = more ? strlen(field) : 0, len = strlen(value), comma = held && len;
    if (held + comma + len >= OPT_TEXT_MAX)
        return err_set(e, EINVAL, "%s.%s: %zu characters are too many (at most %d)", row->section, row->key,
                       held + comma + len, OPT_TEXT_MAX - 1);
    if (comma)
        field[held] = ',';
    memmove(field + held + comma, value, len + 1);
    return 0;
}

int opt_value_parse(const struct opt_row *row, void *config, const char *text, struct err *e) {
    char *field = (char *)config + row->offset;
    if (row->type == OPT_STRING)
        return parse_string(row, field, text, e);
    if (row->type == OPT_TEXT)
        return parse_text(row, field, text, e);
    union value v;
    size_t size = 0;
    int rc = parse_value(row, text, &v, &size);
    if (rc)
        return refuse(row, text, rc, e);
    memcpy(field, &v, size);
    return 0;
}

/* Units that values are printed in: exact, and read back by the parsers above. */
static const struct suffix size_units[] = {
    {"EiB", 1ull << 60},
    {"EB", 1000000000000000000},
    {"PiB", 1ull << 50},
    {"PB", 1000000000000000},
    {"TiB", 1ull << 40},
    {"TB", 1000000000000},
    {"GiB", 1ull << 30},
    {"GB", 1000000000},
    {"MiB", 1ull << 20},
    {"MB", 1000000},
    {"KiB", 1ull << 10},
    {"KB", 1000},
    {"", 1},
};
static const struct suffix time_units[] = {{"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}};

/* In the largest unit that divides the number. */
static void print_scaled(uint64_t n, const struct suffix *units, unsigned count, char *buf, size_t size) {
    unsigned i = 0;
    while (i + 1 < count && (!n || n % units[i].factor))
        i++;
    snprintf(buf, size, "%" PRIu64 "%s", n / units[i].factor, n ? units[i].name : "");
}

static void print_size(uint64_t n, char *buf, size_t size) {
    print_scaled(n, size_units, sizeof size_units / sizeof *size_units, buf, size);
}

static void print_time(int64_t n, char *buf, size_t size) {
    if (n < 0) /* not from the parser, but a config struct can be filled by hand */
        snprintf(buf, size, "%" PRId64 "ns", n);
    else
        print_scaled((uint64_t)n, time_units, sizeof time_units / sizeof *time_units, buf, size);
}

/* The fewest digits that read back as the same number. */
static void print_double(double d, char *buf, size_t size) {
    for (int digits = 6; digits <= DBL_DECIMAL_DIG; digits++) {
        snprintf(buf, size, "%.*g", digits, d);
        if (strtod(buf, NULL) == d)
            return;
    }
}

static void print_times(const struct opt_times *t, char *buf, size_t size) {
    buf[0] = '\0';
    for (uint32_t i = 0; i < t->count && i < OPT_TIMES_MAX; i++) {
        char item[32];
        print_time(t->ns[i], item, sizeof item);
        size_t used = strlen(buf);
        snprintf(buf + used, size - used, "%s%s", i ? "," : "", item);
    }
}

static const char *choice_name(const char *const *choices, int value) {
    int i = 0;
    while (choices[i] && i != value)
        i++;
    return value >= 0 && choices[i] ? choices[i] : "?";
}

const char *opt_value_text(const struct opt_row *row, const void *config, char *buf, size_t size) {
    const void *field = (const char *)config + row->offset;
    switch (row->type) {
    case OPT_BOOL:
        snprintf(buf, size, "%s", *(const bool *)field ? "yes" : "no");
        break;
    case OPT_U32:
        snprintf(buf, size, "%" PRIu32, *(const uint32_t *)field);
        break;
    case OPT_U64:
        snprintf(buf, size, "%" PRIu64, *(const uint64_t *)field);
        break;
    case OPT_SIZE:
        print_size(*(const uint64_t *)field, buf, size);
        break;
    case OPT_TIME:
        print_time(*(const int64_t *)field, buf, size);
        break;
    case OPT_DOUBLE:
        print_double(*(const double *)field, buf, size);
        break;
    case OPT_ENUM:
        snprintf(buf, size, "%s", choice_name(row->choices, *(const int *)field));
        break;
    case OPT_STRING:
        snprintf(buf, size, "%.*s", OPT_STRING_MAX - 1, (const char *)field);
        break;
    case OPT_TEXT:
        snprintf(buf, size, "%.*s", OPT_TEXT_MAX - 1, (const char *)field);
        break;
    case OPT_TIMES:
        print_times(field, buf, size);
        break;
    }
    return buf;
}

/* A bound of the range, which the row holds as a double. */
static void print_bound(const struct opt_row *row, double v, char *buf, size_t size) {
    if (row->type == OPT_SIZE)
        print_size(v >= 0x1p64 ? UINT64_MAX : (uint64_t)v, buf, size);
    else if (row->type == OPT_TIME || row->type == OPT_TIMES)
        print_time(v >= 0x1p63 ? INT64_MAX : (int64_t)v, buf, size);
    else if (v != floor(v))
        print_double(v, buf, size);
    else
        snprintf(buf, size, "%.0f", v);
}

static void print_choices(const char *const *choices, char *buf, size_t size) {
    size_t used = 0;
    for (int i = 0; choices[i] && used < size; i++)
        used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? ", " : "", choices[i]);
}

/* The widest values of a type, for rows that set no range of their own. */
static const char *type_range(enum opt_type type) {
    switch (type) {
    case OPT_BOOL:
        return "yes or no";
    case OPT_U32:
        return "0..4294967295";
    case OPT_U64:
        return "0..18446744073709551615";
    case OPT_SIZE:
        return "less than 16EiB";
    case OPT_TIME:
    case OPT_TIMES:
        return "0..9223372036s";
    default:
        return "";
    }
}

const char *opt_range_text(const struct opt_row *row, char *buf, size_t size) {
    char low[32], high[32];
    buf[0] = '\0';
    if (row->type == OPT_ENUM) {
        print_choices(row->choices, buf, size);
    } else if (row->type == OPT_BOOL || (row->min == 0 && row->max == 0)) {
        snprintf(buf, size, "%s", type_range(row->type));
    } else {
        print_bound(row, row->min, low, sizeof low);
        print_bound(row, row->max, high, sizeof high);
        snprintf(buf, size, "%s..%s", low, high);
    }
    return buf;
}
