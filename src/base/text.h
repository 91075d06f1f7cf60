/*
 * Numbers for people: sizes, times and rates in three significant digits, the
 * same on every machine. For text that is parsed back use opt_value_text().
 *
 * Each function fills and returns a struct text, so that several fit in one
 * printf: printf("%s in %s", text_bytes(n).s, text_time(t).s).
 */
#ifndef DRIVELAB_BASE_TEXT_H
#define DRIVELAB_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
    char s[32];
};

struct text text_bytes(uint64_t bytes);    /* "16 GiB", "1.50 MiB", "512 B" */
struct text text_rate(double bytes_per_s); /* "3.21 GB/s": powers of 1000, as drives are sold */
struct text text_count(double count);      /* "552 k", "1.20 M", "17" */
struct text text_time(int64_t ns);         /* "75.3 us", "2.10 ms", "-3 ns" */

/*
 * `from` as UTF-8, cut to `size`: a byte that belongs to no valid sequence is
 * written as \xNN (JSON knows no other text). Returns `to`.
 */
char *text_utf8(char *to, size_t size, const char *from);

/* Edits (insert, delete, replace, swap neighbours) between two words; words are looked at up to 63 characters. */
unsigned text_distance(const char *a, const char *b);

/*
 * The word of a NULL-terminated list nearest to `word`, if close enough to be
 * worth suggesting (at most a third of it differs); else NULL.
 */
const char *text_nearest(const char *word, const char *const *words);

#endif
