/* Formatting for people and near words; the contract is in text.h. */
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* `value` with three significant digits, whole numbers without a fraction, and a unit. */
static struct text with_unit(double value, const char *unit) {
    struct text t;
    double size = fabs(value);
    int digits = value == floor(value) || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
    snprintf(t.s, sizeof t.s, "%.*f%s%s", digits, value, *unit ? " " : "", unit);
    return t;
}

/* Scale by `step` through `units` (`count` of them) until three digits before the point are enough. */
static struct text scaled(double value, double step, const char *const *units, int count) {
    int i = 0;
    while (i + 1 < count && fabs(value) >= step - 0.5) {
        value /= step;
        i++;
    }
    return with_unit(value, units[i]);
}

struct text text_bytes(uint64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    return scaled((double)bytes, 1024, units, 7);
}

struct text text_rate(double bytes_per_s) {
    static const char *const units[] = {"B/s", "kB/s", "MB/s", "GB/s", "TB/s"};
    return scaled(bytes_per_s, 1000, units, 5);
}

struct text text_count(double count) {
    static const char *const units[] = {"", "k", "M", "G", "T"};
    return scaled(count, 1000, units, 5);
}

struct text text_time(int64_t ns) {
    static const char *const units[] = {"ns", "us", "ms", "s"};
    return scaled((double)ns, 1000, units, 4);
}

/* Bytes of the valid sequence at `s`, RFC 3629: shortest form, no surrogates, up to U+10FFFF. 0: none. */
static unsigned utf8_length(const unsigned char *s) {
    unsigned n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    unsigned char low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    for (unsigned i = 1; i < n; i++, low = 0x80, high = 0xbf)
        if (s[i] < low || s[i] > high)
            return 0;
    return n;
}

char *text_utf8(char *to, size_t size, const char *from) {
    const unsigned char *s = (const unsigned char *)from;
    size_t at = 0;
    while (*s) {
        unsigned n = utf8_length(s), room = n ? n : 4;
        if (at + room >= size)
            break;
        if (n)
            memcpy(to + at, s, n);
        else
            snprintf(to + at, size - at, "\\x%02x", *s);
        at += room;
        s += n ? n : 1;
    }
    to[at] = '\0';
    return to;
}

#define WORD_MAX 63

static unsigned min3(unsigned a, unsigned b, unsigned c) {
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

/* Optimal string alignment, three rows of the table at a time. */
unsigned text_distance(const char *a, const char *b) {
    size_t la = strnlen(a, WORD_MAX), lb = strnlen(b, WORD_MAX);
    unsigned rows[3][WORD_MAX + 1], *before = rows[0], *last = rows[1], *row = rows[2];
    for (unsigned j = 0; j <= lb; j++)
        before[j] = last[j] = j;
    for (unsigned i = 1; i <= la; i++) {
        row[0] = i;
        for (unsigned j = 1; j <= lb; j++) {
            row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        unsigned *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[lb];
}

const char *text_nearest(const char *word, const char *const *words) {
    const char *best = NULL;
    size_t limit = (strnlen(word, WORD_MAX) + 2) / 3, best_distance = limit + 1;
    for (; *words; words++) {
        unsigned d = text_distance(word, *words);
        if (d < best_distance) {
            best_distance = d;
            best = *words;
        }
    }
    return best;
}
