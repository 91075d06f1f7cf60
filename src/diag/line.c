/*
 * A line of a log: where its status stands, what else it tells of the command,
 * and lines known by their words. Lines are any bytes; what is longer than
 * LINE_MAX_BYTES is cut.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "diag/explain_int.h"

#define LINE_MAX_BYTES 2048
#define DNR            ((long)NVME_DNR)

/* ---- What else stands there ---- */

static int64_t number_behind(const char *line, const char *word) {
    const char *at = strstr(line, word);
    if (!at)
        return -1;
    at += strlen(word);
    at += strspn(at, " :=");
    size_t digits = strspn(at, "0123456789abcdefABCDEF");
    bool hex = (digits && at[digits] == 'h') || strncmp(at, "0x", 2) == 0;
    if (!hex && !isdigit((unsigned char)*at))
        return -1;
    unsigned long value = strtoul(at, NULL, hex ? 16 : 10);
    return value <= 0xffffffff ? (int64_t)value : -1;
}

static int64_t first_of(const char *line, const char *const *words) {
    int64_t value = -1;
    for (; *words && value < 0; words++)
        value = number_behind(line, *words);
    return value;
}

/* "nvme0: " is a controller, "nvme0n1: " a namespace. */
static bool of_controller(const char *line) {
    const char *at = strstr(line, "nvme");
    if (!at)
        return false;
    size_t digits = strspn(at + 4, "0123456789");
    return digits && at[4 + digits] == ':';
}

/* "I/O tag 5 (3005)": the identifier, generation on top. */
static int64_t tag_of(const char *line) {
    const char *at = strstr(line, "I/O tag ");
    at = at ? strchr(at, '(') : NULL;
    uint64_t value;
    bool prefixed;
    unsigned digits = at ? explain_hex(at + 1, &value, &prefixed) : 0;
    return digits == 4 && !prefixed && at[5] == ')' ? (int64_t)value : -1;
}

static void find_command(const char *line, struct explanation *x) {
    static const char *const cids[] = {"cid:", "cid ", "cmdid=", "cid=", NULL};
    static const char *const qids[] = {"sqid:", "qid:", "QID ", "qid ", "qid=", "sqid ", NULL};
    static const char *const opcodes[] = {"opcode ", "opc ", "opc:", NULL};
    static const char *const fabrics[] = {"Connect", "Property Set", "Property Get", "FABRIC", NULL};
    x->cid = first_of(line, cids);
    if (x->cid < 0)
        x->cid = tag_of(line);
    x->qid = first_of(line, qids);
    int64_t opcode = first_of(line, opcodes);
    const char *in_parens = strstr(line, "(0x"), *sct = strstr(line, "(sct");
    if (opcode < 0 && sct && in_parens && in_parens < sct)
        opcode = (int64_t)strtoul(in_parens + 1, NULL, 16);
    if (x->opcode < 0 && opcode >= 0 && opcode <= 0xff)
        x->opcode = (int)opcode;
    if (x->kind >= 0)
        return;
    if (x->opcode == NVME_OPC_FABRICS) {
        x->kind = NVME_KIND_FABRICS;
        x->opcode = -1;
        return;
    }
    if (x->qid == 0 || strstr(line, "Admin Cmd(") || (sct && of_controller(line)))
        x->kind = NVME_KIND_ADMIN;
    else if (x->qid > 0 || x->opcode >= 0)
        x->kind = NVME_KIND_IO;
    for (unsigned i = 0; fabrics[i]; i++)
        if (strstr(line, fabrics[i]))
            x->kind = NVME_KIND_FABRICS;
}

/* ---- The status ---- */

static uint16_t spdk_flags(const char *line) {
    uint16_t flags = 0;
    if (number_behind(line, " dnr:") == 1)
        flags |= NVME_DNR;
    if (number_behind(line, " m:") == 1)
        flags |= NVME_MORE;
    int64_t crd = number_behind(line, " crd:");
    return crd > 0 && crd < 4 ? (uint16_t)(flags | crd << 11) : flags;
}

/* "(01/b9)": two digits each. */
static bool read_slash(const char *at, const char *line, struct explanation *x) {
    for (at = strchr(at, '('); at; at = strchr(at + 1, '(')) {
        uint16_t status;
        if (strspn(at + 1, "0123456789abcdefABCDEF") != 2 || at[3] != '/' ||
            strspn(at + 4, "0123456789abcdefABCDEF") != 2 || at[6] != ')' || !explain_pair(at, &status))
            continue;
        explain_add(x, status | spdk_flags(line), (int)number_behind(line, " p:"), EXPLAIN_PAIR);
        return true;
    }
    return false;
}

static bool read_decimal(const char *at, struct explanation *x) {
    char *end;
    long value = strtol(at, &end, 10);
    if (end == at || value < -40000 || value > 0x7fff)
        return false;
    if (value < 0)
        x->error = (int)(-value > DNR ? -value - DNR : -value); /* "wo/DNR bit" takes a bit off those too */
    else
        explain_add(x, (uint32_t)value, -1, EXPLAIN_DECIMAL);
    return true;
}

static bool read_hex(const char *at, bool either, struct explanation *x) {
    uint64_t value;
    bool prefixed;
    at += strspn(at, " :=\t");
    unsigned digits = explain_hex(at, &value, &prefixed);
    const char *end = at + digits + (prefixed ? 2 : 0);
    if (!digits || value > 0xffff || isalnum((unsigned char)*end))
        return false;
    if (value > 0x7fff)
        explain_add(x, (uint32_t)value >> 1, (int)(value & 1), EXPLAIN_RAW_BY_SIZE);
    else
        explain_add(x, (uint32_t)value, -1, EXPLAIN_HEX);
    if (either && value <= 0x7fff)
        explain_add(x, (uint32_t)value >> 1, (int)(value & 1), EXPLAIN_RAW_GUESS);
    explain_rank(x);
    return true;
}

/* "INVALID_FIELD: some words(4002)": the last parentheses with a number in them. */
static bool read_parens(const char *at, struct explanation *x) {
    const char *found = NULL;
    for (; (at = strchr(at, '(')) != NULL; at++) {
        uint64_t value;
        bool prefixed;
        unsigned digits = explain_hex(at + 1, &value, &prefixed);
        if (digits && at[1 + digits + (prefixed ? 2 : 0)] == ')')
            found = at + 1;
    }
    return found && read_hex(found, false, x);
}

static bool read_words(const char *at, struct explanation *x) {
    uint16_t status;
    if (!explain_pair(at, &status))
        return false;
    explain_add(x, status, -1, EXPLAIN_PAIR);
    return true;
}

static bool speaks_of_nvme(const char *line) {
    static const char *const words[] = {"nvme", "NVMe", "NVME", "femu", "FEMU", NULL};
    for (unsigned i = 0; words[i]; i++)
        if (strstr(line, words[i]))
            return true;
    return false;
}

/* Behind the context where that follows the needle and leads the number. */
static const char *place_of(const struct explain_place *place, const char *line) {
    const char *at = strstr(line, place->needle);
    if (!at)
        return NULL;
    const char *behind = at + strlen(place->needle);
    if (place->context && !strstr(line, place->context))
        return NULL;
    if (place->context && (place->style == STYLE_HEX || place->style == STYLE_DECIMAL)) {
        at = strstr(behind, place->context);
        return at ? at + strlen(place->context) : NULL;
    }
    return place->style == STYLE_WORDS || place->style == STYLE_SLASH ? at : behind;
}

static bool read_at(const struct explain_place *place, const char *at, const char *line, struct explanation *x) {
    switch ((enum explain_style)place->style) {
    case STYLE_WORDS:
        return read_words(at, x);
    case STYLE_SLASH:
        return read_slash(at, line, x);
    case STYLE_DECIMAL:
        return read_decimal(at, x);
    case STYLE_PAREN:
        return read_parens(at, x);
    case STYLE_HEX:
    case STYLE_EITHER:
        return read_hex(at, place->style == STYLE_EITHER, x);
    }
    return false;
}

static bool find_status(const char *line, const struct explain_hint *hint, struct explanation *x) {
    bool loose_too = hint->asked || speaks_of_nvme(line);
    int kind = x->kind, opcode = x->opcode;
    for (const struct explain_place *place = explain_places; place->needle; place++) {
        const char *at = place->loose && !loose_too ? NULL : place_of(place, line);
        if (!at)
            continue;
        if (kind < 0 && place->kind >= 0)
            x->kind = place->kind;
        if (opcode < 0 && place->opcode >= 0)
            x->opcode = place->opcode;
        if (read_at(place, at, line, x)) {
            x->place = place;
            return true;
        }
        x->kind = kind;
        x->opcode = opcode;
    }
    return false;
}

/* ---- Lines by their words ---- */

static const struct explain_message *find_message(const char *line) {
    for (const struct explain_message *m = explain_messages; m->needle; m++)
        if (strstr(line, m->needle) && (!m->context || strstr(line, m->context)))
            return m;
    return NULL;
}

/* "critical medium error, dev nvme0n1, sector 8 op 0x0:(READ) ..." */
static const struct explain_blk *find_blk(const char *line) {
    const char *at = strstr(line, " error, dev nvme");
    const struct explain_blk *found = NULL;
    for (const struct explain_blk *blk = explain_blks + 1; at && blk->name; blk++) {
        size_t len = strlen(blk->words);
        if ((size_t)(at - line) >= len && memcmp(at - len, blk->words, len) == 0)
            found = blk;
    }
    return found;
}

bool explain_line(const char *line, size_t len, const struct explain_hint *hint, struct explanation *x) {
    char text[LINE_MAX_BYTES];
    if (len >= sizeof text)
        len = sizeof text - 1;
    for (size_t i = 0; i < len; i++)
        text[i] = line[i] ? line[i] : ' ';
    text[len] = '\0';
    explain_clear(x, hint);
    x->message = find_message(text);
    x->blk = find_blk(text);
    if (x->blk)
        return true; /* its numbers are no statuses */
    find_command(text, x);
    find_status(text, hint, x);
    return x->count || x->error || x->message;
}
