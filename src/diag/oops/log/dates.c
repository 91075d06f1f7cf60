/*
 * Dates and clocks that programs put before the lines of a log: of syslog, the
 * journal, dmesg -T in the user's language, terminals, Android's logcat.
 *
 * Source: RFC 3164, RFC 5424, journalctl(1), dmesg(1), ISO 8601, logcat(1).
 * Simplified: the words of a date are any letters where they are not English.
 */
#include <ctype.h>
#include <string.h>

#include "diag/oops/oops_int.h"

const char *oops_digits_end(const char *s) {
    while (isdigit((unsigned char)*s))
        s++;
    return s;
}

bool oops_two_digits(const char *s) {
    return isdigit((unsigned char)s[0]) && isdigit((unsigned char)s[1]);
}

/* The end of "17:53:41", "17:53:41.123456", "17:53:41+02:00" ...; NULL: none. */
const char *oops_clock_end(const char *s) {
    if (!oops_two_digits(s) || s[2] != ':' || !oops_two_digits(s + 3) || s[5] != ':' || !oops_two_digits(s + 6))
        return NULL;
    s += 8;
    if (*s == '.' || *s == ',')
        s = oops_digits_end(s + 1);
    if (*s == 'Z')
        return s + 1;
    if ((*s == '+' || *s == '-') && oops_two_digits(s + 1)) {
        s += 3;
        s += *s == ':';
        s = oops_digits_end(s);
    }
    return s;
}

static bool month_name(const char *s) {
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char name[4] = {s[0], s[0] ? s[1] : '\0', s[0] && s[1] ? s[2] : '\0', '\0'};
    const char *at = strlen(name) == 3 ? strstr(names, name) : NULL;
    return at && (at - names) % 3 == 0;
}

static bool day_name(const char *s) {
    static const char names[] = "MonTueWedThuFriSatSun";
    char name[4] = {s[0], s[0] ? s[1] : '\0', s[0] && s[1] ? s[2] : '\0', '\0'};
    const char *at = strlen(name) == 3 ? strstr(names, name) : NULL;
    return at && (at - names) % 3 == 0;
}

/* "Apr 09 17:53:41", "Apr  9 17:53:41.000001" */
static const char *syslog_date(const char *s) {
    if (!month_name(s) || s[3] != ' ')
        return NULL;
    const char *p = oops_blanks(s + 3), *end = oops_digits_end(p);
    if (end == p || end - p > 2 || *end != ' ')
        return NULL;
    return oops_clock_end(oops_blanks(end));
}

static bool letter(char c) {
    return (unsigned char)c >= 0x80 || isalpha((unsigned char)c);
}

/* "St okt 15 20:57:24 2025]": that of dmesg -T in the user's language, up to the bracket */
static const char *foreign_date(const char *s) {
    unsigned words = 0;
    while (words < 2) {
        const char *word = words ? oops_digits_end(s) : s; /* months of Chinese and Japanese have numbers */
        if (!letter(*word) || word - s > 2)
            break;
        for (s = word; letter(*s) || *s == '.';)
            s++;
        s = oops_blanks(s);
        words++;
    }
    const char *day = oops_digits_end(s),
               *clock = words == 2 && day > s && *day == ' ' ? oops_clock_end(oops_blanks(day)) : NULL;
    if (!clock || *clock != ' ')
        return NULL;
    const char *year = oops_digits_end(clock + 1);
    return year - clock == 5 && *year == ']' ? year : NULL;
}

/* "Mon Apr 17 10:00:00 2023" */
const char *oops_long_date(const char *s) {
    if (!day_name(s) || s[3] != ' ')
        return foreign_date(s);
    const char *p = syslog_date(oops_blanks(s + 3));
    if (!p || *p != ' ')
        return NULL;
    const char *year = oops_digits_end(p + 1);
    return year - p == 5 ? year : NULL;
}

/* "13.01.2025 19:40:36:297" */
static const char *dotted_date(const char *s) {
    if (!oops_two_digits(s) || s[2] != '.' || !oops_two_digits(s + 3) || s[5] != '.' || !oops_two_digits(s + 6) ||
        !oops_two_digits(s + 8) || s[10] != ' ')
        return NULL;
    const char *end = oops_clock_end(s + 11);
    return end && *end == ':' ? oops_digits_end(end + 1) : end;
}

/* "2023-05-01T10:00:00+0200", "2023-05-01 10:00:00", "2023/05/01 10:00:00" */
static const char *iso_date(const char *s) {
    if (!oops_two_digits(s) || !oops_two_digits(s + 2) || (s[4] != '-' && s[4] != '/') || !oops_two_digits(s + 5) ||
        s[7] != s[4] || !oops_two_digits(s + 8) || (s[10] != 'T' && s[10] != ' '))
        return NULL;
    return oops_clock_end(s + 11);
}

/* "03-17 15:18:59.123" of logcat */
static const char *logcat_date(const char *s) {
    if (!oops_two_digits(s) || s[2] != '-' || !oops_two_digits(s + 3) || s[5] != ' ')
        return NULL;
    const char *end = oops_clock_end(s + 6);
    return end && end > s + 14 ? end : NULL;
}

const char *oops_date_end(const char *s) {
    const char *end = oops_long_date(s);
    end = end ? end : syslog_date(s);
    end = end ? end : iso_date(s);
    end = end ? end : dotted_date(s);
    end = end ? end : logcat_date(s);
    return end ? end : oops_clock_end(s);
}
