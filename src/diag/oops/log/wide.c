/*
 * Logs in UTF-16, as programs of Windows store what was pasted there, into
 * UTF-8: told by a byte order mark, or by every second byte of the beginning
 * being zero.
 *
 * Source: RFC 2781. Simplified: characters beyond the basic plane become "?".
 */
#include "diag/oops/log/reader_int.h"

#define LOOK_BYTES 64 /* of the beginning */

/* Whether nearly all bytes at even or odd places are zero, and the others are not. */
static bool zero_at(const unsigned char *s, size_t len, unsigned odd) {
    size_t n = len < LOOK_BYTES ? len & ~(size_t)1 : LOOK_BYTES, zero = 0, other = 0;
    for (size_t i = 0; i + 1 < n; i += 2) {
        zero += !s[i + odd];
        other += s[i + 1 - odd] != 0;
    }
    return n >= 16 && zero >= n / 2 - n / 16 && other == n / 2;
}

static size_t recognise(struct oops_wide *wide, const unsigned char *s, size_t len) {
    wide->order = WIDE_NOT;
    if (len >= 2 && s[0] == 0xff && s[1] == 0xfe)
        wide->order = WIDE_LITTLE;
    else if (len >= 2 && s[0] == 0xfe && s[1] == 0xff)
        wide->order = WIDE_BIG;
    else if (zero_at(s, len, 1))
        wide->order = WIDE_LITTLE;
    else if (zero_at(s, len, 0))
        wide->order = WIDE_BIG;
    return wide->order != WIDE_NOT && len >= 2 && s[0] >= 0xfe && (s[0] ^ s[1]) == 1 ? 2 : 0;
}

static size_t put(char *to, unsigned c) {
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c >= 0xd800 && c < 0xe000) {
        to[0] = '?';
        return 1;
    }
    to[0] = (char)(0xe0 | c >> 12);
    to[1] = (char)(0x80 | (c >> 6 & 0x3f));
    to[2] = (char)(0x80 | (c & 0x3f));
    return 3;
}

size_t oops_wide_piece(struct oops_wide *wide, const char **data, size_t *len, char buffer[WIDE_BYTES],
                       const char **piece) {
    const unsigned char *s = (const unsigned char *)*data, *end = s + *len;
    size_t n = 0;
    if (wide->order == WIDE_UNKNOWN)
        s += recognise(wide, s, *len);
    if (wide->order == WIDE_NOT) {
        *piece = *data;
        n = *len;
        *data += n;
        *len = 0;
        return n;
    }
    for (; s < end && n + 3 <= WIDE_BYTES; s++) {
        if (!wide->half) {
            wide->first = *s;
            wide->half = true;
            continue;
        }
        wide->half = false;
        n += put(buffer + n,
                 wide->order == WIDE_LITTLE ? (unsigned)*s << 8 | wide->first : (unsigned)wide->first << 8 | *s);
    }
    *piece = buffer;
    *data = (const char *)s;
    *len = (size_t)(end - s);
    return n;
}
