/*
 * The records of pstore: a panic's log is stored newest part first, so that
 * "Part1" is the end of the story. Parts are collected and given out in
 * descending order of their number, one event after the other; those of several
 * events may come mixed, as their files' names sort.
 *
 * Source: fs/pstore/platform.c (pstore_dump): "%s#%d Part%u\n".
 * Bounded: what is more than PARTS_MAX parts or PART_MAX_BYTES each is taken in
 * the order it comes.
 */
#include <stdlib.h>
#include <string.h>

#include "diag/oops/log/pstore.h"
#include "diag/oops/oops_int.h"

#define PARTS_MAX      64
#define PART_MAX_BYTES (128u << 10)

struct part {
    uint64_t event, number;
    uint64_t first_line; /* of the log */
    char *text;
    size_t len, room;
};

struct oops_pstore {
    struct part parts[PARTS_MAX];
    unsigned count;
};

struct oops_pstore *oops_pstore_new(void) {
    return calloc(1, sizeof(struct oops_pstore));
}

void oops_pstore_free(struct oops_pstore *store) {
    if (!store)
        return;
    for (unsigned i = 0; i < store->count; i++)
        free(store->parts[i].text);
    free(store);
}

/* "Panic#1 Part3", "Oops#2 Part1" */
static bool header(const char *s, size_t len, uint64_t *event, uint64_t *number) {
    char text[64];
    if (len >= sizeof(text) || len < 12)
        return false;
    memcpy(text, s, len);
    text[len] = '\0';
    const char *p = text;
    if (!oops_starts(p, "Panic#") && !oops_starts(p, "Oops#") && !oops_starts(p, "Emergency#"))
        return false;
    p = strchr(p, '#') + 1;
    if (!oops_decimal(&p, event) || !oops_starts(p, " Part"))
        return false;
    p += 5;
    return oops_decimal(&p, number) && (!*p || *p == '\r');
}

bool oops_pstore_is_header(const char *line, size_t len) {
    uint64_t event, number;
    return header(line, len, &event, &number);
}

static int keep(struct part *part, const char *line, size_t len) {
    if (part->len + len + 1 > part->room) {
        size_t room = 2 * (part->len + len + 1);
        char *text = realloc(part->text, room);
        if (!text)
            return -1;
        part->text = text;
        part->room = room;
    }
    memcpy(part->text + part->len, line, len);
    part->text[part->len + len] = '\n';
    part->len += len + 1;
    return 0;
}

bool oops_pstore_line(struct oops_pstore *store, const char *line, size_t len, uint64_t number) {
    uint64_t event, part_number;
    if (header(line, len, &event, &part_number)) {
        if (store->count == PARTS_MAX)
            return false;
        store->parts[store->count++] = (struct part){.event = event, .number = part_number, .first_line = number + 1};
        return true;
    }
    struct part *part = store->count ? &store->parts[store->count - 1] : NULL;
    return part && part->len < PART_MAX_BYTES && !keep(part, line, len);
}

static int by_order(const void *a, const void *b) {
    const struct part *x = a, *y = b;
    if (x->event != y->event)
        return x->event < y->event ? -1 : 1;
    return x->number == y->number ? 0 : x->number > y->number ? -1 : 1;
}

void oops_pstore_flush(struct oops_pstore *store, oops_pstore_fn *fn, void *ctx) {
    qsort(store->parts, store->count, sizeof(store->parts[0]), by_order);
    for (unsigned i = 0; i < store->count; i++) {
        struct part *part = &store->parts[i];
        uint64_t line = part->first_line;
        for (size_t at = 0; at < part->len; line++) {
            const char *end = memchr(part->text + at, '\n', part->len - at);
            size_t n = (size_t)(end - (part->text + at));
            fn(ctx, part->text + at, n, line);
            at += n + 1;
        }
        free(part->text);
    }
    store->count = 0;
}
