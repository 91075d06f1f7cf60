/*
 * A log, line by line: what is alike is explained once, with its count and the
 * first line. Alike is: the same status of the same set, or the same known
 * line. Memory is bounded: the number of different ones is.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "diag/explain_int.h"

#define ITEMS_MAX 4096
#define TEXT_MAX  240

struct item {
    struct explanation x;
    unsigned long count, first_line;
    char text[TEXT_MAX];
};

struct explain_log {
    struct explain_hint hint;
    unsigned long lines, left_out;
    unsigned count, room;
    struct item *items;
};

struct explain_log *explain_log_new(const struct explain_hint *hint) {
    struct explain_log *log = calloc(1, sizeof *log);
    if (log)
        log->hint = *hint;
    return log;
}

void explain_log_free(struct explain_log *log) {
    if (log)
        free(log->items);
    free(log);
}

static bool alike(const struct explanation *a, const struct explanation *b) {
    if (a->message != b->message || a->blk != b->blk || a->error != b->error || !a->count != !b->count)
        return false;
    return !a->count || (a->reading[0].status == b->reading[0].status && a->reading[0].set == b->reading[0].set);
}

static struct item *item_of(struct explain_log *log, const struct explanation *x) {
    for (unsigned i = 0; i < log->count; i++)
        if (alike(&log->items[i].x, x))
            return &log->items[i];
    return NULL;
}

static int item_add(struct explain_log *log, const struct explanation *x, const char *line, size_t len) {
    if (log->count == ITEMS_MAX) {
        log->left_out++;
        return 0;
    }
    if (log->count == log->room) {
        unsigned room = log->room ? 2 * log->room : 16;
        struct item *items = realloc(log->items, room * sizeof *items);
        if (!items)
            return -1;
        log->items = items;
        log->room = room;
    }
    struct item *item = &log->items[log->count++];
    *item = (struct item){.x = *x, .count = 1, .first_line = log->lines};
    if (len >= sizeof item->text)
        len = sizeof item->text - 1;
    for (size_t i = 0; i < len; i++) /* it goes to a terminal, and into JSON */
        item->text[i] = (line[i] >= ' ' && line[i] < 0x7f) ? line[i] : line[i] == '\t' ? ' ' : '?';
    return 0;
}

int explain_log_line(struct explain_log *log, const char *line, size_t len) {
    struct explanation x;
    log->lines++;
    while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    if (!explain_line(line, len, &log->hint, &x))
        return 0;
    struct item *item = item_of(log, &x);
    if (item) {
        item->count++;
        return 0;
    }
    return item_add(log, &x, line, len);
}

unsigned explain_log_found(const struct explain_log *log) {
    return log->count;
}

void explain_log_print(FILE *out, const struct explain_log *log) {
    for (unsigned i = 0; i < log->count; i++) {
        const struct item *item = &log->items[i];
        fprintf(out, "%sline %lu", i ? "\n" : "", item->first_line);
        if (item->count > 1)
            fprintf(out, ", and %lu alike", item->count - 1);
        fprintf(out, ": %s\n", item->text);
        explain_print(out, &item->x);
    }
    if (log->left_out)
        fprintf(out, "\n%lu more lines with yet others are left out\n", log->left_out);
}

struct json_t *explain_log_json(const struct explain_log *log) {
    json_t *array = json_array();
    for (unsigned i = 0; i < log->count; i++) {
        json_t *object = explain_json(&log->items[i].x);
        json_object_set_new(object, "line", json_integer((json_int_t)log->items[i].first_line));
        json_object_set_new(object, "count", json_integer((json_int_t)log->items[i].count));
        json_object_set_new(object, "text", json_string(log->items[i].text));
        json_array_append_new(array, object);
    }
    return array;
}
