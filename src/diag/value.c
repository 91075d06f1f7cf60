/*
 * A value by itself: which numbers it can be, the likeliest first.
 *
 * Rules: 0x says hexadecimal; letters do too; five decimal digits cannot be
 * hexadecimal; otherwise what has a name wins, hexadecimal first, and the other
 * reading is told. Above 7fffh it has to have the phase bit. A number without
 * a name is tried as a raw field, and as a status code without its type.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "diag/explain_int.h"

#define STATUS_BITS 0x7fff
#define ENTRY_BYTES 16

const char *explain_form_text(enum explain_form form) {
    static const char *const texts[EXPLAIN_FORMS] = {
        [EXPLAIN_HEX] = "hexadecimal, without the phase bit",
        [EXPLAIN_DECIMAL] = "decimal, without the phase bit",
        [EXPLAIN_RAW] = "a raw status field, phase bit included",
        [EXPLAIN_RAW_BY_SIZE] = "a raw status field, as it is above 7fffh: the phase bit taken off",
        [EXPLAIN_RAW_GUESS] = "a raw status field (a guess: without shifting, the number has no name)",
        [EXPLAIN_PAIR] = "status code type and status code apart",
        [EXPLAIN_CODE_ALONE] = "a status code without its type (a guess: as a whole status, the number has no name)",
        [EXPLAIN_DWORD3] = "dword 3 of a completion entry",
        [EXPLAIN_ENTRY] = "a completion entry, 16 bytes in the order of memory",
        [EXPLAIN_ENTRY_WORDS] = "a completion entry, four dwords",
    };
    return texts[form];
}

/* ---- Readings ---- */

void explain_clear(struct explanation *x, const struct explain_hint *hint) {
    memset(x, 0, sizeof *x);
    x->kind = hint->kind;
    x->opcode = hint->opcode;
    x->cid = x->qid = -1;
}

static void add_in(struct explanation *x, uint16_t status, int phase, enum explain_form form, uint8_t set) {
    for (unsigned i = 0; i < x->count; i++)
        if (x->reading[i].status == status && x->reading[i].set == set)
            return;
    if (x->count == EXPLAIN_READINGS)
        return;
    x->reading[x->count++] = (struct explain_reading){.status = status,
                                                      .phase = (int8_t)phase,
                                                      .form = (uint8_t)form,
                                                      .set = set,
                                                      .row = nvme_status_find_in(status, set),
                                                      .about = explain_about_find(status, set)};
}

bool explain_is_status(uint16_t status, uint8_t set) {
    return nvme_status_find_in(status, set) != NULL;
}

/* The sets that a status can be of: as the command says, or all that have it. */
void explain_add(struct explanation *x, uint32_t status, int phase, enum explain_form form) {
    uint16_t s = (uint16_t)(status & STATUS_BITS);
    bool std = explain_is_status(s, NVME_SET_STANDARD), fabrics = explain_is_status(s, NVME_SET_FABRICS);
    if (std && !(fabrics && x->kind == NVME_KIND_FABRICS))
        add_in(x, s, phase, form, NVME_SET_STANDARD);
    if (fabrics && (x->kind < 0 || x->kind == NVME_KIND_FABRICS || !std))
        add_in(x, s, phase, form, NVME_SET_FABRICS);
    if (!std && !fabrics)
        add_in(x, s, phase, form, explain_is_status(s, NVME_SET_VENDOR) ? NVME_SET_VENDOR : NVME_SET_STANDARD);
}

static int rank(const struct explain_reading *r) {
    static const int8_t form[EXPLAIN_FORMS] = {[EXPLAIN_HEX] = 3, [EXPLAIN_DECIMAL] = 2, [EXPLAIN_CODE_ALONE] = -3};
    int known = !r->row ? 0 : r->set == NVME_SET_VENDOR ? 7 : 10;
    return known + form[r->form] - (r->set == NVME_SET_FABRICS) - 2 * (r->status >> 11 & 3 ? 1 : 0);
}

void explain_rank(struct explanation *x) {
    for (unsigned i = 1; i < x->count; i++)
        for (unsigned j = i; j && rank(&x->reading[j]) > rank(&x->reading[j - 1]); j--) {
            struct explain_reading other = x->reading[j];
            x->reading[j] = x->reading[j - 1];
            x->reading[j - 1] = other;
        }
    while (x->count > 1 && !x->reading[x->count - 1].row) /* guesses without a name help nobody */
        x->count--;
}

/* ---- Numbers ---- */

unsigned explain_hex(const char *text, uint64_t *value, bool *prefixed) {
    unsigned digits = 0;
    *prefixed = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && isxdigit((unsigned char)text[2]);
    text += *prefixed ? 2 : 0;
    for (*value = 0; digits < 8 && isxdigit((unsigned char)text[digits]); digits++) {
        unsigned char c = (unsigned char)tolower((unsigned char)text[digits]);
        *value = *value << 4 | (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return digits;
}

static const char *skip(const char *text, const char *set) {
    return text + strspn(text, set);
}

/* One number from 0 to `max` with what may follow it ("h"); NULL if there is none. */
static const char *take_hex(const char *text, uint64_t max, uint64_t *value) {
    bool prefixed;
    unsigned digits = explain_hex(text, value, &prefixed);
    text += digits + (prefixed ? 2 : 0);
    if (!digits || *value > max || isxdigit((unsigned char)*text))
        return NULL;
    return *text == 'h' || *text == 'H' ? text + 1 : text;
}

static uint16_t flag_words(const char *text) {
    uint16_t flags = 0;
    for (text = skip(text, " ):,;"); *text; text = skip(text, " ):,;")) {
        size_t len = strcspn(text, " ):,;");
        if (len == 3 && strncasecmp(text, "DNR", 3) == 0)
            flags |= NVME_DNR;
        else if (len == 4 && strncasecmp(text, "MORE", 4) == 0)
            flags |= NVME_MORE;
        else
            break;
        text += len;
    }
    return flags;
}

/* "sct" and "sc", each with a number behind it. */
static const char *take_word(const char *text, const char *word, uint64_t max, uint64_t *value) {
    size_t len = strlen(word);
    if (strncasecmp(text, word, len) != 0)
        return NULL;
    return take_hex(skip(text + len, " :="), max, value);
}

bool explain_pair(const char *text, uint16_t *status) {
    uint64_t sct, sc;
    const char *at = skip(text, " (");
    const char *next = take_word(at, "sct", 7, &sct);
    if (next)
        next = take_word(skip(next, " /,;"), "sc", 0xff, &sc);
    else if ((next = take_hex(at, 7, &sct)) && *next == '/')
        next = take_hex(skip(next + 1, " "), 0xff, &sc);
    else
        return false;
    if (!next)
        return false;
    *status = (uint16_t)(sct << 8 | sc | flag_words(next));
    return true;
}

static bool only_digits(const char *text) {
    size_t len = strspn(text, "0123456789");
    return len && !text[len];
}

static void add_shifted(struct explanation *x, uint64_t value, enum explain_form form) {
    if (value <= STATUS_BITS)
        explain_add(x, (uint32_t)value, -1, form);
    else if (value <= 0xffff)
        explain_add(x, (uint32_t)value >> 1, (int)(value & 1), EXPLAIN_RAW_BY_SIZE);
}

static void add_raw(struct explanation *x, uint64_t value) {
    if (value <= 0xffff)
        explain_add(x, (uint32_t)value >> 1, (int)(value & 1), EXPLAIN_RAW);
    else if (value <= 0xffffffff)
        explain_add(x, (uint32_t)(value >> 17), (int)(value >> 16 & 1), EXPLAIN_DWORD3);
}

/* Nothing has that name: with the phase bit, or without a type? */
static void add_guesses(struct explanation *x, uint64_t value) {
    for (unsigned i = 0; i < x->count; i++)
        if (x->reading[i].row)
            return;
    if (value <= STATUS_BITS && nvme_status_find((uint16_t)(value >> 1), false))
        explain_add(x, (uint32_t)value >> 1, (int)(value & 1), EXPLAIN_RAW_GUESS);
    for (uint32_t sct = 1; value <= 0xff && sct <= 3; sct++)
        if (explain_is_status((uint16_t)(sct << 8 | value), NVME_SET_STANDARD))
            explain_add(x, (uint32_t)(sct << 8 | value), -1, EXPLAIN_CODE_ALONE);
}

static bool read_number(const char *text, const struct explain_hint *hint, struct explanation *x) {
    uint64_t value = 0, decimal = 0;
    bool prefixed;
    unsigned digits = explain_hex(text, &value, &prefixed);
    const char *end = text + digits + (prefixed ? 2 : 0);
    if (*end == 'h' || *end == 'H')
        end++;
    if (!digits || *end)
        return false;
    if (only_digits(text) && digits <= 8)
        decimal = strtoull(text, NULL, 10);
    if (hint->raw || digits > 6) {
        add_raw(x, value);
        explain_rank(x);
        return x->count > 0;
    }
    if (digits <= 4 || prefixed)
        add_shifted(x, value, EXPLAIN_HEX);
    if (only_digits(text))
        add_shifted(x, decimal, EXPLAIN_DECIMAL);
    add_guesses(x, value);
    explain_rank(x);
    return x->count > 0;
}

/* ---- Completion entries ---- */

/* Groups of hexadecimal digits to bytes: 16, or 0. `group` gets the digits of each. */
static unsigned entry_bytes(const char *text, uint8_t bytes[ENTRY_BYTES], unsigned *group) {
    unsigned n = 0;
    *group = 0;
    for (text = skip(text, " ,:;"); *text; text = skip(text, " ,:;")) {
        uint64_t value;
        bool prefixed;
        text += text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 2 : 0;
        unsigned len = (unsigned)strspn(text, "0123456789abcdefABCDEF");
        if (!len || len % 2 || (*group && *group != len) || n + len / 2 > ENTRY_BYTES)
            return 0;
        *group = len;
        for (unsigned i = 0; i < len; i += 2, text += 2) {
            char two[3] = {text[0], text[1], 0};
            explain_hex(two, &value, &prefixed);
            bytes[n++] = (uint8_t)value;
        }
        if (*text && !strchr(" ,:;", *text))
            return 0;
    }
    return n;
}

static bool read_entry(const char *text, struct explanation *x) {
    uint8_t bytes[ENTRY_BYTES];
    unsigned group;
    if (entry_bytes(text, bytes, &group) != ENTRY_BYTES)
        return false;
    struct nvme_cqe cqe;
    bool words = group == 8; /* as debuggers print them */
    for (unsigned i = 0; words && i < ENTRY_BYTES; i += 4) {
        uint8_t swapped[4] = {bytes[i + 3], bytes[i + 2], bytes[i + 1], bytes[i]};
        memcpy(bytes + i, swapped, 4);
    }
    memcpy(&cqe, bytes, sizeof cqe);
    uint16_t status = le16_get(cqe.status);
    x->cid = le16_get(cqe.cid);
    x->qid = le16_get(cqe.sqid);
    if (x->kind < 0 && x->qid == 0)
        x->kind = -1; /* of fabrics or admin: the entry doesn't tell */
    explain_add(x, status >> 1, status & 1, words ? EXPLAIN_ENTRY_WORDS : EXPLAIN_ENTRY);
    return true;
}

/* ---- Values ---- */

static int refuse(const char *text, const struct explain_hint *hint, struct err *e) {
    if (hint->raw)
        return err_set(e, EINVAL,
                       "\"%.60s\" is no raw status: a status field (0x8373), dword 3 of a completion entry, or the "
                       "entry's 16 bytes in hexadecimal are possible",
                       text);
    return err_set(e, EINVAL,
                   "\"%.60s\" is no status: 0x41b9, 41b9, 16825, \"(01/b9)\", \"sct 0x1 / sc 0xb9\", with --raw a "
                   "status field or a completion entry, a line of a log, a file, or - are possible",
                   text);
}

int explain_value(const char *text, const struct explain_hint *hint, struct explanation *x, struct err *e) {
    char trimmed[128];
    uint16_t status;
    explain_clear(x, hint);
    text = skip(text, " \t\"'");
    size_t len = strlen(text);
    while (len && strchr(" \t\r\n\"'", text[len - 1]))
        len--;
    if (!len || len >= sizeof trimmed)
        return refuse(text, hint, e);
    memcpy(trimmed, text, len);
    trimmed[len] = '\0';
    if (explain_pair(trimmed, &status))
        explain_add(x, status, -1, EXPLAIN_PAIR);
    else if (!read_entry(trimmed, x) && !read_number(trimmed, hint, x))
        return refuse(text, hint, e);
    return 0;
}

/* ---- Opcodes ---- */

static bool same_name(const char *a, const char *b) {
    for (;; a++, b++) {
        while (*a && !isalnum((unsigned char)*a))
            a++;
        while (*b && !isalnum((unsigned char)*b))
            b++;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (!*a)
            return true;
    }
}

int explain_opcode(const char *text, struct explain_hint *hint, struct err *e) {
    char *end;
    unsigned long number = strtoul(text, &end, 0);
    if (isdigit((unsigned char)*text) && !*end && number <= 0xff) {
        hint->opcode = (int)number;
        if (hint->kind < 0)
            hint->kind = number == NVME_OPC_FABRICS ? NVME_KIND_FABRICS : NVME_KIND_IO;
        if (hint->kind == NVME_KIND_FABRICS && number == NVME_OPC_FABRICS)
            hint->opcode = -1;
        return 0;
    }
    for (const struct nvme_opcode_row *row = nvme_opcodes; row->name; row++)
        if (same_name(row->name, text) && (hint->kind < 0 || hint->kind == row->kind)) {
            hint->kind = row->kind;
            hint->opcode = row->opcode;
            return 0;
        }
    return err_set(e, EINVAL,
                   "no %scommand is called \"%.60s\"; a number up to 0xff or a name such as zone-append, identify or "
                   "connect is possible",
                   hint->kind == NVME_KIND_ADMIN     ? "admin "
                   : hint->kind == NVME_KIND_FABRICS ? "fabrics "
                                                     : "",
                   text);
}

const char *explain_commands_next(const char *list, char *name, size_t size) {
    list = skip(list, ", ");
    size_t len = strcspn(list, ",");
    if (!len)
        return NULL;
    snprintf(name, size, "%.*s", (int)len, list);
    return list + len;
}
