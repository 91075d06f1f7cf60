/*
 * Sources: Rust RFC 2603 (v0 names, which the kernel's Rust code has), rustc's
 * legacy names (a hash and escapes in C++'s nested names), Itanium C++ ABI 5.1.
 *
 * Faithful: all of v0. Simplified: hashes of crates are left out; lifetimes are
 * '_; punycode stays packed. Of C++ only names without templates and
 * substitutions are written out, without their arguments: no distribution's
 * kernel has any, a module may.
 */
#include "diag/oops/file/demangle.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX  1024u
#define DEPTH_MAX 64u
#define STEPS_MAX 4096u /* back references can make names grow exponentially */

struct mangled {
    const char *s; /* behind the prefix; references count from here */
    size_t len, at;
    char text[TEXT_MAX];
    size_t used;
    unsigned depth, steps;
    bool quiet; /* parse without writing */
    bool bad;
};

static void put_n(struct mangled *m, const char *text, size_t len) {
    if (m->quiet || m->bad)
        return;
    if (len >= TEXT_MAX - m->used) {
        m->bad = true;
        return;
    }
    memcpy(m->text + m->used, text, len);
    m->used += len;
}

static void put(struct mangled *m, const char *text) {
    put_n(m, text, strlen(text));
}

static void put_number(struct mangled *m, const char *fmt, uint64_t n) {
    char text[48];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof(text), fmt, (unsigned long long)n);
#pragma GCC diagnostic pop
    put(m, text);
}

static char peek(const struct mangled *m) {
    return m->at < m->len ? m->s[m->at] : '\0';
}

static bool take(struct mangled *m, char c) {
    if (m->bad || peek(m) != c || !c)
        return false;
    m->at++;
    return true;
}

static char next(struct mangled *m) {
    char c = peek(m);
    m->bad |= c == '\0';
    m->at += c != '\0';
    return c;
}

/* False, and bad, when it goes too deep. */
static bool enter(struct mangled *m) {
    m->bad |= m->depth == DEPTH_MAX || m->steps == STEPS_MAX;
    m->depth++;
    m->steps++;
    return !m->bad;
}

static void leave(struct mangled *m) {
    m->depth--;
}

static uint64_t decimal(struct mangled *m) {
    uint64_t n = 0;
    if (!isdigit((unsigned char)peek(m)))
        m->bad = true;
    if (take(m, '0'))
        return 0;
    while (isdigit((unsigned char)peek(m)) && n < UINT32_MAX)
        n = n * 10 + (uint64_t)(next(m) - '0');
    return n;
}

/* "_" is 0, "0_" is 1, "Z_" is 62. */
static uint64_t base62(struct mangled *m) {
    uint64_t n = 0;
    if (take(m, '_'))
        return 0;
    while (!m->bad && peek(m) != '_') {
        char c = next(m);
        unsigned digit = isdigit((unsigned char)c)   ? (unsigned)(c - '0')
                         : islower((unsigned char)c) ? (unsigned)(c - 'a') + 10
                         : isupper((unsigned char)c) ? (unsigned)(c - 'A') + 36
                                                     : 62;
        m->bad |= digit == 62 || n > (UINT64_MAX - 62) / 62;
        n = n * 62 + digit;
    }
    take(m, '_');
    return n + 1;
}

/* A number behind `tag`, from 1; 0: it is not there. */
static uint64_t optional(struct mangled *m, char tag) {
    return take(m, tag) ? base62(m) + 1 : 0;
}

/* ---- Rust v0 ---- */

static void path(struct mangled *m, bool in_value);
static void type(struct mangled *m);

struct ident {
    const char *s;
    size_t len;
    uint64_t number;
};

static struct ident plain_ident(struct mangled *m) {
    struct ident id = {"", 0, 0};
    take(m, 'u'); /* punycode */
    uint64_t len = decimal(m);
    take(m, '_');
    if (m->bad || len > m->len - m->at) {
        m->bad = true;
        return id;
    }
    id.s = m->s + m->at;
    id.len = (size_t)len;
    m->at += id.len;
    return id;
}

static struct ident identifier(struct mangled *m) {
    uint64_t number = optional(m, 's');
    struct ident id = plain_ident(m);
    id.number = number;
    return id;
}

/* Goes on at an earlier place, then comes back. */
static void back(struct mangled *m, void (*what)(struct mangled *m, bool in_value), bool in_value) {
    size_t from = m->at - 1, to = base62(m), after = m->at;
    if (m->bad || to >= from || m->quiet) {
        m->bad |= to >= from;
        return;
    }
    m->at = to;
    what(m, in_value);
    m->at = after;
}

static void type_at(struct mangled *m, bool in_value) {
    type(m);
}

static void hidden_path(struct mangled *m) {
    bool quiet = m->quiet;
    m->quiet = true;
    path(m, false);
    m->quiet = quiet;
}

static void constant(struct mangled *m);

static void generic_argument(struct mangled *m) {
    if (take(m, 'L')) {
        base62(m);
        put(m, "'_");
    } else if (take(m, 'K')) {
        constant(m);
    } else {
        type(m);
    }
}

static void list(struct mangled *m, void (*item)(struct mangled *m), const char *between) {
    for (bool first = true; !m->bad && !take(m, 'E'); first = false) {
        if (!first)
            put(m, between);
        item(m);
    }
}

static void nested(struct mangled *m, bool in_value) {
    char space = next(m);
    path(m, in_value);
    struct ident id = identifier(m);
    if (!isupper((unsigned char)space)) {
        if (id.len)
            put(m, "::");
        put_n(m, id.s, id.len);
        return;
    }
    put(m, space == 'C' ? "::{closure" : space == 'S' ? "::{shim" : "::{");
    if (id.len) {
        put(m, ":");
        put_n(m, id.s, id.len);
    }
    put_number(m, "#%llu}", id.number);
}

static void path(struct mangled *m, bool in_value) {
    if (!enter(m))
        return;
    char tag = next(m);
    struct ident id;
    switch (tag) {
    case 'C':
        id = identifier(m);
        put_n(m, id.s, id.len);
        break;
    case 'N':
        nested(m, in_value);
        break;
    case 'M':
    case 'X':
        optional(m, 's');
        hidden_path(m);
        /* fall through */
    case 'Y':
        put(m, "<");
        type(m);
        if (tag != 'M') {
            put(m, " as ");
            path(m, false);
        }
        put(m, ">");
        break;
    case 'I':
        path(m, in_value);
        put(m, in_value ? "::<" : "<");
        list(m, generic_argument, ", ");
        put(m, ">");
        break;
    case 'B':
        back(m, path, in_value);
        break;
    default:
        m->bad = true;
    }
    leave(m);
}

static const char *basic_type(char tag) {
    static const char *const names[] = {"i8",    "bool", "char", "f64", "str",  "f32",  NULL,  "u8", "isize",
                                        "usize", NULL,   "i32",  "u32", "i128", "u128", "_",   NULL, NULL,
                                        "i16",   "u16",  "()",   "...", NULL,   "i64",  "u64", "!"};
    return islower((unsigned char)tag) ? names[tag - 'a'] : NULL;
}

static void signature(struct mangled *m) {
    optional(m, 'G');
    if (take(m, 'U'))
        put(m, "unsafe ");
    if (take(m, 'K')) {
        struct ident abi = {"C", 1, 0};
        if (!take(m, 'C'))
            abi = plain_ident(m);
        put(m, "extern \"");
        put_n(m, abi.s, abi.len);
        put(m, "\" ");
    }
    put(m, "fn(");
    list(m, type, ", ");
    put(m, ")");
    if (take(m, 'u'))
        return;
    put(m, " -> ");
    type(m);
}

/* A trait's path with its associated types inside of its brackets. */
static void dynamic_trait(struct mangled *m) {
    path(m, false);
    bool open = m->used && m->text[m->used - 1] == '>' && peek(m) == 'p';
    if (open && !m->quiet)
        m->used--;
    for (bool first = !open; take(m, 'p'); first = false) {
        put(m, first ? "<" : ", ");
        open = true;
        struct ident id = plain_ident(m);
        put_n(m, id.s, id.len);
        put(m, " = ");
        type(m);
    }
    if (open)
        put(m, ">");
}

static void dynamic(struct mangled *m) {
    put(m, "dyn ");
    optional(m, 'G');
    list(m, dynamic_trait, " + ");
    if (take(m, 'L'))
        base62(m);
    else
        m->bad = true;
}

static void tuple(struct mangled *m) {
    unsigned count = 0;
    put(m, "(");
    for (; !m->bad && !take(m, 'E'); count++) {
        if (count)
            put(m, ", ");
        type(m);
    }
    put(m, count == 1 ? ",)" : ")");
}

static void array(struct mangled *m, bool sized) {
    put(m, "[");
    type(m);
    if (sized) {
        put(m, "; ");
        constant(m);
    }
    put(m, "]");
}

static void pointer(struct mangled *m, const char *text, bool reference) {
    if (reference && take(m, 'L'))
        base62(m);
    put(m, text);
    type(m);
}

static void type(struct mangled *m) {
    if (!enter(m))
        return;
    char tag = peek(m);
    const char *basic = basic_type(tag);
    bool is_path = tag && strchr("CNMXYI", tag);
    m->at += !is_path && tag;
    if (basic)
        put(m, basic);
    else if (is_path)
        path(m, false);
    else if (tag == 'A' || tag == 'S')
        array(m, tag == 'A');
    else if (tag == 'T')
        tuple(m);
    else if (tag == 'R' || tag == 'Q')
        pointer(m, tag == 'R' ? "&" : "&mut ", true);
    else if (tag == 'P' || tag == 'O')
        pointer(m, tag == 'P' ? "*const " : "*mut ", false);
    else if (tag == 'F')
        signature(m);
    else if (tag == 'D')
        dynamic(m);
    else if (tag == 'B')
        back(m, type_at, false);
    else
        m->bad = true;
    leave(m);
}

static void constant_at(struct mangled *m, bool in_value) {
    constant(m);
}

/* Integers, bool and char; anything else is no constant of today's compilers. */
static void constant(struct mangled *m) {
    uint64_t n = 0;
    if (take(m, 'p')) {
        put(m, "_");
        return;
    }
    if (take(m, 'B')) {
        if (enter(m))
            back(m, constant_at, false);
        leave(m);
        return;
    }
    char tag = next(m);
    m->bad |= !basic_type(tag);
    if (take(m, 'n'))
        put(m, "-");
    while (!m->bad && !take(m, '_')) {
        char c = next(m);
        m->bad |= !isxdigit((unsigned char)c) || n >> 60;
        n = n << 4 | (uint64_t)(isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (tag == 'b')
        put(m, n ? "true" : "false");
    else
        put_number(m, "%llu", n);
}

static bool rust_v0(struct mangled *m) {
    if (isdigit((unsigned char)peek(m))) /* a version that does not exist yet */
        return false;
    path(m, true);
    if (!m->bad && peek(m) && isupper((unsigned char)peek(m)))
        hidden_path(m); /* where it was instantiated */
    return !m->bad && !peek(m);
}

/* ---- Nested names of C++ and of rustc before v0 ---- */

static bool is_hash(const char *s, size_t len) {
    return len == 17 && s[0] == 'h' && strspn(s + 1, "0123456789abcdef") >= 16;
}

static const struct {
    const char *code, *text;
} escapes[] = {{"$SP$", "@"}, {"$BP$", "*"}, {"$RF$", "&"}, {"$LT$", "<"},
               {"$GT$", ">"}, {"$LP$", "("}, {"$RP$", ")"}, {"$C$", ","}};

/* "$u7e$" and the like; returns how many bytes it took. */
static size_t escape(struct mangled *m, const char *s, size_t len) {
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        size_t n = strlen(escapes[i].code);
        if (n <= len && memcmp(s, escapes[i].code, n) == 0) {
            put(m, escapes[i].text);
            return n;
        }
    }
    unsigned code;
    char c[2] = {0};
    if (len < 5 || s[1] != 'u' || s[4] != '$' || sscanf(s + 2, "%2x", &code) != 1 || !isprint((int)code))
        return 0;
    c[0] = (char)code;
    put(m, c);
    return 5;
}

static void legacy_part(struct mangled *m, const char *s, size_t len) {
    if (len > 1 && s[0] == '_' && s[1] == '$')
        s++, len--;
    for (size_t n; len; s += n, len -= n) {
        n = *s == '$' ? escape(m, s, len) : 0;
        if (n)
            continue;
        bool two = len > 1 && s[0] == '.' && s[1] == '.';
        n = two ? 2 : 1;
        if (two)
            put(m, "::");
        else
            put_n(m, s, 1);
    }
}

static bool nested_name(struct mangled *m) {
    bool several = take(m, 'N'), any = false;
    const char *last = "";
    size_t last_len = 0;
    while (several && (take(m, 'K') || take(m, 'V')))
        ;
    do {
        if (several && any && (peek(m) == 'C' || peek(m) == 'D') && isdigit((unsigned char)m->s[m->at + 1])) {
            put(m, next(m) == 'D' ? "::~" : "::");
            put_n(m, last, last_len);
            next(m);
            continue;
        }
        size_t len = (size_t)decimal(m);
        if (m->bad || !len || len > m->len - m->at)
            return false;
        last = m->s + m->at;
        last_len = len;
        m->at += len;
        if (is_hash(last, len) && peek(m) == 'E' && any)
            continue;
        put(m, any ? "::" : "");
        legacy_part(m, last, len);
        any = true;
    } while (several && !m->bad && !take(m, 'E'));
    return any && !m->bad && peek(m) != 'I';
}

const char *oops_demangle(struct oops_pool *pool, const char *name) {
    struct mangled m = {.s = name + 2};
    bool rust = strncmp(name, "_R", 2) == 0, cxx = strncmp(name, "_Z", 2) == 0;
    if (!rust && !cxx)
        return name;
    m.len = rust ? strcspn(m.s, ".") : strlen(m.s); /* older names have points of their own */
    if (!(rust ? rust_v0(&m) : nested_name(&m)) || !m.used)
        return name;
    return oops_pool_strn(pool, m.text, m.used);
}
