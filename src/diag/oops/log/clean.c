/*
 * The bytes of a line, as programs and people pass logs on, into the characters
 * that the kernel printed: control characters and sequences of terminals go, as
 * do the tags of web pages; entities, escapes of JSON, C, Markdown and
 * quoted-printable become what they stand for; typographic and full-width
 * characters become those of ASCII; of a record in JSON its message stays.
 *
 * Nothing here makes a line longer. Bytes that mean nothing of the kind pass.
 *
 * Source: HTML 5 (named character references), RFC 2045 section 6.7, RFC 8259, CommonMark section 2.4, ECMA-48.
 * Simplified: "=20" and the like are undone where a kernel would not print them, whether a mail says that it
 * is quoted-printable or not.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "diag/oops/oops_int.h"

/* ---- Characters beyond ASCII ---- */

struct range {
    uint32_t first, last;
    const char *as; /* NULL: the character minus what makes it full-width */
};

static const struct range ranges[] = {
    {0x80, 0x9f, ""},       {0xa0, 0xa0, " "},     {0xad, 0xad, ""},       {0x2000, 0x200a, " "},
    {0x200b, 0x200f, ""},   {0x2010, 0x2013, "-"}, {0x2014, 0x2015, "--"}, {0x2018, 0x201b, "'"},
    {0x201c, 0x201f, "\""}, {0x2026, 0x2026, " "}, {0x2028, 0x202e, ""},   {0x202f, 0x202f, " "},
    {0x205f, 0x205f, " "},  {0x2060, 0x2064, ""},  {0x2212, 0x2212, "-"},  {0x3000, 0x3000, " "},
    {0x3010, 0x3010, "["},  {0x3011, 0x3011, "]"}, {0xfeff, 0xfeff, ""},   {0xff01, 0xff5e, NULL},
};

static char *put_utf8(char *to, uint32_t c) {
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

/* A character of the basic plane, as far as a log's reader cares. At most 3 bytes. */
static char *put_char(char *to, const char *start, uint32_t c) {
    if (c < 0x80) {
        if (c == '\t' || (c >= 0x20 && c != 0x7f))
            *to++ = (char)c;
        return to;
    }
    if (c == 0xd7) { /* "0×1f" of a page */
        if (to > start && to[-1] == '0') {
            *to++ = 'x';
            return to;
        }
        return put_utf8(to, c);
    }
    for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (c < ranges[i].first || c > ranges[i].last)
            continue;
        if (!ranges[i].as) {
            *to++ = (char)(c - 0xfee0);
            return to;
        }
        for (const char *s = ranges[i].as; *s; s++)
            *to++ = *s;
        return to;
    }
    return put_utf8(to, c);
}

/* The character of two or three bytes at `s`, or 0; `*n` is how many. */
static uint32_t utf8_at(const char *s, const char *end, size_t *n) {
    const unsigned char *b = (const unsigned char *)s;
    if (end - s >= 2 && b[0] >= 0xc2 && b[0] < 0xe0 && (b[1] & 0xc0) == 0x80) {
        *n = 2;
        return (uint32_t)(b[0] & 0x1f) << 6 | (b[1] & 0x3f);
    }
    if (end - s >= 3 && b[0] >= 0xe0 && b[0] < 0xf0 && (b[1] & 0xc0) == 0x80 && (b[2] & 0xc0) == 0x80) {
        *n = 3;
        return (uint32_t)(b[0] & 0xf) << 12 | (uint32_t)(b[1] & 0x3f) << 6 | (b[2] & 0x3f);
    }
    return 0;
}

static const char *take_beyond_ascii(const char *s, const char *end, const char *start, char **to) {
    size_t n;
    uint32_t c = utf8_at(s, end, &n);
    if (c >= 0x80) {
        *to = put_char(*to, start, c);
        return s + n;
    }
    if ((unsigned char)*s >= 0xa0)                       /* not its control characters */
        *(*to)++ = (unsigned char)*s == 0xa0 ? ' ' : *s; /* Latin 1's no-break space */
    return s + 1;
}

/* ---- Terminals ---- */

/* ESC [ ... letter, ESC ] ... BEL, ESC letter; `s` is behind the ESC. Returns what is behind it all. */
static const char *skip_escape(const char *s, const char *end) {
    if (s == end)
        return s;
    if (*s == ']') {
        while (s < end && *s != '\a')
            s++;
        return s < end ? s + 1 : s;
    }
    if (*s != '[')
        return s + 1;
    for (s++; s < end && ((unsigned char)*s < 0x40 || (unsigned char)*s > 0x7e); s++)
        ;
    return s < end ? s + 1 : s;
}

/* "[0m", "[1;31m": a colour whose ESC was lost; `s` is at the bracket. Returns what is behind it, NULL: none. */
static const char *colour_end(const char *s, const char *end) {
    const char *p = s + 1;
    while (p < end && p - s < 10 && (isdigit((unsigned char)*p) || *p == ';'))
        p++;
    return p < end && *p == 'm' && p > s + 1 ? p + 1 : NULL;
}

/* An escape character in the spellings of programs that show it; the length of the spelling, 0: none. */
static size_t spelled_escape(const char *s, const char *end) {
    static const char *const spellings[] = {"#033[", "^[[", "\\x1b[", "\\x1B[", "\\u001b[", "\\033[", "\\e["};
    for (unsigned i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++)
        if (oops_starts_within(s, end, spellings[i]))
            return strlen(spellings[i]) - 1;
    return 0;
}

/* ---- Web pages ---- */

struct entity {
    const char *name;
    uint32_t means;
};

static const struct entity entities[] = {
    {"lt;", '<'},        {"gt;", '>'},       {"amp;", '&'},      {"quot;", '"'},     {"apos;", '\''},
    {"nbsp;", ' '},      {"colon;", ':'},    {"lbrack;", '['},   {"rbrack;", ']'},   {"lsqb;", '['},
    {"rsqb;", ']'},      {"lpar;", '('},     {"rpar;", ')'},     {"plus;", '+'},     {"equals;", '='},
    {"num;", '#'},       {"lowbar;", '_'},   {"sol;", '/'},      {"ensp;", ' '},     {"emsp;", ' '},
    {"thinsp;", ' '},    {"Tab;", '\t'},     {"shy;", 0xad},     {"times;", 0xd7},   {"ndash;", 0x2013},
    {"mdash;", 0x2014},  {"lsquo;", 0x2018}, {"rsquo;", 0x2019}, {"ldquo;", 0x201c}, {"rdquo;", 0x201d},
    {"hellip;", 0x2026}, {"zwnj;", 0x200c},  {"zwj;", 0x200d},
};

/* "#39;", "#x27;" */
static size_t numeric_entity(const char *s, const char *end, uint32_t *means) {
    bool hex = end - s > 2 && (s[1] == 'x' || s[1] == 'X');
    const char *p = s + 1 + hex;
    uint32_t value = 0;
    for (; p < end && p - s < 9 && (hex ? isxdigit((unsigned char)*p) : isdigit((unsigned char)*p)); p++)
        value = value * (hex ? 16 : 10) + (uint32_t)(isdigit((unsigned char)*p) ? *p - '0' : (*p | 0x20) - 'a' + 10);
    if (p == s + 1 + hex || p == end || *p != ';' || !value || value > 0xffff)
        return 0;
    *means = value;
    return (size_t)(p - s) + 1;
}

/* `s` is behind an ampersand. Returns the length of the entity, 0: none. */
static size_t entity_at(const char *s, const char *end, uint32_t *means) {
    if (s < end && *s == '#')
        return numeric_entity(s, end, means);
    for (unsigned i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
        if (oops_starts_within(s, end, entities[i].name)) {
            *means = entities[i].means;
            return strlen(entities[i].name);
        }
    return 0;
}

static const char *take_entity(const char *s, const char *end, const char *start, char **to) {
    uint32_t means;
    size_t n = entity_at(s, end, &means);
    if (!n) {
        *(*to)++ = '&';
        return s;
    }
    s += n;
    while (means == '&' && (n = entity_at(s, end, &means)) != 0) /* escaped twice: &amp;lt; */
        s += n;
    *to = put_char(*to, start, means);
    return s;
}

/* Tags that pages put around logs; what a kernel prints in angle brackets is none of them. */
static const char *const tags[] = {"pre",   "code",       "br",   "p",   "div", "span", "td",
                                   "tr",    "tt",         "font", "b",   "li",  "a",    "table",
                                   "tbody", "blockquote", "samp", "kbd", "i",   "em",   "strong"};

/* `s` is behind "<". Returns the length up to behind ">", 0: no tag. */
static size_t tag_at(const char *s, const char *end) {
    const char *name = s + (s < end && *s == '/');
    for (unsigned i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        if (!oops_names_tag(name, end, tags[i]))
            continue;
        const char *close = memchr(name, '>', (size_t)(end - name));
        if (close && close - s < 400)
            return (size_t)(close - s) + 1;
    }
    return 0;
}

/* ---- Escapes of text formats ---- */

static bool hex_value(const char *s, unsigned digits, uint32_t *value) {
    *value = 0;
    for (unsigned i = 0; i < digits; i++) {
        if (!isxdigit((unsigned char)s[i]))
            return false;
        *value = *value * 16 + (uint32_t)(isdigit((unsigned char)s[i]) ? s[i] - '0' : (s[i] | 0x20) - 'a' + 10);
    }
    return true;
}

/* `s` is behind a backslash; `literal`: inside of a string of JSON or C. */
static const char *take_backslash(const char *s, const char *end, const char *start, char **to, bool literal) {
    uint32_t value;
    if (s == end)
        return s;
    if (end - s >= 5 && *s == 'u' && hex_value(s + 1, 4, &value)) {
        if (value)
            *to = put_char(*to, start, value);
        return s + 5;
    }
    if ((*s && strchr("_*[]<>#()`~|.!+-{}\"/&=", *s)) || (literal && *s == '\\')) { /* what Markdown and JSON escape */
        *(*to)++ = *s;
        return s + 1;
    }
    if (*s == 't' && (literal || to[0] == start)) {
        *(*to)++ = '\t';
        return s + 1;
    }
    if (literal && (*s == 'n' || *s == 'r'))
        return s + 1;
    *(*to)++ = '\\';
    return s;
}

/* "=3D", "=20", "=C2=A0" of quoted-printable; `s` is behind "=". */
static const char *take_equals(const char *s, const char *end, const char *start, char **to) {
    uint32_t a, b, c;
    if (end - s >= 8 && s[0] == 'E' && s[2] == '=' && s[5] == '=' && hex_value(s, 2, &a) && hex_value(s + 3, 2, &b) &&
        hex_value(s + 6, 2, &c) && (b & 0xc0) == 0x80 && (c & 0xc0) == 0x80) {
        *to = put_char(*to, start, (a & 0xf) << 12 | (b & 0x3f) << 6 | (c & 0x3f));
        return s + 8;
    }
    if (end - s >= 5 && (oops_starts_within(s, end, "C2=A0") || oops_starts_within(s, end, "c2=a0"))) {
        *(*to)++ = ' ';
        return s + 5;
    }
    if (oops_starts_within(s, end, "3D")) {
        *(*to)++ = '=';
        return s + 2;
    }
    bool rest = end - s >= 2 && (end - s == 2 || strchr(" \r\n=[", s[2]));
    if (rest && (oops_starts_within(s, end, "20") || oops_starts_within(s, end, "09"))) {
        *(*to)++ = ' ';
        return s + 2;
    }
    *(*to)++ = '=';
    return s;
}

/* Keys under which collectors of logs keep the line itself. */
static const char *const message_keys[] = {"\"MESSAGE\"", "\"log\"",  "\"message\"",    "\"msg\"",
                                           "\"text\"",    "\"line\"", "\"textPayload\""};

static const char *string_end(const char *s, const char *end) {
    for (; s < end && *s != '"'; s++)
        s += *s == '\\' && s + 1 < end;
    return s;
}

/* The message of a record in JSON, up to its end in `*end`; NULL: it is none. */
static const char *json_message(const char *s, const char **end) {
    while (s < *end && (*s == ' ' || *s == '\t' || *s == '[' || *s == ','))
        s++;
    if (*end - s < 8 || s[0] != '{' || (s[1] != '"' && s[1] != ' '))
        return NULL;
    for (unsigned i = 0; i < sizeof(message_keys) / sizeof(message_keys[0]); i++) {
        size_t n = strlen(message_keys[i]);
        const char *p = memmem(s, (size_t)(*end - s), message_keys[i], n);
        if (!p)
            continue;
        for (p += n; p < *end && (*p == ' ' || *p == ':'); p++)
            ;
        if (p == *end || *p != '"')
            continue;
        *end = string_end(p + 1, *end);
        return p + 1;
    }
    return NULL;
}

/* ---- A line ---- */

/* Whether the quote at `close` is that of a whole field, the only one. */
static bool opens_quote(const char *start, const char *close) {
    const char *open = memchr(start, '"', (size_t)(close - start) + 1);
    return open == close ||
           ((open == start || strchr(",;:\t", open[-1])) && !memchr(open + 1, '"', (size_t)(close - open) - 1));
}

/* What quoting, tables and programs leave behind a line. */
static char *cut_tail(char *start, char *to) {
    for (;;) {
        char *before = to;
        while (to > start && (to[-1] == ' ' || to[-1] == '\t'))
            to--;
        if (to > start && (to[-1] == '`' || to[-1] == '\\'))
            to--;
        else if (to - start > 1 && to[-1] == '|' && (to[-2] == ' ' || to[-2] == '\t'))
            to--;
        else if (to - start > 1 && to[-2] == '^' && to[-1] == 'M')
            to -= 2;
        else if (to - start > 2 && to[-1] == '"' && (to[-2] == '"' || opens_quote(start, to - 1)))
            to--;
        else if (to - start > 2 && to[-2] == '\\' && (to[-1] == 'n' || to[-1] == 'r'))
            to -= 2;
        else if (to == before)
            return to;
    }
}

/* "f +0x1f / 0x20", "f+Ox1f/Ox20": copied by hand or read from a picture. */
static char *mend_symbols(char *start, char *end) {
    char *plus = start;
    while ((plus = memchr(plus, '+', (size_t)(end - plus))) != NULL) {
        if (end - plus < 4 || (plus[2] != 'x' && plus[2] != 'X') || !strchr("0Oo", plus[1]) || !plus[1]) {
            plus++;
            continue;
        }
        plus[1] = '0';
        if (plus - start > 1 && plus[-1] == ' ' && oops_is_word(plus[-2])) {
            memmove(plus - 1, plus, (size_t)(end - plus));
            plus--;
            end--;
        }
        char *p = plus + 3;
        while (p < end && isxdigit((unsigned char)*p))
            p++;
        char *slash = p;
        while (slash < end && *slash == ' ')
            slash++;
        if (slash < end && *slash == '/') {
            char *size = slash + 1;
            while (size < end && *size == ' ')
                size++;
            if (end - size > 2 && strchr("0Oo", *size) && size[1] == 'x') {
                *p = '/';
                memmove(p + 1, size, (size_t)(end - size));
                end -= size - (p + 1);
                p[1] = '0';
            }
        }
        plus = p;
    }
    return end;
}

size_t oops_clean_bytes(const char *s, size_t len, char *to) {
    const char *end = s + len, *message = json_message(s, &end);
    char *start = to;
    s = message ? message : s;
    bool literal = message || (len && (*s == '"' || *s == '\''));
    while (s < end) {
        unsigned char c = (unsigned char)*s;
        size_t n;
        const char *behind;
        if (oops_is_word((char)c) || c == ' ') {
            *to++ = *s++;
        } else if (c == 0x1b) {
            s = skip_escape(s + 1, end);
        } else if ((c == '#' || c == '^' || c == '\\') && (n = spelled_escape(s, end)) != 0) {
            s = skip_escape(s + n, end);
        } else if (c == '[' && (behind = colour_end(s, end)) != NULL) {
            s = behind;
        } else if (c == '&') {
            s = take_entity(s + 1, end, start, &to);
        } else if (c == '<' && (n = tag_at(s + 1, end)) != 0) {
            s += 1 + n;
        } else if (c == '\\') {
            s = take_backslash(s + 1, end, start, &to, literal);
        } else if (c == '=') {
            s = take_equals(s + 1, end, start, &to);
        } else if (c >= 0x80) {
            s = take_beyond_ascii(s, end, start, &to);
        } else {
            if (c == '\t' || (c >= 0x20 && c != 0x7f))
                *to++ = (char)c;
            s++;
        }
    }
    to = cut_tail(start, to);
    to = mend_symbols(start, to);
    *to = '\0';
    return (size_t)(to - start);
}
