/* The points of a run; see run_points.h. */
#include "cli/run_points.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- lists --- */

/* What separates values of the option named by `argument`. */
static const char *separators(const struct opt_set *set, const char *argument) {
    char section[64], key[64];
    if (sscanf(argument, " %63[^.= ] . %63[^.= ]", section, key) != 2)
        return "";
    const struct opt_row *row = opt_find(set, section, key, NULL);
    if (!row)
        return ""; /* whoever applies it complains */
    return row->type == OPT_STRING || row->type == OPT_TIMES || row->type == OPT_TEXT ? ";" : ",;";
}

static int add_value(struct run_list *list, const char *value, size_t length, struct err *e) {
    char **text = realloc(list->text, (list->count + 1) * sizeof(*text));
    if (!text)
        return err_set(e, ENOMEM, "no memory for the values of %s", list->name);
    list->text = text;
    if (!length)
        return err_set(e, EINVAL, "-o %s: an empty value in the list", list->name);
    if (asprintf(&text[list->count], "%s=%.*s", list->name, (int)length, value) < 0)
        return err_set(e, ENOMEM, "no memory for the values of %s", list->name);
    list->count++;
    return 0;
}

static int add_list(struct run_points *p, const char *argument, unsigned number, const char *separator, struct err *e) {
    struct run_list *list = &p->list[p->lists++];
    const char *value = strchr(argument, '=');
    list->argument = number;
    list->name = strndup(argument, (size_t)(value++ - argument));
    if (!list->name)
        return err_set(e, ENOMEM, "no memory for the options");
    for (unsigned i = 0; i + 1 < p->lists; i++)
        if (!strcmp(p->list[i].name, list->name))
            return err_set(e, EINVAL, "-o %s: two lists of values for one option", list->name);
    for (;; value++) {
        size_t length = strcspn(value, separator);
        if (add_value(list, value, length, e) || list->count > RUN_POINTS_MAX)
            return e->code ? e->code : err_set(e, E2BIG, "-o %s: more than %d values", list->name, RUN_POINTS_MAX);
        value += length;
        if (!*value)
            return 0;
    }
}

static int find_lists(struct run_points *p, const struct config_overrides *o, struct err *e) {
    struct config *config = malloc(sizeof(*config));
    int ret = config ? config_init(config, e) : err_set(e, ENOMEM, "no memory for the configuration");
    for (unsigned i = 0; i < o->count && !ret; i++) {
        const char *value = strchr(o->text[i], '='), *separator = separators(&config->set, o->text[i]);
        if (value && value[strcspn(value, separator)])
            ret = add_list(p, o->text[i], i, separator, e);
    }
    free(config);
    return ret;
}

/* --- drives --- */

static int find_drives(struct run_points *p, const struct run_args *a, struct err *e) {
    const char *at = a->compare ? a->compare : a->drive;
    for (;; at++) {
        size_t length = a->compare ? strcspn(at, ",") : strlen(at);
        if (!length)
            return err_set(e, EINVAL, "--compare %s: a drive without a name", a->compare);
        if (p->drives == RUN_DRIVES_MAX)
            return err_set(e, E2BIG, "--compare: more than %d drives", RUN_DRIVES_MAX);
        if (!(p->drive[p->drives++] = strndup(at, length)))
            return err_set(e, ENOMEM, "no memory for the drives");
        at += length;
        if (!*at)
            break;
    }
    if (a->compare && p->drives < 2)
        return err_set(e, EINVAL, "--compare %s: two drives at least, separated by commas", a->compare);
    return 0;
}

/* --- points --- */

static unsigned combination(const struct run_points *p, unsigned point) {
    return p->chosen ? p->chosen[point] : point;
}

/* Which value of the list the point has: mixed radix, the last list varies fastest. */
static const char *text_of(const struct run_points *p, unsigned point, unsigned list) {
    point = combination(p, point);
    for (unsigned i = p->lists; --i > list;)
        point /= p->list[i].count;
    return p->list[list].text[point % p->list[list].count];
}

const char *run_point_drive(const struct run_points *p, unsigned point) {
    return p->drive[combination(p, point) / (p->combinations / p->drives)];
}

const char *run_point_value(const struct run_points *p, unsigned point, unsigned list) {
    return strchr(text_of(p, point, list), '=') + 1;
}

void run_point_options(const struct run_points *p, unsigned point, const struct run_args *args,
                       struct config_overrides *overrides) {
    *overrides = args->overrides;
    for (unsigned i = 0; i < p->lists; i++)
        overrides->text[p->list[i].argument] = text_of(p, point, i);
}

/* --- schedulers that fit --- */

static bool fits(const struct run_points *p, unsigned point, const struct run_args *a, struct config *config) {
    struct config_overrides overrides;
    struct err unused;
    run_point_options(p, point, a, &overrides);
    if (config_load(config, run_point_drive(p, point), &overrides, &unused) ||
        !drive_kinds[config->drive.drive.kind]->zoned)
        return true; /* whoever runs it complains */
    const struct elevator_ops *ops = elevator_find(config->queue.scheduler, &unused);
    return !ops || ops->zones;
}

struct left_out {
    const char *drive;
    char names[256];
};

static void say_left_out(struct left_out *l) {
    if (l->names[0])
        fprintf(stderr, "drivelab: note: %s: left out, as they may reorder the writes of a zone:%s\n", l->drive,
                l->names);
    l->names[0] = '\0';
}

static void leave_out(struct left_out *l, const char *drive, const char *scheduler) {
    char word[64];
    snprintf(word, sizeof(word), " %.62s", scheduler);
    if (l->drive != drive)
        say_left_out(l);
    l->drive = drive;
    size_t used = strlen(l->names);
    const char *at = strstr(l->names, word);
    if (!at || (at[strlen(word)] && at[strlen(word)] != ' '))
        snprintf(l->names + used, sizeof(l->names) - used, "%s", word);
}

static int choose(struct run_points *p, const struct run_args *a, struct err *e) {
    struct left_out left = {0};
    struct config *config = malloc(sizeof(*config));
    unsigned *chosen = calloc(p->combinations, sizeof(*chosen)), count = 0;
    if (!config || !chosen) {
        free(config);
        free(chosen);
        return err_set(e, ENOMEM, "no memory for the points");
    }
    for (unsigned i = 0; i < p->combinations; i++) {
        if (fits(p, i, a, config))
            chosen[count++] = i;
        else
            leave_out(&left, run_point_drive(p, i), config->queue.scheduler);
    }
    say_left_out(&left);
    p->chosen = chosen;
    p->count = count;
    free(config);
    return 0;
}

int run_points_init(struct run_points *p, const struct run_args *args, struct err *e) {
    *p = (struct run_points){0};
    if (find_drives(p, args, e) || find_lists(p, &args->overrides, e))
        return e->code;
    uint64_t count = p->drives;
    for (unsigned i = 0; i < p->lists && count <= RUN_POINTS_MAX; i++)
        count *= p->list[i].count;
    if (count > RUN_POINTS_MAX)
        return err_set(e, E2BIG, "the values of options -o have more than %d combinations", RUN_POINTS_MAX);
    p->count = p->combinations = (unsigned)count;
    return args->all_schedulers ? choose(p, args, e) : 0;
}

void run_points_release(struct run_points *p) {
    free(p->chosen);
    for (unsigned i = 0; i < p->drives; i++)
        free(p->drive[i]);
    for (unsigned i = 0; i < p->lists; i++) {
        for (unsigned n = 0; n < p->list[i].count; n++)
            free(p->list[i].text[n]);
        free(p->list[i].text);
        free(p->list[i].name);
    }
}

void run_point_name(const struct run_points *p, unsigned point, char *name, size_t size) {
    size_t used = (size_t)snprintf(name, size, "%s", run_point_drive(p, point));
    for (unsigned i = 0; i < p->lists && used < size; i++)
        used += (size_t)snprintf(name + used, size - used, ", %s", text_of(p, point, i));
}
