/*
 * Looking at text from a log: patterns with stars, numbers, symbols. All of it
 * is linear in the length of the line and stops at its end.
 */
#include <ctype.h>
#include <string.h>

#include "diag/oops/oops_int.h"

/* memmem() builds a table at each call, which pieces as short as these are not worth. */
static const char *find_piece(const char *text, const char *piece, size_t len) {
    for (const char *at = strchr(text, piece[0]); at; at = strchr(at + 1, piece[0]))
        if (!strncmp(at, piece, len))
            return at;
    return NULL;
}

bool oops_match(const char *pattern, const char *text, struct oops_span captures[OOPS_CAPTURES]) {
    const char *at = text;
    unsigned star = 0;
    while (*pattern) {
        size_t piece = (size_t)(strchrnul(pattern, '*') - pattern);
        const char *found = at;
        if (piece) {
            found = find_piece(at, pattern, piece);
            if (!found)
                return false;
        }
        if (star && captures && star <= OOPS_CAPTURES)
            captures[star - 1].len = (size_t)(found - captures[star - 1].s);
        at = found + piece;
        pattern += piece;
        if (*pattern != '*')
            return true;
        pattern++;
        star++;
        if (captures && star <= OOPS_CAPTURES)
            captures[star - 1] = (struct oops_span){at, strlen(at)};
    }
    return true;
}

const char *oops_after(const char *text, const char *needle) {
    const char *found = strstr(text, needle);
    return found ? found + strlen(needle) : NULL;
}

const char *oops_blanks(const char *text) {
    while (*text == ' ' || *text == '\t')
        text++;
    return text;
}

bool oops_hex(const char **text, uint64_t *value) {
    const char *s = *text;
    uint64_t v = 0;
    unsigned digits = 0;
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && isxdigit((unsigned char)s[2]))
        s += 2;
    for (; isxdigit((unsigned char)*s); s++, digits++)
        v = v << 4 | (uint64_t)(isdigit((unsigned char)*s) ? *s - '0' : (*s | 0x20) - 'a' + 10);
    if (!digits || digits > 16)
        return false;
    *text = s;
    *value = v;
    return true;
}

bool oops_decimal(const char **text, uint64_t *value) {
    const char *s = *text;
    uint64_t v = 0;
    for (; isdigit((unsigned char)*s); s++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
            return false;
    if (s == *text)
        return false;
    *text = s;
    *value = v;
    return true;
}

/* ---- Symbols ---- */

void oops_symbol_clear(struct oops_symbol *sym) {
    *sym = (struct oops_symbol){.name = "", .module = "", .build_id = ""};
}

/* What %p gives instead of an address; behind it, or NULL. */
static const char *hidden_address(const char *s) {
    static const char *const forms[] = {"(null)", "(ptrval)", "(____ptrval____)"};
    for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (oops_starts(s, forms[i]))
            return s + strlen(forms[i]);
    return NULL;
}

/* "[<ffffffff81002144>]", "[ffffffff81002144]", "[<0>]", "[<(ptrval)>]", "[]" (a web page ate it): the address, if any.
 */
static bool bracketed(const char **text, struct oops_symbol *sym) {
    const char *s = *text;
    uint64_t value = 0;
    if (*s++ != '[')
        return false;
    if (*s == ']') {
        *text = s + 1;
        return true;
    }
    bool angle = *s == '<';
    s += angle;
    s = oops_blanks(s);
    const char *digits = s;
    bool got = oops_hex(&s, &value);
    const char *hidden = got ? NULL : hidden_address(s);
    if (!got && !hidden)
        return false;
    if (!got)
        s = hidden;
    else if (!angle && s - digits < 8) /* "[<0>]" is an address, "[12]" is none */
        return false;
    s += angle && *s == '>';
    if (*s != ']')
        return false;
    *text = s + 1;
    sym->address = value;
    sym->has_address = got && value != 0;
    return true;
}

static bool name_char(char c) {
    return oops_is_word(c) || c == '.' || c == '$' || c == '@';
}

/* Rust's names have colons, angle brackets and blanks: up to the "+0x". */
static size_t rust_name(const char *s) {
    if (*s != '<' && !isalpha((unsigned char)*s) && *s != '_')
        return 0;
    size_t n = strcspn(s, "+\"(");
    if (s[n] != '+' || n < 4 || n > 400 || !memmem(s, n, "::", 2))
        return 0;
    return n;
}

/* " [mod]", " [mod 0123456789abcdef]", " [mod] [last]": what stands in the first brackets. */
static void parse_module(struct oops_pool *pool, const char **text, struct oops_symbol *sym) {
    const char *s = oops_blanks(*text);
    if (*s != '[' || !(oops_is_word(s[1])))
        return;
    size_t n = strcspn(++s, " ]\t+");
    const char *end = s + n;
    if (n == 0 || n > 64 || (*end != ']' && *end != ' '))
        return;
    const char *id = "";
    size_t id_len = 0;
    if (*end == ' ') {
        id = oops_blanks(end);
        id_len = strspn(id, "0123456789abcdefABCDEF");
        end = id + id_len;
        if (*end != ']' || id_len < 8)
            return;
    }
    if (n == 6 && !memcmp(s, "inline", 6))
        return;
    sym->module = oops_pool_strn(pool, s, n);
    sym->build_id = oops_pool_strn(pool, id, id_len);
    *text = end + 1;
}

/* "+0x1/0x2", "+0x1", "+12/34" (of 2.4 and early 2.6). */
static bool parse_offset(const char **text, struct oops_symbol *sym) {
    const char *s = *text;
    if (*s++ != '+')
        return false;
    if (!(s[0] == '0' && s[1] == 'x' ? oops_hex(&s, &sym->off) : oops_decimal(&s, &sym->off)))
        return false;
    sym->has_off = true;
    if (s[0] == '/') {
        const char *size = s + 1;
        if (size[0] == '0' && size[1] == 'x' ? oops_hex(&size, &sym->size) : oops_decimal(&size, &sym->size)) {
            sym->has_size = true;
            s = size;
        }
    }
    *text = s;
    return true;
}

/* What may be a path in "(net/core/dev.c:12 (discriminator 3) net/core/dev.c:40)"; 0: it is none. */
static size_t source_path(const char *s) {
    size_t n = 0;
    while (oops_is_word(s[n]) || (s[n] && strchr("./+-,~", s[n])))
        n++;
    bool extension = n > 2 && (s[n - 2] == '.' || (n > 3 && s[n - 3] == '.'));
    return extension && s[n] == ':' && (isdigit((unsigned char)s[n + 1]) || s[n + 1] == '?') ? n : 0;
}

/* Behind the place that decode_stacktrace.sh puts where the offset was: " (FILE:LINE)"; NULL: none. */
static const char *decoded_place(const char *s) {
    unsigned depth = 0;
    if (s[0] != ' ' || s[1] != '(' || !source_path(s + 2))
        return NULL;
    for (s++; *s; s++) {
        depth += *s == '(';
        if (*s == ')' && --depth == 0)
            return s + 1;
    }
    return s; /* the line was broken inside */
}

/* ":jbd:log_wait_commit", as 2.6.2x printed modules. */
static const char *leading_module(const char *s, struct oops_span *module) {
    *module = (struct oops_span){"", 0};
    if (*s != ':')
        return s;
    size_t n = 0;
    while (name_char(s[1 + n]))
        n++;
    if (!n || s[1 + n] != ':')
        return s;
    *module = (struct oops_span){s + 1, n};
    return s + n + 2;
}

/* decode_stacktrace.sh takes the brackets off a module's name, which is the last word then. */
static void decoded_module(struct oops_pool *pool, const char **text, struct oops_symbol *sym) {
    const char *s = oops_blanks(*text);
    size_t n = 0;
    parse_module(pool, text, sym);
    while (oops_is_word(s[n]) || s[n] == '-')
        n++;
    if (sym->module[0] || !n || s[n])
        return;
    sym->module = oops_pool_strn(pool, s, n);
    *text = s + n;
}

static bool parse_name(struct oops_pool *pool, const char **text, struct oops_symbol *sym) {
    struct oops_span module;
    const char *s = leading_module(*text, &module);
    size_t n = 0;
    while (name_char(s[n]))
        n++;
    if (!n || s[n] != '+' || isdigit((unsigned char)s[0]))
        n = rust_name(s);
    const char *after = s + n, *decoded = NULL;
    if (!n && (oops_is_word(s[0]) || s[0] == '.') && !isdigit((unsigned char)s[0])) {
        while (name_char(s[n]))
            n++;
        decoded = decoded_place(s + n);
        after = decoded;
    }
    if (!n || !after || (!decoded && !parse_offset(&after, sym)))
        return false;
    bool entry = n > 1 && s[0] == '.' && (s[1] == '_' || isalpha((unsigned char)s[1])); /* of powerpc's first ABI */
    sym->name = oops_pool_strn(pool, s + entry, n - entry);
    sym->module = oops_pool_strn(pool, module.s, module.len);
    if (*after == '}')
        after++;
    if (decoded)
        decoded_module(pool, &after, sym);
    else
        parse_module(pool, &after, sym);
    *text = after;
    return true;
}

static bool bare_address(const char **text, struct oops_symbol *sym) {
    const char *s = *text;
    uint64_t value;
    if (oops_starts(s, "(null)")) {
        sym->has_address = true;
        *text = s + strlen("(null)");
        return true;
    }
    if (!(s[0] == '0' && s[1] == 'x') || !oops_hex(&s, &value) || oops_is_word(*s))
        return false;
    sym->address = value;
    sym->has_address = true;
    *text = s;
    return true;
}

bool oops_decoded_frame(const char *text) {
    const char *s = oops_blanks(text);
    s = oops_blanks(s + (*s == '?'));
    size_t n = 0;
    while (name_char(s[n]))
        n++;
    return n && !isdigit((unsigned char)s[0]) && decoded_place(s + n) != NULL;
}

bool oops_symbol(struct oops_pool *pool, const char **text, struct oops_symbol *sym) {
    const char *s = oops_blanks(*text);
    oops_symbol_clear(sym);
    bool brackets = false;
    for (int i = 0; i < 2 && bracketed(&s, sym); i++) {
        brackets = true;
        s = oops_blanks(s);
    }
    if (*s == '?' && (s[1] == ' ' || s[1] == '\t'))
        s = oops_blanks(s + 1);
    if (*s == '(' && name_char(s[1]) && !oops_starts(s, "(null)"))
        s++;
    if (*s == '{')
        s++;
    if (parse_name(pool, &s, sym) || bare_address(&s, sym) || (brackets && sym->has_address)) {
        *text = s;
        return true;
    }
    return false;
}

size_t oops_plain_length(const char *name) {
    const char *end = strncmp(name, "_Z", 2) == 0 ? strstr(name, "E.") : NULL;
    if (strncmp(name, "_Z", 2) == 0) /* rustc's older names have points inside */
        return end ? (size_t)(end - name) + 1 : strlen(name);
    return name[0] == '<' || strstr(name, "::") ? strlen(name) : strcspn(name, ".+");
}
