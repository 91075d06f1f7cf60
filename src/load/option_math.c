/*
 * Arithmetic in values of job options. Source: fio(1), "PARAMETER TYPES": an
 * expression in parentheses of + - * / % ^ and units, such as bs=(4*1k); and
 * "RESERVED KEYWORDS": $pagesize, $mb_memory, $ncpus, with arithmetic around
 * them: numjobs=2*$ncpus.
 *
 * As in fio % binds tightest, then ^, then * and /; a unit belongs to the
 * product before it: 16/4k is 4k. Whole numbers stay whole, 7/2 is 3.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load/option.h"

#define NESTING_MAX  32
#define EXPONENT_MAX 1023

struct number {
    double real;
    int64_t whole; /* if it is one */
    bool is_whole;
};

struct reader {
    const char *at, *end;
    unsigned kb_base, nesting;
    int64_t unit_ns; /* of a time; 0: sizes and counts */
    bool unit_seen, bad;
};

static struct number whole(int64_t value) {
    return (struct number){(double)value, value, true};
}

static struct number real(double value) {
    return (struct number){.real = value};
}

static char peek(struct reader *r) {
    while (r->at < r->end && isblank((unsigned char)*r->at))
        r->at++;
    return r->at < r->end ? *r->at : '\0';
}

static struct number fail(struct reader *r) {
    r->bad = true;
    r->at = r->end;
    return whole(0);
}

static struct number sum(struct reader *r);

static struct number digits(struct reader *r) {
    char text[40], *rest;
    size_t n = 0;
    bool hex = r->end - r->at > 1 && r->at[0] == '0' && tolower((unsigned char)r->at[1]) == 'x';
    bool fraction = false;
    while (r->at < r->end && n + 1 < sizeof(text)) {
        char c = *r->at;
        if (!(hex ? isxdigit((unsigned char)c) || n == 1 : isdigit((unsigned char)c) || c == '.'))
            break;
        fraction = fraction || c == '.';
        text[n++] = c;
        r->at++;
    }
    text[n] = 0;
    errno = 0;
    struct number v = fraction ? real(strtod(text, &rest)) : whole(strtoll(text, &rest, hex ? 16 : 10));
    return !n || *rest || errno || n + 1 == sizeof(text) ? fail(r) : v;
}

static struct number unary(struct reader *r) {
    char c = peek(r);
    if (++r->nesting > NESTING_MAX)
        return fail(r);
    struct number v;
    if (c == '-') {
        r->at++;
        v = unary(r);
        v = v.is_whole && v.whole != INT64_MIN ? whole(-v.whole) : real(-v.real);
    } else if (c == '(') {
        r->at++;
        v = sum(r);
        if (peek(r) != ')')
            return fail(r);
        r->at++;
    } else {
        v = digits(r);
    }
    r->nesting--;
    return v;
}

static struct number modulo(struct reader *r) {
    struct number v = unary(r);
    while (peek(r) == '%') {
        r->at++;
        struct number by = unary(r);
        if (!v.is_whole || !by.is_whole || by.whole < 1)
            return fail(r);
        v = whole(v.whole % by.whole);
    }
    return v;
}

static struct number times(struct number a, struct number b) {
    int64_t product;
    if (a.is_whole && b.is_whole && !__builtin_mul_overflow(a.whole, b.whole, &product))
        return whole(product);
    return real(a.real * b.real);
}

static struct number over(struct reader *r, struct number a, struct number b) {
    if (b.is_whole ? !b.whole : !(fabs(b.real) > 1e-20))
        return fail(r);
    if (!a.is_whole || !b.is_whole || (a.whole == INT64_MIN && b.whole == -1))
        return real(a.real / b.real);
    return whole(a.whole / b.whole);
}

static struct number power(struct reader *r) {
    struct number v = modulo(r), product = whole(1);
    if (peek(r) != '^')
        return v;
    r->at++;
    struct number by = power(r); /* from the right */
    if (!by.is_whole || by.whole < -EXPONENT_MAX || by.whole > EXPONENT_MAX)
        return fail(r);
    for (int64_t i = by.whole < 0 ? -by.whole : by.whole; i; i--)
        product = times(product, v);
    return by.whole < 0 ? over(r, real(1), real(product.real)) : product;
}

/* A unit: k, m ... or, of a time, s, ms ...; false if there is none here. */
static bool unit(struct reader *r, struct number *factor) {
    char text[8] = "1";
    size_t n = 1;
    peek(r);
    const char *at = r->at;
    while (at < r->end && isalpha((unsigned char)*at) && n + 1 < sizeof(text))
        text[n++] = *at++;
    uint64_t bytes;
    int64_t ns;
    if (n == 1)
        return false;
    if (r->unit_ns ? job_value_time(text, text + n, r->unit_ns, &ns)
                   : job_value_bytes(text, text + n, r->kb_base, &bytes)) {
        fail(r);
        return false;
    }
    *factor = whole(r->unit_ns ? ns : (int64_t)bytes);
    r->at = at;
    r->unit_seen = true;
    return true;
}

static struct number product(struct reader *r) {
    struct number v = power(r), factor;
    while (!r->bad) {
        char c = peek(r);
        if (c == '*' || c == '/') {
            r->at++;
            factor = power(r);
            v = c == '*' ? times(v, factor) : over(r, v, factor);
        } else if (unit(r, &factor)) {
            v = times(v, factor);
        } else {
            break;
        }
    }
    return v;
}

static struct number sum(struct reader *r) {
    struct number v = product(r);
    for (char c; !r->bad && ((c = peek(r)) == '+' || c == '-');) {
        r->at++;
        struct number b = product(r);
        int64_t total;
        bool fits = v.is_whole && b.is_whole &&
                    !(c == '+' ? __builtin_add_overflow(v.whole, b.whole, &total)
                               : __builtin_sub_overflow(v.whole, b.whole, &total));
        v = fits ? whole(total) : real(c == '+' ? v.real + b.real : v.real - b.real);
    }
    return v;
}

int job_value_math(const char *text, const char *end, unsigned kb_base, int64_t unit_ns, double *out) {
    struct reader r = {.at = text, .end = end, .kb_base = kb_base, .unit_ns = unit_ns};
    struct number v = sum(&r);
    if (unit_ns && !r.unit_seen)
        v = times(v, whole(unit_ns));
    if (r.bad || peek(&r) || !(v.real >= 0 && v.real <= 1e18))
        return -EINVAL;
    *out = v.real;
    return 0;
}

/* --- keywords --- */

static long keyword(const char *at, size_t *length) {
    static const struct {
        const char *name;
        int what;
        long unit;
    } rows[] = {{"$pagesize", _SC_PAGESIZE, 0}, {"$mb_memory", _SC_PHYS_PAGES, 1}, {"$ncpus", _SC_NPROCESSORS_CONF, 0}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *length = strlen(rows[i].name);
        if (!strncmp(at, rows[i].name, *length)) {
            long value = sysconf(rows[i].what);
            return rows[i].unit ? (long)((double)value * (double)sysconf(_SC_PAGESIZE) / (1 << 20)) : value;
        }
    }
    return -1;
}

int job_value_keywords(char *value, size_t size) {
    bool any = false;
    double result;
    for (char *at = value; (at = strchr(at, '$'));) {
        char number[24];
        size_t length;
        long is = keyword(at, &length);
        if (is < 0) {
            at++;
            continue;
        }
        size_t n = (size_t)snprintf(number, sizeof(number), "%ld", is), rest = strlen(at + length) + 1;
        if ((size_t)(at - value) + n + rest > size)
            return -E2BIG;
        memmove(at + n, at + length, rest);
        memcpy(at, number, n);
        at += n;
        any = true;
    }
    if (!any || !strpbrk(value, "+-*/"))
        return 0;
    if (job_value_math(value, value + strlen(value), 1024, 0, &result))
        return -EINVAL;
    snprintf(value, size, "%.0f", floor(result));
    return 0;
}
