/*
 * Sets of option tables: binding, finding, assigning, printing. The contract is
 * in opt.h; how a value is read and written is in opt_value.c.
 */
#include "base/opt.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/opt_int.h"
#include "base/text.h"

int opt_set_add(struct opt_set *set, const struct opt_row *rows, void *config) {
    if (set->count == OPT_SET_TABLES)
        return -ENOSPC;
    set->table[set->count].rows = rows;
    set->table[set->count].config = config;
    set->count++;
    for (const struct opt_row *r = rows; r->key; r++) {
        int rc = opt_value_parse(r, config, r->def, NULL);
        if (rc)
            return rc; /* a default outside its own range: the row is wrong */
    }
    return 0;
}

const struct opt_row *opt_find(const struct opt_set *set, const char *section, const char *key, void **config) {
    for (unsigned t = 0; t < set->count; t++) {
        for (const struct opt_row *r = set->table[t].rows; r->key; r++) {
            if (!strcmp(r->section, section) && !strcmp(r->key, key)) {
                if (config)
                    *config = set->table[t].config;
                return r;
            }
        }
    }
    return NULL;
}

/* The row whose "section.key" is nearest to the words given. */
static const struct opt_row *nearest_row(const struct opt_set *set, const char *section, const char *key) {
    const struct opt_row *best = NULL;
    unsigned best_distance = 0;
    for (unsigned t = 0; t < set->count; t++) {
        for (const struct opt_row *r = set->table[t].rows; r->key; r++) {
            /* a right section counts for more than a right letter in the key: -o ssd.capacity wants drive.capacity */
            unsigned d = 2 * text_distance(key, r->key) + (strcmp(section, r->section) != 0);
            if (!best || d < best_distance) {
                best = r;
                best_distance = d;
            }
        }
    }
    return best_distance > 2 * (strnlen(key, 63) + 2) / 3 + 1 ? NULL : best;
}

struct list {
    char text[ERR_TEXT_MAX / 2];
    size_t used;
};

static void list_add(struct list *list, const char *word) {
    if (list->used < sizeof list->text)
        list->used += (size_t)snprintf(list->text + list->used, sizeof list->text - list->used, "%s%s",
                                       list->used ? ", " : "", word);
}

static void list_keys(const struct opt_set *set, const char *section, struct list *list) {
    for (unsigned t = 0; t < set->count; t++)
        for (const struct opt_row *r = set->table[t].rows; r->key; r++)
            if (!strcmp(r->section, section))
                list_add(list, r->key);
}

/* Sections of the rows, each once: a table's rows of one section stand together. */
static void list_sections(const struct opt_set *set, struct list *list) {
    const char *last = "";
    for (unsigned t = 0; t < set->count; t++) {
        for (const struct opt_row *r = set->table[t].rows; r->key; r++) {
            if (strcmp(r->section, last))
                list_add(list, r->section);
            last = r->section;
        }
    }
}

static int unknown_option(const struct opt_set *set, const char *section, const char *key, struct err *e) {
    struct list list = {.used = 0};
    char hint[160] = "";
    const struct opt_row *near = nearest_row(set, section, key);
    if (near)
        snprintf(hint, sizeof hint, "; did you mean %s.%s?", near->section, near->key);
    list_keys(set, section, &list);
    if (list.used)
        return err_set(e, EINVAL, "%.64s.%.64s: unknown option%s Options of [%.64s]: %s", section, key,
                       *hint ? hint : ".", section, list.text);
    list_sections(set, &list);
    return err_set(e, EINVAL, "%.64s.%.64s: unknown section%s Sections: %s", section, key, *hint ? hint : ".",
                   list.text);
}

int opt_assign(struct opt_set *set, const char *section, const char *key, const char *value, struct err *e) {
    void *config;
    const struct opt_row *row = opt_find(set, section, key, &config);
    if (!row)
        return unknown_option(set, section, key, e);
    return opt_value_parse(row, config, value, e);
}

/* Copy [from, to) without the spaces around it; false if it does not fit. */
static bool copy_word(char *into, size_t size, const char *from, const char *to) {
    while (from < to && isspace((unsigned char)*from))
        from++;
    while (to > from && isspace((unsigned char)to[-1]))
        to--;
    size_t len = (size_t)(to - from);
    if (len >= size)
        return false;
    memcpy(into, from, len);
    into[len] = '\0';
    return true;
}

int opt_assign_arg(struct opt_set *set, const char *arg, struct err *e) {
    char section[64], key[64], value[OPT_TEXT_MAX];
    const char *equals = strchr(arg, '=');
    const char *dot = equals ? memchr(arg, '.', (size_t)(equals - arg)) : NULL;
    if (!dot || !copy_word(section, sizeof section, arg, dot) || !copy_word(key, sizeof key, dot + 1, equals))
        return err_set(e, EINVAL, "-o \"%.128s\": expected section.key=value", arg);
    if (!copy_word(value, sizeof value, equals + 1, arg + strlen(arg)))
        return err_set(e, EINVAL, "%s.%s: the value is too long", section, key);
    return opt_assign(set, section, key, value, e);
}

static size_t value_bytes(enum opt_type type) {
    switch (type) {
    case OPT_BOOL:
        return sizeof(bool);
    case OPT_U32:
        return sizeof(uint32_t);
    case OPT_ENUM:
        return sizeof(int);
    case OPT_STRING:
        return OPT_STRING_MAX;
    case OPT_TEXT:
        return OPT_TEXT_MAX;
    case OPT_TIMES:
        return sizeof(struct opt_times);
    case OPT_DOUBLE:
        return sizeof(double);
    default:
        return sizeof(uint64_t);
    }
}

void opt_keep(const struct opt_row *row, const void *config, void *to) {
    memcpy(to, (const char *)config + row->offset, value_bytes(row->type));
}

void opt_restore(const struct opt_row *row, void *config, const void *from) {
    memcpy((char *)config + row->offset, from, value_bytes(row->type));
}

void opt_copy_runtime(const struct opt_row *rows, void *to, const void *from) {
    for (const struct opt_row *r = rows; r->key; r++)
        if (r->runtime)
            memcpy((char *)to + r->offset, (const char *)from + r->offset, value_bytes(r->type));
}

enum { HELP_COLUMNS = 100, HELP_INDENT = 27 };

/* Text from HELP_INDENT on, in lines of HELP_COLUMNS; words are kept whole. */
static void print_wrapped(const char *text, FILE *out) {
    size_t column = HELP_INDENT;
    for (const char *s = text; *s; s += strspn(s, " ")) {
        size_t n = strcspn(s, " ");
        bool first = s == text, fits = column + 1 + n <= HELP_COLUMNS;
        if (!first && !fits)
            fprintf(out, "\n%*s", HELP_INDENT, "");
        fprintf(out, "%s%.*s", first || !fits ? "" : " ", (int)n, s);
        column = (first || fits ? column + !first : HELP_INDENT) + n;
        s += n;
    }
    fputc('\n', out);
}

static void print_row(const struct opt_row *row, const void *config, FILE *out) {
    char value[OPT_VALUE_TEXT], range[512], text[2 * OPT_VALUE_TEXT + 1024];
    bool changed = strcmp(opt_value_text(row, config, value, sizeof value), row->def) != 0;
    bool limited = *opt_range_text(row, range, sizeof range);
    /* a size or time carries its unit in its suffix */
    bool unit = row->unit && row->type != OPT_TIME && row->type != OPT_TIMES && strcmp(row->unit, "bytes") != 0;
    snprintf(text, sizeof text, "now %s%s%s%s%s%s%s%s%s%s", value, changed ? "; default " : "", changed ? row->def : "",
             limited ? "; " : "", limited && row->type == OPT_ENUM ? "one of " : "", range, unit ? " (" : "",
             unit ? row->unit : "", unit ? ")" : "", row->runtime ? "; can change at run time" : "");
    fprintf(out, "  %-24s ", row->key);
    print_wrapped(row->help, out);
    fprintf(out, "%*s", HELP_INDENT, "");
    print_wrapped(text, out);
}

void opt_print_help(const struct opt_set *set, FILE *out) {
    const char *last = "";
    for (unsigned t = 0; t < set->count; t++) {
        for (const struct opt_row *r = set->table[t].rows; r->key; r++) {
            if (strcmp(r->section, last))
                fprintf(out, "%s[%s]\n", *last ? "\n" : "", r->section);
            last = r->section;
            print_row(r, set->table[t].config, out);
        }
    }
}

static json_t *u64_json(uint64_t v) {
    return v <= INT64_MAX ? json_integer((json_int_t)v) : json_real((double)v);
}

static json_t *times_json(const struct opt_times *times) {
    json_t *array = json_array();
    for (uint32_t i = 0; array && i < times->count; i++)
        if (json_array_append_new(array, json_integer(times->ns[i]))) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *value_json(const struct opt_row *row, const void *config) {
    char text[OPT_VALUE_TEXT];
    const void *field = (const char *)config + row->offset;
    switch (row->type) {
    case OPT_BOOL:
        return json_boolean(*(const bool *)field);
    case OPT_U32:
        return json_integer(*(const uint32_t *)field);
    case OPT_U64:
    case OPT_SIZE:
        return u64_json(*(const uint64_t *)field);
    case OPT_TIME:
        return json_integer(*(const int64_t *)field);
    case OPT_DOUBLE:
        return json_real(*(const double *)field);
    case OPT_TIMES:
        return times_json(field);
    case OPT_TEXT:
        return json_string(field);
    case OPT_ENUM:
    case OPT_STRING:
        break;
    }
    return json_string(opt_value_text(row, config, text, sizeof text));
}

/* The object of a section, made if needed; borrowed. */
static json_t *section_json(json_t *root, const char *section) {
    json_t *object = json_object_get(root, section);
    if (!object && !json_object_set_new(root, section, json_object()))
        object = json_object_get(root, section);
    return object;
}

json_t *opt_to_json(const struct opt_set *set) {
    json_t *root = json_object();
    for (unsigned t = 0; root && t < set->count; t++) {
        for (const struct opt_row *r = set->table[t].rows; r->key; r++) {
            json_t *section = section_json(root, r->section);
            if (!section || json_object_set_new(section, r->key, value_json(r, set->table[t].config))) {
                json_decref(root);
                return NULL;
            }
        }
    }
    return root;
}
